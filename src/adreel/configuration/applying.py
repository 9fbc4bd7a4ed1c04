"""Brings a home to what a folder says: in one transaction, by the functions of the single commands.

A plan is the same transaction, undone at its end. So what a plan checks is what is checked when it is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime

from adreel import pruning
from adreel.access import Actor, Guard
from adreel.configuration.desired import Desired
from adreel.configuration.performing import Deletions, Outside, Performance
from adreel.configuration.plan import ConfigurationPlan
from adreel.connections import Connecting, Granted
from adreel.datasets import service as datasets
from adreel.destinations import service as destinations
from adreel.enumerations import first_of
from adreel.errors import AdreelError, BusyError
from adreel.lake import Lake
from adreel.settings import Settings
from adreel.store import Store

MOST_NAMES = 5


class Configuring:
    """Plans and applies a folder in one home, with the rights of an actor."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        actor: Actor,
        clock: Callable[[], datetime],
        desired: Desired,
        deletions: Deletions,
    ) -> None:
        self._settings = settings
        self._store = store
        self._actor = actor
        self._clock = clock
        self._desired = desired
        self._deletions = deletions

    def planned(self) -> tuple[ConfigurationPlan, Outside]:
        """What would change, and what that needs besides. Nothing is sent, and nothing is kept.

        InputError with every problem, each with its file and line; ForbiddenError if all of them are missing rights.
        """
        outcome: tuple[ConfigurationPlan, Outside] | None = None
        with suppress(_UndoneError), self._store.together():
            outcome = self._performed({})
            raise _UndoneError
        assert outcome is not None, "without an outcome, another error ended the block"
        return outcome

    def with_losses(self, plan: ConfigurationPlan, outside: Outside, lake: Lake) -> ConfigurationPlan:
        """The plan with notes on what the next runs remove from tables, and workers by another retention policy."""
        guard, now = Guard(self._store, self._actor), self._clock()
        losses = {dataset.name: datasets.losses(guard, dataset, lake, now, saved) for saved, dataset in outside.changed}
        notes = {("dataset", name): items for name, items in losses.items()}
        if outside.retention is not None:
            pruned = pruning.preview(guard, lake, outside.retention, now)
            notes |= {
                (change.kind, change.name): (pruning.effect(pruned),)
                for change in plan.changes
                if change.kind == "retention"
            }
        return replace(
            plan,
            changes=tuple(
                replace(change, notes=(*change.notes, *notes.get((change.kind, change.name), ())))
                for change in plan.changes
            ),
        )

    async def reached(self, outside: Outside, connecting: Connecting) -> Mapping[int, Granted]:
        """Reaches what the plan needs: creates and removes a table at destinations, asks TikTok for ad accounts.

        Raises what hinders it.
        """
        for _, new in outside.destinations:
            try:
                destinations.reach(new)
            except AdreelError as error:
                error.message = f"Destination {new.name!r}: {error.message} Nothing was applied."
                raise
        return {account.id: await connecting.granted_anew(account, chosen) for account, chosen in outside.selections}

    def apply(self, plan: ConfigurationPlan, outside: Outside, granted: Mapping[int, Granted]) -> ConfigurationPlan:
        """Does what was planned, all or nothing, but for `Outside.deleted_datasets` and `deleted_destinations`.

        Returns what it did: nothing, if another process did the same meanwhile. BusyError if anything that the plan is
        about was changed since, or if tables are published to a destination that changes.
        """
        with ExitStack() as stack:
            for before, _ in outside.destinations:
                if before is not None:
                    stack.enter_context(self._store.locks.publishing(before.id))
            with self._store.together():
                current, _ = self._performed(granted)
                if current.changes and current != plan:
                    differing = first_of(list(plan.differing(current)), MOST_NAMES) or "what is not in the files"
                    raise BusyError(
                        f"Changed since the plan was made: {differing}. Nothing was applied. Run the command again."
                    )
        return current

    def _performed(self, granted: Mapping[int, Granted]) -> tuple[ConfigurationPlan, Outside]:
        guard = Guard(self._store, self._actor)
        performance = Performance(self._settings, guard, self._clock(), self._deletions, granted)
        return performance.perform(self._desired)


class _UndoneError(Exception):
    """Ends a transaction that leaves nothing."""
