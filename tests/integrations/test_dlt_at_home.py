"""A dataset of a home that publishes to a database that dlt loads: commands, a worker's process, and what is left."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from adreel.destinations.service import publish_due
from adreel.destinations.status import due_destinations
from adreel.lake import Lake
from adreel.store import Store
from home import Home, environment_of
from running import settings_of


def _sums(path: Path) -> list[Decimal]:
    with sqlite3.connect(path) as connection:
        (sums,) = connection.execute("SELECT count(*), sum(impressions), sum(clicks) FROM spend").fetchall()
    return [Decimal(value) for value in sums]


def _lakes(home: Home) -> list[Decimal]:
    (sums,) = home.rows("select count(*), sum(impressions), sum(clicks) from spend")
    return [Decimal(str(value)) for value in sums.values()]


def test_versions_are_published_by_a_process_of_the_worker_and_by_hand(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.db"
    home.good("destinations", "add", "lite", stdin=f"sqlite:///{path}\n")
    (listed,) = home.json("destinations", "list")
    assert (listed["kind"], listed["address"], listed["schema"]) == ("sqlite", f"sqlite://{path}", "main")
    home.good("run", "-f", home.file(publish="lite"))
    command = [sys.executable, "-m", "adreel.destinations.process", "1"]
    subprocess.run(command, env=environment_of(home, "http://localhost:1"), check=True, timeout=400)
    (status,) = home.json("destinations", "status", "spend")
    assert (status["state"], status["version"], status["mode"]) == ("published", 0, "full")
    assert _sums(path) == _lakes(home)
    home.door("now", {"today": str(home.now.date()), "hour": 20})
    home.good("run", "-f", home.file(publish="lite", dates={"start": "today-3", "end": "today"}))
    assert "Sent changes" in home.good("publish", "spend").stderr
    assert _sums(path) == _lakes(home)


def test_a_destination_without_schemas_is_applied_once_and_its_file_is_exported(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    path = tmp_path / "warehouse.db"
    (folder / "lite.yaml").write_text(f"kind: destination\nname: lite\naddress: sqlite:///{path}\n", "utf-8")
    home.good("apply", "-f", str(folder), "--yes")
    (there,) = home.json("destinations", "list")
    assert (there["address"], there["schema"]) == (f"sqlite://{path}", "main")
    assert home.json("apply", "-f", str(folder), "--plan")["changes"] == []
    home.good("export-config", str(tmp_path / "exported"))
    assert home.json("apply", "-f", str(tmp_path / "exported"), "--plan")["changes"] == []


def test_a_destination_that_is_away_is_retried_and_then_has_the_newest_version(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    path = folder / "warehouse.db"
    home.good("destinations", "add", "lite", stdin=f"sqlite:///{path}\n")
    home.good("run", "-f", home.file(publish="lite"))
    folder.rename(tmp_path / "away")
    with Store.open(settings_of(home), clock=lambda: home.now) as store:
        lake = Lake(settings_of(home).lake_url)
        assert publish_due(store, lake, 1, lambda: home.now) == 1
        (status,) = home.json("destinations", "status", "spend")
        assert status["state"] == "failed"
        assert "disk does not exist" in status["failure"]
        assert due_destinations(store, home.now) == ()
        (tmp_path / "away").rename(folder)
        home.good("destinations", "test", "lite")
        assert publish_due(store, lake, 1, lambda: home.now) == 1
    assert _sums(path) == _lakes(home)
