"""What made the rows of a dataset's table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adreel.lake import Lake
from adreel.store import SavedDataset, Store
from adreel.update_methods import Method


@dataclass(frozen=True, slots=True)
class Provenance:
    """When the run began that made the newest version, and the update methods whose rows may be in it."""

    read_at: datetime
    methods: tuple[Method, ...]


def provenance(store: Store, lake: Lake, saved: SavedDataset) -> Provenance:
    """What made the newest version. Raises NotFoundError if there is none."""
    methods: dict[Method, None] = {}
    versions = lake.versions(saved.table_slug)
    newest = versions[0].number if versions else 0
    for version in versions:
        if version.number > newest:
            continue
        if version.restored is not None:
            # The rows are those of the earlier version.
            newest = version.restored
            continue
        method = Method(version.method)
        methods[method] = None
        if method is Method.REPLACE:
            break
    run = next(iter(store.runs.good(saved)), None)
    # The store may not know the run: that of another home which has the same lake.
    return Provenance(run.read_at if run else versions[0].at, tuple(methods))
