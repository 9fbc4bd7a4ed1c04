"""The columns of a dataset as readers of its table see them: calculated metrics, and the order of the rest."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from adreel.catalog.formulas import table_sql_of, value_of
from adreel.datasets.dataset import Dataset
from adreel.datasets.schema import calculated_columns, columns
from adreel.datasets.stored import dataset_of
from adreel.errors import DatasetError
from adreel.lake import Lake, TableState
from adreel.lake.calculated import KIND, CalculatedColumn, ReaderColumns, quoted_name
from adreel.language import in_english
from adreel.store import SavedDataset


def lake_columns(dataset: Dataset) -> tuple[CalculatedColumn, ...]:
    """The calculated metrics as the lake computes them for each row of a table."""
    with in_english():
        described = {column.name: column for column in calculated_columns(dataset)}
    return tuple(
        CalculatedColumn(
            name=metric.name,
            sql=table_sql_of(metric.expression, quoted_name),
            parts=metric.parts,
            title=metric.title,
            description=described[metric.name].meaning,
            unit=described[metric.name].unit,
        )
        for metric in dataset.calculated
    )


def reader_columns_of(saved: SavedDataset, now: datetime) -> ReaderColumns:
    """What readers of a saved dataset's table see; the table as it is stored while the settings do not hold.

    A table keeps the order in which its columns came, so that another order of metrics writes no file anew.
    """
    try:
        dataset = dataset_of(saved, now)
    except DatasetError:
        return ReaderColumns()
    return ReaderColumns(lake_columns(dataset), tuple(column.name for column in columns(dataset)))


def readable_table(lake: Lake, saved: SavedDataset, now: datetime, version: int | None = None) -> TableState:
    """A version of the dataset's table (None for the newest) as readers see it; NotFoundError without one."""
    return lake.seen(saved.table_slug, reader_columns_of(saved, now), version)


def with_calculated(dataset: Dataset, rows: pa.Table) -> pa.Table:
    """Rows of TikTok with the calculated metrics of the dataset, each of the figures of its own row."""
    for metric in dataset.calculated:
        parts = {name: rows[name].to_pylist() for name in metric.parts}
        values = [
            value_of(metric.expression, {name: _exact(column[place]) for name, column in parts.items()})
            for place in range(rows.num_rows)
        ]
        rows = rows.append_column(metric.name, pa.array(values, KIND))
    return rows


def _exact(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
