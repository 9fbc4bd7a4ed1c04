"""Moves a store to another database: all of its tables, as they are, or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Integer, Row, Table, func, insert, inspect, select, text

from adreel.errors import BusyError, InputError, StorageError
from adreel.settings import Settings
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
        sending = database.backend
        _refuse_content(receiving)
        with receiving.schema_lock(), sending.errors_named(), sending.migrating() as sender:
            _refuse_content(receiving)
            _refuse_work(sender, sending)
            receiving.prepare()
            with receiving.errors_named(), receiving.migrating() as receiver:
                create_schema(receiver)
                rows = {table.name: _copy(sender, receiver, table) for table in metadata.sorted_tables}
    return Moved(rows, sending.name, receiving.name)


def _refuse_content(backend: Backend) -> None:
    with backend.errors_named(), backend.reading.connect() as connection:
        names = inspect(connection).get_table_names()
    if names:
        raise InputError(
            f"{backend.name} is not empty: it has {len(names)} tables, such as {names[0]}. Nothing was changed. Move "
            "the store to a new database."
        )


def _refuse_work(connection: Connection, backend: Backend) -> None:
    """Writers wait for the end of the move, so that nobody begins to work once this has looked."""
    queued = connection.execute(select(runs.c.id, runs.c.dataset_slug).where(runs.c.state == RunState.QUEUED)).first()
    if queued is not None:
        raise BusyError(
            f"Run {queued.id} of dataset {queued.dataset_slug!r} is queued. Nothing was changed. Let it run or cancel "
            f"it (adreel cancel {queued.id}), stop every adreel process, then move the store."
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
    sent = _Sum()
    for batch in _rows(sender, table).partitions(BATCH):
        receiver.execute(insert(table), [dict(row._mapping) for row in batch])
        sent.add(batch)
    counter = _last_id(sender, table)
    if counter:
        _set_last_id(receiver, table, counter)
    arrived = _Sum()
    for batch in _rows(receiver, table).partitions(BATCH):
        arrived.add(batch)
    if arrived != sent or _last_id(receiver, table) != counter:
        raise StorageError(
            f"The table {table.name} arrived otherwise than it was sent ({arrived.rows:,} rows of {sent.rows:,}). "
            "Nothing was changed. Send this message to the developers of adreel."
        )
    return sent.rows


def _rows(connection: Connection, table: Table) -> Any:
    statement = select(table)
    if table is marks:
        statement = statement.where(marks.c.name.not_in(OWN_MARKS))
    return connection.execute(statement.execution_options(yield_per=BATCH))


@dataclass(slots=True)
class _Sum:
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


# An ID of a deleted row is not given anew, so the counters move as well.


def _counted(table: Table) -> str | None:
    """The column that numbers the rows of a table by itself."""
    column = table.autoincrement_column
    return column.name if column is not None and isinstance(column.type, Integer) and not column.foreign_keys else None


def _last_id(connection: Connection, table: Table) -> int:
    """The last number that was given to a row; 0 if there is none."""
    name = _counted(table)
    if name is None:
        return 0
    if connection.dialect.name == "sqlite":
        counter = connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        own = counter.scalar() if table.dialect_options["sqlite"]["autoincrement"] else None
    else:
        own = connection.execute(
            text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, :name)::regclass)"),
            {"table": table.name, "name": name},
        ).scalar()
    return int(own or connection.execute(select(func.max(table.c[name]))).scalar() or 0)


def _set_last_id(connection: Connection, table: Table, number: int) -> None:
    if connection.dialect.name == "sqlite":
        if table.dialect_options["sqlite"]["autoincrement"]:
            connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
            connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"),
                {"name": table.name, "seq": number},
            )
        return
    connection.execute(
        text("SELECT setval(pg_get_serial_sequence(:table, :name), :number)"),
        {"table": table.name, "name": _counted(table), "number": number},
    )


def words(moved: Moved, target: Settings) -> Iterator[str]:
    """What was done and what is left to do, in sentences."""
    count = sum(moved.rows.values())
    yield f"Copied {count:,} rows of {len(moved.rows)} tables to {moved.target}, and compared them."
    yield f"{moved.source} is as it was; adreel uses it until the setting is changed."
    if target.database_url:
        yield "Now set ADREEL_DATABASE_URL to the new address on every machine, and start adreel again."
        yield (
            f"Tokens stay encrypted with the same key. Copy {target.home / 'secret.key'} to the home folder of every "
            "machine that uses the database, or set ADREEL_SECRET_KEY to its content."
        )
    else:
        yield "Now remove ADREEL_DATABASE_URL from the settings, and start adreel again."
