"""Fields of TikTok's lists that the catalogue lacks are kept as JSON by choice, and by choice only."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx2
import orjson
import pyarrow.parquet as pq
import pytest

from adreel.pipeline.normalize import with_other_fields
from home import Home

NEW = {"brand_new": {"z": "1", "a": ["x", None]}, "other_fields": "TikTok's own", "a_price": 0.1}
LIST: dict[str, Any] = {
    "report": "campaigns",
    "data_level": None,
    "time_dimension": None,
    "metrics": None,
    "dates": None,
    "fields": ["campaign_name"],
    "update": {"method": "upsert"},
}


class Reordered(httpx2.AsyncBaseTransport):
    """The simulated world whose rows have their keys in another order."""

    def __init__(self, home: Home) -> None:
        self._under = httpx2.ASGITransport(home.world)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._under.handle_async_request(request)
        answer = orjson.loads(await response.aread())
        rows = answer["data"].get("list", []) if answer.get("data") else []
        rows[:] = [dict(reversed(row.items())) for row in rows]
        return httpx2.Response(200, content=orjson.dumps(answer))


def test_fields_that_the_catalogue_lacks_are_one_json_column_by_choice_only(home: Home) -> None:
    home.door("fields", {"level": "campaign", "fields": NEW})
    home.good("datasets", "create", "-f", home.file(**LIST, name="Plain"))
    home.good("run", "plain", "--yes")
    assert "other_fields" not in home.rows("SELECT * FROM plain LIMIT 1")[0]
    assert all("fields" in request["params"] for request in home.requests("campaign/get"))
    home.good("datasets", "create", "-f", home.file(**LIST, name="Whole", other_fields=True))
    home.good("run", "whole", "--yes")
    assert "fields" not in home.requests("campaign/get")[-1]["params"]
    rows = home.rows("SELECT * FROM whole")
    assert len(rows) == home.rows("SELECT count(*) AS rows FROM plain")[0]["rows"]
    assert set(rows[0]) == {"advertiser_id", "campaign_id", "campaign_name", "other_fields"}
    previewed = home.json("preview", "whole")
    assert all(row["other_fields"] for row in previewed)
    for row in rows:
        assert row["other_fields"] == (
            '{"a_price":0.1,"brand_new":{"a":["x",null],"z":"1"},"other_fields":"TikTok\'s own"}'
        )
    assert home.rows("SELECT DISTINCT other_fields->>'$.brand_new.z' AS z FROM whole") == [{"z": "1"}]


def test_another_order_of_keys_is_no_change_and_another_value_is_one(home: Home) -> None:
    home.door("fields", {"level": "campaign", "fields": NEW})
    home.good("datasets", "create", "-f", home.file(**LIST, name="Whole", other_fields=True))
    home.good("run", "whole", "--yes")
    home.transport = Reordered(home)
    home.later(1)
    home.good("run", "whole", "--yes")
    changed = home.json("diff", "whole")
    assert changed["changed"] == 0, changed
    home.door("fields", {"level": "campaign", "fields": {**NEW, "a_price": 0.2}})
    home.good("run", "whole", "--yes")
    changed = home.json("diff", "whole")
    assert changed["changed"] == changed["rows_after"], changed
    home.door("fields", {"level": "campaign", "fields": {}})
    home.good("run", "whole", "--yes")
    assert home.rows("SELECT count(other_fields) AS filled FROM whole") == [{"filled": 0}]


def test_files_and_destinations_have_the_json_as_text(home: Home) -> None:
    home.door("fields", {"level": "campaign", "fields": NEW})
    home.good("destinations", "add", "warehouse", str(home.path / "w.duckdb"))
    values = {**LIST, "name": "Whole", "other_fields": True, "publish": ["warehouse"]}
    home.good("datasets", "create", "-f", home.file(**values))
    home.good("run", "whole", "--yes")
    home.good("publish", "whole")
    import duckdb

    with duckdb.connect(str(home.path / "w.duckdb")) as database:
        (published,) = database.execute("SELECT DISTINCT other_fields FROM tiktok.whole").fetchall()
    home.good("export", "whole", "-o", str(home.path / "w.csv"))
    (exported,) = {row["other_fields"] for row in csv.DictReader(io.StringIO((home.path / "w.csv").read_text()))}
    home.good("export", "whole", "-o", str(home.path / "w.parquet"))
    assert published[0] == exported == pq.read_table(home.path / "w.parquet")["other_fields"][0].as_py()
    assert json.loads(exported)["brand_new"] == NEW["brand_new"]


@pytest.mark.parametrize("report", ["creatives", "advertisers", "performance"])
def test_reports_without_lists_of_fields_have_no_other_fields(home: Home, report: str) -> None:
    assert "other_fields" in home.bad("validate", "-f", home.file(report=report, other_fields=True))[1]


def test_an_entity_with_nothing_else_has_no_json() -> None:
    (row,) = with_other_fields([{"campaign_id": "1"}], "campaigns")
    assert row == {"campaign_id": "1", "other_fields": None}
