"""What a command opens from its session: settings and store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from adreel.cli import Session
from adreel.settings import Settings
from adreel.store import Store


@dataclass(frozen=True, slots=True)
class Opened:
    """The session with its settings read and its store open."""

    session: Session
    settings: Settings
    store: Store


@contextmanager
def opened(session: Session) -> Iterator[Opened]:
    """The home, open while the block runs."""
    settings = Settings.load(session.environ)
    with Store.open(settings, clock=session.clock) as store:
        yield Opened(session, settings, store)
