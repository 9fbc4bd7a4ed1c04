"""The docs as the Data Center shows them: their contents, pages as HTML, and search."""

from adreel.manual.contents import Contents, Entry, ManualSection, folder
from adreel.manual.markdown import Heading, ManualPage, rendered
from adreel.manual.search import Hit, SearchIndex

__all__ = [
    "Contents",
    "Entry",
    "Heading",
    "Hit",
    "ManualPage",
    "ManualSection",
    "SearchIndex",
    "folder",
    "rendered",
]
