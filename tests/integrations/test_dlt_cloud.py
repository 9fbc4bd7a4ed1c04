"""Databases of the cloud, as far as they go without one: the tables, job files and statements that would be sent.

The statements are those that adreel's own schema and hints make dlt write. What the servers say to them is not tested.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adreel.destinations.dlt_copy import MERGE, REMOVED, DltCopy, staging_name
from adreel.destinations.dlt_engines import ENGINES
from adreel.destinations.kinds import DestinationKind, read_address
from adreel.destinations.publishing import MARKS
from adreel.destinations.session import Place
from adreel.errors import InputError
from copies import EVERY_TYPE

pytestmark = pytest.mark.filterwarnings("ignore::Warning")
"""Those of drivers and of dlt, which adreel ignores as well."""

PLACE = Place("tiktok", "daily")
KEY = json.dumps(
    {
        "type": "service_account",
        "project_id": "other",
        "private_key": "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
        "client_email": "adreel@my-project.iam.gserviceaccount.com",
    }
)
ADDRESSES = {
    DestinationKind.BIGQUERY: f"bigquery://my-project?location=EU&key={base64.b64encode(KEY.encode()).decode()}",
    DestinationKind.SNOWFLAKE: "snowflake://adreel:sesame@account/warehouse?warehouse=LOADING&role=ADREEL",
    DestinationKind.REDSHIFT: "redshift://adreel:sesame@cluster.example.com:5439/warehouse",
    DestinationKind.DATABRICKS: "databricks://token:sesame@adb-1.example.com/main?http_path=/sql/1.0/warehouses/1",
    DestinationKind.CLICKHOUSE: "clickhouse://adreel:sesame@db.example.com:9440/warehouse",
    DestinationKind.MSSQL: "mssql://adreel:sesame@db.example.com/warehouse?driver=ODBC Driver 18 for SQL Server",
    DestinationKind.SYNAPSE: "synapse://adreel:sesame@db.example.com/warehouse?driver=ODBC Driver 18 for SQL Server",
    DestinationKind.MOTHERDUCK: "motherduck:///warehouse?token=sesame",
    DestinationKind.MYSQL: "mysql://adreel:sesame@db.example.com:3306/warehouse",
}
HOURS = {
    DestinationKind.BIGQUERY: ("TIMESTAMP", "TIMESTAMP"),
    DestinationKind.SNOWFLAKE: ("TIMESTAMP_NTZ(6)", "TIMESTAMP_LTZ(6)"),
    DestinationKind.REDSHIFT: ("timestamp without time zone", "timestamp with time zone"),
    DestinationKind.DATABRICKS: ("TIMESTAMP_NTZ", "TIMESTAMP"),
    DestinationKind.CLICKHOUSE: ("Nullable(DateTime64(6))", "Nullable(DateTime64(6,'UTC'))"),
    DestinationKind.MSSQL: ("datetime2(6)", "datetimeoffset(6)"),
    DestinationKind.SYNAPSE: ("datetime2(6)", "datetimeoffset(6)"),
    DestinationKind.MOTHERDUCK: ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
}
"""How an hour of an ad account and an instant are typed. BigQuery loads no files with times without a zone."""


@pytest.fixture(params=list(ADDRESSES), ids=str)
def kind(request: pytest.FixtureRequest) -> DestinationKind:
    return DestinationKind(request.param)


@pytest.fixture(autouse=True)
def _odbc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has SQL Server's driver be importable: it needs a library of the system, and nothing here connects."""
    driver = ModuleType("pyodbc")
    for name in ("Connection", "DataError", "Error", "OperationalError", "ProgrammingError"):
        setattr(driver, name, type(name, (Exception,), {}))
    monkeypatch.setitem(sys.modules, "pyodbc", driver)


@pytest.fixture
def copy(kind: DestinationKind, tmp_path: Path) -> DltCopy:
    address = read_address(ADDRESSES[kind])
    assert address.kind is kind
    assert "sesame" not in address.shown
    return DltCopy(ENGINES[kind], address.full, PLACE, EVERY_TYPE, tmp_path / "work")


@pytest.mark.parametrize("kind", list(HOURS), indirect=True, ids=str)
def test_the_tables_have_every_column_under_its_own_name_and_hours_are_no_instants(
    kind: DestinationKind, copy: DltCopy
) -> None:
    tables: list[tuple[str, dict[str, Any]]] = [("daily", {}), (MARKS, {})]
    statements, added = copy.client._build_schema_update_sql(tables)
    assert set(added["daily"]["columns"]) == {*EVERY_TYPE.names, REMOVED}
    (table,) = [text for text in statements if "advertiser_id" in text.lower()]
    lines = {name: _line(table, name) for name in EVERY_TYPE.names}
    assert [text for text in lines.values() if "NOT NULL" in text] == []
    assert "24,6" in lines["spend"].replace(" ", "")
    hour, instant = HOURS[kind]
    assert (lines["hour"], lines["seen_at"]) == (hour, instant)


def _line(table: str, name: str) -> str:
    """The type of a column in the statement that makes its table."""
    pattern = rf"""^[`"\[]?{name}[`"\]]?\s+(.*?),?\s*\)?$"""
    (kind,) = re.findall(pattern, table, re.MULTILINE | re.IGNORECASE)
    return str(kind).strip()


def _jobs(copy: DltCopy, disposition: Any, key: tuple[str, ...]) -> tuple[list[Path], str]:
    """The job files of three rows, and the statements that follow when they are in staging."""
    rows = pa.table({name: pa.nulls(3, EVERY_TYPE.field(name).type) for name in EVERY_TYPE.names}, EVERY_TYPE)
    rows = rows.set_column(EVERY_TYPE.names.index("tags"), "tags", pa.nulls(3, pa.string()))
    pipeline = copy.package(iter([rows]), disposition, key)
    package = pipeline.get_load_package_info(pipeline.list_normalized_load_packages()[0])
    files = [Path(job.file_path) for job in package.jobs["new_jobs"]]
    client = pipeline.destination_client()
    table = client.prepare_load_table("daily")
    statements: list[str] = []
    for job in client.create_table_chain_completed_followup_jobs([table]):
        statements.append(Path(job.new_file_path()).read_text())
    return files, "\n".join(statements)


def test_changes_delete_by_key_and_insert_what_stays(kind: DestinationKind, copy: DltCopy) -> None:
    (file,), text = _jobs(copy, MERGE, ("ad_id", "stat_time_day"))
    assert file.name.startswith("daily.")
    assert _rows_of(file) == 3
    assert staging_name(PLACE) in text.lower()
    assert REMOVED in text.lower()
    begins = [text.upper().find(word) for word in ("DELETE", "INSERT INTO")]
    assert -1 < begins[0] < begins[1]
    for name in EVERY_TYPE.names:
        assert name in text.lower()


def test_all_rows_go_through_staging_so_that_a_load_that_dies_leaves_the_table(
    kind: DestinationKind, copy: DltCopy
) -> None:
    files, text = _jobs(copy, "replace", ())
    assert [_rows_of(file) for file in files] == [3]
    assert staging_name(PLACE) in text.lower()
    assert "INSERT INTO" in text.upper()
    assert "DROP" not in text.upper()


def _rows_of(file: Path) -> int:
    """The rows of a job file of any format."""
    if file.suffix == ".parquet":
        return int(pq.read_metadata(file).num_rows)
    text = gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text()
    return sum("null" in line.lower() for line in text.splitlines())


def test_a_key_that_is_none_is_said(tmp_path: Path) -> None:
    address = read_address("bigquery://my-project?key=sesame!").full
    with pytest.raises(InputError, match="not that of a Google service account") as caught:
        DltCopy(ENGINES[DestinationKind.BIGQUERY], address, PLACE, EVERY_TYPE, tmp_path / "work")
    assert "sesame" not in str(caught.value)
