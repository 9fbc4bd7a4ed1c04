"""Files that were chosen by mistake: what they are, in place of what a parser of YAML thinks of them."""

from __future__ import annotations

import re

from adreel import catalog
from adreel.datasets.dataset import Source
from adreel.datasets.files import read_all
from adreel.datasets.validation import GENERAL_KEYS
from adreel.errors import DatasetError, Problem
from adreel.language import Phrase, phrase

ADVICE = Phrase(
    "adreel imports dataset files (YAML or JSON). To see the form, download the settings of a "
    "dataset, or run: adreel datasets show NAME"
)

_SIGNATURES = (
    (b"\x89PNG", Phrase("an image")),
    (b"\xff\xd8\xff", Phrase("an image")),
    (b"GIF8", Phrase("an image")),
    (b"II*\0", Phrase("an image")),
    (b"MM\0*", Phrase("an image")),
    (b"%PDF", Phrase("a PDF document")),
    (b"PAR1", Phrase("a Parquet file")),
    (b"PK\x03\x04", Phrase("an Excel workbook or a ZIP archive")),
    (b"\xd0\xcf\x11\xe0", Phrase("an Excel workbook")),
    (b"\x1f\x8b", Phrase("a compressed file")),
    (b"SQLite format 3\0", Phrase("a database")),
)
"""The first bytes of files that people have beside dataset files (source: the formats' own specifications)."""

MOST_CONTROL = 10
"""A file is no text if more than one in so many characters is a control character; a single one is a slip."""

_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def text_of(content: bytes, file: str) -> str:
    """The content of the dataset file named `file` as text.

    Raises DatasetError, with what to do, for a file that is something else: its kind, or the line that is not UTF-8.
    """
    kind = _binary_kind(content)
    if kind:
        raise _not_datasets(
            " ".join((phrase("%(file)s is %(kind)s, not a dataset file.", file=file, kind=kind), str(ADVICE)))
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _not_datasets(
            phrase("%(file)s is not UTF-8 text (line %(line)s). Save it as UTF-8 and try again.", file=file, line=line)
        ) from error
    kind = _text_kind(text)
    if kind:
        raise _not_datasets(" ".join((phrase("%(file)s is %(kind)s.", file=file, kind=kind), str(ADVICE))))
    return text


def sources_in(text: str, file: str) -> tuple[Source, ...]:
    """The datasets of the text of the file named `file`, at least one.

    Raises DatasetError, with what to do, for text that has none; else as `read_all`.
    """
    kind = _text_kind(text)
    if kind:
        raise _not_datasets(" ".join((phrase("%(file)s is %(kind)s.", file=file, kind=kind), str(ADVICE))))
    try:
        sources = read_all(text)
    except DatasetError as error:
        if [problem.menu for problem in error.problems] != ["file"]:
            raise
        reason = error.problems[0].reason.removesuffix(".")
        sentence = phrase("%(file)s could not be read: %(reason)s.", file=file, reason=reason)
        raise _not_datasets(f"{sentence} {ADVICE}") from error
    faulty = any(source.problems for source in sources)
    if not faulty and not any(_KEYS & source.values.keys() for source in sources):
        keys = ", ".join(str(key)[:50] for key in list(sources[0].values)[:3])
        sentence = (
            phrase(
                "%(file)s has no datasets: it has keys such as %(keys)s, and not name, account and report.",
                file=file,
                keys=keys,
            )
            if keys
            else phrase("%(file)s has no datasets: it has no keys, and not name, account and report.", file=file)
        )
        raise _not_datasets(f"{sentence} {ADVICE}")
    return sources


_KEYS = frozenset({*GENERAL_KEYS, *(menu.name for report in catalog.REPORTS.values() for menu in report.menus)}) - {
    "description",
    "name",
    "retry",
    "schedule",
    "tags",
}
"""Keys that only dataset files have."""


def _not_datasets(sentences: str) -> DatasetError:
    return DatasetError((Problem("file", sentences),), sentences)


def _binary_kind(content: bytes) -> str:
    """What a file is by its first bytes; empty for text."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return phrase("an image")
    return next((str(kind) for signature, kind in _SIGNATURES if content.startswith(signature)), "")


def _text_kind(text: str) -> str:
    """What a text is that is no dataset file, to follow "is"; empty for one that may be a dataset file."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return phrase("empty")
    if "\0" in text or len(_CONTROL.findall(text)) * MOST_CONTROL > len(text):
        return phrase("not text: it contains control characters")
    if text.lstrip().startswith("<"):
        return phrase("an HTML or XML document, not a dataset file")
    head = [line for line in lines[:5] if ": " not in line and not line.lstrip().startswith(("-", "[", "{", "#", '"{'))]
    if len(head) == len(lines[:5]) and any(_is_delimited(head, delimiter) for delimiter in ",;\t"):
        return phrase("a CSV file, not a dataset file")
    return ""


def _is_delimited(lines: list[str], delimiter: str) -> bool:
    """Whether the first line has several cells, and the next ones as many at least."""
    cells = lines[0].count(delimiter)
    return cells > 0 and not lines[0].rstrip().endswith(":") and all(line.count(delimiter) >= cells for line in lines)
