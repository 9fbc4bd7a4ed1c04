"""Schedules as frozen values; all times are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

SHORTEST_MINUTES = 15
"""Minutes between two runs of a schedule, at least."""

LAST_DAY = 31
"""A monthly schedule of this day, or of a day that a month lacks, runs on the month's last day."""

MIDNIGHT = time(0)


class Unit(StrEnum):
    """What a recurrence counts."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEKDAY = "weekday"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class ActiveHours:
    """The hours in which runs start: `begin` from 0 to 23, `end`, which is not included and may be on the next day."""

    begin: int
    end: int

    @property
    def minutes(self) -> int:
        """The length in minutes, less than a day."""
        return (self.end - self.begin) % 24 * 60


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Every so many units.

    Minutes and hours are counted from `start`, or from the begin of the active hours on each day. The other units run
    at the times `at`; weeks on the days `weekdays` (0 is Monday), months on the day `month_day`. Days, weeks and months
    are counted from the day of `start`, or from Monday 1970-01-05 without one. No run is before `start`.
    """

    unit: Unit
    every: int = 1
    at: tuple[time, ...] = (MIDNIGHT,)
    weekdays: tuple[int, ...] = (0,)
    month_day: int = 1
    active: ActiveHours | None = None
    start: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields, in UTC. No run is before `start`."""

    expression: str
    start: datetime | None = None


Schedule = Recurrence | Cron


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a scheduled run that failed is tried again, and how long after it ended."""

    times: int = 3
    wait: timedelta = timedelta(minutes=15)


MOST_RETRIES = 10
SHORTEST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(days=1)
SHORTEST_STALE, LONGEST_STALE = timedelta(hours=1), timedelta(days=92)
"""A manually updated dataset can be stale after one hour to three months."""
