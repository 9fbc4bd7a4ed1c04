"""What every process of adreel's own imports first: pandas stays out of it.

Arrow imports pandas, where it is installed, with the first list that becomes an array: 34 MB and 0.4 s that only
programs of people, which import adreel themselves, have a use for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


class _WithoutPandas(MetaPathFinder):
    """Finds no pandas."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raises ImportError for pandas, and leaves all else to others."""
        del path, target
        if fullname == "pandas":
            raise ImportError("adreel's own processes have no use for pandas", name=fullname)


sys.meta_path.insert(0, _WithoutPandas())
