"""SQL over the tables."""

from __future__ import annotations

from fastapi import Request
from pydantic import Field
from starlette.responses import Response

from adreel.store.queries import LONGEST_SQL
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body
from adreel.web.api.tables import FILE, ColumnType, Format, Value
from adreel.web.deps import Here, Who
from adreel.web.queries import file_of, items_of

router = api_router("query")


class QueryBody(Body):
    """A query."""

    sql: str = Field(
        min_length=1,
        max_length=LONGEST_SQL,
        description="DuckDB SQL: one SELECT over datasets, each a table named by its slug.",
        examples=["select stat_time_day, currency, sum(spend) from ad_spend_by_day group by all order by all"],
    )


class RowsBody(QueryBody):
    """A query, and how many of its rows."""

    limit: int = Field(1_000, ge=1, le=10_000, description="Maximum number of rows.")


class FileBody(QueryBody):
    """A query, and the format of its answer."""

    format: Format = Field("csv", description="Format of the file.")
    for_spreadsheet: bool = Field(
        False,
        description="CSV for spreadsheets: a UTF-8 byte order mark, an apostrophe before texts like formulas.",
    )


class QueryAnswer(Answer):
    """The answer to a query."""

    columns: list[ColumnType] = Field(description="Duplicate names get a number.")
    items: list[dict[str, Value]]
    more: bool = Field(description="Whether there are more rows than `limit`.", examples=[False])


@router.post("/query", summary="Run a query", response_model=QueryAnswer, responses=failures(403))
async def ask_query(request: Request, deps: Here, who: Who, body: RowsBody) -> Response:
    """The first rows of a query's answer, up to 32 MB of JSON. Read-only tokens are allowed.

    The query runs in its own process, limited by ADREEL_QUERY_MEMORY and ADREEL_QUERY_SECONDS. Two run at a time; 503
    if too many are queued or the wait is too long.
    """
    return await items_of(request, deps, who, body.sql, body.limit)


@router.post(
    "/query/export", summary="Download a query's answer", response_class=Response, responses=FILE | failures(403)
)
async def export_query(request: Request, deps: Here, who: Who, body: FileBody) -> Response:
    """All rows of a query's answer as a file of up to 1 GB, with the limits of `POST /query`."""
    return await file_of(request, deps, who, body.sql, body.format, for_spreadsheet=body.for_spreadsheet)
