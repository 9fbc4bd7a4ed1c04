"""Schedules as they are written in dataset files, forms and the API, read and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from typing import Any

from cronsim import CronSim, CronSimError

from adreel.dates import WEEKDAYS
from adreel.language import Phrase, phrase, phrases
from adreel.scheduling.schedule import (
    LAST_DAY,
    MIDNIGHT,
    SHORTEST_MINUTES,
    ActiveHours,
    Cron,
    Recurrence,
    Schedule,
    Unit,
)

Fault = Callable[[str, str], None]
"""Reports a fault: the key, such as `schedule.at`, and the reason."""

_EVERY = re.compile(r"(?:(?P<number>\d{1,4})\s+)?(?P<unit>[a-z]+?)s?", re.ASCII)
_TIME = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d\d)", re.ASCII)
_TWELVE_HOURS = re.compile(r"(?P<hour>1[0-2]|0?[1-9])(:(?P<minute>[0-5]\d))?\s*(?P<half>[ap])\.?m\.?", re.ASCII | re.I)
_BETWEEN = re.compile(r"(?P<begin>\d{1,2})(?::00)?\s*-\s*(?P<end>\d{1,2})(?::00)?", re.ASCII)
_CRON_FIELDS = (Phrase("minute"), Phrase("hour"), Phrase("day of month"), Phrase("month"), Phrase("day of week"))
MOST = {Unit.MINUTE: 24 * 60, Unit.HOUR: 24 * 31, Unit.DAY: 366, Unit.WEEKDAY: 1, Unit.WEEK: 52, Unit.MONTH: 24}
"""The largest number of each unit between two runs."""
_OUT_OF_RANGE = {
    Unit.MINUTE: Phrase("must be from 1 to %(most)s minutes"),
    Unit.HOUR: Phrase("must be from 1 to %(most)s hours"),
    Unit.DAY: Phrase("must be from 1 to %(most)s days"),
    Unit.WEEKDAY: Phrase("write %(word)s"),
    Unit.WEEK: Phrase("must be from 1 to %(most)s weeks"),
    Unit.MONTH: Phrase("must be from 1 to %(most)s months"),
}
_LAST_WEEKDAY = re.compile(r"(?P<day>SUN|MON|TUE|WED|THU|FRI|SAT|[0-7])#?L", re.ASCII | re.IGNORECASE)
_CRON_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_KEYS = {
    Unit.MINUTE: {"between"},
    Unit.HOUR: {"between"},
    Unit.DAY: {"at"},
    Unit.WEEKDAY: {"at"},
    Unit.WEEK: {"at", "on"},
    Unit.MONTH: {"at", "day"},
}
_LONGEST_CRON = 200
_YEARS = range(2000, 2100)


def read_schedule(value: Any, fault: Fault) -> Schedule | None:
    """The schedule of a dataset file's `schedule`; None for `manual` and where a fault was reported."""
    if value is None or value == "manual":
        return None
    if isinstance(value, str):
        return _cron(value, None, "schedule", fault)
    if not isinstance(value, Mapping):
        fault("schedule", phrase("must be manual, a cron expression, or have the keys every or cron"))
        return None
    if ("cron" in value) == ("every" in value):
        fault("schedule", phrase("needs one of the keys every and cron"))
        return None
    start = _start(value.get("start"), fault)
    if "cron" in value:
        _check_keys(
            value,
            {"cron", "start"},
            lambda key, keys: phrase("%(key)s is not available with cron; keys are %(keys)s", key=key, keys=keys),
            fault,
        )
        return _cron(value["cron"], start, "schedule.cron", fault)
    return _recurrence(value, start, fault)


def _check_keys(value: Mapping[str, Any], keys: set[str], reason: Callable[[str, str], str], fault: Fault) -> None:
    """Reports each key that is none of `keys`; `reason` is given it and them."""
    for key in value:
        if key not in keys:
            fault(f"schedule.{key}", reason(repr(str(key)), ", ".join(sorted(keys))))


def _cron(value: Any, start: datetime | None, key: str, fault: Fault) -> Cron | None:
    expression = str(value).strip()
    fields = _with_last_weekdays(expression.split())
    if len(expression) > _LONGEST_CRON:
        fault(key, phrase("a cron expression has %(limit)s characters at most", limit=_LONGEST_CRON))
        return None
    if len(fields) != len(_CRON_FIELDS):
        fault(
            key,
            phrase(
                "a cron expression has 5 fields (%(fields)s), not %(count)s",
                fields=", ".join(map(str, _CRON_FIELDS)),
                count=len(fields),
            ),
        )
        return None
    wrong = [
        (name, field)
        for number, (name, field) in enumerate(zip(_CRON_FIELDS, fields, strict=True))
        if not _is_valid(number, field)
    ]
    for name, field in wrong:
        words = (
            Phrase("%(value)s is not valid as %(field)s; write the last Friday of the month as FRI#L")
            if name == _CRON_FIELDS[-1] and "L" in field
            else Phrase("%(value)s is not valid as %(field)s")
        )
        fault(key, phrase(words, value=repr(field), field=name))
    if wrong:
        return None
    try:
        parsed = CronSim(" ".join(fields), datetime(2026, 1, 1, tzinfo=UTC))
        next(parsed)
    except (CronSimError, StopIteration):
        fault(key, phrase("no day matches day of month and month"))
        return None
    if _shortest_gap(parsed) < SHORTEST_MINUTES:
        fault(key, phrase("runs must be at least %(minutes)s minutes apart", minutes=SHORTEST_MINUTES))
        return None
    return Cron(" ".join(fields), start)


def _with_last_weekdays(fields: list[str]) -> list[str]:
    """The fields with the last weekday of a month, such as `FRI#L` or `FRIL`, as cronsim reads it: `5L`."""
    if len(fields) != len(_CRON_FIELDS):
        return fields
    matches = [(part, _LAST_WEEKDAY.fullmatch(part)) for part in fields[-1].split(",")]
    return [*fields[:-1], ",".join(f"{_day_number(match['day'])}L" if match else part for part, match in matches)]


def _day_number(day: str) -> str:
    return day if day.isdigit() else str(_CRON_DAYS.index(day.upper()))


def _is_valid(number: int, field: str) -> bool:
    """Whether a field of a cron expression is valid by itself."""
    fields = ["*"] * len(_CRON_FIELDS)
    fields[number] = field
    try:
        CronSim(" ".join(fields), datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True


def _shortest_gap(parsed: CronSim) -> int:
    """The minutes between the two times that are closest, on a day that matches and the day after it."""
    times = sorted(hour * 60 + minute for hour in parsed.hours for minute in parsed.minutes)
    return min(later - earlier for earlier, later in zip(times, [*times[1:], times[0] + 24 * 60], strict=True))


def _recurrence(value: Mapping[str, Any], start: datetime | None, fault: Fault) -> Recurrence | None:
    match = _EVERY.fullmatch(str(value["every"]).strip().lower())
    unit = next((unit for unit in Unit if match and match["unit"] == unit), None)
    if match is None or unit is None:
        fault(
            "schedule.every",
            phrase(
                "%(value)s is not an interval; write for example 30 minutes, 6 hours, day",
                value=repr(str(value["every"])),
            ),
        )
        return None
    every = int(match["number"] or 1)
    if not 1 <= every <= MOST[unit]:
        fault("schedule.every", phrase(_OUT_OF_RANGE[unit], most=MOST[unit], word=str(unit)))
        return None
    if unit is Unit.MINUTE and every < SHORTEST_MINUTES:
        fault("schedule.every", phrase("must be at least %(minutes)s minutes", minutes=SHORTEST_MINUTES))
        return None
    written_every = str(value["every"]).strip()
    _check_keys(
        value,
        {"every", "start"} | _KEYS[unit],
        lambda key, keys: phrase(
            "%(key)s is not available with every %(every)s; keys are %(keys)s", key=key, every=written_every, keys=keys
        ),
        fault,
    )
    return Recurrence(
        unit,
        every,
        at=_at(value.get("at"), fault),
        weekdays=_weekdays(value.get("on"), fault),
        month_day=_month_day(value.get("day"), fault),
        active=_active(value.get("between"), fault),
        start=start,
    )


def _at(value: Any, fault: Fault) -> tuple[time, ...]:
    if value is None:
        return (MIDNIGHT,)
    items = value if isinstance(value, list) else [value]
    times = [_time(item) for item in items]
    if all(str(item).strip() == "" for item in items):
        fault("schedule.at", phrase("enter a time, such as 06:30"))
        return (MIDNIGHT,)
    if None in times:
        wrong = [repr(item) for item, moment in zip(items, times, strict=True) if moment is None]
        fault(
            "schedule.at",
            phrases(
                "%(times)s is not a time of the day; write for example '06:30'",
                "%(times)s are not times of the day; write for example '06:30'",
                len(wrong),
                times=", ".join(wrong),
            ),
        )
        return (MIDNIGHT,)
    moments = sorted({moment for moment in times if moment is not None})
    minutes = [moment.hour * 60 + moment.minute for moment in moments]
    gaps = [later - earlier for earlier, later in zip(minutes, [*minutes[1:], minutes[0] + 24 * 60], strict=True)]
    if min(gaps) < SHORTEST_MINUTES:
        fault("schedule.at", phrase("times must be at least %(minutes)s minutes apart", minutes=SHORTEST_MINUTES))
    return tuple(moments)


def of_24_hours(text: str) -> str:
    """A text in which times such as `5am`, `5 p.m.` or `6:30 pm` are written as `05:00`, `17:00` and `18:30`."""
    return _TWELVE_HOURS.sub(_of_24_hours, text)


def _of_24_hours(match: re.Match[str]) -> str:
    hour = int(match["hour"]) % 12 + (12 if match["half"].lower() == "p" else 0)
    return f"{hour:02}:{match['minute'] or '00'}"


def _time(value: Any) -> time | None:
    # YAML reads 06:30 without quotes as the number 390, of base 60.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return time(value // 60, value % 60)
    match = _TIME.fullmatch(of_24_hours(str(value).strip()))
    if match is None or int(match["hour"]) > 23 or int(match["minute"]) > 59:
        return None
    return time(int(match["hour"]), int(match["minute"]))


def _weekdays(value: Any, fault: Fault) -> tuple[int, ...]:
    if value is None:
        return (0,)
    names = [str(item).strip().lower() for item in (value if isinstance(value, list) else [value])]
    wrong = [name for name in names if name not in WEEKDAYS]
    if wrong or not names:
        fault(
            "schedule.on",
            phrases(
                "%(names)s is not a day; choose from %(days)s",
                "%(names)s are not days; choose from %(days)s",
                len(wrong) or 1,
                names=", ".join(map(repr, wrong)) or phrase("nothing"),
                days=", ".join(WEEKDAYS),
            ),
        )
        return (0,)
    return tuple(sorted({WEEKDAYS.index(name) for name in names}))


def _month_day(value: Any, fault: Fault) -> int:
    if value is None:
        return 1
    if value == "last":
        return LAST_DAY
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_DAY):
        fault("schedule.day", phrase("%(text)s is not a day of the month; use 1 to 31, or last", text=repr(text)))
        return 1
    return int(text)


def _active(value: Any, fault: Fault) -> ActiveHours | None:
    if value is None:
        return None
    match = _BETWEEN.fullmatch(str(value).strip())
    if match is None or int(match["begin"]) > 23 or int(match["end"]) > 24:
        fault(
            "schedule.between",
            phrase("%(value)s is not a range of hours; write for example '08:00-20:00'", value=repr(str(value))),
        )
        return None
    begin, end = int(match["begin"]), int(match["end"])
    return ActiveHours(begin, end) if (end - begin) % 24 else None


def _start(value: Any, fault: Fault) -> datetime | None:
    if value is None:
        return None
    try:
        start = datetime.fromisoformat(str(value).strip())
        start = (start if start.tzinfo else start.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        fault(
            "schedule.start",
            phrase("%(value)s is not a time; write for example 2026-12-01 08:30, in UTC", value=repr(str(value))),
        )
        return None
    if start.year not in _YEARS:
        fault(
            "schedule.start",
            phrase("must be in the years %(first)s to %(last)s", first=_YEARS[0], last=_YEARS[-1]),
        )
        return None
    return start.replace(second=0, microsecond=0)


def written(schedule: Schedule | None) -> Any:
    """The schedule as a dataset file has it; `read_schedule` reads it back."""
    if schedule is None:
        return "manual"
    start = {"start": f"{schedule.start.astimezone(UTC):%Y-%m-%d %H:%M}"} if schedule.start else {}
    if isinstance(schedule, Cron):
        return {"cron": schedule.expression} | start if start else schedule.expression
    value: dict[str, Any] = {
        "every": str(schedule.unit) if schedule.every == 1 else f"{schedule.every} {schedule.unit}s"
    }
    keys = _KEYS[schedule.unit]
    if "on" in keys:
        value["on"] = [WEEKDAYS[number] for number in schedule.weekdays]
    if "day" in keys:
        value["day"] = "last" if schedule.month_day == LAST_DAY else schedule.month_day
    if "at" in keys:
        times = [f"{moment:%H:%M}" for moment in schedule.at]
        value["at"] = times[0] if len(times) == 1 else times
    if schedule.active is not None:
        value["between"] = f"{schedule.active.begin:02}:00-{schedule.active.end:02}:00"
    return value | start
