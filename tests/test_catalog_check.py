"""The catalogue compared with what TikTok answers: every difference is noted, and nothing of the account."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from adreel.recording.catalog_check import MOST_REQUESTS, named_in, probes
from adreel.recording.disguise import without_names
from home import Home

Answer = Callable[[str, dict[str, str], dict[str, Any]], None]


class Changed(httpx2.AsyncBaseTransport):
    """The simulated TikTok with answers that `change` alters; it gets the path, the parameters and the answer."""

    def __init__(self, home: Home, change: Answer) -> None:
        self._under = httpx2.ASGITransport(home.world)
        self._change = change
        self.sent = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._under.handle_async_request(request)
        answer = orjson.loads(await response.aread())
        self.sent += "oauth2" not in request.url.path
        self._change(request.url.path, dict(request.url.params), answer)
        return httpx2.Response(200, content=orjson.dumps(answer))


def checked(home: Home, change: Answer) -> tuple[dict[str, Any], int]:
    transport = Changed(home, change)
    asking = replace(home, transport=transport)
    return asking.json("catalog", "check", "demo"), transport.sent


def unchanged(_path: str, _parameters: dict[str, str], _answer: dict[str, Any]) -> None:
    return


@pytest.mark.slow
def test_a_catalogue_that_fits_has_no_refusal_and_few_requests(home: Home) -> None:
    check, sent = checked(home, unchanged)
    assert [finding for finding in check["findings"] if finding["difference"] == "refused"] == []
    assert [finding for finding in check["findings"] if "smart_plus" in finding["of"]] == []
    assert check["unchecked"] == check["without_ids"] == []
    assert check["requests"] <= sent <= MOST_REQUESTS
    assert check["checked"] > 1_000
    levels = Counter(probe.values.get("data_level") for probe in probes() if not probe.dimension)
    assert set(levels) >= {"advertiser", "campaign", "adgroup", "ad"}


@pytest.mark.slow
def test_refused_missing_and_unknown_names_are_noted_without_anything_of_the_account(
    home: Home, tmp_path: Path
) -> None:
    def change(path: str, parameters: dict[str, str], answer: dict[str, Any]) -> None:
        asked = json.loads(parameters.get("metrics", "[]"))
        if "clicks" in asked and parameters.get("data_level") == "AUCTION_CAMPAIGN":
            answer["code"] = 40002
            answer["message"] = (
                "Please correct the invalid metric fields. Invalid metric fields: ['clicks']. Acme GmbH 71234"
            )
            answer["data"] = {}
            return
        if "gmv_max" in path and "item_id" in parameters.get("dimensions", "") and "orders" in asked:
            answer["code"], answer["data"] = 40002, {}
            answer["message"] = "Invalid metric fields: ['orders']"
            return
        if "catalog_id" in parameters.get("dimensions", "") or "province_id" in parameters.get("dimensions", ""):
            answer["code"], answer["data"] = 40002, {}
            answer["message"] = "the dimension is not supported"
        for row in (answer["data"] or {}).get("list") or []:
            if "metrics" in row:
                row["metrics"].pop("impressions", None)
                row["metrics"]["brand_new_metric"] = "1"
            elif path.endswith("/campaign/get/"):
                row["brand_new_field"] = "secret text"
                row["objective_type"] = "BRAND_NEW_GOAL"

    check, _ = checked(home, change)
    differences = {
        (finding["difference"], finding["kind"], finding["name"], finding["of"]) for finding in check["findings"]
    }
    assert ("refused", "metric", "clicks", "performance basic campaign day") in differences
    assert ("refused", "metric", "clicks", "performance basic ad day") not in differences
    assert ("refused", "dimension", "province_id", "performance audience ad province_id") in differences
    assert ("refused", "dimension", "catalog_id", "performance dsa ad catalog_id") in differences
    assert ("refused", "metric", "orders", "gmv_max creative day") in differences
    assert ("refused", "metric", "orders", "gmv_max product day") not in differences
    assert ("unknown", "field", "brand_new_metric", "gmv_max live_duration none") in differences
    assert ("missing", "metric", "impressions", "performance basic ad day") in differences
    assert ("unknown", "field", "brand_new_metric", "performance basic ad day") in differences
    assert ("unknown", "field", "brand_new_field", "campaigns") in differences
    assert ("unknown", "value", "objective_type: BRAND_NEW_GOAL", "campaigns") in differences
    text = json.dumps(check)
    names = [row["name"] for row in home.json("accounts", "list")] + ["Acme", "71234", "secret text"]
    assert [name for name in names if name in text and name != "demo"] == []
    file = tmp_path / "check.json"
    words = replace(home, transport=Changed(home, change)).good("catalog", "check", "demo", "-o", str(file))
    assert json.loads(file.read_text("utf-8")) == check
    assert "brand_new_metric" in words.stdout
    assert f"{len(check['findings'])} differences" in words.stderr


@pytest.mark.slow
def test_a_check_of_an_unstable_api_stops_at_its_limit_of_requests(home: Home) -> None:
    def change(path: str, parameters: dict[str, str], answer: dict[str, Any]) -> None:
        asked = json.loads(parameters.get("metrics", "[]"))
        if len(asked) > 1:
            answer["code"], answer["data"] = 40002, {}
            answer["message"] = f"Invalid metric fields: ['{asked[0]}']"

    check, sent = checked(home, change)
    assert check["requests"] == MOST_REQUESTS
    assert sent <= MOST_REQUESTS + 5
    assert check["unchecked"]


@pytest.mark.slow
def test_levels_of_gmv_max_that_need_what_the_ad_account_does_not_have_are_named(home: Home) -> None:
    def change(path: str, parameters: dict[str, str], answer: dict[str, Any]) -> None:
        if "gmv_max/report" in path and "campaign_id" in parameters.get("dimensions", ""):
            answer["data"]["list"] = []
        if "gmv_max/store/list" in path and is_refused:
            answer["code"], answer["message"], answer["data"] = 40001, "No permission to operate advertiser", {}

    levels = [probe.of for probe in probes() if probe.of.startswith("gmv_max")]
    is_refused = False
    check, _ = checked(home, change)
    assert check["without_ids"] == [of for of in levels if "account" not in of and "campaign" not in of]
    is_refused = True
    words = replace(home, transport=Changed(home, change)).good("catalog", "check", "demo")
    assert "the shops of the ad account cannot be read, so GMV Max is not compared" in words.stderr
    assert [of for of in levels if f"or session for it: {of}\n" not in words.stderr] == []


def test_names_are_taken_from_quotes_only_and_other_words_are_left_out() -> None:
    assert named_in("Invalid metric fields: ['ctr', \"cpc\"]; spend", ["ctr", "cpc", "spend"]) == {"ctr", "cpc"}
    assert without_names("advertiser 7123456 of Acme must have at least 1 campaign ID") == (
        "advertiser … of … must have at least 1 campaign ID"
    )
