"""A cache bounded by bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values by key; the least recently used are evicted once their sizes exceed `most_bytes`."""

    def __init__(self, most_bytes: int, size: Callable[[Value], int]) -> None:
        """`size` gives the bytes that a value takes."""
        self._most, self._size_of, self._size = most_bytes, size, 0
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The cached value of `key`, else the result of `make`, which is then cached."""
        cached = self._values.get(key)
        if cached is not None:
            self._values.move_to_end(key)
            return cached
        value = make()
        self._values[key] = value
        self._size += self._size_of(value)
        while self._size > self._most and len(self._values) > 1:
            self._size -= self._size_of(self._values.popitem(last=False)[1])
        return value

    def clear(self) -> None:
        """Forgets everything."""
        self._values.clear()
        self._size = 0
