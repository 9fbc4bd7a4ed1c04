"""The shapes of the catalogue's records; the data stand in the files beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["advertiser", "campaign", "adgroup", "ad"]
DimensionKind = Literal["id", "time", "breakdown", "asset", "search", "skan", "audience"]
ValueType = Literal["money", "int", "rate", "ratio", "float", "string", "bool", "list", "day", "hour", "time"]

LEVELS: tuple[Level, ...] = ("advertiser", "campaign", "adgroup", "ad")
"""The data levels, from the account down; TikTok's names are AUCTION_ADVERTISER … AUCTION_AD."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure or attribute that a report can carry.

    `additive` says whether values may be summed over rows. `numerator` and `denominator` name the metrics that a
    rate, cost or ratio is made of (`scale` times numerator over denominator), where that is known. `twins` are the
    same figure of the same event elsewhere: in the app, on the website, on TikTok, in TikTok Shop, offline.
    `doubtful` names reports, levels and dimensions that are allowed although sources differ on them; `sure` is False
    if what is known of the metric as a whole is weak or out of date.
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


@dataclass(frozen=True, slots=True)
class Dimension:
    """What a report is broken down by; `name` is TikTok's, as sent and as the column is called.

    `times` is what of none, day and hour it goes with, `pairs` which dimensions beside ids and times, `lifetime`
    whether it goes with figures since the start. `metrics`, if any, are all that it takes, `refuses` what it does not.
    `doubtful` names levels, times and `lifetime` that are allowed although sources differ on them or are silent;
    `sure` is False if what is known of the dimension as a whole is weak.
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


@dataclass(frozen=True, slots=True)
class Field:
    """A column of an entity report: an attribute as the entity endpoints spell it."""

    name: str
    type: ValueType
    meaning: str


@dataclass(frozen=True, slots=True)
class When:
    """A condition on a menu above: it has one of these values."""

    menu: str
    among: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that a menu offers, and on what that depends (every condition must hold)."""

    value: str
    title: str
    meaning: str = ""
    when: tuple[When, ...] = ()


@dataclass(frozen=True, slots=True)
class Menu:
    """One menu of the Details pane: when it appears, what it offers, what holds if nothing is chosen.

    `source` says where the choices come from: written here (`choices`), or the records of the catalogue
    (`metrics`, `dimensions`, `fields`), or typed by the person (`ids`, `dates`, `switch`).
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
    """An entry of the Report menu: what it returns and the menus that it has, in order."""

    name: str
    title: str
    meaning: str
    menus: tuple[Menu, ...]
    deprecated: bool = False
