"""Spark reads datasets and reports by the data source "adreel": exactly, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from adreel.errors import AdreelError
from adreel.lake import Lake
from doc_programs import add_what_the_manual_names, programs, run_programs
from home import SPEND
from lake_rows import in_order
from live_home import LiveHome, live_home
from spark_session import spark_session

KEYS = {key: value for key, value in SPEND.items() if key != "name"} | {"data_level": "campaign"}
HOURS = SPEND | {"name": "Hours", "time_dimension": "hour", "hour_type": "text", "dates": {"date": "yesterday"}}


@pytest.fixture(scope="module")
def spark(live: LiveHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with spark_session(tmp_path_factory.mktemp("spark"), live.folder) as session:
        yield session


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHome]:
    """A home with a dataset "spend" of two versions."""
    with live_home(tmp_path_factory.mktemp("live") / "home") as live:
        live.home.good("run", "-f", live.home.file())
        live.home.good("run", "spend", "--start", "2026-11-01", "--end", "2026-11-02")
        add_what_the_manual_names(live)
        yield live


def rows_of(frame: Any) -> list[dict[str, Any]]:
    return [row.asDict() for row in frame.collect()]


def lake_rows(live: LiveHome, version: int | None = None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = Lake(live.home.path / "lake").read("spend", version).read_all().to_pylist()
    return rows


def test_a_dataset_is_read_as_it_is_in_the_lake(spark: Any, live: LiveHome) -> None:
    frame = spark.read.format("adreel").option("home", live.folder).load("spend")
    assert in_order(rows_of(frame)) == in_order(lake_rows(live))
    assert frame.schema["spend"].dataType.simpleString() == "decimal(24,6)"
    files = Lake(live.home.path / "lake").table("spend").files
    assert frame.rdd.getNumPartitions() == len(files) > 1


def test_a_frame_stays_with_the_version_that_it_was_loaded_with(spark: Any, live: LiveHome) -> None:
    reader = spark.read.format("adreel").option("home", live.folder)
    newest, first = reader.load("spend"), reader.option("version", "0").load("spend")
    before = newest.count()
    live.home.good("run", "spend", "--start", "2026-11-05", "--end", "2026-11-05")
    assert newest.count() == before < len(lake_rows(live))
    assert in_order(rows_of(first)) == in_order(lake_rows(live, 0))


def test_columns_are_chosen_by_name(spark: Any, live: LiveHome) -> None:
    frame = spark.read.format("adreel").options(home=live.folder, columns="ad_id, spend").load("spend")
    assert frame.columns == ["ad_id", "spend"]
    total = sum(Decimal(row["spend"]) for row in lake_rows(live))
    assert frame.groupBy().sum("spend").collect()[0][0] == total


def test_hours_as_text_are_the_hours_of_the_ad_account_whatever_zone_the_session_has(
    spark: Any, live: LiveHome
) -> None:
    live.home.good("run", "-f", live.home.file(**HOURS))
    lake = Lake(live.home.path / "lake")
    hours = sorted({row["stat_time_hour"] for row in lake.read("hours").read_all().to_pylist()})
    zone = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "America/Los_Angeles")
    try:
        frame = spark.read.parquet(*DeltaTable(lake.table_url("hours")).file_uris())
        casts = frame.selectExpr("CAST(stat_time_hour AS TIMESTAMP_NTZ) AS hour").distinct().collect()
        assert sorted(row["hour"] for row in casts) == hours
        adreel = spark.read.format("adreel").option("home", live.folder).load("hours")
        assert sorted(row["stat_time_hour"] for row in adreel.select("stat_time_hour").distinct().collect()) == hours
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone)


def test_a_report_has_the_rows_of_a_run_with_a_partition_for_each_chunk(spark: Any, live: LiveHome) -> None:
    from adreel.spark import report_options

    live.home.good("run", "-f", live.home.file(name="Campaigns", data_level="campaign"))
    run = live.home.rows("select * from campaigns")
    frame = spark.read.format("adreel").options(home=live.folder, **report_options(**KEYS)).load()
    assert frame.rdd.getNumPartitions() == live.home.json("plan", "campaigns")["chunks"] == 3
    answer = frame.groupBy("campaign_id", "stat_time_day").sum("spend").collect()
    assert {(row[0], str(row[1])): row[2] for row in answer} == {
        (row["campaign_id"], row["stat_time_day"]): Decimal(str(row["spend"])) for row in run
    }


def test_a_report_that_tiktok_counts_otherwise_fails_the_query(spark: Any, live: LiveHome) -> None:
    from adreel.spark import report_options

    frame = spark.read.format("adreel").options(home=live.folder, **report_options(**KEYS)).load()
    live.door("trouble", {"kind": "drop", "path": "report/integrated", "rows": 1, "times": 0})
    try:
        with pytest.raises(Exception, match="TikTok counts"):
            frame.count()
    finally:
        live.door("calm", {})


def test_all_partitions_keep_to_one_rate(spark: Any, tmp_path: Path) -> None:
    """With the limit of the simulator as low as that of the app, it refuses any program that sends more."""
    from adreel.spark import report_options

    with live_home(tmp_path / "home", level="basic", qps=10, advertisers=3) as live:
        keys = KEYS | {"dates": {"start": "2026-11-01", "end": "2026-11-10"}, "time_dimension": "hour"}
        frame = spark.read.format("adreel").options(home=live.folder, **report_options(**keys)).load()
        assert frame.count() > 0
        codes = live.codes()
        assert len(codes) >= 30
        assert set(codes) == {0}


def test_a_version_that_failed_its_check_is_refused_unless_asked_for(spark: Any, tmp_path: Path) -> None:
    with live_home(tmp_path / "home", advertisers=1) as live:
        live.door(
            "trouble",
            {"kind": "value", "path": "report/integrated", "field": "metrics.spend", "value": "1.00", "times": 0},
        )
        live.home.adreel("run", "-f", live.home.file())
        reader = spark.read.format("adreel").option("home", live.folder)
        with pytest.raises(Exception, match="failed its check"):
            reader.load("spend")
        assert reader.option("unverified", "true").load("spend").count() == len(lake_rows(live))


def test_an_empty_table_is_empty(spark: Any, tmp_path: Path) -> None:
    with live_home(tmp_path / "home", advertisers=1) as live:
        live.home.good("run", "-f", live.home.file(dates={"start": "2020-01-01", "end": "2020-01-02"}))
        frame = spark.read.format("adreel").option("home", live.folder).load("spend")
        assert frame.count() == 0
        assert "spend" in frame.columns


def test_options_that_cannot_be_are_refused_by_load(spark: Any, live: LiveHome) -> None:
    from adreel.spark import AdreelDataSource, report_options

    with pytest.raises(Exception, match="Did you mean 'spend'"):
        spark.read.format("adreel").option("home", live.folder).load("spent")
    wrong: list[tuple[dict[str, str], str]] = [
        ({"dataset": "spend", "colums": "spend"}, "no option colums"),
        ({}, "Name a dataset"),
        ({"dataset": "spend", "version": "newest"}, "whole number"),
        ({"report": "performance", "account": "demo"}, "data_level"),
        (report_options(**KEYS, skip_failing_advertisers=True), "skip_failing_advertisers is not possible"),
    ]
    for options, message in wrong:
        with pytest.raises(AdreelError, match=message):
            AdreelDataSource(options | {"home": live.folder})


def test_the_programs_of_the_manual_run(spark: Any, live: LiveHome) -> None:
    names = run_programs(programs("integrations.md", "Spark"), spark=spark)
    assert names["spend"].count() == len(Lake(live.home.path / "lake").read("ad_spend").read_all())
    assert names["report"].count() > 0
