"""Consents under way: what a user went to TikTok's consent page for, until the browser comes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from adreel.errors import InputError
from adreel.language import phrase
from adreel.store.database import Database
from adreel.store.names import clean_name
from adreel.store.records import Account, Consent, User
from adreel.store.secrets import fingerprint
from adreel.store.tables import consents

GOOD_FOR = timedelta(minutes=15)
"""How long the person has for TikTok's page; it sends an e-mail with a code in between."""

KNOWN_FOR = timedelta(days=1)
"""How long a consent that is over can be told from one that never was."""


class Consents:
    """The consents of one home. State and session are kept only as SHA-256."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def begin(
        self,
        state: str,
        session_secret: str,
        user: User,
        account: Account | None,
        name: str | None,
        *,
        guided: bool = False,
    ) -> None:
        """Remembers why this browser goes to TikTok: to connect `account` again, or a new one of that `name`.

        `state` cannot be guessed and is new. `guided`: the browser comes back to the guide. InputError if the name is
        none.
        """
        now = self._clock()
        values = {
            "state_hash": fingerprint(state),
            "session_hash": fingerprint(session_secret),
            "user_id": user.id,
            "account_id": account.id if account is not None else None,
            "name": clean_name(name, phrase("an account")) if name is not None else None,
            "created_at": now,
            "guided": guided,
        }
        with self._database.write() as connection:
            connection.execute(delete(consents).where(consents.c.created_at <= now - KNOWN_FOR))
            connection.execute(insert(consents).values(values))

    def take(self, state: str, session_secret: str) -> Consent:
        """What the browser with this session went for; works once, and for 15 minutes.

        InputError says whether the state is unknown, another browser's, used already, or too old.
        """
        now = self._clock()
        this = consents.c.state_hash == fingerprint(state)
        with self._database.write() as connection:
            row = connection.execute(select(consents).where(this)).first()
            if row is None:
                raise InputError(phrase("This response from TikTok matches no connection started here; start again."))
            if row.session_hash != fingerprint(session_secret):
                raise InputError(
                    phrase(
                        "This connection was started in another browser or before your latest sign-in; start again "
                        "here."
                    )
                )
            if row.used_at is not None:
                raise InputError(
                    phrase("This response from TikTok was already used; check whether the account is connected.")
                )
            if now - row.created_at > GOOD_FOR:
                minutes = GOOD_FOR // timedelta(minutes=1)
                raise InputError(
                    phrase(
                        "This connection was begun more than %(minutes)s minutes ago and is over; begin anew.",
                        minutes=minutes,
                    )
                )
            connection.execute(update(consents).where(this).values(used_at=now))
        return Consent(row.user_id, row.account_id, row.name, row.created_at, row.guided)
