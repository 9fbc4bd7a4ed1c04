"""Incidents, the addresses that hear of them, and the messages to send.

Every step is a transaction of its own that leaves rows for the next: a run that ended, an incident, a notice for each
address, a delivery. A process that dies between two steps loses nothing, and two processes do each step once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from adreel.enumerations import TextEnum
from adreel.errors import NotFoundError
from adreel.language import Phrase, phrase
from adreel.store.audit import AuditAction, Subject, record
from adreel.store.backfills import BackfillState
from adreel.store.database import Database
from adreel.store.names import clean_name
from adreel.store.records import FINISHED, AccountStatus, Run, SavedDataset, User
from adreel.store.runs import PUBLIC, UPDATES, as_run
from adreel.store.secrets import ADD_AGAIN, Keys
from adreel.store.tables import (
    accounts,
    backfills,
    datasets,
    deliveries,
    incidents,
    notices,
    notification_addresses,
    restatement_checks,
    runs,
)

CLAIMED = timedelta(minutes=5)
"""How long a process has for one message before another may send it."""

MEASURE_AGAIN = timedelta(minutes=10)
MOST_MEASURED = 3
"""Times that the restatement of a run is measured if the process dies meanwhile."""

KEPT = timedelta(days=90)
"""How long incidents that are over, and messages that were sent, are kept."""


class IncidentKind(TextEnum):
    """What happened. `label` names one, `plural` several, `over` says that it is over, `help` explains it on pages."""

    label: str
    plural: str
    over: str
    help: str

    FAILED = (
        "failed",
        Phrase("Run failed"),
        Phrase("runs failed"),
        Phrase("Runs succeed again"),
        Phrase("Sent when a run failed: after its last retry, or at once without retries."),
    )
    CHECK_FAILED = (
        "check_failed",
        Phrase("Check failed"),
        Phrase("checks failed"),
        Phrase("Verified again"),
        Phrase("Sent when the rows of a run differ from TikTok's own figures."),
    )
    WARNINGS = (
        "warnings",
        Phrase("Warnings"),
        Phrase("runs with warnings"),
        Phrase("No more warnings"),
        Phrase("Sent when a run succeeded with warnings or skipped ad accounts."),
    )
    GMV_MAX = (
        "gmv_max",
        Phrase("GMV Max cost not read"),
        Phrase("datasets without GMV Max cost"),
        Phrase("No unread GMV Max cost"),
        Phrase("Sent when ad accounts spend in GMV Max campaigns that no dataset reads. Included in Warnings."),
    )
    BACKFILL_PAUSED = (
        "backfill_paused",
        Phrase("Backfill paused"),
        Phrase("backfills paused"),
        Phrase("Backfill no longer paused"),
        Phrase("Sent when a backfill paused by itself and waits for a person."),
    )
    RECONNECT = (
        "reconnect",
        Phrase("Reconnect account"),
        Phrase("accounts to reconnect"),
        Phrase("Reconnected"),
        Phrase("Sent when TikTok refuses the token of an account, so that its runs fail."),
    )
    STALE = (
        "stale",
        Phrase("Not updated"),
        Phrase("datasets not updated"),
        Phrase("Updated again"),
        Phrase("Sent when a dataset was not updated for the time in its settings."),
    )
    PUBLISH_FAILED = (
        "publish_failed",
        Phrase("Publishing failed"),
        Phrase("datasets not published"),
        Phrase("Published again"),
        Phrase("Sent when a destination could not be written to for an hour."),
    )
    RESTATED = (
        "restated",
        Phrase("Restated"),
        Phrase("datasets restated"),
        "",
        Phrase("Sent when TikTok changed figures of days that were read before, by at least what is entered below."),
    )


STARTING_KINDS = (
    IncidentKind.FAILED,
    IncidentKind.CHECK_FAILED,
    IncidentKind.GMV_MAX,
    IncidentKind.RECONNECT,
    IncidentKind.STALE,
    IncidentKind.PUBLISH_FAILED,
)
"""What the form of a new address begins with: failures, and money that no table has."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least restatement to hear of: `percent` of the sum of a metric, or so many `values`; one of them is None.

    The sum is the table's, so a restatement of a few days is a small part of it: 2 % of a week are 0.5 % of a month.
    """

    percent: float | None = 0.1
    values: int | None = None


@dataclass(frozen=True, slots=True)
class NewAddress:
    """An address to save: of a dataset, of a person, or with neither, of the workspace.

    `url` is apprise's, secrets included, and `shown` what may be shown of it. `owned_only`: the person hears only of
    datasets and accounts that they own.
    """

    name: str
    url: str
    shown: str
    kinds: tuple[IncidentKind, ...] = tuple(IncidentKind)
    threshold: Threshold = Threshold()
    dataset: SavedDataset | None = None
    user: User | None = None
    added_by: User | None = None
    owned_only: bool = True


@dataclass(frozen=True, slots=True)
class AddressChanges:
    """What is to change of an address, at least one of it; what is None stays. `shown` goes with `url`."""

    name: str | None = None
    url: str | None = None
    shown: str = ""
    kinds: tuple[IncidentKind, ...] | None = None
    threshold: Threshold | None = None

    @property
    def names(self) -> list[str]:
        """What changes, by name."""
        values = {"address": self.url, "kinds": self.kinds, "name": self.name, "threshold": self.threshold}
        return [name for name, value in values.items() if value is not None]


@dataclass(frozen=True, slots=True)
class Address:
    """An address that hears of incidents; its URL is not here: `Addresses.url` decrypts it.

    `added_by` is None if the operator of the machine added it, or a user who was deleted, whose name is still in
    `added_by_name`. `failing_since` is None unless the latest message could not be delivered, for the reason `failure`.
    """

    id: int
    dataset_id: int | None
    user_id: int | None
    added_by: int | None
    added_by_name: str
    name: str
    shown: str
    kinds: tuple[IncidentKind, ...]
    owned_only: bool
    threshold: Threshold
    created_at: datetime
    failing_since: datetime | None
    failure: str
    delivered_at: datetime | None

    @property
    def is_workspace(self) -> bool:
        """Whether it is the workspace's, which administrators add."""
        return self.dataset_id is None and self.user_id is None


@dataclass(frozen=True, slots=True)
class NewIncident:
    """An incident to open, unless one of the same `key` is open.

    `cause` groups incidents in a digest, and `text` says what happened. `momentary`: it is over as soon as it is told.
    """

    kind: IncidentKind
    key: str
    at: datetime
    cause: str = ""
    text: str = ""
    dataset_id: int | None = None
    account_id: int | None = None
    run_id: str = ""
    percent: float | None = None
    values_restated: int | None = None
    momentary: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """What happened, from `opened_at` on; `closed_at` is None while it lasts. The rest is as in `NewIncident`.

    Of a `first_run` and a `last_run` both are empty if it is about none.
    """

    id: int
    kind: IncidentKind
    dataset_id: int | None
    account_id: int | None
    opened_at: datetime
    closed_at: datetime | None
    first_run: str
    last_run: str
    cause: str
    text: str
    percent: float | None
    values_restated: int | None


@dataclass(frozen=True, slots=True)
class RunEffects:
    """What a run that ended means: incidents that it opens, and keys of those that are over.

    `measure`: its restatement is to be measured.
    """

    run: Run
    opens: tuple[NewIncident, ...] = ()
    closes: tuple[str, ...] = ()
    measure: bool = False


@dataclass(frozen=True, slots=True)
class StaleDataset:
    """A dataset that is stale from `at` on: `seconds` after `updated_by`, the latest run that read its own dates."""

    dataset_id: int
    at: datetime
    seconds: int
    updated_by: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that is in no message yet.

    Of one that says that an incident is over, `opening` is the message that said that it is open, None while that is
    not created, and `others_open` how many incidents of that message are not over.
    """

    id: int
    address_id: int
    over: bool
    created_at: datetime
    opening: int | None = None
    others_open: int = 0


@dataclass(frozen=True, slots=True)
class RecentMessages:
    """How many incidents an address was told of lately, and when the last message was created."""

    incidents: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that this process sends; `claim` proves it. `attempts` counts this one."""

    id: int
    address_id: int
    claim: str
    attempts: int
    created_at: datetime


class Addresses:
    """The notification addresses of one home. Removing a dataset or user removes theirs."""

    __slots__ = ("_clock", "_database", "_keys")

    def __init__(self, database: Database, keys: Keys, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    def add(self, new: NewAddress) -> Address:
        """Saves an address, its URL encrypted. InputError if it cannot have that name."""
        values = {
            "name": clean_name(new.name, phrase("a notification address")),
            "shown": new.shown,
            "kinds": list(new.kinds),
            "least_percent": new.threshold.percent,
            "least_values": new.threshold.values,
            "dataset_id": new.dataset.id if new.dataset else None,
            "user_id": new.user.id if new.user else None,
            "added_by": new.added_by.id if new.added_by else None,
            "added_by_name": new.added_by.name if new.added_by else "",
            "owned_only": new.owned_only,
            "created_at": self._clock(),
            "failure": "",
        }
        with self._database.write() as connection:
            # In here, as the keys may be rotated by who holds the transaction.
            values["url"] = self._keys.encrypt(new.url)
            row = connection.execute(insert(notification_addresses).values(values).returning(*_ADDRESS)).one()
            address = _address(row)
            record(
                connection,
                self._clock(),
                AuditAction.ADDRESS_ADD,
                Subject.of(address),
                {"address": address.shown, "dataset": new.dataset.name if new.dataset else ""},
            )
        return address

    def change(self, address: Address, changes: AddressChanges, user: User | None) -> Address:
        """The address as changed by a user, or by the operator. What waits to be sent goes to another URL, if given.

        Another URL is as if that user had added the address: it hears of what they may see.
        """
        values: dict[str, Any] = {}
        if changes.name is not None:
            values["name"] = clean_name(changes.name, phrase("a notification address"))
        if changes.kinds is not None:
            values["kinds"] = list(changes.kinds)
        if changes.threshold is not None:
            values |= {"least_percent": changes.threshold.percent, "least_values": changes.threshold.values}
        if changes.url is not None:
            values |= {"shown": changes.shown, "failing_since": None, "failure": ""}
            values |= {"added_by": user.id if user else None, "added_by_name": user.name if user else ""}
        with self._database.write() as connection:
            if changes.url is not None:
                values["url"] = self._keys.encrypt(changes.url)
            mine = notification_addresses.c.id == address.id
            statement = update(notification_addresses).where(mine).values(values).returning(*_ADDRESS)
            row = connection.execute(statement).first() if values else None
            if row is None:
                raise NotFoundError(phrase("Notification address %(id)s was removed meanwhile.", id=address.id))
            changed = _address(row)
            details = {"address": changed.shown, "changed": changes.names}
            record(connection, self._clock(), AuditAction.ADDRESS_CHANGE, Subject.of(changed), details)
        return changed

    def get(self, address_id: int) -> Address:
        """The address of that id. NotFoundError if there is none."""
        with self._database.read() as connection:
            row = connection.execute(select(*_ADDRESS).where(notification_addresses.c.id == address_id)).first()
        if row is None:
            raise NotFoundError(phrase("Notification address %(address_id)s was not found.", address_id=address_id))
        return _address(row)

    def list(self) -> tuple[Address, ...]:
        """All addresses, in the order in which they were added."""
        with self._database.read() as connection:
            rows = connection.execute(select(*_ADDRESS).order_by(notification_addresses.c.id)).all()
        return tuple(_address(row) for row in rows)

    def url(self, address: Address) -> str:
        """The URL with its secrets. InputError that names ADREEL_SECRET_KEY if no key fits."""
        statement = select(notification_addresses.c.url).where(notification_addresses.c.id == address.id)
        with self._database.read() as connection:
            encrypted = connection.execute(statement).scalar()
        if encrypted is None:
            raise NotFoundError(phrase("Notification address %(id)s was removed meanwhile.", id=address.id))
        return self._keys.decrypt(
            encrypted, phrase("notification address %(name)s", name=repr(address.name)), ADD_AGAIN
        )

    def remove(self, address: Address) -> None:
        """Forgets the address and its messages."""
        with self._database.write() as connection:
            mine = notification_addresses.c.id == address.id
            if not connection.execute(delete(notification_addresses).where(mine)).rowcount:
                raise NotFoundError(phrase("Notification address %(id)s was removed meanwhile.", id=address.id))
            details = {"address": address.shown}
            record(connection, self._clock(), AuditAction.ADDRESS_REMOVE, Subject.of(address), details)


class Incidents:
    """The incidents of one home: opened and closed, and the notices of them."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, *, is_open: bool | None = None, limit: int = 100) -> tuple[Incident, ...]:
        """The latest incidents, latest first: all, those that last, or those that are over."""
        statement = select(*_INCIDENT).order_by(incidents.c.id.desc()).limit(limit)
        if is_open is not None:
            statement = statement.where(incidents.c.closed_at.is_(None) == is_open)
        with self._database.read() as connection:
            return tuple(_incident(row) for row in connection.execute(statement))

    # -- runs

    def unnoticed_runs(self, limit: int) -> tuple[Run, ...]:
        """Runs that have ended and were not looked at, in the order in which they were asked for."""
        ended = runs.c.noticed.is_(False) & runs.c.state.in_(sorted(FINISHED))
        statement = select(*PUBLIC).where(ended).order_by(runs.c.seq).limit(limit)
        with self._database.read() as connection:
            return tuple(as_run(row) for row in connection.execute(statement))

    def has_newer_run(self, run: Run) -> bool:
        """Whether a run of the same dataset was asked for later."""
        seq = select(runs.c.seq).where(runs.c.id == run.id).scalar_subquery()
        statement = select(runs.c.id).where(runs.c.dataset_id == run.dataset_id, runs.c.seq > seq).limit(1)
        with self._database.read() as connection:
            return connection.execute(statement).first() is not None

    def apply(self, effects: Iterable[RunEffects]) -> None:
        """Opens and closes what these runs mean, each run once, whoever else does the same."""
        with self._database.write() as connection:
            for effect in effects:
                if _claim_run(connection, effect.run):
                    _apply(connection, effect)

    # -- accounts, and datasets that become stale

    def compare_accounts(self, now: datetime) -> None:
        """Opens an incident for each account that needs reconnecting, and closes those of accounts that do not."""
        broken = accounts.c.status != AccountStatus.VALID
        with self._database.write() as connection:
            last = _open_keys(connection, IncidentKind.RECONNECT)
            rows = connection.execute(select(accounts.c.id, accounts.c.status).where(broken)).all()
            needed = {account_key(row.id): row for row in rows}
            for key in last - needed.keys():
                _close(connection, key, now, "")
            for key in needed.keys() - last:
                status, account_id = needed[key].status, needed[key].id
                _open(connection, NewIncident(IncidentKind.RECONNECT, key, now, cause=status, account_id=account_id))

    def accounts_differ(self) -> bool:
        """Whether `compare_accounts` has anything to do; without a transaction that writes."""
        broken = select(accounts.c.id).where(accounts.c.status != AccountStatus.VALID)
        with self._database.read() as connection:
            needed = {account_key(account_id) for account_id in connection.execute(broken).scalars()}
            return needed != _open_keys(connection, IncidentKind.RECONNECT)

    def compare_backfills(self, now: datetime) -> None:
        """Opens an incident for each backfill that waits for a person, and closes those of others.

        One that was resumed and waits again, for another run, is another incident.
        """
        with self._database.write() as connection:
            last = _open_keys(connection, IncidentKind.BACKFILL_PAUSED)
            waiting = {_backfill_key(row): row for row in connection.execute(_WAITING_BACKFILLS)}
            for key in last - waiting.keys():
                _close(connection, key, now, "")
            for key in waiting.keys() - last:
                row = waiting[key]
                days = phrase(
                    "Backfill %(first_day)s to %(last_day)s, which waits for a person.",
                    first_day=row.first_day,
                    last_day=row.last_day,
                )
                new = NewIncident(
                    IncidentKind.BACKFILL_PAUSED,
                    key,
                    now,
                    text=f"{days} {row.reason}",
                    dataset_id=row.dataset_id,
                    run_id=row.run_id or "",
                )
                _open(connection, new)

    def backfills_differ(self) -> bool:
        """Whether `compare_backfills` has anything to do; without a transaction that writes."""
        with self._database.read() as connection:
            waiting = {_backfill_key(row) for row in connection.execute(_WAITING_BACKFILLS)}
            return waiting != _open_keys(connection, IncidentKind.BACKFILL_PAUSED)

    def lasting(self, kind: IncidentKind) -> tuple[Incident, ...]:
        """The incidents of a kind that last."""
        statement = select(*_INCIDENT).where(incidents.c.kind == kind, incidents.c.closed_at.is_(None))
        with self._database.read() as connection:
            return tuple(_incident(row) for row in connection.execute(statement))

    def change_stale(self, opens: Iterable[StaleDataset], closes: Iterable[Incident], now: datetime) -> None:
        """Opens incidents of datasets that are stale, and closes those of datasets that are not any more.

        What was updated or set otherwise since it was judged is left to the next look.
        """
        with self._database.write() as connection:
            for incident in closes:
                if incident.dataset_id is not None:
                    _close(connection, stale_key(incident.dataset_id), now, "")
            for stale in opens:
                if _is_as_judged(connection, stale):
                    key, cause = stale_key(stale.dataset_id), str(stale.seconds)
                    _open(
                        connection, NewIncident(IncidentKind.STALE, key, stale.at, cause, dataset_id=stale.dataset_id)
                    )

    def compare_publications(self, failing: Mapping[str, NewIncident], opens: Collection[str], now: datetime) -> None:
        """Opens the incidents of these keys of publishes that fail, and closes those of publishes that do not."""
        with self._database.read() as connection:
            last = _open_keys(connection, IncidentKind.PUBLISH_FAILED)
        if last <= failing.keys() and set(opens) <= last:
            return
        with self._database.write() as connection:
            last = _open_keys(connection, IncidentKind.PUBLISH_FAILED)
            for key in last - failing.keys():
                _close(connection, key, now, "")
            for key in set(opens) - last:
                _open(connection, failing[key])

    # -- restatements

    def claim_measure(self, now: datetime) -> str | None:
        """The id of a run whose restatement this process measures now; None if there is none."""
        with self._database.write() as connection:
            connection.execute(delete(restatement_checks).where(restatement_checks.c.attempts >= MOST_MEASURED))
            due = select(restatement_checks.c.run_id).where(restatement_checks.c.next_at <= now).limit(1)
            run_id = connection.execute(due).scalar()
            if run_id is None:
                return None
            mine = (restatement_checks.c.run_id == run_id) & (restatement_checks.c.next_at <= now)
            values = {"attempts": restatement_checks.c.attempts + 1, "next_at": now + MEASURE_AGAIN}
            taken = connection.execute(update(restatement_checks).where(mine).values(values)).rowcount
        return str(run_id) if taken else None

    def measures_wait(self, now: datetime) -> bool:
        """Whether `claim_measure` has anything to give."""
        with self._database.read() as connection:
            due = select(restatement_checks.c.run_id).where(restatement_checks.c.next_at <= now).limit(1)
            return connection.execute(due).first() is not None

    def measured(self, run_id: str, new: NewIncident | None) -> None:
        """The restatement of the run was measured; `new` is the incident, if it was large enough for anyone."""
        with self._database.write() as connection:
            mine = restatement_checks.c.run_id == run_id
            if connection.execute(delete(restatement_checks).where(mine)).rowcount and new is not None:
                _open(connection, new)

    # -- who hears

    def unrouted(self, limit: int) -> tuple[Incident, ...]:
        """Incidents of which it is not decided yet who hears of them."""
        statement = select(*_INCIDENT).where(incidents.c.routed_at.is_(None)).order_by(incidents.c.id).limit(limit)
        with self._database.read() as connection:
            return tuple(_incident(row) for row in connection.execute(statement))

    def route(self, hearing: Iterable[tuple[Incident, Collection[int]]], now: datetime) -> None:
        """The addresses of these ids hear of each incident, and later that it is over; decided once."""
        with self._database.write() as connection:
            for incident, address_ids in hearing:
                mine = (incidents.c.id == incident.id) & incidents.c.routed_at.is_(None)
                if connection.execute(update(incidents).where(mine).values(routed_at=now)).rowcount:
                    _give_notice(connection, incident.id, address_ids, now, over=False)

    def settle(self, now: datetime) -> None:
        """All addresses that hear of incidents which are over are told that, too."""
        over = (
            incidents.c.closed_at.is_not(None) & incidents.c.routed_at.is_not(None) & incidents.c.settled_at.is_(None)
        )
        with self._database.read() as connection:
            ids = connection.execute(select(incidents.c.id).where(over).limit(500)).scalars().all()
        if not ids:
            return
        with self._database.write() as connection:
            for incident_id in ids:
                mine = (incidents.c.id == incident_id) & incidents.c.settled_at.is_(None)
                if connection.execute(update(incidents).where(mine).values(settled_at=now)).rowcount:
                    hearing = select(notices.c.address_id).where(notices.c.incident_id == incident_id)
                    _give_notice(connection, incident_id, connection.execute(hearing).scalars().all(), now, over=True)

    def prune(self, now: datetime) -> None:
        """Forgets what was over long ago."""
        old = incidents.c.settled_at < now - KEPT
        with self._database.read() as connection:
            if connection.execute(select(incidents.c.id).where(old).limit(1)).first() is None:
                return
        with self._database.write() as connection:
            connection.execute(delete(incidents).where(old))
            named = select(notices.c.delivery_id).where(notices.c.delivery_id.is_not(None))
            done = (deliveries.c.state != WAITING) & deliveries.c.id.not_in(named)
            connection.execute(delete(deliveries).where(done))


WAITING, SENT, GIVEN_UP, DROPPED = "waiting", "sent", "given_up", "dropped"
"""States of a message: to be sent, sent, not accepted for too long, and not sent as nobody may hear of it any more."""


class Deliveries:
    """The messages of one home."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting_notices(self) -> tuple[Waiting, ...]:
        """The notices that are in no message yet, oldest first."""
        first = notices.alias("first")
        statement = (
            select(notices.c.id, notices.c.address_id, notices.c.over, notices.c.created_at, first.c.delivery_id)
            .outerjoin(
                first,
                notices.c.over.is_(True)
                & first.c.over.is_(False)
                & (first.c.address_id == notices.c.address_id)
                & (first.c.incident_id == notices.c.incident_id),
            )
            .where(notices.c.delivery_id.is_(None))
            .order_by(notices.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
            lasting = _lasting(connection, {row.delivery_id for row in rows if row.delivery_id is not None})
        return tuple(
            Waiting(row.id, row.address_id, row.over, row.created_at, row.delivery_id, lasting.get(row.delivery_id, 0))
            for row in rows
        )

    def recent(self, since: datetime) -> Mapping[tuple[int, bool], RecentMessages]:
        """What was told since then, by address and whether it was that something is over."""
        statement = (
            select(deliveries.c.address_id, notices.c.over, func.count(), func.max(deliveries.c.created_at))
            .join(notices, notices.c.delivery_id == deliveries.c.id)
            .where(deliveries.c.created_at > since)
            .group_by(deliveries.c.address_id, notices.c.over)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return {(address_id, over): RecentMessages(count, last) for address_id, over, count, last in rows}

    def create(self, address_id: int, notice_ids: Sequence[int], now: datetime) -> bool:
        """One message with these notices; False if another process has put some of them into one."""
        values = {
            "address_id": address_id,
            "state": WAITING,
            "created_at": now,
            "attempts": 0,
            "next_at": now,
            "claim": "",
            "error": "",
        }
        free = notices.c.id.in_(notice_ids) & notices.c.delivery_id.is_(None)
        with self._database.write() as connection:
            delivery_id = connection.execute(insert(deliveries).values(values).returning(deliveries.c.id)).scalar_one()
            taken = connection.execute(update(notices).where(free).values(delivery_id=delivery_id)).rowcount
            if taken != len(notice_ids):
                connection.rollback()
        return taken == len(notice_ids)

    def claim(self, now: datetime, limit: int, *, wall: datetime) -> tuple[Claimed, ...]:
        """Messages for this process to send: of each address the oldest, if it is due and no other process sends it.

        `now` is the time of the home, `wall` that of the machine, by which a claim ends: the clock of a simulated
        TikTok may jump by days while a message is being sent.
        """
        oldest = (
            select(func.min(deliveries.c.id)).where(deliveries.c.state == WAITING).group_by(deliveries.c.address_id)
        )
        free = or_(deliveries.c.claimed_until.is_(None), deliveries.c.claimed_until <= wall)
        due = (deliveries.c.state == WAITING) & (deliveries.c.next_at <= now) & free
        with self._database.read() as connection:
            statement = select(deliveries.c.id).where(deliveries.c.id.in_(oldest), due).order_by(deliveries.c.next_at)
            ids = connection.execute(statement.limit(limit)).scalars().all()
        if not ids:
            return ()
        claim = secrets.token_hex(8)
        values = {"claim": claim, "claimed_until": wall + CLAIMED, "attempts": deliveries.c.attempts + 1}
        columns = (deliveries.c.id, deliveries.c.address_id, deliveries.c.attempts, deliveries.c.created_at)
        with self._database.write() as connection:
            mine = update(deliveries).where(deliveries.c.id.in_(ids), due).values(values).returning(*columns)
            rows = connection.execute(mine).all()
        return tuple(Claimed(row.id, row.address_id, claim, row.attempts, row.created_at) for row in rows)

    def incidents(self, claimed: Claimed) -> tuple[bool, tuple[Incident, ...]]:
        """Whether the message says that something is over, and the incidents that it is about."""
        statement = (
            select(*_INCIDENT, notices.c.over)
            .join(notices, notices.c.incident_id == incidents.c.id)
            .where(notices.c.delivery_id == claimed.id)
            .order_by(incidents.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return any(row.over for row in rows), tuple(_incident(row[:-1]) for row in rows)

    def sent(self, claimed: Claimed, now: datetime) -> None:
        """The message was accepted."""
        working = {"failing_since": None, "failure": "", "delivered_at": now}
        self._finish(claimed, {"state": SENT, "finished_at": now, "error": ""}, working)

    def dropped(self, claimed: Claimed, now: datetime) -> None:
        """Nobody at the address may hear of the incidents any more."""
        self._finish(claimed, {"state": DROPPED, "finished_at": now}, {})

    def failed(self, claimed: Claimed, reason: str, now: datetime, again_at: datetime | None) -> None:
        """The message was not accepted, for this reason; it is sent again at `again_at`, or given up."""
        failing = {
            "failing_since": func.coalesce(notification_addresses.c.failing_since, now),
            "failure": reason,
        }
        changes: dict[str, Any] = {"error": reason, "claimed_until": None}
        if again_at is None:
            changes |= {"state": GIVEN_UP, "finished_at": now}
        else:
            changes["next_at"] = again_at
        self._finish(claimed, changes, failing)

    def _finish(self, claimed: Claimed, changes: Mapping[str, Any], address: Mapping[str, Any]) -> None:
        mine = (deliveries.c.id == claimed.id) & (deliveries.c.claim == claimed.claim)
        with self._database.write() as connection:
            done = connection.execute(update(deliveries).where(mine).values(changes)).rowcount
            if done and address:
                whose = notification_addresses.c.id == claimed.address_id
                connection.execute(update(notification_addresses).where(whose).values(address))


def failed_key(run: Run) -> str:
    """What failures of this run are about: the dataset, or other days of it that were asked for."""
    return f"{IncidentKind.FAILED}:{_subject(run)}"


def check_key(run: Run) -> str:
    """As `failed_key`, for checks that fail."""
    return f"{IncidentKind.CHECK_FAILED}:{_subject(run)}"


def warnings_key(run: Run) -> str:
    """As `failed_key`, for warnings."""
    return f"{IncidentKind.WARNINGS}:{_subject(run)}"


def gmv_max_key(run: Run) -> str:
    """As `failed_key`, for GMV Max cost that no dataset reads."""
    return f"{IncidentKind.GMV_MAX}:{_subject(run)}"


def stale_key(dataset_id: int) -> str:
    """That this dataset is stale."""
    return f"{IncidentKind.STALE}:{dataset_id}"


_WAITING_BACKFILLS = select(
    backfills.c.id,
    backfills.c.dataset_id,
    backfills.c.first_day,
    backfills.c.last_day,
    backfills.c.run_id,
    backfills.c.reason,
).where(backfills.c.state == BackfillState.PAUSED, backfills.c.waits)


def _backfill_key(row: Any) -> str:
    """That this backfill waits, since this run of it."""
    return f"{IncidentKind.BACKFILL_PAUSED}:{row.id}:{row.run_id or ''}"


def publication_key(dataset_id: int, destination_id: int) -> str:
    """What incidents of a dataset that cannot be published to a destination have in common."""
    return f"publication {dataset_id} {destination_id}"


def account_key(account_id: int) -> str:
    """That this account needs reconnecting."""
    return f"{IncidentKind.RECONNECT}:{account_id}"


def _subject(run: Run) -> str:
    days = f":{run.dates[0]}:{run.dates[1]}" if run.dates else ""
    return f"{run.dataset_id}{days}"


def _claim_run(connection: Connection, run: Run) -> bool:
    """Whether this transaction is the first that looks at how the run ended, and it has not begun again."""
    mine = (runs.c.id == run.id) & runs.c.noticed.is_(False) & (runs.c.finished_at == run.finished_at)
    return bool(connection.execute(update(runs).where(mine, runs.c.state == run.state).values(noticed=True)).rowcount)


def _apply(connection: Connection, effect: RunEffects) -> None:
    run = effect.run
    at = run.finished_at or run.created_at
    for key in effect.closes:
        _close(connection, key, at, run.id)
    for new in effect.opens:
        _open(connection, new)
    if effect.measure:
        values = {"run_id": run.id, "attempts": 0, "next_at": at}
        connection.execute(delete(restatement_checks).where(restatement_checks.c.run_id == run.id))
        connection.execute(insert(restatement_checks).values(values))


def _is_as_judged(connection: Connection, stale: StaleDataset) -> bool:
    setting = select(datasets.c.stale_after).where(datasets.c.id == stale.dataset_id)
    newest = select(runs.c.id).where(runs.c.dataset_id == stale.dataset_id, UPDATES).order_by(runs.c.seq.desc())
    same_setting = connection.execute(setting).scalar() == stale.seconds
    return same_setting and (connection.execute(newest.limit(1)).scalar() or "") == stale.updated_by


def _open(connection: Connection, new: NewIncident) -> None:
    """Opens the incident; one that is open already only notes the run."""
    mine = incidents.c.open_key == new.key
    if connection.execute(update(incidents).where(mine).values(last_run=new.run_id)).rowcount:
        return
    values = {
        "kind": new.kind,
        "open_key": None if new.momentary else new.key,
        "dataset_id": new.dataset_id,
        "account_id": new.account_id,
        "opened_at": new.at,
        "closed_at": new.at if new.momentary else None,
        "settled_at": new.at if new.momentary else None,
        "first_run": new.run_id,
        "last_run": new.run_id,
        "cause": new.cause,
        "text": new.text,
        "percent": new.percent,
        "values_restated": new.values_restated,
    }
    connection.execute(insert(incidents).values(values))


def _close(connection: Connection, key: str, at: datetime, run_id: str) -> None:
    changes: dict[str, Any] = {"closed_at": at, "open_key": None}
    if run_id:
        changes["last_run"] = run_id
    connection.execute(update(incidents).where(incidents.c.open_key == key).values(changes))


def _open_keys(connection: Connection, kind: IncidentKind) -> set[str]:
    statement = select(incidents.c.open_key).where(incidents.c.kind == kind, incidents.c.open_key.is_not(None))
    return {str(key) for key in connection.execute(statement).scalars()}


def _give_notice(
    connection: Connection, incident_id: int, address_ids: Collection[int], now: datetime, *, over: bool
) -> None:
    # One that was removed meanwhile has nobody behind it.
    there = select(notification_addresses.c.id).where(notification_addresses.c.id.in_(address_ids))
    rows = [
        {"address_id": address_id, "incident_id": incident_id, "over": over, "created_at": now}
        for address_id in connection.execute(there).scalars()
    ]
    if rows:
        connection.execute(insert(notices), rows)


def _lasting(connection: Connection, delivery_ids: Collection[int]) -> Mapping[int, int]:
    """How many incidents of each of these messages are not over."""
    statement = (
        select(notices.c.delivery_id, func.count().label("lasting"))
        .join(incidents, incidents.c.id == notices.c.incident_id)
        .where(notices.c.delivery_id.in_(delivery_ids), incidents.c.closed_at.is_(None))
        .group_by(notices.c.delivery_id)
    )
    return {row.delivery_id: row.lasting for row in connection.execute(statement)}


_ADDRESS = tuple(column for column in notification_addresses.columns if column.name != "url")
_INCIDENT = tuple(column for column in incidents.columns if column.name not in ("open_key", "routed_at", "settled_at"))


def _address(row: Row[Any]) -> Address:
    values = dict(row._mapping)
    threshold = Threshold(values.pop("least_percent"), values.pop("least_values"))
    kinds = tuple(kind for kind in IncidentKind if kind in values["kinds"])
    return Address(**{**values, "kinds": kinds, "threshold": threshold})


def _incident(row: Sequence[Any]) -> Incident:
    number, kind, *others = row
    return Incident(number, IncidentKind(kind), *others)
