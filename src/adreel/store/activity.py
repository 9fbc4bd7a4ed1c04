"""What goes on in a home: the queue, and how late schedules are; for metrics and the status page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select

from adreel.store.database import Database
from adreel.store.queue import FIRST
from adreel.store.records import IN_PROGRESS, AccountStatus, RunState, Trigger
from adreel.store.runs import SPEAKS, last_seq
from adreel.store.tables import accounts, datasets, runs


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """A run in the queue, at its place in it; `blocked` while another run of its dataset is under way."""

    run_id: str
    dataset_id: int | None
    dataset_name: str
    dataset_slug: str
    trigger: Trigger
    created_at: datetime
    due_at: datetime | None
    not_before: datetime | None
    attempt: int
    worker: str
    blocked: bool


class Activity:
    """Reads it from one home; each costs a few milliseconds."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def in_progress(self) -> Mapping[tuple[RunState, Trigger], int]:
        """How many runs are queued and running, by what asked for them."""
        statement = (
            select(runs.c.state, runs.c.trigger, func.count())
            .where(runs.c.state.in_(sorted(IN_PROGRESS)))
            .group_by(runs.c.state, runs.c.trigger)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return {(RunState(state), Trigger(trigger)): int(count) for state, trigger, count in rows}

    def queue(self) -> tuple[QueuedRun, ...]:
        """The runs that wait, in the order in which workers take them: those of people first, then as asked for."""
        names = (
            "dataset_id", "dataset_name", "dataset_slug", "trigger", "created_at", "due_at", "not_before", "attempt",
            "worker",
        )  # fmt: skip
        waiting = (
            select(runs.c.id.label("run_id"), *(runs.c[name] for name in names))
            .where(runs.c.state == RunState.QUEUED)
            .order_by(FIRST, runs.c.seq)
        )
        with self._database.read() as connection:
            rows = connection.execute(waiting).all()
            under_way = set(
                connection.execute(select(runs.c.dataset_id).where(runs.c.state == RunState.RUNNING)).scalars()
            )
        return tuple(
            QueuedRun(**{**row._mapping, "trigger": Trigger(row.trigger)}, blocked=row.dataset_id in under_way)
            for row in rows
        )

    def oldest_due(self, now: datetime) -> datetime | None:
        """The earliest time of a schedule that has come and whose run has not begun."""
        due = select(func.min(datasets.c.next_run_at)).where(datasets.c.next_run_at <= now)
        waiting = select(func.min(runs.c.due_at)).where(
            runs.c.state == RunState.QUEUED,
            runs.c.due_at <= now,
            or_(runs.c.not_before.is_(None), runs.c.not_before <= now),
        )
        with self._database.read() as connection:
            times = [connection.execute(statement).scalar() for statement in (due, waiting)]
        return min((time for time in times if time is not None), default=None)

    def accounts(self) -> Mapping[AccountStatus, int]:
        """How many accounts have each status."""
        with self._database.read() as connection:
            rows = connection.execute(select(accounts.c.status, func.count()).group_by(accounts.c.status)).all()
        counts = {AccountStatus(status): int(count) for status, count in rows}
        return {status: counts.get(status, 0) for status in AccountStatus}

    def last_runs(self) -> Mapping[RunState | None, int]:
        """How many datasets have a latest run in each state, of those that say how they stand; None is for no run."""
        statement = (
            select(runs.c.state, func.count())
            .select_from(datasets.outerjoin(runs, runs.c.seq == last_seq(SPEAKS)))
            .group_by(runs.c.state)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return {RunState(state) if state is not None else None: int(count) for state, count in rows}

    def store_bytes(self) -> int:
        """The size of the database."""
        with self._database.read() as connection:
            if connection.dialect.name == "postgresql":
                return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
            pages, size = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")
            )
        return int(pages) * int(size)
