"""The rows by which one version of a table differs from an earlier one, as a copy elsewhere needs them.

A copy that is brought from the earlier version to the later one loses the rows of `removed`, then those of the keys of
`written`, and gets the rows of `written`. Done twice it is the same as done once. Without a key there are only rows to
add.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from adreel.lake.difference import create_views, names_rows
from adreel.lake.engine import engine, literal, quoted, sql
from adreel.lake.query import create_view
from adreel.lake.storage import Storage
from adreel.lake.tables import TableState, open_table
from adreel.lake.versions import Version, touched_days, versions_between
from adreel.language import phrase
from adreel.update_methods import Method

MEMORY = "512MB"
"""More goes to disk."""

BATCH_ROWS = 50_000

_HASH = quoted("hash of the row")
_OLD_KEYS, _NEW_KEYS = quoted("keys before"), quoted("keys after")
_SHARED_ROWS = "shared_rows"


Query = Callable[[str], list[tuple[Any, ...]]]
"""Gives the rows of the answer to SQL."""


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What to do to a copy of the earlier version. Each reader is read once, one after the other, within the block.

    `key` is empty for rows that no key names, which are only added. `whole_days` are days of which every earlier row
    is removed or written, so that a copy may delete them by their day.
    """

    key: tuple[str, ...]
    _connection: duckdb.DuckDBPyConnection
    _removed: str
    _written: str
    _outdated: str = ""
    whole_days: tuple[date, ...] = ()

    def removed(self) -> Any:
        """The keys of rows that are gone, as a pyarrow RecordBatchReader."""
        return self._connection.execute(self._removed).to_arrow_reader(BATCH_ROWS)

    def count_removed(self) -> int:
        """How many rows are gone."""
        row = self._connection.execute(sql("SELECT count(*) FROM (", self._removed, ")")).fetchone()
        assert row is not None, "a count is one row"
        return int(row[0])

    def outdated(self) -> Any:
        """The keys of `removed` and of those rows of `written` that the earlier version has, as a RecordBatchReader.

        Without those of `whole_days`.
        """
        return self._connection.execute(self._outdated).to_arrow_reader(BATCH_ROWS)

    def written(self) -> Any:
        """The rows that came or changed, with the later version's columns, as a pyarrow RecordBatchReader."""
        return self._connection.execute(self._written).to_arrow_reader(BATCH_ROWS)


@contextmanager
def open_row_changes(storage: Storage, slug: str, before: int, after: int) -> Iterator[RowChanges | None]:
    """The changes, to be read while the block runs; see `Lake.row_changes`."""
    noted = versions_between(storage, slug, before, after)
    old, new = open_table(storage, slug, before), open_table(storage, slug, after)
    with storage.guard(phrase("the table %(table)s", table=slug)), engine(MEMORY) as connection:
        _, new_files = create_views(connection, storage, old, new)
        shared = tuple(file for file in new.files if file not in new_files)
        create_view(connection, _SHARED_ROWS, storage, new, shared)
        some = _Sides(old, new)
        if not some.same_types:
            yield None
        elif _appends(noted):
            only_added = connection.execute(_all_but(some, "old_rows", "new_rows") + " LIMIT 1").fetchone() is None
            nothing = sql("SELECT * FROM new_rows LIMIT 0")
            yield RowChanges((), connection, nothing, _all_but(some, "new_rows", "old_rows")) if only_added else None
        else:
            key = noted[after].key if after in noted else ()
            some = _Sides(old, new, _days_condition(connection, noted, before, after, key))
            keyed = bool(key) and some.gather(connection, key)
            yield _changes(connection, some, key, noted[after].day_column) if keyed else None


@contextmanager
def open_version(storage: Storage, slug: str, version: int, view: str) -> Iterator[Query]:
    """Answers SQL over one version; see `Lake.version_query`."""
    table = open_table(storage, slug, version)
    with storage.guard(phrase("the table %(table)s", table=slug)), engine(MEMORY) as connection:
        create_view(connection, view, storage, table)
        yield lambda query: connection.execute(query).fetchall()


@contextmanager
def open_files(storage: Storage, table: TableState, paths: Collection[str], view: str, name: str) -> Iterator[Query]:
    """Answers SQL over some files of a version; see `Lake.file_query`."""
    files = [file for file in table.files if file.path in paths]
    with storage.guard(phrase("the table %(table)s", table=table.slug)), engine(MEMORY) as connection:
        parts = []
        for number, file in enumerate(files):
            create_view(connection, f"file {number}", storage, table, (file,))
            parts.append(sql("SELECT *,", literal(file.path), "AS", quoted(name), "FROM", quoted(f"file {number}")))
        if not parts:
            create_view(connection, "file", storage, table, ())
            parts = [sql("SELECT *, '' AS", quoted(name), "FROM file")]
        connection.execute(sql("CREATE VIEW", quoted(view), "AS", " UNION ALL ".join(parts)))
        yield lambda query: connection.execute(query).fetchall()


def _appends(noted: Mapping[int, Version]) -> bool:
    """Whether a version from the earlier one on was appended, so that keys may be there several times."""
    return any(version.method == Method.APPEND for version in noted.values())


def _days_condition(
    connection: duckdb.DuckDBPyConnection, noted: Mapping[int, Version], before: int, after: int, key: tuple[str, ...]
) -> str:
    """SQL for the rows of days on which the versions may differ, of those in files that only one of them has."""
    day_column = noted[after].day_column if after in noted else None
    touched = touched_days(noted, before, after, day_column)
    if day_column is None or day_column not in key or not touched:
        return "TRUE"
    day = quoted(day_column)
    spans = [(min(first for first, _ in touched), max(last for _, last in touched))]
    # Rows of other days may only have left, so that there are fewer.
    counts = sql("SELECT CAST(", day, "AS DATE), count(*) FROM")
    left = sql(counts, "old_rows GROUP BY 1 EXCEPT", counts, "new_rows GROUP BY 1")
    others = [other for other, _ in connection.execute(left).fetchall()]
    if None in others:
        return "TRUE"
    spans += [(other, other) for other in others if not spans[0][0] <= other <= spans[0][1]]
    return " OR ".join(
        f"({day} >= DATE '{first}' AND {day} < DATE '{last + timedelta(days=1)}')" for first, last in spans
    )


def _changes(
    connection: duckdb.DuckDBPyConnection, sides: _Sides, key: tuple[str, ...], day_column: str | None
) -> RowChanges:
    """The changes of gathered keys. Days without an equal row, as the newest often are, need no join of their rows."""
    if day_column is None or day_column not in key:
        return RowChanges(key, connection, _removed(key), _written(sides, key), _outdated(key))
    day = f"CAST({quoted(day_column)} AS DATE)"

    def days(*parts: str) -> frozenset[date]:
        return frozenset(value for (value,) in connection.execute(sql("SELECT DISTINCT", day, *parts)).fetchall())

    mixed = days("FROM", _OLD_KEYS, "o SEMI JOIN", _same(_NEW_KEYS, "n", key))
    # Rows in files that both versions have are in neither list of keys.
    shared = days("FROM", _SHARED_ROWS, "WHERE", sides.differs)
    whole = days("FROM", _OLD_KEYS) - mixed - shared
    return RowChanges(
        key,
        connection,
        _removed(key),
        _written(sides, key, day, mixed),
        sql(_outdated(key), "WHERE NOT", _is_any(day, whole)),
        tuple(sorted(whole)),
    )


def _is_any(day: str, days: Collection[date]) -> str:
    """SQL for the rows of some days."""
    values = ", ".join(sql("DATE", literal(each.isoformat())) for each in sorted(days))
    return f"({day} IN ({values}))" if days else "FALSE"


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both versions, with a condition for the rows in which they may differ."""

    old: TableState
    new: TableState
    differs: str = "TRUE"

    def rows(self, view: str) -> str:
        """The rows of a view that may differ, as SQL for FROM."""
        return sql("(SELECT * FROM", view, "WHERE", self.differs, ")")

    @property
    def same_types(self) -> bool:
        """Whether every column that both have is of one type."""
        types = {field.name: field.type for field in self.old.schema}
        return all(types.get(field.name, field.type) == field.type for field in self.new.schema)

    @property
    def old_columns(self) -> tuple[str, ...]:
        """The later version's columns, as the earlier one has them."""
        names = frozenset(self.old.schema.names)
        return tuple(quoted(name) if name in names else f"NULL AS {quoted(name)}" for name in self.new.schema.names)

    def gather(self, connection: duckdb.DuckDBPyConnection, key: tuple[str, ...]) -> bool:
        """Gathers the keys of both sides with a hash of 64 bits of their rows; whether the key names each row.

        So all columns of the earlier version are read once, and those of the later one again where rows are written.
        """
        if not set(key) <= set(self.old.schema.names) & set(self.new.schema.names):
            return False
        names = ", ".join(map(quoted, key))
        columns = ", ".join(self.old_columns)
        old = sql("(SELECT", columns, "FROM", self.rows("old_rows"), "r)")
        for side, rows in ((_OLD_KEYS, old), (_NEW_KEYS, self.rows("new_rows"))):
            hashed = sql("SELECT", names, ",", _hash(self.new.schema), "AS", _HASH, "FROM", rows, "r")
            connection.execute(sql("CREATE TEMP TABLE", side, "AS", hashed))
        return all(names_rows(connection, side, key) for side in (_OLD_KEYS, _NEW_KEYS))


def _all_but(sides: _Sides, view: str, other: str) -> str:
    """The rows of one view without those of the other; of equal rows as many as there are more."""
    columns = {"old_rows": ", ".join(sides.old_columns), "new_rows": ", ".join(map(quoted, sides.new.schema.names))}
    return sql("SELECT", columns[view], f"FROM {view} EXCEPT ALL SELECT", columns[other], f"FROM {other}")


def _removed(key: tuple[str, ...]) -> str:
    names = ", ".join(map(quoted, key))
    return sql("SELECT", names, "FROM", _OLD_KEYS, "o ANTI JOIN", _NEW_KEYS, "n USING (", names, ")")


def _outdated(key: tuple[str, ...]) -> str:
    names = ", ".join(map(quoted, key))
    return sql("SELECT", names, "FROM", _OLD_KEYS, "o ANTI JOIN", _same(_NEW_KEYS, "n", key))


def _written(sides: _Sides, key: tuple[str, ...], day: str = "", mixed: Collection[date] = ()) -> str:
    """Rows whose key the earlier version lacks or whose values differ. With a `day`, only `mixed` ones have others."""
    names = ", ".join(map(quoted, key))
    changed = sql("(SELECT", names, "FROM", _NEW_KEYS, "n ANTI JOIN", _same(_OLD_KEYS, "o", key), ")")
    columns = ", ".join(f"n.{quoted(name)}" for name in sides.new.schema.names)
    start, join = sql("SELECT", columns, "FROM", sides.rows("new_rows"), "n"), sql("SEMI JOIN", changed, "c USING")
    joined = sql(start, join, "(", names, ")")
    if not day:
        return joined
    plain = sql(start, "WHERE NOT", _is_any(day, mixed))
    return sql(joined, "WHERE", _is_any(day, mixed), "UNION ALL", plain) if mixed else plain


def _same(side: str, name: str, key: tuple[str, ...]) -> str:
    """SQL that joins with the rows of a side that have the same key and the same values."""
    return sql(side, name, "USING (", ", ".join(map(quoted, key)), ",", _HASH, ")")


def _hash(schema: pa.Schema) -> str:
    return f"hash({', '.join(map(quoted, schema.names))})"
