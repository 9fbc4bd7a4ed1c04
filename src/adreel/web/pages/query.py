"""SQL over the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, ClassVar, cast
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel.datasets.calculated_columns import readable_table
from adreel.errors import AdreelError, InputError, NotFoundError
from adreel.export.files import WRITERS
from adreel.sandbox import AnswerForm, column_of
from adreel.store import SavedDataset
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import FORMATS
from adreel.web.pages.wording import sentence
from adreel.web.queries import LONGEST_SQL, Asked, answered, file_of
from adreel.web.render import Page, go, is_fragment, is_opened, respond
from adreel.web.status import status_of

router = APIRouter()

Text = Annotated[str, Form()]

MOST_ROWS = 1_000
MOST_BYTES = 32 << 20
"""Of an answer that is shown, as the child process gives it; its texts are a sixth of that."""

SHOWN_WAIT = 0.5
"""Seconds in the queue from which on the answer shows them."""

MOST_TABLES = 100
"""Tables that the list beside the editor shows; a search finds the others."""


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of an answer or a table; `title` is empty where SQL made it."""

    name: str
    type: str
    title: str = ""
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class QueryResult(Page):
    """The rows of a query, or the problem why there are none; `seconds` and `waited` in the queue."""

    template: ClassVar[str] = "_answer.html"
    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[str | None, ...], ...]
    more: bool
    seconds: float
    waited: float
    problem: str


@dataclass(frozen=True, slots=True)
class Tables(Page):
    """The tables that match the text `q`. `total` counts all tables, `without` the datasets that have none yet."""

    template: ClassVar[str] = "_query_tables.html"
    tables: tuple[SavedDataset, ...]
    q: str
    matching: int
    total: int
    without: int


@dataclass(frozen=True, slots=True)
class Columns(Page):
    """The columns of a table, and example queries of it."""

    template: ClassVar[str] = "_query_columns.html"
    slug: str
    columns: tuple[ResultColumn, ...]
    examples: tuple[tuple[str, str], ...]
    problem: str


@dataclass(frozen=True, slots=True)
class QueryPage(Page):
    """The editor, the tables beside it, and the answer below."""

    template: ClassVar[str] = "query.html"
    sql: str
    list: Tables
    columns: Columns | None
    answer: QueryResult | None
    examples: tuple[tuple[str, str], ...]
    formats: tuple[tuple[str, str], ...] = FORMATS
    seconds: int = 0
    most_rows: int = MOST_ROWS


@router.get("/query")
def editor(request: Request, deps: Here, who: Who, sql: str = "", q: str = "", table: str = "") -> Response:
    """The editor, with `sql` in it, which is not run."""
    return respond(request, _page(deps, who, sql[:LONGEST_SQL], q=q, table=table), visitor=who)


@router.get("/query/tables")
def tables(request: Request, deps: Here, who: Who, q: str = "") -> Response:
    """The part of the page that lists tables."""
    if is_opened(request):
        return go(request, f"/query?{request.url.query}")
    return respond(request, _tables(deps, who, q), visitor=who)


@router.get("/query/tables/{slug}")
def columns(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """The columns of one table."""
    part = _columns(deps, who, slug)
    if is_opened(request):
        return go(request, f"/query?table={quote(slug, safe='')}")
    return respond(request, part, visitor=who)


@router.post("/query")
async def ask(request: Request, deps: Here, who: Who, sql: Text = "") -> Response:
    """The answer to a query, or why there is none."""
    began = perf_counter()
    try:
        result = await answered(request, deps, who, sql, "cells", most_rows=MOST_ROWS, output=MOST_BYTES)
        answer, status = _answer(result, perf_counter() - began), 200
    except AdreelError as error:
        answer, status = _failed(error), status_of(error)
    if is_fragment(request):
        return respond(request, answer, status, who)
    return respond(request, _page(deps, who, sql[:LONGEST_SQL], answer=answer), status, who)


@router.post("/query/download")
async def download(request: Request, deps: Here, who: Who, sql: Text = "", kind: Text = "csv") -> Response:
    """The whole answer as a file."""
    try:
        if kind not in WRITERS:
            raise InputError(f"Format {kind[:20]!r} is not available. Available: {', '.join(WRITERS)}.")
        # Files downloaded here are mostly opened in a spreadsheet.
        return await file_of(request, deps, who, sql, cast("AnswerForm", kind), for_spreadsheet=True)
    except AdreelError as error:
        answer = _failed(error)
        return respond(request, _page(deps, who, sql[:LONGEST_SQL], answer=answer), status_of(error), who)


# -- asking


def _answer(result: Asked, seconds: float) -> QueryResult:
    with result.file as file:
        content = orjson.loads(file.read())
    return QueryResult(
        columns=tuple(ResultColumn(**column) for column in content["columns"]),
        rows=tuple(map(tuple, content["rows"])),
        more=content["more"],
        seconds=seconds - result.waited,
        waited=result.waited if result.waited >= SHOWN_WAIT else 0.0,
        problem="",
    )


def _failed(error: AdreelError) -> QueryResult:
    return QueryResult((), (), more=False, seconds=0.0, waited=0.0, problem=sentence(error))


# -- the page


def _page(
    deps: Deps, who: Visitor, sql: str, *, q: str = "", table: str = "", answer: QueryResult | None = None
) -> QueryPage:
    table_list = _tables(deps, who, q)
    return QueryPage(
        sql=sql,
        list=table_list,
        columns=_columns(deps, who, table) if table else None,
        answer=answer,
        examples=_examples(table_list.tables[0].slug, ()) if table_list.tables else (),
        seconds=deps.settings.query_seconds,
    )


def _tables(deps: Deps, who: Visitor, q: str) -> Tables:
    words = q.casefold().split()
    datasets = who.guard.datasets()
    runs = deps.store.runs.briefs()
    with_table = [dataset for dataset in datasets if dataset.id in runs and runs[dataset.id].good is not None]
    matching = [
        dataset for dataset in with_table if all(word in f"{dataset.slug} {dataset.name}".casefold() for word in words)
    ]
    without = len(datasets) - len(with_table)
    return Tables(tuple(matching[:MOST_TABLES]), q[:100], len(matching), len(with_table), without)


def _columns(deps: Deps, who: Visitor, slug: str) -> Columns:
    saved = who.guard.dataset(slug)
    try:
        table = readable_table(deps.lake, saved, deps.clock())
        schema = table.readable
    except NotFoundError:
        words = "The dataset has no table yet. Run it first."
        return Columns(saved.slug, (), (), words)
    table_columns = tuple(ResultColumn(**column_of(field)) for field in schema)
    return Columns(saved.slug, table_columns, _examples(saved.slug, schema.names), "")


def _examples(slug: str, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Example queries: titles and SQL. Money is grouped by currency."""
    examples = [
        ("First 100 rows", f"select *\nfrom {slug}\nlimit 100"),
        ("Row count", f"select count(*)\nfrom {slug}"),
    ]
    if {"spend", "currency", "stat_time_day"} <= set(names):
        examples.append(
            (
                "Cost by day",
                f"select stat_time_day, currency, sum(spend) as spend\nfrom {slug}\ngroup by all\norder by all",
            )
        )
    if {"spend", "currency", "advertiser_id"} <= set(names):
        examples.append(
            (
                "Cost by ad account",
                f"select advertiser_id, currency, sum(spend) as spend\nfrom {slug}\ngroup by all\norder by spend desc",
            )
        )
    return tuple(examples)
