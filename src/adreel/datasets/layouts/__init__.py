"""Layouts of a destination: tables of adreel's own, or those that another connector would have made there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adreel.catalog.additions import per_catalogue
from adreel.datasets.dataset import Dataset
from adreel.datasets.stored import parsed
from adreel.enumerations import TextEnum
from adreel.errors import InputError
from adreel.language import Phrase, phrase
from adreel.store import SavedDataset

if TYPE_CHECKING:
    from pyarrow import Schema

    from adreel.datasets.layouts.tables import LayoutTable


class WarehouseLayout(TextEnum):
    """Which tables datasets publish to; `label` names it to a person, `schema` is where they are by default."""

    label: str
    schema: str

    DATASETS = "datasets", Phrase("One table for each dataset"), "tiktok"
    FIVETRAN = "fivetran", Phrase("Tables of Fivetran"), "tiktok_ads"
    AIRBYTE = "airbyte", Phrase("Streams of Airbyte"), "tiktok_marketing"


def read_layout(text: str) -> WarehouseLayout:
    """The layout of that name. InputError, with all, if there is none."""
    try:
        return WarehouseLayout(text.strip().lower())
    except ValueError:
        names = ", ".join(WarehouseLayout)
        raise InputError(
            phrase("%(layout)s is not a layout. Use one of: %(names)s.", layout=repr(text), names=names)
        ) from None


def table_of(layout: str, dataset: Dataset) -> str | None:
    """The table of the layout that the dataset fills; None if it fills none, or for tables of datasets' own."""
    if layout == WarehouseLayout.FIVETRAN:
        from adreel.datasets.layouts.fivetran import table_name

        return table_name(dataset)
    if layout == WarehouseLayout.AIRBYTE:
        from adreel.datasets.layouts.airbyte import stream_name

        return stream_name(dataset)
    return None


def refusal(layout: str, dataset: Dataset) -> str | None:
    """Why the dataset cannot fill a table of the layout; None if it can."""
    label = WarehouseLayout(layout).label
    if table_of(layout, dataset) is None:
        return phrase("no table of the layout %(layout)s has these rows; see %(page)s", layout=label, page=PAGE)
    if dataset.update.method == "append" or dataset.update.key is not None:
        return phrase(
            "the layout %(layout)s needs another update method than append, and the report's own primary key",
            layout=label,
        )
    if layout == WarehouseLayout.FIVETRAN:
        from adreel.datasets.layouts.fivetran import missing_sources

        missing = missing_sources(dataset)
        if missing:
            return phrase(
                "the layout %(layout)s needs these columns as well: %(columns)s",
                layout=label,
                columns=", ".join(missing),
            )
    return None


def bound(layout: str, dataset: Dataset, schema: Schema) -> LayoutTable:
    """The table of the layout that the dataset fills, with the SQL that makes it out of a table with these columns."""
    if layout == WarehouseLayout.FIVETRAN:
        from adreel.datasets.layouts import fivetran

        return fivetran.bound(dataset, schema)
    from adreel.datasets.layouts import airbyte

    return airbyte.bound(dataset, schema)


PAGE = "docs/warehouse-layouts.md"
"""Where the tables of each layout are listed."""


def saved_table(layout: str, saved: SavedDataset) -> str | None:
    """As `table_of`, of a saved dataset; None for one that is not valid any more."""
    return _saved_table(layout, saved.spec, saved.account_name)


@per_catalogue(512)
def _saved_table(layout: str, spec: str, account: str) -> str | None:
    # Workers ask this of every dataset that publishes, every few seconds.
    dataset = parsed(spec, account)
    return table_of(layout, dataset) if dataset is not None else None
