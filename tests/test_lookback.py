"""Days that are read again while TikTok changes them, and days that it has not completed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adreel.datasets.files import read
from adreel.datasets.validation import check
from home import Home, make_home
from running import table

METRICS = ["spend", "impressions", "conversion", "cost_per_conversion", "reach"]
YESTERDAY: dict[str, Any] = {"metrics": METRICS, "dates": {"date": "yesterday"}}


@pytest.fixture
def late(tmp_path: Path) -> Home:
    """A world whose conversions arrive for seven days, and whose ad accounts are in several zones."""
    home = make_home(tmp_path / "home", restate_days=7, ads=8)
    home.add_account()
    return home


def run_daily(home: Home, days: int, *files: str) -> None:
    for _ in range(days):
        for file in files:
            home.good("run", "-f", file)
        home.later(1)


def named(home: Home, name: str, **keys: Any) -> str:
    return home.file(f"{name}.yaml", name=name, **YESTERDAY | keys)


def test_lookback_adds_no_day_before_the_first_one_of_the_table(late: Home) -> None:
    file = named(late, "spend", update={"method": "partition"})
    run_daily(late, 3, file)
    assert {row["stat_time_day"] for row in table(late).to_pylist()} == {date(2026, 11, day) for day in (21, 22, 23)}
    assert "2026-11-21" in late.good("plan", "spend").stdout
    first = [request["params"]["start_date"] for request in late.requests()]
    assert min(first) == "2026-11-21"


def test_a_day_without_rows_at_first_is_read_again(tmp_path: Path) -> None:
    """Audience rows of yesterday may not be there yet, so that the table has no such day."""
    home = make_home(tmp_path / "home", advertisers=1, ads=8, restate_days=7)
    home.add_account()
    home.now = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
    home.door("now", {"today": "2026-11-22", "hour": 0})
    keys: dict[str, Any] = {
        "report_type": "audience",
        "audience_dimensions": ["gender"],
        "metrics": ["spend", "impressions"],
        "dates": {"date": "today"},
        "update": {"method": "partition"},
    }
    file = home.file("early.yaml", name="early", **keys)
    report = home.json("run", "-f", file)
    assert report["rows"] == 0
    home.later(2)
    home.good("run", "-f", file)
    assert date(2026, 11, 22) in {row["stat_time_day"] for row in table(home, "early").to_pylist()}


def test_a_backfill_has_no_lookback_and_a_fixed_start_keeps_its_days(late: Home) -> None:
    file = named(late, "spend", update={"method": "upsert"})
    run_daily(late, 3, file)
    plan = late.json("plan", "spend", "--start", "yesterday", "--end", "yesterday")
    assert {day["start"] for day in plan["days"]} == {"2026-11-24"}
    assert plan["lookback"] is None
    late.good("run", "-f", named(late, "spend", dates={"start": "2026-11-24", "end": "today"}))
    assert {day["start"] for day in late.json("plan", "spend")["days"]} == {"2026-11-24"}


def test_the_plan_says_what_lookback_costs_and_why(late: Home) -> None:
    file = named(late, "spend", update={"method": "upsert", "lookback": 28})
    before = late.json("plan", "-f", file)["lookback"]
    assert (before["days"], before["default"], before["next_run"]) == (28, 7, False)
    assert "28 days" in before["text"]
    assert "conversions" in before["text"]
    hourly = named(late, "hours", time_dimension="hour", metrics=["spend"], update={"method": "partition"})
    run_daily(late, 3, hourly)
    after = late.json("plan", "hours")
    assert (after["lookback"]["days"], after["lookback"]["next_run"]) == (2, True)
    # A request for each hour report of a day: one more day in each of three ad accounts.
    assert after["lookback"]["requests"] == 3
    assert "3 more requests" in late.good("plan", "hours").stderr


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"update": {"method": "append", "lookback": 7}}, "not available with append"),
        ({"update": {"method": "replace", "lookback": 7}}, "not available with replace"),
        ({"update": {"method": "upsert", "lookback": 7}, "time_dimension": "none"}, "not available without a time"),
        ({"update": {"method": "upsert", "lookback": 29}}, "not a number of days from 0 to 28"),
        ({"update": {"method": "upsert", "lookback": "-1"}}, "not a number of days from 0 to 28"),
        ({"update": {"method": "upsert"}, "lookback": 7}, "write it inside update"),
    ],
)
def test_lookback_is_refused_where_it_cannot_be_right(tmp_path: Path, keys: dict[str, Any], reason: str) -> None:
    home = make_home(tmp_path / "home")
    problems = check(read(Path(home.file(**keys)).read_text())).problems
    assert [problem.reason for problem in problems if reason in problem.reason], problems


# -- incomplete days

AUDIENCE: dict[str, Any] = {
    "name": "Gender",
    "report_type": "audience",
    "audience_dimensions": ["gender"],
    "metrics": ["spend", "impressions"],
    "dates": {"start": "today-2", "end": "yesterday"},
}


def test_yesterdays_audience_data_is_not_plainly_verified_before_it_is_complete(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=8)
    home.add_account()
    file = home.file("gender.yaml", **AUDIENCE)
    plan = home.json("plan", "-f", file)
    [offset] = {int(day["timezone"][3:6]) for day in plan["days"]}
    due = datetime(2026, 11, 22, tzinfo=UTC) + timedelta(hours=16 - offset)
    at = f"complete on {due:%Y-%m-%d} at {due:%H:%M} UTC"
    home.now = due - timedelta(minutes=1)
    home.door("now", {"today": f"{home.now:%Y-%m-%d}", "hour": home.now.hour})
    early = home.json("run", "-f", file)
    assert early["state"] == "verified_with_warnings"
    assert [day["day"] for day in early["verification"]["incomplete"]] == ["2026-11-21"]
    [warning] = early["warnings"]
    assert at in warning
    assert "1 day incomplete" in home.good("history", "gender", "--run", early["run_id"]).output
    home.now = due
    home.door("now", {"today": f"{home.now:%Y-%m-%d}", "hour": home.now.hour})
    complete = home.json("run", "-f", file)
    assert (complete["state"], complete["verification"]["incomplete"]) == ("verified", [])
    # What was added meanwhile was no restatement.
    change = home.json("diff", "gender", "0", "1")
    assert {day["kind"] for day in change["days"]} == {"incomplete"}
    home.later(7)
    home.now = due + timedelta(days=7)
    assert home.json("run", "-f", file)["verification"]["incomplete"] == []


@pytest.mark.parametrize(
    ("keys", "state"),
    [
        ({"schedule": {"every": "day", "at": "18:00"}}, "verified"),
        # No run reads the day again after it is complete, unless a person starts one.
        ({"update": {"method": "partition"}}, "verified_with_warnings"),
        ({"schedule": {"every": "week", "on": "monday"}}, "verified_with_warnings"),
        ({"schedule": {"every": "day"}, "dates": {"period": "yesterday"}}, "verified_with_warnings"),
        ({"schedule": {"every": "day"}, "update": {"method": "append"}}, "verified_with_warnings"),
    ],
    ids=str,
)
def test_an_incomplete_day_that_a_later_run_reads_again_is_a_note_and_not_a_warning(
    late: Home, keys: dict[str, Any], state: str
) -> None:
    ran = late.json(
        "run",
        "-f",
        late.file(
            "again.yaml", **(AUDIENCE | {"name": "Again", "dates": {"start": "today-5", "end": "yesterday"}} | keys)
        ),
    )
    assert ran["state"] == state
    assert {day["day"] for day in ran["verification"]["incomplete"]} == {"2026-11-21"}
    assert [text for text in ran["notes" if state == "verified" else "warnings"] if "Not complete yet" in text]


def test_today_and_unique_users_are_said_to_be_incomplete(late: Home) -> None:
    today = late.json("run", "-f", late.file(dates={"start": "today-1", "end": "today"}, metrics=["spend", "reach"]))
    assert today["state"] == "verified"
    parts = {(day["day"], tuple(day["metrics"])) for day in today["verification"]["incomplete"]}
    assert {("2026-11-22", ()), ("2026-11-21", ("reach",))} <= parts
    [note] = [note for note in today["notes"] if note.startswith("Not complete yet")]
    assert "Reach of 2026-11-21" in note
    settled = late.json("run", "-f", late.file("b.yaml", name="b", dates={"start": "today-3", "end": "today-2"}))
    assert settled["verification"]["incomplete"] == []
    assert not settled["notes"]


def test_entity_lists_have_no_incomplete_days(late: Home) -> None:
    path = late.path / "ads.yaml"
    path.write_text(json.dumps({"name": "Ads", "account": "demo", "report": "ads"}))
    assert late.json("run", "-f", str(path))["verification"]["incomplete"] == []
