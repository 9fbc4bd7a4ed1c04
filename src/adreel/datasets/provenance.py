"""What made the rows of a dataset's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adreel.dates import Dates, read_day, span
from adreel.lake import Lake, Version
from adreel.store import Run, SavedDataset, Store
from adreel.update_methods import Method

LATEST_RUNS = 20
"""Runs for other days that are looked through for one that read the latest days."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """How old the table's latest days are, and the update methods whose rows may be in it.

    `read_at` is when the latest run began that read them: not a backfill, after which the day that was in progress
    when the run before read it is no more complete than it was.
    """

    read_at: datetime
    methods: tuple[Method, ...]


def provenance(store: Store, lake: Lake, saved: SavedDataset) -> Provenance:
    """What made the newest version. Raises NotFoundError if there is none."""
    versions = lake.versions(saved.table_slug)
    # The store may not know the run: that of another home which has the same lake.
    return Provenance(_read_at(store, saved) or versions[0].at, methods_of(versions))


def methods_of(versions: Sequence[Version]) -> tuple[Method, ...]:
    """The update methods whose rows may be in the newest of the versions, which are newest first."""
    methods: dict[Method, None] = {}
    newest = versions[0].number if versions else 0
    for version in versions:
        if version.number > newest:
            continue
        if version.restored is not None:
            # The rows are those of the earlier version.
            newest = version.restored
            continue
        method = Method(version.method)
        methods[method] = None
        if method is Method.REPLACE:
            break
    return tuple(methods)


def _read_at(store: Store, saved: SavedDataset) -> datetime | None:
    """When the latest days were read; of a table that has only earlier days, when its latest run began."""
    _, good, updated = store.runs.newest(saved)
    latest = [run.read_at for run in store.runs.good(saved, LATEST_RUNS) if _reads_latest_days(run)]
    latest += [updated.read_at] if updated else []
    return max(latest, default=good.read_at if good else None)


def _reads_latest_days(run: Run) -> bool:
    """Whether the run read days that were in progress somewhere on earth, or had just ended."""
    if run.dates is None:
        return True
    today = run.read_at.astimezone(UTC).date()
    start, end = map(read_day, run.dates)
    return span(Dates(start, end), today).end >= today - timedelta(days=2)
