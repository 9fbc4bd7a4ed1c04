"""Destinations, whatever versions follow each other."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from test_publishing import STEP, _apply, duckdb_copy


@settings(max_examples=8)
@given(st.lists(STEP, min_size=2, max_size=6))
def test_whatever_versions_follow_each_other_the_copy_has_the_rows_of_the_last(
    steps: Sequence[tuple[str, Sequence[tuple[str, int, int | None, int]], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = duckdb_copy(Path(folder))
        for number, (method, rows, sent) in enumerate(steps):
            _apply(copy.lake, number, method, rows)
            if sent:
                copy.publish()
        copy.publish()
        assert copy.is_the_lakes()
