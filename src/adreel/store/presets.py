"""Metric presets that people save: lists of metrics under a name, of one user or shared with all users."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from adreel.errors import ExistsError, NotFoundError
from adreel.language import phrase
from adreel.store.audit import AuditAction, Subject, record
from adreel.store.database import Database
from adreel.store.names import clean_name
from adreel.store.records import MetricPreset, User
from adreel.store.tables import metric_presets, users
from adreel.store.users import PUBLIC, name_key, user_of

_COLUMNS = (*(column for column in metric_presets.columns if column.name != "name_key"), users.c.name.label("owner"))


class MetricPresets:
    """The presets of one home. Who may do what with them is for `adreel.datasets.saved_presets`."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def visible(self, user: User | None) -> tuple[MetricPreset, ...]:
        """The user's own presets and those that are shared, by name; all of them for None, the operator."""
        with self._database.read() as connection:
            return _visible(connection, user)

    def add(self, user: User | None, name: str, metrics: Iterable[str], *, shared: bool) -> MetricPreset:
        """A new preset. ExistsError if the user sees one of that name, InputError if it cannot be a name."""
        now, name = self._clock(), clean_name(name, phrase("a metric preset"))
        values = {"name": name, "name_key": name_key(name), "metrics": list(metrics), "shared": shared}
        values |= {"user_id": user.id if user is not None else None, "created_at": now, "updated_at": now}
        with self._database.write() as connection:
            _refuse_taken(connection, user, name)
            added = insert(metric_presets).values(values).returning(metric_presets.c.id)
            number = connection.execute(added).scalar_one()
            preset = _get(connection, number)
            record(connection, now, AuditAction.PRESET_CREATE, Subject.of(preset), {"shared": shared})
        return preset

    def change(self, preset: MetricPreset, *, name: str, metrics: Iterable[str], shared: bool) -> MetricPreset:
        """The preset with this name, these metrics, and shared or not. Errors as `add`; NotFoundError if it is gone."""
        now, name = self._clock(), clean_name(name, phrase("a metric preset"))
        values = {"name": name, "name_key": name_key(name), "metrics": list(metrics), "shared": shared}
        with self._database.write() as connection:
            owner = _owner(connection, preset)
            _refuse_taken(connection, owner, name, preset.id)
            mine = metric_presets.c.id == preset.id
            connection.execute(update(metric_presets).where(mine).values(**values, updated_at=now))
            changed = _get(connection, preset.id)
            details = {"before": preset.name if preset.name != name else None, "shared": shared}
            record(connection, now, AuditAction.PRESET_CHANGE, Subject.of(changed), details)
        return changed

    def delete(self, preset: MetricPreset) -> None:
        """Removes the preset; datasets made with it stay as they are. NotFoundError if it is gone."""
        with self._database.write() as connection:
            if not connection.execute(delete(metric_presets).where(metric_presets.c.id == preset.id)).rowcount:
                raise _gone(preset)
            record(connection, self._clock(), AuditAction.PRESET_DELETE, Subject.of(preset))


def _select() -> Any:
    return select(*_COLUMNS).outerjoin(users, users.c.id == metric_presets.c.user_id)


def _visible(connection: Connection, user: User | None) -> tuple[MetricPreset, ...]:
    statement = _select().order_by(metric_presets.c.name_key, metric_presets.c.id)
    if user is not None:
        statement = statement.where(or_(metric_presets.c.user_id == user.id, metric_presets.c.shared))
    return tuple(_preset(row) for row in connection.execute(statement))


def _get(connection: Connection, number: int) -> MetricPreset:
    return _preset(connection.execute(_select().where(metric_presets.c.id == number)).one())


def _preset(row: Row[Any]) -> MetricPreset:
    values = row._asdict()
    return MetricPreset(**{**values, "metrics": tuple(values["metrics"]), "owner": values["owner"] or ""})


def _owner(connection: Connection, preset: MetricPreset) -> User | None:
    """Who owns the preset now, as far as names go: nobody for one of the operator or of a user who was deleted."""
    row = connection.execute(select(metric_presets.c.user_id).where(metric_presets.c.id == preset.id)).first()
    if row is None:
        raise _gone(preset)
    if row.user_id is None:
        return None
    return user_of(connection.execute(select(*PUBLIC).where(users.c.id == row.user_id)).one())


def _refuse_taken(connection: Connection, user: User | None, name: str, besides: int | None = None) -> None:
    """Among a user's own presets and those that are shared a name stands for one."""
    own = metric_presets.c.user_id == user.id if user is not None else metric_presets.c.user_id.is_(None)
    same = (metric_presets.c.name_key == name_key(name)) & or_(own, metric_presets.c.shared)
    if besides is not None:
        same &= metric_presets.c.id != besides
    row = connection.execute(select(metric_presets.c.shared).where(same)).first()
    if row is not None:
        if row.shared:
            raise ExistsError(
                phrase("There is a shared preset %(name)s already; choose another name.", name=repr(name))
            )
        raise ExistsError(phrase("There is a preset %(name)s already; choose another name.", name=repr(name)))


def _gone(preset: MetricPreset) -> NotFoundError:
    return NotFoundError(phrase("The preset %(name)s was deleted meanwhile.", name=repr(preset.name)))
