"""Which transactions wrote the rows of each day of a table, and the figures of the day when they were last compared.

A row that is changed has another transaction, a row that is deleted is missing from its count, and a row that is added
has a transaction that the log lacks: where a day's transactions are those of the log, its rows are those that were
compared, and its figures still are what they were. `_adreel_row_log` at the destination has the log, which is void once
the table itself is another one or has other columns.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from adreel.destinations.figures import (
    CURRENCY,
    DayPlace,
    TableFigures,
    combined,
    day_place,
    figures_text,
    grouped_figures,
    read_figures,
)
from adreel.destinations.session import DestinationSession, Place, RowWriters
from adreel.errors import ProofError
from adreel.lake.engine import literal, quoted, sql
from adreel.language import Phrase, phrase

LOG = "_adreel_row_log"

TRANSACTIONS = 2**31
"""A log that is older than so many transactions is void: Postgres counts them anew after twice as many."""

_COLUMNS = "(table_name VARCHAR, day DATE, currency VARCHAR, writers VARCHAR, figures VARCHAR)"
_AT_ONCE = 200

_WRITER = quoted("writer of the row")


def prepare_log(session: DestinationSession, schema: str) -> None:
    """Creates the table unless it is there."""
    session.run(sql("CREATE TABLE IF NOT EXISTS", Place(schema, LOG).sql, _COLUMNS))


@dataclass(frozen=True, slots=True)
class DayLog:
    """What the log has of the rows of a day."""

    writers: Mapping[int, int]
    figures: TableFigures


@dataclass(frozen=True, slots=True)
class DaySpan:
    """Days from `first` to `last`."""

    first: date
    last: date

    def contains(self, place: DayPlace) -> bool:
        """Whether a day is one of them."""
        return place[0] is not None and self.first <= place[0] <= self.last

    def condition(self, column: str) -> str:
        """SQL for the rows of these days, which a database finds by an index of the column."""
        end = self.last + timedelta(days=1)
        return f"{column} >= {literal(self.first.isoformat())} AND {column} < {literal(end.isoformat())}"


class RowLog:
    """The log of one table, within a transaction of the destination."""

    def __init__(self, session: DestinationSession, place: Place, schema: Any, day_column: str, basis: str) -> None:
        """`basis` says of what columns the figures are; those of another one are void."""
        self._session = session
        self._place = place
        self._schema = schema
        self._day_column = day_column
        self._basis = basis
        self._table = Place(place.schema, LOG).sql
        self._name = literal(place.table)

    def compared(self, writers: RowWriters) -> Mapping[DayPlace, DayLog] | None:
        """The log, if the rows there are those of the log; None if there is no log that holds.

        Raises ProofError for rows that something else wrote or deleted.
        """
        log = self._read(writers)
        if log is None:
            return None
        there = self._writers(writers)
        self._refuse({place for place in there.keys() | log.keys() if there.get(place) != _writers(log, place)})
        return log

    def refuse_others(
        self, log: Mapping[DayPlace, DayLog], days: Mapping[DayPlace, DayLog], writers: RowWriters
    ) -> None:
        """Raises ProofError if days have rows that are neither of the log nor of this transaction."""
        self._refuse(
            {
                place
                for place, day in days.items()
                for writer, count in day.writers.items()
                if writer != writers.writer and count > (_writers(log, place) or {}).get(writer, 0)
            }
        )

    def _refuse(self, places: Collection[DayPlace]) -> None:
        if places:
            day, currency = min(places, key=repr)
            raise ProofError(phrase(_FOREIGN, table=str(self._place), day=day or "", currency=currency or ""))

    def _writers(self, writers: RowWriters) -> Mapping[DayPlace, Mapping[int, int]]:
        """The rows there of each transaction, by day and currency."""
        day = self._session.words.day.format(quoted(self._day_column))
        currency = quoted(CURRENCY) if CURRENCY in self._schema.names else "NULL"
        counts: dict[DayPlace, dict[int, int]] = {}
        for on, code, writer, count in writers.counts(self._place, day, currency):
            counts.setdefault(day_place(on, code), {})[writer] = int(count)
        return counts

    def days(self, writers: RowWriters | None, span: DaySpan | None) -> Mapping[DayPlace, DayLog]:
        """The transactions and figures of the rows there now, of some days or all."""
        where = "TRUE" if span is None else span.condition(quoted(self._day_column))
        added = "" if writers is None else f", {writers.column} AS {_WRITER}"
        table = f"(SELECT *{added} FROM {self._place.sql} WHERE {where}) t"  # noqa: S608 - SQL of ours
        schema, words, also = self._schema, self._session.words, None if writers is None else _WRITER
        several = grouped_figures(self._session.rows, table, schema, quoted, self._day_column, words, also)
        days: dict[DayPlace, DayLog] = {}
        for (place, writer), figures in several.items():
            before = days.get(place)
            counts = {} if before is None else dict(before.writers)
            if writers is not None:
                counts[writers.number(writer)] = figures.rows
            whole = figures if before is None else combined((before.figures, figures), schema, words)
            days[place] = DayLog(counts, whole)
        return days

    def write(self, writers: RowWriters, days: Mapping[DayPlace, DayLog], span: DaySpan | None = None) -> None:
        """Replaces what the log has of some days, or all of it."""
        where = f"table_name = {self._name}"
        if span is not None:
            where += f" AND (figures IS NULL OR {span.condition('day')})"
        self._session.run(sql("DELETE FROM", self._table, "WHERE", where))
        head = {"table": writers.table, "basis": self._basis, "transaction": writers.transaction}
        lines = [f"({self._name}, NULL, NULL, {literal(json.dumps(head))}, NULL)"]
        lines += [self._line(place, day) for place, day in days.items() if span is None or span.contains(place)]
        for start in range(0, len(lines), _AT_ONCE):
            self._session.run(sql("INSERT INTO", self._table, "VALUES", ", ".join(lines[start : start + _AT_ONCE])))

    def clear(self) -> None:
        """Forgets the log."""
        self._session.run(sql("DELETE FROM", self._table, "WHERE table_name =", self._name))

    def _line(self, place: DayPlace, log: DayLog) -> str:
        day, currency = (None if place[0] is None else place[0].isoformat()), place[1]
        values = (day, currency, json.dumps(log.writers), figures_text(log.figures))
        return f"({self._name}, {', '.join('NULL' if value is None else literal(value) for value in values)})"

    def _read(self, writers: RowWriters) -> Mapping[DayPlace, DayLog] | None:
        columns = "day, currency, writers, figures"
        rows = self._session.rows(sql("SELECT", columns, "FROM", self._table, "WHERE table_name =", self._name))
        heads = [json.loads(text) for _, _, text, figures in rows if figures is None]
        if len(heads) != 1 or not self._holds(heads[0], writers):
            return None
        return {
            day_place(day, code): DayLog(_numbers(json.loads(text)), read_figures(figures, self._schema))
            for day, code, text, figures in rows
            if figures is not None
        }

    def _holds(self, head: Mapping[str, Any], writers: RowWriters) -> bool:
        passed = writers.transaction - head["transaction"]
        return (head["table"], head["basis"]) == (writers.table, self._basis) and 0 < passed < TRANSACTIONS


def _numbers(counts: Mapping[str, int]) -> Mapping[int, int]:
    return {int(writer): count for writer, count in counts.items()}


def _writers(log: Mapping[DayPlace, DayLog], place: DayPlace) -> Mapping[int, int] | None:
    return log[place].writers if place in log else None


def written_by(days: Iterable[DayLog], writer: int) -> int:
    """How many rows a transaction wrote."""
    return sum(day.writers.get(writer, 0) for day in days)


def joined(*spans: DaySpan | None) -> DaySpan | None:
    """From the first day of all spans to their last; None without any."""
    some = [span for span in spans if span is not None]
    return DaySpan(min(span.first for span in some), max(span.last for span in some)) if some else None


def day_spans(days: Iterable[date]) -> Iterator[DaySpan]:
    """The days as spans without gaps, the earliest first."""
    span: DaySpan | None = None
    for day in sorted(days):
        if span is not None and day - span.last > timedelta(days=1):
            yield span
            span = None
        span = DaySpan(day if span is None else span.first, day)
    if span is not None:
        yield span


_FOREIGN = Phrase(
    "Something other than adreel wrote to or deleted rows of %(day)s %(currency)s in the table %(table)s at the "
    "destination."
)
