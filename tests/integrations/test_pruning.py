"""The retention policy: what it keeps, what it removes, and that a person sees that before it is saved."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adreel import pruning
from adreel.clock import wall_clock
from adreel.errors import InputError, NotFoundError
from adreel.lake import Lake
from adreel.pruning import tick
from adreel.store import Retention, Role, RunState, SavedDataset
from adreel.store.audit import AuditAction, AuditFilter, Means
from adreel.worker import Worker, environment
from api_home import program, table
from outside import until
from web_home import Site

ALL = Retention(log_days=None)
STRICT = Retention(version_days=7, version_count=2, run_days=30, log_days=7, audit_days=30)


def aged(site: Site, runs: int, days: int = 10) -> SavedDataset:
    """A dataset that ran so often, so many days apart."""
    asking = program(site)
    slug = table(site, asking, dates={"start": "2026-11-01", "end": "2026-11-03"})
    for _ in range(runs - 1):
        site.home.now += timedelta(days=days)
        asking.good("POST", f"/datasets/{slug}/runs", 202)
        site.work()
    for run in site.store.runs.list():
        site.store.runs.log(run.id, "a line")
    return site.store.datasets.get(slug)


def lake_of(site: Site) -> Lake:
    return Lake(site.settings.lake_url, clock=lambda: site.home.now)


def numbers(site: Site, saved: SavedDataset) -> list[int]:
    return [version.number for version in lake_of(site).versions(saved.table_slug)]


def files(site: Site, saved: SavedDataset) -> int:
    return len(list((site.home.path / "lake" / saved.table_slug).glob("*.parquet")))


def ticks(site: Site) -> None:
    tick(site.store, site.settings, site.home.now)


def test_by_default_every_version_run_and_entry_is_kept_and_logs_for_a_year(site: Site) -> None:
    saved = aged(site, 3, days=150)
    before, runs = site.store.audit.count(AuditFilter()), site.store.runs.list(saved)
    site.home.now += timedelta(days=100)
    ticks(site)
    assert numbers(site, saved) == [2, 1, 0]
    assert site.store.runs.list(saved) == runs
    assert [bool(site.store.runs.log_lines(run.id)) for run in runs] == [True, True, False]
    # One entry for the logs.
    assert site.store.audit.count(AuditFilter()) == before + 1


def test_old_versions_go_and_their_files_half_a_day_later(site: Site) -> None:
    saved = aged(site, 5)
    site.store.retention.set(STRICT)
    all_files, newest = files(site, saved), lake_of(site).table(saved.table_slug, 4).rows
    reader = lake_of(site).read(saved.table_slug, 0)
    shown = pruning.preview(program_guard(site), lake_of(site), STRICT, site.home.now)
    ticks(site)
    assert numbers(site, saved) == [4, 3]
    assert (shown.versions, shown.tables) == (3, 1)
    assert shown.size > 0
    assert files(site, saved) == all_files
    assert reader.read_all().num_rows > 0
    site.home.now += timedelta(days=60)  # The files carry the time of this machine, which is later than the test's.
    ticks(site)
    assert files(site, saved) < all_files
    assert numbers(site, saved) == [4, 3]
    assert lake_of(site).table(saved.table_slug, 4).rows == newest
    assert lake_of(site).read(saved.table_slug, 3).read_all().num_rows > 0


def program_guard(site: Site) -> Any:
    from adreel.access import Actor, Guard

    return Guard(site.store, Actor(None))


def test_what_is_no_longer_kept_is_said_wherever_it_is_asked_for(site: Site) -> None:
    saved = aged(site, 4)
    site.store.retention.set(STRICT)
    ticks(site)
    visit, asking = site.visit("admin"), program(site)
    assert "Version 0 is no longer kept." in visit.words(f"/datasets/{saved.slug}/versions", before=0, after=3)
    message = asking.bad("GET", f"/datasets/{saved.slug}/difference?before=0&after=3", 404)["message"]
    assert "Version 0" in message
    assert "no longer kept" in message
    assert "no longer kept" in " ".join(site.home.bad("diff", saved.slug, "0", "3")[1].split())
    assert "no longer kept" in " ".join(site.home.bad("restore", saved.slug, "0", "--yes")[1].split())
    visit.good(f"/datasets/{saved.slug}/history")
    for run in site.store.runs.list(saved):
        visit.good(f"/datasets/{saved.slug}/history/{run.id}")
    with pytest.raises(NotFoundError, match="no longer kept"):
        lake_of(site).table(saved.table_slug, 0)


def test_the_last_verified_version_and_its_run_stay_however_old_they_are(site: Site) -> None:
    saved = aged(site, 5)
    with closing(sqlite3.connect(site.home.path / "adreel.db")) as connection:
        connection.execute("UPDATE runs SET state = ? WHERE version > 0", (RunState.CHECK_FAILED,))
        connection.commit()
    site.home.now += timedelta(days=100)
    site.store.retention.set(STRICT)
    ticks(site)
    assert numbers(site, saved) == [4, 3, 2, 1, 0]
    assert len(site.store.runs.list(saved)) == 5


def test_runs_go_when_their_versions_are_gone_but_not_the_latest_or_those_for_estimates(site: Site) -> None:
    saved = aged(site, 5)
    site.home.now += timedelta(days=100)
    site.store.retention.set(STRICT)
    ticks(site)
    left = site.store.runs.list(saved)
    assert sorted(run.version for run in left if run.version is not None) == [3, 4]
    assert site.store.runs.latest()[saved.id].version == 4
    assert program(site).get(f"/datasets/{saved.slug}/plan")["requests"] > 0
    assert site.store.runs.log_lines(left[0].id)
    assert not site.store.runs.log_lines(left[1].id)


def test_a_dataset_that_runs_is_left_alone_and_tried_again_within_the_hour(site: Site) -> None:
    saved = aged(site, 4)
    site.store.retention.set(STRICT)
    with site.store.locks.dataset(saved.slug, run_id="another"):
        ticks(site)
    assert len(numbers(site, saved)) == 4
    site.home.now += timedelta(minutes=30)
    ticks(site)
    assert len(numbers(site, saved)) == 4
    site.home.now += timedelta(minutes=31)
    ticks(site)
    assert len(numbers(site, saved)) == 2


def test_a_worker_prunes_each_dataset_once_a_day_and_a_bounded_number_at_a_time(site: Site) -> None:
    asking = program(site)
    for number in range(7):
        asking.good("POST", "/datasets", 201, json={**_spend(), "name": f"D {number}"})
    site.store.retention.set(STRICT)
    claims = [site.store.retention.claim(5) for _ in range(3)]
    assert [len(claim) for claim in claims] == [5, 2, 0]
    assert len({dataset_id for claim in claims for dataset_id in claim}) == 7
    site.home.now += timedelta(days=1)
    assert len(site.store.retention.claim(50)) == 7


def test_a_worker_prunes_beside_the_queue_until_it_stops(site: Site) -> None:
    saved = aged(site, 4)
    site.store.retention.set(STRICT)
    environ = environment(site.settings, site.home.environ)
    worker = Worker(site.settings, site.store, environ, clock=lambda: site.home.now, wall=wall_clock)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        until(lambda: len(numbers(site, saved)) == 2)
    finally:
        stop.set()
        thread.join()
    assert not [thread.name for thread in threading.enumerate() if thread.name == "upkeep"]


def test_nothing_is_written_while_nothing_is_due(site: Site) -> None:
    aged(site, 2)
    site.store.retention.set(STRICT)
    ticks(site)
    stamp = site.store.stamp()
    site.home.now += timedelta(hours=1)
    ticks(site)
    assert site.store.stamp() == stamp


def test_runs_stay_that_wait_or_that_keep_the_time_of_a_schedule_from_running_again(site: Site) -> None:
    saved = aged(site, 5)
    waiting, ahead, old, *_ = [run.id for run in reversed(site.store.runs.list(saved))]
    due_at = (site.home.now + timedelta(days=300)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(site.home.path / "adreel.db")) as connection:
        # Waits for its next attempt; a clock that was ahead started the other.
        connection.execute("UPDATE runs SET state = 'queued', not_before = ? WHERE id = ?", (due_at, waiting))
        connection.execute("UPDATE runs SET due_at = ? WHERE id = ?", (due_at, ahead))
        connection.commit()
    site.home.now += timedelta(days=100)
    site.store.retention.set(STRICT)
    ticks(site)
    left = {run.id for run in site.store.runs.list(saved)}
    assert {waiting, ahead} < left
    assert old not in left


def _spend() -> dict[str, Any]:
    from home import SPEND

    return SPEND


def test_audit_entries_go_by_the_policy_in_parts_and_that_is_recorded(site: Site, monkeypatch: Any) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    for number in range(100):
        site.store.accounts.add(f"A {number}", token="t", app_id="1", base_url="http://x.test")
    site.store.retention.set(replace(ALL, audit_days=30))
    site.home.now += timedelta(days=40)
    left = []
    for _ in range(6):
        ticks(site)
        left.append(site.store.audit.count(AuditFilter(actions=frozenset({AuditAction.ACCOUNT_CONNECT}))))
    assert left == sorted(left, reverse=True)
    assert left[0] > 0
    assert left[-1] == 0
    (entry, *_) = site.store.audit.page(AuditFilter(actions=frozenset({AuditAction.PRUNE})))
    assert (entry.means, entry.user_name) == (Means.SYSTEM, "adreel")


def test_a_restored_version_keeps_the_time_of_its_rows_when_what_it_restored_is_gone(site: Site) -> None:
    saved = aged(site, 3)
    asking = program(site)
    read_at = asking.get(f"/datasets/{saved.slug}/runs")["items"][-1]["rows_read_at"]
    asking.good("POST", f"/datasets/{saved.slug}/versions/0/restore", 201)
    site.home.now += timedelta(days=1)
    asking.good("POST", f"/datasets/{saved.slug}/runs", 202)
    site.work()
    site.home.now += timedelta(days=8)
    site.store.retention.set(STRICT)
    ticks(site)
    assert numbers(site, saved) == [4, 3]
    again = asking.good("POST", f"/datasets/{saved.slug}/versions/3/restore", 201)
    assert again["rows_read_at"] == read_at


def test_the_page_shows_what_a_policy_deletes_before_it_is_saved(site: Site) -> None:
    saved = aged(site, 5)
    visit = site.visit("admin")
    form = {"version_days": "7", "version_count": "2", "run_days": "", "log_days": "365", "audit_days": ""}
    answer = visit.post("/retention", form)
    assert "Deletes 3 versions. Frees" in answer.text
    assert site.store.retention.get() == Retention()
    seen = answer.text.split('name="seen" value="')[1].split('"')[0]
    # Another policy than the one that was seen is shown first, too.
    assert "Deletes 1 version" in visit.post("/retention", form | {"version_count": "4", "seen": seen}).text
    assert site.store.retention.get() == Retention()
    assert visit.sent("/retention", form | {"seen": seen}) == "/retention"
    assert site.store.retention.get() == Retention(version_days=7, version_count=2)
    assert 'value="7"' in visit.good("/retention")
    assert len(numbers(site, saved)) == 5
    for name, text in (("version_days", "1"), ("audit_days", "2"), ("log_days", "x"), ("version_count", "")):
        assert visit.post("/retention", form | {name: text}).status_code == 422


def test_the_command_line_and_the_api_show_and_change_the_same_policy(site: Site) -> None:
    saved = aged(site, 4)
    home, asking = site.home, program(site)
    body = {"version_days": 7, "version_count": 2, "log_days": None}
    preview = asking.good("POST", "/retention/preview", json=body)
    assert (preview["versions"], preview["complete"]) == (2, True)
    output = home.good("retention", "--version-days", "7", "--version-count", "2", "--log-days", "all", "--yes").stderr
    assert "Deletes 2 versions." in output
    assert asking.get("/retention") == body | {"run_days": None, "audit_days": None}
    assert asking.good("PUT", "/retention", json=body) == home.json("retention")
    assert "Deletes 2 versions" in home.good("prune", "--dry-run").stderr
    assert len(numbers(site, saved)) == 4
    assert "Deleted 2 versions" in home.good("prune", "--yes").stderr
    assert len(numbers(site, saved)) == 2
    assert "Deletes nothing." in home.good("prune", "--dry-run").stderr
    assert "is not a number of days" in home.bad("retention", "--run-days", "soon")[1]
    with pytest.raises(InputError, match="enter 7 to"):
        site.store.retention.set(Retention(version_days=0))


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER])
def test_only_administrators_see_and_change_the_policy(site: Site, role: Role) -> None:
    site.user("bob", role)
    visit, asking = site.visit("bob"), program(site, "bob")
    assert visit.get("/retention").status_code == visit.post("/retention").status_code == 403
    asking.bad("GET", "/retention", 403)
    asking.bad("PUT", "/retention", 403, json={})
    site.home.environ["ADREEL_USER"] = "bob"
    for words in (["retention"], ["prune", "--dry-run"], ["prune", "--yes"]):
        assert "Only administrators can" in site.home.bad(*words)[1]
