"""`adreel simulate` and `adreel demo` on the command line."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest

from adreel.errors import ExitCode
from home import Home, make_home

ROOT = Path(__file__).parent.parent
PROGRAM = [sys.executable, "-c", "from adreel.cli import main; main()"]
WORLD = ("--advertisers", "4", "--ads", "3")


@contextmanager
def simulated(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`adreel simulate` in a process of its own, and the address that it prints."""
    process = subprocess.Popen(
        [*PROGRAM, "simulate", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_simulate_prints_its_address_and_ends_when_interrupted() -> None:
    with simulated("--port", "0", "--today", "2026-11-22", *WORLD) as (process, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        state = httpx2.get(f"{url}/_simulator/state").json()
        assert (state["now"][:10], len(state["advertisers"])) == ("2026-11-22", 4)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
    assert process.returncode in (ExitCode.OK, ExitCode.CANCELLED)
    assert stdout == ""
    assert f"ADREEL_TIKTOK_URL={url}/open_api/v1.3" in stderr
    assert "Traceback" not in stderr


def test_a_port_in_use_is_reported(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        code, stderr = home.bad("simulate", "--port", port)
    assert (code, f"Port {port} is not available" in stderr) == (ExitCode.INPUT, True)


def test_the_demo_refuses_to_change_an_own_account_or_dataset(home: Home) -> None:
    before = home.kept()
    code, stderr = home.bad("demo", "--once", *WORLD)
    assert (code, "adreel accounts rename demo NAME" in stderr) == (ExitCode.INPUT, True)
    home.good("accounts", "rename", "demo", "shop")
    home.good("datasets", "create", "-f", home.file(name="Ad spend by day", account="shop"))
    before = home.kept()
    code, stderr = home.bad("demo", "--once", *WORLD)
    assert (code, "has the name of a demo dataset" in stderr) == (ExitCode.INPUT, True)
    assert home.kept() == before


def test_the_consent_page_selects_the_advertisers_that_can_be_read(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=4, ads=2)
    query = {"app_id": home.config.app_id, "state": "s", "redirect_uri": "http://localhost:1/c"}

    async def page() -> str:
        transport = httpx2.ASGITransport(home.world)
        async with httpx2.AsyncClient(transport=transport, base_url="http://tiktok.test") as client:
            return (await client.get(f"/portal/auth?{urlencode(query)}")).text

    text = asyncio.run(page())
    kinds = {advertiser["advertiser_id"]: advertiser["kind"] for advertiser in home.door("state")["advertisers"]}
    selected = {advertiser_id for advertiser_id in kinds if f'value="{advertiser_id}" checked' in text}
    assert selected == {advertiser_id for advertiser_id, kind in kinds.items() if kind != "no_permission"}
    assert all(advertiser_id in text for advertiser_id in kinds)


@pytest.mark.parametrize("words", [("--port", "70000"), ("--ads", "0"), ("--today", "soon")])
def test_invalid_options_of_the_simulator_are_refused(home: Home, words: tuple[str, ...]) -> None:
    code, stderr = home.bad("simulate", *words)
    assert code in (ExitCode.USAGE, ExitCode.INPUT)
    assert stderr
