"""Smart+: the lists and the report of materials, from the dataset file to the verified table."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

import running
from adreel import catalog
from adreel.access import Actor, Guard
from adreel.advertisers import Advertiser
from adreel.catalog import smart_plus
from adreel.datasets import menus
from adreel.datasets.creatives import names_by_id
from adreel.datasets.dataset import Source
from adreel.datasets.entity_names import entity_names
from adreel.datasets.validation import parse
from adreel.lake import Lake
from adreel.pipeline.plan import make_plan
from adreel.store import Store
from home import Home, make_home
from simulator_client import Sim, world
from web_home import open_site, words_of

DATES = {"start": "today-6", "end": "today-3"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home for tests that only read, with the lists of Smart+ and of ordinary ads, and a report on the ads."""
    home = make_home(tmp_path_factory.mktemp("smart") / "home", ads=120)
    home.add_account()
    for name in ("campaigns", "ad_groups", "ads"):
        run(home, name=f"Smart {name}", report=f"smart_plus_{name}")
    run(home, name="Ads", report="ads")
    performance = {"data_level": "ad", "id_dimension": "ad_id_v2", "metrics": ["ad_name", "spend"]}
    run(home, name="Performance", report="performance", **performance, time_dimension="day", dates=DATES)
    return home


def write(home: Home, **keys: Any) -> str:
    path = home.path.parent / "smart.yaml"
    path.write_bytes(orjson.dumps({"account": "demo"} | keys))
    return str(path)


def run(home: Home, **keys: Any) -> dict[str, Any]:
    """Runs a dataset; the report of the run."""
    result = home.adreel("run", "-f", write(home, **keys), "--json")
    assert result.stdout, result.output
    return dict(orjson.loads(result.stdout))


# -- lists


def test_performance_by_ad_id_v2_joins_to_smart_plus_ads_and_manual_ads_without_a_doubled_row(home: Home) -> None:
    (whole,) = home.rows("SELECT count(*) AS rows, sum(spend) AS spend FROM performance")
    joined = home.rows(
        "SELECT p.ad_name AS own, a.ad_name AS manual, s.ad_name AS smart, p.spend FROM performance AS p"
        " LEFT JOIN ads AS a ON (a.advertiser_id, a.ad_id) = (p.advertiser_id, p.ad_id_v2)"
        " LEFT JOIN smart_ads AS s ON (s.advertiser_id, s.smart_plus_ad_id) = (p.advertiser_id, p.ad_id_v2)"
    )
    assert (len(joined), sum(row["spend"] for row in joined)) == pytest.approx((whole["rows"], whole["spend"]))
    assert all((row["manual"] is None) is not (row["smart"] is None) for row in joined)
    assert all(row["own"] == (row["manual"] or row["smart"]) for row in joined)
    assert sum(row["smart"] is not None for row in joined) > 3


def test_the_queries_of_the_docs_have_a_row_for_each_creative_each_row_and_each_material(home: Home) -> None:
    _, rows = materials(home, "Smart materials", metrics=["main_material_name", "spend"])
    text = (Path(__file__).parent.parent / "docs" / "dataset-files.md").read_text("utf-8")
    blocks = re.findall(r"<!-- run by: tests/test_smart_plus.py -->\n```sql\n(.*?)```", text, re.DOTALL)
    creatives, named, shares = (home.rows(block) for block in blocks)
    (whole,) = home.rows(
        "SELECT sum(len(creative_list)) AS creatives, (FROM performance SELECT count(*)) AS rows FROM smart_ads"
    )
    assert (len(creatives), len(named), len(shares)) == (whole["creatives"], whole["rows"], len(rows))
    assert all(row["ad_name"] for row in named)
    assert all(row["material_name"] for row in creatives)
    (ads,) = home.rows("SELECT count(DISTINCT smart_plus_ad_id) FILTER (spend > 0) AS count FROM smart_materials")
    assert sum(row["share"] for row in shares if row["share"] is not None) == pytest.approx(ads["count"])


def test_the_creatives_of_a_smart_plus_ad_are_rows_by_one_unnest(home: Home) -> None:
    creatives = home.rows(
        "SELECT smart_plus_ad_id, creative ->> '$.ad_material_id' AS material,"
        " creative ->> '$.creative_info.material_name' AS name, creative ->> '$.material_operation_status' AS status"
        " FROM (SELECT smart_plus_ad_id, unnest(creative_list) AS creative FROM smart_ads)"
    )
    ads = home.rows("SELECT smart_plus_ad_id, len(creative_list) AS creatives FROM smart_ads")
    assert len(creatives) == sum(ad["creatives"] for ad in ads) > len(ads)
    assert len({row["material"] for row in creatives}) == len(creatives)
    assert all(row["name"] for row in creatives)
    assert {row["status"] for row in creatives} == {"ENABLE", "DISABLE"}


def test_smart_plus_ad_groups_and_campaigns_are_in_the_ordinary_lists_too(home: Home) -> None:
    run(home, name="Ad groups", report="ad_groups", fields=["adgroup_id"])
    (counted,) = home.rows(
        "SELECT count(*) AS rows, count(o.adgroup_id) AS ordinary, count(DISTINCT c.campaign_id) AS campaigns,"
        " count(s.targeting_spec ->> '$.gender') AS targeted"
        " FROM smart_ad_groups AS s LEFT JOIN ad_groups AS o USING (advertiser_id, adgroup_id)"
        " LEFT JOIN smart_campaigns AS c USING (advertiser_id, campaign_id)"
    )
    (campaigns,) = home.rows("SELECT count(*) AS rows FROM smart_campaigns")
    assert counted["rows"] == counted["ordinary"] == counted["targeted"] > campaigns["rows"] == counted["campaigns"]


def test_deleted_smart_plus_ads_are_in_the_list_unless_it_is_asked_without(home: Home) -> None:
    run(home, name="Living", report="smart_plus_ads", include_deleted=False)
    (deleted,) = home.rows("SELECT count(*) FILTER (secondary_status = 'AD_STATUS_DELETE') AS ads FROM smart_ads")
    lost = home.rows("SELECT secondary_status FROM smart_ads ANTI JOIN living USING (advertiser_id, smart_plus_ad_id)")
    assert len(lost) == deleted["ads"] > 0


def test_a_table_with_ids_alone_has_the_names_of_smart_plus_ads_and_of_manual_ads(home: Home) -> None:
    keys = {"data_level": "ad", "id_dimension": "ad_id_v2", "metrics": ["spend"], "dates": DATES}
    home.add_account("other")
    run(home, name="Ids", account="other", report="performance", **keys)
    for report in ("ads", "smart_plus_ads"):
        run(home, name=f"Other {report}", account="other", report=report, fields=["ad_name"])
    lists = home.rows("SELECT ad_id AS id, ad_name FROM ads UNION SELECT smart_plus_ad_id, ad_name FROM smart_ads")
    shown = {row["ad_id_v2"] for row in home.rows("SELECT DISTINCT ad_id_v2 FROM ids")}
    with Store.open(running.settings_of(home), clock=lambda: home.now) as store:
        guard, lake = Guard(store, Actor(None)), Lake(home.path / "lake")
        names = entity_names(guard, lake, store.datasets.get("ids"), ["ad_id_v2"])["ad_id_v2"]
    assert {row["id"]: row["ad_name"] for row in lists if row["id"] in shown} == {ad: names[ad] for ad in shown}


# -- materials


def materials(home: Home, name: str, level: str = "ad", assets: str = "main_material_id", **keys: Any) -> Any:
    """The report of a run over Smart+ materials, and its rows."""
    values = {"data_level": level, "asset_dimensions": assets.split(), "metrics": ["spend"], "dates": DATES} | keys
    report = run(home, name=name, report="smart_plus_materials", **values)
    slug = report["table"].rpartition("/")[2] if report.get("table") else ""
    return report, Lake(home.path / "lake").read(slug).read_all().to_pylist() if slug else []


def spent(rows: list[dict[str, Any]], *names: str) -> dict[tuple[Any, ...], Decimal]:
    sums = defaultdict[tuple[Any, ...], Decimal](Decimal)
    for row in rows:
        sums[tuple(row[name] for name in names)] += row["spend"]
    return dict(sums)


def test_each_asset_sums_up_to_the_ads_and_the_ads_to_what_performance_has(home: Home) -> None:
    joined = "SELECT p.advertiser_id, p.ad_id_v2, sum(p.spend)::VARCHAR AS spend FROM performance AS p"
    joined += " JOIN smart_ads AS s"
    on = " ON (s.advertiser_id, s.smart_plus_ad_id) = (p.advertiser_id, p.ad_id_v2) GROUP BY ALL"
    ads = {(row["advertiser_id"], row["ad_id_v2"]): Decimal(row["spend"]) for row in home.rows(joined + on)}
    accounts = defaultdict[tuple[str], Decimal](Decimal)
    for (account, _), cost in ads.items():
        accounts[(account,)] += cost
    for asset in ("main_material_id", "ad_text_entity_id", "call_to_action_entity_id"):
        report, rows = materials(home, f"By {asset}", assets=asset)
        assert report["state"] == "verified", report
        assert list(report["verification"]["totals"]) == ["spend"]
        assert spent(rows, "advertiser_id", "smart_plus_ad_id") == pytest.approx(ads, abs=Decimal("0.05"))
    for level in ("advertiser", "campaign", "adgroup"):
        _, rows = materials(home, f"By {level}", level)
        assert spent(rows, "advertiser_id") == pytest.approx(dict(accounts), abs=Decimal("0.3"))


def test_assets_that_only_some_ads_have_sum_to_less_and_the_run_says_so(home: Home) -> None:
    report, rows = materials(home, "Add-ons", "advertiser", "interactive_add_on_entity_id")
    assert report["state"] == "verified"
    assert [
        f"sum to {format(sum(row['spend'] for row in rows if row['currency'] == 'USD'), ',')} of" in report["notes"][0]
    ]
    assert len(report["notes"]) == 3
    assert report["verification"]["totals"] == {}


@pytest.mark.slow
def test_days_and_combinations_sum_up_to_the_range(home: Home) -> None:
    _, whole = materials(home, "Range", "advertiser")
    _, days = materials(home, "Days", "advertiser", time_dimension="day", update={"method": "partition"})
    _, hours = materials(home, "Hours", "advertiser", time_dimension="hour", update={"method": "partition"})
    _, pairs = materials(home, "Pairs", "advertiser", "main_material_id ad_text_entity_id")
    names = ("advertiser_id", "main_material_id", "main_material_type")
    own = {key: cost for key, cost in spent(whole, *names).items() if cost}
    for rows in (days, hours, pairs):
        assert spent(rows, *names) == pytest.approx(own, abs=Decimal("0.6"))
    assert len({row["stat_time_day"] for row in days}) == 4
    assert len({row["stat_time_hour"] for row in hours}) == 96


def test_two_types_of_material_with_the_id_of_one_catalog_are_two_rows(home: Home) -> None:
    report, rows = materials(home, "Catalogs", metrics=["main_material_name", "ad_material_id", "spend"])
    assert report["verification"]["duplicate_keys"] == 0
    by_id = defaultdict[tuple[str, str], set[str]](set)
    for row in rows:
        by_id[row["smart_plus_ad_id"], row["main_material_id"]].add(row["main_material_type"])
    assert {"CATALOG_CAROUSEL", "CATALOG_VIDEO_TEMPLATE"} in by_id.values()
    assert report["table_columns"] == len(rows[0])
    assert all(row["main_material_name"] for row in rows)


def test_a_material_in_two_ads_and_twice_in_one_joins_to_its_creatives_without_a_doubled_row(home: Home) -> None:
    _, rows = materials(home, "Joined", metrics=["ad_material_id", "spend"])
    joined = home.rows(
        "WITH creatives AS (SELECT smart_plus_ad_id, unnest(creative_list) ->> '$.ad_material_id' AS id FROM smart_ads)"
        " SELECT j.main_material_id, j.smart_plus_ad_id, c.id FROM joined AS j, unnest(j.ad_material_id) AS of_ad(id)"
        " JOIN creatives AS c ON (c.smart_plus_ad_id, c.id) = (j.smart_plus_ad_id, of_ad.id)"
    )
    creatives = sum(len(row["ad_material_id"]) for row in rows)
    assert len(joined) == len({row["id"] for row in joined}) == creatives > len(rows)
    ads = defaultdict[str, set[str]](set)
    for row in rows:
        if not row["main_material_type"].startswith("CATALOG"):
            ads[row["main_material_id"]].add(row["smart_plus_ad_id"])
    assert max(map(len, ads.values())) == 2


def test_charts_of_materials_name_the_ads_and_their_days(home: Home) -> None:
    report, rows = materials(home, "Charted")
    slug = report["dataset"]
    with open_site(home) as site:
        visit = site.visit("admin")
        names = names_by_id(Guard(site.store, Actor(None)), Lake(home.path / "lake"), site.store.datasets.get(slug))
        page = words_of(visit.part(f"/datasets/{slug}/cards/all").text)
        values = visit.part(f"/datasets/{slug}/cards/values", key="ad").text
    listed = {row["smart_plus_ad_id"]: row["ad_name"] for row in home.rows("SELECT * FROM smart_ads")}
    assert {names[row["smart_plus_ad_id"]] for row in rows} == {listed[row["smart_plus_ad_id"]] for row in rows}
    euros = [row["smart_plus_ad_id"] for row in rows if row["currency"] == "EUR"]
    assert euros
    assert all(listed[ad] in page and ad not in page for ad in euros)
    assert all(f"{listed[ad]} ({ad})" in html.unescape(values) for ad in euros)
    assert f"Figures cover {rows[0]['start_date']} to {rows[0]['end_date']}." in page


def test_lifetime_figures_have_no_dates_and_all_metrics_fit_in_batches(home: Home) -> None:
    report = catalog.REPORTS["smart_plus_materials"]
    menu = next(menu for menu in report.menus if menu.name == "metrics")
    chosen = {"data_level": ("ad",), "asset_dimensions": ("main_material_id",), "time_dimension": ("none",)}
    offered = [offer.value for offer in menus.offers(report, menu, chosen) if offer.refusal is None]
    assert len(offered) > 800
    some = [name for place, name in enumerate(offered) if place % 4 == 0 or name in {*smart_plus.AD_ONLY, *_SHOWN}]
    done, rows = materials(home, "All", metrics=some, lifetime=True, dates=None, advertisers=[home_ids(home)[0]])
    assert done["state"] == "verified", done
    assert done["requests"] == done["requests_planned"] == -(-len(some) // 100) + 1
    assert "start_date" not in rows[0]
    assert all(row["main_material_name"] and row["ad_material_id"] for row in rows)
    assert all(row["spend"] is not None and row["video_views_p25"] is not None for row in rows)


_SHOWN = ("main_material_name", "spend", "video_views_p25")


def home_ids(home: Home) -> list[str]:
    return [row["advertiser_id"] for row in home.rows("SELECT DISTINCT advertiser_id FROM ads ORDER BY ALL")]


# -- wrong numbers


def test_an_empty_answer_with_code_0_fails_the_check_if_smart_plus_campaigns_cost_something(home: Home) -> None:
    empty = '{"list": [], "page_info": {"page": 1, "page_size": 100, "total_number": 0, "total_page": 0}}'
    home.door("trouble", {"kind": "data", "path": "material_report/overview", "value": empty, "times": 1})
    report, _ = materials(home, "Empty", advertisers=[home_ids(home)[0]])
    assert report["state"] == "check_failed", report
    assert "but the rows of their materials sum to 0" in " ".join(report["warnings"])


@pytest.mark.parametrize(
    ("factor", "dates", "state", "words"),
    [
        ("0.9", DATES, "check_failed", "but the rows of their"),
        ("1.1", DATES, "verified", "of the"),
        ("0.9", {"date": "today"}, "verified", "of the"),
    ],
)
def test_rows_that_cost_more_on_complete_days_fail_the_check_and_other_differences_are_noted(
    home: Home, factor: str, dates: dict[str, str], state: str, words: str
) -> None:
    def change(_params: dict[str, str], data: dict[str, Any]) -> None:
        if "total_metrics" in data:
            data["total_metrics"]["spend"] = str(Decimal(data["total_metrics"]["spend"]) * Decimal(factor))

    values = {"report": "smart_plus_materials", "data_level": "ad", "asset_dimensions": ["ad_text_entity_id"]}
    file = write(home, name=f"Changed {factor} {state}", metrics=["spend"], dates=dates, **values)
    report = running.run(home, file, transport=running.Tampered(home, change))
    assert report.state.value == state
    assert words in " ".join((*report.notes, *report.warnings))


def test_a_refused_comparison_is_said(home: Home) -> None:
    home.door("trouble", {"kind": "code", "path": "report/integrated", "code": 40002, "message": "No.", "times": 1})
    report, rows = materials(home, "Refused", advertisers=[home_ids(home)[0]])
    assert (report["state"], bool(rows)) == ("check_failed", True)
    assert "could not be compared with what Smart+ campaigns cost: " in " ".join(report["warnings"])


def test_a_material_that_comes_twice_on_a_page_leaves_the_table_unchanged(home: Home) -> None:
    home.door("trouble", {"kind": "repeat", "path": "material_report/overview", "rows": 1, "times": 0})
    report, _ = materials(home, "Twice", advertisers=[home_ids(home)[0]])
    home.door("calm", {})
    assert report["state"] == "failed", report
    assert "duplicate" in report["error"]


# -- what TikTok refuses


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"asset_dimensions": ["main_material_id", "ad_text_entity_id"]}, "requires data level: Ad account"),
        ({"time_dimension": "day"}, "requires data level: Ad account"),
        ({"data_level": "advertiser", "metrics": ["operation_status"]}, "available at ad level only"),
        ({"metrics": ["ad_text"]}, "requires dimension: Ad text ID"),
        ({"metrics": ["reach"]}, "not available in Smart+ materials reports"),
        ({"metrics": ["paid_engaged_view"]}, "available only by ID dimension"),
        ({"asset_dimensions": []}, "asset_dimensions"),
        (
            {
                "data_level": "advertiser",
                "lifetime": True,
                "asset_dimensions": ["main_material_id", "ad_text_entity_id"],
            },
            "not available with lifetime data",
        ),
    ],
)
def test_what_tiktok_refuses_is_refused_before_a_run(home: Home, keys: dict[str, Any], problem: str) -> None:
    values = {"data_level": "ad", "asset_dimensions": ["main_material_id"], "metrics": ["spend"], "dates": DATES} | keys
    _, stderr = home.bad("validate", "-f", write(home, name="No", report="smart_plus_materials", **values))
    assert problem in " ".join(stderr.split()), stderr


def test_tiktok_takes_all_that_the_menus_offer() -> None:
    sim = Sim(world())
    advertiser = Advertiser(sim.ids[0], "A", "USD", timedelta(hours=-8))
    now = datetime(2026, 8, 20, 12, tzinfo=UTC)
    assets = list(dict.fromkeys(smart_plus.NAMES.values()))
    groups = [(level, [asset], "none") for level in smart_plus.IDS for asset in assets]
    groups += [("advertiser", assets[:number], time) for number in (1, 2, 4) for time in ("none", "day", "hour")]
    for level, names, time in groups:
        values = {"data_level": level, "asset_dimensions": names, "time_dimension": time, "metrics": ["spend"]}
        source = {"name": "A", "account": "a", "report": "smart_plus_materials", **values}
        dates = {"start": "2026-01-01", "end": "2026-08-18"}
        dataset = parse(Source(source | {"dates": dates}, {}), now)
        *_, request = make_plan(dataset, [advertiser], now).requests()
        answer = sim.get(request.path.strip("/") + "/", **request.params, page_size=str(request.page_size))
        assert answer["code"] == 0, (level, names, time, answer)
        assert answer["data"]["page_info"]["total_number"] > 0
        assert set(answer["data"]["list"][0]["dimensions"]) >= {*request.params["dimensions"]}


def test_the_simulator_refuses_what_tiktok_does() -> None:
    sim = Sim(world())
    whole = {"advertiser_id": sim.ids[0], "start_date": "2026-01-01", "end_date": "2026-01-31"}
    overview, breakdown = (f"smart_plus/material_report/{name}/" for name in ("overview", "breakdown"))
    pair = {**whole, "dimensions": ["campaign_id", "main_material_id"]}
    by_hour = {**whole, "dimensions": ["main_material_id", "stat_time_hour"]}
    refused = [
        (overview, {**whole, "dimensions": ["main_material_id"]}),
        (overview, {**whole, "dimensions": ["campaign_id", "main_material_id", "ad_text_entity_id"]}),
        (overview, {**whole, "dimensions": ["main_material_id", "stat_time_day"]}),
        (overview, {**pair, "end_date": "2027-01-02"}),
        (overview, {**pair, "page_size": "101"}),
        (overview, {**pair, "metrics": ["main_material_name"]}),
        (overview, {**pair, "sort_field": "operation_status"}),
        (overview, {**pair, "filtering": {"adgroup_ids": ["1"]}}),
        (overview, {**pair, "filtering": {"campaign_ids": ["1"], "smart_plus_ad_ids": ["1"]}}),
        (overview, {**pair, "filtering": {"campaign_ids": ["1"] * 201}}),
        (overview, {**pair, "filtering": {"main_material_ids": ["1"]}}),
        (overview, {**pair, "filtering": {"ad_text_entity_ids": ["1"] * 401}}),
        (breakdown, {**whole, "dimensions": ["stat_time_day"]}),
        (breakdown, {**whole, "dimensions": ["main_material_id", "stat_time_day", "stat_time_hour"]}),
        (breakdown, {**whole, "dimensions": ["campaign_id", "main_material_id"]}),
        (breakdown, by_hour),
        (breakdown, {"advertiser_id": sim.ids[0], "dimensions": ["main_material_id"], "query_lifetime": True}),
    ]
    assert [(path, params) for path, params in refused if sim.code(path, **params) != 40002] == []
    assert sim.code(breakdown, **{**by_hour, "end_date": "2026-01-08"}) == 0
    filters = {"main_material_types": ["VIDEO_SPARK_ADS"], "smart_plus_ad_ids": ["1"]}
    nothing = sim.get(overview, **{**whole, "dimensions": ["smart_plus_ad_id", "main_material_id"]}, filtering=filters)
    assert nothing["data"]["list"] == []
    row = sim.get(overview, **pair, metrics=["ad_material_id", "material_second_status_list"])["data"]["list"][0]
    assert row["metrics"] == {"main_material_name": row["metrics"]["main_material_name"], "ad_material_id": ""}


def test_the_lists_are_asked_without_fields_in_pages_that_tiktok_takes() -> None:
    sim = Sim(world())
    params: dict[str, Any] = {"advertiser_id": sim.ids[0]}
    for path, most in (("campaign", 1000), ("adgroup", 1000), ("ad", 100)):
        assert sim.get(f"smart_plus/{path}/get/", **params, page_size=str(most))["code"] == 0
        assert sim.code(f"smart_plus/{path}/get/", **params, page_size=str(most + 1)) == 40002
        assert sim.code(f"smart_plus/{path}/get/", **params, filtering={"ad_ids": ["1"]}) == 40002
    assert sim.code("smart_plus/ad/get/", **params, fields=["smart_plus_ad_id", "ad_name"]) == 40002
    (row, *_) = sim.get("smart_plus/ad/get/", **params, fields=["ad_name"])["data"]["list"]
    assert set(row) == {"advertiser_id", "smart_plus_ad_id", "ad_name"}
    ids = [row["smart_plus_ad_id"] for row in sim.get("smart_plus/ad/get/", **params)["data"]["list"]][:2]
    chosen = sim.get("smart_plus/ad/get/", **params, filtering={"smart_plus_ad_ids": ids})["data"]["list"]
    assert [row["smart_plus_ad_id"] for row in chosen] == ids
