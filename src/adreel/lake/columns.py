"""Columns of a table that outlives its runs: how they grow, which types go together, and batches brought into line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from adreel.arrow import pc
from adreel.errors import InputError
from adreel.language import Phrase, phrase

_HINT = Phrase("Set reset_schema: true with an update method other than append to reset the columns.")


def joined(slug: str, table: Any | None, new: Any, *, reset: bool) -> Any:
    """The schema of a table with `table`'s columns after rows with `new`'s have come.

    Columns only grow, and types only widen, unless `reset` sets the columns to exactly the new ones. Raises
    InputError for a column whose types do not go together.
    """
    fresh = pa.schema([_delta_field(field) for field in new])
    if table is None or reset:
        return fresh
    fields = []
    for field in table:
        if field.name not in fresh.names:
            fields.append(field)
            continue
        incoming = fresh.field(field.name)
        wider = wider_type(field.type, incoming.type)
        if wider is None:
            raise InputError(
                phrase(
                    "Column %(column)s of dataset %(dataset)s is %(old_type)s in the table and %(new_type)s in the new "
                    "rows; these types are incompatible. %(advice)s",
                    column=field.name,
                    dataset=slug,
                    old_type=field.type,
                    new_type=incoming.type,
                    advice=_HINT,
                )
            )
        fields.append(incoming.with_type(wider))
    return pa.schema([*fields, *(field for field in fresh if field.name not in table.names)])


def wider_type(kind: Any, other: Any) -> Any | None:
    """The type that holds the values of both without loss, or None. Casts to it are checked value by value."""
    if kind == other or pa.types.is_null(other):
        return kind
    if pa.types.is_null(kind):
        return other
    types = (kind, other)
    if all(map(pa.types.is_integer, types)):
        return max(types, key=lambda kind: int(kind.bit_width))
    if all(map(pa.types.is_floating, types)):
        return max(types, key=lambda kind: int(kind.bit_width))
    if all(map(pa.types.is_decimal, types)):
        return _wider_decimal(kind, other)
    if any(map(pa.types.is_integer, types)):
        return next((kind for kind in types if pa.types.is_decimal(kind) or kind == pa.float64()), None)
    return None


def conform(batch: Any, schema: Any) -> Any:
    """The batch with exactly the columns and types of `schema`; what it lacks is null.

    Raises InputError for a column that `schema` does not have and for a value that the column's type cannot hold.
    """
    if batch.schema.equals(schema):
        return batch
    unknown = [name for name in batch.schema.names if name not in schema.names]
    if unknown:
        raise InputError(
            phrase("The rows have columns that the schema lacks: %(columns)s.", columns=", ".join(unknown))
        )
    return pa.RecordBatch.from_arrays([_column(batch, field) for field in schema], schema=schema)


def with_schema(batch: Any, schema: Any) -> Any:
    """An older batch with the columns of `schema`: columns that left or whose type was set afresh are not kept."""
    if batch.schema.equals(schema):
        return batch
    names = [
        field.name
        for field in batch.schema
        if field.name in schema.names and wider_type(field.type, schema.field(field.name).type) == _type(schema, field)
    ]
    return conform(batch.select(names), schema)


def _type(schema: Any, field: Any) -> Any:
    return schema.field(field.name).type


def _column(batch: Any, field: Any) -> Any:
    index = batch.schema.get_field_index(field.name)
    if index < 0:
        return pa.nulls(batch.num_rows, field.type)
    column = batch.column(index)
    if column.type == field.type:
        return column
    try:
        if pa.types.is_integer(column.type) and pa.types.is_decimal(field.type):
            # Arrow turns a wide integer into a decimal only by way of one with room for all its digits.
            return column.cast(pa.decimal128(38, field.type.scale)).cast(field.type)
        return column.cast(field.type)
    except pa.ArrowInvalid as error:
        raise InputError(
            phrase(
                "Column %(column)s has values that %(type)s cannot hold (%(error)s). %(advice)s",
                column=field.name,
                type=field.type,
                error=str(error).splitlines()[0],
                advice=_HINT,
            )
        ) from error


def _wider_decimal(kind: Any, other: Any) -> Any | None:
    scale = max(kind.scale, other.scale)
    digits = max(kind.precision - kind.scale, other.precision - other.scale)
    return pa.decimal128(digits + scale, scale) if digits + scale <= 38 else None


_DELTA_TYPES: Mapping[Any, Any] = MappingProxyType(
    {
        pa.large_string(): pa.string(),
        pa.string_view(): pa.string(),
        pa.date64(): pa.date32(),
        pa.null(): pa.string(),
    }
)


def _delta_field(field: Any) -> Any:
    """The field as Delta Lake keeps it; title and description also as the column comment that other engines show."""
    noted = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    comment = noted.get("description") or noted.get("title")
    if comment:
        noted["comment"] = comment
    return pa.field(field.name, delta_type(field.type), nullable=True, metadata=noted)


def delta_type(kind: Any) -> Any:
    """The type that Delta Lake keeps values of `kind` in: times in microseconds, lists with elements named so."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(pa.field("element", delta_type(kind.value_type)))
    return _DELTA_TYPES.get(kind, kind)


def day_of(column: Any) -> Any:
    """The days of a column of days or of wall clock hours."""
    return column if column.type == pa.date32() else pc.cast(column, pa.date32())
