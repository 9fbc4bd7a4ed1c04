"""Converts TikTok's pages of rows to typed Arrow tables.

Every value of a report is a text; `-`, an empty text, null and an absent name all mean that there is no value. As the
value of a breakdown all four are `-`, which is part of the primary key. A value that its column's type cannot hold
becomes null and is reported as unread; a count with a fraction changes the page's column to decimals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa

from adreel import catalog
from adreel.advertisers import Advertiser
from adreel.arrow import pc
from adreel.catalog import all_spend, business_centers
from adreel.catalog.report_types import CENTER_SPEND, FURTHER
from adreel.datasets.schema import ARROW_TYPES, DECIMAL, OTHER_FIELDS, Column
from adreel.errors import ProofError
from adreel.language import phrase
from adreel.pipeline.plan import Request

ABSENT = "-"
"""What TikTok sends for no value in most reports, and the value of a breakdown that has none."""

LARGEST = 10**18
"""Whole numbers and decimals are smaller than this, so that each fits into a column of either type."""

KEY_MARK = "\x1f"
"""Separates the parts of a primary key that is one text."""

_ABSENT = pa.array([ABSENT, ""])
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?\s*", re.ASCII)
_SMALLEST = -30
_LONGEST_EXAMPLE = 80
_MANY = 2**40
_JSON = msgspec.json.Encoder(decimal_format="number")
_SORTED_JSON = msgspec.json.Encoder(decimal_format="number", order="sorted")
_EPOCH = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (date.min - _EPOCH).days, (date.max - _EPOCH).days
_DAY = 86_400_000_000
_RANGES: Mapping[str, tuple[pa.DataType, int, int]] = {
    "int": (pa.int64(), 1 - LARGEST, LARGEST - 1),
    "day": (pa.int32(), _FIRST_DAY, _LAST_DAY),
    "time": (pa.int64(), _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1),
    # One day less on either side, as the same hour in UTC has a column too.
    "hour": (pa.int64(), (_FIRST_DAY + 1) * _DAY, _LAST_DAY * _DAY - 1),
}
"""By type of column, the range that every reader of the table supports, as numbers of the Arrow type."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Values of a column that are not of its type: their number, and one of them."""

    column: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Fractions:
    """Values of a column of counts that have fractions, by the number of their row on the page, from 0."""

    column: str
    texts: Mapping[int, str]


@dataclass(slots=True)
class _Oddities:
    """Values of a page that do not match their columns' types."""

    unread: list[Unread]
    fractions: list[Fractions]


@dataclass(frozen=True, slots=True)
class Typed:
    """A page as a table, and the values that do not match their columns' types."""

    table: pa.Table
    unread: tuple[Unread, ...]
    fractions: tuple[Fractions, ...]


Row = Any
"""A row of a page, as a record of the type that `row_type` made for the columns."""

_PARTS = ("dimensions", "metrics", "info")


def row_type(columns: Sequence[Column]) -> type[Any]:
    """The type of record that holds the values of a row that the columns need, and no others.

    It takes a third less time and memory than dictionaries. A part of a row may also be an empty list, or be absent.
    """
    parts = [(part, _record(_names(columns, part)) | list[Any] | None, None) for part in _PARTS]
    record: type[Any] = _record(_names(columns, "entity"), parts)
    return record


def _names(columns: Sequence[Column], part: str) -> tuple[str, ...]:
    """The names that are read in a part of a row; the advertiser's id in each, as any part may have it."""
    return tuple(dict.fromkeys(("advertiser_id", *(column.name for column in columns if column.part == part))))


def _record(names: Sequence[str], more: Iterable[Any] = ()) -> Any:
    # Numbered, as TikTok's names may be invalid in Python. Values of JSON have no reference cycles (gc).
    fields = [_field(number) for number in range(len(names))]
    own = [(field, Any, None) for field in fields]
    return msgspec.defstruct("Row", [*own, *more], rename=dict(zip(fields, names, strict=True)), gc=False)


def _field(number: int) -> str:
    return f"field_{number}"


def as_records(rows: Iterable[Mapping[str, Any]], kind: type[Any]) -> list[Row]:
    """Dictionaries as records of a type of `row_type`."""
    return msgspec.convert(list(rows), list[kind])  # type: ignore[valid-type]  # made at run time


def with_other_fields(rows: Iterable[Mapping[str, Any]], report: str) -> list[dict[str, Any]]:
    """The rows of a list, each with the fields that the catalogue lacks as one JSON text; null if there are none.

    The keys are sorted, so that another order of TikTok's is no other value.
    """
    own = {field.name for field in catalog.fields()[report]}

    def text(row: Mapping[str, Any]) -> str | None:
        others = {name: value for name, value in row.items() if name not in own}
        return _SORTED_JSON.encode(others).decode() if others else None

    return [{**row, OTHER_FIELDS: text(row)} for row in rows]


def page_table(rows: Sequence[Row], columns: Sequence[Column], schema: pa.Schema, request: Request) -> Typed:
    """One page, of records of `row_type`, as a table with `schema`, except that counts with fractions are decimals.

    Raises ProofError for rows of an advertiser that was not requested.
    """
    odd = _Oddities([], [])
    sources = _sources(rows, columns)
    arrays: dict[str, pa.Array] = {}
    for column in columns:
        texts = sources.get(column.name)
        arrays[column.name] = (
            _typed(column, texts, odd) if texts is not None else _from_request(column, len(rows), request)
        )
    _fill_advertiser(arrays, columns, rows, request)
    schema = widened(schema, [fractions.column for fractions in odd.fractions])
    table = pa.Table.from_arrays([arrays[name] for name in schema.names], schema=schema)
    return Typed(table, tuple(odd.unread), tuple(odd.fractions))


def widened(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """The schema with decimals in place of the whole numbers of the columns `names`."""
    wide = frozenset(names)
    fields = [field.with_type(DECIMAL) if field.name in wide else field for field in schema]
    return pa.schema(fields, schema.metadata)


def _sources(rows: Sequence[Row], columns: Sequence[Column]) -> dict[str, pa.Array]:
    """The values of each column that TikTok sends, as texts or lists of them, by column name."""
    sources: dict[str, pa.Array] = {}
    for part in (*_PARTS, "entity"):
        own = [column for column in columns if column.part == part]
        if own:
            records = rows if part == "entity" else list(map(attrgetter(part), rows))
            sources |= _by_name(records, own, _names(columns, part))
    return sources


def _by_name(records: Sequence[Row], columns: Sequence[Column], names: Sequence[str]) -> dict[str, pa.Array]:
    """The columns of records, null where a record lacks the name; converted at once if all values are texts."""
    plain = all(issubclass(kind, msgspec.Struct) for kind in set(map(type, records))) and not any(
        column.type == "list" or column.part == "entity" for column in columns
    )
    if plain:
        kind = pa.struct([(name, pa.string()) for name in names])
        with suppress(pa.ArrowTypeError, pa.ArrowInvalid):
            cells = pa.array(list(map(msgspec.structs.astuple, records)), kind).flatten()
            return {name: cell for name, cell in zip(names, cells, strict=True) if name in {c.name for c in columns}}
    return {column.name: _values(records, column, _field(names.index(column.name))) for column in columns}


def _values(records: Sequence[Row], column: Column, field: str) -> pa.Array:
    read, kind = (_texts, ARROW_TYPES["list"]) if column.type == "list" else (_text, pa.string())
    return pa.array([read(getattr(record, field, None)) for record in records], kind)


def _typed(column: Column, texts: pa.Array, odd: _Oddities) -> pa.Array:
    if column.type == "list":
        return texts
    try:
        return _cast(texts, column)
    except pa.ArrowInvalid:
        return _typed_one_by_one(texts, column, odd)


def _text(value: Any) -> str | None:
    """A value of JSON as a text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, dict, list)):
        return _JSON.encode(value).decode()
    return str(value)


def _texts(value: Any) -> list[str | None] | None:
    if value is None or value in (ABSENT, ""):
        return None
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _cast(texts: pa.Array, column: Column) -> pa.Array:
    """The texts as the column's type; ArrowInvalid if it cannot hold one of them."""
    kind = ARROW_TYPES[column.type]
    if column.type == "string":
        return _words(texts, column)
    if column.type == "int" and pc.any(pc.match_substring(texts, "x", ignore_case=True)).as_py():
        # Arrow reads hexadecimal numbers, which TikTok never sends.
        raise pa.ArrowInvalid("hexadecimal")
    if column.type == "day":
        return _in_range(pc.utf8_slice_codeunits(texts, 0, 10).cast(kind), column)
    return _in_range(_instants(texts) if column.type == "time" else texts.cast(kind), column)


def _words(texts: pa.Array, column: Column) -> pa.Array:
    """Texts with null for no value; with `-` instead if they are of a breakdown; ids unchanged."""
    if column.part == "dimensions" and not column.breakdown:
        return texts
    absent = pc.is_in(texts, value_set=_ABSENT)
    if column.breakdown:
        return (
            pc.if_else(absent, ABSENT, texts).fill_null(ABSENT) if texts.null_count or pc.any(absent).as_py() else texts
        )
    return pc.if_else(absent, pa.scalar(None, pa.string()), texts) if pc.any(absent).as_py() else texts


def _in_range(values: pa.Array, column: Column) -> pa.Array:
    """The values; ArrowInvalid if one of them is out of the range that the table's readers support."""
    if column.type == "float":
        fits = pc.all(pc.is_finite(values)).as_py() is not False
    elif column.type in _RANGES:
        kind, least, greatest = _RANGES[column.type]
        ends = pc.min_max(values.cast(kind))
        low, high = ends["min"].as_py(), ends["max"].as_py()
        fits = low is None or (low >= least and high <= greatest)
    else:
        fits = True
    if not fits:
        raise pa.ArrowInvalid(f"a value is out of the range of {column.type}")
    return values


def _instants(texts: pa.Array) -> pa.Array:
    """Entity times: UTC as `YYYY-MM-DD HH:MM:SS`, or epoch seconds for advertisers."""
    kind = ARROW_TYPES["time"]
    try:
        return pc.multiply_checked(texts.cast(pa.int64()), 1_000_000).cast(pa.timestamp("us")).cast(kind)
    except pa.ArrowInvalid:
        plain = pc.replace_substring_regex(texts, pattern="Z$", replacement="")
        return pc.assume_timezone(plain.cast(pa.timestamp("us")), "UTC")


def _typed_one_by_one(texts: pa.Array, column: Column, odd: _Oddities) -> pa.Array:
    """The values with null for no value, converted one by one if one of them still cannot be read."""
    cleaned = pc.if_else(pc.is_in(texts, value_set=_ABSENT), pa.scalar(None, pa.string()), texts)
    with suppress(pa.ArrowInvalid):
        return _cast(cleaned, column)
    values = cleaned.to_pylist()
    if column.type == "int":
        fractions = {row: text for row, text in enumerate(values) if text is not None and _has_fraction(text)}
        if fractions:
            odd.fractions.append(Fractions(column.name, fractions))
            column = replace(column, type="ratio")
    nothing = pa.nulls(1, ARROW_TYPES[column.type])
    cells = [nothing if text is None else _cell(text, column) for text in values]
    faults = [text for text, cell in zip(values, cells, strict=True) if text is not None and cell is None]
    if faults:
        first = faults[0] if len(faults[0]) <= _LONGEST_EXAMPLE else f"{faults[0][:_LONGEST_EXAMPLE]}…"
        odd.unread.append(Unread(column.name, len(faults), first))
    return pa.concat_arrays([nothing if cell is None else cell for cell in cells])


def _cell(text: str, column: Column) -> pa.Array | None:
    """One text, or its number in plain digits, as an array; None if the column's type cannot hold it."""
    for form in (text, _plain_number(text, column)):
        if form is not None:
            with suppress(pa.ArrowInvalid):
                return _cast(pa.array([form]), column)
    return None


def _has_fraction(text: str) -> bool:
    number = _number(text)
    return number is not None and number != number.to_integral_value()


def _number(text: str) -> Decimal | None:
    """The number of a text; None if it is no number or too large for a column of numbers."""
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text.strip())
    if number.adjusted() < _SMALLEST:
        return Decimal(0)
    return number if number.copy_abs() < LARGEST else None


def _plain_number(text: str, column: Column) -> str | None:
    """A count written as `12.0`, or a decimal of more than six places, in the form that the column's type accepts."""
    number = _number(text)
    if number is None or column.type not in ("int", "money", "rate", "ratio"):
        return None
    if column.type == "int":
        return f"{number:.0f}" if number == number.to_integral_value() else None
    return f"{number:.6f}"


def _from_request(column: Column, count: int, request: Request) -> pa.Array:
    """A column that TikTok does not send: it is the same in every row of the request."""
    value: Any = None
    if column.name == "start_date" and request.span:
        value = request.span.start
    elif column.name == "end_date" and request.span:
        value = request.span.end
    elif column.part == "buying":
        value = request.buying
    elif column.name == "spend_source":
        value = all_spend.BASIC if request.shop is None else all_spend.GMV_MAX
    elif column.part == "shop" and request.shop is not None:
        value = {"store_id": request.shop.id, "store_name": request.shop.name or None}.get(
            column.name, request.promotion
        )
    return pa.repeat(pa.scalar(value, ARROW_TYPES[column.type]), count)


def _fill_advertiser(
    arrays: dict[str, pa.Array], columns: Iterable[Column], rows: Sequence[Row], request: Request
) -> None:
    """The advertiser's own columns: from the request if it has one advertiser, else from each row's advertiser_id."""
    names = [column.name for column in columns if column.part == "advertiser"]
    by_id = {advertiser.id: advertiser for advertiser in request.advertisers}
    ids = [_advertiser_id(row) for row in rows]
    # An audience that another ad account shares may have the id of its owner.
    # A Business Center has rows of ad accounts that are not of the connection.
    is_center_spend = request.params.get("report_type") == FURTHER[CENTER_SPEND].type
    of_centers = request.path in business_centers.PATHS or is_center_spend
    is_of_others = "/dmp/" in request.path or of_centers
    unrequested = set() if is_of_others else set(ids) - by_id.keys()
    if len(by_id) == 1:
        # Most answers for one advertiser do not name it.
        unrequested.discard("")
    if unrequested:
        raise ProofError(
            phrase(
                "TikTok sent rows of ad account %(unrequested)s, which was not requested. The table is "
                "unchanged. Run again in a few minutes.",
                unrequested=min(unrequested) or "(none)",
            )
        )

    def each(fact: Callable[[Advertiser], Any], kind: pa.DataType) -> pa.Array:
        if len(by_id) == 1:
            return pa.repeat(pa.scalar(fact(request.advertisers[0]), kind), len(rows))
        return pa.array([fact(by_id[advertiser_id]) for advertiser_id in ids], kind)

    facts = {"advertiser_id": "id", "currency": "currency", "timezone": "zone"}
    for name in names:
        if name in facts:
            arrays[name] = each(attrgetter(facts[name]), pa.string())
    if "stat_time_hour_utc" in names:
        offsets = each(attrgetter("offset"), pa.duration("us"))
        instants = pc.subtract(arrays["stat_time_hour"], offsets)
        arrays["stat_time_hour_utc"] = pc.assume_timezone(instants, "UTC")


def key_texts(table: pa.Table, key: Sequence[str]) -> pa.Array:
    """Each row's primary key as one text; null if a part of it is null."""
    texts = [table[name].cast(pa.string()) for name in key]
    joined = pc.binary_join_element_wise(*texts, KEY_MARK) if len(texts) > 1 else texts[0]
    return joined.combine_chunks()


def key_words(key: Mapping[str, Any]) -> str:
    """A row's primary key for a person, as in `ad_id=1, stat_time_day=2026-08-20`."""
    return ", ".join(f"{name}={value}" for name, value in key.items())


def _advertiser_id(row: Row) -> str:
    """The advertiser's id in a row of a request over several; empty if the row has none."""
    ids = (getattr(part, _field(0), None) for part in (row.dimensions, row.metrics, row))
    return next((str(advertiser_id) for advertiser_id in ids if advertiser_id and advertiser_id != ABSENT), "")


def sums(table: pa.Table, columns: Iterable[Column]) -> dict[str, Decimal]:
    """The sum of each additive column."""
    return {column.name: _sum(table[column.name]) for column in columns if column.additive and column.part == "metrics"}


def _sum(values: pa.ChunkedArray) -> Decimal:
    if pa.types.is_int64(values.type):
        ends = pc.min_max(values)
        if max(ends["max"].as_py() or 0, -(ends["min"].as_py() or 0)) >= _MANY:
            # A sum of int64 would overflow silently.
            values = values.cast(pa.decimal128(38, 0))
    return Decimal(pc.sum(values).as_py() or 0)
