"""Runs: asked for, followed, cancelled, looked up."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import Header, Path, Query, Response
from pydantic import Field

from adreel.access import DatasetRight
from adreel.datasets.runs import run_json
from adreel.datasets.verification import Kind
from adreel.errors import InputError
from adreel.pipeline.orders import DateRange
from adreel.store import LogLine, Phase, Role, Run, RunKey, RunState, Trigger
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Paged, Paging, RunId, Slug, located
from adreel.web.deps import Deps, Here, Who

router = api_router("runs")


class Total(Answer):
    """A sum from TikTok, and of the rows read."""

    expected: float = Field(examples=[12.4])
    actual: float = Field(examples=[12.4])


class IncompleteDayAnswer(Answer):
    """A day that TikTok had not completed when it was read."""

    day: date
    metrics: list[str] = Field(description="Those that were incomplete; empty for all.", examples=[[]])
    advertisers: int = Field(description="Number of ad accounts for which it was.", examples=[3])
    complete_at: datetime = Field(description="The latest of these ad accounts.")


class Verification(Answer):
    """Verification: TikTok's figures and those of the rows read."""

    verified: bool = Field(examples=[True])
    rows: int = Field(examples=[90])
    rows_expected: int = Field(examples=[90])
    duplicate_keys: int = Field(examples=[0])
    checks: list[Kind] = Field(
        description="What was verified; without sums if TikTok returns no totals.",
        examples=[["rows", "keys", "sums"]],
    )
    totals: dict[str, Total] = Field(description="Sums by metric, rounded for comparison; see `checksums`.")
    differing: list[str] = Field(description="Metrics whose sums differ.", examples=[[]])
    currencies: list[str] = Field(examples=[["EUR"]])
    checksums: list[str] = Field(
        description="Totals over several currencies, which are checksums and not amounts.", examples=[[]]
    )
    incomplete: list[IncompleteDayAnswer] = Field(
        description="Days whose figures match TikTok's, which were still incomplete.", examples=[[]]
    )


class RunDates(Answer):
    """Days that replace the dataset's own for this run."""

    start: str = Field(examples=["2026-11-01"])
    end: str = Field(examples=["yesterday"])


class RunAnswer(Answer):
    """One execution of a dataset, or one restore of its table."""

    run_id: str = Field(examples=["0123456789abcdef"])
    dataset: str = Field(description="The dataset's slug.", examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    dataset_deleted: bool = Field(examples=[False])
    kind: Literal["run", "backfill", "restore"] = Field(
        description="run: of the dataset's own dates; backfill: of other days; restore: of an earlier version.",
        examples=["run"],
    )
    state: RunState = Field(examples=[RunState.VERIFIED])
    meaning: str = Field(description="The state as a sentence.", examples=[RunState.VERIFIED.sentence])
    trigger: Trigger = Field(
        description="What asked for the run: a person, the schedule, or a backfill.", examples=[Trigger.PERSON]
    )
    triggered_by: str = Field(
        description="User who started the run; empty for the command line and for schedules.", examples=["ada"]
    )
    due_at: datetime | None = Field(description="The time at which its schedule was due.", examples=[None])
    not_before: datetime | None = Field(description="Start of its next attempt, while it waits.", examples=[None])
    attempt: int = Field(description="Its attempt, from 1.", examples=[1])
    spec_version: int = Field(description="Settings version of the dataset when the run was created.", examples=[1])
    dates: RunDates | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool = Field(examples=[False])
    phase: Phase | None = Field(description="What the run does, or did last.", examples=[Phase.WRITING])
    share: float = Field(
        description="Part of the run that is done, from 0 to 1; it never falls, and is 1 when the run succeeded.",
        examples=[1.0],
    )
    requests: int = Field(description="Requests so far.", examples=[12])
    requests_planned: int = Field(
        description="Expected requests, revised while the run reads; 0 while they are not known.", examples=[12]
    )
    rate_limited: int = Field(description="Requests that TikTok rate-limited.", examples=[0])
    pages: int = Field(examples=[12])
    rows: int = Field(description="Rows read so far; of a restore, rows restored.", examples=[90])
    chunks_done: int = Field(examples=[3])
    chunks_total: int = Field(examples=[3])
    version: int | None = Field(description="The version that it created, if any.", examples=[0])
    restored_version: int | None = Field(description="The version that a restore brought back.", examples=[None])
    rows_read_at: datetime | None = Field(
        description="Start of the run that read the rows of its version: of a restore, an earlier run."
    )
    table_rows: int | None = Field(description="Rows of the table in that version.", examples=[90])
    table_columns: int | None = Field(examples=[9])
    verification: Verification | None = Field(description="Null for a run without a version.")
    notes: list[str] = Field(description="About the backfill or restore that was requested.", examples=[[]])
    warnings: list[str] = Field(examples=[[]])
    skipped_advertisers: dict[str, str] = Field(description="Reasons by advertiser ID.", examples=[{}])
    error: str | None = Field(examples=[None])
    error_kind: str | None = Field(examples=[None])
    exit_code: int | None = Field(
        description="Exit code of `adreel run` for this run: 0, 12 if ad accounts were skipped, or that of the error; "
        "null until it has finished.",
        examples=[0],
    )


class RunList(Paged[RunAnswer]):
    """Runs, latest first."""


class Log(Answer):
    """Part of a run's log."""

    lines: list[LogLine]
    last: int = Field(description="Pass it as `after` to follow the log.", examples=[1])
    state: RunState = Field(description="State of the run; a finished run adds no lines.", examples=[RunState.RUNNING])


class RunsQuery(Paging):
    """Which runs."""

    state: list[RunState] = Field([], description="Only these states.")


class LogQuery(Body):
    """Which lines."""

    after: int = Field(0, ge=0, le=2**53, description="Only lines after this number.")
    limit: int = Field(1_000, ge=1, le=10_000, description="Maximum number of lines.")


class RunBody(Body):
    """Other days for this run only; only these days are replaced in the table."""

    start: str | None = Field(None, max_length=100, description="A day, or relative: today-7.", examples=["2026-11-01"])
    end: str | None = Field(None, max_length=100, examples=["yesterday"])
    replace_rows: bool = Field(
        False,
        description="Run even if these days cannot be merged, so that other rows are removed; otherwise 409 with "
        "their number.",
    )

    @property
    def dates(self) -> DateRange | None:
        """Both ends, or None for the dataset's own. InputError for one without the other."""
        return date_range(self.start, self.end)


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        description="Your own key, such as a UUID. For a day the same key returns the same run; another dataset or "
        "other days are refused.",
        examples=["6f1c0c1e-6d0c-4a53-9d3f-0a8f1d0f3c55"],
    ),
]


def date_range(start: str | None, end: str | None) -> DateRange | None:
    """Both ends, or None for the dataset's own. InputError for one without the other."""
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InputError("start and end are required together. Send both, or neither for the dataset's own days.")
    return start, end


@router.post(
    "/datasets/{dataset}/runs",
    summary="Run a dataset",
    status_code=202,
    responses=located(202, "The run's address, to follow it.") | failures(403, 404, 409),
)
def start_run(
    deps: Here, who: Who, dataset: Slug, answer: Response, body: RunBody | None = None, key: IdempotencyKey = None
) -> RunAnswer:
    """Queues a run; a run that was interrupted recently is resumed.

    With an `Idempotency-Key` the request can be repeated without creating another run.

    409 if a run of the dataset is queued or running, if its account must be reconnected, or if other days would
    remove rows from the table that are not read again and `replace_rows` is false.
    """
    saved = who.guard.dataset(dataset, DatasetRight.RUN)
    agreed = body is not None and body.replace_rows
    dates = body.dates if body else None
    own = RunKey(who.user.id, key, json.dumps([saved.id, dates, agreed])) if key is not None else None
    run = deps.orders.enqueue(who.guard, saved, dates, key=own, replace_rows=agreed)
    answer.headers["Location"] = f"/api/v1/runs/{run.id}"
    return _run(deps, run)


@router.post(
    "/datasets/{dataset}/versions/{version}/restore",
    summary="Restore a version",
    status_code=201,
    responses=located(201, "The address of its run.") | failures(403, 404, 409),
)
def restore(
    deps: Here,
    who: Who,
    dataset: Slug,
    version: Annotated[int, Path(ge=0, le=2**53, description="The version whose rows the table gets again.")],
    answer: Response,
) -> RunAnswer:
    """Creates a new version with the rows of an earlier one; existing versions stay.

    The restore is an entry among the runs, without requests, with the verification of the version restored.
    """
    saved = who.guard.dataset(dataset, DatasetRight.RESTORE)
    run = deps.orders.restore(who.guard, saved, version)
    answer.headers["Location"] = f"/api/v1/runs/{run.id}"
    return _run(deps, run)


@router.get("/datasets/{dataset}/runs", summary="List a dataset's runs", responses=failures(404))
def list_dataset_runs(deps: Here, who: Who, dataset: Slug, query: Annotated[RunsQuery, Query()]) -> RunList:
    """A dataset's runs, latest first."""
    return _page(deps, [who.guard.dataset(dataset).id], query)


@router.get("/runs", summary="List all runs", responses=failures())
def list_runs(deps: Here, who: Who, query: Annotated[RunsQuery, Query()]) -> RunList:
    """The runs of all datasets that you may see, latest first; for administrators also those of deleted datasets."""
    everything = who.user.role is Role.ADMIN
    return _page(deps, None if everything else [dataset.id for dataset in who.guard.datasets()], query)


@router.get("/runs/{run}", summary="Get a run", responses=failures(403, 404))
def get_run(deps: Here, who: Who, run: RunId) -> RunAnswer:
    """A run with its progress and verification."""
    return _run(deps, who.guard.run(run))


@router.get("/runs/{run}/log", summary="Get a run's log", responses=failures(403, 404))
def get_log(deps: Here, who: Who, run: RunId, query: Annotated[LogQuery, Query()]) -> Log:
    """The run's log; repeat with `after` to follow it."""
    stored = who.guard.run(run)
    # The state first: lines that are written after it was read are then in the next answer.
    state = deps.store.seen(stored).state
    lines = deps.store.runs.log_lines(stored.id, after=query.after)[: query.limit]
    return Log(
        lines=list(lines),
        last=lines[-1].number if lines else query.after,
        state=state,
    )


@router.post("/runs/{run}/cancel", summary="Cancel a run", status_code=202, responses=failures(403, 404))
def cancel_run(deps: Here, who: Who, run: RunId) -> RunAnswer:
    """A queued or interrupted run ends immediately. One in progress is asked to stop (`cancel_requested`).

    It stops at its next step, or ends with a version if it is committing by then: `state` says how it ended.
    """
    stored = who.guard.run(run, DatasetRight.RUN)
    deps.orders.cancel(who.guard, stored)
    return _run(deps, deps.store.runs.get(stored.id))


def _page(deps: Deps, datasets: list[int] | None, query: RunsQuery) -> RunList:
    states = frozenset(query.state or RunState)
    runs, total = deps.store.runs.page(datasets, states=states, limit=query.limit, offset=query.offset)
    return RunList(items=[_run(deps, run) for run in runs], total=total, limit=query.limit, offset=query.offset)


def _run(deps: Deps, stored: Run) -> RunAnswer:
    run = deps.store.seen(stored)
    return RunAnswer.model_validate(run_json(run))
