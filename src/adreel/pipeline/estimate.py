"""The requests and the time of a run, estimated from what earlier runs of the same ad accounts took.

A request has as many pages as its rows take. Before a run only the requests are known; their rows are those of the
dataset's last run, else of other datasets of the same shape, for the days to read. The plan's own requests are the
least, and the most where no ad account can have more rows. Limits: TikTok's page "Rate limits" (doc 1740029171730433).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from adreel import catalog
from adreel.catalog import all_spend, business_centers, gmv_max, smart_plus
from adreel.catalog.report_types import FURTHER
from adreel.connections import is_fresh
from adreel.datasets.dataset import Dataset, reads_shops
from adreel.enumerations import TextEnum
from adreel.language import Phrase, integer, phrase, phrases
from adreel.pipeline.plan import Plan, comparisons, least_seconds
from adreel.pipeline.progress import duration_text
from adreel.pipeline.reading import PAGES, ReadingChoice, choose
from adreel.store import Account, AccountAdvertiser, RunSize, Store
from adreel.tiktok.client import LONGEST_ADVERTISER_BATCH
from adreel.tiktok.rate_limit import RateLimits

LONGER = 1.2
"""So many times the days of the last run may have more rows, if the report has one row for all its days."""

_ENTITY_REPORTS = {"ad": "ads", "adgroup": "ad_groups", "campaign": "campaigns"}
_THINGS = {"ad": Phrase("ads"), "adgroup": Phrase("ad groups"), "campaign": Phrase("campaigns")}
_IDS = {"ad": "ad_id", "adgroup": "adgroup_id", "campaign": "campaign_id"}


class Basis(TextEnum):
    """What an estimate is based on; `sentence` says it to a person."""

    sentence: str

    EXACT = "exact", Phrase("Each request has one page.")
    LAST_RUN = "last_run", Phrase("Based on the last run.")
    OTHER_DATASETS = "other_datasets", Phrase("Based on runs of other datasets of the same ad accounts and level.")
    ENTITY_COUNTS = "entity_counts", Phrase("Based on the number of %(things)s: not all of them have rows.")
    UNKNOWN = "unknown", Phrase("At least one page for each request; the number of rows is not known yet.")


@dataclass(frozen=True, slots=True)
class Estimate:
    """The requests of a run that starts now, and the seconds that they take at the app's rate limit.

    The numbers are expected ones if `requests` and `most` are equal; else at least `requests`, and at most `most` if
    that is not None. `account_requests` of them read the list of ad accounts. `unread_advertisers` were in no run that
    the estimate is based on, and count as one page for each request. The `choice` of the way of reading is that of the
    run, and the numbers are those of this way.
    """

    requests: int
    most: int | None
    seconds: float
    most_seconds: float | None
    basis: Basis
    basis_text: str
    unread_advertisers: int = 0
    account_requests: int = 0
    choice: ReadingChoice = PAGES

    @property
    def expected(self) -> bool:
        """Whether the number of requests is expected, and not just bounded."""
        return self.requests == self.most

    @property
    def minutes(self) -> float:
        """The seconds in minutes, rounded for people."""
        return round(self.seconds / 60, 2)

    @property
    def most_minutes(self) -> float | None:
        """As `minutes`; None if the most is not known."""
        return None if self.most_seconds is None else round(self.most_seconds / 60, 2)

    @property
    def requests_text(self) -> str:
        """The number of requests for a person: about 34, 10 to 34, at least 10, at most 10, or 10."""
        if self.basis is Basis.EXACT and self.account_requests:
            return phrase("at most %(most)s", most=integer(self.requests))
        return self._bounded(integer(self.requests), None if self.most is None else integer(self.most))

    def daily_text(self, runs: int) -> str:
        """The requests of a day with so many runs, for a person."""
        most = None if self.most is None else integer(self.most * runs)
        count = self._bounded(integer(self.requests * runs), most)
        number = (self.requests if self.most is None else self.most) * runs
        requests = phrases("%(requests)s request", "%(requests)s requests", number, requests=count)
        return phrases(
            "%(requests)s on a day with %(runs)s run",
            "%(requests)s on a day with %(runs)s runs",
            runs,
            requests=requests,
            runs=runs,
        )

    @property
    def time_text(self) -> str:
        """The time for a person, as in about 3 min 20 s."""
        most = None if self.most_seconds is None else duration_text(self.most_seconds)
        return self._bounded(duration_text(self.seconds), most, roughly=True)

    def _bounded(self, least: str, most: str | None, *, roughly: bool = False) -> str:
        if most is None:
            return phrase("at least %(least)s", least=least)
        if not self.expected:
            return least if least == most else phrase("%(least)s to %(most)s", least=least, most=most)
        return phrase("about %(amount)s", amount=least) if roughly or self.basis is not Basis.EXACT else least


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """What earlier runs took: `sizes` of the dataset's shape; without any, `entities` are of lists of what it reads."""

    sizes: Sequence[RunSize]
    entities: Sequence[RunSize]


def earlier_runs(store: Store, account: Account, dataset: Dataset) -> EarlierRuns:
    """Those that an estimate of the dataset over the account is based on, whatever its days are."""
    sizes = store.sizes.of_shape(account, shape(dataset), dataset.name)
    entities = _entity_dataset(dataset)
    return EarlierRuns(sizes, store.sizes.of_shape(account, shape(entities), "") if entities and not sizes else ())


def estimated(
    account: Account,
    plan: Plan,
    earlier: EarlierRuns,
    advertisers: Iterable[AccountAdvertiser],
    now: datetime,
    limits: RateLimits,
) -> Estimate:
    """The estimate of a run of the plan that starts at `now`; `advertisers` are all that are stored of the account."""
    return estimate(plan, earlier.sizes, earlier.entities, account_requests(account, tuple(advertisers), now), limits)


def account_requests(account: Account, advertisers: Sequence[AccountAdvertiser], now: datetime) -> int:
    """The requests with which a run that starts now reads the account's ad accounts: none while they are fresh."""
    if is_fresh(advertisers, now):
        return 0
    if account.selection is not None:
        return -(-len(account.selection) // LONGEST_ADVERTISER_BATCH)
    return 1 + -(-sum(not advertiser.gone for advertiser in advertisers) // LONGEST_ADVERTISER_BATCH)


def estimate(
    plan: Plan, sizes: Sequence[RunSize], entities: Sequence[RunSize], account_requests: int, limits: RateLimits
) -> Estimate:
    """The estimate from runs of the plan's shape, the dataset's own first, else from lists of its entities."""
    least, rows = plan.request_count, None
    ids = {advertiser.id for read in plan.reads for advertiser in read.advertisers}
    used = [(size, covered_ids) for size, covered_ids in _shared_out(sizes, ids) if covered_ids]
    unread = len(ids) - sum(len(covered_ids) for _, covered_ids in used)
    if used and _most_requests(plan, ()) != least:
        rows = {advertiser: size.rows[advertiser] for size, covered_ids in used for advertiser in covered_ids}
        needed, predicted = (sum(getattr(size, name) for size, _ in used) for name in ("requests", "predicted"))
        requests = max(least, round(predicted_requests(plan, rows) * needed / predicted))
        own = any(size.dataset_name == plan.dataset.name for size, _ in used)
        basis = Basis.LAST_RUN if own else Basis.OTHER_DATASETS
        most = None if unread or _may_grow(plan, rows) else requests
    else:
        requests, most = least, _most_requests(plan, entities)
        basis = Basis.UNKNOWN if most is None else Basis.EXACT if most == least else Basis.ENTITY_COUNTS
        unread = 0
    choice = choose(plan, rows, None if rows is None or most is None else requests, limits)
    if choice.tasks:
        requests = choice.requests or requests
        most = choice.requests
    waits = (choice.seconds or 0.0) - _seconds(requests, limits) if choice.tasks and choice.requests else 0.0
    requests, most = requests + account_requests, None if most is None else most + account_requests
    return Estimate(
        requests=requests,
        most=most,
        seconds=waits + _seconds(requests, limits),
        most_seconds=None if most is None else waits + _seconds(most, limits),
        basis=basis,
        basis_text=" ".join(
            (
                _sentence(plan, basis, unread, grows=most is None and not unread),
                *_shop_sentence(plan, basis),
                *_account_sentence(account_requests),
            )
        ),
        unread_advertisers=unread,
        account_requests=account_requests,
        choice=choice,
    )


def shape(dataset: Dataset) -> str:
    """What decides on the rows that TikTok has for an ad account and a day, as a text to compare."""
    parts: list[object] = [dataset.report, dataset.include_deleted]
    if dataset.report == "performance":
        parts += [dataset.report_type, dataset.service_type, dataset.level, dataset.id_dimension, dataset.time]
        parts += [sorted(dataset.breakdowns), dataset.lifetime]
    elif dataset.report == gmv_max.REPORT:
        named = any(catalog.metrics()[name].attribute for name in dataset.metrics)
        parts += [dataset.level, dataset.promotion, dataset.time, sorted(dataset.shops), named]
    elif dataset.report == all_spend.REPORT:
        parts += [sorted(dataset.shops)]
    elif dataset.report == smart_plus.MATERIALS:
        parts += [dataset.level, dataset.time, sorted(dataset.breakdowns), dataset.lifetime]
    elif dataset.report == "creatives":
        parts += [dataset.material_type, dataset.lifetime]
    elif dataset.report in FURTHER:
        parts += [dataset.level, dataset.id_dimension, dataset.time, sorted(dataset.breakdowns), dataset.lifetime]
        parts += [sorted(dataset.business_centers)]
    elif dataset.report in business_centers.LISTS:
        parts += [sorted(dataset.business_centers), dataset.transaction_level, dataset.asset_type]
    elif dataset.report == "custom_audience_details":
        parts += [sorted(dataset.audiences)]
    return orjson.dumps(parts).decode()


def size_of_run(
    plan: Plan, dataset_id: int, run_id: str, requests: int, rows: Mapping[str, int], *, own_dates: bool
) -> RunSize:
    """What a run took that sent so many `requests` for its rows; `rows` counts them by advertiser."""
    days = {advertiser.id: span.days for advertiser, span in plan.days()}
    counts = {
        advertiser.id: (rows.get(advertiser.id, 0), days.get(advertiser.id, 0))
        for read in plan.reads
        for advertiser in read.advertisers
    }
    return RunSize(
        dataset_id=dataset_id,
        dataset_name=plan.dataset.name,
        run_id=run_id,
        shape=shape(plan.dataset),
        own_dates=own_dates,
        requests=requests,
        predicted=predicted_requests(plan, counts),
        rows=counts,
    )


def predicted_requests(plan: Plan, rows: Mapping[str, tuple[int, int]]) -> int:
    """The pages of the plan's requests if the rows of each advertiser are spread evenly over its days.

    `rows` has by advertiser id a number of rows and the days that they span; an advertiser that is absent has none.
    Shops do not count, as an estimate does not know them: what they took is in the ratio of the runs' requests to this.
    """
    plan = replace(plan, shops=None)

    def rows_of(advertiser: str, days: int) -> float:
        count, spanned = rows.get(advertiser, (0, 0))
        return count / spanned * days if plan.dataset.time != "none" and spanned else count

    return _pages(plan, rows_of)


def _pages(plan: Plan, rows_of: Callable[[str, int], float]) -> int:
    """The pages of the plan's requests; `rows_of` gives the rows of an advertiser in a number of days."""
    lengths: dict[int, Counter[int]] = {}
    pages = requests = 0
    for read in plan.reads:
        # Advertisers with the same days share their spans.
        counts = lengths.get(id(read.spans))
        if counts is None:
            counts = lengths[id(read.spans)] = Counter(span.days if span else 0 for span in read.spans)
        for days, count in counts.items():
            rows = sum(rows_of(advertiser.id, days) for advertiser in read.advertisers)
            pages += count * max(1, math.ceil(round(rows / plan.page_size, 6)))
            requests += count
            # The rows of a shop come after the steps that they need.
            pages += count * max(0, plan.requests_of(read) - 1) if reads_shops(plan.dataset) else 0
    # All buying types but the first are rare, so that one page is enough.
    return len(plan.batches) * (pages + requests * (len(plan.buying) - 1)) + requests * comparisons(plan.dataset)


def _shared_out(sizes: Iterable[RunSize], ids: set[str]) -> Iterable[tuple[RunSize, set[str]]]:
    """For each size the advertisers whose rows are taken from it: the first that has them."""
    left = set(ids)
    for size in sizes:
        covered_ids = left & size.rows.keys()
        left -= covered_ids
        yield size, covered_ids


def _may_grow(plan: Plan, rows: Mapping[str, tuple[int, int]]) -> bool:
    """Whether the plan has more days than `rows`, whose number does not follow from that of the days."""
    if plan.dataset.time != "none":
        return False
    return any(
        advertiser.id in rows and span.days > LONGER * rows[advertiser.id][1] for advertiser, span in plan.days()
    )


def _entity_dataset(dataset: Dataset) -> Dataset | None:
    """The list of the entities that the dataset's rows are of, with deleted ones; None if a row is of more than one."""
    level = dataset.level or ""
    if dataset.report != "performance" or dataset.breakdowns or dataset.id_dimension != _IDS.get(level, ""):
        return None
    return Dataset(dataset.name, dataset.account, _ENTITY_REPORTS[level])


def _most_requests(plan: Plan, entities: Sequence[RunSize]) -> int | None:
    """The most requests that the plan's rows can take; None if the rows have no bound."""
    dataset = plan.dataset
    if dataset.is_of_centers:
        return None
    if dataset.report == "advertisers":
        return plan.request_count
    periods = {"day": 1, "hour": 24}.get(dataset.time)
    if dataset.report == "performance" and not dataset.breakdowns and dataset.id_dimension == "advertiser_id":
        return _pages(plan, lambda _, days: days * periods if periods else 1)
    counts = {advertiser: rows for size in reversed(entities) for advertiser, (rows, _) in size.rows.items()}
    ids = {advertiser.id for read in plan.reads for advertiser in read.advertisers}
    if not ids or not ids <= counts.keys():
        return None
    return _pages(plan, lambda advertiser, days: counts[advertiser] * (days * periods if periods else 1))


def _shop_sentence(plan: Plan, basis: Basis) -> tuple[str, ...]:
    dataset = plan.dataset
    of_all = dataset.is_of_centers and dataset.report != business_centers.CENTERS
    if of_all and not dataset.business_centers and basis is Basis.UNKNOWN:
        return (phrase("Counted with one Business Center. A run reads all of the account."),)
    if not reads_shops(plan.dataset) or plan.shops is not None or basis is not Basis.UNKNOWN:
        return ()
    return (phrase("Counted with one shop for each ad account. A run reads all of its shops."),)


def _account_sentence(requests: int) -> tuple[str, ...]:
    if not requests:
        return ()
    return (
        phrases(
            "%(requests)s request reads the list of ad accounts, unless a preview or another run has just read it.",
            "%(requests)s requests read the list of ad accounts, unless a preview or another run has just read it.",
            requests,
            requests=integer(requests),
        ),
    )


def _seconds(requests: int, limits: RateLimits) -> float:
    return least_seconds(requests, limits.per_second, limits.per_minute, limits.per_day)


def _sentence(plan: Plan, basis: Basis, unread: int, *, grows: bool) -> str:
    text = phrase(basis.sentence, things=_THINGS.get(plan.dataset.level or "", ""))
    if basis not in (Basis.LAST_RUN, Basis.OTHER_DATASETS):
        return text
    if unread:
        more = phrases(
            "%(ad_accounts)s ad account was not read yet, which counts as one page for each request.",
            "%(ad_accounts)s ad accounts were not read yet, which counts as one page for each request.",
            unread,
            ad_accounts=integer(unread),
        )
        return f"{text} {more}"
    return " ".join((text, phrase("These dates have more days, which may have more rows."))) if grows else text
