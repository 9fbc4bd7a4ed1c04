"""What the store adds up for metrics: ends of runs, and requests of apps; nothing of it falls or is counted twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.access import Actor, Guard
from adreel.pipeline.orders import Orders
from adreel.pipeline.process import work
from adreel.settings import Settings
from adreel.store import RequestCounts, Run, RunOutcome, RunState, Store, new_run_id
from adreel.store.app_requests import KEPT, PERIOD
from adreel.store.totals import LONGER, NEVER_STARTED
from home import Home
from people import START, Clock, add_account, add_dataset, open_people
from running import settings_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with open_people(tmp_path / "home", clock) as opened:
        yield opened


def new_run(store: Store) -> Run:
    datasets = store.datasets.list()
    saved = datasets[0] if datasets else add_dataset(store, add_account(store))
    return store.runs.add(saved, new_run_id())


def ends(store: Store) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for total in store.run_totals.list():
        key = total.trigger, total.state.value
        counts[key] = counts.get(key, 0) + total.runs
    return counts


def test_each_end_of_a_run_is_counted_once_by_trigger_state_and_duration(store: Store, clock: Clock) -> None:
    run = new_run(store)
    store.runs.begin(run.id)
    clock.later(seconds=45)
    verified = RunOutcome(RunState.VERIFIED, version=0)
    store.runs.finish(run.id, verified)
    store.runs.finish(run.id, verified)
    (total,) = store.run_totals.list()
    assert (total.trigger, total.state, total.most_seconds) == ("person", RunState.VERIFIED, 60)
    assert (total.runs, total.seconds) == (1, 45)
    long = new_run(store)
    store.runs.begin(long.id)
    clock.later(days=2)
    store.runs.finish(long.id, RunOutcome(RunState.FAILED))
    store.runs.finish(new_run(store).id, RunOutcome(RunState.CANCELLED))
    assert [(entry.state.value, entry.most_seconds, entry.runs) for entry in store.run_totals.list()] == [
        ("cancelled", NEVER_STARTED, 1),
        ("failed", LONGER, 1),
        ("verified", 60, 1),
    ]


def test_a_run_that_was_interrupted_and_resumed_ended_twice(store: Store) -> None:
    run = new_run(store)
    store.runs.begin(run.id)
    assert len(store.runs.interrupt(store.datasets.list()[0])) == 1
    store.runs.finish(run.id, RunOutcome(RunState.INTERRUPTED))
    store.runs.begin(run.id)
    store.runs.finish(run.id, RunOutcome(RunState.VERIFIED, version=0))
    assert ends(store) == {("person", "interrupted"): 1, ("person", "verified"): 1}


def test_a_clock_that_is_set_back_takes_nothing_from_the_durations(store: Store, clock: Clock) -> None:
    run = new_run(store)
    store.runs.begin(run.id)
    clock.later(hours=-1)
    store.runs.finish(run.id, RunOutcome(RunState.FAILED))
    (total,) = store.run_totals.list()
    assert (total.runs, total.seconds) == (1, 0)


def test_totals_outlive_the_dataset_and_its_runs(store: Store) -> None:
    run = new_run(store)
    store.runs.begin(run.id)
    store.runs.finish(run.id, RunOutcome(RunState.VERIFIED, version=0))
    before = store.run_totals.list()
    store.datasets.delete(store.datasets.list()[0])
    assert store.run_totals.list() == before


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.timedeltas(min_value=timedelta(minutes=-10), max_value=timedelta(days=3)),
        st.integers(0, 50),
    ),
    max_size=40,
)


@pytest.mark.slow
@given(STEPS)
def test_the_requests_of_an_app_never_fall_and_old_periods_are_forgotten(
    store_of_steps: tuple[Store, Clock], steps: list[tuple[str, timedelta, int]]
) -> None:
    store, clock = store_of_steps
    before = store.app_requests.totals()
    expected = {app: counts.sent for app, counts in before.items()}
    for app, step, sent in steps:
        clock.now += step
        store.app_requests.add(app, RequestCounts(sent, sent // 2))
        expected[app] = expected.get(app, 0) + sent
        assert {name: counts.sent for name, counts in store.app_requests.totals().items()} == expected
        periods = store.app_requests.since(datetime(2000, 1, 1, tzinfo=UTC))[app]
        assert all(began.minute % 5 == began.second == 0 for began in periods)
        assert len(periods) <= (KEPT + timedelta(days=1)) / PERIOD


@pytest.fixture(scope="module")
def store_of_steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Clock]]:
    clock = Clock(datetime(2027, 1, 1, tzinfo=UTC))
    with open_people(tmp_path_factory.mktemp("steps") / "home", clock) as opened:
        yield opened, clock


def test_periods_begin_at_full_five_minutes_and_are_kept_for_eight_days(store: Store, clock: Clock) -> None:
    clock.now = START + timedelta(minutes=7, seconds=12)
    for _ in range(3):
        store.app_requests.add("app", RequestCounts(2, 1))
    clock.later(days=7)
    store.app_requests.add("app", RequestCounts(5, 0))
    assert store.app_requests.since(START) == {
        "app": {
            START + timedelta(minutes=5): RequestCounts(6, 3),
            START + timedelta(days=7, minutes=5): RequestCounts(5, 0),
        }
    }
    clock.later(days=1, minutes=10)
    store.app_requests.add("app", RequestCounts(1, 0))
    assert list(store.app_requests.since(START)["app"].values()) == [RequestCounts(5, 0), RequestCounts(1, 0)]
    assert store.app_requests.totals() == {"app": RequestCounts(12, 3)}


def add_often(home: str) -> None:
    with open_people(Path(home), Clock()) as store:
        for _ in range(50):
            store.app_requests.add("app", RequestCounts(3, 1))


def enqueue_and_work(home: Home, settings: Settings, store: Store) -> Run:
    orders = Orders(settings, store, clock=lambda: home.now)
    run = orders.enqueue(Guard(store, Actor(None)), store.datasets.get("spend"))
    return work(settings, store, run.id, clock=lambda: home.now, transport=httpx2.ASGITransport(home.world))


def sent_by(home: Home) -> int:
    with Store.open(settings_of(home), clock=lambda: home.now) as store:
        return store.app_requests.totals()[home.config.app_id].sent


def test_what_runs_and_commands_send_is_what_the_simulator_received(home: Home) -> None:
    before = sent_by(home)
    home.good("datasets", "create", "-f", home.file())
    home.good("preview", "spend")
    home.good("run", "spend")
    home.good("accounts", "advertisers", "demo")
    # The account was added to a home from which this one was copied, with another simulator.
    assert sent_by(home) - before == len(home.requests("")) > 0


def test_values_that_tiktok_restated_are_added_to_the_totals_of_queued_runs(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file(dates={"start": "today-7", "end": "yesterday"}))
    settings = settings_of(home)
    with Store.open(settings, clock=lambda: home.now) as store:
        first = enqueue_and_work(home, settings, store)
        assert first.state is RunState.VERIFIED
        assert sum(total.restated_cells for total in store.run_totals.list()) == 0
        home.later(1)
        second = enqueue_and_work(home, settings, store)
        totals = store.run_totals.list()
    difference = home.json("diff", "spend", str(first.version), str(second.version))
    restated = sum(metric["values_restated"] for metric in difference["metrics"] for metric in metric["sums"])
    assert sum(total.restated_cells for total in totals) == restated > 0
    assert sum(total.rows for total in totals) == first.rows + second.rows
