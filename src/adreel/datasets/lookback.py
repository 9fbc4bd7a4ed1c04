"""The look-back window: the earlier days that a run reads again, as TikTok changes them later.

TikTok books a conversion on the day of the click or view, up to 28 days later (reporting FAQ, doc 1738864850353154),
and corrects the previous days at 12:00 UTC ("Data latency", doc 1738864894606337). A run of upsert or partition reads,
besides its own dates, the days of the window that the table has. So no day is added before the first one of the table,
and no day stays as it was when it was young because the dataset's own dates have passed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from adreel import catalog
from adreel.catalog import gmv_max
from adreel.catalog.business_centers import COSTS, TRANSACTIONS
from adreel.catalog.report_types import CENTER_SPEND
from adreel.datasets.coverage import LastRead, from_json, is_rolling
from adreel.datasets.dataset import Dataset, day_column, reads_shops
from adreel.dates import Span, today_at
from adreel.language import phrase, phrases
from adreel.update_methods import Method

if TYPE_CHECKING:
    from adreel.lake import Lake

LONGEST = 28
"""Days: the longest usual attribution window."""

ATTRIBUTED_DAYS = 7
"""The default where conversions are read: TikTok's default attribution window is 7 days after a click."""

GMV_MAX_DAYS = 14
"""The default of GMV Max reports: orders, revenue and cost of past days change; TikTok does not say for how long."""

TAX_DAYS = 4
"""The default where tax of Business Centers is read: it is complete 48 hours after the end of the day in any zone."""

CORRECTED_DAYS = 2
"""The default elsewhere: by then yesterday's figures are corrected (12:00 UTC) and the latest reports complete."""

_ATTRIBUTED_GROUPS = frozenset(
    {
        "app_event",
        "app_event_skan",
        "attribution",
        "attribution_skan",
        "core_skan",
        "website",
        "website_legacy",
        "tiktok_onsite",
        "shop",
        "offline",
        "messaging",
    }
)
_ATTRIBUTED_WORDS = ("conversion", "result")


CAUGHT_UP = 90
"""Days before today: how far back a run reads by itself after a time in which no run succeeded."""


@dataclass(frozen=True, slots=True)
class FirstDays:
    """The first day that a table has, and the first that its runs read by the zone of ad accounts, where known.

    `last` is what the latest run read of each ad account, by its id.
    """

    first: date
    by_zone: Mapping[str, date] = field(default_factory=dict)
    last: Mapping[str, LastRead] = field(default_factory=dict)

    def of(self, zone: str) -> date:
        """The first day for ad accounts of the zone; the table's for one that no run is known to have read."""
        return self.by_zone.get(zone, self.first)


def refusal(dataset: Dataset) -> str:
    """Why the dataset has no look-back window; empty if it has one."""
    match dataset.update.method:
        case Method.REPLACE:
            return phrase("not available with replace, which reads all dates of the dataset in each run")
        case Method.APPEND:
            return phrase("not available with append, which would add the rows of a day again each time it is read")
    if dataset.dates is None or read_day(dataset) is None:
        return phrase("not available without a time dimension, as rows then belong to no day that could be read again")
    return ""


def period_refusal(dataset: Dataset) -> str:
    """Why rows cannot be replaced by their key; empty if they can.

    A period of one optimization mode that goes on may be written in another way by the next run, so that its cost
    would be in the table twice.
    """
    level = gmv_max.LEVELS.get(dataset.level or "") if dataset.report == gmv_max.REPORT else None
    if level is None or not level.by_period:
        return ""
    return phrase("not available by period, as TikTok may write a period that goes on differently in the next run")


def read_day(dataset: Dataset) -> str | None:
    """The column with the day of which a row is read again; None if rows belong to no day."""
    if dataset.report in _LIST_DAYS:
        return _LIST_DAYS[dataset.report]
    return day_column(dataset)


_LIST_DAYS = {TRANSACTIONS: "transaction_date", COSTS: "cost_date"}


def is_attributed(metric: str) -> bool:
    """Whether the metric changes for days, as its events are booked on the day of the click or view."""
    record = catalog.metrics().get(metric)
    if record is None or record.attribute or metric.startswith("real_time_"):
        return False
    if record.added or record.group in _ATTRIBUTED_GROUPS:
        # Of an added metric nobody knows, and a window that is too long costs requests only.
        return True
    return record.group == "core" and any(word in metric for word in _ATTRIBUTED_WORDS)


def default_days(dataset: Dataset) -> int:
    """The look-back window where the dataset names none."""
    if reads_shops(dataset):
        return GMV_MAX_DAYS
    if dataset.report == CENTER_SPEND:
        return TAX_DAYS if "tax_spend" in dataset.metrics else CORRECTED_DAYS
    return ATTRIBUTED_DAYS if any(map(is_attributed, dataset.metrics)) else CORRECTED_DAYS


def lookback_days(dataset: Dataset) -> int:
    """The look-back window in days before today; 0 for none."""
    if refusal(dataset):
        return 0
    return default_days(dataset) if dataset.update.lookback is None else dataset.update.lookback


def with_lookback(dataset: Dataset, own: Span, today: date, first: date, last: LastRead | None = None) -> Span:
    """The dataset's own days and the days of the window before them, from `first` on, that of the table.

    `last` is the latest run: where runs failed or were paused since, the window begins where that of the first missed
    one would have, up to 90 days ago, so that each day is read as often and as late as by daily runs. A start that is a
    calendar day stays: the dates do not move on, so each run reads all of them.
    """
    days = lookback_days(dataset)
    if not days or not is_rolling(dataset):
        return own
    window = today - timedelta(days=days)
    if last is not None:
        missed = min(last.today + timedelta(days=1 - days), last.end + timedelta(days=1))
        window = min(window, max(missed, today - timedelta(days=CAUGHT_UP)))
    starts = [first, window]
    if dataset.update.method is Method.PARTITION and dataset.update.keep_days is not None:
        starts.append(today - timedelta(days=dataset.update.keep_days - 1))
    return Span(min(own.start, max(starts)), own.end)


def first_kept_day(dataset: Dataset, now: datetime) -> date | None:
    """The first day that the rolling window of the table keeps, where the day begins last; None if it keeps all."""
    keep = dataset.update.keep_days
    if keep is None or dataset.dates is None or dataset.update.method is not Method.PARTITION:
        return None
    return today_at(now, timedelta(hours=-12)) - timedelta(days=keep - 1)


def first_days(lake: Lake, slug: str, dataset: Dataset, now: datetime) -> FirstDays | None:
    """The days from which on the window applies to the table; None if there is no table or no window.

    Where the table reaches back beyond the window, its first day is enough. Until then what the runs read counts too,
    as a day may have had no rows yet.
    """
    days = lookback_days(dataset)
    if not days or not lake.exists(slug):
        return None
    ends = lake.table(slug).day_ends(read_day(dataset))
    newest = lake.newest_version(slug)
    coverage = from_json(newest.coverage) if newest is not None else {}
    last = {who: read.last for who, read in coverage.items() if read.last is not None}
    since = min([today_at(now, timedelta(hours=-12)), *(read.today for read in last.values())])
    if ends is not None and ends[0] < since - timedelta(days=days):
        return FirstDays(ends[0], last=last)
    by_zone: dict[str, date] = {}
    for version in lake.versions(slug):
        for zone, (first, _) in version.days_read.items():
            by_zone[zone] = min(first, by_zone.get(zone, first))
        if version.only_days_read or version.restored is not None:
            break
    first_read = [*by_zone.values(), *(ends[:1] if ends else ())]
    return FirstDays(min(first_read), by_zone, last) if first_read else None


def reason(dataset: Dataset) -> str:
    """Why days are read again, in a sentence."""
    if reads_shops(dataset):
        return phrase("TikTok changes orders, revenue and cost of GMV Max campaigns for days after the order.")
    if dataset.report == CENTER_SPEND:
        return phrase(
            "TikTok completes amounts in cash, vouchers and coupons 16 hours after the end of a day, and tax 48 hours."
        )
    if dataset.report in _LIST_DAYS:
        return phrase(
            "A day may end later in the time zones of ad accounts than in UTC, and later entries belong to it."
        )
    if default_days(dataset) == ATTRIBUTED_DAYS:
        return phrase(
            "TikTok adds conversions to the day of the click or view, usually for 7 days and for up to "
            "28, so that these days change."
        )
    return phrase("TikTok corrects the figures of the previous days at 12:00 UTC.")


def described(dataset: Dataset) -> str:
    """The look-back window in a sentence or two, without its price."""
    why = refusal(dataset)
    if why:
        return phrase("Look-back is %(reason)s.", reason=why)
    days = lookback_days(dataset)
    if not days:
        off = phrase("Look-back is off: each run reads the dataset's dates only.")
        return f"{off} {reason(dataset)}"
    if dataset.update.lookback is None:
        window = phrases(
            "Look-back: %(days)s day (the default).", "Look-back: %(days)s days (the default).", days, days=days
        )
    else:
        window = phrases("Look-back: %(days)s day.", "Look-back: %(days)s days.", days, days=days)
    effect = phrases(
        "Each run reads the days of the table again that are up to %(days)s day old.",
        "Each run reads the days of the table again that are up to %(days)s days old.",
        days,
        days=days,
    )
    return f"{window} {effect} {reason(dataset)}"
