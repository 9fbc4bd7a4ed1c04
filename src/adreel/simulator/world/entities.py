"""Campaigns, ad groups and ads as the entity endpoints and the attribute metrics show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.clock import Clock
from adreel.simulator.world.hashing import word
from adreel.simulator.world.naming import call_to_action
from adreel.simulator.world.table import (
    APP,
    BUYING_TYPES,
    OBJECTIVES,
    RESERVATION_RF,
    RESERVATION_TOP_VIEW,
    SECOND_GOAL,
    VIDEO,
    AdTable,
)

Record = dict[str, object]
Flags = NDArray[np.bool_]

_GOALS = ("CONVERT", "INSTALL", "CLICK", "LEAD_GENERATION", "VALUE", "VIDEO_VIEW", "REACH", "ENGAGED_VIEW")
_BILLING = ("OCPM", "OCPM", "CPC", "OCPM", "OCPM", "CPV", "CPM", "CPM")
_PROMOTION = ("WEBSITE", "APP_ANDROID", "WEBSITE", "LEAD_GENERATION", "TIKTOK_SHOP", "VIDEO", "WEBSITE", "WEBSITE")
_PROMOTION_WORDS = ("Website", "App", "Website", "Instant Form", "TikTok Shop", "Video", "Website", "Website")


def utc_text(seconds: int) -> str:
    """A time as the entity endpoints write it: `YYYY-MM-DD HH:MM:SS` in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


class Entities:
    """One advertiser's campaigns, ad groups and ads, each by its position."""

    def __init__(self, advertiser: SimulatedAdvertiser, table: AdTable, clock: Clock) -> None:
        """`clock` says what has ended by now."""
        self._advertiser, self.table, self._clock = advertiser, table, clock

    # --- statuses -------------------------------------------------------------------------------------------

    def deleted(self, level: str) -> Flags:
        """Whether each entity of a level is deleted, itself or with its campaign or ad group."""
        table = self.table
        if level == "campaign":
            return table.campaigns.deleted
        if level == "adgroup":
            return table.adgroups.deleted | table.campaigns.deleted[self._campaign_of_adgroup()]
        return table.deleted | self.deleted("adgroup")[table.adgroup]

    def disabled(self, level: str) -> Flags:
        """Whether each entity of a level is switched off, itself or with its campaign or ad group."""
        table = self.table
        if level == "campaign":
            return table.campaigns.disabled
        if level == "adgroup":
            return table.adgroups.disabled | table.campaigns.disabled[self._campaign_of_adgroup()]
        return table.disabled | self.disabled("adgroup")[table.adgroup]

    def done(self, level: str) -> Flags:
        """Whether each entity of a level has run out (ads only)."""
        if level == "ad":
            return self.table.stop <= self._clock.today(self._advertiser.offset)
        groups = self.table.campaigns if level == "campaign" else self.table.adgroups
        return np.zeros(len(groups), dtype=bool)

    def having(self, level: str, statuses: frozenset[str]) -> Flags:
        """Whether each entity of a level has one of the primary statuses."""
        deleted, disabled, done = self.deleted(level), self.disabled(level), self.done(level)
        masks: Mapping[str, Flags] = {
            "STATUS_ALL": np.ones(len(deleted), dtype=bool),
            "STATUS_NOT_DELETE": ~deleted,
            "STATUS_DELETE": deleted,
            "STATUS_DISABLE": disabled & ~deleted,
            "STATUS_TIME_DONE": done & ~deleted & ~disabled,
            "STATUS_DELIVERY_OK": ~deleted & ~disabled & ~done,
            "STATUS_NOT_DELIVERY": ~deleted & (disabled | done),
        }
        chosen = np.zeros(len(deleted), dtype=bool)
        for status in statuses & masks.keys():
            chosen |= masks[status]
        return chosen

    def _campaign_of_adgroup(self) -> NDArray[np.int64]:
        table = self.table
        return table.campaign[table.adgroups.first[:-1]]

    # --- names ------------------------------------------------------------------------------------------------

    def campaign_name(self, index: int) -> str:
        """The name of a campaign."""
        return self._advertiser.naming.campaign(index, int(self.table.objective[index]), self._advertiser.country)

    def adgroup_name(self, index: int) -> str:
        """The name of an ad group."""
        return self._advertiser.naming.adgroup(index)

    def ad_name(self, index: int) -> str:
        """The name of an ad."""
        return self._advertiser.naming.ad(index, video=bool(self.table.surfaces[index] & VIDEO))

    # --- records --------------------------------------------------------------------------------------------

    def campaign(self, index: int) -> Record:
        """The campaign as campaign/get shows it."""
        table = self.table
        objective, objective_type = self._objective(index)
        smart, ios = bool(table.smart[index]), bool(table.ios[index])
        record: Record = {
            "advertiser_id": self._advertiser.id,
            "campaign_id": str(table.campaigns.ids[index]),
            "campaign_name": self.campaign_name(index),
            "campaign_type": "IOS14_CAMPAIGN" if ios else "REGULAR_CAMPAIGN",
            "campaign_system_origin": "TT_ADS_PLATFORM",
            "objective": "LANDING_PAGE" if objective != 1 else "APP",
            "objective_type": objective_type,
            "app_promotion_type": "APP_INSTALL" if objective == 1 else None,
            "sales_destination": "TIKTOK_SHOP" if objective == 4 else "WEBSITE" if objective == 0 else None,
            "campaign_product_source": "STORE" if table.gmv_max[index] else None,
            "budget": table.currency.worth(_campaign_budget(index)),
            "budget_mode": "BUDGET_MODE_DAY" if index % 3 else "BUDGET_MODE_INFINITE",
            "budget_optimize_on": index % 4 == 0,
            "bid_type": "BID_TYPE_NO_BID" if smart else "BID_TYPE_CUSTOM",
            "deep_bid_type": None,
            "roas_bid": 0.0,
            "optimization_goal": _GOALS[objective],
            "is_smart_performance_campaign": smart,
            "is_search_campaign": False,
            "is_new_structure": True,
            "is_advanced_dedicated_campaign": ios,
            "disable_skan_campaign": not ios,
            "app_id": "7100000000000000001" if objective == 1 else None,
            "rf_campaign_type": "STANDARD" if table.buying[index] == RESERVATION_RF else None,
            "special_industries": [],
            "po_number": None,
            "rta_id": None,
            "rta_bid_enabled": False,
            "rta_product_selection_enabled": False,
        }
        record |= self.status("CAMPAIGN_STATUS", "campaign", index)
        return record | self.times(int(table.campaigns.created[index]), smart=smart, index=index)

    def _objective(self, campaign: int) -> tuple[int, str]:
        table = self.table
        objective = int(table.objective[campaign])
        if table.buying[campaign] == RESERVATION_RF:
            return objective, "RF_REACH"
        if table.buying[campaign] == RESERVATION_TOP_VIEW:
            return objective, "TOPVIEW_REACH"
        return objective, OBJECTIVES[objective][0]

    def objective_types(self) -> list[str]:
        """Each campaign's objective_type."""
        return [self._objective(index)[1] for index in range(len(self.table.campaigns))]

    def adgroup(self, index: int) -> Record:
        """The ad group as adgroup/get shows it."""
        table = self.table
        first = int(table.adgroups.first[index])
        campaign = int(table.campaign[first])
        objective, smart = int(table.objective[campaign]), bool(table.smart[campaign])
        record: Record = {
            "advertiser_id": self._advertiser.id,
            "campaign_id": str(table.campaigns.ids[campaign]),
            "campaign_name": self.campaign_name(campaign),
            "adgroup_id": str(table.adgroups.ids[index]),
            "adgroup_name": self.adgroup_name(index),
            "promotion_type": _PROMOTION[objective],
            "app_id": "7100000000000000001" if objective == 1 else None,
            "pixel_id": "7200000000000000001" if objective in (0, 2) else None,
            "optimization_event": "ON_WEB_ORDER" if objective == 0 else None,
            "optimization_goal": _GOALS[objective],
            "secondary_optimization_event": "ON_WEB_CART" if table.surfaces[first] & SECOND_GOAL else None,
            "frequency": 3 if table.buying[campaign] == RESERVATION_RF else None,
            "frequency_schedule": 7 if table.buying[campaign] == RESERVATION_RF else None,
            "bid_type": "BID_TYPE_NO_BID" if smart else "BID_TYPE_CUSTOM",
            "bid_price": 0.0 if smart else table.currency.worth(_bid(index)),
            "budget": table.currency.worth(_adgroup_budget(index)),
            "billing_event": _BILLING[objective],
            "operating_systems": ["ANDROID"] if objective == 1 else [],
            "is_smart_performance_campaign": smart,
        }
        created = int(table.adgroups.created[index])
        record |= _targeting(index) | _schedule(created) | self.status("ADGROUP_STATUS", "adgroup", index)
        return record | self.times(created, smart=smart, index=index)

    def ad(self, index: int) -> Record:
        """The ad as ad/get shows it."""
        table = self.table
        campaign, adgroup = int(table.campaign[index]), int(table.adgroup[index])
        smart, video = bool(table.smart[campaign]), bool(table.surfaces[index] & VIDEO)
        record: Record = {
            "advertiser_id": self._advertiser.id,
            "campaign_id": str(table.campaigns.ids[campaign]),
            "campaign_name": self.campaign_name(campaign),
            "adgroup_id": str(table.adgroups.ids[adgroup]),
            "adgroup_name": self.adgroup_name(adgroup),
            "ad_id": str(table.ids[index]),
            "ad_name": self.ad_name(index),
            "ad_format": "SINGLE_VIDEO" if video else "SINGLE_IMAGE",
            "identity_type": "CUSTOMIZED_USER",
            "identity_id": str(word(self._advertiser.id, "identity") % 10**18 + 7 * 10**18),
            "video_id": video_id(table, index) if video else None,
            "image_ids": [image_id(table, index)],
            "ad_text": self._advertiser.naming.text(index),
            "call_to_action": call_to_action(index),
            "landing_page_url": self.url(index),
            "utm_params": [{"key": "utm_source", "value": "tiktok"}],
            "deeplink": "",
            "deeplink_type": "NORMAL",
            "display_name": self._advertiser.name,
            "app_name": "Example App" if table.surfaces[index] & APP else "",
            "profile_image_url": "",
            "playable_url": "",
            "tracking_pixel_id": 7200000000000000001 if table.objective[campaign] in (0, 2) else 0,
            "is_aco": False,
            "is_new_structure": True,
            "optimization_event": "ON_WEB_ORDER" if table.objective[campaign] == 0 else None,
            "campaign_system_origin": "TT_ADS_PLATFORM",
        }
        record |= self.status("AD_STATUS", "ad", index)
        return record | self.times(int(table.created[index]), smart=smart, index=index)

    def url(self, index: int) -> str:
        """The landing page of an ad."""
        return f"https://shop.example/{self._advertiser.index}/{index % 50}?utm_source=tiktok&c={index}"

    def status(self, prefix: str, level: str, index: int) -> Record:
        """The on/off status of an entity and its detailed status, which begins with `prefix`."""
        table = self.table
        groups = {"campaign": table.campaigns, "adgroup": table.adgroups}.get(level)
        own_deleted = bool((groups or table).deleted[index])
        own_disabled = bool((groups or table).disabled[index])
        if self.deleted(level)[index]:
            secondary = "DELETE"
        elif own_disabled:
            secondary = "DISABLE"
        elif self.disabled(level)[index]:
            secondary = "CAMPAIGN_DISABLE"
        elif self.done(level)[index]:
            secondary = "DONE"
        else:
            secondary = "ENABLE" if level == "campaign" else "DELIVERY_OK"
        operation = "DELETE" if own_deleted else "DISABLE" if own_disabled else "ENABLE"
        return {"operation_status": operation, "secondary_status": f"{prefix}_{secondary}"}

    def times(self, created: int, *, smart: bool, index: int) -> Record:
        """When an entity was created and changed; Smart+ entities have no modify_time in the ordinary lists."""
        modified = {} if smart else {"modify_time": utc_text(created + 86400 * (1 + index % 30) + index % 3600)}
        return {"create_time": utc_text(created), **modified}

    # --- attribute metrics ----------------------------------------------------------------------------------

    def attribute(self, name: str, ad: int) -> str | list[str]:
        """An attribute metric of the entity whose first ad is `ad`; "-" where it does not apply."""
        if name in _AD_LISTS:
            return self._list_attribute(name, ad)
        read = _ATTRIBUTES.get(name)
        return read(self, ad) if read is not None else self._account_attributes.get(name, "-")

    @cached_property
    def _account_attributes(self) -> Mapping[str, str]:
        """Attributes that are the same for all entities of the advertiser."""
        advertiser = self._advertiser
        return {
            "advertiser_name": advertiser.name,
            "advertiser_id": advertiser.id,
            "currency": advertiser.currency,
            "timezone": advertiser.timezone,
            "ad_display_name": advertiser.name,
            "identity_type": "CUSTOMIZED_USER",
            "is_aco": "false",
        }

    def _list_attribute(self, name: str, ad: int) -> list[str]:
        if name == "ad_text_list":
            return [self._advertiser.naming.text(ad), self._advertiser.naming.text(ad + 1)]
        if name == "call_to_action_list":
            return [call_to_action(ad)]
        if name == "ad_url_list":
            return [self.url(ad)]
        if name == "ad_display_name_list":
            return [self._advertiser.name]
        return []

    def ad_id_v2(self, ad: int) -> str:
        """The id that Smart+ calls the ad's: one for all creatives of its ad group; others have their own."""
        table = self.table
        if not table.smart[table.campaign[ad]]:
            return str(table.ids[ad])
        return self.smart_plus_ad_id(int(table.adgroup[ad]))

    def smart_plus_ad_id(self, adgroup: int) -> str:
        """The id of the Smart+ ad that an ad group of a Smart+ campaign has."""
        table = self.table
        return str(int(table.adgroups.created[adgroup]) << 30 | table.index << 20 | 3 << 18 | (adgroup + 1))

    def buying_type(self, campaign: int) -> str:
        """How the campaign was bought."""
        return BUYING_TYPES[int(self.table.buying[campaign])]

    def price(self, dollars: float) -> str:
        """What costs so many dollars in America, as attributes write it."""
        return f"{self.table.currency.worth(dollars):.2f}"

    def automation(self, campaign: int) -> str:
        """MANUAL or UPGRADED_SMART_PLUS."""
        return "UPGRADED_SMART_PLUS" if self.table.smart[campaign] else "MANUAL"


def _targeting(index: int) -> Record:
    """Whom an ad group is for, and where it is shown."""
    return {
        "placement_type": "PLACEMENT_TYPE_AUTOMATIC" if index % 3 else "PLACEMENT_TYPE_NORMAL",
        "placements": ["PLACEMENT_TIKTOK", "PLACEMENT_PANGLE"] if index % 3 else ["PLACEMENT_TIKTOK"],
        "search_result_enabled": index % 2 == 0,
        "comment_disabled": False,
        "video_download_disabled": index % 5 == 0,
        "share_disabled": False,
        "location_ids": ["6252001"],
        "languages": ["en"],
        "gender": ("GENDER_UNLIMITED", "GENDER_MALE", "GENDER_FEMALE")[index % 3],
        "age_groups": ["AGE_18_24", "AGE_25_34"] if index % 2 else None,
        "audience_ids": [],
        "excluded_audience_ids": [],
        "interest_category_ids": [],
        "brand_safety_type": "STANDARD_INVENTORY",
        "is_hfss": False,
    }


def _campaign_budget(index: int) -> float:
    """A day's, in dollars."""
    return 50 * (1 + index % 40)


def _adgroup_budget(index: int) -> float:
    """A day's, in dollars."""
    return 20 + index % 30


def _bid(index: int) -> float:
    """In dollars."""
    return 0.5 + index % 7 * 0.25


def _schedule(created: int) -> Record:
    """When an ad group runs, and how its events are counted."""
    return {
        "budget_mode": "BUDGET_MODE_DAY",
        "scheduled_budget": 0.0,
        "schedule_type": "SCHEDULE_FROM_NOW",
        "schedule_start_time": utc_text(created),
        "schedule_end_time": utc_text(created + 3650 * 86400),
        "dayparting": "1" * 336,
        "conversion_bid_price": 0.0,
        "click_attribution_window": "SEVEN_DAYS",
        "engaged_view_attribution_window": "ONE_DAY",
        "view_attribution_window": "ONE_DAY",
        "attribution_event_count": "EVERY",
        "pacing": "PACING_MODE_SMOOTH",
        "is_new_structure": True,
        "skip_learning_phase": True,
    }


def video_id(table: AdTable, ad: int) -> str:
    """Three ads in a row share a video."""
    return f"v10033g50000c{word(table.index, 'video', ad // 3) % 10**15:015d}"


def image_id(table: AdTable, ad: int) -> str:
    """Three ads in a row share an image."""
    return f"ad-site-i18n-sg/{word(table.index, 'image', ad // 3) % 10**15:015d}"


def _campaign(entities: Entities, ad: int) -> int:
    return int(entities.table.campaign[ad])


def _objective_index(entities: Entities, ad: int) -> int:
    return int(entities.table.objective[_campaign(entities, ad)])


def _app(entities: Entities, ad: int, value: str) -> str:
    return value if _objective_index(entities, ad) == 1 else "0"


_ATTRIBUTES: Mapping[str, Callable[[Entities, int], str]] = {
    "ad_name": lambda e, ad: e.ad_name(ad),
    "ad_text": lambda e, ad: e._advertiser.naming.text(ad),
    "call_to_action": lambda _, ad: call_to_action(ad),
    "campaign_name": lambda e, ad: e.campaign_name(_campaign(e, ad)),
    "campaign_automation_type": lambda e, ad: e.automation(_campaign(e, ad)),
    "objective_type": lambda e, ad: e._objective(_campaign(e, ad))[1],
    "campaign_budget": lambda e, ad: e.price(_campaign_budget(_campaign(e, ad))),
    "campaign_dedicate_type": lambda e, ad: "iOS14" if e.table.ios[_campaign(e, ad)] else "Regular",
    "app_promotion_type": lambda e, ad: "App install" if _objective_index(e, ad) == 1 else "-",
    "rf_campaign_type": lambda e, ad: "STANDARD" if e.table.buying[_campaign(e, ad)] == RESERVATION_RF else "-",
    "adgroup_name": lambda e, ad: e.adgroup_name(int(e.table.adgroup[ad])),
    "placement_type": lambda e, ad: "Automatic Placement" if e.table.adgroup[ad] % 3 else "TikTok",
    "promotion_type": lambda e, ad: _PROMOTION_WORDS[_objective_index(e, ad)],
    "adgroup_download_url": lambda e, ad: e.url(ad),
    "budget": lambda e, ad: e.price(_adgroup_budget(int(e.table.adgroup[ad]))),
    "smart_target": lambda e, ad: _GOALS[_objective_index(e, ad)].replace("_", " ").capitalize(),
    "pricing_category": lambda e, ad: _BILLING[_objective_index(e, ad)],
    "billing_event": lambda e, ad: _BILLING[_objective_index(e, ad)],
    "bid_strategy": lambda e, ad: "Lowest cost" if e.table.smart[_campaign(e, ad)] else "Cost cap",
    "bid": lambda e, ad: e.price(_bid(int(e.table.adgroup[ad]))),
    "ad_id_v2": lambda e, ad: e.ad_id_v2(ad),
    "ad_url": lambda e, ad: e.url(ad),
    "tt_app_id": lambda e, ad: _app(e, ad, "7100000000000000001"),
    "tt_app_name": lambda e, ad: _app(e, ad, "Example App"),
    "mobile_app_id": lambda e, ad: _app(e, ad, "com.example.app"),
    "image_mode": lambda e, ad: "Video" if e.table.surfaces[ad] & VIDEO else "Image",
    "is_smart_creative": lambda e, ad: "true" if e.table.smart[_campaign(e, ad)] else "false",
    "optimization_event": lambda e, ad: "ON_WEB_ORDER" if _objective_index(e, ad) == 0 else "-",
}
_AD_LISTS = frozenset(
    [
        "ad_text_list",
        "call_to_action_list",
        "ad_profile_image_list",
        "ad_url_list",
        "image_mode_list",
        "image_info_list",
        "ad_display_name_list",
        "identity_type_list",
        "profile_image_list",
    ]
)
