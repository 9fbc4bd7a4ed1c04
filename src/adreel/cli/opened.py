"""What a command opens from its session: settings, store and lake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adreel.cli import Session
from adreel.cli.output import say
from adreel.settings import Settings
from adreel.store import IN_PROGRESS, Run, RunState, Store
from adreel.store.locks import lock_holder

if TYPE_CHECKING:
    from adreel.lake import Lake


@dataclass(frozen=True, slots=True)
class Opened:
    """The session with its settings read and its store open."""

    session: Session
    settings: Settings
    store: Store

    def lake(self) -> Lake:
        """The lake that the settings name."""
        # Imported here: 0.3 s that commands about accounts and the catalogue need not pay.
        from adreel.lake import Lake

        return Lake(self.settings.lake_url, clock=self.session.clock)


def settings_of(session: Session) -> Settings:
    """The settings, after telling the person what is odd about them."""
    settings = Settings.load(session.environ)
    for warning in settings.warnings:
        say(f"warning: {warning}")
    return settings


@contextmanager
def opened(session: Session) -> Iterator[Opened]:
    """The home, open while the block runs."""
    settings = settings_of(session)
    with Store.open(settings, clock=session.clock) as store:
        yield Opened(session, settings, store)


def seen(have: Opened, run: Run) -> Run:
    """The run as it is: one that is said to be running, and whose process is gone, was interrupted."""
    alive = run.state not in IN_PROGRESS or lock_holder(have.settings.home, run.dataset_slug) is not None
    return run if alive else replace(run, state=RunState.INTERRUPTED, error=RunState.INTERRUPTED.sentence)
