"""Further types of report/integrated/get: TT_SHOP, PLAYABLE_MATERIAL and BC (docs 1738864835805186, 1803073629472770,
1803073899092993 and 1775747432712194).

The worlds of old Seller Center campaigns and playable ads are small and of their own; what ad accounts of Business
Centers spend is what their other reports sum up to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import orjson

from adreel.simulator.api.business_centers import accounts_of, readable_center
from adreel.simulator.api.call import Call, Reply, page_info, reply
from adreel.simulator.api.errors import NotSimulatedError, bad, bad_metrics, conflict
from adreel.simulator.api.params import strings_of
from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.calendar import day_number
from adreel.simulator.world.hashing import word
from adreel.simulator.world.money import currency_of

COUNTRIES = ("US", "GB")
PLAYABLE_FIGURES = (
    "playable_page_view_count",
    "playable_first_scene_view_count",
    "playable_second_scene_view_count",
    "playable_third_scene_view_count",
    "playable_download_button_click_count",
)
CENTER_FIGURES = (
    "spend",
    "impressions",
    "reach",
    "cash_spend",
    "voucher_spend",
    "cashback_coupon_spend",
    "tax_spend",
)
_LATE_HOURS = {"cash_spend": 16, "voucher_spend": 16, "cashback_coupon_spend": 16, "tax_spend": 48}
_DAY = timedelta(days=1)
_LIFE = 90
"""Days of a playable ad."""


@dataclass(frozen=True, slots=True)
class _FurtherQuery:
    """A valid request; a lifetime has all days of a playable ad."""

    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    start: date
    end: date
    totals: bool

    @property
    def days(self) -> list[date]:
        """The days, both ends included."""
        return [self.start + number * _DAY for number in range((self.end - self.start).days + 1)]


Figures = Mapping[str, int]
Fact = tuple[Mapping[str, str], Figures]
"""The dimensions of a day's figures, and the figures: amounts in hundredths, and counts."""


def further_report(call: Call) -> Reply:
    """A report of one of these types."""
    return TYPES[call.params.text("report_type")](call)


def _seller_center(call: Call) -> Reply:
    advertiser = call.advertiser()
    call.params.require("data_level", "dimensions")
    level = call.params.word("data_level", ("AUCTION_ADVERTISER", "AUCTION_CAMPAIGN"), "")
    if call.params.has("filtering"):
        raise bad("filtering: not supported for this report_type.")
    groupings = {
        "AUCTION_ADVERTISER": (
            ("advertiser_id",),
            ("advertiser_id", "country_code"),
            ("advertiser_id", "country_code", "stat_time_day"),
        ),
        "AUCTION_CAMPAIGN": (("campaign_id", "country_code"), ("campaign_id", "country_code", "stat_time_day")),
    }
    query = _read(call, groupings[level], ("spend", "billed_cost"), day_span=30, has_totals=True)

    def facts() -> Iterator[Fact]:
        for campaign in range(2):
            identity = str(1_600_000_000_000_000 + word(advertiser.id, "seller", campaign) % 10**14)
            for day in query.days:
                for country in COUNTRIES:
                    dice = word(identity, country, day.toordinal())
                    spend = dice % 9_000 if dice % 5 and day <= call.simulator.clock.now.date() else 0
                    if spend:
                        where = {"advertiser_id": advertiser.id, "campaign_id": identity, "country_code": country}
                        yield where | _stamp(day), {"spend": spend, "billed_cost": spend * 9 // 10}

    return _answer(call, query, facts())


def _playable(call: Call) -> Reply:
    advertiser, behavior, now = call.advertiser(), call.simulator.further, call.simulator.clock.now
    if call.params.has("data_level"):
        raise bad("data_level: not supported for this report_type.")
    lifetime = call.params.flag("query_lifetime")
    groupings = (("playable_id",),) if lifetime else (("playable_id",), ("playable_id", "country_code"))
    names = ("spend", "impressions", *(PLAYABLE_FIGURES if behavior.playable_names else ()))
    query = _read(call, groupings, names, day_span=365, lifetime=lifetime)
    deleted = _with_deleted(call)
    complete = (now - timedelta(hours=16)).date()

    def facts() -> Iterator[Fact]:
        for place in range(3):
            if place == 2 and not deleted:
                continue
            identity = str(7_300_000_000_000_000_000 + word(advertiser.id, "playable", place) % 10**17)
            for day in (day for day in query.days if day < complete):
                for country in COUNTRIES:
                    views = word(identity, country, day.toordinal()) % 400
                    counts = [views * share // 10 for share in (9, 7, 5, 3, 1)]
                    figures = dict(zip(PLAYABLE_FIGURES, counts, strict=True))
                    where = {"playable_id": identity, "country_code": country}
                    yield where, {"spend": views * 7, "impressions": views * 3, **figures}

    return _answer(call, query, facts())


def _with_deleted(call: Call) -> bool:
    """Whether the filter of the status asks for deleted ones; without it they are left out."""
    filtering = call.params.json("filtering")
    for item in filtering if isinstance(filtering, list) else ():
        if item.get("field_name") != "playable_status" or item.get("filter_type") != "IN":
            raise NotSimulatedError(f"the filter {item.get('field_name')} of playable ads")
        return "STATUS_ALL" in (strings_of("filter_value", orjson.loads(item["filter_value"])) or ())
    return False


def _center(call: Call) -> Reply:
    bc_id, behavior, now = readable_center(call), call.simulator.further, call.simulator.clock.now
    for name in ("service_type", "data_level", "query_mode", "enable_total_metrics", "query_lifetime", "advertiser_id"):
        if call.params.has(name):
            raise bad(f"{name}: not supported for report_type BC.")
    if call.params.has("filtering"):
        raise NotSimulatedError("filters of BC reports")
    groupings = [("advertiser_id",), ("advertiser_id", "country_code"), ("stat_time_day",)]
    if behavior.other_groupings:
        groupings.append(("advertiser_id", "stat_time_day"))
    query = _read(call, groupings, CENTER_FIGURES, day_span=365)

    days = [day for day in query.days if day <= now.date()]

    def facts() -> Iterator[Fact]:
        for advertiser in accounts_of(call, bc_id):
            for day, of_day in zip(days, _spent(call, advertiser, days), strict=True):
                dice = word(advertiser.id, "country", day.toordinal())
                for country, part in zip(COUNTRIES, _halves(of_day, dice % 100), strict=True):
                    where = {"advertiser_id": advertiser.id, "country_code": country}
                    yield where | _stamp(day), _completed(part, day, now)

    return _answer(call, query, facts())


def _spent(call: Call, advertiser: SimulatedAdvertiser, days: Sequence[date]) -> Iterator[Figures]:
    """What an ad account spent on days in UTC, in the Business Center's currency, US dollars."""
    if not days:
        return
    costs = call.simulator.ledger().costs(advertiser, day_number(days[0]), day_number(days[-1]))
    currency = currency_of(advertiser.currency)
    for place in range(len(days)):
        parts = (costs.cash, costs.credit - costs.coupons, costs.coupons, costs.tax)
        cash, voucher, coupon, tax = (currency.dollars(int(part[place])) for part in parts)
        views = int(costs.impressions[place])
        yield {
            "spend": cash + voucher + coupon,
            "impressions": views,
            "reach": views * 2 // 3,
            "cash_spend": cash,
            "voucher_spend": voucher,
            "cashback_coupon_spend": coupon,
            "tax_spend": tax,
        }


def _halves(figures: Figures, percent: int) -> tuple[Figures, Figures]:
    """Figures divided among two countries; money that was spent stays the sum of its parts."""
    first = {name: value * percent // 100 for name, value in figures.items()}
    first["spend"] = first["cash_spend"] + first["voucher_spend"] + first["cashback_coupon_spend"]
    return first, {name: value - first[name] for name, value in figures.items()}


def _completed(figures: Figures, day: date, now: datetime) -> Figures:
    """The figures of a day as far as TikTok has completed them."""
    over = datetime.combine(day, time(), UTC) + _DAY
    return {name: 0 if over + timedelta(hours=_LATE_HOURS.get(name, -24)) > now else figures[name] for name in figures}


def _stamp(day: date) -> dict[str, str]:
    return {"stat_time_day": f"{day} 00:00:00"}


def _read(
    call: Call,
    groupings: Sequence[tuple[str, ...]],
    names: Sequence[str],
    *,
    day_span: int,
    has_totals: bool = False,
    lifetime: bool = False,
) -> _FurtherQuery:
    params = call.params
    dimensions = params.strings("dimensions") or ()
    if sorted(dimensions) not in [sorted(grouping) for grouping in groupings]:
        raise conflict()
    metrics = params.strings("metrics") or tuple(names[:2])
    if wrong := [name for name in metrics if name not in names]:
        raise bad_metrics(wrong)
    totals = params.flag("enable_total_metrics")
    if totals and not (has_totals and len(dimensions) == 1):
        raise bad("enable_total_metrics: not supported for this report_type or with these dimensions.")
    if lifetime:
        today = call.simulator.clock.now.date()
        return _FurtherQuery(dimensions, metrics, today - _LIFE * _DAY, today, totals)
    if params.flag("query_lifetime"):
        raise bad("query_lifetime: not supported for this report_type.")
    params.require("start_date", "end_date")
    start, end = params.day("start_date"), params.day("end_date")
    longest = day_span if "stat_time_day" in dimensions else 365
    if not timedelta() <= end - start < timedelta(days=longest):
        raise bad(f"The date range must not be longer than {longest} day(s) for these dimensions.")
    return _FurtherQuery(dimensions, metrics, start, end, totals)


def _answer(call: Call, query: _FurtherQuery, facts: Iterable[Fact]) -> Reply:
    sums: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: dict.fromkeys(query.metrics, 0))
    for where, figures in facts:
        row = sums[tuple(where[name] for name in query.dimensions)]
        for name in query.metrics:
            row[name] += figures[name]
    rows = [
        {"dimensions": dict(zip(query.dimensions, key, strict=True)), "metrics": _texts(figures)}
        for key, figures in sums.items()
    ]
    number, size = call.params.number("page", 1, 1, 1 << 31), call.params.number("page_size", 10, 1, 1000)
    data: dict[str, object] = {"page_info": page_info(number, size, len(rows))}
    if rows or call.simulator.further.empty_list:
        data["list"] = rows[(number - 1) * size : number * size]
    if query.totals:
        every = (sum(figures[name] for figures in sums.values()) for name in query.metrics)
        data["total_metrics"] = _texts(dict(zip(query.metrics, every, strict=True)))
    return reply(data)


def _texts(figures: Figures) -> dict[str, str]:
    """The figures as TikTok writes them."""
    money = {"spend", "billed_cost", *_LATE_HOURS}
    return {name: f"{value / 100:.2f}" if name in money else str(value) for name, value in figures.items()}


TYPES: Mapping[str, Callable[[Call], Reply]] = {
    "TT_SHOP": _seller_center,
    "PLAYABLE_MATERIAL": _playable,
    "BC": _center,
}
"""What answers, by the type of the report."""
