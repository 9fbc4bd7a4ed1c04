"""Pages and statistics of many rows, and of a lake in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from adreel.lake import Lake, Method, Write
from adreel.lake.browse import Filter, Order
from lake_rows import put, row
from s3_server import object_store
from test_lake_browse import ids, opened, statistics
from test_lake_storage import set_environment


def test_a_lake_in_an_object_store_is_browsed_like_one_in_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [row(f"ad{number}", 1 + number % 5, number * 7 % 10) for number in range(40)]
    with object_store() as (endpoint, _), opened(tmp_path / "lake") as near:
        set_environment(monkeypatch, endpoint)
        with opened("s3://bucket/lake") as far:
            for lake in (near, far):
                put(lake, "run1", "replace", rows[:25])
                put(lake, "run2", "append", rows[25:])
            page_options: Any = {
                "where": [Filter("spend", ">=", 3)],
                "order": [Order("spend"), Order("ad_id")],
                "offset": 5,
            }
            assert near.page("ads", **page_options) == far.page("ads", **page_options)
            assert near.page("ads", offset=20, limit=10) == far.page("ads", offset=20, limit=10)
            assert near.statistics("ads", additive=("spend",)) == far.statistics("ads", additive=("spend",))
            put(far, "run3", "replace", [row("x", 1)])
            assert ids(far) == ["x"]


MANY = 400_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, pa.Table]]:
    """So many rows that they are not sorted as a whole: a column of few values, one with nulls, one of ties."""
    chance = np.random.default_rng(1)
    schema = pa.schema(
        [
            pa.field("advertiser_id", pa.string()),
            pa.field("currency", pa.string()),
            pa.field("spend", pa.decimal128(24, 6)),
            pa.field("clicks", pa.int64()),
            pa.field("number", pa.int64()),
        ]
    )
    clicks = chance.integers(0, 40, MANY)
    table = pa.table(
        [
            pa.array(["1"] * MANY),
            pa.array(chance.choice(["EUR", "GBP", "USD"], MANY, p=[0.6, 0.1, 0.3])),
            pa.array(chance.lognormal(3, 2, MANY).round(2)).cast(pa.decimal128(24, 6), safe=False),
            pa.array(clicks, mask=clicks > 30),
            pa.array(np.arange(MANY)),
        ],
        schema=schema,
    )
    with opened(tmp_path_factory.mktemp("many") / "lake") as lake:
        for number in range(2):
            half = table.slice(number * MANY // 2, MANY // 2)
            write = Write(f"run{number}", Method.APPEND, schema)
            lake.commit("ads", partial(half.to_reader, max_chunksize=50_000), write)
        yield lake, lake.read("ads").read_all()


@pytest.mark.parametrize(
    "order",
    [
        [Order("spend")],
        [Order("spend", descending=True)],
        [Order("currency"), Order("clicks", descending=True), Order("spend")],
        [Order("currency", descending=True)],
        [Order("clicks")],
        [Order("clicks", descending=True), Order("currency")],
        [Order("number", descending=True)],
    ],
    ids=lambda order: "-".join(f"{key.column}{'v' * key.descending}" for key in order),
)
def test_every_page_of_many_rows_is_where_a_full_sort_has_it(many: tuple[Lake, pa.Table], order: list[Order]) -> None:
    lake, table = many
    keys: list[Any] = [np.arange(MANY)]
    for key in reversed(order):
        column = table.column(key.column)
        codes = np.unique(np.array(column.to_pylist()), return_inverse=True)[1] if key.column == "currency" else None
        values = codes if codes is not None else column.cast(pa.float64()).fill_null(np.inf).to_numpy()
        keys.append(np.where(np.isinf(values), np.inf, -values) if key.descending else values)
    # The table's own order decides at last.
    ranks = np.lexsort(keys)
    numbers = table.column("number").to_numpy()[ranks]
    for offset in (0, 990, 19_990, 60_000, 150_000, 199_980, 239_990, 333_333, 399_000, MANY - 5):
        page = lake.page("ads", columns=["number"], order=order, offset=offset, limit=30)
        assert page.rows.column("number").to_pylist() == numbers[offset : offset + 30].tolist()


def test_many_filtered_rows_are_ranked_among_themselves(many: tuple[Lake, pa.Table]) -> None:
    lake, table = many
    where = [Filter("currency", "!=", "GBP"), Filter("clicks", ">", 2)]
    ranked = [
        (lake_row["spend"], -number, lake_row["number"])
        for number, lake_row in enumerate(table.to_pylist())
        if lake_row["currency"] != "GBP" and (lake_row["clicks"] or 0) > 2
    ]
    numbers = [number for _, _, number in sorted(ranked, reverse=True)]
    for offset in (0, 30_000, 120_000, len(ranked) - 10):
        page = lake.page("ads", where=where, order=[Order("spend", descending=True)], offset=offset, limit=20)
        assert page.matching == len(ranked)
        assert page.rows.column("number").to_pylist() == numbers[offset : offset + 20]
        unsorted = lake.page("ads", where=where, offset=offset, limit=20)
        own = [number for _, _, number in ranked][offset : offset + 20]
        assert unsorted.rows.column("number").to_pylist() == own


def test_statistics_of_many_rows_say_that_they_estimate(many: tuple[Lake, pa.Table]) -> None:
    lake, table = many
    columns = statistics(lake)
    assert (columns["currency"].distinct, columns["currency"].distinct_exact) == (3, True)
    number = columns["number"]
    assert not number.distinct_exact
    assert number.distinct is not None
    assert abs(number.distinct - MANY) < MANY / 10
    assert (number.least, number.greatest) == (0, MANY - 1)
    assert columns["clicks"].nulls == table.column("clicks").null_count
    assert [histogram_bin.rows for histogram_bin in number.histogram] == [MANY // 20] * 20
