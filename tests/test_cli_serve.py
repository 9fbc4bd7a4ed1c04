"""`adreel serve` and the end of `adreel demo`: the Data Center as a process."""

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
    """A process that serves, its address, and what it said until it did."""
    environ = {**os.environ, "ADREEL_HOME": str(home), **more}
    process = subprocess.Popen(
        [*PROGRAM, *words], env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            found = re.search(r"The Data Center is at (https?://\S+)", line)
            if found:
                yield process, found[1], said
                return
        pytest.fail("".join(said))
    finally:
        process.kill()
        process.communicate()


def made_administrator(client: httpx2.Client) -> None:
    answer = client.post("/setup", data={"name": "ada", "password": PASSWORD, "again": PASSWORD}, headers=OURS)
    assert (answer.status_code, answer.headers.get("location")) == (303, "/datasets")


def test_the_first_visit_makes_the_administrator_and_the_second_signs_in(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "serve", "--port", "0", "--no-browser") as (process, url, _):
        with httpx2.Client(base_url=url) as client:
            assert client.get("/datasets").headers["location"] == "/setup"
            made_administrator(client)
            assert client.get("/datasets").status_code == 200
        with httpx2.Client(base_url=url) as client:
            assert client.get("/datasets").headers["location"] == "/login?next=/datasets"
            assert client.get("/setup").headers["location"] == "/login"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode in (ExitCode.OK, ExitCode.CANCELLED)
    assert "The Data Center ended" in stderr
    assert "Traceback" not in stderr


def test_the_name_that_cookies_hold_for_is_the_one_that_pages_lead_to(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "serve", "--port", "0", "--no-browser") as (_, url, _):
        answer = httpx2.get(url.replace("localhost", "127.0.0.1") + "/setup?a=1")
        assert (answer.status_code, answer.headers["location"]) == (307, f"{url}/setup?a=1")
        assert httpx2.get(f"{url}/setup", headers={"Host": "evil.test"}).status_code == 421


HEAD = b"POST /login HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /hea", HEAD + b"Content-Length: 10\r\nX-Slow: ", HEAD + b"Content-Length: 10\r\n\r\nname="],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_request_that_does_not_come_is_not_waited_for(impatient: int, sent: bytes, first: bool) -> None:
    if not first and not sent:
        return  # The time between two requests is uvicorn's.
    with socket.create_connection(("127.0.0.1", impatient), timeout=20) as client:
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
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that waits a fifth of a second."""
    home = tmp_path_factory.mktemp("impatient") / "home"
    with serving(home, "serve", "--port", "0", "--no-browser", ADREEL_REQUEST_SECONDS="0.2") as (_, url, _):
        yield int(url.rpartition(":")[2])


@pytest.mark.parametrize(
    ("url", "proxies", "warned"),
    [("https://ads.example", "", True), ("https://ads.example", "127.0.0.1", False), ("http://ads.example", "", False)],
)
def test_a_server_behind_a_proxy_that_it_does_not_know_says_so(
    tmp_path: Path, url: str, proxies: str, warned: bool
) -> None:
    words = ("serve", "--port", "0", "--no-browser")
    with serving(tmp_path / "home", *words, ADREEL_WEB_URL=url, ADREEL_PROXIES=proxies) as (_, _, said):
        assert ("ADREEL_PROXIES" in "".join(said)) is warned


def test_nobody_on_the_network_becomes_administrator_by_being_first(home: Home) -> None:
    code, stderr = home.bad("serve", "--host", "0.0.0.0", "--port", "0", "--no-browser")
    assert (code, "adreel users add NAME --role admin" in stderr) == (ExitCode.INPUT, True)


def test_a_port_that_is_taken_is_named(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        code, stderr = home.bad("serve", "--port", port, "--no-browser")
    assert (code, f"Port {port} of 127.0.0.1 cannot be had" in stderr) == (ExitCode.INPUT, True)


def test_the_demo_ends_in_a_data_center_with_datasets_of_which_one_was_restated(tmp_path: Path) -> None:
    words = ("demo", "--port", "0", "--no-browser", "--advertisers", "4", "--ads", "3")
    with serving(tmp_path / "home", *words) as (process, url, said):
        with httpx2.Client(base_url=url) as client:
            made_administrator(client)
            page = client.get("/datasets").text
            assert "Simulated TikTok: all figures are invented." in page
            for name in ("Ad spend by day", "Campaign spend by hour", "Audience by age and gender", "Video creatives"):
                assert name in page
            assert client.get("/datasets/ad_spend_by_day/cards").status_code == 200
            versions = client.get("/datasets/ad_spend_by_day/versions").text
        assert "First as it was on" in "".join(said)
        assert "2 versions available" in versions
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode in (ExitCode.OK, ExitCode.CANCELLED)


# -- where a container has less than a desk


def bare(script: str, *words: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command in a process with an empty environment, after a script that takes something away."""
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
def test_a_user_without_a_name_and_a_home_is_told_what_to_set(words: tuple[str, ...]) -> None:
    done = bare(NO_NAME, *words)
    assert (done.returncode, "ADREEL_HOME" in done.stderr) == (ExitCode.INPUT, True), done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_folder_for_temporary_files_the_home_has_one(tmp_path: Path) -> None:
    done = bare(f"{NO_NAME}\n{NO_TEMPORARY_FOLDER}", "query", "select 41 + 1", home=tmp_path / "home")
    assert (done.returncode, "42" in done.stdout) == (ExitCode.OK, True), done.stderr


def test_streams_that_are_closed_end_no_command_and_no_file_takes_their_place(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert bare(CLOSED, "users", "list", home=home).returncode == ExitCode.OK
    assert bare(CLOSED, "reports", home=home).returncode == ExitCode.OK
    for words in (("users", "add", "x", "--password-stdin"), ("users", "add", "x")):
        assert bare(CLOSED, *words, home=home).returncode == ExitCode.INPUT
    assert bare("", "users", "list", home=home).returncode == ExitCode.OK, "the database is whole"
