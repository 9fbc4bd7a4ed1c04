"""Counts of several processes."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from adreel.store import RequestCounts
from people import Clock, open_people
from test_totals import add_often


def test_several_processes_add_to_the_same_counts(tmp_path: Path) -> None:
    with open_people(tmp_path / "home", Clock()) as store:
        with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
            list(pool.map(add_often, [str(tmp_path / "home")] * 3))
        assert store.app_requests.totals() == {"app": RequestCounts(450, 150)}
