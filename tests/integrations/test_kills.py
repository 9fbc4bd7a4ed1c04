"""Runs as processes of their own that are killed and interrupted anywhere, and cancelled."""

from __future__ import annotations

import random
import signal

import pytest

import test_kill
from outside import REQUESTS, Outside, check_table, check_whole, until
from running import latest, left_behind

outside = test_kill.outside


@pytest.mark.parametrize("seed", range(2))
def test_a_run_that_is_killed_while_it_reads_is_resumed(outside: Outside, seed: int) -> None:
    enough = random.Random(seed).randint(5, REQUESTS - 10)
    code, _ = outside.run_until(lambda: outside.asked() >= enough, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert latest(outside.home).state == "running", "nobody had the time to write down anything else"
    check_whole(outside)


def test_a_run_that_is_killed_repeatedly_finishes(outside: Outside) -> None:
    for enough in (20, 50):
        outside.run_until(lambda enough=enough: outside.asked() >= enough, signal.SIGKILL)  # type: ignore[misc]  # bound
    check_whole(outside)


@pytest.mark.parametrize("sign", ["spend/*.parquet", "spend/_delta_log/*.json"])
def test_a_run_that_is_killed_near_its_commit_creates_one_version(outside: Outside, sign: str) -> None:
    lake = outside.home.path / "lake"
    outside.run_until(lambda: any(lake.glob(sign)), signal.SIGKILL)
    if latest(outside.home).state == "running":
        check_whole(outside)
    check_table(outside.home)


def test_control_c_ends_a_run_with_130_and_says_how_to_resume(outside: Outside) -> None:
    code, talk = outside.run_until(lambda: outside.asked() >= 40, signal.SIGINT)
    assert code == 130
    assert "hours with: adreel run spend" in talk
    assert "Traceback" not in talk
    assert latest(outside.home).state == "interrupted"
    check_whole(outside)


def test_a_second_process_is_refused_with_the_run_in_progress_which_can_be_cancelled(outside: Outside) -> None:
    outside.home.door("trouble", {"kind": "hang", "seconds": 50, "times": 0, "path": "report"})
    with outside.start("run", "-f", outside.file()) as process:
        until(lambda: any(outside.home.path.glob("locks/spend.run")) and outside.asked_for() > 0)
        under_way = latest(outside.home).id
        code, _, talk = outside.run("run", "spend")
        assert (code, under_way in talk) == (8, True)
        assert outside.run("cancel", under_way)[0] == 0
        talk = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert "The table is unchanged" in talk
    assert latest(outside.home).state == "cancelled"
    assert left_behind(outside.home) == []
