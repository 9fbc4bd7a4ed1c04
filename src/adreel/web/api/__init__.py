"""The REST API under /api/v1: what the pages do, for programs.

It is an app of its own, mounted into that of the pages and over the same center, so that its errors have a shape of
their own. Rights, validation and words are the pages'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.datastructures import State
from starlette.responses import Response

from adreel.web.api import accounts, catalog, charts, datasets, people, query, runs, tables
from adreel.web.api.bodies import JsonLimits
from adreel.web.api.failures import add_handlers, refused, refused_address
from adreel.web.deps import COOKIE
from adreel.web.render import Page, respond

ROUTERS = (
    people.router,
    catalog.router,
    accounts.router,
    datasets.router,
    runs.router,
    tables.router,
    charts.router,
    query.router,
)
"""In the order in which the description lists them."""

TITLE = "adreel"

DESCRIPTION = (
    "Everything that the Data Center does, for programs: the same rights, the same checks, the same words.\n\n"
    "- **Who asks.** Send an API token, made in the Data Center under your name: `Authorization: Bearer adreel_…`. "
    "A token that may only read is refused (403) whatever changes something, or asks TikTok. In the browser, where "
    "you are signed in, your session is enough.\n"
    '- **Errors** have one shape: `{"error": {"kind", "message", "problems", "tiktok_code", "request_id"}}`. '
    "`problems` names each key at fault, with the reason and the nearest valid choice.\n"
    "- **Lists** are asked for by `limit` and `offset` and say their `total`. A parameter that is not known is an "
    "error.\n"
    "- **Values.** Ids are texts, times are UTC in ISO 8601 with Z, days are the advertiser's own, and money, rates "
    "and ratios are JSON numbers with all their digits: read them as decimals where cents matter.\n"
    "- **Runs** are asked for and followed: 202, and the run's address in `Location`.\n"
)

TAGS: tuple[dict[str, str], ...] = (
    {"name": "me", "description": "Who you are here, and your API tokens."},
    {"name": "users", "description": "Users, for administrators."},
    {"name": "workspace", "description": "What all users share."},
    {"name": "catalogue", "description": "Reports with their menus, metrics, dimensions and fields."},
    {"name": "accounts", "description": "TikTok accounts: connected, looked after, shared."},
    {"name": "datasets", "description": "Datasets: saved, changed, checked, planned, previewed."},
    {"name": "runs", "description": "Runs: asked for, followed, cancelled."},
    {"name": "tables", "description": "A dataset's table: versions, differences, rows, statistics, files."},
    {"name": "cards", "description": "The charts of a dataset, as data."},
    {"name": "query", "description": "SQL over the tables."},
)

SECURITY: dict[str, dict[str, str]] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token, made in the Data Center under your name.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The session of a browser that is signed in; what changes something must come from its pages.",
    },
}


@dataclass(frozen=True, slots=True)
class ApiDocs(Page):
    """The description of the API, to read and to try out."""

    template: ClassVar[str] = "api_docs.html"


def create_api(state: State) -> FastAPI:
    """The API over the same center as the pages."""
    api = FastAPI(
        title=TITLE,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation,
    )
    api.state = state
    for router in ROUTERS:
        api.include_router(router)
    api.add_api_route("/docs", _docs, include_in_schema=False)
    add_handlers(api)
    api.add_middleware(JsonLimits)
    # FastAPI documents this assignment as its way to a description of one's own.
    api.openapi = _Description(api)  # type: ignore[method-assign]
    return api


def _operation(route: APIRoute) -> str:
    return route.name


def _docs(request: Request) -> Response:
    """For everybody: what stands there is no secret, and what is tried out needs a token or a session."""
    return respond(request, ApiDocs())


class _Description:
    """The API's description, made when it is asked for the first time."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        self._made: dict[str, Any] = {}

    def __call__(self) -> dict[str, Any]:
        """The description as OpenAPI has it."""
        if not self._made:
            openapi = get_openapi(
                title=TITLE,
                version=self._api.version,
                description=DESCRIPTION,
                routes=self._api.routes,
                tags=[*TAGS],
            )
            openapi["components"]["securitySchemes"] = SECURITY
            openapi["security"] = [{name: []} for name in SECURITY]
            self._made = openapi
        # A copy, as the framework writes the address into it at which it was asked.
        return dict(self._made)


__all__ = ["create_api", "refused", "refused_address"]
