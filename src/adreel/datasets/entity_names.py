"""The names of campaigns, ad groups and ads for tables with ids alone: those of other datasets of the account.

`ad_id_v2` is the `ad_id` of a manual ad and the `smart_plus_ad_id` of a Smart+ ad, so tables of either have its names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType

from adreel.access import Guard
from adreel.datasets.schema import NAME_COLUMNS
from adreel.errors import AdreelError
from adreel.lake import Lake
from adreel.store import SavedDataset

_SOURCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "campaign_id": ("campaign_id",),
        "adgroup_id": ("adgroup_id",),
        "ad_id": ("ad_id",),
        "ad_id_v2": ("ad_id", "ad_id_v2", "smart_plus_ad_id"),
        "smart_plus_ad_id": ("ad_id_v2", "smart_plus_ad_id"),
    }
)
"""By id column the columns with the same ids in other tables; the names of a later one take precedence."""


def entity_names(guard: Guard, lake: Lake, saved: SavedDataset, columns: Iterable[str]) -> Mapping[str, dict[str, str]]:
    """The names by id of each of the id columns that the dataset's own table has no names for.

    They are of the smallest tables of the dataset's account that have them, as far as whoever asks may see them.
    """
    if saved.account_id is None:
        return {}
    names: dict[str, dict[str, str]] = {}
    with suppress(AdreelError):
        lacking = [name for name in columns if name in _SOURCES and not _has(lake, saved, NAME_COLUMNS[name])]
        for column in lacking:
            for source in _SOURCES[column]:
                tables = sorted(
                    (lake.table(other.table_slug).rows, other.table_slug) for other in _with(guard, lake, saved, source)
                )
                if tables:
                    names[column] = names.get(column, {}) | _read(lake, tables[0][1], source)
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
