"""A version of a dataset's table brought to a destination: only what changed since the version there, and proved.

Everything is one transaction of the destination, which says in a table of its own which version it has. A process that
dies leaves it as it was; a repeated publish finds that there is nothing to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar

from adreel.arrow import pc
from adreel.destinations.figures import DayPlace, TableFigures, combined, day_figures, prove
from adreel.destinations.file_figures import FileFigures, prepare_files
from adreel.destinations.history import HistoryPublisher, HistoryState, KindsBetween, history_place
from adreel.destinations.marks import TableMark, foreign, is_in_lake, refuse_changed
from adreel.destinations.published_figures import prepare_figures, write_figures
from adreel.destinations.row_log import DayLog, DaySpan, RowLog, day_spans, joined, prepare_log, written_by
from adreel.destinations.session import DestinationSession, Place, RowWriters
from adreel.enumerations import TextEnum
from adreel.errors import InputError, ProofError
from adreel.lake import Lake
from adreel.lake.engine import literal, quoted, sql
from adreel.language import Phrase, phrase

MARKS = "_adreel_tables"
"""The table in each schema that says which version each of adreel's tables has."""

HISTORY_PUBLISHER = "/history"
"""What follows a publisher in the mark of a history."""

T = TypeVar("T")

_OUTDATED = "adreel_outdated"


class PublishMode(TextEnum):
    """What was sent; `label` says it to a person."""

    label: str

    NOTHING = "nothing", Phrase("Up to date")
    CHANGES = "changes", Phrase("Changes")
    FULL = "full", Phrase("Whole table")


@dataclass(frozen=True, slots=True)
class PublishOrder:
    """What to publish where: a version of the table `slug`, and who publishes it.

    `publisher` tells this dataset of this installation from all others. With `reload` the table there is dropped and
    made anew, whichever adreel published it. With `history` the rows of each version are published beside it; it gives
    the kinds of the days between two versions.
    """

    slug: str
    version: int
    run_id: str
    publisher: str
    place: Place
    reload: bool = False
    history: KindsBetween | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """What a publish did: rows of the table, and rows that were written and removed to get there.

    `notes` say what the table there does not have, and `repairs` what something else had changed there.
    """

    mode: PublishMode
    rows: int
    written: int
    removed: int
    notes: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()

    def after_repair(self, place: Place) -> Published:
        """The same of a table that something else had changed."""
        return replace(self, repairs=(phrase(_REPAIRED, table=str(place)), *self.repairs))


def publish(session: DestinationSession, lake: Lake, order: PublishOrder, now: datetime) -> Published:
    """Brings the version to the destination.

    Raises ProofError if the table there is not the version's afterwards, InputError for a table that is not adreel's
    and for columns of another type, and errors of the lake and of the destination. The table is then as it was.
    """
    with session.transaction(f"adreel schema {order.place.schema}"):
        session.run(sql("CREATE SCHEMA IF NOT EXISTS", quoted(order.place.schema)))
        session.run(sql("CREATE TABLE IF NOT EXISTS", _marks(order.place), _MARK_COLUMNS))
        prepare_figures(session, order.place.schema)
        prepare_files(session, order.place.schema)
        prepare_log(session, order.place.schema)
    with ThreadPoolExecutor(2) as pool:
        publication = _TablePublisher(session, lake, order, now, pool)
        try:
            with session.transaction(f"adreel table {order.place}"):
                return publication.run(may_change=not order.reload)
        except ProofError:
            # The copy was not that of the version before: somebody wrote to it, or it was restored.
            with session.transaction(f"adreel table {order.place}"):
                published = publication.run(may_change=False)
            return published.after_repair(order.place)


_REPAIRED = Phrase("Something else had changed the table %(table)s, so all rows were sent again.")


_MARK_COLUMNS = (
    "(table_name VARCHAR PRIMARY KEY, publisher VARCHAR, version BIGINT, run_id VARCHAR, columns VARCHAR, "
    "row_count BIGINT, published_at TIMESTAMPTZ)"
)


def _marks(place: Place) -> str:
    return Place(place.schema, MARKS).sql


class _TablePublisher:
    """One version on its way to one destination, within a transaction."""

    def __init__(
        self, session: DestinationSession, lake: Lake, order: PublishOrder, now: datetime, pool: Executor
    ) -> None:
        """`pool` reads the version's figures while rows are sent, and the table there while changes are read."""
        self._session = session
        self._pool = pool
        self._files: Future[Mapping[str, TableFigures]] | None = None
        self._recorded: frozenset[str] = frozenset()
        self._lake = lake
        self._order = order
        self._now = now
        self._place = order.place
        self._table = lake.table(order.slug, order.version)
        self._types = {field.name: session.type_of(field.type) for field in self._table.schema}
        self._file_figures = FileFigures(lake, order.slug, order.version, self._day_column, session.words.for_version)

    def run(self, *, may_change: bool) -> Published:
        """Brings it there, by its changes if it may and they can be known."""
        published = self._publish_table(may_change=may_change)
        if self._order.history is None:
            return published
        return replace(published, repairs=self._publish_history(self._order.history))

    def _publish_table(self, *, may_change: bool) -> Published:
        mark, there = self._mark(self._place), frozenset(self._session.columns(self._place))
        if mark is None and there:
            raise foreign(self._place)
        if mark is not None and not self._order.reload:
            refuse_changed(mark, self._order.publisher, self._place, self._types)
        self._begin_figures(may_change=may_change)
        if not may_change or mark is None or not there:
            return self._publish_whole(mark, there)
        # Columns of others are theirs to write, which may be what changed rows: then all figures are compared.
        is_ours = there <= mark.columns.keys() | self._types.keys()
        compared = self._in_background(lambda: self._compare_log() if is_ours else None)
        try:
            if mark.run_id == self._order.run_id:
                compared.result()
                days, _ = self._days_there(None)
                prove(
                    self._version_figures,
                    self._whole(day.figures for day in days.values()),
                    str(self._place),
                    is_exact=True,
                )
                return Published(PublishMode.NOTHING, self._table.rows, 0, 0)
            return self._change(mark, there, compared) or self._publish_whole(mark, there)
        finally:
            # Whatever happens to the transaction, nobody else uses the connection.
            wait([compared])

    def _publish_whole(self, mark: TableMark | None, there: frozenset[str]) -> Published:
        published = self._load(there)
        self._finish(mark, published, None, None)
        return published

    def _finish(
        self, mark: TableMark | None, published: Published, log: Mapping[DayPlace, DayLog] | None, span: DaySpan | None
    ) -> None:
        """Compares the table with the version, by its log as far as that goes, and says what it has."""
        if self._day_column is not None:
            self._session.index(self._place, self._day_column)
        self._prove(published, log, span)
        earlier = {} if mark is None or self._order.reload else mark.columns
        self._write_mark(self._place, self._order.publisher, dict(earlier) | self._types)
        self._file_figures.write(self._session, self._place, self._read_files(), self._recorded)

    def _publish_history(self, kinds: KindsBetween) -> tuple[str, ...]:
        """Brings the history there, and says what others had changed in it."""
        place, publisher = history_place(self._place), self._order.publisher + HISTORY_PUBLISHER
        mark, there = self._mark(place), self._session.columns(place)
        if (mark is None and there) or (mark is not None and not mark.publisher.endswith(HISTORY_PUBLISHER)):
            raise InputError(phrase(_NO_HISTORY, history=str(place), table=self._place.table))
        if mark is not None and not self._order.reload:
            refuse_changed(mark, publisher, place, self._types)
        is_kept = mark is not None and there and not self._order.reload
        state = HistoryState(mark.version, mark.run_id, mark.columns) if is_kept and mark is not None else None
        history = HistoryPublisher(self._session, self._lake, self._order.slug, self._order.version, place, kinds)
        self._write_mark(place, publisher, history.run(state, self._version_figures, self._types))
        return history.repairs

    # -- what is there

    def _mark(self, place: Place) -> TableMark | None:
        query = sql(
            "SELECT publisher, version, run_id, columns FROM",
            _marks(place),
            "WHERE table_name =",
            literal(place.table),
        )
        for publisher, version, run_id, columns in self._session.rows(query):
            return TableMark(publisher, int(version), run_id, json.loads(columns))
        return None

    # -- ways there

    def _change(
        self, mark: TableMark, there: frozenset[str], compared: Future[Mapping[DayPlace, DayLog] | None]
    ) -> Published | None:
        """Sends what changed since the version there; None if that cannot be known."""
        if not is_in_lake(self._lake, self._order.slug, mark):
            compared.result()
            return None
        with self._lake.row_changes(self._order.slug, mark.version, self._order.version) as changes:
            log = compared.result()
            if changes is None:
                return None
            gone = there & mark.columns.keys() - self._types.keys()
            if gone or self._types.keys() - there:
                log = None
            self._add_columns(there)
            self._empty_columns(gone)
            removed, spans = 0, self._delete_days(changes.whole_days)
            if changes.key:
                removed, outdated = changes.count_removed(), CountedRows(changes.outdated(), self._day_column)
                self._session.stage(_OUTDATED, outdated.reader(), changes.key)
                self._delete(_OUTDATED, changes.key, outdated.span)
                spans.append(outdated.span)
            written = CountedRows(changes.written(), self._day_column)
            self._session.append(self._place, written.reader())
            spans.append(written.span)
            # The days of rows that left are known only by their keys.
            has_days = self._day_column in changes.key
        published = Published(PublishMode.CHANGES, self._table.rows, written.rows, removed)
        self._finish(mark, published, log, joined(*spans) if has_days else None)
        return published

    def _delete_days(self, days: Iterable[date]) -> list[DaySpan | None]:
        """Deletes all rows of some days; which these are."""
        spans: list[DaySpan | None] = []
        for span in day_spans(days):
            where = span.condition(quoted(self._day_column or ""))
            self._session.run(sql("DELETE FROM", self._place.sql, "WHERE", where))
            spans.append(span)
        return spans

    def _delete(self, staged: str, key: tuple[str, ...], span: DaySpan | None) -> None:
        on = [f"{self._place.sql}.{quoted(name)} = k.{quoted(name)}" for name in key]
        if self._day_column in key and self._day_column is not None:
            if span is None:
                return
            # As values, so that the database reads these days alone, by its index or by what it knows of blocks.
            on.append(span.condition(f"{self._place.sql}.{quoted(self._day_column)}"))
        self._session.run(sql("DELETE FROM", self._place.sql, "USING", quoted(staged), "k WHERE", " AND ".join(on)))

    def _load(self, there: frozenset[str]) -> Published:
        """Sends all rows; those that were there go in the same transaction."""
        if self._order.reload and there:
            self._session.run(sql("DROP TABLE", self._place.sql))
            there = frozenset()
        if there:
            # Not `there`: what could not be sent as changes may have its new columns already.
            self._add_columns(frozenset(self._session.columns(self._place)))
            self._session.run(sql("DELETE FROM", self._place.sql))
        else:
            columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in self._types.items())
            self._session.run(sql("CREATE TABLE", self._place.sql, "(", columns, ")"))
        self._session.append(self._place, self._lake.read(self._order.slug, self._order.version))
        return Published(PublishMode.FULL, self._table.rows, self._table.rows, 0)

    def _add_columns(self, there: frozenset[str]) -> None:
        for name, kind in self._types.items():
            if name not in there:
                self._session.run(sql("ALTER TABLE", self._place.sql, "ADD COLUMN", quoted(name), kind))

    def _empty_columns(self, names: Iterable[str]) -> None:
        """Empties columns that the version does not have any more: they stay for who uses them, without old values."""
        for name in sorted(names):
            column = quoted(name)
            self._session.run(sql("UPDATE", self._place.sql, "SET", column, "= NULL WHERE", column, "IS NOT NULL"))

    # -- proof

    def _prove(self, published: Published, log: Mapping[DayPlace, DayLog] | None, span: DaySpan | None) -> None:
        """Raises ProofError unless the table is the version's. `log` is that of the days outside `span`."""
        is_partial = log is not None and span is not None
        fresh, writers = self._days_there(span if is_partial else None)
        if self._row_log is not None and log is not None and writers is not None:
            # Whoever wrote after the look at the log.
            self._row_log.refuse_others(log, fresh, writers)
        outside = {} if log is None or span is None else {p: day for p, day in log.items() if not span.contains(p)}
        figures = [day.figures for day in (*outside.values(), *fresh.values())]
        prove(self._version_figures, self._whole(figures), str(self._place), is_exact=True)
        if self._row_log is None:
            return
        if writers is not None and written_by(fresh.values(), writers.writer) == published.written:
            self._row_log.write(writers, fresh, span if is_partial else None)
        else:
            # This database does not say what rows this transaction wrote.
            self._row_log.clear()

    def _days_there(self, span: DaySpan | None) -> tuple[Mapping[DayPlace, DayLog], RowWriters | None]:
        """The days of the table, or those of a span, and who may have written them, where the database says."""
        if self._row_log is not None:
            writers = self._session.row_writers(self._place)
            return self._row_log.days(writers, span), writers
        session, schema = self._session, self._table.schema
        there = day_figures(session.rows, self._place.sql, schema, quoted, None, session.words)
        return {place: DayLog({}, figures) for place, figures in there.items()}, None

    def _compare_log(self) -> Mapping[DayPlace, DayLog] | None:
        """What the log says of the table, if it holds. ProofError if something else wrote to the table."""
        writers = None if self._row_log is None else self._session.row_writers(self._place)
        return None if writers is None or self._row_log is None else self._row_log.compared(writers)

    @cached_property
    def _row_log(self) -> RowLog | None:
        if self._day_column is None:
            return None
        basis = self._file_figures.basis
        return RowLog(self._session, self._place, self._table.schema, self._day_column, basis)

    def _whole(self, several: Iterable[TableFigures]) -> TableFigures:
        return combined(several, self._table.schema, self._session.words)

    def _in_background(self, work: Callable[[], T]) -> Future[T]:
        return self._pool.submit(copy_context().run, work)

    def _begin_figures(self, *, may_change: bool) -> None:
        """Reads the version's figures in the background; those of all files unless the table may be changed."""
        recorded = self._file_figures.recorded(self._session, self._place) if may_change else {}
        self._recorded = frozenset(recorded)
        self._files = self._in_background(lambda: self._file_figures.read(recorded))

    def _read_files(self) -> Mapping[str, TableFigures]:
        assert self._files is not None, "it was begun"
        return self._files.result()

    @property
    def _version_figures(self) -> TableFigures:
        return self._file_figures.whole(self._read_files())

    @cached_property
    def _day_column(self) -> str | None:
        return day_column(self._lake, self._order)

    def _write_mark(self, place: Place, publisher: str, types: Mapping[str, str]) -> None:
        """Says which version the table has, and the figures that it must have, in the same transaction."""
        values = (
            literal(place.table),
            literal(publisher),
            str(self._order.version),
            literal(self._order.run_id),
            literal(json.dumps(types, ensure_ascii=False)),
            str(self._table.rows),
            literal(self._now.isoformat()),
        )
        self._session.run(sql("DELETE FROM", _marks(place), "WHERE table_name =", literal(place.table)))
        self._session.run(sql("INSERT INTO", _marks(place), "VALUES (", ", ".join(values), ")"))
        write_figures(self._session, place, self._table.schema, self._version_figures)


def day_column(lake: Lake, order: PublishOrder) -> str | None:
    """The column of the version's days; None if it has none."""
    version = lake.version(order.slug, order.version)
    return version.day_column if version is not None else None


class CountedRows:
    """A reader of batches that counts their rows as they are read, and notes their first and last day."""

    def __init__(self, batches: Any, day_column: str | None = None) -> None:
        self._batches = batches
        self._day_column = day_column if day_column in batches.schema.names else None
        self.rows = 0
        self.days: list[date] = []

    def reader(self) -> Any:
        """The batches as a pyarrow RecordBatchReader."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self._batches.schema, self._read())

    def _read(self) -> Iterator[Any]:
        for batch in self._batches:
            self.rows += batch.num_rows
            if self._day_column is not None and batch.num_rows:
                ends = pc.min_max(batch.column(self._day_column)).as_py()
                self.days += [_day(end) for end in ends.values() if end is not None]
            yield batch

    @property
    def span(self) -> DaySpan | None:
        """The days that were read so far; None without any."""
        return DaySpan(min(self.days), max(self.days)) if self.days else None


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


_NO_HISTORY = Phrase(
    "The table %(history)s at the destination is not the history of %(table)s. Publish to another table, or without "
    "history."
)
