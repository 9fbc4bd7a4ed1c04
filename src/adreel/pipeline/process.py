"""The process of one queued run: `python -m adreel.pipeline.process RUN`."""

from __future__ import annotations

import adreel.own_process  # noqa: F401 # isort: skip - before Arrow is imported

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx2

from adreel.catalog_file import follow
from adreel.clock import HomeClock
from adreel.datasets.restatement import compare
from adreel.errors import AdreelError, BusyError, NotFoundError, disk_faults_raised
from adreel.lake import Lake
from adreel.language import phrase
from adreel.logs import log_fields, logger_of, set_up_logs
from adreel.pipeline.run import Runner, Watch
from adreel.settings import Settings
from adreel.store import Run, RunOutcome, RunState, Store
from adreel.store.home import find_temporary_folder

logger = logger_of(__name__)

BUSY_WAIT = timedelta(seconds=5)
"""How long a run waits whose dataset is run by a process outside the queue, before it is tried again."""

MOST_ROWS_COMPARED = 500_000
"""Rows of a table whose versions are compared after a run, for its restated values."""


def work(
    settings: Settings,
    store: Store,
    run_id: str,
    *,
    clock: Callable[[], datetime],
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Run:
    """Works on a queued run until it ends or waits again; returns the run, which has the state and the error.

    It goes back into the queue if its dataset is busy, if this process is told to stop, and, for a run of a schedule
    or a backfill, if it fails for a reason that may pass. A run that cannot start, as its dataset was deleted, fails
    with the reason.
    """
    run = store.runs.get(run_id)
    with log_fields(run_id=run.id, dataset=run.dataset_slug, worker=run.worker):
        _work(settings, store, run, clock, transport)
    return store.runs.get(run_id)


def count_restated(settings: Settings, store: Store, run: Run, now: datetime) -> None:
    """Adds to the totals how many values TikTok restated between the run's version and the one before.

    Of tables with up to `MOST_ROWS_COMPARED` rows. Raises the lake's errors.
    """
    if run.dataset_id is None or run.version is None or run.restores or (run.table_rows or 0) > MOST_ROWS_COMPARED:
        return
    saved = store.datasets.get(run.dataset_id)
    versions = [good.version for good in store.runs.good(saved, 2) if good.version is not None]
    if len(versions) < 2 or versions[0] != run.version:
        return
    lake = Lake(settings.lake_url, clock=lambda: now)
    comparison = compare(store, lake, saved, versions[1], versions[0], now)
    cells = sum(column.values_restated for column in comparison.columns)
    if cells:
        logger.info("TikTok restated %d values", cells)
        store.run_totals.add_restated(run, cells)


def _work(
    settings: Settings,
    store: Store,
    run: Run,
    clock: Callable[[], datetime],
    transport: httpx2.AsyncBaseTransport | None,
) -> None:
    runner = Runner(settings, store, clock=clock, transport=transport)
    saved = None
    try:
        follow(settings.home)
        if run.dataset_id is None:
            raise NotFoundError(
                phrase("Dataset %(dataset)s was deleted before the run started.", dataset=repr(run.dataset_name))
            )
        saved = store.datasets.get(run.dataset_id)
        runner.run(saved, Watch(), run.dates, queued=run)
    except BusyError as error:
        logger.info("The run waits again: %s", error)
        store.queue.release(run.id, not_before=clock() + BUSY_WAIT)
        return
    except AdreelError as error:
        ended = store.runs.get(run.id)
        if ended.state is RunState.INTERRUPTED:
            store.queue.requeue(run.id)
        elif ended.state is RunState.QUEUED and ended.attempt == run.attempt:
            logger.warning("The run could not start: %s", error)
            outcome = RunOutcome.of_error(error)
            store.runs.finish(run.id, outcome, retry_at=runner.orders.retry_at(saved, run, outcome) if saved else None)
        return
    try:
        with disk_faults_raised():
            count_restated(settings, store, store.runs.get(run.id), clock())
    except AdreelError as error:
        # The run has ended well; its totals lack a number.
        logger.warning("Restated values could not be counted: %s", error)


def main() -> None:
    """The process of one run, whose id is the only argument; the settings are those of the environment."""
    settings = Settings.load(os.environ)
    set_up_logs(settings, sys.stdout)
    find_temporary_folder(settings.home)
    # The server takes precedence, as a run mostly waits for TikTok. Windows has no nice.
    if hasattr(os, "nice"):
        os.nice(10)
    # A machine that shuts down asks with SIGTERM first: the run stops as if it was interrupted, and goes on later.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    clock = HomeClock()
    with Store.open(settings, clock=clock) as store:
        clock.follow(store.accounts)
        work(settings, store, sys.argv[1], clock=clock)


if __name__ == "__main__":
    main()
