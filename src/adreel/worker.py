"""Starts a process for each run that waits for its turn.

A run's process outlives the one that started it: when the server ends, its runs go on, and what the next server finds
waiting it starts.
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
from adreel.settings import SETTINGS, Secret, Settings
from adreel.store import IN_PROGRESS, Outcome, Run, RunState, Store

AT_ONCE = 2
"""Processes that a server lets work at a time: they share one budget of requests, so more would be no faster."""

LOOK_SECONDS = 0.3
"""Between two looks for runs that wait."""

LONGEST_WORDS = 2_000
"""Of what a process said when it died."""


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that has the same settings; secrets travel in it and in no argument.

    What the process reads by itself, from `environ` or the home's own file, is left to it: where a setting comes from
    has a meaning of its own.
    """
    given = {**environ, "ADREEL_HOME": str(settings.home)}
    alone = Settings.load(given)
    differing = {
        setting.variable: getattr(settings, setting.name)
        for setting in SETTINGS
        if getattr(settings, setting.name) != getattr(alone, setting.name)
    }
    return given | {
        name: value.reveal() if isinstance(value, Secret) else str(value) for name, value in differing.items()
    }


@dataclass(slots=True)
class _Process:
    """A process at work on a run, and where its last words go."""

    run_id: str
    process: subprocess.Popen[bytes]
    words: IO[bytes]


class Starter:
    """Starts what waits, oldest first, in a thread of this process; use it in a `with` block.

    `environ` is what the processes get beside the settings.
    """

    def __init__(self, settings: Settings, store: Store, environ: Mapping[str, str], at_once: int = AT_ONCE) -> None:
        """Starts nothing yet."""
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
        """Starts no more; what works goes on."""
        self._over.set()
        self._thread.join()
        for process in self._working:
            process.words.close()
            # Its process outlives this one on purpose, so nobody is left to ask how it ended.
            process.process.returncode = process.process.poll() or 0

    def _look_again(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self._look()
            except AdreelError as error:
                # The disk may be full or the database busy for a while; the next look may find it better.
                sys.stderr.write(f"error: waiting runs cannot be started: {error}\n")

    def _look(self) -> None:
        self._working = [process for process in self._working if not self._ended(process)]
        free = self._at_once - len(self._working)
        if free <= 0:
            return
        started = {one.run_id for one in self._working}
        waiting = [run for run in self._store.runs.list(states={RunState.QUEUED}, limit=1_000) if run.id not in started]
        for run in waiting[::-1][:free]:
            self._working.append(self._begun(run))

    def _begun(self, run: Run) -> _Process:
        words = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process is over
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "adreel.pipeline.process", run.id],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,
        )
        return _Process(run.id, process, words)

    def _ended(self, process: _Process) -> bool:
        """Whether the process is over; one that died without a word to the store is told of there."""
        if process.process.poll() is None:
            return False
        with process.words:
            if process.process.returncode and self._store.runs.get(process.run_id).state in IN_PROGRESS:
                process.words.seek(0)
                said = process.words.read().decode(errors="replace")[-LONGEST_WORDS:].strip()
                last = said.splitlines()[-1] if said else "it said nothing"
                self._store.runs.log(process.run_id, *said.splitlines())
                self._store.runs.finish(
                    process.run_id,
                    Outcome(
                        RunState.INTERRUPTED,
                        error=f"Its process ended with {process.process.returncode}: {last}. Run the dataset again.",
                        error_kind="ProcessError",
                    ),
                )
        return True
