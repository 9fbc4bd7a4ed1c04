"""The TikTok app that an administrator entered, and how far the setting up of it has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import Connection, delete, insert, select, update

from adreel.errors import InputError
from adreel.language import Phrase
from adreel.store.audit import WORKSPACE, AuditAction, acting_as, record
from adreel.store.database import Database
from adreel.store.records import StoredApp
from adreel.store.secrets import Keys
from adreel.store.tables import guide_steps, tiktok_app

LONGEST_WORD = 200

ENTER_AGAIN = Phrase("enter the app's secret again")
"""What to do about a secret that no key fits."""


class Apps:
    """The TikTok app of one home: one, or none. The settings of the environment are not looked at here."""

    __slots__ = ("_clock", "_database", "_keys")

    def __init__(self, database: Database, keys: Keys, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    def get(self) -> StoredApp | None:
        """The app without its secret; None if none was entered."""
        columns = (tiktok_app.c.app_id, tiktok_app.c.changed_at, tiktok_app.c.changed_by)
        with self._database.read() as connection:
            row = connection.execute(select(*columns)).first()
        return StoredApp(row.app_id, row.changed_at, row.changed_by) if row is not None else None

    def secret(self) -> str:
        """The secret in clear text, or empty. InputError that names ADREEL_SECRET_KEY if no key fits."""
        encrypted = self._encrypted()
        try:
            return self._keys.decrypt(encrypted, _WHOSE, ENTER_AGAIN) if encrypted else ""
        except InputError:
            # The keys may have been rotated, and the old one dropped, between the two looks.
            again = self._encrypted()
            if again == encrypted:
                raise
            return self._keys.decrypt(again, _WHOSE, ENTER_AGAIN) if again else ""

    def set(self, app_id: str, secret: str) -> StoredApp:
        """The app with this ID and secret, in place of the one before.

        An empty secret leaves that of the same ID. InputError for words that cannot be an ID or a secret.
        """
        app_id, secret = _word(app_id, _APP_ID), secret.strip()
        with self._database.write() as connection:
            before = connection.execute(select(tiktok_app.c.app_id, tiktok_app.c.secret)).first()
            if not secret and (before is None or before.app_id != app_id):
                raise InputError(str(_SECRET.missing))
            # Within the transaction, as the keys may be rotated at any time by who holds it.
            hidden = self._keys.encrypt(_word(secret, _SECRET)) if secret or before is None else before.secret
            now = self._clock()
            values = {"app_id": app_id, "secret": hidden, "changed_at": now, "changed_by": acting_as().name}
            connection.execute(delete(tiktok_app))
            connection.execute(insert(tiktok_app).values(id=1, **values))
            details = {"app": app_id, "secret": "new" if secret else "unchanged"}
            record(connection, now, AuditAction.APP_CHANGE, WORKSPACE, details)
        return StoredApp(app_id, now, acting_as().name)

    def remove(self) -> None:
        """Forgets the app; accounts keep the ID and secret that they were connected with."""
        with self._database.write() as connection:
            if connection.execute(delete(tiktok_app)).rowcount:
                record(connection, self._clock(), AuditAction.APP_REMOVE, WORKSPACE)

    def _encrypted(self) -> str:
        with self._database.read() as connection:
            return str(connection.execute(select(tiktok_app.c.secret)).scalar() or "")


_WHOSE = Phrase("the TikTok app")


def rotate_app(connection: Connection, keys: Keys) -> None:
    """Encrypts the secret of the app anew under the newest key; errors as `Keys.rotate`."""
    for encrypted in connection.execute(select(tiktok_app.c.secret)).scalars().all():
        connection.execute(update(tiktok_app).values(secret=keys.rotate(encrypted, _WHOSE, ENTER_AGAIN)))


@dataclass(frozen=True, slots=True)
class _Credential:
    """What is said if the app's ID or secret is missing, and if it cannot be one."""

    missing: Phrase
    invalid: Phrase


_APP_ID = _Credential(
    Phrase("The app ID is missing. Copy it from the app in TikTok's developer portal."),
    Phrase("The app ID is not valid. Copy it from TikTok's developer portal as one word, without spaces."),
)
_SECRET = _Credential(
    Phrase("The secret is missing. Copy it from the app in TikTok's developer portal."),
    Phrase("The secret is not valid. Copy it from TikTok's developer portal as one word, without spaces."),
)


def _word(text: str, entry: _Credential) -> str:
    """The text without spaces around it. InputError, which does not repeat it, if it cannot be an ID or a secret."""
    word = text.strip()
    if not word:
        raise InputError(str(entry.missing))
    if len(word) > LONGEST_WORD or not word.isascii() or not word.isprintable() or " " in word:
        raise InputError(str(entry.invalid))
    return word


class GuideSteps:
    """The steps of setting up the app that a person marked as done."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def done(self) -> Mapping[str, datetime]:
        """When each step was marked as done."""
        with self._database.read() as connection:
            rows = connection.execute(select(guide_steps.c.step, guide_steps.c.done_at)).all()
        return MappingProxyType({row.step: row.done_at for row in rows})

    def mark(self, step: str, *, done: bool) -> None:
        """Marks a step as done, or as not done."""
        with self._database.write() as connection:
            connection.execute(delete(guide_steps).where(guide_steps.c.step == step))
            if done:
                values = {"step": step, "done_at": self._clock(), "done_by": acting_as().name}
                connection.execute(insert(guide_steps).values(values))
