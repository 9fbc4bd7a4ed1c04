from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from adreel.errors import AdvertiserError, ReconnectError, StopError
from adreel.simulator import WorldConfig, access_token, create_app
from adreel.simulator.server import serve_on
from adreel.simulator.world.config import APP_ID
from adreel.tiktok.client import Client
from adreel.tiktok.oauth import Listener, consent_url, new_state
from adreel.tiktok.rate_limit import LEVELS, FileLog, Pace
from virtual_time import VirtualTime

T = TypeVar("T")
BASE = "http://tiktok.test/open_api/v1.3"
REPORT = "/report/integrated/get/"

WORLD = WorldConfig(today=date(2026, 1, 2), advertisers=4, ads=3, plain=True)
LAST_MONTH = {
    "report_type": "BASIC",
    "data_level": "AUCTION_AD",
    "dimensions": ["ad_id", "stat_time_day"],
    "metrics": ["spend", "impressions"],
    "start_date": "2025-12-01",
    "end_date": "2025-12-30",
}


async def no_wait(seconds: float) -> None:
    await asyncio.sleep(0)


class World:
    """A simulator in virtual time, with its side door."""

    def __init__(self, folder: Path, config: WorldConfig = WORLD) -> None:
        self.config = config
        self.clock = VirtualTime()
        self.folder = folder
        self.app = create_app(config, wall=self.clock.epoch, monotonic=self.clock.monotonic)
        self.simulator = self.app.state.simulator
        self.ids = [advertiser.id for advertiser in self.simulator.world.advertisers]

    async def order(self, name: str, **values: Any) -> None:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url="http://x") as door:
            (await door.post(f"/_simulator/{name}", json=values)).raise_for_status()

    def client(self, pace: Pace) -> Client:
        return Client(
            base_url=BASE,
            pace=pace,
            token=access_token(self.config),
            transport=httpx2.ASGITransport(self.app),
            monotonic=self.clock.monotonic,
            random=lambda: 0.0,
        )

    def visit(self, use: Callable[[Client], Awaitable[T]], level: str = "basic") -> T:
        async def main() -> T:
            pace = Pace(FileLog(self.folder / "pace.db"), "app", LEVELS[level], clock=self.clock.epoch)
            try:
                async with self.client(pace) as client:
                    return await use(client)
            finally:
                pace.close()

        return self.clock.run(main)

    def reports(self, number: int) -> Callable[[Client], Awaitable[Any]]:
        """That many pages of reports at once, each another one; the counts of the client."""

        async def use(client: Client) -> Any:
            params = {**LAST_MONTH, "advertiser_id": self.ids[0]}
            await asyncio.gather(*(client.page(REPORT, params, page, 10) for page in range(1, number + 1)))
            return client.counts

        return use


@pytest.mark.parametrize("latency", [0, 150, 2000])
def test_nothing_is_refused_at_the_full_rate(tmp_path: Path, latency: int) -> None:
    world = World(tmp_path, WorldConfig(today=WORLD.today, advertisers=1, ads=1, plain=True, latency_ms=latency))
    counts = world.visit(world.reports(300))
    assert (counts.pages, counts.refused, counts.retried) == (300, 0, 0)
    assert world.clock.passed < 300 / 10 * 1.02 + latency / 1000


@pytest.mark.slow
def test_an_app_of_the_highest_level_is_used_whole_however_long_an_answer_takes(tmp_path: Path) -> None:
    world = World(
        tmp_path, WorldConfig(today=WORLD.today, advertisers=1, ads=1, plain=True, qps=50, qpm=3_000, latency_ms=2000)
    )
    counts = world.visit(world.reports(1_000), "ultimate")
    assert (counts.pages, counts.refused, counts.retried) == (1_000, 0, 0)
    # The first answers tell how long one takes; from then on there are as many under way as the rate needs.
    assert world.clock.passed < 1_000 / 50 * 1.02 + 2 * 2.0


def test_two_processes_of_one_app_together_are_not_refused(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def main() -> None:
        paces = [Pace(FileLog(tmp_path / "pace.db"), "app", LEVELS["basic"], clock=world.clock.epoch) for _ in range(2)]
        await asyncio.gather(*(world.reports(60)(world.client(pace)) for pace in paces))
        for pace in paces:
            pace.close()

    world.clock.run(main)
    assert world.simulator.throttle.refused == 0
    assert world.clock.passed < 120 / 10 * 1.02 + 0.5


def test_an_app_with_a_lower_limit_than_we_think_is_served_in_the_end(tmp_path: Path) -> None:
    world = World(tmp_path, WorldConfig(today=WORLD.today, advertisers=1, ads=1, plain=True, qps=4, latency_ms=100))
    counts = world.visit(world.reports(60))
    assert counts.pages == 60
    assert counts.refused > 0


def test_the_five_minute_block_of_the_simulator_is_waited_out(tmp_path: Path) -> None:
    world = World(tmp_path, WorldConfig(today=WORLD.today, advertisers=1, ads=1, plain=True, qpm=50, latency_ms=100))
    counts = world.visit(world.reports(90))
    assert counts.pages == 90
    assert 300 < world.clock.passed < 400


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "code", "code": 50000},
        {"kind": "code", "code": 40100},
        {"kind": "http", "status": 503},
        {"kind": "html", "status": 200},
        {"kind": "garbage"},
        {"kind": "hang", "seconds": 1e6},
    ],
)
def test_trouble_that_passes_costs_nothing_but_time(tmp_path: Path, trouble: Mapping[str, Any]) -> None:
    world = World(tmp_path)

    async def use(client: Client) -> Any:
        params = {**LAST_MONTH, "advertiser_id": world.ids[0]}
        before = await client.page(REPORT, params, 1, 1000)
        await world.order("trouble", **trouble, times=1)
        return before.rows, (await client.page(REPORT, params, 1, 1000)).rows, client.counts

    before, after, counts = world.visit(use)
    assert len(before) == WORLD.ads * 30
    assert after == before
    assert counts.retried == 1


def test_trouble_of_the_connection_passes_over_a_real_one(tmp_path: Path) -> None:
    async def main() -> Any:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            config = WorldConfig(today=WORLD.today, advertisers=1, ads=3, plain=True)
            server = asyncio.ensure_future(serve_on(config, listener, address.set_result))
            url = await address
            pace = Pace(FileLog(tmp_path / "pace.db"), "app", LEVELS["basic"])
            token = access_token(config)
            async with (
                httpx2.AsyncClient(base_url=url, trust_env=False) as door,
                Client(base_url=f"{url}/open_api/v1.3", pace=pace, token=token, sleep=no_wait) as client,
            ):
                ids = (await door.get("/_simulator/state")).json()["advertisers"]
                params = {**LAST_MONTH, "advertiser_id": ids[0]["advertiser_id"]}
                before = await client.page(REPORT, params, 1, 1000)
                (await door.post("/_simulator/trouble", json={"kind": "cut"})).raise_for_status()
                after = await client.page(REPORT, params, 1, 1000)
                counts = client.counts
            pace.close()
            server.cancel()
            with suppress(asyncio.CancelledError):
                await server
            return before.rows, after.rows, counts

    before, after, counts = asyncio.run(main())
    assert len(before) == 90
    assert after == before
    assert counts.retried == 1


def test_an_account_is_connected_used_and_revoked(tmp_path: Path) -> None:
    app = create_app(WORLD)
    state = new_state()

    async def person_agrees(listener: Listener) -> None:
        url = consent_url("http://x/portal/auth", APP_ID, state, listener.redirect_uri)
        form = {"app_id": APP_ID, "state": state, "redirect_uri": listener.redirect_uri, "decision": "allow"}
        chosen = [advertiser.id for advertiser in app.state.simulator.world.advertisers[:2]]
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as browser:
            assert (await browser.get(url)).status_code == 200
            back = await browser.post("http://x/portal/auth", data={**form, "advertiser_id": chosen})
        async with httpx2.AsyncClient(trust_env=False) as browser:
            assert "Connected" in (await browser.get(back.headers["location"])).text

    async def main() -> None:
        pace = Pace(FileLog(tmp_path / "pace.db"), "app", LEVELS["basic"])
        options: dict[str, Any] = {"app_id": APP_ID, "secret": WORLD.secret, "transport": httpx2.ASGITransport(app)}
        async with Listener(state) as listener:
            await person_agrees(listener)
            code = await listener.code(30)
        async with Client(base_url=BASE, pace=pace, **options) as client:
            grant = await client.exchange(code)
            with pytest.raises(ReconnectError) as used:
                await client.exchange(code)
            assert used.value.code == 40110
        async with Client(base_url=BASE, pace=pace, token=grant.access_token, **options) as client:
            names = await client.advertisers()
            assert len(names) == 2
            assert (await client.user()).display_name
            everyone = [advertiser.id for advertiser in app.state.simulator.world.advertisers]
            info = await client.advertiser_info(everyone, ["currency", "timezone"])
            assert [row["advertiser_id"] for row in info] == [name.id for name in names]
            page = await client.page(REPORT, {**LAST_MONTH, "advertiser_id": names[1].id}, 1, 1000)
            assert page.total_number == len(page.rows) == 90
            await client.revoke()
            with pytest.raises(ReconnectError):
                await client.page(REPORT, {**LAST_MONTH, "advertiser_id": names[1].id}, 1, 1000)
        pace.close()

    asyncio.run(main())


def test_an_advertiser_that_is_removed_while_it_is_read_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def use(client: Client) -> Any:
        params = {**LAST_MONTH, "advertiser_id": world.ids[2]}
        await client.page(REPORT, params, 1, 1000)
        await world.order("remove", advertiser_id=world.ids[2])
        await client.page(REPORT, params, 1, 1000)

    with pytest.raises(AdvertiserError, match=world.ids[2]):
        world.visit(use)


def test_a_wrong_version_in_the_address_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def use(client: Client) -> Any:
        await client.call("GET", "/v9/report/integrated/get/")

    with pytest.raises(StopError, match="ADREEL_TIKTOK_URL"):
        world.visit(use)
