"""How a dataset stands: one status, and what to do; and how a list of them is narrowed down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.access import Actor, Guard
from adreel.datasets.runs import title
from adreel.datasets.status import SORTS, STALE_AFTER, Standing, Status, Wanted, chosen, standing, standings
from adreel.pipeline.orders import Orders
from adreel.scheduling import Cron
from adreel.settings import Settings
from adreel.store import AccountStatus, RunBrief, RunOutcome, RunState, SavedDataset, Store
from adreel.store.datasets import NewDataset, Timing
from adreel.store.file_locks import FileLocks
from adreel.worker.schedules import enqueue_due
from home import Home

OPERATOR = Actor(None)


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store.open(Settings.load({"ADREEL_HOME": str(home.path)}), clock=lambda: home.now) as opened:
        yield opened


def add_dataset(store: Store, name: str = "Spend", **spec: object) -> SavedDataset:
    values = {"report": "performance", "dates": {"start": "today-3", "end": "yesterday"}} | spec
    return store.datasets.create(name, account=store.accounts.get("demo"), spec=json.dumps(values))


def ended(store: Store, saved: SavedDataset, number: int, outcome: RunOutcome) -> None:
    run = store.runs.add(saved, f"{number:016}")
    store.runs.begin(run.id)
    store.runs.finish(run.id, outcome)


def status(store: Store, home: Home, saved: SavedDataset) -> Status:
    """How it stands, told alike by the list and by its own page."""
    guard = Guard(store, OPERATOR)
    saved = store.datasets.get(saved.id)
    entry = standing(store, guard, saved, home.now)
    (listed,) = (other for other in standings(store, guard, home.now) if other.saved.id == saved.id)
    assert listed == entry
    return entry.status


GOOD = RunOutcome(RunState.VERIFIED, 0, {"verified": True}, table_rows=7, table_columns=3)


def test_a_dataset_is_never_run_then_queued_running_and_verified(store: Store, home: Home) -> None:
    saved = add_dataset(store)
    assert status(store, home, saved) is Status.NEVER
    run = store.runs.add(saved, "1" * 16)
    assert status(store, home, saved) is Status.QUEUED
    store.runs.begin(run.id)
    with FileLocks(home.path).dataset(saved.slug, run_id=run.id):
        assert status(store, home, saved) is Status.RUNNING
    with FileLocks(home.path).dataset(saved.slug, run_id="another"):
        assert status(store, home, saved) is Status.INTERRUPTED
    assert status(store, home, saved) is Status.INTERRUPTED
    store.runs.finish(run.id, GOOD)
    assert status(store, home, saved) is Status.VERIFIED


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (RunOutcome(RunState.FAILED, error="Reason."), Status.FAILED),
        (RunOutcome(RunState.CANCELLED), Status.CANCELLED),
        (RunOutcome(RunState.CHECK_FAILED, 1, {"verified": False}), Status.CHECK_FAILED),
        (RunOutcome(RunState.VERIFIED_WITH_WARNINGS, 1, {"verified": True}, ("Look.",)), Status.VERIFIED_WITH_WARNINGS),
        (
            RunOutcome(RunState.ADVERTISERS_SKIPPED, 1, {"verified": True}, skipped={"1": "no"}),
            Status.ADVERTISERS_SKIPPED,
        ),
        (RunOutcome(RunState.VERIFICATION_UNKNOWN, 1), Status.VERIFICATION_UNKNOWN),
        (RunOutcome(RunState.INTERRUPTED, error="It died."), Status.INTERRUPTED),
    ],
)
def test_the_last_run_decides_the_status_and_the_last_good_run_the_size(
    store: Store, home: Home, outcome: RunOutcome, expected: Status
) -> None:
    saved = add_dataset(store)
    ended(store, saved, 1, GOOD)
    ended(store, saved, 2, outcome)
    assert status(store, home, saved) is expected
    (entry,) = standings(store, Guard(store, OPERATOR), home.now)
    assert (entry.rows, entry.columns) == ((7, 3) if outcome.version is None else (None, None))
    assert bool(entry.words) is expected.attention
    if outcome.error:
        assert outcome.error in entry.words


def test_a_restore_whose_process_died_is_no_run_to_resume(store: Store, home: Home) -> None:
    saved = add_dataset(store)
    ended(store, saved, 1, GOOD)
    run = store.runs.add_restore(saved, "2" * 16, 0, store.runs.list(saved)[0].read_at)
    assert (title(run), run.restores, run.created_at) == ("Restore of version 0", True, run.started_at)
    assert status(store, home, saved) is Status.INTERRUPTED
    entry = standing(store, Guard(store, OPERATOR), saved, home.now)
    assert entry.words == "The process ended early; the latest version shows whether the rows were restored."
    orders = Orders(Settings.load({"ADREEL_HOME": str(home.path)}), store, clock=lambda: home.now)
    assert orders.unfinished(saved, None) is None


def test_a_revoked_or_deleted_account_outranks_the_last_run(store: Store, home: Home) -> None:
    saved = add_dataset(store)
    ended(store, saved, 1, RunOutcome(RunState.FAILED, error="Reason."))
    account = store.accounts.get("demo")
    store.accounts.set_status(account, AccountStatus.EXPIRED)
    assert status(store, home, saved) is Status.RECONNECT
    store.accounts.delete(account)
    assert status(store, home, saved) is Status.DISCONNECTED


@pytest.mark.parametrize(
    ("spec", "grows_old"),
    [
        ({"dates": {"start": "today-3", "end": "yesterday"}}, True),
        ({"dates": {"period": "last_month"}}, True),
        ({"dates": {"date": "yesterday"}}, True),
        ({"dates": {"start": "2026-01-01", "end": "today"}}, True),
        ({"dates": None}, True),
        ({"lifetime": True, "dates": {"start": "2026-01-01", "end": "2026-01-02"}}, True),
        ({"dates": {"start": "2026-01-01", "end": "2026-01-02"}}, False),
        ({"dates": {"date": "2026-01-01"}}, False),
        ({"dates": {"start": "2026-01-01"}}, False),
        ({"dates": {"start": "nonsense"}}, True),
    ],
)
def test_only_a_table_that_a_new_run_would_change_grows_old(
    store: Store, home: Home, spec: dict[str, Any], grows_old: bool
) -> None:
    saved = add_dataset(store, **spec)
    ended(store, saved, 1, GOOD)
    home.now += STALE_AFTER
    assert status(store, home, saved) is Status.VERIFIED
    home.now += timedelta(seconds=1)
    assert status(store, home, saved) is (Status.STALE if grows_old else Status.VERIFIED)


def test_each_dataset_with_runs_has_a_brief(store: Store) -> None:
    never, failed, good = add_dataset(store, "Never"), add_dataset(store, "Failed"), add_dataset(store, "Good")
    for number in range(1, 4):
        ended(store, good, number, GOOD)
    ended(store, failed, 8, RunOutcome(RunState.FAILED, error="Reason."))
    ended(store, good, 9, RunOutcome(RunState.FAILED, error="Reason."))
    briefs = store.runs.briefs()
    assert never.id not in briefs
    assert briefs[failed.id][1] is None
    latest, made_it, updated = briefs[good.id]
    assert updated == made_it
    assert isinstance(latest, RunBrief)
    assert (latest.id, latest.state, latest.error, latest.version) == (f"{9:016}", RunState.FAILED, "Reason.", None)
    assert made_it is not None
    assert (made_it.id, made_it.state.verified, made_it.table_rows) == (f"{3:016}", True, 7)
    assert (store.runs.count(good), store.runs.count(never)) == (4, 0)
    assert [run.id for run in store.runs.good(good, 2)] == [f"{3:016}", f"{2:016}"]
    assert [run.id for run in store.runs.list(good, limit=2, offset=1)] == [f"{3:016}", f"{2:016}"]


TEXT = st.text("ab c", max_size=4)


@st.composite
def several(draw: st.DrawFn, home: Path = Path("/nowhere")) -> list[Standing]:
    """Standings of datasets that differ in all that a list can be narrowed down by."""
    from datetime import UTC, datetime

    at = datetime(2026, 11, 22, tzinfo=UTC)
    entries = []
    for number in range(draw(st.integers(0, 8))):
        account = draw(st.sampled_from(["x", "y"]))
        owner = draw(st.sampled_from([None, 1, 2]))
        tags = tuple(draw(st.lists(st.sampled_from(["a", "b"]), max_size=2)))
        name = draw(TEXT)
        saved = SavedDataset(number, f"s{number}", f"s{number}", name, "", tags, 1, account, "{}", 1, at, at, owner)
        ran = at - timedelta(hours=draw(st.integers(0, 50)))
        rows = draw(st.none() | st.integers(0, 9))
        run = draw(st.none() | st.just(RunBrief("r", RunState.VERIFIED, ran, ran, ran, 0, "", rows, rows, sums=4)))
        report = draw(st.sampled_from(["ads", "performance"]))
        entries.append(Standing(saved, report, report.title(), run, run, draw(st.sampled_from(list(Status))), "", None))
    return entries


@given(
    several(),
    st.builds(
        Wanted,
        text=TEXT,
        status=st.sampled_from(["", *Status]),
        report=st.sampled_from(["", "ads"]),
        account=st.sampled_from(["", "x"]),
        tag=st.sampled_from(["", "a"]),
        mine=st.booleans(),
        recent=st.booleans(),
        attention=st.booleans(),
        sort=st.sampled_from(list(SORTS)),
        descending=st.booleans(),
    ),
)
def test_a_list_has_exactly_the_matching_datasets_in_order(entries: list[Standing], wanted: Wanted) -> None:
    from datetime import UTC, datetime

    from adreel.store import Role, User

    now = datetime(2026, 11, 22, tzinfo=UTC)
    user = User(1, "me", Role.EDITOR, False, now, None)
    matching = chosen(entries, wanted, user, now)
    assert {id(entry) for entry in matching} <= {id(entry) for entry in entries}
    for entry in entries:
        saved = entry.saved
        text = " ".join((saved.name, saved.slug, saved.account_name, entry.report_title, *saved.tags)).casefold()
        asked = (
            all(word in text for word in wanted.text.casefold().split()),
            wanted.status in ("", entry.status),
            wanted.report in ("", entry.report),
            wanted.account in ("", saved.account_name),
            not wanted.tag or wanted.tag in saved.tags,
            not wanted.mine or saved.owner_id == user.id,
            not wanted.recent or (entry.ran_at is not None and entry.ran_at >= now - timedelta(days=1)),
            not wanted.attention or entry.status.attention,
        )
        assert (entry in matching) is all(asked)
    keys = [SORTS[wanted.sort](entry) for entry in matching]
    assert keys == sorted(keys, reverse=wanted.descending)


def test_a_manual_dataset_is_stale_after_the_time_that_was_chosen_for_it(store: Store, home: Home) -> None:
    fixed = {"report": "performance", "dates": {"start": "2026-01-01", "end": "2026-01-31"}}
    timing = Timing(stale_after=timedelta(hours=6))
    new = NewDataset("Spend", store.accounts.get("demo"), json.dumps(fixed), timing=timing)
    (saved,) = store.datasets.create_all([new])
    assert status(store, home, saved) is Status.NEVER
    ended(store, saved, 1, GOOD)
    home.now += timedelta(hours=6)
    assert status(store, home, saved) is Status.VERIFIED
    home.now += timedelta(hours=1)
    assert status(store, home, saved) is Status.STALE
    (entry,) = standings(store, Guard(store, OPERATOR), home.now)
    assert entry.words == "The rows were read 7 hours ago. Run the dataset to update them."


def test_a_dataset_is_overdue_when_no_worker_starts_its_scheduled_run(store: Store, home: Home) -> None:
    rolling = {"report": "performance", "dates": {"start": "today-3", "end": "yesterday"}}
    hourly = Timing(schedule=Cron("0 * * * *"))
    new = NewDataset("Spend", store.accounts.get("demo"), json.dumps(rolling), timing=hourly)
    (saved,) = store.datasets.create_all([new])
    due_at = saved.next_run_at
    assert due_at is not None
    home.now = due_at + timedelta(minutes=10)
    assert status(store, home, saved) is Status.NEVER
    home.now += timedelta(seconds=1)
    assert status(store, home, saved) is Status.OVERDUE
    ended(store, saved, 1, RunOutcome(RunState.VERIFIED_WITH_WARNINGS, 0, {"verified": True}, table_rows=7))
    (entry,) = standings(store, Guard(store, OPERATOR), home.now)
    assert (entry.status, entry.words) == (
        Status.OVERDUE,
        f"The run of {due_at:%Y-%m-%d %H:%M} UTC has not started. Make sure that a worker is running.",
    )
    ended(store, saved, 2, RunOutcome(RunState.FAILED))
    assert status(store, home, saved) is Status.FAILED
    assert enqueue_due(store, home.now) == 1
    assert status(store, home, saved) is Status.QUEUED
    store.datasets.pause(store.datasets.get(saved.id))
    home.now += timedelta(days=2)
    assert status(store, home, saved) is Status.QUEUED
