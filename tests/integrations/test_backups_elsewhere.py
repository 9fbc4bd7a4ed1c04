"""Backups of stores in Postgres and of lakes in object stores."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import test_backups
from postgres import PostgresServer
from s3_server import object_store
from test_backups import new_home, seen
from test_lake_storage import set_environment
from web_home import Site

filled = test_backups.filled
filled_home = test_backups.filled_home


def test_a_store_in_postgres_is_backed_up_and_restored_to_a_file_or_to_postgres(
    filled: Site, tmp_path: Path, postgres: PostgresServer
) -> None:
    home, before = filled.home, seen(filled.home)
    with postgres.database("template1") as url, postgres.database("template1") as empty:
        home.good("migrate-store", "--to", url)
        in_postgres = new_home(filled, tmp_path, "in_postgres")
        in_postgres.environ |= {"ADREEL_DATABASE_URL": url, "ADREEL_LAKE_URL": str(home.path / "lake")}
        shutil.copy(home.path / "secret.key", in_postgres.path / "secret.key")
        in_postgres.good("users", "delete", "ada", "--yes")
        in_postgres.good("backup", str(tmp_path / "a.tar"), "--with-key")
        before["users"] = in_postgres.json("users", "list")
        as_file, again = new_home(filled, tmp_path, "as_file"), new_home(filled, tmp_path, "again")
        again.environ["ADREEL_DATABASE_URL"] = url
        assert "is not empty: it has" in " ".join(again.bad("restore-backup", str(tmp_path / "a.tar"))[1].split())
        again.environ["ADREEL_DATABASE_URL"] = empty
        for restored in (as_file, again):
            restored.good("restore-backup", str(tmp_path / "a.tar"))
            assert seen(restored) == before
            # The number of a deleted user is not given again.
            restored.good("users", "add", "bob", "--password-stdin", stdin="a longer horse battery\n")
            assert {user["name"]: user["id"] for user in restored.json("users", "list")}["bob"] == "3"
            restored.good("run", "spend")
        assert not list(again.path.glob("adreel.db*"))


def test_a_lake_on_an_object_store_is_backed_up_and_restored_to_one(
    filled: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = seen(filled.home)
    filled.home.good("backup", str(tmp_path / "a.tar"), "--with-key")
    with object_store() as (endpoint, objects):
        set_environment(monkeypatch, endpoint)
        stored, again = new_home(filled, tmp_path, "stored"), new_home(filled, tmp_path, "again")
        stored.environ["ADREEL_LAKE_URL"] = "s3://bucket/stored"
        stored.good("restore-backup", str(tmp_path / "a.tar"))
        assert any(key.startswith("stored/spend/_delta_log/") for key in objects)
        assert seen(stored) == before
        stored.good("backup", str(tmp_path / "b.tar"), "--with-key")
        again.good("restore-backup", str(tmp_path / "b.tar"))
    assert seen(again) == before
