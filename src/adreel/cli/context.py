"""What a command opens from its session: settings, store, lake, and the rights of the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adreel.access import Guard, guard_of
from adreel.catalog_file import follow
from adreel.cli import CommandContext
from adreel.cli.output import say
from adreel.clock import HomeClock
from adreel.settings import Settings
from adreel.store import Store
from adreel.store.audit import Means, Origin, acting
from adreel.store.home import find_temporary_folder

if TYPE_CHECKING:
    from adreel.lake import Lake


@dataclass(frozen=True, slots=True)
class OpenHome:
    """The session with its settings and open store; `guard` checks the rights of the user."""

    session: CommandContext
    settings: Settings
    store: Store
    guard: Guard

    def lake(self) -> Lake:
        """The lake at the location of the settings."""
        # Imported here: it takes 0.3 s, which commands on accounts and the catalog save.
        from adreel.lake import Lake

        return Lake(self.settings.lake_url, clock=self.session.clock)


def settings_of(session: CommandContext) -> Settings:
    """The settings, after printing their warnings; the home's additions to the catalogue are in force from then on.

    Raises InputError as `follow`.
    """
    settings = Settings.load(session.environ)
    for warning in settings.warnings:
        say(f"warning: {warning}")
    find_temporary_folder(settings.home)
    follow(settings.home)
    return settings


@contextmanager
def open_home(session: CommandContext) -> Iterator[OpenHome]:
    """The settings and the store, open while the block runs."""
    settings = settings_of(session)
    with open_store(session, settings) as store:
        guard = guard_of(settings, store)
        with acting(Origin.of(guard.actor.user, Means.COMMAND)):
            yield OpenHome(session, settings, store, guard)


@contextmanager
def open_store(session: CommandContext, settings: Settings) -> Iterator[Store]:
    """The store, open while the block runs; the session's clock follows that of the home."""
    with Store.open(settings, clock=session.clock) as store:
        if isinstance(session.clock, HomeClock):
            session.clock.follow(store.accounts)
        yield store
