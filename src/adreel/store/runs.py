"""Runs and their logs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from adreel.errors import InputError, NotFoundError
from adreel.language import phrase
from adreel.store.audit import AuditAction, Means, Subject, acting_as, record
from adreel.store.database import Database, Unchanged
from adreel.store.json_size import json_size
from adreel.store.records import (
    FINISHED,
    IN_PROGRESS,
    RESUMABLE,
    SUCCESSFUL,
    Latest,
    LogLine,
    Phase,
    Progress,
    Run,
    RunBrief,
    RunKey,
    RunOutcome,
    RunState,
    SavedDataset,
    Trigger,
)
from adreel.store.secrets import fingerprint
from adreel.store.tables import datasets, run_keys, run_log, runs
from adreel.store.totals import add_end

PUBLIC = tuple(column for column in runs.columns if column.name not in ("seq", "noticed"))
"""The columns of a run that are given out, from which `as_run` makes its record."""

_BRIEF = (
    runs.c.id.label("run_id"),
    runs.c.state,
    runs.c.created_at,
    runs.c.started_at,
    runs.c.finished_at,
    runs.c.version,
    runs.c.error,
    runs.c.table_rows,
    runs.c.table_columns,
    func.coalesce(runs.c.warnings[0].as_string(), ""),
    json_size(runs.c.verification, "totals").label("sums"),
    json_size(runs.c.skipped).label("skipped"),
    runs.c.rows_read_at,
    runs.c.trigger,
    runs.c.dates.is_(None).label("has_own_dates"),
)

SPEAKS = or_(runs.c.trigger != Trigger.BACKFILL, runs.c.state.in_(sorted(IN_PROGRESS)))
"""The runs that say how their dataset stands, as `RunBrief.speaks`."""

UPDATES = and_(runs.c.version.is_not(None), runs.c.dates.is_(None))
"""The runs after which the table is as new as they are, as `RunBrief.updates`."""

KEYS_KEPT = timedelta(days=1)
"""A key means its run for so long after that was asked for."""

NOTHING_YET: Mapping[str, Any] = asdict(Progress()) | {
    "verification": {},
    "warnings": [],
    "notes": [],
    "skipped": {},
    "error": "",
    "error_kind": "",
}


def new_run_id() -> str:
    """An id that is short to type by its beginning: 16 hexadecimal digits at random."""
    return secrets.token_hex(8)


class Runs:
    """The runs of one home.

    A run is added when it is asked for, begins when a process works on it, tells its progress, and is finished once.
    What a killed process left is set right by `interrupt`, which whoever holds the dataset's lock may call.
    """

    __slots__ = ("_briefs", "_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._briefs = Unchanged(database, self._read_briefs)

    def add(
        self,
        dataset: SavedDataset,
        run_id: str,
        dates: tuple[str, str] | None = None,
        *,
        triggered_by: str = "",
        key: RunKey | None = None,
    ) -> Run:
        """A queued run of the dataset as it is now, or for other `dates`. One that is there already stays as it is.

        `triggered_by` is the name of a user, or empty for the command line's own; `key` means this run from now on.
        """
        return self._add(dataset, run_id, {"dates": dates, "triggered_by": triggered_by}, key)

    def add_restore(
        self, dataset: SavedDataset, run_id: str, version: int, read_at: datetime, *, triggered_by: str = ""
    ) -> Run:
        """A restore of the version, whose rows were read at `read_at`: running at once, and never queued."""
        now = self._clock()
        values = {
            "triggered_by": triggered_by,
            "state": RunState.RUNNING,
            "started_at": now,
            "heartbeat_at": now,
            "restored_version": version,
            "rows_read_at": read_at,
        }
        return self._add(dataset, run_id, values, None)

    def _add(self, dataset: SavedDataset, run_id: str, own: Mapping[str, Any], key: RunKey | None) -> Run:
        now = self._clock()
        with self._database.write() as connection:
            row = _row(connection, run_id)
            if row is not None:
                return as_run(row)
            saved = connection.execute(select(datasets).where(datasets.c.id == dataset.id)).first()
            if saved is None:
                raise NotFoundError(phrase("The dataset %(name)s was deleted meanwhile.", name=repr(dataset.slug)))
            run = insert_run(connection, saved, run_id, now, own)
            self._note(connection, key, run)
            if run.restores:
                action = AuditAction.VERSION_RESTORE
                record(connection, now, action, Subject.of(saved), {"run": run.id, "version": run.restored_version})
            else:
                _record_start(connection, now, run)
            return run

    def keyed(self, key: RunKey) -> Run | None:
        """The run that was asked for under this key, within a day. InputError if something else was asked for."""
        mine = (run_keys.c.user_id == key.user_id) & (run_keys.c.key_hash == fingerprint(key.key))
        statement = select(run_keys.c.asked_hash, run_keys.c.run_id).where(
            mine, run_keys.c.created_at > self._clock() - KEYS_KEPT
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
            if row is None:
                return None
            if row.asked_hash != fingerprint(key.asked):
                raise InputError(
                    phrase(
                        "This key was already used for another dataset or other days, for run %(run_id)s. Send a "
                        "new key for each new run.",
                        run_id=row.run_id,
                    )
                )
            return as_run(_found(_row(connection, row.run_id), row.run_id))

    def _note(self, connection: Connection, key: RunKey | None, run: Run) -> None:
        """Writes down that the key means this run, and forgets keys that are too old."""
        now = self._clock()
        connection.execute(delete(run_keys).where(run_keys.c.created_at <= now - KEYS_KEPT))
        if key is not None:
            values = {"user_id": key.user_id, "key_hash": fingerprint(key.key), "asked_hash": fingerprint(key.asked)}
            connection.execute(insert(run_keys).values(**values, run_id=run.id, created_at=now))

    def begin(self, run_id: str) -> Run:
        """The run as running: for the first time, or again after it ended early.

        InputError if it made a version or was cancelled.
        """
        now = self._clock()
        changes = {
            "state": RunState.RUNNING,
            "started_at": func.coalesce(runs.c.started_at, now),
            "heartbeat_at": now,
            "finished_at": None,
            "not_before": None,
            "error": "",
            "error_kind": "",
            "noticed": False,
        }
        with self._database.write() as connection:
            return _change(connection, run_id, RESUMABLE | {RunState.FAILED}, changes)

    def requeue(self, run_id: str, *, triggered_by: str = "", key: RunKey | None = None) -> Run:
        """A run that did not come to its end, waiting again. InputError if it made a version or was cancelled."""
        changes: dict[str, Any] = {"state": RunState.QUEUED, "finished_at": None, "error": "", "error_kind": ""}
        changes |= {"triggered_by": triggered_by, "trigger": Trigger.PERSON, "worker": "", "attempt": 1, "deaths": 0}
        changes["noticed"] = False
        with self._database.write() as connection:
            run = _change(connection, run_id, RESUMABLE | {RunState.FAILED}, changes)
            self._note(connection, key, run)
            _record_start(connection, self._clock(), run, resumed=True)
            return run

    def promote(self, run_id: str, *, triggered_by: str = "", key: RunKey | None = None) -> Run | None:
        """A run that waits in the queue, as if a person had asked for it: it goes before those of schedules.

        It keeps the time of the schedule that it stands for. None if a worker has taken it meanwhile.
        """
        waiting = (runs.c.id == run_id) & (runs.c.state == RunState.QUEUED) & (runs.c.worker == "")
        changes = {"trigger": Trigger.PERSON, "triggered_by": triggered_by, "not_before": None}
        with self._database.write() as connection:
            row = connection.execute(update(runs).where(waiting).values(changes).returning(*PUBLIC)).first()
            if row is None:
                return None
            run = as_run(row)
            self._note(connection, key, run)
            _record_start(connection, self._clock(), run)
            return run

    def note_resumed(self, run: Run) -> None:
        """Adds to the audit log that a person has the run gone on with, which changes nothing else yet."""
        with self._database.write() as connection:
            _record_start(connection, self._clock(), run, resumed=True)

    def progress(self, run_id: str, progress: Progress) -> bool:
        """Writes down how far a running run is; returns whether a person asked to cancel it.

        Costs a few milliseconds; call it once a second or so.
        """
        changes = asdict(progress) | {"heartbeat_at": self._clock()}
        with self._database.write() as connection:
            return _change(connection, run_id, {RunState.RUNNING}, changes).cancel_requested

    def finish(
        self, run_id: str, outcome: RunOutcome, *, retry_at: datetime | None = None, by_order: bool = False
    ) -> Run:
        """The run as finished. Said twice it stays as it is; InputError if it has finished otherwise.

        With `retry_at` it waits until then for its next attempt instead, and keeps the error of this one.
        `by_order`: a person cancels it whose process is gone, so that there is nobody to `request_cancel` of.
        """
        assert outcome.state not in IN_PROGRESS, "a run must finish in a finished state"
        changes = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
        changes |= {"verification": dict(outcome.verification), "skipped": dict(outcome.skipped)}
        changes |= {"finished_at": self._clock()}
        if outcome.state in SUCCESSFUL:
            changes["share"] = 1.0
        if retry_at is not None:
            again = {"state": RunState.QUEUED, "finished_at": None, "worker": "", "attempt": runs.c.attempt + 1}
            changes |= again | {"not_before": retry_at}
        with self._database.write() as connection:
            row = _row(connection, run_id)
            if row is not None and row.state == outcome.state and row.state != RunState.INTERRUPTED:
                return as_run(row)
            run = _change(connection, run_id, RESUMABLE, changes)
            if run.state in FINISHED and row is not None and row.state != run.state:
                add_end(connection, run)
            if by_order:
                record(connection, self._clock(), AuditAction.RUN_CANCEL, _subject(run), {"run": run.id})
            return run

    def interrupt(self, dataset: SavedDataset, *, besides: str | None = None) -> tuple[Run, ...]:
        """Marks the dataset's running runs, `besides` one, as interrupted. The caller holds the dataset's lock."""
        dead = (runs.c.dataset_id == dataset.id) & (runs.c.state == RunState.RUNNING)
        if besides is not None:
            dead &= runs.c.id != besides
        changes = {"state": RunState.INTERRUPTED, "finished_at": self._clock()}
        with self._database.write() as connection:
            rows = connection.execute(update(runs).where(dead).values(changes).returning(*PUBLIC)).all()
            interrupted = tuple(as_run(row) for row in rows)
            for run in interrupted:
                add_end(connection, run)
        return interrupted

    def request_cancel(self, run_id: str) -> Run:
        """Asks the run to stop; it does so by itself. InputError if it has finished."""
        with self._database.write() as connection:
            state = RunState(_found(_row(connection, run_id), run_id).state)
            if state in FINISHED:
                raise InputError(
                    phrase(
                        "Run %(run_id)s is finished (%(state)s) and cannot be cancelled.",
                        run_id=run_id,
                        state=state.label_in_sentence,
                    )
                )
            run = _change(connection, run_id, IN_PROGRESS, {"cancel_requested": True})
            record(connection, self._clock(), AuditAction.RUN_CANCEL, _subject(run), {"run": run.id})
            return run

    def cancel_requested(self, run_id: str) -> bool:
        """Whether a person asked the run to stop."""
        with self._database.read() as connection:
            return as_run(_found(_row(connection, run_id), run_id)).cancel_requested

    def get(self, run_id: str, *, among: Collection[int] | None = None) -> Run:
        """The run of that id, or the only one whose id begins so. NotFoundError; InputError if there are several.

        Only runs of datasets whose ids are `among` these are looked at and named, if they are given.
        """
        offered = _latest_first() if among is None else _latest_first().where(runs.c.dataset_id.in_(among))
        with self._database.read() as connection:
            row = connection.execute(offered.where(runs.c.id == run_id)).first()
            if row is not None:
                return as_run(row)
            rows = connection.execute(
                offered.where(runs.c.id.startswith(run_id.lower(), autoescape=True)).limit(5)
            ).all()
        if len(rows) > 1:
            shown = ", ".join(f"{row.id} ({row.dataset_slug})" for row in rows)
            raise InputError(
                phrase(
                    "Several runs start with %(run_id)s: %(shown)s; give more of the ID.",
                    run_id=repr(run_id),
                    shown=shown,
                )
            )
        return as_run(_found(rows[0] if rows else None, run_id))

    def each(self, run_ids: Collection[str]) -> tuple[Run, ...]:
        """The runs of these ids that there are, read at once."""
        if not run_ids:
            return ()
        with self._database.read() as connection:
            return tuple(map(as_run, connection.execute(_latest_first().where(runs.c.id.in_(run_ids)))))

    def list(
        self,
        dataset: SavedDataset | None = None,
        *,
        states: Collection[RunState] = frozenset(RunState),
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[Run, ...]:
        """The latest runs but for the first `offset`, of one dataset or of all, latest first."""
        statement = _latest_first().where(runs.c.state.in_(sorted(states))).limit(limit).offset(offset)
        if dataset is not None:
            statement = statement.where(runs.c.dataset_id == dataset.id)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return tuple(as_run(row) for row in rows)

    def page(
        self,
        among: Collection[int] | None = None,
        *,
        states: Collection[RunState] = frozenset(RunState),
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[tuple[Run, ...], int]:
        """Some of the runs, latest first, and how many there are in all.

        `among` are ids of datasets; None is for all runs, also those of deleted datasets.
        """
        chosen = and_(runs.c.state.in_(sorted(states)), true() if among is None else runs.c.dataset_id.in_(among))
        with self._database.read() as connection:
            rows = connection.execute(_latest_first().where(chosen).limit(limit).offset(offset)).all()
            total = connection.execute(select(func.count()).select_from(runs).where(chosen)).scalar_one()
        return tuple(as_run(row) for row in rows), int(total)

    def latest(self) -> Mapping[int, Run]:
        """The latest run of each dataset that says how it stands, by the dataset's id."""
        last = select(func.max(runs.c.seq)).where(runs.c.dataset_id.is_not(None), SPEAKS).group_by(runs.c.dataset_id)
        with self._database.read() as connection:
            rows = connection.execute(select(*PUBLIC).where(runs.c.seq.in_(last))).all()
        return {row.dataset_id: as_run(row) for row in rows}

    def count(self, dataset: SavedDataset) -> int:
        """How many runs the dataset has had."""
        statement = select(func.count()).where(runs.c.dataset_id == dataset.id)
        with self._database.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def good(self, dataset: SavedDataset, limit: int = 1) -> tuple[Run, ...]:
        """The latest runs that made a version, latest first."""
        with self._database.read() as connection:
            rows = connection.execute(_good(dataset).limit(limit)).all()
        return tuple(as_run(row) for row in rows)

    def first_version_after(self, dataset: SavedDataset, run_id: str) -> datetime | None:
        """When the first version of a dataset since that of a run was made; None without a later one."""
        that = select(runs.c.seq).where(runs.c.id == run_id).scalar_subquery()
        statement = (
            select(runs.c.finished_at)
            .where(runs.c.dataset_id == dataset.id, runs.c.version.is_not(None), runs.c.seq > that)
            .order_by(runs.c.seq)
            .limit(1)
        )
        with self._database.read() as connection:
            return connection.execute(statement).scalar()

    def newest(self, dataset: SavedDataset) -> tuple[Run | None, Run | None, Run | None]:
        """The latest run that says how the dataset stands, that made a version, and that read its own dates and made
        one, as all were at the same moment.
        """
        own = _latest_first().where(runs.c.dataset_id == dataset.id).limit(1)
        statements = own.where(SPEAKS), own.where(runs.c.version.is_not(None)), own.where(UPDATES)
        with self._database.read() as connection:
            rows = [connection.execute(statement).first() for statement in statements]
        speaking, good, updated = (as_run(row) if row is not None else None for row in rows)
        return speaking, good, updated

    def briefs(self) -> Mapping[int, Latest]:
        """The latest runs of each dataset that has run, by its id."""
        return self._briefs.get()

    def _read_briefs(self) -> Mapping[int, Latest]:
        with self._database.read() as connection:
            newest = _briefs(connection, true())
            speaking = _of_kind(connection, newest, lambda brief: brief.speaks, SPEAKS)
            good = _of_kind(connection, newest, lambda brief: brief.version is not None, runs.c.version.is_not(None))
            updated = _of_kind(connection, good, lambda brief: brief.updates, UPDATES)
        return {id_: Latest(speaking.get(id_), good.get(id_), updated.get(id_)) for id_ in newest}

    def ended(self, states: Collection[RunState]) -> frozenset[int]:
        """The ids of the datasets whose latest run that says how they stand is in one of these states."""
        statement = (
            select(datasets.c.id).join(runs, runs.c.seq == last_seq(SPEAKS)).where(runs.c.state.in_(sorted(states)))
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(statement).scalars())

    def log(self, run_id: str, *lines: str) -> None:
        """Adds lines to the run's log, stamped with the time."""
        now = self._clock()
        with self._database.write() as connection:
            _found(_row(connection, run_id), run_id)
            rows = [{"run_id": run_id, "at": now, "text": line} for line in lines]
            if rows:
                connection.execute(insert(run_log), rows)

    def log_lines(self, run_id: str, *, after: int = 0) -> tuple[LogLine, ...]:
        """The run's log in order, from the line behind number `after`; pass the last number seen to follow it."""
        statement = (
            select(run_log.c.number, run_log.c.at, run_log.c.text)
            .where(run_log.c.run_id == run_id, run_log.c.number > after)
            .order_by(run_log.c.number)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return tuple(LogLine(**row._mapping) for row in rows)


def _subject(run: Run) -> Subject:
    return Subject("" if run.dataset_id is None else str(run.dataset_id), run.dataset_name)


def _record_start(connection: Connection, now: datetime, run: Run, *, resumed: bool = False) -> None:
    """Runs that no person asked for are in the history alone: a schedule may start some every minute."""
    if acting_as().means is not Means.SYSTEM:
        details = {"run": run.id, "dates": list(run.dates or ()), "resumed": resumed or None}
        record(connection, now, AuditAction.RUN_START, _subject(run), details)


def last_seq(chosen: ColumnElement[bool]) -> ScalarSelect[Any]:
    """The number of a dataset's latest run of those that are `chosen`, in a statement about datasets."""
    # Not the greatest of each group: that would look at every run there ever was.
    own = select(runs.c.seq).where(runs.c.dataset_id == datasets.c.id, chosen)
    return own.order_by(runs.c.seq.desc()).limit(1).correlate(datasets).scalar_subquery()


def _briefs(connection: Connection, chosen: ColumnElement[bool], *among: ColumnElement[bool]) -> dict[int, RunBrief]:
    """The latest run of each dataset, or of those `among` these, out of the runs that are `chosen`."""
    statement = select(datasets.c.id, *_BRIEF).join(runs, runs.c.seq == last_seq(chosen)).where(*among)
    return {dataset_id: _brief(*values) for dataset_id, *values in connection.execute(statement)}


def _of_kind(
    connection: Connection,
    newest: Mapping[int, RunBrief],
    is_chosen: Callable[[RunBrief], bool],
    chosen: ColumnElement[bool],
) -> dict[int, RunBrief]:
    """The latest run of a kind of each dataset; only where the `newest` one is not of it, others are looked for."""
    briefs = {dataset_id: brief for dataset_id, brief in newest.items() if is_chosen(brief)}
    others = newest.keys() - briefs.keys()
    return briefs | _briefs(connection, chosen, datasets.c.id.in_(others)) if others else briefs


def _brief(run_id: str, state: str, *rest: Any) -> RunBrief:
    *others, trigger, has_own_dates = rest
    values = (*others, Trigger(trigger), bool(has_own_dates))
    return RunBrief(run_id, RunState(state), *values)


def insert_run(connection: Connection, saved: Row[Any], run_id: str, now: datetime, own: Mapping[str, Any]) -> Run:
    """A run of the dataset whose row is `saved`, queued unless its `own` values say otherwise."""
    values = {
        "id": run_id,
        "dataset_id": saved.id,
        "dataset_name": saved.name,
        "dataset_slug": saved.slug,
        "spec_version": saved.spec_version,
        "state": RunState.QUEUED,
        "created_at": now,
        "cancel_requested": False,
        **own,
    }
    return as_run(connection.execute(insert(runs).values({**NOTHING_YET, **values}).returning(*PUBLIC)).one())


def as_run(row: Row[Any]) -> Run:
    """The record of a row with the columns `PUBLIC`."""
    values = row._asdict()
    texts = {name: tuple(values[name]) for name in ("warnings", "notes")}
    dates = tuple(values["dates"]) if values["dates"] else None
    phase = Phase(values["phase"]) if values["phase"] else None
    enums = {"state": RunState(values["state"]), "trigger": Trigger(values["trigger"]), "phase": phase}
    return Run(**{**values, **texts, **enums, "dates": dates})


def _row(connection: Connection, run_id: str) -> Row[Any] | None:
    return connection.execute(select(*PUBLIC).where(runs.c.id == run_id)).first()


def _found(row: Row[Any] | None, run_id: str) -> Row[Any]:
    if row is None:
        raise NotFoundError(
            phrase("Run %(run_id)s was not found. Enter its ID or the first characters of it.", run_id=repr(run_id))
        )
    return row


def _latest_first() -> Select[Any]:
    return select(*PUBLIC).order_by(runs.c.seq.desc())


def _good(dataset: SavedDataset) -> Select[Any]:
    return _latest_first().where(runs.c.dataset_id == dataset.id, runs.c.version.is_not(None))


def _change(connection: Connection, run_id: str, states: Collection[RunState], changes: Mapping[str, Any]) -> Run:
    """The run changed, provided that it is in one of `states`."""
    allowed = (runs.c.id == run_id) & runs.c.state.in_(sorted(states))
    row = connection.execute(update(runs).where(allowed).values(changes).returning(*PUBLIC)).first()
    if row is None:
        stands = RunState(_found(_row(connection, run_id), run_id).state)
        raise InputError(
            phrase(
                "Run %(run_id)s is %(state)s: %(sentence)s",
                run_id=run_id,
                state=stands.label_in_sentence,
                sentence=stands.sentence,
            )
        )
    return as_run(row)
