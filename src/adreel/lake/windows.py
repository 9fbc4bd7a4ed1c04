"""The advertiser-days that a run read whole, and which rows of a table are in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from adreel.arrow import pc
from adreel.lake.columns import day_of
from adreel.lake.files import DataFile, Range

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """Advertisers and the days, both ends included and each in the advertiser's own zone, that were read of them."""

    advertiser_ids: frozenset[str]
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Spared:
    """Rows that stay although a window holds them: those with one of the `values` in `columns`.

    Those with a value of `other_values` in `other_column` leave all the same.
    """

    columns: tuple[str, ...]
    values: frozenset[tuple[str, ...]]
    other_column: str | None = None
    other_values: frozenset[str] = frozenset()

    @property
    def looked_at(self) -> tuple[str, ...]:
        """The columns that decide."""
        return (*self.columns, *((self.other_column,) if self.other_column else ()))

    def mask(self, batch: Any) -> Any:
        """For each row of the batch whether it stays."""
        stays = _having(batch, self.columns, self.values)
        if self.other_column and self.other_values:
            others = pa.array(sorted(self.other_values), pa.string())
            stays = pc.and_(stays, pc.invert(pc.is_in(batch.column(self.other_column), value_set=others)))
        return stays


@dataclass(frozen=True, slots=True)
class Superseded:
    """Rows that new rows of another key take the place of: those with one of the `values` in `columns`.

    `by_day` has the values of `other_column` that the new rows have on each day.
    """

    columns: tuple[str, ...]
    values: frozenset[tuple[str, ...]]
    other_column: str
    by_day: Mapping[date, frozenset[str]] = field(hash=False)

    @property
    def looked_at(self) -> tuple[str, ...]:
        """The columns that decide, besides the day."""
        return (*self.columns, self.other_column)

    def mask(self, batch: Any, days: Any) -> Any:
        """For each row of the batch, whose days are `days`, whether it leaves."""
        leaves = pa.repeat(pa.scalar(False), batch.num_rows)
        for day, values in self.by_day.items():
            others = pa.array(sorted(values), pa.string())
            same = pc.and_(pc.equal(days, day), pc.is_in(batch.column(self.other_column), value_set=others))
            leaves = pc.or_(leaves, pc.fill_null(same, False))
        return pc.and_(leaves, _having(batch, self.columns, self.values))


class Leaving:
    """Rows that leave a table: those of the windows that are not `spared`, and those of days before `keep_from`.

    Without a day column the windows' advertisers leave whole. Rows that are `superseded` leave, too.
    """

    def __init__(
        self,
        windows: Iterable[Window],
        keep_from: date | None,
        day_column: str | None,
        advertiser_column: str,
        spared: Spared | None = None,
        superseded: Superseded | None = None,
    ) -> None:
        self._spared = spared
        self._superseded = superseded
        windows = tuple(windows)
        by_day = _spans(windows) if day_column else {None: _advertisers(windows)}
        self._spans = by_day if windows else {}
        self._keep_from = keep_from
        self._day_column = day_column
        self._advertiser_column = advertiser_column

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `inside` and `expired` look at."""
        return tuple(name for name in (self._day_column, self._advertiser_column) if name)

    @property
    def mask_columns(self) -> tuple[str, ...]:
        """Those and the columns of the rows that are spared or superseded."""
        # Without windows no advertiser leaves, and rows need not have one.
        own = self.columns if self._spans else (self._day_column,) if self._day_column else ()
        others = [rows.looked_at for rows in (self._spared, self._superseded) if rows is not None]
        return tuple(dict.fromkeys((*own, *(name for names in others for name in names))))

    def mask(self, batch: Any) -> Any:
        """For each row of the batch whether it leaves; a row without a day or advertiser is in no window."""
        days = day_of(batch.column(self._day_column)) if self._day_column else None
        expired = self._expired(days, batch.num_rows)
        inside = self.inside(batch)
        if self._spared is not None:
            inside = pc.and_(inside, pc.invert(self._spared.mask(batch)))
        if self._superseded is not None:
            inside = pc.or_(inside, self._superseded.mask(batch, days))
        return pc.or_(expired, inside)

    def inside(self, batch: Any) -> Any:
        """For each row of the batch whether a window holds it."""
        inside = pa.repeat(pa.scalar(False), batch.num_rows)
        days = day_of(batch.column(self._day_column)) if self._day_column else None
        bounds = _bounds(days)
        advertisers = batch.column(self._advertiser_column) if self._spans else None
        for span, ids in self._spans.items():
            if span and not _meet(span, bounds):
                continue
            in_span = pc.is_in(advertisers, value_set=ids)
            if span:
                in_span = pc.and_(in_span, pc.and_(pc.greater_equal(days, span[0]), pc.less_equal(days, span[1])))
            inside = pc.or_(inside, pc.fill_null(in_span, False))
        return inside

    def expired(self, batch: Any) -> Any:
        """For each row of the batch whether its day is before `keep_from`."""
        days = day_of(batch.column(self._day_column)) if self._day_column else None
        return self._expired(days, batch.num_rows)

    def may_touch(self, file: DataFile) -> bool:
        """Whether rows of the file may leave, judged by its ranges."""
        days = as_days(file.ranges.get(self._day_column or ""))
        if self._keep_from and (days is None or days[0] < self._keep_from):
            return True
        if self._superseded is not None and (
            days is None or any(days[0] <= day <= days[1] for day in self._superseded.by_day)
        ):
            return True
        advertisers = file.ranges.get(self._advertiser_column)
        return any(
            (span is None or days is None or _meet(span, days))
            and (advertisers is None or pc.any(_between(ids, advertisers)).as_py())
            for span, ids in self._spans.items()
        )

    def _expired(self, days: Any, rows: int) -> Any:
        if self._keep_from is None or days is None:
            return pa.repeat(pa.scalar(False), rows)
        return pc.fill_null(pc.less(days, self._keep_from), False)


def _having(batch: Any, columns: tuple[str, ...], several: frozenset[tuple[str, ...]]) -> Any:
    """For each row of the batch whether it has one of the `several` values in the columns."""
    has = pa.repeat(pa.scalar(False), batch.num_rows)
    for values in sorted(several):
        same = pa.repeat(pa.scalar(True), batch.num_rows)
        for name, value in zip(columns, values, strict=True):
            same = pc.and_(same, pc.fill_null(pc.equal(batch.column(name), value), False))
        has = pc.or_(has, same)
    return has


def _advertisers(windows: Iterable[Window]) -> Any:
    return pa.array(
        sorted({advertiser_id for window in windows for advertiser_id in window.advertiser_ids}), pa.string()
    )


def _spans(windows: Iterable[Window]) -> dict[Any, Any]:
    """The advertisers of each unbroken span of days, so that many windows of one range cost one look."""
    days: dict[str, list[tuple[date, date]]] = defaultdict(list)
    for window in windows:
        for advertiser in window.advertiser_ids:
            days[advertiser].append((window.start, window.end))
    advertisers: dict[tuple[date, date], list[str]] = defaultdict(list)
    for advertiser, spans in days.items():
        for span in _unbroken(spans):
            advertisers[span].append(advertiser)
    return {span: pa.array(sorted(ids), pa.string()) for span, ids in advertisers.items()}


def _unbroken(spans: list[tuple[date, date]]) -> list[tuple[date, date]]:
    merged: list[tuple[date, date]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1] + _DAY:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _meet(bounds: Range, other: Range | None) -> bool:
    return other is not None and bool(bounds[0] <= other[1] and other[0] <= bounds[1])


def _bounds(days: Any) -> Range | None:
    ends = pc.min_max(days).as_py() if days is not None else None
    return (ends["min"], ends["max"]) if ends and ends["min"] is not None else None


def _between(ids: Any, bounds: Range) -> Any:
    return pc.and_(pc.greater_equal(ids, bounds[0]), pc.less_equal(ids, bounds[1]))


def as_days(bounds: Range | None) -> Range | None:
    """The range of a column of days or of wall clock hours as days; bounds of hours may be texts."""
    if bounds is None:
        return None
    least, most = map(_day, bounds)
    return (least, most)


def _day(bound: Any) -> Any:
    if isinstance(bound, str):
        return date.fromisoformat(bound[:10])
    return bound.date() if isinstance(bound, datetime) else bound
