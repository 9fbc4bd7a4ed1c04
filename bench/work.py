"""What every competitor is asked for: ad-daily with 20 metrics, and where it is asked."""

from __future__ import annotations

import os
from datetime import date, timedelta

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
