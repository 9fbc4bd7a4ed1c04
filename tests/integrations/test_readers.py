"""Every reader of Delta tables that can be had sees the columns of every kind of report as adreel does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from adreel.lake import Lake
from adreel.lake.text_hours import as_stored
from lake_rows import in_order
from live_home import LiveHome, live_home

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHome]:
    """A home in which every example has run."""
    with live_home(tmp_path_factory.mktemp("live") / "home", advertisers=2, ads=6) as live:
        for example in EXAMPLES:
            live.home.good("run", "-f", str(example))
        hourly = yaml.safe_load((ROOT / "examples" / "campaign_hourly.yaml").read_text("utf-8"))
        live.home.good("run", "-f", live.home.file(**(hourly | {"name": "Hours as text", "hour_type": "text"})))
        yield live


def tables(live: LiveHome) -> dict[str, pa.Table]:
    """All tables as adreel reads them, by their folder; hours that are kept as text are text here, too."""
    lake = Lake(live.home.path / "lake")
    slugs = [dataset["slug"] for dataset in live.home.json("datasets", "list")]
    return {lake.table_url(slug): as_stored(lake.read(slug).read_all()) for slug in slugs}


def by_delta_rs(url: str) -> pa.Table:
    return deltalake.DeltaTable(url).to_pyarrow_table()


def by_polars(url: str) -> pa.Table:
    return pl.read_delta(url).to_arrow()


def by_duckdb_files(url: str) -> pa.Table:
    """DuckDB has no Delta without its extension; the paths of the version's files come from delta-rs."""
    return duckdb.execute("SELECT * FROM read_parquet(?)", [deltalake.DeltaTable(url).file_uris()]).to_arrow_table()


def by_pyarrow_files(url: str) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in deltalake.DeltaTable(url).file_uris()])


def by_pandas(url: str) -> pa.Table:
    import pandas as pd

    return pa.Table.from_pandas(deltalake.DeltaTable(url).to_pandas(types_mapper=pd.ArrowDtype), preserve_index=False)


READERS: tuple[Callable[[str], pa.Table], ...] = (by_delta_rs, by_polars, by_duckdb_files, by_pyarrow_files, by_pandas)


def plain(table: pa.Table) -> list[str]:
    """The values, however a library names their types."""
    return in_order([{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()])


def _plain(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_sees_what_adreel_does(live: LiveHome, reader: Callable[[str], pa.Table]) -> None:
    kinds: set[str] = set()
    for url, table in tables(live).items():
        assert table.num_rows, url
        assert plain(reader(url)) == plain(table), url
        kinds |= {str(field.type) for field in table.schema}
    assert {
        "string",
        "int64",
        "double",
        "decimal128(24, 6)",
        "date32[day]",
        "timestamp[us]",
        "timestamp[us, tz=UTC]",
        "bool",
        "list<element: string>",
    } <= kinds


def test_only_tables_with_hours_need_more_than_the_first_protocol(live: LiveHome) -> None:
    for url, table in tables(live).items():
        log = Path(url.removeprefix("file://"), "_delta_log", f"{0:020}.json").read_text("utf-8")
        (protocol,) = [action["protocol"] for action in map(json.loads, log.splitlines()) if "protocol" in action]
        hours = any(pa.types.is_timestamp(field.type) and field.type.tz is None for field in table.schema)
        versions = (protocol["minReaderVersion"], protocol["minWriterVersion"])
        assert versions == ((3, 7) if hours else (1, 2)), url
        assert protocol.get("readerFeatures", []) == (["timestampNtz"] if hours else [])


def test_hours_as_text_are_the_same_whatever_zone_a_session_has(live: LiveHome) -> None:
    lake = Lake(live.home.path / "lake")
    query = "SELECT DISTINCT CAST(stat_time_hour AS TIMESTAMP) FROM read_parquet(?) ORDER BY ALL"
    files = deltalake.DeltaTable(lake.table_url("hours_as_text")).file_uris()
    hours = sorted(set(lake.read("campaign_spend_by_hour", columns=["stat_time_hour"]).read_all()[0].to_pylist()))
    for zone in ("UTC", "America/Los_Angeles", "Asia/Kolkata"):
        with duckdb.connect() as connection:
            connection.execute(f"SET TimeZone = '{zone}'")
            assert [hour for (hour,) in connection.execute(query, [files]).fetchall()] == hours
