"""The pipeline of the README, by its own command."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import duckdb

from dbt_project import OFFLINE, ROOT


def test_make_pipeline_ends_in_a_chart_of_the_dbt_models(tmp_path: Path) -> None:
    options = f"PIPELINE=--duckdb --folder {tmp_path / 'pipeline'}"
    listed = subprocess.run(
        ["make", "--no-print-directory", "-n", "pipeline", options],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    # The last line is the pipeline; those before it install what it needs.
    command = listed.stdout.splitlines()[-1]
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env={**os.environ, **OFFLINE}, capture_output=True, text=True, timeout=500
    )
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
