"""A store that is moved between databases: whole or not at all, and never under somebody's hands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from adreel.settings import Secret, Settings
from adreel.store import ExchangeRate, LogLine, Progress, RunOutcome, RunState, Store
from adreel.store.audit import AuditAction, AuditFilter
from adreel.store.database import open_database
from adreel.store.drafts import DraftWriter
from adreel.store.file_locks import FileLocks
from adreel.store.tables import alembic_version, metadata
from home import Home
from people import CHEAP, PASSWORD, START, Clock, add_account, add_dataset, open_people
from postgres import PostgresServer


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database("template1") as address:
        yield address


@pytest.fixture
def full(home: Home) -> Home:
    """A home with a bit of everything, of which some was deleted."""
    with open_people(home.path, Clock()) as store:
        ada = store.users.add_first("Ada", PASSWORD)
        store.sessions.begin(ada, "agent\0 with a NUL")
        shop = add_account(store, "Shop \N{SNOWMAN}", ada)
        saved = add_dataset(store, shop, "Spend")
        store.drafts.keep(
            ada, DraftWriter("key", "tab", 0), "Half \N{SNOWMAN}", [("name", "a\0b"), ("metrics", "spend")]
        )
        rate = ExchangeRate(date(2026, 11, 28), "USD", "EUR", Decimal("0.920000000000001"))
        store.exchange_rates.save([rate], "rates.csv", replace=False)
        store.exchange_rates.set_valid_days(31)
        run = store.runs.begin(store.runs.add(saved, "ab12", ("2026-01-01", "2026-01-02")).id)
        store.runs.progress(run.id, Progress(requests=3, rows=2_000_000_000, share=1 / 3))
        outcome = RunOutcome(RunState.VERIFIED, version=0, warnings=("a\0b", "ü"), skipped={"1": "no"}, table_rows=7)
        board = store.dashboards.add(ada, "Every morning \N{SNOWMAN}")
        store.dashboards.add_pin(board, saved, "spend", "days=7&campaign=1")
        store.runs.finish(run.id, outcome)
        store.runs.log(run.id, *map(str, range(1_200)))
        store.datasets.delete(add_dataset(store, shop, "Gone"))
    return home


def content(settings: Settings) -> dict[str, set[tuple[Any, ...]]]:
    with closing(open_database(settings)) as database, database.read() as connection:
        tables = [table for table in metadata.sorted_tables if table.name not in ("marks", "audit")]
        return {table.name: {tuple(map(repr, row)) for row in connection.execute(select(table))} for table in tables}


def settings_of(home: Home, url: str = "") -> Settings:
    settings = Settings.load({"ADREEL_HOME": str(home.path)})
    return replace(settings, database_url=Secret(url))


def in_postgres(home: Home, url: str) -> Store:
    return Store.open(settings_of(home, url), clock=Clock(), cost=CHEAP)


def test_a_store_moves_to_postgres_and_back_with_all_that_it_has(full: Home, url: str) -> None:
    before = content(settings_of(full))
    talk = full.good("migrate-store", "--to", url).stderr
    assert "Copied 1,2" in talk
    assert "secret.key" in talk
    assert "ADREEL_DATABASE_URL" in talk
    assert content(settings_of(full)) == before
    moved = content(settings_of(full, url))
    assert {name: len(rows) for name, rows in moved.items()} == {name: len(rows) for name, rows in before.items()}
    with in_postgres(full, url) as store:
        (entry,) = store.audit.page(AuditFilter(actions=frozenset({AuditAction.STORE_MOVE})))
        assert (entry.user_name, entry.details["source"]) == ("command line", str(full.path / "adreel.db"))
        assert store.runs.get("ab12").warnings == ("a\N{REPLACEMENT CHARACTER}b", "ü")
        assert store.accounts.token(store.accounts.get("Shop \N{SNOWMAN}")) == "act.Shop \N{SNOWMAN}"
        assert store.users.check("ada", PASSWORD) is not None
        # An ID of what was deleted is not given anew.
        assert add_dataset(store, store.accounts.get("demo"), "New").id == 3
        assert store.runs.log_lines("ab12")[-1] == LogLine(1_200, START, "1199")
        store.datasets.delete(store.datasets.get("New"))
    whole = content(settings_of(full, url))
    (full.path / "adreel.db").rename(full.path / "before.db")
    for path in full.path.glob("adreel.db-*"):
        path.unlink()
    full.environ["ADREEL_DATABASE_URL"] = url
    assert "remove ADREEL_DATABASE_URL" in full.good("migrate-store", "--to", "files").stderr
    assert content(settings_of(full)) == whole
    with open_people(full.path, Clock()) as store:
        assert add_dataset(store, store.accounts.get("demo"), "New").id == 4


def test_a_store_does_not_move_onto_another_or_onto_itself(full: Home, postgres: PostgresServer, url: str) -> None:
    full.good("migrate-store", "--to", "-", stdin=f"{url}\n")
    code, message = full.bad("migrate-store", "--to", url)
    assert (code, "is not empty: it has" in message) == (3, True)
    full.environ["ADREEL_DATABASE_URL"] = url
    assert "is not empty" in full.bad("migrate-store", "--to", url)[1]
    assert "is not empty" in full.bad("migrate-store", "--to", "files")[1]
    assert "allowed: an address such as" in full.bad("migrate-store", "--to", "mysql://root:hush@db/x")[1]
    assert "hush" not in full.bad("migrate-store", "--to", "mysql://root:hush@db/x")[1]


def test_a_store_in_use_does_not_move(full: Home, postgres: PostgresServer, url: str) -> None:
    def refused() -> str:
        code, message = full.bad("migrate-store", "--to", url)
        assert code == 8
        assert postgres.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", url.rpartition("/")[2]) == [
            (0,)
        ]
        return message

    with FileLocks(full.path).dataset("spend"):
        assert f"process ({os.getpid()}) works on dataset 'spend'" in refused()
    with open_people(full.path, Clock()) as store:
        run = store.runs.add(store.datasets.get("spend"), "cd34")
    assert "Run cd34 of dataset 'spend' is queued" in refused()
    with open_people(full.path, Clock()) as store:
        store.runs.begin(run.id)
    # Its process is gone.
    full.good("migrate-store", "--to", url)


def test_the_tables_that_are_moved_are_all_there_are(home: Home) -> None:
    with closing(open_database(settings_of(home))) as database, database.read() as connection:
        names = {name for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names - {"sqlite_sequence"} == {table.name for table in metadata.sorted_tables} | {alembic_version.name}
