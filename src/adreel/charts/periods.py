"""The periods that charts can show, and the periods that they can be compared with.

All days are dates of the ad accounts' own zones. Numbers of days count back from the last complete day of the table;
calendar periods begin at the day on which the rows were read, so that a table that was read on the 1st of April has
March as its last month. Weeks begin on Monday, as they do in every language of the pages, so that all who look at
a dashboard see the same days.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Literal

from adreel.dates import Dates, Span, span
from adreel.errors import InputError
from adreel.language import Phrase, phrase, shown_day

CalendarPeriod = Literal[
    "yesterday", "this_week", "last_week", "this_month", "last_month", "this_quarter", "last_quarter", "this_year"
]
Comparison = Literal["previous", "year", "none"]

DAYS = (7, 14, 28, 30, 60, 90)
"""The numbers of days that a menu offers; any other is allowed as well."""

FITTING_DAYS = (28, 14, 7)
"""The periods that charts open with: the first that the table has completely, with as many days before."""

CALENDAR_PERIODS: Mapping[CalendarPeriod, str] = MappingProxyType(
    {
        "yesterday": Phrase("Yesterday"),
        "this_week": Phrase("This week"),
        "last_week": Phrase("Last week"),
        "this_month": Phrase("This month"),
        "last_month": Phrase("Last month"),
        "this_quarter": Phrase("This quarter"),
        "last_quarter": Phrase("Last quarter"),
        "this_year": Phrase("Year to date"),
    }
)
COMPARISONS: Mapping[Comparison, str] = MappingProxyType(
    {
        "previous": Phrase("Previous period"),
        "year": Phrase("Same period a year before"),
        "none": Phrase("No comparison"),
    }
)

ONE_DAY = timedelta(days=1)


def period_words(days: int | CalendarPeriod | None) -> str:
    """A period that is no range, in words; None for all days."""
    match days:
        case None:
            return phrase("All days")
        case int():
            return phrase("Last day") if days == 1 else phrase("Last %(days)s days", days=days)
        case _:
            return str(CALENDAR_PERIODS[days])


def calendar_span(period: CalendarPeriod, today: date) -> Span:
    """The days of a calendar period as seen from `today`; a period that goes on ends today."""
    return span(Dates(period=period), today)


def compared_span(comparison: Comparison | Span, shown: Span) -> Span | None:
    """The days to compare `shown` with; None without comparison, or if the calendar has no such days.

    The previous period has as many days and ends on the day before. The period a year before has the same dates: for
    the 29th of February it is the 28th.
    """
    match comparison:
        case Span():
            return comparison
        case "none":
            return None
        case "year":
            return Span(_year_before(shown.start), _year_before(shown.end))
        case "previous":
            return Span(shown.start - shown.days * ONE_DAY, shown.start - ONE_DAY)


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28) if (day.month, day.day) == (2, 29) else day.replace(year=day.year - 1)


def read_span(start: str, end: str, name: str) -> Span:
    """A range from two days as 2026-01-31. InputError, which begins with `name`, for what is none."""
    try:
        days = Span(date.fromisoformat(start.strip()), date.fromisoformat(end.strip()))
    except ValueError:
        raise InputError(
            phrase("%(period)s: enter a start and an end date, such as 2026-01-31.", period=name)
        ) from None
    if days.start > days.end:
        raise InputError(
            phrase(
                "%(period)s: the start %(start)s is after the end %(end)s. Swap them.",
                period=name,
                start=shown_day(days.start),
                end=shown_day(days.end),
            )
        )
    return days
