"""Runs that a dead process left go back into the queue, and what a dead worker took and did not begin."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from adreel.errors import BusyError
from adreel.store import Run, RunState, Store, WorkerInfo
from adreel.store.locks import is_alive


def take_over(store: Store, own: Collection[str]) -> int:
    """Puts the runs back whose process is gone, but for those of the caller's `own` processes; how many."""
    dead = [run for run in store.queue.running() if run.id not in own and _is_dead(store, run)]
    return sum(_put_back(store, run) for run in dead)


def _is_dead(store: Store, run: Run) -> bool:
    """Whether no process works on the run: looked at twice, as it may have ended in between."""
    if is_alive(store.locks, run.dataset_slug, run.id):
        return False
    again = store.runs.get(run.id)
    same = (again.state, again.worker, again.deaths) == (RunState.RUNNING, run.worker, run.deaths)
    return same and not is_alive(store.locks, run.dataset_slug, run.id)


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
