"""Datasets imported from a file: all problems of each are reported, and all are saved or none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from adreel.access import DatasetRight, Guard, RoleRight
from adreel.datasets import service
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.files import MOST_PROBLEMS
from adreel.datasets.stored import source_of, spec_of
from adreel.datasets.validation import check
from adreel.errors import DatasetError, ExistsError, ForbiddenError, InputError, NotFoundError, Problem
from adreel.language import integer, phrase
from adreel.store import SavedDataset, Store

MOST_FAULTS = 100
SLACK = 2
LONGEST_FAULT = 600
LONGEST_NAME = 200
"""Of the answer to a file that cannot be imported: faults in all, how many more are not worth a cut, and the characters
of a fault and of a name."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One dataset of a file: `existing` is the same dataset if it is here already, `faults` why it cannot be saved."""

    number: int
    name: str
    source: Source
    dataset: Dataset | None
    existing: SavedDataset | None
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Brought:
    """What an import did: `saved` are new, `there` were here already, just so; `notes` are told of the new ones."""

    saved: tuple[SavedDataset, ...]
    there: tuple[SavedDataset, ...]
    notes: tuple[str, ...]


def with_account(source: Source, account: str) -> Source:
    """The same dataset over another account."""
    return source.with_values(account=account)


def arrivals(store: Store, guard: Guard, sources: Iterable[Source], now: datetime) -> tuple[Arrival, ...]:
    """Each dataset with its faults; nothing is saved. ForbiddenError for who may not create datasets."""
    guard.need_role(RoleRight.IMPORT)
    names: set[str] = set()
    checked: list[Arrival] = []
    for number, source in enumerate(sources, start=1):
        arrival = _arrival(store, guard, number, source, now)
        if arrival.name in names:
            fault = phrase("The file has two datasets named %(name)s. Rename one.", name=repr(arrival.name))
            arrival = _with_fault(arrival, fault)
        names.add(arrival.name)
        checked.append(arrival)
    refused = store.datasets.refusals(
        arrival.name for arrival in checked if arrival.existing is None and not arrival.faults
    )
    named = (
        _with_fault(arrival, f"name: {refused[arrival.name]}") if arrival.name in refused else arrival
        for arrival in checked
    )
    return tuple(_shortened(tuple(named)))


def _shortened(unshortened: Sequence[Arrival]) -> Iterator[Arrival]:
    """The same with at most `MOST_FAULTS` or so in all: each that has faults keeps some, and says how many more."""
    most = max(1, MOST_FAULTS // max(1, sum(bool(arrival.faults) for arrival in unshortened)))
    for arrival in unshortened:
        faults = [text if len(text) <= LONGEST_FAULT else f"{text[:LONGEST_FAULT]}…" for text in arrival.faults]
        more = len(faults) - most
        # The check of one dataset has cut its own list, whose last line says so.
        rest = (
            phrase("and at least %(problems)s more problems.", problems=integer(more))
            if len(faults) > MOST_PROBLEMS
            else phrase("and %(problems)s more problems.", problems=integer(more))
        )
        listed = faults if more <= SLACK else [*faults[:most], rest]
        yield replace(arrival, name=arrival.name[:LONGEST_NAME], faults=tuple(listed))


def bring(guard: Guard, checked: Sequence[Arrival]) -> Brought:
    """Saves every dataset that is not here yet in one transaction: all or none.

    DatasetError with all faults; ExistsError if the name of one was taken meanwhile; else as `service.create_all`.
    """
    faults = [Problem(f"dataset {arrival.number}", fault) for arrival in checked for fault in arrival.faults]
    if faults:
        raise DatasetError(tuple(faults))
    datasets = [arrival.dataset for arrival in checked if arrival.existing is None and arrival.dataset is not None]
    try:
        saved = service.create_all(guard, datasets)
    except ExistsError as error:
        raise ExistsError(phrase("Nothing was imported. %(reason)s", reason=error.message)) from error
    notes = [
        f"{dataset.name}: {note}"
        for new, dataset in zip(saved, datasets, strict=True)
        for note in (*beside(new), *dataset.notes)
    ]
    return Brought(saved, tuple(arrival.existing for arrival in checked if arrival.existing is not None), tuple(notes))


def beside(saved: SavedDataset) -> Iterable[str]:
    """What is told of a dataset that was saved just now, if its table is another than its name says."""
    if saved.table_slug != saved.slug:
        yield (
            phrase(
                "The lake still has the table %(table)s of a deleted dataset; this one writes to %(own_table)s.",
                table=saved.slug,
                own_table=saved.table_slug,
            )
        )


def _arrival(store: Store, guard: Guard, number: int, source: Source, now: datetime) -> Arrival:
    name = _name(source.values)
    checked = check(source, now)
    faults = [*map(str, checked.problems), *_account_faults(guard, source)]
    dataset: SavedDataset | None = None
    try:
        if checked.dataset is not None:
            dataset = store.datasets.named(checked.dataset.name)
    except InputError as error:
        faults.append(error.message)
    if dataset is not None and not (guard.may(DatasetRight.SEE, dataset) and _is_same(dataset, source)):
        faults.append(
            phrase(
                "name: another dataset is named %(name)s. Rename one of them, or edit the existing one.",
                name=repr(name),
            )
        )
    return Arrival(number, name, source, checked.dataset, dataset, tuple(faults))


def _account_faults(guard: Guard, source: Source) -> Iterable[str]:
    """Why the account that the file names cannot be used."""
    account = source.values.get("account")
    if not isinstance(account, str) or not account.strip():
        # The check has told of it.
        return
    try:
        guard.usable(account.strip())
    except NotFoundError:
        yield str(service.unknown_account(guard, source))
    except (InputError, ForbiddenError) as error:
        yield error.message


def _is_same(dataset: SavedDataset, source: Source) -> bool:
    """Whether the file says what is saved, in whatever order."""
    return bool(source_of(dataset).values == json.loads(spec_of(source)))


def _name(values: Mapping[str, Any]) -> str:
    return " ".join(str(values.get("name") or "").split())


def _with_fault(arrival: Arrival, fault: str) -> Arrival:
    return replace(arrival, faults=(*arrival.faults, fault))
