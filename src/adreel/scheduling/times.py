"""The times of a schedule."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from cronsim import CronSim

from adreel.scheduling.schedule import Cron, Recurrence, Schedule, Unit

EPOCH = datetime(1970, 1, 5, tzinfo=UTC)
"""A Monday, from which days, weeks and months are counted if a schedule has no start."""

LONGEST_SEARCH = timedelta(days=366 * 9)
"""A schedule without a time in so many days has none; 29 February comes after eight years at most."""

_WEEKEND = 5


def next_time(schedule: Schedule, after: datetime) -> datetime | None:
    """The first time of the schedule after `after`, which is aware; in UTC. None if there is none any more."""
    return next(_times(schedule, after.astimezone(UTC)), None)


def first_times(schedule: Schedule, after: datetime, count: int) -> tuple[datetime, ...]:
    """The first `count` times after `after`, in UTC."""
    return tuple(islice(_times(schedule, after.astimezone(UTC)), count))


def _times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    if schedule.start is not None:
        # The start itself is a time too.
        after = max(after, schedule.start.astimezone(UTC) - timedelta(microseconds=1))
    if isinstance(schedule, Cron):
        return _cron_times(schedule, after)
    if schedule.unit in (Unit.MINUTE, Unit.HOUR) and schedule.active is None:
        return _even_times(schedule, after)
    return _day_times(schedule, after)


def _cron_times(schedule: Cron, after: datetime) -> Iterator[datetime]:
    for moment in CronSim(schedule.expression, after):
        if moment - after > LONGEST_SEARCH:
            return
        yield moment


def _even_times(schedule: Recurrence, after: datetime) -> Iterator[datetime]:
    """Times at even distances, which do not depend on the day."""
    step = interval(schedule)
    anchor = (schedule.start or EPOCH).astimezone(UTC)
    moment = anchor + ((after - anchor) // step + 1) * step
    while True:
        yield moment
        moment += step


def interval(schedule: Recurrence) -> timedelta:
    """The distance of two runs that are so many minutes or hours apart."""
    return timedelta(minutes=schedule.every * (60 if schedule.unit is Unit.HOUR else 1))


def _day_times(schedule: Recurrence, after: datetime) -> Iterator[datetime]:
    # Active hours may have begun on the day before.
    day = after.date() - timedelta(days=1)
    latest = after
    while datetime.combine(day, time(0), UTC) - latest <= LONGEST_SEARCH:
        for offset in _offsets(schedule) if _runs_on(schedule, day) else ():
            moment = datetime.combine(day, time(0), UTC) + offset
            if moment > after:
                latest = moment
                yield moment
        day += timedelta(days=1)


def _offsets(schedule: Recurrence) -> list[timedelta]:
    """The times of a day on which the schedule runs, from its midnight."""
    if schedule.active is None:
        return [timedelta(hours=moment.hour, minutes=moment.minute) for moment in sorted(schedule.at)]
    begin = schedule.active.begin * 60 + (schedule.start.astimezone(UTC).minute if schedule.start else 0)
    end = schedule.active.begin * 60 + schedule.active.minutes
    return [timedelta(minutes=minutes) for minutes in range(begin, end, interval(schedule) // timedelta(minutes=1))]


def _runs_on(schedule: Recurrence, day: date) -> bool:
    anchor = (schedule.start or EPOCH).astimezone(UTC).date()
    match schedule.unit:
        case Unit.DAY:
            return (day - anchor).days % schedule.every == 0
        case Unit.WEEKDAY:
            return day.weekday() < _WEEKEND
        case Unit.WEEK:
            weeks = (_monday(day) - _monday(anchor)).days // 7
            return day.weekday() in schedule.weekdays and weeks % schedule.every == 0
        case Unit.MONTH:
            months = (day.year - anchor.year) * 12 + day.month - anchor.month
            last = monthrange(day.year, day.month)[1]
            return day.day == min(schedule.month_day, last) and months % schedule.every == 0
        case _:
            return True


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
