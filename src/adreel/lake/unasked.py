"""Columns of a table that a run did not ask for: rows that it read again keep the values that an earlier run read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adreel.lake.files import DataFile, read_file
from adreel.lake.keys import KeyIndex
from adreel.lake.storage import Place


@dataclass(frozen=True, slots=True)
class Columns:
    """What a commit finds values in: `key` names a row, `unasked` are to be kept, `leaving` says which rows leave."""

    key: tuple[str, ...]
    unasked: tuple[str, ...]
    leaving: tuple[str, ...]


def kept_batches(
    place: Place,
    slug: str,
    schema: Any,
    names: Columns,
    new_file: DataFile,
    old_files: Iterable[DataFile],
    leaves: Callable[[Any], Any] | None,
) -> Iterator[Any]:
    """The rows of a new file, the unasked columns filled from the old rows of the same key.

    Null keys are equal here: a breakdown may be null. Only old rows that `leaves` names are looked at, all without it.
    Memory is that of the unasked columns of one file.
    """
    keys = pa.schema([schema.field(name) for name in names.key])
    wanted = pa.schema([schema.field(name) for name in dict.fromkeys((*names.key, *names.unasked, *names.leaving))])
    told = _told(names.key)
    index = KeyIndex((_null_safe(batch, names.key) for batch in read_file(place, slug, new_file, keys)), told)
    values = [pa.schema([schema.field(name) for name in names.unasked]).empty_table()]
    source = np.full(len(index), -1, np.int64)
    count = 0
    for file in old_files:
        for whole in read_file(place, slug, file, wanted):
            batch = whole if leaves is None else whole.filter(leaves(whole))
            old_rows, new_rows = index.find(_null_safe(batch, names.key))
            values.append(pa.Table.from_batches([batch.select(names.unasked).take(pa.array(old_rows))]))
            source[new_rows] = count + np.arange(len(new_rows))
            count += len(new_rows)
    kept = pa.concat_tables(values).combine_chunks()
    row = 0
    for batch in read_file(place, slug, new_file, schema):
        at = source[row : row + batch.num_rows]
        row += batch.num_rows
        filled = kept.take(pa.array(at, mask=at < 0))
        columns = [
            filled[field.name].combine_chunks() if field.name in names.unasked else batch.column(field.name)
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _told(key: tuple[str, ...]) -> tuple[str, ...]:
    return (*key, *(f"{name} is null" for name in key))


def _null_safe(batch: Any, key: tuple[str, ...]) -> Any:
    """The key with nulls filled and told by columns of their own."""
    columns = [batch.column(name) for name in key]
    filled = [
        pc.fill_null(column, pa.scalar("") if pa.types.is_string(column.type) else _zero(column.type))
        if column.null_count
        else column
        for column in columns
    ]
    return pa.RecordBatch.from_arrays([*filled, *map(pc.is_null, columns)], names=list(_told(key)))


def _zero(kind: Any) -> Any:
    number = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    return pa.scalar(0, number).cast(kind)


def with_values(
    place: Place, slug: str, files: Iterable[DataFile], schema: Any, names: Iterable[str]
) -> tuple[str, ...]:
    """Those of the named columns that have a value in any row of the files."""
    missing = list(names)
    found: set[str] = set()
    for file in files:
        if not missing:
            break
        for batch in read_file(place, slug, file, pa.schema([schema.field(name) for name in missing])):
            found |= {name for name in missing if batch.column(name).null_count < batch.num_rows}
        missing = [name for name in missing if name not in found]
    return tuple(name for name in schema.names if name in found)
