"""Display names of TikTok's constants, such as Paused for `DISABLE`; tables keep the constants themselves."""

from __future__ import annotations

from adreel.catalog.load import value_labels

_SHORT = 4
"""Longest abbreviation, such as CPC or OCPM, that keeps its capitals."""


def label(column: str, value: str) -> str:
    """A value's display name: the one in labels.csv, words for another constant of such a column, else the value."""
    of_column = value_labels().get(column)
    if of_column is None:
        return value
    return of_column.get(value) or _words(value)


def value_of(column: str, text: str) -> str:
    """The constant that a text is the display name of, in the language of the reader; any other text as it is."""
    wanted = text.strip().casefold()
    labels = value_labels().get(column, {})
    return next((value for value, title in labels.items() if str(title).casefold() == wanted), text)


def _words(value: str) -> str:
    """A constant that labels.csv does not have as words: `SOME_NEW_VALUE` as `Some new value`."""
    is_short = len(value) <= _SHORT and "_" not in value
    if is_short or not (value.isupper() and value.replace("_", "").isalnum()):
        return value
    return value.replace("_", " ").capitalize()
