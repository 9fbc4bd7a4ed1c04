"""Pages of a table and statistics of its columns, against plain Python over the same rows."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cmp_to_key
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel.errors import InputError, NotFoundError, StorageError
from adreel.lake import Lake, Method, Write
from adreel.lake.browse import OPERATORS, Bin, ColumnStatistics, Filter, Frequent, Order, Takes, operators_for
from lake_rows import Row, day, put, row, with_columns

EVERY_TYPE = with_columns(
    name=pa.string(),
    cost=pa.float64(),
    live=pa.bool_(),
    hour=pa.timestamp("us"),
    at=pa.timestamp("us", tz="UTC"),
    tags=pa.list_(pa.string()),
)


def at(text: str) -> datetime:
    """A wall clock time."""
    return datetime.fromisoformat(text)


@contextmanager
def opened(path: Path | str) -> Iterator[Lake]:
    lake = Lake(path)
    try:
        yield lake
    finally:
        lake.close()


@pytest.fixture(params=["lake", "lake [1]?"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lake]:
    """An empty lake, in a folder whose files DuckDB reads itself and in one whose files go through Arrow."""
    with opened(tmp_path / request.param) as lake:
        yield lake


@pytest.fixture(scope="module", params=["lake", "lake [1]?"])
def every_type(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Four rows with columns of every type, in both kinds of folders; nobody changes them."""
    with opened(tmp_path_factory.mktemp("types") / request.param) as lake:
        put(lake, "run1", "replace", FILTERED, schema=EVERY_TYPE)
        yield lake


def ids(lake: Lake, **page_options: Any) -> list[str]:
    """The ads of a page."""
    ad_ids: list[str] = lake.page("ads", **page_options).rows.column("ad_id").to_pylist()
    return ad_ids


# -- pages


def test_a_page_has_its_rows_and_says_how_many_there_are(lake: Lake) -> None:
    put(lake, "run1", "append", [row(f"a{number}", 1 + number) for number in range(5)])
    put(lake, "run2", "append", [row(f"b{number}", 1 + number) for number in range(3)])
    every = [lake_row["ad_id"] for lake_row in lake.read("ads").read_all().to_pylist()]
    assert [ids(lake, offset=offset, limit=3) for offset in (0, 3, 6)] == [every[:3], every[3:6], every[6:]]
    page = lake.page("ads", offset=6, limit=3)
    assert (page.total, page.matching, page.version) == (8, 8, 1)
    assert page.rows.schema.equals(lake.table("ads").schema, check_metadata=True)


def test_a_page_behind_the_last_row_is_empty_and_has_its_columns(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1)])
    for page_options in ({}, {"order": [Order("spend")]}, {"where": [Filter("ad_id", "=", "x")]}):
        page = lake.page("ads", columns=["spend", "ad_id"], offset=40, **page_options)
        assert (page.rows.num_rows, page.rows.column_names, page.total) == (0, ["spend", "ad_id"], 1)


def test_a_table_without_rows_has_pages_and_statistics(lake: Lake) -> None:
    put(lake, "run1", "replace", [])
    page = lake.page("ads", where=[Filter("spend", ">", 1)], order=[Order("spend")])
    assert (page.rows.num_rows, page.total, page.matching) == (0, 0, 0)
    assert [(column.rows, column.nulls, column.distinct, column.frequent) for column in lake.statistics("ads")] == [
        (0, 0, 0, ())
    ] * 5


def test_rows_are_sorted_by_several_columns_with_nulls_last_both_ways(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1, 2, 1), row("b", 1, None, 1), row("c", 1, 3, 2), row("d", 1, 3, 1)])
    put(lake, "run2", "append", [row("e", 1, 2, None), row("f", 1, 1, 1)])
    assert ids(lake, order=[Order("spend"), Order("clicks")]) == ["f", "a", "e", "d", "c", "b"]
    assert ids(lake, order=[Order("spend", descending=True), Order("clicks")]) == ["d", "c", "a", "e", "f", "b"]
    assert ids(lake, order=[Order("clicks", descending=True), Order("ad_id")]) == ["c", "a", "b", "d", "f", "e"]


def test_equal_rows_keep_the_order_of_the_table_from_page_to_page(lake: Lake) -> None:
    for number in range(3):
        put(lake, f"run{number}", "append", [row(f"{number}{ad}", 1, ad % 2) for ad in range(7)])
    every = [lake_row["ad_id"] for lake_row in lake.read("ads").read_all().to_pylist()]
    expected = [ad_id for ad_id in every if int(ad_id[1]) % 2 == 0] + [ad_id for ad_id in every if int(ad_id[1]) % 2]
    pages = [ids(lake, order=[Order("spend")], offset=offset, limit=4) for offset in range(0, 21, 4)]
    assert [ad_id for page in pages for ad_id in page] == expected


def test_an_earlier_version_is_paged_as_it_was(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1)])
    assert ids(lake) == ["a"]
    put(lake, "run2", "replace", [row("b", 1)])
    assert (ids(lake), ids(lake, version=0)) == (["b"], ["a"])
    assert lake.statistics("ads", version=0, columns=["ad_id"])[0].least == "a"
    with pytest.raises(NotFoundError, match="no version 2; available: 0, 1"):
        lake.page("ads", version=2)
    lake.vacuum("ads", keep_days=0, keep_versions=1)
    with pytest.raises(NotFoundError, match="Version 0 of the table ads is no longer kept; available: 1"):
        lake.page("ads", version=0)


def test_what_another_process_does_to_a_table_is_seen_at_once(lake: Lake, tmp_path: Path) -> None:
    other = Lake(lake.url)
    with pytest.raises(NotFoundError, match="does not exist"):
        lake.page("ads")
    put(other, "run1", "replace", [row("a", 1)])
    assert (ids(lake), lake.exists("ads"), lake.table("ads").version) == (["a"], True, 0)
    for number in range(2, 14):
        put(other, f"run{number}", "replace", [row(f"a{number}", 1)])
        assert ids(lake) == [f"a{number}"]
    other.drop("ads")
    assert not lake.exists("ads")
    put(other, "run1", "replace", [row("new", 1)], schema=with_columns(likes=pa.int64()))
    assert (ids(lake, order=[Order("ad_id")]), lake.table("ads").version) == (["new"], 0)
    assert "likes" in lake.page("ads").rows.column_names


def test_threads_share_a_lake(lake: Lake) -> None:
    rows = [row(f"ad{number:03}", 1 + number % 9, number * 37 % 100) for number in range(200)]
    put(lake, "run1", "replace", rows)

    def page_spends(number: int) -> list[Any]:
        where = [Filter("spend", "<", 50 + number % 3)]
        page = lake.page("ads", where=where, order=[Order("spend", descending=bool(number % 2))], offset=5, limit=10)
        assert lake.statistics("ads", columns=["ad_id"])[0].distinct == 200
        spends: list[Any] = page.rows.column("spend").to_pylist()
        return spends

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(page_spends, range(30)))
    for number, answer in enumerate(answers):
        below = sorted(
            (int(lake_row["spend"]) for lake_row in rows if lake_row["spend"] < 50 + number % 3),
            reverse=bool(number % 2),
        )
        assert list(map(int, answer)) == below[5:15]


def test_nothing_is_left_on_disk_when_the_lake_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    lake = Lake(tmp_path / "lake")
    put(lake, "run1", "replace", [row("a", 1)])
    assert ids(lake) == ["a"]
    assert list(scratch.iterdir())
    lake.close()
    assert list(scratch.iterdir()) == []
    # A lake that was closed may be used again.
    assert ids(lake) == ["a"]
    lake.close()
    lake.close()
    assert list(scratch.iterdir()) == []


def test_files_that_are_gone_are_told_as_such(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1)])
    for file in Path(lake.url, "ads").glob("*.parquet"):
        file.unlink()
    for ask in (lambda: lake.page("ads"), lambda: lake.statistics("ads")):
        with pytest.raises(StorageError):
            ask()


# -- filters


FILTERED = [
    {**row("a", 1, "1.50", 1), "name": "Spring 50% Sale", "cost": 0.5, "live": True, "tags": ["New", "hot"]},
    {**row("b", 2, "2", 2), "name": "autumn_sale", "cost": -1.0, "live": False, "tags": []},
    {**row("c", 3, "10", 3), "name": "O'Brien, Été", "hour": at("2026-01-01 18:00"), "at": at("2026-01-01 18:00")},
    {**row("d", 4, None, None), "name": "", "hour": at("2026-01-02"), "at": at("2026-01-02")},
]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([Filter("spend", "=", "1.5")], "a"),
        ([Filter("spend", "=", Decimal("1.500000"))], "a"),
        ([Filter("spend", "!=", 2)], "acd"),
        ([Filter("spend", "<", "10.00")], "ab"),
        ([Filter("spend", "<=", 10)], "abc"),
        ([Filter("spend", ">", " 1.5 ")], "bc"),
        ([Filter("spend", ">=", "2")], "bc"),
        ([Filter("spend", "in", "1.5, 10")], "ac"),
        ([Filter("spend", "in", [Decimal(2)])], "b"),
        ([Filter("spend", "is null")], "d"),
        ([Filter("spend", "is not null")], "abc"),
        ([Filter("clicks", "=", "2")], "b"),
        ([Filter("clicks", ">", -5)], "abc"),
        ([Filter("cost", "<", "1e-1")], "b"),
        ([Filter("live", "=", "yes")], "a"),
        ([Filter("live", "!=", False)], "acd"),
        ([Filter("stat_time_day", ">=", "2026-01-03")], "cd"),
        ([Filter("stat_time_day", "in", [day(1), "2026-01-04"])], "ad"),
        ([Filter("hour", "<", "2026-01-02")], "c"),
        ([Filter("hour", "=", at("2026-01-02"))], "d"),
        ([Filter("at", "=", "2026-01-01T19:00+01:00")], "c"),
        ([Filter("at", ">", "2026-01-01 18:00")], "d"),
        ([Filter("at", "=", datetime(2026, 1, 2, tzinfo=UTC))], "d"),
        ([Filter("name", "contains", "SALE")], "ab"),
        ([Filter("name", "contains", "0%")], "a"),
        ([Filter("name", "contains", "_s")], "b"),
        ([Filter("name", "contains", "o'brien, été")], "c"),
        ([Filter("name", "contains", "")], "abcd"),
        ([Filter("name", "=", "")], "d"),
        ([Filter("name", "=", "autumn_sale ")], ""),
        ([Filter("name", "in", 'x, "O\'Brien, Été"')], "c"),
        ([Filter("name", "in", '["autumn_sale", "O\'Brien, Été"]')], "bc"),
        ([Filter("name", ">", "a")], "b"),
        ([Filter("tags", "contains", "HOT")], "a"),
        ([Filter("tags", "is null")], "cd"),
        ([Filter("ad_id", "=", "x' OR '1'='1")], ""),
        ([Filter("spend", ">", 1), Filter("clicks", "<", 3), Filter("name", "contains", "s")], "ab"),
        ([Filter("spend", "is null"), Filter("spend", "is not null")], ""),
    ],
)
def test_filters_are_typed_by_their_columns(every_type: Lake, filters: list[Filter], expected: str) -> None:
    page = every_type.page("ads", where=filters, order=[Order("ad_id")])
    assert ("".join(page.rows.column("ad_id").to_pylist()), page.matching, page.total) == (expected, len(expected), 4)


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (Filter("spend", ">", "ten"), "spend: 'ten' is not a value of this column; enter a number"),
        (Filter("spend", "=", "NaN"), "spend: 'NaN' is not a value"),
        (Filter("spend", "=", "1e999999999"), "spend: '1e999999999' is not a value"),
        (Filter("spend", "=", "1e-999999999"), "spend: '1e-999999999' is not a value"),
        (Filter("spend", "=", "0.1234567"), "spend: '0.1234567' is not a value"),
        (Filter("spend", "=", True), "spend: 'True' is not a value"),
        (Filter("spend", "=", ""), "spend: '' is not a value"),
        (Filter("clicks", "=", "1.5"), "clicks: '1.5' is not a value"),
        (Filter("clicks", "=", Decimal("1.5")), "clicks: '1.5' is not a value"),
        (Filter("clicks", "=", 2**63), "clicks: '9223372036854775808' is not a value"),
        (Filter("clicks", "=", day(1)), "clicks: '2026-01-01' is not a value"),
        (Filter("cost", "<", "inf"), "cost: 'inf' is not a value"),
        (Filter("live", "=", "maybe"), "live: 'maybe' is not a value of this column; enter true or false"),
        (
            Filter("stat_time_day", "=", "01/02/2026"),
            "stat_time_day: '01/02/2026' is not a value .* such as 2026-01-31",
        ),
        (Filter("stat_time_day", "=", at("2026-01-01")), "stat_time_day: '2026-01-01 00:00:00' is not a value"),
        (Filter("stat_time_day", "in", "2026-01-01, soon"), "stat_time_day: 'soon' is not a value"),
        (Filter("hour", "=", "2026-01-01T00:00Z"), "hour: .* is not a value"),
        (Filter("name", "=", "\ud800"), r"name: '\\ud800' is not a value"),
        (Filter("name", "in", []), "name: 'is one of' needs a value"),
        (Filter("name", "in", "[1"), "name: .* is not a JSON list"),
        (Filter("name", "in", None), "name: 'is one of' needs a value"),
        (Filter("spend", ">"), "spend: 'is more than' needs a value"),
        (Filter("spend", "contains", "1"), "spend: 'contains' cannot be used with its type; choose one of '='"),
        (Filter("tags", "=", "hot"), "tags: '=' cannot be used with its type; choose one of 'contains'"),
        (Filter("live", "<", "true"), "live: '<' cannot be used with its type"),
        (Filter("spend", "like", "1"), "spend: unknown operator 'like'; available: =, !="),
        (Filter("reach", "=", "1"), "Column reach to filter by was not found; available: advertiser_id"),
        (Filter('x" OR 1=1 --', "=", "1"), "was not found; available:"),
    ],
)
def test_a_filter_that_cannot_be_is_told_with_its_column(every_type: Lake, refused: Filter, words: str) -> None:
    with pytest.raises(InputError, match=words):
        every_type.page("ads", where=[refused])


@pytest.mark.parametrize(
    ("page_options", "words"),
    [
        ({"offset": -1}, "starts at row 0 or later and has 1 to 1,000 rows"),
        ({"limit": 0}, "1 to 1,000 rows"),
        ({"limit": 1_001}, "1 to 1,000 rows"),
        ({"columns": ["reach", "spend"]}, "has no columns reach"),
        ({"columns": []}, "at least one column"),
        ({"order": [Order("reach")]}, "Column reach to sort by was not found"),
        ({"order": [Order("tags")]}, "tags holds lists"),
    ],
)
def test_a_page_that_cannot_be_is_refused(every_type: Lake, page_options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        every_type.page("ads", **page_options)


def test_each_filter_is_a_sentence_for_a_person() -> None:
    assert Filter("spend", ">=", "10").sentence() == "spend is at least 10"
    assert Filter("spend", ">=", "10").sentence("Cost") == "Cost is at least 10"
    assert Filter("spend", "is null").sentence("Cost") == "Cost is empty"
    assert Filter("country", "in", "DE,FR").sentence() == "country is one of DE, FR"
    assert Filter("name", "=", "").sentence() == 'name is ""'
    assert Filter("name", "contains", "{column} {0}").sentence() == "name contains {column} {0}"
    for operator in OPERATORS.values():
        value = None if operator.takes is Takes.NOTHING else "7"
        assert Filter("clicks", operator.key, value).sentence().startswith(f"clicks {operator.label}")


def test_a_form_is_told_which_operators_go_with_a_column() -> None:
    offered = {
        name: [operator.key for operator in operators_for(EVERY_TYPE.field(name).type)] for name in EVERY_TYPE.names
    }
    assert offered["spend"] == offered["stat_time_day"] == [key for key in OPERATORS if key != "contains"]
    assert offered["name"] == list(OPERATORS)
    assert offered["live"] == ["=", "!=", "is null", "is not null"]
    assert offered["tags"] == ["contains", "is null", "is not null"]


# -- against plain Python

TEXTS = st.text(max_size=4) | st.sampled_from(["sale", "SALE", "%", "'", '"'])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "advertiser_id": st.sampled_from("123"),
            "stat_time_day": st.none() | st.builds(day, st.integers(1, 5)),
            "ad_id": TEXTS,
            "spend": st.none() | st.decimals(-20, 20, places=2),
            "clicks": st.none() | st.integers(-3, 3),
        }
    ),
    max_size=14,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "stat_time_day": st.builds(day, st.integers(1, 5)),
    "ad_id": TEXTS,
    "spend": st.decimals(-20, 20, places=2),
    "clicks": st.integers(-3, 3),
}
FILTERS = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: (
        st.builds(
            Filter,
            st.just(name),
            st.sampled_from(["=", "!=", "<", "<=", ">", ">=", *(["contains"] if name == "ad_id" else [])]),
            VALUES[name],
        )
        | st.builds(Filter, st.just(name), st.just("in"), st.lists(VALUES[name], min_size=1, max_size=3))
        | st.builds(Filter, st.just(name), st.sampled_from(["is null", "is not null"]))
    )
)
ORDERS = st.lists(st.builds(Order, st.sampled_from(["advertiser_id", *VALUES]), st.booleans()), max_size=3)

COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, other: value == other,
    "<": lambda value, other: value < other,
    "<=": lambda value, other: value <= other,
    ">": lambda value, other: value > other,
    ">=": lambda value, other: value >= other,
    "in": lambda value, others: value in others,
}


def holds(row_filter: Filter, lake_row: Row) -> bool:
    value = lake_row[row_filter.column]
    if row_filter.op == "is null":
        return value is None
    if row_filter.op == "!=":
        return bool(value != row_filter.value)
    return value is not None and (row_filter.op == "is not null" or COMPARED[row_filter.op](value, row_filter.value))


def in_sorted_order(rows: Sequence[Row], order: Sequence[Order]) -> list[Row]:
    def compared(left_row: Row, right_row: Row) -> int:
        for key in order:
            left, right = left_row[key.column], right_row[key.column]
            if left == right:
                continue
            if left is None or right is None:
                return 1 if left is None else -1
            return (1 if left > right else -1) * (-1 if key.descending else 1)
        return 0

    return sorted(rows, key=cmp_to_key(compared))


@settings(max_examples=30)
@given(
    ROWS,
    ROWS,
    st.lists(FILTERS.filter(lambda row_filter: row_filter.op != "contains"), max_size=2),
    ORDERS,
    st.integers(0, 20),
)
def test_a_page_is_that_of_plain_python(
    first: list[Row], second: list[Row], where: list[Filter], order: list[Order], offset: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(folder) as lake:
        put(lake, "run1", "append", first)
        put(lake, "run2", "append", second)
        every = lake.read("ads").read_all().to_pylist()
        page = lake.page("ads", where=where, order=order, offset=offset, limit=5)
    matching = [lake_row for lake_row in every if all(holds(row_filter, lake_row) for row_filter in where)]
    assert (page.total, page.matching) == (len(every), len(matching))
    assert page.rows.to_pylist() == in_sorted_order(matching, order)[offset : offset + 5]


@pytest.mark.slow
@settings(max_examples=20)
@given(st.lists(TEXTS, min_size=1, max_size=8), TEXTS)
def test_any_text_is_found_again_by_itself_and_by_a_part(texts: list[str], part: str) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(folder) as lake:
        put(lake, "run1", "append", [row(text, 1) for text in texts])
        for text in texts:
            assert lake.page("ads", where=[Filter("ad_id", "=", text)]).matching == texts.count(text)
        assert lake.page("ads", where=[Filter("ad_id", "in", texts)]).matching == len(texts)
        matching = lake.page("ads", where=[Filter("ad_id", "contains", part)]).matching
    assert matching >= sum(part in text for text in texts)


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with opened(tmp_path_factory.mktemp("typed") / "lake") as lake:
        put(lake, "run1", "replace", FILTERED, schema=EVERY_TYPE)
        yield lake


@pytest.mark.slow
@given(st.text(max_size=12), st.sampled_from(EVERY_TYPE.names), st.sampled_from(sorted(OPERATORS)))
@settings(max_examples=200)
def test_whatever_is_typed_into_a_filter_gives_a_page_or_a_complaint(
    typed: Lake, text: str, name: str, op: str
) -> None:
    complaint = f"{name}: "
    try:
        page = typed.page("ads", where=[Filter(name, op, text)])
    except InputError as error:
        complaint = error.message
    else:
        assert page.matching == page.rows.num_rows <= 4
    assert complaint.startswith(f"{name}: ")


# -- many rows


# -- statistics


def statistics(lake: Lake, **statistics_options: Any) -> dict[str, ColumnStatistics]:
    return {column.name: column for column in lake.statistics("ads", **statistics_options)}


def test_statistics_say_what_each_column_holds(lake: Lake) -> None:
    put(lake, "run1", "replace", FILTERED, schema=EVERY_TYPE)
    columns = statistics(lake, additive=("spend", "clicks", "name"))
    assert list(columns) == EVERY_TYPE.names
    spend, clicks = columns["spend"], columns["clicks"]
    assert (spend.rows, spend.nulls, spend.distinct, spend.distinct_exact) == (4, 1, 3, True)
    assert (spend.least, spend.greatest, spend.total) == (Decimal("1.5"), Decimal(10), Decimal("13.5"))
    assert (spend.frequent, spend.histogram[0], len(spend.histogram)) == ((), Bin(1.5, 1.925, 1), 20)
    assert (clicks.total, type(clicks.total)) == (6, int)
    assert clicks.histogram == (Bin(1, 2, 1), Bin(2, 3, 1), Bin(3, 4, 1))
    assert (columns["name"].total, columns["name"].least, columns["name"].histogram) == (None, "", ())
    assert columns["advertiser_id"].frequent == (Frequent("1", 4),)
    assert columns["stat_time_day"].frequent[0] == Frequent(date(2026, 1, 1), 1)
    assert (columns["live"].nulls, columns["live"].frequent) == (2, (Frequent(False, 1), Frequent(True, 1)))
    assert (columns["hour"].least, columns["at"].greatest) == (
        at("2026-01-01 18:00"),
        datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert (columns["tags"].nulls, columns["tags"].distinct, columns["tags"].least) == (2, None, None)


def test_only_columns_that_may_be_summed_have_a_sum(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, 2, 3), row("b", 1, 5, None)])
    assert {name: column.total for name, column in statistics(lake, additive=("clicks",)).items() if column.total} == {
        "clicks": 3
    }
    assert statistics(lake, additive=("spend",))["spend"].total == 7


def test_the_sum_of_nothing_is_null(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, None, None)])
    spend = statistics(lake, additive=("spend",))["spend"]
    assert (spend.nulls, spend.distinct, spend.least, spend.total, spend.histogram) == (1, 0, None, None, ())


def test_great_sums_are_exact(lake: Lake) -> None:
    put(lake, "run1", "replace", [row(ad, 1, "999999999999999999.999999", 2**63 - 1) for ad in "abc"])
    columns = statistics(lake, additive=("spend", "clicks"))
    assert columns["clicks"].total == 3 * (2**63 - 1)
    assert columns["spend"].total == 3 * Decimal("999999999999999999.999999")


@pytest.mark.slow
@settings(max_examples=20)
@given(ROWS)
def test_statistics_are_those_of_counting(rows: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(folder) as lake:
        put(lake, "run1", "replace", rows)
        columns = statistics(lake, additive=("spend", "clicks"))
    for name, column in columns.items():
        values = [each[name] for each in rows if each[name] is not None]
        assert (column.rows, column.nulls, column.distinct) == (len(rows), len(rows) - len(values), len(set(values)))
        assert (column.least, column.greatest) == ((min(values), max(values)) if values else (None, None))
        if name in ("spend", "clicks"):
            assert column.total == (sum(values) if values else None)
            assert sum(each.rows for each in column.histogram) == len(values)
            assert all(
                left.most == right.least for left, right in zip(column.histogram, column.histogram[1:], strict=False)
            )
        else:
            counted = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
            assert [(each.value, each.rows) for each in column.frequent] == counted[:5]


def test_frequent_ones_among_very_many_texts_are_found_and_counted(tmp_path: Path) -> None:
    texts = [f"ad {number}" for number in range(150_000)]
    texts += [f"often {number % 3}" for number in range(30_000)]
    schema = pa.schema([pa.field("advertiser_id", pa.string()), pa.field("name", pa.string())])
    table = pa.table({"advertiser_id": ["1"] * len(texts), "name": texts}, schema=schema)
    with opened(tmp_path / "lake") as lake:
        lake.commit("ads", lambda: table.to_reader(20_000), Write("run1", Method.APPEND, schema))
        name = statistics(lake)["name"]
    assert not name.distinct_exact
    assert name.frequent[:3] == tuple(Frequent(f"often {number}", 10_000) for number in range(3))
    assert all(frequent.rows == 1 for frequent in name.frequent[3:])
