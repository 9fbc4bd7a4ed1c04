"""What a report takes, refuses and returns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from adreel import catalog
from adreel.simulator import access_token
from simulator_client import BASE, EVERYTHING, LEVELS, REPORT, TODAY, Sim, added, as_query, ids_filter, world

SIM = Sim()
INVALID_METRIC = "Please correct the information in invalid metric fields and try again. Invalid metric fields: "
CONFLICT = "Conflict occurs. The input params including metrics and dimensions have no relation."


# --- strict reports -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["report_type", "dimensions", "data_level", "start_date", "end_date"])
def test_a_required_field_that_is_missing_is_named(name: str) -> None:
    assert SIM.refused(**{name: None}) == f"Missing required field(s): {name}."


def test_a_report_needs_an_advertiser() -> None:
    assert SIM.refused(advertiser_id=None) == "Missing required field(s): advertiser_id."


@pytest.mark.parametrize(
    "changes",
    [
        {"report_type": "EVERYTHING"},
        {"data_level": "AUCTION_EVERYTHING"},
        {"data_level": "RESERVATION_CAMPAIGN"},
        {"service_type": "RESERVATION"},
        {"dimensions": "campaign_id"},
        {"dimensions": '["campaign_id"'},
        {"dimensions": {"campaign_id": 1}},
        {"dimensions": [1]},
        {"dimensions": []},
        {"dimensions": ["campaign_id", "campaign_id"]},
        {"dimensions": ["campaign_id", "planet"]},
        {"dimensions": ["campaign_id", "gender"]},
        {"metrics": "spend"},
        {"start_date": "2026-8-1"},
        {"start_date": "20260801"},
        {"start_date": "2026-08-08"},
        {"end_date": "2026-02-30"},
        {"page": "0"},
        {"page": "one"},
        {"page_size": "0"},
        {"page_size": "1001"},
        {"order_field": "campaign_name"},
        {"order_field": "nonsense"},
        {"order_type": "UP"},
        {"query_lifetime": "1"},
        {"enable_total_metrics": "yes"},
        {"advertiser_ids": "12"},
        {"advertiser_ids": [SIM.ids[0]] * 6},
        {"advertiser_ids": []},
    ],
)
def test_a_parameter_that_is_not_in_order_is_refused(changes: dict[str, object]) -> None:
    SIM.refused(**changes)


@pytest.mark.parametrize(
    "dimensions",
    [
        ["ad_id"],
        ["stat_time_day"],
        ["campaign_id", "adgroup_id"],
        ["campaign_id", "stat_time_day", "stat_time_hour"],
        ["campaign_id", "country_code", "ad_type"],
        ["campaign_id", "match_type"],
        ["campaign_id", "ad_type", "stat_time_hour"],
        ["campaign_id", "image_id"],
        ["country_code"],
    ],
)
def test_dimensions_that_do_not_go_together_conflict(dimensions: list[str]) -> None:
    assert SIM.refused(dimensions=dimensions, metrics=["spend"], end_date="2026-08-01") == CONFLICT


def test_search_terms_do_not_come_at_ad_level() -> None:
    refusal = SIM.refused(data_level="AUCTION_AD", dimensions=["ad_id", "search_terms"], metrics=["spend"])
    assert refusal == CONFLICT


@pytest.mark.parametrize(
    "dimensions",
    [["stat_time_day"], ["country_code"], ["advertiser_id", "country_code", "stat_time_day"], ["advertiser_id"]],
)
def test_an_account_may_be_broken_down_without_an_id(dimensions: list[str]) -> None:
    assert SIM.report(data_level="AUCTION_ADVERTISER", dimensions=dimensions)["list"]


def test_audience_reports_want_exactly_one_audience_dimension_or_age_with_gender() -> None:
    audience = {"report_type": "AUDIENCE"}
    for wrong in ([], ["age", "platform"], ["gender", "stat_time_hour"], ["interest_category", "stat_time_day"]):
        assert SIM.refused(dimensions=["campaign_id", *wrong], end_date="2026-08-01", **audience) == CONFLICT
    for right in (["age"], ["age", "gender"], ["interest_category"], ["platform", "stat_time_day"]):
        assert SIM.report(dimensions=["campaign_id", *right], **audience)["list"]


def test_interest_rows_carry_the_newer_category_beside_the_old_one() -> None:
    (row, *_) = SIM.report(report_type="AUDIENCE", dimensions=["campaign_id", "interest_category"])["list"]
    assert row["dimensions"]["interest_category"] == row["dimensions"]["interest_category_v2"]


def test_audience_values_are_tiktoks_words() -> None:
    rows = SIM.rows(report_type="AUDIENCE", dimensions=["campaign_id", "age", "gender"])
    seen = {(row["dimensions"]["age"], row["dimensions"]["gender"]) for row in rows}
    assert {age for age, _ in seen} <= {
        "AGE_13_17",
        "AGE_18_24",
        "AGE_25_34",
        "AGE_35_44",
        "AGE_45_54",
        "AGE_55_100",
    }
    assert {gender for _, gender in seen} == {"FEMALE", "MALE", "NONE"}


@pytest.mark.parametrize(
    ("dimensions", "longest"),
    [(["campaign_id", "stat_time_hour"], 1), (["campaign_id", "stat_time_day"], 30), (["campaign_id"], 365)],
)
def test_the_longest_range_depends_on_the_time_dimension(dimensions: list[str], longest: int) -> None:
    start = date(2025, 3, 1)
    params = {"dimensions": dimensions, "start_date": start.isoformat()}
    SIM.report(end_date=(start + timedelta(days=longest - 1)).isoformat(), **params)
    assert str(longest) in SIM.refused(end_date=(start + timedelta(days=longest)).isoformat(), **params)


def test_a_wrong_metric_refuses_the_whole_report_and_is_named() -> None:
    assert SIM.refused(metrics=["spend", "placement", "x"]) == INVALID_METRIC + "['placement', 'x']. "


@pytest.mark.parametrize(
    ("level", "name"),
    [("campaign", "ad_name"), ("adgroup", "ad_id"), ("campaign", "cash_spend"), ("ad", "gross_revenue")],
)
def test_a_metric_of_another_level_or_report_is_invalid(level: str, name: str) -> None:
    data_level, identity = LEVELS[level]
    assert SIM.refused(data_level=data_level, dimensions=[identity], metrics=[name]).startswith(INVALID_METRIC)


def test_attributes_need_an_id() -> None:
    params = {"data_level": "AUCTION_ADVERTISER", "dimensions": ["stat_time_day"]}
    assert SIM.refused(metrics=["spend", "currency"], **params).startswith(INVALID_METRIC)


def test_people_are_not_counted_by_ad_type() -> None:
    params = {"dimensions": ["campaign_id", "ad_type"]}
    assert SIM.refused(metrics=["spend", "reach"], **params) == CONFLICT
    assert SIM.report(metrics=["spend"], **params)["list"]


def test_a_lifetime_has_no_dates_no_days_and_no_countries() -> None:
    lifetime = {"query_lifetime": True}
    assert SIM.get(
        REPORT, **{**_without(SIM.basic(), "start_date", "end_date"), "dimensions": ["campaign_id"], **lifetime}
    )["data"]["list"]
    SIM.refused(**lifetime)
    SIM.refused(dimensions=["campaign_id", "country_code"], **lifetime)
    SIM.refused(report_type="AUDIENCE", dimensions=["campaign_id", "gender"], **lifetime)


def _without(params: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in params.items() if name not in names}


def test_totals_are_refused_where_tiktok_has_none() -> None:
    totals = {"enable_total_metrics": True}
    SIM.refused(dimensions=["campaign_id", "country_code"], **totals)
    SIM.refused(dimensions=["campaign_id", "stat_time_hour"], end_date="2026-08-01", **totals)
    SIM.refused(report_type="AUDIENCE", dimensions=["campaign_id", "gender"], **totals)


@pytest.mark.parametrize(
    "filtering",
    [
        {"campaign_ids": ["1"]},
        ["campaign_ids"],
        [{"field_name": "campaign_ids", "filter_type": "IN", "filter_value": ["1"]}],
        [{"field_name": "campaign_ids", "filter_type": "IN", "filter_value": "1"}],
        [{"field_name": "campaign_ids", "filter_type": "IN", "filter_value": "[1]"}],
        [{"field_name": "campaign_ids", "filter_type": "IN", "filter_value": "[]"}],
        [{"field_name": "campaign_ids", "filter_type": "LIKE", "filter_value": '["1"]'}],
        [{"field_name": "campaign_ids", "filter_type": "MATCH", "filter_value": '["1"]'}],
        [{"field_name": "country_code", "filter_type": "IN", "filter_value": '["US"]'}],
        [{"field_name": "campaign_status", "filter_type": "IN", "filter_value": '["ALL"]'}],
        [{"field_name": "buying_type", "filter_type": "IN", "filter_value": '["CASH"]'}],
        ids_filter("campaign_ids", ["1"] * 101),
        ids_filter("ad_ids_v2", ["1"]),
    ],
)
def test_a_filter_that_is_not_in_order_is_refused(filtering: object) -> None:
    SIM.refused(filtering=filtering)


def test_topview_cannot_be_asked_for_with_other_buying_types() -> None:
    refusal = SIM.refused(filtering=ids_filter("buying_type", ["AUCTION", "RESERVATION_TOP_VIEW"]))
    assert refusal == "The value 'RESERVATION_TOP_VIEW' cannot be combined with other enum values for this parameter"


def test_what_is_not_simulated_of_a_known_endpoint_is_said_aloud() -> None:
    for changes in (
        {"query_mode": "CHUNK"},
        {"filtering": ids_filter("bid_strategy", ["x"])},
    ):
        response = SIM.send(
            "GET", BASE + REPORT, params=as_query({**SIM.basic(), **changes}), headers={"Access-Token": SIM.token}
        )
        assert response.status_code == 501


def _groupings() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Report, level and dimensions, as far as the catalogue knows what goes together."""
    records = catalog.dimensions()
    times = ("stat_time_day", "stat_time_hour")
    identities = [identity for _, identity in LEVELS.values()] + ["ad_id_v2"]
    for report in ("BASIC", "AUDIENCE"):
        singles = [
            (name,)
            for name, record in records.items()
            if report in record.reports and name not in (*identities, *times, "match_type")
        ]
        pairs = [("age", "gender")] if report == "AUDIENCE" else [(), ("search_keyword", "match_type")]
        for level, (_, identity) in LEVELS.items():
            for more in (*singles, *pairs):
                if all(level in records[name].levels for name in more):
                    allowed = set.intersection(*({*records[name].times} for name in (identity, *more)))
                    yield from (
                        (report, level, (identity, *more, *([f"stat_time_{time}"] if time != "none" else [])))
                        for time in sorted(allowed)
                        if time == "none" or report in records[f"stat_time_{time}"].reports
                    )


def _metrics_of(report: str, level: str, dimensions: tuple[str, ...]) -> list[str]:
    records = [catalog.dimensions()[name] for name in dimensions]
    return [
        metric.name
        for metric in catalog.metrics().values()
        if report in metric.reports
        and level in metric.levels
        and not metric.refuses & set(dimensions)
        and (not metric.needs_any or metric.needs_any & set(dimensions))
        and not (metric.id_and_day_only and set(dimensions) - {dimensions[0], "stat_time_day"})
        and not any(metric.name in record.refuses for record in records)
        and (metric.attribute or all(not record.metrics or metric.name in record.metrics for record in records))
    ]


@pytest.mark.parametrize(("report", "level", "dimensions"), list(_groupings()))
def test_whatever_the_catalogue_allows_is_accepted(report: str, level: str, dimensions: tuple[str, ...]) -> None:
    data = SIM.report(
        report_type=report,
        data_level=LEVELS[level][0],
        dimensions=list(dimensions),
        metrics=_metrics_of(report, level, dimensions),
        start_date="2027-01-01",
        end_date="2027-01-01",
    )
    assert list(data) == ["list", "page_info"]


def test_catalogue_reports_come_by_catalogue_alone_or_with_the_levels_id() -> None:
    params = {"report_type": "CATALOG", "metrics": ["spend"], "end_date": "2026-08-01"}
    catalog_rows = SIM.rows(dimensions=["catalog_id", "stat_time_day"], **params)
    parts = SIM.rows(dimensions=["campaign_id", "catalog_id", "stat_time_day"], **params)
    assert 0 < len(catalog_rows) < len(parts)
    assert added(catalog_rows, "spend") == added(parts, "spend")
    assert SIM.refused(dimensions=["campaign_id"], **params) == CONFLICT


# --- what rows come -----------------------------------------------------------------------------------------


def test_ten_rows_come_where_no_page_size_is_given_and_none_beyond_the_end() -> None:
    info = SIM.report(page=2)["page_info"]
    assert info["page_size"] == 10
    beyond = SIM.report(page=info["total_page"] + 1)
    assert beyond["list"] == []
    assert beyond["page_info"]["total_number"] == info["total_number"]


def test_pages_of_any_size_hold_the_same_rows() -> None:
    all_rows = SIM.rows()
    paged: list[Any] = []
    for page in range(1, 100):
        rows = SIM.report(page=page, page_size=7)["list"]
        if not rows:
            break
        paged += rows
    assert paged == all_rows


def test_every_value_is_a_string_and_days_are_midnights() -> None:
    (row, *_) = SIM.report(metrics=["spend", "impressions", "ctr", "campaign_name", "campaign_budget"])["list"]
    assert all(isinstance(value, str) for value in (*row["dimensions"].values(), *row["metrics"].values()))
    assert row["dimensions"]["stat_time_day"] == "2026-08-01 00:00:00"
    assert len(row["dimensions"]["campaign_id"]) == 19


def test_no_metrics_asked_for_means_spend_and_impressions() -> None:
    assert list(SIM.report(metrics="")["list"][0]["metrics"]) == ["spend", "impressions"]


@pytest.mark.parametrize("level", ["campaign", "adgroup", "ad"])
def test_deleted_entities_and_their_spend_are_missing_unless_asked_for(level: str) -> None:
    data_level, identity = LEVELS[level]
    params: dict[str, object] = {"data_level": data_level, "dimensions": [identity], "start_date": "2026-01-01"}
    remaining = SIM.rows(**params)
    everything = SIM.rows(filtering=EVERYTHING[level], **params)
    deleted = SIM.rows(
        filtering=[{**EVERYTHING[level][0], "filter_value": '["STATUS_DELETE"]'}],
        **params,
    )
    assert added(deleted, "spend") > 0
    assert added(remaining, "spend") + added(deleted, "spend") == added(everything, "spend")


def test_a_campaign_that_is_not_deleted_keeps_the_spend_of_its_deleted_ads() -> None:
    """The default filter looks at the queried level only."""
    campaigns = SIM.rows(dimensions=["campaign_id"], start_date="2026-01-01")
    params = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "metrics": ["spend", "campaign_id"]}
    ads = SIM.rows(start_date="2026-01-01", **params)
    assert added(campaigns, "spend") > added(ads, "spend")


def test_ads_of_a_deleted_campaign_come_with_ad_status_all_alone() -> None:
    params = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "metrics": ["spend", "campaign_id"]}
    deleted = {
        row["campaign_id"]
        for row in SIM.get("campaign/get/", advertiser_id=SIM.ids[0], filtering={"primary_status": "STATUS_DELETE"})[
            "data"
        ]["list"]
    }
    rows = SIM.rows(filtering=EVERYTHING["ad"], start_date="2026-01-01", **params)
    assert deleted
    assert deleted <= {row["metrics"]["campaign_id"] for row in rows}


def test_reach_and_frequency_campaigns_come_along_and_topview_only_if_asked_for() -> None:
    def campaigns(*buying: str) -> set[str]:
        filtering = [*EVERYTHING["campaign"], *(ids_filter("buying_type", list(buying)) if buying else [])]
        rows = SIM.rows(dimensions=["campaign_id"], start_date="2026-01-01", filtering=filtering)
        return {row["dimensions"]["campaign_id"] for row in rows}

    auction, frequency, top_view = (
        campaigns("AUCTION"),
        campaigns("RESERVATION_RF"),
        campaigns("RESERVATION_TOP_VIEW"),
    )
    assert auction
    assert frequency
    assert top_view
    assert campaigns() == auction | frequency


def test_filters_by_id_narrow_a_report() -> None:
    params = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "metrics": ["campaign_id", "spend"]}
    rows = SIM.rows(**params)
    campaign = rows[0]["metrics"]["campaign_id"]
    campaign_rows = SIM.rows(filtering=ids_filter("campaign_ids", [campaign]), **params)
    assert campaign_rows == [row for row in rows if row["metrics"]["campaign_id"] == campaign]
    ad_rows = SIM.rows(filtering=ids_filter("ad_ids", [rows[0]["dimensions"]["ad_id"], "nonsense"]), **params)
    assert ad_rows == rows[:1]


def test_rows_can_be_sorted_by_a_figure() -> None:
    for order, reverse in (("ASC", False), ("DESC", True)):
        values = [int(row["metrics"]["impressions"]) for row in SIM.rows(order_field="impressions", order_type=order)]
        assert values == sorted(values, reverse=reverse)


def test_without_a_time_some_entities_come_with_noughts() -> None:
    """Before the world's first day nothing was spent, and half of the ads come all the same."""
    rows = SIM.rows(dimensions=["campaign_id"], start_date="2020-01-01", end_date="2020-01-31")
    assert {row["metrics"]["spend"] for row in rows} == {"0.00"}
    assert 0 < len(rows) < len(SIM.rows(dimensions=["campaign_id"], start_date="2026-01-01"))
    assert SIM.rows(start_date="2020-01-01", end_date="2020-01-30") == []


def test_an_empty_advertiser_has_no_rows() -> None:
    data = SIM.report(advertiser_id=SIM.ids[5])
    assert (data["list"], data["page_info"]["total_number"]) == ([], 0)


def test_of_too_many_ids_the_newest_come_and_only_a_header_says_so() -> None:
    sim = Sim(world(id_cut=10))
    request = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "start_date": "2025-10-01"}
    params = as_query({**sim.basic(), **request, "page_size": "1000"})
    answer = sim.send("GET", BASE + REPORT, params=params, headers={"Access-Token": sim.token})
    rows = [row["dimensions"]["ad_id"] for row in answer.json()["data"]["list"]]
    everything = [row["dimensions"]["ad_id"] for row in SIM.rows(**request)]
    assert "more than 20k" in answer.headers["X-Tt-Ads-Throttle"]
    assert answer.json()["code"] == 0
    newest = sorted(everything, key=int, reverse=True)[: len(rows)]
    assert 0 < len(rows) <= 10 < len(everything)
    assert rows == newest
    narrow = as_query({**sim.basic(), **request, "filtering": ids_filter("ad_ids", everything[-5:])})
    fine = sim.send("GET", BASE + REPORT, params=narrow, headers={"Access-Token": sim.token})
    assert "X-Tt-Ads-Throttle" not in fine.headers
    assert len(fine.json()["data"]["list"]) == 5


def test_names_come_unharmed() -> None:
    names = {row["metrics"]["campaign_name"] for row in SIM.rows(metrics=["campaign_name"])}
    listed = SIM.get("campaign/get/", advertiser_id=SIM.ids[0], page_size="1000")["data"]["list"]
    assert names <= {row["campaign_name"] for row in listed}
    assert any('"' in name for name in names)


def test_smart_plus_creatives_share_one_ad_id_v2() -> None:
    params = {"data_level": "AUCTION_AD", "start_date": "2025-10-01"}
    single = SIM.rows(dimensions=["ad_id"], metrics=["campaign_automation_type", "spend"], **params)
    grouped = SIM.rows(dimensions=["ad_id_v2"], metrics=["campaign_automation_type", "ad_text_list", "spend"], **params)
    assert added(single, "spend") == added(grouped, "spend")
    assert len(grouped) < len(single)
    assert isinstance(grouped[0]["metrics"]["ad_text_list"], list)
    manual = {row["dimensions"]["ad_id"] for row in single if row["metrics"]["campaign_automation_type"] == "MANUAL"}
    assert manual <= {row["dimensions"]["ad_id_v2"] for row in grouped}
    assert SIM.refused(data_level="AUCTION_AD", dimensions=["ad_id", "ad_id_v2"]) == CONFLICT
    assert SIM.refused(data_level="AUCTION_AD", dimensions=["ad_id"], metrics=["ad_id_v2"]) == CONFLICT


def test_a_few_impressions_of_a_search_term_are_not_told() -> None:
    params = {"data_level": "AUCTION_ADGROUP", "dimensions": ["adgroup_id", "search_terms", "stat_time_day"]}
    values = {row["metrics"]["impressions"] for row in SIM.rows(metrics=["impressions"], **params)}
    assert "<5" in values
    assert min(int(value) for value in values if value != "<5") >= 5


def test_a_secondary_goal_that_an_ad_group_has_not_is_a_dash() -> None:
    params = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "start_date": "2025-10-01"}
    values = {row["metrics"]["secondary_goal_result"] for row in SIM.rows(metrics=["secondary_goal_result"], **params)}
    assert "-" in values
    assert any(value.isdecimal() and int(value) for value in values)


# --- several advertisers ------------------------------------------------------------------------------------


def test_several_advertisers_come_with_their_currency_zone_and_id_and_money_without_decimals() -> None:
    params = {"metrics": ["spend", "cpc", "ctr"], "dimensions": ["campaign_id"]}
    rows = SIM.rows(advertiser_ids=SIM.ids[:3], advertiser_id="ignored", **params)
    assert {row["metrics"]["advertiser_id"] for row in rows} == set(SIM.ids[:3])
    assert {row["metrics"]["currency"] for row in rows} == {"USD", "EUR", "JPY"}
    assert all(row["metrics"]["spend"].isdecimal() and row["metrics"]["cpc"].isdecimal() for row in rows)
    assert any("." in row["metrics"]["ctr"] for row in rows)
    single = {row["dimensions"]["campaign_id"]: row for row in SIM.rows(**params)}
    for row in rows:
        if row["metrics"]["advertiser_id"] == SIM.ids[0]:
            single_spend = single[row["dimensions"]["campaign_id"]]["metrics"]["spend"]
            assert abs(float(single_spend) - int(row["metrics"]["spend"])) <= 0.5


def test_several_advertisers_without_an_id_are_merged_and_money_is_a_dash() -> None:
    params = {"data_level": "AUCTION_ADVERTISER", "dimensions": ["stat_time_day"], "metrics": ["spend", "impressions"]}
    rows = SIM.rows(advertiser_ids=SIM.ids[:2], **params)
    apart = [SIM.rows(advertiser_id=identity, **params) for identity in SIM.ids[:2]]
    assert [row["metrics"]["spend"] for row in rows] == ["-"] * 7
    assert {row["metrics"]["currency"] for row in rows} == {"0"}
    assert added(rows, "impressions") == sum(added(single, "impressions") for single in apart)


def test_days_of_several_advertisers_can_be_those_of_utc() -> None:
    """Berlin's day begins an hour before UTC's, so that its hours move by one."""
    local_rows = SIM.rows_at("advertiser", ["impressions"], TODAY, TODAY, "stat_time_hour", advertiser_ids=[SIM.ids[1]])
    params = {"advertiser_ids": [SIM.ids[1]], "multi_adv_report_in_utc_time": True}
    moved = SIM.rows_at("advertiser", ["impressions"], TODAY, TODAY, "stat_time_hour", **params)
    hours = {row["dimensions"]["stat_time_hour"]: row["metrics"]["impressions"] for row in local_rows}
    for row in moved:
        hour = row["dimensions"]["stat_time_hour"]
        berlin = f"{hour[:11]}{int(hour[11:13]) + 1:02d}:00:00"
        assert hours[berlin] == row["metrics"]["impressions"]
    assert moved


def test_one_refused_advertiser_refuses_them_all() -> None:
    assert SIM.code(REPORT, **{**SIM.basic(), "advertiser_ids": [SIM.ids[0], SIM.ids[4]]}) == 40001


def test_several_advertisers_share_the_cut() -> None:
    sim = Sim(world(id_cut=30))
    params = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "start_date": "2025-10-01"}
    rows = sim.rows(advertiser_ids=sim.ids[:3], metrics=["spend"], **params)
    apart = [len(sim.rows(advertiser_id=identity, **params)) for identity in sim.ids[:3]]
    assert len(rows) <= 30 < sum(apart)


# --- asynchronous reports -----------------------------------------------------------------------------------


def make_task(sim: Sim, **changes: object) -> Any:
    return sim.post("report/task/create/", **{**sim.basic(), **changes})


def test_a_task_is_queued_worked_on_and_downloaded_as_text() -> None:
    sim = Sim()
    params = {"metrics": ["campaign_name", "spend"], "enable_report_title_translation": False}
    task = {"advertiser_id": sim.ids[0], "task_id": make_task(sim, **params)["data"]["task_id"]}
    assert sim.code("report/task/download/", **task) == 40201
    assert [sim.get("report/task/check/", **task)["data"]["status"] for _ in range(3)] == [
        "QUEUING",
        "PROCESSING",
        "SUCCESS",
    ]
    text = sim.send("GET", BASE + "report/task/download/", params=task, headers={"Access-Token": sim.token}).text
    lines = text.splitlines()
    assert lines[0] == "campaign_id,stat_time_day,campaign_name,spend"
    assert len(lines) == 1 + len(sim.rows(metrics=["spend"]))


def test_a_task_is_not_bound_by_range_or_by_the_number_of_ids() -> None:
    sim = Sim(world(id_cut=3))
    answer = make_task(
        sim,
        data_level="AUCTION_AD",
        dimensions=["ad_id", "stat_time_day"],
        start_date="2025-01-01",
        filtering=ids_filter("ad_ids", ["1"] * 101),
    )
    assert answer["code"] == 0
    task = {
        "advertiser_id": sim.ids[0],
        "task_id": make_task(sim, data_level="AUCTION_AD", dimensions=["ad_id"])["data"]["task_id"],
    }
    for _ in range(3):
        sim.get("report/task/check/", **task)
    text = sim.send("GET", BASE + "report/task/download/", params=task, headers={"Access-Token": sim.token}).text
    assert text.startswith("Ad ID,")
    assert len(text.splitlines()) > 4


def test_a_task_as_a_file_gives_its_address() -> None:
    sim = Sim()
    task = {"advertiser_id": sim.ids[0], "task_id": make_task(sim, output_format="CSV_DOWNLOAD")["data"]["task_id"]}
    for _ in range(3):
        sim.get("report/task/check/", **task)
    url = sim.get("report/task/download/", **task)["data"]["download_url"]
    assert sim.send("GET", urlsplit(url).path).text.count("\n") > 1


def test_a_task_belongs_to_the_token_that_made_it_and_can_be_cancelled_or_fail() -> None:
    sim = Sim()
    task = {"advertiser_id": sim.ids[0], "task_id": make_task(sim)["data"]["task_id"]}
    own_token, sim.token = sim.token, access_token(sim.config, [0])
    assert sim.code("report/task/check/", **task) == 40007
    sim.token = own_token
    assert sim.post("report/task/cancel/", **task)["data"]["status"] == "CANCELED"
    assert sim.get("report/task/check/", **task)["data"]["status"] == "CANCELED"
    assert sim.post("report/task/cancel/", **task)["code"] == 40200
    sim.door("POST", "tasks", fails=True)
    task["task_id"] = make_task(sim)["data"]["task_id"]
    statuses = [sim.get("report/task/check/", **task)["data"]["status"] for _ in range(3)]
    assert statuses[-1] == "FAILED"
    assert sim.code("report/task/download/", **task) == 40200


@pytest.mark.parametrize(
    "changes",
    [
        {"output_format": "PDF"},
        {"file_name": "a/b"},
        {"metrics": ["billed_cost"]},
        {"dimensions": ["campaign_id", "country_code"], "metrics": ["reach"]},
        {"metrics": ["x"]},
    ],
)
def test_a_task_that_is_not_in_order_is_refused(changes: dict[str, object]) -> None:
    assert make_task(SIM, **changes)["code"] == 40002


MANY_IDS = [str(number) for number in range(10_001)]


@pytest.mark.parametrize(
    "changes",
    [
        {"report_type": "PLAYABLE_MATERIAL"},
        {"report_type": "BC"},
        {"report_type": "TT_SHOP"},
        {"filtering": [{"field_name": "campaign_status", "filter_type": "IN", "filter_value": '["STATUS_ALL"]'}]},
        {"filtering": [{"field_name": "buying_type", "filter_type": "IN", "filter_value": '["AUCTION"]'}]},
        {"filtering": [{"field_name": "campaign_ids", "filter_type": "NOT_IN", "filter_value": '["1"]'}]},
        {"filtering": [*ids_filter("ad_ids", MANY_IDS), *ids_filter("campaign_ids", MANY_IDS)]},
        {"advertiser_ids": ["1"] * 6},
    ],
)
def test_a_task_has_fewer_reports_and_filters_than_a_synchronous_report(changes: dict[str, object]) -> None:
    assert make_task(SIM, **changes)["code"] == 40002


def task_text(sim: Sim, **changes: object) -> str:
    """The file of a task, with untranslated headings."""
    sim.door("POST", "tasks", polls=0)
    params = {"enable_report_title_translation": False} | changes
    task = {"advertiser_id": sim.ids[0], "task_id": make_task(sim, **params)["data"]["task_id"]}
    return sim.send("GET", BASE + "report/task/download/", params=task, headers={"Access-Token": sim.token}).text


def test_a_task_ignores_pages_totals_and_modes_and_leaves_out_deleted_entities() -> None:
    sim = Sim()
    paged = task_text(sim, page=2, page_size=1, enable_total_metrics=True, query_mode="CHUNK", metrics=["spend"])
    assert len(paged.splitlines()) == 1 + len(sim.rows(metrics=["spend"]))
    everything = [{"field_name": "campaign_status", "filter_type": "IN", "filter_value": '["STATUS_ALL"]'}]
    assert len(paged.splitlines()) < 1 + len(sim.rows(metrics=["spend"], filtering=everything))
    for statuses, rows in (("ignore", 0), ("accept", 1)):
        sim.door("POST", "tasks", statuses=statuses)
        text = sim.post("report/task/create/", **{**sim.basic(), "metrics": ["spend"], "filtering": everything})
        assert text["code"] == 0
        task = {"advertiser_id": sim.ids[0], "task_id": text["data"]["task_id"]}
        for _ in range(3):
            sim.get("report/task/check/", **task)
        file = sim.send("GET", BASE + "report/task/download/", params=task, headers={"Access-Token": sim.token}).text
        assert (len(file.splitlines()) > len(paged.splitlines())) == bool(rows)


def test_a_task_has_the_figures_of_some_hours_before_it_was_created() -> None:
    sim = Sim()
    today = {"start_date": f"{TODAY}", "end_date": f"{TODAY}", "metrics": ["impressions"]}

    def of_task() -> int:
        return sum(int(line.rpartition(",")[2]) for line in task_text(sim, **today).splitlines()[1:])

    def of_pages() -> int:
        return sum(int(row["metrics"]["impressions"]) for row in sim.rows(**today))

    sim.door("POST", "now", hour=20)
    before = of_task()
    assert 0 < before < of_pages()
    sim.door("POST", "now", hour=22)
    assert before < of_task() < of_pages()


def test_a_task_and_its_file_are_kept_for_thirty_days() -> None:
    sim = Sim()
    sim.door("POST", "tasks", polls=0)
    task = {"advertiser_id": sim.ids[0], "task_id": make_task(sim)["data"]["task_id"]}
    for days, code in ((29, 0), (1, 40007)):
        sim.door("POST", "now", days=days)
        assert sim.code("report/task/check/", **task) == code
    other = {"advertiser_id": sim.ids[0], "task_id": make_task(sim)["data"]["task_id"]}
    sim.door("POST", "tasks", polls=0, expired=True)
    assert sim.code("report/task/check/", **other) == 40007


def test_a_task_that_fails_says_why() -> None:
    sim = Sim()
    sim.door("POST", "tasks", polls=0, fails=True, message="Too many rows.")
    task = {"advertiser_id": sim.ids[0], "task_id": make_task(sim)["data"]["task_id"]}
    assert sim.get("report/task/check/", **task)["data"] == {"status": "FAILED", "message": "Too many rows."}


def test_a_task_over_several_ad_accounts_may_have_their_id_beside_another_one() -> None:
    sim = Sim()
    dimensions = ["advertiser_id", "campaign_id", "stat_time_day"]
    text = task_text(sim, advertiser_ids=sim.ids[:2], dimensions=dimensions, metrics=["currency", "impressions"])
    heading, *rows = text.splitlines()
    assert heading == "advertiser_id,campaign_id,stat_time_day,currency,impressions"
    assert {row.split(",")[0] for row in rows} == set(sim.ids[:2])


def test_a_task_may_be_bound_to_the_ranges_of_a_synchronous_report() -> None:
    sim = Sim()
    sim.door("POST", "tasks", ranged=True)
    assert make_task(sim, start_date="2025-01-01")["code"] == 40002
    response = sim.send("POST", "/_simulator/tasks", json={"bounded": True})
    assert "no behavior of tasks" in response.json()["error"]


def test_the_file_of_a_task_can_be_spoilt() -> None:
    sim = Sim()
    whole = task_text(sim).splitlines()
    for kind, more, changed in (
        ("drop", {"rows": 2}, whole[:-2]),
        ("repeat", {"rows": 1}, [*whole, whole[1]]),
        ("value", {"field": "spend", "value": "x"}, None),
        ("truncate", {"change": 1}, whole),
        ("data", {"value": "a,b"}, ["a,b"]),
    ):
        sim.door("POST", "trouble", kind=kind, path="task/download", **more)
        lines = task_text(sim).splitlines()
        assert lines == changed or (changed is None and ",x" in lines[-1]), kind


def test_countries_of_a_task_come_as_country_name() -> None:
    sim = Sim()
    answer = make_task(sim, dimensions=["campaign_id", "country_code"], enable_report_title_translation=False)
    task = {"advertiser_id": sim.ids[0], "task_id": answer["data"]["task_id"]}
    sim.door("POST", "tasks", polls=0)
    for _ in range(2):
        sim.get("report/task/check/", **task)
    text = sim.send("GET", BASE + "report/task/download/", params=task, headers={"Access-Token": sim.token}).text
    assert text.startswith("campaign_id,country_name,")
    assert "United States" in text
