"""Entities in tables of a layout: one row each, or one for each version, whichever datasets bring them.

They are never deleted, as reports of the past refer to them. What one dataset saw later than another is what counts.
"""

from __future__ import annotations

from adreel.destinations.layout_session import (
    DATASET,
    INSTANT,
    SEEN,
    STAGED,
    LayoutMark,
    LayoutSession,
    instant,
)
from adreel.destinations.publishing import Published, PublishMode
from adreel.destinations.session import Place
from adreel.errors import ProofError
from adreel.lake.engine import quoted, sql
from adreel.lake.versions import Version
from adreel.language import Phrase, phrase

_CHANGED = "adreel_changed_at"
"""When TikTok says that the entity was changed."""


def latest_of(place: Place, entity: str, version: str) -> str:
    """The current version of each entity, as SQL."""
    ranked = f"row_number() OVER (PARTITION BY h.{quoted(entity)} ORDER BY h.{quoted(version)} DESC) AS adreel_number"
    return sql("(SELECT * FROM (SELECT h.*,", ranked, "FROM", place.sql, "h) ranked WHERE adreel_number = 1)")


class EntityPublisher:
    """Entities on their way into their table."""

    def __init__(self, target: LayoutSession) -> None:
        self._target = target
        self._session = target.session
        self._table = target.table
        self._there = target.place.sql
        self._entity = quoted(target.table.entity)
        self._newest = next(version for version in target.versions() if version.number == target.order.version)

    def publish(self) -> Published:
        """Replaces the row of each entity of the version. Errors as `publish_layout`."""
        self._stage(self._newest)
        on = f"{self._there}.{self._entity} = s.{self._entity} AND {self._yields(self._there, self._newest)}"
        self._session.run(sql("DELETE FROM", self._there, "USING", f"{quoted(STAGED)} s", "WHERE", on))
        present = sql("(SELECT 1 FROM", self._there, f"t WHERE t.{self._entity} = s.{self._entity})")
        self._target.insert(f"{quoted(STAGED)} s WHERE NOT EXISTS {present}", self._values(self._newest))
        written = f"{self._target.own} AND {quoted(SEEN)} = {instant(self._newest.at)}"
        self._prove(self._there)
        return Published(
            PublishMode.CHANGES, self._target.rows, self._target.count(f"{self._there} WHERE {written}"), 0
        )

    def _stage(self, version: Version) -> None:
        """The entities of a version. ProofError unless each is there once."""
        order, lake = self._target.order, self._target.lake
        changed = {_CHANGED: (f"CAST({self._table.changed} AS TIMESTAMPTZ)", INSTANT)}
        rows = self._target.stage(STAGED, self._target.read(version.number), self._target.values() | changed)
        entities = self._target.count(sql("(SELECT DISTINCT", self._entity, "FROM", quoted(STAGED), ") entities"))
        if not rows == entities == lake.table(order.slug, version.number).rows:
            table, counted = str(self._target.place), str(entities)
            raise ProofError(phrase(_NOT_EACH_ONCE, table=table, rows=str(rows), entities=counted))

    def _yields(self, of: str, version: Version) -> str:
        """Whether a row gives way: it is this dataset's own, or was not seen later by another."""
        not_later = f"coalesce({of}.{quoted(SEEN)} <= {instant(version.at)}, true)"
        return f"({of}.{quoted(DATASET)} = {self._target.publisher} OR {not_later})"

    def _values(self, version: Version) -> dict[str, str]:
        """SQL by column over staged rows (s)."""
        return {
            **{column.name: self._target.typed(column, "s") for column in self._table.columns},
            self._table.synced: self._target.now,
            DATASET: self._target.publisher,
            SEEN: instant(version.at),
        }

    def _differs(self) -> str:
        """Whether a row there (l) has another value than the staged one (s)."""
        columns = [column for column in self._table.columns if column.name != self._table.entity]
        return " OR ".join(
            f"l.{quoted(column.name)} IS DISTINCT FROM {self._target.typed(column, 's')}" for column in columns
        )

    def _outdated(self, current: str, version: Version) -> str:
        """Staged rows (s) whose entity is not there, or is there otherwise (l), as SQL after FROM."""
        joined = sql(quoted(STAGED), "s LEFT JOIN", current, f"l ON l.{self._entity} = s.{self._entity}")
        return f"{joined} WHERE l.{self._entity} IS NULL OR ({self._yields('l', version)} AND ({self._differs()}))"

    def _prove(self, current: str) -> None:
        """What is current there is what the version says, unless another dataset saw it later; keys are unique."""
        wrong = self._target.count(self._outdated(current, self._newest))
        keys = ", ".join(map(quoted, self._table.key))
        empty = " OR ".join(f"{quoted(name)} IS NULL" for name in self._table.key)
        faults = sql("(SELECT", keys, "FROM", self._there, "GROUP BY", keys, f"HAVING count(*) > 1 OR {empty}) faults")
        twice = self._target.count(faults)
        if wrong or twice:
            table = str(self._target.place)
            raise ProofError(phrase(_OTHER_ENTITIES, table=table, wrong=str(wrong), twice=str(twice)))


class EntityHistoryPublisher(EntityPublisher):
    """Entities on their way into a table that has their versions."""

    @property
    def _version(self) -> str:
        return quoted(str(self._table.version))

    @property
    def _latest(self) -> str:
        return latest_of(self._target.place, self._table.entity, str(self._table.version))

    def publish_since(self, mark: LayoutMark | None) -> Published:
        """Appends what changed in each version of the lake since the one there. Errors as `publish_layout`."""
        before = self._target.count(self._there)
        self._stage(self._newest)
        removed = self._drop_stand_ins()
        for version in self._pending(mark):
            self._append(version)
        written = self._target.count(self._there) - before + removed
        self._prove(self._latest)
        self._touch_current()
        mode = PublishMode.CHANGES if before else PublishMode.FULL
        return Published(mode, self._target.rows, written, removed)

    def _pending(self, mark: LayoutMark | None) -> list[Version]:
        """The versions after the one there, or all, the oldest first; the newest in any case."""
        versions = self._target.versions()
        is_there = mark is not None and any(
            (each.number, each.run_id) == (mark.version, mark.run_id) for each in versions
        )
        after = mark.version if mark is not None and is_there else -1
        between = [version for version in versions if after < version.number < self._newest.number]
        return [*between, self._newest]

    def _drop_stand_ins(self) -> int:
        """Deletes rows that reports' attributes stand in for, of entities that the version has; how many."""
        before = self._target.count(self._there)
        listed = sql("(SELECT", self._entity, "FROM", quoted(STAGED), ")")
        where = f"{quoted(SEEN)} IS NULL AND {self._entity} IN {listed}"
        self._session.run(sql("DELETE FROM", self._there, "WHERE", where))
        return before - self._target.count(self._there)

    def _append(self, version: Version) -> None:
        """Appends the entities that the version has otherwise, each with a time after that of the one before."""
        self._stage(version)
        self._target.insert(self._outdated(self._latest, version), self._values(version))

    def _values(self, version: Version) -> dict[str, str]:
        changed, latest, seen = f"s.{quoted(_CHANGED)}", f"l.{self._version}", instant(version.at)
        stamp = (
            f"CASE WHEN {latest} IS NULL THEN coalesce({changed}, {seen}) WHEN {changed} > {latest} THEN {changed} "
            f"WHEN {seen} > {latest} THEN {seen} ELSE {latest} + INTERVAL '1 microsecond' END"
        )
        return super()._values(version) | {str(self._table.version): stamp}

    def _touch_current(self) -> None:
        """Says of the current versions that they were checked now, as freshness is told by that time."""
        times = sql("(SELECT", self._entity, f", max({self._version}) AS latest FROM", self._there, "GROUP BY 1) l")
        listed = sql("(SELECT", self._entity, "FROM", quoted(STAGED), ")")
        on = [
            f"{self._there}.{self._entity} = l.{self._entity}",
            f"{self._there}.{self._version} = l.latest",
            f"{self._there}.{self._entity} IN {listed}",
        ]
        change = f"{quoted(self._table.synced)} = {self._target.now}"
        self._session.run(sql("UPDATE", self._there, "SET", change, "FROM", times, "WHERE", " AND ".join(on)))


_NOT_EACH_ONCE = Phrase(
    "%(rows)s rows for %(table)s are of %(entities)s entities, not one of each. Nothing was changed there. Limit "
    "`advertisers` of the dataset, or try again."
)
_OTHER_ENTITIES = Phrase(
    "The table %(table)s at the destination differs from the version in %(wrong)s entities, and has %(twice)s keys "
    "twice or empty. Nothing was changed there. Does something else write to it? Publish to another schema, or try "
    "again."
)
