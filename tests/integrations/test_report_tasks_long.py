"""Report tasks over two years, and in a process that is killed while a task is queued."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

from home import make_home
from outside import made_outside, until
from running import left_behind, run, table

KEYS = {"name": "Spend", "include_deleted": False, "metrics": ["spend", "impressions", "clicks"]}


def test_two_years_take_a_quarter_of_the_requests_of_pages(tmp_path: Path) -> None:
    # Pages of 200 rows for 40 ads are as many as those of 1,000 rows for 200 ads.
    home = make_home(tmp_path / "home", ads=40, advertisers=2, plain=True, days=740)
    home.add_account()
    home.door("trouble", {"kind": "cap", "path": "integrated", "rows": 200, "times": 0})
    keys = KEYS | {"dates": {"start": "today-730", "end": "yesterday"}}
    by_task = run(home, home.file(reading="tasks", **keys))
    in_pages = run(home, home.file(reading="pages", **keys))
    assert in_pages.requests == 2 * (24 * 6 + 2)
    assert by_task.requests <= in_pages.requests / 4
    assert by_task.rows == in_pages.rows == 2 * 730 * 40
    assert table(home, version=0).equals(table(home, version=1))


def test_a_run_that_is_killed_while_a_task_is_queued_continues_with_the_same_task(tmp_path: Path) -> None:
    with made_outside(tmp_path / "home") as outside:
        home = outside.home
        home.door("trouble", {"kind": "cap", "path": "integrated", "rows": 10, "times": 0})
        file = home.file(reading="tasks", **KEYS, dates={"start": "today-100", "end": "yesterday"})
        parts = home.path / "lake" / "_runs"
        with outside.start("run", "-f", file) as process:
            until(lambda: len(list(parts.glob("*/*/task-*.json"))) == 3 or process.poll() is not None, every=0.01)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        before = Counter(request["path"] for request in home.requests("report"))
        report = run(home, file)
        after = Counter(request["path"] for request in home.requests("report")) - before
    assert (report.resumed, report.state, left_behind(home)) == (True, "verified", [])
    assert (before["report/task/create/"], after["report/task/create/"], after["report/task/download/"]) == (3, 0, 3)
