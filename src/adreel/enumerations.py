"""Enumerations in sentences for people, and enums that carry texts for them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import zip_longest
from typing import Self

from adreel.language import integer, phrase


class TextEnum(StrEnum):
    """An enum whose members are their values, with further attributes: `DONE = "done", "Done"` after `label: str`.

    The attributes are those that the class annotates, in their order; the last may be left out, and are empty then.
    """

    def __new__(cls, value: str, *attributes: object) -> Self:
        """The first item is the value, and the text of the member."""
        member = str.__new__(cls, value)
        member._value_ = value
        for name, attribute in zip_longest(cls.__annotations__, attributes, fillvalue=""):
            setattr(member, name, attribute)
        return member


def first_of(names: Sequence[str], most: int) -> str:
    """The names, of many the first ones and the number of the others: `a, b and 3 more`."""
    more = len(names) - most
    first = ", ".join(names[:most])
    return phrase("%(names)s and %(more)s more", names=first, more=integer(more)) if more > 0 else first
