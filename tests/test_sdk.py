"""TikTok's own Python client, unmodified but for its host, reads the simulator over real HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import business_api_client as sdk
import pytest
from business_api_client.models.filtering_gmv_max_report_get import FilteringGmvMaxReportGet
from business_api_client.models.filtering_report_integrated_get import FilteringReportIntegratedGet
from business_api_client.models.filtering_smart_plus_ad_get import FilteringSmartPlusAdGet
from business_api_client.models.filtering_smart_plus_material_report_overview import (
    FilteringSmartPlusMaterialReportOverview,
)
from business_api_client.tiktok_business.tiktok_exceptions import TiktokSDKError

from adreel.simulator import WorldConfig, access_token, serve
from adreel.simulator.server import serve_on
from simulator_client import BASE, world

CONFIG = world()
TOKEN = access_token(CONFIG)
REPORT = {
    "data_level": "AUCTION_CAMPAIGN",
    "dimensions": ["campaign_id", "stat_time_day"],
    "metrics": ["spend", "campaign_name"],
    "start_date": "2026-08-01",
    "end_date": "2026-08-07",
}


@contextmanager
def served(config: WorldConfig) -> Iterator[str]:
    """A simulator in a thread, at a free port of this machine."""
    ready: list[str] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = loop.create_task(serve_on(config, listener, ready.append))
        thread = threading.Thread(target=_run, args=(loop, task, started), name="simulator")
        thread.start()
        started.wait(5)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            loop.call_soon_threadsafe(task.cancel)
            thread.join(5)
    assert ready[0].startswith("http://127.0.0.1:")
    assert not thread.is_alive()


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], started: threading.Event) -> None:
    loop.call_soon(started.set)
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        pass
    finally:
        loop.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(CONFIG) as address:
        yield address


class NoThreads:
    """In place of the client's thread pool, which needs a writable /dev/shm; only calls with async_req use it."""

    def close(self) -> None: ...

    def join(self) -> None: ...


@pytest.fixture
def client(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """TikTok's client; only its host is another, and it has no threads."""
    monkeypatch.setattr(sdk.api_client, "ThreadPool", NoThreads)
    configuration = sdk.Configuration()
    configuration.host = url
    client = sdk.ApiClient(configuration)
    yield client
    client.rest_client.pool_manager.clear()


@pytest.fixture
def advertiser(client: Any) -> str:
    listed = sdk.AuthenticationApi(client).oauth2_advertiser_get(CONFIG.app_id, CONFIG.secret, TOKEN)["data"]["list"]
    return str(listed[0]["advertiser_id"])


def ask(
    url: str, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[http.client.HTTPMessage, bytes]:
    """The answer to one request over a connection of its own."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)) as connection:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.headers, response.read()


def test_the_client_goes_from_consent_to_a_token(client: Any, url: str) -> None:
    form = {"app_id": CONFIG.app_id, "redirect_uri": "http://127.0.0.1:9/", "decision": "allow"}
    listed = sdk.AuthenticationApi(client).oauth2_advertiser_get(CONFIG.app_id, CONFIG.secret, TOKEN)["data"]["list"]
    form["advertiser_id"] = listed[1]["advertiser_id"]
    headers, _ = ask(url, "POST", "/portal/auth", urlencode(form))
    code = parse_qs(urlsplit(headers["location"]).query)["auth_code"][0]
    body = sdk.Oauth2AccessTokenBody(app_id=CONFIG.app_id, secret=CONFIG.secret, auth_code=code)
    data = sdk.AuthenticationApi(client).oauth2_access_token(body=body)["data"]
    assert data["advertiser_ids"] == [listed[1]["advertiser_id"]]
    with pytest.raises(TiktokSDKError, match="40110"):
        sdk.AuthenticationApi(client).oauth2_access_token(body=body)


def test_the_client_reads_advertisers(client: Any, advertiser: str) -> None:
    fields = ["currency", "timezone"]
    info = sdk.AccountManagementApi(client).advertiser_info([advertiser], TOKEN, fields=fields)["data"]["list"]
    assert info == [{"advertiser_id": advertiser, "currency": "USD", "timezone": "Etc/GMT+8"}]


def test_the_client_reads_campaigns_ad_groups_and_ads(client: Any, advertiser: str) -> None:
    everything = sdk.FilteringCampaignGet(primary_status="STATUS_ALL")
    campaigns = sdk.CampaignCreationApi(client).campaign_get(advertiser, TOKEN, page_size=1000)["data"]["list"]
    every = sdk.CampaignCreationApi(client).campaign_get(
        advertiser, TOKEN, page_size=1000, filtering=everything, fields=["campaign_name"]
    )["data"]["list"]
    assert len(every) > len(campaigns)
    adgroups = sdk.AdgroupApi(client).adgroup_get(advertiser, TOKEN, page=2, page_size=4)["data"]
    assert adgroups["page_info"]["page"] == 2
    ad_filter = sdk.FilteringAdGet(adgroup_ids=[adgroups["list"][0]["adgroup_id"]])
    ads = sdk.AdApi(client).ad_get(advertiser, TOKEN, filtering=ad_filter)["data"]["list"]
    assert {ad["adgroup_id"] for ad in ads} == {adgroups["list"][0]["adgroup_id"]}


def test_the_client_reads_a_report_with_totals(client: Any, advertiser: str) -> None:
    data = sdk.ReportingApi(client).report_integrated_get(
        "BASIC", TOKEN, advertiser_id=advertiser, enable_total_metrics=True, page_size=3, **REPORT
    )["data"]
    assert len(data["list"]) == 3
    assert data["total_metrics"]["campaign_name"] == "-"


def test_the_clients_filter_works_with_a_text_and_fails_with_a_list(client: Any, advertiser: str) -> None:
    """The client declares filter_value as a text, but sends whatever it is given."""
    reporting = sdk.ReportingApi(client)

    def rows(value: object) -> int:
        filtering = [FilteringReportIntegratedGet(field_name="campaign_status", filter_type="IN", filter_value=value)]
        data = reporting.report_integrated_get("BASIC", TOKEN, advertiser_id=advertiser, filtering=filtering, **REPORT)
        return int(data["data"]["page_info"]["total_number"])

    assert rows('["STATUS_ALL"]') > rows('["STATUS_NOT_DELETE"]')
    with pytest.raises(TiktokSDKError, match=r"40002.*Not a valid string"):
        rows(["STATUS_ALL"])


def test_the_client_reads_audience_reports_and_several_advertisers(client: Any, advertiser: str) -> None:
    reporting = sdk.ReportingApi(client)
    report_options = {**REPORT, "dimensions": ["campaign_id", "age", "gender"], "metrics": ["spend"]}
    audience = reporting.report_integrated_get("AUDIENCE", TOKEN, advertiser_id=advertiser, **report_options)
    assert audience["data"]["list"]
    several = reporting.report_integrated_get(
        "BASIC", TOKEN, advertiser_ids=[advertiser], multi_adv_report_in_utc_time=True, **REPORT
    )
    assert several["data"]["list"][0]["metrics"]["currency"] == "USD"


def test_the_client_raises_the_refusals(client: Any, advertiser: str) -> None:
    with pytest.raises(TiktokSDKError, match=r"40002.*Invalid metric fields: \['x'\]"):
        sdk.ReportingApi(client).report_integrated_get(
            "BASIC", TOKEN, advertiser_id=advertiser, **{**REPORT, "metrics": ["x"]}
        )
    with pytest.raises(TiktokSDKError, match="40105"):
        sdk.AdApi(client).ad_get(advertiser, "no token of ours")


def test_the_client_reads_smart_plus_lists_and_materials(client: Any, advertiser: str) -> None:
    everything = sdk.FilteringSmartPlusCampaignGet(primary_status="STATUS_ALL")
    campaigns = sdk.CampaignCreationApi(client).smart_plus_campaign_get(advertiser, TOKEN, filtering=everything)["data"]
    adgroups = sdk.AdgroupApi(client).smart_plus_adgroup_get(advertiser, TOKEN, page_size=1000)["data"]["list"]
    assert {row["campaign_id"] for row in adgroups} <= {row["campaign_id"] for row in campaigns["list"]}
    filtering = FilteringSmartPlusAdGet(adgroup_ids=[adgroups[0]["adgroup_id"]])
    (ad,) = sdk.AdApi(client).smart_plus_ad_get(advertiser, TOKEN, filtering=filtering)["data"]["list"]
    reporting, days = sdk.ReportingApi(client), ("2026-08-01", "2026-08-07")
    of_ad = {"filtering": FilteringSmartPlusMaterialReportOverview(smart_plus_ad_ids=[ad["smart_plus_ad_id"]])}
    overview = reporting.smart_plus_material_report_overview(
        advertiser,
        ["smart_plus_ad_id", "main_material_id"],
        TOKEN,
        metrics=["spend", "ad_material_id"],
        start_date=days[0],
        end_date=days[1],
        **of_ad,
    )["data"]["list"]
    materials = {material for row in overview for material in row["metrics"]["ad_material_id"]}
    assert materials == {creative["ad_material_id"] for creative in ad["creative_list"]}
    breakdown = reporting.smart_plus_material_report_breakdown(
        advertiser, ["main_material_id", "stat_time_day"], *days, TOKEN, page_size=100
    )["data"]["list"]
    assert {row["dimensions"]["stat_time_day"][:10] for row in breakdown} <= {f"2026-08-0{day}" for day in range(1, 8)}


def test_the_client_reads_shops_and_gmv_max_down_to_the_periods_of_live_sessions(client: Any, advertiser: str) -> None:
    shop = sdk.StoreApi(client).gmv_max_store_list(advertiser, TOKEN)["data"]["store_list"][0]["store_id"]
    reporting, days = sdk.ReportingApi(client), ("2026-08-01", "2026-08-07")

    def rows(dimensions: list[str], **filters: list[str]) -> list[dict[str, Any]]:
        answer = reporting.gmv_max_report_get(
            advertiser,
            [shop],
            dimensions,
            ["cost", "orders"],
            *days,
            TOKEN,
            filtering=FilteringGmvMaxReportGet(**filters),
            page_size=1000,
        )
        return list(answer["data"]["list"])

    campaigns = rows(["campaign_id"], gmv_max_promotion_types=["LIVE"])
    lives = [row["dimensions"]["campaign_id"] for row in campaigns]
    sessions = rows(["campaign_id", "room_id"], campaign_ids=lives)
    rooms = [row["dimensions"]["room_id"] for row in sessions]
    periods = rows(["campaign_id", "room_id", "duration"], campaign_ids=lives, room_ids=rooms)
    orders = [sum(int(row["metrics"]["orders"]) for row in level) for level in (campaigns, sessions, periods)]
    assert orders[0] == orders[1] == orders[2] > 0
    assert len(periods) > len(sessions) > len(campaigns)
    details = sdk.CampaignCreationApi(client).campaign_gmv_max_info(advertiser, lives[0], TOKEN)["data"]
    assert (details["store_id"], details["shopping_ads_type"]) == (shop, "LIVE")


def test_the_client_reads_custom_audiences(client: Any, advertiser: str) -> None:
    audiences = sdk.AudienceApi(client)
    listed = audiences.dmp_custom_audience_list(advertiser, TOKEN, page_size=2)["data"]["list"]
    ids = [row["audience_id"] for row in listed]
    details = audiences.dmp_custom_audience_get(advertiser, ids, TOKEN)["data"]["list"]
    assert [row["audience_details"]["audience_id"] for row in details] == ids


def test_the_client_reads_videos_and_images(client: Any, advertiser: str, url: str) -> None:
    files = sdk.FileApi(client)
    (video,) = files.ad_video_search(advertiser, TOKEN, page_size=1)["data"]["list"]
    assert files.ad_video_info(advertiser, [video["video_id"]], TOKEN)["data"]["list"] == [video]
    path = f"{BASE}file/image/ad/search/?advertiser_id={advertiser}&page_size=1"
    (image,) = json.loads(ask(url, "GET", path, **{"Access-Token": TOKEN})[1])["data"]["list"]
    assert files.file_image_ad_info(advertiser, [image["image_id"]], TOKEN)["data"]["list"] == [image]


def test_the_client_creates_checks_and_cancels_a_task(client: Any, advertiser: str) -> None:
    """It has no call for the download; its default file name is a single space."""
    reporting = sdk.ReportingApi(client)
    body = sdk.ReportTaskCreateBody(advertiser_id=advertiser, report_type="BASIC", **REPORT)
    task = reporting.report_task_create(TOKEN, body=body)["data"]["task_id"]
    assert reporting.report_task_check(task, advertiser, TOKEN)["data"]["status"] == "QUEUING"
    cancelled = reporting.report_task_cancel(TOKEN, body={"advertiser_id": advertiser, "task_id": task})
    assert cancelled["data"]["status"] == "CANCELED"


# --- what only a real connection can show ------------------------------------------------------------------------


def test_an_answer_can_break_off_in_the_middle(url: str) -> None:
    path = f"{BASE}user/info/"
    ask(url, "POST", "/_simulator/trouble", '{"kind": "cut"}')
    with pytest.raises(http.client.IncompleteRead):
        ask(url, "GET", path, **{"Access-Token": TOKEN})
    assert json.loads(ask(url, "GET", path, **{"Access-Token": TOKEN})[1])["code"] == 0


def test_a_port_that_is_taken_is_an_error(url: str) -> None:
    with pytest.raises(OSError, match="in use"):
        serve(CONFIG, port=urlsplit(url).port or 0)
