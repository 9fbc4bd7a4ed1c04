"""Compares the rows of a report of Smart+ materials with what Smart+ campaigns cost.

TikTok gives no totals of these reports, and an empty answer with code 0 proves nothing. Each impression of a Smart+ ad
has one main material, one text and one call to action, so that the rows of each of them should sum up to the cost of
the campaigns in the basic report. Interactive add-ons are in some ads only.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from adreel.datasets.freshness import last_complete_day, report_delay
from adreel.errors import AdvertiserError, RequestError
from adreel.export.cells import digits
from adreel.language import phrase
from adreel.pipeline.plan import REPORT_PATH, Plan, Request, smart_plus_cost_params
from adreel.pipeline.verify import ReadOutcome, request_words, totals_of
from adreel.tiktok.client import Client

SPEND = "spend"
_CENT = Decimal("0.01")


async def compared(plan: Plan, client: Client, request: Request, outcome: ReadOutcome) -> ReadOutcome:
    """The outcome with what its spend differs by from that of the Smart+ campaigns.

    A difference fails the check if the rows cost more, or if there are none, on days that are complete; less is noted.
    """
    if SPEND not in request.params["metrics"]:
        return outcome
    try:
        page = await client.page(REPORT_PATH, smart_plus_cost_params(request), 1, 1)
        # A total of more campaigns than TikTok gives is not that of all.
        total = None if page.cut else totals_of(page, [SPEND]).get(SPEND)
    except (RequestError, AdvertiserError) as error:
        return _with_fault(outcome, _uncompared(request, error.message))
    if total is None:
        return _with_fault(outcome, _uncompared(request, phrase("TikTok gives no total.")))
    above, cost = Decimal(total), outcome.sums[SPEND]
    rounding = Decimal("0.005") * outcome.rows
    if abs(above - cost) <= rounding:
        return replace(outcome, totals={SPEND: (above, cost)})
    if _is_complete(plan, request) and (cost > above + _CENT or not outcome.rows):
        return _with_fault(outcome, _differing(request, above, cost))
    return replace(outcome, unassigned={request.advertisers[0].id: (above, cost)})


def _with_fault(outcome: ReadOutcome, fault: str) -> ReadOutcome:
    return replace(outcome, faults=(*outcome.faults, fault))


def _is_complete(plan: Plan, request: Request) -> bool:
    """Whether TikTok has completed all days of the request, so that its figures do not change between two answers."""
    if request.span is None:
        return False
    offset: timedelta = request.advertisers[0].offset
    return request.span.end <= last_complete_day(offset, report_delay(plan.dataset), plan.now)


def _differing(request: Request, above: Decimal, cost: Decimal) -> str:
    return phrase(
        "spend: Smart+ campaigns of %(request)s cost %(total)s, but the rows of their materials sum to %(sum)s.",
        request=request_words(request),
        total=digits(above, thousands_apart=True),
        sum=digits(cost, thousands_apart=True),
    )


def _uncompared(request: Request, reason: str) -> str:
    return phrase(
        "spend: the materials of %(request)s could not be compared with what Smart+ campaigns cost: %(reason)s",
        request=request_words(request),
        reason=reason,
    )
