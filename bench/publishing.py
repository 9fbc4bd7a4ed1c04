"""One million rows of 30 columns into DuckDB and Postgres: the first publish, and one after a tenth has changed.

`python -m bench publishing` prints the table. Beside it, where installed, dlt alone loads the same rows from Arrow, and
ingestr loads them into Postgres from Arrow files. Its driver for DuckDB would come from the network. "Sent only" is the
floor: the same rows from memory by adreel's drivers, without a comparison of versions and without verification.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from adreel.arrow import pc
from adreel.destinations.duckdb_file import open_duckdb
from adreel.destinations.postgres import open_postgres
from adreel.destinations.publishing import PublishOrder, publish
from adreel.destinations.row_log import DaySpan
from adreel.destinations.session import DestinationSession, Place
from adreel.lake import Lake, Method, Window, Write
from adreel.lake.engine import quoted
from postgres import postgres_server

ROWS, DAYS, ADVERTISERS = 1_000_000, 30, 10
CHANGED_DAYS = 3
COUNTS, MONEY = 20, 6
FIRST_DAY = 20_450
"""In days since 1970."""
KEY = ("advertiser_id", "ad_id", "stat_time_day")
SLUG = "ads"


def rows(first_day: int, days: int, seed: int) -> pa.Table:
    """So many days of all ads; another seed gives other figures of the same keys."""
    figures = np.random.default_rng(seed)
    ads = ROWS // DAYS
    count = ads * days
    ad = pa.array(np.tile(np.arange(ads), days)).cast(pa.string())
    day = np.repeat(np.arange(first_day, first_day + days, dtype=np.int32), ads)
    owner = pa.array(np.tile(np.arange(ads) % ADVERTISERS, days)).cast(pa.string())
    columns: dict[str, Any] = {
        "advertiser_id": owner,
        "ad_id": ad,
        "stat_time_day": pa.array(day).cast(pa.date32()),
        "ad_name": pa.array(np.tile(np.arange(ads) % 5_000, days)).cast(pa.string()),
    }
    for number in range(MONEY):
        cents = pa.array(figures.integers(0, 1_000_000, count, dtype=np.int32))
        columns[f"money_{number}"] = cents.cast(pa.decimal128(24, 6))
    for number in range(COUNTS):
        columns[f"count_{number}"] = pa.array(figures.integers(0, 1_000_000, count))
    return pa.table(columns)


def _commit(lake: Lake, run_id: str, table: pa.Table, first_day: int, days: int) -> None:
    start = date(1970, 1, 1) + timedelta(days=first_day)
    ids = frozenset(str(number) for number in range(ADVERTISERS))
    window = Window(ids, start, start + timedelta(days=days - 1))
    write = Write(run_id, Method.PARTITION, table.schema, key=KEY, day_column="stat_time_day", windows=(window,))
    lake.commit(SLUG, lambda: table.to_reader(50_000), write)


def _published(lake: Lake, opened: Callable[[], AbstractContextManager[DestinationSession]]) -> float:
    newest = lake.newest_version(SLUG)
    assert newest is not None
    order = PublishOrder(SLUG, newest.number, newest.run_id, "bench/1", Place("tiktok", SLUG))
    began = time.perf_counter()
    with opened() as session:
        publish(session, lake, order, datetime.now(UTC))
    return time.perf_counter() - began


def _bare(
    opened: Callable[[], AbstractContextManager[DestinationSession]], whole: pa.Table, changed: pa.Table
) -> tuple[float, float]:
    """Seconds of a transaction that creates a table with all rows, and of one that replaces the changed days."""
    place, seconds = Place("bare", SLUG), []
    span = DaySpan(*pc.min_max(changed["stat_time_day"]).as_py().values())
    for table in (whole, changed):
        began = time.perf_counter()
        with opened() as session, session.transaction("bench"):
            if table is whole:
                columns = ", ".join(f"{quoted(field.name)} {session.type_of(field.type)}" for field in table.schema)
                session.run(f"CREATE SCHEMA {place.schema}")
                session.run(f"CREATE TABLE {place.sql} ({columns})")
            else:
                session.run(f"DELETE FROM {place.sql} WHERE {span.condition('stat_time_day')}")
            session.append(place, table.to_reader(50_000))
            session.index(place, "stat_time_day")
        seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1]


def _dlt(destination: Any, folder: Path, whole: pa.Table, changed: pa.Table) -> tuple[float, float]:
    """Seconds of dlt's first load and of its merge of the changed rows."""
    import dlt

    pipeline = dlt.pipeline("bench", destination=destination, dataset_name="dlt_alone", pipelines_dir=str(folder))
    seconds = []
    for table, disposition in ((whole, "replace"), (changed, "merge")):
        batches = [pa.Table.from_batches([batch]) for batch in table.to_batches(50_000)]
        resource = dlt.resource(batches, name=SLUG, write_disposition=disposition, primary_key=list(KEY))
        began = time.perf_counter()
        pipeline.run(resource, loader_file_format="parquet")
        seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1]


def _ingestr(program: str, url: str, folder: Path, whole: pa.Table, changed: pa.Table) -> tuple[float, float]:
    """Seconds of ingestr's first load and of its merge of the changed rows."""
    quiet = {"DISABLE_TELEMETRY": "true", "INGESTR_DISABLE_TELEMETRY": "true", "HOME": str(folder)}
    merge = ["--incremental-strategy", "merge", *(word for name in KEY for word in ("--primary-key", name))]
    seconds = []
    for table, options in ((whole, ["--incremental-strategy", "replace"]), (changed, merge)):
        path = folder / "rows.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, 50_000)
        source = ["--source-uri", f"mmap://{path}", "--source-table", SLUG]
        target = ["--dest-uri", f"{url}?sslmode=disable", "--dest-table", f"ingestr.{SLUG}"]
        began = time.perf_counter()
        command = [program, "ingest", "--yes", "--progress", "log", *source, *target, *options]
        subprocess.run(command, env=os.environ | quiet, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1]


def _line(title: str, first: float, change: float) -> str:
    return f"| {title} | {first:.1f} | {change:.2f} | {first / change:.1f} |"


def lines() -> Iterator[str]:
    """The table as Markdown."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    last = FIRST_DAY + DAYS - CHANGED_DAYS
    whole, changed = rows(FIRST_DAY, DAYS, 1), rows(last, CHANGED_DAYS, 2)
    title = f"{whole.num_rows:,} rows of {whole.num_columns} columns"
    yield f"| {title} | first load s | a tenth changed s | times as fast |"
    yield "| --- | --: | --: | --: |"
    with tempfile.TemporaryDirectory(prefix="adreel-bench-") as name, postgres_server() as server:
        folder = Path(name)
        server.ask("CREATE DATABASE warehouse")
        url = server.url("warehouse", "postgresql")
        # dlt wants a password, which this server does not ask for.
        secret = url.replace("postgres@", "postgres:postgres@")
        path = folder / "warehouse.duckdb"
        opens: dict[str, Callable[[], AbstractContextManager[DestinationSession]]] = {
            "DuckDB": lambda: open_duckdb(path),
            "Postgres": lambda: open_postgres(url),
        }
        for title, opened in opens.items():
            lake = Lake(folder / f"lake-{title}")
            _commit(lake, "run1", whole, FIRST_DAY, DAYS)
            first = _published(lake, opened)
            _commit(lake, "run2", changed, last, CHANGED_DAYS)
            yield _line(f"adreel, {title}, verified", first, _published(lake, opened))
            yield _line(f"{title}, sent only", *_bare(opened, whole, changed))
            if find_spec("dlt") is not None:
                from dlt.destinations import duckdb, postgres

                target = duckdb(str(folder / "dlt.duckdb")) if title == "DuckDB" else postgres(secret)
                yield _line(f"dlt alone, {title}", *_dlt(target, folder / f"dlt-{title}", whole, changed))
        program = shutil.which(os.environ.get("INGESTR", "ingestr"))
        if program is not None:
            yield _line("ingestr, Postgres", *_ingestr(program, secret, folder, whole, changed))


def main() -> None:
    for line in lines():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
