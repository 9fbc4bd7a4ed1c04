"""What a command opens from its session: settings, store, lake, and the rights of the user."""

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
    """The settings, after printing their warnings."""
    settings = Settings.load(session.environ)
    for warning in settings.warnings:
        say(f"warning: {warning}")
    find_temporary_folder(settings.home)
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


def guard_of(settings: Settings, store: Store) -> Guard:
    """The rights of the user in ADREEL_USER, or of the operator of this machine, who may do everything.

    Raises NotFoundError for an unknown user, ForbiddenError for a disabled one.
    """
    if not settings.user:
        return Guard(store, Actor(None))
    try:
        user = store.users.get(settings.user)
    except NotFoundError as error:
        raise NotFoundError(f"ADREEL_USER: {error.message}") from error
    if user.disabled:
        raise ForbiddenError(f"ADREEL_USER: user {user.name!r} is disabled. Ask an administrator.")
    return Guard(store, Actor(user))
