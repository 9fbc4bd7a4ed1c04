"""The present state as files of a configuration folder, in a stable order, secrets as references."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import yaml

from adreel import catalog
from adreel.access import Guard, RoleRight
from adreel.configuration.addresses import parts_of
from adreel.configuration.documents import FOR_GOOD, DocumentKind
from adreel.configuration.own_dashboards import addresses_of, charts_of, deliveries_of, own_dashboards
from adreel.configuration.references import Reference, escaped
from adreel.datasets.layouts import WarehouseLayout
from adreel.datasets.saved_presets import presets
from adreel.datasets.stored import as_file, source_of
from adreel.notify.subscriptions import Subscriptions, written_threshold
from adreel.store import Account, Dashboard, Destination, MetricPreset, Retention, SavedDataset
from adreel.store.names import slug
from adreel.store.notifications import Address, IncidentKind, Threshold

MARK = "# Written by adreel export-config."
"""How files begin that an export writes, and that the next one may replace or remove."""


@dataclass(frozen=True, slots=True)
class ExportedSecret:
    """An environment variable to set before the files are applied, and what it is."""

    variable: str
    meaning: str


@dataclass(slots=True)
class Exported:
    """Files by their paths in the folder, and the secrets that they name."""

    files: dict[str, str] = field(default_factory=dict)
    secrets: list[ExportedSecret] = field(default_factory=list)


def export(guard: Guard, subscriptions: Subscriptions) -> Exported:
    """What the actor may see, as files that change nothing here when they are applied.

    Needs the encryption key, as of addresses more is shown than the store keeps in plain text.
    """
    exported = Exported()
    accounts = [_account(guard, account) for account in guard.accounts()]
    _add(exported, "accounts.yaml", accounts, 0)
    if guard.may_role(RoleRight.VIEW_DESTINATIONS):
        before = len(exported.secrets)
        destinations = [_destination(guard, exported, item) for item in guard.store.destinations.list()]
        _add(exported, "destinations.yaml", destinations, before)
    before = len(exported.secrets)
    _add(exported, "notifications.yaml", _notifications(guard, subscriptions, exported), before)
    addresses = addresses_of(guard, subscriptions)
    dashboards = [_dashboard(guard, board, addresses) for board in own_dashboards(guard).values()]
    _add(exported, "dashboards.yaml", dashboards, len(exported.secrets))
    _add(exported, "presets.yaml", [_preset(item) for item in presets(guard) if item.shared], len(exported.secrets))
    if guard.may_role(RoleRight.VIEW_RETENTION):
        _add(exported, "retention.yaml", [_retention(guard.store.retention.get())], len(exported.secrets))
    for saved in guard.datasets():
        exported.files[f"datasets/{saved.slug}.yaml"] = f"{MARK}\n{_dataset(saved)}"
    return exported


def _add(exported: Exported, file: str, documents: Collection[Mapping[str, Any]], secrets_before: int) -> None:
    if documents:
        names = [secret.variable for secret in exported.secrets[secrets_before:]]
        head = f"{MARK}\n" + (f"# Set before adreel apply: {', '.join(names)}\n" if names else "")
        exported.files[file] = head + "---\n".join(map(_dumped, documents))


def _dumped(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=100)


def _dataset(saved: SavedDataset) -> str:
    values = {**source_of(saved).values, "name": saved.name}
    return as_file(values) if values.get("report") in catalog.REPORTS else _dumped(values)


def _account(guard: Guard, account: Account) -> Mapping[str, Any]:
    shares = sorted(guard.store.shares.of(account).items(), key=lambda item: item[0].name)
    return {
        "kind": DocumentKind.ACCOUNT.value,
        "name": account.name,
        "advertisers": "all" if account.selection is None else list(account.selection),
        "everyone": guard.store.shares.everyone(account).value,
        "shares": {user.name: level.value for user, level in shares},
    }


def _destination(guard: Guard, exported: Exported, destination: Destination) -> Mapping[str, Any]:
    url = guard.store.destinations.address(destination)
    layout = WarehouseLayout(destination.layout)
    own = {} if layout is WarehouseLayout.DATASETS else {"layout": layout.value}
    if destination.schema_name != layout.schema:
        own["schema"] = destination.schema_name
    stem = f"DESTINATION_{slug(destination.name)}"
    address = _address(exported, url, stem, f"destination {destination.name!r}")
    return {"kind": DocumentKind.DESTINATION.value, "name": destination.name, "address": address, **own}


def _notifications(guard: Guard, subscriptions: Subscriptions, exported: Exported) -> list[Mapping[str, Any]]:
    datasets = {saved.id: saved for saved in guard.datasets()}
    listed = [
        (datasets[address.dataset_id] if address.dataset_id is not None else None, address)
        for address in subscriptions.all()
        if address.user_id is None
    ]
    listed.sort(key=lambda item: (item[0].name if item[0] else "", item[1].name, item[1].id))
    counts: dict[tuple[int | None, str], int] = {}
    documents = []
    for saved, address in listed:
        number = counts[address.dataset_id, address.name] = counts.get((address.dataset_id, address.name), 0) + 1
        documents.append(_notification(guard.store.addresses.url, exported, saved, address, number))
    return documents


def _notification(
    url_of: Callable[[Address], str], exported: Exported, saved: SavedDataset | None, address: Address, number: int
) -> Mapping[str, Any]:
    words = [saved.slug if saved else "", slug(address.name)]
    stem = "_".join(["NOTIFICATION", *filter(None, words)])
    threshold = written_threshold(address.threshold)
    optional = {
        "kinds": [kind.value for kind in address.kinds] if set(address.kinds) != set(IncidentKind) else None,
        "threshold": threshold if threshold != written_threshold(Threshold()) else None,
        "number": number if number > 1 else None,
    }
    return {
        "kind": DocumentKind.NOTIFICATION.value,
        "name": address.name,
        **({"dataset": saved.name} if saved else {}),
        "address": _address(exported, url_of(address), stem, f"notification address {address.name!r}"),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _dashboard(guard: Guard, board: Dashboard, addresses: Mapping[tuple[str, str, int], Address]) -> Mapping[str, Any]:
    return {
        "kind": DocumentKind.DASHBOARD.value,
        "name": board.name,
        "shared": bool(board.share),
        "charts": [dict(entry.values) for _, entry in charts_of(guard, board)],
        "deliveries": [dict(entry.values) for _, entry in deliveries_of(guard, board, addresses)],
    }


def _preset(preset: MetricPreset) -> Mapping[str, Any]:
    return {"kind": DocumentKind.PRESET.value, "name": preset.name, "metrics": list(preset.metrics)}


def _retention(policy: Retention) -> Mapping[str, Any]:
    periods = {name: FOR_GOOD if value is None else value for name, value in asdict(policy).items()}
    return {"kind": DocumentKind.RETENTION.value, **periods}


def _address(exported: Exported, url: str, stem: str, whose: str) -> str:
    """An address with a reference in place of its secret."""
    parts = parts_of(url)
    if parts.is_public and parts.secret is None:
        return escaped(parts.before)
    what = "PASSWORD" if parts.is_public else "ADDRESS"
    variable = _free(f"{stem}_{what}".upper(), [secret.variable for secret in exported.secrets])
    exported.secrets.append(ExportedSecret(variable, f"{what.lower()} of {whose}"))
    reference = str(Reference("env", variable))
    return f"{escaped(parts.before)}{reference}{escaped(parts.after)}" if parts.is_public else reference


def _free(name: str, taken: Collection[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def stale(written: Iterable[str], exported: Exported) -> tuple[str, ...]:
    """Files that an earlier export wrote, and this one does not."""
    return tuple(sorted(set(written) - exported.files.keys()))
