"""Processes that publish and are killed, blocked or started twice: the copy is as if nothing had happened."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pytest

from adreel.lake import Lake, Method, Write
from adreel.store import Store
from home import Home, environment_of
from lake_rows import DAY, KEY, SCHEMA, in_order, put, row, table_rows
from outside import until
from postgres import PostgresServer
from running import settings_of

PUBLISH = """
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from adreel.destinations.duckdb_file import open_duckdb
from adreel.destinations.publishing import PublishOrder, publish
from adreel.destinations.session import Place
from adreel.lake import Lake
lake = Lake(sys.argv[1])
table = lake.newest_version("ads")
order = PublishOrder("ads", table.number, table.run_id, "home/1", Place("tiktok", "daily"))
with open_duckdb(Path(sys.argv[2])) as session:
    publish(session, lake, order, datetime.now(UTC))
"""


def _many(lake: Lake, run_id: str, method: Method, rows: int, step: int) -> None:
    """A version of so many rows, every `step`th of an earlier one with other values."""
    numbers = pa.array(range(0, rows, step), pa.int32())
    table = pa.table(
        {
            "advertiser_id": pa.array(["1"] * len(numbers)),
            "stat_time_day": pa.array([20454] * len(numbers), pa.int32()).cast(pa.date32()),
            "ad_id": numbers.cast(pa.string()),
            "spend": numbers.cast(pa.decimal128(24, 6)),
            "clicks": pa.array([step] * len(numbers), pa.int64()),
        },
        SCHEMA,
    )
    lake.commit("ads", lambda: table.to_reader(), Write(run_id, method, SCHEMA, key=KEY, day_column=DAY))


def test_a_file_whose_writer_is_killed_at_any_time_has_one_version_or_the_next(tmp_path: Path) -> None:
    lake, path = Lake(tmp_path / "lake"), tmp_path / "warehouse.duckdb"
    command = [sys.executable, "-c", PUBLISH, lake.url.removeprefix("file://"), str(path)]
    _many(lake, "run1", Method.REPLACE, 400_000, 1)
    begun = time.monotonic()
    subprocess.run(command, check=True)
    duration = time.monotonic() - begun
    _many(lake, "run2", Method.UPSERT, 400_000, 2)
    sums = {0: (400_000, 400_000), 1: (400_000, 600_000)}
    for part in (0.3, 0.5, 0.7, 0.8, 0.9):
        with subprocess.Popen(command) as process:
            time.sleep(duration * part)
            process.kill()
        with duckdb.connect(str(path)) as connection:
            figures = connection.execute("SELECT count(*), sum(clicks) FROM tiktok.daily").fetchone()
            (version,) = connection.execute("SELECT version FROM tiktok._adreel_tables").fetchall()
        assert figures == sums[version[0]]
    subprocess.run(command, check=True)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT count(*), sum(clicks) FROM tiktok.daily").fetchone() == sums[1]


@contextmanager
def _published_home(home: Home, server: PostgresServer) -> Iterator[tuple[str, int]]:
    """A home whose dataset "spend" has a version that its destination lacks; the database, and the destination's id."""
    with server.database("template1") as address:
        url = address.replace("postgresql+psycopg", "postgresql")
        home.good("destinations", "add", "warehouse", stdin=f"{url}\n")
        home.good("run", "-f", home.file(publish="warehouse"))
        with Store.open(settings_of(home), clock=lambda: home.now) as store:
            yield url, store.destinations.get("warehouse").id


def _publisher(home: Home, destination: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "adreel.destinations.process", str(destination)]
    return subprocess.Popen(command, env=environment_of(home, "http://localhost:1"))


def _blocked(url: str) -> bool:
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'adreel' AND wait_event_type = 'Lock'"
        return connection.execute(query).fetchone() != (0,)


def _check(home: Home, url: str) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tiktok.spend")
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        copy = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    assert in_order(copy) == in_order(table_rows(Lake(settings_of(home).lake_url), "spend"))


@pytest.mark.parametrize("table", ["tiktok.spend", "tiktok._adreel_tables"])
def test_a_publisher_that_is_killed_in_its_transaction_leaves_nothing(
    home: Home, postgres: PostgresServer, table: str
) -> None:
    with _published_home(home, postgres) as (url, destination):
        home.good("publish", "spend")
        home.door("now", {"today": str(home.now.date()), "hour": 20})
        home.good("run", "-f", home.file(publish="warehouse", dates={"start": "today-3", "end": "today"}))
        with psycopg.connect(url) as blocker:
            # Readers may go on; the publisher waits, with its rows on the way (the table), or all there (the mark).
            blocker.execute(f"LOCK TABLE {table} IN SHARE MODE".encode())
            process = _publisher(home, destination)
            until(lambda: _blocked(url))
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert _publisher(home, destination).wait(60) == 0
        _check(home, url)
        (status,) = home.json("destinations", "status", "spend")
        assert (status["state"], status["version"]) == ("published", 1)


def test_a_publisher_that_is_killed_in_the_first_load_leaves_nothing(home: Home, postgres: PostgresServer) -> None:
    with _published_home(home, postgres) as (url, destination):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA tiktok")
            columns = "table_name VARCHAR PRIMARY KEY, publisher VARCHAR, version BIGINT, run_id VARCHAR, "
            columns += "columns VARCHAR, row_count BIGINT, published_at TIMESTAMPTZ"
            connection.execute(f"CREATE TABLE tiktok._adreel_tables ({columns})".encode())
        with psycopg.connect(url) as blocker:
            blocker.execute("LOCK TABLE tiktok._adreel_tables IN SHARE MODE")
            process = _publisher(home, destination)
            until(lambda: _blocked(url))
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert _publisher(home, destination).wait(60) == 0
        _check(home, url)


def test_two_publishers_of_one_destination_do_the_work_once(home: Home, postgres: PostgresServer) -> None:
    with _published_home(home, postgres) as (url, destination):
        processes = [_publisher(home, destination) for _ in range(3)]
        assert [process.wait(60) for process in processes] == [0, 0, 0]
        _check(home, url)


def test_datasets_of_several_installations_go_into_one_schema_at_the_same_time(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """Each has a lake and a destination of its own: only the database knows of all of them."""
    script = PUBLISH.replace("open_duckdb(Path(sys.argv[2]))", "open_postgres(sys.argv[2])")
    script = script.replace("duckdb_file import open_duckdb", "postgres import open_postgres")
    script = script.replace('"daily"', "sys.argv[3]").replace('"home/1"', "sys.argv[3]")
    with postgres.database("template1") as address:
        url = address.replace("postgresql+psycopg", "postgresql")
        lakes = [Lake(tmp_path / f"lake{number}") for number in range(3)]
        for round_number in range(2):
            commands = []
            for number, lake in enumerate(lakes):
                rows = [row(str(ad), 1, number * 100 + ad + round_number) for ad in range(50)]
                put(lake, f"run{round_number}", "upsert", rows)
                commands.append([sys.executable, "-c", script, lake.url.removeprefix("file://"), url, f"t{number}"])
            processes = [subprocess.Popen(command) for command in commands]
            assert [process.wait(60) for process in processes] == [0] * 3
            with psycopg.connect(url) as connection:
                for number, lake in enumerate(lakes):
                    (values,) = connection.execute(
                        f"SELECT count(*), sum(spend) FROM tiktok.t{number}".encode()
                    ).fetchall()
                    spends = [lake_row["spend"] for lake_row in table_rows(lake)]
                    assert values == (len(spends), sum(spends))


def test_a_worker_publishes_what_its_runs_make(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    home.good("destinations", "add", "warehouse", str(path))
    home.good("run", "-f", home.file(publish="warehouse"))
    environ = environment_of(home, "http://localhost:1") | {"PYTHONUNBUFFERED": "1"}
    worker = subprocess.Popen(
        [sys.executable, "-m", "adreel.worker", "1"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: home.json("destinations", "status", "spend")[0]["state"] == "published")
    finally:
        worker.terminate()
        worker.wait(20)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM tiktok.spend").fetchone() == (
            len(table_rows(Lake(settings_of(home).lake_url), "spend")),
        )
