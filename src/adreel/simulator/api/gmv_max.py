"""Shops, GMV Max campaigns and their report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from adreel import catalog
from adreel.simulator.api.call import Call, Reply, page_info, paged, reply
from adreel.simulator.api.errors import ApiError, bad, missing
from adreel.simulator.api.gmv_query import GmvQuery, read_gmv_query
from adreel.simulator.api.params import strings_of
from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.calendar import day_of
from adreel.simulator.world.entities import utc_text
from adreel.simulator.world.hashing import word
from adreel.simulator.world.money import currency_of
from adreel.simulator.world.shops import (
    CARD,
    HOURS,
    GmvCampaign,
    GmvFigures,
    GmvSpan,
    OptimizationPeriod,
    Product,
    SimulatedShop,
)

Sums = dict[str, int]
_ROW_FIGURES = ("cost", "orders", "gross_revenue")


_CAPTIONS = (
    "Why I never travel without my {}",
    "{}: three ways to use it",
    "POV: you finally found the right {}",
    "Unboxing the new {} #tiktokmademebuyit",
    "{} restock, link in bio",
    "I tested the {} for a week",
)


def _caption(product: Product | None, item_id: str) -> str:
    """The title of a post: its text."""
    if item_id == CARD:
        return "Shop tab"
    dice = word("caption", item_id)
    return _CAPTIONS[dice % len(_CAPTIONS)].format(product.name if product else "product")


def shop_list(call: Call) -> Reply:
    """GET /gmv_max/store/list/: the shops of the ad account, and those of others that it sees."""
    advertiser, simulator = call.advertiser(), call.simulator
    shown = [
        shop
        for shop in simulator.shops.shops
        if (simulator.shop_owner(shop) == advertiser.index and shop.listed) or advertiser.index in shop.others
    ]
    return reply({"store_list": [_shop(call, shop, advertiser) for shop in shown]})


def _shop(call: Call, shop: SimulatedShop, advertiser: SimulatedAdvertiser) -> dict[str, object]:
    owner = call.simulator.world.advertisers[call.simulator.shop_owner(shop)]
    business_center = {"bc_id": shop.business_center, "bc_name": f"{owner.name} BC", "user_role": "ADMIN"}
    return {
        "store_id": shop.id,
        "store_name": shop.name,
        "store_code": f"{owner.country}{shop.id[-8:]}",
        "store_status": "ACTIVE",
        "store_role": "AD_PROMOTION",
        "is_gmv_max_available": owner is advertiser,
        "is_owner_bc": owner is advertiser,
        "store_authorized_bc_id": shop.business_center,
        "store_authorized_bc_info": business_center,
        "thumbnail_url": "",
        "targeting_region_codes": [owner.country],
        "exclusive_authorized_advertiser_info": {
            "advertiser_id": owner.id,
            "advertiser_name": owner.name,
            "advertiser_status": "STATUS_ENABLE",
        },
    }


def campaign_list(call: Call) -> Reply:
    """GET /gmv_max/campaign/get/: campaigns of one type of promotion."""
    advertiser = call.advertiser()
    filtering = call.params.json("filtering")
    if not isinstance(filtering, dict):
        raise missing("filtering") if filtering is None else bad("filtering: Field must be set to object")
    types = strings_of("filtering.gmv_max_promotion_types", filtering.get("gmv_max_promotion_types"))
    if not types:
        raise missing("filtering.gmv_max_promotion_types")
    if any(kind not in ("PRODUCT_GMV_MAX", "LIVE_GMV_MAX") for kind in types):
        raise bad("filtering.gmv_max_promotion_types: not a valid value.")
    stores = strings_of("filtering.store_ids", filtering.get("store_ids"))
    ids = strings_of("filtering.campaign_ids", filtering.get("campaign_ids"))
    if len(stores or ()) > 10 or len(ids or ()) > 100:
        raise bad("filtering: too many ids.")
    rows = [
        _campaign(campaign, advertiser)
        for campaign in _campaigns(call, advertiser)
        if f"{campaign.promotion}_GMV_MAX" in types
        and (stores is None or campaign.shop.id in stores)
        and (ids is None or campaign.id in ids)
        and campaign.deleted == (filtering.get("primary_status") == "STATUS_DELETE")
    ]
    return paged(rows, call.params, most=100)


def _campaigns(call: Call, advertiser: SimulatedAdvertiser) -> Iterator[GmvCampaign]:
    for shop in call.simulator.shops.shops:
        if call.simulator.shop_owner(shop) == advertiser.index:
            yield from call.simulator.shops.campaigns(shop)


def _campaign(campaign: GmvCampaign, advertiser: SimulatedAdvertiser) -> dict[str, object]:
    state = "DELETE" if campaign.deleted else "DISABLE" if campaign.disabled else "ENABLE"
    return {
        "advertiser_id": advertiser.id,
        "campaign_id": campaign.id,
        "campaign_name": campaign.name,
        "operation_status": state,
        "objective_type": "PRODUCT_SALES",
        "secondary_status": f"CAMPAIGN_STATUS_{state}",
        "roi_protection_compensation_status": "NOT_ELIGIBLE",
        "create_time": utc_text(86_400 * campaign.start),
        "modify_time": utc_text(86_400 * campaign.start + 3_600),
    }


def campaign_details(call: Call) -> Reply:
    """GET /campaign/gmv_max/info/: the settings of one campaign."""
    advertiser = call.advertiser()
    call.params.require("campaign_id")
    wanted = call.params.text("campaign_id")
    campaign = next((campaign for campaign in _campaigns(call, advertiser) if campaign.id == wanted), None)
    if campaign is None:
        raise ApiError(40002, f"campaign_id: campaign {wanted} does not exist.")
    return reply(
        {
            "advertiser_id": advertiser.id,
            "campaign_id": campaign.id,
            "campaign_name": campaign.name,
            "store_id": campaign.shop.id,
            "store_authorized_bc_id": campaign.shop.business_center,
            "shopping_ads_type": campaign.promotion,
            "product_specific_type": "UNSET" if campaign.promotion == "LIVE" else "CUSTOMIZED_PRODUCTS",
            "item_group_ids": [product.id for product in campaign.products],
            "optimization_goal": "VALUE",
            "deep_bid_type": "VO_MIN_ROAS",
            "roas_bid": 5.5,
            "budget": currency_of(advertiser.currency).worth(200),
            "schedule_type": "SCHEDULE_FROM_NOW",
            "schedule_start_time": utc_text(86_400 * campaign.start),
            "placements": None,
        }
    )


def report(call: Call) -> Reply:
    """GET /gmv_max/report/get/."""
    advertiser, simulator = call.advertiser(), call.simulator
    query = read_gmv_query(call.params, simulator.gmv)
    shop = simulator.shops.by_id.get(query.store_id)
    owner = None if shop is None else simulator.shop_owner(shop)
    if shop is None or (owner != advertiser.index and not _answers_anyway(call, shop, advertiser)):
        raise ApiError(40001, f"No permission to operate store {query.store_id}.")
    rows = _ShopReport(call, query, shop)
    listed = rows.listed()
    first = (query.page - 1) * query.page_size
    data: dict[str, object] = {"page_info": page_info(query.page, query.page_size, len(listed))}
    if shown := listed[first : first + query.page_size]:
        data = {"list": [rows.written(*row) for row in shown], **data}
    elif simulator.gmv.empty_lists:
        data = {"list": [], **data}
    if query.totals:
        data["total_metrics"] = rows.totals()
    return reply(data)


def _answers_anyway(call: Call, shop: SimulatedShop, advertiser: SimulatedAdvertiser) -> bool:
    """Whether an account that lost the authorization of its shop still gets its report."""
    return call.simulator.gmv.lost == "answer" and shop.owner == advertiser.index


class _ShopReport:
    """The rows of one report: sums of hours and leaves by the requested dimensions."""

    def __init__(self, call: Call, query: GmvQuery, shop: SimulatedShop) -> None:
        simulator = call.simulator
        self._query, self._behavior = query, simulator.gmv
        self._advertiser = simulator.world.advertisers[shop.owner]
        self._currency = currency_of(self._advertiser.currency)
        self._today = simulator.clock.today(self._advertiser.offset)
        self._hour = (simulator.clock.minute + self._advertiser.offset) // 60 % HOURS
        figures = GmvFigures(simulator.world, simulator.shops, simulator.clock)
        self._campaigns = [c for c in simulator.shops.campaigns(shop) if self._is_chosen(c)]
        self._spans = [figures.span(campaign, query.start, query.end) for campaign in self._campaigns]
        self._rows: dict[tuple[str, ...], Sums] = {}
        self._leaf_of: dict[tuple[str, ...], tuple[GmvCampaign, Product | None, OptimizationPeriod]] = {}
        for span in self._spans:
            self._add(span)

    def _is_chosen(self, campaign: GmvCampaign) -> bool:
        query = self._query
        ids = query.ids.get("campaign_ids")
        if (ids is not None and campaign.id not in ids) or campaign.promotion not in self._types():
            return False
        if query.level.name != "campaign":
            return True
        status = "DELETE" if campaign.deleted else "DISABLE" if campaign.disabled else "DELIVERY_OK"
        kinds = query.statuses or {"STATUS_DELIVERY_OK", "STATUS_DISABLE", "STATUS_NOT_DELIVERY"}
        named = query.campaign_name.lower() in campaign.name.lower()
        return named and ("STATUS_ALL" in kinds or f"STATUS_{status}" in kinds)

    def _types(self) -> frozenset[str]:
        filters = self._query.level.filters
        if "room_ids" in filters:
            return frozenset({"LIVE"})
        return self._query.types if "gmv_max_promotion_types" in filters else frozenset({"PRODUCT"})

    # --- rows -------------------------------------------------------------------------------------------------

    def _add(self, span: GmvSpan) -> None:
        for identity, leaves, product in self._groups(span.campaign):
            for place, day in enumerate(span.days.tolist()):
                room = span.campaign.room(day)
                if not self._has_room(span.campaign, day, room):
                    continue
                by_hour = {name: values[place][:, leaves].sum(axis=1) for name, values in span.figures.items()}
                self._add_day({**identity, "room_id": room}, day, by_hour, span.campaign, product)

    def _has_room(self, campaign: GmvCampaign, day: int, room: str) -> bool:
        """Whether the day's figures of a campaign belong to the report as far as LIVE sessions are concerned."""
        wanted = self._query.ids.get("room_ids")
        if wanted is not None and room not in wanted:
            return False
        return "room_ids" not in self._query.level.filters or campaign.is_live_on(day)

    def _groups(self, campaign: GmvCampaign) -> Iterator[tuple[dict[str, str], list[int], Product | None]]:
        """What rows of the level stand for: ids, their leaves, and their product."""
        own = {"advertiser_id": self._advertiser.id, "campaign_id": campaign.id}
        if not campaign.products or self._query.level.name in ("account", "campaign"):
            yield own, list(range(campaign.leaves)), None
            return
        wanted, leaf = self._query.ids.get("item_group_ids"), 0
        for product in campaign.products:
            places = list(range(leaf, leaf + len(product.posts)))
            leaf += len(product.posts)
            if wanted is not None and product.id not in wanted:
                continue
            ids = {**own, "item_group_id": product.id}
            if self._query.level.name != "creative":
                yield ids, places, product
            else:
                for post, place in zip(product.posts, places, strict=True):
                    yield {**ids, "item_id": post}, [place], product

    def _add_day(
        self,
        identity: Mapping[str, str],
        day: int,
        by_hour: Mapping[str, np.ndarray],
        campaign: GmvCampaign,
        product: Product | None,
    ) -> None:
        if "duration" in self._query.dimensions:
            self._add_periods(identity, day, by_hour, campaign, product)
            return
        if self._query.time != "hour":
            sums = {name: int(values.sum()) for name, values in by_hour.items()}
            self._add_row(identity, f"{day_of(day)} 00:00:00", sums, campaign, product)
            return
        until = HOURS if self._behavior.future_hours or day < self._today else self._hour
        for hour in range(until):
            sums = {name: int(values[hour]) for name, values in by_hour.items()}
            self._add_row(identity, f"{day_of(day)} {hour:02}:00:00", sums, campaign, product)

    def _add_periods(
        self,
        identity: Mapping[str, str],
        day: int,
        by_hour: Mapping[str, np.ndarray],
        campaign: GmvCampaign,
        product: Product | None,
    ) -> None:
        """A row of the day for each of its periods."""
        way = self._behavior.periods
        hours: dict[OptimizationPeriod, list[int]] = {}
        for hour in range(HOURS):
            period = campaign.period(day, hour)
            hours.setdefault(period, []).append(hour)
            before = campaign.period(day - 1, hour)
            if way == "overlapping" and before != period:
                hours.setdefault(before, []).append(hour)
        for period, some in hours.items():
            if way == "missing" and period.bid_type == "NO_BID":
                continue
            sums = {name: int(values[some].sum()) for name, values in by_hour.items()}
            self._add_row({**identity, "duration": self._written(period)}, "", sums, campaign, product, period)

    def _written(self, period: OptimizationPeriod) -> str:
        """The period as the report has it. One that goes on ends today, so that it is written otherwise tomorrow."""
        if self._behavior.periods == "numbers":
            return str(period.number)
        nameless = {"unnamed": "", "dashed": "-"}
        if self._behavior.periods in nameless and period.bid_type == "NO_BID":
            return nameless[self._behavior.periods]
        end = min(period.end - 1, self._today * HOURS)
        first, last = (f"{day_of(hour // HOURS)} {hour % HOURS:02}:00" for hour in (period.start, end))
        return f"{first} - {last}"

    def _add_row(
        self,
        identity: Mapping[str, str],
        time: str,
        sums: Sums,
        campaign: GmvCampaign,
        product: Product | None,
        period: OptimizationPeriod | None = None,
    ) -> None:
        values = {**identity, "stat_time_day": time, "stat_time_hour": time}
        key = tuple(values[name] for name in self._query.dimensions)
        row = self._rows.setdefault(key, dict.fromkeys(sums, 0))
        for name, value in sums.items():
            row[name] += value
        last = min(self._query.end, self._today)
        self._leaf_of.setdefault(key, (campaign, product, period or campaign.period(last, HOURS - 1)))

    def listed(self) -> list[tuple[tuple[str, ...], Sums]]:
        """All rows in their order: unsorted, or by a metric."""
        rows = [(key, sums) for key, sums in self._rows.items() if self._is_shown(sums)]
        if self._query.sort is not None:
            name, descending = self._query.sort
            rows.sort(key=lambda row: self._number(name, row[1]), reverse=descending)
        if self._behavior.dash_rows and self._query.level.name == "campaign" and rows:
            rows.append((("-",) * len(self._query.dimensions), dict.fromkeys(rows[0][1], 0)))
        return rows

    def _is_shown(self, sums: Sums) -> bool:
        """Campaigns, posts alone and hours come with zeros; products and their posts only with figures."""
        query = self._query
        always = query.level.name in ("account", "campaign") or query.time == "hour" or query.dimensions == ("item_id",)
        return always or any(sums[name] for name in _ROW_FIGURES)

    # --- values -----------------------------------------------------------------------------------------------

    def written(self, key: tuple[str, ...], sums: Sums) -> dict[str, object]:
        """A row as the report has it."""
        leaf = self._leaf_of.get(key)
        dimensions: dict[str, Any] = dict(zip(self._query.dimensions, key, strict=True))
        if self._behavior.periods == "numbers" and "duration" in dimensions:
            dimensions["duration"] = int(dimensions["duration"])
        metrics = {
            name: self._attribute(name, dimensions, leaf)
            if catalog.metrics()[name].attribute
            else self._text(name, sums)
            for name in self._query.metrics
        }
        if self._query.level.name in ("product", "creative"):
            metrics["currency"] = self._advertiser.currency
        return {"dimensions": dimensions, "metrics": metrics}

    def totals(self) -> dict[str, str]:
        """The sums over all pages; "-" for attributes."""
        sums: Sums = {}
        for row in self._rows.values():
            for name, value in row.items():
                sums[name] = sums.get(name, 0) + value
        names = [name for name in self._query.metrics if not catalog.metrics()[name].attribute]
        return {name: self._text(name, sums) for name in names}

    def _number(self, name: str, sums: Sums) -> float:
        record = catalog.metrics()[name]
        if record.numerator is None or record.denominator is None:
            return sums.get(name, 0)
        under = sums.get(record.denominator, 0)
        return record.scale * sums.get(record.numerator, 0) / under if under else 0.0

    def _text(self, name: str, sums: Sums) -> str:
        record = catalog.metrics()[name]
        number = self._number(name, sums)
        if record.type == "int":
            return str(int(number))
        if record.type == "money":
            return str(round(number)) if self._currency.coin > 1 else f"{number / 100:.2f}"
        # Of a ratio of money both parts are in the same coins.
        return f"{number:.2f}"

    def _attribute(
        self,
        name: str,
        dimensions: Mapping[str, str],
        leaf: tuple[GmvCampaign, Product | None, OptimizationPeriod] | None,
    ) -> str:
        if leaf is None:
            return "-"
        campaign, product, period = leaf
        has_target = period.bid_type == "CUSTOM" and (self._behavior.day_targets or self._query.time == "none")
        day = self._query.start
        launched = datetime.combine(day_of(day), datetime.min.time()) + timedelta(hours=18)
        values = {
            "campaign_id": campaign.id,
            "campaign_name": campaign.name,
            "operation_status": "DISABLE" if campaign.disabled or campaign.deleted else "ENABLE",
            "bid_type": period.bid_type,
            "roas_bid": "5.50" if has_target else "0",
            "identity_id": campaign.id[::-1],
            "schedule_type": "Continuously",
            "schedule_start_time": utc_text(86_400 * campaign.start),
            "target_roi_budget": f"{self._currency.worth(200):.2f}",
            "tt_account_name": self._advertiser.name,
            "product_name": product.name if product else "",
            "product_status": "available",
            "product_image_url": "https://shop.example/product.jpg",
            "item_group_id": product.id if product else "",
            "item_id": dimensions.get("item_id", ""),
            "title": _caption(product, dimensions.get("item_id", "")),
            "shop_content_type": "PRODUCT_CARD" if dimensions.get("item_id") == "-1" else "VIDEO",
            "creative_delivery_status": "DELIVERING",
            "live_name": campaign.name.removeprefix("GMV Max | "),
            "live_status": "END",
            "live_launched_time": f"{launched:%Y-%m-%d %H:%M:%S}",
            "live_duration": "4h 0m",
        }
        return values.get(name, "")
