"""Destinations by the command line: added, tested and deleted; datasets published by hand and by a worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from adreel.access import Actor, Guard
from adreel.datasets.service import duplicate
from adreel.destinations.service import publish_due
from adreel.destinations.status import due, due_destinations
from adreel.lake import Lake
from adreel.store import Store
from home import SPEND, Home
from postgres import PostgresServer
from running import settings_of

FIGURES = "count(*), sum(spend), sum(impressions), sum(clicks)"


def rows_of(path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


@contextmanager
def opened(home: Home) -> Iterator[Store]:
    with Store.open(settings_of(home), clock=lambda: home.now) as store:
        yield store


def publish_all(home: Home) -> int:
    """What a worker does after runs, in this process; how many tries there were."""
    with opened(home) as store:
        lake = Lake(settings_of(home).lake_url)
        return sum(publish_due(store, lake, number, lambda: home.now) for number in due_destinations(store, home.now))


@pytest.fixture
def warehouse(home: Home) -> Path:
    """A DuckDB file that the dataset "spend" publishes to."""
    path = home.path.parent / "warehouse.duckdb"
    home.good("destinations", "add", "warehouse", str(path))
    home.good("run", "-f", home.file(publish="warehouse"))
    return path


def test_a_dataset_is_published_by_its_file_and_the_sums_are_the_lakes(home: Home, warehouse: Path) -> None:
    output = home.good("publish", "spend").stderr
    (lakes,) = home.rows(f"select {FIGURES} from spend")
    ((rows, *sums),) = rows_of(warehouse, f"select {FIGURES} from tiktok.spend")
    assert [Decimal(str(value)) for value in (rows, *sums)] == [Decimal(str(value)) for value in lakes.values()]
    assert f"warehouse: tiktok.spend has version 0, verified: {rows:,} rows. Sent all rows" in output
    assert "has version 0 already" in home.good("publish", "spend").stderr


def test_a_worker_publishes_each_verified_version_once(home: Home, warehouse: Path) -> None:
    assert publish_all(home) == 1
    assert publish_all(home) == 0
    home.now += timedelta(days=1)
    home.door("now", {"today": str(home.now.date()), "hour": 12})
    home.good("run", "spend")
    assert publish_all(home) == 1
    (status,) = home.json("destinations", "status", "spend")
    assert (status["state"], status["version"], status["newest_version"]) == ("published", 1, 1)
    home.good("datasets", "create", "-f", home.file("other.yaml", name="Other", publish=["warehouse"]))
    states = {row["dataset"]: row["state"] for row in home.json("destinations", "status")}
    assert states == {"spend": "published", "other": "empty"}
    assert "spend" in home.good("destinations", "status").stdout
    assert rows_of(warehouse, "select max(stat_time_day) from tiktok.spend") == [(home.now.date() - timedelta(days=1),)]


def test_a_destination_that_is_away_is_retried_and_then_has_the_newest_version(home: Home, warehouse: Path) -> None:
    aside = warehouse.with_suffix(".away")
    with opened(home) as store:
        (waiting,) = due(store, home.now)
        assert waiting.saved.slug == "spend"
    warehouse.rename(aside)
    warehouse.mkdir()
    assert publish_all(home) == 1
    (status,) = home.json("destinations", "status", "spend")
    assert (status["state"], status["version"]) == ("failed", None)
    assert "could not be read or written" in status["failure"]
    assert publish_all(home) == 0
    # Tries of people do not make the worker wait longer.
    for _ in range(3):
        home.bad("publish", "spend")
    (status,) = home.json("destinations", "status", "spend")
    assert status["next_try_at"] == (home.now + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    warehouse.rmdir()
    aside.rename(warehouse)
    home.now += timedelta(minutes=2)
    assert publish_all(home) == 1
    (status,) = home.json("destinations", "status", "spend")
    assert (status["state"], status["version"], status["failure"]) == ("published", 0, None)


def test_a_test_of_the_destination_retries_what_failed_there(home: Home, warehouse: Path) -> None:
    aside = warehouse.with_suffix(".away")
    warehouse.rename(aside)
    warehouse.mkdir()
    publish_all(home)
    code, output = home.bad("destinations", "test", "warehouse")
    assert code != 0
    assert "could not be read or written" in output
    warehouse.rmdir()
    aside.rename(warehouse)
    assert "can write to schema tiktok" in home.good("destinations", "test", "warehouse").stderr
    assert publish_all(home) == 1


def test_an_unknown_destination_and_a_bad_table_name_are_problems_of_the_file(home: Home, warehouse: Path) -> None:
    code, output = home.bad("datasets", "create", "-f", home.file(name="Other", publish="warehose"))
    assert code == 3
    assert "publish: Destination 'warehose' was not found. Did you mean 'warehouse'?" in output
    output = home.bad("validate", "-f", home.file(name="Other", publish=[{"to": "warehouse", "table": "Ads daily"}]))[1]
    assert "publish: table must begin with a letter" in output
    output = home.bad("validate", "-f", home.file(name="Other", publish=[{"to": "warehouse", "table": "spend"}]))[1]
    assert "publish: another dataset publishes to the table spend; use another name." in output


def test_a_destination_that_datasets_publish_to_is_not_deleted(home: Home, warehouse: Path) -> None:
    output = home.bad("destinations", "delete", "warehouse")[1]
    assert "Datasets publish to 'warehouse': Spend. Remove it from their `publish` first." in output
    home.good("run", "-f", home.file())
    assert "Deleted destination 'warehouse'" in home.good("destinations", "delete", "warehouse").stderr
    assert home.json("destinations", "list") == []
    assert warehouse.exists()


def test_the_exported_file_has_its_destinations_and_a_copy_has_none(home: Home, warehouse: Path) -> None:
    home.good("run", "-f", home.file(publish=[{"to": "warehouse", "table": "daily_ads"}]))
    shown = home.good("datasets", "show", "spend").stdout
    assert "publish:\n- to: warehouse\n  table: daily_ads\n" in shown
    with opened(home) as store:
        copy = duplicate(Guard(store, Actor(None)), store.datasets.get("spend"), home.now)
    assert "publish" not in home.good("datasets", "show", copy.slug).stdout


def test_a_table_under_another_name_is_published_anew(home: Home, warehouse: Path) -> None:
    publish_all(home)
    values = SPEND | {"publish": [{"to": "warehouse", "table": "daily_ads"}]}
    file = home.path / "renamed.yaml"
    file.write_text(json.dumps(values))
    home.good("datasets", "edit", "spend", "-f", str(file))
    assert publish_all(home) == 1
    assert rows_of(warehouse, "select count(*) from tiktok.daily_ads") == rows_of(
        warehouse, "select count(*) from tiktok.spend"
    )


def test_an_address_with_a_password_is_no_argument_and_is_shown_nowhere(home: Home, postgres: PostgresServer) -> None:
    with postgres.database("template1") as address:
        url = address.replace("postgresql+psycopg://postgres@", "postgresql://postgres:very-secret@")
        assert "visible to others as an argument" in home.bad("destinations", "add", "pg", url)[1]
        output = home.good("destinations", "add", "pg", stdin=f"{url}\n")
        assert "very-secret" not in output.output
        home.good("run", "-f", home.file(publish="pg"))
        home.good("publish", "spend")
        (lakes,) = home.rows(f"select {FIGURES} from spend")
        with psycopg.connect(url) as connection:
            (values,) = connection.execute(f"select {FIGURES} from tiktok.spend").fetchall()
        assert [Decimal(str(value)) for value in values] == [Decimal(str(value)) for value in lakes.values()]
        socket = (
            f"postgresql://postgres:very-secret@/{url.rpartition('/')[2]}?host={postgres.folder}&port={postgres.port}"
        )
        home.good("destinations", "add", "socket", stdin=f"{socket}\n")
        (shown,) = [row["address"] for row in home.json("destinations", "list") if row["name"] == "socket"]
        assert shown == f"postgresql://postgres@/{url.rpartition('/')[2]}?host={postgres.folder}"
    # The database is gone now.
    home.good("run", "spend")
    code, later_output = home.bad("publish", "spend")
    assert code != 0
    assert "very-secret" not in later_output
    everything = [home.good("destinations", "list").output, home.good("destinations", "status", "spend").output]
    assert "very-secret" not in "".join(everything)
    assert "very-secret" not in (home.path / "adreel.db").read_bytes().decode("latin-1")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("oracle://host/db", "This is not the address of a destination."),
        ("duckdb:warehouse", "has its whole path"),
        ("postgresql://host", "has a host and a database"),
        ("postgresql:///db?host=not-a-folder", "has a host and a database"),
        ("postgresql://host:port/db", "This is not the address of a destination."),
        ("postgresql://host/db?password=very-secret", "Put the password before the host"),
        ("duckdb:///nowhere/at/all.duckdb", "The folder /nowhere/at does not exist"),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_repeating_it(home: Home, address: str, reason: str) -> None:
    output = home.bad("destinations", "add", "x", stdin=f"{address}\n")[1]
    assert reason in output
    assert "very-secret" not in output
    assert home.json("destinations", "list") == []


def test_a_password_that_is_wrong_is_said_at_once(home: Home, postgres: PostgresServer) -> None:
    with postgres.database("template1") as address:
        url = address.replace("postgresql+psycopg://postgres@", "postgresql://nobody-there:very-secret@")
        code, output = home.bad("destinations", "add", "pg", stdin=f"{url}\n")
    assert code == 3
    assert "Check the address and the rights there" in output
    assert "very-secret" not in output


def test_editors_see_destinations_and_only_administrators_change_them(home: Home, warehouse: Path) -> None:
    for name, role in (("Ada", "admin"), ("Vera", "viewer"), ("Eddie", "editor")):
        home.good("users", "add", name, "--role", role, "--password-stdin", stdin="correct horse battery\n")
    home.environ["ADREEL_USER"] = "Vera"
    assert "Only administrators and editors can view destinations" in home.bad("destinations", "list")[1]
    home.environ["ADREEL_USER"] = "Eddie"
    assert [each["name"] for each in home.json("destinations", "list")] == ["warehouse"]
    assert "Only administrators can add, test or delete" in home.bad("destinations", "delete", "warehouse")[1]
    assert "Only administrators can add, test or delete" in home.bad("destinations", "add", "b", str(warehouse))[1]


def test_keys_are_rotated_in_destinations_as_well(home: Home, warehouse: Path) -> None:
    home.good("secrets", "rotate", "--new-key")
    home.good("secrets", "rotate", "--drop-old")
    home.good("destinations", "test", "warehouse")
    home.good("publish", "spend")


@pytest.mark.slow
def test_the_history_of_a_dataset_says_what_tiktok_restated_as_a_comparison_does(home: Home, warehouse: Path) -> None:
    home.good("run", "-f", home.file(update={"method": "upsert"}))
    output = home.good("destinations", "attach", "spend", "warehouse", "--table", "daily", "--history").stderr
    assert "publishes to tiktok.daily of 'warehouse' after each run with its history in tiktok.daily_history" in output
    home.good("publish", "spend")
    before = home.json("destinations", "status", "spend")[0]["version"]
    home.later(1)
    home.good("run", "spend")
    home.good("publish", "spend")
    (status,) = home.json("destinations", "status", "spend")
    assert status["history"] is True
    comparison = home.json("diff", "spend", str(before), str(before + 1))
    counted = {(each["day"], each["kind"]): (each["added"], each["changed"]) for each in comparison["days"]}
    steps = rows_of(
        warehouse,
        "select cast(n.stat_time_day as varchar), n._from_kind, count(*) - count(o.ad_id), count(o.ad_id) "
        "from tiktok.daily_history n left join tiktok.daily_history o on o.ad_id = n.ad_id "
        "and o.stat_time_day = n.stat_time_day and o._to_version = n._from_version "
        f"where n._from_version = {before + 1} group by all",
    )
    assert {(day, kind): counts for day, kind, *counts in steps} == {
        place: list(counts) for place, counts in counted.items() if any(counts)
    }
    assert "restated" in {kind for _, kind in counted}
    shown = home.good("datasets", "show", "spend").stdout
    assert "publish:\n- to: warehouse\n  table: daily\n  history: true\n" in shown
    output = home.bad("validate", "-f", home.file(publish=[{"to": "warehouse", "history": "maybe"}]))[1]
    assert "publish: history must be yes or no" in output


@pytest.mark.slow
def test_rows_with_a_new_column_alone_are_not_restated_in_the_history(home: Home, warehouse: Path) -> None:
    keys: dict[str, Any] = {"update": {"method": "upsert"}, "publish": [{"to": "warehouse", "history": True}]}
    home.good("run", "-f", home.file(**keys))
    home.good("publish", "spend")
    home.good("datasets", "edit", "spend", "-f", home.file(**keys, metrics=["spend", "impressions", "reach"]))
    home.good("run", "spend")
    home.good("publish", "spend")
    assert not any(day["changed"] for day in home.json("diff", "spend", "0", "1")["days"])
    kinds = "select distinct {} from tiktok.spend_history where {} is not null"
    assert rows_of(warehouse, kinds.format("_to_kind", "_to_version")) == [("columns",)]
    assert set(rows_of(warehouse, kinds.format("_from_kind", "_from_version"))) == {("first",), ("columns",)}


def test_a_history_is_for_duckdb_and_postgres_only(home: Home, warehouse: Path) -> None:
    folder = home.path.parent / "tables"
    folder.mkdir()
    home.good("destinations", "add", "files", f"parquet://{folder}")
    output = home.bad("validate", "-f", home.file(publish=[{"to": "files", "history": True}]))[1]
    assert "publish: only DuckDB and Postgres have history tables; leave out history" in output
    assert "only DuckDB and Postgres" in home.bad("destinations", "attach", "spend", "files", "--history")[1]
    home.good("run", "-f", home.file(update={"method": "upsert"}))
    home.good("destinations", "attach", "spend", "warehouse", "--history")
    home.good("destinations", "change", "warehouse", f"parquet://{folder}")
    output = home.bad("publish", "spend")[1]
    assert "A history is for DuckDB and Postgres only, not for Parquet files." in " ".join(output.split())
    assert list(folder.rglob("*.*")) == []


def test_a_kind_whose_driver_is_not_installed_is_said_with_the_way_to_install_it(home: Home) -> None:
    address = "snowflake://adreel:sesame@account/warehouse?warehouse=LOADING"
    code, output = home.bad("destinations", "add", "warehouse", stdin=f"{address}\n")
    assert code != 0
    assert "The driver for Snowflake is not installed. Install it: pip install 'adreel[snowflake]'" in output
    assert "sesame" not in output
    assert home.json("destinations", "list") == []


def test_a_dataset_is_published_as_a_parquet_file(home: Home) -> None:
    folder = home.path.parent / "tables"
    folder.mkdir()
    home.good("destinations", "add", "files", f"parquet://{folder}")
    assert list(folder.rglob("*.*")) == []
    home.good("run", "-f", home.file(publish="files"))
    assert publish_all(home) == 1
    assert publish_all(home) == 0
    (lakes,) = home.rows(f"select {FIGURES} from spend")
    (rows,) = duckdb.sql(f"select {FIGURES} from '{folder}/tiktok/spend.parquet'").fetchall()
    assert [Decimal(str(value)) for value in rows] == [Decimal(str(value)) for value in lakes.values()]
