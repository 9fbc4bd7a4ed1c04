"""The Data Center with 1,000 datasets, 200 accounts and a table of three million rows: how long its pages take.

`python -m bench.web` prints the figures; `make bench` puts them into docs/benchmarks.md. Times are of a client on the
same machine, from the request to the last byte; the server does not know of it.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from adreel.lake import Lake
from adreel.settings import Settings
from adreel.simulator import WorldConfig, access_token
from adreel.store import IN_PROGRESS, AdvertiserInfo, Role, RunOutcome, RunState, SavedDataset, Store, new_run_id
from bench import tables
from bench.work import ADREEL, APP_ID, METRICS, ROOT, SECRET, TODAY, simulator

DATASETS = 1_000
ACCOUNTS = 200
PASSWORD = "a password of the bench"
TIMES = 40
PEOPLE = 50
SECONDS = 30.0
READING = (1.0, 3.0)
"""Seconds that a person looks at a page before the next click."""
LOADING = "loading"
LARGE = "Ads of three million rows"


@dataclass(frozen=True)
class Measured:
    """One kind of page: milliseconds of each answer, and its compressed size."""

    what: str
    milliseconds: tuple[float, ...]
    bytes: int

    def row(self) -> str:
        ordered = sorted(self.milliseconds)
        p95 = ordered[int(len(ordered) * 0.95)]
        return f"| {self.what} | {median(ordered):.0f} | {p95:.0f} | {self.bytes / 1000:.1f} |"


def fill(store: Store, settings: Settings) -> SavedDataset:
    """Accounts, datasets and runs; returns the dataset of the large table."""
    admin = store.users.add_first("admin", PASSWORD)
    chance = random.Random(1)
    accounts = []
    for number in range(ACCOUNTS - 1):
        account = store.accounts.add(
            f"Client {number:03}",
            token=token(),
            app_id=APP_ID,
            app_secret=SECRET,
            base_url=settings.tiktok_url,
            user=admin,
        )
        store.accounts.save_advertisers(
            account, [_advertiser(number, index) for index in range(chance.choice((1, 5, 40)))]
        )
        accounts.append(account)
    large = store.datasets.create(
        LARGE, account=accounts[0], spec=json.dumps(_spec(LARGE, accounts[0].name)), owner=admin, tags=("large",)
    )
    for version in range(2):
        _ran(store, large, tables.ROWS, version)
    # Its advertisers are asked for when it runs.
    loading = store.accounts.add(
        LOADING, token=token(), app_id=APP_ID, app_secret=SECRET, base_url=settings.tiktok_url, user=admin
    )
    spec = _spec(LOADING, LOADING) | {"dates": {"start": "today-180", "end": "yesterday"}}
    store.datasets.create(LOADING, account=loading, spec=json.dumps(spec), owner=admin)
    for number in range(DATASETS - 2):
        name, account = f"Dataset {number:04}", chance.choice(accounts)
        tags = ("daily", "spend")[: chance.randrange(3)]
        saved = store.datasets.create(
            name, account=account, spec=json.dumps(_spec(name, account.name)), owner=admin, tags=tags
        )
        for _ in range(chance.randrange(4)):
            _ran(store, saved, chance.randrange(100_000), 0)
    return large


def _advertiser(account: int, number: int) -> AdvertiserInfo:
    zone = ("Etc/GMT+8", "Etc/GMT-1", "UTC")[number % 3]
    return AdvertiserInfo(
        f"{7_100_000_000_000_000_000 + account * 1000 + number}", f"Shop {number}", "USD", zone, "", "STATUS_ENABLE"
    )


def token() -> str:
    """For all advertisers of the simulator."""
    return access_token(WorldConfig(today=TODAY, advertisers=10, ads=200, plain=True))


def _spec(name: str, account: str) -> dict[str, Any]:
    return {
        "name": name,
        "account": account,
        "report": "performance",
        "data_level": "ad",
        "time_dimension": "day",
        "metrics": METRICS,
        "dates": {"start": "today-30", "end": "yesterday"},
        "update": {"method": "upsert"},
    }


def _ran(store: Store, saved: SavedDataset, rows: int, version: int) -> None:
    run = store.runs.add(saved, new_run_id())
    store.runs.begin(run.id)
    verification = {
        "verified": True,
        "rows": rows,
        "rows_expected": rows,
        "duplicate_keys": 0,
        "totals": {},
        "currencies": ["USD"],
    }
    store.runs.finish(run.id, RunOutcome(RunState.VERIFIED, version=version, verification=verification))


@contextmanager
def serving(environ: dict[str, str]) -> Iterator[tuple[str, int]]:
    """`adreel serve` as a process; its address and process id."""
    words = [str(ADREEL), "serve", "--port", "0", "--no-browser"]
    with subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                match = re.search(r"http://\S+", line)
                if match:
                    break
            else:
                raise SystemExit("The server did not start.")
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield match.group(), process.pid
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def signed_in(url: str, name: str = "admin") -> Iterator[httpx2.Client]:
    """A browser of a user."""
    with httpx2.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60) as client:
        posted(client, "/login", name=name, password=PASSWORD)
        yield client


def posted(client: httpx2.Client, path: str, **data: str) -> None:
    """A form sent, whose answer has to lead onwards."""
    answer = client.post(path, data=data)
    if answer.status_code != 303:
        raise SystemExit(f"POST {path}: {answer.status_code}")


def asked(
    client: httpx2.Client, what: str, method: str, path: str, times: int = TIMES, *, warm_ups: int = 2, **more: Any
) -> Measured:
    """The same request again and again, after a few that warm up."""
    taken, size = [], 0
    for number in range(times + warm_ups):
        began = time.perf_counter()
        with client.stream(method, path, **more) as answer:
            size = sum(len(chunk) for chunk in answer.iter_raw())
        if answer.status_code != 200:
            raise SystemExit(f"{method} {path}: {answer.status_code}")
        if number >= warm_ups:
            taken.append((time.perf_counter() - began) * 1000)
    return Measured(what, tuple(taken), size)


def pages(client: httpx2.Client, large: SavedDataset) -> Iterator[Measured]:
    """Every list, form fragment and first table page, and the cards."""
    slug = large.slug
    fragment = {"HX-Request": "true"}
    form = _form()
    yield asked(client, "Datasets, first of 20 pages", "GET", "/datasets")
    yield asked(client, "Datasets, filtered and sorted", "GET", "/datasets?q=dataset+01&sort=-rows&tag=daily")
    yield asked(client, "Accounts, first page", "GET", "/accounts")
    yield asked(client, "Account", "GET", "/accounts/1")
    yield asked(client, "New dataset", "GET", "/datasets/new")
    yield asked(client, "Form fragment", "POST", "/datasets/form", data=form, headers=fragment)
    yield asked(
        client,
        "Form fragment, metric search",
        "POST",
        "/datasets/form",
        data=form | {"metrics.search": "purchase"},
        headers=fragment,
    )
    yield typed(client, form, fragment)
    yield asked(client, "New dataset from a template", "GET", "/datasets/new?template=ad_daily&account=Client+000")
    yield asked(client, "Overview", "GET", f"/datasets/{slug}")
    yield asked(client, "Data, first page of 3,000,000 rows", "GET", f"/datasets/{slug}/data")
    yield asked(client, "History", "GET", f"/datasets/{slug}/history")
    yield asked(client, "Versions", "GET", f"/datasets/{slug}/versions")
    versions, day = f"/datasets/{slug}/difference", tables.FIRST_DAY + timedelta(days=tables.DAYS - 3)
    compared = f"{versions}?before=0&after=1"
    yield asked(client, "Two versions of 3,000,000 rows, first time", "GET", compared, times=1, warm_ups=0)
    yield asked(client, "Two versions of 3,000,000 rows", "GET", compared, times=10)
    rows = f"{versions}/rows?before=0&after=1&day={day}"
    yield asked(client, "Changed rows of a day in 3,000,000", "GET", rows, times=10)
    yield asked(client, "Users", "GET", "/users")
    yield asked(client, "Charts page", "GET", f"/datasets/{slug}/cards", times=10)
    yield asked(
        client,
        "One chart of 3,000,000 rows",
        "GET",
        f"/datasets/{slug}/cards/one?key=spend",
        times=10,
        headers=fragment,
    )
    yield asked(
        client, "All charts of 3,000,000 rows", "GET", f"/datasets/{slug}/cards/all", times=10, headers=fragment
    )


def typed(client: httpx2.Client, form: dict[str, Any], headers: dict[str, str]) -> Measured:
    """A form in which something else is changed each time, so that its draft is written."""
    draft = {"draft": "bench", "draft.tab": "bench", "draft.seen": "0"}
    taken, size = [], 0
    for number in range(TIMES + 2):
        changed = form | draft | {"description": f"change {number}"}
        began = time.perf_counter()
        with client.stream("POST", "/datasets/form", data=changed, headers=headers) as answer:
            size = sum(len(chunk) for chunk in answer.iter_raw())
        if answer.status_code != 200:
            raise SystemExit(f"POST /datasets/form: {answer.status_code}")
        if number > 1:
            taken.append((time.perf_counter() - began) * 1000)
    return Measured("Form fragment, with a draft that changes", tuple(taken), size)


def _form() -> dict[str, Any]:
    return {
        "report": "performance",
        "account": "Client 000",
        "data_level": "ad",
        "time_dimension": "day",
        "metrics": METRICS,
    }


def first_load(client: httpx2.Client, path: str) -> int:
    """Compressed bytes of a page with all that it names, for a browser that was never here."""
    bare = {"Accept-Encoding": "gzip"}
    with client.stream("GET", path, headers=bare) as answer:
        chunks = list(answer.iter_raw())
    text = client.get(path).text
    total = sum(map(len, chunks))
    for name in sorted(set(re.findall(r'(?:src|href)="(/static/[^"]+)"', text))):
        with client.stream("GET", name, headers=bare) as answer:
            total += sum(len(chunk) for chunk in answer.iter_raw())
    return total


def crowd(url: str, large: SavedDataset) -> tuple[list[float], int]:
    """Milliseconds of every click of many people at once, while a run loads, and how many failed."""
    paths = ["/datasets", "/datasets?tag=daily", "/accounts", "/datasets/new", "/query"]
    paths += [f"/datasets/{large.slug}{tab}" for tab in ("", "/data", "/history", "/versions")]
    taken: list[float] = []
    failed = 0

    def person(client: httpx2.Client, number: int) -> None:
        nonlocal failed
        chance = random.Random(number)
        while True:
            time.sleep(chance.uniform(*READING))
            if time.monotonic() > until:
                return
            began = time.perf_counter()
            try:
                answer = client.get(chance.choice(paths))
                failed += answer.status_code != 200
            except httpx2.HTTPError:
                failed += 1
            taken.append((time.perf_counter() - began) * 1000)

    with ExitStack() as browsers, ThreadPoolExecutor(PEOPLE) as everybody:
        clients = [browsers.enter_context(signed_in(url, f"person {number}")) for number in range(PEOPLE)]
        posted(clients[0], f"/datasets/{LOADING}/run")
        until = time.monotonic() + SECONDS
        list(everybody.map(person, clients, range(PEOPLE)))
    return taken, failed


def ended(client: httpx2.Client, store: Store, run_id: str) -> None:
    """Cancels the run, whose process would go on without the server, and waits until that is gone."""
    posted(client, f"/runs/{run_id}/cancel")
    until = time.monotonic() + 60
    while store.runs.get(run_id).state in IN_PROGRESS:
        if time.monotonic() > until:
            raise SystemExit("The run does not end.")
        time.sleep(0.1)


def peak_megabytes(pid: int) -> float:
    """The most memory that the process had so far."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match.group(1)) / 1024


def table(folder: Path, api: str) -> Iterator[str]:
    """Everything measured, as lines of Markdown."""
    environ = os.environ | {
        "ADREEL_HOME": str(folder),
        "ADREEL_TIKTOK_URL": api,
        "ADREEL_TIKTOK_APP_ID": APP_ID,
        "ADREEL_TIKTOK_SECRET": SECRET,
        "ADREEL_TIKTOK_LEVEL": "basic",
    }
    settings = Settings.load(environ)
    with Store.open(settings, clock=lambda: datetime.now(UTC)) as store:
        large = fill(store, settings)
        for number in range(PEOPLE):
            store.users.add(f"person {number}", PASSWORD, Role.ADMIN)
    lake = Lake(settings.lake_url)
    tables.make(lake)
    (folder / "lake" / tables.SLUG).rename(folder / "lake" / large.table_slug)
    with serving(environ) as (url, pid), signed_in(url) as client:
        idle = peak_megabytes(pid)
        yield f"| {DATASETS:,} datasets, {ACCOUNTS} accounts | median ms | p95 ms | kB, compressed |"
        yield "| --- | --: | --: | --: |"
        for page in pages(client, large):
            yield page.row()
        yield ""
        yield "| | |"
        yield "| --- | --: |"
        for what, path in (("datasets list", "/datasets"), ("charts", f"/datasets/{large.slug}/cards")):
            weight = first_load(client, path) / 1000
            yield f"| First load of the {what} with all assets, compressed | {weight:.0f} kB |"
        clicks, failed = crowd(url, large)
        clicks.sort()
        p95 = clicks[int(len(clicks) * 0.95)]
        yield (
            f"| {PEOPLE} users for {SECONDS:.0f} s, one click every {sum(READING) / 2:.0f} s, during a run: "
            f"clicks, failed, median, p95 | {len(clicks):,}, {failed}, {median(clicks):.0f} ms, {p95:.0f} ms |"
        )
        with Store.open(settings, clock=lambda: datetime.now(UTC)) as store:
            (run,) = store.runs.list(store.datasets.get(LOADING), limit=1)
            yield f"| State of the run at the end: pages, rows | {run.state} {run.pages:,}, {run.rows:,} |"
            yield f"| Server memory: at the start, peak | {idle:.0f} MB, {peak_megabytes(pid):.0f} MB |"
            ended(client, store, run.id)


def lines() -> Iterator[str]:
    """The tables as Markdown, made in a folder that goes again."""
    # It stands back, as TikTok would be elsewhere.
    with tempfile.TemporaryDirectory(prefix="adreel-bench-") as folder, simulator(10, 200, niceness=10) as url:
        yield from table(Path(folder), url)


def main() -> None:
    for line in lines():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
