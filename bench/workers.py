"""A worker with thousands of schedules: how late runs begin, and what the worker costs meanwhile."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from adreel.access import Actor, Guard
from adreel.clock import wall_clock
from adreel.datasets.dataset import Source
from adreel.datasets.service import create_all
from adreel.datasets.validation import parse
from adreel.settings import Settings
from adreel.simulator import WorldConfig, access_token
from adreel.store import FINISHED, RunState, Store
from bench.work import ADREEL, ROOT, connected_home

SCHEDULED = 5_000
MINUTES = 5
DUE = 60
"""Datasets with a daily schedule, and how many of them are due within so many minutes: at each full one as many."""
LEAD = timedelta(minutes=3)
"""How long it may take to make the datasets: a time that has passed comes again a day later."""


def lines() -> Iterator[str]:
    """The section for docs/benchmarks.md."""
    with tempfile.TemporaryDirectory() as name, _simulator() as url:
        folder = Path(name)
        environ = connected_home(
            folder, url, "premium", access_token(WorldConfig(datetime.now(UTC).date(), advertisers=1, ads=3))
        )
        settings = Settings.load({key: value for key, value in environ.items() if key.startswith("ADREEL_")})
        with Store.open(settings, clock=wall_clock) as store:
            _fill(store)
            words = [sys.executable, "-m", "adreel.worker", "2"]
            with subprocess.Popen(words, env=environ, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
                try:
                    yield from _watched(store, process.pid)
                finally:
                    process.terminate()


@contextmanager
def _simulator() -> Iterator[str]:
    """A simulator whose time is that of the machine; yields the API's base."""
    words = [str(ADREEL), "simulate", "--port", "0", "--advertisers", "1", "--ads", "3", "--qps", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"{process.stdout.readline().strip()}/open_api/v1.3"
        finally:
            process.terminate()


def _fill(store: Store) -> None:
    """Datasets of which `DUE` are due in the next minutes, and the others later on the day."""
    now = wall_clock()
    first = now.replace(second=0, microsecond=0) + LEAD
    soon = [first + timedelta(minutes=number % MINUTES) for number in range(DUE)]
    later = [now + timedelta(hours=2, seconds=10 * number) for number in range(SCHEDULED - DUE)]
    datasets = [parse(Source(_values(number, at), {}), now) for number, at in enumerate([*soon, *later])]
    create_all(Guard(store, Actor(None)), datasets)
    assert wall_clock() < first, f"Making {SCHEDULED:,} datasets took too long."


def _values(number: int, at: datetime) -> dict[str, object]:
    return {
        "name": f"Spend {number}",
        "account": "demo",
        "report": "performance",
        "data_level": "campaign",
        "time_dimension": "day",
        "metrics": ["spend", "clicks"],
        "dates": {"start": "today-3", "end": "yesterday"},
        "schedule": {"every": "day", "at": f"{at.astimezone(UTC):%H:%M}"},
    }


def _watched(store: Store, pid: int) -> Iterator[str]:
    """What was measured until all that is due has run."""
    began, cpu = time.monotonic(), _processor_seconds(pid)
    peak, threads = 0.0, 0
    while len(store.runs.list(states=FINISHED, limit=DUE)) < DUE and time.monotonic() - began < 60 * (MINUTES + 12):
        time.sleep(1)
        peak, threads = max(peak, _status(pid, "VmRSS") / 1024), max(threads, int(_status(pid, "Threads")))
    seconds, cpu = time.monotonic() - began, _processor_seconds(pid) - cpu
    runs = store.runs.list(states=FINISHED, limit=DUE)
    late = [(run.started_at - run.due_at).total_seconds() for run in runs if run.started_at and run.due_at]
    good = sum(run.state is RunState.VERIFIED for run in runs)
    yield (
        f"A worker with {SCHEDULED:,} daily schedules on SQLite, {DUE // MINUTES} of them due at each of {MINUTES} "
        f"minutes, two runs at a time: {good} of {DUE} runs were verified and began {median(late):.1f} s after their "
        f"time (median; at most {max(late):.1f} s). The worker had at most {peak:.0f} MB and {threads} threads, and "
        f"used {100 * cpu / seconds:.1f} % of a core."
    )


def _status(pid: int, name: str) -> float:
    text = Path(f"/proc/{pid}/status").read_text("utf-8")
    return float(text.split(f"{name}:")[1].split()[0])


def _processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / 100


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
