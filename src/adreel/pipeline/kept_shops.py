"""Shops whose rows in the table stay, as TikTok does not give them to the run that would replace them.

A run replaces days of ad accounts, or the whole table. Rows of a shop that it could not read would leave with them.
They stay as they were read last, but for campaigns that the run has from another ad account, of a shop that moved. With
upsert such rows would stay beside those of the other ad account and count twice, so they leave as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from adreel.advertisers import Advertiser
from adreel.arrow import pc
from adreel.datasets.dataset import day_column, reads_shops
from adreel.datasets.schema import columns
from adreel.dates import Span
from adreel.export.cells import digits
from adreel.lake import Lake, Spared, Superseded
from adreel.lake.columns import day_of
from adreel.language import phrase
from adreel.pipeline.plan import Plan
from adreel.pipeline.verify import ReadOutcome, shop_key
from adreel.update_methods import Method

_SHOP = ("advertiser_id", "store_id")

Pair = tuple[str, str]
"""The ids of an advertiser and a shop."""


@dataclass(frozen=True, slots=True)
class KeptShops:
    """The shops whose rows stay; `silent` has the cost in the table of those that TikTok gave no rows of."""

    pairs: frozenset[Pair] = frozenset()
    campaigns: frozenset[str] | None = None
    silent: Mapping[Pair, Decimal] = field(default_factory=dict)

    def spared(self) -> Spared | None:
        """The rows that stay; None if there are none."""
        if not self.pairs:
            return None
        if self.campaigns is None:
            return Spared(_SHOP, self.pairs)
        return Spared(_SHOP, self.pairs, "campaign_id", self.campaigns)

    def warnings(self, plan: Plan) -> Iterator[str]:
        """A sentence for each silent shop."""
        advertisers = {advertiser.id: advertiser for read in plan.reads for advertiser in read.advertisers}
        for (advertiser_id, shop_id), cost in self.silent.items():
            advertiser = advertisers[advertiser_id]
            yield phrase(
                "TikTok sent no rows of shop %(shop)s of ad account %(name)s (%(id)s), of which the table has a cost "
                "of %(cost)s %(currency)s on these days. Its rows in the table stay as they were read last. See in "
                "TikTok Ads Manager or Seller Center which ad account has its GMV Max authorization.",
                shop=shop_id,
                name=advertiser.name,
                id=advertiser.id,
                cost=digits(cost, thousands_apart=True),
                currency=advertiser.currency,
            )


def kept_shops(
    lake: Lake, slug: str, plan: Plan, outcome: ReadOutcome, unread: Mapping[str, tuple[str, ...]]
) -> KeptShops:
    """The shops in the table that the run could not read: those `unread`, and those that TikTok gave no rows of."""
    if not reads_shops(plan.dataset) or not lake.exists(slug):
        return KeptShops()
    if not set(_SHOP) <= set(lake.table(slug).schema.names):
        return KeptShops()
    pairs = {(advertiser, shop) for advertiser, shops in unread.items() for shop in shops}
    silent = _costs(lake, slug, plan, _without_rows(plan, outcome))
    has_campaigns = any(column.name == "campaign_id" for column in columns(plan.dataset))
    campaigns = frozenset(outcome.campaigns) if has_campaigns else None
    return KeptShops(frozenset(pairs | silent.keys()), campaigns, silent)


def _without_rows(plan: Plan, outcome: ReadOutcome) -> dict[Pair, Span]:
    """The shops that were read without a row, with their days."""
    days: dict[str, tuple[Advertiser, Span]] = {advertiser.id: (advertiser, span) for advertiser, span in plan.days()}
    return {
        (name, shop.id): days[name][1]
        for name, shops in (plan.shops or {}).items()
        if name in days and name not in outcome.failed
        for shop in shops
        if not outcome.shop_rows.get(shop_key(name, shop.id))
    }


def _costs(lake: Lake, slug: str, plan: Plan, shops: Mapping[Pair, Span]) -> dict[Pair, Decimal]:
    """The cost that the table has of the shops on their days, of those that have any."""
    cost = "spend" if plan.has_basic_rows else "cost"
    day = day_column(plan.dataset) or "end_date"
    names = (*_SHOP, day, cost)
    if not shops or not set(names) <= set(lake.table(slug).schema.names):
        return {}
    ids = pa.array(sorted({shop for _, shop in shops}), pa.string())
    costs: dict[Pair, Decimal] = defaultdict(Decimal)
    for batch in lake.read(slug, columns=names):
        of_shops = batch.filter(pc.is_in(batch["store_id"], value_set=ids))
        days = of_shops[day].cast(pa.date32()).to_pylist()
        values = zip(of_shops["advertiser_id"].to_pylist(), of_shops["store_id"].to_pylist(), strict=True)
        for pair, on, amount in zip(values, days, of_shops[cost].to_pylist(), strict=True):
            span = shops.get(pair)
            if span is not None and amount and on is not None and span.start <= on <= span.end:
                costs[pair] += amount
    return {pair: amount for pair, amount in costs.items() if amount}


def superseded(
    plan: Plan, outcome: ReadOutcome, unread: Mapping[str, tuple[str, ...]], rows: Callable[[], Any]
) -> Superseded | None:
    """With upsert, the rows of shops that moved to another ad account, on days of which the run has their campaigns.

    `rows` gives a reader of the run's rows. None without such a shop, and without a day or a campaign in each row: then
    nothing tells which rows the run has again.
    """
    day = day_column(plan.dataset)
    names = {column.name for column in columns(plan.dataset)}
    if plan.dataset.update.method is not Method.UPSERT or day is None or "campaign_id" not in names:
        return None
    read = {shop.id for name, of in (plan.shops or {}).items() if name not in outcome.failed for shop in of}
    former = frozenset((name, shop) for name, of in unread.items() for shop in of if shop in read)
    if not former:
        return None
    moved = pa.array(sorted({shop for _, shop in former}), pa.string())
    campaigns: dict[date, set[str]] = defaultdict(set)
    for batch in rows():
        of_shops = batch.filter(pc.fill_null(pc.is_in(batch["store_id"], value_set=moved), False))
        days = day_of(of_shops[day]).to_pylist()
        for on, campaign in zip(days, of_shops["campaign_id"].to_pylist(), strict=True):
            campaigns[on].add(campaign)
    return Superseded(_SHOP, former, "campaign_id", {on: frozenset(ids) for on, ids in campaigns.items()})


def unsettled_costs(plan: Plan, outcome: ReadOutcome) -> Iterator[str]:
    """A note for each ad account on levels of GMV Max that differ, as days that TikTok has not completed let them."""
    advertisers = {advertiser.id: advertiser for read in plan.reads for advertiser in read.advertisers}
    for name, (above, below) in outcome.unsettled.items():
        advertiser = advertisers[name]
        yield phrase(
            "Ad account %(name)s (%(id)s): GMV Max cost of %(below)s %(currency)s in the rows differs from %(above)s "
            "at the level above. TikTok has not completed all of these days, so the check accepts it. Runs that read "
            "these days again compare them again.",
            name=advertiser.name,
            id=advertiser.id,
            below=digits(below, thousands_apart=True),
            above=digits(above, thousands_apart=True),
            currency=advertiser.currency,
        )
