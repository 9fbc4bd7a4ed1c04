"""One run per dataset at a time: an operating system lock, which the kernel releases however the process ends.

Imported by itself (`from adreel.store.locks import dataset_lock`): filelock costs 0.05 s that only a run needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from adreel.errors import BusyError, RetryError, StorageError
from adreel.store.home import LOCKS, prepare_home, private_file
from adreel.store.records import Run, RunState


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock; `run_id` is empty and `pid` 0 if the holder has not said it yet."""

    run_id: str = ""
    pid: int = 0


@contextmanager
def dataset_lock(home: Path, slug: str, *, run_id: str = "", wait: float = 0.2) -> Iterator[None]:
    """Holds the dataset `slug` for `run_id` while the block runs; tries for `wait` seconds.

    Raises BusyError, which names the run and process under way, and StorageError if the disk cannot lock files.
    """
    note = lock_note(home, slug)
    try:
        lock = _acquire(home, slug, wait)
    except Timeout as error:
        raise _busy(slug, _read(note)) from error
    try:
        _write(note, Holder(run_id, os.getpid()))
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def tell_holder(home: Path, slug: str, run_id: str) -> None:
    """Says for which run the caller holds the dataset's lock, where it did not know when it took it."""
    _write(lock_note(home, slug), Holder(run_id, os.getpid()))


def lock_holder(home: Path, slug: str) -> Holder | None:
    """Who works on the dataset now, or None. Takes the lock for an instant, which `dataset_lock` waits out."""
    try:
        _acquire(home, slug, 0).release()
    except Timeout:
        return _read(lock_note(home, slug))
    return None


def is_alive(home: Path, slug: str, run_id: str) -> bool:
    """Whether the process of a run that is said to be running is there."""
    holder = lock_holder(home, slug)
    return holder is not None and holder.run_id in ("", run_id)


def seen(home: Path, run: Run, read: Callable[[str], Run]) -> Run:
    """The run as it is: one that is said to be running, and whose process is gone, was interrupted.

    `read` reads a run of that id again: a process ends its run before it releases the lock, so that a run without a
    live process may have ended since it was read.
    """
    if not _is_dead(home, run):
        return run
    run = read(run.id)
    if not _is_dead(home, run):
        return run
    interrupted = replace(run, state=RunState.INTERRUPTED)
    return replace(interrupted, error=interrupted.meaning)


def _is_dead(home: Path, run: Run) -> bool:
    return run.state is RunState.RUNNING and not is_alive(home, run.dataset_slug, run.id)


@contextmanager
def schema_lock(home: Path) -> Iterator[None]:
    """Held while the database is made or migrated, so that one process does it and the others wait.

    Raises RetryError after a minute, and StorageError if the disk cannot lock files.
    """
    try:
        lock = _acquire(home, ".schema", 60)
    except Timeout as error:
        raise RetryError(f"Another process is still upgrading the database in {home}; try again.") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def secrets_lock(home: Path) -> Iterator[None]:
    """Held while keys are rotated, so that one process does it. BusyError if another holds it."""
    try:
        lock = _acquire(home, ".secrets", 0.2)
    except Timeout as error:
        raise BusyError("Another process is rotating the keys; wait for it, then try again.") from error
    try:
        yield
    finally:
        lock.release()


def lock_note(home: Path, slug: str) -> Path:
    """The file beside the lock that says who holds it; one that a dead process left means nothing."""
    return home / LOCKS / f"{slug}.run"


def _acquire(home: Path, name: str, wait: float) -> FileLock:
    """The lock, held; filelock's Timeout if another has it for all of `wait` seconds."""
    folder = home / LOCKS
    prepare_home(home)
    prepare_home(folder)
    # A soft lock (a mere file) would outlive a killed process, so a disk that cannot lock is an error instead.
    lock = FileLock(folder / f"{name}.lock", mode=0o600, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(timeout=wait, poll_interval=0.02)
    except Timeout:
        # Timeout is an OSError too.
        raise
    except (OSError, NotImplementedError) as error:
        raise StorageError(f"Files in {home} cannot be locked ({error}); put ADREEL_HOME on a local disk.") from error
    return lock


def _busy(slug: str, holder: Holder) -> BusyError:
    run = f"Run {holder.run_id}" if holder.run_id else "Another run"
    process = f" (process {holder.pid})" if holder.pid else ""
    return BusyError(f"{run} of dataset {slug!r} is in progress{process}; wait for it, or cancel it.")


def _write(note: Path, holder: Holder) -> None:
    draft = note.with_suffix(".tmp")
    try:
        private_file(draft).write_text(json.dumps(asdict(holder)), "utf-8")
        draft.replace(note)
    except OSError as error:
        raise StorageError(f"{note} cannot be written: {error.strerror}.") from error


def _read(note: Path) -> Holder:
    try:
        return Holder(**json.loads(note.read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return Holder()
