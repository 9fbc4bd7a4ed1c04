"""`adreel notifications`: list, add, change, test, remove."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.output import print_json, print_table, say, secret_line
from adreel.errors import InputError, StopError
from adreel.notify.subscriptions import NewSubscription, SubscriptionChanges, Subscriptions, address_json
from adreel.store.notifications import Address


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """Prints the addresses that the user may change, masked."""
    with open_home(session) as home:
        rows = [_json(home, address) for address in _subscriptions(home).all()]
        if as_json:
            print_json(rows)
        elif rows:
            columns = ("id", "scope", "name", "address", "kinds", "state")
            print_table(columns, [_cells(row) for row in rows])
        else:
            say("0 notification addresses. Add one: adreel notifications add")


def add(
    session: CommandContext, wanted: NewSubscription, *, dataset: str | None, personal: bool, file: Path | None
) -> None:
    """Adds an address from a prompt, a file or stdin; its URL has secrets, which arguments would show."""
    if dataset is not None and personal:
        raise InputError("Give either --dataset or --personal.")
    with open_home(session) as home:
        saved = home.guard.dataset(dataset) if dataset is not None else None
        full = NewSubscription(
            secret_line("Address", file), wanted.name, wanted.kinds, wanted.threshold, wanted.owned_only
        )
        address = _subscriptions(home).add(full, dataset=saved, personal=personal)
        say(
            f"Added notification address {address.id}: {address.name} ({address.shown}). "
            f"Send a test message: adreel notifications test {address.id}"
        )


def change(
    session: CommandContext, address_id: int, wanted: SubscriptionChanges, *, other_address: bool, file: Path | None
) -> None:
    """Changes an address; another URL comes from a prompt, a file or stdin."""
    url = secret_line("Address", file) if other_address or file is not None else None
    if url is None and wanted == SubscriptionChanges():
        raise InputError("Give what to change: --name, --kind, --threshold, --new-address or -f FILE.")
    with open_home(session) as home:
        address = _subscriptions(home).change(address_id, replace(wanted, url=url))
        say(f"Changed notification address {address.id}: {address.name} ({address.shown}).")


def test(session: CommandContext, address_id: int) -> None:
    """Sends a test message. Raises StopError with what came back if it was not accepted."""
    with open_home(session) as home:
        subscriptions = _subscriptions(home)
        address = subscriptions.get(address_id)
        outcome = subscriptions.test(address_id)
        if not outcome.accepted:
            raise StopError(f"Notification address {address_id} ({address.shown}) failed: {outcome.reason}")
        say(f"{address.shown} accepted the test message.")


def remove(session: CommandContext, address_id: int) -> None:
    """Removes an address."""
    with open_home(session) as home:
        address = _subscriptions(home).remove(address_id)
        say(f"Removed notification address {address_id}: {address.name} ({address.shown}).")


def _subscriptions(home: OpenHome) -> Subscriptions:
    return Subscriptions(home.settings, home.guard, home.session.clock())


def _json(home: OpenHome, address: Address) -> dict[str, object]:
    dataset = home.store.datasets.get(address.dataset_id).slug if address.dataset_id is not None else None
    user = home.store.users.get(address.user_id).name if address.user_id is not None else None
    return address_json(address, dataset=dataset, user=user)


def _cells(row: dict[str, object]) -> tuple[object, ...]:
    whose = row["dataset"] or row["user"]
    kinds = row["kinds"]
    assert isinstance(kinds, list), "kinds are a list"
    state = f"failing since {row['failing_since']:%Y-%m-%d %H:%M}: {row['failure']}" if row["failure"] else "ok"
    scope = f"{row['scope']} {whose}" if whose else row["scope"]
    return row["id"], scope, row["name"], row["address"], ", ".join(kinds), state
