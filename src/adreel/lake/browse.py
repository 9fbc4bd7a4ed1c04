"""Looking into a table: a page of its rows, filtered and sorted, and what its columns hold."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import duckdb
import pyarrow as pa

from adreel.errors import InputError
from adreel.lake.calculated import stored_names
from adreel.lake.engine import THREADS, engine, fault, lock, start
from adreel.lake.filters import (
    EVERY,
    OPERATORS,
    Condition,
    Filter,
    Kind,
    Operator,
    Order,
    Takes,
    condition,
    kind_of,
    operators_for,
    sorted_by,
)
from adreel.lake.query import reads_files
from adreel.lake.rows import TableRows, computed
from adreel.lake.statistics import Bin, ColumnStatistics, Frequent, statistics
from adreel.lake.storage import Storage
from adreel.lake.tables import Recent, TableState, read_table
from adreel.language import integer, phrase

__all__ = [
    "OPERATORS",
    "Bin",
    "Browser",
    "ColumnStatistics",
    "Filter",
    "Frequent",
    "Kind",
    "Operator",
    "Order",
    "RowPage",
    "Takes",
    "kind_of",
    "operators_for",
    "read_rows",
]

MEMORY = "256MB"
"""What all pages and statistics of a lake may hold at a time; a page of millions of rows takes a tenth."""

DISK = "2GB"

AT_ONCE = 2
"""Threads that look into tables: each keeps memory of its own, and more would end no sooner."""

MOST_ROWS = 1_000
"""Rows of a page. So many ranks are found at a time and kept, for the pages before and after."""

PAGES = 256
COUNTS = 1_024
COLUMNS = 1_024
"""Results that are kept: ranks (8 kB each), counts, and statistics of columns. Versions never change, so they hold."""


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows of a version: `total` are all its rows, `matching` those that the filters let through."""

    rows: Any
    total: int
    matching: int
    version: int


class Browser:
    """A DuckDB that is kept open to look into the tables of one lake. May be used from several threads."""

    def __init__(self, storage: Storage) -> None:
        """Of the lake at `storage`; DuckDB starts with the first call."""
        self._storage = storage
        self._lock = Lock()
        self._workers = ThreadPoolExecutor(AT_ONCE, "adreel-browse")
        self._folder: TemporaryDirectory[str] | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._counts: Recent[tuple[object, ...], int] = Recent(COUNTS)
        self._ranks: Recent[tuple[object, ...], array[int]] = Recent(PAGES)
        self._columns: Recent[tuple[object, ...], ColumnStatistics] = Recent(COLUMNS)

    def page(
        self,
        table: TableState,
        columns: Sequence[str] | None,
        where: Sequence[Filter],
        order: Sequence[Order],
        offset: int,
        limit: int,
    ) -> RowPage:
        """See `Lake.page`."""
        names = _chosen(table, columns)
        readable = table.readable
        matches = _every([condition(readable, column_filter) for column_filter in where])
        keys = sorted_by(readable, order)
        if offset < 0 or not 0 < limit <= MOST_ROWS:
            raise InputError(
                phrase("A page starts at row 0 or later and has 1 to %(most_rows)s rows.", most_rows=integer(MOST_ROWS))
            )

        def read_page() -> RowPage:
            with self._cursor() as cursor:
                rows = TableRows(cursor, self._storage, table, matches)
                matching = self._counts.get((table.content, matches), rows.count) if where else table.rows
                ranks = range(offset, min(offset + limit, matching))
                if keys or where:
                    places = self._places(rows, (table.content, matches, keys), keys, ranks, matching)
                else:
                    places = rows.own_places(ranks)
                return RowPage(rows.pick(names, places), table.rows, matching, table.version)

        return self._workers.submit(read_page).result()

    def statistics(
        self, table: TableState, columns: Sequence[str] | None, additive: Collection[str]
    ) -> tuple[ColumnStatistics, ...]:
        """See `Lake.statistics`."""
        names = _chosen(table, columns)

        def column_statistics(rows: TableRows, name: str) -> ColumnStatistics:
            summed = name in additive
            key = (table.content, name, summed)
            return self._columns.get(key, lambda: statistics(rows, table, name, summed=summed))

        def read_statistics() -> tuple[ColumnStatistics, ...]:
            with self._cursor() as cursor:
                rows = TableRows(cursor, self._storage, table)
                return tuple(column_statistics(rows, name) for name in names)

        return self._workers.submit(read_statistics).result()

    def close(self) -> None:
        """Ends DuckDB, removes what it kept on disk, and forgets all results. The next call begins anew."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            if self._folder is not None:
                self._folder.cleanup()
            self._connection = self._folder = None
        for cache in (self._counts, self._ranks, self._columns):
            cache.clear()

    def _places(
        self, rows: TableRows, key: tuple[object, ...], order: Sequence[Order], ranks: range, matching: int
    ) -> list[int]:
        """The places of the rows of these ranks, found with those around them."""

        def block(first: int) -> array[int]:
            count = min(MOST_ROWS, matching - first)
            return self._ranks.get((*key, first), lambda: array("q", rows.places(order, first, count, matching)))

        places: list[int] = []
        for first in range(ranks.start - ranks.start % MOST_ROWS, ranks.stop, MOST_ROWS):
            places += block(first)[max(0, ranks.start - first) : ranks.stop - first]
        return places

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one thread; its faults of memory and disk become StorageError."""
        with self._lock:
            if self._connection is None:
                self._folder = TemporaryDirectory(prefix="adreel-")
                self._connection = start(self._folder.name, MEMORY, THREADS, DISK)
                lock(self._connection, folders=[str(self._storage.folder)] if reads_files(self._storage) else [])
            cursor = self._connection.cursor()
        try:
            with self._storage.guard(phrase("the lake")):
                yield cursor
        except (duckdb.IOException, duckdb.PermissionException) as error:
            raise self._storage.fault(error, phrase("the tables")) from None
        except duckdb.Error as error:
            raise fault(error) from error
        finally:
            cursor.close()


def read_rows(
    storage: Storage, table: TableState, columns: Sequence[str] | None, where: Sequence[Filter], order: Sequence[Order]
) -> Any:
    """See `Lake.read`; in a DuckDB of its own, which goes when the last row was read or the reader is closed."""
    names = _chosen(table, columns)
    readable = table.readable
    matches = _every([condition(readable, column_filter) for column_filter in where])
    keys = sorted_by(readable, order)
    schema = pa.schema([readable.field(name) for name in names])

    def batches() -> Iterator[Any]:
        with storage.guard(phrase("the table %(table)s", table=table.slug)), engine(MEMORY) as connection:
            lock(connection, folders=[str(storage.folder)] if reads_files(storage) else [])
            if where or order:
                yield from TableRows(connection, storage, table, matches).read(names, keys)
                return
            # Nothing is to be sorted, so each batch is computed as it is read.
            for batch in read_table(storage, table, stored_names(names, table.calculated)):
                rows = computed(connection, pa.Table.from_batches([batch]), schema, table.calculated)
                yield from rows.to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _chosen(table: TableState, columns: Sequence[str] | None) -> tuple[str, ...]:
    """The columns that are asked for, each once; all if none are named."""
    available = table.readable.names
    names = tuple(available if columns is None else dict.fromkeys(columns))
    missing = [name for name in names if name not in available]
    if missing or not names:
        raise InputError(
            phrase("The table %(table)s has no columns %(columns)s.", table=table.slug, columns=", ".join(missing))
            if missing
            else phrase("Name at least one column.")
        )
    return names


def _every(conditions: list[Condition]) -> Condition:
    """The condition that all of them hold."""
    if not conditions:
        return EVERY
    values = tuple(value for part in conditions for value in part.values)
    columns = tuple(name for part in conditions for name in part.columns)
    return Condition(" AND ".join(f"({part.sql})" for part in conditions), values, columns)
