"""What one query may take of this machine, and how a process puts that on itself so that the system holds it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adreel.language import phrase, phrases
from adreel.settings import Settings, Size

MB = 1 << 20

SPARE = 16 * MB
"""Memory above the limit, with which a child that met it says so."""

OPEN_FILES = 512

THREADS = 2
"""Of DuckDB in a child; each keeps memory of its own."""

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
"""Source: Linux, include/uapi/linux/prctl.h."""


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """The limits of one query: bytes of memory above a bare child's, seconds by the clock, bytes on disk and of output.

    `memory_setting` and `seconds_setting` are the names of the settings that raise them.
    """

    memory: int
    seconds: float
    memory_setting: str
    seconds_setting: str
    disk: int = 1024 * MB
    output: int = 1024 * MB

    @property
    def out_of_memory(self) -> str:
        """What a person reads whose query met the limit of memory."""
        return phrase(
            "The query needed more than %(size)s of memory. Aggregate or filter earlier, or raise %(setting)s.",
            size=Size(self.memory),
            setting=self.memory_setting,
        )

    @property
    def out_of_disk(self) -> str:
        """The same of disk space for what did not fit into memory."""
        return phrase(
            "The query needed more than %(size)s of disk space for intermediate results. Aggregate or filter earlier, "
            "or raise %(setting)s.",
            size=Size(self.disk),
            setting=self.memory_setting,
        )

    @property
    def out_of_time(self) -> str:
        """The same of time."""
        return phrases(
            "The query took longer than %(seconds)s second. Aggregate or filter earlier, or raise %(setting)s.",
            "The query took longer than %(seconds)s seconds. Aggregate or filter earlier, or raise %(setting)s.",
            1 if self.seconds == 1 else max(2, round(self.seconds)),
            seconds=f"{self.seconds:g}",
            setting=self.seconds_setting,
        )

    @property
    def too_large(self) -> str:
        """The same of the answer's size."""
        return phrase("The answer is larger than %(size)s. Select fewer rows and columns.", size=Size(self.output))


def of_the_web(settings: Settings, output: int = 1024 * MB) -> QueryLimits:
    """What a query on the query page or over the API may take, with an answer of at most `output` bytes."""
    return QueryLimits(
        settings.query_memory,
        settings.query_seconds,
        "ADREEL_QUERY_MEMORY",
        "ADREEL_QUERY_SECONDS",
        output=output,
    )


def of_the_command(settings: Settings) -> QueryLimits:
    """What a query of `adreel query` may take."""
    return QueryLimits(
        settings.cli_query_memory,
        settings.cli_query_seconds,
        "ADREEL_CLI_QUERY_MEMORY",
        "ADREEL_CLI_QUERY_SECONDS",
        disk=100 * 1024 * MB,
        output=100 * 1024 * MB,
    )


def own_group(parent: int) -> None:
    """A session of its own, which ends with the process `parent`; no other process may read this one's memory."""
    os.setsid()
    if sys.platform == "linux":
        with suppress(OSError):
            # Where the machine itself is short of memory, it ends this process and not the server.
            Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
        control = ctypes.CDLL(None).prctl
        control(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        control(PR_SET_DUMPABLE, 0, 0, 0, 0)
        control(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(0)


def limit(limits: QueryLimits) -> None:
    """Limits of the system on this process for the rest of its life.

    Linux holds all of them; macOS holds time, file size and open files, and knows no limit of memory.
    """
    cpu = int(limits.seconds * THREADS) + 2
    _set(resource.RLIMIT_CPU, cpu, cpu + 1)
    _set(resource.RLIMIT_FSIZE, max(limits.disk, limits.output))
    _set(resource.RLIMIT_NOFILE, OPEN_FILES)
    _set(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":
        most = _address_space() + limits.memory
        _set(resource.RLIMIT_AS, most, most + SPARE)


def end_processes() -> None:
    """No process and no thread may begin from here on. Linux does not hold root to it."""
    _set(resource.RLIMIT_NPROC, 0)


def loosen() -> None:
    """The last of the memory, to say that the rest was not enough."""
    if sys.platform == "linux":
        with suppress(OSError, ValueError):
            most = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _set(which: int, soft: int, hard: int | None = None) -> None:
    """A limit, or the stricter one that holds already and cannot be raised."""
    most = resource.getrlimit(which)[1]
    top = soft if hard is None else hard
    if most != resource.RLIM_INFINITY:
        soft, top = min(soft, most), min(top, most)
    resource.setrlimit(which, (soft, top))


def _address_space() -> int:
    """Bytes of this process's address space (source: proc(5), statm counts pages)."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
