"""Datasets as forms: what a form shows and sends is the dataset, whatever the report; what cannot go together goes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Template

from adreel import catalog
from adreel.advertisers import Advertiser
from adreel.catalog.additions import GROUP
from adreel.catalog.records import Menu, Report
from adreel.connections import Covered
from adreel.datasets import menus
from adreel.datasets.dataset import Source
from adreel.datasets.files import read
from adreel.datasets.fitting import fitted
from adreel.datasets.presets import GROUP_TITLES, SETS
from adreel.datasets.validation import check, parse
from adreel.dates import PERIODS, WEEKDAYS
from adreel.errors import Problem
from adreel.language import PSEUDO, speaking
from adreel.pipeline.estimate import estimate
from adreel.pipeline.plan import make_plan
from adreel.pipeline.preview import Planned
from adreel.store import Account, AccountAdvertiser, AccountStatus, SavedDataset
from adreel.tiktok.rate_limit import limits_for
from adreel.web.assets import Assets
from adreel.web.forms.dates import PERIOD_TITLES, PERIOD_WORDS
from adreel.web.forms.fields import FormFields, fields_of, ids_in, tags_in, tags_text
from adreel.web.forms.panes import Around, Form, form_of, posted_values
from adreel.web.forms.pickers import twin_table
from adreel.web.forms.problems import OBJECTS, readable
from adreel.web.forms.sections import TITLES, FormSection
from adreel.web.render import Pages
from form_page import sent

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.yaml"))
ACCOUNT = Account(
    id=1,
    name="demo",
    app_id="app",
    base_url="http://tiktok.test",
    status=AccountStatus.VALID,
    owner="",
    selection=None,
    created_at=NOW,
    updated_at=NOW,
    last_checked_at=NOW,
)
DAILY: dict[str, Any] = {
    "name": "T",
    "account": "demo",
    "report": "performance",
    "data_level": "ad",
    "time_dimension": "day",
    "metrics": ["spend", "impressions"],
    "dates": {"period": "last_7_days"},
}


def shops(*ids: str, zone: str = "Etc/GMT+8") -> tuple[AccountAdvertiser, ...]:
    return tuple(
        AccountAdvertiser(
            advertiser_id=identifier,
            name=f"Shop {identifier[-2:]}",
            currency="USD",
            timezone=zone,
            status="STATUS_ENABLE",
            account_id=1,
            refreshed_at=NOW,
        )
        for identifier in ids
    )


ADVERTISERS = (*shops("7000000000000000001", "7000000000000000002"), *shops("7000000000000000003", zone="Etc/GMT-9"))


def plan(
    dataset: Any, account: Account, advertisers: tuple[AccountAdvertiser, ...], _saved: SavedDataset | None
) -> Planned:
    run_plan = make_plan(
        dataset,
        [Advertiser(advertiser.advertiser_id, advertiser.name, "USD", timedelta()) for advertiser in advertisers],
        NOW,
    )
    return Planned(run_plan, "basic", estimate(run_plan, (), (), 0, limits_for("basic")), Covered((), {}))


AROUND = Around((ACCOUNT,), ACCOUNT, ADVERTISERS, NOW, "UTC", None, plan)


@cache
def template() -> Template:
    return Pages(Assets()).environment.get_template("_details_form.html")


def shown(form: Form) -> str:
    return template().render(form=form, shell=None, now=NOW)


def opened(values: dict[str, Any]) -> Form:
    """The form of a new dataset, or of a saved one where its report is deprecated."""
    saved = saved_as(values) if catalog.REPORTS[values["report"]].deprecated else None
    return form_of(fields_of(values), replace(AROUND, saved=saved))


def with_everything(values: dict[str, Any]) -> Form:
    """The form with choices that are not available, too."""
    return form_of(FormFields({**fields_of(values).values, "unavailable": ("yes",)}), AROUND)


def saved_as(values: dict[str, Any]) -> SavedDataset:
    return SavedDataset(
        id=1,
        slug="t",
        table_slug="t",
        name="T",
        description="",
        tags=(),
        account_id=1,
        account_name="demo",
        spec=json.dumps(values),
        spec_version=3,
        created_at=NOW,
        updated_at=NOW,
    )


def posted(*pairs: tuple[str, str], **fields: str) -> Form:
    """The form after these fields were sent."""
    return form_of(
        FormFields.of([*((name.replace("__", "."), value) for name, value in fields.items()), *pairs]), AROUND
    )


def through_the_page(values: dict[str, Any]) -> dict[str, Any]:
    """The values that a browser sends back when the form that shows them is sent as it is."""
    return posted_values(FormFields.of(sent(shown(opened(values)))))


def pane(form: Form, name: str) -> Any:
    return next(menu for menu in (*form.menus, *form.dating, *form.resetting) if menu.name == name)


# -- the same dataset


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_comes_back_from_its_form_as_the_same_dataset(path: Path) -> None:
    source = read(path.read_text())
    back = through_the_page(dict(source.values))
    assert parse(Source(back, {}), NOW) == parse(source, NOW)


IDS = st.lists(st.from_regex(r"7[0-9]{18}", fullmatch=True), min_size=1, max_size=4, unique=True)
WORDS = st.text(
    st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\u0085"), min_size=1, max_size=30
)
NAMES = WORDS.map(lambda text: " ".join(text.split())).filter(bool)
DAYS_BACK = st.integers(0, 40)
OLD_METRICS = [
    "spend",
    "stat_cost",
    "show_cnt",
    "no_longer_offered",
    "active_register",
    "time_attr_active_pay",
    "add_billing",
    "total_add_payment_info",
]


@st.composite
def dates(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["period", "date", "back", "range"]))
    if kind == "period":
        week = draw(st.none() | st.sampled_from(WEEKDAYS))
        return {"period": draw(st.sampled_from(PERIODS))} | ({"week_starts": week} if week else {})
    if kind == "date":
        return {"date": draw(st.sampled_from(["today", "yesterday", "today-7", "2026-02-28"]))}
    if kind == "back":
        return {"date": draw(DAYS_BACK)}
    start, end = sorted((draw(DAYS_BACK), draw(DAYS_BACK)), reverse=True)
    return {"start": draw(st.sampled_from([start, f"today-{start}", "2026-01-31"])), "end": end}


@st.composite
def values_of_report(draw: st.DrawFn, report: Report) -> dict[str, Any]:
    """A dataset file of the report, its menus filled from the top down with what they offer."""
    chosen: dict[str, tuple[str, ...]] = {}
    values: dict[str, Any] = {"name": draw(NAMES), "account": "demo", "report": report.name}
    if draw(st.booleans()):
        values |= {"description": draw(WORDS).strip() or "d", "tags": draw(st.lists(NAMES, max_size=3, unique=True))}
    for menu in report.menus:
        if menus.unmet(menu.when, chosen) is not None:
            chosen[menu.name] = menus.defaults(menu, chosen)
            continue
        given = draw(menu_values(report, menu, chosen))
        if given is not None:
            values[menu.name] = given
        texts = given if isinstance(given, list) else [str(given).lower() if isinstance(given, bool) else given]
        chosen[menu.name] = tuple(texts) if given is not None else menus.defaults(menu, chosen)
    if draw(st.booleans()):
        method = draw(st.sampled_from(["replace", "append", "upsert", "partition"]))
        days = {"keep_days": draw(st.integers(1, 500))} if method == "partition" and draw(st.booleans()) else {}
        values["update"] = {"method": method, **days}
    return values


def menu_values(report: Report, menu: Menu, chosen: menus.Chosen) -> st.SearchStrategy[Any]:
    """Something that may stand in the menu, or None for what holds if nothing does."""
    if menu.source == "dates":
        return dates()
    if menu.source == "switch":
        return st.none() | st.booleans()
    if menu.source == "advertisers":
        return st.none() | st.just("all") | IDS
    if menu.source == "ids":
        return st.none() | IDS
    if report.deprecated and menu.source == "metrics":
        by_viewer = any(entry.source == "dimensions" and entry.required for entry in report.menus)
        names = OLD_METRICS[:4] if by_viewer else OLD_METRICS
        return st.lists(st.sampled_from(names), min_size=1, max_size=5, unique=True)
    if report.deprecated and menu.source == "dimensions":
        some = ["gender", "age"] if menu.required else ["country_code", "country_id"]
        return st.sampled_from(some).map(lambda dimension: [dimension, "stat_time_day"])
    able = [option.value for option in menus.offers(report, menu, {**chosen, menu.name: ()}) if option.refusal is None]
    if menu.source == "choices":
        return st.sampled_from(able) if menu.required else st.none() | st.sampled_from(able)
    if menu.source == "dimensions":
        single = st.sampled_from(able).map(lambda value: [value]) if able else st.none()
        return single if menu.required else st.none() | single
    lists = st.lists(st.sampled_from(able), min_size=1, max_size=6, unique=True)
    return lists if menu.required else st.none() | lists


@pytest.mark.slow
@pytest.mark.parametrize("name", catalog.REPORTS)
@settings(max_examples=8)
@given(data=st.data())
def test_a_dataset_of_any_report_comes_back_from_its_form_as_the_same_dataset(name: str, data: st.DataObject) -> None:
    # Were most of the datasets no good, Hypothesis would complain of the filter.
    good = values_of_report(catalog.REPORTS[name]).filter(
        lambda values: check(Source(values, {}), NOW).dataset is not None
    )
    values = data.draw(good)
    form = opened(values)
    assert (form.notices, form.problems, form.missing) == ((), (), ())
    back = posted_values(FormFields.of(sent(shown(form))))
    assert parse(Source(back, {}), NOW) == parse(Source(values, {}), NOW)


@pytest.mark.parametrize("names", [["age", "gender"], ["gender", "age"]])
def test_dimensions_stay_in_the_order_of_the_columns(names: list[str]) -> None:
    values = DAILY | {"report_type": "audience", "audience_dimensions": names}
    assert through_the_page(values)["audience_dimensions"] == names


NAMES_OF_FIELDS = sorted(
    {menu.name for report in catalog.REPORTS.values() for menu in report.menus}
    | {"advertisers.how", "advertisers.typed", "dates.kind", "dates.period", "dates.start.how", "dates.start.back"}
    | {
        "dates.date.how",
        "dates.date.on",
        "metrics.seen",
        "metrics.tick",
        "metrics.most",
        "metrics.search",
        "do",
        "tags",
    }
    | {"update.method", "update.key", "update.keep_days", "metrics.group", "metrics.searched", "spec_version", "tried"}
    | {"pane", "tried.section", "unavailable"}
)
JUNK = st.sampled_from(
    [
        *["all", "picked", "typed", "ad", "advertiser", "campaign_id", "day", "hour", "audience", "dsa", "reservation"],
        *["true", "age", "gender", "spend", "cash_spend", "country_code", "range", "period", "on", "back", "-1", "7"],
        *["2026-13-40", "last_week", "upsert", "partition", "add-set metrics core", "remove metrics spend", '"', "%"],
        *["more metrics", "add-found metrics", "empty metrics", "add-set metrics none", "add-found fields", "999999"],
        *["continue details", "continue none", "details", "yes"],
    ]
)


@pytest.mark.slow
@settings(max_examples=40)
@given(
    report=st.sampled_from(["", "none", *catalog.REPORTS]),
    pairs=st.lists(st.tuples(st.sampled_from(NAMES_OF_FIELDS), JUNK | st.text(max_size=8)), max_size=25),
)
def test_any_request_gets_a_form_and_what_it_keeps_fits(report: str, pairs: list[tuple[str, str]]) -> None:
    form = form_of(FormFields.of([("report", report), ("account", "demo"), *pairs]), AROUND)
    again = fitted(posted_values(FormFields.of(sent(shown(form)))))
    assert (again is None) == (form.report is None)
    if again is not None:
        assert again.notices == ()


@given(st.lists(NAMES, max_size=6))
def test_tags_come_back_from_their_line(tags: list[str]) -> None:
    assert list(tags_in(tags_text(tags))) == list(dict.fromkeys(tags))


def test_ids_are_found_whatever_separates_them() -> None:
    text = "1, 2;3|4\t5\n\"6\" '7' [8] (9){10}, , 2"
    assert ids_in(text) == ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10")


def test_a_form_with_more_fields_than_any_of_ours_is_refused() -> None:
    with pytest.raises(Exception, match="50,000 fields"):
        FormFields.read(b"a=1&" * 60_000)


# -- what fits


def test_a_choice_that_no_longer_fits_is_removed_and_reported() -> None:
    form = posted(report="performance", report_type="dsa", data_level="ad", time_dimension="hour", dates__kind="period")
    assert "Hourly was removed: requires report type: Basic or Audience." in form.notices
    assert [option.value for option in pane(form, "time_dimension").options if option.chosen] == ["none"]


def test_a_report_by_period_has_no_days_and_no_upsert() -> None:
    form = posted(report="gmv_max", gmv_max_level="product_duration", time_dimension="day", dates__kind="period")
    assert "Daily was removed: requires level: Shop, Campaign, Product, Creative or LIVE session." in form.notices
    assert [option.value for option in pane(form, "time_dimension").options] == ["none"]
    # Before the level is chosen, days are the default that a person ends up with.
    form = posted(report="gmv_max", dates__kind="period")
    assert [option.value for option in pane(form, "time_dimension").options if option.chosen] == ["day"]
    keys = {"name": "Periods", "account": "demo", "report": "gmv_max", "gmv_max_level": "live_duration"}
    form = opened(keys | {"metrics": ["cost"], "dates": {"period": "last_30_days"}})
    assert [method.value for method in form.update.methods] == ["replace", "append"]


def test_metrics_that_the_level_lacks_are_removed_and_reported_by_title_with_the_reason() -> None:
    form = posted(("metrics", "spend"), ("metrics", "ad_name"), report="performance", data_level="advertiser")
    assert form.notices == ("Advertiser ID" and "Ad name was removed: available at ad level only.",)
    assert [metric.value for metric in pane(form, "metrics").picker.kept] == ["spend"]


def test_the_id_follows_the_level_and_a_short_notice_says_so() -> None:
    form = posted(report="performance", data_level="campaign", id_dimension="ad_id")
    assert form.notices == ("ID dimension is now Campaign ID.",)


def test_many_removed_choices_are_not_listed_one_by_one() -> None:
    of_ads = (metric for metric in catalog.metrics().values() if metric.attribute and metric.levels == {"ad"})
    attributes = [metric.name for metric in of_ads][:12]
    form = posted(*(("metrics", name) for name in attributes), report="performance", data_level="advertiser")
    assert len(form.notices) == 7
    assert form.notices[-1] == f"{len(attributes) - 6} more values of Metrics were removed."


def test_a_removed_menu_removes_its_choice_and_a_default_is_removed_without_a_notice() -> None:
    form = posted(report="performance", report_type="basic", audience_dimensions="age", dsa_type="catalog")
    assert form.notices == ("Audience dimension was removed: requires report type: Audience.",)


def test_a_dimension_that_needs_another_is_kept_in_any_position() -> None:
    pairs = [("targeting_dimension", "match_type"), ("targeting_dimension", "search_keyword")]
    form = posted(*pairs, report="performance", data_level="campaign")
    assert [option.value for option in pane(form, "targeting_dimension").options if option.chosen] == [
        "search_keyword",
        "match_type",
    ]
    alone = posted(pairs[0], report="performance", data_level="campaign")
    assert alone.notices == ("Match type was removed: requires dimension: Search keyword.",)


def test_a_change_of_report_names_the_lists_it_removed() -> None:
    form = posted(("metrics", "spend"), report="campaigns", data_level="ad")
    assert form.notices == ("Metrics removed: not available in Campaigns.",)


def test_columns_of_another_report_are_removed() -> None:
    form = posted(("fields", "campaign_id"), ("fields", "adgroup_id"), report="campaigns")
    assert form.notices == ("adgroup_id was removed: not available in Campaigns.",)


def test_dates_are_back_when_lifetime_data_is_switched_off_again() -> None:
    dates = {"dates__kind": "range", "dates__start__how": "back", "dates__start__back": "10", "dates__end__how": "on"}
    form = posted(report="performance", data_level="ad", lifetime="true", dates__end__on="2026-11-20", **dates)
    assert form.dates is not None
    assert "ignore dates" in form.dates.unused
    page = shown(form)
    assert 'type="date"' not in page
    pairs = [(name, value) for name, value in sent(page) if name != "lifetime"]
    off = form_of(FormFields.of(pairs), AROUND)
    assert posted_values(off.fields)["dates"] == {"start": "10", "end": "2026-11-20"}


def test_a_box_that_is_out_of_sight_stays_ticked_and_one_in_sight_is_as_it_was_left() -> None:
    form = posted(
        *[("metrics", "spend"), ("metrics", "clicks"), ("metrics", "ctr")],
        *[("metrics.seen", "spend clicks reach"), ("metrics.tick", "clicks"), ("metrics.tick", "reach")],
        report="performance",
        data_level="ad",
    )
    assert [metric.value for metric in pane(form, "metrics").picker.kept] == ["clicks", "ctr", "reach"]


# -- problems


def test_empty_fields_are_reported_only_after_an_attempt_to_save() -> None:
    form = posted(report="performance", account="demo")
    assert form.problems == ()
    assert form.missing == ("Name", "Data level", "Metrics")
    tried = posted(report="performance", account="demo", tried="yes")
    assert {problem.menu for problem in tried.problems} == {"name", "data_level", "metrics"}
    assert tried.missing == ()


def test_picking_no_advertiser_is_a_problem_and_does_not_mean_all() -> None:
    form = posted(report="campaigns", name="C", account="demo", advertisers__how="picked", tried="yes")
    assert [problem.words for problem in form.problems] == ["None selected. Select at least one, or all ad accounts."]
    assert form.planned is None


def test_a_key_with_a_column_that_the_table_does_not_have_is_refused_at_its_field() -> None:
    fields = {"update__method": "upsert", "update__key": "advertiser_id ad_id stat_time_day ad_nme"}
    form = posted(
        ("metrics", "ad_name"),
        report="performance",
        name="N",
        account="demo",
        data_level="ad",
        time_dimension="day",
        **fields,
    )
    assert [(problem.menu, problem.title) for problem in form.problems] == [("update.key", "Primary key")]
    assert "no column ad_nme. Did you mean 'ad_name'?" in form.problems[0].words


def test_a_preview_needs_neither_a_name_nor_a_valid_update_method() -> None:
    values = DAILY | {"name": "", "time_dimension": "none", "update": {"method": "partition"}, "tags": {"a": "b"}}
    assert readable(values, NOW).metrics == ("spend", "impressions")
    assert opened(values).columns


# -- panes


def section(form: Form, name: str) -> FormSection:
    return next(section for section in form.sections if section.name == name)


def test_a_pane_that_is_done_says_in_one_line_what_was_chosen() -> None:
    values = DAILY | {
        "update": {"method": "upsert", "lookback": 3},
        "schedule": {"every": "day", "at": "06:30"},
        "tags": ["weekly"],
    }
    assert [(line.title, line.line, line.is_done) for line in opened(values).sections] == [
        ("Credentials", "demo \u00b7 3 ad accounts", True),
        ("Details", "Performance \u00b7 Ad \u00b7 Daily \u00b7 2 metrics \u00b7 last 7 days", True),
        ("Scheduling", "Every day at 06:30 UTC \u00b7 Upsert \u00b7 look-back 3 days", True),
        ("Name & describe", "T \u00b7 weekly", True),
    ]
    chosen = {"report_type": "audience", "audience_dimensions": ["age"], "advertisers": ["7000000000000000001"]}
    parts = ("Performance", "Audience", "Ad", "Daily", "Age", "1 ad account", "2 metrics", "last 7 days")
    assert section(opened(DAILY | chosen), "details").line == " \u00b7 ".join(parts)
    fields = {"name": "C", "account": "demo", "report": "campaigns"}
    assert section(opened(fields), "details").line == "Campaigns \u00b7 all fields"


def test_a_new_form_opens_at_what_is_to_be_done_first_and_a_saved_one_is_folded() -> None:
    assert posted(report="performance").open_section == "credentials"
    assert posted(report="performance", account="demo").open_section == "details"
    assert opened(DAILY | {"name": ""}).open_section == "name"
    assert opened(DAILY).open_section == "name"
    assert form_of(fields_of(DAILY), replace(AROUND, saved=saved_as(DAILY))).open_section == ""


def test_continue_leads_to_the_next_pane_or_says_what_is_lacking_in_this_one() -> None:
    undone = posted(report="performance", account="demo", pane="details", do="continue details")
    assert undone.open_section == "details"
    assert {problem.menu for problem in undone.problems} == {"data_level", "metrics"}
    assert section(undone, "details").lacking == "Choose a data level and at least one metric"
    with speaking(PSEUDO):
        elsewhere = posted(report="performance", account="demo", pane="details", do="continue details")
        assert section(elsewhere, "details").order == "⟦Choose ⟦⟦a data level⟧ and ⟦at least one metric⟧⟧⟧"
        assert [problem.words for problem in elsewhere.problems] == [
            "⟦Choose ⟦a data level⟧⟧.",
            "⟦Choose ⟦at least one metric⟧⟧.",
        ]
    # It goes on saying so while one thing after the other is mended, and says nothing of other panes.
    half = form_of(FormFields.of([*sent(shown(undone)), ("data_level", "ad")]), AROUND)
    assert {problem.menu for problem in half.problems} == {"metrics"}
    done = [*sent(shown(half)), ("metrics.tick", "spend"), ("do", "continue details")]
    assert form_of(FormFields.of(done), AROUND).open_section == "scheduling"
    assert form_of(FormFields.of(done), AROUND).problems == ()


def test_a_form_that_was_refused_opens_at_its_first_problem() -> None:
    fields = FormFields({**fields_of(DAILY).values, "pane": ("details",)})
    form = form_of(fields, AROUND, [Problem("name", "taken."), Problem("update.key", "no such column.")])
    assert form.open_section == "scheduling"
    assert [section(form, name).errors for name in TITLES] == [0, 0, 1, 1]


def test_what_follows_from_other_choices_is_told_and_not_asked() -> None:
    campaign = opened(DAILY | {"data_level": "campaign"})
    page = shown(campaign)
    assert pane(campaign, "id_dimension").is_settled
    assert "Campaign ID" in page
    assert 'name="id_dimension"' not in page
    assert through_the_page(DAILY | {"data_level": "campaign"})["id_dimension"] == "campaign_id"
    # An ad has two IDs: the choice is behind More options, with its value in sight.
    ad = opened(DAILY)
    assert "id_dimension" in [menu.name for menu in ad.rare_menus]
    assert "<span>ID dimension: Ad ID</span>" in shown(ad)


def test_menus_that_few_people_change_are_folded_with_their_values_in_sight() -> None:
    form = opened(DAILY | {"include_deleted": False})
    assert [menu.name for menu in form.rare_menus] == [
        "skip_failing_advertisers",
        "service_type",
        "id_dimension",
        "targeting_dimension",
        "include_deleted",
        "excludes_gmv_max",
        "reading",
    ]
    page = shown(form)
    for words in (">Ad service type: Auction<", ">Targeting dimension: None<", ">Skip failing ad accounts: Off<"):
        assert words in page
    assert '<span class="more-changed">Include deleted: Off</span>' in page
    total = opened(DAILY | {"time_dimension": "none"})
    assert "lifetime" in [menu.name for menu in total.rare_menus]


@pytest.mark.parametrize("name", [name for name, report in catalog.REPORTS.items() if not report.deprecated])
def test_nothing_unavailable_is_shown_unless_a_person_wants_to_see_it(name: str) -> None:
    fields = [("report", name), ("account", "demo"), ("data_level", "adgroup"), ("report_type", "audience")]
    hidden, everything = (form_of(FormFields.of([*fields, *more]), AROUND) for more in ((), [("unavailable", "yes")]))
    assert "choice-why" not in shown(hidden)
    if name == "performance":
        assert "choice-why" in shown(everything)
        assert values_shown(pane(hidden, "metrics").picker) <= values_shown(pane(everything, "metrics").picker)


# -- lists


def picker_of(**fields: str) -> Any:
    given = {"report": "performance", "data_level": "ad", "time_dimension": "day"} | fields
    return pane(posted(**given), "metrics").picker


def values_shown(picker: Any) -> list[str]:
    return [pick.value for block in picker.blocks for pick in block]


def test_a_metric_is_found_by_title_name_meaning_and_group_and_its_own_name_comes_first() -> None:
    assert values_shown(picker_of(metrics__search="spend"))[0] == "spend"
    assert values_shown(picker_of(metrics__search="Cost per 1,000 people"))[0] == "cost_per_1000_reached"
    assert "reach" in values_shown(picker_of(metrics__search="users who saw"))
    groups = {catalog.metrics()[metric].group for metric in values_shown(picker_of(metrics__group="video"))}
    assert groups == {"video"}
    assert picker_of(metrics__search="no such metric at all").blocks == ()


def test_a_metric_is_next_to_what_counts_the_same_event_elsewhere() -> None:
    blocks = picker_of(metrics__search="complete_payment").blocks
    first = [pick.value for pick in blocks[0]]
    assert first[0] == "complete_payment"
    assert {"purchase", "onsite_shopping", "offline_shopping_events"} <= set(first)
    everything = [pick.value for block in blocks for pick in block]
    assert len(everything) == len(set(everything))


def test_twins_stand_in_a_row_with_a_column_for_each_place_and_are_read_with_it() -> None:
    form = posted(report="performance", data_level="ad", time_dimension="day", metrics__search="complete_payment")
    table = pane(form, "metrics").picker.tables[0]
    assert table.heads == ("App", "Website", "TikTok", "Shop", "Offline")
    plain, unique = table.rows
    assert [[pick.value for pick in cell] for cell in plain.cells] == [
        *(["total_purchase"], ["complete_payment"], ["onsite_total_purchase"]),
        *(["onsite_shopping"], ["offline_shopping_events"]),
    ]
    assert (plain.title, [len(cell) for cell in unique.cells]) == ("Purchases", [1, 0, 1, 0, 0])
    page = shown(form)
    labels = dict(re.findall(r'<label for="f-metrics-(\w+)"[^>]*><span class="visually-hidden">([^<]+)<', page))
    assert labels["complete_payment"] == "Purchases, website"
    assert labels["onsite_total_purchase"] == "Purchases, TikTok"
    assert labels["purchase"] == "Unique purchases, app"


@pytest.mark.parametrize("metric", [metric.name for metric in catalog.metrics().values() if metric.twins][::7])
def test_any_of_the_twins_finds_all_of_them(metric: str) -> None:
    blocks = picker_of(metrics__search=metric, unavailable="yes").blocks
    block = next(block for block in blocks if metric in [pick.value for pick in block])
    assert {pick.value for pick in block} >= {metric, *catalog.metrics()[metric].twins}
    table = twin_table(block)
    assert sorted(pick.value for row in table.rows for cell in row.cells for pick in cell) == sorted(
        pick.value for pick in block
    )


def test_metrics_are_shown_sixty_at_a_time_and_another_search_starts_again() -> None:
    assert 60 <= len(values_shown(picker_of())) < 70
    more = picker_of(do="more metrics", metrics__searched=" ", metrics__most="60")
    assert 120 <= len(values_shown(more)) < 130
    assert len(values_shown(picker_of(metrics__search="cost", metrics__searched=" ", metrics__most="300"))) < 70


def test_an_unavailable_metric_has_a_reason_and_is_listed_after_available_ones() -> None:
    assert all(pick.refusal is None for block in picker_of(metrics__group="core").blocks for pick in block)
    picker = picker_of(metrics__group="core", unavailable="yes")
    picks = [pick for block in picker.blocks for pick in block]
    refused = [pick.refusal is not None for pick in picks]
    assert refused == sorted(refused)
    why = {pick.value: pick.refusal for pick in picks}
    assert why["cash_spend"] == "available at ad account level only"


def test_a_set_adds_available_metrics_and_names_the_others() -> None:
    form = posted(("metrics", "reach"), report="performance", data_level="campaign", do="add-set metrics names")
    chosen = [metric.value for metric in pane(form, "metrics").picker.kept]
    assert chosen[0] == "reach"
    assert "campaign_name" in chosen
    assert "ad_name" not in chosen
    assert form.notices[0].startswith("Not added from Names: ")
    assert "(available at ad level only)" in form.notices[0]


def test_the_set_of_names_has_those_of_gmv_max_and_no_word_of_other_reports() -> None:
    form = posted(report="gmv_max", gmv_max_level="creative", do="add-set metrics names")
    chosen = {metric.value for metric in pane(form, "metrics").picker.kept}
    assert {"title", "product_name", "campaign_name"} <= chosen
    (notice,) = form.notices
    assert "LIVE name (requires level: LIVE session)" in notice
    assert "Ad name" not in notice


def test_all_available_matches_are_added_at_once() -> None:
    fields = {"do": "add-found metrics", "metrics__group": "video", "metrics__searched": "video "}
    kept = picker_of(**fields).kept
    assert [metric.value for metric in kept] == [
        metric.name for metric in catalog.metrics().values() if metric.group == "video"
    ]


@pytest.mark.parametrize(
    ("words", "value", "places"),
    [("installs", "app_install", 3), ("roas", "complete_payment_roas", 5), ("cost per", "cost_per_conversion", 3)],
)
def test_what_most_people_look_for_is_found_before_what_is_rare(words: str, value: str, places: int) -> None:
    assert value in values_shown(picker_of(metrics__search=words))[:places]


def test_available_metrics_are_listed_before_others_whatever_the_length_of_the_title() -> None:
    shown_values = values_shown(picker_of(metrics__search="name", data_level="campaign", unavailable="yes"))
    assert shown_values.index("campaign_name") < shown_values.index("ad_name")
    shown_values = values_shown(picker_of(metrics__search="name", unavailable="yes"))
    assert shown_values.index("ad_name") < shown_values.index("campaign_name")


def test_without_a_search_metrics_have_the_order_of_the_catalogue() -> None:
    names = [metric.name for metric in catalog.metrics().values() if metric.group == "video"]
    assert [name for name in values_shown(picker_of(metrics__group="video")) if name in names][:5] == names[:5]


@pytest.mark.parametrize(
    ("search", "everything", "words"),
    [
        ("cash", "yes", "Select 1 available</button>"),
        ("cash", "", "Select 1</button>"),
        ("cash_spend", "yes", "Select 1</button>"),
        ("ad name", "yes", "Select all 4 available</button>"),
        ("ad name", "", "more are unavailable."),
        ("cost per result", "yes", "Select all 4</button>"),
    ],
)
def test_the_button_that_adds_all_matches_has_their_number(search: str, everything: str, words: str) -> None:
    fields = {"metrics__search": search, "unavailable": everything}
    form = posted(report="performance", data_level="advertiser", time_dimension="day", **fields)
    assert words in shown(form), pane(form, "metrics").picker


def test_more_than_a_hundred_metrics_are_reported_to_need_several_requests() -> None:
    picker = picker_of(do="add-found metrics", metrics__group="app_event", metrics__searched="app_event ")
    assert len(picker.kept) > 200
    assert picker.batches == 3


def test_the_metrics_of_every_set_combine_in_a_daily_report_of_ads() -> None:
    report = catalog.REPORTS["performance"]
    menu = next(menu for menu in report.menus if menu.source == "metrics")
    chosen = {"report_type": ("basic",), "data_level": ("ad",), "id_dimension": ("ad_id",), "time_dimension": ("day",)}
    refusals = {option.value: option.refusal for option in menus.offers(report, menu, chosen)}
    for metric_set in SETS.values():
        # Names of products, posts and materials are of other reports, and left out without a word.
        own = [name for name in metric_set.metrics if "BASIC" in catalog.metrics()[name].reports]
        assert {name: refusals[name] for name in own if refusals[name]} == {}, metric_set.name
        assert len(own) == len(metric_set.metrics) or metric_set.name == "names"
        assert len(set(metric_set.metrics)) == len(metric_set.metrics)
    assert set(GROUP_TITLES) == {GROUP, *(metric.group for metric in catalog.metrics().values())}


def test_advertisers_are_found_by_name_id_currency_and_zone_and_removed_ones_only_on_request() -> None:
    gone = AccountAdvertiser(advertiser_id="799", name="Old", account_id=1, refreshed_at=NOW, gone=True)
    around = Around((ACCOUNT,), ACCOUNT, (*ADVERTISERS, gone), NOW, "UTC", None, plan)

    def matches(words: str, *picked: str) -> list[str]:
        fields = {
            "report": "ads",
            "advertisers.how": "picked",
            "advertisers.search": words,
            "advertisers": " ".join(picked),
        }
        return values_shown(pane(form_of(FormFields.of(fields.items()), around), "advertisers").picker)

    assert len(matches("")) == 3
    assert matches("etc/gmt-9") == ["7000000000000000003"]
    assert matches("shop 02 usd") == ["7000000000000000002"]
    assert matches("old") == ["799"]
    assert "799" in matches("", "799")


# -- dates, key, page


def test_the_estimate_names_days_by_zone_and_zones_that_differ_from_the_workspace() -> None:
    form = opened(DAILY)
    assert form.dates is not None
    spans = [
        (zone.zone, zone.advertisers, str(zone.span.start), str(zone.span.end))
        for zone in form.dates.zones
        if zone.span
    ]
    assert spans == [
        ("UTC-08:00", 2, "2026-11-15", "2026-11-21"),
        ("UTC+09:00", 1, "2026-11-15", "2026-11-21"),
    ]
    assert form.dates.notes == (
        "3 ad accounts use days in UTC-08:00, UTC+09:00; the workspace uses UTC (UTC+00:00 now).",
    )
    some = opened(DAILY | {"advertisers": ["7000000000000000003"]})
    assert some.dates is not None
    assert [zone.zone for zone in some.dates.zones] == ["UTC+09:00"]


def test_wrong_days_are_reported_at_the_dates_and_no_days_are_estimated() -> None:
    form = opened(DAILY | {"dates": {"start": "2026-11-10", "end": "2026-11-01"}})
    assert form.dates is not None
    assert form.dates.zones == ()
    assert [problem.menu for problem in form.at("dates")] == ["dates"]
    assert "after the end" in form.problems[0].words


def test_a_day_that_is_half_typed_stays_where_it_was_typed() -> None:
    form = posted(
        report="performance", data_level="ad", dates__kind="date", dates__date__how="back", dates__date__back="todya"
    )
    assert "'todya' is not a day" in form.at("dates")[0].words
    assert ("dates.date.back", "todya") in sent(shown(form))


def test_partition_is_refused_with_its_reason_where_rows_have_no_day() -> None:
    form = opened(DAILY | {"time_dimension": "none"})
    assert "partition" not in {method.value for method in form.update.methods}
    form = with_everything(DAILY | {"time_dimension": "none"})
    refusal = {method.value: method.refusal for method in form.update.methods}["partition"]
    assert refusal is not None
    assert "time dimension" in refusal
    assert form.update.key == ("advertiser_id", "ad_id", "start_date")
    for dates in ({"start": "someday", "end": "yesterday"}, {"start": "today-7", "end": "yesterday"}):
        for time in ("none", "day"):
            form = with_everything(DAILY | {"time_dimension": time, "dates": dates})
            refusals = {option.value: option.refusal for option in form.update.methods}
            assert (refusals["partition"] is None) == (time == "day"), (dates, time)


def test_every_choice_that_cannot_be_made_has_its_reason_in_words_that_belong_to_its_field() -> None:
    fields = {**fields_of(DAILY).values, "metrics.search": ("cash",), "unavailable": ("yes",)}
    page = shown(form_of(FormFields(fields), AROUND))
    assert 'id="f-id_dimension-campaign_id" name="id_dimension" value="campaign_id" disabled' in page
    assert "Requires data level: Campaign" in page
    assert 'aria-describedby="meaning-id_dimension said-id_dimension why-id_dimension-advertiser_id' in page
    assert 'value="cash_spend" aria-disabled="true" aria-describedby="why-metrics-cash_spend"' in page


def test_ids_of_a_page_are_unique_and_what_describes_a_field_is_there() -> None:
    for name in catalog.REPORTS:
        more = {"dates.kind": "range", "unavailable": "yes"}
        for fields in ({}, {"advertisers.how": "picked"}, {"advertisers.how": "typed", **more}):
            page = shown(
                form_of(
                    FormFields.of([("report", name), ("account", "demo"), ("data_level", "ad"), *fields.items()]),
                    AROUND,
                )
            )
            ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
            assert len(ids) == len(set(ids)), [identifier for identifier in ids if ids.count(identifier) > 1]
            for part in page.split('aria-describedby="')[1:]:
                assert set(part.split('"')[0].split()) <= set(ids)
            for part in page.split(' for="')[1:]:
                assert part.split('"')[0] in ids


def test_no_template_and_no_code_of_the_form_knows_a_report_by_name() -> None:
    web = Path(__file__).parent.parent / "src/adreel/web"
    forms = (web / "forms").glob("*.py")
    code = [*forms, web.parent / "datasets/fitting.py", web.parent / "datasets/values.py", web / "pages/details.py"]
    names = {name for name in catalog.REPORTS if name not in ("advertisers", "business_centers")}
    for path in (*code, *(web / "templates").glob("*details*.html")):
        text = path.read_text()
        assert not [name for name in names if json.dumps(name) in text or f"'{name}'" in text], path.name


def test_every_period_and_every_required_menu_has_its_words() -> None:
    assert tuple(PERIOD_TITLES) == tuple(PERIOD_WORDS) == PERIODS
    required = {menu.name for report in catalog.REPORTS.values() for menu in report.menus if menu.required}
    assert required <= set(OBJECTS)
