"""How datasets stand at the destinations that they publish to, and what is due there.

Without the lake, so that the worker and lists of datasets can ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from adreel.datasets.dataset import PublishTarget
from adreel.datasets.layouts import WarehouseLayout, saved_table
from adreel.datasets.stored import publish_targets_of
from adreel.enumerations import TextEnum
from adreel.language import Phrase
from adreel.store import Destination, Publication, SavedDataset, Store
from adreel.store.audit import AuditAction, AuditEntry, AuditFilter
from adreel.store.users import name_key

MOST_REPAIRS = 500
"""Repairs of all tables that are looked through for the latest of each."""


class PublicationState(TextEnum):
    """How a dataset stands at a destination; `label` says it to a person."""

    label: str

    PUBLISHED = "published", Phrase("Up to date")
    WAITING = "waiting", Phrase("Waiting")
    FAILED = "failed", Phrase("Failed")
    EMPTY = "empty", Phrase("No version yet")


@dataclass(frozen=True, slots=True)
class PublicationStatus:
    """A dataset at one of its destinations: the version there, the newest of the lake, and what is next.

    Versions are None without any, and `newest_run`, which made the newest, is empty. `destination` is None if it does
    not exist. `history` says whether the history of the table is published beside it. `repair` is the latest of the
    table there, where `with_repairs` added it.
    """

    name: str
    table: str
    destination: Destination | None
    state: PublicationState
    version: int | None
    newest: int | None
    newest_run: str
    publication: Publication | None
    history: bool = False
    repair: AuditEntry | None = None

    @property
    def place(self) -> str:
        """Where the table is there."""
        return f"{self.destination.schema_name}.{self.table}" if self.destination else self.table

    @property
    def failing_since(self) -> datetime | None:
        """When the first try since the last success failed; None if none did."""
        return self.publication.failing_since if self.publication else None


def statuses(store: Store, saved: SavedDataset) -> tuple[PublicationStatus, ...]:
    """How a dataset stands at each of its destinations, in the order of its file."""
    return tuple(status for _, status in statuses_of(store, (saved,)))


def statuses_of(store: Store, datasets: Iterable[SavedDataset]) -> Iterator[tuple[SavedDataset, PublicationStatus]]:
    """How each of the datasets stands at its destinations; what that takes is read once for all of them."""
    publishing = [(saved, targets) for saved in datasets if (targets := publish_targets_of(saved))]
    if not publishing:
        return
    by_name = {name_key(destination.name): destination for destination in store.destinations.list()}
    there = {(each.dataset_id, each.destination_id): each for each in store.publications.list()}
    briefs = store.runs.briefs()
    for saved, targets in publishing:
        latest = briefs.get(saved.id)
        good = latest.good if latest else None
        newest = (good.version, good.id) if good is not None else (None, "")
        for target in targets:
            destination = by_name.get(name_key(target.destination))
            publication = there.get((saved.id, destination.id)) if destination else None
            table = _table_there(saved, target, destination)
            yield saved, _status(target, table, destination, publication, newest)


def _table_there(saved: SavedDataset, target: PublishTarget, destination: Destination | None) -> str:
    """The name of the table; where a layout has none for the dataset, publishing says so."""
    layout = destination.layout if destination is not None else WarehouseLayout.DATASETS
    of_layout = saved_table(layout, saved) if layout != WarehouseLayout.DATASETS else None
    return of_layout or target.table or saved.table_slug


def _status(
    target: PublishTarget,
    table: str,
    destination: Destination | None,
    publication: Publication | None,
    newest: tuple[int | None, str],
) -> PublicationStatus:
    version, run_id = newest
    if destination is None or (publication is not None and publication.failure):
        state = PublicationState.FAILED
    elif version is None:
        state = PublicationState.EMPTY
    elif publication is not None and publication.run_id == run_id and publication.table_name == table:
        state = PublicationState.WAITING if publication.reload else PublicationState.PUBLISHED
    else:
        state = PublicationState.WAITING
    there = publication.version if publication is not None else None
    shown = destination.name if destination is not None else target.destination
    return PublicationStatus(shown, table, destination, state, there, version, run_id, publication, target.history)


def with_repairs(
    store: Store, listed: Iterable[tuple[SavedDataset, PublicationStatus]]
) -> tuple[tuple[SavedDataset, PublicationStatus], ...]:
    """The same with the latest repair of each table, as far as the audit log has it."""
    every = tuple(listed)
    if not every:
        return ()
    entries = store.audit.page(AuditFilter(actions=frozenset({AuditAction.PUBLISH_REPAIR})), limit=MOST_REPAIRS)
    latest = {(entry.subject_id, name_key(entry.details["destination"])): entry for entry in reversed(entries)}
    return tuple(
        (saved, replace(status, repair=latest.get((str(saved.id), name_key(status.name))))) for saved, status in every
    )


def status_json(status: PublicationStatus) -> Mapping[str, Any]:
    """The status as values of JSON, times in UTC."""
    publication = status.publication
    return {
        "destination": status.name,
        "table": status.place,
        "history": status.history,
        "state": status.state.value,
        "version": status.version,
        "newest_version": status.newest,
        "published_at": publication.published_at if publication else None,
        "mode": publication.mode or None if publication else None,
        "rows": publication.rows if publication else None,
        "rows_written": publication.written if publication else None,
        "rows_removed": publication.removed if publication else None,
        "seconds": publication.seconds if publication else None,
        "failure": (publication.failure or None) if publication else None,
        "failing_since": status.failing_since,
        "failed_at": publication.failed_at if publication else None,
        "next_try_at": publication.next_at if publication else None,
        "repaired_at": status.repair.at if status.repair else None,
        "repair": status.repair.details["repair"] if status.repair else None,
    }


def destination_json(destination: Destination) -> Mapping[str, Any]:
    """The destination as values of JSON, without its secrets."""
    return {
        "name": destination.name,
        "kind": destination.kind,
        "address": destination.shown,
        "schema": destination.schema_name,
        "layout": destination.layout,
        "created_at": destination.created_at,
    }


def publishers(store: Store, destination: Destination) -> tuple[SavedDataset, ...]:
    """The datasets that publish there."""
    key = name_key(destination.name)
    return tuple(
        saved
        for saved in store.datasets.list()
        if any(name_key(target.destination) == key for target in publish_targets_of(saved))
    )


@dataclass(frozen=True, slots=True)
class PublishLag:
    """How far a destination is behind: datasets whose newest version it does not have.

    `oldest_at` is when the oldest version was made that it was not given, None without any. `failed_tries` are those
    of these datasets since the last success, and since a person asked for a try.
    """

    destination: str
    datasets: int
    oldest_at: datetime | None
    lag_seconds: float
    failed_tries: int


def publish_lags(store: Store, datasets: Iterable[SavedDataset], now: datetime) -> tuple[PublishLag, ...]:
    """How far each destination of these datasets is behind, by name. Metrics, page, API and command line show this."""
    by_name: dict[str, list[tuple[SavedDataset, PublicationStatus]]] = {}
    for saved, status in statuses_of(store, datasets):
        by_name.setdefault(status.name, []).append((saved, status))
    return tuple(_lag(store, name, by_name[name], now) for name in sorted(by_name))


def _lag(
    store: Store, name: str, entries: Iterable[tuple[SavedDataset, PublicationStatus]], now: datetime
) -> PublishLag:
    behind = [
        (saved, status)
        for saved, status in entries
        if status.newest is not None and status.state is not PublicationState.PUBLISHED
    ]
    moments = [moment for saved, status in behind if (moment := _behind_since(store, saved, status)) is not None]
    oldest = min(moments, default=None)
    seconds = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    tries = sum(status.publication.attempts for _, status in behind if status.publication is not None)
    return PublishLag(name, len(behind), oldest, seconds, tries)


def _behind_since(store: Store, saved: SavedDataset, status: PublicationStatus) -> datetime | None:
    """When the oldest version was made that the destination lacks.

    Before the first is there, it is the newest, or the first that failed: older ones may be from before the dataset
    was published.
    """
    there = status.publication.run_id if status.publication is not None else ""
    if there and there != status.newest_run:
        missed = store.runs.first_version_after(saved, there)
        if missed is not None:
            return missed
    (newest,) = store.runs.good(saved)
    return min(filter(None, (newest.finished_at, status.failing_since)), default=None)


def failing(store: Store, datasets: Iterable[SavedDataset]) -> Iterator[tuple[SavedDataset, PublicationStatus]]:
    """Those of the datasets that could not be published to a destination lately, and how they are there."""
    return (each for each in statuses_of(store, datasets) if each[1].failing_since is not None)


@dataclass(frozen=True, slots=True)
class Due:
    """A dataset whose newest version a destination does not have, and which may be tried now."""

    saved: SavedDataset
    status: PublicationStatus
    destination: Destination


def due(store: Store, now: datetime) -> Iterator[Due]:
    """What is to be published now. A new version is tried at once, even if the one before waits for its next try."""
    for saved, status in statuses_of(store, store.datasets.list()):
        if status.destination is not None and is_due(status, now):
            yield Due(saved, status, status.destination)


def is_due(status: PublicationStatus, now: datetime) -> bool:
    """Whether a worker publishes it next."""
    if status.destination is None or status.newest is None or status.state is PublicationState.PUBLISHED:
        return False
    publication = status.publication
    if publication is None or publication.next_at is None or publication.next_at <= now:
        return True
    return publication.tried_run != status.newest_run


def due_destinations(store: Store, now: datetime) -> tuple[int, ...]:
    """The ids of destinations that something is due at."""
    return tuple(dict.fromkeys(each.destination.id for each in due(store, now)))
