"""What proves that a copy has the rows of a version: counts of rows and values, sums, and ends of times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from adreel.errors import ProofError
from adreel.language import phrase

TOLERANCE = 1e-9
"""By how much sums of floating-point numbers may differ, relative to the larger: databases add in another order."""

Rows = Callable[[str], Sequence[tuple[Any, ...]]]
"""Runs a query and gives its rows."""


@dataclass(frozen=True, slots=True)
class TableFigures:
    """The rows of a table, and of each column what `_expressions` says, by its name."""

    rows: int
    columns: Mapping[str, tuple[Any, ...]]


def figures(rows: Rows, table: str, schema: Any, quote: Callable[[str], str]) -> TableFigures:
    """The figures of the columns of `schema` in a table whose name is SQL already, by one query."""
    expressions = {field.name: _expressions(field.type, quote(field.name)) for field in schema}
    listed = ", ".join(["count(*)", *(part for parts in expressions.values() for part in parts)])
    ((count, *values),) = rows(f"SELECT {listed} FROM {table}")  # noqa: S608 - names went through `quote`
    remaining = iter(values)
    columns = {name: tuple(_plain(next(remaining)) for _ in parts) for name, parts in expressions.items()}
    return TableFigures(int(count), columns)


def _expressions(kind: Any, column: str) -> tuple[str, ...]:
    """SQL that DuckDB and Postgres both take."""
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return f"count({column})", f"sum({column})"
    if pa.types.is_timestamp(kind) and kind.tz:
        # Drivers give times with a zone in that of the machine, or need a library for them.
        return f"count({column})", *(f"{end}({column}) AT TIME ZONE 'UTC'" for end in ("min", "max"))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return f"count({column})", f"min({column})", f"max({column})"
    if pa.types.is_boolean(kind):
        return f"count({column})", f"sum(CASE WHEN {column} THEN 1 ELSE 0 END)"
    if pa.types.is_string(kind):
        return f"count({column})", f"sum(char_length({column}))"
    return (f"count({column})",)


def _plain(value: Any) -> Any:
    """A number as a Decimal or a float, whichever way a driver gives it; times have no zone."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, str)):
        return Decimal(value)
    assert isinstance(value, (Decimal, float, date)), value
    return value


def prove(version: TableFigures, copy: TableFigures, table: str) -> None:
    """Raises ProofError, which names the first difference, unless the copy's figures are the version's."""
    if version.rows != copy.rows:
        raise _differs(table, phrase("the number of rows"), version.rows, copy.rows)
    for name, expected in version.columns.items():
        for wanted, value in zip(expected, copy.columns[name], strict=True):
            if not _same(wanted, value):
                raise _differs(table, phrase("column %(column)s", column=name), wanted, value)


def _same(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, float) and isinstance(value, (float, Decimal)):
        if math.isnan(wanted):
            return math.isnan(value)
        return math.isclose(wanted, float(value), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(wanted == value)


def _differs(table: str, what: str, wanted: Any, value: Any) -> ProofError:
    return ProofError(
        phrase(
            "The table %(table)s at the destination differs from the version in %(what)s: %(value)s, not "
            "%(wanted)s. Nothing was changed there. Does something else write to it? Publish to another table, "
            "or try again.",
            table=table,
            what=what,
            value=value,
            wanted=wanted,
        )
    )
