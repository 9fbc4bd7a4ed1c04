"""The store in a SQLite file of the home folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry

from adreel.errors import RetryError, StorageError
from adreel.language import phrase
from adreel.store.file_locks import FileLocks

_BEGIN = "adreel_begin"
_IMMEDIATELY = {_BEGIN: "BEGIN IMMEDIATE"}


class SQLite:
    """One file. Readers never wait (write-ahead log); writers take the write lock when they begin."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        self.reading = _engine(path, busy_seconds)
        self.writing = self.reading.execution_options(**_IMMEDIATELY)
        self.locks = FileLocks(path.parent)
        self.is_shared = False
        self._lock = Lock()
        self._looking: sqlite3.Connection | None = None

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def stamp(self) -> str:
        """Counts what other connections wrote (source: SQLite, "PRAGMA data_version"); this one never does."""
        with self._lock:
            try:
                if self._looking is None:
                    self._looking = sqlite3.connect(self.path, timeout=self._busy_seconds, check_same_thread=False)
                (version,) = self._looking.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise StorageError(
                    phrase("The database %(path)s failed: %(error)s.", path=self.path, error=error)
                ) from error
        return str(version)

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        """Turns a failure of the database into an error for a person."""
        try:
            yield
        except IntegrityError:
            raise
        except DatabaseError as error:
            # The low byte is the error, the rest its variant (source: SQLite, "Result and Error Codes").
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise RetryError(
                    phrase("Another process holds %(path)s; try again in a moment.", path=self.path)
                ) from error
            raise StorageError(
                phrase("The database %(path)s failed: %(orig)s.", path=self.path, orig=error.orig)
            ) from error

    @contextmanager
    def schema_lock(self) -> Iterator[None]:
        """A lock of the home's folder."""
        with self.locks.schema():
            yield

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Without foreign keys, as a migration may replace a table that others point at; checked at the end."""
        engine = _engine(self.path, self._busy_seconds, foreign_keys=False)
        try:
            with engine.execution_options(**_IMMEDIATELY).begin() as connection:
                yield connection
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise StorageError(
                        phrase(
                            "%(path)s cannot be upgraded: some rows refer to rows that do not exist.", path=self.path
                        )
                    )
        finally:
            engine.dispose()

    def prepare(self) -> None:
        """Lets readers go on while one writes; the file remembers it."""
        try:
            with closing(sqlite3.connect(self.path, timeout=self._busy_seconds)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            raise StorageError(
                phrase("The database %(path)s cannot be prepared: %(error)s.", path=self.path, error=error)
            ) from error

    def close(self) -> None:
        """Closes every connection."""
        self.reading.dispose()
        with self._lock:
            if self._looking is not None:
                self._looking.close()
            self._looking = None


def _engine(path: Path, busy_seconds: float, *, foreign_keys: bool = True) -> Engine:
    # hide_parameters: an error's text must not carry what was being saved.
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(
        url, connect_args={"timeout": busy_seconds}, hide_parameters=True, json_deserializer=orjson.loads
    )
    event.listen(engine, "connect", _on_connect if foreign_keys else _on_bare_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    _on_bare_connect(connection, entry)
    connection.execute("PRAGMA foreign_keys = ON")


def _on_bare_connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own BEGIN comes too late to be IMMEDIATE; `_on_begin` sends it instead.
    connection.isolation_level = None
    # In kB, of each connection; a server has several, and the system keeps the file anyway.
    connection.execute("PRAGMA cache_size = -500")


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
