"""Calculated metrics: a formula of sums at every level, wherever a table is read, and never an average of rates."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel import catalog
from adreel.catalog.formulas import DEEPEST, FormulaError, parse, parts, sql_of, table_sql_of
from adreel.catalog.formulas import value_of as formulas_value
from adreel.charts import CardChoices, cards_data, cards_of
from adreel.datasets.calculated_columns import lake_columns
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.schema import arrow_schema, columns, key
from adreel.datasets.validation import check
from adreel.errors import InputError
from adreel.lake import Lake, ReaderColumns, Write
from adreel.lake.browse import Filter, Order
from adreel.lake.query import Connection
from adreel.lake.storage import Storage
from adreel.update_methods import Method
from api_home import program
from form_page import filled, sent
from home import Home
from web_home import Site, open_site, words_of

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOOK = "100 * video_watched_2s / impressions"
SUMMED = ("spend", "impressions", "video_watched_2s", "clicks")

Row = dict[str, Any]


def checked(calculated: Any, **keys: Any) -> Any:
    """The check of a small daily report with these calculated metrics."""
    values = {
        "name": "Spend",
        "account": "demo",
        "report": "performance",
        "data_level": "campaign",
        "time_dimension": "day",
        "metrics": ["spend", "impressions", "video_watched_2s", "clicks"],
        "dates": {"start": "2026-01-01", "end": "2026-03-10"},
        "calculated_metrics": calculated,
    } | keys
    return check(Source({name: value for name, value in values.items() if value is not None}, {}), NOON)


def dataset_with(calculated: Any, **keys: Any) -> Dataset:
    outcome = checked(calculated, **keys)
    assert outcome.dataset is not None, [str(problem) for problem in outcome.problems]
    dataset: Dataset = outcome.dataset
    return dataset


def fault_of(calculated: Any, **keys: Any) -> str:
    """The problems of a file that cannot be saved, in one line."""
    outcome = checked(calculated, **keys)
    assert outcome.dataset is None
    return " ".join(str(problem) for problem in outcome.problems)


def formula(text: str, **keys: Any) -> list[dict[str, Any]]:
    return [{"name": "mine", "formula": text, **keys}]


# -- the language


def value_of(text: str, sums: Mapping[str, Fraction | None]) -> Fraction | None:
    """The formula in plain Python over sums, by Python's own reading of arithmetic."""
    names: dict[str, Any] = {name: _Exact(value) for name, value in sums.items()}
    exact = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)(?!\w)", r"_number('\1')", text)
    outcome = eval(exact, {"__builtins__": {}, "_number": lambda word: _Exact(Fraction(word))}, names)
    value: Fraction | None = outcome.value
    return value


class _Exact:
    """A fraction, or nothing, with the arithmetic of SQL: nothing makes nothing, and so does a division by zero."""

    def __init__(self, value: Fraction | None) -> None:
        self.value = value

    def _with(self, other: _Exact, operation: Callable[[Fraction, Fraction], Fraction]) -> _Exact:
        return _Exact(None if self.value is None or other.value is None else operation(self.value, other.value))

    def __add__(self, other: _Exact) -> _Exact:
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: _Exact) -> _Exact:
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other: _Exact) -> _Exact:
        return self._with(other, lambda a, b: a * b)

    def __truediv__(self, other: _Exact) -> _Exact:
        return _Exact(None) if other.value == 0 else self._with(other, lambda a, b: a / b)

    def __neg__(self) -> _Exact:
        return _Exact(None if self.value is None else -self.value)


numbers = st.sampled_from(["1", "2", "100", "1000", "0.5", "12.25", "0"])
formulas = st.recursive(
    numbers | st.sampled_from(SUMMED),
    lambda inner: (
        st.builds(lambda a, sign, b: f"{a} {sign} {b}", inner, st.sampled_from("+-*/"), inner)
        | inner.map(lambda a: f"({a})")
        | inner.map(lambda a: f"-{a}")
    ),
    max_leaves=6,
)
rows_of_any_kind = st.lists(
    st.fixed_dictionaries(
        {
            "spend": st.none() | st.integers(0, 10**9).map(lambda cents: Decimal(cents) / 100),
            **{name: st.none() | st.integers(0, 10**6) for name in SUMMED[1:]},
            "group": st.sampled_from("abc"),
        }
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def duck() -> Iterator[Any]:
    with duckdb.connect() as connection:
        yield connection


@settings(max_examples=150, deadline=None)
@given(text=formulas, rows=rows_of_any_kind)
def test_any_grouping_has_the_formula_of_its_sums(duck: Any, text: str, rows: list[Row]) -> None:
    expression = parse(text)
    schema = pa.schema(
        [("spend", pa.decimal128(24, 6)), *((n, pa.int64()) for n in SUMMED[1:]), ("group", pa.string())]
    )
    duck.register("t", pa.Table.from_pylist(rows, schema))
    by_group: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_group[row["group"]].append(row)
    by_group["all"] = rows
    for group, grouped in by_group.items():
        sums = {name: summed(row[name] for row in grouped) for name in SUMMED}
        where = "" if group == "all" else f"WHERE \"group\" = '{group}'"
        sql = sql_of(expression, lambda name: f'sum("{name}")')
        (answer,) = duck.execute(f"SELECT {sql} FROM t {where}").fetchone()
        assert_same(answer, value_of(text, sums), "/" in text or "*" in text)
        exact = {
            name: None if value is None else Decimal(value.numerator) / value.denominator
            for name, value in sums.items()
        }
        assert_near(formulas_value(expression, exact), value_of(text, sums))
    duck.unregister("t")


def assert_near(value: Decimal | None, exact: Fraction | None) -> None:
    """The value that pages compute without the lake, with six decimals."""
    assert (value is None) == (exact is None)
    assert value is None or abs(Fraction(value) - (exact or 0)) <= Fraction(1, 2 * 10**6)


def summed(values: Iterable[Decimal | int | None]) -> Fraction | None:
    present = [Fraction(value) for value in values if value is not None]
    return sum(present, Fraction()) if present else None


def assert_same(answer: Any, exact: Fraction | None, rounded: bool) -> None:
    if exact is None or answer is None:
        assert answer is None
        assert exact is None
    elif isinstance(answer, float):
        assert rounded
        # Each step may lose the last of 16 digits of what was put together, which may be more than what is left.
        assert answer == pytest.approx(float(exact), rel=1e-9, abs=1e-3)
    else:
        assert Fraction(answer) == exact


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("spend /", "not complete"),
        ("spend clicks", "operator (+ - * /) is missing before 'clicks' at character 7"),
        ("(spend", "parenthesis at character 1 is not closed"),
        ("spend)", "missing before ')' at character 6"),
        ("* spend", "missing before '*' at character 1"),
        ("spend ^ 2", "'^' at character 7"),
        ("sum(spend)", "missing before '('"),
        ("1.2.3 * spend", "'1' at character 1"),
        ("1e3 * spend", "'1e3' is not a metric"),
        ("spend; drop table t", "';' at character 6"),
        ('"spend"', "'\"' at character 1"),
        ("٣ * spend", "at character 1"),
        ("(" * (DEEPEST + 1) + "spend" + ")" * (DEEPEST + 1), "nested"),
        ("spend + " * 100 + "spend", "500"),
        ("1234567890123456789 * spend", "digits"),
        ("1 / 2", "has no metric"),
    ],
)
def test_what_is_no_formula_is_refused_with_its_place(text: str, words: str) -> None:
    assert words in fault_of(formula(text))


def test_signs_bind_as_in_arithmetic() -> None:
    names = {"spend": Fraction(7), "clicks": Fraction(2), "impressions": Fraction(5), "video_watched_2s": Fraction(3)}
    for text in (
        "spend - clicks - impressions",
        "spend / clicks / impressions",
        "spend + clicks * impressions",
        "-spend * clicks",
        "spend - -clicks",
        "(spend + clicks) * (impressions - video_watched_2s)",
    ):
        literal = sql_of(parse(text), lambda name: str(names[name]))
        (answer,) = duckdb.sql(f"SELECT {literal}").fetchall()[0]
        assert float(answer) == pytest.approx(float(value_of(text, names) or 0)), text


# -- what a dataset takes


def test_only_additive_metrics_can_be_used_and_the_refusal_says_why() -> None:
    assert "reach is non-additive: its values must not be summed" in fault_of(formula("spend / reach"))
    assert "write (100 * clicks / impressions) instead" in fault_of(formula("ctr * 2"))
    assert "campaign_name is non-additive" in fault_of(formula("campaign_name / spend"))


def test_unknown_metrics_are_refused_with_the_nearest() -> None:
    assert "'impresions' is not a metric" in (text := fault_of(formula("100 * clicks / impresions")))
    assert "'impressions'" in text
    assert "'hook_rate' is not a metric; it is calculated itself" in fault_of(formula("hook_rate / 2"))
    assert "Did you mean 'hook_rate'" in fault_of(["hok_rate"])


def test_parts_that_are_not_selected_are_added_and_told() -> None:
    outcome = checked(["hook_rate"], metrics=["spend"])
    assert outcome.dataset.metrics == ("spend", "video_watched_2s", "impressions")
    assert outcome.dataset.notes == (
        "Calculated metrics need video_watched_2s, impressions, which were added to the metrics.",
    )
    assert dataset_with(["hook_rate"]).metrics == (*SUMMED[:1], "impressions", "video_watched_2s", "clicks")


def test_parts_that_the_report_does_not_have_are_refused_with_the_reason() -> None:
    text = fault_of(["website_roas"], report_type="audience", audience_dimensions=["country_code"], metrics=["spend"])
    assert "website_roas needs total_complete_payment_rate: not available" in text
    assert "not available in report ads" in " ".join(
        str(problem)
        for problem in check(
            Source({"name": "A", "account": "demo", "report": "ads", "calculated_metrics": ["hook_rate"]}, {}), NOON
        ).problems
    )


@pytest.mark.parametrize(
    ("calculated", "words"),
    [
        (formula("spend / clicks", unit="percent"), "gives an amount of money, not a percent"),
        (formula("clicks / impressions", unit="percent"), "needs the factor 100"),
        (formula("clicks / impressions", unit="euro"), "'euro' is not a unit"),
        (formula("spend + clicks"), "cannot be put together with +"),
        (formula("spend * spend"), "multiplies money by money"),
        (formula("clicks / impressions", colour="red"), "'colour' is not a key"),
        ([{"name": "Hook rate", "formula": HOOK}], "is not a name"),
        ([{"name": "spend", "formula": HOOK}], "spend is the name of a column"),
        ([{"name": "campaign_id", "formula": HOOK}], "campaign_id is the name of a column"),
        ([{"name": "currency", "formula": HOOK}], "currency is the name of a column"),
        (["hook_rate", "hook_rate"], "listed more than once"),
        ([{"name": "mine"}], "has no formula"),
        ([{"formula": HOOK}], "required"),
        ([["hook_rate"]], "must be names"),
        (formula(HOOK) * 51, "the limit is 50"),
        ("hook_rat", "Did you mean 'hook_rate'"),
    ],
)
def test_what_cannot_be_a_calculated_metric_is_refused(calculated: Any, words: str) -> None:
    assert words in fault_of(calculated)


def test_the_unit_follows_from_the_formula() -> None:
    units = {
        "spend / clicks": "account_currency",
        "1000 * spend / impressions": "account_currency",
        "spend - spend / 2": "account_currency",
        "spend / spend": "number",
        "clicks / spend": "number",
        "clicks / impressions": "number",
    }
    for text, unit in units.items():
        assert dataset_with(formula(text)).calculated[0].unit == unit, text
    assert dataset_with(formula("clicks / impressions", unit="ratio")).calculated[0].unit == "ratio"
    assert dataset_with(formula("100 * clicks / impressions", unit="percent")).calculated[0].unit == "percent"


def test_every_ready_made_metric_can_be_computed() -> None:
    for name, ready in catalog.calculated_metrics().items():
        dataset = dataset_with([name], data_level="ad", metrics=["spend"])
        assert dataset.calculated == (ready,)
        assert set(ready.parts) <= set(dataset.metrics)
        assert all(catalog.metrics()[part].additive for part in ready.parts)
        assert name not in catalog.metrics()
        assert ready.meaning.endswith(".")
    renamed = dataset_with([{"name": "hook_rate", "title": "Hook"}]).calculated[0]
    assert (renamed.title, renamed.formula) == ("Hook", HOOK)


# -- tables


def made_row(campaign: str, on: int, spend: str | None, impressions: int | None, views: int | None) -> Row:
    return {
        "advertiser_id": "7",
        "campaign_id": campaign,
        "stat_time_day": date(2026, 3, on),
        "spend": None if spend is None else Decimal(spend),
        "impressions": impressions,
        "video_watched_2s": views,
        "clicks": 1,
        "currency": "EUR",
        "timezone": "UTC+00:00",
    }


MINE = [
    {"name": "hook", "title": "Hook", "formula": HOOK, "unit": "percent"},
    {"name": "net", "title": "Net", "formula": "spend - 0.1 * spend"},
]
ROWS = [
    made_row("1", 1, "0.30", 100, 50),
    made_row("1", 2, "10.01", 1000, 100),
    made_row("2", 1, "2.05", 0, 7),
    made_row("2", 2, None, None, 3),
]


def put(lake: Lake, dataset: Dataset, rows: Sequence[Row], run: str = "run-1") -> None:
    schema = arrow_schema(columns(dataset))
    write = Write(run, Method.REPLACE, schema, key=key(dataset), day_column="stat_time_day")
    reader = lambda: pa.RecordBatchReader.from_batches(  # noqa: E731
        schema, [pa.RecordBatch.from_pylist([row], schema) for row in rows]
    )
    lake.commit("spend", reader, write)


@pytest.fixture(scope="module", params=["lake", "la[k]e"])
def four_rows(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[Lake, Dataset]]:
    """A table of four rows, one of them without impressions and one with none counted.

    DuckDB reads no files of the second folder itself, as it reads none of an object store.
    """
    dataset = dataset_with(MINE)
    lake = Lake(tmp_path_factory.mktemp("four_rows") / request.param)
    put(lake, dataset, ROWS)
    with closing(lake):
        yield lake, dataset


WANTED = {
    ("1", 1): (Decimal("50"), Decimal("0.27")),
    ("1", 2): (Decimal("10"), Decimal("9.009")),
    ("2", 1): (None, Decimal("1.845")),
    ("2", 2): (None, None),
}


def by_row(table: Any) -> dict[tuple[str, int], tuple[Any, Any]]:
    return {(row["campaign_id"], row["stat_time_day"].day): (row["hook"], row["net"]) for row in table.to_pylist()}


def test_a_row_has_the_formula_of_its_own_figures(four_rows: tuple[Lake, Dataset]) -> None:
    lake, dataset = four_rows
    calculated = lake_columns(dataset)
    assert by_row(lake.read("spend", calculated=calculated).read_all()) == WANTED
    assert by_row(lake.page("spend", calculated=calculated).rows) == WANTED
    descending = [Order("hook", descending=True)]
    page = lake.page("spend", order=descending, calculated=calculated)
    assert page.rows.column("hook").to_pylist() == [50, 10, None, None]
    assert page.rows.column("spend").to_pylist()[:2] == [Decimal("0.3"), Decimal("10.01")]
    read = lake.read("spend", order=descending, calculated=calculated).read_all()
    assert read.column("hook").to_pylist() == [50, 10, None, None]
    filtered = lake.page(
        "spend", where=[Filter("hook", ">=", "20")], columns=["campaign_id", "hook"], calculated=calculated
    )
    assert (filtered.matching, filtered.rows.to_pylist()) == (1, [{"campaign_id": "1", "hook": Decimal(50)}])
    (statistics,) = lake.statistics("spend", columns=["hook"], calculated=calculated)
    assert (statistics.nulls, statistics.least, statistics.greatest, statistics.total) == (2, 10, 50, None)


def test_a_query_sees_the_formula_of_each_row_and_can_compute_that_of_sums(four_rows: tuple[Lake, Dataset]) -> None:
    lake, dataset = four_rows
    snapshot = lake.snapshot({"spend": "spend"}, {"spend": ReaderColumns(lake_columns(dataset))})
    with Connection(Storage(snapshot.url), snapshot.views, read_only=True) as connection:
        assert by_row(connection.rows("select * from spend", 10)) == WANTED
        answer = connection.rows(
            "select 100 * sum(video_watched_2s) / sum(impressions) as hook from spend where impressions is not null", 1
        )
        assert answer is not None
        assert answer.column("hook").to_pylist() == [pytest.approx(100 * 157 / 1100)]


def test_another_formula_changes_every_row_at_once(four_rows: tuple[Lake, Dataset]) -> None:
    lake, _ = four_rows
    order = [Order("mine", descending=True)]
    for text, values in (
        ("clicks * 3", [3, 3, 3, 3]),
        ("video_watched_2s / 2", [50, 25, Decimal("3.5"), Decimal("1.5")]),
    ):
        calculated = lake_columns(dataset_with(formula(text)))
        assert lake.page("spend", order=order, calculated=calculated).rows.column("mine").to_pylist() == values
    assert "mine" not in lake.table("spend").schema.names


def test_a_version_without_the_parts_has_no_such_column(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    put(lake, dataset_with(None, metrics=["spend"]), ROWS)
    calculated = lake_columns(dataset_with(MINE))
    assert "hook" not in lake.page("spend", calculated=calculated).rows.column_names
    assert by_net(lake.page("spend", calculated=calculated).rows) == [
        Decimal("0.27"),
        Decimal("1.845"),
        Decimal("9.009"),
        None,
    ]
    with pytest.raises(InputError, match="no columns hook"):
        lake.read("spend", columns=["hook"], calculated=calculated)
    lake.close()


def by_net(table: Any) -> list[Any]:
    return sorted(table.column("net").to_pylist(), key=lambda value: (value is None, value))


def test_totals_days_and_groups_of_charts_have_the_formula_of_their_sums(four_rows: tuple[Lake, Dataset]) -> None:
    lake, dataset = four_rows
    offers = cards_of(dataset, lake.table("spend").schema.names)
    cards = {
        card.offer.key: card
        for card in cards_data(lake, "spend", dataset, offers, CardChoices(days=None), read_at=NOON).cards
    }

    def values(name: str, figure: str) -> list[Any]:
        place = [column.name for column in cards[name].columns].index(figure)
        return [row[place] for row in cards[name].rows]

    # Rows without impressions are left out of the sums of both parts: 100 * (50 + 100 + 7) / (100 + 1000 + 0).
    assert values("totals", "hook") == [pytest.approx(100 * 157 / 1100)]
    assert values("totals", "net") == [pytest.approx(12.36 * 0.9)]
    assert values("rates", "hook") == [pytest.approx(57), pytest.approx(10)]
    shown = dict(zip(values("campaigns", "id"), values("campaigns", "hook"), strict=True))
    assert shown == {"1": pytest.approx(100 * 150 / 1100), "2": None}
    units = {column.name: column.unit for column in cards["totals"].columns}
    assert (units["hook"], units["net"]) == ("percent", "money")
    assert "have no value for Impressions" in " ".join(cards["totals"].notes)


# -- through every door


FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
CALCULATED = [{"name": "hook", "title": "Hook", "formula": HOOK, "unit": "percent"}, "cpa"]


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    home.good("run", "-f", home.file(metrics=["spend", "impressions"], calculated_metrics=CALCULATED))
    with open_site(home) as opened:
        yield opened


def expected(home: Home) -> dict[tuple[str, str], Decimal | None]:
    """The hook rate of each ad and day, in Python."""
    table = Lake(home.path / "lake").read("spend").read_all()
    assert "hook" not in table.column_names
    rates = {}
    for row in table.to_pylist():
        rate = Fraction(100 * row["video_watched_2s"], row["impressions"]) if row["impressions"] else None
        rates[row["ad_id"], str(row["stat_time_day"])] = None if rate is None else Decimal(round(rate * 10**6)) / 10**6
    assert any(rates.values())
    return rates


def assert_rates(rows: Iterable[Mapping[str, Any]], rates: Mapping[tuple[str, str], Decimal | None]) -> None:
    got = {(row["ad_id"], str(row["stat_time_day"])[:10]): row["hook"] for row in rows}
    assert got.keys() == rates.keys()
    for place, rate in rates.items():
        if rate is None:
            assert got[place] in (None, "")
        else:
            assert abs(Decimal(str(got[place])) - rate) <= Decimal("0.000001"), place


@pytest.mark.slow
def test_pages_files_queries_and_the_api_say_the_same(site: Site, tmp_path: Path) -> None:
    home, rates = site.home, expected(site.home)
    assert_rates(home.rows("select ad_id, stat_time_day, hook from spend"), rates)
    for ending in ("csv", "parquet", "xlsx", "json"):
        target = tmp_path / f"out.{ending}"
        home.good("export", "spend", "-o", str(target))
        assert_rates(rows_of(target), rates)
    api = program(site)
    answer = api.get("/datasets/spend/rows", limit=1000, sort="-hook")
    assert_rates(answer["items"], rates)
    values = [item["hook"] for item in answer["items"]]
    assert values == sorted(values, key=lambda value: (value is None, -(value or 0)))
    schema = {column["name"]: column for column in api.get("/datasets/spend/schema")["columns"]}
    assert (schema["hook"]["calculated"], schema["hook"]["unit"], schema["hook"]["additive"]) == (
        True,
        "percent",
        False,
    )
    assert schema["hook"]["meaning"] == f"Hook. Calculated: {HOOK}"
    assert schema["spend"]["calculated"] is False
    exported = api.ask("GET", "/datasets/spend/export", params={"format": "csv"}).text
    assert_rates(csv.DictReader(io.StringIO(exported)), rates)
    queried = api.good("POST", "/query", json={"sql": "select ad_id, stat_time_day, hook from spend", "limit": 1000})
    assert_rates(queried["items"], rates)
    visit = site.visit("admin")
    page = visit.words("/datasets/spend/data", sort="-hook")
    assert "Hook" in page
    assert "CPA" in page
    answered = visit.get("/datasets/spend/export", format="csv").text.lstrip("\ufeff")
    assert_rates(csv.DictReader(io.StringIO(answered)), rates)
    assert f"Calculated: {HOOK}" in visit.words("/datasets/spend/data/columns", count="true")
    assert "Hook" in visit.words("/datasets/spend/cards/all")


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        return list(csv.DictReader(path.read_text().splitlines()))
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".json":
        return list(json.loads(path.read_text()))
    sheet = openpyxl.load_workbook(path).worksheets[0]
    heads, *lines = sheet.iter_rows(values_only=True)
    return [dict(zip(map(str, heads), line, strict=True)) for line in lines]


def test_the_form_keeps_the_calculated_metrics_and_takes_out_those_that_no_longer_fit(site: Site) -> None:
    visit = site.visit("admin")
    page = visit.good("/datasets/spend/settings")
    fields = sent(page)
    assert json.loads(dict(fields)["calculated_metrics"]) == CALCULATED
    before = site.store.datasets.get("spend")
    visit.client.post("/datasets/spend/settings", content=urlencode(filled(page, description="New")), headers=FORM)
    after = site.store.datasets.get("spend")
    assert after.description == "New"
    assert json.loads(after.spec)["calculated_metrics"] == json.loads(before.spec)["calculated_metrics"] == CALCULATED
    part = visit.client.post(
        "/datasets/form", content=urlencode(filled(page, report="campaigns")), headers=FORM | {"HX-Request": "true"}
    ).text
    assert "Calculated metrics were removed: not available in Campaigns" in words_of(part)
    assert 'name="calculated_metrics"' not in part


def test_the_file_of_a_saved_dataset_has_them(site: Site) -> None:
    text = site.home.good("datasets", "show", "spend").stdout
    assert "calculated_metrics:\n- name: hook\n" in text
    file = site.home.path / "again.yaml"
    file.write_text(text)
    assert "is valid" in site.home.good("validate", "-f", str(file)).output
    assert parts(parse(HOOK)) == ("video_watched_2s", "impressions")
    assert table_sql_of(parse("spend"), str).startswith("CAST(")
    with pytest.raises(FormulaError):
        parse("spend +")
