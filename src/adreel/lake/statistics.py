"""What a column holds: how full it is, its range, its most frequent values, how its numbers are spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from adreel.lake.engine import quoted
from adreel.lake.filters import Kind, kind_of, sql_type, typed
from adreel.lake.rows import TableRows
from adreel.lake.tables import TableState

EXACT_ROWS = 100_000
"""Distinct values are counted exactly in a table of up to so many rows, and of a text or day up to so many values;
else they are estimated, which takes no memory and is 5 % off or so."""

TOP = 5
CANDIDATES = 50
"""Values that an estimate takes for the most frequent, of which the `TOP` are then counted."""

BINS = 20

Value = str | int | float | Decimal | date | bool
"""Days and times are dates."""


@dataclass(frozen=True, slots=True)
class Frequent:
    """A value and the rows that have it."""

    value: Value
    rows: int


@dataclass(frozen=True, slots=True)
class Bin:
    """The rows with a number from `least` to below `most`; the last bin holds `most` too."""

    least: float
    most: float
    rows: int


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What a column of a version holds.

    `distinct` leaves null out and is None for lists. `total` is None for columns that must not be summed. `frequent`
    is for texts, days and truth values, most frequent first; `histogram` for numbers, without infinite ones.
    """

    name: str
    rows: int
    nulls: int
    distinct: int | None
    distinct_exact: bool
    least: Value | None
    greatest: Value | None
    total: Decimal | int | float | None
    frequent: tuple[Frequent, ...]
    histogram: tuple[Bin, ...]


def statistics(rows: TableRows, table: TableState, name: str, *, summed: bool) -> ColumnStatistics:
    """The statistics of one column; `summed` says that its values may be added up."""
    kind = table.readable.field(name).type
    column = _ColumnReader(rows, name, kind, table.rows)
    if not table.rows or kind_of(kind) is Kind.LIST:
        nulls = table.rows - column.ask(f"count({quoted(name)}) AS filled")[0]["filled"] if table.rows else 0
        return ColumnStatistics(name, table.rows, nulls, None if table.rows else 0, True, None, None, None, (), ())
    return column.compute(summed=summed and kind_of(kind) is Kind.NUMBER)


class _ColumnReader:
    """A column of one value a row."""

    def __init__(self, rows: TableRows, name: str, kind: Any, count: int) -> None:
        self._rows = rows
        self._name = name
        self._kind = kind
        self._count = count
        floating = pa.types.is_floating(kind)
        self._value = f"CASE WHEN isfinite({quoted(name)}) THEN {quoted(name)} END" if floating else quoted(name)

    def ask(self, select: str, tail: str = "", values: Sequence[str] = ()) -> list[dict[str, Any]]:
        """A query that reads this column; `tail` follows its WHERE clause, and `values` are for its places."""
        rows: list[dict[str, Any]] = self._rows.ask(select, (self._name,), tail, values).to_pylist()
        return rows

    def compute(self, *, summed: bool) -> ColumnStatistics:
        """All there is to say."""
        exact = self._count <= EXACT_ROWS
        column = quoted(self._name)
        # Arrow has no name for DuckDB's integer sums of 128 bits.
        kind = "DECIMAL(38, 0)" if pa.types.is_integer(self._kind) else ""
        total = f"CAST(sum({self._value}) AS {kind})" if kind else f"sum({self._value})"
        (facts,) = self.ask(
            f"count({column}) AS filled, "
            f"{f'count(DISTINCT {column})' if exact else f'approx_count_distinct({column})'} AS various, "
            f"min({self._value}) AS least, max({self._value}) AS greatest, {total if summed else 'NULL'} AS total"
        )
        frequent: tuple[Frequent, ...] = ()
        if kind_of(self._kind) in (Kind.TEXT, Kind.DAY, Kind.TRUTH):
            if exact or facts["various"] <= EXACT_ROWS:
                frequent, facts["various"], exact = *self._most_frequent(), True
            else:
                frequent = self._about_most_frequent()
        numbers = kind_of(self._kind) is Kind.NUMBER and facts["least"] is not None
        return ColumnStatistics(
            self._name,
            self._count,
            self._count - facts["filled"],
            facts["various"],
            exact,
            facts["least"],
            facts["greatest"],
            int(facts["total"]) if kind and facts["total"] is not None else facts["total"],
            frequent,
            self._histogram(facts["least"], facts["greatest"]) if numbers else (),
        )

    def _most_frequent(self) -> tuple[tuple[Frequent, ...], int]:
        """The most frequent values, and how many different ones there are."""
        column = quoted(self._name)
        counted = self.ask(
            f"{column} AS value, count(*) AS rows, count(*) OVER () AS various",
            f"AND {column} IS NOT NULL GROUP BY value ORDER BY rows DESC, value LIMIT {TOP}",
        )
        return tuple(Frequent(row["value"], row["rows"]) for row in counted), counted[0]["various"] if counted else 0

    def _about_most_frequent(self) -> tuple[Frequent, ...]:
        """The most frequent of the values that an estimate takes for frequent; their counts are exact."""
        column = quoted(self._name)
        (estimate,) = self.ask(f"approx_top_k({column}, {CANDIDATES}) AS candidates")
        values = [typed(self._name, self._kind, value) for value in estimate["candidates"]]
        places = ", ".join(f"CAST(? AS {sql_type(self._kind)})" for _ in values)
        counted = self.ask(
            f"{column} AS value, count(*) AS rows",
            f"AND {column} IN ({places}) GROUP BY value ORDER BY rows DESC, value LIMIT {TOP}",
            values,
        )
        return tuple(Frequent(row["value"], row["rows"]) for row in counted)

    def _histogram(self, least: Any, greatest: Any) -> tuple[Bin, ...]:
        """Bins of one width; of whole numbers not finer than each by itself."""
        first, last, count = float(least), float(greatest), BINS
        if pa.types.is_integer(self._kind) and greatest - least < BINS:
            count, last = int(greatest - least) + 1, float(greatest) + 1
        width = last / count - first / count
        if not width:
            return (Bin(first, last, self.ask(f"count({self._value}) AS rows")[0]["rows"]),)
        number = f"floor((CAST({self._value} AS DOUBLE) - {first!r}) / {width!r})"
        counted = self.ask(
            f"CAST(least({number}, {count - 1}) AS INTEGER) AS bin, count(*) AS rows",
            f"AND {self._value} IS NOT NULL GROUP BY bin",
        )
        rows = {row["bin"]: row["rows"] for row in counted}
        edges = [*(first + width * number for number in range(count)), last]
        return tuple(Bin(edges[number], edges[number + 1], rows.get(number, 0)) for number in range(count))
