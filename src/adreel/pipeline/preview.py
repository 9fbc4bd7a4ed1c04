"""What a person looks at before a run: the estimate of its requests and minutes, and a preview of its rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import httpx2
import pyarrow as pa

from adreel.connections import Covered, account_access, connected, covered, is_fresh, refresh, refuse_unreadable
from adreel.datasets.calculated_columns import with_calculated
from adreel.datasets.dataset import Dataset
from adreel.datasets.lookback import FirstDays, default_days, described, first_days, lookback_days
from adreel.datasets.lookback import refusal as lookback_refusal
from adreel.datasets.stored import dataset_of
from adreel.errors import DatasetError, NotFoundError
from adreel.lake import Lake
from adreel.language import integer, phrase, phrases
from adreel.pipeline.estimate import Estimate, earlier_runs, estimated
from adreel.pipeline.extract import preview_rows
from adreel.pipeline.plan import Plan, make_plan, paths_of, report_limits
from adreel.pipeline.shops import read_shops
from adreel.settings import Settings
from adreel.store import Account, AccountAdvertiser, SavedDataset, Store

PATIENCE_SECONDS = 120.0
"""The longest wait for TikTok while a person waits for the answer."""


@dataclass(frozen=True, slots=True)
class LookbackPlan:
    """The look-back window of a dataset and its price: `days` of which `requests` are more than without it.

    `text` says what is read again, why, and what it costs. `next_run` says whether the price is that of the next run;
    else it is that of a later one, once the table has the days.
    """

    days: int
    default: int
    requests: int
    next_run: bool
    text: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, the API level of the app, the estimate, which advertisers are in the plan, and the look-back window.

    `lookback` is None for a plan of other days than the dataset's, and for a report without dates.
    """

    plan: Plan
    level: str
    estimate: Estimate
    covering: Covered
    lookback: LookbackPlan | None = None

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
            "reading": estimate.choice.as_json(),
            "lookback": asdict(self.lookback) if self.lookback else None,
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

    def planned(
        self,
        dataset: Dataset,
        account: Account,
        advertisers: tuple[AccountAdvertiser, ...],
        saved: SavedDataset | None = None,
        *,
        other_days: bool = False,
        at: datetime | None = None,
    ) -> Planned:
        """The plan for stored advertisers and its estimate; no request is sent.

        The plan is that of a run which begins at the aware time `at`, by default now.

        `saved` has the table, whose days the look-back window covers; `other_days` are in place of the dataset's own.
        """
        now, level = at or self.clock(), self.settings.tiktok_level
        covering = covered(advertisers, dataset.advertisers or account.selection, all_needed=dataset.needs_advertisers)
        first = None
        if saved is not None and not other_days:
            first = first_days(Lake(self.settings.lake_url, clock=self.clock), saved.table_slug, dataset, now)

        earlier = earlier_runs(self.store, account, dataset)

        def priced(days: FirstDays | None) -> tuple[Plan, Estimate]:
            plan = make_plan(dataset, covering.advertisers, now, days)
            return plan, estimated(account, plan, earlier, advertisers, now, report_limits(dataset, level))

        plan, estimate = priced(first)
        lookback = None
        if dataset.dates is not None and not other_days:
            # Of a table that does not reach back so far yet: what later runs read.
            full = priced(first or FirstDays(date.min))[1] if lookback_days(dataset) else estimate
            lookback = _lookback(dataset, full.requests - priced(None)[1].requests, next_run=first is not None)
        return Planned(plan, level, estimate, covering, lookback)

    def estimate(self, saved: SavedDataset) -> Estimate | None:
        """The estimate of a run of the saved dataset; None if it cannot run, or its ad accounts are not known yet."""
        if saved.account_id is None:
            return None
        try:
            account = self.store.accounts.get(saved.account_id)
            advertisers = self.store.accounts.advertisers(account)
            return (
                self.planned(dataset_of(saved, self.clock()), account, advertisers, saved).estimate
                if advertisers
                else None
            )
        except (DatasetError, NotFoundError):
            return None

    async def preview(self, dataset: Dataset, account: Account, rows: int) -> pa.Table:
        """The first rows of the dataset, with the types of its table and its calculated metrics.

        Raises AdvertiserError if a run would.
        """
        advertisers = await self.advertisers(account)
        covering = covered(advertisers, dataset.advertisers or account.selection, all_needed=dataset.needs_advertisers)
        refuse_unreadable(covering, advertisers, account, skip_failing=dataset.skip_failing)
        access, now = account_access(self.settings, self.store, account), self.clock()
        async with connected(
            self.settings,
            self.store,
            access,
            transport=self.transport,
            deadline=_patience(),
            log=self.log,
            paths=paths_of(dataset),
        ) as client:
            read = await read_shops(client, dataset, covering.advertisers, now)
            plan = make_plan(dataset, covering.advertisers, now, shops=read.shops)
            return with_calculated(dataset, await preview_rows(plan, client, rows))


def _lookback(dataset: Dataset, requests: int, *, next_run: bool) -> LookbackPlan:
    days = lookback_days(dataset)
    text = described(dataset)
    if days:
        if not requests:
            more = phrase("It takes no more requests.")
        elif next_run:
            more = phrases(
                "The next run sends %(requests)s more request for it.",
                "The next run sends %(requests)s more requests for it.",
                requests,
                requests=integer(requests),
            )
        else:
            more = phrases(
                "Once the table has these days, a run sends %(requests)s more request for it.",
                "Once the table has these days, a run sends %(requests)s more requests for it.",
                requests,
                requests=integer(requests),
            )
        text = f"{text} {more}"
    return LookbackPlan(days, 0 if lookback_refusal(dataset) else default_days(dataset), requests, next_run, text)


def _patience() -> float:
    return time.monotonic() + PATIENCE_SECONDS
