"""Removes what the retention policy does not keep: old versions of tables, runs, logs and audit entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

from adreel.access import Guard, RoleRight
from adreel.errors import BusyError, NotFoundError
from adreel.language import decimal, integer, listed, phrase, phrases
from adreel.settings import Settings
from adreel.store import Retention, SavedDataset, Store
from adreel.store.audit import WORKSPACE, AuditAction, Subject

if TYPE_CHECKING:
    from adreel.lake import Keep, Lake

DATASETS = 5
"""Datasets that a tick prunes."""

BATCH = 500
"""Runs whose logs, runs of deleted datasets, and tenths of audit entries that a tick removes."""

LAST_GOOD = 200
"""Runs among which the last that is verified is looked for."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be. `busy` datasets were running and are left for later.

    `size` is in bytes. `complete` is False if not every table was looked at in the time that there was.
    """

    versions: int = 0
    size: int = 0
    runs: int = 0
    log_lines: int = 0
    audit_entries: int = 0
    tables: int = 0
    busy: int = 0
    complete: bool = True

    def __add__(self, other: Pruned) -> Pruned:
        names = [field.name for field in fields(self) if field.name != "complete"]
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Pruned(**sums, complete=self.complete and other.complete)


def effect(pruned: Pruned, *, past: bool = False) -> str:
    """What was or would be removed, in a sentence."""
    what = listed(_things(pruned)) or phrase("nothing")
    if pruned.complete:
        deleted = phrase("Deleted %(things)s.", things=what) if past else phrase("Deletes %(things)s.", things=what)
    elif past:
        deleted = phrase("Deleted at least %(things)s.", things=what)
    else:
        deleted = phrase("Deletes at least %(things)s.", things=what)
    sentences = [deleted]
    if pruned.size:
        size = _size(pruned.size)
        sentences.append(phrase("Freed %(size)s.", size=size) if past else phrase("Frees %(size)s.", size=size))
    if pruned.busy:
        sentences.append(
            phrases(
                "%(datasets)s running dataset is pruned later.",
                "%(datasets)s running datasets are pruned later.",
                pruned.busy,
                datasets=integer(pruned.busy),
            )
        )
    return " ".join(sentences)


def _things(pruned: Pruned) -> Iterator[str]:
    if count := pruned.versions:
        yield phrases("%(number)s version", "%(number)s versions", count, number=integer(count))
    if count := pruned.runs:
        yield phrases("%(number)s run", "%(number)s runs", count, number=integer(count))
    if count := pruned.log_lines:
        yield phrases("%(number)s log line", "%(number)s log lines", count, number=integer(count))
    if count := pruned.audit_entries:
        yield phrases("%(number)s audit entry", "%(number)s audit entries", count, number=integer(count))


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{decimal(amount, 0 if unit == 'B' else 1)} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


def preview(guard: Guard, lake: Lake, policy: Retention, now: datetime, *, seconds: float | None = None) -> Pruned:
    """What a policy would remove, without removing it; looks at tables for so many seconds at most.

    Raises ForbiddenError, and InputError for a policy that cannot be.
    """
    guard.need_role(RoleRight.VIEW_RETENTION)
    policy.checked()
    store, until = guard.store, None if seconds is None else monotonic() + seconds
    total = Pruned()
    if policy.version_days is not None or policy.run_days is not None:
        for saved in store.datasets.list():
            if until is not None and monotonic() > until:
                total += Pruned(complete=False)
                break
            total += _of_dataset(store, lake, saved, policy, now)
    return total + Pruned(
        runs=store.retention.count_orphans(_before(now, policy.run_days)) if policy.run_days else 0,
        log_lines=store.retention.count_log_lines(_before(now, policy.log_days)) if policy.log_days else 0,
        audit_entries=store.retention.count_audit(_before(now, policy.audit_days)) if policy.audit_days else 0,
    )


def change(guard: Guard, policy: Retention) -> Retention:
    """Saves another policy, by which workers prune from now on. Raises ForbiddenError, InputError."""
    guard.need_role(RoleRight.CHANGE_RETENTION)
    return guard.store.retention.set(policy)


def prune(guard: Guard, lake: Lake, now: datetime) -> Pruned:
    """Removes everything at once that the policy does not keep. Raises ForbiddenError."""
    guard.need_role(RoleRight.PRUNE)
    store = guard.store
    policy = store.retention.get()
    total = Pruned()
    if policy.version_days is not None or policy.run_days is not None:
        for saved in store.datasets.list():
            total += _prune_dataset(store, lake, saved, policy, now)
    while True:
        swept, is_over = _sweep(store, policy, now)
        total += swept
        if is_over:
            store.retention.swept()
            return total


def tick(store: Store, settings: Settings, now: datetime) -> None:
    """A bounded part of the pruning that is due, for workers to call again and again.

    Each dataset is pruned once a day by one of the workers, and not while it runs. Wherever this is killed, the next
    day's pruning removes what is left.
    """
    policy = store.retention.get()
    if store.retention.is_due() and _sweep(store, policy, now)[1]:
        store.retention.swept()
    if policy.version_days is None and policy.run_days is None:
        return
    claimed = store.retention.claim(DATASETS)
    if not claimed:
        return
    # Imported here: a worker without a policy for versions does without the lake.
    from adreel.lake import Lake

    lake = Lake(settings.lake_url, clock=lambda: now)
    for dataset_id in claimed:
        try:
            saved = store.datasets.get(dataset_id)
        except NotFoundError:
            continue  # Deleted meanwhile.
        if _prune_dataset(store, lake, saved, policy, now).busy:
            store.retention.postpone(dataset_id)


def _before(now: datetime, days: int | None) -> datetime:
    return now - timedelta(days=days or 0)


def _keep(store: Store, saved: SavedDataset, policy: Retention) -> Keep:
    """The versions of a table that stay: also the last that is verified, and the last two that pages compare."""
    from adreel.lake import Keep

    good = store.runs.good(saved, LAST_GOOD)
    verified = [run for run in good if run.state.verified][:1]
    needed = frozenset(run.version for run in (*good[:2], *verified) if run.version is not None)
    return Keep(policy.version_days or 0, policy.version_count, needed)


def _of_dataset(store: Store, lake: Lake, saved: SavedDataset, policy: Retention, now: datetime) -> Pruned:
    """What would be removed of a dataset."""
    versions = size = tables = count = 0
    run_ids: set[str] = set()
    if lake.exists(saved.table_slug):
        left = lake.versions(saved.table_slug)
        if policy.version_days is not None:
            freed = lake.forgettable(saved.table_slug, _keep(store, saved, policy))
            versions, size, tables = freed.versions, freed.size, int(freed.versions > 0)
            left = left[: max(0, len(left) - versions)]
        run_ids = {version.run_id for version in left}
    if policy.run_days is not None:
        count = store.retention.count_runs(saved, _before(now, policy.run_days), run_ids)
    return Pruned(versions=versions, size=size, runs=count, tables=tables)


def _prune_dataset(store: Store, lake: Lake, saved: SavedDataset, policy: Retention, now: datetime) -> Pruned:
    try:
        with store.locks.dataset(saved.slug, wait=0):
            return _prune_locked(store, lake, saved, policy, now)
    except BusyError:
        return Pruned(busy=1)


def _prune_locked(store: Store, lake: Lake, saved: SavedDataset, policy: Retention, now: datetime) -> Pruned:
    """Versions first: a run stays as long as its version."""
    versions = size = dropped = 0
    run_ids: set[str] = set()
    if lake.exists(saved.table_slug):
        if policy.version_days is not None:
            freed = lake.forget(saved.table_slug, _keep(store, saved, policy))
            versions, size = freed.versions, freed.size
        run_ids = {version.run_id for version in lake.versions(saved.table_slug)}
    if policy.run_days is not None:
        dropped = store.retention.drop_runs(saved, _before(now, policy.run_days), run_ids)
    if versions or size or dropped:
        details = {"versions_deleted": versions, "runs_deleted": dropped, "bytes_freed": size}
        store.audit.add(AuditAction.VERSIONS_DELETE, Subject.of(saved), details)
    return Pruned(versions=versions, size=size, runs=dropped, tables=int(versions > 0))


def _sweep(store: Store, policy: Retention, now: datetime) -> tuple[Pruned, bool]:
    """Removes some logs, runs of deleted datasets and audit entries; whether that was all of them."""
    kept = store.retention
    lines = runs = entries = logs = 0
    if policy.log_days is not None:
        logs, lines = kept.drop_logs(_before(now, policy.log_days), BATCH)
    if policy.run_days is not None:
        runs = kept.drop_orphans(_before(now, policy.run_days), BATCH)
    if policy.audit_days is not None:
        entries = store.audit.prune(_before(now, policy.audit_days), 10 * BATCH)
    details = {"log_lines": lines, "runs": runs, "audit_entries": entries}
    if any(details.values()):
        store.audit.add(AuditAction.PRUNE, WORKSPACE, {name: count for name, count in details.items() if count})
    is_over = logs < BATCH and runs < BATCH and entries < 10 * BATCH
    return Pruned(runs=runs, log_lines=lines, audit_entries=entries), is_over
