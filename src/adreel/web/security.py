"""What every answer carries and every request must show, whatever the page: one layer around the whole app."""

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

from adreel.settings import LOOPBACK, Settings
from adreel.web.deps import bearer_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

MOST_BYTES = 1_000_000
"""Of a request's body: the largest is a file of datasets."""

SMALL_BYTES = 64_000
HELD_BYTES = 4 * MOST_BYTES
"""All bodies that are larger than the small ones may have so many bytes together, at any time."""

WATCHED = frozenset({"/health", "/ready"})
"""What answers by any host name: a load balancer asks by an address."""


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
        self._held = 0

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
        held = size if size > SMALL_BYTES else 0
        if self._held + held > HELD_BYTES:
            busy = self._say(request, 503, "Many large requests are being read; try again in a moment.")
            busy.headers["Retry-After"] = "10"
            await busy(scope, receive, answer)
            return
        self._held += held
        try:
            await self._with_body(request, size, receive, answer)
        finally:
            self._held -= held

    async def _with_body(self, request: Request, size: int, receive: Receive, answer: Send) -> None:
        """Handles the request when all of its body is there, so that nothing of ours waits for who sends slowly."""
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
            late = self._say(request, 408, f"The body did not come within {self._seconds:g} seconds.")
            late.headers["Connection"] = "close"
            await late(request.scope, receive, answer)
            return
        await self._app(request.scope, _replayed(bytes(body), receive), answer)

    def _say(self, request: Request, status: int, words: str) -> Response:  # noqa: ARG002 - the API has its own shape
        """What is refused here, in words."""
        return PlainTextResponse(f"{words}\n", status)

    def _refusal(self, request: Request) -> Response | None:
        if request.scope["path"] in WATCHED and request.method in SAFE:
            return None
        host = _hostname(request)
        if host not in self._hosts:
            # A foreign name that leads here is a page of another site that was made to look like ours (DNS rebinding).
            return self._say(
                request,
                421,
                f"adreel does not answer to the name {host!r}. Set ADREEL_WEB_URL to the address people use.",
            )
        if request.method in ("GET", "HEAD") and host in LOOPBACK and self._name in LOOPBACK and host != self._name:
            # Cookies belong to one name, and TikTok's consent page leads back to this one.
            return RedirectResponse(f"{self._public}{request.url.path}{_query(request)}", 307)
        if _length(request.headers) > MOST_BYTES:
            return self._say(request, 413, f"A request may have {MOST_BYTES:,} bytes at most.")
        if "transfer-encoding" in request.headers:
            # Its end is not known before it is there.
            return self._say(request, 411, "Send the request with its length (Content-Length), not in chunks.")
        if request.method not in SAFE and not _is_own(request.headers, self._origins(request)):
            return self._foreign(request)
        return None

    def _foreign(self, request: Request) -> Response | None:
        return self._say(request, HTTPStatus.FORBIDDEN, "This request came from another site, so nothing was done.")

    def _origins(self, request: Request) -> set[str]:
        return {self._public, f"{request.url.scheme}://{request.headers.get('host', '')}"}


def _hostname(request: Request) -> str:
    """The name that was asked for, as the header has it; empty for a header that holds none.

    Starlette takes the server's own name where it finds a header odd, as with an underscore: a page of another site
    under such a name would count as ours.
    """
    said = request.headers.get("host", "")
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{1,5})?", said)
    return found[1].strip("[]").lower() if found else ""


def _length(headers: Headers) -> int:
    """The bytes of a body; as many as are too many, if what is said is no number."""
    said = headers.get("content-length") or "0"
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 20 else MOST_BYTES + 1


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body at once, and then whatever else there is to receive."""
    left = [body]

    async def give() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
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
