import json
import os
import re
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import create_engine

from adreel.errors import BusyError, ExistsError, InputError, NotFoundError, RetryError, StorageError
from adreel.settings import Settings
from adreel.store import (
    FINISHED,
    IN_PROGRESS,
    SUCCESSFUL,
    Account,
    AccountStatus,
    AdvertiserInfo,
    Progress,
    RunOutcome,
    RunState,
    SavedDataset,
    Store,
    new_run_id,
)
from adreel.store.database import HEAD, open_database
from adreel.store.file_locks import lock_note
from adreel.store.locks import Holder
from adreel.store.migrations.upgrade import config, upgrade
from adreel.store.names import LONGEST_SLUG, RESERVED, slug
from adreel.store.secrets import Keys
from adreel.store.tables import metadata

TOKEN = "act.token-of-the-first-account"
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    """A second passes with every look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def settings(home: Path, *keys: str) -> Settings:
    return Settings.load({"ADREEL_HOME": str(home), "ADREEL_SECRET_KEY": ",".join(keys)})


@pytest.fixture
def home(store_folder: Path) -> Path:
    return store_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home whose store is in files."""
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(settings(home), clock=Clock()) as opened:
        yield opened


def add_account(store: Store, name: str = "main", token: str = TOKEN) -> Account:
    return store.accounts.add(name, token=token, app_id="app", base_url="http://127.0.0.1/v1.3", owner="Ann")


def add_dataset(store: Store, name: str = "Ad spend by day", account: Account | None = None) -> SavedDataset:
    return store.datasets.create(name, account=account or add_account(store), spec="{}")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def schema(database: Path) -> dict[str, Any]:
    """What SQLite knows of the tables, however the text was put that made them."""
    with closing(sqlite3.connect(database)) as connection:

        def ask(pragma: str, name: str) -> list[tuple[Any, ...]]:
            return connection.execute(f"SELECT * FROM pragma_{pragma}(?)", (name,)).fetchall()

        tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: {
                "columns": {row[1:] for row in ask("table_info", name)},
                "keys": {row[2:] for row in ask("foreign_key_list", name)},
                "indexes": {
                    (row[2], *(column[2] for column in ask("index_info", row[1]))) for row in ask("index_list", name)
                },
                "counted": "AUTOINCREMENT" in sql,
            }
            for name, sql in tables
        }


def write_revision(home: Path, revision: str) -> None:
    with Store.open(settings(home), clock=Clock()) as store, store._database.write() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
        connection.exec_driver_sql("UPDATE marks SET value = '9.8.7' WHERE name = 'adreel'")


@contextmanager
def python(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Another process; killed at the end if it still runs."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def printed(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


# Accounts


def test_an_account_is_found_by_its_name_and_by_its_id(store: Store) -> None:
    account = add_account(store)
    numbered = add_account(store, "6")
    assert (
        store.accounts.get("main") == store.accounts.get(account.id) == store.accounts.get(str(account.id)) == account
    )
    assert store.accounts.get(numbered.name) == numbered
    assert (account.name, account.app_id, account.base_url) == ("main", "app", "http://127.0.0.1/v1.3")
    assert (account.status, account.owner, account.selection) == (AccountStatus.VALID, "Ann", None)
    assert account.created_at == account.updated_at == account.last_checked_at == START + timedelta(seconds=1)


def test_accounts_are_listed_by_name(store: Store) -> None:
    assert store.accounts.list() == ()
    names = [add_account(store, name).name for name in ("beta", "alpha")]
    assert [account.name for account in store.accounts.list()] == sorted(names)


def test_lists_show_at_once_what_this_or_another_process_changed(home: Path, store: Store) -> None:
    with Store.open(settings(home), clock=lambda: START) as other:
        saved = add_dataset(store)
        for seen in (store, other):
            assert [listed.name for listed in seen.accounts.list()] == ["main"]
            assert [listed.name for listed in seen.datasets.list()] == ["Ad spend by day"]
            assert seen.runs.briefs() == {}
        run = other.runs.add(saved, "r1")
        other.datasets.update(saved, name="Renamed")
        store.accounts.rename(store.accounts.get("main"), "Shop")
        for seen in (store, other):
            assert [listed.name for listed in seen.accounts.list()] == ["Shop"]
            assert [listed.name for listed in seen.datasets.list()] == ["Renamed"]
            assert [latest.speaking and latest.speaking.id for latest in seen.runs.briefs().values()] == [run.id]
        store.runs.finish(run.id, RunOutcome(RunState.CANCELLED))
        assert [latest.speaking and latest.speaking.state for latest in other.runs.briefs().values()] == [
            RunState.CANCELLED
        ]


def test_an_account_that_is_not_there_is_reported_with_the_nearest(store: Store) -> None:
    with pytest.raises(NotFoundError, match="Connect an account first"):
        store.accounts.get("main")
    add_account(store, "Main shop")
    add_account(store, "Other")
    with pytest.raises(NotFoundError, match=r"Account 'main shpo' was not found\. Did you mean 'Main shop'\?"):
        store.accounts.get("main shpo")
    with pytest.raises(NotFoundError, match=r"Account 'xyz' was not found\.$"):
        store.accounts.get("xyz")
    add_account(store, "7")
    for unknown in (7, "99", "9" * 30, "٣"):
        with pytest.raises(NotFoundError, match=f"'{unknown}'"):
            store.accounts.get(unknown)


def test_an_account_name_is_taken_once(store: Store) -> None:
    add_account(store)
    other = add_account(store, "other")
    with pytest.raises(InputError, match="'main' already"):
        add_account(store, " main ")
    with pytest.raises(InputError, match="'main' already"):
        store.accounts.rename(other, "main")
    assert store.accounts.rename(other, "other").name == "other"


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "x" * 101])
def test_a_name_that_cannot_be_read_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InputError, match="cannot name an account"):
        add_account(store, name)


def test_datasets_follow_when_their_account_is_renamed(store: Store) -> None:
    account = add_account(store)
    dataset = add_dataset(store, account=account)
    renamed = store.accounts.rename(account, "shop")
    assert (renamed.id, renamed.name) == (account.id, "shop")
    assert renamed.updated_at > account.updated_at
    assert store.datasets.get(dataset.slug).account_name == "shop"
    assert store.accounts.token(renamed) == TOKEN


def test_connecting_again_changes_the_token_and_makes_the_account_valid(store: Store) -> None:
    account = store.accounts.set_status(add_account(store), AccountStatus.REVOKED)
    assert account.status is AccountStatus.REVOKED
    again = store.accounts.set_token(account, "act.new", owner="Bob")
    assert (again.status, again.owner, again.app_id) == (AccountStatus.VALID, "Bob", "app")
    assert store.accounts.token(account) == "act.new"


def test_a_check_is_an_update_only_if_the_status_changed(store: Store) -> None:
    account = add_account(store)
    checked = store.accounts.set_status(account, AccountStatus.VALID)
    assert checked.updated_at == account.updated_at
    assert checked.last_checked_at is not None
    assert checked.last_checked_at > account.updated_at
    assert store.accounts.set_status(account, AccountStatus.EXPIRED).updated_at > account.updated_at


def test_advertisers_can_be_named_by_hand(store: Store) -> None:
    account = store.accounts.choose_advertisers(add_account(store), ["20", "10", "20"])
    assert account.selection == ("20", "10")
    assert store.accounts.get("main").selection == ("20", "10")
    assert store.accounts.choose_advertisers(account, None).selection is None
    with pytest.raises(InputError, match="No ad account is selected"):
        store.accounts.choose_advertisers(account, [])


def test_deleting_an_account_keeps_its_datasets_disconnected(store: Store) -> None:
    account = add_account(store)
    dataset = add_dataset(store, account=account)
    store.accounts.save_advertisers(account, [AdvertiserInfo("1")])
    assert store.datasets.list(account) == (dataset,)
    store.accounts.delete(account)
    disconnected = store.datasets.get(dataset.slug)
    assert not disconnected.connected
    assert (disconnected.account_id, disconnected.account_name) == (None, "main")
    assert store.accounts.advertisers(account) == ()
    again = store.datasets.update(disconnected, account=add_account(store))
    assert again.connected
    assert again.account_id != account.id


def test_an_account_that_was_deleted_meanwhile_is_reported(store: Store) -> None:
    account = add_account(store)
    store.accounts.delete(account)
    for use in (
        lambda: store.accounts.token(account),
        lambda: store.accounts.delete(account),
        lambda: store.accounts.set_status(account, AccountStatus.VALID),
        lambda: store.accounts.rename(account, "other"),
        lambda: store.accounts.save_advertisers(account, [AdvertiserInfo("1")]),
    ):
        with pytest.raises(NotFoundError, match="'main' was deleted"):
            use()


def test_advertisers_that_are_no_longer_listed_are_gone_and_come_back(store: Store) -> None:
    account, other = add_account(store), add_account(store, "other")
    first = AdvertiserInfo("1", "One", "USD", "Etc/GMT+8", "America/Los_Angeles", "STATUS_ENABLE", "US")
    store.accounts.save_advertisers(account, [first, AdvertiserInfo("2", "Two")])
    store.accounts.save_advertisers(other, [AdvertiserInfo("2", "Two")])
    store.accounts.save_advertisers(account, [AdvertiserInfo("2", "Second")])
    first, second = store.accounts.advertisers(account)
    assert (first.gone, first.name, first.timezone, first.country) == (True, "One", "Etc/GMT+8", "US")
    assert (second.gone, second.name) == (False, "Second")
    assert second.refreshed_at > first.refreshed_at
    assert [advertiser.gone for advertiser in store.accounts.advertisers(other)] == [False]
    store.accounts.save_advertisers(account, [first])
    assert [advertiser.gone for advertiser in store.accounts.advertisers(account)] == [False, True]


def test_what_is_not_told_about_an_advertiser_stays_as_it_was_known(store: Store) -> None:
    account = add_account(store)
    store.accounts.save_advertisers(account, [AdvertiserInfo("1", "One", "USD", "Etc/GMT+8")])
    store.accounts.save_advertisers(account, [AdvertiserInfo("1", "Uno")])
    (advertiser,) = store.accounts.advertisers(account)
    assert (advertiser.name, advertiser.currency, advertiser.timezone) == ("Uno", "USD", "Etc/GMT+8")


# Tokens


def test_a_token_is_in_no_file_of_the_home(folder: Path) -> None:
    with Store.open(settings(folder), clock=Clock()) as store:
        assert store.accounts.token(add_account(store)) == TOKEN
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {"adreel.db", "adreel.db-wal", "secret.key"} <= {path.name for path in files}
        assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_a_token_is_in_no_text_made_from_an_account(store: Store) -> None:
    assert TOKEN not in repr((add_account(store), store.accounts, store))


def test_the_key_file_is_made_by_the_first_token_and_is_private(store: Store, home: Path) -> None:
    key_file = home / "secret.key"
    assert not key_file.exists()
    add_account(store)
    key = key_file.read_bytes()
    assert mode(key_file) == 0o600
    add_account(store, "other")
    assert key_file.read_bytes() == key


def test_a_key_of_the_settings_makes_no_key_file(home: Path) -> None:
    with Store.open(settings(home, Fernet.generate_key().decode()), clock=Clock()) as store:
        assert store.accounts.token(add_account(store)) == TOKEN
    assert not (home / "secret.key").exists()


def test_a_token_under_another_key_is_reported_and_no_key_is_shown(home: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    with Store.open(settings(home, old), clock=Clock()) as store:
        account = add_account(store)
    for keys in ((new,), ()):
        with Store.open(settings(home, *keys), clock=Clock()) as store:
            with pytest.raises(InputError, match=r"account 'main'.*ADREEL_SECRET_KEY") as caught:
                store.accounts.token(account)
            assert new not in str(caught.value)
            assert caught.value.__suppress_context__
    assert not (home / "secret.key").exists()


def test_keys_are_rotated(home: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    with Store.open(settings(home, old), clock=Clock()) as store:
        account = add_account(store)
        add_account(store, "other", "act.other")
    with Store.open(settings(home, new, old), clock=Clock()) as store:
        assert store.accounts.token(account) == TOKEN
        assert store.accounts.rotate_tokens() == 2
    with Store.open(settings(home, new), clock=Clock()) as store:
        assert [store.accounts.token(account) for account in store.accounts.list()] == [TOKEN, "act.other"]
    with Store.open(settings(home, old), clock=Clock()) as store, pytest.raises(InputError):
        store.accounts.token(account)


def test_a_rotation_that_fails_changes_no_token(home: Path) -> None:
    old, lost, new = (Fernet.generate_key().decode() for _ in range(3))
    with Store.open(settings(home, old), clock=Clock()) as store:
        account = add_account(store, "a")
    with Store.open(settings(home, lost), clock=Clock()) as store:
        add_account(store, "b")
    with (
        Store.open(settings(home, new, old), clock=Clock()) as store,
        pytest.raises(InputError, match="account 'b'"),
    ):
        store.accounts.rotate_tokens()
    with Store.open(settings(home, old), clock=Clock()) as store:
        assert store.accounts.token(account) == TOKEN


def test_a_damaged_key_file_is_reported(store: Store, home: Path) -> None:
    account = add_account(store)
    (home / "secret.key").write_text("hush\n")
    with pytest.raises(InputError, match=r"secret\.key does not hold Fernet keys") as caught:
        store.accounts.token(account)
    assert "hush" not in str(caught.value)


def test_processes_that_need_a_key_at_once_get_the_same_one(folder: Path) -> None:
    home = folder
    home.mkdir()
    no_key = settings(home).secret_key
    with ThreadPoolExecutor(8) as pool:
        encrypted = list(pool.map(lambda n: Keys(no_key, home).encrypt(str(n)), range(8)))
    assert [Keys(no_key, home).decrypt(text, "x") for text in encrypted] == [str(n) for n in range(8)]
    assert [path.name for path in home.iterdir()] == ["secret.key"]


# Files


def test_what_is_written_stays_where_a_program_opened_the_store_twice(folder: Path) -> None:
    names = "SELECT name FROM accounts ORDER BY id"
    look = f"import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('{names}').fetchall())"

    def other_process() -> str:
        words = [sys.executable, "-c", look, str(folder / "adreel.db")]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    with Store.open(settings(folder), clock=Clock()) as first:
        add_account(first, "before")
        Store.open(settings(folder), clock=Clock()).close()
        # As the last to close the file, it would delete the log of writes that the first store goes on with.
        assert other_process() == "[('before',)]"
        add_account(first, "after")
        assert other_process() == "[('before',), ('after',)]"


def test_the_home_and_its_files_are_closed_to_other_users(folder: Path) -> None:
    before = os.umask(0)
    try:
        with Store.open(settings(folder), clock=Clock()) as store, store.locks.dataset("a"):
            add_account(store)
            assert mode(folder) == 0o700
            assert mode(folder / "locks") == 0o700
            files = {path.name: mode(path) for path in folder.rglob("*") if path.is_file()}
    finally:
        os.umask(before)
    assert {"adreel.db", "adreel.db-wal", "adreel.db-shm", "secret.key", "a.lock", "a.run"} <= set(files)
    assert {mode for name, mode in files.items()} == {0o600}


def test_files_that_were_opened_to_other_users_are_closed_again(folder: Path) -> None:
    with Store.open(settings(folder), clock=Clock()) as store:
        account = add_account(store)
    (folder / "adreel.db").chmod(0o644)
    (folder / "secret.key").chmod(0o644)
    with Store.open(settings(folder), clock=Clock()) as store:
        store.accounts.token(account)
    assert mode(folder / "adreel.db") == mode(folder / "secret.key") == 0o600


def test_a_folder_that_others_use_keeps_its_mode(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "their file").touch()
    with Store.open(settings(folder), clock=Clock()):
        assert mode(folder) == 0o755


def test_a_new_folder_with_only_settings_in_it_is_closed(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "adreel.env").touch(0o600)
    with Store.open(settings(folder), clock=Clock()):
        assert mode(folder) == 0o700


def test_a_home_may_have_any_name(tmp_path: Path) -> None:
    home = tmp_path / "my home?#%41 ä"
    with Store.open(settings(home), clock=Clock()) as store:
        add_account(store)
    assert (home / "adreel.db").exists()


def test_a_home_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be created"):
        Store.open(settings(tmp_path / "file" / "home"), clock=Clock())


# Schema


def test_the_head_is_the_newest_migration_and_revisions_are_numbered_without_gaps() -> None:
    scripts = ScriptDirectory.from_config(config())
    revisions = sorted(script.revision for script in scripts.walk_revisions())
    assert scripts.get_heads() == [HEAD]
    assert revisions == [f"{number:04}" for number in range(1, len(revisions) + 1)]


def test_migrating_from_nothing_gives_the_declared_tables(tmp_path: Path, folder: Path) -> None:
    migrated = tmp_path / "migrated.db"
    engine = create_engine(f"sqlite:///{migrated}")
    Store.open(settings(folder), clock=Clock()).close()
    with engine.begin() as connection:
        upgrade(connection, "head")
        context = MigrationContext.configure(connection)
        # SQLAlchemy cannot read all of a foreign key that was added with its column, nor an empty default; `schema`
        # below does.
        differences = [
            change for change in compare_metadata(context, metadata) if change[0] not in ("add_fk", "remove_fk")
        ]
        assert differences == []
    engine.dispose()
    assert schema(migrated) == schema(folder / "adreel.db")


def test_an_older_database_is_migrated_when_it_is_opened(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    with closing(sqlite3.connect(folder / "adreel.db")) as connection:
        connection.execute(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    with Store.open(settings(folder), clock=Clock()) as store:
        add_account(store)
    with Store.open(settings(tmp_path / "new"), clock=Clock()):
        assert schema(folder / "adreel.db") == schema(tmp_path / "new" / "adreel.db")
    with closing(sqlite3.connect(folder / "adreel.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_home_made_by_a_newer_adreel_is_refused_with_its_version(home: Path) -> None:
    write_revision(home, "9999")
    with pytest.raises(InputError, match=r"created by a newer adreel .*; install version 9\.8\.7 or newer"):
        Store.open(settings(home), clock=Clock())


def test_a_database_of_another_program_is_refused(folder: Path) -> None:
    write_revision(folder, "ae1027a6acf")
    with pytest.raises(StorageError, match="not a database of adreel"):
        Store.open(settings(folder), clock=Clock())
    (folder / "adreel.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match="file is not a database"):
        Store.open(settings(folder), clock=Clock())


def test_a_failure_of_the_database_does_not_show_what_was_being_saved(store: Store) -> None:
    run = store.runs.add(add_dataset(store), new_run_id())
    with store._database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE run_log RENAME TO lost")
    with pytest.raises(StorageError, match=r"no such table: run_log|\"run_log\" does not exist") as caught:
        store.runs.log(run.id, "hush")
    assert "hush" not in f"{caught.value} {caught.value.__cause__}"


def test_a_home_opened_again_has_what_was_saved(home: Path) -> None:
    with Store.open(settings(home), clock=Clock()) as store:
        dataset = add_dataset(store)
    with Store.open(settings(home), clock=Clock()) as store:
        assert store.datasets.list() == (dataset,)
        assert store.accounts.token(store.accounts.get("main")) == TOKEN


# Datasets


def test_a_dataset_is_found_by_slug_name_and_id(store: Store) -> None:
    account = add_account(store)
    spec = json.dumps({"report": "performance"})
    created = store.datasets.create(
        "Ad spend, by day", account=account, spec=spec, description=" d ", tags=["a b", "c", " a  b", ""]
    )
    assert (created.slug, created.table_slug, created.name) == (
        "ad_spend_by_day",
        "ad_spend_by_day",
        "Ad spend, by day",
    )
    assert (created.account_id, created.account_name, created.connected) == (account.id, "main", True)
    assert (created.spec, created.spec_version, created.description, created.tags) == (spec, 1, "d", ("a b", "c"))
    for name in ("ad_spend_by_day", "Ad spend, by day", created.id, str(created.id)):
        assert store.datasets.get(name) == created


def test_a_dataset_that_is_not_there_is_reported_with_the_nearest(store: Store) -> None:
    with pytest.raises(NotFoundError, match="Create a dataset first"):
        store.datasets.get("spend")
    add_dataset(store)
    with pytest.raises(NotFoundError, match=r"Did you mean .*'ad_spend_by_day'"):
        store.datasets.get("ad_spend_by_dya")


def test_long_names_that_differ_at_the_end_make_slugs_that_differ() -> None:
    first = slug("x" * 45 + " one")
    assert (first, slug("x" * 45 + " one more", [first])) == ("x" * 45 + "_on", "x" * 45 + "_2")


def test_datasets_whose_names_make_one_slug_are_numbered(store: Store) -> None:
    account = add_account(store)
    names = ("Ad spend", "ad-spend", "AD SPEND!", "ad spend 2")
    slugs = [add_dataset(store, name, account).slug for name in names]
    assert slugs == ["ad_spend", "ad_spend_2", "ad_spend_3", "ad_spend_2_2"]


def test_a_dataset_name_is_taken_once(store: Store) -> None:
    dataset = add_dataset(store, "One")
    other = add_dataset(store, "Two", store.accounts.get("main"))
    with pytest.raises(InputError, match="'One' already"):
        add_dataset(store, " One", store.accounts.get("main"))
    with pytest.raises(InputError, match="'One' already"):
        store.datasets.update(other, name="One")
    assert store.datasets.update(dataset, name="One").name == "One"


def test_renaming_keeps_the_slugs(store: Store) -> None:
    renamed = store.datasets.update(add_dataset(store), name="Costs")
    assert (renamed.name, renamed.slug, renamed.table_slug) == ("Costs", "ad_spend_by_day", "ad_spend_by_day")
    assert store.datasets.get("Costs") == renamed


def clash(store: Store) -> tuple[SavedDataset, SavedDataset]:
    """Two datasets, the second named like the first's slug, as homes of before may have them."""
    first = store.datasets.update(add_dataset(store, "spend"), name="Costs")
    second = add_dataset(store, "Something", store.accounts.get("main"))
    with store._database.write() as connection:
        connection.exec_driver_sql(f"UPDATE datasets SET name = 'spend' WHERE id = {second.id}")
    return store.datasets.get(first.id), store.datasets.get(second.id)


def test_a_slug_wins_over_the_name_of_another_and_both_stay_in_reach(store: Store) -> None:
    first, second = clash(store)
    assert second.name == first.slug == "spend"
    assert store.datasets.get("spend") == store.datasets.get("Costs") == first
    assert store.datasets.get("something") == second
    assert store.datasets.update(second, name="spend").name == "spend", "its own name is no new one"


def test_no_new_name_is_another_datasets_name_or_slug_and_no_new_slug_is_a_name(store: Store) -> None:
    first = store.datasets.update(add_dataset(store, "spend"), name="Costs")
    other = add_dataset(store, "Reach", store.accounts.get("main"))
    for name in ("Costs", "spend", " spend ", "Cos\u0074s"):
        with pytest.raises(ExistsError, match="choose another name"):
            add_dataset(store, name, store.accounts.get("main"))
        with pytest.raises(ExistsError, match=r"already.*; choose another name"):
            store.datasets.update(other, name=name)
        assert list(store.datasets.refusals([name])) == [name]
    assert store.datasets.update(first, name="spend").name == "spend", "its own slug is free to it"
    store.datasets.update(other, name="views")
    assert add_dataset(store, "Views", store.accounts.get("main")).slug == "views_2"


def test_names_that_look_the_same_are_one_name(store: Store) -> None:
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"
    dataset = add_dataset(store, decomposed)
    assert (dataset.name, store.datasets.get(decomposed)) == (composed, dataset)
    with pytest.raises(ExistsError):
        add_dataset(store, composed, store.accounts.get("main"))


@pytest.mark.slow
@given(names=st.lists(st.text("aA b_12", min_size=1, max_size=4), min_size=1, max_size=8))
@examples(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_foretold_of_names_is_what_happens(store: Store, names: list[str]) -> None:
    with store._database.write() as connection:
        connection.exec_driver_sql("DELETE FROM datasets")
    account = store.accounts.list()[0] if store.accounts.list() else add_account(store)
    names = list(dict.fromkeys(names))
    foretold = set(store.datasets.refusals(names))
    refused = set()
    for name in names:
        try:
            add_dataset(store, name, account)
        except InputError:
            refused.add(name)
    assert refused == foretold
    for saved in store.datasets.list():
        assert store.datasets.get(saved.slug) == store.datasets.get(saved.name) == saved


def test_a_dataset_that_is_not_there_is_reported_with_the_nearest_and_no_other(store: Store) -> None:
    account = add_account(store)
    for number in range(1, 13):
        add_dataset(store, f"Daily spend {number}", account)
    with pytest.raises(NotFoundError, match=r"^Dataset 'nope' was not found\.$"):
        store.datasets.get("nope")
    with pytest.raises(NotFoundError, match="Did you mean 'daily_spend_1'"):
        store.datasets.get("dayly_spend_1")


def test_only_another_spec_counts_the_version_up(store: Store) -> None:
    dataset = add_dataset(store)
    described = store.datasets.update(dataset, spec="{}", description="new", tags=["x"])
    assert (described.spec_version, described.description, described.tags) == (1, "new", ("x",))
    changed = store.datasets.update(described, spec='{"a": 1}')
    assert (changed.spec_version, changed.spec, changed.description) == (2, '{"a": 1}', "new")
    assert changed.updated_at > described.updated_at > dataset.updated_at
    assert changed.created_at == dataset.created_at


def test_deleting_a_dataset_keeps_its_runs_under_its_name(store: Store) -> None:
    dataset = add_dataset(store)
    run = store.runs.add(dataset, new_run_id())
    store.runs.log(run.id, "planned")
    store.datasets.delete(dataset)
    remaining = store.runs.get(run.id)
    assert (remaining.dataset_id, remaining.dataset_name, remaining.dataset_slug) == (
        None,
        "Ad spend by day",
        "ad_spend_by_day",
    )
    assert [line.text for line in store.runs.log_lines(run.id)] == ["planned"]
    for use in (
        lambda: store.datasets.delete(dataset),
        lambda: store.datasets.update(dataset, name="x"),
        lambda: store.datasets.update(dataset, spec="{}"),
        lambda: store.runs.add(dataset, new_run_id()),
    ):
        with pytest.raises(NotFoundError, match="was deleted"):
            use()


# Slugs


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ad spend by day", "ad_spend_by_day"),
        ("Größe & Übersicht", "grosse_ubersicht"),
        ("Łódź & coûts", "lodz_couts"),
        ("30 days", "d_30_days"),
        ("Order", "order_data"),
        ("  __a--b__ ", "a_b"),
        ("广告", "dataset"),
        ("\uff34ik\uff34ok", "tiktok"),
        ("con", "con_data"),
        ("x" * 200, "x" * LONGEST_SLUG),
    ],
)
def test_a_slug_reads_like_the_name(name: str, expected: str) -> None:
    assert slug(name) == expected


@given(st.lists(st.one_of(st.text(), st.sampled_from(sorted(RESERVED)), st.from_regex(r"[a-z_0-9 ]{40,60}"))))
def test_slugs_are_unique_and_safe_in_sql(names: list[str]) -> None:
    taken: list[str] = []
    for name in names:
        new_slug = slug(name, taken)
        assert re.fullmatch(r"[a-z][a-z0-9_]*", new_slug)
        assert "__" not in new_slug
        assert not new_slug.endswith("_")
        assert len(new_slug) <= LONGEST_SLUG
        assert new_slug not in RESERVED
        assert new_slug not in taken
        taken.append(new_slug)


def test_a_word_of_sql_makes_a_slug_that_names_a_table_unquoted() -> None:
    with closing(duckdb.connect()) as connection, closing(sqlite3.connect(":memory:")) as lite:
        words = [word for (word,) in connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()]
        assert len(words) > 300
        for new_slug in {slug(word) for word in [*words, *RESERVED]}:
            for database in (connection, lite):
                database.execute(f"CREATE TABLE {new_slug} (a INTEGER)")
                database.execute(f"SELECT {new_slug}.a FROM {new_slug}")


# Runs


def test_a_run_goes_from_queued_over_running_to_finished(store: Store) -> None:
    dataset = add_dataset(store)
    queued = store.runs.add(dataset, "b7" * 8)
    assert queued.state is RunState.QUEUED
    assert (queued.dataset_id, queued.dataset_slug, queued.spec_version) == (dataset.id, "ad_spend_by_day", 1)
    assert (queued.started_at, queued.finished_at, queued.version, queued.rows) == (None, None, None, 0)
    running = store.runs.begin(queued.id)
    assert running.state is RunState.RUNNING
    assert running.started_at == running.heartbeat_at
    cancelled = store.runs.progress(queued.id, Progress(10, 1, 9, 9000, 2, 4, 20))
    assert not cancelled
    seen = store.runs.get(queued.id)
    assert (seen.requests, seen.refused, seen.pages, seen.rows) == (10, 1, 9, 9000)
    assert (seen.chunks_done, seen.chunks_total, seen.requests_planned) == (2, 4, 20)
    assert seen.heartbeat_at is not None
    assert running.heartbeat_at is not None
    assert seen.heartbeat_at > running.heartbeat_at
    outcome = RunOutcome(
        RunState.CHECK_FAILED, 7, {"rows": 9000, "keys": [1]}, ("one is gone",), {"12": "no permission"}
    )
    done = store.runs.finish(queued.id, outcome)
    assert done == store.runs.get(queued.id)
    assert (done.state, done.version, done.verification) == (RunState.CHECK_FAILED, 7, {"rows": 9000, "keys": [1]})
    assert (done.warnings, done.skipped) == (("one is gone",), {"12": "no permission"})
    assert (done.rows, done.error, done.cancel_requested) == (9000, "", False)
    assert done.finished_at is not None


def test_a_run_is_added_and_finished_once(store: Store) -> None:
    dataset = add_dataset(store)
    run = store.runs.add(dataset, "a" * 16)
    assert store.runs.add(dataset, "a" * 16) == run
    failed = RunOutcome(RunState.FAILED, error="the token is revoked", error_kind="ReconnectError")
    done = store.runs.finish(run.id, failed)
    assert (done.error, done.error_kind) == ("the token is revoked", "ReconnectError")
    assert store.runs.finish(run.id, failed) == done
    for use in (
        lambda: store.runs.finish(run.id, RunOutcome(RunState.VERIFIED)),
        lambda: store.runs.progress(run.id, Progress()),
        lambda: store.runs.request_cancel(run.id),
    ):
        with pytest.raises(
            InputError, match=rf"Run {run.id} is (failed: Stopped by|finished \(failed\) and cannot be cancelled)"
        ):
            use()
    assert store.runs.list() == (done,)


def test_a_run_that_failed_can_go_on_and_one_that_was_cancelled_cannot(store: Store) -> None:
    dataset = add_dataset(store)
    failed = store.runs.begin(store.runs.add(dataset, new_run_id()).id)
    store.runs.finish(failed.id, RunOutcome(RunState.FAILED, error="the network is away", error_kind="RetryError"))
    again = store.runs.begin(failed.id)
    assert (again.state, again.error, again.started_at) == (RunState.RUNNING, "", failed.started_at)
    store.runs.finish(failed.id, RunOutcome(RunState.CANCELLED))
    with pytest.raises(InputError, match="is cancelled"):
        store.runs.begin(failed.id)


def test_a_run_hears_that_it_shall_stop(store: Store) -> None:
    run = store.runs.begin(store.runs.add(add_dataset(store), new_run_id()).id)
    assert not store.runs.cancel_requested(run.id)
    assert store.runs.request_cancel(run.id).cancel_requested
    assert store.runs.cancel_requested(run.id)
    assert store.runs.progress(run.id, Progress())


def test_a_run_whose_process_died_is_interrupted_and_can_go_on(store: Store) -> None:
    dataset = add_dataset(store)
    other = add_dataset(store, "Other", store.accounts.get("main"))
    dead, mine, theirs = (store.runs.begin(store.runs.add(of, new_run_id()).id) for of in (dataset, dataset, other))
    waits = store.runs.add(dataset, new_run_id())
    (interrupted,) = store.runs.interrupt(dataset, besides=mine.id)
    assert (interrupted.id, interrupted.state) == (dead.id, RunState.INTERRUPTED)
    assert interrupted.finished_at is not None
    states = {run.id: run.state for run in store.runs.list()}
    assert states[mine.id] is states[theirs.id] is RunState.RUNNING
    assert states[waits.id] is RunState.QUEUED
    again = store.runs.begin(dead.id)
    assert (again.state, again.started_at, again.finished_at) == (RunState.RUNNING, dead.started_at, None)
    assert again.heartbeat_at is not None
    assert dead.heartbeat_at is not None
    assert again.heartbeat_at > dead.heartbeat_at


def test_a_run_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    dataset = add_dataset(store)
    for run_id in ("abc1", "abd2", "abc1d"):
        store.runs.add(dataset, run_id)
    assert store.runs.get("abd").id == "abd2"
    assert store.runs.get("abc1").id == "abc1"
    with pytest.raises(InputError, match=r"Several runs start with 'ab': abc1d \(ad_spend_by_day\), abd2"):
        store.runs.get("ab")
    for unknown in ("x", "a%", "a_c"):
        with pytest.raises(NotFoundError, match=unknown):
            store.runs.get(unknown)


def test_runs_are_listed_latest_first(store: Store) -> None:
    dataset = add_dataset(store)
    other = add_dataset(store, "Other", store.accounts.get("main"))
    runs = [store.runs.add(of, new_run_id()) for of in (dataset, other, dataset, dataset)]
    done = store.runs.finish(runs[2].id, RunOutcome(RunState.VERIFIED, version=1))
    assert [run.id for run in store.runs.list()] == [run.id for run in reversed(runs)]
    assert [run.id for run in store.runs.list(dataset, limit=2)] == [runs[3].id, runs[2].id]
    assert store.runs.list(dataset, states=SUCCESSFUL) == (done,)
    assert [run.id for run in store.runs.list(states=IN_PROGRESS)] == [runs[3].id, runs[1].id, runs[0].id]
    assert store.runs.latest() == {dataset.id: runs[3], other.id: runs[1]}


def test_a_log_can_be_followed(store: Store) -> None:
    run = store.runs.add(add_dataset(store), new_run_id())
    other = store.runs.add(store.datasets.get("ad_spend_by_day"), new_run_id())
    store.runs.log(run.id, "planned", "began")
    store.runs.log(other.id, "other")
    first = store.runs.log_lines(run.id)
    assert [line.text for line in first] == ["planned", "began"]
    assert first[0].at > START
    assert store.runs.log_lines(run.id, after=first[-1].number) == ()
    store.runs.log(run.id, "ended")
    assert [line.text for line in store.runs.log_lines(run.id, after=first[-1].number)] == ["ended"]
    with pytest.raises(NotFoundError, match="nothing"):
        store.runs.log("nothing", "line")


def test_every_state_has_a_sentence_and_is_in_progress_or_finished() -> None:
    assert set(RunState) == IN_PROGRESS | FINISHED
    assert not IN_PROGRESS & FINISHED
    assert SUCCESSFUL < FINISHED
    for state in RunState:
        assert state.sentence.endswith(".")
        assert RunState(state.value) is state
        assert f"{state}" == state.value


def test_run_ids_are_short_and_differ() -> None:
    ids = {new_run_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{16}", run_id) for run_id in ids)


# Times


def test_times_come_back_aware_and_in_utc_whatever_zone_the_clock_has(home: Path) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=timezone(timedelta(hours=-8)))
    with Store.open(settings(home), clock=lambda: now) as store:
        created_at = add_account(store).created_at
        assert created_at == store.accounts.get("main").created_at == now
        assert created_at.tzinfo is UTC


# Several processes


def test_a_new_home_is_made_once_by_all_that_open_it_at_once(home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: Store.open(settings(home), clock=Clock()), range(8)))
    add_account(stores[0])
    assert [store.accounts.get("main").name for store in stores] == ["main"] * 8
    for store in stores:
        store.close()


def test_readers_do_not_wait_for_a_writer_and_a_writer_that_waits_too_long_is_told(home: Path) -> None:
    with Store.open(settings(home), clock=Clock()) as store:
        account = add_account(store)
        with closing(open_database(settings(home), busy_seconds=0.02)) as database:
            patient = Store(database, Keys(settings(home).secret_key, home), Clock())
            with store._database.write():
                assert patient.accounts.list() == (account,)
                with pytest.raises(RetryError, match=r"Another process (holds|is writing)"):
                    patient.accounts.set_token(account, "act.other")
            assert patient.accounts.set_token(account, "act.new").id == account.id


def test_a_dataset_is_held_by_one_run(store: Store) -> None:
    locks, me = store.locks, os.getpid()
    assert locks.holder("spend") is None
    with locks.dataset("spend") as held:
        assert locks.holder("spend") == Holder("", me, host(store))
        held.name_run("r1")
        assert locks.holder("spend") == Holder("r1", me, host(store))
        with (
            pytest.raises(BusyError, match=rf"Run r1 of dataset 'spend' .* \(process {me}( on .+)?\)"),
            locks.dataset("spend", run_id="r2", wait=0),
        ):
            pass
        with locks.dataset("other", run_id="r3", wait=0):
            pass
        assert locks.holder("spend") == Holder("r1", me, host(store))
        held.check()
    assert locks.holder("spend") is None


def host(store: Store) -> str:
    return socket.gethostname() if store._database.backend.is_shared else ""


def test_a_lock_is_released_when_the_run_fails(store: Store, home: Path) -> None:
    with pytest.raises(StorageError), store.locks.dataset("spend"):
        raise StorageError("full")
    assert not lock_note(home, "spend").exists()
    with store.locks.dataset("spend", wait=0):
        pass


def test_keys_are_rotated_by_one_process(store: Store) -> None:
    with store.locks.secrets(), pytest.raises(BusyError, match="rotating"), store.locks.secrets():
        pass
    with store.locks.secrets():
        pass
