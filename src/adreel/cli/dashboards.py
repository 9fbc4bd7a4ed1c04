"""`adreel dashboards`: list, show, create, pin, unpin, rename, share, deliver, send, export, delete."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import typer

from adreel.charts import as_table
from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.output import confirm, counted, print_json, print_table, say
from adreel.clock import wall_clock
from adreel.dashboards import boards
from adreel.dashboards.cards import PinnedCard, PinState, pinned_cards
from adreel.dashboards.files import KINDS, write_file
from adreel.dashboards.sending import deliver as send_delivery
from adreel.dates import WEEKDAYS
from adreel.errors import InputError, NotFoundError, StopError
from adreel.store import Dashboard, DashboardDelivery


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """Prints the user's dashboards; those of all users for the operator."""
    with open_home(session) as home:
        own = boards.dashboards(home.guard)
        if as_json:
            print_json([_json(home, board) for board in own])
        elif own:
            rows = [
                (board.id, board.name, board.owner or "operator", board.pins, bool(board.share), board.updated_at)
                for board in own
            ]
            print_table(("id", "dashboard", "owner", "charts", "shared", "changed (UTC)"), rows)
        else:
            say("0 dashboards. Create one: adreel dashboards create NAME")


def show(session: CommandContext, name: str, *, as_json: bool) -> None:
    """Prints the figures of a dashboard's charts, as tables."""
    with open_home(session) as home, closing(home.lake()) as lake:
        board = boards.dashboard(home.guard, name)
        cards = pinned_cards(home.guard, lake, board, session.clock())
        if as_json:
            deliveries = [_delivery_json(entry) for entry in home.store.dashboard_deliveries.of(board)]
            print_json(_json(home, board) | {"charts": [_card_json(card) for card in cards], "deliveries": deliveries})
            return
        say(f"{board.name}: {counted(len(cards), 'chart')}.")
        for card in cards:
            _print(card)
        for entry in home.store.dashboard_deliveries.of(board):
            days = ", ".join(WEEKDAYS[number] for number in entry.weekdays)
            say(f"Sent to notification address {entry.address_id} at {entry.at} ({days}). {entry.failure}".rstrip())


def _print(card: PinnedCard) -> None:
    title = f"{card.title or 'Chart'} (ID {card.pin.id})"
    if card.saved is not None:
        title += f", dataset {card.saved.slug}"
    if card.standing is not None and card.standing.read_at is not None:
        title += f", read {card.standing.read_at:%Y-%m-%d %H:%M} UTC"
    data = card.chart.data if card.chart and card.state is PinState.SHOWN else None
    table = as_table(data) if data else None
    if table is None or not table.rows:
        problem = card.problem or (data.refusal if data else "") or "No data for this chart."
        say(f"{title}: {problem}")
    else:
        print_table(table.head, table.rows, title=title)
    if card.trouble:
        say(f"warning: {card.trouble}")


def _card_json(card: PinnedCard) -> dict[str, Any]:
    chart = card.chart if card.state is PinState.SHOWN else None
    standing = card.standing
    return {
        "id": str(card.pin.id),
        "title": card.title,
        "dataset": card.saved.slug if card.saved else None,
        "card": card.pin.card if card.saved else None,
        "choices": card.pin.query if card.saved else None,
        "state": card.state,
        "problem": card.problem or None,
        "status": standing.status if standing else None,
        "trouble": card.trouble or None,
        "read_at": standing.read_at if standing else None,
        "table": as_table(chart.data) if chart else None,
    }


def _json(home: OpenHome, board: Dashboard) -> dict[str, Any]:
    return {
        "id": str(board.id),
        "name": board.name,
        "owner": board.owner,
        "pins": board.pins,
        "link": boards.share_link(home.settings, board) or None,
        "created_at": board.created_at,
        "updated_at": board.updated_at,
    }


def _delivery_json(delivery: DashboardDelivery) -> dict[str, Any]:
    return {
        "id": str(delivery.id),
        "address": str(delivery.address_id),
        "at": delivery.at,
        "weekdays": list(delivery.weekdays),
        "next_at": delivery.next_at,
        "sent_at": delivery.sent_at,
        "failure": delivery.failure or None,
    }


def create(session: CommandContext, name: str) -> None:
    """Creates a dashboard."""
    with open_home(session) as home:
        board = boards.create(home.guard, name)
        say(f"Created dashboard {board.name!r}. Pin a chart: adreel dashboards pin {board.id} DATASET CHART")


def rename(session: CommandContext, name: str, new_name: str) -> None:
    """Renames a dashboard."""
    with open_home(session) as home:
        board = boards.rename(home.guard, boards.dashboard(home.guard, name), new_name)
        say(f"The dashboard is now called {board.name!r}.")


def delete(session: CommandContext, name: str, *, yes: bool) -> None:
    """Deletes a dashboard, once a user has confirmed it."""
    with open_home(session) as home:
        board = boards.dashboard(home.guard, name)
        confirm(f"Delete dashboard {board.name!r} with {counted(board.pins, 'chart')}?", yes=yes)
        boards.delete(home.guard, board)
        say(f"Deleted dashboard {board.name!r}.")


def share(session: CommandContext, name: str, *, stop: bool) -> None:
    """Prints a new link of a dashboard for all users, in place of any before; or revokes it."""
    with open_home(session) as home:
        board = boards.share(home.guard, boards.dashboard(home.guard, name), shared=not stop)
        if stop:
            say(f"Dashboard {board.name!r} is no longer shared.")
        else:
            say("Everyone who can sign in and has this link sees the charts of datasets that they may see.")
            typer.echo(boards.share_link(home.settings, board))


def pin(session: CommandContext, name: str, dataset: str, card: str, choices: str, title: str) -> None:
    """Pins a chart of a dataset."""
    with open_home(session) as home, closing(home.lake()) as lake:
        board, saved = boards.dashboard(home.guard, name), home.guard.dataset(dataset)
        pinned = boards.pin(home.guard, lake, board, saved, card, choices, session.clock(), title)
        say(f"Pinned {pinned.title!r} to {board.name!r} (ID {pinned.id}).")


def unpin(session: CommandContext, name: str, pin_id: int) -> None:
    """Removes a chart."""
    with open_home(session) as home:
        board = boards.dashboard(home.guard, name)
        removed = boards.unpin(home.guard, board, pin_id)
        say(f"Removed {removed.title or 'the chart'!r} from {board.name!r}.")


def deliver(
    session: CommandContext, name: str, address_id: int, at: str, weekdays: Sequence[str], *, stop: bool
) -> None:
    """Sends a dashboard to a notification address at a time of some weekdays; or no longer."""
    with open_home(session) as home:
        board = boards.dashboard(home.guard, name)
        if stop:
            boards.stop_delivery(home.guard, board, _delivery(home, board, address_id).id)
            say(f"Dashboard {board.name!r} is no longer sent to notification address {address_id}.")
            return
        days = [_weekday(word) for text in weekdays for word in text.replace(",", " ").split()]
        delivery = boards.deliver(home.settings, home.guard, board, address_id, at, days or range(7), session.clock())
        say(
            f"Dashboard {board.name!r} is sent to notification address {address_id} at {delivery.at}, "
            f"{home.store.workspace.get().zone}; the next time is {delivery.next_at:%Y-%m-%d %H:%M} UTC."
        )


def _weekday(word: str) -> int:
    if word.lower() not in WEEKDAYS:
        raise InputError(f"{word[:20]!r} is not a weekday. Choose from {', '.join(WEEKDAYS)}.")
    return WEEKDAYS.index(word.lower())


def _delivery(home: OpenHome, board: Dashboard, address_id: int) -> DashboardDelivery:
    for delivery in home.store.dashboard_deliveries.of(board):
        if delivery.address_id == address_id:
            return delivery
    raise NotFoundError(f"Dashboard {board.name!r} is not sent to notification address {address_id}.")


def send(session: CommandContext, name: str, address_id: int) -> None:
    """Sends a dashboard at once. Raises StopError with what came back if it was not accepted."""
    with open_home(session) as home, closing(home.lake()) as lake:
        board = boards.dashboard(home.guard, name)
        delivery = boards.send_now(home.guard, board, _delivery(home, board, address_id).id)
        now = session.clock()
        if not send_delivery(home.store, home.settings, lake, now, wall=wall_clock(), only=delivery):
            say("A worker is sending it already.")
            return
        sent = home.store.dashboard_deliveries.get(board, delivery.id)
        if sent.failure:
            raise StopError(f"Dashboard {board.name!r} was not sent: {sent.failure}")
        say(f"Sent dashboard {board.name!r} to notification address {address_id}.")


def export(session: CommandContext, name: str, output: Path) -> None:
    """Draws a dashboard as a picture or PDF, by the ending of the file."""
    if output.suffix.lower()[1:] not in KINDS:
        raise InputError(f"--output {output.name!r} must end with .png or .pdf.")
    if not output.absolute().parent.is_dir():
        raise InputError(f"The folder {output.absolute().parent} does not exist.")
    with open_home(session) as home, closing(home.lake()) as lake:
        board = boards.dashboard(home.guard, name)
        charts, missing = write_file(home.settings.home, home.guard, lake, board, session.clock(), output.absolute())
        say(f"Wrote {counted(charts, 'chart')} to {output}.")
        if missing:
            say(f"warning: no font of this machine has the letters {missing[:20]!r}. Install one: docs/dashboards.md")
