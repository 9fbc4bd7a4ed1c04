"""Dashboards of the actor as files have them: charts of datasets that the actor sees, by the names of the datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from adreel.access import Guard
from adreel.configuration.documents import ChartEntry, DeliveryEntry
from adreel.dashboards import boards
from adreel.errors import InputError, NotFoundError
from adreel.notify.subscriptions import Subscriptions
from adreel.settings import Settings
from adreel.store import Dashboard, DashboardDelivery, Pin, SavedDataset
from adreel.store.notifications import Address
from adreel.store.users import name_key


def own_dashboards(guard: Guard) -> Mapping[str, Dashboard]:
    """The dashboards that belong to the actor, by name; for the operator, who sees those of all, those of nobody."""
    user = guard.actor.user
    owner = user.id if user is not None else None
    return {name_key(board.name): board for board in boards.dashboards(guard) if board.user_id == owner}


def charts_of(guard: Guard, board: Dashboard) -> tuple[tuple[Pin, ChartEntry], ...]:
    """The charts of a dashboard in order, without those of datasets that were deleted or that the actor may not see."""
    visible = {saved.id: saved for saved in guard.datasets()}
    return tuple(
        (pin, ChartEntry(visible[pin.dataset_id].name, pin.card, pin.query, pin.title))
        for pin in guard.store.dashboards.pins(board)
        if pin.dataset_id in visible
    )


def arrange(guard: Guard, board: Dashboard, wanted: Sequence[tuple[SavedDataset, ChartEntry]], now: datetime) -> None:
    """Gives a dashboard these charts in this order in place of those of `charts_of`; equal ones stay.

    Errors as `boards.pin_as_written`.
    """
    there = list(charts_of(guard, board))
    pins: list[Pin | None] = []
    for _, entry in wanted:
        equal = next((each for each in there if each[1] == entry), None)
        if equal is not None:
            there.remove(equal)
        pins.append(equal[0] if equal is not None else None)
    for pin, _ in there:
        boards.unpin(guard, board, pin.id)
    for place, (saved, entry) in enumerate(wanted):
        if pins[place] is None:
            pins[place] = boards.pin_as_written(guard, board, saved, entry.chart, entry.choices, now, entry.title)
    boards.order(guard, board, [pin.id for pin in pins if pin is not None])


def addresses_of(guard: Guard, subscriptions: Subscriptions) -> Mapping[tuple[str, str, int], Address]:
    """The addresses that files define and the actor may change, by `DeliveryEntry.target`."""
    names = {saved.id: saved.name for saved in guard.datasets()}
    addresses: dict[tuple[str, str, int], Address] = {}
    for address in subscriptions.all():
        if address.user_id is None:
            dataset = names[address.dataset_id] if address.dataset_id is not None else ""
            number = 1 + sum(target[:2] == (dataset, address.name) for target in addresses)
            addresses[dataset, address.name, number] = address
    return addresses


def deliveries_of(
    guard: Guard, board: Dashboard, addresses: Mapping[tuple[str, str, int], Address]
) -> tuple[tuple[DashboardDelivery, DeliveryEntry], ...]:
    """The deliveries of a dashboard to these addresses, by their names."""
    targets = {address.id: target for target, address in addresses.items()}
    deliveries = [
        (delivery, DeliveryEntry(name, dataset, number, delivery.at, delivery.weekdays))
        for delivery in guard.store.dashboard_deliveries.of(board)
        if delivery.address_id in targets
        for dataset, name, number in [targets[delivery.address_id]]
    ]
    return tuple(sorted(deliveries, key=lambda each: each[1].target))


def send_to(
    settings: Settings,
    guard: Guard,
    board: Dashboard,
    wanted: Sequence[DeliveryEntry],
    addresses: Mapping[tuple[str, str, int], Address],
    now: datetime,
) -> None:
    """Sends a dashboard as these entries say, in place of those of `deliveries_of`. Errors as `boards.deliver`."""
    there = {entry.target: (delivery, entry) for delivery, entry in deliveries_of(guard, board, addresses)}
    targets = [entry.target for entry in wanted]
    for entry in wanted:
        if targets.count(entry.target) > 1:
            raise InputError(f"Address {entry.to!r} is listed twice.")
        if entry.target not in addresses:
            raise NotFoundError(
                f"Notification address {entry.to!r} was not found among those of "
                f"{f'dataset {entry.dataset!r}' if entry.dataset else 'the workspace'}, or you may not change it."
            )
    for target, (delivery, _) in there.items():
        if target not in targets:
            boards.stop_delivery(guard, board, delivery.id)
    for entry in wanted:
        if entry.target not in there or there[entry.target][1] != entry:
            boards.deliver(settings, guard, board, addresses[entry.target].id, entry.at, entry.weekdays, now)
