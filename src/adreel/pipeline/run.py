"""One run as a resumable function: advertisers, chunks, proof and commit, each done once however often it is begun.

What is finished lies beside the run's parts (`checkpoints.py`), and the commit carries the run's id, so that a process
that takes up a run which another one left asks for nothing twice and commits once. The dataset's lock is held, so
that no two work on the same run.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2

from adreel.connections import Covered, Waits, account_access, connected, covered, is_fresh, refresh, refuse_unreadable
from adreel.datasets.dataset import Dataset
from adreel.datasets.stored import dataset_of
from adreel.errors import (
    AdreelError,
    CancelledError,
    ReconnectError,
    StorageError,
    disk_fault,
    disk_faults_told,
    is_resumable,
)
from adreel.lake import Lake
from adreel.pipeline.checkpoints import Begun, Checkpoints, Finished, fingerprint
from adreel.pipeline.extract import Extraction, Outcome, Parts
from adreel.pipeline.load import Committed, commit_run
from adreel.pipeline.orders import RESUME_WITHIN, DateRange, Orders
from adreel.pipeline.plan import Chunk, Plan, make_plan
from adreel.settings import Settings
from adreel.store import Account, AccountStatus, Progress, Run, RunState, SavedDataset, Store, new_run_id
from adreel.store import Outcome as RunOutcome
from adreel.store.locks import dataset_lock, tell_holder
from adreel.tiktok.client import Client, first_failure
from adreel.tiktok.rate_limit import limits_for

CHUNKS_AT_ONCE = 16
"""Chunks under way at a time: enough requests to fill any app level at two seconds an answer."""

TICK = 0.5
"""Seconds between two looks at how far the run is and whether it is to stop."""

SHORTEST_DEADLINE = 6 * 3600.0
DEADLINE_FACTOR = 10.0
"""A run ends after six hours, or after ten times what its requests take at the app's limits if that is longer."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did, as `run --json` prints it; `table` is the table's address."""

    run_id: str
    state: str
    rows: int
    requests: int
    refused: int
    pages: int
    seconds: float
    version: int | None
    table: str
    proof: Mapping[str, Any]
    warnings: tuple[str, ...]
    skipped_advertisers: Mapping[str, str]
    resumed: bool = False

    def as_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return asdict(self)


@dataclass(slots=True)
class Watch:
    """What the person sees of a run while it works; called about twice a second, between two steps of the run."""

    progress: Callable[[Progress], None] = field(default=lambda _: None)
    say: Callable[[str], None] = field(default=lambda _: None)
    trouble: Callable[[str], None] = field(default=lambda _: None)


class Runner:
    """Runs datasets in this process.

    `transport` replaces the network, `clock` gives aware times, `waits` is how TikTok is waited for.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        clock: Callable[[], datetime],
        transport: httpx2.AsyncBaseTransport | None = None,
        waits: Waits | None = None,
    ) -> None:
        """Opens nothing yet."""
        self.settings = settings
        self.store = store
        self.clock = clock
        self.transport = transport
        self.waits = waits or Waits()
        self.orders = Orders(settings, store, clock=clock)

    def run(
        self, saved: SavedDataset, watch: Watch, dates: DateRange | None = None, queued: Run | None = None
    ) -> RunReport:
        """Runs the dataset to its end, or goes on with a run that did not come to its end.

        `dates` replaces the dataset's own; `queued` is the run that `Orders.enqueue` gave, which knows its dates.
        Raises BusyError if another process runs the dataset, and whatever ended the run, after writing it down.
        """
        account = self.orders.account(saved)
        dataset = dataset_of(saved, self.clock(), dates)
        lake = Lake(self.settings.lake_url, clock=self.clock)
        with disk_faults_told(), dataset_lock(self.settings.home, saved.slug):
            if queued is None:
                self.orders.refuse_waiting(saved)
            found = queued or self.orders.unfinished(saved, dates)
            run = found or self.store.runs.add(saved, new_run_id(), dates, asked_by=self.settings.user)
            resumed = run.started_at is not None
            tell_holder(self.settings.home, saved.slug, run.id)
            if resumed:
                watch.say(f"Going on with run {run.id}, which did not come to its end.")
            return _Work(self, lake, saved, account, dataset, run, watch, resumed=resumed).do()


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Looks for cycles of garbage less often: a page is thousands of small objects and has none.

    Measured at a sixth of the processor time of reading 180 pages.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


class _Work:
    """One run at work: what its parts share while this process lives."""

    def __init__(
        self,
        runner: Runner,
        lake: Lake,
        saved: SavedDataset,
        account: Account,
        dataset: Dataset,
        run: Run,
        watch: Watch,
        *,
        resumed: bool,
    ) -> None:
        self._runner = runner
        self._resumed = resumed
        self._lake = lake
        self._saved = saved
        self._account = account
        self._dataset = dataset
        self._run = run
        self._watch = watch
        self._progress = Progress(run.requests, run.refused, run.pages, run.rows)
        self._before = self._progress
        self._client: Client
        self._parts = Parts(lake, run.id)
        self._checkpoints = Checkpoints(self._parts)
        self._committing = False
        self._lines: list[str] = []
        self._notes: list[str] = []

    def do(self) -> RunReport:
        """Works until the run is over, writes down how it ended, and reports or raises."""
        store = self._runner.store
        self._run = store.runs.begin(self._run.id)
        began = time.monotonic()
        try:
            self._runner.orders.sweep(self._lake, self._run)
            with _seldom_collected():
                committed = asyncio.run(self._until_stopped())
            self._progress = replace(self._progress, rows=committed.proof["rows"])
            self._tick()
        except KeyboardInterrupt:
            raise self._interrupted() from None
        except AdreelError as error:
            raise self._failed(error) from error.__cause__
        except Exception as error:
            # What is no error of TikTok's or of a request ends the run here: the disk, or a bug.
            cause = disk_fault(error) or error
            known = isinstance(cause, AdreelError)
            words = str(cause) if known else f"This is a bug of adreel; please report it: {error!r}"
            self._finish(RunOutcome(RunState.FAILED, error=words, error_kind=type(cause).__name__))
            raise
        run = self._finish(_outcome(committed))
        return _report(run, self._lake.table_url(self._saved.table_slug), time.monotonic() - began, self._resumed)

    def _finish(self, outcome: RunOutcome) -> Run:
        """Writes down how the run ended, and removes what nobody will go on with."""
        run = self._runner.store.runs.finish(self._run.id, outcome)
        if not is_resumable(outcome.error_kind):
            # The run is over, whether or not the disk lets go of its parts; the next run sweeps them.
            with suppress(StorageError):
                self._lake.drop_run(run.id)
        return run

    def _interrupted(self) -> CancelledError:
        self._runner.store.runs.interrupt(self._saved)
        # A commit may have been made before its step was written down; the next run finds it and makes no second one.
        table = "may have its new version already" if self._committing else "stays as it was"
        return CancelledError(
            f"Interrupted. The table {table}, and what was read is kept: adreel run {self._saved.slug} goes "
            f"on with run {self._run.id} within {RESUME_WITHIN // timedelta(hours=1)} hours."
        )

    def _failed(self, error: AdreelError) -> AdreelError:
        """Writes down the error that ended the run; a dead token is noted in the account, and told in more words."""
        self._tick()
        state = RunState.CANCELLED if isinstance(error, CancelledError) else RunState.FAILED
        self._finish(RunOutcome(state, error=str(error), error_kind=type(error).__name__))
        if not isinstance(error, ReconnectError):
            return error
        self._runner.store.accounts.set_status(self._account, AccountStatus.after(error))
        name = self._account.name
        return type(error)(
            f"{error.message} That is: adreel accounts reconnect {name!r}. Then the next run goes on where this one "
            "stopped.",
            code=error.code,
            request_id=error.request_id,
        )

    def _tick(self) -> bool:
        """Tells how far the run is and writes it down; whether a person asked to cancel it."""
        self._watch.progress(self._progress)
        while self._notes:
            note = self._notes.pop(0)
            self._watch.say(note)
            self._lines.append(note)
        if self._lines:
            # The commit's thread adds lines meanwhile.
            lines = [self._lines.pop(0) for _ in range(len(self._lines))]
            self._watch.trouble(lines[-1])
            self._runner.store.runs.log(self._run.id, *lines)
        return self._runner.store.runs.progress(self._run.id, self._progress)

    async def _until_stopped(self) -> Committed:
        """The run's work, while somebody looks twice a second how far it is and whether it is to stop."""
        work, look = asyncio.create_task(self._work()), asyncio.create_task(self._look())
        try:
            await asyncio.wait({work, look}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not self._committing:
                look.result()
                raise CancelledError(f"Run {self._run.id} was cancelled; the table stays as it was.")
            # A commit cannot be called back, so a stop that comes during it comes too late.
            return await work
        finally:
            look.cancel()
            work.cancel()
            await asyncio.gather(work, look, return_exceptions=True)

    async def _look(self) -> None:
        """Ends when a person asked to cancel the run."""
        while True:
            if self._tick():
                return
            await asyncio.sleep(TICK)

    async def _work(self) -> Committed:
        async with self._client_until(SHORTEST_DEADLINE):
            begun, plan = await self._begun()
        self._tell_notes(plan)
        limits = limits_for(self._runner.settings.tiktok_level)
        least = plan.seconds(limits.per_second, limits.per_minute, limits.per_day)
        async with self._client_until(max(SHORTEST_DEADLINE, DEADLINE_FACTOR * least)):
            outcomes = await self._chunks(plan, begun.plan)
        self._committing = True
        return await asyncio.to_thread(self._commit, plan, begun.now, [Outcome(failed=begun.unreadable), *outcomes])

    @asynccontextmanager
    async def _client_until(self, seconds: float) -> AsyncIterator[None]:
        """A client that gives up in so many seconds, so that no run hangs."""
        runner = self._runner
        access = account_access(runner.settings, runner.store, self._account)
        deadline = runner.waits.monotonic() + seconds
        transport, log, waits = runner.transport, self._lines.append, runner.waits
        async with connected(
            runner.settings, access, transport=transport, log=log, deadline=deadline, waits=waits
        ) as self._client:
            self._before = self._progress
            try:
                yield
            finally:
                self._count()

    def _tell_notes(self, plan: Plan) -> None:
        """What is odd about the plan though nothing is wrong, for the person and the log."""
        self._notes.extend(f"note: {note}" for note in plan.notes)

    async def _chunks(self, plan: Plan, mark: str) -> list[Outcome]:
        """Every chunk's outcome, in the plan's order; `mark` is the plan's fingerprint."""
        finished = await self._finished(mark) if self._resumed else {}
        self._progress = replace(
            self._progress,
            chunks_total=plan.chunk_count,
            requests_planned=plan.request_count,
            chunks_done=len(finished),
        )
        failed = {name: why for record in finished.values() for name, why in record.outcome.failed.items()}
        extraction = Extraction(plan, self._client, self._parts, self._arrived, failed)
        slots = asyncio.Semaphore(CHUNKS_AT_ONCE)

        async def read(chunk: Chunk) -> Outcome:
            try:
                outcome = await extraction.chunk(chunk)
                counts = self._progress.requests, self._progress.refused, self._progress.pages
                await self._parts.work(self._checkpoints.finish, mark, chunk.name, outcome, counts)
                self._progress = replace(self._progress, chunks_done=self._progress.chunks_done + 1)
                return outcome
            finally:
                slots.release()

        outcomes: dict[str, asyncio.Task[Outcome] | Outcome] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for chunk in plan.chunks():
                    if chunk.name in finished:
                        outcomes[chunk.name] = finished[chunk.name].outcome
                        continue
                    await slots.acquire()
                    outcomes[chunk.name] = group.create_task(read(chunk))
        except BaseExceptionGroup as failures:
            raise first_failure(failures) from None
        return [one.result() if isinstance(one, asyncio.Task) else one for one in outcomes.values()]

    async def _finished(self, mark: str) -> dict[str, Finished]:
        """What earlier processes finished of the plan, by chunk; the run's counts go on from theirs."""
        finished = {record.chunk: record for record in await self._checkpoints.finished(mark)}
        # A process that was killed may have counted more than it had the time to tell the store.
        self._before = replace(
            self._before,
            requests=max((self._before.requests, *(record.requests for record in finished.values()))),
            refused=max((self._before.refused, *(record.refused for record in finished.values()))),
            pages=max((self._before.pages, *(record.pages for record in finished.values()))),
        )
        self._count()
        return finished

    async def _begun(self) -> tuple[Begun, Plan]:
        """What the run is planned with and its plan: as it began, if this adreel would still ask the same."""
        begun = self._checkpoints.begun() if self._resumed else None
        if begun is not None:
            plan = make_plan(self._dataset, begun.advertisers, begun.now)
            if fingerprint(plan) == begun.plan:
                return begun, plan
            self._notes.append("note: Another version of adreel began this run; it is read anew.")
        now, covering = self._runner.clock(), await self._covered()
        plan = make_plan(self._dataset, covering.advertisers, now)
        begun = Begun(fingerprint(plan), now, covering.advertisers, covering.unreadable)
        self._checkpoints.begin(begun)
        return begun, plan

    async def _covered(self) -> Covered:
        """The advertisers to read. Raises AdvertiserError if there is none, or one that may not be left out."""
        store, now = self._runner.store, self._runner.clock()
        advertisers = store.accounts.advertisers(self._account)
        if not is_fresh(advertisers, now):
            advertisers = await refresh(self._client, store, self._account)
        covering = covered(advertisers, self._dataset.advertisers or self._account.selection)
        refuse_unreadable(covering, advertisers, self._account, skip_failing=self._dataset.skip_failing)
        return covering

    def _arrived(self, rows: int) -> None:
        self._progress = replace(self._progress, rows=self._progress.rows + rows)
        self._count()

    def _count(self) -> None:
        counts, before = self._client.counts, self._before
        self._progress = replace(
            self._progress,
            requests=before.requests + counts.requests,
            refused=before.refused + counts.refused,
            pages=before.pages + counts.pages,
        )

    def _commit(self, plan: Plan, began: datetime, outcomes: list[Outcome]) -> Committed:
        slug, other_days = self._saved.table_slug, self._run.dates is not None
        committed = commit_run(self._lake, slug, self._run.id, plan, began, outcomes, other_days=other_days)
        return replace(committed, warnings=(*committed.warnings, *self._moved(plan, began)))

    def _moved(self, plan: Plan, began: datetime) -> Iterator[str]:
        """Says so if a run that was gone on with read other days than one that begins now would."""
        if not self._resumed:
            return
        advertisers = [advertiser for read in plan.reads for advertiser in read.advertisers]
        then, now = dict(plan.days()), dict(make_plan(self._dataset, advertisers, self._runner.clock()).days())
        if then != now:
            yield (
                f"This run began at {began:%Y-%m-%d %H:%M} UTC, and its days are counted from then. Run the "
                "dataset again for the days since."
            )


def _outcome(committed: Committed) -> RunOutcome:
    clean = committed.proof["proved"] and not committed.skipped and not committed.warnings
    return RunOutcome(
        RunState.SUCCEEDED if clean else RunState.WARNED,
        version=committed.version,
        proof=committed.proof,
        warnings=committed.warnings,
        skipped=committed.skipped,
        table_rows=committed.table_rows,
        table_columns=committed.table_columns,
    )


def _report(run: Run, table: str, seconds: float, resumed: bool) -> RunReport:
    return RunReport(
        run_id=run.id,
        state=str(run.state),
        rows=run.rows,
        requests=run.requests,
        refused=run.refused,
        pages=run.pages,
        seconds=round(seconds, 3),
        version=run.version,
        table=table,
        proof=run.proof,
        warnings=run.warnings,
        skipped_advertisers=run.skipped,
        resumed=resumed,
    )
