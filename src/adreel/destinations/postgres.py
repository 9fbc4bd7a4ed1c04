"""A Postgres database as a destination, through ADBC, which takes Arrow batches by COPY."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import pyarrow as pa

from adreel.arrow import pc
from adreel.destinations.figures import SqlWords
from adreel.destinations.session import Place, column_type
from adreel.errors import AdreelError, InputError, RetryError, StopError
from adreel.lake.engine import literal, quoted, sql
from adreel.language import phrase

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

CONNECT_SECONDS = 10
LOCK_SECONDS = 60
"""How long another transaction on the same table is waited for."""

_OPTIONS = {"connect_timeout": str(CONNECT_SECONDS), "application_name": "adreel"}
"""What an address says unless it says otherwise (source: Postgres' manual, "Connection Strings")."""


class PostgresSession:
    """An open Postgres database."""

    words = SqlWords(at_once=True, has_nul=False)
    text_hash = "CAST(CAST(CAST('x' || left(md5({}), 16) AS bit(64)) AS bigint) AS numeric)"

    def __init__(self, connection: dbapi.Connection) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self, lock: str) -> Iterator[None]:
        """One transaction, behind those of other processes with the same `lock`."""
        try:
            chosen = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _SETTINGS.items())
            self.rows(f"SELECT {chosen}")
            self.rows(f"SELECT CAST(pg_advisory_xact_lock(hashtextextended({literal(lock)}, 0)) AS TEXT)")
            yield
            with _translated():
                self._connection.commit()
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        from adbc_driver_manager import Error

        try:
            self._connection.rollback()
        except Error:
            # The connection is gone, and with it the transaction.
            return

    def run(self, statement: str) -> None:
        """See `DestinationSession`."""
        with _translated(), self._connection.cursor() as cursor:
            cursor.execute(statement)

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        """See `DestinationSession`."""
        with _translated(), self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def append(self, place: Place, batches: Any) -> None:
        """See `DestinationSession`. Through a temporary table if the table's columns were altered to other types."""
        if self._has_types(place, batches.schema):
            with _translated(), self._connection.cursor() as cursor:
                cursor.adbc_ingest(place.table, _storable(batches), mode="append", db_schema_name=place.schema)
            return
        names = ", ".join(map(quoted, batches.schema.names))
        self.stage(_APPENDED, batches)
        self.run(sql("INSERT INTO", place.sql, "(", names, ") SELECT", names, "FROM", quoted(_APPENDED)))
        self.run(sql("DROP TABLE", quoted(_APPENDED)))

    def _has_types(self, place: Place, schema: Any) -> bool:
        """Whether columns take values in the form in which they are sent, which is that of their type."""
        query = "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attnum > 0 AND attrelid = CAST("
        types = dict(self.rows(query + f"{literal(place.sql)} AS regclass)"))
        return all(types.get(field.name) == _formatted(self.type_of(field.type)) for field in schema)

    def stage(self, name: str, batches: Any, key: Sequence[str] = ()) -> None:
        """See `DestinationSession`."""
        columns = ", ".join(f"{quoted(field.name)} {self.type_of(field.type)}" for field in batches.schema)
        self.run(sql("CREATE TEMP TABLE", quoted(name), "(", columns, ") ON COMMIT DROP"))
        with _translated(), self._connection.cursor() as cursor:
            cursor.adbc_ingest(name, _storable(batches), mode="append", temporary=True)
        self.run(sql("ANALYZE", quoted(name), f"({', '.join(map(quoted, key))})" if key else ""))

    def index(self, place: Place, column: str) -> None:
        """See `DestinationSession`."""
        indexes = sql(
            "SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]",
            "WHERE i.indrelid = CAST(",
            literal(place.sql),
            "AS regclass) AND a.attname =",
            literal(column),
        )
        if not self.rows(indexes):
            self.run(sql("CREATE INDEX ON", place.sql, "(", quoted(column), ")"))

    def row_writers(self, place: Place) -> PostgresWriters | None:
        """See `DestinationSession`. None for what has no rows of its own, or has others write to it."""
        rows = self.rows(_WRITERS.format(table=literal(place.sql)))
        return next((PostgresWriters(self, *values) for values in rows), None)

    def columns(self, place: Place) -> tuple[str, ...]:
        """See `DestinationSession`."""
        rows = self.rows(
            sql(
                "SELECT column_name FROM information_schema.columns WHERE table_schema =",
                literal(place.schema),
                "AND table_name =",
                literal(place.table),
                "ORDER BY ordinal_position",
            )
        )
        return tuple(name for (name,) in rows)

    def type_of(self, kind: Any) -> str:
        """See `DestinationSession`."""
        return column_type(kind, _TYPES, "NUMERIC")


_WRITERS = """
    SELECT txid_current(),
        concat_ws(' ', c.oid, pg_relation_filenode(c.oid), (
            SELECT string_agg(concat_ws(' ', a.attnum, a.attname, a.xmin), ',' ORDER BY a.attnum)
            FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
        ))
    FROM pg_class c JOIN pg_am m ON m.oid = c.relam
    WHERE c.oid = CAST({table} AS regclass) AND c.relkind = 'r' AND m.amname = 'heap' AND c.relpersistence = 'p'
        AND NOT c.relhastriggers AND NOT c.relhasrules AND NOT c.relrowsecurity AND NOT c.relhassubclass
        AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'xmin' AND a.attnum < 0)
"""
"""An ordinary table that nothing else writes to on its own accord; a column that is altered, or dropped and added, has
another row in the catalogue (source: Postgres' manual, "System Columns", "pg_class", "pg_attribute")."""


@dataclass(frozen=True, slots=True)
class PostgresWriters:
    """See `RowWriters`: Postgres has the transaction that wrote a row in its column `xmin`, of 32 bits."""

    session: PostgresSession
    transaction: int
    table: str
    column: ClassVar[str] = "xmin"

    @property
    def writer(self) -> int:
        """See `RowWriters`."""
        return self.transaction % 2**32

    def counts(self, place: Place, day: str, currency: str) -> Sequence[tuple[Any, ...]]:
        """See `RowWriters`."""
        groups = f"SELECT {day}, {currency}, xmin, count(*) FROM {place.sql} GROUP BY 1, 2, 3"  # noqa: S608 - SQL of ours
        return [(*group, self.number(writer), count) for *group, writer, count in self.session.rows(groups)]

    def number(self, value: bytes) -> int:
        """See `RowWriters`. The driver gives numbers of transactions as Postgres sends them."""
        return int.from_bytes(value, "big")


_NUL = "\0"


def _storable(batches: Any) -> Any:
    """The rows without the character NUL, which no text of Postgres can hold (source: Postgres' manual, "Character
    Types").
    """
    schema = batches.schema
    texts = [place for place, field in enumerate(schema) if _has_text(field.type)]
    if not texts:
        return batches
    return pa.RecordBatchReader.from_batches(schema, (_without_nul(batch, texts) for batch in batches))


def _has_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind.value_type if pa.types.is_list(kind) else kind))


def _without_nul(batch: Any, texts: Sequence[int]) -> Any:
    for place in texts:
        column = batch.column(place)
        values = column.flatten() if pa.types.is_list(column.type) else column
        if pc.any(pc.match_substring(values, _NUL)).as_py():
            plain = pa.array(map(_plain, column.to_pylist()), column.type)
            batch = batch.set_column(place, batch.schema.field(place), plain)
    return batch


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(_plain, value))
    return value if value is None else value.replace(_NUL, "")


_TYPES = {
    pa.string(): "TEXT",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE PRECISION",
    pa.date32(): "DATE",
    pa.bool_(): "BOOLEAN",
    pa.json_(): "JSONB",
}


_APPENDED = "adreel_appended"

_FORMATTED = {"TIMESTAMP": "timestamp without time zone", "TIMESTAMPTZ": "timestamp with time zone"}


def _formatted(name: str) -> str:
    """A type as Postgres names it, without the digits of its numbers."""
    plain, brackets, _ = name.partition("(")[0].partition("[")
    return _FORMATTED.get(plain, plain.lower()) + (brackets and "[]")


@contextmanager
def open_postgres(url: str) -> Iterator[PostgresSession]:
    """The database at a postgresql:// address. RetryError if it cannot be reached, InputError if it lets nobody in."""
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise InputError(
            phrase(
                "The driver for Postgres is not installed. Install it: %(command)s",
                command="pip install 'adreel[postgres]'",
            )
        ) from None
    with _translated():
        connection = dbapi.connect(_with_options(url))
    try:
        yield PostgresSession(connection)
    finally:
        connection.close()


def _with_options(url: str) -> str:
    # Not put together by urlunsplit, which takes away the slashes of an address without a host.
    return f"{url.partition('?')[0]}?{urlencode(_OPTIONS | dict(parse_qsl(urlsplit(url).query)))}"


@contextmanager
def _translated() -> Iterator[None]:
    from adbc_driver_manager import Error

    try:
        yield
    except Error as error:
        raise _fault(error) from error


_SETTINGS = {
    "lock_timeout": f"{LOCK_SECONDS}s",
    "TimeZone": "UTC",
    # A role may have other ones than these two, in which a backslash of JSON is lost, and rows could be there that
    # neither a comparison nor a deletion of ours sees: now these are an error (source: Postgres' manual, "Client
    # Connection Defaults", "Version and Platform Compatibility").
    "standard_conforming_strings": "on",
    "row_security": "off",
    # Enough to know how many rows a temporary table has.
    "default_statistics_target": "10",
}
"""Settings of each transaction, whatever the role or the database has."""

_PASSING = ("08", "40", "53", "55", "57", "58")
"""Classes of errors that pass: connection, conflict, resources, lock, operator, system (source: Postgres' manual,
"PostgreSQL Error Codes")."""

_PASSING_REFUSALS = ("starting up", "shutting down", "recovery", "too many", "remaining connection slots")

_PEOPLE = ("28", "3D", "42501")
"""Who may sign in, which databases there are, and what is allowed there."""


def _fault(error: Any) -> AdreelError:
    code = error.sqlstate or ""
    reason = " ".join(str(error).replace("\n", " ").split())[:300]
    # A server that refuses a connection says so without a code.
    refused = "FATAL:" in reason and not any(word in reason for word in _PASSING_REFUSALS)
    if code.startswith(_PEOPLE) or refused:
        return InputError(
            phrase("Postgres does not allow this: %(reason)s. Check the address and the rights there.", reason=reason)
        )
    if code.startswith(_PASSING) or not code.strip("\0"):
        return RetryError(phrase("Postgres could not be reached or did not go on: %(reason)s.", reason=reason))
    return StopError(phrase("Postgres refused: %(reason)s", reason=reason))
