"""creative/report/get: figures of videos, images and instant pages (TikTok's doc 1740662135093314)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adreel import catalog
from adreel.simulator.api.call import Call, Reply, page_info, reply
from adreel.simulator.api.choosing import AdSelection, group_ads, numbers_of
from adreel.simulator.api.errors import NotSimulatedError, bad, bad_metrics
from adreel.simulator.api.params import Params, strings_of
from adreel.simulator.api.part import SEEN, AdvertiserReport, Scene
from adreel.simulator.api.query import Query, query_of_ads
from adreel.simulator.api.writing import recipes_of, text_of
from adreel.simulator.world.calendar import day_number
from adreel.simulator.world.entities import image_id, video_id
from adreel.simulator.world.figures import metric_values
from adreel.simulator.world.hashing import word
from adreel.simulator.world.recipes import Leaf, leaves, metric_recipe
from adreel.simulator.world.table import IMAGE, OBJECTIVES, RESERVATION_TOP_VIEW, VIDEO, AdTable

Ints = NDArray[np.int64]

_MATERIALS = ("VIDEO", "IMAGE", "INSTANT_PAGE")
_SHARED_BY = 3
"""Ads in a row that share a video or an image."""
_MOST_MATERIALS = 10


@dataclass(frozen=True, slots=True)
class _CreativeQuery:
    """A valid creative report request; `start` and `end` are day numbers, ignored for a lifetime."""

    material: str
    info: tuple[str, ...]
    metrics: tuple[str, ...]
    lifetime: bool
    start: int
    end: int
    filters: Mapping[str, tuple[str, ...]]
    sort_field: str
    descending: bool


def creative_report(call: Call) -> Reply:
    """GET /creative/report/get/."""
    simulator, advertiser = call.simulator, call.advertiser()
    request = _read(call.params)
    page, size = call.params.number("page", 1, 1, 1 << 31), call.params.number("page_size", 10, 1, 1000)
    chosen = _choose(simulator.world.table(advertiser), request)
    scene = simulator.scene(_query(request))
    rows = _MaterialRows(AdvertiserReport(scene, advertiser, chosen), scene, request).rows()
    listed = rows[(page - 1) * size : page * size]
    return reply({"list": listed, "page_info": page_info(page, size, len(rows))})


def _read(params: Params) -> _CreativeQuery:
    material = params.word("material_type", _MATERIALS, "VIDEO")
    lifetime = params.flag("lifetime")
    start = end = 0
    if not lifetime:
        params.require("start_date", "end_date")
        start, end = day_number(params.day("start_date")), day_number(params.day("end_date"))
        if start > end:
            raise bad("start_date: The start date must not be later than the end date.")
    info = params.strings("info_fields") or ("material_id", "video_id", "image_id", "page_id")
    field_names = {field.name for field in catalog.fields()["creatives"]}
    if wrong := [name for name in info if name not in field_names]:
        raise bad(f"info_fields: Invalid fields: {wrong!r}.")
    metrics = params.strings("metrics_fields") or ("impressions", "spend")
    if wrong := [name for name in metrics if not _offers(name)]:
        raise bad_metrics(wrong)
    sort = params.text("sort_field")
    if sort and sort != "create_time" and not _offers(sort):
        raise bad(f"sort_field: The value '{sort}' is not supported for sorting.")
    descending = params.word("sort_type", ("ASC", "DESC"), "DESC") == "DESC"
    return _CreativeQuery(material, info, metrics, lifetime, start, end, _read_filters(params), sort, descending)


def _offers(name: str) -> bool:
    metric = catalog.metrics().get(name)
    return metric is not None and "CREATIVE" in metric.reports


def _read_filters(params: Params) -> dict[str, tuple[str, ...]]:
    value = params.json("filtering")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad("filtering: Not a valid object.")
    if other := value.keys() - {"material_id", "ad_id", "adgroup_id", "campaign_id"}:
        raise NotSimulatedError(f"the filter {', '.join(sorted(other))} of creative/report/get")
    filters = {name: strings_of(f"filtering.{name}", ids) or () for name, ids in value.items()}
    if len(filters.get("material_id", ())) > _MOST_MATERIALS:
        raise bad(f"filtering.material_id: takes at most {_MOST_MATERIALS} ids.")
    return filters


def _query(request: _CreativeQuery) -> Query:
    """The same request as a BASIC report over ads, from which the material's figures are summed."""
    return query_of_ads(request.metrics, request.start, request.end, lifetime=request.lifetime)


def _choose(table: AdTable, request: _CreativeQuery) -> AdSelection:
    """Ads grouped by material, newest last: the ads that count in account totals, so deleted ones but no TopView."""
    number = np.arange(len(table), dtype=np.int64)
    if request.material == "INSTANT_PAGE":
        forms = [index for index, (name, _) in enumerate(OBJECTIVES) if name == "LEAD_GENERATION"]
        mask = np.isin(table.objective, forms)[table.campaign]
        owner = table.campaign
    else:
        mask = (table.surfaces & (VIDEO if request.material == "VIDEO" else IMAGE)) != 0
        owner = number // _SHARED_BY
    for name, ids in (("ad_id", table.ids), ("adgroup_id", table.adgroups.ids), ("campaign_id", table.campaigns.ids)):
        if name in request.filters:
            owners = {"ad_id": number, "adgroup_id": table.adgroup, "campaign_id": table.campaign}[name]
            mask &= np.isin(ids, numbers_of(request.filters[name]))[owners]
    counted = ~table.gmv_max & (table.buying != RESERVATION_TOP_VIEW)
    ads = np.flatnonzero(mask & counted[table.campaign]).astype(np.int64)
    return group_ads(ads, owner[ads])


class _MaterialRows:
    """The rows of a creative report."""

    def __init__(self, part: AdvertiserReport, scene: Scene, request: _CreativeQuery) -> None:
        self._part, self._scene, self._request = part, scene, request
        recipes = recipes_of(request.metrics)
        order = {request.sort_field: metric_recipe(request.sort_field)} if _offers(request.sort_field) else {}
        needed = [leaf for recipe in [*recipes.values(), *order.values()] for leaf in leaves(recipe)]
        self._sums: dict[Leaf, Ints] = {
            leaf: values[:, 0, 0] for leaf, values in part.sums([SEEN, *needed], part.everything()).items()
        }
        self._texts = {
            name: [text_of(name, recipe, several=False)(value) for value in metric_values(recipe, self._sums).tolist()]
            for name, recipe in recipes.items()
        }
        self._order = [metric_values(recipe, self._sums) for recipe in order.values()]

    def rows(self) -> list[dict[str, object]]:
        """Newest material first, or by `sort_field`; only materials with impressions."""
        material_ids = self._request.filters.get("material_id")
        numbers = [
            number
            for number in np.flatnonzero(self._sums[SEEN])[::-1].tolist()
            if material_ids is None or self._material_id(number) in material_ids
        ]
        if self._order:
            numbers.sort(key=self._order[0].__getitem__, reverse=self._request.descending)
        return [self._row(number) for number in numbers]

    def _row(self, number: int) -> dict[str, object]:
        metrics = {name: values[number] for name, values in self._texts.items()}
        return {"info": {name: self._info(name, number) for name in self._request.info}, "metrics": metrics}

    def _ads(self, number: int) -> list[int]:
        chosen = self._part.chosen
        ads: list[int] = chosen.ads[chosen.first[number] : chosen.first[number + 1]].tolist()
        return ads

    def _owner(self, number: int) -> int:
        """The number of the material among all of its kind."""
        first = self._ads(number)[0]
        page = self._request.material == "INSTANT_PAGE"
        return int(self._part.table.campaign[first]) if page else first // _SHARED_BY

    def _material_id(self, number: int) -> str:
        kind = self._request.material
        return str(7 * 10**18 + word(self._part.advertiser.id, kind, self._owner(number)) % 10**18)

    def _info(self, name: str, number: int) -> object:
        read = _INFO.get(name)
        if read is not None:
            return read(self, number)
        common: dict[str, object] = {
            "source": "UPLOAD",
            "country_code": [self._part.advertiser.country],
            "placement": ["TikTok"],
        }
        page_fields: dict[str, object] = {
            "page_id": str(6 * 10**18 + self._owner(number)),
            "page_status": "READY",
            "page_biz_type": ["INSTANT_FORM"],
            "page_template_type": ["NORMAL_FORM"],
            "page_thumbnail": "https://p16.example/page.png",
        }
        return (common | page_fields if self._request.material == "INSTANT_PAGE" else common).get(name)

    def _of_video(self, value: object) -> object:
        return value if self._request.material == "VIDEO" else None

    def _adgroups(self, number: int) -> list[int]:
        return sorted({int(self._part.table.adgroup[ad]) for ad in self._ads(number)})

    def active_days(self, number: int) -> int | None:
        """Days with spend; 0 for a lifetime, None for images and instant pages."""
        if self._request.material != "VIDEO":
            return None
        if self._request.lifetime:
            return 0
        by_day = replace(self._scene, query=replace(self._scene.query, time="day"))
        daily = AdvertiserReport(by_day, self._part.advertiser, self._part.chosen)
        (spend,) = daily.sums(leaves(metric_recipe("spend")), np.array([number], dtype=np.int64)).values()
        return int(np.count_nonzero(spend))


_INFO: Mapping[str, Callable[[_MaterialRows, int], object]] = {
    "material_id": lambda m, n: m._material_id(n),
    "video_id": lambda m, n: m._of_video(video_id(m._part.table, m._ads(n)[0])),
    "image_id": lambda m, n: image_id(m._part.table, m._ads(n)[0]) if m._request.material == "IMAGE" else None,
    "num_ads": lambda m, n: len(m._ads(n)),
    "total_active_days": lambda m, n: m.active_days(n),
    "related_ad_ids": lambda m, n: m._of_video([str(m._part.table.ids[ad]) for ad in m._ads(n)]),
    "adgroup_number": lambda m, n: m._of_video(len(m._adgroups(n))),
    "related_adgroup_ids": lambda m, n: m._of_video([str(m._part.table.adgroups.ids[g]) for g in m._adgroups(n)]),
}
