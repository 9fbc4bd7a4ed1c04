"""What ad accounts cost by day in UTC, and how it was paid: sums of the figures that their reports show.

The cost of a day is that of basic reports (auction, and Reach & Frequency) and of GMV Max campaigns, in the hours of
the ad account's clock that begin on the day. Cash and ad credit are those of `cash_spend` and of `net_cost`.

On Thursdays the cost of the week that ended on Sunday is billed, when it is final, and as much is added to the balance,
in cash and in ad credit: the balance is a fixed reserve less what the days cost that were not billed yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.world.advertisers import SimulatedAdvertiser, World
from adreel.simulator.world.calendar import day_number, day_of
from adreel.simulator.world.clock import Clock
from adreel.simulator.world.figures import FigureBlock, Lags, impressions_until, metric_values
from adreel.simulator.world.hashing import word
from adreel.simulator.world.memory import Memory
from adreel.simulator.world.money import currency_of
from adreel.simulator.world.recipes import Leaf, leaves, metric_recipe
from adreel.simulator.world.shops import HOURS, GmvFigures, Shops
from adreel.simulator.world.table import AUCTION, RESERVATION_RF

Ints = NDArray[np.int64]
Billing = Literal["CASH", "CREDIT"]

_BASIC = ("spend", "cash_spend", "cashback_coupon_spend", "tax_spend", "impressions")
_TAX_PERCENT = 9
"""Tax of GMV Max, of what was paid in cash."""

_CELLS_AT_ONCE = 60_000
_WEEK = 7
_FIRST_MONDAY = 4
"""The day number of the first Monday since 1970-01-01."""

_BILLED_AFTER = 10
"""A week is billed so many days after it began."""

_UNBILLED_DAYS = 14
_CENTS_OF_IMPRESSION, _CENTS_OF_POST = 1.1, 4_500
"""About the most that an impression, and a post of GMV Max on a day, cost on average."""


@dataclass(frozen=True, slots=True, eq=False)
class DailyCosts:
    """Costs of consecutive days in hundredths of the account's currency; coupons are a part of the ad credit."""

    cash: Ints
    credit: Ints
    coupons: Ints
    tax: Ints
    impressions: Ints

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        return 5 * self.cash.nbytes


@dataclass(frozen=True, slots=True)
class Payment:
    """A bill, or an addition to a balance, at a naive time in UTC; amounts in hundredths of the account's currency."""

    at: datetime
    billing: Billing
    added: bool
    subtotal: int
    tax: int


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has left, in hundredths of its currency."""

    cash: int
    credit: int


class Ledger:
    """The costs and payments of ad accounts as they are known at a moment."""

    def __init__(self, world: World, shops: Shops, clock: Clock, lags: Lags, memory: Memory[DailyCosts]) -> None:
        """`memory` keeps costs; it has to be cleared when the clock moves."""
        self._world, self._shops, self._clock, self._lags, self._memory = world, shops, clock, lags, memory

    def costs(self, advertiser: SimulatedAdvertiser, start: int, end: int) -> DailyCosts:
        """The costs of the days in UTC from `start` to `end`, both included."""
        key = (advertiser.index, start, end)
        return self._memory.compute(key, lambda: self._costs(advertiser, start, end))

    def payments(self, advertiser: SimulatedAdvertiser, first: datetime, last: datetime) -> Iterator[Payment]:
        """Bills and additions between two naive times in UTC, as far as they have passed, in order."""
        last = min(last, self._clock.now.replace(tzinfo=None))
        begin = _monday(day_number(first.date())) - 2 * _WEEK
        end = _monday(day_number(last.date()))
        if end <= begin:
            return
        costs = self.costs(advertiser, begin, end - 1)
        for place in range(0, end - begin, _WEEK):
            days = slice(place, place + _WEEK)
            cash, credit, tax = (int(part[days].sum()) for part in (costs.cash, costs.credit, costs.tax))
            at = _billed_at(advertiser, begin + place)
            for payment in _of_week(at, cash, credit, tax):
                if first <= payment.at <= last:
                    yield payment

    def balance(self, advertiser: SimulatedAdvertiser) -> Balance:
        """What the account has left now."""
        now = self._clock.now.replace(tzinfo=None)
        today = day_number(now.date())
        monday = _monday(today)
        while any(payment.at > now for payment in _of_week(_billed_at(advertiser, monday - _WEEK), 1, 1, 1)):
            monday -= _WEEK
        costs = self.costs(advertiser, monday, today)
        reserve = self._reserve(advertiser)
        return Balance(
            reserve - int(costs.cash.sum() + costs.tax.sum()), reserve // 5 // 100 * 100 - int(costs.credit.sum())
        )

    def _reserve(self, advertiser: SimulatedAdvertiser) -> int:
        """Cash that lasts until a week is billed, in whole hundreds of the currency."""
        table = self._world.table(advertiser)
        posts = sum(
            campaign.leaves
            for shop in self._shops.shops
            if shop.owner == advertiser.index
            for campaign in self._shops.campaigns(shop)
        )
        daily = int(table.base.sum() * _CENTS_OF_IMPRESSION) + posts * _CENTS_OF_POST
        currency = currency_of(advertiser.currency)
        hundreds = 1 + _UNBILLED_DAYS * daily * currency.rate // 100 * currency.coin // 10_000
        return hundreds * 10_000

    def _costs(self, advertiser: SimulatedAdvertiser, start: int, end: int) -> DailyCosts:
        basic, shop = self._basic(advertiser, start, end), self._gmv_max(advertiser, start, end)
        coin = currency_of(advertiser.currency).coin
        cash = basic["cash_spend"] + shop["net_cost"]
        return DailyCosts(
            cash=cash,
            credit=basic["spend"] + shop["cost"] - cash,
            coupons=basic["cashback_coupon_spend"],
            tax=basic["tax_spend"] + shop["net_cost"] // coin * _TAX_PERCENT // 100 * coin,
            impressions=basic["impressions"],
        )

    def _basic(self, advertiser: SimulatedAdvertiser, start: int, end: int) -> Mapping[str, Ints]:
        table = self._world.table(advertiser)
        counted = np.isin(table.buying, (AUCTION, RESERVATION_RF)) & ~table.gmv_max
        ads = np.flatnonzero(counted[table.campaign]).astype(np.int64)
        slices = self._clock.by_utc_day(start, end, advertiser.offset)
        recipes = {name: metric_recipe(name) for name in _BASIC}
        sums: dict[Leaf, Ints] = {
            leaf: np.zeros(end + 1 - start, dtype=np.int64) for recipe in recipes.values() for leaf in leaves(recipe)
        }
        step = max(1, _CELLS_AT_ONCE // len(slices.edges))
        for place in range(0, len(ads), step):
            some = ads[place : place + step]
            until = impressions_until(table, some, self._world.calendar, slices.edges)
            block = FigureBlock(table, some, until, slices, self._lags)
            for leaf in sums:
                sums[leaf] += np.add.reduceat(block.amount(leaf).sum(axis=0), slices.first)
        return {name: metric_values(recipe, sums) for name, recipe in recipes.items()}

    def _gmv_max(self, advertiser: SimulatedAdvertiser, start: int, end: int) -> Mapping[str, Ints]:
        sums = {name: np.zeros(end + 1 - start, dtype=np.int64) for name in ("cost", "net_cost")}
        figures = GmvFigures(self._world, self._shops, self._clock)
        coin = currency_of(advertiser.currency).coin
        for shop in self._shops.shops:
            if shop.owner != advertiser.index:
                continue
            for campaign in self._shops.campaigns(shop):
                span = figures.span(campaign, start - 1, end + 1)
                minutes = (span.days[:, None] * HOURS + np.arange(HOURS)) * 60 - advertiser.offset
                places = minutes // (60 * HOURS) - start
                within = (places >= 0) & (places <= end - start)
                for name, by_day in sums.items():
                    np.add.at(by_day, places[within], span.figures[name].sum(axis=2)[within] * coin)
        return sums


def _monday(day: int) -> int:
    """The Monday of the week of a day."""
    return day - (day - _FIRST_MONDAY) % _WEEK


def _billed_at(advertiser: SimulatedAdvertiser, monday: int) -> datetime:
    """When the week that began on this Monday was billed."""
    seconds = word(advertiser.id, "billed", monday) % 80_000
    return datetime.combine(day_of(monday + _BILLED_AFTER), time()) + timedelta(seconds=seconds)


def _of_week(at: datetime, cash: int, credit: int, tax: int) -> Iterator[Payment]:
    """The bills of a week, and what was added to the balance then."""
    for place, added in enumerate((False, True)):
        if cash + tax:
            due = (cash + tax, 0) if added else (cash, tax)
            yield Payment(at + timedelta(minutes=10 * place), "CASH", added, *due)
        if credit:
            yield Payment(at + timedelta(minutes=10 * place + 1), "CREDIT", added, credit, 0)
