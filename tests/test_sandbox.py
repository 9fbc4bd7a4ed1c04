"""SQL in a process of its own: what limits it, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pyarrow as pa
import pytest

from adreel.errors import CancelledError, InputError, StorageError
from adreel.lake import Lake
from adreel.lake.sql_errors import QueryError, SqlPlace
from adreel.sandbox import AnswerForm, QueryLimits, QueryRequest, Sandbox, object_store_environment
from lake_rows import put, row

MB = 1 << 20
LIMITS = QueryLimits(256 * MB, 30, "ADREEL_QUERY_MEMORY", "ADREEL_QUERY_SECONDS", disk=64 * MB, output=8 * MB)
ENDLESS = "select count(*) from range(10000000000) a, range(1000000) b"
MORE_THAN_MEMORY = "The query needed more than 256 MB of memory. Aggregate or filter earlier, or raise ADREEL_QUERY_MEM"

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems hold no limit of memory")

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("home") / "lake")
    put(lake, "run1", "append", [row("a", 1, "1.5"), row("b", 2, 2), row("c", 3, None)])
    return lake


@pytest.fixture(scope="module")
def box(scratch: Path) -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, Sandbox() as box:
        patch.setattr(tempfile, "tempdir", str(scratch))
        box.start()
        yield box


@pytest.fixture
def ask(box: Sandbox, lake: Lake, scratch: Path) -> Iterator[Ask]:
    """The rows of a query's answer; afterwards nothing is left of any child."""

    def answers(sql: str, form: AnswerForm = "items", limits: QueryLimits = LIMITS, **options: Any) -> Any:
        given_up = options.pop("given_up", None)
        request = QueryRequest(sql, lake.snapshot({"ads": "ads"}), limits, form, **options)
        with box.ask(request, given_up=given_up).file as file:
            answer = file.read()
        return json.loads(answer)["items"] if form == "items" else answer

    yield answers
    assert answers("select 1 as n") == [{"n": 1}]
    assert eventually(lambda: not list(scratch.iterdir()))


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes true within the seconds that a loaded machine may take."""
    until = monotonic() + 10
    while not holds() and monotonic() < until:
        sleep(0.01)
    return holds()


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def launcher_of(box: Sandbox) -> int:
    assert box._launcher is not None
    return box._launcher._process.pid


# -- answers


def test_every_form_holds_the_answer(ask: Ask) -> None:
    sql = "select ad_id, spend from ads order by ad_id"
    assert ask(sql) == [{"ad_id": "a", "spend": 1.5}, {"ad_id": "b", "spend": 2}, {"ad_id": "c", "spend": None}]
    shown = json.loads(ask(sql, "cells", most_rows=2))
    assert shown["rows"] == [["a", "1.50"], ["b", "2.00"]]
    assert (shown["more"], [column["type"] for column in shown["columns"]]) == (True, ["text", "decimal"])
    assert ask(sql, "csv").decode().splitlines()[1] == '"a",1.500000'
    assert len(json.loads(ask(sql, "json"))) == 3
    assert ask(sql, "parquet")[:4] == b"PAR1"
    assert ask(sql, "xlsx")[:2] == b"PK"
    assert pa.ipc.open_stream(ask(sql, "arrow")).read_all().num_rows == 3


def test_a_statement_without_an_answer_has_no_rows(box: Sandbox, lake: Lake) -> None:
    request = QueryRequest(
        "create table mine as from ads", lake.snapshot({"ads": "ads"}), LIMITS, "csv", read_only=False
    )
    answer = box.ask(request)
    answer.file.close()
    assert answer.rows is None


def test_what_is_wrong_with_a_query_is_said_with_its_place_in_the_text(ask: Ask, scratch: Path) -> None:
    with pytest.raises(QueryError, match="column spent does not exist") as caught:
        ask("select spent from ads")
    assert caught.value.place == SqlPlace(1, 8)
    assert str(scratch) not in caught.value.message
    with pytest.raises(InputError, match="cannot be used in FROM here"):
        ask("from read_text('/etc/passwd')")


@pytest.mark.parametrize("sql", ["select error(repeat('x', 3_000_000))", "select repeat('x', 3_000_000)::date"])
def test_a_message_that_a_query_makes_long_is_cut(ask: Ask, sql: str) -> None:
    with pytest.raises(QueryError, match=r"xxx…$") as caught:
        ask(sql)
    assert len(caught.value.message) < 3_000


def test_files_that_are_gone_are_no_fault_of_the_query(box: Sandbox, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    put(lake, "run1", "append", [row("a", 1)])
    snapshot = lake.snapshot({"ads": "ads"})
    for file in (tmp_path / "lake" / "ads").glob("*.parquet"):
        file.unlink()
    with pytest.raises(StorageError, match="damaged or missing"):
        box.ask(QueryRequest("select sum(spend) from ads", snapshot, LIMITS, "items"))


# -- limits


def test_a_query_ends_at_its_time(ask: Ask) -> None:
    brief = replace(LIMITS, seconds=0.2)
    for sql in (ENDLESS, "with recursive t(n) as (select 1 union all select n + 1 from t) select max(n) from t"):
        with pytest.raises(InputError, match=r"took longer than 0\.2 seconds.* or raise ADREEL_QUERY_SECONDS"):
            ask(sql, limits=brief)


def test_an_answer_whose_names_are_long_or_many_stays_small(ask: Ask) -> None:
    with pytest.raises(InputError, match="larger than 8 MB"):
        ask(f'select 1 as "{"x" * 40_000}" from range(1000)')
    doubled = "from ads"
    for _ in range(9):
        doubled = f"from (select *, * {doubled})"
    with pytest.raises(InputError, match="columns; a page shows at most 2,000"):
        ask(f"select * {doubled} limit 1", "cells", replace(LIMITS, memory=1024 * MB))
    long = json.loads(ask(f"select '{'x' * 40_000}'::enum('{'x' * 40_000}') from range(1000)", "cells"))
    assert {len(cell) for (cell,) in long["rows"]} == {501}


@pytest.mark.parametrize(
    "sql",
    [
        "select " + "(" * 100_000 + "1" + ")" * 100_000,
        "select " + "not " * 60_000 + "true",
        "select 1" + " + 1" * 9_000,
    ],
)
def test_a_query_that_is_nested_too_deeply_ends_itself_alone(ask: Ask, sql: str) -> None:
    with pytest.raises(InputError):
        ask(sql)


def test_a_query_of_megabytes_is_taken_whole(ask: Ask) -> None:
    assert ask(f"select length('{'x' * 5_000_000}') as n") == [{"n": 5_000_000}]


# -- the end of a child


@linux
def test_a_child_has_no_variables_no_files_and_no_rights_of_the_program(
    box: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADREEL_SECRET_KEY", "the secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the secret")
    assert object_store_environment(lake, os.environ) == {}
    stored = object_store_environment(Lake("s3://bucket/lake"), os.environ)
    assert stored["AWS_SECRET_ACCESS_KEY"] == "the secret"
    assert "ADREEL_SECRET_KEY" not in stored
    with Sandbox() as another:
        request = QueryRequest(ENDLESS, lake.snapshot({}), LIMITS, "items", environ=stored)
        given_up = threading.Event()
        asking = threading.Thread(target=refused, args=(another, request, given_up))
        asking.start()
        try:
            launcher = [0]
            assert eventually(lambda: another._launcher is not None)
            launcher[0] = launcher_of(another)
            assert eventually(lambda: len(children_of(launcher[0])) == 1)
            (child,) = children_of(launcher[0])
            assert eventually(lambda: "Max processes             0 " in Path(f"/proc/{child}/limits").read_text())
            is_root = os.geteuid() == 0
            if not is_root:
                with pytest.raises(PermissionError):
                    Path(f"/proc/{child}/environ").read_bytes()
            for seen in (f"{launcher[0]}/environ", f"{launcher[0]}/cmdline", f"{child}/cmdline"):
                assert b"the secret" not in Path(f"/proc/{seen}").read_bytes()
            if is_root:
                assert b"the secret" not in Path(f"/proc/{child}/environ").read_bytes()
            limits = Path(f"/proc/{child}/limits").read_text()
            assert f"{LIMITS.disk:<20}" in next(line for line in limits.splitlines() if "Max file size" in line)
            assert "unlimited" not in next(line for line in limits.splitlines() if "address space" in line)
            assert os.getsid(child) == child
            if is_root:
                files = {str(file.readlink()) for file in Path(f"/proc/{child}/fd").iterdir()}
                assert not {file for file in files if "adreel.db" in file or file.startswith("/dev/pts")}
        finally:
            given_up.set()
            asking.join()


def refused(box: Sandbox, request: QueryRequest, given_up: threading.Event) -> None:
    with pytest.raises(CancelledError):
        box.ask(request, given_up=given_up)


@linux
def test_a_child_ends_when_nobody_waits_when_it_is_stopped_and_when_it_is_killed(ask: Ask, box: Sandbox) -> None:
    launcher = launcher_of(box)
    outcomes: list[Exception] = []

    def begun(limits: QueryLimits, given_up: threading.Event) -> tuple[threading.Thread, int]:
        def work() -> None:
            with pytest.raises((CancelledError, InputError)) as caught:
                ask(ENDLESS, limits=limits, given_up=given_up)
            outcomes.append(caught.value)

        thread = threading.Thread(target=work)
        thread.start()
        assert eventually(lambda: bool(children_of(launcher)))
        return thread, children_of(launcher)[0]

    left = threading.Event()
    thread, child = begun(LIMITS, left)
    left.set()
    thread.join(10)
    assert isinstance(outcomes.pop(), CancelledError)
    assert eventually(lambda: not Path(f"/proc/{child}").exists())

    thread, child = begun(replace(LIMITS, seconds=0.5), threading.Event())
    os.kill(child, signal.SIGSTOP)
    thread.join(10)
    assert "took longer than 0.5 seconds" in str(outcomes.pop())

    thread, child = begun(LIMITS, threading.Event())
    os.kill(child, signal.SIGSEGV)
    thread.join(10)
    assert "The query crashed its process (exit -11)" in str(outcomes.pop())


@pytest.mark.slow
@linux
def test_a_launcher_that_was_ended_is_started_again(lake: Lake) -> None:
    with Sandbox() as box:
        box.start()
        os.kill(launcher_of(box), signal.SIGKILL)
        os.waitid(os.P_PID, launcher_of(box), os.WEXITED | os.WNOWAIT)
        box.ask(QueryRequest("select 1", lake.snapshot({}), LIMITS, "items")).file.close()
