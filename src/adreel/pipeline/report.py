"""A report that is read once, without a saved dataset: its rows, once they are verified."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import pyarrow as pa

from adreel.connections import Waits, account_access, connected, covered, is_fresh, refresh, refuse_unreadable
from adreel.datasets.dataset import Dataset
from adreel.datasets.schema import arrow_schema, columns
from adreel.errors import ProofError
from adreel.lake import Lake
from adreel.lake.columns import joined
from adreel.language import phrase
from adreel.pipeline.extract import Extraction
from adreel.pipeline.load import Committed, combined, commit_run, warnings_of
from adreel.pipeline.parts import Parts
from adreel.pipeline.plan import Plan, least_seconds, make_plan, paths_of, report_limits
from adreel.pipeline.run import CHUNKS_AT_ONCE, DEADLINE_FACTOR, SHORTEST_DEADLINE
from adreel.pipeline.shops import ShopsRead, read_shops
from adreel.pipeline.verify import ReadOutcome
from adreel.settings import Settings
from adreel.store import Account, RunState, Store, new_run_id
from adreel.tiktok.client import first_failure

_SLUG = "report"


@dataclass(frozen=True, slots=True)
class ReportReader:
    """Reads reports of one home. `transport` replaces the network, `waits` are the clocks and sleep of the client."""

    settings: Settings
    store: Store
    clock: Callable[[], datetime]
    transport: httpx2.AsyncBaseTransport | None = None
    waits: Waits = field(default_factory=Waits)

    def read(self, dataset: Dataset, account: Account) -> VerifiedReport:
        """Reads and verifies the report.

        Raises ProofError if its rows or sums are not those that TikTok counts, and the errors of TikTok's client.
        """
        return self.read_planned(self.plan(dataset, account), account)

    def plan(self, dataset: Dataset, account: Account) -> PlannedReport:
        """What `read` requests, for the account's ad accounts and at the time of now; no report is requested."""
        now = self.clock()
        plan, unreadable, shops = asyncio.run(self._plan(dataset, account, now))
        return PlannedReport(plan, now, unreadable, plan.request_count, shops.notes, shops.warnings)

    def read_planned(self, planned: PlannedReport, account: Account) -> VerifiedReport:
        """Reads and verifies a planned report, or a part of one; raises what `read` does."""
        folder = TemporaryDirectory(prefix="adreel-report-")
        try:
            lake = Lake(folder.name, clock=self.clock)
            outcomes, committed = asyncio.run(self._commit(lake, planned, account))
            state = RunState.of_version(committed.verification, committed.warnings, committed.skipped)
            if state is RunState.CHECK_FAILED:
                reasons = " ".join(committed.warnings)
                raise ProofError(phrase("The report could not be verified. %(reasons)s", reasons=reasons))
        except BaseException:
            folder.cleanup()
            raise
        # A verified report has no other faults than values that could not be read.
        return VerifiedReport(lake, folder, committed, warnings_of(planned.plan, combined(outcomes)))

    async def _commit(
        self, lake: Lake, planned: PlannedReport, account: Account
    ) -> tuple[list[ReadOutcome], Committed]:
        run_id, plan = new_run_id(), planned.plan
        parts = Parts(lake, run_id)
        failed = dict(planned.unreadable)
        limits = report_limits(plan.dataset, self.settings.tiktok_level)
        least = least_seconds(planned.requests, limits.per_second, limits.per_minute, limits.per_day)
        deadline = self.waits.monotonic() + max(SHORTEST_DEADLINE, DEADLINE_FACTOR * least)
        access = account_access(self.settings, self.store, account)
        async with connected(
            self.settings,
            self.store,
            access,
            transport=self.transport,
            deadline=deadline,
            waits=self.waits,
            paths=paths_of(plan.dataset),
        ) as client:
            extraction = Extraction(plan, client, parts, lambda _request, _part: None, dict(failed))
            slots = asyncio.Semaphore(CHUNKS_AT_ONCE)

            async def read(chunk: Any) -> ReadOutcome:
                async with slots:
                    return await extraction.chunk(chunk)

            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(read(chunk)) for chunk in plan.chunks()]
            except BaseExceptionGroup as failures:
                raise first_failure(failures) from None
        outcomes = [ReadOutcome(failed=failed), *(task.result() for task in tasks)]
        done = await asyncio.to_thread(commit_run, lake, _SLUG, run_id, plan, planned.now, outcomes, newest=None)
        notes, warnings = (*done.notes, *planned.notes), (*done.warnings, *planned.warnings)
        return outcomes, replace(done, notes=notes, warnings=warnings)

    async def _plan(
        self, dataset: Dataset, account: Account, now: datetime
    ) -> tuple[Plan, Mapping[str, str], ShopsRead]:
        advertisers = self.store.accounts.advertisers(account)
        if not is_fresh(advertisers, now):
            deadline = self.waits.monotonic() + SHORTEST_DEADLINE
            access = account_access(self.settings, self.store, account)
            async with connected(
                self.settings, self.store, access, transport=self.transport, deadline=deadline, waits=self.waits
            ) as client:
                advertisers = await refresh(client, self.store, account)
        covering = covered(advertisers, dataset.advertisers or account.selection, all_needed=dataset.needs_advertisers)
        refuse_unreadable(covering, advertisers, account, skip_failing=dataset.skip_failing)
        read = ShopsRead()
        if paths_of(dataset):
            access = account_access(self.settings, self.store, account)
            async with connected(
                self.settings, self.store, access, transport=self.transport, waits=self.waits, paths=paths_of(dataset)
            ) as client:
                read = await read_shops(client, dataset, covering.advertisers, now)
        chosen = [who for who in covering.advertisers if who.id not in read.unreadable]
        plan = make_plan(dataset, chosen, now, shops=read.shops)
        return plan, covering.unreadable | read.unreadable, read


@dataclass(frozen=True, slots=True)
class PlannedReport:
    """The plan of a report as it was made `now`, in UTC; another process can be sent it.

    `unreadable` are the ad accounts that are left out, with the reasons. `requests` are those of the whole report.
    `notes` and `warnings` are about shops that are left out.
    """

    plan: Plan
    now: datetime
    unreadable: Mapping[str, str]
    requests: int
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def schema(self) -> Any:
        """The columns of the rows, with Arrow's types; counts become decimals if TikTok sends fractions of them."""
        return joined(_SLUG, None, arrow_schema(columns(self.plan.dataset)), reset=True)

    def parts(self) -> Iterator[PlannedReport]:
        """The chunks of the plan, which can be read apart: no two of them have a row in common."""
        return (replace(self, plan=part) for part in self.plan.parts())


@dataclass(frozen=True, slots=True)
class VerifiedReport:
    """A report's rows on disk, which go when they were read; `outcome` has its verification and warnings.

    `unread` are sentences on values that could not be read and are null.
    """

    _lake: Lake
    _folder: TemporaryDirectory[str]
    outcome: Committed
    unread: tuple[str, ...]

    def batches(self) -> Any:
        """The rows as a pyarrow RecordBatchReader, to be read once."""
        reader = self._lake.read(_SLUG)
        return pa.RecordBatchReader.from_batches(reader.schema, self._read(reader))

    def _read(self, reader: Any) -> Iterator[Any]:
        try:
            yield from reader
        finally:
            self.close()

    def close(self) -> None:
        """Removes the rows, for who does not read them."""
        self._lake.close()
        self._folder.cleanup()
