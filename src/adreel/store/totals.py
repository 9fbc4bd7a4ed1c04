"""Totals of ended runs, which stay when runs are pruned."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, insert, select, update

from adreel.store.database import Database
from adreel.store.records import SUCCESSFUL, Run, RunState
from adreel.store.tables import run_totals

MOST_SECONDS = (10, 30, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800)
"""Bounds of durations by which runs are counted; a longer run has the bound `LONGER`."""

LONGER = 2_000_000_000
NEVER_STARTED = -1
"""In place of a bound for runs that ended before they began, such as cancelled ones."""

RESTORE = "restore"
"""In place of the trigger for a restore of a version, which reads nothing."""


@dataclass(frozen=True, slots=True)
class RunTotal:
    """Ends of runs with the same trigger, state and bound of the duration.

    `seconds` are from the first start to the end. `rows` are those read by runs that made a version, `restated_cells`
    the values of earlier days that TikTok changed between the versions of these runs and those before.
    """

    trigger: str
    state: RunState
    most_seconds: int
    runs: int
    seconds: float
    rows: int
    restated_cells: int


class RunTotals:
    """The totals of one home."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> tuple[RunTotal, ...]:
        """All, by trigger, state and bound."""
        order = (run_totals.c.trigger, run_totals.c.state, run_totals.c.most_seconds)
        with self._database.read() as connection:
            rows = connection.execute(select(run_totals).order_by(*order)).all()
        return tuple(RunTotal(**{**row._mapping, "state": RunState(row.state)}) for row in rows)

    def add_restated(self, run: Run, cells: int) -> None:
        """Adds restated cells of a run that has ended."""
        with self._database.write() as connection:
            connection.execute(
                update(run_totals).where(*_same(_key(run))).values(restated_cells=run_totals.c.restated_cells + cells)
            )


def add_end(connection: Connection, run: Run) -> None:
    """Adds a run that has just ended, in the transaction that ends it. The store has one writer at a time."""
    key = _key(run)
    rows = run.rows if run.state in SUCCESSFUL and not run.restores else 0
    changes = {
        "runs": run_totals.c.runs + 1,
        "seconds": run_totals.c.seconds + _seconds(run),
        "rows": run_totals.c.rows + rows,
    }
    if not connection.execute(update(run_totals).where(*_same(key)).values(changes)).rowcount:
        values = {**key, "runs": 1, "seconds": _seconds(run), "rows": rows, "restated_cells": 0}
        connection.execute(insert(run_totals).values(values))


def _key(run: Run) -> dict[str, str | int]:
    trigger = RESTORE if run.restores else run.trigger.value
    if run.started_at is None:
        bound = NEVER_STARTED
    else:
        bound = next((bound for bound in MOST_SECONDS if _seconds(run) <= bound), LONGER)
    return {"trigger": trigger, "state": run.state.value, "most_seconds": bound}


def _seconds(run: Run) -> float:
    if run.started_at is None or run.finished_at is None:
        return 0.0
    # A clock that was set back, or a simulator's, is no reason for a total to fall.
    return max(0.0, (run.finished_at - run.started_at).total_seconds())


def _same(key: dict[str, str | int]) -> list[ColumnElement[bool]]:
    return [run_totals.c[name] == value for name, value in key.items()]
