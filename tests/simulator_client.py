"""A plain way to talk to a simulator in this process, for tests of the simulator itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import httpx2
import orjson

from adreel.simulator import WorldConfig, access_token, create_app

TODAY = date(2026, 8, 20)
BASE = "/open_api/v1.3/"
REPORT = "report/integrated/get/"
LEVELS = {
    "advertiser": ("AUCTION_ADVERTISER", "advertiser_id"),
    "campaign": ("AUCTION_CAMPAIGN", "campaign_id"),
    "adgroup": ("AUCTION_ADGROUP", "adgroup_id"),
    "ad": ("AUCTION_AD", "ad_id"),
}
EVERYTHING = {
    level: [{"field_name": f"{level}_status", "filter_type": "IN", "filter_value": '["STATUS_ALL"]'}]
    for level in ("campaign", "adgroup", "ad")
}


def world(**changes: Any) -> WorldConfig:
    """A small world without limits, where nothing is said otherwise."""
    return replace(WorldConfig(today=TODAY, ads=40, qps=0, hostile_names=True), **changes)


def as_query(params: Mapping[str, object]) -> dict[str, str]:
    """Parameters as TikTok wants them in a query: texts as they are, the rest as JSON."""
    return {name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in params.items()}


def ids_filter(name: str, ids: list[str]) -> list[dict[str, str]]:
    """A report filter that wants one of some values."""
    return [{"field_name": name, "filter_type": "IN", "filter_value": orjson.dumps(ids).decode()}]


class Sim:
    """A simulator and a token for all of its advertisers; `ticks` is its monotonic clock, moved by hand."""

    def __init__(self, config: WorldConfig | None = None, token: str | None = None) -> None:
        self.config = config or world()
        self.ticks = 0.0
        self.wall = 1_790_000_000.0
        self.slept: list[float] = []
        self.app = create_app(self.config, wall=lambda: self.wall, monotonic=lambda: self.ticks, sleep=self._sleep)
        self.token = access_token(self.config) if token is None else token
        self.ids = [advertiser["advertiser_id"] for advertiser in self.door("GET", "state")["advertisers"]]

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request, as it is."""

        async def go() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://sim") as client:
                return await client.request(method, path, **options)

        return asyncio.run(go())

    def door(self, method: str, name: str, **body: object) -> Any:
        """The side door."""
        response = self.send(method, f"/_simulator/{name}", json=body or None)
        assert response.status_code == 200, response.text
        return response.json()

    def get(self, path: str, **params: object) -> Any:
        """The whole envelope of a GET."""
        headers = {"Access-Token": self.token} if self.token else {}
        response = self.send("GET", BASE + path, params=as_query(params), headers=headers)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, **body: object) -> Any:
        """The whole envelope of a POST."""
        response = self.send("POST", BASE + path, json=body, headers={"Access-Token": self.token})
        assert response.status_code == 200, response.text
        return response.json()

    def code(self, path: str, **params: object) -> int:
        """The code of a GET's answer."""
        return int(self.get(path, **params)["code"])

    def report(self, **params: object) -> Any:
        """The `data` of a report, which has to be good; one campaign level day by default."""
        answer = self.get(REPORT, **{**self.basic(), **params})
        assert answer["code"] == 0, answer
        return answer["data"]

    def refused(self, **params: object) -> str:
        """The message with which a report is refused for its parameters (40002)."""
        given = {name: value for name, value in {**self.basic(), **params}.items() if value is not None}
        answer = self.get(REPORT, **given)
        assert answer["code"] == 40002, answer
        return str(answer["message"])

    def basic(self) -> dict[str, object]:
        """A report that is in order."""
        return {
            "advertiser_id": self.ids[0],
            "report_type": "BASIC",
            "data_level": "AUCTION_CAMPAIGN",
            "dimensions": ["campaign_id", "stat_time_day"],
            "metrics": ["spend", "impressions"],
            "start_date": "2026-08-01",
            "end_date": "2026-08-07",
        }

    def rows(self, **params: object) -> list[dict[str, Any]]:
        """All rows of a report, page by page."""
        rows: list[dict[str, Any]] = []
        page = 1
        while True:
            data = self.report(page=page, page_size=1000, **params)
            rows += data["list"]
            if page >= data["page_info"]["total_page"]:
                assert len(rows) == data["page_info"]["total_number"]
                return rows
            page += 1

    def rows_at(
        self, level: str, metrics: list[str], start: date, end: date, *more: str, **params: object
    ) -> list[dict[str, Any]]:
        """All rows of a level, deleted ones and reservations included, by its ID and `more` dimensions."""
        data_level, identity = LEVELS[level]
        filters = [*EVERYTHING.get(level, [])]
        request: dict[str, object] = {
            "data_level": data_level,
            "dimensions": [identity, *more],
            "metrics": metrics,
            "start_date": start.isoformat(),
            "end_date": end.isoformat(),
            **params,
        }
        if level == "advertiser":
            return self.rows(**request)
        auction = self.rows(filtering=filters, **request)
        top_view = {"field_name": "buying_type", "filter_type": "IN", "filter_value": '["RESERVATION_TOP_VIEW"]'}
        return auction + self.rows(filtering=[*filters, top_view], **request)


def added(rows: list[dict[str, Any]], metric: str, scale: Callable[[str], int] | None = None) -> int:
    """A metric summed over rows, in whole units or hundredths."""
    return sum((scale or cents)(row["metrics"][metric]) for row in rows)


def cents(text: str) -> int:
    """A count as it is, an amount in hundredths."""
    return int(text.replace(".", ""))
