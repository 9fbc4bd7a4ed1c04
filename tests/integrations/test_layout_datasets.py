"""Fivetran's tables by the command line: created, run, published, and read by SQL as the public packages have it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest

from adreel.lake import Lake, Method, Write
from home import Home, make_home
from lake_rows import DAY, KEY, SCHEMA
from postgres import PostgresServer

Query = Callable[[str], list[tuple[Any, ...]]]
LEVELS = ("campaign", "adgroup", "ad")
TOTALS = "sum(spend), sum(impressions), sum(clicks), sum(conversion)"


@dataclass
class Shop:
    """A home whose datasets publish to a DuckDB file and a Postgres database, both with Fivetran's layout."""

    home: Home
    queries: dict[str, Query]

    def run_all(self) -> None:
        for row in self.home.json("datasets", "list"):
            self.home.good("run", row["slug"])
            self.home.good("publish", row["slug"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("layouts")
    home, file = make_home(folder / "home", advertisers=2, ads=6, days=40), folder / "warehouse.duckdb"
    home.add_account()
    with postgres.database("template1") as address:
        url = address.replace("postgresql+psycopg", "postgresql")

        def of_duckdb(statement: str) -> list[tuple[Any, ...]]:
            with duckdb.connect(str(file), read_only=True) as connection:
                return connection.execute(statement).fetchall()

        def of_postgres(statement: str) -> list[tuple[Any, ...]]:
            with psycopg.connect(url) as connection:
                return connection.execute(statement.encode()).fetchall()

        home.good("destinations", "add", "warehouse", str(file), "--layout", "fivetran")
        home.good("destinations", "add", "team", "--layout", "fivetran", stdin=f"{url}\n")
        home.good("destinations", "create-datasets", "warehouse", "--daily", "--smart-plus", "--every", "6 hours")
        shop = Shop(home, {"duckdb": of_duckdb, "postgres": of_postgres})
        for row in home.json("datasets", "list"):
            home.good("destinations", "attach", row["slug"], "team")
        shop.run_all()
        yield shop


def of_warehouse(table: str) -> str:
    return f"tiktok_ads.{table}"


def current(table: str, entity: str) -> str:
    """The current version of each entity, as the public packages take it."""
    ranked = f"row_number() OVER (PARTITION BY {entity} ORDER BY updated_at DESC)"
    return f"(SELECT * FROM (SELECT *, {ranked} AS place FROM {of_warehouse(table)}) ranked WHERE place = 1)"


def account_report(level: str) -> str:
    """Days of each account: hours become days, and the entity's current version leads to its account."""
    entity, history = f"{level}_id", f"{level}_history"
    return (
        "SELECT a.id, a.name, a.currency, cast(r.stat_time_hour AS date) AS date_day, "
        "sum(r.spend) AS spend, sum(r.impressions) AS impressions, sum(r.clicks) AS clicks, "
        "sum(r.conversion) AS conversion, sum(r.clicks) * 100.0 / nullif(sum(r.impressions), 0) AS daily_ctr "
        f"FROM {of_warehouse(f'{level}_report_hourly')} r LEFT JOIN {current(history, entity)} h "
        f"ON h.{entity} = r.{entity} LEFT JOIN {of_warehouse('advertiser')} a ON a.id = h.advertiser_id "
        "GROUP BY 1, 2, 3, 4"
    )


def plain(values: Any) -> list[Decimal]:
    return [Decimal(str(value)).normalize() for value in values]


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
@pytest.mark.parametrize("level", LEVELS)
def test_the_account_report_of_the_packages_has_the_totals_of_the_lake(shop: Shop, kind: str, level: str) -> None:
    query = shop.queries[kind]
    (lake,) = shop.home.rows(f"select {TOTALS} from {level}_report_hourly_demo")
    report = account_report(level)
    (totals,) = query(f"SELECT {TOTALS} FROM ({report}) report")
    assert plain(totals) == plain(lake.values())
    assert query(f"SELECT count(*) FROM ({report}) report WHERE id IS NULL OR name IS NULL OR currency IS NULL") == [
        (0,)
    ]
    ((rates,),) = query(f"SELECT count(*) FROM ({report}) report WHERE clicks > 0 AND daily_ctr > 0")
    ((days,),) = query(f"SELECT count(*) FROM ({report}) report WHERE clicks > 0")
    assert rates == days > 0


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_countries_and_urls_can_be_reported(shop: Shop, kind: str) -> None:
    query = shop.queries[kind]
    (lake,) = shop.home.rows("select sum(spend), count(distinct country_code) from campaign_country_report_demo")
    table = of_warehouse("campaign_country_report")
    joined = f"{table} r JOIN {current('campaign_history', 'campaign_id')} c ON c.campaign_id = r.campaign_id"
    (answer,) = query(
        f"SELECT sum(r.spend), count(DISTINCT r.country_code) FROM {joined} WHERE stat_time_day IS NOT NULL"
    )
    assert plain(answer) == plain(lake.values())
    urls = f"SELECT count(*) FROM {current('ad_history', 'ad_id')} ads WHERE landing_page_url LIKE 'http%'"
    assert query(urls)[0][0] > 0


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_smart_plus_ads_have_their_settings_and_lists(shop: Shop, kind: str) -> None:
    table = of_warehouse("smart_plus_ad_history")
    columns = "landing_page_url_list, ad_text_list, product_specific_type, catalog_creative_toggle, ad_name"
    rows = shop.queries[kind](f"SELECT {columns} FROM {table}")
    assert len(rows) == shop.home.rows("select count(*) from smart_plus_ad_history_demo")[0]["count_star()"] > 0
    for pages, ad_texts, products, toggle, name in rows:
        urls, texts = (json.loads(value) if isinstance(value, str) else value for value in (pages, ad_texts))
        assert all(url.startswith("https://") for url in urls)
        assert all(text["ad_text"] for text in texts)
        assert min(len(urls), len(texts), len(name)) > 0
        assert (products, toggle) == ("ALL", False)


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_keys_are_unique_and_versions_have_their_time(shop: Shop, kind: str) -> None:
    query = shop.queries[kind]
    keys = {
        "advertiser": "id",
        "campaign_history": "campaign_id, updated_at",
        "adgroup_history": "adgroup_id, updated_at",
        "ad_history": "ad_id, updated_at",
        "campaign_report_hourly": "campaign_id, stat_time_hour",
        "adgroup_report_hourly": "adgroup_id, stat_time_hour",
        "ad_report_hourly": "ad_id, stat_time_hour",
        "campaign_country_report": "campaign_id, stat_time_day, country_code",
        "smart_plus_ad_history": "smart_plus_ad_id, modify_time",
    }
    for table, key in keys.items():
        missing = " OR ".join(f"{column} IS NULL" for column in key.split(", "))
        faults = f"SELECT {key} FROM {of_warehouse(table)} GROUP BY {key} HAVING count(*) > 1 OR {missing}"
        assert query(f"SELECT count(*) FROM ({faults}) faults") == [(0,)]
        assert query(f"SELECT count(*) FROM {of_warehouse(table)}")[0][0] > 0


def test_the_next_day_arrives_as_changes_with_the_totals_of_the_lake(shop: Shop) -> None:
    home = shop.home
    home.now += timedelta(days=1)
    home.door("now", {"today": str(home.now.date()), "hour": 12})
    shop.run_all()
    (status, other) = home.json("destinations", "status", "ad_report_hourly_demo")
    assert (status["table"], status["mode"], status["version"]) == ("tiktok_ads.ad_report_hourly", "changes", 1)
    assert other["state"] == "published"
    for level in LEVELS:
        (lake,) = home.rows(f"select {TOTALS} from {level}_report_hourly_demo")
        for query in shop.queries.values():
            assert plain(query(f"SELECT {TOTALS} FROM {of_warehouse(f'{level}_report_hourly')}")[0]) == plain(
                lake.values()
            )


KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from adreel.datasets.dataset import Source
from adreel.datasets.layouts import bound
from adreel.datasets.validation import parse
from adreel.destinations.duckdb_file import open_duckdb
from adreel.destinations.layout_publishing import publish_layout
from adreel.destinations.publishing import PublishOrder
from adreel.destinations.session import Place
from adreel.lake import Lake
lake = Lake(sys.argv[1])
version = lake.newest_version("days")
asked = parse(Source({"name": "d", "account": "a", "report": "performance", "data_level": "ad", "time_dimension": "day",
    "metrics": ["spend", "clicks"], "dates": {"date": "yesterday"}}, {}))
table = bound("fivetran", asked, lake.table("days").schema)
order = PublishOrder("days", version.number, version.run_id, "home/1", Place("tiktok_ads", table.name))
with open_duckdb(Path(sys.argv[2])) as session:
    publish_layout(session, lake, order, table, datetime.now(UTC))
"""


def many(lake: Lake, run_id: str, method: Method, step: int) -> None:
    """A version of 200,000 ads, every `step`th of an earlier one with other values."""
    numbers = pa.array(range(0, 200_000, step), pa.int32())
    columns = {
        "advertiser_id": pa.array(["1"] * len(numbers)),
        "stat_time_day": pa.array([20454] * len(numbers), pa.int32()).cast(pa.date32()),
        "ad_id": numbers.cast(pa.string()),
        "spend": numbers.cast(pa.decimal128(24, 6)),
        "clicks": pa.array([step] * len(numbers), pa.int64()),
    }
    table = pa.table(columns, SCHEMA)
    lake.commit("days", lambda: table.to_reader(), Write(run_id, method, SCHEMA, key=KEY, day_column=DAY))


def test_a_publish_that_is_killed_at_any_time_leaves_one_version_or_the_next(tmp_path: Path) -> None:
    lake, path = Lake(tmp_path / "lake"), tmp_path / "warehouse.duckdb"
    command = [sys.executable, "-c", KILLED, lake.url.removeprefix("file://"), str(path)]
    many(lake, "run1", Method.REPLACE, 1)
    begun = time.monotonic()
    subprocess.run(command, check=True)
    duration = time.monotonic() - begun
    many(lake, "run2", Method.UPSERT, 2)
    sums = {0: (200_000, 200_000, 200_000), 1: (200_000, 300_000, 200_000)}
    figures = (
        "SELECT count(*), sum(clicks), (SELECT count(DISTINCT ad_id) FROM tiktok_ads.ad_history) "
        "FROM tiktok_ads.ad_report_hourly"
    )
    mark = "SELECT version FROM tiktok_ads._adreel_layout_tables WHERE table_name = 'ad_report_hourly'"
    for part in (0.4, 0.6, 0.8, 0.95):
        with subprocess.Popen(command) as process:
            time.sleep(duration * part)
            process.kill()
        with duckdb.connect(str(path)) as connection:
            (version,) = connection.execute(mark).fetchall()
            assert connection.execute(figures).fetchone() == sums[version[0]]
    subprocess.run(command, check=True)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute(figures).fetchone() == sums[1]
