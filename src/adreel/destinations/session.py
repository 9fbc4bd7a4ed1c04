"""A destination while it is open: SQL in one transaction. What each kind of database does its own way is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from adreel.destinations.figures import SqlWords
from adreel.lake.engine import quoted


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table is."""

    schema: str
    table: str

    @property
    def sql(self) -> str:
        """The name as SQL takes it."""
        return f"{quoted(self.schema)}.{quoted(self.table)}"

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


class RowWriters(Protocol):
    """How a database says which transaction wrote each row of a table.

    `transaction` is the number of the one that is open, of 64 bits; `writer` is that number as rows have it, and
    `column` the SQL for it in a row. `table` changes with whatever gives rows other values without writing them.
    """

    @property
    def column(self) -> str: ...  # noqa: D102 - above

    @property
    def transaction(self) -> int: ...  # noqa: D102 - above

    @property
    def table(self) -> str: ...  # noqa: D102 - above

    @property
    def writer(self) -> int: ...  # noqa: D102 - above

    def number(self, value: Any) -> int:
        """A value of `column` as a number."""
        ...

    def counts(self, place: Place, day: str, currency: str) -> Sequence[tuple[Any, ...]]:
        """Day, currency, transaction and number of the rows of a table."""
        ...


class DestinationSession(Protocol):
    """An open destination. Faults are AdreelErrors: RetryError for what passes, InputError for what people mend.

    `words` are those of its SQL in `figures`. `text_hash` is the SQL of a whole number for a text, in the place of {}.
    """

    words: SqlWords
    text_hash: str

    def transaction(self, lock: str) -> AbstractContextManager[None]:
        """One transaction, undone if the block raises; one at a time of those with the same `lock`."""
        ...

    def run(self, statement: str) -> None:
        """Runs a statement that has no answer."""
        ...

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        """The answer to a query."""
        ...

    def append(self, place: Place, batches: Any) -> None:
        """Appends the rows of a pyarrow RecordBatchReader to a table that has its columns."""
        ...

    def stage(self, name: str, batches: Any, key: Sequence[str] = ()) -> None:
        """Puts rows into a temporary table of this name, which goes at the end of the transaction or the session.

        `key` are the columns by which other tables are joined with it; without any, all may be.
        """
        ...

    def index(self, place: Place, column: str) -> None:
        """Has the table an index that begins with the column, where the database has a use for it."""
        ...

    def row_writers(self, place: Place) -> RowWriters | None:
        """Which transactions wrote the rows of a table; None where the database does not say, or not for sure."""
        ...

    def columns(self, place: Place) -> tuple[str, ...]:
        """The columns of a table; none if there is no such table."""
        ...

    def type_of(self, kind: Any) -> str:
        """The name of a pyarrow type."""
        ...


def column_type(kind: Any, names: Mapping[Any, str], decimal: str) -> str:
    """The name of a pyarrow type, of which `names` has those without parts, and `decimal` is that of exact numbers.

    Counts are BIGINT in `names`, as sums of INTEGER divide as whole numbers in Postgres.
    """
    if pa.types.is_decimal(kind):
        return f"{decimal}({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ" if kind.tz else "TIMESTAMP"
    if pa.types.is_list(kind):
        return f"{column_type(kind.value_type, names, decimal)}[]"
    return names[kind]
