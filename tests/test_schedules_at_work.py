"""Schedules at work: what is due runs once, whatever clocks, workers and people do."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from hypothesis import strategies as st

from adreel.errors import BusyError
from adreel.pipeline.process import work
from adreel.scheduling import read_schedule
from adreel.settings import Settings
from adreel.store import IN_PROGRESS, Account, Run, RunOutcome, RunState, SavedDataset, Store, Trigger
from adreel.store.datasets import NewDataset, Timing
from adreel.worker.schedules import correct_next_times, enqueue_due
from desk import Desk
from home import Home, make_home

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    home = make_home(tmp_path / "home", today=START.date(), advertisers=1, ads=2)
    home.now = START
    home.add_account()
    desk = Desk(home)
    with desk.store:
        yield desk


def test_a_schedule_runs_once_at_its_time_and_next_an_interval_later(desk: Desk) -> None:
    saved = desk.dataset(schedule={"every": "6 hours"})
    assert desk.enqueue_due() == 0
    desk.home.now = due = saved.next_run_at or START
    assert (desk.enqueue_due(), desk.enqueue_due()) == (1, 0)
    (claimed,) = desk.claim()
    assert desk.claim("b") == ()
    run = desk.work(claimed)
    assert (run.state, run.trigger, run.due_at, run.triggered_by) == (RunState.VERIFIED, Trigger.SCHEDULE, due, "")
    assert desk.store.datasets.get("spend").next_run_at == due + 6 * HOUR


def test_times_that_were_missed_are_caught_up_by_one_run(desk: Desk) -> None:
    saved = desk.dataset(schedule={"every": "1 hours"})
    desk.home.now += timedelta(days=3)
    assert desk.enqueue_due() == 1
    assert desk.enqueue_due() == 0
    (run,) = desk.runs
    assert run.due_at == saved.next_run_at
    assert desk.store.datasets.get("spend").next_run_at == datetime(2026, 11, 25, 13, tzinfo=UTC)


def test_a_clock_that_was_far_ahead_does_not_stop_a_schedule(desk: Desk) -> None:
    desk.dataset(schedule={"every": "1 hours"})
    desk.home.now += timedelta(days=30)
    desk.enqueue_due()
    for claimed in desk.claim():
        desk.work(claimed)
    desk.home.now -= timedelta(days=30)
    assert correct_next_times(desk.store, desk.home.now) == 1
    assert desk.store.datasets.get("spend").next_run_at == datetime(2026, 11, 22, 13, tzinfo=UTC)


def test_a_time_that_comes_again_when_the_clock_goes_back_is_not_run_again(desk: Desk) -> None:
    saved = desk.dataset(schedule={"every": "1 hours"})
    desk.home.now = saved.next_run_at or START
    desk.enqueue_due()
    for claimed in desk.claim():
        desk.work(claimed)
    desk.home.now -= timedelta(minutes=10)
    correct_next_times(desk.store, desk.home.now)
    desk.home.now += timedelta(minutes=10)
    assert desk.enqueue_due() == 0
    assert len(desk.runs) == 1
    assert desk.store.datasets.get("spend").next_run_at == desk.home.now + HOUR


def test_a_paused_schedule_does_not_run_and_catches_nothing_up(desk: Desk) -> None:
    saved = desk.dataset(schedule={"every": "1 hours"})
    desk.store.datasets.pause(saved)
    desk.home.now += timedelta(days=2)
    assert desk.enqueue_due() == 0
    schedule = read_schedule({"every": "1 hours"}, lambda *_: None)
    assert schedule is not None
    resumed = desk.store.datasets.resume(saved, schedule)
    assert (resumed.paused_at, resumed.next_run_at) == (None, datetime(2026, 11, 24, 13, tzinfo=UTC))
    assert desk.enqueue_due() == 0


def test_a_changed_schedule_counts_from_now(desk: Desk) -> None:
    desk.dataset(schedule={"every": "1 hours"})
    desk.home.good("run", "-f", desk.home.file(schedule={"every": "day", "at": "06:00"}))
    assert desk.store.datasets.get("spend").next_run_at == datetime(2026, 11, 23, 6, tzinfo=UTC)
    desk.home.good("run", "-f", desk.home.file(schedule="manual"))
    assert desk.store.datasets.get("spend").next_run_at is None


def test_a_run_of_a_person_goes_before_those_of_schedules(desk: Desk) -> None:
    desk.dataset(schedule={"every": "1 hours"})
    desk.home.good("datasets", "create", "-f", desk.home.file(name="Other"))
    desk.home.now += HOUR
    desk.enqueue_due()
    desk.orders.enqueue(desk.operator, desk.store.datasets.get("other"))
    assert [run.dataset_slug for run in desk.claim()] == ["other", "spend"]


def test_run_now_takes_the_place_of_a_scheduled_run_that_waits(desk: Desk) -> None:
    saved = desk.dataset(schedule={"every": "1 hours"})
    desk.home.now += HOUR
    desk.enqueue_due()
    run = desk.orders.enqueue(desk.operator, saved)
    assert [queued.id for queued in desk.runs] == [run.id]
    assert (run.trigger, run.due_at) == (Trigger.PERSON, saved.next_run_at)
    with pytest.raises(BusyError, match="already queued"):
        desk.orders.enqueue(desk.operator, saved)


def test_the_command_line_takes_a_scheduled_run_that_waits(desk: Desk) -> None:
    desk.dataset(schedule={"every": "1 hours"})
    desk.home.now += HOUR
    desk.enqueue_due()
    desk.home.good("run", "spend")
    (run,) = desk.runs
    assert (run.state, run.trigger) == (RunState.VERIFIED, Trigger.PERSON)


def test_a_scheduled_run_of_a_deleted_dataset_is_cancelled(desk: Desk) -> None:
    desk.dataset(schedule={"every": "1 hours"})
    desk.home.now += HOUR
    desk.enqueue_due()
    desk.home.good("datasets", "delete", "spend", "--yes")
    assert desk.claim() == ()
    assert desk.store.queue.cancel_deleted() == 1
    (run,) = desk.runs
    assert (run.state, run.error) == (RunState.CANCELLED, "The dataset was deleted before the run started.")


def trouble(home: Home, code: int, times: int = 100) -> None:
    home.door("trouble", {"kind": "code", "path": "report/integrated", "code": code, "message": "No", "times": times})


PASSES, LASTS, DEAD_TOKEN = 40777, 40002, 40105
"""Codes of TikTok: an unknown one, a refused parameter, a token that is not valid any more."""


def worked_off(desk: Desk) -> Run:
    """The only run, after the queue was worked off at this time."""
    desk.enqueue_due()
    for claimed in desk.claim():
        desk.work(claimed)
    (run,) = desk.runs
    return run


def test_a_scheduled_run_that_fails_is_tried_again_after_its_wait_and_no_oftener_than_wanted(desk: Desk) -> None:
    desk.dataset(schedule={"every": "day"}, retry={"times": 2, "wait": "30 minutes"})
    trouble(desk.home, PASSES)
    desk.home.now += timedelta(days=1)
    run = worked_off(desk)
    assert (run.state, run.attempt, run.not_before) == (RunState.QUEUED, 2, desk.home.now + HOUR / 2)
    assert "40777" in run.error
    assert desk.claim() == (), "it waits"
    desk.home.now += HOUR / 2
    assert worked_off(desk).attempt == 3
    desk.home.now += HOUR / 2
    run = worked_off(desk)
    assert (run.state, run.attempt) == (RunState.FAILED, 3)
    log = [line.text for line in desk.store.runs.log_lines(run.id)]
    assert [line.split(" failed")[0] for line in log if line.startswith("Attempt")] == ["Attempt 1", "Attempt 2"]


def test_a_run_that_is_tried_again_succeeds_once_the_reason_has_passed(desk: Desk) -> None:
    desk.dataset(schedule={"every": "day"}, retry={"times": 1, "wait": "15 minutes"})
    trouble(desk.home, PASSES, times=1)
    desk.home.now += timedelta(days=1)
    assert worked_off(desk).state is RunState.QUEUED
    desk.home.now += HOUR / 4
    run = worked_off(desk)
    assert (run.state, run.attempt, run.error, run.not_before) == (RunState.VERIFIED, 2, "", None)


@pytest.mark.parametrize("code", [LASTS, DEAD_TOKEN])
def test_an_error_that_stays_until_a_person_acts_is_not_tried_again(desk: Desk, code: int) -> None:
    desk.dataset(schedule={"every": "day"})
    trouble(desk.home, code)
    desk.home.now += timedelta(days=1)
    run = worked_off(desk)
    assert (run.state, run.attempt) == (RunState.FAILED, 1)


def test_a_run_of_a_person_and_of_a_schedule_without_retries_is_not_tried_again(desk: Desk) -> None:
    saved = desk.dataset(schedule={"every": "day"}, retry=False)
    trouble(desk.home, PASSES)
    desk.home.now += timedelta(days=1)
    assert worked_off(desk).state is RunState.FAILED
    run = desk.work(desk.orders.enqueue(desk.operator, saved))
    assert run.state is RunState.FAILED


def test_a_time_that_comes_while_a_run_waits_for_its_next_attempt_takes_its_place(desk: Desk) -> None:
    desk.dataset(schedule={"every": "1 hours"}, retry={"times": 1, "wait": "1 day"})
    trouble(desk.home, PASSES, times=1)
    desk.home.now += HOUR
    assert worked_off(desk).attempt == 2
    desk.home.now += HOUR
    run = worked_off(desk)
    assert (run.state, run.attempt, run.due_at) == (RunState.VERIFIED, 1, datetime(2026, 11, 22, 14, tzinfo=UTC))


class Stopped(httpx2.AsyncBaseTransport):
    """TikTok until the second page, where the process is told to stop."""

    def __init__(self, home: Home) -> None:
        self.world = httpx2.ASGITransport(home.world)
        self.reports = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.reports += "report/integrated" in request.url.path
        if self.reports > 1:
            signal.raise_signal(signal.SIGINT)
        return await self.world.handle_async_request(request)


def test_a_stopped_run_that_started_over_a_day_ago_reads_everything_again(desk: Desk) -> None:
    desk.dataset(schedule={"every": "2 days"}, dates={"start": "today-60", "end": "yesterday"})
    desk.home.now = desk.store.datasets.get("spend").next_run_at or START
    desk.enqueue_due()
    (claimed,) = desk.claim()
    stopped = work(desk.settings, desk.store, claimed.id, clock=lambda: desk.home.now, transport=Stopped(desk.home))
    assert (stopped.state, stopped.worker, stopped.deaths) == (RunState.QUEUED, "", 0)
    desk.home.later(1)
    desk.home.now += HOUR * 12
    run = worked_off(desk)
    assert run.state is RunState.VERIFIED
    assert any("restarts" in line.text for line in desk.store.runs.log_lines(run.id))
    days = {str(row["stat_time_day"])[:10] for row in desk.home.rows("select stat_time_day from spend")}
    assert max(days) == (desk.home.now - timedelta(days=1)).date().isoformat()


class Steps:
    """A home without TikTok whose schedules are worked on by two workers in any order; see the property below."""

    EVERY = 15

    def __init__(self, folder: Path) -> None:
        self.now = START
        settings = Settings.load({"ADREEL_HOME": str(folder)})
        self.store = Store.open(settings, clock=lambda: self.now)
        account = self.store.accounts.add("demo", app_id="1", token="t", base_url="http://tiktok.test")
        self.saved = self._dataset(account)
        self.claimed: list[Run] = []

    def _dataset(self, account: Account) -> SavedDataset:
        written = {"every": f"{self.EVERY} minutes"}
        schedule = read_schedule(written, lambda *_: None)
        spec = '{"schedule": {"every": "15 minutes"}}'
        (saved,) = self.store.datasets.create_all([NewDataset("Spend", account, spec, timing=Timing(schedule))])
        return saved

    def step(self, what: str, minutes: int) -> None:
        queue = self.store.queue
        if what == "wait":
            self.now += timedelta(minutes=minutes)
        elif what == "back":
            self.now -= timedelta(minutes=minutes)
            correct_next_times(self.store, self.now)
        elif what == "tick":
            enqueue_due(self.store, self.now)
        elif what in ("claim a", "claim b"):
            for run in queue.claim(what[-1], 2, self.now):
                self.claimed.append(self.store.runs.begin(run.id))
        elif self.claimed:
            run = self.claimed.pop()
            if what == "die":
                queue.died(run.id, run.worker, "signal 9")
            else:
                self.store.runs.finish(run.id, RunOutcome(RunState.VERIFIED, version=0))

    def check(self) -> None:
        runs = self.store.runs.list(limit=1_000)
        assert sum(run.state is RunState.RUNNING for run in runs) <= 1, "two runs of a dataset at once"
        assert sum(run.state in IN_PROGRESS for run in runs) <= 2
        due = [run.due_at for run in runs]
        assert len(due) == len(set(due)), "a time was run twice"
        next_at = self.store.datasets.get("spend").next_run_at
        assert next_at is not None
        assert next_at <= self.now + timedelta(minutes=self.EVERY), "the schedule stands still"


STEPS = st.tuples(
    st.sampled_from(["wait", "wait", "back", "tick", "tick", "claim a", "claim b", "finish", "die"]),
    st.integers(1, 200),
)
