"""A run that is interrupted, and the next one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from adreel.errors import ExitCode
from home import environment_of, make_home, served


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_reported_and_resumed_next_time(tmp_path: Path, ending: signal.Signals) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=3)
    home.add_account()
    file = home.file(metrics=["spend"], dates={"start": "today-100", "end": "yesterday"})
    with served(home.config) as url:
        # The first response is immediate and is in the list of requests; the run waits for the others.
        trouble = {"kind": "hang", "seconds": 50, "times": 0, "skip": 1, "path": "report"}
        assert httpx2.post(f"{url}/_simulator/trouble", timeout=60, json=trouble).status_code == 200
        process = subprocess.Popen(
            [sys.executable, "-c", "from adreel.cli import main; main()", "run", "-f", file, "--json"],
            env=environment_of(home, url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while (
            process.poll() is None
            and "report/integrated" not in httpx2.get(f"{url}/_simulator/requests", timeout=60).text
        ):
            time.sleep(0.05)
        process.send_signal(ending)
        stdout, stderr = process.communicate(timeout=30)
    answer = json.loads(stdout)
    assert (process.returncode, answer["state"], answer["exit_code"]) == (ExitCode.CANCELLED, "interrupted", 130)
    assert "Traceback" not in stderr
    report = home.json("run", "spend")
    assert (report["run_id"], report["resumed"], report["verification"]["verified"]) == (answer["run_id"], True, True)
