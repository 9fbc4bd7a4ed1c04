"""Runs that a dead process left go back into the queue, and what a dead worker took and did not begin."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from adreel.errors import BusyError
from adreel.store import Run, RunState, Store, WorkerInfo
from adreel.store.locks import dataset_lock, is_alive

DEAD_AFTER = timedelta(seconds=10)
"""A worker that has not said for so long that it is alive is taken for dead."""


def take_over(home: Path, store: Store, own: Collection[str]) -> int:
    """Puts the runs back whose process is gone, but for those of the caller's `own` processes; how many."""
    dead = [run for run in store.queue.running() if run.id not in own and _is_dead(home, store, run)]
    return sum(_put_back(home, store, run) for run in dead)


def _is_dead(home: Path, store: Store, run: Run) -> bool:
    """Whether no process works on the run: looked at twice, as it may have ended in between."""
    if is_alive(home, run.dataset_slug, run.id):
        return False
    again = store.runs.get(run.id)
    same = (again.state, again.worker, again.deaths) == (RunState.RUNNING, run.worker, run.deaths)
    return same and not is_alive(home, run.dataset_slug, run.id)


def _put_back(home: Path, store: Store, run: Run) -> bool:
    if run.worker:
        return store.queue.died(run.id, run.worker, "its worker or its machine stopped") is not None
    # The command line's own: whoever typed it decides whether it goes on, but it must not block the schedule.
    if run.dataset_id is None:
        return False
    with suppress(BusyError), dataset_lock(home, run.dataset_slug):
        store.runs.interrupt(store.datasets.get(run.dataset_id))
    return False


def dead_workers(store: Store, now: datetime, me: WorkerInfo) -> tuple[WorkerInfo, ...]:
    """The other workers that have ended or do not say any more that they are alive; `now` is the machine's time."""
    others = (worker for worker in store.queue.workers() if worker.id != me.id)
    return tuple(worker for worker in others if worker.ended_at or now - worker.heartbeat_at > DEAD_AFTER)
