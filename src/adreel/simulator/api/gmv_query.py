"""What a GMV Max report takes and refuses (docs 1824721673497601 and 1824722485971009)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from adreel import catalog
from adreel.simulator.api.errors import NotSimulatedError, bad, bad_metrics, conflict
from adreel.simulator.api.params import Params, strings_of
from adreel.simulator.world.calendar import day_number

Time = Literal["none", "day", "hour"]

STATUSES = ("STATUS_DELIVERY_OK", "STATUS_DISABLE", "STATUS_DELETE", "STATUS_NOT_DELIVERY", "STATUS_ALL")
_TIMES: Mapping[str, Time] = {"stat_time_day": "day", "stat_time_hour": "hour"}
_LONGEST: Mapping[Time, int] = {"hour": 1, "day": 30, "none": 365}
_MOST_IDS = 100
_CREATIVE_STATUSES = (
    "IN_QUEUE",
    "LEARNING",
    "DELIVERING",
    "NOT_DELIVERYING",
    "AUTHORIZATION_NEEDED",
    "EXCLUDED",
    "UNAVAILABLE",
    "REJECTED",
    "NOT_ACTIVE",
)
_ITEM = "Item level report must have at least 1 campaign ID"
_CREATIVE = "Creative level report must have at least 1 campaign ID and 1 item group ID"
_DURATION = "Duration level report must have at least 1 campaign ID and 1 item group ID or room ID"
_LIVESTREAM = "Livestream level report must have at least 1 campaign ID"


@dataclass(frozen=True, slots=True)
class GmvLevel:
    """A level of the report: its groupings without the time, its filters, those that it needs, and the refusal."""

    name: str
    groupings: tuple[frozenset[str], ...]
    filters: frozenset[str]
    required: tuple[str, ...] = ()
    refusal: str = ""
    times: tuple[Time, ...] = ("none", "day", "hour")


def _sets(*groupings: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(grouping.split()) for grouping in groupings)


_CAMPAIGN_FILTERS = frozenset({"gmv_max_promotion_types", "campaign_ids", "campaign_name", "campaign_statuses"})
LEVELS = (
    GmvLevel("account", _sets("advertiser_id"), frozenset({"gmv_max_promotion_types"})),
    GmvLevel("campaign", _sets("campaign_id"), _CAMPAIGN_FILTERS),
    GmvLevel(
        "product",
        _sets("item_group_id", "campaign_id item_group_id"),
        frozenset({"campaign_ids"}),
        ("campaign_ids",),
        _ITEM,
    ),
    GmvLevel(
        "creative",
        _sets("item_id", "campaign_id item_group_id item_id"),
        frozenset({"campaign_ids", "item_group_ids", "creative_delivery_statuses"}),
        ("campaign_ids", "item_group_ids"),
        _CREATIVE,
        ("none", "day"),
    ),
    GmvLevel(
        "livestream",
        _sets("room_id", "campaign_id room_id"),
        frozenset({"campaign_ids", "room_ids"}),
        ("campaign_ids",),
        _LIVESTREAM,
    ),
    # Rows of both kinds have no product and no session where only these are asked for: then the filters decide.
    GmvLevel(
        "product_duration",
        _sets("duration", "campaign_id duration", "item_group_id duration", "campaign_id item_group_id duration"),
        frozenset({"campaign_ids", "item_group_ids"}),
        ("campaign_ids", "item_group_ids"),
        _DURATION,
        ("none",),
    ),
    GmvLevel(
        "live_duration",
        _sets("duration", "campaign_id duration", "room_id duration", "campaign_id room_id duration"),
        frozenset({"campaign_ids", "room_ids"}),
        ("campaign_ids", "room_ids"),
        _DURATION,
        ("none",),
    ),
)
_UNSIMULATED_FILTERS = frozenset({"creative_types", "search_word", "item_ids"})


@dataclass(frozen=True, slots=True)
class GmvBehavior:
    """What sources on TikTok disagree about; each way can be ordered through the side door.

    `lost` says what an account gets for a shop whose authorization went to another: a refusal or its old figures.
    With `one_campaign` LIVE sessions take one campaign in a request. With `types_required` the campaign level needs its
    filter of promotion types. An empty page has no list unless there are `empty_lists`. The rest of today comes as
    hours of zeros unless there are no `future_hours`, and with `dash_rows` each campaign report has a row of "-".

    `periods` says how those of one optimization mode come: as texts, as numbers, unnamed or dashed (maximum delivery
    has an empty text or "-"), missing (it has no rows) or overlapping (a period has the first day of the next one,
    too). Attributes take one ID dimension; with `duration_is_id`, duration counts as one. Without `day_targets`, the
    target ROI by day is 0.
    """

    lost: str = "refuse"
    one_campaign: bool = False
    types_required: bool = True
    empty_lists: bool = False
    future_hours: bool = True
    dash_rows: bool = False
    periods: str = "texts"
    duration_is_id: bool = False
    day_targets: bool = True


@dataclass(frozen=True, slots=True)
class GmvQuery:
    """A valid request; `start` and `end` are day numbers, both included."""

    store_id: str
    level: GmvLevel
    dimensions: tuple[str, ...]
    time: Time
    metrics: tuple[str, ...]
    start: int
    end: int
    types: frozenset[str]
    statuses: frozenset[str]
    campaign_name: str
    page: int
    page_size: int
    totals: bool
    sort: tuple[str, bool] | None = None
    ids: Mapping[str, frozenset[str]] = field(default_factory=dict)


def read_gmv_query(params: Params, behavior: GmvBehavior) -> GmvQuery:
    """The request in `params`; raises ApiError 40002 in the order in which TikTok checks."""
    params.require("store_ids", "start_date", "end_date", "metrics", "dimensions")
    filtering = params.json("filtering")
    if filtering is not None and not isinstance(filtering, dict):
        raise bad("filtering: Field must be set to object")
    filters: dict[str, object] = filtering or {}
    stores = params.strings("store_ids") or ()
    if len(stores) != 1:
        raise bad("store_ids: takes exactly 1 id.")
    dimensions = params.strings("dimensions") or ()
    ids = _read_ids(filters)
    level, time = _read_grouping(dimensions, ids)
    if any(not ids.get(name) for name in level.required):
        raise bad(level.refusal)
    _check_filters(level, filters, behavior)
    for name, values in ids.items():
        if len(values) > _MOST_IDS:
            raise bad(f"filtering: {name}: maximum number of items is {_MOST_IDS}")
    if behavior.one_campaign and "room_ids" in level.filters and len(ids["campaign_ids"]) > 1:
        raise bad("filtering: campaign_ids: maximum number of items is 1")
    types = _words(filters, "gmv_max_promotion_types", ("PRODUCT", "LIVE"))
    metrics = tuple(dict.fromkeys(params.strings("metrics") or ()))
    _check_metrics(level, dimensions, metrics, types, ids, behavior)
    start, end = _read_range(params, time)
    sort = params.text("sort_field")
    if sort and (sort not in catalog.metrics() or catalog.metrics()[sort].attribute or sort not in metrics):
        raise bad(f"sort_field: The value '{sort}' is not supported for sorting.")
    return GmvQuery(
        store_id=stores[0],
        level=level,
        dimensions=dimensions,
        time=time,
        metrics=metrics,
        start=start,
        end=end,
        types=types or frozenset({"PRODUCT", "LIVE"}),
        statuses=_words(filters, "campaign_statuses", STATUSES),
        campaign_name=str(filters.get("campaign_name") or ""),
        page=params.number("page", 1, 1, 1 << 31),
        page_size=params.number("page_size", 10, 1, 1000),
        totals=params.flag("enable_total_metrics"),
        sort=(sort, params.word("sort_type", ("ASC", "DESC"), "DESC") == "DESC") if sort else None,
        ids=ids,
    )


def _read_grouping(dimensions: tuple[str, ...], ids: Mapping[str, frozenset[str]]) -> tuple[GmvLevel, Time]:
    times = [name for name in dimensions if name in _TIMES]
    rest = frozenset(dimensions) - set(times)
    levels = [level for level in LEVELS if rest in level.groupings]
    level = next((level for level in levels if ids.keys() >= set(level.required)), levels[0] if levels else None)
    if level is None or len(times) > 1 or len(dimensions) != len(rest) + len(times):
        raise conflict()
    time: Time = _TIMES[times[0]] if times else "none"
    if time not in level.times:
        raise conflict()
    return level, time


def _read_ids(filters: Mapping[str, object]) -> dict[str, frozenset[str]]:
    names = ("campaign_ids", "item_group_ids", "room_ids")
    read = {name: strings_of(f"filtering.{name}", filters.get(name)) for name in names}
    return {name: frozenset(values) for name, values in read.items() if values is not None}


def _check_filters(level: GmvLevel, filters: Mapping[str, object], behavior: GmvBehavior) -> None:
    if unread := sorted(filters.keys() & _UNSIMULATED_FILTERS):
        raise NotSimulatedError(f"the filter {unread[0]} of gmv_max/report/get")
    wrong = sorted(filters.keys() - level.filters)
    if wrong:
        raise bad(f"Invalid filter(s): '[{', '.join(wrong)}]' are not supported")
    if level.name == "campaign" and behavior.types_required and not filters.get("gmv_max_promotion_types"):
        raise bad("Missing required field(s): filtering.gmv_max_promotion_types.")
    _words(filters, "creative_delivery_statuses", _CREATIVE_STATUSES)


def _words(filters: Mapping[str, object], name: str, among: tuple[str, ...]) -> frozenset[str]:
    values = strings_of(f"filtering.{name}", filters.get(name)) or ()
    for value in values:
        if value not in among:
            raise bad(f"filtering.{name}: The value '{value}' is not one of the enum values {list(among)}.")
    return frozenset(values)


def metric_levels(level: GmvLevel, types: frozenset[str]) -> frozenset[str]:
    """The catalogue's names of the levels whose metrics are offered: campaigns have those of their types."""
    if level.name != "campaign":
        return frozenset({level.name})
    return frozenset(f"{kind.lower()}_campaign" for kind in types or ("PRODUCT", "LIVE"))


def _check_metrics(
    level: GmvLevel,
    dimensions: tuple[str, ...],
    metrics: tuple[str, ...],
    types: frozenset[str],
    ids: Mapping[str, frozenset[str]],
    behavior: GmvBehavior,
) -> None:
    records, levels = catalog.metrics(), metric_levels(level, types)
    wrong = [name for name in metrics if name not in records or not levels <= records[name].gmv_max]
    attributes = [name for name in metrics if name in records and records[name].attribute]
    identities = [name for name in dimensions if name not in _TIMES and (name != "duration" or behavior.duration_is_id)]
    narrow = len(identities) == 1 and all(len(values) == 1 for values in ids.values())
    if level.name not in ("account", "campaign") and not narrow:
        wrong += attributes
    if wrong or not metrics:
        raise bad_metrics(list(dict.fromkeys(wrong)))


def _read_range(params: Params, time: Time) -> tuple[int, int]:
    start, end = day_number(params.day("start_date")), day_number(params.day("end_date"))
    if start > end:
        raise bad("start_date: The start date must not be later than the end date.")
    if end - start + 1 > _LONGEST[time]:
        raise bad(f"The date range must not be longer than {_LONGEST[time]} day(s) for these dimensions.")
    return start, end
