"""Further types of TikTok's synchronous report, each a report of its own: what goes together in it.

Rules: docs 1738864835805186 ("Report types"), 1803073629472770 and 1803073899092993 (TT_SHOP), 1775747432712194 (BC).
The groupings of PLAYABLE_MATERIAL are those of a connector for an older version of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adreel.catalog.records import Level

SELLER_CENTER = "seller_center_ads"
PLAYABLES = "playable_ads"
CENTER_SPEND = "business_center_spend"

COUNTRY = "country_code"

LONGEST_CENTER_SPAN = 365
"""Days that a request for figures of a Business Center may span, also by day."""


@dataclass(frozen=True, slots=True)
class RowGrouping:
    """What rows are of: an entity or none, and its countries; `time` is set where the rows are of days."""

    id: str | None
    level: Level | None = None
    breakdowns: tuple[str, ...] = ()
    time: str | None = None


@dataclass(frozen=True, slots=True)
class FurtherReport:
    """A report by TikTok's `type`, with its groupings by the choice of the menu; `menu` is that menu's name.

    `kind` is the `report_type` of its datasets.
    """

    type: str
    kind: str
    menu: str
    groupings: Mapping[str, RowGrouping]

    def grouping(self, choice: str) -> RowGrouping:
        """The grouping of a choice; without one, that of the first."""
        return self.groupings.get(choice) or next(iter(self.groupings.values()))


FURTHER: Mapping[str, FurtherReport] = MappingProxyType(
    {
        SELLER_CENTER: FurtherReport(
            "TT_SHOP",
            "seller_center",
            "seller_center_grouping",
            MappingProxyType(
                {
                    "advertiser": RowGrouping("advertiser_id", "advertiser"),
                    "advertiser_country": RowGrouping("advertiser_id", "advertiser", (COUNTRY,)),
                    "campaign_country": RowGrouping("campaign_id", "campaign", (COUNTRY,)),
                }
            ),
        ),
        PLAYABLES: FurtherReport(
            "PLAYABLE_MATERIAL",
            "playable",
            "playable_grouping",
            MappingProxyType(
                {
                    "playable": RowGrouping("playable_id"),
                    "playable_country": RowGrouping("playable_id", breakdowns=(COUNTRY,)),
                }
            ),
        ),
        CENTER_SPEND: FurtherReport(
            "BC",
            "business_center",
            "center_grouping",
            MappingProxyType(
                {
                    "advertiser": RowGrouping("advertiser_id"),
                    "advertiser_country": RowGrouping("advertiser_id", breakdowns=(COUNTRY,)),
                    "day": RowGrouping(None, time="day"),
                }
            ),
        ),
    }
)
"""The reports by name."""

TYPES = frozenset(report.type for report in FURTHER.values())
"""TikTok's names of their types."""
