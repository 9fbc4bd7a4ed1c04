"""Backfills at work: which slice is next, and what becomes of the backfill when a slice has ended.

A worker calls `tick` again and again, so it imports nothing of what reads.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta

from adreel.enumerations import first_of
from adreel.errors import NotFoundError
from adreel.language import integer, phrase, phrases
from adreel.logs import logger_of
from adreel.store import (
    IN_PROGRESS,
    SUCCESSFUL,
    Backfill,
    BackfillState,
    Run,
    RunState,
    SavedDataset,
    Store,
    new_run_id,
)

READ = frozenset({RunState.VERIFIED, RunState.VERIFIED_WITH_WARNINGS})
"""A slice whose run ended so is done, whatever a person accepted."""

INTERRUPTED_FOR = timedelta(minutes=1)
"""A run that is interrupted is put back into the queue by its process; if not within this time, that died first."""

MOST_NAMED = 5
"""Skipped ad accounts that a reason names."""

logger = logger_of(__name__)


def tick(store: Store, now: datetime) -> int:
    """Takes each backfill a step further: counts a slice that was read, puts the next one into the queue, or pauses.

    How many it changed. Several processes may call it, and any may be killed: each step is one change of the store that
    says from what it starts.
    """
    changed = 0
    for backfill in store.backfills.unsettled():
        # Deleted meanwhile, with its dataset.
        with suppress(NotFoundError):
            changed += _step(store, backfill, now)
    return changed


def _step(store: Store, backfill: Backfill, now: datetime) -> bool:
    saved = store.datasets.get(backfill.dataset_id)
    run = run_of(store, backfill)
    if run is None:
        if backfill.state is not BackfillState.ACTIVE:
            return False
        reason = _changed(saved) if saved.request_version != backfill.request_version else ""
        return _paused(store, backfill, reason) if reason else _enqueued(store, backfill)
    if run.state in IN_PROGRESS:
        return False
    if backfill.state is BackfillState.CANCELLED:
        return _counted(store, backfill, run, now)
    if is_read(backfill, run) and saved.request_version == backfill.request_version:
        return store.backfills.advance(backfill, run)
    if run.state is RunState.INTERRUPTED and not _is_left(run, now):
        return False
    if backfill.state is BackfillState.PAUSED:
        # By a person, who did not know how its slice would end.
        ended_badly = run.state is not RunState.CANCELLED and not is_read(backfill, run)
        return ended_badly and not backfill.waits and _paused(store, backfill, reason_of(run))
    return _paused(store, backfill, _changed(saved) if is_read(backfill, run) else reason_of(run))


def _counted(store: Store, backfill: Backfill, run: Run, now: datetime) -> bool:
    """Counts what the run of a cancelled backfill committed before it saw that it was to stop, however it ended."""
    if run.version is not None:
        return store.backfills.advance(backfill, run)
    if run.state is RunState.INTERRUPTED and not _is_left(run, now):
        return False
    store.backfills.release(backfill)
    return False


def run_of(store: Store, backfill: Backfill) -> Run | None:
    """The run of the slice that was begun last; None between two slices, and for a run that is not stored any more."""
    if backfill.run_id is None:
        return None
    with suppress(NotFoundError):
        return store.runs.get(backfill.run_id)
    return None


def is_read(backfill: Backfill, run: Run) -> bool:
    """Whether the run read its slice: entirely, or without ad accounts that a person accepted to be left out."""
    without_accepted = run.state is RunState.ADVERTISERS_SKIPPED and run.skipped.keys() <= backfill.accepted
    return run.state in READ or without_accepted


def days_to_accept(store: Store, backfill: Backfill) -> int:
    """Days of the latest slice that are in the table, if the backfill is paused and can go on with them as they are."""
    run = run_of(store, backfill) if backfill.state is BackfillState.PAUSED else None
    if run is None or run.dates is None or run.state not in SUCCESSFUL or is_read(backfill, run):
        return 0
    first, last = map(date.fromisoformat, run.dates)
    return (last - first).days + 1


def commands(store: Store, backfill: Backfill, slug: str) -> str:
    """What to type to go on with a paused backfill."""
    resume = f"adreel backfills resume {slug}"
    return (
        phrase("To accept: %(command)s", command=f"{resume} --accept")
        if days_to_accept(store, backfill)
        else phrase("To resume: %(command)s", command=resume)
    )


def reason_of(run: Run) -> str:
    """Why the backfill does not go on after the run of its slice, and what to do; empty if the slice was read."""
    days = phrase("%(first)s to %(last)s", first=run.dates[0], last=run.dates[1]) if run.dates else phrase("its days")
    match run.state:
        case RunState.CHECK_FAILED:
            return phrase(
                "The check of %(days)s failed (run %(run)s): the rows differ from TikTok's own figures. "
                "Resume the backfill to read these days again. To leave them as they are, accept them.",
                days=days,
                run=run.id,
            )
        case RunState.ADVERTISERS_SKIPPED:
            return phrases(
                "The slice %(days)s was read without %(number)s ad account: %(skipped)s (run %(run)s). To go on "
                "without it in this and all later slices, accept this. To resume without accepting reads these days "
                "again, and pauses again while it is skipped.",
                "The slice %(days)s was read without %(number)s ad accounts: %(skipped)s (run %(run)s). To go on "
                "without them in this and all later slices, accept this. To resume without accepting reads these days "
                "again, and pauses again while they are skipped.",
                len(run.skipped),
                days=days,
                number=integer(len(run.skipped)),
                skipped=first_of(tuple(run.skipped), MOST_NAMED),
                run=run.id,
            )
        case RunState.CANCELLED:
            return phrase(
                "The run of %(days)s was cancelled (run %(run)s). Resume the backfill to read these days again.",
                days=days,
                run=run.id,
            )
        case RunState.INTERRUPTED:
            return phrase(
                "The process of %(days)s ended early (run %(run)s). Resume the backfill to read these days again.",
                days=days,
                run=run.id,
            )
        case RunState.FAILED:
            return phrase(
                "The run of %(days)s failed (run %(run)s): %(error)s Once this is solved, resume the backfill.",
                days=days,
                run=run.id,
                error=run.error,
            )
    return ""


def _changed(saved: SavedDataset) -> str:
    return phrase(
        "%(name)s was changed after the backfill began, so that the remaining days would be read "
        "otherwise than those before. Resume it to read the remaining days with the dataset as it "
        "is now, or cancel it and start a new one for all days.",
        name=repr(saved.name),
    )


def _is_left(run: Run, now: datetime) -> bool:
    return run.finished_at is not None and now - run.finished_at > INTERRUPTED_FOR


def _paused(store: Store, backfill: Backfill, reason: str) -> bool:
    paused = store.backfills.pause(backfill, reason, waits=True)
    if paused:
        logger.warning("Backfill %d is paused: %s", backfill.id, reason)
    return paused


def _enqueued(store: Store, backfill: Backfill) -> bool:
    run = store.backfills.enqueue(backfill, new_run_id())
    if run is None:
        return False
    logger.info("Slice of backfill %d is queued", backfill.id, extra={"run_id": run.id, "dataset": run.dataset_slug})
    return True
