"""Datasets: saved, changed, checked, planned, previewed, and what is done to several at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response
from pydantic import Field, JsonValue, RootModel

from adreel import catalog
from adreel.access import DatasetRight, RoleRight
from adreel.datasets import service
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.file_kinds import sources_in, text_of
from adreel.datasets.imports import arrivals, bring
from adreel.datasets.schema import columns, key
from adreel.datasets.status import SORTS, Standing, Status, Wanted, chosen, standing, standings
from adreel.datasets.stored import as_file, dataset_of
from adreel.datasets.stored import source_of as saved_source
from adreel.datasets.validation import check, parse
from adreel.errors import AdreelError, BusyError, DatasetError, InputError, Problem
from adreel.export.exact_json import items_of, types_of
from adreel.pipeline.estimate import Basis
from adreel.store import Account, RunState, SavedDataset
from adreel.store.names import clean_name
from adreel.web.api.accounts import UserName
from adreel.web.api.failures import Failure, Fault, failure_of, failures, fault
from adreel.web.api.routers import api_router
from adreel.web.api.runs import date_range
from adreel.web.api.shapes import Answer, Body, Exact, Paged, Paging, Slug, having, located, part, source_of
from adreel.web.api.tables import ColumnType, Value
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import attachment
from adreel.web.import_turn import one_at_a_time

router = api_router("datasets")

FILE_EXAMPLE: dict[str, Any] = {
    "name": "Ad spend by day",
    "account": "demo",
    "report": "performance",
    "data_level": "ad",
    "time_dimension": "day",
    "metrics": ["spend", "impressions", "clicks"],
    "dates": {"start": "today-30", "end": "yesterday"},
    "update": {"method": "upsert"},
}


def _file_schema(schema: dict[str, Any]) -> None:
    """The keys of dataset files, from the catalogue."""
    texts = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    properties: dict[str, Any] = {
        "name": {"type": "string", "description": "The dataset's unique name."},
        "description": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "account": {"type": "string", "description": "The account's name."},
        "report": {"type": "string", "enum": list(catalog.REPORTS)},
        "update": {
            "type": "object",
            "description": "method; key (upsert), keep_days (partition), lookback (both).",
        },
        "schedule": {
            "anyOf": [{"type": "string"}, {"type": "object"}],
            "description": "manual, a cron expression in UTC, or an object with every or cron.",
        },
        "retry": {
            "anyOf": [{"type": "boolean", "const": False}, {"type": "object"}],
            "description": "false, or times and wait; of scheduled runs.",
        },
        "stale_after": {"type": "string", "description": "Warn a manual dataset's readers after this time."},
        "publish": {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}},
            ],
            "description": "Names of destinations, or objects with to, table and history.",
        },
    }
    for report in catalog.REPORTS.values():
        for menu in report.menus:
            kind: dict[str, Any] = {"switch": {"type": "boolean"}, "dates": {"type": "object"}}.get(menu.source, texts)
            properties.setdefault(menu.name, {**kind, "title": menu.title, "description": menu.meaning})
    schema["properties"] = properties
    schema["required"] = ["name", "account", "report"]
    schema["example"] = FILE_EXAMPLE


class DatasetFile(RootModel[dict[str, JsonValue]]):
    """A dataset file as JSON. The menus depend on the report; see its offers."""

    model_config = {"frozen": True, "json_schema_extra": _file_schema}


class LastRun(Answer):
    """A dataset's latest run."""

    run_id: str = Field(examples=["0123456789abcdef"])
    state: RunState = Field(examples=[RunState.VERIFIED])
    created_at: datetime
    finished_at: datetime | None
    version: int | None = Field(examples=[0])
    verified: bool | None = Field(description="Null without a version, and if unknown.", examples=[True])
    error: str | None = Field(examples=[None])


class DatasetRights(Answer):
    """Your permissions for a dataset."""

    run: bool = Field(examples=[True])
    edit: bool = Field(examples=[True])
    delete: bool = Field(examples=[True])


class DatasetAnswer(Answer):
    """A dataset as lists show it."""

    slug: str = Field(description="Its name in addresses and SQL; a rename does not change it.", examples=["spend"])
    name: str = Field(examples=["Spend"])
    description: str = Field(examples=[""])
    tags: list[str] = Field(examples=[["daily"]])
    report: str = Field(examples=["performance"])
    account: str = Field(description="The account's name, also after its deletion.", examples=["demo"])
    account_id: str | None = Field(description="Null if disconnected.", examples=["1"])
    owner: UserName | None = Field(description="User who created it.")
    status: Status = Field(description="Current status.", examples=[Status.VERIFIED])
    status_words: str = Field(description="What is wrong and what to do; empty if nothing.", examples=[""])
    attention: bool = Field(description="Whether it needs attention.", examples=[False])
    rows: int | None = Field(description="Rows of the table after the last successful run.", examples=[90])
    columns: int | None = Field(examples=[9])
    read_at: datetime | None = Field(
        description="Start of the latest run that read the dataset's own dates; a backfill does not change it."
    )
    last_run: LastRun | None
    next_run_at: datetime | None = Field(description="Next scheduled run; null if manual or paused.")
    paused_at: datetime | None = Field(description="Start of the pause of the schedule.", examples=[None])
    spec_version: int = Field(
        description="Version of the settings; send it with a change to detect conflicts.", examples=[1]
    )
    created_at: datetime
    updated_at: datetime
    may: DatasetRights


class DatasetWhole(DatasetAnswer):
    """A dataset with its file."""

    file: dict[str, JsonValue] = Field(description="The dataset file.", examples=[FILE_EXAMPLE])
    key: list[str] = Field(description="The primary key.", examples=[["advertiser_id", "ad_id"]])
    table: str = Field(description="Address of the Delta table.", examples=["/data/lake/spend"])
    notes: list[str] = Field(
        [], description="After a change: what the next run removes from the table or no longer reads.", examples=[[]]
    )


class DatasetList(Paged[DatasetAnswer]):
    """Datasets."""


class CheckAnswer(Answer):
    """The result of validation."""

    valid: bool = Field(examples=[True])
    problems: list[Fault] = Field(description="All problems, each with its menu.")
    notes: list[str] = Field(description="Remarks on a valid dataset.", examples=[[]])
    columns: list[str] = Field(description="Columns of the table.", examples=[["ad_id", "spend"]])
    key: list[str] = Field(description="The primary key.", examples=[["advertiser_id", "ad_id"]])


class Days(Answer):
    """The days of a run, in the advertiser's zone."""

    advertiser_id: str = Field(examples=["7000000000000000000"])
    name: str = Field(examples=["Shop"])
    timezone: str = Field(examples=["UTC-08:00"])
    start: date
    end: date


class Lookback(Answer):
    """Earlier days that runs read again, as TikTok changes them later."""

    days: int = Field(description="0 if no days are read again.", examples=[7])
    default: int = Field(description="Where `update` has no `lookback`; 0 if it is not available.", examples=[7])
    requests: int = Field(description="More than without look-back.", examples=[2])
    next_run: bool = Field(description="Whether the next run sends them, or a later one.", examples=[True])
    text: str = Field(description="What is read again, why, and what it costs.", examples=["Look-back is off."])


class PlannedReading(Answer):
    """How a run reads: in pages, or settled days with report tasks, and why."""

    way: Literal["pages", "tasks"] = Field(examples=["pages"])
    text: str = Field(description="Why; empty if there was nothing to choose.", examples=[""])
    page_requests: int | None = Field(description="With pages alone; null if it is not known.", examples=[1460])
    page_minutes: float | None = Field(examples=[2.43])
    task_requests: int | None = Field(description="With report tasks; null if it is not known.", examples=[360])
    task_minutes: float | None = Field(examples=[3.6])


class PlanAnswer(Answer):
    """The estimate of a run."""

    requests: int = Field(description="Expected if `requests_most` is the same, else the minimum.", examples=[34])
    requests_most: int | None = Field(description="Maximum; null if it is not known.", examples=[34])
    minutes: float = Field(description="Of `requests`, at the rate limit of the API level.", examples=[0.06])
    minutes_most: float | None = Field(description="Of `requests_most`.", examples=[0.06])
    basis: Basis = Field(description="What the estimate is based on.", examples=[Basis.LAST_RUN])
    basis_text: str = Field(description="The basis as a sentence.", examples=[Basis.LAST_RUN.sentence])
    chunks: int = Field(description="Groups of requests that a run completes together.", examples=[3])
    rows_per_page: int = Field(examples=[1000])
    level: str = Field(description="API level of the app.", examples=["basic"])
    advertisers: int = Field(examples=[3])
    metric_batches: int = Field(examples=[1])
    notes: list[str] = Field(examples=[[]])
    reading: PlannedReading = Field(description="The way of reading that the numbers are of.")
    lookback: Lookback | None = Field(
        description="Earlier days that runs read again; null without dates, and for other dates than the dataset's."
    )
    unreadable: dict[str, str] = Field(description="Reasons by advertiser ID.", examples=[{}])
    days: list[Days]


class PreviewAnswer(Answer):
    """First rows, with the types of the table."""

    columns: list[ColumnType]
    items: list[dict[str, Value]]


class Imported(Answer):
    """Result of an import."""

    saved: list[DatasetAnswer]
    there: list[str] = Field(description="Slugs of datasets that exist unchanged.", examples=[[]])
    notes: list[str] = Field(description="About columns that the older connector had.", examples=[[]])


class BulkResult(Answer):
    """Result for one dataset."""

    dataset: str = Field(examples=["spend"])
    done: bool = Field(examples=[True])
    run_id: str | None = Field(description="The queued run.", examples=["0123456789abcdef"])
    error: Failure | None


class BulkResults(Answer):
    """Results for each dataset."""

    results: list[BulkResult]


class DatasetsQuery(Paging):
    """Which datasets, in which order."""

    q: str = Field(
        "", max_length=200, description="Words that must all be in the name, description, tags and other texts."
    )
    status: Status | None = Field(None, description="Only with this status.")
    report: str = Field("", max_length=60, description="Only of this report.")
    account: str = Field("", max_length=200, description="Only of the account of this name.")
    tag: str = Field("", max_length=200, description="Only with this tag.")
    mine: bool = Field(False, description="Only your own.")
    recent: bool = Field(False, description="Only those that ran in the last day.")
    attention: bool = Field(False, description="Only those that need attention.")
    scheduled: bool = Field(False, description="Only those with a scheduled run to come.")
    paused: bool = Field(False, description="Only those whose schedule is paused.")
    sort: str = Field(
        "name",
        pattern=f"^-?({'|'.join(SORTS)})$",
        description=f"{', '.join(SORTS)}; `-` in front for descending.",
    )


class ChangeQuery(Body):
    """Over what the change is details."""

    spec_version: int | None = Field(
        None, ge=1, le=2**53, description="The version that you edited; 409 if it has changed."
    )


class DeleteDatasetQuery(Body):
    """What becomes of the table."""

    keep_table: bool = Field(
        False,
        description="Keep the table at the dataset's `table`. To delete it later, delete that folder.",
    )


class DatesQuery(Body):
    """Other days than the dataset's own."""

    start: str | None = Field(None, max_length=100, description="A day, or relative: today-7.")
    end: str | None = Field(None, max_length=100, description="A day, or relative: yesterday.")


class PreviewQuery(DatesQuery):
    """How much."""

    rows: int = Field(20, ge=1, le=100, description="Maximum number of rows.")


class CopyBody(Body):
    """The copy's name."""

    name: str | None = Field(None, max_length=200, description="Default: `… copy`.", examples=["Spend 2"])


class TagsBody(Body):
    """All tags of a dataset."""

    tags: list[Annotated[str, Field(max_length=100)]] = Field(max_length=100, examples=[["daily", "spend"]])


class BulkBody(Body):
    """What to do with which datasets."""

    action: Literal["run", "delete", "tag", "untag"] = Field(examples=["run"])
    datasets: list[Annotated[str, Field(max_length=100)]] = Field(min_length=1, max_length=1_000, examples=[["spend"]])
    tag: str = Field("", max_length=100, description="For tag and untag.", examples=["daily"])
    keep_table: bool = Field(False, description="For delete: keep the tables in the lake, as for one dataset.")


# -- the list


@router.get("/datasets", summary="List the datasets", responses=failures())
def list_datasets(deps: Here, who: Who, query: Annotated[DatasetsQuery, Query()]) -> DatasetList:
    """The datasets that you can see, with status and last run, by name by default."""
    now = deps.clock()
    filters = Wanted(
        text=query.q,
        status=query.status or "",
        report=query.report,
        account=query.account,
        tag=query.tag,
        mine=query.mine,
        recent=query.recent,
        attention=query.attention,
        scheduled=query.scheduled,
        paused=query.paused,
        sort=query.sort.removeprefix("-"),
        descending=query.sort.startswith("-"),
    )
    listed = chosen(standings(deps.store, who.guard, now), filters, who.user, now)
    items = _answers(deps, who, part(listed, query))
    return DatasetList(items=items, total=len(listed), limit=query.limit, offset=query.offset)


@router.post(
    "/datasets",
    summary="Create a dataset",
    status_code=201,
    responses=located(201, "The dataset's address.") | failures(403, 404, 409),
)
def create_dataset(
    deps: Here, who: Annotated[Visitor, having(RoleRight.CREATE)], body: DatasetFile, answer: Response
) -> DatasetWhole:
    """A dataset from its file, validated against the catalogue. You are its owner; runs are started separately."""
    return _created(deps, who, service.create(who.guard, parse(source_of(body.root), deps.clock())), answer)


@router.post("/datasets/validate", summary="Validate a dataset", responses=failures(403))
def validate(deps: Here, who: Who, body: DatasetFile) -> CheckAnswer:
    """All problems of a dataset file, or its columns. Nothing is saved."""
    try:
        source = source_of(body.root)
    except DatasetError as error:
        return _problems(error.problems)
    checked = service.checked(who.guard, source, deps.clock())
    problems = [*checked.problems, *_name_problem(source)]
    dataset = checked.dataset
    if problems or dataset is None:
        return _problems(problems)
    names = [column.name for column in columns(dataset)]
    notes = [*service.changes(who.guard, dataset, deps.lake, deps.clock()), *checked.notes]
    return CheckAnswer(valid=True, problems=[], notes=notes, columns=names, key=list(key(dataset)))


@router.post(
    "/datasets/plan", summary="Plan a run of a dataset that is not saved", responses=failures(403, 404, 409, 429, 502)
)
async def plan(deps: Here, who: Who, body: DatasetFile, query: Annotated[DatesQuery, Query()]) -> PlanAnswer:
    """Requests and time of a run; no report is read."""
    dataset = parse(_dated(source_of(body.root), query), deps.clock())
    account = who.guard.usable(dataset.account)
    return await _planned(deps, dataset, account, other_days=query.start is not None)


@router.post(
    "/datasets/preview",
    summary="Preview a dataset that is not saved",
    response_model=PreviewAnswer,
    responses=failures(403, 404, 409, 429, 502),
)
async def preview(deps: Here, who: Who, body: DatasetFile, query: Annotated[PreviewQuery, Query()]) -> Response:
    """First rows from TikTok; nothing is saved."""
    dataset = parse(_dated(source_of(body.root), query), deps.clock())
    return await _previewed(deps, dataset, who.guard.usable(dataset.account), query.rows)


async def _text(request: Request) -> str:
    """The text of a file that was sent."""
    text = text_of(await request.body(), _BODY)
    if "json" not in request.headers.get("content-type", ""):
        return text
    try:
        # Through JSON's own reader, since YAML does not take its tabs.
        return json.dumps(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{_BODY} is not JSON, as its content type says. Send JSON, or YAML as such.") from error


_BODY = "The body"


_YAML: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {"application/yaml": {"schema": {"$ref": "#/components/schemas/DatasetFile"}}},
        "headers": {"Content-Disposition": {"schema": {"type": "string"}, "required": True}},
    }
}

_IMPORT = {
    "required": True,
    "content": {
        "application/yaml": {
            "schema": {"type": "string"},
            "example": "name: Spend\naccount: demo\nreport: campaigns\n",
        },
        "application/json": {
            "schema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/DatasetFile"},
                    {"type": "array", "items": {"$ref": "#/components/schemas/DatasetFile"}},
                ]
            }
        },
    },
}


@router.post(
    "/datasets/import",
    summary="Import datasets",
    responses=failures(403, 404, 409),
    openapi_extra={"requestBody": _IMPORT},
)
async def import_datasets(
    request: Request,
    deps: Here,
    who: Annotated[Visitor, having(RoleRight.IMPORT)],
    text: Annotated[str, Depends(_text)],
) -> Imported:
    """Datasets from a file with one or several, also of the older connector; all are saved, or none.

    A file has at most 500,000 bytes, 200 datasets, 20,000 keys and values, and 50 levels of nesting.
    """
    return await one_at_a_time(request, lambda: _import(deps, who, text))


def _import(deps: Deps, who: Visitor, text: str) -> Imported:
    now = deps.clock()
    brought = bring(who.guard, arrivals(deps.store, who.guard, sources_in(text, _BODY), now))
    return Imported(
        saved=_answers(deps, who, _stand(deps, who, brought.saved)),
        there=[dataset.slug for dataset in brought.there],
        notes=list(brought.notes),
    )


@router.post("/datasets/bulk", summary="Run, delete or tag several datasets", responses=failures(403))
def bulk(deps: Here, who: Annotated[Visitor, having(RoleRight.BULK)], body: BulkBody) -> BulkResults:
    """Applies an action to each; an error of one does not stop the others."""
    if body.action in ("tag", "untag") and not body.tag.strip():
        raise InputError("tag: required for tag and untag.")
    return BulkResults(results=[_result(deps, who, body, slug) for slug in dict.fromkeys(body.datasets)])


# -- one dataset


@router.get("/datasets/{dataset}", summary="Get a dataset", responses=failures(404))
def get_dataset(deps: Here, who: Who, dataset: Slug) -> DatasetWhole:
    """A dataset with its file, status and last run."""
    return _whole(deps, who, who.guard.dataset(dataset))


@router.put("/datasets/{dataset}", summary="Replace a dataset's file", responses=failures(403, 404, 409))
def replace_dataset(
    deps: Here, who: Who, dataset: Slug, body: DatasetFile, query: Annotated[ChangeQuery, Query()]
) -> DatasetWhole:
    """Replaces the settings and name; slug, table and runs stay."""
    return _changed(deps, who, _to_change(who, dataset, query), source_of(body.root))


@router.patch("/datasets/{dataset}", summary="Change some keys of a dataset's file", responses=failures(403, 404, 409))
def change_dataset(
    deps: Here, who: Who, dataset: Slug, body: dict[str, JsonValue], query: Annotated[ChangeQuery, Query()]
) -> DatasetWhole:
    """Changes the given keys; null removes a key."""
    saved = _to_change(who, dataset, query)
    values = {**saved_source(saved).values, **body}
    source = source_of({name: value for name, value in values.items() if value is not None})
    return _changed(deps, who, saved, source)


@router.delete("/datasets/{dataset}", summary="Delete a dataset", status_code=204, responses=failures(403, 404, 409))
def delete_dataset(deps: Here, who: Who, dataset: Slug, query: Annotated[DeleteDatasetQuery, Query()]) -> None:
    """Deletes the dataset and, unless `keep_table`, its table with all versions; runs stay in history."""
    deps.orders.delete(who.guard, who.guard.dataset(dataset, DatasetRight.DELETE), keep_table=query.keep_table)


@router.get(
    "/datasets/{dataset}/file",
    summary="Download a dataset's file",
    response_class=Response,
    responses=_YAML | failures(404),
)
def get_file(who: Who, dataset: Slug) -> Response:
    """The dataset as YAML, for `adreel datasets create`, for version control, or for another home."""
    saved = who.guard.dataset(dataset)
    headers = attachment(f"{saved.slug}.yaml", f"{saved.name}.yaml")
    return Response(as_file(saved_source(saved).values), media_type="application/yaml", headers=headers)


@router.post(
    "/datasets/{dataset}/duplicate",
    summary="Duplicate a dataset",
    status_code=201,
    responses=located(201, "The copy's address.") | failures(403, 404, 409),
)
def duplicate_dataset(
    deps: Here,
    who: Annotated[Visitor, having(RoleRight.DUPLICATE)],
    dataset: Slug,
    answer: Response,
    body: CopyBody | None = None,
) -> DatasetWhole:
    """A copy under another name, without its table. You are its owner."""
    name = body.name if body is not None else None
    copy = service.duplicate(who.guard, who.guard.dataset(dataset), deps.clock(), name)
    return _created(deps, who, copy, answer)


@router.post(
    "/datasets/{dataset}/convert", summary="Convert a dataset of a deprecated report", responses=failures(403, 404)
)
def convert_dataset(deps: Here, who: Who, dataset: Slug) -> DatasetWhole:
    """Converts it to the Performance report; its table stays in use."""
    changed, _ = service.convert(who.guard, who.guard.dataset(dataset, DatasetRight.EDIT), deps.clock())
    return _whole(deps, who, changed)


@router.put("/datasets/{dataset}/tags", summary="Set a dataset's tags", responses=failures(403, 404))
def set_tags(deps: Here, who: Who, dataset: Slug, body: TagsBody) -> DatasetWhole:
    """All tags of a dataset."""
    return _whole(deps, who, service.tag(who.guard, who.guard.dataset(dataset, DatasetRight.EDIT), body.tags))


@router.get("/datasets/{dataset}/plan", summary="Plan a run of a dataset", responses=failures(403, 404, 409, 429, 502))
async def plan_dataset(deps: Here, who: Who, dataset: Slug, query: Annotated[DatesQuery, Query()]) -> PlanAnswer:
    """Requests and time of the next run; no report is read."""
    checked, account = _to_run(deps, who, dataset, query)
    saved = who.guard.dataset(dataset)
    return await _planned(deps, checked, account, saved, other_days=query.start is not None)


@router.get(
    "/datasets/{dataset}/preview",
    summary="Preview a dataset",
    response_model=PreviewAnswer,
    responses=failures(403, 404, 409, 429, 502),
)
async def preview_dataset(deps: Here, who: Who, dataset: Slug, query: Annotated[PreviewQuery, Query()]) -> Response:
    """First rows from TikTok; nothing is saved."""
    checked, account = _to_run(deps, who, dataset, query)
    return await _previewed(deps, checked, account, query.rows)


# -- what they do


def _created(deps: Deps, who: Visitor, saved: SavedDataset, answer: Response) -> DatasetWhole:
    answer.headers["Location"] = f"/api/v1/datasets/{saved.slug}"
    return _whole(deps, who, saved)


def _to_change(who: Visitor, dataset: str, query: ChangeQuery) -> SavedDataset:
    saved = who.guard.dataset(dataset, DatasetRight.EDIT)
    if query.spec_version not in (None, saved.spec_version):
        raise BusyError(
            f"{saved.name!r} has changed: its version is {saved.spec_version}, and this change is based on "
            f"{query.spec_version}. Get the dataset again, then repeat the change."
        )
    return saved


def _changed(deps: Deps, who: Visitor, saved: SavedDataset, source: Source) -> DatasetWhole:
    now = deps.clock()
    dataset = parse(source, now)
    losses = service.losses(who.guard, dataset, deps.lake, now, saved)
    whole = _whole(deps, who, service.change(who.guard, saved, dataset, now))
    return whole.model_copy(update={"notes": list(losses)})


def _result(deps: Deps, who: Visitor, body: BulkBody, slug: str) -> BulkResult:
    try:
        return BulkResult(dataset=slug, done=True, run_id=_done(deps, who, body, slug), error=None)
    except AdreelError as error:
        return BulkResult(dataset=slug, done=False, run_id=None, error=failure_of(error))


def _done(deps: Deps, who: Visitor, body: BulkBody, slug: str) -> str | None:
    """Does it; the run that was asked for, if one was."""
    if body.action == "run":
        saved = who.guard.dataset(slug, DatasetRight.RUN)
        return deps.orders.enqueue(who.guard, saved).id
    if body.action == "delete":
        deps.orders.delete(who.guard, who.guard.dataset(slug, DatasetRight.DELETE), keep_table=body.keep_table)
        return None
    saved = who.guard.dataset(slug, DatasetRight.EDIT)
    service.retag(who.guard, saved, [body.tag], put=body.action == "tag")
    return None


def _dated(source: Source, query: DatesQuery) -> Source:
    dates = date_range(query.start, query.end)
    if dates is None:
        return source
    return source.with_values(dates={"start": dates[0], "end": dates[1]})


def _to_run(deps: Deps, who: Visitor, dataset: str, query: DatesQuery) -> tuple[Dataset, Account]:
    """A saved dataset and the account that it reads, for who may run it."""
    saved = who.guard.dataset(dataset, DatasetRight.RUN)
    checked = dataset_of(saved, deps.clock(), date_range(query.start, query.end))
    if saved.account_id is None:
        raise InputError(
            f"{saved.name!r} is disconnected: its account was deleted. Select another account, then try again."
        )
    return checked, deps.store.accounts.get(saved.account_id)


async def _planned(
    deps: Deps, dataset: Dataset, account: Account, saved: SavedDataset | None = None, *, other_days: bool
) -> PlanAnswer:
    advertisers = await deps.asking.advertisers(account)
    planned = deps.asking.planned(dataset, account, advertisers, saved, other_days=other_days)
    return PlanAnswer(
        **planned.figures(),
        unreadable=planned.covering.unreadable,
        days=[
            Days(
                advertiser_id=advertiser.id,
                name=advertiser.name,
                timezone=advertiser.zone,
                start=days.start,
                end=days.end,
            )
            for advertiser, days in planned.plan.days()
        ],
    )


async def _previewed(deps: Deps, dataset: Dataset, account: Account, rows: int) -> Response:
    table = await deps.asking.preview(dataset, account, rows)
    return Exact({"columns": types_of(table), "items": items_of(table)})


def _problems(problems: Iterable[Problem]) -> CheckAnswer:
    return CheckAnswer(valid=False, problems=[fault(problem) for problem in problems], notes=[], columns=[], key=[])


def _name_problem(source: Source) -> Iterable[Problem]:
    name = source.values.get("name")
    if isinstance(name, str) and name.strip():
        try:
            clean_name(name, "a dataset")
        except InputError as error:
            yield Problem("name", error.message)


# -- how they are shown


def _stand(deps: Deps, who: Visitor, datasets: Iterable[SavedDataset]) -> list[Standing]:
    now = deps.clock()
    return [standing(deps.store, who.guard, dataset, now) for dataset in datasets]


def _answers(deps: Deps, who: Visitor, stands: Iterable[Standing]) -> list[DatasetAnswer]:
    names = {user.id: user.name for user in deps.store.users.list()}
    return [DatasetAnswer(**_facts(who, stand, names)) for stand in stands]


def _whole(deps: Deps, who: Visitor, saved: SavedDataset) -> DatasetWhole:
    names = {user.id: user.name for user in deps.store.users.list()}
    source = saved_source(saved)
    dataset = check(source, deps.clock()).dataset
    return DatasetWhole(
        **_facts(who, _stand(deps, who, [saved])[0], names),
        file=dict(source.values),
        key=list(key(dataset)) if dataset is not None else [],
        table=deps.lake.table_url(saved.table_slug),
    )


def _facts(who: Visitor, stand: Standing, names: Mapping[int, str]) -> dict[str, Any]:
    saved, owner = stand.saved, stand.saved.owner_id or 0
    rights = (DatasetRight.RUN, DatasetRight.EDIT, DatasetRight.DELETE)
    return {
        "slug": saved.slug,
        "name": saved.name,
        "description": saved.description,
        "tags": list(saved.tags),
        "report": stand.report,
        "account": saved.account_name,
        "account_id": str(saved.account_id) if saved.account_id is not None else None,
        "owner": UserName(id=str(owner), name=names[owner]) if owner in names else None,
        "status": stand.status,
        "status_words": stand.words,
        "attention": stand.status.attention,
        "rows": stand.rows,
        "columns": stand.columns,
        "read_at": stand.read_at,
        "last_run": _last_run(stand),
        "next_run_at": saved.next_run_at,
        "paused_at": saved.paused_at,
        "spec_version": saved.spec_version,
        "created_at": saved.created_at,
        "updated_at": saved.updated_at,
        "may": DatasetRights(**{right.value: who.guard.may(right, saved) for right in rights}),
    }


def _last_run(stand: Standing) -> LastRun | None:
    run = stand.latest
    if run is None:
        return None
    return LastRun(
        run_id=run.id,
        state=run.state,
        created_at=run.created_at,
        finished_at=run.finished_at,
        version=run.version,
        verified=run.state.verified,
        error=run.error or None,
    )
