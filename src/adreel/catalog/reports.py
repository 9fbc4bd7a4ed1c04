"""The Report menu and each report's menus, from which the form, the validation and the reference pages are built.

Names are the keys of dataset files. A menu or a choice with conditions (`when`) is available only if all of them hold
for the menus above it. Rules: TikTok's "Report types" (doc 1738864835805186) and "Run a synchronous report"
(doc 1740302848100353).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from adreel.catalog.records import Choice, Menu, Report, When

_BASIC = When("report_type", ("basic",))
_AUDIENCE = When("report_type", ("audience",))
_DSA = When("report_type", ("dsa",))
_AUCTION = When("service_type", ("auction",))


def _level(*levels: str) -> tuple[When, ...]:
    return (When("data_level", levels),)


ADVERTISERS = Menu(
    "advertisers",
    "Ad accounts",
    "advertisers",
    "All ad accounts of the account, including future ones, or selected IDs.",
    many=True,
    default="all",
)
SKIP_FAILING = Menu(
    "skip_failing_advertisers",
    "Skip failing ad accounts",
    "switch",
    "On: a run skips ad accounts that cannot be read and lists them. Off: the run fails and the table is unchanged.",
    default=False,
)
INCLUDE_DELETED = Menu(
    "include_deleted",
    "Include deleted",
    "switch",
    "On: includes campaigns, ad groups and ads deleted since, so that their cost stays in the table.",
    default=True,
)
RESET_SCHEMA = Menu(
    "reset_schema",
    "Reset schema",
    "switch",
    "On: each run resets the table's columns, which can drop columns. Not available with append.",
    default=False,
)
METRICS = Menu("metrics", "Metrics", "metrics", "Metrics and attributes to read.", many=True, required=True)
DATES = Menu(
    "dates",
    "Dates",
    "dates",
    "A day, a range or a period, in each ad account's time zone.",
    required=True,
    when=(When("lifetime", ("false",)),),
)
FIELDS = Menu("fields", "Fields", "fields", "Columns to keep; all if none is selected.", many=True)
DATA_LEVEL = Menu(
    "data_level",
    "Data level",
    "choices",
    "Granularity of the rows.",
    required=True,
    choices=(
        Choice("advertiser", "Ad account", "The ad account as a whole."),
        Choice("campaign", "Campaign", "Each campaign."),
        Choice("adgroup", "Ad group", "Each ad group."),
        Choice("ad", "Ad", "Each ad."),
    ),
)
ID_DIMENSION = Menu(
    "id_dimension",
    "ID dimension",
    "choices",
    "ID column of each row; it depends on the data level.",
    required=True,
    choices=(
        Choice("advertiser_id", "Ad account ID", "One row for each ad account.", _level("advertiser")),
        Choice("campaign_id", "Campaign ID", "One row for each campaign.", _level("campaign")),
        Choice("adgroup_id", "Ad group ID", "One row for each ad group.", _level("adgroup")),
        Choice("ad_id", "Ad ID", "One row for each ad; for Smart+ ads, one for each creative.", _level("ad")),
        Choice(
            "ad_id_v2",
            "Ad ID (Smart+ ads as one)",
            "One row for each ad, Smart+ ads as a whole.",
            _level("ad"),
        ),
        Choice("none", "None", "Totals of the ad account for each day, hour or breakdown.", _level("advertiser")),
    ),
)
TIME_DIMENSION = Menu(
    "time_dimension",
    "Time dimension",
    "choices",
    "One row for the whole range, for each day or for each hour.",
    default="none",
    choices=(
        Choice("none", "None", "One row for the whole range; up to 365 days per request."),
        Choice("day", "Daily", "One row for each day; up to 30 days per request."),
        Choice(
            "hour",
            "Hourly",
            "One row for each hour; one day per request.",
            (When("report_type", ("basic", "audience")),),
        ),
    ),
)

_PERFORMANCE = (
    ADVERTISERS,
    SKIP_FAILING,
    Menu(
        "service_type",
        "Ad service type",
        "choices",
        "Buying type of the ads.",
        default="auction",
        choices=(
            Choice("auction", "Auction", "TikTok's auction levels, which include all campaigns since API v1.3."),
            Choice(
                "reservation",
                "Reservation",
                "Only Reach & Frequency and TopView campaigns; the column buying_type says which.",
            ),
        ),
    ),
    Menu(
        "report_type",
        "Report type",
        "choices",
        "Kind of breakdown.",
        default="basic",
        choices=(
            Choice("basic", "Basic", "Cost and results, in total or by targeting."),
            Choice("audience", "Audience", "By attributes of the viewers, such as age and gender.", (_AUCTION,)),
            Choice("dsa", "DSA", "By catalog, product set or product (dynamic showcase ads).", (_AUCTION,)),
        ),
    ),
    Menu(
        "dsa_type",
        "DSA type",
        "choices",
        "Kind of catalog report.",
        default="catalog",
        when=(_DSA,),
        choices=(
            Choice("catalog", "Catalog", "TikTok's CATALOG report; its lists are documented in a single source."),
        ),
    ),
    DATA_LEVEL,
    ID_DIMENSION,
    TIME_DIMENSION,
    Menu(
        "audience_dimensions",
        "Audience dimension",
        "dimensions",
        "Attribute of the viewers; age and gender can be combined.",
        many=True,
        required=True,
        when=(_AUDIENCE,),
    ),
    Menu(
        "targeting_dimension",
        "Targeting dimension",
        "dimensions",
        "Additional breakdown, such as the country; data from 2022-02-22 on.",
        many=True,
        when=(_BASIC,),
    ),
    Menu(
        "dsa_dimension",
        "DSA dimension",
        "dimensions",
        "Part of the catalog.",
        many=True,
        required=True,
        when=(_DSA,),
    ),
    METRICS,
    INCLUDE_DELETED,
    Menu(
        "lifetime",
        "Lifetime data",
        "switch",
        "On: TikTok's figures since the start; dates are ignored.",
        default=False,
        when=(_BASIC, When("time_dimension", ("none",))),
    ),
    DATES,
    RESET_SCHEMA,
)

_CREATIVES = (
    ADVERTISERS,
    SKIP_FAILING,
    Menu(
        "material_type",
        "Material type",
        "choices",
        "Type of creative assets.",
        default="video",
        choices=(
            Choice("video", "Video"),
            Choice("image", "Image"),
            Choice("instant_page", "Instant page"),
        ),
    ),
    replace(FIELDS, name="info_fields", title="Info fields", meaning="Attributes of each creative."),
    METRICS,
    Menu(
        "lifetime",
        "Lifetime data",
        "switch",
        "On: figures since the start; dates are ignored.",
        default=False,
    ),
    DATES,
    RESET_SCHEMA,
)

_ENTITIES = (ADVERTISERS, SKIP_FAILING, FIELDS, INCLUDE_DELETED, RESET_SCHEMA)

_AUDIENCES = Menu(
    "audiences",
    "Audiences",
    "ids",
    "IDs of audiences; all if none is given.",
    many=True,
)


def _legacy(level: str | None) -> tuple[Menu, ...]:
    """The menus of a deprecated report; `level` is its only report level, None offers all levels."""
    offered = DATA_LEVEL.choices if level is None else tuple(c for c in DATA_LEVEL.choices if c.value == level)
    return (
        Menu("report_level", "Report level", "choices", "Granularity of the rows.", required=True, choices=offered),
        Menu(
            "service_type",
            "Ad service type",
            "choices",
            "Buying type of the ads.",
            default="auction",
            choices=_PERFORMANCE[2].choices,
        ),
        Menu(
            "time_granularity",
            "Time granularity",
            "choices",
            "One row for the whole range, for each day or for each hour.",
            default="daily",
            choices=(Choice("none", "None"), Choice("daily", "Daily"), Choice("hourly", "Hourly")),
        ),
        Menu(
            "dimensions",
            "Dimensions",
            "dimensions",
            "Additional dimensions.",
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
    return Report(name, title, "Report of the older connector, read through the current API.", _legacy(level), True)


_ALL = (
    Report(
        "performance",
        "Performance",
        "Cost and results at ad account, campaign, ad group or ad level; audience and catalog breakdowns.",
        _PERFORMANCE,
    ),
    Report("creatives", "Creatives", "Basic metrics and attributes of each creative asset.", _CREATIVES),
    Report("ads", "Ads", "Ads of the ad accounts.", _ENTITIES),
    Report("ad_groups", "Ad groups", "Ad groups of the ad accounts.", _ENTITIES),
    Report("campaigns", "Campaigns", "Campaigns of the ad accounts.", _ENTITIES),
    Report("advertisers", "Ad accounts", "The ad accounts that authorized the app.", (FIELDS, RESET_SCHEMA)),
    Report(
        "custom_audiences",
        "Custom audience list",
        "Custom audiences of the ad accounts.",
        (ADVERTISERS, SKIP_FAILING, RESET_SCHEMA),
    ),
    Report(
        "custom_audience_details",
        "Custom audience details",
        "Custom audiences with their details and history.",
        (ADVERTISERS, SKIP_FAILING, _AUDIENCES, RESET_SCHEMA),
    ),
    _old("ad_audience", "Ad audience (deprecated)", None),
    _old("ad_performance", "Ad performance (deprecated)", "ad"),
    _old("ad_group_performance", "Ad group performance (deprecated)", "adgroup"),
    _old("advertiser_performance", "Advertiser performance (deprecated)", "advertiser"),
    _old("campaign_performance", "Campaign performance (deprecated)", "campaign"),
)

REPORTS: Mapping[str, Report] = MappingProxyType({report.name: report for report in _ALL})
"""Every report, in the order of the menu."""
