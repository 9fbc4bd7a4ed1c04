"""What changed between two versions of a table: rows, values, sums, and by how much each day moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa

from adreel.lake.columns import wider_type
from adreel.lake.engine import engine, quoted, sql
from adreel.lake.files import DataFile
from adreel.lake.kept_values import with_values
from adreel.lake.query import create_view
from adreel.lake.storage import Storage
from adreel.lake.tables import TableCache, TableState
from adreel.lake.versions import Version, version_note, versions

EXAMPLES = 10
"""Changed rows that are shown."""

MEMORY = "256MB"
SLICE_CELLS = 1_000_000
"""Values of the larger side that are joined at a time; `MEMORY` holds them twice over."""

HERE = quoted("in this version")
"""A column of each side of a join that says that the row is there."""

Number = Decimal | int | float


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """One column of both versions, the key left out.

    `changed` counts rows of both versions in which its value differs, by the group of the rows.
    """

    name: str
    changed: Mapping[Hashable, int]

    @property
    def values_changed(self) -> int:
        """The count over all rows."""
        return sum(self.changed.values())


@dataclass(frozen=True, slots=True)
class DayDifference:
    """The rows of one day that were added, removed or changed; `part` is their group, else None."""

    day: date | None
    added: int
    gone: int
    changed: int
    part: Hashable = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """How rows are grouped: `part` of their values in `columns`, which both versions have, and their day."""

    columns: tuple[str, ...] = ()
    part: Callable[[tuple[Any, ...], date | None], Hashable] = field(default=lambda _values, _day: None)


@dataclass(frozen=True, slots=True)
class Example:
    """A row that is in one version only, or in both with different values; the key is in both."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from version `before` to version `after`.

    `keyed` says whether rows were matched by their key. If not, because there is none or it is repeated, a row
    that changed counts as one gone and one added. A column whose values a version took out, and that has none since,
    counts as one that the version does not have.
    """

    before: int
    after: int
    rows_before: int
    rows_after: int
    added: int
    gone: int
    changed: int
    keyed: bool
    metrics: tuple[MetricDifference, ...]
    days: tuple[DayDifference, ...]
    columns_added: tuple[str, ...]
    columns_gone: tuple[str, ...]
    examples: tuple[Example, ...]


def difference(tables: TableCache, slug: str, before: int, after: int, grouping: Grouping) -> Difference:
    """Compares two versions by the key of the later one, null equal to null; see `Lake.difference`."""
    storage = tables.storage
    old, new = open_both(tables, slug, before, after, grouping.columns)
    note = version_note(storage, slug, after)
    with engine(MEMORY) as connection:
        return _VersionComparison(connection, storage, old, new, note, grouping).compute()


def open_both(
    tables: TableCache, slug: str, before: int, after: int, needed: Collection[str]
) -> tuple[TableState, TableState]:
    """Both versions, without the columns that they only have by name, but for the `needed` ones."""
    storage = tables.storage
    by_number = {version.number: version for version in versions(storage, slug)}

    def opened(number: int) -> TableState:
        table = tables.open(slug, number)
        names = _emptied_up_to(by_number, number) & set(table.schema.names) - set(needed)
        empty = names.difference(with_values(storage, slug, table.files, table.schema, names)) if table.rows else ()
        return replace(table, schema=pa.schema([field for field in table.schema if field.name not in empty]))

    return opened(before), opened(after)


def _emptied_up_to(by_number: Mapping[int, Version], number: int) -> set[str]:
    """The columns that the version or an earlier one that it is made from emptied, through restores."""
    names: set[str] = set()
    version = by_number.get(number)
    while version is not None:
        names |= set(version.emptied)
        earlier = [other for other in by_number if other < version.number]
        version = by_number.get(max(earlier, default=-1) if version.restored is None else version.restored)
    return names


@dataclass(frozen=True, slots=True)
class SumChange:
    """By how much sums moved over the rows that have the same `values` in some columns, such as one currency.

    `sums` has before, after and in between by column, `days` the steps of each day by column. `before` and `after`
    are the first and last day that these rows have in each version, None without any.
    """

    values: tuple[Any, ...]
    sums: Mapping[str, tuple[Number | None, Number | None, Number]]
    days: Mapping[date | None, Mapping[str, Number]]
    before: tuple[date, date] | None
    after: tuple[date, date] | None


def sum_changes(
    tables: TableCache, slug: str, before: int, after: int, names: Iterable[str], columns: Collection[str]
) -> tuple[SumChange, ...]:
    """The sums of `names` by the values of `columns`; see `Lake.sum_changes`."""
    storage = tables.storage
    old, new = open_both(tables, slug, before, after, columns)
    shared = set(old.schema.names) & set(new.schema.names)
    if not shared.issuperset(columns):
        return ()
    summed = [name for name in names if name in shared and _can_sum(name, old, new)]
    note = version_note(storage, slug, after)
    day = note.day_column if note and note.day_column in shared else None
    with engine(MEMORY) as connection:
        create_views(connection, storage, old, new)
        old_sums, new_sums = (
            _sums_by_group(connection, view, day, columns, summed) for view in ("old_rows", "new_rows")
        )
        same_sums = _sums_of_groups(connection, "same_rows", day, columns, summed)
    sides: tuple[Mapping[tuple[Any, ...], _Days], ...] = (old_sums, new_sums, same_sums)
    values = {values_of_part for side in sides for values_of_part in side}
    blank: _Days = {}
    return tuple(
        _part(values_of_part, summed, *(side.get(values_of_part, blank) for side in sides))
        for values_of_part in sorted(values, key=_nulls_last)
    )


def day_sums(
    tables: TableCache, slug: str, version: int, names: Iterable[str], columns: Collection[str]
) -> Mapping[tuple[Any, ...], Mapping[date | None, tuple[Any, ...]]]:
    """The sums of `names` by the values of `columns` and by day; see `Lake.day_sums`."""
    storage = tables.storage
    table = tables.open(slug, version)
    if not set(table.schema.names).issuperset((*columns, *names)):
        return {}
    note = version_note(storage, slug, version)
    day = note.day_column if note and note.day_column in table.schema.names else None
    with engine(MEMORY) as connection:
        create_view(connection, "all_rows", storage, table, table.files)
        return _sums_by_group(connection, "all_rows", day, columns, list(names))


def _can_sum(name: str, *tables: TableState) -> bool:
    """Whether a column is one of numbers in each of the tables."""
    kinds = [table.schema.field(name).type for table in tables]
    return all(pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind) for kind in kinds)


_Days = Mapping[date | None, tuple[Any, ...]]
"""The sums of each day."""


def _nulls_last(values: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    return [(value is None, value) for value in values]


def _sums_by_group(
    connection: duckdb.DuckDBPyConnection, view: str, day: str | None, columns: Collection[str], names: list[str]
) -> dict[tuple[Any, ...], dict[date | None, tuple[Any, ...]]]:
    days = f"CAST(v.{quoted(day)} AS DATE)" if day else "CAST(NULL AS DATE)"
    expressions = [*(f"v.{quoted(name)}" for name in columns), days, *(f"sum(v.{quoted(name)})" for name in names)]
    place = len(columns)
    groups = ", ".join(str(number + 1) for number in range(place + 1))
    query = sql("SELECT", ", ".join(expressions), f"FROM {view} v GROUP BY {groups}")
    sums: dict[tuple[Any, ...], dict[date | None, tuple[Any, ...]]] = defaultdict(dict)
    for row in connection.execute(query).fetchall():
        sums[row[:place]][row[place]] = row[place + 1 :]
    return sums


def _sums_of_groups(
    connection: duckdb.DuckDBPyConnection, view: str, day: str | None, columns: Collection[str], names: list[str]
) -> dict[tuple[Any, ...], _Days]:
    """The sums of all days under the first of them, and none under the last: grouping by day takes a third longer."""
    days = f"CAST(v.{quoted(day)} AS DATE)" if day else "CAST(NULL AS DATE)"
    ends = (f"min({days})", f"max({days})")
    expressions = [*(f"v.{quoted(name)}" for name in columns), *ends, *(f"sum(v.{quoted(name)})" for name in names)]
    groups = f"GROUP BY {', '.join(str(number + 1) for number in range(len(columns)))}" if columns else ""
    query = sql("SELECT", ", ".join(expressions), f"FROM {view} v", groups, "HAVING count(*) > 0")
    place, none = len(columns), (None,) * len(names)
    return {
        row[:place]: {row[place + 1]: none, row[place]: row[place + 2 :]}
        for row in connection.execute(query).fetchall()
    }


def _part(values: tuple[Any, ...], names: list[str], before: _Days, after: _Days, stayed: _Days) -> SumChange:
    sums = {}
    for number, name in enumerate(names):
        first, last = _total(number, before, stayed), _total(number, after, stayed)
        sums[name] = (first, last, (last or 0) - (first or 0))
    days = {day: _steps(names, before.get(day), after.get(day)) for day in before.keys() | after.keys()}
    moved = {day: steps for day, steps in days.items() if steps}
    return SumChange(values, sums, moved, _ends(before, stayed), _ends(after, stayed))


def _ends(*sides: _Days) -> tuple[date, date] | None:
    days = [day for side in sides for day in side if day is not None]
    return (min(days), max(days)) if days else None


def _steps(names: Iterable[str], old: tuple[Any, ...] | None, new: tuple[Any, ...] | None) -> dict[str, Number]:
    """By how much each sum moved, but for those that did not."""
    none = (None,) * len(tuple(names))
    pairs = zip(names, old or none, new or none, strict=True)
    steps = {name: (after or 0) - (before or 0) for name, before, after in pairs}
    return {name: step for name, step in steps.items() if step}


def create_views(
    connection: duckdb.DuckDBPyConnection, storage: Storage, old: TableState, new: TableState
) -> tuple[tuple[DataFile, ...], tuple[DataFile, ...]]:
    """Views over the rows of each version that may differ, and over those that both share; the files that differ."""
    shared = {file.path for file in old.files} & {file.path for file in new.files}
    old_files = tuple(file for file in old.files if file.path not in shared)
    new_files = tuple(file for file in new.files if file.path not in shared)
    create_view(connection, "old_rows", storage, old, old_files)
    create_view(connection, "new_rows", storage, new, new_files)
    create_view(connection, "same_rows", storage, new, tuple(file for file in new.files if file.path in shared))
    return old_files, new_files


def names_rows(connection: duckdb.DuckDBPyConnection, view: str, key: tuple[str, ...]) -> bool:
    """Whether the key names each row of a view or table: none is null in it, and none is there twice."""
    names = ", ".join(map(quoted, key))
    empty = " OR ".join(f"{quoted(name)} IS NULL" for name in key)
    nulls = sql("SELECT 1 FROM", view, "WHERE", empty, "LIMIT 1")
    # By hashes of 64 bits first: grouped by themselves, keys take several times the memory.
    hashes = sql("SELECT hash(", names, ") FROM", view, "GROUP BY 1 HAVING count(*) > 1")
    suspects = sql("SELECT 1 FROM", view, "WHERE hash(", names, ") IN (", hashes, ")")
    repeated = sql(suspects, "GROUP BY", names, "HAVING count(*) > 1 LIMIT 1")
    return all(connection.execute(query).fetchone() is None for query in (nulls, repeated))


@dataclass(frozen=True, slots=True)
class _Slice:
    """Some of the rows: those of a span of days, or without a day, or any; of these one of several parts by hash."""

    days: tuple[date, date] | None = None
    dayless: bool = False
    part: int = 0
    parts: int = 1


class _VersionComparison:
    """Two versions in one DuckDB. Files that both have hold no difference, so only the others are compared.

    They are compared a slice at a time: joined in one go they would need memory for all of one side, or fail.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        storage: Storage,
        old: TableState,
        new: TableState,
        note: Version | None,
        grouping: Grouping,
    ) -> None:
        self._connection = connection
        self._old = old
        self._new = new
        self._old_files, self._new_files = create_views(connection, storage, old, new)
        self._columns = tuple(name for name in new.schema.names if name in old.schema.names)
        self._day = note.day_column if note and self._has(note.day_column) else None
        self._grouping = grouping
        key = note.key if note else ()
        self._key = key if key and set(key) <= set(self._columns) and self._names_rows(key) else ()
        self._slice_rows = max(1_000, SLICE_CELLS // max(1, len(new.schema), len(old.schema)))
        self._days: dict[_Place, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._changes: dict[str, dict[Hashable, int]] = defaultdict(lambda: defaultdict(int))
        self._found: list[Example] = []

    def compute(self) -> Difference:
        """The difference."""
        for part in self._slices():
            before = sum(map(sum, self._days.values()))
            self._compare(part)
            if sum(map(sum, self._days.values())) > before and len(self._changed_examples()) < EXAMPLES:
                self._found += self._examples(part)
        added, gone, changed = (sum(counts[number] for counts in self._days.values()) for number in range(3))
        plain = [example for example in self._found if not (example.before and example.after)]
        return Difference(
            before=self._old.version,
            after=self._new.version,
            rows_before=self._old.rows,
            rows_after=self._new.rows,
            added=added,
            gone=gone,
            changed=changed,
            keyed=bool(self._key),
            metrics=tuple(
                MetricDifference(name, dict(self._changes[name])) for name in self._columns if name not in self._key
            ),
            days=tuple(_days(self._days)) if self._day else (),
            columns_added=tuple(name for name in self._new.schema.names if name not in self._columns),
            columns_gone=tuple(name for name in self._old.schema.names if name not in self._columns),
            examples=tuple((self._changed_examples() + plain)[:EXAMPLES]),
        )

    def _has(self, name: str | None) -> bool:
        """Whether both versions have such a column, of one type."""
        return name in self._columns and self._old.schema.field(name).type == self._new.schema.field(name).type

    def _names_rows(self, key: tuple[str, ...]) -> bool:
        return all(names_rows(self._connection, view, key) for view in ("old_rows", "new_rows"))

    # -- slices

    def _slices(self) -> Iterator[_Slice]:
        """Slices of about `SLICE_CELLS` values of the larger side; days in order, so that few row groups are read."""
        if self._key and self._day not in self._key:
            rows = max(sum(file.rows for file in files) for files in (self._old_files, self._new_files))
            yield from self._split(_Slice(), rows)
            return
        counts = self._day_counts()
        if None in counts:
            yield from self._split(_Slice(dayless=True), counts.pop(None))
        gathered: list[date] = []
        for day in sorted(day for day in counts if day):
            if gathered and sum(counts[gathered_day] for gathered_day in gathered) + counts[day] > self._slice_rows:
                yield from self._split(
                    _Slice((gathered[0], gathered[-1])), sum(counts[gathered_day] for gathered_day in gathered)
                )
                gathered = []
            gathered.append(day)
        if gathered:
            yield from self._split(
                _Slice((gathered[0], gathered[-1])), sum(counts[gathered_day] for gathered_day in gathered)
            )

    def _split(self, rows_slice: _Slice, rows: int) -> Iterator[_Slice]:
        parts = max(1, -(-rows // self._slice_rows))
        return (replace(rows_slice, part=part, parts=parts) for part in range(parts))

    def _day_counts(self) -> dict[date | None, int]:
        """The rows of each day that differs, of the version that has more.

        Days with as many rows and the same sum of their hashes, of 64 bits, have the same rows. They are left out, as a
        file that a run wrote anew has many of them, and joining rows takes four times as long as hashing them.
        """
        old, new = (self._day_hashes(side, view) for side, view in (("o", "old_rows"), ("n", "new_rows")))
        none = (0, 0)
        differ = {day for day in old.keys() | new.keys() if old.get(day, none) != new.get(day, none)}
        return {day: max(old.get(day, none)[0], new.get(day, none)[0]) for day in differ}

    def _day_hashes(self, side: str, view: str) -> dict[date | None, tuple[int, int]]:
        query = sql("SELECT", self._day_of(side), f"AS day, count(*), sum({self._hash(side)}) FROM {view} {side}")
        return {day: (rows, hashes) for day, rows, hashes in self._rows(f"{query} GROUP BY day")}

    def _where(self, part: _Slice, side: str) -> str:
        conditions = ["TRUE"]
        if self._day and part.dayless:
            conditions.append(f"{side}.{quoted(self._day)} IS NULL")
        if self._day and part.days:
            column, (first, last) = f"{side}.{quoted(self._day)}", part.days
            conditions.append(f"{column} >= '{first}' AND {column} < '{last + timedelta(days=1)}'")
        if part.parts > 1:
            names = self._key or self._columns
            conditions.append(
                f"hash({', '.join(self._value(side, name) for name in names)}) % {part.parts} = {part.part}"
            )
        return " AND ".join(conditions)

    # -- rows

    def _compare(self, part: _Slice) -> None:
        """Counts the rows of a slice that were added, are gone or changed, by day, and the values that changed."""
        width = len(self._grouping.columns)
        for row in self._by_key(part) if self._key else self._by_whole_rows(part):
            day, added, gone, changed, *values = row[width:]
            hashable = self._grouping.part(row[:width], day)
            counts = self._days[hashable, day]
            for number, count in enumerate((added, gone, changed)):
                counts[number] += int(count)
            for name, count in zip(self._valued, values, strict=False):
                if count:
                    self._changes[name][hashable] += count

    @property
    def _valued(self) -> list[str]:
        return [name for name in self._columns if name not in self._key]

    def _by_key(self, part: _Slice) -> list[tuple[Any, ...]]:
        counts = [
            f"count(*) FILTER (o.{HERE} IS NULL)",
            f"count(*) FILTER (n.{HERE} IS NULL)",
            f"count(*) FILTER ({self._changed(self._valued)})",
            *(f"count(*) FILTER ({self._changed([name])})" for name in self._valued),
        ]
        # A row of both versions is in the group of its newer values.
        new, old = self._places_of("n"), self._places_of("o")
        places = [f"CASE WHEN n.{HERE} THEN {after} ELSE {before} END" for after, before in zip(new, old, strict=True)]
        groups = ", ".join(str(number + 1) for number in range(len(places)))
        return self._rows(sql("SELECT", ", ".join([*places, *counts]), self._joined(part), f"GROUP BY {groups}"))

    def _by_whole_rows(self, part: _Slice) -> list[tuple[Any, ...]]:
        """Rows that no key names: equal rows of both versions cancel out, matched by a hash."""
        names = [*(f"group{number}" for number in range(len(self._grouping.columns))), "day"]
        sides = " UNION ALL ".join(
            sql(
                "SELECT",
                ", ".join(f"{place} AS {name}" for place, name in zip(self._places_of(side), names, strict=True)),
                f", {self._hash(side)} AS hash, {sign} AS sign FROM {view} {side} WHERE",
                self._where(part, side),
            )
            for side, sign, view in (("o", -1, "old_rows"), ("n", 1, "new_rows"))
        )
        groups = ", ".join(names)
        query = sql("SELECT", groups, ", hash, sum(sign) AS times FROM (", sides, ") GROUP BY ALL HAVING times <> 0")
        self._connection.execute(sql("CREATE OR REPLACE TEMP TABLE moved_rows AS", query))
        return self._rows(
            sql(
                "SELECT",
                groups,
                ", coalesce(sum(times) FILTER (times > 0), 0), -coalesce(sum(times) FILTER (times < 0), 0), 0",
                "FROM moved_rows GROUP BY",
                groups,
            )
        )

    def _joined(self, part: _Slice) -> str:
        on = " AND ".join(f"{self._value('o', name)} = {self._value('n', name)}" for name in self._key)
        sides = (
            sql("(SELECT *, TRUE AS", HERE, f"FROM {view} v WHERE {self._where(part, 'v')})")
            for view in ("old_rows", "new_rows")
        )
        return "FROM {} o FULL JOIN {} n ON {}".format(*sides, on)

    def _changed(self, names: list[str]) -> str:
        differ = [f"{self._value('o', name)} IS DISTINCT FROM {self._value('n', name)}" for name in names]
        return f"o.{HERE} AND n.{HERE} AND ({' OR '.join(differ) or 'FALSE'})"

    def _hash(self, side: str) -> str:
        return f"hash({', '.join(self._value(side, name) for name in self._columns)})"

    def _value(self, side: str, name: str) -> str:
        """A column as it is compared: both versions' values in one type."""
        old, new = self._old.schema.field(name).type, self._new.schema.field(name).type
        column = f"{side}.{quoted(name)}"
        return column if old == new else f"CAST({column} AS {sql_type_of(wider_type(old, new))})"

    def _day_of(self, side: str) -> str:
        return f"CAST({side}.{quoted(self._day)} AS DATE)" if self._day else "CAST(NULL AS DATE)"

    def _places_of(self, side: str) -> list[str]:
        """The group of the rows, and their day."""
        return [*(f"{side}.{quoted(name)}" for name in self._grouping.columns), self._day_of(side)]

    # -- examples

    def _changed_examples(self) -> list[Example]:
        return [example for example in self._found if example.before and example.after]

    def _examples(self, part: _Slice) -> list[Example]:
        """Rows of a slice that changed before rows that came or went, in the order of the key."""
        if not self._key:
            return self._moved_rows("old_rows", "o", "<") + self._moved_rows("new_rows", "n", ">")
        keys = ", ".join(
            f"coalesce({self._value('n', name)}, {self._value('o', name)}) AS {quoted(name)}" for name in self._key
        )
        chosen = f"WHERE o.{HERE} IS NULL OR n.{HERE} IS NULL OR ({self._changed(self._valued)})"
        order = f"ORDER BY (o.{HERE} AND n.{HERE}) IS NOT TRUE, {', '.join(map(quoted, self._key))} LIMIT {EXAMPLES}"
        query = sql("SELECT", keys, self._joined(part), chosen, order)
        self._connection.execute(sql("CREATE OR REPLACE TEMP TABLE shown AS", query))
        old, new = self._shown("old_rows", part), self._shown("new_rows", part)
        return [Example(old.get(row), new.get(row)) for row in dict.fromkeys([*old, *new])]

    def _shown(self, view: str, part: _Slice) -> dict[tuple[Any, ...], Mapping[str, Any]]:
        """The rows of a slice with the keys that are to be shown, by key. Read by themselves, as wide rows are
        expensive to join.
        """
        keys = ", ".join(self._value("v", name) for name in self._key)
        shown = sql("SELECT", f"hash({', '.join(map(quoted, self._key))}) FROM shown")
        query = sql(
            "SELECT * FROM",
            f"{view} v WHERE",
            self._where(part, "v"),
            f"AND hash({keys}) IN ({shown})",
        )
        rows = self._connection.execute(sql(query, "ORDER BY", keys)).to_arrow_table().to_pylist()
        return {tuple(row[name] for name in self._key): row for row in rows}

    def _moved_rows(self, view: str, side: str, sign: str) -> list[Example]:
        hashes = sql("SELECT hash FROM moved_rows WHERE times", sign, "0 ORDER BY hash LIMIT", str(EXAMPLES))
        query = sql("SELECT * FROM", f"{view} {side} WHERE", self._hash(side), f"IN ({hashes}) LIMIT {EXAMPLES}")
        rows = self._connection.execute(query).to_arrow_table().to_pylist()
        return [Example(row, None) if side == "o" else Example(None, row) for row in rows]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()


_Place = tuple[Hashable, date | None]
"""The group of the rows, and the day."""


def _days(counts: Mapping[_Place, list[int]]) -> Iterable[DayDifference]:
    for place in sorted(counts, key=lambda place: (place[1] or date.min, str(place[0]))):
        added, gone, changed = counts[place]
        if added or gone or changed:
            yield DayDifference(place[1], added, gone, changed, place[0])


def _total(number: int, *parts: Mapping[Any, tuple[Any, ...]]) -> Any:
    """A sum over all days of several parts of a version; None if there is no value at all."""
    numbers = [row[number] for part in parts for row in part.values() if row[number] is not None]
    return sum(numbers) if numbers else None


def sql_type_of(kind: Any | None) -> str:
    """DuckDB's name of the type that two versions of a column are compared in; texts if there is no common type."""
    if kind is not None and pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if kind is not None and pa.types.is_integer(kind):
        return "BIGINT"
    return "DOUBLE" if kind is not None and pa.types.is_floating(kind) else "VARCHAR"
