"""Files that several threads or processes may make at once: the first one's is there, and whole from the start."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def placed_once(path: Path) -> Iterator[Path]:
    """Gives an empty draft beside `path` (0600), which is there under its name after the block unless one was before.

    The block has to close the draft, as others may lock it from then on, and closing it later would drop their locks.
    Raises OSError.
    """
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
