"""The Report menu and, for each report, the menus below it: what the form, the validation and the docs all read.

Names are the keys of dataset files. A menu or a choice with conditions (`when`) is there only if each holds for the
menus above it. Rules: TikTok's "Report types" (doc 1738864835805186) and "Run a synchronous report"
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
    "Advertisers",
    "advertisers",
    "All advertisers of the account, also those added later, or the ones named by their ids.",
    many=True,
    default="all",
)
SKIP_FAILING = Menu(
    "skip_failing_advertisers",
    "Skip failing advertisers",
    "switch",
    "On: a run goes on past an advertiser that cannot be read, and names it. Off: the run fails, the table stays.",
    default=False,
)
INCLUDE_DELETED = Menu(
    "include_deleted",
    "Include deleted",
    "switch",
    "On: what was deleted since is read too, so that what was spent stays in the table.",
    default=True,
)
RESET_SCHEMA = Menu(
    "reset_schema",
    "Reset schema",
    "switch",
    "On: each run sets the table's columns afresh, which can lose columns. Not with append.",
    default=False,
)
METRICS = Menu("metrics", "Metrics", "metrics", "The figures and attributes to read.", many=True, required=True)
DATES = Menu(
    "dates",
    "Dates",
    "dates",
    "A day, a range or a period, counted in each advertiser's own time zone.",
    required=True,
    when=(When("lifetime", ("false",)),),
)
FIELDS = Menu("fields", "Fields", "fields", "The columns to keep; all of them if none is named.", many=True)
DATA_LEVEL = Menu(
    "data_level",
    "Data level",
    "choices",
    "What a row is about.",
    required=True,
    choices=(
        Choice("advertiser", "Advertiser", "The ad account as a whole."),
        Choice("campaign", "Campaign", "Each campaign."),
        Choice("adgroup", "Ad group", "Each ad group."),
        Choice("ad", "Ad", "Each ad."),
    ),
)
ID_DIMENSION = Menu(
    "id_dimension",
    "ID dimension",
    "choices",
    "The id that each row carries; TikTok takes only the one of the data level.",
    required=True,
    choices=(
        Choice("advertiser_id", "Advertiser ID", "One row for each advertiser.", _level("advertiser")),
        Choice("campaign_id", "Campaign ID", "One row for each campaign.", _level("campaign")),
        Choice("adgroup_id", "Ad group ID", "One row for each ad group.", _level("adgroup")),
        Choice("ad_id", "Ad ID", "One row for each ad; for Smart+ one for each creative.", _level("ad")),
        Choice(
            "ad_id_v2",
            "Ad ID (Smart+ ads as one)",
            "One row for each ad, Smart+ ads as a whole.",
            _level("ad"),
        ),
        Choice("none", "None", "The account's total for each day, hour or breakdown.", _level("advertiser")),
    ),
)
TIME_DIMENSION = Menu(
    "time_dimension",
    "Time dimension",
    "choices",
    "Whether there is a row for the whole range, for each day or for each hour.",
    default="none",
    choices=(
        Choice("none", "None", "One figure for the whole range; a request spans up to 365 days."),
        Choice("day", "Daily", "One row for each day; a request spans up to 30 days."),
        Choice(
            "hour",
            "Hourly",
            "One row for each hour; a request spans one day.",
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
        "How the ads were bought.",
        default="auction",
        choices=(
            Choice("auction", "Auction", "TikTok's auction levels, which since v1.3 hold every campaign."),
            Choice(
                "reservation",
                "Reservation",
                "Only Reach & Frequency and TopView campaigns, told apart in a column buying_type.",
            ),
        ),
    ),
    Menu(
        "report_type",
        "Report type",
        "choices",
        "Which kind of breakdown the report has.",
        default="basic",
        choices=(
            Choice("basic", "Basic", "Spend and results, whole or by targeting."),
            Choice("audience", "Audience", "By what TikTok knows of the viewers.", (_AUCTION,)),
            Choice("dsa", "DSA", "By catalogue, product set or product (dynamic showcase ads).", (_AUCTION,)),
        ),
    ),
    Menu(
        "dsa_type",
        "DSA type",
        "choices",
        "The kind of catalogue report.",
        default="catalog",
        when=(_DSA,),
        choices=(Choice("catalog", "Catalogue", "TikTok's CATALOG report; its lists are known from one source only."),),
    ),
    DATA_LEVEL,
    ID_DIMENSION,
    TIME_DIMENSION,
    Menu(
        "audience_dimensions",
        "Audience dimension",
        "dimensions",
        "By which trait of the viewers; age and gender may stand together.",
        many=True,
        required=True,
        when=(_AUDIENCE,),
    ),
    Menu(
        "targeting_dimension",
        "Targeting dimension",
        "dimensions",
        "A further breakdown of a basic report, such as the country; data from 2022-02-22 on.",
        many=True,
        when=(_BASIC,),
    ),
    Menu(
        "dsa_dimension",
        "DSA dimension",
        "dimensions",
        "By which part of the catalogue.",
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
        "On: TikTok's figures since the start; the dates are not used.",
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
        "Which creative assets.",
        default="video",
        choices=(
            Choice("video", "Video"),
            Choice("image", "Image"),
            Choice("instant_page", "Instant page"),
        ),
    ),
    replace(FIELDS, name="info_fields", title="Info fields", meaning="The attributes of each creative."),
    METRICS,
    Menu(
        "lifetime",
        "Lifetime data",
        "switch",
        "On: figures since the start; the dates are not used.",
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
    "The audiences by their ids; all of them if none is named.",
    many=True,
)


def _legacy(level: str | None) -> tuple[Menu, ...]:
    """The menus of a report of the older connector; `level` fixes the report level, None lets it be chosen."""
    offered = DATA_LEVEL.choices if level is None else tuple(c for c in DATA_LEVEL.choices if c.value == level)
    return (
        Menu("report_level", "Report level", "choices", "What a row is about.", required=True, choices=offered),
        Menu(
            "service_type",
            "Ad service type",
            "choices",
            "How the ads were bought.",
            default="auction",
            choices=_PERFORMANCE[2].choices,
        ),
        Menu(
            "time_granularity",
            "Time granularity",
            "choices",
            "Whether there is a row for the whole range, each day or each hour.",
            default="daily",
            choices=(Choice("none", "None"), Choice("daily", "Daily"), Choice("hourly", "Hourly")),
        ),
        Menu(
            "dimensions",
            "Dimensions",
            "dimensions",
            "Further dimensions of the old report.",
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
    return Report(name, title, "As the older connector had it, served through the current API.", _legacy(level), True)


_ALL = (
    Report(
        "performance",
        "Performance",
        "Spend and results at advertiser, campaign, ad group or ad level; audience and catalogue breakdowns.",
        _PERFORMANCE,
    ),
    Report("creatives", "Creatives", "Basic metrics and attributes of each creative asset.", _CREATIVES),
    Report("ads", "Ads", "The ads of the advertisers.", _ENTITIES),
    Report("ad_groups", "Ad groups", "The ad groups of the advertisers.", _ENTITIES),
    Report("campaigns", "Campaigns", "The campaigns of the advertisers.", _ENTITIES),
    Report("advertisers", "Advertisers", "The ad accounts that authorised the app.", (FIELDS, RESET_SCHEMA)),
    Report(
        "custom_audiences",
        "Custom audience list",
        "The custom audiences of the advertisers.",
        (ADVERTISERS, SKIP_FAILING, RESET_SCHEMA),
    ),
    Report(
        "custom_audience_details",
        "Custom audience details",
        "The custom audiences with their details and history.",
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
