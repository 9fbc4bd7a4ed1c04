"""Runs as processes of their own that are killed and starved, over real HTTP."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from adreel.lake import Lake
from outside import REQUESTS, ROWS, Outside, check_table, check_whole, made_outside
from running import log_of, run


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    with made_outside(tmp_path / "home") as outside:
        yield outside


@pytest.mark.slow
def test_a_run_that_is_killed_after_reading_requests_nothing_more(outside: Outside) -> None:
    parts = outside.home.path / "lake" / "_runs"
    code, _ = outside.run_until(lambda: len(list(parts.glob("*/*/*/*.arrow"))) >= REQUESTS, signal.SIGKILL)
    assert code == -signal.SIGKILL
    before = outside.asked()
    check_whole(outside)
    assert outside.asked() == before == REQUESTS


@pytest.mark.slow
def test_a_full_disk_ends_a_run_with_an_error_and_no_table(outside: Outside) -> None:
    def narrow() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    code, _, talk = outside.run("run", "-f", outside.file(), preexec_fn=narrow)
    assert code == 7, talk
    assert "Traceback" not in talk
    assert not Lake(outside.home.path / "lake").exists("spend")
    assert run(outside.home, outside.file()).rows == ROWS
    check_table(outside.home)


@pytest.mark.slow
def test_requests_whose_answers_break_off_are_sent_again(outside: Outside) -> None:
    home = outside.home
    home.environ["ADREEL_TIKTOK_URL"] = f"{outside.url}/open_api/v1.3"
    home.door("trouble", {"kind": "cut", "times": 5, "path": "report"})
    report = run(home, outside.file(), transport=httpx2.AsyncHTTPTransport())
    assert (report.rows, report.verification["verified"]) == (ROWS, True)
    assert any("the answer broke off" in line for line in log_of(home))
