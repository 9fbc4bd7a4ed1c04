"""Differences of many rows, and of any rows compared one by one."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import test_lake_difference
from adreel.lake import Lake, Window
from adreel.lake.difference import Difference, SumChange
from lake_rows import DAY, KEY, SCHEMA, Row, day, put, row, window, with_columns
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


# -- any versions in a row


@dataclass(frozen=True)
class Step:
    """What one run commits: rows by ad and day, where day 0 is none; `figures` names the columns that it reads."""

    method: str
    rows: Mapping[tuple[str, int], tuple[int | None, int | None, str]]
    figures: str


FIGURES = {
    "usual": SCHEMA,
    "more": with_columns(likes=pa.int64()),
    "wider": with_columns(clicks=pa.decimal128(24, 6)),
    "fewer": pa.schema([field for field in SCHEMA if field.name != "clicks"]),
}
STEP = st.builds(
    Step,
    st.sampled_from(["replace", "append", "upsert", "upsert", "partition", "partition"]),
    st.dictionaries(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 4)),
        st.tuples(st.none() | st.integers(-2, 2), st.none() | st.integers(0, 2), st.sampled_from("12")),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["usual", "usual", "usual", *FIGURES]),
)


def commit(lake: Lake, number: int, step: Step, key: tuple[str, ...]) -> None:
    """One run; one that merges rows has only rows with a day, and one of each key."""
    schema = FIGURES[step.figures]
    rows: list[Row] = []
    merges = step.method in ("upsert", "partition")
    for (ad, on), (spend, clicks, advertiser) in step.rows.items():
        values = dict(row(ad, max(on, 1), spend, clicks, advertiser, likes=clicks)) | ({} if on else {DAY: None})
        if merges and (not on or (key and any(all(other[name] == values[name] for name in key) for other in rows))):
            continue
        rows.append({name: values[name] for name in schema.names})
    windows: tuple[Window, ...] = ()
    if step.method == "partition":
        rows = [lake_row for lake_row in rows if day(2) <= lake_row[DAY] <= day(3)]
        windows = (window(2, 3, "1", "2"),)
    put(lake, f"run{number}", step.method, rows, schema=schema, key=key, windows=windows)


def residue(old: Sequence[Row], new: Sequence[Row], columns: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """The rows of each side without those that the other has, too; of equal rows as many as there are more."""

    def bag(rows: Sequence[Row]) -> Counter[tuple[Any, ...]]:
        return Counter(tuple(lake_row[name] for name in columns) for lake_row in rows)

    def only(own: Counter[tuple[Any, ...]], other: Counter[tuple[Any, ...]]) -> list[Row]:
        return [dict(zip(columns, values, strict=True)) for values in (own - other).elements()]

    return only(bag(old), bag(new)), only(bag(new), bag(old))


def check_rows(difference: Difference, old: Sequence[Row], new: Sequence[Row], key: tuple[str, ...]) -> None:
    """Compares the rows one by one, by advertiser and day."""
    valued = [metric.name for metric in difference.metrics]
    before, after = residue(old, new, [*(key if difference.keyed else ()), *valued])
    places: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    changes: dict[str, Counter[Any]] = defaultdict(Counter)
    rest = list(before)
    for lake_row in after:
        match = next((other for other in rest if all(other[name] == lake_row[name] for name in key)), None)
        place = (lake_row["advertiser_id"], lake_row[DAY])
        if match is None or not difference.keyed:
            places[place][0] += 1
            continue
        rest.remove(match)
        places[place][2] += 1
        for name in valued:
            changes[name][place[0],] += match[name] != lake_row[name]
    for lake_row in rest:
        places[lake_row["advertiser_id"], lake_row[DAY]][1] += 1
    counted = {(part.part, part.day): [part.added, part.gone, part.changed] for part in difference.days}
    assert counted == {((advertiser,), on): counts for (advertiser, on), counts in places.items()}
    totals = [sum(counts[number] for counts in places.values()) for number in range(3)]
    assert [difference.added, difference.gone, difference.changed] == totals
    for metric in difference.metrics:
        assert Counter(metric.changed) == +changes[metric.name], metric.name
    shown = [example for example in difference.examples if example.before and example.after]
    assert not difference.keyed or len(difference.examples) == min(10, sum(totals))
    assert len(shown) == min(10, difference.changed)
    for example in shown:
        assert [(example.before or {})[name] for name in key] == [(example.after or {})[name] for name in key]


def check_sums(changes: Sequence[SumChange], old: Sequence[Row], new: Sequence[Row]) -> None:
    """Compares the sums by advertiser and day with those of the rows."""
    assert {change.values[0] for change in changes} == {lake_row["advertiser_id"] for lake_row in [*old, *new]}
    for change in changes:
        sides = [
            [lake_row for lake_row in rows if lake_row["advertiser_id"] == change.values[0]] for rows in (old, new)
        ]
        for ends, rows in zip((change.before, change.after), sides, strict=True):
            days = [lake_row[DAY] for lake_row in rows if lake_row[DAY] is not None]
            assert ends == ((min(days), max(days)) if days else None)
        for name, (before, after, step) in change.sums.items():
            totals = [total([lake_row[name] for lake_row in rows]) for rows in sides]
            assert ([before, after], step) == (totals, (totals[1] or 0) - (totals[0] or 0))
            for on in (None, *map(day, range(1, 5))):
                day_totals = [
                    total([lake_row[name] for lake_row in rows if lake_row[DAY] == on]) or 0 for rows in sides
                ]
                assert change.days.get(on, {}).get(name, 0) == day_totals[1] - day_totals[0]


@settings(max_examples=60, phases=(Phase.explicit, Phase.generate))
@given(
    st.lists(STEP, min_size=2, max_size=4),
    st.sampled_from([KEY, ("ad_id",), ()]),
    st.booleans(),
    st.sampled_from(["lake", "lake[1]"]),
)
def test_any_two_versions_differ_as_their_rows_do(
    steps: list[Step], key: tuple[str, ...], restored: bool, name: str
) -> None:
    if not key:
        steps = [step for step in steps if step.method != "upsert"]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / name)
        for number, step in enumerate(steps):
            commit(lake, number, step, key)
        if restored and len(steps) > 1:
            lake.restore("ads", 0, "run of the restore", lambda _version: None)
        numbers = [version.number for version in lake.versions("ads")] if steps else []
        for before in numbers:
            for after in numbers:
                old, new = (lake.read("ads", number).read_all().to_pylist() for number in (before, after))
                with lake.comparison("ads", before, after, ("advertiser_id",)) as versions:
                    sums = versions.sum_changes(ADDITIVE)
                    difference = versions.difference(lambda values, _day: values)
                check_sums(sums, old, new)
                check_rows(difference, old, new, key)
                unique = all(
                    len({tuple(lake_row[name] for name in key) for lake_row in rows}) == len(rows)
                    and all(lake_row[name] is not None for lake_row in rows for name in key)
                    for rows in (old, new)
                )
                assert difference.keyed or not (key and unique)
