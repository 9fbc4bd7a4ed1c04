"""What people add to the catalogue of their home before a release of adreel knows it, and what of it is in force.

The additions in force are those of the process's home (`adreel.catalog_file`). What is made from the
catalogue and kept is made anew when other additions come into force (`per_catalogue`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

from adreel.catalog.records import Dimension, Metric

GROUP = "added"
"""The group of added metrics."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Additions:
    """Metrics and dimensions by name, labels of constants by column and value, and notes on entries without effect."""

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


NONE = Additions()

_in_force = (0, NONE)
"""The number of the additions in force, which no others had before them, and the additions."""


def in_force() -> Additions:
    """The additions in force in this process."""
    return _in_force[1]


def put_in_force(additions: Additions) -> None:
    """Makes these the additions of the process; nothing happens if they are the same as before."""
    global _in_force
    number, current = _in_force
    if additions != current:
        _in_force = (number + 1, additions)


def per_catalogue(size: int = 8) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """As `functools.lru_cache` with this size, for what depends on the additions in force."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @lru_cache(maxsize=size)
        def of_number(_number: int, *args: P.args, **kwargs: P.kwargs) -> R:
            return function(*args, **kwargs)

        @wraps(function)
        def current(*args: P.args, **kwargs: P.kwargs) -> R:
            return of_number(_in_force[0], *args, **kwargs)  # type: ignore[arg-type]  # callers give hashable ones

        return current

    return decorate
