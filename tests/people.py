"""A store with a clock that the test moves and passwords that are cheap to look at, for tests about users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adreel.settings import Settings
from adreel.store import Account, Cost, Role, SavedDataset, Store, User
from shared import begin_store

CHEAP = Cost(memory_kib=8, passes=1, threads=1)
PASSWORD = "correct horse battery"
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still until the test moves it."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)


@contextmanager
def open_people(home: Path, clock: Clock) -> Iterator[Store]:
    begin_store(home)
    with Store.open(Settings.load({"ADREEL_HOME": str(home)}), clock=clock, cost=CHEAP) as store:
        yield store


def add_user(store: Store, name: str, role: Role = Role.EDITOR) -> User:
    """A user; where there are none yet, Ada the administrator comes first."""
    if role is not Role.ADMIN and not store.users.any():
        store.users.add_first("Ada", PASSWORD)
    return store.users.add(name, PASSWORD, role)


def add_account(store: Store, name: str = "shop", user: User | None = None) -> Account:
    return store.accounts.add(name, token=f"act.{name}", app_id="app", base_url="http://127.0.0.1/v1.3", user=user)


def add_dataset(store: Store, account: Account, name: str = "Spend", owner: User | None = None) -> SavedDataset:
    return store.datasets.create(name, account=account, spec='{"report": "performance"}', owner=owner)
