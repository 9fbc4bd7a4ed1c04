"""The home folder and the private files in it: 0700 and 0600."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from adreel.errors import StorageError
from adreel.language import phrase
from adreel.new_files import placed_once
from adreel.settings import FILE_NAME

DATABASE = "adreel.db"
KEY_FILE = "secret.key"
LOCKS = "locks"
RESTORING = "restoring"
"""A file that is in a home while a backup is restored into it; it cannot be opened then."""


def prepare_home(home: Path) -> None:
    """Makes the folder, for the user alone (0700). One that holds other files keeps its mode, as others may use it.

    Raises StorageError if it cannot be made or written to.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix" and _is_open(home) and _is_ours(home) and _is_fresh(home):
            home.chmod(0o700)
    except OSError as error:
        raise StorageError(
            phrase(
                "The folder %(home)s cannot be created: %(strerror)s. Set ADREEL_HOME.",
                home=home,
                strerror=error.strerror,
            )
        ) from error
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        raise StorageError(
            phrase("The folder %(home)s is not writable; set ADREEL_HOME or fix its permissions.", home=home)
        )


def find_temporary_folder(home: Path) -> None:
    """Has Python keep temporary files in the home where the system has no folder for them that can be written to.

    Raises StorageError as `prepare_home`.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        folder = home / "tmp"
        prepare_home(home)
        prepare_home(folder)
        tempfile.tempdir = str(folder)


def private_file(path: Path) -> Path:
    """Makes `path` if it is not there, and closes it to other users (0600). Raises StorageError.

    A file that is there is not opened: closing it again would drop all locks that this process has on it, such as those
    of SQLite, which then loses what is written (source: SQLite, "How To Corrupt An SQLite Database File").
    """
    try:
        if not path.exists():
            with placed_once(path):
                pass
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise StorageError(
            phrase("%(path)s cannot be opened: %(strerror)s. Check who owns it.", path=path, strerror=error.strerror)
        ) from error
    close_to_others(path)
    return path


def close_to_others(path: Path) -> None:
    """Takes away what other users may do with `path`, if it is ours to say. Raises StorageError."""
    try:
        if os.name == "posix" and _is_open(path) and _is_ours(path):
            path.chmod(0o600)
    except OSError as error:
        raise StorageError(
            phrase(
                "%(path)s is open to other users: %(strerror)s. Close it (chmod 600).",
                path=path,
                strerror=error.strerror,
            )
        ) from error


def sync_folder(folder: Path) -> None:
    """Has the folder's names on the disk, so that a file that was put there outlives the machine's power."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_fresh(home: Path) -> bool:
    """Whether nothing is in the folder but what a person may put there for adreel."""
    return {entry.name for entry in home.iterdir()} <= {FILE_NAME, "lake"}


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _is_ours(path: Path) -> bool:
    return path.stat().st_uid == os.geteuid()
