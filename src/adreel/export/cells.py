"""Values as the texts that a person reads in a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any


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
        return ", ".join(plain(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {plain(one)}" for name, one in value.items())
    return str(value)


def grouped(value: Any) -> str:
    """A cell as `plain` has it, with its thousands apart if it is a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return plain(value)
    whole, point, rest = plain(value).partition(".")
    sign, digits = whole[: whole.startswith("-")], whole.removeprefix("-")
    return f"{sign}{int(digits):,}{point}{rest}" if digits.isdecimal() else plain(value)


def type_words(kind: Any) -> str:
    """A column's type for a person."""
    import pyarrow.types as types

    words = (
        (types.is_boolean, "yes or no"),
        (types.is_integer, "whole number"),
        # A sum of whole numbers may be too great for Arrow's, so DuckDB gives it as a decimal without places.
        (lambda one: types.is_decimal(one) and one.scale == 0, "whole number"),
        (types.is_decimal, "decimal"),
        (types.is_floating, "number"),
        (types.is_date, "day"),
        (types.is_timestamp, "time"),
        (types.is_nested, "list"),
    )
    if types.is_string(kind) or types.is_large_string(kind):
        return "text"
    return next((word for fits, word in words if fits(kind)), str(kind))
