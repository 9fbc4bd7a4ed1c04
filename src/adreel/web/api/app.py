"""The app of the REST API: its routers, its description, and its answers to errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.datastructures import State
from starlette.responses import Response

from adreel.web.api import (
    accounts,
    audit,
    backfills,
    catalog,
    charts,
    dashboards,
    datasets,
    destinations,
    home,
    links,
    notifications,
    people,
    query,
    rates,
    retention,
    runs,
    saved_queries,
    schedules,
    status,
    tables,
    tiktok_app,
    views,
)
from adreel.web.api.bodies import JsonLimits
from adreel.web.api.failures import add_handlers
from adreel.web.deps import COOKIE
from adreel.web.render import Page, respond

ROUTERS = (
    people.router,
    tiktok_app.router,
    catalog.router,
    accounts.router,
    datasets.router,
    schedules.router,
    runs.router,
    backfills.router,
    status.router,
    home.router,
    tables.router,
    views.router,
    links.router,
    charts.router,
    dashboards.router,
    destinations.router,
    query.router,
    saved_queries.router,
    audit.router,
    retention.router,
    rates.router,
    notifications.router,
)
"""In the order in which the description lists them."""

TITLE = "adreel"

DESCRIPTION = (
    "The Data Center's functions for programs, with the same permissions, checks and messages.\n\n"
    "- **Authentication.** Send an API token, created in your profile: `Authorization: Bearer adreel_…`. "
    "A read-only token gets 403 for requests that change something or call TikTok. A browser that is signed in "
    "uses its session.\n"
    '- **Errors** have one shape: `{"error": {"kind", "message", "problems", "tiktok_code", "request_id", '
    '"error_id"}}`. '
    "`problems` lists each invalid key, with the reason and the nearest valid value.\n"
    "- **Lists** take `limit` and `offset` and return `total`. Unknown parameters are errors.\n"
    "- **Values.** IDs are strings, times are UTC in ISO 8601 with Z, days are in the advertiser's zone, and money, "
    "rates and ratios are JSON numbers with all digits: parse them as decimals.\n"
    "- **Runs** are asynchronous: 202 with the run's address in `Location`.\n"
)

TAGS: tuple[dict[str, str], ...] = (
    {"name": "me", "description": "Your user and API tokens."},
    {"name": "users", "description": "Users; administrators only."},
    {"name": "workspace", "description": "Workspace and server settings."},
    {"name": "catalogue", "description": "Reports with their menus, metrics, dimensions and fields."},
    {"name": "accounts", "description": "TikTok accounts: connect, maintain, share."},
    {"name": "datasets", "description": "Datasets: create, edit, validate, plan, preview."},
    {"name": "schedules", "description": "Schedules of datasets: what is due next, pause, resume."},
    {"name": "runs", "description": "Runs: start, follow, cancel."},
    {"name": "backfills", "description": "Backfills: earlier days in slices; start, follow, pause, resume, cancel."},
    {"name": "status", "description": "What runs, waits and fails; workers, and requests by app."},
    {"name": "tables", "description": "A dataset's table: versions, differences, rows, statistics, files."},
    {"name": "views", "description": "Saved views of a table: columns, filters and order under a name."},
    {"name": "links", "description": "CSV links of a table, for spreadsheets."},
    {"name": "cards", "description": "A dataset's charts, as data."},
    {"name": "dashboards", "description": "Charts of several datasets on one page; sharing and sending."},
    {"name": "destinations", "description": "Databases that datasets publish to, and the versions there."},
    {"name": "query", "description": "SQL over the tables."},
    {"name": "audit", "description": "The audit log; administrators only."},
    {"name": "retention", "description": "How long versions, runs, logs and audit entries are kept."},
    {"name": "rates", "description": "Exchange rates that charts convert money at."},
    {"name": "notifications", "description": "Notification addresses and incidents."},
)

SECURITY: dict[str, dict[str, str]] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token, created in your profile in the Data Center.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The session of a signed-in browser; changes must come from pages of the Data Center.",
    },
}


@dataclass(frozen=True, slots=True)
class ApiDocs(Page):
    """The description of the API, to read and to try out."""

    template: ClassVar[str] = "api_docs.html"


def create_api(state: State) -> FastAPI:
    """The API over the same home as the pages."""
    api = FastAPI(
        title=TITLE,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api.state = state
    # As they are: FastAPI's include_router builds all of them anew for each app, which takes 0.7 s and 19 MB.
    for router in ROUTERS:
        api.router.routes.extend(router.routes)
    api.add_api_route("/docs", _docs, include_in_schema=False)
    add_handlers(api)
    api.add_middleware(JsonLimits)
    # FastAPI documents this assignment as its way to a description of one's own.
    api.openapi = _Description(api)  # type: ignore[method-assign]
    return api


def _docs(request: Request) -> Response:
    """The page is public; requests from it require a token or a session."""
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
