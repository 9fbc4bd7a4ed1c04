"""Backfills: the earlier days of a dataset that are read in slices, newest first, each slice a run of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from adreel.enumerations import TextEnum
from adreel.errors import BusyError, InputError, NotFoundError
from adreel.language import Phrase, phrase, shown_day
from adreel.store.audit import AuditAction, Means, Subject, acting_as, record
from adreel.store.database import Database
from adreel.store.records import Run, SavedDataset, Trigger
from adreel.store.runs import insert_run
from adreel.store.tables import backfills, datasets


class BackfillState(TextEnum):
    """The state of a backfill; `label` is its text."""

    label: str

    ACTIVE = "active", Phrase("In progress")
    PAUSED = "paused", Phrase("Paused")
    DONE = "done", Phrase("Done")
    CANCELLED = "cancelled", Phrase("Cancelled")

    @property
    def label_in_sentence(self) -> Phrase:
        """The label within a sentence."""
        return _WITHIN_SENTENCES[self]


_WITHIN_SENTENCES = {
    BackfillState.ACTIVE: Phrase("in progress"),
    BackfillState.PAUSED: Phrase("paused"),
    BackfillState.DONE: Phrase("done"),
    BackfillState.CANCELLED: Phrase("cancelled"),
}


_GOES_ON: Mapping[str, Any] = MappingProxyType({"state": BackfillState.ACTIVE, "reason": "", "waits": False})
"""What changes if a backfill goes on."""

OPEN = frozenset({BackfillState.ACTIVE, BackfillState.PAUSED})
"""Neither done nor cancelled; a dataset has at most one such backfill."""


@dataclass(frozen=True, slots=True)
class Backfill:
    """The days from `first_day` to `last_day` of a dataset, of which those after `next_day` are read.

    A slice has up to `slice_days`, which take about `slice_requests` and `slice_seconds`. `run_id` is the run of the
    slice that was begun last, None between two slices. `request_version` is the dataset's when it began or was resumed,
    `triggered_by` as of a run, `reason` why it is paused, and `waits` whether it paused by itself, for a person to
    decide. `accepted` are the ids of ad accounts that a person accepted its slices to leave out.
    """

    id: int
    dataset_id: int
    first_day: date
    last_day: date
    slice_days: int
    slice_requests: float
    slice_seconds: float
    state: BackfillState
    next_day: date
    run_id: str | None
    request_version: int
    triggered_by: str
    reason: str
    waits: bool
    accepted: frozenset[str]
    created_at: datetime
    ended_at: datetime | None

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last_day - self.first_day).days + 1

    @property
    def days_done(self) -> int:
        """How many of them its slices have read."""
        return (self.last_day - self.next_day).days

    @property
    def next_slice(self) -> tuple[date, date]:
        """The first and the last day of the slice that is in progress, or else is the next."""
        return max(self.first_day, self.next_day - timedelta(days=self.slice_days - 1)), self.next_day


@dataclass(frozen=True, slots=True)
class NewBackfill:
    """A backfill that a person asks for, with what a slice is expected to take."""

    first_day: date
    last_day: date
    slice_days: int
    slice_requests: float
    slice_seconds: float


class Backfills:
    """The backfills of one home. Each change says from what it starts, so that of two processes one makes it."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(self, dataset: SavedDataset, new: NewBackfill, *, triggered_by: str) -> Backfill:
        """A backfill of the dataset as it is now. BusyError if it has one that is not over."""
        with self._database.write() as connection:
            saved = _dataset(connection, dataset.id)
            other = _open_of(connection, dataset.id)
            if other is not None:
                raise _busy(saved.slug, as_backfill(other))
            values = {
                "dataset_id": saved.id,
                "first_day": new.first_day,
                "last_day": new.last_day,
                "slice_days": new.slice_days,
                "slice_requests": new.slice_requests,
                "slice_seconds": new.slice_seconds,
                "state": BackfillState.ACTIVE,
                "next_day": new.last_day,
                "request_version": saved.request_version,
                "triggered_by": triggered_by,
                "reason": "",
                "created_at": self._clock(),
            }
            backfill = as_backfill(connection.execute(insert(backfills).values(values).returning(backfills)).one())
            self._record(connection, AuditAction.BACKFILL_START, backfill)
        return backfill

    def get(self, backfill_id: int) -> Backfill:
        """The backfill of that id. NotFoundError."""
        with self._database.read() as connection:
            row = connection.execute(select(backfills).where(backfills.c.id == backfill_id)).first()
        if row is None:
            raise absent_backfill(backfill_id)
        return as_backfill(row)

    def list(
        self, among: Collection[int] | None = None, *, states: Collection[BackfillState] = frozenset(BackfillState)
    ) -> tuple[Backfill, ...]:
        """Those of datasets whose ids are `among` these, or of all, latest first."""
        statement = select(backfills).where(backfills.c.state.in_(sorted(states))).order_by(backfills.c.id.desc())
        if among is not None:
            statement = statement.where(backfills.c.dataset_id.in_(among))
        with self._database.read() as connection:
            return tuple(map(as_backfill, connection.execute(statement)))

    def open_of(self, dataset: SavedDataset) -> Backfill:
        """The dataset's backfill that is active or paused. NotFoundError if it has none."""
        with self._database.read() as connection:
            row = _open_of(connection, dataset.id)
        if row is None:
            raise NotFoundError(
                phrase("%(name)s has no backfill in progress and none that is paused.", name=repr(dataset.name))
            )
        return as_backfill(row)

    def unsettled(self) -> tuple[Backfill, ...]:
        """Those that a worker may have to do something for: active ones, and others with the run of a slice."""
        stopped = backfills.c.state.in_([BackfillState.PAUSED, BackfillState.CANCELLED])
        has_run = stopped & backfills.c.run_id.is_not(None)
        wanted = (backfills.c.state == BackfillState.ACTIVE) | has_run
        with self._database.read() as connection:
            return tuple(map(as_backfill, connection.execute(select(backfills).where(wanted).order_by(backfills.c.id))))

    def enqueue(self, backfill: Backfill, run_id: str) -> Run | None:
        """Puts a run of the next slice into the queue, in one step with noting it here.

        None if the backfill has changed since it was read, as when another worker was quicker.
        """
        first, last = backfill.next_slice
        with self._database.write() as connection:
            if not _changed(connection, backfill, {"run_id": run_id}):
                return None
            own = {
                "dates": [first.isoformat(), last.isoformat()],
                "triggered_by": backfill.triggered_by,
                "trigger": Trigger.BACKFILL,
            }
            return insert_run(connection, _dataset(connection, backfill.dataset_id), run_id, self._clock(), own)

    def advance(self, backfill: Backfill, run: Run, *, resumes: bool = False) -> bool:
        """Counts the slice that the run read as done; whether the backfill was still as it was read.

        Done is the backfill with its last slice. `resumes`: a paused one goes on, with the dataset as it is now, and
        its later slices may leave out the ad accounts that this run skipped.
        """
        assert run.dates is not None, "a slice has days"
        first, last = map(date.fromisoformat, run.dates)
        changes: dict[str, Any] = {"run_id": None, "next_day": first - timedelta(days=1)}
        share = backfill.slice_days / ((last - first).days + 1)
        if run.requests and run.started_at and run.finished_at:
            took = max(0.0, (run.finished_at - run.started_at).total_seconds())
            changes |= {"slice_requests": run.requests * share, "slice_seconds": took * share}
        if backfill.state is BackfillState.CANCELLED:
            pass
        elif first <= backfill.first_day:
            changes |= {**_GOES_ON, "state": BackfillState.DONE, "ended_at": self._clock()}
        elif resumes:
            changes |= {**_GOES_ON, "accepted": sorted(backfill.accepted | run.skipped.keys())}
        with self._database.write() as connection:
            if resumes:
                changes["request_version"] = _dataset(connection, backfill.dataset_id).request_version
            changed = _changed(connection, backfill, changes)
            if changed and resumes:
                self._record(connection, AuditAction.BACKFILL_RESUME, backfill)
        return changed

    def release(self, backfill: Backfill) -> None:
        """Forgets the run of its slice, which committed nothing, unless the backfill has changed since it was read."""
        with self._database.write() as connection:
            _changed(connection, backfill, {"run_id": None})

    def pause(self, backfill: Backfill, reason: str, *, waits: bool = False) -> bool:
        """Pauses it with the reason; whether it was still as it was read. `waits`: a person has to decide."""
        changes = {"state": BackfillState.PAUSED, "reason": reason, "waits": waits}
        with self._database.write() as connection:
            changed = _changed(connection, backfill, changes)
            if changed:
                self._record(connection, AuditAction.BACKFILL_PAUSE, backfill)
        return changed

    def resume(self, backfill: Backfill, *, keeps_run: bool) -> bool:
        """Goes on with the dataset as it is now; whether it was still as it was read.

        The slice that was begun last is read by a new run unless it `keeps_run`.
        """
        with self._database.write() as connection:
            version = _dataset(connection, backfill.dataset_id).request_version
            changes = {**_GOES_ON, "request_version": version}
            changed = _changed(connection, backfill, changes | ({} if keeps_run else {"run_id": None}))
            if changed:
                self._record(connection, AuditAction.BACKFILL_RESUME, backfill)
        return changed

    def cancel(self, backfill: Backfill) -> Backfill:
        """Ends it. InputError if it is over."""
        changes = {**_GOES_ON, "state": BackfillState.CANCELLED, "ended_at": self._clock()}
        is_open = (backfills.c.id == backfill.id) & backfills.c.state.in_(sorted(OPEN))
        with self._database.write() as connection:
            row = connection.execute(update(backfills).where(is_open).values(changes).returning(backfills)).first()
            if row is None:
                raise InputError(phrase("Backfill %(id)s is over and cannot be cancelled.", id=backfill.id))
            self._record(connection, AuditAction.BACKFILL_CANCEL, backfill)
        return as_backfill(row)

    def _record(self, connection: Connection, action: AuditAction, backfill: Backfill) -> None:
        """Writes down what a person did; what workers do is in the backfill itself."""
        if acting_as().means is not Means.SYSTEM:
            subject = Subject.of(_dataset(connection, backfill.dataset_id))
            details = {"start": backfill.first_day.isoformat(), "end": backfill.last_day.isoformat()}
            record(connection, self._clock(), action, subject, details)


def absent_backfill(backfill_id: int) -> NotFoundError:
    """The error for an id that no backfill has, or none that may be seen."""
    return NotFoundError(
        phrase("Backfill %(backfill_id)s was not found. To list them: adreel backfills list", backfill_id=backfill_id)
    )


def as_backfill(row: Row[Any]) -> Backfill:
    """The record of a row."""
    return Backfill(**{**row._mapping, "state": BackfillState(row.state), "accepted": frozenset(row.accepted)})


def _changed(connection: Connection, backfill: Backfill, changes: dict[str, Any]) -> bool:
    same = (
        (backfills.c.id == backfill.id)
        & (backfills.c.state == backfill.state)
        & (backfills.c.next_day == backfill.next_day)
        & backfills.c.run_id.is_not_distinct_from(backfill.run_id)
    )
    return connection.execute(update(backfills).where(same).values(changes)).rowcount == 1


def _open_of(connection: Connection, dataset_id: int) -> Row[Any] | None:
    own = (backfills.c.dataset_id == dataset_id) & backfills.c.state.in_(sorted(OPEN))
    return connection.execute(select(backfills).where(own)).first()


def _dataset(connection: Connection, dataset_id: int) -> Row[Any]:
    row = connection.execute(select(datasets).where(datasets.c.id == dataset_id)).first()
    if row is None:
        raise NotFoundError(phrase("The dataset was deleted meanwhile."))
    return row


def _busy(slug: str, other: Backfill) -> BusyError:
    words = (
        Phrase(
            "A backfill of %(dataset)s is in progress: %(first_day)s to %(last_day)s. Start the next one when it is "
            "done, or cancel it: adreel backfills cancel %(dataset)s"
        )
        if other.state is BackfillState.ACTIVE
        else Phrase(
            "A backfill of %(dataset)s is paused: %(first_day)s to %(last_day)s. Start the next one when it is done, "
            "or cancel it: adreel backfills cancel %(dataset)s"
        )
    )
    first_day, last_day = shown_day(other.first_day), shown_day(other.last_day)
    return BusyError(phrase(words, dataset=slug, first_day=first_day, last_day=last_day))
