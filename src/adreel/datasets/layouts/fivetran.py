"""The tables of Fivetran's TikTok Ads connector, which the public dbt packages `tiktok_ads` and `ad_reporting` read.

Names and types: the seeds, macros and tests of tiktok_ads 1.2.0 and ad_reporting 2.3.0, and Fivetran's entity diagram
(fivetran.com/connector-erd/tiktok_ads); `smart_plus_ad_history`, of tiktok_ads 1.5 and later, from its release notes.
`fivetran_columns.csv` has one line for each column: its table, name and type, whether it is the key, required, read by
these packages or not, and the column of adreel's report that it comes from.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import cast

import pyarrow as pa

from adreel.datasets.dataset import Dataset
from adreel.datasets.layouts.tables import (
    ARROW_TYPES,
    Attributes,
    ColumnType,
    ColumnUse,
    LayoutColumn,
    LayoutRows,
    LayoutTable,
    Measure,
    converted,
    filled,
    whole_number,
)
from adreel.datasets.schema import columns as columns_of
from adreel.lake.engine import quoted

SYNCED = "_fivetran_synced"
VERSION = "updated_at"
UNKNOWN_COUNTRY = "ZZ"
"""The country of viewers that TikTok does not know, which is part of a key."""

SMART_PLUS = "smart_plus_ad_history"
"""A table of newer packages, which is made where somebody asks for it."""

_ENTITIES = {
    "campaigns": "campaign_history",
    "ad_groups": "adgroup_history",
    "ads": "ad_history",
    "smart_plus_ads": SMART_PLUS,
}
_HISTORY_IDS = {
    "campaign_history": "campaign_id",
    "adgroup_history": "adgroup_id",
    "ad_history": "ad_id",
    SMART_PLUS: "smart_plus_ad_id",
}
_VERSIONS = {SMART_PLUS: "modify_time"}
"""Where the time of a version is not called `updated_at`."""

_LEVELS = {"campaign": "campaign_history", "adgroup": "adgroup_history", "ad": "ad_history"}
_IDS = ("advertiser_id", "campaign_id", "adgroup_id", "ad_id", "smart_plus_ad_id")
_NUMBERS = ("bigint", "decimal", "double")
_CONTEXT = frozenset({"advertiser_id", "currency", "timezone", "stat_time_hour_utc", "start_date", "end_date"})

TABLES = (
    "advertiser",
    *_HISTORY_IDS,
    *(f"{level}_report_hourly" for level in _LEVELS),
    "campaign_country_report",
)
"""Every table, those that others are joined to first."""


def usual_tables(*, smart_plus: bool = False) -> tuple[str, ...]:
    """The tables that all versions of the packages read; with `smart_plus` also that of newer ones."""
    return tuple(table for table in TABLES if smart_plus or table != SMART_PLUS)


@dataclass(frozen=True, slots=True)
class FivetranColumn:
    """A line of `fivetran_columns.csv`; `source` is empty where adreel's reports have nothing for the column."""

    table: str
    name: str
    type: ColumnType
    use: ColumnUse
    source: str


@cache
def _columns() -> Mapping[str, tuple[FivetranColumn, ...]]:
    with Path(__file__).with_name("fivetran_columns.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            FivetranColumn(
                row["table"],
                row["column"],
                cast(ColumnType, row["type"]),
                cast(ColumnUse, row["use"]),
                row["source"],
            )
            for row in csv.DictReader(file, strict=True)
        ]
    return MappingProxyType({name: tuple(row for row in rows if row.table == name) for name in TABLES})


def columns_in(table: str) -> tuple[FivetranColumn, ...]:
    """The columns of a table, without the times that adreel itself writes."""
    return _columns()[table]


def table_name(dataset: Dataset) -> str | None:
    """The table that the dataset fills; None if it fills none."""
    if dataset.report == "advertisers":
        return "advertiser"
    if dataset.report in _ENTITIES:
        return _ENTITIES[dataset.report]
    if dataset.report != "performance" or dataset.made_as or dataset.service_type != "auction" or not dataset.level:
        return None
    if dataset.id_dimension != f"{dataset.level}_id" or dataset.level not in _LEVELS:
        return None
    if dataset.report_type == "basic" and not dataset.breakdowns and dataset.time in ("hour", "day"):
        return f"{dataset.level}_report_hourly"
    if dataset.level == "campaign" and dataset.time == "day" and dataset.breakdowns == ("country_code",):
        return "campaign_country_report"
    return None


def missing_sources(dataset: Dataset) -> tuple[str, ...]:
    """The dataset's columns without which figures of the packages would be wrong, that it does not have."""
    name = table_name(dataset)
    assert name is not None, dataset
    there = {column.name for column in columns_of(dataset)}
    needed = [column for column in columns_in(name) if column.use in ("key", "required") and column.source]
    return tuple(column.source for column in needed if _source(column, there) not in there)


def _source(column: FivetranColumn, there: set[str] | frozenset[str]) -> str:
    """The dataset's column for a column; rows of a day are those of its first hour."""
    if column.name == "stat_time_hour" and "stat_time_hour" not in there:
        return "stat_time_day"
    return column.source


def metrics_for(table: str) -> tuple[str, ...]:
    """The metrics and attributes that a dataset for the table asks for, whether or not its report has them."""
    level = table.partition("_")[0]
    attributes = {
        "ad": ("ad_name", "adgroup_id", "campaign_id"),
        "adgroup": ("adgroup_name", "campaign_id"),
        "campaign": ("campaign_name",),
    }[level]
    keys = ("stat_time_hour", "stat_time_day", "country_code", f"{level}_id")
    return (
        *attributes,
        *(column.source for column in columns_in(table) if column.source and column.source not in keys),
    )


def bound(dataset: Dataset, schema: pa.Schema) -> LayoutTable:
    """The table with the SQL that fills it from the dataset's table, which has these columns."""
    name = table_name(dataset)
    assert name is not None, dataset
    lake = {field.name: field.type for field in schema}
    columns = tuple(_bound(column, lake) for column in columns_in(name))
    if name == "advertiser":
        return LayoutTable(name, LayoutRows.ENTITY, ("id",), "id", columns, SYNCED, ids=("advertiser_id",))
    if name in _HISTORY_IDS:
        entity, version = _HISTORY_IDS[name], _VERSIONS.get(name, VERSION)
        times = [quoted(column) for column in ("modify_time", "create_time") if column in lake]
        return LayoutTable(
            name,
            LayoutRows.HISTORY,
            (entity, version),
            entity,
            columns,
            SYNCED,
            version=version,
            changed=f"coalesce({', '.join([*times, 'NULL'])})",
            ids=tuple(column for column in _IDS if column in lake),
        )
    return _report(name, columns, lake)


def _report(name: str, columns: tuple[LayoutColumn, ...], lake: Mapping[str, pa.DataType]) -> LayoutTable:
    key = tuple(column.name for column in columns if column.use == "key")
    entity = key[0]
    taken = {column.source for column in columns_in(name)} | _CONTEXT | {"stat_time_day", "stat_time_hour"}
    further = {column: fivetran_name(column) for column in lake if column not in taken}
    more = tuple(_further(column, title, lake[column]) for column, title in further.items() if _is_number(lake[column]))
    every = (*columns, *(column for column in more if column.name not in {own.name for own in columns}))
    history = _LEVELS[entity.removesuffix("_id")]
    time = next(column for column in lake if column in ("stat_time_hour", "stat_time_day"))
    attributes = Attributes(
        history,
        VERSION,
        tuple((column.name, column.type) for column in columns_in(history)),
        quoted(time),
        MappingProxyType(dict(_attribute_values(history, lake))),
    )
    return LayoutTable(
        name,
        LayoutRows.REPORT,
        key,
        entity,
        every,
        SYNCED,
        measures=tuple(_measure(column) for column in every if column.use != "key" and column.type in _NUMBERS),
        time="stat_time_day" if "stat_time_day" in key else "stat_time_hour",
        ids=("advertiser_id", entity),
        attributes=attributes,
        left_out=tuple(
            column for column in further if not _is_number(lake[column]) and column not in attributes.values
        ),
    )


def _measure(column: LayoutColumn) -> Measure:
    return Measure(column.name, column.value or "NULL", quoted(column.name), ARROW_TYPES[column.type])


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind))


def _further(source: str, name: str, kind: pa.DataType) -> LayoutColumn:
    """A column that only this dataset has, as for the packages' passthrough metrics."""
    types: tuple[tuple[bool, ColumnType], ...] = (
        (pa.types.is_integer(kind), "bigint"),
        (pa.types.is_decimal(kind), "decimal"),
    )
    to: ColumnType = next((to for fits, to in types if fits), "double")
    return LayoutColumn(name, to, "other", quoted(source))


def fivetran_name(name: str) -> str:
    """A name of the API as Fivetran writes it: numbers apart, as in `video_views_p_25`."""
    return re.sub(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])", "_", name)


def _attribute_values(history: str, lake: Mapping[str, pa.DataType]) -> Iterator[tuple[str, str]]:
    """What a report says of an entity that has no row in the history table."""
    for column in columns_in(history):
        if column.source in lake and column.name not in ("budget", "status", _HISTORY_IDS[history]):
            if column.type == "bigint" and column.use in ("required", "key"):
                yield column.name, whole_number(quoted(column.source), strict=True)
            elif column.type == "text" and column.use == "required":
                yield column.name, filled(quoted(column.source))


def _bound(column: FivetranColumn, lake: Mapping[str, pa.DataType]) -> LayoutColumn:
    source = _source(column, frozenset(lake))
    if source not in lake:
        return LayoutColumn(column.name, column.type, column.use, None)
    if column.table == SMART_PLUS:
        return _smart_plus(column)
    special = _SPECIAL.get((column.table, column.name))
    if special is not None:
        needed, value = special
        shown = value if all(name in lake for name in needed) else quoted(source)
        return LayoutColumn(column.name, column.type, column.use, shown)
    value, to = converted(source, column.type, lake[source], strict=column.use in ("key", "required"))
    return LayoutColumn(column.name, to, column.use, value)


_CONFIGURATION = "ad_configuration"
_NESTED = ("tracking_info", "phone_info", "product_info")
"""Objects in the settings of a Smart+ ad, whose fields Fivetran's columns are named after."""


def _smart_plus(column: FivetranColumn) -> LayoutColumn:
    """A column of Smart+ ads: their lists have JSON, and most other settings are in one object."""
    name = quoted(column.source)
    if column.source == _CONFIGURATION:
        nested = next((field for field in _NESTED if column.name.startswith(f"{field}_")), None)
        path = f"$.{nested}.{column.name.removeprefix(f'{nested}_')}" if nested else f"$.{column.name}"
        text = f"json_extract_string({_CONFIGURATION}, '{path}')"
        value = {"json": text, "boolean": f"TRY_CAST({text} AS BOOLEAN)"}.get(column.type, filled(text))
    elif column.name == "landing_page_url_list":
        # The packages take the smallest URL of an array of texts.
        value = f"CAST(to_json([json_extract_string(page, '$.landing_page_url') FOR page IN {name}]) AS VARCHAR)"
    elif column.type == "json":
        value = f"CAST(to_json([CAST(item AS JSON) FOR item IN {name}]) AS VARCHAR)"
    elif column.type == "bigint":
        value = whole_number(name, strict=True)
    else:
        value = filled(name) if column.type == "text" else name
    return LayoutColumn(column.name, column.type, column.use, value)


_ACTION_LISTS = "CAST(to_json(flatten([json_extract_string(action, '$.{}[*]') FOR action IN actions])) AS VARCHAR)"

_BASE = "regexp_extract(landing_page_url, '^[^#]*')"
_KEY, _VALUE = "json_extract_string(param, '$.key')", "json_extract_string(param, '$.value')"
_PARAMS = (
    f"array_to_string([{_KEY} || '=' || url_encode({_VALUE}) FOR param IN coalesce(utm_params, []) "
    f"IF {_KEY} IS NOT NULL AND {_VALUE} IS NOT NULL "
    f"AND NOT contains(replace({_BASE}, '?', '&'), '&' || {_KEY} || '=')], '&')"
)
_LANDING_PAGE = (
    f"CASE WHEN {filled('landing_page_url')} IS NULL OR {_PARAMS} = '' THEN {filled('landing_page_url')} "
    f"ELSE {_BASE} || CASE WHEN NOT contains({_BASE}, '?') THEN '?' "
    f"WHEN right({_BASE}, 1) IN ('?', '&') THEN '' ELSE '&' END || {_PARAMS} "
    f"|| substr(landing_page_url, length({_BASE}) + 1) END"
)
"""The address with the ad's `utm_params` in its query, as the packages read utm_source and others from nothing else."""

_COUNTRY = f"coalesce({filled('country_code')}, '{UNKNOWN_COUNTRY}')"

_SPECIAL: Mapping[tuple[str, str], tuple[tuple[str, ...], str]] = MappingProxyType(
    {
        ("adgroup_history", "action_days"): (
            ("actions",),
            "TRY_CAST(json_extract_string(actions[1], '$.action_period') AS BIGINT)",
        ),
        ("adgroup_history", "action_categories"): (("actions",), _ACTION_LISTS.format("action_category_ids")),
        ("adgroup_history", "video_actions"): (("actions",), _ACTION_LISTS.format("video_user_actions")),
        ("adgroup_history", "video_download"): (
            ("video_download_disabled",),
            "CASE video_download_disabled WHEN true THEN 'PREVENT_DOWNLOAD' WHEN false THEN 'ALLOW_DOWNLOAD' END",
        ),
        ("ad_history", "landing_page_url"): (("landing_page_url", "utm_params"), _LANDING_PAGE),
        ("campaign_country_report", "country_code"): (
            ("country_code",),
            f"CASE WHEN {filled('country_code')} IN ('None') THEN '{UNKNOWN_COUNTRY}' ELSE {_COUNTRY} END",
        ),
    }
)
"""Values that are no column as it is: the columns that they need, and their SQL."""
