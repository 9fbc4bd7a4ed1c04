"""A worker as a child of the Data Center, which lives as long as that, and how a worker is told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from adreel.logs import logger_of
from adreel.settings import Settings
from adreel.worker.processes import environment

log = logger_of(__name__)

RESTART_SECONDS = 5.0
"""A worker that ended without being told to is started again after so many seconds."""

STOP_SECONDS = 10.0
"""How long a worker may take to stop before it is killed; its runs go on all the same."""

PARENT_SECONDS = 1.0


class WorkerChild:
    """The worker of a server, started again if it ends; used in a `with` block."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], runs_at_once: int) -> None:
        self._environ = environment(settings, environ)
        self._runs_at_once = runs_at_once
        self._over = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._keep, name="worker keeper", daemon=True)

    def __enter__(self) -> WorkerChild:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops the worker; runs in progress go on."""
        self._over.set()
        self._thread.join()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # In a session of its own: Ctrl-C in a terminal is for the server, which then stops the worker.
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "adreel.worker", str(self._runs_at_once), str(os.getpid())],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _keep(self) -> None:
        while not self._over.wait(0.5):
            if self._process.poll() is None:
                continue
            log.warning("The worker ended (exit code %s). It starts again.", self._process.returncode)
            if not self._over.wait(RESTART_SECONDS):
                self._process = self._start()


@contextmanager
def stop_event(parent: int | None = None) -> Iterator[threading.Event]:
    """An event that is set by SIGTERM, by Ctrl-C, and when the process `parent` is gone. In the main thread."""
    stop = threading.Event()

    def set_stop(_signal: int, _frame: object) -> None:
        stop.set()

    before = {number: signal.signal(number, set_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    if parent is not None:
        threading.Thread(target=_watch, args=(parent, stop), name="parent watch", daemon=True).start()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(parent: int, stop: threading.Event) -> None:
    while not stop.wait(PARENT_SECONDS):
        if os.getppid() != parent:
            stop.set()
