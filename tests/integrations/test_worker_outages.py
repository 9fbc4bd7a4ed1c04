"""Outages under scheduled runs: afterwards the table is that of a run without them, and history says what happened."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx2
import pytest

from adreel.connections import Waits
from adreel.errors import AdreelError
from adreel.lake import Lake
from adreel.notify.sending import Message, Outcome
from adreel.notify.ticking import deliver, tick
from adreel.pipeline.process import work
from adreel.pipeline.run import Runner, Watch
from adreel.scheduling import first_times, read_schedule
from adreel.settings import Settings
from adreel.store import AccountStatus, Run, RunOutcome, RunState, Store
from adreel.store.datasets import NewDataset, Timing
from adreel.store.notifications import NewAddress
from adreel.worker.schedules import enqueue_due
from desk import Desk
from home import Home, make_home
from test_schedules_at_work import START

DAYS = 5
HOURLY = {"time_dimension": "hour", "dates": {"start": "today-6", "end": "today-2"}, "update": {"method": "partition"}}
MINUTE = timedelta(minutes=1)
ROWS = "select * from {} order by advertiser_id, ad_id, stat_time_hour"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    home = make_home(tmp_path / "home", today=START.date(), advertisers=2, ads=2, plain=True)
    home.now = START
    home.add_account()
    desk = Desk(home)
    with desk.store:
        yield desk


@dataclass
class Hooked(httpx2.AsyncBaseTransport):
    """The simulated world; `before` is called with the number of reports asked for so far, and may raise."""

    home: Home
    before: Callable[[int], None]
    reports: int = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.before(self.reports)
        self.reports += "report/integrated" in request.url.path
        return await httpx2.ASGITransport(self.home.world).handle_async_request(request)


def attempt(desk: Desk, run: Run, transport: httpx2.AsyncBaseTransport) -> Run:
    """One attempt of a run, whose waits advance the home's clock in place of the machine's."""
    home = desk.home

    async def sleep(seconds: float) -> None:
        home.now += timedelta(seconds=seconds)

    waits = Waits(60, lambda: home.now.timestamp(), lambda: home.now.timestamp(), sleep)
    runner = Runner(desk.settings, desk.store, clock=lambda: home.now, transport=transport, waits=waits)
    with suppress(AdreelError):
        assert run.dataset_id is not None
        runner.run(desk.store.datasets.get(run.dataset_id), Watch(), run.dates, queued=run)
    return desk.store.runs.get(run.id)


def due_run(desk: Desk) -> Run:
    """The run of the dataset's schedule, claimed at its time, with the run of a process that died put back."""
    due = desk.store.datasets.get("spend").next_run_at
    assert due is not None
    desk.home.now = max(desk.home.now, due)
    desk.enqueue_due()
    (claimed,) = desk.claim()
    return claimed


def history(desk: Desk, run: Run) -> str:
    return "\n".join(line.text for line in desk.store.runs.log_lines(run.id))


def check_tables(desk: Desk, *slugs: str) -> None:
    """Each table has the rows of one that is read now and undisturbed, and no run left anything in the lake."""
    home = desk.home
    home.good("run", "-f", home.file(name="Undisturbed", **HOURLY))
    undisturbed = home.rows(ROWS.format("undisturbed"))
    assert len(undisturbed) == 2 * 2 * DAYS * 24
    for slug in slugs:
        assert home.rows(ROWS.format(slug)) == undisturbed
    assert [path for path in home.path.glob("lake/_runs/**/*") if path.is_file()] == []


def test_ten_minutes_without_tiktok_delay_scheduled_runs_and_are_told_once(desk: Desk) -> None:
    home, sent = desk.home, list[str]()
    desk.dataset(schedule={"every": "1 hours"}, retry={"times": 2, "wait": "15 minutes"}, **HOURLY)
    desk.dataset(name="Other", schedule={"every": "1 hours"}, retry=False, **HOURLY)
    desk.store.addresses.add(NewAddress("Hook", "json://hook.example.org/all", "json://hook.example.org/…"))
    back = [datetime.max.replace(tzinfo=UTC)]

    def down(reports: int) -> None:
        if reports >= DAYS:
            back[0] = min(back[0], home.now + 10 * MINUTE)
            if home.now < back[0]:
                raise httpx2.ConnectError("No route to host")

    def send(_url: str, message: Message, _private: bool) -> Outcome:
        sent.append(message.title)
        return Outcome(True)

    end, transport = START + timedelta(hours=3), Hooked(home, down)
    while home.now < end:
        desk.enqueue_due()
        for claimed in desk.claim():
            attempt(desk, claimed, transport)
        tick(desk.store, desk.settings, home.now)
        deliver(desk.store, desk.settings, home.now, send)
        home.now += MINUTE
    first = {run.dataset_slug: run for run in reversed(desk.runs) if run.due_at == START + 30 * MINUTE}
    assert (first["spend"].state, first["spend"].attempt > 1) == (RunState.VERIFIED, True)
    assert "Attempt 1 failed: " in history(desk, first["spend"])
    assert (first["other"].state, first["other"].attempt) == (RunState.FAILED, 1)
    assert "no connection to http://tiktok.test" in first["other"].error
    assert [title.split(" (")[0] for title in sent] == [
        "[adreel] Run failed: Other",
        "[adreel] Runs succeed again: Other",
    ]
    check_tables(desk, "spend", "other")


def test_a_token_that_is_revoked_during_a_run_waits_for_a_person_and_the_next_run_resumes(desk: Desk) -> None:
    home = desk.home
    desk.dataset(schedule={"every": "1 hours"}, **HOURLY)
    simulator = home.world.state.simulator

    def revoked(reports: int) -> None:
        if reports == DAYS:
            simulator.revoked.add(home.token)

    run = attempt(desk, due_run(desk), Hooked(home, revoked))
    assert (run.state, run.attempt, run.not_before) == (RunState.FAILED, 1, None)
    assert "Reconnect the account." in run.error
    assert desk.store.accounts.get("demo").status is not AccountStatus.VALID
    # A person who agrees again gets the same token from the simulator, which is valid from then on.
    simulator.revoked.clear()
    home.good("accounts", "reconnect", "demo", "--token-stdin", stdin=f"{home.token}\n")
    again = attempt(desk, due_run(desk), httpx2.ASGITransport(home.world))
    assert (again.state, again.version) == (RunState.VERIFIED, 0)
    check_tables(desk, "spend")


@pytest.mark.parametrize(
    ("before", "moment", "instead"),
    [
        pytest.param(0, DAYS, "an empty folder", id="first version-page-unmounted"),
        pytest.param(1, DAYS, "an empty folder", id="page-unmounted"),
        pytest.param(1, 2 * DAYS - 1, "an empty folder", id="commit-unmounted"),
        pytest.param(1, 2 * DAYS - 1, "a file", id="commit-no folder"),
    ],
)
def test_a_lake_that_is_gone_for_a_while_gets_no_table_in_its_place_and_then_the_right_one(
    desk: Desk, before: int, moment: int, instead: str
) -> None:
    home = desk.home
    desk.dataset(schedule={"every": "1 hours"}, retry={"times": 1, "wait": "15 minutes"}, **HOURLY)
    for _ in range(before):
        assert desk.work(due_run(desk)).state is RunState.VERIFIED
    lake, away = home.path / "lake", home.path / "away"

    def unmounted(reports: int) -> None:
        if reports == moment and not away.exists():
            lake.rename(away)
            lake.touch() if instead == "a file" else lake.mkdir()

    run = work(desk.settings, desk.store, due_run(desk).id, clock=lambda: home.now, transport=Hooked(home, unmounted))
    assert (run.state, run.attempt, run.version) == (RunState.QUEUED, 2, None), run
    assert "Attempt 1 failed: " in history(desk, run)
    assert list(lake.glob("spend/_delta_log/*")) == []
    lake.rename(home.path / "wrong")
    away.rename(lake)
    home.now += 15 * MINUTE
    (claimed,) = desk.claim()
    run = desk.work(claimed)
    assert (run.state, run.version) == (RunState.VERIFIED, before)
    assert len(Lake(lake).versions("spend")) == before + 1
    check_tables(desk, "spend")


def test_a_scheduled_run_begins_no_table_anew_that_is_gone_and_a_person_is_warned(desk: Desk) -> None:
    home = desk.home
    desk.dataset(schedule={"every": "1 hours"}, retry=False, **HOURLY)
    first = desk.work(due_run(desk))
    (home.path / "lake").rename(home.path / "away")
    run = desk.work(due_run(desk))
    assert (run.state, run.version) == (RunState.FAILED, None)
    assert f"is gone: run {first.id} wrote version 0." in run.error
    assert "mounted" in run.error
    assert "adreel run spend" in run.error
    home.good("run", "spend")
    run = desk.runs[-1]
    assert run.state is RunState.VERIFIED_WITH_WARNINGS
    assert "started a new table" in run.warnings[0]


# -- clocks that change

CHANGES = {
    "Europe/Berlin": (datetime(2027, 3, 28, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)),
    "America/New_York": (datetime(2027, 3, 14, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 10, 3, tzinfo=UTC), datetime(2027, 4, 3, tzinfo=UTC)),
}
"""Days of the zone with the change to daylight-saving time and back, by the UTC day in which it happens."""


@pytest.fixture(params=CHANGES)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A zone that is the machine's own meanwhile."""
    with monkeypatch.context() as machine:
        machine.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.mark.parametrize("change", [0, 1], ids=["spring", "autumn"])
def test_each_schedule_runs_once_at_each_of_its_times_while_the_clocks_change(
    tmp_path: Path, zone: str, change: int
) -> None:
    """Times are in UTC, so that no hour is missed or doubled; the zone moves the local ones."""
    begin = CHANGES[zone][change]
    now, end = begin, begin + timedelta(hours=27)
    assert begin.astimezone(ZoneInfo(zone)).utcoffset() != end.astimezone(ZoneInfo(zone)).utcoffset()
    half_past_two = [begin + timedelta(days=day, hours=2, minutes=30) for day in range(2)]
    wanted = {
        "day": ({"every": "day", "at": "02:30"}, half_past_two),
        "cron": ({"cron": "30 2 * * *"}, half_past_two),
        "hours": ({"every": "1 hours"}, [begin + timedelta(hours=hour) for hour in range(1, 27)]),
    }
    quarters = read_schedule({"every": "15 minutes"}, lambda *_: None)
    assert quarters is not None
    assert first_times(quarters, begin, 107) == tuple(begin + 15 * MINUTE * quarter for quarter in range(1, 108))
    with Store.open(Settings.load({"ADREEL_HOME": str(tmp_path)}), clock=lambda: now) as store:
        store.workspace.set(zone=zone)
        account = store.accounts.add("demo", app_id="1", token="t", base_url="http://tiktok.test")
        for name, (written, _) in wanted.items():
            schedule = read_schedule(written, lambda *_: None)
            spec = f'{{"schedule": {written}}}'.replace("'", '"')
            store.datasets.create_all([NewDataset(name.title(), account, spec, timing=Timing(schedule))])
        while (now := now.astimezone(ZoneInfo(zone)).astimezone(UTC) + 30 * MINUTE) < end:
            enqueue_due(store, now)
            for run in store.queue.claim("a", 10, now):
                store.runs.begin(run.id)
                store.runs.finish(run.id, RunOutcome(RunState.VERIFIED, version=0))
        runs = store.runs.list(limit=1_000)
    for name, (_, times) in wanted.items():
        assert sorted(run.due_at for run in runs if run.dataset_slug == name and run.due_at) == times, name
    assert os.environ["TZ"] == zone
