"""What changed between two versions of a table: rows, values, sums, and by how much each day moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa

from adreel.lake.columns import wider_type
from adreel.lake.engine import engine, quoted, sql
from adreel.lake.place import Place
from adreel.lake.query import create_view
from adreel.lake.tables import TableState, open_table
from adreel.lake.versions import Version, version_note

EXAMPLES = 10
"""Changed rows that are shown."""

MEMORY = "128MB"

_HERE = quoted("in this version")

Number = Decimal | int | float


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """One column of both versions, the key left out.

    `values_changed` counts rows of both versions in which it differs. The sums are over all rows of a version, null
    where there is nothing to sum, and None throughout for a column that must not be summed.
    """

    name: str
    values_changed: int
    before: Number | None
    after: Number | None
    moved: Number | None


@dataclass(frozen=True, slots=True)
class DayDifference:
    """One day on which anything changed; `moved` says by how much the sum of each additive column did."""

    day: date | None
    added: int
    gone: int
    changed: int
    moved: Mapping[str, Number]


@dataclass(frozen=True, slots=True)
class Example:
    """A row that is in one version only, or in both with different values; the key stands in both."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from version `before` to version `after`.

    `keyed` says whether rows were told apart by their key. If not, because there is none or it is repeated, a row
    that changed counts as one gone and one added.
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

    def as_json(self) -> dict[str, Any]:
        """Plain values: numbers of exact size as texts, days in ISO 8601."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def difference(place: Place, slug: str, before: int, after: int, additive: Iterable[str]) -> Difference:
    """Compares two versions by the key of the later one, null equal to null; see `Lake.difference`."""
    old, new = open_table(place, slug, before), open_table(place, slug, after)
    note = version_note(place, slug, after)
    with engine(MEMORY) as connection:
        return _Comparison(connection, place, old, new, note, tuple(additive)).made()


class _Comparison:
    """Two versions in one DuckDB. Files that both have hold no difference, so only the others are compared."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        place: Place,
        old: TableState,
        new: TableState,
        note: Version | None,
        additive: tuple[str, ...],
    ) -> None:
        self._connection = connection
        self._old = old
        self._new = new
        shared = {file.path for file in old.files} & {file.path for file in new.files}
        create_view(connection, "old_rows", place, old, tuple(f for f in old.files if f.path not in shared))
        create_view(connection, "new_rows", place, new, tuple(f for f in new.files if f.path not in shared))
        create_view(connection, "same_rows", place, new, tuple(f for f in new.files if f.path in shared))
        self._columns = tuple(name for name in new.schema.names if name in old.schema.names)
        self._day = note.day_column if note and note.day_column in self._columns else None
        self._summed = tuple(name for name in additive if name in self._columns and self._can_sum(name))
        key = note.key if note else ()
        self._key = key if key and set(key) <= set(self._columns) and self._names_rows(key) else ()

    def made(self) -> Difference:
        """The difference, from at most six passes over the columns that matter."""
        days, changes = self._by_key() if self._key else self._by_whole_rows()
        moved, sums = self._sums()
        added, gone, changed = (sum(counts[number] for counts in days.values()) for number in range(3))
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
                MetricDifference(name, changes.get(name, 0), *sums.get(name, (None, None, None)))
                for name in self._columns
                if name not in self._key
            ),
            days=tuple(_days(days, moved)) if self._day else (),
            columns_added=tuple(name for name in self._new.schema.names if name not in self._columns),
            columns_gone=tuple(name for name in self._old.schema.names if name not in self._columns),
            examples=self._examples() if added or gone or changed else (),
        )

    # -- rows

    def _by_key(self) -> tuple[dict[date | None, tuple[int, int, int]], dict[str, int]]:
        """Rows added, gone and changed by day, and how many values of each column changed."""
        valued = [name for name in self._columns if name not in self._key]
        counts = [
            f"count(*) FILTER (o.{_HERE} IS NULL)",
            f"count(*) FILTER (n.{_HERE} IS NULL)",
            f"count(*) FILTER ({self._changed(valued)})",
            *(f"count(*) FILTER ({self._changed([name])})" for name in valued),
        ]
        day = f"coalesce({self._day_of('n')}, {self._day_of('o')})"
        rows = self._rows(sql("SELECT", ", ".join([f"{day} AS day", *counts]), self._joined(), "GROUP BY ALL"))
        changes = {name: sum(int(row[4 + number]) for row in rows) for number, name in enumerate(valued)}
        return {row[0]: (row[1], row[2], row[3]) for row in rows}, changes

    def _by_whole_rows(self) -> tuple[dict[date | None, tuple[int, int, int]], dict[str, int]]:
        """Rows added and gone by day, for rows that no key names: equal rows cancel out, told by a hash."""
        sides = " UNION ALL ".join(
            sql(
                "SELECT",
                f"{self._day_of(side)} AS day,",
                self._hash(side),
                "AS hash,",
                sign,
                f"AS sign FROM {view} {side}",
            )
            for side, sign, view in (("o", "-1", "old_rows"), ("n", "1", "new_rows"))
        )
        query = sql("SELECT day, hash, sum(sign) AS times FROM (", sides, ") GROUP BY ALL HAVING times <> 0")
        self._connection.execute(sql("CREATE TEMP TABLE moved_rows AS", query))
        rows = self._rows(
            "SELECT day, coalesce(sum(times) FILTER (times > 0), 0), -coalesce(sum(times) FILTER (times < 0), 0) "
            "FROM moved_rows GROUP BY day"
        )
        return {row[0]: (int(row[1]), int(row[2]), 0) for row in rows}, {}

    def _names_rows(self, key: tuple[str, ...]) -> bool:
        names = ", ".join(map(quoted, key))
        return all(
            self._rows(sql("SELECT", f"count(*) = count(DISTINCT hash({names})) FROM {view}"))[0][0]
            for view in ("old_rows", "new_rows")
        )

    def _joined(self) -> str:
        on = " AND ".join(
            f"{self._value('o', name)} IS NOT DISTINCT FROM {self._value('n', name)}" for name in self._key
        )
        sides = (sql("(SELECT *, TRUE AS", _HERE, f"FROM {view})") for view in ("old_rows", "new_rows"))
        return "FROM {} o FULL JOIN {} n ON {}".format(*sides, on)

    def _changed(self, names: list[str]) -> str:
        differ = [f"{self._value('o', name)} IS DISTINCT FROM {self._value('n', name)}" for name in names]
        return f"o.{_HERE} AND n.{_HERE} AND ({' OR '.join(differ) or 'FALSE'})"

    def _hash(self, side: str) -> str:
        return f"hash({', '.join(self._value(side, name) for name in self._columns)})"

    def _value(self, side: str, name: str) -> str:
        """A column as it is compared: both versions' values in one type."""
        old, new = self._old.schema.field(name).type, self._new.schema.field(name).type
        column = f"{side}.{quoted(name)}"
        return column if old == new else f"CAST({column} AS {_sql_type(wider_type(old, new))})"

    def _day_of(self, side: str) -> str:
        return f"CAST({side}.{quoted(self._day)} AS DATE)" if self._day else "CAST(NULL AS DATE)"

    # -- sums

    def _sums(self) -> tuple[dict[date | None, dict[str, Number]], dict[str, tuple[Any, Any, Any]]]:
        """By how much each sum moved by day, and each sum before, after and in between."""
        if not self._summed:
            return {}, {}
        old, new, same = (self._sums_by_day(view) for view in ("old_rows", "new_rows", "same_rows"))
        moved: dict[date | None, dict[str, Number]] = {}
        for day in old.keys() | new.keys():
            none = (None,) * len(self._summed)
            pairs = zip(self._summed, old.get(day, none), new.get(day, none), strict=True)
            steps = {name: (after or 0) - (before or 0) for name, before, after in pairs}
            moved[day] = {name: step for name, step in steps.items() if step}
        totals = {}
        for number, name in enumerate(self._summed):
            before, after = _total(number, old, same), _total(number, new, same)
            totals[name] = (before, after, (after or 0) - (before or 0))
        return moved, totals

    def _sums_by_day(self, view: str) -> dict[date | None, tuple[Any, ...]]:
        sums = ", ".join(f"sum(v.{quoted(name)})" for name in self._summed)
        rows = self._rows(sql("SELECT", f"{self._day_of('v')} AS day, {sums} FROM {view} v GROUP BY day"))
        return {row[0]: row[1:] for row in rows}

    def _can_sum(self, name: str) -> bool:
        kinds = (self._old.schema.field(name).type, self._new.schema.field(name).type)
        return all(
            pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind) for kind in kinds
        )

    # -- examples

    def _examples(self) -> tuple[Example, ...]:
        if self._key:
            return self._examples_by_key()
        found = []
        for view, side, sign in (("old_rows", "o", "<"), ("new_rows", "n", ">")):
            hashes = sql("SELECT hash FROM moved_rows WHERE times", sign, "0 ORDER BY hash LIMIT", str(EXAMPLES))
            query = sql("SELECT * FROM", f"{view} {side} WHERE", self._hash(side), f"IN ({hashes}) LIMIT {EXAMPLES}")
            rows = self._connection.execute(query).to_arrow_table().to_pylist()
            found += [Example(row, None) if side == "o" else Example(None, row) for row in rows]
        return tuple(found[:EXAMPLES])

    def _examples_by_key(self) -> tuple[Example, ...]:
        """Rows that changed before rows that came or went, in the order of the key."""
        valued = [name for name in self._columns if name not in self._key]
        chosen = f"WHERE o.{_HERE} IS NULL OR n.{_HERE} IS NULL OR ({self._changed(valued)})"
        order = ", ".join(f"coalesce({self._value('n', name)}, {self._value('o', name)})" for name in self._key)
        both = f"(o.{_HERE} AND n.{_HERE}) IS NOT TRUE"
        old, new = _packed("o", self._old.schema.names), _packed("n", self._new.schema.names)
        packed = f"o.{_HERE} AS was, n.{_HERE} AS stays, {old} AS old, {new} AS new"
        query = sql("SELECT", packed, self._joined(), chosen, f"ORDER BY {both}, {order} LIMIT {EXAMPLES}")
        rows = self._connection.execute(query).to_arrow_table().to_pylist()
        return tuple(Example(row["old"] if row["was"] else None, row["new"] if row["stays"] else None) for row in rows)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()


def _days(
    counts: Mapping[date | None, tuple[int, int, int]], moved: Mapping[date | None, Mapping[str, Number]]
) -> Iterable[DayDifference]:
    for day in sorted(counts.keys() | moved.keys(), key=lambda day: day or date.min):
        added, gone, changed = counts.get(day, (0, 0, 0))
        steps = moved.get(day, {})
        if added or gone or changed or steps:
            yield DayDifference(day, added, gone, changed, dict(steps))


def _total(number: int, *parts: Mapping[date | None, tuple[Any, ...]]) -> Any:
    """A sum over all days of several parts of a version; None if there is no value at all."""
    known = [row[number] for part in parts for row in part.values() if row[number] is not None]
    return sum(known) if known else None


def _packed(side: str, names: Iterable[str]) -> str:
    fields = ", ".join(f"{quoted(name)} := {side}.{quoted(name)}" for name in names)
    return f"struct_pack({fields})"


def _sql_type(kind: Any | None) -> str:
    """DuckDB's name of the type that two versions of a column are compared in; texts if there is no common type."""
    if kind is not None and pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if kind is not None and pa.types.is_integer(kind):
        return "BIGINT"
    return "DOUBLE" if kind is not None and pa.types.is_floating(kind) else "VARCHAR"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()  # an hour too: datetime is a date
    return str(value) if isinstance(value, Decimal) else value
