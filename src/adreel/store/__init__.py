"""Accounts, datasets and runs, kept in one SQLite file in the home folder.

`Store.open` gives the three lists; what they return are frozen records, and every time in them is aware and in UTC.
A dataset's lock is in `adreel.store.locks`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from adreel.settings import Settings
from adreel.store.accounts import Accounts
from adreel.store.database import Database, open_database
from adreel.store.datasets import Datasets
from adreel.store.records import (
    FINISHED,
    IN_PROGRESS,
    RESUMABLE,
    SUCCESSFUL,
    Account,
    AccountAdvertiser,
    AccountStatus,
    Advertiser,
    LogLine,
    Outcome,
    Progress,
    Run,
    RunState,
    SavedDataset,
)
from adreel.store.runs import Runs, new_run_id
from adreel.store.secrets import Keys

__all__ = [
    "FINISHED",
    "IN_PROGRESS",
    "RESUMABLE",
    "SUCCESSFUL",
    "Account",
    "AccountAdvertiser",
    "AccountStatus",
    "Accounts",
    "Advertiser",
    "Datasets",
    "LogLine",
    "Outcome",
    "Progress",
    "Run",
    "RunState",
    "Runs",
    "SavedDataset",
    "Store",
    "new_run_id",
]


class Store:
    """The lists of one home. Close it, or use it in a `with` block; safe to use from several threads."""

    __slots__ = ("_database", "accounts", "datasets", "runs")

    def __init__(self, database: Database, keys: Keys, clock: Callable[[], datetime]) -> None:
        self._database = database
        self.accounts = Accounts(database, keys, clock)
        self.datasets = Datasets(database, clock)
        self.runs = Runs(database, clock)

    @classmethod
    def open(cls, settings: Settings, *, clock: Callable[[], datetime]) -> Self:
        """The store in the home folder, made or migrated if it has to be; `clock` gives aware times.

        Raises InputError for a home made by a newer adreel, and StorageError if the disk cannot be used.
        """
        return cls(open_database(settings.home), Keys(settings.secret_key, settings.home), clock)

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
