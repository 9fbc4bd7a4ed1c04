"""Commits: one version each or none, by every update method, whatever happened before."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel.errors import BusyError, InputError, ProofError
from adreel.lake import Lake, Method, Window, Write
from adreel.lake.files import FILE_ROWS
from lake_rows import DAY, DECIMAL, KEY, SCHEMA, Row, day, in_order, put, reader, row, table_rows, window, with_columns


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


# -- any sequence of commits does what a list of rows would do

DAYS = st.integers(1, 6)
ADVERTISERS = st.sampled_from(["1", "2", "3"])
FIGURES = st.none() | st.integers(0, 3)
LATE = with_columns(likes=pa.int64())


@st.composite
def rows_of(draw: st.DrawFn, *, unique: bool = False) -> list[Row]:
    """Rows of few ads, days and advertisers, some with a column that came later."""
    keys = draw(st.lists(st.tuples(st.sampled_from("abc"), DAYS), max_size=8, unique=unique))
    late = draw(st.booleans())
    drawn_rows = []
    for ad, on in keys:
        more = {"likes": draw(FIGURES)} if late else {}
        drawn_rows.append(row(ad, on, draw(st.integers(0, 3)), draw(FIGURES), draw(ADVERTISERS), **more))
    return drawn_rows


@st.composite
def windows_of(draw: st.DrawFn) -> tuple[Window, ...]:
    spans = draw(st.lists(st.tuples(st.sets(ADVERTISERS, min_size=1), DAYS, DAYS), max_size=3))
    return tuple(window(min(first, second), max(first, second), *who) for who, first, second in spans)


@st.composite
def steps(draw: st.DrawFn) -> dict[str, Any]:
    method = draw(st.sampled_from(list(Method)))
    rows = draw(rows_of(unique=method is Method.UPSERT))
    step: dict[str, Any] = {
        "method": method,
        "rows": rows,
        "day_column": DAY,
        "windows": (),
        "keep_from": draw(st.none() | st.builds(day, DAYS)) if draw(st.booleans()) else None,
        "reset_schema": method is not Method.APPEND and draw(st.integers(0, 4)) == 0,
        "crashes": draw(st.integers(0, 3)) == 0,
        "repeats": draw(st.booleans()),
    }
    if method is Method.PARTITION:
        step["windows"] = draw(windows_of())
        step["day_column"] = draw(st.sampled_from([DAY, DAY, None]))
        if step["day_column"] is None:
            step["keep_from"] = None
        step["rows"] = [lake_row for lake_row in rows if read_whole(step, lake_row)]
    step["schema"] = LATE if any("likes" in lake_row for lake_row in rows) else SCHEMA
    return step


def read_whole(step: dict[str, Any], lake_row: Row) -> bool:
    """Whether the row is of an advertiser-day that the run read whole."""
    return any(
        lake_row["advertiser_id"] in read_window.advertiser_ids
        and (step["day_column"] is None or read_window.start <= lake_row[DAY] <= read_window.end)
        for read_window in step["windows"]
    )


def expected(before: Sequence[Row], step: dict[str, Any], after: Sequence[Row]) -> list[Row]:
    """What the table holds after the step, by the words of the methods.

    `after`, what it does hold, is looked at only where keys are repeated, so that the words leave a choice.
    """
    if step["method"] is Method.REPLACE:
        kept_rows: list[Row] = []
    elif step["method"] is Method.APPEND:
        kept_rows = list(before)
    elif step["method"] is Method.UPSERT:
        new = {key_of(lake_row) for lake_row in step["rows"] if stays(step, lake_row)}
        kept_rows = [lake_row for lake_row in before if key_of(lake_row) not in new]
    else:
        kept_rows = [lake_row for lake_row in before if not read_whole(step, lake_row)]
    come = [lake_row for lake_row in step["rows"] if stays(step, lake_row)]
    merges = step["method"] in (Method.UPSERT, Method.PARTITION)
    if merges and not step["reset_schema"] and "likes" not in step["schema"].names:
        left = [lake_row for lake_row in before if all(lake_row is not other for other in kept_rows)]
        come = [
            {**lake_row, "likes": likes} for lake_row, likes in zip(come, kept_likes(left, come, after), strict=True)
        ]
    expected_rows = [*(lake_row for lake_row in kept_rows if stays(step, lake_row)), *come]
    if step["reset_schema"]:
        expected_rows = [{name: lake_row.get(name) for name in step["schema"].names} for lake_row in expected_rows]
    return expected_rows


def key_of(lake_row: Row) -> tuple[Any, ...]:
    return tuple(lake_row[name] for name in KEY)


def kept_likes(left: Sequence[Row], come: Sequence[Row], after: Sequence[Row]) -> list[int | None]:
    """The value of a column that was not asked for which each new row keeps of the row with its key."""
    likes: list[int | None] = []
    for new_row in come:
        values = [other.get("likes") for other in left if key_of(other) == key_of(new_row)]
        twins = [other for other in come if key_of(other) == key_of(new_row)]
        if len(values) <= 1 and len(twins) == 1:
            likes.append(values[0] if values else None)
            continue
        plain = [{**other, "likes": None} for other in after]
        mine = [row for row, bare in zip(after, plain, strict=True) if in_order([bare]) == in_order([new_row])]
        chosen = sorted((row.get("likes") for row in mine), key=lambda likes: (likes is None, likes or 0))
        same = [number for number, other in enumerate(come) if in_order([other]) == in_order([new_row])]
        value = chosen[same.index(len(likes))] if same.index(len(likes)) < len(chosen) else None
        assert value is None or value in values, "a value out of nowhere"
        likes.append(value)
    return likes


def stays(step: dict[str, Any], lake_row: Row) -> bool:
    return step["keep_from"] is None or lake_row[DAY] >= step["keep_from"]


class PowerCutError(Exception):
    """Stands for whatever ends a run while its rows are read."""


def cut_short(batches: Callable[[], Any], schema: pa.Schema) -> Callable[[], Any]:
    def some() -> Iterator[Any]:
        yield from list(batches())[:1]
        raise PowerCutError

    return lambda: pa.RecordBatchReader.from_batches(schema, some())


@settings(max_examples=25)
@given(st.lists(steps(), min_size=1, max_size=7))
def test_any_sequence_of_commits_leaves_what_its_methods_say(commit_steps: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        history: list[list[Row]] = []
        for number, step in enumerate(commit_steps):
            batches = reader(step["rows"], step["schema"])
            write = Write(
                run_id=f"run{number}",
                method=step["method"],
                schema=step["schema"],
                key=KEY,
                day_column=step["day_column"],
                windows=step["windows"],
                keep_from=step["keep_from"],
                reset_schema=step["reset_schema"],
            )
            if step["crashes"]:
                with pytest.raises(PowerCutError):
                    lake.commit("ads", cut_short(batches, step["schema"]), write)
                assert lake.exists("ads") == bool(history)
            done = lake.commit("ads", batches, write)
            history.append(expected(history[-1] if history else [], step, table_rows(lake)))
            assert (done.version, done.rows_after, done.repeated) == (number, len(history[-1]), False)
            if step["repeats"]:
                again = lake.commit("ads", batches, write)
                assert (again.version, again.rows_after, again.repeated) == (number, len(history[-1]), True)
        assert [version.number for version in lake.versions("ads")] == list(range(len(commit_steps)))[::-1]
        for version, rows in enumerate(history):
            assert in_order(table_rows(lake, version=version)) == in_order(rows)
            assert lake.table("ads", version).rows == len(rows)


# -- what each method does, in sentences


def test_the_first_commit_makes_the_table(lake: Lake) -> None:
    assert not lake.exists("ads")
    done = put(lake, "run1", "upsert", [row("a", 1), row("b", 1)])
    assert (done.version, done.rows_in, done.rows_after, done.added, done.changed, done.removed) == (0, 2, 2, 2, 0, 0)
    assert lake.exists("ads")


@pytest.mark.parametrize("method", list(Method))
def test_a_first_commit_without_rows_makes_a_table_with_its_columns(lake: Lake, method: Method) -> None:
    assert put(lake, "run1", method, []).version == 0
    assert lake.table("ads").schema.names == SCHEMA.names
    assert put(lake, "run2", method, []).version == 1
    assert table_rows(lake) == []


def test_replace_takes_all_rows_out(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1), row("b", 2)])
    done = put(lake, "run2", "replace", [row("c", 1)])
    assert (done.added, done.changed, done.removed) == (1, None, 2)
    assert [lake_row["ad_id"] for lake_row in table_rows(lake)] == ["c"]


def test_append_adds_rows_even_if_their_keys_are_there(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1)])
    done = put(lake, "run2", "append", [row("a", 1)])
    assert (done.rows_after, done.added, done.changed, done.removed) == (2, 1, 0, 0)


def test_upsert_changes_the_rows_with_the_key_and_adds_the_others(lake: Lake) -> None:
    put(lake, "run1", "upsert", [row("a", 1, 1), row("b", 1, 1)])
    done = put(lake, "run2", "upsert", [row("b", 1, 5), row("c", 1, 5)])
    assert (done.rows_after, done.added, done.changed, done.removed) == (3, 1, 1, 0)
    assert {lake_row["ad_id"]: lake_row["spend"] for lake_row in table_rows(lake)} == {"a": 1, "b": 5, "c": 5}


def test_upsert_counts_rows_that_shared_a_key_with_a_new_one_as_removed(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1), row("a", 1), row("a", 1)])
    done = put(lake, "run2", "upsert", [row("a", 1, 9)])
    assert (done.rows_after, done.added, done.changed, done.removed) == (1, 0, 1, 2)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([row("a", 1), row("b", 1), row("a", 1)], "1 keys are repeated and 0 rows have a null, such as ad_id=a"),
        ([row("b", 1), {**row("a", 1), "ad_id": None}], "0 keys are repeated and 1 rows have a null"),
    ],
)
def test_upsert_refuses_new_rows_that_the_key_does_not_name(lake: Lake, rows: list[Row], complaint: str) -> None:
    put(lake, "run1", "upsert", [row("a", 1)])
    with pytest.raises(InputError, match=complaint):
        put(lake, "run2", "upsert", rows)
    assert [version.run_id for version in lake.versions("ads")] == ["run1"]
    with pytest.raises(InputError, match=complaint):
        put(lake, "run3", "upsert", rows, slug="new")
    assert not lake.exists("new")


TEXTS = st.sampled_from(["", "\0", "a", "a\0", "\0a", "1234567", "12345678", "12345678\0", "123456789", "é" * 20])


@settings(max_examples=25)
@given(st.lists(st.tuples(TEXTS, TEXTS), unique=True), st.lists(st.tuples(TEXTS, TEXTS), unique=True))
def test_upsert_tells_keys_apart_by_every_byte(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        for number, keys in enumerate((old, new)):
            rows = [row(ad, 1, number, 1, advertiser) for ad, advertiser in keys]
            put(lake, f"run{number}", "upsert", rows, key=("ad_id", "advertiser_id"))
        spend_by_key = {
            (lake_row["ad_id"], lake_row["advertiser_id"]): int(lake_row["spend"]) for lake_row in table_rows(lake)
        }
    assert spend_by_key == {**dict.fromkeys(old, 0), **dict.fromkeys(new, 1)}


def test_old_rows_with_a_null_in_the_key_stay_as_they_are(lake: Lake) -> None:
    put(lake, "run1", "append", [{**row("a", 1), "ad_id": None}, row("a", 1)])
    assert put(lake, "run2", "upsert", [row("a", 1, 9)]).rows_after == 2


def test_partition_empties_a_day_that_has_no_rows_any_more(lake: Lake) -> None:
    put(lake, "run1", "partition", [row("a", 1), row("a", 2), row("a", 3)], windows=(window(1, 3),))
    done = put(lake, "run2", "partition", [row("a", 3, 7)], windows=(window(2, 3),))
    assert (done.rows_after, done.added, done.changed, done.removed) == (2, 1, None, 2)
    assert {lake_row[DAY].day: lake_row["spend"] for lake_row in table_rows(lake)} == {1: 1, 3: 7}


def test_partition_leaves_other_advertisers_and_their_days_alone(lake: Lake) -> None:
    both = [row(ad, on, 1, 1, advertiser) for ad, advertiser in (("a", "1"), ("b", "2")) for on in (1, 2, 3)]
    put(lake, "run1", "partition", both, windows=(window(1, 3, "1", "2"),))
    put(lake, "run2", "partition", [], windows=(window(1, 2, "1"), window(3, 3, "2")))
    assert sorted((lake_row["advertiser_id"], lake_row[DAY].day) for lake_row in table_rows(lake)) == [
        ("1", 3),
        ("2", 1),
        ("2", 2),
    ]


def test_partition_refuses_rows_of_days_that_were_not_read_whole(lake: Lake) -> None:
    put(lake, "run1", "partition", [row("a", 1)], windows=(window(1, 1),))
    with pytest.raises(
        InputError, match="1 new rows of run run2 belong to days or advertisers that the run did not read"
    ):
        put(lake, "run2", "partition", [row("a", 1), row("a", 2)], windows=(window(1, 1),))
    assert [version.run_id for version in lake.versions("ads")] == ["run1"]


def test_partition_counts_hours_to_their_day(lake: Lake) -> None:
    schema = pa.schema([SCHEMA.field("advertiser_id"), pa.field("hour", pa.timestamp("us"))])

    def at(on: int, hour: int) -> Row:
        return {"advertiser_id": "1", "hour": datetime(2026, 1, on, hour)}  # noqa: DTZ001 - a wall clock

    every = [at(on, hour) for on in (1, 2, 3) for hour in (0, 23)]
    options: dict[str, Any] = {"schema": schema, "day_column": "hour", "key": ()}
    put(lake, "run1", "partition", every, windows=(window(1, 3),), **options)
    put(lake, "run2", "partition", [at(2, 5)], windows=(window(2, 2),), keep_from=day(2), **options)
    assert sorted((lake_row["hour"].day, lake_row["hour"].hour) for lake_row in table_rows(lake)) == [
        (2, 5),
        (3, 0),
        (3, 23),
    ]


def test_partition_without_days_replaces_whole_advertisers(lake: Lake) -> None:
    put(
        lake,
        "run1",
        "partition",
        [row("a", 1), row("b", 1, 1, 1, "2")],
        day_column=None,
        windows=(window(1, 1, "1", "2"),),
    )
    put(lake, "run2", "partition", [row("c", 9)], day_column=None, windows=(window(5, 5, "1"),))
    assert sorted(lake_row["ad_id"] for lake_row in table_rows(lake)) == ["b", "c"]


@pytest.mark.parametrize("method", list(Method))
def test_a_rolling_window_drops_older_days_and_keeps_rows_without_one(lake: Lake, method: Method) -> None:
    dayless = {**row("x", 1), DAY: None}
    put(lake, "run1", "append", [row("a", 1), row("a", 2), row("a", 3), dayless])
    windows = (window(1, 4),) if method is Method.PARTITION else ()
    new = [row("b", 1), row("b", 4)]
    done = put(lake, "run2", method, new, keep_from=day(3), windows=windows)
    ad_days = sorted((lake_row["ad_id"], lake_row[DAY] and lake_row[DAY].day) for lake_row in table_rows(lake))
    older_rows = {Method.REPLACE: [], Method.PARTITION: [("x", None)]}.get(method, [("a", 3), ("x", None)])
    assert ad_days == sorted([*older_rows, ("b", 4)], key=str)
    assert (done.rows_in, done.rows_after) == (2, len(ad_days))


@pytest.mark.parametrize(
    ("method", "options", "complaint"),
    [
        ("append", {"reset_schema": True}, "reset_schema cannot be used with append"),
        ("upsert", {"key": ()}, "upsert needs a primary key"),
        ("upsert", {"key": ("ad_id", "hour")}, "upsert needs the columns hour"),
        ("partition", {"advertiser_column": "account"}, "partition needs the columns account"),
        ("partition", {"day_column": "week"}, "partition needs the columns week"),
        ("partition", {"day_column": "ad_id"}, "Column ad_id has no days"),
        ("append", {"keep_from": date(2026, 1, 1), "day_column": None}, "rolling window of days needs a day column"),
    ],
)
def test_what_a_method_cannot_do_is_refused_before_anything_is_read(
    lake: Lake, method: str, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        put(lake, "run1", method, [row("a", 1)], **options)
    assert not lake.exists("ads")


@pytest.mark.parametrize("slug", ["_runs", "../ads", "a/b", "", "ä"])
def test_a_table_cannot_have_a_name_that_leads_elsewhere(lake: Lake, slug: str) -> None:
    with pytest.raises(InputError, match="cannot be the name"):
        put(lake, "run1", "append", [], slug=slug)


# -- columns


def test_a_new_column_is_null_in_older_rows(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1)])
    put(lake, "run2", "append", [row("b", 1, likes=3)], schema=LATE)
    assert {lake_row["ad_id"]: lake_row["likes"] for lake_row in table_rows(lake)} == {"a": None, "b": 3}
    assert "likes" not in lake.table("ads", 0).schema.names


def test_a_column_that_new_rows_lack_stays_and_is_null_in_them(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1, likes=3)], schema=LATE)
    put(lake, "run2", "append", [row("b", 1)])
    assert {lake_row["ad_id"]: lake_row["likes"] for lake_row in table_rows(lake)} == {"a": 3, "b": None}


MERGES = [
    pytest.param("upsert", {}, id="upsert"),
    pytest.param("partition", {"windows": (window(1, 3),)}, id="partition"),
]


@pytest.mark.parametrize(("method", "options"), MERGES)
def test_rows_read_again_keep_the_columns_that_the_run_did_not_ask_for(
    lake: Lake, method: str, options: dict[str, Any]
) -> None:
    put(
        lake, "run1", "append", [row("a", 1, 1, likes=3), row("b", 1, 1, likes=None), row("c", 4, likes=5)], schema=LATE
    )
    new = [row("a", 1, 2), row("b", 1, 2), row("d", 2)]
    done = put(lake, "run2", method, new, **options)
    values = {lake_row["ad_id"]: (lake_row["spend"], lake_row["likes"]) for lake_row in table_rows(lake)}
    assert values == {"a": (2, 3), "b": (2, None), "c": (1, 5), "d": (1, None)}
    assert (dict(done.kept), done.emptied) == ({"likes": 1}, ())
    again = put(lake, "run2", method, new, **options)
    assert (again.repeated, again.kept) == (True, done.kept)


@pytest.mark.parametrize(("method", "options"), MERGES)
def test_a_column_that_is_asked_for_again_is_read_anew(lake: Lake, method: str, options: dict[str, Any]) -> None:
    put(lake, "run1", method, [row("a", 1, likes=3), row("b", 2, likes=4)], schema=LATE, **options)
    put(lake, "run2", method, [row("a", 1), row("b", 2)], **options)
    done = put(lake, "run3", method, [row("a", 1, likes=None), row("b", 2, likes=9)], schema=LATE, **options)
    assert {lake_row["ad_id"]: lake_row["likes"] for lake_row in table_rows(lake)} == {"a": None, "b": 9}
    assert not done.kept


CELLS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    # Of the ads a (read again), b (not read again) and c (new): the old column, the new column, the widened one.
    "replace": ({"a": None, "c": None}, {"a": 7, "c": 8}, {"a": "2.5", "c": "1.5"}),
    "append": ({"a": 3, "b": 4, "c": None}, {"b": None, "c": 8}, {"b": "1", "c": "1.5"}),
    "upsert": ({"a": 3, "b": 4, "c": None}, {"a": 7, "b": None, "c": 8}, {"a": "2.5", "b": "1", "c": "1.5"}),
    "partition": ({"a": 3, "b": 4, "c": None}, {"a": 7, "b": None, "c": 8}, {"a": "2.5", "b": "1", "c": "1.5"}),
}


@pytest.mark.parametrize("method", list(Method))
def test_a_column_that_is_renamed_or_widened_does_what_the_manual_says(lake: Lake, method: Method) -> None:
    """A renamed column is one that is removed and one that is added."""
    put(lake, "run1", "append", [row("a", 1, likes=3), row("b", 3, likes=4)], schema=LATE)
    new_schema = with_columns(clicks=DECIMAL, hearts=pa.int64())
    new = [
        {**row("a", 1, hearts=7), "clicks": Decimal("2.5")},
        {**row("c", 2, hearts=8), "clicks": Decimal("1.5")},
    ]
    options: dict[str, Any] = {"windows": (window(1, 2),)} if method is Method.PARTITION else {}
    put(lake, "run2", method, new, schema=new_schema, **options)
    lake_rows = table_rows(lake)
    likes, hearts, clicks = CELLS[method]
    if method is Method.APPEND:
        assert sorted(str(lake_row["likes"]) for lake_row in lake_rows if lake_row["ad_id"] == "a") == ["3", "None"]
        lake_rows = [lake_row for lake_row in lake_rows if lake_row["ad_id"] != "a" or lake_row["likes"] == 3]
    assert {lake_row["ad_id"]: lake_row["likes"] for lake_row in lake_rows} == likes
    assert {lake_row["ad_id"]: lake_row["hearts"] for lake_row in lake_rows if lake_row["ad_id"] in hearts} == hearts
    widened = {lake_row["ad_id"]: lake_row["clicks"] for lake_row in lake_rows if lake_row["ad_id"] in clicks}
    assert widened == {ad: Decimal(value) for ad, value in clicks.items()}


@pytest.mark.parametrize("method", list(Method))
def test_another_type_is_refused_unless_the_columns_are_reset(lake: Lake, method: Method) -> None:
    put(lake, "run1", "append", [row("a", 1), row("b", 3)])
    worded = with_columns(clicks=pa.string())
    options: dict[str, Any] = {"windows": (window(1, 2),)} if method is Method.PARTITION else {}
    new = [{**row("a", 1), "clicks": "many"}]
    with pytest.raises(InputError, match="clicks of dataset ads is int64 in the table and string"):
        put(lake, "run2", method, new, schema=worded, **options)
    if method is Method.APPEND:
        return
    done = put(lake, "run3", method, new, schema=worded, reset_schema=True, **options)
    clicks = {lake_row["ad_id"]: lake_row["clicks"] for lake_row in table_rows(lake)}
    assert clicks == {"a": "many"} | ({} if method is Method.REPLACE else {"b": None})
    assert done.emptied == (() if method is Method.REPLACE else ("clicks",))


def test_a_row_that_is_gone_takes_what_was_not_asked_for_with_it(lake: Lake) -> None:
    put(lake, "run1", "partition", [row("a", 1, likes=3)], schema=LATE, windows=(window(1, 1),))
    put(lake, "run2", "partition", [], windows=(window(1, 1),))
    put(lake, "run3", "partition", [row("a", 1)], windows=(window(1, 1),))
    assert [lake_row["likes"] for lake_row in table_rows(lake)] == [None]


def test_rows_of_a_null_in_the_key_keep_what_was_not_asked_for_too(lake: Lake) -> None:
    worded, bare = with_columns(likes=pa.int64(), age=pa.string()), with_columns(age=pa.string())
    options: dict[str, Any] = {"windows": (window(1, 1),), "key": (*KEY, "age")}
    rows = [row("a", 1, likes=3, age=None), row("a", 1, likes=4, age=""), row("a", 1, likes=5, age="18-24")]
    put(lake, "run1", "partition", rows, schema=worded, **options)
    put(lake, "run2", "partition", [row("a", 1, age=age) for age in ("18-24", None, "")], schema=bare, **options)
    assert {lake_row["age"]: lake_row["likes"] for lake_row in table_rows(lake)} == {None: 3, "": 4, "18-24": 5}


@pytest.mark.slow
def test_many_rows_keep_their_own_values_over_row_groups_and_files(lake: Lake) -> None:
    count = FILE_ROWS + 70_000
    texts = pc.utf8_lpad(pa.array(range(count)).cast(pa.string()), 6, "0")
    same = pa.schema([*(SCHEMA.field(name) for name in ("ad_id", DAY)), pa.field("likes", pa.int64())])
    first_table = pa.table([texts, pa.repeat(pa.scalar(day(1)), count), pa.array(range(count))], schema=same)
    bare = first_table.drop_columns("likes").take(pa.array(range(count - 1, -1, -1)))
    for number, table in enumerate((first_table, bare)):
        write = Write(f"run{number}", Method.UPSERT, table.schema, KEY, DAY)
        lake.commit("ads", partial(table.to_reader, max_chunksize=20_000), write)
    lake_table = lake.read("ads").read_all()
    assert lake_table.num_rows == count
    assert lake_table["ad_id"].cast(pa.int64()).equals(lake_table["likes"])


def test_values_that_leave_with_a_column_are_named_once(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, likes=3)], schema=LATE)
    assert put(lake, "run2", "replace", [row("a", 1)]).emptied == ("likes",)
    assert put(lake, "run3", "replace", [row("a", 1)]).emptied == ()
    put(lake, "run4", "upsert", [row("a", 1, likes=3)], schema=LATE)
    assert put(lake, "run5", "upsert", [row("b", 1)], reset_schema=True).emptied == ("likes",)
    put(lake, "run6", "upsert", [row("a", 1, "1.5")])
    narrow = with_columns(spend=pa.int64())
    done = put(lake, "run7", "upsert", [{**row("c", 1), "spend": 3}], schema=narrow, reset_schema=True)
    assert done.emptied == ("spend",)


def test_replace_keeps_the_columns_unless_they_are_reset(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, likes=3)], schema=LATE)
    put(lake, "run2", "replace", [row("a", 1)])
    assert lake.table("ads").schema.names == LATE.names
    put(lake, "run3", "replace", [row("a", 1)], reset_schema=True)
    assert lake.table("ads").schema.names == SCHEMA.names


def test_resetting_columns_loses_old_values_that_do_not_fit(lake: Lake) -> None:
    put(lake, "run1", "upsert", [row("a", 1, clicks=4), row("b", 1, clicks=5)])
    new = {**row("b", 1), "clicks": "many"}
    put(lake, "run2", "upsert", [new], schema=with_columns(clicks=pa.string()), reset_schema=True)
    assert {lake_row["ad_id"]: lake_row["clicks"] for lake_row in table_rows(lake)} == {"a": None, "b": "many"}


def test_resetting_a_column_to_a_narrower_type_loses_its_old_values_too(lake: Lake) -> None:
    put(lake, "run1", "upsert", [row("a", 1, "1.5"), row("b", 1, 2)])
    put(lake, "run2", "upsert", [{**row("c", 1), "spend": 3}], schema=with_columns(spend=pa.int64()), reset_schema=True)
    assert {lake_row["ad_id"]: lake_row["spend"] for lake_row in table_rows(lake)} == {"a": None, "b": None, "c": 3}


@pytest.mark.parametrize("method", ["replace", "append", "upsert"])
def test_a_type_that_does_not_go_with_the_tables_is_refused_by_name(lake: Lake, method: str) -> None:
    put(lake, "run1", method, [row("a", 1)])
    new = [{**row("a", 1), "clicks": "many"}]
    with pytest.raises(
        InputError, match=r"Column clicks of dataset ads is int64 in the table and string.*reset_schema"
    ):
        put(lake, "run2", method, new, schema=with_columns(clicks=pa.string()))
    assert len(lake.versions("ads")) == 1


def test_whole_numbers_become_decimals_when_decimals_come(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1, clicks=9_007_199_254_740_993)])
    new = [{**row("b", 1), "clicks": Decimal("0.5")}]
    put(lake, "run2", "append", new, schema=with_columns(clicks=pa.decimal128(24, 6)))
    assert {lake_row["ad_id"]: lake_row["clicks"] for lake_row in table_rows(lake)} == {
        "a": 9_007_199_254_740_993,
        "b": Decimal("0.5"),
    }
    put(lake, "run3", "append", [row("c", 1, clicks=7)])
    assert table_rows(lake)[0]["clicks"] == Decimal(7)
    assert table_rows(lake, version=0)[0]["clicks"] == 9_007_199_254_740_993


def test_a_value_that_the_wider_type_cannot_hold_is_refused_by_column(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1, clicks=2**53 + 1)])
    new = [{**row("b", 1), "clicks": 0.5}]
    with pytest.raises(InputError, match="Column clicks has values that double cannot hold"):
        put(lake, "run2", "append", new, schema=with_columns(clicks=pa.float64()))
    assert len(lake.versions("ads")) == 1


def test_batches_may_lack_columns_but_not_bring_unknown_ones(lake: Lake) -> None:
    narrow = pa.schema([SCHEMA.field("ad_id"), SCHEMA.field(DAY)])
    write = Write("run1", Method.APPEND, SCHEMA, KEY, DAY)
    lake.commit("ads", reader([{"ad_id": "a", DAY: day(1)}], narrow), write)
    assert table_rows(lake)[0]["spend"] is None
    with pytest.raises(InputError, match="columns that the schema lacks: likes"):
        lake.commit("ads", reader([row("a", 1, likes=1)], LATE), Write("run2", Method.APPEND, SCHEMA, KEY, DAY))


def test_every_type_of_column_comes_back_as_it_was(lake: Lake) -> None:
    schema = with_columns(
        rate=pa.float64(),
        live=pa.bool_(),
        tags=pa.list_(pa.string()),
        hour=pa.timestamp("us"),
        at=pa.timestamp("us", tz="UTC"),
    )
    moment = datetime.fromisoformat("2026-01-01T05:06:07.123456+00:00")
    full_row = row(
        "é'\"🎉",
        1,
        "-0.000001",
        -(2**63),
        rate=0.1,
        live=True,
        tags=["x", None],
        hour=moment.replace(tzinfo=None),
        at=moment,
    )
    empty = {**dict.fromkeys(schema.names), "ad_id": "b"}
    put(lake, "run1", "append", [full_row, empty], schema=schema, key=("ad_id",))
    assert in_order(table_rows(lake)) == in_order([full_row, empty])
    put(lake, "run2", "upsert", [{**full_row, "tags": []}], schema=schema, key=("ad_id", "hour", "at"))
    assert sorted(map(str, (lake_row["tags"] for lake_row in table_rows(lake)))) == ["None", "[]"]


def test_a_table_of_days_may_become_one_of_hours(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1)])
    schema = with_columns(hour=pa.timestamp("us"))
    hour = datetime(2026, 1, 1, 5)  # noqa: DTZ001 - a wall clock
    done = put(lake, "run2", "append", [row("b", 1, hour=hour)], schema=schema)
    assert {lake_row["ad_id"]: lake_row["hour"] for lake_row in table_rows(lake)} == {"a": None, "b": hour}
    assert [version.run_id for version in lake.versions("ads")] == ["run2", "run1"]
    assert put(lake, "run2", "append", [row("b", 1, hour=hour)], schema=schema).version == done.version


def test_titles_and_descriptions_are_kept_with_the_columns(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1)])
    metadata = lake.table("ads").schema.field("ad_id").metadata
    assert metadata[b"title"] == b"Ad ID"
    assert metadata[b"comment"] == b"The ad that the row is of."


# -- files


def many(count: int, ad: str = "a") -> tuple[pa.Schema, Callable[[], Any]]:
    """Rows in one batch, on days that follow each other every ten thousand."""
    schema = pa.schema(
        [SCHEMA.field("advertiser_id"), SCHEMA.field(DAY), SCHEMA.field("ad_id"), SCHEMA.field("clicks")]
    )
    table = pa.table(
        {
            "advertiser_id": pa.repeat("1", count),
            DAY: pa.array([day(1 + number // 10_000 % 30) for number in range(count)]),
            "ad_id": pa.array([f"{ad}{number}" for number in range(count)]),
            "clicks": pa.array(range(count)),
        },
        schema=schema,
    )
    return schema, lambda: table.to_reader(max_chunksize=1_000)


def test_a_run_of_many_rows_is_cut_into_files_of_which_only_the_touched_are_written_anew(lake: Lake) -> None:
    schema, batches = many(600_000)
    lake.commit("ads", batches, Write("run1", Method.REPLACE, schema, KEY, DAY))
    before = {file.path for file in lake.table("ads").files}
    assert len(before) == 2
    new = [{"advertiser_id": "1", DAY: day(30), "ad_id": "a590000", "clicks": -1}]
    done = put(lake, "run2", "upsert", new, schema=schema)
    after = {file.path for file in lake.table("ads").files}
    assert (done.rows_after, done.changed, len(before & after)) == (600_000, 1, 1)
    clicks = {lake_row["clicks"] for lake_row in lake.read("ads", columns=("clicks",)).read_all().to_pylist()}
    assert clicks == {*range(600_000), -1} - {590_000}


def test_files_without_any_of_the_new_keys_are_not_even_read(lake: Lake) -> None:
    put(lake, "run1", "upsert", [row("a", 1), row("b", 1)])
    (first,) = (Path(lake.url) / "ads").glob("*.parquet")
    first.write_bytes(b"no parquet")
    done = put(lake, "run2", "upsert", [row("a", 2)])
    assert (done.rows_after, done.added) == (3, 1)
    done = put(lake, "run3", "partition", [], windows=(window(2, 9), window(1, 1, "2")))
    assert (done.rows_after, done.removed) == (2, 1)


@pytest.mark.slow
def test_the_many_small_files_of_small_runs_are_put_together(lake: Lake) -> None:
    for number in range(40):
        put(lake, f"run{number}", "append", [row(f"ad{number}", 1 + number % 28)])
    assert len(lake.table("ads").files) < 20
    assert len(table_rows(lake)) == 40
    assert [len(table_rows(lake, version=number)) for number in range(40)] == list(range(1, 41))


def test_a_file_says_which_rows_it_may_hold_so_that_readers_can_skip_it(lake: Lake) -> None:
    put(lake, "run1", "upsert", [row("b", 2), row("c", 3), {**row("d", 1), "advertiser_id": None}])
    log = (Path(lake.url) / "ads" / "_delta_log" / f"{0:020}.json").read_text()
    add = next(json.loads(line)["add"] for line in log.splitlines() if '"add"' in line)
    assert json.loads(add["stats"]) == {
        "numRecords": 3,
        "minValues": {DAY: "2026-01-01", "advertiser_id": "1", "ad_id": "b"},
        "maxValues": {DAY: "2026-01-03", "advertiser_id": "1", "ad_id": "d"},
        "nullCount": {DAY: 0, "advertiser_id": 1, "ad_id": 0},
    }


# -- other writers


def test_a_commit_that_another_overtakes_is_done_again_on_top_of_it(lake: Lake) -> None:
    put(lake, "run1", "upsert", [row("a", 1, 1), row("b", 1, 1)])
    attempts = []

    def overtaken() -> Any:
        attempts.append(1)
        if len(attempts) == 1:
            put(lake, "run2", "upsert", [row("a", 1, 2), row("c", 1, 2)])
        return reader([row("b", 1, 3), row("c", 1, 3)])()

    done = lake.commit("ads", overtaken, Write("run3", Method.UPSERT, SCHEMA, KEY, DAY))
    assert (done.version, done.added, done.changed) == (2, 0, 2)
    assert {lake_row["ad_id"]: lake_row["spend"] for lake_row in table_rows(lake)} == {"a": 2, "b": 3, "c": 3}


@pytest.mark.parametrize("first", [True, False])
def test_a_run_commits_after_no_run_that_it_does_not_know(lake: Lake, first: bool) -> None:
    newest_number = -1 if first else put(lake, "run1", "upsert", [row("a", 1, 1)]).version

    def overtaken() -> Any:
        put(lake, "run2", "upsert", [row("a", 1, 2)])
        return reader([row("a", 1, 3)])()

    write = Write("run3", Method.UPSERT, SCHEMA, KEY, DAY, follows=newest_number)
    for _ in range(2):
        # The second time, the other run is there from the beginning.
        with pytest.raises(BusyError, match=r"Run run2 made version \d of the table ads while run run3"):
            lake.commit("ads", overtaken, write)
    assert [lake_row["spend"] for lake_row in table_rows(lake)] == [2]
    assert put(lake, "run3", "upsert", [row("a", 1, 3)], follows=newest_number + 1).version == newest_number + 2


def test_a_compacted_table_has_the_rows_that_a_run_knows(lake: Lake) -> None:
    for number in range(1, 4):
        put(lake, f"run{number}", "append", [row("a", number)])
    DeltaTable(lake.table_url("ads")).optimize.compact()
    assert put(lake, "run4", "append", [row("a", 4)], follows=2).version == 4
    newest = lake.newest_version("ads")
    assert newest is not None
    assert (newest.number, len(table_rows(lake))) == (4, 4)


def test_a_table_that_another_makes_first_is_added_to(lake: Lake) -> None:
    attempts = []

    def overtaken() -> Any:
        attempts.append(1)
        if len(attempts) == 1:
            put(lake, "run1", "append", [row("a", 1)])
        return reader([row("b", 1)])()

    assert lake.commit("ads", overtaken, Write("run2", Method.APPEND, SCHEMA, KEY, DAY)).version == 1
    assert len(table_rows(lake)) == 2


def test_a_run_that_two_processes_commit_at_once_is_committed_once(lake: Lake) -> None:
    def overtaken() -> Any:
        put(lake, "run1", "append", [row("a", 1)])
        return reader([row("a", 1)])()

    done = lake.commit("ads", overtaken, Write("run1", Method.APPEND, SCHEMA, KEY, DAY))
    assert (done.version, len(table_rows(lake)), len(lake.versions("ads"))) == (0, 1, 1)


def test_a_commit_that_is_overtaken_time_and_again_gives_up_and_leaves_no_files(lake: Lake) -> None:
    attempts: list[int] = []

    def overtaken() -> Any:
        attempts.append(1)
        put(lake, f"other{len(attempts)}", "append", [row("a", 1)])
        return reader([row("b", 1)])()

    with pytest.raises(BusyError, match="Other processes changed the table ads in each of 5 attempts"):
        lake.commit("ads", overtaken, Write("run1", Method.APPEND, SCHEMA, KEY, DAY))
    assert {lake_row["ad_id"] for lake_row in table_rows(lake)} == {"a"}
    parquet = {path.name for path in (Path(lake.url) / "ads").glob("*.parquet")}
    assert parquet == {file.path for file in lake.table("ads").files}


def test_an_error_of_the_rows_own_goes_through_and_leaves_nothing(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1)])
    schema, batches = many(200_000)

    def failing() -> Any:
        def cut() -> Iterator[Any]:
            yield from batches()
            raise ProofError("one row too few")

        return pa.RecordBatchReader.from_batches(schema, cut())

    with pytest.raises(ProofError, match="one row too few"):
        lake.commit("ads", failing, Write("run2", Method.APPEND, schema, KEY, DAY))
    assert len(list((Path(lake.url) / "ads").glob("*.parquet"))) == 1
    assert lake.table("ads").version == 0
