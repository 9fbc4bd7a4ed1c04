"""When TikTok's figures of a day are complete, the one answer of runs, estimates and comparisons.

Delays are those of TikTok's page "Data latency" (doc 1738864894606337), counted from the end of the day in the ad
account's own zone. A later restatement of conversions is no incompleteness: see `lookback`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from adreel import catalog
from adreel.advertisers import Advertiser
from adreel.catalog import all_spend, gmv_max, smart_plus
from adreel.catalog.additions import in_force
from adreel.catalog.report_types import FURTHER, PLAYABLES
from adreel.datasets.dataset import Dataset
from adreel.dates import Span, today_at
from adreel.language import integer, phrase, phrases, shown_day

USUAL_DELAY = timedelta(hours=2)
"""Basic figures take about 30 minutes, which "can pass 2 hours"."""

SLOW_DELAY = timedelta(hours=16)
"""Audience, catalogue (DSA) and playable ad reports, unique users, and the breakdowns below."""

GMV_MAX_DELAY = timedelta(hours=11)
"""GMV Max: the net cost, and the cost of products, creatives and periods of one optimization mode."""

_LATE_LEVELS = frozenset({"product", "creative", *(level.name for level in gmv_max.LEVELS.values() if level.by_period)})

SLOWEST_DELAY = timedelta(hours=24)

TAX_DELAY = timedelta(hours=48)
"""Tax in figures of Business Centers."""

PROMPT_AUDIENCE = frozenset({"country_code", "placement"})
"""Breakdowns of audience reports that are as fast as basic figures."""

SLOWEST_BREAKDOWNS = frozenset({"behavior_id", "purchase_intention"})

SLOW_BREAKDOWNS = frozenset(
    {"ad_type", "custom_event_type", "event_source_id", "page_id", "component_name", "post_id", "search_terms"}
)
"""Breakdowns of basic reports that are late."""

_SLOW_METRICS: Mapping[str, timedelta] = MappingProxyType(
    {
        **dict.fromkeys(
            ("reach", "frequency", "cost_per_1000_reached", "average_video_play_per_user", "live_unique_views"),
            SLOW_DELAY,
        ),
        **dict.fromkeys(("cash_spend", "voucher_spend", "cashback_coupon_spend"), SLOW_DELAY),
        "tax_spend": TAX_DELAY,
        "billed_cost": timedelta(hours=11),
        "net_cost": GMV_MAX_DELAY,
    }
)
"""Metrics that are late in reports whose other figures are not: unique users, and the parts of the spend."""

_NAMED = 5


def report_delay(dataset: Dataset) -> timedelta:
    """How long after the end of a day its rows are complete, but for the metrics that are later still."""
    breakdowns = set(dataset.breakdowns)
    if dataset.report == gmv_max.REPORT:
        return GMV_MAX_DELAY if dataset.level in _LATE_LEVELS else USUAL_DELAY
    if dataset.report != "performance":
        return SLOW_DELAY if dataset.report == PLAYABLES else USUAL_DELAY
    if breakdowns & SLOWEST_BREAKDOWNS:
        return SLOWEST_DELAY
    if dataset.report_type == "audience":
        return USUAL_DELAY if breakdowns and breakdowns <= PROMPT_AUDIENCE else SLOW_DELAY
    is_slow = dataset.report_type == "dsa" or breakdowns & (SLOW_BREAKDOWNS | in_force().dimensions.keys())
    return SLOW_DELAY if is_slow else USUAL_DELAY


def _metric_delay(name: str) -> timedelta:
    """The delay of a metric that is late in reports whose other figures are not; none for others.

    An added metric counts as late, as nobody knows.
    """
    metric = catalog.metrics().get(name)
    if metric is not None and metric.added and not metric.attribute:
        return SLOW_DELAY
    return _SLOW_METRICS.get(name, timedelta())


def late_delays(dataset: Dataset) -> dict[str, timedelta]:
    """How long after the end of a day those metrics of a dataset are complete that are later than its report."""
    usual = report_delay(dataset)
    delays = {name: _metric_delay(name) for name in dataset.metrics}
    return {name: delay for name, delay in delays.items() if delay > usual}


def complete_at(day: date, offset: timedelta, delay: timedelta) -> datetime:
    """The aware time from which on the figures of the ad account's `day` are complete."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1) - offset + delay


def last_complete_day(offset: timedelta, delay: timedelta, now: datetime) -> date:
    """The last day of an ad account whose figures are complete at the aware time `now`, as `complete_at` says."""
    return today_at(now - delay, offset) - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class IncompleteDay:
    """A day that TikTok has not completed for some ad accounts; `complete_at` is the latest of their times.

    `metrics` are the columns that are late, empty for all figures. `is_over` says whether the day has ended in any of
    these ad accounts, `of` how many ad accounts read the day.
    """

    day: date
    metrics: tuple[str, ...]
    advertisers: int
    of: int
    complete_at: datetime
    is_over: bool

    def as_json(self) -> dict[str, Any]:
        """As a run's verification keeps it."""
        return {
            "day": self.day.isoformat(),
            "metrics": list(self.metrics),
            "advertisers": self.advertisers,
            "complete_at": self.complete_at.isoformat(),
        }


def incomplete_days(
    dataset: Dataset, days: Iterable[tuple[Advertiser, Span]], now: datetime
) -> tuple[IncompleteDay, ...]:
    """The days that are incomplete at the aware time `now`, oldest first, of the days that are read."""
    others = (gmv_max.REPORT, all_spend.REPORT, smart_plus.MATERIALS, *FURTHER)
    if dataset.report not in ("performance", "creatives", *others):
        return ()
    delay, reads = report_delay(dataset), tuple(days)
    parts: list[tuple[tuple[str, ...], timedelta]] = [((), delay)]
    delays = late_delays(dataset)
    for late in sorted(set(delays.values())):
        parts.append((tuple(name for name in delays if delays[name] == late), late))
    incomplete: list[IncompleteDay] = []
    for metrics, late in parts:
        whole = {day.day: day for day in incomplete if not day.metrics}
        incomplete += (day for day in _incomplete(reads, metrics, late, now) if not _is_told(day, whole))
    return tuple(sorted(incomplete, key=lambda day: (day.day, day.metrics)))


def _is_told(day: IncompleteDay, whole: Mapping[date, IncompleteDay]) -> bool:
    """Whether all figures of the day are said to be incomplete, in as many ad accounts."""
    return bool(day.metrics) and day.day in whole and whole[day.day].advertisers == day.advertisers


def _incomplete(
    reads: Iterable[tuple[Advertiser, Span]], metrics: tuple[str, ...], delay: timedelta, now: datetime
) -> Iterator[IncompleteDay]:
    readers: dict[date, list[tuple[datetime, timedelta]]] = {}
    of: dict[date, int] = {}
    for advertiser, span in reads:
        day, complete = span.end, last_complete_day(advertiser.offset, delay, now)
        while day >= span.start and day > complete:
            readers.setdefault(day, []).append((complete_at(day, advertiser.offset, delay), advertiser.offset))
            day -= timedelta(days=1)
    for _, span in reads:
        for day in readers:
            of[day] = of.get(day, 0) + (span.start <= day <= span.end)
    for day, times in readers.items():
        is_over = any(day <= last_complete_day(offset, timedelta(), now) for _, offset in times)
        yield IncompleteDay(day, metrics, len(times), of[day], max(at for at, _ in times), is_over)


@dataclass(frozen=True, slots=True)
class LateMetrics:
    """Metrics that are later than their report and incomplete on the last day of a period, `last`.

    `complete_until` is their last day that is complete in all ad accounts, `complete_at` when `last` will be.
    """

    metrics: tuple[str, ...]
    last: date
    complete_until: date
    complete_at: datetime

    @property
    def sentence(self) -> str:
        """What is said of charts that have them over several days."""
        return phrase(
            "%(metrics)s of %(day)s was not complete when the rows were read (complete on %(complete_day)s at %(time)s "
            "UTC). Totals and comparisons leave the day out; rankings have it and are too low.",
            **self._facts,
        )

    @property
    def sentence_without_days(self) -> str:
        """What is said if no day of the period is complete."""
        return phrase(
            "%(metrics)s of %(day)s was not complete when the rows were read and is too low, so it is not compared "
            "(complete on %(complete_day)s at %(time)s UTC).",
            **self._facts,
        )

    @property
    def _facts(self) -> dict[str, str]:
        at = self.complete_at.astimezone(UTC)
        return {
            "metrics": ", ".join(str(catalog.metrics()[name].title) for name in self.metrics),
            "day": shown_day(self.last),
            "complete_day": shown_day(at.date()),
            "time": f"{at:%H:%M}",
        }


def late_metrics(
    dataset: Dataset, offsets: Iterable[timedelta], last: date, read_at: datetime
) -> tuple[LateMetrics, ...]:
    """The metrics of a dataset that were incomplete on the day `last`, although its report was complete.

    `offsets` are those of the ad accounts' zones, `read_at` is the aware time at which the rows were read.
    """
    zones, late = tuple(offsets), []
    delays = late_delays(dataset)
    for delay in sorted(set(delays.values())):
        complete_until = min(last_complete_day(offset, delay, read_at) for offset in zones)
        if last > complete_until:
            names = tuple(name for name in delays if delays[name] == delay)
            at = max(complete_at(last, offset, delay) for offset in zones)
            late.append(LateMetrics(names, last, complete_until, at))
    return tuple(late)


def late_rows(dataset: Dataset, incomplete: Iterable[IncompleteDay]) -> bool:
    """Whether rows of a day that is over are incomplete for longer than basic figures usually take.

    A person takes such a day for complete, as yesterday in an audience report; one who reads today does not.
    """
    return report_delay(dataset) > USUAL_DELAY and any(day.is_over and not day.metrics for day in incomplete)


def incomplete_sentence(dataset: Dataset, incomplete: Iterable[IncompleteDay]) -> str:
    """What is said of incomplete days, with the times when they will be complete; empty if there is none."""
    days = tuple(incomplete)
    if not days:
        return ""
    listed = [_words(day) for day in days[:_NAMED]]
    if len(days) > _NAMED:
        more = len(days) - _NAMED
        listed.append(phrases("and %(days)s more day", "and %(days)s more days", more, days=integer(more)))
    sentences = [phrase("Not complete yet: %(days)s.", days="; ".join(listed))]
    if late_rows(dataset, days):
        sentences.append(
            phrase(
                "TikTok completes this report about %(hours)s hours after the end of a day in the ad account's time "
                "zone.",
                hours=report_delay(dataset) // timedelta(hours=1),
            )
        )
    return " ".join((*sentences, phrase("The figures are too low until a run reads them again after that.")))


def _words(day: IncompleteDay) -> str:
    metrics = catalog.metrics()
    titles = [str(metrics[name].title) for name in day.metrics if name in metrics]
    at = day.complete_at.astimezone(UTC)
    facts = {
        "day": shown_day(day.day),
        "metrics": ", ".join(titles),
        "some": integer(day.advertisers),
        "all": integer(day.of),
        "complete_day": shown_day(at.date()),
        "time": f"{at:%H:%M}",
    }
    if day.advertisers == day.of:
        if titles:
            return phrase("%(metrics)s of %(day)s (complete on %(complete_day)s at %(time)s UTC)", **facts)
        return phrase("%(day)s (complete on %(complete_day)s at %(time)s UTC)", **facts)
    if titles:
        return phrase(
            "%(metrics)s of %(day)s for %(some)s of the %(all)s ad accounts that are read on this day (complete on "
            "%(complete_day)s at %(time)s UTC)",
            **facts,
        )
    return phrase(
        "%(day)s for %(some)s of the %(all)s ad accounts that are read on this day (complete on %(complete_day)s at "
        "%(time)s UTC)",
        **facts,
    )
