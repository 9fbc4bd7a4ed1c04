"""SQL over tables: each version is a view that reads only what a query asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import duckdb

from adreel.errors import InputError
from adreel.lake.engine import literal, quoted, sql, start
from adreel.lake.files import DataFile
from adreel.lake.place import Place
from adreel.lake.tables import TableState, dataset_of, open_table

MEMORY = "256MB"
"""What a person's query may hold; more goes to disk."""

THREADS = 4

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

_GLOB = frozenset("*?[")


class Connection:
    """A DuckDB whose views are tables of the lake, as they were when it was opened; to be closed or used with `with`.

    SQL reads the views and nothing else of the machine or the network; it may make tables of its own, in memory.
    """

    def __init__(self, place: Place, tables: Mapping[str, str]) -> None:
        """`tables` says which table each view shows. Raises NotFoundError for a table that does not exist."""
        opened = {view: open_table(place, slug) for view, slug in tables.items()}
        self._folder = TemporaryDirectory(prefix="adreel-")
        self._connection = start(self._folder.name, MEMORY, THREADS)
        try:
            for view, table in opened.items():
                create_view(self._connection, view, place, table)
            self._lock(path for table in opened.values() for path in _paths(place, table.slug, table.files))
        except BaseException:
            self.close()
            raise

    def sql(self, query: str) -> duckdb.DuckDBPyRelation | None:
        """The answer to the last statement of `query`; None if it has none, as with CREATE.

        Raises InputError for statements other than SELECT and work on tables in memory, and DuckDB's own errors.
        """
        for statement in duckdb.extract_statements(query):
            if statement.type not in _ALLOWED:
                raise InputError(
                    f"A {statement.type.name} statement cannot be used here; queries read tables (SELECT) and may "
                    "make tables of their own in memory."
                )
        return self._connection.sql(query)

    def close(self) -> None:
        """Ends DuckDB and removes what it kept on disk."""
        self._connection.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self, paths: Iterable[str]) -> None:
        allowed = ", ".join(map(literal, paths))
        for setting in (
            f"allowed_paths = [{allowed}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            self._connection.execute(f"SET {setting}")


def create_view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    place: Place,
    table: TableState,
    files: tuple[DataFile, ...] | None = None,
) -> None:
    """A view over a table, or over some of its files.

    In a folder DuckDB reads the files itself: a sixth of the memory that it takes by way of a pyarrow dataset, which
    is the way for object stores.
    """
    chosen = table.files if files is None else files
    if not chosen:
        connection.register(name, table.schema.empty_table())
    elif place.folder is None or _GLOB & set(place.url):
        connection.register(name, dataset_of(place, table, chosen))
    else:
        paths = ", ".join(map(literal, _paths(place, table.slug, chosen)))
        columns = ", ".join(map(quoted, table.schema.names))
        query = sql("SELECT", columns, f"FROM read_parquet([{paths}])")
        connection.execute(sql("CREATE VIEW", quoted(name), "AS", query))


def _paths(place: Place, slug: str, files: Iterable[DataFile]) -> list[str]:
    if place.folder is None:
        return []
    return [str(place.folder / slug / file.path) for file in files]
