"""What people ask for besides looking: a run, the end of a run, the end of a dataset.

A run that is asked for here waits in the store; another process works on it. So this needs nothing of what reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from adreel.access import DatasetRight, Guard
from adreel.datasets.dataset import Dataset
from adreel.datasets.replacement import Effect, effect_of_other_days, next_run_after_restore
from adreel.datasets.runs import restore_effect
from adreel.datasets.service import refuse_future_days
from adreel.datasets.stored import account_id_of, dataset_of, retry_of
from adreel.errors import (
    AdreelError,
    BusyError,
    ConfirmError,
    DatasetError,
    NotFoundError,
    ReconnectError,
    is_resumable,
    lasts,
)
from adreel.lake import Lake, Version
from adreel.language import Phrase, in_english, integer, phrase, phrases, shown_day
from adreel.settings import Settings
from adreel.store import (
    IN_PROGRESS,
    Account,
    AccountStatus,
    Run,
    RunKey,
    RunOutcome,
    RunState,
    SavedDataset,
    Store,
    Trigger,
    new_run_id,
)

RESUME_WITHIN = timedelta(hours=24)
"""A run that was interrupted longer ago begins anew, so that its pages are not of different days."""

DateRange = tuple[str, str]
"""A start and an end as a person writes them, in place of the dataset's own dates."""


class Orders:
    """Takes orders of one home; what waits is worked on by processes of its own."""

    def __init__(self, settings: Settings, store: Store, *, clock: Callable[[], datetime]) -> None:
        """`clock` gives aware times."""
        self.settings = settings
        self.store = store
        self.clock = clock

    def enqueue(
        self,
        guard: Guard,
        saved: SavedDataset,
        dates: DateRange | None = None,
        key: RunKey | None = None,
        *,
        replace_rows: bool = False,
    ) -> Run:
        """A run that waits for a process to work on it: one to go on with, or a new one, asked by the actor.

        What was asked for under the same `key` lately is the same run, whatever became of it; errors as `Runs.keyed`.
        Raises ForbiddenError, BusyError if the dataset has a run under way or waiting, ConfirmError as `refuse_loss`
        unless `replace_rows` agrees to it, and as `run` for a dataset that cannot run.
        """
        guard.need(DatasetRight.RUN, saved)
        triggered_by = _name(guard)
        run = self.store.runs.keyed(key) if key else None
        if run is not None:
            return run
        self.dataset(saved, dates)
        if not replace_rows:
            self.refuse_loss(saved, dates)
        with self.store.locks.dataset(saved.slug):
            # Again, as the same may have been asked for while this waited for the lock.
            run = self.store.runs.keyed(key) if key else None
            if run is not None:
                return run
            waiting = self.waiting(saved, dates)
            promoted = self.store.runs.promote(waiting.id, triggered_by=triggered_by, key=key) if waiting else None
            if promoted is not None:
                return promoted
            unfinished = self.unfinished(saved, dates)
            if unfinished:
                return self.store.runs.requeue(unfinished.id, triggered_by=triggered_by, key=key)
            return self.store.runs.add(saved, new_run_id(), dates, triggered_by=triggered_by, key=key)

    def refuse_loss(self, saved: SavedDataset, dates: DateRange | None) -> None:
        """Raises ConfirmError if a run for other days takes rows out of the table that it does not read again.

        InputError for days that the dataset's rolling window does not keep.
        """
        if dates is None:
            return
        effect = self.effect(saved, dates)
        if effect.loss is not None:
            raise ConfirmError(effect.sentences, effect.loss.rows)

    def effect(self, saved: SavedDataset, dates: DateRange) -> Effect:
        """What a run for these days does to the dataset's table. InputError as `refuse_loss`, DatasetError for days."""
        dataset = self.dataset(saved, dates)
        lake = Lake(self.settings.lake_url, clock=self.clock)
        return effect_of_other_days(lake, saved.table_slug, dataset, self.clock())

    def restore_effect(self, guard: Guard, saved: SavedDataset, version: int) -> str:
        """What `restore` would do to the table, for a person to confirm. Raises what it raises before it begins."""
        guard.need(DatasetRight.RESTORE, saved)
        lake = self._lake_with_table(saved)
        table = lake.table(saved.table_slug)
        restored = lake.restorable(saved.table_slug, version)
        reader = self._reader_of(saved, lake, restored)
        return restore_effect(restored, reader, table.version, table.rows)

    def restore(self, guard: Guard, saved: SavedDataset, version: int) -> Run:
        """A new version of the dataset's table with the rows of an earlier one; what it was stays a version too.

        It is an entry among the runs that read nothing, with the verification of the version restored. Raises
        ForbiddenError, NotFoundError for a table that does not exist yet and a version that cannot be read, InputError
        for the newest, BusyError if a run is under way or waiting.
        """
        guard.need(DatasetRight.RESTORE, saved)
        lake = self._lake_with_table(saved)
        # What a run says of itself is kept in English.
        with self.store.locks.dataset(saved.slug) as held, in_english():
            self.waiting(saved, None)
            self.store.runs.interrupt(saved)
            run_id = new_run_id()
            reader: Run | None = None
            run: Run | None = None

            def begin(earlier: Version) -> None:
                # Before the table changes: a process that dies then leaves a run that is no success, whatever it did.
                nonlocal reader, run
                held.check()
                reader = self._reader_of(saved, lake, earlier)
                read_at = reader.read_at if reader else earlier.at
                run = self.store.runs.add_restore(saved, run_id, version, read_at, triggered_by=_name(guard))

            try:
                restored = lake.restore(saved.table_slug, version, run_id, begin)
            except AdreelError as error:
                if run is not None:
                    self.store.runs.finish(run_id, RunOutcome.of_error(error))
                raise
            verification = reader.verification if reader else {}
            warnings = reader.warnings if reader else ()
            skipped = reader.skipped if reader else {}
            table = lake.table(saved.table_slug, restored.number)
            outcome = RunOutcome(
                RunState.of_version(verification, warnings, skipped),
                version=restored.number,
                verification=verification,
                notes=self._restore_notes(saved, restored, reader),
                warnings=warnings,
                skipped=skipped,
                table_rows=table.rows,
                table_columns=len(table.schema),
            )
            return self.store.runs.finish(run_id, outcome)

    def _lake_with_table(self, saved: SavedDataset) -> Lake:
        lake = Lake(self.settings.lake_url, clock=self.clock)
        if not lake.exists(saved.table_slug):
            raise NotFoundError(phrase("%(name)s has no table yet; run it first.", name=repr(saved.name)))
        return lake

    def _restore_notes(self, saved: SavedDataset, restored: Version, reader: Run | None) -> tuple[str, ...]:
        """What the table has after a restore, and what the next run does to it, if there can be one."""
        counted = {"restored": restored.restored, "version": restored.number, "rows": integer(restored.rows)}
        if reader is None:
            note = phrases(
                "Restored version %(restored)s as version %(version)s: %(rows)s row.",
                "Restored version %(restored)s as version %(version)s: %(rows)s rows.",
                restored.rows,
                **counted,
            )
        else:
            note = phrases(
                "Restored version %(restored)s as version %(version)s: %(rows)s row read on %(day)s at %(time)s UTC.",
                "Restored version %(restored)s as version %(version)s: %(rows)s rows read on %(day)s at %(time)s UTC.",
                restored.rows,
                **counted,
                day=shown_day(reader.read_at.date()),
                time=f"{reader.read_at:%H:%M}",
            )
        notes = [note]
        if saved.connected:
            with suppress(DatasetError):
                notes.append(next_run_after_restore(dataset_of(saved, self.clock())))
        return tuple(notes)

    def _reader_of(self, saved: SavedDataset, lake: Lake, restored: Version) -> Run | None:
        """The run that read the rows of a restored version, if the store still knows it."""
        by_number = {version.number: version for version in lake.versions(saved.table_slug)}
        origin = restored
        while origin.restored is not None and origin.restored in by_number:
            origin = by_number[origin.restored]
        # If the version that was read is no longer kept, the run of its restore has when that was.
        with suppress(NotFoundError):
            run = self.store.runs.get(origin.run_id)
            return run if run.dataset_id == saved.id and run.version == origin.number else None
        return None

    def waiting(self, saved: SavedDataset, dates: DateRange | None) -> Run | None:
        """The run of the schedule that waits and reads the same days, which a person's run takes the place of.

        Raises BusyError if a run that a person asked for waits for its turn, which no other may take. Under its lock.
        """
        waiting = self.store.queue.waiting(saved)
        persons = next((run for run in waiting if run.trigger is Trigger.PERSON), None)
        if persons is not None:
            raise BusyError(
                phrase(
                    "Run %(id)s of %(name)s is already queued. It starts while a worker is running (adreel "
                    "serve, or adreel worker). To cancel it: adreel cancel %(id)s",
                    id=persons.id,
                    name=repr(saved.name),
                )
            )
        scheduled = (run for run in waiting if run.trigger is Trigger.SCHEDULE and not run.worker)
        return next((run for run in scheduled if run.dates == dates), None)

    def retry_at(self, saved: SavedDataset, run: Run, outcome: RunOutcome) -> datetime | None:
        """When a run that failed is tried again; None if it is not, as people see to their own runs."""
        retry = retry_of(saved)
        passes = outcome.state is RunState.FAILED and not lasts(outcome.error_kind)
        is_persons = run.due_at is None and run.trigger is not Trigger.BACKFILL
        if not passes or is_persons or retry is None or run.attempt > retry.times:
            return None
        return None if self.store.runs.cancel_requested(run.id) else self.clock() + retry.wait

    def cancel(self, guard: Guard, run: Run) -> Run:
        """Asks the run's process to stop; if that died, the run is cancelled at once. The run as it is then.

        Raises ForbiddenError.
        """
        run = self.store.seen(guard.run(run.id, DatasetRight.RUN))
        why = (
            Phrase("Cancelled before it started.")
            if run.state is RunState.QUEUED
            else Phrase("Cancelled after its process ended unexpectedly.")
        )
        dead = run.state is RunState.INTERRUPTED
        if not dead:
            run = self.store.runs.request_cancel(run.id)
            holder = self.store.locks.holder(run.dataset_slug)
            # The process that holds the lock may work on another run of the dataset, while this one waits.
            if run.dataset_id is None or (holder is not None and holder.run_id in ("", run.id)):
                return run
        run = self.store.runs.finish(run.id, RunOutcome(RunState.CANCELLED, error=why), by_order=dead)
        Lake(self.settings.lake_url, clock=self.clock).drop_run(run.id)
        return run

    def delete(self, guard: Guard, saved: SavedDataset, *, keep_table: bool = False) -> bool:
        """Deletes the dataset with what its runs left, and its table with all versions unless that is to stay.

        Returns whether it has a table that stays. Raises ForbiddenError, and BusyError while a process runs the
        dataset.
        """
        guard.need(DatasetRight.DELETE, saved)
        with self.store.locks.dataset(saved.slug):
            # The dataset last: if the lake cannot be reached, it is still there to be deleted again.
            lake = Lake(self.settings.lake_url, clock=self.clock)
            for run in self._leaving(lake):
                if run.dataset_id == saved.id:
                    lake.drop_run(run.id)
            if not keep_table:
                lake.drop(saved.table_slug)
            table_stays = keep_table and lake.exists(saved.table_slug)
            self.store.datasets.delete(saved, table_stays=table_stays)
            return table_stays

    def dataset(self, saved: SavedDataset, dates: DateRange | None) -> Dataset:
        """The dataset as it would run, for other days if they are given.

        Raises what `account` raises, and DatasetError if it is not valid or its days are in the future.
        """
        account, now = self.account(saved), self.clock()
        dataset = dataset_of(saved, now, dates)
        refuse_future_days(self.store, account, dataset, now)
        return dataset

    def account(self, saved: SavedDataset) -> Account:
        """The account that a dataset is read with. InputError if it has none, ReconnectError for a dead one."""
        account = self.store.accounts.get(account_id_of(saved))
        if account.status is not AccountStatus.VALID:
            raise ReconnectError(
                phrase(
                    "Account %(name)s is %(status)s. Reconnect it with: adreel accounts reconnect %(name)s",
                    name=repr(account.name),
                    status=account.status,
                )
            )
        return account

    def unfinished(self, saved: SavedDataset, dates: DateRange | None) -> Run | None:
        """The run to go on with: the latest, if it ended lately for a reason that passes, and asked the same."""
        self.store.runs.interrupt(saved)
        latest = next(iter(self.store.runs.list(saved, limit=1)), None)
        if latest is None or latest.cancel_requested or latest.restores:
            return None
        if latest.spec_version < saved.request_version:
            return None
        stopped = latest.state is RunState.INTERRUPTED or (
            latest.state is RunState.FAILED and is_resumable(latest.error_kind)
        )
        seen = latest.heartbeat_at or latest.created_at
        lately = self.clock() - seen <= RESUME_WITHIN
        return latest if stopped and lately and latest.dates == dates else None

    def sweep(self, lake: Lake, run: Run) -> None:
        """Removes what ended runs of the dataset, and of deleted datasets, left: no run will go on with it."""
        for other in self._leaving(lake):
            theirs = other.dataset_id is None or other.dataset_id == run.dataset_id
            if other.id != run.id and theirs and other.state not in IN_PROGRESS:
                lake.drop_run(other.id)

    def _leaving(self, lake: Lake) -> Iterator[Run]:
        """The runs of this home that have parts."""
        for run_id in lake.list_runs():
            try:
                run = self.store.runs.get(run_id)
            except NotFoundError:
                continue  # Of another home that shares the lake.
            yield run


def cancel_words(run: Run) -> str:
    """What `Orders.cancel` did, for people: a run in progress may commit before it sees that it is to stop."""
    dataset = repr(run.dataset_name)
    if run.state is RunState.CANCELLED:
        return phrase("Cancelled run %(run)s of %(dataset)s. The table is unchanged.", run=run.id, dataset=dataset)
    return phrase(
        "Asked run %(run)s of %(dataset)s to stop. If it is committing by then, its rows stay; its state says how it "
        "ended.",
        run=run.id,
        dataset=dataset,
    )


def _name(guard: Guard) -> str:
    """The actor's name as runs keep it; empty for whoever runs this machine."""
    return guard.actor.user.name if guard.actor.user is not None else ""
