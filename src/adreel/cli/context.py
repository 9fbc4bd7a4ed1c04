"""What a command opens from its session: settings, store and lake, and whose rights it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adreel.access import Actor, Guard
from adreel.cli import CommandContext
from adreel.cli.output import say
from adreel.clock import HomeClock
from adreel.errors import ForbiddenError, NotFoundError
from adreel.settings import Settings
from adreel.store import Run, Store, locks
from adreel.store.home import find_temporary_folder

if TYPE_CHECKING:
    from adreel.lake import Lake


@dataclass(frozen=True, slots=True)
class Opened:
    """The session with its settings read and its store open; `guard` knows what the person may do."""

    session: CommandContext
    settings: Settings
    store: Store
    guard: Guard

    def lake(self) -> Lake:
        """The lake that the settings name."""
        # Imported here: 0.3 s that commands about accounts and the catalogue need not pay.
        from adreel.lake import Lake

        return Lake(self.settings.lake_url, clock=self.session.clock)


def settings_of(session: CommandContext) -> Settings:
    """The settings, after telling the person what is odd about them."""
    settings = Settings.load(session.environ)
    for warning in settings.warnings:
        say(f"warning: {warning}")
    find_temporary_folder(settings.home)
    return settings


@contextmanager
def opened(session: CommandContext) -> Iterator[Opened]:
    """The home, open while the block runs."""
    settings = settings_of(session)
    with open_store(session, settings) as store:
        yield Opened(session, settings, store, guard_of(settings, store))


@contextmanager
def open_store(session: CommandContext, settings: Settings) -> Iterator[Store]:
    """The store, open while the block runs; from here on the session's clock is that of the home."""
    with Store.open(settings, clock=session.clock) as store:
        if isinstance(session.clock, HomeClock):
            session.clock.follow(store.accounts)
        yield store


def guard_of(settings: Settings, store: Store) -> Guard:
    """The rights of the user that ADREEL_USER names, or of whoever runs this machine."""
    if not settings.user:
        return Guard(store, Actor(None))
    try:
        user = store.users.get(settings.user)
    except NotFoundError as error:
        raise NotFoundError(f"ADREEL_USER: {error.message}") from error
    if user.disabled:
        raise ForbiddenError(f"ADREEL_USER: the user {user.name!r} is disabled. Ask an administrator.")
    return Guard(store, Actor(user))


def seen(have: Opened, run: Run) -> Run:
    """The run as it is: one that is said to be running, and whose process is gone, was interrupted."""
    return locks.seen(have.settings.home, run)
