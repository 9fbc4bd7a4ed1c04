"""SQL access to the rows of a dataset's table: one view, and temporary tables of sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal

import duckdb

from adreel.datasets.dataset import Dataset
from adreel.dates import Span
from adreel.lake.engine import fault, literal, quoted, sql
from adreel.lake.query import Connection

VIEW = "rows"
"""The view over the dataset's table."""


class CardSource:
    """A connection in which `VIEW` is the dataset's table. DuckDB's errors become StorageError."""

    def __init__(self, connection: Connection) -> None:
        """The caller closes the connection."""
        self._connection = connection

    def rows(self, *parts: str) -> list[tuple[Any, ...]]:
        """The rows of the query that joins `parts`."""
        try:
            answer = self._connection.sql(sql(*parts))
            return [] if answer is None else answer.fetchall()
        except duckdb.Error as error:
            raise fault(error) from error

    def kept_rows(self, *parts: str) -> list[tuple[Any, ...]]:
        """As `rows`, for few rows of `VIEW` alone: the same question about the same version is answered from memory."""
        try:
            return self._connection.kept_rows(sql(*parts))
        except duckdb.Error as error:
            raise fault(error) from error

    def keep(self, kind: Literal["TABLE", "VIEW"], name: str, *parts: str) -> None:
        """Creates a temporary table with the rows of a query, or a temporary view of it."""
        self.rows("CREATE OR REPLACE TEMP", kind, quoted(name), "AS", *parts)


def day_of(dataset: Dataset) -> str:
    """SQL for a row's day; for datasets with a time dimension."""
    return f"CAST({quoted('stat_time_hour')} AS DATE)" if dataset.time == "hour" else quoted("stat_time_day")


def within(dataset: Dataset, days: Span) -> str:
    """The condition that a row is of these days, in a form that lets DuckDB skip files and row groups."""
    if dataset.time != "hour":
        return f"{quoted('stat_time_day')} BETWEEN DATE '{days.start}' AND DATE '{days.end}'"
    column, after = quoted("stat_time_hour"), days.end + timedelta(days=1)
    return f"{column} >= TIMESTAMP '{days.start} 00:00:00' AND {column} < TIMESTAMP '{after} 00:00:00'"


def within_any(dataset: Dataset, spans: Sequence[Span]) -> str:
    """The condition that a row is of a day in one of the spans; empty without any."""
    if not spans:
        return ""
    conditions = [within(dataset, days) for days in spans]
    if len(spans) == 1:
        return conditions[0]
    # The outer bounds let DuckDB skip files, which it does not do for alternatives.
    whole = within(dataset, Span(min(days.start for days in spans), max(days.end for days in spans)))
    return f"{whole} AND ({' OR '.join(f'({condition})' for condition in conditions)})"


def among(column: str, values: Iterable[str]) -> str:
    """The condition that a column has one of these values."""
    return f"{quoted(column)} IN ({', '.join(map(literal, values))})"


def where(*conditions: str) -> str:
    """A WHERE clause of all conditions that are not empty; empty without any."""
    filled = [condition for condition in conditions if condition]
    return f"WHERE {' AND '.join(f'({condition})' for condition in filled)}" if filled else ""
