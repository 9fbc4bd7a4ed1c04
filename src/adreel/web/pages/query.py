"""SQL over the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from threading import Event
from time import perf_counter
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel.errors import AdreelError, InputError, NotFoundError
from adreel.export import WRITERS
from adreel.store import SavedDataset
from adreel.web.center import Center, Here, Visitor, Who
from adreel.web.downloads import FORMATS, file_answer
from adreel.web.pages.words import grouped, sentence
from adreel.web.queries import LONGEST_SQL, SECONDS, connected, in_turn
from adreel.web.render import Page, is_fragment, plain, respond
from adreel.web.status import status_of

router = APIRouter()

Text = Annotated[str, Form()]

MOST_ROWS = 1_000
MOST_CELLS = 30_000
"""Of an answer that is shown; a download has all of it."""

LONGEST_CELL = 500

SMALL = 10_000
"""Whole numbers below it are written without a comma: they may be years."""

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
    seconds: int = round(SECONDS)
    most_rows: int = MOST_ROWS


@router.get("/query")
def editor(request: Request, here: Here, who: Who, sql: str = "", q: str = "", table: str = "") -> Response:
    """The editor, with `sql` in it; nothing is asked by the mere visit."""
    return respond(request, _page(here, who, sql[:LONGEST_SQL], q=q, table=table), visitor=who)


@router.get("/query/tables")
def tables(request: Request, here: Here, who: Who, q: str = "") -> Response:
    """The part of the page that lists tables."""
    return respond(request, _tables(here, who, q), visitor=who)


@router.get("/query/tables/{slug}")
def columns(request: Request, here: Here, who: Who, slug: str) -> Response:
    """The columns of one table."""
    return respond(request, _columns(here, who, slug), visitor=who)


@router.post("/query")
async def ask(request: Request, here: Here, who: Who, sql: Text = "") -> Response:
    """The answer to a query, or why there is none."""
    answer, status = await in_turn(request, who, lambda given_up: _answer(here, who, sql, given_up))
    if is_fragment(request):
        return respond(request, answer, status, who)
    return respond(request, _page(here, who, sql[:LONGEST_SQL], answer=answer), status, who)


@router.post("/query/download")
async def download(request: Request, here: Here, who: Who, sql: Text = "", kind: Text = "csv") -> Response:
    """The whole answer as a file."""

    def begun(given_up: Event) -> Response:
        return file_answer(_chunks(here, who, sql, kind, given_up), kind, f"query.{kind}", f"query.{kind}")

    try:
        if kind not in WRITERS:
            raise InputError(f"There is no format {kind[:20]!r}; choose {', '.join(WRITERS)}.")
        return await in_turn(request, who, begun)
    except AdreelError as error:
        answer = _failed(error)
        return respond(request, _page(here, who, sql[:LONGEST_SQL], answer=answer), status_of(error), who)


# -- asking


def _answer(here: Center, who: Visitor, sql: str, given_up: Event) -> tuple[Answer, int]:
    """The answer and its status."""
    began = perf_counter()
    try:
        with connected(here, who, sql, given_up) as connection:
            table = connection.rows(sql, MOST_ROWS + 1)
    except AdreelError as error:
        return _failed(error), status_of(error)
    if table is None:
        return _failed(InputError("The query has no rows to show; let it end with a SELECT.")), 422
    fits = max(1, min(MOST_ROWS, MOST_CELLS // max(1, table.num_columns)))
    cells = [_texts(column) for column in table.slice(0, fits).columns]
    return (
        Answer(
            columns=tuple(_column(field) for field in table.schema),
            rows=tuple(zip(*cells, strict=True)),
            more=table.num_rows > fits,
            seconds=perf_counter() - began,
            problem="",
        ),
        200,
    )


def _failed(error: AdreelError) -> Answer:
    return Answer((), (), more=False, seconds=0.0, problem=sentence(error))


def _chunks(here: Center, who: Visitor, sql: str, kind: str, given_up: Event) -> Iterator[bytes]:
    from adreel.export import stream

    with connected(here, who, sql, given_up) as connection:
        # Who downloads here opens the file with a spreadsheet, more often than not.
        yield from stream(connection.reader(sql), kind, for_spreadsheet=True)


def _texts(column: Any) -> list[str | None]:
    """A column's values as they are shown; None for null."""
    import pyarrow as pa

    try:
        values = column.to_pylist()
    except (ArithmeticError, ValueError, pa.ArrowException):
        values = [_value(one) for one in column]
    return [None if value is None else _cut(_text(value)) for value in values]


def _text(value: Any) -> str:
    """A value as a cell: what is whole stays so, and thousands stand apart, but not in a year."""
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        value = int(value)
    small = isinstance(value, int) and abs(value) < SMALL
    return plain(value) if small else grouped(value)


def _value(scalar: Any) -> Any:
    """A value of which Python knows none like it, such as a day after the year 9999, as Arrow writes it."""
    import pyarrow as pa

    try:
        return scalar.as_py()
    except (ArithmeticError, ValueError, pa.ArrowException):
        pass
    try:
        return scalar.cast(pa.string()).as_py()
    except pa.ArrowException:
        return "(cannot be shown)"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def _column(field: Any) -> Column:
    import pyarrow as pa

    kind = field.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    metadata = field.metadata or {}
    return Column(field.name, type_words(kind), metadata.get(b"title", b"").decode("utf-8", "replace"), numeric)


def type_words(kind: Any) -> str:
    """A column's type for a person."""
    import pyarrow.types as types

    words = (
        (types.is_boolean, "yes or no"),
        (types.is_integer, "whole number"),
        # A sum of whole numbers may be too great for Arrow's, so DuckDB gives it as a decimal without places.
        (lambda one: types.is_decimal(one) and one.scale == 0, "whole number"),
        (types.is_decimal, "decimal"),
        (types.is_floating, "number"),
        (types.is_date, "day"),
        (types.is_timestamp, "time"),
        (types.is_nested, "list"),
    )
    if types.is_string(kind) or types.is_large_string(kind):
        return "text"
    return next((word for fits, word in words if fits(kind)), str(kind))


# -- the page


def _page(
    here: Center, who: Visitor, sql: str, *, q: str = "", table: str = "", answer: Answer | None = None
) -> QueryPage:
    found = _tables(here, who, q)
    return QueryPage(
        sql=sql,
        list=found,
        columns=_columns(here, who, table) if table else None,
        answer=answer,
        examples=_examples(found.tables[0].slug, ()) if found.tables else (),
    )


def _tables(here: Center, who: Visitor, q: str) -> Tables:
    words = q.casefold().split()
    seen = who.guard.datasets()
    runs = here.store.runs.briefs()
    there = [one for one in seen if one.id in runs and runs[one.id][1] is not None]
    matching = [one for one in there if all(word in f"{one.slug} {one.name}".casefold() for word in words)]
    return Tables(tuple(matching[:MOST_TABLES]), q[:100], len(matching), len(there), len(seen) - len(there))


def _columns(here: Center, who: Visitor, slug: str) -> Columns:
    saved = who.guard.dataset(slug)
    try:
        schema = here.lake.table(saved.table_slug).schema
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
