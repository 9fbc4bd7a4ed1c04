"""The history of a table at a destination: beside it, each row as every version had it.

A row of the history was in the table from `_from_version` until before `_to_version`; the rows without `_to_version`
are those of the newest version. The history is brought up to a version in the transaction of the table, version by
version, and its newest rows are compared with the version. Rows of earlier versions are only ever closed; a log says
what was there, and what something else changed since is written anew if the lake still has all versions of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import pyarrow as pa

from adreel.destinations.figures import TableFigures, figures, prove
from adreel.destinations.history_log import ClosedRows, Groups, HistoryLog
from adreel.destinations.session import DestinationSession, Place
from adreel.errors import InputError, ProofError
from adreel.lake import Lake, Version
from adreel.lake.engine import literal, quoted, sql
from adreel.language import Phrase, integer, phrase
from adreel.update_methods import Method

SUFFIX = "_history"
"""What the name of a history has after that of its table."""

LONGEST_TABLE = 63 - len(SUFFIX)
"""Bytes of the name of a table with a history (source: Postgres' manual, "Identifiers")."""

FROM_VERSION, FROM_TIME, FROM_KIND = FROM = ("_from_version", "_from_time", "_from_kind")
TO_VERSION, TO_TIME, TO_KIND = TO = ("_to_version", "_to_time", "_to_kind")

FIRST = "first"
"""The kind of rows of the version that a history begins with."""

UNKNOWN = "unknown"
"""The kind of changes since a version that the lake does not have any more."""

COLUMNS = "columns"
"""The kind of rows that differ in columns alone that the version added or lost."""

_TYPES = ("BIGINT", "TIMESTAMPTZ", "VARCHAR")

_OWN_TYPES = dict(zip((*FROM, *TO), _TYPES * 2, strict=True))

_ADVERTISER = "advertiser_id"

KindOf = Callable[[str | None, date | None], str]
"""The kind of a day of an ad account, in the words of `restatement.DayKind`."""

KindsBetween = Callable[[int, int], KindOf]
"""The kinds of days between two versions."""


@dataclass(frozen=True, slots=True)
class HistoryState:
    """The version that a history at a destination has, and the types of its columns by name."""

    version: int
    run_id: str
    columns: Mapping[str, str]


def history_place(place: Place) -> Place:
    """Where the history of a table is. InputError for a name that Postgres would cut, which may be the table's."""
    if len(place.table.encode()) > LONGEST_TABLE:
        raise InputError(phrase(_LONG_NAME, table=place.table, limit=LONGEST_TABLE))
    return Place(place.schema, place.table + SUFFIX)


class HistoryPublisher:
    """Brings the history of one table up to a version, within a transaction of the destination."""

    def __init__(
        self, session: DestinationSession, lake: Lake, slug: str, version: int, place: Place, kinds: KindsBetween
    ) -> None:
        """`place` is that of the history."""
        self._session = session
        self._lake = lake
        self._slug = slug
        self._place = place
        self._kinds = kinds
        self._table = lake.table(slug, version)
        self._versions = _comparable(lake, slug, version)
        newest = self._versions[-1] if self._versions else None
        if newest is None or newest.number != version or not newest.key:
            raise InputError(phrase(_WITHOUT_KEY, table=str(place)))
        self._key, self._day = newest.key, newest.day_column
        self._staged = 0
        self._log = HistoryLog(session, place, FROM_VERSION, TO_VERSION)
        self._first = 0
        self._noted: Groups = {}
        self.repairs: tuple[str, ...] = ()

    def run(self, state: HistoryState | None, proof: TableFigures, types: Mapping[str, str]) -> dict[str, str]:
        """Brings the history there and compares its newest rows with `proof`; gives the types of all its columns.

        `state` is None to make it anew. `types` are those of the version's columns. `repairs` then say what others had
        changed.
        """
        self._log.prepare()
        lost = {} if state is None else self._changed_by_others(state)
        # The first version of the history is that of all of its rows, whichever were changed.
        is_rewritten = state is not None and bool(lost) and self._has_all(state)
        columns = self._bring(state, proof, types, is_rewritten=is_rewritten)
        if lost:
            self.repairs = (self._rewritten() if is_rewritten else self._lost(lost),)
        self._write_log(None if is_rewritten else state, columns, lost)
        return columns

    def _bring(
        self, state: HistoryState | None, proof: TableFigures, types: Mapping[str, str], *, is_rewritten: bool
    ) -> dict[str, str]:
        columns = dict(state.columns) if state is not None else {}
        if state is None:
            self._create(types)
        for name, kind in types.items():
            if state is not None and name not in columns:
                self._session.run(sql("ALTER TABLE", self._place.sql, "ADD COLUMN", quoted(name), kind))
        columns |= types
        if is_rewritten:
            self._session.run(sql("DELETE FROM", self._place.sql))
        for before, version in self._steps(None if is_rewritten else state):
            self._take(before, version, columns)
        self._prove(proof)
        return columns

    # -- steps

    def _create(self, types: Mapping[str, str]) -> None:
        listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in {**types, **_OWN_TYPES}.items())
        self._session.run(sql("DROP TABLE IF EXISTS", self._place.sql))
        self._session.run(sql("CREATE TABLE", self._place.sql, "(", listed, ")"))

    def _steps(self, state: HistoryState | None) -> Iterator[tuple[Version | None, Version]]:
        """The versions to take, each with the one before; None where that one cannot be read."""
        if state is None:
            yield None, self._versions[0]
            yield from pairwise(self._versions)
            return
        newest = self._versions[-1]
        if newest.run_id == state.run_id:
            return
        if newest.number <= state.version:
            raise InputError(phrase(_OTHER_TABLE, table=str(self._place)))
        later = [version for version in self._versions if version.number > state.version]
        matching = [version for version in self._versions if version.number == state.version]
        before = matching[0] if matching and matching[0].run_id == state.run_id else None
        yield before, later[0]
        yield from pairwise(later)

    def _take(self, before: Version | None, version: Version, columns: Mapping[str, str]) -> None:
        """Closes the rows that are gone or changed since `before`, and adds those that came instead."""
        if before is not None and self._keeps_columns(before, version):
            with self._lake.row_changes(self._slug, before.number, version.number) as changes:
                if changes is not None and changes.key == self._key:
                    removed, written = self._stage(changes.removed()), self._stage(changes.written())
                    names = self._names(version)
                    self._apply(before, version, names, sql("SELECT", names, "FROM", written), removed)
                    return
        self._compare(before, version, columns)

    def _compare(self, before: Version | None, version: Version, columns: Mapping[str, str]) -> None:
        """The same by comparing all rows with the history's newest, where the lake cannot say what changed."""
        whole = self._stage(self._lake.read(self._slug, version.number))
        there = frozenset(self._schema(version).names)
        values = (quoted(name) if name in there else f"CAST(NULL AS {kind})" for name, kind in columns.items())
        names = ", ".join(map(quoted, columns))
        written = sql("SELECT", ", ".join(values), "FROM", whole, "EXCEPT SELECT", names, "FROM", self._open, "o")
        older = sql(quoted(FROM_VERSION), "<", str(version.number))
        stays = sql("SELECT 1 FROM", whole, "w WHERE", self._same_key("o", "w"))
        keys = sql("SELECT", self._listed_key("o"), "FROM", self._open, "o WHERE", older)
        removed = sql("(", keys, "AND NOT EXISTS (", stays, "))")
        self._apply(before, version, names, written, removed)

    def _apply(self, before: Version | None, version: Version, names: str, written: str, removed: str) -> None:
        """Adds the rows of the query `written` and closes those of their keys and of the keys in `removed`."""
        number, at = str(version.number), f"CAST({literal(version.at.isoformat())} AS TIMESTAMPTZ)"
        kind = "NULL" if before is not None else literal(UNKNOWN if self._has_rows() else FIRST)
        listed = ", ".join((names, *map(quoted, FROM)))
        self._session.run(
            sql("INSERT INTO", self._place.sql, "(", listed, ") SELECT w.*,", number, ",", at, ",", kind)
            + sql(" FROM (", written, ") w")
        )
        gone = sql("SELECT", self._listed_key("n"), "FROM", self._place.sql, "n WHERE", quoted(FROM_VERSION), "=")
        gone += sql(f" {number} UNION ALL SELECT", self._listed_key("r"), "FROM", removed, "r")
        new_values = zip(TO, (number, at, kind), strict=True)
        self._session.run(
            sql(
                "UPDATE",
                self._place.sql,
                "AS h SET",
                ", ".join(f"{quoted(name)} = {value}" for name, value in new_values),
            )
            + sql(
                " FROM (", gone, ") g WHERE", f"h.{quoted(TO_VERSION)} IS NULL AND h.{quoted(FROM_VERSION)} <", number
            )
            + sql(" AND", self._same_key("h", "g"))
        )
        if before is not None:
            self._write_kinds(self._kinds(before.number, version.number), version.number)
            self._tell_columns_apart(before, version)

    def _tell_columns_apart(self, before: Version, version: Version) -> None:
        """Says of rows that differ in new or lost columns alone that TikTok restated nothing of them."""
        names = set(self._schema(before).names)
        if names == set(self._schema(version).names):
            return
        shared = sorted(names & set(self._schema(version).names))
        same = [f"c.{quoted(name)} IS NOT DISTINCT FROM n.{quoted(name)}" for name in shared]
        pairs = f" c.{quoted(TO_VERSION)} = {version.number} AND n.{quoted(FROM_VERSION)} = {version.number} AND "
        for side, other, column in (("c", "n", TO_KIND), ("n", "c", FROM_KIND)):
            self._session.run(
                sql("UPDATE", self._place.sql, "AS", side, "SET", quoted(column), "=", literal(COLUMNS))
                + sql(" FROM", self._place.sql, other, "WHERE")
                + pairs
                + " AND ".join(same)
            )

    def _write_kinds(self, kind_of: KindOf, number: int) -> None:
        """Says of the rows that the version added and closed what their days are to it."""
        owners = [name for name in (_ADVERTISER, self._day) if name and name in self._table.schema.names]
        touched = f"{quoted(FROM_VERSION)} = {number} OR {quoted(TO_VERSION)} = {number}"
        listed = ", ".join(map(quoted, owners)) or "1"
        days = self._session.rows(sql("SELECT DISTINCT", listed, "FROM", self._place.sql, "WHERE", touched))
        if not days:
            return
        facts = [dict(zip(owners, values, strict=False)) for values in days]
        kinds = [str(kind_of(fact.get(_ADVERTISER), fact.get(self._day or ""))) for fact in facts]
        fields = [self._table.schema.field(name).remove_metadata() for name in owners]
        schema = pa.schema([*fields, pa.field("kind", pa.string())])
        rows = [{**fact, "kind": kind} for fact, kind in zip(facts, kinds, strict=True)]
        staged = self._stage(pa.Table.from_pylist(rows, schema).to_reader())
        same = " AND ".join(f"h.{quoted(name)} = k.{quoted(name)}" for name in owners) or "TRUE"
        for column, of_version in ((FROM_KIND, FROM_VERSION), (TO_KIND, TO_VERSION)):
            self._session.run(
                sql("UPDATE", self._place.sql, "AS h SET", quoted(column), "= k.kind FROM", staged, "k WHERE")
                + f" h.{quoted(of_version)} = {number} AND {same}"
            )

    # -- proof

    def _changed_by_others(self, state: HistoryState) -> Groups:
        """What the log has of rows that are not there as it says; nothing if it does not know the version there."""
        self._noted = noted = self._log.noted(state.run_id) or {}
        if not noted:
            return {}
        there = self._log.there({**state.columns, **_OWN_TYPES})
        self._first = min(group.first for group in noted.values())
        nothing = ClosedRows(0, 0, self._first)
        every = dict.fromkeys((*noted, *there))
        return {closed: noted.get(closed, nothing) for closed in every if noted.get(closed) != there.get(closed)}

    def _has_all(self, state: HistoryState) -> bool:
        """Whether the lake has all versions that the history was made of, and of the same table."""
        is_same = any(each.number == state.version and each.run_id == state.run_id for each in self._versions)
        return is_same and self._versions[0].number <= self._first

    def _write_log(self, state: HistoryState | None, columns: Mapping[str, str], lost: Groups) -> None:
        """Notes what is there now. What others changed stays as it was noted, so that it is named until it is back."""
        types = {**columns, **_OWN_TYPES}
        if state is None:
            groups = dict(self._log.there(types))
        else:
            is_wider = columns.keys() != state.columns.keys()
            noted = {} if is_wider else self._noted
            groups = {**noted, **self._log.there(types, None if not noted else state.version)}
            groups = {closed: group for closed, group in groups.items() if closed is None or closed not in lost}
            groups |= {closed: group for closed, group in lost.items() if closed is not None and group.rows}
        self._log.write(self._versions[-1].run_id, groups)

    def _rewritten(self) -> str:
        return phrase(_REWRITTEN, table=str(self._place))

    def _lost(self, lost: Groups) -> str:
        versions = ", ".join(str(closed) for closed in sorted(closed for closed in lost if closed is not None))
        facts = {"table": str(self._place), "versions": versions, "first": integer(self._versions[0].number)}
        return phrase(_LOST if versions else _LOST_NEWEST, **facts)

    def _prove(self, proof: TableFigures) -> None:
        copy = figures(
            self._session.rows, f"{self._open} h", self._table.schema, quoted, self._day, self._session.words
        )
        try:
            prove(proof, copy, str(self._place))
        except ProofError as error:
            raise ProofError(phrase(_CHANGED, reason=str(error))) from error

    # -- SQL

    @property
    def _open(self) -> str:
        """The history's newest rows."""
        return sql("(SELECT * FROM", self._place.sql, "WHERE", quoted(TO_VERSION), "IS NULL)")

    def _same_key(self, one_side: str, other_side: str) -> str:
        return " AND ".join(f"{one_side}.{quoted(name)} = {other_side}.{quoted(name)}" for name in self._key)

    def _listed_key(self, side: str) -> str:
        return ", ".join(f"{side}.{quoted(name)}" for name in self._key)

    def _stage(self, batches: Any) -> str:
        """Stages rows under a name of their own, which is SQL already."""
        self._staged += 1
        name = f"adreel_history_{self._staged}"
        self._session.stage(name, batches)
        return quoted(name)

    def _has_rows(self) -> bool:
        return bool(self._session.rows(sql("SELECT 1 FROM", self._place.sql, "LIMIT 1")))

    def _schema(self, version: Version) -> Any:
        return self._lake.table(self._slug, version.number).schema

    def _names(self, version: Version) -> str:
        return ", ".join(map(quoted, self._schema(version).names))

    def _keeps_columns(self, before: Version, version: Version) -> bool:
        return set(self._schema(before).names) <= set(self._schema(version).names)


def _comparable(lake: Lake, slug: str, number: int) -> Sequence[Version]:
    """The versions up to this one that its history can begin with, oldest first.

    They have its primary key, no other columns or types, and none was appended, so that each row is there once.
    """
    kinds = {field.name: field.type for field in lake.table(slug, number).schema}
    chosen: list[Version] = []
    for version in lake.versions(slug):
        if version.number > number:
            continue
        schema = lake.table(slug, version.number).schema
        same_types = all(kinds.get(field.name) == field.type for field in schema)
        same_key = not chosen or version.key == chosen[0].key
        if version.method == Method.APPEND or not same_types or not same_key:
            break
        chosen.append(version)
    return tuple(reversed(chosen))


_WITHOUT_KEY = Phrase(
    "The history %(table)s needs a table with one row for each primary key. Use another update method than append, or "
    "publish without history."
)
_LONG_NAME = Phrase(
    "A table with history needs a name of at most %(limit)s characters: publish %(table)s to another table."
)
_OTHER_TABLE = Phrase(
    "The history %(table)s is that of another table: of one that was deleted, or of a lake that was restored from a "
    "backup. Load the table anew to begin its history again."
)
_REWRITTEN = Phrase(
    "Something else had changed the history %(table)s, so all its rows were written again from the versions of adreel."
)
_LOST = Phrase(
    "Something else changed rows of the history %(table)s that versions %(versions)s had closed. adreel has only the "
    "versions since %(first)s, so it cannot write them again. Restore the history from a backup of the destination, or "
    "begin it again: adreel publish NAME --to DESTINATION --reload"
)
_LOST_NEWEST = Phrase(
    "Something else changed when rows of the newest version began in the history %(table)s. adreel has only the "
    "versions since %(first)s, so it cannot write them again. Restore the history from a backup of the destination, or "
    "begin it again: adreel publish NAME --to DESTINATION --reload"
)
_CHANGED = Phrase(
    "%(reason)s The history is not repaired. To begin it again with the versions that adreel still has: "
    "adreel publish NAME --to DESTINATION --reload"
)
