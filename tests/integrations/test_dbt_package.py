"""adreel's dbt package in a project of its own, over tables that adreel published to DuckDB and Postgres."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg
import pytest

from adreel.catalog.records import LEVELS
from dbt_project import DbtAnswer, DbtProject
from home import Home, make_home
from postgres import PostgresServer
from running import table

ROOT = Path(__file__).parent.parent.parent

METRICS = ("spend", "impressions", "clicks", "conversion", "reach", "ctr", "cost_per_conversion")
NAMES = {
    "advertiser": (),
    "campaign": ("campaign_name",),
    "adgroup": ("adgroup_name", "campaign_id"),
    "ad": ("ad_name", "adgroup_id", "campaign_id"),
}
HARMS = {
    "ad": (
        "INSERT INTO tiktok.ad_daily SELECT * FROM tiktok.ad_daily "
        "WHERE ad_id = (SELECT max(ad_id) FROM tiktok.ad_daily)"
    ),
    "campaign": (
        "UPDATE tiktok.campaign_daily SET currency = 'XTS' "
        "WHERE campaign_id = (SELECT max(campaign_id) FROM tiktok.campaign_daily)"
    ),
    "adgroup": (
        "DELETE FROM tiktok.adgroup_daily WHERE stat_time_day = (SELECT max(stat_time_day) FROM tiktok.adgroup_daily)"
    ),
    "advertiser": (
        "UPDATE tiktok.advertiser_daily SET spend = spend + 1 "
        "WHERE stat_time_day = (SELECT max(stat_time_day) FROM tiktok.advertiser_daily)"
    ),
}

Rows = list[dict[str, Any]]


@dataclass
class Warehouse:
    """A destination with a dbt project over it, and what its builds gave."""

    project: DbtProject
    query: Callable[[str], Rows]
    first: DbtAnswer | None = None
    harmed: DbtAnswer | None = None
    second: DbtAnswer | None = None
    first_ads: Rows | None = None


@dataclass
class Story:
    """Two days of a home that publishes four levels with their history to two warehouses."""

    home: Home
    warehouses: dict[str, Warehouse]


@contextmanager
def duckdb_warehouse(folder: Path) -> Iterator[tuple[str, Warehouse]]:
    path = folder / "warehouse.duckdb"

    def query(statement: str) -> Rows:
        with duckdb.connect(str(path)) as connection:
            answer = connection.execute(statement)
            rows: Rows = answer.to_arrow_table().to_pylist()
            return rows

    output = {"type": "duckdb", "path": str(path)}
    yield f"duckdb://{path}", Warehouse(DbtProject.create(folder / "duckdb project", output, {}), query)


@contextmanager
def postgres_warehouse(folder: Path, server: PostgresServer) -> Iterator[tuple[str, Warehouse]]:
    with server.database("template1") as address:
        url = address.replace("postgresql+psycopg", "postgresql")
        parts = urlsplit(url)

        def query(statement: str) -> Rows:
            with psycopg.connect(url, autocommit=True) as connection:
                cursor = connection.execute(statement.encode())
                names = [column.name for column in cursor.description or ()]
                return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()] if names else []

        output = {
            "type": "postgres",
            "host": parts.hostname,
            "port": parts.port,
            "user": parts.username,
            "password": "",
            "dbname": parts.path[1:],
        }
        yield url, Warehouse(DbtProject.create(folder / "postgres project", output, {}), query)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("dbt")
    home = make_home(folder / "home", advertisers=3, ads=8, days=60)
    home.add_account()
    with duckdb_warehouse(folder) as (file, duck), postgres_warehouse(folder, postgres) as (url, server):
        warehouses = {"duckdb": duck, "postgres": server}
        for name, address in (("duckdb", file), ("postgres", url)):
            home.good("destinations", "add", name, stdin=f"{address}\n")
        publish = [{"to": name, "history": True} for name in warehouses]
        for level in LEVELS:
            keys = {"data_level": level, "metrics": [*NAMES[level], *METRICS], "update": {"method": "upsert"}}
            dates = {"start": "today-6", "end": "yesterday"}
            home.good("run", "-f", home.file(name=f"{level} daily", publish=publish, dates=dates, **keys))
            home.good("publish", f"{level}_daily")
        for warehouse in warehouses.values():
            warehouse.first = warehouse.project.run("build")
            warehouse.first_ads = warehouse.query("SELECT * FROM shop.adreel__ad_daily")
            for harm in HARMS.values():
                warehouse.query(harm)
            warehouse.harmed = warehouse.project.run("build")
        home.later(1)
        for level in LEVELS:
            home.good("run", f"{level}_daily")
            home.good("publish", f"{level}_daily")
        for warehouse in warehouses.values():
            warehouse.second = warehouse.project.run("build")
        yield Story(home, warehouses)


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, story: Story) -> Warehouse:
    return story.warehouses[request.param]


def in_order(rows: Rows, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """The rows' values of some columns; `stat_time_day` of the lake is `day` in models."""
    return sorted(
        tuple(row["stat_time_day" if name == "day" and name not in row else name] for name in names) for row in rows
    )


def lake_rows(home: Home, slug: str, version: int | None = None) -> Rows:
    rows: Rows = table(home, slug, version).to_pylist()
    return rows


def test_the_package_builds_and_its_tests_pass_on_what_adreel_published(warehouse: Warehouse) -> None:
    for answer in (warehouse.first, warehouse.second):
        assert answer is not None
        assert (answer.code, answer.failed()) == (0, set()), answer.output
        assert sum(state == "success" for state in answer.states.values()) == 10
        assert sum(state == "pass" for state in answer.states.values()) > 80
        assert "deprecat" not in answer.output.lower()


def test_the_models_have_the_rows_and_sums_of_the_lake(story: Story, warehouse: Warehouse) -> None:
    for level in LEVELS:
        key = ("advertiser_id",) if level == "advertiser" else ("advertiser_id", f"{level}_id")
        names = (*key, "day", "currency", "timezone", *NAMES[level], *METRICS[:5])
        rows = warehouse.query(f"SELECT * FROM shop.adreel__{level}_daily")
        assert in_order(rows, names) == in_order(lake_rows(story.home, f"{level}_daily"), names)
        assert all(isinstance(row["spend"], Decimal) and isinstance(row["clicks"], int) for row in rows)


def test_sums_of_ad_accounts_are_of_one_currency_and_have_no_reach(story: Story, warehouse: Warehouse) -> None:
    expected: dict[tuple[str, date], list[Any]] = defaultdict(lambda: [Decimal(0), 0, 0, 0])
    for row in lake_rows(story.home, "advertiser_daily"):
        sums = expected[row["currency"], row["stat_time_day"]]
        for place, name in enumerate(METRICS[:4]):
            sums[place] += row[name]
    assert len({currency for currency, _ in expected}) > 1
    rows = warehouse.query("SELECT * FROM shop.adreel__currency_daily")
    assert {(row["currency"], row["day"]): [row[name] for name in METRICS[:4]] for row in rows} == expected
    assert "reach" not in rows[0]
    for row in rows:
        if row["impressions"]:
            assert row["ctr"] == (Decimal(100) * row["clicks"] / row["impressions"]).quantize(Decimal("1e-6"))


def test_the_history_has_the_rows_of_each_version(story: Story, warehouse: Warehouse) -> None:
    names = ("advertiser_id", "ad_id", "day", *METRICS[:5])
    for version in (0, 1):
        rows = warehouse.query(
            f"SELECT * FROM shop.adreel__ad_daily_history WHERE version <= {version} "
            f"AND (next_version IS NULL OR next_version > {version}) AND NOT is_removed"
        )
        assert in_order(rows, names) == in_order(lake_rows(story.home, "ad_daily", version), names)
    before = {row["ad_id"] + str(row["day"]): row for row in warehouse.first_ads or ()}
    steps = warehouse.query("SELECT * FROM shop.adreel__ad_daily_history WHERE version = 1 AND kind = 'restated'")
    assert steps
    for step in steps:
        earlier = before[step["ad_id"] + str(step["day"])]
        assert step["conversion"] - earlier["conversion"] == step["conversion_change"]
        assert step["spend"] - earlier["spend"] == step["spend_change"]


def test_the_query_of_the_docs_has_the_days_that_tiktok_restated(warehouse: Warehouse) -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/dbt.md").read_text("utf-8"), re.DOTALL)
    days = warehouse.query(query.replace("from adreel__", "from shop.adreel__"))
    restated = warehouse.query("SELECT DISTINCT day FROM shop.adreel__day_changes WHERE kind = 'restated'")
    assert {row["day"] for row in days} == {row["day"] for row in restated} != set()


def test_the_changes_of_each_day_are_those_that_adreel_shows(story: Story, warehouse: Warehouse) -> None:
    comparison = story.home.json("diff", "ad_daily", "0", "1")
    expected = {
        (day["day"], day["kind"], change["currency"], change["name"]): Decimal(str(change["change"]))
        for day in comparison["days"]
        for change in day["sums"]
        if change["name"] in ("spend", "conversion") and change["change"]
    }
    changes: dict[tuple[str, str, str | None, str], Decimal] = defaultdict(Decimal)
    for row in warehouse.query("SELECT * FROM shop.adreel__day_changes"):
        assert "reach_change" not in row
        changes[row["day"].isoformat(), row["kind"], row["currency"], "spend"] += row["spend_change"]
        changes[row["day"].isoformat(), row["kind"], None, "conversion"] += row["conversion_change"]
    assert {kind for _, kind, _, _ in expected} >= {"restated", "added"}
    assert {place: amount for place, amount in changes.items() if amount} == expected


@pytest.mark.parametrize(
    ("level", "test"),
    [
        ("ad", "unique"),
        ("ad", "published_rows"),
        ("campaign", "one_currency"),
        ("adgroup", "published_days"),
        ("advertiser", "published_sums"),
    ],
)
def test_what_somebody_did_to_a_table_fails_a_test_and_stops_its_models(
    warehouse: Warehouse, level: str, test: str
) -> None:
    harmed = warehouse.harmed
    assert harmed is not None
    assert harmed.code == 1
    failed = {name for name in harmed.failed() if name.startswith(f"source_adreel_{test}_adreel_{level}_daily_")}
    assert [name for name in failed if "history" not in name], harmed.failed()
    assert harmed.states[f"adreel__{level}_daily"] == "skipped"
    assert harmed.states["adreel__currency_daily"] == "skipped"
