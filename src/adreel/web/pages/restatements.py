"""The calendar of restatements of a dataset: which days TikTok changed, by how much, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from adreel.datasets.advertisers import advertiser_names
from adreel.datasets.restatement import amount as in_words
from adreel.datasets.restatement_calendar import (
    CalendarDay,
    CalendarFigure,
    CalendarVersion,
    RestatementCalendar,
    calendar,
)
from adreel.dates import Span
from adreel.errors import InputError
from adreel.language import SHORT_WEEKDAYS, in_language, phrase
from adreel.web.deps import Here, Who
from adreel.web.pages.changed_rows import rows_address
from adreel.web.pages.heading import Heading, heading
from adreel.web.render import Page, respond
from adreel.web.wording import month_and_day

router = APIRouter()

WEEKS = 12
"""Weeks of the calendar."""

STEPS = (0.1, 0.33, 0.66)
"""Shares of the largest amount from which a day has the next stronger color."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CalendarCell:
    """A day of the calendar; `tone` is its color, and `short` and `words` its amount, empty without a restatement."""

    day: date
    tone: str
    short: str
    words: str
    is_first: bool
    is_future: bool

    @property
    def label(self) -> str:
        """The day of the month, with its month if it is the first that is shown of it."""
        return month_and_day(self.day) if self.is_first else str(self.day.day)


@dataclass(frozen=True, slots=True)
class RestatedDayRow:
    """A restated day in the table: its amount, how many versions changed it, and the last of them."""

    day: date
    amount: str
    versions: int
    latest: int


@dataclass(frozen=True, slots=True)
class MoveRow:
    """One change of the selected day; `rows` is the address of its rows, empty if there is no version before."""

    version: int
    before: int | None
    run_id: str
    read_at: datetime
    advertiser: str
    amount: str
    rows: str


@dataclass(frozen=True, slots=True)
class RestatingVersionRow:
    """A version of the table, and what it changed of the days that are shown."""

    version: int
    before: int | None
    read_at: datetime
    amount: str
    days: int
    meaning: str


@dataclass(frozen=True, slots=True)
class CalendarLinks:
    """Addresses of the page for the same figure and ad account.

    `until` is the last day that is shown, None for the latest.
    """

    slug: str
    figure: str
    advertiser: str
    until: date | None

    def at(self, day: date | None = None, until: date | None = None) -> str:
        """The address with another selected day, or other weeks."""
        return calendar_address(self.slug, self.figure, self.advertiser, day=day, until=until or self.until)


def calendar_address(
    slug: str, figure: str, advertiser: str = "", *, day: date | None = None, until: date | None = None
) -> str:
    """The address of the page for a figure, of one ad account, with a selected day, or up to a day."""
    pairs = [("figure", figure), ("advertiser", advertiser), ("until", until), ("day", day)]
    query = urlencode([(name, str(value)) for name, value in pairs if value])
    base = f"/datasets/{slug}/restatements"
    return f"{base}?{query}" if query else base


@dataclass(frozen=True, slots=True)
class Restatements(Page):
    """The page. `weeks` are rows of seven days, newest first, and `day` is the selected one.

    `shown` are the days of the table among them, `span` all of these weeks. `earlier` is None if the table has no days
    before them.
    """

    template: ClassVar[str] = "restatements.html"
    head: Heading
    calendar: RestatementCalendar
    links: CalendarLinks
    weeks: tuple[tuple[CalendarCell, ...], ...]
    days: tuple[RestatedDayRow, ...]
    versions: tuple[RestatingVersionRow, ...]
    total: str
    span: Span
    shown: Span
    today: date
    advertiser: str
    advertisers: tuple[tuple[str, str], ...]
    day: date | None
    moves: tuple[MoveRow, ...]
    earlier: date | None
    later: date | None
    weekdays: tuple[str, ...] = SHORT_WEEKDAYS


@router.get("/datasets/{slug}/restatements")
def restatements(
    request: Request,
    deps: Here,
    who: Who,
    slug: str,
    figure: str = "",
    advertiser: str = "",
    until: str = "",
    day: str = "",
) -> Response:
    """The calendar of twelve weeks, and the changes of the selected day."""
    saved = who.guard.dataset(slug)
    today = deps.clock().astimezone(ZoneInfo(deps.store.workspace.get().zone)).date()
    selected = _day("day", day)
    last = _day("until", until) or max(today, selected or today)
    if selected and not until and selected < today - WEEKS * 7 * _DAY:
        last = selected
    span = _whole_weeks(last)
    shown = calendar(deps.store, deps.lake, saved, deps.clock(), key=figure, advertiser=advertiser, days=span)
    names = advertiser_names(who.guard, saved)
    later = min(span.end + WEEKS * 7 * _DAY, today) if span.end < today else None
    by_day = {each.day: each for each in shown.days}
    table = shown.table_days or span
    # Weeks before the first day of the table are left out.
    weeks = Span(max(span.start, min(table.start - table.start.weekday() * _DAY, span.end - 6 * _DAY)), span.end)
    of_table = Span(max(weeks.start, table.start), min(weeks.end, max(table.end, weeks.start), today))
    key = shown.figure.key if shown.figure else ""
    page = Restatements(
        head=heading(deps, who, saved, "restatements", str(request.url.path) + _query(request)),
        calendar=shown,
        links=CalendarLinks(saved.slug, key, advertiser, later and span.end),
        weeks=_weeks(shown, weeks, today),
        days=tuple(_day_row(each, shown.figure) for each in reversed(shown.days)),
        versions=tuple(_version_row(each, shown.figure) for each in shown.versions),
        total=_words(shown.amount, shown.figure),
        span=span,
        shown=of_table if of_table.start <= of_table.end else weeks,
        today=today,
        advertiser=advertiser,
        advertisers=tuple(
            sorted(((each, names.get(each, each)) for each in shown.advertisers), key=lambda pair: pair[1].casefold())
        ),
        day=selected,
        moves=_moves(saved.slug, by_day.get(selected) if selected else None, shown.figure, names),
        earlier=weeks.start - _DAY if table.start < weeks.start else None,
        later=later,
    )
    return respond(request, page, visitor=who)


def _whole_weeks(last: date) -> Span:
    """The weeks of the calendar, from Monday to Sunday, up to that of the day."""
    end = last + (6 - last.weekday()) * _DAY
    return Span(end - (WEEKS * 7 - 1) * _DAY, end)


def _version_row(version: CalendarVersion, figure: CalendarFigure | None) -> RestatingVersionRow:
    return RestatingVersionRow(
        version.version,
        version.before,
        version.read_at,
        _words(version.amount, figure) if version.days else "",
        version.days,
        "" if version.before is not None else version.state.meaning,
    )


def _query(request: Request) -> str:
    return f"?{request.url.query}" if request.url.query else ""


def _day(name: str, text: str) -> date | None:
    """The day that the address names; None without one. InputError for what is no day."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InputError(
            phrase("%(field)s: %(text)s is not a day. Enter a day such as 2026-01-31.", field=name, text=repr(text))
        ) from None
    if not date(2000, 1, 1) <= day <= date(2999, 12, 31):
        raise InputError(
            phrase("%(field)s: %(text)s is too far away. Enter a day such as 2026-01-31.", field=name, text=repr(text))
        )
    return day


def _words(amount: Decimal, figure: CalendarFigure | None) -> str:
    return in_words(amount, figure.currency if figure else None, signed=True)


def _weeks(shown: RestatementCalendar, span: Span, today: date) -> tuple[tuple[CalendarCell, ...], ...]:
    amounts = {each.day: each.amount for each in shown.days}
    most = max((abs(amount) for amount in amounts.values()), default=Decimal(0))
    cells = [
        _cell(span.start + number * _DAY, amounts, most, shown.figure, span.start, today) for number in range(span.days)
    ]
    return tuple(tuple(cells[number : number + 7]) for number in range(0, len(cells), 7))[::-1]


def _cell(
    day: date,
    amounts: Mapping[date, Decimal],
    most: Decimal,
    figure: CalendarFigure | None,
    first: date,
    today: date,
) -> CalendarCell:
    is_first, is_future = day.day == 1 or day == first, day > today
    if day not in amounts:
        return CalendarCell(day, "", "", "", is_first, is_future)
    amount = amounts[day]
    if not amount:
        return CalendarCell(day, "move-even", "\N{PLUS-MINUS SIGN}0", _words(amount, figure), is_first, is_future)
    level = 1 + sum(abs(amount) >= most * Decimal(str(share)) for share in STEPS)
    tone = f"move-{'up' if amount > 0 else 'down'} move-{level}"
    return CalendarCell(day, tone, _short(amount), _words(amount, figure), is_first, is_future)


def _short(amount: Decimal) -> str:
    """At most six characters where that loses no cent: +1.2k, -60.59."""
    return in_language(_shortened(amount))


def _shortened(amount: Decimal) -> str:
    size, sign = abs(float(amount)), "+" if amount > 0 else "-"
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if size >= scale:
            return f"{sign}{size / scale:.{1 if size < 100 * scale else 0}f}{unit}"
    if size == int(size) or size >= 100:
        return f"{sign}{size:.0f}"
    return f"{sign}{size:.2f}"


def _day_row(day: CalendarDay, figure: CalendarFigure | None) -> RestatedDayRow:
    versions = {move.version for move in day.moves}
    return RestatedDayRow(day.day, _words(day.amount, figure), len(versions), day.moves[0].version)


def _moves(
    slug: str, day: CalendarDay | None, figure: CalendarFigure | None, names: Mapping[str, str]
) -> tuple[MoveRow, ...]:
    key = figure.key if figure else ""
    return tuple(
        MoveRow(
            move.version,
            move.before,
            move.run_id,
            move.read_at,
            names.get(move.advertiser_id, move.advertiser_id),
            _words(move.amount, figure),
            rows_address(slug, move.before, move.version, day=day.day, advertiser=move.advertiser_id, by=key)
            if day is not None and move.before is not None
            else "",
        )
        for move in (day.moves if day else ())
    )
