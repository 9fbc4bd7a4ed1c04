"""Destinations with another connector's layout by the command line, the page and the API."""

from __future__ import annotations

import json
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from adreel.datasets.layouts.fivetran import TABLES
from home import Home, make_home


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a destination with Fivetran's layout, a DuckDB file."""
    home = make_home(tmp_path_factory.mktemp("layouts") / "home", advertisers=2, ads=6, days=40)
    home.add_account()
    home.good("destinations", "add", "warehouse", str(home.path / "warehouse.duckdb"), "--layout", "fivetran")
    return home


def test_the_command_says_which_columns_and_tables_stay_empty(shop: Home) -> None:
    output = shop.good("destinations", "create-datasets", "warehouse").output
    assert "Created 'ad_report_hourly (demo)'. Next: adreel run ad_report_hourly_demo" in output
    assert "Empty in campaign_history: split_test_variable." in output
    assert "Empty in adgroup_history: category, display_name, landing_page_url" in output
    assert "Not filled: location" in output
    assert "Not filled: smart_plus_ad_history" in output
    repeated = shop.good("destinations", "create-datasets", "warehouse").output
    assert "ad_history: 'ad_history (demo)' publishes to it already, unchanged." in repeated
    assert "Created" not in repeated
    more = shop.good("destinations", "create-datasets", "warehouse", "--smart-plus").output
    assert more.count("Created") == 1
    assert "Created 'smart_plus_ad_history (demo)'" in more
    assert "Not filled: smart_plus_ad_history" not in more


def test_the_files_of_the_datasets_can_be_printed_and_are_hourly_by_default(shop: Home) -> None:
    shop.good("destinations", "add", "third", str(shop.path / "third.duckdb"), "--layout", "fivetran")
    output = shop.good("destinations", "create-datasets", "third", "--dry-run").stdout
    files = list(yaml.safe_load_all(output))
    reports = [file for file in files if file["report"] == "performance"]
    assert [file["time_dimension"] for file in reports] == ["hour", "hour", "hour", "day"]
    assert all(
        file["include_deleted"] and file["update"] == {"method": "partition", "lookback": 28} for file in reports
    )
    assert len(files) == 8
    assert shop.json("destinations", "list")[0]["layout"] == "fivetran"
    path = shop.path / "one.yaml"
    path.write_text(yaml.safe_dump(files[6]))
    shop.good("validate", "-f", str(path))


def test_a_dataset_without_a_table_of_the_layout_is_refused_by_its_file(shop: Home) -> None:
    values: dict[str, Any] = {"name": "Audiences", "account": "demo", "report": "custom_audiences"}
    path = shop.path / "audiences.yaml"
    for publish, reason in (
        ("warehouse", "publish: no table of the layout Tables of Fivetran has these rows"),
        ({"to": "warehouse", "table": "own"}, "the layout of the destination names the table; leave out table"),
        ({"to": "warehouse", "history": True}, "the layout of the destination has no history tables"),
    ):
        path.write_text(json.dumps(values | {"publish": publish}))
        assert reason in shop.bad("datasets", "create", "-f", str(path))[1]
    assert (
        "is not a layout. Use one of: datasets, fivetran, airbyte"
        in (shop.bad("destinations", "add", "x", "/tmp/x.duckdb", "--layout", "other")[1])
    )


def test_one_dataset_publishes_to_both_layouts_and_a_table_of_its_own(shop: Home, tmp_path: Path) -> None:
    for layout in ("datasets", "fivetran", "airbyte"):
        shop.good("destinations", "add", layout, str(tmp_path / f"{layout}.duckdb"), "--layout", layout)
    (values,) = [
        file
        for file in yaml.safe_load_all(
            shop.good("destinations", "create-datasets", "fivetran", "--daily", "--dry-run").stdout
        )
        if file.get("data_level") == "campaign" and "targeting_dimension" not in file
    ]
    path = shop.path / "campaigns.yaml"
    values |= {"name": "Campaign days", "publish": ["datasets", "fivetran", "airbyte"], "dates": {"date": "yesterday"}}
    path.write_text(json.dumps(values))
    shop.good("run", "-f", str(path))
    output = shop.good("publish", "campaign_days").output
    (lake,) = shop.rows("select count(*) as rows, sum(spend) as spend from campaign_days")
    spend = "sum(CAST(metrics ->> 'spend' AS DECIMAL(24, 6)))"
    for layout, table, figure in (
        ("datasets", "tiktok.campaign_days", "sum(spend)"),
        ("fivetran", "tiktok_ads.campaign_report_hourly", "sum(spend)"),
        ("airbyte", "tiktok_marketing.campaigns_reports_daily", spend),
    ):
        assert f"{layout}: {table} has version 0, verified: {lake['rows']:,} rows." in output
        with duckdb.connect(str(tmp_path / f"{layout}.duckdb"), read_only=True) as connection:
            assert connection.execute(f"SELECT count(*), {figure} FROM {table}").fetchone() == (
                lake["rows"],
                Decimal(str(lake["spend"])),
            )
    assert {status["table"] for status in shop.json("destinations", "status", "campaign_days")} == {
        "tiktok.campaign_days",
        "tiktok_ads.campaign_report_hourly",
        "tiktok_marketing.campaigns_reports_daily",
    }


# -- the page of the docs

DOCS = Path(__file__).parent.parent / "docs" / "warehouse-layouts.md"
CONNECTION = {"data": {"service": "tiktok_ads", "config": {"sync_mode": "AllAccounts"}, "sync_frequency": 360}}
TABLES_ON = {"advertiser": {"enabled": True}, "ad_report_hourly": {"enabled": True}}
EXPORTS = {
    "connection.json": CONNECTION,
    "schema.json": {"data": {"schemas": {"tiktok_ads": {"enabled": True, "tables": TABLES_ON}}}},
    "airbyte.json": {"streams": [{"stream": {"name": "campaigns"}}, {"stream": {"name": "ads_reports_daily"}}]},
    "source.json": {"start_date": "2026-10-01", "credentials": {"access_token": "very-secret"}},
}


def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=2, days=10)
    home.add_account()
    for name, values in EXPORTS.items():
        (tmp_path / name).write_text(json.dumps(values))
    lines = [line.strip() for line in DOCS.read_text("utf-8").splitlines() if line.strip().startswith("adreel ")]
    assert len(lines) > 10
    for line in lines:
        words = [str(tmp_path / word) if word in EXPORTS else word for word in shlex.split(line)[1:]]
        output = home.good(*(word.replace("/srv/data", str(tmp_path)) for word in words)).output
        assert "very-secret" not in output


def test_the_page_has_the_tables_and_empty_columns_of_the_command(shop: Home) -> None:
    text = DOCS.read_text("utf-8")
    shop.good("destinations", "add", "page", str(shop.path / "page.duckdb"), "--layout", "fivetran")
    output = shop.good("destinations", "create-datasets", "page", "--dry-run").stderr
    empty = {
        column
        for line in output.splitlines()
        if line.startswith("Empty in ")
        for column in line.partition(": ")[2].rstrip(".").split(", ")
    }
    assert empty
    assert [column for column in sorted(empty) if f"`{column}`" not in text] == []
    assert [table for table in TABLES if f"`{table}`" not in text] == []
