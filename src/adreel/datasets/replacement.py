"""Rows and columns that a run would remove without reading them again, reported before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from adreel.arrow import pc
from adreel.datasets.dataset import Dataset, day_column
from adreel.datasets.lookback import first_kept_day
from adreel.datasets.schema import columns, key
from adreel.dates import Span, span, today_at
from adreel.errors import InputError
from adreel.lake import Lake
from adreel.language import integer, phrase, phrases, shown_day
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
    if method is Method.UPSERT and DAYS[0] not in lake.table(slug).schema.names:
        # Rows with a day of their own are of no range that another one replaces.
        return None
    if method is Method.UPSERT:
        rows = _count(lake, slug, DAYS, lambda batch: _same_start(batch, _spans(dataset, now)))
    else:
        rows = lake.table(slug).rows
    if not rows:
        return None
    if day_column(dataset):
        reason = phrase("the primary key of the table is not the dataset's, so the days cannot be merged")
    else:
        reason = phrase("its rows have no day, so figures for other days replace the ones in the table")
    return Loss(rows, reason)


def next_run_after_restore(dataset: Dataset) -> str:
    """What the next run does to rows that were restored, by the dataset's update method."""
    match dataset.update.method:
        case Method.REPLACE:
            return phrase("The next run replaces all rows of the table.")
        case Method.APPEND:
            return phrase("The next run adds its rows and changes none of these.")
        case Method.UPSERT:
            return phrase(
                "The next run updates the rows that it reads, and adds new ones. All other rows stay as restored."
            )
    if not day_column(dataset):
        return phrase("The next run replaces the rows of each ad account that it reads.")
    keep = dataset.update.keep_days
    if keep:
        return phrase(
            "The next run replaces the days of the dataset's dates and removes all but the last %(days)s days. Other "
            "days stay as restored; to update them, run a backfill.",
            days=integer(keep),
        )
    return phrase(
        "The next run replaces the days of the dataset's dates. Other days stay as restored; to update them, run a "
        "backfill."
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
        return Effect(phrase("The run creates the table with the rows of %(days)s.", days=days))
    loss = loss_by_other_days(lake, slug, dataset, now)
    if loss is not None:
        return Effect(
            phrase(
                "The run removes %(rows)s from the table: %(reason)s. Earlier versions can be restored.",
                rows=_rows(loss.rows),
                reason=loss.reason,
            ),
            loss,
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
    facts = {"days": days, "rows": _rows(every), "rows_of_days": integer(within)}
    if not within:
        added = phrase("The run adds the rows of %(days)s. The %(rows)s in the table stay.", **facts)
        return " ".join((added, *_next_run(method)))
    if method is Method.APPEND:
        return phrase(
            "The run adds the rows of %(days)s. The %(rows)s in the table stay, with %(rows_of_days)s of "
            "these days: these days are in the table twice then.",
            **facts,
        )
    if method is Method.UPSERT:
        return phrase(
            "The run updates the rows of %(days)s and adds new ones. No row is removed: the table has "
            "%(rows)s, %(rows_of_days)s of these days.",
            **facts,
        )
    others = every - within
    have = phrases(
        "The table has %(rows)s row of %(days)s; the run replaces it.",
        "The table has %(rows)s rows of %(days)s; the run replaces them.",
        within,
        rows=integer(within),
        days=days,
    )
    stay = phrases("The other %(rows)s row stays.", "The other %(rows)s rows stay.", others, rows=integer(others))
    return " ".join((have, *((stay,) if others else ()), *_next_run(method)))


def _next_run(method: Method) -> tuple[str, ...]:
    """What becomes of added days where the dataset's own runs replace the whole table."""
    if method is not Method.REPLACE:
        return ()
    return (phrase("The next run of the dataset's own dates replaces the whole table."),)


def _shown_days(dataset: Dataset, now: datetime) -> str:
    """The days, with a note if ad accounts in other time zones have others now."""
    assert dataset.dates is not None
    days = span(dataset.dates, today_at(now, timedelta()))
    shown = (
        shown_day(days.start)
        if days.days == 1
        else phrase(
            "%(start)s to %(end)s (%(days)s days)",
            start=shown_day(days.start),
            end=shown_day(days.end),
            days=integer(days.days),
        )
    )
    return shown if len(_spans(dataset, now)) == 1 else phrase("%(days)s in each ad account's time zone", days=shown)


def _spans(dataset: Dataset, now: datetime) -> set[Span]:
    """The days asked for, wherever an ad account is."""
    assert dataset.dates is not None
    return {span(dataset.dates, today_at(now, offset)) for offset in ZONES}


def _same_start(batch: Any, spans: set[Span]) -> Any:
    """Rows that a run over one of the spans would overwrite, though they cover other days."""
    starts, ends = (batch.column(name) for name in DAYS)
    overwritten = pa.repeat(pa.scalar(value=False), batch.num_rows)
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
            phrase(
                "The table keeps %(days)s days, from %(first_day)s on. These dates are earlier. Choose "
                "later dates or increase keep_days.",
                days=dataset.update.keep_days,
                first_day=shown_day(first),
            )
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
        yield phrase(
            "The next run replaces all %(rows)s rows of the table: the report or its primary key changes.",
            rows=integer(table.rows),
        )
        return
    if replaces and not replaced:
        yield phrase("Each run now replaces the whole table, which has %(rows)s rows today.", rows=integer(table.rows))
    if replaces:
        yield from _left_behind(lake, slug, before, after, now, newly=not replaced)
    keep, kept = after.update.keep_days, before.update.keep_days
    column = day_column(after)
    if after.update.method is Method.PARTITION and keep is not None and column and (kept is None or keep < kept):
        first = min(today_at(now, offset) for offset in ZONES) - timedelta(days=keep - 1)
        rows = _count(lake, slug, (column,), lambda batch: pc.less(_days(batch, column), first))
        if rows:
            yield phrase(
                "The next run removes %(rows)s of days before %(day)s: the table keeps %(days)s days.",
                rows=_rows(rows),
                day=shown_day(first),
                days=keep,
            )
    if column is None and after.dates is not None and after.dates != before.dates:
        yield from _other_range(lake, slug, after, now)
    yield from _columns(lake, slug, before, after)


def _other_range(lake: Lake, slug: str, after: Dataset, now: datetime) -> Iterator[str]:
    """The rows of figures over a range that give way to those over another one."""
    spans = _spans(after, now)
    if after.update.method is Method.REPLACE:
        first, last = min(days.start for days in spans), max(days.end for days in spans)
        rows = lake.table(slug).rows
        yield phrase(
            "The next run replaces %(rows)s: their figures are for other dates than %(first_day)s to %(last_day)s.",
            rows=_rows(rows),
            first_day=shown_day(first),
            last_day=shown_day(last),
        )
    elif after.update.method is Method.UPSERT and DAYS[0] in lake.table(slug).schema.names:
        rows = _count(lake, slug, DAYS, lambda batch: _same_start(batch, spans))
        if rows:
            yield phrase(
                "The next run replaces %(rows)s that start on the same day and end on another.", rows=_rows(rows)
            )


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
            yield phrase(
                "The next run removes %(rows)s of days outside the dataset's dates (%(first_day)s to %(last_day)s).",
                rows=_rows(rows),
                first_day=shown_day(first),
                last_day=shown_day(last),
            )
    wanted = after.advertisers
    if wanted and (newly or set(before.advertisers or ()) != set(wanted)):
        ids = pa.array(sorted(wanted), pa.string())
        rows = _count(lake, slug, ("advertiser_id",), lambda batch: pc.invert(pc.is_in(batch.column(0), value_set=ids)))
        if rows:
            yield phrase("The next run removes %(rows)s of ad accounts that are no longer selected.", rows=_rows(rows))


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
    number, names_shown = len(dropped), ", ".join(dropped)
    if after.reset_schema:
        yield phrases(
            "The next run removes %(number)s column with the values of %(rows)s: %(columns)s.",
            "The next run removes %(number)s columns with the values of %(rows)s: %(columns)s.",
            number,
            number=integer(number),
            rows=_rows(_count(lake, slug, tuple(dropped), _with_a_value)),
            columns=names_shown,
        )
    elif after.update.method is Method.REPLACE:
        yield phrases(
            "The next run empties %(number)s column in %(rows)s, as no longer selected: %(columns)s.",
            "The next run empties %(number)s columns in %(rows)s, as no longer selected: %(columns)s.",
            number,
            number=integer(number),
            rows=_rows(_count(lake, slug, tuple(dropped), _with_a_value)),
            columns=names_shown,
        )
    elif after.update.method is not Method.APPEND:
        yield phrases(
            "%(number)s column keeps its values and is no longer updated: %(columns)s.",
            "%(number)s columns keep their values and are no longer updated: %(columns)s.",
            number,
            number=integer(number),
            columns=names_shown,
        )


def _with_a_value(batch: Any) -> Any:
    """Rows with a value in any of the batch's columns."""
    present = pa.repeat(pa.scalar(value=False), batch.num_rows)
    for column in batch.columns:
        present = pc.or_(present, pc.is_valid(column))
    return present


def _rows(count: int) -> str:
    return phrases("%(rows)s row", "%(rows)s rows", count, rows=integer(count))
