"""Parts of a version that other processes read, of a cluster for example: one data file each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from adreel.errors import DamagedError
from adreel.lake.storage import Storage
from adreel.lake.tables import TableState, read_table
from adreel.language import integer, phrase


@dataclass(frozen=True, slots=True)
class TablePart:
    """One data file of a version of a table in the lake at `url`; another process can be sent it."""

    url: str
    table: TableState
    columns: tuple[str, ...] | None = None

    def batches(self) -> Iterator[Any]:
        """The rows as pyarrow RecordBatches, a row group at a time.

        Raises StorageError if the file cannot be read, and DamagedError at the end if it has fewer or more rows than
        the version says.
        """
        rows = 0
        for batch in read_table(Storage(self.url), self.table, self.columns):
            rows += batch.num_rows
            yield batch
        if rows != self.table.rows:
            raise DamagedError(
                phrase(
                    "The file %(file)s of the table %(table)s has %(rows)s rows, and version %(version)s has "
                    "%(expected)s rows there. Restore an earlier version, or run the dataset again.",
                    file=self.table.files[0].path,
                    table=self.table.slug,
                    version=self.table.version,
                    rows=integer(rows),
                    expected=integer(self.table.rows),
                )
            )


def table_parts(url: str, table: TableState, columns: tuple[str, ...] | None) -> tuple[TablePart, ...]:
    """The parts of a version; none of an empty one. A part has the rows of no other."""
    shown = table.shown
    return tuple(TablePart(url, replace(shown, files=(file,)), columns) for file in table.files)
