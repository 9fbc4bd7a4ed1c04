"""One run as durable steps: advertisers, chunks, proof and commit, each done once however often the process dies.

DBOS keeps the outcome of every step in a SQLite file in the home folder. The executor id is the dataset's own and the
dataset's lock is held, so a run that a dead process left is taken up by the next process that runs the dataset, and
by no other.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowHandle

from adreel import errors
from adreel.assemble import commit_run
from adreel.connections import Waits, account_access, connected, covered, is_fresh, refresh, refuse_unreadable
from adreel.dataset import Dataset, parse
from adreel.errors import (
    AdreelError,
    CancelledError,
    ReconnectError,
    StorageError,
    disk_fault,
    disk_faults_told,
)
from adreel.extract import Extraction, Outcome, Parts
from adreel.lake import Lake
from adreel.orders import PASSING, RESUME_WITHIN, DateRange, Orders, remove_steps, steps_file
from adreel.plan import Advertiser, Chunk, Plan, make_plan
from adreel.saving import source_of
from adreel.settings import Settings
from adreel.store import Account, AccountStatus, Progress, Run, RunState, SavedDataset, Store, new_run_id
from adreel.store import Outcome as RunOutcome
from adreel.store.home import private_file
from adreel.store.locks import dataset_lock, tell_holder
from adreel.tiktok.client import Client, first_failure
from adreel.tiktok.pace import limits_for

VERSION = "1"
"""The shape of the steps; counted up when a run of an older adreel could not be gone on with."""

CHUNKS_AT_ONCE = 16
"""Steps under way at a time: enough requests to fill any app level at two seconds an answer."""

TICK = 0.5
"""Seconds between two looks at how far the run is and whether it is to stop."""

SHORTEST_DEADLINE = 6 * 3600.0
DEADLINE_FACTOR = 10.0
"""A run ends after six hours, or after ten times what its requests take at the app's limits if that is longer."""

EXPIRED_CODES = frozenset({40102, 40103})
"""TikTok's codes for a token that has expired, where the others say that it is wrong or revoked."""

WAITING = frozenset({"PENDING", "ENQUEUED"})
"""States in which DBOS has a workflow that is yet to end."""

_Step = Callable[..., Awaitable[dict[str, Any]]]


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
    """What the person sees of a run while it works; called about twice a second from the main thread."""

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
        dataset = parse(source_of(saved, dates), self.clock())
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
    """One run at work: what its steps share while this process lives."""

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._done = threading.Event()
        self._committing = False
        self._lines: list[str] = []
        self._notes: list[str] = []

    # -- the main thread

    def do(self) -> RunReport:
        """Works until the run is over, writes down how it ended, and reports or raises."""
        store = self._runner.store
        self._run = store.runs.begin(self._run.id)
        began = time.monotonic()
        try:
            self._runner.orders.sweep(self._lake, self._run)
            with _seldom_collected():
                answer = self._durably()
        except KeyboardInterrupt:
            raise self._interrupted() from None
        except Exception as error:
            # What is no error of TikTok's or of a request ends the run here: the disk, or a bug.
            cause = disk_fault(error) or error
            known = isinstance(cause, AdreelError)
            words = str(cause) if known else f"This is a bug of adreel; please report it: {error!r}"
            self._finish(RunOutcome(RunState.FAILED, error=words, error_kind=type(cause).__name__))
            raise
        if "proof" in answer:
            self._progress = replace(self._progress, rows=answer["proof"]["rows"])
        self._tick()
        run = self._finish(_outcome(answer))
        if run.error:
            raise self._error(answer)
        return _report(run, self._lake.table_url(self._saved.table_slug), time.monotonic() - began, self._resumed)

    def _finish(self, outcome: RunOutcome) -> Run:
        """Writes down how the run ended, and removes what nobody will go on with."""
        run = self._runner.store.runs.finish(self._run.id, outcome)
        remove_steps(self._runner.settings, run.id)
        if outcome.error_kind not in PASSING:
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

    def _error(self, answer: Mapping[str, Any]) -> AdreelError:
        """The error that ended the run; a dead token is noted in the account."""
        error = _error(answer)
        if not isinstance(error, ReconnectError):
            return error
        status = AccountStatus.EXPIRED if error.code in EXPIRED_CODES else AccountStatus.REVOKED
        self._runner.store.accounts.set_status(self._account, status)
        name = self._account.name
        return ReconnectError(
            f"{error.message} That is: adreel accounts reconnect {name!r}. Then the next run goes on where this one "
            "stopped.",
            code=error.code,
            request_id=error.request_id,
        )

    def _durably(self) -> dict[str, Any]:
        """The workflow's answer; steps that are done are not done again."""
        path = steps_file(self._runner.settings, self._run.id)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        private_file(path)
        config: DBOSConfig = {
            "name": "adreel",
            "system_database_url": f"sqlite:///{path}",
            "application_version": VERSION,
            "executor_id": self._run.id,
            "log_level": "CRITICAL",
            "notification_listener_polling_interval_sec": 0.05,
            "scheduler_polling_interval_sec": 3600,
        }
        DBOS(config=config)
        try:
            workflow = self._workflow()
            DBOS.launch()
            workflow_id, status = self._left_by_dead_process()
            handle: WorkflowHandle[Any]
            if status is None:
                with SetWorkflowID(workflow_id):
                    handle = DBOS.start_workflow(workflow)
            else:
                handle = DBOS.retrieve_workflow(workflow_id)
            while (status is None or status in WAITING) and not self._done.wait(TICK):
                self._tick()
            answer: dict[str, Any] = handle.get_result(polling_interval_sec=0.05)
            return answer
        finally:
            self._loop = None
            DBOS.destroy(destroy_registry=True)
            # Its handler holds on to this stderr, which another run of this process may not have.
            logging.getLogger("dbos").handlers.clear()

    def _left_by_dead_process(self) -> tuple[str, str | None]:
        """The workflow to go on with and its status; one that ended in trouble is followed by a new one.

        A new one reads nothing again, for it finds the parts.
        """
        number = 0
        while True:
            workflow_id = f"{self._run.id}-{number}"
            status = DBOS.get_workflow_status(workflow_id)
            if status is None or status.status in WAITING:
                return workflow_id, None if status is None else status.status
            if status.status == "SUCCESS":
                answer: dict[str, Any] = DBOS.retrieve_workflow(workflow_id).get_result()
                if answer.get("error") not in PASSING:
                    return workflow_id, status.status
            number += 1

    def _tick(self) -> None:
        """Tells how far the run is, writes it down, and passes on that it is to stop."""
        self._watch.progress(self._progress)
        while self._notes:
            note = self._notes.pop(0)
            self._watch.say(note)
            self._lines.append(note)
        if self._lines:
            # The loop adds lines meanwhile.
            lines = [self._lines.pop(0) for _ in range(len(self._lines))]
            self._watch.trouble(lines[-1])
            self._runner.store.runs.log(self._run.id, *lines)
        if self._runner.store.runs.progress(self._run.id, self._progress) and self._loop and self._stop:
            self._loop.call_soon_threadsafe(self._stop.set)

    # -- the workflow, in the loop of DBOS

    def _workflow(self) -> Callable[[], Coroutine[Any, Any, dict[str, Any]]]:
        """Registers the steps and the workflow over them, new for each run: they hold its client and lake."""

        @DBOS.step(name="ask")
        async def ask() -> dict[str, Any]:
            return await self._asked()

        @DBOS.step(name="chunk")
        async def chunk(extraction: Extraction, piece: Chunk) -> dict[str, Any]:
            return (await extraction.chunk(piece)).as_json()

        @DBOS.step(name="commit")
        async def commit(plan: Plan, outcomes: list[Outcome]) -> dict[str, Any]:
            return await asyncio.to_thread(self._commit, plan, outcomes)

        @DBOS.workflow(name="run")
        async def run() -> dict[str, Any]:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            try:
                return await self._until_stopped(self._connected(ask, chunk, commit))
            except AdreelError as error:
                return _failure(error)
            finally:
                self._done.set()

        return run

    async def _until_stopped(self, steps: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        assert self._stop is not None
        work, stop = asyncio.create_task(steps), asyncio.create_task(self._stop.wait())
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if work.done() or self._committing:
            # A commit cannot be called back, so a stop that comes during it comes too late.
            return await work
        work.cancel()
        await asyncio.wait({work})
        raise CancelledError(f"Run {self._run.id} was cancelled; the table stays as it was.")

    async def _connected(self, ask: _Step, chunk: _Step, commit: _Step) -> dict[str, Any]:
        async with self._client_until(SHORTEST_DEADLINE):
            asked = await ask()
        plan, unreadable = _plan_of(self._dataset, asked)
        self._now = datetime.fromisoformat(asked["now"])
        self._tell_notes(plan)
        limits = limits_for(self._runner.settings.tiktok_level)
        least = plan.seconds(limits.per_second, limits.per_minute, limits.per_day)
        async with self._client_until(max(SHORTEST_DEADLINE, DEADLINE_FACTOR * least)):
            outcomes = await self._chunks(plan, chunk)
        self._committing = True
        return await commit(plan, [Outcome(failed=unreadable), *outcomes])

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

    async def _chunks(self, plan: Plan, chunk: _Step) -> list[Outcome]:
        """Every chunk's outcome."""
        self._progress = replace(
            self._progress, chunks_total=plan.chunk_count, requests_planned=plan.request_count, chunks_done=0
        )
        extraction = Extraction(plan, self._client, Parts(self._lake, self._run.id), self._arrived)
        slots = asyncio.Semaphore(CHUNKS_AT_ONCE)

        async def one(piece: Chunk) -> Outcome:
            try:
                outcome = Outcome.from_json(await chunk(extraction, piece))
                self._progress = replace(self._progress, chunks_done=self._progress.chunks_done + 1)
                return outcome
            finally:
                slots.release()

        try:
            # Steps are numbered as they start, so they start in the plan's order: a resumed run starts them alike.
            async with asyncio.TaskGroup() as group:
                tasks = []
                for piece in plan.chunks():
                    await slots.acquire()
                    tasks.append(group.create_task(one(piece)))
        except BaseExceptionGroup as failures:
            raise first_failure(failures) from None
        return [task.result() for task in tasks]

    async def _asked(self) -> dict[str, Any]:
        """The time and the advertisers that the run is planned with; kept beside its parts, which belong to them."""
        parts = Parts(self._lake, self._run.id)
        noted = parts.note("", "asked")
        if noted is not None:
            return dict(noted)
        store, now = self._runner.store, self._runner.clock()
        known = store.accounts.advertisers(self._account)
        if not is_fresh(known, now):
            known = await refresh(self._client, store, self._account)
        found = covered(known, self._dataset.advertisers or self._account.selection)
        refuse_unreadable(found, known, self._account, skip_failing=self._dataset.skip_failing)
        asked = {
            "now": now.isoformat(),
            "advertisers": [[one.id, one.name, one.currency, one.offset.total_seconds()] for one in found.advertisers],
            "unreadable": found.unreadable,
        }
        parts.write_note("", "asked", asked)
        return asked

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

    def _commit(self, plan: Plan, outcomes: list[Outcome]) -> dict[str, Any]:
        slug, other_days = self._saved.table_slug, self._run.dates is not None
        committed = commit_run(self._lake, slug, self._run.id, plan, self._now, outcomes, other_days=other_days)
        return replace(committed, warnings=(*committed.warnings, *self._moved(plan))).as_json()

    def _moved(self, plan: Plan) -> Iterator[str]:
        """Says so if a run that was gone on with read other days than one that begins now would."""
        if not self._resumed:
            return
        advertisers = [one for read in plan.reads for one in read.advertisers]
        then, now = dict(plan.days()), dict(make_plan(self._dataset, advertisers, self._runner.clock()).days())
        if then != now:
            yield (
                f"This run began at {self._now:%Y-%m-%d %H:%M} UTC, and its days are counted from then. Run the "
                "dataset again for the days since."
            )


def _plan_of(dataset: Dataset, asked: Mapping[str, Any]) -> tuple[Plan, dict[str, str]]:
    advertisers = [
        Advertiser(advertiser_id, name, currency, timedelta(seconds=seconds))
        for advertiser_id, name, currency, seconds in asked["advertisers"]
    ]
    return make_plan(dataset, advertisers, datetime.fromisoformat(asked["now"])), dict(asked["unreadable"])


def _failure(error: AdreelError) -> dict[str, Any]:
    """An error as plain values, which a resumed process reads back as the same error."""
    return {
        "error": type(error).__name__,
        "message": error.message,
        "code": error.code,
        "request_id": error.request_id,
    }


def _error(answer: Mapping[str, Any]) -> AdreelError:
    kind = getattr(errors, answer["error"])
    found: AdreelError = kind(answer["message"], code=answer["code"], request_id=answer["request_id"])
    return found


def _outcome(answer: Mapping[str, Any]) -> RunOutcome:
    if "error" in answer:
        state = RunState.CANCELLED if answer["error"] == "CancelledError" else RunState.FAILED
        return RunOutcome(state, error=str(_error(answer)), error_kind=answer["error"])
    clean = answer["proof"]["proved"] and not answer["skipped"] and not answer["warnings"]
    return RunOutcome(
        RunState.SUCCEEDED if clean else RunState.WARNED,
        version=answer["version"],
        proof=answer["proof"],
        warnings=tuple(answer["warnings"]),
        skipped=answer["skipped"],
        # Not in what an older adreel left to go on with.
        table_rows=answer.get("table_rows"),
        table_columns=answer.get("table_columns"),
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
