"""Starts a process for each queued run.

The process of a run is independent of the server that started it: when the server ends, its runs continue, and the next
server starts the runs that are still queued.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from adreel.errors import AdreelError
from adreel.logs import logger_of
from adreel.settings import SETTINGS, Secret, Settings
from adreel.store import IN_PROGRESS, Run, RunOutcome, RunState, Store

logger = logger_of(__name__)

AT_ONCE = 2
"""Runs in progress at a time: they share the rate of the app, so more of them would be no faster."""

LOOK_SECONDS = 0.3
"""Seconds between two looks for queued runs."""

STDERR = 2
"""The descriptor."""

LONGEST_OUTPUT = 2_000
"""Characters of the last output of a process that died which are stored."""


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process with the same settings; secrets are passed in it and in no argument.

    Settings that the process reads itself, from `environ` or the file of the home, are not added, as the source of a
    setting matters too.
    """
    base = {**environ, "ADREEL_HOME": str(settings.home)}
    alone = Settings.load(base)
    differing = {
        setting.variable: getattr(settings, setting.name)
        for setting in SETTINGS
        if getattr(settings, setting.name) != getattr(alone, setting.name)
    }
    return base | {
        name: value.reveal() if isinstance(value, Secret) else str(value) for name, value in differing.items()
    }


@dataclass(slots=True)
class _Process:
    """The process of a run, and the file of its error output."""

    run_id: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]


class Starter:
    """Starts queued runs, oldest first, from a thread of this process; used in a `with` block.

    `environ` is the environment of the processes, to which differing settings are added.
    """

    def __init__(self, settings: Settings, store: Store, environ: Mapping[str, str], at_once: int = AT_ONCE) -> None:
        self._store = store
        self._environ = environment(settings, environ)
        self._at_once = at_once
        self._working: list[_Process] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again, name="starter", daemon=True)

    def __enter__(self) -> Starter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Starts no further runs; those in progress continue."""
        self._over.set()
        self._thread.join()
        for process in self._working:
            process.output.close()
            # Avoids the warning of subprocess about a process that is still running, which is intended here.
            process.process.returncode = process.process.poll() or 0

    def _look_again(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self._look()
            except AdreelError as error:
                # A full disk or a busy database may recover before the next look.
                logger.error("Queued runs could not be started: %s", error)

    def _look(self) -> None:
        self._working = [process for process in self._working if not self._ended(process)]
        free = self._at_once - len(self._working)
        if free <= 0:
            return
        started = {process.run_id for process in self._working}
        queued = [run for run in self._store.runs.list(states={RunState.QUEUED}, limit=1_000) if run.id not in started]
        for run in queued[::-1][:free]:
            self._working.append(self._start(run))

    def _start(self, run: Run) -> _Process:
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process is over
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "adreel.pipeline.process", run.id],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            # The log of the run is part of this process's own.
            stdout=STDERR,
            stderr=output,
            start_new_session=True,
        )
        return _Process(run.id, process, output)

    def _ended(self, process: _Process) -> bool:
        """Whether the process has ended; if it died without storing how its run ended, the run is interrupted."""
        if process.process.poll() is None:
            return False
        with process.output:
            if process.process.returncode and self._store.runs.get(process.run_id).state in IN_PROGRESS:
                process.output.seek(0)
                lines = process.output.read().decode(errors="replace")[-LONGEST_OUTPUT:].strip().splitlines()
                last = lines[-1] if lines else "without output"
                self._store.runs.log(process.run_id, *lines)
                self._store.runs.finish(
                    process.run_id,
                    RunOutcome(
                        RunState.INTERRUPTED,
                        error=f"The run's process ended unexpectedly: {last}. Run the dataset again. "
                        f"[exit code {process.process.returncode}]",
                        error_kind="ProcessError",
                    ),
                )
        return True
