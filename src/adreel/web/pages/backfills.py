"""The backfill of a dataset on its page: its progress, and what is done to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from adreel.access import DatasetRight
from adreel.pipeline.backfill_orders import BackfillProgress, progress
from adreel.store import Backfill, SavedDataset, Store
from adreel.web.deps import Here, Visitor, Who
from adreel.web.render import Page, go, is_opened, respond

router = APIRouter()

SHOWN_FOR = timedelta(days=1)
"""A backfill that is over is shown for so long."""


@dataclass(frozen=True, slots=True)
class BackfillCard:
    """A backfill as its dataset's page shows it."""

    saved: SavedDataset
    backfill: Backfill
    progress: BackfillProgress
    may_run: bool


@dataclass(frozen=True, slots=True)
class BackfillPart(Page):
    """The backfill, refreshed; None if there is none to show."""

    template: ClassVar[str] = "_backfill.html"
    card: BackfillCard | None


def backfill_card(store: Store, who: Visitor, saved: SavedDataset, now: datetime) -> BackfillCard | None:
    """The dataset's latest backfill if it is not over, or was lately."""
    backfill = next(iter(store.backfills.list([saved.id])), None)
    if backfill is None or (backfill.ended_at is not None and now - backfill.ended_at > SHOWN_FOR):
        return None
    may_run = who.guard.may(DatasetRight.RUN, saved)
    return BackfillCard(saved, backfill, progress(store, backfill), may_run)


@router.get("/datasets/{slug}/backfills")
def look_again(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """The backfill, refreshed."""
    saved = who.guard.dataset(slug)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}")
    return respond(request, BackfillPart(backfill_card(deps.store, who, saved, deps.clock())), visitor=who)


@router.post("/datasets/{slug}/backfills/{change}")
def change_backfill(
    request: Request,
    deps: Here,
    who: Who,
    slug: str,
    change: Literal["pause", "resume", "accept", "cancel"],
) -> Response:
    """Pauses, resumes or cancels it; to accept is to resume with the latest slice as it is."""
    saved = who.guard.dataset(slug, DatasetRight.RUN)
    backfill = deps.store.backfills.open_of(saved)
    match change:
        case "pause":
            deps.backfills.pause(who.guard, backfill)
        case "cancel":
            deps.backfills.cancel(who.guard, backfill)
        case _:
            deps.backfills.resume(who.guard, backfill, accept=change == "accept")
    return go(request, f"/datasets/{saved.slug}")
