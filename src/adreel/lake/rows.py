"""The rows of one version in an order of their own: counted, ranked and picked without holding more than is shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from adreel.lake.calculated import CalculatedColumn, stored_names
from adreel.lake.columns import with_schema
from adreel.lake.engine import literal, quoted, sql
from adreel.lake.files import GROUP_ROWS, DataFile, read_file
from adreel.lake.filters import EVERY, Condition, Order, sql_type
from adreel.lake.query import file_paths, reads_files, seen_columns
from adreel.lake.storage import Storage
from adreel.lake.tables import TableState
from adreel.lake.text_hours import as_seen, text_columns

ROWS_OF_A_FILE = 2**40
"""No file has as many; a row's place is its file's number times this, plus its number in the file."""

NEAR = 20_000
"""Ranks up to here are found by keeping the first rows while all are read; that takes memory for each."""

FEW = 75_000
"""Rows that are sorted as they are: their keys take a few megabytes."""

SAMPLE = 16_000
SPREAD = SAMPLE // 100
"""A sample of so many tells a rank to within 0.8 % of all rows (twice the standard error), so 1 % to either side."""

READ_ROWS = 10_000
"""Rows of a batch."""

COLUMNS = 12
COLUMNS_NEARBY = 48
"""Columns that are read at a time, for rows from all over and from one or two row groups: each thread of DuckDB unpacks
a piece of each, about a megabyte."""

_PLACE = f"(CAST(file_index AS BIGINT) * {ROWS_OF_A_FILE} + CAST(file_row_number AS BIGINT))"
_NUMBERS = ("file_index", "file_row_number")
_ROWS = "numbered_rows"
_COMPUTED = "rows_to_compute"
_RANK = "@rank"


@dataclass(frozen=True, slots=True)
class _Key:
    """What rows are sorted by: an expression, its type, and the columns that it reads."""

    sql: str
    type: str
    descending: bool
    columns: tuple[str, ...]
    nulls_first: bool = False

    @property
    def direction(self) -> str:
        return f"{'DESC' if self.descending else 'ASC'} NULLS {'FIRST' if self.nulls_first else 'LAST'}"

    @property
    def backwards(self) -> _Key:
        return replace(self, descending=not self.descending, nulls_first=not self.nulls_first)


@dataclass(frozen=True, slots=True)
class _Region:
    """Rows that follow each other: how many are before them, and how many they are; `settled`: equal in the key."""

    condition: Condition
    before: int
    rows: int
    settled: bool


class TableRows:
    """The rows of a version for which a condition holds, in a DuckDB. Their own order is that of the table's files."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        storage: Storage,
        table: TableState,
        condition: Condition = EVERY,
    ) -> None:
        """`connection` is this object's alone while it is used."""
        self._connection = connection
        self._storage = storage
        self._table = table
        self._condition = condition

    def ask(self, select: str, columns: Iterable[str], tail: str = "", values: Sequence[str] = ()) -> Any:
        """`select` of the rows as an Arrow table, with `tail` after the WHERE clause; they read `columns`.

        `values` are for the places of `select`, or of `tail` if no condition has any.
        """
        return self._ask(select, columns, self._condition, tail, values)

    def count(self) -> int:
        """How many rows there are."""
        return int(self.ask("count(*) AS rows", ()).column(0)[0].as_py())

    def own_places(self, ranks: range) -> list[int]:
        """The places of these ranks in the table's own order, which the counts of its files tell without a look."""
        places: list[int] = []
        first = 0
        for number, file in enumerate(self._table.files):
            rows_of_file = range(max(0, ranks.start - first), min(file.rows, ranks.stop - first))
            places += (number * ROWS_OF_A_FILE + row for row in rows_of_file)
            first += file.rows
        return places

    def places(self, order: Sequence[Order], start: int, count: int, rows: int) -> list[int]:
        """The places of `wanted` rows from rank `start` on, of `rows` in all; equal rows keep the table's order."""
        schema = self._table.readable
        keys = [
            _Key(
                quoted(column_order.column),
                sql_type(schema.field(column_order.column).type),
                column_order.descending,
                (column_order.column,),
            )
            for column_order in order
        ]
        keys.append(_Key(_PLACE, "BIGINT", False, ()))
        late = 2 * start > rows
        if late:
            # The last page is as near as the first, seen from the other end.
            keys, start = [key.backwards for key in keys], rows - start - count
        places: list[int] = []
        while len(places) < count:
            places += self._run(keys, start + len(places), count - len(places), rows)
        return places[::-1] if late else places

    def pick(self, names: Sequence[str], places: Sequence[int]) -> Any:
        """The rows at these places, in the order of the places, as an Arrow table with these columns."""
        stored = stored_names(names, self._table.calculated)
        schema = pa.schema([self._table.schema.field(name) for name in stored])
        rank = {place: number for number, place in enumerate(sorted(set(places)))}
        by_file: dict[int, list[int]] = defaultdict(list)
        for place in rank:
            number, row = divmod(place, ROWS_OF_A_FILE)
            by_file[number].append(row)
        order = [rank[place] for place in places]
        nearby = len(places) > 0 and max(places) - min(places) < GROUP_ROWS
        step = COLUMNS_NEARBY if nearby else COLUMNS
        columns: list[Any] = []
        for first in range(0, len(schema), step):
            part = pa.schema(list(schema)[first : first + step])
            tables = [self._picked(self._table.files[number], rows, part) for number, rows in by_file.items()]
            columns += _in_order(pa.concat_tables(tables), order).columns if tables else part.empty_table().columns
        shown = pa.schema([self._table.readable.field(name) for name in names])
        return computed(self._connection, pa.table(columns, schema=schema), shown, self._table.calculated)

    def read(self, names: Sequence[str], order: Sequence[Order]) -> Iterator[Any]:
        """All rows in an order, batch by batch; nulls are last, and equal rows keep the table's order.

        DuckDB sorts them on disk where they do not fit into memory.
        """
        schema = pa.schema([self._table.readable.field(name) for name in names])
        keys = [
            f"{quoted(column_order.column)} {'DESC' if column_order.descending else 'ASC'} NULLS LAST"
            for column_order in order
        ]
        columns = {*names, *(column_order.column for column_order in order)}
        select = self._select(", ".join(map(quoted, names)), columns, self._condition)
        query = sql(select, "ORDER BY", ", ".join([*keys, *_NUMBERS]))
        reader = self._connection.execute(query, list(self._condition.values)).to_arrow_reader(READ_ROWS)
        for batch in reader:
            yield from pa.Table.from_batches([batch]).cast(schema).to_batches()

    def _picked(self, file: DataFile, rows: list[int], schema: Any) -> Any:
        """Some rows of a file, in its order."""
        if not reads_files(self._storage):
            return pa.Table.from_batches(_chosen(self._storage, self._table.slug, file, rows, schema), schema)
        names = seen_columns(schema.names, text_columns(schema))
        (path,) = file_paths(self._storage, self._table.slug, [file])
        together = rows[-1] - rows[0] == len(rows) - 1
        which = f"BETWEEN {rows[0]} AND {rows[-1]}" if together else f"IN ({', '.join(map(str, rows))})"
        query = sql("SELECT", names, "FROM read_parquet(", literal(path), ") WHERE file_row_number", which)
        query = sql(query, "ORDER BY file_row_number")
        return _with_types(self._connection.execute(query).to_arrow_table(), schema)

    # -- ranks

    def _run(self, keys: list[_Key], start: int, count: int, rows: int) -> list[int]:
        """At least one and at most `wanted` places from rank `start` on.

        A sort of all rows would need memory for all of them, or minutes. So the rank is closed in on: two values of a
        sample lie close before and behind it, and counting says where it is for sure.
        """
        condition = self._condition
        while rows > FEW and start + count > NEAR:
            region = self._region(keys[0], condition, start, rows)
            condition = _both(condition, region.condition)
            start, rows = start - region.before, region.rows
            if region.settled:
                keys = keys[1:]
        order = ", ".join(f"{key.sql} {key.direction}" for key in keys)
        tail = f"ORDER BY {order} LIMIT {min(count, rows - start)} OFFSET {start}"
        columns = [name for key in keys for name in key.columns]
        places: list[int] = self._ask(f"{_PLACE} AS place", columns, condition, tail).column(0).to_pylist()
        return places

    def _region(self, key: _Key, condition: Condition, start: int, rows: int) -> _Region:
        """Where rank `start` is, between the values of a sample."""
        regions = list(_regions(key, self._bounds(key, condition, start, rows)))
        counts = ", ".join(f"count(*) FILTER (WHERE {region.sql})" for region, _ in regions)
        values = [value for region, _ in regions for value in region.values]
        counted = self._ask(counts, key.columns, condition, "", values)
        before = 0
        for (region, settled), column in zip(regions, counted.columns, strict=True):
            number = column[0].as_py()
            if start < before + number:
                return _Region(region, before, number, settled)
            before += number
        raise AssertionError("the regions hold all rows")

    def _bounds(self, key: _Key, condition: Condition, start: int, rows: int) -> list[str]:
        """Values of a sample a little before and behind the rank; fewer if they are equal or null."""
        every = self._select(f"{key.sql} AS key", key.columns, condition)
        sample = sql("(", every, f") TABLESAMPLE reservoir({SAMPLE} ROWS)")
        query = sql("SELECT CAST(key AS VARCHAR) FROM", sample, "ORDER BY key", key.direction)
        sampled = self._run_query(query, condition.values).column(0).to_pylist()
        spot = start * len(sampled) // rows
        around = (sampled[max(0, spot - SPREAD)], sampled[min(len(sampled) - 1, spot + SPREAD)])
        return [value for value in dict.fromkeys(around) if value is not None]

    # -- queries

    def _ask(
        self, select: str, columns: Iterable[str], condition: Condition, tail: str = "", values: Sequence[str] = ()
    ) -> Any:
        return self._run_query(sql(self._select(select, columns, condition), tail), (*values, *condition.values))

    def _run_query(self, query: str, values: Sequence[str]) -> Any:
        return self._connection.execute(query, list(values)).to_arrow_table()

    def _select(self, select: str, columns: Iterable[str], condition: Condition) -> str:
        return sql("SELECT", select, "FROM", self._source({*columns, *condition.columns}), "WHERE", condition.sql)

    def _source(self, columns: Collection[str]) -> str:
        """What SQL reads the columns of, with the numbers of files and rows; a stream can be read once."""
        chosen = [column for column in self._table.calculated if column.name in columns]
        stored = stored_names(columns, chosen)
        if reads_files(self._storage) and self._table.files:
            paths = ", ".join(map(literal, file_paths(self._storage, self._table.slug, self._table.files)))
            source = f"read_parquet([{paths}])"
            texts = text_columns(self._table.schema).intersection(stored)
            if texts:
                source = sql("(SELECT", seen_columns((*stored, *_NUMBERS), texts), "FROM", source, ")")
        else:
            self._connection.register(_ROWS, _numbered(self._storage, self._table, stored))
            source = _ROWS
        if not chosen:
            return source
        shown = [*map(quoted, stored), *_NUMBERS, *(column.select for column in chosen)]
        return sql("(SELECT", ", ".join(shown), "FROM", source, ")")


def computed(
    connection: duckdb.DuckDBPyConnection, rows: Any, schema: Any, calculated: Sequence[CalculatedColumn]
) -> Any:
    """The columns of `schema` as an Arrow table of `rows`, a table with what is stored of them, in its order."""
    by_name = {column.name: column for column in calculated if column.name in schema.names}
    if not by_name:
        return _with_types(rows.select(schema.names), schema)
    connection.register(_COMPUTED, rows.append_column(_RANK, pa.array(range(rows.num_rows), pa.int64())))
    try:
        select = ", ".join(column.select for column in by_name.values())
        query = sql("SELECT", select, "FROM", _COMPUTED, "ORDER BY", quoted(_RANK))
        values = connection.execute(query).to_arrow_table()
    finally:
        connection.unregister(_COMPUTED)
    columns = [(values if field.name in by_name else rows).column(field.name).cast(field.type) for field in schema]
    return pa.table(columns, schema=schema)


def _both(condition: Condition, other: Condition) -> Condition:
    return Condition(
        f"({condition.sql}) AND ({other.sql})", condition.values + other.values, condition.columns + other.columns
    )


def _regions(key: _Key, bounds: list[str]) -> Iterator[tuple[Condition, bool]]:
    """The rows before, at, between and behind the bounds, and those without a value, in the order of the key."""
    if key.nulls_first:
        yield Condition(f"{key.sql} IS NULL", (), key.columns), True
    value = f"CAST(? AS {key.type})"
    before, behind = (f"{key.sql} {sign} {value}" for sign in ("><" if key.descending else "<>"))
    for number, bound in enumerate(bounds):
        if number == 0:
            yield Condition(before, (bound,), key.columns), False
        else:
            yield Condition(f"{behind} AND {before}", (bounds[number - 1], bound), key.columns), False
        yield Condition(f"{key.sql} = {value}", (bound,), key.columns), True
    last = f"{behind}" if bounds else f"{key.sql} IS NOT NULL"
    yield Condition(last, tuple(bounds[-1:]), key.columns), False
    if not key.nulls_first:
        yield Condition(f"{key.sql} IS NULL", (), key.columns), True


FEW_ROWS = 64
"""Rows that are put in order one by one, within a millisecond: those of a page as it opens."""


def _in_order(table: Any, order: list[int]) -> Any:
    """A page of rows in another order. Few go row by row: Arrow's own way would load 9 MB of functions for them."""
    if order == list(range(table.num_rows)):
        return table
    if len(order) > FEW_ROWS:
        return table.take(pa.array(order, pa.int64()))
    return pa.concat_tables([table.slice(row, 1) for row in order]).combine_chunks()


def _with_types(table: Any, schema: Any) -> Any:
    """The table with this schema; only other types take a cast."""
    if table.schema.types == schema.types:
        return pa.Table.from_arrays(table.columns, schema=schema)
    return table.cast(schema)


def _numbered(storage: Storage, table: TableState, columns: Collection[str]) -> Any:
    """Columns of a version as a stream, with the number of each row's file and its number there."""
    file_schema = pa.schema([table.schema.field(name) for name in table.schema.names if name in columns])
    schema = pa.schema([*file_schema, *(pa.field(name, pa.int64()) for name in _NUMBERS)])

    def batches() -> Iterator[Any]:
        for number, file in enumerate(table.files):
            first = 0
            for batch in read_file(storage, table.slug, file, file_schema):
                rows = pa.arange(first, first + batch.num_rows)
                numbers = [pa.repeat(pa.scalar(number, pa.int64()), batch.num_rows), rows]
                yield pa.RecordBatch.from_arrays([*batch.columns, *numbers], schema=schema)
                first += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, batches())


def _chosen(storage: Storage, slug: str, file: DataFile, rows: list[int], schema: Any) -> Iterator[Any]:
    """Some rows of a file, in its order, by way of pyarrow's file systems; only their row groups are read."""
    with storage.files.open_input_file(f"{slug}/{file.path}") as stream:
        parquet = pq.ParquetFile(stream, pre_buffer=storage.folder is None)
        names = [name for name in parquet.schema_arrow.names if name in schema.names]
        first = 0
        for group in range(parquet.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            group_rows = [row - first for row in rows if first <= row < first + count]
            if group_rows:
                table = parquet.read_row_group(group, columns=names, use_threads=False).take(pa.array(group_rows))
                yield from (with_schema(as_seen(batch, schema), schema) for batch in table.to_batches())
            first += count
