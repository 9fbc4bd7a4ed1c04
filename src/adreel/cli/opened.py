"""What a command opens from its session: settings, store and lake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adreel.cli import Session
from adreel.cli.output import say
from adreel.settings import Settings
from adreel.store import Store

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
