"""The Report menu and each report's menus, from which the form, the validation and the reference pages are built.

Names are the keys of dataset files. A menu or a choice with conditions (`when`) is available only if all of them hold
for the menus above it. Rules: TikTok's "Report types" (doc 1738864835805186) and "Run a synchronous report"
(doc 1740302848100353).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from adreel.catalog import gmv_max
from adreel.catalog.ad_account_assets import IDENTITIES, PIXELS
from adreel.catalog.records import Choice, Menu, Report, When
from adreel.catalog.report_types import CENTER_SPEND, FURTHER, PLAYABLES, SELLER_CENTER
from adreel.language import Phrase

_BASIC = When("report_type", ("basic",))
_AUDIENCE = When("report_type", ("audience",))
_DSA = When("report_type", ("dsa",))
_AUCTION = When("service_type", ("auction",))


def _level(*levels: str) -> tuple[When, ...]:
    return (When("data_level", levels),)


ADVERTISERS = Menu(
    "advertisers",
    Phrase("Ad accounts"),
    "advertisers",
    Phrase("All ad accounts of the account, including future ones, or selected IDs."),
    many=True,
    default="all",
)
SKIP_FAILING = Menu(
    "skip_failing_advertisers",
    Phrase("Skip failing ad accounts"),
    "switch",
    Phrase(
        "On: a run skips ad accounts that cannot be read and lists them. Off: the run fails and the table is unchanged."
    ),
    default=False,
)
INCLUDE_DELETED = Menu(
    "include_deleted",
    Phrase("Include deleted"),
    "switch",
    Phrase("On: includes campaigns, ad groups and ads deleted since, so that their cost stays in the table."),
    default=True,
)
RESET_SCHEMA = Menu(
    "reset_schema",
    Phrase("Reset schema"),
    "switch",
    Phrase("On: each run resets the table's columns, which can drop columns. Not available with append."),
    default=False,
)
METRICS = Menu(
    "metrics", Phrase("Metrics"), "metrics", Phrase("Metrics and attributes to read."), many=True, required=True
)
DATES = Menu(
    "dates",
    Phrase("Dates"),
    "dates",
    Phrase("A day, a range or a period, in each ad account's time zone."),
    required=True,
    when=(When("lifetime", ("false",)),),
)
FIELDS = Menu("fields", Phrase("Fields"), "fields", Phrase("Columns to keep; all if none is selected."), many=True)
DATA_LEVEL = Menu(
    "data_level",
    Phrase("Data level"),
    "choices",
    Phrase("Granularity of the rows."),
    required=True,
    choices=(
        Choice("advertiser", Phrase("Ad account"), Phrase("The ad account as a whole.")),
        Choice("campaign", Phrase("Campaign"), Phrase("Each campaign.")),
        Choice("adgroup", Phrase("Ad group"), Phrase("Each ad group.")),
        Choice("ad", Phrase("Ad"), Phrase("Each ad.")),
    ),
)
ID_DIMENSION = Menu(
    "id_dimension",
    Phrase("ID dimension"),
    "choices",
    Phrase("ID column of each row; it depends on the data level."),
    required=True,
    choices=(
        Choice("advertiser_id", Phrase("Ad account ID"), Phrase("One row for each ad account."), _level("advertiser")),
        Choice("campaign_id", Phrase("Campaign ID"), Phrase("One row for each campaign."), _level("campaign")),
        Choice("adgroup_id", Phrase("Ad group ID"), Phrase("One row for each ad group."), _level("adgroup")),
        Choice(
            "ad_id",
            Phrase("Ad ID"),
            Phrase("One row for each ad; for Smart+ ads, one for each creative."),
            _level("ad"),
        ),
        Choice(
            "ad_id_v2",
            Phrase("Ad ID (Smart+ ads as one)"),
            Phrase("One row for each ad, Smart+ ads as a whole."),
            _level("ad"),
        ),
        Choice(
            "none",
            Phrase("None"),
            Phrase("Totals of the ad account for each day, hour or breakdown."),
            _level("advertiser"),
        ),
    ),
)
TIME_DIMENSION = Menu(
    "time_dimension",
    Phrase("Time dimension"),
    "choices",
    Phrase("One row for the whole range, for each day or for each hour."),
    default="none",
    choices=(
        Choice("none", Phrase("None"), Phrase("One row for the whole range; up to 365 days per request.")),
        Choice("day", Phrase("Daily"), Phrase("One row for each day; up to 30 days per request.")),
        Choice(
            "hour",
            Phrase("Hourly"),
            Phrase("One row for each hour; one day per request."),
            (When("report_type", ("basic", "audience")),),
        ),
    ),
)

HOUR_TYPE = Menu(
    "hour_type",
    Phrase("Type of hours"),
    "choices",
    Phrase("How the table keeps hours. It is chosen before the first run, and stays."),
    default="timestamp",
    when=(When("time_dimension", ("hour",)),),
    choices=(
        Choice(
            "timestamp",
            Phrase("Timestamp without a zone"),
            Phrase("For readers of Delta Lake with the table feature timestampNtz."),
        ),
        Choice("text", Phrase("Text"), Phrase("Such as 2026-11-28 13:00:00, for all readers of Delta Lake.")),
    ),
)

_PERFORMANCE = (
    ADVERTISERS,
    SKIP_FAILING,
    Menu(
        "service_type",
        Phrase("Ad service type"),
        "choices",
        Phrase("Buying type of the ads."),
        default="auction",
        choices=(
            Choice(
                "auction",
                Phrase("Auction"),
                Phrase("TikTok's auction levels, which include all campaigns since API v1.3."),
            ),
            Choice(
                "reservation",
                Phrase("Reservation"),
                Phrase("Only Reach & Frequency and TopView campaigns; the column buying_type says which."),
            ),
        ),
    ),
    Menu(
        "report_type",
        Phrase("Report type"),
        "choices",
        Phrase("Kind of breakdown."),
        default="basic",
        choices=(
            Choice("basic", Phrase("Basic"), Phrase("Cost and results, in total or by targeting.")),
            Choice(
                "audience",
                Phrase("Audience"),
                Phrase("By attributes of the viewers, such as age and gender."),
                (_AUCTION,),
            ),
            Choice(
                "dsa",
                "DSA",
                Phrase("By catalog, product set or product (dynamic showcase ads)."),
                (_AUCTION,),
                sure=False,
            ),
        ),
    ),
    Menu(
        "dsa_type",
        Phrase("DSA type"),
        "choices",
        Phrase("Kind of catalog report."),
        default="catalog",
        when=(_DSA,),
        choices=(
            Choice(
                "catalog",
                Phrase("Catalog"),
                Phrase("TikTok's CATALOG report; its lists are documented in a single source."),
                sure=False,
            ),
        ),
    ),
    DATA_LEVEL,
    ID_DIMENSION,
    TIME_DIMENSION,
    Menu(
        "audience_dimensions",
        Phrase("Audience dimension"),
        "dimensions",
        Phrase("Attribute of the viewers; age and gender can be combined."),
        many=True,
        required=True,
        when=(_AUDIENCE,),
    ),
    Menu(
        "targeting_dimension",
        Phrase("Targeting dimension"),
        "dimensions",
        Phrase("Additional breakdown, such as the country; data from 2022-02-22 on."),
        many=True,
        when=(_BASIC,),
    ),
    Menu(
        "dsa_dimension",
        Phrase("DSA dimension"),
        "dimensions",
        Phrase("Part of the catalog."),
        many=True,
        required=True,
        when=(_DSA,),
    ),
    METRICS,
    INCLUDE_DELETED,
    Menu(
        "excludes_gmv_max",
        Phrase("GMV Max left out on purpose"),
        "switch",
        Phrase("On: runs note the GMV Max cost that no dataset reads, and do not warn of it."),
        default=False,
        when=(_BASIC,),
    ),
    Menu(
        "lifetime",
        Phrase("Lifetime data"),
        "switch",
        Phrase("On: TikTok's figures since the start; dates are ignored."),
        default=False,
        when=(_BASIC, When("time_dimension", ("none",))),
    ),
    DATES,
    Menu(
        "reading",
        Phrase("Reading"),
        "choices",
        Phrase("How past days are read: in pages, or with asynchronous report tasks, which take fewer requests."),
        default="automatic",
        when=(_AUCTION, _BASIC, When("time_dimension", ("day",))),
        choices=(
            Choice("automatic", Phrase("Automatic"), Phrase("Report tasks where they save many requests.")),
            Choice("pages", Phrase("Pages"), Phrase("Pages only.")),
            Choice(
                "tasks",
                Phrase("Report tasks"),
                Phrase("Report tasks where they save any request; days that they lack are read in pages."),
            ),
        ),
    ),
    HOUR_TYPE,
    RESET_SCHEMA,
)

_CREATIVES = (
    ADVERTISERS,
    SKIP_FAILING,
    Menu(
        "material_type",
        Phrase("Material type"),
        "choices",
        Phrase("Type of creative assets."),
        default="video",
        choices=(
            Choice("video", Phrase("Video")),
            Choice("image", Phrase("Image")),
            Choice("instant_page", Phrase("Instant page")),
        ),
    ),
    replace(FIELDS, name="info_fields", title=Phrase("Info fields"), meaning=Phrase("Attributes of each creative.")),
    METRICS,
    Menu(
        "lifetime",
        Phrase("Lifetime data"),
        "switch",
        Phrase("On: figures since the start; dates are ignored."),
        default=False,
    ),
    DATES,
    RESET_SCHEMA,
)

_GMV_LEVEL = "gmv_max_level"
_GMV_MAX = (
    ADVERTISERS,
    SKIP_FAILING,
    Menu(
        "shops",
        Phrase("Shops"),
        "ids",
        Phrase("IDs of TikTok Shops; all shops of the ad accounts if none is given."),
        many=True,
    ),
    Menu(
        _GMV_LEVEL,
        Phrase("Level"),
        "choices",
        Phrase("Granularity of the rows."),
        required=True,
        choices=(
            Choice("account", Phrase("Shop"), Phrase("Each shop as a whole.")),
            Choice("campaign", Phrase("Campaign"), Phrase("Each GMV Max campaign, deleted ones included.")),
            Choice("product", Phrase("Product"), Phrase("Each product of each Product GMV Max campaign.")),
            Choice(
                "creative", Phrase("Creative"), Phrase("Each post of each product; item_id is -1 for what has no post.")
            ),
            Choice("livestream", Phrase("LIVE session"), Phrase("Each session of each LIVE GMV Max campaign.")),
            Choice(
                "product_duration",
                Phrase("Product by period"),
                Phrase("Each period of one optimization mode of each product; without days."),
                sure=False,
            ),
            Choice(
                "live_duration",
                Phrase("LIVE session by period"),
                Phrase("Each period of one optimization mode of each LIVE session; without days."),
                sure=False,
            ),
        ),
    ),
    Menu(
        "promotion_type",
        Phrase("Campaign type"),
        "choices",
        Phrase("Type of GMV Max campaigns; the column promotion_type says which."),
        default="all",
        when=(When(_GMV_LEVEL, ("account", "campaign")),),
        choices=(
            Choice("all", Phrase("All"), Phrase("Product and LIVE GMV Max campaigns.")),
            Choice("product", Phrase("Product"), Phrase("Product GMV Max campaigns.")),
            Choice("live", "LIVE", Phrase("LIVE GMV Max campaigns.")),
        ),
    ),
    Menu(
        "time_dimension",
        Phrase("Time dimension"),
        "choices",
        TIME_DIMENSION.meaning,
        default="day",
        choices=(
            TIME_DIMENSION.choices[0],
            replace(TIME_DIMENSION.choices[1], when=(When(_GMV_LEVEL, gmv_max.DATED, open=True),)),
            replace(
                TIME_DIMENSION.choices[2],
                when=(When(_GMV_LEVEL, ("account", "campaign", "product", "livestream")),),
            ),
        ),
    ),
    METRICS,
    replace(DATES, when=()),
    HOUR_TYPE,
    RESET_SCHEMA,
)

_SHOPS = _GMV_MAX[2]
_ALL_SPEND = (ADVERTISERS, SKIP_FAILING, _SHOPS, METRICS, replace(DATES, when=()), RESET_SCHEMA)
_ACCOUNT_ONLY = (When("data_level", ("advertiser",)),)
_MATERIALS = (
    ADVERTISERS,
    SKIP_FAILING,
    replace(
        DATA_LEVEL,
        meaning=Phrase("Whose assets rows are of; only the ad account has days and combinations."),
        choices=(*DATA_LEVEL.choices[:3], Choice("ad", Phrase("Ad"), Phrase("Each Smart+ ad as a whole."))),
    ),
    Menu(
        "asset_dimensions",
        Phrase("Asset dimension"),
        "dimensions",
        Phrase("Part of the ads that each row is of; several for their combinations in the ad account."),
        many=True,
        required=True,
    ),
    replace(
        TIME_DIMENSION,
        choices=(
            TIME_DIMENSION.choices[0],
            Choice("day", Phrase("Daily"), Phrase("One row for each day; up to 30 days per request."), _ACCOUNT_ONLY),
            Choice("hour", Phrase("Hourly"), Phrase("One row for each hour; 7 days per request."), _ACCOUNT_ONLY),
        ),
    ),
    METRICS,
    Menu(
        "lifetime",
        Phrase("Lifetime data"),
        "switch",
        Phrase("On: TikTok's figures since the start; dates are ignored."),
        default=False,
        when=(When("time_dimension", ("none",)),),
    ),
    DATES,
    HOUR_TYPE,
    RESET_SCHEMA,
)

OTHER_FIELDS = Menu(
    "other_fields",
    Phrase("Other fields"),
    "switch",
    Phrase("On: the column other_fields has what TikTok sends and adreel's catalogue lacks, as JSON."),
    default=False,
)

_ENTITIES = (ADVERTISERS, SKIP_FAILING, FIELDS, OTHER_FIELDS, INCLUDE_DELETED, RESET_SCHEMA)

_BUSINESS_CENTERS = Menu(
    "business_centers",
    Phrase("Business Centers"),
    "ids",
    Phrase("IDs of Business Centers; all of the account if none is given."),
    many=True,
)

_CENTER_DATES = replace(DATES, when=(), meaning=Phrase("A day, a range or a period in UTC."))
_TRANSACTION_LEVEL = Menu(
    "transaction_level",
    Phrase("Transaction level"),
    "choices",
    Phrase("Whose transactions rows are."),
    default="advertiser",
    choices=(
        Choice("advertiser", Phrase("Ad account"), Phrase("Of ad accounts that the Business Center owns.")),
        Choice("bc", Phrase("Business Center"), Phrase("Of the Business Center itself.")),
        Choice("payment_portfolio", Phrase("Payment portfolio"), Phrase("Of its payment portfolios.")),
    ),
)
_ASSET_TYPE = Menu(
    "asset_type",
    Phrase("Asset type"),
    "choices",
    Phrase("Type of the assets."),
    default="all",
    choices=(
        Choice("all", Phrase("All"), Phrase("All but storefronts and domains.")),
        Choice("advertiser", Phrase("Ad account")),
        Choice("catalog", Phrase("Catalog")),
        Choice("tiktok_shop", "TikTok Shop"),
        Choice("pixel", Phrase("Pixel")),
        Choice("lead", Phrase("Lead library"), Phrase("Libraries of instant forms.")),
        Choice("tt_account", Phrase("TikTok account")),
        Choice("storefront", Phrase("Storefront"), Phrase("A single source names this type."), sure=False),
        Choice("domain", Phrase("Domain"), Phrase("A single source names this type."), sure=False),
    ),
)

_ASSET_LIST = (ADVERTISERS, SKIP_FAILING, FIELDS, OTHER_FIELDS, RESET_SCHEMA)

_AUDIENCES = Menu(
    "audiences",
    Phrase("Audiences"),
    "ids",
    Phrase("IDs of audiences; all if none is given."),
    many=True,
)

_SELLER_CENTER = (
    ADVERTISERS,
    SKIP_FAILING,
    Menu(
        FURTHER[SELLER_CENTER].menu,
        Phrase("Rows"),
        "choices",
        Phrase("What each row is of."),
        required=True,
        choices=(
            Choice("advertiser", Phrase("Ad account"), Phrase("Each ad account for the whole range.")),
            Choice("advertiser_country", Phrase("Ad account and country"), Phrase("Each country of each ad account.")),
            Choice("campaign_country", Phrase("Campaign and country"), Phrase("Each country of each campaign.")),
        ),
    ),
    replace(
        TIME_DIMENSION,
        choices=(
            TIME_DIMENSION.choices[0],
            replace(
                TIME_DIMENSION.choices[1],
                when=(When(FURTHER[SELLER_CENTER].menu, ("advertiser_country", "campaign_country")),),
            ),
        ),
    ),
    METRICS,
    replace(DATES, when=()),
    RESET_SCHEMA,
)
_PLAYABLES = (
    ADVERTISERS,
    SKIP_FAILING,
    Menu(
        FURTHER[PLAYABLES].menu,
        Phrase("Rows"),
        "choices",
        Phrase("What each row is of; there are no days."),
        default="playable",
        choices=(
            Choice("playable", Phrase("Playable ad"), Phrase("Each playable ad."), sure=False),
            Choice(
                "playable_country", Phrase("Playable ad and country"), Phrase("Each country of each one."), sure=False
            ),
        ),
    ),
    METRICS,
    replace(
        INCLUDE_DELETED,
        meaning=Phrase("On: includes playable ads deleted since, so that their cost stays in the table."),
    ),
    Menu(
        "lifetime",
        Phrase("Lifetime data"),
        "switch",
        Phrase("On: TikTok's figures since the start; dates are ignored."),
        default=False,
        when=(When(FURTHER[PLAYABLES].menu, ("playable",)),),
    ),
    DATES,
    RESET_SCHEMA,
)
_CENTER_SPEND = (
    _BUSINESS_CENTERS,
    Menu(
        FURTHER[CENTER_SPEND].menu,
        Phrase("Rows"),
        "choices",
        Phrase("What each row is of."),
        required=True,
        choices=(
            Choice("advertiser", Phrase("Ad account"), Phrase("Each ad account for the whole range.")),
            Choice("advertiser_country", Phrase("Ad account and country"), Phrase("Each country of each ad account.")),
            Choice("day", Phrase("Day"), Phrase("Each day of the Business Center as a whole, without ad accounts.")),
        ),
    ),
    METRICS,
    replace(
        _CENTER_DATES,
        meaning=Phrase(
            "A day, a range or a period in UTC; in which time zone TikTok counts the days is not documented."
        ),
    ),
    RESET_SCHEMA,
)


def _legacy(level: str | None) -> tuple[Menu, ...]:
    """The menus of a deprecated report; `level` is its only report level, None offers all levels."""
    offered = DATA_LEVEL.choices if level is None else tuple(c for c in DATA_LEVEL.choices if c.value == level)
    return (
        Menu(
            "report_level",
            Phrase("Report level"),
            "choices",
            Phrase("Granularity of the rows."),
            required=True,
            choices=offered,
        ),
        Menu(
            "service_type",
            Phrase("Ad service type"),
            "choices",
            Phrase("Buying type of the ads."),
            default="auction",
            choices=_PERFORMANCE[2].choices,
        ),
        Menu(
            "time_granularity",
            Phrase("Time granularity"),
            "choices",
            Phrase("One row for the whole range, for each day or for each hour."),
            default="daily",
            choices=(
                Choice("none", Phrase("None")),
                Choice("daily", Phrase("Daily")),
                Choice("hourly", Phrase("Hourly")),
            ),
        ),
        Menu(
            "dimensions",
            Phrase("Dimensions"),
            "dimensions",
            Phrase("Additional dimensions."),
            many=True,
            required=level is None,
        ),
        METRICS,
        ADVERTISERS,
        SKIP_FAILING,
        INCLUDE_DELETED,
        replace(DATES, when=()),
        RESET_SCHEMA,
    )


def _old(name: str, title: str, level: str | None) -> Report:
    return Report(
        name, title, Phrase("Report of the older connector, read through the current API."), _legacy(level), True
    )


_ALL = (
    Report(
        "performance",
        Phrase("Performance"),
        Phrase("Cost and results at ad account, campaign, ad group or ad level; audience and catalog breakdowns."),
        _PERFORMANCE,
    ),
    Report(
        "creatives", Phrase("Creatives"), Phrase("Basic metrics and attributes of each creative asset."), _CREATIVES
    ),
    Report(
        "gmv_max",
        Phrase("GMV Max"),
        Phrase("Cost, orders and revenue of GMV Max campaigns of TikTok Shops, which basic reports leave out."),
        _GMV_MAX,
    ),
    Report(
        "all_spend",
        Phrase("All TikTok spend"),
        Phrase("Cost of all campaigns by day, GMV Max campaigns included; the column spend_source says which."),
        _ALL_SPEND,
    ),
    Report(
        "smart_plus_materials",
        Phrase("Smart+ materials"),
        Phrase("Cost and results of the videos, texts and other assets that Smart+ ads are made of."),
        _MATERIALS,
        sureness=Phrase("TikTok documents this report. That its rows add up to the cost of the campaigns is inferred."),
    ),
    Report(
        SELLER_CENTER,
        Phrase("Seller Center ads (before GMV Max)"),
        Phrase(
            "Cost of old ads that were created in Seller Center. GMV Max takes their place; it has a report of its own."
        ),
        _SELLER_CENTER,
        sureness=Phrase(
            "TikTok documents this report with its two metrics. That it is about to be removed is said by one source."
        ),
    ),
    Report(
        PLAYABLES,
        Phrase("Playable ads"),
        Phrase("Cost and use of playable ads, for a range or since the start, without days."),
        _PLAYABLES,
        sureness=Phrase(
            "TikTok's lists of metrics and groupings are not public. Cost and impressions are documented, the "
            "groupings are those of an older connector, and the names of the other metrics are those of another report."
        ),
    ),
    Report("ads", Phrase("Ads"), Phrase("Ads of the ad accounts."), _ENTITIES),
    Report("ad_groups", Phrase("Ad groups"), Phrase("Ad groups of the ad accounts."), _ENTITIES),
    Report("campaigns", Phrase("Campaigns"), Phrase("Campaigns of the ad accounts."), _ENTITIES),
    Report(
        "smart_plus_ads", Phrase("Smart+ ads"), Phrase("Smart+ ads as a whole, each with its creatives."), _ENTITIES
    ),
    Report(
        "smart_plus_ad_groups",
        Phrase("Smart+ ad groups"),
        Phrase("Ad groups of Smart+ campaigns, with their own settings."),
        _ENTITIES,
    ),
    Report(
        "smart_plus_campaigns",
        Phrase("Smart+ campaigns"),
        Phrase("Smart+ campaigns, with their own settings."),
        _ENTITIES,
    ),
    Report(
        "advertisers", Phrase("Ad accounts"), Phrase("The ad accounts that authorized the app."), (FIELDS, RESET_SCHEMA)
    ),
    Report(
        "balances",
        Phrase("Balances"),
        Phrase("Balances and budgets of the ad accounts of Business Centers on the day of each run."),
        (_BUSINESS_CENTERS, FIELDS, RESET_SCHEMA),
        sureness=Phrase("TikTok documents this list, but not what it answers to a user without a finance role."),
    ),
    Report(
        "business_center_transactions",
        Phrase("Transactions"),
        Phrase("Payments, refunds and ad credit of the ad accounts of Business Centers."),
        (_BUSINESS_CENTERS, _TRANSACTION_LEVEL, _CENTER_DATES, FIELDS, RESET_SCHEMA),
        sureness=Phrase(
            "TikTok documents this list. The time zone of its times is inferred, and the sign of amounts is not "
            "documented."
        ),
    ),
    Report(
        "business_center_costs",
        Phrase("Costs by cash and ad credit"),
        Phrase("What the ad accounts of Business Centers cost on each day in UTC, in cash and in ad credit."),
        (_BUSINESS_CENTERS, _CENTER_DATES, FIELDS, RESET_SCHEMA),
        sureness=Phrase(
            "TikTok documents this list. That single days add up to their range is inferred; if not, the check fails."
        ),
    ),
    Report(
        CENTER_SPEND,
        Phrase("Spend of Business Centers"),
        Phrase("Cost in cash, vouchers and coupons, and tax, of ad accounts of Business Centers, or of these by day."),
        _CENTER_SPEND,
        sureness=Phrase(
            "TikTok documents these groupings in examples and these metrics by name. Its full lists are not public. "
            "The currency of amounts and the time zone of days are not documented."
        ),
    ),
    Report(
        "business_centers",
        Phrase("Business Centers"),
        Phrase("The Business Centers of the user who connected."),
        (FIELDS, RESET_SCHEMA),
    ),
    Report(
        "business_center_assets",
        Phrase("Assets of Business Centers"),
        Phrase("Ad accounts, catalogs, shops, pixels and other assets with their IDs and names."),
        (_BUSINESS_CENTERS, _ASSET_TYPE, FIELDS, RESET_SCHEMA),
        sureness=Phrase("TikTok documents this list, but not which assets it leaves out by the role of the user."),
    ),
    Report(
        "custom_audiences",
        Phrase("Custom audience list"),
        Phrase("Custom audiences of the ad accounts."),
        (ADVERTISERS, SKIP_FAILING, OTHER_FIELDS, RESET_SCHEMA),
    ),
    Report(
        "custom_audience_details",
        Phrase("Custom audience details"),
        Phrase("Custom audiences with their details and history."),
        (ADVERTISERS, SKIP_FAILING, _AUDIENCES, OTHER_FIELDS, RESET_SCHEMA),
    ),
    Report(
        PIXELS,
        Phrase("Pixels"),
        Phrase("Pixels that the ad accounts own or share, with their events."),
        _ASSET_LIST,
        sureness=Phrase(
            "TikTok documents this list and its parameters. The columns are those of other clients, which agree on "
            "them."
        ),
    ),
    Report(
        IDENTITIES,
        Phrase("Identities"),
        Phrase("TikTok accounts and names that the ad accounts can advertise as."),
        _ASSET_LIST,
        sureness=Phrase(
            "TikTok documents this list and its parameters. Other clients differ on what it is called in answers and "
            "on some columns. One of them got identities only when it asked for each type."
        ),
    ),
    _old("ad_audience", Phrase("Ad audience (deprecated)"), None),
    _old("ad_performance", Phrase("Ad performance (deprecated)"), "ad"),
    _old("ad_group_performance", Phrase("Ad group performance (deprecated)"), "adgroup"),
    _old("advertiser_performance", Phrase("Advertiser performance (deprecated)"), "advertiser"),
    _old("campaign_performance", Phrase("Campaign performance (deprecated)"), "campaign"),
)

REPORTS: Mapping[str, Report] = MappingProxyType({report.name: report for report in _ALL})
"""Every report, in the order of the menu."""
