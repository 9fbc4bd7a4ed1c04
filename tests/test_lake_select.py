"""SQL of somebody who is not at this machine: what it reads, and what it cannot."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from adreel.errors import InputError, StorageError
from adreel.export.files import stream
from adreel.lake import Lake
from adreel.lake.functions import FUNCTIONS, TABLE_FUNCTIONS
from adreel.lake.query import Connection
from adreel.lake.storage import Storage
from lake_rows import put, row


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake, from which others are copied."""
    folder = tmp_path_factory.mktemp("prepared") / "lake"
    lake = Lake(folder)
    put(lake, "run1", "append", [row("a", 1, "1.5"), row("b", 2, 2), row("c", 3, None)])
    put(lake, "run1", "append", [row("x", 1)], slug="other")
    return folder


@pytest.fixture
def lake(prepared: Path, tmp_path: Path) -> Lake:
    shutil.copytree(prepared, tmp_path / "lake")
    return Lake(tmp_path / "lake")


@pytest.fixture
def connection(lake: Lake) -> Iterator[Connection]:
    views = lake.snapshot({"ads": "ads", "Other ads": "other"}).views
    with Connection(Storage(lake.url), views, read_only=True) as connection:
        yield connection


def answer(connection: Connection, sql: str, limit: int = 100) -> list[list[Any]]:
    table = connection.rows(sql, limit)
    assert table is not None
    return [list(record.values()) for record in table.to_pylist()]


# -- what it reads


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select ad_id, spend from ads order by spend desc nulls last limit 1", [["b", Decimal(2)]]),
        ("from ads select ad_id where spend is null", [["c"]]),
        ('select a.ad_id, (select count(*) from "Other ads") from ADS a where spend > 1.6', [["b", 1]]),
        ("with t as (select sum(spend) as s from ads), u as (from t) select s from u", [[Decimal("3.5")]]),
        ("with recursive t(n) as (select 1 union all select n + 1 from t where n < 3) select max(n) from t", [[3]]),
        ("select count(*) from main.ads, memory.main.ads as again", [[9]]),
        ("select ad_id from ads where ad_id in (select ad_id from ads intersect select 'b')", [["b"]]),
        ("select * from (values (1, 'x')) as t(n, name)", [[1, "x"]]),
        ("from range(2)", [[0], [1]]),
        ("select unnest(['p', 'q']) as x", [["p"], ["q"]]),
        ("select column_name from (describe ads) limit 1", [["advertiser_id"]]),
        ("select max from (summarize ads) where column_name = 'ad_id'", [["c"]]),
        ("pivot ads on ad_id in ('a', 'b') using sum(spend) group by advertiser_id", [["1", Decimal("1.5"), 2]]),
        ("select ad_id from ads qualify row_number() over (order by spend desc nulls last) = 1", [["b"]]),
        (
            "select lpad('7', 3, '0'), repeat('ab', 2), range(3), format('{:.1f}', 2.0)",
            [["007", "abab", [0, 1, 2], "2.0"]],
        ),
        ("select list_transform([1, 2], lambda x: x + 1) /* ; drop table ads */ -- copy", [[[2, 3]]]),
        ("select 'current_setting(''temp_directory'')' as text;", [["current_setting('temp_directory')"]]),
    ],
)
def test_ordinary_sql_is_answered(connection: Connection, sql: str, expected: list[list[Any]]) -> None:
    assert answer(connection, sql) == expected


def test_only_so_many_rows_come_as_were_asked_for(connection: Connection) -> None:
    assert len(answer(connection, "from ads", limit=2)) == 2
    assert len(answer(connection, "from range(1000000000)", limit=7)) == 7


def test_an_answer_keeps_its_types_and_can_be_empty(connection: Connection) -> None:
    table = connection.rows("select spend, stat_time_day, ad_id from ads where false", 5)
    assert table is not None
    assert table.schema.types == [pa.decimal128(24, 6), pa.date32(), pa.string()]
    assert table.num_rows == 0


def test_an_answer_is_streamed_to_an_export(connection: Connection) -> None:
    reader = connection.reader("select ad_id, spend from ads order by ad_id")
    assert reader is not None
    chunks = stream(reader, "csv")
    assert b"".join(chunks).decode() == '"ad_id","spend"\n"a",1.500000\n"b",2.000000\n"c",\n'


def test_a_query_at_this_machine_may_still_make_tables_of_its_own(lake: Lake) -> None:
    with lake.connect({"ads": "ads"}) as connection:
        assert connection.rows("create table mine as from ads", 5) is None
        assert answer(connection, "select count(*) from mine") == [[3]]
        assert connection.reader("drop table mine") is None


def test_no_query_at_this_machine_reads_files_while_it_is_taken_apart(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("schema", "load"):
        (tmp_path / "out" / f"{name}.sql").write_text("select 'the secret'")
    with lake.connect({"ads": "ads"}) as connection, pytest.raises((duckdb.Error, InputError)) as caught:
        connection.sql(f"import database '{tmp_path}/out'")
    assert "file system operations are disabled" in str(caught.value)


# -- what it cannot


@pytest.mark.parametrize(
    "sql",
    [
        "copy ads to '{folder}/out.csv'",
        "copy (select 1) to '{folder}/out.parquet'",
        "export database '{folder}/out'",
        "import database '{folder}/out'",
        "attach '{folder}/other.db' as other",
        "attach 'https://127.0.0.1:1/x.db'",
        "detach memory",
        "install httpfs",
        "load httpfs",
        "load '{folder}/secret.txt'",
        "set enable_external_access = true",
        "reset lock_configuration",
        "pragma database_list",
        "pragma enable_profiling",
        "call pragma_version()",
        "create table mine as from ads",
        "create temp table mine as from ads",
        "create view mine as from ads",
        "create macro mine(x) as x",
        "create secret (type s3)",
        "insert into ads from ads",
        "update ads set spend = 0",
        "delete from ads",
        "drop view ads",
        "alter view ads rename to mine",
        "prepare p as select 1",
        "execute p",
        "explain select 1",
        "explain analyze select 1",
        "begin",
        "use memory",
        "vacuum",
        "checkpoint",
        "set variable x = 1",
        "comment on view ads is 'x'",
        "select 1; copy ads to '{folder}/out.csv'",
        "select 1; select 2",
        "show tables",
        "show all tables",
        "show databases",
        "pivot ads on ad_id using sum(spend)",
        "",
        ";",
        "-- nothing",
        "select 1\0; select 2",
        "select '\ud800'",
        # files and the network
        "from read_csv('/etc/passwd')",
        "from read_csv_auto('{folder}/secret.txt')",
        "from read_text('{folder}/secret.txt')",
        "from read_blob('{folder}/*')",
        "from read_json('{folder}/secret.txt')",
        "from read_parquet('{file}')",
        "from parquet_scan('{file}')",
        "from parquet_metadata('{file}')",
        "from parquet_schema('{file}')",
        "from parquet_kv_metadata('{file}')",
        "from '{folder}/secret.txt'",
        "from '{file}'",
        "from glob('/etc/*')",
        "from sniff_csv('/etc/passwd')",
        "from read_duckdb('{folder}/x.db')",
        "from read_parquet('https://127.0.0.1:1/x.parquet')",
        "from 's3://bucket/x.parquet'",
        "select * from ads, lateral (from read_text('{folder}/secret.txt'))",
        "select (select content from read_text('{folder}/secret.txt'))",
        "with t as (from read_text('{folder}/secret.txt')) from t",
        "select 1 where exists (from glob('/*'))",
        "describe read_text('{folder}/secret.txt')",
        "summarize (from read_text('{folder}/secret.txt'))",
        "pivot (from glob('/*')) on file in ('x') using count(*)",
        # what is written in a text
        "from query('select 1')",
        "from query_table('ads')",
        "from json_execute_serialized_sql(json_serialize_sql('select 1'))",
        # the machine and its settings
        "select getenv('HOME')",
        "select current_setting('temp_directory')",
        "select \"Current_Setting\"('allowed_paths')",
        "select system.main.current_setting('allowed_paths')",
        "select 'allowed_paths'.current_setting()",
        "select list_transform(['allowed_paths'], lambda x: current_setting(x))",
        "select ad_id from ads order by current_setting('home_directory')",
        "from duckdb_settings()",
        "from duckdb_settings",
        "from duckdb_secrets()",
        "from duckdb_secret_types()",
        "from which_secret('s3://x', 's3')",
        "from duckdb_views()",
        "from duckdb_databases()",
        "from duckdb_temporary_files()",
        "from duckdb_extensions()",
        "from duckdb_logs()",
        "from duckdb_memory()",
        "from pragma_database_size()",
        "from pragma_platform()",
        "from information_schema.tables",
        "from information_schema.views",
        "from system.information_schema.tables",
        "from pg_catalog.pg_views",
        "from pg_views",
        "from sqlite_master",
        "from duckdb_views, (with duckdb_views as (select 1) select 2)",
        "from ads, (with other as (select 1) from other), other.ads",
        "from other",
        "select pg_get_viewdef(1)",
        "select json_serialize_plan('select * from ads')",
        "select write_log('x')",
        # functions that stand in no list
        "select sleep_ms(1)",
        "select pg_sleep(1)",
        "select current_query()",
        "select nextval('x')",
        "select getvariable('x')",
        "select json_serialize_sql('select 1')",
        "select sum(sleep_ms(1)) over () from ads",
        "select list_transform([1], lambda x: sleep_ms(x))",
        "from range(sleep_ms(1))",
        "select * from ads order by txid_current()",
        "select in_search_path('memory', 'main')",
        "select no_function_of_that_name(1)",
    ],
)
def test_all_else_is_refused_and_nothing_is_touched(connection: Connection, tmp_path: Path, sql: str) -> None:
    (tmp_path / "secret.txt").write_text("the secret")
    file = next((tmp_path / "lake" / "ads").glob("*.parquet"))
    before = file.read_bytes()
    query = sql.format(folder=tmp_path, file=file)
    with pytest.raises(InputError) as caught:
        connection.rows(query, 10)
    assert "the secret" not in caught.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "secret.txt"]
    assert file.read_bytes() == before
    # It goes on working afterwards.
    assert answer(connection, "select count(*) from ads") == [[3]]


@pytest.mark.slow
def test_no_function_tells_where_the_lake_is(connection: Connection, lake: Lake) -> None:
    with duckdb.connect() as plain:
        names = plain.execute(
            "select distinct function_type, function_name from duckdb_functions() where len(parameters) <= 1 "
            "and function_name ~ '^[a-z]\\w+$' and function_name not like 'icu_%' and function_name not like '%sleep%'"
        ).fetchall()
    assert len(names) > 300
    secrets = (lake.url, tempfile.gettempdir() + "/adreel-")
    given = ("", "'allowed_paths'", "'temp_directory'", "'select * from ads'")
    for kind, name in names:
        for argument in given:
            sql = f'from "{name}"({argument})' if kind.startswith("table") else f'select "{name}"({argument}) from ads'
            try:
                answer_text = str(connection.rows(sql, 3))
            except InputError as error:
                answer_text = error.message
            assert not any(secret in answer_text for secret in secrets), sql


def test_only_functions_of_the_list_may_be_used(connection: Connection) -> None:
    with duckdb.connect() as plain:
        kinds = plain.execute("select distinct function_type, lower(function_name) from duckdb_functions()").fetchall()
    tables = {name for kind, name in kinds if kind in ("table", "table_macro")}
    values = {name for kind, name in kinds if kind in ("scalar", "aggregate", "macro")}
    assert len(tables) > 70
    for name in tables - TABLE_FUNCTIONS:
        with pytest.raises(InputError, match="cannot be used in FROM here"):
            connection.rows(f"from {name}('x')", 1)
    refused = {name for name in values - FUNCTIONS if re.fullmatch(r"[a-z_]\w*", name)}
    assert len(refused) > 200
    for name in refused - {"user"}:
        with pytest.raises(InputError, match="is not available here"):
            connection.rows(f'select "{name}"()', 1)
    # No name of the list is one that DuckDB does not have, so that none is let through by an oversight later.
    assert {name for name in FUNCTIONS if re.fullmatch(r"[a-z_]\w*", name)} <= values | TABLE_FUNCTIONS
    with pytest.raises(InputError, match="Did you mean 'sum"):
        connection.rows("select summ(spend) from ads", 1)


def test_a_missing_table_is_reported_with_the_available_ones(connection: Connection) -> None:
    with pytest.raises(InputError, match="table nothing was not found; available: ads, other ads"):
        connection.rows("from nothing", 1)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select spent from ads", "column spent does not exist"),
        ("select 1 from from", 'syntax error at "from"'),
        ("select cast(ad_id as int) from ads", "Could not convert string 'a' to INT32"),
        ("select 1" + " + 1" * 5_000, "The query"),
        ("select " + "(" * 20_000, "The query"),
    ],
)
def test_what_duckdb_says_against_a_query_is_told(connection: Connection, sql: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        connection.rows(sql, 1)
    assert words in caught.value.message


def test_files_that_are_gone_are_no_fault_of_the_query(connection: Connection, tmp_path: Path) -> None:
    for file in (tmp_path / "lake" / "ads").glob("*.parquet"):
        file.unlink()
    with pytest.raises(StorageError):
        connection.rows("select sum(spend) from ads", 1)
