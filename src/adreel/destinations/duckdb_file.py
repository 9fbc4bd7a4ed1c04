"""A DuckDB file as a destination."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from adreel.destinations.figures import SqlWords
from adreel.destinations.session import Place, column_type
from adreel.errors import AdreelError, InputError, RetryError, StopError
from adreel.lake.engine import quoted, sql
from adreel.language import phrase

MEMORY = "1GB"
THREADS = 2

_BATCHES = "adreel_batches"


class DuckDbSession:
    """An open DuckDB file, which no other process can open meanwhile."""

    # Grouped figures take two threads, those of a whole table one.
    words = SqlWords(at_once=True)
    text_hash = "md5_number_lower({})"

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self, lock: str) -> Iterator[None]:
        """One transaction; nobody else has the file, so that `lock` is free."""
        del lock
        self.run("BEGIN")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.TransactionException:
            # The fault ended the transaction.
            return

    def run(self, statement: str) -> None:
        """See `DestinationSession`."""
        with _translated():
            self._connection.execute(statement)

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        """See `DestinationSession`."""
        with _translated():
            return self._connection.execute(query).fetchall()

    def append(self, place: Place, batches: Any) -> None:
        """See `DestinationSession`."""
        names = ", ".join(map(quoted, batches.schema.names))
        self._insert(sql("INSERT INTO", place.sql, "(", names, ") SELECT", names, "FROM", _BATCHES), batches)

    def stage(self, name: str, batches: Any, key: Sequence[str] = ()) -> None:
        """See `DestinationSession`."""
        del key
        self._insert(sql("CREATE OR REPLACE TEMP TABLE", quoted(name), "AS SELECT * FROM", _BATCHES), batches)

    def _insert(self, statement: str, batches: Any) -> None:
        with _translated():
            self._connection.register(_BATCHES, batches)
            try:
                self._connection.execute(statement)
            finally:
                self._connection.unregister(_BATCHES)

    def index(self, place: Place, column: str) -> None:
        """See `DestinationSession`. DuckDB knows the least and the greatest value of each row group itself."""

    def row_writers(self, place: Place) -> None:
        """See `DestinationSession`. DuckDB does not say."""

    def columns(self, place: Place) -> tuple[str, ...]:
        """See `DestinationSession`."""
        query = (
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_catalog = current_database() AND table_schema = ? AND table_name = ? ORDER BY ordinal_position"
        )
        with _translated():
            found_rows = self._connection.execute(query, [place.schema, place.table]).fetchall()
        return tuple(name for (name,) in found_rows)

    def type_of(self, kind: Any) -> str:
        """See `DestinationSession`."""
        return column_type(kind, _TYPES, "DECIMAL")


_TYPES = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.bool_(): "BOOLEAN",
    pa.json_(): "JSON",
}


@contextmanager
def open_duckdb(path: Path) -> Iterator[DuckDbSession]:
    """The file, made if its folder is there. RetryError if another process has it open, InputError for no file."""
    if not path.parent.is_dir():
        raise InputError(
            phrase("The folder %(folder)s does not exist; create it, or use another one.", folder=path.parent)
        )
    with _translated():
        connection = duckdb.connect(
            str(path),
            config={
                "memory_limit": MEMORY,
                "threads": str(THREADS),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "python_enable_replacements": "false",
                "preserve_insertion_order": "false",
            },
        )
    try:
        with _translated():
            connection.execute("SET TimeZone = 'UTC'")
        yield DuckDbSession(connection)
    finally:
        connection.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise _fault(error) from error


def _fault(error: duckdb.Error) -> AdreelError:
    reason = str(error).splitlines()[0][:300]
    if isinstance(error, duckdb.IOException) and "lock" in reason:
        return RetryError(
            phrase(
                "Another process has the DuckDB file open (%(reason)s). Close it there, then try again.", reason=reason
            )
        )
    if isinstance(error, (duckdb.IOException, duckdb.OutOfMemoryException)):
        return RetryError(phrase("The DuckDB file could not be read or written: %(reason)s.", reason=reason))
    return StopError(phrase("DuckDB refused: %(reason)s", reason=reason))
