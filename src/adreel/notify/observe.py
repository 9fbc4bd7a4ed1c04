"""What ended runs, accounts and stale datasets mean: incidents opened and closed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from adreel.errors import AdreelError
from adreel.notify.restated import measured
from adreel.scheduling.durations import read_duration
from adreel.settings import Settings
from adreel.store import Run, RunState, Store
from adreel.store.notifications import (
    Address,
    IncidentKind,
    NewIncident,
    RunEffects,
    check_key,
    failed_key,
    warnings_key,
)

RUNS_AT_ONCE = 200
DATASETS_AT_ONCE = 500
"""Runs and changed datasets that one look takes."""

TAKEN_OVER_WITHIN = timedelta(minutes=15)
"""A run whose process died counts as failed if no process has taken it over for so long."""

Retried = Callable[[Run], bool]
"""Whether a run that failed will be tried again without a person, so that it has not failed for good."""


def never_retried(_run: Run) -> bool:
    """No run is tried again."""
    return False


def observe(store: Store, now: datetime, retried: Retried = never_retried) -> None:
    """Opens and closes incidents by how runs ended, what accounts are, and which datasets are stale."""
    incidents = store.incidents
    wanted = any(IncidentKind.RESTATED in address.kinds for address in store.addresses.list())
    effects = [
        effects_of(run, measure=wanted)
        for run in incidents.unnoticed_runs(RUNS_AT_ONCE)
        if not _is_pending(store, run, now, retried)
    ]
    if effects:
        incidents.apply(effects)
    if incidents.accounts_differ():
        incidents.compare_accounts(now)
    changed = incidents.unwatched(DATASETS_AT_ONCE)
    if changed:
        incidents.watch([(dataset_id, version, _stale_after(spec)) for dataset_id, spec, version in changed])
    incidents.compare_stale(now)


def _is_pending(store: Store, run: Run, now: datetime, retried: Retried) -> bool:
    """Whether the run may still go on: it is tried again, or another process may take it over."""
    if run.state is RunState.INTERRUPTED and run.finished_at is not None:
        return now - run.finished_at < TAKEN_OVER_WITHIN and not store.incidents.has_newer_run(run)
    return run.state is RunState.FAILED and not run.restores and retried(run)


def effects_of(run: Run, *, measure: bool = False) -> RunEffects:
    """What the run means. Restores and cancelled runs mean nothing: they show nothing of TikTok or of a schedule.

    Runs for other days than the dataset's own open and close incidents of their own.
    """
    if run.dataset_id is None or run.restores or run.state is RunState.CANCELLED:
        return RunEffects(run)
    if run.state in (RunState.FAILED, RunState.INTERRUPTED):
        text = run.error or run.meaning
        return RunEffects(run, opens=(_incident(run, IncidentKind.FAILED, failed_key(run), run.error_kind, text),))
    closes = [failed_key(run)]
    opens: list[NewIncident] = []
    if run.state is RunState.CHECK_FAILED:
        opens.append(_incident(run, IncidentKind.CHECK_FAILED, check_key(run), "", run.meaning))
    else:
        closes.append(check_key(run))
    if run.state in (RunState.VERIFIED_WITH_WARNINGS, RunState.ADVERTISERS_SKIPPED):
        opens.append(_incident(run, IncidentKind.WARNINGS, warnings_key(run), str(run.state), _warnings(run)))
    elif run.state is RunState.VERIFIED:
        closes.append(warnings_key(run))
    measurable = measure and run.state is not RunState.CHECK_FAILED and bool(run.version)
    return RunEffects(run, tuple(opens), tuple(closes), run.finished_at, measurable)


def _incident(run: Run, kind: IncidentKind, key: str, cause: str, text: str) -> NewIncident:
    at = run.finished_at or run.created_at
    return NewIncident(kind, key, at, cause=cause, text=text, dataset_id=run.dataset_id, run_id=run.id)


def _warnings(run: Run) -> str:
    skipped = [f"Ad account {advertiser} was skipped: {reason}" for advertiser, reason in run.skipped.items()]
    lines = [*run.warnings, *(line for line in skipped if line not in run.warnings)]
    more = [f"And {len(lines) - MOST_LINES:,} more."] if len(lines) > MOST_LINES else []
    return "\n".join([*lines[:MOST_LINES], *more])


MOST_LINES = 5
"""Warnings that a message quotes."""


def _stale_after(spec: str) -> timedelta | None:
    """The `stale_after` of a saved dataset; what cannot be read is none, as validation refuses it elsewhere."""
    values = json.loads(spec)
    text = values.get("stale_after") if isinstance(values, dict) else None
    return read_duration(text) if text else None


def measure_one(store: Store, settings: Settings, now: datetime, hears: Callable[[Address, int], bool]) -> None:
    """Measures the restatement of one run, if one waits; an incident if it is large enough for any address.

    `hears`: whether an address may hear of the dataset of that id.
    """
    run_id = store.incidents.claim_measure(now) if store.incidents.measures_wait(now) else None
    if run_id is None:
        return
    run = store.runs.get(run_id)
    addresses = [
        address
        for address in store.addresses.list()
        if IncidentKind.RESTATED in address.kinds and run.dataset_id is not None and hears(address, run.dataset_id)
    ]
    if not addresses:
        store.incidents.measured(run_id, None)
        return
    try:
        new = measured(store, settings, run, now)
    except AdreelError as error:
        # A version that was removed meanwhile, or a lake that is away: tried again, and after that given up.
        store.runs.log(run_id, f"The restatement could not be measured for notifications: {error}")
        return
    enough = new is not None and any(exceeds(new, address) for address in addresses)
    store.incidents.measured(run_id, new if enough else None)


def exceeds(new: NewIncident, address: Address) -> bool:
    """Whether the restatement reaches the threshold of the address."""
    percent, values = address.threshold.percent, address.threshold.values
    return (percent is not None and (new.percent or 0) >= percent) or (
        values is not None and (new.values_restated or 0) >= values
    )
