"""The log of request slots in Postgres, which the processes of several machines share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from adreel.store.postgres_errors import named_error
from adreel.tiktok.rate_limit import StatementAnswer

SCHEMA = "adreel_pace"

TABLES = """
CREATE SCHEMA IF NOT EXISTS adreel_pace;
CREATE TABLE IF NOT EXISTS adreel_pace.app (
  app_id TEXT PRIMARY KEY, taken BIGINT NOT NULL DEFAULT 0, blocked_until DOUBLE PRECISION NOT NULL DEFAULT 0,
  seen DOUBLE PRECISION NOT NULL DEFAULT 0, day BIGINT NOT NULL DEFAULT 0, used BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS adreel_pace.slot (
  app_id TEXT, number BIGINT, at DOUBLE PRECISION NOT NULL, PRIMARY KEY (app_id, number)
);
CREATE TABLE IF NOT EXISTS adreel_pace.margin (
  app_id TEXT PRIMARY KEY, caution DOUBLE PRECISION NOT NULL, proof DOUBLE PRECISION NOT NULL,
  scatter DOUBLE PRECISION NOT NULL, since BIGINT NOT NULL
)
"""

SAME_CLOCK = 0.02
"""Clocks that differ by less, in seconds, count as the same: that is as long as an answer takes."""

# What a stopped process holds is free again before others give up waiting for it.
_PREPARE = """
SET search_path = adreel_pace;
SET lock_timeout = '20s';
SET idle_in_transaction_session_timeout = '10s';
SET synchronous_commit = off
"""


class PostgresLog:
    """Slots in a database. Every machine counts in the time of the server, as clocks of machines differ."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], name: str) -> None:
        """`connect` gives a new connection, `name` is the database's for people."""
        self.ahead = 0.0
        self._connect = connect
        self._name = name
        self._connection: psycopg.Connection[Any] | None = None

    def close(self) -> None:
        """As `SlotLog.close`."""
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def transaction(self, app_id: str) -> Iterator[_PostgresStatements]:
        """As `SlotLog.transaction`; a connection that a restart of the server killed fails once and is replaced."""
        connection = self._opened()
        with self._errors_named():
            try:
                # Two journeys of the whole in one. The time is read under the lock, as every slot counts from it.
                with connection.pipeline():
                    connection.execute("BEGIN")
                    connection.execute("SELECT FROM app WHERE app_id = %s FOR UPDATE", (app_id,))
                    clock = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
                ahead = float(clock.fetchall()[0][0]) - time.time()
                self.ahead = ahead if abs(ahead) > SAME_CLOCK else 0.0
                yield _PostgresStatements(connection)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(psycopg.Error):
                    connection.rollback()
                raise

    @contextmanager
    def statement(self) -> Iterator[_PostgresStatements]:
        """As `SlotLog.statement`."""
        connection = self._opened()
        with self._errors_named():
            yield _PostgresStatements(connection)

    def _opened(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
            with self._errors_named():
                self._connection.execute(_PREPARE)
        return self._connection

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise named_error(self._name, error) from error


class _PostgresStatements:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, statement: str, parameters: Sequence[str | float], /) -> StatementAnswer:
        return self._connection.execute(statement.replace("?", "%s").encode(), parameters)
