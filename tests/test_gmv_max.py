"""The GMV Max report, from the dataset file to the verified table."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import running
from adreel.advertisers import Advertiser, Shop
from adreel.catalog import gmv_max
from adreel.datasets.dataset import Dataset
from adreel.datasets.files import read
from adreel.datasets.freshness import report_delay
from adreel.datasets.lookback import lookback_days
from adreel.datasets.row_hints import UNASSIGNED, row_hints
from adreel.datasets.stored import dataset_of
from adreel.datasets.validation import parse
from adreel.dates import Span
from adreel.errors import RetryError
from adreel.pipeline.plan import GMV_MAX_PATH, LONGEST_SPAN, make_plan, report_limits, shop_params
from adreel.simulator import WorldConfig, access_token, create_app
from adreel.store import Store
from adreel.tiktok.client import Client
from adreel.tiktok.rate_limit import LEVELS, FileLog, Pace, path_limits
from home import Home, make_home
from running import saved, settings_of, table
from virtual_time import VirtualTime

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PATH = "gmv_max/report/get/"
DAILY: dict[str, Any] = {
    "name": "Shop",
    "account": "demo",
    "report": "gmv_max",
    "gmv_max_level": "campaign",
    "metrics": ["cost", "orders", "gross_revenue"],
    "dates": {"start": "today-4", "end": "today-2"},
}


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home for tests that only read, each with a dataset of its own."""
    home = make_home(tmp_path_factory.mktemp("shops") / "home")
    home.add_account()
    return home


def write(home: Home, **keys: Any) -> str:
    path = home.path.parent / "shop.yaml"
    path.write_bytes(orjson.dumps(DAILY | keys))
    return str(path)


def run(home: Home, **keys: Any) -> dict[str, Any]:
    """Runs a dataset as it is named; the report of the run."""
    result = home.adreel("run", "-f", write(home, **keys), "--json")
    assert result.stdout, result.output
    return dict(orjson.loads(result.stdout))


def rows(home: Home, report: dict[str, Any]) -> list[dict[str, Any]]:
    return list(table(home, report["table"].rpartition("/")[2]).to_pylist())


def cost(table_rows: list[dict[str, Any]], **values: Any) -> Decimal:
    matching = [row["cost"] for row in table_rows if all(row[name] == value for name, value in values.items())]
    return sum(matching, Decimal(0))


# -- rows and keys


def test_all_levels_agree_but_for_the_cost_of_no_product(shops: Home) -> None:
    by_level = {}
    for level in gmv_max.LEVELS:
        report = run(shops, name=f"Level {level}", gmv_max_level=level)
        assert report["verification"]["verified"], report
        assert report["rows"] == report["verification"]["rows_expected"] > 0
        by_level[level] = rows(shops, report), report["notes"]
    account, campaigns, products = (by_level[level][0] for level in ("account", "campaign", "product"))
    assert (
        cost(account) == cost(campaigns) > cost(products) > Decimal("0.98") * cost(campaigns, promotion_type="PRODUCT")
    )
    assert cost(by_level["livestream"][0]) == cost(campaigns, promotion_type="LIVE")
    assert cost(by_level["creative"][0]) == cost(products) == cost(by_level["product_duration"][0])
    assert cost(by_level["live_duration"][0]) == cost(by_level["livestream"][0])
    cost_notes = [note for note in by_level["product"][1] if "that their campaigns cost" in note]
    assert len(cost_notes) == 2, by_level["product"][1]
    assert not any("that their campaigns cost" in note for note in by_level["campaign"][1])
    for level, rows_of_level in {"product": products, "creative": by_level["creative"][0]}.items():
        parts = unassigned(shops, f"Level {level}")
        total, of_rows = (sum(Decimal(part[name]) for part in parts) for name in ("total", "cost"))
        assert (total, of_rows) == (cost(campaigns, promotion_type="PRODUCT"), cost(rows_of_level))
    assert unassigned(shops, "Level campaign") == []


def unassigned(home: Home, name: str) -> list[dict[str, str]]:
    """What the pages say that TikTok assigns to no row, with the sentences themselves."""
    dataset = saved(home, name)
    with Store.open(settings_of(home), clock=lambda: home.now) as store:
        (newest,) = store.runs.good(dataset)
    parts = list(newest.verification.get(UNASSIGNED, []))
    sentences = list(row_hints(dataset_of(dataset, NOW), newest))
    assert [part["name"] for part in parts] == [sentence.partition(":")[0] for sentence in sentences]
    return parts


def test_shop_and_type_come_from_the_request_and_ids_stay_texts(shops: Home) -> None:
    table_rows = rows(shops, run(shops, name="Creatives", gmv_max_level="creative"))
    row = next(row for row in table_rows if row["item_id"] == "-1")
    names = ["advertiser_id", "store_id", "campaign_id", "item_group_id", "item_id"]
    assert {type(row[name]) for name in names} == {str}
    assert row["promotion_type"] == "PRODUCT"
    assert row["store_name"].endswith("Shop") or row["store_name"].endswith("Shop 2")
    keys = Counter((*(row[name] for name in names), row["stat_time_day"]) for row in table_rows)
    assert set(keys.values()) == {1}


def test_names_are_read_one_campaign_at_a_time_with_the_same_figures(shops: Home) -> None:
    plain = run(shops, name="Ids", gmv_max_level="product")
    named = run(shops, name="Names", gmv_max_level="product", metrics=["product_name", "cost", "orders"])
    table_rows = rows(shops, named)
    assert all(row["product_name"] for row in table_rows)
    assert sorted((r["campaign_id"], r["item_group_id"], r["stat_time_day"], r["cost"]) for r in table_rows) == sorted(
        (r["campaign_id"], r["item_group_id"], r["stat_time_day"], r["cost"]) for r in rows(shops, plain)
    )
    assert named["requests"] > plain["requests"]


@pytest.mark.parametrize(
    ("level", "names"),
    [
        ("creative", {"title": "item_id", "product_name": "item_group_id", "campaign_name": "campaign_id"}),
        ("livestream", {"live_name": "room_id", "campaign_name": "campaign_id"}),
    ],
)
def test_rows_have_the_names_of_what_is_above_them(shops: Home, level: str, names: dict[str, str]) -> None:
    plain = rows(shops, run(shops, name=f"Ids of {level}", gmv_max_level=level))
    report = run(shops, name=f"Names of {level}", gmv_max_level=level, metrics=[*names, *DAILY["metrics"]])
    assert report["verification"]["verified"], report
    named = rows(shops, report)
    campaigns = rows(shops, run(shops, name=f"Campaigns of {level}", metrics=["campaign_name", "cost"]))
    by_id = {row["campaign_id"]: row["campaign_name"] for row in campaigns}
    assert {row["campaign_id"]: row["campaign_name"] for row in named}.items() <= by_id.items()
    for name, id_column in names.items():
        assert all(row[name] for row in named)
        assert len({(row[id_column], row[name]) for row in named}) == len({row[id_column] for row in named})
    facts = ("campaign_id", "stat_time_day", "cost", "orders", "gross_revenue", *names.values())
    assert sorted(tuple(row[fact] for fact in facts) for row in named) == sorted(
        tuple(row[fact] for fact in facts) for row in plain
    )


def test_names_of_campaigns_alone_take_no_request_more(shops: Home) -> None:
    plain = run(shops, name="Plain products", gmv_max_level="product")
    named = run(shops, name="Products of campaigns", gmv_max_level="product", metrics=["campaign_name", "cost"])
    assert named["requests"] == plain["requests"]
    assert all(row["campaign_name"] for row in rows(shops, named))


def test_metrics_of_lives_are_empty_in_rows_of_product_campaigns(shops: Home) -> None:
    table_rows = rows(shops, run(shops, name="Lives", metrics=["cost", "live_views"]))
    assert {row["live_views"] is None for row in table_rows if row["promotion_type"] == "PRODUCT"} == {True}
    assert {row["live_views"] is None for row in table_rows if row["promotion_type"] == "LIVE"} == {False}


def test_hours_that_are_still_to_come_are_no_rows(shops: Home) -> None:
    hourly = {"time_dimension": "hour", "dates": {"date": "today"}, "gmv_max_level": "account"}
    table_rows = rows(shops, run(shops, name="Hours", **hourly))
    latest = Counter(row["timezone"] for row in table_rows if row["stat_time_hour_utc"] > NOW)
    assert table_rows
    assert not latest


def test_deleted_campaigns_are_in_the_table(shops: Home) -> None:
    summer = {"dates": {"start": "2026-07-01", "end": "2026-07-10"}, "metrics": ["campaign_name", "cost"]}
    report = run(shops, name="Summer", **summer)
    table_rows = rows(shops, report)
    account = rows(
        shops, run(shops, name="Summer account", **{**summer, "gmv_max_level": "account", "metrics": ["cost"]})
    )
    assert cost(table_rows) == cost(account)


# -- periods of one optimization mode


@pytest.fixture
def periods(shops: Home) -> Iterator[Home]:
    """The home, and after the test its world as it was."""
    yield shops
    shops.door("gmv-max", {"periods": "texts", "duration_is_id": False, "day_targets": True})


def of_period(home: Home, name: str, level: str = "live_duration", **keys: Any) -> dict[str, Any]:
    first = home.door("state")["advertisers"][0]["advertiser_id"]
    dates = {"start": "today-6", "end": "today-2"}
    return {"name": name, "gmv_max_level": level, "advertisers": [first], "dates": dates} | keys


@pytest.mark.parametrize("level", ["product_duration", pytest.param("live_duration", marks=pytest.mark.slow)])
def test_modes_of_periods_are_read_whether_or_not_a_period_counts_as_an_id(periods: Home, level: str) -> None:
    keys = of_period(periods, f"Periods of {level}", level)
    plain = rows(periods, run(periods, **keys))
    target = ["roas_bid"] if level == "product_duration" else []
    keys |= {"metrics": ["bid_type", *target, "cost", "orders"]}
    readings = []
    for duration_is_id in (False, True):
        periods.door("gmv-max", {"duration_is_id": duration_is_id})
        report = run(periods, **keys | {"name": f"Modes {level} {duration_is_id}"})
        assert report["verification"]["verified"], report
        readings.append(rows(periods, report))
    names = ("store_id", "campaign_id", gmv_max.LEVELS[level].ids[1], "duration", "cost")
    figures = [sorted(tuple(row[name] for name in names) for row in those) for those in (plain, *readings)]
    assert figures[0] == figures[1] == figures[2]
    assert readings[0] == readings[1]
    modes = {row["bid_type"] for row in readings[0]}
    assert modes == {"CUSTOM", "NO_BID"}
    if target:
        assert {(row["bid_type"], row["roas_bid"]) for row in readings[0]} == {("CUSTOM", 5.5), ("NO_BID", None)}


def test_periods_may_come_as_numbers_or_without_a_name(periods: Home) -> None:
    keys = of_period(periods, "Texts")
    whole = cost(rows(periods, run(periods, **keys)))
    for way in ("numbers", "unnamed", "dashed"):
        periods.door("gmv-max", {"periods": way})
        report = run(periods, **keys | {"name": f"As {way}"})
        assert report["state"] == "verified", report
        table_rows = rows(periods, report)
        assert cost(table_rows) == whole
        values = {row["duration"] for row in table_rows}
        assert all(value.isdigit() for value in values) if way == "numbers" else "-" in values, values


@pytest.mark.slow
def test_cost_of_no_period_is_noted_and_cost_of_two_fails_the_check(periods: Home) -> None:
    periods.door("gmv-max", {"periods": "missing"})
    keys = of_period(periods, "No period")
    report = run(periods, **keys)
    of_periods = cost(rows(periods, report)).normalize()
    sessions = rows(periods, run(periods, **keys | {"name": "Those sessions", "gmv_max_level": "livestream"}))
    amounts = f"{of_periods:,f} of the {cost(sessions).normalize():,f} USD that their products or LIVE sessions cost"
    assert [note for note in report["notes"] if amounts in note], (amounts, report["notes"])
    periods.door("gmv-max", {"periods": "overlapping"})
    failed = periods.adreel("run", "-f", write(periods, **keys | {"name": "Overlapping"}), "--json")
    assert failed.exit_code != 0
    assert "cost: that of the campaigns is" in failed.stdout + failed.stderr
    periods.door("gmv-max", {"periods": "texts"})

    def a_little_more(params: dict[str, Any], data: dict[str, Any]) -> None:
        if "duration" in params["dimensions"]:
            data["list"][0]["metrics"]["cost"] = str(Decimal(data["list"][0]["metrics"]["cost"]) + 9)
            data.pop("total_metrics", None)

    # Less than the cost of no product, so the campaigns do not show it.
    keys |= {"name": "A little more", "gmv_max_level": "product_duration"}
    failed = changed(periods, a_little_more, **keys)
    assert failed.exit_code != 0
    assert "cost: that of the products is" in failed.stdout + failed.stderr


def test_a_target_of_zero_is_none(periods: Home) -> None:
    keys = of_period(periods, "Targets", "campaign", metrics=["bid_type", "roas_bid", "identity_id", "cost"])
    by_day = rows(periods, run(periods, **keys))
    assert {row["roas_bid"] for row in by_day} == {5.5, None}
    assert {row["identity_id"] is None for row in by_day if row["promotion_type"] == "PRODUCT"} == {True}
    assert {row["identity_id"] is None for row in by_day if row["promotion_type"] == "LIVE"} == {False}
    periods.door("gmv-max", {"day_targets": False})
    assert {row["roas_bid"] for row in rows(periods, run(periods, **keys))} == {None}


# -- proof


class Changed(httpx2.AsyncBaseTransport):
    """The simulated world with changed GMV Max reports: `change` gets the parameters and the answer's data."""

    def __init__(self, home: Home, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
        self._under, self._change = httpx2.ASGITransport(home.world), change

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._under.handle_async_request(request)
        if PATH not in request.url.path:
            return response
        answer = orjson.loads(await response.aread())
        params = {name: value if name.endswith("date") else orjson.loads(value) for name, value in _json(request)}
        self._change(params, answer["data"])
        return httpx2.Response(200, content=orjson.dumps(answer))


def _json(request: httpx2.Request) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in request.url.params.items() if name not in ("advertiser_id", "sort_field"))


def changed(shops: Home, change: Callable[[dict[str, Any], dict[str, Any]], None], **keys: Any) -> Any:
    shops.transport = Changed(shops, change)
    try:
        return shops.adreel("run", "-f", write(shops, **keys), "--json")
    finally:
        shops.transport = None


def test_an_empty_list_of_campaigns_of_a_shop_with_cost_is_no_success(shops: Home) -> None:
    def empty(params: dict[str, Any], data: dict[str, Any]) -> None:
        if "campaign_id" in params["dimensions"]:
            data.pop("list", None)
            data["page_info"] |= {"total_number": 0, "total_page": 0}
            data.pop("total_metrics", None)

    result = changed(shops, empty, name="Empty")
    assert "cost: that of the shop is" in result.stdout + result.stderr
    assert result.exit_code != 0
    below = changed(shops, empty, name="Empty products", gmv_max_level="product")
    assert below.exit_code != 0
    assert "cost: that of the shop is" in below.stderr


def test_a_campaign_that_is_missing_without_a_trace_fails_the_check(shops: Home) -> None:
    def without_one(params: dict[str, Any], data: dict[str, Any]) -> None:
        if "campaign_id" in params["dimensions"] and data.get("list"):
            gone = data["list"][0]["dimensions"]["campaign_id"]
            remaining = [row for row in data["list"] if row["dimensions"]["campaign_id"] != gone]
            data["page_info"]["total_number"] = len(remaining)
            data["list"] = remaining
            data.pop("total_metrics", None)

    result = changed(shops, without_one, name="Missing")
    assert result.exit_code != 0
    assert "but the rows below sum to" in result.stdout + result.stderr


def test_hours_that_are_missing_at_the_end_of_a_day_fail_the_check(shops: Home) -> None:
    def early(params: dict[str, Any], data: dict[str, Any]) -> None:
        if "stat_time_hour" in params["dimensions"]:
            data["list"] = [row for row in data["list"] if row["dimensions"]["stat_time_hour"][11:13] < "20"]
            data["page_info"]["total_number"] = len(data["list"])
            data.pop("total_metrics", None)

    result = changed(
        shops, early, name="Early", gmv_max_level="account", time_dimension="hour", dates={"date": "today-3"}
    )
    assert result.exit_code != 0
    assert "but the rows below sum to" in result.stdout + result.stderr


def test_amounts_in_another_currency_than_that_of_the_ad_account_are_refused(shops: Home) -> None:
    def other(params: dict[str, Any], data: dict[str, Any]) -> None:
        for row in data.get("list", ()):
            if "currency" in row["metrics"]:
                row["metrics"]["currency"] = "GBP"

    result = changed(shops, other, name="Pounds", gmv_max_level="product")
    assert result.exit_code != 0
    assert "TikTok sent amounts in GBP" in result.stderr
    # TikTok sends 0 in some rows.
    assert changed(shops, _no_currency, name="Zero", gmv_max_level="product").exit_code == 0


def _no_currency(_params: dict[str, Any], data: dict[str, Any]) -> None:
    for row in data.get("list", ()):
        row["metrics"]["currency"] = "0"


def test_days_before_tiktok_has_gmv_max_are_named(shops: Home) -> None:
    long = {"dates": {"start": "2024-09-01", "end": "2024-10-01"}, "name": "Long"}
    notes = shops.json("plan", "-f", write(shops, **long))["notes"]
    assert any("from 2024-09-27 on" in note for note in notes), notes
    assert not any("2024-09-27" in note for note in shops.json("plan", "-f", write(shops))["notes"])


def test_rows_of_no_id_are_left_out_and_counted(shops: Home) -> None:
    shops.door("gmv-max", {"dash_rows": True})
    try:
        report = run(shops, name="Dashes")
    finally:
        shops.door("gmv-max", {"dash_rows": False})
    assert report["state"] == "verified"
    assert "-" not in {row["campaign_id"] for row in rows(shops, report)}


# -- shops


@pytest.fixture
def own(tmp_path: Path) -> Home:
    """A world of six ad accounts: two with shops, one whose list lacks its shop, one without permission."""
    home = make_home(tmp_path / "home", advertisers=6)
    home.add_account()
    return home


def state(home: Home) -> dict[str, Any]:
    return dict(home.door("state"))


def test_an_ad_account_without_permission_stops_the_run_or_is_skipped(own: Home) -> None:
    everything = write(own)
    result = own.adreel("run", "-f", everything)
    assert result.exit_code != 0
    assert "skip_failing_advertisers: true" in result.stderr
    report = run(own, skip_failing_advertisers=True)
    assert report["state"] == "advertisers_skipped"
    assert report["verification"]["verified"]
    assert len({row["advertiser_id"] for row in rows(own, report)}) == 2


def test_a_permission_that_the_app_lacks_is_named(own: Home) -> None:
    message = "advertiser does not grant you /gmv_max/store/list/:GET permission"
    trouble = {"kind": "code", "path": "gmv_max/store/list", "code": 40001, "message": message, "times": 0}
    own.door("trouble", trouble)
    ids = [a["advertiser_id"] for a in state(own)["advertisers"] if a["kind"] == "ordinary"]
    result = own.adreel("run", "-f", write(own, advertisers=ids))
    assert result.exit_code != 0
    assert "The app lacks the permission for /gmv_max/store/list/" in result.stderr


def test_a_shop_that_the_list_lacks_is_read_by_its_id(own: Home) -> None:
    unlisted = next(shop for shop in state(own)["shops"] if not shop["listed"])
    ids = [a["advertiser_id"] for a in state(own)["advertisers"] if a["kind"] == "ordinary"]
    alone = own.adreel("run", "-f", write(own, name="All", advertisers=[unlisted["advertiser_id"]]))
    assert alone.exit_code != 0
    assert "TikTok lists no shop of these ad accounts" in alone.stderr
    report = run(own, name="One", advertisers=ids, shops=[unlisted["store_id"]])
    assert report["state"] == "verified"
    table_rows = rows(own, report)
    assert {(row["advertiser_id"], row["store_id"]) for row in table_rows} == {
        (unlisted["advertiser_id"], unlisted["store_id"])
    }


def test_a_shop_of_another_ad_account_is_named_with_its_owner(own: Home) -> None:
    world = state(own)
    first, second = (a["advertiser_id"] for a in world["advertisers"][:2])
    foreign = next(shop["store_id"] for shop in world["shops"] if shop["advertiser_id"] == second)
    mine = next(shop["store_id"] for shop in world["shops"] if shop["advertiser_id"] == first)
    result = own.adreel("run", "-f", write(own, advertisers=[first], shops=[foreign]))
    assert result.exit_code != 0
    assert f"belongs to ad account {world['advertisers'][1]['name']} ({second})" in result.stderr
    both = run(own, advertisers=[first], shops=[mine, foreign], skip_failing_advertisers=True)
    assert both["state"] == "verified_with_warnings"
    assert [foreign in warning for warning in both["warnings"]] == [True]
    nobody = own.adreel("run", "-f", write(own, name="Nobody", advertisers=[first], shops=["7000000000000000001"]))
    assert "No ad account of the dataset can read shop 7000000000000000001" in nobody.stderr


def test_a_shop_that_moved_to_another_ad_account_is_a_warning_and_its_rows_stay(own: Home) -> None:
    world = state(own)
    first, second = (a["advertiser_id"] for a in world["advertisers"][:2])
    moved = next(shop["store_id"] for shop in world["shops"] if shop["advertiser_id"] == first)
    keys: dict[str, Any] = {"advertisers": [first], "update": {"method": "upsert"}}
    before = rows(own, run(own, **keys))
    own.door("gmv-max", {"store_id": moved, "advertiser_id": second})
    report = run(own, **keys)
    assert report["state"] == "verified_with_warnings"
    assert f"The table has rows of shop {moved}" in report["warnings"][0]
    assert cost(rows(own, report), store_id=moved) == cost(before, store_id=moved) > 0
    own.door("gmv-max", {"lost": "answer"})
    assert run(own, **keys)["state"] == "verified"


def test_a_shop_is_not_read_for_its_former_ad_account_beside_its_present_one(own: Home) -> None:
    world = state(own)
    both = [a["advertiser_id"] for a in world["advertisers"][:2]]
    moved = next(shop["store_id"] for shop in world["shops"] if shop["advertiser_id"] == both[0])
    keys: dict[str, Any] = {"advertisers": both, "update": {"method": "partition"}}
    before = cost(rows(own, run(own, **keys)))
    own.door("gmv-max", {"store_id": moved, "advertiser_id": both[1], "lost": "answer"})
    report = run(own, **keys)
    assert f"Shop {moved} moved from ad account" in report["warnings"][0]
    assert cost(rows(own, report)) == before


@pytest.mark.parametrize("method", ["upsert", "partition", "replace"])
def test_the_campaigns_of_a_shop_that_moved_count_once_and_no_day_is_lost(own: Home, method: str) -> None:
    world = state(own)
    both = [a["advertiser_id"] for a in world["advertisers"][:2]]
    moved = next(shop["store_id"] for shop in world["shops"] if shop["advertiser_id"] == both[0])
    keys: dict[str, Any] = {"advertisers": both, "update": {"method": method}, "promotion_type": "product"}
    before = rows(own, run(own, **keys))
    own.door("gmv-max", {"store_id": moved, "advertiser_id": both[1]})
    last_days = {} if method == "replace" else {"dates": {"start": "today-3", "end": "today-2"}}
    report = run(own, **keys | last_days)
    after = rows(own, report)
    assert cost(after) == cost(before)
    of_former, of_present = (
        {(row["campaign_id"], row["stat_time_day"]) for row in after if (row["advertiser_id"], row["store_id"]) == shop}
        for shop in ((both[0], moved), (both[1], moved))
    )
    assert of_present
    assert not of_former & of_present


# -- cost that other reports do not include


def spend(home: Home, **keys: Any) -> dict[str, Any]:
    """Runs a basic report of the first ad account."""
    first = home.door("state")["advertisers"][0]["advertiser_id"]
    path = home.file("spend.yaml", **({"advertisers": [first]} | keys))
    return dict(orjson.loads(home.adreel("run", "-f", path, "--json").stdout))


def test_a_basic_report_warns_of_what_its_ad_account_spends_in_gmv_max(own: Home) -> None:
    own.environ["ADREEL_GMV_MAX_CHECK"] = "on"
    first = own.door("state")["advertisers"][0]["advertiser_id"]
    report = spend(own)
    account = rows(
        own, run(own, gmv_max_level="account", dates={"start": "today-3", "end": "yesterday"}, advertisers=[first])
    )
    total = f"{cost(account):,.2f} USD"
    assert report["state"] == "verified_with_warnings"
    assert report["verification"]["verified"]
    assert [total in warning for warning in report["warnings"]] == [True], (total, report["warnings"])
    assert "report: gmv_max" in report["warnings"][0]


def test_what_is_spent_in_gmv_max_is_looked_for_once_a_day(own: Home) -> None:
    own.environ["ADREEL_GMV_MAX_CHECK"] = "on"
    first = spend(own)
    second = spend(own)
    assert second["warnings"] == first["warnings"] != []
    asked = [entry for entry in own.door("requests")["requests"] if "gmv_max" in entry["path"]]
    own.now += timedelta(hours=25)
    spend(own)
    later = [entry for entry in own.door("requests")["requests"] if "gmv_max" in entry["path"]]
    assert (len(asked), len(later)) == (3, 6)


def test_an_ad_account_whose_gmv_max_cost_is_read_gives_no_warning(own: Home) -> None:
    own.environ["ADREEL_GMV_MAX_CHECK"] = "on"
    run(own, skip_failing_advertisers=True)
    assert spend(own)["warnings"] == []
    own.environ["ADREEL_GMV_MAX_CHECK"] = "off"
    assert spend(own, name="Off")["warnings"] == []


def test_a_dataset_that_leaves_gmv_max_out_on_purpose_has_a_note_in_place_of_the_warning(own: Home) -> None:
    own.environ["ADREEL_GMV_MAX_CHECK"] = "on"
    before = spend(own)
    report = spend(own, excludes_gmv_max=True)
    assert (before["state"], report["state"]) == ("verified_with_warnings", "verified")
    amount = before["warnings"][0].partition(" spent ")[2].partition(" in GMV Max")[0]
    assert [f"spent {amount} in GMV Max" in note for note in report["notes"] if "on purpose" in note] == [True]
    assert "excludes_gmv_max" in own.good("audit", "--json").stdout


def test_cost_of_a_type_that_no_dataset_reads_is_still_looked_for(own: Home) -> None:
    own.environ["ADREEL_GMV_MAX_CHECK"] = "on"
    first = own.door("state")["advertisers"][0]["advertiser_id"]
    keys: dict[str, Any] = {"dates": {"start": "today-3", "end": "yesterday"}, "advertisers": [first]}
    lives = cost(rows(own, run(own, **keys, promotion_type="live", name="Lives")))
    own.adreel("datasets", "delete", "Lives", "--yes")
    run(own, **keys, promotion_type="product")
    warnings = spend(own)["warnings"]
    assert [f"spent {lives.normalize():,f} USD" in warning for warning in warnings] == [True], (lives, warnings)


def test_a_refused_look_at_gmv_max_leaves_the_run_as_it_is(own: Home) -> None:
    own.environ["ADREEL_GMV_MAX_CHECK"] = "on"
    own.door("trouble", {"kind": "code", "path": "gmv_max", "code": 40001, "message": "No permission.", "times": 0})
    assert spend(own)["state"] == "verified"


def test_cost_is_looked_for_again_once_no_dataset_reads_it_any_more_and_for_another_day(own: Home) -> None:
    own.environ["ADREEL_GMV_MAX_CHECK"] = "on"
    both = [a["advertiser_id"] for a in own.door("state")["advertisers"][:2]]
    # Of the second ad account nothing is read from the start, so that the first run asks.
    run(own, advertisers=both[:1])
    before = spend(own, advertisers=both)
    run(own, advertisers=both[1:])
    after = spend(own, advertisers=both)
    assert [f"({both[1]}) spent" in warning for warning in before["warnings"]] == [True]
    assert [f"({both[0]}) spent" in warning for warning in after["warnings"]] == [True]
    own.now += timedelta(hours=23)
    last = spend(own, advertisers=both)
    assert after["warnings"] != last["warnings"]


@pytest.mark.slow
def test_an_interrupted_run_reads_only_what_is_missing(own: Home) -> None:
    ids = [a["advertiser_id"] for a in state(own)["advertisers"][:2]]
    keys: dict[str, Any] = {
        "gmv_max_level": "creative",
        "advertisers": ids,
        "dates": {"start": "today-70", "end": "today-2"},
    }
    whole = rows(own, run(own, name="Whole", **keys))
    full = [entry for entry in own.door("requests")["requests"] if PATH in entry["path"]]
    own.door("trouble", {"kind": "code", "path": PATH, "code": 50002, "skip": len(full) - 6, "times": 0})
    with pytest.raises(RetryError):
        running.run(own, write(own, name="Part", **keys))
    own.door("calm", {})
    before = len(own.door("requests")["requests"])
    report = running.run(own, write(own, name="Part", **keys))
    again = [entry for entry in own.door("requests")["requests"][before:] if PATH in entry["path"]]
    assert report.resumed
    assert 0 < len(again) < len(full) / 2
    assert rows(own, {"table": report.table}) == whole


# -- plan, limits, look-back


@pytest.mark.slow
@settings(max_examples=60)
@given(
    level=st.sampled_from(sorted(gmv_max.LEVELS)),
    time=st.sampled_from(["none", "day", "hour"]),
    promotion=st.sampled_from(["all", "product", "live"]),
    start=st.dates(date(2025, 6, 1), date(2026, 11, 20)),
    days=st.integers(1, 500),
    shops_of=st.lists(st.integers(0, 3), min_size=1, max_size=4),
)
def test_a_plan_covers_each_shop_type_and_day_once_within_the_limits(
    level: str, time: str, promotion: str, start: date, days: int, shops_of: list[int]
) -> None:
    if level == "creative" and time == "hour":
        time = "day"
    if gmv_max.LEVELS[level].by_period:
        time = "none"
    end = min(start + timedelta(days=days - 1), date(2026, 11, 20))
    keys = DAILY | {
        "gmv_max_level": level,
        "time_dimension": time,
        "metrics": ["cost"],
        "dates": {"start": str(start), "end": str(end)},
    }
    if level in ("account", "campaign"):
        keys["promotion_type"] = promotion
    dataset = parse(read(orjson.dumps(keys).decode()), NOW)
    shops_by_id = {str(n): tuple(Shop(f"{n}0{m}") for m in range(count)) for n, count in enumerate(shops_of) if count}
    advertisers = [Advertiser(str(n), "A", "USD", timedelta(hours=n)) for n in range(len(shops_of))]
    plan = make_plan(dataset, advertisers, NOW, shops=shops_by_id)
    seen: Counter[tuple[str, str, str, date]] = Counter()
    requests = [request for chunk in plan.chunks() for request in chunk.requests]
    for request in requests:
        assert request.span is not None
        assert request.shop is not None
        assert request.span.days <= LONGEST_SPAN[time]
        assert request.params["store_ids"] == [request.shop.id]
        who = request.advertisers[0].id
        for n in range(request.span.days):
            seen[who, request.shop.id, request.promotion, request.span.start + timedelta(days=n)] += 1
    kinds = gmv_max.PROMOTIONS[dataset.promotion]
    assert seen == Counter(
        (who, shop.id, kind, start + timedelta(days=n))
        for who, of in shops_by_id.items()
        for shop in of
        for kind in kinds
        for n in range((end - start).days + 1)
    )
    assert len({request.name for request in requests}) == len(requests)
    steps = gmv_max.LEVELS[level].chain or (1 if level == "account" and time == "hour" else 0)
    assert plan.request_count == len(shops_by_id) + len(requests) * (1 + steps)
    assert plan.chunk_count == len(list(plan.chunks()))
    assert all(days == Span(start, end) for _, days in plan.days())


def test_the_report_has_its_own_limits_beside_those_of_the_app() -> None:
    dataset = parse(read(orjson.dumps(DAILY).decode()), NOW)
    assert [
        (limits.per_second, limits.per_minute, limits.per_day)
        for limits in (report_limits(dataset, level) for level in ("basic", "advanced", "ultimate", "5"))
    ] == [(8, 240, 20_000), (12, 360, 30_000), (20, 600, 50_000), (4, 120, 10_000)]


@pytest.mark.slow
def test_requests_keep_to_the_limits_of_the_report_and_of_the_app(tmp_path: Path) -> None:
    time = VirtualTime()
    config = WorldConfig(date(2026, 1, 2), advertisers=1, ads=0, qps=10, latency_ms=200)
    world = create_app(config, wall=time.epoch, monotonic=time.monotonic)
    simulator = world.state.simulator
    advertiser = Advertiser(simulator.world.advertisers[0].id, "A", "USD", timedelta())
    shop = Shop(simulator.shops.shops[0].id)
    own_limits = path_limits(GMV_MAX_PATH, "basic")
    assert own_limits is not None
    params = shop_params(advertiser, shop, Span(date(2026, 1, 1), date(2026, 1, 1)))
    params |= {"dimensions": ["advertiser_id"], "metrics": ["cost"]}

    async def main() -> None:
        pace = Pace(FileLog(tmp_path / "pace.db"), "app", LEVELS["basic"], clock=time.epoch)
        own = Pace(FileLog(tmp_path / "pace.db"), "app/gmv", own_limits, clock=time.epoch)
        async with Client(
            base_url="http://tiktok.test/open_api/v1.3",
            pace=pace,
            path_paces={GMV_MAX_PATH: own},
            token=access_token(config),
            transport=httpx2.ASGITransport(world),
            monotonic=time.monotonic,
            random=lambda: 0.0,
        ) as client:
            await asyncio.gather(
                *(client.page(GMV_MAX_PATH, params, 1, 10) for _ in range(280)), *(client.user() for _ in range(200))
            )
        pace.close()
        own.close()

    time.run(main)
    assert (simulator.gmv_throttle.refused, simulator.throttle.refused) == (0, 0)
    # 240 requests for the report in the first minute, the others after it.
    assert 60 < time.passed < 90


def test_a_plan_says_what_it_does_not_know_and_a_preview_reads_the_first_rows(shops: Home) -> None:
    keys: dict[str, Any] = {"name": "Look", "promotion_type": "live", "metrics": ["campaign_name", "cost"]}
    plan = shops.json("plan", "-f", write(shops, **keys))
    assert "Counted with one shop for each ad account. A run reads all of its shops." in plan["basis_text"]
    assert plan["requests"] >= 3 * (1 + 2)
    requests = run(shops, **keys)["requests"]
    assert abs(shops.json("plan", "Look")["requests"] - requests) <= 4
    products = write(shops, name="Look again", gmv_max_level="product", metrics=["product_name", "cost"])
    preview = shops.json("preview", "-f", products)
    assert {"store_id", "campaign_id", "product_name", "cost"} <= set(preview[0])


def test_fourteen_days_are_read_again_by_default() -> None:
    dataset = parse(read(orjson.dumps(DAILY | {"update": {"method": "upsert"}}).decode()), NOW)
    assert lookback_days(dataset) == 14


def test_levels_whose_cost_is_late_wait_for_it() -> None:
    def of_level(level: str) -> Dataset:
        keys = DAILY | {"gmv_max_level": level, "metrics": ["cost"]}
        return parse(read(orjson.dumps(keys).decode()), NOW)

    late = {level for level in gmv_max.LEVELS if report_delay(of_level(level)) == timedelta(hours=11)}
    assert late == {"product", "creative", "product_duration", "live_duration"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"gmv_max_level": "creative", "time_dimension": "hour"}, "requires level: "),
        (
            {"gmv_max_level": "product", "metrics": ["live_views"]},
            "live_views: requires level: Campaign, LIVE session or LIVE session by period",
        ),
        ({"promotion_type": "product", "metrics": ["live_views"]}, "live_views: requires campaign type: All or LIVE"),
        ({"gmv_max_level": "product", "promotion_type": "live"}, "requires level: Shop or Campaign"),
        ({"metrics": ["spend"]}, "spend: not available in GMV Max reports"),
        ({"metrics": ["item_id"]}, "item_id: not read by adreel"),
        (
            {"gmv_max_level": "live_duration", "time_dimension": "day"},
            "time_dimension: requires level: Shop, Campaign, Product, Creative or LIVE session",
        ),
        ({"gmv_max_level": "live_duration", "metrics": ["net_cost"]}, "net_cost: requires level: Shop, Campaign or"),
        (
            {"gmv_max_level": "product_duration", "update": {"method": "upsert"}},
            "update.method: upsert is not available by period",
        ),
        (
            {"gmv_max_level": "product_duration", "update": {"method": "partition"}},
            "partition is not available by period",
        ),
        (
            {"gmv_max_level": "product_duration", "update": {"method": "append", "lookback": 3}},
            "update.lookback: not available with append",
        ),
        ({"shops": ["Shop 1"]}, "'Shop 1' is not a valid ID"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(shops: Home, keys: dict[str, Any], words: str) -> None:
    result = shops.adreel("validate", "-f", write(shops, **keys))
    assert result.exit_code != 0
    assert words in result.stdout + result.stderr
