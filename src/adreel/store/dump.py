"""The store as lines of JSON, one for each row: the same for every database, and readable without one.

A dump has the tables of one revision of the schema, with the types of its columns, so that a newer adreel can load it
and migrate it afterwards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import JSON, Column, Connection, Table, column, func, insert, select, table, update

from adreel.errors import InputError
from adreel.language import phrase
from adreel.settings import Settings
from adreel.store.counters import last_id, set_last_id
from adreel.store.database import BUSY_SECONDS, HEAD, Database, build_schema, migrate, open_backend
from adreel.store.home import DATABASE, private_file, sync_folder
from adreel.store.moving import copy_store, rows_of
from adreel.store.records import IN_PROGRESS, RunState
from adreel.store.runs import PUBLIC, as_run
from adreel.store.sqlite import SQLite
from adreel.store.tables import Utc, metadata
from adreel.store.totals import add_end

LEFT_OUT = frozenset({"sessions", "consents", "attempts", "workers"})
"""Tables of what is over once a home is another: browsers that are signed in, consents under way, failed sign-ins, and
workers, which would look alive."""

BATCH = 5_000
"""Rows of a part of a dump, which are in memory while it is written or read."""


class StoreDump:
    """The tables of a store as they are at one moment, whatever is written meanwhile."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is within a snapshot (`Database.snapshot`)."""
        self._connection = connection

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """Parts of tables, each with the table's name: a line with the columns, then a line for each row.

        A table comes after those that it refers to.
        """
        for part_of in metadata.sorted_tables:
            if part_of.name not in LEFT_OUT:
                for rows in rows_of(self._connection, part_of).partitions(BATCH):
                    lines = [orjson.dumps(tuple(row)) for row in rows]
                    yield part_of.name, b"\n".join([_head(part_of), *lines, b""])

    def sequences(self) -> dict[str, int]:
        """The last number that each table has given, so that numbers of deleted rows are not given again."""
        saved = [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]
        return {str(table.name): last for table in saved if (last := last_id(self._connection, table))}

    def last_versions(self) -> dict[str, int | None]:
        """For each table of the lake the version that the store knows of; None for all of a deleted dataset's.

        A later one is of a run that had not ended then, and goes on from what the store knows.
        """
        runs, datasets, kept = (metadata.tables[name] for name in ("runs", "datasets", "kept_tables"))
        latest = (
            select(datasets.c.table_slug, func.max(runs.c.version))
            .join(runs, runs.c.dataset_id == datasets.c.id)
            .where(runs.c.version.is_not(None))
            .group_by(datasets.c.table_slug)
        )
        versions: dict[str, int | None] = {slug: int(last) for slug, last in self._connection.execute(latest)}
        return versions | dict.fromkeys(self._connection.execute(select(kept.c.table_slug)).scalars())


def _head(part_of: Table) -> bytes:
    columns = [[field.name, _kind(field)] for field in part_of.columns]
    return orjson.dumps({"table": part_of.name, "columns": columns})


def _kind(field: Column[Any]) -> str:
    return "utc" if isinstance(field.type, Utc) else "json" if isinstance(field.type, JSON) else "plain"


class StoreLoad:
    """A new SQLite database that a dump is loaded into; not a home's until it is whole and put in place."""

    def __init__(self, path: Path, revision: str) -> None:
        """An empty database with the schema of the dump's revision. Raises InputError for a newer one."""
        if not revision.isdigit() or revision > HEAD:
            raise InputError(
                phrase("The backup was made by a newer adreel than this one. Install that version, or a newer one.")
            )
        for ending in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        self._path, self._revision = private_file(path), revision
        self._backend = SQLite(path, BUSY_SECONDS)
        self._database = Database(self._backend)
        self._backend.prepare()
        with self._backend.errors_named(), self._backend.migrating() as connection:
            build_schema(connection, revision)

    def load(self, part: bytes) -> int:
        """Adds the rows of a part; returns how many."""
        head, *lines = part.splitlines()
        facts = orjson.loads(head)
        columns = facts["columns"]
        times = [number for number, (_, kind) in enumerate(columns) if kind == "utc"]
        names = [name for name, _ in columns]
        target = table(facts["table"], *(column(name, _TYPES.get(kind)) for name, kind in columns))
        rows = [_row(orjson.loads(line), times, names) for line in lines]
        if rows:
            with self._database.write() as connection:
                connection.execute(insert(target), rows)
        return len(rows)

    def finish(self, sequences: Mapping[str, int]) -> None:
        """Migrates the database to this adreel's schema, and ends what was under way when the dump was made."""
        if self._revision != HEAD:
            migrate(self._backend)
        runs = metadata.tables["runs"]
        ended = func.coalesce(runs.c.heartbeat_at, runs.c.created_at)
        changes = {"state": RunState.INTERRUPTED, "finished_at": ended, "not_before": None, "worker": ""}
        with self._database.write() as connection:
            under_way = update(runs).where(runs.c.state.in_(sorted(IN_PROGRESS))).values(changes)
            for row in connection.execute(under_way.returning(*PUBLIC)).all():
                add_end(connection, as_run(row))
            for numbered in metadata.sorted_tables:
                last = sequences.get(numbered.name, 0)
                if last > last_id(connection, numbered):
                    set_last_id(connection, numbered, last)

    def place(self, settings: Settings) -> None:
        """Makes the finished database that of the settings, whole and on the disk. Raises as `move_store`."""
        if settings.database_url:
            with closing(open_backend(settings)) as receiving:
                copy_store(self._backend, receiving)
            self.close()
            self._path.unlink()
            return
        self.close()
        with closing(sqlite3.connect(self._path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._path.replace(settings.home / DATABASE)
        sync_folder(settings.home)

    def close(self) -> None:
        """Lets go of the database, as it is."""
        self._database.close()


_TYPES: Mapping[str, Any] = {"utc": Utc(), "json": JSON(none_as_null=True)}


def _row(values: list[Any], times: list[int], names: list[str]) -> dict[str, Any]:
    for number in times:
        if values[number] is not None:
            values[number] = datetime.fromisoformat(values[number]).astimezone(UTC)
    return dict(zip(names, values, strict=True))
