"""Dashboards: charts of several datasets, in order; sharing, and where they are sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query
from fastapi import Response as Headers
from pydantic import Field
from starlette.responses import Response

from adreel.access import RoleRight
from adreel.charts import as_table, chart_of
from adreel.charts.echarts import CardTable
from adreel.charts.periods import CalendarPeriod
from adreel.dashboards import boards
from adreel.dashboards.cards import CommonPeriod, PinnedCard, PinState, described, period_of, pinned_card
from adreel.datasets.status import Status
from adreel.store import Dashboard, DashboardDelivery
from adreel.store.dashboards import LONGEST_QUERY, MOST_PINS
from adreel.web.api.charts import Chart, Facts
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Exact, Id, Paged, Paging, located, part
from adreel.web.deps import Deps, Here, Visitor, Who

router = api_router("dashboards")

Share = Annotated[
    str, Path(max_length=100, description="The last part of a shared dashboard's link.", examples=["Zk3x9QmT"])
]


class DashboardAnswer(Answer):
    """A dashboard."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["Every morning"])
    owner: str = Field(description="Empty for one of the operator.", examples=["ada"])
    pins: int = Field(description="Number of charts.", examples=[4])
    link: str | None = Field(description="Address at which all users see it; null while it is not shared.")
    created_at: datetime
    updated_at: datetime


class DashboardList(Paged[DashboardAnswer]):
    """Your dashboards, by name."""


class PinAnswer(Answer):
    """A chart on a dashboard."""

    id: str = Field(examples=["1"])
    title: str = Field(description="Empty for the chart's own title.", examples=["Cost by day"])
    dataset: str | None = Field(description="The dataset's slug; null if it was deleted or you may not see it.")
    card: str | None = Field(description="The chart's key; null with `dataset`.", examples=["spend"])
    choices: str | None = Field(description="What is chosen, as in the address of the Charts tab.", examples=["days=7"])
    state: PinState = Field(examples=[PinState.SHOWN])
    problem: str | None = Field(description="Why nothing is shown.", examples=[None])
    status: Status | None = Field(description="The dataset's status.", examples=[Status.VERIFIED])
    trouble: str | None = Field(description="What is wrong with the dataset, and what to do.", examples=[None])
    read_at: datetime | None = Field(description="When the rows were read.")


class DashboardDetail(DashboardAnswer):
    """A dashboard with its charts, in order."""

    charts: list[PinAnswer]


class PinData(PinAnswer):
    """A chart on a dashboard with its data; all three are null if it is not shown."""

    chart: Chart | None
    table: CardTable | None
    facts: Facts | None


class DashboardBody(Body):
    """The name of a dashboard."""

    name: str = Field(min_length=1, max_length=100, examples=["Every morning"])


class DashboardChanges(Body):
    """Changes to a dashboard; omitted keys stay."""

    name: str | None = Field(None, min_length=1, max_length=100, examples=["Every morning"])
    order: list[Annotated[str, Field(pattern="^[0-9]{1,18}$")]] | None = Field(
        None, max_length=MOST_PINS, description="IDs of charts, which become the first ones in this order."
    )


class PinBody(Body):
    """A chart to pin."""

    dataset: str = Field(pattern="^[a-z][a-z0-9_]{0,47}$", description="The dataset's slug.", examples=["spend"])
    card: str = Field(max_length=200, description="The chart's key.", examples=["spend"])
    choices: str = Field(
        "",
        max_length=LONGEST_QUERY,
        description="What is chosen, as in the address of the Charts tab.",
        examples=["days=7"],
    )
    title: str = Field("", max_length=100, description="Default: the chart's own title.", examples=["Cost, last week"])


class PinChanges(Body):
    """Changes to a chart; omitted keys stay."""

    title: str | None = Field(None, max_length=100, description="Empty for the chart's own.", examples=["Cost"])
    place: int | None = Field(None, ge=1, le=MOST_PINS, description="The new place, from 1.", examples=[1])


class PeriodQuery(Body):
    """Days that are shown in place of each chart's own."""

    days: int | None = Field(None, ge=0, le=10_000, description="The last days; 0 for all.")
    period: CalendarPeriod | None = Field(None, description="A calendar period, in place of `days`.")

    @property
    def common(self) -> CommonPeriod | None:
        """The common period; None without one."""
        if self.period is not None:
            return period_of(self.period)
        return None if self.days is None else period_of(str(self.days) if self.days else "all")


class DeliveryAnswer(Answer):
    """Where a dashboard is sent, and when."""

    id: str = Field(examples=["1"])
    address: str = Field(description="ID of the notification address.", examples=["1"])
    at: str = Field(description="Time of the day, in the workspace's zone.", examples=["08:00"])
    weekdays: list[int] = Field(description="From Monday as 0.", examples=[[0, 1, 2, 3, 4]])
    next_at: datetime
    sent_at: datetime | None = Field(description="When it was last sent.")
    failure: str | None = Field(description="Why it was not sent the last time.", examples=[None])


class DeliveryList(Paged[DeliveryAnswer]):
    """Where a dashboard is sent."""


class DeliveryBody(Body):
    """Where a dashboard is sent, and when."""

    address: str = Field(pattern="^[0-9]{1,18}$", description="ID of a notification address.", examples=["1"])
    at: str = Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="Time of the day.", examples=["08:00"])
    weekdays: list[Annotated[int, Field(ge=0, le=6)]] = Field(
        default_factory=lambda: [0, 1, 2, 3, 4, 5, 6], min_length=1, max_length=7, description="From Monday as 0."
    )


# -- dashboards


@router.get("/dashboards", summary="List dashboards", responses=failures())
def list_dashboards(deps: Here, who: Who, query: Annotated[Paging, Query()]) -> DashboardList:
    """Your dashboards, by name."""
    own = boards.dashboards(who.guard)
    items = [DashboardAnswer(**_answer(deps, board)) for board in part(own, query)]
    return DashboardList(items=items, total=len(own), limit=query.limit, offset=query.offset)


@router.post(
    "/dashboards",
    summary="Create a dashboard",
    status_code=201,
    responses=located(201, "The dashboard's address.") | failures(403, 409),
)
def create_dashboard(deps: Here, who: Who, body: DashboardBody, answer: Headers) -> DashboardAnswer:
    """A new dashboard without charts, which you alone see."""
    board = boards.create(who.guard, body.name)
    answer.headers["Location"] = f"/api/v1/dashboards/{board.id}"
    return DashboardAnswer(**_answer(deps, board))


@router.get("/dashboards/{dashboard}", summary="Get a dashboard", responses=failures(404))
def get_dashboard(deps: Here, who: Who, dashboard: Id) -> DashboardDetail:
    """A dashboard of yours with its charts, without their data."""
    return _detail(deps, who, _own(who, dashboard))


@router.patch("/dashboards/{dashboard}", summary="Change a dashboard", responses=failures(403, 404, 409))
def change_dashboard(deps: Here, who: Who, dashboard: Id, body: DashboardChanges) -> DashboardDetail:
    """Renames it, and puts its charts in another order."""
    board = _changeable(who, dashboard)
    if body.order is not None:
        boards.order(who.guard, board, [int(pin_id) for pin_id in body.order])
    if body.name is not None:
        board = boards.rename(who.guard, board, body.name)
    return _detail(deps, who, board)


@router.delete("/dashboards/{dashboard}", summary="Delete a dashboard", status_code=204, responses=failures(403, 404))
def delete_dashboard(who: Who, dashboard: Id) -> None:
    """Deletes it with its charts. Datasets stay."""
    boards.delete(who.guard, _changeable(who, dashboard))


@router.put("/dashboards/{dashboard}/share", summary="Share a dashboard", responses=failures(403, 404))
def share_dashboard(deps: Here, who: Who, dashboard: Id) -> DashboardAnswer:
    """Creates a link for all users, in place of any before. Each sees only charts of datasets that they may see."""
    return DashboardAnswer(**_answer(deps, boards.share(who.guard, _changeable(who, dashboard), shared=True)))


@router.delete(
    "/dashboards/{dashboard}/share", summary="Stop sharing a dashboard", status_code=204, responses=failures(403, 404)
)
def unshare_dashboard(who: Who, dashboard: Id) -> None:
    """Revokes the link."""
    boards.share(who.guard, _changeable(who, dashboard), shared=False)


# -- charts


@router.post(
    "/dashboards/{dashboard}/pins",
    summary="Pin a chart",
    status_code=201,
    responses=located(201, "The chart's address.") | failures(403, 404),
)
def pin_chart(deps: Here, who: Who, dashboard: Id, body: PinBody, answer: Headers) -> PinAnswer:
    """Adds a chart of a dataset at the end. Relative periods move with the days."""
    board, saved = _changeable(who, dashboard), who.guard.dataset(body.dataset)
    pin = boards.pin(who.guard, deps.lake, board, saved, body.card, body.choices, deps.clock(), body.title)
    answer.headers["Location"] = f"/api/v1/dashboards/{board.id}/pins/{pin.id}"
    return PinAnswer(**_pin(described(who.guard, board, pin, deps.clock())))


@router.get(
    "/dashboards/{dashboard}/pins/{pin}",
    summary="Get a chart of a dashboard",
    response_model=PinData,
    responses=failures(404),
)
def get_pin(deps: Here, who: Who, dashboard: Id, pin: Id, query: Annotated[PeriodQuery, Query()]) -> Response:
    """A chart with its data, as of `GET /datasets/{dataset}/cards/{card}`, and how fresh it is."""
    return _data(deps, who, _own(who, dashboard), pin, query)


@router.patch(
    "/dashboards/{dashboard}/pins/{pin}", summary="Change a chart of a dashboard", responses=failures(403, 404)
)
def change_pin(deps: Here, who: Who, dashboard: Id, pin: Id, body: PinChanges) -> PinAnswer:
    """Gives it another title or place."""
    board = _changeable(who, dashboard)
    if body.place is not None:
        boards.move(who.guard, board, int(pin), body.place)
    if body.title is not None:
        boards.entitle(who.guard, board, int(pin), body.title)
    return PinAnswer(**_pin(described(who.guard, board, deps.store.dashboards.pin(board, int(pin)), deps.clock())))


@router.delete(
    "/dashboards/{dashboard}/pins/{pin}",
    summary="Remove a chart from a dashboard",
    status_code=204,
    responses=failures(403, 404),
)
def remove_pin(who: Who, dashboard: Id, pin: Id) -> None:
    """Removes the chart from the dashboard."""
    boards.unpin(who.guard, _changeable(who, dashboard), int(pin))


# -- shared ones


@router.get("/shared-dashboards/{share}", summary="Get a shared dashboard", responses=failures(404))
def get_shared_dashboard(deps: Here, who: Who, share: Share) -> DashboardDetail:
    """A dashboard that its owner shares by link. Charts of datasets that you may not see are not named."""
    return _detail(deps, who, boards.shared_dashboard(who.guard, share))


@router.get(
    "/shared-dashboards/{share}/pins/{pin}",
    summary="Get a chart of a shared dashboard",
    response_model=PinData,
    responses=failures(404),
)
def get_shared_pin(deps: Here, who: Who, share: Share, pin: Id, query: Annotated[PeriodQuery, Query()]) -> Response:
    """A chart with its data, if you may see its dataset."""
    return _data(deps, who, boards.shared_dashboard(who.guard, share), pin, query)


# -- deliveries


@router.get("/dashboards/{dashboard}/deliveries", summary="List where a dashboard is sent", responses=failures(404))
def list_deliveries(deps: Here, who: Who, dashboard: Id, query: Annotated[Paging, Query()]) -> DeliveryList:
    """Addresses that the dashboard is sent to, with their times."""
    deliveries = deps.store.dashboard_deliveries.of(_own(who, dashboard))
    items = [_delivery(delivery) for delivery in part(deliveries, query)]
    return DeliveryList(items=items, total=len(deliveries), limit=query.limit, offset=query.offset)


@router.post(
    "/dashboards/{dashboard}/deliveries",
    summary="Send a dashboard regularly",
    status_code=201,
    responses=failures(403, 404),
)
def deliver_dashboard(deps: Here, who: Who, dashboard: Id, body: DeliveryBody) -> DeliveryAnswer:
    """Sends it to a notification address that you may change, in place of its earlier times for that address."""
    board = _changeable(who, dashboard)
    delivery = boards.deliver(deps.settings, who.guard, board, int(body.address), body.at, body.weekdays, deps.clock())
    return _delivery(delivery)


@router.delete(
    "/dashboards/{dashboard}/deliveries/{delivery}",
    summary="Stop sending a dashboard",
    status_code=204,
    responses=failures(403, 404),
)
def stop_delivery(who: Who, dashboard: Id, delivery: Id) -> None:
    """Sends it to that address no more."""
    boards.stop_delivery(who.guard, _changeable(who, dashboard), int(delivery))


@router.post(
    "/dashboards/{dashboard}/deliveries/{delivery}/send",
    summary="Send a dashboard now",
    status_code=202,
    responses=failures(403, 404),
)
def send_dashboard(deps: Here, who: Who, dashboard: Id, delivery: Id) -> DeliveryAnswer:
    """Has a worker send it within seconds; `sent_at` and `failure` then say what came of it."""
    board = _changeable(who, dashboard)
    boards.send_now(who.guard, board, int(delivery))
    return _delivery(deps.store.dashboard_deliveries.get(board, int(delivery)))


# -- answers


def _own(who: Visitor, dashboard: str) -> Dashboard:
    return boards.own_dashboard(who.guard, int(dashboard))


def _changeable(who: Visitor, dashboard: str) -> Dashboard:
    """The dashboard; ForbiddenError before anything is looked for."""
    who.guard.need_role(RoleRight.KEEP_DASHBOARDS)
    return _own(who, dashboard)


def _answer(deps: Deps, board: Dashboard) -> dict[str, Any]:
    return {
        "id": str(board.id),
        "name": board.name,
        "owner": board.owner,
        "pins": board.pins,
        "link": boards.share_link(deps.settings, board) or None,
        "created_at": board.created_at,
        "updated_at": board.updated_at,
    }


def _detail(deps: Deps, who: Visitor, board: Dashboard) -> DashboardDetail:
    now = deps.clock()
    pins = [described(who.guard, board, pin, now) for pin in deps.store.dashboards.pins(board)]
    answer = _answer(deps, board) | ({} if _is_own(who, board) else {"link": None})
    return DashboardDetail(**answer, charts=[PinAnswer(**_pin(card)) for card in pins])


def _is_own(who: Visitor, board: Dashboard) -> bool:
    return board.user_id == who.user.id


def _data(deps: Deps, who: Visitor, board: Dashboard, pin: str, query: PeriodQuery) -> Response:
    pinned = deps.store.dashboards.pin(board, int(pin))
    card = pinned_card(who.guard, deps.lake, board, pinned, deps.clock(), query.common)
    drawn = card.chart if card.state is PinState.SHOWN else None
    data = drawn.data if drawn else None
    return Exact(
        _pin(card)
        | {
            "chart": chart_of(data) if data else None,
            "table": as_table(data) if data else None,
            "facts": drawn.facts if drawn else None,
        }
    )


def _pin(card: PinnedCard) -> dict[str, Any]:
    pin, saved, standing = card.pin, card.saved, card.standing
    return {
        "id": str(pin.id),
        "title": card.title,
        "dataset": saved.slug if saved else None,
        "card": pin.card if saved else None,
        "choices": pin.query if saved else None,
        "state": card.state,
        "problem": card.problem or None,
        "status": standing.status if standing else None,
        "trouble": card.trouble or None,
        "read_at": standing.read_at if standing else None,
    }


def _delivery(delivery: DashboardDelivery) -> DeliveryAnswer:
    return DeliveryAnswer(
        id=str(delivery.id),
        address=str(delivery.address_id),
        at=delivery.at,
        weekdays=list(delivery.weekdays),
        next_at=delivery.next_at,
        sent_at=delivery.sent_at,
        failure=delivery.failure or None,
    )
