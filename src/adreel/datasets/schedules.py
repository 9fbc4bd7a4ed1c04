"""The schedules of saved datasets: what is due next, paused, resumed, changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adreel.access import DatasetRight, Guard
from adreel.datasets import service
from adreel.datasets.dataset import Source
from adreel.datasets.status import Standing
from adreel.datasets.stored import schedule_of, source_of
from adreel.datasets.validation import TIMING_KEYS, parse
from adreel.errors import DatasetError, InputError, Problem
from adreel.language import phrase
from adreel.scheduling import Meaning, Schedule, read_schedule
from adreel.store import SavedDataset

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A dataset with its schedule."""

    standing: Standing
    schedule: Schedule


def scheduled(standings: Iterable[Standing]) -> tuple[Scheduled, ...]:
    """Those with a schedule, the next one due first; paused ones last."""
    entries = [
        Scheduled(standing, schedule) for standing in standings if (schedule := schedule_of(standing.saved)) is not None
    ]
    return tuple(
        sorted(entries, key=lambda entry: (entry.standing.saved.next_run_at or _NEVER, entry.standing.saved.name))
    )


def schedule_in(value: Any) -> Schedule | None:
    """The schedule of a value as dataset files have it; None for manual. DatasetError with every fault."""
    problems: list[Problem] = []
    schedule = read_schedule(value, lambda key, reason: problems.append(Problem(key, f"{reason}.")))
    if problems:
        raise DatasetError(tuple(problems))
    return schedule


def times_of(saved: SavedDataset, meaning: Meaning) -> dict[str, Any]:
    """The schedule's meaning and its pause by name, as the command line and the API give them.

    While it is paused no run is next: its times are those of `next_if_resumed`.
    """
    values, is_paused = meaning.values(), saved.paused_at is not None
    times = values["next"]
    return values | {
        "next": [] if is_paused else times,
        "next_if_resumed": times if is_paused else [],
        "paused_at": saved.paused_at,
    }


def pause(guard: Guard, saved: SavedDataset) -> SavedDataset:
    """The dataset with its schedule paused. InputError for a manual one."""
    guard.need(DatasetRight.EDIT, saved)
    _own_schedule(saved)
    return guard.store.datasets.pause(saved)


def resume(guard: Guard, saved: SavedDataset) -> SavedDataset:
    """The dataset with its schedule going on from now; one that is not paused stays as it is.

    InputError for a manual one.
    """
    guard.need(DatasetRight.EDIT, saved)
    schedule = _own_schedule(saved)
    return guard.store.datasets.resume(saved, schedule) if saved.paused_at is not None else saved


def _own_schedule(saved: SavedDataset) -> Schedule:
    schedule = schedule_of(saved)
    if schedule is None:
        raise InputError(phrase("%(dataset)s is updated manually: it has no schedule.", dataset=repr(saved.name)))
    return schedule


def retimed(guard: Guard, saved: SavedDataset, changes: Mapping[str, Any], now: datetime) -> SavedDataset:
    """The dataset with other values of `schedule`, `retry` and `stale_after`; those that are None are removed.

    A schedule removes the stale warning of a manual dataset, unless one is among the changes. Errors as
    `service.change`.
    """
    values = dict(source_of(saved).values)
    if changes.get("schedule") not in (None, "manual") and "stale_after" not in changes:
        values.pop("stale_after", None)
    values |= {key: value for key, value in changes.items() if key in TIMING_KEYS}
    kept = {key: value for key, value in values.items() if key not in TIMING_KEYS or value is not None}
    return service.change(guard, saved, parse(Source(kept, {}), now), now)
