"""The lists of Smart+ (docs 1843312818332930, 1843314879617026 and 1843317378982914)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adreel import catalog
from adreel.simulator.api.call import Call, Reply, paged
from adreel.simulator.api.choosing import numbers_of
from adreel.simulator.api.errors import NotSimulatedError, bad
from adreel.simulator.api.params import Params, strings_of
from adreel.simulator.api.query import STATUSES
from adreel.simulator.world.entities import Entities, Record
from adreel.simulator.world.smart_plus import SmartPlus

Flags = NDArray[np.bool_]

_MOST_IDS = 100
_UNSIMULATED = frozenset(
    [
        "secondary_status",
        "objective_type",
        "sales_destination",
        "promotion_type",
        "optimization_goal",
        "creation_filter_start_time",
        "creation_filter_end_time",
        "modified_after",
    ]
)
"""Filters that TikTok has and the simulator does not."""


@dataclass(frozen=True, slots=True)
class _ListKind:
    """A list: its report in the catalogue, its filters, its largest page, and what is always sent."""

    report: str
    level: Literal["campaign", "adgroup"]
    filters: frozenset[str]
    longest_page: int
    always: frozenset[str]
    refused_fields: frozenset[str] = frozenset()


_CAMPAIGNS = _ListKind(
    "smart_plus_campaigns", "campaign", frozenset({"campaign_ids", "campaign_name"}), 1000, frozenset({"campaign_id"})
)
_ADGROUPS = _ListKind(
    "smart_plus_ad_groups",
    "adgroup",
    frozenset({"campaign_ids", "adgroup_ids", "adgroup_name"}),
    1000,
    frozenset({"adgroup_id"}),
)
_ALWAYS = frozenset({"advertiser_id", "smart_plus_ad_id"})
_ADS = _ListKind(
    "smart_plus_ads",
    "adgroup",
    frozenset({"campaign_ids", "adgroup_ids", "smart_plus_ad_ids"}),
    100,
    _ALWAYS,
    _ALWAYS,
)


def campaigns(call: Call) -> Reply:
    """GET /smart_plus/campaign/get/."""
    return _list(call, _CAMPAIGNS, lambda world: world.campaign)


def adgroups(call: Call) -> Reply:
    """GET /smart_plus/adgroup/get/."""
    return _list(call, _ADGROUPS, lambda world: world.adgroup)


def ads(call: Call) -> Reply:
    """GET /smart_plus/ad/get/: the ad of each Smart+ ad group."""
    return _list(call, _ADS, lambda world: world.ad)


def _list(call: Call, kind: _ListKind, record: Callable[[SmartPlus], Callable[[int], Record]]) -> Reply:
    advertiser = call.advertiser()
    entities = Entities(advertiser, call.simulator.world.table(advertiser), call.simulator.clock)
    world = SmartPlus(advertiser, entities)
    names = [field.name for field in catalog.fields()[kind.report]]
    fields = _read_fields(call.params, kind, names)
    chosen = np.flatnonzero(_mask(entities, world, kind, _filtering(call.params)))[::-1]
    rows = [record(world)(int(index)) for index in chosen]
    shown = [name for name in names if fields is None or name in fields or name in kind.always]
    return paged([{name: row.get(name) for name in shown} for row in rows], call.params, most=kind.longest_page)


def _read_fields(params: Params, kind: _ListKind, names: list[str]) -> tuple[str, ...] | None:
    """The requested fields; TikTok refuses the names of those that it sends with every ad."""
    fields = params.strings("fields")
    if fields is not None and (wrong := [n for n in fields if n not in names or n in kind.refused_fields]):
        raise bad(f"fields: Invalid fields: {wrong!r}.")
    return fields


def _filtering(params: Params) -> Mapping[str, object]:
    value = params.json("filtering")
    if value is not None and not isinstance(value, dict):
        raise bad("filtering: Not a valid object.")
    return value or {}


def _mask(entities: Entities, world: SmartPlus, kind: _ListKind, filtering: Mapping[str, object]) -> Flags:
    if unread := sorted(filtering.keys() & _UNSIMULATED):
        raise NotSimulatedError(f"the filter {unread[0]} of {kind.report}")
    if wrong := sorted(filtering.keys() - kind.filters - {"primary_status"}):
        raise bad(f"filtering: Invalid filter(s): {wrong!r}.")
    table = entities.table
    mask = world.campaigns().copy() if kind.level == "campaign" else world.adgroups().copy()
    status = filtering.get("primary_status", "STATUS_NOT_DELETE")
    if status not in STATUSES:
        raise bad(f"filtering.primary_status: The value '{status}' is not valid.")
    mask &= entities.having(kind.level, frozenset({str(status)}))
    campaign = (
        np.arange(len(table.campaigns)) if kind.level == "campaign" else table.campaign[table.adgroups.first[:-1]]
    )
    ids = {
        "campaign_ids": table.campaigns.ids[campaign],
        "adgroup_ids": table.adgroups.ids,
        "smart_plus_ad_ids": np.array([int(entities.smart_plus_ad_id(i)) for i in range(len(table.adgroups))]),
    }
    for name in kind.filters & ids.keys() & filtering.keys():
        requested = strings_of(f"filtering.{name}", filtering[name]) or ()
        if not 1 <= len(requested) <= _MOST_IDS:
            raise bad(f"filtering.{name}: takes 1 to {_MOST_IDS} ids.")
        mask &= np.isin(ids[name], numbers_of(requested))
    part = filtering.get(f"{kind.level}_name")
    if part is not None:
        name_of = entities.campaign_name if kind.level == "campaign" else entities.adgroup_name
        mask &= np.array([str(part).lower() in name_of(index).lower() for index in range(len(mask))], dtype=bool)
    return mask
