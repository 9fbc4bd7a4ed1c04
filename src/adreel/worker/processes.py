"""The processes of runs that a worker has taken from the queue.

They are independent of the worker: when it ends, they go on, and each stores by itself how its run ended.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import IO

from adreel.logs import Redaction
from adreel.settings import SETTINGS, Secret, Settings

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


@dataclass(frozen=True, slots=True)
class EndedProcess:
    """A process that has ended; `last_words` is the last line of its error output, and how it ended."""

    run_id: str
    last_words: str


@dataclass(slots=True)
class _Process:
    """The process of a run, and the file of its error output."""

    run_id: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]


class RunProcesses:
    """The processes that one worker started and that have not ended; closed when the worker ends."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """`environ` is their environment, as of `environment`."""
        self._environ = environ
        self._processes: list[_Process] = []

    @property
    def run_ids(self) -> Collection[str]:
        """The runs that they work on."""
        return [process.run_id for process in self._processes]

    def start(self, run_id: str) -> None:
        """Starts the process of a run. OSError if the system has no more processes or memory."""
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process is over
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "adreel.pipeline.process", run_id],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                # The log of the run is part of this process's own.
                stdout=STDERR,
                stderr=output,
                start_new_session=True,
            )
        except OSError:
            output.close()
            raise
        self._processes.append(_Process(run_id, process, output))

    def ended(self) -> tuple[EndedProcess, ...]:
        """Those that have ended since the last look, for whatever reason."""
        over = [process for process in self._processes if process.process.poll() is not None]
        self._processes = [process for process in self._processes if process not in over]
        return tuple(_last_words(process) for process in over)

    def close(self) -> None:
        """Leaves the processes to themselves."""
        for process in self._processes:
            process.output.close()
            # Avoids the warning of subprocess about a process that is still running, which is intended here.
            process.process.returncode = process.process.poll() or 0
        self._processes = []


def _last_words(process: _Process) -> EndedProcess:
    code = process.process.returncode
    with process.output:
        size = process.output.seek(0, io.SEEK_END)
        process.output.seek(max(0, size - LONGEST_OUTPUT))
        lines = Redaction()(process.output.read().decode(errors="replace")).strip().splitlines()
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return EndedProcess(process.run_id, f"{lines[-1]} ({how})" if lines else how)
