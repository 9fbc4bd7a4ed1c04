"""The difference between two versions as a person reads it: in a sentence, as a picture, as tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adreel.dates import fixed_offset, today_at
from adreel.errors import InputError, NotFoundError
from adreel.lake import Lake, TableState
from adreel.lake.difference import DayDifference, Difference, Example, MetricDifference, Number, Part
from adreel.schema import Column, columns, day_column
from adreel.store import SavedDataset
from adreel.web.center import Center
from adreel.web.heading import parsed
from adreel.web.render import UNKNOWN, plain

CURRENCY = "currency"
"""The column that says in which currency a row's money is."""

ZONE = "timezone"
"""The column with the zone of the advertiser whose row it is."""

MOST_PANELS = 16
"""Figures that the picture offers, those first of which most values changed."""

MOST_MOVES = 3
"""Figures that a sentence names."""

MOST_SUMS = 6
"""Figures that the table of days has columns for."""

RESTATED, GREW, CAME, WENT = KINDS = ("both versions have", "was not over", "came", "left")
"""What a day is to two versions. On days that both have, what moved is what TikTok changed, unless the day was not over
everywhere when the first was read: then most of it is the rest of the day."""

Ends = tuple[date, date]
"""A table's first and last day."""


@dataclass(frozen=True, slots=True)
class Move:
    """By how much one sum moved. `currency` is that of money, `part` whether other currencies stand beside it.

    `restated` is what of it is of days that both versions have.
    """

    name: str
    title: str
    currency: str
    part: bool
    before: Number | None
    after: Number | None
    moved: Number
    restated: Number
    days: Mapping[date | None, Number]

    @property
    def label(self) -> str:
        """The figure's title, with its currency where there are several."""
        return f"{self.title} ({self.currency or 'no currency'})" if self.part else self.title

    def amount(self, value: Number | None, *, signed: bool = False) -> str:
        """A sum of the figure as a text."""
        return amount(value, self.currency, signed=signed)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A column of both versions; `moves` is empty for one that must not be summed."""

    name: str
    title: str
    values_changed: int
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day on which anything changed, with the steps of the figures that the table has columns for.

    `kind` is one of `KINDS`.
    """

    day: date | None
    kind: str
    added: int
    gone: int
    changed: int
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """A row that changed, came or went: what names it, and each value that differs, before and after."""

    kind: str
    named: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, str | None, str | None], ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """The difference of two versions, ready to be shown: what changed most stands first.

    `chart` is what charts.js draws, or empty.
    """

    found: Difference
    words: str
    metrics: tuple[MetricRow, ...]
    day_heads: tuple[str, ...]
    days: tuple[DayRow, ...]
    examples: tuple[ExampleRow, ...]
    currencies: tuple[str, ...]
    panels: tuple[str, ...]
    chart: str
    unchanged: int
    by_day: bool

    @property
    def same(self) -> bool:
        """Whether both versions hold the same rows."""
        return not (self.found.added or self.found.gone or self.found.changed)


@dataclass(frozen=True, slots=True)
class Since:
    """What changed since the version before the newest, in a sentence."""

    before: int
    after: int
    words: str
    same: bool


def since(here: Center, saved: SavedDataset) -> Since | None:
    """What the last run changed; None if there is no earlier version that can be read."""
    made = [run.version for run in here.store.runs.good(saved, 2) if run.version is not None]
    if len(made) < 2:
        return None
    after, before = made
    try:
        found = changes(here, saved, before, after)
    except NotFoundError:
        return None
    return Since(before, after, found.words, found.same)


def changes(here: Center, saved: SavedDataset, before: int, after: int) -> Changes:
    """Compares two versions of the dataset's table. Raises NotFoundError for versions that cannot be read."""
    dataset, _ = parsed(here, saved)
    known = {column.name: column for column in columns(dataset)} if dataset else {}
    additive = tuple(name for name, column in known.items() if column.additive)
    lake, slug = here.lake, saved.table_slug
    found = lake.difference(slug, before, after, additive)
    currencies = currencies_of(lake, slug, before, after)
    money = tuple(name for name in additive if known[name].type == "money")
    parts = lake.moved_apart(slug, before, after, money, CURRENCY) if len(currencies) > 1 and money else ()
    day = day_column(dataset) if dataset else None
    ends = (ends_of(lake.table(slug, before), day), ends_of(lake.table(slug, after), day))
    return _Telling(found, known, currencies, parts, ends, _open_from(here, saved, before)).told()


def _open_from(here: Center, saved: SavedDataset, version: int) -> date | None:
    """The first day that was not over in the zone of every advertiser when a version was read; None if not known."""
    made = next((run for run in here.store.runs.good(saved, 1_000) if run.version == version), None)
    zones = texts_of(here.lake, saved.table_slug, ZONE, version)
    if made is None or not zones:
        return None
    try:
        return min(today_at(made.read_at, fixed_offset(zone)) for zone in zones)
    except InputError:
        return None


def ends_of(table: TableState, column: str | None) -> Ends | None:
    """The table's first and last day, from what is known of its files; None if they do not say."""
    ranges = [file.ranges.get(column) for file in table.files if file.rows] if column else []
    known = [one for one in ranges if one is not None]
    if not known or len(known) < len(ranges):
        return None
    # A day, an hour, or either as a text.
    least, most = min(first for first, _ in known), max(last for _, last in known)
    return date.fromisoformat(str(least)[:10]), date.fromisoformat(str(most)[:10])


def currencies_of(lake: Lake, slug: str, *versions: int) -> tuple[str, ...]:
    """The currencies of the money in these versions, in order."""
    return texts_of(lake, slug, CURRENCY, *versions)


def texts_of(lake: Lake, slug: str, column: str, *versions: int) -> tuple[str, ...]:
    """The texts that stand in a column of these versions, in order; none if they have no such column."""
    found: set[str] = set()
    for version in versions:
        table = lake.table(slug, version)
        if column not in table.schema.names:
            continue
        ranges = _ranges(table, column)
        if ranges is None or len(ranges) > 1:
            for batch in lake.read(slug, version, columns=(column,)):
                found |= {one for one in batch.column(column).unique().to_pylist() if one}
        else:
            found |= ranges
    return tuple(sorted(found))


def _ranges(table: TableState, column: str) -> set[str] | None:
    """The least and greatest texts of the files: all there are if that is one; None if some are not known."""
    known = [file.ranges.get(column) for file in table.files if file.rows]
    return None if None in known else {str(end) for ends in known if ends for end in ends}


def amount(value: Number | None, currency: str, *, signed: bool = False) -> str:
    """A sum as a text: whole numbers whole, money with its currency."""
    if value is None:
        return UNKNOWN
    sign = "+" if signed and value else ""
    whole = isinstance(value, int) or (not currency and value == int(value))
    text = f"{int(value):{sign},}" if whole else f"{Decimal(str(value)):{sign},.2f}"
    return f"{text} {currency}" if currency else text


class _Telling:
    """Puts one difference into words and numbers for a page."""

    def __init__(
        self,
        found: Difference,
        known: Mapping[str, Column],
        currencies: tuple[str, ...],
        parts: tuple[Part, ...],
        ends: tuple[Ends | None, Ends | None],
        open_from: date | None,
    ) -> None:
        self._found = found
        self._known = known
        self._currencies = currencies
        self._parts = parts
        self._ends = ends
        self._open_from = open_from
        self._kinds = {one.day: self._kind(one) for one in found.days}

    def told(self) -> Changes:
        """All of it."""
        found = self._found
        differing = [one for one in found.metrics if one.values_changed or one.moved]
        metrics = tuple(self._metric(one) for one in sorted(differing, key=lambda one: -one.values_changed))
        moved = [move for metric in metrics for move in metric.moves if move.days or move.moved]
        columns_of_days = moved[:MOST_SUMS]
        panels = self._panels(moved)
        return Changes(
            found=found,
            words=self._words(moved),
            metrics=metrics,
            day_heads=tuple(move.label for move in columns_of_days),
            days=tuple(
                DayRow(
                    one.day,
                    self._kinds[one.day],
                    one.added,
                    one.gone,
                    one.changed,
                    tuple(
                        move.amount(move.days[one.day], signed=True) if one.day in move.days else ""
                        for move in columns_of_days
                    ),
                )
                for one in found.days
            ),
            examples=tuple(map(self._example, found.examples)),
            currencies=self._currencies,
            panels=tuple(panel["title"] for panel in panels),
            chart=self._chart(panels),
            unchanged=len(found.metrics) - len(metrics),
            by_day=bool(found.days),
        )

    def _kind(self, one: DayDifference) -> str:
        """Whether both versions have the day, and whether it was over for the first."""
        before, after = self._ends
        if one.day is None or before is None or after is None:
            return RESTATED
        if not before[0] <= one.day <= before[1]:
            return CAME
        if not after[0] <= one.day <= after[1]:
            return WENT
        return GREW if self._open_from is not None and one.day >= self._open_from else RESTATED

    def _title(self, name: str) -> str:
        return self._known[name].title if name in self._known else name

    def _metric(self, one: MetricDifference) -> MetricRow:
        return MetricRow(one.name, self._title(one.name), one.values_changed, tuple(self._moves(one)))

    def _moves(self, one: MetricDifference) -> Iterator[Move]:
        """The sums of a column: one, or of money one for each currency."""
        if one.moved is None:
            return
        is_money = one.name in self._known and self._known[one.name].type == "money"
        title = self._title(one.name)
        if is_money and self._parts:
            for part in self._parts:
                before, after, moved = part.sums[one.name]
                days = {day: steps[one.name] for day, steps in part.days.items() if one.name in steps}
                yield self._move(one.name, title, str(part.value or ""), True, (before, after, moved), days)
            return
        currency = self._currencies[0] if is_money and self._currencies else ""
        days = {day.day: day.moved[one.name] for day in self._found.days if one.name in day.moved}
        yield self._move(one.name, title, currency, False, (one.before, one.after, one.moved), days)

    def _move(
        self,
        name: str,
        title: str,
        currency: str,
        part: bool,
        sums: tuple[Number | None, Number | None, Number],
        days: Mapping[date | None, Number],
    ) -> Move:
        steps = [step for day, step in days.items() if self._kinds.get(day) == RESTATED]
        restated = sum(steps) if self._found.days else sums[2]
        return Move(name, title, currency, part, *sums, restated, days)

    def _words(self, moved: Iterable[Move]) -> str:
        found = self._found
        if not (found.added or found.gone or found.changed):
            return "nothing changed."
        days = [one for one in found.days if self._kinds[one.day] == RESTATED]
        counts = (
            (sum(one.changed for one in days), sum(one.added for one in days), sum(one.gone for one in days))
            if found.days
            else (found.changed, found.added, found.gone)
        )
        words = ", ".join(f"{_rows(count)} {word}" for count, word in zip(counts, _DONE, strict=True) if count)
        if not words:
            words = "nothing changed on the days that both versions have whole"
        elif days:
            words += f" on {_days(len(days))}"
        sums = list(_sums(moved))
        return ". ".join(["; ".join([words, *([", ".join(sums)] if sums else [])]), *self._besides()]) + "."

    def _besides(self) -> Iterator[str]:
        """The days that only one of the versions has."""
        for kind, word in ((CAME, "came"), (WENT, "left the table")):
            days = [one for one in self._found.days if self._kinds[one.day] == kind]
            if days:
                yield f"{_days(len(days)).capitalize()} {word}, with {_rows(sum(one.added + one.gone for one in days))}"
        grown = [str(one.day) for one in self._found.days if self._kinds[one.day] == GREW]
        if grown:
            yield f"{' and '.join(grown)} went on: not over everywhere at the first reading"

    # -- the picture

    def _panels(self, moved: list[Move]) -> list[dict[str, Any]]:
        """Rows first, then the figures of which most values changed."""
        days = [day for day in self._found.days if day.day]
        if not days:
            return []
        shown = [move for move in moved if move.days][:MOST_PANELS]
        counts = {one.day: one.changed + one.added + one.gone for one in days}
        rows = Move("", "Rows that changed, came or went", "", False, None, None, 0, 0, counts)
        return [*(self._panel(move, counts) for move in shown), self._panel(rows, counts)]

    def _panel(self, move: Move, days: Iterable[date | None]) -> dict[str, Any]:
        """One figure's bars, a series for each kind of days."""
        whole = all(isinstance(step, int) for step in move.days.values())
        there = tuple(days)
        return {
            "title": move.label,
            "signed": bool(move.name),
            "format": {
                "unit": "money" if move.currency else "count" if whole else "number",
                "currency": move.currency or None,
                "decimals": 0 if whole else 2,
            },
            "series": [
                {
                    "name": _SERIES[kind],
                    "role": "part",
                    # First of all, what TikTok changed: days that come and go are larger by far.
                    "shown": kind == RESTATED,
                    "values": [float(move.days.get(day, 0)) if self._kinds[day] == kind else None for day in there],
                }
                for kind in KINDS
            ],
        }

    def _chart(self, panels: list[dict[str, Any]]) -> str:
        if not panels:
            return ""
        days = [str(day.day) for day in self._found.days if day.day]
        chart = {
            "name": "difference",
            "kind": "moves",
            "title": "What moved, day by day",
            "x": {"title": "Day", "type": "day", "values": days},
            "panels": panels,
        }
        return json.dumps(chart, ensure_ascii=False, separators=(",", ":"))

    # -- examples

    def _example(self, one: Example) -> ExampleRow:
        before, after = one.before or {}, one.after or {}
        kind = "changed" if one.before and one.after else "came" if one.after else "went"
        valued = {metric.name for metric in self._found.metrics}
        both = {**before, **after}
        named = [name for name in both if name not in valued]
        differing = [name for name in both if name in valued and before.get(name) != after.get(name)]
        return ExampleRow(
            kind,
            tuple((self._title(name), plain(both[name])) for name in named),
            tuple((self._title(name), _cell(one.before, name), _cell(one.after, name)) for name in differing),
        )


_DONE = ("changed", "came", "went")
_SERIES = {
    RESTATED: "days in both versions",
    GREW: "days that were not over",
    CAME: "days that came",
    WENT: "days that left",
}


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"


def _days(count: int) -> str:
    return f"{count:,} day{'s' if count != 1 else ''}"


def _sums(moved: Iterable[Move]) -> Iterator[str]:
    """The first few figures that TikTok changed, each with its amounts."""
    by_title: dict[str, list[str]] = {}
    for move in moved:
        if move.restated:
            by_title.setdefault(move.title, []).append(move.amount(move.restated, signed=True))
    for title, amounts in list(by_title.items())[:MOST_MOVES]:
        yield f"{title} {', '.join(amounts)}"


def _cell(row: Mapping[str, Any] | None, name: str) -> str | None:
    """A value as a text; None for a row or a value that is not there."""
    return plain(row[name]) if row is not None and row.get(name) is not None else None
