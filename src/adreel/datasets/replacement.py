"""Rows and columns that a run would remove without reading them again, reported before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adreel.datasets.dataset import Dataset
from adreel.datasets.lookback import first_kept_day
from adreel.datasets.schema import columns, day_column, key
from adreel.dates import Span, span, today_at
from adreel.errors import InputError
from adreel.lake import Lake
from adreel.update_methods import Method

ZONES = tuple(timedelta(hours=hours) for hours in (-12, 0, 14))
"""The westernmost, a middle and the easternmost offset: no ad account's today is another day than in one of these."""

DAYS = "start_date", "end_date"
"""The columns of the days that a row's figures cover, where rows are of no single day."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Rows that would go without being read again, and why."""

    rows: int
    reason: str


def merges_by_day(lake: Lake, slug: str, dataset: Dataset) -> bool:
    """Whether a run of other days can replace just these days in the table: rows have a day, and the same key."""
    latest, column = next(iter(lake.versions(slug)), None), day_column(dataset)
    return latest is not None and column in lake.table(slug).schema.names and latest.key == key(dataset)


def loss_by_other_days(lake: Lake, slug: str, dataset: Dataset, now: datetime) -> Loss | None:
    """What a run for other days takes out of the table; `dataset` has these days. None if it only merges.

    Append only adds. Days merge where rows have a day. Without one, figures over the other days take the place of
    those over the dataset's own: all with replace and partition, those of the same first day with upsert.
    """
    method = dataset.update.method
    if dataset.dates is None or method is Method.APPEND or not lake.exists(slug):
        return None
    if merges_by_day(lake, slug, dataset) or (day_column(dataset) and method is not Method.REPLACE):
        return None
    if method is Method.UPSERT:
        rows = _count(lake, slug, DAYS, lambda batch: _same_start(batch, _spans(dataset, now)))
    else:
        rows = lake.table(slug).rows
    if not rows:
        return None
    if day_column(dataset):
        reason = "the primary key of the table is not the dataset's, so the days cannot be merged"
    else:
        reason = "its rows have no day, so figures for other days replace the ones in the table"
    return Loss(rows, reason)


def next_run_after_restore(dataset: Dataset) -> str:
    """What the next run does to rows that were restored, by the dataset's update method."""
    match dataset.update.method:
        case Method.REPLACE:
            return "The next run replaces all rows of the table."
        case Method.APPEND:
            return "The next run adds its rows and changes none of these."
        case Method.UPSERT:
            return "The next run updates the rows that it reads, and adds new ones. All other rows stay as restored."
    if not day_column(dataset):
        return "The next run replaces the rows of each ad account that it reads."
    keep = dataset.update.keep_days
    kept = f" and removes all but the last {keep:,} days" if keep else ""
    return (
        f"The next run replaces the days of the dataset's dates{kept}. Other days stay as restored; to update them, "
        "run a backfill."
    )


@dataclass(frozen=True, slots=True)
class Effect:
    """What a run for other days does to the table, in sentences; `loss` if it removes rows that it does not read."""

    sentences: str
    loss: Loss | None = None


def effect_of_other_days(lake: Lake, slug: str, dataset: Dataset, now: datetime) -> Effect:
    """What a run for other days does to the table; `dataset` has these days.

    Raises InputError for days that the dataset's rolling window does not keep.
    """
    refuse_unkept_days(dataset, now)
    days = _shown_days(dataset, now)
    if not lake.exists(slug):
        return Effect(f"The run creates the table with the rows of {days}.")
    loss = loss_by_other_days(lake, slug, dataset, now)
    if loss is not None:
        return Effect(
            f"The run removes {_rows(loss.rows)} from the table: {loss.reason}. Earlier versions can be restored.", loss
        )
    return Effect(_merge(lake, slug, dataset, days, now))


def rows_of_days(lake: Lake, slug: str, dataset: Dataset, now: datetime) -> int:
    """The rows that the table has of the days of `dataset`; 0 without a table, and where rows have no day."""
    column = day_column(dataset)
    if column is None or not lake.exists(slug):
        return 0
    spans = _spans(dataset, now)
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    return _count(lake, slug, (column,), lambda batch: _inside(_days(batch, column), first, last))


def _merge(lake: Lake, slug: str, dataset: Dataset, days: str, now: datetime) -> str:
    """What a run for other days does where it removes nothing that it does not read again."""
    every, method = lake.table(slug).rows, dataset.update.method
    within = rows_of_days(lake, slug, dataset, now)
    if not within:
        return f"The run adds the rows of {days}. The {_rows(every)} in the table stay.{_next_run(method)}"
    if method is Method.APPEND:
        return (
            f"The run adds the rows of {days}. The {_rows(every)} in the table stay, with {within:,} of these days: "
            "these days are in the table twice then."
        )
    if method is Method.UPSERT:
        return (
            f"The run updates the rows of {days} and adds new ones. No row is removed: the table has {_rows(every)}, "
            f"{within:,} of these days."
        )
    others = every - within
    stay = f" The other {_rows(others)} {'stays' if others == 1 else 'stay'}." if others else ""
    have = f"The table has {_rows(within)} of {days}; the run replaces {'it' if within == 1 else 'them'}."
    return f"{have}{stay}{_next_run(method)}"


def _next_run(method: Method) -> str:
    """What becomes of added days where the dataset's own runs replace the whole table."""
    return " The next run of the dataset's own dates replaces the whole table." if method is Method.REPLACE else ""


def _shown_days(dataset: Dataset, now: datetime) -> str:
    """The days, with a note if ad accounts in other time zones have others now."""
    assert dataset.dates is not None
    days = span(dataset.dates, today_at(now, timedelta()))
    shown = f"{days.start}" if days.days == 1 else f"{days.start} to {days.end} ({days.days:,} days)"
    return shown if len(_spans(dataset, now)) == 1 else f"{shown} in each ad account's time zone"


def _spans(dataset: Dataset, now: datetime) -> set[Span]:
    """The days asked for, wherever an ad account is."""
    assert dataset.dates is not None
    return {span(dataset.dates, today_at(now, offset)) for offset in ZONES}


def _same_start(batch: Any, spans: set[Span]) -> Any:
    """Rows that a run over one of the spans would overwrite, though they cover other days."""
    starts, ends = (batch.column(name) for name in DAYS)
    overwritten = pa.array(np.zeros(batch.num_rows, bool))
    for days in spans:
        overwritten = pc.or_(overwritten, pc.and_(pc.equal(starts, days.start), pc.not_equal(ends, days.end)))
    return overwritten


def _count(lake: Lake, slug: str, names: tuple[str, ...], chosen: Callable[[Any], Any]) -> int:
    """The rows of the table for which `chosen` says yes; 0 if it lacks one of the columns."""
    if not set(names) <= set(lake.table(slug).schema.names):
        return 0
    return sum(int(pc.sum(chosen(batch)).as_py() or 0) for batch in lake.read(slug, columns=names))


def refuse_unkept_days(dataset: Dataset, now: datetime) -> None:
    """Raises InputError if the dataset's rolling window keeps none of the days that it is to read."""
    first = first_kept_day(dataset, now)
    if first is not None and max(days.end for days in _spans(dataset, now)) < first:
        raise InputError(
            f"The table keeps {dataset.update.keep_days} days, from {first} on. These dates are earlier. Choose later "
            "dates or increase keep_days."
        )


def loss_by_change(lake: Lake, slug: str, before: Dataset, after: Dataset, now: datetime) -> tuple[str, ...]:
    """What the next run takes out of the table, or stops to read, since the dataset was changed; in sentences.

    What `before` does anyway is not repeated. Empty if there is no table.
    """
    return tuple(_losses(lake, slug, before, after, now)) if lake.exists(slug) else ()


def _losses(lake: Lake, slug: str, before: Dataset, after: Dataset, now: datetime) -> Iterator[str]:
    table = lake.table(slug)
    replaces, replaced = (dataset.update.method is Method.REPLACE for dataset in (after, before))
    if not table.rows:
        return
    if key(before) != key(after) or before.report != after.report:
        yield f"The next run replaces all {table.rows:,} rows of the table: the report or its primary key changes."
        return
    if replaces and not replaced:
        yield f"Each run now replaces the whole table, which has {table.rows:,} rows today."
    if replaces:
        yield from _left_behind(lake, slug, before, after, now, newly=not replaced)
    keep, kept = after.update.keep_days, before.update.keep_days
    column = day_column(after)
    if after.update.method is Method.PARTITION and keep is not None and column and (kept is None or keep < kept):
        first = min(today_at(now, offset) for offset in ZONES) - timedelta(days=keep - 1)
        rows = _count(lake, slug, (column,), lambda batch: pc.less(_days(batch, column), first))
        if rows:
            yield f"The next run removes {_rows(rows)} of days before {first}: the table keeps {keep} days."
    if column is None and after.dates is not None and after.dates != before.dates:
        yield from _other_range(lake, slug, after, now)
    yield from _columns(lake, slug, before, after)


def _other_range(lake: Lake, slug: str, after: Dataset, now: datetime) -> Iterator[str]:
    """The rows of figures over a range that give way to those over another one."""
    spans = _spans(after, now)
    if after.update.method is Method.REPLACE:
        first, last = min(days.start for days in spans), max(days.end for days in spans)
        rows = lake.table(slug).rows
        yield f"The next run replaces {_rows(rows)}: their figures are for other dates than {first} to {last}."
    elif after.update.method is Method.UPSERT:
        rows = _count(lake, slug, DAYS, lambda batch: _same_start(batch, spans))
        if rows:
            yield f"The next run replaces {_rows(rows)} that start on the same day and end on another."


def _left_behind(
    lake: Lake, slug: str, before: Dataset, after: Dataset, now: datetime, *, newly: bool
) -> Iterator[str]:
    """The rows of days and ad accounts that a replacing run reads no more."""
    column = day_column(after)
    if column and after.dates is not None and (newly or after.dates != before.dates):
        spans = _spans(after, now)
        first, last = min(days.start for days in spans), max(days.end for days in spans)
        rows = _count(lake, slug, (column,), lambda batch: _outside(_days(batch, column), first, last))
        if rows:
            yield f"The next run removes {_rows(rows)} of days outside the dataset's dates ({first} to {last})."
    wanted = after.advertisers
    if wanted and (newly or set(before.advertisers or ()) != set(wanted)):
        ids = pa.array(sorted(wanted), pa.string())
        rows = _count(lake, slug, ("advertiser_id",), lambda batch: pc.invert(pc.is_in(batch.column(0), value_set=ids)))
        if rows:
            yield f"The next run removes {_rows(rows)} of ad accounts that are no longer selected."


def _days(batch: Any, column: str) -> Any:
    return pc.cast(batch.column(column), pa.date32())


def _inside(days: Any, first: date, last: date) -> Any:
    return pc.and_(pc.greater_equal(days, first), pc.less_equal(days, last))


def _outside(days: Any, first: date, last: date) -> Any:
    return pc.or_(pc.less(days, first), pc.greater(days, last))


def _columns(lake: Lake, slug: str, before: Dataset, after: Dataset) -> Iterator[str]:
    """The columns that are asked for no more, and in how many rows they have values."""
    names = lake.table(slug).schema.names
    asked = {column.name for column in columns(after)}
    dropped = [column.name for column in columns(before) if column.name in names and column.name not in asked]
    if after.reset_schema and not before.reset_schema:
        dropped = [name for name in names if name not in asked]
    if not dropped:
        return
    shown = f"{', '.join(dropped)}."
    several = f"{len(dropped)} columns" if len(dropped) > 1 else "1 column"
    if after.reset_schema:
        rows = _rows(_count(lake, slug, tuple(dropped), _with_a_value))
        yield f"The next run removes {several} with the values of {rows}: {shown}"
    elif after.update.method is Method.REPLACE:
        rows = _rows(_count(lake, slug, tuple(dropped), _with_a_value))
        yield f"The next run empties {several} in {rows}, as no longer selected: {shown}"
    elif after.update.method is not Method.APPEND:
        keeps = "keep their values and are" if len(dropped) > 1 else "keeps its values and is"
        yield f"{several} {keeps} no longer updated: {shown}"


def _with_a_value(batch: Any) -> Any:
    """Rows with a value in any of the batch's columns."""
    present = pa.array(np.zeros(batch.num_rows, bool))
    for column in batch.columns:
        present = pc.or_(present, pc.is_valid(column))
    return present


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"
