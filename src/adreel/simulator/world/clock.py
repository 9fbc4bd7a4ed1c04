"""What time it is in the world, and how a request's days become slices of an advertiser's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.world.calendar import HALF_HOURS
from adreel.simulator.world.figures import Slices

Ints = NDArray[np.int64]

_DAY = 1440


@dataclass(frozen=True, slots=True)
class Clock:
    """The world's present, in minutes since 1970 in UTC; `first_day` is where its figures begin.

    `window` is how many days events take to become known. `late` says whether slow figures are slow: slices are as old
    as `late_hours` say.
    """

    minute: int
    first_day: int
    window: int
    late: bool

    @classmethod
    def at(cls, now: datetime, first_day: int, window: int, *, late: bool) -> Clock:
        """`now` is aware."""
        return cls(int(now.timestamp()) // 60, first_day, window, late)

    @property
    def now(self) -> datetime:
        """The present in UTC."""
        return datetime.fromtimestamp(60 * self.minute, UTC)

    def today(self, offset: int) -> int:
        """The day number at `offset` minutes east of UTC."""
        return (self.minute + offset) // _DAY

    def _present(self, offset: int, late_hours: int) -> int:
        """Half hours until which figures are known: whole hours of the advertiser's clock."""
        return (self.minute + offset) // 60 * 2 - (2 * late_hours if self.late else 0)

    def _is_rough(self, days: Ints, offset: int) -> Ints:
        """Whether the first noon in UTC after a day's end is still to come (daily repair, doc 1738864894606337)."""
        end = (days + 1) * _DAY - offset
        repair = -(-(end - 720) // _DAY) * _DAY + 720
        return (repair > self.minute).astype(np.int64)

    def _slices(self, edges: Ints, days: Ints, first: Ints, offset: int, late_hours: int) -> Slices:
        published = np.clip(edges, self.first_day * HALF_HOURS, max(self._present(offset, late_hours), 0))
        ages = np.clip(self.today(offset) - days, 0, self.window)
        return Slices(published, ages, self._is_rough(days, offset), first)

    def by_day(self, start: int, end: int, offset: int, *, late_hours: int, shift: int = 0) -> Slices:
        """One slot per day; `shift` moves the edges (in half hours), for days that are not the advertiser's own."""
        days = np.arange(start, end + 1, dtype=np.int64)
        edges = np.arange(start, end + 2, dtype=np.int64) * HALF_HOURS + shift
        return self._slices(edges, days, np.arange(len(days), dtype=np.int64), offset, late_hours)

    def by_hour(self, start: int, end: int, offset: int, *, late_hours: int, shift: int = 0) -> Slices:
        """One slot per hour."""
        hours = np.arange(24 * (end + 1 - start), dtype=np.int64)
        edges = start * HALF_HOURS + 2 * np.arange(len(hours) + 1, dtype=np.int64) + shift
        return self._slices(edges, start + hours // 24, hours, offset, late_hours)

    def by_utc_day(self, start: int, end: int, offset: int) -> Slices:
        """One slot per day in UTC, of the hours of the advertiser's clock that begin in it; no figures are late."""
        starts = -(-(np.arange(start, end + 2, dtype=np.int64) * _DAY + offset) // 60) * 2
        midnights = np.arange(starts[0] // HALF_HOURS + 1, starts[-1] // HALF_HOURS + 1, dtype=np.int64) * HALF_HOURS
        edges = np.union1d(starts, midnights)
        return self._slices(edges, edges[:-1] // HALF_HOURS, np.searchsorted(edges, starts[:-1]), offset, 0)

    def whole(
        self, start: int, end: int, offset: int, *, late_hours: int, shift: int = 0, daily: bool = False
    ) -> Slices:
        """One slot for all days: the settled ones as one stretch (unless `daily`), the others one by one."""
        begin = max(start, self.first_day - 1)
        stop = max(begin, min(end, self.today(offset) + 1))
        recent = begin if daily else min(max(begin, self.today(offset) - max(self.window, 2) + 1), stop)
        days = np.arange(recent, stop + 1, dtype=np.int64)
        if recent > begin:
            days = np.concatenate([np.array([begin], dtype=np.int64), days])
        edges = np.append(days, stop + 1) * HALF_HOURS + shift
        return self._slices(edges, days, np.zeros(1, dtype=np.int64), offset, late_hours)
