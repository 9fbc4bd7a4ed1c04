"""The form in which the store keeps a dataset: read back, converted, and written as a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import yaml

from adreel import catalog
from adreel.datasets import calculated, menus
from adreel.datasets.dataset import Dataset, PublishTarget, Source
from adreel.datasets.publish_targets import read_publish
from adreel.datasets.validation import ENDING_KEYS, TIMING_KEYS, check, parse
from adreel.errors import InputError, did_you_mean
from adreel.language import phrase
from adreel.scheduling import Schedule, read_schedule
from adreel.scheduling.durations import read_retry, read_stale_after
from adreel.scheduling.reading import Fault
from adreel.scheduling.schedule import Retry
from adreel.store import SavedDataset
from adreel.store.datasets import Timing


def spec_of(source: Source) -> str:
    """A dataset file as the store keeps it."""
    return json.dumps(source.values, ensure_ascii=False, allow_nan=False, default=str)


def dataset_of(saved: SavedDataset, now: datetime, dates: tuple[str, str] | None = None) -> Dataset:
    """The saved dataset read back, with other dates if they are given. DatasetError if it does not hold any more."""
    return parse(source_of(saved, dates), now)


def parsed(spec: str, account: str) -> Dataset | None:
    """The dataset of a stored file, whatever its dates; None if it does not hold any more."""
    return check(Source({**json.loads(spec), "account": account}, {})).dataset


def source_of(saved: SavedDataset, dates: tuple[str, str] | None = None) -> Source:
    """The saved dataset's file as values, with other dates if they are given."""
    values: dict[str, Any] = json.loads(saved.spec) | {"account": saved.account_name}
    if dates is not None:
        values = {**values, "dates": {"start": dates[0], "end": dates[1]}}
    return Source(values, {})


def schedule_of(saved: SavedDataset) -> Schedule | None:
    """The saved dataset's schedule, and nothing else of its file; None for a manual one and one that is not valid."""
    return _valid(read_schedule, _timing_values(saved).get("schedule"), None)


def retry_of(saved: SavedDataset) -> Retry | None:
    """How the saved dataset's scheduled runs are retried; None if they are not. The default for one not valid."""
    default: Retry | None = Retry()
    return _valid(read_retry, _timing_values(saved).get("retry"), default)


def timing_of(saved: SavedDataset) -> Timing:
    """When the saved dataset updates, as its file says."""
    return Timing(schedule_of(saved), _valid(read_stale_after, _timing_values(saved).get("stale_after"), None))


def publish_targets_of(saved: SavedDataset) -> tuple[PublishTarget, ...]:
    """Where the saved dataset publishes its table; nowhere for one that is not valid."""
    nowhere: tuple[PublishTarget, ...] = ()
    # Without reading JSON, as few datasets publish and many are looked at.
    return _valid(read_publish, _timing_values(saved).get("publish"), nowhere) if '"publish"' in saved.spec else nowhere


def _timing_values(saved: SavedDataset) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(saved.spec)
    return values


_T = TypeVar("_T")


def _valid(read: Callable[[Any, Fault], _T], value: Any, otherwise: _T) -> _T:
    """What `read` makes of a value that it reports no fault of."""
    faults: list[str] = []
    outcome = read(value, lambda key, _reason: faults.append(key))
    return otherwise if faults else outcome


def without_field(saved: SavedDataset) -> dict[str, Any]:
    """What the saved dataset's file says that no field of the form of its settings is for."""
    values = _timing_values(saved)
    return {name: values[name] for name in ("publish",) if name in values}


def asks_the_same(spec: str, other: str) -> bool:
    """Whether two datasets as the store keeps them ask the same, however they are named, timed, ordered and published.

    Their runs ask TikTok the same and write the same table, so that one of them can resume what the other began.
    """
    first, second = (
        {key: _unordered(key, value) for key, value in json.loads(text).items() if key not in _UNASKED}
        for text in (spec, other)
    )
    return bool(first == second)


_UNASKED = frozenset({"name", "description", "tags", "publish", "excludes_gmv_max", "reading", *TIMING_KEYS})

_COLUMN_LISTS = frozenset({"metrics", "fields", "info_fields"})
"""Keys of columns that are asked for: in which order they are listed matters to readers alone."""


def _unordered(key: str, value: Any) -> Any:
    return sorted(value, key=str) if key in _COLUMN_LISTS and isinstance(value, list) else value


def as_file(values: Mapping[str, Any]) -> str:
    """A dataset as a dataset file, its keys in the order of the menus."""
    report = catalog.REPORTS[str(values["report"])]
    order = ["name", "description", "tags", "account", "report", *(menu.name for menu in report.menus)]
    order += [calculated.KEY, *ENDING_KEYS]
    ordered = {name: values[name] for name in order if name in values}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=100)


def converted(dataset: Dataset) -> dict[str, Any]:
    """The same dataset as one of the Performance report: what a deprecated report asked, in today's menus."""
    if dataset.made_as is None:
        raise InputError(
            phrase(
                "Dataset %(dataset)s needs no conversion: its report is already %(report)s.",
                dataset=repr(dataset.name),
                report=dataset.report,
            )
        )
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
    *ENDING_KEYS,
)


def account_id_of(saved: SavedDataset) -> int:
    """The id of the account that a saved dataset reads. InputError if the dataset is disconnected."""
    if saved.account_id is None:
        raise InputError(disconnected(saved))
    return saved.account_id


def disconnected(saved: SavedDataset) -> str:
    """What is wrong with a dataset whose account was deleted, and what to do."""
    return phrase(
        "Dataset %(dataset)s is disconnected: its account %(account)s was deleted. Choose "
        "another account with: %(command)s",
        dataset=repr(saved.name),
        account=repr(saved.account_name),
        command=f"adreel datasets edit {saved.slug}",
    )


def refuse_deprecated(source: Source) -> None:
    """Raises InputError if the file is of a report that new datasets cannot have."""
    name = str(source.values.get("report") or "")
    report = catalog.REPORTS.get(name)
    if report is not None and report.deprecated:
        offered = [other.name for other in catalog.REPORTS.values() if not other.deprecated]
        near = menus.nearest(name, offered) or "performance"
        refusal = phrase("report: %(report)s is deprecated and not available for new datasets.", report=name)
        advice = phrase(
            "To import a dataset of the older connector: %(command)s", command="adreel datasets import FILE"
        )
        raise InputError(f"{refusal}{did_you_mean(near)} {advice}")
