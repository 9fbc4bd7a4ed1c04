"""What was asked, checked and held as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from adreel.catalog import all_spend, gmv_max, smart_plus
from adreel.catalog.ad_account_assets import LISTS as ASSET_LISTS
from adreel.catalog.business_centers import ALL_ASSETS, TRANSACTION_LEVELS
from adreel.catalog.business_centers import LISTS as CENTER_LISTS
from adreel.catalog.calculated import CalculatedMetric
from adreel.catalog.report_types import CENTER_SPEND, FURTHER
from adreel.dates import Dates
from adreel.errors import Problem
from adreel.scheduling import Schedule
from adreel.scheduling.schedule import Retry
from adreel.update_methods import Method


@dataclass(frozen=True, slots=True)
class Update:
    """The update method; `key` None stands for the report's own key, `keep_days` for all days.

    `lookback` is in days; None stands for the default of the report (`lookback.default_days`).
    """

    method: Method = Method.REPLACE
    key: tuple[str, ...] | None = None
    keep_days: int | None = None
    lookback: int | None = None


@dataclass(frozen=True, slots=True)
class PublishTarget:
    """A destination, by its name, that the table is published to; `table` None stands for the name of the lake's.

    With `history` each row as every version had it is published beside the table.
    """

    destination: str
    table: str | None = None
    history: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset file as read: plain values, and the line of each key where the file has lines.

    `problems` are those of the file itself, such as duplicate keys; they make the dataset invalid.
    """

    values: Mapping[str, Any]
    lines: Mapping[str, int]
    problems: tuple[Problem, ...] = ()

    def with_values(self, **changed: Any) -> Source:
        """The same file with other values of some keys."""
        return replace(self, values={**self.values, **changed})


@dataclass(frozen=True, slots=True)
class Dataset:
    """A configuration that TikTok accepts, in the current API's words.

    `report` is what is asked of TikTok now; a dataset of a deprecated report has `performance` there and its old name
    in `made_as`. `advertisers` None stands for all of the account. `time` is none, day or hour. `calculated` are
    computed from `metrics` when tables are read. `null_columns` are metrics that the API no longer has and `titles` the
    column titles that differ from the catalogue's. `schedule` None stands for updated manually and `retry` None for no
    retries; only manual datasets have a `stale_after`. `source` is the file that it was read from, which is what the
    store keeps; two datasets that ask the same are equal without it. `shops` and `promotion`, the type of campaigns
    (all, product or live), are those of reports with GMV Max; no shops stands for all of the ad accounts.
    One that `excludes_gmv_max` lacks its cost on purpose. `reading` is automatic, pages or tasks. `hour_type` is
    timestamp or text, which is how the table keeps hours. `other_fields`
    keeps the fields of a list that the catalogue lacks. `business_centers` are those of reports of
    Business Centers; none stands for all. `transaction_level` says whose transactions, `asset_type` which assets.
    """

    name: str
    account: str
    report: str
    description: str = ""
    tags: tuple[str, ...] = ()
    update: Update = field(default_factory=Update)
    schedule: Schedule | None = None
    retry: Retry | None = field(default_factory=Retry)
    stale_after: timedelta | None = None
    publish: tuple[PublishTarget, ...] = ()
    made_as: str | None = None
    advertisers: tuple[str, ...] | None = None
    skip_failing: bool = False
    include_deleted: bool = True
    excludes_gmv_max: bool = False
    reset_schema: bool = False
    service_type: str = "auction"
    report_type: str = "basic"
    level: str | None = None
    id_dimension: str | None = None
    time: str = "none"
    breakdowns: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    calculated: tuple[CalculatedMetric, ...] = ()
    fields: tuple[str, ...] = ()
    other_fields: bool = False
    material_type: str = "video"
    audiences: tuple[str, ...] = ()
    shops: tuple[str, ...] = ()
    promotion: str = "all"
    business_centers: tuple[str, ...] = ()
    transaction_level: str = TRANSACTION_LEVELS[0]
    asset_type: str = ALL_ASSETS
    lifetime: bool = False
    reading: str = "automatic"
    hour_type: str = "timestamp"
    dates: Dates | None = None
    null_columns: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    source: Source = field(default_factory=lambda: Source({}, {}), compare=False, repr=False)

    @property
    def needs_advertisers(self) -> bool:
        """Whether a run needs all of its ad accounts; reports of Business Centers need the connection only."""
        return not self.is_of_centers

    @property
    def is_of_centers(self) -> bool:
        """Whether its rows are of Business Centers, whatever ad accounts the connection has."""
        return self.report in CENTER_LISTS or self.report == CENTER_SPEND


def key_columns(dataset: Dataset) -> tuple[str, ...]:
    """The primary key: the advertiser and the dimensions."""
    entity = {
        **{name: entities.id for name, entities in smart_plus.LISTS.items()},
        "ads": "ad_id",
        "ad_groups": "adgroup_id",
        "campaigns": "campaign_id",
        "custom_audiences": "audience_id",
        "custom_audience_details": "audience_id",
        "creatives": f"{_MATERIAL_KEYS.get(dataset.material_type, 'material')}_id",
    }.get(dataset.report)
    if dataset.report in ASSET_LISTS:
        return ("advertiser_id", *ASSET_LISTS[dataset.report].key)
    if dataset.report in CENTER_LISTS:
        return CENTER_LISTS[dataset.report].key
    if dataset.report == gmv_max.REPORT:
        return _gmv_max_key(dataset)
    if dataset.report == all_spend.REPORT:
        # The kind of a row is not in it, so that a campaign is in the table once a day whatever TikTok shows it as.
        return ("advertiser_id", "campaign_id", "stat_time_day")
    if dataset.report == smart_plus.MATERIALS:
        return _materials_key(dataset)
    if dataset.report == CENTER_SPEND:
        days = ("stat_time_day",) if dataset.time == "day" else ()
        return ("bc_id", *((dataset.id_dimension,) if dataset.id_dimension else ()), *days, *dataset.breakdowns)
    if dataset.report != "performance" and dataset.report not in FURTHER:
        return ("advertiser_id", entity) if entity else ("advertiser_id",)
    time = {"day": ("stat_time_day",), "hour": ("stat_time_hour",)}.get(dataset.time, ())
    ids = (dataset.id_dimension,) if dataset.id_dimension not in (None, "advertiser_id") else ()
    buying = ("buying_type",) if dataset.service_type == "reservation" else ()
    return ("advertiser_id", *(name for name in ids if name), *time, *dataset.breakdowns, *buying)


def day_column(dataset: Dataset) -> str | None:
    """The column that says to which day a row belongs, if it belongs to one."""
    return {"day": "stat_time_day", "hour": "stat_time_hour"}.get(dataset.time)


def reads_shops(dataset: Dataset) -> bool:
    """Whether the dataset reads shops of the ad accounts."""
    return dataset.report in gmv_max.SHOP_REPORTS


def basic_part(dataset: Dataset) -> Dataset:
    """What a dataset of all spend reads of campaigns outside GMV Max, as a dataset of its own."""
    metrics = all_spend.basic_metrics(dataset.metrics)
    return replace(dataset, report="performance", report_type="basic", id_dimension="campaign_id", metrics=metrics)


def shop_part(dataset: Dataset) -> Dataset:
    """What a dataset reads of shops, as a dataset of GMV Max; its metrics have the names of GMV Max reports."""
    if dataset.report != all_spend.REPORT:
        return dataset
    metrics = all_spend.gmv_max_metrics(dataset.metrics)
    return replace(dataset, report=gmv_max.REPORT, report_type="gmv_max", metrics=metrics)


def _gmv_max_key(dataset: Dataset) -> tuple[str, ...]:
    """A campaign has one type, but the figures of a shop are read by type."""
    level = gmv_max.LEVELS[dataset.level or "account"]
    promotion = () if level.ids else ("promotion_type",)
    time = {"day": ("stat_time_day",), "hour": ("stat_time_hour",)}.get(dataset.time, ())
    return ("advertiser_id", "store_id", *promotion, *level.ids, *time)


def _materials_key(dataset: Dataset) -> tuple[str, ...]:
    """A material is named by its id and its type together."""
    time = {"day": ("stat_time_day",), "hour": ("stat_time_hour",)}.get(dataset.time, ())
    ids = () if dataset.id_dimension in (None, "advertiser_id") else (dataset.id_dimension,)
    material = ("main_material_type",) if "main_material_id" in dataset.breakdowns else ()
    return ("advertiser_id", *ids, *time, *dataset.breakdowns, *material)


_MATERIAL_KEYS = {"video": "material", "image": "material", "instant_page": "page"}
