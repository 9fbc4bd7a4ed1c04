"""Report tasks: the same rows as pages, fewer requests, and no wrong number from what TikTok may send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from adreel.errors import CancelledError
from adreel.pipeline.run import Watch
from adreel.store import Store
from home import Home, copied, make_home
from running import Hurry, latest, left_behind, log_of, metrics_of_ads, run, settings_of, table

DAYS = {"start": "today-104", "end": "yesterday"}
LAST = "2026-11-21"
SETTLED = 3
"""Requests of each ad account whose days tasks may read; a fourth has the last days."""

ADS, ROWS = 30, 50
ADVERTISERS = 1
KEYS: dict[str, Any] = {
    "dates": DAYS,
    "include_deleted": False,
    "metrics": ["ad_name", "spend", "impressions", "clicks"],
}


def capped(home: Home) -> Home:
    """Short pages, so that small reports have many."""
    home.door("trouble", {"kind": "cap", "path": "integrated", "rows": ROWS, "times": 0})
    return home


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that nobody works in, so that nothing is known of the number of rows."""
    home = make_home(tmp_path_factory.mktemp("original") / "home", ads=ADS, advertisers=ADVERTISERS)
    home.add_account()
    return home


@pytest.fixture(scope="module")
def expected(original: Home, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The rows as pages have them."""
    home = capped(copied(original, tmp_path_factory.mktemp("pages") / "home"))
    report = run(home, home.file(name="Spend", reading="pages", **KEYS))
    assert (report.state, home.requests("task")) == ("verified", [])
    return table(home)


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    return capped(copied(original, tmp_path / "home"))


def calls(home: Home) -> Counter[str]:
    """The requests of tasks by what they do."""
    return Counter(request["path"].split("/")[2] for request in home.requests("task"))


def read_by_task(home: Home) -> int:
    """Requests of the last run whose first page alone was read."""
    pages = Counter((request["advertiser"], request["params"]["start_date"]) for request in home.requests())
    return sum(count == 1 for count in pages.values())


SYNCHRONOUS = {"billed_cost", "minis_name", "optimization_event"}


def read_in_pages(home: Home) -> int:
    """The pages of days that tasks do not read."""
    return sum(request["params"]["end_date"] == LAST for request in home.requests())


REPORTS: dict[str, dict[str, Any]] = {
    "ad accounts": {"data_level": "advertiser", "metrics": ["advertiser_name", "spend", "reach", "conversion"]},
    "days of ad accounts": {"data_level": "advertiser", "id_dimension": "none", "metrics": ["spend", "clicks"]},
    "campaigns": {"data_level": "campaign", "metrics": ["campaign_name", "spend", "result", "cpc"]},
    "ad groups": {"data_level": "adgroup", "metrics": ["adgroup_name", "budget", "spend", "frequency"]},
    "Smart+ ads": {"id_dimension": "ad_id_v2", "metrics": ["spend", "video_watched_2s"]},
    "deleted ads": {"include_deleted": True},
    "every kind of metric": {"metrics": [name for name in metrics_of_ads(100) if name not in SYNCHRONOUS]},
}


@pytest.mark.parametrize("report", REPORTS)
def test_tasks_have_the_rows_of_pages(home: Home, report: str) -> None:
    keys = KEYS | {"name": "Spend"} | REPORTS[report]
    home.door("calm", {})
    rows = {"advertiser": 5, "campaign": 10, "adgroup": 40, "ad": ROWS}[keys.get("data_level", "ad")]
    home.door("trouble", {"kind": "cap", "path": "integrated", "rows": rows, "times": 0})
    home.door("tasks", {"statuses": "accept"})
    by_task = run(home, home.file(reading="tasks", **keys))
    assert (calls(home)["download"], read_by_task(home) > 0) == (ADVERTISERS, True), log_of(home)
    in_pages = run(home, home.file(reading="pages", **keys))
    assert by_task.requests < in_pages.requests
    assert (by_task.state, by_task.verification) == ("verified", in_pages.verification)
    assert table(home, version=0).equals(table(home, version=1))
    assert left_behind(home) == []


TROUBLES: dict[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
    "half of the rows": ("the report task has", {}, {"kind": "drop", "rows": 500}),
    "a row less": ("the report task has", {}, {"kind": "drop", "rows": 1}),
    "a row twice": ("the report task has", {}, {"kind": "repeat", "rows": 1}),
    "another sum": ("TikTok's totals", {}, {"kind": "value", "field": "impressions", "value": "7"}),
    "other money": ("TikTok's totals", {}, {"kind": "value", "field": "spend", "value": "99999.99", "rows": 99}),
    "money without decimals": (
        "TikTok's first page",
        {},
        {"kind": "value", "field": "spend", "value": "3", "rows": 2000},
    ),
    "a part of a click": ("unknown values of clicks", {}, {"kind": "value", "field": "clicks", "value": "1.5"}),
    "an id of a float": ("without a valid primary key", {}, {"kind": "value", "field": "ad_id", "value": "1.7e+18"}),
    "another ad": ("TikTok's first page", {}, {"kind": "value", "field": "ad_id", "value": "17", "rows": 2000}),
    "another day": ("was not requested", {}, {"kind": "value", "field": "stat_time_day", "value": "2020-01-01"}),
    "a file without its end": ("the report task has", {}, {"kind": "truncate", "change": 4}),
    "other columns": ("the file has the columns", {}, {"kind": "data", "value": "ad_id,spend\n1,2\n"}),
    "an empty file": ("the file has the columns (none)", {}, {"kind": "truncate", "change": 10**9}),
    "an envelope": ("TikTok sent no file", {}, {"kind": "data", "value": '{"code":0,"data":{}}'}),
    "a page of a proxy": ("HTTP 200", {}, {"kind": "html", "status": 200}),
    "tasks that fail": ("Too many rows.", {"fails": True, "message": "Too many rows."}, {}),
    "tasks that never end": ("not ready after", {"polls": 10_000}, {}),
    "days that are refused": ("TikTok creates no report task", {"ranged": True}, {}),
    "days that are left out": ("the report task has", {"clipped": True}, {}),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_a_task_sends_the_rows_are_those_of_pages(home: Home, expected: pa.Table, trouble: str) -> None:
    reason, orders, fault = TROUBLES[trouble]
    home.door("tasks", orders)
    if fault:
        home.door("trouble", {"path": "task/download", "times": 0, **fault})
    report = run(home, home.file(name="Spend", reading="tasks", **KEYS))
    assert any(reason in line for line in log_of(home)), log_of(home)
    assert (report.state, report.verification["verified"]) == ("verified", True)
    assert table(home).equals(expected)
    assert calls(home)["create"] <= 2 * ADVERTISERS


def test_a_small_fault_costs_the_pages_of_its_days_only(home: Home, expected: pa.Table) -> None:
    home.door("trouble", {"path": "task/download", "kind": "drop", "rows": 1, "times": 1})
    run(home, home.file(name="Spend", reading="tasks", **KEYS))
    assert table(home).equals(expected)
    assert read_by_task(home) == ADVERTISERS * SETTLED - 1


@pytest.mark.parametrize(("statuses", "by_task"), [("refuse", 0), ("ignore", 0)])
def test_deleted_ads_that_tasks_lack_are_read_in_pages(home: Home, statuses: str, by_task: int) -> None:
    home.door("tasks", {"statuses": statuses})
    keys = KEYS | {"name": "Spend", "include_deleted": True}
    run(home, home.file(reading="tasks", **keys))
    assert read_by_task(home) == by_task
    run(home, home.file(reading="pages", **keys))
    assert table(home, version=0).equals(table(home, version=1))


def test_figures_that_tiktok_restates_meanwhile_are_not_mixed(home: Home) -> None:
    home.door("tasks", {"stale_hours": 24 * 20})
    keys = KEYS | {"name": "Spend", "metrics": ["spend", "conversion"]}
    run(home, home.file(reading="tasks", **keys))
    assert 0 < read_by_task(home) < ADVERTISERS * SETTLED
    run(home, home.file(reading="pages", **keys))
    assert table(home, version=0).equals(table(home, version=1))


class KilledError(BaseException):
    """The process ends here."""


class Killing(Hurry):
    """Waits of which one ends the process."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    async def sleep(self, seconds: float) -> None:
        if self.passed >= self.at:
            raise KilledError
        await super().sleep(seconds)


def test_a_resumed_run_continues_with_the_same_tasks(home: Home, expected: pa.Table) -> None:
    home.door("tasks", {"polls": 5})
    file = home.file(name="Spend", reading="tasks", **KEYS)
    with pytest.raises(BaseException):  # noqa: B017, PT011  # an end of the process has no one form
        run(home, file, waits=Killing(20).waits())
    before = calls(home)
    assert (before["create"], before["download"]) == (ADVERTISERS, 0)
    pages = len(home.requests())
    report = run(home, file)
    assert (report.resumed, report.state) == (True, "verified")
    assert (calls(home)["create"], calls(home)["download"]) == (ADVERTISERS, ADVERTISERS)
    assert len(home.requests()) - pages == read_in_pages(home)
    assert table(home).equals(expected)


@pytest.mark.parametrize("polls", [3, 5])
def test_tasks_that_are_gone_when_the_run_is_resumed_are_created_again(
    home: Home, expected: pa.Table, polls: int
) -> None:
    home.door("tasks", {"polls": polls})
    file = home.file(name="Spend", reading="tasks", **KEYS)
    with pytest.raises(BaseException):  # noqa: B017, PT011  # an end of the process has no one form
        run(home, file, waits=Killing(14).waits())
    home.door("tasks", {"expired": True})
    assert run(home, file).resumed
    assert (calls(home)["create"], calls(home)["download"]) == (2 * ADVERTISERS, ADVERTISERS)
    assert table(home).equals(expected)


def test_cancelling_a_run_cancels_its_tasks(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adreel.pipeline.run.TICK", 0.001)
    home.door("tasks", {"polls": 10_000})
    tasks = home.world.state.simulator.tasks

    def cancel(_: object) -> None:
        if len(tasks) == ADVERTISERS:
            with Store.open(settings_of(home), clock=lambda: home.now) as store:
                store.runs.request_cancel(store.runs.list(store.datasets.get("spend"), limit=1)[0].id)

    with pytest.raises(CancelledError):
        run(home, home.file(name="Spend", reading="tasks", **KEYS), watch=Watch(progress=cancel))
    assert [task.canceled for task in tasks.values()] == [True] * ADVERTISERS
    assert (latest(home).state, left_behind(home)) == ("cancelled", [])
