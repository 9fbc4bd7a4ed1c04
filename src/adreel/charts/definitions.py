"""The charts that a dataset can have, as data: which columns each needs, what it groups by, which figures it shows.

In code a chart is a card. A card names no report: a dataset has the card if it has its columns, time dimension and
breakdowns. A card does not say how a figure is computed: that follows from the catalogue's metrics
(`adreel.charts.measures`), so that no card sums a non-additive metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from adreel.catalog import smart_plus
from adreel.language import Phrase

CardKind = Literal["numbers", "line", "bars", "columns", "grouped", "funnel", "heat", "curve", "pacing", "map"]
AxisKind = Literal["day", "weekday", "hour", "month", "value", "breakdown"]
Rest = Literal["none", "sums", "counts", "values", "rates", "returns", "twins"]
Subject = Literal["figures", "entities"]
When = Literal[
    "rates", "several", "late", "people", "both plays", "non-additive", "shared", "with deleted", "without deleted"
]

ROWS = "rows"
"""The figure that counts rows; every other figure is a column or computed from columns."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What a card groups by: the first of `columns` that the dataset has.

    A `breakdown` groups by one of the dataset's breakdowns (any, without `columns`), a `value` by the values of any
    other column. `label` is the column with the names of ids where it differs from NAME_COLUMNS. `day`, `weekday` and
    `hour` come from the dataset's time dimension, in each advertiser's time zone; `month` from a column of times, UTC.
    """

    kind: AxisKind
    columns: tuple[str, ...] = ()
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence of a card's meaning that holds only for some figures.

    `rates`: one is computed from sums; `several`: there is more than one; `late`: conversions are among them; `people`:
    reach or frequency is; `both plays`: video plays by seconds and by percentages are; `non-additive`: the dataset has
    figures of people, which the card leaves out; `shared`: ad accounts share the entities; `with deleted` and `without
    deleted`: the entity list may include what was deleted, and does or does not.
    """

    when: When
    text: str


@dataclass(frozen=True, slots=True)
class CardSpec:
    """One chart. `title`, `meaning` and `remarks` may contain column, figure, figures, entities and people as values.

    They are filled in for the dataset: figure is the first figure's title, figures are all, people those of people. Of
    the `remarks` those follow the meaning that hold for the figures shown. With a single figure `single` is the title
    in place of `title`.

    `figures` are preferred figures, the most important first. The dataset needs `least` of them, `most` are shown, and
    `rest` says which other columns fill up: sums of any kind, counts, values (money that was not spent), rates, returns
    on ad spend, or the first event with its twins on other surfaces. `own` figures are shown row by row, never summed.

    `calculated` is how many of the dataset's calculated metrics are shown besides.

    `each` is the number of cards, one for each column of the last axis. Cards about `entities` are for entity lists,
    those about `figures` for reports. `limit` is how many values are shown, those with most of the first figure;
    where the least is best and there is a title and meaning for the `cheapest`, those with least of it.
    `at_least` leaves out values with less of a figure. `previous` adds the previous period. `shares` adds the share
    that each value has of the sum over all values, where every row has one of these. A card of the `last_day`
    shows that of the days alone.
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
    single: str = ""
    remarks: tuple[Remark, ...] = ()
    calculated: int = 0
    cheapest: tuple[str, str] | None = None
    shares: bool = False
    last_day: bool = False


Rise = Literal["better", "worse"]


def rise_of(name: str) -> Rise | None:
    """What a rise of a figure means: more results are better, and higher costs of each are worse; None for neither."""
    if name in (LATE, "clicks", "ctr", "conversion_rate_v2", "result", "result_rate", *RETURNS):
        return "better"
    return "worse" if name in ("cpc", "cpm") or name.startswith("cost_per_") else None


LATE = "conversion"
"""The metric that TikTok keeps adding to past days, as the metric's meaning in the catalogue says."""

SUMS = ("spend", "impressions", "clicks", "conversion")
RATES = ("ctr", "conversion_rate_v2", "cpc", "cpm", "cost_per_conversion")
MONEY = ("spend", "cost", "billed_cost")
SPENT = frozenset([*MONEY, "net_cost", "cash_spend", "voucher_spend", "tax_spend", "cashback_coupon_spend"])
"""Money that was paid; all other money is value that TikTok attributes to the ads."""

PEOPLE = ("reach", "frequency", "cost_per_1000_reached", "result", "cost_per_result", "result_rate")
PERSONS = frozenset(["reach", "frequency", "cost_per_1000_reached"])
"""Figures of PEOPLE in which a person counts once."""

_BALANCES = ("account_balance", "valid_account_balance", "cash_balance", "grant_balance")

VIDEO = (
    "video_play_actions",
    "video_watched_2s",
    "video_watched_6s",
    "video_views_p25",
    "video_views_p50",
    "video_views_p75",
    "video_views_p100",
)
QUARTERS: Mapping[str, str] = MappingProxyType(
    {
        "video_views_p25": "25 %",
        "video_views_p50": "50 %",
        "video_views_p75": "75 %",
        "video_views_p100": "100 %",
    }
)
"""The parts of a video that its plays reached, with their labels on a retention curve."""

RETURNS = ("complete_payment_roas", "total_active_pay_roas", "onsite_shopping_roas", "onsite_purchases_roas", "roi")
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
"""Breakdowns whose values partition all impressions: each impression has exactly one value, so values may be summed."""

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
        "catalog_id",
        *smart_plus.NAMES.values(),
    ]
)
"""Breakdowns whose values partition a part: TikTok returns no row for the rest, so sums can be below the total.

An ad group has one catalog at most, as its field `catalog_id` says.

In every other breakdown an impression may have several values (interests, hashtags, the products of a carousel), or it
is unknown whether it does; its values are never summed.
"""

OVERLAPPING_MATERIALS = frozenset(["image"])
"""Creative assets of which one ad may show several at once, so that an impression counts for each."""

SLOW = (
    *("country_code", "age", "gender", "platform", "placement", "ad_type", "ac", "language"),
    *("catalog_id", "product_set_id", "product_id", "sku_id"),
)
"""Breakdowns with a line per value: those with few values, and parts of catalogs, which are followed day by day."""

TRAITS = (
    "objective_type",
    "buying_type",
    "spend_source",
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
"""Attributes with few values, suited for grouping."""

ENTITY_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "campaign_id": Phrase("campaigns"),
        "adgroup_id": Phrase("ad groups"),
        "ad_id": Phrase("ads"),
        "smart_plus_ad_id": Phrase("Smart+ ads"),
        "audience_id": Phrase("audiences"),
        "pixel_id": Phrase("pixels"),
        "identity_id": Phrase("identities"),
        "advertiser_id": Phrase("ad accounts"),
    }
)
"""The plural noun for the rows of an entity list, by its id column."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "secondary_status": Phrase("status"),
        "status": Phrase("status"),
        "objective_type": Phrase("objective"),
        "ad_format": Phrase("format"),
        "audience_type": Phrase("audience type"),
        "currency": Phrase("currency"),
        "timezone": Phrase("time zone"),
        "country": Phrase("country"),
        "is_valid": Phrase("validity"),
        "is_expiring": Phrase("expiry"),
        "optimization_goal": Phrase("optimization goal"),
        "billing_event": Phrase("billing event"),
        "bid_type": Phrase("bid type"),
        "budget_mode": Phrase("budget mode"),
        "promotion_type": Phrase("promotion type"),
        "placement_type": Phrase("placement type"),
        "call_to_action": Phrase("call to action"),
        "identity_type": Phrase("identity type"),
        "is_smart_performance_campaign": "Smart+",
        "app_promotion_type": Phrase("app promotion type"),
        "operation_status": Phrase("on/off status"),
        "shared": Phrase("shared status"),
        "role": Phrase("role"),
        "advertiser_account_type": Phrase("account type"),
    }
)
"""Columns of entity lists suited for counting by, with their nouns for titles."""

ID_NOUNS: Mapping[str, str] = MappingProxyType(
    {
        "item_group_id": Phrase("product"),
        "item_id": Phrase("post"),
        "room_id": Phrase("LIVE session"),
        "catalog_id": Phrase("catalog"),
        "product_set_id": Phrase("product set"),
        "product_id": Phrase("product"),
        "sku_id": "SKU",
    }
)
"""What ids of rows stand for, with their nouns for titles."""

PICTURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "page_id": ("page_thumbnail", "app_profile_icon"),
        "material_id": ("image_info",),
        "ad_id": ("image_info",),
        "ad_id_v2": ("image_info",),
    }
)
"""The columns in which TikTok may give the address of a picture, by the id column of what is pictured."""

_DAY = Axis("day")

_OTHERS = (Remark("several", Phrase("The table below has their other figures.")),)


def _ranking(
    name: str,
    title: str,
    meaning: str,
    figures: tuple[str, ...],
    ids: tuple[str, ...],
    cheapest: tuple[str, str] | None = None,
) -> CardSpec:
    """The ten that rank highest by the first figure, or lowest where the least is best."""
    return CardSpec(
        name,
        title,
        meaning,
        "bars",
        figures,
        (Axis("value", ids),),
        most=7,
        rest="sums",
        limit=10,
        remarks=_OTHERS,
        calculated=6,
        cheapest=cheapest,
    )


CARDS: tuple[CardSpec, ...] = (
    CardSpec(
        "totals",
        Phrase("Totals"),
        Phrase("Totals of the chosen rows."),
        "numbers",
        (*SUMS, *RATES),
        most=9,
        rest="sums",
        previous=True,
        remarks=(
            Remark("rates", Phrase("Rates and costs are computed from the sums, not averaged.")),
            Remark("non-additive", Phrase("Not included, as sums over rows would be wrong: %(people)s.")),
        ),
        calculated=6,
    ),
    CardSpec(
        "spend",
        Phrase("%(figure)s by day"),
        Phrase("%(figure)s of each day."),
        "line",
        MONEY,
        (_DAY,),
        previous=True,
    ),
    CardSpec(
        "pacing",
        Phrase("Pacing against a budget"),
        Phrase("%(figure)s of complete days against a budget that you enter, with an even pace over its days."),
        "pacing",
        MONEY,
        (_DAY,),
    ),
    CardSpec(
        "results",
        Phrase("Results by day"),
        Phrase("%(figures)s of each day."),
        "line",
        ("conversion", "clicks", "impressions", "video_play_actions"),
        (_DAY,),
        most=4,
        rest="counts",
        previous=True,
        single=Phrase("%(figure)s by day"),
        remarks=(
            Remark(
                "late",
                Phrase("TikTok attributes conversions to the day of the view or click, so recent days still increase."),
            ),
        ),
    ),
    CardSpec(
        "values",
        Phrase("Value by day"),
        Phrase("Value that TikTok attributes to the ads, by the day of the view or click."),
        "line",
        (),
        (_DAY,),
        most=4,
        rest="values",
        single=Phrase("%(figure)s by day"),
        remarks=(Remark("several", Phrase("Values of different events are shown side by side, not summed.")),),
    ),
    CardSpec(
        "rates",
        Phrase("Rates and costs by day"),
        Phrase("%(figures)s of each day, computed from its sums. Days with few impressions vary widely."),
        "line",
        RATES,
        (_DAY,),
        most=6,
        rest="rates",
        previous=True,
        single=Phrase("%(figure)s by day"),
        calculated=6,
    ),
    CardSpec(
        "returns",
        Phrase("Return on ad spend by day"),
        Phrase("Purchase value divided by cost, computed from each day's sums."),
        "line",
        RETURNS,
        (_DAY,),
        most=4,
        rest="returns",
        remarks=(
            Remark("several", Phrase("Purchases in different places are different sales and are shown side by side.")),
        ),
    ),
    CardSpec(
        "twins",
        Phrase("The same event in different places"),
        Phrase(
            "One kind of event, counted separately in each place: %(figures)s. A zero in one says "
            "nothing about the others."
        ),
        "line",
        (),
        (_DAY,),
        least=2,
        most=5,
        rest="twins",
    ),
    _ranking(
        "campaigns",
        Phrase("Top campaigns by %(figure)s"),
        Phrase("The campaigns that rank highest by %(figure)s."),
        ("spend", *_SIDE),
        ("campaign_id",),
        cheapest=(
            Phrase("Campaigns with the lowest %(figure)s"),
            Phrase("The campaigns with the lowest %(figure)s, of those that have one."),
        ),
    ),
    _ranking(
        "ad_groups",
        Phrase("Top ad groups by %(figure)s"),
        Phrase("The ad groups that rank highest by %(figure)s."),
        ("spend", *_SIDE),
        ("adgroup_id",),
        cheapest=(
            Phrase("Ad groups with the lowest %(figure)s"),
            Phrase("The ad groups with the lowest %(figure)s, of those that have one."),
        ),
    ),
    _ranking(
        "ads",
        Phrase("Top ads by %(figure)s"),
        Phrase("The ads that rank highest by %(figure)s."),
        ("spend", *_SIDE),
        ("ad_id_v2", "smart_plus_ad_id", "ad_id"),
        cheapest=(
            Phrase("Ads with the lowest %(figure)s"),
            Phrase("The ads with the lowest %(figure)s, of those that have one."),
        ),
    ),
    _ranking(
        "shops",
        Phrase("Top shops by %(figure)s"),
        Phrase("The shops that rank highest by %(figure)s."),
        ("cost", "orders", "gross_revenue", "roi", "cost_per_order"),
        ("store_id",),
    ),
    _ranking(
        "products",
        Phrase("Top products by %(figure)s"),
        Phrase("The products that rank highest by %(figure)s."),
        ("cost", "orders", "gross_revenue", "roi", "cost_per_order"),
        ("item_group_id",),
    ),
    _ranking(
        "posts",
        Phrase("Top posts by %(figure)s"),
        Phrase("The posts that rank highest by %(figure)s; -1 is the product itself, and cost of no post."),
        ("cost", "orders", "gross_revenue", "roi", "cost_per_order"),
        ("item_id",),
    ),
    _ranking(
        "playables",
        Phrase("Top playable ads by %(figure)s"),
        Phrase("The playable ads that rank highest by %(figure)s."),
        ("spend", *_SIDE),
        ("playable_id",),
    ),
    CardSpec(
        "live_sessions",
        Phrase("Top LIVE sessions by %(figure)s"),
        Phrase("The LIVE sessions that rank highest by %(figure)s."),
        "bars",
        ("cost", "orders", "gross_revenue", "roi", "cost_per_order"),
        (Axis("value", ("room_id",)),),
        most=7,
        rest="sums",
        limit=10,
        remarks=_OTHERS,
        calculated=6,
    ),
    CardSpec(
        "shop_days",
        Phrase("%(figure)s by %(column)s and day"),
        Phrase("The five that rank highest by %(figure)s, by day."),
        "line",
        ("cost", "orders", "gross_revenue"),
        (_DAY, Axis("value", ("item_id", "room_id", "item_group_id"))),
        limit=5,
    ),
    _ranking(
        "periods",
        Phrase("Top optimization periods by %(figure)s"),
        Phrase("The periods of one optimization mode that rank highest by %(figure)s, as TikTok writes them."),
        ("cost", "orders", "gross_revenue", "roi", "cost_per_order"),
        ("duration",),
    ),
    replace(
        _ranking(
            "optimization_modes",
            Phrase("%(figure)s by optimization mode"),
            Phrase("%(figure)s of rows of each optimization mode of GMV Max: target ROI or maximum delivery."),
            ("cost", "orders", "gross_revenue", "roi", "cost_per_order"),
            ("bid_type",),
        ),
        shares=True,
    ),
    _ranking(
        "accounts",
        Phrase("Top ad accounts by %(figure)s"),
        Phrase("The ad accounts that rank highest by %(figure)s."),
        ("spend", *_SIDE),
        ("advertiser_id",),
        cheapest=(
            Phrase("Ad accounts with the lowest %(figure)s"),
            Phrase("The ad accounts with the lowest %(figure)s, of those that have one."),
        ),
    ),
    CardSpec(
        "cost_parts",
        Phrase("Cash and ad credit by ad account"),
        Phrase("What each ad account paid in cash and in ad credit, which is money from TikTok such as vouchers."),
        "grouped",
        ("cash_spend", "voucher_spend"),
        (Axis("value", ("advertiser_id",)),),
        least=2,
        most=2,
        limit=15,
    ),
    CardSpec(
        "funnel",
        Phrase("Video completion"),
        Phrase("Plays that reached each point, as a share of %(figure)s."),
        "funnel",
        VIDEO,
        least=3,
        most=7,
        remarks=(
            Remark(
                "both plays",
                Phrase(
                    "Seconds and percentages measure the same plays in two ways, so a step may be higher than "
                    "the previous one."
                ),
            ),
        ),
    ),
    CardSpec(
        "retention",
        Phrase("Video retention"),
        Phrase("Share of all video views that reached each quarter of the video."),
        "curve",
        VIDEO,
        least=3,
        most=7,
    ),
    CardSpec(
        "hours",
        Phrase("%(figure)s by hour of the week"),
        Phrase(
            "Average of each hour of the week, in each ad account's time zone. It shows when ads ran, "
            "not when they work best."
        ),
        "heat",
        SUMS,
        (Axis("hour"), Axis("weekday")),
        rest="sums",
    ),
    CardSpec(
        "hours_results",
        Phrase("%(figure)s by hour of the week"),
        Phrase(
            "Average of each hour of the week, in each ad account's time zone. Hours with little cost have few results."
        ),
        "heat",
        ("conversion", "clicks"),
        (Axis("hour"), Axis("weekday")),
    ),
    CardSpec(
        "age_gender",
        Phrase("%(figure)s by age and gender"),
        Phrase("%(figure)s by age and gender of the viewers. It shows who saw the ads, not who is most interested."),
        "grouped",
        ("spend", *_SIDE),
        (Axis("breakdown", ("age",)), Axis("breakdown", ("gender",))),
        rest="sums",
    ),
    CardSpec(
        "age_gender_rates",
        Phrase("%(figure)s by age and gender"),
        Phrase("%(figure)s of each group of viewers, computed from the group's sums. Small groups vary widely."),
        "grouped",
        ("conversion_rate_v2", "ctr", "cpm"),
        (Axis("breakdown", ("age",)), Axis("breakdown", ("gender",))),
    ),
    CardSpec(
        "breakdown",
        Phrase("%(figure)s by %(column)s"),
        Phrase("%(figure)s by %(column)s."),
        "bars",
        ("spend", *_SIDE),
        (Axis("breakdown"),),
        most=7,
        rest="sums",
        each=9,
        limit=15,
        remarks=(Remark("several", Phrase("The table below has the other figures of each value.")),),
        calculated=6,
        shares=True,
    ),
    CardSpec(
        "map",
        Phrase("Map of %(figure)s"),
        Phrase(
            "%(figure)s by country, as one tile for each country, near its place in the world. "
            "A stronger color is more."
        ),
        "map",
        ("spend", *_SIDE),
        (Axis("breakdown", ("country_code",)),),
        most=7,
        rest="sums",
        limit=400,
        remarks=(Remark("several", Phrase("The table below has the other figures of each country.")),),
    ),
    CardSpec(
        "breakdown_days",
        Phrase("%(figure)s by %(column)s and day"),
        Phrase("The five values that rank highest by %(figure)s, by day."),
        "line",
        ("spend", "impressions", "clicks", "conversion"),
        (_DAY, Axis("breakdown", SLOW)),
        rest="sums",
        each=1,
        limit=5,
    ),
    CardSpec(
        "trait",
        Phrase("%(figure)s by %(column)s"),
        Phrase("%(figure)s by %(column)s, with the settings as of the run that read the rows."),
        "bars",
        ("spend", *_SIDE),
        (Axis("value", TRAITS),),
        most=7,
        rest="sums",
        each=3,
        limit=15,
        calculated=6,
        shares=True,
    ),
    CardSpec(
        "creatives",
        Phrase("Top creatives by %(figure)s"),
        Phrase("The creative assets that rank highest by %(figure)s. One asset may be in several ads."),
        "bars",
        ("spend", *_SIDE, "video_play_actions"),
        (Axis("value", ("material_id", "page_id")),),
        most=8,
        rest="sums",
        limit=15,
        calculated=6,
        cheapest=(
            Phrase("Creatives with the lowest %(figure)s"),
            Phrase(
                "The creative assets with the lowest %(figure)s, of those that have one. One asset may be in several "
                "ads."
            ),
        ),
    ),
    CardSpec(
        "creative_rates",
        Phrase("Top creatives by %(figure)s"),
        Phrase(
            "The creative assets that rank highest by %(figure)s, among those with at least 1,000 "
            "impressions. Their audiences may differ."
        ),
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
        Phrase("%(figure)s by day and ad account"),
        Phrase("%(figures)s of each ad account each day, as TikTok counts them."),
        "line",
        PEOPLE,
        (_DAY, Axis("value", ("advertiser_id",))),
        most=3,
        own=True,
        limit=5,
        remarks=(
            Remark("people", Phrase("A person reached on two days counts on both, so the figures are non-additive.")),
        ),
    ),
    CardSpec(
        "people",
        Phrase("%(figure)s by %(column)s"),
        Phrase("%(figure)s as TikTok counts it over the whole range."),
        "bars",
        PEOPLE,
        (Axis("value", ("campaign_id", "adgroup_id", "ad_id_v2", "ad_id", "advertiser_id")),),
        most=4,
        own=True,
        limit=10,
        remarks=(
            Remark(
                "people", Phrase("A person reached by two of them counts for both, so the figures are non-additive.")
            ),
            *_OTHERS,
        ),
    ),
    CardSpec(
        "kinds",
        Phrase("%(entities)s by %(column)s"),
        Phrase("Number of %(entities)s by %(column)s, as of the last run."),
        "bars",
        (ROWS,),
        (Axis("value", tuple(KINDS)),),
        each=8,
        subject="entities",
        limit=15,
    ),
    CardSpec(
        "created",
        Phrase("%(entities)s by month of creation"),
        Phrase("Number of %(entities)s created in each month (UTC)."),
        "columns",
        (ROWS,),
        (Axis("month", ("create_time",)),),
        subject="entities",
        remarks=(
            Remark("with deleted", Phrase("Deleted %(entities)s are included.")),
            Remark("without deleted", Phrase("Deleted %(entities)s are not included.")),
        ),
    ),
    CardSpec(
        "expiring",
        Phrase("%(entities)s by month of expiration"),
        Phrase("Number of %(entities)s that expire in each month (UTC)."),
        "columns",
        (ROWS,),
        (Axis("month", ("expired_time",)),),
        subject="entities",
    ),
    CardSpec(
        "parents",
        Phrase("%(entities)s by campaign"),
        Phrase("The campaigns with the most %(entities)s."),
        "bars",
        (ROWS,),
        (Axis("value", ("campaign_id",)),),
        subject="entities",
        limit=10,
    ),
    CardSpec(
        "owners",
        Phrase("%(entities)s by ad account"),
        Phrase("Number of %(entities)s of each ad account."),
        "bars",
        (ROWS,),
        (Axis("value", ("advertiser_id",)),),
        subject="entities",
        limit=10,
        remarks=(Remark("shared", Phrase("Shared %(entities)s count for each of their ad accounts.")),),
    ),
    CardSpec(
        "sizes",
        Phrase("Audiences by size"),
        Phrase(
            "Number of people that each audience matches. A person may be in several audiences, so "
            "sizes are non-additive."
        ),
        "bars",
        ("cover_num",),
        (Axis("value", ("audience_id",), "name"),),
        own=True,
        subject="entities",
        limit=15,
    ),
    CardSpec(
        "balance_days",
        Phrase("%(figure)s by day and ad account"),
        Phrase("%(figure)s of each ad account at the moment of each day's run, for the five with most."),
        "line",
        _BALANCES,
        (_DAY, Axis("value", ("advertiser_id",))),
        own=True,
        limit=5,
    ),
    CardSpec(
        "balance_accounts",
        Phrase("%(figure)s by ad account"),
        Phrase("%(figure)s of each ad account at the moment of the last run."),
        "bars",
        _BALANCES,
        (Axis("value", ("advertiser_id",)),),
        most=4,
        own=True,
        limit=15,
        last_day=True,
        remarks=_OTHERS,
    ),
    CardSpec(
        "balance_parts",
        Phrase("Cash and ad credit by ad account"),
        Phrase("What each ad account has left in cash and in ad credit, which is money from TikTok such as vouchers."),
        "grouped",
        ("cash_balance", "grant_balance"),
        (Axis("value", ("advertiser_id",)),),
        least=2,
        most=2,
        own=True,
        limit=15,
        last_day=True,
    ),
    CardSpec(
        "balances",
        Phrase("Ad accounts by balance"),
        Phrase("The balance of each ad account as of the last run."),
        "bars",
        ("balance",),
        (Axis("value", ("advertiser_id",), "name"),),
        own=True,
        subject="entities",
        limit=15,
    ),
)
"""Every card, in the order in which they are shown."""
