"""SQL over the tables."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from adreel.web.api.failures import failures
from adreel.web.api.shapes import Answer, Body
from adreel.web.api.tables import FILE, ColumnType, Format, Value
from adreel.web.deps import Here, Who
from adreel.web.queries import LONGEST_SQL, file_of, items_of

router = APIRouter(tags=["query"])


class QueryBody(Body):
    """A query."""

    sql: str = Field(
        min_length=1,
        max_length=LONGEST_SQL,
        description="SQL of DuckDB: SELECT over datasets, each a table by its slug. It reads nothing else.",
        examples=["select stat_time_day, currency, sum(spend) from ad_spend_by_day group by all order by all"],
    )


class RowsBody(QueryBody):
    """A query, and how many of its rows."""

    limit: int = Field(1_000, ge=1, le=10_000, description="At most so many rows.")


class FileBody(QueryBody):
    """A query, and the format of its answer."""

    format: Format = Field("csv", description="Of the file.")
    for_spreadsheet: bool = Field(
        False,
        description="In CSV, begin with the mark of UTF-8, and put an apostrophe before texts that would be formulas.",
    )


class QueryAnswer(Answer):
    """The answer to a query."""

    columns: list[ColumnType] = Field(description="A name that comes twice is told apart by a number.")
    items: list[dict[str, Value]]
    more: bool = Field(description="Whether there are more rows than were asked for.", examples=[False])


@router.post("/query", summary="Ask SQL", response_model=QueryAnswer, responses=failures(403))
async def ask_query(request: Request, deps: Here, who: Who, body: RowsBody) -> Response:
    """The first rows of a query's answer, up to 32 MB of JSON. Changes nothing, so a read-only token can ask.

    The query runs in a process of its own with the memory of ADREEL_QUERY_MEMORY and the seconds of
    ADREEL_QUERY_SECONDS. Two run at a time; 503 if too many wait or a turn does not come.
    """
    return await items_of(request, deps, who, body.sql, body.limit)


@router.post(
    "/query/export", summary="Download a query's answer", response_class=Response, responses=FILE | failures(403)
)
async def export_query(request: Request, deps: Here, who: Who, body: FileBody) -> Response:
    """All rows of a query's answer as a file of up to 1 GB, with the limits of `POST /query`."""
    return await file_of(request, deps, who, body.sql, body.format, for_spreadsheet=body.for_spreadsheet)
