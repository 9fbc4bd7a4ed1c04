"""How the pace fares on networks that scatter, and what it learns of them: the simulator, in virtual time."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.simulator import WorldConfig, access_token, create_app
from adreel.simulator.api.errors import ApiError
from adreel.simulator.api.limits import Throttle
from adreel.tiktok.client import Client
from adreel.tiktok.margin import LEAST, MOST, Margin, scatter_of
from adreel.tiktok.rate_limit import LEVELS, FileLog, Pace, RateLimits
from virtual_time import VirtualTime

BASIC = LEVELS["basic"]


class Steady(httpx2.AsyncBaseTransport):
    """Gives each answer so long after its request was sent: nothing in it tells how long the request was on its way."""

    def __init__(self, transport: httpx2.AsyncBaseTransport, clock: VirtualTime, seconds: float) -> None:
        self._transport, self._clock, self._seconds = transport, clock, seconds

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        due = self._clock.passed + self._seconds
        response = await self._transport.handle_async_request(request)
        await asyncio.sleep(max(0.0, due - self._clock.passed))
        return response


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run over a network cost: requests refused, seconds times the floor, and what was learned."""

    refused: int
    floors: float
    margin: float


class Network:
    """A simulated TikTok that answers in 200 ms, with the pace's file of one home.

    `work` is how many seconds a process makes something of each answer, and does nothing else.
    """

    def __init__(self, folder: Path, jitter_ms: int = 0, seed: int = 1, qps: int = 10) -> None:
        self.config = WorldConfig(
            date(2026, 1, 2), seed, advertisers=1, ads=0, qps=qps, latency_ms=200, jitter_ms=jitter_ms
        )
        self.clock = VirtualTime()
        self.app = create_app(self.config, wall=self.clock.epoch, monotonic=self.clock.monotonic)
        self.simulator = self.app.state.simulator
        self.path = folder / "pace.db"
        self.work = 0.0
        self.transport: httpx2.AsyncBaseTransport = httpx2.ASGITransport(self.app)

    def pace(self, limits: RateLimits) -> Pace:
        return Pace(FileLog(self.path), "app", limits, clock=self.clock.epoch)

    async def load(self, requests: int, limits: RateLimits) -> float:
        """One process that asks so often; the margin that it leaves."""
        pace = self.pace(limits)
        client = Client(
            base_url="http://tiktok.test/open_api/v1.3",
            pace=pace,
            token=access_token(self.config),
            transport=self.transport,
            monotonic=self.clock.monotonic,
            random=lambda: 0.0,
        )

        async def ask() -> None:
            await client.user()
            self.clock.passed += self.work

        await asyncio.gather(*(ask() for _ in range(requests)))
        margin = (await pace.turn()).margin
        pace.close()
        return margin

    def run(self, requests: int, processes: int = 1, limits: RateLimits = BASIC) -> Outcome:
        """So many requests, by processes that begin together."""
        began, before = self.clock.passed, self.simulator.throttle.refused

        async def main() -> float:
            loads = (self.load(requests // processes, limits) for _ in range(processes))
            return max(await asyncio.gather(*loads))

        margin = self.clock.run(main)
        refused = self.simulator.throttle.refused - before
        # The last turn is for looking at the margin, and may be a second after the last answer.
        return Outcome(refused, (self.clock.passed - began) * limits.per_second / (requests + refused), margin)


def refused_at(margin: float, between: float, jitter: float) -> int:
    """How many of 2,000 requests a limit of ten a second refuses, all sent as early as the margin and gap allow."""
    sent: list[float] = []
    for number in range(2_000):
        after_last = sent[-1] + between if sent else 0.0
        sent.append(max(after_last, sent[number - 10] + 1 + margin) if number >= 10 else after_last)
    random, throttle = Random(1), Throttle(10, 0)
    for at in sorted(at + random.uniform(0, jitter) for at in sent):
        with suppress(ApiError):
            throttle.take(at)
    return throttle.refused


@pytest.mark.parametrize("jitter", [0.1, 0.3])
def test_bursts_need_less_margin_than_even_spacing(jitter: float) -> None:
    assert refused_at(0.001, 0.003, 0.0) == 0
    bursts, even = refused_at(0.55 * jitter, 0.003, jitter), refused_at(0.55 * jitter, 0.1, jitter)
    assert bursts < even / 5
    assert refused_at(jitter + 0.001, 0.1, jitter) == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_without_scatter_nothing_is_refused_and_little_time_is_given_away(tmp_path: Path, processes: int) -> None:
    outcome = Network(tmp_path).run(180, processes)
    assert outcome.refused == 0
    assert outcome.floors < 1.05


def test_answers_that_scatter_widen_the_margin_before_anything_is_refused(tmp_path: Path) -> None:
    runs = []
    for seed in range(6):
        (tmp_path / str(seed)).mkdir()
        runs.append(Network(tmp_path / str(seed), 300, seed).run(30))
    unrefused = [run for run in runs if not run.refused]
    assert len(unrefused) >= 3
    assert all(run.margin > 2 * Margin().seconds for run in unrefused)


def test_a_process_that_has_work_with_its_answers_is_not_taken_for_a_network_that_scatters(tmp_path: Path) -> None:
    network = Network(tmp_path)
    network.work = 0.015
    outcome = network.run(180)
    assert outcome.refused == 0
    assert outcome.floors < 1.06
    assert outcome.margin < 0.03


def test_a_run_begins_with_what_an_earlier_one_learned(tmp_path: Path) -> None:
    network = Network(tmp_path, jitter_ms=300)
    network.transport = Steady(network.transport, network.clock, 0.5)
    first, second = network.run(180), network.run(180)
    assert first.refused > second.refused
    assert second.margin > 0.15


def test_a_network_that_begins_to_scatter_in_the_middle_of_a_run_is_noticed(tmp_path: Path) -> None:
    network = Network(tmp_path)
    assert network.run(180).refused == 0
    network.simulator.jitter = 0.3
    outcome = network.run(180)
    assert outcome.refused <= 6
    assert outcome.margin > 0.12


def test_a_few_requests_now_and_then_prove_nothing(tmp_path: Path) -> None:
    network = Network(tmp_path)

    async def main() -> float:
        pace = network.pace(BASIC)
        for _ in range(200):
            slot = await pace.turn()
            await asyncio.sleep(0.5)
        pace.close()
        return slot.margin

    assert network.clock.run(main) == Margin().seconds


lessons = st.one_of(
    st.tuples(st.just("turns"), st.integers(1, 12).map(float)),
    st.tuples(st.just("sleep"), st.floats(0, 3)),
    st.tuples(st.just("refused"), st.floats(0, 1)),
    st.tuples(st.just("scattered"), st.floats(0, 5)),
)


@given(steps=st.lists(st.tuples(st.integers(0, 1), lessons), max_size=30), per_second=st.integers(1, 5))
def test_whatever_is_learned_no_second_holds_more_than_the_level_allows(
    steps: list[tuple[int, tuple[str, float]]], per_second: int
) -> None:
    clock = VirtualTime()
    times: list[float] = []

    async def main(folder: Path) -> None:
        paces = [
            Pace(FileLog(folder / "pace.db"), "app", RateLimits(per_second, 1_000, 10**6), clock=clock.epoch)
            for _ in range(2)
        ]
        slot = await paces[0].turn()
        times.append(clock.passed)
        for owner, (action, value) in steps:
            match action:
                case "turns":
                    for _ in range(int(value)):
                        slot = await paces[owner].turn()
                        times.append(clock.passed)
                        assert LEAST <= slot.margin <= MOST
                case "sleep":
                    await asyncio.sleep(value)
                case "refused":
                    assert paces[owner].refused(slot) <= MOST
                case _:
                    paces[owner].scattered(value)
        for pace in paces:
            pace.close()

    with tempfile.TemporaryDirectory() as folder:
        clock.run(lambda: main(Path(folder)))
    assert all(later - earlier >= 1 for earlier, later in zip(times, times[per_second:], strict=False))


@pytest.mark.parametrize(
    ("journeys", "scatter"),
    [
        ([0.2] * 9, 0.0),
        ([0.2] * 10, 0.0),
        ([0.2 + 0.01 * number for number in range(11)], 0.08),
        ([*[0.2] * 17, 9.0, 9.0, 9.0], 0.0),
    ],
)
def test_the_scatter_of_answers_leaves_out_the_slowest(journeys: list[float], scatter: float) -> None:
    assert scatter_of(journeys) == pytest.approx(scatter)


def test_refusals_of_what_was_sent_before_the_last_was_known_teach_nothing_new() -> None:
    once = Margin().refused(12, 0.065, following=20)
    assert once.seconds > 0.1
    assert once.refused(13, 0.065, following=22) is once
    assert once.refused(20, once.seconds, following=30).seconds > once.seconds


def test_a_refusal_after_a_thousand_requests_without_one_widens_the_margin_by_less_than_the_next() -> None:
    rare = Margin(caution=LEAST, proof=0.03).refused(1_000, 0.03, following=1_010)
    assert 0.03 < rare.seconds < 0.06
    assert rare.refused(1_050, rare.seconds, following=1_060).seconds > 0.1


def ends(margin: Margin, step: Callable[[Margin], Margin], times: int) -> float:
    for _ in range(times):
        margin = step(margin)
    return margin.seconds


@given(st.lists(st.floats(0, 1), max_size=30))
def test_a_margin_stays_between_its_bounds(refusals: list[float]) -> None:
    margin = Margin()
    for number, given_with in enumerate(refusals):
        margin = margin.refused(number, given_with, number)
        assert LEAST <= margin.seconds <= MOST
    assert ends(margin, lambda learned: learned.tried(10, 0.0), 10_000) == LEAST
