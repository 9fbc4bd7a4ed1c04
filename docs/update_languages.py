"""Extracts all messages of the code, pages, scripts and catalogue, and brings the files of the languages up to date.

Without arguments it writes `src/adreel/locale/*/LC_MESSAGES/adreel.po`: new messages come in untranslated, those that
are gone are dropped. With `--check` it writes nothing, names what a translator has to do, and exits 1 if there is any.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from datetime import UTC, datetime
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from adreel import catalog

SOURCE = Path(__file__).parent.parent / "src" / "adreel"
LOCALE = SOURCE / "locale"

METHODS = [("**.py", "python"), ("web/templates/**.html", "jinja2"), ("web/static/*.js", "javascript")]
OPTIONS = {
    "web/templates/**.html": {
        "newstyle_gettext": "true",
        "trim_blocks": "true",
        "lstrip_blocks": "true",
        "silent": "false",
    }
}
KEYWORDS = {
    "phrase": None,
    "phrases": (1, 2),
    "Phrase": None,
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
}

WRITTEN = datetime(2026, 11, 30, tzinfo=UTC)
"""A date of its own each time would change the files though no message changed."""


def extracted() -> Catalog:
    """All messages, each with the files that it is in."""
    messages = Catalog(project="adreel", charset="utf-8", creation_date=WRITTEN, revision_date=WRITTEN)
    # babel warns of every f-string in a call, though only the first argument is a message, and ruff finds those (INT).
    with redirect_stderr(io.StringIO()):
        texts = list(extract_from_dir(SOURCE, METHODS, OPTIONS, KEYWORDS))
    for file, _, message, _, _ in texts:
        messages.add(message, locations=[(file, 1)])
    for text in filter(None, map(str, _records())):
        messages.add(text, locations=[("catalog", 1)])
    return messages


def _records() -> Iterator[str]:
    """The texts of the catalogue's records."""
    for metric in catalog.metrics().values():
        yield from (metric.title, metric.meaning)
    for dimension in catalog.dimensions().values():
        yield from (dimension.title, dimension.meaning)
    for fields in catalog.fields().values():
        for field in fields:
            yield from (field.title, field.meaning)
    for labels in catalog.value_labels().values():
        yield from labels.values()
    for calculated in catalog.calculated_metrics().values():
        yield from (calculated.title, calculated.meaning)


def catalogues() -> Iterator[tuple[Path, Catalog]]:
    """The file of each language, and what it holds."""
    for path in sorted(LOCALE.glob("*/LC_MESSAGES/adreel.po")):
        with path.open("rb") as file:
            yield path, read_po(file, locale=path.parent.parent.name)


def update(path: Path, catalog: Catalog, template: Catalog) -> None:
    """Writes a language's file anew, with the messages of now."""
    catalog.update(template, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    catalog.revision_date = WRITTEN
    catalog.header_comment = "# Texts of adreel; see docs/languages.md."
    catalog.last_translator = catalog.language_team = catalog.project
    catalog.msgid_bugs_address, catalog.fuzzy = "", False
    with path.open("wb") as file:
        write_po(file, catalog, width=120, include_lineno=False, sort_by_file=True)


def problems(catalog: Catalog, template: Catalog) -> Iterator[str]:
    """What a translator has to do, a line each."""
    for message in template:
        if message.id and not _translated(catalog.get(message.id)):
            yield f"not translated: {message.id!r}"
    for message in catalog:
        if message.id and template.get(message.id) is None:
            yield f"no longer used: {message.id!r}"
        for error in message.check(catalog):
            yield f"{error}: {message.id!r}"


def _translated(message: Message | None) -> bool:
    if message is None or message.fuzzy:
        return False
    return bool(message.string) if isinstance(message.string, str) else all(message.string or [""])


def main() -> int:
    """Updates the files, or checks them."""
    template = extracted()
    lines = 0
    for path, texts in catalogues():
        if "--check" not in sys.argv:
            update(path, texts, template)
        for line in problems(texts, template):
            lines += 1
            sys.stdout.write(f"{path.parent.parent.name}: {line}\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
