"""The docs as the Data Center shows them: their contents, pages as HTML, and search."""

from adreel.manual.contents import Contents, ManualEntry, ManualSection, folder
from adreel.manual.markdown import ManualHeading, ManualPage, rendered
from adreel.manual.search import Hit, SearchIndex

__all__ = [
    "Contents",
    "Hit",
    "ManualEntry",
    "ManualHeading",
    "ManualPage",
    "ManualSection",
    "SearchIndex",
    "folder",
    "rendered",
]
