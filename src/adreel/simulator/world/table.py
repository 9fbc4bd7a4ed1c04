"""One advertiser's ads as columns, with their ad groups and campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.world.calendar import VARIANTS
from adreel.simulator.world.config import WorldConfig
from adreel.simulator.world.hashing import Bits, bits_of
from adreel.simulator.world.money import Currency

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

CAMPAIGN, ADGROUP, AD = 0, 1, 2
"""Kinds of entities, as their ids carry them (3 is the advertiser)."""

VIDEO: Final = 1
APP: Final = 2
WEBSITE: Final = 4
ONSITE: Final = 8
SHOP: Final = 16
OFFLINE: Final = 32
SKAN: Final = 64
LIVE: Final = 128
IMAGE: Final = 256
SECOND_GOAL: Final = 512
EVERYWHERE: Final = 0
"""Where an ad's events can happen, as bits; a metric of a surface that the ad lacks is 0."""

OBJECTIVES: tuple[tuple[str, int], ...] = (
    ("WEB_CONVERSIONS", WEBSITE | OFFLINE),
    ("APP_PROMOTION", APP),
    ("TRAFFIC", WEBSITE),
    ("LEAD_GENERATION", ONSITE | WEBSITE),
    ("PRODUCT_SALES", SHOP | ONSITE | WEBSITE),
    ("VIDEO_VIEWS", LIVE),
    ("REACH", EVERYWHERE),
    ("ENGAGEMENT", ONSITE | LIVE),
)
_PRODUCT_SALES = 4
AUCTION, RESERVATION_RF, RESERVATION_TOP_VIEW = 0, 1, 2
BUYING_TYPES = ("AUCTION", "RESERVATION_RF", "RESERVATION_TOP_VIEW")
NEVER = 1 << 30
"""A day number later than any simulated day."""


@dataclass(frozen=True, slots=True, eq=False)
class EntityGroups:
    """Campaigns or ad groups: `first` holds the position of each one's first ad, and one past the last ad."""

    ids: Ints
    created: Ints
    first: Ints
    deleted: Flags
    disabled: Flags

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class AdTable:
    """One advertiser's ads, oldest first; the ads of an ad group and the ad groups of a campaign are adjacent.

    `base` is an ordinary day's impressions, `jitter` the most that noise adds. `start` and `stop` are day numbers,
    `created` counts seconds since 1970. `deleted` and `disabled` are the ad's own flags; those of its ad group and
    campaign apply as well. Columns from `objective` on are by campaign. `currency` is the account's.
    """

    index: int
    campaigns: EntityGroups
    adgroups: EntityGroups
    campaign: Ints
    adgroup: Ints
    ids: Ints
    created: Ints
    deleted: Flags
    disabled: Flags
    bits: Bits
    base: Ints
    jitter: Ints
    wave: Ints
    variant: Ints
    shape: Ints
    start: Ints
    stop: Ints
    surfaces: Ints
    objective: Ints
    buying: Ints
    smart: Flags
    ios: Flags
    gmv_max: Flags
    currency: Currency

    def __len__(self) -> int:
        return len(self.ids)


def ids_of(created: Ints, advertiser: int, kind: int) -> Ints:
    """19-digit ids that grow with the time of creation (`world.entity_id` for whole columns)."""
    return created << 30 | advertiser << 20 | kind << 18 | np.arange(len(created), dtype=np.int64)


def _shares(bits: Bits, shift: int, below: int) -> Ints:
    """Pseudo-random numbers in [0, `below`) from the bits above `shift`."""
    return ((bits >> np.uint64(shift)) % np.uint64(below)).astype(np.int64)


def _campaign_flags(config: WorldConfig, count: int) -> dict[str, NDArray[np.bool_]]:
    number = np.arange(count)
    none = np.zeros(count, dtype=bool)
    if config.plain:
        return dict.fromkeys(("deleted", "disabled", "rf", "top_view", "smart", "ios", "gmv_max"), none)
    return {
        "deleted": number % 13 == 3,
        "disabled": number % 17 == 6,
        "rf": number % 11 == 2,
        "top_view": number % 11 == 4,
        # Smart+ campaigns are always bought in the auction.
        "smart": (number % 5 == 1) & (number % 11 != 2) & (number % 11 != 4),
        "gmv_max": number % 10 == 8,
        "ios": (number % 8 == 1) & (number % 16 == 9),
    }


def _stops(config: WorldConfig, bits: Bits, start: Ints, era: int) -> Ints:
    """The day number from which an ad has no delivery; NEVER for most."""
    if config.plain:
        return np.full(len(bits), NEVER, dtype=np.int64)
    days = np.maximum(start + 20, era - 400 + _shares(bits, 8, 1300))
    return np.where(_shares(bits, 44, 100) < 15, days, NEVER)


def _wave(base: Ints) -> Ints:
    """The period in impressions over which an ad's rates rise and fall: a power of two near twice the base."""
    return np.int64(2) << np.ceil(np.log2(np.maximum(base, 2))).astype(np.int64)


def _surfaces(config: WorldConfig, bits: Bits, objective: Ints, ios: Flags) -> Ints:
    if config.plain:
        return np.full(len(bits), 1023, dtype=np.int64)
    by_objective = np.array([surfaces for _, surfaces in OBJECTIVES], dtype=np.int64)
    picture = np.where(_shares(bits, 3, 5) == 0, IMAGE, VIDEO)
    second = np.where(_shares(bits, 5, 3) == 0, SECOND_GOAL, 0)
    return by_objective[objective] | picture | second | np.where(ios, SKAN, 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Tree:
    """Which campaign and ad group each ad is in, and which campaign each ad group is in."""

    campaign: Ints
    adgroup: Ints
    campaign_of_adgroup: Ints
    campaigns: int

    @property
    def adgroups(self) -> int:
        return len(self.campaign_of_adgroup)


def _tree(ads: int) -> _Tree:
    """Small worlds get small groups, so that they also have campaigns of every kind."""
    per_adgroup, per_campaign = (2, 2) if ads <= 100 else (5, 4)
    adgroup = np.arange(ads, dtype=np.int64) // per_adgroup
    campaign_of_adgroup = np.arange(-(-ads // per_adgroup), dtype=np.int64) // per_campaign
    campaigns = -(-len(campaign_of_adgroup) // per_campaign)
    return _Tree(campaign_of_adgroup[adgroup], adgroup, campaign_of_adgroup, campaigns)


@dataclass(frozen=True, slots=True, eq=False)
class _CreationTimes:
    """When campaigns, ad groups and ads were created, in seconds since 1970, ascending."""

    campaigns: Ints
    adgroups: Ints
    ads: Ints


def _creation_times(config: WorldConfig, era: int, index: int, tree: _Tree) -> _CreationTimes:
    begin, end = (era - 1300) * 86400, (era - (1200 if config.plain else 10)) * 86400
    gap = max(640, (end - begin) // max(1, tree.campaigns))
    noise = _shares(bits_of(tree.campaigns, config.seed, "created", index), 20, max(1, gap // 4))
    campaigns = begin + gap * np.arange(tree.campaigns, dtype=np.int64) + noise
    adgroups = campaigns[tree.campaign_of_adgroup] + gap // 8 * (1 + _within(tree.campaign_of_adgroup))
    return _CreationTimes(campaigns, adgroups, adgroups[tree.adgroup] + gap // 64 * (1 + _within(tree.adgroup)))


def _within(groups: Ints) -> Ints:
    """Each member's position in its group."""
    return np.arange(len(groups), dtype=np.int64) - np.searchsorted(groups, groups)


def _campaigns(flags: dict[str, Flags], index: int, tree: _Tree, creation_times: _CreationTimes) -> EntityGroups:
    ids = ids_of(creation_times.campaigns, index, CAMPAIGN)
    return EntityGroups(
        ids, creation_times.campaigns, _firsts(tree.campaign, tree.campaigns), flags["deleted"], flags["disabled"]
    )


def _adgroups(config: WorldConfig, index: int, tree: _Tree, creation_times: _CreationTimes) -> EntityGroups:
    ids, first = ids_of(creation_times.adgroups, index, ADGROUP), _firsts(tree.adgroup, tree.adgroups)
    return EntityGroups(
        ids, creation_times.adgroups, first, _every(config, tree.adgroups, 19, 7), _every(config, tree.adgroups, 14, 5)
    )


def _every(config: WorldConfig, count: int, nth: int, first: int) -> Flags:
    """Flags for every `nth` entity from `first` on; none in a plain world."""
    return np.zeros(count, dtype=bool) if config.plain else np.arange(count) % nth == first


def _base(bits: Bits, buying: Ints) -> Ints:
    """Impressions of an ordinary day: many small ads, a few large ones, Reach & Frequency three times as many."""
    base: Ints = 40 + (_shares(bits, 12, 1 << 20) ** 2 >> 26) + _shares(bits, 32, 400)
    return base * np.where(buying == RESERVATION_RF, 3, 1)


def make_table(config: WorldConfig, era: int, index: int, currency: Currency, *, empty: bool) -> AdTable:
    """The ads of advertiser number `index`, whose account is in `currency`; none if `empty`."""
    tree = _tree(0 if empty else config.ads)
    flags, creation_times = _campaign_flags(config, tree.campaigns), _creation_times(config, era, index, tree)
    bits = bits_of(len(tree.campaign), config.seed, "ad", index)
    buying = np.where(flags["top_view"], RESERVATION_TOP_VIEW, np.where(flags["rf"], RESERVATION_RF, AUCTION))
    objective = np.arange(tree.campaigns, dtype=np.int64) % len(OBJECTIVES)
    objective[flags["gmv_max"]] = _PRODUCT_SALES
    base = _base(bits, buying[tree.campaign])
    start = creation_times.ads // 86400 + 1
    return AdTable(
        index=index,
        campaigns=_campaigns(flags, index, tree, creation_times),
        adgroups=_adgroups(config, index, tree, creation_times),
        campaign=tree.campaign,
        adgroup=tree.adgroup,
        ids=ids_of(creation_times.ads, index, AD),
        created=creation_times.ads,
        deleted=_every(config, len(bits), 16, 6),
        disabled=_every(config, len(bits), 23, 9),
        bits=bits,
        base=base,
        jitter=base // 5,
        wave=_wave(base),
        variant=_shares(bits, 48, VARIANTS),
        shape=_shares(bits, 40, 4),
        start=start,
        stop=_stops(config, bits, start, era),
        surfaces=_surfaces(config, bits, objective[tree.campaign], flags["ios"][tree.campaign]),
        objective=objective,
        buying=buying,
        smart=flags["smart"],
        ios=flags["ios"],
        gmv_max=flags["gmv_max"],
        currency=currency,
    )


def _firsts(group: Ints, count: int) -> Ints:
    return np.searchsorted(group, np.arange(count + 1)).astype(np.int64)
