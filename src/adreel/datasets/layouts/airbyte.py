"""The streams of Airbyte's TikTok Marketing source, as its destinations write them.

Names and keys: manifest of source-tiktok-marketing 4.7.0; types: its stream schemas (`basic_reports`,
`audience_reports`), in which ids are integers, times have no zone, and figures are texts in the object `metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from adreel.datasets.dataset import Dataset
from adreel.datasets.layouts.tables import (
    ColumnType,
    LayoutColumn,
    LayoutRows,
    LayoutTable,
    Measure,
    as_object,
    converted,
    whole_number,
)
from adreel.datasets.schema import DECIMAL
from adreel.lake.engine import literal, quoted

SYNCED = "_airbyte_extracted_at"

_ENTITIES = {
    "advertisers": ("advertisers", "advertiser_id"),
    "campaigns": ("campaigns", "campaign_id"),
    "ad_groups": ("ad_groups", "adgroup_id"),
    "ads": ("ads", "ad_id"),
    "custom_audiences": ("audiences", "audience_id"),
}
_LEVELS = {"advertiser": "advertisers", "campaign": "campaigns", "adgroup": "ad_groups", "ad": "ads"}
_AUDIENCE_LEVELS = {**_LEVELS, "adgroup": "ad_group"}
_TIMES = {"hour": "hourly", "day": "daily"}
_CONTEXT = ("advertiser_id", "currency", "timezone", "stat_time_hour_utc", "start_date", "end_date")


def stream_name(dataset: Dataset) -> str | None:
    """The stream that the dataset fills; None if it fills none."""
    if dataset.report in _ENTITIES:
        return _ENTITIES[dataset.report][0]
    level = dataset.level or ""
    if dataset.report != "performance" or dataset.made_as or dataset.service_type != "auction" or level not in _LEVELS:
        return None
    if dataset.id_dimension != f"{level}_id":
        return None
    return _report_stream(dataset, level)


def _report_stream(dataset: Dataset, level: str) -> str | None:
    prefix, time = _LEVELS[level], _TIMES.get(dataset.time)
    breakdowns = frozenset(dataset.breakdowns)
    if not breakdowns:
        ending = time or ("lifetime" if dataset.lifetime else None)
        return f"{prefix}_reports_{ending}" if ending else None
    by_country = breakdowns == {"country_code"}
    if by_country and level in ("ad", "adgroup") and time and dataset.report_type == "basic":
        return f"{prefix}_reports_by_country_{time}"
    if by_country and time == "daily" and (dataset.report_type == "audience" or level == "campaign"):
        return f"{_AUDIENCE_LEVELS[level]}_audience_reports_by_country_daily"
    if breakdowns == {"gender", "age"} and time == "daily":
        return f"{_AUDIENCE_LEVELS[level]}_audience_reports_daily"
    if breakdowns == {"platform"} and time == "daily":
        return f"{_AUDIENCE_LEVELS[level]}_audience_reports_by_platform_daily"
    if breakdowns == {"province_id"} and level == "ad" and time == "daily":
        return "ads_audience_reports_by_province_daily"
    return None


def bound(dataset: Dataset, schema: pa.Schema) -> LayoutTable:
    """The stream's table with the SQL that fills it from the dataset's table, which has these columns."""
    name = stream_name(dataset)
    assert name is not None, dataset
    lake = {field.name: field.type for field in schema}
    if dataset.report in _ENTITIES:
        entity = _ENTITIES[dataset.report][1]
        columns = tuple(_entity_column(column, kind, entity) for column, kind in lake.items())
        ids = tuple(
            column for column in dict.fromkeys(("advertiser_id", entity)) if column in _INTEGER_IDS & lake.keys()
        )
        return LayoutTable(name, LayoutRows.ENTITY, (entity,), entity, columns, SYNCED, ids=ids)
    return _report_table(name, dataset, lake)


def _entity_column(name: str, kind: pa.DataType, entity: str) -> LayoutColumn:
    is_key = name == entity
    if name in _INTEGER_IDS and pa.types.is_string(kind):
        return LayoutColumn(name, "bigint", "key" if is_key else "other", whole_number(quoted(name), strict=is_key))
    if pa.types.is_timestamp(kind):
        return LayoutColumn(name, "timestamp", "other", f"CAST({quoted(name)} AS TIMESTAMP)")
    value, to = converted(name, _type_of(kind), kind)
    return LayoutColumn(name, to, "other", value if to == "json" else quoted(name))


_INTEGER_IDS = frozenset({"advertiser_id", "campaign_id", "adgroup_id", "ad_id", "app_id", "pixel_id"})
"""Ids that the streams have as integers; others are texts."""


def _type_of(kind: pa.DataType) -> ColumnType:
    if pa.types.is_list(kind):
        return "json"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "bigint"
    if pa.types.is_floating(kind):
        return "double"
    return "decimal" if pa.types.is_decimal(kind) else "text"


def _report_table(name: str, dataset: Dataset, lake: Mapping[str, pa.DataType]) -> LayoutTable:
    entity = str(dataset.id_dimension)
    time = {"hour": "stat_time_hour", "day": "stat_time_day"}.get(dataset.time)
    dimensions = {entity: whole_number(quoted(entity), strict=True)}
    if time is not None:
        dimensions[time] = f"CAST({quoted(time)} AS TIMESTAMP)"
    dimensions |= {breakdown: quoted(breakdown) for breakdown in dataset.breakdowns}
    account = {"advertiser_id": whole_number(quoted("advertiser_id"), strict=True)}
    metrics = [column for column in lake if column not in dimensions and column not in _CONTEXT]
    types: dict[str, ColumnType] = dict.fromkeys(dimensions, "text")
    types["advertiser_id"] = types[entity] = "bigint"
    if time is not None:
        types[time] = "timestamp"
    columns = (
        *(
            LayoutColumn(column, types[column], "key" if column in dimensions else "other", value)
            for column, value in (account | dimensions).items()
        ),
        LayoutColumn(
            "metrics", "json", "other", as_object((column, _text(column, lake[column])) for column in metrics)
        ),
        LayoutColumn("dimensions", "json", "other", as_object(_shown(dimensions, time))),
    )
    return LayoutTable(
        name,
        LayoutRows.REPORT,
        tuple(dimensions),
        entity,
        columns,
        SYNCED,
        measures=tuple(_measure(column, lake[column]) for column in metrics if _is_number(lake[column])),
        time=time,
        ids=tuple(dict.fromkeys(("advertiser_id", entity))),
    )


def _shown(dimensions: Mapping[str, str], time: str | None) -> Iterator[tuple[str, str]]:
    """The dimensions as the API gives them: times as texts."""
    for column, value in dimensions.items():
        yield column, f"strftime({value}, '%Y-%m-%d %H:%M:%S')" if column == time else value


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind))


def _text(name: str, kind: pa.DataType) -> str:
    """A figure as the API gives it: as a text, without zeros at its end."""
    if name in ("campaign_id", "adgroup_id", "ad_id"):
        return whole_number(quoted(name), strict=False)
    if pa.types.is_decimal(kind):
        return f"rtrim(rtrim(CAST({quoted(name)} AS VARCHAR), '0'), '.')"
    return f"CAST({quoted(name)} AS VARCHAR)"


def _measure(name: str, kind: pa.DataType) -> Measure:
    figure = f"{quoted('metrics')} ->> {literal(name)}"
    if pa.types.is_floating(kind):
        return Measure(name, quoted(name), f"CAST({figure} AS DOUBLE PRECISION)", pa.float64())
    return Measure(name, f"CAST({quoted(name)} AS DECIMAL(38, 6))", f"CAST({figure} AS DECIMAL(38, 6))", DECIMAL)
