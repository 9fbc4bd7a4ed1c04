"""What every competitor is asked for: ad-daily with 20 metrics, and where it is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

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
    found = []
    start = START
    while start <= END:
        end = min(END, start + timedelta(days=29))
        found.append((start.isoformat(), end.isoformat()))
        start = end + timedelta(days=1)
    return found


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
