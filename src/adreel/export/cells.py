"""Values as the texts that a person reads in a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from adreel.language import Phrase, in_language


def digits(value: Decimal, *, thousands_apart: bool = False) -> str:
    """A finite decimal with all its digits, without zeros at its end; `Decimal.normalize` would round to 28 digits."""
    text = f"{value:,f}" if thousands_apart else f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain(value: Any) -> str:
    """A cell of a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        # As money is written, so that figures of a column stand below each other; more digits if it has them.
        whole, _, rest = f"{value:f}".partition(".")
        return f"{whole}.{rest.rstrip('0'):0<2}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {plain(item)}" for name, item in value.items())
    return str(value)


def grouped(value: Any) -> str:
    """A cell as `plain` has it, with its thousands apart if it is a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return plain(value)
    whole, point, rest = plain(value).partition(".")
    sign, number = whole[: whole.startswith("-")], whole.removeprefix("-")
    return in_language(f"{sign}{int(number):,}{point}{rest}") if number.isdecimal() else plain(value)


def type_words(kind: Any) -> str:
    """A column's type for a person."""
    import pyarrow.types as types

    words = (
        (types.is_boolean, Phrase("yes/no")),
        (types.is_integer, Phrase("whole number")),
        # A sum of whole numbers may be too great for Arrow's, so DuckDB gives it as a decimal without places.
        (lambda column_type: types.is_decimal(column_type) and column_type.scale == 0, Phrase("whole number")),
        (types.is_decimal, Phrase("decimal")),
        (types.is_floating, Phrase("decimal")),
        (types.is_date, Phrase("date")),
        (types.is_timestamp, Phrase("time")),
        (types.is_nested, Phrase("list")),
    )
    if types.is_string(kind) or types.is_large_string(kind):
        return Phrase("text")
    return next((word for fits, word in words if fits(kind)), str(kind))
