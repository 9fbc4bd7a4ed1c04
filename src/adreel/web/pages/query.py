"""SQL over the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, Any, ClassVar, cast

import orjson
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel.errors import AdreelError, InputError, NotFoundError
from adreel.export.files import WRITERS
from adreel.sandbox import AnswerForm, column_of
from adreel.store import SavedDataset
from adreel.web.deps import Center, Here, Visitor, Who
from adreel.web.downloads import FORMATS
from adreel.web.pages.wording import sentence
from adreel.web.queries import LONGEST_SQL, Asked, answered, file_of
from adreel.web.render import Page, is_fragment, respond
from adreel.web.status import status_of

router = APIRouter()

Text = Annotated[str, Form()]

MOST_ROWS = 1_000
MOST_BYTES = 32 << 20
"""Of an answer that is shown, as it comes from the child; its texts are a sixth of that."""

WORTH_TELLING = 0.5
"""Seconds of waiting for a turn from which on a person reads of them."""

MOST_TABLES = 100
"""Tables that the list beside the editor shows; a search finds the others."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer or a table; `title` is empty where SQL made it."""

    name: str
    type: str
    title: str = ""
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Answer(Page):
    """What a query gave: rows, or the words of why there are none."""

    template: ClassVar[str] = "_answer.html"
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | None, ...], ...]
    more: bool
    seconds: float
    waited: float
    problem: str


@dataclass(frozen=True, slots=True)
class Tables(Page):
    """The tables that can be asked, found by a text. `total` are all of them, `without` datasets that have none yet."""

    template: ClassVar[str] = "_query_tables.html"
    tables: tuple[SavedDataset, ...]
    q: str
    matching: int
    total: int
    without: int


@dataclass(frozen=True, slots=True)
class Columns(Page):
    """The columns of a table, and what could be asked of it."""

    template: ClassVar[str] = "_query_columns.html"
    slug: str
    columns: tuple[Column, ...]
    examples: tuple[tuple[str, str], ...]
    problem: str


@dataclass(frozen=True, slots=True)
class QueryPage(Page):
    """The editor, the tables beside it, and the answer below."""

    template: ClassVar[str] = "query.html"
    sql: str
    list: Tables
    columns: Columns | None
    answer: Answer | None
    examples: tuple[tuple[str, str], ...]
    formats: tuple[tuple[str, str], ...] = FORMATS
    seconds: int = 0
    most_rows: int = MOST_ROWS


@router.get("/query")
def editor(request: Request, deps: Here, who: Who, sql: str = "", q: str = "", table: str = "") -> Response:
    """The editor, with `sql` in it; nothing is asked by the mere visit."""
    return respond(request, _page(deps, who, sql[:LONGEST_SQL], q=q, table=table), visitor=who)


@router.get("/query/tables")
def tables(request: Request, deps: Here, who: Who, q: str = "") -> Response:
    """The part of the page that lists tables."""
    return respond(request, _tables(deps, who, q), visitor=who)


@router.get("/query/tables/{slug}")
def columns(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """The columns of one table."""
    return respond(request, _columns(deps, who, slug), visitor=who)


@router.post("/query")
async def ask(request: Request, deps: Here, who: Who, sql: Text = "") -> Response:
    """The answer to a query, or why there is none."""
    began = perf_counter()
    try:
        asked = await answered(request, deps, who, sql, "cells", most_rows=MOST_ROWS, output=MOST_BYTES)
        answer, status = _answer(asked, perf_counter() - began), 200
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
            raise InputError(f"There is no format {kind[:20]!r}; choose {', '.join(WRITERS)}.")
        # Who downloads here opens the file with a spreadsheet, more often than not.
        return await file_of(request, deps, who, sql, cast("AnswerForm", kind), for_spreadsheet=True)
    except AdreelError as error:
        answer = _failed(error)
        return respond(request, _page(deps, who, sql[:LONGEST_SQL], answer=answer), status_of(error), who)


# -- asking


def _answer(asked: Asked, seconds: float) -> Answer:
    with asked.file as file:
        found = orjson.loads(file.read())
    return Answer(
        columns=tuple(Column(**column) for column in found["columns"]),
        rows=tuple(map(tuple, found["rows"])),
        more=found["more"],
        seconds=seconds - asked.waited,
        waited=asked.waited if asked.waited >= WORTH_TELLING else 0.0,
        problem="",
    )


def _failed(error: AdreelError) -> Answer:
    return Answer((), (), more=False, seconds=0.0, waited=0.0, problem=sentence(error))


def _column(field: Any) -> Column:
    return Column(**column_of(field))


# -- the page


def _page(
    deps: Center, who: Visitor, sql: str, *, q: str = "", table: str = "", answer: Answer | None = None
) -> QueryPage:
    found = _tables(deps, who, q)
    return QueryPage(
        sql=sql,
        list=found,
        columns=_columns(deps, who, table) if table else None,
        answer=answer,
        examples=_examples(found.tables[0].slug, ()) if found.tables else (),
        seconds=deps.settings.query_seconds,
    )


def _tables(deps: Center, who: Visitor, q: str) -> Tables:
    words = q.casefold().split()
    seen = who.guard.datasets()
    runs = deps.store.runs.briefs()
    there = [dataset for dataset in seen if dataset.id in runs and runs[dataset.id][1] is not None]
    matching = [one for one in there if all(word in f"{one.slug} {one.name}".casefold() for word in words)]
    return Tables(tuple(matching[:MOST_TABLES]), q[:100], len(matching), len(there), len(seen) - len(there))


def _columns(deps: Center, who: Visitor, slug: str) -> Columns:
    saved = who.guard.dataset(slug)
    try:
        schema = deps.lake.table(saved.table_slug).schema
    except NotFoundError:
        words = "There is no table yet: run the dataset first."
        return Columns(saved.slug, (), (), words)
    found = tuple(_column(field) for field in schema)
    return Columns(saved.slug, found, _examples(saved.slug, schema.names), "")


def _examples(slug: str, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Queries that begin somewhere: their titles and SQL. Money is never summed over currencies."""
    found = [
        ("First 100 rows", f"select *\nfrom {slug}\nlimit 100"),
        ("How many rows", f"select count(*)\nfrom {slug}"),
    ]
    if {"spend", "currency", "stat_time_day"} <= set(names):
        found.append(
            (
                "Cost of each day",
                f"select stat_time_day, currency, sum(spend) as spend\nfrom {slug}\ngroup by all\norder by all",
            )
        )
    if {"spend", "currency", "advertiser_id"} <= set(names):
        found.append(
            (
                "Cost of each advertiser",
                f"select advertiser_id, currency, sum(spend) as spend\nfrom {slug}\ngroup by all\norder by spend desc",
            )
        )
    return tuple(found)
