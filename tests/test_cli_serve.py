"""`adreel serve`: the Data Center as a process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from adreel.errors import ExitCode
from home import Home

PROGRAM = [sys.executable, "-c", "from adreel.cli import main; main()"]
OURS = {"Sec-Fetch-Site": "same-origin"}
PASSWORD = "correct horse battery"


@contextmanager
def serving(home: Path, *words: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """A process that serves, its address, and its messages until then."""
    environ = {**os.environ, "ADREEL_HOME": str(home), **more}
    process = subprocess.Popen(
        [*PROGRAM, *words], env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        messages: list[str] = []
        for line in process.stderr:
            messages.append(line)
            address = re.search(r"Data Center: (https?://\S+)", line)
            if address:
                yield process, address[1], messages
                return
        pytest.fail("".join(messages))
    finally:
        process.kill()
        process.communicate()


def create_administrator(client: httpx2.Client) -> None:
    response = client.post("/setup", data={"name": "ada", "password": PASSWORD, "again": PASSWORD}, headers=OURS)
    assert (response.status_code, response.headers.get("location")) == (303, "/home")


@pytest.mark.slow
def test_the_first_visit_creates_the_administrator_and_the_second_signs_in(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "serve", "--port", "0", "--no-browser") as (process, url, _):
        with httpx2.Client(base_url=url, timeout=60) as client:
            assert client.get("/datasets").headers["location"] == "/setup"
            create_administrator(client)
            assert client.get("/datasets").status_code == 200
        with httpx2.Client(base_url=url, timeout=60) as client:
            assert client.get("/datasets").headers["location"] == "/login?next=/datasets"
            assert client.get("/setup").headers["location"] == "/login"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode in (ExitCode.OK, ExitCode.CANCELLED)
    assert "The Data Center stopped. Runs in progress continue." in stderr
    assert "Traceback" not in stderr


def test_an_open_network_address_requires_an_administrator_first(home: Home) -> None:
    code, stderr = home.bad("serve", "--host", "0.0.0.0", "--port", "0", "--no-browser")
    assert (code, "adreel users add NAME --role admin" in stderr) == (ExitCode.INPUT, True)


def test_a_port_in_use_is_reported(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        code, stderr = home.bad("serve", "--port", port, "--no-browser")
    assert (code, f"Port {port} of 127.0.0.1 is not available" in stderr) == (ExitCode.INPUT, True)


# -- containers without user names, folders or streams
