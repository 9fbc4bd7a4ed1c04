"""A table of another connector's layout while it is published to: its columns, marks and staged rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from adreel.datasets.layouts.tables import ARROW_TYPES, LayoutColumn, LayoutRows, LayoutTable
from adreel.destinations.publishing import PublishOrder
from adreel.destinations.session import DestinationSession, Place
from adreel.errors import InputError, NotFoundError
from adreel.lake import Lake
from adreel.lake.engine import engine, literal, quoted, sql
from adreel.lake.versions import Version
from adreel.language import Phrase, phrase

MARKS = "_adreel_layout_tables"
"""The table in each schema that says which version of which dataset each of the layout's tables has."""

DATASET = "_adreel_dataset"
"""The column that says which dataset a row was published by: the publisher of the order."""

SEEN = "_adreel_seen_at"
"""When the run read the entity; null in rows that a report's attributes stand in for."""

STAGED = "adreel_staged"
LAKE = "lake_rows"
"""The view of rows of the lake in DuckDB's SQL."""

MEMORY = "512MB"
BATCH_ROWS = 50_000
INSTANT = pa.timestamp("us", tz="UTC")

_MARK_COLUMNS = (
    "(table_name VARCHAR, publisher VARCHAR, version BIGINT, run_id VARCHAR, columns VARCHAR, row_count BIGINT, "
    "published_at TIMESTAMPTZ, PRIMARY KEY (table_name, publisher))"
)
_DUCKDB_TYPES = {
    "text": "VARCHAR",
    "bigint": "BIGINT",
    "decimal": "DECIMAL(24, 6)",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "json": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
}


@dataclass(frozen=True, slots=True)
class LayoutMark:
    """Which version of this dataset a table there has; `columns` are the SQL of its columns."""

    version: int
    run_id: str
    columns: Mapping[str, str]


class LayoutSession:
    """One order on its way into one table. What it does is in the transaction of its caller."""

    def __init__(
        self, session: DestinationSession, lake: Lake, order: PublishOrder, table: LayoutTable, now: datetime
    ) -> None:
        self.session = session
        self.lake = lake
        self.order = order
        self.table = table
        self.place = Place(order.place.schema, table.name)
        self.now = instant(now)
        self.publisher = literal(order.publisher)
        self.own = f"{quoted(DATASET)} = {self.publisher}"
        state = lake.table(order.slug, order.version)
        self.rows = state.rows
        self._schema = state.schema
        # Temporary tables of this transaction.
        self._staged: set[str] = set()

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """The SQL of each column: rows of another one are sent anew."""
        return {column.name: column.sql for column in self.table.columns}

    def read(self, version: int) -> Any:
        """The rows of a version, with the columns of the order's version: null where it did not have them yet."""
        batches = self.lake.read(self.order.slug, version)
        missing = [field for field in self._schema if field.name not in batches.schema.names]
        if not missing:
            return batches
        schema = pa.schema([*batches.schema, *missing])
        columns = [field.type for field in missing]
        completed = (
            pa.RecordBatch.from_arrays(
                [*batch.columns, *(pa.nulls(len(batch), kind) for kind in columns)], schema=schema
            )
            for batch in batches
        )
        return pa.RecordBatchReader.from_batches(schema, completed)

    def versions(self) -> tuple[Version, ...]:
        """The versions of the dataset's table that can be read, the oldest first."""
        try:
            return tuple(reversed(self.lake.versions(self.order.slug)))
        except NotFoundError:
            return ()

    # -- tables there

    def begin(self) -> None:
        """Makes the schema and the table of marks, in a transaction of its own."""
        self.session.run(sql("CREATE SCHEMA IF NOT EXISTS", quoted(self.place.schema)))
        self.session.run(sql("CREATE TABLE IF NOT EXISTS", self._marks_sql, _MARK_COLUMNS))

    def prepare(self) -> LayoutMark | None:
        """Begins a transaction: makes the table or its new columns; what it has of this dataset.

        Errors as `prepare_table`.
        """
        self._staged.clear()
        types = {column.name: self.type_of(column) for column in self.table.columns}
        instants = [self.table.synced, *([self.table.version] if self.table.version else [])]
        instants += [SEEN] if self.table.rows is not LayoutRows.REPORT else []
        types |= dict.fromkeys(instants, self.session.type_of(INSTANT))
        return self.prepare_table(self.place, types | {DATASET: self.session.type_of(pa.string())})

    def prepare_table(self, place: Place, types: Mapping[str, str]) -> LayoutMark | None:
        """Makes a table with these columns, or those that it lacks; what it has of this dataset.

        InputError for a table that is not adreel's.
        """
        there = frozenset(self.session.columns(place))
        marks = self._marks(place)
        if there and not marks:
            raise InputError(phrase(_FOREIGN_TABLE, table=str(place)))
        if not there:
            columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in types.items())
            self.session.run(sql("CREATE TABLE", place.sql, "(", columns, ")"))
            return None
        for name in [name for name in types if name not in there]:
            self.session.run(sql("ALTER TABLE", place.sql, "ADD COLUMN", quoted(name), types[name]))
        self._widen(place, types)
        return marks.get(self.order.publisher)

    def _widen(self, place: Place, types: Mapping[str, str]) -> None:
        """Makes counts exact decimals once one of them has fractions."""
        named = f"table_schema = {literal(place.schema)} AND table_name = {literal(place.table)}"
        whole = sql(
            "SELECT column_name FROM information_schema.columns WHERE", named, "AND lower(data_type) = 'bigint'"
        )
        for (name,) in self.session.rows(whole):
            if types.get(name, "").startswith(("DECIMAL", "NUMERIC")):
                self.session.run(sql("ALTER TABLE", place.sql, "ALTER COLUMN", quoted(name), "TYPE", types[name]))

    def type_of(self, column: LayoutColumn) -> str:
        """The type of a column there."""
        return self.session.type_of(ARROW_TYPES[column.type])

    @property
    def _marks_sql(self) -> str:
        return Place(self.place.schema, MARKS).sql

    def _marks(self, place: Place) -> Mapping[str, LayoutMark]:
        columns = "publisher, version, run_id, columns"
        mine = f"table_name = {literal(place.table)}"
        return {
            publisher: LayoutMark(int(version), run_id, json.loads(listed))
            for publisher, version, run_id, listed in self.session.rows(
                sql("SELECT", columns, "FROM", self._marks_sql, "WHERE", mine)
            )
        }

    def write_mark(self, place: Place) -> None:
        """Says that a table has the order's version of this dataset."""
        mine = f"table_name = {literal(place.table)} AND publisher = {self.publisher}"
        columns = self.fingerprint if place == self.place else {}
        values = (
            literal(place.table),
            self.publisher,
            str(self.order.version),
            literal(self.order.run_id),
            literal(json.dumps(columns)),
            str(self.rows),
            self.now,
        )
        self.session.run(sql("DELETE FROM", self._marks_sql, "WHERE", mine))
        self.session.run(sql("INSERT INTO", self._marks_sql, "VALUES (", ", ".join(values), ")"))

    # -- rows on their way

    def values(self, names: tuple[str, ...] | None = None) -> dict[str, tuple[str, pa.DataType]]:
        """DuckDB's SQL and the type by column, of these columns or of all."""
        return {
            column.name: (self._value(column), pa.string() if column.type == "json" else ARROW_TYPES[column.type])
            for column in self.table.columns
            if names is None or column.name in names
        }

    def _value(self, column: LayoutColumn) -> str:
        value = f"CAST({column.value or 'NULL'} AS {_DUCKDB_TYPES[column.type]})"
        if column.type != "json" or self.session.words.has_nul:
            return value
        # Texts lose NUL on their way, and JSON has it as an escape; the first choice skips escaped backslashes.
        return rf"regexp_replace({value}, '(\\\\)|\\u0000', '\1', 'g')"

    def stage(self, name: str, batches: Any, columns: Mapping[str, tuple[str, pa.DataType]], more: str = "") -> int:
        """Puts rows of the lake into a temporary table, as SQL by column; how many there are."""
        listed = ", ".join(f"{value} AS {quoted(column)}" for column, (value, _) in columns.items())
        schema = pa.schema([(column, kind) for column, (_, kind) in columns.items()])
        if name in self._staged:
            self.session.run(sql("DROP TABLE", quoted(name)))
        self._staged.add(name)
        with engine(MEMORY) as connection:
            connection.register(LAKE, batches)
            reader = connection.execute(sql("SELECT", listed, f"FROM {LAKE}", more)).to_arrow_reader(BATCH_ROWS)
            same_types = (batch.cast(schema) for batch in reader)
            self.session.stage(name, pa.RecordBatchReader.from_batches(schema, same_types))
        return self.count(quoted(name))

    def typed(self, column: LayoutColumn, of: str) -> str:
        """A staged column as the table there has it: JSON travels as text."""
        name = f"{of}.{quoted(column.name)}"
        return f"CAST({name} AS {self.type_of(column)})" if column.type == "json" else name

    def insert(self, source: str, values: Mapping[str, str]) -> None:
        """Adds rows, whose columns are SQL over the source."""
        names = ", ".join(map(quoted, values))
        selected = sql("SELECT", ", ".join(values.values()), "FROM", source)
        self.session.run(sql("INSERT INTO", self.place.sql, "(", names, ")", selected))

    def count(self, source: str) -> int:
        """How many rows a table or a query has, which may have a condition."""
        ((count,),) = self.session.rows(sql("SELECT count(*) FROM", source))
        return int(count)


def instant(at: datetime) -> str:
    """A time as SQL."""
    return f"CAST({literal(at.isoformat())} AS TIMESTAMPTZ)"


_FOREIGN_TABLE = Phrase(
    "There is a table %(table)s at the destination that adreel did not make, as by another connector. Add a "
    "destination with another schema, or move that table away."
)
