"""Names of the older API versions v1.1 and v1.2 and their names in v1.3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adreel.catalog.load import dimensions, metrics


@dataclass(frozen=True, slots=True)
class LegacyPair:
    """Two old metrics that share one column: `name` is that column's name, for rule B its title."""

    first: str
    second: str
    name: str


_RENAMED = (
    ("register", "registration"),
    ("register_cost", "cost_per_registration"),
    ("register_rate", "registration_rate"),
    ("pay", "purchase"),
    ("pay_cost", "cost_per_purchase"),
    ("pay_rate", "purchase_rate"),
    ("register_show", "vta_registration"),
    ("register_show_cost", "cost_per_vta_registration"),
    ("pay_show", "vta_purchase"),
    ("pay_show_cost", "cost_per_vta_purchase"),
    ("register_click", "cta_registration"),
    ("register_click_cost", "cost_per_cta_registration"),
    ("pay_click_cost", "cost_per_cta_purchase"),
    ("pay_click", "cta_purchase"),
)

RULE_A = tuple(LegacyPair(f"active_{old}", f"time_attr_active_{old}", new) for old, new in _RENAMED)
"""Both became one v1.3 metric: if both are requested, the second is ignored."""

RULE_B = (
    LegacyPair("add_billing", "total_add_payment_info", "Total Add Payment Info"),
    LegacyPair("cost_per_registration", "cost_per_total_registration", "Cost per Registration"),
    LegacyPair("total_app_event_add_to_cart_value", "total_web_event_add_to_cart_value", "Total Add to Cart Value"),
    LegacyPair("cost_per_total_app_event_add_to_cart", "cost_per_web_event_add_to_cart", "Cost per Add to Cart"),
    LegacyPair("value_per_total_app_event_add_to_cart", "value_per_web_event_add_to_cart", "Value per Add to Cart"),
    LegacyPair("cost_per_product_details_page_browse", "cost_per_total_view_content", "Cost per View Content"),
    LegacyPair("value_per_product_details_page_browse", "value_per_total_view_content", "Value per View Content"),
    LegacyPair("cost_per_purchase", "cost_per_total_purchase", "Cost per Purchase"),
    LegacyPair("cost_per_search", "cost_per_total_search", "Cost per Search"),
    LegacyPair("product_details_page_browse", "total_view_content", "Total View Content"),
    LegacyPair("total_product_details_page_browse_value", "total_view_content_value", "Total View Content Value"),
    LegacyPair("total_subscribe", "on_web_subscribe", "Total Subscribe"),
    LegacyPair("total_subscribe_value", "total_on_web_subscribe_value", "Total Subscribe Value"),
    LegacyPair("value_per_total_subscribe", "value_per_on_web_subscribe", "Value per Subscribe"),
    LegacyPair("cost_per_total_subscribe", "cost_per_on_web_subscribe", "Cost per Subscribe"),
)
"""Both had one column title in the old basic performance report: the first keeps it, the second has its own name."""

RULE_C = tuple(LegacyPair(pair.second, pair.first, pair.name) for pair in RULE_A)
"""The v1.1 and the v1.2 name of one metric share its column, which is always null once v1.3 no longer has it."""

OLDER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "stat_cost": "spend",
        "show_cnt": "impressions",
        "click_cnt": "clicks",
        "convert_cnt": "real_time_conversion",
        "conversion_cost": "real_time_cost_per_conversion",
        "time_attr_convert_cnt": "conversion",
        "time_attr_conversion_cost": "cost_per_conversion",
        "time_attr_conversion_rate": "conversion_rate",
        "time_attr_effect_cnt": "result",
        "time_attr_effect_cost": "cost_per_result",
        "skan_convert_cnt": "skan_conversion",
        "country_id": "country_code",
        "placement_id": "placement",
        **{old: pair.name for pair in RULE_A for old in (pair.first, pair.second)},
    }
)
"""The v1.3 names of metrics and dimensions of v1.1 and v1.2.

Two are left out on purpose. conversion_rate, in v1.1 the real-time rate, is a v1.3 name with another meaning.
stat_datetime became stat_time_day or stat_time_hour, by the granularity of the report.
"""


def current_name(old: str) -> str | None:
    """The v1.3 name of a metric or dimension: `old` itself if v1.3 has it, None if v1.3 has no equivalent."""
    name = old if old in metrics() or old in dimensions() else OLDER_NAMES.get(old)
    return name if name in metrics() or name in dimensions() else None


def column_name(old: str) -> str:
    """The column name of an old metric: its v1.3 name where there is one (rules A and C), else `old`."""
    return current_name(old) or OLDER_NAMES.get(old, old)
