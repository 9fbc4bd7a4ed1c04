"""Accounts, datasets, runs, users and what belongs to users, kept in a SQLite file in the home folder, or in Postgres.

`Store.open` gives the lists; what they return are frozen records, and every time in them is aware and in UTC. The
lists ask nobody for permission: that is `adreel.access`. A dataset's lock is one of `Store.locks`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, select

from adreel.settings import Settings
from adreel.store.accounts import Accounts
from adreel.store.activity import Activity, QueuedRun
from adreel.store.app_requests import AppRequests, RequestCounts
from adreel.store.apps import Apps, GuideSteps
from adreel.store.attempts import Attempts
from adreel.store.audit import Audit
from adreel.store.backfills import Backfill, Backfills, BackfillState
from adreel.store.consents import Consents
from adreel.store.dashboards import ClaimedDelivery, Dashboard, DashboardDeliveries, DashboardDelivery, Dashboards, Pin
from adreel.store.database import Database, open_database
from adreel.store.datasets import Datasets
from adreel.store.destinations import Destination, Destinations, Publication, Publications
from adreel.store.drafts import Draft, Drafts
from adreel.store.exchange_rates import ExchangeRate, ExchangeRates, RateImport
from adreel.store.export_links import ExportLinks
from adreel.store.figures import AdvertiserAmounts, DailySums, FiguresState, KeptFigures, VersionFigures
from adreel.store.locks import is_alive
from adreel.store.notifications import Addresses, Deliveries, Incidents
from adreel.store.passwords import COST, Cost, Passwords
from adreel.store.presets import MetricPresets
from adreel.store.queries import QueryHistory, SavedQueries
from adreel.store.queue import Queue, WorkerInfo
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
    ExportLink,
    Latest,
    Level,
    LogLine,
    MetricPreset,
    PastQuery,
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
    SavedQuery,
    SavedView,
    Session,
    StoredApp,
    Trigger,
    User,
    Workspace,
)
from adreel.store.retention import Retention, Retentions
from adreel.store.runs import Runs, new_run_id
from adreel.store.saved_views import SavedViews
from adreel.store.secrets import Keys
from adreel.store.sessions import Sessions
from adreel.store.shares import Shares
from adreel.store.sizes import Sizes
from adreel.store.tables import accounts, destinations, notification_addresses, tiktok_app
from adreel.store.tokens import Tokens
from adreel.store.totals import RunTotal, RunTotals
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
    "Activity",
    "AdvertiserAmounts",
    "AdvertiserInfo",
    "ApiToken",
    "AppRequests",
    "Attempts",
    "Audit",
    "Backfill",
    "BackfillState",
    "Backfills",
    "ClaimedDelivery",
    "Consent",
    "Consents",
    "Cost",
    "DailySums",
    "Dashboard",
    "DashboardDeliveries",
    "DashboardDelivery",
    "Dashboards",
    "Datasets",
    "Destination",
    "Draft",
    "Drafts",
    "ExchangeRate",
    "ExchangeRates",
    "ExportLink",
    "ExportLinks",
    "FiguresState",
    "KeptFigures",
    "Latest",
    "Level",
    "LogLine",
    "MetricPreset",
    "MetricPresets",
    "PastQuery",
    "Phase",
    "Pin",
    "Progress",
    "Publication",
    "Queue",
    "QueuedRun",
    "RateImport",
    "RequestCounts",
    "Retention",
    "Retentions",
    "Role",
    "Run",
    "RunBrief",
    "RunKey",
    "RunOutcome",
    "RunSize",
    "RunState",
    "RunTotal",
    "RunTotals",
    "Runs",
    "SavedDataset",
    "SavedQuery",
    "SavedView",
    "SavedViews",
    "Session",
    "Sessions",
    "Shares",
    "Sizes",
    "Store",
    "StoredApp",
    "Tokens",
    "Trigger",
    "User",
    "Users",
    "VersionFigures",
    "WorkerInfo",
    "Workspace",
    "Workspaces",
    "new_run_id",
]


class Store:
    """The lists of one home. Close it, or use it in a `with` block; safe to use from several threads."""

    __slots__ = (
        "_database",
        "accounts",
        "activity",
        "addresses",
        "app",
        "app_requests",
        "attempts",
        "audit",
        "backfills",
        "consents",
        "dashboard_deliveries",
        "dashboards",
        "datasets",
        "deliveries",
        "destinations",
        "drafts",
        "exchange_rates",
        "export_links",
        "figures",
        "guide_steps",
        "incidents",
        "keys",
        "locks",
        "presets",
        "publications",
        "query_history",
        "queue",
        "retention",
        "run_totals",
        "runs",
        "saved_queries",
        "saved_views",
        "sessions",
        "shares",
        "sizes",
        "tokens",
        "users",
        "workspace",
    )

    def __init__(self, database: Database, keys: Keys, clock: Callable[[], datetime], cost: Cost = COST) -> None:
        self._database = database
        self.locks = database.backend.locks
        self.keys = keys
        self.accounts = Accounts(database, keys, clock)
        self.datasets = Datasets(database, clock)
        self.drafts = Drafts(database, clock)
        self.runs = Runs(database, clock)
        self.activity = Activity(database)
        self.queue = Queue(database, clock)
        self.backfills = Backfills(database, clock)
        self.run_totals = RunTotals(database)
        self.app_requests = AppRequests(database, clock)
        self.users = Users(database, Passwords(cost), clock)
        self.sessions = Sessions(database, clock)
        self.tokens = Tokens(database, clock)
        self.presets = MetricPresets(database, clock)
        self.exchange_rates = ExchangeRates(database, clock)
        self.export_links = ExportLinks(database, clock)
        self.saved_views = SavedViews(database, clock)
        self.attempts = Attempts(database, clock)
        self.shares = Shares(database, clock)
        self.sizes = Sizes(database, clock)
        self.figures = KeptFigures(database)
        self.consents = Consents(database, clock)
        self.dashboards = Dashboards(database, clock)
        self.dashboard_deliveries = DashboardDeliveries(database, clock)
        self.destinations = Destinations(database, keys, clock)
        self.publications = Publications(database)
        self.app = Apps(database, keys, clock)
        self.guide_steps = GuideSteps(database, clock)
        self.saved_queries = SavedQueries(database, clock)
        self.query_history = QueryHistory(database, clock)
        self.workspace = Workspaces(database, clock)
        self.audit = Audit(database, clock)
        self.retention = Retentions(database, clock)
        self.addresses = Addresses(database, keys, clock)
        self.incidents = Incidents(database)
        self.deliveries = Deliveries(database)

    @classmethod
    def open(cls, settings: Settings, *, clock: Callable[[], datetime], cost: Cost = COST) -> Self:
        """The store of the settings, made or migrated if it has to be; `clock` gives aware times.

        `cost` is what looking at a password costs. Raises InputError for a store made by a newer adreel and for one
        that the settings do not let in, StorageError if the disk cannot be used, RetryError if the server of a
        database cannot be reached.
        """
        database = open_database(settings)

        def is_first() -> bool:
            with database.read() as connection:
                encrypted = (accounts.c.id, tiktok_app.c.id, notification_addresses.c.id, destinations.c.id)
                return not database.backend.is_shared or all(
                    connection.execute(select(column)).first() is None for column in encrypted
                )

        return cls(database, Keys(settings.secret_key, settings.home, is_first), clock, cost)

    def seen(self, run: Run) -> Run:
        """The run as it is: one that is said to be running, and whose process is gone, was interrupted."""
        if not self._is_dead(run):
            return run
        # A process ends its run before it releases the lock, so the run may have ended since it was read.
        run = self.runs.get(run.id)
        if not self._is_dead(run):
            return run
        interrupted = replace(run, state=RunState.INTERRUPTED)
        return replace(interrupted, error=interrupted.meaning)

    def _is_dead(self, run: Run) -> bool:
        return run.state is RunState.RUNNING and not is_alive(self.locks, run.dataset_slug, run.id)

    def stamp(self) -> str:
        """A text that is another one after every change of the store, whichever process made it."""
        return self._database.stamp()

    def snapshot(self) -> AbstractContextManager[Connection]:
        """All tables as at one moment, for `StoreDump`."""
        return self._database.snapshot()

    def together(self) -> AbstractContextManager[None]:
        """All that the block reads and writes is one transaction: kept as a whole when it ends, or not at all."""
        return self._database.together()

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
