"""The rows that differ between two versions, before and after, by names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from adreel import catalog
from adreel.charts.labels import cell
from adreel.datasets import changed_rows as domain
from adreel.datasets.about import known_columns
from adreel.datasets.advertisers import advertiser_names
from adreel.datasets.changed_rows import ChangedRowsSearch, MetricHead, RowChange, ValueChange, versions_to_compare
from adreel.datasets.looks import spelled, unspelled
from adreel.datasets.restatement import DayKind, amount
from adreel.datasets.schema import NAME_COLUMNS, unit_mark
from adreel.errors import InputError, NotFoundError
from adreel.export.files import WRITERS, stream
from adreel.lake.changed_rows import ChangedRowsHead
from adreel.lake.filters import Filter, Kind, kind_of
from adreel.language import Phrase, integer, listed, phrase, phrases, spoken_day
from adreel.store import SavedDataset
from adreel.store.audit import AuditAction, Subject
from adreel.web.changes import by_rank, is_by_currency, order_of
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import FORMATS, file_answer
from adreel.web.pages.heading import Heading, heading
from adreel.web.pages.paging import page_count, page_number
from adreel.web.pages.wording import sentence
from adreel.web.render import UNKNOWN, Page, respond

router = APIRouter()

PAGE = 50
"""Rows of a page."""

ALL_ROWS = "all"
"""In the address: rows of all days, not only of those that TikTok restated."""

MOST_METRICS = 6
"""Metrics that the table has columns for; files have all."""


@dataclass(frozen=True, slots=True)
class RowName:
    """An entity of a row's key: its name, or its id where it has none; `is_id` says which."""

    title: str
    text: str
    is_id: bool


@dataclass(frozen=True, slots=True)
class ValueStep:
    """A value before and after, as texts; `change` is empty without a number. `tone` is up, down or empty.

    `words` says the same to whoever hears it.
    """

    before: str
    after: str
    change: str
    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """A row of the table. `day_kind` is empty for a day that TikTok restated, and for one that `kind` says it of.

    `words` are its day and what changed in it, in one sentence, for whoever hears the row.
    """

    kind: str
    day: date | None
    day_kind: str
    names: tuple[RowName, ...]
    steps: tuple[ValueStep | None, ...]
    ids: tuple[tuple[str, str], ...]
    words: str


@dataclass(frozen=True, slots=True)
class ChangedLines:
    """The rows of a page, and what there is besides.

    `units` and `totals` are of each metric: its unit, and its changes over all rows, as texts. `orders` are the metrics
    that rows can be sorted by with their titles, of money once for each currency. `counts` says how many rows changed,
    were added or removed. `left_out` counts rows that TikTok did not restate, and `kinds` says what their days are;
    `order` says how rows are sorted.
    """

    metrics: tuple[MetricHead, ...]
    units: tuple[str, ...]
    totals: tuple[tuple[str, ...], ...]
    all_metrics: tuple[MetricHead, ...]
    lines: tuple[ChangedLine, ...]
    by: str | None
    orders: tuple[tuple[str, str], ...]
    chosen_order: str
    order: str
    counts: str
    total: int
    left_out: int
    others: int
    kinds: str

    @property
    def restated(self) -> bool:
        """Whether TikTok restated all of the rows that are shown."""
        return self.total > 0 and self.others == self.left_out

    @property
    def total_words(self) -> str:
        """The changes over all rows in one sentence, for whoever hears them; empty if no metric may be summed."""
        summed = [pair for pair in zip(self.metrics, self.totals, strict=True) if pair[1]]
        return "; ".join(f"{metric.title} {', '.join(amounts)}" for metric, amounts in summed)

    @property
    def has_days(self) -> bool:
        """Whether the rows have days."""
        return any(line.day for line in self.lines)


@dataclass(frozen=True, slots=True)
class ChangedRowsPage(Page):
    """The rows that differ; `shown` is None if they cannot be, and `fault` says why.

    `filters` are spelled as the address has them, with their sentences; `without` is the address without each of them,
    `addresses` that of any page up to its number, and `other_rows` that with or without rows of other days. `faulty` is
    the field that `fault` is about, empty for none; `column` and `typed` are the filter that was typed. `since` is when
    the earlier version was read; None if that is unknown.
    """

    template: ClassVar[str] = "changed_rows.html"
    head: Heading
    search: ChangedRowsSearch
    shown: ChangedLines | None
    fault: str
    page: int
    pages: int
    advertisers: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    filters: tuple[tuple[str, str], ...]
    without: Mapping[str, str]
    addresses: str
    exports: Mapping[str, str]
    other_rows: str
    faulty: str
    column: str
    typed: str
    since: datetime | None
    formats: tuple[tuple[str, str], ...] = FORMATS


@router.get("/datasets/{slug}/difference/rows")
def rows(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """A page of the rows that differ: those that TikTok restated, or with `rows=all` all of them."""
    saved = who.guard.dataset(slug)
    fault, shown, pages = "", None, 1
    page = page_number(request.query_params.get("page", ""))
    search = ChangedRowsSearch(0, 0)
    try:
        search = _search(deps, saved, request.query_params)
        with domain.changed_rows(who.guard, deps.lake, saved, search, deps.clock()) as found_rows:
            pages = page_count(found_rows.head.total, PAGE)
            page = min(page, pages)
            shown = _lines(found_rows, page, search.day, deps.clock().year)
    except InputError as error:
        fault = sentence(error)
        if not search.after:
            # The form keeps what was right.
            others = [pair for pair in request.query_params.multi_items() if pair[0] not in ("day", "value")]
            with suppress(InputError):
                search = _search(deps, saved, QueryParams(others))
    pairs = _pairs(search, request.query_params)
    query = urlencode(pairs)
    base = f"/datasets/{saved.slug}/difference/rows"
    columns = _columns(deps, saved, search)
    titles = dict(columns)
    filters = (
        tuple((spelled(where), where.sentence(titles.get(where.column))) for where in search.where) if shown else ()
    )
    answer = ChangedRowsPage(
        head=heading(deps, who, saved, "restatements" if shown and shown.restated else "versions", f"{base}?{query}"),
        search=search,
        shown=shown,
        fault=fault,
        page=page,
        pages=pages,
        advertisers=tuple(sorted(advertiser_names(who.guard, saved).items(), key=lambda pair: pair[1])),
        columns=columns,
        filters=filters,
        without={
            text: f"{base}?{urlencode([pair for pair in pairs if pair != ('where', text)])}" for text, _ in filters
        },
        addresses=f"{base}?{query}&page=",
        other_rows=f"{base}?{urlencode(_toggled(pairs))}",
        faulty=_faulty(request.query_params) if fault else "",
        column=request.query_params.get("column", ""),
        typed=request.query_params.get("value", "").strip()[:200],
        since=_read_at(deps, saved, search.before) if shown else None,
        exports={kind: f"{base}/export?{query}&format={kind}" for kind in WRITERS},
    )
    return respond(request, answer, visitor=who)


@router.get("/datasets/{slug}/difference/rows/export")
def export(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """All of the rows that differ as a file."""
    saved = who.guard.dataset(slug)
    kind = request.query_params.get("format", "csv")
    if kind not in WRITERS:
        raise InputError(
            phrase(
                "%(format)s is not an export format. Use one of: %(formats)s.",
                format=repr(kind[:20]),
                formats=", ".join(WRITERS),
            )
        )
    search = _search(deps, saved, request.query_params)
    pieces = _file(deps, who, saved, search, kind)
    first = next(pieces)
    details = {"format": kind, "versions": f"{search.before} to {search.after}"}
    deps.store.audit.add(AuditAction.EXPORT, Subject.of(saved), details)
    parts = (saved.slug, "changed", f"{search.before}-{search.after}", search.advertiser, search.day, kind)
    name = ".".join(str(part) for part in parts if part)
    return file_answer(_from(first, pieces), kind, name, name)


def _file(deps: Deps, who: Visitor, saved: SavedDataset, search: ChangedRowsSearch, kind: str) -> Any:
    with domain.changed_rows(who.guard, deps.lake, saved, search, deps.clock()) as found_rows:
        yield from stream(found_rows.reader(), kind, for_spreadsheet=True)


def _from(first: bytes, rest: Any) -> Any:
    try:
        yield first
        yield from rest
    finally:
        rest.close()


def _search(deps: Deps, saved: SavedDataset, query: QueryParams) -> ChangedRowsSearch:
    """What the address asks for. Raises InputError for what it cannot."""
    if not deps.lake.exists(saved.table_slug):
        raise NotFoundError(phrase("%(name)s has no table yet; run it first.", name=repr(saved.name)))
    before, after = versions_to_compare(deps.lake, saved, _number(query, "before"), _number(query, "after"))
    if before >= after:
        raise InputError(phrase("Select an earlier and a later version."))
    text = query.get("day", "")
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise InputError(
            phrase("%(text)s is not a valid date. Use a date such as 2026-01-31.", text=repr(text[:20]))
        ) from None
    where = [condition for part in query.getlist("where") if (condition := unspelled(part))]
    column, value = query.get("column", ""), query.get("value", "").strip()
    if column and value:
        where.append(_typed_filter(deps, saved, after, column, value))
    return ChangedRowsSearch(
        before,
        after,
        day,
        query.get("advertiser", ""),
        tuple(dict.fromkeys(where)),
        query.get("by") or None,
        False if query.get("rows") == ALL_ROWS else None,
    )


def _read_at(deps: Deps, saved: SavedDataset, number: int) -> datetime | None:
    versions = deps.lake.versions(saved.table_slug)
    return next((version.at for version in versions if version.number == number), None)


def _faulty(query: QueryParams) -> str:
    """The field that a refused address is about: what was typed last, or a day that is none."""
    if query.get("column") and query.get("value", "").strip():
        return "value"
    try:
        date.fromisoformat(query.get("day") or "2000-01-01")
    except ValueError:
        return "day"
    return ""


def rows_address(
    slug: str, before: int, after: int, *, day: date | None = None, advertiser: str = "", by: str = ""
) -> str:
    """The address of the page; `by` is the metric whose largest change comes first, such as `spend:EUR`."""
    pairs = {"before": before, "after": after, "day": day, "advertiser": advertiser, "by": by}
    query = urlencode({name: str(value) for name, value in pairs.items() if value or value == 0})
    return f"/datasets/{slug}/difference/rows?{query}"


def _typed_filter(deps: Deps, saved: SavedDataset, after: int, column: str, value: str) -> Filter:
    """What a person typed for a column: texts that contain it, and else values that are it."""
    schema = deps.lake.table(saved.table_slug, after).schema
    contains = column in schema.names and kind_of(schema.field(column).type) in (Kind.TEXT, Kind.LIST)
    return Filter(column, "contains" if contains else "=", value)


def _number(query: QueryParams, name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise InputError(phrase("%(text)s is not a valid version.", text=repr(text[:20])))
    return int(text)


def _pairs(search: ChangedRowsSearch, query: QueryParams) -> list[tuple[str, str]]:
    pairs = [("before", str(search.before)), ("after", str(search.after))]
    pairs += [("day", str(search.day))] if search.day else []
    pairs += [("advertiser", search.advertiser)] if search.advertiser else []
    pairs += [("by", query["by"])] if query.get("by") else []
    pairs += [("rows", ALL_ROWS)] if search.restated is False else []
    return pairs + [("where", spelled(where)) for where in search.where]


def _toggled(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The address with rows of all days, or without if it has them."""
    every = ("rows", ALL_ROWS)
    return [pair for pair in pairs if pair != every] if every in pairs else [*pairs, every]


def _columns(deps: Deps, saved: SavedDataset, search: ChangedRowsSearch) -> tuple[tuple[str, str], ...]:
    """The columns to filter by, with their titles: names first."""
    try:
        names = deps.lake.table(saved.table_slug, search.after).schema.names
    except NotFoundError:
        return ()
    selected: Mapping[str, Any] = known_columns(saved, deps.clock())
    first = set(NAME_COLUMNS.values())
    ordered = sorted(names, key=lambda name: name not in first)
    return tuple((name, selected[name].title if name in selected else name) for name in ordered)


# -- lines

_KINDS = {"changed": Phrase("changed"), "added": Phrase("added"), "removed": Phrase("removed")}


def _lines(found_rows: domain.ChangedRows, page: int, day: date | None, year: int) -> ChangedLines:
    """A page of the rows. With a `day` all are of that one; `year` is the current one."""
    head, every = found_rows.head, found_rows.metrics
    metrics, currencies = every[:MOST_METRICS], found_rows.currencies
    orders = tuple(_orders(every, currencies))
    lines = tuple(
        ChangedLine(
            _KINDS[row.kind],
            row.day,
            "" if row.day_kind in _PLAIN_DAYS else _DAY_WORDS.get(row.day_kind, row.day_kind.label),
            _names(found_rows, row),
            tuple(_step(metric, row.values[metric.name], row.currency) for metric in metrics),
            tuple((found_rows.title(column), cell(column, value).text) for column, value in by_rank(row.key)),
            _row_words(every, row, None if day else row.day, year),
        )
        for row in found_rows.rows((page - 1) * PAGE, PAGE)
    )
    return ChangedLines(
        metrics=metrics,
        units=tuple(unit_mark(metric.unit, currencies) for metric in metrics),
        totals=tuple(
            tuple(amount(total.amount, total.currency, signed=True) for total in metric.totals) for metric in metrics
        ),
        all_metrics=every,
        lines=lines,
        by=found_rows.by,
        orders=orders,
        chosen_order=f"{found_rows.by}:{currencies[0]}" if is_by_currency(found_rows) else found_rows.by or "",
        order=order_of(found_rows),
        counts=_counts(head),
        total=head.total,
        left_out=sum(found_rows.left_out.values()),
        others=sum(found_rows.day_kinds.get(kind, 0) for kind in domain.NOT_RESTATED),
        kinds=_days_of_others(found_rows.day_kinds),
    )


def _counts(head: ChangedRowsHead) -> str:
    """How many rows changed, were added or removed, without those that none did."""
    parts = []
    if head.changed:
        words = phrases("%(rows)s row changed", "%(rows)s rows changed", head.changed, rows=integer(head.changed))
        parts.append(words)
    if head.added:
        parts.append(phrases("%(rows)s row added", "%(rows)s rows added", head.added, rows=integer(head.added)))
    if head.removed:
        words = phrases("%(rows)s row removed", "%(rows)s rows removed", head.removed, rows=integer(head.removed))
        parts.append(words)
    return listed(parts)


def _days_of_others(counts: Mapping[DayKind, int]) -> str:
    """What the days of rows are that TikTok did not restate, with a number for each kind if there are several."""
    others = [kind for kind in DayKind if kind in domain.NOT_RESTATED and kind in counts]
    if len(others) == 1:
        return str(_OTHER_DAYS[others[0]])
    return listed(phrase("%(rows)s of %(days)s", rows=integer(counts[kind]), days=_OTHER_DAYS[kind]) for kind in others)


_OTHER_DAYS = {
    DayKind.INCOMPLETE: Phrase("days that were incomplete"),
    DayKind.ADDED: Phrase("days that were added"),
    DayKind.REMOVED: Phrase("days that were removed"),
    DayKind.REPEATED: Phrase("days whose rows were added again"),
    DayKind.UNREAD: Phrase("days that were not read again"),
    DayKind.UNVERIFIED: Phrase("days whose check failed"),
}

_PLAIN_DAYS = {DayKind.RESTATED, DayKind.ADDED, DayKind.REMOVED}
"""The kinds of days that a row's own kind says, or that need no word."""

_DAY_WORDS = {DayKind.INCOMPLETE: Phrase("was incomplete")}


def _orders(metrics: Iterable[MetricHead], currencies: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What rows can be sorted by: metrics, and where there are several currencies money of one of them first."""
    for metric in metrics:
        if metric.numeric and metric.type == "money" and len(currencies) > 1:
            for currency in currencies:
                title = phrase("%(metric)s (%(currency)s)", metric=metric.title, currency=currency)
                yield f"{metric.name}:{currency}", title
        elif metric.numeric:
            yield metric.name, metric.title


def _names(found_rows: domain.ChangedRows, row: RowChange) -> tuple[RowName, ...]:
    names = []
    for column, value in by_rank(row.key):
        name = row.names.get(column, "")
        names.append(RowName(found_rows.title(column), name or cell(column, value).text, not name))
    return tuple(names)


def _step(metric: MetricHead, value: ValueChange, currency: str | None) -> ValueStep | None:
    if not value.differs:
        return None
    money = currency if metric.type == "money" else None
    before, after, change = _text(metric.name, value.before), _text(metric.name, value.after), value.change
    words = phrase("from %(before)s to %(after)s", before=_spoken(before), after=_spoken(after))
    if not metric.numeric or not change:
        return ValueStep(before, after, "", "", f"{words} {money}" if money else words)
    signed = amount(change, money, signed=True)
    if change > 0:
        words = phrase("%(values)s, up by %(size)s", values=words, size=amount(change, money))
        return ValueStep(before, after, signed, "up", words)
    words = phrase("%(values)s, down by %(size)s", values=words, size=amount(-change, money))
    return ValueStep(before, after, signed, "down", words)


def _row_words(metrics: Sequence[MetricHead], row: RowChange, day: date | None, year: int) -> str:
    """What changed in a row, in one sentence: "29 November: Cost 12.30 to 14.10 USD, Conversions 3 to 4".

    Rates and costs per result are left out where the figures that they are computed from are in it.
    """
    differing = [metric for metric in metrics if row.values[metric.name].differs]
    own = [metric for metric in differing if not _is_computed(metric.name)] or differing
    values = ", ".join(_value_words(metric, row) for metric in own[:MOST_METRICS])
    if day is None:
        return values
    return phrase("%(day)s: %(values)s", day=spoken_day(day, year), values=values)


def _is_computed(name: str) -> bool:
    metric = catalog.metrics().get(name)
    return metric is not None and metric.numerator is not None


def _value_words(metric: MetricHead, row: RowChange) -> str:
    value = row.values[metric.name]
    unit = row.currency if metric.type == "money" else "%" if metric.unit == "percent" else None
    before, after = (_spoken(_text(metric.name, each)) for each in (value.before, value.after))
    after = f"{after} {unit}" if unit else after
    if row.kind == "changed":
        return phrase("%(metric)s %(before)s to %(after)s", metric=metric.title, before=before, after=after)
    only = after if row.kind == "added" else f"{before} {unit}" if unit else before
    return f"{metric.title} {only}"


def _spoken(text: str) -> str:
    """What is heard in place of the text of a cell: a dash says nothing."""
    return phrase("no value") if text == UNKNOWN else text


def _text(name: str, value: Any) -> str:
    return UNKNOWN if value is None else cell(name, value).text
