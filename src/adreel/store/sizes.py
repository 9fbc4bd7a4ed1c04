"""What the latest run of each dataset took: the figures from which later runs are estimated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import and_, case, delete, insert, select

from adreel.store.database import Database
from adreel.store.records import Account, RunSize
from adreel.store.tables import datasets, run_sizes

MOST_DATASETS = 10
"""Datasets of one shape that an estimate looks at."""


class Sizes:
    """The sizes of the runs of one home, one for each dataset that ran."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def save(self, size: RunSize) -> None:
        """Replaces the dataset's size; a backfill does not replace that of the dataset's own days."""
        values = {
            "dataset_id": size.dataset_id,
            "run_id": size.run_id,
            "shape": size.shape,
            "own_dates": size.own_dates,
            "requests": size.requests,
            "predicted": size.predicted,
            "rows": {advertiser: list(counts) for advertiser, counts in size.rows.items()},
            "at": self._clock(),
        }
        mine = run_sizes.c.dataset_id == size.dataset_id
        with self._database.write() as connection:
            if connection.execute(select(datasets.c.id).where(datasets.c.id == size.dataset_id)).first() is None:
                return  # Deleted meanwhile.
            if not size.own_dates:
                kept = and_(mine, run_sizes.c.own_dates, run_sizes.c.shape == size.shape)
                if connection.execute(select(run_sizes.c.run_id).where(kept)).first() is not None:
                    return
            connection.execute(delete(run_sizes).where(mine))
            connection.execute(insert(run_sizes).values(values))

    def of_shape(self, account: Account, shape: str, name: str) -> tuple[RunSize, ...]:
        """The sizes of runs of this shape of the account's datasets: first that of the dataset `name`, then latest."""
        own_first = case((datasets.c.name == name, 0), else_=1)
        statement = (
            select(run_sizes, datasets.c.name)
            .join(datasets, datasets.c.id == run_sizes.c.dataset_id)
            .where(datasets.c.account_id == account.id, run_sizes.c.shape == shape)
            .order_by(own_first, run_sizes.c.at.desc(), run_sizes.c.dataset_id)
            .limit(MOST_DATASETS)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return tuple(
            RunSize(
                dataset_id=row.dataset_id,
                dataset_name=row.name,
                run_id=row.run_id,
                shape=row.shape,
                own_dates=row.own_dates,
                requests=row.requests,
                predicted=row.predicted,
                rows={advertiser: (counts[0], counts[1]) for advertiser, counts in row.rows.items()},
            )
            for row in rows
        )
