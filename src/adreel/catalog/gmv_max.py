"""The levels of GMV Max reports: what goes together (docs 1824721673497601 and 1824722485971009)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

from adreel.catalog import all_spend

Promotion = Literal["PRODUCT", "LIVE"]

REPORT = "gmv_max"
"""The name of the report."""

SHOP_REPORTS = frozenset({REPORT, all_spend.REPORT})
"""The reports that read shops."""

PROMOTIONS: Mapping[str, tuple[Promotion, ...]] = MappingProxyType(
    {"all": ("PRODUCT", "LIVE"), "product": ("PRODUCT",), "live": ("LIVE",)}
)
"""The types of campaigns by the choice of the menu."""

FIRST_DAY = date(2024, 9, 27)
"""The first day of TikTok's figures of GMV Max, but for the net cost ("Metrics", doc 1824722485971009)."""

PERIOD = "duration"
"""The dimension of periods of one optimization mode. TikTok does not document how it writes them."""

TARGET = "roas_bid"
"""The metric of a campaign's target ROI."""

CAMPAIGN_STATUSES = ("STATUS_DELETE", "STATUS_DELIVERY_OK", "STATUS_DISABLE", "STATUS_NOT_DELIVERY")
"""All campaigns, deleted ones included. STATUS_ALL is not in all of TikTok's lists."""


@dataclass(frozen=True, slots=True)
class GmvMaxLevel:
    """A level: the `ids` of its rows, and those of the request in which the names of its things may be asked for.

    `promotion` is its only type of campaigns, None if it has both. `chain` counts the requests before that of the rows
    where nothing is split: the shop's own total, then the campaigns, then the products or LIVE sessions.
    """

    name: str
    ids: tuple[str, ...]
    own_id: str | None
    promotion: Promotion | None
    chain: int

    @property
    def by_period(self) -> bool:
        """Whether its rows are of periods of one optimization mode; TikTok has them for a range of days only."""
        return PERIOD in self.ids

    @property
    def metric_levels(self) -> frozenset[str]:
        """What gmv_max.csv calls the level; campaigns have different metrics by their type."""
        return frozenset({"product_campaign", "live_campaign"} if self.name == "campaign" else {self.name})


LEVELS: Mapping[str, GmvMaxLevel] = MappingProxyType(
    {
        level.name: level
        for level in (
            GmvMaxLevel("account", (), None, None, 0),
            GmvMaxLevel("campaign", ("campaign_id",), "campaign_id", None, 1),
            GmvMaxLevel("product", ("campaign_id", "item_group_id"), "item_group_id", "PRODUCT", 2),
            GmvMaxLevel("creative", ("campaign_id", "item_group_id", "item_id"), "item_id", "PRODUCT", 3),
            GmvMaxLevel("livestream", ("campaign_id", "room_id"), "room_id", "LIVE", 2),
            GmvMaxLevel("product_duration", ("campaign_id", "item_group_id", PERIOD), PERIOD, "PRODUCT", 3),
            GmvMaxLevel("live_duration", ("campaign_id", "room_id", PERIOD), PERIOD, "LIVE", 3),
        )
    }
)
"""The levels by name, in the order of the menu."""

DATED = tuple(level.name for level in LEVELS.values() if not level.by_period)
"""The levels that TikTok has by day."""


NAMES_ABOVE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"product": ("campaign_name",), "creative": ("campaign_name", "product_name"), "livestream": ("campaign_name",)}
)
"""By level the names of the things above its rows, which TikTok gives at their own level alone.

The steps before the rows ask for them. At the level itself TikTok refuses them with 40002.
"""


def metric_levels(level: str, promotion: str) -> frozenset[str]:
    """The names in gmv_max.csv of a level with one type of campaigns, or with `all`."""
    if level == "campaign" and promotion != "all":
        return frozenset({f"{promotion}_campaign"})
    return LEVELS[level].metric_levels
