"""The difference between two versions, to the row, the value and the cent."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel.errors import NotFoundError
from adreel.lake import Lake
from lake_rows import KEY, Row, day, put, row, with_columns

ADDITIVE = ("spend", "clicks")


def sums_of(lake: Lake, before: int = 0, after: int = 1, slug: str = "ads") -> dict[str, tuple[Any, Any, Any]]:
    """Each sum over all rows: before, after, moved."""
    parts = lake.sum_changes(slug, before, after, ADDITIVE, ())
    return dict(parts[0].sums) if parts else {}


def steps_of(lake: Lake) -> dict[Any, Mapping[str, Any]]:
    """By how much each sum moved on each day."""
    return {day: steps for part in lake.sum_changes("ads", 0, 1, ADDITIVE, ()) for day, steps in part.days.items()}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_a_restatement_shows_which_days_moved_and_by_how_much(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, "1.25", 1), row("b", 1, 2, 1), row("a", 2, 3, 1), row("a", 3, 1, 1)])
    put(lake, "run2", "upsert", [row("a", 1, "1.50", 1), row("b", 1, 2, 4), row("c", 2, 5, 2)])
    difference = lake.difference("ads", 0, 1)
    assert (difference.before, difference.after, difference.rows_before, difference.rows_after) == (0, 1, 4, 5)
    assert (difference.added, difference.gone, difference.changed, difference.keyed) == (1, 0, 2, True)
    assert next(metric for metric in difference.metrics if metric.name == "spend").values_changed == 1
    assert sums_of(lake)["spend"] == (Decimal("7.25"), Decimal("12.50"), Decimal("5.25"))
    assert [
        (day_difference.day, day_difference.added, day_difference.gone, day_difference.changed)
        for day_difference in difference.days
    ] == [(day(1), 0, 0, 2), (day(2), 1, 0, 0)]
    assert steps_of(lake) == {
        day(1): {"spend": Decimal("0.25"), "clicks": 3},
        day(2): {"spend": Decimal(5), "clicks": 2},
    }
    assert [
        (example.before and example.before["spend"], example.after and example.after["spend"])
        for example in difference.examples
    ] == [
        (Decimal("1.25"), Decimal("1.50")),
        (2, 2),
        (None, 5),
    ]


def test_the_way_back_is_the_way_there_the_other_way_round(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, 1), row("b", 1, 2)])
    put(lake, "run2", "replace", [row("a", 1, 5)])
    back = lake.difference("ads", 1, 0)
    assert (back.added, back.gone, back.changed) == (1, 0, 1)
    assert sums_of(lake, 1, 0)["spend"][2] == -2


def test_rows_that_were_only_written_anew_did_not_change(lake: Lake) -> None:
    rows = [row(ad, on) for ad in "abc" for on in (1, 2, 3)]
    put(lake, "run1", "replace", rows)
    put(lake, "run2", "replace", list(reversed(rows)))
    difference = lake.difference("ads", 0, 1)
    assert (difference.added, difference.gone, difference.changed, difference.days, difference.examples) == (
        0,
        0,
        0,
        (),
        (),
    )
    assert lake.difference("ads", 1, 1).metrics == difference.metrics


@pytest.mark.parametrize("method", ["replace", "upsert"])
@pytest.mark.parametrize("versions", [(0, 1), (1, 0)])
def test_rows_that_exchange_their_values_differ_although_their_sums_do_not(
    lake: Lake, method: str, versions: tuple[int, int]
) -> None:
    put(lake, "run1", "replace", [row("a", 1, 1), row("b", 1, 2), row("c", 2, 3)])
    put(lake, "run2", method, [row("a", 1, 2), row("b", 1, 1), row("c", 2, 3)])
    with lake.comparison("ads", *versions) as compared:
        assert {name: change for name, (_, _, change) in compared.sum_changes(ADDITIVE)[0].sums.items()} == {
            "spend": 0,
            "clicks": 0,
        }
        difference = compared.difference(lambda _values, _day: None)
    assert [(part.day, part.added, part.gone, part.changed) for part in difference.days] == [(day(1), 0, 0, 2)]


def test_a_key_that_is_repeated_on_a_day_with_the_same_rows_does_no_harm(lake: Lake) -> None:
    same = [row("b", 2, 1), row("b", 2, 2)]
    put(lake, "run1", "replace", [row("a", 1, 1), *same, row("a", 3, 1)])
    put(lake, "run2", "replace", [row("a", 1, 2), *same, row("a", 3, 2)])
    difference = lake.difference("ads", 0, 1)
    assert (difference.added, difference.gone, difference.changed, difference.keyed) == (0, 0, 2, True)
    assert [part.day for part in difference.days] == [day(1), day(3)]


def test_null_is_equal_to_null_and_to_nothing_else(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, None), row("b", 1, None), row("c", 1, 0)])
    put(lake, "run2", "replace", [row("a", 1, None), row("b", 1, 0), row("c", 1, None)])
    difference = lake.difference("ads", 0, 1)
    assert difference.changed == 2
    assert next(metric for metric in difference.metrics if metric.name == "spend").values_changed == 2
    assert sums_of(lake)["spend"] == (0, 0, 0)


def test_what_must_not_be_summed_is_only_counted(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, 1, 1)])
    put(lake, "run2", "replace", [row("a", 1, 2, 2)])
    values_changed = {metric.name: metric.values_changed for metric in lake.difference("ads", 0, 1).metrics}
    assert values_changed == {"advertiser_id": 0, "spend": 1, "clicks": 1}
    (part,) = lake.sum_changes("ads", 0, 1, ("clicks", "advertiser_id", "reach"), ())
    assert part.sums == {"clicks": (1, 2, 1)}


def test_columns_that_came_or_left_are_named(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, likes=1)], schema=with_columns(likes=pa.int64()))
    put(lake, "run2", "replace", [row("a", 1, shares=2)], schema=with_columns(shares=pa.int64()), reset_schema=True)
    difference = lake.difference("ads", 0, 1)
    assert (difference.columns_added, difference.columns_gone, difference.changed) == (("shares",), ("likes",), 0)
    assert {metric.name for metric in difference.metrics} == {"advertiser_id", "spend", "clicks"}


def test_values_of_a_column_that_got_a_wider_type_are_compared_as_numbers(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1, clicks=4), row("b", 1, clicks=5)])
    new = [{**row("b", 1), "clicks": Decimal("5.5")}]
    put(lake, "run2", "upsert", new, schema=with_columns(clicks=pa.decimal128(24, 6)))
    difference = lake.difference("ads", 0, 1)
    assert difference.changed == 1
    assert sums_of(lake)["clicks"][2] == Decimal("0.5")


def test_values_of_types_that_do_not_go_together_are_compared_as_texts(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, clicks=4), row("b", 1, clicks=5)])
    new = [{**row("a", 1), "clicks": "4"}, {**row("b", 1), "clicks": "many"}]
    put(lake, "run2", "replace", new, schema=with_columns(clicks=pa.string()), reset_schema=True)
    difference = lake.difference("ads", 0, 1)
    assert difference.changed == 1
    assert "clicks" not in sums_of(lake)


@pytest.mark.parametrize("key", [(), KEY])
def test_rows_that_no_key_names_count_as_gone_and_added(lake: Lake, key: tuple[str, ...]) -> None:
    put(lake, "run1", "append", [row("a", 1, 1), row("a", 1, 1), row("a", 1, 2), row("b", 2)], key=key)
    put(lake, "run2", "replace", [row("a", 1, 1), row("a", 1, 3), row("b", 2), row("b", 2)], key=key)
    difference = lake.difference("ads", 0, 1)
    assert (difference.added, difference.gone, difference.changed, difference.keyed) == (2, 2, 0, False)
    assert [(day_difference.day, day_difference.added, day_difference.gone) for day_difference in difference.days] == [
        (day(1), 1, 2),
        (day(2), 1, 0),
    ]
    assert steps_of(lake) == {day(1): {"clicks": -1}, day(2): {"spend": 1, "clicks": 1}}
    assert sum(example.before is None for example in difference.examples) > 0


def test_a_dataset_without_days_has_no_days_to_compare(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1)], day_column=None, key=("ad_id",))
    put(lake, "run2", "replace", [row("a", 1, 4)], day_column=None, key=("ad_id",))
    difference = lake.difference("ads", 0, 1)
    assert (difference.changed, difference.days) == (1, ())


def test_there_are_examples_but_not_too_many(lake: Lake) -> None:
    put(lake, "run1", "replace", [row(f"ad{number}", 1 + number % 9) for number in range(40)])
    put(lake, "run2", "replace", [row(f"ad{number}", 1 + number % 9, 2) for number in range(40)])
    assert len(lake.difference("ads", 0, 1).examples) == 10


def test_changes_are_counted_apart_for_what_rows_are_told_apart_by(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, 1), row("b", 1, 1), row("c", 2, 1), row("e", 2, 1)])
    put(lake, "run2", "replace", [row("a", 1, 2), row("b", 1, 3), row("c", 2, 4), row("d", 2, 1)])
    with lake.comparison("ads", 0, 1, ("ad_id", "spend")) as versions:
        difference = versions.difference(lambda values, on: (values[0] in "ab", on))
    assert next(metric for metric in difference.metrics if metric.name == "spend").changed == {
        (True, day(1)): 2,
        (False, day(2)): 1,
    }
    assert [
        (day_difference.part, day_difference.added, day_difference.gone, day_difference.changed)
        for day_difference in difference.days
    ] == [
        ((True, day(1)), 0, 0, 2),
        ((False, day(2)), 1, 1, 1),
    ]


def test_a_version_that_is_gone_cannot_be_compared(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1)])
    with pytest.raises(NotFoundError, match="no version 1; available: 0"):
        lake.difference("ads", 0, 1)


# -- against counting

KEYED = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.integers(1, 4)),
    st.tuples(st.none() | st.integers(-3, 3), st.none() | st.integers(0, 3)),
    max_size=10,
)


def as_rows(values: dict[tuple[str, int], tuple[int | None, int | None]]) -> list[Row]:
    return [row(ad, on, spend, clicks) for (ad, on), (spend, clicks) in values.items()]


def total(values: Sequence[Any]) -> Any:
    numbers = [value for value in values if value is not None]
    return sum(numbers) if numbers else None


@settings(max_examples=15)
@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), max_size=8))
def test_rows_without_a_key_are_counted_like_things_in_two_bags(old: list[int], new: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        for number, side in enumerate((old, new)):
            put(lake, f"run{number}", "replace", [row("a", 1, spend) for spend in side], key=())
        difference = lake.difference("ads", 0, 1)
    before, after = Counter(old), Counter(new)
    assert (difference.added, difference.gone) == ((after - before).total(), (before - after).total())
