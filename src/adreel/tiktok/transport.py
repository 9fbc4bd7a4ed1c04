"""How a request travels: its address and body, the connection, and what can break on the way."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
import orjson

from adreel.errors import Action, InputError, ReconnectError
from adreel.language import phrase
from adreel.settings import LOOPBACK, SIMULATOR_PORT
from adreel.tiktok.response import ApiAnswer, FailedAnswer, read_answer, read_file_answer

Value = str | int | bool | Sequence[Any] | Mapping[str, Any] | None
"""A parameter: lists and objects travel as JSON texts, booleans as true and false, None not at all."""

_TIKTOK_DOMAIN = ".tiktok.com"
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request as it is sent, and its name in messages; `url` and `body` may hold the app's secret.

    The answer to one for a `file` is a text of its own form, without TikTok's envelope.
    """

    where: str
    method: str
    url: str = field(repr=False)
    body: bytes | None = field(repr=False)
    path: str = ""
    file: bool = False

    @property
    def key(self) -> int:
        """Equal for equal requests."""
        return hash((self.method, self.url, self.body))


def make_request(
    base_url: str,
    method: str,
    path: str,
    params: Mapping[str, Value],
    body: Mapping[str, Any] | None,
    *,
    file: bool = False,
) -> ApiRequest:
    """The request for a path of the API, its parameters in the query; the body names it too, if it has them."""
    texts = {name: _query_text(value) for name, value in params.items() if value is not None}
    query = urlencode(texts, quote_via=quote)
    return ApiRequest(
        where=_where(method, path, {**(body or {}), **params}),
        method=method,
        url=f"{base_url}{path}?{query}" if query else f"{base_url}{path}",
        body=None if body is None else orjson.dumps(body, default=_plain),
        path=path,
        file=file,
    )


def checked_url(base_url: str) -> str:
    """`base_url` without a slash at its end; raises InputError if it is no address of an API."""
    try:
        parts = urlsplit(base_url)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not parts.query
    except ValueError:
        valid = False
    if not valid:
        raise InputError(
            phrase(
                "%(base_url)s is not the address of an API; use one such as https://host/open_api/v1.3.",
                base_url=repr(base_url),
            )
        )
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
        self._base_url = base_url
        self._proxy = _proxy_for(base_url) if transport is None else None
        self._transport = transport or _transport(base_url, connections, self._proxy)

    async def send(
        self, request: ApiRequest, on_way: Callable[[], object], on_answer: Callable[[], object]
    ) -> ApiAnswer | FailedAnswer:
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
            return FailedAnswer(
                phrase("no answer within %(seconds)s s.", seconds=format(self._seconds, "g")),
                Action.WAIT,
                timed_out=True,
            )
        except httpx2.InvalidURL:
            return FailedAnswer(phrase("the request is too long for a URL."), Action.SPLIT)
        except httpx2.HTTPError as error:
            return _lost(error, self._base_url, by_proxy=self._proxy is not None)
        read = read_file_answer if request.file else read_answer
        return read(response.status_code, response.headers, content)

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()


def _headers(token: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "adreel"}
    if not token:
        return headers
    # Checked here, since the error of the HTTP library would show it.
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ReconnectError(phrase("The stored token has invalid characters; reconnect the account."))
    return {**headers, "Access-Token": token}


def _proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for `base_url`; never one for this machine itself."""
    parts = urlsplit(base_url)
    proxies = {} if parts.hostname in LOOPBACK or proxy_bypass(parts.netloc) else getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def network(base_url: str, connections: int) -> httpx2.AsyncHTTPTransport:
    """Connections to `base_url`, through the proxies of the environment. Raises InputError for a proxy that is none."""
    return _transport(base_url, connections, _proxy_for(base_url))


def _transport(base_url: str, connections: int, proxy: str | None) -> httpx2.AsyncHTTPTransport:
    """Connections to `base_url`, through `proxy` if there is one.

    It is used without httpx2's client, which writes whole addresses to the log: one of TikTok's takes the app's secret
    as a parameter.
    """
    scheme = urlsplit(base_url).scheme
    limits = httpx2.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_IDLE_SECONDS
    )
    try:
        # Without TLS there is no certificate to check, and reading the authorities takes 50 ms.
        verify = scheme == "https" or proxy is not None
        return httpx2.AsyncHTTPTransport(verify=verify, limits=limits, proxy=proxy)
    except (ImportError, ValueError, httpx2.InvalidURL):
        # Without the cause, which shows the proxy's password.
        raise InputError(
            phrase(
                "The proxy that the environment names for %(scheme)s cannot be used; it must be http://host:port.",
                scheme=scheme,
            )
        ) from None


def _lost(error: httpx2.HTTPError, base_url: str, *, by_proxy: bool) -> FailedAnswer:
    """What a failure of the connection means."""
    words = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return FailedAnswer(
            phrase(
                "the server's certificate is not trusted (%(words)s). If your company's proxy signs it, "
                "set SSL_CERT_FILE to its authority.",
                words=words,
            ),
            Action.STOP,
        )
    if isinstance(error, httpx2.ProxyError):
        refused = words.startswith(("401", "403", "407"))
        return FailedAnswer(
            phrase("the proxy refuses the connection (%(words)s).", words=words),
            Action.STOP if refused else Action.WAIT,
        )
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        if by_proxy:
            return FailedAnswer(
                phrase("no connection through the proxy of the environment (%(words)s).", words=words), Action.WAIT
            )
        return _unreachable(error, words, base_url)
    return FailedAnswer(phrase("the answer broke off (%(words)s).", words=words), Action.WAIT)


def _unreachable(error: httpx2.HTTPError, words: str, base_url: str) -> FailedAnswer:
    """Why there is no connection to a host, which is named without anything else of the address.

    Nothing listens at a loopback address that refuses, and a name that does not resolve is seldom right. TikTok's own
    names are: there it is the network that is down for a while.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    causes = list(_causes(error))
    if host in LOOPBACK and any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        port = "" if parts.port in (None, SIMULATOR_PORT) else f" --port {parts.port}"
        command = f"adreel simulate{port}"
        return FailedAnswer(
            phrase("nothing answers at %(address)s.", address=_place(base_url)),
            Action.WAIT,
            absent=True,
            advice=phrase("If it is the simulator, start it with: %(command)s", command=command),
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return FailedAnswer(
            phrase("the host name %(host)s cannot be resolved.", host=host),
            Action.WAIT,
            absent=not f".{host}".endswith(_TIKTOK_DOMAIN),
            advice=phrase("Check the network and the address of the API (ADREEL_TIKTOK_URL)."),
        )
    return FailedAnswer(
        phrase("no connection to %(address)s (%(words)s).", address=_place(base_url), words=words), Action.WAIT
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it followed from."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _place(base_url: str) -> str:
    """Scheme, host and port of an address: no user, password, path or query."""
    parts = urlsplit(base_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port is not None else "")


def _query_text(value: Value) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=_plain).decode()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be represented in JSON")


def _where(method: str, path: str, params: Mapping[str, Value]) -> str:
    """The request in a message: method, path, and what a person would know it by."""
    details = [f"advertiser {params['advertiser_id']}"] if params.get("advertiser_id") else []
    several = params.get("advertiser_ids")
    if isinstance(several, Sequence) and not isinstance(several, str):
        names = ", ".join(map(str, several))
        details.append(f"advertisers {names}" if len(several) <= 5 else f"{len(several)} advertisers")
    if params.get("start_date"):
        details.append(f"{params['start_date']} to {params.get('end_date')}")
    if params.get("page"):
        details.append(f"page {params['page']}")
    return f"{method} {path} ({', '.join(details)})" if details else f"{method} {path}"
