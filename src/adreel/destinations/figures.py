"""What proves that a copy has the rows of a version: counts of rows and values, sums, ends of times, rows of days."""

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

CURRENCY = "currency"

TOLERANCE = 1e-9
"""By how much sums of floating-point numbers may differ, relative to the larger: databases add in another order."""

Rows = Callable[[str], Sequence[tuple[Any, ...]]]
"""Runs a query and gives its rows."""


@dataclass(frozen=True, slots=True)
class TableFigures:
    """The rows of a table, and of each column what `_expressions` says, by its name.

    `days` are the rows by day and currency, both None where the table has no such column.
    """

    rows: int
    columns: Mapping[str, tuple[Any, ...]]
    days: Mapping[tuple[date | None, str | None], int]


def figures(rows: Rows, table: str, schema: Any, quote: Callable[[str], str], day_column: str | None) -> TableFigures:
    """The figures of the columns of `schema` in a table whose name is SQL already."""
    expressions = {field.name: _expressions(field.type, quote(field.name)) for field in schema}
    listed = ", ".join(["count(*)", *(part for parts in expressions.values() for part in parts)])
    ((count, *values),) = rows(f"SELECT {listed} FROM {table}")  # noqa: S608 - names went through `quote`
    remaining = iter(values)
    columns = {name: tuple(_plain(next(remaining)) for _ in parts) for name, parts in expressions.items()}
    return TableFigures(int(count), columns, _days(rows, table, schema, quote, day_column))


def _days(
    rows: Rows, table: str, schema: Any, quote: Callable[[str], str], day_column: str | None
) -> dict[tuple[date | None, str | None], int]:
    """Sums of money say nothing of their currency, and lengths of texts do not tell EUR from USD."""
    day = f"CAST({quote(day_column)} AS DATE)" if day_column in schema.names and day_column else "CAST(NULL AS DATE)"
    currency = quote(CURRENCY) if CURRENCY in schema.names else "CAST(NULL AS VARCHAR)"
    listed = f"SELECT {day}, {currency}, count(*) FROM {table} GROUP BY 1, 2"  # noqa: S608 - names went through `quote`
    return {(on, code): int(count) for on, code, count in rows(listed)}


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
    if version.days != copy.days:
        (day, currency), _ = min(version.days.items() ^ copy.days.items(), key=repr)
        place = (day, currency)
        rows = phrase("the rows of %(day)s %(currency)s", day=day or "", currency=currency or "")
        raise _differs(table, rows, version.days.get(place, 0), copy.days.get(place, 0))


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
