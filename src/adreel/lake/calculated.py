"""Columns that are computed when a table is read, with their SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

KIND = pa.decimal128(38, 6)
"""The type of every calculated column."""


def quoted_name(name: str) -> str:
    """A column's name as SQL takes it. Not that of `engine`, which imports DuckDB."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class CalculatedColumn:
    """A number computed from other numbers of the same row: `sql` reads the stored columns `parts` and no others.

    `title`, `description` and `unit` are for readers, as those of stored columns.
    """

    name: str
    sql: str
    parts: tuple[str, ...]
    title: str
    description: str
    unit: str

    @property
    def field(self) -> Any:
        """The column as Arrow has it."""
        metadata = {"title": self.title, "description": self.description, "unit": self.unit}
        return pa.field(self.name, KIND, metadata=metadata)

    @property
    def select(self) -> str:
        """The column in a SELECT."""
        return f"{self.sql} AS {quoted_name(self.name)}"


def stored_names(names: Iterable[str], calculated: Sequence[CalculatedColumn]) -> tuple[str, ...]:
    """The stored columns that are read for columns of either kind, each once."""
    by_name = {column.name: column for column in calculated}
    read = (part for name in names for part in (by_name[name].parts if name in by_name else (name,)))
    return tuple(dict.fromkeys(read))


@dataclass(frozen=True, slots=True)
class ReaderColumns:
    """What readers of a table see: columns that are `calculated`, and the stored ones in this `order`, by name."""

    calculated: tuple[CalculatedColumn, ...] = ()
    order: tuple[str, ...] = ()
