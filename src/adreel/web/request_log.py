"""The requests to the server, in its log."""

from __future__ import annotations

import secrets
from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adreel.errors import error_id_of
from adreel.logs import log_fields, logger_of

logger = logger_of(__name__)


class RequestLog:
    """Gives each request an ID, which its lines in the log and the header `X-Request-ID` of its answer have.

    Each request is one line of level debug: method, path, status and duration, without the query, which may have
    secrets. An unexpected error is one of level error, with its error ID, which the page shows, and its traceback.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began, status = secrets.token_hex(8), perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with log_fields(request_id=request_id, method=scope["method"], path=scope["path"]):
            try:
                await self._app(scope, receive, answer)
            except Exception as error:
                logger.error("Unexpected error", exc_info=error, extra={"error_id": error_id_of(error)})
                if not status:
                    raise
                # The answer has begun, mostly as the page of the error; nobody above knows more to do.
            finally:
                seconds = round(perf_counter() - began, 6)
                logger.debug("Request", extra={"status": status or 500, "duration_seconds": seconds})
