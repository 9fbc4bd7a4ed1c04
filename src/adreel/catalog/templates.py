"""Templates: ready questions, each with the report, menus, dates, update method and schedule that answer it.

A template is a dataset file without name and account, with the keys and values of dataset files. Each report has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from adreel.language import Phrase


class TemplateGroup(StrEnum):
    """What a template is about; pages fold the lists."""

    RESULTS = "results"
    LISTS = "lists"


@dataclass(frozen=True, slots=True)
class Template:
    """A ready question. `icon` names its picture on pages; `values` are keys of dataset files, with the report."""

    name: str
    title: str
    question: str
    icon: str
    group: TemplateGroup
    values: Mapping[str, Any] = field(hash=False)


_RESULTS = (
    "spend",
    "impressions",
    "clicks",
    "ctr",
    "cpc",
    "cpm",
    "conversion",
    "cost_per_conversion",
    "conversion_rate_v2",
)
"""What most people look at first."""

_RESULTS_OF_GROUPS = ("spend", "impressions", "clicks", "ctr", "conversion", "cost_per_conversion")
"""What groups of people and places are compared by."""

_MONTH = MappingProxyType({"period": "last_30_days"})
_MORNING = MappingProxyType({"every": "day", "at": ("06:00",)})
_MONDAY = MappingProxyType({"every": "week", "on": ("monday",), "at": ("06:00",)})


def _update(method: str, **options: Any) -> Mapping[str, Any]:
    return MappingProxyType({"method": method, **options})


def _template(name: str, title: str, question: str, icon: str, **values: Any) -> Template:
    return Template(name, title, question, icon, TemplateGroup.RESULTS, MappingProxyType(values))


def _list(name: str, title: str, question: str, icon: str, **values: Any) -> Template:
    """A list is read whole each time, unless the values say otherwise."""
    as_usual = {"update": _update("replace"), "schedule": _MORNING}
    return Template(name, title, question, icon, TemplateGroup.LISTS, MappingProxyType(as_usual | values))


_ALL = (
    _template(
        "ad_daily",
        Phrase("Daily ad performance"),
        Phrase("What did each ad cost and bring, day by day?"),
        "calendar",
        report="performance",
        data_level="ad",
        time_dimension="day",
        metrics=("campaign_name", "adgroup_name", "ad_name", *_RESULTS),
        dates=_MONTH,
        update=_update("upsert", lookback=7),
        schedule=_MORNING,
    ),
    _template(
        "campaign_daily",
        Phrase("Campaign overview by day"),
        Phrase("How do campaigns develop against each other?"),
        "flag",
        report="performance",
        data_level="campaign",
        time_dimension="day",
        metrics=("campaign_name", "objective_type", *_RESULTS, "reach", "frequency"),
        dates=_MONTH,
        update=_update("upsert", lookback=7),
        schedule=_MORNING,
    ),
    _template(
        "creative_leaderboard",
        Phrase("Creative leaderboard"),
        Phrase("Which ads catch the eye, and which earn what they cost?"),
        "trophy",
        report="performance",
        data_level="ad",
        time_dimension="none",
        metrics=(
            "ad_name",
            "spend",
            "ctr",
            "cost_per_conversion",
            "complete_payment_roas",
            "conversion",
            "impressions",
            "clicks",
            "video_watched_2s",
            "total_complete_payment_rate",
            "adgroup_name",
            "campaign_name",
        ),
        calculated_metrics=("hook_rate",),
        dates=_MONTH,
        update=_update("replace"),
        schedule=_MORNING,
    ),
    _template(
        "video_retention",
        Phrase("Video retention"),
        Phrase("How long do people watch, and where do they leave?"),
        "play",
        report="performance",
        data_level="ad",
        time_dimension="day",
        metrics=(
            "ad_name",
            "spend",
            "impressions",
            "video_play_actions",
            "video_watched_2s",
            "video_watched_6s",
            "video_views_p25",
            "video_views_p50",
            "video_views_p75",
            "video_views_p100",
            "average_video_play",
        ),
        dates=_MONTH,
        update=_update("upsert", lookback=7),
        schedule=_MORNING,
    ),
    _template(
        "hourly_pacing",
        Phrase("Hourly pacing"),
        Phrase("How fast is today's budget being spent?"),
        "clock",
        report="performance",
        data_level="campaign",
        time_dimension="hour",
        metrics=("campaign_name", "spend", "impressions", "clicks", "conversion"),
        dates=MappingProxyType({"start": "yesterday", "end": "today"}),
        update=_update("partition"),
        schedule=MappingProxyType({"every": "1 hour"}),
    ),
    _template(
        "age_gender",
        Phrase("Age and gender"),
        Phrase("Which ages and genders respond to the ads?"),
        "people",
        report="performance",
        report_type="audience",
        data_level="campaign",
        time_dimension="day",
        audience_dimensions=("age", "gender"),
        metrics=_RESULTS_OF_GROUPS,
        dates=_MONTH,
        update=_update("upsert", lookback=7),
        schedule=_MORNING,
    ),
    _template(
        "country_spend",
        Phrase("Spend by country"),
        Phrase("In which countries is the budget spent?"),
        "globe",
        report="performance",
        data_level="campaign",
        time_dimension="day",
        targeting_dimension=("country_code",),
        metrics=_RESULTS_OF_GROUPS,
        dates=_MONTH,
        update=_update("upsert", lookback=7),
        schedule=_MORNING,
    ),
    _template(
        "placement",
        Phrase("Placements"),
        Phrase("Where do the ads run, and what does each place cost?"),
        "grid",
        report="performance",
        report_type="audience",
        data_level="campaign",
        time_dimension="day",
        audience_dimensions=("placement",),
        metrics=_RESULTS_OF_GROUPS,
        dates=_MONTH,
        update=_update("upsert", lookback=7),
        schedule=_MORNING,
    ),
    _template(
        "catalog_spend",
        Phrase("Catalogs"),
        Phrase("What do the ads for each product catalog cost, by campaign and day?"),
        "cart",
        report="performance",
        report_type="dsa",
        data_level="campaign",
        time_dimension="day",
        dsa_dimension=("catalog_id",),
        metrics=("spend", "impressions"),
        dates=_MONTH,
        update=_update("upsert", lookback=7),
        schedule=_MORNING,
    ),
    _template(
        "smart_plus_creatives",
        Phrase("Smart+ creatives"),
        Phrase("Which videos and images carry each Smart+ ad, and what do they cost?"),
        "layers",
        report="smart_plus_materials",
        data_level="ad",
        asset_dimensions=("main_material_id",),
        time_dimension="none",
        metrics=("main_material_name", "operation_status", *_RESULTS, "video_play_actions", "video_watched_6s"),
        dates=_MONTH,
        update=_update("replace"),
        schedule=_MORNING,
    ),
    _template(
        "gmv_max_daily",
        Phrase("GMV Max by day"),
        Phrase("What do GMV Max campaigns of TikTok Shops cost and bring, day by day?"),
        "bag",
        report="gmv_max",
        gmv_max_level="campaign",
        time_dimension="day",
        metrics=("campaign_name", "cost", "net_cost", "orders", "cost_per_order", "gross_revenue", "roi"),
        dates=_MONTH,
        update=_update("upsert", lookback=14),
        schedule=_MORNING,
    ),
    _template(
        "gmv_max_products",
        Phrase("GMV Max products"),
        Phrase("Which product cost most, and which brings most orders and revenue, by name?"),
        "box",
        report="gmv_max",
        gmv_max_level="product",
        time_dimension="day",
        metrics=("product_name", "campaign_name", "cost", "orders", "cost_per_order", "gross_revenue", "roi"),
        dates=_MONTH,
        update=_update("upsert", lookback=14),
        schedule=_MORNING,
    ),
    _template(
        "gmv_max_creatives",
        Phrase("GMV Max posts and videos"),
        Phrase("Which post or video of a product cost most, and which sells, by name?"),
        "reel",
        report="gmv_max",
        gmv_max_level="creative",
        time_dimension="day",
        metrics=(
            "title",
            "product_name",
            "campaign_name",
            "shop_content_type",
            "cost",
            "orders",
            "cost_per_order",
            "gross_revenue",
            "roi",
            "product_impressions",
            "product_clicks",
            "product_click_rate",
        ),
        dates=_MONTH,
        update=_update("upsert", lookback=14),
        schedule=_MORNING,
    ),
    _template(
        "gmv_max_lives",
        Phrase("GMV Max LIVE sessions"),
        Phrase("Which LIVE session cost most, and what did viewers buy, by name?"),
        "broadcast",
        report="gmv_max",
        gmv_max_level="livestream",
        time_dimension="day",
        metrics=(
            "live_name",
            "campaign_name",
            "live_launched_time",
            "cost",
            "net_cost",
            "orders",
            "cost_per_order",
            "gross_revenue",
            "roi",
            "live_views",
            "cost_per_live_view",
            "live_follows",
        ),
        dates=_MONTH,
        update=_update("upsert", lookback=14),
        schedule=_MORNING,
    ),
    _template(
        "all_spend",
        Phrase("All TikTok spend"),
        Phrase("What do all campaigns cost day by day, GMV Max included?"),
        "coins",
        report="all_spend",
        metrics=("campaign_name", "spend", "billed_cost", "conversion", "orders", "gross_revenue"),
        dates=_MONTH,
        update=_update("upsert", lookback=14),
        schedule=_MORNING,
    ),
    _template(
        "creative_assets",
        Phrase("Videos"),
        Phrase("Which videos are used, and what do they cost and bring over all their ads?"),
        "film",
        report="creatives",
        material_type="video",
        info_fields=("material_id", "video_id"),
        metrics=("spend", "impressions", "clicks"),
        dates=_MONTH,
        update=_update("replace"),
        schedule=_MORNING,
    ),
    _template(
        "business_center_costs",
        Phrase("Costs by cash and ad credit"),
        Phrase("What did the ad accounts of Business Centers cost each day, in cash and in ad credit?"),
        "wallet",
        report="business_center_costs",
        dates=MappingProxyType({"period": "last_14_days"}),
        update=_update("upsert"),
        schedule=_MORNING,
    ),
    _template(
        "transactions",
        Phrase("Transactions"),
        Phrase("Which payments, charges and refunds did the ad accounts of Business Centers have?"),
        "receipt",
        report="business_center_transactions",
        dates=_MONTH,
        update=_update("upsert"),
        schedule=_MORNING,
    ),
    _template(
        "business_center_daily",
        Phrase("Spend of Business Centers by day"),
        Phrase("What do Business Centers spend in cash, vouchers and tax, day by day?"),
        "bank",
        report="business_center_spend",
        center_grouping="day",
        metrics=("spend", "cash_spend", "voucher_spend", "cashback_coupon_spend", "tax_spend", "impressions"),
        dates=_MONTH,
        update=_update("upsert"),
        schedule=_MORNING,
    ),
    _template(
        "playables",
        Phrase("Playable ads"),
        Phrase("What did each playable ad cost since its start, and how often was it shown?"),
        "puzzle",
        report="playable_ads",
        lifetime=True,
        metrics=("spend", "impressions"),
        update=_update("replace"),
        schedule=_MORNING,
    ),
    _template(
        "seller_center",
        Phrase("Seller Center ads (before GMV Max)"),
        Phrase("What do old ads from Seller Center cost, by campaign, country and day?"),
        "archive",
        report="seller_center_ads",
        seller_center_grouping="campaign_country",
        time_dimension="day",
        metrics=("spend", "billed_cost"),
        dates=_MONTH,
        update=_update("upsert"),
        schedule=_MORNING,
    ),
    _template(
        "balances",
        Phrase("Balances of ad accounts"),
        Phrase("How much money does each ad account have left, day by day?"),
        "gauge",
        report="balances",
        update=_update("upsert"),
        schedule=_MORNING,
    ),
    _list(
        "ad_accounts",
        Phrase("Ad accounts at a glance"),
        Phrase("Which ad accounts are there, with which currency, zone and status?"),
        "building",
        report="advertisers",
        schedule=_MONDAY,
    ),
    _list(
        "campaign_list",
        Phrase("Campaigns and their settings"),
        Phrase("Which campaigns are there, with which objective, budget and status?"),
        "megaphone",
        report="campaigns",
    ),
    _list(
        "ad_group_list",
        Phrase("Ad groups and their settings"),
        Phrase("Which ad groups are there, with which audience, bid and schedule?"),
        "stack",
        report="ad_groups",
    ),
    _list(
        "ad_list",
        Phrase("Ads and their settings"),
        Phrase("Which ads are there, with which text, creative and status?"),
        "page",
        report="ads",
    ),
    _list(
        "smart_plus_campaign_list",
        Phrase("Smart+ campaigns and their settings"),
        Phrase("Which Smart+ campaigns are there, with which objective, budget and status?"),
        "spark",
        report="smart_plus_campaigns",
    ),
    _list(
        "smart_plus_ad_group_list",
        Phrase("Smart+ ad groups and their settings"),
        Phrase("Which Smart+ ad groups are there, with which audience, bid and schedule?"),
        "sparks",
        report="smart_plus_ad_groups",
    ),
    _list(
        "smart_plus_ad_list",
        Phrase("Smart+ ads and their creatives"),
        Phrase("Which Smart+ ads are there, and which videos, images and texts does each have?"),
        "slides",
        report="smart_plus_ads",
    ),
    _list(
        "pixel_list",
        Phrase("Pixels"),
        Phrase("Which pixels do the ad accounts have, and which events do these count?"),
        "target",
        report="pixels",
    ),
    _list(
        "identity_list",
        Phrase("Identities"),
        Phrase("As which TikTok accounts and names can the ad accounts advertise?"),
        "badge",
        report="identities",
    ),
    _list(
        "audience_list",
        Phrase("Audience list"),
        Phrase("Which custom audiences exist, and how large are they?"),
        "list",
        report="custom_audiences",
        schedule=_MONDAY,
    ),
    _list(
        "audience_details",
        Phrase("Audiences in detail"),
        Phrase("How was each custom audience made, and what happened to it since?"),
        "lens",
        report="custom_audience_details",
        schedule=_MONDAY,
    ),
    _list(
        "business_center_list",
        Phrase("Business Centers"),
        Phrase("Which Business Centers can the account see, and with which roles?"),
        "tower",
        report="business_centers",
        schedule=_MONDAY,
    ),
    _list(
        "asset_list",
        Phrase("Assets of Business Centers"),
        Phrase("Which pixels, catalogs, shops and other assets do Business Centers have, by ID and name?"),
        "tag",
        report="business_center_assets",
        schedule=_MONDAY,
    ),
)

TEMPLATES: Mapping[str, Template] = MappingProxyType({template.name: template for template in _ALL})
"""Every template by its name, in the order in which pages show them."""
