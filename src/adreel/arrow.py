"""Arrow's functions on columns, and numpy, loaded when one is first called.

Each is about 10 MB of a process. A worker calls none of them, nor does a server for pages of rows and charts: DuckDB
reads these.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

KEPT_AS_TEXT: Mapping[str, str] = MappingProxyType({"stored": "text"})
"""The metadata of a field of wall clock hours that the lake keeps as text."""


class _OnDemand:
    """A module that is imported when something in it is first used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self._name), name)
        setattr(self, name, value)
        return value


pc: Any = _OnDemand("pyarrow.compute")
np: Any = _OnDemand("numpy")
