"""What every process of adreel's own imports first: pandas stays out of it.

Arrow imports pandas, where it is installed, with the first list that becomes an array: 34 MB and 0.4 s that only
programs of people, which import adreel themselves, have a use for. Drivers of databases that need it have it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import FrameType, ModuleType

_BY_ARROW = frozenset({"__main__", "adreel", "deltalake", "duckdb", "pyarrow"})
"""Packages in whose calls Arrow is what asks for pandas; none of them imports it by itself."""

_FOR_PEOPLE = "adreel.notebook"


class _WithoutPandas(MetaPathFinder):
    """Finds no pandas for Arrow."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raises ImportError for pandas if Arrow asks for it, and leaves all else to others."""
        del path, target
        if fullname == "pandas" and _is_asked_by_arrow():
            raise ImportError("adreel's own processes have no use for pandas", name=fullname)


def _is_asked_by_arrow() -> bool:
    """Arrow's own code has no frame: the first that does not belong to the import is the one that called it."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _name_of(frame).startswith(("importlib", "_frozen_importlib")):
        frame = frame.f_back
    name = _name_of(frame)
    return name != _FOR_PEOPLE and name.partition(".")[0] in _BY_ARROW


def _name_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


sys.meta_path.insert(0, _WithoutPandas())
