"""TikTok Ads reports as verified, versioned tables.

For notebooks and programs: `adreel.open()` gives a home with its datasets, and `adreel.report()` reads a report without
a saved dataset. What they need is imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adreel.notebook import DatasetInfo, DatasetTable, Home, ReportWarning, open, report  # noqa: A004 - adreel.open reads well

__all__ = ["DatasetInfo", "DatasetTable", "Home", "ReportWarning", "open", "report"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'adreel' has no attribute {name!r}")
    from adreel import notebook

    return getattr(notebook, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
