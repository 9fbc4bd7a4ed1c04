"""GMV Max in the simulator: what its report takes and refuses, and figures that agree over levels."""

from __future__ import annotations

from typing import Any

import pytest

from simulator_client import Sim, cents, world

SIM = Sim()
REPORT = "gmv_max/report/get/"
SHOP = SIM.get("gmv_max/store/list/", advertiser_id=SIM.ids[0])["data"]["store_list"][0]["store_id"]
PRODUCT: dict[str, Any] = {"gmv_max_promotion_types": ["PRODUCT"], "campaign_statuses": ["STATUS_ALL"]}


def basic(**changes: object) -> dict[str, object]:
    """A request that is in order: the whole account over a week."""
    params = {
        "advertiser_id": SIM.ids[0],
        "store_ids": [SHOP],
        "dimensions": ["advertiser_id"],
        "metrics": ["cost", "orders", "gross_revenue"],
        "start_date": "2026-07-20",
        "end_date": "2026-07-26",
        "enable_total_metrics": True,
        "page_size": 1000,
    } | changes
    return {name: value for name, value in params.items() if value is not None}


def report(sim: Sim = SIM, /, **changes: Any) -> Any:
    answer = sim.get(REPORT, **basic(**changes))
    assert answer["code"] == 0, answer
    return answer["data"]


def ids(name: str, **changes: Any) -> list[str]:
    rows = report(**changes)["list"]
    return sorted({row["dimensions"][name] for row in rows})


CAMPAIGNS = ids("campaign_id", dimensions=["campaign_id"], filtering=PRODUCT)
LIVES = ids("campaign_id", dimensions=["campaign_id"], filtering={"gmv_max_promotion_types": ["LIVE"]})
PRODUCTS = ids("item_group_id", dimensions=["item_group_id"], filtering={"campaign_ids": CAMPAIGNS})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"store_ids": None}, "Missing required field(s): store_ids."),
        ({"filtering": []}, "filtering: Field must be set to object"),
        ({"store_ids": [SHOP, "1"]}, "store_ids: takes exactly 1 id."),
        ({"dimensions": ["campaign_id", "item_id"]}, "Conflict occurs"),
        ({"dimensions": ["campaign_id", "stat_time_day", "stat_time_hour"]}, "Conflict occurs"),
        (
            {"dimensions": ["item_group_id"]},
            "Item level report must have at least 1 campaign ID",
        ),
        (
            {"dimensions": ["item_id"], "filtering": {"campaign_ids": ["1"]}},
            "Creative level report must have at least 1 campaign ID and 1 item group ID",
        ),
        (
            {"dimensions": ["room_id"], "filtering": {"campaign_ids": LIVES, **PRODUCT}},
            "Invalid filter(s): '[campaign_statuses, gmv_max_promotion_types]' are not supported",
        ),
        (
            {"dimensions": ["item_group_id"], "filtering": {"campaign_ids": [str(n) for n in range(101)]}},
            "filtering: campaign_ids: maximum number of items is 100",
        ),
        ({"dimensions": ["campaign_id"]}, "Missing required field(s): filtering.gmv_max_promotion_types."),
        ({"metrics": ["cost", "impressions"]}, "Invalid metric fields: ['impressions']"),
        (
            {"dimensions": ["campaign_id"], "filtering": PRODUCT, "metrics": ["live_views"]},
            "Invalid metric fields: ['live_views']",
        ),
        (
            {
                "dimensions": ["campaign_id", "item_group_id"],
                "filtering": {"campaign_ids": CAMPAIGNS[:1]},
                "metrics": ["product_name"],
            },
            "Invalid metric fields: ['product_name']",
        ),
        ({"dimensions": ["advertiser_id", "stat_time_day"], "end_date": "2026-08-19"}, "not be longer than 30 day(s)"),
        ({"dimensions": ["advertiser_id", "stat_time_hour"]}, "not be longer than 1 day(s)"),
        ({"page_size": "1001"}, "page_size"),
        (
            {"dimensions": ["duration"], "filtering": {"campaign_ids": ["1"]}},
            "Duration level report must have at least 1 campaign ID",
        ),
        (
            {"dimensions": ["campaign_id", "room_id", "duration"], "filtering": {"campaign_ids": LIVES}},
            "Duration level report must have at least 1 campaign ID",
        ),
        (
            {"dimensions": ["room_id", "duration", "stat_time_day"], "filtering": {"campaign_ids": LIVES}},
            "Conflict occurs",
        ),
        (
            {
                "dimensions": ["duration"],
                "filtering": {"campaign_ids": LIVES, "room_ids": ["1"], "item_group_ids": ["1"]},
            },
            "are not supported",
        ),
        (
            {
                "dimensions": ["campaign_id", "item_group_id", "duration"],
                "filtering": {"campaign_ids": CAMPAIGNS[:1], "item_group_ids": PRODUCTS[:1]},
                "metrics": ["bid_type"],
            },
            "Invalid metric fields: ['bid_type']",
        ),
        (
            {
                "dimensions": ["campaign_id", "room_id", "duration"],
                "filtering": {"campaign_ids": LIVES, "room_ids": ["1"]},
                "metrics": ["net_cost"],
            },
            "Invalid metric fields: ['net_cost']",
        ),
    ],
)
def test_a_request_that_is_not_in_order_is_refused_with_tiktoks_words(changes: dict[str, object], message: str) -> None:
    answer = SIM.get(REPORT, **basic(**changes))
    assert (answer["code"], message in answer["message"]) == (40002, True), answer


def test_costs_agree_over_levels_but_for_the_part_that_no_product_has() -> None:
    whole, by_day = report(), report(dimensions=["advertiser_id", "stat_time_day"])
    kinds = [
        report(dimensions=["campaign_id", "stat_time_day"], filtering={**PRODUCT, "gmv_max_promotion_types": [kind]})
        for kind in ("PRODUCT", "LIVE")
    ]
    products = report(dimensions=["campaign_id", "item_group_id"], filtering={"campaign_ids": CAMPAIGNS})
    posts = report(
        dimensions=["campaign_id", "item_group_id", "item_id", "stat_time_day"],
        filtering={"campaign_ids": CAMPAIGNS, "item_group_ids": PRODUCTS},
    )
    rooms = report(dimensions=["campaign_id", "room_id"], filtering={"campaign_ids": LIVES})

    def cost(data: Any) -> int:
        total = sum(cents(row["metrics"]["cost"]) for row in data["list"])
        assert total == cents(data["total_metrics"]["cost"])
        return total

    assert cost(whole) == cost(by_day) == sum(map(cost, kinds)) > 0
    assert cost(rooms) == cost(kinds[1]) > 0
    assert cost(posts) == cost(products)
    assert 0.98 * cost(kinds[0]) < cost(products) < cost(kinds[0])
    assert {row["dimensions"]["item_id"] for row in posts["list"]} >= {"-1"}


def test_periods_of_one_mode_sum_up_to_their_products_and_sessions() -> None:
    month = {"start_date": "2026-06-25", "end_date": "2026-07-24"}
    products = report(dimensions=["item_group_id"], filtering={"campaign_ids": CAMPAIGNS}, **month)
    rooms = report(dimensions=["room_id"], filtering={"campaign_ids": LIVES}, **month)
    some = [row["dimensions"]["room_id"] for row in rooms["list"]]
    for above, name, filtering in (
        (products, "item_group_id", {"campaign_ids": CAMPAIGNS, "item_group_ids": PRODUCTS}),
        (rooms, "room_id", {"campaign_ids": LIVES, "room_ids": some}),
    ):
        for dimensions in (["duration"], ["campaign_id", "duration"], [name, "duration"]):
            data = report(dimensions=dimensions, filtering=filtering, **month)
            assert data["total_metrics"] == above["total_metrics"]
            assert sum(cents(row["metrics"]["cost"]) for row in data["list"]) == cents(data["total_metrics"]["cost"])
        of_one = {row["dimensions"][name] for row in data["list"]}
        assert len(data["list"]) > len(of_one) == len(above["list"])
        single = {key: values[:1] for key, values in filtering.items()}
        modes = report(dimensions=[name, "duration"], filtering=single, metrics=["bid_type", "cost"], **month)
        assert {row["metrics"]["bid_type"] for row in modes.get("list", ())} <= {"CUSTOM", "NO_BID"}


def test_an_empty_page_has_no_list_and_values_are_texts() -> None:
    data = report(dimensions=["campaign_id"], filtering={**PRODUCT, "campaign_name": "no such name"})
    assert "list" not in data
    assert data["page_info"]["total_number"] == 0
    row = report(dimensions=["item_group_id"], filtering={"campaign_ids": CAMPAIGNS[:1]})["list"][0]
    assert all(isinstance(value, str) for value in row["metrics"].values())
    assert row["metrics"]["currency"] == "USD"


def test_deleted_campaigns_come_only_when_asked_for() -> None:
    without = ids("campaign_id", dimensions=["campaign_id"], filtering={"gmv_max_promotion_types": ["PRODUCT"]})
    assert len(CAMPAIGNS) == len(without) + 1


def test_a_shop_answers_the_ad_account_that_has_its_authorization() -> None:
    sim = Sim()
    other = sim.get("gmv_max/store/list/", advertiser_id=sim.ids[1])["data"]["store_list"][0]
    listed = sim.get("gmv_max/store/list/", advertiser_id=sim.ids[0])["data"]["store_list"]
    seen = next(shop for shop in listed if shop["store_id"] == other["store_id"])
    assert not seen["is_gmv_max_available"]
    assert seen["exclusive_authorized_advertiser_info"]["advertiser_id"] == sim.ids[1]
    assert sim.code(REPORT, **basic(store_ids=[other["store_id"]])) == 40001
    sim.door("POST", "gmv-max", store_id=SHOP, advertiser_id=sim.ids[1])
    assert sim.code(REPORT, **basic()) == 40001
    sim.door("POST", "gmv-max", lost="answer")
    assert report(sim)["list"]
    assert sim.code("gmv_max/store/list/", advertiser_id=sim.ids[4]) == 40001


def test_a_shop_may_be_missing_from_the_list_of_its_own_ad_account() -> None:
    unlisted = next(shop for shop in SIM.door("GET", "state")["shops"] if not shop["listed"])
    answer = SIM.get("gmv_max/store/list/", advertiser_id=unlisted["advertiser_id"])
    assert answer["data"]["store_list"] == []
    assert report(advertiser_id=unlisted["advertiser_id"], store_ids=[unlisted["store_id"]])["list"]


def test_the_hours_of_today_that_are_still_to_come_are_rows_of_zeros() -> None:
    # 12:00 UTC is 04:00 in the zone of the ad account.
    today: dict[str, Any] = {
        "start_date": "2026-08-20",
        "end_date": "2026-08-20",
        "dimensions": ["advertiser_id", "stat_time_hour"],
    }
    rows = report(**today)["list"]
    assert len(rows) == 24
    assert {row["metrics"]["cost"] for row in rows[5:]} == {"0.00"}
    sim = Sim()
    sim.door("POST", "gmv-max", future_hours=False)
    assert len(report(sim, **today)["list"]) == 4


def test_orders_of_the_last_days_grow() -> None:
    sim = Sim()
    last: dict[str, Any] = {"start_date": "2026-08-19", "end_date": "2026-08-19"}
    before = report(sim, **last)["total_metrics"]
    sim.door("POST", "now", days=10)
    after = report(sim, **last)["total_metrics"]
    assert int(after["orders"]) > int(before["orders"])
    assert cents(after["cost"]) > cents(before["cost"])


def test_the_report_has_limits_of_its_own_beside_those_of_the_app() -> None:
    sim = Sim(world(qps=100))
    codes = [sim.code(REPORT, **basic()) for _ in range(9)]
    assert codes == [0] * 8 + [40100]
    assert sim.code("gmv_max/store/list/", advertiser_id=sim.ids[0]) == 0


def test_campaigns_are_listed_by_type_and_described_one_by_one() -> None:
    listed = SIM.get(
        "gmv_max/campaign/get/",
        advertiser_id=SIM.ids[0],
        filtering={"gmv_max_promotion_types": ["LIVE_GMV_MAX"], "store_ids": [SHOP]},
    )["data"]["list"]
    assert sorted(row["campaign_id"] for row in listed) == LIVES
    details = SIM.get("campaign/gmv_max/info/", advertiser_id=SIM.ids[0], campaign_id=LIVES[0])["data"]
    assert (details["store_id"], details["shopping_ads_type"]) == (SHOP, "LIVE")
    assert SIM.code("gmv_max/campaign/get/", advertiser_id=SIM.ids[0]) == 40002
