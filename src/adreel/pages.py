"""TikTok's pages of rows turned into typed Arrow tables.

Every value of a report is a text; `-`, an empty text, null and an absent key all mean that there is no value. A value
that cannot be read as its column's type becomes null and is told of, never guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from adreel.plan import Advertiser, Request
from adreel.schema import ARROW_TYPES, Column

_ABSENT = pa.array(["-", ""])


@dataclass(frozen=True, slots=True)
class Unread:
    """Values of a column that are not of its type: how many, and one of them."""

    column: str
    count: int
    example: str


Row = Any
"""A row of a page, as a record of the type that `row_type` made for the columns."""

_PARTS = ("dimensions", "metrics", "info")


def row_type(columns: Sequence[Column]) -> type[Any]:
    """The type of record that holds of a row what the columns need, whatever else TikTok sends.

    It takes a third less time and memory than dictionaries. A part may also come as an empty list, or not at all.
    """
    parts = [(part, _record(_names(columns, part)) | list[Any] | None, None) for part in _PARTS]
    made: type[Any] = _record(_names(columns, "entity"), parts)
    return made


def _names(columns: Sequence[Column], part: str) -> tuple[str, ...]:
    """The names that are read in a part of a row; the advertiser's id wherever a row may have it."""
    return tuple(dict.fromkeys(("advertiser_id", *(column.name for column in columns if column.part == part))))


def _record(names: Sequence[str], more: Iterable[Any] = ()) -> Any:
    # Numbered, since a name of TikTok's need not be one in Python. What comes of JSON holds no cycles (gc).
    fields = [_field(number) for number in range(len(names))]
    own = [(field, Any, None) for field in fields]
    return msgspec.defstruct("Row", [*own, *more], rename=dict(zip(fields, names, strict=True)), gc=False)


def _field(number: int) -> str:
    return f"field_{number}"


def as_records(rows: Iterable[Mapping[str, Any]], kind: type[Any]) -> list[Row]:
    """Dictionaries as records of a type of `row_type`."""
    return msgspec.convert(list(rows), list[kind])  # type: ignore[valid-type]  # made at run time


def page_table(
    rows: Sequence[Row], columns: Sequence[Column], schema: pa.Schema, request: Request
) -> tuple[pa.Table, tuple[Unread, ...]]:
    """One page, of records of `row_type`, as a table with `schema`, and what could not be read."""
    unread: list[Unread] = []
    sources = _sources(rows, columns)
    arrays: dict[str, pa.Array] = {}
    for column in columns:
        texts = sources.get(column.name)
        arrays[column.name] = (
            _typed(column, texts, unread) if texts is not None else _from_request(column, len(rows), request)
        )
    _fill_advertiser(arrays, columns, rows, request)
    return pa.Table.from_arrays([arrays[name] for name in schema.names], schema=schema), tuple(unread)


def _sources(rows: Sequence[Row], columns: Sequence[Column]) -> dict[str, pa.Array]:
    """The values of each column that TikTok sends, as texts or lists of them, by column name."""
    found: dict[str, pa.Array] = {}
    for part in (*_PARTS, "entity"):
        own = [column for column in columns if column.part == part]
        if own:
            records = rows if part == "entity" else list(map(attrgetter(part), rows))
            found |= _by_name(records, own, _names(columns, part))
    return found


def _by_name(records: Sequence[Row], columns: Sequence[Column], names: Sequence[str]) -> dict[str, pa.Array]:
    """Records to columns; null where a record lacks the name. All at once where each is whole and has texts alone."""
    whole = all(records) and not any(column.type == "list" or column.part == "entity" for column in columns)
    if whole:
        kind = pa.struct([(name, pa.string()) for name in names])
        with suppress(pa.ArrowTypeError, pa.ArrowInvalid):
            cells = pa.array(list(map(msgspec.structs.astuple, records)), kind).flatten()
            return {name: cell for name, cell in zip(names, cells, strict=True) if name in {c.name for c in columns}}
    return {column.name: _values(records, column, _field(names.index(column.name))) for column in columns}


def _values(records: Sequence[Row], column: Column, field: str) -> pa.Array:
    read, kind = (_texts, ARROW_TYPES["list"]) if column.type == "list" else (_text, pa.string())
    return pa.array([read(getattr(record, field)) if record else None for record in records], kind)


def _typed(column: Column, texts: pa.Array, unread: list[Unread]) -> pa.Array:
    if column.type == "list":
        return texts
    try:
        return _cast(texts, column)
    except pa.ArrowInvalid:
        return _careful(texts, column, unread)


def _text(value: Any) -> str | None:
    """A number, a truth or a nested value as a text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, dict, list)):
        return msgspec.json.encode(value).decode()
    return str(value)


def _texts(value: Any) -> list[str | None] | None:
    if value is None or value in ("-", ""):
        return None
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _cast(texts: pa.Array, column: Column) -> pa.Array:
    """The texts as the column's type; ArrowInvalid if one of them is not of it."""
    kind = ARROW_TYPES[column.type]
    if column.part == "dimensions" and column.type == "string":
        return texts  # It names the row, whatever it is.
    if column.type == "string":
        absent = pc.is_in(texts, value_set=_ABSENT)
        return pc.if_else(absent, pa.scalar(None, pa.string()), texts) if pc.any(absent).as_py() else texts
    if column.type == "day":
        return pc.utf8_slice_codeunits(texts, 0, 10).cast(kind)
    if column.type == "time":
        return _instants(texts)
    return texts.cast(kind)


def _instants(texts: pa.Array) -> pa.Array:
    """Entity times: UTC as `YYYY-MM-DD HH:MM:SS`, or epoch seconds for advertisers."""
    kind = ARROW_TYPES["time"]
    try:
        return pc.multiply(texts.cast(pa.int64()), 1_000_000).cast(pa.timestamp("us")).cast(kind)
    except pa.ArrowInvalid:
        plain = pc.replace_substring_regex(texts, pattern="Z$", replacement="")
        return pc.assume_timezone(plain.cast(pa.timestamp("us")), "UTC")


def _careful(texts: pa.Array, column: Column, unread: list[Unread]) -> pa.Array:
    """Absent values to null first, then value by value what still cannot be read."""
    cleaned = pc.if_else(pc.is_in(texts, value_set=_ABSENT), pa.scalar(None, pa.string()), texts)
    try:
        return _cast(cleaned, column)
    except pa.ArrowInvalid:
        pass
    read: list[Any] = []
    faults: list[str] = []
    for text in cleaned.to_pylist():
        try:
            read.append(None if text is None else _cast(pa.array([text]), column)[0].as_py())
        except pa.ArrowInvalid:
            read.append(_rounded(text, column))
            if read[-1] is None:
                faults.append(text)
    if faults:
        unread.append(Unread(column.name, len(faults), faults[0]))
    return pa.array(read, ARROW_TYPES[column.type])


def _rounded(text: str, column: Column) -> Any:
    """A count written as `12.0` or a decimal with more places than six; None if it is neither."""
    try:
        number = Decimal(text)
    except ArithmeticError:
        return None
    if column.type == "int":
        return int(number) if number == number.to_integral_value() else None
    if column.type in ("money", "rate", "ratio") and number.is_finite():
        return number.quantize(Decimal("0.000001"))
    return None


def _from_request(column: Column, count: int, request: Request) -> pa.Array:
    """A column that TikTok does not send: the same in every row of the request."""
    value: Any = None
    if column.name == "start_date" and request.span:
        value = request.span.start
    elif column.name == "end_date" and request.span:
        value = request.span.end
    elif column.part == "buying":
        value = request.buying
    return pa.repeat(pa.scalar(value, ARROW_TYPES[column.type]), count)


def _fill_advertiser(
    arrays: dict[str, pa.Array], columns: Iterable[Column], rows: Sequence[Row], request: Request
) -> None:
    """The advertiser's own columns: from the request if it is for one, else from each row's advertiser_id."""
    names = [column.name for column in columns if column.part == "advertiser"]
    by_id = {advertiser.id: advertiser for advertiser in request.advertisers}

    def each(fact: Callable[[Advertiser], Any], kind: pa.DataType) -> pa.Array:
        if len(by_id) == 1:
            return pa.repeat(pa.scalar(fact(request.advertisers[0]), kind), len(rows))
        return pa.array([fact(by_id[_advertiser_id(row)]) for row in rows], kind)

    facts = {"advertiser_id": "id", "currency": "currency", "timezone": "zone"}
    for name in names:
        if name in facts:
            arrays[name] = each(attrgetter(facts[name]), pa.string())
    if "stat_time_hour_utc" in names:
        offsets = each(attrgetter("offset"), pa.duration("us"))
        instants = pc.subtract(arrays["stat_time_hour"], offsets)
        arrays["stat_time_hour_utc"] = pc.assume_timezone(instants, "UTC")


def key_texts(table: pa.Table, key: Sequence[str]) -> pa.Array:
    """Each row's key as one text; null where a part of it is."""
    texts = [table[name].cast(pa.string()) for name in key]
    joined = pc.binary_join_element_wise(*texts, "\x1f") if len(texts) > 1 else texts[0]
    return joined.combine_chunks()


def _advertiser_id(row: Row) -> str:
    """The advertiser that a row of a request over several says it is of."""
    found = (getattr(part, _field(0)) for part in (row.dimensions, row.metrics, row) if part)
    return next((str(one) for one in found if one), "")


def sums(table: pa.Table, columns: Iterable[Column]) -> dict[str, Decimal]:
    """The sum of each additive column."""
    return {
        column.name: Decimal(pc.sum(table[column.name]).as_py() or 0)
        for column in columns
        if column.additive and column.part == "metrics"
    }
