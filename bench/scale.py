"""Several workers on the ad accounts of one app: the share of the rate limit that they use, refusals, rows a second.

`python -m bench scale` prints the table, `python -m bench rows` the memory of runs of up to ten million rows, and
`python -m bench takeover` when a run goes on whose worker was killed. All need the tests' Postgres (tests/postgres.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import requests

from adreel.access import Actor, Guard
from adreel.clock import HomeClock
from adreel.datasets.dataset import Source
from adreel.datasets.service import create_all
from adreel.datasets.validation import parse
from adreel.settings import Settings
from adreel.simulator import WorldConfig, access_token
from adreel.store import FINISHED, Run, RunState, SavedDataset, Store, new_run_id
from adreel.tiktok.rate_limit import LEVELS
from adreel.worker import RUNS_AT_ONCE
from bench.work import END, ROOT, TODAY, connected_home, dataset, order, simulator
from postgres import PostgresServer, postgres_server

ADVERTISERS, ADS = 1_000, 120
DATASETS = 200
ADVERTISERS_EACH = ADVERTISERS // DATASETS
LEAST_DAYS, MORE_DAYS = 200, 330
METRICS = ["ad_name", "spend", "impressions", "clicks", "conversion", "video_play_actions"]
"""Each dataset loads up to 530 days by ad and day for the first time: 120 to 318 requests, 1,000 rows each."""

WORKERS = (1, 2, 4)
LEVEL = "premium"
NO_LIMIT = "100000"
WARM_UP = 20.0
LEARNING = 240.0
"""Seconds from the first request on that are told of apart, without and with a limit that binds: with one, a new home
learns how evenly its requests arrive, and halves the margin that its first refusals made in 69 s."""

SECONDS = 50.0
"""How long is measured after that, with nothing left out; the queue is longer."""

TOO_MANY = 40100

TAKEOVERS = 10
UNDER_WAY = 1.0

LARGE_ADVERTISERS, LARGE_ADS = 10, 2_740
SIZES = (1_000_000, 5_000_000, 10_000_000)
"""Rows of the three tables that one worker writes, one after the other."""


@dataclass(frozen=True)
class Measured:
    """What workers did in the seconds that were measured: requests taken and refused, rows read, runs finished."""

    seconds: float
    requests: int
    refused: int
    seconds_before: float
    requests_before: int
    refused_before: int
    rows: int
    runs: int

    def share(self, per_second: int) -> str:
        """The part of the limit that was used, in percent; empty without one."""
        return _percent(self.requests, per_second * self.seconds)

    def share_before(self, per_second: int) -> str:
        """As `share`, of the seconds before."""
        return _percent(self.requests_before, per_second * self.seconds_before)


def _percent(requests: int, possible: float) -> str:
    return f"{100 * requests / possible:.1f} %" if possible else ""


@dataclass(frozen=True)
class Home:
    """A new home on a database of its own, with an account."""

    environ: Mapping[str, str]
    store: Store
    clock: HomeClock

    def enqueue(self, values: Sequence[Mapping[str, Any]]) -> tuple[SavedDataset, ...]:
        """New datasets, each with a run that waits."""
        now = self.clock()
        saved = create_all(Guard(self.store, Actor(None)), [parse(Source(dict(each), {}), now) for each in values])
        for each in saved:
            self.store.runs.add(each, new_run_id())
        return saved


@contextmanager
def _home(server: PostgresServer, url: str, level: str, access: str) -> Iterator[Home]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adreel-scale-")))
        more = {"ADREEL_DATABASE_URL": stack.enter_context(server.database())}
        environ = connected_home(folder, url, level, access, more)
        settings = Settings.load({name: value for name, value in environ.items() if name.startswith("ADREEL_")})
        clock = HomeClock()
        store = stack.enter_context(Store.open(settings, clock=clock))
        clock.follow(store.accounts)
        yield Home(environ, store, clock)


@contextmanager
def _workers(home: Home, number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Workers with as many runs at a time as they have by themselves, which end with their runs."""
    words = [sys.executable, "-m", "adreel.worker", str(RUNS_AT_ONCE)]
    workers = [
        subprocess.Popen(words, env=dict(home.environ), cwd=ROOT, stderr=subprocess.DEVNULL) for _ in range(number)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            # Stopped, it starts no more runs, which would go on without it.
            worker.send_signal(signal.SIGSTOP)
            for run in _children(worker.pid):
                with suppress(ProcessLookupError):
                    os.kill(run, signal.SIGKILL)
            worker.kill()
            worker.wait()


def lines() -> Iterator[str]:
    """The table for docs/benchmarks.md."""
    per_second = LEVELS[LEVEL].per_second
    yield (
        "| limit | workers | requests | share of the limit | refused | share before | refused before | "
        "runs finished | rows per second |"
    )
    yield "| --- | --: | --: | --: | --: | --: | --: | --: | --: |"
    with postgres_server() as server, simulator(ADVERTISERS, ADS) as url:
        # The first fill the simulator's memory of pages.
        _measure(server, url, NO_LIMIT, WORKERS[-1])
        for name, level, qps in (("none", NO_LIMIT, 0), (f"{per_second} per second", LEVEL, per_second)):
            for number in WORKERS:
                order(url, "limits", qps=qps)
                measured = _measure(server, url, level, number)
                sys.stderr.write(f"{name}, {number}: {measured}, load {os.getloadavg()[0]:.1f}\n")
                yield (
                    f"| {name} | {number} | {measured.requests:,} | {measured.share(qps)} | {measured.refused:,} | "
                    f"{measured.share_before(qps)} | {measured.refused_before:,} | {measured.runs} | "
                    f"{measured.rows / measured.seconds:,.0f} |"
                )


def _measure(server: PostgresServer, url: str, level: str, workers: int) -> Measured:
    access = access_token(WorldConfig(TODAY, advertisers=ADVERTISERS, ads=ADS, plain=True))
    with _home(server, url, level, access) as home:
        advertisers = [each.advertiser_id for each in home.store.accounts.advertisers(home.store.accounts.get("demo"))]
        home.enqueue([_values(number, advertisers) for number in range(DATASETS)])
        began = int(_door(url, "state")["requests"])
        with _workers(home, workers):
            first = _first_request(url, began)
            before_start = WARM_UP if level == NO_LIMIT else LEARNING
            start = first + before_start
            time.sleep(start - time.monotonic())
            before = home.store.runs.list(limit=DATASETS)
            time.sleep(start + SECONDS - time.monotonic())
            # What goes on while this is read lies after the seconds that count.
            runs = home.store.runs.list(limit=DATASETS)
        log = [entry for entry in _log(url, began) if entry["at"] < start + SECONDS]
    bad = [run for run in runs if run.state in FINISHED and run.state is not RunState.VERIFIED]
    assert not bad, bad
    rows, finished = (
        after - earlier for after, earlier in zip(_rows_and_finished(runs), _rows_and_finished(before), strict=True)
    )
    counted = [entry for entry in log if entry["at"] >= start]
    refused, refused_before = _refused(counted), _refused(log) - _refused(counted)
    requests_before = len(log) - len(counted) - refused_before
    return Measured(
        SECONDS, len(counted) - refused, refused, before_start, requests_before, refused_before, rows, finished
    )


def _rows_and_finished(runs: Sequence[Run]) -> tuple[int, int]:
    return sum(run.rows for run in runs), sum(run.state in FINISHED for run in runs)


def _refused(log: Sequence[Mapping[str, Any]]) -> int:
    return sum(entry["code"] == TOO_MANY for entry in log)


def _values(number: int, advertisers: Sequence[str]) -> dict[str, Any]:
    """The dataset of a part of the ad accounts."""
    part = advertisers[number * ADVERTISERS_EACH : (number + 1) * ADVERTISERS_EACH]
    days = LEAST_DAYS + number * 101 % MORE_DAYS
    dates = {"start": str(END - timedelta(days=days - 1)), "end": str(END)}
    return dataset() | {"name": f"Client {number}", "metrics": METRICS, "advertisers": part, "dates": dates}


def _first_request(url: str, began: int) -> float:
    """When the first request after so many came, in monotonic seconds, which all processes of a machine share."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if log := _log(url, began):
            return float(log[0]["at"])
        time.sleep(0.05)
    raise SystemExit("No worker sent a request within a minute.")


def _log(url: str, skip: int) -> list[dict[str, Any]]:
    """The simulator's log of requests without the first ones."""
    entries: list[dict[str, Any]] = _door(url, "requests", skip=skip)["requests"]
    return entries


def _door(url: str, name: str, **asked: int) -> Any:
    """What the simulator's side door shows."""
    door = url.removesuffix("/open_api/v1.3") + "/_simulator"
    answer = requests.get(f"{door}/{name}", params=asked, timeout=60)
    answer.raise_for_status()
    return answer.json()


def rows_lines() -> Iterator[str]:
    """The table of the large runs."""
    access = access_token(WorldConfig(TODAY, advertisers=LARGE_ADVERTISERS, ads=LARGE_ADS, plain=True))
    yield "| rows | wall s | rows per second | peak MB of the run | peak MB of the worker |"
    yield "| --: | --: | --: | --: | --: |"
    with (
        postgres_server() as server,
        simulator(LARGE_ADVERTISERS, LARGE_ADS) as url,
        _home(server, url, NO_LIMIT, access) as home,
        _workers(home, 1) as workers,
    ):
        for size in SIZES:
            days = size // (LARGE_ADVERTISERS * LARGE_ADS) + 1
            dates = {"start": str(END - timedelta(days=days - 1)), "end": str(END)}
            (saved,) = home.enqueue([dataset() | {"name": f"Rows {size}", "dates": dates}])
            began = time.monotonic()
            run, peak, worker_peak = _peaks(home, saved, workers[0].pid)
            seconds = time.monotonic() - began
            yield f"| {run.rows:,} | {seconds:.0f} | {run.rows / seconds:,.0f} | {peak:.0f} | {worker_peak:.0f} |"


def takeover_lines() -> Iterator[str]:
    """The sentence about runs whose worker and process were killed."""
    with postgres_server() as server, simulator(ADVERTISERS_EACH, ADS) as url:
        order(url, "latency", ms=200)
        took = sorted(_taken_over(server, url) for _ in range(TAKEOVERS))
    yield (
        f"Two workers on Postgres, one of which has a run in progress: after kill -9 of this worker and of the run's "
        f"process, the next request of the run came from the other after {median(took):.1f} s (median of {TAKEOVERS}; "
        f"at most {took[-1]:.1f} s)."
    )


def _taken_over(server: PostgresServer, url: str) -> float:
    """Seconds from the kill to the next request; those under way at the kill come sooner than `UNDER_WAY`."""
    access = access_token(WorldConfig(TODAY, advertisers=ADVERTISERS_EACH, ads=ADS, plain=True))
    with _home(server, url, "basic", access) as home:
        began = int(_door(url, "state")["requests"])
        dates = {"start": str(END - timedelta(days=LEAST_DAYS)), "end": str(END)}
        home.enqueue([dataset() | {"name": "Spend", "dates": dates}])
        with _workers(home, 2) as workers:
            _first_request(url, began)
            time.sleep(3)
            (busy,) = [worker for worker in workers if _children(worker.pid)]
            (run,) = _children(busy.pid)
            for pid in (busy.pid, run):
                os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
            time.sleep(UNDER_WAY)
            sent = int(_door(url, "state")["requests"])
            return _first_request(url, sent) - killed


def _peaks(home: Home, saved: SavedDataset, worker: int) -> tuple[Run, float, float]:
    """The run when it has ended, and the most megabytes that its process and the worker had."""
    peak = 0.0
    while True:
        (run,) = home.store.runs.list(saved, limit=1)
        if run.state in FINISHED:
            break
        for child in _children(worker):
            peak = max(peak, _peak(child))
        time.sleep(0.2)
    assert run.state is RunState.VERIFIED, run
    return run, peak, _peak(worker)


def _children(pid: int) -> list[int]:
    """Its processes; none if it has ended."""
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()]
    return []


def _peak(pid: int) -> float:
    """The most megabytes that a process had so far; 0 if it has ended."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text("utf-8").split("VmHWM:")[1].split()[0]) / 1024
    return 0.0
