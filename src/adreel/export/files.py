"""Rows into files and streams: CSV, JSON, Parquet and Excel, a batch at a time; a file is whole or not there at all."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from types import MappingProxyType
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from adreel.arrow import pc
from adreel.errors import InputError, StorageError
from adreel.export.cells import digits
from adreel.language import Phrase, integer, phrase

EXCEL_ROWS = 1_048_575
"""Rows that an Excel sheet holds below its heading."""

EXCEL_TEXT = 32_767
"""Characters that an Excel cell holds."""

EXCEL_DIGITS = 15
"""Digits that Excel keeps of a number; whole numbers and decimals that have more are written as texts."""

EXCEL_WIDTHS = range(9, 48)
"""Widths that columns get, in characters."""

EXCEL_MEASURED = 500
"""Rows of a sheet from which the widths of its columns are taken."""

EXCEL_BATCH = 2_000
"""Rows of a sheet that are values of Python at a time."""

EXCEL_FIRST_YEAR = 1900
"""Excel has no dates before; they are written as texts."""

FORMULA = r"\A[=+\-@\t\r\x00]"
"""How a text begins that a spreadsheet takes for a formula (source: OWASP ASVS 5.0, 1.2.10; a carriage return is passed
over like a tab)."""

ROUNDED = r"\A[0-9]{16,}\z"
"""Ids as Google Sheets would round them: it takes texts of digits in CSV for numbers, of which it keeps 15 digits."""

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


@dataclass(frozen=True, slots=True)
class AboutColumn:
    """What a column means, as the sheet "About" lists it."""

    name: str
    title: str
    type: str
    unit: str
    additive: str
    meaning: str


@dataclass(frozen=True, slots=True)
class About:
    """What a workbook says of its rows on its last sheet: facts with their names, then the columns.

    The writer adds how many rows there are, and the first and last day of `day_column` among them.
    """

    facts: tuple[tuple[str, str], ...]
    columns: tuple[AboutColumn, ...]
    day_column: str | None = None


def file_kind(target: Path) -> str:
    """The format that the file's ending names; InputError if it names none."""
    kind = target.suffix.removeprefix(".").lower()
    if kind not in WRITERS:
        raise InputError(
            phrase(
                "%(name)s: the file extension sets the format; use one of %(extensions)s.",
                name=target.name,
                extensions=", ".join(f".{ending}" for ending in WRITERS),
            )
        )
    return kind


def write_file(
    reader: pa.RecordBatchReader,
    target: Path | IO[bytes],
    kind: str,
    *,
    for_spreadsheet: bool = False,
    about: About | None = None,
) -> int:
    """Writes all rows in a format of `WRITERS` and returns how many there were; a file is there whole or not at all.

    `for_spreadsheet` and `about` do what they do in `stream`.

    Raises InputError for a place where no file can be and for rows that the format cannot hold, StorageError if the
    disk fails.
    """
    with _types_checked(kind):
        return _write(reader, target, _writer(kind, about, for_spreadsheet=for_spreadsheet))


def _writer(kind: str, about: About | None, *, for_spreadsheet: bool) -> _Writer:
    if kind == "xlsx" and about is not None:
        return lambda reader, file: _excel(reader, file, about)
    return _spreadsheet_csv if for_spreadsheet and kind == "csv" else WRITERS[kind]


def stream(
    reader: pa.RecordBatchReader, kind: str, *, for_spreadsheet: bool = False, about: About | None = None
) -> Generator[bytes, None, None]:
    """All rows in a format of `WRITERS`, piece by piece, in bounded memory.

    CSV and JSON come while the rows are read. Parquet and Excel need the whole first, on disk in a file without a
    name, which goes when the iterator ends or is closed; what they cannot hold is told before the first piece. With
    `for_spreadsheet` CSV begins with the mark by which Excel knows UTF-8, and texts in it that a spreadsheet would take
    for a formula begin with an apostrophe. Excel has a sheet more with what is `about` the rows.

    Raises InputError for an unknown format and for rows that the format cannot hold, StorageError if the disk fails.
    """
    if kind not in WRITERS:
        raise InputError(
            phrase(
                "%(kind)s is not an export format; choose one of %(formats)s.",
                kind=repr(kind),
                formats=", ".join(WRITERS),
            )
        )
    return _pieces(reader, kind, about, for_spreadsheet=for_spreadsheet)


def _pieces(
    reader: pa.RecordBatchReader, kind: str, about: About | None, *, for_spreadsheet: bool
) -> Generator[bytes, None, None]:
    with _types_checked(kind):
        if kind == "csv":
            yield from (piece for piece, _ in _csv_pieces(reader, _EXCEL_CSV if for_spreadsheet else _PLAIN_CSV))
        elif kind == "json":
            yield from (piece for piece, _ in _json_pieces(reader))
        else:
            yield from _through_disk(reader, kind, about)


def _through_disk(reader: pa.RecordBatchReader, kind: str, about: About | None) -> Iterator[bytes]:
    try:
        with TemporaryFile(prefix="adreel-") as file:
            write_file(reader, file, kind, about=about)
            file.seek(0)
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise StorageError(
            phrase(
                "The %(kind)s file cannot be created in %(folder)s: %(reason)s. Free some space there.",
                kind=kind,
                folder=gettempdir(),
                reason=error.strerror or error,
            )
        ) from error


@contextmanager
def _types_checked(kind: str) -> Iterator[None]:
    """Says which format a column does not go with."""
    try:
        yield
    except pa.ArrowNotImplementedError as error:
        raise InputError(
            phrase(
                "A column cannot be written as %(kind)s: %(error)s. Cast it to text in a query.", kind=kind, error=error
            )
        ) from error


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
        if target.is_dir():
            raise InputError(phrase("%(target)s cannot be written: it is a folder.", target=target))
        words = Phrase("%(target)s cannot be written: the folder %(folder)s does not exist.")
        raise InputError(phrase(words, target=target, folder=target.parent))
    partial = target.with_name(f".{target.name}.part")
    try:
        with partial.open("wb") as opened:
            yield opened
        partial.replace(target)
    except OSError as error:
        raise StorageError(
            phrase("%(target)s cannot be written: %(reason)s.", target=target, reason=error.strerror or error)
        ) from error
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


def stream_sheets_csv(reader: pa.RecordBatchReader) -> Generator[bytes, None, None]:
    """All rows as the CSV that Google Sheets imports, piece by piece, in bounded memory.

    Texts that it would take for a formula, and ids that it would round, begin with an apostrophe. There is no mark of
    UTF-8, which would be part of the first heading.
    """
    with _types_checked("csv"):
        yield from (piece for piece, _ in _csv_pieces(reader, _SHEETS_CSV))


def pasted_text(table: pa.Table, titles: list[str]) -> str:
    """Rows as the tab-separated text that spreadsheets take from the clipboard, below their titles.

    Texts that a spreadsheet would take for a formula, and ids that it would round, begin with an apostrophe. Tabs and
    line ends in a text become spaces.
    """
    flat = pa.schema([pa.field(field.name, _csv_type(field.type)) for field in table.schema])
    columns: list[list[str]] = [[] for _ in titles]
    for batch in table.to_batches():
        for column, texts in zip(_flat(batch, flat).columns, columns, strict=True):
            plain = column.cast(pa.string())
            guarded = _guarded(plain, _SHEETS_CSV.guarded) if column.type == pa.string() else plain
            texts += map(_one_line, guarded.to_pylist())
    heading = _guarded(pa.array(titles, pa.string()), FORMULA).to_pylist()
    lines = ["\t".join(heading), *map("\t".join, zip(*columns, strict=True))]
    return "\n".join(lines) + "\n"


def _one_line(text: str | None) -> str:
    return "" if text is None else text if text.isprintable() else " ".join(text.split())


@dataclass(frozen=True, slots=True)
class _CsvForm:
    """How CSV is written: what the file begins with, and which texts get an apostrophe in front."""

    mark: bytes = b""
    guarded: str = ""


# Without the mark Excel reads a file in the encoding of its country, and spoils every letter beyond ASCII.
_PLAIN_CSV, _EXCEL_CSV = _CsvForm(), _CsvForm(codecs.BOM_UTF8, FORMULA)
_SHEETS_CSV = _CsvForm(guarded=f"{FORMULA}|{ROUNDED}")


def _csv(reader: pa.RecordBatchReader, file: Any) -> int:
    return _write_pieces(_csv_pieces(reader, _PLAIN_CSV), file)


def _spreadsheet_csv(reader: pa.RecordBatchReader, file: Any) -> int:
    return _write_pieces(_csv_pieces(reader, _EXCEL_CSV), file)


def _write_pieces(pieces: Iterator[tuple[Any, int]], file: Any) -> int:
    """Writes the pieces and adds up their rows."""
    rows = 0
    for piece, count in pieces:
        file.write(piece)
        rows += count
    return rows


def _csv_pieces(reader: pa.RecordBatchReader, form: _CsvForm) -> Iterator[tuple[Any, int]]:
    """The heading and each batch as CSV, with their rows."""
    flat = pa.schema([pa.field(field.name, _csv_type(field.type)) for field in reader.schema])
    names = _guarded(pa.array(flat.names, pa.string()), form.guarded).to_pylist()
    yield form.mark + _csv_text(pa.RecordBatch.from_pylist([], flat).rename_columns(names), heading=True), 0
    for raw in reader:
        batch = _flat(raw, flat)
        if form.guarded:
            columns = [
                _guarded(column, form.guarded) if column.type == pa.string() else column for column in batch.columns
            ]
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


def _guarded(texts: Any, pattern: str) -> Any:
    """Texts with an apostrophe before those that the pattern matches. Numbers are no texts: -5 stays a number."""
    if not pattern:
        return texts
    return pc.if_else(pc.match_substring_regex(texts, pattern), pc.binary_join_element_wise("'", texts, ""), texts)


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


def _excel(reader: pa.RecordBatchReader, file: Any, about: About | None = None) -> int:
    # Imported here: 0.1 s that only this format needs.
    import xlsxwriter
    from xlsxwriter.exceptions import FileCreateError

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book, fault = xlsxwriter.Workbook(file, options), None
    try:
        rows = _Workbook(book, reader.schema, about).fill(reader)
    finally:
        # Let go of before anything is raised: what its traceback holds on to would write to `file` once more.
        try:
            book.close()
        except FileCreateError as error:
            fault = str(getattr(error.args[0], "strerror", None) or error)
    if fault is not None:
        raise OSError(fault)
    return rows


@dataclass(slots=True)
class _Sheet:
    """A sheet of rows that is being written; `widths` are the characters of its columns."""

    sheet: Any
    name: str
    widths: list[int]
    rows: int = 0


@dataclass(slots=True)
class _SheetDays:
    """The first and last day of the rows so far."""

    first: date | None = None
    last: date | None = None

    def add(self, value: Any) -> None:
        """Takes account of a day or time; anything else has none."""
        day = value.date() if isinstance(value, datetime) else value
        if isinstance(day, date):
            self.first = min(self.first or day, day)
            self.last = max(self.last or day, day)


class _Workbook:
    """Rows in sheets "data", "data 2", …, each as long as Excel lets it be, and the sheet "About" behind them."""

    def __init__(self, book: Any, schema: pa.Schema, about: About | None) -> None:
        self._book = book
        self._names = schema.names
        self._about = about
        self._heading = book.add_format({"bold": True, "bottom": 1})
        self._formats = [book.add_format({"num_format": _number_format(field.type)}) for field in schema]
        self._sheets: list[_Sheet] = []
        self._days = _SheetDays()
        day = about.day_column if about else None
        self._day = self._names.index(day) if day in self._names else None

    def fill(self, reader: pa.RecordBatchReader) -> int:
        """Writes everything; returns how many rows there were."""
        sheet = self._begin()
        for values in _rows(reader):
            if sheet.rows == EXCEL_ROWS:
                self._end(sheet)
                sheet = self._begin()
            sheet.rows += 1
            self._write_row(sheet, values)
        self._end(sheet)
        rows = sum(done.rows for done in self._sheets)
        if self._about is not None:
            self._write_about(self._about, rows)
        return rows

    def _begin(self) -> _Sheet:
        number = len(self._sheets) + 1
        name = "data" if number == 1 else f"data {number}"
        sheet = _Sheet(self._book.add_worksheet(name), name, [len(column) for column in self._names])
        for number, column in enumerate(self._names):
            sheet.sheet.write_string(0, number, column, self._heading)
        sheet.sheet.freeze_panes(1, 0)
        self._sheets.append(sheet)
        return sheet

    def _end(self, sheet: _Sheet) -> None:
        if self._names:
            sheet.sheet.autofilter(0, 0, sheet.rows, len(self._names) - 1)
        for number, width in enumerate(sheet.widths):
            # With room for the arrow of the filter.
            sheet.sheet.set_column(number, number, _within(EXCEL_WIDTHS, width + 3))

    def _write_row(self, sheet: _Sheet, values: tuple[Any, ...]) -> None:
        if self._day is not None:
            self._days.add(values[self._day])
        measured = sheet.rows <= EXCEL_MEASURED
        for number, value in enumerate(values):
            if value is None:
                continue
            if isinstance(value, str):
                _write_text(sheet.sheet, sheet.rows, number, value)
            elif isinstance(value, date):
                sheet.sheet.write_datetime(sheet.rows, number, value, self._formats[number])
            elif isinstance(value, bool):
                sheet.sheet.write_boolean(sheet.rows, number, value)
            else:
                sheet.sheet.write_number(sheet.rows, number, value, self._formats[number])
            if measured:
                sheet.widths[number] = max(sheet.widths[number], _shown_width(value))

    def _write_about(self, about: About, rows: int) -> None:
        sheet = self._book.add_worksheet("About")
        wrapped = self._book.add_format({"text_wrap": True, "valign": "top"})
        facts = [*about.facts, ("Rows", f"{rows:,}")]
        if self._days.first is not None:
            facts.append(("Days", f"{self._days.first} to {self._days.last}"))
        if len(self._sheets) > 1:
            names = ", ".join(done.name for done in self._sheets)
            facts.append(("Sheets", f"{names}: an Excel sheet holds {EXCEL_ROWS:,} rows below its heading."))
        for row, (name, text) in enumerate(facts):
            sheet.write_string(row, 0, name, self._heading)
            sheet.write_string(row, 1, text[:EXCEL_TEXT])
        top = len(facts) + 1
        for number, word in enumerate(("Column", "Title", "Type", "Unit", "Sum", "Meaning")):
            sheet.write_string(top, number, word, self._heading)
        for row, column in enumerate(about.columns, start=top + 1):
            texts = (column.name, column.title, column.type, column.unit, column.additive, column.meaning)
            for number, text in enumerate(texts):
                sheet.write_string(row, number, text[:EXCEL_TEXT], wrapped)
        for number, width in enumerate((26, 30, 14, 22, 16, 90)):
            sheet.set_column(number, number, width)


def _number_format(kind: Any) -> str:
    """How Excel shows the numbers of a column; texts keep Excel's own."""
    if pa.types.is_date(kind):
        return "yyyy-mm-dd"
    if pa.types.is_timestamp(kind):
        return "yyyy-mm-dd hh:mm"
    if pa.types.is_integer(kind):
        return "#,##0"
    if pa.types.is_decimal(kind):
        # Whole numbers that DuckDB adds up are decimals without places.
        return "#,##0.00" + "#" * (kind.scale - 2) if kind.scale else "#,##0"
    return "General"


def _shown_width(value: Any) -> int:
    """The characters of a value as Excel shows it."""
    if isinstance(value, str):
        return len(value.partition("\n")[0])
    if isinstance(value, date):
        return 16 if isinstance(value, datetime) else 10
    return len(f"{value:,}")


def _within(span: range, number: int) -> int:
    return max(span.start, min(number, span.stop - 1))


def _write_text(sheet: Any, row: int, number: int, text: str) -> None:
    if len(text) > EXCEL_TEXT:
        raise InputError(
            phrase(
                "Row %(row)s, column %(column)s has a text of %(characters)s characters and an Excel cell holds "
                "at most %(limit)s; export to .csv or .parquet instead.",
                row=integer(row),
                column=number + 1,
                characters=integer(len(text)),
                limit=integer(EXCEL_TEXT),
            )
        )
    # As a text whatever it looks like: a name that begins with = is no formula.
    sheet.write_string(row, number, text)


def _rows(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    """Rows of what an Excel sheet can hold."""
    for read_batch in reader:
        for start in range(0, read_batch.num_rows, EXCEL_BATCH):
            batch = read_batch.slice(start, EXCEL_BATCH)
            columns = [map(_cell, column.to_pylist()) for column in batch.columns]
            yield from zip(*columns, strict=True)


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, datetime):
        value = value.replace(tzinfo=None)
    if isinstance(value, date):
        return value if value.year >= EXCEL_FIRST_YEAR else value.isoformat()
    if isinstance(value, (int, float, Decimal)) and isfinite(value) and _keeps_digits(value):
        return value
    if isinstance(value, time) or not isinstance(value, (list, dict)):
        return str(value)
    return _json_text(value)


def _keeps_digits(value: float | Decimal) -> bool:
    """Whether Excel keeps all digits of a number. Those of a float are no more exact than Excel's."""
    if isinstance(value, float):
        return True
    _, figures, _ = Decimal(value).as_tuple()
    return len("".join(map(str, figures)).strip("0")) <= EXCEL_DIGITS


WRITERS: Mapping[str, _Writer] = MappingProxyType({"csv": _csv, "json": _json, "parquet": _parquet, "xlsx": _excel})
"""What each format is written by."""
