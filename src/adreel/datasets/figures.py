"""What is kept of a version of a table when its run ends: amounts that TikTok restated, and daily sums.

Pages of many datasets show both, and cannot open a table for each. A version that nobody looked at when its run ended,
such as one of a restore or of an older adreel, is looked at later, by whoever needs it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from adreel.catalog import all_spend
from adreel.datasets.coverage import DaysOf, from_json
from adreel.datasets.dataset import Dataset
from adreel.datasets.freshness import last_complete_day, report_delay
from adreel.datasets.provenance import methods_of
from adreel.datasets.restatement import ACCOUNT_COLUMNS, MOST_READINGS, restated_sums
from adreel.datasets.runs import runs_by_version
from adreel.datasets.stored import dataset_of
from adreel.dates import Span, fixed_offset
from adreel.errors import AdreelError, DatasetError, InputError, NotFoundError
from adreel.lake import Lake, Version
from adreel.logs import logger_of
from adreel.store import (
    AdvertiserAmounts,
    DailySums,
    FiguresState,
    Run,
    RunState,
    SavedDataset,
    Store,
    VersionFigures,
)
from adreel.update_methods import Method

logger = logger_of(__name__)

METRICS = ("spend", "conversion")
"""The columns of which daily sums are kept."""

KEPT_DAYS = 70
"""Days up to the last one of which sums are kept."""

_DAY = timedelta(days=1)


def keep_figures(store: Store, lake: Lake, run: Run, now: datetime) -> None:
    """Keeps what the run's version restated, and the sums of its days if it is the newest version.

    Does nothing for a run without a version, or whose dataset was deleted. Raises the errors of the lake.
    """
    if run.dataset_id is None or run.version is None:
        return
    with suppress(NotFoundError):
        saved = store.datasets.get(run.dataset_id)
        _VersionReader(store, lake, saved, run, now).keep()


@dataclass(frozen=True, slots=True)
class _ZoneSums:
    """The sums of an ad account's rows of one currency and zone, by day; both are empty where they are not known."""

    currency: str
    zone: str
    days: Mapping[date | None, tuple[Any, ...]]


class _VersionReader:
    """One version of a dataset's table, with what is known of the others."""

    def __init__(self, store: Store, lake: Lake, saved: SavedDataset, run: Run, now: datetime) -> None:
        self._store = store
        self._lake = lake
        self._saved = saved
        self._run = run
        self._now = now
        exists = lake.exists(saved.table_slug)
        self._versions: Mapping[int, Version] = (
            {version.number: version for version in lake.versions(saved.table_slug)} if exists else {}
        )
        self._good = store.runs.good(saved, MOST_READINGS)
        self._runs = runs_by_version(self._versions.values(), self._good)

    def keep(self) -> None:
        """Reads and keeps the figures."""
        is_newest = bool(self._good) and self._good[0].id == self._run.id
        sums = tuple(self._daily_sums()) if is_newest else None
        self._store.figures.save(self._figures(), sums)

    # -- restated amounts

    def _figures(self) -> VersionFigures:
        run = self._run
        assert run.dataset_id is not None, "the run is of a dataset"
        assert run.version is not None, "the run made a version"
        state, before = self._comparable()
        amounts: tuple[AdvertiserAmounts, ...] = ()
        if before is not None:
            try:
                amounts = tuple(self._restated(before, run.version))
            except NotFoundError:
                # It was removed since its commit was read.
                state, before = FiguresState.REMOVED, None
        return VersionFigures(run.id, run.dataset_id, run.version, before, state, run.read_at, amounts)

    def _comparable(self) -> tuple[FiguresState, int | None]:
        """The version that this one is to be compared with, or why with none.

        Not with a restored one: its rows are those of an earlier version, so that the same restatement would count
        again. Not with one whose check failed, of which nobody knows what TikTok says.
        """
        run = self._run
        if run.restores:
            return FiguresState.RESTORED, None
        if run.state is RunState.CHECK_FAILED:
            return FiguresState.CHECK_FAILED, None
        if not self._is_own(run):
            return FiguresState.REMOVED, None
        earlier = [number for number in self._versions if number < (run.version or 0) and self._is_read(number)]
        if not earlier:
            is_first = not any(self._has_earlier(other) for other in self._good)
            return (FiguresState.FIRST if is_first else FiguresState.REMOVED), None
        before = max(earlier)
        if self._asked_otherwise(self._runs.get(before)):
            return FiguresState.CHANGED, None
        return FiguresState.COMPARED, before

    def _is_own(self, run: Run) -> bool:
        """Whether the version is the run's: a table that was lost begins again with the same numbers."""
        version = self._versions.get(-1 if run.version is None else run.version)
        return version is not None and version.run_id == run.id

    def _is_read(self, number: int) -> bool:
        run = self._runs.get(number)
        return self._versions[number].restored is None and (run is None or run.state is not RunState.CHECK_FAILED)

    def _has_earlier(self, run: Run) -> bool:
        return run.version is not None and run.version < (self._run.version or 0) and not run.restores

    def _asked_otherwise(self, before: Run | None) -> bool:
        """Whether the dataset was changed between the two runs, so that they asked TikTok for other rows."""
        if before is None or before.spec_version == self._run.spec_version:
            return False
        # Of the changes only the latest that matters is known.
        return self._saved.request_version > before.spec_version

    def _restated(self, before: int, after: int) -> Iterator[AdvertiserAmounts]:
        days: dict[tuple[str, str], dict[date, dict[str, Decimal]]] = defaultdict(lambda: defaultdict(dict))
        for part in restated_sums(self._store, self._lake, self._saved, before, after, self._now):
            of_day = days[part.advertiser, part.currency][part.day]
            of_day[part.column] = of_day.get(part.column, Decimal(0)) + Decimal(str(part.amount))
        for (advertiser, currency), amounts in sorted(days.items()):
            yield AdvertiserAmounts(advertiser, currency, amounts)

    # -- daily sums

    def _daily_sums(self) -> Iterator[DailySums]:
        run, dataset = self._run, self._dataset()
        if run.version is None or dataset is None or not self._is_own(run) or not self._is_whole(dataset):
            return
        metrics = tuple(name for name in METRICS if name in dataset.metrics)
        slug = self._saved.table_slug
        groups = self._lake.day_sums(slug, run.version, metrics, ACCOUNT_COLUMNS) if metrics else {}
        accounts: dict[str, list[_ZoneSums]] = defaultdict(list)
        for (advertiser, currency, zone), days in groups.items():
            accounts[advertiser].append(_ZoneSums(currency or "", zone or "", days))
        coverage = from_json(self._versions[run.version].coverage)
        for advertiser, parts in accounts.items():
            currencies = {part.currency for part in parts if part.currency}
            read = _last_span(coverage.get(advertiser, DaysOf()), (day for part in parts for day in part.days))
            if read is None or len(currencies) > 1:
                continue
            zone = max(parts, key=lambda part: max((day for day in part.days if day), default=date.min)).zone
            complete = self._complete_day(advertiser, zone, read, report_delay(dataset))
            for place, metric in enumerate(metrics):
                amounts = _amounts(parts, place, read)
                currency = next(iter(currencies), "")
                yield DailySums(
                    self._saved.id, advertiser, metric, currency, run.id, read.start, read.end, complete, amounts
                )

    def _dataset(self) -> Dataset | None:
        """The dataset as its run asked for it; None if it was changed since."""
        if self._run.spec_version < self._saved.request_version:
            return None
        with suppress(DatasetError):
            return dataset_of(self._saved, self._now)
        return None

    def _is_whole(self, dataset: Dataset) -> bool:
        """Whether the rows of an ad account's day add up to all of its figures, each row once."""
        adds_up = dataset.report == all_spend.REPORT or (
            dataset.report == "performance"
            and dataset.report_type == "basic"
            and dataset.service_type == "auction"
            and dataset.time in ("day", "hour")
            and not dataset.breakdowns
        )
        return (
            adds_up and dataset.update.key is None and Method.APPEND not in methods_of(tuple(self._versions.values()))
        )

    def _complete_day(self, advertiser: str, zone: str, read: Span, delay: timedelta) -> date | None:
        """The last of the days that TikTok had completed when they were read last."""
        with suppress(InputError):
            offset, day = fixed_offset(zone), read.end
            while day >= read.start:
                read_at = self._read_at(advertiser, zone, day)
                if read_at is not None and day <= last_complete_day(offset, delay, read_at):
                    return day
                day -= _DAY
        return None

    def _read_at(self, advertiser: str, zone: str, day: date) -> datetime | None:
        """When the run began that read the day of the ad account last; None if that is not known."""
        number: int | None = self._run.version
        while number is not None and number in self._versions:
            version, run = self._versions[number], self._runs.get(number)
            if version.restored is not None:
                number = version.restored
                continue
            days = version.days_read.get(zone)
            skipped = run is not None and advertiser in run.skipped
            if days is not None and days[0] <= day <= days[1] and not skipped:
                return run.read_at if run is not None else None
            number = max((other for other in self._versions if other < version.number), default=None)
        return None


def _amounts(parts: Iterable[_ZoneSums], place: int, read: Span) -> dict[date, Decimal]:
    """The sums at `place` on the days that were read."""
    amounts: dict[date, Decimal] = {}
    for part in parts:
        for day, sums in part.days.items():
            if day is not None and read.start <= day <= read.end and sums[place] is not None:
                amounts[day] = amounts.get(day, Decimal(0)) + Decimal(str(sums[place]))
    return amounts


def _last_span(coverage: DaysOf, days: Iterable[date | None]) -> Span | None:
    """The latest days without a gap that were read, at most `KEPT_DAYS`.

    Of a version of an older adreel, which does not say what was read, those from the first to the last with rows.
    """
    rows = [day for day in days if day is not None]
    if coverage.read:
        span = coverage.read[-1]
    elif rows:
        span = Span(min(rows), max(rows))
    else:
        return None
    return Span(max(span.start, span.end - (KEPT_DAYS - 1) * _DAY), span.end)


def keep_missing(store: Store, lake: Lake, runs: Iterable[Run], now: datetime) -> int:
    """Keeps the figures of these runs' versions; how many. A table that cannot be read is left for the next time."""
    kept = 0
    for run in runs:
        try:
            keep_figures(store, lake, run, now)
        except AdreelError as error:
            logger.warning("The figures of run %s could not be kept: %s", run.id, error)
        else:
            kept += 1
    return kept
