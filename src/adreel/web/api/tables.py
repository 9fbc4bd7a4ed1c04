"""A dataset's table read: versions, what changed between two, rows, statistics, columns, files, cards."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from adreel.access import DatasetRight
from adreel.datasets.calculated_columns import readable_table
from adreel.datasets.changed_rows import ChangedRowsSearch, changed_rows, versions_to_compare
from adreel.datasets.looks import TableLook, look_of_texts, spelled
from adreel.datasets.restatement import CURRENCY, DayKind, compare
from adreel.datasets.runs import runs_by_version, version_json
from adreel.datasets.schema import Column, columns, readable_columns
from adreel.errors import InputError, NotFoundError
from adreel.export.exact_json import items_of, types_of
from adreel.lake.browse import Filter, Order
from adreel.lake.statistics import Bin
from adreel.store import RunState, SavedDataset
from adreel.store.audit import AuditAction, Subject
from adreel.update_methods import Method
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Exact, Paged, Paging, Slug, part
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import MEDIA_TYPES, file_answer
from adreel.web.pages.heading import parsed

router = api_router("tables")

Number = int | float
Value = Annotated[Any, Field(description="Numbers with all their digits; days and times in ISO 8601.")]
Format = Literal["csv", "json", "parquet", "xlsx"]

FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, as a stream.",
        "content": {
            kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()
        },
        "headers": {"Content-Disposition": {"schema": {"type": "string"}, "required": True}},
    }
}
"""An answer that is a file, as OpenAPI has it."""

OPERATORS = {
    "eq": "=",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "contains": "contains",
    "in": "in",
    "null": "is null",
    "notnull": "is not null",
}
"""What a filter may compare by, and how the lake calls it."""


class VersionAnswer(Answer):
    """A table as one run left it."""

    version: int = Field(examples=[0])
    at: datetime
    method: str = Field(description="The update method, or restore.", examples=["replace"])
    restored_version: int | None = Field(description="The version that a restore brought back.", examples=[None])
    run_id: str = Field(examples=["0123456789abcdef"])
    state: RunState | None = Field(
        description="State of the run, which says whether the version is verified; null if the run is not known.",
        examples=[RunState.VERIFIED],
    )
    rows: int = Field(description="Rows of the table.", examples=[90])
    key: list[str] = Field(description="The primary key.", examples=[["advertiser_id", "ad_id"]])


class VersionList(Paged[VersionAnswer]):
    """The versions that can be read, newest first."""


class ColumnAnswer(Answer):
    """A column of a table."""

    name: str = Field(examples=["spend"])
    type: str = Field(description="Arrow's name of the type.", examples=["decimal128(24, 6)"])
    title: str = Field(examples=["Cost"])
    meaning: str = Field(examples=["What was paid."])
    unit: str = Field(examples=["account_currency"])
    additive: bool = Field(description="Whether values may be summed over rows.", examples=[True])
    key: bool = Field(description="Whether it is part of the primary key.", examples=[False])
    calculated: bool = Field(
        description="Whether it is computed from other columns when rows are read, and not stored.", examples=[False]
    )


class Schema(Answer):
    """The columns of a table's version."""

    version: int = Field(examples=[0])
    rows: int = Field(examples=[90])
    size: int = Field(description="Bytes of its files.", examples=[4096])
    columns: list[ColumnAnswer]


class ColumnType(Answer):
    """A column's name and type."""

    name: str = Field(examples=["spend"])
    type: str = Field(examples=["decimal128(24, 6)"])


class RowsAnswer(Paged[dict[str, Value]]):
    """Rows of a table; `total` is the number of rows that match the filters."""

    version: int = Field(examples=[0])
    table_rows: int = Field(description="Rows of the whole table.", examples=[90])
    columns: list[ColumnType]


class FrequentAnswer(Answer):
    """One of the most frequent values."""

    value: Value
    rows: int = Field(examples=[3])


class ColumnStatisticsAnswer(Answer):
    """Statistics of a column."""

    name: str = Field(examples=["spend"])
    rows: int = Field(examples=[90])
    nulls: int = Field(examples=[0])
    distinct: int | None = Field(description="Distinct values.", examples=[88])
    distinct_exact: bool = Field(examples=[True])
    least: Value
    greatest: Value
    total: Value = Field(
        description="The sum of an additive column; null for rates and texts, for money in several currencies, and for "
        "tables that are updated by append."
    )
    frequent: list[FrequentAnswer]
    histogram: list[Bin]


class Statistics(Answer):
    """Statistics of the columns of a version."""

    columns: list[ColumnStatisticsAnswer]


class CurrencySumAnswer(Answer):
    """The sum of a column in one currency, in both versions; null where there is nothing to sum."""

    currency: str | None = Field(description="Null if not money; empty if the currency is unknown.", examples=["EUR"])
    values_changed: int = Field(description="Rows of both versions in which the value differs.", examples=[3])
    values_restated: int = Field(description="Of these, on days that TikTok restated.", examples=[3])
    before: Number | None
    after: Number | None
    change: Number | None
    restated: Number | None = Field(description="The part of `change` that TikTok restated.")


class MetricDifferenceAnswer(Answer):
    """A column in both versions; `sums` is empty where values must not be summed, and has one entry for each currency
    of money.
    """

    name: str = Field(examples=["spend"])
    title: str = Field(examples=["Cost"])
    type: str | None = Field(examples=["money"])
    values_changed: int = Field(examples=[3])
    values_restated: int = Field(examples=[3])
    sums: list[CurrencySumAnswer]


class DaySum(Answer):
    """Change of a day's sum."""

    name: str = Field(examples=["spend"])
    currency: str | None = Field(examples=["EUR"])
    change: Number


class DayDifferenceAnswer(Answer):
    """A day with changes, for the ad accounts where it is of one kind."""

    day: date | datetime | None
    kind: DayKind = Field(
        description="restated: in both versions, and over in its ad account's zone when the first was read; "
        "incomplete: it was not over then; added, removed: in one version only; repeated: its rows were added again, "
        "beside the earlier ones; unread: not read again for the second version, such as the days of a restored "
        "version; unverified: read for one of the versions by a run whose check failed.",
        examples=[DayKind.RESTATED],
    )
    added: int = Field(examples=[0])
    removed: int = Field(examples=[0])
    changed: int = Field(examples=[3])
    zones: list[str] = Field(description="Time zones of these ad accounts.", examples=[["UTC+01:00"]])
    sums: list[DaySum]


class ExampleAnswer(Answer):
    """A row in both versions; null if it is missing in one."""

    before: dict[str, Value] | None
    after: dict[str, Value] | None


class DifferenceAnswer(Answer):
    """What changed from one version to another."""

    before: int = Field(examples=[0])
    after: int = Field(examples=[1])
    rows_before: int = Field(examples=[90])
    rows_after: int = Field(examples=[90])
    added: int = Field(examples=[0])
    removed: int = Field(examples=[0])
    changed: int = Field(examples=[3])
    keyed: bool = Field(
        description="Whether rows were compared by primary key; if not, a changed row is one removed, one added.",
        examples=[True],
    )
    summary: str = Field(description="Summary in sentences.", examples=["3 rows changed on 1 day; Cost +1.20 EUR."])
    currencies: list[str] = Field(description="Currencies of both versions.", examples=[["EUR"]])
    metrics: list[MetricDifferenceAnswer]
    days: list[DayDifferenceAnswer]
    columns_added: list[str]
    columns_removed: list[str]
    examples: list[ExampleAnswer]


class AtVersion(Body):
    """Which version."""

    version: int | None = Field(None, ge=0, le=2**53, description="Default: the newest.")


class RowSelection(AtVersion):
    """Which rows and columns of a version, and in what order."""

    columns: list[str] = Field([], description="Only these columns; default: all.")
    filter: list[str] = Field(
        [],
        description="Each as `column:operator:value`, and all must hold. Operators: "
        + ", ".join(OPERATORS)
        + "; `null` and `notnull` take no value, `in` takes values separated by commas.",
        examples=[["spend:ge:10"]],
    )
    sort: list[str] = Field([], description="Columns; `-` in front for descending.", examples=[["-spend"]])

    @property
    def where(self) -> list[Filter]:
        """The filters."""
        return [_filter(text) for text in self.filter]

    @property
    def order(self) -> list[Order]:
        """What the rows are sorted by."""
        return [Order(text.removeprefix("-"), descending=text.startswith("-")) for text in self.sort]


class LookBody(Body):
    """Which columns and rows of a table, and in what order."""

    columns: list[str] = Field([], description="Only these columns, in this order; default: all.", max_length=1_000)
    filter: list[str] = Field([], description="As of `rows`.", examples=[["spend:ge:10"]])
    sort: list[str] = Field([], description="As of `rows`.", examples=[["-spend"]])

    @property
    def look(self) -> TableLook:
        """The look. InputError for a filter that is none."""
        return look_of_texts(self.columns, [spelled(_filter(text)) for text in self.filter], self.sort)


class LookAnswer(Answer):
    """Which columns and rows of a table, and in what order."""

    columns: list[str] = Field(description="Empty for all.", examples=[["ad_name", "spend"]])
    filter: list[str] = Field(examples=[["spend:ge:10"]])
    sort: list[str] = Field(examples=[["-spend"]])


def look_values(look: TableLook) -> dict[str, list[str]]:
    """A look as `LookAnswer` has it, with the API's names of operators."""
    words = {op: name for name, op in OPERATORS.items()}
    filters = []
    for column_filter in look.where:
        _, _, value = spelled(column_filter).removeprefix(column_filter.column).removeprefix(":").partition(":")
        filters.append(f"{column_filter.column}:{words[column_filter.op]}" + (f":{value}" if value else ""))
    return {**look.as_json(), "filter": filters}


class RowsQuery(RowSelection, Paging):
    """A page of rows."""


class StatisticsQuery(AtVersion):
    """Which columns."""

    columns: list[str] = Field([], description="Only these columns; default: all.")


class DifferenceQuery(Body):
    """Which two versions."""

    before: int | None = Field(None, ge=0, le=2**53, description="Default: the one before `after`.")
    after: int | None = Field(None, ge=0, le=2**53, description="Default: the newest.")


class DifferenceRowsQuery(DifferenceQuery, Paging):
    """Which changed rows."""

    day: date | None = Field(None, description="Only this day. Default: all days.", examples=["2026-01-31"])
    advertiser: str = Field("", description="Only this ad account, by its ID.", examples=["7000000000000000001"])
    filter: list[str] = Field([], description="As of `rows`; a row counts if it holds in one of the versions.")
    by: str | None = Field(
        None,
        description="Metric whose largest change comes first, of money within each currency; `spend:EUR` has the rows "
        "in EUR first.",
        examples=["spend"],
    )
    restated: bool = Field(False, description="Only rows of days that TikTok restated.")


class ChangeTotalAnswer(Answer):
    """The change over all rows, of money in one currency."""

    currency: str | None = Field(description="Null if not money.", examples=["EUR"])
    change: Number = Field(examples=[1.5])


class ChangedColumnAnswer(Answer):
    """A column that differs in any of the rows."""

    name: str = Field(examples=["spend"])
    title: str = Field(examples=["Cost"])
    values_changed: int = Field(description="Rows in which it differs.", examples=[3])
    totals: list[ChangeTotalAnswer] = Field(description="The change over all rows; empty for non-additive columns.")


class ValueChangeAnswer(Answer):
    """A value before and after."""

    name: str = Field(examples=["spend"])
    before: Value
    after: Value
    change: Number | None = Field(description="Null for what is no number, or in one version only.")


class ChangedRowAnswer(Answer):
    """A row that differs, with the values that do."""

    kind: Literal["changed", "added", "removed"] = Field(examples=["changed"])
    day: date | None = Field(description="Null where rows have no day.", examples=["2026-01-31"])
    day_kind: DayKind = Field(description="As of a day in `difference`.", examples=[DayKind.RESTATED])
    key: dict[str, Value]
    names: dict[str, str] = Field(description="Names of the key's IDs.", examples=[{"ad_id": "Summer sale"}])
    currency: str | None = Field(examples=["EUR"])
    values: list[ValueChangeAnswer]


class DayKindCount(Answer):
    """How many rows differ on days of a kind."""

    kind: DayKind = Field(examples=[DayKind.RESTATED])
    rows: int = Field(examples=[3])


class ChangedRowsAnswer(Paged[ChangedRowAnswer]):
    """The rows that differ between two versions, the largest change first, of money within each currency."""

    before: int = Field(examples=[0])
    after: int = Field(examples=[1])
    day: date | None = Field(examples=["2026-01-31"])
    sorted_by: str | None = Field(examples=["spend"])
    changed: int = Field(examples=[3])
    added: int = Field(examples=[0])
    removed: int = Field(examples=[0])
    day_kinds: list[DayKindCount] = Field(description="Also of rows that `restated` leaves out.")
    columns: list[ChangedColumnAnswer]


class ExportQuery(RowSelection):
    """Which file, and what it holds."""

    format: Format = Field("csv", description="Format of the file.")
    for_spreadsheet: bool = Field(
        False,
        description="CSV for spreadsheets: a UTF-8 byte order mark, an apostrophe before texts like formulas.",
    )


@router.get("/datasets/{dataset}/versions", summary="List the versions of a table", responses=failures(404))
def list_versions(deps: Here, who: Who, dataset: Slug, query: Annotated[Paging, Query()]) -> VersionList:
    """All readable versions, newest first; each was created by one run."""
    saved = with_table(deps, who, dataset)
    versions = deps.lake.versions(saved.table_slug)
    runs = runs_by_version(versions, deps.store.runs.good(saved, len(versions)))
    items = [
        VersionAnswer.model_validate(version_json(version, runs.get(version.number)))
        for version in part(versions, query)
    ]
    return VersionList(items=items, total=len(versions), limit=query.limit, offset=query.offset)


@router.get("/datasets/{dataset}/schema", summary="Get the columns of a table", responses=failures(404))
def get_schema(deps: Here, who: Who, dataset: Slug, query: Annotated[AtVersion, Query()]) -> Schema:
    """Columns with type, title, meaning and unit, and the primary key."""
    saved = with_table(deps, who, dataset)
    state = readable_table(deps.lake, saved, deps.clock(), query.version)
    key = next((version.key for version in deps.lake.versions(saved.table_slug) if version.number == state.version), ())
    current = _columns_by_name(deps, saved)
    answers = []
    for field in state.readable:
        metadata = {name.decode(): value.decode() for name, value in (field.metadata or {}).items()}
        answers.append(
            ColumnAnswer(
                name=field.name,
                type=str(field.type),
                title=metadata.get("title", field.name),
                meaning=metadata.get("description", ""),
                unit=metadata.get("unit", ""),
                additive=field.name in current and current[field.name].additive,
                key=field.name in key,
                calculated=field.name not in state.schema.names,
            )
        )
    return Schema(version=state.version, rows=state.rows, size=state.size, columns=answers)


@router.get(
    "/datasets/{dataset}/rows", summary="Read rows of a table", response_model=RowsAnswer, responses=failures(404)
)
def list_rows(deps: Here, who: Who, dataset: Slug, query: Annotated[RowsQuery, Query()]) -> Response:
    """Rows with filters, order and paging; nulls are last. For whole tables use the export."""
    saved = with_table(deps, who, dataset)
    table = readable_table(deps.lake, saved, deps.clock(), query.version)
    page = deps.lake.page(
        saved.table_slug,
        version=query.version,
        columns=query.columns or table.readable.names,
        where=query.where,
        order=query.order,
        offset=query.offset,
        limit=query.limit,
        calculated=table.calculated,
    )
    return Exact(
        {
            "items": items_of(page.rows),
            "total": page.matching,
            "limit": query.limit,
            "offset": query.offset,
            "version": page.version,
            "table_rows": page.total,
            "columns": types_of(page.rows),
        }
    )


@router.get(
    "/datasets/{dataset}/statistics",
    summary="Get statistics of a table's columns",
    response_model=Statistics,
    responses=failures(404),
)
def get_statistics(deps: Here, who: Who, dataset: Slug, query: Annotated[StatisticsQuery, Query()]) -> Response:
    """Nulls, distinct and frequent values, minimum, maximum and histograms; sums of additive columns only."""
    saved = with_table(deps, who, dataset)
    table = readable_table(deps.lake, saved, deps.clock(), query.version)
    summable = _summable(deps, saved, table.version)
    statistics = deps.lake.statistics(
        saved.table_slug,
        query.version,
        query.columns or table.readable.names,
        additive=summable,
        calculated=table.calculated,
    )
    return Exact({"columns": list(statistics)})


@router.get(
    "/datasets/{dataset}/difference",
    summary="Compare two versions of a table",
    response_model=DifferenceAnswer,
    responses=failures(404),
)
def get_difference(deps: Here, who: Who, dataset: Slug, query: Annotated[DifferenceQuery, Query()]) -> Response:
    """What changed between two runs: rows added, removed and changed, and the change of sums by day.

    Currencies are never summed. The page and `adreel diff` have the same figures.
    """
    saved = with_table(deps, who, dataset)
    before, after = versions_to_compare(deps.lake, saved, query.before, query.after)
    return Exact(compare(deps.store, deps.lake, saved, before, after, deps.clock()).as_json())


@router.get(
    "/datasets/{dataset}/difference/rows",
    summary="Read the rows before and after",
    response_model=ChangedRowsAnswer,
    responses=failures(404),
)
def list_changed_rows(deps: Here, who: Who, dataset: Slug, query: Annotated[DifferenceRowsQuery, Query()]) -> Response:
    """The rows that differ between two versions, with names, values before and after, and changes."""
    saved = with_table(deps, who, dataset)
    before, after = versions_to_compare(deps.lake, saved, query.before, query.after)
    where = tuple(_filter(text) for text in query.filter)
    search = ChangedRowsSearch(before, after, query.day, query.advertiser, where, query.by, query.restated)
    with changed_rows(who.guard, deps.lake, saved, search, deps.clock()) as rows:
        return Exact(rows.as_json(search, query.offset, query.limit))


@router.get(
    "/datasets/{dataset}/export",
    summary="Download a table as a file",
    response_class=Response,
    responses=FILE | failures(404),
)
def export(deps: Here, who: Who, dataset: Slug, query: Annotated[ExportQuery, Query()]) -> Response:
    """A version's rows as a stream of CSV, JSON, Parquet or Excel: all of them, or as `rows` has them."""
    from adreel.datasets.about import about
    from adreel.export.files import stream

    saved = with_table(deps, who, dataset)
    where, order = query.where, query.order
    table = readable_table(deps.lake, saved, deps.clock(), query.version)
    names = query.columns or table.readable.names
    reader = deps.lake.read(
        saved.table_slug, query.version, names, where=where, order=order, calculated=table.calculated
    )
    sheet = None
    if query.format == "xlsx":
        look = TableLook(tuple(reader.schema.names), tuple(where), tuple(order))
        sheet = about(deps.store, deps.lake, saved, query.version, look, deps.clock())
    chunks = stream(reader, query.format, for_spreadsheet=query.for_spreadsheet, about=sheet)
    deps.store.audit.add(AuditAction.EXPORT, Subject.of(saved), {"format": str(query.format), "version": query.version})
    return file_answer(chunks, query.format, f"{saved.slug}.{query.format}", f"{saved.name}.{query.format}")


def with_table(deps: Deps, who: Visitor, dataset: str) -> SavedDataset:
    """The dataset; NotFoundError if it may not be seen, or has no table yet."""
    saved = who.guard.dataset(dataset, DatasetRight.SEE)
    if not deps.lake.exists(saved.table_slug):
        raise NotFoundError(f"{saved.name!r} has no table yet; run it first.")
    return saved


def _columns_by_name(deps: Deps, saved: SavedDataset) -> dict[str, Column]:
    """The columns as the dataset has them now; none if its settings do not hold any more."""
    dataset, _ = parsed(deps, saved)
    return {column.name: column for column in readable_columns(dataset)} if dataset else {}


def _summable(deps: Deps, saved: SavedDataset, version: int) -> list[str]:
    """The columns whose sum over the version's rows is an amount."""
    dataset, _ = parsed(deps, saved)
    if dataset is None or dataset.update.method is Method.APPEND:
        return []
    one_currency = len(deps.lake.texts(saved.table_slug, CURRENCY, version)) < 2
    return [column.name for column in columns(dataset) if column.additive and (one_currency or column.type != "money")]


def _filter(text: str) -> Filter:
    """A filter as it is spelled in the address."""
    column, _, rest = text.partition(":")
    operator, colon, value = rest.partition(":")
    if operator not in OPERATORS:
        raise InputError(
            f"filter: {text!r} is not a filter. Use column:operator:value, such as spend:ge:10, with one of "
            f"{', '.join(OPERATORS)}."
        )
    return Filter(column, OPERATORS[operator], value if colon else None)
