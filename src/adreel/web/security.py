"""What every answer carries and every request must show, whatever the page: one layer around the whole app."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adreel.settings import LOOPBACK, Settings

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

MOST_BYTES = 1_000_000
"""Of a request's body: the largest is a file of datasets."""


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
        await (refused or self._app)(scope, receive, answer)

    def _refusal(self, request: Request) -> ASGIApp | None:
        host = request.url.hostname or ""
        if host not in self._hosts:
            # A foreign name that leads here is a page of another site that was made to look like ours (DNS rebinding).
            return PlainTextResponse(
                f"adreel does not answer to the name {host!r}. Set ADREEL_WEB_URL to the address people use.\n", 421
            )
        if request.method in ("GET", "HEAD") and host in LOOPBACK and self._name in LOOPBACK and host != self._name:
            # Cookies belong to one name, and TikTok's consent page leads back to this one.
            return RedirectResponse(f"{self._public}{request.url.path}{_query(request)}", 307)
        if int(request.headers.get("content-length") or 0) > MOST_BYTES:
            return PlainTextResponse(f"A request may have {MOST_BYTES:,} bytes at most.\n", 413)
        if "transfer-encoding" in request.headers:
            # Its end is not known before it is there.
            return PlainTextResponse("Send the request with its length (Content-Length), not in chunks.\n", 411)
        if request.method not in SAFE and not _is_own(request.headers, self._origins(request)):
            return PlainTextResponse("This request came from another site, so nothing was done.\n", 403)
        return None

    def _origins(self, request: Request) -> set[str]:
        return {self._public, f"{request.url.scheme}://{request.url.netloc}"}


def _query(request: Request) -> str:
    return f"?{request.url.query}" if request.url.query else ""


def _is_own(headers: Headers, origins: set[str]) -> bool:
    """Whether a request that changes something comes from our own page, or with a token of its own."""
    if headers.get("authorization") is not None:
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
