"""Runs through `Runner`, for what the command line has no option for: another network or clock, no real waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pyarrow as pa

from adreel import catalog
from adreel.access import Actor, Guard
from adreel.connections import Waits
from adreel.datasets import menus, service
from adreel.datasets.files import read
from adreel.datasets.validation import parse
from adreel.lake import Lake
from adreel.pipeline.run import Runner, RunReport, Watch
from adreel.settings import Settings
from adreel.store import Run, SavedDataset, Store
from home import URL, Home

Change = Callable[[dict[str, str], dict[str, Any]], None]


@dataclass
class Hurry:
    """Waits that take no real time: a sleep advances the clock."""

    passed: float = 0.0
    began: float = field(default_factory=time.time)

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds
        await asyncio.sleep(0)

    def waits(self, request_seconds: float = 60) -> Waits:
        return Waits(request_seconds, lambda: self.began + self.passed, lambda: self.passed, self.sleep)


class Tampered(httpx2.AsyncBaseTransport):
    """The simulated world with changed reports: `change` gets the parameters and the answer's data."""

    def __init__(self, home: Home, change: Change) -> None:
        self._under = httpx2.ASGITransport(home.world)
        self._change = change

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._under.handle_async_request(request)
        if "report/integrated" not in request.url.path:
            return response
        answer = orjson.loads(await response.aread())
        self._change(dict(request.url.params), answer["data"])
        cut = {name: value for name, value in response.headers.items() if name.startswith("x-tt-")}
        return httpx2.Response(200, headers=cut, content=orjson.dumps(answer))


def settings_of(home: Home) -> Settings:
    return Settings.load(
        {
            "ADREEL_HOME": str(home.path),
            "ADREEL_TIKTOK_URL": f"{URL}/open_api/v1.3",
            "ADREEL_TIKTOK_APP_ID": home.config.app_id,
            "ADREEL_TIKTOK_SECRET": home.config.secret,
            "ADREEL_TIKTOK_LEVEL": "5000",
            "ADREEL_GMV_MAX_CHECK": "off",
        }
        | home.environ
    )


def run(
    home: Home,
    file: str,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    waits: Waits | None = None,
    watch: Watch | None = None,
) -> RunReport:
    """Saves the file as a dataset and runs it."""
    settings = settings_of(home)
    with Store.open(settings, clock=lambda: home.now) as store:
        saved = service.save(Guard(store, Actor(None)), parse(read(Path(file).read_text("utf-8")), home.now), home.now)
        runner = Runner(
            settings,
            store,
            clock=lambda: home.now,
            transport=transport or httpx2.ASGITransport(home.world),
            waits=waits or Hurry().waits(),
        )
        return runner.run(saved, watch or Watch())


def latest(home: Home, slug: str = "spend") -> Run:
    """The dataset's latest run in the store."""
    with Store.open(settings_of(home), clock=lambda: home.now) as store:
        return store.runs.list(store.datasets.get(slug), limit=1)[0]


def saved(home: Home, slug: str = "spend") -> SavedDataset:
    with Store.open(settings_of(home), clock=lambda: home.now) as store:
        return store.datasets.get(slug)


def log_of(home: Home, slug: str = "spend") -> list[str]:
    """The log of the dataset's latest run."""
    with Store.open(settings_of(home), clock=lambda: home.now) as store:
        run_id = store.runs.list(store.datasets.get(slug), limit=1)[0].id
        return [line.text for line in store.runs.log_lines(run_id)]


def table(home: Home, slug: str = "spend", version: int | None = None) -> pa.Table:
    """The rows of a dataset's table, sorted by id and time."""
    rows: pa.Table = Lake(home.path / "lake").read(slug, version).read_all()
    fields = [field for field in rows.schema if not pa.types.is_list(field.type)]
    keys = [field.name for field in fields if field.name.endswith("_id") or field.name.startswith("stat_time")]
    return rows.sort_by([(name, "ascending") for name in keys])


def left_behind(home: Home) -> list[str]:
    """Files of parts and notes that runs left in the lake."""
    parts = home.path.glob("lake/_runs/**/*")
    return [str(path.relative_to(home.path)) for path in parts if path.is_file()]


def questions(home: Home, path: str = "report/integrated") -> list[tuple[str, ...]]:
    """The parameters of requests that succeeded; a run should send each of them once."""
    return [
        tuple(f"{name}={value}" for name, value in sorted(request["params"].items()))
        for request in home.requests(path)
        if request["code"] == 0
    ]


def metrics_of_ads(count: int) -> list[str]:
    """So many metrics of ads by day, of every kind, and always spend."""
    chosen = {
        "service_type": ("auction",),
        "report_type": ("basic",),
        "data_level": ("ad",),
        "id_dimension": ("ad_id",),
        "time_dimension": ("day",),
    }
    report = catalog.REPORTS["performance"]
    menu = next(menu for menu in report.menus if menu.name == "metrics")
    offered = [offer.value for offer in menus.offers(report, menu, chosen) if offer.refusal is None]
    metrics = catalog.metrics()
    sure = [name for name in offered if metrics[name].sure and not metrics[name].refuses]
    return ["spend", *(name for name in sure if name != "spend")][:count]
