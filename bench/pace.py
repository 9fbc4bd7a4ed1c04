"""The pace on a network that scatters: each request counts for TikTok's limits some time after it was sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from bench.work import DAYS, END, ROOT, START, connected_home, order, run_words, simulator, token

ADVERTISERS, ADS = 10, 200
QPS, LATENCY_MS = 10, 200
JITTERS_MS = (0, 100, 300)
TIMES = 3
"""Runs of each, every one in a home that knows nothing of the network; all of them are shown."""


@dataclass(frozen=True)
class Loaded:
    """What the runs that were started together did: their requests and refusals, and the seconds until the last end."""

    requests: int
    refused: int
    seconds: float

    @property
    def floors(self) -> float:
        """The seconds as times of the least that the limit allows."""
        return self.seconds / (self.requests / QPS)


def load(url: str, processes: int) -> Loaded:
    """The work by so many processes of one home, each with its share of the days."""
    with tempfile.TemporaryDirectory() as folder:
        environ = connected_home(Path(folder), url, "basic", token(ADVERTISERS, ADS))
        began = time.perf_counter()
        running = [
            subprocess.Popen(
                run_words(Path(folder), f"part {number}", start, end),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environ,
                cwd=ROOT,
            )
            for number, (start, end) in enumerate(_shares(processes))
        ]
        reports = [json.loads(process.communicate()[0]) for process in running]
        seconds = time.perf_counter() - began
    assert all(report["verification"]["verified"] for report in reports), reports
    return Loaded(
        sum(report["requests"] for report in reports), sum(report["rate_limited"] for report in reports), seconds
    )


def _shares(processes: int) -> Iterator[tuple[date, date]]:
    days = DAYS // processes
    for number in range(processes):
        start = START + timedelta(days=number * days)
        yield start, END if number == processes - 1 else start + timedelta(days=days - 1)


def lines() -> Iterator[str]:
    """The table."""
    yield "| added latency, at most | processes | requests | refused | wall / floor |"
    yield "| --: | --: | --: | --: | --: |"
    with simulator(ADVERTISERS, ADS) as url:
        # The first fill the simulator's memory of pages.
        for processes in (1, 2):
            load(url, processes)
        order(url, "limits", qps=QPS)
        order(url, "latency", ms=LATENCY_MS)
        for jitter in JITTERS_MS:
            order(url, "jitter", ms=jitter)
            for processes in (1, 2):
                runs = [load(url, processes) for _ in range(TIMES)]
                sys.stderr.write(f"{jitter} ms, {processes}: {runs}, load {os.getloadavg()[0]:.1f}\n")
                cells = (
                    ", ".join(f"{run.requests:,}" for run in runs),
                    ", ".join(f"{run.refused:,}" for run in runs),
                    ", ".join(f"{run.floors:.2f}" for run in runs),
                )
                yield f"| {jitter} ms | {processes} | {' | '.join(cells)} |"
