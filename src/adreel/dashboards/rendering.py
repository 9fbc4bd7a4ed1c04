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
from adreel.language import phrase
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
        raise RetryError(
            phrase("The dashboard was not drawn within %(seconds)s seconds.", seconds=format(SECONDS, ".0f"))
        ) from None
    except OSError as error:
        raise RetryError(
            phrase("The process that draws dashboards could not be started: %(reason)s.", reason=error.strerror)
        ) from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise StopError(phrase("The dashboard could not be drawn: %(reason)s", reason=reason))
    return str(json.loads(done.stdout)["missing"])
