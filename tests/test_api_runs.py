"""Runs over the API: asked for, followed, cancelled, looked up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx2

from adreel.store import Role, RunOutcome, RunState
from adreel.store.file_locks import FileLocks
from api_home import API, SPEND, Program, program
from home import Home
from web_home import Site


def dataset(asking: Program, name: str = "Spend") -> str:
    return str(asking.good("POST", "/datasets", 201, json=SPEND | {"name": name})["slug"])


def test_a_run_is_started_and_followed_at_its_address(site: Site) -> None:
    asking = program(site)
    answer = asking.ask("POST", f"/datasets/{dataset(asking)}/runs")
    assert answer.status_code == 202
    run = answer.json()
    assert answer.headers["location"] == f"{API}/runs/{run['run_id']}"
    assert (run["state"], run["triggered_by"], run["verification"]) == ("queued", "admin", None)
    site.work()
    done = asking.get(f"/runs/{run['run_id']}")
    assert (done["state"], done["version"], done["error"]) == ("verified", 0, None)
    assert done["verification"]["verified"] is True
    assert done["verification"]["checks"] == ["rows", "keys", "sums"]
    assert done["verification"]["rows"] == done["verification"]["rows_expected"] == done["table_rows"] > 0
    assert done["verification"]["totals"]["spend"]["expected"] == done["verification"]["totals"]["spend"]["actual"]
    assert done["chunks_done"] == done["chunks_total"] == 3
    assert done["created_at"].endswith("Z")
    assert asking.get(f"/runs/{run['run_id'][:6]}")["run_id"] == run["run_id"]


def test_a_backfill_reads_its_days(site: Site) -> None:
    asking = program(site)
    slug = dataset(asking)
    run = asking.good("POST", f"/datasets/{slug}/runs", 202, json={"start": "2026-11-10", "end": "2026-11-11"})
    assert run["dates"] == {"start": "2026-11-10", "end": "2026-11-11"}
    site.work()
    days = {row["stat_time_day"] for row in asking.get(f"/datasets/{slug}/rows", limit=1_000)["items"]}
    assert days == {"2026-11-10", "2026-11-11"}
    asking.bad("POST", f"/datasets/{slug}/runs", 422, json={"start": "2026-11-10"})
    asking.bad("POST", f"/datasets/{slug}/runs", 422, json={"start": "x", "end": "y"})


def test_a_dataset_runs_once_at_a_time(site: Site) -> None:
    asking = program(site)
    slug = dataset(asking)
    asking.good("POST", f"/datasets/{slug}/runs", 202)
    assert asking.bad("POST", f"/datasets/{slug}/runs", 409)["kind"] == "BusyError"
    site.work()
    with FileLocks(site.home.path).dataset(slug):
        assert asking.bad("POST", f"/datasets/{slug}/runs", 409)["kind"] == "BusyError"
        assert asking.bad("DELETE", f"/datasets/{slug}", 409)["kind"] == "BusyError"


def test_the_same_key_returns_the_same_run_in_any_state(site: Site) -> None:
    asking = program(site)
    slug = asking.good("POST", "/datasets", 201, json=SPEND)["slug"]
    path, key = f"/datasets/{slug}/runs", {"Idempotency-Key": "nightly-2026-11-22"}
    answers = [asking.ask("POST", path, headers=key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    (run,) = {answer.json()["run_id"] for answer in answers}
    assert {answer.headers["location"] for answer in answers} == {f"{API}/runs/{run}"}
    asking.bad("POST", path, 409)
    site.work()
    assert asking.good("POST", path, 202, headers=key)["state"] == "verified"
    assert asking.get("/runs")["total"] == 1
    for other in ({"start": "2026-11-01", "end": "2026-11-02"}, {"start": "today-3", "end": "yesterday"}):
        assert run in asking.bad("POST", path, 422, headers=key, json=other)["message"]
    copy = asking.good("POST", f"/datasets/{slug}/duplicate", 201)["slug"]
    asking.bad("POST", f"/datasets/{copy}/runs", 422, headers=key)
    assert asking.good("POST", path, 202, headers={"Idempotency-Key": "nightly-2026-11-23"})["run_id"] != run
    for wrong in ("", "x" * 256, "a b"):
        asking.bad("POST", path, 422, headers={"Idempotency-Key": wrong})


def test_a_key_belongs_to_its_user_for_a_day_and_not_to_refused_requests(site: Site) -> None:
    asking, other = program(site), program(site, site.user("grace", Role.ADMIN))
    slug = asking.good("POST", "/datasets", 201, json=SPEND)["slug"]
    path, key = f"/datasets/{slug}/runs", {"Idempotency-Key": "k"}
    asking.bad("POST", path, 422, headers=key, json={"start": "2026-11-02", "end": "2026-11-01"})
    first = asking.good("POST", path, 202, headers=key)["run_id"]
    other.bad("POST", path, 409, headers=key)
    site.work()
    site.home.now += timedelta(hours=23, minutes=59)
    assert asking.good("POST", path, 202, headers=key)["run_id"] == first
    site.home.now += timedelta(minutes=2)
    assert asking.good("POST", path, 202, headers=key)["run_id"] != first


def test_concurrent_requests_with_one_key_start_one_run(site: Site) -> None:
    slug = program(site).good("POST", "/datasets", 201, json=SPEND)["slug"]
    asking = [program(site) for _ in range(6)]

    def ask(caller: Program) -> httpx2.Response:
        return caller.ask("POST", f"/datasets/{slug}/runs", headers={"Idempotency-Key": "k"})

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, asking))
    assert len({answer.json()["run_id"] for answer in answers if answer.status_code == 202}) == 1
    assert {answer.status_code for answer in answers} <= {202, 409}, "409 while the lock is another's"
    assert program(site).get("/runs")["total"] == 1


def test_a_queued_run_is_cancelled_and_a_finished_one_is_not(site: Site) -> None:
    asking = program(site)
    run = asking.good("POST", f"/datasets/{dataset(asking)}/runs", 202)["run_id"]
    cancelled = asking.good("POST", f"/runs/{run}/cancel", 202)
    assert cancelled["state"] == "cancelled"
    assert site.work() == ()
    assert "cancelled" in asking.bad("POST", f"/runs/{run}/cancel", 422)["message"]


def test_a_run_in_progress_is_asked_to_stop_and_not_said_to_be_cancelled(site: Site) -> None:
    asking, visit = program(site), site.visit("admin")
    slug = dataset(asking)
    answers = []
    for number in range(3):
        run = asking.good("POST", f"/datasets/{slug}/runs", 202)["run_id"]
        site.store.runs.begin(run)
        with FileLocks(site.home.path).dataset(slug, run_id=run):
            if number == 0:
                answer = asking.good("POST", f"/runs/{run}/cancel", 202)
                assert (answer["state"], answer["cancel_requested"]) == ("running", True)
            elif number == 1:
                answers.append(" ".join(site.home.good("cancel", run).output.split()))
            else:
                visit.sent(f"/runs/{run}/cancel")
                answers.append(visit.words(f"/datasets/{slug}"))
        site.store.runs.finish(run, RunOutcome(RunState.VERIFIED, version=number))
        assert asking.get(f"/runs/{run}")["state"] == "verified"
    for words in answers:
        assert "of 'Spend' to stop. If it is committing by then, its rows stay; its state says how it ended." in words
        assert "unchanged" not in words


def test_a_run_whose_process_died_is_shown_as_interrupted_and_resumed(site: Site) -> None:
    asking = program(site)
    slug = dataset(asking)
    run = asking.good("POST", f"/datasets/{slug}/runs", 202)["run_id"]
    site.store.runs.begin(run)
    assert asking.get(f"/runs/{run}")["state"] == "interrupted"
    assert asking.get("/datasets/spend")["status"] == "interrupted"
    assert asking.good("POST", f"/datasets/{slug}/runs", 202)["run_id"] == run
    site.work()
    assert asking.get(f"/runs/{run}")["state"] == "verified"


def test_an_interrupted_run_of_a_worker_says_the_same_everywhere(site: Site, home: Home) -> None:
    asking = program(site)
    run = asking.good("POST", f"/datasets/{dataset(asking)}/runs", 202)["run_id"]
    site.store.queue.claim("a", 1, home.now)
    site.store.runs.begin(run)
    shown = asking.get(f"/runs/{run}")
    words = "The process ended early; a worker continues the run."
    assert (shown["meaning"], shown["error"]) == (words, words)
    assert home.json("history", "spend")[0]["error"] == words


def test_a_log_is_read_from_the_last_line_on(site: Site) -> None:
    asking = program(site)
    run = asking.good("POST", f"/datasets/{dataset(asking)}/runs", 202)["run_id"]
    site.store.runs.log(run, "one", "two", "three")
    first = asking.get(f"/runs/{run}/log", limit=2)
    assert [line["text"] for line in first["lines"]] == ["one", "two"]
    rest = asking.get(f"/runs/{run}/log", after=first["last"])
    assert [line["text"] for line in rest["lines"]] == ["three"]
    assert asking.get(f"/runs/{run}/log", after=rest["last"]) == {"lines": [], "last": rest["last"], "state": "queued"}


def test_a_failed_run_has_its_error(site: Site) -> None:
    asking = program(site)
    slug = dataset(asking)
    site.home.door("trouble", {"kind": "code", "code": 40002, "message": "No", "times": 0, "path": "report/integrated"})
    asking.good("POST", f"/datasets/{slug}/runs", 202)
    site.work()
    (run,) = asking.get(f"/datasets/{slug}/runs")["items"]
    assert (run["state"], run["error_kind"], run["version"]) == ("failed", "RequestError", None)
    assert "40002" in run["error"]
    failed = asking.get(f"/datasets/{slug}")
    assert (failed["status"], failed["attention"]) == ("failed", True)
    assert failed["status_words"] == run["error"]


def test_runs_are_listed_by_dataset_and_state_in_pages(site: Site) -> None:
    asking = program(site)
    first, second = dataset(asking, "One"), dataset(asking, "Two")
    for slug in (first, second):
        asking.good("POST", f"/datasets/{slug}/runs", 202)
    site.work()
    asking.good("POST", f"/datasets/{first}/runs", 202)
    assert [run["dataset"] for run in asking.get("/runs")["items"]] == ["one", "two", "one"]
    assert [run["state"] for run in asking.get(f"/datasets/{first}/runs")["items"]] == ["queued", "verified"]
    assert asking.get("/runs", state="queued")["total"] == 1
    page = asking.get("/runs", state=["queued", "verified"], limit=1, offset=2)
    assert (page["total"], [run["dataset"] for run in page["items"]]) == (3, ["one"])
    asking.bad("GET", "/runs", 422, params={"state": "asleep"})


def test_only_administrators_see_runs_of_a_deleted_dataset(site: Site) -> None:
    asking, ada = program(site), site.user("ada")
    hers = program(site, ada)
    slug = dataset(asking)
    run = asking.good("POST", f"/datasets/{slug}/runs", 202)["run_id"]
    site.work()
    asking.good("DELETE", f"/datasets/{slug}", 204)
    assert asking.get(f"/runs/{run}")["dataset_deleted"] is True
    assert asking.get("/runs")["total"] == 1
    hers.bad("GET", f"/runs/{run}", 404)
    assert hers.get("/runs")["total"] == 0
