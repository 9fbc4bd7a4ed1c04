"""What proves that a copy has the rows of a version: counts of rows and values, sums, ends of times, rows of days."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Context, Decimal
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
    """The rows of a table, and of each column what `_parts` says, by its name.

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
    `at_once`: the figures of all days take no longer than those of the whole table, so that one pass gives both.
    `has_nul`: texts there have the character NUL.
    """

    length: str | None = "char_length({})"
    truth: str = "{}"
    utc: str = "{} AT TIME ZONE 'UTC'"
    day: str = "CAST({} AS DATE)"
    at_once: bool = False
    has_nul: bool = True

    @property
    def for_version(self) -> SqlWords:
        """The words of DuckDB for a version whose figures are compared with those there."""
        length = None if self.length is None else STANDARD.length
        return SqlWords(length=length if self.has_nul else "char_length(replace({}, chr(0), ''))")


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
    parts = {field.name: _parts(field.type, quote(field.name), words) for field in schema}
    listed = ", ".join(["count(*)", *(part.sql for several in parts.values() for part in several)])
    day = words.day.format(quote(day_column)) if day_column in schema.names and day_column else None
    currency = quote(CURRENCY) if CURRENCY in schema.names else None
    # Sums of money say nothing of their currency, and lengths of texts do not tell EUR from USD.
    places = ", ".join(("NULL" if day is None else day, "NULL" if currency is None else currency))
    groups = ", ".join(part for part in (day, currency) if part is not None)
    # By expressions, as not all databases take their numbers; without groups there is one row, of an empty table too.
    source = f"FROM {table}" + (f" GROUP BY {groups}" if groups else "")
    if words.at_once:
        answers = rows(f"SELECT {places}, {listed} {source}")
    else:
        answers = rows(f"SELECT NULL, NULL, {listed} FROM {table}")  # noqa: S608 - as above
    columns = _no_rows(parts)
    for _, _, _, *values in answers:
        columns = _merged(parts, columns, _columns(parts, schema, values))
    days = answers if words.at_once else rows(f"SELECT {places}, count(*) {source}")
    counts = {
        (None if on is None else _time(on, pa.date32()), code): int(count) for on, code, count, *_ in days if count
    }
    return TableFigures(sum(int(count) for _, _, count, *_ in answers), columns, counts)


@dataclass(frozen=True, slots=True)
class _ColumnFigure:
    """SQL that gives one figure of a column, and how those of parts of the rows become that of all."""

    sql: str
    merge: Callable[[Any, Any], Any]


_Columns = dict[str, tuple[Any, ...]]


def _no_rows(parts: Mapping[str, tuple[_ColumnFigure, ...]]) -> _Columns:
    """The figures of a table without rows: no values, and no sums or ends."""
    return {name: (Decimal(0), *(None for _ in several[1:])) for name, several in parts.items()}


def _columns(parts: Mapping[str, tuple[_ColumnFigure, ...]], schema: Any, values: Sequence[Any]) -> _Columns:
    remaining = iter(values)
    return {
        name: tuple(_plain(next(remaining), schema.field(name).type) for _ in several)
        for name, several in parts.items()
    }


def _merged(parts: Mapping[str, tuple[_ColumnFigure, ...]], some: _Columns, others: _Columns) -> _Columns:
    return {
        name: tuple(
            second if first is None else first if second is None else part.merge(first, second)
            for part, first, second in zip(several, some[name], others[name], strict=True)
        )
        for name, several in parts.items()
    }


_EXACT = Context(prec=200)
"""Adds the sums of the largest tables without rounding."""


def _add(first: Any, second: Any) -> Any:
    both_exact = isinstance(first, Decimal) and isinstance(second, Decimal)
    return _EXACT.add(first, second) if both_exact else float(first) + float(second)


def _parts(kind: Any, column: str, words: SqlWords) -> tuple[_ColumnFigure, ...]:
    """The figures of one column; the first counts its values."""
    count = _ColumnFigure(f"count({column})", _add)
    least, most = _ColumnFigure(f"min({column})", min), _ColumnFigure(f"max({column})", max)
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return count, _ColumnFigure(f"sum({column})", _add)
    if pa.types.is_timestamp(kind) and kind.tz:
        # Drivers give times with a zone in that of the machine, or need a library for them.
        return count, *(replace(end, sql=words.utc.format(end.sql)) for end in (least, most))
    if _is_time(kind):
        return count, least, most
    if pa.types.is_boolean(kind):
        return count, _ColumnFigure(f"sum(CASE WHEN {words.truth.format(column)} THEN 1 ELSE 0 END)", _add)
    if pa.types.is_string(kind) and words.length is not None:
        return count, _ColumnFigure(f"sum({words.length.format(column)})", _add)
    return (count,)


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
