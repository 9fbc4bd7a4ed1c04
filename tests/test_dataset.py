from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel import catalog
from adreel.datasets import menus
from adreel.datasets.dataset import Dataset, key_columns
from adreel.datasets.files import read
from adreel.datasets.schema import arrow_schema, columns, key
from adreel.datasets.validation import Checked, check, parse
from adreel.errors import DatasetError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.yaml"))
GOOD = {
    "name": "T",
    "account": "demo",
    "report": "performance",
    "data_level": "ad",
    "time_dimension": "day",
    "metrics": "[spend, impressions]",
    "dates": "{period: last_7_days}",
}


def checked(**changes: str) -> Checked:
    keys = GOOD | changes
    return check(read("\n".join(f"{name}: {value}" for name, value in keys.items() if value)), NOW)


def problems_of(**changes: str) -> str:
    result = checked(**changes)
    assert result.dataset is None
    return "\n".join(str(problem) for problem in result.problems)


def good(**changes: str) -> Dataset:
    result = checked(**changes)
    assert result.problems == ()
    assert result.dataset is not None
    return result.dataset


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_dataset_with_columns_and_a_key(path: Path) -> None:
    dataset = parse(read(path.read_text()), NOW)
    names = arrow_schema(columns(dataset)).names
    assert set(key(dataset)) <= set(names)
    assert len(set(names)) == len(names)


def test_every_problem_is_listed_at_once_with_menu_line_reason_and_nearest_choice() -> None:
    text = """\
name: Broken
account: demo
report: performance
data_level: adgrup
time_dimension: day
metrics: [spent, impressions, reach, spend]
lifetim: true
dates: {start: 2026-11-10, end: 2026-11-01}
update: {method: upset}
"""
    problems = {problem.menu: problem for problem in check(read(text), NOW).problems}
    assert problems["data_level"].line == 4
    assert problems["data_level"].nearest == "adgroup"
    assert "spend" in (problems["metrics"].nearest or "")
    assert problems["metrics"].line == 6
    assert problems["lifetim"].nearest == "lifetime"
    assert "after the end" in problems["dates"].reason
    assert problems["update.method"].nearest == "upsert"
    assert set(problems) >= {"data_level", "metrics", "lifetim", "dates", "update.method"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"report": "perfomance"}, "Did you mean 'performance"),
        ({"report": ""}, "required; choose from performance"),
        ({"name": ""}, "name: required"),
        ({"account": ""}, "account: required"),
        ({"description": "x" * 10_001}, "longer than 10,000 characters"),
        ({"data_level": "", "id_dimension": ""}, "id_dimension: required: ID column of each row"),
        ({"id_dimension": "campaign_id"}, "requires data level: Campaign"),
        ({"id_dimension": "none"}, "requires data level: Ad account"),
        ({"data_level": "Ad account"}, "'Ad account' is called 'advertiser'"),
        ({"report_type": "audience"}, "audience_dimensions: required"),
        ({"report_type": "audience", "service_type": "reservation"}, "requires ad service type: Auction"),
        ({"report_type": "audience", "audience_dimensions": "[age, country_code]"}, "cannot be combined with"),
        (
            {"report_type": "audience", "audience_dimensions": "[interest_category]"},
            "requires time dimension: None",
        ),
        ({"audience_dimensions": "[age]"}, "requires report type: Audience"),
        ({"targeting_dimension": "contry_code"}, "Did you mean 'country_code'?"),
        ({"targeting_dimension": "[country_code, ad_type]"}, "cannot be combined with"),
        (
            {"targeting_dimension": "match_type", "data_level": "campaign"},
            "match_type: requires dimension: Search keyword",
        ),
        (
            {"targeting_dimension": "search_terms"},
            "search_terms: available at ad account, campaign or ad group level only",
        ),
        ({"targeting_dimension": "country_code", "time_dimension": "none", "lifetime": "true"}, "lifetime"),
        ({"lifetime": "true"}, "requires time dimension: None"),
        ({"metrics": ""}, "required"),
        ({"metrics": "[cash_spend]"}, "cash_spend: available at ad account level only"),
        ({"metrics": "[single_image_impressions]"}, "requires dimension: Image ID"),
        (
            {"metrics": "[placement]"},
            "metrics: 'placement' is called 'placement_type'. Search: adreel metrics placement",
        ),
        ({"metrics": "[gross_revenue]"}, "not available in Basic reports"),
        ({"metrics": "[spend, spend]"}, "is listed more than once"),
        ({"metrics": "{a: b}"}, "must be a list of values"),
        ({"data_level": "[ad, campaign]"}, "must be one value"),
        ({"data_level": "advertiser", "metrics": "[ad_name]"}, "ad_name: available at ad level only"),
        ({"advertisers": "[abc]"}, "is not a valid ID"),
        ({"skip_failing_advertisers": "maybe"}, "is not true or false"),
        ({"material_type": "video"}, "material_type: not available in report performance"),
        ({"dates": ""}, "dates: required"),
        ({"dates": "{start: today-7}"}, "required with start"),
        ({"dates": "{period: last_8_days}"}, "Did you mean 'last_"),
        ({"dates": "{period: last_7_days, date: today}"}, "use one of"),
        ({"dates": "{date: 2026-13-01}"}, "is not a day"),
        ({"dates": "{date: 2027-01-01}"}, "is in the future"),
        ({"dates": "{start: 2010-01-01, end: today}"}, "2016-09-01"),
        ({"dates": "{period: last_week, week_starts: mondey}"}, "Did you mean 'monday'?"),
        ({"update": "{method: append}", "reset_schema": "true"}, "not available with append"),
        ({"update": "{method: replace, key: [ad_id]}"}, "requires method: upsert; it is replace"),
        ({"update": "{method: upsert, key: [ad_id]}"}, "missing advertiser_id, stat_time_day; without it keys repeat"),
        ({"update": "{method: replace, keep_days: 30}"}, "requires method: partition; it is replace"),
        ({"update": "{method: partition, keep_days: 0}"}, "is not a number of days"),
        ({"update": "{method: partition}", "time_dimension": "none"}, "partition requires a time dimension"),
        (
            {"data_level": "advertiser", "id_dimension": "none", "time_dimension": "none"},
            "a time dimension or breakdown is required",
        ),
    ],
)
def test_what_tiktok_would_refuse_is_refused_with_its_reason(changes: dict[str, str], sentence: str) -> None:
    assert sentence in problems_of(**changes)


def test_two_invalid_days_are_both_reported() -> None:
    text = problems_of(dates="{start: soon, end: later}")
    assert "dates.start: 'soon' is not a day" in text
    assert "dates.end: 'later' is not a day" in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a list",
        "name: [unclosed",
        "a: 1\na: 2",
        "name: !!python/object:os.system x",
        "name: !!float .nan",
        "name: !!bool maybe",
        "name: !!set {a}",
        "name: !!binary aGk=",
        "name: !!timestamp 2024-01-01",
        "name: !!int 7",
    ],
)
def test_a_file_that_is_no_dataset_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(DatasetError, match=r"keys such as|not valid YAML|duplicate key"):
        parse(read(text), NOW)


def test_ids_keep_their_digits_and_country_codes_stay_words() -> None:
    dataset = good(advertisers="[007000000000000000001, 7000000000000000002]")
    assert dataset.advertisers == ("007000000000000000001", "7000000000000000002")


def test_keys_left_out_take_the_defaults_of_the_menus() -> None:
    dataset = good()
    assert dataset.id_dimension == "ad_id"
    assert dataset.include_deleted
    assert not dataset.skip_failing
    assert dataset.advertisers is None
    assert key_columns(dataset) == ("advertiser_id", "ad_id", "stat_time_day")


def test_lifetime_ignores_the_dates_and_says_so() -> None:
    dataset = good(time_dimension="none", lifetime="true")
    assert dataset.dates is None
    assert "dates are ignored" in dataset.notes[0]


def test_figures_over_a_range_carry_the_range_in_their_key() -> None:
    dataset = good(time_dimension="none")
    assert key(dataset) == ("advertiser_id", "ad_id", "start_date")
    assert {"start_date", "end_date"} <= set(arrow_schema(columns(dataset)).names)


def test_reservation_rows_carry_their_buying_type_in_the_key() -> None:
    assert "buying_type" in key(good(service_type="reservation"))


def test_a_deprecated_report_becomes_performance_with_its_old_columns() -> None:
    text = next(path for path in EXAMPLES if path.stem == "legacy_basic").read_text()
    dataset = parse(read(text), NOW)
    assert (dataset.report, dataset.made_as) == ("performance", "ad_performance")
    names = arrow_schema(columns(dataset)).names
    # Rule A: the second of a pair is gone, alone it has the first one's column; rule C: gone metrics stay null.
    assert names.count("registration") == 1
    assert "purchase" in names
    assert dataset.null_columns == ("no_longer_offered",)
    assert any("time_attr_active_register is ignored" in note for note in dataset.notes)
    assert any("TikTok no longer offers no_longer_offered" in note for note in dataset.notes)
    # Rule B: the first keeps the shared title, the second has its own name.
    titles = {column.name: column.title for column in columns(dataset)}
    assert titles["add_billing"] == "Total Add Payment Info"
    assert titles["total_add_payment_info"] == "total_add_payment_info"


def test_a_deprecated_audience_report_needs_its_dimension() -> None:
    old = {"report": "ad_audience", "data_level": "", "time_dimension": "", "report_level": "adgroup"}
    assert "dimensions: required" in problems_of(**old)
    dataset = good(**old, dimensions="[adgroup_id, stat_time_day, gender, age]")
    assert dataset.report_type == "audience"
    assert dataset.breakdowns == ("gender", "age")


LEVELS = st.sampled_from(["advertiser", "campaign", "adgroup", "ad"])


@given(
    level=LEVELS,
    time=st.sampled_from(["none", "day", "hour"]),
    kind=st.sampled_from(["basic", "audience"]),
    data=st.data(),
)
def test_choices_that_the_menus_offer_make_a_valid_dataset(
    level: str, time: str, kind: str, data: st.DataObject
) -> None:
    report = catalog.REPORTS["performance"]
    chosen: dict[str, tuple[str, ...]] = {
        "service_type": ("auction",),
        "report_type": (kind,),
        "data_level": (level,),
        "time_dimension": (time,),
        "id_dimension": (f"{level}_id",),
        "lifetime": ("false",),
    }
    name = "audience_dimensions" if kind == "audience" else "targeting_dimension"
    by_name = {menu.name: menu for menu in report.menus}
    able = [offer.value for offer in menus.offers(report, by_name[name], chosen) if offer.refusal is None]
    picked = data.draw(st.sampled_from(able if kind == "audience" else ["none", *able])) if able else "none"
    if picked == "none" and kind == "audience":
        return
    chosen[name] = () if picked == "none" else (picked,)
    metrics = [offer.value for offer in menus.offers(report, by_name["metrics"], chosen) if offer.refusal is None]
    names = data.draw(st.lists(st.sampled_from(metrics), min_size=1, max_size=5, unique=True))
    good(
        report_type=kind,
        data_level=level,
        time_dimension=time,
        metrics=f"[{', '.join(names)}]",
        **({} if picked == "none" else {name: picked}),
    )
