"""The difference between two versions as a page shows it: as a picture, as tables, as rows before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from adreel.datasets.restatement import ColumnChange, Comparison, DayKind, Place, Sum, amount, compare
from adreel.errors import NotFoundError
from adreel.export.cells import plain
from adreel.store import SavedDataset
from adreel.web.deps import Center

if TYPE_CHECKING:
    from adreel.lake.difference import Example

MOST_PANELS = 16
"""Figures that the picture offers, those first of which most values changed."""

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
    moved: str
    restated: str

    @property
    def is_summed(self) -> bool:
        """Whether its values add up."""
        return bool(self.before)


@dataclass(frozen=True, slots=True)
class DayRow:
    """Of a day on which anything changed the ad accounts for which it is of one kind; `kind` is empty for restated.

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
    """The comparison of two versions, ready to be shown: what changed most stands first.

    `chart` is what charts.js draws, or empty.
    """

    found: Comparison
    metrics: tuple[MetricRow, ...]
    day_heads: tuple[str, ...]
    days: tuple[DayRow, ...]
    examples: tuple[ExampleRow, ...]
    panels: tuple[str, ...]
    chart: str
    unchanged: int


@dataclass(frozen=True, slots=True)
class Since:
    """What changed since the version before the newest, in a sentence."""

    before: int
    after: int
    words: str
    same: bool


def since(deps: Center, saved: SavedDataset) -> Since | None:
    """What the last run changed; None if there is no earlier version that can be read."""
    made = [run.version for run in deps.store.runs.good(saved, 2) if run.version is not None]
    if len(made) < 2:
        return None
    after, before = made
    try:
        comparison = compare(deps.store, deps.lake, saved, before, after, deps.clock())
    except NotFoundError:
        return None
    return Since(before, after, comparison.summary, comparison.same)


def changes(deps: Center, saved: SavedDataset, before: int, after: int) -> Changes:
    """Compares two versions of the dataset's table. Raises NotFoundError for versions that cannot be read."""
    return _Showing(compare(deps.store, deps.lake, saved, before, after, deps.clock())).changes()


class _Showing:
    """Puts one comparison into rows and bars."""

    def __init__(self, found: Comparison) -> None:
        self._found = found

    def changes(self) -> Changes:
        """All of it."""
        comparison = self._found
        differing = sorted(
            (column_change for column_change in comparison.columns if column_change.has_moved),
            key=lambda one: -one.values_changed,
        )
        headed = comparison.moved_sums[:MOST_SUMS]
        panels = self._panels()
        return Changes(
            found=comparison,
            metrics=tuple(row for column in differing for row in _metric_rows(column)),
            day_heads=tuple(_label(column, one) for column, one in headed),
            days=tuple(
                DayRow(
                    day.day,
                    "" if day.kind is DayKind.RESTATED else day.kind.label,
                    day.added,
                    day.gone,
                    day.changed,
                    tuple(_step(one, (day.day, day.kind)) for _, one in headed),
                )
                for day in comparison.days
            ),
            examples=tuple(map(self._example, comparison.examples)),
            panels=tuple(panel["title"] for panel in panels),
            chart=self._chart(panels),
            unchanged=len(comparison.columns) - len(differing),
        )

    # -- the picture

    def _panels(self) -> list[dict[str, Any]]:
        """The figures of which most values changed, and then the rows."""
        if not self._found.by_day:
            return []
        shown = [(column, one) for column, one in self._found.moved_sums if one.days][:MOST_PANELS]
        counts = {(day.day, day.kind): day.added + day.gone + day.changed for day in self._found.days}
        panels = [self._panel(_label(column, one), one.currency, one.days) for column, one in shown]
        return [*panels, self._panel("Rows changed, added or removed", None, counts) | {"signed": False}]

    def _panel(self, title: str, currency: str | None, steps: Mapping[Place, Any]) -> dict[str, Any]:
        """One figure's bars, a series for each kind of days."""
        whole = all(isinstance(step, int) for step in steps.values())
        there = {kind: {day.day for day in self._found.days if day.kind is kind} for kind in DayKind}
        return {
            "title": title,
            "signed": True,
            "format": {
                "unit": "money" if currency else "count" if whole else "number",
                "currency": currency or None,
                "decimals": 0 if whole else 2,
            },
            "series": [
                {
                    "name": _SERIES[kind],
                    "role": "part",
                    # First of all, what TikTok changed: days that come and go are larger by far.
                    "shown": kind is DayKind.RESTATED,
                    "values": [
                        float(steps.get((day, kind), 0)) if day in there[kind] else None for day in self._chart_days
                    ],
                }
                for kind in DayKind
            ],
        }

    @property
    def _chart_days(self) -> list[date]:
        return sorted({day_change.day for day_change in self._found.days if day_change.day is not None})

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

    def _example(self, example: Example) -> ExampleRow:
        before, after, titles = example.before or {}, example.after or {}, self._found.titles
        kind = "changed" if example.before and example.after else "added" if example.after else "removed"
        valued = {metric.name for metric in self._found.columns}
        both = {**before, **after}
        named = [name for name in both if name not in valued]
        differing = [name for name in both if name in valued and before.get(name) != after.get(name)]
        return ExampleRow(
            kind,
            tuple((titles.get(name, name), plain(both[name])) for name in named),
            tuple(
                (titles.get(name, name), _cell(example.before, name), _cell(example.after, name)) for name in differing
            ),
        )


def _metric_rows(column: ColumnChange) -> Iterator[MetricRow]:
    if not column.sums:
        yield MetricRow(column.title, column.values_changed, "", "", "", "")
    for one in column.sums:
        yield MetricRow(
            _label(column, one),
            one.values_changed,
            amount(one.before, one.currency),
            amount(one.after, one.currency),
            amount(one.moved, one.currency, signed=True),
            amount(one.restated, one.currency, signed=True),
        )


def _label(column: ColumnChange, one: Sum) -> str:
    """The figure's title, with its currency where there are several."""
    return f"{column.title} ({one.currency or 'no currency'})" if len(column.sums) > 1 else column.title


def _step(one: Sum, place: Place) -> str:
    return amount(one.days[place], one.currency, signed=True) if place in one.days else ""


_SERIES = {
    DayKind.RESTATED: "days in both versions",
    DayKind.UNFINISHED: "days that were not over",
    DayKind.ADDED: "days added",
    DayKind.REMOVED: "days removed",
}


def _cell(row: Mapping[str, Any] | None, name: str) -> str | None:
    """A value as a text; None for a row or a value that is not there."""
    return plain(row[name]) if row is not None and row.get(name) is not None else None
