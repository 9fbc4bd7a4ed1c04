"""One run as durable steps: advertisers, chunks, proof and commit, each done once however often the process dies.

DBOS keeps the outcome of every step in a SQLite file in the home folder. The executor id is the dataset's own and the
dataset's lock is held, so a run that a dead process left is taken up by the next process that runs the dataset, and
by no other.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowHandle

from adreel import errors
from adreel.assemble import commit_run
from adreel.connections import account_access, connected, covered, is_fresh, refresh
from adreel.dataset import Dataset, Source, parse
from adreel.errors import AdreelError, AdvertiserError, CancelledError, InputError, ReconnectError
from adreel.extract import Extraction, Outcome, Parts, first_failure
from adreel.lake import Lake
from adreel.plan import Advertiser, Chunk, Plan, make_plan
from adreel.settings import Settings
from adreel.store import Account, AccountStatus, Progress, Run, RunState, SavedDataset, Store, new_run_id
from adreel.store import Outcome as RunOutcome
from adreel.store.home import private_file
from adreel.store.locks import dataset_lock, lock_holder, tell_holder
from adreel.tiktok.client import Client

VERSION = "1"
"""The shape of the steps; counted up when a run of an older adreel could not be gone on with."""

CHUNKS_AT_ONCE = 16
"""Steps under way at a time: enough requests to fill any app level at two seconds an answer."""

RESUME_WITHIN = timedelta(hours=24)
"""A run that was interrupted longer ago begins anew, so that its pages are not of different days."""

TICK = 0.5
"""Seconds between two looks at how far the run is and whether it is to stop."""

PASSING = frozenset({"RetryError", "ThrottledError", "ReconnectError", "StorageError"})
"""Errors after which the next run goes on where this one stopped: what was read is still good."""

WAITING = frozenset({"PENDING", "ENQUEUED"})
"""States in which DBOS has a workflow that is yet to end."""

DateRange = tuple[str, str]
"""A start and an end as a person writes them, in place of the dataset's own dates."""

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


class Runner:
    """Runs datasets in this process. `transport` replaces the network, `clock` gives aware times."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        clock: Callable[[], datetime],
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Opens nothing yet."""
        self.settings = settings
        self.store = store
        self.clock = clock
        self.transport = transport

    def run(self, saved: SavedDataset, watch: Watch, dates: DateRange | None = None) -> RunReport:
        """Runs the dataset to its end, or goes on with a run that did not come to its end.

        `dates` replaces the dataset's own. Raises BusyError if another process runs it, and whatever ended the run,
        after writing it down.
        """
        account = self._account(saved)
        dataset = parse(source_of(saved, dates), self.clock())
        lake = Lake(self.settings.lake_url)
        with dataset_lock(self.settings.home, saved.slug):
            found = self._unfinished(saved, dates)
            run = found or self.store.runs.add(saved, new_run_id(), dates=dates)
            tell_holder(self.settings.home, saved.slug, run.id)
            self._sweep(saved, lake, run)
            if found:
                watch.say(f"Going on with run {run.id}, which did not come to its end.")
            return _Work(self, lake, saved, account, dataset, run, watch).do(resumed=found is not None)

    def _account(self, saved: SavedDataset) -> Account:
        if saved.account_id is None:
            raise InputError(
                f"The dataset {saved.name!r} is disconnected: its account {saved.account_name!r} was deleted. "
                f"Name another account with: adreel datasets edit {saved.slug}"
            )
        account = self.store.accounts.get(saved.account_id)
        if account.status is not AccountStatus.VALID:
            raise ReconnectError(
                f"The account {account.name!r} is {account.status}. Connect it again: "
                f"adreel accounts reconnect {account.name!r}"
            )
        return account

    def _unfinished(self, saved: SavedDataset, dates: DateRange | None) -> Run | None:
        """The run to go on with: the latest, if it ended lately for a reason that passes, and asked the same."""
        self.store.runs.interrupt(saved)
        latest = next(iter(self.store.runs.list(saved, limit=1)), None)
        if latest is None or latest.cancel_requested or latest.spec_version != saved.spec_version:
            return None
        stopped = latest.state is RunState.INTERRUPTED or (
            latest.state is RunState.FAILED and latest.error_kind in PASSING
        )
        seen = latest.heartbeat_at or latest.created_at
        lately = self.clock() - seen <= RESUME_WITHIN
        return latest if stopped and lately and latest.dates == dates else None

    def cancel(self, run: Run) -> None:
        """Asks the run's process to stop; if that died, the run is cancelled here and now."""
        asked = self.store.runs.request_cancel(run.id)
        if run.dataset_id is None or lock_holder(self.settings.home, run.dataset_slug) is not None:
            return
        self.store.runs.finish(asked.id, RunOutcome(RunState.CANCELLED, error="Cancelled after its process died."))
        Lake(self.settings.lake_url).drop_run(run.id)
        steps_file(self.settings, run.id).unlink(missing_ok=True)

    def _sweep(self, saved: SavedDataset, lake: Lake, run: Run) -> None:
        """Removes the parts of the dataset's earlier runs, which no run will go on with."""
        for other in self.store.runs.list(saved, limit=20):
            if other.id != run.id:
                lake.drop_run(other.id)
                steps_file(self.settings, other.id).unlink(missing_ok=True)


def steps_file(settings: Settings, run_id: str) -> Path:
    """The file that keeps a run's finished steps; it goes when the run is over."""
    return settings.home / "steps" / f"{run_id}.db"


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
    ) -> None:
        self._runner = runner
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
        self._lines: list[str] = []

    # -- the main thread

    def do(self, *, resumed: bool) -> RunReport:
        """Works until the run is over, writes down how it ended, and reports or raises."""
        store = self._runner.store
        self._run = store.runs.begin(self._run.id)
        began = time.monotonic()
        try:
            answer = self._durably()
        except KeyboardInterrupt:
            store.runs.interrupt(self._saved)
            raise
        if "proof" in answer:
            self._progress = replace(self._progress, rows=answer["proof"]["rows"])
        self._tick()
        outcome = _outcome(answer)
        run = store.runs.finish(self._run.id, outcome)
        steps_file(self._runner.settings, run.id).unlink(missing_ok=True)
        if outcome.error_kind not in PASSING:
            self._lake.drop_run(run.id)
        if outcome.error:
            raise _error(answer)
        return _report(run, self._lake.table_url(self._saved.table_slug), time.monotonic() - began, resumed)

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
            status = DBOS.get_workflow_status(self._run.id)
            handle: WorkflowHandle[Any]
            if status is None:
                with SetWorkflowID(self._run.id):
                    handle = DBOS.start_workflow(workflow)
            else:
                handle = DBOS.retrieve_workflow(self._run.id)
            while (status is None or status.status in WAITING) and not self._done.wait(TICK):
                self._tick()
            answer: dict[str, Any] = handle.get_result(polling_interval_sec=0.05)
            return answer
        finally:
            DBOS.destroy(destroy_registry=True)
            # Its handler holds on to this stderr, which another run of this process may not have.
            logging.getLogger("dbos").handlers.clear()

    def _tick(self) -> None:
        """Tells how far the run is, writes it down, and passes on that it is to stop."""
        self._watch.progress(self._progress)
        while self._lines:
            self._runner.store.runs.log(self._run.id, self._lines.pop(0))
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
        async def commit(plan: Plan, outcome: Outcome) -> dict[str, Any]:
            return await asyncio.to_thread(self._commit, plan, outcome)

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
        if work.done():
            return work.result()
        work.cancel()
        await asyncio.wait({work})
        raise CancelledError(f"Run {self._run.id} was cancelled; the table stays as it was.")

    async def _connected(self, *steps: _Step) -> dict[str, Any]:
        settings = self._runner.settings
        access = account_access(settings, self._runner.store, self._account)
        transport, log = self._runner.transport, self._lines.append
        async with connected(settings, access, transport=transport, log=log) as self._client:
            try:
                return await self._steps(*steps)
            finally:
                self._count()

    async def _steps(self, ask: _Step, chunk: _Step, commit: _Step) -> dict[str, Any]:
        asked = await ask()
        plan, unreadable = _plan_of(self._dataset, asked)
        self._now = datetime.fromisoformat(asked["now"])
        self._progress = replace(
            self._progress, chunks_total=plan.chunk_count, requests_planned=plan.request_count, chunks_done=0
        )
        extraction = Extraction(plan, self._client, Parts(self._lake, self._run.id), self._arrived)
        outcome = Outcome(failed=unreadable)
        slots = asyncio.Semaphore(CHUNKS_AT_ONCE)

        async def one(piece: Chunk) -> Outcome:
            try:
                return Outcome.from_json(await chunk(extraction, piece))
            finally:
                slots.release()
                self._progress = replace(self._progress, chunks_done=self._progress.chunks_done + 1)

        async def every() -> Outcome:
            # Steps are numbered as they start, so they start in the plan's order: a resumed run starts them alike.
            async with asyncio.TaskGroup() as group:
                tasks = []
                for piece in plan.chunks():
                    await slots.acquire()
                    tasks.append(group.create_task(one(piece)))
            return sum((task.result() for task in tasks), Outcome())

        try:
            outcome += await every()
        except BaseExceptionGroup as failures:
            raise first_failure(failures) from None
        return await commit(plan, outcome)

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
        if found.unreadable and not self._dataset.skip_failing:
            first, reason = next(iter(found.unreadable.items()))
            raise AdvertiserError(
                f"Advertiser {first} cannot be read: {reason}. Leave it out of advertisers, or set "
                "skip_failing_advertisers: true."
            )
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

    def _commit(self, plan: Plan, outcome: Outcome) -> dict[str, Any]:
        committed = commit_run(self._lake, self._saved.table_slug, self._run.id, plan, self._now, outcome)
        return committed.as_json()


def source_of(saved: SavedDataset, dates: DateRange | None = None) -> Source:
    """The saved dataset's file as values, with other dates if they are given."""
    values: dict[str, Any] = json.loads(saved.spec) | {"account": saved.account_name}
    if dates is not None:
        values = {**values, "dates": {"start": dates[0], "end": dates[1]}}
    return Source(values, {})


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
