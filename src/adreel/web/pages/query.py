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

from adreel import saved_queries
from adreel.access import EDITORS
from adreel.datasets.calculated_columns import readable_table
from adreel.errors import AdreelError, InputError, NotFoundError
from adreel.export.files import WRITERS
from adreel.lake.sql_errors import QueryError, token_length
from adreel.language import phrase
from adreel.sandbox import AnswerForm, column_of
from adreel.store import PastQuery, SavedDataset, SavedQuery
from adreel.store.names import is_id
from adreel.store.queries import LONGEST_SQL, is_text
from adreel.stored_texts import translated
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import FORMATS
from adreel.web.pages.wording import sentence
from adreel.web.queries import Asked, answered, file_of
from adreel.web.render import Page, go, is_fragment, is_opened, respond
from adreel.web.status import status_of

router = APIRouter()

Text = Annotated[str, Form()]

MOST_ROWS = 1_000
MOST_BYTES = 32 << 20
"""Of an answer that is shown, as the child process gives it; its texts are a sixth of that."""

SHOWN_WAIT = 0.5
"""Seconds in the queue from which on the answer shows them."""

MOST_WORDS = 5_000
"""Tables that the editor completes."""

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
    place: ErrorPlace | None = None


@dataclass(frozen=True, slots=True)
class ErrorPlace:
    """Where in the query the problem is: line and column from 1, the characters to mark, the line with a caret."""

    line: int
    column: int
    length: int
    excerpt: str


@dataclass(frozen=True, slots=True)
class SavedRow:
    """A saved query in the list; `owner` is empty for the person's own."""

    query: SavedQuery
    owner: str
    may_change: bool


@dataclass(frozen=True, slots=True)
class QueryHistoryPart(Page):
    """The person's last queries."""

    template: ClassVar[str] = "_query_history.html"
    past: tuple[PastQuery, ...]


@dataclass(frozen=True, slots=True)
class EditSaved(Page):
    """The form for the name of a saved query and who sees it, and the question before it is deleted."""

    template: ClassVar[str] = "query_saved.html"
    query: SavedQuery
    name: str
    may_share: bool
    error: str


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
    saved: tuple[SavedRow, ...]
    opened: SavedRow | None
    history: tuple[PastQuery, ...]
    may_share: bool
    name: str
    save_problem: str
    formats: tuple[tuple[str, str], ...] = FORMATS
    seconds: int = 0
    most_rows: int = MOST_ROWS


@router.get("/query")
def editor(
    request: Request,
    deps: Here,
    who: Who,
    sql: str = "",
    q: str = "",
    table: str = "",
    saved: int | None = None,
    past: int | None = None,
) -> Response:
    """The editor, with `sql` in it, a saved query or a past one, which is not run."""
    opened = deps.store.saved_queries.get(who.user, saved) if saved is not None else None
    if opened is not None:
        sql = opened.sql
    elif past is not None:
        sql = next((query.sql for query in deps.store.query_history.list(who.user) if query.id == past), "")
    return respond(request, _page(deps, who, sql[:LONGEST_SQL], q=q, table=table, opened=opened), visitor=who)


@router.get("/query/tables")
def tables(request: Request, deps: Here, who: Who, q: str = "") -> Response:
    """The part of the page that lists tables."""
    if is_opened(request):
        return go(request, f"/query?{request.url.query}")
    return respond(request, _tables(deps, who, q), visitor=who)


@router.get("/query/words")
def words(deps: Here, who: Who) -> Response:
    """The tables that the editor completes, as JSON."""
    named = [{"name": dataset.slug, "title": dataset.name} for dataset in _with_table(deps, who)[:MOST_WORDS]]
    return _json({"tables": named})


@router.get("/query/words/{slug}")
def words_of_table(deps: Here, who: Who, slug: str) -> Response:
    """The columns of a table that the editor completes, as JSON; none for a dataset without a table."""
    table = _columns(deps, who, slug)
    return _json(
        {"columns": [{"name": c.name, "title": translated(c.title), "type": str(c.type)} for c in table.columns]}
    )


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


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
    began, sql = perf_counter(), one_break(sql)
    try:
        result = await answered(request, deps, who, sql, "cells", most_rows=MOST_ROWS, output=MOST_BYTES)
        answer, status = _answer(result, perf_counter() - began), 200
    except AdreelError as error:
        answer, status = _failed(error, sql), status_of(error)
    if sql.strip() and len(sql) <= LONGEST_SQL and is_text(sql):
        rows = None if answer.problem else len(answer.rows)
        deps.store.query_history.add(who.user, sql, perf_counter() - began, rows, more=answer.more)
    if is_fragment(request):
        return respond(request, answer, status, who)
    return respond(request, _page(deps, who, sql[:LONGEST_SQL], answer=answer), status, who)


@router.post("/query/download")
async def download(request: Request, deps: Here, who: Who, sql: Text = "", kind: Text = "csv") -> Response:
    """The whole answer as a file."""
    try:
        if kind not in WRITERS:
            raise InputError(
                phrase(
                    "Format %(format)s is not available. Available: %(formats)s.",
                    format=repr(kind[:20]),
                    formats=", ".join(WRITERS),
                )
            )
        # Files downloaded here are mostly opened in a spreadsheet.
        return await file_of(request, deps, who, sql, cast("AnswerForm", kind), for_spreadsheet=True)
    except AdreelError as error:
        answer = _failed(error, sql)
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


def one_break(sql: str) -> str:
    """The text with the line breaks of the editor: a form sends each as two characters."""
    return sql.replace("\r\n", "\n")


def _failed(error: AdreelError, sql: str) -> QueryResult:
    place, problem = None, sentence(error)
    if isinstance(error, QueryError):
        problem = f"{error.reason[:1].upper()}{error.reason[1:]}"
        if error.place is not None:
            length = token_length(sql, error.place)
            place = ErrorPlace(error.place.line, error.place.column, length, error.excerpt)
    return QueryResult((), (), more=False, seconds=0.0, waited=0.0, problem=problem, place=place)


# -- saved queries and history


@router.post("/query/saved")
def save(
    request: Request,
    deps: Here,
    who: Who,
    sql: Text = "",
    name: Text = "",
    shared: Text = "",
    saved: Text = "",
    act: Text = "new",
) -> Response:
    """Saves the text of the editor: under a new name, or in place of the saved query that is open."""
    sql = one_break(sql)
    try:
        if act == "replace" and is_id(saved):
            kept = saved_queries.change(who.guard, int(saved), sql=sql)
            words = phrase("Saved the changes to %(name)s.", name=kept.name)
        else:
            kept = saved_queries.save(who.guard, name, sql, shared=shared == "yes")
            words = (
                phrase("Saved query %(name)s, shared with all users.", name=kept.name)
                if kept.shared
                else phrase("Saved query %(name)s.", name=kept.name)
            )
    except AdreelError as error:
        page = _page(deps, who, sql[:LONGEST_SQL], name=name[:100], save_problem=sentence(error))
        return respond(request, page, status_of(error), who)
    return go(request, f"/query?saved={kept.id}", words)


@router.get("/query/saved/{query_id:int}")
def edit_saved(request: Request, deps: Here, who: Who, query_id: int) -> Response:
    """The form for a saved query."""
    query = deps.store.saved_queries.get(who.user, query_id)
    if not saved_queries.may_change(who.guard, query):
        return go(request, f"/query?saved={query.id}")
    return respond(request, _edit(who, query, query.name), visitor=who)


@router.post("/query/saved/{query_id:int}")
def change_saved(
    request: Request, deps: Here, who: Who, query_id: int, name: Text = "", shared: Text = "no"
) -> Response:
    """Renames a saved query, and shares it or no longer."""
    try:
        query = saved_queries.change(who.guard, query_id, name=name, shared=shared == "yes")
    except InputError as error:
        stored = deps.store.saved_queries.get(who.user, query_id)
        return respond(request, _edit(who, stored, name[:100], sentence(error)), status_of(error), who)
    seen = query.shared or query.user_id == who.user.id
    return go(
        request, f"/query?saved={query.id}" if seen else "/query", phrase("Saved query %(name)s.", name=query.name)
    )


@router.post("/query/saved/{query_id:int}/delete")
def delete_saved(request: Request, who: Who, query_id: int) -> Response:
    """Deletes a saved query."""
    query = saved_queries.remove(who.guard, query_id)
    return go(request, "/query", phrase("Deleted query %(name)s.", name=query.name))


@router.get("/query/history")
def history(request: Request, deps: Here, who: Who) -> Response:
    """The part of the page with the person's last queries."""
    if is_opened(request):
        return go(request, "/query")
    return respond(request, QueryHistoryPart(deps.store.query_history.list(who.user)), visitor=who)


@router.post("/query/history/delete")
def forget(request: Request, deps: Here, who: Who, past: Text = "") -> Response:
    """Forgets one of the person's last queries, or all."""
    saved_queries.forget_history(who.guard, int(past) if past.isascii() and past.isdecimal() else None)
    if is_fragment(request):
        return respond(request, QueryHistoryPart(deps.store.query_history.list(who.user)), visitor=who)
    return go(
        request, "/query", phrase("Removed the query from your history.") if past else phrase("Cleared your history.")
    )


def _edit(who: Visitor, query: SavedQuery, name: str, error: str = "") -> EditSaved:
    return EditSaved(query, name, _may_share(who), error)


def _may_share(who: Visitor) -> bool:
    return who.user.role in EDITORS


def _saved_row(who: Visitor, query: SavedQuery) -> SavedRow:
    owner = "" if query.user_id == who.user.id else query.owner or phrase("a deleted user")
    return SavedRow(query, owner, saved_queries.may_change(who.guard, query))


# -- the page


def _page(
    deps: Deps,
    who: Visitor,
    sql: str,
    *,
    q: str = "",
    table: str = "",
    answer: QueryResult | None = None,
    opened: SavedQuery | None = None,
    name: str = "",
    save_problem: str = "",
) -> QueryPage:
    table_list = _tables(deps, who, q)
    return QueryPage(
        sql=sql,
        list=table_list,
        columns=_columns(deps, who, table) if table else None,
        answer=answer,
        examples=_examples(table_list.tables[0].slug, ()) if table_list.tables else (),
        saved=tuple(_saved_row(who, query) for query in deps.store.saved_queries.list(who.user)),
        opened=_saved_row(who, opened) if opened is not None else None,
        history=deps.store.query_history.list(who.user),
        may_share=_may_share(who),
        name=name,
        save_problem=save_problem,
        seconds=deps.settings.query_seconds,
    )


def _tables(deps: Deps, who: Visitor, q: str) -> Tables:
    words = q.casefold().split()
    with_table = _with_table(deps, who)
    matching = [
        dataset for dataset in with_table if all(word in f"{dataset.slug} {dataset.name}".casefold() for word in words)
    ]
    without = len(who.guard.datasets()) - len(with_table)
    return Tables(tuple(matching[:MOST_TABLES]), q[:100], len(matching), len(with_table), without)


def _with_table(deps: Deps, who: Visitor) -> list[SavedDataset]:
    """The datasets that the person may see and that have a table."""
    runs = deps.store.runs.briefs()
    return [dataset for dataset in who.guard.datasets() if dataset.id in runs and runs[dataset.id].good is not None]


def _columns(deps: Deps, who: Visitor, slug: str) -> Columns:
    saved = who.guard.dataset(slug)
    try:
        table = readable_table(deps.lake, saved, deps.clock())
        schema = table.readable
    except NotFoundError:
        words = phrase("The dataset has no table yet. Run it first.")
        return Columns(saved.slug, (), (), words)
    table_columns = tuple(ResultColumn(**column_of(field)) for field in schema)
    return Columns(saved.slug, table_columns, _examples(saved.slug, schema.names), "")


def _examples(slug: str, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Example queries: titles and SQL. Money is grouped by currency."""
    examples = [
        (phrase("First 100 rows"), f"select *\nfrom {slug}\nlimit 100"),
        (phrase("Row count"), f"select count(*)\nfrom {slug}"),
    ]
    if {"spend", "currency", "stat_time_day"} <= set(names):
        examples.append(
            (
                phrase("Cost by day"),
                f"select stat_time_day, currency, sum(spend) as spend\nfrom {slug}\ngroup by all\norder by all",
            )
        )
    if {"spend", "currency", "advertiser_id"} <= set(names):
        examples.append(
            (
                phrase("Cost by ad account"),
                f"select advertiser_id, currency, sum(spend) as spend\nfrom {slug}\ngroup by all\norder by spend desc",
            )
        )
    return tuple(examples)
