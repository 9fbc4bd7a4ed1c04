"""The locks of a store in files: operating system locks, which the kernel releases however the process ends."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adreel.errors import BusyError, RetryError, StorageError
from adreel.language import phrase
from adreel.store.home import LOCKS, prepare_home, private_file
from adreel.store.locks import Holder, busy, publishing, rotating

if TYPE_CHECKING:
    from filelock import FileLock


@dataclass(frozen=True, slots=True)
class FileLocks:
    """The locks of the processes that work in one home folder."""

    home: Path

    @contextmanager
    def dataset(self, slug: str, *, run_id: str = "", wait: float = 0.2) -> Iterator[_HeldFile]:
        """As `Locks.dataset`; StorageError if the disk cannot lock files."""
        note = lock_note(self.home, slug)
        lock = self._acquire(slug, wait)
        if lock is None:
            raise busy(slug, _read(note))
        try:
            held = _HeldFile(note)
            held.name_run(run_id)
            yield held
        finally:
            note.unlink(missing_ok=True)
            lock.release()

    def holder(self, slug: str) -> Holder | None:
        """As `Locks.holder`. Takes the lock for an instant, which `dataset` waits out."""
        lock = self._acquire(slug, 0)
        if lock is None:
            return _read(lock_note(self.home, slug))
        lock.release()
        return None

    @contextmanager
    def publishing(self, destination_id: int) -> Iterator[None]:
        """As `Locks.publishing`; StorageError if the disk cannot lock files."""
        with self._named(f".destination-{destination_id}", 0.2, publishing()):
            yield

    @contextmanager
    def secrets(self) -> Iterator[None]:
        """As `Locks.secrets`; StorageError if the disk cannot lock files."""
        with self._named(".secrets", 0.2, rotating()):
            yield

    @contextmanager
    def schema(self) -> Iterator[None]:
        """Held while the database is made or migrated, so that one process does it and the others wait.

        Raises RetryError after a minute, and StorageError if the disk cannot lock files.
        """
        late = RetryError(
            phrase("Another process is still upgrading the database in %(home)s; try again.", home=self.home)
        )
        with self._named(".schema", 60, late):
            yield

    @contextmanager
    def _named(self, name: str, wait: float, late: BusyError | RetryError) -> Iterator[None]:
        lock = self._acquire(name, wait)
        if lock is None:
            raise late
        try:
            yield
        finally:
            lock.release()

    def _acquire(self, name: str, wait: float) -> FileLock | None:
        """The lock, held; None if another has it for all of `wait` seconds."""
        # Imported only here: 0.05 s that a process without locks need not pay.
        from filelock import FileLock, Timeout

        folder = self.home / LOCKS
        prepare_home(self.home)
        prepare_home(folder)
        # A soft lock (a mere file) would outlive a killed process, so a disk that cannot lock is an error instead.
        lock = FileLock(folder / f"{name}.lock", mode=0o600, thread_local=False, fallback_to_soft=False)
        try:
            lock.acquire(timeout=wait, poll_interval=0.02)
        except Timeout:
            # Timeout is an OSError too.
            return None
        except (OSError, NotImplementedError) as error:
            raise StorageError(
                phrase(
                    "Files in %(home)s cannot be locked (%(error)s); put ADREEL_HOME on a local disk.",
                    home=self.home,
                    error=error,
                )
            ) from error
        return lock


@dataclass(frozen=True, slots=True)
class _HeldFile:
    """A lock that only the end of the process or of the block takes away."""

    note: Path

    def name_run(self, run_id: str) -> None:
        draft = self.note.with_suffix(".tmp")
        try:
            private_file(draft).write_text(json.dumps(asdict(Holder(run_id, os.getpid()))), "utf-8")
            draft.replace(self.note)
        except OSError as error:
            raise StorageError(
                phrase("%(note)s cannot be written: %(strerror)s.", note=self.note, strerror=error.strerror)
            ) from error

    def check(self) -> None:
        """The kernel keeps it."""


def lock_note(home: Path, slug: str) -> Path:
    """The file beside the lock that says who holds it; one that a dead process left means nothing."""
    return home / LOCKS / f"{slug}.run"


def _read(note: Path) -> Holder:
    try:
        return Holder(**json.loads(note.read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return Holder()
