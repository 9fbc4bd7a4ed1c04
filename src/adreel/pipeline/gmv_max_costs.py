"""What ad accounts spend in GMV Max campaigns while their datasets read only reports that do not include it.

Once a day a run of a basic report asks for the shops of its ad accounts and for their cost on its days, unless a
dataset of the account reads GMV Max. The answer is kept in the run's verification, so that the runs of the same day say
the same without asking, until a dataset reads more or less of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from adreel.advertisers import Advertiser, Shop
from adreel.catalog import gmv_max
from adreel.datasets.dataset import Dataset, reads_shops
from adreel.datasets.stored import dataset_of
from adreel.dates import Span
from adreel.errors import AdvertiserError, DatasetError, RequestError, RetryError, StopError
from adreel.export.cells import digits
from adreel.language import Phrase, integer, phrase, phrases
from adreel.pipeline.plan import GMV_MAX_PATH, LONGEST_SPAN, Plan, shop_params
from adreel.pipeline.shops import own_shops
from adreel.store import Account, Run, Store
from adreel.tiktok.client import Client, together

CHECKED_WITHIN = timedelta(hours=24)
"""How long the answer of an earlier run holds."""

MOST_NAMED = 10

KEY = "gmv_max"
"""The key of a run's verification with what was found out."""

WITHOUT = "without_gmv_max"
"""The key of a run's verification with the ad accounts of which a report of all spend lacks GMV Max cost."""

_NOT_INCLUDED = Phrase(
    "Not included: ad account %(name)s (%(id)s) spent %(cost)s %(currency)s in GMV Max campaigns from %(start)s to "
    "%(end)s, which basic reports leave out, and no dataset reads them. Add one from the template All TikTok spend "
    "(report: all_spend) or GMV Max by day (report: gmv_max). If this dataset leaves them out on purpose, set "
    "excludes_gmv_max: true."
)
_LEFT_OUT = Phrase(
    "Left out on purpose: ad account %(name)s (%(id)s) spent %(cost)s %(currency)s in GMV Max campaigns from %(start)s "
    "to %(end)s, which no dataset reads."
)

_PASSING = (AdvertiserError, RequestError, RetryError, StopError, InvalidOperation)
"""Failures that leave an ad account out: its own rows are read and verified whatever comes of this."""


def concerns(dataset: Dataset) -> bool:
    """Whether a person may take the dataset's cost for all that its ad accounts spend."""
    return (
        dataset.report == "performance"
        and dataset.report_type == "basic"
        and dataset.service_type == "auction"
        and dataset.dates is not None
        and not dataset.lifetime
        and "spend" in dataset.metrics
    )


@dataclass(frozen=True, slots=True)
class UnreadCampaigns:
    """An advertiser, and the types of GMV Max campaigns that no dataset reads of all of its shops.

    `by_shop` has the types that are read of single shops, by the id of the shop.
    """

    advertiser: Advertiser
    promotions: frozenset[gmv_max.Promotion]
    by_shop: Mapping[str, frozenset[gmv_max.Promotion]]

    def of_shop(self, shop: Shop) -> frozenset[gmv_max.Promotion]:
        """The types that no dataset reads of the shop."""
        return self.promotions - self.by_shop.get(shop.id, frozenset())


def unread(store: Store, account: Account, advertisers: Iterable[Advertiser], now: datetime) -> list[UnreadCampaigns]:
    """The advertisers of whose GMV Max campaigns the datasets of the account do not read all."""
    every = frozenset(gmv_max.PROMOTIONS["all"])
    left = {advertiser.id: UnreadCampaigns(advertiser, every, {}) for advertiser in advertisers}
    for saved in store.datasets.list(account):
        with suppress(DatasetError):
            dataset = dataset_of(saved, now)
            for name in left if dataset.advertisers is None else left.keys() & set(dataset.advertisers):
                left[name] = _without_read(left[name], dataset)
    return [those for those in left.values() if those.promotions]


def _without_read(those: UnreadCampaigns, dataset: Dataset) -> UnreadCampaigns:
    if not reads_shops(dataset):
        return those
    kinds = frozenset(gmv_max.PROMOTIONS[dataset.promotion])
    if not dataset.shops:
        return replace(those, promotions=those.promotions - kinds)
    by_shop = {shop: those.by_shop.get(shop, frozenset()) | kinds for shop in dataset.shops}
    return replace(those, by_shop={**those.by_shop, **by_shop})


def earlier_answer(
    runs: Iterable[Run], plan: Plan, lacking: Collection[UnreadCampaigns], now: datetime
) -> dict[str, Any] | None:
    """What a run of the last day found out of the same campaigns until the same days; None if none did."""
    asked = _asked(plan, lacking)
    for run in runs:
        answer = run.verification.get(KEY)
        if not isinstance(answer, dict) or answer.get("asked") != asked:
            continue
        if now - datetime.fromisoformat(answer["checked_at"]) < CHECKED_WITHIN:
            return answer
    return None


def _asked(plan: Plan, lacking: Collection[UnreadCampaigns]) -> list[str]:
    """What costs are asked for: other settings of a dataset, and another day, are another question."""
    ends = {advertiser.id: span.end.isoformat() for advertiser, span in plan.days()}
    return sorted(
        " ".join(
            (
                those.advertiser.id,
                ends.get(those.advertiser.id, ""),
                *sorted(those.promotions),
                *(f"{shop}={'+'.join(sorted(kinds))}" for shop, kinds in sorted(those.by_shop.items())),
            )
        )
        for those in lacking
    )


async def ask_costs(client: Client, plan: Plan, lacking: Collection[UnreadCampaigns], now: datetime) -> dict[str, Any]:
    """The cost of unread GMV Max campaigns on the plan's days of each of the advertisers that has any, as JSON."""
    days = {advertiser.id: span for advertiser, span in plan.days()}
    asked = [those for those in lacking if those.advertiser.id in days]
    costs = await together(_cost(client, those, days[those.advertiser.id]) for those in asked)
    return {
        "checked_at": now.isoformat(),
        "asked": _asked(plan, lacking),
        "costs": [
            {
                "advertiser_id": advertiser.id,
                "cost": str(cost),
                "start": days[advertiser.id].start.isoformat(),
                "end": days[advertiser.id].end.isoformat(),
            }
            for advertiser, cost in zip((those.advertiser for those in asked), costs, strict=True)
            if cost
        ],
        "unknown": [those.advertiser.id for those, cost in zip(asked, costs, strict=True) if cost is None],
    }


async def _cost(client: Client, those: UnreadCampaigns, days: Span) -> Decimal | None:
    """The cost; None if it could not be found out."""
    advertiser = those.advertiser
    first = max(days.start, days.end - timedelta(days=LONGEST_SPAN["none"] - 1))
    try:
        shops = await own_shops(client, advertiser)
        costs = []
        for shop in shops:
            kinds = those.of_shop(shop)
            if not kinds:
                continue
            params = {
                **shop_params(advertiser, shop, Span(first, days.end)),
                "dimensions": ["advertiser_id"],
                "metrics": ["cost"],
                **({"filtering": {"gmv_max_promotion_types": sorted(kinds)}} if len(kinds) == 1 else {}),
            }
            page = await client.page(GMV_MAX_PATH, params, 1, 10)
            costs += [row.get("metrics", {}).get("cost") for row in page.rows]
        return sum((Decimal(str(cost)) for cost in costs if cost is not None), Decimal(0))
    except _PASSING:
        return None


def sentences_of_costs(
    answer: Mapping[str, Any], advertisers: Iterable[Advertiser], *, on_purpose: bool
) -> Iterator[str]:
    """A sentence for each advertiser with cost that no dataset reads; of many the first ones, and how many more.

    It is a warning with advice, or a plain note of a dataset that leaves the cost out on purpose.
    """
    by_id = {advertiser.id: advertiser for advertiser in advertisers}
    costs = [cost for cost in answer["costs"] if cost["advertiser_id"] in by_id]
    for cost in costs[:MOST_NAMED]:
        advertiser = by_id[cost["advertiser_id"]]
        words = _LEFT_OUT if on_purpose else _NOT_INCLUDED
        yield phrase(
            words,
            name=advertiser.name,
            id=advertiser.id,
            cost=digits(Decimal(cost["cost"]), thousands_apart=True),
            currency=advertiser.currency,
            start=cost["start"],
            end=cost["end"],
        )
    if len(costs) > MOST_NAMED:
        more = len(costs) - MOST_NAMED
        yield phrases(
            "So it is for %(number)s more ad account.",
            "So it is for %(number)s more ad accounts.",
            more,
            number=integer(more),
        )


def unread_cost_warnings(run: Run) -> tuple[str, ...]:
    """Those of the run's warnings that are about cost that no dataset reads, as `sentences_of_costs` gave them."""
    answer = run.verification.get(KEY)
    if not isinstance(answer, dict) or answer.get("on_purpose"):
        return ()
    marks = [f"({cost['advertiser_id']})" for cost in answer["costs"]]
    places = [
        place
        for place, line in enumerate(run.warnings)
        if "excludes_gmv_max" in line and any(mark in line for mark in marks)
    ]
    if not places:
        return ()
    # The sentence that counts the other ad accounts comes after those that name some.
    end = places[-1] + 1 + (len(marks) > len(places))
    return run.warnings[places[0] : end]


@dataclass(frozen=True, slots=True)
class UnreadCost:
    """What an ad account spent in GMV Max campaigns on these days, which no dataset reads, as a run found out."""

    advertiser_id: str
    cost: Decimal
    start: date
    end: date
    checked_at: datetime


def checked_advertisers(run: Run) -> tuple[frozenset[str], datetime] | None:
    """The ad accounts of which the run found out what no dataset reads, and when; None if it did not look."""
    answer = run.verification.get(KEY)
    if not isinstance(answer, dict):
        return None
    asked = {str(text).partition(" ")[0] for text in answer["asked"]}
    # Runs of earlier versions did not say of which ad accounts they could not find it out.
    return frozenset(asked - set(answer.get("unknown", ()))), datetime.fromisoformat(answer["checked_at"])


def unread_costs(run: Run) -> Iterator[UnreadCost]:
    """What the run found out, unless its dataset leaves it out on purpose."""
    answer = run.verification.get(KEY)
    if not isinstance(answer, dict) or answer.get("on_purpose"):
        return
    at = datetime.fromisoformat(answer["checked_at"])
    for cost in answer["costs"]:
        start, end = date.fromisoformat(cost["start"]), date.fromisoformat(cost["end"])
        yield UnreadCost(cost["advertiser_id"], Decimal(cost["cost"]), start, end, at)
