"""The worker as a process: `python -m adreel.worker RUNS_AT_ONCE [PARENT]`, with the settings of the environment."""

from __future__ import annotations

import adreel.own_process  # noqa: F401 # isort: skip - before Arrow is imported

import os
import sys

from adreel.clock import HomeClock, wall_clock
from adreel.logs import set_up_logs
from adreel.settings import Settings
from adreel.store import Store
from adreel.store.home import find_temporary_folder
from adreel.worker.child import stop_event
from adreel.worker.processes import environment
from adreel.worker.worker import Worker


def main() -> None:
    """Works until it is told to stop, or the process PARENT that started it is gone."""
    settings = Settings.load(os.environ)
    set_up_logs(settings, sys.stderr)
    find_temporary_folder(settings.home)
    runs_at_once, parent = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None
    clock = HomeClock()
    with Store.open(settings, clock=clock) as store, stop_event(parent) as stop:
        clock.follow(store.accounts)
        environ = environment(settings, os.environ)
        Worker(settings, store, environ, clock=clock, wall=wall_clock, runs_at_once=runs_at_once).run(stop)


if __name__ == "__main__":
    main()
