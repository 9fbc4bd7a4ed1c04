"""Postgres restarts, runs on it are killed, and processes migrate it at the same time."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

import test_postgres
from adreel.errors import RetryError
from adreel.lake import Lake
from adreel.settings import Settings
from adreel.store import RunState, Store
from adreel.store.database import HEAD, Database, open_backend
from adreel.store.migrations.upgrade import upgrade
from outside import Outside, check_whole, until
from people import add_account, add_dataset
from postgres import PostgresServer
from running import latest, settings_of
from test_postgres import on_postgres, open_store

empty_url = test_postgres.empty_url
outside = test_postgres.outside
url = test_postgres.url


@on_postgres
def test_a_run_that_is_killed_frees_its_lock_at_once_and_is_resumed(outside: Outside) -> None:
    code, _ = outside.run_until(lambda: outside.asked() >= 30, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert latest(outside.home).state == "running"
    with Store.open(settings_of(outside.home), clock=lambda: outside.home.now) as store:
        assert store.locks.holder("spend") is None
        assert store.seen(latest(outside.home)).state is RunState.INTERRUPTED
    check_whole(outside)
    assert not (outside.home.path / "adreel.db").exists()
    assert not (outside.home.path / "pace.db").exists()


@on_postgres
def test_a_restart_of_the_server_interrupts_a_run_which_is_resumed(outside: Outside, postgres: PostgresServer) -> None:
    with outside.start("run", "-f", outside.file()) as process:
        until(lambda: outside.asked() >= 30)
        postgres.stop()
        postgres.start()
        talk = process.communicate(timeout=60)[1]
    assert process.returncode == 6, talk
    assert "Traceback" not in talk
    assert "ry again" in talk or "Run the dataset again" in talk
    assert not Lake(outside.home.path / "lake").exists("spend")
    check_whole(outside)


def test_processes_that_open_an_older_database_at_once_migrate_it_once(empty_url: str, tmp_path: Path) -> None:
    settings = Settings.load({"ADREEL_HOME": str(tmp_path), "ADREEL_DATABASE_URL": empty_url})
    with closing(Database(open_backend(settings))) as database, database.backend.migrating() as connection:
        upgrade(connection, "0004")
    with ThreadPoolExecutor(5) as pool:
        stores = list(pool.map(lambda _: open_store(tmp_path, empty_url), range(5)))
    account = add_account(stores[0])
    for store in stores:
        assert store.accounts.list() == (account,)
        with store._database.read() as connection:
            assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").all() == [(HEAD,)]
        store.close()


def test_a_store_outlives_a_restart_of_the_server(url: str, tmp_path: Path, postgres: PostgresServer) -> None:
    with open_store(tmp_path, url) as store:
        account = add_account(store)
        postgres.stop()
        with ThreadPoolExecutor(1) as pool:
            listed = pool.submit(store.accounts.list)
            postgres.start()
            assert listed.result() == (account,)

        def half() -> None:
            with store._database.write() as connection:
                connection.exec_driver_sql("DELETE FROM accounts")
                postgres.stop()
                postgres.start()
                connection.exec_driver_sql("DELETE FROM datasets")

        with pytest.raises(RetryError, match=r"[Tt]ry again"):
            half()
        assert store.accounts.list() == (account,)
        assert add_dataset(store, account).account_id == account.id


def test_a_process_without_postgres_does_not_import_its_driver(tmp_path: Path) -> None:
    code = (
        "import sys; from datetime import UTC, datetime\n"
        "import adreel.pipeline.run, adreel.cli.runs\n"
        "from adreel.settings import Settings; from adreel.store import Store\n"
        f"Store.open(Settings.load({{'ADREEL_HOME': {str(tmp_path)!r}}}), clock=lambda: datetime.now(UTC)).close()\n"
        "print({'psycopg', 'filelock'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "psycopg" not in done.stdout
