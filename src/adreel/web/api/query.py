"""SQL over the tables."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from adreel.web.api.failures import failures
from adreel.web.api.shapes import Answer, Body, Exact, items_of, types_of
from adreel.web.api.tables import FILE, ColumnType, Format, Value
from adreel.web.center import Center, Here, Visitor, Who
from adreel.web.downloads import file_answer
from adreel.web.queries import LONGEST_SQL, connected, in_turn

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
async def ask_query(request: Request, here: Here, who: Who, body: RowsBody) -> Response:
    """The first rows of a query's answer, within 20 seconds. Changes nothing, so a token that may only read can ask."""
    return await in_turn(request, who, lambda given_up: _answer(here, who, body, given_up))


@router.post(
    "/query/export", summary="Download a query's answer", response_class=Response, responses=FILE | failures(403)
)
async def export_query(request: Request, here: Here, who: Who, body: FileBody) -> Response:
    """All rows of a query's answer as a file, as a stream, within 20 seconds."""
    name = f"query.{body.format}"

    def begun(given_up: Event) -> Response:
        return file_answer(_chunks(here, who, body, given_up), body.format, name, name)

    return await in_turn(request, who, begun)


def _answer(here: Center, who: Visitor, body: RowsBody, given_up: Event) -> Response:
    with connected(here, who, body.sql, given_up) as connection:
        found = connection.rows(body.sql, body.limit + 1)
    if found is None:
        return Exact({"columns": [], "items": [], "more": False})
    items = items_of(found.slice(0, body.limit))
    return Exact({"columns": types_of(found), "items": items, "more": found.num_rows > body.limit})


def _chunks(here: Center, who: Visitor, body: FileBody, given_up: Event) -> Iterator[bytes]:
    from adreel.export import stream

    with connected(here, who, body.sql, given_up) as connection:
        yield from stream(connection.reader(body.sql), body.format, for_spreadsheet=body.for_spreadsheet)
