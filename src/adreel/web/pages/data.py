"""A dataset's table: rows sorted, filtered and paged by the server, and what its columns mean and hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

import pyarrow as pa
from fastapi import APIRouter, Form, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from adreel import catalog
from adreel.access import RoleRight
from adreel.charts.labels import Cell, cell
from adreel.datasets.about import known_columns
from adreel.datasets.calculated_columns import readable_table
from adreel.datasets.dataset import Dataset
from adreel.datasets.looks import TableLook, spelled, spelled_order, unspelled
from adreel.datasets.restatement import CURRENCY
from adreel.datasets.row_hints import row_hints
from adreel.datasets.schema import UNIT_TITLES, Column, columns_by_name, key, unit_mark
from adreel.datasets.stored import dataset_of
from adreel.datasets.views import change_view, default_columns, delete_view, save_view
from adreel.errors import DatasetError, InputError, NotFoundError
from adreel.export.cells import grouped
from adreel.export.files import pasted_text
from adreel.lake import TableState
from adreel.lake.browse import OPERATORS, ColumnStatistics, Filter, Kind, Operator, Order, Takes, kind_of, operators_for
from adreel.language import Phrase, phrase
from adreel.store import SavedDataset
from adreel.store.audit import AuditAction, Subject
from adreel.update_methods import Method
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import FORMATS
from adreel.web.pages.heading import Heading, heading, live, parsed
from adreel.web.pages.paging import page_count, page_number
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, is_opened, respond

router = APIRouter()

Text = Annotated[str, Form()]

SIZES = (50, 100, 250)
"""Rows of a page that a person can choose."""

MOST_VERSIONS = 200
"""Versions that the picker offers; the Versions tab has all."""

NO_VALUE = Phrase("Enter a value, or select 'is empty'.")
"""The message for a filter without a value."""

MOST_COPIED = 10_000
"""Rows that are copied to the clipboard at most."""

COPY_PAGE = 1_000
"""Rows that are read at a time for it."""

LONGEST_CELL = 200
"""Characters of a cell that are shown at first."""

INPUTS: Mapping[Kind, str] = {Kind.NUMBER: "number", Kind.DAY: "date"}
"""What a value is typed in, where that is no plain text."""

WORDS: Mapping[Kind, str] = {
    Kind.TEXT: Phrase("text"),
    Kind.NUMBER: Phrase("decimal"),
    Kind.DAY: Phrase("date"),
    Kind.TIME: Phrase("time"),
    Kind.TRUTH: Phrase("yes/no"),
    Kind.LIST: Phrase("list"),
}
"""What a column of another table, which the dataset does not know, holds."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a person looks at the table. `show` None is all columns, `version` None for the newest."""

    slug: str
    version: int | None = None
    show: tuple[str, ...] | None = None
    where: tuple[Filter, ...] = ()
    order: tuple[Order, ...] = ()
    page: int = 1
    size: int = SIZES[0]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The address's query; what is as it is at first is left out."""
        pairs = [("version", str(self.version))] if self.version is not None else []
        pairs += [("where", spelled(condition)) for condition in self.where]
        pairs += [("sort", spelled_order(order)) for order in self.order]
        pairs += [("show", name) for name in self.show or ()]
        pairs += [("size", str(self.size))] if self.size != SIZES[0] else []
        return pairs + ([("page", str(self.page))] if self.page != 1 else [])

    @property
    def address(self) -> str:
        """Where this look is."""
        query = urlencode(self.pairs)
        return f"/datasets/{self.slug}/data" + (f"?{query}" if query else "")

    @property
    def table_look(self) -> TableLook:
        """Its columns, filters and order."""
        return TableLook(self.show or (), self.where, self.order)

    def shown(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of a table's columns that are shown, in order; all if it has none of them."""
        return self.table_look.shown(names)

    def export(self, kind: str) -> str:
        """Where a file of the rows and columns that are looked at is."""
        pairs = [pair for pair in self.pairs if pair[0] not in ("size", "page")]
        return f"/datasets/{self.slug}/export?{urlencode([('format', kind), *pairs])}"

    @property
    def hidden_fields(self) -> list[tuple[str, str]]:
        """What the form sends along without showing it."""
        return [pair for pair in replace(self, page=1).pairs if pair[0] in ("where", "sort", "show")]

    @property
    def query(self) -> str:
        """What forms beside the table send along, to come back to the same rows."""
        return urlencode(replace(self, page=1).pairs)

    def beside(self, ending: str) -> str:
        """Where another page about what is looked at is."""
        pairs = [pair for pair in self.pairs if pair[0] in ("where", "sort", "show")]
        return f"/datasets/{self.slug}{ending}" + (f"?{urlencode(pairs)}" if pairs else "")

    def at(self, page: int) -> str:
        """The address of another page."""
        return replace(self, page=page).address

    def without(self, removed: Filter) -> str:
        """The address with one filter less."""
        return replace(self, where=tuple(condition for condition in self.where if condition != removed), page=1).address

    def by(self, name: str, *, numeric: bool = False, within: str = "") -> str:
        """The address sorted by a column both ways, then as the table is: figures from the greatest, others from the
        least. With `within` among the rows of each value of that column.
        """
        up, down = (Order(name),), (Order(name, descending=True),)
        steps = {"none": up, "ascending": down, "descending": ()}
        if numeric:
            steps = {"none": down, "descending": up, "ascending": ()}
        order = steps[self.direction(name)]
        return replace(self, order=(Order(within), *order) if within and order else order, page=1).address

    def direction(self, name: str) -> str:
        """How the column is sorted, in ARIA's words."""
        order_by = next((order for order in self.order if order.column == name), None)
        if order_by is None:
            return "none"
        return "descending" if order_by.descending else "ascending"


@dataclass(frozen=True, slots=True)
class Head:
    """A column as the table's heading shows it; `unit` is %, the currency of its amounts and such, often empty.

    `within` is the column among whose values its rows can be compared: that of currencies, if there are several.
    """

    name: str
    title: str
    numeric: bool
    unit: str = ""
    within: str = ""


@dataclass(frozen=True, slots=True)
class FilterForm:
    """The part of the filter form that depends on the column: its operators, and how a value is typed in.

    `op` is the operator that is chosen, `values` are stored values to choose from with their labels, `fault` is what is
    missing from a filter that was to be added.
    """

    column: str
    operators: tuple[Operator, ...]
    op: str
    input: str
    truth: bool
    values: tuple[tuple[str, str], ...]
    fault: str


@dataclass(frozen=True, slots=True)
class ViewLink:
    """A saved view as a link above the table; `current` if it is what the table shows."""

    id: int
    name: str
    address: str
    shared: bool
    own: bool
    by: str
    current: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """What the table shows. `columns` are all that can be, those that are first; `remembered`: the person chose them
    once. `error` is why the rows that were asked for cannot be shown, and then there are none.
    """

    look: Look
    heads: tuple[Head, ...]
    columns: tuple[Head, ...]
    cells: tuple[tuple[Cell | None, ...], ...]
    total: int
    matching: int
    sentences: tuple[tuple[Filter, str], ...]
    versions: tuple[tuple[int, datetime | None], ...]
    newest: int
    filter_form: FilterForm
    error: str
    views: tuple[ViewLink, ...]
    remembered: bool
    may_share: bool
    hints: tuple[str, ...] = ()

    @property
    def view(self) -> ViewLink | None:
        """The saved view that is looked at."""
        return next((view for view in self.views if view.current), None)

    @property
    def sorted_within(self) -> Head | None:
        """The amount by which rows are sorted in each currency."""
        order = self.look.order
        name = order[1].column if len(order) == 2 and order[0].column == CURRENCY else ""
        return next((head for head in self.heads if head.name == name and head.within), None)

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return page_count(self.matching, self.look.size)

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """The labels that are shown in place of stored values, each with its value."""
        shown = (value for row in self.cells for value in row if value is not None and value.stored)
        return tuple(sorted({(value.text, value.stored) for value in shown}))

    @property
    def first(self) -> int:
        """The number of the first row of the page."""
        return (self.look.page - 1) * self.look.size + 1


@dataclass(frozen=True, slots=True)
class Data(Page):
    """The Data tab; `rows` is None where there is no table yet, `fault` why it cannot be read."""

    template: ClassVar[str] = "data.html"
    head: Heading
    rows: Rows | None
    fault: str
    sizes: tuple[int, ...] = SIZES
    longest_cell: int = LONGEST_CELL
    formats: tuple[tuple[str, str], ...] = FORMATS
    most_copied: int = MOST_COPIED


@dataclass(frozen=True, slots=True)
class Views(Page):
    """The saved views of a table that the person sees."""

    template: ClassVar[str] = "views.html"
    head: Heading
    views: tuple[ViewLink, ...]
    may_share: bool


@dataclass(frozen=True, slots=True)
class DataPart(Page):
    """The rows alone, where what is looked at changed."""

    template: ClassVar[str] = "_rows.html"
    rows: Rows
    sizes: tuple[int, ...] = SIZES
    longest_cell: int = LONGEST_CELL
    formats: tuple[tuple[str, str], ...] = FORMATS
    most_copied: int = MOST_COPIED


@dataclass(frozen=True, slots=True)
class FilterPart(Page):
    """The part of the filter form that depends on the column."""

    template: ClassVar[str] = "_filter.html"
    asked: FilterForm


@dataclass(frozen=True, slots=True)
class Described:
    """A column with what it means and holds; `statistics` is None until it was counted.

    `total_note` is why there is no sum although values may be added, `mixed` says that amounts are in several
    currencies.
    """

    name: str
    title: str
    type: str
    unit: str
    meaning: str
    key: bool
    additive: bool
    statistics: ColumnStatistics | None
    total_note: str
    mixed: bool

    @property
    def has_range(self) -> bool:
        """Whether a least and a greatest value say something: of constants they are but the first by letters."""
        return bool(self.statistics) and self.least != "" and self.name not in catalog.value_labels()

    @property
    def least(self) -> str:
        """The least value; nothing if there is none."""
        return grouped(self.statistics.least) if self.statistics else ""

    @property
    def greatest(self) -> str:
        """The greatest value; nothing if there is none."""
        return grouped(self.statistics.greatest) if self.statistics else ""

    @property
    def bars(self) -> tuple[tuple[int, int], ...]:
        """The histogram as places and heights of 100."""
        bins = self.statistics.histogram if self.statistics else ()
        most = max((bar.rows for bar in bins), default=0) or 1
        return tuple((place, max(2, round(bar.rows * 100 / most)) if bar.rows else 0) for place, bar in enumerate(bins))


@dataclass(frozen=True, slots=True)
class ColumnsPart(Page):
    """What the columns mean and, once they were counted, hold."""

    template: ClassVar[str] = "_columns.html"
    slug: str
    version: int | None
    described: tuple[Described, ...]
    counted: bool


@dataclass(frozen=True, slots=True)
class ColumnsPage(Page):
    """The columns of a version; `part` is None where there is no table."""

    template: ClassVar[str] = "columns.html"
    head: Heading
    part: ColumnsPart | None
    fault: str


@router.get("/datasets/{slug}/data")
def rows(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """A page of the table, or its rows alone where the form asks for them."""
    saved = who.guard.dataset(slug)
    look = look_of(saved.slug, request.query_params)
    partial = request.headers.get("hx-request-type") == "partial"
    # Before the table: a run that has ended has its version.
    current = None if partial else live(deps, who, saved)
    try:
        page_rows = _rows(deps, who, saved, look, _without_value(request.query_params))
    except NotFoundError as error:
        if partial:
            raise
        fault = "" if look.version is None else sentence(error)
        head = heading(deps, who, saved, "data", look.address, current)
        return respond(request, Data(head, None, fault), visitor=who)
    if partial:
        answer = respond(request, DataPart(page_rows), visitor=who)
        answer.headers["HX-Replace-Url"] = page_rows.look.address
        return answer
    head = heading(deps, who, saved, "data", page_rows.look.address, current)
    return respond(request, Data(head, page_rows, ""), visitor=who)


@router.post("/datasets/{slug}/data/columns")
def choose_columns(
    request: Request,
    deps: Here,
    who: Who,
    slug: str,
    show: Annotated[list[str] | None, Form()] = None,
    query: Text = "",
    reset: Text = "",
) -> Response:
    """Keeps the columns, in their order, for this person and dataset; `reset` forgets them."""
    saved = who.guard.dataset(slug)
    who.guard.need_role(RoleRight.KEEP_VIEWS)
    names = _table(deps, saved).readable.names
    chosen = () if reset else tuple(name for name in dict.fromkeys(show or ()) if name in names)
    deps.store.saved_views.choose_columns(saved, who.user, chosen)
    look = replace(look_of(saved.slug, QueryParams(query)), show=None, page=1)
    return go(request, look.address)


@router.get("/datasets/{slug}/data/copy")
def copied(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """The rows that are looked at, of all pages up to `MOST_COPIED`, as text for a spreadsheet.

    The headers `X-Rows` and `X-Total-Rows` say how many there are in the text, and in all.
    """
    saved = who.guard.dataset(slug)
    look = asked_exactly(saved.slug, request.query_params)
    table = _table(deps, saved, look.version)
    shown = shown_columns(deps, who, saved, look, table.readable.names)
    parts, total = [], 0
    for offset in range(0, MOST_COPIED, COPY_PAGE):
        page = _page(deps, table, replace(look, version=table.version), shown, offset, COPY_PAGE)
        parts.append(page.rows)
        total = page.matching
        if total <= offset + COPY_PAGE:
            break
    selected = known_columns(saved, deps.clock())
    rows = pa.concat_tables(parts)
    text = pasted_text(rows, [str(_head(table.readable, name, selected).title) for name in shown])
    deps.store.audit.add(AuditAction.EXPORT, Subject.of(saved), {"format": "clipboard", "version": look.version})
    counts = {"X-Rows": str(rows.num_rows), "X-Total-Rows": str(total)}
    return Response(text, media_type="text/tab-separated-values; charset=utf-8", headers=counts)


# -- saved views


@router.post("/datasets/{slug}/views")
def save(
    request: Request, deps: Here, who: Who, slug: str, name: Text = "", query: Text = "", shared: Text = ""
) -> Response:
    """Saves what is looked at under a name."""
    saved = who.guard.dataset(slug)
    look = asked_exactly(saved.slug, QueryParams(query))
    shown = shown_columns(deps, who, saved, look, _table(deps, saved).readable.names)
    table_look = replace(look, show=shown).table_look
    try:
        view = save_view(who.guard, deps.lake, saved, name, table_look, deps.clock(), shared=bool(shared))
    except InputError as error:
        return go(request, look.address, sentence(error))
    return go(request, address_of(saved.slug, table_look), phrase("Saved the view %(name)s.", name=repr(view.name)))


@router.get("/datasets/{slug}/views")
def saved_views(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """The saved views, to rename, share and delete."""
    saved = who.guard.dataset(slug)
    head = heading(deps, who, saved, "data", f"/datasets/{saved.slug}/views")
    views = _view_links(deps, who, saved, Look(saved.slug))
    return respond(request, Views(head, views, who.guard.may_role(RoleRight.SHARE_VIEWS)), visitor=who)


@router.get("/datasets/{slug}/views/{view_id:int}")
def open_view(request: Request, deps: Here, who: Who, slug: str, view_id: int) -> Response:
    """Leads to what the view shows now: the link that people send each other."""
    saved = who.guard.dataset(slug)
    view = deps.store.saved_views.get(saved, who.user, view_id)
    return go(request, address_of(saved.slug, TableLook.of_json(view.look)))


@router.post("/datasets/{slug}/views/{view_id:int}")
def change(
    request: Request, deps: Here, who: Who, slug: str, view_id: int, name: Text = "", shared: Text = ""
) -> Response:
    """Renames, shares or no longer shares one of the person's own views."""
    saved = who.guard.dataset(slug)
    try:
        view = change_view(who.guard, deps.lake, saved, view_id, deps.clock(), name=name, shared=bool(shared))
    except InputError as error:
        return go(request, f"/datasets/{saved.slug}/views", sentence(error))
    return go(request, f"/datasets/{saved.slug}/views", phrase("Saved the view %(name)s.", name=repr(view.name)))


@router.post("/datasets/{slug}/views/{view_id:int}/delete")
def delete(request: Request, who: Who, slug: str, view_id: int) -> Response:
    """Deletes one of the person's own views."""
    saved = who.guard.dataset(slug)
    view = delete_view(who.guard, saved, view_id)
    return go(request, f"/datasets/{saved.slug}/views", phrase("Deleted the view %(name)s.", name=repr(view.name)))


@router.get("/datasets/{slug}/data/filter")
def filter_form(request: Request, deps: Here, who: Who, slug: str, column: str = "") -> Response:
    """How a column can be filtered."""
    saved = who.guard.dataset(slug)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}/data")
    table = _table(deps, saved)
    return respond(request, FilterPart(_filter_form(table, column)), visitor=who)


def look_of(slug: str, query: QueryParams) -> Look:
    """What the address asks for. A filter that is being added is in `column`, `op` and `value`."""
    where = [condition for text in query.getlist("where") if (condition := unspelled(text))]
    added = _added(query)
    if added is not None and (added.value or OPERATORS[added.op].takes is Takes.NOTHING):
        where.append(added)
    sorts = [text for text in query.getlist("sort") if text]
    return Look(
        slug=slug,
        version=int(version) if (version := query.get("version", "")).isdecimal() and len(version) < 10 else None,
        show=tuple(dict.fromkeys(query.getlist("show"))) or None,
        where=tuple(dict.fromkeys(where)),
        order=tuple(Order(text.removeprefix("-"), text.startswith("-")) for text in sorts[:3]),
        page=page_number(query.get("page", "")),
        size=next((size for size in SIZES if str(size) == query.get("size")), SIZES[0]),
    )


def asked_exactly(slug: str, query: QueryParams) -> Look:
    """What the address asks for; InputError for a version or filter that a page would pass over without a word."""
    look = look_of(slug, query)
    version = query.get("version", "")
    if version and look.version is None:
        raise InputError(
            phrase(
                "%(version)s is not a valid version. Enter its number, or omit it for the latest.",
                version=repr(version[:20]),
            )
        )
    for text in query.getlist("where"):
        if unspelled(text) is None:
            raise InputError(
                phrase(
                    "%(text)s is not a valid filter. Use column:operator:value, such as spend:>=:10.",
                    text=repr(text[:60]),
                )
            )
    return look


def _added(query: QueryParams) -> Filter | None:
    """The filter of the form, also without a value."""
    column, op, value = query.get("column", ""), query.get("op", ""), query.get("value", "").strip()
    # Cells show display names, so people type these.
    added = Filter(column, op, catalog.value_of(column, value) if op in ("=", "!=") else value)
    return added if added.column and added.op in OPERATORS else None


def _without_value(query: QueryParams) -> Filter | None:
    """A filter that was to be added, and for which a value is missing.

    The form sends its filter whatever a person does in it, and `add` only if it is to be added.
    """
    added = _added(query) if query.get("add") else None
    return added if added and not added.value and OPERATORS[added.op].takes is not Takes.NOTHING else None


def shown_columns(deps: Deps, who: Visitor, saved: SavedDataset, look: Look, names: Sequence[str]) -> tuple[str, ...]:
    """The columns that the person sees: those of the address, else those that they chose, else as `views` has them."""
    chosen = look.show if look.show is not None else deps.store.saved_views.columns(saved, who.user)
    return _kept(chosen, names) or default_columns(names, known_columns(saved, deps.clock()))


def _kept(chosen: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in chosen if name in names)


def _table(deps: Deps, saved: SavedDataset, version: int | None = None) -> TableState:
    """The table with the dataset's calculated metrics."""
    return readable_table(deps.lake, saved, deps.clock(), version)


def _rows(deps: Deps, who: Visitor, saved: SavedDataset, look: Look, without_value: Filter | None) -> Rows:
    table = _table(deps, saved, look.version)
    readable = table.readable
    selected = known_columns(saved, deps.clock())
    defaults = default_columns(readable.names, selected)
    remembered = deps.store.saved_views.columns(saved, who.user)
    own = _kept(remembered, readable.names) or defaults
    show = own if look.show is None else _kept(look.show, readable.names) or defaults
    if show == own:
        look = replace(look, show=None)
    currencies = _currencies_of(deps, table)
    heads = tuple(_head(readable, name, selected, currencies) for name in show)
    hidden = [name for name in defaults if name not in show]
    every_head = (*heads, *(_head(readable, name, selected, currencies) for name in hidden))
    error, matching = "", 0
    cells: tuple[tuple[Cell | None, ...], ...] = ()
    try:
        look, cells, matching = _cells(deps, table, look, [head.name for head in heads])
        sentences = tuple((condition, _sentence(condition, selected)) for condition in look.where)
    except NotFoundError:
        raise
    except InputError as fault:
        error, sentences = (
            str(fault),
            tuple((condition, f"{condition.column} {condition.op} {condition.value}") for condition in look.where),
        )
    versions = tuple(
        (run.version, run.finished_at) for run in deps.store.runs.good(saved, MOST_VERSIONS) if run.version is not None
    )
    newest = versions[0][0] if versions else table.version
    last = without_value or next(reversed(look.where), None)
    filter_form = _filter_form(table, last.column if last else "", without_value)
    return Rows(
        look,
        heads,
        every_head,
        cells,
        table.rows,
        matching,
        sentences,
        versions,
        newest,
        filter_form,
        error,
        views=_view_links(deps, who, saved, replace(look, show=show)),
        remembered=bool(remembered),
        may_share=who.guard.may_role(RoleRight.SHARE_LINKS),
        hints=_hints(deps, saved),
    )


def _hints(deps: Deps, saved: SavedDataset) -> tuple[str, ...]:
    """What is said of sums of the rows; nothing of settings that are no longer valid."""
    try:
        dataset = dataset_of(saved, deps.clock())
    except DatasetError:
        return ()
    return tuple(row_hints(dataset, next(iter(deps.store.runs.good(saved)), None)))


def _view_links(deps: Deps, who: Visitor, saved: SavedDataset, look: Look) -> tuple[ViewLink, ...]:
    links = []
    for view in deps.store.saved_views.list(saved, who.user):
        try:
            table_look = TableLook.of_json(view.look)
        except InputError:
            continue
        links.append(
            ViewLink(
                view.id,
                view.name,
                address_of(saved.slug, table_look),
                view.shared,
                view.user_id == who.user.id,
                view.user_name,
                table_look == look.table_look,
            )
        )
    return tuple(links)


def address_of(slug: str, look: TableLook) -> str:
    """Where the page with a look is."""
    return Look(slug, show=look.columns or None, where=look.where, order=look.order).address


def _page(deps: Deps, table: TableState, look: Look, columns: Sequence[str], offset: int, limit: int) -> Any:
    return deps.lake.page(
        table.slug,
        version=look.version,
        columns=columns,
        where=look.where,
        order=look.order,
        offset=offset,
        limit=limit,
        calculated=table.calculated,
    )


def _cells(
    deps: Deps, table: TableState, look: Look, names: list[str]
) -> tuple[Look, tuple[tuple[Cell | None, ...], ...], int]:
    """The page's rows as they are shown; the last page if the one that was asked for lies behind it."""
    page_rows = _page(deps, table, look, names, (look.page - 1) * look.size, look.size)
    last = page_count(page_rows.matching, look.size)
    if look.page > last:
        look = replace(look, page=last)
        page_rows = _page(deps, table, look, names, (last - 1) * look.size, look.size)
    cells = [
        [None if value is None else cell(name, value) for value in column.to_pylist()]
        for name, column in zip(names, page_rows.rows.columns, strict=True)
    ]
    return look, tuple(zip(*cells, strict=True)), page_rows.matching


def _head(schema: Any, name: str, selected: Mapping[str, Column], currencies: Collection[str] = ()) -> Head:
    field, column = schema.field(name), selected.get(name)
    unit = column.unit if column else (field.metadata or {}).get(b"unit", b"").decode()
    title = column.title if column else name
    is_mixed = unit == "account_currency" and len(currencies) != 1 and CURRENCY in schema.names
    return Head(
        name, title, kind_of(field.type) is Kind.NUMBER, unit_mark(unit, currencies), CURRENCY if is_mixed else ""
    )


def _currencies_of(deps: Deps, table: TableState) -> tuple[str, ...]:
    """The currency of the table's rows; none if they have several, or some have none."""
    if CURRENCY not in table.schema.names:
        return ()
    (counted,) = deps.lake.statistics(table.slug, table.version, (CURRENCY,))
    return (str(counted.greatest),) if counted.distinct == 1 and not counted.nulls else ()


def _sentence(condition: Filter, selected: Mapping[str, Column]) -> str:
    title = selected[condition.column].title if condition.column in selected else None
    if condition.column in catalog.value_labels() and condition.op in ("=", "!=", "in"):
        text = str(condition.value)
        values = text.split(",") if condition.op == "in" else [text]
        labels = ", ".join(str(catalog.label(condition.column, value.strip())) for value in values)
        condition = replace(condition, value=labels)
    return condition.sentence(title)


def _filter_form(table: TableState, column: str, without_value: Filter | None = None) -> FilterForm:
    """How a column can be filtered; the first one for a name that the table does not have."""
    readable = table.readable
    name = column if column in readable.names else readable.names[0]
    kind = readable.field(name).type
    content = kind_of(kind)
    operators = operators_for(kind)
    keys = [operator.key for operator in operators]
    labels = tuple(catalog.value_labels().get(name, {}).items())
    preferred = (without_value.op if without_value else "", *([] if labels else ["contains"]), keys[0])
    return FilterForm(
        column=name,
        operators=operators,
        op=next(operator for operator in preferred if operator in keys),
        input=INPUTS.get(content, "text"),
        truth=content is Kind.TRUTH,
        values=labels,
        fault=NO_VALUE if without_value else "",
    )


# -- columns


@router.get("/datasets/{slug}/data/columns")
def column_list(
    request: Request, deps: Here, who: Who, slug: str, version: int | None = None, count: bool = False
) -> Response:
    """What the columns mean, and with `count` what they hold."""
    saved = who.guard.dataset(slug)
    partial = request.headers.get("hx-request-type") == "partial"
    address = f"/datasets/{saved.slug}/data/columns" + ("" if version is None else f"?version={version}")
    head = heading(deps, who, saved, "data", address)
    try:
        part = _columns(deps, saved, version, counted=count)
    except NotFoundError as error:
        if partial:
            raise
        fault = "" if version is None else sentence(error)
        return respond(request, ColumnsPage(head, None, fault), visitor=who)
    if partial:
        return respond(request, part, visitor=who)
    return respond(request, ColumnsPage(head, part, ""), visitor=who)


def _columns(deps: Deps, saved: SavedDataset, version: int | None, *, counted: bool) -> ColumnsPart:
    table = _table(deps, saved, version)
    dataset, _ = parsed(deps, saved)
    selected = columns_by_name(dataset) if dataset else {}
    statistics: Mapping[str, ColumnStatistics] = {}
    if counted:
        additive = [name for name, column in selected.items() if column.additive]
        statistics = {
            statistic.name: statistic
            for statistic in deps.lake.statistics(
                saved.table_slug, version, additive=additive, calculated=table.calculated
            )
        }
    notes = _total_notes(dataset, selected, statistics) if dataset else {}
    keys = key(dataset) if dataset else ()
    described = tuple(_described(field, selected.get(field.name), keys, statistics, notes) for field in table.readable)
    return ColumnsPart(saved.slug, version, described, counted)


def _described(
    field: pa.Field,
    column: Column | None,
    keys: Iterable[str],
    statistics: Mapping[str, ColumnStatistics],
    notes: Mapping[str, str],
) -> Described:
    """A column of the table; one that the dataset no longer selects is described by the table's own metadata."""
    facts = {name.decode(): text.decode() for name, text in (field.metadata or {}).items()}
    word = column.type_title if column else WORDS[kind_of(field.type)]
    unit = column.unit if column else facts.get("unit", "")
    return Described(
        name=field.name,
        title=column.title if column else facts.get("title", field.name),
        type=word,
        unit=UNIT_TITLES.get(unit, unit),
        meaning=column.meaning if column else facts.get("description", ""),
        key=field.name in keys,
        additive=column is not None and column.additive,
        statistics=statistics.get(field.name),
        total_note=notes.get(field.name, ""),
        mixed=column is not None and column.type == "money" and _currencies(statistics) > 1,
    )


def _currencies(statistics: Mapping[str, ColumnStatistics]) -> int:
    """How many currencies the rows are in, as far as that was counted; an unknown one is another."""
    counted = statistics.get("currency")
    return (counted.distinct or 0) + bool(counted.nulls) if counted else 1


def _total_notes(
    dataset: Dataset, selected: Mapping[str, Column], statistics: Mapping[str, ColumnStatistics]
) -> dict[str, str]:
    """Why a column's sum is not shown although its values may be added: another way it would be a wrong amount."""
    notes = {}
    for name, column in selected.items():
        if column.additive and dataset.update.method is Method.APPEND:
            notes[name] = phrase("No sum: append adds the same day once per run.")
        elif column.additive and column.type == "money" and _currencies(statistics) > 1:
            notes[name] = phrase("No sum: mixed currencies.")
    return notes
