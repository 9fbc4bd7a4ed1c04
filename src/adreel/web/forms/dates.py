"""The dates of the Details pane, and the days that they mean now in the zones of the advertisers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from adreel.catalog.records import Menu, Report
from adreel.connections import covered
from adreel.datasets import menus
from adreel.datasets.dataset import Dataset
from adreel.datasets.validation import LATEST_ZONE
from adreel.datasets.values import FIRST_DATES, scalar
from adreel.dates import FIRST_DAY, WEEKDAYS, Dates, Span, offset_name, read_day, today_at
from adreel.language import Phrase, integer, phrase, phrases
from adreel.pipeline.plan import days_for
from adreel.store import AccountAdvertiser
from adreel.web.forms.fields import FormFields, day_value
from adreel.web.forms.scheduling import WEEKDAY_TITLES

Offsets = Mapping[timedelta, int]
"""By distance from UTC: how many advertisers count their days so."""

PERIOD_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "today": Phrase("Today"),
        "yesterday": Phrase("Yesterday"),
        "last_7_days": Phrase("Last 7 days"),
        "last_14_days": Phrase("Last 14 days"),
        "last_30_days": Phrase("Last 30 days"),
        "last_60_days": Phrase("Last 60 days"),
        "last_90_days": Phrase("Last 90 days"),
        "this_week": Phrase("This week"),
        "last_week": Phrase("Last week"),
        "this_month": Phrase("This month"),
        "last_month": Phrase("Last month"),
        "this_quarter": Phrase("This quarter"),
        "last_quarter": Phrase("Last quarter"),
        "this_year": Phrase("This year"),
        "last_year": Phrase("Last year"),
    }
)

PERIOD_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "today": Phrase("today"),
        "yesterday": Phrase("yesterday"),
        "last_7_days": Phrase("last 7 days"),
        "last_14_days": Phrase("last 14 days"),
        "last_30_days": Phrase("last 30 days"),
        "last_60_days": Phrase("last 60 days"),
        "last_90_days": Phrase("last 90 days"),
        "this_week": Phrase("this week"),
        "last_week": Phrase("last week"),
        "this_month": Phrase("this month"),
        "last_month": Phrase("last month"),
        "this_quarter": Phrase("this quarter"),
        "last_quarter": Phrase("last quarter"),
        "this_year": Phrase("this year"),
        "last_year": Phrase("last year"),
    }
)
"""The periods after other words."""

_TITLES = {"date": Phrase("Day"), "start": Phrase("Start date"), "end": Phrase("End date")}


@dataclass(frozen=True, slots=True)
class DayInput:
    """A day of the dates: `how` is on (a calendar day) or back (counted from today)."""

    key: str
    title: str
    how: str
    on: str
    back: str

    @property
    def menu(self) -> str:
        """The menu of problems with the day."""
        return f"dates.{self.key}"


@dataclass(frozen=True, slots=True)
class ZoneDays:
    """The days that a run would read now for the advertisers of one zone; None if none has begun there."""

    zone: str
    advertisers: int
    span: Span | None


@dataclass(frozen=True, slots=True)
class DatesPane:
    """The dates; `unused` is why dates are ignored, and then nothing else is shown.

    `periods` and `weekdays` are values with their titles; `first` and `last` bound a calendar day.
    """

    meaning: str
    unused: str
    kind: str
    period: str
    periods: tuple[tuple[str, str], ...]
    week_starts: str
    weekdays: tuple[tuple[str, str], ...]
    days: tuple[DayInput, ...]
    first: str
    last: str
    zones: tuple[ZoneDays, ...]
    notes: tuple[str, ...]

    @property
    def with_week(self) -> bool:
        """Whether the period is one of weeks."""
        return self.kind == "period" and "week" in self.period


def dates_pane(
    menu: Menu,
    chosen: menus.Chosen,
    fields: FormFields,
    given: Dates | None,
    offsets: Offsets,
    now: datetime,
    zone: str,
) -> DatesPane:
    """The pane; `given` are dates without fault, if there are any, and `zone` is the workspace's."""
    shown = menus.unmet(menu.when, chosen) is None
    return DatesPane(
        meaning=menu.meaning,
        unused="" if shown else phrase("Lifetime data is on: runs read totals since launch and ignore dates."),
        kind=fields.last("dates.kind") or FIRST_DATES["kind"],
        period=fields.text("dates.period") or FIRST_DATES["period"],
        periods=tuple(PERIOD_TITLES.items()),
        week_starts=fields.text("dates.week_starts") or WEEKDAYS[0],
        weekdays=WEEKDAY_TITLES,
        days=tuple(_day(key, fields) for key in _TITLES),
        first=FIRST_DAY.isoformat(),
        last=now.astimezone(LATEST_ZONE).date().isoformat(),
        zones=tuple(_zones(given, offsets, now)) if given and shown else (),
        notes=tuple(_notes(offsets, now, zone)) if shown else (),
    )


def names_beside(report: Report) -> frozenset[str]:
    """The switches that decide whether dates are used; they are shown with the dates."""
    named = {when.menu for menu in report.menus if menu.source == "dates" for when in menu.when}
    return frozenset(menu.name for menu in report.menus if menu.name in named and menu.source == "switch")


def dates_of(given: Any) -> Dates | None:
    """Valid dates; None if there are none."""
    if not isinstance(given, dict):
        return None
    week = scalar(given.get("week_starts")) or WEEKDAYS[0]
    if given.get("period"):
        return Dates(period=scalar(given["period"]), week_starts=week)
    days = [read_day(scalar(given[key])) for key in ("date", "start", "end") if given.get(key)]
    return Dates(start=days[0], end=days[-1]) if days else None


def offsets_of(advertisers: Iterable[AccountAdvertiser], selection: tuple[str, ...] | None) -> Offsets:
    """The zones of the advertisers that a run would read; `selection` None means all."""
    offsets: dict[timedelta, int] = defaultdict(int)
    for advertiser in covered(advertisers, selection).advertisers:
        offsets[advertiser.offset] += 1
    return offsets


def _day(key: str, fields: FormFields) -> DayInput:
    how = fields.last(f"dates.{key}.how")
    back = fields.last(f"dates.{key}.back") if how else day_value(key, fields)
    return DayInput(key, _TITLES[key], how or "back", fields.last(f"dates.{key}.on"), back)


def _zones(given: Dates, offsets: Offsets, now: datetime) -> Iterator[ZoneDays]:
    """The days by zone, the westernmost first."""
    dataset = Dataset("", "", "", dates=given)
    for offset, count in sorted(offsets.items()):
        yield ZoneDays(offset_name(offset), count, days_for(dataset, today_at(now, offset)))


def _notes(offsets: Offsets, now: datetime, zone: str) -> Iterator[str]:
    workspace_offset = now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    elsewhere = {offset: count for offset, count in offsets.items() if offset != workspace_offset}
    if elsewhere:
        count = sum(elsewhere.values())
        yield phrases(
            "%(ad_accounts)s ad account uses days in %(zones)s; the workspace uses %(zone)s (%(offset)s now).",
            "%(ad_accounts)s ad accounts use days in %(zones)s; the workspace uses %(zone)s (%(offset)s now).",
            count,
            ad_accounts=integer(count),
            zones=", ".join(offset_name(offset) for offset in sorted(elsewhere)),
            zone=zone,
            offset=offset_name(workspace_offset),
        )
