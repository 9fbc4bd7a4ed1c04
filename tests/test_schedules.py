"""Schedules through the front doors: pages, API and command line."""

from __future__ import annotations

import re
from typing import Any

from adreel.store import Level, Role
from adreel.web.forms.fields import fields_of
from api_home import SPEND, program
from home import Home
from web_home import Site, words_of

DAILY: dict[str, Any] = SPEND | {"schedule": {"every": "day", "at": "06:30"}}


def test_pages_api_and_command_line_say_the_same_of_a_schedule(site: Site, home: Home) -> None:
    site.store.workspace.set(zone="Europe/Berlin")
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=DAILY)
    by_api = asking.get("/datasets/spend/schedule")
    by_command = home.json("schedules", "show", "spend")
    assert {name: by_command[name] for name in by_api} == by_api
    assert by_api["load"].endswith("on a day with 1 run")
    assert by_api["words"] == "Every day at 06:30 UTC"
    assert len(by_api["next"]) == 5
    assert by_api["next"][0] == {"utc": "2026-11-23T06:30:00Z", "local": "2026-11-23T07:30:00+01:00"}
    meant = ("words", "notes", "next", "runs_per_day", "zone")
    explained = asking.good("POST", "/schedules/explain", json={"schedule": DAILY["schedule"]})
    explained_by_command = home.json("schedules", "explain", "--every", "day", "--at", "06:30")
    assert explained == explained_by_command == {name: by_api[name] for name in meant}
    pairs = fields_of(DAILY).values
    form = site.visit("admin").fragment("POST", "/datasets/form", {name: list(given) for name, given in pairs.items()})
    page = words_of(form.text)
    assert "Every day at 06:30 UTC" in page
    assert by_api["load"][1:] in page
    for time in by_api["next"]:
        utc, local = (re.sub("T", " ", time[zone])[:16] for zone in ("utc", "local"))
        assert re.search(rf"{utc}\s+\w+ {local}", page), (utc, local)
    overview = site.visit("admin").words("/datasets/spend")
    assert "Every day at 06:30 UTC" in overview
    assert re.search(r"Next run: Mon 2026-11-23 06:30 UTC +\( ?2026-11-23 07:30 Europe/Berlin", overview)


def test_a_schedule_is_set_listed_paused_and_resumed_from_the_command_line(site: Site, home: Home) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND | {"stale_after": "2 days"})
    assert home.json("schedules", "list") == []
    shown = home.good("schedules", "set", "spend", "--every", "6 hours", "--between", "8-20", "--retries", "0")
    assert "Every 6 hours between 08:00 and 20:00 UTC." in shown.stdout
    assert "the stale warning is removed" in shown.stderr
    file = asking.get("/datasets/spend")["file"]
    assert (file["schedule"], file["retry"]) == ({"every": "6 hours", "between": "8-20"}, False)
    assert "stale_after" not in file
    (listed,) = home.json("schedules", "list")
    assert (listed["dataset"], listed["next"]["utc"], listed["paused_at"]) == ("spend", "2026-11-22T14:00:00Z", None)
    home.good("schedules", "pause", "spend")
    paused = home.good("schedules", "show", "spend").stdout
    assert paused.startswith("Paused since 2026-11-22 12:00 UTC.")
    assert "next runs if resumed now (UTC)" in " ".join(paused.split())
    (listed,) = home.json("schedules", "list")
    assert (listed["next"], listed["paused_at"]) == (None, "2026-11-22T12:00:00Z")
    assert [asking.get("/datasets", **query)["total"] for query in ({"paused": True}, {"scheduled": True})] == [1, 0]
    home.now = home.now.replace(hour=15)
    assert "Next run: 2026-11-23 08:00 UTC" in home.good("schedules", "resume", "spend").stderr
    assert "Every 6 hours between 09:00 and 20:00" in home.good("schedules", "set", "spend", "--between", "9-20").stdout
    assert (
        "--cron and --every cannot be"
        in home.bad("schedules", "set", "spend", "--cron", "0 6 * * *", "--every", "day")[1]
    )
    home.good("schedules", "set", "spend", "--cron", "0 6 * * *")
    assert "--at needs --every" in home.bad("schedules", "set", "spend", "--at", "07:00")[1]
    home.good("schedules", "set", "spend", "--manual", "--stale-after", "1 week", "--retries", "2")
    file = asking.get("/datasets/spend")["file"]
    assert (file["stale_after"], file["retry"]["times"], file["schedule"]) == ("1 week", 2, "manual")
    assert "is updated manually" in home.bad("schedules", "pause", "spend")[1]


def test_a_wrong_schedule_is_refused_with_its_field_everywhere(site: Site, home: Home) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    reason = "'25' is not valid as hour"
    assert reason in home.bad("schedules", "explain", "0 25 * * *")[1]
    assert reason in home.bad("schedules", "set", "spend", "0 25 * * *")[1]
    assert reason in home.bad("schedules", "set", "spend", "--cron", "0 25 * * *")[1]
    assert "once" in home.bad("schedules", "set", "spend", "0 6 * * *", "--cron", "0 7 * * *")[1]
    assert "At 06:00" in home.good("schedules", "explain", "--cron", "0 6 * * *").stdout
    error = asking.bad("POST", "/schedules/explain", 422, json={"schedule": "0 25 * * *"})
    assert reason in error["problems"][0]["reason"]
    error = asking.bad("PATCH", "/datasets/spend", 422, json={"schedule": {"cron": "0 25 * * *"}})
    assert error["problems"][0]["menu"] == "schedule.cron"
    assert "cannot be combined" in home.bad("schedules", "set", "spend", "--manual", "--every", "day")[1]


def test_only_who_may_edit_a_dataset_pauses_it_and_the_page_says_since_when(site: Site) -> None:
    program(site).good("POST", "/datasets", 201, json=DAILY)
    editor = site.visit("admin")
    assert editor.sent("/datasets/spend/pause") == "/datasets/spend"
    assert "Paused since 2026-11-22 12:00" in editor.words("/datasets/spend")
    by_api = program(site).get("/datasets/spend/schedule")
    by_command = site.home.json("schedules", "show", "spend")
    assert {name: by_command[name] for name in by_api} == by_api
    assert (by_api["next"], by_api["next_if_resumed"][0]["utc"]) == ([], "2026-11-23T06:30:00Z")
    pane = editor.words("/datasets/spend/settings")
    assert "The schedule is paused: no scheduled runs start until you resume it on Overview" in pane
    assert "Next runs if resumed now (UTC)" in pane
    assert "Schedule paused since" in editor.words("/datasets", paused="1")
    viewer = site.user("somebody", Role.VIEWER)
    site.store.shares.set(site.store.accounts.get("demo"), viewer, Level.READ)
    assert "Resume schedule" not in site.visit(viewer).words("/datasets/spend")
    assert site.visit(viewer).post("/datasets/spend/resume").status_code == 403
    program(site, viewer).bad("POST", "/datasets/spend/resume", 403)
    editor.sent("/datasets/spend/resume")
    assert site.store.datasets.get("spend").paused_at is None
