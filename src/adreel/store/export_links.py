"""Links that share a table as CSV: secrets in addresses, of which only the SHA-256 is kept."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update

from adreel.errors import InputError, NotFoundError
from adreel.language import integer, phrase
from adreel.store.audit import OPERATOR, AuditAction, Subject, record
from adreel.store.database import Database
from adreel.store.names import clean_name
from adreel.store.records import ExportLink, SavedDataset, User
from adreel.store.secrets import fingerprint
from adreel.store.tables import datasets, export_links, users

USED_EVERY = timedelta(minutes=1)
LONGEST_DAYS = 3_650

_PUBLIC = tuple(column for column in export_links.columns if column.name != "secret_hash")


class ExportLinks:
    """The CSV links of one home."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(
        self, saved: SavedDataset, user: User | None, name: str, look: Mapping[str, Any], days: int | None
    ) -> tuple[ExportLink, str]:
        """A new link and its secret, which nobody can look up afterwards; good for `days`, or until it is revoked.

        `user` is whose rights it has, None for the operator of the machine. InputError if the name or the days cannot
        be, NotFoundError if the dataset or the user was deleted meanwhile.
        """
        name = clean_name(name, phrase("a link"))
        if days is not None and not 1 <= days <= LONGEST_DAYS:
            raise InputError(
                phrase(
                    "A link lasts 1 to %(limit)s days, or does not expire; not %(days)s.",
                    limit=integer(LONGEST_DAYS),
                    days=integer(days),
                )
            )
        now, secret = self._clock(), secrets.token_urlsafe(32)
        values = {
            "secret_hash": fingerprint(secret),
            "dataset_id": saved.id,
            "user_id": user.id if user else None,
            "user_name": user.name if user else OPERATOR,
            "name": name,
            "look": dict(look),
            "created_at": now,
            "expires_at": now + timedelta(days=days) if days is not None else None,
        }
        with self._database.write() as connection:
            if not connection.execute(select(datasets.c.id).where(datasets.c.id == saved.id)).first():
                raise NotFoundError(phrase("The dataset %(name)s was deleted meanwhile.", name=repr(saved.name)))
            if user and not connection.execute(select(users.c.id).where(users.c.id == user.id)).first():
                raise NotFoundError(phrase("The user %(name)s was deleted meanwhile.", name=repr(user.name)))
            link = _link(connection.execute(insert(export_links).values(values).returning(*_PUBLIC)).one())
            details = {"dataset": saved.name, "days": days}
            record(connection, now, AuditAction.LINK_CREATE, Subject.of(link), details)
        return link, secret

    def find(self, secret: str) -> ExportLink | None:
        """The link that this secret is of, also one that is over; None if there is none."""
        statement = select(*_PUBLIC).where(export_links.c.secret_hash == fingerprint(secret))
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        return _link(row) if row else None

    def note_use(self, link: ExportLink) -> None:
        """Notes that the link was used now."""
        now = self._clock()
        if link.used_at is None or now - link.used_at >= USED_EVERY:
            with self._database.write() as connection:
                connection.execute(update(export_links).where(export_links.c.id == link.id).values(used_at=now))

    def list(self, saved: SavedDataset) -> tuple[ExportLink, ...]:
        """The dataset's links that were not revoked, in the order in which they were made, also expired ones."""
        of_dataset = (export_links.c.dataset_id == saved.id) & export_links.c.revoked_at.is_(None)
        with self._database.read() as connection:
            rows = connection.execute(select(*_PUBLIC).where(of_dataset).order_by(export_links.c.id))
            return tuple(_link(row) for row in rows)

    def get(self, saved: SavedDataset, link_id: int) -> ExportLink:
        """The dataset's link of that id. NotFoundError if it has none, or it was revoked."""
        link = next((link for link in self.list(saved) if link.id == link_id), None)
        if link is None:
            raise NotFoundError(
                phrase(
                    "%(name)s has no link %(link_id)s; it may already be revoked.",
                    name=repr(saved.name),
                    link_id=link_id,
                )
            )
        return link

    def revoke(self, saved: SavedDataset, link_id: int) -> None:
        """Ends one of the dataset's links. NotFoundError as `get`."""
        link, now = self.get(saved, link_id), self._clock()
        ended = update(export_links).where(export_links.c.id == link.id, export_links.c.revoked_at.is_(None))
        with self._database.write() as connection:
            if connection.execute(ended.values(revoked_at=now)).rowcount:
                record(connection, now, AuditAction.LINK_REVOKE, Subject.of(link), {"dataset": saved.name})


def _link(row: Row[Any]) -> ExportLink:
    return ExportLink(**row._asdict())
