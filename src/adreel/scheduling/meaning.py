"""What a schedule means to a person: its words, its next times beside each other in UTC and in a zone, its runs a day.

The form, the command line and the API all show this.
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

from adreel.language import WEEKDAYS, Phrase, phrase, phrases, shown_day
from adreel.scheduling.schedule import Cron, Recurrence, Schedule, Unit
from adreel.scheduling.times import EPOCH, first_times, interval
from adreel.scheduling.wording import words

NEXT_TIMES = 5

_COUNTED = timedelta(days=8)
"""Runs are counted on the days of this span; each pattern of times within a day comes back in it."""
_MOST_COUNTED = 8 * 24 * 4
_FEBRUARY = 2
_A_COMMON_YEAR = 2027


@dataclass(frozen=True, slots=True)
class RunTime:
    """A time of a schedule, in UTC and in the zone of the workspace."""

    utc: datetime
    local: datetime

    def values(self) -> dict[str, str]:
        """Both as ISO 8601, as the command line and the API give them."""
        return {"utc": f"{self.utc:%Y-%m-%dT%H:%M:%SZ}", "local": self.local.isoformat()}


@dataclass(frozen=True, slots=True)
class Meaning:
    """A schedule in `words`, with `notes` on what a person may not expect of it; no times for a manual one.

    `runs_per_day` is the number of runs on the UTC day that has most. `zone` is that of the local times.
    """

    words: str
    notes: tuple[str, ...]
    times: tuple[RunTime, ...]
    runs_per_day: int
    zone: str

    def values(self) -> dict[str, Any]:
        """The meaning by name, as the command line and the API give it."""
        return {
            "words": self.words,
            "notes": list(self.notes),
            "next": [time.values() for time in self.times],
            "runs_per_day": self.runs_per_day,
            "zone": self.zone,
        }


def meaning_of(schedule: Schedule | None, now: datetime, zone: str, count: int = NEXT_TIMES) -> Meaning:
    """What the schedule means after `now`; `zone` is an IANA name. None stands for updated manually."""
    if schedule is None:
        return Meaning(phrase("Manually"), (), (), 0, zone)
    times = tuple(RunTime(utc, utc.astimezone(ZoneInfo(zone))) for utc in first_times(schedule, now, count))
    notes = (
        *_of_cron(schedule),
        *_of_active_hours(schedule),
        *_of_no_start(schedule, now),
        *_of_clocks(times, zone),
        *(() if times else (phrase("No run is left."),)),
    )
    return Meaning(words(schedule), notes, times, _runs_per_day(schedule, now), zone)


def _of_cron(schedule: Schedule) -> Iterator[str]:
    """What the days of a cron expression do that a person may not expect."""
    if not isinstance(schedule, Cron):
        return
    cron = CronSim(schedule.expression, EPOCH)
    if not cron.day_and:
        yield phrase("Runs on each day that matches the day of month or the day of week.")
        return
    first = min(cron.days)
    if first > 0 and any(first > monthrange(_A_COMMON_YEAR, int(month))[1] for month in cron.months):
        only_february = set(cron.months) == {_FEBRUARY}
        yield (
            phrase("Runs in leap years only.")
            if only_february
            else phrase("Months without day %(day)s are skipped.", day=first)
        )


def _of_active_hours(schedule: Schedule) -> Iterator[str]:
    """From when an interval is counted that may not fit into the active hours."""
    if isinstance(schedule, Recurrence) and schedule.active is not None and interval(schedule) > timedelta(hours=1):
        yield phrase(
            "The interval is counted from %(begin)s:00 UTC on each day.", begin=format(schedule.active.begin, "02")
        )


def _of_no_start(schedule: Schedule, now: datetime) -> Iterator[str]:
    """From when several days, weeks or months are counted without a start."""
    if not isinstance(schedule, Recurrence) or schedule.start is not None or schedule.every == 1:
        return
    today = now.astimezone(UTC).date()
    match schedule.unit:
        case Unit.DAY | Unit.WEEK:
            length = timedelta(days=schedule.every * (7 if schedule.unit is Unit.WEEK else 1))
            began = today - (today - EPOCH.date()) % length
        case Unit.MONTH:
            months = (today.year - EPOCH.year) * 12 + today.month - EPOCH.month
            first = months - months % schedule.every
            began = date(EPOCH.year + first // 12, first % 12 + 1, 1)
        case _:
            return
    number = schedule.every
    days = {"epoch": shown_day(EPOCH), "weekday": WEEKDAYS[began.weekday()], "began": shown_day(began)}
    match schedule.unit:
        case Unit.DAY:
            yield phrases(
                "Without a start, days are counted from Monday, %(epoch)s: the current %(number)s day began on "
                "%(weekday)s, %(began)s. Set a start to count from another day.",
                "Without a start, days are counted from Monday, %(epoch)s: the current %(number)s days began on "
                "%(weekday)s, %(began)s. Set a start to count from another day.",
                number,
                number=number,
                **days,
            )
        case Unit.WEEK:
            yield phrases(
                "Without a start, weeks are counted from Monday, %(epoch)s: the current %(number)s week began on "
                "%(weekday)s, %(began)s. Set a start to count from another day.",
                "Without a start, weeks are counted from Monday, %(epoch)s: the current %(number)s weeks began on "
                "%(weekday)s, %(began)s. Set a start to count from another day.",
                number,
                number=number,
                **days,
            )
        case Unit.MONTH:
            yield phrases(
                "Without a start, months are counted from Monday, %(epoch)s: the current %(number)s month began on "
                "%(weekday)s, %(began)s. Set a start to count from another day.",
                "Without a start, months are counted from Monday, %(epoch)s: the current %(number)s months began on "
                "%(weekday)s, %(began)s. Set a start to count from another day.",
                number,
                number=number,
                **days,
            )


def _of_clocks(times: tuple[RunTime, ...], zone: str) -> Iterator[str]:
    """The first change of the zone's clocks between the times, which shifts the local times."""
    for before, after in pairwise(times):
        offset, later = before.local.utcoffset(), after.local.utcoffset()
        if offset is not None and later is not None and offset != later:
            minutes = abs(later - offset) // timedelta(minutes=1)
            hours = minutes // 60
            shift = (
                phrases("%(minutes)s minute", "%(minutes)s minutes", minutes, minutes=minutes)
                if minutes % 60
                else phrases("%(hours)s hour", "%(hours)s hours", hours, hours=hours)
            )
            words = _CLOCKS_LATER if later > offset else _CLOCKS_EARLIER
            yield phrase(words, zone=zone, day=shown_day(after.local.date()), shift=shift)
            return


_CLOCKS_LATER = Phrase(
    "Clocks in %(zone)s change before %(day)s: from then on, local times are %(shift)s later. Times in UTC stay the "
    "same."
)
_CLOCKS_EARLIER = Phrase(
    "Clocks in %(zone)s change before %(day)s: from then on, local times are %(shift)s earlier. Times in UTC stay the "
    "same."
)


def _runs_per_day(schedule: Schedule, now: datetime) -> int:
    first = next(iter(first_times(schedule, now, 1)), None)
    if first is None:
        return 0
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    times = first_times(schedule, first - timedelta(microseconds=1), _MOST_COUNTED)
    days = Counter(time.date() for time in takewhile(lambda time: time < midnight + _COUNTED, times))
    return max(days.values())
