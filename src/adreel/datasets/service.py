"""What people do to datasets: each checks the right through `adreel.access`, writes, and gives what is saved."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from adreel.access import DatasetRight, Guard
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.schema import key
from adreel.datasets.stored import dataset_of, spec_of
from adreel.errors import DatasetError, ExistsError, InputError
from adreel.store import SavedDataset
from adreel.store.names import clean_name
from adreel.update_methods import Method

if TYPE_CHECKING:
    from adreel.lake import Lake


def save(guard: Guard, dataset: Dataset, now: datetime) -> SavedDataset:
    """The dataset of that name: the actor's new one, or the one that is there changed.

    Errors as `create` and `change`; ExistsError if the name is taken by a dataset that the actor may not see.
    """
    saved = guard.store.datasets.named(dataset.name)
    if saved is None:
        return create(guard, dataset)
    if not guard.may(DatasetRight.SEE, saved):
        raise ExistsError(f"there is a dataset {saved.name!r} already; choose another name.")
    return change(guard, saved, dataset, now)


def create(guard: Guard, dataset: Dataset) -> SavedDataset:
    """A new dataset of the actor's over an account that they may use.

    ForbiddenError and NotFoundError as `Guard.usable`; ExistsError if the name is taken, by whomever and however late.
    """
    return guard.store.datasets.create(
        dataset.name,
        account=guard.usable(dataset.account),
        spec=spec_of(dataset.source),
        description=dataset.description,
        tags=dataset.tags,
        owner=guard.actor.user,
    )


def change(guard: Guard, saved: SavedDataset, dataset: Dataset, now: datetime) -> SavedDataset:
    """A saved dataset changed to this one, its name too, in one transaction.

    Its account may be another that the actor may use. InputError where rows of the table and new rows could not be
    told apart, ExistsError if the name is taken.
    """
    guard.need(DatasetRight.EDIT, saved)
    if not saved.connected or dataset.account != saved.account_name:
        account = guard.usable(dataset.account)
    else:
        account = guard.store.accounts.get(dataset.account)
    spec = spec_of(dataset.source)
    if spec != saved.spec:
        _refuse_other_key(saved, dataset, now)
    name = clean_name(dataset.name, "a dataset")
    if spec == saved.spec and saved.account_id == account.id and name == saved.name:
        return saved
    return guard.store.datasets.update(
        saved, name=name, spec=spec, description=dataset.description, tags=dataset.tags, account=account
    )


def losses(
    guard: Guard, dataset: Dataset, lake: Lake, now: datetime, saved: SavedDataset | None = None
) -> tuple[str, ...]:
    """What the next run takes out of the table once `saved` is changed to this one, in sentences.

    `saved` is the dataset of that name unless it is given; nothing of one that the actor may not see.
    """
    # Imported here: the lake, which the other uses need not load.
    from adreel.datasets.replacement import loss_by_change

    changed = saved or guard.store.datasets.named(dataset.name)
    if changed is None or not guard.may(DatasetRight.SEE, changed):
        return ()
    try:
        before = dataset_of(changed, now)
    except DatasetError:
        return ()
    return loss_by_change(lake, changed.table_slug, before, dataset, now)


def tag(guard: Guard, saved: SavedDataset, tags: Iterable[str]) -> SavedDataset:
    """A saved dataset with these tags and no others, in its file too. InputError for what cannot be a tag."""
    guard.need(DatasetRight.EDIT, saved)
    wanted = list(dict.fromkeys(clean_name(one, "a tag") for one in tags))
    values = {name: value for name, value in json.loads(saved.spec).items() if name != "tags"}
    spec = spec_of(Source(values | ({"tags": wanted} if wanted else {}), {}))
    return guard.store.datasets.update(saved, spec=spec, tags=wanted)


def _refuse_other_key(saved: SavedDataset, dataset: Dataset, now: datetime) -> None:
    """Rows named by another key cannot stand in one table, unless the table is set up afresh by each run."""
    before = key(dataset_of(saved, now))
    after = key(dataset)
    fresh = dataset.update.method is Method.REPLACE and dataset.reset_schema
    if before != after and not fresh:
        raise InputError(
            f"The rows of {saved.name!r} are named by {', '.join(before)}; with this change they would be named by "
            f"{', '.join(after)}, and old and new rows could not be told apart. Give the dataset another name, or set "
            "update: {method: replace} and reset_schema: true."
        )
