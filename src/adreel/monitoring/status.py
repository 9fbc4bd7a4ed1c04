"""The state of a home for people: what runs, waits and fails, and the requests of its apps.

Page, API and command line show this one record. Everyone sees what they may see; workers are for administrators.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from adreel.access import Guard, RoleRight
from adreel.catalog.report_types import CENTER_SPEND
from adreel.clock import wall_clock
from adreel.connections import app_id_in_use, covered
from adreel.datasets.status import Standing, standings
from adreel.datasets.stored import source_of
from adreel.destinations.status import PublishLag, failing, publish_lags
from adreel.errors import ForbiddenError
from adreel.language import integer, phrase, phrases, shown_time
from adreel.pipeline.backfills import commands
from adreel.pipeline.progress import progress_words
from adreel.settings import Settings
from adreel.store import AccountStatus, BackfillState, QueuedRun, RequestCounts, Run, RunState, SavedDataset, Store
from adreel.store.app_requests import PERIOD
from adreel.tiktok.rate_limit import limits_for

DAY = timedelta(days=1)

ALL = "all"
"""The value of `advertisers` in datasets that read all ad accounts of their account."""

MOST_QUEUED = 100
"""Runs of the queue that are listed; their number is of all."""


@dataclass(frozen=True, slots=True)
class RunningRun:
    """A run in progress; `share` is how much of it is done, from 0 to 1, and `words` say it in detail."""

    run_id: str
    dataset: str
    dataset_name: str
    trigger: str
    started_at: datetime
    share: float
    words: str
    worker: str


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A run in the queue, its place among all that wait, and why it has not begun."""

    run_id: str
    dataset: str
    dataset_name: str
    trigger: str
    created_at: datetime
    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class FailingDataset:
    """A dataset that needs a person; `words` say why and what to do."""

    dataset: str
    dataset_name: str
    status: str
    label: str
    words: str
    ran_at: datetime | None


@dataclass(frozen=True, slots=True)
class WaitingBackfill:
    """A backfill that paused by itself until a person decides; `words` say why and what to do, `command` by which."""

    id: int
    dataset: str
    dataset_name: str
    start: date
    end: date
    words: str
    command: str


@dataclass(frozen=True, slots=True)
class FailingPublication:
    """A dataset that could not be published to a destination for a day; `words` say why."""

    dataset: str
    dataset_name: str
    destination: str
    failing_since: datetime
    words: str


@dataclass(frozen=True, slots=True)
class AccountTrouble:
    """An account that needs a person."""

    id: int
    name: str
    status: str
    words: str


@dataclass(frozen=True, slots=True)
class UnreadAdvertiser:
    """An ad account of whose figures no dataset of its account reads any."""

    account_id: int
    account: str
    advertiser_id: str
    advertiser_name: str


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """A process that takes runs from the queue, and how many it has."""

    id: str
    host: str
    pid: int
    runs: int
    runs_at_once: int
    started_at: datetime
    heartbeat_at: datetime


@dataclass(frozen=True, slots=True)
class RequestPeriod:
    """The requests of five minutes."""

    began: datetime
    sent: int
    refused: int


@dataclass(frozen=True, slots=True)
class AppBudget:
    """The requests of an app in the last 24 hours, by five minutes from the earliest, and TikTok's limits for it.

    `sent_today` are those since 00:00 UTC, when TikTok renews the budget of the day.
    """

    app_id: str
    level: str
    limit_of_period: int
    limit_of_day: int
    sent_today: int
    periods: tuple[RequestPeriod, ...]

    @property
    def sent(self) -> int:
        """Requests of the last 24 hours."""
        return sum(period.sent for period in self.periods)

    @property
    def refused(self) -> int:
        """Those that TikTok refused as too many."""
        return sum(period.refused for period in self.periods)


@dataclass(frozen=True, slots=True)
class HomeStatus:
    """The state at the time `at`; `workers` is None for who may not see them.

    `publishing` are the destinations that are behind, `unread` the ad accounts that no dataset reads, once there are
    datasets.
    """

    at: datetime
    running: tuple[RunningRun, ...]
    queued: tuple[WaitingRun, ...]
    queued_total: int
    failing: tuple[FailingDataset, ...]
    backfills: tuple[WaitingBackfill, ...]
    publications: tuple[FailingPublication, ...]
    publishing: tuple[PublishLag, ...]
    accounts: tuple[AccountTrouble, ...]
    unread: tuple[UnreadAdvertiser, ...]
    workers: tuple[WorkerLoad, ...] | None
    apps: tuple[AppBudget, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values, as the command line and the API give them."""
        return asdict(self)


def home_status(store: Store, guard: Guard, settings: Settings, now: datetime) -> HomeStatus:
    """What the actor may see of the home."""
    visible = {dataset.id: dataset for dataset in guard.datasets()}
    workers = tuple(_workers(store, wall_clock()))
    queue = store.activity.queue()
    waiting = [
        _waiting(run, position, workers, now)
        for position, run in enumerate(queue, start=1)
        if run.dataset_id in visible
    ]
    return HomeStatus(
        at=now,
        running=tuple(_running(store, visible, now)),
        queued=tuple(waiting[:MOST_QUEUED]),
        queued_total=len(waiting),
        failing=tuple(_failing(standings(store, guard, now))),
        backfills=tuple(_backfills(store, visible)),
        publications=tuple(_publications(store, visible, now)),
        publishing=tuple(lag for lag in publish_lags(store, visible.values(), now) if lag.datasets),
        accounts=tuple(_accounts(guard)),
        unread=tuple(_unread(store, guard)) if visible else (),
        workers=workers if _sees_workers(guard) else None,
        apps=tuple(_apps(store, guard, settings, now)),
    )


def _running(store: Store, visible: Mapping[int, SavedDataset], now: datetime) -> Iterator[RunningRun]:
    runs = store.runs.list(states={RunState.RUNNING}, limit=1_000)
    for run in reversed([run for run in runs if run.dataset_id in visible]):
        actual = store.seen(run)
        if actual.state is RunState.RUNNING and actual.started_at is not None:
            yield _in_progress(actual, actual.started_at, now)


def _in_progress(run: Run, started_at: datetime, now: datetime) -> RunningRun:
    words = " · ".join(progress_words(run, now - started_at))
    return RunningRun(
        run.id, run.dataset_slug, run.dataset_name, run.trigger.value, started_at, run.share, words, run.worker
    )


def _waiting(run: QueuedRun, position: int, workers: tuple[WorkerLoad, ...], now: datetime) -> WaitingRun:
    return WaitingRun(
        run.run_id, run.dataset_slug, run.dataset_name, run.trigger.value, run.created_at, position,
        _reason(run, workers, now),
    )  # fmt: skip


def _reason(run: QueuedRun, workers: tuple[WorkerLoad, ...], now: datetime) -> str:
    """Why the run has not begun."""
    if run.worker:
        return phrase("A worker has taken it and starts it.")
    if run.not_before is not None and run.not_before > now:
        return phrase(
            "Attempt %(attempt)s starts after %(time)s UTC.",
            attempt=run.attempt,
            time=shown_time(run.not_before),
        )
    if run.blocked:
        return phrase("Another run of this dataset is in progress.")
    if not workers:
        return phrase("No worker is running. Start one: adreel serve, or adreel worker.")
    slots = sum(worker.runs_at_once for worker in workers)
    if sum(worker.runs for worker in workers) >= slots:
        return phrases(
            "The workers are busy: %(runs)s run at once.",
            "The workers are busy: %(runs)s runs at once.",
            slots,
            runs=integer(slots),
        )
    return phrase("It starts within seconds.")


def _failing(entries: tuple[Standing, ...]) -> Iterator[FailingDataset]:
    for entry in sorted(entries, key=lambda entry: entry.status.rank):
        if entry.status.attention:
            words = entry.words or str(entry.meaning)
            saved = entry.saved
            yield FailingDataset(
                saved.slug, saved.name, entry.status.value, str(entry.status.label), words, entry.ran_at
            )


def _backfills(store: Store, visible: Mapping[int, SavedDataset]) -> Iterator[WaitingBackfill]:
    for backfill in store.backfills.list(states={BackfillState.PAUSED}):
        saved = visible.get(backfill.dataset_id)
        if backfill.waits and saved is not None:
            command = commands(store, backfill, saved.slug)
            yield WaitingBackfill(
                backfill.id, saved.slug, saved.name, backfill.first_day, backfill.last_day, backfill.reason, command
            )


def _publications(store: Store, visible: Mapping[int, SavedDataset], now: datetime) -> Iterator[FailingPublication]:
    for saved, status in failing(store, visible.values()):
        since = status.failing_since
        if status.publication is not None and since is not None and now - since >= DAY:
            yield FailingPublication(saved.slug, saved.name, status.name, since, status.publication.failure)


def _accounts(guard: Guard) -> Iterator[AccountTrouble]:
    for account in guard.accounts():
        if account.status is not AccountStatus.VALID:
            words = (
                phrase("The access token is expired. Reconnect the account.")
                if account.status is AccountStatus.EXPIRED
                else phrase("The access token is revoked. Reconnect the account.")
            )
            yield AccountTrouble(account.id, account.name, account.status.value, words)


def _unread(store: Store, guard: Guard) -> Iterator[UnreadAdvertiser]:
    """By account, and by name. Datasets that the person does not see read their ad accounts all the same."""
    for account in guard.accounts():
        advertisers = covered(store.accounts.advertisers(account), account.selection, all_needed=False).advertisers
        left = {advertiser.id: advertiser.name for advertiser in advertisers}
        for values in (source_of(saved).values for saved in store.datasets.list(account)):
            if values.get("metrics") and values.get("report") != CENTER_SPEND:
                read = values.get("advertisers") or ALL
                left = {} if read == ALL else {name: left[name] for name in left if name not in read}
        for advertiser_id, name in sorted(left.items(), key=lambda item: item[1].casefold()):
            yield UnreadAdvertiser(account.id, account.name, advertiser_id, name)


def _workers(store: Store, wall: datetime) -> Iterator[WorkerLoad]:
    """The workers that are alive; `wall` is the machine's own time."""
    claims = store.queue.claims()
    for worker in store.queue.workers():
        if worker.is_alive(wall):
            yield WorkerLoad(
                worker.id,
                worker.host,
                worker.pid,
                claims.get(worker.id, 0),
                worker.runs_at_once,
                worker.started_at,
                worker.heartbeat_at,
            )


def _sees_workers(guard: Guard) -> bool:
    """Workers are machines of the installation, as its settings are."""
    try:
        guard.need_role(RoleRight.VIEW_SETTINGS)
    except ForbiddenError:
        return False
    return True


def _apps(store: Store, guard: Guard, settings: Settings, now: datetime) -> Iterator[AppBudget]:
    """The budgets of the apps of the accounts that the actor may see, also without any request."""
    limits = limits_for(settings.tiktok_level)
    minutes = int(PERIOD.total_seconds()) // 60
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + (now - DAY - midnight) // PERIOD * PERIOD + PERIOD
    counts = store.app_requests.since(min(first, midnight))
    names = {account.app_id or app_id_in_use(settings, store) for account in guard.accounts()}
    for app_id in sorted(name for name in names if name):
        mine = counts.get(app_id, {})
        yield AppBudget(
            app_id=app_id,
            level=settings.tiktok_level,
            limit_of_period=min(limits.per_minute * minutes, limits.per_second * 60 * minutes),
            limit_of_day=limits.per_day,
            sent_today=sum(period.sent for began, period in mine.items() if began >= midnight),
            periods=tuple(_period(mine, first + number * PERIOD) for number in range(DAY // PERIOD)),
        )


def _period(counts: Mapping[datetime, RequestCounts], began: datetime) -> RequestPeriod:
    period = counts.get(began, RequestCounts(0, 0))
    return RequestPeriod(began, period.sent, period.refused)
