"""Dashboards of the actor as files have them: charts of datasets that the actor sees, by the names of the datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from adreel.access import Guard
from adreel.configuration.documents import ChartEntry
from adreel.dashboards import boards
from adreel.store import Dashboard, Pin, SavedDataset
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
