"""The values that breakdowns return, and how an ad's impressions are divided among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.figures import SPLIT, Split
from adreel.simulator.world.hashing import bits_of, word

Ints = NDArray[np.int64]

AGES = ("AGE_13_17", "AGE_18_24", "AGE_25_34", "AGE_35_44", "AGE_45_54", "AGE_55_100")
GENDERS = ("FEMALE", "MALE", "NONE")
_HABITS = 8

_VALUES: Mapping[str, tuple[str, ...]] = {
    "province_id": ("5332921", "5368361", "5128638", "4736286", "4155751", "6254926", "0"),
    "dma_id": ("501", "803", "602", "618", "0"),
    "ac": ("WIFI", "3G", "4G", "5G"),
    "language": ("en", "es", "de", "ja", "fr"),
    "platform": ("ANDROID", "IPHONE", "IPAD"),
    "placement": ("TikTok", "Pangle", "Global App Bundle"),
    "interest_category": ("10", "11", "13", "14", "15", "21"),
    "interest_category_v2": ("10", "11", "13", "14", "15", "21"),
    "interest_category_tier2": ("10100", "11105", "13102", "14101"),
    "interest_category_tier3": ("10100101", "11105102", "13102104"),
    "interest_category_tier4": ("1010010101", "1110510202"),
    "behavior_id": ("1801", "1802", "1803"),
    "purchase_intention": ("20001", "20002", "20003"),
    "device_brand_id": ("7001", "7002", "7003", "7004"),
    "contextual_tag": ("3001", "3002", "3003"),
    "hashtag": ("41001", "41002", "41003"),
    "audience_tags": ("51001", "51002"),
    "additional_interests": ("61001", "61002"),
    "bucket_id": ("1", "2", "3", "4"),
    "ad_type": ("Search", "Feed"),
    "custom_event_type": ("quiz_done", "store_visit", "Wish, added"),
    "component_name": ("Button 1", "Form", "Video, top"),
    "search_terms": ("running shoes", "cheap flights", "ギフト", 'what is "utm"'),
    "match_type": ("PRECISE_WORD", "PHRASE_WORD", "BROAD_WORD"),
    "skan_postback_sequence": ("1", "2", "3"),
}
_IDS = {
    "event_source_id": 3,
    "page_id": 3,
    "room_id": 2,
    "post_id": 6,
    "image_id": 4,
    "video_material_id": 5,
    "minis_id": 2,
    "catalog_id": 2,
    "product_set_id": 3,
    "product_id": 8,
    "sku_id": 10,
}
_PARTLY = frozenset(
    [
        "custom_event_type",
        "event_source_id",
        "page_id",
        "component_name",
        "room_id",
        "post_id",
        "minis_id",
        "search_terms",
        "search_keyword",
        "skan_postback_sequence",
        "catalog_id",
        "product_set_id",
        "product_id",
        "sku_id",
        "hashtag",
        "audience_tags",
        "additional_interests",
        "behavior_id",
        "purchase_intention",
        "contextual_tag",
    ]
)
"""Dimensions that only a part of an ad's delivery has a value of; the rest is in no row."""

PROMPT = frozenset({"country_code", "placement"})
"""Audience dimensions that are as fresh as the basic figures; the others are 16 hours late."""

LATEST = frozenset({"behavior_id", "purchase_intention"})
"""Audience dimensions that are 24 hours late."""

LATE = frozenset(
    {"ad_type", "custom_event_type", "event_source_id", "page_id", "component_name", "post_id", "search_terms"}
)
"""Dimensions of basic reports that are 16 hours late."""


def late_hours(report: str, names: tuple[str, ...]) -> int:
    """How many hours late the rows of a report by these dimensions are (TikTok's doc 1738864894606337)."""
    dimensions = set(names)
    if dimensions & LATEST:
        return 24
    if report == "AUDIENCE":
        return 0 if dimensions & PROMPT else 16
    return 16 if report == "CATALOG" or dimensions & LATE else 0


@dataclass(frozen=True, slots=True, eq=False)
class Breakdown:
    """How one ad's slot is divided into rows: the dimension values of each row, and `cells[i]`, the cells of row i."""

    rows: tuple[tuple[str, ...], ...]
    cells: tuple[Ints, ...]
    split: Split

    def gather(self, amounts: Ints) -> Ints:
        """Sums amounts by cell (last axis) to amounts by row."""
        return np.stack([amounts[..., cells].sum(axis=-1) for cells in self.cells], axis=-1)


def make_breakdown(names: tuple[str, ...], advertiser: SimulatedAdvertiser, seed: int) -> Breakdown:
    """The rows for the breakdown dimensions `names`, with values in the order of `names`."""
    axes = _axes(names, advertiser, seed)
    cells = [()] if not axes else _product([values for _, values in axes])
    unattributed = 40 if names[0].startswith(("search", "match")) else 2 if names[0] in _PARTLY else 0
    shares = _shares(len(cells), seed, "+".join(name for name, _ in axes), unattributed)
    places = [[name for name, _ in axes].index(name) for name in names]
    by_row: dict[tuple[str, ...], list[int]] = {}
    for number, cell in enumerate(cells):
        by_row.setdefault(tuple(cell[place] for place in places), []).append(number)
    members = tuple(np.array(numbers, dtype=np.int64) for numbers in by_row.values())
    return Breakdown(tuple(by_row), members, Split(shares, word(seed, "habit", axes[0][0])))


def _axes(names: tuple[str, ...], advertiser: SimulatedAdvertiser, seed: int) -> list[tuple[str, tuple[str, ...]]]:
    """The dimensions that divide an ad's impressions; age and gender always together, so that both agree."""
    if set(names) & {"age", "gender"}:
        return [("age", AGES), ("gender", GENDERS)]
    if set(names) & {"search_keyword", "match_type"}:
        keywords = ("sneakers", "trail shoes", "buy, now")
        return [("search_keyword", keywords), ("match_type", _VALUES["match_type"])]
    return [(name, _values(name, advertiser, seed)) for name in names]


def _values(name: str, advertiser: SimulatedAdvertiser, seed: int) -> tuple[str, ...]:
    if name == "country_code":
        return tuple(dict.fromkeys((advertiser.country, "US", "DE", "FR", "JP", "BR", "None")))
    if name in _IDS:
        return tuple(str(7 * 10**18 + word(seed, name, i) % 10**18) for i in range(_IDS[name]))
    return _VALUES[name]


def _product(axes: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    cells: list[tuple[str, ...]] = [()]
    for values in axes:
        cells = [(*cell, value) for cell in cells for value in values]
    return cells


def _shares(cells: int, seed: int, name: str, unattributed: int) -> Ints:
    """Running shares for a few habits; some cells get nothing, and `unattributed` times their sum is in no row."""
    weights = (bits_of(_HABITS * cells, seed, "shares", name) >> np.uint64(54)).astype(np.int64)
    weights = weights.reshape(_HABITS, cells)
    weights[weights < 100] = 0
    weights[:, 0] += 200
    shares = np.zeros((_HABITS, cells + 1), dtype=np.int64)
    np.cumsum(weights, axis=1, out=shares[:, 1:])
    return shares * SPLIT // (shares[:, -1:] * (1 + unattributed))
