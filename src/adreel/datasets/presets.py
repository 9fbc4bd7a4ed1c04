"""Metric presets, and the titles of the metric groups.

A preset is a starting point: the form adds its metrics that are available with the other choices and lists those that
are not. Where an event is counted on several surfaces (app, website, TikTok, Shop), a preset has one of them, as its
twins would be 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adreel.language import Phrase


@dataclass(frozen=True, slots=True)
class MetricSet:
    """A preset: metrics by their API names, in the order of the columns."""

    name: str
    title: str
    meaning: str
    metrics: tuple[str, ...]


_ALL = (
    MetricSet(
        "core",
        Phrase("Core"),
        Phrase("Cost, delivery and results."),
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
        Phrase("Names"),
        Phrase("Names of the IDs, objectives and ad texts."),
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
            "product_name",
            "title",
            "live_name",
            "main_material_name",
        ),
    ),
    MetricSet(
        "video",
        Phrase("Video"),
        Phrase("Video plays, watch time and completion."),
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
        Phrase("Engagement"),
        Phrase("Interactions with the ad itself."),
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
        Phrase("Website"),
        Phrase("Website events, from the first page to the purchase."),
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
        Phrase("App"),
        Phrase("App installs and in-app events."),
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
        Phrase("App events that Apple reports for iOS 14 and later."),
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
        Phrase("TikTok Shop"),
        Phrase("TikTok Shop events, from the product page to the order."),
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
        Phrase("Leads"),
        Phrase("Forms, conversations and registrations of potential customers."),
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
        Phrase("Attribution"),
        Phrase("Conversions by attribution: click, view or engaged view."),
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
        Phrase("LIVE views and clicks from ads."),
        ("live_views", "live_unique_views", "live_effective_views", "live_product_clicks"),
    ),
)

SETS: Mapping[str, MetricSet] = MappingProxyType({metric_set.name: metric_set for metric_set in _ALL})
"""Every preset by its name, in the order of the menu."""

GROUP_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "attribute": Phrase("Attributes"),
        "attribute_legacy_spc": Phrase("Attributes of older Smart+ creatives"),
        "core": Phrase("Core"),
        "core_skan": Phrase("Core, SKAdNetwork"),
        "video": Phrase("Video"),
        "clicks": Phrase("Clicks on the ad"),
        "social": Phrase("Social"),
        "earned_page": Phrase("Earned page views"),
        "live": "LIVE",
        "image": Phrase("Images"),
        "interactive_addon": Phrase("Interactive add-ons"),
        "instant_experience": Phrase("Instant page"),
        "app_event": Phrase("App events"),
        "website": Phrase("Website events"),
        "tiktok_onsite": Phrase("Events on TikTok"),
        "native_growth": Phrase("Native growth (TikTok Minis)"),
        "offline": Phrase("Offline events"),
        "messaging": Phrase("Messages"),
        "shop": Phrase("TikTok Shop"),
        "attribution": Phrase("Attribution"),
        "app_event_skan": Phrase("App events, SKAdNetwork"),
        "attribution_skan": Phrase("Attribution, SKAdNetwork"),
        "website_legacy": Phrase("Website events of older pixels"),
        "product": Phrase("Catalog products"),
        "playable": Phrase("Playable ads"),
        "gmv_max": Phrase("GMV Max"),
        "added": Phrase("Added here"),
    }
)
"""Titles of the metric groups."""
