"""Rows into files and streams: CSV, JSON, Parquet and Excel, a batch at a time; a file is whole or not there at all."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from types import MappingProxyType
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from adreel.errors import InputError, StorageError
from adreel.export.cells import digits

EXCEL_ROWS = 1_048_575
"""Rows that an Excel sheet holds below its heading."""

EXCEL_TEXT = 32_767
"""Characters that an Excel cell holds."""

EXCEL_DIGITS = 2**53
"""Excel's numbers are exact up to here; greater whole numbers are written as texts."""

EXCEL_FIRST_YEAR = 1900
"""Excel has no dates before; they are written as texts."""

FORMULA = r"\A[=+\-@\t\r\x00]"
"""How a text begins that a spreadsheet takes for a formula (source: OWASP ASVS 5.0, 1.2.10; a carriage return is passed
over like a tab)."""

GROUP_ROWS = 65_536
"""Rows of a row group in a Parquet file, which is in memory while it is written."""

JSON_ROWS = 2_000
"""Rows of a piece of JSON."""

JSON_ESCAPED = r'["\\\x00-\x1f]'
"""What JSON does not take in a text as it is."""

SHORT_DECIMALS = 6
"""Arrow writes decimals of more places with an exponent when they are small."""

PIECE = 1 << 18
"""Bytes of a file that are streamed at a time."""

_Writer = Callable[[pa.RecordBatchReader, Any], int]


def file_kind(target: Path) -> str:
    """The format that the file's ending names; InputError if it names none."""
    kind = target.suffix.removeprefix(".").lower()
    if kind not in WRITERS:
        raise InputError(
            f"{target.name}: the file extension sets the format; use one of "
            f"{', '.join(f'.{ending}' for ending in WRITERS)}."
        )
    return kind


def write_file(
    reader: pa.RecordBatchReader, target: Path | IO[bytes], kind: str, *, for_spreadsheet: bool = False
) -> int:
    """Writes all rows in a format of `WRITERS` and returns how many there were; a file is there whole or not at all.

    `for_spreadsheet` does to CSV what it does in `stream`.

    Raises InputError for a place where no file can be and for rows that the format cannot hold, StorageError if the
    disk fails.
    """
    with _types_checked(kind):
        return _write(reader, target, _spreadsheet_csv if for_spreadsheet and kind == "csv" else WRITERS[kind])


def stream(reader: pa.RecordBatchReader, kind: str, *, for_spreadsheet: bool = False) -> Generator[bytes, None, None]:
    """All rows in a format of `WRITERS`, piece by piece, in bounded memory.

    CSV and JSON come while the rows are read. Parquet and Excel need the whole first, on disk in a file without a
    name, which goes when the iterator ends or is closed; what they cannot hold is told before the first piece. With
    `for_spreadsheet` CSV begins with the mark by which Excel knows UTF-8, and texts in it that a spreadsheet would take
    for a formula begin with an apostrophe.

    Raises InputError for an unknown format and for rows that the format cannot hold, StorageError if the disk fails.
    """
    if kind not in WRITERS:
        raise InputError(f"{kind!r} is not an export format; choose one of {', '.join(WRITERS)}.")
    return _pieces(reader, kind, for_spreadsheet=for_spreadsheet)


def _pieces(reader: pa.RecordBatchReader, kind: str, *, for_spreadsheet: bool) -> Generator[bytes, None, None]:
    with _types_checked(kind):
        if kind == "csv":
            yield from (piece for piece, _ in _csv_pieces(reader, for_spreadsheet=for_spreadsheet))
        elif kind == "json":
            yield from (piece for piece, _ in _json_pieces(reader))
        else:
            yield from _through_disk(reader, kind)


def _through_disk(reader: pa.RecordBatchReader, kind: str) -> Iterator[bytes]:
    try:
        with TemporaryFile(prefix="adreel-") as file:
            write_file(reader, file, kind)
            file.seek(0)
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise StorageError(
            f"The {kind} file cannot be created in {gettempdir()}: {error.strerror or error}. Free some space there."
        ) from error


@contextmanager
def _types_checked(kind: str) -> Iterator[None]:
    """Says which format a column does not go with."""
    try:
        yield
    except pa.ArrowNotImplementedError as error:
        raise InputError(f"A column cannot be written as {kind}: {error}. Cast it to text in a query.") from error


def _write(reader: pa.RecordBatchReader, target: Path | IO[bytes], writer: _Writer) -> int:
    if not isinstance(target, Path):
        # By way of a pipe that Arrow may close, as its writers do with what they are given.
        with pa.PythonFile(_LeftOpen(target), mode="w") as file:
            return writer(reader, file)
    with placed(target) as opened:
        return writer(reader, opened)


@contextmanager
def placed(target: Path) -> Iterator[IO[bytes]]:
    """A file that is at `target` when the block has ended, whole, and not at all if it raises.

    Raises InputError for a place where no file can be, StorageError if the disk fails.
    """
    if target.is_dir() or not target.parent.is_dir():
        reason = "it is a folder" if target.is_dir() else f"the folder {target.parent} does not exist"
        raise InputError(f"{target} cannot be written: {reason}.")
    partial = target.with_name(f".{target.name}.part")
    try:
        with partial.open("wb") as opened:
            yield opened
        partial.replace(target)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


class _LeftOpen:
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
    return _write_pieces(_csv_pieces(reader, for_spreadsheet=False), file)


def _spreadsheet_csv(reader: pa.RecordBatchReader, file: Any) -> int:
    return _write_pieces(_csv_pieces(reader, for_spreadsheet=True), file)


def _write_pieces(pieces: Iterator[tuple[Any, int]], file: Any) -> int:
    """Writes the pieces and adds up their rows."""
    rows = 0
    for piece, count in pieces:
        file.write(piece)
        rows += count
    return rows


def _csv_pieces(reader: pa.RecordBatchReader, *, for_spreadsheet: bool) -> Iterator[tuple[Any, int]]:
    """The heading and each batch as CSV, with their rows."""
    flat = pa.schema([pa.field(field.name, _csv_type(field.type)) for field in reader.schema])
    heading = pa.array(flat.names, pa.string())
    names = (_guarded(heading) if for_spreadsheet else heading).to_pylist()
    # Without it Excel reads a file in the encoding of its country, and spoils every letter beyond ASCII.
    mark = codecs.BOM_UTF8 if for_spreadsheet else b""
    yield mark + _csv_text(pa.RecordBatch.from_pylist([], flat).rename_columns(names), heading=True), 0
    for raw in reader:
        batch = _flat(raw, flat)
        if for_spreadsheet:
            columns = [_guarded(column) if column.type == pa.string() else column for column in batch.columns]
            batch = pa.RecordBatch.from_arrays(columns, schema=flat)
        yield _csv_text(batch, heading=False), batch.num_rows


def _csv_type(kind: Any) -> Any:
    """The type that a column has in CSV, for which all kinds of texts are one, and lists are texts of JSON."""
    worded = pa.types.is_dictionary(kind) and _is_text(kind.value_type)
    return pa.string() if pa.types.is_nested(kind) or _is_text(kind) or worded else kind


def _csv_text(batch: pa.RecordBatch, *, heading: bool) -> bytes:
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(batch, sink, pa_csv.WriteOptions(include_header=heading))
    text: bytes = sink.getvalue().to_pybytes()
    return text


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _guarded(texts: Any) -> Any:
    """Texts with an apostrophe before those that look like formulas. Numbers are none: -5 stays a number."""
    return pc.if_else(pc.match_substring_regex(texts, FORMULA), pc.binary_join_element_wise("'", texts, ""), texts)


def _flat(batch: pa.RecordBatch, flat: pa.Schema) -> pa.RecordBatch:
    """The batch in types that CSV has."""
    columns = [
        pa.array([None if value is None else _json_text(value) for value in column.to_pylist()], pa.string())
        if pa.types.is_nested(column.type)
        else column.cast(field.type)
        for column, field in zip(batch.columns, flat, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=flat)


def _json_text(value: Any) -> str:
    return orjson.dumps(value, default=_plain).decode()


def _plain(value: Any) -> Any:
    """A decimal as a JSON number with all its digits; what else JSON has no word for, as text."""
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(digits(value))
    return str(value)


def _json(reader: pa.RecordBatchReader, file: Any) -> int:
    return _write_pieces(_json_pieces(reader), file)


def _json_pieces(reader: pa.RecordBatchReader) -> Iterator[tuple[bytes, int]]:
    """A list with an object on each line, a batch at a time, with its rows."""
    opening = b"[\n"
    for read_batch in reader:
        for start in range(0, read_batch.num_rows, JSON_ROWS):
            batch = read_batch.slice(start, JSON_ROWS)
            yield opening + ",\n".join(_json_rows(batch)).encode(), batch.num_rows
            opening = b",\n"
    yield b"\n]\n" if opening == b",\n" else b"[\n]\n", 0


def _json_rows(batch: pa.RecordBatch) -> list[str]:
    """Each row as a JSON object, put together column by column: a sixth of the time that objects of Python take."""
    parts: list[Any] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        parts += [("," if parts else "{") + _json_text(name) + ":", _json_values(column)]
    if not parts:
        return ["{}"] * batch.num_rows
    rows: list[str] = pc.binary_join_element_wise(*parts, "}", "").to_pylist()
    return rows


def _json_values(column: Any) -> Any:
    """A column's values as texts of JSON. Those of which Arrow writes another form go one by one."""
    kind = column.type
    exact = pa.types.is_decimal(kind) and 0 <= kind.scale <= SHORT_DECIMALS
    plain = _is_text(kind) and not pc.any(pc.match_substring_regex(column, JSON_ESCAPED)).as_py()
    if plain or pa.types.is_date32(kind):
        texts = pc.binary_join_element_wise('"', column.cast(pa.string()), '"', "")
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind) or exact:
        texts = column.cast(pa.string())
        if exact and kind.scale:
            texts = pc.utf8_rtrim(pc.utf8_rtrim(texts, "0"), ".")
    else:
        texts = pa.array([_json_text(value) for value in column.to_pylist()], pa.string())
    return pc.fill_null(texts, "null")


def _parquet(reader: pa.RecordBatchReader, file: Any) -> int:
    rows = 0
    with pq.ParquetWriter(file, reader.schema, compression="zstd") as writer:
        for table in _groups(reader):
            writer.write_table(table, row_group_size=GROUP_ROWS)
            rows += table.num_rows
    return rows


def _groups(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """The batches put together to row groups."""
    waiting: list[pa.RecordBatch] = []
    for batch in reader:
        waiting.append(batch)
        if sum(batch_waiting.num_rows for batch_waiting in waiting) >= GROUP_ROWS:
            yield pa.Table.from_batches(waiting, reader.schema)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting, reader.schema)


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
            raise InputError(f"An Excel sheet holds at most {EXCEL_ROWS:,} rows; export to .csv or .parquet instead.")
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
            f"Row {row:,}, column {number + 1} has a text of {len(text):,} characters and an Excel cell holds at most "
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


WRITERS: Mapping[str, _Writer] = MappingProxyType({"csv": _csv, "json": _json, "parquet": _parquet, "xlsx": _excel})
"""What each format is written by."""
