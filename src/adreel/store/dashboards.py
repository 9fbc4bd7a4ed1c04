"""Dashboards of people: charts that they pinned, in order, and where the dashboards are sent."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from adreel.errors import ExistsError, InputError, NotFoundError
from adreel.language import integer, phrase
from adreel.store.audit import AuditAction, Subject, record
from adreel.store.database import Database
from adreel.store.names import clean_name
from adreel.store.notifications import Address
from adreel.store.records import SavedDataset, User
from adreel.store.tables import dashboard_deliveries, dashboards, datasets, notification_addresses, pins, users
from adreel.store.users import name_key

MOST_DASHBOARDS = 50
"""Dashboards of one user."""

MOST_PINS = 40
"""Charts on one dashboard."""

MOST_DELIVERIES = 10
"""Addresses that one dashboard is sent to."""

LONGEST_QUERY = 4_000
"""Characters of the choices of a pin."""

REMOVED_KEPT = timedelta(days=1)
"""How long a removed pin can be restored."""

AT_ONCE = timedelta(days=1)
"""How long ago a delivery counts as due that is sent at once: nothing is waited for."""

CLAIMED = timedelta(minutes=10)
"""How long a process has for one delivery before another may send it."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard; `user_id` is None and `owner` empty for one of the operator.

    `share` is the last part of the address at which every user finds it, None while it is not shared.
    """

    id: int
    user_id: int | None
    name: str
    share: str | None
    created_at: datetime
    updated_at: datetime
    owner: str
    pins: int


@dataclass(frozen=True, slots=True)
class Pin:
    """A chart on a dashboard, in the order of `place`; `dataset_id` is None if the dataset was deleted.

    `query` is what is chosen, as in the address of the Charts tab. An empty `title` is the chart's own.
    """

    id: int
    dashboard_id: int
    dataset_id: int | None
    dataset_name: str
    card: str
    query: str
    title: str
    place: int


@dataclass(frozen=True, slots=True)
class DashboardDelivery:
    """That a dashboard is sent to an address at a time of chosen weekdays, counted from Monday as 0.

    `due_at` is the time that is sent next or being sent, and `next_at` when that is tried; `zone` is the workspace's
    when they were counted. `sent_at` is None if it was never sent, and `failure` says why the latest time was not.
    """

    id: int
    dashboard_id: int
    address_id: int
    at: str
    weekdays: tuple[int, ...]
    zone: str
    due_at: datetime
    next_at: datetime
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    failure: str


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a delivery is sent: the time as 08:00, weekdays, the zone in which they are, and the next time by them."""

    at: str
    weekdays: tuple[int, ...]
    zone: str
    next_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that this process sends; `claim` proves it."""

    delivery: DashboardDelivery
    claim: str


_OWNER = func.coalesce(users.c.name, "").label("owner")
_COUNT = (
    select(func.count())
    .where(pins.c.dashboard_id == dashboards.c.id, pins.c.removed_at.is_(None))
    .correlate(dashboards)
    .scalar_subquery()
    .label("pins")
)
_DASHBOARD = (*(column for column in dashboards.columns if column.name != "name_key"), _OWNER, _COUNT)
_PIN = tuple(column for column in pins.columns if column.name not in ("created_at", "removed_at"))
_DELIVERY = tuple(column for column in dashboard_deliveries.columns if column.name not in ("claim", "claimed_until"))


class Dashboards:
    """The dashboards of one home and their pins. Who may do what with them is for `adreel.dashboards.boards`."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def of(self, user: User | None) -> tuple[Dashboard, ...]:
        """The user's dashboards, by name; those of all users for None, the operator."""
        statement = _all().order_by(dashboards.c.name_key, dashboards.c.id)
        if user is not None:
            statement = statement.where(dashboards.c.user_id == user.id)
        with self._database.read() as connection:
            return tuple(_dashboard(row) for row in connection.execute(statement))

    def get(self, dashboard_id: int) -> Dashboard:
        """The dashboard of that id. NotFoundError if there is none."""
        with self._database.read() as connection:
            return _get(connection, dashboard_id)

    def shared(self, share: str) -> Dashboard | None:
        """The dashboard that is shared by this part of an address; None if there is none."""
        with self._database.read() as connection:
            row = connection.execute(_all().where(dashboards.c.share == share)).first()
        return _dashboard(row) if row is not None else None

    def add(self, user: User | None, name: str) -> Dashboard:
        """A new dashboard. ExistsError if the user has one of that name, InputError if it cannot be a name."""
        now, name = self._clock(), clean_name(name, phrase("a dashboard"))
        owner = user.id if user is not None else None
        values = {"user_id": owner, "name": name, "name_key": name_key(name), "created_at": now, "updated_at": now}
        with self._database.write() as connection:
            count = connection.execute(select(func.count()).where(dashboards.c.user_id.is_not_distinct_from(owner)))
            if count.scalar_one() >= MOST_DASHBOARDS:
                raise InputError(
                    phrase("There are %(limit)s dashboards already. Delete one first.", limit=MOST_DASHBOARDS)
                )
            _refuse_taken(connection, owner, name)
            number = connection.execute(insert(dashboards).values(values).returning(dashboards.c.id)).scalar_one()
            dashboard = _get(connection, number)
            record(connection, now, AuditAction.DASHBOARD_CREATE, Subject.of(dashboard))
        return dashboard

    def rename(self, dashboard: Dashboard, name: str) -> Dashboard:
        """The dashboard under another name. Errors as `add`; NotFoundError if it was deleted."""
        now, name = self._clock(), clean_name(name, phrase("a dashboard"))
        with self._database.write() as connection:
            _refuse_taken(connection, dashboard.user_id, name, besides=dashboard.id)
            values = {"name": name, "name_key": name_key(name), "updated_at": now}
            changed = _changed(connection, dashboard, values)
            details = {"before": dashboard.name if dashboard.name != name else None}
            record(connection, now, AuditAction.DASHBOARD_CHANGE, Subject.of(changed), details)
        return changed

    def delete(self, dashboard: Dashboard) -> None:
        """Removes the dashboard with its pins and deliveries. NotFoundError if it was deleted."""
        with self._database.write() as connection:
            if not connection.execute(delete(dashboards).where(dashboards.c.id == dashboard.id)).rowcount:
                raise _gone(dashboard)
            record(connection, self._clock(), AuditAction.DASHBOARD_DELETE, Subject.of(dashboard))

    def share(self, dashboard: Dashboard, *, shared: bool) -> Dashboard:
        """The dashboard with a new address for all users, in place of any before; or with none."""
        now = self._clock()
        with self._database.write() as connection:
            changed = _changed(connection, dashboard, {"share": secrets.token_urlsafe(24) if shared else None})
            record(connection, now, AuditAction.DASHBOARD_SHARE, Subject.of(changed), {"shared": shared})
        return changed

    # -- pins

    def pins(self, dashboard: Dashboard) -> tuple[Pin, ...]:
        """The pins of the dashboard, in order."""
        with self._database.read() as connection:
            return _pins(connection, dashboard.id)

    def pin(self, dashboard: Dashboard, pin_id: int) -> Pin:
        """The dashboard's pin of that id. NotFoundError if it has none, or it was removed."""
        return next((pin for pin in self.pins(dashboard) if pin.id == pin_id), None) or _raise(_no_pin(dashboard))

    def add_pin(self, dashboard: Dashboard, saved: SavedDataset, card: str, query: str, title: str = "") -> Pin:
        """A new pin at the end. InputError if there are too many or a text is too long, NotFoundError."""
        if len(query) > LONGEST_QUERY or len(card) > LONGEST_QUERY:
            raise InputError(
                phrase(
                    "The choices of this chart are longer than %(limit)s characters. Choose less.",
                    limit=integer(LONGEST_QUERY),
                )
            )
        now = self._clock()
        with self._database.write() as connection:
            self._forget_removed(connection, dashboard, now)
            before = _pins(connection, dashboard.id)
            if len(before) >= MOST_PINS:
                raise InputError(
                    phrase(
                        "A dashboard has at most %(limit)s charts. Remove one, or create another dashboard.",
                        limit=MOST_PINS,
                    )
                )
            if not connection.execute(select(datasets.c.id).where(datasets.c.id == saved.id)).first():
                raise NotFoundError(phrase("The dataset %(name)s was deleted meanwhile.", name=repr(saved.name)))
            _changed(connection, dashboard, {"updated_at": now})
            values = {
                "dashboard_id": dashboard.id,
                "dataset_id": saved.id,
                "dataset_name": saved.name,
                "card": card,
                "query": query,
                "title": _title(title),
                "place": max((pin.place for pin in before), default=0) + 1,
                "created_at": now,
            }
            return _pin(connection.execute(insert(pins).values(values).returning(*_PIN)).one())

    def entitle(self, pin: Pin, title: str) -> Pin:
        """The pin under another title; empty for the chart's own. InputError for a title that cannot be."""
        statement = update(pins).where(_is(pin)).values(title=_title(title)).returning(*_PIN)
        with self._database.write() as connection:
            row = connection.execute(statement).first()
        return _pin(row) if row is not None else _raise(NotFoundError(phrase("This chart was removed meanwhile.")))

    def order(self, dashboard: Dashboard, pin_ids: Sequence[int]) -> tuple[Pin, ...]:
        """Puts the pins of these ids first, in this order, and the others after them as they were."""
        with self._database.write() as connection:
            before = _pins(connection, dashboard.id)
            wished = {pin_id: number for number, pin_id in enumerate(pin_ids)}
            ordered = sorted(before, key=lambda pin: wished.get(pin.id, len(wished)))
            for place, pin in enumerate(ordered, start=1):
                if pin.place != place:
                    connection.execute(update(pins).where(_is(pin)).values(place=place))
            return _pins(connection, dashboard.id)

    def remove_pin(self, pin: Pin) -> None:
        """Removes the pin; `restore_pin` brings it back within `REMOVED_KEPT`."""
        with self._database.write() as connection:
            done = update(pins).where(_is(pin), pins.c.removed_at.is_(None)).values(removed_at=self._clock())
            if not connection.execute(done).rowcount:
                raise NotFoundError(phrase("This chart was removed meanwhile."))

    def restore_pin(self, dashboard: Dashboard, pin_id: int) -> Pin:
        """Brings a removed pin back to its place. NotFoundError if there is none any more."""
        mine = (pins.c.id == pin_id) & (pins.c.dashboard_id == dashboard.id)
        with self._database.write() as connection:
            row = connection.execute(update(pins).where(mine).values(removed_at=None).returning(*_PIN)).first()
        return _pin(row) if row is not None else _raise(_no_pin(dashboard))

    def _forget_removed(self, connection: Connection, dashboard: Dashboard, now: datetime) -> None:
        old = (pins.c.dashboard_id == dashboard.id) & (pins.c.removed_at < now - REMOVED_KEPT)
        connection.execute(delete(pins).where(old))


class DashboardDeliveries:
    """Where dashboards are sent, and when."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def of(self, dashboard: Dashboard) -> tuple[DashboardDelivery, ...]:
        """The deliveries of a dashboard, in the order in which they were added."""
        mine = select(*_DELIVERY).where(dashboard_deliveries.c.dashboard_id == dashboard.id)
        with self._database.read() as connection:
            rows = connection.execute(mine.order_by(dashboard_deliveries.c.id))
            return tuple(_delivery(row) for row in rows)

    def get(self, dashboard: Dashboard, delivery_id: int) -> DashboardDelivery:
        """The dashboard's delivery of that id. NotFoundError if it has none."""
        delivery = next((delivery for delivery in self.of(dashboard) if delivery.id == delivery_id), None)
        return delivery or _raise(
            NotFoundError(phrase("%(name)s has no delivery %(id)s.", name=repr(dashboard.name), id=delivery_id))
        )

    def put(self, dashboard: Dashboard, address: Address, timetable: Timetable) -> DashboardDelivery:
        """Sends the dashboard to the address by this timetable, in place of any before. InputError for too many."""
        now = self._clock()
        values = {
            "at": timetable.at,
            "weekdays": list(timetable.weekdays),
            "zone": timetable.zone,
            "due_at": timetable.next_at,
            "next_at": timetable.next_at,
            "attempts": 0,
            "claim": "",
            "claimed_until": None,
            "failure": "",
        }
        mine = (dashboard_deliveries.c.dashboard_id == dashboard.id) & (dashboard_deliveries.c.address_id == address.id)
        with self._database.write() as connection:
            _get(connection, dashboard.id)
            there = select(notification_addresses.c.id).where(notification_addresses.c.id == address.id)
            if not connection.execute(there).first():
                raise NotFoundError(phrase("Notification address %(id)s was removed meanwhile.", id=address.id))
            row = connection.execute(
                update(dashboard_deliveries).where(mine).values(values).returning(*_DELIVERY)
            ).first()
            if row is None:
                of_dashboard = dashboard_deliveries.c.dashboard_id == dashboard.id
                count = connection.execute(select(func.count()).where(of_dashboard)).scalar_one()
                if count >= MOST_DELIVERIES:
                    raise InputError(
                        phrase(
                            "A dashboard is sent to at most %(limit)s addresses. Remove one first.",
                            limit=MOST_DELIVERIES,
                        )
                    )
                values |= {"dashboard_id": dashboard.id, "address_id": address.id, "created_at": now}
                row = connection.execute(insert(dashboard_deliveries).values(values).returning(*_DELIVERY)).one()
            details = {"address": address.shown, "at": timetable.at}
            record(connection, now, AuditAction.DASHBOARD_DELIVERY, Subject.of(dashboard), details)
        return _delivery(row)

    def remove(self, dashboard: Dashboard, delivery: DashboardDelivery, shown: str) -> None:
        """Sends the dashboard to that address no more; `shown` is what the audit log shows of it."""
        with self._database.write() as connection:
            mine = dashboard_deliveries.c.id == delivery.id
            if not connection.execute(delete(dashboard_deliveries).where(mine)).rowcount:
                raise NotFoundError(
                    phrase("%(name)s has no delivery %(id)s.", name=repr(dashboard.name), id=delivery.id)
                )
            details = {"address": shown, "removed": True}
            record(connection, self._clock(), AuditAction.DASHBOARD_DELIVERY, Subject.of(dashboard), details)

    def send_now(self, dashboard: Dashboard, delivery: DashboardDelivery) -> None:
        """Makes the delivery due, in addition to its times, without waiting for runs."""
        now = self._clock()
        due = {"due_at": now - AT_ONCE, "next_at": now, "attempts": 0}
        # What is being sent just now is sent once more.
        values = due | {"claim": "", "claimed_until": None}
        with self._database.write() as connection:
            mine = dashboard_deliveries.c.id == delivery.id
            if not connection.execute(update(dashboard_deliveries).where(mine).values(values)).rowcount:
                raise NotFoundError(
                    phrase("%(name)s has no delivery %(id)s.", name=repr(dashboard.name), id=delivery.id)
                )
            record(connection, now, AuditAction.DASHBOARD_SEND, Subject.of(dashboard))

    # -- what workers do

    def wait(self, now: datetime, zone: str, *, wall: datetime) -> bool:
        """Whether a delivery is due that nobody sends, or counts its times in another zone than the workspace's.

        `now` and `wall` are as in `claim`.
        """
        due = or_((dashboard_deliveries.c.next_at <= now) & _free(wall), dashboard_deliveries.c.zone != zone)
        with self._database.read() as connection:
            return connection.execute(select(dashboard_deliveries.c.id).where(due).limit(1)).first() is not None

    def of_other_zones(self, zone: str) -> tuple[DashboardDelivery, ...]:
        """The deliveries whose times were counted in another zone."""
        statement = select(*_DELIVERY).where(dashboard_deliveries.c.zone != zone)
        with self._database.read() as connection:
            return tuple(_delivery(row) for row in connection.execute(statement))

    def retime(self, delivery: DashboardDelivery, zone: str, next_at: datetime) -> None:
        """Counts the next time in another zone."""
        mine = (dashboard_deliveries.c.id == delivery.id) & (dashboard_deliveries.c.zone == delivery.zone)
        values = {"zone": zone, "due_at": next_at, "next_at": next_at, "attempts": 0}
        with self._database.write() as connection:
            connection.execute(update(dashboard_deliveries).where(mine).values(values))

    def claim(self, now: datetime, *, wall: datetime, only: DashboardDelivery | None = None) -> ClaimedDelivery | None:
        """A delivery for this process to send: one that is due and that no other process sends, or `only` this one.

        `now` is the time of the home, `wall` that of the machine, by which a claim ends.
        """
        table = dashboard_deliveries
        which = _free(wall) & (table.c.next_at <= now if only is None else table.c.id == only.id)
        with self._database.read() as connection:
            first = connection.execute(select(table.c.id).where(which).order_by(table.c.next_at).limit(1)).scalar()
        if first is None:
            return None
        claim = secrets.token_hex(8)
        values = {"claim": claim, "claimed_until": wall + CLAIMED, "attempts": table.c.attempts + 1}
        with self._database.write() as connection:
            mine = update(table).where(table.c.id == first, which).values(values).returning(*_DELIVERY)
            row = connection.execute(mine).first()
        return ClaimedDelivery(_delivery(row), claim) if row is not None else None

    def finish(
        self, claimed: ClaimedDelivery, next_at: datetime, *, sent_at: datetime | None = None, failure: str = ""
    ) -> None:
        """The time was sent at `sent_at`, or is given up for the reason `failure`; the next one is `next_at`."""
        values: dict[str, Any] = {"due_at": next_at, "next_at": next_at, "attempts": 0, "failure": failure}
        if sent_at is not None:
            values["sent_at"] = sent_at
        self._end(claimed, values)

    def retry(self, claimed: ClaimedDelivery, next_at: datetime, failure: str = "", *, counts: bool = True) -> None:
        """The same time is tried again at `next_at`; without `counts` it was too early to try."""
        values: dict[str, Any] = {"next_at": next_at, "failure": failure}
        if not counts:
            values["attempts"] = dashboard_deliveries.c.attempts - 1
        self._end(claimed, values)

    def _end(self, claimed: ClaimedDelivery, values: dict[str, Any]) -> None:
        """Gives the claim back. One that was taken over, or that a person made void, has nothing to say any more."""
        table, delivery = dashboard_deliveries, claimed.delivery
        mine = (table.c.id == delivery.id) & (table.c.claim == claimed.claim)
        with self._database.write() as connection:
            connection.execute(update(table).where(mine).values(**values, claim="", claimed_until=None))


def _all() -> Any:
    return select(*_DASHBOARD).outerjoin(users, users.c.id == dashboards.c.user_id)


def _get(connection: Connection, dashboard_id: int) -> Dashboard:
    row = connection.execute(_all().where(dashboards.c.id == dashboard_id)).first()
    if row is None:
        raise NotFoundError(phrase("This dashboard does not exist, or is not yours."), kind="dashboard")
    return _dashboard(row)


def _changed(connection: Connection, dashboard: Dashboard, values: dict[str, Any]) -> Dashboard:
    if not connection.execute(update(dashboards).where(dashboards.c.id == dashboard.id).values(values)).rowcount:
        raise _gone(dashboard)
    return _get(connection, dashboard.id)


def _gone(dashboard: Dashboard) -> NotFoundError:
    return NotFoundError(phrase("The dashboard %(name)s was deleted meanwhile.", name=repr(dashboard.name)))


def _no_pin(dashboard: Dashboard) -> NotFoundError:
    return NotFoundError(phrase("%(name)s has no such chart, or it was removed.", name=repr(dashboard.name)))


def _raise(error: Exception) -> Any:
    raise error


def _refuse_taken(connection: Connection, owner: int | None, name: str, besides: int | None = None) -> None:
    mine = dashboards.c.user_id.is_not_distinct_from(owner) & (dashboards.c.name_key == name_key(name))
    holder = connection.execute(select(dashboards.c.id).where(mine)).scalar()
    if holder is not None and holder != besides:
        raise ExistsError(phrase("There is already a dashboard %(name)s. Use another name.", name=repr(name)))


def _pins(connection: Connection, dashboard_id: int) -> tuple[Pin, ...]:
    mine = (pins.c.dashboard_id == dashboard_id) & pins.c.removed_at.is_(None)
    rows: Iterable[Row[Any]] = connection.execute(select(*_PIN).where(mine).order_by(pins.c.place, pins.c.id))
    return tuple(_pin(row) for row in rows)


def _free(wall: datetime) -> Any:
    """Of deliveries that no process sends."""
    until = dashboard_deliveries.c.claimed_until
    return or_(until.is_(None), until <= wall)


def _is(pin: Pin) -> Any:
    return pins.c.id == pin.id


def _title(title: str) -> str:
    return clean_name(title, phrase("a chart")) if title.strip() else ""


def _dashboard(row: Row[Any]) -> Dashboard:
    return Dashboard(**row._asdict())


def _pin(row: Row[Any]) -> Pin:
    return Pin(**row._asdict())


def _delivery(row: Row[Any]) -> DashboardDelivery:
    values = row._asdict()
    return DashboardDelivery(**{**values, "weekdays": tuple(values["weekdays"])})
