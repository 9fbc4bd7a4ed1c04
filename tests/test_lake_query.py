"""SQL over tables: what it may read, and what it may not."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from adreel.errors import InputError, NotFoundError
from adreel.lake import Lake
from adreel.lake.query import Connection
from adreel.lake.sql_errors import QueryError
from lake_rows import put, row, with_columns


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    put(lake, "run1", "append", [row("a", 1, "1.5"), row("b", 2, 2)])
    put(lake, "run2", "append", [row("c", 3, 4)])
    return lake


def read_all(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    answer = connection.sql(sql)
    assert answer is not None
    return answer.fetchall()


def test_each_name_is_a_view_of_its_table(lake: Lake) -> None:
    put(lake, "run1", "append", [row("x", 1)], slug="other")
    with lake.connect({"spend": "ads", "Other ads": "other"}) as connection:
        answer = connection.sql('select sum(spend), (select count(*) from "Other ads") from spend')
        assert answer is not None
        assert [str(value) for value in answer.fetchall()[0]] == ["7.500000", "1"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("depend", None), ("pg_tabels", None), ("ad", "ads"), ("ADS_DAILY", "ads_dayly")],
)
def test_a_table_that_does_not_exist_is_compared_only_with_those_of_the_lake(
    lake: Lake, name: str, meant: str | None
) -> None:
    with lake.connect({"ads": "ads", "ads_dayly": "ads"}) as connection, pytest.raises(QueryError) as caught:
        connection.rows(f"select * from {name}", 1)
    words = str(caught.value)
    assert f"table {name} does not exist." in words
    assert re.findall(r"Did you mean (.*)\?", words) == ([meant] if meant else [])


def test_a_view_stays_as_it_was_when_it_was_opened(lake: Lake) -> None:
    with lake.connect({"ads": "ads"}) as connection:
        put(lake, "run3", "replace", [])
        answer = connection.sql("from ads")
        assert answer is not None
        assert len(answer.fetchall()) == 3


def test_a_table_without_rows_has_its_columns(lake: Lake) -> None:
    put(lake, "run3", "replace", [])
    with lake.connect({"ads": "ads"}) as connection:
        answer = connection.sql("from ads")
        assert answer is not None
        assert answer.columns == lake.table("ads").schema.names
        assert answer.fetchall() == []


def test_a_query_may_make_tables_of_its_own_on_the_way(lake: Lake) -> None:
    with lake.connect({"ads": "ads"}) as connection:
        assert connection.sql("create table mine as from ads") is None
        assert read_all(connection, "delete from mine where spend < 2; select count(*) from mine") == [(2,)]


def test_hours_and_instants_come_as_they_are_whatever_zone_the_machine_is_in(lake: Lake) -> None:
    schema = with_columns(hour=pa.timestamp("us"), at=pa.timestamp("us", tz="UTC"))
    put(lake, "run1", "append", [], slug="hours", schema=schema)
    with lake.connect({"hours": "hours"}) as connection:
        assert read_all(connection, "select timestamptz '2026-01-01 23:30:00+00' :: date :: varchar") == [
            ("2026-01-01",)
        ]


@pytest.mark.parametrize(
    "sql",
    [
        "copy ads to '{folder}/out.csv'",
        "copy ads to '{file}' (format parquet, use_tmp_file false)",
        "explain analyze copy ads to '{folder}/out.csv'",
        "prepare sneaky as copy ads to '{folder}/out.csv'",
        "attach '{folder}/other.db'",
        "export database '{folder}/out'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "pragma enable_profiling",
        "select 1; copy ads to '{folder}/out.csv'",
    ],
)
def test_statements_that_could_write_or_open_files_are_refused(lake: Lake, tmp_path: Path, sql: str) -> None:
    file = next((tmp_path / "lake" / "ads").glob("*.parquet"))
    before = file.read_bytes()
    with lake.connect({"ads": "ads"}) as connection, pytest.raises(InputError, match="statement cannot be used here"):
        connection.sql(sql.format(folder=tmp_path, file=file))
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "sql",
    [
        "from read_csv('/etc/passwd')",
        "from read_text('{folder}/secret.txt')",
        "from '{folder}/secret.txt'",
        "from glob('/etc/*')",
        "from read_parquet('https://127.0.0.1:1/x.parquet')",
        "create table x as from read_text('{folder}/secret.txt')",
        "create view x as from read_text('{folder}/secret.txt'); from x",
        "select getenv('HOME')",
        "from query('copy ads to ''{folder}/out.csv''')",
    ],
)
def test_queries_read_nothing_but_the_tables(lake: Lake, tmp_path: Path, sql: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    with lake.connect({"ads": "ads"}) as connection, pytest.raises(duckdb.Error):
        read_all(connection, sql.format(folder=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "secret.txt"]


def test_queries_do_not_see_the_variables_of_the_program(lake: Lake) -> None:
    hidden = pa.table({"a": [1]})
    assert hidden.num_rows == 1
    with lake.connect({"ads": "ads"}) as connection, pytest.raises(duckdb.Error, match="hidden"):
        connection.sql("from hidden")


def test_a_table_that_does_not_exist_is_told_by_name(lake: Lake) -> None:
    with pytest.raises(NotFoundError, match="The table other does not exist"):
        lake.connect({"ads": "ads", "other": "other"})


def test_nothing_is_left_on_disk_afterwards(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with lake.connect({"ads": "ads"}) as connection:
        connection.sql("create table mine as from ads")
        assert list(scratch.iterdir())
    lake.difference("ads", 0, 1)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["a b#é", "what?", "[x]", "it's"])
def test_the_lake_may_lie_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    lake = Lake(tmp_path / name)
    put(lake, "run1", "append", [row("a", 1)])
    put(lake, "run2", "upsert", [row("a", 1, 2)])
    assert lake.difference("ads", 0, 1).changed == 1
    assert [version.number for version in lake.versions("ads")] == [1, 0]
    with lake.connect({"ads": "ads"}) as connection:
        assert read_all(connection, "select spend from ads") == [(2,)]
