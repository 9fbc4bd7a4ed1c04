"""Runs under trouble: what passes is waited out, what does not is said in one sentence, and no table is spoiled."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adreel.datasets.verification import checked_in
from adreel.errors import (
    AdvertiserError,
    CancelledError,
    ProofError,
    ReconnectError,
    RequestError,
    RetryError,
    StopError,
    StorageError,
)
from adreel.lake import Lake
from adreel.pipeline.run import Watch
from adreel.store import Progress, Store
from adreel.store.file_locks import FileLocks
from home import Home, copied, make_home
from running import Hurry, Tampered, latest, left_behind, log_of, questions, run, settings_of, table

REPORT = "report/integrated"


@pytest.fixture(scope="module")
def fresh_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("fresh") / "home", ads=10)
    home.add_account()
    return home


@pytest.fixture(scope="module")
def calm_home(fresh_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = copied(fresh_home, tmp_path_factory.mktemp("calm") / "home")
    home.good("run", "-f", home.file())
    return home


@pytest.fixture
def calm(calm_home: Home, tmp_path: Path) -> Home:
    """A home whose dataset `spend` has run once without trouble."""
    return copied(calm_home, tmp_path / "home")


@pytest.fixture
def fresh(fresh_home: Home, tmp_path: Path) -> Home:
    """A home in which nothing has run yet."""
    return copied(fresh_home, tmp_path / "home")


def same(home: Home) -> bool:
    """Whether the newest version has the rows of the first."""
    return bool(table(home).equals(table(home, version=0)))


def versions(home: Home, slug: str = "spend") -> int:
    return len(Lake(home.path / "lake").versions(slug))


# -- what passes

PASSING: dict[str, dict[str, Any]] = {
    "a burst of refusals": {"kind": "code", "code": 40100, "message": "Requests made too frequently.", "times": 5},
    "refusals of one advertiser": {"kind": "code", "code": 40133, "times": 2},
    "system errors now and then": {"kind": "code", "code": 50000, "times": 4},
    "an unknown server error": {"kind": "code", "code": 51234, "times": 2},
    "maintenance": {"kind": "code", "code": 60001, "times": 2},
    "a page of a proxy": {"kind": "html", "status": 502, "times": 4},
    "a page of a proxy that says all is well": {"kind": "html", "status": 200, "times": 3},
    "a gateway that is busy": {"kind": "http", "status": 503, "times": 3},
    "answers that are half of one": {"kind": "garbage", "times": 3},
    "pages that lack a row": {"kind": "drop", "rows": 1, "times": 2},
    "pages that have a row twice": {"kind": "repeat", "rows": 1, "times": 2},
    "another count of rows": {"kind": "total", "change": 3, "times": 2},
}


@pytest.mark.parametrize("trouble", PASSING)
def test_rows_are_right_after_a_temporary_problem(calm: Home, trouble: str) -> None:
    calm.door("trouble", {**PASSING[trouble], "path": REPORT})
    report = run(calm, calm.file())
    assert (report.state, report.verification["verified"]) == ("verified", True)
    assert not calm.door("state")["troubles"], "it did happen"
    assert same(calm)


def test_refusals_are_counted_and_logged(calm: Home) -> None:
    calm.door("trouble", {"kind": "code", "code": 40100, "times": 5, "path": REPORT})
    report = run(calm, calm.file())
    assert report.refused == 5
    assert any("TikTok counts requests too close together" in line for line in log_of(calm))


def test_a_request_that_hangs_is_sent_again(calm: Home) -> None:
    calm.door("trouble", {"kind": "hang", "seconds": 30, "times": 1, "path": REPORT})
    report = run(calm, calm.file(), waits=Hurry().waits(request_seconds=0.05))
    assert report.verification["verified"]
    assert any("no answer within 0.05 s" in line for line in log_of(calm))
    assert same(calm)


def test_a_report_whose_count_changes_between_pages_is_read_again(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=50, plain=True)
    home.add_account()
    file = home.file(dates={"start": "today-30", "end": "yesterday"})
    home.door("trouble", {"kind": "total", "change": 1, "path": REPORT, "where": {"page": "2"}, "times": 2})
    report = run(home, file)
    assert (report.state, report.rows, report.verification["verified"]) == ("verified", 1500, True)


# -- what does not pass


def test_a_count_that_changes_in_every_attempt_fails_verification(calm: Home) -> None:
    calm.door("trouble", {"kind": "total", "change": 1, "path": REPORT, "times": 0})
    code, words = calm.bad("run", "-f", calm.file())
    assert code == 9
    assert "in each of 4 attempts" in words
    assert "The table is unchanged." in words
    assert words.count("error:") == 1
    assert versions(calm) == 1
    assert latest(calm).state == "failed"


@pytest.mark.parametrize("kind", ["drop", "repeat"])
def test_pages_that_always_lack_or_repeat_a_row_fail_verification(calm: Home, kind: str) -> None:
    calm.door("trouble", {"kind": kind, "path": REPORT, "times": 0})
    with pytest.raises(ProofError, match="TikTok counts"):
        run(calm, calm.file())
    assert versions(calm) == 1


def test_totals_that_differ_create_a_version_whose_check_failed(calm: Home) -> None:
    def other(_: dict[str, str], data: dict[str, Any]) -> None:
        data["total_metrics"]["impressions"] = str(int(data["total_metrics"]["impressions"]) + 1)

    # So many rows that money might differ by as much.
    file = calm.file(dates={"start": "today-29", "end": "yesterday"})
    report = run(calm, file, transport=Tampered(calm, other))
    assert (report.state, report.version, report.verification["verified"]) == ("check_failed", 1, False)
    assert report.verification["differing"] == ["impressions"]
    assert re.fullmatch(
        r"impressions: TikTok's own total for ad account .* is [\d,]+, but its rows sum to [\d,]+\.", report.warnings[0]
    )
    assert checked_in(report.verification) == "impressions"


def test_totals_that_differ_in_opposite_ways_fail_verification(calm: Home) -> None:
    ids = [advertiser["advertiser_id"] for advertiser in calm.door("state")["advertisers"]][:2]

    def other(params: dict[str, str], data: dict[str, Any]) -> None:
        sign = 1 if params["advertiser_id"] == ids[0] else -1
        data["total_metrics"]["clicks"] = str(int(data["total_metrics"]["clicks"]) + sign)

    report = run(calm, calm.file(advertisers=ids), transport=Tampered(calm, other))
    pair = report.verification["totals"]["clicks"]
    assert pair["expected"] == pair["actual"]
    assert (report.state, report.verification["verified"]) == ("check_failed", False)


def test_money_may_differ_by_the_rounding_of_its_rows_and_no_more(calm: Home) -> None:
    def other(amount: float) -> Any:
        def change(_: dict[str, str], data: dict[str, Any]) -> None:
            spend = float(data["total_metrics"]["spend"]) + amount * len(data["list"])
            data["total_metrics"]["spend"] = f"{spend:.2f}"

        return change

    assert run(calm, calm.file(), transport=Tampered(calm, other(0.004))).verification["verified"]
    assert not run(calm, calm.file(), transport=Tampered(calm, other(0.006))).verification["verified"]


def test_a_run_that_fails_verification_has_its_own_exit_code(calm: Home) -> None:
    # What TikTok sums up is one thing on page 1 and the rows another: a row is replaced by a copy of another day.
    calm.world = _Lying(calm.world)  # type: ignore[assignment]  # it takes the place of the application
    assert calm.adreel("run", "-f", calm.file(), "--json").exit_code == 9
    assert latest(calm).state == "check_failed"


class _Lying:
    """The simulated world with other totals."""

    def __init__(self, world: Any) -> None:
        self._world = world

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def changed(message: Any) -> None:
            body = message.get("body", b"")
            if b'"total_metrics":{"spend":"' in body:
                message = {
                    **message,
                    "body": body.replace(b'"total_metrics":{"spend":"', b'"total_metrics":{"spend":"9'),
                }
            await send(message)

        await self._world(scope, receive, changed)


def test_a_permanent_system_failure_ends_the_run_with_retry_later(calm: Home) -> None:
    calm.door("trouble", {"kind": "code", "code": 50000, "message": "System error", "times": 0, "path": REPORT})
    with pytest.raises(RetryError, match="Tried 8 times") as caught:
        run(calm, calm.file())
    assert int(caught.value.exit_code) == 6
    assert versions(calm) == 1


def test_an_unknown_code_stops_the_run_with_tiktoks_message(calm: Home) -> None:
    calm.door("trouble", {"kind": "code", "code": 49999, "message": "The moon is in the way.", "path": REPORT})
    with pytest.raises(StopError, match=r"The moon is in the way\.") as caught:
        run(calm, calm.file())
    assert "TikTok code 49999" in str(caught.value)
    assert latest(calm).state == "failed"
    assert versions(calm) == 1


def test_a_refused_metric_is_reported_with_tiktoks_message(calm: Home) -> None:
    words = "Please correct the information in invalid metric fields and try again. Invalid metric fields: ['clicks']."
    calm.door("trouble", {"kind": "code", "code": 40002, "message": words, "path": REPORT, "times": 0})
    with pytest.raises(RequestError) as caught:
        run(calm, calm.file())
    assert words in caught.value.message
    assert int(caught.value.exit_code) == 3


def test_a_request_that_always_hangs_ends_the_run_and_the_next_one_resumes_it(calm: Home) -> None:
    calm.door(
        "trouble", {"kind": "hang", "seconds": 30, "times": 0, "path": REPORT, "where": {"start_date": "2026-11-19"}}
    )
    with pytest.raises(RetryError, match="times out a third time"):
        run(calm, calm.file(), waits=Hurry().waits(request_seconds=0.02))
    calm.door("calm", {})
    assert run(calm, calm.file()).verification["verified"]
    assert same(calm)


def test_a_run_ends_at_its_deadline_and_the_next_one_resumes_it(calm: Home) -> None:
    calm.door("trouble", {"kind": "code", "code": 60001, "times": 0, "path": REPORT})
    hurry = Hurry()

    async def slow(seconds: float) -> None:
        await Hurry.sleep(hurry, seconds * 200)

    waits = hurry.waits()
    with pytest.raises(RetryError, match="deadline"):
        run(calm, calm.file(), waits=type(waits)(60, waits.clock, waits.monotonic, slow))
    assert hurry.passed >= 6 * 3600
    calm.door("calm", {})
    assert run(calm, calm.file()).resumed
    assert same(calm)


# -- a token that dies


def test_a_run_after_reconnecting_requests_nothing_twice(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=3, ads=5)
    home.add_account()
    file = home.file(time_dimension="hour", dates={"start": "today-40", "end": "yesterday"})
    home.door(
        "trouble", {"kind": "code", "code": 40105, "message": "Access token is incorrect.", "path": REPORT, "skip": 70}
    )
    code, words = home.bad("run", "-f", file)
    assert code == 4
    assert "adreel accounts reconnect 'demo'" in words
    assert "The next run then resumes this one." in words
    assert home.json("accounts", "list")[0]["status"] == "revoked"
    code, words = home.bad("run", "spend")
    assert (code, "revoked" in words) == (4, True)
    home.good("accounts", "reconnect", "demo", "--token-stdin", stdin=f"{home.token}\n")
    report = home.json("run", "spend")
    assert (report["resumed"], report["verification"]["verified"], report["version"]) == (True, True, 0)
    asked = questions(home)
    # What was under way when the token died may have been answered and not kept.
    assert len(asked) - len(set(asked)) <= 64
    assert len(set(asked)) == 120
    assert left_behind(home) == []


@pytest.mark.parametrize(("code", "status"), [(40102, "expired"), (40105, "revoked")])
@pytest.mark.parametrize("path", [REPORT, "oauth2/advertiser/get"])
def test_expired_and_revoked_tokens_are_distinguished_everywhere(
    fresh: Home, code: int, status: str, path: str
) -> None:
    fresh.now += timedelta(minutes=10)
    fresh.door("trouble", {"kind": "code", "code": code, "path": path, "times": 0})
    assert fresh.bad("run", "-f", fresh.file())[0] == 4
    assert fresh.json("accounts", "list")[0]["status"] == status
    fresh.door("calm", {})
    fresh.good("accounts", "reconnect", "demo", "--token-stdin", stdin=f"{fresh.token}\n")
    assert fresh.json("run", "spend")["resumed"]


# -- going on


def stopped_after(home: Home, file: str, pages: int, **keys: Any) -> str:
    """Starts a run that TikTok's system stops after so many pages; the id of the run."""
    home.door("trouble", {"kind": "code", "code": 50000, "times": 0, "path": REPORT, "skip": pages, **keys})
    with pytest.raises(RetryError):
        run(home, file)
    home.door("calm", {})
    return latest(home).id


HOURS: dict[str, Any] = {"time_dimension": "hour", "dates": {"start": "today-20", "end": "yesterday"}}


def test_a_run_that_failed_temporarily_is_resumed(fresh: Home) -> None:
    file = fresh.file(**HOURS)
    stopped = stopped_after(fresh, file, 30)
    before = len(questions(fresh))
    notes: list[str] = []
    report = run(fresh, file, watch=Watch(say=notes.append))
    assert (report.run_id, report.resumed) == (stopped, True)
    assert notes[0] == f"Resuming run {stopped}."
    assert len(questions(fresh)) - before <= 60 - 15, "what is there is not asked for again"
    assert report.verification["verified"]
    assert report.requests >= 60
    assert left_behind(fresh) == []


def test_stored_pages_are_not_requested_again(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=200, plain=True)
    home.add_account()
    file = home.file(dates={"start": "today-30", "end": "yesterday"})
    stopped_after(home, file, 3)
    assert len(questions(home)) == 3
    report = run(home, file)
    assert (report.rows, report.verification["verified"]) == (6000, True)
    assert len(questions(home)) == len(set(questions(home))) == 6


def test_a_changed_dataset_starts_a_new_run_and_removes_old_parts(fresh: Home) -> None:
    stopped = stopped_after(fresh, fresh.file(**HOURS), 30)
    assert left_behind(fresh)
    report = run(fresh, fresh.file(**HOURS, metrics=["spend", "clicks"]))
    assert (report.resumed, report.verification["verified"]) == (False, True)
    assert report.run_id != stopped
    assert left_behind(fresh) == []


def test_a_run_that_stopped_over_a_day_ago_is_not_resumed(fresh: Home) -> None:
    file = fresh.file(**HOURS)
    stopped = stopped_after(fresh, file, 30)
    fresh.now += timedelta(hours=24, minutes=1)
    report = run(fresh, file)
    assert (report.resumed, report.run_id == stopped) == (False, False)
    assert left_behind(fresh) == []


def test_a_run_resumed_on_another_day_names_its_start(fresh: Home) -> None:
    file = fresh.file(**HOURS)
    stopped_after(fresh, file, 30)
    fresh.now += timedelta(hours=20)
    report = run(fresh, file)
    assert (report.resumed, report.state) == (True, "verified_with_warnings")
    assert "This run started on 2026-11-22 at 12:00 UTC" in report.warnings[0]
    assert report.verification["verified"]


def test_an_interrupted_cut_report_is_resumed_without_loss(tmp_path: Path) -> None:
    whole = make_home(tmp_path / "whole", advertisers=1, ads=120)
    whole.add_account()
    run(whole, whole.file())
    home = make_home(tmp_path / "home", advertisers=1, ads=120, id_cut=10)
    home.add_account()
    stopped_after(home, home.file(), 20)
    done = len(questions(home))
    report = run(home, home.file())
    assert (report.resumed, report.verification["verified"]) == (True, True)
    asked = questions(home)
    assert len(asked[done:]) - len(set(asked[done:]) - set(asked[:done])) <= 20
    assert table(home).equals(table(whole))


# -- cancel and busy


def test_a_second_run_of_the_same_dataset_is_refused_and_names_the_first(calm: Home) -> None:
    with FileLocks(calm.path).dataset("spend", run_id="cafe0123"):
        code, words = calm.bad("run", "spend")
    assert code == 8
    assert "Run cafe0123" in words
    assert "cancel it" in words


def test_a_run_is_cancelled_by_another_process_and_the_table_is_unchanged(calm: Home) -> None:
    calm.door("trouble", {"kind": "hang", "seconds": 60, "times": 0, "path": REPORT})
    file = calm.file()

    def cancel() -> None:
        if not stopping:
            stopping.append(latest(calm).id)
            calm.good("cancel", stopping[0])

    def look(_: Progress) -> None:
        # In a thread, as another process would; the run is under way by now.
        worker = threading.Thread(target=cancel)
        worker.start()
        worker.join()

    stopping: list[str] = []
    with pytest.raises(CancelledError, match="The table is unchanged"):
        run(calm, file, watch=Watch(progress=look))
    assert latest(calm).state == "cancelled"
    assert versions(calm) == 1
    calm.door("calm", {})
    report = run(calm, file)
    assert (report.resumed, report.verification["verified"]) == (False, True)
    assert left_behind(calm) == []


def test_a_run_whose_process_died_can_be_cancelled_and_is_not_resumed(fresh: Home) -> None:
    stopped_after(fresh, fresh.file(**HOURS), 30)
    with Store.open(settings_of(fresh), clock=lambda: fresh.now) as store:
        dead = store.runs.begin(latest(fresh).id)
    fresh.good("cancel", dead.id)
    assert latest(fresh).state == "cancelled"
    assert left_behind(fresh) == []
    assert not run(fresh, fresh.file(**HOURS)).resumed


def test_an_interrupted_run_can_be_cancelled(fresh: Home) -> None:
    stopped_after(fresh, fresh.file(**HOURS), 30)
    with Store.open(settings_of(fresh), clock=lambda: fresh.now) as store:
        store.runs.begin(latest(fresh).id)
        store.runs.interrupt(store.datasets.get("spend"))
    fresh.good("cancel", latest(fresh).id)
    assert latest(fresh).state == "cancelled"
    assert left_behind(fresh) == []


# -- the disk


def test_a_lake_that_cannot_be_written_ends_the_run_and_the_next_one_resumes_it(calm: Home) -> None:
    lake = calm.path / "lake"
    blocker = lake / "_runs"
    for path in blocker.glob("*"):
        path.rmdir()
    blocker.rmdir()
    blocker.write_text("a file where a folder has to be")
    code, words = calm.bad("run", "-f", calm.file())
    assert code == 7
    assert "error:" in words
    assert latest(calm).error_kind == "StorageError"
    assert versions(calm) == 1
    blocker.unlink()
    report = run(calm, calm.file())
    assert (report.resumed, report.verification["verified"]) == (True, True)
    assert same(calm)


def test_a_disk_that_refuses_parts_ends_the_run_and_the_next_one_resumes_it(fresh: Home) -> None:
    runs = fresh.path / "lake" / "_runs"
    blocked: list[Path] = []

    def block(_: dict[str, str], __: dict[str, Any]) -> None:
        # From now on nothing can be put into the folder of the third chunk.
        chunk = next(iter(runs.iterdir())) / "000002"
        if not blocked and not chunk.exists():
            chunk.write_text("a file where a folder has to be")
            blocked.append(chunk)

    with pytest.raises(StorageError, match=r"(parts|notes) of run") as caught:
        run(fresh, fresh.file(**HOURS), transport=Tampered(fresh, block))
    assert int(caught.value.exit_code) == 7
    assert (latest(fresh).state, latest(fresh).error_kind) == ("failed", "StorageError")
    assert not Lake(fresh.path / "lake").exists("spend")
    blocked[0].unlink()
    report = run(fresh, fresh.file(**HOURS))
    assert (report.resumed, report.verification["verified"]) == (True, True)
    assert left_behind(fresh) == []


def test_a_record_that_cannot_be_written_ends_the_run_with_7_and_the_next_one_resumes_it(fresh: Home) -> None:
    runs = fresh.path / "lake" / "_runs"

    def block(_: dict[str, str], __: dict[str, Any]) -> None:
        for chunk in runs.glob("*/*"):
            if chunk.is_dir():
                (chunk / "finished.json").mkdir(exist_ok=True)

    with pytest.raises(StorageError, match="notes of run") as caught:
        run(fresh, fresh.file(**HOURS), transport=Tampered(fresh, block))
    assert int(caught.value.exit_code) == 7
    assert not Lake(fresh.path / "lake").exists("spend")
    for blocker in runs.glob("*/*/finished.json"):
        blocker.rmdir()
    there, before = len(list(runs.glob("*/*/*/*.arrow"))), len(questions(fresh))
    report = run(fresh, fresh.file(**HOURS))
    assert (report.resumed, report.verification["verified"]) == (True, True)
    assert len(questions(fresh)) - before == 60 - there < 60


FORTY_DAYS: dict[str, Any] = {"time_dimension": "hour", "dates": {"start": "today-40", "end": "yesterday"}}


def test_requests_that_a_killed_process_did_not_store_are_counted(fresh: Home) -> None:
    stopped_after(fresh, fresh.file(**FORTY_DAYS), 100)
    with closing(sqlite3.connect(fresh.path / "adreel.db")) as database, database:
        database.execute("UPDATE runs SET requests = 0, pages = 0")
    finished = (fresh.path / "lake" / "_runs").glob("*/*/finished.json")
    sent = max(json.loads(record.read_text())["requests"] for record in finished)
    before = len(fresh.requests(REPORT))
    report = run(fresh, fresh.file(**FORTY_DAYS))
    assert report.requests == sent + len(fresh.requests(REPORT)) - before
    assert sent >= 32, "a chunk that was finished"


def test_skipped_advertisers_are_not_requested_when_the_run_resumes(fresh: Home) -> None:
    gone = fresh.door("state")["advertisers"][1]["advertiser_id"]
    fresh.door("trouble", {"kind": "code", "code": 40001, "path": REPORT, "times": 0, "where": {"advertiser_id": gone}})
    hours = {"time_dimension": "hour", "dates": {"start": "today-40", "end": "yesterday"}}
    file = fresh.file(**hours, skip_failing_advertisers=True)
    dead = {"kind": "code", "code": 40105, "path": REPORT, "times": 0, "skip": 70}
    fresh.door("trouble", dead)
    with pytest.raises(ReconnectError):
        run(fresh, file)
    fresh.door("calm", {})
    fresh.good("accounts", "reconnect", "demo", "--token-stdin", stdin=f"{fresh.token}\n")
    before = len(fresh.requests(REPORT))
    report = run(fresh, file)
    assert (report.resumed, report.state) == (True, "advertisers_skipped")
    assert set(report.skipped) == {gone}
    asked = {str(request["params"]["advertiser_id"]) for request in fresh.requests(REPORT)[before:]}
    assert gone not in asked
    assert set(table(fresh)["advertiser_id"].to_pylist()).isdisjoint({gone})


def test_the_table_is_unchanged_if_the_account_has_no_advertisers(calm: Home) -> None:
    for advertiser in calm.door("state")["advertisers"]:
        calm.door("remove", {"advertiser_id": advertiser["advertiser_id"], "listed": False})
    calm.now += timedelta(minutes=10)
    with pytest.raises(AdvertiserError, match="covers no ad account"):
        run(calm, calm.file())
    assert versions(calm) == 1


def test_an_advertiser_without_details_is_named_by_the_report_of_advertisers(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=6, ads=2)
    home.add_account()
    path = home.path / "who.yaml"
    path.write_text(json.dumps({"name": "Who", "account": "demo", "report": "advertisers"}))
    home.good("plan", "-f", str(path))
    code, words = home.bad("run", "-f", str(path))
    assert (code, home.door("state")["advertisers"][4]["advertiser_id"] in words) == (5, True)


def test_an_advertiser_that_is_removed_after_planning_is_named(calm: Home) -> None:
    gone = calm.door("state")["advertisers"][0]["advertiser_id"]
    path = calm.path / "who.yaml"
    path.write_text(json.dumps({"name": "Who", "account": "demo", "report": "advertisers"}))
    calm.door("remove", {"advertiser_id": gone})
    with pytest.raises(AdvertiserError, match=f"TikTok sent no details of ad account {gone}"):
        run(calm, str(path))
