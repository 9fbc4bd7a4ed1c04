"""A home whose commands run as processes of their own, against its world over real HTTP, to be killed and cut off."""

from __future__ import annotations

import asyncio
import os
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

import uvicorn

from adreel.lake import Lake
from home import Home, make_home
from running import left_behind, run, table

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
            "ADREEL_GMV_MAX_CHECK": "off",
        }
        command = [sys.executable, "-c", "from adreel.cli import main; main()", *words]
        return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)

    def run(self, *words: str, **how: Any) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        with self.start(*words, **how) as process:
            out, talk = process.communicate(timeout=60)
        return process.returncode, out, talk

    def run_until(self, seen: Callable[[], bool], how: signal.Signals) -> tuple[int, str]:
        """Runs the dataset and sends a signal as soon as `seen`; exit code and stderr."""
        with self.start("run", "-f", self.file()) as process:
            until(lambda: seen() or process.poll() is not None, every=0.002)
            process.send_signal(how)
            talk = process.communicate(timeout=60)[1]
        return process.returncode, talk

    def file(self, **keys: Any) -> str:
        return self.home.file(**keys, time_dimension="hour", dates={"start": f"today-{DAYS + 1}", "end": "today-2"})

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


def until(seen: Callable[[], bool], every: float = 0.05) -> None:
    """Looks every so many seconds, for at most two minutes."""
    end = time.monotonic() + 120
    while not seen():
        assert time.monotonic() < end, "it never came"
        time.sleep(every)


@contextmanager
def made_outside(folder: Path) -> Iterator[Outside]:
    """A home in the folder with a world of `ADVERTISERS` with `ADS` each, whose requests take 30 ms."""
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
