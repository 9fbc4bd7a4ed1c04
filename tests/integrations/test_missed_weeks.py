"""Days that no run read for weeks."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

import test_missed_days
from home import Home
from test_missed_days import missed, named, within

home = test_missed_days.home


def test_runs_that_failed_for_three_weeks_leave_no_hole_and_no_unsettled_day(home: Home) -> None:
    files = [named(home), named(home, "upsert", update={"method": "upsert", "lookback": 2})]
    for days in (1, 1, 21, 8, 0):
        for file in files:
            assert not missed(home.json("run", "-f", file))
        home.later(days)
    first, last = date(2026, 11, 21), date(2026, 12, 12)
    home.good("run", "-f", named(home, "truth", dates={"start": str(first), "end": "yesterday"}))
    truth = within(home, "truth", first, last)
    assert {row["stat_time_day"] for row in truth} == {first + timedelta(days=day) for day in range(22)}
    assert within(home, "spend", first, last) == truth
    upserted = {row["stat_time_day"] for row in within(home, "upsert", first, last)}
    assert upserted == {row["stat_time_day"] for row in truth}


@pytest.mark.parametrize("method", ["partition", "append"])
def test_days_that_no_run_reads_by_itself_are_a_warning_until_they_are_backfilled(home: Home, method: str) -> None:
    file = named(home, update={"method": method} | ({} if method == "append" else {"lookback": 0}))
    assert not missed(home.json("run", "-f", file))
    home.later(5)
    (warning,) = missed(home.json("run", "-f", file))
    assert "adreel backfill spend --start 2026-11-22 --end 2026-11-25" in warning
    home.later(1)
    assert missed(home.json("run", "-f", file)) == [warning], "it is still so"
    home.good("backfill", "spend", "--start", "2026-11-22", "--end", "2026-11-25")
    home.good("backfills", "cancel", "spend")
    home.good("run", "spend", "--start", "2026-11-22", "--end", "2026-11-24")
    home.later(1)
    (warning,) = missed(home.json("run", "-f", file))
    assert "lacks 2026-11-25 of 2 ad accounts" in warning
    home.good("run", "spend", "--start", "2026-11-25", "--end", "2026-11-25")
    home.later(1)
    assert not missed(home.json("run", "-f", file))
