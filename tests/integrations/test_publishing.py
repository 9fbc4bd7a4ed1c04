"""A version of a table in a destination: the same rows, sent as changes where that can be, or nothing at all."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel.destinations.duckdb_file import open_duckdb
from adreel.destinations.postgres import open_postgres
from adreel.destinations.publishing import Published, PublishMode, PublishOrder, publish
from adreel.destinations.session import DestinationSession, Place
from adreel.errors import InputError, ProofError, RetryError, StopError
from adreel.lake import Lake
from lake_rows import Row, day, in_order, put, row, table_rows, window, with_columns
from outside import until
from postgres import PostgresServer

NOW = datetime(2026, 2, 1, tzinfo=UTC)


@dataclass
class Copy:
    """A destination that tests write to and look into."""

    lake: Lake
    open: Callable[[], AbstractContextManager[DestinationSession]]
    query: Callable[[str], list[Row]]
    schema: str = "tiktok"

    def publish(self, version: int | None = None, *, reload: bool = False, **changed: Any) -> Published:
        number = self.lake.table("ads").version if version is None else version
        (run_id,) = [each.run_id for each in self.lake.versions("ads") if each.number == number]
        order = PublishOrder("ads", number, run_id, "home/1", Place(self.schema, "daily"), reload)
        with self.open() as session:
            return publish(session, self.lake, replace(order, **changed), NOW)

    def rows(self, table: str = "daily") -> list[Row]:
        return self.query(f'SELECT * FROM "{self.schema}"."{table}"')

    def is_the_lakes(self) -> bool:
        return in_order(self.rows()) == in_order(table_rows(self.lake))


def duckdb_copy(folder: Path) -> Copy:
    path = folder / "warehouse.duckdb"

    def query(statement: str) -> list[Row]:
        with duckdb.connect(str(path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            answer = connection.execute(statement)
            rows: list[Row] = answer.to_arrow_table().to_pylist() if answer.description else []
            return rows

    return Copy(Lake(folder / "lake"), lambda: open_duckdb(path), query)


@contextmanager
def postgres_copy(folder: Path, server: PostgresServer) -> Iterator[Copy]:
    with server.database("template1") as address:
        url = address.replace("postgresql+psycopg", "postgresql")

        def query(statement: str) -> list[Row]:
            with psycopg.connect(url, autocommit=True) as connection:
                cursor = connection.execute(statement.encode())
                if cursor.description is None:
                    return []
                names = [column.name for column in cursor.description]
                return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

        yield Copy(Lake(folder / "lake"), lambda: open_postgres(url), query)


@pytest.fixture(params=["duckdb", "postgres"])
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Copy]:
    if request.param == "duckdb":
        yield duckdb_copy(tmp_path)
        return
    with postgres_copy(tmp_path, request.getfixturevalue("postgres")) as opened:
        yield opened


def test_the_first_publish_sends_the_whole_table_with_its_types(copy: Copy) -> None:
    schema = with_columns(
        hour=pa.timestamp("us"),
        seen_at=pa.timestamp("us", "UTC"),
        live=pa.bool_(),
        rate=pa.float64(),
        tags=pa.list_(pa.string()),
    )
    values: dict[str, Any] = {
        "hour": datetime(2026, 1, 1, 23),  # noqa: DTZ001 - hours of ad accounts have no zone
        "seen_at": datetime(2026, 1, 1, 23, 59, tzinfo=UTC),
        "live": True,
        "rate": 0.1,
        "tags": ["a", 'b"{}'],
    }
    rows = [row("ö'\"😀", 1, "123456789012.123456", **values), row("b", 2, None, None)]
    put(copy.lake, "run1", "replace", rows, schema=schema)
    assert copy.publish() == Published(PublishMode.FULL, 2, 2, 0)
    assert copy.is_the_lakes()


def test_only_changed_rows_are_sent_and_rows_that_are_gone_leave(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row(ad, on) for ad in "abcd" for on in (1, 2, 3)])
    copy.publish()
    put(copy.lake, "run2", "partition", [row("a", 3, 9), row("b", 3), row("e", 3)], windows=(window(3, 3),))
    assert copy.publish() == Published(PublishMode.CHANGES, 11, 2, 2)
    assert copy.is_the_lakes()


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us")])
def test_days_of_which_all_rows_changed_arrive_with_days_of_which_some_did(copy: Copy, kind: pa.DataType) -> None:
    schema = with_columns(stat_time_day=kind)

    def at(ad: str, on: int, spend: int = 1, hour: int = 0) -> Row:
        if kind == pa.date32():
            return row(ad, on, spend)
        time = datetime(2026, 1, on, hour)  # noqa: DTZ001 - hours of ad accounts have no zone
        return {**row(ad, on, spend), "stat_time_day": time}

    put(copy.lake, "run1", "replace", [at("a", on, hour=23) for on in (1, 2, 3, 4, 6)], schema=schema)
    put(copy.lake, "run2", "upsert", [at("b", on) for on in (1, 2, 3, 6)], schema=schema)
    copy.publish()
    several = [at("a", 1, 9, 23), at("b", 1), at("a", 2, 9, 23), at("b", 2, 9), at("a", 3, hour=23), at("c", 5)]
    put(copy.lake, "run3", "partition", several, windows=(window(1, 5),), schema=schema)
    # Of day 1 a row changed, of day 2 both, of day 3 one left, day 4 is empty, day 5 is new, and day 6 is as it was.
    assert copy.publish() == Published(PublishMode.CHANGES, 8, 4, 2)
    assert in_order(copy.rows()) == in_order(table_rows(copy.lake))


def test_rows_of_a_changed_day_in_files_that_both_versions_have_stay(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1), row("a", 2)])
    put(copy.lake, "run2", "upsert", [row("b", 1)])
    copy.publish()
    put(copy.lake, "run3", "upsert", [row("b", 1, 9)])
    assert copy.publish() == Published(PublishMode.CHANGES, 3, 1, 0)
    assert copy.is_the_lakes()


def test_a_day_that_became_empty_is_empty_at_the_destination(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1), row("a", 2), row("a", 3)])
    copy.publish()
    put(copy.lake, "run2", "partition", [row("a", 3)], windows=(window(2, 3),))
    assert copy.publish() == Published(PublishMode.CHANGES, 2, 0, 1)
    assert copy.is_the_lakes()


def test_days_that_a_rolling_window_drops_go_though_only_later_days_were_read(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row(ad, on) for ad in "abc" for on in (1, 2, 3, 4, 5)])
    copy.publish()
    put(copy.lake, "run2", "upsert", [row("a", 5, 9)], keep_from=day(2))
    put(copy.lake, "run3", "partition", [row("a", 4, 7)], windows=(window(4, 4),))
    touched = [version.touched_days for version in copy.lake.versions("ads")]
    assert touched == [(day(4), day(4)), (day(5), day(5)), None]
    assert copy.publish() == Published(PublishMode.CHANGES, 10, 2, 5)
    assert copy.is_the_lakes()


def test_appended_rows_are_added_with_keys_that_are_there_already(copy: Copy) -> None:
    put(copy.lake, "run1", "append", [row("a", 1), row("b", 1)])
    copy.publish()
    put(copy.lake, "run2", "append", [row("a", 1), row("a", 1, 5)])
    assert copy.publish() == Published(PublishMode.CHANGES, 4, 2, 0)
    assert copy.is_the_lakes()


def test_a_version_that_is_there_is_not_sent_again(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.publish()
    assert copy.publish() == Published(PublishMode.NOTHING, 1, 0, 0)


def test_rows_that_somebody_changed_are_put_right_when_the_version_is_published_again(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1), row("b", 1)])
    copy.publish()
    copy.query(f'UPDATE "{copy.schema}"."daily" SET spend = 7 WHERE ad_id = \'a\'')
    note = f"Something else had changed the table {copy.schema}.daily, so all rows were sent again."
    assert copy.publish() == Published(PublishMode.FULL, 2, 2, 0, repairs=(note,))
    assert copy.is_the_lakes()
    assert copy.publish().mode is PublishMode.NOTHING


def test_versions_in_between_and_a_restore_arrive_as_one_change(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row(ad, 1) for ad in "abcdef"])
    copy.publish()
    put(copy.lake, "run2", "upsert", [row("a", 1, 2)])
    put(copy.lake, "run3", "upsert", [row("b", 1, 3), row("g", 1)])
    assert copy.publish() == Published(PublishMode.CHANGES, 7, 3, 0)
    copy.lake.restore("ads", 0, "restore1", lambda _version: None)
    assert copy.publish() == Published(PublishMode.CHANGES, 6, 2, 1)
    assert copy.is_the_lakes()


def test_new_columns_appear(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1), row("b", 1)])
    copy.publish()
    put(copy.lake, "run2", "upsert", [row("b", 1, likes=7)], schema=with_columns(likes=pa.int64()))
    assert copy.publish().mode is PublishMode.CHANGES
    assert copy.is_the_lakes()


def test_texts_come_without_the_character_that_postgres_cannot_hold(tmp_path: Path, postgres: PostgresServer) -> None:
    schema = with_columns(ad_name=pa.string(), tags=pa.list_(pa.string()))
    names = 'SELECT ad_id, ad_name, tags, clicks FROM "tiktok"."daily" ORDER BY 1'
    with postgres_copy(tmp_path, postgres) as copy:
        odd = row("b\0", 1, ad_name="\0No\0el", tags=["x\0", None])
        put(copy.lake, "run1", "replace", [row("a", 1, ad_name="Plain", tags=None), odd], schema=schema)
        assert copy.publish().mode is PublishMode.FULL
        put(copy.lake, "run2", "upsert", [{**odd, "clicks": 5}], schema=schema)
        assert copy.publish() == Published(PublishMode.CHANGES, 2, 1, 0)
        assert [tuple(line.values()) for line in copy.query(names)] == [
            ("a", "Plain", None, 1),
            ("b", "Noel", ["x", None], 5),
        ]
        assert copy.publish().mode is PublishMode.NOTHING


def test_a_postgres_table_has_an_index_of_its_days_and_keeps_one_of_somebodys(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    with postgres_copy(tmp_path, postgres) as copy:
        indexes = "SELECT indexname FROM pg_indexes WHERE tablename = 'daily'"
        put(copy.lake, "run1", "replace", [row("a", 1)])
        copy.publish()
        assert copy.query(indexes) == [{"indexname": "daily_stat_time_day_idx"}]
        copy.query('DROP INDEX "tiktok"."daily_stat_time_day_idx"')
        copy.query('CREATE INDEX mine ON "tiktok"."daily" (stat_time_day, ad_id)')
        put(copy.lake, "run2", "upsert", [row("a", 1, 2)])
        copy.publish()
        assert copy.query(indexes) == [{"indexname": "mine"}]


def test_a_column_that_is_gone_stays_there_without_its_old_values(copy: Copy) -> None:
    put(
        copy.lake,
        "run1",
        "replace",
        [row("a", 1, likes=7), row("b", 1, likes=8)],
        schema=with_columns(likes=pa.int64()),
    )
    copy.publish()
    put(copy.lake, "run2", "replace", [row("a", 1), row("b", 1, 5)], reset_schema=True)
    assert copy.publish() == Published(PublishMode.CHANGES, 2, 1, 0)
    assert {each["likes"] for each in copy.rows()} == {None}
    assert copy.is_the_lakes()


def test_a_column_of_another_type_is_refused_until_the_table_is_loaded_anew(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1, clicks=1)])
    copy.publish()
    put(copy.lake, "run2", "replace", [row("a", 1, clicks=1)], schema=with_columns(clicks=pa.float64()))
    with pytest.raises(InputError, match=r"clicks was BIGINT and is DOUBLE.*Load it anew"):
        copy.publish()
    assert [each["clicks"] for each in copy.rows()] == [1]
    assert copy.publish(reload=True).mode is PublishMode.FULL
    assert copy.is_the_lakes()


def test_a_table_that_adreel_did_not_make_is_left_alone(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.query('CREATE SCHEMA "tiktok"')
    copy.query('CREATE TABLE "tiktok"."daily" AS SELECT 1 AS mine')
    with pytest.raises(InputError, match=r"tiktok\.daily at the destination that adreel did not make"):
        copy.publish()
    with pytest.raises(InputError, match="that adreel did not make"):
        copy.publish(reload=True)
    assert copy.rows() == [{"mine": 1}]


def test_a_table_of_another_dataset_is_left_alone_until_it_is_taken_over(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.publish(publisher="home/2")
    put(copy.lake, "run2", "replace", [row("b", 1)])
    with pytest.raises(InputError, match="Another dataset"):
        copy.publish()
    copy.publish(reload=True)
    assert copy.is_the_lakes()


def test_rows_that_somebody_deleted_or_changed_there_are_put_right_with_the_next_version(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row(ad, 1) for ad in "abc"])
    for number, harm in enumerate(
        (
            "DELETE FROM {} WHERE ad_id = 'a'",
            "UPDATE {} SET spend = 7 WHERE ad_id = 'a'",
            "INSERT INTO {} SELECT * FROM {}",
        )
    ):
        copy.publish()
        copy.query(harm.replace("{}", '"tiktok"."daily"'))
        put(copy.lake, f"later{number}", "upsert", [row("c", 1, number + 5)])
        assert copy.publish().mode is PublishMode.FULL
        assert copy.is_the_lakes()


def test_a_table_that_somebody_dropped_is_made_again(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.publish()
    copy.query('DROP TABLE "tiktok"."daily"')
    assert copy.publish().mode is PublishMode.FULL
    assert copy.is_the_lakes()


def test_views_on_the_table_stay_whatever_is_sent(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.publish()
    copy.query('CREATE VIEW "tiktok"."spend" AS SELECT sum(spend) AS spend FROM "tiktok"."daily"')
    copy.query('DELETE FROM "tiktok"."daily"')
    put(copy.lake, "run2", "upsert", [row("b", 1, 5)])
    assert copy.publish().mode is PublishMode.FULL
    assert copy.rows("spend") == [{"spend": Decimal(6)}]


def test_a_table_begun_anew_in_the_lake_is_sent_whole_though_its_numbers_are_the_same(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.publish()
    copy.lake.drop("ads")
    put(copy.lake, "run2", "replace", [row("b", 1)])
    put(copy.lake, "run3", "upsert", [row("c", 1)])
    assert copy.publish().mode is PublishMode.FULL
    assert copy.is_the_lakes()


def test_a_file_that_another_process_has_open_is_waited_for(tmp_path: Path) -> None:
    copy = duckdb_copy(tmp_path)
    put(copy.lake, "run1", "replace", [row("a", 1)])
    script = "import sys, duckdb; file = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(tmp_path / "warehouse.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(RetryError, match="Another process has the DuckDB file open"):
            copy.publish()
        other.communicate()
    assert copy.publish().mode is PublishMode.FULL


def test_what_fails_in_between_leaves_the_copy_as_it_was(tmp_path: Path, postgres: PostgresServer) -> None:
    with postgres_copy(tmp_path, postgres) as copy:
        put(copy.lake, "run1", "replace", [row("a", 1)])
        copy.publish()
        before = copy.rows()
        put(copy.lake, "run2", "upsert", [row("a", 1, 2), row("b", 1)])
        copy.query('ALTER TABLE "tiktok"."daily" ADD CHECK (spend < 2)')
        with pytest.raises(StopError, match="check constraint"):
            copy.publish()
        assert copy.rows() == before
        assert [each["version"] for each in copy.rows("_adreel_tables")] == [0]


METHODS = ("replace", "append", "upsert", "partition")
STEP = st.tuples(
    st.sampled_from(METHODS),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.sampled_from((1, 2, None)), st.integers(0, 1)),
        max_size=6,
        unique_by=lambda values: values[:2],
    ),
    st.booleans(),
)


def _apply(lake: Lake, number: int, method: str, rows: Sequence[tuple[str, int, int | None, int]]) -> None:
    lake_rows = [row(ad, on, spend, clicks) for ad, on, spend, clicks in rows]
    windows = (window(1, 4),) if method == "partition" else ()
    put(lake, f"run{number}", method, lake_rows, windows=windows)


def test_the_schema_is_that_of_the_order(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1)])
    copy.publish(place=Place("other schema", "Daily Ads"))
    assert copy.query('SELECT ad_id FROM "other schema"."Daily Ads"') == [{"ad_id": "a"}]


def test_a_copy_that_does_not_become_the_version_is_an_error(tmp_path: Path, postgres: PostgresServer) -> None:
    with postgres_copy(tmp_path, postgres) as copy:
        put(copy.lake, "run1", "replace", [row("a", 1)])
        copy.publish()
        copy.query(
            "CREATE FUNCTION half() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.spend := NEW.spend / 2; RETURN NEW; END $$"
        )
        copy.query('CREATE TRIGGER half BEFORE INSERT ON "tiktok"."daily" FOR EACH ROW EXECUTE FUNCTION half()')
        put(copy.lake, "run2", "upsert", [row("a", 1, 8)])
        with pytest.raises(ProofError, match=r"differs from the version in column spend: 4\.000000, not 8\.000000"):
            copy.publish()
        assert copy.query('SELECT spend FROM "tiktok"."daily"') == [{"spend": Decimal(1)}]


def _changed(copy: Copy, number: int) -> Published:
    """What is published once another row of the third day came."""
    put(copy.lake, f"later{number}", "upsert", [row("z", 3, number)])
    return copy.publish()


DAILY = '"tiktok"."daily"'


def test_rows_of_other_days_that_somebody_changed_are_put_right_though_no_sum_differs(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    harms = (
        f"UPDATE {DAILY} SET ad_id = 'x' WHERE ad_id = 'a' AND stat_time_day = '2026-01-01'",
        f"UPDATE {DAILY} SET spend = 3 - spend WHERE stat_time_day = '2026-01-01'",
        f"DELETE FROM {DAILY} WHERE stat_time_day = '2026-01-02'",
        f"INSERT INTO {DAILY} SELECT * FROM {DAILY} WHERE stat_time_day = '2026-01-02'",
        f"ALTER TABLE {DAILY} DROP COLUMN clicks; ALTER TABLE {DAILY} ADD COLUMN clicks BIGINT DEFAULT 0",
        f"UPDATE {DAILY} SET ad_id = 'x' WHERE stat_time_day = '2026-01-03'",
    )
    with postgres_copy(tmp_path, postgres) as copy:
        put(copy.lake, "run1", "replace", [row("a", 1, 1), row("b", 1, 2), row("a", 2), row("a", 3)])
        copy.publish()
        for number, harm in enumerate(harms):
            assert _changed(copy, number) == Published(PublishMode.CHANGES, 5, 1, 0)
            for statement in harm.split("; "):
                copy.query(statement)
            assert _changed(copy, number + 10).mode is PublishMode.FULL, harm
            assert copy.is_the_lakes()
        copy.query(harms[1])
        assert copy.publish().mode is PublishMode.FULL


def test_a_row_that_somebody_changes_while_changes_are_sent_is_put_right(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'adreel' AND wait_event_type = 'Lock'"
    with postgres_copy(tmp_path, postgres) as copy, ThreadPoolExecutor(1) as pool:
        put(copy.lake, "run1", "replace", [row("a", 3, 1), row("z", 3, 2)])
        copy.publish()
        with copy.open() as somebody, somebody.transaction("of somebody"):
            somebody.run(f"UPDATE {DAILY} SET ad_id = 'b' WHERE ad_id = 'a'")
            somebody.run(f"UPDATE {DAILY} SET clicks = clicks WHERE ad_id = 'z'")
            published = pool.submit(_changed, copy, 5)
            until(lambda: bool(copy.query(f"{waiting} AND datname = current_database()")))
        assert published.result().mode is PublishMode.FULL
        assert copy.is_the_lakes()


def test_a_table_that_was_written_anew_as_it_was_takes_changes(tmp_path: Path, postgres: PostgresServer) -> None:
    with postgres_copy(tmp_path, postgres) as copy:
        put(copy.lake, "run1", "replace", [row("a", 1), row("z", 3)])
        for number, harm in enumerate(("VACUUM FULL {}", "CREATE TABLE new AS SELECT * FROM {}", "ANALYZE {}")):
            copy.publish()
            copy.query(harm.format(DAILY))
            if "CREATE" in harm:
                copy.query(f"DROP TABLE {DAILY}")
                copy.query("ALTER TABLE new SET SCHEMA tiktok")
                copy.query('ALTER TABLE "tiktok".new RENAME TO daily')
            assert _changed(copy, number + 2) == Published(PublishMode.CHANGES, 2, 1, 0)
            assert copy.is_the_lakes()


def test_a_column_that_somebody_added_keeps_its_values_on_rows_that_do_not_change(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1), row("z", 3)])
    copy.publish()
    copy.query(f"ALTER TABLE {DAILY} ADD COLUMN team VARCHAR")
    for number in (1, 2):
        copy.query(f"UPDATE {DAILY} SET team = 'team {number}'")
        assert _changed(copy, number + 1) == Published(PublishMode.CHANGES, 2, 1, 0)
        assert {each["ad_id"]: each["team"] for each in copy.rows()} == {"a": f"team {number}", "z": None}


@pytest.mark.parametrize(("table", "method"), [("_adreel_files", "append"), ("_adreel_row_log", "upsert")])
def test_figures_of_earlier_publishes_are_used_and_read_anew_where_they_are_wrong(
    tmp_path: Path, postgres: PostgresServer, table: str, method: str
) -> None:
    with postgres_copy(tmp_path, postgres) as copy:
        put(copy.lake, "run1", "append", [row("a", 1)]) if method == "append" else None
        put(copy.lake, "run2", method, [row("b", 1), row("b", 2), row("b", 3)])
        copy.publish()
        copy.query(f"""UPDATE tiktok.{table} SET figures = replace(figures, '"rows": ', '"rows": 7')""")
        put(copy.lake, "run3", method, [row("c", 3)])
        assert copy.publish().mode is PublishMode.FULL
        assert copy.is_the_lakes()
        assert copy.publish().mode is PublishMode.NOTHING


def test_a_column_that_somebody_made_inexact_is_refused_until_the_table_is_loaded_anew(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1), row("z", 3)])
    copy.publish()
    copy.query(f"ALTER TABLE {DAILY} ALTER COLUMN spend TYPE DOUBLE PRECISION")
    with pytest.raises(InputError, match=r"spend of the table tiktok\.daily .* floating-point numbers"):
        _changed(copy, 5)
    assert copy.publish(reload=True).mode is PublishMode.FULL
    assert copy.is_the_lakes()


def test_settings_of_the_database_change_nothing(tmp_path: Path, postgres: PostgresServer) -> None:
    settings_of_role = ("DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Tokyo'", "search_path = public, pg_temp, tiktok")
    schema = with_columns(seen_at=pa.timestamp("us", "UTC"), **{'odd \\"name': pa.string()})
    values: dict[str, Any] = {"seen_at": datetime(2026, 1, 1, 23, 59, tzinfo=UTC), 'odd \\"name': 'back\\slash"'}
    with postgres_copy(tmp_path, postgres) as copy:
        (name,) = copy.query("SELECT current_database() AS name")
        for setting in (*settings_of_role, "standard_conforming_strings = off"):
            copy.query(f'ALTER DATABASE "{name["name"]}" SET {setting}')
        put(copy.lake, "run1", "replace", [row(ad, 4, **values) for ad in "abc"], schema=schema)
        copy.publish()
        put(copy.lake, "run2", "partition", [row("a", 4, 2, **values)], schema=schema, windows=(window(4, 4),))
        assert copy.publish() == Published(PublishMode.CHANGES, 1, 1, 2)
        assert copy.publish().mode is PublishMode.NOTHING
        copy.query(f'ALTER DATABASE "{name["name"]}" RESET ALL')
        assert in_order(copy.rows()) == in_order(table_rows(copy.lake))


def test_rows_that_a_policy_hides_from_adreel_are_an_error(tmp_path: Path, postgres: PostgresServer) -> None:
    with postgres_copy(tmp_path, postgres) as copy:
        with copy.open() as session:
            url = session.rows("SELECT CAST(inet_server_port() AS TEXT), CAST(current_database() AS TEXT)")[0]
        copy.query("CREATE ROLE narrow LOGIN")
        copy.query(f'GRANT CREATE ON DATABASE "{url[1]}" TO narrow')
        try:
            copy.open = lambda: open_postgres(f"postgresql://narrow@127.0.0.1:{url[0]}/{url[1]}")
            put(copy.lake, "run1", "replace", [row("a", 1), row("b", 1)])
            copy.publish()
            copy.query(f"ALTER TABLE {DAILY} FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY")
            copy.query(f"CREATE POLICY hide ON {DAILY} USING (ad_id <> 'b')")
            copy.query(f"INSERT INTO {DAILY} SELECT * FROM {DAILY} WHERE ad_id = 'b'")
            with pytest.raises(InputError, match="row-level security"):
                copy.publish()
        finally:
            copy.query("DROP OWNED BY narrow CASCADE")
            copy.query("DROP ROLE narrow")


# -- history


def kinds(before: int, after: int) -> Callable[[str | None, date | None], str]:
    return lambda advertiser, on: f"{advertiser} {on} {before}-{after}"


def history_of(copy: Copy, version: int) -> list[Row]:
    """The rows of a version, as the history has them."""
    rows = copy.query(
        f'SELECT * FROM "{copy.schema}"."daily_history" WHERE _from_version <= {version} '
        f"AND (_to_version IS NULL OR _to_version > {version})"
    )
    return [{name: value for name, value in each.items() if not name.startswith("_")} for each in rows]


def test_the_history_has_the_rows_of_every_version(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1), row("b", 1), row("c", 2)])
    put(copy.lake, "run2", "upsert", [row("a", 1, 2)])
    copy.publish(history=kinds)
    put(copy.lake, "run3", "partition", [row("c", 2, 3)], windows=(window(1, 2),))
    put(copy.lake, "run4", "upsert", [row("b", 1, 7), row("d", 3)])
    copy.lake.restore("ads", 1, "restore1", lambda _version: None)
    copy.publish(history=kinds)
    for version in range(5):
        assert in_order(history_of(copy, version)) == in_order(table_rows(copy.lake, version=version)), version
    moves = copy.query(
        "SELECT spend, _from_version, _from_kind, _to_version, _to_kind "
        'FROM "tiktok"."daily_history" WHERE ad_id = \'a\' ORDER BY _from_version'
    )
    assert [tuple(move.values()) for move in moves] == [
        (Decimal(1), 0, "first", 1, "1 2026-01-01 0-1"),
        (Decimal(2), 1, "1 2026-01-01 0-1", 2, "1 2026-01-01 1-2"),
        (Decimal(2), 4, "1 2026-01-01 3-4", None, None),
    ]
    before = copy.rows("daily_history")
    copy.publish(history=kinds)
    assert copy.rows("daily_history") == before


def test_a_history_goes_on_though_the_lake_forgot_the_version_there_and_columns_came_and_went(copy: Copy) -> None:
    likes = with_columns(likes=pa.int64())
    put(copy.lake, "run1", "replace", [row("a", 1), row("b", 1), row("c", 1)])
    copy.publish(history=kinds)
    put(copy.lake, "run2", "upsert", [row("a", 1, 2)])
    put(copy.lake, "run3", "replace", [row("a", 1, 2, likes=7), row("b", 1)], schema=likes)
    copy.lake.vacuum("ads", keep_days=0, keep_versions=1)
    copy.publish(history=kinds)
    assert in_order(history_of(copy, 2)) == in_order(table_rows(copy.lake))
    (gone,) = copy.query('SELECT _to_version, _to_kind FROM "tiktok"."daily_history" WHERE ad_id = \'c\'')
    assert gone == {"_to_version": 2, "_to_kind": "unknown"}
    put(copy.lake, "run4", "replace", [row("a", 1, 2), row("b", 1)], reset_schema=True)
    copy.publish(history=kinds)
    assert {each["likes"] for each in history_of(copy, 3)} == {None}
    assert {each["likes"] for each in history_of(copy, 2)} == {None, 7}


OTHERS_CHANGES = (
    "UPDATE {} SET ad_id = 'x' WHERE ad_id = 'a' AND _from_version = 0",
    "UPDATE {} SET _from_version = 1 WHERE ad_id = 'a' AND _from_version = 0",
    "UPDATE {} SET _to_kind = 'late' WHERE ad_id = 'a' AND _from_version = 0",
    "UPDATE {} SET _from_time = _from_time + INTERVAL '1 hour' WHERE _to_version IS NULL",
    "UPDATE {} SET spend = 9 WHERE ad_id = 'b'",
    "DELETE FROM {} WHERE _to_version = 1",
    "DELETE FROM {} WHERE _to_version IS NULL",
    "INSERT INTO {} SELECT * FROM {} WHERE _to_version = 1",
)


def test_what_others_change_in_a_history_is_written_again(copy: Copy) -> None:
    put(copy.lake, "run0", "replace", [row("a", 1), row("b", 1)])
    put(copy.lake, "run1", "upsert", [row("a", 1, 2)])
    copy.publish(history=kinds)
    before = in_order(copy.rows("daily_history"))
    for change in OTHERS_CHANGES:
        copy.query(change.replace("{}", '"tiktok"."daily_history"'))
        (note,) = copy.publish(history=kinds).repairs
        assert "changed the history tiktok.daily_history, so all its rows were written again" in note, change
        assert in_order(copy.rows("daily_history")) == before, change
    assert copy.publish(history=kinds).repairs == ()
    copy.query(OTHERS_CHANGES[0].replace("{}", '"tiktok"."daily_history"'))
    put(copy.lake, "run2", "upsert", [row("a", 1, 3, likes=7)], schema=with_columns(likes=pa.int64()))
    assert len(copy.publish(history=kinds).repairs) == 1
    put(copy.lake, "run3", "upsert", [row("b", 1, 4)])
    assert copy.publish(history=kinds).repairs == ()
    assert [in_order(history_of(copy, version)) for version in (2, 3)] == [
        in_order(table_rows(copy.lake, version=version)) for version in (2, 3)
    ]


def test_what_others_change_in_a_history_of_versions_that_are_gone_is_named_until_it_is_back(copy: Copy) -> None:
    put(copy.lake, "run0", "replace", [row("a", 1), row("b", 1)])
    put(copy.lake, "run1", "upsert", [row("a", 1, 2)])
    copy.publish(history=kinds)
    copy.lake.vacuum("ads", keep_days=0, keep_versions=1)
    copy.query('UPDATE "tiktok"."daily_history" SET ad_id = \'x\' WHERE _to_version = 1')
    for number in (2, 3):
        put(copy.lake, f"run{number}", "upsert", [row("b", 1, number)])
        (note,) = copy.publish(history=kinds).repairs
        assert "rows of the history tiktok.daily_history that versions 1 had closed" in note
        assert in_order(history_of(copy, number)) == in_order(table_rows(copy.lake))
    copy.query('UPDATE "tiktok"."daily_history" SET ad_id = \'a\' WHERE _to_version = 1')
    assert copy.publish(history=kinds).repairs == ()
    copy.query('UPDATE "tiktok"."daily_history" SET spend = 9 WHERE ad_id = \'a\' AND _to_version IS NULL')
    put(copy.lake, "run4", "upsert", [row("b", 1, 5)])
    with pytest.raises(ProofError, match=r"daily_history.*column spend.*history is not repaired"):
        copy.publish(history=kinds)
    copy.publish(history=kinds, reload=True)
    assert in_order(history_of(copy, 4)) == in_order(table_rows(copy.lake))


def test_a_history_needs_a_key_and_a_name_and_touches_no_other_table(copy: Copy) -> None:
    put(copy.lake, "run1", "append", [row("a", 1)])
    with pytest.raises(InputError, match="another update method than append"):
        copy.publish(history=kinds)
    put(copy.lake, "run2", "replace", [row("a", 1)])
    with pytest.raises(InputError, match="at most 55 characters"):
        copy.publish(history=kinds, place=Place("tiktok", "x" * 60))
    copy.publish(place=Place("tiktok", "daily_history"), publisher="home/2")
    for reload in (False, True):
        with pytest.raises(InputError, match=r"daily_history at the destination is not the history of daily"):
            copy.publish(history=kinds, reload=reload)
    assert len(copy.rows("daily_history")) == 1


def test_a_history_of_a_table_that_was_made_anew_in_the_lake_is_refused(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("a", 1)])
    put(copy.lake, "run2", "replace", [row("a", 1, 2)])
    copy.publish(history=kinds)
    copy.lake.drop("ads")
    put(copy.lake, "run3", "replace", [row("b", 1)])
    with pytest.raises(InputError, match="that of another table"):
        copy.publish(history=kinds)


def test_the_figures_of_the_version_are_published_with_it(copy: Copy) -> None:
    put(copy.lake, "run1", "replace", [row("ab", 1, "1.5"), row("b", 1, None), row("c", 3, 2)])
    copy.publish()
    copy.publish()
    figures = {each["column_name"]: (each["value_count"], each["value_sum"]) for each in copy.rows("_adreel_figures")}
    assert figures["spend"] == (2, Decimal("3.5"))
    assert figures["ad_id"] == (3, 4)
    assert figures["stat_time_day"] == (3, None)
    days = [(each["day"].isoformat(), each["currency"], each["row_count"]) for each in copy.rows("_adreel_days")]
    assert sorted(days) == [("2026-01-01", None, 2), ("2026-01-03", None, 1)]


def test_a_currency_and_a_day_that_somebody_changed_are_put_right_with_the_next_version(copy: Copy) -> None:
    schema = with_columns(currency=pa.string())
    put(copy.lake, "run1", "replace", [row(ad, on, currency="EUR") for ad in "ab" for on in (1, 5)], schema=schema)
    harms = ("currency = 'USD'", "stat_time_day = '2026-01-04' WHERE stat_time_day = '2026-01-03'")
    for number, harm in enumerate(harms):
        put(copy.lake, f"day{number}", "upsert", [row("c", 3, number, currency="EUR")], schema=schema)
        copy.publish()
        copy.query(f'UPDATE "tiktok"."daily" SET {harm}')
        put(copy.lake, f"later{number}", "upsert", [row("a", 1, number + 5, currency="EUR")], schema=schema)
        assert copy.publish().mode is PublishMode.FULL
        assert copy.is_the_lakes()


@settings(max_examples=12)
@given(st.lists(STEP, min_size=2, max_size=6))
def test_whatever_versions_follow_each_other_the_history_has_the_rows_of_each(
    steps: Sequence[tuple[str, Sequence[tuple[str, int, int | None, int]], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = duckdb_copy(Path(folder))
        for number, (method, rows, sent) in enumerate(steps):
            _apply(copy.lake, number, "upsert" if method == "append" else method, rows)
            if sent:
                copy.publish(history=kinds)
        copy.publish(history=kinds)
        for version in copy.lake.versions("ads"):
            there = in_order(history_of(copy, version.number))
            assert there == in_order(table_rows(copy.lake, version=version.number))
