"""Workers and processes of runs that are killed at each step: the table is as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from adreel.access import Actor, Guard
from adreel.clock import wall_clock
from adreel.pipeline.orders import Orders
from adreel.settings import Settings
from adreel.store import FINISHED, Run, RunState, Store
from adreel.store.locks import lock_holder
from home import environment_of
from outside import REQUESTS, Outside, check_table, made_outside, until

Moment = Callable[[Outside], bool]

MOMENTS: dict[str, Moment] = {
    "plan": lambda outside: outside.asked_for() + len(outside.home.world.state.simulator.log) > 0,
    "page": lambda outside: outside.asked() >= REQUESTS // 3,
    "verify": lambda outside: outside.asked() >= REQUESTS,
    "write": lambda outside: any(outside.home.path.glob("lake/spend/*.parquet")),
    "commit": lambda outside: any(outside.home.path.glob("lake/spend/_delta_log/*.json")),
}


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    with made_outside(tmp_path) as outside:
        yield outside


class Fleet:
    """Worker processes of one home, and its store."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        environ = environment_of(outside.home, outside.url) | {"ADREEL_TIKTOK_LEVEL": "100"}
        self.settings = Settings.load({name: value for name, value in environ.items() if name.startswith("ADREEL_")})
        self.store = Store.open(self.settings, clock=wall_clock)
        self.workers: list[subprocess.Popen[str]] = []

    def queue(self) -> str:
        self.outside.home.good("datasets", "create", "-f", self.outside.file())
        orders = Orders(self.settings, self.store, clock=wall_clock)
        return orders.enqueue(Guard(self.store, Actor(None)), self.store.datasets.get("spend")).id

    def hire(self) -> subprocess.Popen[str]:
        worker = self.outside.start("worker")
        self.workers.append(worker)
        return worker

    def kill_run(self) -> None:
        holder = lock_holder(self.settings.home, "spend")
        if holder is not None and holder.pid:
            with suppress(ProcessLookupError):
                os.kill(holder.pid, signal.SIGKILL)

    def ended(self, run_id: str) -> Run:
        until(lambda: self.store.runs.get(run_id).state in FINISHED - {RunState.INTERRUPTED})
        # It stores how it ended first, and then removes its parts.
        until(lambda: lock_holder(self.settings.home, "spend") is None)
        return self.store.runs.get(run_id)

    def close(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.communicate(timeout=20)
        self.store.close()


@pytest.fixture
def fleet(outside: Outside) -> Iterator[Fleet]:
    with ExitStack() as stack:
        fleet = Fleet(outside)
        stack.callback(fleet.close)
        yield fleet


def log_of(fleet: Fleet, run_id: str) -> str:
    return "\n".join(line.text for line in fleet.store.runs.log_lines(run_id))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_whose_process_is_killed_goes_on_and_makes_the_same_table(fleet: Fleet, moment: str) -> None:
    run_id = fleet.queue()
    fleet.hire()
    until(lambda: MOMENTS[moment](fleet.outside))
    fleet.kill_run()
    run = fleet.ended(run_id)
    assert (run.state, run.version) == (RunState.VERIFIED, 0)
    assert run.deaths == log_of(fleet, run_id).count("ended unexpectedly") <= 1
    check_table(fleet.outside.home)


@pytest.mark.parametrize("moment", ["page", "commit"])
def test_a_run_goes_on_by_itself_when_its_worker_is_killed(fleet: Fleet, moment: str) -> None:
    run_id = fleet.queue()
    worker = fleet.hire()
    until(lambda: MOMENTS[moment](fleet.outside))
    worker.kill()
    run = fleet.ended(run_id)
    assert (run.state, run.deaths, run.version) == (RunState.VERIFIED, 0, 0)
    check_table(fleet.outside.home)


@pytest.mark.parametrize("moment", ["page", "write"])
def test_another_worker_goes_on_with_a_run_whose_worker_and_process_are_killed(fleet: Fleet, moment: str) -> None:
    run_id = fleet.queue()
    worker = fleet.hire()
    until(lambda: MOMENTS[moment](fleet.outside))
    worker.kill()
    fleet.kill_run()
    fleet.hire()
    run = fleet.ended(run_id)
    assert (run.state, run.version) == (RunState.VERIFIED, 0)
    assert len(set(fleet.outside.reports())) == REQUESTS
    check_table(fleet.outside.home)


def test_a_run_that_is_told_to_stop_goes_on_without_counting_as_a_death(fleet: Fleet) -> None:
    run_id = fleet.queue()
    fleet.hire()
    until(lambda: MOMENTS["page"](fleet.outside))
    holder = lock_holder(fleet.settings.home, "spend")
    assert holder is not None
    os.kill(holder.pid, signal.SIGTERM)
    run = fleet.ended(run_id)
    assert (run.state, run.deaths) == (RunState.VERIFIED, 0)
    check_table(fleet.outside.home)
