"""Dataset files into the store: made, changed, found again, and written back as a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import yaml

from adreel import catalog, menus
from adreel.dataset import Dataset, Method, Source, parse
from adreel.errors import DatasetError, InputError, NotFoundError
from adreel.schema import key
from adreel.store import Account, SavedDataset, Store, User
from adreel.store.names import clean_name

if TYPE_CHECKING:
    from adreel.lake import Lake


def save(store: Store, dataset: Dataset, now: datetime, owner: User | None = None) -> SavedDataset:
    """The dataset of that name, made or changed to this one; a new one is `owner`'s.

    Nobody is asked whether they may: that is `adreel.access.Guard.save`. Raises NotFoundError for an unknown account,
    and InputError where rows of the table and new rows could not be told apart.
    """
    saved = store.datasets.named(dataset.name)
    if saved is not None:
        return change(store, saved, dataset, now)
    return create(store, dataset, owner)


def create(store: Store, dataset: Dataset, owner: User | None = None) -> SavedDataset:
    """A new dataset of that name; errors as `save`, ExistsError if the name is taken, by whomever and however late."""
    return store.datasets.create(
        dataset.name,
        account=account_of(store, dataset),
        spec=spec_of(dataset.source),
        description=dataset.description,
        tags=dataset.tags,
        owner=owner,
    )


def spec_of(source: Source) -> str:
    """A dataset file as the store keeps it."""
    return json.dumps(source.values, ensure_ascii=False, default=str)


def change(store: Store, saved: SavedDataset, dataset: Dataset, now: datetime) -> SavedDataset:
    """A saved dataset changed to this one, its name too."""
    account = account_of(store, dataset)
    spec = spec_of(dataset.source)
    if spec != saved.spec:
        _refuse_other_key(saved, dataset, now)
    if clean_name(dataset.name, "a dataset") != saved.name:
        saved = store.datasets.rename(saved, dataset.name)
    if spec == saved.spec and saved.account_id == account.id:
        return saved
    return store.datasets.update(saved, spec=spec, description=dataset.description, tags=dataset.tags, account=account)


def losses(lake: Lake, saved: SavedDataset, dataset: Dataset, now: datetime) -> tuple[str, ...]:
    """What the next run takes out of the table once the saved dataset is changed to this one, in sentences."""
    # Imported here: the lake, which the other uses need not load.
    from adreel.replacement import loss_by_change

    try:
        before = dataset_of(saved, now)
    except DatasetError:
        return ()
    return loss_by_change(lake, saved.table_slug, before, dataset, now)


def tag(store: Store, saved: SavedDataset, tags: Iterable[str]) -> SavedDataset:
    """A saved dataset with these tags and no others, in its file too. InputError for what cannot be a tag."""
    cleaned = list(dict.fromkeys(clean_name(name, "a tag") for name in tags))
    values = {name: value for name, value in json.loads(saved.spec).items() if name != "tags"}
    spec = spec_of(Source(values | ({"tags": cleaned} if cleaned else {}), {}))
    return store.datasets.update(saved, spec=spec, tags=cleaned)


def _refuse_other_key(saved: SavedDataset, dataset: Dataset, now: datetime) -> None:
    """Rows named by another key cannot stand in one table, unless the table is set up afresh by each run."""
    before = key(dataset_of(saved, now))
    after = key(dataset)
    fresh = dataset.update.method is Method.REPLACE and dataset.reset_schema
    if before != after and not fresh:
        raise InputError(
            f"This change alters the primary key of {saved.name!r} from {', '.join(before)} to {', '.join(after)}, but "
            "its table has rows with the old key. Create a new dataset instead, or choose the update method replace "
            "and turn on Reset schema (reset_schema)."
        )


def dataset_of(saved: SavedDataset, now: datetime, dates: tuple[str, str] | None = None) -> Dataset:
    """The saved dataset read back, with other dates if they are given. DatasetError if it does not hold any more."""
    return parse(source_of(saved, dates), now)


def source_of(saved: SavedDataset, dates: tuple[str, str] | None = None) -> Source:
    """The saved dataset's file as values, with other dates if they are given."""
    values: dict[str, Any] = json.loads(saved.spec) | {"account": saved.account_name}
    if dates is not None:
        values = {**values, "dates": {"start": dates[0], "end": dates[1]}}
    return Source(values, {})


def account_of(store: Store, dataset: Dataset) -> Account:
    """The account that the dataset names."""
    try:
        return store.accounts.get(dataset.account)
    except NotFoundError as error:
        raise NotFoundError(f"account: {error.message}") from error


def as_file(values: Mapping[str, Any]) -> str:
    """A dataset as a dataset file, its keys in the order of the menus."""
    report = catalog.REPORTS[str(values["report"])]
    order = ["name", "description", "tags", "account", "report", *(menu.name for menu in report.menus), "update"]
    ordered = {name: values[name] for name in order if name in values}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=100)


def converted(dataset: Dataset) -> dict[str, Any]:
    """The same dataset as one of the Performance report: what a deprecated report asked, in today's menus."""
    if dataset.made_as is None:
        raise InputError(f"Dataset {dataset.name!r} needs no conversion: its report is already {dataset.report}.")
    values = dataset.source.values
    shared = {name: values[name] for name in _KEPT if name in values}
    performance: dict[str, Any] = {
        **shared,
        "report": "performance",
        "service_type": dataset.service_type,
        "report_type": dataset.report_type,
        "data_level": dataset.level,
        "id_dimension": dataset.id_dimension,
        "time_dimension": dataset.time,
        "metrics": list(dataset.metrics),
    }
    if dataset.breakdowns:
        name = "audience_dimensions" if dataset.report_type == "audience" else "targeting_dimension"
        performance[name] = list(dataset.breakdowns)
    return performance


_KEPT = (
    "name",
    "description",
    "tags",
    "account",
    "advertisers",
    "skip_failing_advertisers",
    "include_deleted",
    "reset_schema",
    "dates",
    "update",
)


def refuse_deprecated(source: Source) -> None:
    """Raises InputError if the file is of a report that new datasets cannot have."""
    name = str(source.values.get("report") or "")
    report = catalog.REPORTS.get(name)
    if report is not None and report.deprecated:
        offered = [other.name for other in catalog.REPORTS.values() if not other.deprecated]
        near = menus.nearest(name, offered) or "performance"
        raise InputError(
            f"report: {name} is deprecated and not available for new datasets; nearest: {near}. To import a dataset of "
            "the older connector: adreel datasets import FILE"
        )
