"""What made the rows of a dataset's table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adreel.dataset import Method
from adreel.store import SavedDataset
from adreel.web.center import Center


@dataclass(frozen=True, slots=True)
class Made:
    """When the run began that made the newest version, and the update methods whose rows may be in it."""

    read_at: datetime
    methods: tuple[Method, ...]


def made(deps: Center, saved: SavedDataset) -> Made:
    """What made the newest version. Raises NotFoundError if there is none."""
    methods: dict[Method, None] = {}
    versions = deps.lake.versions(saved.table_slug)
    for version in versions:
        method = Method(version.method)
        methods[method] = None
        if method is Method.REPLACE:
            break
    run = next(iter(deps.store.runs.good(saved)), None)
    # The store may not know the run: that of another home which has the same lake.
    return Made(run.read_at if run else versions[0].at, tuple(methods))
