"""API tokens: keys that users give to programs."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy import delete as remove

from adreel.errors import InputError, NotFoundError
from adreel.language import integer, phrase
from adreel.store.audit import AuditAction, Subject, record
from adreel.store.database import Database
from adreel.store.names import clean_name
from adreel.store.records import ApiToken, User
from adreel.store.secrets import fingerprint
from adreel.store.tables import api_tokens, users

PREFIX = "adreel_"
"""How every token begins, so that programs that look for leaked secrets can tell one."""

USED_EVERY = timedelta(minutes=1)
LONGEST_DAYS = 3_650

_PUBLIC = tuple(column for column in api_tokens.columns if column.name != "secret_hash")


class Tokens:
    """The API tokens of one home."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(self, user: User, name: str, read_only: bool, days: int | None) -> tuple[ApiToken, str]:
        """A new token and its secret, which nobody can look up afterwards; good for `days`, or until it is revoked.

        InputError if the name or the days cannot be.
        """
        name = clean_name(name, phrase("an API token"))
        if days is not None and not 1 <= days <= LONGEST_DAYS:
            raise InputError(
                phrase(
                    "An API token lasts 1 to %(limit)s days, or does not expire; not %(days)s.",
                    limit=integer(LONGEST_DAYS),
                    days=integer(days),
                )
            )
        now, secret = self._clock(), PREFIX + secrets.token_urlsafe(32)
        values = {
            "secret_hash": fingerprint(secret),
            "user_id": user.id,
            "name": name,
            "read_only": read_only,
            "created_at": now,
            "expires_at": now + timedelta(days=days) if days is not None else None,
        }
        with self._database.write() as connection:
            if not connection.execute(select(users.c.id).where(users.c.id == user.id)).first():
                raise NotFoundError(phrase("The user %(name)s was deleted meanwhile.", name=repr(user.name)))
            token = _token(connection.execute(insert(api_tokens).values(values).returning(*_PUBLIC)).one())
            details = {"user": user.name, "read_only": read_only, "days": days}
            record(connection, now, AuditAction.TOKEN_CREATE, Subject.of(token), details)
        return token, secret

    def find(self, secret: str) -> ApiToken | None:
        """The token that this secret is of; None if it is over or its user disabled. Notes that it was used."""
        now = self._clock()
        good = or_(api_tokens.c.expires_at.is_(None), api_tokens.c.expires_at > now)
        statement = (
            select(*_PUBLIC).join(users).where(api_tokens.c.secret_hash == fingerprint(secret), ~users.c.disabled, good)
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        if row is None:
            return None
        if row.used_at is None or now - row.used_at >= USED_EVERY:
            with self._database.write() as connection:
                connection.execute(update(api_tokens).where(api_tokens.c.id == row.id).values(used_at=now))
                connection.execute(update(users).where(users.c.id == row.user_id).values(seen_at=now))
        return _token(row)

    def list(self, user: User) -> tuple[ApiToken, ...]:
        """The user's tokens in the order in which they were made, also those that are over."""
        statement = select(*_PUBLIC).where(api_tokens.c.user_id == user.id).order_by(api_tokens.c.id)
        with self._database.read() as connection:
            return tuple(_token(row) for row in connection.execute(statement))

    def revoke(self, user: User, token_id: int) -> None:
        """Ends one of the user's tokens. NotFoundError if they have none of that id."""
        mine = (api_tokens.c.user_id == user.id) & (api_tokens.c.id == token_id)
        with self._database.write() as connection:
            row = connection.execute(select(api_tokens.c.id, api_tokens.c.name).where(mine)).first()
            if row is None:
                raise NotFoundError(
                    phrase(
                        "%(name)s has no API token %(token_id)s; it may already be revoked.",
                        name=repr(user.name),
                        token_id=token_id,
                    )
                )
            connection.execute(remove(api_tokens).where(mine))
            record(connection, self._clock(), AuditAction.TOKEN_REVOKE, Subject.of(row), {"user": user.name})


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(**row._asdict())
