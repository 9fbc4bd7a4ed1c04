"""Processes that are killed, find the disk full or commit at the same time; stores that cannot be reached."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from adreel.errors import StorageError
from adreel.lake import Lake
from lake_rows import in_order, put, row, table_rows
from s3_server import object_store
from test_lake_storage import CONCURRENT, FULL_DISK, KILLED, set_environment


def test_a_commit_whose_answer_got_lost_is_found_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt: list[str] = []

    def lose_answer(command: str, key: str) -> int | None:
        if key.endswith(f"{1:020}.json") and not spoilt:
            spoilt.append(key)
            return 500
        return None

    with object_store(lose_answer) as (endpoint, objects):
        set_environment(monkeypatch, endpoint)
        lake = Lake("s3://bucket/lake")
        put(lake, "run1", "append", [row("a", 1)])
        done = put(lake, "run2", "append", [row("b", 1)])
        assert spoilt
        assert (done.version, done.rows_after, done.repeated) == (1, 2, False)
        assert len(table_rows(lake)) == 2
        assert sum(key.endswith(".parquet") for key in objects) == 2


def test_a_store_that_cannot_be_reached_is_told_of_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, "http://127.0.0.1:1")
    lake = Lake("s3://bucket/lake")
    # Two ways lead to a store, delta-rs' and pyarrow's; each tries again for a second or two before it gives up.
    for ask in (lambda: lake.versions("ads"), lambda: lake.read_note("run1", "plan")):
        with pytest.raises(StorageError) as caught:
            ask()
        message = str(caught.value)
        assert message.startswith("adreel cannot reach the ")
        assert "s3://bucket/lake" in message
        assert "check the address, the credentials and the network" in message
        assert "hush-hush" not in message
        assert "\n" not in message


@pytest.mark.parametrize(("limit", "count"), [(20_000, 30_000), (300, 0)])
def test_a_disk_that_is_full_leaves_the_table_as_it_was(tmp_path: Path, limit: int, count: int) -> None:
    lake = Lake(tmp_path / "lake")
    put(lake, "run1", "append", [row("a", 1), row("b", 1)])
    before = {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    code = textwrap.dedent(FULL_DISK).format(
        tests=str(Path(__file__).parent.parent), lake=lake.url, limit=limit, count=count
    )
    code = code.replace(
        'Write("run2", method, SCHEMA, KEY, None)', 'Write("run2", method, SCHEMA, KEY, None, windows=WINDOWS)'
    )
    code = code.replace("lake = Lake", "from lake_rows import window\nWINDOWS = (window(1, 1),)\nlake = Lake", 1)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    messages = [line for line in done.stdout.splitlines() if line]
    assert len(messages) == 5, done.stderr
    for line in messages:
        assert "No space is left for the " in line
        assert "free some space, then run again" in line
    after = {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    assert after == before
    assert len(table_rows(lake)) == 2


def test_two_processes_that_commit_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    tests = str(Path(__file__).parent.parent)
    codes = [textwrap.dedent(CONCURRENT).format(tests=tests, lake=lake.url, name=name) for name in ("one", "two")]
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for code in codes]
    assert [process.communicate(timeout=60)[1] for process in running] == [b"", b""]
    ad_days = sorted((lake_row["ad_id"], lake_row["stat_time_day"].day) for lake_row in table_rows(lake))
    assert ad_days == sorted((ad, number) for ad in ("one", "two", "shared") for number in range(1, 7))
    runs = [version.run_id for version in lake.versions("ads")]
    assert sorted(runs) == sorted(f"run-{name}-{number}" for name in ("one", "two") for number in range(6))


def test_a_process_that_is_killed_in_the_middle_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    put(lake, "run1", "append", [row("a", 1)])
    code = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent.parent), lake=lake.url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert done.returncode == -9
    assert len(list((tmp_path / "lake" / "ads").glob("*.parquet"))) == 2
    assert in_order(table_rows(lake)) == in_order([row("a", 1)])
    assert put(lake, "run2", "replace", [row("b", 1)]).version == 1
