"""The charts that a dataset can have, as data: which columns each needs, what it groups by, which figures it shows.

No card is made for a report by name: it fits a dataset by its columns, its time dimension and its breakdowns. No card
says how a figure is computed either: that follows from the catalogue's metrics (`adreel.cards.figures`), so that no
card can add up what does not add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

CardKind = Literal["numbers", "line", "bars", "columns", "grouped", "funnel", "heat"]
AxisKind = Literal["day", "weekday", "hour", "month", "value", "breakdown"]
Rest = Literal["none", "sums", "counts", "values", "rates", "returns", "twins"]
Subject = Literal["figures", "things"]

ROWS = "rows"
"""The figure that counts rows; every other figure is a column or made of columns."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What a card tells apart. `columns` are the columns that it may stand for: the first that the dataset has.

    Of a `value` or a `breakdown` the column's values are told apart: a breakdown is what the report was asked to be
    broken down by (any, if no columns are named), a value any other column. `label` is the column with their names
    where it is not the usual one. `day`, `weekday` and `hour` come from the dataset's time dimension, `month` from a
    column of instants, in UTC.
    """

    kind: AxisKind
    columns: tuple[str, ...] = ()
    label: str | None = None


@dataclass(frozen=True, slots=True)
class CardSpec:
    """One chart. In `title` and `meaning` stand {column}, {figure} and {things} for what the dataset has.

    `figures` are wished for, those that matter most first: `least` must be there, `most` are shown, and `rest` says
    which others of the dataset fill up: sums of any kind, counts, values (money that was not spent), rates, returns
    on what was spent, or the first event with what it is in other places. `own` figures are shown as they are, row by
    row, and computed in no way.

    `each` makes so many cards, one for each column that the last axis can stand for. A card about `things` is for
    tables that list them, one about `figures` for tables that measure. `limit` is how many values are shown, those
    with most of the first figure; `at_least` leaves out values with less of a figure than that. `previous` adds the
    days before.
    """

    name: str
    title: str
    meaning: str
    kind: CardKind
    figures: tuple[str, ...]
    axes: tuple[Axis, ...] = ()
    least: int = 1
    most: int = 1
    rest: Rest = "none"
    own: bool = False
    each: int = 0
    subject: Subject = "figures"
    limit: int | None = None
    at_least: tuple[str, int] | None = None
    previous: bool = False


SUMS = ("spend", "impressions", "clicks", "conversion")
RATES = ("ctr", "conversion_rate_v2", "cpc", "cpm", "cost_per_conversion")
MONEY = ("spend", "cost", "billed_cost")
SPENT = frozenset([*MONEY, "cash_spend", "voucher_spend", "tax_spend", "cashback_coupon_spend"])
"""Money that was paid; other money is what TikTok says the ads were worth."""

PEOPLE = ("reach", "frequency", "cost_per_1000_reached", "result", "cost_per_result", "result_rate")
VIDEO = (
    "video_play_actions",
    "video_watched_2s",
    "video_watched_6s",
    "video_views_p25",
    "video_views_p50",
    "video_views_p75",
    "video_views_p100",
)
RETURNS = ("complete_payment_roas", "total_active_pay_roas", "onsite_shopping_roas", "onsite_purchases_roas")
_SIDE = ("impressions", "clicks", "conversion", "ctr", "cpc", "cost_per_conversion")

SHARING = frozenset(
    [
        "country_code",
        "ad_type",
        "gender",
        "age",
        "ac",
        "language",
        "platform",
        "placement",
        "device_brand_id",
        "dma_id",
    ]
)
"""Breakdowns whose values share out the whole: each impression has exactly one of them, so values may be added up."""

SHARING_PART = frozenset(
    [
        "province_id",
        "search_terms",
        "search_keyword",
        "match_type",
        "post_id",
        "room_id",
        "page_id",
        "minis_id",
        "video_material_id",
        "bucket_id",
    ]
)
"""Breakdowns whose values share out a part: TikTok gives no row for the rest, so sums can be less than the whole.

Of every other breakdown an impression may have several values (interests, hashtags, the products of a carousel) or it
is not known; its values are never added up.
"""

OVERLAPPING_MATERIALS = frozenset(["image"])
"""Creative assets of which one ad may show several at once, so that an impression counts for each."""

SLOW = ("country_code", "age", "gender", "platform", "placement", "ad_type", "ac", "language")
"""Breakdowns with few values, which can be followed over time."""

TRAITS = (
    "objective_type",
    "buying_type",
    "promotion_type",
    "placement_type",
    "campaign_automation_type",
    "app_promotion_type",
    "optimization_event",
    "billing_event",
    "bid_strategy",
    "image_mode",
    "identity_type",
    "call_to_action",
    "source",
)
"""Attributes with few values, by which figures can be told apart."""

THINGS: Mapping[str, str] = MappingProxyType(
    {
        "campaign_id": "campaigns",
        "adgroup_id": "ad groups",
        "ad_id": "ads",
        "audience_id": "audiences",
        "advertiser_id": "accounts",
    }
)
"""What the rows of a table are called that lists the things with this id."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "secondary_status": "status",
        "status": "status",
        "objective_type": "objective",
        "ad_format": "format",
        "audience_type": "kind of audience",
        "currency": "currency",
        "timezone": "time zone",
        "country": "country",
        "is_valid": "validity",
        "is_expiring": "expiry",
        "optimization_goal": "optimization goal",
        "billing_event": "billing event",
        "bid_type": "bid",
        "budget_mode": "budget",
        "promotion_type": "promotion",
        "placement_type": "placement",
        "call_to_action": "call to action",
        "identity_type": "identity",
        "is_smart_performance_campaign": "Smart+ or not",
        "app_promotion_type": "app promotion",
        "operation_status": "switch",
        "shared": "sharing",
        "role": "role",
        "advertiser_account_type": "account type",
    }
)
"""Columns of lists of things by which they can be counted, and what a title calls them."""

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "campaign_id": "campaign_name",
        "adgroup_id": "adgroup_name",
        "ad_id": "ad_name",
        "ad_id_v2": "ad_name",
        "advertiser_id": "advertiser_name",
    }
)
"""The column with the names of ids."""

_DAY = Axis("day")

CARDS: tuple[CardSpec, ...] = (
    CardSpec(
        "totals",
        "Totals",
        "What all rows come to; rates are made of the sums, not averaged. People reached cannot be added up and are "
        "not here.",
        "numbers",
        (*SUMS, *RATES),
        most=9,
        rest="sums",
        previous=True,
    ),
    CardSpec(
        "spend",
        "{figure} by day",
        "What was spent each day, and in as many days before. It does not show what the money brought.",
        "line",
        MONEY,
        (_DAY,),
        previous=True,
    ),
    CardSpec(
        "results",
        "Results by day",
        "How often ads were shown and acted on each day. Conversions are booked on the day of the ad's view or click, "
        "so the last days still grow.",
        "line",
        ("conversion", "clicks", "impressions", "video_play_actions"),
        (_DAY,),
        most=4,
        rest="counts",
        previous=True,
    ),
    CardSpec(
        "values",
        "Value by day",
        "The money that TikTok says the ads brought, booked as conversions are. Events in the app, on the website and "
        "on TikTok stand side by side and are not added up.",
        "line",
        (),
        (_DAY,),
        most=4,
        rest="values",
    ),
    CardSpec(
        "rates",
        "Rates and costs by day",
        "Each day's rates and costs, made of that day's sums. A day with few impressions swings widely.",
        "line",
        RATES,
        (_DAY,),
        most=6,
        rest="rates",
        previous=True,
    ),
    CardSpec(
        "returns",
        "Return on ad spend by day",
        "The value of what was bought for each unit of money spent, made of each day's sums. App, website and TikTok "
        "are different sales and stand side by side.",
        "line",
        RETURNS,
        (_DAY,),
        most=4,
        rest="returns",
    ),
    CardSpec(
        "twins",
        "The same event in the app, on the website, on TikTok",
        "One event as each place counts it. They are different events: a zero in one says nothing about the others.",
        "line",
        (),
        (_DAY,),
        least=2,
        most=5,
        rest="twins",
    ),
    CardSpec(
        "campaigns",
        "Campaigns by {figure}",
        "The campaigns with the most of it, and what they brought. It does not say why.",
        "bars",
        ("spend", *_SIDE),
        (Axis("value", ("campaign_id",)),),
        most=7,
        rest="sums",
        limit=10,
    ),
    CardSpec(
        "ad_groups",
        "Ad groups by {figure}",
        "The ad groups with the most of it, and what they brought. It does not say why.",
        "bars",
        ("spend", *_SIDE),
        (Axis("value", ("adgroup_id",)),),
        most=7,
        rest="sums",
        limit=10,
    ),
    CardSpec(
        "ads",
        "Ads by {figure}",
        "The ads with the most of it, and what they brought. It does not say why.",
        "bars",
        ("spend", *_SIDE),
        (Axis("value", ("ad_id_v2", "ad_id")),),
        most=7,
        rest="sums",
        limit=10,
    ),
    CardSpec(
        "accounts",
        "Accounts by {figure}",
        "The accounts with the most of it. Accounts with another currency are not compared with these.",
        "bars",
        ("spend", *_SIDE),
        (Axis("value", ("advertiser_id",)),),
        most=7,
        rest="sums",
        limit=10,
    ),
    CardSpec(
        "funnel",
        "How far videos are watched",
        "How many plays reached each point, as a share of all plays. Seconds and percents measure the same plays in "
        "two ways, so a step may be higher than the one before.",
        "funnel",
        VIDEO,
        least=3,
        most=7,
    ),
    CardSpec(
        "hours",
        "{figure} by hour of the week",
        "The average of each hour of each weekday, in each account's own time zone. It shows when ads ran, not when "
        "they work best.",
        "heat",
        SUMS,
        (Axis("hour"), Axis("weekday")),
        rest="sums",
    ),
    CardSpec(
        "hours_results",
        "{figure} by hour of the week",
        "The average of each hour of each weekday, in each account's own time zone. Where little was spent there are "
        "few results.",
        "heat",
        ("conversion", "clicks"),
        (Axis("hour"), Axis("weekday")),
    ),
    CardSpec(
        "age_gender",
        "{figure} by age and gender",
        "How it is shared out among viewers. It shows whom the ads reached, not who would have wanted them.",
        "grouped",
        ("spend", *_SIDE),
        (Axis("breakdown", ("age",)), Axis("breakdown", ("gender",))),
        rest="sums",
    ),
    CardSpec(
        "age_gender_rates",
        "{figure} by age and gender",
        "The rate of each group of viewers, made of the group's sums. Small groups swing widely.",
        "grouped",
        ("conversion_rate_v2", "ctr", "cpm"),
        (Axis("breakdown", ("age",)), Axis("breakdown", ("gender",))),
    ),
    CardSpec(
        "breakdown",
        "{figure} by {column}",
        "How it is shared out by {column}, and the rates of each value, made of its sums.",
        "bars",
        ("spend", *_SIDE),
        (Axis("breakdown"),),
        most=7,
        rest="sums",
        each=9,
        limit=15,
    ),
    CardSpec(
        "breakdown_days",
        "{figure} by {column} and day",
        "The five values with the most of it, day by day.",
        "line",
        ("spend", "impressions", "clicks", "conversion"),
        (_DAY, Axis("breakdown", SLOW)),
        rest="sums",
        each=1,
        limit=5,
    ),
    CardSpec(
        "trait",
        "{figure} by {column}",
        "How it is shared out by {column}, as the setting stood when the rows were read.",
        "bars",
        ("spend", *_SIDE),
        (Axis("value", TRAITS),),
        most=7,
        rest="sums",
        each=3,
        limit=15,
    ),
    CardSpec(
        "creatives",
        "Creatives by {figure}",
        "The creative assets with the most of it. One asset may be in several ads.",
        "bars",
        ("spend", *_SIDE, "video_play_actions"),
        (Axis("value", ("material_id", "page_id")),),
        most=8,
        rest="sums",
        limit=15,
    ),
    CardSpec(
        "creative_rates",
        "Creatives by {figure}",
        "The creative assets with the highest rate, of those that were shown at least 1,000 times. It compares them "
        "across audiences that may differ.",
        "bars",
        ("ctr", "conversion_rate_v2", "impressions", "clicks"),
        (Axis("value", ("material_id", "page_id")),),
        least=2,
        most=5,
        limit=15,
        at_least=("impressions", 1_000),
    ),
    CardSpec(
        "people_days",
        "People by day and account",
        "Each account's people as TikTok counts them day by day. Someone seen on two days counts on both, so days and "
        "accounts cannot be added up.",
        "line",
        PEOPLE,
        (_DAY, Axis("value", ("advertiser_id",))),
        most=3,
        own=True,
        limit=5,
    ),
    CardSpec(
        "people",
        "{figure} by {column}",
        "Each row's own figure, as TikTok counts it over the whole range. People seen by two of them count for both, "
        "so they cannot be added up.",
        "bars",
        PEOPLE,
        (Axis("value", ("campaign_id", "adgroup_id", "ad_id_v2", "ad_id", "advertiser_id")),),
        most=4,
        own=True,
        limit=10,
    ),
    CardSpec(
        "kinds",
        "{things} by {column}",
        "How many of the {things} there are of each, as they stood at the last run.",
        "bars",
        (ROWS,),
        (Axis("value", tuple(KINDS)),),
        each=8,
        subject="things",
        limit=15,
    ),
    CardSpec(
        "created",
        "{things} made, by month",
        "How many of the {things} were made in each month (UTC). Those that were deleted count only if the dataset "
        "includes deleted ones.",
        "columns",
        (ROWS,),
        (Axis("month", ("create_time",)),),
        subject="things",
    ),
    CardSpec(
        "expiring",
        "{things} by the month in which they expire",
        "How many of the {things} can no longer be used from each month on (UTC).",
        "columns",
        (ROWS,),
        (Axis("month", ("expired_time",)),),
        subject="things",
    ),
    CardSpec(
        "parents",
        "{things} by campaign",
        "The campaigns with the most {things}, whatever they spend.",
        "bars",
        (ROWS,),
        (Axis("value", ("campaign_id",)),),
        subject="things",
        limit=10,
    ),
    CardSpec(
        "owners",
        "{things} by account",
        "How many of the {things} each account has. What several accounts share counts for each of them.",
        "bars",
        (ROWS,),
        (Axis("value", ("advertiser_id",)),),
        subject="things",
        limit=10,
    ),
    CardSpec(
        "sizes",
        "Audiences by size",
        "How many people each audience matches. One person may be in several, so sizes cannot be added up.",
        "bars",
        ("cover_num",),
        (Axis("value", ("audience_id",), "name"),),
        own=True,
        subject="things",
        limit=15,
    ),
    CardSpec(
        "balances",
        "Accounts by balance",
        "The money left in each account when it was read. Accounts with another currency are not compared with these.",
        "bars",
        ("balance",),
        (Axis("value", ("advertiser_id",), "name"),),
        own=True,
        subject="things",
        limit=15,
    ),
)
"""Every card, in the order in which they are shown."""

VALUE_NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "age": {"AGE_13_17": "13-17", "AGE_55_100": "55 and over", "NONE": "Not known"},
        "gender": {"FEMALE": "Female", "MALE": "Male", "NONE": "Not known"},
        "country_code": {"None": "Not known", "NONE": "Not known"},
        "platform": {"ANDROID": "Android", "IPHONE": "iPhone", "IPAD": "iPad", "IOS": "iOS", "PC": "Computer"},
        "ac": {"WIFI": "Wi-Fi"},
        "dma_id": {"0": "Outside the United States"},
    }
)
"""What values of a column are called, where their own spelling is not for people."""

FIELD_TITLES: Mapping[str, str] = MappingProxyType({"cover_num": "People matched", "balance": "Balance"})
"""What fields that cards show as figures are called."""

CONSTANTS = (frozenset(KINDS) | frozenset(TRAITS) | {"match_type"}) - {"currency", "country", "timezone"}
"""Columns whose values are TikTok's constants, such as AD_STATUS_DELIVERY_OK, and no texts of the person's own."""

PREFIXES = (
    "CAMPAIGN_STATUS_",
    "ADGROUP_STATUS_",
    "AD_STATUS_",
    "STATUS_",
    "PLACEMENT_TYPE_",
    "BID_TYPE_",
    "BUDGET_MODE_",
    "ROLE_",
)
"""What TikTok's values begin with that says nothing beside the column's name."""
