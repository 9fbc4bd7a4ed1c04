"""Authorization: TikTok's consent page, and the way back from it.

TikTok's flow is close to OAuth 2 but not it (page "Authorization"): the consent page takes `app_id`, `state` and
`redirect_uri` and no scope, and sends the browser back with `auth_code` (and the same value as `code`) and `state`.
The code lives for an hour and works once; `Client.exchange` turns it into a token.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from html import escape
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from adreel.errors import AdreelError, InputError, ReconnectError, RetryError
from adreel.language import phrase

_HERE = frozenset({"127.0.0.1", "localhost"})
_LONGEST_HEAD = 16_384
_HEAD_SECONDS = 10.0


def new_state() -> str:
    """A state that cannot be guessed, for one consent."""
    return secrets.token_urlsafe(32)


def consent_url(auth_url: str, app_id: str, state: str, redirect_uri: str) -> str:
    """TikTok's consent page for this app; what `auth_url` has in its query stays.

    `redirect_uri` must be one of the app's own, to the letter. Raises InputError if `auth_url` is not a web address.
    """
    parts = _split(auth_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(
            phrase(
                "The consent page %(auth_url)s is not a web address; it must start with https://.",
                auth_url=repr(auth_url),
            )
        )
    ours = {"app_id": app_id, "state": state, "redirect_uri": redirect_uri}
    others = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in ours]
    return urlunsplit(parts._replace(query=urlencode([*others, *ours.items()])))


def read_callback(url_or_query: str, expected_state: str) -> str:
    """The authorization code in the address that TikTok sent the browser to (or in its query alone).

    Raises InputError if the address has no state, another state, or more than one code, so that it does not belong to
    this consent; ReconnectError if it does and the person did not agree.
    """
    text = url_or_query.strip().partition("#")[0]
    parameters = {name: set(values) for name, values in parse_qs(text.partition("?")[2] or text).items()}
    states = parameters.get("state", set())
    if not states:
        raise InputError(
            phrase("The address has no state; paste the whole address that the browser shows after the consent.")
        )
    # In bytes, since a text outside ASCII cannot be compared in constant time.
    if len(states) > 1 or not hmac.compare_digest(_bytes(states.pop()), _bytes(expected_state)):
        raise InputError(
            phrase("The address belongs to another consent or to one that has ended; connect the account again.")
        )
    codes = parameters.get("auth_code") or parameters.get("code") or set()
    if len(codes) > 1:
        raise InputError(phrase("The address has more than one authorization code; connect the account again."))
    if not codes:
        reason = ", ".join(
            parameters.get("error_description") or parameters.get("error") or {phrase("no reason given")}
        )
        raise ReconnectError(
            phrase(
                "TikTok sent no authorization (%(reason)s): the consent was refused or cancelled. Connect "
                "the account again.",
                reason=reason[:200],
            )
        )
    return codes.pop()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise InputError(phrase("%(url)s is not a web address.", url=repr(url))) from None
    return parts


class Listener:
    """Waits on this machine for the browser's way back from one consent; an async context manager.

    It takes one valid callback; all else (a wrong state, a second callback) gets a page that says so, and is ignored.
    """

    def __init__(self, state: str, *, port: int = 0, path: str = "/callback") -> None:
        """Listens on 127.0.0.1 while the context is open; port 0 is one that is free then."""
        self._state = state
        self._port = port
        self._path = path
        self._server: asyncio.Server | None = None
        self._outcome: asyncio.Future[str] | None = None
        self._visits: set[asyncio.Task[None]] = set()

    @classmethod
    def at(cls, redirect_uri: str, state: str) -> Self:
        """A listener for a redirect address on this machine, such as http://localhost:8765/callback.

        Raises InputError for any other address: there, a person has to paste the address from the browser.
        """
        parts = _split(redirect_uri)
        if parts.scheme != "http" or parts.hostname not in _HERE:
            raise InputError(
                phrase(
                    "The redirect address %(redirect_uri)s is not on this machine "
                    "(http://localhost:<port>/...): paste the address that the browser shows after the consent "
                    "instead.",
                    redirect_uri=redirect_uri,
                )
            )
        return cls(state, port=parts.port or 80, path=parts.path or "/")

    async def __aenter__(self) -> Self:
        """Begins to listen; raises InputError if the port cannot be had."""
        self._outcome = asyncio.get_running_loop().create_future()
        try:
            self._server = await asyncio.start_server(self._answer, "127.0.0.1", self._port, limit=_LONGEST_HEAD)
        except OSError as error:
            raise InputError(
                phrase(
                    "Port %(port)s of this machine is not available (%(strerror)s): end the program that uses "
                    "it, or set another redirect address in adreel and in the TikTok app.",
                    port=self._port,
                    strerror=error.strerror,
                )
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops listening, and drops connections that a browser opened ahead of need."""
        assert self._server is not None
        assert self._outcome is not None
        self._server.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        await self._server.wait_closed()
        # A refusal that nobody waited for is no error of the loop.
        if not self._outcome.cancel() and not self._outcome.cancelled():
            self._outcome.exception()

    @property
    def redirect_uri(self) -> str:
        """Where the browser has to come back to; known once the context is open."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    async def code(self, seconds: float = 600) -> str:
        """The authorization code, once the person agreed.

        Raises ReconnectError if the person did not agree, RetryError if nobody came back within `seconds`.
        """
        assert self._outcome is not None
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self._outcome)
        except TimeoutError:
            self._outcome.cancel()
            raise RetryError(
                phrase(
                    "TikTok's consent page was not completed within %(seconds)s seconds; connect the account again.",
                    seconds=format(seconds, ".0f"),
                )
            ) from None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._page(head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # A browser that opens a connection and says nothing, too much, or goes away: there is nobody to tell.
            return
        finally:
            self._visits.discard(visit)
            writer.close()

    def _page(self, head: bytes) -> bytes:
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        if path != self._path:
            return _response("404 Not Found", "Not found", "This page does not exist.")
        if method != "GET":
            return _response("405 Method Not Allowed", "Not allowed", "This address accepts GET requests only.")
        return self._callback(query)

    def _callback(self, query: str) -> bytes:
        assert self._outcome is not None
        if self._outcome.done():
            return _response(
                "410 Gone", "Already used", "This connection has ended. Go back to adreel and start again."
            )
        try:
            self._outcome.set_result(read_callback(query, self._state))
        except ReconnectError as error:
            self._outcome.set_exception(error)
            return _response("403 Forbidden", "Not connected", error.message)
        except AdreelError as error:
            return _response("400 Bad Request", "Not connected", error.message)
        return _response("200 OK", "Connected", "You can close this page and go back to adreel.")


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - adreel</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; margin: 20vh auto; max-width: 34rem; padding: 0 1rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
</main>
</body>
</html>
"""


def _response(status: str, title: str, text: str) -> bytes:
    """A whole HTTP answer; the page shows nothing of what was asked, and leaks it to nobody."""
    page = _PAGE.format(title=escape(title), text=escape(text)).encode()
    head = (
        f"HTTP/1.1 {status}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(page)}",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
        "Referrer-Policy: no-referrer",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + page
