"""What TikTok changed between two versions of a table: the one answer of page, command line and API.

The rows of a day are those that a run read last, maybe for an earlier version. On a day that was read for both
versions, later for the second, and that TikTok had completed for its ad account at the first reading (`freshness`), a
change was restated by TikTok. Other days were added, removed, incomplete, added a second time beside the earlier rows,
read by a run whose check failed, or not read again, such as the days of a restored version. Days are those of each ad
account's own zone: while yesterday is over and read for one, it may not be for another. Money of different currencies
is never added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adreel import catalog
from adreel.datasets.coverage import Coverage, DaysOf, from_json
from adreel.datasets.freshness import USUAL_DELAY, last_complete_day, late_delays, report_delay
from adreel.datasets.runs import failed_check, runs_by_version
from adreel.datasets.schema import columns
from adreel.datasets.stored import source_of
from adreel.datasets.validation import parse
from adreel.dates import Span, fixed_offset, today_at
from adreel.enumerations import TextEnum
from adreel.errors import DatasetError, InputError
from adreel.lake import Lake, Version
from adreel.language import Phrase, in_language, integer, listed, phrase, phrases, shown_day
from adreel.store import Run, RunState, SavedDataset, Store
from adreel.update_methods import Method

if TYPE_CHECKING:
    from adreel.lake.difference import Difference, Example, SumChange, VersionComparison

ADVERTISER, CURRENCY, ZONE = ACCOUNT_COLUMNS = ("advertiser_id", "currency", "timezone")
"""The columns that say whose row it is, in which currency its money is, and in which zone its day."""

MOST_READINGS = 1_000
"""Runs that are looked through for those that made the two versions; few datasets have had so many."""

MOST_SUMS = 3
"""Figures that the sentence names."""

Number = Decimal | int | float
Ends = tuple[date, date]
"""A first and a last day."""


class DayKind(TextEnum):
    """What a day of an ad account is to two versions; `label` says it to a person."""

    label: str

    RESTATED = "restated", Phrase("in both versions")
    INCOMPLETE = "incomplete", Phrase("incomplete")
    ADDED = "added", Phrase("added")
    REMOVED = "removed", Phrase("removed")
    REPEATED = "repeated", Phrase("rows added again")
    UNREAD = "unread", Phrase("not read again")
    UNVERIFIED = "unverified", Phrase("check failed")


_NOT_COMPARED = {DayKind.REPEATED, DayKind.UNREAD, DayKind.UNVERIFIED}
"""The kinds of days of both versions that say nothing of TikTok's own changes."""

Place = tuple[date | None, DayKind]
"""A day and its kind: a day may be new for one ad account, and restated for another."""


@dataclass(frozen=True, slots=True)
class CurrencySum:
    """The sum of a column in one currency; `currency` is None for what is no money, empty for an unknown one.

    `values_changed` counts the values that differ, `values_restated` those of days that TikTok restated. The sums are
    over all rows of each version, None where there is nothing to sum, or money of unknown currency of several
    ad accounts. `restated` is what of `change` TikTok restated, `days` the steps by day.
    """

    currency: str | None
    values_changed: int
    values_restated: int
    before: Number | None
    after: Number | None
    change: Number | None
    restated: Number | None
    days: Mapping[Place, Number]

    @property
    def has_moved(self) -> bool:
        """Whether a value or the sum changed anywhere."""
        return bool(self.values_changed or self.days or self.change)


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column of both versions that is not part of the key; `sums` is empty for one that must not be summed.

    `type` is the catalogue's, empty for a column that the catalogue does not know.
    """

    name: str
    title: str
    type: str
    values_changed: int
    values_restated: int
    sums: tuple[CurrencySum, ...]

    @property
    def has_moved(self) -> bool:
        """Whether a value or a sum changed."""
        return bool(self.values_changed) or any(column_sum.has_moved for column_sum in self.sums)

    def label(self, column_sum: CurrencySum) -> str:
        """The title of one of its sums, with the currency where there are several."""
        if len(self.sums) < 2:
            return str(self.title)
        return phrase(
            "%(metric)s (%(currency)s)", metric=self.title, currency=column_sum.currency or phrase("unknown currency")
        )


@dataclass(frozen=True, slots=True)
class DayChange:
    """The rows of a day that were added, removed and changed, of those ad accounts for which it is of one kind.

    `zones` are those of these ad accounts, where they are known.
    """

    day: date | None
    kind: DayKind
    added: int
    removed: int
    changed: int
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from version `before` to version `after`; all counts are of rows.

    `keyed` says whether rows were told apart by their key. If not, a row that changed counts as one removed, one added.
    `origin` says which version is a restore or a backfill or failed its check, and is empty if there is nothing to say.
    `summary` says what changed in sentences, beginning with `origin`, then what TikTok restated. `currencies` are those
    of the money in both versions, `titles` those of the columns that are known.
    """

    before: int
    after: int
    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    keyed: bool
    origin: str
    summary: str
    currencies: tuple[str, ...]
    columns: tuple[ColumnChange, ...]
    days: tuple[DayChange, ...]
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    examples: tuple[Example, ...]
    titles: Mapping[str, str]

    @property
    def same(self) -> bool:
        """Whether both versions hold the same rows and columns."""
        return not (self.added or self.removed or self.changed or self.columns_added or self.columns_removed)

    @property
    def by_day(self) -> bool:
        """Whether the rows have days."""
        return any(day_change.day is not None for day_change in self.days)

    @property
    def can_restate(self) -> bool:
        """Whether TikTok may have restated days between the versions: the second was read after the first."""
        kinds = {day_change.kind for day_change in self.days}
        return self.by_day and (not kinds & _NOT_COMPARED or bool(kinds & {DayKind.RESTATED, DayKind.INCOMPLETE}))

    @property
    def first_kinds(self) -> tuple[DayKind, ...]:
        """The kinds of days to show first: restated, or if TikTok cannot have restated any, those that explain why."""
        if self.can_restate:
            return (DayKind.RESTATED,)
        kinds = {day_change.kind for day_change in self.days}
        return tuple(kind for kind in DayKind if kind in kinds & _NOT_COMPARED)

    @property
    def moved_sums(self) -> tuple[tuple[ColumnChange, CurrencySum], ...]:
        """The sums that moved, those first of whose column most values changed."""
        ranked = sorted(self.columns, key=lambda column: -column.values_changed)
        return tuple(
            (column, column_sum)
            for column in ranked
            for column_sum in column.sums
            if column_sum.days or column_sum.change
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values and exact numbers, as the API and `adreel diff --json` give them."""
        facts = ("before", "after", "rows_before", "rows_after", "added", "removed", "changed", "keyed", "summary")
        sums: dict[Place, list[dict[str, Any]]] = defaultdict(list)
        for column in self.columns:
            for column_sum in column.sums:
                for place, step in column_sum.days.items():
                    sums[place].append({"name": column.name, "currency": column_sum.currency, "change": step})
        return {
            **{name: getattr(self, name) for name in facts},
            "currencies": list(self.currencies),
            "metrics": [_column_json(column) for column in self.columns],
            "days": [
                {
                    "day": day.day,
                    "kind": str(day.kind),
                    "added": day.added,
                    "removed": day.removed,
                    "changed": day.changed,
                    "zones": list(day.zones),
                    "sums": sums[day.day, day.kind],
                }
                for day in self.days
            ],
            "columns_added": list(self.columns_added),
            "columns_removed": list(self.columns_removed),
            "examples": [{"before": example.before, "after": example.after} for example in self.examples],
        }


def _column_json(column: ColumnChange) -> dict[str, Any]:
    names = ("currency", "values_changed", "values_restated", "before", "after", "change", "restated")
    return {
        "name": column.name,
        "title": column.title,
        "type": column.type or None,
        "values_changed": column.values_changed,
        "values_restated": column.values_restated,
        "sums": [{name: getattr(column_sum, name) for name in names} for column_sum in column.sums],
    }


def compare(store: Store, lake: Lake, saved: SavedDataset, before: int, after: int, now: datetime) -> Comparison:
    """Compares two versions of the dataset's table. Raises NotFoundError for versions that cannot be read."""
    with _comparison(lake, saved, (before, after)) as versions:
        sums = _compare_sums(store, lake, saved, versions, now)
        zones: dict[Place, set[str]] = defaultdict(set)

        def part_of(values: tuple[Any, ...], day: date | None) -> Hashable:
            account = dict(zip(versions.group, values, strict=True))
            kind = sums.kinds.of(account.get(ADVERTISER), day)
            zones[day, kind] |= {account[ZONE]} if account.get(ZONE) else set()
            return account.get(CURRENCY) or "", kind, sums.kinds.late(account.get(ADVERTISER), day)

        difference = versions.difference(part_of)
    origin = sums.readings.origin(before, after)
    return _Summing(difference, sums.facts, sums.accounts, sums.kinds, origin, zones).comparison()


@dataclass(frozen=True, slots=True)
class RestatedSum:
    """By how much TikTok restated the sum of a column on one day of an ad account.

    `advertiser` and `currency` are empty where the table does not have them.
    """

    advertiser: str
    currency: str
    day: date
    column: str
    amount: Number


def restated_sums(
    store: Store, lake: Lake, saved: SavedDataset, before: int, after: int, now: datetime
) -> tuple[RestatedSum, ...]:
    """What of the difference of two versions' sums TikTok restated, as in `compare`, without comparing their rows.

    Raises NotFoundError for versions that cannot be read.
    """
    with _comparison(lake, saved, (before, after)) as versions:
        sums = _compare_sums(store, lake, saved, versions, now)
    return tuple(
        RestatedSum(account.advertiser or "", account.currency, day, column, step)
        for account in sums.accounts
        for day, steps in account.part.days.items()
        if day is not None and sums.kinds.of(account.advertiser, day) is DayKind.RESTATED
        for column, step in steps.items()
        if column not in sums.kinds.late(account.advertiser, day)
    )


def day_kinds(store: Store, lake: Lake, saved: SavedDataset, before: int, after: int, now: datetime) -> Kinds:
    """Tells what each day of an ad account is to two versions, as in `compare`.

    Raises NotFoundError for versions that cannot be read.
    """
    with _comparison(lake, saved, (before, after)) as versions:
        return _compare_sums(store, lake, saved, versions, now, with_sums=False).kinds


@dataclass(frozen=True, slots=True)
class _SumComparison:
    """The sums of two versions by ad account and day, and what tells the kinds of their days."""

    facts: Mapping[str, _ColumnFacts]
    accounts: list[_AdvertiserChanges]
    readings: Readings
    kinds: Kinds


def _comparison(
    lake: Lake, saved: SavedDataset, versions: tuple[int, int]
) -> AbstractContextManager[VersionComparison]:
    """Two versions, their rows told apart by ad account."""
    schemas = [lake.table(saved.table_slug, version).schema for version in versions]
    shared = [name for name in schemas[1].names if name in schemas[0].names]
    identity = tuple(name for name in ACCOUNT_COLUMNS if name in shared and _same_type(schemas, name))
    return lake.comparison(saved.table_slug, *versions, identity)


def _compare_sums(
    store: Store, lake: Lake, saved: SavedDataset, versions: VersionComparison, now: datetime, *, with_sums: bool = True
) -> _SumComparison:
    facts = _column_facts(saved, versions.columns, now)
    additive = tuple(name for name, column in facts.items() if column.additive and with_sums)
    accounts = [
        _AdvertiserChanges(dict(zip(versions.group, part.values, strict=True)), part)
        for part in versions.sum_changes(additive)
    ]
    readings = Readings(lake.versions(saved.table_slug), store.runs.good(saved, MOST_READINGS))
    kinds = _kinds(readings, versions.numbers, accounts, _delays(saved, now))
    return _SumComparison(facts, accounts, readings, kinds)


def additive_columns(saved: SavedDataset, schema: Any, now: datetime) -> tuple[str, ...]:
    """The columns of the table whose sums are compared."""
    return tuple(name for name, column in _column_facts(saved, schema.names, now).items() if column.additive)


def _delays(saved: SavedDataset, now: datetime) -> tuple[timedelta, Mapping[str, timedelta]]:
    """How long after a day's end its rows are complete, and its later metrics, by name.

    The usual time for a dataset that is not valid any more.
    """
    with suppress(DatasetError):
        dataset = parse(source_of(saved), now)
        return report_delay(dataset), late_delays(dataset)
    return USUAL_DELAY, {}


def _same_type(schemas: list[Any], name: str) -> bool:
    return bool(schemas[0].field(name).type == schemas[1].field(name).type)


@dataclass(frozen=True, slots=True)
class _ColumnFacts:
    title: str
    type: str
    additive: bool


def _column_facts(saved: SavedDataset, names: Iterable[str], now: datetime) -> dict[str, _ColumnFacts]:
    """What is known of the columns: as the dataset asks for them, else, if it does not any more, by the catalogue."""
    metrics = catalog.metrics()
    facts = {
        name: _ColumnFacts(metrics[name].title, metrics[name].type, metrics[name].additive)
        for name in names
        if name in metrics
    }
    with suppress(DatasetError):
        facts |= {
            column.name: _ColumnFacts(column.title, column.type, column.additive)
            for column in columns(parse(source_of(saved), now))
        }
    return facts


@dataclass(frozen=True, slots=True)
class _AdvertiserChanges:
    """The changes of the rows of one ad account; `identity` says which it is, as far as the table does."""

    identity: Mapping[str, Any]
    part: SumChange

    @property
    def advertiser(self) -> str | None:
        """Its id."""
        return self.identity.get(ADVERTISER)

    @property
    def currency(self) -> str:
        """Of its money; empty where it is not known."""
        return self.identity.get(CURRENCY) or ""

    @property
    def zone(self) -> str:
        """Of its days; empty where it is not known."""
        return self.identity.get(ZONE) or ""


# -- which day is what


@dataclass(frozen=True, slots=True)
class Reading:
    """What a version has of days: each ad account's first and last by its id, and its zone.

    `read_at` is when the run began that read the version's rows, None if that is not known.
    """

    ends: Mapping[str | None, Ends]
    zones: Mapping[str | None, str]
    read_at: datetime | None

    def today(self, advertiser: str | None) -> date | None:
        """The ad account's day at which the version was read; None if that is not known."""
        offset = self.offset(advertiser)
        return None if self.read_at is None or offset is None else today_at(self.read_at, offset)

    def offset(self, advertiser: str | None) -> timedelta | None:
        """The ad account's offset from UTC; None if it is not known."""
        zone = self.zones.get(advertiser)
        with suppress(InputError):
            return fixed_offset(zone) if zone else None
        return None

    def spans(self) -> Mapping[str | None, Span]:
        """The days that were read of each ad account, also those at an end on which nothing was shown.

        All are asked for the same days, counted back from their own today or by date. So one that has fewer than
        others, which have them that far back, had nothing to show.
        """
        if not self.ends:
            return {}
        first, last = min(ends[0] for ends in self.ends.values()), max(ends[1] for ends in self.ends.values())
        todays = {advertiser: self.today(advertiser) for advertiser in self.ends}
        dated = {advertiser: today for advertiser, today in todays.items() if today is not None}
        if len(dated) < len(todays):
            return dict.fromkeys(self.ends, Span(first, last))
        oldest = max((today - self.ends[advertiser][0] for advertiser, today in dated.items()), default=timedelta())
        newest = min((today - self.ends[advertiser][1] for advertiser, today in dated.items()), default=timedelta())
        return {
            advertiser: Span(max(today - oldest, first), min(today - newest, last))
            for advertiser, today in dated.items()
        }


class Readings:
    """Which run read the rows of which days, version by version."""

    def __init__(self, versions: Iterable[Version], runs: Iterable[Run]) -> None:
        self._versions = {version.number: version for version in versions}
        runs = tuple(runs)
        self._read_at = {run.version: run.read_at for run in runs}
        self._runs = runs_by_version(self._versions.values(), runs)
        self._coverages: dict[int, Coverage] = {}
        self._skipped = {run.version: frozenset(run.skipped) for run in runs if run.skipped}
        self._readers: dict[tuple[int, str, date | None, str | None], tuple[int | None, bool]] = {}

    def read_at(self, version: int) -> datetime | None:
        """When the run began that read the version's rows, None if that is not known."""
        return self._read_at.get(version)

    def reader(
        self, version: int, zone: str, day: date | None, advertiser: str | None = None
    ) -> tuple[int | None, bool]:
        """The version whose run read the day's rows of ad accounts of `zone`, and whether that is certain.

        Not one that skipped the `advertiser`, whose rows stayed as they were. None if no run read the day for the
        version. Versions of an older adreel do not keep which days were read, so theirs count as all.
        """
        key = version, zone, day, advertiser if self._skipped else None
        if self._never_read(version, day, advertiser):
            return None, True
        if key not in self._readers:
            self._readers[key] = self._find(version, zone, day, advertiser)
        return self._readers[key]

    def _never_read(self, number: int, day: date | None, advertiser: str | None) -> bool:
        """Whether it is known that no run up to the version read the day, as of an ad account that came later."""
        version = self._versions.get(number)
        if version is None or not version.coverage or day is None or advertiser is None:
            return False
        if number not in self._coverages:
            self._coverages[number] = from_json(version.coverage)
        spans = self._coverages[number].get(advertiser, DaysOf()).read
        return not any(span.start <= day <= span.end for span in spans)

    def _find(self, number: int, zone: str, day: date | None, advertiser: str | None) -> tuple[int | None, bool]:
        version = self._versions.get(number)
        while version is not None:
            number = version.number
            days = version.days_read.get(zone)
            if version.restored is not None:
                number = version.restored
            elif advertiser in self._skipped.get(number, ()):
                number = max((other for other in self._versions if other < number), default=number - 1)
            elif day is None or days is None:
                return number, day is None
            elif days[0] <= day <= days[1]:
                return number, True
            elif version.only_days_read:
                return None, True
            else:
                number = max((other for other in self._versions if other < number), default=number - 1)
            version = self._versions.get(number)
        # Not among the versions: before the first one, or removed by a vacuum.
        return (None, True) if number < 0 else (number, False)

    def days_read_last(self, number: int, reader: Version) -> Sequence[date]:
        """The days of version `number` that were read last for the version `reader`, in any zone, sorted."""
        days = {
            first + timedelta(days=offset)
            for zone, (first, last) in reader.days_read.items()
            for offset in range((last - first).days + 1)
            if self.reader(number, zone, first + timedelta(days=offset))[0] == reader.number
        }
        return sorted(days)

    def appends(self, version: int) -> bool:
        """Whether its run added rows beside the earlier ones, also for days that an earlier run had read."""
        return version in self._versions and self._versions[version].method == Method.APPEND

    def is_failed(self, version: int) -> bool:
        """Whether the check of the run that made the version failed."""
        return version in self._runs and self._runs[version].state is RunState.CHECK_FAILED

    def origin(self, before: int, after: int) -> str:
        """Which of two versions are restores or backfills or failed their check, in sentences; empty if none."""
        return " ".join(filter(None, map(self._origin, (before, after))))

    def _origin(self, number: int) -> str:
        version, run = self._versions.get(number), self._runs.get(number)
        kind = ""
        if version is not None and version.restored is not None:
            kind = phrase(
                "Version %(version)s restores version %(restored)s.", version=number, restored=version.restored
            )
        # The first version of a table had nothing to add days to.
        elif run is not None and run.dates is not None and number > min(self._versions):
            kind = phrase(
                "Version %(version)s is a backfill of %(first)s to %(last)s.",
                version=number,
                first=run.dates[0],
                last=run.dates[1],
            )
        return " ".join(filter(None, [kind, failed_check(number, run)]))


def days_not_verified(store: Store, lake: Lake, saved: SavedDataset) -> Mapping[int, Sequence[date]]:
    """The days of the newest version that were read last by a run whose check failed, by the version of that run."""
    if not store.runs.list(saved, states={RunState.CHECK_FAILED}, limit=1):
        return {}
    versions, runs = lake.versions(saved.table_slug), store.runs.good(saved, MOST_READINGS)
    readings, failed = Readings(versions, runs), runs_by_version(versions, runs)
    return {
        version.number: days
        for version in versions
        if version.number in failed
        and failed[version.number].state is RunState.CHECK_FAILED
        and (days := readings.days_read_last(versions[0].number, version))
    }


class Kinds:
    """Tells the kind of each day of two versions."""

    def __init__(
        self,
        readings: Readings,
        numbers: tuple[int, int],
        before: Reading,
        after: Reading,
        delays: tuple[timedelta, Mapping[str, timedelta]],
    ) -> None:
        """`delays` are how long after its end TikTok completes a day, and metrics that are later, by name."""
        self._readings = readings
        self._delay, self._late_delays = delays
        self._numbers = numbers
        self._before = before
        self._spans = before.spans(), after.spans()
        self._kinds: dict[tuple[str | None, date | None], DayKind] = {}
        self._late: dict[tuple[str | None, date | None], frozenset[str]] = {}

    def of(self, advertiser: str | None, day: date | None) -> DayKind:
        """The day's kind."""
        if (advertiser, day) not in self._kinds:
            self._kinds[advertiser, day] = self._kind(advertiser, day)
        return self._kinds[advertiser, day]

    def late(self, advertiser: str | None, day: date | None) -> frozenset[str]:
        """The metrics that TikTok had not completed when the day was read first, although the day was complete.

        That they are another number since is no restatement.
        """
        if not self._late_delays:
            return frozenset()
        if (advertiser, day) not in self._late:
            self._late[advertiser, day] = self._late_metrics(advertiser, day)
        return self._late[advertiser, day]

    def _kind(self, advertiser: str | None, day: date | None) -> DayKind:
        zone = self._before.zones.get(advertiser, "")
        (earlier, is_certain), (later, _) = (
            self._readings.reader(number, zone, day, advertiser) for number in self._numbers
        )
        if earlier is None:
            return DayKind.ADDED
        if later is None:
            return DayKind.REMOVED
        if day is not None:
            if not is_certain and self._is_outside(0, advertiser, day):
                return DayKind.ADDED
            # A day that was read again is in the version, also with no rows left.
            if (later <= earlier or not is_certain) and self._is_outside(1, advertiser, day):
                return DayKind.REMOVED
        if later <= earlier:
            return DayKind.UNREAD
        if self._readings.appends(later):
            is_new = day is not None and self._is_outside(0, advertiser, day)
            return DayKind.ADDED if is_new else DayKind.REPEATED
        if self._was_incomplete(advertiser, day, self._readings.read_at(earlier), self._delay):
            return DayKind.INCOMPLETE
        is_failed = self._readings.is_failed(earlier) or self._readings.is_failed(later)
        return DayKind.UNVERIFIED if is_failed else DayKind.RESTATED

    def _late_metrics(self, advertiser: str | None, day: date | None) -> frozenset[str]:
        earlier, _ = self._readings.reader(self._numbers[0], self._before.zones.get(advertiser, ""), day, advertiser)
        read_at = self._readings.read_at(earlier) if earlier is not None else None
        delays = self._late_delays.items()
        return frozenset(name for name, delay in delays if self._was_incomplete(advertiser, day, read_at, delay))

    def _was_incomplete(
        self, advertiser: str | None, day: date | None, read_at: datetime | None, delay: timedelta
    ) -> bool:
        offset = self._before.offset(advertiser)
        if day is None or offset is None or read_at is None:
            return False
        return day > last_complete_day(offset, delay, read_at)

    def _is_outside(self, side: int, advertiser: str | None, day: date) -> bool:
        """Whether a version's rows of the ad account do not reach to the day."""
        span = self._spans[side].get(advertiser)
        return span is None or not span.start <= day <= span.end


def _kinds(
    readings: Readings,
    versions: tuple[int, int],
    accounts: Iterable[_AdvertiserChanges],
    delays: tuple[timedelta, Mapping[str, timedelta]],
) -> Kinds:
    zones: dict[str | None, str] = {}
    ends: tuple[dict[str | None, Ends], dict[str | None, Ends]] = ({}, {})
    for account in accounts:
        zones[account.advertiser] = account.zone
        for own, version_ends in zip((account.part.before, account.part.after), ends, strict=True):
            if own is not None:
                other = version_ends.get(account.advertiser, own)
                version_ends[account.advertiser] = (min(own[0], other[0]), max(own[1], other[1]))
    before, after = (
        Reading(version_ends, zones, readings.read_at(version))
        for version, version_ends in zip(versions, ends, strict=True)
    )
    return Kinds(readings, versions, before, after, delays)


# -- comparison


class _Summing:
    """Puts what the lake counted together, by column, currency and kind of day."""

    def __init__(
        self,
        difference: Difference,
        facts: Mapping[str, _ColumnFacts],
        accounts: list[_AdvertiserChanges],
        kinds: Kinds,
        origin: str,
        zones: Mapping[Place, Collection[str]],
    ) -> None:
        self._origin = origin
        self._zones = zones
        self._difference = difference
        self._column_facts = facts
        self._accounts = accounts
        self._kinds = kinds
        self._currencies = tuple(sorted({account.currency for account in accounts if account.currency}))

    def comparison(self) -> Comparison:
        """All of it."""
        difference = self._difference
        column_changes = tuple(self._column(metric.name, metric.changed) for metric in difference.metrics)
        days = tuple(self._days())
        return Comparison(
            before=difference.before,
            after=difference.after,
            rows_before=difference.rows_before,
            rows_after=difference.rows_after,
            added=difference.added,
            removed=difference.gone,
            changed=difference.changed,
            keyed=difference.keyed,
            origin=self._origin,
            summary=_after(self._origin, _summary(difference, column_changes, days)),
            currencies=self._currencies,
            columns=column_changes,
            days=days,
            columns_added=difference.columns_added,
            columns_removed=difference.columns_gone,
            examples=difference.examples,
            titles={name: facts.title for name, facts in self._column_facts.items()},
        )

    def _column(self, name: str, changed: Mapping[Any, int]) -> ColumnChange:
        facts = self._column_facts.get(name, _ColumnFacts(name, "", additive=False))
        restated = _restated(name, changed)
        sums = tuple(self._sums(name, facts.type == "money", changed))
        return ColumnChange(name, facts.title, facts.type, sum(changed.values()), restated, sums)

    def _sums(self, name: str, is_money: bool, changed: Mapping[Any, int]) -> Iterator[CurrencySum]:
        """The sums of a column: one, or of money one for each currency."""
        summed = [account for account in self._accounts if name in account.part.sums]
        if not summed:
            return
        if not is_money:
            yield self._sum(name, None, summed, changed)
            return
        for currency in sorted({account.currency for account in summed}, key=lambda code: (code == "", code)):
            own = [account for account in summed if account.currency == currency]
            counts = {part: count for part, count in changed.items() if part[0] == currency}
            yield self._sum(name, currency, own, counts)

    def _sum(
        self, name: str, currency: str | None, accounts: list[_AdvertiserChanges], changed: Mapping[Any, int]
    ) -> CurrencySum:
        counts = (currency, sum(changed.values()), _restated(name, changed))
        if currency == "" and len({account.advertiser for account in accounts}) > 1:
            # Of several ad accounts it may be several currencies.
            return CurrencySum(*counts, None, None, None, None, {})
        steps: dict[Place, Any] = defaultdict(int)
        before: Any = None
        after: Any = None
        completed: Any = 0
        for account in accounts:
            first, last, _ = account.part.sums[name]
            before, after = _added(before, first), _added(after, last)
            for day, moved in account.part.days.items():
                if name in moved:
                    steps[day, self._kinds.of(account.advertiser, day)] += moved[name]
                    completed += moved[name] if self._is_completed(account.advertiser, day, name) else 0
        days = {place: step for place, step in steps.items() if step}
        restated = sum(step for (_, kind), step in days.items() if kind is DayKind.RESTATED) - completed
        return CurrencySum(*counts, before, after, (after or 0) - (before or 0), restated, days)

    def _is_completed(self, advertiser: str | None, day: date | None, name: str) -> bool:
        """Whether a metric of a restated day was late, so that TikTok completed it and restated nothing."""
        return self._kinds.of(advertiser, day) is DayKind.RESTATED and name in self._kinds.late(advertiser, day)

    def _days(self) -> Iterator[DayChange]:
        counts: dict[Place, list[int]] = {}
        for part_day in self._difference.days:
            kind = part_day.part[1] if isinstance(part_day.part, tuple) else DayKind.RESTATED
            own = counts.setdefault((part_day.day, kind), [0, 0, 0])
            for number, count in enumerate((part_day.added, part_day.gone, part_day.changed)):
                own[number] += count
        for (day, kind), (added, removed, changed) in sorted(
            counts.items(), key=lambda item: (item[0][0] or date.min, item[0][1])
        ):
            yield DayChange(day, kind, added, removed, changed, tuple(sorted(self._zones.get((day, kind), ()))))


def _restated(name: str, changed: Mapping[Any, int]) -> int:
    """The values of a column that TikTok restated, of all that changed by currency, kind of day and late metrics."""
    return sum(count for (_, kind, late), count in changed.items() if kind is DayKind.RESTATED and name not in late)


def _added(total: Any, addend: Any) -> Any:
    return addend if total is None else total if addend is None else total + addend


# -- in words


def amount(value: Number | None, currency: str | None, *, signed: bool = False) -> str:
    """A sum as a text: whole numbers whole, money with its currency, a dash for none."""
    if value is None:
        return "\N{EN DASH}"
    sign = "+" if signed and value else ""
    # Money has decimals also where its sum is a whole number: 0.00 USD beside no 0 USD.
    whole = not currency and value == int(value)
    text = in_language(f"{int(value):{sign},}" if whole else f"{Decimal(str(value)):{sign},.2f}")
    return f"{text} {currency}" if currency else text


def _summary(difference: Difference, column_changes: Iterable[ColumnChange], days: tuple[DayChange, ...]) -> str:
    of_columns = []
    if difference.columns_added:
        of_columns.append(phrase("Columns added: %(columns)s", columns=", ".join(difference.columns_added)))
    if difference.columns_gone:
        of_columns.append(phrase("Columns removed: %(columns)s", columns=", ".join(difference.columns_gone)))
    if not (difference.added or difference.gone or difference.changed):
        return ". ".join([phrase("no rows changed"), *of_columns] if of_columns else [phrase("nothing changed")]) + "."
    if days:
        words = _counted(day for day in days if day.kind is DayKind.RESTATED)
    else:
        words = _row_changes(difference.changed, difference.added, difference.gone)
    sums = ", ".join(_restated_sums(column_changes))
    not_compared = list(_not_compared(days))
    nothing = phrase("nothing changed on complete days in both versions")
    first = f"{words}; {sums}" if words and sums else words or ("" if not_compared else nothing)
    return ". ".join(filter(None, [first, *not_compared, *_besides(days), *of_columns])) + "."


def _after(origin: str, summary: str) -> str:
    return f"{origin} {summary[:1].upper()}{summary[1:]}" if origin else summary


def _not_compared(days: Iterable[DayChange]) -> Iterator[str]:
    """The days of both versions that say nothing of TikTok's own changes, and why."""
    by_kind = {kind: [day for day in days if day.kind is kind] for kind in _NOT_COMPARED}
    if repeated := by_kind[DayKind.REPEATED]:
        yield phrase(
            "%(rows)s added again on %(days)s",
            rows=_rows(sum(day.added for day in repeated)),
            days=_days(len(repeated)),
        )
    if unread := by_kind[DayKind.UNREAD]:
        yield phrase("%(changes)s not read again", changes=_counted(unread))
    if unverified := by_kind[DayKind.UNVERIFIED]:
        yield phrase("%(changes)s read by a run whose check failed", changes=_counted(unverified))


def _counted(days: Iterable[DayChange]) -> str:
    """How many rows of the days were changed, added and removed, on how many days; empty for none."""
    days = tuple(days)
    words = _row_changes(
        sum(day.changed for day in days), sum(day.added for day in days), sum(day.removed for day in days)
    )
    return phrase("%(changes)s on %(days)s", changes=words, days=_days(len(days))) if words else ""


def _row_changes(changed: int, added: int, removed: int) -> str:
    """How many rows were changed, added and removed: `3 rows changed, 1 row added`; empty for none."""
    parts = [
        phrases("%(rows)s row changed", "%(rows)s rows changed", changed, rows=integer(changed)) if changed else "",
        phrases("%(rows)s row added", "%(rows)s rows added", added, rows=integer(added)) if added else "",
        phrases("%(rows)s row removed", "%(rows)s rows removed", removed, rows=integer(removed)) if removed else "",
    ]
    return ", ".join(filter(None, parts))


def _besides(days: Iterable[DayChange]) -> Iterator[str]:
    """The days that only one of the versions has, or has whole."""
    for kind in (DayKind.ADDED, DayKind.REMOVED):
        own = [day for day in days if day.kind is kind]
        if own:
            number, rows = len(own), _rows(sum(day.added + day.removed + day.changed for day in own))
            yield (
                phrases(
                    "%(days)s day added, with %(rows)s",
                    "%(days)s days added, with %(rows)s",
                    number,
                    days=integer(number),
                    rows=rows,
                )
                if kind is DayKind.ADDED
                else phrases(
                    "%(days)s day removed, with %(rows)s",
                    "%(days)s days removed, with %(rows)s",
                    number,
                    days=integer(number),
                    rows=rows,
                )
            )
    unfinished = [shown_day(day.day) for day in days if day.kind is DayKind.INCOMPLETE]
    if unfinished:
        yield phrase("%(days)s incomplete at the first reading", days=listed(unfinished))


def _restated_sums(column_changes: Iterable[ColumnChange]) -> list[str]:
    """The first few figures that TikTok restated, each with its amounts."""
    ranked = sorted(column_changes, key=lambda column: -column.values_changed)
    amounts_by_title = {
        column.title: [
            amount(column_sum.restated, column_sum.currency, signed=True)
            for column_sum in column.sums
            if column_sum.restated
        ]
        for column in ranked
    }
    return [f"{title} {', '.join(amounts)}" for title, amounts in amounts_by_title.items() if amounts][:MOST_SUMS]


def _rows(count: int) -> str:
    return phrases("%(rows)s row", "%(rows)s rows", count, rows=integer(count))


def _days(count: int) -> str:
    return phrases("%(days)s day", "%(days)s days", count, days=integer(count))
