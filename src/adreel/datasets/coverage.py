"""The days of each ad account that the runs of a table have read, and those that they missed.

Rows alone do not say it: an ad account without spend has none. So each version of the table keeps what its run and the
earlier ones have read. Missed are days that a person expects in the table although no run has read them: those before
the first run of an ad account that was added later, and those between two runs that are further apart than the dates
and the look-back window of the dataset.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from adreel.advertisers import Advertiser
from adreel.datasets.dataset import Dataset
from adreel.dates import Span
from adreel.enumerations import first_of
from adreel.language import integer, phrase, phrases, shown_day, shown_days
from adreel.update_methods import Method

MOST_NAMED = 10
"""Ad accounts that a warning names; the others are counted."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LastRead:
    """The latest run of a dataset with rolling dates: the `end` of its days, and the ad account's `today` then."""

    end: date
    today: date


@dataclass(frozen=True, slots=True)
class DaysOf:
    """The days of one ad account that were read, and those that were missed, oldest first and apart.

    `last` is None unless the latest run of the dataset's own dates had rolling ones.
    """

    read: tuple[Span, ...] = ()
    missed: tuple[Span, ...] = ()
    last: LastRead | None = None


Coverage = Mapping[str, DaysOf]
"""What was read of each ad account, by its id."""


@dataclass(frozen=True, slots=True)
class RunDays:
    """What a run reads: its ad accounts with their days, and their today.

    `own`: these are the dates of the dataset. `alone`: no other days of these or of other ad accounts stay in the
    table, but for the ad accounts in `spared`. `keep_from` is the first day that the table keeps.
    """

    days: tuple[tuple[Advertiser, Span, date], ...]
    own: bool
    alone: bool = False
    spared: frozenset[str] = frozenset()
    keep_from: date | None = None


@dataclass(frozen=True, slots=True)
class MissedDays:
    """Days that no run has read: from the first to the last, of these ad accounts.

    `is_new`: they are before all days that were read of these ad accounts; `first` is the first day that was read of
    any ad account.
    """

    days: Span
    advertisers: tuple[Advertiser, ...]
    is_new: bool
    first: date

    def as_json(self) -> dict[str, Any]:
        """As a run's verification keeps it."""
        return {
            "start": self.days.start.isoformat(),
            "end": self.days.end.isoformat(),
            "advertisers": [advertiser.id for advertiser in self.advertisers],
        }


def is_rolling(dataset: Dataset) -> bool:
    """Whether the dataset's dates move on, so that each day is read only by some runs."""
    dates = dataset.dates
    return dates is not None and not (dates.start is not None and dates.start.fixed is not None)


def covering(before: Coverage, run_days: RunDays, dataset: Dataset) -> dict[str, DaysOf]:
    """The coverage of the version that the run makes of the table, whose coverage was `before`."""
    earlier = {who: days for who, days in before.items() if not run_days.alone or who in run_days.spared}
    first = _first_read(earlier)
    after = dict(earlier)
    for advertiser, days, today in run_days.days:
        days_before = earlier.get(advertiser.id, DaysOf())
        missed = days_before.missed
        if run_days.own and not run_days.alone:
            expected = _expected(days_before, first, dataset)
            if expected is not None and expected < days.start:
                missed = (*missed, Span(expected, days.start - _DAY))
        last = days_before.last
        if run_days.own:
            last = LastRead(days.end, today) if is_rolling(dataset) else None
        read = _merged((*days_before.read, days))
        after[advertiser.id] = DaysOf(read, _without(_merged(missed), read), last)
    if run_days.keep_from is not None:
        after = {who: _from(days, run_days.keep_from) for who, days in after.items()}
    return after


def _expected(days_before: DaysOf, first: date | None, dataset: Dataset) -> date | None:
    """From which day on a person expects the days of an ad account before those that the run reads; None for none."""
    if not days_before.read:
        return first
    return days_before.last.end + _DAY if days_before.last is not None and is_rolling(dataset) else None


def _first_read(coverage: Coverage) -> date | None:
    """The first day that was read of any ad account."""
    return min((days.read[0].start for days in coverage.values() if days.read), default=None)


def missed_days(coverage: Coverage, advertisers: Iterable[Advertiser]) -> tuple[MissedDays, ...]:
    """The missed days of these ad accounts: of those added later, then those between two runs."""
    first = _first_read(coverage)
    kinds: dict[bool, list[tuple[Advertiser, Span]]] = {True: [], False: []}
    for advertiser in sorted(advertisers, key=lambda advertiser: advertiser.id):
        days = coverage.get(advertiser.id, DaysOf())
        for missed in days.missed:
            kinds[bool(days.read) and missed.start < days.read[0].start].append((advertiser, missed))
    return tuple(
        MissedDays(
            Span(min(span.start for _, span in missing), max(span.end for _, span in missing)),
            tuple({advertiser.id: advertiser for advertiser, _ in missing}.values()),
            is_new,
            first,
        )
        for is_new, missing in kinds.items()
        if missing and first is not None
    )


def missed_sentence(missed: MissedDays, slug: str, method: Method) -> str:
    """The warning of a run, with the command that fills the table."""
    count = len(missed.advertisers)
    names = [f"{advertiser.name} ({advertiser.id})" for advertiser in missed.advertisers]
    lacking = phrases(
        "The table lacks %(days)s of %(number)s ad account: %(ad_accounts)s.",
        "The table lacks %(days)s of %(number)s ad accounts: %(ad_accounts)s.",
        count,
        days=shown_days(missed.days.start, missed.days.end),
        number=integer(count),
        ad_accounts=first_of(names, MOST_NAMED),
    )
    if missed.is_new:
        why = phrases(
            "The dataset did not read it from the start, while its table begins on %(day)s.",
            "The dataset did not read them from the start, while its table begins on %(day)s.",
            count,
            day=shown_day(missed.first),
        )
    else:
        why = phrase("For a time no run succeeded, and later runs do not read that far back.")
    return f"{lacking} {why} {_remedy(missed, slug, method)}"


def _remedy(missed: MissedDays, slug: str, method: Method) -> str:
    if method is Method.APPEND and missed.is_new:
        return phrase(
            "With the update method append, a backfill would add the rows of the other ad accounts a "
            "second time: change the update method to upsert or partition, then run it."
        )
    command = f"adreel backfill {slug} --start {missed.days.start} --end {missed.days.end}"
    return phrase("To read them: %(command)s", command=command)


# As a version keeps it


def as_json(coverage: Coverage) -> list[dict[str, Any]]:
    """Ad accounts with the same days share a record, so that a thousand of them take no more than their ids."""
    groups: defaultdict[DaysOf, list[str]] = defaultdict(list)
    for who, days in sorted(coverage.items()):
        groups[days].append(who)
    return [
        {
            "ids": ids,
            "read": [[str(span.start), str(span.end)] for span in days.read],
            "missed": [[str(span.start), str(span.end)] for span in days.missed],
            "last": [str(days.last.end), str(days.last.today)] if days.last else None,
        }
        for days, ids in groups.items()
    ]


def from_json(records: Iterable[Mapping[str, Any]]) -> dict[str, DaysOf]:
    """The coverage that `as_json` wrote."""
    coverage: dict[str, DaysOf] = {}
    for record in records:
        last = LastRead(*map(date.fromisoformat, record["last"])) if record["last"] else None
        days = DaysOf(_spans(record["read"]), _spans(record["missed"]), last)
        coverage |= dict.fromkeys(record["ids"], days)
    return coverage


def _spans(pairs: Iterable[Iterable[str]]) -> tuple[Span, ...]:
    return tuple(Span(*map(date.fromisoformat, pair)) for pair in pairs)


# Sets of days


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same days in as few spans as possible, oldest first."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end + _DAY:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def _without(spans: Iterable[Span], others: Iterable[Span]) -> tuple[Span, ...]:
    """The days of `spans` that are in none of `others`."""
    left = list(spans)
    for other in others:
        pieces = ((span.start, min(span.end, other.start - _DAY)) for span in left)
        later = ((max(span.start, other.end + _DAY), span.end) for span in left)
        left = sorted({Span(start, end) for start, end in (*pieces, *later) if start <= end})
    return tuple(left)


def _from(days: DaysOf, first: date) -> DaysOf:
    """The days from the first one on that the table keeps."""
    read, missed = (
        tuple(Span(max(span.start, first), span.end) for span in spans if span.end >= first)
        for spans in (days.read, days.missed)
    )
    return replace(days, read=read, missed=missed)
