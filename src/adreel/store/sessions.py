"""Sessions: browsers that are signed in."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, or_, select, update

from adreel.errors import NotFoundError
from adreel.language import phrase
from adreel.store.audit import AuditAction, Means, Origin, Subject, record
from adreel.store.database import Database
from adreel.store.records import Session, User
from adreel.store.secrets import fingerprint
from adreel.store.tables import sessions, users

IDLE = timedelta(days=7)
"""A session is over when its browser was not seen for so long."""

LONGEST = timedelta(days=30)
"""A session is over so long after it began, in use or not."""

SEEN_EVERY = timedelta(minutes=1)
"""`seen_at` is this exact, so that a page that is looked at does not write with every request."""

LONGEST_AGENT = 300

_PUBLIC = tuple(column for column in sessions.columns if column.name != "secret_hash")


class Sessions:
    """The sessions of one home."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def begin(self, user: User, agent: str) -> str:
        """Signs the user in; returns the secret for the browser, which nobody can look up afterwards.

        `agent` is what the browser calls itself. NotFoundError if the user was deleted or disabled meanwhile.
        """
        now, secret = self._clock(), secrets.token_urlsafe(32)
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(_over(now)))
            able = (users.c.id == user.id) & ~users.c.disabled
            if not connection.execute(update(users).where(able).values(seen_at=now)).rowcount:
                raise NotFoundError(
                    phrase("The user %(name)s was deleted or disabled meanwhile.", name=repr(user.name))
                )
            shown = "".join(character if character.isprintable() else " " for character in agent)[
                :LONGEST_AGENT
            ].strip()
            values = {"secret_hash": fingerprint(secret), "user_id": user.id, "agent": shown}
            connection.execute(insert(sessions).values(**values, created_at=now, seen_at=now))
            record(connection, now, AuditAction.SIGN_IN, Subject.of(user), origin=Origin.of(user, Means.PAGE))
        return secret

    def find(self, secret: str) -> Session | None:
        """The session that this secret is of; None if it is over or its user disabled.

        Notes that its user was seen.
        """
        now = self._clock()
        statement = (
            select(*_PUBLIC)
            .join(users)
            .where(sessions.c.secret_hash == fingerprint(secret), ~users.c.disabled, ~_over(now))
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        if row is None:
            return None
        if now - row.seen_at >= SEEN_EVERY:
            with self._database.write() as connection:
                connection.execute(update(sessions).where(sessions.c.id == row.id).values(seen_at=now))
                connection.execute(update(users).where(users.c.id == row.user_id).values(seen_at=now))
        return _session(row)

    def end(self, secret: str) -> None:
        """Signs the browser out; one that is not signed in stays so."""
        with self._database.write() as connection:
            mine = sessions.c.secret_hash == fingerprint(secret)
            row = connection.execute(select(users.c.id, users.c.name).join(sessions).where(mine)).first()
            if row is not None:
                connection.execute(delete(sessions).where(mine))
                by = Origin(row.id, row.name, Means.PAGE)
                record(connection, self._clock(), AuditAction.SIGN_OUT, Subject.of(row), origin=by)

    def end_all(self, user: User, besides: str | None = None) -> int:
        """Signs the user out everywhere, `besides` where this secret is; returns how many sessions ended."""
        mine = sessions.c.user_id == user.id
        if besides is not None:
            mine &= sessions.c.secret_hash != fingerprint(besides)
        with self._database.write() as connection:
            ended = connection.execute(delete(sessions).where(mine)).rowcount
            record(
                connection, self._clock(), AuditAction.SESSIONS_END, Subject.of(user), {"browsers_signed_out": ended}
            )
        return ended

    def list(self, user: User) -> tuple[Session, ...]:
        """The user's sessions that are not over, the one that was seen last first."""
        mine = (sessions.c.user_id == user.id) & ~_over(self._clock())
        with self._database.read() as connection:
            rows = connection.execute(select(*_PUBLIC).where(mine).order_by(sessions.c.seen_at.desc(), sessions.c.id))
            return tuple(_session(row) for row in rows)


def _over(now: datetime) -> ColumnElement[bool]:
    return or_(sessions.c.seen_at <= now - IDLE, sessions.c.created_at <= now - LONGEST)


def _session(row: Row[Any]) -> Session:
    return Session(**row._asdict())
