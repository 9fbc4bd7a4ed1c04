"""Dataset files read from disk, with messages for files that are not text."""

from __future__ import annotations

from pathlib import Path

from adreel.datasets.files import MOST_BYTES
from adreel.errors import InputError, StorageError


def read_text(file: Path) -> str:
    """The text of a dataset file. Raises InputError if it is too large or not UTF-8, StorageError if unreadable."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error.strerror}. Check the path and its permissions.") from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{file} is not a dataset file: it has more than {MOST_BYTES:,} bytes.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file} is not UTF-8 text (line {line}). Save it as UTF-8 and try again.") from error
    if "\0" in text:
        raise InputError(f"{file} is not text: it contains zero bytes. Dataset files are YAML or JSON in UTF-8.")
    return text
