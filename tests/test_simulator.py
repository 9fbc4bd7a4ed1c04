"""What the simulator answers and refuses, through its HTTP front."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from simulator_client import BASE, EVERYTHING, LEVELS, REPORT, TODAY, Sim, added, as_query, world

from adreel import catalog
from adreel.simulator import WorldConfig, access_token
from adreel.simulator.app import ENDPOINTS

SIM = Sim()
INVALID_METRIC = "Please correct the information in invalid metric fields and try again. Invalid metric fields: "
CONFLICT = "Conflict occurs. The input params including metrics and dimensions have no relation."


def ids_filter(name: str, ids: list[str]) -> list[dict[str, str]]:
    return [{"field_name": name, "filter_type": "IN", "filter_value": json.dumps(ids)}]


# --- paths and envelope ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["report/integrated/get", "no/such/thing/", "", "../v1.2/user/info/"])
def test_an_unknown_path_is_not_found_in_plain_text(path: str) -> None:
    response = SIM.send("GET", BASE + path)
    assert (response.status_code, response.text) == (404, "404 page not found")


def test_a_wrong_method_is_not_allowed() -> None:
    assert SIM.send("POST", BASE + REPORT).status_code == 405


def test_what_tiktok_has_and_the_simulator_has_not_is_said_aloud() -> None:
    response = SIM.send("GET", BASE + "gmv_max/report/get/")
    assert response.status_code == 501
    assert "does not simulate GET /gmv_max/report/get/" in response.json()["message"]


def test_every_answer_has_its_own_request_id() -> None:
    ids = {SIM.get("user/info/")["request_id"] for _ in range(3)} | {SIM.get("ad/get/")["request_id"]}
    assert len(ids) == 4


def test_a_refusal_is_a_200_with_a_code_and_empty_data() -> None:
    answer = SIM.get(REPORT, advertiser_id=SIM.ids[0])
    assert (answer["code"], answer["data"]) == (40002, {})


def test_a_get_may_carry_its_parameters_in_a_json_body() -> None:
    response = SIM.send("GET", BASE + REPORT, json=SIM.basic(), headers={"Access-Token": SIM.token})
    assert response.json()["data"] == SIM.report()


def test_unknown_parameters_are_ignored() -> None:
    assert SIM.report(filters=["x"], lifetime=True, nonsense="1") == SIM.report()


# --- tokens ----------------------------------------------------------------------------------------------------


def test_without_a_token_nothing_goes() -> None:
    answer = Sim(token="").get("user/info/")
    assert (answer["code"], answer["message"]) == (
        40104,
        "Access token is null, you should set it in http header with key Access-Token.",
    )


@pytest.mark.parametrize("token", ["x", "0" * 48, "é" * 50])
def test_a_token_that_was_never_given_is_refused(token: str) -> None:
    response = SIM.send("GET", BASE + "user/info/", headers={"Access-Token": token.encode()})
    assert response.json()["code"] == 40105


def test_a_changed_token_is_refused() -> None:
    token = access_token(SIM.config, [0])
    assert Sim(token=token).code("user/info/") == 0
    assert Sim(token=token[:-1] + "f").code("user/info/") == 40105


def test_a_token_reads_only_what_was_granted() -> None:
    sim = Sim(token=access_token(SIM.config, [1]))
    assert [sim.code(REPORT, **{**sim.basic(), "advertiser_id": identity}) for identity in sim.ids[:2]] == [40001, 0]


def test_a_token_of_another_seed_is_refused() -> None:
    assert Sim(token=access_token(world(seed=2))).code("user/info/") == 40105


def test_the_token_comes_before_the_parameters_and_the_right_before_them_too() -> None:
    assert Sim(token="").code(REPORT) == 40104
    assert SIM.code(REPORT, advertiser_id=SIM.ids[4]) == 40001
    assert SIM.code(REPORT, advertiser_id=SIM.ids[0]) == 40002


def test_an_advertiser_without_permission_is_listed_but_cannot_be_read() -> None:
    listed = SIM.get("oauth2/advertiser/get/", app_id=SIM.config.app_id, secret=SIM.config.secret)["data"]["list"]
    assert [row["advertiser_id"] for row in listed] == SIM.ids
    answer = SIM.get(REPORT, **{**SIM.basic(), "advertiser_id": SIM.ids[4]})
    assert (answer["code"], answer["message"]) == (40001, f"No permission to operate advertiser {SIM.ids[4]}.")


def test_an_advertiser_that_is_gone_answers_40300() -> None:
    sim = Sim()
    sim.door("POST", "remove", advertiser_id=sim.ids[0], listed=False)
    assert sim.code(REPORT, **sim.basic()) == 40300
    listed = sim.get("oauth2/advertiser/get/", app_id=sim.config.app_id, secret=sim.config.secret)["data"]["list"]
    assert [row["advertiser_id"] for row in listed] == sim.ids[1:]


# --- consent ---------------------------------------------------------------------------------------------------


def consent(sim: Sim, *chosen: str, decision: str = "allow", state: str = "s & t") -> dict[str, str]:
    """What the browser is sent back with."""
    form = {
        "app_id": sim.config.app_id,
        "redirect_uri": "http://127.0.0.1:9/callback?kept=1",
        "state": state,
        "advertiser_id": list(chosen),
        "decision": decision,
    }
    response = sim.send("POST", "/portal/auth", data=form)
    assert response.status_code == 302, response.text
    target = urlsplit(response.headers["location"])
    assert target.netloc == "127.0.0.1:9"
    return {name: values[0] for name, values in parse_qs(target.query).items()}


def exchange(sim: Sim, code: str, **changes: object) -> Any:
    body = {"app_id": sim.config.app_id, "secret": sim.config.secret, "auth_code": code, **changes}
    return sim.post("oauth2/access_token/", **body)


def test_the_consent_page_lists_all_advertisers_and_escapes_their_names() -> None:
    query = {"app_id": SIM.config.app_id, "state": '"><b>', "redirect_uri": "https://example.com/back"}
    page = SIM.send("GET", "/portal/auth", params=query)
    assert page.status_code == 200
    assert all(identity in page.text for identity in SIM.ids)
    assert "<script>" not in page.text
    assert "<b>" not in page.text


def test_consent_gives_a_code_that_becomes_a_token_for_what_was_ticked() -> None:
    sim = Sim()
    back = consent(sim, *sim.ids[1:3])
    assert (back["state"], back["kept"], back["code"]) == ("s & t", "1", back["auth_code"])
    data = exchange(sim, back["auth_code"])["data"]
    assert data["advertiser_ids"] == sim.ids[1:3]
    assert all(isinstance(scope, int) for scope in data["scope"])
    sim.token = data["access_token"]
    assert [sim.code("campaign/get/", advertiser_id=identity) for identity in sim.ids[:3]] == [40001, 0, 0]


def test_a_code_works_once() -> None:
    sim = Sim()
    code = consent(sim, sim.ids[0])["auth_code"]
    assert [exchange(sim, code)["code"] for _ in range(2)] == [0, 40110]


@pytest.mark.parametrize(("age", "expected"), [(3599, 0), (3600, 40110)])
def test_a_code_lives_an_hour(age: int, expected: int) -> None:
    sim = Sim()
    code = consent(sim, sim.ids[0])["auth_code"]
    sim.wall += age
    assert exchange(sim, code)["code"] == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"auth_code": "made up"}, 40110),
        ({"secret": "wrong"}, 40101),
        ({"app_id": "123"}, 40113),
        ({"auth_code": ""}, 40002),
    ],
)
def test_an_exchange_is_refused_with_the_code_for_what_is_wrong(changes: dict[str, str], expected: int) -> None:
    assert exchange(SIM, consent(SIM, SIM.ids[0])["auth_code"], **changes)["code"] == expected


def test_the_ids_can_be_left_out_of_the_exchange() -> None:
    answer = exchange(SIM, consent(SIM, SIM.ids[0])["auth_code"], return_advertiser_ids=False)
    assert sorted(answer["data"]) == ["access_token", "scope"]


def test_the_plain_oauth_endpoint_answers_flat() -> None:
    form = {
        "client_id": SIM.config.app_id,
        "client_secret": SIM.config.secret,
        "code": consent(SIM, SIM.ids[0])["code"],
        "grant_type": "authorization_code",
    }
    answer = SIM.send("POST", BASE + "oauth/token/", data=form).json()
    assert answer["code"] == 0
    assert answer["advertiser_ids"] == SIM.ids[:1]


def test_refusing_or_ticking_nothing_sends_the_browser_back_with_an_error() -> None:
    for back in (consent(SIM, *SIM.ids, decision="refuse"), consent(SIM)):
        assert (back["error"], back["state"]) == ("access_denied", "s & t")
        assert "code" not in back


@pytest.mark.parametrize(
    "query",
    [
        {"app_id": "1", "redirect_uri": "https://example.com/"},
        {"app_id": SIM.config.app_id, "redirect_uri": "http://example.com/"},
        {"app_id": SIM.config.app_id, "redirect_uri": "javascript:alert(1)"},
        {"app_id": SIM.config.app_id},
    ],
)
def test_a_link_that_is_not_the_apps_shows_an_error_and_leads_nowhere(query: dict[str, str]) -> None:
    assert SIM.send("GET", "/portal/auth", params=query).status_code == 400
    assert SIM.send("POST", "/portal/auth", data=query).status_code == 400


def test_tokens_and_codes_hold_over_a_restart() -> None:
    first, second = Sim(), Sim()
    code = consent(first, first.ids[2])["auth_code"]
    token = exchange(second, code)["data"]["access_token"]
    assert Sim(token=token).code("campaign/get/", advertiser_id=first.ids[2]) == 0


def test_a_revoked_token_is_dead_until_the_person_consents_anew() -> None:
    sim = Sim()
    sim.token = exchange(sim, consent(sim, sim.ids[0])["auth_code"])["data"]["access_token"]
    secrets = {"app_id": sim.config.app_id, "secret": sim.config.secret}
    answer = sim.post("oauth2/revoke_token/", access_token=sim.token, **secrets)
    assert answer["data"] == {"app_id": sim.config.app_id, "advertiser_ids": sim.ids[:1]}
    assert sim.code("user/info/") == 40105
    again = exchange(sim, consent(sim, sim.ids[0])["auth_code"])["data"]["access_token"]
    assert again != sim.token
    sim.token = again
    assert sim.code("user/info/") == 0


# --- who ---------------------------------------------------------------------------------------------------------


def test_the_advertisers_list_wants_the_apps_secret() -> None:
    assert SIM.code("oauth2/advertiser/get/") == 40002
    assert SIM.code("oauth2/advertiser/get/", app_id=SIM.config.app_id, secret="x") == 40101


def test_an_advertiser_has_a_fixed_zone_a_currency_and_numbers_where_tiktok_has_numbers() -> None:
    rows = SIM.get("advertiser/info/", advertiser_ids=SIM.ids[:4])["data"]["list"]
    assert [row["timezone"] for row in rows] == ["Etc/GMT+8", "Etc/GMT-1", "Etc/GMT-9", "Asia/Kolkata"]
    assert [row["currency"] for row in rows] == ["USD", "EUR", "JPY", "INR"]
    assert all(isinstance(row["balance"], float) and isinstance(row["create_time"], int) for row in rows)
    assert all(len(row["advertiser_id"]) == 19 for row in rows)
    assert "company_name_editable" not in rows[0]


def test_advertiser_info_takes_fields_and_refuses_unknown_ones_and_too_many_ids() -> None:
    (row,) = SIM.get("advertiser/info/", advertiser_ids=SIM.ids[:1], fields=["name"])["data"]["list"]
    assert sorted(row) == ["advertiser_id", "name"]
    assert SIM.code("advertiser/info/", advertiser_ids=SIM.ids[:1], fields=["nonsense"]) == 40002
    assert SIM.code("advertiser/info/", advertiser_ids=SIM.ids[:1] * 101) == 40011
    assert SIM.code("advertiser/info/", advertiser_ids=[SIM.ids[0], SIM.ids[4]]) == 40001


def test_the_user_is_masked() -> None:
    assert "*" in SIM.get("user/info/")["data"]["email"]


# --- strict reports ----------------------------------------------------------------------------------------------


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
    wanted = {"dimensions": dimensions, "start_date": start.isoformat()}
    SIM.report(end_date=(start + timedelta(days=longest - 1)).isoformat(), **wanted)
    assert str(longest) in SIM.refused(end_date=(start + timedelta(days=longest)).isoformat(), **wanted)


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
    wanted = {"data_level": "AUCTION_ADVERTISER", "dimensions": ["stat_time_day"]}
    assert SIM.refused(metrics=["spend", "currency"], **wanted).startswith(INVALID_METRIC)


def test_people_are_not_counted_by_ad_type() -> None:
    wanted = {"dimensions": ["campaign_id", "ad_type"]}
    assert SIM.refused(metrics=["spend", "reach"], **wanted) == CONFLICT
    assert SIM.report(metrics=["spend"], **wanted)["list"]


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
        {"report_type": "BC"},
        {"query_mode": "CHUNK"},
        {"filtering": ids_filter("bid_strategy", ["x"])},
    ):
        response = SIM.send(
            "GET", BASE + REPORT, params=as_query({**SIM.basic(), **changes}), headers={"Access-Token": SIM.token}
        )
        assert response.status_code == 501


# --- what rows come ------------------------------------------------------------------------------------------------


def test_ten_rows_come_where_no_page_size_is_given_and_none_beyond_the_end() -> None:
    info = SIM.report(page=2)["page_info"]
    assert info["page_size"] == 10
    beyond = SIM.report(page=info["total_page"] + 1)
    assert beyond["list"] == []
    assert beyond["page_info"]["total_number"] == info["total_number"]


def test_pages_of_any_size_hold_the_same_rows() -> None:
    whole = SIM.rows()
    paged: list[Any] = []
    for page in range(1, 100):
        rows = SIM.report(page=page, page_size=7)["list"]
        if not rows:
            break
        paged += rows
    assert paged == whole


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
    wanted: dict[str, object] = {"data_level": data_level, "dimensions": [identity], "start_date": "2026-01-01"}
    kept = SIM.rows(**wanted)
    everything = SIM.rows(filtering=EVERYTHING[level], **wanted)
    deleted = SIM.rows(
        filtering=[{**EVERYTHING[level][0], "filter_value": '["STATUS_DELETE"]'}],
        **wanted,
    )
    assert added(deleted, "spend") > 0
    assert added(kept, "spend") + added(deleted, "spend") == added(everything, "spend")


def test_a_campaign_that_is_not_deleted_keeps_the_spend_of_its_deleted_ads() -> None:
    """The default filter looks at the queried level only."""
    campaigns = SIM.rows(dimensions=["campaign_id"], start_date="2026-01-01")
    wanted = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "metrics": ["spend", "campaign_id"]}
    ads = SIM.rows(start_date="2026-01-01", **wanted)
    assert added(campaigns, "spend") > added(ads, "spend")


def test_ads_of_a_deleted_campaign_come_with_ad_status_all_alone() -> None:
    wanted = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "metrics": ["spend", "campaign_id"]}
    deleted = {
        row["campaign_id"]
        for row in SIM.get("campaign/get/", advertiser_id=SIM.ids[0], filtering={"primary_status": "STATUS_DELETE"})[
            "data"
        ]["list"]
    }
    rows = SIM.rows(filtering=EVERYTHING["ad"], start_date="2026-01-01", **wanted)
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
    wanted = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "metrics": ["campaign_id", "spend"]}
    rows = SIM.rows(**wanted)
    campaign = rows[0]["metrics"]["campaign_id"]
    some = SIM.rows(filtering=ids_filter("campaign_ids", [campaign]), **wanted)
    assert some == [row for row in rows if row["metrics"]["campaign_id"] == campaign]
    one = SIM.rows(filtering=ids_filter("ad_ids", [rows[0]["dimensions"]["ad_id"], "nonsense"]), **wanted)
    assert one == rows[:1]


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
    wanted = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "start_date": "2025-10-01"}
    params = as_query({**sim.basic(), **wanted, "page_size": "1000"})
    answer = sim.send("GET", BASE + REPORT, params=params, headers={"Access-Token": sim.token})
    rows = [row["dimensions"]["ad_id"] for row in answer.json()["data"]["list"]]
    everything = [row["dimensions"]["ad_id"] for row in SIM.rows(**wanted)]
    assert "more than 20k" in answer.headers["X-Tt-Ads-Throttle"]
    assert answer.json()["code"] == 0
    newest = sorted(everything, key=int, reverse=True)[: len(rows)]
    assert 0 < len(rows) <= 10 < len(everything)
    assert rows == newest
    narrow = as_query({**sim.basic(), **wanted, "filtering": ids_filter("ad_ids", everything[-5:])})
    fine = sim.send("GET", BASE + REPORT, params=narrow, headers={"Access-Token": sim.token})
    assert "X-Tt-Ads-Throttle" not in fine.headers
    assert len(fine.json()["data"]["list"]) == 5


def test_names_come_unharmed() -> None:
    names = {row["metrics"]["campaign_name"] for row in SIM.rows(metrics=["campaign_name"])}
    listed = SIM.get("campaign/get/", advertiser_id=SIM.ids[0], page_size="1000")["data"]["list"]
    assert names <= {row["campaign_name"] for row in listed}
    assert any('"' in name for name in names)


def test_smart_plus_creatives_share_one_ad_id_v2() -> None:
    wanted = {"data_level": "AUCTION_AD", "start_date": "2025-10-01"}
    single = SIM.rows(dimensions=["ad_id"], metrics=["campaign_automation_type", "spend"], **wanted)
    grouped = SIM.rows(dimensions=["ad_id_v2"], metrics=["campaign_automation_type", "ad_text_list", "spend"], **wanted)
    assert added(single, "spend") == added(grouped, "spend")
    assert len(grouped) < len(single)
    assert isinstance(grouped[0]["metrics"]["ad_text_list"], list)
    manual = {row["dimensions"]["ad_id"] for row in single if row["metrics"]["campaign_automation_type"] == "MANUAL"}
    assert manual <= {row["dimensions"]["ad_id_v2"] for row in grouped}
    assert SIM.refused(data_level="AUCTION_AD", dimensions=["ad_id", "ad_id_v2"]) == CONFLICT
    assert SIM.refused(data_level="AUCTION_AD", dimensions=["ad_id"], metrics=["ad_id_v2"]) == CONFLICT


def test_a_secondary_goal_that_an_ad_group_has_not_is_a_dash() -> None:
    wanted = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "start_date": "2025-10-01"}
    values = {row["metrics"]["secondary_goal_result"] for row in SIM.rows(metrics=["secondary_goal_result"], **wanted)}
    assert "-" in values
    assert any(value.isdecimal() and int(value) for value in values)


# --- several advertisers -------------------------------------------------------------------------------------------


def test_several_advertisers_come_with_their_currency_zone_and_id_and_money_without_decimals() -> None:
    wanted = {"metrics": ["spend", "cpc", "ctr"], "dimensions": ["campaign_id"]}
    rows = SIM.rows(advertiser_ids=SIM.ids[:3], advertiser_id="ignored", **wanted)
    assert {row["metrics"]["advertiser_id"] for row in rows} == set(SIM.ids[:3])
    assert {row["metrics"]["currency"] for row in rows} == {"USD", "EUR", "JPY"}
    assert all(row["metrics"]["spend"].isdecimal() and row["metrics"]["cpc"].isdecimal() for row in rows)
    assert any("." in row["metrics"]["ctr"] for row in rows)
    single = {row["dimensions"]["campaign_id"]: row for row in SIM.rows(**wanted)}
    for row in rows:
        if row["metrics"]["advertiser_id"] == SIM.ids[0]:
            own = single[row["dimensions"]["campaign_id"]]["metrics"]["spend"]
            assert abs(float(own) - int(row["metrics"]["spend"])) <= 0.5


def test_several_advertisers_without_an_id_are_merged_and_money_is_a_dash() -> None:
    wanted = {"data_level": "AUCTION_ADVERTISER", "dimensions": ["stat_time_day"], "metrics": ["spend", "impressions"]}
    rows = SIM.rows(advertiser_ids=SIM.ids[:2], **wanted)
    apart = [SIM.rows(advertiser_id=identity, **wanted) for identity in SIM.ids[:2]]
    assert [row["metrics"]["spend"] for row in rows] == ["-"] * 7
    assert {row["metrics"]["currency"] for row in rows} == {"0"}
    assert added(rows, "impressions") == sum(added(some, "impressions") for some in apart)


def test_days_of_several_advertisers_can_be_those_of_utc() -> None:
    """Berlin's day begins an hour before UTC's, so that its hours move by one."""
    own = SIM.rows_at("advertiser", ["impressions"], TODAY, TODAY, "stat_time_hour", advertiser_ids=[SIM.ids[1]])
    wanted = {"advertiser_ids": [SIM.ids[1]], "multi_adv_report_in_utc_time": True}
    moved = SIM.rows_at("advertiser", ["impressions"], TODAY, TODAY, "stat_time_hour", **wanted)
    hours = {row["dimensions"]["stat_time_hour"]: row["metrics"]["impressions"] for row in own}
    for row in moved:
        hour = row["dimensions"]["stat_time_hour"]
        berlin = f"{hour[:11]}{int(hour[11:13]) + 1:02d}:00:00"
        assert hours[berlin] == row["metrics"]["impressions"]
    assert moved


def test_one_refused_advertiser_refuses_them_all() -> None:
    assert SIM.code(REPORT, **{**SIM.basic(), "advertiser_ids": [SIM.ids[0], SIM.ids[4]]}) == 40001


def test_several_advertisers_share_the_cut() -> None:
    sim = Sim(world(id_cut=30))
    wanted = {"data_level": "AUCTION_AD", "dimensions": ["ad_id"], "start_date": "2025-10-01"}
    rows = sim.rows(advertiser_ids=sim.ids[:3], metrics=["spend"], **wanted)
    apart = [len(sim.rows(advertiser_id=identity, **wanted)) for identity in sim.ids[:3]]
    assert len(rows) <= 30 < sum(apart)


# --- entities ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["campaign", "adgroup", "ad"])
def test_entities_come_newest_first_without_the_deleted_ones(level: str) -> None:
    path, identity = f"{level}/get/", f"{level}_id"
    data = SIM.get(path, advertiser_id=SIM.ids[0], page_size="1000")["data"]
    ids = [int(row[identity]) for row in data["list"]]
    assert ids == sorted(ids, reverse=True)
    assert data["page_info"]["total_number"] == len(ids)
    assert not any(row["secondary_status"].endswith("_DELETE") for row in data["list"])
    for filtering in ({"primary_status": "STATUS_ALL"}, {"secondary_status": f"{level.upper()}_STATUS_ALL"}):
        every = SIM.get(path, advertiser_id=SIM.ids[0], page_size="1000", filtering=filtering)["data"]["list"]
        assert any(row["secondary_status"].endswith("_DELETE") for row in every)
        assert len(every) > len(ids)


@pytest.mark.parametrize(("level", "report"), [("campaign", "campaigns"), ("adgroup", "ad_groups"), ("ad", "ads")])
def test_entities_have_only_fields_that_the_catalogue_knows(level: str, report: str) -> None:
    (row, *_) = SIM.get(f"{level}/get/", advertiser_id=SIM.ids[0])["data"]["list"]
    assert set(row) <= {field.name for field in catalog.fields()[report]}


def test_smart_plus_entities_have_no_modify_time() -> None:
    rows = SIM.get("campaign/get/", advertiser_id=SIM.ids[0], page_size="1000")["data"]["list"]
    with_time = {row["is_smart_performance_campaign"]: "modify_time" in row for row in rows}
    assert with_time == {True: False, False: True}


def test_fields_narrow_an_entity_and_nulls_can_be_left_out() -> None:
    (row,) = SIM.get("ad/get/", advertiser_id=SIM.ids[0], page_size="1", fields=["ad_name"])["data"]["list"]
    assert sorted(row) == ["ad_id", "ad_name"]
    (full,) = SIM.get(
        "ad/get/", advertiser_id=SIM.ids[0], page_size="1", exclude_field_types_in_response=["NULL_FIELD"]
    )["data"]["list"]
    assert None not in full.values()


def test_entity_filters_are_an_object_with_at_most_100_ids() -> None:
    assert SIM.code("ad/get/", advertiser_id=SIM.ids[0], filtering=[]) == 40002
    assert SIM.code("ad/get/", advertiser_id=SIM.ids[0], filtering={"ad_ids": ["1"] * 101}) == 40002
    assert SIM.code("ad/get/", advertiser_id=SIM.ids[0], filtering={"primary_status": "x"}) == 40002
    assert SIM.code("ad/get/", advertiser_id=SIM.ids[0], page_size="1001") == 40002
    (first, second, *_) = SIM.get("adgroup/get/", advertiser_id=SIM.ids[0])["data"]["list"]
    some = SIM.get("adgroup/get/", advertiser_id=SIM.ids[0], filtering={"adgroup_ids": [second["adgroup_id"]]})["data"][
        "list"
    ]
    assert some == [second]
    ads = SIM.get("ad/get/", advertiser_id=SIM.ids[0], filtering={"adgroup_ids": [first["adgroup_id"]]})["data"]["list"]
    assert {row["adgroup_id"] for row in ads} == {first["adgroup_id"]}


def test_topview_entities_have_to_be_asked_for() -> None:
    plain = SIM.get("campaign/get/", advertiser_id=SIM.ids[0], page_size="1000")["data"]["list"]
    filtering = {"buying_types": ["RESERVATION_TOP_VIEW"]}
    top_view = SIM.get("campaign/get/", advertiser_id=SIM.ids[0], filtering=filtering)["data"]["list"]
    assert {row["objective_type"] for row in top_view} == {"TOPVIEW_REACH"}
    assert "RF_REACH" in {row["objective_type"] for row in plain}
    assert "TOPVIEW_REACH" not in {row["objective_type"] for row in plain}
    assert SIM.code("adgroup/get/", advertiser_id=SIM.ids[0], filtering=filtering, page_size="101") == 40002


def test_entities_can_be_filtered_by_when_they_were_made_and_by_name() -> None:
    rows = SIM.get("ad/get/", advertiser_id=SIM.ids[0], page_size="1000")["data"]["list"]
    middle = rows[len(rows) // 2]["create_time"]
    newer = SIM.get(
        "ad/get/", advertiser_id=SIM.ids[0], page_size="1000", filtering={"creation_filter_start_time": middle}
    )["data"]["list"]
    assert newer == [row for row in rows if row["create_time"] >= middle]
    named = SIM.get("ad/get/", advertiser_id=SIM.ids[0], page_size="1000", filtering={"ad_name": "hook"})["data"][
        "list"
    ]
    assert named == [row for row in rows if "hook" in row["ad_name"].lower()]


def test_audiences_are_listed_and_detailed_with_their_history() -> None:
    listed = SIM.get("dmp/custom_audience/list/", advertiser_id=SIM.ids[0], page_size="100")["data"]["list"]
    ids = [row["audience_id"] for row in listed]
    wanted = {"advertiser_id": SIM.ids[0], "custom_audience_ids": ids[:2]}
    details = SIM.get("dmp/custom_audience/get/", **wanted)["data"]["list"]
    assert [row["audience_details"] for row in details] == listed[:2]
    assert all(row["audience_history"] for row in details)
    known = {field.name for field in catalog.fields()["custom_audiences"]}
    assert set(listed[0]) == known
    assert SIM.code("dmp/custom_audience/get/", advertiser_id=SIM.ids[0]) == 40002
    assert SIM.code("dmp/custom_audience/list/", advertiser_id=SIM.ids[0], page_size="101") == 40002


@pytest.mark.parametrize("material", ["VIDEO", "IMAGE", "INSTANT_PAGE"])
def test_creatives_of_each_kind_have_their_own_ids(material: str) -> None:
    known = [field.name for field in catalog.fields()["creatives"]]
    data = SIM.get(
        "creative/report/get/",
        advertiser_id=SIM.ids[0],
        material_type=material,
        lifetime=True,
        info_fields=known,
        metrics_fields=["spend", "impressions", "ctr"],
        sort_field="spend",
        page_size="1000",
    )["data"]
    own = {"VIDEO": "video_id", "IMAGE": "image_id", "INSTANT_PAGE": "page_id"}[material]
    for row in data["list"]:
        filled = [name for name in ("video_id", "image_id", "page_id") if row["info"][name]]
        assert filled == [own]
        assert list(row["info"]) == known
    spend = [float(row["metrics"]["spend"]) for row in data["list"]]
    assert spend
    assert spend == sorted(spend, reverse=True)


def test_videos_and_images_of_a_range_hold_what_their_ads_brought_deleted_ones_too() -> None:
    """Every ad shows one video or one image."""
    creatives = [
        row
        for material in ("VIDEO", "IMAGE")
        for row in SIM.get(
            "creative/report/get/",
            advertiser_id=SIM.ids[0],
            material_type=material,
            start_date="2026-08-01",
            end_date="2026-08-07",
            page_size="1000",
        )["data"]["list"]
    ]
    account = SIM.rows_at("advertiser", ["spend"], date(2026, 8, 1), date(2026, 8, 7))
    assert added(creatives, "spend") == added(account, "spend")


@pytest.mark.parametrize(
    "changes",
    [
        {"material_type": "SOUND"},
        {"start_date": "2026-08-02"},
        {"lifetime": "maybe"},
        {"lifetime": True, "info_fields": ["colour"]},
        {"lifetime": True, "metrics_fields": ["reach"]},
        {"lifetime": True, "sort_field": "reach"},
        {"lifetime": True, "filtering": {"material_id": ["1"] * 11}},
        {"lifetime": True, "page_size": "1001"},
    ],
)
def test_a_creative_report_that_is_not_in_order_is_refused(changes: dict[str, object]) -> None:
    assert SIM.code("creative/report/get/", advertiser_id=SIM.ids[0], **changes) == 40002


def test_files_are_found_by_search_and_by_id() -> None:
    for kind, name in (("video", "video_id"), ("image", "image_id")):
        data = SIM.get(f"file/{kind}/ad/search/", advertiser_id=SIM.ids[0])["data"]
        first = data["list"][0]
        info = SIM.get(f"file/{kind}/ad/info/", advertiser_id=SIM.ids[0], **{f"{name}s": [first[name]]})
        assert info["data"]["list"] == [first]
        assert first["create_time"].endswith("Z")
        assert SIM.code(f"file/{kind}/ad/info/", advertiser_id=SIM.ids[0], **{f"{name}s": ["1"] * 101}) == 40002


# --- asynchronous reports ------------------------------------------------------------------------------------------


def make_task(sim: Sim, **changes: object) -> Any:
    return sim.post("report/task/create/", **{**sim.basic(), **changes})


def test_a_task_is_queued_worked_on_and_downloaded_as_text() -> None:
    sim = Sim()
    wanted = {"metrics": ["campaign_name", "spend"], "enable_report_title_translation": False}
    task = {"advertiser_id": sim.ids[0], "task_id": make_task(sim, **wanted)["data"]["task_id"]}
    assert sim.code("report/task/download/", **task) == 40201
    assert [sim.get("report/task/check/", **task)["data"]["status"] for _ in range(3)] == [
        "QUEUING",
        "PROCESSING",
        "SUCCESS",
    ]
    text = sim.send("GET", BASE + "report/task/download/", params=task, headers={"Access-Token": sim.token}).text
    lines = text.splitlines()
    assert lines[0] == "campaign_id,stat_time_day,campaign_name,spend"
    assert len(lines) == 1 + len(sim.rows(**{"metrics": ["spend"]}))


def test_a_task_is_not_bound_by_range_or_by_the_number_of_ids() -> None:
    sim = Sim(world(id_cut=3))
    made = make_task(
        sim,
        data_level="AUCTION_AD",
        dimensions=["ad_id", "stat_time_day"],
        start_date="2025-01-01",
        filtering=ids_filter("ad_ids", ["1"] * 101),
    )
    assert made["code"] == 0
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
    own, sim.token = sim.token, access_token(sim.config, [0])
    assert sim.code("report/task/check/", **task) == 40007
    sim.token = own
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


def test_countries_of_a_task_come_as_country_name() -> None:
    sim = Sim()
    made = make_task(sim, dimensions=["campaign_id", "country_code"], enable_report_title_translation=False)
    task = {"advertiser_id": sim.ids[0], "task_id": made["data"]["task_id"]}
    sim.door("POST", "tasks", polls=0)
    for _ in range(2):
        sim.get("report/task/check/", **task)
    text = sim.send("GET", BASE + "report/task/download/", params=task, headers={"Access-Token": sim.token}).text
    assert text.startswith("campaign_id,country_name,")


# --- limits --------------------------------------------------------------------------------------------------------


def test_more_than_so_many_requests_in_a_second_are_refused_with_a_200() -> None:
    sim = Sim(world(qps=3))
    codes = []
    for tick in (0.0, 0.1, 0.2, 0.9, 1.0, 1.05, 1.1, 1.15):
        sim.ticks = tick
        codes.append(sim.code("user/info/"))
    assert codes == [0, 0, 0, 40100, 0, 40100, 0, 40100]


def test_passing_the_limit_of_a_minute_blocks_the_app_for_five() -> None:
    sim = Sim(world(qps=10, qpm=4))
    codes = []
    for tick in (0.0, 10.0, 20.0, 30.0, 40.0, 61.0, 339.0, 340.0):
        sim.ticks = tick
        codes.append(sim.code("user/info/"))
    assert codes == [0, 0, 0, 0, 40100, 40100, 40100, 0]


def test_creating_tasks_has_a_limit_of_its_own() -> None:
    sim = Sim(world(qps=50))
    assert [make_task(sim)["code"] for _ in range(3)] == [0, 0, 40100]


def test_the_limits_come_before_anything_else() -> None:
    sim = Sim(world(qps=1), token="")
    assert [sim.code("user/info/") for _ in range(2)] == [40104, 40100]


# --- the side door -------------------------------------------------------------------------------------------------


def test_the_next_requests_to_a_path_fail_with_a_code() -> None:
    sim = Sim()
    sim.door("POST", "trouble", kind="code", code=50002, message="Error processing", path="integrated", times=2)
    assert sim.code("user/info/") == 0
    answers = [sim.get(REPORT, **sim.basic()) for _ in range(3)]
    assert [answer["code"] for answer in answers] == [50002, 50002, 0]
    assert answers[0]["message"] == "Error processing"


def test_trouble_can_wait_for_certain_parameters_and_let_some_pass() -> None:
    sim = Sim()
    where = {"page": "2"}
    sim.door("POST", "trouble", kind="code", code=40202, where=where, skip=1, times=0)
    codes = [sim.code(REPORT, **{**sim.basic(), "page": page}) for page in ("1", "2", "2", "1", "2")]
    assert codes == [0, 0, 40202, 0, 40202]
    sim.door("POST", "calm")
    assert sim.code(REPORT, **{**sim.basic(), "page": "2"}) == 0


@pytest.mark.parametrize(
    ("order", "status", "kind"),
    [
        ({"kind": "http", "status": 503}, 503, "text/plain"),
        ({"kind": "html", "status": 200}, 200, "text/html"),
        ({"kind": "garbage"}, 200, "application/json"),
    ],
)
def test_answers_can_be_something_else_than_an_envelope(order: dict[str, Any], status: int, kind: str) -> None:
    sim = Sim()
    sim.door("POST", "trouble", **order)
    response = sim.send("GET", BASE + "user/info/", headers={"Access-Token": sim.token})
    assert (response.status_code, response.headers["content-type"].split(";")[0]) == (status, kind)
    with pytest.raises(ValueError, match=""):
        response.json()


def test_an_answer_can_hang_and_every_answer_can_take_its_time() -> None:
    sim = Sim(world(latency_ms=50))
    sim.door("POST", "trouble", kind="hang", seconds=30)
    assert [sim.code("user/info/") for _ in range(2)] == [0, 0]
    assert sim.slept == [30.05, 0.05]


def test_rows_can_be_dropped_or_repeated_and_the_total_can_change() -> None:
    sim = Sim()
    whole = sim.report()
    for order in ({"kind": "drop", "rows": 2}, {"kind": "repeat"}, {"kind": "total", "change": 5}):
        sim.door("POST", "trouble", **order)
    dropped, repeated, changed = sim.report(), sim.report(), sim.report()
    assert dropped["list"] == whole["list"][:-2]
    assert repeated["list"] == [*whole["list"][:-1], whole["list"][0]]
    assert changed["page_info"]["total_number"] == whole["page_info"]["total_number"] + 5
    assert sim.report() == whole


def test_limits_latency_and_the_present_can_be_changed_and_reset() -> None:
    sim = Sim()
    sim.door("POST", "limits", qps=1)
    assert [sim.code("user/info/") for _ in range(2)] == [0, 40100]
    sim.door("POST", "latency", ms=20)
    sim.door("POST", "now", today="2026-09-01", hour=3, minute=30)
    sim.door("POST", "remove", advertiser_id=sim.ids[0])
    sim.door("POST", "revoke", token=sim.token)
    assert sim.door("GET", "state")["now"] == "2026-09-01T03:30:00+00:00"
    sim.door("POST", "reset")
    assert sim.door("GET", "state")["now"] == "2026-08-20T12:00:00+00:00"
    assert [sim.code(REPORT, **sim.basic()) for _ in range(3)] == [0, 0, 0]
    assert sim.slept == []


def test_the_side_door_gives_tokens_without_consent() -> None:
    sim = Sim()
    sim.token = sim.door("POST", "token", advertiser_ids=sim.ids[:1])["access_token"]
    assert [sim.code("campaign/get/", advertiser_id=identity) for identity in sim.ids[:2]] == [0, 40001]


def test_the_log_says_who_asked_what_and_hides_secrets() -> None:
    sim = Sim()
    sim.ticks = 5.0
    sim.code("oauth2/advertiser/get/", app_id=sim.config.app_id, secret=sim.config.secret)
    sim.code(REPORT, **{**sim.basic(), "page": "3", "page_size": "0"})
    log = sim.door("GET", "requests")["requests"]
    assert [(entry["path"], entry["code"], entry["page"], entry["at"]) for entry in log] == [
        ("oauth2/advertiser/get/", 0, 0, 5.0),
        (REPORT, 40002, 3, 5.0),
    ]
    assert log[1]["advertiser"] == sim.ids[0]
    assert sim.config.secret not in json.dumps(log)
    assert len(sim.send("GET", "/_simulator/requests?path=integrated").json()["requests"]) == 1


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("trouble", {"kind": "earthquake"}),
        ("trouble", {"kind": "code", "times": "often"}),
        ("trouble", {"kind": "code", "colour": 1}),
        ("now", {"today": "soon"}),
        ("limits", {"qps": "many"}),
        ("remove", {}),
        ("token", {"advertiser_ids": ["1"]}),
    ],
)
def test_an_order_that_is_not_in_order_is_answered_with_a_sentence(name: str, body: dict[str, object]) -> None:
    response = SIM.send("POST", f"/_simulator/{name}", json=body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_an_unknown_order_names_the_known_ones() -> None:
    response = SIM.send("GET", "/_simulator/nothing")
    assert response.status_code == 404
    assert "POST trouble" in response.json()["error"]


# --- the world -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [{"advertisers": 0}, {"advertisers": 1025}, {"ads": -1}, {"restate_days": 61}])
def test_a_world_that_has_no_room_is_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="simulator has room|can be"):
        WorldConfig(today=TODAY, **sizes)  # type: ignore[arg-type] # the keys are the config's own


def test_small_worlds_have_ordinary_advertisers_only() -> None:
    kinds = {
        count: [row["kind"] for row in Sim(world(advertisers=count)).door("GET", "state")["advertisers"]]
        for count in (3, 4)
    }
    assert kinds[3] == ["ordinary"] * 3
    assert kinds[4] == ["ordinary", "ordinary", "no_permission", "empty"]


def test_ids_are_19_digits_and_all_different() -> None:
    ids: list[str] = []
    for identity in SIM.ids[:4]:
        for level in ("campaign", "adgroup", "ad"):
            listed = SIM.get(f"{level}/get/", advertiser_id=identity, page_size="1000")["data"]["list"]
            ids += [row[f"{level}_id"] for row in listed]
    assert {len(identity) for identity in ids} == {19}
    assert len(set(ids)) == len(ids)


def test_the_page_for_developers_names_every_endpoint() -> None:
    """docs/simulator.md lists what is simulated."""
    from pathlib import Path

    text = (Path(__file__).parents[1] / "docs" / "simulator.md").read_text(encoding="utf-8")
    assert [name for name in ENDPOINTS if f"`{name}`" not in text] == []
