"""A whole pipeline: a simulated TikTok, adreel, Postgres or a DuckDB file, adreel's dbt package, and a chart.

`make pipeline` runs it with a Postgres server of its own, which ends with it. `--postgres URL` uses another server,
and `--duckdb` a file. The datasets are loaded as of yesterday and then as of today, so that there are restatements.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2

from adreel.simulator import WorldConfig, access_token

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = Path(sys.executable).parent
DATASETS = ("advertiser_daily", "ad_daily")

SPEND = "SELECT currency, day, spend FROM shop.adreel__currency_daily ORDER BY currency, day"
RESTATED = (
    "SELECT currency, day, sum(conversion_change) FROM shop.adreel__day_changes "
    "WHERE kind = 'restated' GROUP BY currency, day ORDER BY currency, day"
)

Values = Mapping[str, Mapping[date, Decimal]]
"""Amounts by currency and day; currencies are never added."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo" / "pipeline", help="where everything is kept")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--postgres", metavar="URL", help="an existing database, as in postgresql://user@host/database")
    target.add_argument("--duckdb", action="store_true", help="a DuckDB file in the folder")
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    for name in ("home", "project", "warehouse.duckdb"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with warehouse(folder, given.postgres, is_file=given.duckdb) as address, simulator() as (url, config):
        load(folder, address, url, config)
        build(folder, address)
        chart = draw(folder / "spend.png", amounts(address, SPEND), amounts(address, RESTATED))
    print(f"Chart of the dbt models: {chart}")


# -- what the pipeline runs on


@contextmanager
def warehouse(folder: Path, url: str | None, *, is_file: bool) -> Iterator[str]:
    """The address of the destination."""
    if is_file:
        yield f"duckdb://{folder / 'warehouse.duckdb'}"
    elif url:
        yield url
    else:
        # The server of adreel's own tests, from a wheel.
        from postgres import postgres_server

        with postgres_server() as server, server.database("template1") as address:
            yield address.replace("postgresql+psycopg", "postgresql")


@contextmanager
def simulator() -> Iterator[tuple[str, WorldConfig]]:
    """A simulated TikTok of yesterday."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    config = WorldConfig(yesterday, advertisers=3, ads=20)
    sizes = [
        f"--today={yesterday}",
        f"--advertisers={config.advertisers}",
        f"--ads={config.ads}",
        "--qps=0",
        "--port=0",
    ]
    command = [str(PROGRAMS / "adreel"), "simulate", *sizes]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), config
        finally:
            process.terminate()


# -- adreel


def load(folder: Path, address: str, url: str, config: WorldConfig) -> None:
    """Runs and publishes the datasets as of two days."""
    environment = {
        "ADREEL_HOME": str(folder / "home"),
        "ADREEL_TIKTOK_URL": f"{url}/open_api/v1.3",
        "ADREEL_TIKTOK_APP_ID": config.app_id,
        "ADREEL_TIKTOK_SECRET": config.secret,
        "ADREEL_TIKTOK_LEVEL": "5000",
    }

    def adreel(*words: str, stdin: str | None = None) -> None:
        run([str(PROGRAMS / "adreel"), *words], environment, stdin=stdin)

    with httpx2.Client(base_url=url, trust_env=False) as control:
        token = access_token(config)
        adreel("accounts", "add", "demo", "--token-stdin", stdin=f"{token}\n")
        adreel("destinations", "add", "warehouse", stdin=f"{address}\n")
        for name in DATASETS:
            adreel("run", "-f", str(HERE / f"{name}.yaml"))
            adreel("publish", name)
        today = (config.today + timedelta(days=1)).isoformat()
        control.post("/_simulator/now", json={"today": today, "hour": 12}).raise_for_status()
        for name in DATASETS:
            adreel("run", name)
            adreel("publish", name)


# -- dbt


def build(folder: Path, address: str) -> None:
    """Installs the package into a project and builds it, with its tests."""
    project = folder / "project"
    shutil.copytree(HERE / "project", project)
    parts = urlsplit(address)
    environment = {
        "DO_NOT_TRACK": "1",
        "PIPELINE_PACKAGE": str(ROOT / "dbt"),
        "PIPELINE_TARGET": "duckdb" if parts.scheme == "duckdb" else "postgres",
        "PIPELINE_FILE": parts.path,
        "PIPELINE_HOST": parts.hostname or "",
        "PIPELINE_PORT": str(parts.port or 5432),
        "PIPELINE_USER": unquote(parts.username or ""),
        "DBT_ENV_SECRET_PIPELINE": unquote(parts.password or ""),
        "PIPELINE_DATABASE": parts.path.strip("/"),
    }
    for command in ("deps", "build"):
        run(
            [str(PROGRAMS / "dbt"), command, "--project-dir", str(project), "--profiles-dir", str(project)], environment
        )


# -- chart


def amounts(address: str, query: str) -> Values:
    """What a query over the models gives."""
    values: dict[str, dict[date, Decimal]] = defaultdict(dict)
    for currency, day, amount in rows(address, query):
        values[currency][day] = Decimal(amount)
    return values


def rows(address: str, query: str) -> Sequence[tuple[Any, ...]]:
    if address.startswith("duckdb://"):
        import duckdb

        with duckdb.connect(urlsplit(address).path, read_only=True) as file:
            return file.execute(query).fetchall()
    import psycopg

    with psycopg.connect(address) as connection:
        return connection.execute(query.encode()).fetchall()


def draw(path: Path, spend: Values, restated: Values) -> Path:
    """A picture with cost by day in each currency, and the conversions that TikTok added later."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.4 * len(spend) + 0.6), layout="constrained")
    figure.suptitle("Cost by day, and conversions restated since the day before")
    panels = figure.subplots(len(spend), 2, squeeze=False)
    for (cost, conversions), (currency, days) in zip(panels, sorted(spend.items()), strict=True):
        cost.bar(list(days), [float(amount) for amount in days.values()])
        cost.set_title(f"Cost ({currency})")
        changes = restated.get(currency, {})
        conversions.bar(list(changes), [float(change) for change in changes.values()], color="tab:orange")
        conversions.set_title(f"Conversions restated ({currency} ad accounts)")
        conversions.set_xlim(cost.get_xlim())
        for panel in (cost, conversions):
            panel.tick_params("x", rotation=30)
    figure.savefig(path, dpi=120)
    return path


def run(command: Sequence[str], environment: Mapping[str, str], *, stdin: str | None = None) -> None:
    """Runs a program and shows what it prints; ends the pipeline if it fails."""
    print(f"$ {Path(command[0]).name} {' '.join(command[1:])}", flush=True)
    done = subprocess.run(command, env={**os.environ, **environment}, input=stdin, text=True)
    if done.returncode:
        sys.exit(f"The pipeline stopped: {Path(command[0]).name} ended with exit code {done.returncode}.")


if __name__ == "__main__":
    main()
