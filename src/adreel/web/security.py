"""Checks of every request and headers of every answer, as one layer around the whole app."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adreel.language import integer, phrase
from adreel.settings import LOOPBACK, Settings
from adreel.web.deps import bearer_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

MOST_BYTES = 1_000_000
"""Of a request's body: the largest is a file of datasets."""

SMALL_BYTES = 64_000
RESERVED_BYTES = 4 * MOST_BYTES
"""The most bytes of all bodies larger than `SMALL_BYTES` together, at any time."""

WATCHED = frozenset({"/health", "/ready", "/metrics"})
"""Paths that answer by any host name: a load balancer uses an IP address. None of them heeds a cookie."""


class Shield:
    """Refuses requests of other sites and other names, and tells browsers what pages may do.

    A browser sends `Sec-Fetch-Site`, or at least `Origin`, with every request that changes something (source: the
    Fetch standard), so a form of another site is known by its headers and pages need no tokens. Requests with an API
    token carry their right with them.
    """

    def __init__(self, app: ASGIApp, settings: Settings, hosts: Iterable[str] = ()) -> None:
        """`hosts` are names besides the public address and this machine's own."""
        self._app = app
        public = urlsplit(settings.web_url)
        self._public = f"{public.scheme}://{public.netloc}"
        self._name = public.hostname or ""
        self._hosts = {self._name, *LOOPBACK, *hosts}
        self._headers = _answer_headers(settings.tiktok_auth_url, https=public.scheme == "https")
        self._seconds = settings.request_seconds
        self._reserved = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        refused = self._refusal(request)
        if refused is not None:
            await refused(scope, receive, answer)
            return
        size = _length(request.headers)
        reserved = size if size > SMALL_BYTES else 0
        if self._reserved + reserved > RESERVED_BYTES:
            busy = self._refused(
                request, 503, phrase("The server is busy with other large requests. Try again in 10 seconds.")
            )
            busy.headers["Retry-After"] = "10"
            await busy(scope, receive, answer)
            return
        self._reserved += reserved
        try:
            await self._with_body(request, size, receive, answer)
        finally:
            self._reserved -= reserved

    async def _with_body(self, request: Request, size: int, receive: Receive, answer: Send) -> None:
        """Reads the whole body before the request is handled, so that a slow sender blocks nothing."""
        if not size:
            await self._app(request.scope, receive, answer)
            return
        body = bytearray()
        with anyio.move_on_after(self._seconds) as timed:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    break
        if timed.cancelled_caught:
            late = self._refused(
                request,
                408,
                phrase(
                    "The request body took longer than %(seconds)s seconds. Send it again.",
                    seconds=format(self._seconds, "g"),
                ),
            )
            late.headers["Connection"] = "close"
            await late(request.scope, receive, answer)
            return
        await self._app(request.scope, _replayed(bytes(body), receive), answer)

    def _refused(self, request: Request, status: int, message: str) -> Response:  # noqa: ARG002 - the API has its own shape
        """The answer to a refused request."""
        return PlainTextResponse(f"{message}\n", status)

    def _refusal(self, request: Request) -> Response | None:
        if request.scope["path"] in WATCHED and request.method in SAFE:
            return None
        host = _hostname(request)
        if host not in self._hosts:
            # A foreign name that resolves to this server may be a page of another site (DNS rebinding).
            return self._refused(
                request,
                421,
                phrase(
                    "Host name %(host)s is not allowed. Set ADREEL_WEB_URL to the address that people use.",
                    host=repr(host),
                ),
            )
        if request.method in ("GET", "HEAD") and host in LOOPBACK and self._name in LOOPBACK and host != self._name:
            # Cookies belong to one name, and TikTok's consent page leads back to this one.
            return RedirectResponse(f"{self._public}{request.url.path}{_query(request)}", 307)
        if _length(request.headers) > MOST_BYTES:
            return self._refused(
                request, 413, phrase("The request is larger than %(limit)s bytes.", limit=integer(MOST_BYTES))
            )
        if "transfer-encoding" in request.headers:
            # Its end is not known before it is there.
            return self._refused(
                request, 411, phrase("Send the request with its length (Content-Length), not in chunks.")
            )
        if request.method not in SAFE and not _is_own(request.headers, self._origins(request)):
            return self._foreign(request)
        return None

    def _foreign(self, request: Request) -> Response | None:
        return self._refused(
            request, HTTPStatus.FORBIDDEN, phrase("The request came from another site and was refused.")
        )

    def _origins(self, request: Request) -> set[str]:
        return {self._public, f"{request.url.scheme}://{request.headers.get('host', '')}"}


def _hostname(request: Request) -> str:
    """The host name in the Host header; empty if the header holds none.

    Starlette takes the server's own name where it finds a header odd, as with an underscore: a page of another site
    under such a name would count as ours.
    """
    header = request.headers.get("host", "")
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{1,5})?", header)
    return match[1].strip("[]").lower() if match else ""


def _length(headers: Headers) -> int:
    """The bytes of a body; too many if the header is no number."""
    length = headers.get("content-length") or "0"
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else MOST_BYTES + 1


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body in one message, then whatever `receive` gives."""
    unread = [body]

    async def give() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return give


def _query(request: Request) -> str:
    return f"?{request.url.query}" if request.url.query else ""


def _is_own(headers: Headers, origins: set[str]) -> bool:
    """Whether a request that changes something comes from our own page, or with a token of its own.

    A browser adds no bearer token by itself, as it does with other kinds of `Authorization`.
    """
    if bearer_of(headers.get("authorization")):
        return True
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return headers.get("origin") in origins


def _answer_headers(consent: str, *, https: bool) -> dict[str, str]:
    page = urlsplit(consent)
    policy = (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        # Browsers hold a redirect after a form to this too, and Connect leads to the consent page.
        f"form-action 'self' {page.scheme}://{page.netloc}",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "object-src 'none'",
    )
    headers = {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }
    return headers | ({"Strict-Transport-Security": "max-age=31536000"} if https else {})
