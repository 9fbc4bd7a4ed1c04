"""How a request travels: its address and body, the connection, and what can break on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
import orjson

from adreel.errors import Action, InputError, ReconnectError
from adreel.settings import LOOPBACK
from adreel.tiktok.response import Answer, Trouble, read_answer

Value = str | int | bool | Sequence[Any] | Mapping[str, Any] | None
"""A parameter: lists and objects travel as JSON texts, booleans as true and false, None not at all."""

_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it is sent, and its name in messages; `url` and `body` may hold the app's secret."""

    where: str
    method: str
    url: str = field(repr=False)
    body: bytes | None = field(repr=False)

    @property
    def key(self) -> int:
        """Equal for equal requests."""
        return hash((self.method, self.url, self.body))


def make_request(
    base_url: str, method: str, path: str, params: Mapping[str, Value], body: Mapping[str, Any] | None
) -> Request:
    """The request for a path of the API, its parameters in the query."""
    texts = {name: _query_text(value) for name, value in params.items() if value is not None}
    query = urlencode(texts, quote_via=quote)
    return Request(
        where=_where(method, path, params),
        method=method,
        url=f"{base_url}{path}?{query}" if query else f"{base_url}{path}",
        body=None if body is None else orjson.dumps(body, default=_plain),
    )


def checked_url(base_url: str) -> str:
    """`base_url` without a slash at its end; raises InputError if it is no address of an API."""
    try:
        parts = urlsplit(base_url)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not parts.query
    except ValueError:
        known = False
    if not known:
        raise InputError(f"{base_url!r} is not the address of an API; it looks like https://host/open_api/v1.3.")
    return base_url.rstrip("/")


class Wire:
    """Connections to TikTok that carry one token; sends a request once and says what came of it."""

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None,
        connections: int,
        request_seconds: float,
        transport: httpx2.AsyncBaseTransport | None,
    ) -> None:
        """`transport` is TikTok's end by default, through the proxies of the environment."""
        self._headers = _headers(token)
        self._seconds = request_seconds
        self._timeout = httpx2.Timeout(request_seconds, connect=min(_CONNECT_SECONDS, request_seconds)).as_dict()
        self._transport = transport or _transport(base_url, connections)

    async def send(
        self, request: Request, on_way: Callable[[], object], on_answer: Callable[[], object]
    ) -> Answer | Trouble:
        """The answer, or what went wrong; raises nothing of the network's.

        `on_way` is called when there is a connection and the request goes, `on_answer` when its answer begins. Neither
        is by a transport without connections.
        """

        async def trace(event: str, _: Mapping[str, Any]) -> None:
            if event == "http11.send_request_headers.started":
                on_way()
            elif event == "http11.receive_response_headers.complete":
                on_answer()

        headers = self._headers if request.body is None else {**self._headers, "Content-Type": "application/json"}
        try:
            http = httpx2.Request(
                request.method,
                request.url,
                headers=headers,
                content=request.body,
                extensions={"timeout": self._timeout, "trace": trace},
            )
            # The transport's time-outs begin anew with each piece of the body; this one holds for all of it.
            async with asyncio.timeout(self._seconds):
                response = await self._transport.handle_async_request(http)
                try:
                    content = await response.aread()
                finally:
                    await response.aclose()
        except (TimeoutError, httpx2.ReadTimeout, httpx2.WriteTimeout):
            return Trouble(f"no answer within {self._seconds:g} s.", Action.WAIT, timed_out=True)
        except httpx2.InvalidURL:
            return Trouble("the request is too long for an address.", Action.SPLIT)
        except httpx2.HTTPError as error:
            return _lost(error)
        return read_answer(response.status_code, response.headers, content)

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()


def _headers(token: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "adreel"}
    if not token:
        return headers
    # Checked here, since the error of the HTTP library would show it.
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ReconnectError("The stored token has characters that no token has; connect the account again.")
    return {**headers, "Access-Token": token}


def _transport(base_url: str, connections: int) -> httpx2.AsyncHTTPTransport:
    """Connections to `base_url`, through a proxy if the environment names one for it; never to this machine itself.

    It is used without httpx2's client, which writes whole addresses to the log: one of TikTok's takes the app's secret
    as a parameter.
    """
    parts = urlsplit(base_url)
    proxies = {} if parts.hostname in LOOPBACK or proxy_bypass(parts.netloc) else getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    limits = httpx2.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_IDLE_SECONDS
    )
    try:
        # Without TLS there is no certificate to check, and reading the authorities takes 50 ms.
        verify = parts.scheme == "https" or proxy is not None
        return httpx2.AsyncHTTPTransport(verify=verify, limits=limits, proxy=proxy)
    except (ImportError, ValueError, httpx2.InvalidURL):
        # Without the cause, which shows the proxy's password.
        raise InputError(
            f"The proxy that the environment names for {parts.scheme} cannot be used; it has to be http://host:port."
        ) from None


def _lost(error: httpx2.HTTPError) -> Trouble:
    """What a failure of the connection means."""
    words = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return Trouble(
            f"the certificate of the other side is not trusted ({words}). If a proxy of your company signs it, name "
            "its authority in SSL_CERT_FILE.",
            Action.STOP,
        )
    if isinstance(error, httpx2.ProxyError):
        refused = words.startswith(("401", "403", "407"))
        return Trouble(f"the proxy refuses the connection ({words}).", Action.STOP if refused else Action.WAIT)
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return Trouble(f"no connection ({words}).", Action.WAIT)
    return Trouble(f"the answer broke off ({words}).", Action.WAIT)


def _query_text(value: Value) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=_plain).decode()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _where(method: str, path: str, params: Mapping[str, Value]) -> str:
    """The request in a message: method, path, and what a person would know it by."""
    known = [f"advertiser {params['advertiser_id']}"] if params.get("advertiser_id") else []
    several = params.get("advertiser_ids")
    if isinstance(several, Sequence) and not isinstance(several, str):
        names = ", ".join(map(str, several))
        known.append(f"advertisers {names}" if len(several) <= 5 else f"{len(several)} advertisers")
    if params.get("start_date"):
        known.append(f"{params['start_date']} to {params.get('end_date')}")
    if params.get("page"):
        known.append(f"page {params['page']}")
    return f"{method} {path} ({', '.join(known)})" if known else f"{method} {path}"
