"""The retention policy, what may be removed from the store by it, and which datasets are to be pruned next."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from adreel.errors import InputError
from adreel.language import integer, phrase
from adreel.store.audit import WORKSPACE, AuditAction, record
from adreel.store.database import Database
from adreel.store.records import FINISHED, SavedDataset
from adreel.store.tables import audit, datasets, prunings, retention, run_log, run_sizes, runs

LEAST_DAYS = {"version_days": 7, "run_days": 30, "log_days": 7, "audit_days": 30}
"""Fewer days cannot be chosen: resumed runs, comparisons and investigations need them."""

LEAST_VERSIONS = 2
"""The two newest versions are what pages compare."""

MOST = 100_000

EVERY = timedelta(days=1)
"""How often a dataset, and the rest, is pruned."""

AGAIN = timedelta(hours=1)
"""When a dataset that was running is tried again."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, in days; None is for good.

    Of each table at least the newest `version_count` versions stay, whatever their age. By default every version, run
    and audit entry is kept, as earlier versions are what adreel promises, and logs of runs for a year.
    """

    version_days: int | None = None
    version_count: int = 10
    run_days: int | None = None
    log_days: int | None = 365
    audit_days: int | None = None

    def checked(self) -> Retention:
        """The same. Raises InputError for what cannot be chosen."""
        for name, least in LEAST_DAYS.items():
            days = getattr(self, name)
            if days is not None and not least <= days <= MOST:
                raise InputError(
                    phrase(
                        "%(name)s: enter %(least)s to %(most)s days, or keep them for good; not %(days)s.",
                        name=name,
                        least=least,
                        most=integer(MOST),
                        days=integer(days),
                    )
                )
        if not LEAST_VERSIONS <= self.version_count <= MOST:
            raise InputError(
                phrase(
                    "version_count: enter %(least)s to %(most)s versions; not %(version_count)s.",
                    least=LEAST_VERSIONS,
                    most=integer(MOST),
                    version_count=integer(self.version_count),
                )
            )
        return self


DEFAULT = Retention()
_NAMES = tuple(field.name for field in fields(Retention))


class Retentions:
    """The retention policy of one home."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def get(self) -> Retention:
        """The policy as it is."""
        with self._database.read() as connection:
            row = connection.execute(select(*(retention.c[name] for name in _NAMES))).first()
        return Retention(**row._mapping) if row is not None else DEFAULT

    def set(self, policy: Retention) -> Retention:
        """Another policy. Raises InputError for one that cannot be."""
        policy.checked()
        values = {name: getattr(policy, name) for name in _NAMES}
        with self._database.write() as connection:
            if not connection.execute(update(retention).where(retention.c.id == 1).values(values)).rowcount:
                connection.execute(insert(retention).values(id=1, **values))
            # Datasets are looked at by the new policy at once.
            connection.execute(update(prunings).values(next_at=self._clock()))
            record(connection, self._clock(), AuditAction.RETENTION_CHANGE, WORKSPACE, values)
        return policy

    # -- datasets, one at a time

    def claim(self, most: int) -> tuple[int, ...]:
        """The ids of datasets that are to be pruned now, which are then the caller's for a day."""
        now = self._clock()
        new = select(datasets.c.id).where(~exists().where(prunings.c.dataset_id == datasets.c.id)).limit(most)
        due = select(prunings.c.dataset_id).where(prunings.c.next_at <= now).order_by(prunings.c.next_at).limit(most)
        # Nothing is written while nothing is due: every process that caches lists would read them anew.
        with self._database.read() as connection:
            if connection.execute(new).first() is None and connection.execute(due).first() is None:
                return ()
        # Another worker may add one of them at the same time, or the dataset may be deleted.
        with suppress(IntegrityError), self._database.write() as connection:
            for dataset_id in connection.execute(new).scalars().all():
                connection.execute(insert(prunings).values(dataset_id=dataset_id, next_at=now))
        with self._database.write() as connection:
            # The condition on the time again, as another worker may have been quicker.
            mine = and_(prunings.c.dataset_id.in_(connection.execute(due).scalars().all()), prunings.c.next_at <= now)
            claimed = update(prunings).where(mine).values(next_at=now + EVERY).returning(prunings.c.dataset_id)
            return tuple(sorted(connection.execute(claimed).scalars()))

    def postpone(self, dataset_id: int) -> None:
        """Tries a dataset again in an hour."""
        later = self._clock() + AGAIN
        with self._database.write() as connection:
            connection.execute(update(prunings).where(prunings.c.dataset_id == dataset_id).values(next_at=later))

    def count_runs(self, dataset: SavedDataset, before: datetime, kept: Collection[str]) -> int:
        """How many runs `drop_runs` would remove."""
        return self._count(select(func.count()).select_from(runs).where(_old_runs(dataset, before, kept)))

    def drop_runs(self, dataset: SavedDataset, before: datetime, kept: Collection[str]) -> int:
        """Removes the dataset's runs, with their logs, that were asked for before; returns how many.

        Those stay that are `kept`, made one of the last two versions or the sizes for estimates, the latest, and any
        that may still run.
        """
        with self._database.write() as connection:
            return connection.execute(delete(runs).where(_old_runs(dataset, before, kept))).rowcount

    # -- the rest

    def is_due(self) -> bool:
        """Whether logs, runs of deleted datasets and audit entries are to be swept."""
        with self._database.read() as connection:
            swept_at = connection.execute(select(retention.c.swept_at)).scalar()
        return swept_at is None or swept_at <= self._clock() - EVERY

    def swept(self) -> None:
        """Writes down that they were swept to the end."""
        now = self._clock()
        # Two workers may add the row at the same time.
        with suppress(IntegrityError), self._database.write() as connection:
            if not connection.execute(update(retention).values(swept_at=now)).rowcount:
                values = {name: getattr(DEFAULT, name) for name in _NAMES}
                connection.execute(insert(retention).values(id=1, swept_at=now, **values))

    def count_log_lines(self, before: datetime) -> int:
        """How many lines `drop_logs` would remove in all."""
        return self._count(
            select(func.count()).select_from(run_log).join(runs, runs.c.id == run_log.c.run_id).where(_ended(before))
        )

    def drop_logs(self, before: datetime, most_runs: int) -> tuple[int, int]:
        """Removes the logs of up to so many runs that ended before; of how many, and their lines.

        The latest run of a dataset keeps its log.
        """
        logged = exists().where(run_log.c.run_id == runs.c.id)
        chosen = select(runs.c.id).where(_ended(before), logged).order_by(runs.c.seq).limit(most_runs)
        with self._database.write() as connection:
            ids = connection.execute(chosen).scalars().all()
            lines = connection.execute(delete(run_log).where(run_log.c.run_id.in_(ids))).rowcount
        return len(ids), lines

    def count_orphans(self, before: datetime) -> int:
        """How many runs `drop_orphans` would remove in all."""
        return self._count(select(func.count()).select_from(runs).where(_orphaned(before)))

    def drop_orphans(self, before: datetime, most: int) -> int:
        """Removes up to so many runs of deleted datasets that ended before; returns how many."""
        chosen = select(runs.c.seq).where(_orphaned(before)).order_by(runs.c.seq).limit(most)
        with self._database.write() as connection:
            numbers = connection.execute(chosen).scalars().all()
            connection.execute(delete(runs).where(runs.c.seq.in_(numbers)))
        return len(numbers)

    def count_audit(self, before: datetime) -> int:
        """How many audit entries are older."""
        return self._count(select(func.count()).select_from(audit).where(audit.c.at < before))

    def _count(self, statement: Select[Any]) -> int:
        with self._database.read() as connection:
            return int(connection.execute(statement).scalar_one())


def _latest() -> Select[Any]:
    """The latest run of each dataset, which says how the dataset is."""
    return select(func.max(runs.c.seq)).where(runs.c.dataset_id.is_not(None)).group_by(runs.c.dataset_id)


def _ended(before: datetime) -> ColumnElement[bool]:
    over = and_(runs.c.state.in_(sorted(FINISHED)), runs.c.finished_at < before)
    return and_(over, runs.c.seq.not_in(_latest()))


def _orphaned(before: datetime) -> ColumnElement[bool]:
    return and_(runs.c.dataset_id.is_(None), runs.c.state.in_(sorted(FINISHED)), runs.c.finished_at < before)


def _old_runs(dataset: SavedDataset, before: datetime, kept: Collection[str]) -> ColumnElement[bool]:
    mine = runs.c.dataset_id == dataset.id
    good = select(runs.c.seq).where(mine, runs.c.version.is_not(None)).order_by(runs.c.seq.desc()).limit(LEAST_VERSIONS)
    sizes = select(run_sizes.c.run_id).where(run_sizes.c.dataset_id == dataset.id)
    return and_(
        mine,
        _ended(before),
        # The time of a schedule that a clock which was ahead ran early must not be run again.
        or_(runs.c.due_at.is_(None), runs.c.due_at < before),
        # A failed run that is resumed is of the last day.
        runs.c.seq.not_in(select(good.subquery().c.seq)),
        runs.c.id.not_in(sizes),
        or_(runs.c.version.is_(None), runs.c.id.not_in(sorted(kept))),
    )
