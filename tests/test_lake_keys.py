"""Keys: null and repeated ones are found, whatever their types, and nothing else is."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.errors import InputError
from adreel.lake import KeyFaults, Lake

LAKE = Lake("unused")

TYPES = {
    "text": (pa.string(), st.sampled_from(["", "a", "b", "a\0", "\0a", "1234567", "12345678", "123456789", "é" * 40])),
    "id": (pa.string(), st.sampled_from([f"17{number:017}" for number in range(4)])),
    "day": (pa.date32(), st.sampled_from([date(2026, 1, 1), date(2026, 1, 2), date(1969, 12, 31)])),
    # Hours are of the advertiser's own zone, without one in the table.
    "hour": (pa.timestamp("us"), st.sampled_from([datetime(2026, 1, 1, 5), datetime(2026, 1, 1, 6)])),  # noqa: DTZ001
    "at": (pa.timestamp("us", tz="UTC"), st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC)])),
    "count": (pa.int64(), st.sampled_from([0, 1, -1, 2**62])),
    "spend": (pa.decimal128(24, 6), st.sampled_from([Decimal(0), Decimal("0.000001"), Decimal(-5), Decimal(10**17)])),
    "rate": (pa.float64(), st.sampled_from([0.0, -0.0, 0.5])),
    "live": (pa.bool_(), st.booleans()),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.Table, tuple[str, ...]]:
    """A few rows, cut anyhow into chunks, and columns that are to name them."""
    key = tuple(draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=3, unique=True)))
    values = st.tuples(*(st.none() | TYPES[name][1] if draw(st.booleans()) else TYPES[name][1] for name in key))
    rows = draw(st.lists(values, max_size=12))
    schema = pa.schema([(name, TYPES[name][0]) for name in key])
    table = pa.Table.from_pylist([dict(zip(key, row, strict=True)) for row in rows], schema)
    cut = draw(st.integers(0, len(rows)))
    # A slice of a longer table begins in the middle of its buffers.
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)]), key


@given(tables())
def test_faults_are_the_rows_that_counting_finds(table_and_key: tuple[pa.Table, tuple[str, ...]]) -> None:
    table, key = table_and_key
    counts = Counter(tuple(row[name] for name in key) for row in table.to_pylist())
    nulls = sum(count for row, count in counts.items() if None in row)
    repeated = {row: count for row, count in counts.items() if count > 1 and None not in row}
    faults = LAKE.key_faults(table, key)
    assert (faults.nulls, faults.repeated) == (nulls, len(repeated))
    assert bool(faults) == bool(nulls or repeated)
    for example in faults.examples:
        assert counts[tuple(example[name] for name in key)] == example["rows"]
    assert bool(faults.examples) == bool(faults)


def rows(*keys: Any) -> pa.Table:
    return pa.table({"id": pa.array(keys, pa.string()), "other": pa.array(range(len(keys)))})


@pytest.mark.parametrize("kind", ["table", "reader", "dataset", "callable"])
def test_rows_may_come_as_any_kind_of_arrow_data(kind: str, tmp_path: Path) -> None:
    table = rows("a", "b", None, "a")
    source = {
        "table": table,
        "reader": table.to_reader(),
        "dataset": pa_dataset.dataset(table),
        "callable": table.to_reader,
    }[kind]
    assert LAKE.key_faults(source, ("id",)) == KeyFaults(1, 1, ({"id": "a", "rows": 2}, {"id": None, "rows": 1}))


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_texts_may_be_laid_out_in_any_way(kind: pa.DataType) -> None:
    table = pa.table({"id": pa.array(["aa", "b", "aa"], pa.string()).cast(kind)})
    assert LAKE.key_faults(table, ("id",)).repeated == 1


def test_keys_of_many_rows_are_told_apart() -> None:
    names = pa.array([f"{number:019}" for number in range(100_000)])
    assert not LAKE.key_faults(pa.table({"id": names}), ("id",))
    twice = pa.concat_arrays([names, names[:7]])
    assert LAKE.key_faults(pa.table({"id": twice}), ("id",)).repeated == 7


@pytest.mark.parametrize(
    "values",
    [pa.array([7, 1, 2, 1]), pa.array([Decimal(7), 1, 2, 1]), pa.array(["x" * 30, "a", "bb", "a"])],
    ids=["whole numbers", "decimals", "texts"],
)
def test_equal_keys_are_equal_wherever_they_stand_in_memory(values: pa.Array) -> None:
    table = pa.concat_tables([pa.table({"id": values.slice(1, 1)}), pa.table({"id": values.slice(2, 2)})])
    faults = LAKE.key_faults(table, ("id",))
    assert (faults.repeated, faults.examples[0]["rows"]) == (1, 2)
    beside_longer_texts = pa.concat_tables([pa.table({"id": values.slice(0, 2)}), pa.table({"id": values.slice(3)})])
    assert LAKE.key_faults(beside_longer_texts, ("id",)).repeated == 1


def test_columns_are_not_mixed_up_with_each_other() -> None:
    table = pa.table({"one": ["ab", "a"], "two": ["c", "bc"], "three": ["x", "x"]})
    assert not LAKE.key_faults(table, ("one", "two"))
    assert LAKE.key_faults(table, ("three",)).repeated == 1


def test_no_rows_have_no_faults() -> None:
    assert not LAKE.key_faults(rows(), ("id",))


@pytest.mark.parametrize(("key", "lacking"), [(("id", "day"), "day"), (("x", "y"), "x, y"), ((), "")])
def test_a_key_that_is_not_in_the_rows_is_refused(key: tuple[str, ...], lacking: str) -> None:
    with pytest.raises(InputError, match=f"without the columns {lacking}"):
        LAKE.key_faults(rows("a"), key)


def test_a_column_without_equality_is_no_key() -> None:
    with pytest.raises(InputError, match="Column tags is list"):
        LAKE.key_faults(pa.table({"tags": [["a"]]}), ("tags",))
