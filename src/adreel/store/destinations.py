"""Destinations, their addresses encrypted, and which version of which dataset each has."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from adreel.errors import ExistsError, NotFoundError
from adreel.language import Phrase, phrase
from adreel.store.audit import AuditAction, Subject, record
from adreel.store.database import Database
from adreel.store.names import clean_name, not_found
from adreel.store.records import SavedDataset
from adreel.store.secrets import Keys
from adreel.store.tables import datasets, destinations, publications
from adreel.store.users import name_key

ENTER_AGAIN = Phrase("delete the destination and add it again")
"""What to do about an address that no key fits."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A database to publish to. Its address is not here: `Destinations.address` decrypts it; `shown` has no secret.

    `layout` says which tables datasets fill there, and `publisher` tells the tables that this installation published
    there from those of others.
    """

    id: int
    name: str
    kind: str
    shown: str
    schema_name: str
    layout: str
    publisher: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewDestination:
    """A destination to add; `shown` is the address without secrets."""

    name: str
    kind: str
    address: str
    shown: str
    schema_name: str
    layout: str = "datasets"


@dataclass(frozen=True, slots=True)
class Publication:
    """What a destination has of a dataset: a version, of a run, None and empty if nothing was published yet.

    `mode` says what was sent for it, with the rows `written` and `removed`, in `seconds`. `failure` says why the latest
    try, of the version of `tried_run`, failed: `attempts` times since the last success, and since a person asked for a
    try. `failing_since` is the first failed try since the last success. It is tried again at `next_at`. `reload`: a
    person asked to load the table anew.
    """

    dataset_id: int
    destination_id: int
    table_name: str
    version: int | None
    run_id: str
    mode: str
    rows: int | None
    written: int | None
    removed: int | None
    seconds: float | None
    published_at: datetime | None
    attempts: int
    tried_run: str
    next_at: datetime | None
    failed_at: datetime | None
    failing_since: datetime | None
    failure: str
    reload: bool


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """What a publish did."""

    table_name: str
    version: int
    run_id: str
    mode: str
    rows: int
    written: int
    removed: int
    seconds: float


_FIRST = {"run_id": "", "mode": "", "tried_run": "", "failure": "", "attempts": 0, "reload": False}
"""What a publication begins with."""

_DESTINATION = tuple(column for column in destinations.columns if column.name not in ("name_key", "address"))


class Destinations:
    """The destinations of one home."""

    __slots__ = ("_clock", "_database", "_keys")

    def __init__(self, database: Database, keys: Keys, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    def add(self, new: NewDestination) -> Destination:
        """Saves a destination. ExistsError if the name is taken, InputError if it cannot be a name."""
        now, name = self._clock(), clean_name(new.name, phrase("a destination"))
        values = {
            "name": name,
            "name_key": name_key(name),
            "kind": new.kind,
            "shown": new.shown,
            "schema_name": new.schema_name,
            "layout": new.layout,
            "publisher": secrets.token_hex(8),
            "created_at": now,
        }
        with self._database.write() as connection:
            taken = select(destinations.c.id).where(destinations.c.name_key == name_key(name))
            if connection.execute(taken).first():
                raise ExistsError(phrase("There is already a destination %(name)s. Use another name.", name=repr(name)))
            # In here, as the keys may be rotated by who holds the transaction.
            values["address"] = self._keys.encrypt(new.address)
            row = connection.execute(insert(destinations).values(values).returning(*_DESTINATION)).one()
            destination = _destination(row)
            details = {"address": destination.shown}
            record(connection, now, AuditAction.DESTINATION_ADD, Subject.of(destination), details)
        return destination

    def change(self, destination: Destination, new: NewDestination) -> Destination:
        """The destination with the kind, address and schema of `new`; its name stays.

        At another place nothing is published yet: what was known of the old one is forgotten.
        """
        values = {"kind": new.kind, "shown": new.shown, "schema_name": new.schema_name}
        mine = destinations.c.id == destination.id
        with self._database.write() as connection:
            before = connection.execute(select(*_DESTINATION).where(mine)).first()
            if before is None:
                raise _gone(destination)
            values["address"] = self._keys.encrypt(new.address)
            row = connection.execute(update(destinations).where(mine).values(values).returning(*_DESTINATION)).one()
            changed = _destination(row)
            if place_of(_destination(before)) != place_of(changed):
                connection.execute(delete(publications).where(publications.c.destination_id == destination.id))
            details = {"before": before.shown, "address": changed.shown}
            record(connection, self._clock(), AuditAction.DESTINATION_CHANGE, Subject.of(changed), details)
        return changed

    def list(self) -> tuple[Destination, ...]:
        """All destinations, by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(*_DESTINATION).order_by(destinations.c.name_key)).all()
        return tuple(_destination(row) for row in rows)

    def get(self, name: str | int) -> Destination:
        """The destination of that name or id. NotFoundError, with the nearest, if there is none."""
        every = self.list()
        for destination in every:
            if destination.id == name or (isinstance(name, str) and name_key(destination.name) == name_key(name)):
                return destination
        names = [destination.name for destination in every]
        advice = phrase("Add one: %(command)s", command="adreel destinations add")
        raise not_found("destination", str(name), names, advice)

    def address(self, destination: Destination) -> str:
        """The address with its secrets. InputError that names ADREEL_SECRET_KEY if no key fits."""
        with self._database.read() as connection:
            statement = select(destinations.c.address).where(destinations.c.id == destination.id)
            encrypted = connection.execute(statement).scalar()
        if encrypted is None:
            raise _gone(destination)
        return self._keys.decrypt(encrypted, _whose(destination.name), ENTER_AGAIN)

    def delete(self, destination: Destination) -> None:
        """Forgets the destination; what was published there stays."""
        with self._database.write() as connection:
            if not connection.execute(delete(destinations).where(destinations.c.id == destination.id)).rowcount:
                raise _gone(destination)
            details = {"address": destination.shown}
            record(connection, self._clock(), AuditAction.DESTINATION_DELETE, Subject.of(destination), details)


def place_of(destination: Destination | NewDestination) -> tuple[str, str, str]:
    """Where tables are published to, without secrets: two destinations of one place have the same tables."""
    return destination.kind, destination.shown, destination.schema_name


class Publications:
    """What the destinations of one home have."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> tuple[Publication, ...]:
        """All publications."""
        with self._database.read() as connection:
            return tuple(Publication(**row._asdict()) for row in connection.execute(select(publications)))

    def done(self, saved: SavedDataset, destination: Destination, published: PublishedVersion, now: datetime) -> None:
        """The destination has that version."""
        values = {
            "table_name": published.table_name,
            "version": published.version,
            "run_id": published.run_id,
            "mode": published.mode,
            "rows": published.rows,
            "written": published.written,
            "removed": published.removed,
            "seconds": published.seconds,
            "published_at": now,
            "attempts": 0,
            "tried_run": published.run_id,
            "next_at": None,
            "failed_at": None,
            "failing_since": None,
            "failure": "",
            "reload": False,
        }
        self._save(saved, destination, values)

    def failed(
        self,
        saved: SavedDataset,
        destination: Destination,
        table_name: str,
        run_id: str,
        failure: str,
        *,
        attempts: int,
        at: datetime,
        next_at: datetime,
    ) -> None:
        """A try failed, `attempts` of them by now; the next is at `next_at`."""
        values = {
            "table_name": table_name,
            "attempts": attempts,
            "tried_run": run_id,
            "next_at": next_at,
            "failed_at": at,
            "failing_since": func.coalesce(publications.c.failing_since, at),
            "failure": failure,
        }
        self._save(saved, destination, values, {"failing_since": at})

    def ask(self, saved: SavedDataset, destination: Destination, table_name: str, *, reload: bool) -> None:
        """Tries at once, and with `reload` loads the table anew; `table_name` is for one that was never tried."""
        values: dict[str, Any] = {"next_at": None, "attempts": 0}
        if reload:
            values["reload"] = True
        self._save(saved, destination, values, {"table_name": table_name})

    def retry(self, destination: Destination) -> None:
        """Tries at once what waits for its next try, as after the destination was mended."""
        mine = publications.c.destination_id == destination.id
        with self._database.write() as connection:
            connection.execute(update(publications).where(mine).values(next_at=None, attempts=0))

    def forget(self, saved: SavedDataset, kept: Iterable[int]) -> None:
        """Forgets what the dataset published elsewhere than at the destinations of these ids."""
        gone = (publications.c.dataset_id == saved.id) & publications.c.destination_id.not_in(list(kept))
        with self._database.write() as connection:
            connection.execute(delete(publications).where(gone))

    def _save(
        self,
        saved: SavedDataset,
        destination: Destination,
        values: dict[str, Any],
        first: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Changes a publication to these values, or begins it with them and with `first`."""
        mine = (publications.c.dataset_id == saved.id) & (publications.c.destination_id == destination.id)
        with self._database.write() as connection:
            if connection.execute(update(publications).where(mine).values(values)).rowcount:
                return
            # Both may have been deleted meanwhile.
            both = select(datasets.c.id).where(datasets.c.id == saved.id)
            there = select(destinations.c.id).where(destinations.c.id == destination.id)
            if connection.execute(both).first() and connection.execute(there).first():
                ids = {"dataset_id": saved.id, "destination_id": destination.id}
                connection.execute(insert(publications).values({**_FIRST, **values, **first, **ids}))


def rotate_destinations(connection: Connection, keys: Keys) -> None:
    """Encrypts addresses anew under the newest key; errors as `Keys.rotate`."""
    for row in connection.execute(select(destinations.c.id, destinations.c.name, destinations.c.address)).all():
        address = keys.rotate(row.address, _whose(row.name), ENTER_AGAIN)
        connection.execute(update(destinations).where(destinations.c.id == row.id).values(address=address))


def _whose(name: str) -> str:
    return phrase("destination %(name)s", name=repr(name))


def _gone(destination: Destination) -> NotFoundError:
    return NotFoundError(phrase("The destination %(name)s was deleted meanwhile.", name=repr(destination.name)))


def _destination(row: Row[Any]) -> Destination:
    return Destination(**row._asdict())
