"""The form in which the store keeps a dataset: read back, converted, and written as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import yaml

from adreel import catalog
from adreel.datasets import menus
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.validation import parse
from adreel.errors import InputError, did_you_mean
from adreel.store import SavedDataset


def spec_of(source: Source) -> str:
    """A dataset file as the store keeps it."""
    return json.dumps(source.values, ensure_ascii=False, allow_nan=False, default=str)


def dataset_of(saved: SavedDataset, now: datetime, dates: tuple[str, str] | None = None) -> Dataset:
    """The saved dataset read back, with other dates if they are given. DatasetError if it does not hold any more."""
    return parse(source_of(saved, dates), now)


def source_of(saved: SavedDataset, dates: tuple[str, str] | None = None) -> Source:
    """The saved dataset's file as values, with other dates if they are given."""
    values: dict[str, Any] = json.loads(saved.spec) | {"account": saved.account_name}
    if dates is not None:
        values = {**values, "dates": {"start": dates[0], "end": dates[1]}}
    return Source(values, {})


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


def account_id_of(saved: SavedDataset) -> int:
    """The id of the account that a saved dataset reads. InputError if the dataset is disconnected."""
    if saved.account_id is None:
        raise InputError(disconnected(saved))
    return saved.account_id


def disconnected(saved: SavedDataset) -> str:
    """What is wrong with a dataset whose account was deleted, and what to do."""
    return (
        f"Dataset {saved.name!r} is disconnected: its account {saved.account_name!r} was deleted. "
        f"Choose another account with: adreel datasets edit {saved.slug}"
    )


def refuse_deprecated(source: Source) -> None:
    """Raises InputError if the file is of a report that new datasets cannot have."""
    name = str(source.values.get("report") or "")
    report = catalog.REPORTS.get(name)
    if report is not None and report.deprecated:
        offered = [other.name for other in catalog.REPORTS.values() if not other.deprecated]
        near = menus.nearest(name, offered) or "performance"
        raise InputError(
            f"report: {name} is deprecated and not available for new datasets.{did_you_mean(near)} To import a dataset "
            "of the older connector: adreel datasets import FILE"
        )
