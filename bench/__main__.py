"""adreel beside a plain script and the official SDK, on the same work against the same simulator, one after the other.

`python -m bench` prints all sections and writes them to docs/benchmarks.md. `python -m bench pace` (or other sections)
prints these alone, `python -m bench --quick` the least of the first.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

from adreel.advertisers import Advertiser
from adreel.datasets.dataset import Source
from adreel.datasets.validation import parse
from adreel.pipeline.plan import make_plan
from bench import pace
from bench.work import ADREEL, END, ROOT, START, connected_home, dataset, order, run_words, simulator, token

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Setting:
    """A situation: the world's size, and the API's pace."""

    name: str
    qps: int = 0
    latency_ms: int = 0
    advertisers: int = 10
    ads: int = 200
    days: int = 90


@dataclass(frozen=True)
class Figures:
    """What one run cost: seconds of processor and wall, megabytes at the peak, requests, refusals, rows."""

    who: str
    cpu: float
    wall: float
    peak: float
    requests: int
    refused: int
    rows: int


def measured(words: list[str], environ: dict[str, str]) -> tuple[dict[str, Any], float, float, float]:
    """The last line of stdout as JSON, processor seconds, wall seconds and peak megabytes of the whole process."""
    with tempfile.TemporaryFile("w+") as out:
        began = time.perf_counter()
        process = subprocess.Popen(words, stdout=out, env=environ, cwd=ROOT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        out.seek(0)
        text = out.read()
    if status:
        raise SystemExit(f"{words} ended with {status}: {text[-2000:]}")
    # Linux counts the peak in kilobytes.
    return json.loads(text[text.index("{") :]), used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024


def run_peer(module: str, who: str, url: str, setting: Setting) -> Figures:
    """A script that ends in JSON lines."""
    with tempfile.TemporaryDirectory() as folder:
        access = token(setting.advertisers, setting.ads)
        environ = os.environ | {"BENCH_URL": url, "BENCH_TOKEN": access, "BENCH_DAYS": str(setting.days)}
        words = [sys.executable, "-m", module, str(Path(folder) / "rows.jsonl")]
        counts, cpu, wall, peak = measured(words, environ)
    return Figures(who, cpu, wall, peak, counts["requests"], counts["refused"], counts["rows"])


def run_adreel(url: str, setting: Setting) -> Figures:
    """`adreel run` of ad-daily into a new table."""
    with tempfile.TemporaryDirectory() as folder:
        level = str(setting.qps) if setting.qps not in (0, 10) else ("basic" if setting.qps else "100000")
        environ = connected_home(Path(folder), url, level, token(setting.advertisers, setting.ads))
        report, cpu, wall, peak = measured(run_words(Path(folder), "Ad spend by day", START, END), environ)
    assert report["verification"]["verified"], report
    return Figures("adreel", cpu, wall, peak, report["requests"], report["rate_limited"], report["rows"])


PEERS = (("bench.plain", "plain requests script"), ("bench.sdk", "official SDK in a loop"))
FAST = Setting("No latency, no rate limit")
SETTINGS = (
    FAST,
    Setting("200 ms latency, 10 requests per second", qps=10, latency_ms=200),
    Setting("2 s latency, 10 requests per second", qps=10, latency_ms=2000),
)
LARGE = Setting("Ten times the rows, no latency, no rate limit", ads=2000)
TIMES = 3
"""Runs of each without latency, in turn; the medians are shown, for the machine's speed drifts."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sections", nargs="*", metavar="section", help=f"some of: {', '.join(SECTIONS)}")
    parser.add_argument("--quick", action="store_true", help="only adreel and the plain script, without latency")
    given = parser.parse_args()
    if unknown := set(given.sections) - set(SECTIONS):
        parser.error(f"no section is called {', '.join(sorted(unknown))}")
    if given.quick:
        sys.stdout.write("\n".join(_table(FAST, peers=PEERS[:1])) + "\n")
        return
    about = (
        f"Measured on {time.strftime('%Y-%m-%d')}: {platform.machine()}, {os.cpu_count()} shared cores, Python "
        f"{platform.python_version()}, {platform.system()}. The simulator ran on the same machine. Figures without "
        f"latency are medians of {TIMES} alternating runs; others are single runs."
    )
    lines = [about]
    for name in SECTIONS:
        if name in given.sections or not given.sections:
            lines += SECTIONS[name]()
    sys.stdout.write("\n".join(lines) + "\n")
    if not given.sections:
        _keep(lines)


def _peers() -> Iterator[str]:
    for setting in (*SETTINGS, LARGE):
        yield from ("", f"### {setting.name}", "", *_table(setting, peers=PEERS))


def _pace() -> Iterator[str]:
    yield from ("", "### Varying latency", "", *pace.lines())


def _start() -> Iterator[str]:
    yield from ("", "### Startup and planning", "", *_small(), "", *_least_run())


def _writing() -> Iterator[str]:
    # Imported here for the same reason as below.
    from bench import writing

    yield from ("", "### Writing and merging a table", "", *writing.lines())


def _center() -> Iterator[str]:
    # Imported here: what stands in this process's memory would count as its children's, from before they begin.
    from bench import web

    yield from ("", "### Data Center", "", *web.lines())


def _charts() -> Iterator[str]:
    # Imported here for the same reason.
    from bench import charts

    yield from ("", "### Charts", "", *charts.lines())


def _workers() -> Iterator[str]:
    # Imported here for the same reason.
    from bench import workers

    yield from ("", "### Schedules", "", *workers.lines())


def _scale() -> Iterator[str]:
    yield from ("", "### Workers and ad accounts", "", *_scaling().lines())


def _rows() -> Iterator[str]:
    yield from ("", "### Large runs", "", *_scaling().rows_lines())


def _takeover() -> Iterator[str]:
    yield from ("", "### Killed workers", "", *_scaling().takeover_lines())


def _publishing() -> Iterator[str]:
    # The server of the tests is Postgres.
    sys.path.append(str(ROOT / "tests"))
    from bench import publishing

    yield from ("", "### Publishing", "", *publishing.lines())


def _spark() -> Iterator[str]:
    from bench import spark

    table = list(spark.lines())
    yield from ("", "### Spark", "", *table) if table else ()


def _scaling() -> ModuleType:
    # The server of the tests is Postgres.
    sys.path.append(str(ROOT / "tests"))
    from bench import scale

    return scale


SECTIONS = {
    "peers": _peers,
    "pace": _pace,
    "start": _start,
    "writing": _writing,
    "center": _center,
    "charts": _charts,
    "workers": _workers,
    "scale": _scale,
    "rows": _rows,
    "takeover": _takeover,
    "publishing": _publishing,
    "spark": _spark,
}


def _table(setting: Setting, peers: tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield "| | CPU s | wall s | wall / floor | peak MB | requests | refused | rows |"
    yield "| --- | --: | --: | --: | --: | --: | --: | --: |"
    with simulator(setting.advertisers, setting.ads) as url:
        # A first reading fills the simulator's memory of pages, so that nobody pays for making them.
        if setting is not LARGE:
            run_peer("bench.plain", "", url, setting)
        # Its limit and latency come once it has made its pages.
        order(url, "limits", qps=setting.qps)
        order(url, "latency", ms=setting.latency_ms)
        runs = list(_runs(url, setting, peers))
    for run in runs:
        floor = f"{run.wall / (run.requests / setting.qps):.2f}" if setting.qps else ""
        yield (
            f"| {run.who} | {run.cpu:.2f} | {run.wall:.2f} | {floor} | {run.peak:.0f} | {run.requests:,} | "
            f"{run.refused:,} | {run.rows:,} |"
        )


def _runs(url: str, setting: Setting, peers: tuple[tuple[str, str], ...]) -> Iterator[Figures]:
    # At 2 s an answer a sequential peer takes six minutes and shows nothing but that.
    if setting is LARGE or setting.latency_ms > 1000:
        peers = ()
    times = TIMES if setting is FAST else 1
    rounds = [
        [run_adreel(url, setting), *(run_peer(module, who, url, setting) for module, who in peers)]
        for _ in range(times)
    ]
    for same in zip(*rounds, strict=True):
        cpu, wall, peak = (
            median(getattr(measurement, name) for measurement in same) for name in ("cpu", "wall", "peak")
        )
        yield replace(same[0], cpu=cpu, wall=wall, peak=peak)


def _small() -> Iterator[str]:
    """`adreel --help`, and a plan of three years by the hour for a thousand advertisers."""
    walls = sorted(_timed([str(ADREEL), "--help"]) for _ in range(7))
    values = dataset() | {"time_dimension": "hour", "dates": {"start": "2023-11-22", "end": "2026-11-21"}}
    asked = parse(Source(values | {"metrics": ["spend"]}, {}), NOW)
    advertisers = [Advertiser(str(number), "Shop", "USD", timedelta(hours=number % 24 - 12)) for number in range(1000)]
    began = time.perf_counter()
    plan = make_plan(asked, advertisers, NOW)
    count = plan.request_count
    minutes = plan.seconds(10, 600, 864_000) / 60
    took = time.perf_counter() - began
    yield "| | seconds |"
    yield "| --- | --: |"
    yield f"| `adreel --help`, median of {len(walls)} | {walls[len(walls) // 2]:.2f} |"
    yield f"| a plan of {count:,} requests ({minutes:,.0f} minutes at 10 requests per second) | {took:.3f} |"


def _least_run() -> Iterator[str]:
    """A run of 40 rows: what `adreel run` costs before there is anything to read. The first of a home, and the next."""
    with simulator(advertisers=1, ads=20) as url:
        rounds = [_first_and_next(url) for _ in range(TIMES)]
    yield f"| a run of 40 rows, median of {TIMES} | CPU s | peak MB |"
    yield "| --- | --: | --: |"
    for who, costs in zip(("first run, new table", "second run"), zip(*rounds, strict=True), strict=True):
        yield f"| {who} | {median(cpu for cpu, _ in costs):.2f} | {median(peak for _, peak in costs):.0f} |"


def _first_and_next(url: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Processor seconds and peak megabytes of two runs of the same two days, one after the other, in a new home."""
    with tempfile.TemporaryDirectory() as folder:
        environ = connected_home(Path(folder), url, "100000", token(1, 20))
        words = run_words(Path(folder), "Ad spend by day", END - timedelta(days=1), END)
        return _run_cost(words, environ), _run_cost(words, environ)


def _run_cost(words: list[str], environ: dict[str, str]) -> tuple[float, float]:
    report, cpu, _, peak = measured(words, environ)
    assert report["rows"] == 40, report
    return cpu, peak


def _timed(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - began


def _keep(lines: list[str]) -> None:
    """Puts the tables into docs/benchmarks.md, between its two marks."""
    path = ROOT / "docs" / "benchmarks.md"
    text = path.read_text()
    head, _, rest = text.partition("<!-- figures -->")
    _, _, tail = rest.partition("<!-- end of figures -->")
    body = "\n".join(lines)
    path.write_text(f"{head}<!-- figures -->\n\n{body}\n\n<!-- end of figures -->{tail}")


if __name__ == "__main__":
    main()
