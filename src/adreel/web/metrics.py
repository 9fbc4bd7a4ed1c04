"""`/metrics` for Prometheus. Closed to everyone without a token: it names apps and tells how much is spent on them."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from adreel.monitoring.metrics import CONTENT_TYPE, exposition
from adreel.store import Role
from adreel.web.deps import Deps, Here, bearer_of, known_visitor

router = APIRouter()


@router.get("/metrics")
def metrics(request: Request, deps: Here) -> Response:
    """The metrics, by any host name, for the token of ADREEL_METRICS_TOKEN or an API token of an administrator."""
    if not _may_read(request, deps):
        words = "Send ADREEL_METRICS_TOKEN or an API token of an administrator: Authorization: Bearer TOKEN\n"
        return PlainTextResponse(words, 401, {"WWW-Authenticate": "Bearer"})
    return Response(exposition(deps.store, deps.settings, deps.clock()), headers={"Content-Type": CONTENT_TYPE})


def _may_read(request: Request, deps: Deps) -> bool:
    token = bearer_of(request.headers.get("authorization"))
    if not token:
        # Also for whoever is signed in: no page needs it.
        return False
    expected = deps.settings.metrics_token.reveal()
    if expected and hmac.compare_digest(token.encode("utf-8", "surrogatepass"), expected.encode()):
        return True
    visitor = known_visitor(request)
    return visitor is not None and visitor.user.role is Role.ADMIN
