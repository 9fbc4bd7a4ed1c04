"""Keys: whether they name each row once, and which rows of a table have the keys of new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from adreel.arrow import pc
from adreel.errors import InputError
from adreel.lake.key_hashes import Words, key_hashes, rows_chosen, truths
from adreel.language import phrase

if TYPE_CHECKING:
    import numpy as np
else:
    from adreel.arrow import np

Source = Any
"""A pyarrow Table, Dataset or RecordBatchReader, or a callable that gives one of them."""

EXAMINED = 1_000
"""Keys that look repeated and are looked at one by one."""

_AT_ONCE = 32_768


@dataclass(frozen=True, slots=True)
class KeyFaults:
    """Rows that their key does not name.

    `nulls` counts rows with a null in the key, `repeated` counts keys that several rows have; `examples` are some of
    these keys, with the number of their rows under "rows".
    """

    nulls: int
    repeated: int
    examples: tuple[Mapping[str, Any], ...]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.nulls or self.repeated)


def key_faults(source: Source, key: tuple[str, ...], examples: int = 5) -> KeyFaults:
    """The rows of `source` that `key` does not name: null in a key column, or a key that another row has.

    Takes eight bytes of memory a row, and those of the key columns of a bare reader, which cannot be read twice.
    Raises InputError if a key column is not there or is of a type without equality.
    """
    again = _again(source, key)
    nulls, suspects = _suspects(again(), key)
    if not nulls and not len(suspects):
        return KeyFaults(0, 0, ())
    counts = _counted(again(), key, suspects[:EXAMINED], examples)
    repeated = [(row, count) for row, count in counts.items() if count > 1 and None not in row]
    alone = min(len(suspects), EXAMINED) - len(repeated)
    wrong = [*repeated, *((row, count) for row, count in counts.items() if None in row)]
    shown = tuple({**dict(zip(key, row, strict=True)), "rows": count} for row, count in wrong[:examples])
    return KeyFaults(nulls, len(suspects) - max(0, alone), shown)


class KeyIndex:
    """The rows that have a key, found by it; takes 24 bytes of memory a row."""

    def __init__(self, batches: Iterable[Any], key: tuple[str, ...]) -> None:
        """Reads the batches once."""
        self._key = key
        first_hashes, second_hashes = bytearray(), bytearray()
        nulls = False
        for batch in batches:
            nulls = nulls or bool(_null_rows(batch, key).any())
            first, second = key_hashes(batch, key)
            first_hashes += first.tobytes()
            second_hashes += second.tobytes()
        hashes = np.frombuffer(first_hashes, np.uint64)
        self._order = np.argsort(hashes)
        self._first = hashes[self._order]
        # Not needed any more, and a fifth of the memory at the peak.
        del hashes, first_hashes
        self._second = np.frombuffer(second_hashes, np.uint64)[self._order]
        self.suspect = nulls or bool((self._first[1:] == self._first[:-1]).any())
        """Whether the keys may not name the rows: there are nulls, or two first hashes are equal."""

    def __len__(self) -> int:
        """Indexed rows."""
        return len(self._first)

    def find(self, batch: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The rows of `batch` whose key is in the index, and the indexed rows that have it. Nulls are never equal."""
        none = np.zeros(0, np.int64)
        if not len(self) or not batch.num_rows:
            return none, none
        first, second = key_hashes(batch, self._key)
        at = np.searchsorted(self._first, first)
        rows = np.flatnonzero(~_null_rows(batch, self._key))
        batch_rows, indexed_rows = [none], [none]
        # Two keys with one first hash stand side by side; a third is beyond all likelihood.
        for step in (0, 1):
            place = np.minimum(at[rows] + step, len(self) - 1)
            hit = (self._first[place] == first[rows]) & (self._second[place] == second[rows])
            batch_rows.append(rows[hit])
            indexed_rows.append(self._order[place[hit]])
            rows = rows[~hit]
        return np.concatenate(batch_rows), np.concatenate(indexed_rows)


def _again(source: Source, key: tuple[str, ...]) -> Callable[[], Iterator[Any]]:
    """Gives the key columns of the rows anew each time."""
    if isinstance(source, pa.RecordBatchReader):
        _refuse_missing(source.schema.names, key)
        source = pa.Table.from_batches([batch.select(key) for batch in source], _selected(source.schema, key))
    return lambda: _batches(source() if callable(source) else source, key)


def _batches(rows: Any, key: tuple[str, ...]) -> Iterator[Any]:
    _refuse_missing(rows.schema.names, key)
    if isinstance(rows, pa.Table):
        every = rows.select(key).to_batches()
    else:
        every = rows if isinstance(rows, pa.RecordBatchReader) else rows.to_batches(columns=list(key))
    for batch in every:
        for start in range(0, batch.num_rows, _AT_ONCE):
            yield batch.slice(start, _AT_ONCE)


def _selected(schema: Any, key: tuple[str, ...]) -> Any:
    return pa.schema([schema.field(name) for name in key])


def _refuse_missing(names: list[str], key: tuple[str, ...]) -> None:
    missing = [name for name in key if name not in names]
    if missing or not key:
        raise InputError(
            phrase(
                "The primary key (%(key)s) cannot be checked without the columns %(columns)s.",
                key=", ".join(key),
                columns=", ".join(missing),
            )
        )


def _null_rows(batch: Any, key: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """For each row whether it has a null in its key."""
    ndarray = np.zeros(batch.num_rows, bool)
    for name in key:
        if batch.column(name).null_count:
            ndarray |= truths(pc.is_null(batch.column(name)))
    return ndarray


def _suspects(batches: Iterable[Any], key: tuple[str, ...]) -> tuple[int, Words]:
    """The number of rows with a null in the key, and the first hashes that several other rows have."""
    nulls = 0
    gathered = bytearray()
    for batch in batches:
        empty = _null_rows(batch, key)
        nulls += int(empty.sum())
        (first,) = key_hashes(batch, key, 1)
        gathered += first[~empty].tobytes() if empty.any() else first.tobytes()
    hashes = np.frombuffer(gathered, np.uint64)
    hashes.sort()
    return nulls, np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _counted(
    batches: Iterable[Any], key: tuple[str, ...], suspects: Words, examples: int
) -> dict[tuple[Any, ...], int]:
    """How many rows have each key that is suspect, and each of some keys with a null."""
    counts: dict[tuple[Any, ...], int] = {}
    empty_keys = 0
    for batch in batches:
        empty = _null_rows(batch, key)
        (first,) = key_hashes(batch, key, 1)
        chosen = batch.select(key).filter(rows_chosen(empty | np.isin(first, suspects)))
        for row in zip(*(column.to_pylist() for column in chosen.columns), strict=True):
            if None in row and row not in counts:
                if empty_keys >= examples:
                    continue
                empty_keys += 1
            counts[row] = counts.get(row, 0) + 1
    return counts
