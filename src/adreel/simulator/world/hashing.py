"""Reproducible pseudo-random bits: the same words and numbers give the same bits on every machine."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def word(*parts: object) -> int:
    """A 64-bit hash of the texts of `parts`."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def mix(values: Bits) -> Bits:
    """64 well mixed bits for each value (splitmix64)."""
    z = values + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


def bits_of(count: int, *parts: object) -> Bits:
    """`count` mixed 64-bit values, seeded by `parts`."""
    return mix(np.arange(count, dtype=np.uint64) ^ np.uint64(word(*parts)))
