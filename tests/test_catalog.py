"""The catalogue's data walked through for contradictions, and the traps of TikTok's names pinned one by one."""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel import catalog
from adreel.catalog import legacy
from adreel.catalog.records import LEVELS, DimensionKind, Metric, ValueType

METRICS = catalog.metrics()
DIMENSIONS = catalog.dimensions()
FIELDS = catalog.fields()

REPORT_TYPES = {
    "BASIC",
    "AUDIENCE",
    "CREATIVE",
    "CATALOG",
    "PLAYABLE_MATERIAL",
    "BC",
    "TT_SHOP",
    "SMART_PLUS",
    "GMV_MAX",
    "SPC_REPORT",
}
UNITS = {"money": {"account_currency"}, "int": {"count"}, "rate": {"percent"}, "ratio": {"ratio"}}
EVERYWHERE = [
    "spend",
    "impressions",
    "clicks",
    "ctr",
    "cpc",
    "cpm",
    "reach",
    "frequency",
    "cost_per_1000_reached",
    "conversion",
    "cost_per_conversion",
    "conversion_rate",
    "real_time_conversion",
    "real_time_cost_per_conversion",
    "real_time_conversion_rate",
    "result",
    "cost_per_result",
    "result_rate",
    "real_time_result",
    "real_time_cost_per_result",
    "real_time_result_rate",
    "secondary_goal_result",
    "cost_per_secondary_goal_result",
    "secondary_goal_result_rate",
    "video_play_actions",
    "video_watched_2s",
    "video_watched_6s",
    "average_video_play",
    "average_video_play_per_user",
    "video_views_p25",
    "video_views_p50",
    "video_views_p75",
    "video_views_p100",
    "profile_visits",
    "profile_visits_rate",
    "likes",
    "comments",
    "shares",
    "follows",
    "clicks_on_music_disc",
]


def lines(name: str) -> list[dict[str, str]]:
    text = files("adreel.catalog").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def those(wrong: Callable[[Metric], object]) -> list[str]:
    return [metric.name for metric in METRICS.values() if wrong(metric)]


def formula(name: str) -> tuple[int, str | None, str | None]:
    metric = METRICS[name]
    return metric.scale, metric.numerator, metric.denominator


def unfit(meaning: str, title: str) -> bool:
    """Whether a meaning is no sentence of its own."""
    return not re.fullmatch(r"[A-Z0-9].{10,}\.", meaning) or "  " in meaning or meaning.rstrip(".") == title


# The whole


def test_the_catalogue_has_every_known_metric_and_dimension() -> None:
    assert (len(METRICS), len(DIMENSIONS)) == (1184, 56)


@pytest.mark.parametrize("name", ["metrics.csv", "dimensions.csv"])
def test_no_line_repeats_the_name_of_another(name: str) -> None:
    counted = Counter(line["name"] for line in lines(name))
    assert [word for word, count in counted.items() if count > 1] == []


def test_a_report_has_no_field_twice() -> None:
    counted = Counter((line["report"], line["name"]) for line in lines("fields.csv"))
    assert [pair for pair, count in counted.items() if count > 1] == []


def test_every_name_is_in_snake_case() -> None:
    names = [*METRICS, *DIMENSIONS, *(field.name for fields in FIELDS.values() for field in fields)]
    assert [name for name in names if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name)] == []


def test_every_record_is_found_under_its_own_name() -> None:
    assert all(name == metric.name for name, metric in METRICS.items())
    assert all(name == dimension.name for name, dimension in DIMENSIONS.items())


@pytest.mark.parametrize("name", ["metrics.csv", "dimensions.csv"])
def test_yes_no_cells_have_no_other_value(name: str) -> None:
    switches = ("attribute", "additive", "id_and_day_only", "lifetime")
    values = {line[column] for line in lines(name) for column in switches if column in line}
    assert values == {"", "yes"}
    assert {line["sure"] for line in lines(name)} == {"", "no"}


def test_the_data_are_read_once_and_cannot_be_changed() -> None:
    assert catalog.metrics() is METRICS
    for mapping in (METRICS, DIMENSIONS, FIELDS):
        with pytest.raises(TypeError):
            mapping["spend"] = None  # type: ignore[index]  # that it is refused is what is asked


def test_the_catalogue_imports_nothing_of_adreel_but_itself_errors_and_language() -> None:
    modules = set()
    for path in files("adreel.catalog").iterdir():
        if path.name.endswith(".py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                modules |= {node.module} if isinstance(node, ast.ImportFrom) else set()
                modules |= {name.name for name in node.names} if isinstance(node, ast.Import) else set()
    adreel_modules = {name for name in modules if name and name.split(".")[0] == "adreel"}
    assert adreel_modules
    allowed = ("adreel.catalog", "adreel.errors", "adreel.language")
    assert {name for name in adreel_modules if not name.startswith(allowed)} == set()


# Metrics


def test_metrics_use_known_words_only() -> None:
    assert those(lambda m: m.type not in get_args(ValueType)) == []
    assert those(lambda m: not m.reports or m.reports - REPORT_TYPES) == []
    assert those(lambda m: not m.levels or m.levels - set(LEVELS)) == []
    assert those(lambda m: m.doubtful - REPORT_TYPES - set(LEVELS) - set(DIMENSIONS)) == []


def test_the_unit_of_a_metric_follows_from_its_type() -> None:
    assert those(lambda m: m.type in UNITS and m.unit not in UNITS[m.type]) == []
    assert those(lambda m: m.type == "float" and m.unit not in ("seconds", "per_user")) == []
    assert those(lambda m: m.type in ("string", "bool", "list") and m.unit) == []


def test_a_metric_has_both_parts_of_its_formula_or_none() -> None:
    assert those(lambda m: (m.numerator is None) != (m.denominator is None)) == []
    assert those(lambda m: m.numerator is None and m.scale != 1) == []
    assert len(those(lambda m: m.numerator)) > 500


def test_the_parts_of_a_formula_are_metrics_that_share_a_report_with_it() -> None:
    parts = [(m, part) for m in METRICS.values() for part in (m.numerator, m.denominator) if part]
    assert [(m.name, part) for m, part in parts if part not in METRICS] == []
    assert [(m.name, part) for m, part in parts if not m.reports & METRICS[part].reports] == []
    assert [(m.name, part) for m, part in parts if METRICS[part].numerator or METRICS[part].attribute] == []


def test_the_parts_of_a_formula_give_the_type_of_the_whole() -> None:
    allowed_parts = {
        "money": {("money", "int", 1), ("money", "int", 1000)},
        "rate": {("int", "int", 100)},
        "ratio": {("money", "money", 1)},
        "float": {("int", "int", 1)},
    }

    def wrong(metric: Metric) -> bool:
        if metric.numerator is None or metric.denominator is None:
            return False
        parts = (METRICS[metric.numerator].type, METRICS[metric.denominator].type, metric.scale)
        return parts not in allowed_parts[metric.type]

    assert those(wrong) == []


def test_a_thousand_is_the_scale_of_what_is_paid_for_a_thousand() -> None:
    assert those(lambda m: m.scale == 1000) == ["cpm", "cost_per_1000_reached"]


def test_only_counts_and_money_may_be_summed() -> None:
    assert those(lambda m: m.additive and m.type not in ("int", "money")) == []


def test_nothing_that_is_one_figure_per_another_may_be_summed() -> None:
    assert those(lambda m: m.additive and m.numerator) == []
    averages = re.compile(r"^cost_per_|^value_per_|_(cost|value)_per_|^avg_|^cp[cm]$")
    named = those(lambda m: averages.search(m.name) and m.type == "money" and m.name != "total_value_per_pageview")
    assert len(named) > 300
    assert [name for name in named if METRICS[name].additive] == []


def test_nothing_that_is_freed_of_duplicates_may_be_summed() -> None:
    unique = those(lambda m: "unique" in m.name or m.title.lower().startswith("unique"))
    people = [
        "reach",
        "frequency",
        "result",
        "real_time_result",
        "skan_result",
        "secondary_goal_result",
        "new_consideration_size",
    ]
    assert len(unique) > 90
    assert [name for name in (*unique, *people, "live_play_count") if METRICS[name].additive] == []


def test_the_unique_count_of_an_app_event_is_next_to_the_one_that_may_be_summed() -> None:
    pairs = {m.name: f"total_{m.name}" for m in METRICS.values() if f"total_{m.name}" in METRICS and m.type == "int"}
    app = {name: total for name, total in pairs.items() if METRICS[name].group == "app_event"}
    assert len(app) > 25
    assert [name for name in app if METRICS[name].additive] == []
    assert [total for total in app.values() if not METRICS[total].additive] == []


def test_what_is_spent_shown_and_clicked_may_be_summed() -> None:
    summable = [
        "spend",
        "billed_cost",
        "impressions",
        "clicks",
        "conversion",
        "real_time_conversion",
        "video_play_actions",
        "likes",
    ]
    assert [name for name in summable if not METRICS[name].additive] == []


def test_attributes_are_no_figures() -> None:
    attributes = those(lambda m: m.attribute)
    assert {"campaign_name", "budget", "bid", "currency", "campaign_budget"} <= set(attributes)
    assert [name for name in attributes if METRICS[name].additive or METRICS[name].numerator] == []
    assert those(lambda m: m.type in ("string", "bool", "list") and not m.attribute) == []


def test_metrics_need_and_refuse_dimensions_that_exist() -> None:
    assert those(lambda m: (m.needs_any | m.refuses) - set(DIMENSIONS)) == []
    assert those(lambda m: m.needs_any & m.refuses) == []
    assert those(lambda m: m.id_and_day_only and m.needs_any - {"stat_time_day"}) == []


def test_a_metric_that_needs_a_dimension_shares_a_report_and_a_level_with_it() -> None:
    def wrong(metric: Metric) -> bool:
        needed = [DIMENSIONS[name] for name in metric.needs_any]
        return any(not metric.reports & other.reports or not metric.levels & other.levels for other in needed)

    assert those(wrong) == []
    assert METRICS["single_image_ctr"].needs_any == {"image_id"}
    assert METRICS["behavior_name"].needs_any == {"behavior_id"}
    assert METRICS["ad_text_list"].needs_any == {"ad_id_v2"}


def test_a_level_names_only_its_own_attributes_and_those_of_its_parents() -> None:
    assert METRICS["campaign_id"].levels == {"adgroup", "ad"}
    assert METRICS["adgroup_name"].levels == {"adgroup", "ad"}
    assert METRICS["campaign_name"].levels == {"campaign", "adgroup", "ad"}
    assert METRICS["ad_name"].levels == {"ad"}
    assert METRICS["currency"].levels == set(LEVELS)


def test_the_metrics_that_every_connector_reads_go_with_every_basic_level() -> None:
    plain = [METRICS[name] for name in EVERYWHERE]
    assert [m.name for m in plain if m.levels != set(LEVELS) or "BASIC" not in m.reports or m.needs_any] == []
    assert [m.name for m in plain if m.id_and_day_only or m.attribute] == []


def test_audience_reports_give_conversions_by_age_and_gender() -> None:
    for name in ("spend", "impressions", "clicks", "ctr", "cpc", "cpm", "conversion"):
        assert "AUDIENCE" in METRICS[name].reports
        assert not METRICS[name].refuses & {"age", "gender"}
        assert {"adgroup", "ad"} <= METRICS[name].levels


def test_twins_are_the_same_figure_elsewhere_and_know_each_other() -> None:
    assert those(lambda m: m.name in m.twins or len(set(m.twins)) < len(m.twins)) == []
    assert those(lambda m: any(m.name not in METRICS[twin].twins for twin in m.twins)) == []
    assert those(lambda m: any(METRICS[twin].type != m.type for twin in m.twins)) == []
    assert len(those(lambda m: m.twins)) > 400


def test_a_purchase_has_twins_in_the_app_on_the_website_on_tiktok_in_the_shop_and_offline() -> None:
    assert set(METRICS["complete_payment"].twins) == {
        "purchase",
        "total_purchase",
        "onsite_total_purchase",
        "onsite_unique_purchase",
        "onsite_shopping",
        "offline_shopping_events",
    }
    assert "total_purchase" not in METRICS["purchase"].twins
    assert "total_complete_payment_rate" in METRICS["total_purchase_value"].twins
    assert METRICS["search"].twins == ("page_event_search", "offline_search_events")


def test_every_metric_has_a_meaning_of_its_own() -> None:
    assert those(lambda m: unfit(m.meaning, m.title)) == []
    counted = Counter(metric.meaning for metric in METRICS.values())
    assert [meaning for meaning, count in counted.items() if count > 1] == []


def test_meanings_say_how_a_conversion_was_credited() -> None:
    kinds = {"vta": "(view-through)", "cta": "(click-through)", "evta": "(engaged view-through)"}
    for short, words in kinds.items():
        credited = [m for m in METRICS.values() if re.search(rf"(^|_){short}_", m.name)]
        assert credited
        assert [m.name for m in credited if words not in m.meaning] == []


def test_skan_metrics_name_the_network_that_they_come_from() -> None:
    assert those(lambda m: m.name.startswith("skan_") and "SKAdNetwork" not in m.meaning) == []


# Traps


def test_the_website_purchase_value_is_money_although_its_name_says_rate() -> None:
    value = METRICS["total_complete_payment_rate"]
    assert (value.type, value.unit, value.additive) == ("money", "account_currency", True)
    assert METRICS["complete_payment_roas"].type == "ratio"
    assert formula("complete_payment_roas") == (1, "total_complete_payment_rate", "spend")
    assert formula("value_per_complete_payment") == (1, "total_complete_payment_rate", "complete_payment")


def test_the_page_view_value_is_a_total_although_its_name_says_per() -> None:
    assert METRICS["total_value_per_pageview"].additive
    assert formula("avg_value_per_pageview") == (1, "total_value_per_pageview", "total_pageview")


def test_names_that_tiktok_spells_oddly_are_spelt_so() -> None:
    assert formula("cost_pre_ad_impression_event") == (1, "spend", "ads_impression_events")
    assert formula("cost_total_add_payment_info") == (1, "spend", "total_add_payment_info")
    assert METRICS["product_cta"].type == "rate"
    assert METRICS["pageview_rate"].type == "rate"


def test_names_that_other_clients_misspell_are_not_there() -> None:
    wrong = [
        "cost_per_ad_impression_event",
        "tageview_rate",
        "on_web_subscribe_rate",
        "on_web_add_to_wishlist_rate",
        "offline_registration_events",
        "offline_registration_event_rate",
        "offline_perferred_leads",
    ]
    assert [name for name in wrong if name in METRICS] == []
    assert {"offline_complete_registration_events", "offline_preferred_leads", "on_web_subscribe_per_click"} <= set(
        METRICS
    )


def test_smart_plus_spells_onsite_purchase_values_its_own_way() -> None:
    for day in (0, 6, 13):
        assert METRICS[f"onsite_total_purchase_value_day{day}"].reports == {"BASIC"}
        assert METRICS[f"onsite_purchase_value_day{day}"].reports == {"SMART_PLUS"}


def test_placement_is_a_dimension_and_no_metric() -> None:
    assert "placement" not in METRICS
    assert DIMENSIONS["placement"].reports == {"AUDIENCE"}
    assert METRICS["placement_type"].attribute


def test_conversion_rates_rest_on_impressions() -> None:
    assert formula("conversion_rate") == (100, "conversion", "impressions") == formula("conversion_rate_v2")
    assert formula("real_time_conversion_rate") == (100, "real_time_conversion", "impressions")


def test_core_figures_are_made_of_their_parts() -> None:
    assert formula("ctr") == (100, "clicks", "impressions")
    assert formula("cpc") == (1, "spend", "clicks")
    assert formula("cpm") == (1000, "spend", "impressions")
    assert formula("frequency") == (1, "impressions", "reach")
    assert formula("cost_per_conversion") == (1, "spend", "conversion")
    assert formula("real_time_app_install_cost") == (1, "spend", "real_time_app_install")


def test_app_event_rates_rest_on_installs_and_website_rates_on_clicks() -> None:
    assert formula("registration_rate") == (100, "registration", "app_install")
    assert formula("landing_page_view_rate") == (100, "total_landing_page_view", "clicks")


def test_a_website_rate_of_unique_events_has_no_formula_as_its_count_is_not_reported() -> None:
    assert formula("complete_payment_rate") == (1, None, None)


def test_cash_and_vouchers_are_known_at_account_level_only() -> None:
    for name in ("cash_spend", "voucher_spend"):
        assert METRICS[name].levels == {"advertiser"}
        assert METRICS[name].id_and_day_only


def test_metrics_of_people_do_not_go_with_ad_type() -> None:
    people = (
        "reach",
        "frequency",
        "cost_per_1000_reached",
        "average_video_play_per_user",
        "result",
        "live_unique_views",
    )
    assert all("ad_type" in METRICS[name].refuses for name in people)
    assert set(people) <= DIMENSIONS["ad_type"].refuses


def test_the_two_kinds_of_ad_id_exclude_each_other() -> None:
    assert METRICS["ad_id"].refuses == {"ad_id_v2"}
    assert METRICS["ad_id_v2"].refuses == {"ad_id"}


def test_engaged_view_attribution_and_native_growth_go_with_an_id_and_day_only() -> None:
    bound = those(lambda m: m.id_and_day_only)
    assert {"evta_purchase", "paid_engaged_view", "onsite_destination_visits", "new_consideration_size"} <= set(bound)
    assert those(lambda m: m.name.startswith("native_growth_") and not m.id_and_day_only) == []


# Dimensions


def test_dimensions_use_known_words_only() -> None:
    for dimension in DIMENSIONS.values():
        assert dimension.kind in get_args(DimensionKind)
        assert dimension.reports
        assert dimension.reports <= REPORT_TYPES
        assert dimension.levels
        assert dimension.levels <= set(LEVELS)
        assert dimension.times
        assert dimension.times <= {"none", "day", "hour"}
        assert dimension.doubtful <= dimension.levels | dimension.times | {"lifetime"}


def test_dimensions_have_the_type_of_what_they_name() -> None:
    odd = {name: dimension.type for name, dimension in DIMENSIONS.items() if dimension.type != "string"}
    assert odd == {"stat_time_day": "day", "stat_time_hour": "hour"}


def test_each_level_has_its_id_and_no_other() -> None:
    ids = {"advertiser_id": "advertiser", "campaign_id": "campaign", "adgroup_id": "adgroup", "ad_id": "ad"}
    assert {name: DIMENSIONS[name].levels for name in ids} == {name: {level} for name, level in ids.items()}
    assert DIMENSIONS["ad_id_v2"].levels == {"ad"}


def test_pairs_of_dimensions_are_named_from_both_sides_and_share_a_report() -> None:
    for dimension in DIMENSIONS.values():
        for other in dimension.pairs:
            assert other != dimension.name
            assert dimension.name in DIMENSIONS[other].pairs
            assert dimension.reports & DIMENSIONS[other].reports


def test_only_age_and_gender_of_the_audience_dimensions_combine() -> None:
    paired = {name for name, d in DIMENSIONS.items() if d.kind == "audience" and d.pairs}
    assert paired == {"age", "gender"}
    assert DIMENSIONS["search_keyword"].pairs == {"match_type"}
    assert DIMENSIONS["country_code"].pairs == {"playable_id"}


def test_of_audience_dimensions_only_buckets_go_with_hours() -> None:
    hourly = {name for name, d in DIMENSIONS.items() if d.kind == "audience" and "hour" in d.times}
    assert hourly == {"bucket_id"}


def test_interests_and_device_brands_have_no_time() -> None:
    timeless = {name for name, d in DIMENSIONS.items() if d.kind == "audience" and d.times == {"none"}}
    interests = {name for name in DIMENSIONS if name.startswith("interest_category")}
    assert len(interests) == 5
    assert timeless == interests | {"device_brand_id"}


def test_no_place_time_or_audience_goes_with_lifetime() -> None:
    refused = {name for name, d in DIMENSIONS.items() if not d.lifetime and "BASIC" in d.reports}
    assert refused == {"country_code", "stat_time_day", "stat_time_hour"}
    assert [name for name, d in DIMENSIONS.items() if d.kind == "audience" and d.lifetime] == []


def test_countries_by_the_hour_are_allowed_though_not_sure() -> None:
    country = DIMENSIONS["country_code"]
    assert country.times == {"none", "day", "hour"}
    assert country.doubtful == {"hour"}


def test_search_terms_are_not_given_for_ads() -> None:
    for name in ("search_terms", "search_keyword", "match_type"):
        assert DIMENSIONS[name].levels == {"advertiser", "campaign", "adgroup"}


def test_a_dimensions_list_of_metrics_holds_known_ones_that_do_not_refuse_it() -> None:
    for dimension in DIMENSIONS.values():
        assert dimension.metrics <= set(METRICS)
        assert not dimension.metrics & dimension.refuses
        unreported = {name for name in dimension.metrics if not METRICS[name].reports & dimension.reports}
        assert {METRICS[name].group for name in unreported} <= {"attribute"}


def test_keywords_take_six_metrics_and_no_more() -> None:
    six = {"spend", "cpc", "cpm", "impressions", "clicks", "ctr"}
    assert DIMENSIONS["search_keyword"].metrics == six == DIMENSIONS["match_type"].metrics


def test_countries_take_the_core_metrics_and_names_but_no_purchase_value() -> None:
    takes = DIMENSIONS["country_code"].metrics
    assert {"spend", "reach", "result", "conversion", "purchase", "engaged_view", "campaign_name", "ad_name"} <= takes
    assert not {"total_complete_payment_rate", "onsite_total_purchase", "cash_spend"} & takes


def test_metrics_and_dimensions_agree_on_what_refuses_what() -> None:
    for dimension in DIMENSIONS.values():
        assert dimension.refuses == {m.name for m in METRICS.values() if dimension.name in m.refuses}


def test_catalogue_dimensions_are_marked_as_weak() -> None:
    weak = {name for name, d in DIMENSIONS.items() if d.reports == {"CATALOG"}}
    assert weak == {"catalog_id", "product_set_id", "product_id", "sku_id"}
    assert not any(DIMENSIONS[name].sure for name in weak)


def test_every_dimension_has_a_title_and_a_meaning_of_its_own() -> None:
    assert [d.name for d in DIMENSIONS.values() if not d.title or unfit(d.meaning, d.title)] == []
    assert len({dimension.title for dimension in DIMENSIONS.values()}) == len(DIMENSIONS)


# Fields


def test_every_report_with_fields_to_choose_has_them() -> None:
    choosing = {
        report.name for report in catalog.REPORTS.values() if any(menu.source == "fields" for menu in report.menus)
    }
    assert choosing <= set(FIELDS)
    assert set(FIELDS) - choosing == {"custom_audiences", "custom_audience_details"}
    assert set(FIELDS) <= set(catalog.REPORTS)


def test_fields_have_known_types_and_meanings() -> None:
    all_fields = [field for fields in FIELDS.values() for field in fields]
    assert [field.name for field in all_fields if field.type not in get_args(ValueType)] == []
    assert [field.name for field in all_fields if unfit(field.meaning, field.name)] == []


def types(report: str) -> dict[str, ValueType]:
    return {field.name: field.type for field in FIELDS[report]}


def types_of(report: str, ending: str) -> set[ValueType]:
    return {kind for name, kind in types(report).items() if name.endswith(ending)}


@pytest.mark.parametrize("report", FIELDS)
def test_ids_are_texts_and_times_are_times(report: str) -> None:
    assert types_of(report, "_id") - {"list"} == {"string"}
    assert types_of(report, "_ids") <= {"list"}
    assert types_of(report, "_time") <= {"time"}
    assert {kind for name, kind in types(report).items() if name.startswith("is_")} <= {"bool"}


def test_budgets_bids_and_balances_are_money() -> None:
    groups = types("ad_groups")
    priced = ("budget", "scheduled_budget", "bid_price", "conversion_bid_price", "deep_cpa_bid", "rf_estimated_cpr")
    assert {groups[name] for name in priced} == {"money"}
    assert types("campaigns")["budget"] == types("advertisers")["balance"] == "money"
    assert groups["roas_bid"] == groups["rf_estimated_frequency"] == "float"


def test_advertisers_and_ads_say_when_they_were_made() -> None:
    assert types("advertisers")["create_time"] == types("ads")["create_time"] == types("ads")["modify_time"] == "time"


def test_entities_carry_the_ids_that_name_them() -> None:
    keys = {
        "campaigns": {"advertiser_id", "campaign_id"},
        "ad_groups": {"advertiser_id", "campaign_id", "adgroup_id"},
        "ads": {"advertiser_id", "campaign_id", "adgroup_id", "ad_id"},
        "advertisers": {"advertiser_id", "currency", "timezone"},
        "custom_audiences": {"audience_id"},
        "custom_audience_details": {"audience_id", "audience_history"},
        "creatives": {"material_id", "video_id", "image_id", "page_id"},
    }
    assert {report: names - set(types(report)) for report, names in keys.items()} == {name: set() for name in keys}


# Older names


def test_every_rule_of_the_older_connector_is_there() -> None:
    assert [len(rule) for rule in (legacy.RULE_A, legacy.RULE_B, legacy.RULE_C)] == [14, 15, 14]
    assert catalog.LEGACY_RULE_A is legacy.RULE_A
    assert catalog.LEGACY_RULE_B is legacy.RULE_B
    assert catalog.LEGACY_RULE_C is legacy.RULE_C


def test_both_names_of_a_renamed_metric_lead_to_the_current_one() -> None:
    for pair in legacy.RULE_A:
        assert pair.second == f"time_attr_{pair.first}"
        assert legacy.current_name(pair.first) == legacy.current_name(pair.second) == pair.name
        assert pair.name in METRICS
    assert legacy.current_name("active_pay_click_cost") == "cost_per_cta_purchase"
    assert legacy.current_name("time_attr_active_register_show") == "vta_registration"


def test_both_metrics_of_a_shared_title_are_current_ones_with_a_title_of_two() -> None:
    assert [p for p in legacy.RULE_B if p.first not in METRICS or p.second not in METRICS] == []
    assert len({pair.name for pair in legacy.RULE_B}) == len(legacy.RULE_B)
    assert legacy.LegacyPair("add_billing", "total_add_payment_info", "Total Add Payment Info") in legacy.RULE_B


def test_the_oldest_name_comes_first_where_two_old_names_share_a_column() -> None:
    assert [(p.second, p.first, p.name) for p in legacy.RULE_C] == [(p.first, p.second, p.name) for p in legacy.RULE_A]


def test_every_older_name_leads_to_a_metric_or_dimension_of_today() -> None:
    assert [old for old, new in legacy.OLDER_NAMES.items() if new not in METRICS and new not in DIMENSIONS] == []
    assert [old for old in legacy.OLDER_NAMES if old in METRICS or old in DIMENSIONS] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("stat_cost", "spend"),
        ("show_cnt", "impressions"),
        ("click_cnt", "clicks"),
        ("convert_cnt", "real_time_conversion"),
        ("time_attr_convert_cnt", "conversion"),
        ("time_attr_effect_cnt", "result"),
        ("country_id", "country_code"),
        ("placement_id", "placement"),
        ("spend", "spend"),
        ("conversion_rate", "conversion_rate"),
        ("stat_datetime", None),
        ("no_longer_offered", None),
    ],
)
def test_an_old_name_has_the_current_name_or_none(old: str, new: str | None) -> None:
    assert legacy.current_name(old) == new


@given(st.text() | st.sampled_from(sorted({*METRICS, *DIMENSIONS, *legacy.OLDER_NAMES})))
def test_a_current_name_is_known_and_stays_what_it_is(old: str) -> None:
    name = legacy.current_name(old)
    assert name is None or ((name in METRICS or name in DIMENSIONS) and legacy.current_name(name) == name)
    assert legacy.column_name(old) == (name or old)
