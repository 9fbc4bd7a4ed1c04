"""The status of a home: the same facts on the page, in the API and on the command line, for each what they may see."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adreel.access import Actor, Guard
from adreel.monitoring.status import home_status
from adreel.store import Account, Level, RequestCounts, Role, RunOutcome, RunState
from adreel.store.file_locks import FileLocks
from home import Home
from test_metrics import add_worker, change
from web_home import Site, words_of


def state_of(site: Site, user: str | None = None) -> Any:
    actor = Actor(site.store.users.get(user) if user else None)
    return home_status(site.store, Guard(site.store, actor), site.settings, site.home.now)


def save(site: Site, *names: str) -> None:
    for name in names:
        site.home.good("datasets", "create", "-f", site.home.file(f"{name}.yaml", name=name))


@pytest.fixture
def busy(site: Site) -> Site:
    """A home in which something of everything goes on."""
    save(site, "Failed one", "Queued one", "Waiting one", "Fine one")
    store = site.store
    failed = store.runs.add(store.datasets.get("failed_one"), "a" * 16)
    store.runs.begin(failed.id)
    store.runs.finish(failed.id, RunOutcome(RunState.FAILED, error="TikTok <refused> it.", error_kind="StopError"))
    store.runs.add(store.datasets.get("queued_one"), "b" * 16)
    store.runs.add(store.datasets.get("waiting_one"), "c" * 16)
    change(
        site.home.path,
        "UPDATE runs SET attempt = 2, not_before = ? WHERE id LIKE 'c%'",
        site.home.now + timedelta(hours=1),
    )
    store.app_requests.add(site.settings.tiktok_app_id, RequestCounts(1_234, 5))
    add_worker(site.home.path, "w1", datetime.now(UTC))
    return site


def test_page_api_and_command_line_show_the_same_facts(busy: Site) -> None:
    visit = busy.visit("admin")
    api = visit.get("/api/v1/status").json()
    assert api == busy.home.json("status")
    page, printed = visit.words("/status"), " ".join(busy.home.good("status").stdout.split())
    facts = [text for run in api["queued"] for text in (run["dataset_name"], run["reason"])]
    facts += [text for entry in api["failing"] for text in (entry["dataset_name"], entry["label"], entry["words"])]
    facts += [str(api["workers"][0][name]) for name in ("host", "pid")]
    facts += [api["apps"][0]["app_id"], f"{sum(period['sent'] for period in api['apps'][0]['periods']):,}"]
    assert len(facts) > 9
    for fact in facts:
        assert fact in page, fact
        assert fact in printed, fact
    assert "Fine one" not in page + printed
    assert [(run["dataset"], run["position"], run["reason"]) for run in api["queued"]] == [
        ("queued_one", 1, "It starts within seconds."),
        ("waiting_one", 2, f"Attempt 2 starts after {busy.home.now + timedelta(hours=1):%Y-%m-%d %H:%M} UTC."),
    ]


def test_the_chart_has_the_requests_of_a_day_by_five_minutes(busy: Site) -> None:
    page = busy.visit("admin").good("/status")
    chart = chart_on(page)
    sent, refused = chart["panels"][0]["series"]
    assert [series["name"] for series in (sent, refused)] == ["Sent", "Refused"]
    assert {len(series["values"]) for series in (sent, refused)} == {len(chart["x"]["values"])} == {288}
    # Three requests connected the account of the home, five minutes of simulated time before or after nothing.
    assert sum(sent["values"]) - sent["values"][-1] == 0
    assert sent["values"][-1] >= 1_234
    assert refused["values"][-1] == 5
    table = re.findall(r"<table.*?</table>", page.split('class="chart-table"')[1], re.DOTALL)[0]
    assert f"{sent['values'][-1]:,} 5 1,500,000" in words_of(table)


def test_the_chart_shows_the_limit_once_a_tenth_of_it_was_sent(busy: Site) -> None:
    limit = 5_000 * 60 * 5
    busy.store.app_requests.add(busy.settings.tiktok_app_id, RequestCounts(limit // 10, 0))
    series = chart_on(busy.visit("admin").good("/status"))["panels"][0]["series"]
    assert [line["name"] for line in series] == ["Sent", "Refused", "Limit"]
    assert set(series[-1]["values"]) == {limit}


def chart_on(page: str) -> Any:
    (chart,) = [json.loads(html.unescape(text)) for text in re.findall(r'data-chart="([^"]*)"', page)]
    return chart


def test_requests_leave_the_day_period_by_period(site: Site) -> None:
    before = sum(period.sent for period in state_of(site).apps[0].periods)
    site.store.app_requests.add(site.settings.tiktok_app_id, RequestCounts(10, 0))
    assert sum(period.sent for period in state_of(site).apps[0].periods) == before + 10
    site.home.now += timedelta(hours=23, minutes=54)
    assert sum(period.sent for period in state_of(site).apps[0].periods) == before + 10
    assert state_of(site).apps[0].sent_today == 0
    site.home.now += timedelta(minutes=6)
    assert sum(period.sent for period in state_of(site).apps[0].periods) == 0


def test_everyone_sees_only_what_is_shared_with_them(busy: Site) -> None:
    for name, role in (("eve", Role.EDITOR), ("vic", Role.VIEWER)):
        busy.user(name, role)
        stranger = busy.visit(name)
        state = stranger.get("/api/v1/status").json()
        assert [state[key] for key in ("running", "queued", "failing", "accounts", "apps", "workers")] == [
            [],
            [],
            [],
            [],
            [],
            None,
        ]
        page = stranger.good("/status")
        for hidden in ("Queued one", "Failed one", "host-1", busy.settings.tiktok_app_id):
            assert hidden not in page
    busy.store.shares.set(busy.store.accounts.get("demo"), busy.store.users.get("vic"), Level.READ)
    state = busy.visit("vic").get("/api/v1/status").json()
    assert [run["position"] for run in state["queued"]] == [1, 2]
    assert len(state["failing"]) == len(state["apps"]) == 1
    assert state["workers"] is None
    assert busy.visit().get("/api/v1/status").status_code == 401


def test_positions_count_runs_that_a_person_cannot_see(busy: Site) -> None:
    user = busy.user("eve")
    other = busy.store.accounts.add("other", token="t", app_id="app-2", base_url="http://127.0.0.1/v1.3", user=user)
    own = busy.store.datasets.create("Own", account=other, spec='{"report": "performance"}', owner=user)
    busy.store.runs.add(own, "d" * 16)
    state = state_of(busy, "eve")
    assert [(run.dataset, run.position) for run in state.queued] == [("own", 3)]
    assert state.queued_total == 1
    assert [app.app_id for app in state.apps] == ["app-2"]


def test_each_queued_run_says_why_it_waits(site: Site) -> None:
    save(site, "Spend")
    saved = site.store.datasets.get("spend")
    site.store.runs.add(saved, "a" * 16)
    assert "No worker is running." in state_of(site).queued[0].reason
    add_worker(site.home.path, "w1", datetime.now(UTC))
    assert state_of(site).queued[0].reason == "It starts within seconds."
    change(site.home.path, "UPDATE runs SET worker = 'w1', created_at = ?", site.home.now)
    assert state_of(site).queued[0].reason == "A worker has taken it and starts it."
    assert state_of(site).workers[0].runs == 1


def test_a_run_in_progress_is_shown_until_its_process_is_gone(site: Site) -> None:
    save(site, "Spend")
    saved = site.store.datasets.get("spend")
    site.store.runs.add(saved, "a" * 16)
    site.store.runs.begin("a" * 16)
    with FileLocks(site.home.path).dataset("spend", run_id="a" * 16):
        state = state_of(site)
        assert [(run.dataset, run.share) for run in state.running] == [("spend", 0.0)]
        assert state.failing == ()
        page = site.visit("admin").words("/status")
        assert "0 requests · 0 rows" in page
    state = state_of(site)
    assert state.running == ()
    assert [entry.status for entry in state.failing] == ["interrupted"]


def test_workers_at_work_are_named_as_the_reason(site: Site) -> None:
    save(site, "Spend", "Other")
    add_worker(site.home.path, "w1", datetime.now(UTC))
    for number in range(3):
        site.store.runs.add(site.store.datasets.get("spend"), f"{number}" * 16)
        site.store.runs.begin(f"{number}" * 16)
    change(site.home.path, "UPDATE runs SET worker = 'w1', created_at = ?", site.home.now)
    site.store.runs.add(site.store.datasets.get("other"), "a" * 16)
    site.store.runs.add(site.store.datasets.get("spend"), "b" * 16)
    assert [run.reason for run in state_of(site).queued] == [
        "The workers are busy: 3 runs at once.", "Another run of this dataset is in progress.",
    ]  # fmt: skip


def test_the_parts_of_the_page_reload_by_themselves(busy: Site) -> None:
    visit = busy.visit("admin")
    part = visit.part("/status").text
    assert part.lstrip().startswith('<div id="activity" hx-get="/status" hx-trigger="every 5s"')
    assert "data-chart" not in part
    assert "data-chart" in visit.part("/status/requests").text


def test_a_long_queue_is_listed_in_part_and_counted_whole(site: Site) -> None:
    save(site, "Spend")
    saved = site.store.datasets.get("spend")
    for number in range(103):
        site.store.runs.add(saved, f"{number:016x}")
    assert "The first 100 of 103 runs" in site.visit("admin").words("/status")
    assert "The first 100 of 103 queued runs." in site.home.good("status").stderr


def test_an_account_that_needs_reconnecting_is_named(site: Site) -> None:
    save(site, "Spend")
    change(site.home.path, "UPDATE accounts SET status = 'revoked', updated_at = ?", site.home.now)
    state = state_of(site)
    assert [(account.name, account.status) for account in state.accounts] == [("demo", "revoked")]
    assert [entry.status for entry in state.failing] == ["reconnect"]
    assert "The access token is revoked. Reconnect the account." in site.home.good("status").stdout


def test_a_home_without_anything_says_so(home: Home) -> None:
    assert "0 running, 0 queued, 0 datasets and 0 accounts to look at, 0 workers." in home.good("status").stderr


def test_ad_accounts_that_no_dataset_reads_are_named_with_a_way_to_a_dataset(site: Site) -> None:
    visit, ids = site.visit("admin"), [each.advertiser_id for each in site.store.accounts.advertisers(demo(site))]
    assert visit.get("/api/v1/status").json()["unread"] == []
    site.home.good("datasets", "create", "-f", site.home.file(name="Some", advertisers=ids[:1]))
    # A list has no figures, and a report of Business Centers reads no ad accounts.
    lists = dict.fromkeys(("report_type", "data_level", "id_dimension", "time_dimension", "metrics", "dates"))
    site.home.good("datasets", "create", "-f", site.home.file(**lists, name="List", report="campaigns"))
    unread = visit.get("/api/v1/status").json()["unread"]
    assert sorted(each["advertiser_id"] for each in unread) == sorted(ids[1:])
    names = ", ".join(each["advertiser_name"] for each in unread)
    assert f"No dataset reads 2 ad accounts: {names}. Create dataset" in visit.words("/home/state")
    assert unread == site.home.json("status")["unread"]
    assert all(each["advertiser_id"] in site.home.good("status").stdout for each in unread)
    site.home.good("datasets", "create", "-f", site.home.file(name="All"))
    assert "No dataset reads" not in visit.words("/home/state")
    assert visit.get("/api/v1/status").json()["unread"] == []


def demo(site: Site) -> Account:
    return site.store.accounts.get("demo")
