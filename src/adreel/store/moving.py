"""Moves a store to another database: all of its tables, as they are, or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, inspect, select

from adreel.errors import BusyError, InputError, StorageError
from adreel.language import integer, phrase
from adreel.settings import Settings
from adreel.store.counters import last_id, set_last_id
from adreel.store.database import Backend, create_schema, open_backend, open_database
from adreel.store.records import RunState
from adreel.store.tables import datasets, marks, metadata, runs

BATCH = 500
"""Rows that are copied at a time."""

OWN_MARKS = ("adreel", "changes")
"""Marks that every database writes for itself."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: rows by table, and both databases as people are shown them."""

    rows: Mapping[str, int]
    source: str
    target: str


def move_store(source: Settings, target: Settings) -> Moved:
    """Copies the store of `source` to the database of `target`, in one transaction that is kept once all is compared.

    Nobody can write to the source meanwhile, and it stays as it was. Raises InputError for a target that is not empty,
    BusyError while runs are queued or in progress, StorageError if what arrived differs from what was sent, and what
    `Store.open` raises.
    """
    with closing(open_backend(target)) as receiving, closing(open_database(source)) as database:
        return Moved(copy_store(database.backend, receiving), database.backend.name, receiving.name)


def copy_store(sending: Backend, receiving: Backend) -> Mapping[str, int]:
    """The rows of each table that were copied into an empty database; raises as `move_store`."""
    refuse_content(receiving)
    with receiving.schema_lock(), sending.errors_named(), sending.migrating() as sender:
        refuse_content(receiving)
        _refuse_work(sender, sending)
        receiving.prepare()
        with receiving.errors_named(), receiving.migrating() as receiver:
            create_schema(receiver)
            return {table.name: _copy(sender, receiver, table) for table in metadata.sorted_tables}


def refuse_content(backend: Backend) -> None:
    """Raises InputError for a database that has tables."""
    with backend.errors_named(), backend.reading.connect() as connection:
        names = inspect(connection).get_table_names()
    if names:
        raise InputError(
            phrase(
                "%(name)s is not empty: it has %(tables)s tables, such as %(table)s. Nothing was changed. "
                "Use a new database.",
                name=backend.name,
                tables=len(names),
                table=names[0],
            )
        )


def _refuse_work(connection: Connection, backend: Backend) -> None:
    """Writers wait for the end of the move, so that nobody begins to work once this has looked."""
    queued = connection.execute(select(runs.c.id, runs.c.dataset_slug).where(runs.c.state == RunState.QUEUED)).first()
    if queued is not None:
        raise BusyError(
            phrase(
                "Run %(run)s of dataset %(dataset)s is queued. Nothing was changed. Let it run or "
                "cancel it (adreel cancel %(run)s), stop every adreel process, then move the store.",
                run=queued.id,
                dataset=repr(queued.dataset_slug),
            )
        )
    for slug in connection.execute(select(datasets.c.slug)).scalars():
        holder = backend.locks.holder(slug)
        if holder is not None:
            raise BusyError(
                f"Another process{f' ({holder.pid})' if holder.pid else ''} works on dataset {slug!r}. Nothing was "
                "changed. Wait for it, stop every adreel process, then move the store."
            )


def _copy(sender: Connection, receiver: Connection, table: Table) -> int:
    """Copies the rows and the counter of a table, and compares both sides; how many rows there are."""
    sent = _Checksum()
    for batch in rows_of(sender, table).partitions(BATCH):
        receiver.execute(insert(table), [dict(row._mapping) for row in batch])
        sent.add(batch)
    counter = last_id(sender, table)
    if counter:
        set_last_id(receiver, table, counter)
    arrived = _Checksum()
    for batch in rows_of(receiver, table).partitions(BATCH):
        arrived.add(batch)
    if arrived != sent or last_id(receiver, table) != counter:
        raise StorageError(
            phrase(
                "The table %(table)s arrived otherwise than it was sent (%(arrived_rows)s rows of %(sent_rows)s). "
                "Nothing was changed. Send this message to the developers of adreel.",
                table=table.name,
                arrived_rows=integer(arrived.rows),
                sent_rows=integer(sent.rows),
            )
        )
    return sent.rows


def rows_of(connection: Connection, table: Table) -> Any:
    """The rows of a table in parts, without what every database writes for itself; a table's own order."""
    statement = select(table).order_by(*table.primary_key.columns)
    if table is marks:
        statement = statement.where(marks.c.name.not_in(OWN_MARKS))
    return connection.execute(statement.execution_options(yield_per=BATCH))


@dataclass(slots=True)
class _Checksum:
    """The number of rows and a checksum of their values, whatever the order of the rows."""

    rows: int = 0
    digest: int = 0

    def add(self, batch: list[Row[Any]]) -> None:
        for row in batch:
            # Postgres keeps no NUL, see `postgres.py`.
            values = json.dumps(tuple(row), default=str, sort_keys=True).replace("\\u0000", "\\ufffd")
            digest = sha256(values.encode()).digest()
            self.digest = (self.digest + int.from_bytes(digest)) % (1 << 256)
            self.rows += 1


def words(moved: Moved, target: Settings) -> Iterator[str]:
    """What was done and what is left to do, in sentences."""
    count = sum(moved.rows.values())
    yield phrase(
        "Copied %(rows)s rows of %(tables)s tables to %(target)s, and compared them.",
        rows=integer(count),
        tables=len(moved.rows),
        target=moved.target,
    )
    yield phrase("%(source)s is as it was; adreel uses it until the setting is changed.", source=moved.source)
    if target.database_url:
        yield phrase("Now set ADREEL_DATABASE_URL to the new address on every machine, and start adreel again.")
        yield (
            phrase(
                "Tokens stay encrypted with the same key. Copy %(key)s to the home folder of every machine "
                "that uses the database, or set ADREEL_SECRET_KEY to its content.",
                key=target.home / "secret.key",
            )
        )
    else:
        yield phrase("Now remove ADREEL_DATABASE_URL from the settings, and start adreel again.")
