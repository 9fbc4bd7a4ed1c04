"""The process that publishes to one destination for a worker: `python -m adreel.destinations.process DESTINATION`.

A process of its own, so that the worker opens no tables and a destination that hangs holds up nothing else. It ends
when nothing is due there.
"""

from __future__ import annotations

import adreel.own_process  # noqa: F401 # isort: skip - before Arrow is imported

import os
import sys

from adreel.catalog_file import follow_or_log
from adreel.clock import HomeClock
from adreel.destinations.service import publish_due
from adreel.errors import BusyError
from adreel.lake import Lake
from adreel.logs import logger_of, set_up_logs
from adreel.settings import Settings
from adreel.store import Store
from adreel.store.audit import SYSTEM, acting
from adreel.store.home import find_temporary_folder

logger = logger_of(__name__)


def main() -> None:
    """Publishes what is due to the destination whose id is the only argument."""
    settings = Settings.load(os.environ)
    set_up_logs(settings, sys.stderr)
    find_temporary_folder(settings.home)
    follow_or_log(settings.home)
    # As runs do: the server takes precedence.
    if hasattr(os, "nice"):
        os.nice(10)
    clock = HomeClock()
    with Store.open(settings, clock=clock) as store, acting(SYSTEM):
        clock.follow(store.accounts)
        lake = Lake(settings.lake_url, clock=clock)
        try:
            publish_due(store, lake, int(sys.argv[1]), clock)
        except BusyError as error:
            logger.info("%s", error)
        finally:
            lake.close()


if __name__ == "__main__":
    main()
