"""A large load is written day by day, so that one day is in few files; small ones are left as they came."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from adreel.lake import Lake, Method, Write
from adreel.lake import day_order as module
from adreel.lake.day_order import HELD_ROWS, MOST_OPEN, DayOrder
from lake_rows import DAY

DAYS, ADS, ADVERTISERS = 40, 200, 80
SCHEMA = pa.schema([("advertiser_id", pa.string()), ("ad_id", pa.string()), (DAY, pa.date32()), ("clicks", pa.int64())])
FIRST = 20_454


def load(schema: pa.Schema = SCHEMA, *, nulls: bool = False) -> Iterator[Any]:
    """As TikTok gives a report: ad account by ad account, ad by ad."""
    days = pa.array(np.tile(np.arange(FIRST, FIRST + DAYS, dtype=np.int32), ADS))
    if nulls:
        days = pa.array([None, *days.to_pylist()[1:]], pa.int32())
    day = days.cast(pa.date32()).cast(schema.field(DAY).type)
    ad = pa.array(np.repeat(np.arange(ADS), DAYS)).cast(pa.string())
    for advertiser in range(ADVERTISERS):
        owner = pa.array([str(advertiser)] * len(ad))
        clicks = pa.array(np.arange(len(ad)) + advertiser)
        yield pa.RecordBatch.from_arrays([owner, ad, day, clicks], schema=schema)


def commit(lake: Lake, schema: pa.Schema = SCHEMA, **more: Any) -> None:
    write = Write(run_id="0" * 16, method=Method.REPLACE, schema=schema, day_column=DAY)
    lake.commit("ads", lambda: pa.RecordBatchReader.from_batches(schema, load(schema, **more)), write)


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us")])
def test_a_day_of_a_large_load_is_in_few_files_and_no_row_is_lost(tmp_path: Path, kind: pa.DataType) -> None:
    schema = SCHEMA.set(2, pa.field(DAY, kind))
    lake = Lake(tmp_path)
    commit(lake, schema)
    files = lake.table("ads").files
    assert len(files) == 2
    ends = [file.ranges[DAY] for file in files]
    assert all(before[1] <= after[0] for before, after in pairwise(ends))
    written = lake.read("ads").read_all()
    expected = pa.Table.from_batches(list(load(schema)))
    by = [(name, "ascending") for name in ("advertiser_id", "ad_id", DAY)]
    assert written.sort_by(by).cast(schema).equals(expected.sort_by(by))


def test_rows_without_a_day_come_first(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    commit(lake, nulls=True)
    days = lake.read("ads", columns=[DAY]).read_all()[DAY]
    assert days.null_count == ADVERTISERS
    assert days.slice(0, ADVERTISERS).null_count == ADVERTISERS


@pytest.mark.parametrize("limit", ["HELD_ROWS", "HELD_BYTES"])
def test_more_days_than_files_may_be_open_are_all_there(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(module, limit, 100)
    batch = pa.record_batch({DAY: pa.array(np.arange(MOST_OPEN + 50, dtype=np.int32)).cast(pa.date32())})
    with DayOrder(DAY) as ordered:
        for _ in range(3):
            assert ordered.add(batch) == ()
        days = [day for ready in ordered.batches() for day in ready.column(DAY).cast(pa.int32()).to_pylist()]
    assert days == [day for day in range(MOST_OPEN + 50) for _ in range(3)]


def test_small_loads_and_tables_without_days_keep_their_order(tmp_path: Path) -> None:
    batch = pa.record_batch({DAY: pa.array([FIRST + 1, FIRST], pa.int32()).cast(pa.date32())})
    with DayOrder(DAY) as ordered:
        assert ordered.add(batch) == ()
        assert list(ordered.batches()) == [batch]
    with DayOrder(None) as unordered:
        assert unordered.add(batch) == (batch,)
        assert list(unordered.batches()) == []


def test_its_files_are_gone_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    days = pa.array(np.zeros(HELD_ROWS, np.int32)).cast(pa.date32())

    def fail() -> None:
        with DayOrder(DAY) as ordered:
            ordered.add(pa.record_batch({DAY: days}))
            assert list(tmp_path.iterdir())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list(tmp_path.iterdir())
