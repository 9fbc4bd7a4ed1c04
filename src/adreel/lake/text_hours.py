"""Wall clock hours that a table keeps as text, for readers of Delta Lake that lack the feature `timestampNtz`.

Delta Lake has no hours without a zone in the first protocols, and as a `timestamp` the hour would be shown in the zone
of whoever reads it. As text it is the same hour to every reader, and sorts by time. Only the files, the log and the
ranges of files have the text: schemas and rows of the lake have timestamps without a zone, marked in the metadata of
their fields.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from adreel.arrow import KEPT_AS_TEXT

HOUR = pa.timestamp("us")


def text_columns(schema: Any) -> frozenset[str]:
    """The columns of hours that are kept as text."""
    return frozenset(field.name for field in schema if field.type == HOUR and _is_marked(field))


def stored_schema(schema: Any) -> Any:
    """The schema as the files and the log have it."""
    names = text_columns(schema)
    return pa.schema([field.with_type(pa.string()) if field.name in names else field for field in schema])


def seen_schema(schema: Any) -> Any:
    """The schema as rows of the lake have it; `schema` is that of the log."""
    return pa.schema(
        [field.with_type(HOUR) if field.type == pa.string() and _is_marked(field) else field for field in schema]
    )


def as_stored(table: Any) -> Any:
    """An Arrow table as its file has it. Raises pyarrow.ArrowInvalid for a time with a fraction of a second."""
    for name in text_columns(table.schema):
        place = table.schema.get_field_index(name)
        texts = table.column(place).cast(pa.timestamp("s")).cast(pa.string())
        table = table.set_column(place, table.schema.field(place).with_type(pa.string()), texts)
    return table


def as_seen(batch: Any, schema: Any) -> Any:
    """A batch of a file with timestamps in the place of hours that `schema` keeps as text."""
    names = text_columns(schema).intersection(batch.schema.names)
    if not names:
        return batch
    columns = [
        batch.column(place).cast(HOUR) if field.name in names else batch.column(place)
        for place, field in enumerate(batch.schema)
    ]
    fields = [field.with_type(HOUR) if field.name in names else field for field in batch.schema]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _is_marked(field: Any) -> bool:
    metadata = field.metadata or {}
    return all(metadata.get(name.encode()) == value.encode() for name, value in KEPT_AS_TEXT.items())
