"""How many pages a run holds at a time: its memory does not grow with its rows."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.connections import account_access, connected, covered
from adreel.datasets.files import read
from adreel.datasets.validation import parse
from adreel.lake import Lake
from adreel.pipeline.extract import Extraction, PageBudget
from adreel.pipeline.parts import Parts
from adreel.pipeline.plan import make_plan
from adreel.pipeline.verify import ReadOutcome
from adreel.store import Store
from home import Home, make_home
from running import Hurry, settings_of

LARGE = {
    "name": "Large",
    "account": "demo",
    "report": "performance",
    "data_level": "ad",
    "time_dimension": "day",
    "metrics": ["spend"],
    "dates": {"start": "2026-04-20", "end": "2026-08-17"},
    "update": {"method": "replace"},
}


class Slow(httpx2.AsyncBaseTransport):
    """The simulated world, whose answers take a while; `most` is of how many requests it had later pages at a time."""

    def __init__(self, home: Home) -> None:
        self._under = httpx2.ASGITransport(home.world)
        self._under_way: Counter[str] = Counter()
        self.most = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        first_day, page = request.url.params.get("start_date", ""), int(request.url.params.get("page", 1))
        if page > 1:
            self._under_way[first_day] += 1
            self.most = max(self.most, len(self._under_way))
        for _ in range(50):
            await asyncio.sleep(0)
        if page > 1:
            self._under_way -= Counter([first_day])
        return await self._under.handle_async_request(request)


@pytest.mark.parametrize(("held", "most"), [(3, 1), (5, 2), (100, 4), (1, 1)])
def test_a_run_reads_later_pages_of_no_more_requests_than_it_may_hold(tmp_path: Path, held: int, most: int) -> None:
    home = make_home(tmp_path / "home", advertisers=2, ads=100, plain=True)
    home.add_account()
    settings, transport = settings_of(home), Slow(home)

    async def extract() -> list[ReadOutcome]:
        with Store.open(settings, clock=lambda: home.now) as store:
            account = store.accounts.list()[0]
            advertisers = covered(store.accounts.advertisers(account), None).advertisers
            plan = make_plan(parse(read(json.dumps(LARGE)), home.now), advertisers, home.now)
            access = account_access(settings, store, account)
            async with connected(settings, store, access, transport=transport, waits=Hurry().waits()) as client:
                parts = Parts(Lake(home.path / "lake"), "run")
                extraction = Extraction(plan, client, parts, lambda *_: None, {}, pages_held=held)
                return [await extraction.chunk(chunk) for chunk in plan.chunks()]

    outcome = sum(asyncio.run(extract()), ReadOutcome())
    assert (outcome.rows, outcome.pages, outcome.faults) == (2 * 100 * 120, 24, ())
    assert transport.most == most


@given(
    budget=st.integers(1, 20),
    requests=st.lists(st.tuples(st.integers(-1, 40), st.integers(0, 3), st.booleans()), max_size=12),
)
def test_every_request_gets_its_pages_within_the_budget_in_turn(
    budget: int, requests: list[tuple[int, int, bool]]
) -> None:
    held: Counter[int] = Counter()
    began: list[int] = []

    async def hold(pages: PageBudget, number: int, wanted: int, rounds: int) -> None:
        async with pages.hold(wanted):
            held[number] = max(0, min(wanted, budget))
            began.append(number)
            try:
                assert held.total() <= budget
                for _ in range(rounds):
                    await asyncio.sleep(0)
            finally:
                del held[number]

    async def go() -> None:
        pages = PageBudget(budget)
        tasks = [
            asyncio.create_task(hold(pages, number, wanted, rounds))
            for number, (wanted, rounds, _) in enumerate(requests)
        ]
        await asyncio.sleep(0)
        for task, (_, _, cancelled) in zip(tasks, requests, strict=True):
            if cancelled:
                task.cancel()
        for task, (_, _, cancelled) in zip(tasks, requests, strict=True):
            with suppress(asyncio.CancelledError):
                await task
            assert task.cancelled() <= cancelled
        # Whoever was cancelled has left nothing behind.
        await asyncio.wait_for(hold(pages, -1, budget, 0), 5)

    asyncio.run(go())
    waited = [number for number in began if number >= 0 and requests[number][0] > 0]
    assert waited == sorted(waited)
