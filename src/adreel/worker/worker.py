"""The worker's loop: what it does, how often, and how it goes on after a fault."""

from __future__ import annotations

import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from adreel.catalog_file import follow_or_log
from adreel.errors import AdreelError, error_id_of
from adreel.logs import log_fields, logger_of
from adreel.notify.ticking import deliver, tick
from adreel.pruning import tick as prune
from adreel.settings import Settings
from adreel.store import Run, Store, WorkerInfo
from adreel.worker.dashboards import DashboardProcess
from adreel.worker.processes import RunProcesses
from adreel.worker.publishing import PublishingProcesses
from adreel.worker.schedules import correct_next_times, enqueue_due
from adreel.worker.takeover import dead_workers, take_over

RUNS_AT_ONCE = 2
"""Runs that a worker has in progress at a time: they share the rate of the app, so more are no faster with one app."""

LOOK_SECONDS = 0.25
"""Seconds between two looks at the processes and, if the store has changed, at the queue."""

CLAIM_SECONDS = 1.0
"""Seconds between two looks at the queue if the store has not changed, as runs wait until a time."""

CLOCK_BACK = timedelta(seconds=5)
"""A clock that goes back by more than that was set, and next times are corrected."""

UPKEEP_SECONDS = 1.0
"""Seconds between two looks at what may take long and must not hold up the queue."""

STOP_SECONDS = 5.0
"""How long a worker that stops waits for what may take long; it goes on where it was at another time."""

START_WAIT = timedelta(seconds=5)
"""How long a run waits whose process could not be started."""

log = logger_of(__name__)


@dataclass(slots=True)
class Duty:
    """What a worker does again and again; `do` is called every so many seconds."""

    name: str
    every: float
    do: Callable[[datetime], object]
    next_at: float = 0.0
    failures: int = 0

    def act(self, now: datetime, monotonic: float) -> None:
        """Does it if it is time. A fault is logged, and the duty tried again later; the others go on."""
        if monotonic < self.next_at:
            return
        try:
            self.do(now)
        except AdreelError as error:
            # A full disk or a busy database may recover.
            self._failed(monotonic)
            log.warning("%s failed: %s", self.name, error)
        except Exception as error:
            self._failed(monotonic)
            log.exception("%s failed: unexpected error", self.name, extra={"error_id": error_id_of(error)})
        else:
            self.failures, self.next_at = 0, monotonic + self.every

    def _failed(self, monotonic: float) -> None:
        self.failures += 1
        self.next_at = monotonic + min(60.0, max(self.every, 1.0) * 2 ** min(self.failures, 6))


class Worker:
    """Takes runs from the queue of one home until it is stopped.

    `clock` is the home's time, which schedules go by, and `wall` the machine's own, by which workers know of each
    other. `environ` is the environment of the processes of runs (see `environment`).
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        environ: Mapping[str, str],
        *,
        clock: Callable[[], datetime],
        wall: Callable[[], datetime],
        runs_at_once: int = RUNS_AT_ONCE,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._wall = wall
        self._processes = RunProcesses(environ)
        self._dashboards = DashboardProcess(environ)
        self._publishing = PublishingProcesses(environ)
        self._me = _introduced(wall(), runs_at_once)
        self._elsewhere = 0
        self._stamp: object = None
        self._claimed_at = 0.0
        self._latest = clock()
        self._duties = (
            Duty("Telling that the worker is alive", 3.0, self._beat),
            Duty("Looking after the processes of runs", 0.0, self._reap),
            Duty("Correcting schedules", 3600.0, self._correct),
            Duty("Looking for schedules that are due", 1.0, lambda now: enqueue_due(self._store, now)),
            Duty("Taking over runs", 2.0, self._take_over),
            Duty("Working off backfills", 2.0, self._backfill),
            Duty("Starting runs", 0.0, self._start),
        )
        # May take long, so another thread has them: the queue waits for none. Each call does a bounded part.
        self._upkeep = (
            Duty("Looking for incidents", 5.0, lambda now: tick(self._store, self._settings, now)),
            Duty(
                "Sending notifications",
                0.0,
                lambda now: deliver(self._store, self._settings, now, wall=self._wall()),
            ),
            Duty("Sending dashboards", 5.0, lambda now: self._dashboards.look(self._store, now, wall=self._wall())),
            Duty("Publishing", 2.0, lambda now: self._publishing.look(self._store, now)),
            Duty("Pruning", 60.0, lambda now: prune(self._store, self._settings, now)),
        )

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set. Runs in progress go on by themselves."""
        stopped = threading.Event()
        upkeep = threading.Thread(target=self._keep_up, args=(stopped,), name="upkeep", daemon=True)
        with log_fields(worker=self._me.id):
            upkeep.start()
            log.info("Worker started: %d runs at once", self._me.runs_at_once)
            try:
                while not stop.wait(LOOK_SECONDS):
                    self.look()
            finally:
                stopped.set()
                self._processes.close()
                upkeep.join(STOP_SECONDS)
                self._dashboards.close()
                self._publishing.close()
                self._store.queue.beat(replace(self._me, heartbeat_at=self._wall(), ended_at=self._wall()))
                log.info("Worker stopped. Runs in progress continue.")

    def look(self) -> None:
        """Does everything once that it is time for."""
        follow_or_log(self._settings.home)
        now = self._clock()
        if now < self._latest - CLOCK_BACK:
            log.warning("The clock went back from %s to %s: schedules are corrected.", self._latest, now)
            self._correct(now)
        self._latest = now
        for duty in self._duties:
            duty.act(now, time.monotonic())

    def upkeep(self) -> None:
        """Does everything once that may take long and that it is time for."""
        for duty in self._upkeep:
            duty.act(self._clock(), time.monotonic())

    def _keep_up(self, stopped: threading.Event) -> None:
        with log_fields(worker=self._me.id):
            while not stopped.wait(UPKEEP_SECONDS):
                self.upkeep()

    def _beat(self, _now: datetime) -> None:
        self._store.queue.beat(replace(self._me, heartbeat_at=self._wall()))

    def _correct(self, now: datetime) -> None:
        correct_next_times(self._store, now)

    def _backfill(self, now: datetime) -> None:
        if self._store.backfills.unsettled():
            # Imported where there is one: the worker stays small without.
            from adreel.pipeline.backfills import tick

            tick(self._store, now)

    def _reap(self, _now: datetime) -> None:
        for ended in self._processes.ended():
            run = self._store.queue.died(ended.run_id, self._me.id, ended.last_words)
            if run is not None:
                log.warning("The process of the run died: %s", ended.last_words, extra=_named(run))

    def _take_over(self, _now: datetime) -> None:
        taken = take_over(self._store, self._processes.run_ids)
        if taken:
            log.warning("Runs of dead processes that go on: %d.", taken)
        dead = dead_workers(self._store, self._wall(), self._me)
        self._store.queue.release_claims([worker.id for worker in dead])
        self._store.queue.cancel_deleted()
        claims = self._store.queue.claims()
        self._elsewhere = sum(claims.get(worker.id, 0) for worker in dead if worker.host == self._me.host)

    def _start(self, now: datetime) -> None:
        free = self._me.runs_at_once - len(self._processes.run_ids) - self._elsewhere
        if free <= 0 or not self._may_have_work():
            return
        # A run that is back in the queue while its process still ends: that end would be taken for the next one's.
        for run in self._store.queue.claim(self._me.id, free, now, self._processes.run_ids):
            try:
                self._processes.start(run.id)
            except OSError as error:
                self._store.queue.release(run.id, now + START_WAIT)
                log.warning("The process of the run could not be started: %s", error, extra=_named(run))
            else:
                log.info("Process of the run started", extra=_named(run))

    def _may_have_work(self) -> bool:
        """Whether the store has changed since the last look at the queue, or that was a while ago."""
        stamp = self._store.stamp()
        if stamp == self._stamp and time.monotonic() - self._claimed_at < CLAIM_SECONDS:
            return False
        self._stamp, self._claimed_at = stamp, time.monotonic()
        return True


def _named(run: Run) -> dict[str, str]:
    return {"run_id": run.id, "dataset": run.dataset_slug}


def _introduced(now: datetime, runs_at_once: int) -> WorkerInfo:
    host, pid = platform.node() or "localhost", os.getpid()
    return WorkerInfo(f"{host}-{pid}-{secrets.token_hex(3)}", host, pid, runs_at_once, now, now, None)
