"""`adreel simulate` and `adreel demo` from their first line to a run a day later."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from adreel.errors import ExitCode
from test_cli_trial import PROGRAM, ROOT, WORLD, simulated

ADVERTISERS = "select distinct advertiser_id as id from ad_spend_by_day"


def adreel(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words], env={**os.environ, "ADREEL_HOME": str(home)}, capture_output=True, text=True, check=False
    )


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
