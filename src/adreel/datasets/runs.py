"""Runs and versions as people and programs read them: the same on pages, in the API and on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from adreel.datasets.verification import checks_of
from adreel.lake import Version
from adreel.language import integer, phrase, phrases, shown_time, within_sentence
from adreel.store import IN_PROGRESS, Run, RunState, Trigger
from adreel.update_methods import method_title

_SAME = (
    "spec_version",
    "created_at",
    "started_at",
    "finished_at",
    "due_at",
    "not_before",
    "attempt",
    "cancel_requested",
    "phase",
    "share",
    "requests",
    "requests_planned",
    "pages",
    "chunks_done",
    "chunks_total",
    "version",
    "restored_version",
    "table_rows",
    "table_columns",
)


def title(run: Run) -> str:
    """What kind of run it is, with its versions or days; empty for a run of the dataset's own dates."""
    if run.restores:
        version = run.restored_version
        if version is None:
            return (
                phrase("Restored an earlier version")
                if run.version is not None
                else phrase("Restore of an earlier version")
            )
        return (
            phrase("Restored version %(version)s", version=version)
            if run.version is not None
            else phrase("Restore of version %(version)s", version=version)
        )
    return phrase("Backfill %(first)s to %(last)s", first=run.dates[0], last=run.dates[1]) if run.dates else ""


def started_by(run: Run) -> str:
    """Who or what asked for the run: a user's name, the command line, the schedule, or a backfill."""
    if run.trigger is not Trigger.PERSON:
        return within_sentence(run.trigger.label)
    return run.triggered_by or phrase("command line")


def rows_of(run: Run) -> int:
    """The rows that the run read, or that its restore brought back."""
    return (run.table_rows or 0) if run.restores else run.rows


def took(run: Run, now: datetime) -> timedelta | None:
    """How long it took so far, to the last sign of life of a process that died; None if it has not begun."""
    ended = run.finished_at or (now if run.state in IN_PROGRESS else run.heartbeat_at)
    return ended - run.started_at if ended and run.started_at else None


def run_json(run: Run) -> dict[str, Any]:
    """A run for programs: of the API, `run --json` and `history --json`."""
    return {
        "run_id": run.id,
        "dataset": run.dataset_slug,
        "dataset_name": run.dataset_name,
        "dataset_deleted": run.dataset_id is None,
        "kind": "restore" if run.restores else "backfill" if run.dates else "run",
        "state": str(run.state),
        "meaning": run.meaning,
        "trigger": str(run.trigger),
        "triggered_by": run.triggered_by,
        "dates": {"start": run.dates[0], "end": run.dates[1]} if run.dates else None,
        "rows_read_at": run.read_at if run.version is not None else None,
        "rows": rows_of(run),
        "rate_limited": run.refused,
        "verification": verification_json(run.verification) if run.verification else None,
        "notes": list(run.notes),
        "warnings": list(run.warnings),
        "skipped_advertisers": dict(run.skipped),
        "error": run.error or None,
        "error_kind": run.error_kind or None,
        "exit_code": None if run.exit_code is None else int(run.exit_code),
        **{name: getattr(run, name) for name in _SAME},
    }


def verification_json(verification: Mapping[str, Any]) -> dict[str, Any]:
    """TikTok's figures beside those of the rows; also that of an older adreel, with all keys."""
    return {
        "verified": bool(verification.get("verified")),
        "rows": verification.get("rows", 0),
        "rows_expected": verification.get("rows_expected", 0),
        "duplicate_keys": verification.get("duplicate_keys", 0),
        "checks": list(dict.fromkeys(check.kind for check in checks_of(verification))),
        "totals": dict(verification.get("totals", {})),
        "differing": list(verification.get("differing", ())),
        "currencies": list(verification.get("currencies", ())),
        "checksums": list(verification.get("checksums", ())),
        "incomplete": list(verification.get("incomplete", ())),
    }


def version_json(version: Version, run: Run | None) -> dict[str, Any]:
    """A version for programs: of the API and `versions --json`; `run` is its run if the store has it."""
    return {
        "version": version.number,
        "at": version.at,
        "method": version.method,
        "restored_version": version.restored,
        "rows": version.rows,
        "key": list(version.key),
        "run_id": version.run_id,
        "state": None if run is None else str(run.state),
    }


def origin(version: Version, run: Run | None) -> str:
    """How the version came about: its update method, or what it restored; `run` is its run if the store has it."""
    if version.restored is not None:
        return phrase("Restore of version %(version)s", version=version.restored)
    if run is not None and run.dates is not None:
        return f"{title(run)} ({within_sentence(method_title(version.method))})"
    return str(method_title(version.method))


def failed_check(version: int, run: Run | None) -> str:
    """A sentence if the version that `run` made failed its check, else nothing."""
    if run is None or run.state is not RunState.CHECK_FAILED:
        return ""
    return phrase("Version %(version)s failed its check: its figures differ from TikTok's own.", version=version)


def restore_effect(version: Version, run: Run | None, newest: int, rows: int) -> str:
    """What a restore of the version does to the table, which has so many `rows` in its version `newest`.

    `run` is the version's if the store has it.
    """
    effect = phrase(
        "The table gets the %(version_rows)s of version %(version)s (%(time)s UTC) in place of its "
        "%(rows)s. To undo this, restore version %(newest_version)s.",
        version_rows=_rows(version.rows),
        version=version.number,
        time=shown_time(version.at),
        rows=_rows(rows),
        newest_version=newest,
    )
    return " ".join(filter(None, [effect, failed_check(version.number, run)]))


def _rows(count: int) -> str:
    return phrases("%(rows)s row", "%(rows)s rows", count, rows=integer(count))


def runs_by_version(versions: Iterable[Version], runs: Iterable[Run]) -> Mapping[int, Run]:
    """The run of each version, where the store knows it."""
    run_ids = {version.number: version.run_id for version in versions}
    return {run.version: run for run in runs if run.version is not None and run_ids.get(run.version) == run.id}
