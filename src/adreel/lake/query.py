"""SQL over tables: each version is a view that reads only what a query asks for."""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from adreel.errors import InputError
from adreel.lake.engine import literal, lock, quoted, sql, start
from adreel.lake.files import DataFile
from adreel.lake.sql_check import NESTED, check_select
from adreel.lake.sql_errors import has_place, one_line_up, query_error
from adreel.lake.storage import Storage
from adreel.lake.tables import Answers, TableState, dataset_of
from adreel.lake.text_hours import text_columns
from adreel.language import phrase

MEMORY = "256MB"
"""What a connection may hold by default; more goes to disk."""

THREADS = 4

READ_ROWS = 10_000

KEPT_ROWS = 2_000
"""An answer with more rows is not kept."""

_ALLOWED = frozenset(
    {
        duckdb.StatementType.SELECT,
        duckdb.StatementType.CREATE,
        duckdb.StatementType.DROP,
        duckdb.StatementType.INSERT,
        duckdb.StatementType.UPDATE,
        duckdb.StatementType.DELETE,
    }
)
"""Statements that read the views or work on tables in memory. COPY is not among them: the files that DuckDB may read
are files that it may write."""

_READING = frozenset({duckdb.StatementType.SELECT})

_GLOB = frozenset("*?[")

_STORED = " (stored)"
"""Behind the name of a view: what it reads, where that is no file. No dataset's name has it."""

_OUT_OF_MEMORY = re.compile(
    "bad_alloc|bad allocation|[Ff]ailed to allocate|malloc of size|Cannot allocate memory|memory allocation failed"
)
"""How DuckDB and Arrow say that the system gave no more memory, in errors of other classes."""


_ABSENT_TABLE = re.compile(
    r'(?P<fault>Catalog Error: Table with name (?P<name>.+) does not exist!)\nDid you mean "(?P<meant>.+)"\?'
)
"""How DuckDB refuses a table that does not exist; it may suggest one of its catalog, which no query may read."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a connection may take: memory, disk (as DuckDB writes sizes), and a folder of the caller's."""

    memory: str = MEMORY
    disk: str | None = None
    threads: int = THREADS
    folder: str | None = None


class Connection:
    """A DuckDB whose views are tables of the lake, as they were when it was opened; to be closed or used with `with`.

    SQL reads the views and nothing else of the machine or the network; it may make tables of its own, in memory.
    """

    def __init__(
        self,
        storage: Storage,
        tables: Mapping[str, TableState],
        bounds: Bounds = Bounds(),
        *,
        read_only: bool = False,
        answers: Answers | None = None,
    ) -> None:
        """`tables` says what each view shows. With `read_only` only a SELECT of the views is taken, with harmless
        functions. `answers` keeps those of `kept_rows`.
        """
        self._answers = answers
        self._content = tuple((view, *tables[view].content) for view in sorted(tables))
        self._storage = storage
        self._views = frozenset(view.casefold() for view in tables)
        self._read_only = read_only
        self._own_folder = None if bounds.folder else TemporaryDirectory(prefix="adreel-")
        self._folder = self._own_folder.name if self._own_folder else str(bounds.folder)
        self._connection = start(self._folder, bounds.memory, bounds.threads, bounds.disk)
        try:
            with self._errors_translated():
                for view, table in tables.items():
                    create_view(self._connection, view, storage, table)
            paths = [path for table in tables.values() for path in file_paths(storage, table.slug, table.files)]
            lock(self._connection, paths=paths)
        except BaseException:
            self.close()
            raise

    def sql(self, query: str) -> duckdb.DuckDBPyRelation | None:
        """The answer to the last statement of `query`; None if it has none, as with CREATE.

        The answer is worked out while it is read. Raises InputError for no statement, for an answer before the last
        statement, for statements other than SELECT and work on tables in memory, and DuckDB's own errors.
        """
        if re.search("[\0\ud800-\udfff]", query):
            raise InputError(phrase("The query has characters that are not text; retype it."))
        # By this connection, which is locked: IMPORT DATABASE reads files already when it is taken apart.
        statements = self._connection.extract_statements(query)
        if not statements:
            raise InputError(phrase("The query is empty. Write a SELECT over one of the tables."))
        for statement in statements:
            if statement.type not in (_READING if self._read_only else _ALLOWED):
                raise InputError(
                    phrase(
                        "A %(statement)s statement cannot be used here; %(use)s.",
                        statement=statement.type.name,
                        use=self._use(query),
                    )
                )
        if self._read_only:
            check_select(self._connection, query, self._views)
        elif duckdb.StatementType.SELECT in (statement.type for statement in statements[:-1]):
            raise InputError(
                phrase(
                    "There are %(count)s statements, and only the last may be a SELECT. Run one at a time.",
                    count=len(statements),
                )
            )
        return self._connection.sql(query)

    def rows(self, query: str, limit: int) -> Any | None:
        """The first `limit` rows of the answer as a pyarrow Table; None if there is no answer, as with CREATE.

        Raises InputError for what `sql` refuses, QueryError for SQL that DuckDB cannot do, MemoryError, and
        OSError for a disk that is full.
        """
        with self._errors_translated(query):
            answer = self.sql(query)
            return None if answer is None else answer.limit(limit).to_arrow_table()

    def kept_rows(self, query: str) -> list[tuple[Any, ...]]:
        """The few rows of a SELECT of the views alone; the same question about the same versions is answered once.

        Raises what `sql` does.
        """
        key = (self._content, query)
        rows = self._answers.find(key) if self._answers is not None else None
        if rows is None:
            answer = self.sql(query)
            rows = [] if answer is None else answer.fetchall()
            if self._answers is not None and len(rows) <= KEPT_ROWS:
                self._answers.keep(key, rows)
        return rows

    def reader(self, query: str) -> Any | None:
        """The answer as a pyarrow RecordBatchReader, to be read while the connection is open; None if there is none.

        Raises what `rows` does, also while it is read.
        """
        with self._errors_translated(query):
            answer = self.sql(query)
            if answer is None:
                return None
            batches = answer.to_arrow_reader(READ_ROWS)
        return pa.RecordBatchReader.from_batches(batches.schema, self._batches(batches, query))

    def close(self) -> None:
        """Ends DuckDB and removes what it kept on disk."""
        self._connection.close()
        if self._own_folder is not None:
            self._own_folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _use(self, query: str) -> str:
        """What can be used in place of a statement that is refused."""
        if not self._read_only:
            return phrase("queries read tables (SELECT) and can create tables in memory")
        if "pivot" in query.casefold():
            return phrase("queries read tables (SELECT), and PIVOT needs its values: PIVOT ... ON column IN (...)")
        return phrase("queries read tables (SELECT)")

    def _batches(self, batches: Any, query: str) -> Iterator[Any]:
        while True:
            with self._errors_translated(query):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    @contextmanager
    def _errors_translated(self, query: str = "") -> Iterator[None]:
        """Turns DuckDB's errors, which may be about `query`, into ours."""
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            if "max_temp_directory_size" in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise MemoryError from error
        except (duckdb.Error, pa.ArrowException) as error:
            if isinstance(error, pa.ArrowMemoryError) or _OUT_OF_MEMORY.search(str(error)):
                raise MemoryError from error
            if self._storage.folder and str(self._storage.folder) in str(error):
                # SQL cannot name the lake's files: one of them is gone or damaged.
                raise self._storage.fault(error, phrase("the tables")) from None
            if "max_expression_depth" in str(error):
                raise InputError(NESTED) from error
            raise query_error(self._reason(error), query, self._shown_place(error, query)) from error

    def _shown_place(self, error: Exception, query: str) -> str:
        """DuckDB's message with the place that it leaves out where an answer is only read when it is needed."""
        if (
            not query
            or not isinstance(error, duckdb.BinderException | duckdb.CatalogException)
            or has_place(str(error))
        ):
            return str(error)
        try:
            # Takes the query apart without running it. The line of its own keeps the columns as they are.
            self._connection.execute(f"EXPLAIN\n{query}").fetchall()
        except duckdb.Error as again:
            return one_line_up(str(again))
        return str(error)

    def _reason(self, error: Exception) -> str:
        """What DuckDB says, without where it keeps what does not fit into memory, and without tables of its own."""
        text = str(error).replace(self._folder, "...")
        absent = _ABSENT_TABLE.match(text)
        if absent is None or absent["meant"].casefold() in self._views:
            return text
        names = difflib.get_close_matches(absent["name"].casefold(), self._views, 1)
        meant = f'\nDid you mean "{names[0]}"?' if names else ""
        return absent["fault"] + meant + text[absent.end() :]


def create_view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    storage: Storage,
    table: TableState,
    files: tuple[DataFile, ...] | None = None,
) -> None:
    """A view over a table, or over some of its files.

    In a folder DuckDB reads the files itself: a sixth of the memory that it takes by way of a pyarrow dataset, which
    is the way for object stores.
    """
    chosen = table.files if files is None else files
    texts = text_columns(table.schema)
    if chosen and reads_files(storage):
        paths = ", ".join(map(literal, file_paths(storage, table.slug, chosen)))
        source = f"read_parquet([{paths}])"
    else:
        as_stored = not texts and table.readable.names == table.schema.names
        registered = name if as_stored else f"{name}{_STORED}"
        rows = dataset_of(storage, table, chosen) if chosen else table.schema.empty_table()
        connection.register(registered, rows)
        if as_stored:
            return
        source = quoted(registered)
    computed = {column.name: column.select for column in table.calculated}
    columns = [computed.get(column) or seen_columns((column,), texts) for column in table.readable.names]
    query = sql("SELECT", ", ".join(columns), "FROM", source)
    connection.execute(sql("CREATE VIEW", quoted(name), "AS", query))


def seen_columns(names: Iterable[str], texts: Collection[str]) -> str:
    """SQL that selects columns of files, hours that are kept as text as timestamps."""
    return ", ".join(
        f"CAST({quoted(name)} AS TIMESTAMP) AS {quoted(name)}" if name in texts else quoted(name) for name in names
    )


def reads_files(storage: Storage) -> bool:
    """Whether DuckDB reads the files itself: not those of object stores, nor names that it takes for patterns."""
    return storage.folder is not None and not _GLOB & set(storage.url)


def file_paths(storage: Storage, slug: str, files: Iterable[DataFile]) -> list[str]:
    """Where the files are; none in an object store."""
    if storage.folder is None:
        return []
    return [str(storage.folder / slug / file.path) for file in files]
