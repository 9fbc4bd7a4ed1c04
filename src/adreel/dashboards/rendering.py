"""Has a dashboard drawn, as a picture and as a PDF, by a process of its own (see `drawing.py`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adreel.errors import RetryError, StopError
from adreel.store.home import prepare_home

SECONDS = 180.0
"""How long drawing may take; the first time matplotlib lists the fonts of the machine."""

CACHE = "cache"
"""The folder of the home with matplotlib's list of fonts."""

_PASSED = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR")


def render(home: Path, document: Mapping[str, Any], *, png: Path | None = None, pdf: Path | None = None) -> str:
    """Writes the files that are asked for, and returns the letters that no font of the machine has.

    Raises RetryError if drawing takes too long, StopError if it fails.
    """
    folder = home / CACHE
    prepare_home(folder)
    environ = {name: os.environ[name] for name in _PASSED if name in os.environ} | {"MPLCONFIGDIR": str(folder)}
    order = {"document": document, "png": str(png or ""), "pdf": str(pdf or "")}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "adreel.dashboards.drawing"],
            input=json.dumps(order).encode(),
            env=environ,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RetryError(f"The dashboard was not drawn within {SECONDS:.0f} seconds.") from None
    except OSError as error:
        raise RetryError(f"The process that draws dashboards could not be started: {error.strerror}.") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise StopError(f"The dashboard could not be drawn: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return str(json.loads(done.stdout)["missing"])
