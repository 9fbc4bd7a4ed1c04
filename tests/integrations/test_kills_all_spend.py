"""A run of all spend that is killed between the steps of GMV Max."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest

import test_kill
from adreel.lake import Lake
from outside import Outside, until
from running import left_behind, run, table

outside = test_kill.outside


@pytest.mark.parametrize("enough", [30])
def test_a_run_of_all_spend_that_is_killed_resumes_to_the_same_table(outside: Outside, enough: int) -> None:
    home = outside.home
    file = home.path / "all.yaml"

    def write(name: str) -> str:
        values: dict[str, Any] = {"name": name, "account": "demo", "report": "all_spend"}
        values |= {"metrics": ["campaign_name", "spend", "orders"], "dates": {"start": "today-92", "end": "today-3"}}
        file.write_text(json.dumps(values), "utf-8")
        return str(file)

    whole = run(home, write("Whole"))
    every = outside.asked()
    with outside.start("run", "-f", write("Killed")) as process:
        until(lambda: outside.asked() >= every + enough or process.poll() is not None, every=0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    # The server still answers what the process had asked for.
    time.sleep(0.3)
    before, parts = outside.asked(), len(list(home.path.glob("lake/_runs/*/*/*/*.arrow")))
    assert parts
    report = run(home, str(file))
    assert (report.resumed, report.version, report.verification["verified"]) == (True, 0, True)
    assert outside.asked() - before <= every - parts
    key = [(name, "ascending") for name in ("advertiser_id", "campaign_id", "stat_time_day")]
    assert table(home, "killed").sort_by(key).equals(table(home, "whole").sort_by(key))
    assert report.verification["totals"] == whole.verification["totals"]
    assert len(Lake(home.path / "lake").versions("killed")) == 1
    assert left_behind(home) == []
