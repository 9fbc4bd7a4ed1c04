"""Campaigns, ad groups, ads, audiences, creatives and files, and the world that they make up."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from adreel import catalog
from adreel.simulator import WorldConfig
from adreel.simulator.app import ENDPOINTS
from adreel.simulator.control.state import Simulator
from adreel.simulator.world.entities import Entities
from simulator_client import EVERYTHING, TODAY, Sim, added, world

SIM = Sim()


# --- entities -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["campaign", "adgroup", "ad"])
def test_entities_come_newest_first_without_the_deleted_ones(level: str) -> None:
    path, identity = f"{level}/get/", f"{level}_id"
    data = SIM.get(path, advertiser_id=SIM.ids[0], page_size="1000")["data"]
    ids = [int(row[identity]) for row in data["list"]]
    assert ids == sorted(ids, reverse=True)
    assert data["page_info"]["total_number"] == len(ids)
    assert not any(row["secondary_status"].endswith("_DELETE") for row in data["list"])
    for filtering in ({"primary_status": "STATUS_ALL"}, {"secondary_status": f"{level.upper()}_STATUS_ALL"}):
        all_rows = SIM.get(path, advertiser_id=SIM.ids[0], page_size="1000", filtering=filtering)["data"]["list"]
        assert any(row["secondary_status"].endswith("_DELETE") for row in all_rows)
        assert len(all_rows) > len(ids)


@pytest.mark.parametrize(("level", "report"), [("campaign", "campaigns"), ("adgroup", "ad_groups"), ("ad", "ads")])
def test_entities_have_every_field_and_refuse_others(level: str, report: str) -> None:
    (row, *_) = SIM.get(f"{level}/get/", advertiser_id=SIM.ids[0])["data"]["list"]
    assert set(row) == {field.name for field in catalog.fields()[report]}
    assert SIM.code(f"{level}/get/", advertiser_id=SIM.ids[0], fields=["colour"]) == 40002


def test_every_entity_record_has_only_fields_that_the_api_has() -> None:
    """What the world says of an entity comes through; no field is lost by a name of our own."""
    state = SIM.app.state.simulator
    entities = Entities(state.world.advertisers[0], state.world.table(state.world.advertisers[0]), state.clock)
    for record, report in (
        (entities.campaign(0), "campaigns"),
        (entities.adgroup(0), "ad_groups"),
        (entities.ad(0), "ads"),
    ):
        assert set(record) <= {field.name for field in catalog.fields()[report]}


def test_gmv_max_has_a_campaign_but_no_ads_and_no_rows_in_these_reports() -> None:
    campaigns = SIM.get("campaign/get/", advertiser_id=SIM.ids[0], page_size="1000")["data"]["list"]
    (gmv_max_id,) = [row["campaign_id"] for row in campaigns if row["campaign_product_source"] == "STORE"]
    ads = SIM.get("ad/get/", advertiser_id=SIM.ids[0], page_size="1000", filtering={"campaign_ids": [gmv_max_id]})
    assert ads["data"]["list"] == []
    rows = SIM.rows(dimensions=["campaign_id"], start_date="2026-01-01", filtering=EVERYTHING["campaign"])
    assert gmv_max_id not in {row["dimensions"]["campaign_id"] for row in rows}


@pytest.mark.parametrize(("number", "rate", "coin"), [(0, 1, 0.25), (2, 150, 1), (3, 85, 0.25)])
def test_budgets_and_bids_are_on_the_scale_of_the_currency(number: int, rate: int, coin: float) -> None:
    """Dollars, rupees, and yen, of which there are only whole ones."""
    asked = {"advertiser_id": SIM.ids[number], "page_size": "1000"}
    campaigns = SIM.get("campaign/get/", **asked)["data"]["list"]
    adgroups = SIM.get("adgroup/get/", **asked)["data"]["list"]
    bids = {row["bid_price"] for row in adgroups} - {0}
    assert {row["budget"] / rate for row in campaigns} <= set(range(50, 2001, 50))
    assert {row["budget"] / rate for row in adgroups} <= set(range(20, 50))
    assert 0.4 < min(bids) / rate < max(bids) / rate <= 2
    assert {bid % coin for bid in bids} == {0}


@pytest.mark.parametrize("number", [0, 2, 3])
def test_budgets_and_bids_are_the_same_in_lists_and_in_reports(number: int) -> None:
    asked = {"advertiser_id": SIM.ids[number], "page_size": "1000"}
    listed = {row["adgroup_id"]: row for row in SIM.get("adgroup/get/", **asked)["data"]["list"]}
    campaigns = {row["campaign_id"]: row["budget"] for row in SIM.get("campaign/get/", **asked)["data"]["list"]}
    names = ["campaign_id", "campaign_budget", "budget", "bid"]
    rows = SIM.rows_at("adgroup", names, TODAY, TODAY, advertiser_id=SIM.ids[number])
    reported = {row["dimensions"]["adgroup_id"]: row["metrics"] for row in rows}
    assert listed.keys() & reported.keys()
    for name in listed.keys() & reported.keys():
        assert float(reported[name]["budget"]) == listed[name]["budget"]
        assert float(reported[name]["bid"]) == listed[name]["bid_price"] or not listed[name]["bid_price"]
        assert float(reported[name]["campaign_budget"]) == campaigns[reported[name]["campaign_id"]]


def test_the_balance_of_an_account_in_yen_is_whole() -> None:
    (row,) = SIM.get("advertiser/info/", advertiser_ids=[SIM.ids[2]])["data"]["list"]
    assert (row["currency"], row["balance"] % 1) == ("JPY", 0)
    assert row["balance"] >= 150


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
    rows = SIM.get("adgroup/get/", advertiser_id=SIM.ids[0], filtering={"adgroup_ids": [second["adgroup_id"]]})["data"][
        "list"
    ]
    assert rows == [second]
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
    params = {"advertiser_id": SIM.ids[0], "custom_audience_ids": ids[:2]}
    details = SIM.get("dmp/custom_audience/get/", **params)["data"]["list"]
    assert [row["audience_details"] for row in details] == listed[:2]
    assert all(row["audience_history"] for row in details)
    field_names = {field.name for field in catalog.fields()["custom_audiences"]}
    assert set(listed[0]) == field_names
    assert SIM.code("dmp/custom_audience/get/", advertiser_id=SIM.ids[0]) == 40002
    assert SIM.code("dmp/custom_audience/list/", advertiser_id=SIM.ids[0], page_size="101") == 40002


@pytest.mark.parametrize("material", ["VIDEO", "IMAGE", "INSTANT_PAGE"])
def test_creatives_of_each_kind_have_their_own_ids(material: str) -> None:
    field_names = [field.name for field in catalog.fields()["creatives"]]
    data = SIM.get(
        "creative/report/get/",
        advertiser_id=SIM.ids[0],
        material_type=material,
        lifetime=True,
        info_fields=field_names,
        metrics_fields=["spend", "impressions", "ctr"],
        sort_field="spend",
        page_size="1000",
    )["data"]
    id_field = {"VIDEO": "video_id", "IMAGE": "image_id", "INSTANT_PAGE": "page_id"}[material]
    for row in data["list"]:
        filled = [name for name in ("video_id", "image_id", "page_id") if row["info"][name]]
        assert filled == [id_field]
        assert list(row["info"]) == field_names
    spend = [float(row["metrics"]["spend"]) for row in data["list"]]
    assert spend
    assert spend == sorted(spend, reverse=True)


def test_creatives_can_be_narrowed_to_ads_and_to_materials() -> None:
    def materials(**filtering: object) -> list[str]:
        data = SIM.get("creative/report/get/", advertiser_id=SIM.ids[0], lifetime=True, filtering=filtering)["data"]
        return [row["info"]["material_id"] for row in data["list"]]

    (ad, *_) = [
        row for row in SIM.get("ad/get/", advertiser_id=SIM.ids[0], page_size="1000")["data"]["list"] if row["video_id"]
    ]
    material_ids = materials(ad_id=[ad["ad_id"]])
    assert len(material_ids) == 1
    assert materials(material_id=material_ids) == material_ids
    assert materials(ad_id=["1"]) == []


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


# --- the world ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [{"advertisers": 0}, {"advertisers": 1025}, {"ads": -1}, {"restate_days": 61}])
def test_a_world_that_has_no_room_is_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"simulator has room|can be"):
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
    text = (Path(__file__).parents[1] / "docs" / "simulator.md").read_text(encoding="utf-8")
    assert [name for name in ENDPOINTS if f"`{name}`" not in text] == []


def test_a_world_has_an_agencys_names_unless_hostile_ones_are_asked_for() -> None:
    def names(**changes: bool) -> list[str]:
        simulator = Simulator(world(**changes), wall=lambda: 0.0, monotonic=lambda: 0.0)
        entities = Entities(
            simulator.world.advertisers[0], simulator.world.table(simulator.world.advertisers[0]), simulator.clock
        )
        accounts = [advertiser.name for advertiser in simulator.world.advertisers]
        return [*accounts, *(entities.ad_name(ad) for ad in range(40)), entities.campaign_name(6)]

    assert not [name for name in names(hostile_names=False) if set(name) & set("<>\"'\t=\\{};,")]
    assert {"<script>alert(1)</script> 7", "<script>alert('adreel')</script> Shop"} <= set(names())
