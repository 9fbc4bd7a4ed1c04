"""What proves that a copy has the rows of a version: counts of rows and values, sums, ends of times, rows of days."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa

from adreel.errors import InputError, ProofError
from adreel.lake.engine import quoted
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
    days: Mapping[DayPlace, int]


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


DayPlace = tuple[date | None, str | None]
"""A day and a currency, each None where the table has no such column."""


def figures(
    rows: Rows,
    table: str,
    schema: Any,
    quote: Callable[[str], str],
    day_column: str | None,
    words: SqlWords = STANDARD,
) -> TableFigures:
    """The figures of the columns of `schema` in a table whose name is SQL already."""
    if words.at_once:
        return combined(day_figures(rows, table, schema, quote, day_column, words).values(), schema, words)
    parts = _all_parts(schema, quote, words)
    ((count, *values),) = rows(f"SELECT {_listed(parts)} FROM {table}")  # noqa: S608 - SQL of ours
    places, groups = _groups(schema, quote, day_column, words)
    days = rows(f"SELECT {places}, count(*) FROM {table}{groups}")  # noqa: S608 - as above
    counts = {day_place(on, code): int(number) for on, code, number in days if number}
    return TableFigures(int(count), _columns(parts, schema, values), counts)


def day_figures(
    rows: Rows, table: str, schema: Any, quote: Callable[[str], str], day_column: str | None, words: SqlWords
) -> Mapping[DayPlace, TableFigures]:
    """The figures of the rows of each day and currency, in one pass."""
    several = grouped_figures(rows, table, schema, quote, day_column, words)
    return {place: some for (place, _), some in several.items()}


def grouped_figures(
    rows: Rows,
    table: str,
    schema: Any,
    quote: Callable[[str], str],
    day_column: str | None,
    words: SqlWords,
    also: str | None = None,
) -> Mapping[tuple[DayPlace, Any], TableFigures]:
    """The same of each value of a column `also` among them, whose name is SQL already."""
    parts = _all_parts(schema, quote, words)
    places, groups = _groups(schema, quote, day_column, words)
    if also is not None:
        groups = f"{groups}, {also}" if groups else f" GROUP BY {also}"
    answers = rows(f"SELECT {places}, {also or 'NULL'}, {_listed(parts)} FROM {table}{groups}")  # noqa: S608 - SQL of ours
    # Without groups there is one row, of an empty table too.
    return {
        (day_place(on, code), other): TableFigures(
            int(count), _columns(parts, schema, values), {day_place(on, code): int(count)}
        )
        for on, code, other, count, *values in answers
        if count
    }


def part_figures(
    rows: Rows, table: str, schema: Any, day_column: str | None, words: SqlWords, part: str
) -> Mapping[str, TableFigures]:
    """The figures of the rows that have each value of the column `part`, in DuckDB's SQL."""
    parts = _all_parts(schema, quoted, words)
    places, groups = _groups(schema, quoted, day_column, words)
    days: dict[str, dict[DayPlace, int]] = {}
    also = f"{groups}, {quoted(part)}" if groups else f" GROUP BY {quoted(part)}"
    for name, on, code, count in rows(f"SELECT {quoted(part)}, {places}, count(*) FROM {table}{also}"):  # noqa: S608 - as above
        days.setdefault(name, {})[day_place(on, code)] = int(count)
    answers = rows(f"SELECT {quoted(part)}, {_listed(parts)} FROM {table} GROUP BY 1")  # noqa: S608 - as above
    return {
        name: TableFigures(int(count), _columns(parts, schema, values), days[name]) for name, count, *values in answers
    }


def combined(several: Iterable[TableFigures], schema: Any, words: SqlWords) -> TableFigures:
    """The figures of all rows from those of parts of them, which were made with the same schema and words."""
    parts = _all_parts(schema, quoted, words)
    rows, columns, days = 0, _no_rows(parts), Counter[DayPlace]()
    for some in several:
        rows += some.rows
        columns = _merged(parts, columns, some.columns)
        days.update(some.days)
    return TableFigures(rows, columns, dict(days))


def figures_text(some: TableFigures) -> str:
    """The figures as JSON, which `read_figures` reads."""
    days = [[None if day is None else day.isoformat(), code, count] for (day, code), count in some.days.items()]
    columns = {name: [_written(value) for value in values] for name, values in some.columns.items()}
    return json.dumps({"rows": some.rows, "columns": columns, "days": days}, ensure_ascii=False)


def _written(value: Any) -> str | float | None:
    if value is None or isinstance(value, float):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)


def read_figures(text: str, schema: Any) -> TableFigures:
    """The figures of `figures_text`, of a table with this schema."""
    values = json.loads(text)
    columns = {
        name: tuple(_read(value, schema.field(name).type, is_count=not place) for place, value in enumerate(several))
        for name, several in values["columns"].items()
    }
    days = {day_place(day, code): count for day, code, count in values["days"]}
    return TableFigures(values["rows"], columns, days)


def _read(value: str | float | None, kind: Any, *, is_count: bool) -> Any:
    if value is None or isinstance(value, float):
        return value
    return _time(value, kind) if _is_time(kind) and not is_count else Decimal(value)


def _all_parts(schema: Any, quote: Callable[[str], str], words: SqlWords) -> Mapping[str, tuple[_ColumnFigure, ...]]:
    return {field.name: _parts(field.type, quote(field.name), words) for field in schema}


def _listed(parts: Mapping[str, tuple[_ColumnFigure, ...]]) -> str:
    return ", ".join(["count(*)", *(part.sql for several in parts.values() for part in several)])


def _groups(schema: Any, quote: Callable[[str], str], day_column: str | None, words: SqlWords) -> tuple[str, str]:
    """The day and the currency of a row, and the clause that groups by those there are."""
    day = words.day.format(quote(day_column)) if day_column in schema.names and day_column else None
    currency = quote(CURRENCY) if CURRENCY in schema.names else None
    # Sums of money say nothing of their currency, and lengths of texts do not tell EUR from USD.
    places = ", ".join(("NULL" if day is None else day, "NULL" if currency is None else currency))
    # By expressions, as not all databases take their numbers.
    groups = ", ".join(part for part in (day, currency) if part is not None)
    return places, f" GROUP BY {groups}" if groups else ""


def day_place(day: Any, currency: str | None) -> DayPlace:
    """A day as a driver gives it, and a currency."""
    return None if day is None else _time(day, pa.date32()), currency


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


def _merged(
    parts: Mapping[str, tuple[_ColumnFigure, ...]],
    some: Mapping[str, tuple[Any, ...]],
    others: Mapping[str, tuple[Any, ...]],
) -> _Columns:
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


def prove(
    version: TableFigures, copy: TableFigures, table: str, *, is_undone: bool = True, is_exact: bool = False
) -> None:
    """Raises ProofError, which names the first difference, unless the copy's figures are the version's.

    `is_undone` says whether the copy is then as it was before. With `is_exact` the copy has exact numbers where the
    version has; InputError for a column that was altered to floating-point numbers, whose sums hide small differences.
    """
    for name, expected in version.columns.items() if is_exact else ():
        if any(
            isinstance(wanted, Decimal) and isinstance(value, float)
            for wanted, value in zip(expected, copy.columns[name], strict=True)
        ):
            raise InputError(phrase(_FLOATING, table=table, column=name))
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


_FLOATING = Phrase(
    "The column %(column)s of the table %(table)s at the destination was changed to floating-point numbers, which are "
    "not exact. Load the table anew to create it with exact numbers."
)
_UNDONE = Phrase(
    "The table %(table)s at the destination differs from the version in %(what)s: %(value)s, not "
    "%(wanted)s. Nothing was changed there. Does something else write to it? Publish to another table, or try again."
)
_WRITTEN = Phrase(
    "The table %(table)s at the destination differs from the version in %(what)s: %(value)s, not "
    "%(wanted)s. Do not use it: all rows are sent again with the next try. Does something else write to it? Publish to "
    "another table."
)
