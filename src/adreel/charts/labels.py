"""Display names of values: countries, ages, TikTok's constants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from adreel import catalog
from adreel.charts.countries import COUNTRIES
from adreel.dates import fixed_offset, offset_name
from adreel.errors import InputError
from adreel.export.cells import grouped, plain
from adreel.language import ENGLISH, decimal, gettext, is_written_as_english, language, locale_of, phrase


def named(column: str, value: str | bool | None) -> str:
    """A value's display name; the value itself if it has none."""
    if value is None or value == "":
        return phrase("Not set")
    if isinstance(value, bool):
        label = catalog.value_labels().get(column, {}).get(str(value).lower())
        return str(label) if label else phrase("Yes") if value else phrase("No")
    if column in ("country_code", "country"):
        return _countries(language()).get(value) or str(catalog.label(column, value))
    if column == "timezone":
        return _offset(value)
    return str(catalog.label(column, value))


@cache
def _countries(code: str) -> Mapping[str, str]:
    """The names of countries in a language, by their codes; in English where it has none."""
    if is_written_as_english(code):
        return COUNTRIES
    names = locale_of(code).territories
    return {country: names.get(country, name) for country, name in COUNTRIES.items()}


def named_by(title: str) -> str:
    """What a column of IDs is called where their names are shown: Campaign for Campaign ID."""
    short = title.removesuffix(" ID")
    shown = gettext(short)
    return str(title) if shown == short and language() != ENGLISH else shown


def shown_month(month: date) -> str:
    """A month as the language in force writes it; 2026-11 in English."""
    if is_written_as_english(language()):
        return f"{month:%Y-%m}"
    from babel.dates import format_skeleton

    return format_skeleton("yMMM", month, locale=language())


def _offset(zone: str) -> str:
    """A zone as its UTC offset, as `Etc/GMT+8` would read as the opposite of UTC-08:00."""
    try:
        return offset_name(fixed_offset(zone))
    except InputError:
        return zone


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a table as a page shows it; `stored` is TikTok's constant where `text` is its label, else empty."""

    text: str
    stored: str = ""


def cell(column: str, value: Any) -> Cell:
    """A value of a table: numbers with thousands apart, TikTok's constants by their labels, all else as it is."""
    values = value if isinstance(value, list | tuple) else (value,)
    if column not in catalog.value_labels() or not all(isinstance(part, str) for part in values):
        return Cell(grouped(value))
    text, stored = ", ".join(str(catalog.label(column, part)) for part in values), plain(value)
    return Cell(text, stored if text != stored else "")


def amount(value: float, unit: str | None, currency: str | None, decimals: int) -> str:
    """A figure of a chart as a text, with its currency or percent sign."""
    number = decimal(value, decimals)
    if unit == "money":
        return f"{number} {currency}" if currency else number
    return f"{number} %" if unit == "percent" else number


def distinct(names: Sequence[str], ids: Sequence[str]) -> list[str]:
    """The names, with the end of the id appended to those that occur several times, as long as tells them apart."""
    same: dict[str, list[str]] = defaultdict(list)
    for name, value_id in zip(names, ids, strict=True):
        same[name].append(value_id)
    return [
        name if len(same[name]) == 1 else f"{name} ({_short(value_id, same[name])})"
        for name, value_id in zip(names, ids, strict=True)
    ]


def _short(value_id: str, ids: Sequence[str]) -> str:
    """The last digits of an id that no other of the ids ends with; four at least."""
    various = len(set(ids))
    length = next(
        (length for length in range(4, len(value_id)) if len({other[-length:] for other in ids}) == various), 0
    )
    return f"…{value_id[-length:]}" if length else value_id
