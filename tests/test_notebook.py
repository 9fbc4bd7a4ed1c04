"""adreel in a notebook: datasets, runs and tables as Arrow, pandas, Polars and DuckDB; reports without a dataset."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import adreel
from adreel.errors import DamagedError, DatasetError, NotFoundError, ProofError
from adreel.notebook import Home as OpenedHome
from adreel.notebook import ReportWarning
from home import SPEND, Home
from lake_rows import in_order
from running import Tampered, settings_of

KEYS = {key: value for key, value in SPEND.items() if key != "name"}


@pytest.fixture
def opened(home: Home) -> Iterator[OpenedHome]:
    home.good("run", "-f", home.file())
    with OpenedHome(settings_of(home), clock=lambda: home.now, transport=httpx2.ASGITransport(home.world)) as opened:
        yield opened


def lines(home: Home) -> list[dict[str, Any]]:
    return home.rows("select * from spend")


def test_a_table_is_read_in_four_forms_with_the_same_money(home: Home, opened: OpenedHome) -> None:
    table = opened.read("spend")
    total = sum(Decimal(str(row["spend"])) for row in lines(home))
    arrow = table.arrow()
    assert (table.version, table.rows, arrow.num_rows) == (0, len(lines(home)), len(lines(home)))
    assert sum(arrow.column("spend").to_pylist()) == total
    assert table.pandas()["spend"].sum() == total
    assert table.polars()["spend"].sum() == total
    assert table.duckdb().sum("spend").fetchall() == [(total,)]
    assert sum(batch.num_rows for batch in table.batches()) == table.rows


def test_columns_and_earlier_versions_are_read_by_name(home: Home, opened: OpenedHome) -> None:
    first = opened.read("spend", columns=["ad_id", "spend"]).arrow()
    assert first.column_names == ["ad_id", "spend"]
    report = opened.run("spend", dates=("2026-11-01", "2026-11-02"))
    assert (report.state.value, report.version) == ("verified", 1)
    assert opened.read("spend", version=0).rows == first.num_rows
    assert [(info.slug, info.version) for info in opened.datasets] == [("spend", 1)]
    with pytest.raises(NotFoundError, match="Did you mean 'spend'"):
        opened.read("spent")


def test_the_parts_of_a_table_have_its_rows_and_refuse_a_file_that_has_fewer(home: Home, opened: OpenedHome) -> None:
    opened.run("spend", dates=("2026-11-01", "2026-11-02"))
    table = opened.read("spend", columns=["ad_id", "spend"])
    parts = pickle.loads(pickle.dumps(table.parts))
    assert len(parts) > 1
    batches = [batch for part in parts for batch in part.batches()]
    assert pa.Table.from_batches(batches).equals(table.arrow())
    file = home.path / "lake" / "spend" / parts[0].table.files[0].path
    pq.write_table(pq.read_table(file).slice(1), file)
    with pytest.raises(DamagedError, match="rows there"):
        list(parts[0].batches())


def test_a_version_that_failed_its_check_says_so(home: Home, opened: OpenedHome) -> None:
    assert opened.read("spend").verified
    home.door(
        "trouble",
        {"kind": "value", "path": "report/integrated", "field": "metrics.spend", "value": "1.00"} | {"times": 0},
    )
    assert opened.run("spend").state.value == "check_failed"
    assert [info.verified for info in opened.datasets] == [False]
    with pytest.raises(ProofError, match="Version 1 of dataset 'spend' failed its check"):
        opened.read("spend").refuse_unverified()
    opened.read("spend", version=0).refuse_unverified()


def test_a_report_warns_of_values_that_could_not_be_read(home: Home) -> None:
    def blur(_parameters: dict[str, str], data: dict[str, Any]) -> None:
        data["list"][0]["metrics"]["clicks"] = "<5"
        data.pop("total_metrics", None)

    with (
        OpenedHome(settings_of(home), clock=lambda: home.now, transport=Tampered(home, blur)) as opened,
        pytest.warns(ReportWarning, match="could not be read as a whole number"),
    ):
        opened.report(**KEYS).read_all()


def test_a_report_without_a_dataset_has_the_rows_of_a_run_and_leaves_nothing(home: Home, opened: OpenedHome) -> None:
    before = home.kept()
    rows = opened.report(**KEYS).read_all().to_pylist()
    assert in_order(rows) == in_order(opened.read("spend").arrow().to_pylist())
    assert home.kept() == before


def test_a_report_that_tiktok_would_refuse_or_that_is_not_proved_is_an_error(home: Home, opened: OpenedHome) -> None:
    with pytest.raises(DatasetError, match="metrics"):
        opened.report(**KEYS | {"metrics": ["spent"]})

    def lose_a_row(_parameters: dict[str, str], data: dict[str, Any]) -> None:
        data["list"] = data["list"][1:]

    tampered = OpenedHome(settings_of(home), clock=lambda: home.now, transport=Tampered(home, lose_a_row))
    with tampered, pytest.raises(ProofError, match="TikTok counts"):
        tampered.report(**KEYS)


def test_it_works_where_an_event_loop_runs_as_in_a_notebook(opened: OpenedHome) -> None:
    async def cell() -> int:
        return int(opened.report(**KEYS).read_all().num_rows)

    assert asyncio.run(cell()) == opened.read("spend").rows


def test_a_plan_says_what_the_command_line_says(home: Home, opened: OpenedHome) -> None:
    assert opened.plan("spend")["requests"] == home.json("plan", "spend")["requests"]


@pytest.mark.parametrize("module", ["cli", "pipeline.process", "worker.__main__", "destinations.process"])
def test_processes_of_adreels_own_leave_pandas_out_of_memory(module: str) -> None:
    """Arrow imports it with the first array from a list."""
    start = "with contextlib.suppress(SystemExit): main()" if module == "cli" else ""
    script = f"import contextlib, sys; sys.argv = ['adreel', '--version']; from adreel.{module} import main\n{start}\n"
    script += "import pyarrow; pyarrow.array(['a']); print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.slow
def test_a_server_shows_a_page_of_rows_without_arrows_functions(home: Home, opened: OpenedHome) -> None:
    assert opened.read("spend").rows
    script = f"""
import sys
import adreel.cli.serving
from adreel.lake import Lake
from adreel.lake.filters import Order
page = Lake({str(home.path / "lake")!r}).page("spend", order=(Order("spend", descending=True),), limit=20)
print(page.rows.num_rows, "pyarrow.compute" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import adreel.own_process{script}"], capture_output=True, text=True, check=True
    )
    rows, is_loaded = done.stdout.split()
    assert int(rows) > 0
    assert is_loaded == "False"


def test_importing_adreel_imports_nothing_but_python() -> None:
    script = "import sys; before = set(sys.modules); import adreel; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in done.stdout.split()}
    assert packages - sys.stdlib_module_names == {"adreel"}
    assert "asyncio" not in packages
    assert set(adreel.__all__) <= set(dir(adreel))
    assert adreel.Home is OpenedHome
