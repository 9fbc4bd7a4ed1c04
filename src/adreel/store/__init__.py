"""Accounts, datasets, runs, users and what belongs to users, kept in one SQLite file in the home folder.

`Store.open` gives the lists; what they return are frozen records, and every time in them is aware and in UTC. The
lists ask nobody for permission: that is `adreel.access`. A dataset's lock is in `adreel.store.locks`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from adreel.settings import Settings
from adreel.store.accounts import Accounts
from adreel.store.attempts import Attempts
from adreel.store.consents import Consents
from adreel.store.database import Database, open_database
from adreel.store.datasets import Datasets
from adreel.store.notifications import Addresses, Deliveries, Incidents
from adreel.store.passwords import COST, Cost, Passwords
from adreel.store.records import (
    FINISHED,
    IN_PROGRESS,
    RESUMABLE,
    SUCCESSFUL,
    Account,
    AccountAdvertiser,
    AccountStatus,
    AdvertiserInfo,
    ApiToken,
    Consent,
    Level,
    LogLine,
    Phase,
    Progress,
    Role,
    Run,
    RunBrief,
    RunKey,
    RunOutcome,
    RunSize,
    RunState,
    SavedDataset,
    Session,
    User,
    Workspace,
)
from adreel.store.runs import Runs, new_run_id
from adreel.store.secrets import Keys
from adreel.store.sessions import Sessions
from adreel.store.shares import Shares
from adreel.store.sizes import Sizes
from adreel.store.tokens import Tokens
from adreel.store.users import Users
from adreel.store.workspace import Workspaces

__all__ = [
    "FINISHED",
    "IN_PROGRESS",
    "RESUMABLE",
    "SUCCESSFUL",
    "Account",
    "AccountAdvertiser",
    "AccountStatus",
    "Accounts",
    "AdvertiserInfo",
    "ApiToken",
    "Attempts",
    "Consent",
    "Consents",
    "Cost",
    "Datasets",
    "Level",
    "LogLine",
    "Phase",
    "Progress",
    "Role",
    "Run",
    "RunBrief",
    "RunKey",
    "RunOutcome",
    "RunSize",
    "RunState",
    "Runs",
    "SavedDataset",
    "Session",
    "Sessions",
    "Shares",
    "Sizes",
    "Store",
    "Tokens",
    "User",
    "Users",
    "Workspace",
    "Workspaces",
    "new_run_id",
]


class Store:
    """The lists of one home. Close it, or use it in a `with` block; safe to use from several threads."""

    __slots__ = (
        "_database",
        "accounts",
        "addresses",
        "attempts",
        "consents",
        "datasets",
        "deliveries",
        "incidents",
        "keys",
        "runs",
        "sessions",
        "shares",
        "sizes",
        "tokens",
        "users",
        "workspace",
    )

    def __init__(self, database: Database, keys: Keys, clock: Callable[[], datetime], cost: Cost = COST) -> None:
        self._database = database
        self.keys = keys
        self.accounts = Accounts(database, keys, clock)
        self.datasets = Datasets(database, clock)
        self.runs = Runs(database, clock)
        self.users = Users(database, Passwords(cost), clock)
        self.sessions = Sessions(database, clock)
        self.tokens = Tokens(database, clock)
        self.attempts = Attempts(database, clock)
        self.shares = Shares(database)
        self.sizes = Sizes(database, clock)
        self.consents = Consents(database, clock)
        self.workspace = Workspaces(database)
        self.addresses = Addresses(database, keys, clock)
        self.incidents = Incidents(database)
        self.deliveries = Deliveries(database)

    @classmethod
    def open(cls, settings: Settings, *, clock: Callable[[], datetime], cost: Cost = COST) -> Self:
        """The store in the home folder, made or migrated if it has to be; `clock` gives aware times.

        `cost` is what looking at a password costs. Raises InputError for a home made by a newer adreel, and
        StorageError if the disk cannot be used.
        """
        return cls(open_database(settings.home), Keys(settings.secret_key, settings.home), clock, cost)

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
