"""What proves that a copy has the rows of a version: counts of rows and values, sums, ends of times, rows of days."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from adreel.errors import ProofError
from adreel.language import Phrase, phrase

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


@dataclass(frozen=True, slots=True)
class SqlWords:
    """How a database words what SQL leaves open; the defaults are those of DuckDB and Postgres.

    `length` counts the characters of a text, None where no function counts as others do. `truth` is the condition that
    a boolean is true, `utc` an instant as a time in UTC, and `day` the day of a day or a time without a zone.
    """

    length: str | None = "char_length({})"
    truth: str = "{}"
    utc: str = "{} AT TIME ZONE 'UTC'"
    day: str = "CAST({} AS DATE)"


STANDARD = SqlWords()


def figures(
    rows: Rows,
    table: str,
    schema: Any,
    quote: Callable[[str], str],
    day_column: str | None,
    words: SqlWords = STANDARD,
) -> TableFigures:
    """The figures of the columns of `schema` in a table whose name is SQL already."""
    expressions = {field.name: _expressions(field.type, quote(field.name), words) for field in schema}
    listed = ", ".join(["count(*)", *(part for parts in expressions.values() for part in parts)])
    ((count, *values),) = rows(f"SELECT {listed} FROM {table}")  # noqa: S608 - names went through `quote`
    remaining = iter(values)
    columns = {
        name: tuple(_plain(next(remaining), schema.field(name).type) for _ in parts)
        for name, parts in expressions.items()
    }
    day = words.day.format(quote(day_column)) if day_column in schema.names and day_column else None
    currency = quote(CURRENCY) if CURRENCY in schema.names else None
    return TableFigures(int(count), columns, _days(rows, table, day, currency))


def _days(rows: Rows, table: str, day: str | None, currency: str | None) -> dict[tuple[date | None, str | None], int]:
    """Sums of money say nothing of their currency, and lengths of texts do not tell EUR from USD."""
    groups = ", ".join(part for part in (day, currency) if part is not None)
    listed = ", ".join(("NULL" if day is None else day, "NULL" if currency is None else currency, "count(*)"))
    # By expressions, as not all databases take their numbers; without groups there is one row, of an empty table too.
    query = f"SELECT {listed} FROM {table}" + (f" GROUP BY {groups}" if groups else "")  # noqa: S608 - as above
    return {
        (None if on is None else _time(on, pa.date32()), code): int(count) for on, code, count in rows(query) if count
    }


def _expressions(kind: Any, column: str, words: SqlWords) -> tuple[str, ...]:
    """SQL that gives the figures of one column."""
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return f"count({column})", f"sum({column})"
    if pa.types.is_timestamp(kind) and kind.tz:
        # Drivers give times with a zone in that of the machine, or need a library for them.
        return f"count({column})", *(words.utc.format(f"{end}({column})") for end in ("min", "max"))
    if _is_time(kind):
        return f"count({column})", f"min({column})", f"max({column})"
    if pa.types.is_boolean(kind):
        return f"count({column})", f"sum(CASE WHEN {words.truth.format(column)} THEN 1 ELSE 0 END)"
    if pa.types.is_string(kind) and words.length is not None:
        return f"count({column})", f"sum({words.length.format(column)})"
    return (f"count({column})",)


def _is_time(kind: Any) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _plain(value: Any, kind: Any) -> Any:
    """A number as a Decimal or a float, whichever way a driver gives it; times are in UTC and have no zone."""
    if value is None:
        return value
    if _is_time(kind) and not isinstance(value, int):
        return _time(value, kind)
    if isinstance(value, (int, str)):
        return Decimal(value)
    assert isinstance(value, (Decimal, float)), value
    return value


def _time(value: Any, kind: Any) -> date:
    """A day, or an instant without its zone; some drivers give texts, or midnights for days."""
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(read, datetime):
        assert isinstance(read, date), read
        return read
    if pa.types.is_date(kind):
        return read.date()
    return read if read.tzinfo is None else read.astimezone(UTC).replace(tzinfo=None)


def prove(version: TableFigures, copy: TableFigures, table: str, *, is_undone: bool = True) -> None:
    """Raises ProofError, which names the first difference, unless the copy's figures are the version's.

    `is_undone` says whether the copy is then as it was before.
    """
    sentence = _UNDONE if is_undone else _WRITTEN
    if version.rows != copy.rows:
        raise _differs(sentence, table, phrase("the number of rows"), version.rows, copy.rows)
    for name, expected in version.columns.items():
        for wanted, value in zip(expected, copy.columns[name], strict=True):
            if not _same(wanted, value):
                raise _differs(sentence, table, phrase("column %(column)s", column=name), wanted, value)
    if version.days != copy.days:
        (day, currency), _ = min(version.days.items() ^ copy.days.items(), key=repr)
        place = (day, currency)
        rows = phrase("the rows of %(day)s %(currency)s", day=day or "", currency=currency or "")
        raise _differs(sentence, table, rows, version.days.get(place, 0), copy.days.get(place, 0))


def _same(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, float) and math.isnan(wanted):
        return isinstance(value, (float, Decimal)) and math.isnan(value)
    if isinstance(wanted, (float, Decimal)) and isinstance(value, (float, Decimal)) and wanted != value:
        # Where exact numbers are summed exactly, both are Decimals.
        is_exact = isinstance(wanted, Decimal) and isinstance(value, Decimal)
        return not is_exact and math.isclose(wanted, value, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(wanted == value)


def _differs(sentence: Phrase, table: str, what: str, wanted: Any, value: Any) -> ProofError:
    return ProofError(phrase(sentence, table=table, what=what, value=value, wanted=wanted))


_UNDONE = Phrase(
    "The table %(table)s at the destination differs from the version in %(what)s: %(value)s, not "
    "%(wanted)s. Nothing was changed there. Does something else write to it? Publish to another table, or try again."
)
_WRITTEN = Phrase(
    "The table %(table)s at the destination differs from the version in %(what)s: %(value)s, not "
    "%(wanted)s. Do not use it: all rows are sent again with the next try. Does something else write to it? Publish to "
    "another table."
)
