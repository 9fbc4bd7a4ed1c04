"""Datasets of a file brought over: everything that is wrong with each is told first, and then all are saved or none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adreel.access import DatasetRight, Guard
from adreel.dataset import Dataset, Source, check
from adreel.errors import ForbiddenError, InputError
from adreel.saving import source_of, spec_of
from adreel.store import SavedDataset, Store


@dataclass(frozen=True, slots=True)
class Arrival:
    """One dataset of a file: `known` is the same dataset if it is here already, `faults` why it cannot be saved."""

    number: int
    name: str
    source: Source
    dataset: Dataset | None
    known: SavedDataset | None
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Brought:
    """What an import did: `saved` are new, `there` were here already, just so; `notes` are told of the new ones."""

    saved: tuple[SavedDataset, ...]
    there: tuple[SavedDataset, ...]
    notes: tuple[str, ...]


def with_account(source: Source, account: str) -> Source:
    """The same dataset over another account."""
    return Source({**source.values, "account": account}, source.lines)


def arrivals(store: Store, guard: Guard, sources: Iterable[Source], now: datetime) -> tuple[Arrival, ...]:
    """Each dataset with all that stands against it; nothing is saved."""
    names: set[str] = set()
    found = []
    for number, source in enumerate(sources, start=1):
        arrival = _arrival(store, guard, number, source, now)
        if arrival.name in names:
            fault = f"The file has {arrival.name!r} twice; give one another name."
            arrival = _with_fault(arrival, fault)
        names.add(arrival.name)
        found.append(arrival)
    return tuple(found)


def bring(guard: Guard, found: Iterable[Arrival], now: datetime) -> Brought:
    """Saves every dataset that is not here yet. None of them has a fault. Errors as `Guard.save`."""
    saved, there, notes = [], [], []
    for one in found:
        assert not one.faults, "arrivals with faults are told, not saved"
        if one.known is not None:
            there.append(one.known)
            continue
        assert one.dataset is not None, "what has no faults was read"
        saved.append(guard.save(one.dataset, now))
        notes += [f"{one.name}: {note}" for note in beside(saved[-1])]
        notes += [f"{one.name}: {note}" for note in one.dataset.notes]
    return Brought(tuple(saved), tuple(there), tuple(notes))


def beside(saved: SavedDataset) -> Iterable[str]:
    """What is told of a dataset that was saved just now, if its table is another than its name says."""
    if saved.table_slug != saved.slug:
        yield (
            f"The table {saved.slug} in the lake stayed from a deleted dataset and is left as it is; this one fills "
            f"{saved.table_slug}."
        )


def _arrival(store: Store, guard: Guard, number: int, source: Source, now: datetime) -> Arrival:
    name = _name(source.values)
    checked = check(source, now)
    faults = [*map(str, checked.problems), *_account_faults(guard, source)]
    known: SavedDataset | None = None
    try:
        if checked.dataset is not None:
            known = store.datasets.named(checked.dataset.name)
    except InputError as error:
        faults.append(error.message)
    if known is not None and not (guard.may(DatasetRight.SEE, known) and _is_same(known, source)):
        faults.append(
            f"name: there is another dataset {name!r} already. Give one of them another name, or change that one."
        )
    return Arrival(number, name, source, checked.dataset, known, tuple(faults))


def _account_faults(guard: Guard, source: Source) -> Iterable[str]:
    """Why the account that the file names cannot be used."""
    account = source.values.get("account")
    if not isinstance(account, str) or not account.strip():
        # The check has told of it.
        return
    try:
        guard.usable(account.strip())
    except (InputError, ForbiddenError) as error:
        yield error.message


def _is_same(known: SavedDataset, source: Source) -> bool:
    """Whether the file says what is saved, in whatever order."""
    return bool(source_of(known).values == json.loads(spec_of(source)))


def _name(values: Mapping[str, Any]) -> str:
    return " ".join(str(values.get("name") or "").split())


def _with_fault(arrival: Arrival, fault: str) -> Arrival:
    return Arrival(
        arrival.number, arrival.name, arrival.source, arrival.dataset, arrival.known, (*arrival.faults, fault)
    )
