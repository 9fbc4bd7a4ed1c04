"""Rows into files: CSV, JSON, Parquet and Excel, a batch at a time and whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from adreel.errors import InputError, StorageError

EXCEL_ROWS = 1_048_575
"""Rows that an Excel sheet holds below its heading."""

EXCEL_TEXT = 32_767
"""Characters that an Excel cell holds."""

EXCEL_DIGITS = 2**53
"""Excel's numbers are exact up to here; greater whole numbers are written as texts."""

EXCEL_FIRST_YEAR = 1900
"""Excel has no dates before; they are written as texts."""


def file_kind(target: Path) -> str:
    """The format that the file's ending names; InputError if it names none."""
    kind = target.suffix.removeprefix(".").lower()
    if kind not in WRITERS:
        raise InputError(
            f"{target.name}: the file's ending says its format: {', '.join(f'.{one}' for one in WRITERS)}."
        )
    return kind


def write_file(reader: pa.RecordBatchReader, target: Path | IO[bytes], kind: str) -> int:
    """Writes all rows in a format of `WRITERS` and returns how many there were; a file is there whole or not at all.

    Raises InputError for a place where no file can be and for rows that the format cannot hold, StorageError if the
    disk fails.
    """
    try:
        return _write(reader, target, kind)
    except pa.ArrowNotImplementedError as error:
        raise InputError(f"A column cannot be written as {kind}: {error}. Cast it to text in a query.") from error


def _write(reader: pa.RecordBatchReader, target: Path | IO[bytes], kind: str) -> int:
    if not isinstance(target, Path):
        # By way of a pipe that Arrow may close, as its writers do with what they are given.
        with pa.PythonFile(_Kept(target), mode="w") as file:
            return WRITERS[kind](reader, file)
    if target.is_dir() or not target.parent.is_dir():
        reason = "it is a folder" if target.is_dir() else f"there is no folder {target.parent}"
        raise InputError(f"{target} cannot be written: {reason}.")
    partial = target.with_name(f".{target.name}.part")
    try:
        with partial.open("wb") as opened:
            rows = WRITERS[kind](reader, opened)
        partial.replace(target)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return rows


class _Kept:
    """A file that stays open when who was given it closes it."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.flush()


def _csv(reader: pa.RecordBatchReader, file: Any) -> int:
    flat = pa.schema([pa.field(f.name, pa.string() if pa.types.is_nested(f.type) else f.type) for f in reader.schema])
    rows = 0
    with pa_csv.CSVWriter(file, flat) as writer:
        for batch in reader:
            writer.write_batch(_flat(batch, flat))
            rows += batch.num_rows
    return rows


def _flat(batch: pa.RecordBatch, flat: pa.Schema) -> pa.RecordBatch:
    """Lists and the like as JSON texts, for formats that have none."""
    columns = [
        pa.array([None if value is None else _json_text(value) for value in column.to_pylist()], pa.string())
        if pa.types.is_nested(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=flat)


def _json_text(value: Any) -> str:
    return orjson.dumps(value, default=_plain).decode()


def _plain(value: Any) -> Any:
    """A decimal as a JSON number with all its digits; what else JSON has no word for, as text."""
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(f"{value.normalize():f}")
    return str(value)


def _json(reader: pa.RecordBatchReader, file: Any) -> int:
    rows = 0
    file.write(b"[")
    for batch in reader:
        for row in batch.to_pylist():
            file.write((b",\n" if rows else b"\n") + orjson.dumps(row, default=_plain))
            rows += 1
    file.write(b"\n]\n")
    return rows


def _parquet(reader: pa.RecordBatchReader, file: Any) -> int:
    rows = 0
    with pq.ParquetWriter(file, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _excel(reader: pa.RecordBatchReader, file: Any) -> int:
    # Imported here: 0.1 s that only this format needs.
    import xlsxwriter
    from xlsxwriter.exceptions import FileCreateError

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book, fault = xlsxwriter.Workbook(file, options), None
    try:
        rows = _fill(book, reader)
    finally:
        # Let go of before anything is raised: what its traceback holds on to would write to `file` once more.
        try:
            book.close()
        except FileCreateError as error:
            fault = str(getattr(error.args[0], "strerror", None) or error)
    if fault is not None:
        raise OSError(fault)
    return rows


def _fill(book: Any, reader: pa.RecordBatchReader) -> int:
    sheet = book.add_worksheet("data")
    heading = book.add_format({"bold": True})
    days, times = (book.add_format({"num_format": f"yyyy-mm-dd{more}"}) for more in ("", " hh:mm"))
    for number, name in enumerate(reader.schema.names):
        sheet.write_string(0, number, name, heading)
    sheet.freeze_panes(1, 0)
    row = 0
    for row, values in enumerate(_rows(reader), start=1):
        if row > EXCEL_ROWS:
            raise InputError(f"An Excel sheet holds {EXCEL_ROWS:,} rows; export to .csv or .parquet instead.")
        for number, value in enumerate(values):
            if isinstance(value, str):
                _write_text(sheet, row, number, value)
            elif isinstance(value, date):
                sheet.write_datetime(row, number, value, times if isinstance(value, datetime) else days)
            elif value is not None:
                sheet.write(row, number, value)
    return row


def _write_text(sheet: Any, row: int, number: int, text: str) -> None:
    if len(text) > EXCEL_TEXT:
        raise InputError(
            f"Row {row:,}, column {number + 1} has a text of {len(text):,} characters and an Excel cell holds "
            f"{EXCEL_TEXT:,}; export to .csv or .parquet instead."
        )
    # As a text whatever it looks like: a name that begins with = is no formula.
    sheet.write_string(row, number, text)


def _rows(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    """Rows of what an Excel sheet can hold."""
    for batch in reader:
        columns = [map(_cell, column.to_pylist()) for column in batch.columns]
        yield from zip(*columns, strict=True)


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, datetime):
        value = value.replace(tzinfo=None)
    if isinstance(value, date):
        return value if value.year >= EXCEL_FIRST_YEAR else value.isoformat()
    if isinstance(value, (int, float, Decimal)) and isfinite(value) and -EXCEL_DIGITS < value < EXCEL_DIGITS:
        return value
    if isinstance(value, time) or not isinstance(value, (list, dict)):
        return str(value)
    return _json_text(value)


WRITERS: Mapping[str, Callable[[pa.RecordBatchReader, Any], int]] = MappingProxyType(
    {"csv": _csv, "json": _json, "parquet": _parquet, "xlsx": _excel}
)
"""What each format is written by."""
