"""The queue: runs that wait, the times of schedules that put them there, and the workers that take them.

A worker takes a run by writing its own id into it, in a transaction; whichever worker comes second finds it taken. All
of it is rows, so that a process may be killed between any two steps and another goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, delete, exists, func, insert, or_, select, update

from adreel.language import phrase
from adreel.store.database import Database
from adreel.store.datasets import as_dataset
from adreel.store.records import FINISHED, IN_PROGRESS, Run, RunState, SavedDataset, Trigger
from adreel.store.runs import PUBLIC, as_run, insert_run, new_run_id
from adreel.store.tables import datasets, run_log, runs, workers
from adreel.store.totals import add_end

MOST_DEATHS = 3
"""A run whose process ended without a word so often is stopped: it would end every worker in turn."""

DEATH_WAIT = timedelta(seconds=2)
"""How long a run waits after its process died for the first time; twice as long after each further time."""

DEAD_AFTER = timedelta(seconds=10)
"""A worker that has not said for so long that it is alive is taken for dead."""

WORKERS_KEPT = timedelta(days=7)
"""Rows of workers that ended are kept for so long, to name them in what their runs left."""

_NO_WORKER = ""
FIRST = case({Trigger.PERSON: 0, Trigger.SCHEDULE: 1}, value=runs.c.trigger, else_=2)
"""The order in which runs are taken, before the order in which they were asked for."""


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A process that takes runs from the queue; its times are those of its machine."""

    id: str
    host: str
    pid: int
    runs_at_once: int
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None

    def is_alive(self, now: datetime) -> bool:
        """Whether it works, as far as it said; `now` is the machine's own time."""
        return self.ended_at is None and now - self.heartbeat_at <= DEAD_AFTER


class Queue:
    """The queue of one home."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    # Schedules

    def due(self, now: datetime, limit: int) -> tuple[SavedDataset, ...]:
        """Datasets whose schedule is due, those that wait longest first."""
        return self._scheduled(select(datasets).where(datasets.c.next_run_at <= now).limit(limit))

    def scheduled(self) -> tuple[SavedDataset, ...]:
        """All datasets whose schedule has a next time, the earliest first."""
        return self._scheduled(select(datasets).where(datasets.c.next_run_at.is_not(None)))

    def _scheduled(self, statement: Select[Any]) -> tuple[SavedDataset, ...]:
        with self._database.read() as connection:
            return tuple(map(as_dataset, connection.execute(statement.order_by(datasets.c.next_run_at))))

    def move(self, dataset: SavedDataset, next_at: datetime | None) -> bool:
        """Corrects the next time of a schedule; whether it still was as in `dataset`."""
        with self._database.write() as connection:
            return _moved(connection, dataset, next_at)

    def enqueue_due(self, due: Iterable[tuple[SavedDataset, datetime | None]]) -> int:
        """Puts due times into the queue and each schedule to its next time, once however many workers try.

        A run of the dataset that waits already, and has not been taken, stands for the time too: however many times
        were missed, it runs once. How many datasets that was; another worker may have been quicker for the others.
        """
        now = self._clock()
        with self._database.write() as connection:
            return sum(_enqueued(connection, dataset, next_at, now) for dataset, next_at in due)

    # Runs

    def claim(self, worker_id: str, limit: int, now: datetime, besides: Collection[str] = ()) -> tuple[Run, ...]:
        """Up to `limit` runs that are this worker's from now on: those of people first, then of schedules.

        Only one of a dataset at a time, and none of a dataset that another process is said to run; none `besides`
        these, whose earlier processes of this worker are still ending.
        """
        other = runs.alias("other")
        at_work = or_(other.c.state == RunState.RUNNING, other.c.worker != _NO_WORKER)
        under_way = exists().where(
            other.c.dataset_id == runs.c.dataset_id, other.c.state.in_(sorted(IN_PROGRESS)), at_work
        )
        statement = (
            select(runs.c.id, runs.c.dataset_id)
            .where(_waiting(), _ripe(now), runs.c.dataset_id.is_not(None), ~under_way, runs.c.id.not_in(besides))
            .order_by(FIRST, runs.c.seq)
            # More than are wanted, as several may be of one dataset.
            .limit(limit * 4 + 16)
        )
        with self._database.write() as connection:
            first_of: dict[int, str] = {}
            for run_id, dataset_id in connection.execute(statement):
                first_of.setdefault(dataset_id, run_id)
            ids = list(first_of.values())[:limit]
            claimed = update(runs).where(runs.c.id.in_(ids)).values(worker=worker_id).returning(*PUBLIC)
            rows = {row.id: as_run(row) for row in connection.execute(claimed)} if ids else {}
        return tuple(rows[run_id] for run_id in ids if run_id in rows)

    def release(self, run_id: str, not_before: datetime | None = None) -> None:
        """Gives a run back that was claimed and has not begun, to wait until `not_before`."""
        begun = (runs.c.id == run_id) & (runs.c.state == RunState.QUEUED)
        with self._database.write() as connection:
            connection.execute(update(runs).where(begun).values(worker=_NO_WORKER, not_before=not_before))

    def release_claims(self, worker_ids: Collection[str]) -> int:
        """Gives back what these workers claimed and no process has begun; how many runs that were."""
        theirs = (runs.c.state == RunState.QUEUED) & runs.c.worker.in_(worker_ids)
        with self._database.write() as connection:
            return connection.execute(update(runs).where(theirs).values(worker=_NO_WORKER)).rowcount

    def requeue(self, run_id: str) -> None:
        """Has a run go on that was stopped on purpose, as its machine shuts down. Does nothing if it has ended."""
        stopped = (runs.c.id == run_id) & runs.c.state.in_([RunState.RUNNING, RunState.INTERRUPTED])
        changes = {
            "state": RunState.QUEUED,
            "worker": _NO_WORKER,
            "finished_at": None,
            "not_before": None,
            "noticed": False,
        }
        with self._database.write() as connection:
            connection.execute(update(runs).where(stopped, ~runs.c.cancel_requested).values(changes))

    def died(self, run_id: str, worker_id: str, last_words: str) -> Run | None:
        """Puts a run back whose process ended without a word, or ends it for good after too many such ends.

        The run as it is then; None if it is not under way for that worker, so that its process did end it.
        """
        mine = (runs.c.id == run_id) & (runs.c.worker == worker_id) & runs.c.state.in_(sorted(IN_PROGRESS))
        now = self._clock()
        with self._database.write() as connection:
            row = connection.execute(select(*PUBLIC).where(mine)).first()
            if row is None:
                return None
            changes = _after_death(row, now, last_words)
            changed = as_run(connection.execute(update(runs).where(mine).values(changes).returning(*PUBLIC)).one())
            if changed.state in FINISHED:
                add_end(connection, changed)
            text = phrase(
                "The process of this run ended unexpectedly (time %(count)s): %(last_words)s.",
                count=changed.deaths,
                last_words=last_words,
            )
            connection.execute(insert(run_log).values(run_id=run_id, at=now, text=text))
        return changed

    def running(self) -> tuple[Run, ...]:
        """The runs that are said to be running."""
        with self._database.read() as connection:
            return tuple(map(as_run, connection.execute(select(*PUBLIC).where(runs.c.state == RunState.RUNNING))))

    def waiting(self, dataset: SavedDataset) -> tuple[Run, ...]:
        """The runs of a dataset that wait, in the order in which they will begin."""
        statement = select(*PUBLIC).where(runs.c.state == RunState.QUEUED, runs.c.dataset_id == dataset.id)
        with self._database.read() as connection:
            return tuple(map(as_run, connection.execute(statement.order_by(FIRST, runs.c.seq))))

    def cancel_deleted(self) -> int:
        """Cancels runs that wait for datasets that were deleted; how many."""
        orphaned = (runs.c.state == RunState.QUEUED) & runs.c.dataset_id.is_(None)
        changes = {
            "state": RunState.CANCELLED,
            "finished_at": self._clock(),
            "error": phrase("The dataset was deleted before the run started."),
        }
        with self._database.write() as connection:
            rows = connection.execute(update(runs).where(orphaned).values(changes).returning(*PUBLIC)).all()
            for row in rows:
                add_end(connection, as_run(row))
        return len(rows)

    # Workers

    def beat(self, worker: WorkerInfo) -> None:
        """Says that the worker is alive at its `heartbeat_at`, or has ended; forgets those that ended long ago."""
        values = {name: getattr(worker, name) for name in _WORKER}
        changes = {"heartbeat_at": worker.heartbeat_at, "ended_at": worker.ended_at}
        old = workers.c.heartbeat_at < worker.heartbeat_at - WORKERS_KEPT
        with self._database.write() as connection:
            is_new = not connection.execute(update(workers).where(workers.c.id == worker.id).values(changes)).rowcount
            if is_new:
                connection.execute(insert(workers).values(values))
            connection.execute(delete(workers).where(old))

    def workers(self) -> tuple[WorkerInfo, ...]:
        """The workers that there are and that ended lately, latest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(workers).order_by(workers.c.started_at.desc())).all()
        return tuple(WorkerInfo(*row) for row in rows)

    def claims(self) -> Mapping[str, int]:
        """How many runs each worker has taken that are not over, by its id."""
        statement = select(runs.c.worker, func.count().label("number")).where(
            runs.c.state.in_(sorted(IN_PROGRESS)), runs.c.worker != _NO_WORKER
        )
        with self._database.read() as connection:
            rows = connection.execute(statement.group_by(runs.c.worker))
            return {row.worker: row.number for row in rows}


_WORKER = ("id", "host", "pid", "runs_at_once", "started_at", "heartbeat_at", "ended_at")


def _waiting() -> ColumnElement[bool]:
    return (runs.c.state == RunState.QUEUED) & (runs.c.worker == _NO_WORKER)


def _ripe(now: datetime) -> ColumnElement[bool]:
    return or_(runs.c.not_before.is_(None), runs.c.not_before <= now)


def _moved(connection: Connection, dataset: SavedDataset, next_at: datetime | None) -> bool:
    same = (datasets.c.id == dataset.id) & (datasets.c.next_run_at == dataset.next_run_at)
    return connection.execute(update(datasets).where(same).values(next_run_at=next_at)).rowcount == 1


def _enqueued(connection: Connection, dataset: SavedDataset, next_at: datetime | None, now: datetime) -> bool:
    if not _moved(connection, dataset, next_at) or _had_run(connection, dataset):
        return False
    if _brought_forward(connection, dataset):
        return True
    saved = connection.execute(select(datasets).where(datasets.c.id == dataset.id)).one()
    own = {"triggered_by": "", "trigger": Trigger.SCHEDULE, "due_at": dataset.next_run_at}
    insert_run(connection, saved, new_run_id(), now, own)
    return True


def _had_run(connection: Connection, dataset: SavedDataset) -> bool:
    """Whether the time was started before, as when the machine's clock was put back."""
    same = select(runs.c.id).where(runs.c.dataset_id == dataset.id, runs.c.due_at == dataset.next_run_at)
    return connection.execute(same).first() is not None


def _brought_forward(connection: Connection, dataset: SavedDataset) -> bool:
    """Has a run that waits stand for this time; whether there was one. One for other days does not."""
    own = (runs.c.dataset_id == dataset.id) & runs.c.dates.is_(None) & _waiting()
    row = connection.execute(select(runs.c.id).where(own).order_by(runs.c.seq).limit(1)).first()
    if row is None:
        return False
    changes = {"due_at": dataset.next_run_at, "not_before": None, "attempt": 1}
    connection.execute(update(runs).where(runs.c.id == row.id).values(changes))
    return True


def _after_death(row: Row[Any], now: datetime, last_words: str) -> dict[str, Any]:
    deaths = row.deaths + 1
    if deaths >= MOST_DEATHS:
        return {
            "deaths": deaths,
            "state": RunState.FAILED,
            "worker": _NO_WORKER,
            "finished_at": now,
            "error": phrase(
                "The run was stopped: its process ended unexpectedly %(count)s times, the last time with: "
                "%(last_words)s. Check the memory and the log of the machine, then run the dataset again.",
                count=deaths,
                last_words=last_words,
            ),
            "error_kind": "ProcessError",
        }
    wait = DEATH_WAIT * 2 ** (deaths - 1)
    return {"deaths": deaths, "state": RunState.QUEUED, "worker": _NO_WORKER, "not_before": now + wait}
