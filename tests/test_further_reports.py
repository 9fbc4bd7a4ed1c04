"""Further types of the synchronous report: Seller Center ads, playable ads, and the spend of Business Centers."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson
import pytest

from adreel import catalog
from adreel.datasets import menus
from adreel.errors import ExitCode
from adreel.simulator.api.business_centers import IDS
from form_page import filled
from home import SPEND, Home
from simulator_client import Sim
from web_home import open_site, words_of

BY_DAY = ["campaign_id", "country_code", "stat_time_day"]
WEEK = {"start": "2026-11-14", "end": "2026-11-20"}
_USUAL = dict.fromkeys(SPEND) | {"account": "demo", "dates": WEEK}
SELLER_CENTER: dict[str, Any] = {
    **_USUAL,
    "name": "Old ads",
    "report": "seller_center_ads",
    "seller_center_grouping": "campaign_country",
    "time_dimension": "day",
    "metrics": ["spend", "billed_cost"],
}
PLAYABLES: dict[str, Any] = {
    **_USUAL,
    "name": "Playables",
    "report": "playable_ads",
    "metrics": ["spend", "impressions"],
}
CENTERS: dict[str, Any] = {
    **_USUAL,
    "name": "Centers",
    "report": "business_center_spend",
    "center_grouping": "day",
    "metrics": ["spend", "cash_spend", "voucher_spend", "cashback_coupon_spend", "tax_spend", "impressions"],
    "update": {"method": "upsert"},
}


class Altered(httpx2.AsyncBaseTransport):
    """The simulated world, with other totals or dimensions in reports."""

    def __init__(self, home: Home, total_metrics: Any = None, dimensions: Any = None) -> None:
        self._under = httpx2.ASGITransport(home.world)
        self._totals, self._dimensions = total_metrics, dimensions or {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._under.handle_async_request(request)
        if "report/integrated" not in request.url.path:
            return response
        answer = orjson.loads(await response.aread())
        if self._totals:
            answer["data"]["total_metrics"] = self._totals
        for row in answer["data"]["list"][:1]:
            row["dimensions"].update(self._dimensions)
        return httpx2.Response(200, content=orjson.dumps(answer))


def checked(home: Home, **values: Any) -> dict[str, Any]:
    """Creates and runs the dataset; its run."""
    home.good("datasets", "create", "-f", home.file(**values))
    name = values["name"].lower().replace(" ", "_")
    home.good("run", name, "--yes")
    return dict(home.json("history", name)[0])


def test_old_seller_center_ads_are_a_report_of_their_own_with_totals_where_tiktok_has_them(home: Home) -> None:
    run = checked(home, **SELLER_CENTER)
    assert (run["state"], run["verification"]["checks"]) == ("verified", ["rows", "keys"])
    (sent,) = home.requests()[:1]
    assert {"report_type": "TT_SHOP", "data_level": "AUCTION_CAMPAIGN"}.items() <= sent["params"].items()
    assert "filtering" not in sent["params"]
    whole = {**SELLER_CENTER, "name": "Whole", "seller_center_grouping": "advertiser", "time_dimension": None}
    run = checked(home, **whole | {"dates": {"start": "2025-12-01", "end": "2026-11-20"}})
    assert set(run["verification"]["totals"]) == {"spend", "billed_cost"}
    sums = home.rows("SELECT sum(spend) AS spend FROM whole UNION ALL SELECT sum(spend) FROM old_ads")
    assert sums[0]["spend"] > sums[1]["spend"] > 0
    for wrong in ({"time_dimension": "day"}, {"metrics": ["impressions"]}):
        assert home.bad("plan", "-f", home.file(**whole | wrong))[0] == ExitCode.INPUT


def test_reports_on_catalogs_have_a_row_for_each_campaign_catalog_and_day(home: Home) -> None:
    of_catalogs = {"report_type": "dsa", "data_level": "campaign", "dsa_dimension": ["catalog_id"]}
    values = {**_USUAL, "name": "Catalogs", "report": "performance", "time_dimension": "day"} | of_catalogs
    run = checked(home, **values | {"id_dimension": "campaign_id", "metrics": ["spend", "impressions"]})
    assert (run["state"], run["rows"] > 0) == ("verified", True)
    params = home.requests()[0]["params"]
    assert params["report_type"] == "CATALOG"
    assert "filtering" not in params
    by_key = "SELECT count(*) AS rows FROM (SELECT DISTINCT advertiser_id, campaign_id, catalog_id, stat_time_day FROM"
    assert home.rows(f"{by_key} catalogs WHERE spend > 0 AND catalog_id <> '-')")[0]["rows"] > 0


def test_cost_of_seller_center_ads_is_not_counted_on_home_nor_taken_for_all_spend(home: Home) -> None:
    checked(home, **SELLER_CENTER)
    with open_site(home) as site:
        words = site.visit("admin").words("/home/spend")
    assert "No dataset has cost by day" in words


def test_a_total_of_seller_center_ads_that_differs_fails_the_check(home: Home) -> None:
    home.transport = Altered(home, total_metrics={"spend": "1.00", "billed_cost": "1.00"})
    values = {**SELLER_CENTER, "seller_center_grouping": "advertiser", "time_dimension": None}
    code, text = home.bad("run", "-f", home.file(**values), "--yes")
    assert code == ExitCode.CHECK_FAILED
    assert "TikTok's own total" in " ".join(text.split())


@pytest.mark.slow
def test_playable_ads_have_a_range_or_their_lifetime_and_deleted_ones(home: Home) -> None:
    run = checked(home, **PLAYABLES)
    assert run["state"] == "verified"
    (sent,) = home.requests()[:1]
    assert not {"data_level", "enable_total_metrics"} & sent["params"].keys()
    living = checked(home, **{**PLAYABLES, "name": "Living"}, include_deleted=False)
    assert living["rows"] < run["rows"]
    checked(home, **{**PLAYABLES, "name": "Ever", "dates": None}, lifetime=True)
    checked(home, **{**PLAYABLES, "name": "Countries"}, playable_grouping="playable_country")
    spend = "SELECT round(sum(spend), 2) AS spend FROM"
    week, countries, ever = (home.rows(f"{spend} {table}")[0]["spend"] for table in ("playables", "countries", "ever"))
    assert ever > week == countries > 0
    today = {**PLAYABLES, "dates": {"start": "2026-11-20", "end": "today"}}
    assert "Not complete yet: 2026-11-21" in " ".join(home.json("plan", "-f", home.file(**today))["notes"])
    country = {**PLAYABLES, "dates": None, "lifetime": True, "playable_grouping": "playable_country"}
    assert home.bad("plan", "-f", home.file(**country))[0] == ExitCode.INPUT


def test_names_of_playable_metrics_that_tiktok_does_not_know_are_named_by_the_failed_run(home: Home) -> None:
    values = {**PLAYABLES, "metrics": ["spend", "playable_page_view_count"]}
    home.good("run", "-f", home.file(**values), "--yes")
    home.door("further-reports", {"playable_names": False})
    code, text = home.bad("run", "playables", "--yes")
    assert code == ExitCode.INPUT
    assert "playable_page_view_count" in text


@pytest.mark.slow
def test_spend_of_business_centers_is_by_ad_account_country_or_day(home: Home) -> None:
    run = checked(home, **CENTERS)
    assert (run["state"], run["rows"]) == ("verified", 14)
    assert "Tax of 2026-11-20 (complete on 2026-11-23 at 12:00 UTC)" in " ".join(run["notes"])
    refused = {"advertiser_id", "service_type", "data_level", "query_mode", "enable_total_metrics"}
    assert not [sent for sent in home.requests() if refused & sent["params"].keys()]
    accounts = {"center_grouping": "advertiser", "metrics": ["spend", "impressions"]}
    checked(home, **CENTERS | {"name": "Accounts"} | accounts)
    countries = checked(home, **CENTERS | {"name": "Countries"} | accounts | {"center_grouping": "advertiser_country"})
    assert countries["rows"] == 10
    counts = [home.rows(f"SELECT sum(impressions) AS n FROM {table}") for table in ("centers", "accounts", "countries")]
    assert counts[0] == counts[1] == counts[2]
    (row,) = home.rows(f"SELECT * FROM accounts WHERE bc_id = '{IDS[1]}' LIMIT 1")
    assert row["bc_name"] == "Northwind Partners"
    assert (row["start_date"], row["end_date"]) == (WEEK["start"], WEEK["end"])
    assert {"advertiser_id", "spend"} <= row.keys()
    assert not {"currency", "timezone"} & row.keys()


@pytest.mark.slow
def test_days_of_business_centers_are_read_again_until_their_tax_is_complete(home: Home) -> None:
    values = {**CENTERS, "dates": {"period": "yesterday"}, "business_centers": [IDS[0]]}
    assert home.json("plan", "-f", home.file(**values))["requests"] >= 2
    checked(home, **values)
    tax = "SELECT tax_spend FROM centers WHERE stat_time_day = DATE '2026-11-21'"
    assert home.rows(tax) == [{"tax_spend": 0.0}]
    for _ in range(3):
        home.later(1)
        home.good("run", "centers", "--yes")
    (row,) = home.rows(tax)
    assert row["tax_spend"] > 0
    assert home.rows("SELECT count(*) AS days FROM centers") == [{"days": 4}]
    # After a time without runs, the days in between are read.
    home.later(9)
    home.good("run", "centers", "--yes")
    assert home.rows("SELECT count(*) AS days FROM centers") == [{"days": 13}]


def test_other_days_of_business_centers_join_a_table_that_each_run_replaces(home: Home) -> None:
    checked(home, **CENTERS | {"update": {"method": "replace"}})
    home.good("run", "centers", "--yes", "--start", "2026-11-12", "--end", "2026-11-14")
    days = "SELECT count(*) AS rows, count(DISTINCT (bc_id, stat_time_day)) AS days FROM centers"
    assert home.rows(days) == [{"rows": 18, "days": 18}]


def test_answers_without_rows_lack_their_list_or_have_an_empty_one(home: Home) -> None:
    dates = {"start": "2026-11-22", "end": "2026-11-22"}
    for number, given in enumerate((True, False)):
        home.door("further-reports", {"empty_list": given})
        run = checked(home, **{**PLAYABLES, "name": f"Empty {number}", "dates": dates})
        assert (run["state"], run["rows"]) == ("verified", 0)


def test_rows_of_days_that_were_not_requested_fail_a_run_of_business_centers(home: Home) -> None:
    home.transport = Altered(home, dimensions={"stat_time_day": "2026-11-10 00:00:00"})
    code, text = home.bad("run", "-f", home.file(**CENTERS), "--yes")
    assert code == ExitCode.CHECK_FAILED
    assert "2026-11-10" in text


@pytest.mark.parametrize(
    ("message", "params"),
    [
        ("Conflict", {"report_type": "TT_SHOP", "dimensions": ["campaign_id"]}),
        ("invalid metric", {"report_type": "TT_SHOP", "metrics": ["impressions"]}),
        ("filtering", {"report_type": "TT_SHOP", "filtering": []}),
        ("enable_total", {"report_type": "TT_SHOP", "enable_total_metrics": "true"}),
        ("query_lifetime", {"report_type": "TT_SHOP", "query_lifetime": "true"}),
        ("range", {"report_type": "TT_SHOP", "dimensions": BY_DAY, "start_date": "2026-06-01"}),
        ("data_level", {"report_type": "PLAYABLE_MATERIAL", "dimensions": ["playable_id"]}),
        ("data_level", {"report_type": "BC", "bc_id": IDS[0], "dimensions": ["stat_time_day"]}),
        ("Conflict", {"report_type": "BC", "bc_id": IDS[0], "data_level": None, "advertiser_id": None}),
    ],
)
def test_the_simulator_refuses_what_tiktok_documents_as_refused(message: str, params: dict[str, Any]) -> None:
    given = {"dimensions": ["campaign_id", "country_code"], "metrics": ["spend"], **params}
    assert message in Sim().refused(**given)


@pytest.mark.slow
def test_what_is_not_confirmed_is_marked_in_the_form_and_in_the_lists(home: Home) -> None:
    with open_site(home) as site:
        visit = site.visit("admin")
        fields = filled(visit.good("/datasets/new"), report="playable_ads", account="demo")
        page = words_of(visit.fragment("POST", "/datasets/form", dict(fields)).text)
        assert "How sure this is: TikTok's lists of metrics and groupings are not public." in page
        assert "Each playable ad. unconfirmed" in page
        for name, values in (("centers", CENTERS), ("old_ads", SELLER_CENTER), ("playables", PLAYABLES)):
            checked(home, **values)
            for part in ("", "/data", "/cards", "/settings", "/restatements", "/versions"):
                assert "Unexpected error" not in visit.good(f"/datasets/{name}{part}")
        assert "does not document the currency" in visit.words("/datasets/centers/cards")
    assert "How sure this is" in home.good("reports", "business_center_spend").stderr
    report = catalog.REPORTS["playable_ads"]
    menu = next(menu for menu in report.menus if menu.name == "metrics")
    offers = {offer.value: offer.unconfirmed for offer in menus.offers(report, menu, {})}
    assert (offers["spend"], offers["playable_page_view_count"]) == (False, True)


def test_a_metric_of_other_reports_can_be_added_to_those_whose_lists_are_not_public(home: Home) -> None:
    entry = {"title": "Views", "description": "Plays.", "type": "int", "summable": True, "reports": ["business_center"]}
    (home.path / "catalog.yaml").write_bytes(orjson.dumps({"metrics": {"video_play_actions": entry}}))
    assert "video_play_actions" in home.good("catalog", "additions").stdout
    values = {**CENTERS, "metrics": ["spend", "video_play_actions"]}
    home.good("plan", "-f", home.file(**values))
    # The simulated TikTok does not know it.
    code, text = home.bad("run", "-f", home.file(**values), "--yes")
    assert code == ExitCode.INPUT
    assert "video_play_actions" in text
    (home.path / "catalog.yaml").unlink()
    assert "video_play_actions" in home.bad("plan", "-f", home.file(**values))[1]
