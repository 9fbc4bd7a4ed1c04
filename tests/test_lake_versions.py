"""Versions: every one that is named can be read, until a vacuum forgets it."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel.errors import InputError, NotFoundError, StorageError
from adreel.lake import Lake
from lake_rows import DAY, KEY, in_order, put, row, table_rows, window


class Clock:
    """A clock that a test sets. Commits themselves are dated by Delta Lake, with the machine's own."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lake(tmp_path: Path, clock: Clock) -> Lake:
    return Lake(tmp_path / "lake", clock=clock)


def fill(lake: Lake, count: int) -> list[list[str]]:
    """As many versions by turns of all methods; the rows of each."""
    states = []
    for number in range(count):
        method = ("replace", "append", "upsert", "partition")[number % 4]
        windows = (window(1, 9),) if method == "partition" else ()
        put(lake, f"run{number}", method, [row(f"a{number % 3}", 1 + number % 5, number)], windows=windows)
        states.append(in_order(table_rows(lake)))
    return states


def data_files(lake: Lake) -> set[str]:
    return {path.name for path in (Path(lake.url) / "ads").glob("*.parquet")}


def test_versions_say_which_run_made_them_when_and_how(lake: Lake, clock: Clock) -> None:
    put(lake, "run1", "replace", [row("a", 1), row("b", 1)])
    put(lake, "run2", "upsert", [row("c", 1)])
    second, first = lake.versions("ads")
    assert (first.number, first.method, first.run_id, first.rows) == (0, "replace", "run1", 2)
    assert (second.number, second.method, second.run_id, second.rows) == (1, "upsert", "run2", 3)
    assert (second.key, second.day_column) == (KEY, DAY)
    assert first.at <= second.at <= datetime.now(UTC)
    assert first.at.utcoffset() == timedelta(0)


def test_every_version_can_be_read_as_it_was(lake: Lake) -> None:
    history = fill(lake, 9)
    for version, rows in enumerate(history):
        assert in_order(table_rows(lake, version=version)) == rows
        assert in_order(lake.dataset("ads", version).to_table().to_pylist()) == rows


def test_a_dataset_skips_files_without_losing_rows_that_have_nulls(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1), {**row("b", 2), DAY: None}])
    put(lake, "run2", "append", [row("c", 5)])
    arrow_dataset = lake.dataset("ads")
    field = __import__("pyarrow.dataset").dataset.field
    assert arrow_dataset.count_rows(filter=field(DAY).is_null()) == 1
    assert arrow_dataset.count_rows(filter=field(DAY) >= row("x", 2)[DAY]) == 1


def test_other_tools_see_a_plain_delta_table(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1), row("b", 2)])
    put(lake, "run2", "upsert", [row("a", 1, 5), row("c", 3)])
    delta_table = DeltaTable(lake.table_url("ads"))
    assert delta_table.version() == 1
    assert delta_table.count() == 3
    assert "ad_id" in [field.name for field in delta_table.schema().fields]


def test_a_version_that_is_not_there_is_told_with_those_that_are(lake: Lake) -> None:
    fill(lake, 3)
    for version in (3, -1):
        with pytest.raises(NotFoundError, match=f"no version {version}; available: 0 to 2"):
            lake.dataset("ads", version)
    for ask in (lake.versions, lake.dataset, lake.read, lake.table):
        with pytest.raises(NotFoundError, match="The table other does not exist in"):
            ask("other")


def test_columns_can_be_chosen_when_a_table_is_read(lake: Lake) -> None:
    fill(lake, 2)
    assert lake.read("ads", columns=("clicks", "ad_id")).read_all().column_names == ["clicks", "ad_id"]
    with pytest.raises(InputError, match="no columns likes"):
        lake.read("ads", columns=("likes",))


def test_dropping_a_table_takes_all_versions_and_nothing_else(lake: Lake) -> None:
    fill(lake, 2)
    put(lake, "run1", "append", [], slug="other")
    lake.drop("ads")
    lake.drop("ads")
    assert not lake.exists("ads")
    assert lake.exists("other")
    assert put(lake, "run9", "append", [row("a", 1)]).version == 0


# -- vacuum


@pytest.mark.slow
@settings(max_examples=10)
@given(st.integers(1, 13), st.integers(0, 5), st.integers(0, 12))
def test_after_a_vacuum_all_versions_that_are_named_can_be_read(count: int, first: int, second: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        lake = Lake(folder, clock=clock)
        history = fill(lake, count)
        clock.now += timedelta(days=3)
        for keep in (first, second):
            before = len(lake.versions("ads"))
            lake.vacuum("ads", keep_days=0, keep_versions=keep)
            kept_versions = [version.number for version in lake.versions("ads")]
            assert kept_versions == list(range(count))[::-1][: min(before, max(keep, 1))]
            for version in kept_versions:
                assert in_order(table_rows(lake, version=version)) == history[version]
            for version in set(range(count)) - set(kept_versions):
                with pytest.raises(
                    NotFoundError, match=f"ersion {version}( of the table ads is no longer kept)?; available:"
                ):
                    lake.read("ads", version)
            needed = {file.path for version in kept_versions for file in lake.table("ads", version).files}
            assert data_files(lake) == needed
        assert put(lake, "next", "append", [row("z", 1)]).version == count


def test_a_vacuum_keeps_what_is_young(lake: Lake, clock: Clock) -> None:
    fill(lake, 4)
    clock.now += timedelta(days=6)
    assert lake.vacuum("ads", keep_days=7, keep_versions=1).versions == 0
    clock.now += timedelta(days=2)
    freed = lake.vacuum("ads", keep_days=7, keep_versions=1)
    assert (freed.versions, [version.number for version in lake.versions("ads")]) == (3, [3])
    assert freed.files > 0
    assert freed.size > 0


def test_the_run_of_the_latest_version_is_still_known_after_a_vacuum(lake: Lake, clock: Clock) -> None:
    fill(lake, 4)
    clock.now += timedelta(hours=1)
    lake.vacuum("ads", keep_days=0, keep_versions=1)
    done = put(lake, "run3", "append", [row("a", 1)])
    assert (done.version, done.repeated) == (3, True)


def test_a_run_that_was_committed_long_ago_is_not_committed_again(lake: Lake, clock: Clock) -> None:
    fill(lake, 4)
    clock.now += timedelta(hours=1)
    lake.vacuum("ads", keep_days=0, keep_versions=1)
    with pytest.raises(InputError, match="Run run0 was committed as version 0 of the table ads, which"):
        put(lake, "run0", "append", [row("a", 1)])
    assert lake.table("ads").version == 3


def test_a_vacuum_removes_what_a_dead_writer_left_but_no_file_that_one_may_be_writing(lake: Lake, clock: Clock) -> None:
    fill(lake, 1)
    clock.now += timedelta(days=1)
    files_before = data_files(lake)
    old, young = (Path(lake.url) / "ads" / name for name in ("part-old.parquet", "part-young.parquet"))
    for path in (old, young):
        path.write_bytes(b"half a file")
    written = (clock.now - timedelta(days=3)).timestamp()
    os.utime(old, (written, written))
    lake.vacuum("ads", keep_days=0, keep_versions=0)
    assert data_files(lake) == {*files_before, young.name}


def test_a_vacuum_that_was_cut_off_leaves_no_version_that_cannot_be_read(lake: Lake, clock: Clock) -> None:
    history = fill(lake, 8)
    log = Path(lake.url) / "ads" / "_delta_log"
    commits = {path.name: path.read_bytes() for path in log.glob("*.json")}
    clock.now += timedelta(hours=1)
    lake.vacuum("ads", keep_days=0, keep_versions=3)
    # As it was when only the newest of the commits to be forgotten were gone, and no file yet.
    for number in (0, 1):
        (log / f"{number:020}.json").write_bytes(commits[f"{number:020}.json"])
    named = [version.number for version in lake.versions("ads")]
    assert named == [7, 6, 5, 1, 0]
    assert in_order(table_rows(lake)) == history[7]
    lake.vacuum("ads", keep_days=0, keep_versions=3)
    assert [version.number for version in lake.versions("ads")] == [7, 6, 5]


def test_what_a_vacuum_keeps_cannot_be_negative(lake: Lake) -> None:
    fill(lake, 1)
    with pytest.raises(InputError, match="cannot be negative"):
        lake.vacuum("ads", keep_days=-1, keep_versions=1)
    with pytest.raises(NotFoundError, match="The table other does not exist"):
        lake.vacuum("other", keep_days=1, keep_versions=1)


def test_more_commits_than_delta_keeps_between_checkpoints_stay_readable(lake: Lake) -> None:
    for number in range(23):
        put(lake, f"run{number}", "replace", [row("a", 1, number)])
    assert [version.number for version in lake.versions("ads")] == list(range(23))[::-1]
    assert [table_rows(lake, version=number)[0]["spend"] for number in range(23)] == list(range(23))


def test_a_log_that_was_spoilt_is_told_of_with_its_place(lake: Lake) -> None:
    fill(lake, 2)
    (Path(lake.url) / "ads" / "_delta_log" / f"{1:020}.json").write_text('{"add')
    with pytest.raises(StorageError, match=r"files of the table ads at .* are damaged or missing"):
        lake.table("ads")


def test_a_data_file_that_is_missing_is_told_of_with_its_place(lake: Lake) -> None:
    fill(lake, 1)
    for name in data_files(lake):
        (Path(lake.url) / "ads" / name).unlink()
    with pytest.raises(StorageError, match=r"files of the table ads at .* are damaged or missing"):
        lake.read("ads").read_all()
