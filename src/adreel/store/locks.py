"""One run per dataset at a time: locks that are free again however the process that holds them ends."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from adreel.errors import BusyError
from adreel.language import Phrase, phrase


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock; `run_id` is empty and `pid` 0 if the holder has not said it yet.

    `host` is the machine of the process, empty where there is only one.
    """

    run_id: str = ""
    pid: int = 0
    host: str = ""


class Held(Protocol):
    """A lock as its holder has it."""

    def name_run(self, run_id: str) -> None:
        """Says for which run the lock is held, where that was not known when it was taken."""
        ...

    def check(self) -> None:
        """Raises LockLostError if another process may have the lock by now. Safe to call from any thread."""
        ...


class Locks(Protocol):
    """The locks of all processes that use one store."""

    def dataset(self, slug: str, *, run_id: str = "", wait: float = 0.2) -> AbstractContextManager[Held]:
        """Holds the dataset `slug` for `run_id` while the block runs; tries for `wait` seconds.

        Raises BusyError, which names the run and process under way, and StorageError or RetryError if there can be no
        locks.
        """
        ...

    def holder(self, slug: str) -> Holder | None:
        """Who works on the dataset now, or None."""
        ...

    def publishing(self, destination_id: int) -> AbstractContextManager[None]:
        """Held while tables are published to a destination: one at a time. BusyError if another process does."""
        ...

    def secrets(self) -> AbstractContextManager[None]:
        """Held while keys are rotated, so that one process does it. BusyError if another holds it."""
        ...


def is_alive(locks: Locks, slug: str, run_id: str) -> bool:
    """Whether the process of a run that is said to be running is there."""
    holder = locks.holder(slug)
    return holder is not None and holder.run_id in ("", run_id)


def busy(slug: str, holder: Holder) -> BusyError:
    """The error for a dataset that another process holds."""
    run = phrase("Run %(run_id)s", run_id=holder.run_id) if holder.run_id else phrase("Another run")
    if not holder.pid:
        words = Phrase("%(run)s of dataset %(dataset)s is in progress; wait for it, or cancel it.")
        return BusyError(phrase(words, run=run, dataset=repr(slug)))
    process = phrase("process %(pid)s", pid=holder.pid)
    if holder.host:
        process = phrase("process %(pid)s on %(host)s", pid=holder.pid, host=holder.host)
    words = Phrase("%(run)s of dataset %(dataset)s is in progress (%(process)s); wait for it, or cancel it.")
    return BusyError(phrase(words, run=run, dataset=repr(slug), process=process))


def publishing() -> BusyError:
    """The error for a destination that another process publishes to."""
    return BusyError(phrase("Another process is publishing to this destination; wait for it, then try again."))


def rotating() -> BusyError:
    """The error for keys that another process rotates."""
    return BusyError(phrase("Another process is rotating the keys; wait for it, then try again."))
