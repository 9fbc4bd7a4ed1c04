"""The names of campaigns, ad groups and ads for tables with ids alone: those of other datasets of the account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from adreel.access import Guard
from adreel.datasets.schema import NAME_COLUMNS
from adreel.errors import AdreelError
from adreel.lake import Lake
from adreel.store import SavedDataset

_ENTITIES = ("campaign_id", "adgroup_id", "ad_id")


def entity_names(guard: Guard, lake: Lake, saved: SavedDataset, columns: Iterable[str]) -> Mapping[str, dict[str, str]]:
    """The names by id of each of the id columns that the dataset's own table has no names for.

    They are of the smallest table of the dataset's account that has them, as far as whoever asks may see it.
    """
    if saved.account_id is None:
        return {}
    names = {}
    with suppress(AdreelError):
        lacking = [name for name in columns if name in _ENTITIES and not _has(lake, saved, NAME_COLUMNS[name])]
        for column in lacking:
            tables = sorted(
                (lake.table(other.table_slug).rows, other.table_slug) for other in _with(guard, lake, saved, column)
            )
            if tables:
                names[column] = _read(lake, tables[0][1], column)
    return names


def _read(lake: Lake, slug: str, column: str) -> dict[str, str]:
    name = NAME_COLUMNS[column]
    with lake.connect({"entities": slug}) as connection:
        rows = connection.kept_rows(
            f"SELECT {column}, max({name}) FROM entities WHERE {name} <> '' GROUP BY {column}"  # noqa: S608 - our own names
        )
    return {str(entity): str(text) for entity, text in rows}


def _with(guard: Guard, lake: Lake, saved: SavedDataset, column: str) -> Iterator[SavedDataset]:
    for other in guard.datasets():
        if other.account_id == saved.account_id and _has(lake, other, column, NAME_COLUMNS[column]):
            yield other


def _has(lake: Lake, saved: SavedDataset, *columns: str) -> bool:
    return lake.exists(saved.table_slug) and set(columns) <= set(lake.table(saved.table_slug).schema.names)
