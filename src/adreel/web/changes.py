"""The difference between two versions as a page shows it: as a picture, as tables, as rows before and after."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from adreel.access import Guard
from adreel.charts.labels import cell
from adreel.charts.selection import days_of
from adreel.datasets.changed_rows import ChangedRows, ChangedRowsSearch, MetricHead, RowChange, changed_rows
from adreel.datasets.restatement import (
    ADVERTISER,
    CURRENCY,
    ColumnChange,
    Comparison,
    CurrencySum,
    DayKind,
    Place,
    amount,
    compare,
)
from adreel.dates import Span
from adreel.errors import InputError, NotFoundError
from adreel.language import Phrase, listed, phrase, shown_day
from adreel.store import SavedDataset
from adreel.web.deps import Deps

if TYPE_CHECKING:
    from adreel.lake.difference import Example

EXAMPLES = 10
"""Rows that are shown."""

MOST_ROWS = 500_000
"""Rows of a table that is compared a second time, for the rows that changed most."""

MOST_SUMS = 6
"""Figures that the table of days has columns for."""


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A line of the table of figures: the sum of a column in one currency, or the column if it must not be summed.

    Amounts are texts, and empty for a column that must not be summed.
    """

    title: str
    values_changed: int
    before: str
    after: str
    change: str
    restated: str

    @property
    def is_summed(self) -> bool:
        """Whether its values add up."""
        return bool(self.before)


@dataclass(frozen=True, slots=True)
class DayRow:
    """Of a day on which anything changed the ad accounts for which it is of one kind; `kind` is empty for restated.

    `steps` are of the figures that the table has columns for. For a day of several kinds `zones` says where it is this
    one, and `kind` is never empty.
    """

    day: date | None
    kind: str
    added: int
    removed: int
    changed: int
    steps: tuple[str, ...]
    zones: str


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """A row that changed, was added or removed: its key, and each value that differs, before and after.

    The key has titles and texts; a name has an empty title.
    """

    kind: str
    key: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, str | None, str | None], ...]


@dataclass(frozen=True, slots=True)
class Examples:
    """Some of `total` rows; `order` says which come first, and is empty for rows in no order.

    `restated` says that these are rows that TikTok restated alone.
    """

    rows: tuple[ExampleRow, ...]
    total: int
    restated: bool = False
    order: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """The comparison of two versions, ready to be shown: the largest changes first.

    `chart` is what charts.js draws, or empty; `chart_days` are the kinds of days that it shows at first, in words.
    """

    comparison: Comparison
    metrics: tuple[MetricRow, ...]
    day_heads: tuple[str, ...]
    days: tuple[DayRow, ...]
    examples: Examples
    panels: tuple[str, ...]
    chart: str
    chart_days: str
    unchanged: int


@dataclass(frozen=True, slots=True)
class Since:
    """What changed since the version before the newest, in a sentence."""

    before: int
    after: int
    words: str
    same: bool


def since(deps: Deps, saved: SavedDataset) -> Since | None:
    """What the last run changed; None if there is no earlier version that can be read."""
    versions = [run.version for run in deps.store.runs.good(saved, 2) if run.version is not None]
    if len(versions) < 2:
        return None
    after, before = versions
    try:
        comparison = compare(deps.store, deps.lake, saved, before, after, deps.clock())
    except NotFoundError:
        return None
    return Since(before, after, comparison.summary, comparison.same)


def changes(deps: Deps, guard: Guard, saved: SavedDataset, before: int, after: int) -> Changes:
    """Compares two versions of the dataset's table. Raises NotFoundError for versions that cannot be read."""
    comparison = compare(deps.store, deps.lake, saved, before, after, deps.clock())
    return _ChangesView(comparison, _largest_changes(deps, guard, saved, comparison)).changes()


def _largest_changes(deps: Deps, guard: Guard, saved: SavedDataset, comparison: Comparison) -> Examples | None:
    """The rows that changed most by names, restated ones alone if there are any; None for large tables."""
    if not comparison.keyed or max(comparison.rows_before, comparison.rows_after) > MOST_ROWS:
        return None
    search = ChangedRowsSearch(comparison.before, comparison.after, restated=None)
    with suppress(InputError), changed_rows(guard, deps.lake, saved, search, deps.clock()) as rows:
        examples = tuple(_named_row(rows, row) for row in rows.rows(0, EXAMPLES))
        return Examples(examples, rows.head.total, comparison.can_restate and bool(rows.left_out), order_of(rows))
    return None


def _named_row(rows: ChangedRows, row: RowChange) -> ExampleRow:
    """A row by the names of its key, the ad before its ad account; ids where there are no names."""
    key = [
        ("", name) if (name := row.names.get(column)) else (rows.title(column), cell(column, value).text)
        for column, value in by_rank(row.key)
    ]
    day = [(phrase("Day"), shown_day(row.day))] if row.day else []
    values = (
        (
            metric.title,
            _with_currency(metric, step.before, row.currency),
            _with_currency(metric, step.after, row.currency),
        )
        for metric in rows.metrics
        if (step := row.values[metric.name]).differs
    )
    return ExampleRow(row.kind, (*key, *day), tuple(values))


def _with_currency(metric: MetricHead, value: Any, currency: str | None) -> str | None:
    if value is None:
        return None
    shown = cell(metric.name, value).text
    if metric.type == "money":
        return f"{shown} {currency}" if currency else shown
    return f"{shown} %" if metric.unit == "percent" else shown


def by_rank(key: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """A row's key with the ad itself before the account that it is in."""
    return sorted(key.items(), key=lambda pair: pair[0] == ADVERTISER)


def is_by_currency(rows: ChangedRows) -> bool:
    """Whether rows are sorted by money of several currencies."""
    by_money = any(metric.name == rows.by and metric.type == "money" for metric in rows.metrics)
    return by_money and len(rows.currencies) > 1


def order_of(rows: ChangedRows) -> str:
    """How the rows are sorted, in a sentence; empty if they are sorted by no metric."""
    if rows.by is None:
        return ""
    title = rows.title(rows.by)
    if not is_by_currency(rows):
        return phrase("The largest change in %(metric)s comes first.", metric=title)
    return phrase(
        "Rows are grouped by currency: %(currencies)s. In each, the largest change in %(metric)s comes first.",
        currencies=", ".join(rows.currencies),
        metric=title,
    )


class _ChangesView:
    """Puts one comparison into rows and bars."""

    def __init__(self, comparison: Comparison, largest: Examples | None) -> None:
        self._comparison = comparison
        self._largest = largest

    def changes(self) -> Changes:
        """All of it."""
        comparison = self._comparison
        differing = sorted(
            (column_change for column_change in comparison.columns if column_change.has_moved),
            key=lambda column_change: -column_change.values_changed,
        )
        headed = comparison.moved_sums[:MOST_SUMS]
        panels = self._panels()
        return Changes(
            comparison=comparison,
            metrics=tuple(row for column in differing for row in _metric_rows(column)),
            day_heads=tuple(column.label(column_sum) for column, column_sum in headed),
            days=tuple(self._day_rows(headed)),
            examples=self._largest or self._examples(),
            panels=tuple(panel["title"] for panel in panels),
            chart=self._chart(panels),
            chart_days=listed(_SERIES[kind] for kind in comparison.first_kinds),
            unchanged=len(comparison.columns) - len(differing),
        )

    def _day_rows(self, headed: Iterable[tuple[ColumnChange, CurrencySum]]) -> Iterator[DayRow]:
        sums = [column_sum for _, column_sum in headed]
        times = Counter(day.day for day in self._comparison.days)
        for day in self._comparison.days:
            several = times[day.day] > 1
            yield DayRow(
                day.day,
                "" if day.kind is DayKind.RESTATED and not several else day.kind.label,
                day.added,
                day.removed,
                day.changed,
                tuple(_step(column_sum, (day.day, day.kind)) for column_sum in sums),
                listed(day.zones) if several and day.zones else "",
            )

    # -- the picture

    def _panels(self) -> list[dict[str, Any]]:
        """The figures, those first of which most values changed, and then the rows."""
        if not self._comparison.by_day:
            return []
        shown = [(column, column_sum) for column, column_sum in self._comparison.moved_sums if column_sum.days]
        counts = {(day.day, day.kind): day.added + day.removed + day.changed for day in self._comparison.days}
        panels = [
            self._panel(column.label(column_sum), column_sum.currency, column_sum.days) for column, column_sum in shown
        ]
        return [*panels, self._panel(phrase("Rows changed, added or removed"), None, counts) | {"signed": False}]

    def _panel(self, title: str, currency: str | None, steps: Mapping[Place, Any]) -> dict[str, Any]:
        """One figure's bars, a series for each kind of days."""
        is_whole = all(isinstance(step, int) for step in steps.values())
        kind_days = {kind: {day.day for day in self._comparison.days if day.kind is kind} for kind in DayKind}
        return {
            "title": str(title),
            "signed": True,
            "format": {
                "unit": "money" if currency else "count" if is_whole else "number",
                "currency": currency or None,
                "decimals": 0 if is_whole else 2,
            },
            "series": [
                {
                    "name": str(_SERIES[kind]),
                    "role": "part",
                    # Restatements are shown first: added and removed days would dwarf them.
                    "shown": kind in self._comparison.first_kinds,
                    "values": [
                        float(steps.get((day, kind), 0)) if day in kind_days[kind] else None for day in self._chart_days
                    ],
                }
                for kind in DayKind
                if kind in _ALWAYS or kind_days[kind]
            ],
        }

    @cached_property
    def _chart_days(self) -> tuple[date, ...]:
        """Every day from the first to the last change, so that equal spaces are equal times."""
        days = [day_change.day for day_change in self._comparison.days if day_change.day is not None]
        return days_of(Span(min(days), max(days))) if days else ()

    def _chart(self, panels: list[dict[str, Any]]) -> str:
        if not panels:
            return ""
        chart = {
            "name": "difference",
            "kind": "moves",
            "title": phrase("Changes by day"),
            "x": {"title": phrase("Day"), "type": "day", "values": [str(day) for day in self._chart_days]},
            "panels": panels,
        }
        return json.dumps(chart, ensure_ascii=False, separators=(",", ":"))

    # -- examples

    def _examples(self) -> Examples:
        comparison = self._comparison
        total = comparison.added + comparison.removed + comparison.changed
        return Examples(tuple(map(self._example, comparison.examples)), total)

    def _example(self, example: Example) -> ExampleRow:
        before, after, titles = example.before or {}, example.after or {}, self._comparison.titles
        kind = _CHANGED if example.before and example.after else _ADDED if example.after else _REMOVED
        valued = {metric.name for metric in self._comparison.columns}
        both = {**before, **after}
        named = [name for name in both if name not in valued]
        differing = [name for name in both if name in valued and before.get(name) != after.get(name)]
        money = {column.name for column in self._comparison.columns if column.type == "money"}
        return ExampleRow(
            kind,
            tuple((titles.get(name, name), cell(name, both[name]).text) for name in named),
            tuple(
                (
                    titles.get(name, name),
                    _cell(example.before, name, name in money),
                    _cell(example.after, name, name in money),
                )
                for name in differing
            ),
        )


def _metric_rows(column: ColumnChange) -> Iterator[MetricRow]:
    if not column.sums:
        yield MetricRow(column.title, column.values_changed, "", "", "", "")
    for column_sum in column.sums:
        yield MetricRow(
            column.label(column_sum),
            column_sum.values_changed,
            amount(column_sum.before, column_sum.currency),
            amount(column_sum.after, column_sum.currency),
            amount(column_sum.change, column_sum.currency, signed=True),
            amount(column_sum.restated, column_sum.currency, signed=True),
        )


def _step(column_sum: CurrencySum, place: Place) -> str:
    return amount(column_sum.days[place], column_sum.currency, signed=True) if place in column_sum.days else ""


_CHANGED, _ADDED, _REMOVED = Phrase("changed"), Phrase("added"), Phrase("removed")

_SERIES = {
    DayKind.RESTATED: Phrase("days in both versions"),
    DayKind.INCOMPLETE: Phrase("incomplete days"),
    DayKind.ADDED: Phrase("days added"),
    DayKind.REMOVED: Phrase("days removed"),
    DayKind.REPEATED: Phrase("days with rows added again"),
    DayKind.UNREAD: Phrase("days not read again"),
    DayKind.UNVERIFIED: Phrase("days whose check failed"),
}

_ALWAYS = (DayKind.RESTATED, DayKind.INCOMPLETE, DayKind.ADDED, DayKind.REMOVED)
"""The kinds of days that each picture has, even with no change."""


def _cell(row: Mapping[str, Any] | None, name: str, is_money: bool) -> str | None:
    """A value as a text, money with its currency; None for a row or a value that is not there."""
    if row is None or row.get(name) is None:
        return None
    currency = row.get(CURRENCY) if is_money else None
    text = cell(name, row[name]).text
    return f"{text} {currency}" if currency else text
