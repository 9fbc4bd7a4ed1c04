"""The API as the pages' app mounts it: built at the first request, as most installations never call it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.datastructures import State
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

if TYPE_CHECKING:
    from fastapi import FastAPI


class LazyApi:
    """An app that builds the API once, in a thread, which takes half a second and 17 MB."""

    def __init__(self, state: State) -> None:
        """`state` is that of the pages' app."""
        self._state = state
        self._lock = Lock()
        self._api: FastAPI | None = None

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The routes of the API, for whoever lists those of the pages' app."""
        return self._built().routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        api = self._api
        if api is None:
            api = await to_thread.run_sync(self._built)
        await api(scope, receive, send)

    def _built(self) -> FastAPI:
        with self._lock:
            if self._api is None:
                # The import is what takes long.
                from adreel.web.api.app import create_api

                self._api = create_api(self._state)
            return self._api
