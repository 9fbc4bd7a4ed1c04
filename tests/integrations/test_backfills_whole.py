"""Backfills from their first slice to their last, whatever happens between."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import test_backfills
from adreel.store import (
    IN_PROGRESS,
    BackfillState,
    RunState,
    Trigger,
    new_run_id,
)
from home import make_home
from postgres import PostgresServer
from test_backfills import DAYS, NOW, BackfillDesk, Steps, table

desk = test_backfills.desk


@pytest.mark.parametrize("update", ["partition", "upsert"])
def test_a_backfill_in_slices_leaves_the_table_of_one_run_for_all_its_days(desk: BackfillDesk, update: str) -> None:
    desk.dataset(update={"method": update})
    desk.home.good("run", "spend")
    desk.start()
    runs = desk.finish()
    assert [run.dates for run in runs] == [("2026-08-03", "2026-10-31"), ("2026-08-01", "2026-08-02")]
    assert {(run.trigger, run.state) for run in runs} == {(Trigger.BACKFILL, RunState.VERIFIED)}
    assert (desk.backfill.state, desk.backfill.days_done) == (BackfillState.DONE, 92)
    in_slices = table(desk.home)
    desk.home.good("run", "spend", "--start", DAYS[0], "--end", DAYS[1])
    assert table(desk.home) == in_slices
    assert len({row["stat_time_day"] for row in in_slices}) > 60


def test_a_backfill_on_postgres_is_worked_off_paused_and_resumed(tmp_path: Path, postgres: PostgresServer) -> None:
    home = make_home(tmp_path / "home", today=NOW.date(), advertisers=1, ads=1)
    home.now = NOW
    with postgres.database() as address:
        home.environ["ADREEL_DATABASE_URL"] = address
        home.add_account()
        desk = BackfillDesk(home)
        with desk.store:
            saved = desk.dataset()
            desk.start()
            old = desk.backfill
            desk.tick()
            assert desk.store.backfills.enqueue(old, new_run_id()) is None, "another worker was quicker"
            desk.work_next()
            desk.home.good("backfills", "pause", "spend")
            assert desk.tick() == 1
            desk.home.good("backfills", "resume", "spend")
            assert len(desk.finish()) == 1
            assert desk.backfill.ended_at is not None
            desk.store.datasets.delete(saved)
            assert desk.store.backfills.list() == ()


@settings(max_examples=20, deadline=None)
@given(
    days=st.integers(1, 40),
    slice_days=st.integers(1, 15),
    steps=st.lists(
        st.sampled_from(["look", "old", "tick", "tick", "read", "read", "fail", "die", "pause", "resume"]), max_size=40
    ),
)
def test_whatever_happens_in_whatever_order_slices_read_each_day_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, days: int, slice_days: int, steps: list[str]
) -> None:
    home = Steps(tmp_path_factory.mktemp("steps"), days, slice_days)
    with home.store:
        for what in steps:
            home.step(what)
            read = home.read()
            assert len(read) == len(set(read)), "a day was read twice"
            waiting = home.store.runs.list(states=IN_PROGRESS)
            assert len(waiting) <= 1, "two slices at once"
        for what in ["resume", "tick", "read"] * (3 * days + 3):
            home.step(what)
            if home.backfill.state is BackfillState.DONE:
                break
        assert home.backfill.state is BackfillState.DONE
        assert home.read() == home.days
