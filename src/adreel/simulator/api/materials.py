"""The reports of Smart+ materials (docs 1843317489576961 and 1843317510389761)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adreel import catalog
from adreel.simulator.api.call import Call, Reply, page_info, reply
from adreel.simulator.api.choosing import AdSelection
from adreel.simulator.api.errors import NotSimulatedError, bad, bad_metrics, conflict
from adreel.simulator.api.params import Params, strings_of
from adreel.simulator.api.part import SEEN, AdvertiserReport
from adreel.simulator.api.query import Query, Time, query_of_ads
from adreel.simulator.api.writing import recipes_of, text_of
from adreel.simulator.world.calendar import day_number
from adreel.simulator.world.entities import Entities
from adreel.simulator.world.figures import metric_values
from adreel.simulator.world.recipes import leaves, metric_recipe
from adreel.simulator.world.smart_plus import Element, SmartPlus

Ints = NDArray[np.int64]

_IDS = ("advertiser_id", "campaign_id", "adgroup_id", "smart_plus_ad_id")
_ASSETS: Mapping[str, str] = {
    "main_material_id": "main_material_type",
    "ad_text_entity_id": "ad_text_entity_type",
    "call_to_action_entity_id": "call_to_action_entity_type",
    "interactive_add_on_entity_id": "interactive_add_on_entity_type",
}
_TIMES: Mapping[str, Time] = {"stat_time_day": "day", "stat_time_hour": "hour"}
_LONG_TIMES = frozenset({"stat_time_week", "stat_time_month"})
_LONGEST: Mapping[Time, int] = {"none": 365, "day": 365, "hour": 7}
"""The most that an end may be after its start, in days."""

MATERIAL_TYPES = (
    "VIDEO_NON_SPARK_ADS",
    "VIDEO_SPARK_ADS",
    "CAROUSEL_NON_SPARK_ADS",
    "CAROUSEL_SPARK_ADS",
    "SINGLE_IMAGE_NON_SPARK_ADS",
    "CATALOG_VIDEO",
    "CATALOG_VIDEO_TEMPLATE",
    "CATALOG_CAROUSEL",
    "CATALOG_MULTI_SHOW",
)
_ENTITY_FILTERS: Mapping[str, frozenset[str]] = {
    "campaign_ids": frozenset(_IDS),
    "adgroup_ids": frozenset(_IDS) - {"campaign_id"},
    "smart_plus_ad_ids": frozenset({"advertiser_id", "smart_plus_ad_id"}),
}
"""The filters by ids of entities, of which a request has one, with the ids of rows that go with each."""

_ASSET_FILTERS = {f"{name}s": name for name in _ASSETS}
_ATTRIBUTES = ("ad_material_id", "material_primary_status", "material_second_status_list", "operation_status")
_MOST_ENTITIES, _MOST_ASSETS = 200, 400


@dataclass(frozen=True, slots=True)
class _MaterialQuery:
    """A valid request; `start` and `end` are day numbers, ignored for a lifetime. `id` is None in a breakdown."""

    id: str | None
    assets: tuple[str, ...]
    time: Time
    metrics: tuple[str, ...]
    lifetime: bool
    start: int
    end: int
    filters: Mapping[str, tuple[str, ...]]
    sort_field: str
    descending: bool
    page: int
    page_size: int

    def figures(self) -> Query:
        """The same request as a BASIC report over ads, from which the figures are summed."""
        return query_of_ads(self.metrics, self.start, self.end, time=self.time, lifetime=self.lifetime)


def overview(call: Call) -> Reply:
    """GET /smart_plus/material_report/overview/: one asset of each entity."""
    call.advertiser()
    call.params.require("dimensions")
    dimensions = call.params.strings("dimensions") or ()
    ids, assets = [n for n in dimensions if n in _IDS], tuple(n for n in dimensions if n in _ASSETS)
    if len(dimensions) != 2 or len(ids) != 1 or len(assets) != 1:
        raise conflict()
    return _report(call, ids[0], assets, "none", lifetime=call.params.flag("query_lifetime"))


def breakdown(call: Call) -> Reply:
    """GET /smart_plus/material_report/breakdown/: assets of the ad account, and their combinations, by time."""
    call.advertiser()
    call.params.require("dimensions", "start_date", "end_date")
    dimensions = call.params.strings("dimensions") or ()
    if unread := [name for name in dimensions if name in _LONG_TIMES]:
        raise NotSimulatedError(f"the dimension {unread[0]} of smart_plus/material_report/breakdown")
    assets, times = tuple(n for n in dimensions if n in _ASSETS), [n for n in dimensions if n in _TIMES]
    if not assets or len(times) > 1 or sorted(dimensions) != sorted({*assets, *times}):
        raise conflict()
    return _report(call, None, assets, _TIMES[times[0]] if times else "none", lifetime=False)


def _report(call: Call, identity: str | None, assets: tuple[str, ...], time: Time, *, lifetime: bool) -> Reply:
    advertiser, simulator, params = call.advertiser(), call.simulator, call.params
    query = _read(params, identity, assets, time, lifetime=lifetime)
    entities = Entities(advertiser, simulator.world.table(advertiser), simulator.clock)
    world = SmartPlus(advertiser, entities)
    groups = _groups(world, entities, query, advertiser.id)
    ads = np.array([ad for group in groups.values() for ad in group], dtype=np.int64)
    first = np.cumsum([0, *(len(group) for group in groups.values())]).astype(np.int64)
    part = AdvertiserReport(simulator.scene(query.figures()), advertiser, AdSelection(ads, first))
    rows = _rows(part, world, query, groups)
    begin = (query.page - 1) * query.page_size
    return reply(
        {
            "list": rows[begin : begin + query.page_size],
            "page_info": page_info(query.page, query.page_size, len(rows)),
        }
    )


# --- what is asked for ------------------------------------------------------------------------------------------


def _read(
    params: Params, identity: str | None, assets: tuple[str, ...], time: Time, *, lifetime: bool
) -> _MaterialQuery:
    metrics = tuple(dict.fromkeys(params.strings("metrics") or ("spend", "impressions")))
    if wrong := [name for name in metrics if not _offers(name)]:
        raise bad_metrics(wrong)
    if any(catalog.metrics()[name].id_and_day_only for name in metrics):
        raise conflict()
    start, end = (0, 0) if lifetime else _read_range(params, time)
    sort = params.text("sort_field", "spend")
    if not _offers(sort) or sort in _ATTRIBUTES:
        raise bad(f"sort_field: The value '{sort}' is not supported for sorting.")
    return _MaterialQuery(
        id=identity,
        assets=assets,
        time=time,
        metrics=metrics,
        lifetime=lifetime,
        start=start,
        end=end,
        filters=_read_filters(params.json("filtering"), identity),
        sort_field=sort,
        descending=params.word("sort_type", ("ASC", "DESC"), "DESC") == "DESC",
        page=params.number("page", 1, 1, 1 << 31),
        page_size=params.number("page_size", 10, 1, 100),
    )


def _offers(name: str) -> bool:
    """Whether the list of metrics has the name; it has no names and texts of assets, which come unasked."""
    metric = catalog.metrics().get(name)
    return metric is not None and "SMART_PLUS" in metric.reports and (not metric.attribute or name in _ATTRIBUTES)


def _read_range(params: Params, time: Time) -> tuple[int, int]:
    params.require("start_date", "end_date")
    start, end = day_number(params.day("start_date")), day_number(params.day("end_date"))
    if start > end:
        raise bad("start_date: The start date must not be later than the end date.")
    if end - start > _LONGEST[time]:
        raise bad(f"The time difference must be equal to or less than {_LONGEST[time]} days.")
    return start, end


def _read_filters(value: object, identity: str | None) -> dict[str, tuple[str, ...]]:
    if value is not None and not isinstance(value, dict):
        raise bad("filtering: Not a valid object.")
    names = {*_ENTITY_FILTERS, *_ASSET_FILTERS, "main_material_types"}
    if wrong := sorted((value or {}).keys() - names):
        raise bad(f"filtering: Invalid filter(s): {wrong!r}.")
    filters = {name: strings_of(f"filtering.{name}", ids) or () for name, ids in (value or {}).items()}
    by_entity = filters.keys() & _ENTITY_FILTERS.keys()
    if len(by_entity) > 1:
        raise bad("filtering: campaign_ids, adgroup_ids and smart_plus_ad_ids cannot be combined.")
    for name in by_entity:
        if len(filters[name]) > _MOST_ENTITIES:
            raise bad(f"filtering: {name}: maximum number of items is {_MOST_ENTITIES}")
        if identity is not None and identity not in _ENTITY_FILTERS[name]:
            raise bad(f"filtering.{name}: not supported with the dimension {identity}.")
    if sum(len(filters.get(name, ())) for name in _ASSET_FILTERS) > _MOST_ASSETS:
        raise bad(f"filtering: maximum number of ids of assets is {_MOST_ASSETS}")
    types = filters.get("main_material_types", ())
    if any(kind not in MATERIAL_TYPES for kind in types):
        raise bad("filtering.main_material_types: not a valid value.")
    if "main_material_ids" in filters and len(types) != 1:
        raise bad("filtering.main_material_ids: requires exactly one of main_material_types.")
    return filters


# --- what is answered -------------------------------------------------------------------------------------------


def _readers(world: SmartPlus) -> Mapping[str, Callable[[int], Element | None]]:
    """What each asset of a creative is, by the dimension."""
    return {
        "main_material_id": world.material,
        "ad_text_entity_id": world.text,
        "call_to_action_entity_id": world.call_to_action,
        "interactive_add_on_entity_id": world.add_on,
    }


def _groups(
    world: SmartPlus, entities: Entities, query: _MaterialQuery, advertiser: str
) -> dict[tuple[str, ...], list[int]]:
    """The creatives of each row, by the id of its entity and the ids and types of its assets."""
    readers, table = _readers(world), entities.table
    groups: dict[tuple[str, ...], list[int]] = {}
    for ad in world.ads().tolist():
        adgroup = int(table.adgroup[ad])
        ids = {
            "advertiser_id": advertiser,
            "campaign_id": str(table.campaigns.ids[table.campaign[ad]]),
            "adgroup_id": str(table.adgroups.ids[adgroup]),
            "smart_plus_ad_id": entities.smart_plus_ad_id(adgroup),
        }
        elements = {name: read(ad) for name, read in readers.items()}
        shown = [elements[name] for name in query.assets]
        if all(shown) and _is_chosen(query.filters, ids, elements):
            named = [text for element in shown if element for text in (element.id, element.type)]
            groups.setdefault((ids[query.id] if query.id else "", *named), []).append(ad)
    return groups


def _is_chosen(
    filters: Mapping[str, tuple[str, ...]], ids: Mapping[str, str], elements: Mapping[str, Element | None]
) -> bool:
    for name, values in filters.items():
        if name in _ASSET_FILTERS:
            element = elements[_ASSET_FILTERS[name]]
            matches = element is not None and element.id in values
        elif name == "main_material_types":
            element = elements["main_material_id"]
            matches = element is not None and element.type in values
        else:
            matches = ids[name.removesuffix("s")] in values
        if not matches:
            return False
    return True


def _rows(
    part: AdvertiserReport, world: SmartPlus, query: _MaterialQuery, groups: Mapping[tuple[str, ...], list[int]]
) -> list[dict[str, object]]:
    """The rows, those with the most of the sorted metric first; by time only those with impressions."""
    if not groups:
        return []
    recipes = recipes_of([name for name in query.metrics if name not in _ATTRIBUTES])
    order = metric_recipe(query.sort_field)
    needed = [SEEN, *leaves(order), *(leaf for recipe in recipes.values() for leaf in leaves(recipe))]
    sums = {leaf: values[:, :, 0] for leaf, values in part.sums(needed, part.everything()).items()}
    texts = {
        name: [
            [text_of(name, recipe, several=False)(v) for v in values] for values in metric_values(recipe, sums).tolist()
        ]
        for name, recipe in recipes.items()
    }
    times = part.times() if query.time != "none" else [""]
    ordered = metric_values(order, sums)
    places = [
        (number, slot)
        for number in range(len(groups))
        for slot in range(len(times))
        if query.id is not None or sums[SEEN][number, slot] > 0
    ]
    places.sort(key=lambda place: ordered[place], reverse=query.descending)
    keys = list(groups.items())
    return [
        {
            "dimensions": _dimensions(query, keys[number][0], times[slot]),
            "metrics": {name: values[number][slot] for name, values in texts.items()}
            | _attributes(world, query, keys[number][1]),
        }
        for number, slot in places
    ]


def _dimensions(query: _MaterialQuery, key: tuple[str, ...], time: str) -> dict[str, object]:
    dimensions: dict[str, object] = {query.id: key[0]} if query.id else {}
    for place, name in enumerate(query.assets):
        dimensions |= {name: key[1 + 2 * place], _ASSETS[name]: key[2 + 2 * place]}
    return dimensions | ({f"stat_time_{query.time}": time} if time else {})


def _attributes(world: SmartPlus, query: _MaterialQuery, ads: list[int]) -> dict[str, object]:
    """Names and texts of the row's assets, and what the material is like in its ad; empty where there is no ad."""
    readers, values = _readers(world), dict[str, object]()
    names = {name: element.name for name in query.assets if (element := readers[name](ads[0])) is not None}
    columns = {
        "main_material_id": "main_material_name",
        "ad_text_entity_id": "ad_text",
        "call_to_action_entity_id": "call_to_action",
        "interactive_add_on_entity_id": "interactive_add_on_name",
    }
    values |= {columns[name]: text for name, text in names.items()}
    if "interactive_add_on_entity_id" in names:
        add_on = world.add_on(ads[0])
        values["interactive_add_on_id"] = f"6{add_on.id[1:]}" if add_on is not None else ""
    if query.id is None:
        values["multi_name"] = "_".join(names.values())
    asked = [name for name in _ATTRIBUTES if name in query.metrics]
    if query.id != "smart_plus_ad_id":
        return values | {name: "" for name in asked if name != "material_second_status_list"}
    enabled = any(world.is_enabled(ad) for ad in ads)
    own: dict[str, object] = {
        "ad_material_id": [world.ad_material_id(ad) for ad in ads],
        "material_primary_status": "STATUS_DELIVERY_OK" if enabled else "STATUS_DISABLE",
        "material_second_status_list": ["CREATIVE_STATUS_DELIVERY_OK" if enabled else "CREATIVE_STATUS_DISABLE"],
        "operation_status": "ENABLE" if enabled else "DISABLE",
    }
    return values | {name: own[name] for name in asked}
