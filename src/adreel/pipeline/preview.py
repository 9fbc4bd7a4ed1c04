"""What a person looks at before a run: the estimate of its requests and minutes, and a preview of its rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2
import pyarrow as pa

from adreel.connections import Covered, account_access, connected, covered, is_fresh, refresh, refuse_unreadable
from adreel.datasets.dataset import Dataset
from adreel.datasets.stored import dataset_of
from adreel.errors import DatasetError, NotFoundError
from adreel.pipeline.estimate import Estimate, estimated
from adreel.pipeline.extract import preview_rows
from adreel.pipeline.plan import Plan, make_plan
from adreel.settings import Settings
from adreel.store import Account, AccountAdvertiser, SavedDataset, Store
from adreel.tiktok.rate_limit import limits_for

PATIENCE_SECONDS = 120.0
"""The longest wait for TikTok while a person waits for the answer."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, the API level of the app, the estimate, and which advertisers are in the plan."""

    plan: Plan
    level: str
    estimate: Estimate
    covering: Covered

    @property
    def advertisers(self) -> int:
        """The number of advertisers to read."""
        return sum(len(read.advertisers) for read in self.plan.reads)

    def figures(self) -> dict[str, Any]:
        """The figures of the plan by name, as the command line and the API give them."""
        plan, estimate = self.plan, self.estimate
        return {
            "requests": estimate.requests,
            "requests_most": estimate.most,
            "minutes": estimate.minutes,
            "minutes_most": estimate.most_minutes,
            "basis": str(estimate.basis),
            "basis_text": estimate.basis_text,
            "chunks": plan.chunk_count,
            "rows_per_page": plan.page_size,
            "level": self.level,
            "advertisers": self.advertisers,
            "metric_batches": len(plan.batches),
            "notes": list(plan.notes),
        }


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
            self.settings, self.store, access, transport=self.transport, deadline=_patience(), log=self.log
        ) as client:
            return await refresh(client, self.store, account)

    def planned(self, dataset: Dataset, account: Account, advertisers: tuple[AccountAdvertiser, ...]) -> Planned:
        """The plan for stored advertisers and its estimate; no request is sent."""
        now, level = self.clock(), self.settings.tiktok_level
        covering = covered(advertisers, dataset.advertisers or account.selection)
        plan = make_plan(dataset, covering.advertisers, now)
        estimate = estimated(self.store, account, plan, advertisers, now, limits_for(level))
        return Planned(plan, level, estimate, covering)

    def estimate(self, saved: SavedDataset) -> Estimate | None:
        """The estimate of a run of the saved dataset; None if it cannot run, or its ad accounts are not known yet."""
        if saved.account_id is None:
            return None
        try:
            account = self.store.accounts.get(saved.account_id)
            advertisers = self.store.accounts.advertisers(account)
            return self.planned(dataset_of(saved, self.clock()), account, advertisers).estimate if advertisers else None
        except (DatasetError, NotFoundError):
            return None

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
            self.settings, self.store, access, transport=self.transport, deadline=_patience(), log=self.log
        ) as client:
            return await preview_rows(planned.plan, client, rows)


def _patience() -> float:
    return time.monotonic() + PATIENCE_SECONDS
