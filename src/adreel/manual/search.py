"""Search in the docs: in memory, without a service or a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from adreel.manual.contents import Contents, ManualEntry
from adreel.manual.markdown import anchor_of, plain

MOST_HITS = 30
MOST_WORDS = 8
EXCERPT = 180
"""Characters of the text around the first match."""

IN_TITLE, IN_HEADING = 12, 8
"""What a word is worth in the title of the page and in the heading of the passage, as against once in the text."""

MOST_TIMES = 3
"""How often a word in the text counts."""

LAST = frozenset({"decisions", "changelog", "benchmarks", "architecture"})
"""Pages about how adreel came to be what it is, which answer few questions: below all others."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The text below one heading of a page."""

    entry: ManualEntry
    heading: str
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with all words; `parts` is its excerpt, in pieces that are a match or not."""

    title: str
    heading: str
    path: str
    parts: tuple[tuple[bool, str], ...]


class SearchIndex:
    """The passages of all pages."""

    def __init__(self, contents: Contents) -> None:
        """Reads all pages."""
        self._passages = [
            passage for entry in contents.entries for passage in _passages(entry, contents.text(entry)) if passage.text
        ]

    def find(self, text: str) -> tuple[Hit, ...]:
        """The passages with all words of `text`, best first; at most `MOST_HITS`."""
        words = [_stem(word) for word in re.findall(r"[\w.-]+", text.lower())[:MOST_WORDS]]
        if not words:
            return ()
        scored = [(score, passage) for passage in self._passages if (score := _score(passage, words))]
        scored.sort(key=lambda pair: (pair[1].entry.address in LAST, -pair[0]))
        return tuple(_hit(passage, words) for _, passage in scored[:MOST_HITS])


def _passages(entry: ManualEntry, text: str) -> Iterator[Passage]:
    heading, lines, in_code = "", list[str](), False
    for line in text.splitlines():
        in_code = in_code != line.lstrip().startswith("```")
        match = None if in_code else re.match(r"#+ +(.+?) *$", line)
        if match is None:
            lines.append(line)
            continue
        yield _passage(entry, heading, lines)
        heading, lines = plain(match[1]), []
    yield _passage(entry, heading, lines)


def _passage(entry: ManualEntry, heading: str, lines: list[str]) -> Passage:
    words = " ".join(line for line in lines if not re.match(r"\s*(```|<!--|!\[|\| ---)", line))
    text = " ".join(plain(words).replace("|", " ").split())
    return Passage(entry, heading, "" if heading in ("", entry.title) else anchor_of(heading), text)


def _stem(word: str) -> str:
    """A word without the ending of its plural."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _score(passage: Passage, words: list[str]) -> int:
    """How well a passage fits; 0 if a word is missing."""
    title, heading, text = passage.entry.title.lower(), passage.heading.lower(), passage.text.lower()
    score = 0
    in_reference = passage.entry.address.startswith("reference/")
    for word in words:
        value = IN_TITLE * (word in title) + IN_HEADING * (word in heading) + min(text.count(word), MOST_TIMES)
        if not value or not (word in heading or word in text):
            return 0
        score += value
    # Its tables have most words somewhere; for names they are the place to look.
    return score * 2 if in_reference and any("_" in word for word in words) else score // (1 + in_reference) or 1


def _hit(passage: Passage, words: list[str]) -> Hit:
    pattern = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))), re.IGNORECASE)
    first = pattern.search(passage.text)
    start = max(0, first.start() - EXCERPT // 3) if first else 0
    # From the beginning of a word.
    start = passage.text.find(" ", start) + 1 if start else 0
    excerpt = passage.text[start : start + EXCERPT]
    if start + EXCERPT < len(passage.text):
        excerpt = f"{excerpt.rpartition(' ')[0]} …"
    pieces = re.split(f"({pattern.pattern})", f"{'… ' if start else ''}{excerpt}", flags=re.IGNORECASE)
    parts = tuple((place % 2 == 1, piece) for place, piece in enumerate(pieces) if piece)
    heading = "" if passage.heading == passage.entry.title else passage.heading
    path = f"{passage.entry.path}#{passage.anchor}" if passage.anchor else passage.entry.path
    return Hit(passage.entry.title, heading, path, parts)
