"""Smart+ as its own endpoints show it: campaigns, ad groups, ads, and what the ads are made of.

An ad group of a Smart+ campaign has one Smart+ ad, whose creatives are the ads of the ad group. A creative has one main
material, one text, one call to action, and perhaps an interactive add-on. A material may be in two creatives of an ad,
and in two ads; all materials from a catalog have its id, so that two types of them share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.entities import Entities, Record, image_id, video_id
from adreel.simulator.world.hashing import word
from adreel.simulator.world.naming import call_to_action

MATERIAL_TYPES = (
    "VIDEO_SPARK_ADS",
    "SINGLE_IMAGE_NON_SPARK_ADS",
    "VIDEO_NON_SPARK_ADS",
    "CATALOG_CAROUSEL",
    "CATALOG_VIDEO_TEMPLATE",
)
"""The types that the world has, by the number of the material."""

_TEXTS = 4


@dataclass(frozen=True, slots=True)
class Element:
    """A part of a creative: its id in reports, its type, and what it is called or says."""

    id: str
    type: str
    name: str


class SmartPlus:
    """One advertiser's Smart+ campaigns, ad groups and ads, and the parts of their creatives, each by its position."""

    def __init__(self, advertiser: SimulatedAdvertiser, entities: Entities) -> None:
        """`entities` are all of the advertiser."""
        self._advertiser, self._entities, self._table = advertiser, entities, entities.table

    def campaigns(self) -> NDArray[np.bool_]:
        """Whether each campaign is one of Smart+."""
        return self._table.smart

    def adgroups(self) -> NDArray[np.bool_]:
        """Whether each ad group, and its ad, is one of Smart+."""
        table = self._table
        return table.smart[table.campaign[table.adgroups.first[:-1]]]

    def ads(self) -> NDArray[np.int64]:
        """The positions of all creatives of Smart+ ads."""
        return np.flatnonzero(self._table.smart[self._table.campaign]).astype(np.int64)

    # --- parts of creatives -----------------------------------------------------------------------------------

    def material(self, ad: int) -> Element:
        """The main material of a creative; the last of one ad may be the first of the next."""
        number, owner = (ad + 1) // 2, self._advertiser.id
        kind = MATERIAL_TYPES[number % len(MATERIAL_TYPES)]
        if kind.startswith("CATALOG"):
            return Element(_id(owner, "catalog"), kind, f"{self._advertiser.name} catalog")
        video = not kind.startswith("SINGLE_IMAGE")
        return Element(_id(owner, "material", number), kind, self._advertiser.naming.ad(number, video=video))

    def text(self, ad: int) -> Element:
        """The text of a creative."""
        number = ad % _TEXTS
        return Element(_id(self._advertiser.id, "text", number), "text", self._advertiser.naming.text(number))

    def call_to_action(self, ad: int) -> Element:
        """The call to action of a creative."""
        value = call_to_action(ad)
        kind = "dynamic_call_to_action" if ad % 7 == 0 else "manual_call_to_action"
        return Element(_id(self._advertiser.id, kind, value), kind, value)

    def add_on(self, ad: int) -> Element | None:
        """The interactive add-on of a creative, which every second one has."""
        number = ad % 3
        return None if ad % 2 else Element(_id(self._advertiser.id, "add_on", number), "add_on", f"Countdown {number}")

    def ad_material_id(self, ad: int) -> str:
        """The id of a material in its ad, which is another one in each."""
        return _id(self._advertiser.id, "ad material", ad)

    def is_enabled(self, ad: int) -> bool:
        """Whether a creative is switched on; what was deleted is off."""
        return not (self._table.disabled[ad] or self._table.deleted[ad])

    # --- records ----------------------------------------------------------------------------------------------

    def campaign(self, index: int) -> Record:
        """The campaign as smart_plus/campaign/get shows it."""
        table = self._table
        own: Record = {
            "catalog_enabled": False,
            "budget_auto_adjust_strategy": "UNSET",
            "smart_plus_adgroup_mode": "MULTIPLE",
            "is_promotional_campaign": False,
        }
        times = self._entities.times(int(table.campaigns.created[index]), smart=False, index=index)
        return self._entities.campaign(index) | own | times

    def adgroup(self, index: int) -> Record:
        """The ad group as smart_plus/adgroup/get shows it: the targeting is an object of its own."""
        ordinary = self._entities.adgroup(index)
        names = ("location_ids", "languages", "gender", "age_groups", "audience_ids", "excluded_audience_ids")
        own: Record = {
            "targeting_optimization_mode": "AUTOMATIC",
            "suggestion_audience_enabled": False,
            "budget_auto_adjust_strategy": "UNSET",
            "targeting_spec": {name: ordinary.pop(name) for name in names},
        }
        times = self._entities.times(int(self._table.adgroups.created[index]), smart=False, index=index)
        return ordinary | own | times

    def ad(self, adgroup: int) -> Record:
        """The Smart+ ad of an ad group as smart_plus/ad/get shows it."""
        table, entities = self._table, self._entities
        ads = list(range(int(table.adgroups.first[adgroup]), int(table.adgroups.first[adgroup + 1])))
        campaign = int(table.campaign[ads[0]])
        add_ons = dict.fromkeys(add_on.id for add_on in map(self.add_on, ads) if add_on is not None)
        record: Record = {
            "advertiser_id": self._advertiser.id,
            "campaign_id": str(table.campaigns.ids[campaign]),
            "campaign_name": entities.campaign_name(campaign),
            "adgroup_id": str(table.adgroups.ids[adgroup]),
            "adgroup_name": entities.adgroup_name(adgroup),
            "smart_plus_ad_id": entities.smart_plus_ad_id(adgroup),
            "ad_name": entities.ad_name(ads[0]),
            "creative_list": [self._creative(ad) for ad in ads],
            "ad_text_list": [{"ad_text": text} for text in dict.fromkeys(self.text(ad).name for ad in ads)],
            "call_to_action_list": [
                {"call_to_action": value} for value in dict.fromkeys(self.call_to_action(ad).name for ad in ads)
            ],
            "interactive_add_on_list": [{"card_id": add_on} for add_on in add_ons],
            "page_list": [],
            "landing_page_url_list": [{"landing_page_url": entities.url(ads[0])}],
            "deeplink_list": [],
            "ad_configuration": {"catalog_creative_toggle": False, "product_specific_type": "ALL"},
        }
        times = entities.times(int(table.adgroups.created[adgroup]), smart=False, index=adgroup)
        return record | entities.status("AD_STATUS", "adgroup", adgroup) | times

    def _creative(self, ad: int) -> Record:
        material = self.material(ad)
        video = material.type.startswith("VIDEO")
        info: Record = {
            "ad_format": "SINGLE_VIDEO" if video else "CAROUSEL_ADS",
            "material_name": material.name,
            "video_info": {"video_id": video_id(self._table, ad), "file_name": material.name} if video else None,
            "image_info": [] if video else [{"web_uri": image_id(self._table, ad)}],
            "tiktok_item_id": material.id if material.type == "VIDEO_SPARK_ADS" else None,
        }
        return {
            "ad_material_id": self.ad_material_id(ad),
            "material_operation_status": "ENABLE" if self.is_enabled(ad) else "DISABLE",
            "creative_info": cast(object, info),
        }


def _id(*parts: object) -> str:
    """A 19-digit id."""
    return str(7 * 10**18 + word(*parts) % 10**18)
