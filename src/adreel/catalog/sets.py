"""Sets of metrics that are chosen together, and what the groups of metrics are called.

A set is a beginning, not a rule: the form adds those of its metrics that go with what else is chosen, and says which do
not. Where an event is counted in several places (app, website, TikTok, Shop), a set stays with one of them: the twins
elsewhere would read 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class MetricSet:
    """Metrics by their API names, in the order in which they become columns."""

    name: str
    title: str
    meaning: str
    metrics: tuple[str, ...]


_ALL = (
    MetricSet(
        "core",
        "Core",
        "What was spent, what was seen of it, and what came of it.",
        (
            "spend",
            "impressions",
            "clicks",
            "ctr",
            "cpc",
            "cpm",
            "reach",
            "frequency",
            "conversion",
            "cost_per_conversion",
            "conversion_rate_v2",
            "result",
            "cost_per_result",
            "result_rate",
        ),
    ),
    MetricSet(
        "names",
        "Names",
        "What the ids stand for, and how the ads are bought.",
        (
            "campaign_id",
            "campaign_name",
            "objective_type",
            "adgroup_id",
            "adgroup_name",
            "promotion_type",
            "ad_name",
            "ad_text",
            "call_to_action",
        ),
    ),
    MetricSet(
        "video",
        "Video",
        "How far the videos were watched.",
        (
            "video_play_actions",
            "video_watched_2s",
            "video_watched_6s",
            "video_views_p25",
            "video_views_p50",
            "video_views_p75",
            "video_views_p100",
            "average_video_play",
            "average_video_play_per_user",
            "engaged_view",
            "engaged_view_15s",
        ),
    ),
    MetricSet(
        "engagement",
        "Engagement",
        "What people did with the ad itself.",
        (
            "engagements",
            "engagement_rate",
            "likes",
            "comments",
            "shares",
            "follows",
            "profile_visits",
            "profile_visits_rate",
            "clicks_on_music_disc",
            "duet_clicks",
            "stitch_clicks",
            "clicks_on_hashtag_challenge",
        ),
    ),
    MetricSet(
        "website",
        "Website",
        "Events on the website, from the first page to the purchase.",
        (
            "total_landing_page_view",
            "cost_per_landing_page_view",
            "page_content_view_events",
            "web_event_add_to_cart",
            "cost_per_web_event_add_to_cart",
            "initiate_checkout",
            "cost_per_initiate_checkout",
            "add_billing",
            "complete_payment",
            "cost_per_complete_payment",
            "complete_payment_rate",
            "value_per_complete_payment",
            "total_complete_payment_rate",
            "complete_payment_roas",
        ),
    ),
    MetricSet(
        "app",
        "App",
        "Installs, and what people did in the app afterwards.",
        (
            "app_install",
            "cost_per_app_install",
            "registration",
            "cost_per_registration",
            "registration_rate",
            "total_app_event_add_to_cart",
            "total_checkout",
            "total_purchase",
            "cost_per_total_purchase",
            "total_purchase_value",
            "value_per_total_purchase",
            "total_active_pay_roas",
            "total_subscribe",
            "next_day_open",
            "day7_retention",
        ),
    ),
    MetricSet(
        "skan",
        "SKAdNetwork",
        "What Apple tells of apps on iOS 14 and later.",
        (
            "skan_conversion",
            "skan_cost_per_conversion",
            "skan_conversion_rate_v2",
            "skan_result",
            "skan_cost_per_result",
            "skan_registration",
            "skan_cost_per_registration",
            "skan_total_purchase",
            "skan_cost_per_total_purchase",
            "skan_total_purchase_value",
        ),
    ),
    MetricSet(
        "commerce",
        "TikTok Shop",
        "From the product page to the order in TikTok Shop.",
        (
            "onsite_on_web_detail",
            "onsite_on_web_cart",
            "onsite_initiate_checkout_count",
            "onsite_shopping",
            "cost_per_onsite_shopping",
            "onsite_shopping_rate",
            "value_per_onsite_shopping",
            "total_onsite_shopping_value",
            "onsite_shopping_roas",
            "shop_total_items_purchased",
        ),
    ),
    MetricSet(
        "lead",
        "Leads",
        "Forms, talks and registrations of people who may become customers.",
        (
            "form",
            "cost_per_form",
            "form_rate",
            "user_registration",
            "cost_per_user_registration",
            "online_consult",
            "cost_per_online_consult",
            "total_sales_lead",
            "cost_per_total_sales_lead",
            "messaging_total_conversation_tiktok_direct_message",
            "messaging_cost_per_conversation_tiktok_direct_message",
            "messaging_total_conversation_instant_messaging_app",
            "messaging_cost_per_conversation_instant_messaging_app",
        ),
    ),
    MetricSet(
        "attribution",
        "Attribution",
        "Conversions by what led to them: a click, a view, or a view that held the person.",
        (
            "cta_conversion",
            "cost_per_cta_conversion",
            "vta_conversion",
            "cost_per_vta_conversion",
            "engaged_view_through_conversions",
            "cost_per_engaged_view_through_conversion",
            "cta_purchase",
            "vta_purchase",
            "evta_purchase",
            "vta_complete_payment",
            "evta_payments_completed",
        ),
    ),
    MetricSet(
        "live",
        "LIVE",
        "What a LIVE gained by its ads.",
        ("live_views", "live_unique_views", "live_effective_views", "live_product_clicks"),
    ),
)

SETS: Mapping[str, MetricSet] = MappingProxyType({metric_set.name: metric_set for metric_set in _ALL})
"""Every set by its name, in the order in which it is offered."""

GROUP_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "attribute": "Attributes",
        "attribute_legacy_spc": "Attributes of older Smart+ creatives",
        "core": "Core",
        "core_skan": "Core, SKAdNetwork",
        "video": "Video",
        "clicks": "Clicks on the ad",
        "social": "Social",
        "earned_page": "Earned page views",
        "live": "LIVE",
        "image": "Images",
        "interactive_addon": "Interactive add-ons",
        "instant_experience": "Instant page",
        "app_event": "App events",
        "website": "Website events",
        "tiktok_onsite": "Events on TikTok",
        "native_growth": "Native growth (TikTok Minis)",
        "offline": "Offline events",
        "messaging": "Messages",
        "shop": "TikTok Shop",
        "attribution": "Attribution",
        "app_event_skan": "App events, SKAdNetwork",
        "attribution_skan": "Attribution, SKAdNetwork",
        "website_legacy": "Website events of older pixels",
        "product": "Products of a catalogue",
        "playable": "Playable ads",
        "gmv_max": "GMV Max",
    }
)
"""The groups of metrics as people read them."""
