"""The rows that differ between two versions, by names: the one answer of page, command line and API.

Rows of days that TikTok restated are told from those of days that were incomplete, added or removed (`restatement`).
Money of different currencies is neither added nor compared: its rows are in order within each currency.
"""

from __future__ import annotations

from collections import defaultdict
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
from adreel.datasets.entity_names import entity_names
from adreel.datasets.restatement import ADVERTISER, CURRENCY, DayKind, Kinds, day_kinds
from adreel.datasets.restatement_calendar import is_money
from adreel.datasets.schema import NAME_COLUMNS, Column
from adreel.errors import NotFoundError
from adreel.lake import Lake
from adreel.lake.changed_rows import ChangedRow, ChangedRowsHead, ChangedRowsQuery, ChangedRowsReader, numeric_names
from adreel.lake.filters import Filter
from adreel.language import phrase
from adreel.store import SavedDataset

FIRST_METRIC = "spend"
"""What rows are sorted by where nobody asked, if the table has it."""

EXPORT_ROWS = 2_000
"""Rows of an export that are in memory at a time."""

Number = Decimal | int | float


@dataclass(frozen=True, slots=True)
class ChangedRowsSearch:
    """What a person asks for; without a `day` rows of all days.

    `by` is the metric whose change rows are sorted by, such as `conversion` or, to have the rows of one currency first,
    `spend:EUR`; None for the first. `restated` leaves out rows of days that TikTok did not restate; None does so if
    there are any others.
    """

    before: int
    after: int
    day: date | None = None
    advertiser: str = ""
    where: tuple[Filter, ...] = ()
    by: str | None = None
    restated: bool | None = False


@dataclass(frozen=True, slots=True)
class ChangeTotal:
    """The change of a metric over all rows, of money in one currency; `currency` is None for what is no money."""

    currency: str | None
    amount: Number


@dataclass(frozen=True, slots=True)
class MetricHead:
    """A column that differs in any of the rows, in `values_changed` of them.

    `totals` is empty for one that must not be summed. `unit` is that of the catalogue.
    """

    name: str
    title: str
    type: str
    numeric: bool
    values_changed: int
    totals: tuple[ChangeTotal, ...] = ()
    unit: str = ""


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
    """A row that differs. `kind` is changed, added or removed; `names` has the names of the key's ids, by id column.

    `day_kind` is what its day is to the versions; `day` is None where rows have no day.
    """

    kind: str
    day: date | None
    day_kind: DayKind
    key: Mapping[str, Any]
    names: Mapping[str, str]
    currency: str | None
    values: Mapping[str, ValueChange]


class ChangedRows:
    """The rows that differ, to be read in parts."""

    def __init__(
        self,
        reader: ChangedRowsReader,
        selected: Mapping[str, Column],
        names: Mapping[str, Mapping[str, str]],
        by: str | None,
        day_kinds: _DayKinds,
    ) -> None:
        self._reader = reader
        self._selected = selected
        self._entity_names = names
        self._day_kinds = day_kinds
        self.by = by
        """The metric that they are sorted by."""

    @property
    def day_kinds(self) -> Mapping[DayKind, int]:
        """How many rows of the search differ on days of each kind, also of kinds that are left out."""
        return self._day_kinds.counts

    @property
    def left_out(self) -> Mapping[DayKind, int]:
        """How many rows of each kind are left out, as TikTok did not restate them."""
        kinds = self._day_kinds
        return {kind: count for kind, count in kinds.counts.items() if kinds.only_restated and kind in NOT_RESTATED}

    @property
    def currencies(self) -> tuple[str, ...]:
        """Those of the rows, in their order if they are sorted by money; unknown ones are left out."""
        first = self._reader.first_unit
        units = [unit for unit in self.head.units if unit]
        return tuple(sorted(units, key=lambda unit: (unit != first, unit)))

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
            MetricHead(
                name,
                self.title(name),
                self._type(name),
                name in numbers,
                head.values_changed[name],
                self._totals(name),
                self._unit(name),
            )
            for name in ranked
        )

    def _totals(self, name: str) -> tuple[ChangeTotal, ...]:
        """The change over all rows, of money in each known currency."""
        by_unit = self.head.sums.get(name)
        if by_unit is None:
            return ()
        if self._type(name) != "money":
            return (ChangeTotal(None, sum(amount or 0 for amount in by_unit.values())),)
        return tuple(ChangeTotal(currency, by_unit[currency] or 0) for currency in self.currencies)

    def title(self, name: str) -> str:
        """A column's title."""
        if name in self._selected:
            return self._selected[name].title
        metric = catalog.metrics().get(name)
        return metric.title if metric else name

    def _unit(self, name: str) -> str:
        metric = catalog.metrics().get(name)
        return self._selected[name].unit if name in self._selected else metric.unit if metric else ""

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
        day = _day(latest.get(self.head.day_column)) if self.head.day_column else None
        day_kind = self._day_kinds.of(latest.get(ADVERTISER), day)
        return RowChange(kind, day, day_kind, key, self._names(key, latest), latest.get(CURRENCY), self._values(row))

    def _names(self, key: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, str]:
        own = {name: row.get(NAME_COLUMNS[name]) for name in key if name in NAME_COLUMNS}
        others = self._entity_names
        names = {name: text or others.get(name, {}).get(str(key[name])) for name, text in own.items()}
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
            "day_kinds": [{"kind": str(kind), "rows": rows} for kind, rows in sorted(self.day_kinds.items())],
            "limit": limit,
            "offset": offset,
            "columns": [
                {
                    "name": metric.name,
                    "title": metric.title,
                    "values_changed": metric.values_changed,
                    "totals": [{"currency": total.currency, "change": total.amount} for total in metric.totals],
                }
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
    """The rows of the day or of all days that differ, readable while the block runs.

    Raises NotFoundError for versions that cannot be read, InputError for a filter or an order that cannot be, and for
    versions whose rows cannot be matched.
    """
    slug, selected = saved.table_slug, known_columns(saved, now)
    schema, earlier = (lake.table(slug, version).schema for version in (search.after, search.before))
    where = search.where
    if search.advertiser and ADVERTISER in schema.names:
        where = (*where, Filter(ADVERTISER, "=", search.advertiser))
    asked, _, currency = (search.by or "").partition(":")
    by = asked or _first_metric(schema, earlier)
    query = ChangedRowsQuery(
        search.day,
        where,
        by,
        owner=ADVERTISER,
        unit=CURRENCY,
        sums=_additive(schema, earlier, selected),
        by_unit=by is not None and is_money(by),
        first_unit=currency,
    )
    kinds = day_kinds(guard.store, lake, saved, search.before, search.after, now)
    with lake.changed_rows(slug, search.before, search.after, query) as reader:
        own = _keep_kinds(reader, kinds, search.restated)
        if not asked and (moved := _moved_metric(reader.head(), by)) is not None:
            by = moved
            reader.sort_by(by, by_unit=is_money(by))
        names = {**entity_names(guard, lake, saved, reader.head().key), ADVERTISER: advertiser_names(guard, saved)}
        yield ChangedRows(reader, selected, names, by, own)


NOT_RESTATED = frozenset(DayKind) - {DayKind.RESTATED}
"""The kinds of days that TikTok did not restate."""


@dataclass(frozen=True, slots=True)
class _DayKinds:
    """What days are to the versions, and how many rows differ on those of each kind."""

    kinds: Kinds
    counts: Mapping[DayKind, int]
    only_restated: bool

    def of(self, advertiser: Any, day: date | None) -> DayKind:
        """The day's kind."""
        return self.kinds.of(advertiser, day)


def _keep_kinds(reader: ChangedRowsReader, kinds: Kinds, restated: bool | None) -> _DayKinds:
    """Leaves out the rows of days that TikTok did not restate, if that is asked for."""
    counts: dict[DayKind, int] = defaultdict(int)
    kept = []
    for place, rows in reader.places().items():
        kind = kinds.of(*place)
        counts[kind] += rows
        if kind is DayKind.RESTATED:
            kept.append(place)
    only_restated = bool(kept) if restated is None else restated
    if only_restated:
        reader.keep(kept)
    return _DayKinds(kinds, counts, only_restated)


def _day(value: Any) -> date | None:
    return value.date() if isinstance(value, datetime) else value


def _additive(schema: Any, earlier: Any, selected: Mapping[str, Column]) -> tuple[str, ...]:
    """The metrics of both versions that may be summed."""
    metrics, shared = catalog.metrics(), [name for name in schema.names if name in earlier.names]
    return tuple(
        name
        for name in numeric_names(schema, shared)
        if (selected[name].additive if name in selected else name in metrics and metrics[name].additive)
    )


def versions_to_compare(lake: Lake, saved: SavedDataset, before: int | None, after: int | None) -> tuple[int, int]:
    """Two versions, by default the newest and the one before. Raises NotFoundError if there is none before."""
    numbers = [version.number for version in lake.versions(saved.table_slug)]
    after = after if after is not None else numbers[0]
    before = before if before is not None else next((number for number in numbers if number < after), None)
    if before is None:
        raise NotFoundError(
            phrase(
                "%(dataset)s has no version before %(version)s that can be read.",
                dataset=repr(saved.name),
                version=after,
            )
        )
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
        "day": row.day,
        "day_kind": str(row.day_kind),
        "key": dict(row.key),
        "names": dict(row.names),
        "currency": row.currency,
        "values": [
            {"name": name, "before": value.before, "after": value.after, "change": value.change}
            for name, value in row.values.items()
            if value.differs
        ],
    }
