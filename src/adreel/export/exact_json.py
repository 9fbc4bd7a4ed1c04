"""Rows as JSON objects in which numbers keep all their digits."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

import orjson
import pyarrow as pa

from adreel.errors import InputError
from adreel.export.cells import digits
from adreel.language import phrase


def dumped(value: Any) -> bytes:
    """The JSON of a value of Python's and of `exact`'s types; times in UTC end in Z."""
    return orjson.dumps(value, default=exact, option=orjson.OPT_UTC_Z)


def exact(value: Any) -> Any:
    """What JSON has no type for: decimals as numbers with all digits, bytes in hexadecimal, the rest as texts."""
    if isinstance(value, Decimal):
        return orjson.Fragment(digits(value)) if value.is_finite() else None
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def types_of(table: pa.Table) -> list[dict[str, str]]:
    """The columns of rows with their types."""
    names = _names(table)
    return [{"name": name, "type": str(field.type)} for name, field in zip(names, table.schema, strict=True)]


def items_of(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as objects. InputError for a value that neither JSON nor a text can hold."""
    columns = [_values(table.schema.field(number), column) for number, column in enumerate(table.columns)]
    names = _names(table)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _names(table: pa.Table) -> list[str]:
    """The columns' names, told apart: an object has each key once."""
    names: list[str] = []
    for name in table.column_names:
        free = (free_name for number in count(2) if (free_name := f"{name}_{number}") not in names)
        names.append(next(free) if name in names else name)
    return names


def _values(field: pa.Field, column: pa.ChunkedArray) -> list[Any]:
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):
        # Times that Python has no word for: nanoseconds, and years of five digits.
        pass
    try:
        return list(column.cast(pa.string()).to_pylist())
    except pa.ArrowException as error:
        raise InputError(
            phrase("The column %(name)s holds values that JSON cannot represent; cast it to text.", name=field.name)
        ) from error
