"""Workers and processes of runs that are killed at each step: the table is as if nothing had happened."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from adreel.access import Actor, Guard
from adreel.clock import wall_clock
from adreel.lake import Lake
from adreel.pipeline.orders import Orders
from adreel.settings import Settings
from adreel.store import FINISHED, Run, RunState, Store
from home import environment_of
from object_stores import serving
from outside import REQUESTS, ROWS, Outside, check_table, made_outside, until
from postgres import PostgresServer

Moment = Callable[[Outside], bool]

MOMENTS: dict[str, Moment] = {
    "plan": lambda outside: outside.asked_for() + len(outside.home.world.state.simulator.log) > 0,
    "page": lambda outside: outside.asked() >= REQUESTS // 3,
    "verify": lambda outside: outside.asked() >= REQUESTS,
    "write": lambda outside: any(outside.home.path.glob("lake/spend/*.parquet")),
    "commit": lambda outside: any(outside.home.path.glob("lake/spend/_delta_log/*.json")),
}


@pytest.fixture
def outside(store_folder: Path) -> Iterator[Outside]:
    with made_outside(store_folder) as outside:
        yield outside


class Fleet:
    """Worker processes of one home, and its store."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        environ = environment_of(outside.home, outside.url) | {"ADREEL_TIKTOK_LEVEL": "100"}
        self.settings = Settings.load({name: value for name, value in environ.items() if name.startswith("ADREEL_")})
        self.store = Store.open(self.settings, clock=wall_clock)
        self.workers: list[subprocess.Popen[str]] = []

    def queue(self, name: str = "Spend") -> str:
        self.outside.home.good("datasets", "create", "-f", self.outside.file(name=name))
        orders = Orders(self.settings, self.store, clock=wall_clock)
        return orders.enqueue(Guard(self.store, Actor(None)), self.store.datasets.get(name)).id

    def hire(self, *options: str) -> subprocess.Popen[str]:
        worker = self.outside.start("worker", *options)
        self.workers.append(worker)
        return worker

    def kill_run(self) -> None:
        holder = self.store.locks.holder("spend")
        if holder is not None and holder.pid:
            with suppress(ProcessLookupError):
                os.kill(holder.pid, signal.SIGKILL)

    def ended(self, run_id: str) -> Run:
        until(lambda: self.store.runs.get(run_id).state in FINISHED - {RunState.INTERRUPTED})
        # It stores how it ended first, and then removes its parts.
        until(lambda: self.store.locks.holder("spend") is None)
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


def come(fleet: Fleet, moment: str) -> None:
    """Returns at the moment, as close as a look every two milliseconds comes to it."""
    until(lambda: MOMENTS[moment](fleet.outside), every=0.002)


def log_of(fleet: Fleet, run_id: str) -> str:
    return "\n".join(line.text for line in fleet.store.runs.log_lines(run_id))


# What a database has of a run is the same while it verifies and writes as while it reads pages.
@pytest.mark.parametrize(
    ("database_url", "moment"),
    [("sqlite", moment) for moment in MOMENTS] + [("postgres", "commit")],
    indirect=["database_url"],
)
def test_a_run_whose_process_is_killed_goes_on_and_makes_the_same_table(fleet: Fleet, moment: str) -> None:
    run_id = fleet.queue()
    fleet.hire()
    come(fleet, moment)
    fleet.kill_run()
    run = fleet.ended(run_id)
    assert (run.state, run.version) == (RunState.VERIFIED, 0)
    assert run.deaths == log_of(fleet, run_id).count("ended unexpectedly") <= 1
    check_table(fleet.outside.home)


@pytest.mark.parametrize(
    ("database_url", "moment"), [("sqlite", "page"), ("postgres", "commit")], indirect=["database_url"]
)
def test_a_run_goes_on_by_itself_when_its_worker_is_killed(fleet: Fleet, moment: str) -> None:
    run_id = fleet.queue()
    worker = fleet.hire()
    come(fleet, moment)
    worker.kill()
    run = fleet.ended(run_id)
    assert (run.state, run.deaths, run.version) == (RunState.VERIFIED, 0, 0)
    check_table(fleet.outside.home)


@pytest.mark.parametrize(
    ("database_url", "moment"), [("sqlite", "write"), ("postgres", "page")], indirect=["database_url"]
)
def test_another_worker_goes_on_with_a_run_whose_worker_and_process_are_killed(fleet: Fleet, moment: str) -> None:
    run_id = fleet.queue()
    worker = fleet.hire()
    come(fleet, moment)
    worker.kill()
    fleet.kill_run()
    fleet.hire()
    run = fleet.ended(run_id)
    assert (run.state, run.version) == (RunState.VERIFIED, 0)
    assert len(set(fleet.outside.reports())) == REQUESTS
    check_table(fleet.outside.home)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_run_that_is_told_to_stop_goes_on_without_counting_as_a_death(fleet: Fleet) -> None:
    run_id = fleet.queue()
    fleet.hire()
    come(fleet, "page")
    holder = fleet.store.locks.holder("spend")
    assert holder is not None
    os.kill(holder.pid, signal.SIGTERM)
    run = fleet.ended(run_id)
    assert (run.state, run.deaths) == (RunState.VERIFIED, 0)
    check_table(fleet.outside.home)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_restart_of_the_database_interrupts_a_run_which_goes_on_by_itself(
    fleet: Fleet, postgres: PostgresServer
) -> None:
    run_id = fleet.queue()
    fleet.hire()
    come(fleet, "page")
    postgres.stop()
    postgres.start()
    run = fleet.ended(run_id)
    assert (run.state, run.version) == (RunState.VERIFIED, 0)
    check_table(fleet.outside.home)


def test_two_workers_share_runs_and_start_each_once(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.hire("--runs-at-once", "1")
    until(lambda: len(fleet.store.queue.workers()) == 2)
    runs = [fleet.queue(name) for name in ("Spend", "Second", "Third")]
    for run_id in runs:
        until(lambda run_id=run_id: fleet.store.runs.get(run_id).state is RunState.VERIFIED)  # type: ignore[misc]  # bound
    ended = [fleet.store.runs.get(run_id) for run_id in runs]
    assert [run.deaths for run in ended] == [0, 0, 0]
    assert {run.worker for run in ended} == {worker.id for worker in fleet.store.queue.workers()}
    assert len(fleet.outside.reports()) == 3 * REQUESTS


only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@only_sqlite
def test_a_limit_that_is_lowered_to_a_tenth_during_a_run_refuses_each_request_less_than_twice(fleet: Fleet) -> None:
    run_id = fleet.queue()
    fleet.hire()
    come(fleet, "page")
    fleet.outside.home.door("limits", {"qps": 10})
    run = fleet.ended(run_id)
    assert (run.state, run.version, run.deaths) == (RunState.VERIFIED, 0, 0)
    # Those under way when the limit falls are refused, and tried again within it: no storm of refusals. It is half as
    # many as requests; as many on a machine whose processors are shared, where requests wait and then go together.
    assert 0 < run.refused < 2 * REQUESTS
    assert len(set(fleet.outside.reports())) == REQUESTS
    check_table(fleet.outside.home)


@only_sqlite
def test_a_worker_and_its_run_whose_disk_is_full_go_on_when_there_is_room_again(fleet: Fleet) -> None:
    """The limit on the size of files stands for the disk: neither the state nor the lake can be written."""
    worker = fleet.hire()
    until(lambda: len(fleet.store.queue.workers()) == 1)
    run_id = fleet.queue()
    come(fleet, "page")
    holder = fleet.store.locks.holder("spend")
    assert holder is not None
    for pid in (holder.pid, worker.pid):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY))
    until(lambda: fleet.store.locks.holder("spend") is None)
    (info,) = fleet.store.queue.workers()
    until(lambda: wall_clock() - info.heartbeat_at > timedelta(seconds=4))
    assert fleet.store.queue.workers() == (info,), "it cannot say that it is alive"
    assert worker.poll() is None
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    run = fleet.ended(run_id)
    assert (run.state, run.version) == (RunState.VERIFIED, 0)
    check_table(fleet.outside.home)


@only_sqlite
@pytest.mark.parametrize("moment", ["page", "commit"])
def test_a_run_over_an_object_store_that_is_killed_goes_on_from_its_last_page(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(serving("s3"))
        for name, value in store.environ.items():
            monkeypatch.setenv(name, value)
        store_folder.mkdir(mode=0o700)
        settings_file = store_folder / "adreel.env"
        settings_file.touch(0o600)
        settings_file.write_text(f"ADREEL_LAKE_URL={store.url}/lake\n")
        fleet = Fleet(stack.enter_context(made_outside(store_folder)))
        stack.callback(fleet.close)
        run_id = fleet.queue()
        fleet.hire()
        begins = {"page": "lake/_runs/", "commit": "lake/spend/_delta_log/"}[moment]
        least = 10 if moment == "page" else 1
        until(lambda: sum(key.startswith(begins) for key in store.stored()) >= least, every=0.01)
        fleet.kill_run()
        run = fleet.ended(run_id)
        assert (run.state, run.version) == (RunState.VERIFIED, 0)
        assert run.deaths == log_of(fleet, run_id).count("ended unexpectedly") <= 1
        lake = Lake(f"{store.url}/lake")
        assert len(lake.versions("spend")) == 1
        rows = lake.read("spend").read_all()
        assert (
            rows.group_by(["advertiser_id", "ad_id", "stat_time_hour"]).aggregate([]).num_rows == rows.num_rows == ROWS
        )
        assert [key for key in store.stored() if key.startswith("lake/_runs/")] == []
        # What was under way at the time is asked for again, and nothing that was stored.
        assert len(fleet.outside.reports()) < 2 * REQUESTS
