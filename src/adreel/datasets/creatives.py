"""Names for charts that TikTok's own report lacks.

Creatives have the names of the ads that use them; what a report of Smart+ materials is about has those of other tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from adreel.access import Guard
from adreel.catalog import smart_plus
from adreel.datasets.advertisers import advertiser_names
from adreel.datasets.entity_names import entity_names
from adreel.datasets.stored import source_of
from adreel.errors import AdreelError
from adreel.lake import Lake
from adreel.language import integer, phrase
from adreel.store import SavedDataset

_USES = frozenset({"material_id", "related_ad_ids"})
_SMART = ("campaign_id", "adgroup_id", "smart_plus_ad_id")
"""What a report of Smart+ materials, which has no names of them, may be about."""

_ADS = frozenset({"ad_id", "ad_name"})


def names_by_id(guard: Guard, lake: Lake, saved: SavedDataset) -> dict[str, str]:
    """The names of a dataset's ad accounts, creatives and Smart+ entities, as far as whoever asks may see them."""
    names: dict[str, str] = {}
    with suppress(AdreelError):
        names |= creative_names(guard, lake, saved)
        if source_of(saved).values.get("report") == smart_plus.MATERIALS:
            columns = [name for name in _SMART if _has(lake, saved, frozenset({name}))]
            for entities in entity_names(guard, lake, saved, columns).values():
                names |= entities
    return names | advertiser_names(guard, saved)


def creative_names(guard: Guard, lake: Lake, saved: SavedDataset) -> dict[str, str]:
    """The names of the ads that use each creative, from the smallest table of the dataset's account that has ads.

    None for other datasets. Raises StorageError.
    """
    if saved.account_id is None or not _has(lake, saved, _USES):
        return {}
    tables = sorted((lake.table(other.table_slug).rows, other.table_slug) for other in _ads_of(guard, lake, saved))
    if not tables:
        return {}
    with lake.connect({"creatives": saved.table_slug, "ads": tables[0][1]}) as connection:
        rows = connection.kept_rows(
            "SELECT material_id, min(ad_name), count(DISTINCT ad_name)"
            " FROM (SELECT DISTINCT material_id, unnest(related_ad_ids) AS ad_id FROM creatives)"
            " JOIN (SELECT DISTINCT ad_id, ad_name FROM ads) USING (ad_id)"
            " WHERE material_id IS NOT NULL AND ad_name <> '' GROUP BY material_id"
        )
    return {material: _named(name, count) for material, name, count in rows}


def _ads_of(guard: Guard, lake: Lake, saved: SavedDataset) -> Iterator[SavedDataset]:
    for other in guard.datasets():
        if other.account_id == saved.account_id and _has(lake, other, _ADS):
            yield other


def _has(lake: Lake, saved: SavedDataset, columns: frozenset[str]) -> bool:
    return lake.exists(saved.table_slug) and columns.issubset(lake.table(saved.table_slug).schema.names)


def _named(name: str, count: int) -> str:
    return name if count == 1 else phrase("%(name)s and %(more)s more", name=name, more=integer(count - 1))
