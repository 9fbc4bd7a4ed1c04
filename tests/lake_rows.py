"""Rows and commits for the tests of the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from adreel.lake import Commit, Lake, Method, Window, Write

Row = Mapping[str, Any]

DECIMAL = pa.decimal128(24, 6)
SCHEMA = pa.schema(
    [
        pa.field("advertiser_id", pa.string()),
        pa.field("stat_time_day", pa.date32()),
        pa.field("ad_id", pa.string(), metadata={"title": "Ad ID", "description": "The ad that the row is of."}),
        pa.field("spend", DECIMAL),
        pa.field("clicks", pa.int64()),
    ]
)
KEY = ("ad_id", "stat_time_day")
DAY = "stat_time_day"


def day(number: int) -> date:
    """A day of January 2026."""
    return date(2026, 1, number)


def row(
    ad: str, on: int, spend: int | str | None = 1, clicks: int | None = 1, advertiser: str = "1", **more: Any
) -> Row:
    """One ad's day."""
    return {
        "advertiser_id": advertiser,
        "stat_time_day": day(on),
        "ad_id": ad,
        "spend": None if spend is None else Decimal(spend),
        "clicks": clicks,
        **more,
    }


def window(first: int, last: int, *advertisers: str) -> Window:
    """Days of January 2026 that were read of advertisers; of advertiser 1 if none is named."""
    return Window(frozenset(advertisers or ("1",)), day(first), day(last))


def with_columns(**types: Any) -> pa.Schema:
    """The schema with further columns, or with other types of its own."""
    fields = [field.with_type(types.pop(field.name, field.type)) for field in SCHEMA]
    return pa.schema([*fields, *(pa.field(name, kind) for name, kind in types.items())])


def reader(rows: Iterable[Row], schema: pa.Schema = SCHEMA) -> Callable[[], Any]:
    """Gives the rows in batches of two, anew each time."""
    all_rows = list(rows)

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, len(all_rows), 2):
            yield pa.RecordBatch.from_pylist([dict(lake_row) for lake_row in all_rows[start : start + 2]], schema)

    return lambda: pa.RecordBatchReader.from_batches(schema, batches())


def put(
    lake: Lake,
    run_id: str,
    method: str,
    rows: Sequence[Row],
    *,
    slug: str = "ads",
    schema: pa.Schema = SCHEMA,
    key: tuple[str, ...] = KEY,
    day_column: str | None = DAY,
    **options: Any,
) -> Commit:
    """Commits rows as a run."""
    write = Write(run_id, Method(method), schema, key=key, day_column=day_column, **options)
    return lake.commit(slug, reader(rows, schema), write)


def table_rows(lake: Lake, slug: str = "ads", version: int | None = None) -> list[Row]:
    """The rows of a version."""
    lake_rows: list[Row] = lake.read(slug, version).read_all().to_pylist()
    return lake_rows


def in_order(rows: Iterable[Row]) -> list[str]:
    """Rows as texts in an order of their own, so that two lots of rows compare whatever order they came in."""
    return sorted(
        repr(sorted((name, _plain(value)) for name, value in lake_row.items() if value is not None))
        for lake_row in rows
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value.normalize()) if isinstance(value, Decimal) else value
