"""The dlt source brings tables to a destination as they are in the lake, by what changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from adreel.errors import InputError, ProofError
from adreel.lake import Lake
from doc_programs import add_what_the_manual_names, programs, run_programs
from lake_rows import in_order
from live_home import LiveHome, live_home

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHome]:
    with live_home(tmp_path_factory.mktemp("live") / "home", advertisers=1, ads=8) as live:
        yield live


class Warehouse:
    """A DuckDB file that a pipeline of dlt loads into."""

    def __init__(self, live: LiveHome, folder: Path) -> None:
        import dlt

        self.live = live
        self.file = folder / "warehouse.duckdb"
        self.pipeline = dlt.pipeline(
            "ads",
            destination=dlt.destinations.duckdb(str(self.file)),
            dataset_name="tiktok",
            pipelines_dir=str(folder / "pipelines"),
        )

    def load(self, *names: str, **options: Any) -> dict[str, int]:
        """Loads and verifies; the rows of each table that were sent."""
        from adreel.dlt import tiktok_ads, verify

        unverified = options.pop("unverified", False)
        source = tiktok_ads(names, home=self.live.folder, unverified=unverified)
        self.pipeline.run(source, **options).raise_on_failed_jobs()
        assert set(verify(self.pipeline, self.live.folder)) >= set(names)
        sent = self.pipeline.last_trace.last_normalize_info.row_counts
        return {name: sent.get(name, 0) for name in names}

    def query(self, sql: str) -> list[dict[str, Any]]:
        with duckdb.connect(str(self.file)) as connection:
            rows: list[dict[str, Any]] = connection.execute(sql).to_arrow_table().to_pylist()
            return rows

    def rows(self, name: str) -> list[dict[str, Any]]:
        return self.query(f"SELECT * EXCLUDE (adreel_deleted) FROM tiktok.{name}")


@pytest.fixture
def warehouse(live: LiveHome, tmp_path: Path) -> Warehouse:
    return Warehouse(live, tmp_path)


def lake_rows(live: LiveHome, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = Lake(live.home.path / "lake").read(name).read_all().to_pylist()
    return rows


def test_restated_days_and_days_that_became_empty_are_right_after_the_second_load(
    live: LiveHome, warehouse: Warehouse
) -> None:
    days = {"dates": {"start": "2026-11-10", "end": "2026-11-20"}, "update": {"method": "partition"}}
    live.home.good("run", "-f", live.home.file(**days))
    before = lake_rows(live, "spend")
    assert warehouse.load("spend") == {"spend": len(before)}
    assert in_order(warehouse.rows("spend")) == in_order(before)

    # On the 12th TikTok has other figures now, and on the 13th none.
    for day, fault in (
        ("2026-11-12", {"kind": "value", "field": "metrics.spend", "value": "1.00", "rows": 1}),
        (
            "2026-11-13",
            {"kind": "data", "value": json.dumps({"list": [], "page_info": {"total_number": 0, "total_page": 0}})},
        ),
    ):
        live.door("trouble", fault | {"path": "report/integrated", "times": 0})
        live.home.adreel("run", "spend", "--start", day, "--end", day)
        live.door("calm", {})
    after = lake_rows(live, "spend")
    assert not any(str(row["stat_time_day"]) == "2026-11-13" for row in after)
    assert any(row["spend"] == Decimal(1) for row in after)

    sent = warehouse.load("spend", unverified=True)
    assert 0 < sent["spend"] < len(before) / 3
    assert in_order(warehouse.rows("spend")) == in_order(after)
    assert warehouse.load("spend", unverified=True) == {"spend": 0}
    assert in_order(warehouse.rows("spend")) == in_order(after)


def test_a_version_that_failed_its_check_is_not_loaded(live: LiveHome, warehouse: Warehouse) -> None:
    live.door("trouble", {"kind": "value", "field": "metrics.spend", "value": "1.00", "path": "report", "times": 0})
    live.home.adreel("run", "-f", live.home.file(name="Failed"))
    live.door("calm", {})
    with pytest.raises(Exception, match="failed its check") as caught:
        warehouse.load("failed")
    assert any(isinstance(error, ProofError) for error in causes(caught.value))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_appended_rows_are_there_once_and_hours_have_no_zone(live: LiveHome, warehouse: Warehouse) -> None:
    keys = {
        "name": "Hours",
        "time_dimension": "hour",
        "dates": {"start": "2026-11-20", "end": "2026-11-20"},
        "update": {"method": "append"},
    }
    live.home.good("run", "-f", live.home.file(**keys))
    warehouse.load("hours")
    live.home.good("run", "hours")
    warehouse.load("hours")
    assert in_order(warehouse.rows("hours")) == in_order(lake_rows(live, "hours"))
    (column,) = warehouse.query(
        "SELECT data_type FROM information_schema.columns WHERE column_name = 'stat_time_hour' AND table_name = 'hours'"
    )
    assert column["data_type"] == "TIMESTAMP"


def test_columns_that_came_and_went_are_as_in_the_lake(live: LiveHome, warehouse: Warehouse) -> None:
    keys = {"name": "Columns", "update": {"method": "upsert"}}
    live.home.good("run", "-f", live.home.file(**keys, metrics=["spend", "clicks"]))
    warehouse.load("columns")
    live.home.good("run", "-f", live.home.file(**keys, metrics=["spend", "reach"], reset_schema=True))
    warehouse.load("columns")
    rows = [{name: row[name] for name in row if name != "clicks"} for row in warehouse.rows("columns")]
    assert in_order(rows) == in_order(lake_rows(live, "columns"))
    assert {row["clicks"] for row in warehouse.rows("columns")} == {None}


def test_a_table_that_was_changed_there_is_found_by_verify(live: LiveHome, warehouse: Warehouse) -> None:
    from adreel.dlt import verify

    live.home.good("run", "-f", live.home.file(name="Touched"))
    warehouse.load("touched")
    warehouse.query("UPDATE tiktok.touched SET spend = spend + 1")
    with pytest.raises(ProofError, match="column spend"):
        verify(warehouse.pipeline, live.folder)


def test_a_column_of_another_type_is_refused_with_the_way_out(live: LiveHome, warehouse: Warehouse) -> None:
    fault = {"kind": "value", "field": "metrics.clicks", "value": "1.5", "path": "report", "rows": 1, "times": 0}
    live.home.good("run", "-f", live.home.file(name="Retyped", metrics=["clicks"]))
    warehouse.load("retyped")
    live.door("trouble", fault)
    live.home.adreel("run", "retyped")
    live.door("calm", {})
    with pytest.raises(Exception, match=r'clicks was int64 and is decimal.*refresh="drop_resources"') as caught:
        warehouse.load("retyped", unverified=True)
    assert any(isinstance(error, InputError) for error in causes(caught.value))
    warehouse.load("retyped", unverified=True, refresh="drop_resources")
    assert in_order(warehouse.rows("retyped")) == in_order(lake_rows(live, "retyped"))


def test_the_program_of_the_manual_runs(live: LiveHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_what_the_manual_names(live)
    monkeypatch.setenv("ADREEL_HOME", live.folder)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.chdir(tmp_path)
    names = run_programs(programs("integrations.md", "dlt"))
    with names["pipeline"].sql_client() as client:
        ((rows,),) = client.execute_sql("SELECT count(*) FROM ad_spend")
    assert rows == len(lake_rows(live, "ad_spend"))
