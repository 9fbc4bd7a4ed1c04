"""A whole pipeline: a simulated TikTok, adreel, Postgres or a DuckDB file, adreel's dbt package, and a chart.

`make pipeline` runs it with a Postgres server of its own, which ends with it. `--postgres URL` uses another server,
and `--duckdb` a file. The datasets are loaded as of yesterday and then as of today, so that there are restatements.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2
from parts import PROGRAMS, ROOT, Adreel, choices, connected, rows, run, simulator, warehouse

from adreel.simulator import WorldConfig

HERE = Path(__file__).resolve().parent
DATASETS = ("advertiser_daily", "ad_daily")

SPEND = "SELECT currency, day, spend FROM shop.adreel__currency_daily ORDER BY currency, day"
RESTATED = (
    "SELECT currency, day, sum(conversion_change) FROM shop.adreel__day_changes "
    "WHERE kind = 'restated' GROUP BY currency, day ORDER BY currency, day"
)

Values = Mapping[str, Mapping[date, Decimal]]
"""Amounts by currency and day; currencies are never added."""


def main() -> None:
    chosen = choices(__doc__, "pipeline")
    with warehouse(chosen) as address, simulator() as (url, config):
        load(connected(chosen.folder, url, config), address, url, config)
        build(chosen.folder, address)
        chart = draw(chosen.folder / "spend.png", amounts(address, SPEND), amounts(address, RESTATED))
    print(f"Chart of the dbt models: {chart}")


# -- adreel


def load(adreel: Adreel, address: str, url: str, config: WorldConfig) -> None:
    """Runs and publishes the datasets as of two days."""
    adreel("destinations", "add", "warehouse", stdin=f"{address}\n")
    for name in DATASETS:
        adreel("run", "-f", str(HERE / f"{name}.yaml"))
        adreel("publish", name)
    today = (config.today + timedelta(days=1)).isoformat()
    with httpx2.Client(base_url=url, trust_env=False) as control:
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


if __name__ == "__main__":
    main()
