"""The estimate of each kind of run against three runs of it, and the progress of runs that are resumed."""

from __future__ import annotations

import pytest

import test_estimate
from adreel.errors import CancelledError
from adreel.pipeline.run import Watch
from adreel.store import Phase, Progress, RunState
from home import Home
from running import latest, run
from test_estimate import DAYS, REPORTS, TOLERANCE, Seen, plan_of

large = test_estimate.large
large_home = test_estimate.large_home
often = test_estimate.often


@pytest.mark.parametrize("report", REPORTS)
def test_the_estimate_after_a_run_is_what_the_next_run_takes(large: Home, report: str) -> None:
    file = large.file(**{"name": "Estimated"} | REPORTS[report])
    first = plan_of(large, file)
    done = run(large, file)
    exact = first["requests"] == first["requests_most"]
    assert first["requests"] <= done.requests <= (first["requests_most"] or done.requests)
    assert first["basis"] == ("exact" if exact else "unknown")
    again = plan_of(large, file)
    assert again["requests"] == again["requests_most"] == run(large, file).requests
    large.later(1)
    later = plan_of(large, file)
    assert later["requests"] == pytest.approx(run(large, file).requests, rel=TOLERANCE)
    assert {again["basis"], later["basis"]} == {"exact" if exact else "last_run"}


def test_other_days_are_estimated_from_the_rows_by_day_of_the_last_run(large: Home) -> None:
    run(large, large.file(name="Spend", dates=DAYS))
    for start, end in (("today-60", "today-1"), ("today-3", "yesterday")):
        days = ("spend", "--start", start, "--end", end)
        expected = large.json("plan", *days)
        assert expected["basis"] == "last_run"
        assert expected["requests"] == pytest.approx(large.json("run", *days)["requests"], rel=TOLERANCE)
    # A backfill says less of the dataset's own days than a run of these: there were no rows in 2018.
    large.good("run", "spend", "--start", "2018-01-01", "--end", "2018-01-02", "--yes")
    assert large.json("plan", "spend")["requests"] == large.json("run", "spend")["requests"]


@pytest.mark.usefixtures("often")
def test_a_run_that_is_resumed_continues_its_progress(large: Home) -> None:
    file = large.file(name="Spend", dates={"start": "today-8", "end": "yesterday"}, time_dimension="hour")

    def interrupt(progress: Progress) -> None:
        if progress.chunks_done and progress.share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(CancelledError):
        run(large, file, watch=Watch(progress=interrupt))
    stopped = latest(large)
    assert (stopped.state, stopped.share < 0.97) == (RunState.INTERRUPTED, True)
    seen = Seen([])
    assert run(large, file, watch=seen.watch).resumed
    reading = [progress.share for progress in seen.all if progress.phase is Phase.ROWS]
    assert seen.shares[-1] == 1.0
    assert 0 < stopped.share <= reading[0]
    assert reading == sorted(reading)
    # What an interruption cost is no part of the next estimate.
    assert plan_of(large, file)["requests"] == run(large, file).requests
