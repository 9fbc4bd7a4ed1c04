"""Runs that wait, and the processes that work on them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adreel.access import Actor, Guard
from adreel.errors import BusyError, ExitCode, InputError
from adreel.pipeline.orders import Orders
from adreel.pipeline.process import work
from adreel.settings import Settings
from adreel.store import FINISHED, RunOutcome, RunState, Store
from adreel.worker import Starter, environment
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


def test_a_server_starts_queued_runs_in_separate_processes(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", today=datetime.now(UTC).date(), advertisers=1, ads=3)
    home.now = datetime.now(UTC)
    home.add_account()
    with served(home.config) as url:
        settings = settings_of(home, url)
        with Store.open(settings, clock=lambda: datetime.now(UTC)) as store:
            run_id = queued(home, store)
            with Starter(settings, store, os.environ):
                until = time.monotonic() + 60
                while store.runs.get(run_id).state not in FINISHED and time.monotonic() < until:
                    time.sleep(0.1)
            run = store.runs.get(run_id)
            assert (run.state, run.error) == (RunState.VERIFIED, "")


def test_the_output_of_a_process_that_dies_is_in_the_log_of_its_run(home: Home) -> None:
    settings, store = opened(home)
    with store:
        run_id = queued(home, store)
        with Starter(settings, store, os.environ | {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"}):
            until = time.monotonic() + 60
            while store.runs.get(run_id).state not in FINISHED and time.monotonic() < until:
                time.sleep(0.1)
        run = store.runs.get(run_id)
        assert run.state is RunState.INTERRUPTED
        assert "Run the dataset again" in run.error
        assert store.runs.log_lines(run_id)


def test_a_process_gets_the_settings_that_differ_from_its_own_and_no_others(home: Home) -> None:
    settings = settings_of(home)
    given = environment(settings, {"PATH": "/bin"})
    assert given["ADREEL_HOME"] == str(home.path)
    assert given["ADREEL_TIKTOK_SECRET"] == home.config.secret
    assert "ADREEL_TIKTOK_LEVEL" in given
    assert "ADREEL_LAKE_URL" not in given
    assert Settings.load(given) == settings
