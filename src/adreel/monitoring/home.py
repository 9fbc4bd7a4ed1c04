"""How everything is doing, for the first page: first steps, what TikTok restated, spend by day, and next runs.

Page, API and command line show these records. Everyone sees what they may see. Nothing here opens a table, except for
a few versions of which nothing was kept when they were made (`adreel.datasets.figures`).

Several datasets may read the same ad account. Of each ad account and metric one dataset is used, so that nothing counts
twice. Money of different currencies is never added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from adreel.access import Guard
from adreel.advertisers import Advertiser
from adreel.catalog import all_spend, gmv_max
from adreel.datasets.advertisers import names_of
from adreel.datasets.figures import METRICS, keep_missing
from adreel.datasets.restatement_calendar import figure_key, is_money, title_of
from adreel.datasets.status import NO_RUNS
from adreel.datasets.stored import dataset_of, source_of
from adreel.dates import Span, fixed_offset, offset_name, shared_today, today_at
from adreel.enumerations import TextEnum
from adreel.errors import DatasetError, InputError
from adreel.exchange_rates import EXACT, Rates, WorkspaceRates, missing_rates, target_without_choice
from adreel.lake import Lake
from adreel.language import Phrase, listed, phrase
from adreel.pipeline.gmv_max_costs import WITHOUT, UnreadCost, checked_advertisers, unread, unread_costs
from adreel.store import (
    Account,
    AccountAdvertiser,
    AdvertiserAmounts,
    DailySums,
    Latest,
    RunState,
    SavedDataset,
    Store,
    VersionFigures,
)

SPEND = "spend"
"""The metric that the first page sums."""

PURCHASE_VALUES = (
    "total_purchase_value",
    "total_complete_payment_rate",
    "onsite_total_purchase_value",
    "offline_shopping_events_value",
)
"""Values of purchases in the app, on the website, on TikTok and offline."""

RESTATED_METRICS = (*METRICS, *PURCHASE_VALUES)
"""The metrics whose restatements are shown, where a dataset has them."""

RESTATED_WITHIN = timedelta(days=1)
"""Versions read within it are those since yesterday."""

SHOWN_DAYS = 28
"""Days of the chart, up to yesterday."""

WEEK = 7

READ_AT_ONCE = 3
"""Versions of which nothing is kept yet that are read while a person waits."""

MOST_NEXT_RUNS = 5

_DAY = timedelta(days=1)


# -- first steps


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """How far the person is: accounts and datasets that they see, and one of these that has a table, if any."""

    accounts: int
    datasets: int
    dataset: str
    dataset_name: str
    has_table: bool

    @property
    def done(self) -> bool:
        """Whether there are numbers to look at."""
        return self.has_table


def first_steps(store: Store, guard: Guard) -> FirstSteps:
    """The first steps of the person; `dataset` is the one whose numbers to look at, else the first."""
    datasets, briefs = guard.datasets(), store.runs.briefs()
    with_table = next((saved for saved in datasets if briefs.get(saved.id, NO_RUNS).good), None)
    shown = with_table or next(iter(datasets), None)
    return FirstSteps(
        accounts=len(guard.accounts()),
        datasets=len(datasets),
        dataset=shown.slug if shown else "",
        dataset_name=shown.name if shown else "",
        has_table=with_table is not None,
    )


# -- next runs


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """When the schedule of a dataset is due next."""

    dataset: str
    dataset_name: str
    at: datetime


def next_runs(guard: Guard) -> tuple[ScheduledRun, ...]:
    """The next runs of schedules, earliest first."""
    due = [(saved.next_run_at, saved) for saved in guard.datasets() if saved.next_run_at is not None]
    due.sort(key=lambda pair: (pair[0], pair[1].name))
    return tuple(ScheduledRun(saved.slug, saved.name, at) for at, saved in due[:MOST_NEXT_RUNS])


def unscheduled(guard: Guard) -> tuple[SavedDataset, ...]:
    """The datasets that no schedule runs: they are run by hand, or their schedule is paused or over; by name."""
    return tuple(
        sorted(
            (saved for saved in guard.datasets() if saved.connected and saved.next_run_at is None),
            key=lambda saved: saved.name.casefold(),
        )
    )


# -- which dataset speaks for an ad account


class Preference(TextEnum):
    """Why a dataset is used rather than another that reads the same ad account; in the order in which it counts."""

    because: str

    VERIFIED = "verified", Phrase("it is verified")
    MORE_DAYS = "more_days", Phrase("it has more of these days")
    WHOLE = "whole", Phrase("it includes GMV Max campaigns")
    COMPLETE = "complete", Phrase("it has later complete days")
    NEWEST = "newest", Phrase("it was read last")
    OLDEST = "oldest", Phrase("it was created first")


@dataclass(frozen=True, slots=True)
class _Whole:
    """The datasets of all spend, each with the ad accounts of which its newest version lacks GMV Max cost."""

    lacking: Mapping[int, frozenset[str]]

    def has(self, dataset_id: int, advertiser_id: str) -> bool:
        """Whether the dataset has all that the ad account spent."""
        return dataset_id in self.lacking and advertiser_id not in self.lacking[dataset_id]


@dataclass(frozen=True, slots=True)
class _Sources:
    """The datasets that the person sees, by id, and of each ad account and metric the sums that are used.

    `ranked` are all sums of each, the one that is used first, and `preferred` is why, where there are several.
    `read_at` is when each dataset was read last. `missing` are datasets of whose newest version nothing is kept yet,
    `read` how many were read just now.
    """

    datasets: Mapping[int, SavedDataset]
    ranked: Mapping[tuple[str, str], Sequence[DailySums]]
    preferred: Mapping[tuple[str, str], Preference]
    readers: Mapping[str, int]
    read_at: Mapping[int, datetime]
    missing: int
    read: int
    whole: _Whole

    @property
    def chosen(self) -> Mapping[tuple[str, str], DailySums]:
        """The sums that are used."""
        return {key: sums[0] for key, sums in self.ranked.items()}

    def compared(self, datasets: Collection[int]) -> Mapping[tuple[str, str], DailySums]:
        """The sums that are used where only some datasets have been compared: theirs, if there are any."""
        return {
            key: next((head for head in sums if head.dataset_id in datasets), sums[0])
            for key, sums in self.ranked.items()
        }


def _sources(store: Store, lake: Lake, guard: Guard, now: datetime, window: Span, read_at_once: int) -> _Sources:
    datasets, briefs = {saved.id: saved for saved in guard.datasets()}, store.runs.briefs()
    newest = {
        good.id: dataset_id for dataset_id in datasets if (good := briefs.get(dataset_id, NO_RUNS).good) is not None
    }
    missing = sorted(newest.keys() - store.figures.known(newest), key=lambda run_id: newest[run_id])
    read = keep_missing(store, lake, (store.runs.get(run_id) for run_id in missing[:read_at_once]), now)
    # Sums of another version than the newest say nothing.
    current = [head for head in store.figures.heads(datasets) if newest.get(head.run_id) == head.dataset_id]
    by_key: dict[tuple[str, str], list[DailySums]] = defaultdict(list)
    for head in current:
        by_key[head.advertiser_id, head.metric].append(head)
    whole = _Whole(
        {
            dataset_id: frozenset(store.runs.get(run_id).verification.get(WITHOUT, ()))
            for run_id, dataset_id in newest.items()
            if _report(datasets[dataset_id]) == all_spend.REPORT
        }
    )

    def rank(head: DailySums) -> tuple[Any, ...]:
        return _rank(head, briefs, window, whole)

    ranked = {key: sorted(own, key=rank, reverse=True) for key, own in by_key.items()}
    preferred = {key: _preference(*map(rank, own[:2])) for key, own in ranked.items() if own[1:]}
    readers = {advertiser: len(own) for (advertiser, metric), own in by_key.items() if metric == SPEND}
    read_at = {dataset_id: good.read_at for dataset_id in datasets if (good := briefs.get(dataset_id, NO_RUNS).good)}
    return _Sources(datasets, ranked, preferred, readers, read_at, len(missing) - read, read, whole)


def _rank(head: DailySums, briefs: Mapping[int, Latest], window: Span, whole: _Whole) -> tuple[Any, ...]:
    """What makes a dataset speak for an ad account: verified, most of the days, all spend, the newest reading."""
    good = briefs[head.dataset_id].good
    start, end = max(head.first_day, window.start), min(head.last_day, window.end)
    return (
        good is not None and good.state is not RunState.CHECK_FAILED,
        max(0, (end - start).days + 1),
        head.metric == SPEND and whole.has(head.dataset_id, head.advertiser_id),
        head.complete_day or date.min,
        good.read_at.timestamp() if good is not None else 0,
        -head.dataset_id,
    )


def _preference(used: tuple[Any, ...], other: tuple[Any, ...]) -> Preference:
    """What the rank of the dataset that is used has over that of another."""
    return next(reason for reason, own, its in zip(Preference, used, other, strict=True) if own != its)


def _advertisers(store: Store, guard: Guard) -> tuple[AccountAdvertiser, ...]:
    """The ad accounts of the accounts that the person sees."""
    return tuple(advertiser for account in guard.accounts() for advertiser in store.accounts.advertisers(account))


# -- what TikTok restated


@dataclass(frozen=True, slots=True)
class RestatedDay:
    """By how much a day was restated."""

    day: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class RestatedFigure:
    """What TikTok restated of a metric of an ad account, by day, as `dataset` read it.

    `currency` is None for what is no money, and empty where it is not known. `amount` is the net change of all `days`,
    `before` and `after` the versions between which it was found.
    """

    advertiser_id: str
    advertiser_name: str
    metric: str
    title: str
    currency: str | None
    amount: Decimal
    days: tuple[RestatedDay, ...]
    dataset: str
    dataset_name: str
    before: int | None
    after: int

    @property
    def key(self) -> str:
        """What the calendar of the dataset shows it as."""
        return figure_key(self.metric, self.currency)


@dataclass(frozen=True, slots=True)
class RestatedTotal:
    """The sum of a metric, of money in one currency, over ad accounts."""

    metric: str
    title: str
    currency: str | None
    amount: Decimal
    advertisers: int


@dataclass(frozen=True, slots=True)
class UnchangedMetric:
    """A metric that was compared and of which nothing was restated."""

    metric: str
    title: str


@dataclass(frozen=True, slots=True)
class LastReading:
    """When a dataset was read last."""

    dataset: str
    dataset_name: str
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Restated:
    """What runs that began since `since` found restated, largest amounts first; `totals` leave out unknown currencies.

    `versions` is how many were compared, of `datasets` that have daily figures; of `unchanged` metrics nothing was
    restated. `last_compared` is the dataset that read the same days again last, at any time, None for none. `outdated`
    are datasets that are older than a day and have no schedule. `missing` are datasets of whose newest
    version nothing is known yet, `read` how many were read just now.
    """

    since: datetime
    figures: tuple[RestatedFigure, ...]
    totals: tuple[RestatedTotal, ...]
    unchanged: tuple[UnchangedMetric, ...]
    last_compared: LastReading | None
    outdated: tuple[LastReading, ...]
    versions: int
    datasets: int
    missing: int
    read: int

    def as_json(self) -> dict[str, Any]:
        """Plain values and exact numbers, as the API and the command line give them."""
        return {name: value for name, value in asdict(self).items() if name != "read"}


def restated(
    store: Store,
    lake: Lake,
    guard: Guard,
    now: datetime,
    *,
    since: datetime | None = None,
    read_at_once: int = READ_AT_ONCE,
) -> Restated:
    """What TikTok restated since that moment, by default since a day ago, of `RESTATED_METRICS` by ad account."""
    since = now - RESTATED_WITHIN if since is None else since
    today = now.date()
    sources = _sources(store, lake, guard, now, Span(today - SHOWN_DAYS * _DAY, today), read_at_once)
    read = store.figures.since({head.dataset_id for own in sources.ranked.values() for head in own}, since)
    # A dataset that was read once says nothing of restatements, however much it knows of the days.
    compared = {version.dataset_id for version in read if version.before is not None}
    chosen = _with_purchase_values(sources.compared(compared), sources, now)
    used = {head.dataset_id for head in chosen.values()}
    versions = [version for version in read if version.dataset_id in used]
    names = names_of(_advertisers(store, guard))
    by_advertiser: dict[tuple[int, str], list[tuple[VersionFigures, AdvertiserAmounts]]] = defaultdict(list)
    for version in versions:
        for amounts in version.amounts:
            by_advertiser[version.dataset_id, amounts.advertiser_id].append((version, amounts))
    figures = [
        figure
        for (advertiser, metric), head in chosen.items()
        if (moves := by_advertiser.get((head.dataset_id, advertiser)))
        and (figure := _restated_figure(head, moves, sources, names)) is not None
    ]
    figures.sort(
        key=lambda each: (
            RESTATED_METRICS.index(each.metric),
            -abs(each.amount),
            each.advertiser_name,
            each.advertiser_id,
        )
    )
    restated_metrics = {figure.metric for figure in figures}
    unchanged = {metric for (_, metric), head in chosen.items() if head.dataset_id in compared} - restated_metrics
    last = store.figures.latest_compared(used)
    return Restated(
        since=since,
        figures=tuple(figures),
        totals=tuple(_totals(figures)),
        unchanged=tuple(
            UnchangedMetric(metric, title_of(metric)) for metric in RESTATED_METRICS if metric in unchanged
        ),
        last_compared=_last_reading(sources, last.dataset_id, last.read_at) if last is not None else None,
        outdated=tuple(_outdated(sources, used, now)),
        versions=sum(1 for version in versions if version.before is not None),
        datasets=len(used),
        missing=sources.missing,
        read=sources.read,
    )


def _with_purchase_values(
    chosen: Mapping[tuple[str, str], DailySums], sources: _Sources, now: datetime
) -> Mapping[tuple[str, str], DailySums]:
    """The same, and of each ad account the purchase values that the dataset used for its cost has."""
    values: dict[int, tuple[str, ...]] = {}
    for dataset_id in {head.dataset_id for head in chosen.values()}:
        with suppress(DatasetError):
            metrics = dataset_of(sources.datasets[dataset_id], now).metrics
            values[dataset_id] = tuple(name for name in PURCHASE_VALUES if name in metrics)
    return dict(chosen) | {
        (advertiser, name): replace(head, metric=name)
        for (advertiser, metric), head in chosen.items()
        if metric == SPEND
        for name in values.get(head.dataset_id, ())
    }


def _last_reading(sources: _Sources, dataset_id: int, read_at: datetime) -> LastReading:
    saved = sources.datasets[dataset_id]
    return LastReading(saved.slug, saved.name, read_at)


def _outdated(sources: _Sources, used: Iterable[int], now: datetime) -> Iterator[LastReading]:
    """The datasets that were read more than a day ago, and that no schedule will read; by name."""
    for saved in sorted((sources.datasets[dataset_id] for dataset_id in used), key=lambda saved: saved.name.casefold()):
        read_at = sources.read_at.get(saved.id)
        if saved.next_run_at is None and read_at is not None and now - read_at > RESTATED_WITHIN:
            yield _last_reading(sources, saved.id, read_at)


def _restated_figure(
    head: DailySums,
    moves: Iterable[tuple[VersionFigures, AdvertiserAmounts]],
    sources: _Sources,
    names: Mapping[str, str],
) -> RestatedFigure | None:
    """What versions, newest first, restated of the metric of the ad account; None if that is nothing."""
    advertiser, metric = head.advertiser_id, head.metric
    days: dict[date, Decimal] = defaultdict(Decimal)
    newest: VersionFigures | None = None
    oldest: VersionFigures | None = None
    currency = ""
    for version, amounts in moves:
        for day, moved in amounts.days.items():
            if metric in moved:
                days[day] += moved[metric]
                newest, oldest, currency = newest or version, version, amounts.currency or currency
    if newest is None or oldest is None:
        return None
    saved = sources.datasets[head.dataset_id]
    return RestatedFigure(
        advertiser_id=advertiser,
        advertiser_name=names.get(advertiser, ""),
        metric=metric,
        title=title_of(metric),
        currency=currency if is_money(metric) else None,
        amount=sum(days.values(), Decimal(0)),
        days=tuple(RestatedDay(day, amount) for day, amount in sorted(days.items())),
        dataset=saved.slug,
        dataset_name=saved.name,
        before=oldest.before,
        after=newest.version,
    )


def _totals(figures: Iterable[RestatedFigure]) -> Iterator[RestatedTotal]:
    groups: dict[tuple[str, str | None], list[RestatedFigure]] = defaultdict(list)
    for figure in figures:
        if figure.currency != "":
            groups[figure.metric, figure.currency].append(figure)
    for (metric, currency), own in sorted(
        groups.items(), key=lambda group: (RESTATED_METRICS.index(group[0][0]), group[0][1])
    ):
        amount = sum((figure.amount for figure in own), Decimal(0))
        yield RestatedTotal(metric, title_of(metric), currency, amount, len(own))


# -- spend by day


@dataclass(frozen=True, slots=True)
class SpendAccount:
    """An ad account, and the dataset whose rows are used for it, of `readers` that read it; `preferred` is why.

    All days from `first_day` to `last_day` were read; `complete_day` is the last of them that TikTok had completed.
    """

    advertiser_id: str
    advertiser_name: str
    currency: str
    dataset: str
    dataset_name: str
    first_day: date
    last_day: date
    complete_day: date | None
    readers: int
    preferred: Preference | None = None


@dataclass(frozen=True, slots=True)
class SpendSource:
    """A dataset whose rows are used for `advertisers`; `preferred` is why, for those that others read as well."""

    dataset: str
    dataset_name: str
    advertisers: int
    preferred: tuple[Preference, ...]

    @property
    def because(self) -> str:
        """Why it is used, within a sentence; empty if no other dataset reads its ad accounts."""
        return listed(str(reason.because) for reason in self.preferred)


def spend_sources(accounts: Iterable[SpendAccount]) -> tuple[SpendSource, ...]:
    """The datasets that are used for the ad accounts, those with most of them first."""
    groups: dict[str, list[SpendAccount]] = defaultdict(list)
    for account in accounts:
        groups[account.dataset].append(account)
    sources = (
        SpendSource(
            dataset,
            own[0].dataset_name,
            len(own),
            tuple(reason for reason in Preference if reason in {account.preferred for account in own}),
        )
        for dataset, own in groups.items()
    )
    return tuple(sorted(sources, key=lambda source: (-source.advertisers, source.dataset_name.casefold())))


@dataclass(frozen=True, slots=True)
class SpendDay:
    """The spend of a day, None if it was read of no ad account.

    It was read of `advertisers` of the currency, and of `complete` of them after TikTok had completed it.
    """

    day: date
    amount: Decimal | None
    advertisers: int
    complete: int


@dataclass(frozen=True, slots=True)
class SpendPeriod:
    """The spend of some days, None if they were read of no ad account; all of `complete` ad accounts are complete.

    `change` is by how many percent it is more than that of as many days before, over the `compared` ad accounts of
    which both are complete; None if there is none, or nothing was spent before.
    """

    days: Span
    amount: Decimal | None
    complete: int
    compared: int
    change: float | None


@dataclass(frozen=True, slots=True)
class CurrencySpend:
    """The spend of the ad accounts of one currency, up to the day that is over in the zones of all of them.

    `running` are zones of theirs in which yesterday of the workspace's zone is not over.
    """

    currency: str
    advertisers: int
    yesterday: SpendPeriod
    week: SpendPeriod
    days: tuple[SpendDay, ...]
    running: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GmvMaxDataset:
    """A dataset with the cost of GMV Max campaigns."""

    dataset: str
    dataset_name: str


@dataclass(frozen=True, slots=True)
class UnreadSpend:
    """GMV Max cost of an ad account that these figures lack; `account` is that whose dataset of all spend has it.

    A run found out the `cost` of the days; None if TikTok refuses GMV Max to the dataset of all spend named `dataset`.
    """

    advertiser_id: str
    advertiser_name: str
    account: str
    currency: str
    cost: Decimal | None
    start: date | None
    end: date | None
    dataset: str
    dataset_name: str


@dataclass(frozen=True, slots=True)
class GmvMaxCheck:
    """What is known of the GMV Max cost of the ad accounts whose spend is shown.

    `read` counts those of which datasets read all of it, last at `read_at`; `without_cost` those that a run found to
    have none besides, the first at `checked_at`; `unknown` are the names of those of which no run could find it out.
    """

    read: int
    without_cost: int
    unknown: tuple[str, ...]
    checked_at: datetime | None
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Spend:
    """Spend by day, over all datasets that have it, in each currency; most ad accounts first.

    Days are those of each ad account's own zone, and those of each currency end on its own yesterday, as in charts;
    `yesterday` is that of the workspace's zone. `unknown` are ad accounts whose currency is not known, which are not
    summed; `lacking` those that the person sees and that no dataset reads by day. `missing` are datasets of whose
    newest version nothing is known yet, `read` how many were read just now.

    `targets` are currencies that all can be converted to. With `convert` there is one currency, in which amounts are
    converted at the rate of each day; with a `conversion_refusal`, which says why not, each has its own. `gmv_max` are
    datasets with cost of GMV Max campaigns that these figures lack, as TikTok's basic reports leave these out.
    `unread` is GMV Max cost that no dataset reads. `without_rows` are the names of the ad accounts that are lacking.
    `gmv_max_check` says what is known of the rest, None without ad accounts.
    """

    yesterday: date
    currencies: tuple[CurrencySpend, ...]
    accounts: tuple[SpendAccount, ...]
    unknown: int
    lacking: int
    missing: int
    read: int
    targets: tuple[str, ...] = ()
    convert: str | None = None
    conversion_refusal: str | None = None
    gmv_max: tuple[GmvMaxDataset, ...] = ()
    unread: tuple[UnreadSpend, ...] = ()
    without_rows: tuple[str, ...] = ()
    gmv_max_check: GmvMaxCheck | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values and exact numbers, as the API gives them."""
        return {name: value for name, value in asdict(self).items() if name not in ("read", "without_rows")}


def spend_by_day(
    store: Store,
    lake: Lake,
    guard: Guard,
    now: datetime,
    *,
    convert: str | None = None,
    convert_if_possible: str | None = None,
    read_at_once: int = READ_AT_ONCE,
) -> Spend:
    """The spend of the latest days; yesterday is the last day that is over in the zones of all ad accounts shown.

    With `convert` that of all currencies in this one. Without, that of several in the currency `convert_if_possible`
    where there are rates for all of it; empty for the usual one, None for none.
    """
    yesterday = now.astimezone(ZoneInfo(store.workspace.get().zone)).date() - _DAY
    window = Span(yesterday - (SHOWN_DAYS - 1) * _DAY, yesterday)
    sources = _sources(store, lake, guard, now, window, read_at_once)
    chosen = [head for (_, metric), head in sources.chosen.items() if metric == SPEND]
    sums = store.figures.with_days(chosen)
    advertisers = _advertisers(store, guard)
    offsets, running = dict(_offsets(advertisers)), _running(advertisers, yesterday, now)
    names, present = names_of(advertisers), {each.advertiser_id for each in advertisers if not each.gone}
    by_currency: dict[str, list[DailySums]] = defaultdict(list)
    for each in sums:
        by_currency[each.currency].append(each)
    unknown = by_currency.pop("", [])
    absent = present - {each.advertiser_id for each in sums}
    targets = store.exchange_rates.targets() if set(by_currency) else ()
    refusal: str | None = None
    rates, target = WorkspaceRates(store), convert
    if target is None and len(by_currency) > 1:
        target = target_without_choice(rates, convert_if_possible)
    if target is not None:
        converted, refusal = _converted(rates, sums, _shown_days(sums, offsets, window, now), target)
        by_currency = {target: converted} if refusal is None else by_currency
        if convert is None:
            convert, refusal = (target, None) if refusal is None else (None, None)
    lacking_costs, check = _gmv_max_costs(store, sources, sums, advertisers, now)
    return Spend(
        yesterday=yesterday,
        currencies=tuple(
            _currency_spend(currency, own, _shown_days(own, offsets, window, now), running)
            for currency, own in sorted(by_currency.items(), key=lambda group: (-len(group[1]), group[0]))
        ),
        accounts=tuple(
            sorted(
                (_account(each, sources, names) for each in sums),
                key=lambda account: (account.advertiser_name.casefold(), account.advertiser_id),
            )
        ),
        unknown=len(unknown),
        lacking=len(absent),
        missing=sources.missing,
        read=sources.read,
        targets=tuple(target for target in targets if set(by_currency) != {target} or convert == target),
        convert=convert,
        conversion_refusal=refusal,
        gmv_max=tuple(_without_gmv_max(sources, sums)),
        unread=lacking_costs,
        gmv_max_check=check,
        without_rows=tuple(sorted(names.get(advertiser_id) or advertiser_id for advertiser_id in absent)),
    )


def gmv_max_costs(
    store: Store, lake: Lake, guard: Guard, account: Account, now: datetime
) -> tuple[tuple[UnreadSpend, ...], GmvMaxCheck | None]:
    """The GMV Max cost of the account's ad accounts that no dataset reads, and what is known of the others."""
    yesterday = now.astimezone(ZoneInfo(store.workspace.get().zone)).date() - _DAY
    sources = _sources(store, lake, guard, now, Span(yesterday - (SHOWN_DAYS - 1) * _DAY, yesterday), READ_AT_ONCE)
    sums = [
        head
        for (_, metric), head in sources.chosen.items()
        if metric == SPEND and sources.datasets[head.dataset_id].account_id == account.id
    ]
    return _gmv_max_costs(store, sources, sums, store.accounts.advertisers(account), now)


def _gmv_max_costs(
    store: Store,
    sources: _Sources,
    sums: Collection[DailySums],
    advertisers: Collection[AccountAdvertiser],
    now: datetime,
) -> tuple[tuple[UnreadSpend, ...], GmvMaxCheck | None]:
    costs = tuple(_unread(store, sources, sums, advertisers, now))
    check = _gmv_max_check(store, sources, sums, advertisers, now, {cost.advertiser_id for cost in costs})
    return costs, check


def _report(saved: SavedDataset) -> Any:
    return source_of(saved).values.get("report")


def _without_gmv_max(sources: _Sources, sums: Iterable[DailySums]) -> Iterator[GmvMaxDataset]:
    """The datasets that have GMV Max cost of ad accounts whose sums are of a dataset without it."""
    lacking: dict[int | None, set[str]] = defaultdict(set)
    for each in sums:
        if not sources.whole.has(each.dataset_id, each.advertiser_id):
            lacking[sources.datasets[each.dataset_id].account_id].add(each.advertiser_id)
    for saved in sources.datasets.values():
        listed = source_of(saved).values.get("advertisers")
        own = lacking[saved.account_id]
        reads = (own & set(listed) if isinstance(listed, list) else own) - sources.whole.lacking.get(
            saved.id, frozenset()
        )
        if reads and _report(saved) in gmv_max.SHOP_REPORTS:
            yield GmvMaxDataset(saved.slug, saved.name)


def _unread(
    store: Store,
    sources: _Sources,
    sums: Iterable[DailySums],
    advertisers: Iterable[AccountAdvertiser],
    now: datetime,
) -> Iterator[UnreadSpend]:
    """GMV Max cost of these ad accounts that runs found out and no dataset reads, or that TikTok refuses."""
    currencies = {each.advertiser_id: each.currency for each in sums}
    own = {
        each.advertiser_id: Advertiser(each.advertiser_id, each.name, currencies[each.advertiser_id], timedelta())
        for each in advertisers
        if each.advertiser_id in currencies
    }
    by_account: dict[str, dict[str, tuple[UnreadCost, SavedDataset]]] = defaultdict(dict)
    for cost, saved in _costs_of_runs(store, sources):
        costs = by_account[saved.account_name]
        if cost.advertiser_id in own and (
            cost.advertiser_id not in costs or costs[cost.advertiser_id][0].checked_at < cost.checked_at
        ):
            costs[cost.advertiser_id] = cost, saved
    for account, costs in sorted(by_account.items()):
        for those in unread(store, store.accounts.get(account), [own[name] for name in costs], now):
            who, (cost, saved) = those.advertiser, costs[those.advertiser.id]
            facts = (who.currency, cost.cost, cost.start, cost.end, saved.slug, saved.name)
            yield UnreadSpend(who.id, who.name, account, *facts)
    used = {each.advertiser_id: each.dataset_id for each in sums}
    for dataset_id, lacking in sources.whole.lacking.items():
        saved = sources.datasets[dataset_id]
        for name in sorted(lacking & own.keys()):
            if not sources.whole.has(used[name], name):
                who, nothing = own[name], (None, None, None)
                yield UnreadSpend(name, who.name, saved.account_name, who.currency, *nothing, saved.slug, saved.name)


def _gmv_max_check(
    store: Store,
    sources: _Sources,
    sums: Iterable[DailySums],
    advertisers: Iterable[AccountAdvertiser],
    now: datetime,
    with_cost: Collection[str],
) -> GmvMaxCheck | None:
    """What is known of the ad accounts of the sums but for those `with_cost` that no dataset reads."""
    names = {each.advertiser_id: each.name for each in advertisers}
    by_account: dict[str, set[str]] = defaultdict(set)
    checked: dict[str, datetime] = {}
    briefs = store.runs.briefs()
    used = {each.dataset_id for each in sums}
    for dataset_id in used:
        good = briefs.get(dataset_id, NO_RUNS).good
        answer = checked_advertisers(store.runs.get(good.id)) if good is not None else None
        for name in answer[0] if answer is not None else ():
            checked[name] = max(answer[1], checked.get(name, answer[1])) if answer is not None else now
    for each in sums:
        if each.advertiser_id not in with_cost:
            by_account[sources.datasets[each.dataset_id].account_name].add(each.advertiser_id)
    last_read = {
        saved.account_name: good.finished_at
        for saved in sources.datasets.values()
        if _report(saved) in gmv_max.SHOP_REPORTS
        and (good := briefs.get(saved.id, NO_RUNS).good) is not None
        and good.finished_at is not None
    }
    read, read_at, without_cost, unknown = 0, list[datetime](), list[datetime](), list[str]()
    for account, ids in by_account.items():
        asked = [Advertiser(name, names.get(name, name), "", timedelta()) for name in sorted(ids)]
        unread_ids = {those.advertiser.id for those in unread(store, store.accounts.get(account), asked, now)}
        last = last_read.get(account)
        if last is None:
            # Their datasets are to read it, but none has yet.
            unread_ids = ids
        else:
            read_at.append(last)
        read += len(ids - unread_ids)
        without_cost += [checked[name] for name in unread_ids if name in checked]
        unknown += [names.get(name) or name for name in unread_ids if name not in checked]
    if not by_account:
        return None
    first_read = min(read_at, default=None) if read else None
    return GmvMaxCheck(read, len(without_cost), tuple(sorted(unknown)), min(without_cost, default=None), first_read)


def _costs_of_runs(store: Store, sources: _Sources) -> Iterator[tuple[UnreadCost, SavedDataset]]:
    """What the latest runs of datasets found out; such a run has a warning."""
    briefs = store.runs.briefs()
    warned = {
        good.id: saved
        for saved in sources.datasets.values()
        if (good := briefs.get(saved.id, NO_RUNS).good) is not None and good.warning and saved.connected
    }
    for run in store.runs.each(warned):
        for cost in unread_costs(run):
            yield cost, warned[run.id]


def _converted(
    rates: Rates, sums: Collection[DailySums], window: Span, target: str
) -> tuple[list[DailySums], str | None]:
    """The sums of the days shown in the target, or why they cannot be converted: never a part of them."""
    if target not in rates.targets:
        return [], phrase("There are no rates to %(currency)s.", currency=target)
    if any(not each.currency and any(each.days.values()) for each in sums):
        return [], phrase("Ad accounts of unknown currency have cost, which cannot be converted.")
    table = rates.table(target, {each.currency for each in sums if each.currency}, window)
    lacking: dict[str, set[date]] = defaultdict(set)
    converted = []
    for each in sums:
        if not each.currency:
            continue
        days: dict[date, Decimal] = {}
        for day, amount in each.days.items():
            rate = table.on(each.currency, day) if window.start <= day <= window.end and amount else None
            if rate is not None:
                days[day] = EXACT.multiply(amount, rate.rate)
            elif amount and window.start <= day <= window.end:
                lacking[each.currency].add(day)
            elif window.start <= day <= window.end:
                days[day] = amount
        converted.append(replace(each, currency=target, days=days))
    if (refusal := missing_rates(target, lacking)) is not None:
        return [], refusal
    return converted, None


def _account(sums: DailySums, sources: _Sources, names: Mapping[str, str]) -> SpendAccount:
    saved = sources.datasets[sums.dataset_id]
    return SpendAccount(
        sums.advertiser_id,
        names.get(sums.advertiser_id, ""),
        sums.currency,
        saved.slug,
        saved.name,
        sums.first_day,
        sums.last_day,
        sums.complete_day,
        sources.readers.get(sums.advertiser_id, 1),
        sources.preferred.get((sums.advertiser_id, SPEND)),
    )


def _offsets(advertisers: Iterable[AccountAdvertiser]) -> Iterator[tuple[str, timedelta]]:
    """The offsets of the ad accounts whose zones are known."""
    for advertiser in advertisers:
        with suppress(InputError):
            yield advertiser.advertiser_id, fixed_offset(advertiser.timezone, advertiser.display_timezone)


def _shown_days(sums: Collection[DailySums], offsets: Mapping[str, timedelta], window: Span, now: datetime) -> Span:
    """As many days as `window` has, up to the last that is over for all of these ad accounts; else the window."""
    own = [offsets[each.advertiser_id] for each in sums if each.advertiser_id in offsets]
    if not own:
        return window
    end = shared_today(now, own) - _DAY
    return Span(end - (window.days - 1) * _DAY, end)


def _running(advertisers: Iterable[AccountAdvertiser], day: date, now: datetime) -> Mapping[str, str]:
    """The zones of the ad accounts in which the day is not over, by ad account."""
    return {
        advertiser: offset_name(offset) for advertiser, offset in _offsets(advertisers) if today_at(now, offset) <= day
    }


def _currency_spend(
    currency: str, sums: Collection[DailySums], window: Span, running: Mapping[str, str]
) -> CurrencySpend:
    end = window.end
    return CurrencySpend(
        currency,
        len(sums),
        _period(sums, Span(end, end)),
        _period(sums, Span(end - (WEEK - 1) * _DAY, end)),
        tuple(_spend_day(sums, window.start + number * _DAY) for number in range(window.days)),
        tuple(sorted({running[each.advertiser_id] for each in sums if each.advertiser_id in running})),
    )


def _spend_day(sums: Collection[DailySums], day: date) -> SpendDay:
    read = [each for each in sums if each.first_day <= day <= each.last_day]
    amount = sum((each.days.get(day, Decimal(0)) for each in read), Decimal(0)) if read else None
    return SpendDay(day, amount, len(read), sum(1 for each in read if _is_complete(each, Span(day, day))))


def _is_complete(sums: DailySums, days: Span) -> bool:
    return sums.first_day <= days.start and sums.complete_day is not None and days.end <= sums.complete_day


def _period(sums: Collection[DailySums], days: Span) -> SpendPeriod:
    before = Span(days.start - days.days * _DAY, days.start - _DAY)
    complete = [each for each in sums if _is_complete(each, days)]
    both = [each for each in complete if _is_complete(each, before)]
    read = [each for each in sums if each.first_day <= days.end and days.start <= each.last_day]
    change = None
    if both and (earlier := _sum(both, before)):
        change = float(100 * (_sum(both, days) - earlier) / abs(earlier))
    return SpendPeriod(days, _sum(read, days) if read else None, len(complete), len(both), change)


def _sum(sums: Iterable[DailySums], days: Span) -> Decimal:
    amounts = (amount for each in sums for day, amount in each.days.items() if days.start <= day <= days.end)
    return sum(amounts, Decimal(0))
