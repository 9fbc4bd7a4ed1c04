"""The process that sends dashboards for a worker: `python -m adreel.dashboards.process`, with its settings.

A process of its own, so that the worker opens no tables. It ends when no dashboard is due.
"""

from __future__ import annotations

import adreel.own_process  # noqa: F401 # isort: skip - before Arrow is imported

import os
import sys

from adreel.catalog_file import follow_or_log
from adreel.clock import HomeClock, wall_clock
from adreel.dashboards.sending import deliver
from adreel.lake import Lake
from adreel.logs import set_up_logs
from adreel.settings import Settings
from adreel.store import Store
from adreel.store.audit import SYSTEM, acting
from adreel.store.home import find_temporary_folder

MOST_AT_ONCE = 20
"""Dashboards of one process; a worker starts the next one."""


def main() -> None:
    """Sends what is due."""
    settings = Settings.load(os.environ)
    set_up_logs(settings, sys.stderr)
    find_temporary_folder(settings.home)
    follow_or_log(settings.home)
    clock = HomeClock()
    with Store.open(settings, clock=clock) as store, acting(SYSTEM):
        clock.follow(store.accounts)
        lake = Lake(settings.lake_url, clock=clock)
        try:
            for _ in range(MOST_AT_ONCE):
                if not deliver(store, settings, lake, clock(), wall=wall_clock()):
                    break
        finally:
            lake.close()


if __name__ == "__main__":
    main()
