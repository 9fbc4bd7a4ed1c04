"""`adreel serve` and `adreel demo` as processes in which streams, names and proxies differ."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from adreel.errors import ExitCode
from test_cli_serve import create_administrator, serving


@dataclass(frozen=True)
class Server:
    """A server that several tests ask; `messages` is what it printed until it listened."""

    url: str
    port: int
    messages: str


def test_a_service_manager_stops_the_server_as_control_c_does(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "serve", "--port", "0", "--no-browser") as (process, url, _):
        assert httpx2.get(f"{url}/ready", timeout=60).status_code == 200
        process.terminate()
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == ExitCode.OK
    # A line of its own, also if the reader of the address has taken what was before it.
    assert f"\n{stderr}".endswith("\nThe Data Center stopped. Runs in progress continue.\n")
    assert "Traceback" not in stderr


def test_other_names_of_this_machine_redirect_to_the_name_of_the_cookies(impatient: Server) -> None:
    url = impatient.url
    answer = httpx2.get(url.replace("localhost", "127.0.0.1") + "/setup?a=1", timeout=60)
    assert (answer.status_code, answer.headers["location"]) == (307, f"{url}/setup?a=1")
    assert httpx2.get(f"{url}/setup", timeout=60, headers={"Host": "evil.test"}).status_code == 421


HEAD = b"POST /login HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /hea", HEAD + b"Content-Length: 10\r\nX-Slow: ", HEAD + b"Content-Length: 10\r\n\r\nname="],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_incomplete_request_is_answered_with_408(impatient: Server, sent: bytes, first: bool) -> None:
    if not first and not sent:
        return  # The time between two requests is uvicorn's.
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as client:
        if not first:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            answered = b""
            while not answered.endswith(b"ok\n"):
                answered += client.recv(65_536)
        client.sendall(sent)
        received = b""
        # Until the server closes.
        while part := client.recv(65_536):
            received += part
    assert received.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in received.lower()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits a fifth of a second, of a home without users."""
    home = tmp_path_factory.mktemp("impatient") / "home"
    with serving(home, "serve", "--port", "0", "--no-browser", ADREEL_REQUEST_SECONDS="0.2") as (_, url, messages):
        yield Server(url, int(url.rpartition(":")[2]), "".join(messages))


@pytest.mark.parametrize(("proxies", "warned"), [("", True), ("127.0.0.1", False)])
def test_a_server_behind_an_unlisted_proxy_warns(tmp_path: Path, proxies: str, warned: bool) -> None:
    words, url = ("serve", "--port", "0", "--no-browser"), "https://ads.example"
    with serving(tmp_path / "home", *words, ADREEL_WEB_URL=url, ADREEL_PROXIES=proxies) as (_, _, messages):
        assert ("ADREEL_PROXIES" in "".join(messages)) is warned


def test_a_server_without_https_does_not_warn_of_a_proxy(impatient: Server) -> None:
    assert "ADREEL_PROXIES" not in impatient.messages


def test_the_demo_serves_datasets_with_a_restated_one(tmp_path: Path) -> None:
    words = ("demo", "--port", "0", "--no-browser", "--advertisers", "4", "--ads", "3")
    with serving(tmp_path / "home", *words) as (process, url, messages):
        with httpx2.Client(base_url=url, timeout=60) as client:
            create_administrator(client)
            page = client.get("/datasets").text
            assert "Simulated TikTok: all figures are invented." in page
            for name in ("Ad spend by day", "Campaign spend by hour", "Audience by age and gender", "Video creatives"):
                assert name in page
            assert client.get("/datasets/ad_spend_by_day/cards").status_code == 200
            versions = client.get("/datasets/ad_spend_by_day/versions").text
        assert "A second run as of today shows what TikTok restated." in "".join(messages)
        assert "2 versions available" in versions
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode in (ExitCode.OK, ExitCode.CANCELLED)


def bare(script: str, *words: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command in a process with an empty environment, after a script that removes something."""
    environ = {"ADREEL_HOME": str(home)} if home is not None else {}
    program = [sys.executable, "-c", f"{script}\nfrom adreel.cli import main; main()", *words]
    return subprocess.run(program, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


NO_NAME = """
import pwd
def unknown(_):
    raise KeyError("uid not found")
pwd.getpwuid = unknown
"""


NO_TEMPORARY_FOLDER = "import tempfile; tempfile._candidate_tempdir_list = list"


CLOSED = "import os\nfor number in (0, 1, 2): os.close(number)\nimport sys; sys.stdin = sys.stdout = sys.stderr = None"


@pytest.mark.parametrize("words", [("datasets", "list"), ("serve", "--port", "0"), ("settings",)])
def test_a_user_without_name_and_home_is_shown_the_setting(words: tuple[str, ...]) -> None:
    done = bare(NO_NAME, *words)
    assert (done.returncode, "ADREEL_HOME" in done.stderr) == (ExitCode.INPUT, True), done.stderr
    assert "Traceback" not in done.stderr


def test_temporary_files_use_the_home_without_another_folder(tmp_path: Path) -> None:
    done = bare(f"{NO_NAME}\n{NO_TEMPORARY_FOLDER}", "query", "select 41 + 1", home=tmp_path / "home")
    assert (done.returncode, "42" in done.stdout) == (ExitCode.OK, True), done.stderr


def test_commands_run_with_closed_streams_and_no_file_takes_their_descriptors(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert bare(CLOSED, "users", "list", home=home).returncode == ExitCode.OK
    assert bare(CLOSED, "reports", home=home).returncode == ExitCode.OK
    for words in (("users", "add", "x", "--password-stdin"), ("users", "add", "x")):
        assert bare(CLOSED, *words, home=home).returncode == ExitCode.INPUT
    assert bare("", "users", "list", home=home).returncode == ExitCode.OK, "the database is whole"
