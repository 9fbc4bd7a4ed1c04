"""Display names of values: countries, ages, TikTok's constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from adreel.charts.countries import COUNTRIES
from adreel.charts.definitions import CONSTANTS, PREFIXES, VALUE_NAMES
from adreel.dates import fixed_offset, offset_name
from adreel.errors import InputError

_SHORT = 4
"""Longest abbreviation, such as CPC or OCPM, that keeps its capitals."""


def named(column: str, value: str | bool | None) -> str:
    """A value's display name; the value itself if it has none."""
    if value is None or value == "":
        return "Not set"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    own_name = VALUE_NAMES.get(column, {}).get(value)
    if own_name is not None:
        return own_name
    if column in ("country_code", "country"):
        return COUNTRIES.get(value, value)
    if column == "age":
        return value.removeprefix("AGE_").replace("_", "-")
    if column == "timezone":
        return _offset(value)
    return _words(value) if column in CONSTANTS else value


def _offset(zone: str) -> str:
    """A zone as its UTC offset, as `Etc/GMT+8` would read as the opposite of UTC-08:00."""
    try:
        return offset_name(fixed_offset(zone))
    except InputError:
        return zone


def distinct(names: Sequence[str], ids: Sequence[str]) -> list[str]:
    """The names, with the id appended to names that occur several times."""
    counts = Counter(names)
    return [name if counts[name] == 1 else f"{name} ({value_id})" for name, value_id in zip(names, ids, strict=True)]


def _words(value: str) -> str:
    """TikTok's constants as words: `AD_STATUS_DELIVERY_OK` as `Delivery ok`."""
    is_short = len(value) <= _SHORT and "_" not in value
    if is_short or not (value.isupper() and value.replace("_", "").isalnum()):
        return value
    prefix = next((prefix for prefix in PREFIXES if value.startswith(prefix)), "")
    return value.removeprefix(prefix).replace("_", " ").capitalize()
