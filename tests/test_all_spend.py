"""The report of all spend: basic campaigns and GMV Max campaigns in one table, each campaign once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from adreel.charts.available import cards_of, missing_of
from adreel.datasets.dataset import Source
from adreel.datasets.schema import columns
from adreel.datasets.validation import parse
from api_home import program
from doc_session import blocks_of, first_missing
from home import Home, make_home
from running import table
from web_home import Site, open_site, words_of

DATES = {"start": "today-4", "end": "today-2"}
ALL: dict[str, Any] = {
    "name": "Everything",
    "account": "demo",
    "report": "all_spend",
    "metrics": ["campaign_name", "spend", "billed_cost", "clicks", "conversion", "orders", "gross_revenue"],
    "dates": DATES,
}
SHOPS: dict[str, Any] = {
    "name": "Shops",
    "account": "demo",
    "report": "gmv_max",
    "gmv_max_level": "campaign",
    "metrics": ["cost", "net_cost", "orders", "gross_revenue"],
    "dates": DATES,
}
Rows = list[dict[str, Any]]
Change = Callable[[str, dict[str, Any], dict[str, Any]], None]


class Answers(httpx2.AsyncBaseTransport):
    """The simulated world with changed reports: `change` gets the path, the parameters and the answer's data."""

    def __init__(self, home: Home, change: Change) -> None:
        self._under, self._change = httpx2.ASGITransport(home.world), change

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._under.handle_async_request(request)
        answer = orjson.loads(await response.aread())
        if "report/" in request.url.path and answer["code"] == 0:
            params = dict(request.url.params)
            params["dimensions"] = orjson.loads(params["dimensions"])
            self._change(request.url.path, params, answer["data"])
        return httpx2.Response(200, content=orjson.dumps(answer))


@contextmanager
def changed(home: Home, change: Change) -> Iterator[None]:
    home.transport = Answers(home, change)
    try:
        yield
    finally:
        home.transport = None


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home for tests that only read, each with a dataset of its own: of three ad accounts two list shops."""
    home = make_home(tmp_path_factory.mktemp("spend") / "home", ads=8)
    home.add_account()
    return home


@pytest.fixture
def own(tmp_path: Path) -> Home:
    """A world of its own: of four ad accounts two list shops, and one has no permission."""
    home = make_home(tmp_path / "home", advertisers=4, ads=4)
    home.add_account()
    return home


def run(home: Home, values: dict[str, Any] = ALL, **keys: Any) -> dict[str, Any]:
    """Runs a dataset as it is named; the report of the run."""
    path = home.path.parent / "spend.yaml"
    path.write_bytes(orjson.dumps(values | keys))
    result = home.adreel("run", "-f", str(path), "--json")
    assert result.stdout, result.output
    return dict(orjson.loads(result.stdout))


def rows(home: Home, report: dict[str, Any]) -> Rows:
    return list(table(home, report["table"].rpartition("/")[2]).to_pylist())


def sums(table_rows: Rows, column: str, **values: Any) -> dict[str, Decimal]:
    """The sum of a column by ad account, over rows with these values."""
    by_advertiser: dict[str, Decimal] = defaultdict(Decimal)
    for row in table_rows:
        if row[column] and all(row[name] == value for name, value in values.items()):
            by_advertiser[row["advertiser_id"]] += row[column]
    return dict(by_advertiser)


def first_shop(home: Home) -> tuple[str, str, str]:
    """The first ad account, a shop of it, and the second ad account."""
    world = home.door("state")
    first, second = (advertiser["advertiser_id"] for advertiser in world["advertisers"][:2])
    shop = next(shop["store_id"] for shop in world["shops"] if shop["advertiser_id"] == first)
    return first, shop, second


def test_all_spend_is_that_of_basic_campaigns_and_of_gmv_max_each_campaign_once(shops: Home) -> None:
    report = run(shops)
    table_rows = rows(shops, report)
    assert report["state"] == "verified", report
    assert report["verification"]["rows_expected"] == report["rows"] == len(table_rows)
    basic_keys = {"metrics": ["spend", "billed_cost", "clicks", "conversion"], "dates": DATES, "data_level": "campaign"}
    basic = rows(
        shops, run(shops, {**basic_keys, "report": "performance", "time_dimension": "day"}, name="B", account="demo")
    )
    gmv_max = rows(shops, run(shops, SHOPS))
    for column, cost in (("spend", "cost"), ("billed_cost", "net_cost")):
        assert sums(table_rows, column, spend_source="BASIC") == sums(basic, column)
        assert sums(table_rows, column, spend_source="GMV_MAX") == sums(gmv_max, cost)
    assert sums(table_rows, "orders") == sums(gmv_max, "orders")
    assert sums(table_rows, "gross_revenue") == sums(gmv_max, "gross_revenue")
    assert sums(table_rows, "conversion") == sums(basic, "conversion")
    assert sums(table_rows, "clicks") == sums(basic, "clicks")
    for row in table_rows:
        is_shop = row["spend_source"] == "GMV_MAX"
        assert {row[name] is not None for name in ("store_id", "promotion_type", "orders")} == {is_shop}
        assert {row[name] is None for name in ("conversion", "clicks")} == {is_shop}
        assert row["campaign_name"]
        assert row["currency"]
    keys = Counter((row["advertiser_id"], row["campaign_id"], row["stat_time_day"]) for row in table_rows)
    assert set(keys.values()) == {1}
    assert set(report["verification"]["totals"]) >= {"spend", "clicks", "orders", "gross_revenue"}
    assert [note for note in report["notes"] if "all its rows are of the basic report" in note], report["notes"]


@pytest.mark.slow
def test_a_plan_of_all_spend_counts_both_reports_and_a_preview_shows_both(shops: Home) -> None:
    file = shops.path.parent / "plan.yaml"
    file_values = ALL | {"name": "Planned", "dates": {"start": "today-70", "end": "today-1"}}
    file.write_bytes(orjson.dumps(file_values))
    planned = shops.json("plan", "-f", str(file))
    # By ad account: the list of its shops, and for three spans the basic report and two types, each with its cost.
    assert planned["requests"] >= 3 * (1 + 3 * (1 + 2 * 2))
    assert abs(planned["requests"] - run(shops, file_values)["requests"]) <= 12
    sources = {row["spend_source"] for row in shops.json("preview", "-f", str(file))}
    assert sources == {"BASIC", "GMV_MAX"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"metrics": ["spend", "ctr"]}, "ctr: not available in All TikTok spend reports"),
        ({"metrics": ["spend", "cost"]}, "cost: not available in All TikTok spend reports"),
        ({"metrics": ["spend"], "calculated_metrics": ["hook_rate"]}, "calculated_metrics"),
        ({"data_level": "ad"}, "not available in report all_spend"),
    ],
)
def test_all_spend_has_no_rates_and_no_other_level(shops: Home, keys: dict[str, Any], words: str) -> None:
    file = shops.path.parent / "refused.yaml"
    file.write_bytes(orjson.dumps(ALL | keys))
    result = shops.adreel("validate", "-f", str(file))
    assert result.exit_code != 0
    assert words in result.stdout + result.stderr


# -- the same campaign twice


def with_shop_campaign(factor: Decimal) -> Change:
    """Puts the first GMV Max campaign of the ad account into its basic report, with its cost times `factor`."""
    costs: dict[str, Rows] = {}

    def change(path: str, params: dict[str, Any], data: dict[str, Any]) -> None:
        name = params["advertiser_id"]
        if "gmv_max" in path:
            if params["dimensions"] == ["campaign_id", "stat_time_day"] and name not in costs:
                campaign = data["list"][0]["dimensions"]["campaign_id"]
                costs[name] = [row for row in data["list"] if row["dimensions"]["campaign_id"] == campaign]
        elif name in costs:
            for row in costs[name]:
                spend = str(Decimal(row["metrics"]["cost"]) * factor)
                data["list"].append({"dimensions": row["dimensions"], "metrics": {"spend": spend, "clicks": "1"}})
            data["page_info"]["total_number"] = len(data["list"])
            data.pop("total_metrics", None)

    return change


def test_a_campaign_of_both_reports_is_counted_once_with_a_warning(own: Home) -> None:
    first, _, _ = first_shop(own)
    whole = rows(own, run(own, advertisers=[first]))
    change = with_shop_campaign(Decimal(1))
    with changed(own, change):
        run(own, name="Learns", advertisers=[first])
        report = run(own, name="Both", advertisers=[first])
    assert report["state"] == "verified_with_warnings", report
    assert sums(rows(own, report), "spend") == sums(whole, "spend")
    assert report["rows"] == len(whole)
    (warning,) = report["warnings"]
    assert "1 campaign is in the basic report and in the GMV Max report, and is counted once" in warning
    campaign = next(row["campaign_id"] for row in whole if row["campaign_id"] in warning)
    assert {row["spend_source"] for row in rows(own, report) if row["campaign_id"] == campaign} == {"GMV_MAX"}


def test_a_campaign_whose_cost_is_higher_in_the_basic_report_fails_the_check(own: Home) -> None:
    first, _, _ = first_shop(own)
    with changed(own, with_shop_campaign(Decimal(2))):
        run(own, name="Learns", advertisers=[first])
        report = run(own, name="Differs", advertisers=[first])
    assert report["state"] == "check_failed"
    assert any("The table has the latter." in warning for warning in report["warnings"])


@pytest.mark.parametrize("values", [ALL, SHOPS])
def test_a_campaign_that_tiktok_gives_for_both_types_fails_the_check(own: Home, values: dict[str, Any]) -> None:
    first, _, _ = first_shop(own)
    product: dict[str, Any] = {}

    def no_types(path: str, params: dict[str, Any], data: dict[str, Any]) -> None:
        """TikTok ignores the filter of types: all answers for a shop are those of product campaigns."""
        if "gmv_max" in path:
            key = orjson.dumps([params["store_ids"], params["dimensions"], params["start_date"], params["metrics"]])
            if "PRODUCT" in params.get("filtering", ""):
                product[key.decode()] = data.copy()
            elif key.decode() in product:
                data.clear()
                data.update(product[key.decode()])

    with changed(own, no_types):
        run(own, values, name="Learns", advertisers=[first])
        report = run(own, values, name="Untyped", advertisers=[first])
    assert report["state"] == "check_failed"
    assert any("Its cost is in the rows more than once" in warning for warning in report["warnings"])


# -- shops that cannot be read


def test_without_permission_for_gmv_max_the_basic_rows_come_and_the_run_says_so(own: Home) -> None:
    first, _, _ = first_shop(own)
    for path in ("gmv_max/store/list", "gmv_max/report"):
        own.door("trouble", {"kind": "code", "path": path, "code": 40001, "message": "No permission.", "times": 0})
        report = run(own, advertisers=[first], name=path.rpartition("/")[2])
        assert report["state"] == "verified_with_warnings"
        assert all("No permission." in warning for warning in report["warnings"]), report["warnings"]
        assert "GMV Max" in report["warnings"][0]
        assert {row["spend_source"] for row in rows(own, report)} == {"BASIC"}
        own.door("calm", {})


@pytest.mark.parametrize(
    ("values", "method", "reset_schema"),
    [(ALL, "partition", False), (SHOPS, "partition", False), (ALL, "replace", False), (SHOPS, "replace", True)],
)
def test_rows_of_a_shop_that_can_no_longer_be_read_stay(
    own: Home, values: dict[str, Any], method: str, reset_schema: bool
) -> None:
    first, shop, second = first_shop(own)
    keys: dict[str, Any] = {"advertisers": [first], "update": {"method": method}, "reset_schema": reset_schema}
    before = rows(own, run(own, values, **keys))
    own.door("gmv-max", {"store_id": shop, "advertiser_id": second})
    report = run(own, values, **keys)
    assert report["state"] == "verified_with_warnings"
    assert "Its rows in the table stay as they were read last." in report["warnings"][0]
    assert sorted(map(repr, rows(own, report))) == sorted(map(repr, before))
    both = run(own, values, **{**keys, "advertisers": [first, second]})
    spent = "spend" if values is ALL else "cost"
    assert sum(sums(rows(own, both), spent, store_id=shop).values()) == sum(sums(before, spent, store_id=shop).values())


def test_an_empty_answer_for_a_shop_with_cost_in_the_table_keeps_its_rows(own: Home) -> None:
    first, shop, _ = first_shop(own)
    keys: dict[str, Any] = {"advertisers": [first], "update": {"method": "partition"}}
    before = rows(own, run(own, **keys))

    def empty(path: str, params: dict[str, Any], data: dict[str, Any]) -> None:
        if "gmv_max" in path and shop in params["store_ids"]:
            data.clear()
            data["page_info"] = {"page": 1, "page_size": 1000, "total_number": 0, "total_page": 0}

    with changed(own, empty):
        report = run(own, **keys)
    assert report["state"] == "verified_with_warnings"
    assert f"TikTok sent no rows of shop {shop}" in report["warnings"][0]
    assert sums(rows(own, report), "spend") == sums(before, "spend")


# -- days that TikTok has not completed


def test_levels_that_differ_on_days_still_to_be_completed_are_noted(own: Home) -> None:
    first, _, _ = first_shop(own)
    keys: dict[str, Any] = {"advertisers": [first], "dates": {"start": "today-2", "end": "today"}}
    assert not any("the check accepts it" in note for note in run(own, **keys, name="Same")["notes"])

    def less(path: str, params: dict[str, Any], data: dict[str, Any]) -> None:
        if "gmv_max" in path and "campaign_id" in params["dimensions"]:
            for row in data["list"]:
                if row["dimensions"]["stat_time_day"].startswith("2026-11-22") and row["metrics"]["cost"] != "0.00":
                    row["metrics"]["cost"] = "0.01"
            data.pop("total_metrics", None)

    with changed(own, less):
        report = run(own, **keys, name="Less")
    assert [note for note in report["notes"] if "the check accepts it" in note], report
    assert report["verification"]["verified"]


# -- charts and Home


def test_charts_of_all_spend_divide_no_sum_by_one_of_other_campaigns() -> None:
    dataset = parse(Source(ALL, {}), datetime(2026, 11, 22, 12, tzinfo=UTC))
    names = {column.name for column in columns(dataset)}
    cards = cards_of(dataset, names)
    titles = [str(card.title) for card in cards]
    assert "Cost by day" in titles
    assert any("spend source" in title.casefold() for title in titles), titles
    figures = {figure.name for card in cards for figure in (*card.figures, *card.metrics)}
    assert {"spend", "conversion", "orders", "gross_revenue"} <= figures
    assert not figures & {"cpc", "cost_per_conversion", "roi", "cost_per_order", "ctr"}
    assert "revenue is that of GMV Max campaigns" in missing_of(dataset, names)[0]


def test_charts_say_which_share_of_all_spend_gmv_max_has(shops: Home) -> None:
    report = run(shops, name="Shares")
    own = rows(shops, report)
    currency = own[0]["currency"]
    query = {"currency": currency, "days": 0}
    with open_site(shops) as site:
        answer = program(site).get(f"/datasets/{report['dataset']}/cards/trait.spend_source", **query)
    cost = Counter[str]()
    for row in own:
        if row["currency"] == currency:
            cost[row["spend_source"]] += row["spend"] or 0
    shares = {source: 100 * float(amount / cost.total()) for source, amount in cost.items()}
    assert len(shares) == 2
    assert dict(zip(answer["chart"]["x"]["ids"], answer["chart"]["shares"], strict=True)) == pytest.approx(shares)
    assert answer["table"]["head"][-1] == "Share of cost"


def _spend_on_home(site: Site) -> dict[str, Any]:
    return dict(program(site).get("/home")["spend"])


@pytest.mark.slow
def test_home_shows_all_spend_and_no_longer_says_that_gmv_max_is_missing(own: Home) -> None:
    dates = {"start": "today-4", "end": "today-1"}
    first, _, second = first_shop(own)
    own.good("run", "-f", own.file(advertisers=[first, second], dates=dates))
    run(own, SHOPS, advertisers=[first, second], dates=dates)
    with open_site(own) as site:
        before = _spend_on_home(site)
    assert before["gmv_max"] == [{"dataset": "shops", "dataset_name": "Shops"}]
    report = run(own, advertisers=[first], dates=dates)
    with open_site(own) as site:
        spend = _spend_on_home(site)
        page = words_of(site.visit("admin").part("/home/spend").text)
    used = {account["advertiser_id"]: account for account in spend["accounts"]}
    assert {name: account["dataset"] for name, account in used.items()} == {first: "everything", second: "spend"}
    assert used[first]["preferred"] == "whole"
    # The second ad account is still without it.
    assert spend["gmv_max"] == [{"dataset": "shops", "dataset_name": "Shops"}]
    assert "it includes GMV Max campaigns" in page
    shown = sum(day["amount"] or 0 for money in spend["currencies"] for day in money["days"])
    basic = sum(day["amount"] or 0 for money in before["currencies"] for day in money["days"])
    gmv_max = sums(rows(own, report), "spend", spend_source="GMV_MAX")[first]
    assert shown == pytest.approx(float(Decimal(str(basic)) + gmv_max))
    run(own, advertisers=[first, second], dates=dates)
    with open_site(own) as site:
        assert _spend_on_home(site)["gmv_max"] == []


def test_home_takes_no_dataset_for_all_spend_of_an_ad_account_whose_gmv_max_is_refused(own: Home) -> None:
    dates = {"start": "today-4", "end": "today-1"}
    first, _, second = first_shop(own)
    run(own, SHOPS, advertisers=[first, second], dates=dates)
    refusal = {"kind": "code", "path": "gmv_max/store/list", "code": 40001, "message": "No permission.", "times": 0}
    own.door("trouble", refusal | {"where": {"advertiser_id": first}})
    run(own, advertisers=[first, second], dates=dates)
    own.door("calm", {})
    with open_site(own) as site:
        spend = _spend_on_home(site)
        page = words_of(site.visit("admin").part("/home/spend").text)
    assert spend["gmv_max"] == [{"dataset": "shops", "dataset_name": "Shops"}]
    (lacking,) = spend["unread"]
    assert (lacking["advertiser_id"], lacking["cost"], lacking["dataset"]) == (first, None, "everything")
    assert "the dataset Everything could not read all of it, so the amount is not known." in page
    run(own, advertisers=[first, second], dates=dates)
    with open_site(own) as site:
        assert (_spend_on_home(site)["gmv_max"], _spend_on_home(site)["unread"]) == ([], [])


def test_home_has_the_gmv_max_cost_that_no_dataset_reads_and_leads_to_the_template(own: Home) -> None:
    own.environ["ADREEL_GMV_MAX_CHECK"] = "on"
    first, _, _ = first_shop(own)
    dates = {"start": "today-4", "end": "today-1"}
    own.adreel("run", "-f", own.file(advertisers=[first], dates=dates))
    with open_site(own) as site:
        (line,) = _spend_on_home(site)["unread"]
        part = site.visit("admin").part("/home/spend").text
        assert "/datasets/new?template=all_spend&amp;account=demo" in part
    report = run(own, advertisers=[first], dates=dates)
    cost = sums(rows(own, report), "spend", spend_source="GMV_MAX")[first]
    assert Decimal(str(line["cost"])) == cost
    assert f"{cost:,.2f} USD from 2026-11-18 to 2026-11-21" in words_of(part)
    with open_site(own) as site:
        assert _spend_on_home(site)["unread"] == []


def test_the_plan_of_a_year_in_the_docs_is_what_the_command_prints(tmp_path: Path) -> None:
    # One of them has no permission.
    home = make_home(tmp_path / "home", advertisers=21, ads=1)
    home.add_account()
    home.environ["ADREEL_TIKTOK_LEVEL"] = "basic"
    home.good("accounts", "advertisers", "demo")
    page = (Path(__file__).parents[1] / "docs" / "dataset-files.md").read_text("utf-8")
    blocks = list(blocks_of(page))
    file = tmp_path / "year.yaml"
    file.write_text(next(block.text for block in blocks if block.value == file.name), "utf-8")
    command, *expected = next(block.text for block in blocks if block.value == "tests/test_all_spend.py").splitlines()
    assert command == f"$ adreel plan -f {file.name}"
    printed = home.adreel("plan", "-f", str(file))
    assert expected
    assert first_missing(expected, printed.stdout + printed.stderr) is None, printed.stdout + printed.stderr
