"""The rows of one day, or of all, that differ between two versions, each with its values before and after, in an order.

Of all rows only keys and sizes are kept in DuckDB, which has a disk for what memory does not hold. Whole rows are read
for the part of them that is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from adreel.errors import InputError
from adreel.lake.columns import wider_type
from adreel.lake.difference import HERE, MEMORY, create_views, noted_versions, open_both, sql_type_of
from adreel.lake.engine import engine, lock, quoted, sql
from adreel.lake.filters import Filter, Kind, condition, kind_of
from adreel.lake.query import reads_files
from adreel.lake.tables import TableCache, TableState
from adreel.language import phrase

SLICE_CELLS = 1_000_000
"""Values of the larger side that are joined at a time; `MEMORY` holds them twice over."""

_MATCHES = quoted("matches the filters")
_KEYS = "changed_keys"


@dataclass(frozen=True, slots=True)
class ChangedRowsQuery:
    """Which rows: those of `day` (None for all) that hold in one of the versions to `where`.

    `by` is the column whose change they are sorted by, the largest first; None for the order of the key. `owner` and
    `unit` are columns that say whose row it is, and in which unit, such as the currency, its `sums` are. `by_unit`
    sorts by the unit first, with `first_unit` before the others.
    """

    day: date | None = None
    where: tuple[Filter, ...] = ()
    by: str | None = None
    owner: str | None = None
    unit: str | None = None
    sums: tuple[str, ...] = ()
    by_unit: bool = False
    first_unit: str = ""


Place = tuple[Any, date | None]
"""An owner of rows, and a day."""


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row that differs; None where it is not in the version. The key is in both."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ChangedRowsHead:
    """What there is: counts of rows, the key, and how many rows each other column of both versions differs in.

    `sums` has the change of each summed column by unit, of units with rows that differ; `units` are these units.
    `schema` is of the later version, for the columns that both have.
    """

    changed: int
    added: int
    removed: int
    key: tuple[str, ...]
    values_changed: Mapping[str, int]
    schema: Any
    day_column: str | None
    units: tuple[Any, ...]
    sums: Mapping[str, Mapping[Any, Any]]

    @property
    def total(self) -> int:
        """All rows that differ."""
        return self.changed + self.added + self.removed


@contextmanager
def open_changed_rows(
    tables: TableCache, slug: str, before: int, after: int, query: ChangedRowsQuery
) -> Iterator[ChangedRowsReader]:
    """The changed rows, to be read in parts while the block runs; see `Lake.changed_rows`."""
    storage = tables.storage
    noted = noted_versions(storage, slug)
    old, new = open_both(tables, slug, (before, after), noted, ())
    note = noted.get(after)
    shared = [name for name in new.schema.names if name in old.schema.names]
    key = tuple(note.key) if note else ()
    if not key or not set(key) <= set(shared):
        raise InputError(
            phrase(
                "Versions %(before)s and %(after)s share no primary key, so their rows cannot be matched. "
                "Compare other versions, or give the dataset a primary key.",
                before=before,
                after=after,
            )
        )
    day = note.day_column if note and note.day_column in key else None
    # Of a column whose values left a version nothing can be summed.
    query = replace(query, sums=tuple(name for name in query.sums if name in shared))
    with storage.guard(phrase("the table %(table)s", table=slug)), engine(MEMORY) as connection:
        create_views(connection, storage, old, new)
        lock(connection, folders=[str(storage.folder)] if reads_files(storage) else [])
        yield ChangedRowsReader(connection, old, new, _RowsQuestion(query, key, day, tuple(shared)))


@dataclass(frozen=True, slots=True)
class _RowsQuestion:
    """What is asked, and the columns of both versions."""

    query: ChangedRowsQuery
    key: tuple[str, ...]
    day: str | None
    shared: tuple[str, ...]

    @property
    def valued(self) -> tuple[str, ...]:
        """The columns outside the key."""
        return tuple(name for name in self.shared if name not in self.key)


@dataclass(slots=True)
class ChangedRowsReader:
    """Changed rows in a DuckDB. The first call compares the versions."""

    _connection: duckdb.DuckDBPyConnection
    _old: TableState
    _new: TableState
    _question: _RowsQuestion
    _compared: bool = field(default=False)
    _kept: str = field(default="TRUE")
    _head: ChangedRowsHead | None = field(default=None)

    def head(self) -> ChangedRowsHead:
        """What there is. Raises InputError for a filter or an order that the columns cannot have."""
        if not self._compared:
            self._compare()
            self._compared = True
        if self._head is None:
            self._head = self._counted()
        return self._head

    def sort_by(self, name: str, *, by_unit: bool = False) -> None:
        """Sorts by the change of another metric. The next call compares anew."""
        self._question = replace(self._question, query=replace(self._question.query, by=name, by_unit=by_unit))
        self._compared, self._head = False, None

    @property
    def first_unit(self) -> str:
        """The unit whose rows come first."""
        return self._question.query.first_unit

    def places(self) -> Mapping[Place, int]:
        """How many rows differ of each owner on each day."""
        self.head()
        counts = sql('SELECT "owner", "on", count(*) FROM', _KEYS, "GROUP BY ALL")
        return {(owner, day): int(count) for owner, day, count in self._connection.execute(counts).fetchall()}

    def keep(self, places: Sequence[Place]) -> None:
        """Leaves out the rows of all other owners and days, in counts and sums too."""
        owners, days = [place[0] for place in places], [place[1] for place in places]
        columns = "SELECT unnest(?::VARCHAR[]) AS kept_owner, unnest(?::DATE[]) AS kept_day"
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE kept_places AS {columns}", [owners, days])
        self._kept = (
            'EXISTS (SELECT 1 FROM kept_places p WHERE p.kept_owner IS NOT DISTINCT FROM "owner"'
            ' AND p.kept_day IS NOT DISTINCT FROM "on")'
        )
        self._head = None

    def rows(self, offset: int, limit: int) -> list[ChangedRow]:
        """Some of the rows from `offset` on."""
        self.head()
        names = ", ".join(map(quoted, self._question.key))
        query = self._question.query
        units = '"unit" IS DISTINCT FROM ?, "unit" NULLS LAST,' if query.by_unit else ""
        ordered = sql(
            "SELECT", names, "FROM", _KEYS, "WHERE", self._kept, "ORDER BY", units, '"size" DESC NULLS LAST,', names
        )
        # A table, as both sides look into it.
        self._connection.execute(
            sql("CREATE OR REPLACE TEMP TABLE shown AS", ordered, f"LIMIT {int(limit)} OFFSET {int(offset)}"),
            [query.first_unit] if query.by_unit else [],
        )
        old, new = self._shown("old_rows"), self._shown("new_rows")
        keys = self._connection.execute(sql("SELECT", names, "FROM shown")).to_arrow_table().to_pylist()
        places = [tuple(row[name] for name in self._question.key) for row in keys]
        rows = [ChangedRow(old.get(place), new.get(place)) for place in places]
        return [row for row in rows if row.before is not None or row.after is not None]

    # -- comparison

    def _compare(self) -> None:
        """Fills the table of keys."""
        question, by = self._question, self._question.query.by
        if by is not None and (by not in question.valued or kind_of(self._kind(by)) is not Kind.NUMBER):
            raise InputError(
                phrase(
                    "%(column)s is no metric of both versions; sort by one of %(metrics)s.",
                    column=by,
                    metrics=", ".join(self._numbers),
                )
            )
        self._refuse_repeated_keys()
        names = list(question.valued)
        changed = f"o.{HERE} AND n.{HERE}"
        size = f"abs({self._number('n', by)} - {self._number('o', by)})" if by is not None else "0"
        keys = [
            f"coalesce({self._value('n', name)}, {self._value('o', name)}) AS {quoted(name)}" for name in question.key
        ]
        flags = [f"({changed} AND {self._differs(name)}) AS c{number}" for number, name in enumerate(names)]
        steps = [
            f"{self._number('n', name)} - {self._number('o', name)} AS s{number}"
            for number, name in enumerate(question.query.sums)
        ]
        differ = " OR ".join(self._differs(name) for name in names) or "FALSE"
        select = sql(
            "SELECT",
            ", ".join(
                [
                    *keys,
                    f'{size} AS "size"',
                    f'o.{HERE} AS "old"',
                    f'n.{HERE} AS "new"',
                    f'{self._text(question.query.owner)} AS "owner"',
                    f'{self._text(question.query.unit)} AS "unit"',
                    f'{self._day_of_row()} AS "on"',
                    *flags,
                    *steps,
                ]
            ),
            "FROM {} o FULL JOIN {} n ON {}",
            f"WHERE (o.{_MATCHES} OR n.{_MATCHES}) AND (o.{HERE} IS NULL OR n.{HERE} IS NULL OR {differ})",
        )
        on = " AND ".join(f"{self._value('o', name)} = {self._value('n', name)}" for name in question.key)
        conditions = [condition(self._shared_schema, column_filter) for column_filter in question.query.where]
        matches = " AND ".join(f"({part.sql})" for part in conditions) or "TRUE"
        values = [value for part in conditions for value in part.values]
        begun = False
        for part in self._parts():
            old, new = (
                sql("(SELECT *, TRUE AS", HERE, f", coalesce({matches}, FALSE) AS {_MATCHES} FROM", view)
                + f" v WHERE {part})"
                for view in ("old_rows", "new_rows")
            )
            verb = f"INSERT INTO {_KEYS}" if begun else f"CREATE OR REPLACE TEMP TABLE {_KEYS} AS"
            self._connection.execute(f"{verb} {select.format(old, new, on)}", values * 2)
            begun = True

    def _counted(self) -> ChangedRowsHead:
        """What is in the table of keys."""
        question, names = self._question, self._question.valued
        counts = [f"count(*) FILTER (c{number})" for number in range(len(names))]
        kinds = ('"old" AND "new"', '"old" IS NULL', '"new" IS NULL')
        row = self._select(", ".join([*(f"count(*) FILTER ({kind})" for kind in kinds), *counts])).fetchone()
        assert row is not None, "an aggregate has one row"
        differing = {name: int(count) for name, count in zip(names, row[3:], strict=True) if count}
        sums = [f"sum(s{number})" for number in range(len(question.query.sums))]
        by_unit = self._select(", ".join(['"unit"', *sums]), "GROUP BY 1 ORDER BY 1 NULLS LAST").fetchall()
        return ChangedRowsHead(
            int(row[0]),
            int(row[1]),
            int(row[2]),
            question.key,
            differing,
            self._shared_schema,
            question.day,
            tuple(unit for unit, *_ in by_unit),
            {
                name: {unit: values[number] for unit, *values in by_unit}
                for number, name in enumerate(question.query.sums)
            },
        )

    def _select(self, columns: str, rest: str = "") -> duckdb.DuckDBPyConnection:
        return self._connection.execute(sql("SELECT", columns, "FROM", _KEYS, "WHERE", self._kept, rest))

    def _refuse_repeated_keys(self) -> None:
        """Raises InputError if a key names several rows of a version: which of them changed cannot be told."""
        keys = ", ".join(f"v.{quoted(name)}" for name in self._question.key)
        for view in ("old_rows", "new_rows"):
            query = sql(
                f"SELECT count(*) > count(DISTINCT hash({keys})) FROM", f"{view} v WHERE", self._day_condition()
            )
            repeated = self._connection.execute(query).fetchone()
            if repeated and repeated[0]:
                raise InputError(
                    phrase(
                        "The primary key names several rows, so that rows before and after cannot be matched. "
                        "Compare versions that replace, merge or delete and insert."
                    )
                )

    def _parts(self) -> Iterator[str]:
        """Conditions that part the rows, so that each join takes little memory."""
        where = self._day_condition()
        rows = 0
        for view in ("old_rows", "new_rows"):
            counted = self._connection.execute(sql("SELECT count(*) FROM", f"{view} v WHERE", where)).fetchone()
            rows = max(rows, int(counted[0]) if counted else 0)
        most = max(1_000, SLICE_CELLS // max(1, len(self._new.schema), len(self._old.schema)))
        parts = max(1, -(-rows // most))
        keys = ", ".join(self._value("v", name) for name in self._question.key)
        yield from (f"{where} AND hash({keys}) % {parts} = {part}" if parts > 1 else where for part in range(parts))

    def _day_condition(self) -> str:
        day = self._question.query.day
        if self._question.day is None or day is None:
            return "TRUE"
        column = f"v.{quoted(self._question.day)}"
        return f"{column} >= '{day}' AND {column} < '{day + timedelta(days=1)}'"

    def _shown(self, view: str) -> dict[tuple[Any, ...], Mapping[str, Any]]:
        """The rows of the table `shown`, as one version has them, by key."""
        key = self._question.key
        columns = ", ".join(f"v.{quoted(name)}" for name in self._question.shared)
        keys = ", ".join(self._value("v", name) for name in key)
        hashes = sql("SELECT", f"hash({', '.join(map(quoted, key))}) FROM shown")
        where = f"{self._day_condition()} AND hash({keys}) IN ({hashes})"
        rows = self._connection.execute(sql("SELECT", columns, "FROM", f"{view} v WHERE", where)).to_arrow_table()
        return {tuple(row[name] for name in key): row for row in rows.to_pylist()}

    # -- columns

    @property
    def _shared_schema(self) -> pa.Schema:
        return pa.schema([self._new.schema.field(name) for name in self._question.shared])

    def _text(self, name: str | None) -> str:
        """A column's value in the later version that has the row, as a text; null without the column."""
        if name not in self._question.shared:
            return "CAST(NULL AS VARCHAR)"
        return f"CAST(coalesce({self._value('n', name)}, {self._value('o', name)}) AS VARCHAR)"

    def _day_of_row(self) -> str:
        name = self._question.day
        if name is None:
            return "CAST(NULL AS DATE)"
        return f"CAST(coalesce({self._value('n', name)}, {self._value('o', name)}) AS DATE)"

    @property
    def _numbers(self) -> list[str]:
        return [name for name in self._question.valued if kind_of(self._kind(name)) is Kind.NUMBER]

    def _kind(self, name: str) -> Any:
        return self._new.schema.field(name).type

    def _number(self, side: str, name: str) -> str:
        return f"coalesce({self._value(side, name)}, 0)"

    def _differs(self, name: str) -> str:
        return f"{self._value('o', name)} IS DISTINCT FROM {self._value('n', name)}"

    def _value(self, side: str, name: str) -> str:
        """A column as it is compared: both versions' values in one type."""
        old, new = self._old.schema.field(name).type, self._new.schema.field(name).type
        column = f"{side}.{quoted(name)}"
        return column if old == new else f"CAST({column} AS {sql_type_of(wider_type(old, new))})"


def numeric_names(schema: Any, names: Sequence[str]) -> list[str]:
    """Those of the columns that hold numbers."""
    return [name for name in names if kind_of(schema.field(name).type) is Kind.NUMBER]
