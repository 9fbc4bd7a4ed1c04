"""Two weeks of daily runs with and without lookback."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import test_lookback
from home import Home
from running import table
from test_lookback import named, run_daily

late = test_lookback.late


def test_yesterday_run_daily_for_two_weeks_is_the_truth_only_with_lookback(late: Home) -> None:
    files = [
        named(late, "upsert", update={"method": "upsert"}),
        named(late, "partition", update={"method": "partition"}),
        named(late, "hourly", time_dimension="hour", metrics=["spend", "conversion"], update={"method": "partition"}),
        named(late, "without", update={"method": "partition", "lookback": 0}),
    ]
    # The first six days, of which the runs of the following week see how they grow until they are settled.
    run_daily(late, 14, *files)
    days = {"start": "2026-11-21", "end": "2026-11-26"}
    for name, keys in (("truth", {}), ("hours", {"time_dimension": "hour", "metrics": ["spend", "conversion"]})):
        late.good("run", "-f", named(late, name, dates=days, update={"method": "replace"}, **keys))

    def within(slug: str, column: str = "stat_time_day") -> list[dict[str, Any]]:
        rows = table(late, slug).to_pylist()
        return [row for row in rows if date(2026, 11, 21) <= _day(row[column]) <= date(2026, 11, 26)]

    truth = within("truth")
    assert len(truth) > 100
    assert within("upsert") == within("partition") == truth
    assert within("hourly", "stat_time_hour") == within("hours", "stat_time_hour")
    assert within("without") != truth


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value
