"""Runs as processes of their own that are killed, interrupted, cancelled and starved, over real HTTP."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from adreel.lake import Lake
from home import Home, make_home
from running import latest, left_behind, log_of, run, table

ADVERTISERS, ADS, DAYS = 3, 4, 25
REQUESTS = ADVERTISERS * DAYS
ROWS = REQUESTS * ADS * 24


@dataclass
class Outside:
    """A home whose commands run as processes against its world, which is served over HTTP."""

    home: Home
    url: str

    def start(self, *words: str, **how: Any) -> subprocess.Popen[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("ADREEL_")} | {
            "ADREEL_HOME": str(self.home.path),
            "ADREEL_TIKTOK_URL": f"{self.url}/open_api/v1.3",
            "ADREEL_TIKTOK_APP_ID": self.home.config.app_id,
            "ADREEL_TIKTOK_SECRET": self.home.config.secret,
            "ADREEL_TIKTOK_LEVEL": "100",
        }
        command = [sys.executable, "-c", "from adreel.cli import app; app()", *words]
        return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)

    def run(self, *words: str, **how: Any) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        with self.start(*words, **how) as process:
            out, talk = process.communicate(timeout=60)
        return process.returncode, out, talk

    def run_until(self, seen: Callable[[], bool], how: signal.Signals) -> tuple[int, str]:
        """Runs the dataset and sends a signal as soon as `seen`; exit code and stderr."""
        with self.start("run", "-f", self.file()) as process:
            until(lambda: seen() or process.poll() is not None)
            process.send_signal(how)
            talk = process.communicate(timeout=60)[1]
        return process.returncode, talk

    def file(self) -> str:
        return self.home.file(time_dimension="hour", dates={"start": f"today-{DAYS + 1}", "end": "today-2"})

    def asked_for(self) -> int:
        """Reports that are under way at TikTok's or answered."""
        return sum(trouble.happened for trouble in self.home.world.state.simulator.troubles)

    def asked(self) -> int:
        """Report requests that TikTok has answered."""
        return len(self.reports())

    def reports(self) -> list[tuple[str, str]]:
        """Advertiser and day of each of them, in order; copied at once, as the server works meanwhile."""
        log = list(self.home.world.state.simulator.log)
        return [(request.advertiser, str(request.params["start_date"])) for request in log if "report" in request.path]


def until(seen: Callable[[], bool]) -> None:
    """Looks every few milliseconds, for at most half a minute."""
    end = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    with served_outside(tmp_path / "home") as opened:
        yield opened


@contextmanager
def served_outside(folder: Path) -> Iterator[Outside]:
    now = datetime.now(UTC)
    home = make_home(folder, today=now.date(), advertisers=ADVERTISERS, ads=ADS, plain=True, latency_ms=30)
    home.now = now
    home.add_account()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = uvicorn.Config(home.world, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield Outside(home, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()


def read_already(home: Home) -> set[tuple[str, str]]:
    """The advertisers and days whose page lies in the lake."""
    names = [path.parent.name.split("-") for path in home.path.glob("lake/_runs/*/*/*/*.arrow")]
    return {(name[0], f"{name[1][:4]}-{name[1][4:6]}-{name[1][6:]}") for name in names}


def check_whole(outside: Outside) -> None:
    """The next run goes on, asks for nothing that is there, and leaves one version with the right rows."""
    there, before = read_already(outside.home), outside.asked()
    report = run(outside.home, outside.file())
    assert (report.resumed, report.version, report.verification["verified"]) == (True, 0, True)
    assert report.rows == ROWS
    assert not set(outside.reports()[before:]) & there
    assert len(set(outside.reports())) == REQUESTS
    check_table(outside.home)


def check_table(home: Home) -> None:
    assert len(Lake(home.path / "lake").versions("spend")) == 1
    rows = table(home)
    assert rows.num_rows == ROWS
    assert rows.group_by(["advertiser_id", "ad_id", "stat_time_hour"]).aggregate([]).num_rows == ROWS
    assert left_behind(home) == []


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


def test_a_run_that_is_killed_after_reading_requests_nothing_more(outside: Outside) -> None:
    parts = outside.home.path / "lake" / "_runs"
    code, _ = outside.run_until(lambda: len(list(parts.glob("*/*/*/*.arrow"))) >= REQUESTS, signal.SIGKILL)
    assert code == -signal.SIGKILL
    before = outside.asked()
    check_whole(outside)
    assert outside.asked() == before == REQUESTS


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


def test_a_full_disk_ends_a_run_with_an_error_and_no_table(outside: Outside) -> None:
    def narrow() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    code, _, talk = outside.run("run", "-f", outside.file(), preexec_fn=narrow)
    assert code == 7, talk
    assert "Traceback" not in talk
    assert not Lake(outside.home.path / "lake").exists("spend")
    assert run(outside.home, outside.file()).rows == ROWS
    check_table(outside.home)


def test_requests_whose_answers_break_off_are_sent_again(outside: Outside) -> None:
    home = outside.home
    home.environ["ADREEL_TIKTOK_URL"] = f"{outside.url}/open_api/v1.3"
    home.door("trouble", {"kind": "cut", "times": 5, "path": "report"})
    report = run(home, outside.file(), transport=httpx2.AsyncHTTPTransport())
    assert (report.rows, report.verification["verified"]) == (ROWS, True)
    assert any("the answer broke off" in line for line in log_of(home))
