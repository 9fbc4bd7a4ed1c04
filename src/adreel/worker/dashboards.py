"""The process that sends dashboards, which a worker starts while any is due."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime

from adreel.logs import logger_of
from adreel.store import Store
from adreel.worker.processes import STDERR

MOST_SECONDS = 900.0
"""After so long a process hangs, and is ended; what it was sending is tried again."""

log = logger_of(__name__)


class DashboardProcess:
    """One process at a time; it goes on by itself when the worker ends."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """`environ` is its environment, as of `adreel.worker.processes.environment`."""
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def look(self, store: Store, now: datetime, *, wall: datetime) -> None:
        """Starts it if a dashboard is due and none runs. OSError if the system has no more processes or memory.

        `now` is the time of the home, `wall` that of the machine.
        """
        if self._process is not None and self._process.poll() is None:
            if time.monotonic() - self._started > MOST_SECONDS:
                log.warning("The process that sends dashboards did not end within %d seconds.", MOST_SECONDS)
                self._process.kill()
            return
        if not store.dashboard_deliveries.wait(now, store.workspace.get().zone, wall=wall):
            return
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "adreel.dashboards.process"],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            # Its log is part of this process's own.
            stdout=STDERR,
            start_new_session=True,
        )

    def close(self) -> None:
        """Leaves the process to itself."""
        if self._process is not None:
            # Avoids the warning of subprocess about a process that is still running, which is intended here.
            self._process.returncode = self._process.poll() or 0
        self._process = None
