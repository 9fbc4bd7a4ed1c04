"""When TikTok restated which days of a dataset, and by how much: the one answer of page, command line and API.

It is made of what was kept when versions were read (`figures`), and counts only what `restatement` calls restated.
Amounts are the net change of the sums of an ad account's day. Money of different currencies is never added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from adreel import catalog
from adreel.datasets.coverage import Coverage, DaysOf, from_json
from adreel.datasets.figures import METRICS, keep_missing
from adreel.datasets.restatement import additive_columns
from adreel.dates import Span
from adreel.errors import InputError
from adreel.lake import Lake
from adreel.language import phrase
from adreel.store import FiguresState, SavedDataset, Store, VersionFigures

READ_AT_ONCE = 5
"""Versions of which nothing is kept yet that are read while a person waits."""


@dataclass(frozen=True, slots=True)
class CalendarFigure:
    """What the calendar can show: a column that was compared, of money in one currency.

    `currency` is None for what is no money, and empty where it is not known. `restated` says whether TikTok restated
    it on any day.
    """

    metric: str
    title: str
    currency: str | None
    restated: bool = True

    @property
    def key(self) -> str:
        """Its name in addresses, in the API and on the command line."""
        return figure_key(self.metric, self.currency)

    @property
    def label(self) -> str:
        """Its title, of money with the currency."""
        if self.currency is None:
            return str(self.title)
        return phrase(
            "%(metric)s (%(currency)s)", metric=self.title, currency=self.currency or phrase("unknown currency")
        )


@dataclass(frozen=True, slots=True)
class Move:
    """By how much the version restated a day of an ad account, as a run read it that began at `read_at`."""

    version: int
    before: int | None
    run_id: str
    read_at: datetime
    advertiser_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day that was restated; `amount` is the sum of its moves, which are latest first."""

    day: date
    amount: Decimal
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class CalendarVersion:
    """A version with what it restated of the days that are shown; `amount` is 0 if it restated none of them."""

    version: int
    before: int | None
    run_id: str
    read_at: datetime
    state: FiguresState
    amount: Decimal
    days: int


@dataclass(frozen=True, slots=True)
class RestatementCalendar:
    """The restated days of a dataset, or of one ad account, oldest first.

    `figure` is the one that is shown, None if no versions were compared. `figures` are all that were compared,
    `versions` all that were looked at, newest first. `missing` are versions that nobody has looked at yet, `read` those
    that were looked at just now. `table_days` are the days of the newest version, None if they are not known.
    `advertisers` are the ad accounts that it has, by id.
    """

    figure: CalendarFigure | None
    figures: tuple[CalendarFigure, ...]
    days: tuple[CalendarDay, ...]
    versions: tuple[CalendarVersion, ...]
    missing: int
    read: int
    table_days: Span | None = None
    advertisers: tuple[str, ...] = ()

    @property
    def amount(self) -> Decimal:
        """The sum over the days."""
        return sum((day.amount for day in self.days), Decimal(0))

    def as_json(self) -> dict[str, Any]:
        """Plain values and exact numbers, as the API and `adreel restatements --json` give them."""
        return {
            "figure": _figure_json(self.figure) if self.figure else None,
            "figures": [_figure_json(figure) for figure in self.figures],
            "amount": self.amount,
            "days": [
                {
                    "day": day.day,
                    "amount": day.amount,
                    "moves": [
                        {
                            "version": move.version,
                            "before": move.before,
                            "run_id": move.run_id,
                            "read_at": move.read_at,
                            "advertiser_id": move.advertiser_id,
                            "amount": move.amount,
                        }
                        for move in day.moves
                    ],
                }
                for day in self.days
            ],
            "versions": [
                {
                    "version": version.version,
                    "before": version.before,
                    "run_id": version.run_id,
                    "read_at": version.read_at,
                    "state": str(version.state),
                    "amount": version.amount,
                    "days": version.days,
                }
                for version in self.versions
            ],
            "missing": self.missing,
            "table_days": {"start": self.table_days.start, "end": self.table_days.end} if self.table_days else None,
        }


def _figure_json(figure: CalendarFigure) -> dict[str, Any]:
    return {name: getattr(figure, name) for name in ("key", "metric", "title", "currency", "restated")}


def calendar(
    store: Store,
    lake: Lake,
    saved: SavedDataset,
    now: datetime,
    *,
    key: str = "",
    advertiser: str = "",
    days: Span | None = None,
    read_at_once: int = READ_AT_ONCE,
) -> RestatementCalendar:
    """The restated days of the dataset, of those in `days` and of the ad account if they are given.

    `key` names the figure: a column, or a column with the currency, such as `spend:EUR`; by default the first that was
    restated, cost before others. At most `read_at_once` versions that nobody has looked at yet are read. Raises
    InputError for a figure that was not compared, if any was, and for an ad account that the table does not have.
    """
    runs, missing = store.figures.missing(saved.id, read_at_once)
    read = keep_missing(store, lake, runs, now)
    versions = store.figures.versions(saved.id)
    coverage = _coverage(lake, saved)
    advertisers = {*coverage, *(amounts.advertiser_id for version in versions for amounts in version.amounts)}
    if advertiser:
        versions = _of_advertiser(versions, advertiser, advertisers)
    figures = tuple(_figures(versions, _compared(store, lake, saved, versions, advertiser, now)))
    figure = _chosen(figures, key)
    moves: dict[date, list[Move]] = defaultdict(list)
    for version in versions:
        for day, move in _moves(version, figure, days):
            moves[day].append(move)
    return RestatementCalendar(
        figure=figure,
        figures=figures,
        days=tuple(
            CalendarDay(day, sum((move.amount for move in of_day), Decimal(0)), tuple(of_day))
            for day, of_day in sorted(moves.items())
        ),
        versions=tuple(_version(version, moves) for version in versions),
        missing=missing - read,
        read=read,
        table_days=_table_days(coverage, advertiser),
        advertisers=tuple(sorted(advertisers - {""})),
    )


def _coverage(lake: Lake, saved: SavedDataset) -> Coverage:
    """The days that were read of each ad account, by its id; empty where that is not known."""
    newest = next(iter(lake.versions(saved.table_slug)), None) if lake.exists(saved.table_slug) else None
    return from_json(newest.coverage) if newest is not None else {}


def _table_days(coverage: Coverage, advertiser: str) -> Span | None:
    own = coverage if not advertiser else {advertiser: coverage.get(advertiser, DaysOf())}
    spans = [span for days in own.values() for span in days.read]
    return Span(min(span.start for span in spans), max(span.end for span in spans)) if spans else None


def _of_advertiser(
    versions: tuple[VersionFigures, ...], advertiser: str, advertisers: set[str]
) -> tuple[VersionFigures, ...]:
    """What was restated of the ad account alone. Raises InputError for one that the table does not have."""
    if advertiser not in advertisers:
        raise InputError(
            phrase("The table has no days of ad account %(ad_account)s. Choose another one.", ad_account=advertiser)
        )
    return tuple(
        replace(version, amounts=tuple(each for each in version.amounts if each.advertiser_id == advertiser))
        for version in versions
    )


def _compared(
    store: Store,
    lake: Lake,
    saved: SavedDataset,
    versions: tuple[VersionFigures, ...],
    advertiser: str,
    now: datetime,
) -> set[tuple[str, str | None]]:
    """The columns of the newest version whose sums are compared, of money with each currency that is known."""
    if not any(version.before is not None for version in versions) or not lake.exists(saved.table_slug):
        return set()
    sums = [head for head in store.figures.heads({saved.id}) if advertiser in ("", head.advertiser_id)]
    currencies = {head.currency for head in sums if head.currency}
    currencies |= {amounts.currency for version in versions for amounts in version.amounts}
    names = additive_columns(saved, lake.table(saved.table_slug).schema, now)
    return {(name, currency) for name in names for currency in (currencies if is_money(name) else {None})}


def figure_key(metric: str, currency: str | None) -> str:
    """The name of a figure in addresses, API and command line: a metric, and of money the currency too."""
    return metric if currency is None else f"{metric}:{currency}"


def title_of(metric: str) -> str:
    """The metric's title in the catalogue; its name if it is not there."""
    metrics = catalog.metrics()
    return metrics[metric].title if metric in metrics else metric


def is_money(metric: str) -> bool:
    """Whether the metric's values are amounts of money."""
    metrics = catalog.metrics()
    return metric in metrics and metrics[metric].type == "money"


def _figures(versions: tuple[VersionFigures, ...], compared: set[tuple[str, str | None]]) -> Iterator[CalendarFigure]:
    """The figures that were restated or compared: first those of `METRICS`, then by title."""
    restated = {
        (metric, amounts.currency if is_money(metric) else None)
        for version in versions
        for amounts in version.amounts
        for moved in amounts.days.values()
        for metric in moved
    }
    order: Mapping[str, int] = {metric: place for place, metric in enumerate(METRICS)}
    figures = (
        CalendarFigure(metric, title_of(metric), currency, (metric, currency) in restated)
        for metric, currency in restated | compared
    )
    yield from sorted(
        figures, key=lambda each: (order.get(each.metric, len(order)), each.title, each.metric, each.currency or "")
    )


def _chosen(figures: tuple[CalendarFigure, ...], key: str) -> CalendarFigure | None:
    if not figures or not key:
        return next((each for each in figures if each.restated), next(iter(figures), None))
    figure = next((each for each in figures if key in (each.key, each.metric)), None)
    if figure is None:
        names = ", ".join(each.key for each in figures)
        raise InputError(
            phrase(
                "No restated amounts of %(figure)s are known. Choose one of: %(figures)s.",
                figure=repr(key),
                figures=names,
            )
        )
    return figure


def _moves(version: VersionFigures, figure: CalendarFigure | None, days: Span | None) -> Iterator[tuple[date, Move]]:
    for amounts in version.amounts:
        if figure is None or figure.currency not in (None, amounts.currency):
            continue
        for day, moved in amounts.days.items():
            if figure.metric in moved and (days is None or days.start <= day <= days.end):
                yield (
                    day,
                    Move(
                        version.version,
                        version.before,
                        version.run_id,
                        version.read_at,
                        amounts.advertiser_id,
                        moved[figure.metric],
                    ),
                )


def _version(version: VersionFigures, moves: Mapping[date, list[Move]]) -> CalendarVersion:
    own = [(day, move.amount) for day, of_day in moves.items() for move in of_day if move.run_id == version.run_id]
    return CalendarVersion(
        version.version,
        version.before,
        version.run_id,
        version.read_at,
        version.state,
        sum((amount for _, amount in own), Decimal(0)),
        len({day for day, _ in own}),
    )
