"""Schedules, whatever happens in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_schedules_at_work import STEPS, Steps


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(STEPS, max_size=40))
def test_whatever_happens_in_whatever_order_a_time_runs_once_and_a_dataset_one_at_a_time(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    home = Steps(tmp_path_factory.mktemp("steps"))
    with home.store:
        for what, minutes in steps:
            home.step(what, minutes)
            home.check()
