"""What was computed last, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values by key; those used least recently go when there is no room."""

    def __init__(self, most_bytes: int, size: Callable[[Value], int]) -> None:
        """`size` says how many bytes a value takes."""
        self._most, self._size_of, self._size = most_bytes, size, 0
        self._known: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`, made if it is not known."""
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        made = make()
        self._known[key] = made
        self._size += self._size_of(made)
        while self._size > self._most and len(self._known) > 1:
            self._size -= self._size_of(self._known.popitem(last=False)[1])
        return made

    def clear(self) -> None:
        """Forgets everything."""
        self._known.clear()
        self._size = 0
