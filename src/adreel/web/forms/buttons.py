"""What the buttons of the form ask for, and what they do to lists: take out, put back, move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from adreel.web.forms.fields import FormFields

WAYS = ("up", "down", "first", "last")
"""Where a value of a list can be moved."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PressedButton:
    """What a pressed button asks for: what to do, in which menu, with which value; empty if none was pressed."""

    verb: str
    menu: str
    value: str

    @staticmethod
    def of(fields: FormFields) -> PressedButton:
        """As the form sends it."""
        verb, _, rest = fields.last("do").partition(" ")
        menu, _, value = rest.partition(" ")
        return PressedButton(verb, menu, value)


def moved(values: Sequence[_T], place: int, way: str) -> list[_T]:
    """The list with one value moved: one place up or down, to the first place, or to the last."""
    rest = [*values[:place], *values[place + 1 :]]
    to = {"up": max(0, place - 1), "down": min(len(rest), place + 1), "first": 0, "last": len(rest)}.get(way, place)
    return [*rest[:to], values[place], *rest[to:]]


@dataclass(frozen=True, slots=True)
class TakenOut:
    """Values that were taken out of a list, each with its place, until another one is or they are back."""

    values: tuple[tuple[int, str], ...] = ()

    @staticmethod
    def of(text: str) -> TakenOut:
        """As the form carries it along: places and values, such as `2:spend 3:clicks`."""
        pairs = (word.partition(":") for word in text.split())
        return TakenOut(
            tuple((int(place), value) for place, _, value in pairs if value and place.isdecimal() and len(place) < 7)
        )

    @staticmethod
    def between(before: Sequence[str], after: Iterable[str]) -> TakenOut:
        """What of one list the other has no more."""
        kept = frozenset(after)
        return TakenOut(tuple((place, value) for place, value in enumerate(before) if value not in kept))

    @property
    def text(self) -> str:
        """As `of` reads it."""
        return " ".join(f"{place}:{value}" for place, value in self.values)

    def missing(self, values: Iterable[str]) -> TakenOut:
        """Those that a list has not got again in another way."""
        there = frozenset(values)
        return TakenOut(tuple((place, value) for place, value in self.values if value not in there))

    def restored(self, values: Sequence[str]) -> list[str]:
        """The list with the values back at their places."""
        restored = list(values)
        for place, value in self.missing(values).values:
            restored.insert(place, value)
        return restored
