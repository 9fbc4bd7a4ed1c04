"""The locks of a store in Postgres: advisory locks, each on a connection of its own, with which it ends."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import psycopg

from adreel.errors import LockLostError
from adreel.language import phrase
from adreel.store.locks import Holder, busy, publishing, rotating

_PREFIX = "adreel lock"
_LONGEST_NAME = 63
_POLL_SECONDS = 0.02

# The server gives up a connection whose machine is gone after 14 s (source: Postgres, "Connections: TCP Settings"), and
# never one that is merely quiet.
_KEEP = """
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 3;
SET tcp_keepalives_count = 3;
SET tcp_user_timeout = 14000;
SET idle_session_timeout = 0
"""
_HOLDER = """
SELECT activity.application_name FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (held.classid::bigint << 32) | held.objid::bigint = %s
"""


@dataclass(frozen=True, slots=True)
class AdvisoryLocks:
    """The locks of all processes that use one database.

    `connect` gives a new connection, `ask` a statement's one value on any; `name` is the database's for people.
    """

    connect: Callable[[], psycopg.Connection[Any]]
    ask: Callable[[str, int], Any]
    name: str

    @contextmanager
    def dataset(self, slug: str, *, run_id: str = "", wait: float = 0.2) -> Iterator[_HeldConnection]:
        """As `Locks.dataset`; RetryError if the server cannot be reached."""
        with self._connection() as connection:
            held = _HeldConnection(connection, self.name)
            held.name_run(run_id)
            if not _take(connection, _key(f"dataset {slug}"), wait):
                raise busy(slug, self.holder(slug) or Holder())
            yield held

    def holder(self, slug: str) -> Holder | None:
        """As `Locks.holder`, without touching the lock."""
        text = self.ask(_HOLDER, _key(f"dataset {slug}"))
        if text is None:
            return None
        words = str(text).removeprefix(_PREFIX).split()
        if len(words) < 3:
            return Holder()
        run_id, pid, *host = words
        return Holder("" if run_id == "-" else run_id, int(pid), " ".join(host))

    @contextmanager
    def publishing(self, destination_id: int) -> Iterator[None]:
        """As `Locks.publishing`."""
        with self._connection() as connection:
            if not _take(connection, _key(f"destination {destination_id}"), 0.2):
                raise publishing()
            yield

    @contextmanager
    def secrets(self) -> Iterator[None]:
        """As `Locks.secrets`."""
        with self._connection() as connection:
            if not _take(connection, _key("secrets"), 0.2):
                raise rotating()
            yield

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        connection = self.connect()
        try:
            yield connection
        finally:
            # At once, as the server takes a moment to notice that a connection is closed.
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock_all()")
            connection.close()


@dataclass(frozen=True, slots=True)
class _HeldConnection:
    """A lock that lasts as long as its connection. Who holds it is the name of the connection, and ends with it."""

    connection: psycopg.Connection[Any]
    name: str

    def name_run(self, run_id: str) -> None:
        text = f"{_PREFIX} {run_id or '-'} {os.getpid()} {socket.gethostname()}"[:_LONGEST_NAME]
        with self._lost():
            self.connection.execute("SELECT set_config('application_name', %s, false)", (text,))

    def check(self) -> None:
        """A connection that still answers still has its locks, as it is never made anew."""
        with self._lost():
            self.connection.execute("SELECT 1")

    @contextmanager
    def _lost(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise LockLostError(
                phrase(
                    "The connection to %(name)s, which held the dataset's lock, was lost. The table is "
                    "unchanged. Run the dataset again: the run then goes on where it stopped.",
                    name=self.name,
                )
            ) from error


def _take(connection: psycopg.Connection[Any], key: int, wait: float) -> bool:
    """Whether the lock could be taken within `wait` seconds."""
    connection.execute(_KEEP)
    until = time.monotonic() + wait
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone() != (True,):
        if time.monotonic() >= until:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _key(name: str) -> int:
    """A number of 63 bits for a lock's name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) >> 1
