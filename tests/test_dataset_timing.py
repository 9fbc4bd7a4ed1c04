"""When a dataset updates, as dataset files and the store have it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from adreel.access import Actor, Guard
from adreel.datasets import service
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.files import read
from adreel.datasets.stored import as_file, converted, dataset_of, retry_of, schedule_of, source_of
from adreel.datasets.validation import check, parse
from adreel.pipeline.orders import Orders
from adreel.scheduling import Cron, Recurrence, Schedule, Unit
from adreel.scheduling.schedule import LAST_DAY, ActiveHours, Retry
from adreel.settings import Settings
from adreel.store import RunOutcome, RunState, SavedDataset, Store
from home import SPEND

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

FILE = """\
name: Spend
account: demo
report: performance
data_level: ad
time_dimension: day
metrics: [spend]
dates: {period: last_7_days}
"""


@pytest.mark.parametrize(
    ("lines", "schedule", "retry"),
    [
        ("", None, Retry()),
        ("schedule: manual", None, Retry()),
        ("schedule: 0 6 * * MON", Cron("0 6 * * MON"), Retry()),
        ("schedule: {every: hour, between: 08:00-20:00}", Recurrence(Unit.HOUR, active=ActiveHours(8, 20)), Retry()),
        ("schedule: {every: day, at: 06:30}", Recurrence(Unit.DAY, at=(time(6, 30),)), Retry()),
        ("schedule: {every: month, day: last}", Recurrence(Unit.MONTH, month_day=LAST_DAY), Retry()),
        (
            "schedule: {every: 2 weeks, on: [monday, thursday], at: '07:00', start: 2026-12-01}\nretry: false",
            Recurrence(Unit.WEEK, 2, at=(time(7),), weekdays=(0, 3), start=datetime(2026, 12, 1, tzinfo=UTC)),
            None,
        ),
        ("retry: {times: 5, wait: 1 hour}", None, Retry(5, timedelta(hours=1))),
        ("retry: {times: 0}", None, None),
    ],
)
def test_a_file_with_a_schedule_is_read_written_and_read_again(
    lines: str, schedule: Schedule | None, retry: Retry | None
) -> None:
    dataset = parse(read(FILE + lines), NOW)
    assert (dataset.schedule, dataset.retry, dataset.stale_after) == (schedule, retry, None)
    assert parse(read(as_file(dataset.source.values)), NOW) == dataset


@pytest.mark.parametrize(
    ("lines", "key", "line", "reason"),
    [
        ("schedule: daily", "schedule", 8, "5 fields (minute, hour, day of month, month, day of week), not 1"),
        ("schedule:\n  cron: 0 25 * * *", "schedule.cron", 9, "'25' is not valid as hour"),
        ("schedule:\n  every: day\n  at: 26:00", "schedule.at", 10, "'26:00' is not a time of the day"),
        ("schedule: {every: 5 minutes}", "schedule.every", 8, "at least 15 minutes"),
        ("schedule: {every: day, start: 9999-12-31 23:59}", "schedule.start", 8, "in the years 2000 to 2099"),
        ("schedule: {every: day, start: '0001-01-01T00:00+14:00'}", "schedule.start", 8, "is not a time"),
        ("retry:\n  times: 3\n  wait: soon", "retry.wait", 10, "from 1 minute to 1 day"),
        ("retry: {times: three}", "retry.times", 8, "from 0 to 10"),
        ("stale_after: 5 minutes", "stale_after", 8, "from 1 hour to 92 days"),
        ("schedule: 0 6 * * *\nstale_after: 2 days", "stale_after", 9, "requires schedule: manual"),
        ("cron: 0 6 * * *", "cron", 8, "write it inside schedule, as cron"),
        ("retries: 5", "retries", 8, "write it inside retry, as times"),
        ("scheduel: manual", "scheduel", 8, "is not a key"),
    ],
)
def test_a_fault_of_a_schedule_has_its_key_and_line(lines: str, key: str, line: int, reason: str) -> None:
    (problem,) = check(read(FILE + lines), NOW).problems
    assert (problem.menu, problem.line) == (key, line)
    assert reason in problem.reason


def test_a_converted_dataset_keeps_its_schedule() -> None:
    timing = {"schedule": {"every": "day", "at": "06:30"}, "retry": {"times": 1}}
    old = {
        "name": "Old",
        "account": "demo",
        "report": "ad_performance",
        "time_granularity": "daily",
        "metrics": ["spend"],
        "dates": {"period": "last_7_days"},
    }
    before = parse(Source(old | timing, {}), NOW)
    after = parse(Source(converted(before), {}), NOW)
    assert (after.schedule, after.retry) == (before.schedule, before.retry)
    assert (after.schedule, after.retry) == (Recurrence(Unit.DAY, at=(time(6, 30),)), Retry(1))


class Clock:
    """A clock that only tests advance."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(tmp_path: Path, clock: Clock) -> Iterator[Guard]:
    with Store.open(Settings.load({"ADREEL_HOME": str(tmp_path)}), clock=clock) as store:
        store.accounts.add("demo", token="t" * 40, app_id="1", base_url="http://tiktok.test")
        yield Guard(store, Actor(None))


def file_of(**keys: Any) -> Dataset:
    values = {key: value for key, value in (SPEND | keys).items() if value is not None}
    return parse(Source(values, {}), NOW)


def saved_with(guard: Guard, **keys: Any) -> SavedDataset:
    return service.create(guard, file_of(**keys))


def test_a_saved_dataset_is_due_by_its_schedule_and_a_change_of_other_things_loses_no_due_time(
    guard: Guard, clock: Clock
) -> None:
    saved = saved_with(guard, schedule="0 13 * * *")
    due = NOW.replace(hour=13)
    assert (saved.next_run_at, schedule_of(saved), retry_of(saved)) == (due, Cron("0 13 * * *"), Retry())
    clock.now += timedelta(hours=2)
    saved = service.tag(guard, saved, ["daily"])
    saved = service.change(guard, saved, file_of(schedule="0 13 * * *", description="Due.", metrics=["spend"]), clock())
    saved = service.change(guard, saved, file_of(schedule={"cron": "0 13 * * *"}, retry=False), clock())
    assert (saved.next_run_at, retry_of(saved)) == (due, None)
    saved = service.change(guard, saved, file_of(schedule="0 15 * * *"), clock())
    assert saved.next_run_at == NOW.replace(hour=15)
    saved = service.change(guard, saved, file_of(stale_after="2 days"), clock())
    assert (saved.next_run_at, saved.stale_after, schedule_of(saved)) == (None, 2 * 24 * 3600, None)


def test_a_paused_schedule_that_is_changed_stays_paused(guard: Guard) -> None:
    saved = guard.store.datasets.pause(saved_with(guard, schedule="0 13 * * *"))
    saved = service.change(guard, saved, file_of(schedule="0 15 * * *"), NOW)
    assert (saved.next_run_at, saved.paused_at) == (None, NOW)


def test_a_change_over_one_that_another_person_made_meanwhile_leaves_the_timing_of_the_file(guard: Guard) -> None:
    before = saved_with(guard)
    service.change(guard, before, file_of(schedule="0 13 * * *"), NOW)
    after = service.change(guard, before, file_of(description="Mine."), NOW)
    assert (schedule_of(after), after.next_run_at) == (None, None)


def test_a_copy_keeps_the_schedule_and_the_stale_warning(guard: Guard) -> None:
    copy = service.duplicate(guard, saved_with(guard, schedule={"every": "hour"}), NOW)
    assert (schedule_of(copy), copy.next_run_at) == (Recurrence(Unit.HOUR), NOW + timedelta(hours=1))
    manual = saved_with(guard, name="Manual", stale_after="1 week")
    assert service.duplicate(guard, manual, NOW).stale_after == manual.stale_after == 7 * 24 * 3600


def test_a_run_is_resumed_after_a_change_of_the_schedule_and_not_after_one_of_the_request(
    guard: Guard, tmp_path: Path
) -> None:
    saved = saved_with(guard)
    orders = Orders(Settings.load({"ADREEL_HOME": str(tmp_path)}), guard.store, clock=lambda: NOW)
    run = guard.store.runs.add(saved, "1" * 16)
    guard.store.runs.begin(run.id)
    guard.store.runs.finish(run.id, RunOutcome(RunState.INTERRUPTED, error="It died."))
    stale = saved
    saved = service.change(guard, saved, file_of(schedule="0 13 * * *", tags=["a"]), NOW)
    assert saved.spec_version == 2
    resumed = orders.unfinished(saved, None)
    assert resumed is not None
    assert resumed.id == run.id
    saved = service.change(guard, saved, file_of(metrics=["spend"]), NOW)
    assert orders.unfinished(saved, None) is None
    # Over a change that was not seen, what stands in the file may ask something else than the run did.
    again = service.change(guard, replace(stale, spec=json.dumps(SPEND)), file_of(tags=["b"]), NOW)
    assert orders.unfinished(again, None) is None


def test_a_saved_schedule_is_part_of_the_dataset_that_is_read_back(guard: Guard) -> None:
    saved = saved_with(guard, schedule={"every": "week", "on": "friday"}, retry={"times": 2})
    assert dataset_of(saved, NOW).schedule == schedule_of(saved) == Recurrence(Unit.WEEK, weekdays=(4,))
    assert dataset_of(saved, NOW).retry == retry_of(saved) == Retry(2)
    assert source_of(saved).values["schedule"] == {"every": "week", "on": "friday"}
