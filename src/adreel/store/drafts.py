"""Drafts: forms of datasets that a user filled in and did not save yet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from adreel.errors import InputError, NotFoundError
from adreel.language import Phrase, integer, phrase
from adreel.store.database import Database
from adreel.store.records import SavedDataset, User
from adreel.store.secrets import fingerprint
from adreel.store.tables import drafts

MOST = 20
"""Drafts of a user; with another one, the oldest is deleted."""

LARGEST = 256_000
"""Characters of a draft as JSON."""

RESTORABLE = timedelta(hours=1)
"""How long a discarded draft can be restored."""

_SPENT = -1
"""The revision of a form that was saved: what it sends afterwards is no draft."""

_GONE = Phrase("This draft was saved or discarded.")

LONGEST_TITLE = 100
LONGEST_KEY = 64


@dataclass(frozen=True, slots=True)
class Draft:
    """A form as it was last sent. `title` is the name in it, or that of its report.

    `dataset_id` is the dataset whose settings it changes; None for a new one. `key` is of the page that began it, and
    `tab` of the one that wrote `revision`.
    """

    key: str
    dataset_id: int | None
    title: str
    fields: tuple[tuple[str, str], ...]
    tab: str
    revision: int
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class DraftWriter:
    """The page that writes: which draft it has, and in which revision it opened that."""

    key: str
    tab: str
    seen: int


class Drafts:
    """The drafts of one home."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def keep(
        self,
        user: User,
        writer: DraftWriter,
        title: str,
        fields: Sequence[tuple[str, str]],
        dataset: SavedDataset | None = None,
    ) -> Draft | None:
        """The form as a draft: the writer's own, or another one if a second page changed that meanwhile.

        Nothing is written where nothing is different. None for a form that was saved. InputError for a form that is
        too large, or a key that is none.
        """
        pairs = [[name, value] for name, value in fields]
        _check(writer, pairs)
        with self._database.read() as connection:
            row = _row(connection, user, _key(connection, user, writer))
        if row is not None and row.revision == _SPENT:
            return None
        if row is not None and row.fields == pairs and row.discarded_at is None and row.tab == writer.tab:
            return _draft(row)
        now = self._clock()
        values = {"title": title[:LONGEST_TITLE], "fields": pairs, "tab": writer.tab, "saved_at": now}
        with self._database.write() as connection:
            key = _key(connection, user, writer)
            before = _row(connection, user, key)
            if before is not None and before.revision == _SPENT:
                return None
            values |= {"revision": before.revision + 1 if before else 1, "discarded_at": None}
            if before is not None:
                connection.execute(update(drafts).where(_own(user, key)).values(values))
            else:
                dataset_id = dataset.id if dataset else None
                connection.execute(insert(drafts).values(user_id=user.id, key=key, dataset_id=dataset_id, **values))
                _shorten(connection, user, now)
            return _draft(connection.execute(select(drafts).where(_own(user, key))).one())

    def list(self, user: User, dataset: SavedDataset | None = None) -> tuple[Draft, ...]:
        """The user's drafts of new datasets, or of the dataset's settings, the latest first."""
        number = dataset.id if dataset else None
        return tuple(draft for draft in self.of_user(user) if draft.dataset_id == number)

    def of_user(self, user: User) -> tuple[Draft, ...]:
        """All of the user's drafts, the latest first."""
        mine = (drafts.c.user_id == user.id) & drafts.c.discarded_at.is_(None)
        with self._database.read() as connection:
            rows = connection.execute(select(drafts).where(mine).order_by(drafts.c.saved_at.desc(), drafts.c.id.desc()))
            return tuple(_draft(row) for row in rows)

    def get(self, user: User, key: str) -> Draft:
        """The user's draft. NotFoundError for one that is not there, or was discarded."""
        with self._database.read() as connection:
            row = _row(connection, user, key)
        if row is None or row.discarded_at is not None:
            raise NotFoundError(_GONE)
        return _draft(row)

    def discard(self, user: User, key: str) -> None:
        """Puts the draft away, so that `restore` can bring it back for an hour. NotFoundError if there is none."""
        with self._database.write() as connection:
            own = update(drafts).where(_own(user, key)).values(discarded_at=self._clock())
            if not connection.execute(own).rowcount:
                raise NotFoundError(_GONE)

    def restore(self, user: User, key: str) -> Draft:
        """Brings a discarded draft back. NotFoundError if it is gone."""
        with self._database.write() as connection:
            unsaved = drafts.c.revision != _SPENT
            connection.execute(update(drafts).where(_own(user, key), unsaved).values(discarded_at=None))
        return self.get(user, key)

    def spend(self, user: User, key: str, tab: str) -> None:
        """Deletes the draft of a form that was saved, and keeps none that its page sends afterwards.

        A page sends a draft by itself soon after something was typed: it can arrive after the form was saved.
        """
        now = self._clock()
        with self._database.write() as connection:
            connection.execute(delete(drafts).where(_own(user, key)))
            if not (_is_key(key) and _is_key(tab)):
                return
            spent = {"title": "", "fields": [], "tab": tab, "revision": _SPENT, "saved_at": now, "discarded_at": now}
            connection.execute(insert(drafts).values(user_id=user.id, key=key, dataset_id=None, **spent))
            _shorten(connection, user, now)

    def remove(self, user: User, key: str) -> None:
        """Deletes the draft, as when nothing is left of what was filled in; nothing happens if there is none."""
        with self._database.read() as connection:
            if _row(connection, user, key) is None:
                return
        with self._database.write() as connection:
            connection.execute(delete(drafts).where(_own(user, key)))


def _check(writer: DraftWriter, pairs: list[list[str]]) -> None:
    if not (_is_key(writer.key) and _is_key(writer.tab)):
        raise InputError(phrase("The draft's key is not valid. Open the form again."))
    if len(json.dumps(pairs)) > LARGEST:
        raise InputError(
            phrase("The form is too large for a draft: at most %(value)s characters.", value=integer(LARGEST))
        )


def _is_key(key: str) -> bool:
    return 0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()


def _key(connection: Connection, user: User, writer: DraftWriter) -> str:
    """The key to write to: another one where a second page wrote after this one had opened the draft."""
    row = _row(connection, user, writer.key)
    if row is None or row.tab == writer.tab or row.revision == writer.seen:
        return writer.key
    # The same for each change of this page, whether or not the answer to the first one arrived.
    return fingerprint(f"{writer.key} {writer.tab}")[:LONGEST_KEY]


def _own(user: User, key: str) -> ColumnElement[bool]:
    return (drafts.c.user_id == user.id) & (drafts.c.key == key)


def _row(connection: Connection, user: User, key: str) -> Row[Any] | None:
    return connection.execute(select(drafts).where(_own(user, key))).first()


def _shorten(connection: Connection, user: User, now: datetime) -> None:
    """Deletes what was discarded long ago, and the oldest of too many."""
    mine, unsaved = drafts.c.user_id == user.id, drafts.c.revision != _SPENT
    newest = select(drafts.c.id).where(mine, unsaved).order_by(drafts.c.saved_at.desc(), drafts.c.id.desc()).limit(MOST)
    over = or_(drafts.c.discarded_at < now - RESTORABLE, unsaved & drafts.c.id.not_in(newest))
    connection.execute(delete(drafts).where(mine, over))


def _draft(row: Row[Any]) -> Draft:
    pairs = tuple((str(name), str(value)) for name, value in row.fields)
    return Draft(row.key, row.dataset_id, row.title, pairs, row.tab, row.revision, row.saved_at)
