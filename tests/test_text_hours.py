"""Hours that a table keeps as text: the first protocols of Delta Lake, and otherwise what a table of timestamps is."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import pyarrow as pa
import pytest

from adreel.arrow import KEPT_AS_TEXT
from adreel.errors import ExitCode, InputError
from adreel.lake import Lake
from adreel.lake.filters import Filter, Order
from home import Home
from lake_rows import DECIMAL, day, in_order, put, table_rows, window

HOUR = "stat_time_hour"
KEY = ("ad_id", HOUR)


def schema(kept: str) -> pa.Schema:
    """Rows of ads by hour; `kept` is the name of the lake's table, hours or texts."""
    hour = pa.field(HOUR, pa.timestamp("us"), metadata=dict(KEPT_AS_TEXT) if kept == "texts" else None)
    columns = [("advertiser_id", pa.string()), ("ad_id", pa.string()), hour, ("spend", DECIMAL)]
    return pa.schema(columns)


def at(ad: str, on: int, hour: int, spend: int | None = 1) -> dict[str, Any]:
    moment = datetime.combine(day(on), datetime.min.time()) + timedelta(hours=hour)
    return {"advertiser_id": "1", "ad_id": ad, HOUR: moment, "spend": None if spend is None else Decimal(spend)}


def protocol(table: Path) -> tuple[int, int, list[str]]:
    """The newest protocol in the table's log."""
    actions = [
        json.loads(line)
        for log in sorted(table.glob("_delta_log/*.json"))
        for line in log.read_text("utf-8").splitlines()
    ]
    newest = [action["protocol"] for action in actions if "protocol" in action][-1]
    return newest["minReaderVersion"], newest["minWriterVersion"], newest.get("readerFeatures", [])


FIRST = [at("a", 1, 0), at("a", 1, 23), at("b", 2, 7, 3)]
SECOND = [at("a", 1, 23, 5), at("c", 2, 0), at("c", 3, 1)]


# A folder whose name DuckDB would take for a pattern is read as an object store is.
@pytest.mark.parametrize(
    ("method", "folder"),
    [("replace", "lake"), ("append", "lake"), ("upsert", "lake"), ("partition", "lake"), ("upsert", "lake[1]")],
)
def test_hours_as_text_are_to_adreel_what_timestamps_are(
    tmp_path: Path, request: pytest.FixtureRequest, method: str, folder: str
) -> None:
    lake = Lake(tmp_path / folder)
    request.addfinalizer(lake.close)
    answers = []
    for slug in ("hours", "texts"):
        options: dict[str, Any] = {"slug": slug, "schema": schema(slug), "key": KEY, "day_column": HOUR}
        if method == "partition":
            options["windows"] = (window(1, 3),)
        put(lake, "first", method, FIRST, **options)
        put(lake, "second", method, SECOND, **options)
        where, order = (
            (Filter(HOUR, ">=", "2026-01-01T12:00"), Filter(HOUR, "<", "2026-01-02 08:00")),
            (Order(HOUR, True),),
        )
        with lake.connect({"t": slug}) as connection:
            answered = connection.sql(
                f"SELECT ad_id, {HOUR}, hour({HOUR}) FROM t WHERE {HOUR} >= '2026-01-02' ORDER BY ALL"
            )
            assert answered is not None
            counted = (answered.types, answered.fetchall())
        difference = lake.difference(slug, 0, 1)
        answers.append(
            (
                lake.table(slug).schema,
                in_order(table_rows(lake, slug)),
                in_order(lake.read(slug, where=where, order=order).read_all().to_pylist()),
                lake.page(slug, where=where, order=order).rows,
                lake.page(slug, order=order, offset=1, limit=2).rows,
                counted,
                lake.statistics(slug, columns=(HOUR,)),
                (difference.added, difference.changed, difference.gone),
                lake.table(slug).day_ends(HOUR),
            )
        )
    for of_hours, of_texts in zip(*answers, strict=True):
        assert of_texts == of_hours
    assert protocol(tmp_path / folder / "hours") == (3, 7, ["timestampNtz"])
    assert protocol(tmp_path / folder / "texts") == (1, 2, [])
    lake.restore("texts", 0, "again", lambda _: None)
    assert in_order(table_rows(lake, "texts")) == in_order(table_rows(lake, "texts", 0))


def test_readers_of_delta_skip_files_by_the_hours_that_these_have(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    options: dict[str, Any] = {"slug": "texts", "schema": schema("texts"), "key": KEY, "day_column": HOUR}
    put(lake, "first", "upsert", FIRST, **options)
    put(lake, "second", "append", SECOND, **options)
    delta = deltalake.DeltaTable(lake.table_url("texts"))
    actions = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    assert sorted((row[f"min.{HOUR}"], row[f"max.{HOUR}"]) for row in actions) == [
        ("2026-01-01 00:00:00", "2026-01-02 07:00:00"),
        ("2026-01-01 23:00:00", "2026-01-03 01:00:00"),
    ]
    evening = [(HOUR, ">", "2026-01-01 22:00:00"), (HOUR, "<", "2026-01-02 00:00:00")]
    assert delta.to_pyarrow_table(filters=evening)["spend"].cast("int64").to_pylist() == [5, 1]


@pytest.mark.parametrize(("before", "after"), [("hours", "texts"), ("texts", "hours")])
@pytest.mark.parametrize("method", ["upsert", "replace"])
def test_a_table_keeps_its_hours_as_it_began(tmp_path: Path, before: str, after: str, method: str) -> None:
    lake = Lake(tmp_path / "lake")
    options: dict[str, Any] = {"slug": "t", "key": KEY, "day_column": HOUR, "reset_schema": True}
    put(lake, "first", method, FIRST, schema=schema(before), **options)
    with pytest.raises(InputError, match="create a new dataset"):
        put(lake, "second", method, SECOND, schema=schema(after), **options)
    assert in_order(table_rows(lake, "t")) == in_order(FIRST)
    assert len(lake.versions("t")) == 1


@pytest.mark.slow
def test_a_dataset_with_hours_as_text_has_the_figures_of_one_with_timestamps(home: Home) -> None:
    warehouse = home.path.parent / "warehouse.duckdb"
    home.good("destinations", "add", "warehouse", str(warehouse))
    keys: dict[str, Any] = {"time_dimension": "hour", "data_level": "campaign", "dates": {"date": "yesterday"}}
    home.good("run", "-f", home.file("hours.yaml", **keys, name="Hours", publish="warehouse"))
    home.good("run", "-f", home.file("texts.yaml", **keys, name="Texts", publish="warehouse", hour_type="text"))
    for name in ("hours", "texts"):
        home.good("publish", name)
    assert home.rows("SELECT * FROM texts ORDER BY ALL") == home.rows("SELECT * FROM hours ORDER BY ALL")
    assert home.rows("SELECT DISTINCT typeof(stat_time_hour) AS type FROM texts") == [{"type": "TIMESTAMP"}]
    assert protocol(home.path / "lake" / "texts") == (1, 2, [])
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for query in ("DESCRIBE tiktok.{}", "SELECT * FROM tiktok.{} ORDER BY ALL"):
            answers = [
                connection.execute(query.format(name)).to_arrow_table().to_pylist() for name in ("hours", "texts")
            ]
            assert answers[0] == answers[1]
    stored = deltalake.DeltaTable(str(home.path / "lake" / "texts")).to_pyarrow_table()
    assert pa.types.is_string(stored.schema.field("stat_time_hour").type)
    assert set(stored["stat_time_hour"].to_pylist()) <= {f"2026-11-21 {hour:02}:00:00" for hour in range(24)}


def test_the_type_of_hours_is_chosen_before_the_first_run(home: Home) -> None:
    keys: dict[str, Any] = {"time_dimension": "hour", "data_level": "campaign", "dates": {"date": "yesterday"}}
    home.good("datasets", "create", "-f", home.file(**keys))
    home.good("datasets", "edit", "spend", "-f", home.file(**keys, hour_type="text"))
    home.good("run", "spend")
    code, stderr = home.bad("datasets", "edit", "spend", "-f", home.file(**keys))
    assert code == ExitCode.INPUT
    assert "keeps hours as text, and cannot change to timestamp. Create a new dataset" in stderr
    code, stderr = home.bad("validate", "-f", home.file(hour_type="text"))
    assert "hour_type" in stderr
