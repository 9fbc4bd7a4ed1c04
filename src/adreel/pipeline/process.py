"""The process of one queued run: `python -m adreel.pipeline.process RUN`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime

import httpx2

from adreel.clock import HomeClock
from adreel.errors import AdreelError, NotFoundError
from adreel.logs import log_fields, logger_of, set_up_logs
from adreel.pipeline.run import Runner, Watch
from adreel.settings import Settings
from adreel.store import Run, RunOutcome, RunState, Store
from adreel.store.home import find_temporary_folder

logger = logger_of(__name__)


def work(
    settings: Settings,
    store: Store,
    run_id: str,
    *,
    clock: Callable[[], datetime],
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Run:
    """Works on a queued run until it ends; returns the run, which has the state and the error.

    A run that cannot start, as its dataset was deleted or is busy, fails with the reason.
    """
    run = store.runs.get(run_id)
    with log_fields(run_id=run.id, dataset=run.dataset_slug, worker=run.worker):
        _work(settings, store, run, clock, transport)
    return store.runs.get(run_id)


def _work(
    settings: Settings,
    store: Store,
    run: Run,
    clock: Callable[[], datetime],
    transport: httpx2.AsyncBaseTransport | None,
) -> None:
    try:
        if run.dataset_id is None:
            raise NotFoundError(f"Dataset {run.dataset_name!r} was deleted before the run started.")
        saved = store.datasets.get(run.dataset_id)
        Runner(settings, store, clock=clock, transport=transport).run(saved, Watch(), run.dates, queued=run)
    except AdreelError as error:
        if store.runs.get(run.id).state is RunState.QUEUED:
            logger.warning("The run could not start: %s", error)
            store.runs.finish(run.id, RunOutcome.of_error(error))


def main() -> None:
    """The process of one run, whose id is the only argument; the settings are those of the environment."""
    settings = Settings.load(os.environ)
    set_up_logs(settings, sys.stdout)
    find_temporary_folder(settings.home)
    # The server takes precedence, as a run mostly waits for TikTok. Windows has no nice.
    if hasattr(os, "nice"):
        os.nice(10)

    clock = HomeClock()
    with Store.open(settings, clock=clock) as store:
        clock.follow(store.accounts)
        work(settings, store, sys.argv[1], clock=clock)


if __name__ == "__main__":
    main()
