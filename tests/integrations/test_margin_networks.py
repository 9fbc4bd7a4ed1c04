"""How long runs take on networks that scatter, and on apps of other levels: the simulator, in virtual time."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import mean

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel.tiktok.margin import LEAST
from adreel.tiktok.rate_limit import LEVELS
from test_margin import Network, Outcome, Steady


class Thoughtful(httpx2.AsyncBaseTransport):
    """Gives answers later than they are ready, each by something else up to `seconds`."""

    def __init__(self, transport: httpx2.AsyncBaseTransport, seconds: float) -> None:
        self._transport, self._seconds, self._number = transport, seconds, 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._transport.handle_async_request(request)
        self._number += 1
        await asyncio.sleep(self._seconds * (self._number * 0.618 % 1))
        return response


class NowAndThenLate(httpx2.AsyncBaseTransport):
    """Brings every so many-th request later than the others."""

    def __init__(self, transport: httpx2.AsyncBaseTransport, every: int, seconds: float) -> None:
        self._transport, self._every, self._seconds, self._number = transport, every, seconds, 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._number += 1
        if self._number % self._every == 0:
            await asyncio.sleep(self._seconds)
        return await self._transport.handle_async_request(request)


def outcomes(jitter_ms: int, processes: int, steady: float | None = None, seeds: int = 6) -> list[Outcome]:
    """Runs of 180 requests by homes that know nothing."""
    results = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            network = Network(Path(folder), jitter_ms, seed)
            if steady is not None:
                network.transport = Steady(network.transport, network.clock, steady)
            results.append(network.run(180, processes))
    return results


@pytest.mark.parametrize(("seconds", "floors"), [(0.1, 1.06), (0.3, 1.15), (2.0, 1.12)])
def test_answers_that_tiktok_thinks_about_slow_nobody_down_for_long(
    tmp_path: Path, seconds: float, floors: float
) -> None:
    network = Network(tmp_path)
    network.transport = Thoughtful(network.transport, seconds)
    first, later = network.run(180), network.run(1_000)
    assert first.refused == later.refused == 0
    assert first.floors < floors
    assert later.floors < 1.06


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("steady", [None, 0.5], ids=["as it comes", "hidden"])
@pytest.mark.parametrize(("jitter_ms", "refused", "floors"), [(100, 2, 1.12), (300, 4, 1.25)])
def test_on_a_network_that_scatters_few_are_refused_and_little_time_is_lost(
    processes: int, steady: float | None, jitter_ms: int, refused: int, floors: float
) -> None:
    runs = outcomes(jitter_ms, processes, steady)
    assert mean(run.refused for run in runs) <= refused
    assert mean(run.floors for run in runs) <= floors


@given(jitter_ms=st.integers(0, 300), seed=st.integers(0, 1_000), processes=st.integers(1, 3))
@settings(max_examples=10)
def test_whatever_the_scatter_refusals_stay_few(jitter_ms: int, seed: int, processes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        network = Network(Path(folder), jitter_ms, seed)
        first, later = network.run(180, processes), network.run(180, processes)
    assert first.refused <= 9
    assert later.refused <= 6
    assert later.floors < 1.1 + jitter_ms / 1000


def test_a_margin_that_is_not_needed_any_more_is_narrowed_slowly(tmp_path: Path) -> None:
    network = Network(tmp_path, jitter_ms=300, seed=3)
    wide = network.run(180).margin
    network.simulator.jitter = 0.0
    still, later = network.run(100).margin, network.run(2_000).margin
    assert wide > 0.12
    assert still > 0.75 * wide
    assert later < 2 * LEAST


def test_a_late_request_in_more_than_a_thousand_costs_little_of_the_pace(tmp_path: Path) -> None:
    network = Network(tmp_path, qps=30)
    network.transport = NowAndThenLate(network.transport, every=1_200, seconds=0.06)
    network.run(1_190, limits=LEVELS["premium"])
    outcome = network.run(2_400, limits=LEVELS["premium"])
    assert 1 <= outcome.refused <= 2
    assert outcome.floors < 1.05


@pytest.mark.parametrize("level", ["advanced", "premium", "ultimate"])
def test_an_app_of_a_lower_level_than_we_think_is_soon_asked_at_its_own_pace(tmp_path: Path, level: str) -> None:
    network = Network(tmp_path, jitter_ms=100, qps=10)
    limits = LEVELS[level]
    first, later = network.run(180, limits=limits), network.run(600, limits=limits)
    assert first.refused < 180
    assert later.refused <= 6
    # Counted by the app's own limit.
    assert later.floors * 10 / limits.per_second < 1.4


@pytest.mark.parametrize("level", ["advanced", "ultimate"])
def test_higher_levels_are_used_as_well(tmp_path: Path, level: str) -> None:
    limits = LEVELS[level]
    network = Network(tmp_path, jitter_ms=100, qps=limits.per_second)
    outcome = network.run(20 * limits.per_second, limits=limits)
    assert outcome.refused <= 3
    assert outcome.floors < 1.15
