"""The pipelines of the README, by their own commands."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import duckdb

from dbt_project import OFFLINE, ROOT


def make(target: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the last line of a target of the Makefile; those before it install what it needs."""
    listed = subprocess.run(
        ["make", "--no-print-directory", "-n", target, f"PIPELINE=--duckdb --folder {folder}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    command = listed.stdout.splitlines()[-1]
    return subprocess.run(
        command, shell=True, cwd=ROOT, env={**os.environ, **OFFLINE}, capture_output=True, text=True, timeout=500
    )


def test_make_pipeline_ends_in_a_chart_of_the_dbt_models(tmp_path: Path) -> None:
    done = make("pipeline", tmp_path / "pipeline")
    assert done.returncode == 0, done.stdout + done.stderr
    chart = Path(done.stdout.splitlines()[-1].removeprefix("Chart of the dbt models: "))
    assert chart.read_bytes().startswith(b"\x89PNG")
    with duckdb.connect(str(tmp_path / "pipeline" / "warehouse.duckdb")) as file:
        model, published = (
            file.execute(f"SELECT currency, sum(spend) FROM {table} GROUP BY 1 ORDER BY 1").fetchall()
            for table in ("shop.adreel__currency_daily", "tiktok.advertiser_daily")
        )
        (restated,) = file.execute("SELECT count(*) FROM shop.adreel__day_changes WHERE kind = 'restated'").fetchall()
    assert len(model) == 3
    assert model == published
    assert restated[0] > 0


def test_make_fivetran_ends_with_tables_that_have_the_totals_of_adreel(tmp_path: Path) -> None:
    done = make("fivetran", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("totals as in adreel") == 4
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as file:
        (spend,) = file.execute("SELECT sum(spend) FROM tiktok_ads.ad_report_hourly").fetchall()
    assert spend[0] > 0
