"""Differences of many rows, and of any rows compared one by one."""

from __future__ import annotations

import tempfile
from collections import Counter
from typing import Any

import pyarrow as pa
from hypothesis import given, settings

import test_lake_difference
from adreel.lake import Lake
from lake_rows import DAY, SCHEMA, day, put
from test_lake_difference import ADDITIVE, KEYED, as_rows, steps_of, sums_of, total

lake = test_lake_difference.lake


@settings(max_examples=15)
@given(KEYED, KEYED)
def test_counts_and_sums_are_those_of_comparing_row_by_row(
    old: dict[tuple[str, int], tuple[int | None, int | None]],
    new: dict[tuple[str, int], tuple[int | None, int | None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        put(lake, "run1", "replace", as_rows(old))
        put(lake, "run2", "replace", as_rows(new))
        difference, sums, steps = lake.difference("ads", 0, 1), sums_of(lake), steps_of(lake)
    changed = [key for key in old.keys() & new.keys() if old[key] != new[key]]
    assert (difference.added, difference.gone, difference.changed) == (
        len(new.keys() - old),
        len(old.keys() - new),
        len(changed),
    )
    metrics = {metric.name: metric for metric in difference.metrics}
    for number, name in enumerate(ADDITIVE):
        before, after = (total([values[number] for values in side.values()]) for side in (old, new))
        assert metrics[name].values_changed == sum(old[key][number] != new[key][number] for key in changed)
        assert sums.get(name, (None, None, 0)) == (before, after, (after or 0) - (before or 0))
    by_day = Counter(on for _, on in changed)
    for day_difference in difference.days:
        on = day_difference.day.day if day_difference.day else 0
        assert day_difference.changed == by_day[on]
        for number, name in enumerate(ADDITIVE):
            own = (total([side[key][number] for key in side if key[1] == on]) or 0 for side in (old, new))
            before, after = own
            assert steps.get(day_difference.day, {}).get(name, 0) == after - before


def test_many_rows_are_compared_a_slice_at_a_time_and_all_of_them(lake: Lake) -> None:
    count = 60_000
    wide = pa.schema([*SCHEMA, *(pa.field(f"m{number}", pa.int64()) for number in range(75))])

    def rows(step: int) -> Any:
        columns: dict[str, Any] = {name: pa.nulls(count, wide.field(name).type) for name in wide.names}
        columns["ad_id"] = pa.array([f"{number:08}" for number in range(count)])
        columns[DAY] = pa.array([day(1 + number % 2) if number % 100 else None for number in range(count)])
        columns["clicks"] = pa.array([number + step * (number % 3 == 0) for number in range(count)])
        table = pa.table(columns, schema=wide)
        return lambda: table.to_reader(max_chunksize=10_000)

    from adreel.lake import Method, Write

    for step in (0, 1):
        lake.commit("ads", rows(step), Write(f"run{step}", Method.REPLACE, wide, ("ad_id",), DAY))
        lake.commit("hours", rows(step), Write(f"run{step}", Method.REPLACE, wide, ("ad_id", DAY), DAY))
    for slug in ("ads", "hours"):
        difference = lake.difference(slug, 0, 1)
        assert (
            difference.changed == count // 3 if slug == "ads" else difference.changed + difference.added == count // 3
        )
        assert sums_of(lake, slug=slug)["clicks"][2] == count // 3
