"""Backfills: started, looked up, paused, resumed, cancelled."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field

from adreel.access import DatasetRight
from adreel.pipeline.backfill_orders import backfill_json, visible, visible_backfill
from adreel.store import Backfill, BackfillState, SavedDataset
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Paged, Paging, Slug, located, part
from adreel.web.deps import Here, Visitor, Who

router = api_router("backfills")


class BackfillAnswer(Answer):
    """Earlier days of a dataset that are read in slices, newest first."""

    id: int = Field(examples=[1])
    dataset: str = Field(description="The dataset's slug.", examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    start: date
    end: date
    state: BackfillState = Field(examples=[BackfillState.ACTIVE])
    reason: str | None = Field(description="Why it is paused.", examples=[None])
    waits: bool = Field(description="Whether it paused by itself, and waits for you.", examples=[False])
    accepted_advertisers: list[str] = Field(
        description="IDs of ad accounts that its slices may skip, as this was accepted.", examples=[[]]
    )
    slice_days: int = Field(description="The most days of a slice.", examples=[90])
    days: int = Field(examples=[304])
    days_done: int = Field(description="Days that were read; a slice counts when its run was verified.", examples=[90])
    days_to_accept: int = Field(
        description="Days of the latest slice that are in the table and wait for you to accept them.", examples=[0]
    )
    share: float = Field(description="From 0 to 1.", examples=[0.2961])
    requests_left: int | None = Field(description="Estimate; null if not known.", examples=[24])
    seconds_left: float | None = Field(description="Estimate without waiting for other runs.", examples=[12.4])
    next_day: date | None = Field(description="The latest day that was not read yet.")
    run_id: str | None = Field(description="The run of the slice that was begun last.", examples=["0123456789abcdef"])
    triggered_by: str = Field(examples=["Ada"])
    created_at: datetime
    ended_at: datetime | None = Field(examples=[None])


class BackfillList(Paged[BackfillAnswer]):
    """Backfills, latest first."""


class BackfillBody(Body):
    """The days of a backfill; relative days are made fixed when it starts."""

    start: str = Field(max_length=100, description="The first day, or relative: today-365.", examples=["2026-01-01"])
    end: str = Field(max_length=100, description="The last day, which must be over.", examples=["yesterday"])


class ResumeBody(Body):
    """How a paused backfill goes on."""

    accept: bool = Field(
        False,
        description="Go on with the days before the latest slice, and leave those of the slice as its run wrote them. "
        "Later slices may skip the ad accounts that it skipped. Otherwise the slice is read again.",
    )


BackfillId = Annotated[int, Path(ge=1, le=2**53, description="The backfill's ID.")]


@router.post(
    "/datasets/{dataset}/backfills",
    summary="Start a backfill",
    status_code=201,
    responses=located(201, "The backfill's address, to follow it.") | failures(403, 404, 409),
)
def start_backfill(deps: Here, who: Who, dataset: Slug, body: BackfillBody, answer: Response) -> BackfillAnswer:
    """Reads earlier days in slices, which wait for other runs of the dataset. 409 if it has an unfinished backfill."""
    saved = who.guard.dataset(dataset, DatasetRight.RUN)
    backfill = deps.backfills.start(who.guard, saved, (body.start, body.end))
    answer.headers["Location"] = f"/api/v1/backfills/{backfill.id}"
    return _answer(who, backfill, saved)


@router.get("/backfills", summary="List backfills", responses=failures())
def list_backfills(who: Who, query: Annotated[Paging, Query()]) -> BackfillList:
    """The backfills of all datasets that you may see, latest first."""
    entries = tuple(visible(who.guard))
    items = [_answer(who, backfill, saved) for backfill, saved in part(entries, query)]
    return BackfillList(items=items, total=len(entries), limit=query.limit, offset=query.offset)


@router.get("/backfills/{backfill}", summary="Get a backfill", responses=failures(404))
def get_backfill(who: Who, backfill: BackfillId) -> BackfillAnswer:
    """A backfill with its progress."""
    return _answer(who, *visible_backfill(who.guard, backfill))


@router.post("/backfills/{backfill}/pause", summary="Pause a backfill", responses=failures(403, 404, 409))
def pause_backfill(deps: Here, who: Who, backfill: BackfillId) -> BackfillAnswer:
    """No further slice starts; a slice in progress is read to its end. 409 if it changed at the same moment."""
    stored, saved = visible_backfill(who.guard, backfill)
    return _answer(who, deps.backfills.pause(who.guard, stored), saved)


@router.post("/backfills/{backfill}/resume", summary="Resume a backfill", responses=failures(403, 404, 409))
def resume_backfill(deps: Here, who: Who, backfill: BackfillId, body: ResumeBody | None = None) -> BackfillAnswer:
    """Continues a paused backfill. 409 as for pausing, and if its account must be reconnected."""
    stored, saved = visible_backfill(who.guard, backfill)
    return _answer(who, deps.backfills.resume(who.guard, stored, accept=body is not None and body.accept), saved)


@router.post("/backfills/{backfill}/cancel", summary="Cancel a backfill", responses=failures(403, 404))
def cancel_backfill(deps: Here, who: Who, backfill: BackfillId) -> BackfillAnswer:
    """Ends a backfill; days that were read stay in the table."""
    stored, saved = visible_backfill(who.guard, backfill)
    return _answer(who, deps.backfills.cancel(who.guard, stored), saved)


def _answer(who: Visitor, backfill: Backfill, saved: SavedDataset) -> BackfillAnswer:
    return BackfillAnswer.model_validate(backfill_json(who.guard.store, backfill, saved))
