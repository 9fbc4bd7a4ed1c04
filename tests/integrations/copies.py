"""A lake, a copy of its table at a destination of some kind, and ways to publish to it and to look into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from adreel.destinations.copies import CopyPublisher, TableCopy
from adreel.destinations.publishing import Published, PublishOrder
from adreel.destinations.session import Place
from adreel.lake import Lake
from lake_rows import Row, in_order, row, table_rows, with_columns

NOW = datetime(2026, 2, 1, tzinfo=UTC)

EVERY_TYPE = with_columns(
    hour=pa.timestamp("us"),
    seen_at=pa.timestamp("us", "UTC"),
    live=pa.bool_(),
    rate=pa.float64(),
    tags=pa.list_(pa.string()),
)
EVERY_VALUE: dict[str, Any] = {
    "hour": datetime(2026, 1, 1, 23),  # noqa: DTZ001 - hours of ad accounts have no zone
    "seen_at": datetime(2026, 1, 1, 23, 59, 59, 123456, tzinfo=UTC),
    "live": True,
    "rate": 0.1,
    "tags": ["a", 'b"{}'],
}


def every_row() -> list[Row]:
    """Rows with a value of every type, and with none."""
    return [row("ö'\"😀 ", 1, "123456.123456", **EVERY_VALUE), row("b", 2, None, None)]


@dataclass
class Copy:
    """A destination that tests write to and look into; `rows` reads a table as its readers do."""

    lake: Lake
    open: Callable[[Place, Any], TableCopy]
    rows: Callable[[str], list[Row]]
    schema: str = "tiktok"

    def publish(self, *, slug: str = "ads", table: str = "daily", reload: bool = False, **changed: Any) -> Published:
        newest = self.lake.newest_version(slug)
        assert newest is not None
        order = PublishOrder(slug, newest.number, newest.run_id, "home/1", Place(self.schema, table), reload)
        order = replace(order, **changed)
        copy = self.open(order.place, self.lake.table(slug, order.version).schema)
        return CopyPublisher(copy, self.lake, order, NOW).run()

    def is_the_lakes(self, slug: str = "ads", table: str = "daily") -> bool:
        return in_order(self.rows(table)) == in_order(table_rows(self.lake, slug))


def read_by_duckdb(path: Path, query: str) -> Iterator[Row]:
    """The rows of a DuckDB file."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield from connection.execute(query).to_arrow_table().to_pylist()
