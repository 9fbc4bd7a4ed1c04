"""Stored texts in another language: they are kept in English, and recognised by the message that they were made from.

A run's reasons, warnings, notes and log lines are written by a process that serves no page, and are read by people of
several languages, long after; so they are stored in English, and translated where a page shows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from itertools import chain

from adreel.language import ENGLISH, PSEUDO, in_language, language, messages, phrase, shown_day, shown_days

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_NUMBER = re.compile(r"[-+]?\d{1,3}(,\d{3})*(\.\d+)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAYS = re.compile(rf"({_DAY.pattern}) to ({_DAY.pattern})")
_SENTENCE = re.compile(r"(?<=[.?!]) (?=\S)")

LEAST_LETTERS = 4
"""Letters that a message needs besides its values, so that a text is not taken for one by chance."""

DEEPEST = 4
"""Messages within messages."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A message with values, as an expression that matches texts made from it."""

    expression: re.Pattern[str]
    letters: int
    translation: str

    def translated(self, text: str, depth: int, *, loose: bool) -> str | None:
        """The text in the other language, if it was made from this message; values are sentences only if `loose`."""
        match = self.expression.fullmatch(text)
        if match is None or (not loose and any(map(_SENTENCE.search, match.groups()))):
            return None
        return self.translation % {name: _value(value, depth) for name, value in match.groupdict().items()}


def translated(text: str) -> str:
    """A stored text in the language in force, line by line and sentence by sentence; in English where none fits."""
    if language() == ENGLISH or not text:
        return str(text)
    if language() == PSEUDO:
        return phrase(text.replace("%", "%%"))
    return "\n".join(_line(language(), line) for line in text.split("\n"))


@lru_cache(4_096)
def _line(code: str, line: str) -> str:
    return _sentences(code, line, 0)


def _sentences(code: str, text: str, depth: int) -> str:
    """The longest beginnings that are messages, one after the other."""
    parts = _SENTENCE.split(text)
    done = []
    while parts:
        length, sentence = _beginning(code, parts, depth)
        done.append(sentence)
        parts = parts[length:]
    return " ".join(done)


def _beginning(code: str, parts: list[str], depth: int) -> tuple[int, str]:
    """How many of the sentences make a message, and what it is in the other language; one as it is if none fits."""
    for loose in (False, True):
        for length in range(len(parts), 0, -1):
            sentence = _whole(code, " ".join(parts[:length]), depth, loose=loose)
            if sentence is not None:
                return length, sentence
    return 1, parts[0]


def _whole(code: str, text: str, depth: int, *, loose: bool) -> str | None:
    book = _book(code)
    if (exact := book.exact.get(text)) is not None:
        return exact
    fitting = (pattern.translated(text, depth, loose=loose) for pattern in book.candidates(text))
    sentence = next((result for result in fitting if result is not None), None)
    if sentence is not None or ": " not in text or depth >= DEEPEST:
        return sentence
    # What precedes a colon is the name of a setting, of an ad account or of another thing.
    name, _, rest = text.partition(": ")
    reason = _whole(code, rest, depth + 1, loose=loose)
    return None if reason is None else f"{_value(name, depth)}: {reason}"


def _value(value: str, depth: int) -> str:
    if _NUMBER.fullmatch(value):
        return in_language(value)
    if _DAY.fullmatch(value):
        return shown_day(date.fromisoformat(value))
    if days := _DAYS.fullmatch(value):
        return shown_days(*map(date.fromisoformat, days.groups()))
    if "; " in value:
        return "; ".join(_value(part, depth) for part in value.split("; "))
    parts = value.split(", ")
    if len(parts) > 1 and all(part in _book(language()).exact for part in parts):
        return ", ".join(_book(language()).exact[part] for part in parts)
    return _sentences(language(), value, depth + 1) if depth < DEEPEST else value


@dataclass(frozen=True, slots=True)
class Book:
    """The messages of a language: those without values, and the others by how they begin, or else by how they end."""

    exact: Mapping[str, str]
    by_beginning: Mapping[str, tuple[Pattern, ...]]
    by_end: Mapping[str, tuple[Pattern, ...]]
    others: tuple[Pattern, ...]

    def candidates(self, text: str) -> Iterator[Pattern]:
        """The messages that the text may have been made from, those with the most letters first."""
        first, last = text.split(" ")[0], text.rsplit(" ", 1)[-1]
        patterns = chain(self.by_beginning.get(first, ()), self.by_end.get(last, ()), self.others)
        return iter(sorted(patterns, key=lambda pattern: -pattern.letters))


@cache
def _book(code: str) -> Book:
    exact: dict[str, str] = {}
    beginnings: dict[str, list[Pattern]] = {}
    ends: dict[str, list[Pattern]] = {}
    others: list[Pattern] = []
    for message, translation in _pairs(code):
        pattern = _pattern(message, translation)
        if pattern is None:
            if not _PLACEHOLDER.search(message):
                exact[message.replace("%%", "%")] = translation.replace("%%", "%")
            continue
        first, last = message.split(" ")[0], message.rsplit(" ", 1)[-1]
        if not _PLACEHOLDER.search(first):
            beginnings.setdefault(first, []).append(pattern)
        elif not _PLACEHOLDER.search(last):
            ends.setdefault(last, []).append(pattern)
        else:
            others.append(pattern)
    return Book(
        exact,
        {first: tuple(patterns) for first, patterns in beginnings.items()},
        {last: tuple(patterns) for last, patterns in ends.items()},
        tuple(others),
    )


def _pairs(code: str) -> Iterator[tuple[str, str]]:
    """Messages and their translations, each form of a plural by itself."""
    for entry in messages(code):
        forms = [entry.string] if isinstance(entry.string, str) else entry.string or []
        for message, translation in zip([entry.id] if isinstance(entry.id, str) else entry.id, forms, strict=False):
            if message and translation:
                yield message, translation


def _pattern(message: str, translation: str) -> Pattern | None:
    pieces = _PLACEHOLDER.split(message)
    literals = pieces[::2]
    letters = sum(character.isalpha() for literal in literals for character in literal)
    if len(pieces) == 1 or letters < LEAST_LETTERS:
        return None
    seen: set[str] = set()
    expression = ""
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            expression += re.escape(piece.replace("%%", "%"))
        else:
            expression += f"(?P={piece})" if piece in seen else f"(?P<{piece}>.+?)"
            seen.add(piece)
    return Pattern(re.compile(expression), letters, translation)
