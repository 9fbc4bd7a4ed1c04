"""Hashes of keys, a column at a time: two independent ones of 64 bits, so that equal pairs mean equal keys.

Written out in numpy because they serve every commit by key: DuckDB's would cost each such run its import (0.15 s of
processor time, 35 MB) and pyarrow has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from adreel.errors import InputError
from adreel.language import phrase

if TYPE_CHECKING:
    import numpy as np
else:
    from adreel.arrow import np

# Arrow's own ways to numpy are not used: a server's Arrow has none (see `adreel.own_process`).
Words: TypeAlias = "np.ndarray[Any, np.dtype[np.uint64]]"

_LANES = ((0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9), (0xC2B2AE3D27D4EB4F, 0x94D049BB133111EB))
"""An odd factor and an odd multiplier for each hash."""

_WORD = 8


def key_hashes(batch: Any, key: tuple[str, ...], count: int = 2) -> list[Words]:
    """The first, or both, hashes of each row's key. Equal keys of equal types have equal hashes.

    Nulls hash as anything. Raises InputError for a column of a type that has no equality.
    """
    lanes = [(np.uint64(factor), np.uint64(multiplier)) for factor, multiplier in _LANES[:count]]
    states = [np.full(batch.num_rows, factor, np.uint64) for factor, _ in lanes]
    for name in key:
        for words, live in _words(batch.column(name), name):
            for state, (factor, multiplier) in zip(states, lanes, strict=True):
                _absorb(state, words, live, factor, multiplier)
    return states


def _absorb(state: Words, words: Words, live: Any, factor: np.uint64, multiplier: np.uint64) -> None:
    """Mixes a word into each state; those that are not live, beyond a text's end, keep theirs."""
    mixed = state ^ (words * factor)
    mixed ^= mixed >> np.uint64(32)
    mixed *= multiplier
    mixed ^= mixed >> np.uint64(29)
    mixed *= factor
    mixed ^= mixed >> np.uint64(32)
    if live is None:
        state[:] = mixed
    else:
        np.copyto(state, mixed, where=live)


def _words(column: Any, name: str) -> Iterator[tuple[Words, Any]]:
    """The values as words of 64 bits, one for each row at a time, with the rows that have such a word."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_large_string(kind):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        yield from _text_words(column)
    elif pa.types.is_decimal(kind):
        yield from ((words, None) for words in _fixed(column, np.uint64, 2).T)
    elif pa.types.is_boolean(kind):
        yield _fixed(column.cast(pa.uint8()).fill_null(0), np.uint8, 1)[:, 0].astype(np.uint64), None
    elif pa.types.is_floating(kind):
        plain = _fixed(column.cast(pa.float64()).fill_null(0.0), np.float64, 1)[:, 0]
        yield (plain + 0.0).view(np.uint64), None  # -0.0 is 0.0
    elif pa.types.is_integer(kind) or pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        yield _fixed(column, np.dtype(f"i{kind.bit_width // 8}"), 1)[:, 0].astype(np.int64).view(np.uint64), None
    else:
        raise InputError(
            phrase("Column %(column)s is %(type)s, which cannot be part of a primary key.", column=name, type=kind)
        )


def truths(column: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The values of a boolean column without nulls."""
    numbers: np.ndarray[Any, np.dtype[np.uint8]] = _fixed(column.cast(pa.uint8()), np.uint8, 1)[:, 0]
    return numbers.astype(bool)


def rows_chosen(rows: np.ndarray[Any, np.dtype[np.bool_]]) -> Any:
    """The same as a boolean column."""
    packed = pa.py_buffer(np.packbits(rows, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(rows), [None, packed])


def _fixed(column: Any, kind: Any, width: int) -> Any:
    """The values of a column of fixed width, `width` of `kind` to a row, nulls whatever they are."""
    rows = np.frombuffer(column.buffers()[1], kind).reshape(-1, width)
    return rows[column.offset : column.offset + len(column)]


def _text_words(column: Any) -> Iterator[tuple[Words, Any]]:
    """The bytes of each text eight at a time, then its length."""
    _, ends, data = column.buffers()
    bounds = np.frombuffer(ends, np.int32)[column.offset : column.offset + len(column) + 1]
    lengths = np.diff(bounds)
    longest = int(lengths.max(initial=0))
    width = -(-longest // _WORD) * _WORD
    if width:
        padded = np.zeros((len(lengths), width), np.uint8)
        filled = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]
        even = bool((lengths == longest).all())
        if even:
            padded[:, :longest] = filled.reshape(-1, longest)
        else:
            padded[np.arange(width) < lengths[:, None]] = filled
        for number, words in enumerate(padded.view(np.uint64).T):
            yield words, None if even else lengths > number * _WORD
    yield lengths.astype(np.uint64), None
