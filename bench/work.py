"""What every competitor is asked for: ad-daily with 20 metrics, and where it is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests

from adreel.simulator import WorldConfig, access_token

ROOT = Path(__file__).parent.parent
ADREEL = Path(sys.executable).with_name("adreel")

METRICS = [
    *("ad_name", "adgroup_id", "campaign_id", "spend", "impressions", "clicks", "ctr", "cpc", "cpm", "reach"),
    *("frequency", "conversion", "cost_per_conversion", "conversion_rate", "video_play_actions"),
    *("video_watched_2s", "video_watched_6s", "likes", "comments", "shares"),
]
DIMENSIONS = ["ad_id", "stat_time_day"]
STATUS_ALL = [{"field_name": "ad_status", "filter_type": "IN", "filter_value": '["STATUS_ALL"]'}]
APP_ID = "7000000000000000001"
SECRET = "simulated-app-secret"
TODAY = date(2026, 11, 22)
DAYS = int(os.environ.get("BENCH_DAYS", "90"))
START = TODAY - timedelta(days=DAYS)
END = TODAY - timedelta(days=1)


def windows() -> list[tuple[str, str]]:
    """Pieces of 30 days."""
    periods = []
    start = START
    while start <= END:
        end = min(END, start + timedelta(days=29))
        periods.append((start.isoformat(), end.isoformat()))
        start = end + timedelta(days=1)
    return periods


def token(advertisers: int, ads: int) -> str:
    """A token for all advertisers of a simulated world."""
    return access_token(WorldConfig(today=TODAY, advertisers=advertisers, ads=ads, plain=True))


def dataset() -> dict[str, Any]:
    """The work as a dataset, without days."""
    return {
        "name": "Ad spend by day",
        "account": "demo",
        "report": "performance",
        "data_level": "ad",
        "time_dimension": "day",
        "metrics": METRICS,
        "update": {"method": "upsert"},
    }


def connected_home(
    folder: Path, url: str, level: str, access: str, settings: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """The environment of a new home with the account `demo`, and with more settings if any are given."""
    environ = {**os.environ, **settings} | {
        "ADREEL_HOME": str(folder),
        "ADREEL_TIKTOK_URL": url,
        "ADREEL_TIKTOK_APP_ID": APP_ID,
        "ADREEL_TIKTOK_SECRET": SECRET,
        "ADREEL_TIKTOK_LEVEL": level,
    }
    add = [str(ADREEL), "accounts", "add", "demo", "--token-stdin"]
    subprocess.run(add, input=access, text=True, env=environ, check=True, capture_output=True)
    return environ


def run_words(folder: Path, name: str, start: date, end: date) -> list[str]:
    """The command that runs the work for some days as a dataset of that name."""
    path = folder / f"{name}.yaml"
    dates = {"start": start.isoformat(), "end": end.isoformat()}
    path.write_text(json.dumps(dataset() | {"name": name, "dates": dates}))
    return [str(ADREEL), "run", "-f", str(path), "--json"]


def order(url: str, name: str, **body: int) -> None:
    """An order at the simulator's side door."""
    door = url.removesuffix("/open_api/v1.3") + "/_simulator"
    requests.post(f"{door}/{name}", json=body, timeout=10).raise_for_status()


@contextmanager
def simulator(advertisers: int, ads: int, niceness: int = 0) -> Iterator[str]:
    """A simulator that is a process of its own; yields the API's base."""
    words = ["nice", "-n", str(niceness), sys.executable, "-m", "bench.server", "--today", TODAY.isoformat()]
    words += ["--advertisers", str(advertisers), "--ads", str(ads)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield f"{process.stdout.readline().strip()}/open_api/v1.3"
        finally:
            process.terminate()
