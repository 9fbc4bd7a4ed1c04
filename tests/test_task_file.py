"""The CSV of report tasks: read back whatever a usual writer wrote, and refused where it may say something else."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.dates import Span
from adreel.errors import ProofError
from adreel.pipeline.task_file import TaskFile, read_file

NAMES = ("ad_name", "stat_time_day", "spend")
DAYS = Span(date(2026, 8, 1), date(2026, 8, 30))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=8)
ROWS = st.lists(st.tuples(TEXTS, st.sampled_from(["2026-08-01", "2026-08-30 00:00:00"]), st.just("12.34")), max_size=5)
QUOTING: list[Literal[0, 1]] = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL]


def written(rows: list[tuple[str, ...]], quoting: Literal[0, 1] = csv.QUOTE_MINIMAL, end: str = "\n") -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting, lineterminator=end).writerows([NAMES, *rows])
    return file.getvalue().encode()


def rows_of(file: TaskFile) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in file.rows.to_pylist()]


@given(rows=ROWS, quoting=st.sampled_from(QUOTING), end=st.sampled_from(["\n", "\r\n"]), mark=st.booleans())
def test_a_file_has_the_rows_that_were_written(
    rows: list[tuple[str, ...]], quoting: Literal[0, 1], end: str, mark: bool
) -> None:
    file = read_file((b"\xef\xbb\xbf" if mark else b"") + written(rows, quoting, end), NAMES, DAYS)
    assert (rows_of(file), file.cut) == (rows, False)
    assert file.of(Span(DAYS.start, DAYS.start)).num_rows == sum(row[1] == "2026-08-01" for row in rows)


@given(rows=ROWS, quoting=st.sampled_from(QUOTING), data=st.data())
def test_a_file_without_its_end_has_whole_rows_or_is_refused(
    rows: list[tuple[str, ...]], quoting: Literal[0, 1], data: st.DataObject
) -> None:
    content = written(rows, quoting)
    part = content[: data.draw(st.integers(0, len(content) - 1))]
    try:
        left = rows_of(read_file(part, NAMES, DAYS))
    except ProofError:
        return
    assert left == rows[: len(left)]
    assert len(left) < max(1, len(rows))


@pytest.mark.parametrize(
    "line",
    [
        '"Sale",2026-08-01,12.34',
        '"Sale" now,2026-08-01,12.34',
        "\r,2026-08-01,12.34",
        "Sale\n,2026-08-01,12.34",
        "",
        'a,"Sale",2026-08-01,12.34',
        "Sale, now,2026-08-01,12.34",
        "Sale,2026-08-01",
        "Sale,20260801,12.34",
        "Sale,2026-08-01 05:00:00,12.34",
        "Sale,2026-07-31,12.34",
        "Sale,,12.34",
        "\xff",
    ],
)
def test_a_row_that_may_mean_something_else_is_refused(line: str) -> None:
    with pytest.raises(ProofError):
        read_file(f"{','.join(NAMES)}\n{line}\n".encode("latin-1"), NAMES, DAYS)


@pytest.mark.parametrize("heading", ["", "ad_name,spend", "ad_name,stat_time_day,spend,clicks", "ad_name,spend,spend"])
def test_other_columns_are_refused(heading: str) -> None:
    with pytest.raises(ProofError, match="has the columns"):
        read_file(f"{heading}\n".encode(), NAMES, DAYS)


def test_columns_may_have_another_order() -> None:
    file = read_file(b"spend,ad_name,stat_time_day\n1.00,Sale,2026-08-01\n", NAMES, DAYS)
    assert file.rows.to_pylist() == [{"spend": "1.00", "ad_name": "Sale", "stat_time_day": "2026-08-01"}]
