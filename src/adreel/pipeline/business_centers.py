"""The Business Centers of a connection, and the lists that each has: balances, transactions, costs and assets.

Rules: see `adreel.catalog.business_centers`. Balances, transactions and costs need a finance role in the Business
Center. Formats that TikTok does not document are taken in one form only, and a row of another form fails the run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from adreel.catalog.business_centers import ASSETS, CENTERS, COSTS, LISTS, PAGE_SIZE, TRANSACTIONS, asset_types
from adreel.catalog.report_types import CENTER_SPEND
from adreel.datasets.dataset import Dataset
from adreel.dates import Span
from adreel.enumerations import first_of
from adreel.errors import AdvertiserError, ProofError, lacks_scope
from adreel.language import phrase
from adreel.pipeline.plan import Request
from adreel.tiktok.client import Client
from adreel.tiktok.response import Reader, reader_of

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        **{report: reader_of(dict[str, Any], center_list.name) for report, center_list in LISTS.items()},
        CENTER_SPEND: reader_of(dict[str, Any], "list"),
    }
)
"""What reads the answers of each report of Business Centers."""

COST_COLUMNS = ("bc_id", "advertiser_id", "currency", "amount")
"""The columns that the comparison of costs needs."""

ROUNDS = 3
"""How often the list of Business Centers is read while it has another number than TikTok counts."""

MOST_NAMED = 5

_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_LONGEST_VALUE = 60
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BusinessCenter:
    """A Business Center, with the finance role of the user who connected; empty if TikTok names none."""

    id: str
    name: str
    finance_role: str

    @property
    def words(self) -> str:
        """The Business Center for a person, with its ID."""
        return f"{self.name} ({self.id})" if self.name else self.id


async def read_business_centers(client: Client, chosen: Sequence[str]) -> tuple[BusinessCenter, ...]:
    """The chosen Business Centers of the connection, or all.

    Raises AdvertiserError if a chosen one is not among them or there are none, ProofError if the list has another
    number of them than TikTok counts.
    """
    for _ in range(ROUNDS):
        listed, count = await _listed(client)
        if len(listed) == count:
            break
    else:
        raise ProofError(
            phrase(
                "TikTok listed %(listed)s Business Centers and counts %(count)s. The table is unchanged. Run again in "
                "a few minutes.",
                listed=len(listed),
                count=count,
            )
        )
    missing = [bc_id for bc_id in chosen if bc_id not in listed]
    if missing or not listed:
        raise AdvertiserError(
            phrase(
                "The connection has no Business Center %(ids)s. It has: %(names)s. Correct business_centers, or have "
                "the user who connected added to it.",
                ids=", ".join(missing),
                names=first_of([center.words for center in listed.values()], MOST_NAMED) if listed else "-",
            )
        )
    return tuple(listed[bc_id] for bc_id in (chosen or listed))


async def _listed(client: Client) -> tuple[dict[str, BusinessCenter], int]:
    """The Business Centers by ID, and how many TikTok counts."""
    listed: dict[str, BusinessCenter] = {}
    number = pages = 1
    count = 0
    while number <= pages:
        page = await client.page(LISTS[CENTERS].path, {}, number, PAGE_SIZE)
        pages, count = page.total_page, page.total_number
        for row in page.rows:
            center = _center(row)
            listed[center.id] = center
        number += 1
    return listed, count


def _center(row: Mapping[str, Any]) -> BusinessCenter:
    facts, roles = row.get("bc_info"), row.get("ext_user_role")
    facts = facts if isinstance(facts, Mapping) else {}
    roles = roles if isinstance(roles, Mapping) else {}
    return BusinessCenter(
        str(facts.get("bc_id") or ""), str(facts.get("name") or ""), str(roles.get("finance_role") or "")
    )


def center_requests(request: Request, center: BusinessCenter, dataset: Dataset) -> Iterator[Request]:
    """The requests for the list of one Business Center: one, or for assets one of each type."""
    given = {"bc_id": center.id, "bc_name": center.name}
    name = f"{request.name}-{center.id}"
    if dataset.report == CENTER_SPEND:
        yield replace(request, name=name, params={**request.params, "bc_id": center.id}, given=given)
        return
    if dataset.report != ASSETS:
        yield replace(request, name=name, params={"bc_id": center.id, **_filters(request, dataset)}, given=given)
        return
    for asset_type in asset_types(dataset.asset_type):
        params = {"bc_id": center.id, "asset_type": asset_type}
        yield replace(request, name=f"{name}-{asset_type.lower()}", params=params, given=given)


def _filters(request: Request, dataset: Dataset) -> dict[str, Any]:
    days = request.span
    if days is None:
        return {}
    if dataset.report == COSTS:
        return {"filtering": _cost_days(days)}
    # TikTok takes the times in the zone of the ad account or of the Business Center.
    times = {"start_time": f"{days.start} 00:00:00", "end_time": f"{days.end} 23:59:59"}
    return {"transaction_level": dataset.transaction_level.upper(), "filtering": times}


def _cost_days(days: Span) -> dict[str, str]:
    return {"start_date": days.start.isoformat(), "end_date": days.end.isoformat()}


def center_rows(
    rows: Iterable[Mapping[str, Any]], request: Request, dataset: Dataset, now: datetime
) -> list[dict[str, Any]]:
    """The rows of a page with the columns that TikTok does not send; `now` is aware.

    Raises ProofError for a row that is not of the request, or has a form that is not known.
    """
    if dataset.report == CENTER_SPEND:
        return [{**row, "dimensions": {**(row.get("dimensions") or {}), **request.given}} for row in rows]
    if dataset.report == CENTERS:
        return [_center_row(row) for row in rows]
    if dataset.report == TRANSACTIONS:
        return [_transaction(row, request) for row in rows]
    if dataset.report == ASSETS:
        return [_asset(row, request) for row in rows]
    if dataset.report == COSTS:
        assert request.span is not None
        return [{**row, **request.given, "cost_date": request.span.start.isoformat()} for row in rows]
    day = now.astimezone(UTC).date().isoformat()
    return [{**row, **request.given, "balance_date": day} for row in rows]


def _center_row(row: Mapping[str, Any]) -> dict[str, Any]:
    facts = row.get("bc_info")
    if not isinstance(facts, Mapping):
        raise _unknown_form("bc_info", facts)
    return {**facts, "user_role": row.get("user_role"), "finance_role": _center(row).finance_role}


def _transaction(row: Mapping[str, Any], request: Request) -> dict[str, Any]:
    assert request.span is not None
    time = row.get("create_time")
    day = _day_of(time)
    # The zone of the filter may be another one than that of the row.
    if not request.span.start - _DAY <= day <= request.span.end + _DAY:
        raise ProofError(
            phrase(
                "TikTok sent a transaction of %(day)s, a day that was not requested. The table is unchanged. Run again "
                "in a few minutes.",
                day=day,
            )
        )
    return {
        **row,
        **request.given,
        "advertiser_id": row.get("account_id"),
        "advertiser_name": row.get("account_name"),
        "transaction_date": day.isoformat(),
        "created_local": time,
        "transaction_level": request.params["transaction_level"],
    }


def _day_of(time: Any) -> date:
    if isinstance(time, str) and _TIME.fullmatch(time):
        try:
            return datetime.fromisoformat(time).date()
        except ValueError:
            pass
    raise _unknown_form("create_time", time)


def _asset(row: Mapping[str, Any], request: Request) -> dict[str, Any]:
    if row.get("asset_type") != request.params["asset_type"]:
        raise ProofError(
            phrase(
                "TikTok sent an asset of type %(sent)s, and %(asked)s was requested. The table is unchanged. Run again "
                "in a few minutes.",
                sent=repr(row.get("asset_type"))[:_LONGEST_VALUE],
                asked=request.params["asset_type"],
            )
        )
    return {**row, **request.given}


def _unknown_form(field: str, value: Any) -> ProofError:
    return ProofError(
        phrase(
            "TikTok sent %(value)s as %(field)s, a form that adreel does not know. The table is unchanged. Report the "
            "value to the maintainers of adreel.",
            value=repr(value)[:_LONGEST_VALUE],
            field=field,
        )
    )


Costs = Mapping[tuple[str, str, str], Decimal]
"""Amounts by Business Center, ad account and currency."""


def costs_of(rows: Iterable[Mapping[str, Any]]) -> Costs:
    """The amounts of rows with the columns `COST_COLUMNS`."""
    costs: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        amount = row["amount"]
        costs[row["bc_id"], row["advertiser_id"], row["currency"] or ""] += amount if amount is not None else 0
    return costs


async def span_costs(client: Client, center: BusinessCenter, days: Span) -> Costs:
    """What TikTok counts as the costs of the days as a whole."""
    params: dict[str, Any] = {"bc_id": center.id, "filtering": _cost_days(days)}
    costs: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    number = pages = 1
    while number <= pages:
        page = await client.page(LISTS[COSTS].path, params, number, PAGE_SIZE, READERS[COSTS])
        pages = page.total_page
        for row in page.rows:
            amount = Decimal(str(row.get("amount") or 0))
            costs[center.id, str(row.get("advertiser_id")), str(row.get("currency") or "")] += amount
        number += 1
    return costs


def _sum(parts: Iterable[Costs]) -> defaultdict[tuple[str, str, str], Decimal]:
    total: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for part in parts:
        for key, amount in part.items():
            total[key] += amount
    return total


def day_before(days: Span) -> Span:
    """The day before the days."""
    return Span(days.start - _DAY, days.start - _DAY)


def cost_fault(by_day: Iterable[Costs], of_span: Iterable[Costs], days: Span) -> str:
    """A sentence if the costs of single days do not sum up to those of all days but for rounding; else empty."""
    most = Decimal("0.005") * (days.days + 1)
    single, total = _sum(by_day), _sum(of_span)
    differing = [key for key in single.keys() | total.keys() if abs(single[key] - total[key]) > most]
    if not differing:
        return ""
    bc_id, advertiser, currency = first = min(differing)
    return phrase(
        "The costs of single days from %(start)s to %(end)s sum up to %(sum)s %(currency)s for ad account "
        "%(ad_account)s in Business Center %(center)s, and TikTok's cost of all these days is %(total)s %(currency)s.",
        start=days.start,
        end=days.end,
        sum=single[first],
        total=total[first],
        currency=currency,
        ad_account=advertiser,
        center=bc_id,
    )


def center_error(center: BusinessCenter, error: AdvertiserError, report: str) -> AdvertiserError:
    """The error for a Business Center whose list TikTok refuses, with what to do.

    A missing permission of the app stays as it is.
    """
    if lacks_scope(error.code, error.message):
        return error
    if report in LISTS and LISTS[report].financial:
        advice = phrase(
            "TikTok gives balances, transactions and costs to users with a finance role: have an administrator of the "
            "Business Center give the user who connected the role Finance manager or Finance analyst, or choose others "
            "as business_centers: [ID]."
        )
    else:
        advice = phrase(
            "Have an administrator of the Business Center give the user who connected access, or choose others as "
            "business_centers: [ID]."
        )
    reason = error.message if error.message.endswith(".") else f"{error.message}."
    failure = phrase("Business Center %(center)s could not be read: %(reason)s", center=center.words, reason=reason)
    return AdvertiserError(f"{failure} {advice}", code=error.code, request_id=error.request_id)
