"""Days as a person names them, counted in an advertiser's own fixed-offset zone.

An advertiser's zone never changes and has no daylight saving (TikTok help centre, "Time zone of an ad account"), so a
zone is one `timedelta` and every day has 24 hours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adreel.errors import InputError
from adreel.language import integer, listed, phrase, phrases, shown_day

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PERIODS = (
    "today",
    "yesterday",
    "last_7_days",
    "last_14_days",
    "last_30_days",
    "last_60_days",
    "last_90_days",
    "this_week",
    "last_week",
    "this_month",
    "last_month",
    "this_quarter",
    "last_quarter",
    "this_year",
    "last_year",
)
"""The time periods; `last_N_days` ends yesterday, `this_…` ends today, `last_week` and the like are whole."""

FIRST_DAY = date(2016, 9, 1)
"""No TikTok ad is older; a start before it is a slip of the pen."""

_OFFSET = re.compile(r"(?P<base>Etc/GMT|GMT|UTC)(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d\d))?")


@dataclass(frozen=True, slots=True)
class Day:
    """A day that a person named: a calendar day, or so many days before the advertiser's today."""

    fixed: date | None = None
    back: int = 0

    def on(self, today: date) -> date:
        """The calendar day, seen from `today`."""
        return self.fixed or today - timedelta(days=self.back)

    def __str__(self) -> str:
        """As it is written in a dataset file."""
        if self.fixed:
            return self.fixed.isoformat()
        return {0: "today", 1: "yesterday"}.get(self.back, f"today-{self.back}")


@dataclass(frozen=True, slots=True)
class Dates:
    """A range from `start` to `end`, both included, or a named period."""

    start: Day | None = None
    end: Day | None = None
    period: str | None = None
    week_starts: str = "monday"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Days from `start` to `end`, both included."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.start).days + 1

    def pieces(self, longest: int) -> Iterator[Span]:
        """The span cut into pieces of at most `longest` days, oldest first, each day in exactly one."""
        start = self.start
        while start <= self.end:
            end = min(self.end, start + timedelta(days=longest - 1))
            yield Span(start, end)
            start = end + timedelta(days=1)


def read_day(text: str) -> Day:
    """A day from `2026-01-31`, `today`, `yesterday`, `today-7` or a number of days back; ValueError if it is none."""
    word = text.strip().lower()
    if word.isdigit():
        return Day(back=int(word))
    if word in ("today", "yesterday"):
        return Day(back=("today", "yesterday").index(word))
    relative = re.fullmatch(r"today\s*-\s*(\d+)", word)
    if relative:
        return Day(back=int(relative[1]))
    return Day(fixed=date.fromisoformat(word))


def fixed_offset(timezone: str, display_timezone: str = "") -> timedelta:
    """The advertiser's offset from UTC.

    `Etc/GMT+8` has the POSIX sign and means UTC-8; a region's name means its standard time, as TikTok's zones have
    no daylight saving. `timezone` counts before `display_timezone`. Raises InputError if neither can be read.
    """
    for name in (timezone, display_timezone):
        offset = _offset(name.strip()) if name else None
        if offset is not None:
            return offset
    raise InputError(
        phrase(
            "The time zone %(timezone)s is unknown, so its days cannot be counted.",
            timezone=repr(timezone or display_timezone or "(none)"),
        )
    )


def _offset(name: str) -> timedelta | None:
    if name in ("UTC", "GMT", "Etc/UTC", "Etc/GMT"):
        return timedelta()
    match = _OFFSET.fullmatch(name)
    if match:
        size = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
        positive = (match["sign"] == "+") is not (match["base"] == "Etc/GMT")
        return size if positive else -size
    try:
        # January and July: one of them is standard time on either hemisphere, and it is the smaller one.
        zone = ZoneInfo(name)
        offsets = [datetime(2024, month, 1, tzinfo=zone).utcoffset() for month in (1, 7)]
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    return min(offset for offset in offsets if offset is not None)


def offset_name(offset: timedelta) -> str:
    """`UTC-08:00` for an offset of minus eight hours."""
    minutes = int(offset.total_seconds() // 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def today_at(now: datetime, offset: timedelta) -> date:
    """The day that it is at the aware time `now` in the zone with `offset`."""
    return (now.astimezone(UTC) + offset).date()


def shared_today(now: datetime, offsets: Iterable[timedelta]) -> date:
    """The day that it is at the aware time `now` in the last of the zones: the day before is over in all of them.

    What is shown of several ad accounts together takes "yesterday" and the like from it. `offsets` is not empty.
    """
    return min(today_at(now, offset) for offset in offsets)


def span(dates: Dates, today: date) -> Span:
    """The days asked for, seen from the advertiser's `today`."""
    if dates.period:
        return _period(dates.period, today, WEEKDAYS.index(dates.week_starts))
    assert dates.start is not None
    start = dates.start.on(today)
    return Span(start, dates.end.on(today) if dates.end else start)


def _period(period: str, today: date, first_weekday: int) -> Span:
    if period == "today":
        return Span(today, today)
    yesterday = today - timedelta(days=1)
    if period == "yesterday":
        return Span(yesterday, yesterday)
    word, unit = period.split("_", 1)
    if unit.endswith("_days"):
        return Span(today - timedelta(days=int(unit.removesuffix("_days"))), yesterday)
    start = _unit_start(unit, today, first_weekday)
    if word == "this":
        return Span(start, today)
    before = start - timedelta(days=1)
    return Span(_unit_start(unit, before, first_weekday), before)


def _unit_start(unit: str, day: date, first_weekday: int) -> date:
    if unit == "week":
        return day - timedelta(days=(day.weekday() - first_weekday) % 7)
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return day.replace(month=day.month - (day.month - 1) % 3, day=1)
    return day.replace(month=1, day=1)


Fault = Literal["order", "future", "past"]


def span_fault(days: Span, today: date) -> tuple[Fault, str] | None:
    """What is wrong with a span, if anything: the kind and a sentence that names the limit."""
    if days.start > days.end:
        return "order", phrase(
            "the start %(start)s is after the end %(end)s.", start=shown_day(days.start), end=shown_day(days.end)
        )
    if days.end > today:
        return "future", phrase("%(end)s is in the future.", end=shown_day(days.end))
    if days.start < FIRST_DAY:
        return (
            "past",
            phrase(
                "%(start)s is before TikTok had ads; the first day available is %(first_day)s.",
                start=shown_day(days.start),
                first_day=shown_day(FIRST_DAY),
            ),
        )
    return None


@dataclass(frozen=True, slots=True)
class FutureDays:
    """What is said of days that have not begun: a `fault` if so in every ad account, a `note` if in some of them."""

    fault: str = ""
    note: str = ""


def future_days(dates: Dates, todays: Iterable[date]) -> FutureDays:
    """What is said of a range that goes beyond today, by the today of each ad account that it is for."""
    counts = Counter(todays)
    last_days = {today: _ahead(span(dates, today), today) for today in counts}
    behind = sorted(today for today, day in last_days.items() if day is not None)
    if not behind:
        return FutureDays()
    day = max(day for day in last_days.values() if day is not None)
    if len(behind) == len(counts):
        return FutureDays(
            fault=phrase(
                "%(day)s is in the future in every selected ad account; the last day available is today, %(today)s.",
                day=shown_day(day),
                today=shown_day(behind[-1]),
            )
        )
    number = sum(counts[today] for today in behind)
    # If not all are behind, there are several.
    words = {"day": shown_day(day), "number": integer(number), "total": integer(counts.total())}
    if len(behind) == 1:
        return FutureDays(
            note=phrases(
                "%(day)s is in the future for %(number)s of %(total)s ad accounts: its last day is %(last_day)s.",
                "%(day)s is in the future for %(number)s of %(total)s ad accounts: their last day is %(last_day)s.",
                number,
                **words,
                last_day=shown_day(behind[0]),
            )
        )
    return FutureDays(
        note=phrase(
            "%(day)s is in the future for %(number)s of %(total)s ad accounts: their last days are %(last_days)s.",
            **words,
            last_days=listed(f"{shown_day(today)} ({integer(counts[today])})" for today in behind),
        )
    )


def _ahead(days: Span, today: date) -> date | None:
    """The end or else the start of a span if it is after today."""
    return next((day for day in (days.end, days.start) if day > today), None)
