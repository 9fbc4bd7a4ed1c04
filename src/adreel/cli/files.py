"""Dataset files read from disk, with sentences for what is no such file."""

from __future__ import annotations

from pathlib import Path

from adreel.datasets.files import MOST_BYTES
from adreel.errors import InputError, StorageError


def read_text(file: Path) -> str:
    """The text of a dataset file. Raises InputError if it is no text, StorageError if the disk fails."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error.strerror}.") from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{file} has more than {MOST_BYTES:,} bytes and is no dataset file.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file} is no text in UTF-8 (line {line}); save it as UTF-8, then try again.") from error
    if "\0" in text:
        raise InputError(f"{file} is no text: it has zero bytes. A dataset file is YAML or JSON in UTF-8.")
    return text
