"""The store in a Postgres database, for several workers on several machines."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg
from psycopg.types.string import StrDumper, StrDumperUnknown
from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

from adreel.errors import InputError, RetryError
from adreel.language import phrase
from adreel.store.advisory_locks import AdvisoryLocks
from adreel.store.pace import TABLES, PostgresLog
from adreel.store.postgres_errors import named_error

WRITERS_LOCK, SCHEMA_LOCK = 0x61647265656C01, 0x61647265656C02
"""Keys of advisory locks, which are of this database alone (source: Postgres, "Advisory Locks")."""

CONNECTIONS = 5
"""Connections that a process keeps; as many again are opened for a while where they are needed."""

OLDEST = 140000
"""The oldest server that is taken, as Postgres numbers itself: 14."""

RESTART_SECONDS = 5.0
"""How long a process that had a connection waits for a server that restarts."""

_RETRY_SECONDS = 0.1
_CONNECT_SECONDS = 10
_ALIVE = {
    # A machine that loses power resets no connection, so the system asks it (source: libpq, "Parameter Key Words").
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 14_000,
}
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

# What a writer says when it begins, in one journey. What a stopped process holds is free again after a while.
_BEGIN = """
SET LOCAL lock_timeout = {wait};
SET LOCAL idle_in_transaction_session_timeout = {idle};
SELECT pg_advisory_xact_lock({lock})
"""
# Read by `stamp`: a change and its stamp become visible together.
_STAMP = """
INSERT INTO marks (name, value) VALUES ('changes', pg_current_xact_id()::text)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


class Postgres:
    """One database. Readers see the moment at which they begin; writers take one advisory lock when they begin.

    Its rules are those of SQLite's one writer: what a transaction has read stays so until it ends.
    """

    def __init__(self, url: str, busy_seconds: float) -> None:
        """`url` is SQLAlchemy's, for psycopg. Writers wait `busy_seconds` for each other."""
        self._url = make_url(url)
        self.name = database_name(self._url)
        self.is_shared = True
        self._busy_seconds = busy_seconds
        self._was_connected = False
        self._engine = create_engine(
            self._url,
            connect_args=_ALIVE | {"connect_timeout": _CONNECT_SECONDS, "application_name": "adreel"},
            hide_parameters=True,
            json_deserializer=orjson.loads,
            json_serializer=_dumped,
            pool_size=CONNECTIONS,
            max_overflow=CONNECTIONS,
            # A connection that a restart of the server killed is replaced before anything is asked of it.
            pool_pre_ping=True,
        )
        event.listen(self._engine, "do_connect", self._on_connect)
        self.reading = self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._looking = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._changing = self._engine.execution_options(isolation_level="READ COMMITTED")
        event.listen(self._changing, "begin", self._on_begin)
        self.writing = self._engine.execution_options(isolation_level="READ COMMITTED")
        event.listen(self.writing, "begin", self._on_write)
        self.locks = AdvisoryLocks(self.connect, self._ask, self.name)

    def connect(self) -> psycopg.Connection[Any]:
        """A connection outside the pool, each of whose statements is a transaction. Errors as of `errors_named`."""
        with self.errors_named():
            arguments, options = self._engine.dialect.create_connect_args(self._url)
            try:
                return self._connected(arguments, {**options, **_ALIVE, "connect_timeout": _CONNECT_SECONDS})
            except psycopg.Error as error:
                raise named_error(self.name, error) from error

    def _ask(self, statement: str, parameter: int) -> Any:
        with self.errors_named(), self._looking.connect() as connection:
            return connection.exec_driver_sql(statement, (parameter,)).scalar()

    def _on_connect(
        self, _dialect: object, _record: object, arguments: Sequence[Any], options: Mapping[str, Any]
    ) -> Any:
        connection = self._connected(arguments, options)
        connection.autocommit = False
        return connection

    def _connected(self, arguments: Sequence[Any], options: Mapping[str, Any]) -> psycopg.Connection[Any]:
        """Waits for a server that restarts; one that nobody has met yet only if it says that it is starting."""
        until = time.monotonic() + RESTART_SECONDS
        while True:
            try:
                connection = psycopg.connect(*arguments, autocommit=True, **options)
            except psycopg.OperationalError as error:
                if time.monotonic() > until or not (self._was_connected or "starting up" in str(error)):
                    raise
                time.sleep(_RETRY_SECONDS)
                continue
            self._was_connected = True
            for dumper in (_Dumper, _UnknownDumper):
                connection.adapters.register_dumper(str, dumper)
            return connection

    def _on_begin(self, connection: Connection) -> None:
        wait = int(self._busy_seconds * 1000)
        connection.exec_driver_sql(_BEGIN.format(wait=wait, idle=max(wait, 1_000), lock=WRITERS_LOCK))

    def _on_write(self, connection: Connection) -> None:
        self._on_begin(connection)
        connection.exec_driver_sql(_STAMP)

    def stamp(self) -> str:
        """The number of the last transaction that wrote."""
        with self.errors_named(), self._looking.connect() as connection:
            return str(connection.exec_driver_sql("SELECT value FROM marks WHERE name = 'changes'").scalar())

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        """Turns a failure of the database into an error for a person."""
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise named_error(self.name, error.orig) from error

    @contextmanager
    def schema_lock(self) -> Iterator[None]:
        """An advisory lock on a connection of its own."""
        with self.connect() as connection:
            try:
                connection.execute("SET lock_timeout = '60s'")
                connection.execute("SELECT pg_advisory_lock(%s)", (SCHEMA_LOCK,))
            except psycopg.errors.LockNotAvailable as error:
                raise RetryError(
                    phrase("Another process is still upgrading %(name)s; try again.", name=self.name)
                ) from error
            except psycopg.Error as error:
                raise named_error(self.name, error) from error
            yield

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """One transaction, which Postgres also has for changes of tables."""
        with self._changing.begin() as connection:
            yield connection

    def prepare(self) -> None:
        """Refuses a server that is too old and a database that does not keep Unicode; makes the log of slots."""
        with self.errors_named(), self._looking.connect() as connection:
            number, encoding = connection.exec_driver_sql(
                "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')"
            ).one()
        if number < OLDEST:
            raise InputError(
                phrase(
                    "%(name)s is of version %(version)s; use Postgres %(oldest)s or newer.",
                    name=self.name,
                    version=number // 10_000,
                    oldest=OLDEST // 10_000,
                )
            )
        if encoding != "UTF8":
            raise InputError(
                phrase(
                    "%(name)s keeps texts as %(encoding)s; create one with: createdb --encoding UTF8 "
                    "--template template0",
                    name=self.name,
                    encoding=encoding,
                )
            )
        # Apart from the schema, as with a store in files: a request budget is no part of what is kept.
        with self.errors_named(), self._looking.connect() as connection:
            connection.exec_driver_sql(TABLES)

    def slot_log(self) -> PostgresLog:
        """The log of request slots, on a connection of its own."""
        return PostgresLog(self.connect, self.name)

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()


def database_name(url: URL) -> str:
    """The database as people are shown it: without user, password and options."""
    host = url.host or url.query.get("host") or phrase("this machine")
    return phrase(
        "Postgres database %(database)s on %(host)s%(port)s",
        database=repr(url.database),
        host=host,
        port=f":{url.port}" if url.port else "",
    )


# Postgres keeps no NUL, which TikTok's texts may have and SQLite keeps.


def _dumped(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
    return _NUL.sub(r"\1\\ufffd", text)


class _Dumper(StrDumper):
    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\ufffd"))


class _UnknownDumper(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\ufffd"))
