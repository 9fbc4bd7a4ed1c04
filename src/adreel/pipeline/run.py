"""One run as a resumable function: advertisers, chunks, verification and commit, each done once.

Finished chunks are recorded beside the run's parts (`checkpoints.py`), and the commit carries the run's id, so a
process that resumes a run of another process requests nothing twice and commits once. The dataset's lock is held
meanwhile, so that no two processes work on the same run.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2

from adreel.connections import Covered, Waits, account_access, connected, covered, is_fresh, refresh, refuse_unreadable
from adreel.datasets.dataset import Dataset, reads_shops
from adreel.datasets.figures import keep_figures
from adreel.datasets.lookback import FirstDays, first_days
from adreel.datasets.restatement import days_not_verified
from adreel.errors import (
    AdreelError,
    CancelledError,
    LockLostError,
    ReconnectError,
    StorageError,
    disk_fault,
    disk_faults_raised,
    error_id_of,
    is_resumable,
)
from adreel.lake import Lake, Version
from adreel.language import Phrase, integer, phrase, phrases, shown_day, shown_time
from adreel.logs import logger_of
from adreel.pipeline.checkpoints import Checkpoints, Finished, RunStart, fingerprint
from adreel.pipeline.estimate import Estimate, earlier_runs, estimated, predicted_requests, size_of_run
from adreel.pipeline.extract import Extraction
from adreel.pipeline.gmv_max_costs import KEY, WITHOUT, ask_costs, concerns, earlier_answer, sentences_of_costs, unread
from adreel.pipeline.load import Committed, combined, commit_run
from adreel.pipeline.orders import RESUME_WITHIN, DateRange, Orders
from adreel.pipeline.parts import Parts
from adreel.pipeline.plan import GMV_MAX_PATH, Chunk, Plan, Request, make_plan, paths_of, report_limits
from adreel.pipeline.progress import READING, VERIFIED, WRITTEN, PageProgress
from adreel.pipeline.report_tasks import cancel_tasks
from adreel.pipeline.shops import read_shops
from adreel.pipeline.verify import Part, ReadOutcome
from adreel.settings import Settings
from adreel.store import (
    Account,
    AccountStatus,
    Phase,
    Progress,
    Run,
    RunOutcome,
    RunSize,
    RunState,
    SavedDataset,
    Store,
    Trigger,
    new_run_id,
)
from adreel.store.locks import Held
from adreel.tiktok.client import Client, first_failure
from adreel.tiktok.rate_limit import TASK_PATH

logger = logger_of(__name__)

CHUNKS_AT_ONCE = 16
"""Chunks read at a time: enough requests to use the rate of any app level at two seconds an answer."""

PATIENCE = 60.0
"""The longest wait for what a run asks for besides its rows, in seconds."""

CANCEL_SECONDS = 10.0
"""The longest wait for TikTok to cancel the tasks of a run that a person has cancelled."""

TICK = 0.5
"""Seconds between two writes of the progress, each of which also checks for a request to cancel."""

FINE = frozenset({RunState.VERIFIED, RunState.CANCELLED})
"""How a run may end without a warning in the log."""

SHORTEST_DEADLINE = 6 * 3600.0
DEADLINE_FACTOR = 10.0
"""A run ends after six hours, or after ten times what its requests take at the app's limits, whichever is longer."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """The result of a run; `table` is the table's address, `refused` counts requests. The rest is as in `Run`."""

    run_id: str
    state: RunState
    rows: int
    requests: int
    refused: int
    pages: int
    seconds: float
    version: int | None
    table: str
    verification: Mapping[str, Any]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    skipped: Mapping[str, str]
    resumed: bool = False


@dataclass(slots=True)
class Watch:
    """Shows a run in progress: its counts, its notes and its latest log line; called about twice a second."""

    progress: Callable[[Progress], None] = field(default=lambda _: None)
    say: Callable[[str], None] = field(default=lambda _: None)
    trouble: Callable[[str], None] = field(default=lambda _: None)


class Runner:
    """Runs datasets in this process.

    `transport` replaces the network, `clock` gives aware times, `waits` are the clocks and the sleep of the client.
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
        self.settings = settings
        self.store = store
        self.clock = clock
        self.transport = transport
        self.waits = waits or Waits()
        self.orders = Orders(settings, store, clock=clock)

    def run(
        self, saved: SavedDataset, watch: Watch, dates: DateRange | None = None, queued: Run | None = None
    ) -> RunReport:
        """Runs the dataset, or resumes its interrupted run.

        `dates` replaces the dataset's own; `queued` is the run that `Orders.enqueue` returned, which has its dates.
        Raises BusyError if another process runs the dataset, and the error that ended the run, which is also stored.
        """
        account = self.orders.account(saved)
        dataset = self.orders.dataset(saved, dates)
        lake = Lake(self.settings.lake_url, clock=self.clock)
        with disk_faults_raised(), self.store.locks.dataset(saved.slug) as held:
            unfinished = queued or self._promoted(saved, dates) or self.orders.unfinished(saved, dates)
            run = unfinished or self.store.runs.add(saved, new_run_id(), dates, triggered_by=self.settings.user)
            if unfinished is not None and queued is None:
                self.store.runs.note_resumed(unfinished)
            resumed = run.started_at is not None
            held.name_run(run.id)
            if resumed:
                watch.say(phrase("Resuming run %(id)s.", id=run.id))
            logger.info("Run resumed" if resumed else "Run started", extra=_named(run))
            # A person at the command line may resume a run of the schedule.
            attended = queued is None or queued.trigger is Trigger.PERSON
            return _RunInProgress(
                self, lake, saved, account, dataset, run, held, watch, resumed=resumed, attended=attended
            ).finish()

    def _promoted(self, saved: SavedDataset, dates: DateRange | None) -> Run | None:
        """The run of the schedule that waits, which is the caller's now; None if there is none."""
        waiting = self.orders.waiting(saved, dates)
        return self.store.runs.promote(waiting.id, triggered_by=self.settings.user) if waiting else None


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Looks for reference cycles less often: a page is thousands of small objects without cycles.

    This saves a sixth of the processor time of reading 180 pages.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


class _RunInProgress:
    """One run while this process works on it."""

    def __init__(
        self,
        runner: Runner,
        lake: Lake,
        saved: SavedDataset,
        account: Account,
        dataset: Dataset,
        run: Run,
        held: Held,
        watch: Watch,
        *,
        resumed: bool,
        attended: bool,
    ) -> None:
        self._runner = runner
        self._attended = attended
        self._resumed = resumed
        self._lake = lake
        self._saved = saved
        self._account = account
        self._dataset = dataset
        self._run = run
        self._held = held
        self._watch = watch
        self._progress = Progress(run.requests, run.refused, run.pages, run.rows)
        self._before = self._progress
        self._reading: PageProgress | None = None
        self._size: RunSize | None = None
        self._client: Client
        self._parts = Parts(lake, run.id)
        self._checkpoints = Checkpoints(self._parts)
        self._committing = False
        self._newest: Version | None = None
        self._began = time.monotonic()
        self._lines: list[str] = []
        self._notes: list[str] = []
        self._other_costs: dict[str, Any] | None = None
        self._beside = 0
        self._tasks = False

    def finish(self) -> RunReport:
        """Works until the run ends, stores how it ended, and returns the report or raises the error."""
        store = self._runner.store
        self._run = store.runs.begin(self._run.id)
        try:
            self._runner.orders.sweep(self._lake, self._run)
            with _rare_garbage_collection():
                committed = asyncio.run(self._until_stopped())
            self._progress = replace(self._progress, rows=committed.verification["rows"])
            self._enter(Phase.WRITING, WRITTEN)
            self._tick()
        except KeyboardInterrupt:
            raise self._interrupted() from None
        except LockLostError:
            # Another process may have the run by now, so this one says nothing more: a run without lock is interrupted.
            raise
        except AdreelError as error:
            raise self._failed(error) from error.__cause__
        except Exception as error:
            cause = disk_fault(error) or error
            message = str(cause) if isinstance(cause, AdreelError) else self._logged(error)
            self._end(RunOutcome(RunState.FAILED, error=message, error_kind=type(cause).__name__))
            raise
        run = self._end(_outcome(committed))
        self._keep_figures(run)
        if self._size is not None:
            store.sizes.save(self._size)
        self._watch.progress(replace(self._progress, share=run.share))
        return _report(run, self._lake.table_url(self._saved.table_slug), time.monotonic() - self._began, self._resumed)

    def _keep_figures(self, run: Run) -> None:
        """Keeps what the version restated. The run has ended well, whatever happens here; a page tries again."""
        try:
            with disk_faults_raised():
                keep_figures(self._runner.store, self._lake, run, self._runner.clock())
        except AdreelError as error:
            logger.warning("The figures of the version could not be kept: %s", error, extra=_named(run))

    def _logged(self, error: Exception) -> str:
        """Adds where an unexpected error arose to the log of the run; what a person reads of it.

        The error's own text stays out of both: it may quote a request with its token.
        """
        error_id, kind = error_id_of(error), type(error).__name__
        frames = "".join(traceback.format_tb(error.__traceback__)).splitlines()
        self._runner.store.runs.log(
            self._run.id, phrase("Unexpected error %(error_id)s (%(kind)s):", error_id=error_id, kind=kind), *frames
        )
        trace = "\n".join(frames)
        logger.error("Unexpected error (%s):\n%s", kind, trace, extra=_named(self._run) | {"error_id": error_id})
        return phrase(
            "Unexpected error %(error_id)s (%(kind)s). Send the log of this run to the developers of adreel.",
            error_id=error_id,
            kind=kind,
        )

    def _end(self, outcome: RunOutcome) -> Run:
        """Stores how the run ended, and removes its parts unless the run can be resumed."""
        retry_at = self._runner.orders.retry_at(self._saved, self._run, outcome)
        if retry_at is not None:
            # Before it is back in the queue, where another process may take it at once.
            attempt = phrase(
                "Attempt %(attempt)s failed: %(error)s Next attempt: %(retry_at)s UTC.",
                attempt=self._run.attempt,
                error=outcome.error,
                retry_at=shown_time(retry_at),
            )
            self._runner.store.runs.log(self._run.id, attempt)
            logger.warning("%s", attempt, extra=_named(self._run))
        run = self._runner.store.runs.finish(self._run.id, outcome, retry_at=retry_at)
        if retry_at is None:
            self._log_end(run)
        if not is_resumable(outcome.error_kind):
            # The run has ended even if its parts cannot be removed; the next run removes them.
            with suppress(StorageError):
                self._lake.drop_run(run.id)
        return run

    def _log_end(self, run: Run) -> None:
        level = logging.INFO if run.state in FINE else logging.WARNING
        # As in the history: this process may have begun in the middle of the run.
        lasted = run.finished_at - run.started_at if run.finished_at and run.started_at else timedelta(0)
        seconds = round(max(0.0, lasted.total_seconds()), 3)
        counts = {"state": run.state.value, "rows": run.rows, "requests": run.requests, "duration_seconds": seconds}
        message = f"Run ended: {run.state.label}" + (f". {run.error}" if run.error else "")
        logger.log(level, "%s", message, extra=_named(run) | counts)

    def _interrupted(self) -> CancelledError:
        for run in self._runner.store.runs.interrupt(self._saved):
            self._log_end(run)
        # The version may exist before the run is stored as finished; the resumed run finds it and commits no second.
        words = (
            Phrase(
                "Run %(id)s was interrupted. The table may already have its new version. Resume the run within "
                "%(hours)s hours with: adreel run %(dataset)s"
            )
            if self._committing
            else Phrase(
                "Run %(id)s was interrupted. The table is unchanged. Resume the run within %(hours)s hours with: "
                "adreel run %(dataset)s"
            )
        )
        hours = RESUME_WITHIN // timedelta(hours=1)
        return CancelledError(phrase(words, id=self._run.id, hours=hours, dataset=self._saved.slug))

    def _failed(self, error: AdreelError) -> AdreelError:
        """Stores the error that ended the run; an invalid token also changes the account's status and the message."""
        self._tick()
        state = RunState.CANCELLED if isinstance(error, CancelledError) else RunState.FAILED
        self._end(RunOutcome.of_error(error, state))
        if not isinstance(error, ReconnectError):
            return error
        self._runner.store.accounts.set_status(self._account, AccountStatus.after(error))
        name = self._account.name
        return type(error)(
            phrase(
                "%(message)s To reconnect it: adreel accounts reconnect %(name)s. The next run then resumes this one.",
                message=error.message,
                name=repr(name),
            ),
            code=error.code,
            request_id=error.request_id,
        )

    def _tick(self) -> bool:
        """Shows and stores the progress and new log lines; returns whether the run is to be cancelled.

        LockLostError if the run is no longer this process's own.
        """
        self._held.check()
        self._watch.progress(self._progress)
        while self._notes:
            note = self._notes.pop(0)
            self._watch.say(note)
            self._lines.append(note)
        if self._lines:
            # The thread of the commit may add lines at the same time.
            lines = [self._lines.pop(0) for _ in range(len(self._lines))]
            self._watch.trouble(lines[-1])
            self._runner.store.runs.log(self._run.id, *lines)
            for line in lines:
                logger.info("%s", line, extra=_named(self._run))
        return self._runner.store.runs.progress(self._run.id, self._progress)

    async def _until_stopped(self) -> Committed:
        """Does the run's work and meanwhile checks for a request to cancel, which is ignored once the commit began."""
        work, cancelled = asyncio.create_task(self._work()), asyncio.create_task(self._until_cancelled())
        try:
            await asyncio.wait({work, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not self._committing:
                cancelled.result()
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                await self._cancel_tasks()
                raise CancelledError(phrase("Run %(id)s was cancelled. The table is unchanged.", id=self._run.id))
            return await work
        finally:
            cancelled.cancel()
            work.cancel()
            await asyncio.gather(work, cancelled, return_exceptions=True)

    async def _cancel_tasks(self) -> None:
        """Cancels the run's report tasks at TikTok, of which nothing depends on."""
        if self._tasks:
            with suppress(AdreelError):
                async with self._client_until(CANCEL_SECONDS):
                    await cancel_tasks(self._client, self._parts)

    async def _until_cancelled(self) -> None:
        """Returns when a person has cancelled the run."""
        while True:
            if self._tick():
                return
            await asyncio.sleep(TICK)

    def _enter(self, phase: Phase, share: float = 0.0) -> None:
        """The run does something else now; its share never falls."""
        self._progress = replace(self._progress, phase=phase, share=max(self._progress.share, share))

    async def _work(self) -> Committed:
        self._enter(Phase.AD_ACCOUNTS)
        await asyncio.to_thread(self._refuse_lost_table)
        await asyncio.to_thread(self._lake.refuse_unsafe_store)
        self._newest = await asyncio.to_thread(self._lake.newest_version, self._saved.table_slug)
        async with self._client_until(SHORTEST_DEADLINE):
            start, plan = await self._start()
        self._tasks = plan.tasks
        self._notes.extend(f"note: {note}" for note in (*plan.notes, *start.shop_notes))
        limits = report_limits(self._dataset, self._runner.settings.tiktok_level)
        least = plan.seconds(limits.per_second, limits.per_minute, limits.per_day)
        async with self._client_until(max(SHORTEST_DEADLINE, DEADLINE_FACTOR * least)):
            outcomes = await self._chunks(plan, start.plan)
            sent = self._client.counts.requests - self._client.counts.retried
            self._other_costs = await self._gmv_max_costs(plan)
            self._beside = self._client.counts.requests - self._client.counts.retried - sent
        self._size = self._size_of(plan, outcomes)
        self._enter(Phase.VERIFYING, READING)
        self._committing = True
        return await asyncio.to_thread(self._commit, plan, start, [ReadOutcome(failed=start.unreadable), *outcomes])

    def _size_of(self, plan: Plan, outcomes: list[ReadOutcome]) -> RunSize:
        """What the reading took, without requests that were sent again."""
        outcome, counts = combined(outcomes), self._client.counts
        # Another process sent a part of the requests of a resumed run, and some in vain.
        whole = counts.requests - counts.retried - self._beside
        requests = outcome.pages * plan.requests_per_page if self._resumed else whole
        if plan.tasks:
            # What pages would have taken, which estimates start from.
            requests = predicted_requests(plan, _rows_of(plan, outcome.rows_of))
        own_dates = self._run.dates is None
        return size_of_run(plan, self._saved.id, self._run.id, requests, outcome.rows_of, own_dates=own_dates)

    @asynccontextmanager
    async def _client_until(self, seconds: float) -> AsyncIterator[None]:
        """A client whose requests end after so many seconds, so that no run hangs."""
        runner = self._runner
        access = account_access(runner.settings, runner.store, self._account)
        deadline = runner.waits.monotonic() + seconds
        transport, log, waits = runner.transport, self._lines.append, runner.waits
        async with connected(
            runner.settings,
            runner.store,
            access,
            transport=transport,
            log=log,
            refused=log,
            deadline=deadline,
            waits=waits,
            paths=(
                *((TASK_PATH,) if self._tasks else ()),
                *((GMV_MAX_PATH,) if concerns(self._dataset) else paths_of(self._dataset)),
            ),
        ) as self._client:
            self._before = self._progress
            try:
                yield
            finally:
                self._count()

    async def _chunks(self, plan: Plan, mark: str) -> list[ReadOutcome]:
        """The outcome of every chunk, in the plan's order; `mark` is the plan's fingerprint."""
        finished = await self._finished(mark) if self._resumed else {}
        reading = self._reading = PageProgress(plan, self._expected(plan))
        self._progress = replace(self._progress, chunks_total=plan.chunk_count, chunks_done=len(finished))
        self._enter(Phase.ROWS, self._run.share if finished else 0.0)
        failed = {name: reason for record in finished.values() for name, reason in record.outcome.failed.items()}
        log = self._lines.append
        extraction = Extraction(plan, self._client, self._parts, self._arrived, failed, log=log)
        slots = asyncio.Semaphore(CHUNKS_AT_ONCE)

        async def read(chunk: Chunk) -> ReadOutcome:
            try:
                reading.start(chunk)
                outcome = await extraction.chunk(chunk)
                reading.finish(chunk)
                counts = self._progress.requests, self._progress.refused, self._progress.pages
                await self._parts.work(self._checkpoints.finish, mark, chunk.name, outcome, counts)
                self._progress = replace(self._progress, chunks_done=self._progress.chunks_done + 1)
                return outcome
            finally:
                slots.release()

        outcomes: dict[str, asyncio.Task[ReadOutcome] | ReadOutcome] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for chunk in plan.chunks():
                    if chunk.name in finished:
                        outcomes[chunk.name] = finished[chunk.name].outcome
                        reading.skip(chunk, finished[chunk.name].outcome.pages)
                        continue
                    await slots.acquire()
                    outcomes[chunk.name] = group.create_task(read(chunk))
        except BaseExceptionGroup as failures:
            raise first_failure(failures) from None
        return [outcome.result() if isinstance(outcome, asyncio.Task) else outcome for outcome in outcomes.values()]

    async def _finished(self, mark: str) -> dict[str, Finished]:
        """The chunks of the plan that earlier processes finished, by name; the run's counts continue theirs."""
        finished = {record.chunk: record for record in await self._checkpoints.finished(mark)}
        # A process that was killed may have counted more than it stored.
        self._before = replace(
            self._before,
            requests=max((self._before.requests, *(record.requests for record in finished.values()))),
            refused=max((self._before.refused, *(record.refused for record in finished.values()))),
            pages=max((self._before.pages, *(record.pages for record in finished.values()))),
        )
        self._count()
        return finished

    async def _start(self) -> tuple[RunStart, Plan]:
        """The start record and the plan: those of the resumed run, if this adreel plans the same requests."""
        start = self._checkpoints.read_start() if self._resumed else None
        if start is not None and self._runner.clock() - start.now > RESUME_WITHIN:
            self._notes.append(phrase("note: This run started more than a day ago, so it restarts."))
            start = None
        if start is not None:
            plan = make_plan(self._dataset, start.advertisers, start.now, start.first_days, start.shops)
            if fingerprint(plan) == start.plan:
                return start, replace(plan, tasks=start.tasks)
            self._notes.append(phrase("note: Another version of adreel started this run, so it restarts."))
        now, covering = self._runner.clock(), await self._covered()
        first = await asyncio.to_thread(self._first_days, now)
        earlier = await asyncio.to_thread(self._earlier_shops)
        read = await read_shops(self._client, self._dataset, covering.advertisers, now, earlier)
        advertisers = tuple(who for who in covering.advertisers if who.id not in read.unreadable)
        plan = make_plan(self._dataset, advertisers, now, first, read.shops)
        choice = self._estimate(plan).choice
        start = RunStart(
            fingerprint(plan),
            now,
            advertisers,
            covering.unreadable | read.unreadable,
            first,
            read.shops,
            read.notes,
            read.warnings,
            read.kept,
            choice.tasks,
            read.lacking,
        )
        self._checkpoints.write_start(start)
        if choice.text:
            self._notes.append(f"note: {choice.text}")
        return start, replace(plan, tasks=choice.tasks)

    def _first_days(self, now: datetime) -> FirstDays | None:
        """The first days of the table for the look-back window; None for a run of other days than the dataset's."""
        own_dates = self._run.dates is None
        return first_days(self._lake, self._saved.table_slug, self._dataset, now) if own_dates else None

    async def _gmv_max_costs(self, plan: Plan) -> dict[str, Any] | None:
        """What ad accounts of a basic report spent in GMV Max; None where it is not looked for."""
        runner, now = self._runner, self._runner.clock()
        if runner.settings.gmv_max_check != "on" or not concerns(plan.dataset):
            return None
        advertisers = unread(runner.store, self._account, (who for who, _ in plan.days()), now)
        if not advertisers:
            return None
        answer = earlier_answer(runner.store.runs.good(self._saved, 1), plan, advertisers, now)
        if answer is not None:
            return answer
        try:
            async with asyncio.timeout(PATIENCE):
                return await ask_costs(self._client, plan, advertisers, now)
        except TimeoutError:
            return None

    def _earlier_shops(self) -> dict[str, set[str]]:
        """The shops in the table by advertiser, for a report that reads shops."""
        slug, names = self._saved.table_slug, ("advertiser_id", "store_id")
        if not reads_shops(self._dataset) or not self._lake.exists(slug):
            return {}
        shops = defaultdict[str, set[str]](set)
        if set(names) <= set(self._lake.table(slug).schema.names):
            for batch in self._lake.read(slug, columns=names):
                pairs = batch.to_pydict()
                for advertiser_id, store_id in set(zip(pairs["advertiser_id"], pairs["store_id"], strict=True)):
                    if store_id is not None:
                        shops[advertiser_id].add(store_id)
        return shops

    async def _covered(self) -> Covered:
        """The advertisers to read. Raises AdvertiserError if there is none, or one that may not be skipped."""
        store, now = self._runner.store, self._runner.clock()
        advertisers = store.accounts.advertisers(self._account)
        if not is_fresh(advertisers, now):
            advertisers = await refresh(self._client, store, self._account)
        selection = self._dataset.advertisers or self._account.selection
        covering = covered(advertisers, selection, all_needed=self._dataset.needs_advertisers)
        refuse_unreadable(covering, advertisers, self._account, skip_failing=self._dataset.skip_failing)
        return covering

    def _estimate(self, plan: Plan) -> Estimate:
        """The estimate of the plan, which also chooses the way of reading."""
        runner = self._runner
        limits, now = report_limits(self._dataset, runner.settings.tiktok_level), runner.clock()
        advertisers = runner.store.accounts.advertisers(self._account)
        earlier = earlier_runs(runner.store, self._account, plan.dataset)
        return estimated(self._account, plan, earlier, advertisers, now, limits)

    def _expected(self, plan: Plan) -> int | None:
        """The requests that reading the plan takes; None if it is not known."""
        estimate = self._estimate(plan)
        return estimate.requests - estimate.account_requests if estimate.expected else None

    def _arrived(self, request: Request, part: Part) -> None:
        # Later batches of metrics are joined to the rows of the first.
        self._progress = replace(self._progress, rows=self._progress.rows + (0 if request.batch else part.rows))
        if self._reading is not None and part.of_task:
            # The first of them is number 2.
            self._reading.spare(part.total_pages - 1 if part.number == 2 else 0)
        elif self._reading is not None:
            self._reading.page(request, part.number, part.total_pages)
        self._count()

    def _count(self) -> None:
        counts, before, reading = self._client.counts, self._before, self._reading
        self._progress = replace(
            self._progress,
            requests=before.requests + counts.requests,
            refused=before.refused + counts.refused,
            pages=before.pages + counts.pages,
        )
        if reading is not None and reading.requests:
            planned = before.requests - before.pages + counts.retried + reading.requests
            share = max(self._progress.share, READING * reading.share)
            self._progress = replace(
                self._progress, requests_planned=max(planned, self._progress.requests), share=share
            )

    def _lost_version(self) -> Run | None:
        """The latest run that wrote a version, if the lake has no table: perhaps it is not mounted."""
        if self._lake.exists(self._saved.table_slug):
            return None
        return next(iter(self._runner.store.runs.good(self._saved, 1)), None)

    def _refuse_lost_table(self) -> None:
        """Raises StorageError rather than begin a lost table anew with nobody there who knows why it is gone."""
        lost = None if self._attended else self._lost_version()
        if lost is not None:
            raise StorageError(
                phrase(
                    "%(loss)s Nothing was written. Check that the disk or share of the lake is mounted. If the "
                    "table was removed on purpose, start a new one with: adreel run %(dataset)s",
                    loss=self._lost(lost),
                    dataset=self._saved.slug,
                )
            )

    def _lost(self, lost: Run) -> str:
        table = self._lake.table_url(self._saved.table_slug)
        return phrase(
            "The table at %(address)s is gone: run %(run)s wrote version %(version)s.",
            address=table,
            run=lost.id,
            version=lost.version,
        )

    def _landing(self) -> None:
        """Right before the table changes: raises if the lock or the lake of the run is lost."""
        self._held.check()
        self._refuse_lost_table()
        if self._checkpoints.read_start() is None:
            raise StorageError(
                phrase(
                    "The files of this run are gone from the lake at %(url)s, as if it was unmounted "
                    "meanwhile. The table is unchanged. Check that the disk or share of the lake is mounted, "
                    "then run again.",
                    url=self._lake.url,
                )
            )

    def _commit(self, plan: Plan, start: RunStart, outcomes: list[ReadOutcome]) -> Committed:
        slug, other_days = self._saved.table_slug, self._run.dates is not None
        lost = self._lost_version()
        committed = commit_run(
            self._lake,
            slug,
            self._run.id,
            plan,
            start.now,
            outcomes,
            other_days=other_days,
            dataset_slug=self._saved.slug,
            newest=self._newest,
            writing=lambda: self._enter(Phase.WRITING, VERIFIED),
            landing=self._landing,
            unread_shops=start.unread_shops,
        )
        anew = (
            phrase("%(lost)s This run started a new table with only its own rows.", lost=self._lost(lost))
            if lost
            else ""
        )
        on_purpose = self._dataset.excludes_gmv_max
        costs: tuple[str, ...] = ()
        if self._other_costs:
            costs = tuple(sentences_of_costs(self._other_costs, start.advertisers, on_purpose=on_purpose))
        more = (
            *filter(None, [anew]),
            *start.shop_warnings,
            *(() if on_purpose else costs),
            *self._missing_days(plan, start),
            *self._days_not_verified(committed.version),
        )
        notes = (*committed.notes, *start.shop_notes, *(costs if on_purpose else ()))
        verification = dict(committed.verification)
        if self._other_costs:
            verification[KEY] = {**self._other_costs, "on_purpose": on_purpose}
        if start.without_gmv_max:
            verification[WITHOUT] = list(start.without_gmv_max)
        return replace(committed, notes=notes, warnings=(*committed.warnings, *more), verification=verification)

    def _days_not_verified(self, newest: int) -> Iterator[str]:
        """Warnings of days in the table that a run read whose check failed, and that no run has read again."""
        for version, days in days_not_verified(self._runner.store, self._lake, self._saved).items():
            if version != newest:
                yield phrases(
                    "%(days)s day of the table (%(first_day)s) was read by the run of version %(version)s, whose check "
                    "failed, and not read again. To read and verify them, run a backfill for these days.",
                    "%(days)s days of the table (%(first_day)s to %(last_day)s) were read by the run of version "
                    "%(version)s, whose check failed, and not read again. To read and verify them, run a backfill for "
                    "these days.",
                    len(days),
                    days=integer(len(days)),
                    first_day=days[0],
                    last_day=days[-1],
                    version=version,
                )

    def _missing_days(self, plan: Plan, start: RunStart) -> Iterator[str]:
        """A warning if a resumed run read other days than one that starts now would."""
        if not self._resumed:
            return
        advertisers = [advertiser for read in plan.reads for advertiser in read.advertisers]
        due = make_plan(self._dataset, advertisers, self._runner.clock(), start.first_days, start.shops)
        if dict(plan.days()) != dict(due.days()):
            yield (
                phrase(
                    "This run started on %(day)s at %(time)s UTC and read the days up to then. Run the dataset again "
                    "for later days.",
                    day=shown_day(start.now.date()),
                    time=f"{start.now:%H:%M}",
                )
            )


def _rows_of(plan: Plan, rows: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """The rows of each advertiser, and the days that they span."""
    return {advertiser.id: (rows.get(advertiser.id, 0), span.days) for advertiser, span in plan.days()}


def _named(run: Run) -> dict[str, str]:
    """The run in the log, also where a command runs it and no process of its own."""
    return {"run_id": run.id, "dataset": run.dataset_slug}


def _outcome(committed: Committed) -> RunOutcome:
    return RunOutcome(
        RunState.of_version(committed.verification, committed.warnings, committed.skipped),
        version=committed.version,
        verification=committed.verification,
        notes=committed.notes,
        warnings=committed.warnings,
        skipped=committed.skipped,
        table_rows=committed.table_rows,
        table_columns=committed.table_columns,
    )


def _report(run: Run, table: str, seconds: float, resumed: bool) -> RunReport:
    return RunReport(
        run_id=run.id,
        state=run.state,
        rows=run.rows,
        requests=run.requests,
        refused=run.refused,
        pages=run.pages,
        seconds=round(seconds, 3),
        version=run.version,
        table=table,
        verification=run.verification,
        notes=run.notes,
        warnings=run.warnings,
        skipped=run.skipped,
        resumed=resumed,
    )
