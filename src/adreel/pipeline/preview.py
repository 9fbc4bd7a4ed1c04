"""What a person looks at before a run: the estimate of its requests and minutes, and a preview of its rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx2
import pyarrow as pa

from adreel.connections import account_access, connected, covered, is_fresh, refresh, refuse_unreadable
from adreel.datasets.dataset import Dataset
from adreel.pipeline.extract import preview_rows
from adreel.pipeline.plan import Plan, make_plan
from adreel.settings import Settings
from adreel.store import Account, AccountAdvertiser, Store
from adreel.tiktok.rate_limit import limits_for

PATIENCE_SECONDS = 120.0
"""The longest wait for TikTok while a person waits for the answer."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, its estimate, and the reasons why some advertisers are not in it.

    `minutes` are estimated at the limits of the app's `level`, with one page for each request.
    """

    plan: Plan
    level: str
    minutes: float
    unreadable: dict[str, str]


@dataclass(frozen=True, slots=True)
class Asking:
    """Requests to TikTok of one home, while a person waits.

    `transport` replaces the network, `log` gets a line for each wait.
    """

    settings: Settings
    store: Store
    clock: Callable[[], datetime]
    transport: httpx2.AsyncBaseTransport | None = None
    log: Callable[[str], None] | None = None

    async def advertisers(self, account: Account) -> tuple[AccountAdvertiser, ...]:
        """The account's advertisers, refreshed unless they are fresh. Errors as `refresh`."""
        advertisers = self.store.accounts.advertisers(account)
        return advertisers if is_fresh(advertisers, self.clock()) else await self.refreshed(account)

    async def refreshed(self, account: Account) -> tuple[AccountAdvertiser, ...]:
        """The account's advertisers, refreshed."""
        access = account_access(self.settings, self.store, account)
        async with connected(
            self.settings, access, transport=self.transport, deadline=_patience(), log=self.log
        ) as client:
            return await refresh(client, self.store, account)

    def planned(self, dataset: Dataset, account: Account, advertisers: tuple[AccountAdvertiser, ...]) -> Planned:
        """The plan for stored advertisers; no request is sent."""
        covering = covered(advertisers, dataset.advertisers or account.selection)
        plan = make_plan(dataset, covering.advertisers, self.clock())
        limits = limits_for(self.settings.tiktok_level)
        seconds = plan.seconds(limits.per_second, limits.per_minute, limits.per_day)
        return Planned(plan, self.settings.tiktok_level, round(seconds / 60, 2), covering.unreadable)

    async def preview(self, dataset: Dataset, account: Account, rows: int) -> pa.Table:
        """The first rows of the dataset, with the types of its table.

        Raises AdvertiserError if a run would.
        """
        advertisers = await self.advertisers(account)
        covering = covered(advertisers, dataset.advertisers or account.selection)
        refuse_unreadable(covering, advertisers, account, skip_failing=dataset.skip_failing)
        planned = self.planned(dataset, account, advertisers)
        access = account_access(self.settings, self.store, account)
        async with connected(
            self.settings, access, transport=self.transport, deadline=_patience(), log=self.log
        ) as client:
            return await preview_rows(planned.plan, client, rows)


def _patience() -> float:
    return time.monotonic() + PATIENCE_SECONDS
