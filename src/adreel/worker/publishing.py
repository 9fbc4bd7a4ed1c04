"""The processes that publish tables to destinations, one for each destination at a time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from adreel.logs import logger_of
from adreel.store import Store
from adreel.worker.processes import STDERR

MOST_AT_ONCE = 2

MOST_SECONDS = 6 * 3600
"""After so long a process hangs, as on a server that does not answer."""

PAUSE_SECONDS = 60
"""How long after a process that died the next one is started."""

log = logger_of(__name__)


@dataclass(slots=True)
class _Publishing:
    """The process of one destination."""

    process: subprocess.Popen[bytes]
    started: float


class PublishingProcesses:
    """The publishing processes of one worker. They go on when it ends, and another worker's start beside them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """`environ` is their environment, as of `processes.environment`."""
        self._environ = environ
        self._processes: dict[int, _Publishing] = {}
        self._not_before: dict[int, float] = {}

    def look(self, store: Store, now: datetime) -> None:
        """Starts one for each destination that something is due at. OSError if the system has no more processes."""
        self._reap()
        if len(self._processes) >= MOST_AT_ONCE or not store.destinations.list():
            return
        # Imported where there is a destination: the worker stays small without.
        from adreel.destinations.status import due_destinations

        for destination_id in due_destinations(store, now):
            waits = time.monotonic() < self._not_before.get(destination_id, 0)
            if destination_id not in self._processes and not waits and len(self._processes) < MOST_AT_ONCE:
                self._start(destination_id)

    def _start(self, destination_id: int) -> None:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "adreel.destinations.process", str(destination_id)],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            # Its log is part of this process's own.
            stdout=STDERR,
            start_new_session=True,
        )
        self._processes[destination_id] = _Publishing(process, time.monotonic())

    def _reap(self) -> None:
        for destination_id, publishing in list(self._processes.items()):
            code = publishing.process.poll()
            if code is not None:
                del self._processes[destination_id]
                if code:
                    # What fails is stored; this one died, and would die again.
                    self._not_before[destination_id] = time.monotonic() + PAUSE_SECONDS
                    log.warning("The process that publishes to destination %d died: code %d.", destination_id, code)
            elif time.monotonic() - publishing.started > MOST_SECONDS:
                log.warning("Publishing to destination %d did not end within %d seconds.", destination_id, MOST_SECONDS)
                publishing.process.kill()

    def close(self) -> None:
        """Leaves the processes to themselves."""
        for publishing in self._processes.values():
            # Avoids the warning of subprocess about a process that is still running, which is intended here.
            publishing.process.returncode = publishing.process.poll() or 0
        self._processes = {}
