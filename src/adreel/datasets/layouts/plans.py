"""The datasets that fill the tables of a layout for an account, created at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adreel import catalog
from adreel.access import DatasetRight, Guard
from adreel.datasets import menus, service
from adreel.datasets.dataset import Source
from adreel.datasets.layouts import WarehouseLayout, fivetran, saved_table
from adreel.datasets.stored import publish_targets_of
from adreel.datasets.templates import free_name
from adreel.datasets.validation import parse
from adreel.datasets.values import texts
from adreel.errors import InputError
from adreel.language import Phrase, phrase
from adreel.store import Destination, SavedDataset
from adreel.store.users import name_key

LOOKBACK = 28
"""Days that each run reads again: the longest usual attribution window."""

_REPORTS = {
    "advertiser": "advertisers",
    "campaign_history": "campaigns",
    "adgroup_history": "ad_groups",
    "ad_history": "ads",
    fivetran.SMART_PLUS: "smart_plus_ads",
}

_MISSING_TABLES = Phrase(
    "Not filled: location (TikTok's list of places) and creative_history, as no report of adreel has their rows. Set "
    "tiktok_ads__using_location and tiktok_ads__using_creative_history to false in dbt."
)
_NO_SMART_PLUS = Phrase(
    "Not filled: smart_plus_ad_history, which newer dbt packages read. Set tiktok_ads__using_smart_plus_ads to false "
    "in dbt, or create its dataset as well with --smart-plus."
)


@dataclass(frozen=True, slots=True)
class PlannedDatasets:
    """Datasets to create, as values of dataset files by table, and those that fill tables already."""

    sources: dict[str, dict[str, Any]]
    existing: tuple[tuple[SavedDataset, str], ...]


def plan(
    guard: Guard, destination: Destination, account: str, *, daily: bool, every: str | None, smart_plus: bool
) -> PlannedDatasets:
    """The datasets of Fivetran's tables that the account does not have yet. InputError for another layout.

    `smart_plus` adds the table that packages read since tiktok_ads 1.5.
    """
    if destination.layout != WarehouseLayout.FIVETRAN:
        raise InputError(
            phrase(
                "The destination %(destination)s does not have the layout fivetran. Attach datasets one by one: "
                "%(command)s",
                destination=repr(destination.name),
                command=f"adreel destinations attach DATASET {destination.name}",
            )
        )
    existing = {table: saved for saved, table in _publishing(guard, destination, account)}
    sources = {
        table: _file(guard, destination, account, table, daily=daily, every=every)
        for table in fivetran.usual_tables(smart_plus=smart_plus)
        if table not in existing
    }
    return PlannedDatasets(sources, tuple((saved, table) for table, saved in existing.items()))


def _publishing(guard: Guard, destination: Destination, account: str) -> Iterator[tuple[SavedDataset, str]]:
    """Datasets of the account that publish there, and their tables."""
    for saved in guard.store.datasets.list():
        targets = {name_key(target.destination) for target in publish_targets_of(saved)}
        same_account = name_key(saved.account_name) == name_key(account)
        if same_account and name_key(destination.name) in targets and guard.may(DatasetRight.SEE, saved):
            table = saved_table(destination.layout, saved)
            if table is not None:
                yield saved, table


def _file(
    guard: Guard, destination: Destination, account: str, table: str, *, daily: bool, every: str | None
) -> dict[str, Any]:
    """The dataset file of a table."""
    title = f"{table} ({account})"
    values: dict[str, Any] = {"name": free_name(guard, title), "account": account}
    values |= _entity_values(table) if table in _REPORTS else _report_values(table, daily=daily)
    if every is not None:
        values["schedule"] = {"every": every}
    return values | {"publish": destination.name}


def _entity_values(table: str) -> dict[str, Any]:
    values: dict[str, Any] = {"report": _REPORTS[table], "update": {"method": "replace"}}
    return values if table == "advertiser" else values | {"include_deleted": True}


def _report_values(table: str, *, daily: bool) -> dict[str, Any]:
    level = table.partition("_")[0]
    by_country = table == "campaign_country_report"
    values: dict[str, Any] = {
        "report": "performance",
        "data_level": level,
        "time_dimension": "day" if daily or by_country else "hour",
        **({"targeting_dimension": "country_code"} if by_country else {}),
        "include_deleted": True,
        "dates": {"start": f"today-{LOOKBACK}", "end": "yesterday" if by_country else "today"},
        "update": {"method": "partition", "lookback": LOOKBACK},
    }
    return values | {"metrics": list(offered_metrics(values, fivetran.metrics_for(table)))}


def offered_metrics(values: dict[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the metrics that TikTok gives in such a report, in their order."""
    menus_of = catalog.REPORTS["performance"].menus
    chosen = {menu.name: texts(values.get(menu.name)) for menu in menus_of if menu.name in values}
    grouping = menus.grouping_of(catalog.REPORTS["performance"], chosen)
    metrics = catalog.metrics()
    listed = (metrics[name] for name in dict.fromkeys(names) if name in metrics)
    return tuple(metric.name for metric in listed if menus.metric_refusal(metric, grouping) is None)


def create(guard: Guard, planned: PlannedDatasets, now: datetime) -> tuple[SavedDataset, ...]:
    """Creates all of them or none. Errors as `service.create_all`."""
    return service.create_all(guard, [parse(Source(values, {}), now) for values in planned.sources.values()])


def empty_columns(planned: PlannedDatasets) -> Iterator[str]:
    """Which columns stay empty, table by table, and which tables there are not."""
    for table, values in planned.sources.items():
        report = values["report"]
        named = (
            set(values.get("metrics", ())) if report == "performance" else {f.name for f in catalog.fields()[report]}
        )
        columns = [
            column.name
            for column in fivetran.columns_in(table)
            if column.use != "key" and column.source not in named and column.source != "advertiser_id"
        ]
        if columns:
            yield phrase("Empty in %(table)s: %(columns)s.", table=table, columns=", ".join(columns))
    yield str(_MISSING_TABLES)
    if fivetran.SMART_PLUS not in {*planned.sources, *(table for _, table in planned.existing)}:
        yield str(_NO_SMART_PLUS)
