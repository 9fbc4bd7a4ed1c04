"""The language of a request: the one that the person chose, else the first that the browser prefers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from adreel.language import ENGLISH, LANGUAGES, PSEUDO, is_written_as_english, messages, speaking
from adreel.web.deps import API

COOKIE = "adreel_language"
"""The cookie with the language that the person chose."""


class Speaking:
    """Puts the language of each request in force; programs that use the API are answered in English."""

    def __init__(self, app: ASGIApp) -> None:
        """`app` is what answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers in the language of the request."""
        if scope["type"] != "http" or scope["path"].startswith(f"{API}/"):
            await self._app(scope, receive, send)
            return
        with speaking(asked_language(HTTPConnection(scope))):
            await self._app(scope, receive, send)


def asked_language(request: HTTPConnection) -> str:
    """The code of the language that the request asks for; English if it asks for none that there is."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES or chosen == PSEUDO else preferred(request.headers.get("accept-language", ""))


def preferred(header: str) -> str:
    """The language that a browser prefers, by its Accept-Language header (source: RFC 9110, section 12.5.4)."""
    weighted = []
    for part in header[:500].split(","):
        tag, _, rest = part.strip().partition(";")
        code = tag.split("-")[0].lower()
        if code in LANGUAGES:
            weighted.append((_weight(rest), code))
    best = max((weight for weight, _ in weighted), default=0.0)
    return next((code for weight, code in weighted if weight == best > 0), ENGLISH)


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return min(float(value), 1.0) if name == "q" else 1.0
    except ValueError:
        return 0.0


@cache
def script_phrases(code: str) -> Mapping[str, str | list[str]]:
    """The messages of scripts in a language, those with plurals with all forms; empty for English."""
    if is_written_as_english(code):
        return {}
    return dict(_script_phrases(code))


def _script_phrases(code: str) -> Iterator[tuple[str, str | list[str]]]:
    for entry in messages(code):
        if entry.string and any(place.endswith(".js") for place, _ in entry.locations):
            if isinstance(entry.id, str):
                yield entry.id, str(entry.string)
            else:
                yield entry.id[0], list(entry.string)
