"""What every process of adreel's own imports first: pandas stays out of it, numpy out of a server, and it ends at once.

Arrow imports pandas, where it is installed, with the first list that becomes an array: 34 MB and 0.4 s that only
programs of people, which import adreel themselves, have a use for. Drivers of databases that need it have it.

Arrow imports numpy, where it is installed, when it is imported itself: 17 MB that a server has no use for.

A process that ends looks through all that it has for garbage: a fifth of the time that a short one takes.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import FrameType, ModuleType

_BY_ARROW = frozenset({"__main__", "adreel", "deltalake", "duckdb", "pyarrow"})
"""Packages in whose calls Arrow is what asks for pandas; none of them imports it by itself."""

_BY_THEMSELVES = frozenset({"adreel.arrow", "adreel.notebook"})
"""Modules that import them on purpose."""


_out = {"pandas"}


class _Without(MetaPathFinder):
    """Finds nothing of what stays out for Arrow."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raises ImportError for what stays out if Arrow asks for it, and leaves all else to others."""
        del path, target
        if fullname in _out and _is_asked_by_arrow():
            raise ImportError(f"This process of adreel has no use for {fullname}.", name=fullname)


def keep_numpy_out() -> None:
    """Keeps Arrow without numpy in this process, if it is not imported yet; no rows can be committed here then."""
    _out.add("numpy")


def _is_asked_by_arrow() -> bool:
    """Arrow's own code has no frame: the first that does not belong to the import is the one that called it."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _name_of(frame).startswith(("importlib", "_frozen_importlib")):
        frame = frame.f_back
    name = _name_of(frame)
    return name not in _BY_THEMSELVES and name.partition(".")[0] in _BY_ARROW


def _name_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


sys.meta_path.insert(0, _Without())
atexit.register(gc.freeze)
