"""When the API is built: at its first request, once, and never for pages."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx2
import pytest
from starlette.datastructures import State
from starlette.routing import BaseRoute, Mount

from adreel.web.api.app import create_api
from adreel.web.api.mounted import LazyApi
from api_home import ADDRESS, API
from web_home import Site


@pytest.mark.slow
def test_first_requests_at_the_same_time_are_all_answered(site: Site) -> None:
    async def ask() -> list[tuple[int, Any]]:
        transport = httpx2.ASGITransport(site.app)
        async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client:
            paths = ("/me", "/nowhere", "/openapi.json", "/me")
            answers = await asyncio.gather(*(client.get(f"{API}{path}") for path in paths))
        return [(answer.status_code, answer.json()) for answer in answers]

    unknown, nowhere, description, again = asyncio.run(ask())
    assert unknown == again
    assert (unknown[0], unknown[1]["error"]["kind"]) == (401, "SignInNeededError")
    assert (nowhere[0], nowhere[1]["error"]["kind"]) == (404, "NotFoundError")
    assert (description[0], description[1]["paths"]) == (200, create_api(State()).openapi()["paths"])


def test_the_api_is_built_once_and_lists_its_routes() -> None:
    usual = sys.getswitchinterval()
    try:
        # Threads that change all the time, so that two would build it without a lock.
        sys.setswitchinterval(1e-6)
        lists = [listed_at_once(8) for _ in range(30)]
    finally:
        sys.setswitchinterval(usual)
    assert [len({id(routes) for routes in each}) for each in lists] == [1] * 30
    assert [getattr(route, "path", None) for route in lists[0][0]] == [
        getattr(route, "path", None) for route in create_api(State()).routes
    ]


def listed_at_once(threads: int) -> list[Sequence[BaseRoute]]:
    """The routes of a mounted API, as threads list them that begin together."""
    mounted, start = Mount(API, LazyApi(State())), Barrier(threads)

    def routes(_: int) -> Sequence[BaseRoute]:
        start.wait()
        return mounted.routes

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(routes, range(threads)))
