"""Rows into files: CSV, JSON, Parquet and Excel, a batch at a time and whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
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


def write_file(reader: pa.RecordBatchReader, target: Path | IO[bytes], kind: str) -> int:
    """Writes all rows and returns how many there were; a file is there whole or not at all.

    Raises InputError for a format that is not known or that cannot hold so many rows, StorageError if the disk fails.
    """
    if kind not in WRITERS:
        raise InputError(f"{kind!r} is no format; there are {', '.join(WRITERS)}.")
    if not isinstance(target, Path):
        return WRITERS[kind](reader, target)
    partial = target.with_name(f".{target.name}.part")
    try:
        with partial.open("wb") as file:
            rows = WRITERS[kind](reader, file)
        partial.replace(target)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _csv(reader: pa.RecordBatchReader, file: IO[bytes]) -> int:
    flat = pa.schema([pa.field(f.name, pa.string() if pa.types.is_list(f.type) else f.type) for f in reader.schema])
    rows = 0
    with pa_csv.CSVWriter(file, flat) as writer:
        for batch in reader:
            writer.write_batch(_without_lists(batch, flat))
            rows += batch.num_rows
    return rows


def _without_lists(batch: pa.RecordBatch, flat: pa.Schema) -> pa.RecordBatch:
    """Lists as JSON texts, for formats that have no lists."""
    columns = [
        pa.array([None if value is None else orjson.dumps(value).decode() for value in column.to_pylist()], pa.string())
        if pa.types.is_list(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=flat)


def _json(reader: pa.RecordBatchReader, file: IO[bytes]) -> int:
    rows = 0
    file.write(b"[")
    for batch in reader:
        for row in batch.to_pylist():
            file.write((b",\n" if rows else b"\n") + orjson.dumps(row, default=str))
            rows += 1
    file.write(b"\n]\n")
    return rows


def _parquet(reader: pa.RecordBatchReader, file: IO[bytes]) -> int:
    rows = 0
    with pq.ParquetWriter(file, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _excel(reader: pa.RecordBatchReader, file: IO[bytes]) -> int:
    # Imported here: 0.1 s that only this format needs.
    import xlsxwriter

    rows = 0
    options = {
        "constant_memory": True,
        "default_date_format": "yyyy-mm-dd",
        "strings_to_formulas": False,
        "strings_to_urls": False,
    }
    with closing(xlsxwriter.Workbook(file, options)) as book:
        sheet = book.add_worksheet("data")
        heading = book.add_format({"bold": True})
        for number, name in enumerate(reader.schema.names):
            sheet.write_string(0, number, name, heading)
        sheet.freeze_panes(1, 0)
        for batch in reader:
            for row in batch.to_pylist():
                rows += 1
                if rows > EXCEL_ROWS:
                    raise InputError(f"An Excel sheet holds {EXCEL_ROWS:,} rows; export to .csv or .parquet instead.")
                for number, value in enumerate(row.values()):
                    _cell(sheet, rows, number, value)
    return rows


def _cell(sheet: Any, row: int, number: int, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, list):
        sheet.write_string(row, number, orjson.dumps(value).decode())
    elif hasattr(value, "tzinfo") and value.tzinfo is not None:
        sheet.write_datetime(row, number, value.replace(tzinfo=None))
    elif isinstance(value, str):
        sheet.write_string(row, number, value)
    else:
        sheet.write(row, number, value)


WRITERS: Mapping[str, Callable[[pa.RecordBatchReader, IO[bytes]], int]] = MappingProxyType(
    {"csv": _csv, "json": _json, "parquet": _parquet, "xlsx": _excel}
)
FORMATS = ("csv", "json", "parquet")
"""Formats that can go to stdout."""
