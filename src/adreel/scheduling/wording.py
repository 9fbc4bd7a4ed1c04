"""A schedule in plain words, as in `Every 2 weeks on Monday and Thursday at 06:00 UTC`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cronsim import CronSim

from adreel.language import ENGLISH, WEEKDAYS, Phrase, language, listed, phrase, phrases, shown_time
from adreel.scheduling.schedule import LAST_DAY, Cron, Recurrence, Schedule, Unit

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_LONGEST_MONTH_OF_ALL = 28


def words(schedule: Schedule) -> str:
    """The schedule as one sentence without a full stop."""
    text = _cron_words(schedule) if isinstance(schedule, Cron) else _words(schedule)
    if schedule.start is None:
        return text
    start = shown_time(schedule.start.astimezone(UTC))
    return phrase("%(schedule)s, from %(start)s UTC", schedule=text, start=start)


def _cron_words(schedule: Cron) -> str:
    # cronsim knows English only.
    if language() != ENGLISH:
        return phrase("Cron: %(expression)s (UTC)", expression=schedule.expression)
    cron = CronSim(schedule.expression, _ANY_TIME)
    text = cron.explain().replace("day of month", "day of the month")
    if not cron.day_and:
        text = text.replace(" and on ", " or on ")
    text = _ORDINAL.sub(lambda match: f"{match[1]}{_ENDINGS[match[2]]}", text)
    return f"{text} (UTC)"


_ORDINAL = re.compile(r"\b([23]?)([123]th)\b", re.ASCII)
_ENDINGS = {"1th": "1st", "2th": "2nd", "3th": "3rd"}


def _words(schedule: Recurrence) -> str:
    every = _every(schedule.unit, schedule.every)
    if schedule.active is not None:
        begin, end = f"{schedule.active.begin:02}", f"{schedule.active.end:02}"
        return phrase("%(every)s between %(begin)s:00 and %(end)s:00 UTC", every=every, begin=begin, end=end)
    if schedule.unit in (Unit.MINUTE, Unit.HOUR):
        return every
    times = listed(f"{moment:%H:%M}" for moment in sorted(schedule.at))
    if schedule.unit is Unit.WEEK:
        weekdays = listed(WEEKDAYS[number] for number in sorted(schedule.weekdays))
        return phrase("%(every)s on %(weekdays)s at %(times)s UTC", every=every, weekdays=weekdays, times=times)
    if schedule.unit is not Unit.MONTH:
        return phrase("%(every)s at %(times)s UTC", every=every, times=times)
    day = schedule.month_day
    if day == LAST_DAY:
        return phrase("%(every)s on the last day at %(times)s UTC", every=every, times=times)
    if day <= _LONGEST_MONTH_OF_ALL:
        return phrase("%(every)s on day %(day)s at %(times)s UTC", every=every, day=day, times=times)
    return phrase(
        "%(every)s on day %(day)s, or the last day of shorter months, at %(times)s UTC",
        every=every,
        day=day,
        times=times,
    )


def _every(unit: Unit, number: int) -> str:
    if number == 1:
        return str(_EVERY[unit])
    match unit:
        case Unit.MINUTE:
            return phrases("Every %(number)s minute", "Every %(number)s minutes", number, number=number)
        case Unit.HOUR:
            return phrases("Every %(number)s hour", "Every %(number)s hours", number, number=number)
        case Unit.DAY:
            return phrases("Every %(number)s day", "Every %(number)s days", number, number=number)
        case Unit.WEEKDAY:
            return phrases("Every %(number)s weekday", "Every %(number)s weekdays", number, number=number)
        case Unit.WEEK:
            return phrases("Every %(number)s week", "Every %(number)s weeks", number, number=number)
        case Unit.MONTH:
            return phrases("Every %(number)s month", "Every %(number)s months", number, number=number)


_EVERY = {
    Unit.MINUTE: Phrase("Every minute"),
    Unit.HOUR: Phrase("Every hour"),
    Unit.DAY: Phrase("Every day"),
    Unit.WEEKDAY: Phrase("Every weekday"),
    Unit.WEEK: Phrase("Every week"),
    Unit.MONTH: Phrase("Every month"),
}
