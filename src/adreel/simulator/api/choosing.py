"""Which ads a report covers: filters (TikTok's doc 1751443975608321) and the cut (doc 1757262274182145)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.api.query import Filters, Query
from adreel.simulator.world.entities import Entities
from adreel.simulator.world.table import AUCTION, BUYING_TYPES, IMAGE, RESERVATION_RF, VIDEO, AdTable

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


MATERIALS = {"video_material_id": VIDEO, "image_id": IMAGE}
"""Dimensions that only ads with the material have, with its surface."""


@dataclass(frozen=True, slots=True, eq=False)
class AdSelection:
    """Ads in groups, one group per row entity, oldest first; `cut` says that older groups were left out.

    `first` holds the position in `ads` of each group's first ad, and one past the last ad.
    """

    ads: Ints
    first: Ints
    cut: bool = False

    def __len__(self) -> int:
        return len(self.first) - 1

    def members(self, groups: Ints) -> tuple[Ints, Ints]:
        """The ads of some groups, and for each ad the position in `groups` of its group."""
        counts = self.first[groups + 1] - self.first[groups]
        owner = np.repeat(np.arange(len(groups), dtype=np.int64), counts)
        offset = np.arange(len(owner), dtype=np.int64) - (np.cumsum(counts) - counts)[owner]
        return self.ads[self.first[groups][owner] + offset], owner

    def leaders(self, groups: Ints) -> Ints:
        """The first ad of each of some groups."""
        return self.ads[self.first[groups]]

    def newest(self, limit: int) -> AdSelection:
        """Only the last `limit` groups."""
        begin = self.first[max(0, len(self) - limit)]
        return AdSelection(self.ads[begin:], self.first[max(0, len(self) - limit) :] - begin, cut=True)


def group_ads(ads: Ints, numbers: Ints) -> AdSelection:
    """Groups adjacent ads that have the same number."""
    first = np.flatnonzero(np.diff(numbers, prepend=-1)).astype(np.int64)
    return AdSelection(ads, np.append(first, len(ads)))


def select_ads(entities: Entities, query: Query, id_cut: int) -> AdSelection:
    """The ads that a report covers; a synchronous report of `id_cut` or more ids keeps the newest."""
    table = entities.table
    ads = np.flatnonzero(_report_ads(entities, query)).astype(np.int64)
    chosen = group_ads(ads, _numbers(table, ads, query))
    if query.synchronous and query.identity not in {None, "advertiser_id"} and len(chosen) >= id_cut:
        return chosen.newest(id_cut)
    return chosen


def _numbers(table: AdTable, ads: Ints, query: Query) -> Ints:
    """The number of each ad's row entity."""
    match query.identity:
        case "campaign_id":
            return table.campaign[ads]
        case "adgroup_id":
            return table.adgroup[ads]
        case "ad_id":
            return ads
        case "ad_id_v2":
            return np.where(table.smart[table.campaign[ads]], table.adgroups.first[table.adgroup[ads]], ads)
    return np.zeros(len(ads), dtype=np.int64)


def _report_ads(entities: Entities, query: Query) -> Flags:
    table, filters = entities.table, query.filters
    mask = np.ones(len(table), dtype=bool)
    owners: Mapping[str, Ints] = {
        "campaign": table.campaign,
        "adgroup": table.adgroup,
        "ad": np.arange(len(table), dtype=np.int64),
    }
    for level, numbers in owners.items():
        mask &= _with_status(entities, query, level)[numbers]
        mask &= _with_id(table, filters, level)[numbers]
    for name in MATERIALS.keys() & set(query.breakdown):
        mask &= (table.surfaces & MATERIALS[name]) != 0
    mask &= _with_buying_type(table, query)[table.campaign]
    mask &= _with_objective(entities, filters)[table.campaign]
    if filters.ids_v2 is not None:
        mask &= np.array([entities.ad_id_v2(ad) in filters.ids_v2 for ad in range(len(table))], dtype=bool)
    return mask


def _with_status(entities: Entities, query: Query, level: str) -> Flags:
    """Entities of a level with the requested statuses; without a filter, the report's own level leaves out deleted."""
    statuses = {str(name): chosen for name, chosen in query.filters.statuses.items()}.get(level)
    if statuses is None:
        statuses = frozenset({"STATUS_NOT_DELETE" if level == query.level else "STATUS_ALL"})
    return entities.having(level, statuses)


def _with_id(table: AdTable, filters: Filters, level: str) -> Flags:
    ids = {"campaign": table.campaigns.ids, "adgroup": table.adgroups.ids, "ad": table.ids}[level]
    requested_ids = {str(name): chosen for name, chosen in filters.ids.items()}.get(level)
    if requested_ids is None:
        return np.ones(len(ids), dtype=bool)
    return np.isin(ids, numbers_of(requested_ids))


def numbers_of(ids: frozenset[str] | tuple[str, ...]) -> list[int]:
    """Ids as numbers; texts that cannot be ids are dropped, as they match nothing."""
    return [int(text) for text in ids if text.isascii() and text.isdecimal() and len(text) < 20 and int(text) < 1 << 63]


def _with_buying_type(table: AdTable, query: Query) -> Flags:
    """Campaigns by buying type: TopView only on request, at advertiser level too, so that all levels agree.

    GMV Max has reports of its own and is left out.
    """
    buying = query.filters.buying
    shown = [AUCTION, RESERVATION_RF] if buying is None else [BUYING_TYPES.index(name) for name in buying]
    return np.isin(table.buying, shown) & ~table.gmv_max


def _with_objective(entities: Entities, filters: Filters) -> Flags:
    """Campaigns by objective and automation."""
    table = entities.table
    mask = np.ones(len(table.campaigns), dtype=bool)
    if filters.objectives is not None:
        mask &= np.array([name in filters.objectives for name in entities.objective_types()], dtype=bool)
    if filters.automation is not None:
        smart = bool(filters.automation & {"UPGRADED_SMART_PLUS", "UPGRADED_SMART_PLUS_CREATIVE"})
        mask &= (table.smart & smart) | (~table.smart & ("MANUAL" in filters.automation))
    return mask
