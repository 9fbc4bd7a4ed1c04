"""The simulator as a web application: TikTok's paths, the consent page, and the side door."""

from __future__ import annotations

import asyncio
import codecs
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from adreel.simulator.api import (
    accounts,
    ad_account_assets,
    audiences,
    business_centers,
    creatives,
    files,
    gmv_max,
    integrated,
    lists,
    materials,
    smart_plus,
    tasks,
)
from adreel.simulator.api.call import Call, Endpoint, Reply
from adreel.simulator.api.consent import ConsentError, show_consent, take_decision
from adreel.simulator.api.errors import ApiError, NotSimulatedError
from adreel.simulator.api.params import Params, read_body
from adreel.simulator.control.frontpage import advance_one_day, show_front
from adreel.simulator.control.sidedoor import side_door
from adreel.simulator.control.state import Entry, Simulator
from adreel.simulator.control.trouble import FILE_KINDS, PAGE_KINDS, Trouble, spoil, spoil_file
from adreel.simulator.world.config import WorldConfig

BASE = "/open_api/v1.3/"
_JSON = (b"content-type", b"application/json")

ENDPOINTS: Mapping[str, tuple[str, Endpoint]] = {
    "oauth2/access_token/": ("POST", accounts.exchange),
    "oauth/token/": ("POST", accounts.exchange_plainly),
    "oauth2/revoke_token/": ("POST", accounts.revoke),
    "oauth2/advertiser/get/": ("GET", accounts.advertisers),
    "user/info/": ("GET", accounts.user),
    "advertiser/info/": ("GET", accounts.advertiser_info),
    "report/integrated/get/": ("GET", integrated.integrated),
    "bc/get/": ("GET", business_centers.business_centers),
    "advertiser/balance/get/": ("GET", business_centers.balances),
    "bc/account/transaction/get/": ("GET", business_centers.transactions),
    "bc/account/cost/get/": ("GET", business_centers.costs),
    "bc/asset/get/": ("GET", business_centers.assets),
    "campaign/get/": ("GET", lists.campaigns),
    "adgroup/get/": ("GET", lists.adgroups),
    "ad/get/": ("GET", lists.ads),
    "smart_plus/campaign/get/": ("GET", smart_plus.campaigns),
    "smart_plus/adgroup/get/": ("GET", smart_plus.adgroups),
    "smart_plus/ad/get/": ("GET", smart_plus.ads),
    "smart_plus/material_report/overview/": ("GET", materials.overview),
    "smart_plus/material_report/breakdown/": ("GET", materials.breakdown),
    "dmp/custom_audience/list/": ("GET", audiences.audience_list),
    "dmp/custom_audience/get/": ("GET", audiences.audience_details),
    "pixel/list/": ("GET", ad_account_assets.pixels),
    "identity/get/": ("GET", ad_account_assets.identities),
    "creative/report/get/": ("GET", creatives.creative_report),
    "gmv_max/store/list/": ("GET", gmv_max.shop_list),
    "gmv_max/campaign/get/": ("GET", gmv_max.campaign_list),
    "campaign/gmv_max/info/": ("GET", gmv_max.campaign_details),
    "gmv_max/report/get/": ("GET", gmv_max.report),
    "report/task/create/": ("POST", tasks.create),
    "report/task/check/": ("GET", tasks.check),
    "report/task/download/": ("GET", tasks.download),
    "report/task/cancel/": ("POST", tasks.cancel),
    "file/video/ad/search/": ("GET", files.video_search),
    "file/video/ad/info/": ("GET", files.video_info),
    "file/image/ad/search/": ("GET", files.image_search),
    "file/image/ad/info/": ("GET", files.image_info),
}
"""What is simulated under the base, with the method that it takes."""

KNOWN_ELSEWHERE = frozenset(
    [
        "gmv_max/video/get/",
        "gmv_max/identity/get/",
        "store/product/get/",
        "bc/asset/get/",
        "report/video_performance/get/",
        "report/ad_benchmark/get/",
        "campaign/create/",
        "campaign/update/",
        "adgroup/create/",
        "adgroup/update/",
        "ad/create/",
        "ad/update/",
        "campaign/copy/task/create/",
        "campaign/copy/task/check/",
        "tool/region/",
        "catalog/get/",
    ]
)
"""TikTok has these; the simulator says aloud that it does not."""


@dataclass(frozen=True, slots=True)
class AnswerBody:
    """A response as it goes out; `promised` is the content-length if it is not the body's own."""

    content: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = (_JSON,)
    promised: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it; one that promises more than it has breaks off, as a lost connection does."""
        del scope, receive
        length = len(self.content) if self.promised is None else self.promised
        headers = [*self.headers, (b"content-length", str(length).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        more = self.promised is not None
        await send({"type": "http.response.body", "body": self.content, "more_body": more})


class Api:
    """Answers everything under the base path."""

    def __init__(self, simulator: Simulator, sleep: Callable[[float], Awaitable[None]]) -> None:
        """`sleep` waits for the way here, latency and ordered hangs."""
        self._simulator, self._sleep = simulator, sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> AnswerBody:
        simulator = self._simulator
        if simulator.jitter:
            await self._sleep(simulator.way())
        simulator.catch_up()
        name = request.url.path.removeprefix(BASE)
        at = simulator.monotonic()
        endpoint = ENDPOINTS.get(name)
        if endpoint is None:
            return self._unknown(request, name, at)
        if request.method != endpoint[0]:
            self._note(request, name, Params({}, {}), -405, at)
            return AnswerBody(b"405 method not allowed", 405, ((b"content-type", b"text/plain"),))
        content = await request.body()
        params, refusal = _read_params(request, content)
        refusal = self._limit(name) or refusal
        trouble = self._trouble(name, params)
        await self._wait(trouble)
        code, body = self._serve(request, name, endpoint[1], params, refusal, trouble)
        self._note(request, name, params, code, at)
        return _break(body, trouble)

    def _limit(self, name: str) -> ApiError | None:
        """Whether a request that comes now is one too many, for the app or for the path."""
        simulator = self._simulator
        try:
            simulator.throttle.take(simulator.monotonic())
            if name == "gmv_max/report/get/":
                simulator.gmv_throttle.take(simulator.monotonic())
        except ApiError as error:
            return error
        return None

    def _unknown(self, request: Request, name: str, at: float) -> AnswerBody:
        if name in KNOWN_ELSEWHERE:
            self._note(request, name, Params({}, {}), -501, at)
            return _not_simulated(self._simulator, f"{request.method} /{name}")
        self._note(request, name, Params({}, {}), -404, at)
        return AnswerBody(b"404 page not found", 404, ((b"content-type", b"text/plain; charset=utf-8"),))

    def _trouble(self, name: str, params: Params) -> Trouble | None:
        shown = params.shown()
        planned = next((trouble for trouble in self._simulator.troubles if trouble.strikes(name, shown)), None)
        self._simulator.troubles = [trouble for trouble in self._simulator.troubles if not trouble.over]
        return planned

    async def _wait(self, trouble: Trouble | None) -> None:
        seconds = self._simulator.latency + (trouble.seconds if trouble and trouble.kind == "hang" else 0.0)
        if seconds > 0:
            await self._sleep(seconds)

    def _serve(
        self,
        request: Request,
        name: str,
        endpoint: Endpoint,
        params: Params,
        refusal: ApiError | None,
        trouble: Trouble | None,
    ) -> tuple[int, AnswerBody]:
        simulator = self._simulator
        try:
            if refusal is not None:
                raise refusal
            if trouble is not None and trouble.kind == "code":
                raise ApiError(trouble.code, trouble.message)
            if trouble is not None and trouble.kind == "cap":
                params = params.capped(trouble.rows)
            token = request.headers.get("access-token", "")
            reply = endpoint(Call(simulator, name, params, token, str(request.base_url)))
        except ApiError as error:
            return error.code, _refuse(simulator, error)
        except NotSimulatedError as error:
            return -501, _not_simulated(simulator, str(error))
        return 0, _accept(simulator, reply, trouble)

    def _note(self, request: Request, name: str, params: Params, code: int, at: float) -> None:
        shown = params.shown()
        advertiser = str(shown.get("advertiser_id", shown.get("advertiser_ids", "")))
        page = str(shown.get("page", 0))
        number = int(page) if page.isdecimal() else 0
        self._simulator.log.append(Entry(request.method, name, shown, advertiser, number, code, at))


def _read_params(request: Request, content: bytes) -> tuple[Params, ApiError | None]:
    query = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return Params(dict(parse_qsl(content.decode(errors="replace"))), {}), None
    try:
        return Params(query, read_body(content)), None
    except ApiError as error:
        return Params(query, {}), error


def _accept(simulator: Simulator, reply: Reply, trouble: Trouble | None) -> AnswerBody:
    request_id = simulator.request_id()
    if reply.raw is not None:
        spoiled = trouble is not None and trouble.kind in FILE_KINDS
        raw = spoil_file(reply.raw, trouble) if trouble is not None and spoiled else reply.raw
        return AnswerBody(raw, headers=(*reply.headers, _log_id(request_id)))
    data = reply.data
    if trouble is not None and trouble.kind in PAGE_KINDS:
        data = spoil(data, trouble)
    elif trouble is not None and trouble.kind == "data":
        data = trouble.value.encode()
    head = f'{{"code":0,"message":"OK","request_id":"{request_id}",'.encode()
    headers = (_JSON, _log_id(request_id), *reply.headers)
    if reply.flat:
        return AnswerBody(head + orjson.dumps(reply.flat)[1:], headers=headers)
    return AnswerBody(b"".join((head, b'"data":', data, b"}")), headers=headers)


def _log_id(request_id: str) -> tuple[bytes, bytes]:
    return b"x-tt-logid", request_id.encode()


def _refuse(simulator: Simulator, error: ApiError) -> AnswerBody:
    request_id = simulator.request_id()
    envelope = {"code": error.code, "message": error.message, "request_id": request_id, "data": {}}
    return AnswerBody(orjson.dumps(envelope), headers=(_JSON, _log_id(request_id)))


def _not_simulated(simulator: Simulator, feature: str) -> AnswerBody:
    message = f"adreel's simulator does not simulate {feature}; docs/simulator.md lists what it does."
    envelope = {"code": 40014, "message": message, "request_id": simulator.request_id(), "data": {}}
    return AnswerBody(orjson.dumps(envelope), 501)


def _break(body: AnswerBody, trouble: Trouble | None) -> AnswerBody:
    """What an ordered trouble makes of an answer."""
    if trouble is None:
        return body
    html = f"<html><body><h1>{trouble.status}</h1></body></html>".encode()
    match trouble.kind:
        case "http":
            return AnswerBody(b"upstream error", trouble.status, ((b"content-type", b"text/plain"),))
        case "html":
            return AnswerBody(html, trouble.status, ((b"content-type", b"text/html"),))
        case "garbage":
            return AnswerBody(b'{"code":0,"message":"OK","data":{"list":[', body.status, body.headers)
        case "mark":
            return AnswerBody(codecs.BOM_UTF8 + body.content, body.status, body.headers)
        case "cut":
            return AnswerBody(body.content[: len(body.content) // 2], body.status, body.headers, len(body.content))
    return body


async def _consent(request: Request) -> Response:
    simulator: Simulator = request.app.state.simulator
    try:
        if request.method == "GET":
            return HTMLResponse(show_consent(simulator, request.query_params))
        return RedirectResponse(take_decision(simulator, await request.body()), 302)
    except ConsentError as error:
        return HTMLResponse(f"<!doctype html><title>Error</title><p>{error}</p>", 400)


async def _download(request: Request) -> Response:
    """The file of a finished task; its address is all that it takes, as with TikTok."""
    simulator: Simulator = request.app.state.simulator
    task = simulator.tasks.get(request.path_params["task"])
    if task is None or task.status != "SUCCESS":
        return PlainTextResponse("404 page not found", 404)
    return Response(tasks.write_csv(simulator, task), media_type="text/csv")


async def _front(request: Request) -> Response:
    simulator: Simulator = request.app.state.simulator
    if request.method == "GET":
        return HTMLResponse(show_front(simulator))
    advance_one_day(simulator)
    return RedirectResponse("/", 303)


async def _nothing(request: Request) -> Response:
    del request
    return PlainTextResponse("404 page not found", 404)


def create_app(
    config: WorldConfig,
    *,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Starlette:
    """A simulator of its own; nothing is shared between two of them.

    `wall` (seconds since 1970) dates consents, `monotonic` the limits and the log; the world's own time is the
    config's and the side door's.
    """
    simulator = Simulator(config, wall, monotonic)
    app = Starlette(
        routes=[
            Route(BASE + "{path:path}", Api(simulator, sleep), methods=None),
            Route("/portal/auth", _consent, methods=["GET", "POST"]),
            Route("/_downloads/{task}", _download),
            Route("/", _front, methods=["GET", "POST"]),
            Route("/_simulator/{path:path}", side_door, methods=["GET", "POST"]),
            Route("/{path:path}", _nothing),
        ]
    )
    app.state.simulator = simulator
    return app
