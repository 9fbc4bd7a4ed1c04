"""The store's database: opening it, its schema, and its transactions.

It is a SQLite file in the home folder, or a Postgres database. Readers never wait and see one moment. Writers take one
lock when they begin, so that two processes wait for each other for a while and none decides on what another changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine, func, inspect, select

from adreel.errors import InputError, StorageError
from adreel.language import Phrase, phrase
from adreel.settings import Settings
from adreel.store.home import DATABASE, RESTORING, prepare_home, private_file
from adreel.store.locks import Locks
from adreel.store.tables import alembic_version, marks, metadata
from adreel.tiktok.rate_limit import FileLog, SlotLog

if TYPE_CHECKING:
    from adreel.store.postgres import Postgres

HEAD = "0022"
"""The revision that this adreel needs: the newest in `migrations/versions`. Revisions are numbers that grow."""

BUSY_SECONDS = 30.0
"""How long a writer waits for another, and a process for a server that does not answer."""

T = TypeVar("T")

_joined: ContextVar[tuple[Database, Connection] | None] = ContextVar("adreel_joined_transaction", default=None)
"""The transaction that this command has joined all its transactions to, with its database."""


class Backend(Protocol):
    """What differs between databases."""

    @property
    def name(self) -> str:
        """The database as a person is shown it, without secrets."""
        ...

    @property
    def reading(self) -> Engine:
        """Its connections see one moment in each transaction."""
        ...

    @property
    def writing(self) -> Engine:
        """Its transactions wait for each other when they begin."""
        ...

    def stamp(self) -> str:
        """A text that is another one after every change, whichever process made it."""
        ...

    def errors_named(self) -> AbstractContextManager[None]:
        """Turns failures of the database into errors for a person; not IntegrityError."""
        ...

    def schema_lock(self) -> AbstractContextManager[None]:
        """Held while the schema is made or migrated. Raises RetryError after a minute."""
        ...

    def migrating(self) -> AbstractContextManager[Connection]:
        """A transaction in which a migration may replace tables that others refer to."""
        ...

    def prepare(self) -> None:
        """What has to be done once before the schema is made or migrated."""
        ...

    @property
    def locks(self) -> Locks:
        """The locks of the store's datasets, of all processes that use this database."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether other machines may use it, each with a home folder of its own."""
        ...

    def close(self) -> None:
        """Closes every connection."""
        ...


class Database:
    """Short transactions on one database; safe to use from several threads."""

    def __init__(self, backend: Backend) -> None:
        """The database must have the current schema; `open_database` sees to that."""
        self.backend = backend

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is kept that is written here."""
        joined = self._joined_connection()
        if joined is not None:
            yield joined
            return
        with self.backend.errors_named(), self.backend.reading.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A view of all tables as they are now, however long the block takes and whatever is written meanwhile."""
        with self.read() as connection:
            # The view of one moment begins with the first look.
            connection.execute(marks.select()).all()
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Kept as a whole when the block ends, or not at all."""
        joined = self._joined_connection()
        if joined is not None:
            # What fails here is undone alone, as it would be without the others.
            with joined.begin_nested():
                yield joined
            return
        with self.backend.errors_named(), self.backend.writing.begin() as connection:
            yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that the block reads and writes here is one transaction: kept as a whole when it ends, or not at all.

        Other writers wait meanwhile, so the block only reads and writes the database.
        """
        with self.write() as connection:
            token = _joined.set((self, connection))
            try:
                yield
            finally:
                _joined.reset(token)

    def _joined_connection(self) -> Connection | None:
        """The connection of the transaction that the others are joined to, within `together`."""
        joined = _joined.get()
        return joined[1] if joined is not None and joined[0] is self else None

    @property
    def is_joined(self) -> bool:
        """Whether this is within `together`, where changes are seen that have no stamp yet."""
        return self._joined_connection() is not None

    def stamp(self) -> str:
        """A text that is another one after every change, whichever process made it."""
        return self.backend.stamp()

    def close(self) -> None:
        """Closes every connection."""
        self.backend.close()


class Unchanged(Generic[T]):
    """What was read of a database, read again only when something in it was changed.

    Lists of a thousand take 20 ms to read, and every page has some.
    """

    def __init__(self, database: Database, read: Callable[[], T]) -> None:
        """`read` gives what may be shared between threads and must not be changed."""
        self._database = database
        self._read = read
        self._lock = Lock()
        self._found: tuple[str, T] | None = None

    def get(self) -> T:
        """As `read`. One thread reads while the others wait for it."""
        if self._database.is_joined:
            return self._read()
        with self._lock:
            # Before reading: what comes between the two is read twice rather than missed.
            stamp = self._database.stamp()
            if self._found is None or self._found[0] != stamp:
                self._found = stamp, self._read()
            return self._found[1]


def open_database(settings: Settings, *, busy_seconds: float = BUSY_SECONDS) -> Database:
    """The database of the settings, made or migrated if it has to be; its writers wait `busy_seconds` for each other.

    Raises InputError for one made by a newer adreel, and StorageError if it cannot be used.
    """
    prepare_home(settings.home)
    if (settings.home / RESTORING).exists():
        raise StorageError(
            phrase(
                "%(home)s is being restored from a backup, or the restore was interrupted. Wait for it, or "
                "run it again: adreel restore-backup FILE",
                home=settings.home,
            )
        )
    database = Database(open_backend(settings, busy_seconds))
    try:
        if _revision(database) != HEAD:
            _bring_to_head(database)
    except BaseException:
        database.close()
        raise
    return database


def open_backend(settings: Settings, busy_seconds: float = BUSY_SECONDS) -> Backend:
    """The database of the settings as it is, whether it has a schema or not. InputError if the driver is missing."""
    if settings.database_url:
        return _postgres(settings, busy_seconds)
    from adreel.store.sqlite import SQLite

    return SQLite(private_file(settings.home / DATABASE), busy_seconds)


def _postgres(settings: Settings, busy_seconds: float) -> Postgres:
    # Imported only where it is used: the driver costs memory and time.
    try:
        from adreel.store.postgres import Postgres
    except ImportError as error:
        raise InputError(
            phrase(
                "ADREEL_DATABASE_URL is set, but the driver for Postgres is not installed. Install it "
                "with: pip install 'adreel[postgres]'"
            )
        ) from error

    return Postgres(settings.database_url.reveal(), busy_seconds)


def slot_log(settings: Settings) -> SlotLog:
    """The log of the request slots of all processes that use the store. Raises as `SlotLog.transaction`."""
    if not settings.database_url:
        return FileLog(settings.home / "pace.db")
    return _postgres(settings, BUSY_SECONDS).slot_log()


def _revision(database: Database) -> str | None:
    """The schema's revision: None if the database is new, empty if no migration was applied yet."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(select(func.max(alembic_version.c.version_num))).scalar() or ""


def _bring_to_head(database: Database) -> None:
    backend = database.backend
    with backend.schema_lock():
        revision = _revision(database)
        if revision is None:
            backend.prepare()
            with backend.errors_named(), backend.migrating() as connection:
                create_schema(connection)
        elif revision and not revision.isdigit():
            raise StorageError(
                phrase(
                    "%(name)s is not a database of adreel (its revision is %(revision)s).",
                    name=backend.name,
                    revision=repr(revision),
                )
            )
        elif revision > HEAD:
            raise _newer(database)
        elif revision < HEAD:
            backend.prepare()
            migrate(backend)


def create_schema(connection: Connection) -> None:
    """The schema straight from the tables, which is the same as migrating and spares 0.2 s for importing alembic."""
    metadata.create_all(connection, checkfirst=False)
    alembic_version.create(connection, checkfirst=False)
    connection.execute(alembic_version.insert().values(version_num=HEAD))
    _mark(connection)


def build_schema(connection: Connection, revision: str) -> None:
    """The schema of an earlier revision, or of this one, in a database that has nothing yet."""
    if revision == HEAD:
        create_schema(connection)
        return
    from adreel.store.migrations.upgrade import upgrade

    upgrade(connection, revision)


def migrate(backend: Backend) -> None:
    """Brings the schema from an earlier revision to this one."""
    from adreel.store.migrations.upgrade import upgrade

    with backend.errors_named(), backend.migrating() as connection:
        upgrade(connection, HEAD)
        _mark(connection)


def _mark(connection: Connection) -> None:
    """Writes down which adreel made this schema, for an older one to name."""
    connection.execute(marks.delete().where(marks.c.name == "adreel"))
    connection.execute(marks.insert().values(name="adreel", value=version("adreel")))


def _newer(database: Database) -> InputError:
    with database.read() as connection:
        made_by = connection.execute(marks.select().where(marks.c.name == "adreel")).first()
    name, own = database.backend.name, version("adreel")
    if made_by is None:
        words = Phrase("%(name)s was created by a newer adreel than this one (%(version)s); install a newer version.")
        return InputError(phrase(words, name=name, version=own))
    words = Phrase(
        "%(name)s was created by a newer adreel than this one (%(version)s); install version %(needed)s or newer."
    )
    return InputError(phrase(words, name=name, version=own, needed=made_by.value))
