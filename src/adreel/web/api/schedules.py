"""Schedules: what is due next, what a schedule means, paused and resumed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import Field, JsonValue

from adreel.access import DatasetRight
from adreel.datasets import schedules
from adreel.datasets.status import Status, standings
from adreel.datasets.stored import schedule_of
from adreel.scheduling import meaning_of, words
from adreel.store import SavedDataset
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Paged, Paging, Slug, part
from adreel.web.deps import Deps, Here, Who

router = api_router("schedules")


class ScheduleTime(Answer):
    """A time of a schedule."""

    utc: datetime
    local: str = Field(description="In the workspace's zone.", examples=["2026-12-01T07:00:00+01:00"])


class ScheduledDataset(Answer):
    """A dataset with a schedule."""

    dataset: str = Field(description="Its slug.", examples=["spend"])
    name: str = Field(examples=["Spend"])
    words: str = Field(examples=["Every day at 06:00 UTC"])
    next: ScheduleTime | None = Field(description="Null while paused, and if no run is left.")
    zone: str = Field(description="The workspace's zone.", examples=["Europe/Berlin"])
    paused_at: datetime | None = Field(description="Start of the pause.", examples=[None])
    status: Status = Field(examples=[Status.VERIFIED])


class ScheduledDatasets(Paged[ScheduledDataset]):
    """Datasets with schedules."""


class ScheduleMeaning(Answer):
    """What a schedule means."""

    words: str = Field(examples=["Every day at 06:00 UTC"])
    notes: list[str] = Field(description="What may not be expected of it.", examples=[[]])
    next: list[ScheduleTime] = Field(description="The next five times; empty for manual, and while paused.")
    runs_per_day: int = Field(description="Runs on the UTC day with most.", examples=[1])
    zone: str = Field(description="The workspace's zone.", examples=["Europe/Berlin"])


class ScheduleBody(Body):
    """A schedule."""

    schedule: JsonValue = Field(
        description="As in a dataset file: manual, a cron expression in UTC, or an object with every or cron.",
        examples=[{"every": "day", "at": "06:00"}],
    )


class DatasetSchedule(ScheduleMeaning):
    """A dataset's schedule."""

    load: str | None = Field(
        description="Requests on a day; null if not known.", examples=["about 34 requests on a day with 1 run"]
    )
    next_if_resumed: list[ScheduleTime] = Field(
        description="While paused, the times of `next` if it is resumed now; empty otherwise.", examples=[[]]
    )
    paused_at: datetime | None = Field(description="Start of the pause.", examples=[None])


@router.get("/schedules", summary="List the scheduled datasets", responses=failures())
def list_schedules(deps: Here, who: Who, query: Annotated[Paging, Query()]) -> ScheduledDatasets:
    """The datasets with a schedule that you can see, the next one due first, paused ones last."""
    zone = deps.store.workspace.get().zone
    entries = schedules.scheduled(standings(deps.store, who.guard, deps.clock()))
    items = [
        ScheduledDataset(
            dataset=entry.standing.saved.slug,
            name=entry.standing.saved.name,
            words=words(entry.schedule),
            next=_time(entry.standing.saved.next_run_at, zone),
            zone=zone,
            paused_at=entry.standing.saved.paused_at,
            status=entry.standing.status,
        )
        for entry in part(entries, query)
    ]
    return ScheduledDatasets(items=items, total=len(entries), limit=query.limit, offset=query.offset)


@router.post("/schedules/explain", summary="Explain a schedule", responses=failures(403))
def explain_schedule(deps: Here, _: Who, body: ScheduleBody) -> ScheduleMeaning:
    """A schedule in words, with its next times. Nothing is saved."""
    meaning = meaning_of(schedules.schedule_in(body.schedule), deps.clock(), deps.store.workspace.get().zone)
    return ScheduleMeaning(**_values(meaning.values()))


@router.get("/datasets/{dataset}/schedule", summary="Get a dataset's schedule", responses=failures(404))
def get_schedule(deps: Here, who: Who, dataset: Slug) -> DatasetSchedule:
    """The schedule in words, with its next times. To change it, change `schedule` in the dataset's file."""
    return _schedule(deps, who.guard.dataset(dataset))


@router.post("/datasets/{dataset}/pause", summary="Pause a dataset's schedule", responses=failures(403, 404))
def pause_schedule(deps: Here, who: Who, dataset: Slug) -> DatasetSchedule:
    """No scheduled runs start until it is resumed."""
    return _schedule(deps, schedules.pause(who.guard, who.guard.dataset(dataset, DatasetRight.EDIT)))


@router.post("/datasets/{dataset}/resume", summary="Resume a dataset's schedule", responses=failures(403, 404))
def resume_schedule(deps: Here, who: Who, dataset: Slug) -> DatasetSchedule:
    """Scheduled runs start from now on; those missed during the pause are not repeated."""
    return _schedule(deps, schedules.resume(who.guard, who.guard.dataset(dataset, DatasetRight.EDIT)))


def _schedule(deps: Deps, saved: SavedDataset) -> DatasetSchedule:
    meaning = meaning_of(schedule_of(saved), deps.clock(), deps.store.workspace.get().zone)
    estimate = deps.asking.estimate(saved) if meaning.runs_per_day else None
    load = estimate.daily_text(meaning.runs_per_day) if estimate else None
    return DatasetSchedule(**_values(schedules.times_of(saved, meaning)), load=load)


def _values(values: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in ("next", "next_if_resumed") if name in values]
    return values | {name: [ScheduleTime(**time) for time in values[name]] for name in names}


def _time(due: datetime | None, zone: str) -> ScheduleTime | None:
    return ScheduleTime(utc=due, local=due.astimezone(ZoneInfo(zone)).isoformat()) if due else None
