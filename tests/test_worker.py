"""Runs that wait, and the processes that work on them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adreel.access import Actor, Guard
from adreel.clock import wall_clock
from adreel.errors import BusyError, ExitCode, InputError
from adreel.pipeline.orders import Orders
from adreel.pipeline.process import work
from adreel.settings import Settings
from adreel.store import FINISHED, Run, RunOutcome, RunState, Store
from adreel.worker import Worker, environment
from home import Home, environment_of, make_home, served


def settings_of(home: Home, url: str = "http://tiktok.test") -> Settings:
    return Settings.load({k: v for k, v in environment_of(home, url).items() if k.startswith("ADREEL_")})


def opened(home: Home) -> tuple[Settings, Store]:
    settings = settings_of(home)
    return settings, Store.open(settings, clock=lambda: home.now)


def operator(store: Store) -> Guard:
    return Guard(store, Actor(None))


def queued(home: Home, store: Store, **keys: Any) -> str:
    home.good("datasets", "create", "-f", home.file(**keys))
    orders = Orders(settings_of(home), store, clock=lambda: home.now)
    return orders.enqueue(operator(store), store.datasets.get("spend")).id


def worked(home: Home, settings: Settings, store: Store, run_id: str) -> Any:
    return work(settings, store, run_id, clock=lambda: home.now, transport=httpx2.ASGITransport(home.world))


def test_a_queued_run_creates_a_version(home: Home) -> None:
    settings, store = opened(home)
    with store:
        run = worked(home, settings, store, queued(home, store))
        assert (run.state, run.version) == (RunState.VERIFIED, 0)
    assert home.rows("select count(*) as n from spend")[0]["n"] == run.rows > 0


def test_a_dataset_cannot_be_queued_twice(home: Home) -> None:
    settings, store = opened(home)
    with store:
        queued(home, store)
        with pytest.raises(BusyError, match="is already queued"):
            Orders(settings, store, clock=lambda: home.now).enqueue(operator(store), store.datasets.get("spend"))


def test_the_command_line_does_not_overtake_a_queued_run(home: Home) -> None:
    settings, store = opened(home)
    with store:
        run_id = queued(home, store)
        code, message = home.bad("run", "spend")
        assert code == ExitCode.BUSY
        assert f"Run {run_id} of 'Spend' is already queued" in message
        assert f"adreel cancel {run_id}" in message
        assert worked(home, settings, store, run_id).state is RunState.VERIFIED


def test_a_run_that_failed_temporarily_is_queued_again(home: Home) -> None:
    settings, store = opened(home)
    with store:
        run_id = queued(home, store)
        store.runs.begin(run_id)
        store.runs.finish(run_id, RunOutcome(RunState.FAILED, error="TikTok is away.", error_kind="RetryError"))
        again = Orders(settings, store, clock=lambda: home.now).enqueue(operator(store), store.datasets.get("spend"))
        assert again.id == run_id
        assert worked(home, settings, store, run_id).state is RunState.VERIFIED


def test_a_queued_run_can_be_cancelled(home: Home) -> None:
    settings, store = opened(home)
    with store:
        run_id = queued(home, store)
        Orders(settings, store, clock=lambda: home.now).cancel(operator(store), store.runs.get(run_id))
        run = store.runs.get(run_id)
        assert (run.state, run.error) == (RunState.CANCELLED, "Cancelled before it started.")
        assert worked(home, settings, store, run_id).state is RunState.CANCELLED


def test_a_queued_run_of_a_deleted_dataset_fails_with_the_reason(home: Home) -> None:
    settings, store = opened(home)
    with store:
        run_id = queued(home, store)
        store.datasets.delete(store.datasets.get("spend"))
        run = worked(home, settings, store, run_id)
        assert run.state is RunState.FAILED
        assert "'Spend' was deleted before the run started" in run.error


def test_a_dataset_without_an_account_cannot_be_queued(home: Home) -> None:
    settings, store = opened(home)
    home.good("datasets", "create", "-f", home.file())
    home.good("accounts", "delete", "demo", "--yes")
    with store, pytest.raises(InputError, match="disconnected"):
        Orders(settings, store, clock=lambda: home.now).enqueue(operator(store), store.datasets.get("spend"))


@contextmanager
def working(settings: Settings, store: Store, environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """A worker of this process at work while the block runs."""
    worker = Worker(settings, store, environment(settings, environ), clock=wall_clock, wall=wall_clock)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def awaited(store: Store, run_id: str, seconds: float = 60) -> Run:
    until = time.monotonic() + seconds
    while store.runs.get(run_id).state not in FINISHED and time.monotonic() < until:
        time.sleep(0.05)
    return store.runs.get(run_id)


@pytest.fixture
def today_home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", today=datetime.now(UTC).date(), advertisers=1, ads=3)
    home.now = datetime.now(UTC)
    home.add_account()
    return home


def test_a_worker_starts_queued_runs_in_separate_processes(today_home: Home) -> None:
    with served(today_home.config) as url:
        settings = settings_of(today_home, url)
        with Store.open(settings, clock=wall_clock) as store:
            run_id = queued(today_home, store)
            with working(settings, store):
                run = awaited(store, run_id)
            assert (run.state, run.error) == (RunState.VERIFIED, "")
            (worker,) = store.queue.workers()
            assert (run.worker, worker.ended_at is not None) == (worker.id, True)


def test_a_run_whose_process_dies_three_times_is_stopped_with_its_last_words(home: Home) -> None:
    settings, store = opened(home)
    broken = os.environ | {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"}
    with store:
        run_id = queued(home, store)
        with working(settings, store, broken):
            run = awaited(store, run_id)
        assert (run.state, run.deaths) == (RunState.FAILED, 3)
        assert "its process ended unexpectedly 3 times" in run.error
        assert "(exit code 1)" in run.error
        assert len(store.runs.log_lines(run_id)) == 3


def test_a_process_gets_the_settings_that_differ_from_its_own_and_no_others(home: Home) -> None:
    settings = settings_of(home)
    given = environment(settings, {"PATH": "/bin"})
    assert given["ADREEL_HOME"] == str(home.path)
    assert given["ADREEL_TIKTOK_SECRET"] == home.config.secret
    assert "ADREEL_TIKTOK_LEVEL" in given
    assert "ADREEL_LAKE_URL" not in given
    assert Settings.load(given) == settings
