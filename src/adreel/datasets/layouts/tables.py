"""Tables of other connectors' layouts as values: columns, and the SQL that makes each out of a dataset's table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import pyarrow as pa

from adreel.datasets.schema import DECIMAL
from adreel.enumerations import TextEnum
from adreel.lake.engine import literal, quoted

ColumnType = Literal["text", "bigint", "decimal", "double", "boolean", "json", "timestamp", "timestamptz"]
ColumnUse = Literal["key", "required", "read", "other"]

ARROW_TYPES: Mapping[ColumnType, pa.DataType] = MappingProxyType(
    {
        "text": pa.string(),
        "bigint": pa.int64(),
        "decimal": DECIMAL,
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "json": pa.json_(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"),
    }
)


class LayoutRows(TextEnum):
    """How rows get into a table: by key, one for each entity, or one for each version of an entity."""

    REPORT = "report"
    ENTITY = "entity"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class LayoutColumn:
    """A column: `value` is DuckDB's SQL for it over the dataset's columns, None where the dataset has nothing."""

    name: str
    type: ColumnType
    use: ColumnUse
    value: str | None

    @property
    def sql(self) -> str:
        """The value under the column's name."""
        return f"{self.value or 'NULL'} AS {quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that is compared after a publish: SQL over the dataset's table, and over the one there."""

    name: str
    lake: str
    copy: str
    type: pa.DataType


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a report says of its entities, for the history table `table`, whose times of versions are in `version`.

    `columns` are those of that table with their types, `values` SQL over the dataset's columns by its name, and `time`
    SQL for the day or hour of a row.
    """

    table: str
    version: str
    columns: tuple[tuple[str, ColumnType], ...]
    time: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LayoutTable:
    """A table of a layout, filled by one dataset.

    `entity` is the column of the id, `time` that of the report's day or hour, `version` that of a version's time, and
    `seen` SQL for when the entity was changed by TikTok's account. `synced` gets the time of the publish. `left_out`
    are the dataset's columns that the table has no place for.
    """

    name: str
    rows: LayoutRows
    key: tuple[str, ...]
    entity: str
    columns: tuple[LayoutColumn, ...]
    synced: str
    measures: tuple[Measure, ...] = ()
    time: str | None = None
    version: str | None = None
    changed: str = "NULL"
    ids: tuple[str, ...] = ()
    attributes: Attributes | None = None
    left_out: tuple[str, ...] = ()

    @property
    def empty(self) -> tuple[str, ...]:
        """The columns that the dataset has nothing for."""
        return tuple(column.name for column in self.columns if column.value is None)


def whole_number(source: str, *, strict: bool) -> str:
    """An id as BIGINT: with `strict` a text that is no number is an error, else null."""
    cast = "CAST" if strict else "TRY_CAST"
    return f"{cast}({filled(source)} AS BIGINT)"


def filled(source: str) -> str:
    """A text, null where TikTok gives none: empty, or a dash."""
    return f"NULLIF(NULLIF({source}, ''), '-')"


def converted(source: str, to: ColumnType, of: pa.DataType, *, strict: bool = False) -> tuple[str, ColumnType]:
    """SQL for a column of the lake as a type of a layout, and that type: counts with fractions stay exact."""
    name = quoted(source)
    if to == "bigint" and pa.types.is_string(of):
        return whole_number(name, strict=strict), to
    if to == "bigint" and pa.types.is_decimal(of):
        return name, "decimal"
    if to == "bigint" and pa.types.is_floating(of):
        return name, "double"
    if to == "decimal" and not pa.types.is_decimal(of):
        return f"CAST({name} AS DECIMAL(24, 6))", to
    if to == "double" and not pa.types.is_floating(of):
        return f"CAST({name} AS DOUBLE)", to
    if to == "json":
        return f"CAST(to_json({name}) AS VARCHAR)", to
    if to == "timestamp" and pa.types.is_date(of):
        return f"CAST({name} AS TIMESTAMP)", to
    if to == "text":
        return filled(f"CAST({name} AS VARCHAR)"), to
    return name, to


def as_object(pairs: Iterable[tuple[str, str]]) -> str:
    """A JSON object as text, of names and SQL."""
    listed = ", ".join(f"{literal(name)}, {value}" for name, value in pairs)
    return f"CAST(json_object({listed}) AS VARCHAR)"
