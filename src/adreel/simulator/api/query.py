"""What a report request asks for, refused as TikTok refuses it (TikTok's doc 1740302848100353)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import orjson

from adreel import catalog
from adreel.catalog.records import Level, Metric
from adreel.simulator.api.errors import NotSimulatedError, bad, bad_metrics, conflict
from adreel.simulator.api.params import Params, strings_of
from adreel.simulator.world.calendar import day_number
from adreel.simulator.world.table import BUYING_TYPES, OBJECTIVES

Time = Literal["none", "day", "hour"]

_LEVELS: Mapping[str, Level] = {
    "AUCTION_ADVERTISER": "advertiser",
    "AUCTION_CAMPAIGN": "campaign",
    "AUCTION_ADGROUP": "adgroup",
    "AUCTION_AD": "ad",
}
_IDS: Mapping[Level, tuple[str, ...]] = {
    "advertiser": ("advertiser_id",),
    "campaign": ("campaign_id",),
    "adgroup": ("adgroup_id",),
    "ad": ("ad_id", "ad_id_v2"),
}
_TIMES: Mapping[str, Time] = {"stat_time_day": "day", "stat_time_hour": "hour"}
_CATALOGUE = frozenset({"catalog_id", "product_set_id", "product_id", "sku_id"})
_REPORTS = ("BASIC", "AUDIENCE", "CATALOG", "PLAYABLE_MATERIAL", "BC", "TT_SHOP")
_TASK_REPORTS = ("BASIC", "AUDIENCE", "CATALOG")
_SIMULATED = frozenset({"BASIC", "AUDIENCE", "CATALOG"})
_PEOPLE = frozenset(
    [
        "reach",
        "frequency",
        "cost_per_1000_reached",
        "average_video_play_per_user",
        "live_unique_views",
        "result",
        "cost_per_result",
        "result_rate",
        "real_time_result",
        "real_time_cost_per_result",
        "real_time_result_rate",
    ]
)
_LONGEST: Mapping[Time, int] = {"hour": 1, "day": 30, "none": 365}
STATUSES = (
    "STATUS_ALL",
    "STATUS_NOT_DELETE",
    "STATUS_DELETE",
    "STATUS_DELIVERY_OK",
    "STATUS_DISABLE",
    "STATUS_NOT_DELIVERY",
    "STATUS_TIME_DONE",
    "STATUS_RF_CLOSED",
    "STATUS_FROZEN",
)
AUTOMATION = ("MANUAL", "SMART_PLUS", "UPGRADED_SMART_PLUS", "UPGRADED_SMART_PLUS_CREATIVE")
_FILTER_TYPES = frozenset(
    [
        "IN",
        "NOT_IN",
        "MATCH",
        "CONTAIN_ANY_OF",
        "GREATER_EQUAL",
        "GREATER_THAN",
        "LOWER_EQUAL",
        "LOWER_THAN",
        "BETWEEN",
        "RANGE",
    ]
)
_OTHER_FILTERS = frozenset(
    [
        "playable_status",
        "billing_event",
        "bid_strategy",
        "optimization_goal",
        "promotion_type",
        "app_promotion_type",
        "delivery_type",
        "is_cbo_enabled",
        "campaign_type",
        "campaign_system_origins",
        "campaign_product_source",
        "creative_campaign_type",
        "creative_material_mode",
        "image_mode",
        "identity_type",
        "destination",
        "dpa_target_audience_type",
        "age",
        "gender",
        "create_time",
    ]
)
_ID_FILTERS: Mapping[str, Level] = {"campaign_ids": "campaign", "adgroup_ids": "adgroup", "ad_ids": "ad"}
_STATUS_FILTERS: Mapping[str, Level] = {
    "campaign_status": "campaign",
    "adgroup_status": "adgroup",
    "ad_status": "ad",
}
_MOST_IDS = 100
_MOST_IDS_OF_TASKS = 20_000


@dataclass(frozen=True, slots=True)
class TaskBehavior:
    """What sources on TikTok's tasks disagree about; each way can be ordered through the side door.

    `statuses` says what a task makes of a filter of statuses, which one page of TikTok both names and excludes: it
    refuses, ignores or accepts it. With `ranged` the longest ranges of synchronous reports hold, and with `clipped` the
    days after them are left out without a word. Figures are `stale_hours` old when a task is created.
    """

    statuses: str = "refuse"
    ranged: bool = False
    clipped: bool = False
    stale_hours: int = 6


@dataclass(frozen=True, slots=True)
class Filters:
    """A report's filters; empty mappings and None filter nothing."""

    ids: Mapping[Level, frozenset[str]] = field(default_factory=dict)
    statuses: Mapping[Level, frozenset[str]] = field(default_factory=dict)
    buying: frozenset[str] | None = None
    objectives: frozenset[str] | None = None
    automation: frozenset[str] | None = None
    ids_v2: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A valid report request; `start` and `end` are day numbers, both included, and ignored for a lifetime."""

    report: str
    level: Level
    dimensions: tuple[str, ...]
    identity: str | None
    time: Time
    breakdown: tuple[str, ...]
    metrics: tuple[str, ...]
    start: int
    end: int
    lifetime: bool
    filters: Filters
    order_field: str | None
    descending: bool
    page: int
    page_size: int
    totals: bool
    several: bool
    in_utc: bool
    synchronous: bool


def query_of_ads(metrics: tuple[str, ...], start: int, end: int, *, lifetime: bool, time: Time = "none") -> Query:
    """A BASIC report over ads, whose figures other reports are summed from; its pages are not asked for."""
    return Query(
        report="BASIC",
        level="ad",
        dimensions=(),
        identity=None,
        time=time,
        breakdown=(),
        metrics=metrics,
        start=start,
        end=end,
        lifetime=lifetime,
        filters=Filters(),
        order_field=None,
        descending=True,
        page=1,
        page_size=1000,
        totals=False,
        several=False,
        in_utc=False,
        synchronous=True,
    )


def read_query(params: Params, *, several: bool, task: TaskBehavior | None = None) -> Query:
    """The request in `params`; `several` says that it uses `advertiser_ids`. Raises ApiError with TikTok's code.

    `task` is how tasks behave, for the request of one.
    """
    synchronous = task is None
    params.require("report_type", "dimensions")
    report = params.word("report_type", _REPORTS if synchronous else _TASK_REPORTS, "")
    if report not in _SIMULATED:
        raise NotSimulatedError(f"report_type {report}")
    params.require("data_level")
    _check_service(params, synchronous=synchronous)
    level = _LEVELS[params.word("data_level", tuple(_LEVELS), "")]
    dimensions = params.strings("dimensions") or ()
    identity, time, breakdown = _read_grouping(report, level, dimensions)
    metrics = params.strings("metrics")
    if metrics is None:
        metrics = ("spend", "impressions")
    lifetime = params.flag("query_lifetime")
    _check_metrics(report, level, dimensions, identity, metrics)
    _check_lifetime(report, time, breakdown, lifetime=lifetime)
    start, end = (0, 0) if lifetime else _read_range(params, time, task)
    page = params.number("page", 1, 1, 1 << 31) if synchronous else 1
    page_size = params.number("page_size", 10, 1, 1000) if synchronous else _ALL_ROWS
    order = _read_order(params, report, level)
    filters = read_filters(params.json("filtering"), level, dimensions, task)
    return Query(
        report=report,
        level=level,
        dimensions=dimensions,
        identity=identity,
        time=time,
        breakdown=breakdown,
        metrics=tuple(dict.fromkeys(metrics)),
        start=start,
        end=end,
        lifetime=lifetime,
        filters=filters,
        order_field=order,
        descending=params.word("order_type", ("ASC", "DESC"), "DESC") == "DESC",
        page=page,
        page_size=page_size,
        totals=synchronous and _read_totals(params, report, breakdown, time),
        several=several,
        in_utc=synchronous and several and params.flag("multi_adv_report_in_utc_time"),
        synchronous=synchronous,
    )


_ALL_ROWS = 1 << 40


def _check_service(params: Params, *, synchronous: bool) -> None:
    if params.text("service_type", "AUCTION") != "AUCTION":
        raise bad("service_type: RESERVATION is deprecated. Use the filter buying_type with service_type AUCTION.")
    if synchronous and params.text("query_mode", "REGULAR") != "REGULAR":
        raise NotSimulatedError("query_mode CHUNK")


def _read_grouping(report: str, level: Level, dimensions: tuple[str, ...]) -> tuple[str | None, Time, tuple[str, ...]]:
    """The ID dimension, the time dimension and the breakdowns; raises ApiError for a combination TikTok refuses."""
    records = catalog.dimensions()
    extra_ids = _IDS[level] if report == "CATALOG" else ()
    unknown = [
        name
        for name in dimensions
        if name not in records or (report not in records[name].reports and name not in extra_ids)
    ]
    if unknown or len(set(dimensions)) != len(dimensions) or not dimensions:
        raise bad(f"dimensions: Invalid dimension fields: {unknown or list(dimensions)!r}.")
    identities = [name for name in dimensions if records[name].kind == "id" and name not in _CATALOGUE]
    times = [name for name in dimensions if name in _TIMES]
    others = tuple(name for name in dimensions if name not in identities and name not in times)
    if len(identities) > 1 or len(times) > 1 or any(level not in records[name].levels for name in others):
        raise conflict()
    if identities and identities[0] not in _IDS[level]:
        raise conflict()
    time: Time = _TIMES[times[0]] if times else "none"
    _check_breakdown(report, others)
    _check_time(time, dimensions)
    if not identities and not _allowed_without_id(report, level, time, others):
        raise conflict()
    return (identities[0] if identities else None), time, others


def _check_breakdown(report: str, names: tuple[str, ...]) -> None:
    """At most one breakdown, or a pair that TikTok combines."""
    if (report == "AUDIENCE" and not names) or (report == "CATALOG" and len(names) != 1):
        raise conflict()
    pairs = ({"age", "gender"}, {"search_keyword", "match_type"})
    if len(names) > 1 and set(names) not in pairs:
        raise conflict()
    if "match_type" in names and "search_keyword" not in names:
        raise conflict()


def _check_time(time: Time, dimensions: tuple[str, ...]) -> None:
    """Each dimension's allowed granularities: interests and device brands have no time, most others no hour."""
    records = catalog.dimensions()
    if any(time not in records[name].times for name in dimensions):
        raise conflict()


def _allowed_without_id(report: str, level: Level, time: Time, others: tuple[str, ...]) -> bool:
    """Whether a grouping needs no ID dimension: by day or country of the whole account, or by catalog part."""
    if report == "CATALOG":
        return True
    if report != "BASIC" or level != "advertiser":
        return False
    return (time == "day" and not others) or (time == "none" and others == ("country_code",))


def _check_metrics(
    report: str, level: Level, dimensions: tuple[str, ...], identity: str | None, names: tuple[str, ...]
) -> None:
    records = catalog.metrics()
    wrong = [name for name in names if name not in records or not _offers(records[name], report, level)]
    if identity is None:
        wrong += [name for name in names if name in records and records[name].attribute]
    if wrong:
        raise bad_metrics(wrong)
    if {"ad_id", "ad_id_v2"} <= {identity, *names}:
        raise conflict()
    for name in names:
        _check_metric(records[name], set(dimensions), identity)


def _offers(metric: Metric, report: str, level: Level) -> bool:
    if metric.name in {"cash_spend", "voucher_spend"} and level != "advertiser":
        return False
    return report in metric.reports and level in metric.levels


def _check_metric(metric: Metric, dimensions: set[str], identity: str | None) -> None:
    records = [catalog.dimensions()[name] for name in dimensions]
    narrow = metric.id_and_day_only and bool(dimensions - {identity, "stat_time_day"})
    unmet = bool(metric.needs_any) and not metric.needs_any & dimensions
    refused = bool(metric.refuses & dimensions) or any(metric.name in record.refuses for record in records)
    if narrow or unmet or refused or ("ad_type" in dimensions and metric.name in _PEOPLE):
        raise conflict()
    if not metric.attribute and any(record.metrics and metric.name not in record.metrics for record in records):
        raise conflict()
    if metric.name in {"cash_spend", "voucher_spend"} and "stat_time_day" not in dimensions:
        raise conflict()


def _check_lifetime(report: str, time: Time, others: tuple[str, ...], *, lifetime: bool) -> None:
    if lifetime and (report != "BASIC" or time != "none" or "country_code" in others):
        raise bad("query_lifetime: not supported for this report_type or with these dimensions.")


def _read_range(params: Params, time: Time, task: TaskBehavior | None) -> tuple[int, int]:
    params.require("start_date", "end_date")
    start, end = day_number(params.day("start_date")), day_number(params.day("end_date"))
    if start > end:
        raise bad("start_date: The start date must not be later than the end date.")
    if task is not None and task.clipped:
        end = min(end, start + _LONGEST[time] - 1)
    if (task is None or task.ranged) and end - start + 1 > _LONGEST[time]:
        raise bad(f"The date range must not be longer than {_LONGEST[time]} day(s) for these dimensions.")
    return start, end


def _read_order(params: Params, report: str, level: Level) -> str | None:
    name = params.text("order_field")
    if not name:
        return None
    metric = catalog.metrics().get(name)
    if metric is None or metric.attribute or not _offers(metric, report, level):
        raise bad(f"order_field: The value '{name}' is not supported for sorting.")
    return name


def _read_totals(params: Params, report: str, others: tuple[str, ...], time: Time) -> bool:
    if not params.flag("enable_total_metrics"):
        return False
    if report != "BASIC" or others or time == "hour":
        raise bad("enable_total_metrics: not supported for this report_type or with these dimensions.")
    return True


def read_filters(value: object, level: Level, dimensions: tuple[str, ...], task: TaskBehavior | None = None) -> Filters:
    """The report filters: a list of objects, every `filter_value` a string (doc 1751443975608321).

    Those of a task are ids only: campaigns, ad groups and ads, of which there are 20,000 at most together.
    """
    if value is None:
        return Filters()
    if not isinstance(value, list):
        raise bad("filtering: Not a valid list.")
    ids: dict[Level, frozenset[str]] = {}
    statuses: dict[Level, frozenset[str]] = {}
    single: dict[str, frozenset[str]] = {}
    for item in value:
        name, chosen = _read_filter(item, synchronous=task is None)
        if task is not None and _is_ignored(name, task):
            continue
        if name in _ID_FILTERS:
            ids[_ID_FILTERS[name]] = chosen
        elif name in _STATUS_FILTERS:
            statuses[_STATUS_FILTERS[name]] = chosen
        else:
            single[name] = chosen
    if sum(map(len, ids.values())) > _MOST_IDS_OF_TASKS:
        raise bad(f"filtering.filter_value: at most {_MOST_IDS_OF_TASKS} ids.")
    if "ad_ids_v2" in single and (level != "ad" or "ad_id_v2" not in dimensions):
        raise conflict()
    if "ad" in ids and "ad_id_v2" in dimensions:
        raise conflict()
    return Filters(
        ids,
        statuses,
        buying=single.get("buying_type"),
        objectives=single.get("objective_type"),
        automation=single.get("campaign_automation_type"),
        ids_v2=single.get("ad_ids_v2"),
    )


def _is_ignored(name: str, task: TaskBehavior) -> bool:
    """Whether a task takes no notice of a filter, which is refused unless it is one of ids, or of statuses."""
    if name in _STATUS_FILTERS and task.statuses != "refuse":
        return task.statuses == "ignore"
    if name not in {*_ID_FILTERS, "ad_ids_v2"}:
        raise bad(f"filtering.field_name: The value '{name}' is not supported for asynchronous reports.")
    return False


def _read_filter(item: object, *, synchronous: bool) -> tuple[str, frozenset[str]]:
    if not isinstance(item, dict):
        raise bad("filtering: Not a valid object.")
    name, kind, text = item.get("field_name"), item.get("filter_type"), item.get("filter_value")
    types = _FILTER_TYPES if synchronous else _FILTER_TYPES - {"NOT_IN", "CONTAIN_ANY_OF"}
    if not isinstance(name, str) or not isinstance(kind, str) or kind not in types:
        raise bad("filtering: field_name or filter_type is not valid.")
    if not isinstance(text, str):
        raise bad("filtering.filter_value: Not a valid string.")
    if name in _OTHER_FILTERS or name.startswith("campaign_label"):
        raise NotSimulatedError(f"the report filter {name}")
    if name not in {*_ID_FILTERS, *_STATUS_FILTERS, "ad_ids_v2", "buying_type", "objective_type", AUTOMATION_FIELD}:
        raise bad(f"filtering.field_name: The value '{name}' is not supported.")
    if kind not in {"IN", "CONTAIN_ANY_OF"} or (kind != "IN" and name.endswith(("_ids", "_ids_v2"))):
        raise bad(f"filtering.filter_type: The value '{kind}' is not supported for {name}.")
    return name, _filter_values(name, text, synchronous=synchronous)


AUTOMATION_FIELD = "campaign_automation_type"


def _filter_values(name: str, text: str, *, synchronous: bool) -> frozenset[str]:
    try:
        values = strings_of("filtering.filter_value", orjson.loads(text))
    except orjson.JSONDecodeError:
        raise bad("filtering.filter_value: Not a JSON list in a string.") from None
    if not values:
        raise bad(f"filtering.filter_value: {name} needs at least one value.")
    if name.endswith(("_ids", "_ids_v2")):
        most = _MOST_IDS if synchronous or name == "ad_ids_v2" else _MOST_IDS_OF_TASKS
        if len(values) > most:
            raise bad(f"filtering.filter_value: {name} takes at most {most} ids.")
    elif wrong := [value for value in values if value not in _choices(name)]:
        raise bad(f"filtering.filter_value: The value '{wrong[0]}' is not valid for {name}.")
    if "RESERVATION_TOP_VIEW" in values and len(values) > 1:
        raise top_view_alone()
    return frozenset(values)


def top_view_alone() -> Exception:
    """The refusal of TopView together with other buying types."""
    return bad("The value 'RESERVATION_TOP_VIEW' cannot be combined with other enum values for this parameter")


def _choices(name: str) -> tuple[str, ...]:
    if name == "buying_type":
        return BUYING_TYPES
    if name == AUTOMATION_FIELD:
        return AUTOMATION
    if name == "objective_type":
        return (*(objective for objective, _ in OBJECTIVES), "RF_REACH", "TOPVIEW_REACH")
    return STATUSES
