"""Changes dashboards: the same for pages, API and command line, with the rights of each.

A dashboard belongs to one user, who alone sees and changes it; the operator of the machine may do both with every one.
Who has the address of a shared one sees it, with the charts of the datasets that they may see.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

from adreel.access import Actor, DatasetRight, Guard, RoleRight
from adreel.charts.choices import AskedCharts, as_shown, opened_with
from adreel.dashboards.cards import chart_keys, kept_choices, offered_charts, query_of, read_chart
from adreel.dashboards.times import next_time, read_time
from adreel.errors import InputError, NotFoundError, did_you_mean
from adreel.lake import Lake
from adreel.language import phrase
from adreel.notify.subscriptions import Subscriptions
from adreel.settings import Settings
from adreel.store import Dashboard, DashboardDelivery, Pin, SavedDataset
from adreel.store.dashboards import Timetable
from adreel.store.names import LONGEST_NAME
from adreel.store.notifications import Address

LONGEST_SHARE = 100


def dashboards(guard: Guard) -> tuple[Dashboard, ...]:
    """The actor's dashboards, by name; those of all users for the operator."""
    return guard.store.dashboards.of(guard.actor.user)


def dashboard(guard: Guard, name: str | int) -> Dashboard:
    """The actor's dashboard of that name or id. NotFoundError, with the names that there are; InputError."""
    own = dashboards(guard)
    text = str(name).strip()
    by_name = [board for board in own if board.name.casefold() == text.casefold()]
    mine = [board for board in by_name if board.user_id is None] or by_name
    if len(mine) > 1:
        ids = ", ".join(phrase("%(id)s (of %(owner)s)", id=board.id, owner=board.owner) for board in mine)
        raise InputError(
            phrase("Several dashboards are called %(dashboard)s. Use an ID: %(ids)s.", dashboard=repr(text), ids=ids)
        )
    matching = mine or [board for board in own if str(board.id) == text]
    if not matching:
        near = did_you_mean([board.name for board in own][:3])
        raise NotFoundError(
            phrase("Dashboard %(dashboard)s was not found.", dashboard=repr(text[:100])) + near, kind="dashboard"
        )
    return matching[0]


def own_dashboard(guard: Guard, dashboard_id: int) -> Dashboard:
    """The actor's dashboard of that id. NotFoundError if there is none, or it is another user's."""
    board = next((board for board in dashboards(guard) if board.id == dashboard_id), None)
    if board is None:
        raise NotFoundError(
            phrase("Dashboard %(dashboard)s was not found, or it is not yours.", dashboard=dashboard_id),
            kind="dashboard",
        )
    return board


def shared_dashboard(guard: Guard, share: str) -> Dashboard:
    """The dashboard of this link. NotFoundError if there is none, or the link was replaced or revoked."""
    board = guard.store.dashboards.shared(share) if 0 < len(share) <= LONGEST_SHARE else None
    if board is None:
        raise NotFoundError(
            phrase(
                "This link leads to no dashboard. It was revoked or replaced, or the dashboard was "
                "deleted. Ask the person who sent it for a new one."
            ),
            kind="dashboard",
        )
    return board


def create(guard: Guard, name: str) -> Dashboard:
    """A new dashboard of the actor. ForbiddenError for read-only tokens, errors as `Dashboards.add`."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    return guard.store.dashboards.add(guard.actor.user, name)


def rename(guard: Guard, board: Dashboard, name: str) -> Dashboard:
    """The dashboard under another name; errors as `create`."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    return guard.store.dashboards.rename(board, name)


def delete(guard: Guard, board: Dashboard) -> None:
    """Deletes the dashboard, with its charts and deliveries."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    guard.store.dashboards.delete(board)


def share(guard: Guard, board: Dashboard, *, shared: bool) -> Dashboard:
    """Shares the dashboard by a new link, which replaces any before it; or no longer."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    return guard.store.dashboards.share(board, shared=shared)


def share_path(board: Dashboard) -> str:
    """The path at which all users find a shared dashboard; empty if it is not shared."""
    return f"/dashboards/shared/{board.share}" if board.share else ""


def share_link(settings: Settings, board: Dashboard) -> str:
    """The link at which all users find a shared dashboard; empty if it is not shared."""
    path = share_path(board)
    return f"{settings.web_url.rstrip('/')}{path}" if path else ""


# -- pins


def pin_query(asked: AskedCharts, card: str) -> str:
    """What of the choices concerns the chart, as the query of an address."""
    kept = [
        (name, value)
        for name, value in asked.pairs
        if (name != "metric" or value.rpartition(":")[0] == card)
        and (not name.startswith("budget") or card == "pacing")
    ]
    return urlencode(kept)


def pin(
    guard: Guard,
    lake: Lake,
    board: Dashboard,
    saved: SavedDataset,
    card: str,
    query: str,
    now: datetime,
    title: str = "",
) -> Pin:
    """Pins a chart of a dataset, which the actor sees, with the choices of `query`.

    Raises NotFoundError for a chart that the dataset does not have, InputError for choices that cannot be and for more
    charts than a dashboard has, ForbiddenError for read-only tokens.
    """
    query, own_title = _checked(guard, lake, saved, card, query, now)
    return guard.store.dashboards.add_pin(board, saved, card, query, title or own_title)


def pin_to_new(
    guard: Guard, lake: Lake, name: str, saved: SavedDataset, card: str, query: str, now: datetime
) -> Dashboard:
    """Pins a chart to a new dashboard of that name. Errors as `pin` and `create`; then there is no new dashboard."""
    query, title = _checked(guard, lake, saved, card, query, now)
    board = create(guard, name)
    guard.store.dashboards.add_pin(board, saved, card, query, title)
    return board


def _checked(guard: Guard, lake: Lake, saved: SavedDataset, card: str, query: str, now: datetime) -> tuple[str, str]:
    """The choices as a pin keeps them, and the chart's own title."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    guard.need(DatasetRight.SEE, saved)
    asked = opened_with(query_of(query))
    chart = read_chart(guard, lake, saved, card, asked, now)
    if chart is None:
        raise _no_chart(saved, card, chart_keys(lake, saved, now))
    # What is shown without a choice may change from one day to the next.
    return pin_query(as_shown(asked, chart.facts), card), chart.offer.stored_title[:LONGEST_NAME]


def _no_chart(saved: SavedDataset, card: str, keys: Sequence[str]) -> NotFoundError:
    return NotFoundError(
        phrase(
            "%(dataset)s has no chart %(chart)s. Its charts: %(charts)s.",
            dataset=repr(saved.name),
            chart=repr(card[:100]),
            charts=", ".join(keys) or phrase("none"),
        )
    )


def pin_as_written(
    guard: Guard, board: Dashboard, saved: SavedDataset, card: str, query: str, now: datetime, title: str = ""
) -> Pin:
    """Pins a chart that the dataset has by its settings, with the choices as they are; it need not have run.

    Errors as `pin`, and InputError for a metric that the chart cannot show.
    """
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    guard.need(DatasetRight.SEE, saved)
    offers = offered_charts(saved, now, kept_choices(query).metrics)
    offer = next((offer for offer in offers if offer.key == card), None)
    if offer is None:
        raise _no_chart(saved, card, [offer.key for offer in offers])
    if offer.metric and offer.refusal is not None:
        raise InputError(offer.refusal)
    return guard.store.dashboards.add_pin(board, saved, card, query, title)


def entitle(guard: Guard, board: Dashboard, pin_id: int, title: str) -> Pin:
    """Gives a chart another title; an empty one is the chart's own."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    return guard.store.dashboards.entitle(guard.store.dashboards.pin(board, pin_id), title)


def move(guard: Guard, board: Dashboard, pin_id: int, to: int) -> tuple[Pin, ...]:
    """Moves a chart to a place, counted from 1; beyond the last one it becomes the last. Returns the new order."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    moved = guard.store.dashboards.pin(board, pin_id)
    ids = [other.id for other in guard.store.dashboards.pins(board) if other.id != moved.id]
    ids.insert(max(0, min(to - 1, len(ids))), moved.id)
    return guard.store.dashboards.order(board, ids)


def order(guard: Guard, board: Dashboard, pin_ids: Sequence[int]) -> tuple[Pin, ...]:
    """Puts the charts in this order. NotFoundError for a chart that the dashboard does not have."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    there = {pinned.id for pinned in guard.store.dashboards.pins(board)}
    if set(pin_ids) - there:
        raise NotFoundError(
            phrase("%(dashboard)s has no chart %(chart)s.", dashboard=repr(board.name), chart=min(set(pin_ids) - there))
        )
    return guard.store.dashboards.order(board, pin_ids)


def unpin(guard: Guard, board: Dashboard, pin_id: int) -> Pin:
    """Removes a chart, which `restore` brings back for a day."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    removed = guard.store.dashboards.pin(board, pin_id)
    guard.store.dashboards.remove_pin(removed)
    return removed


def restore(guard: Guard, board: Dashboard, pin_id: int) -> Pin:
    """Brings a removed chart back."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    return guard.store.dashboards.restore_pin(board, pin_id)


# -- deliveries


def addresses(settings: Settings, guard: Guard, now: datetime) -> tuple[Address, ...]:
    """The notification addresses that the actor may send a dashboard to: those that they may change."""
    return Subscriptions(settings, guard, now).all()


def owner_guard(guard: Guard, board: Dashboard) -> Guard:
    """The rights of the owner of a dashboard, as they are now."""
    user = guard.store.users.get(board.user_id) if board.user_id is not None else None
    return Guard(guard.store, Actor(user))


def deliver(
    settings: Settings,
    guard: Guard,
    board: Dashboard,
    address_id: int,
    at: str,
    weekdays: Sequence[int],
    now: datetime,
) -> DashboardDelivery:
    """Sends the dashboard to an address at a time such as 08:00 of the weekdays, counted from Monday as 0.

    Times are in the zone of the workspace. NotFoundError for an address that the actor may not use, InputError for
    what is no time or no weekday.
    """
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    address = Subscriptions(settings, guard, now).get(address_id)
    # The operator may use all, but what is sent is sent with the rights of the owner.
    address = Subscriptions(settings, owner_guard(guard, board), now).get(address.id)
    zone = guard.store.workspace.get().zone
    days = tuple(sorted(set(weekdays)))
    if not days or days[0] < 0 or days[-1] > 6:
        raise InputError(phrase("Choose at least one weekday."))
    time = read_time(at)
    return guard.store.dashboard_deliveries.put(
        board, address, Timetable(time, days, zone, next_time(time, days, zone, now))
    )


def stop_delivery(guard: Guard, board: Dashboard, delivery_id: int) -> DashboardDelivery:
    """Sends the dashboard to that address no more."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    delivery = guard.store.dashboard_deliveries.get(board, delivery_id)
    shown = guard.store.addresses.get(delivery.address_id).shown
    guard.store.dashboard_deliveries.remove(board, delivery, shown)
    return delivery


def send_now(guard: Guard, board: Dashboard, delivery_id: int) -> DashboardDelivery:
    """Has a worker send the dashboard to that address within seconds."""
    guard.need_role(RoleRight.KEEP_DASHBOARDS)
    delivery = guard.store.dashboard_deliveries.get(board, delivery_id)
    guard.store.dashboard_deliveries.send_now(board, delivery)
    return delivery
