"""The ads of one advertiser as columns, and how they hang together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.calendar import VARIANTS
from adreel.simulator.config import WorldConfig
from adreel.simulator.hashing import Bits, bits_of

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
"""Where an ad's events can happen; a metric of another surface reads 0."""

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
AUCTION, RESERVATION_RF, RESERVATION_TOP_VIEW = 0, 1, 2
BUYING_TYPES = ("AUCTION", "RESERVATION_RF", "RESERVATION_TOP_VIEW")
NEVER = 1 << 30
"""A day that does not come."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Campaigns or ad groups: `first` holds the position of each one's first ad, and one past the last."""

    ids: Ints
    created: Ints
    first: Ints
    deleted: Flags
    disabled: Flags

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class AdTable:
    """One advertiser's ads, oldest first; ads of one ad group, and ad groups of one campaign, stand together.

    `base` is what an ordinary day brings in impressions, `jitter` what chance adds or takes. `start` and `stop` are day
    numbers. `deleted` and `disabled` are the ad's own; the campaign's and the ad group's come on top.
    """

    index: int
    campaigns: Groups
    adgroups: Groups
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

    def __len__(self) -> int:
        return len(self.ids)


def ids_of(created: Ints, advertiser: int, kind: int) -> Ints:
    """19-digit ids that grow with the time of creation (the pendant of `world.entity_id` for columns)."""
    return created << 30 | advertiser << 20 | kind << 18 | np.arange(len(created), dtype=np.int64)


def _shares(bits: Bits, shift: int, of: int) -> Ints:
    """Numbers below `of`, out of some of the bits."""
    return ((bits >> np.uint64(shift)) % np.uint64(of)).astype(np.int64)


def _sizes(ads: int) -> tuple[int, int]:
    """Ads per ad group, ad groups per campaign: small worlds have campaigns of every kind, too."""
    return (2, 2) if ads <= 100 else (5, 4)


def _campaign_flags(config: WorldConfig, count: int) -> dict[str, NDArray[np.bool_]]:
    number = np.arange(count)
    none = np.zeros(count, dtype=bool)
    if config.plain:
        return dict.fromkeys(("deleted", "disabled", "rf", "top_view", "smart", "ios"), none)
    return {
        "deleted": number % 13 == 3,
        "disabled": number % 17 == 6,
        "rf": number % 11 == 2,
        "top_view": number % 11 == 4,
        "smart": number % 5 == 1,
        "ios": (number % 8 == 1) & (number % 16 == 9),
    }


def _campaign_created(config: WorldConfig, era: int, count: int, index: int) -> tuple[Ints, int]:
    """Seconds since 1970, rising; and how far apart the campaigns are."""
    begin, end = (era - 1300) * 86400, (era - (1200 if config.plain else 10)) * 86400
    gap = max(16, (end - begin) // max(1, count))
    noise = _shares(bits_of(count, config.seed, "created", index), 20, max(1, gap // 4))
    return begin + gap * np.arange(count, dtype=np.int64) + noise, gap


def _stops(config: WorldConfig, bits: Bits, start: Ints, era: int) -> Ints:
    """The day from which an ad is silent for good; most never are."""
    if config.plain:
        return np.full(len(bits), NEVER, dtype=np.int64)
    days = np.maximum(start + 20, era - 400 + _shares(bits, 8, 1300))
    return np.where(_shares(bits, 44, 100) < 15, days, NEVER)


def _wave(base: Ints) -> Ints:
    """A power of two near twice the base: rates go up and down as so many impressions pass."""
    return np.int64(2) << np.ceil(np.log2(np.maximum(base, 2))).astype(np.int64)


def _surfaces(config: WorldConfig, bits: Bits, objective: Ints, ios: Flags) -> Ints:
    if config.plain:
        return np.full(len(bits), 1023, dtype=np.int64)
    by_objective = np.array([surfaces for _, surfaces in OBJECTIVES], dtype=np.int64)
    picture = np.where(_shares(bits, 3, 5) == 0, IMAGE, VIDEO)
    second = np.where(_shares(bits, 5, 3) == 0, SECOND_GOAL, 0)
    return by_objective[objective] | picture | second | np.where(ios, SKAN, 0)


def make_table(config: WorldConfig, era: int, index: int, *, empty: bool) -> AdTable:
    """The ads of advertiser number `index`."""
    count = 0 if empty else config.ads
    per_adgroup, per_campaign = _sizes(count)
    adgroup = np.arange(count, dtype=np.int64) // per_adgroup
    adgroups = int(adgroup[-1]) + 1 if count else 0
    campaign_of_adgroup = np.arange(adgroups, dtype=np.int64) // per_campaign
    campaign = campaign_of_adgroup[adgroup]
    campaigns = int(campaign[-1]) + 1 if count else 0
    flags = _campaign_flags(config, campaigns)
    made, gap = _campaign_created(config, era, campaigns, index)
    adgroup_made = made[campaign_of_adgroup] + gap // 8 * (1 + np.arange(adgroups) % per_campaign)
    created = adgroup_made[adgroup] + gap // 64 * (1 + np.arange(count, dtype=np.int64) % per_adgroup)
    bits = bits_of(count, config.seed, "ad", index)
    base = 40 + (_shares(bits, 12, 1 << 20) ** 2 >> 26) + _shares(bits, 32, 400)
    base = base * np.array([1, 3, 20])[_buying(flags)][campaign]
    start = created // 86400 + 1
    objective = np.arange(campaigns, dtype=np.int64) % len(OBJECTIVES)
    ios = flags["ios"][campaign]
    plain_flag = np.zeros(count, dtype=bool) if config.plain else np.ones(count, dtype=bool)
    number = np.arange(count)
    return AdTable(
        index=index,
        campaigns=Groups(
            ids=ids_of(made, index, CAMPAIGN),
            created=made,
            first=_firsts(campaign, campaigns),
            deleted=flags["deleted"],
            disabled=flags["disabled"],
        ),
        adgroups=Groups(
            ids=ids_of(adgroup_made, index, ADGROUP),
            created=adgroup_made,
            first=_firsts(adgroup, adgroups),
            deleted=(np.arange(adgroups) % 19 == 7) & (not config.plain),
            disabled=(np.arange(adgroups) % 14 == 5) & (not config.plain),
        ),
        campaign=campaign,
        adgroup=adgroup,
        ids=ids_of(created, index, AD),
        created=created,
        deleted=plain_flag & (number % 16 == 6),
        disabled=plain_flag & (number % 23 == 9),
        bits=bits,
        base=base,
        jitter=base // 5,
        wave=_wave(base),
        variant=_shares(bits, 48, VARIANTS),
        shape=_shares(bits, 40, 4),
        start=start,
        stop=_stops(config, bits, start, era),
        surfaces=_surfaces(config, bits, objective[campaign], ios),
        objective=objective,
        buying=_buying(flags),
        smart=flags["smart"],
        ios=flags["ios"],
    )


def _buying(flags: dict[str, NDArray[np.bool_]]) -> Ints:
    return np.where(flags["top_view"], RESERVATION_TOP_VIEW, np.where(flags["rf"], RESERVATION_RF, AUCTION))


def _firsts(group: Ints, count: int) -> Ints:
    return np.searchsorted(group, np.arange(count + 1)).astype(np.int64)
