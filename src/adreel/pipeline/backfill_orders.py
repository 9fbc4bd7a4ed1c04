"""What people ask of backfills: to start, pause, resume and cancel one, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from adreel.access import DatasetRight, Guard
from adreel.connections import covered
from adreel.datasets.dataset import Dataset, day_column
from adreel.datasets.lookback import first_kept_day
from adreel.datasets.replacement import rows_of_days
from adreel.datasets.stored import dataset_of
from adreel.dates import Dates, Day, Span, read_day, span, today_at
from adreel.errors import BusyError, DatasetError, InputError, NotFoundError, Problem
from adreel.lake import Lake
from adreel.language import in_english, integer, phrase, phrases, shown_day
from adreel.pipeline.backfills import days_to_accept, is_read, run_of
from adreel.pipeline.estimate import Estimate
from adreel.pipeline.orders import DateRange, Orders
from adreel.pipeline.preview import Asking
from adreel.pipeline.progress import duration_text
from adreel.store import IN_PROGRESS, SUCCESSFUL, Backfill, BackfillState, RunState, SavedDataset, Store
from adreel.store.backfills import NewBackfill, absent_backfill
from adreel.update_methods import Method

SLICE_SECONDS = 300.0
"""Seconds of requests that a slice may take: other runs of the dataset wait for it no longer than that."""

SLICE_DAYS = (90, 60, 30, 14, 7, 3, 1)
"""The lengths that a slice may have, the longest first: up to 30 days take no more requests than one."""

TASK_SLICE_DAYS = (720, 360, 180)
"""Longer slices, for report tasks: one reads so many days for each ad account."""

UNKNOWN_DAYS = 7
"""The length of a slice where no ad account is known yet, so that nothing can be estimated."""

WORTH_IT = 1.2
"""A shorter slice must take less time than the longer one by this factor; else it only means more requests."""

MOST_DAYS = 1_830
"""Days of a backfill: five years."""

WESTERNMOST = timedelta(hours=-12)


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """How far a backfill is; `requests_left` and `seconds_left` are estimates, in the pace of the latest slice.

    They are None while no slice was read and no ad account is known. `days_to_accept` are in the table, but not done
    unless a person accepts them.
    """

    days: int
    days_done: int
    days_to_accept: int
    requests_left: int | None
    seconds_left: float | None

    @property
    def share(self) -> float:
        """The part of the days that is done, from 0 to 1."""
        return self.days_done / self.days

    @property
    def words(self) -> str:
        """The progress for a person."""
        done = phrases(
            "%(days_done)s of %(days)s day",
            "%(days_done)s of %(days)s days",
            self.days,
            days_done=integer(self.days_done),
            days=integer(self.days),
        )
        if self.days_to_accept:
            return phrase(
                "%(done)s · %(days_to_accept)s more in the table, waiting for you to accept them",
                done=done,
                days_to_accept=integer(self.days_to_accept),
            )
        if self.requests_left is None or self.seconds_left is None or self.days_done == self.days:
            return done
        return phrases(
            "%(done)s · about %(requests)s request left, %(duration)s without waiting",
            "%(done)s · about %(requests)s requests left, %(duration)s without waiting",
            self.requests_left,
            done=done,
            requests=integer(self.requests_left),
            duration=duration_text(self.seconds_left),
        )


def progress(store: Store, backfill: Backfill) -> BackfillProgress:
    """How far the backfill is, for pages, programs and the command line; a slice counts once it is read."""
    slices = (backfill.days - backfill.days_done) / backfill.slice_days
    is_known = backfill.slice_requests > 0
    return BackfillProgress(
        days=backfill.days,
        days_done=backfill.days_done,
        days_to_accept=days_to_accept(store, backfill),
        requests_left=round(slices * backfill.slice_requests) if is_known else None,
        seconds_left=slices * backfill.slice_seconds if is_known else None,
    )


def backfill_json(store: Store, backfill: Backfill, saved: SavedDataset) -> dict[str, Any]:
    """A backfill for programs: of the API and `--json`."""
    state = progress(store, backfill)
    return {
        "id": backfill.id,
        "dataset": saved.slug,
        "dataset_name": saved.name,
        "start": backfill.first_day,
        "end": backfill.last_day,
        "state": str(backfill.state),
        "reason": backfill.reason or None,
        "waits": backfill.waits,
        "accepted_advertisers": sorted(backfill.accepted),
        "slice_days": backfill.slice_days,
        "days": state.days,
        "days_done": state.days_done,
        "days_to_accept": state.days_to_accept,
        "share": round(state.share, 4),
        "requests_left": state.requests_left,
        "seconds_left": None if state.seconds_left is None else round(state.seconds_left, 1),
        "next_day": backfill.next_day if backfill.days_done < backfill.days else None,
        "run_id": backfill.run_id,
        "triggered_by": backfill.triggered_by,
        "created_at": backfill.created_at,
        "ended_at": backfill.ended_at,
    }


@dataclass(frozen=True, slots=True)
class BackfillOrders:
    """Takes orders for backfills of one home; workers work them off."""

    orders: Orders

    @property
    def _store(self) -> Store:
        return self.orders.store

    def proposed(self, saved: SavedDataset, dates: DateRange) -> NewBackfill:
        """The backfill for these days, relative ones made fixed, with the slices that it would be read in.

        Raises DatasetError for days that it cannot have, and InputError, which says what to do, for a dataset whose
        table would lose or double rows.
        """
        days = self._days(saved, dates)
        dataset = self.orders.dataset(saved, _written(days))
        self._refuse_dataset(saved, dataset)
        self._refuse_days(saved, dataset, days)
        slice_days, requests, seconds = self._slices(saved, days)
        return NewBackfill(days.start, days.end, slice_days, requests, seconds)

    def start(self, guard: Guard, saved: SavedDataset, dates: DateRange) -> Backfill:
        """A new backfill of the actor's. Raises as `proposed`, ForbiddenError, and BusyError if the dataset has one."""
        guard.need(DatasetRight.RUN, saved)
        name = guard.actor.user.name if guard.actor.user is not None else ""
        return self._store.backfills.add(saved, self.proposed(saved, dates), triggered_by=name)

    def pause(self, guard: Guard, backfill: Backfill) -> Backfill:
        """No further slice begins, and one that waits is cancelled; one in progress is read to its end.

        Raises ForbiddenError, InputError for one that is not in progress.
        """
        self._need(guard, backfill)
        self._refuse_unless(backfill, BackfillState.ACTIVE)
        with in_english():
            user = guard.actor.user
            reason = phrase("Paused by %(user)s.", user=user.name) if user is not None else phrase("Paused.")
        self._settle(self._store.backfills.pause(backfill, reason), backfill)
        self._cancel_run(guard, backfill, {RunState.QUEUED})
        return self._store.backfills.get(backfill.id)

    def resume(self, guard: Guard, backfill: Backfill, *, accept: bool = False) -> Backfill:
        """A paused backfill goes on: with the slice that was not read, or with `accept` with the one after it.

        To accept is to leave the table as the slice's run made it, and to let later slices skip the ad accounts that
        it skipped. Raises ForbiddenError, as `proposed` for the remaining days, InputError for one that is not paused
        and for a slice that left nothing to accept.
        """
        saved = self._need(guard, backfill)
        self._refuse_unless(backfill, BackfillState.PAUSED)
        run = run_of(self._store, backfill)
        same = saved.request_version == backfill.request_version
        goes_on = same and run is not None and (run.state in IN_PROGRESS or is_read(backfill, run))
        if accept:
            if run is None or run.state not in SUCCESSFUL or run.dates is None:
                raise InputError(
                    phrase("The latest slice made no version of the table, so there is nothing to accept.")
                )
            self._refuse_remaining(saved, backfill, date.fromisoformat(run.dates[0]) - timedelta(days=1))
            done = self._store.backfills.advance(backfill, run, resumes=True)
        else:
            if not goes_on:
                self._refuse_remaining(saved, backfill, backfill.next_day)
            done = self._store.backfills.resume(backfill, keeps_run=goes_on)
        self._settle(done, backfill)
        return self._store.backfills.get(backfill.id)

    def cancel(self, guard: Guard, backfill: Backfill) -> Backfill:
        """Ends the backfill and the run of its slice; days that were read stay in the table.

        Raises ForbiddenError, InputError for one that is over.
        """
        self._need(guard, backfill)
        cancelled = self._store.backfills.cancel(backfill)
        self._cancel_run(guard, cancelled, IN_PROGRESS)
        return cancelled

    def _need(self, guard: Guard, backfill: Backfill) -> SavedDataset:
        return guard.dataset(backfill.dataset_id, DatasetRight.RUN)

    def _refuse_unless(self, backfill: Backfill, state: BackfillState) -> None:
        if backfill.state is not state:
            raise InputError(
                phrase(
                    "The backfill is not %(needed)s: it is %(state)s.",
                    needed=state.label_in_sentence,
                    state=backfill.state.label_in_sentence,
                )
            )

    def _settle(self, done: bool, backfill: Backfill) -> None:
        if not done:
            raise BusyError(
                phrase("Backfill %(id)s changed at the same moment. Look at it again, and repeat.", id=backfill.id)
            )

    def _cancel_run(self, guard: Guard, backfill: Backfill, states: frozenset[RunState] | set[RunState]) -> None:
        run = run_of(self._store, backfill)
        if run is not None and run.state in states:
            # It may end by itself at the same moment.
            with suppress(InputError):
                self.orders.cancel(guard, run)

    # What a backfill can be

    def _days(self, saved: SavedDataset, dates: DateRange) -> Span:
        """The fixed days, relative ones counted where the day begins last. DatasetError for days that are not over."""
        today = self._today(saved)
        start, end = (_read(word) for word in dates)
        days = span(Dates(start, end), today)
        if days.start > days.end:
            raise _fault(
                phrase(
                    "the start %(start)s is after the end %(end)s.",
                    start=shown_day(days.start),
                    end=shown_day(days.end),
                )
            )
        if days.end >= today:
            raise _fault(
                phrase(
                    "%(end)s is not over in every ad account. A backfill reads days that are over, the last "
                    "one %(last_day)s; later days are read by the dataset's own runs.",
                    end=shown_day(days.end),
                    last_day=shown_day(today - timedelta(days=1)),
                )
            )
        if days.days > MOST_DAYS:
            raise _fault(
                phrase(
                    "%(days)s days are too many for a backfill. Choose up to %(limit)s.",
                    days=integer(days.days),
                    limit=integer(MOST_DAYS),
                )
            )
        return days

    def _today(self, saved: SavedDataset) -> date:
        """The earliest today of the ad accounts that the dataset reads; of all zones if none is known."""
        account = self.orders.account(saved)
        now = self.orders.clock()
        dataset = dataset_of(saved, now)
        reach = covered(self._store.accounts.advertisers(account), dataset.advertisers or account.selection)
        return min((today_at(now, advertiser.offset) for advertiser in reach.advertisers), default=None) or today_at(
            now, WESTERNMOST
        )

    def _refuse_dataset(self, saved: SavedDataset, dataset: Dataset) -> None:
        if dataset.dates is not None and not dataset.needs_advertisers:
            raise InputError(
                phrase(
                    "Tables of Business Centers have no backfills. Run %(name)s once with the other dates: %(command)s",
                    name=repr(saved.name),
                    command=f"adreel run {saved.slug} --start DAY --end DAY",
                )
            )
        if dataset.dates is None or day_column(dataset) is None:
            raise InputError(
                phrase(
                    "The rows of %(name)s have no day, so that days cannot be added to its table. Backfills "
                    "are for datasets with a time dimension of day or hour.",
                    name=repr(saved.name),
                )
            )
        if dataset.update.method is Method.REPLACE:
            raise InputError(
                phrase(
                    "%(name)s has the update method replace: its next run removes the days of a backfill. "
                    "Change its dates to include these days, or its update method to partition.",
                    name=repr(saved.name),
                )
            )

    def _refuse_days(self, saved: SavedDataset, dataset: Dataset, days: Span) -> None:
        """Raises InputError for days that the table would not keep or would have twice."""
        now = self.orders.clock()
        kept = first_kept_day(dataset, now)
        if kept is not None and days.start < kept:
            raise InputError(
                phrase(
                    "The table keeps %(days)s days, from %(first_day)s on. Choose a later start date, or "
                    "increase keep_days.",
                    days=dataset.update.keep_days,
                    first_day=shown_day(kept),
                )
            )
        if dataset.update.method is not Method.APPEND:
            return
        rows = rows_of_days(
            Lake(self.orders.settings.lake_url, clock=self.orders.clock), saved.table_slug, dataset, now
        )
        if rows:
            raise InputError(
                phrases(
                    "The table has %(rows)s row of %(start)s to %(end)s already. With the update method append they "
                    "would be in the table twice. Choose other days, or change the update method to upsert or "
                    "partition.",
                    "The table has %(rows)s rows of %(start)s to %(end)s already. With the update method append they "
                    "would be in the table twice. Choose other days, or change the update method to upsert or "
                    "partition.",
                    rows,
                    rows=integer(rows),
                    start=shown_day(days.start),
                    end=shown_day(days.end),
                )
            )
        own = dataset_of(saved, now).dates
        if own is not None and span(own, self._today(saved)).start <= days.end:
            raise InputError(
                phrase(
                    "The dataset's own runs read these days too. With the update method append they would be in the "
                    "table twice. Choose days before its dates."
                )
            )

    def _refuse_remaining(self, saved: SavedDataset, backfill: Backfill, last: date) -> None:
        """As `proposed` for the days up to the `last` one, if any are left."""
        if last < backfill.first_day:
            return
        days = Span(backfill.first_day, last)
        dataset = self.orders.dataset(saved, _written(days))
        self._refuse_dataset(saved, dataset)
        # The window of a table moves on; days that it has left since are read for nothing, and do no harm.
        if dataset.update.method is Method.APPEND or saved.request_version != backfill.request_version:
            self._refuse_days(saved, dataset, days)

    # Slices

    def _slices(self, saved: SavedDataset, days: Span) -> tuple[int, float, float]:
        """How many days a slice has, and the requests and seconds that it takes: the longest of some minutes."""
        lengths = dict.fromkeys(min(length, days.days) for length in (*TASK_SLICE_DAYS, *SLICE_DAYS))
        estimates = {length: self._estimate(saved, days, length) for length in lengths}
        prices = [
            (
                length,
                float(estimate.requests),
                estimate.seconds if estimate.most_seconds is None else estimate.most_seconds,
            )
            for length, estimate in estimates.items()
            if estimate is not None and (length <= SLICE_DAYS[0] or estimate.choice.tasks)
        ]
        if not prices:
            return min(UNKNOWN_DAYS, days.days), 0.0, 0.0
        shortest = prices[-1][2]
        fitting = (price for price in prices if price[2] <= max(SLICE_SECONDS, WORTH_IT * shortest))
        return next(fitting, prices[-1])

    def _estimate(self, saved: SavedDataset, days: Span, length: int) -> Estimate | None:
        """The estimate of the latest slice of that length; None if no ad account is known."""
        account = self.orders.account(saved)
        advertisers = self._store.accounts.advertisers(account)
        if not advertisers:
            return None
        last = replace(days, start=days.end - timedelta(days=length - 1))
        dataset = dataset_of(saved, self.orders.clock(), _written(last))
        asking = Asking(self.orders.settings, self._store, self.orders.clock)
        return asking.planned(dataset, account, advertisers, saved, other_days=True).estimate


def visible(guard: Guard) -> Iterator[tuple[Backfill, SavedDataset]]:
    """The backfills of datasets that the actor may see, latest first."""
    datasets = {saved.id: saved for saved in guard.datasets()}
    for backfill in guard.store.backfills.list(datasets.keys()):
        yield backfill, datasets[backfill.dataset_id]


def visible_backfill(guard: Guard, backfill_id: int) -> tuple[Backfill, SavedDataset]:
    """The backfill of that id with its dataset. NotFoundError also if the actor may not see the dataset."""
    backfill = guard.store.backfills.get(backfill_id)
    try:
        return backfill, guard.dataset(backfill.dataset_id)
    except NotFoundError:
        raise absent_backfill(backfill_id) from None


def _read(word: str) -> Day:
    try:
        return read_day(word)
    except (ValueError, OverflowError):
        raise _fault(
            phrase("%(word)s is not a valid date. Use a date such as 2026-01-31 or today-28.", word=repr(word))
        ) from None


def _written(days: Span) -> DateRange:
    return days.start.isoformat(), days.end.isoformat()


def _fault(reason: str) -> DatasetError:
    return DatasetError((Problem("dates", reason),))
