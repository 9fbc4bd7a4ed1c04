"""The store's SQLite file: opening it, its schema, and its transactions.

Readers never wait (write-ahead log). Writers take the write lock when they begin, so that two processes wait for each
other for a while instead of failing on a snapshot that has become old.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry

from adreel.errors import InputError, RetryError, StorageError
from adreel.store.home import DATABASE, prepare_home, private_file
from adreel.store.tables import alembic_version, marks, metadata

HEAD = "0007"
"""The revision that this adreel needs: the newest in `migrations/versions`. Revisions are numbers that grow."""

BUSY_SECONDS = 30.0
"""How long a writer waits for another."""

_BEGIN = "adreel_begin"

T = TypeVar("T")


class Database:
    """Short transactions on one database; safe to use from several threads."""

    def __init__(self, path: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        """`path` is a file with the current schema; `open_database` sees to that."""
        self.path = path
        self._reading = _engine(path, busy_seconds)
        self._writing = self._reading.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        self._busy_seconds = busy_seconds
        self._lock = Lock()
        self._looking: sqlite3.Connection | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is kept that is written here."""
        with _errors_named(self.path), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Kept as a whole when the block ends, or not at all."""
        with _errors_named(self.path), self._writing.begin() as connection:
            yield connection

    def stamp(self) -> int:
        """A number that is another one after every change, whichever process made it."""
        with self._lock:
            try:
                if self._looking is None:
                    self._looking = sqlite3.connect(self.path, timeout=self._busy_seconds, check_same_thread=False)
                # Counts what other connections wrote (source: SQLite, "PRAGMA data_version"); this one never does.
                (version,) = self._looking.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise StorageError(f"The database {self.path} failed: {error}.") from error
        return int(version)

    def close(self) -> None:
        """Closes every connection."""
        self._reading.dispose()
        with self._lock:
            if self._looking is not None:
                self._looking.close()
            self._looking = None


class Unchanged(Generic[T]):
    """What was read of a database, read again only when something in it was changed.

    Lists of a thousand take 20 ms to read, and every page has some.
    """

    def __init__(self, database: Database, read: Callable[[], T]) -> None:
        """`read` gives what may be shared between threads and must not be changed."""
        self._database = database
        self._read = read
        self._lock = Lock()
        self._found: tuple[int, T] | None = None

    def get(self) -> T:
        """As `read`. One thread reads while the others wait for it."""
        with self._lock:
            # Before reading: what comes between the two is read twice rather than missed.
            stamp = self._database.stamp()
            if self._found is None or self._found[0] != stamp:
                self._found = stamp, self._read()
            return self._found[1]


def open_database(home: Path, *, busy_seconds: float = BUSY_SECONDS) -> Database:
    """The database of `home`, made or migrated if it has to be; its writers wait `busy_seconds` for each other.

    Raises InputError for one made by a newer adreel, and StorageError if the file cannot be used.
    """
    prepare_home(home)
    path = private_file(home / DATABASE)
    database = Database(path, busy_seconds)
    try:
        if _revision(database) != HEAD:
            _bring_to_head(database, home)
    except BaseException:
        database.close()
        raise
    return database


def _engine(path: Path, busy_seconds: float = BUSY_SECONDS, *, foreign_keys: bool = True) -> Engine:
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


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """Turns a failure of the database into an error for a person."""
    try:
        yield
    except IntegrityError:
        raise
    except DatabaseError as error:
        # The low byte is the error, the rest its variant (source: SQLite, "Result and Error Codes").
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise RetryError(f"Another process holds {path}; try again in a moment.") from error
        raise StorageError(f"The database {path} failed: {error.orig}.") from error


def _revision(database: Database) -> str | None:
    """The schema's revision: None if the database is new, empty if no migration was applied yet."""
    tables = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
    with database.read() as connection:
        if not connection.exec_driver_sql(tables).scalar():
            return None
        return connection.exec_driver_sql("SELECT max(version_num) FROM alembic_version").scalar() or ""


def _bring_to_head(database: Database, home: Path) -> None:
    # Imported only here: a database is made or migrated once.
    from adreel.store.locks import schema_lock

    with schema_lock(home):
        revision = _revision(database)
        if revision is None:
            _write_ahead(database.path)
            _create(database)
        elif revision and not revision.isdigit():
            raise StorageError(f"{database.path} is not a database of adreel (its revision is {revision!r}).")
        elif revision > HEAD:
            raise _newer(database)
        elif revision < HEAD:
            _write_ahead(database.path)
            _migrate(database.path)


def _write_ahead(path: Path) -> None:
    """Lets readers go on while one writes; the file remembers it."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as error:
        raise StorageError(f"The database {path} cannot be prepared: {error}.") from error


def _create(database: Database) -> None:
    """The schema straight from the tables, which is the same as migrating and spares 0.2 s for importing alembic."""
    with database.write() as connection:
        metadata.create_all(connection, checkfirst=False)
        alembic_version.create(connection, checkfirst=False)
        connection.execute(alembic_version.insert().values(version_num=HEAD))
        _mark(connection)


def _migrate(path: Path) -> None:
    from adreel.store.migrations.upgrade import upgrade

    # Foreign keys are off, as a migration may replace a table that others point at; they are checked at the end.
    engine = _engine(path, foreign_keys=False)
    try:
        with _errors_named(path), engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"}).begin() as connection:
            upgrade(connection, HEAD)
            if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise StorageError(f"{path} cannot be upgraded: some rows refer to rows that do not exist.")
            _mark(connection)
    finally:
        engine.dispose()


def _mark(connection: Connection) -> None:
    """Writes down which adreel made this schema, for an older one to name."""
    connection.execute(marks.delete().where(marks.c.name == "adreel"))
    connection.execute(marks.insert().values(name="adreel", value=version("adreel")))


def _newer(database: Database) -> InputError:
    with database.read() as connection:
        made_by = connection.execute(marks.select().where(marks.c.name == "adreel")).first()
    newer = f"version {made_by.value} or newer" if made_by else "a newer version"
    return InputError(
        f"{database.path} was created by a newer adreel than this one ({version('adreel')}); install {newer}."
    )
