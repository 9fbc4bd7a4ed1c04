"""A version brought to a destination that has no transaction over rows, proof and mark together.

The mark says beforehand what is going to be there, and after the proof that it is. Between the two the table is not
relied on: whoever meets such a mark sends the same changes again, which does no harm by key, or all rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from adreel.destinations.figures import SqlWords, TableFigures, figures, prove
from adreel.destinations.marks import TableMark, foreign, is_in_lake, refuse_changed
from adreel.destinations.publishing import Published, PublishMode, PublishOrder, day_column
from adreel.destinations.session import column_type
from adreel.errors import ProofError
from adreel.lake import Lake
from adreel.lake.engine import quoted
from adreel.lake.row_changes import RowChanges
from adreel.logs import logger_of

_VIEW = "published"

_UNKNOWN = -1
"""The version of a table whose rows are none of a version."""

_TYPES = {
    pa.string(): "TEXT",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.bool_(): "BOOLEAN",
}

logger = logger_of(__name__)


@dataclass(frozen=True, slots=True)
class CopyMark:
    """What a destination says of a table: the version there, and the run of one that is `pending` on top of it."""

    table: TableMark
    pending: str
    rows: int
    at: datetime

    def written(self) -> str:
        """The mark as JSON."""
        return json.dumps(
            {
                "publisher": self.table.publisher,
                "version": self.table.version,
                "run_id": self.table.run_id,
                "columns": dict(self.table.columns),
                "pending": self.pending,
                "rows": self.rows,
                "published_at": self.at.isoformat(),
            },
            ensure_ascii=False,
        )


def read_mark(text: str | bytes) -> CopyMark:
    """The mark that `CopyMark.written` wrote."""
    values = json.loads(text)
    table = TableMark(values["publisher"], values["version"], values["run_id"], values["columns"])
    return CopyMark(table, values["pending"], values["rows"], datetime.fromisoformat(values["published_at"]))


class TableCopy(Protocol):
    """A table at a destination. Faults are AdreelErrors, as of `DestinationSession`.

    `words` are those of its SQL in `figures`. Unless it is a `ChangingCopy`, it is replaced whole each time.
    """

    words: SqlWords

    def mark(self) -> CopyMark | None:
        """What the destination says of the table."""
        ...

    def write_mark(self, mark: CopyMark) -> None:
        """Has the destination say so; whoever dies in between leaves the earlier mark."""
        ...

    def exists(self) -> bool:
        """Whether the table is there."""
        ...

    def drop(self) -> None:
        """Takes the table away."""
        ...

    def replace(self, rows: Any, count: int) -> None:
        """Has the table hold these rows only, of a pyarrow RecordBatchReader; columns that are new are added."""
        ...

    def figures(self, schema: Any, day_column: str | None) -> TableFigures:
        """What proves the table, with the rows of each day if it has a column of days."""
        ...


@runtime_checkable
class ChangingCopy(TableCopy, Protocol):
    """A table at a destination that takes changes."""

    def change(self, changes: RowChanges) -> tuple[int, int]:
        """Brings the changes to the table; how many rows were written and removed."""
        ...


class FlaggedChanges:
    """Changes as one stream of rows with a last column `flag`: true where only the key counts and the row goes.

    Other rows have `stays` there. `written` and `removed` count what was read.
    """

    def __init__(self, changes: RowChanges, schema: Any, flag: str, stays: bool | None) -> None:
        self._changes = changes
        self._flag = pa.field(flag, pa.bool_())
        self._fields = schema
        self._stays = stays
        self.written = 0
        self.removed = 0

    def reader(self) -> Any:
        """The rows as a pyarrow RecordBatchReader, to be read once."""
        return pa.RecordBatchReader.from_batches(self._fields.append(self._flag), self._batches())

    def _batches(self) -> Iterator[Any]:
        # One after the other, as both come from one connection.
        for batch in self._changes.removed() if self._changes.key else ():
            self.removed += batch.num_rows
            yield self._flagged(batch, True)
        for batch in self._changes.written():
            self.written += batch.num_rows
            yield self._flagged(batch, self._stays)

    def _flagged(self, batch: Any, flag: bool | None) -> Any:
        names = frozenset(batch.schema.names)
        columns = [
            batch.column(field.name) if field.name in names else pa.nulls(batch.num_rows, field.type)
            for field in self._fields
        ]
        flags = pa.array([flag] * batch.num_rows, self._flag.type)
        return pa.RecordBatch.from_arrays([*columns, flags], schema=self._fields.append(self._flag))


class CopyPublisher:
    """One version on its way to a copy."""

    def __init__(self, copy: TableCopy, lake: Lake, order: PublishOrder, now: datetime) -> None:
        self._copy = copy
        self._lake = lake
        self._order = order
        self._now = now
        self._table = lake.table(order.slug, order.version)
        self._types = {field.name: column_type(field.type, _TYPES, "DECIMAL") for field in self._table.schema}

    def run(self) -> Published:
        """Brings the version there. Errors as `publishing.publish`, but the table may then be changed."""
        mark, is_there = self._copy.mark(), self._copy.exists()
        if mark is None and is_there:
            raise foreign(self._order.place)
        if mark is None or not is_there or self._order.reload:
            return self._load(mark, is_there=is_there)
        refuse_changed(mark.table, self._order.publisher, self._order.place, self._types)
        try:
            if mark.table.run_id == self._order.run_id and not mark.pending:
                self._compare()
                return Published(PublishMode.NOTHING, self._table.rows, 0, 0)
            changed = self._change(mark)
        except ProofError as error:
            # The copy was not that of the version before: somebody wrote to it.
            logger.warning("%s", error)
            return self._load(mark, is_there=True).after_repair(self._order.place)
        return changed or self._load(mark, is_there=True)

    def _change(self, mark: CopyMark) -> Published | None:
        """Sends what changed since the version there; None if that cannot be known."""
        if not isinstance(self._copy, ChangingCopy) or mark.pending not in ("", self._order.run_id):
            return None
        if mark.table.columns.keys() - self._types.keys() or not is_in_lake(self._lake, self._order.slug, mark.table):
            # Columns that are gone keep no values.
            return None
        with self._lake.row_changes(self._order.slug, mark.table.version, self._order.version) as changes:
            # Rows without a key that were sent already would be there twice.
            if changes is None or (mark.pending and not changes.key):
                return None
            columns = {**mark.table.columns, **self._types}
            table = replace(mark.table, columns=columns)
            self._copy.write_mark(replace(mark, table=table, pending=self._order.run_id, at=self._now))
            written, removed = self._copy.change(changes)
        self._prove(columns)
        return Published(PublishMode.CHANGES, self._table.rows, written, removed)

    def _load(self, mark: CopyMark | None, *, is_there: bool) -> Published:
        """Sends all rows."""
        earlier = {} if mark is None or self._order.reload else mark.table.columns
        columns = {**earlier, **self._types}
        unknown = TableMark(self._order.publisher, _UNKNOWN, "", columns)
        self._copy.write_mark(CopyMark(unknown, self._order.run_id, 0, self._now))
        if self._order.reload and is_there:
            self._copy.drop()
        self._copy.replace(self._lake.read(self._order.slug, self._order.version), self._table.rows)
        self._prove(columns)
        return Published(PublishMode.FULL, self._table.rows, self._table.rows, 0)

    def _prove(self, columns: Mapping[str, str]) -> None:
        """Raises ProofError unless the copy is the version's, and says that it is."""
        self._compare()
        table = TableMark(self._order.publisher, self._order.version, self._order.run_id, columns)
        self._copy.write_mark(CopyMark(table, "", self._table.rows, self._now))

    def _compare(self) -> None:
        """Raises ProofError unless the copy is the version's."""
        copy = self._copy.figures(self._table.schema, self._day_column)
        prove(self._version_figures, copy, str(self._order.place), is_undone=False)

    @cached_property
    def _version_figures(self) -> TableFigures:
        with self._lake.version_query(self._order.slug, self._order.version, _VIEW) as rows:
            return figures(rows, _VIEW, self._table.schema, quoted, self._day_column, self._copy.words.for_version)

    @cached_property
    def _day_column(self) -> str | None:
        return day_column(self._lake, self._order)
