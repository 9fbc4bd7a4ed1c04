"""The calculated metrics of a dataset as columns that the lake computes when a table is read."""

from __future__ import annotations

from datetime import datetime

from adreel.catalog.formulas import table_sql_of
from adreel.datasets.calculated import KEY
from adreel.datasets.dataset import Dataset
from adreel.datasets.schema import calculated_columns
from adreel.datasets.stored import dataset_of
from adreel.errors import DatasetError
from adreel.lake import Lake, TableState
from adreel.lake.calculated import CalculatedColumn, quoted_name
from adreel.store import SavedDataset


def lake_columns(dataset: Dataset) -> tuple[CalculatedColumn, ...]:
    """The calculated metrics as the lake computes them for each row of a table."""
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


def lake_columns_of(saved: SavedDataset, now: datetime) -> tuple[CalculatedColumn, ...]:
    """The same of a saved dataset; none while its settings do not hold, which its pages say."""
    if KEY not in saved.spec:
        return ()
    try:
        return lake_columns(dataset_of(saved, now))
    except DatasetError:
        return ()


def readable_table(lake: Lake, saved: SavedDataset, now: datetime, version: int | None = None) -> TableState:
    """A version of the dataset's table (None for the newest) with its calculated metrics; NotFoundError without one."""
    return lake.table(saved.table_slug, version, lake_columns_of(saved, now))
