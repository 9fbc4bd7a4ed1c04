"""The requests of a run, planned before any is sent.

A plan holds advertisers, spans of days and batches of metrics; the requests are their product and are created one by
one, so that a plan of a million requests takes no more memory than its parts. Limits: TikTok's "Run a
synchronous report" (doc 1740302848100353).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from adreel import catalog
from adreel.advertisers import Advertiser, Shop
from adreel.catalog import ad_account_assets, all_spend, business_centers, gmv_max, smart_plus
from adreel.catalog.report_types import CENTER_SPEND, FURTHER, LONGEST_CENTER_SPAN, PLAYABLES, SELLER_CENTER
from adreel.datasets.dataset import Dataset, basic_part, key_columns, reads_shops, shop_part
from adreel.datasets.freshness import incomplete_days, incomplete_sentence
from adreel.datasets.lookback import FirstDays, with_lookback
from adreel.datasets.menus import MOST_METRICS
from adreel.datasets.schema import dimensions_asked
from adreel.dates import Span, future_days, span, today_at
from adreel.errors import DatasetError, Problem
from adreel.language import phrase, shown_day
from adreel.tiktok.rate_limit import RateLimits, limits_for, narrower, path_limits

LONGEST_SPAN = {"day": 30, "hour": 1, "none": 365}
"""Days that one request may span, by time dimension."""

MATERIALS_SPAN = {"day": 30, "hour": 7, "none": 365}
"""The same of reports of Smart+ materials, which take 365 days by day too: a month is read again at less cost."""

MOST_ADVERTISERS = 5
"""Advertisers in one report request."""

MOST_IDS = 100
"""Ids in one request: filters of reports, advertisers of advertiser/info, custom audiences."""

BUSINESS_CENTERS = Advertiser("business_centers", "", "", timedelta())
"""Stands for the Business Centers of a run where what was read is counted by ad account, in UTC."""

CHUNK_REQUESTS = 32
"""Most requests of a chunk, whose completion is recorded as one step of the run."""

PAGE_SIZE = 1000
AUDIENCE_PAGE_SIZE = 100
MATERIALS_PAGE_SIZE = 100

REPORT_PATH = "/report/integrated/get/"
GMV_MAX_PATH = "/gmv_max/report/get/"
SHOPS_PATH = "/gmv_max/store/list/"
_ENTITY_PATHS = {"ads": "/ad/get/", "ad_groups": "/adgroup/get/", "campaigns": "/campaign/get/"}
_KINDS = {"basic": "BASIC", "audience": "AUDIENCE", "dsa": "CATALOG"}
_STATUS_FILTERS = {"ad": "ad_status", "adgroup": "adgroup_status", "campaign": "campaign_status"}
_RESERVATION = ("RESERVATION_RF", "RESERVATION_TOP_VIEW")
_WHOLE_TYPES = {"int", "string", "bool", "list"}


@dataclass(frozen=True, slots=True)
class Request:
    """One paged request to TikTok; `name` is unique in its plan and valid as a file name.

    `batch` is the number of the batch of metrics, from 0. `buying` is the buying type that is filtered by, if any. A
    request of a GMV Max report is for a `shop` and a type of campaigns, its `promotion`; `given` are ids of its rows
    that TikTok does not send, and `names` has by column the names of things above its rows, by their ids.
    """

    name: str
    path: str
    advertisers: tuple[Advertiser, ...]
    span: Span | None
    batch: int
    buying: str | None
    page_size: int
    params: Mapping[str, Any]
    shop: Shop | None = None
    promotion: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Requests that are finished together; a resumed run skips finished chunks."""

    name: str
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """Advertisers that share their requests, and the days to read; `None` is a request without dates."""

    advertisers: tuple[Advertiser, ...]
    spans: tuple[Span | None, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of a run at the aware time `now`, and notes about them for a person.

    `shops` are the shops to read by the id of their advertiser, in a report with GMV Max; None if they are not known
    yet, where each advertiser counts as one with one shop. With `tasks` the pages after the first of settled days may
    come from report tasks (`report_tasks.py`).
    """

    dataset: Dataset
    reads: tuple[Read, ...]
    batches: tuple[tuple[str, ...], ...]
    buying: tuple[str | None, ...]
    notes: tuple[str, ...]
    now: datetime
    shops: Mapping[str, tuple[Shop, ...]] | None = None
    tasks: bool = False

    @property
    def request_count(self) -> int:
        """The number of requests if each has one page; further pages take one more each (`estimate.py`)."""
        of_reads = sum(len(read.spans) * self.requests_of(read) for read in self.reads)
        return of_reads + (self._shop_lists if reads_shops(self.dataset) else 0) + self._center_requests

    @property
    def _center_requests(self) -> int:
        """The requests for the list of Business Centers, and for costs that the days of a chunk must sum up to."""
        report = self.dataset.report
        if not self.dataset.is_of_centers or report == business_centers.CENTERS or not self.reads:
            return 0
        if report != business_centers.COSTS:
            return 1
        # A day alone is compared together with the day before, which takes two requests.
        days = sum(len(read.spans) for read in self.reads)
        return 1 + (self.chunk_count + (days % CHUNK_REQUESTS == 1)) * self._centers

    @property
    def _centers(self) -> int:
        """The Business Centers, as far as they are known before a run: those of the dataset, or one."""
        return max(1, len(self.dataset.business_centers))

    @property
    def _shop_lists(self) -> int:
        """The requests for shops: a list of each advertiser's, and where refused ones are left out, one for each."""
        if not self.has_basic_rows:
            return len(self.reads) if self.shops is None else len(self.shops)
        shops = len(self.reads) if self.shops is None else sum(map(len, self.shops.values()))
        return len(self.reads) + (0 if self.dataset.shops else shops)

    @property
    def has_basic_rows(self) -> bool:
        """Whether it reads a basic report beside shops."""
        return self.dataset.report == all_spend.REPORT

    @property
    def row_requests(self) -> int:
        """The number of requests that `chunks` has, without the steps that some of them need beside the rows."""
        if self.dataset.is_of_centers:
            return sum(len(read.spans) for read in self.reads)
        if not reads_shops(self.dataset):
            return sum(len(read.spans) for read in self.reads) * len(self.batches) * len(self.buying)
        basic = int(self.has_basic_rows)
        return sum(len(read.spans) * (basic + len(self._shop_parts(read))) for read in self.reads)

    def requests_of(self, read: Read) -> int:
        """The least requests for each span of a read: in a GMV Max report those of all steps from shop to rows."""
        if self.dataset.report == business_centers.CENTERS:
            return 1
        if self.dataset.report == business_centers.ASSETS:
            return self._centers * len(business_centers.asset_types(self.dataset.asset_type))
        if self.dataset.is_of_centers:
            return self._centers
        if not reads_shops(self.dataset):
            return len(self.batches) * len(self.buying) + comparisons(self.dataset)
        return int(self.has_basic_rows) + len(self._shop_parts(read)) * (1 + steps_before(self.dataset))

    def _shop_parts(self, read: Read) -> list[tuple[Shop, gmv_max.Promotion]]:
        """The shops of a read, each with every type of campaigns."""
        who = read.advertisers[0].id
        shops = (Shop(""),) if self.shops is None else self.shops.get(who, ())
        return [(shop, kind) for shop in shops for kind in gmv_max.PROMOTIONS[self.dataset.promotion]]

    @property
    def page_size(self) -> int:
        """The most rows of a page."""
        if self.dataset.report in smart_plus.LISTS:
            return smart_plus.LISTS[self.dataset.report].page_size
        if self.dataset.report in ad_account_assets.LISTS:
            return ad_account_assets.LISTS[self.dataset.report].page_size
        if self.dataset.report == smart_plus.MATERIALS:
            return MATERIALS_PAGE_SIZE
        if self.dataset.report in business_centers.LISTS:
            return business_centers.PAGE_SIZE
        return AUDIENCE_PAGE_SIZE if self.dataset.report.startswith("custom_audience") else PAGE_SIZE

    @property
    def requests_per_page(self) -> int:
        """The requests that a page takes: the details of listed audiences are a second one."""
        return 2 if self.dataset.report == "custom_audience_details" else 1

    def requests(self) -> Iterator[Request]:
        """Every request, advertiser by advertiser, oldest days first."""
        for chunk in self.chunks():
            yield from chunk.requests

    def chunks(self) -> Iterator[Chunk]:
        """The requests in chunks; batches of metrics of the same rows, which are joined later, share a chunk."""
        for number, part in enumerate(self._chunk_reads()):
            yield Chunk(f"{number:06}", tuple(self._requests(part)))

    def parts(self) -> Iterator[Plan]:
        """The plan's chunks, each as a plan of its own."""
        return (replace(self, reads=(part,)) for part in self._chunk_reads())

    def _chunk_reads(self) -> Iterator[Read]:
        for read in self.reads:
            spans_in_chunk = self._spans_in_chunk(read)
            for first in range(0, len(read.spans), spans_in_chunk):
                yield Read(read.advertisers, read.spans[first : first + spans_in_chunk])

    @property
    def chunk_count(self) -> int:
        """The number of chunks."""
        return sum(-(-len(read.spans) // self._spans_in_chunk(read)) for read in self.reads)

    def _spans_in_chunk(self, read: Read) -> int:
        if self.dataset.report == business_centers.COSTS:
            # The days of a chunk are compared with the cost of all of them.
            return CHUNK_REQUESTS
        # Batches are joined in memory, one span at a time.
        return 1 if len(self.batches) > 1 else max(1, CHUNK_REQUESTS // max(1, self.requests_of(read)))

    def _requests(self, read: Read) -> Iterator[Request]:
        if reads_shops(self.dataset):
            parts = self._shop_parts(read)
            for days in read.spans:
                if self.has_basic_rows:
                    yield _request(self, read.advertisers, days, 0, None)
                yield from (_gmv_max_request(self, read, days, *part) for part in parts)
            return
        for days in read.spans:
            for batch in range(len(self.batches)):
                for buying in self.buying:
                    yield _request(self, read.advertisers, days, batch, buying)

    def seconds(self, per_second: float, per_minute: float, per_day: float) -> float:
        """The least seconds that the requests take at the app's limits."""
        return least_seconds(self.request_count, per_second, per_minute, per_day)

    def days(self) -> Iterator[tuple[Advertiser, Span]]:
        """For each advertiser, its days from the first to the last; none in reports of Business Centers."""
        return iter(()) if self.dataset.is_of_centers else self._days()

    def _days(self) -> Iterator[tuple[Advertiser, Span]]:
        for read in self.reads:
            spans = [piece for piece in read.spans if piece is not None]
            if spans:
                for advertiser in read.advertisers:
                    yield advertiser, Span(spans[0].start, spans[-1].end)

    def days_read(self) -> Iterator[tuple[Advertiser, Span]]:
        """The same, where Business Centers count as one ad account in UTC (`BUSINESS_CENTERS`)."""
        if not self.dataset.is_of_centers:
            yield from self._days()
            return
        for _, days in self._days():
            yield BUSINESS_CENTERS, days
            return

    def figure_days(self) -> Iterator[tuple[Advertiser, Span]]:
        """The same, to know which days TikTok has completed.

        It does not document the zone of a Business Center's days, so they count as those of the zone where they end
        last.
        """
        return ((_last_zone(advertiser), days) for advertiser, days in self.days_read())


def _last_zone(advertiser: Advertiser) -> Advertiser:
    return replace(advertiser, offset=timedelta(hours=-12)) if advertiser is BUSINESS_CENTERS else advertiser


def least_seconds(requests: int, per_second: float, per_minute: float, per_day: float) -> float:
    """The least seconds that so many requests take at an app's limits."""
    days, rest = divmod(requests, per_day)
    return days * 86_400 + max(rest / per_second, rest / per_minute * 60)


def paths_of(dataset: Dataset) -> tuple[str, ...]:
    """The paths of a dataset's requests that have limits of their own beside those of the app."""
    return (GMV_MAX_PATH,) if reads_shops(dataset) else ()


def report_limits(dataset: Dataset, level: str) -> RateLimits:
    """The limits of a dataset's requests at an app level: those of the app, and those of the report's own path."""
    limits = limits_for(level)
    for path in paths_of(dataset):
        limits = narrower(limits, path_limits(path, level))
    return limits


def make_plan(
    dataset: Dataset,
    advertisers: Iterable[Advertiser],
    now: datetime,
    first_days: FirstDays | None = None,
    shops: Mapping[str, tuple[Shop, ...]] | None = None,
) -> Plan:
    """The plan for `advertisers` at the aware time `now`; relative days are counted in the zone of each.

    `shops` are those of a report with GMV Max by advertiser, None if they are not known yet; advertisers without shops
    are not read in a report of shops alone.

    `first_days` are those of the table: from there on the look-back window applies; without them there is none. Raises
    DatasetError if the dates have not begun for any of them.
    """
    chosen = tuple(advertisers)
    if shops is not None and dataset.report == gmv_max.REPORT:
        chosen = tuple(advertiser for advertiser in chosen if shops.get(advertiser.id))
    notes = list(dataset.notes)
    if dataset.report == "advertisers":
        groups = [chosen[first : first + MOST_IDS] for first in range(0, len(chosen), MOST_IDS)]
        reads = tuple(Read(group, (None,)) for group in groups)
    elif dataset.is_of_centers:
        # These are of Business Centers, whatever ad accounts the connection has.
        reads = (Read(chosen, _center_spans(dataset, now, first_days)),) if chosen else ()
    elif dataset.dates is None:
        reads = tuple(Read(group, (None,)) for group in _together(dataset, chosen))
    else:
        reads = tuple(_dated_reads(dataset, chosen, now, first_days, notes))
    plan = Plan(dataset, reads, _batches(dataset), _buying(dataset), tuple(notes), now, shops)
    if reads_shops(dataset) and any(days.start < gmv_max.FIRST_DAY for _, days in plan.days()):
        note = phrase(
            "TikTok has cost, orders and revenue of GMV Max from %(day)s on. Earlier days lack them.",
            day=shown_day(gmv_max.FIRST_DAY),
        )
        plan = replace(plan, notes=(*plan.notes, note))
    incomplete = incomplete_sentence(dataset, incomplete_days(dataset, plan.figure_days(), now))
    return replace(plan, notes=(*plan.notes, incomplete)) if incomplete else plan


def _center_spans(dataset: Dataset, now: datetime, first_days: FirstDays | None) -> tuple[Span | None, ...]:
    """The days of a report of Business Centers in UTC, in pieces. Raises DatasetError for days that have not begun."""
    if dataset.dates is None:
        return (None,)
    today = now.astimezone(UTC).date()
    future = future_days(dataset.dates, (today,))
    days = days_for(dataset, today)
    if days is None:
        raise DatasetError((Problem("dates", future.fault),))
    if first_days is not None:
        first, last = first_days.of(BUSINESS_CENTERS.zone), first_days.last.get(BUSINESS_CENTERS.id)
        days = with_lookback(dataset, days, today, first, last)
    center_list = business_centers.LISTS.get(dataset.report)
    return tuple(days.pieces(center_list.longest_span if center_list else LONGEST_CENTER_SPAN))


def _dated_reads(
    dataset: Dataset,
    chosen: tuple[Advertiser, ...],
    now: datetime,
    first_days: FirstDays | None,
    notes: list[str],
) -> Iterator[Read]:
    """The reads of the dataset's dates; advertisers with the same days share one tuple of spans.

    Raises DatasetError for days that have not begun in any of their zones.
    """
    assert dataset.dates is not None
    future = future_days(dataset.dates, (today_at(now, advertiser.offset) for advertiser in chosen))
    if future.fault:
        raise DatasetError((Problem("dates", future.fault),))
    notes += [future.note] if future.note else []
    by_span: dict[Span, list[Advertiser]] = defaultdict(list)
    for advertiser in chosen:
        today = today_at(now, advertiser.offset)
        days = days_for(dataset, today)
        if days is not None and first_days is not None:
            first, last = first_days.of(advertiser.zone), first_days.last.get(advertiser.id)
            days = with_lookback(dataset, days, today, first, last)
        if days is None:
            notes.append(
                phrase(
                    "Ad account %(name)s (%(id)s) has no rows yet: the first day has not begun in its time "
                    "zone (%(zone)s).",
                    name=advertiser.name,
                    id=advertiser.id,
                    zone=advertiser.zone,
                )
            )
        else:
            by_span[days].append(advertiser)
    longest = (MATERIALS_SPAN if dataset.report == smart_plus.MATERIALS else LONGEST_SPAN)[dataset.time]
    for days, group in by_span.items():
        pieces = tuple(days.pieces(longest))
        for together in _together(dataset, tuple(group)):
            yield Read(together, pieces)


def days_for(dataset: Dataset, today: date) -> Span | None:
    """The days to read on the advertiser's date `today`; None if none of them has begun."""
    assert dataset.dates is not None
    selected = span(dataset.dates, today)
    clipped = Span(selected.start, min(selected.end, today))
    return clipped if clipped.start <= clipped.end else None


def _together(dataset: Dataset, chosen: tuple[Advertiser, ...]) -> list[tuple[Advertiser, ...]]:
    """Groups of advertisers that share their requests: of five if all metrics are whole numbers, else of one.

    Reports over several advertisers lack the decimals of money ("Run a synchronous report", advertiser_ids), and
    without an ID dimension their rows do not name the advertiser.
    """
    whole_numbers = all(catalog.metrics()[name].type in _WHOLE_TYPES for name in dataset.metrics)
    shared = (
        dataset.report == "performance"
        and dataset.report_type in ("basic", "audience")
        and dataset.id_dimension is not None
        and not dataset.lifetime
        and whole_numbers
    )
    size = MOST_ADVERTISERS if shared else 1
    return [chosen[first : first + size] for first in range(0, len(chosen), size)]


def _batches(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    # In the order of the catalogue: another order of columns is no other request, and a run goes on with it.
    places = {name: place for place, name in enumerate(catalog.metrics())}
    names = sorted(dataset.metrics, key=places.__getitem__)
    return tuple(tuple(names[first : first + MOST_METRICS]) for first in range(0, len(names), MOST_METRICS)) or ((),)


def _buying(dataset: Dataset) -> tuple[str | None, ...]:
    """The buying types to filter by: each one of reservation; for entities all, and TopView, which all excludes."""
    if dataset.service_type == "reservation":
        return _RESERVATION
    return (None, "RESERVATION_TOP_VIEW") if dataset.report in _ENTITY_PATHS else (None,)


def _request(
    plan: Plan, advertisers: tuple[Advertiser, ...], days: Span | None, batch: int, buying: str | None
) -> Request:
    dataset = plan.dataset
    path, params = _path_and_params(dataset, advertisers, days, plan.batches[batch], buying)
    who = advertisers[0].id if len(advertisers) == 1 else f"{advertisers[0].id}x{len(advertisers)}"
    when = f"-{days.start:%Y%m%d}" if days else ""
    name = f"{who}{when}-b{batch}{'-' + buying.lower().replace('_', '') if buying else ''}"
    # TikTok limits pages of ad groups of TopView to 100 rows.
    small_pages = dataset.report == "ad_groups" and buying == "RESERVATION_TOP_VIEW"
    page_size = 100 if small_pages else plan.page_size
    return Request(name, path, advertisers, days, batch, buying, page_size, params)


def comparisons(dataset: Dataset) -> int:
    """The requests for each span that only tell what the rows must sum up to: of Smart+ materials what ads cost."""
    return int(dataset.report == smart_plus.MATERIALS)


def steps_before(dataset: Dataset) -> int:
    """The least requests of a GMV Max report that find out what a request for rows needs, or what it must sum up to."""
    level = gmv_max.LEVELS[dataset.level or "account"]
    # The hours of a shop are compared with its days.
    return 1 if level.name == "account" and dataset.time == "hour" else level.chain


def _gmv_max_request(plan: Plan, read: Read, days: Span | None, shop: Shop, promotion: gmv_max.Promotion) -> Request:
    """The request for a shop's rows; at levels below the campaigns it lacks the ids that are found out first."""
    assert days is not None
    dataset, advertiser = shop_part(plan.dataset), read.advertisers[0]
    level = gmv_max.LEVELS[dataset.level or "account"]
    metrics = [name for name in _batches(dataset)[0] if _has_metric(name, level, promotion)]
    filtering: dict[str, Any] = {"gmv_max_promotion_types": [promotion]}
    if level.name == "campaign":
        filtering["campaign_statuses"] = list(gmv_max.CAMPAIGN_STATUSES)
    time = {"day": ["stat_time_day"], "hour": ["stat_time_hour"]}.get(dataset.time, [])
    params = {
        **shop_params(advertiser, shop, days),
        "dimensions": [*(level.ids or ("advertiser_id",)), *time],
        "metrics": metrics,
        "sort_field": "cost",
        "enable_total_metrics": True,
        **({"filtering": filtering} if level.name in ("account", "campaign") else {}),
    }
    name = f"{advertiser.id}-{shop.id}-{promotion.lower()}-{days.start:%Y%m%d}"
    return Request(name, GMV_MAX_PATH, (advertiser,), days, 0, None, PAGE_SIZE, params, shop, promotion)


def shop_params(advertiser: Advertiser, shop: Shop, days: Span) -> dict[str, Any]:
    """The parameters that each request for a shop's figures has."""
    return {
        "advertiser_id": advertiser.id,
        "store_ids": [shop.id],
        "start_date": days.start.isoformat(),
        "end_date": days.end.isoformat(),
    }


def _has_metric(name: str, level: gmv_max.GmvMaxLevel, promotion: gmv_max.Promotion) -> bool:
    """Whether the level has the metric for this type of campaigns; only LIVE campaigns have the metrics of LIVEs."""
    return bool(catalog.metrics()[name].gmv_max & gmv_max.metric_levels(level.name, promotion.lower()))


def _path_and_params(
    dataset: Dataset,
    advertisers: tuple[Advertiser, ...],
    days: Span | None,
    metrics: tuple[str, ...],
    buying: str | None,
) -> tuple[str, dict[str, Any]]:
    if dataset.report == all_spend.REPORT:
        part = basic_part(dataset)
        return REPORT_PATH, _report_params(part, advertisers, days, part.metrics, buying)
    if dataset.report == "performance":
        return REPORT_PATH, _report_params(dataset, advertisers, days, metrics, buying)
    if dataset.report in FURTHER:
        return REPORT_PATH, _further_params(dataset, advertisers, days, metrics)
    if dataset.report == smart_plus.MATERIALS:
        return _materials_params(dataset, advertisers[0], days, metrics)
    if dataset.report == "creatives":
        return "/creative/report/get/", _creative_params(dataset, advertisers[0], days, metrics)
    if dataset.report == "advertisers":
        ids = [advertiser.id for advertiser in advertisers]
        return "/advertiser/info/", {"advertiser_ids": ids, "fields": list(dataset.fields)}
    if dataset.report in business_centers.LISTS:
        return business_centers.LISTS[dataset.report].path, {}
    return _list_path_and_params(dataset, advertisers[0], buying)


def _list_path_and_params(dataset: Dataset, advertiser: Advertiser, buying: str | None) -> tuple[str, dict[str, Any]]:
    params: dict[str, Any] = {"advertiser_id": advertiser.id}
    if dataset.report.startswith("custom_audience"):
        return "/dmp/custom_audience/list/", params
    if dataset.report in ad_account_assets.LISTS:
        return ad_account_assets.LISTS[dataset.report].path, params
    filtering: dict[str, Any] = {"primary_status": "STATUS_ALL"} if dataset.include_deleted else {}
    if dataset.report in smart_plus.LISTS:
        # Without fields TikTok sends all. It refuses the names of those that it always sends.
        return smart_plus.LISTS[dataset.report].path, params | ({"filtering": filtering} if filtering else {})
    if buying:
        filtering["buying_types"] = [buying]
    key = key_columns(dataset)
    if not dataset.other_fields:
        # Without a list of fields, TikTok sends all.
        params["fields"] = list(dict.fromkeys((*key, *dataset.fields)))
    return _ENTITY_PATHS[dataset.report], params | ({"filtering": filtering} if filtering else {})


def _report_params(
    dataset: Dataset,
    advertisers: tuple[Advertiser, ...],
    days: Span | None,
    metrics: tuple[str, ...],
    buying: str | None,
) -> dict[str, Any]:
    ids = [advertiser.id for advertiser in advertisers]
    who = {"advertiser_id": ids[0]} if len(ids) == 1 else {"advertiser_ids": ids}
    filtering = []
    status = _STATUS_FILTERS.get(dataset.level or "")
    # The filters of catalog reports are not documented, so they get none.
    if dataset.include_deleted and status and dataset.report_type != "dsa":
        filtering.append(in_filter(status, ("STATUS_ALL",)))
    if buying:
        filtering.append(in_filter("buying_type", (buying,)))
    return {
        **who,
        "report_type": _KINDS[dataset.report_type],
        "data_level": f"AUCTION_{(dataset.level or 'ad').upper()}",
        "dimensions": list(dimensions_asked(dataset)),
        "metrics": list(metrics),
        **_days(dataset, days, "query_lifetime"),
        **({"filtering": filtering} if filtering else {}),
        **({"enable_total_metrics": True} if has_totals(dataset, advertisers) else {}),
    }


def _further_params(
    dataset: Dataset, advertisers: tuple[Advertiser, ...], days: Span | None, metrics: tuple[str, ...]
) -> dict[str, Any]:
    """The parameters of a further type of report. Those of a Business Center lack its id, which a run finds out."""
    params: dict[str, Any] = {
        "report_type": FURTHER[dataset.report].type,
        "dimensions": list(dimensions_asked(dataset)),
        "metrics": list(metrics),
        **_days(dataset, days, "query_lifetime"),
    }
    if dataset.report == CENTER_SPEND:
        return params
    params["advertiser_id"] = advertisers[0].id
    if dataset.level:
        params["data_level"] = f"AUCTION_{dataset.level.upper()}"
    if dataset.report == PLAYABLES and dataset.include_deleted:
        params["filtering"] = [in_filter("playable_status", ("STATUS_ALL",))]
    return params | ({"enable_total_metrics": True} if has_totals(dataset, advertisers) else {})


def in_filter(field: str, values: Iterable[str]) -> dict[str, str]:
    """A filter of a report for any of the values, which TikTok expects as a JSON text."""
    return {"field_name": field, "filter_type": "IN", "filter_value": orjson.dumps(list(values)).decode()}


def has_totals(dataset: Dataset, advertisers: tuple[Advertiser, ...]) -> bool:
    """Whether TikTok can give totals: auction, basic, by day at most, one advertiser ("enable_total_metrics").

    Reports of Seller Center ads have them, too.
    """
    return (
        dataset.report_type in ("basic", FURTHER[SELLER_CENTER].kind)
        and dataset.service_type == "auction"
        and dataset.time in ("none", "day")
        and not dataset.breakdowns
        and len(advertisers) == 1
    )


def _creative_params(
    dataset: Dataset, advertiser: Advertiser, days: Span | None, metrics: tuple[str, ...]
) -> dict[str, Any]:
    info_fields = list(dict.fromkeys((*key_columns(dataset)[1:], *dataset.fields)))
    return {
        "advertiser_id": advertiser.id,
        "material_type": dataset.material_type.upper(),
        "info_fields": info_fields,
        "metrics_fields": list(metrics),
        **_days(dataset, days, "lifetime"),
    }


def _materials_params(
    dataset: Dataset, advertiser: Advertiser, days: Span | None, metrics: tuple[str, ...]
) -> tuple[str, dict[str, Any]]:
    overview = smart_plus.is_overview(dataset.breakdowns, dataset.time)
    return smart_plus.OVERVIEW_PATH if overview else smart_plus.BREAKDOWN_PATH, {
        "advertiser_id": advertiser.id,
        "dimensions": list(dimensions_asked(dataset)),
        "metrics": [name for name in metrics if name not in smart_plus.NAMES],
        **_days(dataset, days, "query_lifetime"),
    }


def smart_plus_cost_params(request: Request) -> dict[str, Any]:
    """The parameters for the cost of all Smart+ campaigns in the days of a request for their materials."""
    dates = ("start_date", "end_date", "query_lifetime")
    filters = (
        in_filter("campaign_status", ("STATUS_ALL",)),
        in_filter("campaign_automation_type", (smart_plus.AUTOMATION,)),
    )
    return {
        "advertiser_id": request.advertisers[0].id,
        "report_type": "BASIC",
        "data_level": "AUCTION_CAMPAIGN",
        "dimensions": ["campaign_id"],
        "metrics": ["spend"],
        **{name: request.params[name] for name in dates if name in request.params},
        "filtering": list(filters),
        "enable_total_metrics": True,
    }


def _days(dataset: Dataset, days: Span | None, lifetime_name: str) -> dict[str, Any]:
    if dataset.lifetime or days is None:
        return {lifetime_name: True}
    return {"start_date": days.start.isoformat(), "end_date": days.end.isoformat()}


def narrowed(request: Request, mark: str, field: str, ids: Iterable[str]) -> Request:
    """The same request for some ids only; `mark` makes its name unique."""
    filtering = [*request.params.get("filtering", ()), in_filter(field, ids)]
    return replace(request, name=f"{request.name}-{mark}", params={**request.params, "filtering": filtering})


def for_one(request: Request, advertiser: Advertiser) -> Request:
    """The same request for one of its advertisers."""
    params = {name: value for name, value in request.params.items() if name != "advertiser_ids"}
    params["advertiser_id"] = advertiser.id
    return replace(request, name=f"{request.name}-{advertiser.id}", advertisers=(advertiser,), params=params)
