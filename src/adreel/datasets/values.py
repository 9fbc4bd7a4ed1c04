"""Values of dataset files: their texts, and what forms and fitting begin with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

FIRST_DATES: Mapping[str, str] = MappingProxyType(
    {"kind": "period", "period": "last_30_days", "date": "yesterday", "start": "today-30", "end": "yesterday"}
)
"""What the dates begin with, for each way of saying them."""
LISTS = frozenset({"metrics", "dimensions", "fields"})
"""Sources of menus of which values are picked out of many."""


def scalar(value: Any) -> str:
    """One value of a dataset file as text; nothing for a list, a mapping and null."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or isinstance(value, list | tuple | dict) else str(value)


def texts(value: Any) -> tuple[str, ...]:
    """One or more values of a dataset file as texts."""
    if value is None or isinstance(value, dict):
        return ()
    return tuple(scalar(one).strip() for one in (value if isinstance(value, list | tuple) else [value]))
