"""The app: pages, API and static files behind one shield."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any, cast

import httpx2
from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from adreel import errors
from adreel.errors import AdreelError, DatasetError
from adreel.lake import Lake
from adreel.language import phrase
from adreel.logs import logger_of
from adreel.sandbox import Sandbox
from adreel.settings import Settings
from adreel.store import Store
from adreel.web import metrics
from adreel.web.api.failures import refused, refused_address
from adreel.web.api.mounted import LazyApi
from adreel.web.assets import Assets
from adreel.web.deps import API, COOKIE, Deps, SignInNeededError
from adreel.web.languages import Speaking
from adreel.web.pages import ROUTERS
from adreel.web.pages.failures import FailurePage, failure_page, malformed
from adreel.web.pages.manual import PICTURES, Manual
from adreel.web.render import Pages, go, is_fragment, respond
from adreel.web.security import SAFE, Shield
from adreel.web.sign_in import sign_in_path
from adreel.web.status import retry_after, status_of, unexpected

logger = logger_of(__name__)

THREADS = 6
"""Requests that are worked on at a time. They wait for nothing but the processor (queries and TikTok are waited for
elsewhere), so more of them would end no sooner and hold more memory."""


def create_app(
    settings: Settings,
    store: Store,
    *,
    clock: Callable[[], datetime],
    transport: httpx2.AsyncBaseTransport | None = None,
    hosts: Iterable[str] = (),
    sandbox: Sandbox | None = None,
) -> ASGIApp:
    """The Data Center over one home, as an ASGI app. The caller closes the store, and starts what waits.

    `hosts` are names that it answers to besides its public address; `sandbox` is where SQL runs, if there is one yet.
    """
    app = FastAPI(title="adreel", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_lifespan)
    lake = Lake(settings.lake_url, clock=clock)
    app.state.deps = Deps(settings, store, lake, clock, sandbox or Sandbox(), transport=transport)
    assets = Assets()
    app.state.pages = Pages(assets)
    app.state.assets = assets
    app.state.manual = Manual()
    app.mount("/static", assets)
    app.mount(PICTURES, app.state.manual.pictures)
    # As they are: FastAPI's include_router builds each of them anew for each app.
    for router in (*ROUTERS, metrics.router):
        app.router.routes.extend(router.routes)
    app.mount(API, LazyApi(app.state))
    app.add_exception_handler(AdreelError, _refused)
    app.add_exception_handler(SignInNeededError, _stranger)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Exception, _broken)
    gate = Speaking(_Gate(GZipMiddleware(app, minimum_size=800), settings, hosts))
    return _behind(gate, settings.proxies.split(",")) if settings.proxies else gate


def _behind(app: ASGIApp, proxies: list[str]) -> ASGIApp:
    """The app with the addresses that these proxies say requests came from."""
    # uvicorn and Starlette describe the same interface in types of their own.
    return cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app), proxies))


class _Gate(Shield):
    """The shield, which says no to programs in the API's shape."""

    def _refused(self, request: Request, status: int, words: str) -> Response:
        return refused(status, words) if _is_api(request) else super()._refused(request, status, words)

    def _foreign(self, request: Request) -> Response | None:
        # Without a session there is nothing that another site could use: a program forgot its token.
        return None if _is_api(request) and COOKIE not in request.cookies else super()._foreign(request)


def _is_api(request: Request) -> bool:
    return bool(request.scope["path"].startswith(f"{API}/"))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield
    deps: Deps = app.state.deps
    deps.lake.close()
    deps.sandbox.close()


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AdreelError)
    problems = error.problems if isinstance(error, DatasetError) else ()
    try:
        answer = _failed(request, status_of(error), str(error) if not problems else error.message, error, problems)
    except AdreelError as again:
        # The page shows the workspace, whose database is what failed; where that is, is not for strangers.
        advice = (
            phrase("Try again in a moment.")
            if again.passes
            else phrase("An administrator can find the reason in the server's log.")
        )
        logger.error("A page could not be shown: %s", again)
        message = phrase("The database cannot be read. %(advice)s", advice=advice)
        answer = PlainTextResponse(f"{message}\n", status_of(again))
    answer.headers.update(retry_after(error))
    return answer


def _failed(
    request: Request,
    status: HTTPStatus,
    message: str,
    error: Exception,
    problems: tuple[errors.Problem, ...] = (),
) -> Response:
    if is_fragment(request):
        answer = respond(request, FailurePage.fragment(status, message, problems), status)
        if request.method not in SAFE:
            # What was refused leaves the form as it was, and is said beside it.
            answer.headers.update({"HX-Retarget": "#notes", "HX-Reswap": "innerHTML"})
        return answer
    return respond(request, failure_page(request, status, message, problems, error), status)


def _stranger(request: Request, _: Exception) -> Response:
    return go(request, sign_in_path(request))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if _is_api(request):
        # An address that leads to no app of ours, as with a line break in it, but is meant for the API.
        return refused_address(request, error)
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.METHOD_NOT_ALLOWED and request.method in SAFE and not is_fragment(request):
        # A form that was refused is shown at the address that it was sent to; loading that again is a GET.
        return go(request, _page_above(request))
    sentences = {
        HTTPStatus.NOT_FOUND: phrase("This page does not exist."),
        HTTPStatus.METHOD_NOT_ALLOWED: phrase("This address does not support the method."),
    }
    answer = _failed(request, status, sentences.get(status, f"{error.detail}."), error)
    answer.headers.update(error.headers or {})
    return answer


def _page_above(request: Request) -> str:
    """The nearest address above the request's that is a page, such as the dataset's above one of its actions."""
    path = request.url.path
    while path := path.rpartition("/")[0]:
        scope = {**request.scope, "path": path, "method": "GET"}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
            return path
    return "/"


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _failed(request, HTTPStatus.UNPROCESSABLE_ENTITY, malformed(error.errors()), error)


def _broken(request: Request, error: Exception) -> Response:
    """The answer to an unexpected error; the server raises it again, and its traceback with the ID reaches the log."""
    message = unexpected(error)
    try:
        return _failed(request, HTTPStatus.INTERNAL_SERVER_ERROR, message, error)
    except Exception:  # noqa: BLE001 - the page shows the workspace, whose database may be what is broken
        return PlainTextResponse(f"{message}\n", HTTPStatus.INTERNAL_SERVER_ERROR)
