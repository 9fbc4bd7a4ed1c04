"""`/metrics`: who may read it, that Prometheus reads it, and that its numbers are those of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adreel.monitoring.metrics import exposition
from adreel.settings import Settings
from adreel.store import RequestCounts, Role, RunOutcome, RunState, Store
from home import Home
from people import Clock, add_account, add_dataset, open_people
from web_home import Site, Visit, open_site

TOKEN = "scrape-" + "0123456789" * 3
Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def samples_of(text: str) -> Samples:
    """The samples by name and labels; each of them once, of a family with a type and a help text."""
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text):
        assert family.type in {"counter", "gauge", "histogram"}, family
        assert family.documentation, family
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    return samples


def scrape(store: Store, clock: Clock) -> Samples:
    return samples_of(exposition(store, Settings.load({"ADREEL_HOME": "/nowhere"}), clock()).decode())


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def bearer(visit: Visit, token: str) -> int:
    headers = {b"Authorization": f"Bearer {token}".encode("latin-1")}
    return visit.client.get("/metrics", headers=headers).status_code


def test_only_the_metrics_token_and_tokens_of_administrators_read_the_metrics(home: Home) -> None:
    home.environ["ADREEL_METRICS_TOKEN"] = TOKEN
    with open_site(home) as site:
        stranger, admin = site.visit(), site.visit("admin")
        assert stranger.get("/metrics").status_code == 401
        assert admin.get("/metrics").status_code == 401
        tokens = {}
        for role in Role:
            user = site.user(f"a {role}", role)
            tokens[role] = site.store.tokens.add(user, "scrape", read_only=True, days=None)[1]
        assert {role: bearer(stranger, token) for role, token in tokens.items()} == {
            Role.ADMIN: 200, Role.EDITOR: 401, Role.VIEWER: 401,
        }  # fmt: skip
        assert [bearer(stranger, token) for token in (TOKEN, TOKEN[:-1], TOKEN + "0", "\xe4" * 30, "")] == [
            200, 401, 401, 401, 401,
        ]  # fmt: skip
        other_name = {"Authorization": f"Bearer {TOKEN}", "Host": "adreel.internal:8765"}
        answer = stranger.client.get("/metrics", headers=other_name)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert samples_of(answer.text)


def test_without_a_metrics_token_no_empty_token_opens_the_metrics(site: Site) -> None:
    assert [bearer(site.visit(), token) for token in ("", " ", "None")] == [401, 401, 401]


def test_the_metrics_of_a_run_are_those_of_its_record(home: Home) -> None:
    home.environ["ADREEL_METRICS_TOKEN"] = TOKEN
    with open_site(home) as site:
        visit = site.visit("admin")
        home.good("datasets", "create", "-f", home.file())
        empty = samples_of(visit.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text)
        visit.post("/datasets/spend/run")
        queued = samples_of(visit.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text)
        (run,) = site.work()
        samples = samples_of(visit.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text)
    assert run.state is RunState.VERIFIED
    assert value(empty, "adreel_datasets", last_run="none") == 1
    assert value(queued, "adreel_runs_in_progress", state="queued", trigger="person") == 1
    assert ("adreel_runs_in_progress", (("state", "queued"), ("trigger", "person"))) not in samples
    assert value(samples, "adreel_datasets", last_run="verified") == 1
    assert value(samples, "adreel_runs_ended_total", state="verified", trigger="person") == 1
    assert value(samples, "adreel_rows_read_total", trigger="person") == run.rows
    assert value(samples, "adreel_run_duration_seconds_count", trigger="person") == 1
    assert value(samples, "adreel_run_duration_seconds_bucket", trigger="person", le="+Inf") == 1
    app = home.config.app_id
    before = value(empty, "adreel_tiktok_requests_total", app_id=app)
    assert value(samples, "adreel_tiktok_requests_total", app_id=app) - before == run.requests > 0
    assert value(samples, "adreel_tiktok_requests_today", app_id=app) == before + run.requests
    assert value(samples, "adreel_accounts", status="valid") == 1
    assert value(samples, "adreel_store_bytes") > 10_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_counters_do_not_fall_when_runs_and_datasets_are_deleted(
    tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> None:
    with open_people(tmp_path_factory.mktemp("home") / "home", clock) as store:
        saved = add_dataset(store, add_account(store))
        for state, seconds in ((RunState.VERIFIED, 5), (RunState.FAILED, 700), (RunState.VERIFIED, 50_000)):
            run = store.runs.add(saved, f"{seconds:016x}")
            store.runs.begin(run.id)
            clock.later(seconds=seconds)
            store.runs.finish(run.id, RunOutcome(state, version=0 if state is RunState.VERIFIED else None))
        store.app_requests.add("app", RequestCounts(7, 2))
        before = scrape(store, clock)
        store.datasets.delete(saved)
        clock.later(days=30)
        store.app_requests.add("app", RequestCounts(1, 0))
        after = scrape(store, clock)
    counters = {key for key in before if key[0].endswith(("_total", "_bucket", "_count", "_sum"))}
    assert {key for key in counters if after[key] < before[key]} == set()
    assert value(after, "adreel_tiktok_requests_total", app_id="app") == 8
    assert value(after, "adreel_tiktok_requests_refused_total", app_id="app") == 2
    assert value(after, "adreel_tiktok_requests_today", app_id="app") == 1
    buckets = [after[key] for key in sorted(counters, key=str) if key[0].endswith("_bucket")]
    assert value(after, "adreel_run_duration_seconds_bucket", trigger="person", le="10.0") == 1
    assert value(after, "adreel_run_duration_seconds_bucket", trigger="person", le="900.0") == 2
    assert value(after, "adreel_run_duration_seconds_sum", trigger="person") == 50_705
    assert max(buckets) == 3


def test_delays_of_queue_and_schedule_are_those_of_what_may_begin(
    tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> None:
    home = tmp_path_factory.mktemp("home") / "home"
    with open_people(home, clock) as store:
        saved = add_dataset(store, add_account(store))
        assert value(scrape(store, clock), "adreel_schedule_delay_seconds") == 0
        run = store.runs.add(saved, "0" * 16)
        clock.later(minutes=2)
        assert value(scrape(store, clock), "adreel_queue_wait_seconds") == 120
        # As a schedule and a failed attempt leave it.
        change(home, "UPDATE datasets SET next_run_at = ?", clock() - timedelta(seconds=90))
        assert value(scrape(store, clock), "adreel_schedule_delay_seconds") == 90
        change(home, "UPDATE datasets SET next_run_at = ?", clock() + timedelta(hours=1))
        change(home, "UPDATE runs SET due_at = ?", clock() - timedelta(seconds=30))
        assert value(scrape(store, clock), "adreel_schedule_delay_seconds") == 30
        change(home, "UPDATE runs SET not_before = ?", clock() + timedelta(minutes=5))
        samples = scrape(store, clock)
        assert value(samples, "adreel_schedule_delay_seconds") == value(samples, "adreel_queue_wait_seconds") == 0
        clock.later(minutes=6)
        assert value(scrape(store, clock), "adreel_queue_wait_seconds") == 60
        store.runs.begin(run.id)
        assert value(scrape(store, clock), "adreel_queue_wait_seconds") == 0


def test_workers_that_are_silent_or_ended_are_not_counted(
    tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> None:
    home = tmp_path_factory.mktemp("home") / "home"
    with open_people(home, clock) as store:
        wall = datetime.now(UTC)
        add_worker(home, "alive", wall)
        add_worker(home, "silent", wall - timedelta(minutes=1))
        add_worker(home, "ended", wall, ended=wall)
        samples = scrape(store, clock)
    assert (value(samples, "adreel_workers"), value(samples, "adreel_worker_slots")) == (1, 3)


def change(home: object, statement: str, moment: datetime) -> None:
    with closing(sqlite3.connect(f"{home}/adreel.db")) as database:
        database.execute(statement, (f"{moment:%Y-%m-%d %H:%M:%S.%f}",))
        database.commit()


def add_worker(home: object, name: str, heartbeat: datetime, ended: datetime | None = None) -> None:
    """A row as a worker writes it, which takes three runs at once."""
    times = [f"{moment:%Y-%m-%d %H:%M:%S.%f}" if moment else None for moment in (heartbeat, heartbeat, ended)]
    with closing(sqlite3.connect(f"{home}/adreel.db")) as database:
        database.execute("INSERT INTO workers VALUES (?, 'host-1', 4711, 3, ?, ?, ?)", (name, *times))
        database.commit()
