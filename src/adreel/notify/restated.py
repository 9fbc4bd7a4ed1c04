"""How much TikTok restated between the version of a run and the one before."""

from __future__ import annotations

from datetime import datetime

from adreel.settings import Settings
from adreel.store import Run, Store
from adreel.store.notifications import IncidentKind, NewIncident


def measured(store: Store, settings: Settings, run: Run, now: datetime) -> NewIncident | None:
    """The restatement as an incident; None if the run restated nothing. Errors as `restatement.compare`."""
    # Imported here: the lake takes 0.3 s, which only a run with a version before it needs.
    from adreel.datasets.restatement import compare
    from adreel.lake import Lake

    if run.dataset_id is None or run.version is None:
        return None
    saved = store.datasets.get(run.dataset_id)
    lake = Lake(settings.lake_url, clock=lambda: now)
    earlier = [version.number for version in lake.versions(saved.table_slug) if version.number < run.version]
    if not earlier:
        return None
    comparison = compare(store, lake, saved, max(earlier), run.version, now)
    values = sum(column.values_restated for column in comparison.columns)
    if not comparison.can_restate or not values:
        return None
    shares = [
        abs(float(part.restated) / float(part.before)) * 100 if part.before else 100.0
        for column in comparison.columns
        for part in column.sums
        if part.restated
    ]
    return NewIncident(
        IncidentKind.RESTATED,
        f"{IncidentKind.RESTATED}:{run.id}",
        run.finished_at or now,
        text=comparison.summary,
        dataset_id=run.dataset_id,
        run_id=run.id,
        percent=max(shares, default=0.0),
        values_restated=values,
        momentary=True,
    )
