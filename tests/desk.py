"""A home whose queue is worked on step by step, at a time that the test sets."""

from __future__ import annotations

from typing import Any

import httpx2

from adreel.access import Actor, Guard
from adreel.pipeline.orders import Orders
from adreel.pipeline.process import work
from adreel.settings import Settings
from adreel.store import Run, SavedDataset, Store
from adreel.worker.schedules import enqueue_due
from home import Home, environment_of


class Desk:
    """Does what workers do, one step at a time, over the simulated world of a home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        environ = environment_of(home, "http://tiktok.test") | home.environ
        self.settings = Settings.load({name: value for name, value in environ.items() if name.startswith("ADREEL_")})
        self.store = Store.open(self.settings, clock=lambda: home.now)
        self.orders = Orders(self.settings, self.store, clock=lambda: home.now)
        self.operator = Guard(self.store, Actor(None))

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.store.runs.list()[::-1]

    def dataset(self, **keys: Any) -> SavedDataset:
        self.home.good("datasets", "create", "-f", self.home.file(**keys))
        return self.store.datasets.get("spend")

    def enqueue_due(self) -> int:
        """Puts runs of schedules that are due into the queue; how many."""
        return enqueue_due(self.store, self.home.now)

    def claim(self, worker: str = "a", limit: int = 10) -> tuple[Run, ...]:
        return self.store.queue.claim(worker, limit, self.home.now)

    def work(self, run: Run) -> Run:
        """Works on a run that was claimed."""
        transport = httpx2.ASGITransport(self.home.world)
        return work(self.settings, self.store, run.id, clock=lambda: self.home.now, transport=transport)
