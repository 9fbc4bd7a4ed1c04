"""Sums that moved between two versions, apart for each value of a column."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel.errors import NotFoundError
from adreel.lake import Lake
from lake_rows import Row, day, put, row, with_columns

SCHEMA = with_columns(currency=with_columns().field("ad_id").type)


def commit_rows(lake: Lake, run: str, *rows: Row) -> None:
    """A version with just these rows."""
    put(lake, run, "replace", rows, schema=SCHEMA)


def test_money_moves_by_itself_in_each_currency(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    commit_rows(
        lake,
        "r1",
        row("a", 1, "1.50", currency="EUR"),
        row("b", 1, "2", currency="USD"),
        row("c", 2, 5, currency="USD"),
    )
    commit_rows(
        lake, "r2", row("a", 1, "1.75", currency="EUR"), row("b", 1, "2", currency="USD"), row("d", 3, 1, currency=None)
    )
    eur, usd, none = lake.sum_changes("ads", 0, 1, ("spend",), ("currency",))
    assert (eur.values, usd.values, none.values) == (("EUR",), ("USD",), (None,))
    assert eur.sums == {"spend": (Decimal("1.5"), Decimal("1.75"), Decimal("0.25"))}
    assert eur.days == {day(1): {"spend": Decimal("0.25")}}
    assert usd.sums == {"spend": (Decimal(7), Decimal(2), Decimal(-5))}
    assert usd.days == {day(2): {"spend": Decimal(-5)}}
    assert none.sums == {"spend": (None, Decimal(1), Decimal(1))}


def test_nothing_is_told_apart_by_a_column_that_a_version_lacks(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    commit_rows(lake, "r1", row("a", 1, currency="EUR"))
    commit_rows(lake, "r2", row("a", 1, currency="EUR"))
    assert lake.sum_changes("ads", 0, 1, ("spend",), ("no_such",)) == ()
    assert lake.sum_changes("ads", 0, 1, ("no_such",), ("currency",))[0].sums == {}
    with pytest.raises(NotFoundError, match="no version 5"):
        lake.sum_changes("ads", 0, 5, ("spend",), ("currency",))


def test_a_column_that_is_no_number_in_one_version_is_not_summed(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    worded = SCHEMA.set(SCHEMA.get_field_index("spend"), SCHEMA.field("spend").with_type(SCHEMA.field("ad_id").type))
    put(lake, "r1", "replace", [{**row("a", 1, currency="EUR"), "spend": "much"}], schema=worded)
    put(lake, "r2", "replace", [row("a", 1, currency="EUR")], schema=SCHEMA, reset_schema=True)
    (eur,) = lake.sum_changes("ads", 0, 1, ("spend",), ("currency",))
    assert (eur.sums, eur.before) == ({}, (day(1), day(1)))


ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.integers(-9, 9), st.sampled_from(["EUR", "USD", None])),
    max_size=8,
    unique_by=lambda part_row: part_row[:2],
)


@pytest.mark.slow
@settings(max_examples=25)
@given(ROWS, ROWS)
def test_parts_are_what_plain_sums_over_the_rows_are(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[str, int, int, str | None]],
    after: list[tuple[str, int, int, str | None]],
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for run, rows in (("r1", before), ("r2", after)):
        commit_rows(lake, run, *(row(ad, on, spend, currency=code) for ad, on, spend, code in rows))
    expected: dict[str | None, Decimal] = defaultdict(Decimal)
    for sign, rows in ((-1, before), (1, after)):
        for _, _, spend, code in rows:
            expected[code] += sign * spend
    parts = lake.sum_changes("ads", 0, 1, ("spend",), ("currency",))
    assert {part.values[0]: part.sums["spend"][2] for part in parts} == dict(expected)
    for part in parts:
        assert sum(steps.get("spend", 0) for steps in part.days.values()) == expected[part.values[0]]
