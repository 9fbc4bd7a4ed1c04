"""The steps of a GMV Max report for one shop and some days: the shop's own cost, campaigns, products, then the rows.

TikTok gives products and LIVE sessions only for named campaigns, and posts and periods of one optimization mode only
for named campaigns and products or sessions, at most 100 of each ("Run a GMV Max report", doc 1824721673497601). Each
step is verified like any other request, and its cost is compared with that of the step before: it must be the same
down to the campaigns; TikTok assigns a small part of the cost of campaigns to no product. That periods have all of the
cost of their product or session is inferred: more fails the check, less is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from adreel import catalog
from adreel.catalog import all_spend, gmv_max
from adreel.datasets.freshness import last_complete_day, report_delay
from adreel.errors import AdvertiserError, ProofError, RequestError, lacks_scope
from adreel.export.cells import digits
from adreel.language import phrase
from adreel.pipeline.plan import GMV_MAX_PATH, MOST_IDS, PAGE_SIZE, Plan, Request, shop_params, steps_before
from adreel.pipeline.verify import ReadOutcome, ids_in, refuse_missing_rows, request_words
from adreel.tiktok.client import Client, together
from adreel.tiktok.response import ListPage

COST = "cost"
CAMPAIGN_NAME = "campaign_name"
PRODUCT_NAME = "product_name"
_NAMED = {CAMPAIGN_NAME: "campaign_id", PRODUCT_NAME: "item_group_id"}
"""The id columns of names that the steps before the rows ask for."""
_ACTIVE = ("cost", "orders", "gross_revenue")
_NO_ID = "-"
_WRONG_PARAMETER = 40002
_NO_CURRENCIES = frozenset({"0", "-"})
"""What TikTok sends for a currency in rows without one."""

Read = Callable[[Request], Coroutine[Any, Any, ReadOutcome]]


@dataclass(frozen=True, slots=True)
class ShopLinks:
    """What the steps before the rows found: the cost of the shop on complete days and on others, and ids.

    `campaigns` are those with any figures, with their cost in `campaign_cost`; `products` has the products or LIVE
    sessions of each, which cost `product_cost`. With `names_of_one` names take the ID of the product or session beside
    the period. `names` are those of campaigns and products that the dataset has columns for, by column and id.
    """

    complete: str = ""
    incomplete: str = ""
    campaigns: tuple[str, ...] = ()
    campaign_cost: str = ""
    products: Mapping[str, tuple[str, ...]] | None = None
    product_cost: str = ""
    names_of_one: bool = False
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def as_note(self) -> dict[str, Any]:
        """As JSON, to be stored beside the parts."""
        return {
            "complete": self.complete,
            "incomplete": self.incomplete,
            "campaigns": list(self.campaigns),
            "campaign_cost": self.campaign_cost,
            "products": None if self.products is None else {name: list(ids) for name, ids in self.products.items()},
            "product_cost": self.product_cost,
            "names_of_one": self.names_of_one,
            "names": {column: dict(names) for column, names in self.names.items()},
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
            # Runs that an earlier version began lack them.
            note.get("product_cost", ""),
            note.get("names_of_one", False),
            note.get("names", {}),
        )


class ShopSteps:
    """Reads the planned requests of a GMV Max report through `read`, which reads and verifies a request for rows."""

    def __init__(self, plan: Plan, client: Client, read: Read) -> None:
        self._plan, self._client, self._read = plan, client, read
        self._cost = "spend" if plan.has_basic_rows else COST
        self._level = gmv_max.LEVELS[plan.dataset.level or "account"]
        above = gmv_max.NAMES_ABOVE.get(self._level.name, ())
        self._names_above = frozenset(name for name in plan.dataset.metrics if name in above)
        metrics = catalog.metrics()
        self._has_names = self._level.own_id is not None and any(
            metrics[name].attribute for name in plan.dataset.metrics if name not in above
        )

    async def links(self, request: Request) -> ShopLinks:
        """The steps before the rows. Raises ProofError if TikTok's counts or costs of them do not agree."""
        links = ShopLinks()
        if steps_before(self._plan.dataset):
            links = await self._shop_cost(request)
        if self._level.chain >= 2:
            links = await self._campaigns(request, links)
        if self._level.chain >= 3 and PRODUCT_NAME in self._names_above:
            links = await self._named_products(request, links)
        elif self._level.chain >= 3:
            links = await self._products(request, links)
        if self._level.by_period and self._has_names:
            links = replace(links, names_of_one=await self._names_take_one_id(request, links))
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
        if not self._is_complete(request):
            return ""
        above, cost = Decimal(links.campaign_cost), outcome.sums[self._cost]
        if cost > above + _rounding(outcome.rows + len(links.campaigns)) or (above and not outcome.rows):
            return _fault(request, phrase("campaigns"), above, cost)
        of_products = self._product_cost(links)
        if of_products is not None and cost > of_products + _product_rounding(links, outcome):
            words = phrase("products") if self._level.promotion == "PRODUCT" else phrase("LIVE sessions")
            return _fault(request, words, of_products, cost)
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

    def unassigned_periods(
        self, request: Request, links: ShopLinks, outcome: ReadOutcome
    ) -> dict[str, tuple[Decimal, Decimal]]:
        """The cost of products or LIVE sessions and that of their periods by advertiser, if these have less."""
        of_products, cost = self._product_cost(links), outcome.sums[self._cost]
        if of_products is None or of_products - cost <= _product_rounding(links, outcome):
            return {}
        return {request.advertisers[0].id: (of_products, cost)}

    def _product_cost(self, links: ShopLinks) -> Decimal | None:
        """What the periods of products or LIVE sessions must not exceed; None at other levels."""
        return Decimal(links.product_cost) if self._level.by_period and links.product_cost else None

    def unsettled(self, request: Request, links: ShopLinks, outcome: ReadOutcome) -> dict[str, tuple[Decimal, Decimal]]:
        """By advertiser the cost of a level and that of the level below, which days that still change let differ."""
        if not steps_before(self._plan.dataset):
            return {}
        shop, cost = Decimal(links.complete) + Decimal(links.incomplete), outcome.sums[self._cost]
        below = Decimal(links.campaign_cost) if self._level.chain >= 2 else cost
        of_products = self._product_cost(links)
        aboves = (below,) if of_products is None else (below, of_products)
        pairs = [(shop, below), *((above, cost) for above in aboves if cost > above)]
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
        named = self._names_above & {CAMPAIGN_NAME}
        rows = await self._all(self._step(request, ["campaign_id"], [*_ACTIVE, *named], filtering))
        cost = _sum(rows)
        fault = self._shop_fault(request, links, cost, len(rows))
        if fault:
            raise ProofError(phrase("%(fault)s The table is unchanged. Run again in a few minutes.", fault=fault))
        active = [row["dimensions"] for row in rows if any(_amount(row, name) for name in _ACTIVE)]
        names = {name: _names(rows, "campaign_id", name) for name in named}
        campaigns = tuple(ids_in(active, "campaign_id"))
        return replace(links, campaigns=campaigns, campaign_cost=str(cost), names=names)

    async def _named_products(self, request: Request, links: ShopLinks) -> ShopLinks:
        """The links with the products and their names, which TikTok gives for one campaign at a time."""
        steps = (
            self._all(self._step(request, ["item_group_id"], [*_ACTIVE, PRODUCT_NAME], {"campaign_ids": [campaign]}))
            for campaign in links.campaigns
        )
        of_campaigns = await together(steps)
        products = {
            campaign: tuple(sorted({str(row["dimensions"]["item_group_id"]) for row in rows}))
            for campaign, rows in zip(links.campaigns, of_campaigns, strict=True)
        }
        rows = [row for of_campaign in of_campaigns for row in of_campaign]
        names = {**links.names, PRODUCT_NAME: _names(rows, "item_group_id", PRODUCT_NAME)}
        return replace(links, products=products, product_cost=str(_sum(rows)), names=names)

    async def _products(self, request: Request, links: ShopLinks) -> ShopLinks:
        """With the products or LIVE sessions of each campaign that have any figures, and with their cost."""
        products: dict[str, set[str]] = {campaign: set() for campaign in links.campaigns}
        dimensions = list(self._level.ids[:2])
        steps = (
            self._all(self._step(request, dimensions, list(_ACTIVE), {"campaign_ids": list(campaigns)}))
            for campaigns in self._campaign_groups(links.campaigns)
        )
        cost = Decimal(0)
        for rows in await together(steps):
            cost += _sum(rows)
            for row in rows:
                products[str(row["dimensions"]["campaign_id"])].add(str(row["dimensions"][dimensions[1]]))
        ids = {campaign: tuple(sorted(ids)) for campaign, ids in products.items()}
        return replace(links, products=ids, product_cost=str(cost))

    async def _names_take_one_id(self, request: Request, links: ShopLinks) -> bool:
        """Whether TikTok gives names of periods beside the ID of their product or LIVE session.

        It gives names with one ID dimension; whether a period counts as one is not documented.
        """
        pairs = ((campaign, product) for campaign, ids in (links.products or {}).items() for product in ids)
        first = next(pairs, None)
        if first is None:
            return False
        part = narrowed(request, dict(zip(self._level.ids, first, strict=False)), beside_id=True)
        try:
            await self._client.page(part.path, part.params, 1, 1)
        except RequestError as error:
            if error.code != _WRONG_PARAMETER:
                raise
            return False
        return True

    def _campaign_groups(self, campaigns: Sequence[str]) -> list[Sequence[str]]:
        """Campaigns of one request: a source reports that TikTok refuses LIVE sessions of several."""
        return [[campaign] for campaign in campaigns] if self._level.promotion == "LIVE" else _groups(campaigns)

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
        request = replace(request, names=links.names)
        if self._level.chain < 2:
            yield request
        elif links.products is not None:
            yield from self._product_parts(request, links, links.products)
        elif self._has_names or self._level.promotion == "LIVE":
            for campaign in links.campaigns:
                yield narrowed(request, {"campaign_id": campaign})
        else:
            for campaigns in _groups(links.campaigns):
                yield _part(request, f"c{campaigns[0]}x{len(campaigns)}", {"campaign_ids": list(campaigns)})

    def _product_parts(
        self, request: Request, links: ShopLinks, products: Mapping[str, Sequence[str]]
    ) -> Iterator[Request]:
        product_id = self._level.ids[1]
        if self._has_names:
            for campaign in links.campaigns:
                for product in products[campaign]:
                    ids = {"campaign_id": campaign, product_id: product}
                    yield narrowed(request, ids, beside_id=links.names_of_one)
            return
        for group in self._campaign_groups(links.campaigns):
            together_ids = sorted({product for campaign in group for product in products[campaign]})
            for some in _groups(together_ids):
                filtering = {"campaign_ids": list(group), f"{product_id}s": list(some)}
                yield _part(request, f"c{group[0]}x{len(group)}-p{some[0]}x{len(some)}", filtering)

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


def narrowed(request: Request, ids: Mapping[str, str], *, beside_id: bool = False) -> Request:
    """The request for one campaign, and one product: TikTok gives names only so, and with one ID dimension.

    With `beside_id` this is the last of the ids, not the level's own.
    """
    filtering = {f"{name}s": [value] for name, value in ids.items()}
    given = {name: value for name, value in ids.items() if not beside_id or name == "campaign_id"}
    dimensions = [name for name in request.params["dimensions"] if name not in given]
    mark = "-".join(f"{name[0]}{value}" for name, value in ids.items())
    part = _part(request, mark, filtering)
    return replace(part, given=given, params={**part.params, "dimensions": dimensions})


def _part(request: Request, mark: str, filtering: Mapping[str, Any]) -> Request:
    params = {**request.params, "filtering": dict(filtering)}
    return replace(request, name=f"{request.name}-{mark}", params=params)


def _groups(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[first : first + MOST_IDS] for first in range(0, len(ids), MOST_IDS)]


def _rounding(rows: int) -> Decimal:
    """What the rounding of so many rows to cents can change in their sum."""
    return Decimal("0.005") * rows


def _product_rounding(links: ShopLinks, outcome: ReadOutcome) -> Decimal:
    return _rounding(outcome.rows + sum(map(len, (links.products or {}).values())))


def _amount(row: Mapping[str, Any], name: str) -> Decimal:
    """A figure of a row; 0 where it has none."""
    try:
        return Decimal(str((row.get("metrics") or {}).get(name) or 0))
    except ArithmeticError:
        return Decimal(0)


def _names(rows: Iterable[Mapping[str, Any]], id_column: str, name: str) -> dict[str, str]:
    """By id the names that TikTok gives; none where it has an empty one."""
    given = ((row["dimensions"][id_column], (row.get("metrics") or {}).get(name)) for row in rows)
    return {str(key): str(text) for key, text in given if text and text != _NO_ID}


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
        dimensions, metrics = row.get("dimensions") or {}, _without_no_target(row.get("metrics") or {})
        hour = str(dimensions.get("stat_time_hour") or "")
        if _lacks_id(dimensions) or (hour > present and not _has_figures(metrics)):
            left_out += 1
        else:
            dimensions = {**dimensions, **request.given}
            rows.append({**row, "dimensions": dimensions, "metrics": {**metrics, **_given_names(request, dimensions)}})
    if not plan.has_basic_rows:
        return replace(page, rows=rows, left_out=left_out)
    rows = [{**row, "metrics": all_spend.column_names(row["metrics"])} for row in rows]
    totals = None if page.total_metrics is None else all_spend.column_names(page.total_metrics)
    return replace(page, rows=rows, left_out=left_out, total_metrics=totals)


def _given_names(request: Request, dimensions: Mapping[str, Any]) -> dict[str, str]:
    """The names of the things above a row; none for an id without a name."""
    given = {
        column: names.get(str(dimensions.get(_NAMED[column]) or ""), "") for column, names in request.names.items()
    }
    return {column: name for column, name in given.items() if name}


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


def _lacks_id(dimensions: Mapping[str, Any]) -> bool:
    """Whether a row is of no thing. Cost of no period is still that of its product or session, so such a row stays."""
    return any(value == _NO_ID for name, value in dimensions.items() if name != gmv_max.PERIOD)


def _without_no_target(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """The figures without a target ROI of 0, which TikTok sends where there is none, and for some by day."""
    if gmv_max.TARGET not in metrics or _amount({"metrics": metrics}, gmv_max.TARGET):
        return metrics
    return {name: value for name, value in metrics.items() if name != gmv_max.TARGET}


def _has_figures(metrics: Mapping[str, Any]) -> bool:
    records = catalog.metrics()
    additive = (name for name in metrics if name in records and records[name].additive)
    return any(_amount({"metrics": metrics}, name) for name in additive)
