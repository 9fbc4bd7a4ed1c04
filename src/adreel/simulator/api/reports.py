"""Report pages of one or several advertisers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import orjson
from numpy.typing import NDArray

from adreel.simulator.api.call import page_info
from adreel.simulator.api.part import SEEN, AdvertiserReport, Scene
from adreel.simulator.api.query import Query
from adreel.simulator.api.writing import is_money, metric_names, recipes_of, text_of, write_rows
from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.figures import metric_values
from adreel.simulator.world.recipes import Leaf, Recipe, has_people, leaves

Ints = NDArray[np.int64]

_CUT = (
    "Number of ad ids is equal or more than 20k, only return the top 20k id's results, "
    "sorting by create time desc order."
)
CUT_HEADER = (b"x-tt-ads-throttle", _CUT.encode())


def make_report(scene: Scene, advertisers: Sequence[SimulatedAdvertiser]) -> tuple[bytes, bool]:
    """The `data` of the answer as JSON, and whether ids were left out (`id_cut`)."""
    query = scene.query
    parts = [AdvertiserReport(scene, advertiser) for advertiser in advertisers]
    cut = any(part.chosen.cut for part in parts)
    if len(parts) > 1 and query.identity not in {None, "advertiser_id"} and query.synchronous:
        cut = _share_cut(parts, scene.world.config.id_cut) or cut
    begin, end = (query.page - 1) * query.page_size, query.page * query.page_size
    if query.several and query.identity is None:
        merged = _merged(parts, query)
        total, listed = len(merged), ",".join(merged[begin:end])
    else:
        places = [part.places() for part in parts]
        total = sum(len(part_places) for part_places in places)
        listed = _page(parts, places, begin, end)
    info = orjson.dumps(page_info(query.page, query.page_size, total)).decode()
    totals = f',"total_metrics":{_totals(scene, parts)}' if query.totals and query.page == 1 else ""
    # A page is long: joined after encoding, it is copied once less.
    return b"".join((b'{"list":[', listed.encode(), f'],"page_info":{info}{totals}}}'.encode())), cut


def _share_cut(parts: Sequence[AdvertiserReport], limit: int) -> bool:
    """Applies one limit of ids to several advertisers in order; returns whether any were left out."""
    if sum(len(part.chosen) for part in parts) < limit:
        return False
    left = limit
    for part in parts:
        if len(part.chosen) > left:
            part.chosen = part.chosen.newest(left)
        left -= len(part.chosen)
    return True


def _page(parts: Sequence[AdvertiserReport], places: Sequence[Ints], begin: int, end: int) -> str:
    written = []
    for part, part_places in zip(parts, places, strict=True):
        page_places = part_places[max(0, begin) : max(0, end)]
        if len(page_places):
            written.append(write_rows(part, page_places))
        begin, end = begin - len(part_places), end - len(part_places)
    return ",".join(written)


def _sum_up(parts: Sequence[AdvertiserReport], recipes: Mapping[str, Recipe]) -> dict[Leaf, Ints]:
    """Sums by leaf over all rows of all advertisers."""
    needed = [leaf for recipe in recipes.values() for leaf in leaves(recipe)]
    sums: dict[Leaf, Ints] = {leaf: np.zeros(1, dtype=np.int64) for leaf in needed}
    for part in parts:
        for leaf, values in part.sums(needed, part.everything()).items():
            sums[leaf] += values.sum()
    return sums


def _totals(scene: Scene, parts: Sequence[AdvertiserReport]) -> str:
    """The total_metrics as JSON: sums over all rows, "-" for non-additive metrics and attributes."""
    query = scene.query
    undivided = replace(scene, query=replace(query, time="none"))
    recipes = {name: recipe for name, recipe in recipes_of(query.metrics).items() if not has_people(recipe)}
    sums = _sum_up([AdvertiserReport(undivided, part.advertiser, part.chosen) for part in parts], recipes)
    shown = dict.fromkeys(metric_names(query), "-")
    for name, recipe in recipes.items():
        if not (query.several and query.identity is None and is_money(name)):
            shown[name] = text_of(name, recipe, several=query.several)(int(metric_values(recipe, sums)[0]))
    return orjson.dumps(shown).decode()


def _merged(parts: Sequence[AdvertiserReport], query: Query) -> list[str]:
    """Rows of several advertisers without an ID dimension: one per day or country, with "-" for money."""
    recipes = recipes_of(query.metrics)
    needed = [SEEN, *(leaf for recipe in recipes.values() for leaf in leaves(recipe))]
    by_key: dict[str, dict[Leaf, Ints]] = {}
    for part in parts:
        everything = part.sums(needed, part.everything())
        keys = part.times() if part.breakdown is None else [row[0] for row in part.breakdown.rows]
        for place, key in enumerate(keys):
            sums = by_key.setdefault(key, {leaf: np.zeros(1, dtype=np.int64) for leaf in needed})
            for leaf in sums:
                sums[leaf] += everything[leaf].reshape(-1, len(keys))[:, place].sum()
    return [_merged_row(key, sums, recipes, query) for key, sums in by_key.items() if sums[SEEN][0]]


def _merged_row(key: str, sums: Mapping[Leaf, Ints], recipes: Mapping[str, Recipe], query: Query) -> str:
    shown = dict.fromkeys(metric_names(query), "0")
    for name, recipe in recipes.items():
        text = text_of(name, recipe, several=True)
        shown[name] = "-" if is_money(name) else text(int(metric_values(recipe, sums)[0]))
    return orjson.dumps({"dimensions": {query.dimensions[0]: key}, "metrics": shown}).decode()
