"""A schedule in plain words, as in `Every 2 weeks on Monday and Thursday at 06:00 UTC`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from cronsim import CronSim

from adreel.dates import WEEKDAYS
from adreel.scheduling.schedule import LAST_DAY, Cron, Recurrence, Schedule, Unit

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_LONGEST_MONTH_OF_ALL = 28


def words(schedule: Schedule) -> str:
    """The schedule as one sentence without a full stop."""
    text = _cron_words(schedule) if isinstance(schedule, Cron) else _words(schedule)
    return f"{text}, from {schedule.start.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if schedule.start else text


def _cron_words(schedule: Cron) -> str:
    cron = CronSim(schedule.expression, _ANY_TIME)
    text = cron.explain().replace("day of month", "day of the month")
    if not cron.day_and:
        text = text.replace(" and on ", " or on ")
    text = _ORDINAL.sub(lambda match: f"{match[1]}{_ENDINGS[match[2]]}", text)
    return f"{text} (UTC)"


_ORDINAL = re.compile(r"\b([23]?)([123]th)\b", re.ASCII)
_ENDINGS = {"1th": "1st", "2th": "2nd", "3th": "3rd"}


def _words(schedule: Recurrence) -> str:
    parts = [f"Every {schedule.unit}" if schedule.every == 1 else f"Every {schedule.every} {schedule.unit}s"]
    if schedule.unit is Unit.WEEK:
        parts.append(f"on {_listed(WEEKDAYS[number].capitalize() for number in sorted(schedule.weekdays))}")
    if schedule.unit is Unit.MONTH:
        parts.append(_month_day(schedule.month_day))
    if schedule.active is not None:
        parts.append(f"between {schedule.active.begin:02}:00 and {schedule.active.end:02}:00 UTC")
    elif schedule.unit not in (Unit.MINUTE, Unit.HOUR):
        parts.append(f"at {_listed(f'{moment:%H:%M}' for moment in sorted(schedule.at))} UTC")
    return " ".join(parts)


def _month_day(day: int) -> str:
    if day == LAST_DAY:
        return "on the last day"
    return f"on day {day}" if day <= _LONGEST_MONTH_OF_ALL else f"on day {day}, or the last day of shorter months,"


def _listed(items: Iterable[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
