"""Queries that take all memory or disk, and programs that are killed while one runs."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

import test_sandbox
from adreel.errors import InputError
from adreel.lake import Lake
from adreel.sandbox import Sandbox
from test_sandbox import ENDLESS, MORE_THAN_MEMORY, Ask, children_of, eventually, linux

ask = test_sandbox.ask
scratch = test_sandbox.scratch
box = test_sandbox.box
lake = test_sandbox.lake


@linux
def test_a_message_that_takes_all_memory_is_told_in_words(ask: Ask) -> None:
    with pytest.raises(InputError, match="needed more than 256 MB of memory"):
        ask("select error(repeat('x', 30_000_000))")


@linux
@pytest.mark.parametrize(
    "sql",
    [
        "select repeat(repeat(repeat('x', 10000), 10000), 10)",
        "select replace(replace(repeat('x', 10000), 'x', repeat('y', 10000)), 'y', repeat('z', 100))",
        "select list_transform(range(10000), lambda x: list_transform(range(100000), lambda y: x + y))",
        "with recursive t(n) as (select 'x' union all select n || n from t) select max(length(n)) from t",
        "select string_agg(range::varchar, 'xxxxxxxxxxxxxxxxxxxx') from range(1000000000)",
        "select list(range) from range(10000000000)",
        "select repeat('x', 2000000000)",
        "select printf('%2000000000d', 1)",
        "select array_agg(ad_id) over (rows between unbounded preceding and unbounded following) from ads, range(9999)",
    ],
)
def test_a_query_ends_at_its_memory(ask: Ask, sql: str) -> None:
    with pytest.raises(InputError, match=MORE_THAN_MEMORY):
        ask(sql)


def test_a_query_ends_at_its_disk_and_at_the_size_of_its_answer(ask: Ask) -> None:
    with pytest.raises(InputError, match="more than 64 MB of disk space"):
        ask("select range from range(30000000) order by hash(range) offset 29000000")
    for form in ("csv", "json", "arrow"):
        with pytest.raises(InputError, match=r"The answer is larger than 8 MB\. Select fewer rows and columns"):
            ask("select md5(range::varchar) as a from range(1000000)", form, most_rows=1_000_000)


@linux
def test_everything_ends_when_the_program_is_killed(lake: Lake, tmp_path: Path) -> None:
    script = f"""
import sys
from adreel.lake import Lake
from adreel.sandbox import QueryLimits, QueryRequest, Sandbox
box = Sandbox()
box.start()
print(box._launcher._process.pid, flush=True)
box.ask(QueryRequest({ENDLESS!r}, Lake({lake.url!r}).snapshot({{}}), QueryLimits(1 << 28, 60, "", ""), "items"))
"""
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script], env=environ, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        launcher = int(program.stdout.readline())
        assert eventually(lambda: bool(children_of(launcher)))
        (child,) = children_of(launcher)
        program.kill()
    assert eventually(lambda: not Path(f"/proc/{child}").exists() and not Path(f"/proc/{launcher}").exists())
    assert list(tmp_path.iterdir()) == []


def test_a_sandbox_that_is_forgotten_ends_its_process(lake: Lake) -> None:
    box = Sandbox()
    box.start()
    assert box._launcher is not None
    process = box._launcher._process
    del box
    gc.collect()
    assert process.returncode == 0
