"""Columns of a table that a run did not ask for: rows that it read again keep the values that an earlier run read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from adreel.arrow import pc
from adreel.lake.files import DataFile, read_file
from adreel.lake.keys import KeyIndex
from adreel.lake.storage import Storage

if TYPE_CHECKING:
    import numpy as np
else:
    from adreel.arrow import np


@dataclass(frozen=True, slots=True)
class KeptColumns:
    """What a commit finds values in: `key` names a row, `unasked` are to be kept, `leaving` says which rows leave."""

    key: tuple[str, ...]
    unasked: tuple[str, ...]
    leaving: tuple[str, ...]


def kept_batches(
    storage: Storage,
    slug: str,
    schema: Any,
    names: KeptColumns,
    new_file: DataFile,
    old_files: Iterable[DataFile],
    leaves: Callable[[Any], Any] | None,
) -> Iterator[Any]:
    """The rows of a new file, the unasked columns filled from the old rows of the same key.

    Null keys are equal here: a breakdown may be null. Only old rows that `leaves` names are looked at, all without it.
    Memory is that of the unasked columns of one file.
    """
    keys = pa.schema([schema.field(name) for name in names.key])
    old_schema = pa.schema([schema.field(name) for name in dict.fromkeys((*names.key, *names.unasked, *names.leaving))])
    index_key = _index_key(names.key)
    index = KeyIndex((_null_safe(batch, names.key) for batch in read_file(storage, slug, new_file, keys)), index_key)
    values = [pa.schema([schema.field(name) for name in names.unasked]).empty_table()]
    source = np.full(len(index), -1, np.int64)
    count = 0
    for file in old_files:
        for old_rows_batch in read_file(storage, slug, file, old_schema):
            batch = old_rows_batch if leaves is None else old_rows_batch.filter(leaves(old_rows_batch))
            old_rows, new_rows = index.find(_null_safe(batch, names.key))
            values.append(pa.Table.from_batches([batch.select(names.unasked).take(pa.array(old_rows))]))
            source[new_rows] = count + np.arange(len(new_rows))
            count += len(new_rows)
    old_values = pa.concat_tables(values).combine_chunks()
    row = 0
    for batch in read_file(storage, slug, new_file, schema):
        at = source[row : row + batch.num_rows]
        row += batch.num_rows
        filled = old_values.take(pa.array(at, mask=at < 0))
        columns = [
            filled[field.name].combine_chunks() if field.name in names.unasked else batch.column(field.name)
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _index_key(key: tuple[str, ...]) -> tuple[str, ...]:
    return (*key, *(f"{name} is null" for name in key))


def _null_safe(batch: Any, key: tuple[str, ...]) -> Any:
    """The key with nulls filled and marked in columns of their own."""
    columns = [batch.column(name) for name in key]
    filled = [
        pc.fill_null(column, pa.scalar("") if pa.types.is_string(column.type) else _zero(column.type))
        if column.null_count
        else column
        for column in columns
    ]
    return pa.RecordBatch.from_arrays([*filled, *map(pc.is_null, columns)], names=list(_index_key(key)))


def _zero(kind: Any) -> Any:
    number = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    return pa.scalar(0, number).cast(kind)


def with_values(
    storage: Storage, slug: str, files: Iterable[DataFile], schema: Any, names: Iterable[str]
) -> tuple[str, ...]:
    """Those of the named columns that have a value in any row of the files."""
    missing = list(names)
    filled: set[str] = set()
    for file in files:
        if not missing:
            break
        for batch in read_file(storage, slug, file, pa.schema([schema.field(name) for name in missing])):
            filled |= {name for name in missing if batch.column(name).null_count < batch.num_rows}
        missing = [name for name in missing if name not in filled]
    return tuple(name for name in schema.names if name in filled)
