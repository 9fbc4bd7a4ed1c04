"""The status page: what runs, waits and fails, and the requests of the last day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from adreel.charts import CardTable
from adreel.language import integer, phrase
from adreel.monitoring.status import AppBudget, HomeStatus, home_status
from adreel.web.deps import Here, Who
from adreel.web.render import Page, is_fragment, respond

LIMIT_SHOWN_FROM = 0.1
"""The chart shows the limit once this share of it was sent in a period."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class BudgetFigure:
    """The requests of an app as a chart and as a table; the table leaves out periods without requests."""

    budget: AppBudget
    chart: str
    table: CardTable

    @property
    def name(self) -> str:
        """The id of the chart's element in the page."""
        return "app-" + "".join(letter if letter.isalnum() else "-" for letter in self.budget.app_id)


@dataclass(frozen=True, slots=True)
class StatusPage(Page):
    """The page; its parts reload by themselves."""

    template: ClassVar[str] = "status.html"
    state: HomeStatus
    figures: tuple[BudgetFigure, ...]


@dataclass(frozen=True, slots=True)
class ActivityPart(Page):
    """Everything but the charts, reloaded."""

    template: ClassVar[str] = "_activity.html"
    state: HomeStatus


@dataclass(frozen=True, slots=True)
class BudgetsPart(Page):
    """The charts, reloaded."""

    template: ClassVar[str] = "_budgets.html"
    figures: tuple[BudgetFigure, ...]


@router.get("/status")
def status(request: Request, deps: Here, who: Who) -> Response:
    """The status page, or for htmx all of it but the charts."""
    state = home_status(deps.store, who.guard, deps.settings, deps.clock())
    if is_fragment(request):
        return respond(request, ActivityPart(state), visitor=who)
    return respond(request, StatusPage(state, _figures(state, deps.store.workspace.get().zone)), visitor=who)


@router.get("/status/requests")
def requests(request: Request, deps: Here, who: Who) -> Response:
    """The charts, for htmx."""
    state = home_status(deps.store, who.guard, deps.settings, deps.clock())
    return respond(request, BudgetsPart(_figures(state, deps.store.workspace.get().zone)), visitor=who)


def _figures(state: HomeStatus, zone: str) -> tuple[BudgetFigure, ...]:
    return tuple(_figure(budget, ZoneInfo(zone)) for budget in state.apps)


def _time(time: datetime) -> str:
    month, day, clock = f"{time:%m}", f"{time:%d}", f"{time:%H:%M}"
    return phrase("%(month)s-%(day)s %(clock)s", month=month, day=day, clock=clock)


def _figure(budget: AppBudget, zone: ZoneInfo) -> BudgetFigure:
    title = phrase("Requests of app %(app_id)s in five minutes", app_id=budget.app_id)
    times = [_time(period.began.astimezone(zone)) for period in budget.periods]
    series = [
        {"name": phrase("Sent"), "role": "main", "values": [period.sent for period in budget.periods]},
        {"name": phrase("Refused"), "role": "part", "values": [period.refused for period in budget.periods]},
    ]
    # Far above all that was sent, it would press the other lines flat.
    if max((period.sent for period in budget.periods), default=0) >= budget.limit_of_period * LIMIT_SHOWN_FROM:
        series.append({"name": phrase("Limit"), "role": "previous", "values": [budget.limit_of_period] * len(times)})
    format_of_counts = {"unit": "count", "currency": None, "decimals": 0}
    chart = {
        "kind": "line",
        "title": title,
        "x": {"title": phrase("Time"), "type": "text", "values": times},
        "panels": [{"title": phrase("Requests in five minutes"), "format": format_of_counts, "series": series}],
    }
    rows = tuple(
        (time, integer(period.sent), integer(period.refused), integer(budget.limit_of_period))
        for time, period in zip(times, budget.periods, strict=True)
        if period.sent
    )
    table = CardTable(
        phrase("%(title)s, without periods that had none", title=title),
        (phrase("Time"), phrase("Sent"), phrase("Refused"), phrase("Limit")),
        rows,
        (False, True, True, True),
    )
    return BudgetFigure(budget, json.dumps(chart), table)
