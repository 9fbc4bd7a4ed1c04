"""The bodies of requests looked at before they are taken apart: how deeply JSON is nested, and how much is in it."""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adreel.web.api.failures import refused

DEEPEST = 60
MOST_VALUES = 40_000
"""Levels of brackets, and keys and values, of a body in JSON."""

_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[{]|[\]}]")


class JsonLimits:
    """Refuses bodies in JSON that are nested too deeply or hold too much; the shield has limited their bytes."""

    def __init__(self, app: ASGIApp) -> None:
        """Around `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request. Its body is read here and given on as one piece."""
        if scope["type"] != "http" or "json" not in Headers(scope=scope).get("content-type", "json"):
            await self._app(scope, receive, send)
            return
        content, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            content += message.get("body", b"")
            more = message.get("more_body", False)
        words = fault_of(content)
        if words is not None:
            await refused(HTTPStatus.UNPROCESSABLE_ENTITY, words)(scope, receive, send)
            return
        waiting: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, again, send)


def fault_of(content: bytes) -> str | None:
    """What is too much in a text that is meant to be JSON; None if nothing is."""
    bare = _TEXT.sub(b"", content)
    if bare.count(b":") + bare.count(b",") > MOST_VALUES:
        return f"The JSON holds too much: at most {MOST_VALUES:,} keys and values are taken. Send it in parts."
    depth = 0
    for bracket in _BRACKET.findall(bare):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            return f"The JSON is nested too deeply: at most {DEEPEST} levels are taken."
    return None
