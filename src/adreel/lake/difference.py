"""What changed between two versions of a table: rows, values, sums, and by how much each day moved.

Values are compared by hashes of 64 bits where they are wider than that: whole rows of a day, and texts and decimals of
rows with the same key. Keys, counts and sums are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import duckdb
import pyarrow as pa

from adreel.lake.columns import wider_type
from adreel.lake.engine import engine, quoted, sql
from adreel.lake.files import DataFile
from adreel.lake.kept_values import with_values
from adreel.lake.query import create_view
from adreel.lake.storage import Storage
from adreel.lake.tables import KEPT_SUMS, FileSums, TableCache, TableState
from adreel.lake.versions import Version, touched_days, version_note, versions

EXAMPLES = 10
"""Changed rows that are shown."""

MEMORY = "256MB"
THREADS = 1
"""A second one takes half as much processor time again, and memory of its own."""
SLICE_CELLS = 600_000
"""Values of the larger side that are joined at a time, each of at most 8 bytes.

Four times as many save a third of the processor time of a comparison, and take 15 MB more of a server's memory.
"""

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


PartOf = Callable[[tuple[Any, ...], date | None], Hashable]
"""To what rows belong, by their values in the columns of the group, and their day."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row that is in one version only, or in both with different values; the key is in both."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from version `before` to version `after`.

    `keyed` says whether rows were matched by their key. If not, because there is none or it is repeated among rows
    that may differ, a row that changed counts as one gone and one added. A column whose values a version took out, and
    that has none since, counts as one that the version does not have.
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


@contextmanager
def open_comparison(
    tables: TableCache, file_sums: FileSums, slug: str, before: int, after: int, columns: tuple[str, ...]
) -> Iterator[VersionComparison]:
    """Two versions, to be compared while the block runs; see `Lake.comparison`."""
    noted = noted_versions(tables.storage, slug)
    old, new = open_both(tables, slug, (before, after), noted, columns)
    with engine(MEMORY, THREADS) as connection:
        yield VersionComparison(connection, tables.storage, file_sums, (old, new), noted, columns)


def noted_versions(storage: Storage, slug: str) -> Mapping[int, Version]:
    """The versions that runs made and that can be read, by number."""
    return {version.number: version for version in versions(storage, slug)}


def open_both(
    tables: TableCache, slug: str, numbers: tuple[int, int], noted: Mapping[int, Version], needed: Collection[str]
) -> tuple[TableState, TableState]:
    """Both versions, without the columns that they only have by name, but for the `needed` ones."""
    storage = tables.storage

    def opened(number: int) -> TableState:
        table = tables.open(slug, number)
        names = _emptied_up_to(noted, number) & set(table.schema.names) - set(needed)
        empty = names.difference(with_values(storage, slug, table.files, table.schema, names)) if table.rows else ()
        return replace(table, schema=pa.schema([field for field in table.schema if field.name not in empty]))

    return opened(numbers[0]), opened(numbers[1])


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
        return _side_sums(connection, "all_rows", day, columns, list(names)).sums


def _can_sum(name: str, *tables: TableState) -> bool:
    """Whether a column is one of numbers in each of the tables."""
    kinds = [table.schema.field(name).type for table in tables]
    return all(pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind) for kind in kinds)


_Days = Mapping[date | None, tuple[Any, ...]]
"""The sums of each day."""


def _nulls_last(values: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    return [(value is None, value) for value in values]


@dataclass(frozen=True, slots=True)
class _SideSums:
    """The sums of some rows by the values of their group and by day, and how many rows these are."""

    rows: Mapping[tuple[tuple[Any, ...], date | None], int]
    sums: Mapping[tuple[Any, ...], _Days]


def _side_sums(
    connection: duckdb.DuckDBPyConnection, view: str, day: str | None, columns: Collection[str], names: list[str]
) -> _SideSums:
    groups = [*(f"v.{quoted(name)}" for name in columns), _day_sql("v", day)]
    counts = ["count(*)", *(f"sum(v.{quoted(name)})" for name in names)]
    numbers = ", ".join(str(number + 1) for number in range(len(groups)))
    query = sql("SELECT", ", ".join([*groups, *counts]), f"FROM {view} v GROUP BY {numbers}")
    place = len(columns)
    rows: dict[tuple[tuple[Any, ...], date | None], int] = {}
    sums: dict[tuple[Any, ...], dict[date | None, tuple[Any, ...]]] = defaultdict(dict)
    for row in connection.execute(query).fetchall():
        rows[row[:place], row[place]] = row[place + 1]
        sums[row[:place]][row[place]] = row[place + 2 :]
    return _SideSums(rows, sums)


def _group_sums(
    connection: duckdb.DuckDBPyConnection, view: str, day: str | None, columns: Collection[str], names: list[str]
) -> list[tuple[Any, ...]]:
    """The values of each group of rows, their first and last day, and their sums over all days.

    To group by day, too, takes a third longer.
    """
    days = _day_sql("v", day)
    ends = (f"min({days})", f"max({days})")
    expressions = [*(f"v.{quoted(name)}" for name in columns), *ends, *(f"sum(v.{quoted(name)})" for name in names)]
    groups = f"GROUP BY {', '.join(str(number + 1) for number in range(len(columns)))}" if columns else ""
    query = sql("SELECT", ", ".join(expressions), f"FROM {view} v", groups, "HAVING count(*) > 0")
    return connection.execute(query).fetchall()


def _day_sql(side: str, day: str | None) -> str:
    return f"CAST({side}.{quoted(day)} AS DATE)" if day else "CAST(NULL AS DATE)"


def _part(values: tuple[Any, ...], names: list[str], before: _Days, after: _Days, stayed: Sequence[_Days]) -> SumChange:
    sums = {}
    for number, name in enumerate(names):
        first, last = _total(number, before, *stayed), _total(number, after, *stayed)
        sums[name] = (first, last, (last or 0) - (first or 0))
    days = {day: _steps(names, before.get(day), after.get(day)) for day in before.keys() | after.keys()}
    moved = {day: steps for day, steps in days.items() if steps}
    return SumChange(values, sums, moved, _ends(before, *stayed), _ends(after, *stayed))


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
    """Views over the rows of each version that may differ; the files that only one of them has."""
    shared = {file.path for file in old.files} & {file.path for file in new.files}
    old_files, new_files = (tuple(file for file in side.files if file.path not in shared) for side in (old, new))
    create_view(connection, "old_rows", storage, old, old_files)
    create_view(connection, "new_rows", storage, new, new_files)
    return old_files, new_files


def names_rows(connection: duckdb.DuckDBPyConnection, view: str, key: tuple[str, ...], where: str = "TRUE") -> bool:
    """Whether the key names each row of a view or table, where a condition holds: none is null, none is there twice."""
    names = ", ".join(map(quoted, key))
    empty = " OR ".join(f"{quoted(name)} IS NULL" for name in key)
    rows = sql(view, "v WHERE (", where, ")")
    nulls = sql("SELECT 1 FROM", rows, "AND (", empty, ") LIMIT 1")
    # By hashes of 64 bits first: grouped by themselves, keys take several times the memory.
    hashes = sql("SELECT hash(", names, ") FROM", rows, "GROUP BY 1 HAVING count(*) > 1")
    suspects = sql("SELECT 1 FROM", rows, "AND hash(", names, ") IN (", hashes, ")")
    repeated = sql(suspects, "GROUP BY", names, "HAVING count(*) > 1 LIMIT 1")
    # The next is asked only where the one before has not answered.
    if connection.execute(nulls).fetchone() is not None:
        return False
    return connection.execute(sql(hashes, "LIMIT 1")).fetchone() is None or (
        connection.execute(repeated).fetchone() is None
    )


@dataclass(frozen=True, slots=True)
class _Slice:
    """Some of the rows: those of some days, where None is no day, or of all; of these one of several parts by hash."""

    days: tuple[date | None, ...] | None = None
    part: int = 0
    parts: int = 1


class VersionComparison:
    """Two versions in one DuckDB. Files that both have hold no difference, so only the others are compared.

    They are compared a slice at a time: joined in one go they would need memory for all of one side, or fail.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        storage: Storage,
        file_sums: FileSums,
        sides: tuple[TableState, TableState],
        noted: Mapping[int, Version],
        group: tuple[str, ...],
    ) -> None:
        """`group` are the columns by whose values sums and changes are told apart."""
        self.numbers = (sides[0].version, sides[1].version)
        self._connection = connection
        self._storage = storage
        self._file_sums = file_sums
        self._old, self._new = sides
        self.group = group
        self._old_files, self._new_files = create_views(connection, storage, *sides)
        self.columns = tuple(name for name in self._new.schema.names if name in self._old.schema.names)
        note = noted.get(self._new.version)
        self._day = note.day_column if note and self._has(note.day_column) else None
        self._sum_day = note.day_column if note and note.day_column in self.columns else None
        self._touched = touched_days(noted, self._old.version, self._new.version, self._day)
        self._key = note.key if note and set(note.key) <= set(self.columns) else ()
        widest = max(1, len(self._new.schema), len(self._old.schema))
        self._slice_rows = max(1_000, SLICE_CELLS // widest)
        self._sides: tuple[_SideSums, _SideSums] | None = None
        self._days: dict[_Place, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._changes: dict[str, dict[Hashable, int]] = defaultdict(lambda: defaultdict(int))
        self._found: list[Example] = []

    def sum_changes(self, names: Iterable[str]) -> tuple[SumChange, ...]:
        """The change of the sums of `names` by the values of the group; empty if a version lacks one of its columns."""
        if not set(self.columns).issuperset(self.group):
            return ()
        summed = [name for name in names if name in self.columns and _can_sum(name, self._old, self._new)]
        sides = self._count_sides(self._sum_day, summed)
        self._sides = sides if self._day == self._sum_day else None
        stayed = self._shared_sums(summed)
        old, new = (side.sums for side in sides)
        blank: _Days = {}
        return tuple(
            _part(values, summed, old.get(values, blank), new.get(values, blank), stayed.get(values, ()))
            for values in sorted(old.keys() | new.keys() | stayed.keys(), key=_nulls_last)
        )

    def difference(self, part_of: PartOf) -> Difference:
        """The rows and values that differ, by `part_of` their group and day; to be asked once."""
        slices = tuple(self._slices())
        for part in slices:
            before = sum(map(sum, self._days.values()))
            self._compare(part, part_of)
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
            metrics=tuple(MetricDifference(name, dict(self._changes[name])) for name in self._valued),
            days=tuple(_days(self._days)) if self._day else (),
            columns_added=tuple(name for name in self._new.schema.names if name not in self.columns),
            columns_gone=tuple(name for name in self._old.schema.names if name not in self.columns),
            examples=tuple((self._changed_examples() + plain)[:EXAMPLES]),
        )

    def _has(self, name: str | None) -> bool:
        """Whether both versions have such a column, of one type."""
        return name in self.columns and self._old.schema.field(name).type == self._new.schema.field(name).type

    # -- sums

    def _count_sides(self, day: str | None, names: list[str]) -> tuple[_SideSums, _SideSums]:
        """Rows and sums by group and day, of the files that only one version has."""
        old, new = (_side_sums(self._connection, view, day, self.group, names) for view in ("old_rows", "new_rows"))
        return old, new

    def _shared_sums(self, names: list[str]) -> Mapping[tuple[Any, ...], Sequence[_Days]]:
        """The sums of each file that both versions have, by group: all under the first day, none under the last.

        They are kept, as a file never changes.
        """
        own, place, none = {file.path for file in self._new_files}, len(self.group), (None,) * len(names)
        stayed: dict[tuple[Any, ...], list[_Days]] = defaultdict(list)
        for number, file in enumerate(self._new.files):
            if file.path not in own:
                for row in self._sums_of_file(f"shared_rows_{number}", file, names):
                    stayed[row[:place]].append({row[place + 1]: none, row[place]: row[place + 2 :]})
        return stayed

    def _sums_of_file(self, view: str, file: DataFile, names: list[str]) -> list[tuple[Any, ...]]:
        key = (self._new.slug, file.path, self._sum_day, self.group, tuple(names))
        rows = self._file_sums.find(key)
        if rows is None:
            create_view(self._connection, view, self._storage, self._new, (file,))
            rows = _group_sums(self._connection, view, self._sum_day, self.group, names)
            if len(rows) < KEPT_SUMS:
                self._file_sums.keep(key, rows)
        return rows

    # -- slices

    def _slices(self) -> Iterator[_Slice]:
        """Slices of about `SLICE_CELLS` values of the larger side; days in order, so that few row groups are read."""
        if self._key and self._day not in self._key:
            if self._names_rows("TRUE"):
                rows = max(sum(file.rows for file in files) for files in (self._old_files, self._new_files))
                yield from self._split(_Slice(), rows)
                return
            self._key = ()
        counts = self._differing_days()
        if self._key and not self._names_rows(self._on_days("v", counts)):
            self._key = ()
        if None in counts:
            yield from self._split(_Slice((None,)), counts.pop(None))
        gathered: list[date] = []
        rows = 0
        for day in sorted(day for day in counts if day):
            if gathered and rows + counts[day] > self._slice_rows:
                yield from self._split(_Slice(tuple(gathered)), rows)
                gathered, rows = [], 0
            gathered.append(day)
            rows += counts[day]
        if gathered:
            yield from self._split(_Slice(tuple(gathered)), rows)

    def _names_rows(self, where: str) -> bool:
        """Whether the key names each row of both sides where a condition holds."""
        return all(names_rows(self._connection, view, self._key, where) for view in ("old_rows", "new_rows"))

    def _differing_days(self) -> dict[date | None, int]:
        """The rows of each day that differs, of the version that has more.

        A file that a run wrote anew has many days with the same rows, and joining rows takes four times as long as
        hashing them. So a day with other counts or sums differs; of the others those are hashed that a run between the
        versions may have touched.
        """
        old, new = self._sides or self._count_sides(self._day, [])
        counts: tuple[dict[date | None, int], dict[date | None, int]] = (defaultdict(int), defaultdict(int))
        for side, own in zip((old, new), counts, strict=True):
            for (_, day), rows in side.rows.items():
                own[day] += rows
        days = counts[0].keys() | counts[1].keys()
        differ = {day for day in days if counts[0].get(day) != counts[1].get(day)}
        differ |= {
            day
            for values, day in old.rows.keys() | new.rows.keys()
            if _sums_at(old, values, day) != _sums_at(new, values, day)
        }
        suspect = {day for day in days - differ if self._may_be_touched(day)}
        if suspect:
            before, after = (
                self._day_hashes(side, view, suspect) for side, view in (("o", "old_rows"), ("n", "new_rows"))
            )
            differ |= {day for day in suspect if before.get(day) != after.get(day)}
        return {day: max(counts[0].get(day, 0), counts[1].get(day, 0)) for day in differ}

    def _may_be_touched(self, day: date | None) -> bool:
        """Whether a run may have changed rows of a day, or brought as many as left."""
        if self._touched is None or day is None:
            return True
        return any(first <= day <= last for first, last in self._touched)

    def _day_hashes(self, side: str, view: str, days: Collection[date | None]) -> dict[date | None, int]:
        """The sum of the hashes of the rows of each day."""
        query = sql("SELECT", self._day_of(side), f"AS day, sum({self._hash(side)}) FROM {view} {side} WHERE")
        return dict(self._rows(sql(query, self._on_days(side, days), "GROUP BY day")))

    def _split(self, rows_slice: _Slice, rows: int) -> Iterator[_Slice]:
        parts = max(1, -(-rows // self._slice_rows))
        return (replace(rows_slice, part=part, parts=parts) for part in range(parts))

    def _on_days(self, side: str, days: Collection[date | None]) -> str:
        """A condition for the rows of some days; a span first, by which files are skipped."""
        if self._day is None:
            return "TRUE" if days else "FALSE"
        column = f"{side}.{quoted(self._day)}"
        conditions = [f"{column} IS NULL"] if None in days else []
        dated = sorted(day for day in days if day is not None)
        if dated:
            span = f"{column} >= '{dated[0]}' AND {column} < '{dated[-1] + timedelta(days=1)}'"
            listed = ", ".join(f"DATE '{day}'" for day in dated)
            is_whole = (dated[-1] - dated[0]).days + 1 == len(dated)
            conditions.append(span if is_whole else f"{span} AND {self._day_of(side)} IN ({listed})")
        return " OR ".join(f"({condition})" for condition in conditions) or "FALSE"

    def _where(self, part: _Slice, side: str) -> str:
        conditions = ["TRUE" if part.days is None else f"({self._on_days(side, part.days)})"]
        if part.parts > 1:
            names = self._key or self.columns
            conditions.append(
                f"hash({', '.join(self._value(side, name) for name in names)}) % {part.parts} = {part.part}"
            )
        return " AND ".join(conditions)

    # -- rows

    def _compare(self, part: _Slice, part_of: PartOf) -> None:
        """Counts the rows of a slice that were added, are gone or changed, by day, and the values that changed."""
        width = len(self.group)
        for row in self._by_key(part) if self._key else self._by_whole_rows(part):
            day, added, gone, changed, *values = row[width:]
            hashable = part_of(row[:width], day)
            counts = self._days[hashable, day]
            for number, count in enumerate((added, gone, changed)):
                counts[number] += int(count)
            for name, count in zip(self._valued, values, strict=False):
                if count:
                    self._changes[name][hashable] += count

    @property
    def _valued(self) -> list[str]:
        return [name for name in self.columns if name not in self._key]

    def _by_key(self, part: _Slice) -> Iterator[tuple[Any, ...]]:
        counts = [
            f"count(*) FILTER (o.{HERE} IS NULL)",
            f"count(*) FILTER (n.{HERE} IS NULL)",
            f"count(*) FILTER ({self._changed(self._valued)})",
            *(f"count(*) FILTER ({self._changed([name])})" for name in self._valued),
        ]
        # A row of both versions is in the group of its newer values.
        new, old = ([*(f"{side}.{quoted(name)}" for name in self.group), self._day_of(side)] for side in "no")
        places = [f"CASE WHEN n.{HERE} THEN {after} ELSE {before} END" for after, before in zip(new, old, strict=True)]
        groups = ", ".join(str(number + 1) for number in range(len(places)))
        query = sql("SELECT", ", ".join([*places, *counts]), self._joined(part), f"GROUP BY {groups}")
        width = len(self.group)
        for row in self._rows(query):
            yield (*self._group_values[row[:width]], *row[width:])

    @cached_property
    def _group_values(self) -> Mapping[tuple[Any, ...], tuple[Any, ...]]:
        """The values of each group, by what stands for them in a join."""
        groups = [f"v.{quoted(name)}" for name in self.group]
        stand_ins = [self._compared("v", name) for name in self.group]
        width = len(groups)
        if not width:
            return {(): ()}
        both = " UNION ALL ".join(
            sql("SELECT", ", ".join([*stand_ins, *groups]), f"FROM {view} v") for view in ("old_rows", "new_rows")
        )
        return {row[:width]: row[width:] for row in self._rows(sql("SELECT DISTINCT * FROM (", both, ")"))}

    def _by_whole_rows(self, part: _Slice) -> list[tuple[Any, ...]]:
        """Rows that no key names: equal rows of both versions cancel out, matched by a hash."""
        names = [*(f"group{number}" for number in range(len(self.group))), "day"]
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
        """Both sides of a slice by their key, each value as it is compared."""
        on = " AND ".join(f"o.{quoted(name)} = n.{quoted(name)}" for name in self._key)
        columns = ", ".join(f"{self._compared('v', name)} AS {quoted(name)}" for name in self.columns)
        sides = (
            sql("(SELECT", columns, ", TRUE AS", HERE, f"FROM {view} v WHERE {self._where(part, 'v')})")
            for view in ("old_rows", "new_rows")
        )
        return "FROM {} o FULL JOIN {} n ON {}".format(*sides, on)

    def _changed(self, names: list[str]) -> str:
        differ = [f"o.{quoted(name)} IS DISTINCT FROM n.{quoted(name)}" for name in names]
        return f"o.{HERE} AND n.{HERE} AND ({' OR '.join(differ) or 'FALSE'})"

    def _hash(self, side: str) -> str:
        return f"hash({', '.join(self._value(side, name) for name in self.columns)})"

    def _value(self, side: str, name: str) -> str:
        """A column as it is compared: both versions' values in one type."""
        old, new = self._old.schema.field(name).type, self._new.schema.field(name).type
        column = f"{side}.{quoted(name)}"
        return column if old == new else f"CAST({column} AS {sql_type_of(wider_type(old, new))})"

    def _compared(self, side: str, name: str) -> str:
        """What stands for a value when rows are joined: a hash for texts and decimals outside the key."""
        value = self._value(side, name)
        kinds = (self._old.schema.field(name).type, self._new.schema.field(name).type)
        is_narrow = kinds[0] == kinds[1] and _is_narrow(kinds[0])
        return value if is_narrow or name in self._key else f"hash({value})"

    def _day_of(self, side: str) -> str:
        return _day_sql(side, self._day)

    def _places_of(self, side: str) -> list[str]:
        """The group of the rows, and their day."""
        return [*(f"{side}.{quoted(name)}" for name in self.group), self._day_of(side)]

    # -- examples

    def _changed_examples(self) -> list[Example]:
        return [example for example in self._found if example.before and example.after]

    def _examples(self, part: _Slice) -> list[Example]:
        """Rows of a slice that changed before rows that came or went, in the order of the key."""
        if not self._key:
            return self._moved_rows("old_rows", "o", "<") + self._moved_rows("new_rows", "n", ">")
        part = self._most_changed(part)
        keys = ", ".join(f"coalesce(n.{quoted(name)}, o.{quoted(name)}) AS {quoted(name)}" for name in self._key)
        chosen = f"WHERE o.{HERE} IS NULL OR n.{HERE} IS NULL OR ({self._changed(self._valued)})"
        order = f"ORDER BY (o.{HERE} AND n.{HERE}) IS NOT TRUE, {', '.join(map(quoted, self._key))} LIMIT {EXAMPLES}"
        query = sql("SELECT", keys, self._joined(part), chosen, order)
        self._connection.execute(sql("CREATE OR REPLACE TEMP TABLE shown AS", query))
        old, new = self._shown("old_rows", part), self._shown("new_rows", part)
        return [Example(old.get(row), new.get(row)) for row in dict.fromkeys([*old, *new])]

    def _most_changed(self, part: _Slice) -> _Slice:
        """The day of a slice on which most rows changed, if these are enough; else the slice."""
        changed: dict[date | None, int] = defaultdict(int)
        for (_, day), counts in self._days.items():
            changed[day] += counts[2]
        day = min(part.days or (), key=lambda day: (-changed[day], str(day)), default=None)
        return replace(part, days=(day,)) if part.days and changed[day] >= EXAMPLES else part

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


def _sums_at(side: _SideSums, values: tuple[Any, ...], day: date | None) -> tuple[Any, ...]:
    """How many rows a group has on a day, and their sums."""
    return (side.rows.get((values, day), 0), side.sums.get(values, {}).get(day))


def _is_narrow(kind: Any) -> bool:
    """Whether values of a type take no more room than a hash."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_date(kind)
        or pa.types.is_timestamp(kind)
    )


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
