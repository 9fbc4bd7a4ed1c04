"""Upgraded Smart+: its lists, and what goes together in its reports of materials.

Lists: docs 1843312818332930, 1843314879617026 and 1843317378982914. Reports: docs 1843317489576961 (overview) and
1843317510389761 (breakdown), with their dimensions (1843337892165889 and 1843337879988226).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

MATERIALS = "smart_plus_materials"
"""The name of the report of materials."""


@dataclass(frozen=True, slots=True)
class SmartPlusList:
    """A list of Smart+ entities: its path, the id of its rows, and the most rows of a page."""

    path: str
    id: str
    page_size: int


LISTS: Mapping[str, SmartPlusList] = MappingProxyType(
    {
        "smart_plus_campaigns": SmartPlusList("/smart_plus/campaign/get/", "campaign_id", 1000),
        "smart_plus_ad_groups": SmartPlusList("/smart_plus/adgroup/get/", "adgroup_id", 1000),
        "smart_plus_ads": SmartPlusList("/smart_plus/ad/get/", "smart_plus_ad_id", 100),
    }
)
"""The lists by the name of their report."""

OVERVIEW_PATH = "/smart_plus/material_report/overview/"
"""The report by exactly one id and one asset, for a range or a lifetime."""

BREAKDOWN_PATH = "/smart_plus/material_report/breakdown/"
"""The report of a whole ad account by one asset or several, and by time."""

IDS: Mapping[str, str] = MappingProxyType(
    {"advertiser": "advertiser_id", "campaign": "campaign_id", "adgroup": "adgroup_id", "ad": "smart_plus_ad_id"}
)
"""The id of the rows by data level."""

TYPES: Mapping[str, str] = MappingProxyType(
    {"main_material_id": "main_material_type", "call_to_action_entity_id": "call_to_action_entity_type"}
)
"""The types that TikTok sends beside the ids of assets, but for those with a single one.

Materials of several types can have the same id, that of their catalog, so that the type belongs to the primary key.
"""

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "main_material_name": "main_material_id",
        "ad_text": "ad_text_entity_id",
        "call_to_action": "call_to_action_entity_id",
        "interactive_add_on_name": "interactive_add_on_entity_id",
        "interactive_add_on_id": "interactive_add_on_entity_id",
    }
)
"""What assets are called, by the metric: TikTok sends these with their asset, and its list of metrics has none."""

UNASKED = frozenset([*NAMES, *TYPES.values(), "ad_text_entity_type", "interactive_add_on_entity_type", "multi_name"])
"""What TikTok sends of assets without being asked; `multi_name` is their names in one, and two types have one value."""

AD_ONLY = frozenset({"ad_material_id", "material_primary_status", "material_second_status_list", "operation_status"})
"""Attributes of a material in an ad, which are empty in rows of anything else."""

AUTOMATION = "UPGRADED_SMART_PLUS"
"""The `campaign_automation_type` of the campaigns whose ads the reports are about."""


def is_overview(assets: Collection[str], time: str) -> bool:
    """Whether the overview has the rows of these assets; else the breakdown has."""
    return len(assets) == 1 and time == "none"
