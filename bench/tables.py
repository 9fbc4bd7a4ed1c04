"""Looking into a table of three million rows: how long pages, filters, sorts and statistics take.

`python -m bench.tables` makes the table, which takes half a minute, and prints the figures.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from adreel.lake import Lake, Method, Write
from adreel.lake.browse import Filter, Order
from adreel.sandbox import QueryLimits, QueryRequest, Sandbox

SLUG = "ad_daily"
ROWS = 3_000_000
ADVERTISERS = 10
ADS = 500
FIRST_DAY = date(2025, 1, 1)
DAYS = ROWS // (ADVERTISERS * ADS)
KEY = ("ad_id", "stat_time_day")
DAY = "stat_time_day"
CURRENCIES = ("USD", "EUR", "GBP", "JPY")
DECIMAL = pa.decimal128(24, 6)
TEXTS = ("advertiser_id", "ad_id", "ad_name", "adgroup_id", "campaign_id", "currency", "timezone")
MONEY = ("spend", "ctr", "cpc", "cpm", "frequency", "cost_per_conversion", "conversion_rate")
COUNTS = (
    *("impressions", "clicks", "reach", "conversion", "video_play_actions"),
    *("video_watched_2s", "likes", "comments", "shares"),
)
ADDITIVE = tuple(name for name in ("spend", *COUNTS) if name != "reach")
SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in TEXTS[:2]),
        pa.field(DAY, pa.date32()),
        *(pa.field(name, pa.string()) for name in TEXTS[2:]),
        *(pa.field(name, DECIMAL) for name in MONEY),
        *(pa.field(name, pa.int64()) for name in COUNTS),
    ]
)


def rows(days: range, seed: int, ads: int = ADS) -> Iterator[pa.RecordBatch]:
    """Every ad's days, in the order of a run: spans of 30 days, in each the advertisers, in each the days."""
    for start in range(days.start, days.stop, 30):
        for advertiser in range(ADVERTISERS):
            for day in range(start, min(start + 30, days.stop)):
                yield _batch(advertiser, day, ads, np.random.default_rng((seed, advertiser, day)))


def _batch(advertiser: int, day: int, count: int, chance: np.random.Generator) -> pa.RecordBatch:
    """One advertiser's day; figures lean on each other as real ones do, and a tenth of the ads has none."""
    ads = np.arange(count) + advertiser * count
    shown = chance.lognormal(7, 1.6, count).astype(np.int64) * (chance.random(count) > 0.1)
    clicks = chance.binomial(shown, 0.012)
    bought = chance.binomial(clicks, 0.04)
    spend = (shown * chance.uniform(2, 9, count) / 1000).round(2)
    columns: dict[str, Any] = {
        "advertiser_id": _texts(7_000_000_000_000_000_000 + np.full(count, advertiser)),
        "ad_id": _texts(1_800_000_000_000_000_000 + ads * 7919),
        DAY: pa.array([FIRST_DAY + timedelta(days=day)] * count),
        "ad_name": pa.array([f"Ad {ad:05} {'Spring' if ad % 3 else 'Autumn'} sale" for ad in ads]),
        "adgroup_id": _texts(1_810_000_000_000_000_000 + ads // 5),
        "campaign_id": _texts(1_820_000_000_000_000_000 + ads // 25),
        "currency": pa.array([CURRENCIES[advertiser % len(CURRENCIES)]] * count),
        "timezone": pa.array([f"UTC{advertiser - 5:+03}:00"] * count),
        "spend": _decimals(spend),
        "ctr": _decimals(_ratio(clicks * 100, shown).round(2)),
        "cpc": _decimals(_ratio(spend, clicks).round(2)),
        "cpm": _decimals(_ratio(spend * 1000, shown).round(2)),
        "frequency": _decimals(chance.uniform(1, 3, count).round(2)),
        "cost_per_conversion": _decimals(_ratio(spend, bought).round(2)),
        "conversion_rate": _decimals(_ratio(bought * 100, clicks).round(2)),
        "impressions": shown,
        "clicks": clicks,
        "reach": (shown * 0.7).astype(np.int64),
        "conversion": bought,
        "video_play_actions": (shown * 0.9).astype(np.int64),
        "video_watched_2s": (shown * 0.3).astype(np.int64),
        **{name: chance.binomial(shown, share) for name, share in (("likes", 0.01), ("comments", 0.001))},
        "shares": chance.binomial(shown, 0.0005),
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def _texts(numbers: np.ndarray[Any, Any]) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _ratio(above: np.ndarray[Any, Any], below: np.ndarray[Any, Any]) -> Any:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def _decimals(numbers: np.ndarray[Any, Any]) -> pa.Array:
    """To the cent; what is no number is null."""
    return pa.array(numbers, from_pandas=True).cast(pa.decimal128(24, 6), safe=False)


def make(lake: Lake, slug: str = SLUG, ads: int = ADS) -> None:
    """Version 0: all rows; version 1: the last 30 days upserted with new figures. `ads` are of each advertiser."""
    spans = ((Method.REPLACE, range(DAYS)), (Method.UPSERT, range(DAYS - 30, DAYS)))
    for seed, (method, days) in enumerate(spans):

        def batches(days: range = days, seed: int = seed) -> Any:
            return pa.RecordBatchReader.from_batches(SCHEMA, rows(days, seed, ads))

        lake.commit(slug, batches, Write(f"run{seed}", method, SCHEMA, KEY, DAY))


@dataclass(frozen=True)
class Ask:
    """A question, asked `times` with another number each time, so that no result is kept from the time before."""

    name: str
    call: Callable[[Lake, int], object]
    times: int = 20


def _page(**asked: Any) -> Callable[[Lake, int], object]:
    return lambda lake, _: lake.page(SLUG, **asked)


def _sorted(first: int, names: tuple[str, ...] = ("spend", "clicks", "cpc", "impressions", "likes")) -> Any:
    """A page of another order each time."""

    def call(lake: Lake, number: int) -> object:
        order = [Order(name, descending=number % 2 == 0) for name in (names[number % len(names)], names[number // 10])]
        return lake.page(SLUG, order=order, offset=first)

    return call


def _query(box: Sandbox) -> Callable[[Lake, int], object]:
    """SQL as the query page runs it, in a process of its own, whose processor time is not this one's."""
    limits = QueryLimits(512 << 20, 30, "ADREEL_QUERY_MEMORY", "ADREEL_QUERY_SECONDS")

    def call(lake: Lake, number: int) -> object:
        sql = f"SELECT stat_time_day, sum(spend) FROM ads WHERE clicks > {number} GROUP BY 1 ORDER BY 1"
        with box.ask(QueryRequest(sql, lake.snapshot({"ads": SLUG}), limits, "cells")).file as file:
            return file.read()

    return call


def asks(box: Sandbox) -> tuple[Ask, ...]:
    """What is measured, in the order in which a person comes to it."""
    return (
        Ask("first page", _page(), 60),
        Ask("page at row 2,000,000", _page(offset=2_000_000), 60),
        Ask("sorted by two columns, first page", _sorted(0)),
        Ask("the same order, a page further", _page(order=[Order("spend", descending=True)], offset=50)),
        Ask("sorted by two columns, four columns shown", _narrow),
        Ask("sorted by two columns, page at row 1,500,000", _sorted(1_500_000), 10),
        Ask("sorted by two columns, last page", _sorted(2_999_950), 10),
        Ask("filter: text contains", lambda lake, n: lake.page(SLUG, where=[Filter("ad_name", "contains", f"{n:03}")])),
        Ask("filter: money is at least", lambda lake, n: lake.page(SLUG, where=[Filter("spend", ">=", n)])),
        Ask("filter: days", lambda lake, n: lake.page(SLUG, where=[Filter(DAY, ">=", _day(DAYS - 7 - n))])),
        Ask("filter by text, sorted by money", _filtered),
        Ask("sums by day in SQL", _query(box), 10),
        Ask("statistics of all columns, first time", lambda lake, _: lake.statistics(SLUG, additive=ADDITIVE), 1),
        Ask("statistics of all columns, again", lambda lake, _: lake.statistics(SLUG, additive=ADDITIVE)),
    )


def _day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


def _narrow(lake: Lake, number: int) -> object:
    order = [Order(("reach", "shares")[number % 2], descending=True), Order(COUNTS[number % len(COUNTS)])]
    return lake.page(SLUG, columns=["ad_id", DAY, "spend", "clicks"], order=order, limit=50 + number)


def _filtered(lake: Lake, number: int) -> object:
    where = [Filter("ad_name", "contains", f"{900 + number}")]
    return lake.page(SLUG, where=where, order=[Order("spend", descending=True)])


@contextmanager
def timed(walls: list[float], cpus: list[float]) -> Iterator[None]:
    """Adds what the block takes, in milliseconds of wall and processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    cpus.append((time.process_time() - cpu) * 1000)
    walls.append((time.perf_counter() - wall) * 1000)


def peak() -> str:
    """The most megabytes that this process had so far, and how many of them are the code of libraries by now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = {
        name: int(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in lines) if "kB" in rest
    }
    return f"{sizes['VmHWM']:.0f} (code {sizes['RssFile']:.0f})"


def measure(url: str) -> Iterator[str]:
    """The rows of a table: the first call in the process, then the median and the 95th percentile of the others."""
    lake = Lake(url)
    yield "| | first ms | median ms | p95 ms | median CPU ms | peak MB so far |"
    yield "| --- | --: | --: | --: | --: | --: |"
    box = Sandbox()
    for ask in asks(box):
        walls: list[float] = []
        cpus: list[float] = []
        for number in range(ask.times):
            with timed(walls, cpus):
                ask.call(lake, number)
        later = sorted(walls[1:] or walls)
        p95 = later[int(len(later) * 0.95)]
        cpu = median(cpus[1:] or cpus)
        yield f"| {ask.name} | {walls[0]:.0f} | {median(later):.0f} | {p95:.0f} | {cpu:.0f} | {peak()} |"
    box.close()
    lake.close()


def measure_difference(url: str) -> Iterator[str]:
    """What comparing takes over the 30 days that were upserted: rows and values, and sums by ad account."""
    walls: list[float] = []
    cpus: list[float] = []
    with timed(walls, cpus):
        lake, columns = Lake(url), ("advertiser_id", "currency", "timezone")
        there = tuple(name for name in columns if name in lake.table(SLUG).schema.names)
        with lake.comparison(SLUG, 0, 1, there) as versions:
            versions.sum_changes(ADDITIVE)
            difference = versions.difference(lambda values, _day: values)
    yield (
        f"difference of two versions: {difference.changed:,} rows changed on {len(difference.days)} days, "
        f"{walls[0] / 1000:.2f} s, {cpus[0] / 1000:.2f} s CPU, peak {peak()} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", help="a folder to keep the table in; made anew each time if none is given")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        sys.stdout.writelines(f"{line}\n" for line in PARTS[given.part](given.lake))
        return
    with tempfile.TemporaryDirectory() as folder:
        url = given.lake or folder
        if not Lake(url).exists(SLUG):
            make(Lake(url))
        sys.stdout.write(f"{ROWS:,} rows, {len(SCHEMA)} columns, {Lake(url).table(SLUG).size / 1e6:.0f} MB\n\n")
        sys.stdout.flush()
        for part in PARTS:
            # A process for each, so that what it starts and keeps counts.
            subprocess.run([sys.executable, "-m", "bench.tables", "--lake", url, "--part", part], check=True)


PARTS: dict[str, Callable[[str], Iterator[str]]] = {"pages": measure, "difference": measure_difference}

if __name__ == "__main__":
    main()
