"""The rows of a day before and after, by names: the one answer of page, command line and API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from adreel import catalog
from adreel.access import Guard
from adreel.datasets.about import known_columns
from adreel.datasets.advertisers import advertiser_names
from adreel.datasets.restatement import ADVERTISER, CURRENCY
from adreel.datasets.schema import NAME_COLUMNS, Column
from adreel.errors import NotFoundError
from adreel.lake import Lake
from adreel.lake.changed_rows import ChangedRow, ChangedRowsHead, ChangedRowsQuery, ChangedRowsReader, numeric_names
from adreel.lake.filters import Filter
from adreel.store import SavedDataset

FIRST_METRIC = "spend"
"""What rows are sorted by where nobody asked, if the table has it."""

EXPORT_ROWS = 2_000
"""Rows of an export that are in memory at a time."""

Number = Decimal | int | float


@dataclass(frozen=True, slots=True)
class ChangedRowsSearch:
    """What a person asks for. `by` is the metric whose change rows are sorted by; None for the first."""

    before: int
    after: int
    day: date | None = None
    advertiser: str = ""
    where: tuple[Filter, ...] = ()
    by: str | None = None


@dataclass(frozen=True, slots=True)
class MetricHead:
    """A column that differs in any of the rows, in `values_changed` of them."""

    name: str
    title: str
    type: str
    numeric: bool
    values_changed: int


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A value before and after; `change` is None for what is no number, or not in both versions."""

    before: Any
    after: Any
    change: Number | None

    @property
    def differs(self) -> bool:
        """Whether it changed."""
        return bool(self.before != self.after)


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that differs. `kind` is changed, added or removed; `names` has the names of the key's ids, by id column."""

    kind: str
    key: Mapping[str, Any]
    names: Mapping[str, str]
    currency: str | None
    values: Mapping[str, ValueChange]


class ChangedRows:
    """The rows that differ, to be read in parts."""

    def __init__(
        self, reader: ChangedRowsReader, selected: Mapping[str, Column], advertisers: Mapping[str, str], by: str | None
    ) -> None:
        self._reader = reader
        self._selected = selected
        self._advertisers = advertisers
        self.by = by
        """The metric that they are sorted by."""

    @property
    def head(self) -> ChangedRowsHead:
        """How many there are."""
        return self._reader.head()

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell rows apart, but for the day."""
        return tuple(name for name in self.head.key if name != self.head.day_column)

    @property
    def metrics(self) -> tuple[MetricHead, ...]:
        """The columns that differ: the one that rows are sorted by, then those that differ in most rows."""
        head, names = self.head, set(NAME_COLUMNS.values())
        numbers = set(numeric_names(head.schema, list(head.values_changed)))
        ranked = sorted(
            head.values_changed, key=lambda name: (name != self.by, name in names, -head.values_changed[name])
        )
        return tuple(
            MetricHead(name, self.title(name), self._type(name), name in numbers, head.values_changed[name])
            for name in ranked
        )

    def title(self, name: str) -> str:
        """A column's title."""
        if name in self._selected:
            return self._selected[name].title
        metric = catalog.metrics().get(name)
        return metric.title if metric else name

    def _type(self, name: str) -> str:
        metric = catalog.metrics().get(name)
        return self._selected[name].type if name in self._selected else metric.type if metric else ""

    def rows(self, offset: int, limit: int) -> tuple[RowChange, ...]:
        """Some of the rows, those first whose metric changed most."""
        return tuple(map(self._row, self._reader.rows(offset, limit)))

    def _row(self, row: ChangedRow) -> RowChange:
        latest = row.after or row.before or {}
        kind = "changed" if row.before and row.after else "added" if row.after else "removed"
        key = {name: latest.get(name) for name in self.key}
        return RowChange(kind, key, self._names(key, latest), latest.get(CURRENCY), self._values(row))

    def _names(self, key: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, str]:
        names = {name: row.get(NAME_COLUMNS[name]) for name in key if name in NAME_COLUMNS}
        if ADVERTISER in key and not names.get(ADVERTISER):
            names[ADVERTISER] = self._advertisers.get(str(key[ADVERTISER]))
        return {name: str(text) for name, text in names.items() if text}

    def _values(self, row: ChangedRow) -> dict[str, ValueChange]:
        before, after = row.before or {}, row.after or {}
        return {name: _value(before.get(name), after.get(name)) for name in self.head.values_changed}

    # -- for programs

    def as_json(self, search: ChangedRowsSearch, offset: int, limit: int) -> dict[str, Any]:
        """A part of the rows as plain values and exact numbers; of each row the values that differ."""
        head = self.head
        return {
            "before": search.before,
            "after": search.after,
            "day": search.day,
            "sorted_by": self.by,
            "changed": head.changed,
            "added": head.added,
            "removed": head.removed,
            "total": head.total,
            "limit": limit,
            "offset": offset,
            "columns": [
                {"name": metric.name, "title": metric.title, "values_changed": metric.values_changed}
                for metric in self.metrics
            ],
            "items": [_row_json(row) for row in self.rows(offset, limit)],
        }

    def reader(self) -> pa.RecordBatchReader:
        """All rows for a file: kind, key and names, then each metric before, after and its change."""
        metrics, schema = self.metrics, self.head.schema
        fields = [pa.field("kind", pa.string())]
        own = [self.head.day_column] if self.head.day_column else []
        for name in (*own, *self.key):
            fields.append(schema.field(name).remove_metadata())
            if name in NAME_COLUMNS:
                fields.append(pa.field(NAME_COLUMNS[name], pa.string()))
        if CURRENCY in schema.names and CURRENCY not in self.key:
            fields.append(pa.field(CURRENCY, pa.string()))
        shown = [metric for metric in metrics if metric.name not in {field.name for field in fields}]
        for metric in shown:
            kind = schema.field(metric.name).type
            fields += [pa.field(f"{metric.name}_before", kind), pa.field(f"{metric.name}_after", kind)]
            fields += [pa.field(f"{metric.name}_change", kind)] if metric.numeric else []
        flat = pa.schema(fields)

        def batches() -> Iterator[pa.RecordBatch]:
            for offset in range(0, self.head.total, EXPORT_ROWS):
                rows = self._reader.rows(offset, EXPORT_ROWS)
                yield pa.RecordBatch.from_pylist([self._flat(row, shown) for row in rows], flat)

        return pa.RecordBatchReader.from_batches(flat, batches())

    def _flat(self, row: ChangedRow, metrics: Sequence[MetricHead]) -> dict[str, Any]:
        change, latest = self._row(row), row.after or row.before or {}
        day = self.head.day_column
        flat = {"kind": change.kind, **change.key, CURRENCY: change.currency}
        flat |= {day: latest.get(day)} if day else {}
        flat |= {NAME_COLUMNS[name]: text for name, text in change.names.items()}
        for metric in metrics:
            value = change.values[metric.name]
            flat |= {f"{metric.name}_before": value.before, f"{metric.name}_after": value.after}
            flat[f"{metric.name}_change"] = value.change
        return flat


@contextmanager
def changed_rows(
    guard: Guard, lake: Lake, saved: SavedDataset, search: ChangedRowsSearch, now: datetime
) -> Iterator[ChangedRows]:
    """The rows of the day that differ, readable while the block runs.

    Raises NotFoundError for versions that cannot be read, InputError for a filter or an order that cannot be, where a
    day is missing, and for versions whose rows cannot be matched.
    """
    schema = lake.table(saved.table_slug, search.after).schema
    where = search.where
    if search.advertiser and ADVERTISER in schema.names:
        where = (*where, Filter(ADVERTISER, "=", search.advertiser))
    by = search.by or _first_metric(schema, lake.table(saved.table_slug, search.before).schema)
    query = ChangedRowsQuery(search.day, where, by)
    with lake.changed_rows(saved.table_slug, search.before, search.after, query) as reader:
        if search.by is None and (moved := _moved_metric(reader.head(), by)) is not None:
            by = moved
            reader.sort_by(by)
        yield ChangedRows(reader, known_columns(saved, now), advertiser_names(guard, saved), by)


def versions_to_compare(lake: Lake, saved: SavedDataset, before: int | None, after: int | None) -> tuple[int, int]:
    """Two versions, by default the newest and the one before. Raises NotFoundError if there is none before."""
    numbers = [version.number for version in lake.versions(saved.table_slug)]
    after = after if after is not None else numbers[0]
    before = before if before is not None else next((number for number in numbers if number < after), None)
    if before is None:
        raise NotFoundError(f"{saved.name!r} has no version before {after} that can be read.")
    return before, after


def _first_metric(schema: Any, earlier: Any) -> str | None:
    shared = [name for name in schema.names if name in earlier.names]
    metrics = [name for name in numeric_names(schema, shared) if name in catalog.metrics()]
    return FIRST_METRIC if FIRST_METRIC in metrics else next(iter(metrics), None)


def _moved_metric(head: ChangedRowsHead, by: str | None) -> str | None:
    """The metric that differs in most rows, if the one that they are sorted by differs in none."""
    if by in head.values_changed:
        return None
    metrics = catalog.metrics()
    names = [name for name in numeric_names(head.schema, list(head.values_changed)) if name in metrics]
    return max(names, key=lambda name: (metrics[name].additive, head.values_changed[name]), default=None)


def _value(before: Any, after: Any) -> ValueChange:
    numbers = [value for value in (before, after) if isinstance(value, int | float | Decimal)]
    both = len(numbers) == 2 and not any(isinstance(value, bool) for value in numbers)
    return ValueChange(before, after, after - before if both else None)


def _row_json(row: RowChange) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "key": dict(row.key),
        "names": dict(row.names),
        "currency": row.currency,
        "values": [
            {"name": name, "before": value.before, "after": value.after, "change": value.change}
            for name, value in row.values.items()
            if value.differs
        ],
    }
