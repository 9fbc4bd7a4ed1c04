"""Settings of Airbyte and Fivetran become datasets; what does not is named, and no credentials are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from adreel.datasets.connectors.airbyte import stream_values
from adreel.datasets.connectors.fivetran import table_values
from adreel.datasets.dataset import Source
from adreel.datasets.layouts import table_of
from adreel.datasets.layouts.fivetran import usual_tables
from adreel.datasets.validation import parse
from home import Home, make_home

SECRET = "very-secret-token"
ADVERTISER = "7000000000000000001"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("imports") / "home", advertisers=2, ads=4, days=10)
    home.add_account()
    home.good("destinations", "add", "warehouse", str(home.path / "w.duckdb"), "--layout", "fivetran")
    return home


def written(shop: Home, *values: Any) -> list[str]:
    """Files with these values as JSON."""
    paths = []
    for number, value in enumerate(values):
        path = shop.path / f"settings{number}.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        paths.append(str(path))
    return paths


def imported(shop: Home, connector: str, *values: Any, words: tuple[str, ...] = ()) -> tuple[dict[str, Any], str]:
    """The files of a dry run by name, and what is not carried over."""
    result = shop.good("import", connector, *written(shop, *values), "--dry-run", *words)
    assert SECRET not in result.output
    return {file["name"]: file for file in yaml.safe_load_all(result.stdout) if file}, result.stderr


def configured(name: str, sync: str = "incremental", destination: str = "append_dedup", **more: Any) -> dict[str, Any]:
    return {"stream": {"name": name} | more, "sync_mode": sync, "destination_sync_mode": destination}


CONFIG = {
    "start_date": "2025-01-01",
    "attribution_window": 14,
    "include_deleted": True,
    "report_granularity": 30,
    "credentials": {"auth_type": "oauth2.0", "access_token": SECRET, "secret": SECRET, "advertiser_id": ADVERTISER},
}


def test_a_configured_catalog_and_its_source_become_datasets(shop: Home) -> None:
    schema: dict[str, Any] = {"properties": {"metrics": {"properties": {"spend": {}, "clicks": {}, "cash_spends": {}}}}}
    catalog = {
        "streams": [
            configured("ads_reports_daily", json_schema=schema),
            configured("campaigns", "full_refresh", "overwrite"),
            configured("advertisers_reports_lifetime", "full_refresh", "overwrite"),
            configured("ad_group_audience_reports_daily", "full_refresh", "append"),
            configured("spark_ads"),
        ]
    }
    files, stderr = imported(shop, "airbyte", catalog, CONFIG)
    assert files["ads_reports_daily"] == {
        "name": "ads_reports_daily",
        "account": "demo",
        "report": "performance",
        "advertisers": [ADVERTISER],
        "data_level": "ad",
        "time_dimension": "day",
        "metrics": ["spend", "clicks"],
        "include_deleted": True,
        "dates": {"start": "today-14", "end": "today"},
        "update": {"method": "partition", "lookback": 14},
    }
    assert files["campaigns"]["update"] == {"method": "replace"}
    assert files["advertisers_reports_lifetime"]["lifetime"] is True
    assert files["ad_group_audience_reports_daily"]["audience_dimensions"] == ["age", "gender"]
    assert files["ad_group_audience_reports_daily"]["dates"] == {"start": "2025-01-01", "end": "today"}
    for line in (
        "ads_reports_daily: cash_spends: no metric of this report in adreel.",
        "ads_reports_daily: start_date 2025-01-01: a run reads the last days only",
        "read the days before once: adreel backfill ads_reports_daily --start 2025-01-01 --end yesterday.",
        "ad_group_audience_reports_daily: full_refresh_append: copies of the same day are not kept",
        "spark_ads: adreel has no such report.",
        "report_granularity: no setting of adreel.",
        "credentials: not read; connect the account: adreel accounts connect.",
    ):
        assert line in stderr


def test_connections_of_both_apis_become_the_same_datasets(shop: Home) -> None:
    fields = [{"fieldPath": ["ad_id"]}, {"fieldPath": ["metrics", "spend"]}]
    public = {
        "name": "TikTok to warehouse",
        "configurations": {
            "streams": [
                {"name": "ads_reports_daily", "syncMode": "incremental_deduped_history", "selectedFields": fields}
            ]
        },
        "schedule": {"scheduleType": "basic", "basicTiming": "Every 6 HOURS"},
    }
    internal = {
        "syncCatalog": {
            "streams": [
                {
                    "stream": {"name": "ads_reports_daily"},
                    "config": {
                        "syncMode": "incremental",
                        "destinationSyncMode": "append_dedup",
                        "selected": True,
                        "fieldSelectionEnabled": True,
                        "selectedFields": fields,
                    },
                },
                {"stream": {"name": "ads"}, "config": {"selected": False}},
            ]
        },
        "scheduleData": {"basicSchedule": {"units": 6, "timeUnit": "hours"}},
    }
    first, _ = imported(shop, "airbyte", public)
    second, stderr = imported(shop, "airbyte", [internal])
    assert first == second
    assert first["ads_reports_daily"]["metrics"] == ["spend"]
    assert first["ads_reports_daily"]["schedule"] == {"every": "6 hours"}
    assert first["ads_reports_daily"]["update"] == {"method": "partition", "lookback": 3}
    assert "ads: not selected in Airbyte." in stderr
    cron = public | {"schedule": {"scheduleType": "cron", "cronExpression": "0 0 6 * * ? UTC"}}
    _, stderr = imported(shop, "airbyte", cron)
    assert "schedule 0 0 6 * * ? UTC: Airbyte's expressions are not those of cron" in stderr


CONNECTION = {
    "code": "Success",
    "data": {
        "service": "tiktok_ads",
        "sync_frequency": 360,
        "auth": {"access_token": SECRET},
        "config": {
            "sync_mode": "SpecificAccounts",
            "accounts": [ADVERTISER],
            "timeframe_months": "TWELVE",
            "attribution_window_size": "SEVEN",
            "custom_reports": [
                {
                    "table_name": "by_country",
                    "report_type": "auction_audience_ad_report",
                    "dimensions": ["ad_id", "stat_time_day", "country_code"],
                    "metrics": ["spend", "clicks", "no_such"],
                    "aggregate": "daily",
                },
                {"table_name": "rf", "report_type": "reservation_basic_ad_report", "metrics": ["spend"]},
            ],
        },
    },
}


def test_a_fivetran_connection_and_its_schema_become_datasets(shop: Home) -> None:
    tables = {
        "ad_history": {"enabled": True, "columns": {"ad_text": {"enabled": False}}},
        "ad_report_hourly": {"enabled": True, "columns": {"video_views_p_25": {"enabled": False}}},
        "campaign_report_daily": {"enabled": True},
        "campaign_age_gender_report": {"enabled": True},
        "pixel": {"enabled": True},
        "adgroup_history": {"enabled": False},
    }
    schema = {"data": {"schemas": {"tiktok_ads": {"enabled": True, "tables": tables}}}}
    files, stderr = imported(shop, "fivetran", CONNECTION, schema, words=("--account", "demo"))
    expected = {"ad_history", "ad_report_hourly", "campaign_report_daily", "campaign_age_gender_report", "by_country"}
    assert files.keys() == expected
    hourly = files["ad_report_hourly"]
    assert (hourly["time_dimension"], hourly["advertisers"]) == ("hour", [ADVERTISER])
    assert hourly["schedule"] == {"every": "6 hours"}
    assert hourly["update"] == {"method": "partition", "lookback": 7}
    assert "video_views_p25" not in hourly["metrics"]
    assert "video_views_p50" in hourly["metrics"]
    assert files["by_country"]["metrics"] == ["spend", "clicks"]
    assert files["by_country"]["audience_dimensions"] == ["country_code"]
    for line in (
        "pixel: adreel has no such report.",
        "adgroup_history: disabled in Fivetran.",
        "ad_history: ad_text: disabled there, read by adreel.",
        "custom report by_country: no_such: no metric of this report in adreel.",
        "custom report rf: adreel has no such report: reservation_basic_ad_report, daily.",
        "timeframe_months TWELVE: a run reads the last days only",
        "read the days before once: adreel backfill NAME --start today-360 --end yesterday.",
        "auth: not read",
    ):
        assert line in stderr


def test_a_connection_alone_fills_all_tables_of_a_destination(shop: Home) -> None:
    config = {"service": "tiktok_ads", "config": {"sync_mode": "AllAccounts"}}
    output = shop.good("import", "fivetran", *written(shop, config), "--to", "warehouse").output
    assert "8 datasets created, 0 settings not carried over." in output
    assert {row["slug"] for row in shop.json("datasets", "list")} == set(usual_tables())
    tables = {shop.json("destinations", "status", name)[0]["table"] for name in usual_tables()}
    assert tables == {f"tiktok_ads.{name}" for name in usual_tables()}
    # Imported once more, they get other names, and two datasets would fill each table.
    assert "8 datasets created" in shop.good("import", "fivetran", *written(shop, config)).output


@pytest.mark.parametrize(
    "name",
    [
        *("advertisers", "campaigns", "ad_groups", "ads", "audiences", "ads_reports_hourly", "ad_groups_reports_daily"),
        *("campaigns_reports_lifetime", "advertisers_reports_daily", "ads_reports_by_country_hourly"),
        *("campaigns_audience_reports_daily", "ad_group_audience_reports_by_platform_daily"),
        *("campaigns_audience_reports_by_country_daily", "ads_audience_reports_by_province_daily"),
    ],
)
def test_the_dataset_of_a_stream_publishes_under_its_name(name: str) -> None:
    values = stream_values(name)
    assert values is not None
    dates = {} if values["report"] != "performance" or "lifetime" in values else {"dates": {"date": "yesterday"}}
    metrics = {"metrics": ["spend"]} if values["report"] == "performance" else {}
    dataset = parse(Source({"name": name, "account": "demo", **values, **dates, **metrics}, {}))
    assert table_of("airbyte", dataset) == name


def test_the_dataset_of_a_table_publishes_under_its_name() -> None:
    metrics = ["spend", "impressions", "clicks", "conversion", "real_time_conversion"]
    for name in usual_tables():
        values = table_values(name)
        assert values is not None
        more = {"dates": {"date": "yesterday"}, "metrics": metrics} if values["report"] == "performance" else {}
        assert table_of("fivetran", parse(Source({"name": name, "account": "demo", **values, **more}, {}))) == name


@pytest.mark.parametrize("connector", ["airbyte", "fivetran"])
@pytest.mark.parametrize(
    "nonsense",
    [
        *(
            "",
            "not json",
            "[]",
            "1",
            "null",
            '["a"]',
            "{}",
            '{"streams": 3}',
            '{"streams": [1, {"stream": {"name": 7}}]}',
        ),
        *('{"config": []}', '{"config": {}, "service": "google_ads"}', '{"schemas": 1}', "[" * 5_000 + "]" * 5_000),
        '{"config": {"sync_mode": "SpecificAccounts", "accounts": ["x"]}}',
    ],
)
def test_nonsense_is_refused_with_what_to_give(shop: Home, connector: str, nonsense: str) -> None:
    code, stderr = shop.bad("import", connector, *written(shop, nonsense))
    assert code == 3
    assert stderr.strip().count("\n") < 6


@pytest.mark.parametrize("value", [None, 1, "x", [], ["x"], {}, {"tables": 3}, {"tables": {"ad_history": 1}}, True])
def test_odd_values_within_settings_are_no_crash(shop: Home, value: Any) -> None:
    catalog = {"streams": [configured("campaigns", json_schema=value), {"stream": value}, value]}
    imported(shop, "airbyte", catalog, {"start_date": value, "attribution_window": value, "credentials": value})
    keys = ("sync_mode", "accounts", "timeframe_months", "attribution_window_size", "custom_reports")
    imported(shop, "fivetran", {"schemas": {"tiktok_ads": value}, "config": dict.fromkeys(keys, value)})
