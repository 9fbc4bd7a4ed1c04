"""The lake: versioned tables on Delta Lake and the parts of runs, in a folder or an object store.

One run makes one new version of its dataset's table, or none: its new Parquet files are written first, and one entry
in the Delta log, which also names the run, makes them the table. Versions stay readable until `Lake.vacuum` is asked
to free them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from adreel.lake import parts
from adreel.lake.calculated import CalculatedColumn, ReaderColumns
from adreel.lake.commit import Commit, Landing, Write
from adreel.lake.conditional_writes import refuse_unconditional
from adreel.lake.copies import LakeFile, read_file, refuse_tables, table_files, write_file
from adreel.lake.keys import KeyFaults, key_faults
from adreel.lake.parts import PartInfo
from adreel.lake.storage import Storage
from adreel.lake.table_parts import TablePart, table_parts
from adreel.lake.tables import (
    ANSWER_ROWS,
    KEPT_SUMS,
    Answers,
    FileSums,
    Recent,
    Snapshot,
    TableCache,
    TableState,
    dataset_of,
    read_table,
)
from adreel.lake.version_views import version_views
from adreel.lake.versions import (
    Keep,
    Vacuumed,
    Version,
    forget,
    forgettable,
    newest_version,
    restorable,
    restore,
    vacuum,
    version_note,
    versions,
)
from adreel.lake.windows import Spared, Superseded, Window
from adreel.language import phrase
from adreel.update_methods import Method

if TYPE_CHECKING:
    from adreel.lake.browse import Browser, ColumnStatistics, Filter, Order, RowPage
    from adreel.lake.changed_rows import ChangedRowsQuery, ChangedRowsReader
    from adreel.lake.difference import Difference, SumChange, VersionComparison
    from adreel.lake.query import Connection
    from adreel.lake.row_changes import Query, RowChanges

__all__ = [
    "CalculatedColumn",
    "Commit",
    "Keep",
    "KeyFaults",
    "Lake",
    "LakeFile",
    "Method",
    "PartInfo",
    "ReaderColumns",
    "Snapshot",
    "Spared",
    "Superseded",
    "TablePart",
    "TableState",
    "Vacuumed",
    "Version",
    "Window",
    "Write",
]


def _now() -> datetime:
    return datetime.now(UTC)


class Lake:
    """A lake at a folder, a file:// address, or an object store (s3://, gs://, az://).

    Credentials and endpoint of an object store come from its usual environment variables. Every method raises
    StorageError if the lake cannot be reached, read or written.

    One lake may be used from several threads. What is kept between calls belongs to it and is bounded: the state of
    tables, what `page` and `statistics` need, and answers of `Connection.kept_rows`; `close` gives it back.
    """

    def __init__(
        self,
        url: str | Path,
        *,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """`clock` gives aware times. Reads no disk yet. Raises InputError for a bad address."""
        self._storage = Storage(str(url))
        self._clock = clock
        self._tables = TableCache(self._storage)
        self._answers: Answers = Recent(ANSWER_ROWS, lambda rows: len(rows) + 1)
        self._file_sums: FileSums = Recent(KEPT_SUMS, lambda rows: len(rows) + 1)
        self._browsing = Lock()
        self._browser: Browser | None = None

    def __repr__(self) -> str:
        return f"Lake({self._storage.url!r})"

    @property
    def url(self) -> str:
        """The lake's address."""
        return self._storage.url

    @property
    def is_folder(self) -> bool:
        """Whether the lake is a folder of this machine, and no object store."""
        return self._storage.folder is not None

    def close(self) -> None:
        """Ends what `page` and `statistics` keep open and forgets what was read; the lake may be used again."""
        with self._browsing:
            if self._browser is not None:
                self._browser.close()
            self._browser = None
        self._tables.clear()
        self._answers.clear()
        self._file_sums.clear()

    # -- run parts

    def write_part(self, run_id: str, name: str, rows: Any, facts: Mapping[str, Any] | None = None) -> PartInfo:
        """Puts a pyarrow Table or RecordBatch there as part `name`, whole or not at all, in place of one of that name.

        `name` may have steps, as in "chunk/request-1"; `facts` are JSON values that `part` gives back without reading
        the rows. Parts are read in the order of their names.
        """
        return parts.write_part(self._storage, run_id, name, rows, facts or {})

    def has_part(self, run_id: str, name: str) -> bool:
        """Whether the run has such a part."""
        return parts.has_part(self._storage, run_id, name)

    def part(self, run_id: str, name: str) -> PartInfo:
        """A part's rows and facts, without reading the rows. Raises NotFoundError, DamagedError."""
        return parts.read_part_info(self._storage, run_id, name)

    def list_parts(self, run_id: str, prefix: str = "") -> tuple[str, ...]:
        """The names of the run's parts that begin with `prefix`, in order."""
        return parts.list_parts(self._storage, run_id, prefix)

    def part_sizes(self, run_id: str, folder: str) -> dict[str, int]:
        """The bytes of each part in a folder of the run's, such as "chunk/" or all "", by its name from there on."""
        return parts.part_sizes(self._storage, run_id, folder)

    def read_parts(
        self, run_id: str, prefix: str = "", schema: Any | None = None, columns: tuple[str, ...] | None = None
    ) -> Any:
        """The parts' rows as a pyarrow RecordBatchReader that holds one part at a time, in the order of the names.

        Every batch has `schema`, or that of the first part; columns that a part lacks are null. With `columns` only
        these are unpacked. Raises NotFoundError if there are neither parts nor a schema, InputError for parts that do
        not go with the schema.
        """
        return parts.read_parts(self._storage, run_id, prefix, schema, columns)

    def parts_dataset(self, run_id: str, prefix: str = "", schema: Any | None = None) -> Any:
        """The parts as a pyarrow Dataset; to read them all once, `read_parts` takes less memory and time."""
        return parts.parts_dataset(self._storage, run_id, prefix, schema)

    def drop_parts(self, run_id: str, prefix: str) -> None:
        """Removes the run's parts whose names begin with `prefix`."""
        parts.drop_parts(self._storage, run_id, prefix)

    def write_note(self, run_id: str, name: str, value: Any) -> None:
        """Puts a JSON value beside the run's parts, in place of one of that name."""
        parts.write_note(self._storage, run_id, name, value)

    def read_note(self, run_id: str, name: str) -> Any | None:
        """The JSON value of that name; None if there is none, or what is there is no JSON."""
        return parts.read_note(self._storage, run_id, name)

    def list_notes(self, run_id: str) -> tuple[str, ...]:
        """The names of the run's notes, in order."""
        return parts.list_notes(self._storage, run_id)

    def list_runs(self) -> tuple[str, ...]:
        """The runs that have parts or notes here, in order."""
        return parts.list_runs(self._storage)

    def drop_run(self, run_id: str) -> None:
        """Removes all parts and notes of a run; there may be none."""
        parts.drop_run(self._storage, run_id)

    # -- tables

    def table_url(self, slug: str) -> str:
        """The address of the dataset's Delta table. Raises InputError for a name that is no table's."""
        return self._storage.table_url(slug)

    def exists(self, slug: str) -> bool:
        """Whether the dataset has a table."""
        return self._tables.find(slug) is not None

    def table(self, slug: str, version: int | None = None, calculated: Sequence[CalculatedColumn] = ()) -> TableState:
        """The table as `version` or the latest left it: columns, rows, bytes. Raises NotFoundError.

        Here and below `calculated` are columns that readers see beside the stored ones, if the version has their parts.
        """
        return self._tables.open(slug, version).with_calculated(calculated)

    def seen(self, slug: str, columns: ReaderColumns, version: int | None = None) -> TableState:
        """The table as readers see it, with `columns`. Raises NotFoundError."""
        return self.table(slug, version, columns.calculated).in_order(columns.order)

    def drop(self, slug: str) -> None:
        """Removes a dataset's table with all its versions; there may be none."""
        with self._storage.guard(phrase("the table %(table)s", table=slug)):
            self.table_url(slug)
            self._storage.delete_folder(slug)

    def commit(
        self, slug: str, batches: Callable[[], Any], write: Write, landing: Callable[[], None] = lambda: None
    ) -> Commit:
        """Brings a run's rows into its dataset's table: one new version, all or nothing.

        `batches` gives a pyarrow RecordBatchReader, anew for each try when another process commits at the same time.
        `landing` is called when all files are written, right before the table changes; what it raises leaves it as it
        was. A run that is committed already is not committed again. Raises InputError for rows and methods that do not
        go together, BusyError if other processes are faster time and again; the table is then as it was.
        """
        self.refuse_unsafe_store()
        return Landing(self._storage, slug, batches, write, self._clock, landing).land()

    def versions(self, slug: str) -> tuple[Version, ...]:
        """The versions that can be read, newest first. Raises NotFoundError if there is no table."""
        return versions(self._storage, slug)

    def version(self, slug: str, number: int) -> Version | None:
        """One version that a run or a restore made; None if there is none, or if it cannot be read any more."""
        return version_note(self._storage, slug, number)

    def refuse_unsafe_store(self) -> None:
        """Raises InputError for an object store in which simultaneous commits would overwrite each other.

        Only a store with the API of S3 is asked, once for each lake.
        """
        refuse_unconditional(self._storage)

    def newest_version(self, slug: str) -> Version | None:
        """The newest version that a run or a restore made, without reading the others; None if there is none."""
        self.table_url(slug)
        return newest_version(self._storage, slug)

    def dataset(self, slug: str, version: int | None = None) -> Any:
        """The table as a pyarrow Dataset. Raises NotFoundError, with the versions there are."""
        return dataset_of(self._storage, self._tables.open(slug, version))

    def read(
        self,
        slug: str,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        *,
        where: Sequence[Filter] = (),
        order: Sequence[Order] = (),
        calculated: Sequence[CalculatedColumn] = (),
    ) -> Any:
        """A version's rows as a pyarrow RecordBatchReader, of those that all filters let through, in an order.

        Without filters and order it holds one row group at a time; with them DuckDB sorts, on disk where memory does
        not do. The order is that of `page`. Raises NotFoundError, and InputError for columns and values that cannot be.
        """
        table = self.table(slug, version, calculated)
        wanted = [column for column in table.calculated if columns is None or column.name in columns]
        if not where and not order and not wanted:
            return read_table(self._storage, table, None if columns is None else tuple(columns))
        from adreel.lake.browse import read_rows

        return read_rows(self._storage, table, columns, where, order)

    def table_parts(
        self, slug: str, version: int | None = None, columns: Sequence[str] | None = None
    ) -> tuple[TablePart, ...]:
        """A version in parts that other processes can read, which together have its rows. Raises NotFoundError."""
        table = self._tables.open(slug, version)
        return table_parts(self._storage.url, table, None if columns is None else tuple(columns))

    def restorable(self, slug: str, version: int) -> Version:
        """The version, if it can be restored. Raises NotFoundError and InputError as `restore`."""
        self.table(slug, version)
        return restorable(self._storage, self.table(slug), version)

    def restore(self, slug: str, version: int, run_id: str, begin: Callable[[Version], None]) -> Version:
        """Makes a new version with the rows and columns of `version`, so that nothing is lost; `run_id` names it.

        `begin` is called with that version once it can be restored, right before the table changes.

        Raises NotFoundError for a version that cannot be read, InputError for the newest, BusyError if another
        process changes the table at the same time.
        """
        self.refuse_unsafe_store()
        return restore(self._storage, slug, version, run_id, self._clock(), begin)

    def texts(self, slug: str, column: str, version: int | None = None) -> frozenset[str]:
        """The different texts of a column, empty for null; none if there is no such column. Raises NotFoundError."""
        table = self._tables.open(slug, version)
        if column not in table.schema.names:
            return frozenset()
        texts: set[str] = set()
        for batch in read_table(self._storage, table, (column,)):
            texts |= {text or "" for text in batch.column(column).unique().to_pylist()}
        return frozenset(texts)

    def vacuum(self, slug: str, *, keep_days: int, keep_versions: int) -> Vacuumed:
        """Frees what only versions need that are neither among the newest `keep_versions` nor `keep_days` young.

        The latest version always stays. Raises InputError for negative numbers, NotFoundError if there is no table.
        """
        return vacuum(self._storage, slug, keep_days, keep_versions, self._clock())

    def forget(self, slug: str, keep: Keep) -> Vacuumed:
        """Forgets old versions; their files go half a day later at the earliest, with the next call.

        The latest version always stays. Raises NotFoundError if there is no table.
        """
        return forget(self._storage, slug, keep, self._clock())

    def forgettable(self, slug: str, keep: Keep) -> Vacuumed:
        """What `forget` would free in the end. Raises NotFoundError if there is no table."""
        return forgettable(self._storage, slug, keep, self._clock())

    def key_faults(self, source: Any, key: tuple[str, ...]) -> KeyFaults:
        """The rows that `key` does not name: null in a key column, or a key that came before.

        `source` is a pyarrow Table, Dataset or RecordBatchReader, or a callable that gives a reader anew each time,
        which is the best for many rows. Raises InputError if a key column is not there.
        """
        return key_faults(source, key)

    # -- copies

    def files_of(self, slug: str, version: int | None = None) -> tuple[LakeFile, ...]:
        """The files of all versions of a table up to this one; none if there is no such table."""
        return table_files(self._storage, slug, version)

    def open_file(self, file: LakeFile) -> AbstractContextManager[Any]:
        """One of these files as a stream. Raises RetryError if it was deleted meanwhile."""
        return read_file(self._storage, file)

    def create_file(self, path: str) -> AbstractContextManager[Any]:
        """A stream that writes such a file into this lake. Raises InputError for a path that is no table's."""
        return write_file(self._storage, path)

    def refuse_tables(self) -> None:
        """Raises InputError if there are tables, or anything else but parts of runs, in the lake."""
        refuse_tables(self._storage)

    # -- questions, for which alone DuckDB is imported: it takes 35 MB and 0.15 s of processor time

    def comparison(
        self, slug: str, before: int, after: int, columns: tuple[str, ...] = ()
    ) -> AbstractContextManager[VersionComparison]:
        """Two versions, to be compared while a block runs: their sums, then their rows and values.

        Both are told apart by the values of `columns`. Raises NotFoundError for versions that cannot be read.
        """
        from adreel.lake.difference import open_comparison

        return open_comparison(self._tables, self._file_sums, slug, before, after, columns)

    def difference(self, slug: str, before: int, after: int) -> Difference:
        """What changed between two versions. Raises NotFoundError for versions that cannot be read."""
        with self.comparison(slug, before, after) as versions:
            return versions.difference(lambda _values, _day: None)

    def changed_rows(
        self, slug: str, before: int, after: int, query: ChangedRowsQuery
    ) -> AbstractContextManager[ChangedRowsReader]:
        """The rows that differ between two versions, of one day or all, to be read in parts while a block runs.

        Raises NotFoundError for versions that cannot be read, InputError for versions without a common key, and for a
        filter or an order that the columns cannot have.
        """
        from adreel.lake.changed_rows import open_changed_rows

        return open_changed_rows(self._tables, slug, before, after, query)

    def row_changes(self, slug: str, before: int, after: int) -> AbstractContextManager[RowChanges | None]:
        """The rows that a copy of version `before` needs to be `after`, to be read while a block runs.

        None if they cannot be told: without a key that names each row, for columns of another type, and for appended
        rows of which some are gone. Raises NotFoundError for versions that cannot be read.
        """
        from adreel.lake.row_changes import open_row_changes

        return open_row_changes(self._storage, slug, before, after)

    def version_query(self, slug: str, version: int, view: str) -> AbstractContextManager[Query]:
        """Answers SQL that adreel itself writes over the stored columns of a version, named `view`, in a block.

        Raises NotFoundError for a version that cannot be read.
        """
        from adreel.lake.row_changes import open_version

        return open_version(self._storage, slug, version, view)

    def file_query(
        self, slug: str, version: int, paths: Collection[str], view: str, name: str
    ) -> AbstractContextManager[Query]:
        """Like `version_query`, over the rows of some of the version's files; the column `name` has a row's file.

        A file never changes, and its path is that of no other one.
        """
        from adreel.lake.row_changes import open_files

        return open_files(self._storage, self.table(slug, version), paths, view, name)

    def sum_changes(
        self, slug: str, before: int, after: int, additive: tuple[str, ...], columns: tuple[str, ...]
    ) -> tuple[SumChange, ...]:
        """The change of sums between two versions, for each combination of values of `columns`.

        For amounts that must not be added over all rows, such as money in several currencies. Empty if a version
        lacks one of the columns. Raises NotFoundError for versions that cannot be read.
        """
        with self.comparison(slug, before, after, columns) as versions:
            return versions.sum_changes(additive)

    def day_sums(
        self, slug: str, version: int, names: tuple[str, ...], columns: tuple[str, ...]
    ) -> Mapping[tuple[Any, ...], Mapping[date | None, tuple[Any, ...]]]:
        """The sums of `names` on each day, for each combination of values of `columns`.

        Empty if the version lacks one of the columns. Raises NotFoundError for a version that cannot be read.
        """
        from adreel.lake.difference import day_sums

        return day_sums(self._tables, slug, version, names, columns)

    def snapshot(
        self, tables: Mapping[str, str], columns: Mapping[str, ReaderColumns] | None = None, query: str = ""
    ) -> Snapshot:
        """What another process needs to read the newest versions of tables, each under a name; `columns` by name.

        Versions that `query` names, such as "ad_spend@3", are there too. Raises NotFoundError for a table or version
        that does not exist.
        """
        seen, nothing = columns or {}, ReaderColumns()
        views = {view: self.seen(slug, seen.get(view, nothing)).shown for view, slug in tables.items()}
        for view, table, version in version_views(query, tables):
            views[view] = self.seen(tables[table], seen.get(table, nothing), version).shown
        return Snapshot(self._storage.url, views)

    def connect(self, tables: Mapping[str, str]) -> Connection:
        """A DuckDB of this process in which each name is a view of a table, for SQL that adreel itself writes.

        Raises NotFoundError for a table that does not exist. SQL of people goes through `adreel.sandbox`.
        """
        from adreel.lake.query import Connection

        states = {view: self._tables.open(slug) for view, slug in tables.items()}
        return Connection(self._storage, states, answers=self._answers)

    def page(
        self,
        slug: str,
        *,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        where: Sequence[Filter] = (),
        order: Sequence[Order] = (),
        offset: int = 0,
        limit: int = 50,
        calculated: Sequence[CalculatedColumn] = (),
    ) -> RowPage:
        """Up to 1,000 rows of a version from row `offset` on, of those that all filters let through, in an order.

        Nulls are last in every order, and rows that are equal in it keep the table's own. Raises InputError for a
        column, operator, value or page that cannot be, naming it; NotFoundError for versions that cannot be read.
        """
        return self._browse().page(self.table(slug, version, calculated), columns, where, order, offset, limit)

    def statistics(
        self,
        slug: str,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        *,
        additive: Collection[str] = (),
        calculated: Sequence[CalculatedColumn] = (),
    ) -> tuple[ColumnStatistics, ...]:
        """What each column holds; `additive` are those that may be summed. Raises what `page` does."""
        return self._browse().statistics(self.table(slug, version, calculated), columns, additive)

    def _browse(self) -> Browser:
        from adreel.lake.browse import Browser

        with self._browsing:
            if self._browser is None:
                self._browser = Browser(self._storage)
            return self._browser
