"""TikTok Shops and their GMV Max campaigns: figures by hour, product and post that add up over all levels.

The figures of a campaign are whole numbers for each hour and leaf: a post of a product, a LIVE, or the small part of
the cost that TikTok assigns to no product. Every level of the report is a sum of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.world.advertisers import SimulatedAdvertiser, World
from adreel.simulator.world.clock import Clock
from adreel.simulator.world.hashing import bits_of, mix, word
from adreel.simulator.world.money import Currency, currency_of

Ints = NDArray[np.int64]
Promotion = Literal["PRODUCT", "LIVE"]

HOURS = 24
CARD = "-1"
"""The item_id of the product card, and of cost that is not assigned to a post."""

_POSTS = 3
_PRODUCT_CAMPAIGNS, _LIVE_CAMPAIGNS = 5, 2
_ORDER = np.uint64(0x9E3779B97F4A7C15)
_DAY_SHAPE = np.array([3, 2, 1, 1, 1, 2, 4, 6, 8, 9, 10, 10, 11, 11, 10, 10, 11, 12, 14, 16, 17, 15, 10, 6])
_LIVE_HOURS = range(18, 22)
_GOODS = ("Tea Towel Set", "Canvas Tote", "Enamel Mug", "Wool Throw", "Soy Candle", "Lunch Box", "Desk Lamp")
_PERIODS: Mapping[Promotion, tuple[int, int]] = {"PRODUCT": (21 * HOURS, 0), "LIVE": (5 * HOURS, 20)}
"""By type of campaigns, the hours of a period of one optimization mode, and the hour of the day at which it begins."""

_LIVES = ("Evening LIVE", "Weekend LIVE")
_LATE_DAYS = 7
"""Orders and revenue of a day become known within so many days."""


@dataclass(frozen=True, slots=True)
class SimulatedShop:
    """A shop; `owner` is the index of the advertiser that has its GMV Max authorization, `others` see it in their list.

    The list of its own advertiser has it unless it is not `listed`, as TikTok leaves some out.
    """

    id: str
    name: str
    owner: int
    business_center: str
    others: tuple[int, ...] = ()
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Product:
    """A product: its price in the currency's smallest coin, and the ids of its posts, of which the first is CARD."""

    id: str
    name: str
    price: int
    posts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptimizationPeriod:
    """A period of one optimization mode, from the hour `start` to before `end`, counted as days and hours are."""

    number: int
    start: int
    end: int
    bid_type: Literal["CUSTOM", "NO_BID"]


@dataclass(frozen=True, slots=True)
class GmvCampaign:
    """A GMV Max campaign of a shop; `start` and `stop` are day numbers between which it spends."""

    id: str
    name: str
    shop: SimulatedShop
    promotion: Promotion
    products: tuple[Product, ...]
    bits: int
    start: int
    stop: int
    deleted: bool = False
    disabled: bool = False

    @property
    def leaves(self) -> int:
        """What its figures are divided into: posts of products and the rest, or one LIVE."""
        return sum(len(product.posts) for product in self.products) + 1

    def period(self, day: int, hour: int) -> OptimizationPeriod:
        """The period of one optimization mode that an hour belongs to; those of LIVE campaigns change in a session."""
        length, first = _PERIODS[self.promotion]
        number = (day * HOURS + hour - first) // length
        start = number * length + first
        return OptimizationPeriod(number, start, start + length, "CUSTOM" if (number + self.bits) % 2 else "NO_BID")

    def room(self, day: int) -> str:
        """The id of its LIVE session of a day."""
        return _digits("76", self.id, "room", day)

    def is_live_on(self, day: int) -> bool:
        """Whether a LIVE campaign has a session on the day: two days of three."""
        return (day + self.bits) % 3 < 2


def _digits(prefix: str, *parts: object) -> str:
    """A 19-digit id."""
    return f"{prefix}{word(*parts) % 10 ** (19 - len(prefix)):0{19 - len(prefix)}d}"


class Shops:
    """The shops of a world. The first two ad accounts have shops that TikTok lists, one of them in both lists; the
    third has one that its own list leaves out. Each ad account of a plain world has one.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.shops = tuple(shop for who in world.advertisers if who.kind == "ordinary" for shop in self._of(who))
        self.by_id: Mapping[str, SimulatedShop] = {shop.id: shop for shop in self.shops}
        self._campaigns: dict[str, tuple[GmvCampaign, ...]] = {}

    def _of(self, advertiser: SimulatedAdvertiser) -> tuple[SimulatedShop, ...]:
        seed, index, plain = self._world.config.seed, advertiser.index, self._world.config.plain
        count = 1 if plain else {0: 2, 1: 1, 2: 1}.get(index, 0)
        return tuple(
            SimulatedShop(
                _digits("749", seed, "shop", index, number),
                f"{advertiser.name} Shop{f' {number + 1}' if number else ''}",
                index,
                _digits("70", seed, "bc", index),
                others=(0,) if index == 1 and not plain else (),
                listed=plain or index != 2,
            )
            for number in range(count)
        )

    def campaigns(self, shop: SimulatedShop) -> tuple[GmvCampaign, ...]:
        """All campaigns of the shop, deleted ones included, oldest first."""
        if shop.id not in self._campaigns:
            count = _PRODUCT_CAMPAIGNS + _LIVE_CAMPAIGNS
            self._campaigns[shop.id] = tuple(self._campaign(shop, number) for number in range(count))
        return self._campaigns[shop.id]

    def _campaign(self, shop: SimulatedShop, number: int) -> GmvCampaign:
        seed, era = self._world.config.seed, self._world.era
        advertiser = self._world.advertisers[shop.owner]
        live = number >= _PRODUCT_CAMPAIGNS
        place = number - _PRODUCT_CAMPAIGNS if live else number
        currency = currency_of(advertiser.currency)
        # The third was deleted in the middle of its life and the fourth never spent, as some do in any shop.
        deleted, disabled = not live and number == 2, not live and number == 3
        start = era - 700 + 20 * number
        stop = start if disabled else era + 210 if deleted else era + 4000
        theme = advertiser.naming.themes[number % len(advertiser.naming.themes)]
        return GmvCampaign(
            id=_digits("18", seed, shop.id, "campaign", number),
            name=f"GMV Max | {_LIVES[place % 2] if live else theme} {number + 1}",
            shop=shop,
            promotion="LIVE" if live else "PRODUCT",
            products=() if live else tuple(self._product(shop, number, n, currency) for n in range(2 + number % 2)),
            bits=word(seed, shop.id, "bits", number),
            start=start,
            stop=stop,
            deleted=deleted,
            disabled=disabled,
        )

    def _product(self, shop: SimulatedShop, campaign: int, number: int, currency: Currency) -> Product:
        place = (campaign + 2 * number) % len(_GOODS)
        identity = _digits("1729", self._world.config.seed, shop.id, "product", place)
        posts = (CARD, *(_digits("75", identity, campaign, "post", post) for post in range(1, _POSTS)))
        return Product(identity, _GOODS[place], (900 + 450 * place) * currency.rate // 100, posts)


@dataclass(frozen=True, slots=True, eq=False)
class GmvSpan:
    """The figures of one campaign over days, each an array of (day, hour, leaf); the last leaf is of no product."""

    campaign: GmvCampaign
    days: Ints
    figures: Mapping[str, Ints]


class GmvFigures:
    """The figures of a shop's campaigns as they are known at a moment."""

    def __init__(self, world: World, shops: Shops, clock: Clock) -> None:
        self._world, self._shops, self._clock = world, shops, clock

    def span(self, campaign: GmvCampaign, start: int, end: int) -> GmvSpan:
        """The figures of the days from `start` to `end`, both included, that have begun."""
        advertiser = self._world.advertisers[campaign.shop.owner]
        days = np.arange(start, min(end, self._clock.today(advertiser.offset)) + 1, dtype=np.int64)
        cells = _Cells(campaign, days, self._known(days, campaign, advertiser), self._ages(days, advertiser))
        return GmvSpan(campaign, days, cells.figures(currency_of(advertiser.currency)))

    def _known(self, days: Ints, campaign: GmvCampaign, advertiser: SimulatedAdvertiser) -> Ints:
        """1 for each day and hour that has passed, and in which the campaign spends."""
        hours = days[:, None] * HOURS + np.arange(HOURS)
        present = (self._clock.minute + advertiser.offset) // 60
        spends = (days >= max(campaign.start, self._clock.first_day)) & (days < campaign.stop)
        return ((hours < present) & spends[:, None]).astype(np.int64)

    def _ages(self, days: Ints, advertiser: SimulatedAdvertiser) -> Ints:
        settled = self._world.config.plain or not self._world.config.restate_days
        ages = self._clock.today(advertiser.offset) - days
        return np.full_like(ages, _LATE_DAYS) if settled else ages


class _Cells:
    """Random cells of a campaign by day, hour and leaf."""

    def __init__(self, campaign: GmvCampaign, days: Ints, passed: Ints, ages: Ints) -> None:
        self._campaign = campaign
        hours = days[:, None] * HOURS + np.arange(HOURS)
        leaf_bits = bits_of(campaign.leaves, campaign.bits, "leaf")
        self._bits = mix(leaf_bits[None, None, :] ^ (hours.astype(np.uint64) * _ORDER)[:, :, None])
        self._base = 40 + (leaf_bits >> np.uint64(57)).astype(np.int64)
        self._known, self._ages, self._days = passed[:, :, None], ages[:, None, None], days

    @cached_property
    def _weight(self) -> Ints:
        """How much happens in each hour; in a LIVE campaign only during its sessions."""
        if self._campaign.promotion == "PRODUCT":
            return np.broadcast_to(_DAY_SHAPE, (len(self._days), HOURS))[:, :, None]
        live = np.array([self._campaign.is_live_on(int(day)) for day in self._days], dtype=np.int64)
        hours = np.isin(np.arange(HOURS), list(_LIVE_HOURS)).astype(np.int64) * 60
        return (live[:, None] * hours)[:, :, None]

    def _part(self, shift: int, width: int) -> Ints:
        return (self._bits >> np.uint64(shift)).astype(np.int64) & ((1 << width) - 1)

    def figures(self, currency: Currency) -> dict[str, Ints]:
        """Amounts in the currency's smallest coin, and counts."""
        weight = self._weight * self._known
        # A cell in 32 gets its cost only after two days: TikTok changes that of the last days, too.
        settled = (self._part(40, 5) > 0) | (self._ages >= 2)
        cents = (self._base * weight * (512 + self._part(4, 10)) >> 13) * settled
        cents[:, :, -1] = cents[:, :, -1] // (1 if self._campaign.promotion == "LIVE" else 30)
        cost = cents * currency.rate // 100
        late = self._part(30, 4)
        reported = self._ages >= np.where(late < 10, 0, (late - 9) + late % 2)
        ordered = (self._part(14, 8) < 8 * np.minimum(weight, 12)) * (1 + self._part(22, 1)) * (weight > 0)
        # A LIVE sells more in an hour than a post; the part of no product sells nothing.
        orders = ordered * reported * (1 if self._campaign.products else 9)
        if self._campaign.products:
            orders[:, :, -1] = 0
        prices = [product.price for product in self._campaign.products for _ in product.posts]
        price = np.array([*prices, 2_400 * currency.rate // 100], dtype=np.int64)
        views = cents * 2 + self._part(50, 3) * (weight > 0)
        others = orders + self._part(60, 1) * (orders > 0)
        return {
            "cost": cost,
            "net_cost": cost * 9 // 10,
            "orders": orders,
            "gross_revenue": orders * price,
            "all_shops_orders": others,
            "all_shops_gross_revenue": others * price,
            "live_views": views,
            "10_second_live_views": views // 3,
            "live_follows": views // 50,
            "product_impressions": 5 * views,
            "product_clicks": views // 4,
        }
