"""Weeks of simulated time with faults at random: at the end, every table must be what TikTok has.

`python -m bench.soak --seed 1` prints its seed and every fault, and ends with 1 if a table differs or something is left
behind. `make soak` runs it for some seeds. It needs the tests' Postgres (tests/postgres.py).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from adreel.access import Actor, Guard
from adreel.clock import HomeClock
from adreel.datasets.dataset import Source
from adreel.datasets.service import create_all
from adreel.datasets.validation import parse
from adreel.lake import Lake
from adreel.settings import Settings
from adreel.simulator import WorldConfig, access_token
from adreel.store import FINISHED, IN_PROGRESS, RunState, Store
from bench.work import ADREEL, ROOT
from postgres import PostgresServer, postgres_server

FIRST_DAY = date(2026, 9, 1)
ADVERTISERS, ADS = 3, 4
WORKERS = 3
STEP = timedelta(hours=5)
"""How far the simulated time goes on at once."""

SHAPES: tuple[dict[str, Any], ...] = (
    {"data_level": "ad", "dates": {"start": "today-9", "end": "yesterday"}, "update": {"method": "replace"}},
    {
        "data_level": "campaign",
        "dates": {"date": "yesterday"},
        "update": {"method": "partition", "lookback": 28},
    },
    {
        "data_level": "adgroup",
        "dates": {"start": "today-2", "end": "yesterday"},
        "update": {"method": "upsert", "lookback": 28},
    },
    {
        "report_type": "audience",
        "audience_dimensions": ["gender"],
        "data_level": "campaign",
        "dates": {"date": "yesterday"},
        "update": {"method": "partition", "lookback": 28},
    },
    {
        "data_level": "campaign",
        "time_dimension": "hour",
        "dates": {"date": "yesterday"},
        "update": {"method": "upsert", "lookback": 28},
    },
    {
        "data_level": "advertiser",
        "targeting_dimension": "country_code",
        "dates": {"date": "yesterday"},
        "update": {"method": "partition", "lookback": 28},
    },
)
METRICS = ("spend", "impressions", "clicks", "conversion")
KEYS = ("gender", "country_code", "stat_time_day", "stat_time_hour")
TROUBLES: tuple[dict[str, Any], ...] = (
    {"kind": "code", "code": 50000, "message": "Busy"},
    {"kind": "code", "code": 40100, "message": "Too many requests"},
    {"kind": "http", "status": 502},
    {"kind": "html"},
    {"kind": "cut"},
    {"kind": "garbage"},
    {"kind": "drop"},
    # So often that the client gives up: such runs fail, and are retried if that may help.
    {"kind": "drop", "times": 60},
    {"kind": "uncounted", "times": 40},
    {"kind": "code", "code": 40001, "message": "No permission", "times": 4},
)


@dataclass
class Soak:
    """A home on Postgres, its workers, and the simulator that they read."""

    folder: Path
    server: PostgresServer
    url: str
    environ: Mapping[str, str]
    store: Store
    clock: HomeClock
    chance: random.Random
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    def door(self, order: str, **body: object) -> Any:
        answer = httpx2.post(f"{self.url}/_simulator/{order}", json=body, timeout=30, trust_env=False)
        return answer.raise_for_status().json()

    def go_to(self, moment: datetime) -> None:
        self.door("now", today=moment.date().isoformat(), hour=moment.hour, minute=moment.minute)
        self.clock.forget()

    def hire(self) -> None:
        log = (self.folder / "workers.log").open("ab")
        words = [sys.executable, "-m", "adreel.worker", "2"]
        self.workers.append(subprocess.Popen(words, env=dict(self.environ), cwd=ROOT, stderr=log))
        log.close()

    # Faults

    def kill_worker(self) -> None:
        worker = self.chance.choice(self.workers)
        worker.kill()
        worker.wait()
        self.workers.remove(worker)
        self.hire()

    def kill_run(self) -> None:
        running = self.store.queue.running()
        if running:
            holder = self.store.locks.holder(self.chance.choice(running).dataset_slug)
            if holder is not None and holder.pid:
                with suppress(ProcessLookupError):
                    os.kill(holder.pid, signal.SIGKILL)

    def stop_worker_for_a_while(self) -> None:
        worker = self.chance.choice(self.workers)
        worker.send_signal(signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.5, 3))
        worker.send_signal(signal.SIGCONT)

    def restart_database(self) -> None:
        self.server.stop()
        time.sleep(self.chance.uniform(0, 2))
        self.server.start()

    def trouble(self) -> None:
        self.door("trouble", **{"path": "report", "times": self.chance.randint(1, 6)} | self.chance.choice(TROUBLES))

    def lower_limit(self) -> None:
        self.door("limits", qps=self.chance.choice([5, 20, 0]))

    def fault(self) -> None:
        choices: list[tuple[Callable[[], None], int]] = [
            (self.kill_worker, 2),
            (self.kill_run, 4),
            (self.stop_worker_for_a_while, 1),
            (self.restart_database, 1),
            (self.trouble, 5),
            (self.lower_limit, 1),
        ]
        chosen = self.chance.choices([act for act, _ in choices], [weight for _, weight in choices])[0]
        self.faults[chosen.__name__] += 1
        print(f"{self.clock():%Y-%m-%d %H:%M} {chosen.__name__}", flush=True)
        chosen()

    # The end

    def dismiss(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait()
        self.workers.clear()

    def processes(self) -> list[int]:
        """The processes of workers and runs of this home that are alive."""
        home = f"ADREEL_HOME={self.environ['ADREEL_HOME']}".encode()
        pids = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if home in (folder / "environ").read_bytes().split(b"\0"):
                    pids.append(int(folder.name))
        return pids

    def settled(self) -> bool:
        """Whether nothing runs or waits, and no schedule is due."""
        now = self.clock()
        waiting = self.store.runs.list(states=IN_PROGRESS, limit=1)
        return not waiting and not self.store.queue.due(now, 1)

    def wait(self, seconds: float, what: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                states = Counter(str(run.state) for run in self.store.runs.list(states=IN_PROGRESS, limit=1_000))
                raise SystemExit(f"The runs did not end within {seconds:.0f} s: {dict(states)}")
            time.sleep(0.2)


def values(number: int) -> dict[str, Any]:
    """A dataset with a schedule of its own."""
    shape = SHAPES[number % len(SHAPES)]
    return {
        "name": f"Dataset {number}",
        "account": "demo",
        "report": "performance",
        "time_dimension": "day",
        "metrics": list(METRICS),
        "schedule": {"every": "12 hours", "start": f"{FIRST_DAY} {number % 12:02}:{number % 60:02}"},
        "retry": {"times": 5, "wait": "1 hour"},
        **shape,
    }


@contextmanager
def opened(seed: int, datasets: int) -> Iterator[Soak]:
    config = WorldConfig(FIRST_DAY, seed, advertisers=ADVERTISERS, ads=ADS, plain=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adreel-soak-")))
        server = stack.enter_context(postgres_server())
        database_url = stack.enter_context(server.database())
        words = [str(ADREEL), "simulate", "--port", "0", "--today", FIRST_DAY.isoformat(), "--seed", str(seed)]
        words += ["--advertisers", str(ADVERTISERS), "--ads", str(ADS), "--qps", "0"]
        simulator = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        stack.callback(simulator.wait)
        stack.callback(simulator.terminate)
        assert simulator.stdout is not None
        url = simulator.stdout.readline().strip()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("ADREEL_")} | {
            "ADREEL_HOME": str(folder / "home"),
            "ADREEL_DATABASE_URL": database_url,
            "ADREEL_TIKTOK_URL": f"{url}/open_api/v1.3",
            "ADREEL_TIKTOK_APP_ID": config.app_id,
            "ADREEL_TIKTOK_SECRET": config.secret,
            "ADREEL_TIKTOK_LEVEL": "1000",
        }
        token = access_token(config)
        add = [str(ADREEL), "accounts", "add", "demo", "--token-stdin"]
        subprocess.run(add, input=token, text=True, env=environ, check=True, capture_output=True)
        settings = Settings.load({name: value for name, value in environ.items() if name.startswith("ADREEL_")})
        clock = HomeClock()
        store = stack.enter_context(Store.open(settings, clock=clock))
        clock.follow(store.accounts)
        soak = Soak(folder, server, url, environ, store, clock, random.Random(seed))
        now = clock()
        create_all(Guard(store, Actor(None)), [parse(Source(values(number), {}), now) for number in range(datasets)])
        try:
            yield soak
        finally:
            soak.dismiss()


def weeks(soak: Soak, end: datetime, seconds: float) -> None:
    """Goes on through simulated time to `end` in about so many seconds, with a fault now and then."""
    for _ in range(WORKERS):
        soak.hire()
    moment = soak.clock()
    steps = max(1, (end - moment) // STEP)
    for _ in range(steps):
        moment += STEP
        soak.go_to(moment)
        time.sleep(seconds / steps)
        if soak.chance.random() < 0.5:
            soak.fault()


def settle(soak: Soak) -> None:
    """Ends all trouble, and lets every schedule come once more."""
    soak.door("calm")
    soak.door("limits", qps=0)
    for _ in range(2):
        soak.go_to(soak.clock().replace(hour=23, minute=0) + timedelta(days=1))
        soak.wait(900, soak.settled)


def differences(soak: Soak) -> list[str]:
    """The datasets whose table differs from that of a new home at the same time."""
    settings = Settings.load({name: value for name, value in soak.environ.items() if name.startswith("ADREEL_")})
    lake = Lake(settings.lake_url, clock=soak.clock)
    fresh: dict[int, dict[Any, Any]] = {}
    wrong = []
    for saved in soak.store.datasets.list():
        number = int(saved.name.split()[1])
        shape = number % len(SHAPES)
        if shape not in fresh:
            fresh[shape] = truth(soak, shape)
        table = figures(lake, saved.table_slug)
        # A table begins with yesterday of its first run, which is another day in each ad account's zone.
        first = {key[0]: key[-1] for key in sorted(table, key=lambda key: key[-1], reverse=True)}
        expected = {key: row for key, row in fresh[shape].items() if key[0] in first and key[-1] >= first[key[0]]}
        if table != expected or len(first) != ADVERTISERS:
            wrong.append(f"{saved.name}: {len(table)} rows, {len(expected)} expected")
        latest = soak.store.runs.list(saved, states=FINISHED, limit=1)
        good = {RunState.VERIFIED}
        if SHAPES[shape].get("report_type") == "audience":
            # Yesterday is never complete before 16:00.
            good.add(RunState.VERIFIED_WITH_WARNINGS)
        if not latest or latest[0].state not in good:
            wrong.append(f"{saved.name}: {latest[0].state.label if latest else 'never ran'}")
    return wrong


def truth(soak: Soak, shape: int) -> dict[Any, Any]:
    """The rows of a shape as a home without faults reads them now, for all days since the beginning."""
    with tempfile.TemporaryDirectory(prefix="adreel-soak-truth-") as name:
        environ = dict(soak.environ) | {"ADREEL_HOME": name, "ADREEL_DATABASE_URL": ""}
        token = soak.door("token")["access_token"]
        add = [str(ADREEL), "accounts", "add", "demo", "--token-stdin"]
        subprocess.run(add, input=token, text=True, env=environ, check=True, capture_output=True)
        file = Path(name) / "d.json"
        dates = SHAPES[0]["dates"] if shape == 0 else {"start": str(FIRST_DAY - timedelta(days=2)), "end": "yesterday"}
        whole = values(shape) | {"dates": dates, "update": {"method": "replace"}, "schedule": "manual"}
        file.write_text(json.dumps(whole | {"name": "Dataset 0"}))
        subprocess.run([str(ADREEL), "run", "-f", str(file), "--json"], env=environ, check=True, capture_output=True)
        return figures(Lake(f"{name}/lake", clock=soak.clock), "dataset_0")


def figures(lake: Lake, slug: str) -> dict[Any, Any]:
    """The metrics of each row by its key, whose first part is the ad account and whose last part is the time."""
    table = lake.read(slug).read_all()
    ids = [name for name in table.column_names if name.endswith("_id") and name != "advertiser_id"]
    keys = ["advertiser_id", *ids, *(name for name in KEYS if name in table.column_names)]
    return {tuple(row[name] for name in keys): tuple(row[name] for name in METRICS) for row in table.to_pylist()}


@dataclass(frozen=True, slots=True)
class Held:
    """What a process has: threads, open files and sockets, and megabytes."""

    threads: int
    files: int
    megabytes: int

    @classmethod
    def by(cls, pid: int) -> Held:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines())
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(status["Threads"]), files, int(status["VmRSS"].split()[0]) // 1024)


def leaks(soak: Soak) -> list[str]:
    """What is left although nothing runs: threads and files of workers, connections, parts of runs, processes."""
    before = {worker.pid: Held.by(worker.pid) for worker in soak.workers}
    soak.hire()
    new = soak.workers[-1]
    soak.wait(60, lambda: any(worker.pid == new.pid for worker in soak.store.queue.workers()))
    time.sleep(10)
    fresh = Held.by(new.pid)
    print(f"workers at the end {list(before.values())}, a new one {fresh}")
    leaked = [
        f"A worker holds {held}, a new one {fresh}"
        for held in before.values()
        # Its pool keeps a connection for each of its two threads.
        if held.threads > fresh.threads or held.files > fresh.files + 2
    ]
    connections = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    name = soak.environ["ADREEL_DATABASE_URL"].rpartition("/")[2]
    soak.dismiss()
    # This process has one for its own questions and one for its locks.
    left = soak.server.ask(connections, name)[0][0]
    if left > 2:
        leaked.append(f"{left} connections to the database are left")
    parts = Lake(f"{soak.environ['ADREEL_HOME']}/lake", clock=soak.clock).list_runs()
    if parts:
        leaked.append(f"Parts of {len(parts)} runs are left: {', '.join(parts[:5])}")
    processes = soak.processes()
    if processes:
        leaked.append(f"Processes are left: {processes}")
    return leaked


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--datasets", type=int, default=200)
    parser.add_argument("--weeks", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=180, help="real time of the weeks")
    given = parser.parse_args()
    print(f"seed {given.seed}: {given.datasets} datasets, {given.weeks} weeks, {WORKERS} workers", flush=True)
    began = time.monotonic()
    with opened(given.seed, given.datasets) as soak:
        end = soak.clock() + timedelta(weeks=given.weeks)
        weeks(soak, end, given.seconds)
        settle(soak)
        runs = soak.store.runs.list(limit=100_000)
        wrong = differences(soak)
        states = Counter(str(run.state) for run in runs)
        deaths, attempts = sum(run.deaths for run in runs), sum(run.attempt - 1 for run in runs)
        print(f"faults {dict(soak.faults)}; runs {dict(states)}; {deaths} deaths, {attempts} retries")
        left = leaks(soak)
    print("\n".join(wrong) or "Every table is what TikTok has.")
    print("\n".join(left) or "Nothing is left behind.")
    print(f"{time.monotonic() - began:.0f} s")
    if wrong or left:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
