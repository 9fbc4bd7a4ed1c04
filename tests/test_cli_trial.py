"""`adreel simulate` and `adreel demo` on the command line."""

from __future__ import annotations

import asyncio
import json
import os
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
ADVERTISERS = "select distinct advertiser_id as id from ad_spend_by_day"
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


def adreel(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words], env={**os.environ, "ADREEL_HOME": str(home)}, capture_output=True, text=True, check=False
    )


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


def test_what_simulate_prints_and_its_page_shows_connects_an_account_and_reads(tmp_path: Path) -> None:
    with simulated("--port", "0", "--advertisers", "3", "--ads", "3") as (process, url):
        example = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8").split("```sh\n")[1].split("```")[0]
        example = example.replace("http://127.0.0.1:8766", url)
        assert process.stderr is not None
        process.stderr.readline()
        for line in (process.stderr.readline().strip() for _ in range(3)):
            assert line in example, "the page shows what the command prints"
        environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        done = subprocess.run(
            ["bash", "-e", "-c", example], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "Verified" in done.stdout
    assert len(re.findall(r"17\d{17} +[\d,]+\.\d\d", done.stdout)) >= 2


def test_a_port_in_use_is_reported(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        code, stderr = home.bad("simulate", "--port", port)
    assert (code, f"Port {port} is not available" in stderr) == (ExitCode.INPUT, True)


def test_the_demo_prints_its_verification_and_leaves_a_working_account(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = adreel(home, "demo", "--once", *WORLD)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "Verified: rows, keys, " in done.stdout
    assert "Last 60 days by ad account" in done.stdout
    assert f"Version 0 of {home / 'lake' / 'ad_spend_by_day'}" in done.stderr
    # The numbers of ad accounts: those of the simulator, those that can be read, those with rows.
    assert "4 ad accounts with 3 ads each" in done.stderr
    assert "the simulated consent page: 3 of 4 ad accounts. The other one is an example of" in done.stderr
    advertisers = json.loads(adreel(home, "query", "--format", "json", ADVERTISERS).stdout)
    assert len(advertisers) == 2
    empty = re.findall(r"Ad account (\d+) \(.+\) has no rows", done.stderr)
    assert len(empty) == 1
    assert empty[0] not in {row["id"] for row in advertisers}
    next_steps = done.stderr.partition("Next steps:")[2]
    assert re.search(r"query \".*from ad_spend_by_day", next_steps)
    assert "export ad_spend_by_day -o spend.xlsx" in next_steps
    assert next_steps.count(f"ADREEL_HOME={home} ") == 5
    simulate = re.search(r"simulate( .*)", next_steps)
    assert simulate is not None
    again = adreel(home, "demo", "--once", *WORLD)
    assert again.returncode == ExitCode.OK, again.stderr
    assert "Version 1 of" in again.stderr
    assert "diff ad_spend_by_day 1 2" in again.stderr
    words = re.search(r"simulate( .*)", again.stderr.partition("Next steps:")[2])
    assert words is not None
    # The printed command as it is: the account finds its data at the same address, without any setting.
    with simulated(*words[1].split()):
        report = adreel(home, "run", "ad_spend_by_day", "--json")
    assert report.returncode == ExitCode.OK, report.stderr
    assert json.loads(report.stdout)["version"] == 2


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
