"""The process of one queued run: `python -m adreel.pipeline.process RUN`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx2

from adreel.clock import HomeClock
from adreel.errors import AdreelError, BusyError, NotFoundError
from adreel.pipeline.orders import Orders
from adreel.pipeline.run import Runner, Watch
from adreel.settings import Settings
from adreel.store import Run, RunOutcome, RunState, Store
from adreel.store.home import find_temporary_folder

BUSY_WAIT = timedelta(seconds=5)
"""How long a run waits whose dataset is run by a process outside the queue, before it is tried again."""


def work(
    settings: Settings,
    store: Store,
    run_id: str,
    *,
    clock: Callable[[], datetime],
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Run:
    """Works on a queued run until it ends or waits again; returns the run, which has the state and the error.

    It goes back into the queue if its dataset is busy, if this process is told to stop, and, for a run of a schedule,
    if it fails for a reason that may pass. A run that cannot start, as its dataset was deleted, fails with the reason.
    """
    run = store.runs.get(run_id)
    orders = Orders(settings, store, clock=clock)
    saved = None
    try:
        if run.dataset_id is None:
            raise NotFoundError(f"Dataset {run.dataset_name!r} was deleted before the run started.")
        saved = store.datasets.get(run.dataset_id)
        Runner(settings, store, clock=clock, transport=transport).run(saved, Watch(), run.dates, queued=run)
    except BusyError:
        store.queue.release(run_id, not_before=clock() + BUSY_WAIT)
    except AdreelError as error:
        ended = store.runs.get(run_id)
        if ended.state is RunState.INTERRUPTED:
            store.queue.requeue(run_id)
        elif ended.state is RunState.QUEUED and ended.attempt == run.attempt:
            outcome = RunOutcome.of_error(error)
            store.runs.finish(run_id, outcome, retry_at=orders.retry_at(saved, run, outcome) if saved else None)
    return store.runs.get(run_id)


def main() -> None:
    """The process of one run, whose id is the only argument; the settings are those of the environment."""
    settings = Settings.load(os.environ)
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
