"""The language of what people read: gettext messages, and the language in force.

Code is written in English, and its texts are the messages. `phrase` gives a message in the language in force,
`phrases` the form for a number, and a `Phrase` is a constant that is translated when it is shown. Placeholders are
those of `%`:
`phrase("%(rows)s rows", rows="12")`; a percent sign is doubled.

The language is English unless a page asks for another one: commands, the API, logs and the store stay English. A stored
text is translated when a page shows it, by the message that it was made from (`adreel.stored_texts`).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale
    from babel.messages import Catalog
    from markupsafe import Markup

ENGLISH = "en"

LANGUAGES: Mapping[str, str] = MappingProxyType({ENGLISH: "English", "de": "Deutsch"})
"""Each language in its own name, by its code (BCP 47)."""

PSEUDO = "xx"
"""A language for tests, in which every message stands in brackets, so that what was not translated shows."""

_language: ContextVar[str] = ContextVar("adreel_language", default="")
"""Empty where no page is made."""

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


def language() -> str:
    """The code of the language in force."""
    return _language.get() or ENGLISH


def is_written_as_english(code: str) -> bool:
    """Whether a language writes days and numbers as the code does, and has no file of messages."""
    return code in (ENGLISH, PSEUDO)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Puts a language of LANGUAGES in force for a page, in this task or thread and those that it starts."""
    token = _language.set(code)
    try:
        yield
    finally:
        _language.reset(token)


@contextmanager
def in_english() -> Iterator[None]:
    """Puts English in force for what is stored, or made for programs and other people, whatever page asks for it."""
    token = _language.set("")
    try:
        yield
    finally:
        _language.reset(token)


def phrase(message: str, /, **values: object) -> str:
    """The message in the language in force, with its values."""
    return gettext(message) % isolated(values)


def gettext(message: str, /) -> str:
    """The message in the language in force, its placeholders as they are."""
    raw = str.__str__(message)
    return catalogue(language()).gettext(raw) if raw else raw


def phrases(singular: str, several: str, number: int, /, **values: object) -> str:
    """The form of a message for a number, in the language in force, with its values."""
    return plural(singular, several, number) % isolated(values)


def plural(singular: str, several: str, number: int, /) -> str:
    """The form of a message for a number, its placeholders as they are."""
    return catalogue(language()).ngettext(singular, several, number)


def isolated(values: Mapping[str, object]) -> Mapping[str, object]:
    """The values of a message for a page, names that are read from right to left apart from what surrounds them.

    Without that, a number after such a name would stand before it (source: Unicode Annex 9, "Explicit Directional
    Isolates").
    """
    if not _language.get():
        return values
    return {
        name: value.__class__(f"\u2068{value}\u2069")
        if isinstance(value, str) and _RIGHT_TO_LEFT.search(value)
        else value
        for name, value in values.items()
    }


class Phrase(str):
    """A constant text: English for programs, and in the language in force where it is shown or put into a sentence."""

    __slots__ = ()

    def __str__(self) -> str:
        """The text in the language in force."""
        return gettext(self)

    def __format__(self, spec: str) -> str:
        """The text in the language in force."""
        return format(gettext(self), spec)

    def __html__(self) -> Markup:
        """The text in the language in force, escaped."""
        from markupsafe import escape

        return escape(gettext(self))


WEEKDAYS = (
    Phrase("Monday"),
    Phrase("Tuesday"),
    Phrase("Wednesday"),
    Phrase("Thursday"),
    Phrase("Friday"),
    Phrase("Saturday"),
    Phrase("Sunday"),
)
"""The days of the week, from Monday."""

SHORT_WEEKDAYS = (
    Phrase("Mon"),
    Phrase("Tue"),
    Phrase("Wed"),
    Phrase("Thu"),
    Phrase("Fri"),
    Phrase("Sat"),
    Phrase("Sun"),
)

MONTHS = (
    Phrase("Jan"),
    Phrase("Feb"),
    Phrase("Mar"),
    Phrase("Apr"),
    Phrase("May"),
    Phrase("Jun"),
    Phrase("Jul"),
    Phrase("Aug"),
    Phrase("Sep"),
    Phrase("Oct"),
    Phrase("Nov"),
    Phrase("Dec"),
)
"""The months in short, from January."""


def integer(value: int) -> str:
    """A whole number as the language in force writes it: 12,345."""
    return in_language(f"{value:,}")


def decimal(value: Decimal | float, digits: int) -> str:
    """A number with so many digits after the point, as the language in force writes it: 1,234.50."""
    return in_language(f"{value:,.{digits}f}")


def shown_day(value: date | str | None) -> str:
    """A day as the language in force writes it; 2026-11-30 in English, as in files and tables.

    Takes ISO days, too; other texts, such as `today-3`, stay as they are.
    """
    if value is None:
        return ""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return str(value)
    if is_written_as_english(language()):
        return f"{day:%Y-%m-%d}"
    from babel.dates import format_date

    return format_date(day, "medium", locale=language())


def spoken_day(value: date, year: int) -> str:
    """A day as it is heard fastest: 30 November; of another than this `year` with its own."""
    is_english, own = is_written_as_english(language()), value.year == year
    if is_english:
        return f"{value.day} {value:%B}" if own else f"{value.day} {value:%B} {value.year}"
    from babel.dates import format_skeleton

    return format_skeleton("MMMMd" if own else "yMMMMd", value, locale=language())


def shown_time(value: datetime, *, seconds: bool = False) -> str:
    """A day and time of day as the language in force writes them; 2026-11-30 14:05 in English."""
    clock = f"{value:%H:%M:%S}" if seconds else f"{value:%H:%M}"
    return (
        f"{shown_day(value.date())} {clock}"
        if is_written_as_english(language())
        else f"{shown_day(value.date())}, {clock}"
    )


def shown_days(first: date, last: date) -> str:
    """The days from the first to the last: 2026-11-01 to 2026-11-30; one day alone."""
    if first == last:
        return shown_day(first)
    return phrase("%(first)s to %(last)s", first=shown_day(first), last=shown_day(last))


def listed(names: Iterable[str]) -> str:
    """The names in a sentence: `a, b and c`."""
    *first, last = [str(name) for name in names] or [""]
    return phrase("%(first)s and %(last)s", first=", ".join(first), last=last) if first else last


def either(names: Iterable[str]) -> str:
    """The names as a choice in a sentence: `a, b or c`."""
    *first, last = [str(name) for name in names] or [""]
    return phrase("%(first)s or %(last)s", first=", ".join(first), last=last) if first else last


def within_sentence(title: str) -> str:
    """A title within a sentence: in small letters in English, unless its first word is a name or an abbreviation.

    Other languages keep it, as their nouns may have capitals.
    """
    if language() != ENGLISH:
        return str(title)
    first = title.partition(" ")[0]
    is_name = first != first[:1] + first[1:].lower() or not first.isalpha()
    return str(title) if is_name else title[:1].lower() + title[1:]


def in_language(number: str) -> str:
    """A number in English form, such as 1,234.50, as the language in force writes it."""
    if is_written_as_english(language()):
        return number
    symbols = locale_of(language()).number_symbols["latn"]
    return number.translate({ord(","): symbols["group"], ord("."): symbols["decimal"]})


@cache
def locale_of(code: str) -> Locale:
    """How a language writes things, as babel has it."""
    from babel import Locale

    return Locale.parse(code)


@cache
def messages(code: str) -> Catalog:
    """The messages of a language that is not English, as its file has them. Takes a moment when first asked for."""
    from babel.messages.pofile import read_po

    source = resources.files("adreel").joinpath("locale", code, "LC_MESSAGES", "adreel.po")
    with source.open("rb") as file:
        return read_po(file, locale=code)


@cache
def catalogue(code: str) -> NullTranslations:
    """The messages of a language as gettext reads them; those of English are the code's own."""
    if code == ENGLISH:
        return NullTranslations()
    if code == PSEUDO:
        return _Brackets()
    from babel.messages.mofile import write_mo

    compiled = io.BytesIO()
    write_mo(compiled, messages(code))
    compiled.seek(0)
    return GNUTranslations(compiled)


class _Brackets(NullTranslations):
    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"
