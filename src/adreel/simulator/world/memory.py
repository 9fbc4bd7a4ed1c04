"""A cache bounded by bytes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import TypeVar

from cachetools import LRUCache

Value = TypeVar("Value")


class Memory(LRUCache[Hashable, Value]):
    """Values by key; those used least recently go when there is no room."""

    def __init__(self, most_bytes: int, size: Callable[[Value], int]) -> None:
        """`size` says how many bytes a value takes; one that takes more than there is room for is not kept."""
        super().__init__(most_bytes, size)

    def compute(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`, made if it is not kept."""
        value = self.get(key)
        if value is None:
            value = make()
            with suppress(ValueError):
                self[key] = value
        return value
