"""Schedules: what is due goes into the queue, and next times are corrected where a clock was changed."""

from __future__ import annotations

from datetime import datetime

from adreel.datasets.stored import schedule_of
from adreel.scheduling import next_time
from adreel.store import SavedDataset, Store

MOST_AT_ONCE = 200
"""Datasets that are put into the queue in one transaction, so that nobody waits long for the database."""


def enqueue_due(store: Store, now: datetime) -> int:
    """Puts the datasets into the queue whose schedule is due; how many.

    However many times of a schedule have passed since, each dataset runs once, and next after `now`.
    """
    due = store.queue.due(now, MOST_AT_ONCE)
    return store.queue.enqueue_due((dataset, _next(dataset, now)) for dataset in due) if due else 0


def correct_next_times(store: Store, now: datetime) -> int:
    """Sets right the next times that do not follow from the schedule and `now`; how many.

    They are wrong after the clock was far ahead: the schedule would stand still until then.
    """
    corrected = 0
    for dataset in store.queue.scheduled():
        is_due = dataset.next_run_at is not None and dataset.next_run_at <= now
        next_at = _next(dataset, now)
        if not is_due and next_at != dataset.next_run_at:
            corrected += store.queue.move(dataset, next_at)
    return corrected


def _next(dataset: SavedDataset, now: datetime) -> datetime | None:
    schedule = schedule_of(dataset)
    return next_time(schedule, now) if schedule is not None else None
