"""The difference between two versions as a person reads it: in a sentence, as a picture, as tables."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adreel.errors import NotFoundError
from adreel.lake import Lake, TableState
from adreel.lake.difference import DayDifference, Difference, Example, MetricDifference, Number, Part
from adreel.schema import Column, columns
from adreel.store import SavedDataset
from adreel.web.center import Center
from adreel.web.heading import parsed
from adreel.web.render import UNKNOWN, plain
from adreel.web.spans import CAME, GREW, KINDS, RESTATED, WENT, Ends, Held, Kinds

ADVERTISER = "advertiser_id"
"""The column that says whose row it is."""

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

Place = tuple[date | None, str]
"""A day, and one of `KINDS`: a day may be new for one advertiser, and restated for another."""


@dataclass(frozen=True, slots=True)
class Move:
    """By how much one sum moved. `currency` is that of money, `part` whether other currencies stand beside it.

    `restated` is what of it is of days that both versions have, `days` the steps by day and kind of day.
    """

    name: str
    title: str
    currency: str
    part: bool
    before: Number | None
    after: Number | None
    moved: Number
    restated: Number
    days: Mapping[Place, Number]

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
    """Of a day on which anything changed those advertisers for which it is of one of `KINDS`.

    `steps` are of the figures that the table has columns for.
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
    # Without sums, of which all that is told comes from those of each advertiser.
    found = lake.difference(slug, before, after, apart=ADVERTISER)
    there = [set(lake.table(slug, version).schema.names) for version in (before, after)]
    told = tuple(name for name in (ADVERTISER, CURRENCY, ZONE) if all(name in names for names in there))
    parts = [
        _Part(dict(zip(told, part.values, strict=True)), part)
        for part in lake.moved_apart(slug, before, after, additive, told)
    ]
    # One query finds the runs of both; many runs of a dataset make no version, but few have made a thousand.
    read_at = {run.version: run.read_at for run in here.store.runs.good(saved, 1_000)}
    zones = {one.advertiser: one.zone for one in parts}
    kinds = Kinds(
        Held({one.advertiser: one.part.before for one in parts if one.part.before}, zones, read_at.get(before)),
        Held({one.advertiser: one.part.after for one in parts if one.part.after}, zones, read_at.get(after)),
    )
    return _Telling(found, known, parts, kinds).told()


@dataclass(frozen=True, slots=True)
class _Part:
    """What moved of one advertiser; `told` says which it is, as far as the table does."""

    told: Mapping[str, Any]
    part: Part

    @property
    def advertiser(self) -> str | None:
        """Its id."""
        return self.told.get(ADVERTISER)

    @property
    def currency(self) -> str:
        """Of its money; empty where it is not known."""
        return self.told.get(CURRENCY) or ""

    @property
    def zone(self) -> str:
        """Of its days; empty where it is not known."""
        return self.told.get(ZONE) or ""


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
    """The currencies of the money in these versions, in order; none if they have no column that says it."""
    found: set[str] = set()
    for version in versions:
        table = lake.table(slug, version)
        if CURRENCY not in table.schema.names:
            continue
        ranges = _ranges(table, CURRENCY)
        if ranges is None or len(ranges) > 1:
            for batch in lake.read(slug, version, columns=(CURRENCY,)):
                found |= {one for one in batch.column(CURRENCY).unique().to_pylist() if one}
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
    # Money has decimals also where its sum is a whole number: 0.00 USD stands beside no 0 USD.
    whole = not currency and value == int(value)
    text = f"{int(value):{sign},}" if whole else f"{Decimal(str(value)):{sign},.2f}"
    return f"{text} {currency}" if currency else text


class _Telling:
    """Puts one difference into words and numbers for a page."""

    def __init__(self, found: Difference, known: Mapping[str, Column], parts: list[_Part], kinds: Kinds) -> None:
        self._found = found
        self._known = known
        self._parts = parts
        self._kinds = kinds
        self._currencies = tuple(sorted({one.currency for one in parts if one.currency}))
        self._places = _places(found.days, kinds)

    def told(self) -> Changes:
        """All of it."""
        found = self._found
        differing = [one for one in found.metrics if one.values_changed or self._has_moved(one.name)]
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
                    *place,
                    *counts,
                    tuple(
                        move.amount(move.days[place], signed=True) if place in move.days else ""
                        for move in columns_of_days
                    ),
                )
                for place, counts in self._places.items()
            ),
            examples=tuple(map(self._example, found.examples)),
            currencies=self._currencies,
            panels=tuple(panel["title"] for panel in panels),
            chart=self._chart(panels),
            unchanged=len(found.metrics) - len(metrics),
            by_day=self._by_day,
        )

    def _title(self, name: str) -> str:
        return self._known[name].title if name in self._known else name

    def _metric(self, one: MetricDifference) -> MetricRow:
        return MetricRow(one.name, self._title(one.name), one.values_changed, tuple(self._moves(one)))

    def _is_summed(self, name: str) -> bool:
        return any(name in one.part.sums for one in self._parts)

    def _has_moved(self, name: str) -> bool:
        """Whether the sum over all advertisers is another one; of money in several currencies it is a check."""
        steps: list[Any] = [one.part.sums[name][2] for one in self._parts if name in one.part.sums]
        return bool(sum(steps))

    def _moves(self, one: MetricDifference) -> Iterator[Move]:
        """The sums of a column: one, or of money one for each currency."""
        if not self._is_summed(one.name):
            return
        if one.name not in self._known or self._known[one.name].type != "money":
            yield self._move(one.name, "", self._parts, part=False)
        elif len(self._currencies) <= 1:
            yield self._move(one.name, next(iter(self._currencies), ""), self._parts, part=False)
        else:
            for currency in sorted({part.currency for part in self._parts}, key=lambda code: (code == "", code)):
                mine = [part for part in self._parts if part.currency == currency]
                yield self._move(one.name, currency, mine, part=True)

    def _move(self, name: str, currency: str, parts: Iterable[_Part], *, part: bool) -> Move:
        """The sum of a column over some advertisers."""
        days: dict[Place, Any] = defaultdict(int)
        before: Any = None
        after: Any = None
        for one in parts:
            first, last, _ = one.part.sums[name]
            before, after = _added(before, first), _added(after, last)
            for day, steps in one.part.days.items():
                if name in steps:
                    days[day, self._kinds.of(one.advertiser, day)] += steps[name]
        moved = (after or 0) - (before or 0)
        days = {place: step for place, step in days.items() if step}
        restated = sum(step for (_, kind), step in days.items() if kind == RESTATED)
        return Move(name, self._title(name), currency, part, before, after, moved, restated, days)

    def _words(self, moved: Iterable[Move]) -> str:
        found = self._found
        if not (found.added or found.gone or found.changed):
            return "nothing changed."
        restated = [counts for (_, kind), counts in self._places.items() if kind == RESTATED]
        counted = [sum(counts[number] for counts in restated) for number in (2, 0, 1)]
        words = ", ".join(f"{_rows(count)} {word}" for count, word in zip(counted, _DONE, strict=True) if count)
        if not words:
            words = "nothing changed on the days that both versions have whole"
        elif self._by_day:
            words += f" on {_days(len(restated))}"
        sums = list(_sums(moved))
        return ". ".join(["; ".join([words, *([", ".join(sums)] if sums else [])]), *self._besides()]) + "."

    def _besides(self) -> Iterator[str]:
        """The days that only one of the versions has, or has whole."""
        for kind, word in ((CAME, "came"), (WENT, "left the table")):
            found = [counts for (_, one), counts in self._places.items() if one == kind]
            if found:
                rows = sum(added + gone + changed for added, gone, changed in found)
                yield f"{_days(len(found)).capitalize()} {word}, with {_rows(rows)}"
        grown = [str(day) for (day, kind) in self._places if kind == GREW]
        if grown:
            yield f"{' and '.join(grown)} went on: not over at the first reading"

    @property
    def _by_day(self) -> bool:
        return any(day is not None for day, _ in self._places)

    # -- the picture

    def _panels(self, moved: list[Move]) -> list[dict[str, Any]]:
        """The figures of which most values changed, and then the rows."""
        if not self._by_day:
            return []
        shown = [move for move in moved if move.days][:MOST_PANELS]
        counts = {place: sum(counted) for place, counted in self._places.items()}
        rows = Move("", "Rows that changed, came or went", "", False, None, None, 0, 0, counts)
        return [self._panel(move) for move in (*shown, rows)]

    def _panel(self, move: Move) -> dict[str, Any]:
        """One figure's bars, a series for each kind of days."""
        whole = all(isinstance(step, int) for step in move.days.values())
        there = {kind: {day for day, one in self._places if one == kind} for kind in KINDS}
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
                    "values": [
                        float(move.days.get((day, kind), 0)) if day in there[kind] else None for day in self._chart_days
                    ],
                }
                for kind in KINDS
            ],
        }

    @property
    def _chart_days(self) -> list[date]:
        return sorted({day for day, _ in self._places if day is not None})

    def _chart(self, panels: list[dict[str, Any]]) -> str:
        if not panels:
            return ""
        chart = {
            "name": "difference",
            "kind": "moves",
            "title": "What moved, day by day",
            "x": {"title": "Day", "type": "day", "values": [str(day) for day in self._chart_days]},
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


def _places(days: Iterable[DayDifference], kinds: Kinds) -> dict[Place, tuple[int, int, int]]:
    """How many rows were added, are gone and changed, by day and what it is to the versions."""
    found: dict[Place, tuple[int, int, int]] = {}
    for one in days:
        place = (one.day, kinds.of(one.part, one.day))
        added, gone, changed = found.get(place, (0, 0, 0))
        found[place] = (added + one.added, gone + one.gone, changed + one.changed)
    return found


def _added(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other


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
