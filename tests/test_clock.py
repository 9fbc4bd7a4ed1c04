"""Which time a home goes by: the machine's, but for homes that read nothing but one simulator on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from adreel.cli import CommandContext, app
from adreel.clock import SIMULATED_APP_ID, HomeClock
from adreel.settings import Settings
from adreel.simulator import WorldConfig
from adreel.simulator.api.grants import access_token
from adreel.simulator.world.config import APP_ID
from adreel.store import Store
from home import SPEND, served

SIMULATED = datetime(2021, 11, 22, 12, tzinfo=UTC)
"""When the simulated world begins, by its own time."""

SOON = timedelta(minutes=10)


@dataclass
class Place:
    """A home beside a simulator that is served on this machine."""

    path: Path
    url: str
    config: WorldConfig
    clock: HomeClock

    def run(self, *words: str, stdin: str = "") -> str:
        environ = {
            "ADREEL_HOME": str(self.path),
            "ADREEL_TIKTOK_URL": f"{self.url}/open_api/v1.3",
            "ADREEL_TIKTOK_APP_ID": self.config.app_id,
            "ADREEL_TIKTOK_SECRET": self.config.secret,
        }
        result = CliRunner().invoke(app, list(words), obj=CommandContext(environ, self.clock), input=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def advance(self) -> None:
        """Presses the button of the simulator's own page."""
        httpx2.post(f"{self.url}/", trust_env=False, follow_redirects=True).raise_for_status()
        self.clock.forget()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    config = WorldConfig(SIMULATED.date(), advertisers=1, ads=5, qps=0, days=60)
    with served(config) as url:
        cli_place = Place(tmp_path, url, config, HomeClock())
        cli_place.run("accounts", "add", "demo", "--token-stdin", stdin=f"{access_token(config)}\n")
        yield cli_place


@pytest.mark.slow
def test_an_incremental_run_reads_the_new_day_after_the_simulated_clock_was_advanced(place: Place) -> None:
    values = SPEND | {"dates": {"start": "today-3", "end": "yesterday"}, "update": {"method": "upsert"}}
    file = place.path / "spend.yaml"
    file.write_text(json.dumps(values))
    last = []
    place.run("run", "-f", str(file))
    for _ in range(2):
        answer = place.run("query", "select max(stat_time_day) as last from spend", "--format", "json")
        last.append(date.fromisoformat(json.loads(answer)[0]["last"][:10]))
        place.advance()
        place.run("run", "spend")
    assert last[1] - last[0] == timedelta(days=1)


def test_a_home_goes_by_the_simulators_time_only_while_every_account_reads_it(place: Place) -> None:
    place.advance()
    place.advance()
    with Store.open(Settings.load({"ADREEL_HOME": str(place.path)}), clock=place.clock) as store:
        (demo,) = store.accounts.list()
        place.clock.follow(store.accounts)
        assert abs(place.clock() - SIMULATED - timedelta(days=2)) < SOON
        for base, app_id in (
            ("https://business-api.tiktok.com/open_api/v1.3", APP_ID),
            (demo.base_url, "7000000000000000002"),
            (demo.base_url.replace("127.0.0.1", "simulator.example"), APP_ID),
            ("http://127.0.0.1:9/open_api/v1.3", APP_ID),
        ):
            other = store.accounts.add("other", token="t", app_id=app_id, app_secret="s", base_url=base, owner="")
            place.clock.forget()
            assert abs(place.clock() - datetime.now(UTC)) < SOON, base
            store.accounts.delete(other)
        place.clock.forget()
        assert abs(place.clock() - SIMULATED - timedelta(days=2)) < SOON


def test_a_home_that_is_not_opened_yet_goes_by_the_machines_time(place: Place) -> None:
    place.advance()
    wall = datetime(2026, 1, 31, tzinfo=UTC)
    assert HomeClock(lambda: wall)() == wall


def test_a_live_simulator_goes_on_hour_by_hour_after_a_day_was_advanced(tmp_path: Path) -> None:
    with served(WorldConfig(datetime.now(UTC).date(), advertisers=1, ads=1, qps=0, days=30, live=True)) as url:
        before = httpx2.get(f"{url}/_simulator/clock", trust_env=False).json()
        httpx2.post(f"{url}/", trust_env=False, follow_redirects=True)
        after = httpx2.get(f"{url}/_simulator/clock", trust_env=False).json()
        front = httpx2.get(f"{url}/", trust_env=False).text
    assert (before["ahead_seconds"], after["ahead_seconds"]) == (0, 86400)
    assert f"Simulated time: {datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}" in front


def test_the_app_by_which_a_simulated_account_is_known_is_the_simulators() -> None:
    assert SIMULATED_APP_ID == APP_ID
