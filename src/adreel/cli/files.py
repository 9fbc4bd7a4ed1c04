"""Dataset files read from disk, with messages for files that are not text."""

from __future__ import annotations

from pathlib import Path

from adreel.datasets.file_kinds import text_of
from adreel.errors import InputError, StorageError
from adreel.yaml_files import MOST_BYTES


def read_text(file: Path) -> str:
    """The text of a dataset file. Raises InputError if it is too large, StorageError if unreadable, or as `text_of`."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error.strerror}. Check the path and its permissions.") from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{file} is not a dataset file: it has more than {MOST_BYTES:,} bytes.")
    return text_of(content, str(file))
