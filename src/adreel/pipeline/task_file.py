"""The CSV file of a report task, read as strictly as a page.

TikTok documents no more than headings in the first line and commas between values ("Download an asynchronous report",
doc 1740302808815618). So everything that leaves room for doubt is refused: other columns than the requested ones, rows
with another number of values, quotes of a writer that does not quote like others, and days in another form.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from adreel.arrow import pc
from adreel.dates import Span
from adreel.errors import ProofError
from adreel.language import integer, phrase

DAY = "stat_time_day"

_ROWS_AT_ONCE = 10_000
_ENDS = ("\r\n", "\n", "\r")
_QUOTING: tuple[Literal[0, 1], ...] = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
_DAYS = r"^\d{4}-\d{2}-\d{2}( 00:00:00)?$"


@dataclass(frozen=True, slots=True)
class TaskFile:
    """The rows of a file as texts, and the day of each. `cut` says that its last line has no end and was left out."""

    rows: pa.Table
    days: pa.ChunkedArray
    cut: bool

    def of(self, span: Span) -> pa.Table:
        """The rows of the days of a span."""
        first, last = pa.scalar(span.start, pa.date32()), pa.scalar(span.end, pa.date32())
        return self.rows.filter(pc.and_(pc.greater_equal(self.days, first), pc.less_equal(self.days, last)))


def read_file(content: bytes, names: Sequence[str], days: Span) -> TaskFile:
    """The file of a task that was asked for the columns `names` of `days`. Raises ProofError with what is wrong."""
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode()
        rows, cut = _table(text, names)
        return TaskFile(rows, _days(rows, days), cut)
    except UnicodeDecodeError:
        raise ProofError(phrase("the file is not UTF-8 text.")) from None
    except csv.Error as error:
        raise ProofError(phrase("the file is not valid CSV (%(error)s).", error=error)) from None


def _table(text: str, names: Sequence[str]) -> tuple[pa.Table, bool]:
    """The rows of a text, and whether its last line was left out because it has no end."""
    records = _records(text)
    heading, line = next(records, ([], ""))
    end = next((end for end in _ENDS if line.endswith(end)), "")
    if sorted(heading) != sorted(names):
        raise ProofError(
            phrase(
                "the file has the columns %(columns)s, and %(requested)s were requested.",
                columns=", ".join(heading) or phrase("(none)"),
                requested=", ".join(names),
            )
        )
    tables, rows, cut = [], [], False
    for number, (row, line) in enumerate(records, 2):
        cut = not line.endswith(_ENDS)
        if cut:
            break
        if len(row) != len(heading) or not _is_well_written(row, line, end):
            raise ProofError(phrase("row %(number)s of the file cannot be read.", number=integer(number)))
        rows.append(row)
        if len(rows) == _ROWS_AT_ONCE:
            tables.append(_columns(rows, heading))
            rows = []
    tables.append(_columns(rows, heading))
    return pa.concat_tables(tables), cut


def _records(text: str) -> Iterator[tuple[list[str], str]]:
    """Each row of a CSV text with the text that it was read from."""
    lines: list[str] = []

    def each() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            lines.append(line)
            yield line

    for row in csv.reader(each(), strict=True):
        yield row, "".join(lines)
        lines.clear()


def _is_well_written(row: Sequence[str], line: str, end: str) -> bool:
    """Whether a writer that quotes what needs it, or everything, writes the row like that.

    Else a quote or the end of a line may be a part of a name, as from a writer that quotes nothing.
    """
    text = line.removesuffix(end)
    if '"' not in line:
        return text != line and not text.endswith(_ENDS)
    return any(text == _written(row, quoting, other) for quoting in _QUOTING for other in _ENDS[:2])


def _written(row: Sequence[str], quoting: Literal[0, 1], end: str) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting, lineterminator=end).writerow(row)
    return file.getvalue().removesuffix(end)


def _columns(rows: Sequence[Sequence[str]], names: Sequence[str]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.table([pa.array(column, pa.string()) for column in columns], names=list(names))


def _days(rows: pa.Table, requested: Span) -> pa.ChunkedArray:
    """The day of each row. Raises ProofError for days in another form, or that were not requested."""
    texts = rows[DAY]
    odd = texts.filter(pc.invert(pc.match_substring_regex(texts, _DAYS)))
    try:
        days = pc.utf8_slice_codeunits(texts if not len(odd) else odd, 0, 10).cast(pa.date32())
    except pa.ArrowInvalid:
        days = None
    if len(odd) or days is None:
        example = odd[0].as_py()[:80] if len(odd) else ""
        raise ProofError(phrase("the file has days in an unknown form (%(example)s).", example=example))
    ends = pc.min_max(days)
    first, last = ends["min"].as_py(), ends["max"].as_py()
    if first is not None and (first < requested.start or last > requested.end):
        day = first if first < requested.start else last
        raise ProofError(phrase("the file has rows of %(day)s, a day that was not requested.", day=day))
    return days
