"""Homes of older versions, brought up to date when they are opened: nothing is lost, and everything new works there."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import create_engine

from adreel.access import AccountRight, Actor, Guard
from adreel.errors import NotFoundError, StorageError
from adreel.settings import Settings
from adreel.store import AccountStatus, Level, Role, RunOutcome, RunState, Store
from adreel.store.migrations.upgrade import upgrade
from people import CHEAP, PASSWORD, START, Clock, add_account, add_dataset, add_user

KEY = Fernet.generate_key().decode()
TABLES = ("accounts", "account_advertisers", "datasets", "runs", "run_log")


def open_old(home: Path) -> Store:
    settings = Settings.load({"ADREEL_HOME": str(home), "ADREEL_SECRET_KEY": KEY})
    return Store.open(settings, clock=Clock(), cost=CHEAP)


ROWS = """
INSERT INTO marks (name, value) VALUES ('adreel', '0.1.0');
INSERT INTO accounts (id, name, token, app_secret, app_id, base_url, status, owner, selection,
                      created_at, updated_at, last_checked_at)
VALUES (1, 'main', 'TOKEN', '', 'app', 'u', 'valid', 'Ann at TikTok', '["1"]', 'NOW', 'NOW', 'NOW'),
       (2, 'other', 'TOKEN', '', 'app', 'u', 'revoked', '', NULL, 'NOW', 'NOW', NULL),
       (3, 'deleted', 'TOKEN', '', 'app', 'u', 'valid', '', NULL, 'NOW', 'NOW', NULL);
DELETE FROM accounts WHERE id = 3;
INSERT INTO account_advertisers (account_id, advertiser_id, name, currency, timezone, display_timezone, status,
                                 country, refreshed_at, gone)
VALUES (1, '1', 'One', 'USD', 'Etc/GMT+8', '', '', 'US', 'NOW', 0);
INSERT INTO datasets (id, slug, table_slug, name, description, tags, account_id, account_name, spec, spec_version,
                      created_at, updated_at)
VALUES (1, 'd1', 't1', 'D 1', '', '["a"]', 1, 'main', '{}', 3, 'NOW', 'NOW'),
       (2, 'd2', 't2', 'D 2', '', '[]', NULL, 'gone', '{}', 1, 'NOW', 'NOW');
INSERT INTO runs (id, dataset_id, dataset_name, dataset_slug, spec_version, dates, state, created_at, cancel_requested,
                  requests, refused, pages, rows, chunks_done, chunks_total, requests_planned, version,
                  proof, warnings, skipped, error, error_kind)
VALUES ('ab12', 1, 'D 1', 'd1', 3, NULL, 'succeeded', 'NOW', 0, 9, 0, 8, 7, 6, 6, 9, 0,
        '{"proved": true}', '["w"]', '{}', '', '');
INSERT INTO run_log (run_id, at, text) VALUES ('ab12', 'NOW', 'planned');
"""


@pytest.fixture(scope="session")
def made_by_0001(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as the first version left it: made by its own migration, with rows as it wrote them."""
    home = tmp_path_factory.mktemp("old")
    engine = create_engine(f"sqlite:///{home / 'adreel.db'}")
    with engine.begin() as connection:
        upgrade(connection, "0001")
    engine.dispose()
    token = Fernet(KEY).encrypt(b"act.token").decode()
    with closing(sqlite3.connect(home / "adreel.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(ROWS.replace("TOKEN", token).replace("NOW", "2026-01-02 03:04:05.000000"))
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    return home


@pytest.fixture
def old(made_by_0001: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_by_0001, tmp_path / "home"))


def contents(home: Path) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(home / "adreel.db")) as database:
        database.row_factory = sqlite3.Row
        return {
            table: [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY rowid")] for table in TABLES
        }


def test_an_older_home_keeps_all_that_it_had(old: Path) -> None:
    before = contents(old)
    with open_old(old) as store:
        main, other = store.accounts.list()
        assert (main.status, main.owner, main.selection) == (AccountStatus.VALID, "Ann at TikTok", ("1",))
        assert [store.accounts.token(account) for account in (main, other)] == ["act.token"] * 2
        assert [advertiser.name for advertiser in store.accounts.advertisers(main)] == ["One"]
        first, second = store.datasets.list()
        assert (first.tags, first.spec_version, first.account_id, second.connected) == (("a",), 3, main.id, False)
        run = store.runs.get("ab")
        assert (run.state, run.rows, run.warnings) == (RunState.VERIFIED, 7, ("w",))
        assert [line.text for line in store.runs.log_lines(run.id)] == ["planned"]
    after = contents(old)
    (run_before,), (run_after,) = before["runs"], after["runs"]
    assert (run_before.pop("state"), run_after["state"]) == ("succeeded", "verified")
    assert (run_before.pop("proof"), run_after["verification"]) == ('{"proved": true}', '{"verified": true}')
    for table in TABLES:
        assert len(after[table]) == len(before[table]) > 0
        assert all(was.items() <= now.items() for was, now in zip(before[table], after[table], strict=True)), table


RESTORE = "Version 3 was restored as version 5: 90 rows read on 2026-11-22 at 12:00 UTC. The next run updates the days."
BACKFILL = "Only the days of this run were replaced. The next run of the dataset's own dates replaces the whole table."
GOOD = '{"proved": true, "totals": {"spend": {"expected": 1, "got": 1}}}'
STATES: dict[str, tuple[tuple[str, str, str, str, int], tuple[RunState, tuple[str, ...], tuple[str, ...]]]] = {
    # State, verification, warnings, skipped and requests as they were; state, notes and warnings as they are.
    "good": (("succeeded", GOOD, "[]", "{}", 9), (RunState.VERIFIED, (), ())),
    "warned": (("warned", GOOD, '["w"]', "{}", 9), (RunState.VERIFIED_WITH_WARNINGS, (), ("w",))),
    "skipped": (("warned", GOOD, "[]", '{"1": "no"}', 9), (RunState.ADVERTISERS_SKIPPED, (), ())),
    "differing": (("warned", '{"proved": false}', '["w"]', "{}", 9), (RunState.CHECK_FAILED, (), ("w",))),
    "backfill": (("warned", GOOD, f'["{BACKFILL}"]', "{}", 9), (RunState.VERIFIED, (BACKFILL,), ())),
    "restore": (
        ("warned", GOOD, f'["{RESTORE}", "w"]', "{}", 0),
        (RunState.VERIFIED_WITH_WARNINGS, (RESTORE,), ("w",)),
    ),
    "unknown": (("warned", "{}", f'["{RESTORE}"]', "{}", 0), (RunState.VERIFICATION_UNKNOWN, (RESTORE,), ())),
    "dead": (("interrupted", "{}", "[]", "{}", 0), (RunState.INTERRUPTED, (), ())),
    "failed": (("failed", "{}", "[]", "{}", 5), (RunState.FAILED, (), ())),
}


def test_runs_of_an_older_home_get_their_states_and_restores_their_own_time(old: Path) -> None:
    engine = create_engine(f"sqlite:///{old / 'adreel.db'}")
    with engine.begin() as connection:
        upgrade(connection, "0004")
    engine.dispose()
    restores = {"restore", "unknown", "dead"}
    began, asked = "2026-01-02 00:00:00.000000", "2026-01-04 00:00:00.000000"
    with closing(sqlite3.connect(old / "adreel.db")) as database, database:
        for name, ((state, proof, warnings, skipped, requests), _) in STATES.items():
            values = (name, state, asked, began if name in restores else asked, proof, warnings, skipped, requests)
            database.execute(
                "INSERT INTO runs (id, dataset_id, dataset_name, dataset_slug, spec_version, state, created_at, "
                "started_at, cancel_requested, refused, pages, rows, chunks_done, chunks_total, requests_planned, "
                "proof, warnings, skipped, requests, error, error_kind) "
                "VALUES (?, 1, 'D 1', 'd1', 3, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, ?, ?, ?, ?, '', '')",
                values,
            )
    with open_old(old) as store:
        for name, (_, expected) in STATES.items():
            run = store.runs.get(name)
            assert (run.state, run.notes, run.warnings) == expected, name
            assert str(run.started_at) == "2026-01-04 00:00:00+00:00", name
            assert run.restores is (name in restores), name
            assert run.restored_version == (3 if name in {"restore", "unknown"} else None), name
            assert str(run.read_at)[:10] == ("2026-01-02" if name in restores else "2026-01-04"), name
        assert store.runs.get("good").verification["totals"] == {"spend": {"expected": 1, "actual": 1}}


def test_paused_backfills_of_an_older_home_wait_unless_a_person_paused_them(old: Path) -> None:
    engine = create_engine(f"sqlite:///{old / 'adreel.db'}")
    with engine.begin() as connection:
        upgrade(connection, "0012")
    engine.dispose()
    reasons = {"Paused by Ada.": False, "Paused.": False, "The run of its days failed.": True}
    with closing(sqlite3.connect(old / "adreel.db")) as database, database:
        for reason in reasons:
            database.execute(
                "INSERT INTO backfills (dataset_id, first_day, last_day, slice_days, slice_requests, slice_seconds, "
                "state, next_day, request_version, triggered_by, reason, created_at) VALUES "
                "(1, '2025-01-01', '2025-02-01', 7, 1, 1, 'paused', '2025-02-01', 1, '', ?, '2026-01-02 00:00:00')",
                [reason],
            )
        for kinds in ('["failed", "stale"]', '["stale"]'):
            database.execute(
                "INSERT INTO notification_addresses (added_by_name, name, url, shown, kinds, owned_only, created_at, "
                "failure) VALUES ('', 'Ops', '', '', ?, 0, '2026-01-02 00:00:00', '')",
                [kinds],
            )
    with open_old(old) as store:
        assert {backfill.reason: backfill.waits for backfill in store.backfills.list()} == reasons
        assert {backfill.accepted for backfill in store.backfills.list()} == {frozenset()}
        heard = [sorted(address.kinds) for address in store.addresses.list()]
    assert heard == [["backfill_paused", "failed", "stale"], ["stale"]]


def test_what_an_older_home_had_belongs_to_no_user(old: Path) -> None:
    with open_old(old) as store:
        assert not store.users.any()
        assert [saved.owner_id for saved in store.datasets.list()] == [None, None]
        main = store.accounts.get("main")
        assert (store.shares.everyone(main), dict(store.shares.of(main))) == (Level.NONE, {})
        ed = add_user(store, "Ed")
        assert Guard(store, Actor(ed)).accounts() == ()
        assert Guard(store, Actor(store.users.get("Ada"))).account("main", AccountRight.DELETE) == main


def test_everything_new_works_in_an_older_home(old: Path) -> None:
    with open_old(old) as store:
        ed, eli = add_user(store, "Ed"), add_user(store, "Eli")
        main = store.accounts.get("main")
        store.shares.set(main, ed, Level.OWNER)
        store.shares.set_everyone(main, Level.READ)
        saved = add_dataset(store, main, owner=eli)
        store.users.delete(eli)
        assert store.datasets.get(saved.id).owner_id is None
        store.accounts.delete(main)
        assert store.shares.of_user(ed) == {store.accounts.get("other").id: Level.NONE}
        store.runs.finish(store.runs.add(saved, "cd34").id, RunOutcome(RunState.VERIFIED, version=0))
        assert store.users.check("ed", PASSWORD) == ed
        assert store.sessions.find(store.sessions.begin(ed, "")) is not None


def test_ids_are_not_given_anew_after_the_change(old: Path) -> None:
    with open_old(old) as store:
        account = add_account(store, "new")
        assert account.id == 4
        with pytest.raises(NotFoundError):
            store.accounts.get(3)


def test_processes_that_open_an_older_home_at_once_change_it_once(old: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: open_old(old), range(6)))
    ada = stores[0].users.add_first("Ada", PASSWORD)
    for store in stores:
        assert store.users.list() == (ada,)
        assert ada == store.users.get("Ada")
        store.close()
    assert (ada.role, ada.created_at) == (Role.ADMIN, START)


def test_a_change_that_fails_leaves_the_older_home_as_it_was(old: Path) -> None:
    with closing(sqlite3.connect(old / "adreel.db")) as database, database:
        # In the way of the change.
        database.execute("CREATE TABLE workspace (x)")
    before = contents(old)
    with pytest.raises(StorageError, match="workspace already exists"):
        open_old(old)
    assert contents(old) == before
    with closing(sqlite3.connect(old / "adreel.db")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        assert not database.execute("SELECT * FROM sqlite_master WHERE name = 'users'").fetchall()
