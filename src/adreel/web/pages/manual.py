"""The docs, for users and for people who cannot sign in yet: they say nothing about this home."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from adreel.language import language, phrase
from adreel.manual.contents import Contents, ManualEntry, folder
from adreel.web.assets import Assets
from adreel.web.render import Page, is_fragment, respond

if TYPE_CHECKING:
    from adreel.manual.markdown import ManualPage
    from adreel.manual.search import Hit, SearchIndex

router = APIRouter()

PICTURES = "/docs/pictures"
"""Where the app mounts the pictures of the docs."""


class Manual:
    """The docs of this installation; pages are rendered when they are first asked for."""

    def __init__(self) -> None:
        """Reads nothing yet."""
        self._pages: dict[tuple[str, str], ManualPage] = {}
        self._lock = Lock()
        self.pictures = Assets(folder() / "pictures", PICTURES)

    @cached_property
    def contents(self) -> Contents:
        """The pages and their order. Raises StopError if they are missing."""
        return Contents.read(folder())

    @cached_property
    def index(self) -> SearchIndex:
        """What search looks in."""
        from adreel.manual.search import SearchIndex

        return SearchIndex(self.contents)

    def page(self, entry: ManualEntry) -> ManualPage:
        """A page as HTML; labels are in the language of the request."""
        key = entry.file, language()
        if key not in self._pages:
            # One at a time: the list of metrics takes a second of the processor.
            with self._lock:
                self._pages.setdefault(key, self._rendered(entry))
        return self._pages[key]

    def _rendered(self, entry: ManualEntry) -> ManualPage:
        # What reads Markdown and colors code takes 2.4 MB, which a server needs once a person opens the docs.
        from adreel.manual.markdown import rendered

        return rendered(
            self.contents.text(entry),
            lambda target: self._linked(entry, target),
            lambda target: self.pictures.url(posixpath.basename(target)),
            phrase("Copy"),
            phrase("Table"),
        )

    def _linked(self, entry: ManualEntry, target: str) -> str:
        """The address on this site that a link leads to; that of another site as it is."""
        parts = urlsplit(target)
        if parts.scheme or not parts.path or target.startswith("/"):
            return target
        page = self.contents.linked(entry, parts.path)
        return f"{page.path}#{parts.fragment}" if page and parts.fragment else page.path if page else target


@dataclass(frozen=True, slots=True)
class ManualView(Page):
    """A page of the docs, with those beside it."""

    template: ClassVar[str] = "manual.html"
    contents: Contents
    entry: ManualEntry
    section: str
    page: ManualPage
    previous: ManualEntry | None
    following: ManualEntry | None


@dataclass(frozen=True, slots=True)
class ManualSearch(Page):
    """The answer of the search, on a page of its own."""

    template: ClassVar[str] = "manual_search.html"
    contents: Contents
    words: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class ManualHits(Page):
    """The answer of the search while a person types."""

    template: ClassVar[str] = "_manual_hits.html"
    words: str
    hits: tuple[Hit, ...]


@router.get("/docs/search")
def search(request: Request, q: str = "") -> Response:
    """Passages of the docs with all words."""
    manual = _manual(request)
    words = q.strip()[:200]
    hits = manual.index.find(words)
    if is_fragment(request):
        return respond(request, ManualHits(words, hits))
    return respond(request, ManualSearch(manual.contents, words, hits))


@router.get("/docs")
def landing(request: Request) -> Response:
    """The first page."""
    return _view(request, "")


@router.get("/docs/{address:path}")
def page(request: Request, address: str) -> Response:
    """A page; the name of its file leads there, too."""
    return _view(request, address)


def _view(request: Request, address: str) -> Response:
    manual = _manual(request)
    contents = manual.contents
    entry = contents.at(address)
    if entry is None:
        raise HTTPException(404)
    if address != entry.address:
        return RedirectResponse(entry.path, 307)
    previous, following = contents.beside(entry)
    section = contents.section_of(entry).title
    return respond(request, ManualView(contents, entry, section, manual.page(entry), previous, following))


def _manual(request: Request) -> Manual:
    manual: Manual = request.app.state.manual
    return manual
