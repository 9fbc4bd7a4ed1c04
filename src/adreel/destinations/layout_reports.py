"""Reports in tables of a layout: each dataset replaces its own rows by key, and no day is there of two datasets."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from adreel.datasets.layouts.tables import ARROW_TYPES, Attributes
from adreel.destinations.figures import figures, prove
from adreel.destinations.layout_entities import latest_of
from adreel.destinations.layout_session import DATASET, INSTANT, LAKE, SEEN, STAGED, LayoutMark, LayoutSession
from adreel.destinations.publishing import Published, PublishMode
from adreel.destinations.session import Place
from adreel.errors import InputError
from adreel.lake.engine import quoted, sql
from adreel.language import Phrase, phrase

_REMOVED, _STAND_INS = "adreel_removed", "adreel_stand_ins"


class ReportPublisher:
    """A report on its way into its table."""

    def __init__(self, target: LayoutSession) -> None:
        self._target = target
        self._session = target.session
        self._table = target.table
        self._there = target.place.sql

    def publish(self, mark: LayoutMark | None) -> Published:
        """Sends what changed since the version of `mark`, or all rows. Errors as `publish_layout`."""
        published = None
        if mark is not None and mark.columns == self._target.fingerprint:
            published = self._changes(mark)
        published = published or self._whole()
        self._touch_newest()
        self.prove()
        if self._table.attributes is not None:
            self._write_stand_ins(self._table.attributes)
        return published

    def _changes(self, mark: LayoutMark) -> Published | None:
        """Sends what changed since the version there; None if that cannot be known."""
        order = self._target.order
        versions = self._target.versions()
        if not any((version.number, version.run_id) == (mark.version, mark.run_id) for version in versions):
            return None
        with self._target.lake.row_changes(order.slug, mark.version, order.version) as changes:
            if changes is None or not changes.key:
                return None
            removed = self._target.stage(_REMOVED, changes.removed(), self._target.values(self._table.key))
            self._delete_own(_REMOVED)
            written = self._target.stage(STAGED, changes.written(), self._target.values())
        self._delete_own(STAGED)
        self._add_staged()
        return Published(PublishMode.CHANGES, self._target.rows, written, removed)

    def _whole(self) -> Published:
        order = self._target.order
        written = self._target.stage(STAGED, self._target.lake.read(order.slug, order.version), self._target.values())
        self._session.run(sql("DELETE FROM", self._there, "WHERE", self._target.own))
        self._add_staged()
        return Published(PublishMode.FULL, self._target.rows, written, 0)

    def _delete_own(self, staged: str) -> None:
        on = " AND ".join(f"{self._there}.{quoted(name)} = s.{quoted(name)}" for name in self._table.key)
        source = f"{quoted(staged)} s"
        self._session.run(sql("DELETE FROM", self._there, "USING", source, "WHERE", on, "AND", self._target.own))

    def _add_staged(self) -> None:
        self._refuse_days_of_others()
        values = {column.name: self._target.typed(column, "s") for column in self._table.columns}
        own = {self._table.synced: self._target.now, DATASET: self._target.publisher}
        self._target.insert(f"{quoted(STAGED)} s", values | own)

    def _refuse_days_of_others(self) -> None:
        """No entity has figures of two datasets on one day, hours or days: InputError, or with `reload` they go."""
        time, entity = self._table.time, quoted(self._table.entity)
        on = [f"{self._there}.{entity} = s.{entity}", f"{self._there}.{quoted(DATASET)} <> {self._target.publisher}"]
        columns = [entity]
        if time is not None:
            columns.append(f"CAST({quoted(time)} AS DATE) AS day")
            on.append(f"CAST({self._there}.{quoted(time)} AS DATE) = s.day")
        days = sql("(SELECT DISTINCT", ", ".join(columns), "FROM", quoted(STAGED), ") s")
        clash = " AND ".join(on)
        if self._target.order.reload:
            self._session.run(sql("DELETE FROM", self._there, "USING", days, "WHERE", clash))
            return
        text = f"CAST({self._there}.{entity} AS VARCHAR)"
        for (value,) in self._session.rows(
            sql("SELECT", text, "FROM", self._there, "JOIN", days, "ON", clash, "LIMIT 1")
        ):
            raise InputError(phrase(_TAKEN, table=str(self._target.place), column=self._table.entity, value=value))

    def _touch_newest(self) -> None:
        """Says of the newest rows that they were checked now, as freshness is told by that time."""
        where, time = self._target.own, self._table.time
        if time is not None:
            newest = sql("(SELECT max(", quoted(time), ") FROM", self._there, "WHERE", self._target.own, ")")
            where = f"{where} AND {quoted(time)} = {newest}"
        change = f"{quoted(self._table.synced)} = {self._target.now}"
        self._session.run(sql("UPDATE", self._there, "SET", change, "WHERE", where))

    def prove(self) -> None:
        """Rows, keys and figures of the dataset there are those of its version in the lake."""
        order = self._target.order
        keys = [column for column in self._table.columns if column.name in self._table.key]
        measures = self._table.measures
        schema = pa.schema(
            [
                *((column.name, ARROW_TYPES[column.type]) for column in keys),
                *((measure.name, measure.type) for measure in measures),
            ]
        )
        of_lake = [
            *(column.sql for column in keys),
            *(f"{measure.lake} AS {quoted(measure.name)}" for measure in measures),
        ]
        of_copy = [
            *(quoted(column.name) for column in keys),
            *(f"{measure.copy} AS {quoted(measure.name)}" for measure in measures),
        ]
        words = self._session.words
        with self._target.lake.version_query(order.slug, order.version, LAKE) as rows:
            version = figures(
                rows,
                sql("(SELECT", ", ".join(of_lake), f"FROM {LAKE}) version"),
                schema,
                quoted,
                None,
                words.for_version,
            )
        own = sql("(SELECT", ", ".join(of_copy), "FROM", self._there, "WHERE", self._target.own, ") own")
        prove(version, figures(self._session.rows, own, schema, quoted, None, words), str(self._target.place))

    # -- entities that only reports know

    def _write_stand_ins(self, attributes: Attributes) -> None:
        """Gives each entity of the report that has no version one with what the report says of it."""
        place = Place(self._target.place.schema, attributes.table)
        types = {name: self._session.type_of(ARROW_TYPES[kind]) for name, kind in attributes.columns}
        types |= dict.fromkeys((attributes.version, self._table.synced, SEEN), self._session.type_of(INSTANT))
        self._target.prepare_table(place, types | {DATASET: self._session.type_of(pa.string())})
        self._stage_stand_ins(attributes)
        values = self._stand_in_values(attributes)
        entity = quoted(self._table.entity)
        latest = latest_of(place, self._table.entity, attributes.version)
        changed = " OR ".join(
            f"(s.{quoted(name)} IS NOT NULL AND s.{quoted(name)} IS DISTINCT FROM l.{quoted(name)})"
            for name in attributes.values
        )
        source = sql(quoted(_STAND_INS), "s LEFT JOIN", latest, f"l ON l.{entity} = s.{entity}")
        absent = f"l.{entity} IS NULL OR (l.{quoted(SEEN)} IS NULL AND ({changed}))"
        selected = sql("SELECT", ", ".join(values.values()), "FROM", source, "WHERE", absent)
        self._session.run(sql("INSERT INTO", place.sql, "(", ", ".join(map(quoted, values)), ")", selected))
        self._target.write_mark(place)

    def _stand_in_values(self, attributes: Attributes) -> Mapping[str, str]:
        """SQL by column over what the report says (s) and the current version (l)."""
        entity, version, now = quoted(self._table.entity), quoted(attributes.version), self._target.now
        stamp = (
            f"CASE WHEN l.{entity} IS NULL OR l.{version} < {now} THEN {now} "
            f"ELSE l.{version} + INTERVAL '1 microsecond' END"
        )
        return {
            self._table.entity: f"s.{entity}",
            **{name: f"coalesce(s.{quoted(name)}, l.{quoted(name)})" for name in attributes.values},
            attributes.version: stamp,
            self._table.synced: now,
            DATASET: self._target.publisher,
        }

    def _stage_stand_ins(self, attributes: Attributes) -> None:
        """What the report says last of each of its entities."""
        order, types = self._target.order, dict(attributes.columns)
        columns = {
            **self._target.values((self._table.entity,)),
            **{
                name: (f"arg_max({value}, {attributes.time})", ARROW_TYPES[types[name]])
                for name, value in attributes.values.items()
            },
        }
        self._target.stage(_STAND_INS, self._target.lake.read(order.slug, order.version), columns, "GROUP BY 1")


_TAKEN = Phrase(
    "Another dataset published days of %(column)s %(value)s to %(table)s, and figures would be there twice. Nothing "
    "was changed there. Publish these ad accounts by one dataset only, or take the days over by loading this one anew."
)
