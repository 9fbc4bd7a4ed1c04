"""What a person asks before a run: the plan with its price, and real first rows."""

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
"""How long a person who waits for an answer is kept waiting for TikTok."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, what it costs at least, and why some advertisers are not in it.

    `minutes` are counted at the limits of the app's `level`, with one page for each request.
    """

    plan: Plan
    level: str
    minutes: float
    unreadable: dict[str, str]


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks TikTok for one home; `transport` replaces the network, `log` gets a line for each wait."""

    settings: Settings
    store: Store
    clock: Callable[[], datetime]
    transport: httpx2.AsyncBaseTransport | None = None
    log: Callable[[str], None] | None = None

    async def advertisers(self, account: Account) -> tuple[AccountAdvertiser, ...]:
        """The account's advertisers, asked for anew unless that was done just now. Errors as `refresh`."""
        advertisers = self.store.accounts.advertisers(account)
        return advertisers if is_fresh(advertisers, self.clock()) else await self.refreshed(account)

    async def refreshed(self, account: Account) -> tuple[AccountAdvertiser, ...]:
        """The account's advertisers as TikTok says now."""
        access = account_access(self.settings, self.store, account)
        async with connected(
            self.settings, access, transport=self.transport, deadline=_patience(), log=self.log
        ) as client:
            return await refresh(client, self.store, account)

    def planned(self, dataset: Dataset, account: Account, advertisers: tuple[AccountAdvertiser, ...]) -> Planned:
        """The plan over the advertisers that are known; nothing is asked."""
        found = covered(advertisers, dataset.advertisers or account.selection)
        plan = make_plan(dataset, found.advertisers, self.clock())
        limits = limits_for(self.settings.tiktok_level)
        seconds = plan.seconds(limits.per_second, limits.per_minute, limits.per_day)
        return Planned(plan, self.settings.tiktok_level, round(seconds / 60, 2), found.unreadable)

    async def preview(self, dataset: Dataset, account: Account, rows: int) -> pa.Table:
        """The first rows that TikTok gives for the dataset, typed as its table would have them.

        Raises AdvertiserError where a run would, instead of a preview of the advertisers that can be read.
        """
        advertisers = await self.advertisers(account)
        found = covered(advertisers, dataset.advertisers or account.selection)
        refuse_unreadable(found, advertisers, account, skip_failing=dataset.skip_failing)
        planned = self.planned(dataset, account, advertisers)
        access = account_access(self.settings, self.store, account)
        async with connected(
            self.settings, access, transport=self.transport, deadline=_patience(), log=self.log
        ) as client:
            return await preview_rows(planned.plan, client, rows)


def _patience() -> float:
    return time.monotonic() + PATIENCE_SECONDS
