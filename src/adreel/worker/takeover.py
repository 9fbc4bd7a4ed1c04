"""Runs that a dead process left go back into the queue, and what a dead worker took and did not begin."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from adreel.errors import BusyError
from adreel.store import Run, RunState, Store, WorkerInfo


def take_over(store: Store, own: Collection[str]) -> int:
    """Puts the runs back whose process is gone, but for those of the caller's `own` processes; how many."""
    others = (run for run in store.queue.running() if run.id not in own)
    dead = [run for run in map(store.seen, others) if run.state is RunState.INTERRUPTED]
    return sum(_put_back(store, run) for run in dead)


def _put_back(store: Store, run: Run) -> bool:
    if run.worker:
        return store.queue.died(run.id, run.worker, "its worker or its machine stopped") is not None
    # The command line's own: whoever typed it decides whether it goes on, but it must not block the schedule.
    if run.dataset_id is None:
        return False
    with suppress(BusyError), store.locks.dataset(run.dataset_slug):
        store.runs.interrupt(store.datasets.get(run.dataset_id))
    return False


def dead_workers(store: Store, now: datetime, me: WorkerInfo) -> tuple[WorkerInfo, ...]:
    """The other workers that have ended or do not say any more that they are alive; `now` is the machine's time."""
    return tuple(worker for worker in store.queue.workers() if worker.id != me.id and not worker.is_alive(now))
