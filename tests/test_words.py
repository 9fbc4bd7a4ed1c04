"""The words that people read, and the names that developers read: what was once there and may not come back."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "adreel"
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RECORDS = sorted(path for path in (PACKAGE / "catalog").glob("*.csv") if path.name != "gmv_max.csv")
TEMPLATES = sorted((PACKAGE / "web" / "templates").glob("*.html"))
MODULES = sorted(PACKAGE.rglob("*.py"))
CODE = [*MODULES, *(path for folder in ("tests", "bench", "docs") for path in sorted((ROOT / folder).rglob("*.py")))]

UNWANTED = {
    r"goes by|go by\b|gone by": "say what decides, or 'passes' of time",
    r"\b(is|are|was|were|be|been) told\b": "is shown, is named, is reported",
    r"ha(s|ve) to do with": "concerns",
    r"\bstands?\b|\bstood\b": "is, are, or the verb that is meant",
    r"\b(rows|row) (is|are) named by|names? (a|each) row": "primary key",
    r"\b(goes|go|going|gone) on with\b|came? to (its|their) end": "resume",
    r"what (has )?moved\b|moved by": "change, restated",
    r"\b(un)?[Pp]roved\b": "verified, Check failed; 'proof' may stay in prose",
    r"[Ww]hat a run will ask|[Aa]sked for now": "Estimate, Resolves to",
    r"[Ww]hat a row is about": "Granularity",
    r"[Nn]one of the \d|is chosen above": "No datasets match these filters.",
    r"Not now:|it goes only with": "Requires data level: campaign",
    r"This takes an? (administrator|editor|owner)": "Only editors can ...",
    r"let .{1,20} days go|days go by": "Advance one day",
    r"is a bug of adreel|[Tt]his is a bug": "Unexpected error",
    r"called here|On to TikTok|I have a token already|Leave it\b": "Display name, Continue to TikTok, Cancel",
    r"Connect again|Ask TikTok again|was last asked|Read these|Leave these out": "Reconnect, Last synced",
    r"End the grant|first dataset$": "Also revoke access in TikTok, Create dataset",
    r"(does|do) not add up|can be had|good beginning": "Non-additive, available",
    r"[Ss]till needed|in the way of|is no id\b": "Missing, Fix to save, is not a valid ID",
    r"has what TikTok has|for its turn|at work\b|Run other days|Where it comes from": "Queued, Source",
    r"against the days before|with the most of it|does not say why": "vs previous period",
    r"Of it what TikTok|[Kk]eys that repeat|nothing to say|Asked by": "Restated by TikTok, Duplicate keys",
    r"Least to greatest|dataset is like that|brought in\b|are shown of more": "Min-max, imported",
    r"To begin with": "Examples",
    r"\b[Ss]omebody\b|\b[Nn]obody\b|\b[Ww]hoever\b|one is made|All that you may|Good until": "a user, a person",
    r"\bMake the\b|\bMake an?\b": "Create",
    r"\bcards?\b|\bCards?\b": "chart",
}
"""Patterns of texts for people, each with what to say."""

UNWANTED_MEANINGS = {
    r"^How often": "Number of times",
    r"\b[Ss]et for\b": "selected for, of",
    r"for each unit of": "divided by",
    r"left out|taken out": "not counted, excluded, removed",
    r"(hours|days?) late": "Delayed by about 16 hours",
    r"credited": "attributed",
    r"do(es)? not count\b": "is not counted",
    r"\bspelling\b": "name",
}
"""Patterns of descriptions in the catalog, each with what to say."""

EMPTY_NAMES = {"one", "found", "known", "here", "made", "told", "said", "thing"}
"""Names that do not say what a value is."""


def visible(template: str) -> Iterator[tuple[int, str]]:
    """The lines of a template without its tags, statements and comments; words in attributes that people see stay."""
    plain = re.sub(r"(?s)\{#.*?#\}|\{%.*?%\}", lambda match: "\n" * match.group().count("\n"), template)
    plain = re.sub(r"(?s)\{\{(.*?)\}\}", lambda match: " ".join(re.findall(r'"([^"]*)"', match.group(1))), plain)
    shown = re.compile(r"(?s)<[^>]*?>")

    def words(match: re.Match[str]) -> str:
        kept = re.findall(r'(?:title|placeholder|aria-label|hx-confirm|alt)="([^"]*)"', match.group())
        return " ".join(kept) + "\n" * match.group().count("\n")

    yield from enumerate(shown.sub(words, plain).split("\n"), 1)


def spoken(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module that are no docstrings: messages, labels, help."""
    tree = ast.parse(path.read_text("utf-8"))
    silent = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(id(node.value))
    for node in ast.walk(tree):
        # One word alone is a name, a key or a value.
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield from [] if id(node) in silent else [(node.lineno, node.value)]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page of the docs, without code and addresses."""
    text = path.read_text("utf-8")
    text = re.sub(r"(?s)```.*?```", lambda match: "\n" * match.group().count("\n"), text)
    text = re.sub(r"`[^`\n]*`|\]\([^)]*\)", "", text)
    yield from enumerate(text.split("\n"), 1)


def faults(path: Path, lines: Iterator[tuple[int, str]], unwanted: Mapping[str, str] = UNWANTED) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {match.group()!r} in {text.strip()[:90]!r}; better: {better}"
        for number, text in lines
        for pattern, better in unwanted.items()
        for match in [re.search(pattern, text)]
        if match
    ]


def test_pages_use_the_words_of_the_field() -> None:
    assert not [fault for path in TEMPLATES for fault in faults(path, visible(path.read_text("utf-8")))]


def test_messages_and_help_use_the_words_of_the_field() -> None:
    assert not [fault for path in MODULES for fault in faults(path, spoken(path))]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_descriptions_in_the_catalog_use_the_words_of_the_field(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        texts = ("meaning", "label", "phrase")
        meanings = [(reader.line_num, next(row[name] for name in texts if row.get(name))) for row in reader]
    assert len(meanings) > 10
    assert not faults(path, iter(meanings), UNWANTED | UNWANTED_MEANINGS)


def test_docs_use_the_words_of_the_field() -> None:
    assert not [fault for path in DOCS for fault in faults(path, prose(path))]


def test_names_say_what_a_value_is() -> None:
    assert not [
        f"{path.relative_to(ROOT)}:{node.lineno}: {name}"
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Name | ast.arg)
        for name in [node.id if isinstance(node, ast.Name) else node.arg]
        if name in EMPTY_NAMES
    ]


def test_a_class_name_is_there_once() -> None:
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.lstrip("_"), []).append(str(path.relative_to(PACKAGE)))
    assert not {name: modules for name, modules in places.items() if len(modules) > 1}
