"""Which pages the docs have, and in which order: `navigation.yaml` in their folder, one line for each page."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from adreel.errors import StopError
from adreel.language import phrase

NAVIGATION = "navigation.yaml"

LANDING = "README.md"
"""The page of a folder, which GitHub shows below the list of its files."""


@dataclass(frozen=True, slots=True)
class ManualEntry:
    """A page: its `file` seen from the folder of the docs, its `title`, and its `address` below /docs.

    `label` is what the menu calls it, where its section makes the title longer than it has to be.
    """

    file: str
    title: str
    address: str
    label: str

    @property
    def path(self) -> str:
        """The address on this site."""
        return f"/docs/{self.address}" if self.address else "/docs"


@dataclass(frozen=True, slots=True)
class ManualSection:
    """Pages for one purpose; that of the first page has no title."""

    title: str
    entries: tuple[ManualEntry, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """All pages of the docs in `root`, in the order of their menu."""

    root: Path
    sections: tuple[ManualSection, ...]

    @staticmethod
    def read(root: Path) -> Contents:
        """From the folder of the docs. Raises StopError if it is not part of this installation."""
        try:
            text = (root / NAVIGATION).read_text("utf-8")
        except OSError as error:
            raise StopError(phrase("The docs are missing from this installation. Reinstall adreel.")) from error
        return Contents(
            root,
            tuple(
                ManualSection(str(section["title"] or ""), tuple(_entry(root, page) for page in section["pages"]))
                for section in yaml.safe_load(text)
            ),
        )

    @property
    def entries(self) -> tuple[ManualEntry, ...]:
        """All pages."""
        return tuple(entry for section in self.sections for entry in section.entries)

    def at(self, address: str) -> ManualEntry | None:
        """The page at an address below /docs, with or without the ending of its file."""
        wanted = address.strip("/")
        return next((entry for entry in self.entries if wanted in (entry.address, entry.file)), None)

    def section_of(self, entry: ManualEntry) -> ManualSection:
        """The section that a page is in."""
        return next(section for section in self.sections if entry in section.entries)

    def beside(self, entry: ManualEntry) -> tuple[ManualEntry | None, ManualEntry | None]:
        """The pages before and after a page."""
        entries = self.entries
        place = entries.index(entry)
        return (entries[place - 1] if place else None, entries[place + 1] if place + 1 < len(entries) else None)

    def text(self, entry: ManualEntry) -> str:
        """The Markdown of a page."""
        return (self.root / entry.file).read_text("utf-8")

    def linked(self, entry: ManualEntry, target: str) -> ManualEntry | None:
        """The page that a link of `entry` to a file leads to."""
        file = posixpath.normpath(posixpath.join(posixpath.dirname(entry.file), target))
        # The changelog is beside the folder.
        file = file.removeprefix("../docs/")
        return next((other for other in self.entries if other.file == file), None)


def folder() -> Path:
    """The folder of the docs: that of the package, or of the checkout that is installed."""
    packed = Path(__file__).parent / "docs"
    return packed if packed.is_dir() else Path(__file__).parents[3] / "docs"


def _entry(root: Path, page: str | dict[str, str]) -> ManualEntry:
    """A page as the list names it: by its file, or by its file with a label."""
    file, label = (page, "") if isinstance(page, str) else next(iter(page.items()))
    try:
        text = (root / file).read_text("utf-8")
    except OSError as error:
        raise StopError(
            phrase("The page %(file)s of the docs is missing from this installation. Reinstall adreel.", file=file)
        ) from error
    title = _title(text)
    return ManualEntry(file, title, _address(file), label or title)


def _title(text: str) -> str:
    match = re.search(r"^# +(.+?) *$", text, re.MULTILINE)
    return match[1] if match else ""


def _address(file: str) -> str:
    """`tutorials/analyst`, `reference` for its first page, `changelog` for the file above the folder."""
    name = file.removeprefix("../").removesuffix(".md")
    address = name if name != name.upper() or "/" in name or name == "README" else name.lower()
    return address.removesuffix("README").strip("/")
