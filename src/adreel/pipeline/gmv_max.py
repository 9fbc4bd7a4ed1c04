"""The steps of a GMV Max report for one shop and some days: the shop's own cost, campaigns, products, then the rows.

TikTok gives products only for named campaigns, and posts only for named campaigns and products, at most 100 of each
("Run a GMV Max report", doc 1824721673497601). Each step is verified like any other request, and its cost is compared
with that of the step before: it must be the same down to the campaigns; TikTok assigns a small part of the cost of
campaigns to no product.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from adreel import catalog
from adreel.catalog import all_spend, gmv_max
from adreel.datasets.freshness import last_complete_day, report_delay
from adreel.errors import AdvertiserError, ProofError, lacks_scope
from adreel.export.cells import digits
from adreel.language import phrase
from adreel.pipeline.plan import GMV_MAX_PATH, MOST_IDS, PAGE_SIZE, Plan, Request, shop_params, steps_before
from adreel.pipeline.verify import ReadOutcome, ids_in, refuse_missing_rows, request_words
from adreel.tiktok.client import Client, together
from adreel.tiktok.response import ListPage

COST = "cost"
_ACTIVE = ("cost", "orders", "gross_revenue")
_NO_ID = "-"
_NO_CURRENCIES = frozenset({"0", "-"})
"""What TikTok sends for a currency in rows without one."""

Read = Callable[[Request], Coroutine[Any, Any, ReadOutcome]]


@dataclass(frozen=True, slots=True)
class ShopLinks:
    """What the steps before the rows found: the cost of the shop on complete days and on others, and ids.

    `campaigns` are those with any figures, with their cost in `campaign_cost`; `products` has the products of each.
    """

    complete: str = ""
    incomplete: str = ""
    campaigns: tuple[str, ...] = ()
    campaign_cost: str = ""
    products: Mapping[str, tuple[str, ...]] | None = None

    def as_note(self) -> dict[str, Any]:
        """As JSON, to be stored beside the parts."""
        return {
            "complete": self.complete,
            "incomplete": self.incomplete,
            "campaigns": list(self.campaigns),
            "campaign_cost": self.campaign_cost,
            "products": None if self.products is None else {name: list(ids) for name, ids in self.products.items()},
        }

    @classmethod
    def of_note(cls, note: Mapping[str, Any]) -> ShopLinks:
        """The links that were stored."""
        products = note["products"]
        return cls(
            note["complete"],
            note["incomplete"],
            tuple(note["campaigns"]),
            note["campaign_cost"],
            None if products is None else {name: tuple(ids) for name, ids in products.items()},
        )


class ShopSteps:
    """Reads the planned requests of a GMV Max report through `read`, which reads and verifies a request for rows."""

    def __init__(self, plan: Plan, client: Client, read: Read) -> None:
        self._plan, self._client, self._read = plan, client, read
        self._cost = "spend" if plan.has_basic_rows else COST
        self._level = gmv_max.LEVELS[plan.dataset.level or "account"]
        metrics = catalog.metrics()
        self._has_names = self._level.own_id is not None and any(
            metrics[name].attribute for name in plan.dataset.metrics
        )

    async def links(self, request: Request) -> ShopLinks:
        """The steps before the rows. Raises ProofError if TikTok's counts or costs of them do not agree."""
        links = ShopLinks()
        if steps_before(self._plan.dataset):
            links = await self._shop_cost(request)
        if self._level.chain >= 2:
            links = await self._campaigns(request, links)
        if self._level.chain >= 3:
            links = replace(links, products=await self._products(request, links))
        return links

    async def rows(self, request: Request, links: ShopLinks) -> ReadOutcome:
        """The rows of all campaigns and products of the links, in requests of at most 100 ids."""
        parts = list(self.parts(request, links))
        nothing = ReadOutcome(rows_of={request.advertisers[0].id: 0}, sums={self._cost: Decimal(0)})
        return sum(await together(self._read(part) for part in parts), nothing)

    def differing(self, request: Request, links: ShopLinks, outcome: ReadOutcome) -> str:
        """What is wrong with the cost of the rows, compared with that of the step before; empty if nothing is."""
        if not steps_before(self._plan.dataset):
            return ""
        if self._level.chain < 2:
            return self._shop_fault(request, links, outcome.sums[self._cost], outcome.rows)
        above, cost = Decimal(links.campaign_cost), outcome.sums[self._cost]
        if cost > above + _rounding(outcome.rows + len(links.campaigns)) and self._is_complete(request):
            return _fault(request, phrase("campaigns"), above, cost)
        if above and not outcome.rows and self._is_complete(request):
            return _fault(request, phrase("campaigns"), above, cost)
        return ""

    def unassigned(
        self, request: Request, links: ShopLinks, outcome: ReadOutcome
    ) -> dict[str, tuple[Decimal, Decimal]]:
        """The cost of the campaigns and that of the rows by advertiser, if it is not the same."""
        if self._level.chain < 2:
            return {}
        above, cost = Decimal(links.campaign_cost), outcome.sums[self._cost]
        less = above - cost > _rounding(outcome.rows + len(links.campaigns))
        return {request.advertisers[0].id: (above, cost)} if less else {}

    def unsettled(self, request: Request, links: ShopLinks, outcome: ReadOutcome) -> dict[str, tuple[Decimal, Decimal]]:
        """By advertiser the cost of a level and that of the level below, which days that still change let differ."""
        if not steps_before(self._plan.dataset):
            return {}
        shop, cost = Decimal(links.complete) + Decimal(links.incomplete), outcome.sums[self._cost]
        below = Decimal(links.campaign_cost) if self._level.chain >= 2 else cost
        pairs = [(shop, below), *([(below, cost)] if cost > below else [])]
        rounding = _rounding(outcome.rows + len(links.campaigns) + 1)
        differing = [pair for pair in pairs if abs(pair[0] - pair[1]) > rounding]
        return {request.advertisers[0].id: differing[0]} if differing else {}

    # --- steps ------------------------------------------------------------------------------------------------

    async def _shop_cost(self, request: Request) -> ShopLinks:
        """The shop's own cost, and the part of it of days that are not complete and still change."""
        filtering = {"gmv_max_promotion_types": [request.promotion]}
        step = self._step(request, ["advertiser_id"], [COST], filtering)
        last = self._last_complete(request)
        assert request.span is not None
        if request.span.end <= last:
            return ShopLinks(str(_sum(await self._all(step))), "0")
        first = max(request.span.start, last + timedelta(days=1))
        recent = await self._all({**step, "start_date": first.isoformat()})
        incomplete = _sum(recent)
        whole = _sum(await self._all(step)) if first > request.span.start else incomplete
        return ShopLinks(str(whole - incomplete), str(incomplete))

    async def _campaigns(self, request: Request, links: ShopLinks) -> ShopLinks:
        filtering = {
            "gmv_max_promotion_types": [request.promotion],
            "campaign_statuses": list(gmv_max.CAMPAIGN_STATUSES),
        }
        rows = await self._all(self._step(request, ["campaign_id"], list(_ACTIVE), filtering))
        cost = _sum(rows)
        fault = self._shop_fault(request, links, cost, len(rows))
        if fault:
            raise ProofError(phrase("%(fault)s The table is unchanged. Run again in a few minutes.", fault=fault))
        active = [row["dimensions"] for row in rows if any(_amount(row, name) for name in _ACTIVE)]
        return replace(links, campaigns=tuple(ids_in(active, "campaign_id")), campaign_cost=str(cost))

    async def _products(self, request: Request, links: ShopLinks) -> dict[str, tuple[str, ...]]:
        """The products of each campaign that have any figures."""
        products: dict[str, set[str]] = {campaign: set() for campaign in links.campaigns}
        dimensions = ["campaign_id", "item_group_id"]
        steps = (
            self._all(self._step(request, dimensions, list(_ACTIVE), {"campaign_ids": list(campaigns)}))
            for campaigns in _groups(links.campaigns)
        )
        for rows in await together(steps):
            for row in rows:
                products[str(row["dimensions"]["campaign_id"])].add(str(row["dimensions"]["item_group_id"]))
        return {campaign: tuple(sorted(ids)) for campaign, ids in products.items()}

    def _step(
        self, request: Request, dimensions: list[str], metrics: list[str], filtering: Mapping[str, Any]
    ) -> dict[str, Any]:
        assert request.shop is not None
        assert request.span is not None
        base = shop_params(request.advertisers[0], request.shop, request.span)
        return {
            **base,
            "dimensions": dimensions,
            "metrics": metrics,
            "filtering": dict(filtering),
            "sort_field": COST,
        }

    async def _all(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        """All rows of a step but those of no id. Raises ProofError if TikTok counts others, or one comes twice."""
        first = await self._client.page(GMV_MAX_PATH, params, 1, PAGE_SIZE)
        later = await together(
            self._client.page(GMV_MAX_PATH, params, number, PAGE_SIZE) for number in range(2, first.total_page + 1)
        )
        rows = [dict(row) for page in (first, *later) for row in page.rows]
        refuse_missing_rows(GMV_MAX_PATH, params, first.total_number, len(rows))
        keys = {tuple(sorted((row.get("dimensions") or {}).items())) for row in rows}
        refuse_missing_rows(GMV_MAX_PATH, params, len(rows), len(keys))
        return [row for row in rows if _NO_ID not in (row.get("dimensions") or {_NO_ID: _NO_ID}).values()]

    # --- requests for rows ------------------------------------------------------------------------------------

    def parts(self, request: Request, links: ShopLinks) -> Iterator[Request]:
        """The planned request itself, or one for each group of campaigns and products."""
        if self._level.chain < 2:
            yield request
        elif links.products is not None:
            yield from self._product_parts(request, links.campaigns, links.products)
        elif self._has_names or self._level.name == "livestream":
            # A source reports that TikTok refuses LIVE sessions of several campaigns.
            for campaign in links.campaigns:
                yield self._narrow(request, {"campaign_id": campaign})
        else:
            for campaigns in _groups(links.campaigns):
                yield _part(request, f"c{campaigns[0]}x{len(campaigns)}", {"campaign_ids": list(campaigns)})

    def _product_parts(
        self, request: Request, campaigns: Sequence[str], products: Mapping[str, Sequence[str]]
    ) -> Iterator[Request]:
        if self._has_names:
            for campaign in campaigns:
                for product in products[campaign]:
                    yield self._narrow(request, {"campaign_id": campaign, "item_group_id": product})
            return
        for group in _groups(campaigns):
            together_ids = sorted({product for campaign in group for product in products[campaign]})
            for some in _groups(together_ids):
                filtering = {"campaign_ids": list(group), "item_group_ids": list(some)}
                yield _part(request, f"c{group[0]}x{len(group)}-p{some[0]}x{len(some)}", filtering)

    def _narrow(self, request: Request, given: Mapping[str, str]) -> Request:
        """The request for one campaign, and one product: TikTok gives names only so, and with one ID dimension."""
        filtering = {f"{name}s": [value] for name, value in given.items()}
        dimensions = [name for name in request.params["dimensions"] if name not in given]
        mark = "-".join(f"{name[0]}{value}" for name, value in given.items())
        part = _part(request, mark, filtering)
        return replace(part, given=dict(given), params={**part.params, "dimensions": dimensions})

    # --- comparison -------------------------------------------------------------------------------------------

    def _is_complete(self, request: Request) -> bool:
        assert request.span is not None
        return request.span.end <= self._last_complete(request)

    def _last_complete(self, request: Request) -> date:
        delay = report_delay(self._plan.dataset)
        return last_complete_day(request.advertisers[0].offset, delay, self._plan.now)

    def _shop_fault(self, request: Request, links: ShopLinks, cost: Decimal, rows: int) -> str:
        """What is wrong with a cost that must be the shop's own, but for the change of days that are not complete."""
        complete, incomplete = Decimal(links.complete), Decimal(links.incomplete)
        rounding = _rounding(rows + 1)
        if rows and abs(cost - complete - incomplete) <= rounding + incomplete:
            return ""
        return _fault(request, phrase("shop"), complete + incomplete, cost) if cost != complete + incomplete else ""


def _part(request: Request, mark: str, filtering: Mapping[str, Any]) -> Request:
    params = {**request.params, "filtering": dict(filtering)}
    return replace(request, name=f"{request.name}-{mark}", params=params)


def _groups(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[first : first + MOST_IDS] for first in range(0, len(ids), MOST_IDS)]


def _rounding(rows: int) -> Decimal:
    """What the rounding of so many rows to cents can change in their sum."""
    return Decimal("0.005") * rows


def _amount(row: Mapping[str, Any], name: str) -> Decimal:
    """A figure of a row; 0 where it has none."""
    try:
        return Decimal(str((row.get("metrics") or {}).get(name) or 0))
    except ArithmeticError:
        return Decimal(0)


def _sum(rows: Iterable[Mapping[str, Any]]) -> Decimal:
    return sum((_amount(row, COST) for row in rows), Decimal(0))


def _fault(request: Request, level: str, above: Decimal, cost: Decimal) -> str:
    return phrase(
        "cost: that of the %(level)s is %(total)s for %(request)s, but the rows below sum to %(sum)s.",
        level=level,
        total=digits(above, thousands_apart=True),
        request=request_words(request),
        sum=digits(cost, thousands_apart=True),
    )


def shop_error(request: Request, error: AdvertiserError) -> AdvertiserError:
    """The refusal of a shop, with what to do about it; a missing permission of the app stays as it is."""
    if request.shop is None or lacks_scope(error.code, error.message):
        return error
    return AdvertiserError(
        phrase(
            "TikTok refuses shop %(shop)s: %(reason)s See in TikTok Ads Manager or Seller Center which ad account has "
            "its GMV Max authorization, and select that one or remove the shop.",
            shop=request.shop.words,
            reason=error.message,
        ),
        code=error.code,
        request_id=error.request_id,
    )


def shop_page(page: ListPage, request: Request, plan: Plan) -> ListPage:
    """The page with the ids of the request, without rows of no id and hours that are still to come.

    TikTok sends the hours of a whole day, those to come with zeros. Raises ProofError for amounts in another currency
    than the advertiser's, which rows of products and posts name.
    """
    _refuse_other_currency(page, request)
    now = plan.now + request.advertisers[0].offset
    present = f"{now:%Y-%m-%d %H:%M:%S}"
    rows, left_out = [], 0
    for row in page.rows:
        dimensions, metrics = row.get("dimensions") or {}, row.get("metrics") or {}
        hour = str(dimensions.get("stat_time_hour") or "")
        if _NO_ID in dimensions.values() or (hour > present and not _has_figures(metrics)):
            left_out += 1
        else:
            rows.append({**row, "dimensions": {**dimensions, **request.given}, "metrics": metrics})
    if not plan.has_basic_rows:
        return replace(page, rows=rows, left_out=left_out)
    rows = [{**row, "metrics": all_spend.column_names(row["metrics"])} for row in rows]
    totals = None if page.total_metrics is None else all_spend.column_names(page.total_metrics)
    return replace(page, rows=rows, left_out=left_out, total_metrics=totals)


def _refuse_other_currency(page: ListPage, request: Request) -> None:
    own = request.advertisers[0].currency
    named = {str((row.get("metrics") or {}).get("currency") or own) for row in page.rows} - _NO_CURRENCIES
    if own and named - {own}:
        raise ProofError(
            phrase(
                "TikTok sent amounts in %(other)s for %(request)s, but the currency of the ad account is %(own)s. The "
                "table is unchanged. Report this to the developers of adreel.",
                other=", ".join(sorted(named - {own})),
                request=request_words(request),
                own=own,
            )
        )


def _has_figures(metrics: Mapping[str, Any]) -> bool:
    records = catalog.metrics()
    additive = (name for name in metrics if name in records and records[name].additive)
    return any(_amount({"metrics": metrics}, name) for name in additive)
