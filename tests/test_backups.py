"""Backups: consistent while adreel works, whole or refused, and the same home when it is restored."""

from __future__ import annotations

import io
import json
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from adreel.access import Actor, Guard
from adreel.backups import CHECKSUMS, HEADER, back_up, checked, restore
from adreel.errors import InputError, RetryError, StorageError
from adreel.lake import Lake
from adreel.settings import Settings
from adreel.store import ExchangeRate, Role, RunState, Store, WorkerInfo
from adreel.store.audit import AuditAction, AuditFilter
from adreel.store.drafts import DraftWriter
from adreel.worker.schedules import enqueue_due
from api_home import program, table
from home import Home, copied, make_home
from people import CHEAP
from web_home import Site, open_site

DATES = {"start": "2026-11-01", "end": "2026-11-05"}


def quiet(_: str) -> None:
    """Nobody reads the progress."""


@pytest.fixture(scope="module")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("filled") / "home")
    home.add_account()
    with open_site(home) as site:
        fill(site)
    return home


@pytest.fixture
def filled(filled_home: Home, tmp_path: Path) -> Iterator[Site]:
    """A home with three datasets, of one two versions, of one none, and of one a table that outlived it."""
    home = copied(filled_home, tmp_path / "home")
    home.later(0)
    with open_site(home) as site:
        yield site


def fill(site: Site) -> None:
    asking = program(site)
    slug = table(site, asking, dates=DATES)
    site.home.later(1)
    asking.good("POST", f"/datasets/{slug}/runs", 202)
    site.work()
    for run in site.store.runs.list():
        site.store.runs.log(run.id, "gelesen: 183 Zeilen ✓")
    asking.good("POST", "/datasets", 201, json={**_values(), "name": "Never ran"})
    kept = table(site, asking, name="Kept", dates=DATES)
    asking.good("DELETE", f"/datasets/{kept}?keep_table=true", 204)
    rate = ExchangeRate(date(2026, 11, 28), "USD", "EUR", Decimal("0.92"))
    site.store.exchange_rates.save([rate], "rates.csv", replace=False)
    file = {"name": "warehouse", "address": f"duckdb://{site.home.path.parent / 'warehouse.duckdb'}"}
    asking.good("POST", "/destinations", 201, json=file)
    asking.good("PATCH", f"/datasets/{slug}", json={"publish": "warehouse"})
    site.home.good("publish", slug)
    site.user("ada", Role.VIEWER)
    site.store.drafts.keep(
        site.store.users.get("admin"), DraftWriter("key", "tab", 0), "Half done", [("name", "Half done")]
    )


def _values() -> dict[str, Any]:
    from home import SPEND

    return SPEND


def new_home(site: Site, tmp_path: Path, name: str = "restored") -> Home:
    """An empty home over the same simulated world."""
    home = make_home(tmp_path / name)
    home.world, home.config, home.now = site.home.world, site.home.config, site.home.now
    return home


def seen(home: Home) -> dict[str, Any]:
    """What a person sees of a home."""
    return {
        "datasets": home.json("datasets", "list"),
        "history": home.json("history", "spend"),
        "versions": home.json("versions", "spend"),
        "difference": home.json("diff", "spend", "0", "1"),
        "rows": home.rows("select * from spend order by all"),
        "users": home.json("users", "list"),
        "rates": home.json("rates", "show"),
        "accounts": home.json("accounts", "list"),
        "destinations": home.json("destinations", "list"),
        "published": home.json("destinations", "status", "spend"),
    }


@pytest.mark.slow
def test_a_restored_home_is_the_same_and_goes_on(filled: Site, tmp_path: Path) -> None:
    home, before = filled.home, seen(filled.home)
    output = home.good("backup", str(tmp_path / "a.tar"), "--with-key").stderr
    assert "2 tables" in output
    assert re.search(r"Tables: 2 of 2, 0\.[0-9] MB\.", output)
    assert "warning: the file contains the encryption keys." in output
    assert (tmp_path / "a.tar").stat().st_mode & 0o777 == 0o600
    restored = new_home(filled, tmp_path)
    output = restored.good("restore-backup", str(tmp_path / "a.tar")).stderr
    assert "is restored in" in output
    assert re.search(r"Tables: 2, 0\.[0-9] MB\.", output)
    # The address of the destination is decrypted.
    restored.good("destinations", "test", "warehouse")
    assert "no key here fits" not in output
    assert seen(restored) == before
    lake = Lake(restored.path / "lake")
    assert lake.table("kept").rows == Lake(home.path / "lake").table("kept").rows
    restored.good("run", "spend")
    assert [version["version"] for version in restored.json("versions", "spend")] == [2, 1, 0]
    restored.good("restore", "spend", "0", "--yes")
    # The table that outlived its dataset stays out of the way of a new one of that name.
    restored.good("datasets", "create", "-f", restored.file(name="Kept"))
    assert restored.json("datasets", "list")[0]["slug"] == "kept"
    assert restored.json("audit", "--action", "backup_restore")[0]["by"] == "command"


def test_numbers_of_what_was_deleted_are_not_given_again(filled: Site, tmp_path: Path) -> None:
    ada = filled.store.users.get("ada")
    filled.store.users.delete(ada)
    filled.home.good("backup", str(tmp_path / "a.tar"))
    restored = new_home(filled, tmp_path)
    restored.good("restore-backup", str(tmp_path / "a.tar"))
    with open_site(restored) as site:
        assert site.user("bob").id > ada.id
        # Browsers sign in again; API tokens work on.
        assert site.store.sessions.list(site.store.users.get("admin")) == ()


def test_runs_under_way_are_interrupted_in_the_restored_home_only(filled: Site, tmp_path: Path) -> None:
    queued = program(filled).good("POST", "/datasets/spend/runs", 202)["run_id"]
    filled.home.good("backup", str(tmp_path / "a.tar"))
    restored = new_home(filled, tmp_path)
    restored.good("restore-backup", str(tmp_path / "a.tar"))
    assert restored.json("history", "spend")[0]["state"] == RunState.INTERRUPTED
    assert filled.store.runs.get(queued).state is RunState.QUEUED


def test_a_schedule_goes_on_in_the_restored_home_and_runs_once_for_all_that_it_missed(
    filled: Site, tmp_path: Path
) -> None:
    filled.home.good("schedules", "set", "spend", "--every", "hour")
    filled.home.now += timedelta(hours=1)
    assert enqueue_due(filled.store, filled.home.now) == 1
    alive = WorkerInfo("old", "old", 1, 2, filled.home.now, filled.home.now, None)
    filled.store.queue.beat(alive)
    (claimed,) = filled.store.queue.claim(alive.id, 1, filled.home.now)
    filled.home.good("backup", str(tmp_path / "a.tar"), "--with-key")
    restored = new_home(filled, tmp_path)
    restored.good("restore-backup", str(tmp_path / "a.tar"))
    with open_site(restored) as site:
        run = site.store.runs.get(claimed.id)
        assert (run.state, run.worker, run.due_at) == (RunState.INTERRUPTED, "", claimed.due_at)
        assert site.store.queue.workers() == ()
        restored.now += timedelta(days=3)
        assert [enqueue_due(site.store, restored.now) for _ in range(2)] == [1, 0]
        assert len(site.store.queue.claim("new", 5, restored.now)) == 1
    restored.good("run", "spend")


def test_without_the_key_the_accounts_that_must_be_reconnected_are_named(filled: Site, tmp_path: Path) -> None:
    output = filled.home.good("backup", str(tmp_path / "a.tar")).stderr
    assert "The encryption keys are not included." in output
    key = (filled.home.path / "secret.key").read_bytes().strip()
    assert key not in (tmp_path / "a.tar").read_bytes()
    restored = new_home(filled, tmp_path)
    assert "no key here fits the tokens of demo" in restored.good("restore-backup", str(tmp_path / "a.tar")).stderr
    shutil.copy(filled.home.path / "secret.key", restored.path / "secret.key")
    restored.good("run", "spend")
    filled.home.environ["ADREEL_SECRET_KEY"] = key.decode()
    assert "Keep a copy of that variable" in filled.home.bad("backup", str(tmp_path / "b.tar"), "--with-key")[1]
    assert not (tmp_path / "b.tar").exists()


def test_without_tables_the_next_run_builds_them_anew(filled: Site, tmp_path: Path) -> None:
    filled.home.good("backup", str(tmp_path / "a.tar"), "--without-tables", "--with-key")
    restored = new_home(filled, tmp_path)
    assert "the backup has no tables" in restored.good("restore-backup", str(tmp_path / "a.tar")).stderr
    assert restored.json("history", "spend") == filled.home.json("history", "spend")
    restored.good("run", "spend")
    assert restored.rows("select count(*) as n from spend") == filled.home.rows("select count(*) as n from spend")


class BusyLake(Lake):
    """A lake in which something happens right before the files of a table are listed, or the first is read."""

    def __init__(self, site: Site, before_list: Callable[[], None], before_read: Callable[[], None]) -> None:
        super().__init__(site.settings.lake_url, clock=lambda: site.home.now)
        self._before_list, self._before_read = before_list, before_read

    def files_of(self, slug: str, version: int | None = None) -> Any:
        self._before_list()
        return super().files_of(slug, version)

    def open_file(self, file: Any) -> Any:
        self._before_read()
        return super().open_file(file)


@pytest.mark.slow
def test_a_run_that_commits_during_the_backup_is_in_neither_store_nor_lake_of_it(filled: Site, tmp_path: Path) -> None:
    before, asking = seen(filled.home), program(filled)
    done: list[int] = []

    def run_again() -> None:
        if len(done) < 3:
            done.append(1)
            asking.good("POST", "/datasets/spend/runs", 202)
            filled.work()

    lake, guard = BusyLake(filled, run_again, run_again), Guard(filled.store, Actor(None))
    back_up(guard, lake, filled.settings, tmp_path / "a.tar", filled.home.now, tables=True, key=True, say=quiet)
    assert filled.store.runs.list()[0].version == 4
    restored = new_home(filled, tmp_path)
    restored.good("restore-backup", str(tmp_path / "a.tar"))
    assert seen(restored) == before
    restored.good("run", "spend")
    assert restored.json("versions", "spend")[0]["version"] == 2


def test_a_table_that_is_deleted_during_the_backup_leaves_no_backup(filled: Site, tmp_path: Path) -> None:
    guard, folder = Guard(filled.store, Actor(None)), filled.home.path / "lake" / "spend"
    target = tmp_path / "a.tar"
    asking = program(filled)

    def delete() -> None:
        if folder.exists():
            asking.good("DELETE", "/datasets/spend", 204)

    def remove_files() -> None:
        for path in folder.glob("*.parquet"):
            path.unlink()

    for before_list, before_read in ((lambda: None, remove_files), (delete, lambda: None)):
        lake = BusyLake(filled, before_list, before_read)
        with pytest.raises(RetryError, match="deleted"):
            back_up(guard, lake, filled.settings, target, filled.home.now, tables=True, key=False, say=quiet)
    assert not list(tmp_path.glob("*.tar*")) + list(tmp_path.glob(".*part"))


def test_a_table_that_was_missing_before_is_named(filled: Site, tmp_path: Path) -> None:
    shutil.rmtree(filled.home.path / "lake" / "spend")
    output = filled.home.good("backup", str(tmp_path / "a.tar")).stderr
    assert "warning: the table spend is not in" in output
    assert "1 table " in output


def test_a_backup_that_is_cut_off_or_changed_anywhere_is_refused(filled: Site, tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar"
    filled.home.good("backup", str(whole), "--with-key")
    data = whole.read_bytes()
    assert checked(whole, quiet).tables
    broken, target = tmp_path / "broken.tar", new_home(filled, tmp_path)
    settings = Settings.load({"ADREEL_HOME": str(target.path)})
    for at in [0, 1, 511, 512, *range(600, len(data) - 10_240, len(data) // 40)]:
        broken.write_bytes(data[:at])
        with pytest.raises(InputError, match=r"not complete|not a backup"):
            restore(settings, Lake(settings.lake_url), broken, quiet)
    content = _content_positions(whole)
    for at in content[:: max(1, len(content) // 60)]:
        broken.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(InputError, match=r"damaged|not complete|not a backup|newer"):
            restore(settings, Lake(settings.lake_url), broken, quiet)
    assert {path.name for path in target.path.iterdir()} <= {"locks", "lake"}
    assert "is not a backup of adreel" in target.bad("restore-backup", target.file())[1].replace("\n", " ")


def _content_positions(path: Path) -> list[int]:
    with tarfile.open(path) as tar:
        return [at for member in tar for at in range(member.offset_data, member.offset_data + member.size, 997)]


def test_a_restore_that_stops_anywhere_leaves_no_usable_home_and_can_be_run_again(filled: Site, tmp_path: Path) -> None:
    before = seen(filled.home)
    filled.home.good("backup", str(tmp_path / "a.tar"), "--with-key")
    restored = new_home(filled, tmp_path)
    settings = Settings.load({"ADREEL_HOME": str(restored.path)})

    class StopError(Exception):
        """The process ends."""

    class StoppingLake(Lake):
        left = 0

        def create_file(self, path: str) -> Any:
            type(self).left -= 1
            if self.left < 0:
                raise StopError
            return super().create_file(path)

    for files in (0, 1, 4):
        StoppingLake.left = files
        with pytest.raises(StopError):
            restore(settings, StoppingLake(settings.lake_url), tmp_path / "a.tar", quiet)
        assert "is being restored from a backup, or the restore was interrupted" in " ".join(
            restored.bad("datasets", "list")[1].split()
        )
        with pytest.raises(StorageError):
            Store.open(settings, clock=lambda: restored.now, cost=CHEAP)
    restored.good("restore-backup", str(tmp_path / "a.tar"))
    assert seen(restored) == before


def test_a_home_or_lake_that_is_not_empty_is_left_alone(filled: Site, tmp_path: Path) -> None:
    filled.home.good("backup", str(tmp_path / "a.tar"))
    before = seen(filled.home)
    assert "is in use or not empty" in filled.home.bad("restore-backup", str(tmp_path / "a.tar"))[1]
    assert seen(filled.home) == before
    restored = new_home(filled, tmp_path)
    restored.environ["ADREEL_LAKE_URL"] = str(filled.home.path / "lake")
    assert "is not empty" in restored.bad("restore-backup", str(tmp_path / "a.tar"))[1]
    assert seen(filled.home) == before


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], Mapping[str, bytes]]) -> Path:
    """A backup with other members, and checksums that agree with them."""
    import hashlib

    with tarfile.open(source) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr] # all are files
    del members[CHECKSUMS]
    changed = dict(change(members))
    sums = {name: [len(data), hashlib.sha256(data).hexdigest()] for name, data in changed.items()}
    with tarfile.open(target, "w") as tar:
        for name, data in {**changed, CHECKSUMS: orjson.dumps(sums)}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target


LATER = (
    "destinations",
    "publications",
    "metric_presets",
    "dashboards",
    "pins",
    "dashboard_deliveries",
    "rate_imports",
    "exchange_rates",
    "rate_settings",
)
"""Tables that revision 0017 does not have."""


def test_a_backup_of_a_newer_adreel_is_refused_and_one_of_an_older_is_migrated(filled: Site, tmp_path: Path) -> None:
    filled.home.good("backup", str(tmp_path / "a.tar"), "--with-key")

    def of_revision(revision: str) -> Callable[[dict[str, bytes]], Mapping[str, bytes]]:
        def change(members: dict[str, bytes]) -> Mapping[str, bytes]:
            header = json.loads(members[HEADER]) | {"revision": revision, "adreel": "9.1"}
            for later in LATER:
                header["sequences"].pop(later, None)
            return {
                name: orjson.dumps(header) if name == HEADER else data
                for name, data in members.items()
                if revision > "0017" or not name.startswith(tuple(f"store/{later}/" for later in LATER))
            }

        return change

    newer = rewritten(tmp_path / "a.tar", tmp_path / "newer.tar", of_revision("9999"))
    restored = new_home(filled, tmp_path)
    assert "was made by adreel 9.1, which is newer" in " ".join(restored.bad("restore-backup", str(newer))[1].split())
    older = rewritten(tmp_path / "a.tar", tmp_path / "older.tar", of_revision("0017"))
    before = seen(filled.home)
    restored.good("restore-backup", str(older))
    after = seen(restored)
    (published,) = after.pop("published")
    # The dataset's file names the destination still.
    assert (published["destination"], published["state"]) == (before.pop("published")[0]["destination"], "failed")
    assert after == before | {"rates": {"valid_days": 7, "series": []}, "destinations": []}


@pytest.mark.parametrize("name", ["lake/../../evil", "/etc/evil", "lake/spend/../../evil", "evil", "store/x/1.sql"])
def test_a_file_that_would_write_elsewhere_is_refused(filled: Site, tmp_path: Path, name: str) -> None:
    filled.home.good("backup", str(tmp_path / "a.tar"))
    evil = rewritten(tmp_path / "a.tar", tmp_path / "evil.tar", lambda members: members | {name: b"x"})
    assert "is not a backup of adreel" in " ".join(
        new_home(filled, tmp_path).bad("restore-backup", str(evil))[1].split()
    )
    assert not list(tmp_path.rglob("evil"))


def test_a_backup_is_recorded_and_needs_an_administrator(filled: Site, tmp_path: Path) -> None:
    filled.home.good("backup", str(tmp_path / "a.tar"))
    (entry,) = filled.store.audit.page(AuditFilter(actions=frozenset({AuditAction.BACKUP})))
    assert entry.details == {"file": "a.tar", "tables": True, "keys": False}
    assert "is complete" in filled.home.good("restore-backup", str(tmp_path / "a.tar"), "--check").stderr
    filled.home.environ["ADREEL_USER"] = "ada"
    assert "Only administrators can back up" in filled.home.bad("backup", str(tmp_path / "b.tar"))[1]
    filled.home.environ.pop("ADREEL_USER")
    assert "it is a folder" in filled.home.bad("backup", str(tmp_path))[1]


def test_every_value_of_the_store_survives(filled: Site, tmp_path: Path) -> None:
    filled.home.now += timedelta(microseconds=123_456)
    filled.store.accounts.add("Ünïcode 日本", token="t", app_id="1", base_url="http://x.test", selection=["1", "2"])
    filled.home.good("backup", str(tmp_path / "a.tar"), "--with-key")
    restored = new_home(filled, tmp_path)
    restored.good("restore-backup", str(tmp_path / "a.tar"))
    left_out = {"sessions", "consents", "attempts", "workers", "audit", "sqlite_sequence", "retention"}
    tables = {}
    for home in (filled.home, restored):
        with closing(sqlite3.connect(home.path / "adreel.db")) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            tables[home.path.name] = {
                name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in names - left_out
            }
    assert tables["restored"] == tables["home"]
