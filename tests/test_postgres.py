"""A home whose store is in Postgres: what goes wrong around it is said, and costs no run and no row."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from adreel.access import Actor, Guard
from adreel.errors import BusyError, InputError, LockLostError
from adreel.lake import Lake
from adreel.pipeline.orders import Orders
from adreel.settings import Settings
from adreel.store import RunState, Store
from adreel.store.database import Database, open_backend
from adreel.store.migrations.upgrade import upgrade
from adreel.store.postgres import Postgres
from adreel.store.tables import metadata
from adreel.worker import environment
from home import Home, make_home
from outside import Outside, made_outside
from people import Clock, add_account
from postgres import PostgresServer
from running import Tampered, latest, run, settings_of
from web_home import open_site


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as address:
        yield address


@pytest.fixture
def empty_url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database("template1") as address:
        yield address


@pytest.fixture
def outside(store_folder: Path) -> Iterator[Outside]:
    with made_outside(store_folder) as opened:
        yield opened


def on_postgres(test: object) -> object:
    return pytest.mark.parametrize("database_url", ["postgres"], indirect=True)(test)


def open_store(folder: Path, url: str) -> Store:
    return Store.open(Settings.load({"ADREEL_HOME": str(folder), "ADREEL_DATABASE_URL": url}), clock=Clock())


def lose_locks(postgres: PostgresServer) -> None:
    """As when the machine of a run is cut off for a while, and its connection given up."""
    postgres.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'adreel lock%'")


# Runs


@on_postgres
def test_a_run_that_lost_its_lock_stops_and_says_nothing_more_of_the_run(
    store_folder: Path, postgres: PostgresServer
) -> None:
    home = make_home(store_folder)
    home.add_account()
    state: list[str] = []

    def lose(_params: dict[str, str], _data: dict[str, Any]) -> None:
        if not state:
            state.append("lost")
            lose_locks(postgres)

    with pytest.raises(LockLostError, match=r"which held the dataset's lock, was lost\. The table is unchanged"):
        run(home, home.file(), transport=Tampered(home, lose))
    assert latest(home).state is RunState.RUNNING
    assert home.json("history", "spend")[0]["state"] == "interrupted"
    assert not Lake(home.path / "lake").exists("spend")
    report = run(home, home.file())
    assert (report.resumed, report.version, report.verification["verified"]) == (True, 0, True)


@on_postgres
def test_a_run_whose_lock_is_lost_when_its_files_are_written_commits_nothing(
    store_folder: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(store_folder)
    home.add_account()
    run(home, home.file())
    before = sorted(path for path in home.path.glob("lake/spend/**/*") if path.is_file())

    def lose(_params: dict[str, str], _data: dict[str, Any]) -> None:
        lose_locks(postgres)

    # Nobody looks at the lock but the commit itself.
    monkeypatch.setattr("adreel.pipeline.run.TICK", 60)
    with pytest.raises(LockLostError):
        run(home, home.file(), transport=Tampered(home, lose))
    assert sorted(path for path in home.path.glob("lake/spend/**/*") if path.is_file()) == before


@on_postgres
def test_a_dataset_that_two_people_run_at_once_is_queued_once(store_folder: Path) -> None:
    home = make_home(store_folder)
    home.add_account()
    home.good("datasets", "create", "-f", home.file())
    settings = settings_of(home)

    def enqueue(_: int) -> str:
        with Store.open(settings, clock=lambda: home.now) as store:
            try:
                orders = Orders(settings, store, clock=lambda: home.now)
                return orders.enqueue(Guard(store, Actor(None)), store.datasets.get("spend")).id
            except BusyError:
                return ""

    with ThreadPoolExecutor(4) as pool:
        queued = [run_id for run_id in pool.map(enqueue, range(4)) if run_id]
    with Store.open(settings, clock=lambda: home.now) as store:
        assert [run.id for run in store.runs.list()] == queued
        assert len(queued) == 1


# Schema


def test_migrations_give_the_declared_tables_in_postgres(empty_url: str, tmp_path: Path) -> None:
    settings = Settings.load({"ADREEL_HOME": str(tmp_path), "ADREEL_DATABASE_URL": empty_url})
    with closing(Database(open_backend(settings))) as database, database.backend.migrating() as connection:
        upgrade(connection, "head")
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


# The server


def test_another_machine_makes_no_key_of_its_own(url: str, tmp_path: Path) -> None:
    with open_store(tmp_path / "one", url) as first, open_store(tmp_path / "two", url) as second:
        account = add_account(first)
        with pytest.raises(InputError, match=r"Copy secret\.key from the home folder .* to .*two/secret\.key"):
            add_account(second, "other")
        with pytest.raises(InputError, match=r"encrypted with a key that is not in .*two/secret\.key"):
            second.accounts.token(account)
        (tmp_path / "two" / "secret.key").write_bytes((tmp_path / "one" / "secret.key").read_bytes())
        assert first.accounts.token(add_account(second, "other")) == second.accounts.token(second.accounts.get("other"))


def test_what_a_stopped_process_or_a_dead_machine_holds_is_given_up(
    url: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    with open_store(tmp_path, url) as store:
        with store._database.write() as connection:
            assert connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "30s"
        backend = store._database.backend
        assert isinstance(backend, Postgres)
        with backend.locks.dataset("spend") as held:
            names = ("idle", "interval", "count")
            shown = [held.connection.execute(f"SHOW tcp_keepalives_{name}".encode()).fetchone() for name in names]
            idle, interval, count = (int(row[0]) for row in shown if row is not None)
            assert idle + interval * count <= 15
            assert held.connection.execute("SHOW idle_session_timeout").fetchone() == ("0",)


@pytest.mark.slow
@on_postgres
def test_pages_say_that_the_database_is_away_and_come_back_with_it(
    store_folder: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adreel.store.postgres.RESTART_SECONDS", 0.05)
    home = make_home(store_folder)
    with open_site(home) as site:
        visitor = site.visit()
        assert visitor.get("/setup").status_code == 200
        postgres.stop()
        answer = visitor.get("/setup")
        postgres.start()
        assert answer.status_code == 503
        assert answer.text == "The database cannot be read. Try again in a moment.\n"
        assert visitor.get("/setup").status_code == 200


def test_what_is_wrong_with_the_address_is_said_and_no_password(url: str, postgres: PostgresServer, home: Home) -> None:
    host = f"127.0.0.1:{postgres.port}"

    def message(address: str, code: int) -> str:
        home.environ["ADREEL_DATABASE_URL"] = address
        exit_code, text = home.bad("accounts", "list")
        assert "hush" not in text
        assert exit_code == code, text
        return text

    assert "allowed: an address such as postgresql+psycopg://" in message("postgres://u:hush@h:1", 3)
    assert "allowed: an address" in message("mysql://u:hush@h/x", 3)
    missing = message(f"postgres://postgres:hush@{host}/none", 3)
    assert f"'none' on {host} does not exist. Create it with createdb" in missing
    assert "refused to sign in: " in message(f"postgres://nobody:hush@{host}/postgres", 3)
    assert "cannot be reached" in message("postgres://postgres:hush@127.0.0.1:1/x", 6)
    assert "cannot be reached" in message("postgres://postgres:hush@no.such.host.invalid/x", 6)
    name = url.rpartition("/")[2]
    postgres.ask("DROP ROLE IF EXISTS poor")
    postgres.ask("CREATE ROLE poor LOGIN")
    with postgres.database("template1") as other:
        poor = other.replace("postgres@", "poor:hush@")
        assert "lacks a right in Postgres database" in message(poor, 3)
    assert "lacks a right" in message(f"postgresql://poor:hush@{host}/{name}", 3)


@pytest.mark.slow
def test_a_missing_driver_is_named_with_how_to_install_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['psycopg'] = None; from adreel.cli import app; app()"
    environ = {**os.environ, "ADREEL_HOME": str(tmp_path), "ADREEL_DATABASE_URL": "postgres://u:hush@127.0.0.1/x"}
    done = subprocess.run([sys.executable, "-c", code, "accounts", "list"], env=environ, capture_output=True, text=True)
    assert done.returncode == 3
    assert "pip install 'adreel[postgres]'" in done.stderr
    assert "hush" not in done.stderr


def test_the_address_is_a_secret_that_processes_of_runs_get(tmp_path: Path) -> None:
    address = f"postgres://u:{quote('h/u:s@h', safe='')}@db.example/adreel?sslmode=require"
    settings = Settings.load({"ADREEL_HOME": str(tmp_path), "ADREEL_DATABASE_URL": address})
    assert "u:" not in repr(settings)
    assert {shown.text for shown in settings.shown() if shown.setting.name == "database_url"} == {"(set)"}
    passed = environment(settings, {})["ADREEL_DATABASE_URL"]
    assert passed == address.replace("postgres://", "postgresql+psycopg://")
