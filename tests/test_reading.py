"""The choice between pages and report tasks, as the plan, the command line, the API and the form give it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adreel.advertisers import Advertiser
from adreel.datasets.dataset import Source
from adreel.datasets.validation import parse
from adreel.pipeline.estimate import Estimate, estimate, size_of_run
from adreel.pipeline.plan import make_plan
from adreel.tiktok.rate_limit import limits_for
from api_home import program
from home import SPEND, Home
from web_home import Site

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TWO_YEARS = {"start": "today-730", "end": "yesterday"}


def estimated(
    advertisers: int = 10, ads: int = 200, *, sized: bool = True, level: str = "basic", **changes: Any
) -> Estimate:
    """The estimate of a plan over ad accounts with so many ads, each of which has a row on each day."""
    values = SPEND | {"dates": TWO_YEARS, "include_deleted": False} | changes
    dataset = parse(Source(values, {}), NOW)
    accounts = [Advertiser(str(number), "Shop", "USD", timedelta()) for number in range(advertisers)]
    plan = make_plan(dataset, accounts, NOW)
    week = make_plan(
        parse(Source(values | {"dates": {"start": "today-7", "end": "yesterday"}}, {}), NOW), accounts, NOW
    )
    rows = {account.id: 7 * ads for account in accounts}
    size = replace(size_of_run(week, 1, "r", 20, rows, own_dates=True), dataset_name="Spend")
    return estimate(plan, [size] if sized else [], (), 0, limits_for(level))


def test_two_years_of_ten_ad_accounts_take_a_quarter_of_the_requests_of_pages() -> None:
    for metrics in (["spend", "impressions", "clicks"], ["spend", "conversion"]):
        by_task, in_pages = (estimated(metrics=metrics, reading=reading) for reading in ("automatic", "pages"))
        assert in_pages.requests == 10 * (24 * 6 + 2)
        assert by_task.requests <= in_pages.requests / 4
        assert (by_task.choice.tasks, by_task.choice.page_requests) == (True, in_pages.requests)
        assert by_task.seconds > in_pages.seconds


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"reading": "pages"}, ""),
        ({"sized": False}, ""),
        ({"advertisers": 2}, ""),
        ({"ads": 30}, ""),
        ({"dates": {"start": "today-30", "end": "yesterday"}}, ""),
        ({"include_deleted": True}, "does not document that report tasks have deleted ads"),
        ({"targeting_dimension": "country_code"}, ""),
        ({"time_dimension": "hour"}, ""),
        ({"metrics": ["impressions", "clicks"]}, ""),
        ({"metrics": ["spend", "billed_cost"]}, ""),
        ({"metrics": ["reach"]}, ""),
        ({"service_type": "reservation"}, ""),
        ({"report_type": "audience", "audience_dimensions": ["age"], "metrics": ["spend"]}, ""),
    ],
)
def test_pages_are_chosen_unless_tasks_surely_save_much(changes: dict[str, Any], text: str) -> None:
    choice = estimated(**changes).choice
    assert (choice.tasks, text in choice.text, bool(text) == bool(choice.text)) == (False, True, True)


@pytest.mark.parametrize(
    ("changes", "tasks", "text"),
    [
        ({}, True, "Reads with report tasks. With report tasks for all but the last 33 days: about 360 requests and"),
        ({"include_deleted": True}, True, "With pages alone: about 1,460 requests and 2 min 26 s."),
        ({"sized": False}, True, "The number of rows is not known yet."),
        ({"ads": 30}, False, "report tasks would not take fewer requests"),
        ({"dates": {"start": "today-30", "end": "yesterday"}}, False, "do not read the last 33 days"),
        ({"metrics": ["spend", "billed_cost"]}, False, "report tasks do not have billed_cost"),
        ({"metrics": ["reach"]}, False, "no metric has totals"),
    ],
)
def test_a_dataset_may_ask_for_tasks(changes: dict[str, Any], tasks: bool, text: str) -> None:
    choice = estimated(reading="tasks", **changes).choice
    assert (choice.tasks, text in choice.text) == (tasks, True), choice.text


def test_tasks_that_would_take_long_are_not_chosen() -> None:
    assert estimated(advertisers=48).choice.tasks
    slow = estimated(advertisers=80, level="ultimate").choice
    assert not slow.tasks
    assert "report tasks would take longer" in slow.text


# -- every way in


def test_the_plan_has_the_same_choice_everywhere_and_files_keep_the_option(site: Site, tmp_path: Path) -> None:
    home, asking = site.home, program(site)
    keys = SPEND | {"dates": {"start": "today-104", "end": "yesterday"}, "reading": "tasks"}
    asking.good("POST", "/datasets", 201, json=keys)
    home.good("accounts", "advertisers", "demo")
    text = "Reads all but the last 33 days with report tasks where these take fewer requests than pages."
    plan = home.json("plan", "spend")["reading"]
    assert (plan["way"], text in plan["text"], plan["page_requests"]) == ("tasks", True, None)
    assert asking.get("/datasets/spend/plan")["reading"] == plan
    assert asking.good("POST", "/datasets/plan", json=keys)["reading"] == plan
    for words in (
        " ".join(home.good("plan", "spend").output.split()),
        site.visit("admin").words("/datasets/spend/next"),
        site.visit("admin").words("/datasets/spend/settings"),
    ):
        assert text in words
    assert "Reading: Report tasks" in site.visit("admin").words("/datasets/spend/settings")
    file = tmp_path / "spend.yaml"
    file.write_text(asking.ask("GET", "/datasets/spend/file").text)
    assert "reading: tasks" in file.read_text()
    before = site.store.datasets.get("spend").request_version
    asking.good("PUT", "/datasets/spend", json=keys | {"reading": "pages"})
    assert site.store.datasets.get("spend").request_version == before
    home.good("datasets", "edit", "spend", "-f", str(file))
    assert home.json("plan", "spend")["reading"]["way"] == "tasks"


def test_the_option_is_for_daily_basic_reports(home: Home) -> None:
    assert "reading" in home.bad("validate", "-f", home.file(reading="tasks", time_dimension="hour"))[1]
    assert "reading" in home.bad("validate", "-f", home.file(reading="quickly"))[1]
    home.good("validate", "-f", home.file(reading="automatic"))


def test_a_backfill_with_tasks_has_long_slices(home: Home) -> None:
    days = ("--start", "today-800", "--end", "yesterday")
    method = {"update": {"method": "partition"}}
    home.good("accounts", "advertisers", "demo")
    for reading, slice_days in (("pages", 90), ("tasks", 720)):
        home.good("datasets", "create", "-f", home.file(name=reading, reading=reading, **method))
        assert home.json("backfill", reading, *days)["slice_days"] == slice_days
