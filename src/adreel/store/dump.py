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
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    Table,
    case,
    column,
    func,
    insert,
    literal_column,
    select,
    table,
    update,
)

from adreel.errors import InputError
from adreel.store.database import HEAD, Database, build_schema
from adreel.store.home import private_file
from adreel.store.records import IN_PROGRESS, RunState
from adreel.store.tables import Utc, metadata

LEFT_OUT = frozenset({"sessions", "consents", "attempts"})
"""Tables of what is over once a home is another: signed-in browsers, consents under way, failed sign-ins."""

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
                for rows in self._rows(part_of):
                    yield part_of.name, b"\n".join([_head(part_of), *rows, b""])

    def sequences(self) -> dict[str, int]:
        """The last number that each table has given, so that numbers of deleted rows are not given again."""
        if self._connection.dialect.name == "sqlite":
            rows = self._connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
            return {name: int(last) for name, last in rows if name not in LEFT_OUT}
        last_ids = {}
        for numbered in metadata.sorted_tables:
            key = list(numbered.primary_key.columns)
            if len(key) == 1 and isinstance(key[0].type, Integer) and not key[0].foreign_keys:
                last = self._connection.execute(select(func.max(key[0]))).scalar()
                last_ids[numbered.name] = int(last or 0)
        return last_ids

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

    def _rows(self, part_of: Table) -> Iterator[list[bytes]]:
        statement = select(*part_of.columns)
        if list(part_of.primary_key.columns):
            statement = statement.order_by(*part_of.primary_key.columns)
        result = self._connection.execution_options(yield_per=BATCH).execute(statement)
        for rows in result.partitions(BATCH):
            yield [orjson.dumps(tuple(row)) for row in rows]


def _head(part_of: Table) -> bytes:
    columns = [[field.name, _kind(field)] for field in part_of.columns]
    return orjson.dumps({"table": part_of.name, "columns": columns})


def _kind(field: Column[Any]) -> str:
    return "utc" if isinstance(field.type, Utc) else "json" if isinstance(field.type, JSON) else "plain"


class StoreLoad:
    """A new SQLite database that a dump is loaded into; not a home's until it is whole and renamed."""

    def __init__(self, path: Path, revision: str) -> None:
        """An empty database with the schema of the dump's revision. Raises InputError for a newer one."""
        if not revision.isdigit() or revision > HEAD:
            raise InputError(
                "The backup was made by a newer adreel than this one. Install that version, or a newer one."
            )
        for ending in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        self._path = private_file(path)
        build_schema(path, revision)
        self._database = Database(path)

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
        """Ends what was under way when the dump was made, and closes the database, whole and on the disk."""
        runs = metadata.tables["runs"]
        with self._database.write() as connection:
            under_way = runs.c.state.in_(sorted(IN_PROGRESS))
            ended = func.coalesce(runs.c.heartbeat_at, runs.c.created_at)
            connection.execute(update(runs).where(under_way).values(state=RunState.INTERRUPTED, finished_at=ended))
            numbers = table("sqlite_sequence", column("name"), column("seq"))
            for name, last in sequences.items():
                mine = numbers.c.name == name
                higher = case((numbers.c.seq > last, numbers.c.seq), else_=literal_column(str(int(last))))
                if not connection.execute(update(numbers).where(mine).values(seq=higher)).rowcount:
                    connection.execute(insert(numbers).values(name=name, seq=last))
        self._database.close()
        with closing(sqlite3.connect(self._path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Lets go of the database, as it is."""
        self._database.close()


_TYPES: Mapping[str, Any] = {"utc": Utc(), "json": JSON(none_as_null=True)}


def _row(values: list[Any], times: list[int], names: list[str]) -> dict[str, Any]:
    for number in times:
        if values[number] is not None:
            values[number] = datetime.fromisoformat(values[number]).astimezone(UTC)
    return dict(zip(names, values, strict=True))
