"""The figures of published tables at their destination, with which people can verify what they have.

They are the version's, written in the transaction that publishes it. `_adreel_figures` has for each column how many
rows have a value, and the sum of numbers, of lengths of texts, and of yes. `_adreel_days` has the rows of each day and
currency.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from adreel.destinations.figures import TableFigures
from adreel.destinations.session import DestinationSession, Place
from adreel.lake.engine import literal, sql

FIGURES = "_adreel_figures"
DAYS = "_adreel_days"

_TABLES = {
    FIGURES: "(table_name VARCHAR, column_name VARCHAR, value_count BIGINT, value_sum DECIMAL(38, 6))",
    DAYS: "(table_name VARCHAR, day DATE, currency VARCHAR, row_count BIGINT)",
}
_AT_ONCE = 500


def prepare_figures(session: DestinationSession, schema: str) -> None:
    """Creates the tables unless they are there."""
    for table, columns in _TABLES.items():
        session.run(sql("CREATE TABLE IF NOT EXISTS", Place(schema, table).sql, columns))


def write_figures(session: DestinationSession, place: Place, schema: Any, version: TableFigures) -> None:
    """Replaces the figures of one table; `schema` is that of the version."""
    name = literal(place.table)
    lines = [f"({name}, {literal(column)}, {count}, {total})" for column, count, total in _sums(schema, version)]
    _replace(session, Place(place.schema, FIGURES), name, lines)
    days = (
        f"({name}, {_text(None if day is None else day.isoformat())}, {_text(currency)}, {rows})"
        for (day, currency), rows in version.days.items()
    )
    _replace(session, Place(place.schema, DAYS), name, sorted(days))


def _text(value: str | None) -> str:
    return "NULL" if value is None else literal(value)


def _replace(session: DestinationSession, table: Place, name: str, lines: list[str]) -> None:
    session.run(sql("DELETE FROM", table.sql, "WHERE table_name =", name))
    for start in range(0, len(lines), _AT_ONCE):
        session.run(sql("INSERT INTO", table.sql, "VALUES", ", ".join(lines[start : start + _AT_ONCE])))


def _sums(schema: Any, version: TableFigures) -> Iterator[tuple[str, int, str]]:
    """Name, values and sum of each column; the sum is NULL for dates, times, lists and floating-point numbers."""
    for field in schema:
        count, *sums = version.columns[field.name]
        is_exact = len(sums) == 1 and not pa.types.is_floating(field.type)
        yield field.name, int(count), f"{sums[0]:f}" if is_exact and sums[0] is not None else "NULL"
