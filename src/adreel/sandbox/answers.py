"""The first rows of an answer, in the form in which they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import IO, Any

import orjson
import pyarrow as pa

from adreel.errors import InputError
from adreel.export.cells import grouped, plain, type_words
from adreel.export.exact_json import dumped, items_of, types_of
from adreel.language import integer, phrase
from adreel.sandbox.limits import MB
from adreel.sandbox.request import QueryRequest

MOST_COLUMNS = 2_000
MOST_CELLS = 30_000
MOST_TEXT = 4 * MB
"""Of an answer on a page; a download has all of it."""

LONGEST_CELL = 500

SMALL = 10_000
"""Whole numbers below it are written without a comma: they may be years."""

SLICE = 500
"""Rows that are written at a time."""


def _arrow(table: pa.Table, request: QueryRequest, sink: IO[bytes]) -> int:
    """An Arrow stream; one row more than were asked for says that there are more."""
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=SLICE)
    return min(request.most_rows, int(table.num_rows))


def _items(table: pa.Table, request: QueryRequest, sink: IO[bytes]) -> int:
    """The API's: columns with their types, rows as objects, and whether there are more."""
    rows = table.slice(0, request.most_rows)
    sink.write(b'{"columns":' + dumped(types_of(table)) + b',"items":[')
    for start in range(0, rows.num_rows, SLICE):
        items = dumped(items_of(rows.slice(start, SLICE)))
        sink.write((b"," if start else b"") + items[1:-1])
    sink.write(b'],"more":' + dumped(table.num_rows > request.most_rows) + b"}")
    return int(rows.num_rows)


def _cells(table: pa.Table, request: QueryRequest, sink: IO[bytes]) -> int:
    """A page's: columns, rows as texts that are cut, and whether there are more."""
    columns = table.num_columns
    if columns > MOST_COLUMNS:
        raise InputError(
            phrase(
                "The answer has %(columns)s columns; a page shows at most %(limit)s. Select fewer.",
                columns=integer(columns),
                limit=integer(MOST_COLUMNS),
            )
        )
    fits = max(1, min(request.most_rows, MOST_CELLS // max(1, columns)))
    rows, size = list[tuple[str | None, ...]](), 0
    for row in zip(*(_texts(column, request.separators) for column in table.slice(0, fits).columns), strict=True):
        size += sum(len(text) for text in row if text is not None)
        if rows and size > MOST_TEXT:
            break
        rows.append(row)
    shown = {"columns": list(map(column_of, table.schema)), "rows": rows, "more": table.num_rows > len(rows)}
    sink.write(orjson.dumps(shown))
    return len(rows)


FIRST_ROWS: Mapping[str, Callable[[pa.Table, QueryRequest, IO[bytes]], int]] = MappingProxyType(
    {"arrow": _arrow, "cells": _cells, "items": _items}
)
"""How each form is written: from up to one row more than were asked for, and how many those are. Returns the rows
that were written."""


def column_of(field: pa.Field) -> dict[str, Any]:
    """A column as a page shows it: its name, type in words, title of the dataset's own, and whether it is numeric."""
    kind = field.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    title = (field.metadata or {}).get(b"title", b"").decode("utf-8", "replace")
    return {"name": field.name, "type": type_words(kind), "title": title, "numeric": numeric}


def _texts(column: pa.ChunkedArray, separators: str) -> Iterator[str | None]:
    """A column's values as they are shown, None for null; one at a time, as each may be large."""
    own = str.maketrans(",.", separators)
    return (None if value is None else _cut(_text(value, own)) for value in map(_value, column))


def _text(value: Any, separators: Mapping[int, int]) -> str:
    """A value as a cell: what is whole stays so, and thousands stand apart, but not in a year."""
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        value = int(value)
    small = isinstance(value, int) and abs(value) < SMALL
    text = plain(value) if small else grouped(value)
    return text.translate(separators) if isinstance(value, int | float | Decimal) else text


def _value(scalar: Any) -> Any:
    """A value of which Python knows none like it, such as a day after the year 9999, as Arrow writes it."""
    try:
        return scalar.as_py()
    except (ArithmeticError, ValueError, pa.ArrowException):
        pass
    try:
        return scalar.cast(pa.string()).as_py()
    except pa.ArrowException:
        return "(cannot be shown)"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"
