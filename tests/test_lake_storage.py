"""Where a lake lies: folders and object stores alike, and what is said when they fail."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adreel.errors import InputError, StorageError
from adreel.lake import Lake
from adreel.sandbox import QueryLimits, QueryRequest, Sandbox, object_store_environment
from lake_rows import SCHEMA, put, row, table_rows
from s3_server import object_store


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A bucket on this machine, named by the environment; its objects by key."""
    with object_store() as (endpoint, objects):
        set_environment(monkeypatch, endpoint)
        yield objects


def set_environment(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


# -- addresses


def test_a_folder_may_be_named_by_path_or_by_address(tmp_path: Path) -> None:
    put(Lake(tmp_path / "my lake"), "run1", "append", [row("a", 1)])
    assert len(table_rows(Lake((tmp_path / "my lake").as_uri()))) == 1
    assert Lake(f"{tmp_path}/my lake/").table_url("ads") == f"{tmp_path}/my lake/ads"
    assert Lake("s3://bucket/some/lake/").table_url("ads") == "s3://bucket/some/lake/ads"


def test_a_lake_touches_nothing_until_it_is_used(tmp_path: Path) -> None:
    Lake(tmp_path / "lake")
    assert not Lake(tmp_path / "lake").exists("ads")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["ftp://host/lake", "http://host/lake", "/tmp/100%lake"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"is not an address of a lake|has a % in its name"):
        Lake(url)


# -- object stores


@pytest.mark.slow
def test_sql_of_people_reads_an_object_store_in_a_process_that_was_told_how(s3: dict[str, bytes]) -> None:
    lake = Lake("s3://bucket/some/lake")
    put(lake, "run1", "append", [row("a", 1, "1.5"), row("b", 2, 2)])
    limits = QueryLimits(512 << 20, 30, "ADREEL_QUERY_MEMORY", "ADREEL_QUERY_SECONDS")
    environ = object_store_environment(lake, os.environ)
    request = QueryRequest("select ad_id, spend from ads order by 1", lake.snapshot({"ads": "ads"}), limits, "items")
    with Sandbox() as box:
        with box.ask(replace(request, environ=environ)).file as file:
            assert json.loads(file.read())["items"] == [{"ad_id": "a", "spend": 1.5}, {"ad_id": "b", "spend": 2}]
        with pytest.raises(InputError, match="cannot be used in FROM here"):
            box.ask(replace(request, sql="from read_parquet('s3://bucket/some/lake/ads/*.parquet')", environ=environ))


# -- disks


def test_a_root_that_is_a_file_is_told_of_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("")
    lake = Lake(tmp_path / "lake")
    for ask in (
        lambda: put(lake, "run1", "append", [row("a", 1)]),
        lambda: lake.write_note("run1", "plan", 1),
        lambda: lake.write_part("run1", "p", SCHEMA.empty_table()),
    ):
        with pytest.raises(StorageError, match=r"adreel has no permission for the .* at .*lake \(Not a directory\)"):
            ask()


FULL_DISK = """
    import resource, sys
    sys.path.insert(0, {tests!r})
    from adreel.errors import StorageError
    from adreel.lake import Lake, Method, Write
    from lake_rows import DAY, KEY, SCHEMA, day, put, row, table_rows
    import pyarrow as pa

    lake = Lake({lake!r})
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    count = {count}
    columns = dict(
        advertiser_id=pa.array(["1"] * count),
        stat_time_day=pa.array([day(1)] * count),
        ad_id=pa.array([str(number * 7919 % 1000003) for number in range(count)]),
        spend=pa.nulls(count, SCHEMA.field("spend").type),
        clicks=pa.array([number * 104729 % 1000003 for number in range(count)]),
    )
    table = pa.table(columns, schema=SCHEMA)
    for method in Method:
        try:
            lake.commit("ads", lambda: table.to_reader(max_chunksize=5000), Write("run2", method, SCHEMA, KEY, None))
        except StorageError as error:
            print("told:", error)
        else:
            print("done")
    try:
        lake.write_part("run2", "p", table)
    except StorageError as error:
        print("told:", error)
"""


CONCURRENT = """
    import sys
    sys.path.insert(0, {tests!r})
    from adreel.errors import BusyError
    from adreel.lake import Lake
    from lake_rows import put, row

    lake = Lake({lake!r})
    for number in range(6):
        while True:
            try:
                put(lake, f"run-{name}-{{number}}", "upsert", [row("{name}", 1 + number), row("shared", 1 + number)])
                break
            except BusyError:
                pass
"""


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from adreel.lake import Lake, Method, Write
    from lake_rows import KEY, SCHEMA, row
    import pyarrow as pa

    def batches():
        for number in range(200):
            yield pa.RecordBatch.from_pylist([dict(row(f"ad{{number}}-{{i}}", 1)) for i in range(1000)], SCHEMA)
        os.kill(os.getpid(), signal.SIGKILL)

    reader = lambda: pa.RecordBatchReader.from_batches(SCHEMA, batches())
    Lake({lake!r}).commit("ads", reader, Write("run2", Method.REPLACE, SCHEMA, KEY))
"""
