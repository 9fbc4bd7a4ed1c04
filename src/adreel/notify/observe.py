"""What ended runs, accounts and stale datasets mean: incidents opened and closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from adreel.datasets.status import NO_RUNS, stale_at
from adreel.destinations.status import failing
from adreel.errors import AdreelError
from adreel.language import integer, phrase
from adreel.notify.restated import measured
from adreel.pipeline.gmv_max_costs import unread_cost_warnings
from adreel.settings import Settings
from adreel.store import Run, RunState, Store, Trigger
from adreel.store.notifications import (
    Address,
    IncidentKind,
    NewIncident,
    RunEffects,
    StaleDataset,
    check_key,
    failed_key,
    gmv_max_key,
    publication_key,
    warnings_key,
)

RUNS_AT_ONCE = 200
"""Runs that one look takes."""

TAKEN_OVER_WITHIN = timedelta(minutes=15)
"""A run whose process died counts as failed if no process has taken it over for so long."""


UNPUBLISHED_FOR = timedelta(hours=1)
"""How long publishing to a destination fails before it is an incident."""


def observe(store: Store, now: datetime) -> None:
    """Opens and closes incidents by how runs ended, what accounts are, and which datasets are stale or unpublished."""
    incidents = store.incidents
    wanted = any(IncidentKind.RESTATED in address.kinds for address in store.addresses.list())
    effects = [
        effects_of(run, measure=wanted)
        for run in incidents.unnoticed_runs(RUNS_AT_ONCE)
        if not _is_pending(store, run, now)
    ]
    if effects:
        incidents.apply(effects)
    if incidents.accounts_differ():
        incidents.compare_accounts(now)
    if incidents.backfills_differ():
        incidents.compare_backfills(now)
    _compare_stale(store, now)
    _compare_publications(store, now)


def _is_pending(store: Store, run: Run, now: datetime) -> bool:
    """Whether another process may still take the run over. One that will be retried has not ended: it is queued."""
    if run.state is not RunState.INTERRUPTED or run.finished_at is None:
        return False
    return now - run.finished_at < TAKEN_OVER_WITHIN and not store.incidents.has_newer_run(run)


def _compare_stale(store: Store, now: datetime) -> None:
    """Opens an incident for each dataset that was not updated for its `stale_after`, and closes those that are over.

    They are over by what changed and not by the clock, as another worker's clock may be a little ahead.
    """
    lasting = {incident.dataset_id: incident for incident in store.incidents.lasting(IncidentKind.STALE)}
    watched = [saved for saved in store.datasets.list() if saved.stale_after is not None]
    if not watched and not lasting:
        return
    briefs = store.runs.briefs()
    opens: list[StaleDataset] = []
    stay: set[int | None] = set()
    for saved in watched:
        updated = briefs.get(saved.id, NO_RUNS).updated
        at, before = stale_at(saved, updated), lasting.get(saved.id)
        if at is None or saved.stale_after is None:
            continue
        if before is not None and (at <= before.opened_at or at < now):
            stay.add(saved.id)
        elif before is None and at < now:
            opens.append(StaleDataset(saved.id, at, saved.stale_after, updated.id if updated else ""))
    closes = [incident for dataset_id, incident in lasting.items() if dataset_id not in stay]
    if opens or closes:
        store.incidents.change_stale(opens, closes, now)


def _compare_publications(store: Store, now: datetime) -> None:
    """Opens an incident for each dataset that a destination has not taken for an hour, and closes those it takes."""
    incidents: dict[str, NewIncident] = {}
    opens: list[str] = []
    for saved, status in failing(store, store.datasets.list()):
        publication, since = status.publication, status.failing_since
        if publication is None or since is None:
            continue
        key = publication_key(saved.id, publication.destination_id)
        text = phrase("Destination %(destination)s: %(failure)s", destination=status.name, failure=publication.failure)
        incidents[key] = NewIncident(IncidentKind.PUBLISH_FAILED, key, since, text=text, dataset_id=saved.id)
        if now - since >= UNPUBLISHED_FOR:
            opens.append(key)
    store.incidents.compare_publications(incidents, opens, now)


def effects_of(run: Run, *, measure: bool = False) -> RunEffects:
    """What the run means. Restores and cancelled runs mean nothing: they show nothing of TikTok or of a schedule.

    Runs for other days than the dataset's own open and close incidents of their own. Slices of a backfill mean nothing
    beyond warnings: where one does not go on, the backfill itself is an incident.
    """
    if run.dataset_id is None or run.restores or run.state is RunState.CANCELLED:
        return RunEffects(run)
    is_slice = run.trigger is Trigger.BACKFILL
    if run.state in (RunState.FAILED, RunState.INTERRUPTED):
        text = run.error or run.meaning
        failed = _incident(run, IncidentKind.FAILED, failed_key(run), run.error_kind, text)
        return RunEffects(run, opens=() if is_slice else (failed,))
    closes = [failed_key(run)]
    opens: list[NewIncident] = []
    if run.state is RunState.CHECK_FAILED:
        opens.append(_incident(run, IncidentKind.CHECK_FAILED, check_key(run), "", run.meaning))
    else:
        closes.append(check_key(run))
    unread = unread_cost_warnings(run)
    others = [line for line in run.warnings if line not in unread]
    if unread and run.state is not RunState.CHECK_FAILED:
        opens.append(_incident(run, IncidentKind.GMV_MAX, gmv_max_key(run), "", "\n".join(unread)))
    elif run.state is not RunState.CHECK_FAILED:
        closes.append(gmv_max_key(run))
    is_warned = run.state in (RunState.VERIFIED_WITH_WARNINGS, RunState.ADVERTISERS_SKIPPED)
    if is_warned and (others or run.skipped or not unread):
        opens.append(_incident(run, IncidentKind.WARNINGS, warnings_key(run), str(run.state), _warnings(run, others)))
    elif run.state in (RunState.VERIFIED, RunState.VERIFIED_WITH_WARNINGS):
        closes.append(warnings_key(run))
    measurable = measure and run.state is not RunState.CHECK_FAILED and bool(run.version)
    if is_slice and run.state is not RunState.VERIFIED_WITH_WARNINGS:
        opens = []
    return RunEffects(run, tuple(opens), tuple(closes), measurable)


def _incident(run: Run, kind: IncidentKind, key: str, cause: str, text: str) -> NewIncident:
    at = run.finished_at or run.created_at
    if run.dates:
        first, last = run.dates
        days = (
            phrase("Only %(first)s to %(last)s, a slice of a backfill.", first=first, last=last)
            if run.trigger is Trigger.BACKFILL
            else phrase("Only %(first)s to %(last)s.", first=first, last=last)
        )
        text = f"{days} {text}"
    return NewIncident(kind, key, at, cause=cause, text=text, dataset_id=run.dataset_id, run_id=run.id)


def _warnings(run: Run, warnings: Sequence[str]) -> str:
    skipped = [
        phrase("Ad account %(ad_account)s was skipped: %(reason)s", ad_account=advertiser, reason=reason)
        for advertiser, reason in run.skipped.items()
    ]
    lines = [*warnings, *(line for line in skipped if line not in warnings)]
    more = [phrase("And %(more)s more.", more=integer(len(lines) - MOST_LINES))] if len(lines) > MOST_LINES else []
    return "\n".join([*lines[:MOST_LINES], *more])


MOST_LINES = 5
"""Warnings that a message quotes."""


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
        store.runs.log(
            run_id, phrase("The restatement could not be measured for notifications: %(error)s", error=error)
        )
        return
    enough = new is not None and any(exceeds(new, address) for address in addresses)
    store.incidents.measured(run_id, new if enough else None)


def exceeds(new: NewIncident, address: Address) -> bool:
    """Whether the restatement reaches the threshold of the address."""
    percent, values = address.threshold.percent, address.threshold.values
    return (percent is not None and (new.percent or 0) >= percent) or (
        values is not None and (new.values_restated or 0) >= values
    )
