"""The numbers of a home in Prometheus's text format, read from the store at each scrape.

Runs are processes of their own and there may be several servers, so that counters in memory would each know a part.
Whichever server is asked gives the same numbers; nothing is lost when one restarts, or when runs are pruned.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from adreel.clock import wall_clock
from adreel.destinations.status import PublishLag, publish_lags
from adreel.settings import Settings
from adreel.store import RunState, RunTotal, Store
from adreel.store.totals import MOST_SECONDS, NEVER_STARTED
from adreel.tiktok.rate_limit import limits_for

if TYPE_CHECKING:
    from prometheus_client import Metric

_Labels = tuple[tuple[str, str], ...]
_Samples = Mapping[_Labels, float]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(store: Store, settings: Settings, now: datetime) -> bytes:
    """All metrics, as `CONTENT_TYPE`."""
    # Imported only here: a server that nobody scrapes does not need it.
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(store, settings, now))
    return generate_latest(registry)


class _Collector:
    """The metrics of one moment."""

    def __init__(self, store: Store, settings: Settings, now: datetime) -> None:
        self._store = store
        self._settings = settings
        self._now = now

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering reads nothing."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield from self._program()
        yield from self._ended_runs()
        yield from self._queue()
        yield from self._requests()
        yield from self._state()
        yield from self._publishing()

    def _program(self) -> Iterator[Metric]:
        facts = {"version": version("adreel"), "python": platform.python_version()}
        yield _gauge("adreel_build_info", "Version of adreel and of Python; always 1.", {tuple(facts.items()): 1})
        yield _gauge("adreel_store_bytes", "Size of the database in bytes.", {(): self._store.activity.store_bytes()})

    def _ended_runs(self) -> Iterator[Metric]:
        totals = self._store.run_totals.list()
        runs: dict[_Labels, float] = {}
        rows: dict[_Labels, float] = {}
        for total in totals:
            trigger, state = ("trigger", total.trigger), ("state", total.state.value)
            runs[trigger, state] = runs.get((trigger, state), 0) + total.runs
            rows[trigger,] = rows.get((trigger,), 0) + total.rows
        restated = sum(total.restated_cells for total in totals)
        yield _counter("adreel_runs_ended", "Ends of runs; a run that is resumed ends again.", runs)
        yield _counter("adreel_rows_read", "Rows that runs read and wrote into tables.", rows)
        yield _counter(
            "adreel_restated_cells", "Values that TikTok restated, found by runs from the queue.", {(): restated}
        )
        yield _durations(totals)

    def _queue(self) -> Iterator[Metric]:
        activity, now = self._store.activity, self._now
        in_progress: _Samples = {
            (("state", state.value), ("trigger", trigger.value)): count
            for (state, trigger), count in activity.in_progress().items()
        }
        yield _gauge("adreel_runs_in_progress", "Runs that are queued or running.", in_progress)
        queue = [run for run in activity.queue() if run.not_before is None or run.not_before <= now]
        oldest = min((run.not_before or run.created_at for run in queue), default=now)
        yield _gauge(
            "adreel_queue_wait_seconds",
            "Seconds that the queued run waits which may begin longest.",
            {(): _since(oldest, now)},
        )
        due = activity.oldest_due(now) or now
        yield _gauge(
            "adreel_schedule_delay_seconds",
            "Seconds since the oldest due time whose run has not begun.",
            {(): _since(due, now)},
        )
        wall = wall_clock()
        workers = [worker for worker in self._store.queue.workers() if worker.is_alive(wall)]
        yield _gauge("adreel_workers", "Workers that are alive.", {(): len(workers)})
        slots = sum(worker.runs_at_once for worker in workers)
        yield _gauge("adreel_worker_slots", "Runs that the workers can execute at once.", {(): slots})

    def _requests(self) -> Iterator[Metric]:
        totals = self._store.app_requests.totals()
        sent: _Samples = {(("app_id", app_id),): counts.sent for app_id, counts in totals.items()}
        refused: _Samples = {(("app_id", app_id),): counts.refused for app_id, counts in totals.items()}
        yield _counter("adreel_tiktok_requests", "Requests to TikTok by app.", sent)
        yield _counter("adreel_tiktok_requests_refused", "Requests that TikTok refused as too many, by app.", refused)
        midnight = self._now.replace(hour=0, minute=0, second=0, microsecond=0)
        periods = self._store.app_requests.since(midnight)
        today: _Samples = {
            (("app_id", app_id),): sum(counts.sent for counts in periods.get(app_id, {}).values()) for app_id in totals
        }
        yield _gauge("adreel_tiktok_requests_today", "Requests of this day in UTC, by app.", today)
        limit = limits_for(self._settings.tiktok_level).per_day
        yield _gauge("adreel_tiktok_requests_day_limit", "Requests that TikTok grants an app a day.", {(): limit})

    def _state(self) -> Iterator[Metric]:
        accounts: _Samples = {
            (("status", status.value),): count for status, count in self._store.activity.accounts().items()
        }
        yield _gauge("adreel_accounts", "Accounts by the status of their access token.", accounts)
        last_runs = self._store.activity.last_runs()
        datasets: _Samples = {
            (("last_run", state.value if state else "none"),): last_runs.get(state, 0) for state in (*RunState, None)
        }
        yield _gauge("adreel_datasets", "Datasets by the state of their last run.", datasets)

    def _publishing(self) -> Iterator[Metric]:
        lags = publish_lags(self._store, self._store.datasets.list(), self._now)
        figures: tuple[tuple[str, str, Callable[[PublishLag], float]], ...] = (
            (
                "adreel_publish_lag_seconds",
                "Age in seconds of the oldest version that a destination was not given.",
                lambda lag: lag.lag_seconds,
            ),
            (
                "adreel_publish_datasets_behind",
                "Datasets whose newest version a destination does not have.",
                lambda lag: lag.datasets,
            ),
            (
                "adreel_publish_failed_tries",
                "Failed tries to publish since the last success, and since a person asked for a try.",
                lambda lag: lag.failed_tries,
            ),
        )
        for name, text, figure in figures:
            samples: _Samples = {(("destination", lag.destination),): figure(lag) for lag in lags}
            if samples:
                yield _gauge(name, text, samples)


def _gauge(name: str, help_text: str, samples: _Samples) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(name, help_text), name, samples)


def _counter(name: str, help_text: str, samples: _Samples) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(name, help_text), f"{name}_total", samples)


def _filled(metric: Metric, name: str, samples: _Samples) -> Metric:
    for labels, value in samples.items():
        metric.add_sample(name, dict(labels), value)
    return metric


def _durations(totals: tuple[RunTotal, ...]) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    name = "adreel_run_duration_seconds"
    metric = HistogramMetricFamily(name, "Durations of runs, from the first start to an end.")
    begun = [total for total in totals if total.most_seconds != NEVER_STARTED]
    for trigger in dict.fromkeys(total.trigger for total in begun):
        mine = [total for total in begun if total.trigger == trigger]
        for bound in MOST_SECONDS:
            count = sum(total.runs for total in mine if total.most_seconds <= bound)
            metric.add_sample(f"{name}_bucket", {"trigger": trigger, "le": f"{float(bound)}"}, count)
        whole = sum(total.runs for total in mine)
        metric.add_sample(f"{name}_bucket", {"trigger": trigger, "le": "+Inf"}, whole)
        metric.add_sample(f"{name}_count", {"trigger": trigger}, whole)
        metric.add_sample(f"{name}_sum", {"trigger": trigger}, sum(total.seconds for total in mine))
    return metric


def _since(moment: datetime, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds())
