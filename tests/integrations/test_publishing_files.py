"""Tables published as files: Parquet, Delta and Iceberg, in a folder and on S3, read back as others read them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.table import StaticTable

from adreel.destinations.file_copy import open_files, storage_of
from adreel.destinations.kinds import read_address
from adreel.destinations.publishing import Published, PublishMode
from adreel.errors import InputError, ProofError, RetryError
from adreel.lake import Lake
from copies import EVERY_TYPE, EVERY_VALUE, NOW, Copy, every_row
from lake_rows import Row, put, row, window, with_columns
from object_stores import ObjectStore, serving

KINDS = ("parquet", "delta", "iceberg")


def _rows(kind: str, address: str, table: str) -> list[Row]:
    """The rows as a reader of that format sees them."""
    storage = storage_of(address, "tiktok")
    rows: list[Row]
    if kind == "delta":
        delta = DeltaTable(storage.table_url(table), storage_options=storage.delta_options)
        rows = pa.table(delta.to_pyarrow_table()).to_pylist()
    elif kind == "parquet":
        rows = pq.read_table(f"{table}.parquet", filesystem=storage.files).to_pylist()
    else:
        options = storage.delta_options
        names = ("endpoint", "access_key_id", "secret_access_key", "region")
        properties = {
            f"s3.{name.replace('_', '-')}": options[f"aws_{name}"] for name in names if options.get(f"aws_{name}")
        }
        url = storage.table_url(table)
        rows = StaticTable.from_metadata(url, properties).scan().to_arrow().to_pylist()
    return rows


def files_copy(kind: str, folder: Path, address: str) -> Copy:
    full = read_address(address).full
    return Copy(
        Lake(folder / "lake"),
        lambda place, schema: open_files(kind, full, place, schema, folder / "work"),
        lambda table: _rows(kind, full, table),
    )


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def copy(kind: str, tmp_path: Path) -> Copy:
    (tmp_path / "tables").mkdir()
    return files_copy(kind, tmp_path, f"{kind}://{tmp_path / 'tables'}")


@pytest.fixture(scope="module")
def s3() -> Iterator[ObjectStore]:
    with serving("s3") as store:
        yield store


def _at(store: ObjectStore, kind: str, folder: Path) -> Copy:
    """A copy in the store, whose credentials are in the address and nowhere else."""
    environ = store.environ
    keys = f"{quote(environ['AWS_ACCESS_KEY_ID'], safe='')}:{quote(environ['AWS_SECRET_ACCESS_KEY'], safe='')}"
    place = store.url.partition("://")[2]
    endpoint = environ["AWS_ENDPOINT_URL"]
    return files_copy(kind, folder, f"{kind}+s3://{keys}@{place}/{kind}?region=us-east-1&endpoint={endpoint}")


def _goes_through_all_versions(copy: Copy, kind: str) -> None:
    """Every update method, a day that became empty, a new column, repeated keys, no rows."""
    changes = PublishMode.CHANGES if kind == "delta" else PublishMode.FULL
    put(copy.lake, "run1", "replace", [*every_row(), row("c", 2), row("d", 3)], schema=EVERY_TYPE)
    assert copy.publish() == Published(PublishMode.FULL, 4, 4, 0)
    assert copy.is_the_lakes()
    assert copy.publish() == Published(PublishMode.NOTHING, 4, 0, 0)
    changed = [row("c", 2, 3, **EVERY_VALUE), row("e", 2)]
    put(copy.lake, "run2", "partition", changed, schema=EVERY_TYPE, windows=(window(2, 3),))
    assert copy.publish().mode is changes
    assert copy.is_the_lakes()
    put(copy.lake, "run3", "upsert", [row("e", 2, 7, 7, likes=4)], schema=with_columns(likes=pa.int64()))
    assert copy.publish().mode is changes
    assert copy.is_the_lakes()
    put(copy.lake, "run4", "append", [row("e", 2), row("e", 2)])
    assert copy.publish().mode is changes
    assert copy.is_the_lakes()
    put(copy.lake, "run5", "replace", [])
    copy.publish()
    assert copy.rows("daily") == []


def test_versions_of_all_update_methods_arrive_with_every_type_of_column(copy: Copy, kind: str) -> None:
    _goes_through_all_versions(copy, kind)


def test_they_arrive_on_s3_with_the_credentials_of_the_address(
    s3: ObjectStore, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    _goes_through_all_versions(_at(s3, kind, tmp_path), kind)


def test_a_store_that_is_away_is_said_to_be_and_has_the_newest_version_when_it_is_back(
    s3: ObjectStore, kind: str, tmp_path: Path
) -> None:
    copy = _at(s3, kind, tmp_path)
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.publish(table="away")
    put(copy.lake, "run2", "upsert", [row("b", 1)])
    s3.order(hang_up="PUT .*")
    try:
        with pytest.raises(RetryError, match=r"tiktok\.away at s3://bucket/.* could not be read or written") as caught:
            copy.publish(table="away")
    finally:
        s3.order()
    assert not any(secret in str(caught.value) for secret in s3.secrets)
    copy.publish(table="away")
    assert copy.is_the_lakes(table="away")


def test_a_column_of_another_type_is_refused_until_the_table_is_loaded_anew(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1, clicks=1)])
    copy.publish()
    texts = with_columns(clicks=pa.string())
    put(copy.lake, "run2", "replace", [{**row("a", 1), "clicks": "1"}], schema=texts, reset_schema=True)
    with pytest.raises(InputError, match=r"clicks was BIGINT and is TEXT.*Load it anew"):
        copy.publish()
    assert [values["clicks"] for values in copy.rows("daily")] == [1]
    assert copy.publish(reload=True).mode is PublishMode.FULL
    assert [values["clicks"] for values in copy.rows("daily")] == ["1"]


def test_tables_that_are_not_this_datasets_are_left_alone(copy: Copy, tmp_path: Path) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.publish()
    (tmp_path / "tables" / "tiktok" / "_adreel" / "daily.json").unlink()
    put(copy.lake, "run2", "replace", [row("b", 1)])
    for reload in (False, True):
        with pytest.raises(InputError, match="that adreel did not make"):
            copy.publish(reload=reload)
    assert [values["ad_id"] for values in copy.rows("daily")] == ["a"]


def test_a_folder_that_is_not_there_is_not_made(kind: str, tmp_path: Path) -> None:
    copy = files_copy(kind, tmp_path, f"{kind}://{tmp_path / 'disk'}")
    put(copy.lake, "run1", "replace", [row("a", 1)])
    with pytest.raises(InputError, match="disk does not exist"):
        copy.publish()
    assert not (tmp_path / "disk").exists()


def test_rows_that_somebody_deleted_are_back_with_the_next_version(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    copy = files_copy("delta", tmp_path, f"delta://{tmp_path / 'tables'}")
    put(copy.lake, "run1", "replace", [row("a", 1), row("b", 1)])
    copy.publish()
    DeltaTable(str(tmp_path / "tables" / "tiktok" / "daily")).delete("ad_id = 'a'")
    put(copy.lake, "run2", "upsert", [row("b", 1, 5)])
    assert copy.publish().mode is PublishMode.FULL
    assert copy.is_the_lakes()


def test_what_readers_have_open_while_the_next_version_comes_stays_whole(copy: Copy, kind: str, tmp_path: Path) -> None:
    put(copy.lake, "run1", "replace", [row(str(ad), 1) for ad in range(100)])
    copy.publish()
    tables = tmp_path / "tables" / "tiktok"
    if kind == "parquet":
        reader = pq.ParquetFile(tables / "daily.parquet")
        read = reader.read
    elif kind == "delta":
        read = DeltaTable(str(tables / "daily")).to_pyarrow_table
    else:
        read = StaticTable.from_metadata(str(tables / "daily")).scan().to_arrow
    put(copy.lake, "run2", "replace", [row("x", 1)])
    copy.publish()
    assert read().num_rows == 100
    assert copy.is_the_lakes()


def test_old_files_that_no_snapshot_needs_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    copy = files_copy("iceberg", tmp_path, f"iceberg://{tmp_path / 'tables'}")
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.publish()
    table = tmp_path / "tables" / "tiktok" / "daily"
    needed = set(table.glob("data/*"))
    # What a publisher left that was killed two weeks ago; young files may belong to one that is at it.
    orphans = [table / "data" / "orphan.parquet", table / "metadata" / "orphan.avro", table / "data" / "young.parquet"]
    for path in orphans:
        path.write_bytes(b"")
    for path in (*needed, *table.glob("metadata/*"), *orphans[:2]):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    put(copy.lake, "run2", "replace", [row("b", 1)])
    copy.publish()
    assert [path.exists() for path in orphans] == [False, False, True]
    assert needed < set(table.glob("data/*"))
    assert copy.is_the_lakes()


PUBLISH = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from adreel.destinations import file_copy, iceberg_copy
from adreel.destinations.delivery import deliver
from adreel.destinations.publishing import PublishOrder
from adreel.destinations.session import Place
from adreel.lake import Lake
lake, kind, address, work, times = Lake(sys.argv[1]), *sys.argv[2:5], int(sys.argv[5])
newest = lake.newest_version("ads")
order = PublishOrder("ads", newest.number, newest.run_id, "home/1", Place("tiktok", "daily"))
write, calls = file_copy.FilesCopy.write_mark, []
def dying(self, mark):
    # Dies as kill -9 does: before the rows (1), or when they are there and not marked (2).
    calls.append(mark)
    if len(calls) == times:
        if times == 1:
            write(self, mark)
        os.kill(os.getpid(), 9)
    write(self, mark)
file_copy.FilesCopy.write_mark = dying
deliver(kind, address, lake, order, Path(work), datetime.now(UTC))
"""


@pytest.mark.parametrize(("method", "times"), [("upsert", 1), ("append", 2)])
def test_a_publisher_that_is_killed_leaves_what_the_next_one_puts_right(
    copy: Copy, kind: str, tmp_path: Path, method: str, times: int
) -> None:
    put(copy.lake, "run1", method, [row("a", 1), row("b", 1)])
    copy.publish()
    put(copy.lake, "run2", method, [row("b", 1, 5), row("c", 1)])
    address = f"{kind}://{tmp_path / 'tables'}"
    command = [sys.executable, "-c", PUBLISH, str(tmp_path / "lake"), kind, address, str(tmp_path / "work"), str(times)]
    assert subprocess.run(command, check=False, timeout=400).returncode == -signal.SIGKILL
    copy.publish()
    assert copy.is_the_lakes()


def test_a_file_that_does_not_have_the_rows_is_a_failed_publish_and_marked_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses what was written: the file of the version before comes back."""
    (tmp_path / "tables").mkdir()
    copy = files_copy("parquet", tmp_path, f"parquet://{tmp_path / 'tables'}")
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.publish()
    path = tmp_path / "tables" / "tiktok" / "daily.parquet"
    lost = path.read_bytes()
    replace = Path.replace

    def losing(self: Path, target: Path) -> Path:
        moved = replace(self, target)
        if Path(target) == path:
            path.write_bytes(lost)
        return moved

    put(copy.lake, "run2", "upsert", [row("b", 1)])
    monkeypatch.setattr(Path, "replace", losing)
    with pytest.raises(ProofError, match="the number of rows: 1, not 2"):
        copy.publish()
    monkeypatch.undo()
    assert copy.publish().mode is PublishMode.FULL
    assert copy.is_the_lakes()


STEP = st.tuples(
    st.sampled_from(("replace", "append", "upsert", "partition")),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.sampled_from((1, 2, None))),
        max_size=4,
        unique_by=lambda values: values[:2],
    ),
    st.booleans(),
)


@settings(max_examples=10, deadline=None)
@given(st.lists(STEP, min_size=2, max_size=5))
def test_whatever_versions_follow_each_other_the_table_has_the_rows_of_the_last(
    steps: Sequence[tuple[str, Sequence[tuple[str, int, int | None]], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tables").mkdir()
        copy = files_copy("delta", folder, f"delta://{folder / 'tables'}")
        for number, (method, values, sent) in enumerate(steps):
            if method == "upsert" and any(earlier == "append" for earlier, _, _ in steps[:number]):
                method = "append"
            windows = (window(1, 3),) if method == "partition" else ()
            put(copy.lake, f"run{number}", method, [row(*each) for each in values], windows=windows)
            if sent:
                copy.publish()
        copy.publish()
        assert copy.is_the_lakes()


def test_addresses_hide_their_keys_and_odd_ones_are_refused() -> None:
    address = read_address("delta+s3://KEY:a%2Fsecret@ads/tables?region=eu-central-1")
    assert address.shown == "delta+s3://ads/tables"
    assert address.has_password
    for text in ("delta://relative", "delta+ftp://host/x", "parquet+s3:///x", "delta+s3:ads"):
        with pytest.raises(InputError, match="Example"):
            read_address(text)
