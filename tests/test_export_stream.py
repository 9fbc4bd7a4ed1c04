"""Exports as streams: the bytes of the files, piece by piece, and nothing left behind."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.errors import InputError, StorageError
from adreel.export.files import WRITERS, About, AboutColumn, stream, write_file
from adreel.lake import Lake
from lake_rows import put, row, with_columns

SCHEMA = pa.schema(
    [
        pa.field("ad_id", pa.string()),
        pa.field("day", pa.date32()),
        pa.field("spend", pa.decimal128(24, 6)),
        pa.field("clicks", pa.int64()),
    ]
)


def batch(count: int, name: str = "Ad") -> pa.RecordBatch:
    rows = [
        {"ad_id": f"{name} {number}", "day": date(2026, 1, 1), "spend": Decimal(number) / 4, "clicks": -number}
        for number in range(count)
    ]
    return pa.RecordBatch.from_pylist(rows, SCHEMA)


def reader(*batches: pa.RecordBatch) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(batches[0].schema if batches else SCHEMA, batches)


def table_of(kind: str, data: bytes) -> list[list[Any]]:
    """The rows of an export, with its heading."""
    if kind == "csv":
        return list(csv.reader(io.StringIO(data.decode(), newline="")))
    if kind == "json":
        records = json.loads(data)
        return [list(records[0]), *(list(record.values()) for record in records)]
    if kind == "parquet":
        table = pq.read_table(io.BytesIO(data))
        return [table.column_names, *(list(record.values()) for record in table.to_pylist())]
    return [list(record) for record in openpyxl.load_workbook(io.BytesIO(data))["data"].iter_rows(values_only=True)]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("kind", WRITERS)
def test_a_stream_holds_what_the_file_holds(kind: str, tmp_path: Path, scratch: Path) -> None:
    batches = (batch(3), batch(0), batch(2_500, 'Zoë, "the" one\n'))
    data = b"".join(stream(reader(*batches), kind))
    target = tmp_path / f"x.{kind}"
    assert write_file(reader(*batches), target, kind) == 2_503
    assert table_of(kind, data) == table_of(kind, target.read_bytes())
    assert len(table_of(kind, data)) == 2_504
    if kind in ("csv", "json"):
        assert data == target.read_bytes()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("kind", WRITERS)
def test_a_stream_without_rows_is_a_whole_file(kind: str) -> None:
    data = b"".join(stream(reader(), kind))
    assert json.loads(data) == [] if kind == "json" else table_of(kind, data) == [SCHEMA.names]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_text_formats_come_while_rows_are_read(kind: str) -> None:
    read: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(100):
            read.append(number)
            yield batch(10)

    chunks = stream(pa.RecordBatchReader.from_batches(SCHEMA, batches()), kind)
    assert next(chunks)
    assert next(chunks)
    assert len(read) < 5
    chunks.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "xlsx"])
def test_other_formats_leave_no_file_wherever_the_client_goes_away(kind: str, scratch: Path) -> None:
    chunks = stream(reader(*(batch(2_000, f"{number}") for number in range(20))), kind)
    first = next(chunks)
    assert first[:2] in (b"PA", b"PK")
    assert list(scratch.iterdir()) == []
    chunks.close()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("kind", WRITERS)
def test_a_fault_while_rows_are_read_ends_the_stream_and_leaves_no_file(kind: str, scratch: Path) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield batch(10)
        raise StorageError("The disk is gone.")

    with pytest.raises(StorageError, match="The disk is gone"):
        list(stream(pa.RecordBatchReader.from_batches(SCHEMA, batches()), kind))
    assert list(scratch.iterdir()) == []


def test_what_a_format_cannot_hold_is_told_before_the_first_piece(scratch: Path) -> None:
    long = pa.RecordBatch.from_pydict({"name": ["x" * 40_000]})
    with pytest.raises(InputError, match="an Excel cell holds at most 32,767"):
        next(stream(reader(long), "xlsx"))
    spans = pa.RecordBatch.from_pydict({"span": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    with pytest.raises(InputError, match="cannot be written as parquet"):
        next(stream(reader(spans), "parquet"))
    assert list(scratch.iterdir()) == []


def test_an_unknown_format_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="'pdf' is not an export format; choose one of csv, json, parquet, xlsx"):
        stream(reader(), "pdf")


def test_a_disk_that_is_away_is_told_as_such(scratch: Path) -> None:
    scratch.rmdir()
    with pytest.raises(StorageError, match=r"The parquet file cannot be created in .*scratch"):
        next(stream(reader(batch(1)), "parquet"))


def test_a_table_of_the_lake_is_streamed(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    tagged = {**row("a", 1, "1.5"), "tags": ["x", "é"]}
    put(lake, "run1", "replace", [tagged, row("b", 2, None)], schema=with_columns(tags=pa.list_(pa.string())))
    chunks = stream(lake.read("ads", columns=("ad_id", "stat_time_day", "spend", "tags")), "json")
    assert json.loads(b"".join(chunks)) == [
        {"ad_id": "a", "stat_time_day": "2026-01-01", "spend": 1.5, "tags": ["x", "é"]},
        {"ad_id": "b", "stat_time_day": "2026-01-02", "spend": None, "tags": None},
    ]


# -- texts that a spreadsheet takes for formulas

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "-", "=cmd|'/c calc'!A1"]
TEXTS = ["Spring", "", "'=1", " =1", "1-1", "a=b", None]


def named(texts: Sequence[str | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"name": pa.array(texts, pa.string())})


def names(data: bytes) -> list[str]:
    return [cells[0] if cells else "" for cells in table_of("csv", data)[1:]]


def test_csv_for_a_spreadsheet_makes_no_formulas_of_texts() -> None:
    data = b"".join(stream(reader(named([*FORMULAS, *TEXTS])), "csv", for_spreadsheet=True))
    assert names(data) == [f"'{text}" for text in FORMULAS] + [text or "" for text in TEXTS]


def test_csv_for_programs_has_the_texts_as_they_are() -> None:
    data = b"".join(stream(reader(named([*FORMULAS, *TEXTS])), "csv"))
    assert names(data) == [text or "" for text in [*FORMULAS, *TEXTS]]


def test_numbers_and_days_stay_what_they_are_in_csv_for_a_spreadsheet() -> None:
    plain, guarded = (
        b"".join(stream(reader(batch(5)), "csv", for_spreadsheet=for_spreadsheet)) for for_spreadsheet in (False, True)
    )
    assert guarded == b"\xef\xbb\xbf" + plain
    assert b",-3\n" in guarded


def test_headings_make_no_formulas_either() -> None:
    columns = pa.RecordBatch.from_pydict({"=1+1": ["a"], "spend": ["b"]})
    guarded = b"".join(stream(reader(columns), "csv", for_spreadsheet=True)).removeprefix(b"\xef\xbb\xbf")
    assert table_of("csv", guarded)[0] == ["'=1+1", "spend"]
    assert table_of("csv", b"".join(stream(reader(columns), "csv")))[0] == ["=1+1", "spend"]


def test_lists_and_other_kinds_of_texts_are_guarded_too() -> None:
    columns = pa.RecordBatch.from_pydict(
        {
            "large": pa.array(["=1"], pa.large_string()),
            "view": pa.array(["=1"], pa.string_view()),
            "named": pa.array(["=1"]).dictionary_encode(),
            "list": pa.array([["=1"]], pa.list_(pa.string())),
        }
    )
    data = b"".join(stream(reader(columns), "csv", for_spreadsheet=True))
    assert table_of("csv", data)[1] == ["'=1", "'=1", "'=1", '["=1"]']


def test_excel_gets_texts_as_texts() -> None:
    data = b"".join(stream(reader(named([text for text in FORMULAS if text.isprintable()])), "xlsx"))
    cells = [cell[0] for cell in openpyxl.load_workbook(io.BytesIO(data))["data"].iter_rows(min_row=2)]
    assert [(cell.value, cell.data_type) for cell in cells] == [(text, "s") for text in FORMULAS if text.isprintable()]


def test_excel_keeps_types_digits_and_a_heading_that_stays() -> None:
    schema = pa.schema(
        [
            pa.field("ad_id", pa.string()),
            pa.field("day", pa.date32()),
            pa.field("at", pa.timestamp("us", tz="UTC")),
            pa.field("spend", pa.decimal128(24, 6)),
            pa.field("long", pa.decimal128(24, 6)),
            pa.field("clicks", pa.int64()),
            pa.field("huge", pa.int64()),
        ]
    )
    values = ("1234567890123456789", date(2026, 1, 31), datetime(2026, 1, 31, 9, 30, tzinfo=UTC), Decimal("1234.5"))
    row_values = (*values, Decimal("1234567890123.123456"), 12_345, 1234567890123456789)
    rows = pa.RecordBatch.from_pylist([dict(zip(schema.names, row_values, strict=True))], schema)
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(stream(reader(rows), "xlsx"))))["data"]
    cells = sheet[2]
    assert [cell.value for cell in cells] == [
        "1234567890123456789",
        datetime(2026, 1, 31, tzinfo=None),  # noqa: DTZ001 - Excel's times have no zone
        datetime(2026, 1, 31, 9, 30, tzinfo=None),  # noqa: DTZ001
        1234.5,
        "1234567890123.123456",
        12_345,
        "1234567890123456789",
    ]
    assert [cells[number].number_format for number in (1, 2, 3, 5)] == [
        "yyyy-mm-dd",
        "yyyy-mm-dd hh:mm",
        "#,##0.00####",
        "#,##0",
    ]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:G2")
    assert sheet.column_dimensions["A"].width > 19
    assert sheet[1][0].font.bold


def test_more_rows_than_a_sheet_holds_go_on_in_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adreel.export.files.EXCEL_ROWS", 4)
    about = About(
        (("Dataset", "=Spend"),), (AboutColumn("spend", "Cost", "money", "", "May be summed", "Paid."),), "day"
    )
    book = openpyxl.load_workbook(io.BytesIO(b"".join(stream(reader(batch(10)), "xlsx", about=about))))
    assert book.sheetnames == ["data", "data 2", "data 3", "About"]
    parts = [list(book[name].iter_rows(values_only=True)) for name in book.sheetnames[:3]]
    assert [list(part[0]) for part in parts] == [SCHEMA.names] * 3
    assert [record[0] for part in parts for record in part[1:]] == [f"Ad {number}" for number in range(10)]
    facts = {str(record[0]): record[1] for record in book["About"].iter_rows(max_row=4, values_only=True)}
    assert facts == {
        "Dataset": "=Spend",
        "Rows": "10",
        "Days": "2026-01-01 to 2026-01-01",
        "Sheets": "data, data 2, data 3: an Excel sheet holds 4 rows below its heading.",
    }
    assert book["About"]["B1"].data_type == "s"
    assert [cell.value for cell in book["About"][7]] == ["spend", "Cost", "money", "", "May be summed", "Paid."]


@given(st.lists(st.text(max_size=6), max_size=5))
def test_no_guarded_cell_begins_like_a_formula_and_nothing_else_changes(texts: list[str]) -> None:
    # Python's reader of CSV has no nul.
    plain_texts = [text.replace("\0", "") for text in texts]
    exported = names(b"".join(stream(reader(named(plain_texts)), "csv", for_spreadsheet=True)))
    assert all(cell[:1] not in tuple("=+-@\t\r") or not cell for cell in exported)
    assert [
        cell.removeprefix("'") if text[:1] != "'" else cell for cell, text in zip(exported, plain_texts, strict=True)
    ] == plain_texts


# -- JSON


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "text": st.none() | st.text(max_size=6),
                "decimal": st.none() | st.decimals(-(10**12), 10**12, places=6),
                "fine": st.none() | st.decimals(-1, 1, places=12),
                "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
                "truth": st.none() | st.booleans(),
                "day": st.none() | st.dates(),
                "at": st.none() | st.datetimes(min_value=datetime(1900, 1, 1, tzinfo=UTC).replace(tzinfo=None)),
                "real": st.none() | st.floats(),
                "list": st.none() | st.lists(st.none() | st.text(max_size=3), max_size=2),
            }
        ),
        max_size=6,
    )
)
def test_json_is_what_row_by_row_gives(rows: list[dict[str, Any]]) -> None:
    types = {
        "text": pa.string(),
        "decimal": pa.decimal128(24, 6),
        "fine": pa.decimal128(20, 12),
        "whole": pa.int64(),
        "truth": pa.bool_(),
        "day": pa.date32(),
        "at": pa.timestamp("us"),
        "real": pa.float64(),
        "list": pa.list_(pa.string()),
    }
    table = pa.RecordBatch.from_pylist(rows, pa.schema(list(types.items())))
    exported = orjson.loads(b"".join(stream(reader(table), "json")))
    for record, other in zip(exported, rows, strict=True):
        assert {name: record[name] for name in ("text", "whole", "truth", "list")} == {
            name: other[name] for name in ("text", "whole", "truth", "list")
        }
        assert record["day"] == (other["day"] and other["day"].isoformat())
        assert (record["at"] and datetime.fromisoformat(record["at"])) == other["at"]
    exact = json.loads(b"".join(stream(reader(table), "json")), parse_float=Decimal, parse_int=Decimal)
    for record, other in zip(exact, rows, strict=True):
        assert (record["decimal"], record["fine"]) == (other["decimal"], other["fine"])
