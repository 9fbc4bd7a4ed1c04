"""The types of the catalogue's records; the data are in the CSV files beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from adreel.language import Phrase

Level = Literal["advertiser", "campaign", "adgroup", "ad"]
DimensionKind = Literal["id", "time", "breakdown", "asset", "search", "skan", "audience"]
ValueType = Literal["money", "int", "rate", "ratio", "float", "string", "bool", "list", "day", "hour", "time"]

_ABBREVIATIONS = "id url cpa cpv cpr isp roas sku skan utm vast aco bc cpp hfss po rta vbo"
_SPELLED: Mapping[str, str] = MappingProxyType(
    {
        **{name: name.upper() for name in _ABBREVIATIONS.split()},
        "adgroup": "ad group",
        "advertiser": "ad account",
        "android": "Android",
        "ids": "IDs",
        "ios": "iOS",
        "moat": "Moat",
        "rf": "R&F",
        "tiktok": "TikTok",
    }
)
_WHOLE: Mapping[str, str] = MappingProxyType(
    {
        "audience_sub_type": "Audience subtype",
        "bc_id": "Business Center ID",
        "bc_name": "Business Center",
        "valid_account_balance": "Available account balance",
        "valid_cash_balance": "Available cash balance",
        "grant_balance": "Ad credit balance",
        "valid_grant_balance": "Available ad credit balance",
        "budget_cost": "Cost of the budget",
        "created_local": "Created (local time)",
        "owner_bc_name": "Owner's Business Center",
        "registered_area": "Registered in",
        "store_role": "Shop role",
        "grant_amount": "Amount of ad credit",
        "tt_account_roles": "TikTok account permissions",
        "contacter": "Contact",
        "cover_num": "People matched",
        "create_time": "Created",
        "error_msg": "Error message",
        "expired_time": "Expires",
        "ios14_targeting": "iOS 14 targeting",
        "license_no": "License number",
        "modify_time": "Modified",
        "msg": "Message",
        "num_ads": "Number of ads",
        "is_smart_performance_campaign": "Smart+",
        "smart_plus_ad_id": "Smart+ ad ID",
        "smart_plus_adgroup_mode": "Smart+ ad group mode",
        "adgroup_number": "Number of ad groups",
        "timezone": "Time zone",
        "display_timezone": "Display time zone",
        "operation_status": "On/off status",
        "secondary_status": "Status",
        "objective_type": "Advertising objective",
        "advertiser_account_type": "Ad account type",
    }
)
"""Titles of fields whose names say too little in words."""

LEVELS: tuple[Level, ...] = ("advertiser", "campaign", "adgroup", "ad")
"""The data levels, from the account down; TikTok's names are AUCTION_ADVERTISER … AUCTION_AD."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure or attribute of a report.

    `additive` says whether values may be summed over rows. `numerator` and `denominator` name the metrics of a rate,
    cost or ratio, which is `scale` times numerator over denominator; None where unknown. `twins` are the same figure of
    the same `event` on other surfaces than `surface`: app, website, onsite (TikTok), shop (TikTok Shop), offline.
    `reports` are TikTok's report types, `needs_any` dimensions of which one is required, `refuses` dimensions that it
    cannot be combined with. `gmv_max` are the levels of GMV Max reports that have it. `doubtful` names reports, levels
    and dimensions that are allowed although sources differ; `sure` is False if the sources on the metric as a whole are
    unreliable or outdated. An `added` one is of the home's own file.
    """

    name: str
    title: str
    group: str
    type: ValueType
    unit: str
    additive: bool
    reports: frozenset[str]
    levels: frozenset[Level]
    attribute: bool
    needs_any: frozenset[str]
    refuses: frozenset[str]
    id_and_day_only: bool
    numerator: str | None
    denominator: str | None
    scale: int
    twins: tuple[str, ...]
    meaning: str
    sure: bool
    doubtful: frozenset[str] = frozenset()
    surface: str = ""
    event: str = ""
    gmv_max: frozenset[str] = frozenset()
    added: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A figure of an event, such as `purchase count`, and the metrics that have it, by the surface that counts it."""

    name: str
    surfaces: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Dimension:
    """A dimension of a report; `name` is TikTok's, in requests and as the column's name.

    `times` are the granularities (none, day, hour) that it supports, `pairs` the other breakdowns that it can be
    combined with, `lifetime` whether it supports lifetime data. If `metrics` is not empty, it supports these only;
    `refuses` are metrics that it does not support. `doubtful` names levels, times and `lifetime` that are allowed
    although sources differ or say nothing; `sure` is False if the sources on the dimension are unreliable. An `added`
    one is of the home's own file.
    """

    name: str
    title: str
    kind: DimensionKind
    type: ValueType
    reports: frozenset[str]
    levels: frozenset[Level]
    times: frozenset[str]
    pairs: frozenset[str]
    lifetime: bool
    metrics: frozenset[str]
    refuses: frozenset[str]
    meaning: str
    sure: bool
    doubtful: frozenset[str] = frozenset()
    added: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A column of an entity list, named as in TikTok's entity endpoints."""

    name: str
    type: ValueType
    meaning: str

    @property
    def title(self) -> Phrase:
        """The name in words: `campaign_id` as Campaign ID."""
        words = " ".join(_SPELLED.get(word, word) for word in self.name.split("_"))
        return Phrase(_WHOLE.get(self.name) or words[:1].upper() + words[1:])


@dataclass(frozen=True, slots=True)
class When:
    """The condition that a menu above has one of the values `among`; an `open` one also holds while it has none."""

    menu: str
    among: tuple[str, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a menu, available if all conditions in `when` hold. It is not `sure` if it has a single source."""

    value: str
    title: str
    meaning: str = ""
    when: tuple[When, ...] = ()
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Menu:
    """One menu of a report: its choices, its default, and the conditions under which it is available.

    `source` says where values come from: the menu's own `choices`, records of the catalogue (`metrics`, `dimensions`,
    `fields`), the account (`advertisers`), or a person's input (`ids`, `dates`, `switch`).
    """

    name: str
    title: str
    source: Literal["choices", "metrics", "dimensions", "fields", "advertisers", "ids", "dates", "switch"]
    meaning: str
    many: bool = False
    required: bool = False
    default: str | tuple[str, ...] | bool | None = None
    choices: tuple[Choice, ...] = ()
    when: tuple[When, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """An entry of the Report menu, with its menus in order.

    `sureness` says which of it TikTok does not document, or in contradiction; empty if all is documented.
    """

    name: str
    title: str
    meaning: str
    menus: tuple[Menu, ...]
    deprecated: bool = False
    sureness: str = ""
