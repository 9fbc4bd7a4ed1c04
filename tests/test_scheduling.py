"""Schedules: how they are written, their times and their words."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.dates import WEEKDAYS
from adreel.scheduling import Recurrence, Schedule, Unit, first_times, next_time, read_schedule, words, written
from adreel.scheduling.durations import read_duration, read_retry, read_stale_after, written_duration, written_retry
from adreel.scheduling.schedule import LAST_DAY, ActiveHours, Cron, Retry

SUNDAY = datetime(2026, 11, 29, 10, 20, tzinfo=UTC)


def read(value: Any) -> Schedule:
    """The schedule of a value without faults."""
    faults: list[tuple[str, str]] = []
    schedule = read_schedule(value, lambda key, reason: faults.append((key, reason)))
    assert not faults
    assert schedule is not None
    return schedule


def faults_of(value: Any) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    read_schedule(value, lambda key, reason: faults.append((key, reason)))
    return faults


def shown(value: Any, after: datetime = SUNDAY, count: int = 3) -> list[str]:
    return [f"{moment:%m-%d %H:%M}" for moment in first_times(read(value), after, count)]


TIMES: list[tuple[Any, list[str], str]] = [
    ({"every": "15 minutes"}, ["11-29 10:30", "11-29 10:45", "11-29 11:00"], "Every 15 minutes"),
    (
        {"every": "6 hours", "start": "2026-11-29 12:30"},
        ["11-29 12:30", "11-29 18:30", "11-30 00:30"],
        "Every 6 hours, from 2026-11-29 12:30 UTC",
    ),
    (
        {"every": "5 hours", "between": "08:00-20:00"},
        ["11-29 13:00", "11-29 18:00", "11-30 08:00"],
        "Every 5 hours between 08:00 and 20:00 UTC",
    ),
    # The end hour is not included.
    (
        {"every": "6 hours", "between": "08-20"},
        ["11-29 14:00", "11-30 08:00", "11-30 14:00"],
        "Every 6 hours between 08:00 and 20:00 UTC",
    ),
    (
        {"every": "hour", "between": "22-2"},
        ["11-29 22:00", "11-29 23:00", "11-30 00:00"],
        "Every hour between 22:00 and 02:00 UTC",
    ),
    ({"every": "day", "at": "06:00"}, ["11-30 06:00", "12-01 06:00", "12-02 06:00"], "Every day at 06:00 UTC"),
    (
        {"every": "3 days", "at": ["18:00", "06:00"], "start": "2026-11-29"},
        ["11-29 18:00", "12-02 06:00", "12-02 18:00"],
        "Every 3 days at 06:00 and 18:00 UTC, from 2026-11-29 00:00 UTC",
    ),
    ({"every": "weekday", "at": "06:00"}, ["11-30 06:00", "12-01 06:00", "12-02 06:00"], "Every weekday at 06:00 UTC"),
    (
        {"every": "2 weeks", "on": ["thursday", "monday"], "at": "06:00", "start": "2026-12-02"},
        ["12-03 06:00", "12-14 06:00", "12-17 06:00"],
        "Every 2 weeks on Monday and Thursday at 06:00 UTC, from 2026-12-02 00:00 UTC",
    ),
    (
        {"every": "month", "day": 30, "at": "06:00"},
        ["11-30 06:00", "12-30 06:00", "01-30 06:00"],
        "Every month on day 30, or the last day of shorter months, at 06:00 UTC",
    ),
    (
        {"every": "3 months", "day": "last", "start": "2026-11-29"},
        ["11-30 00:00", "02-28 00:00", "05-31 00:00"],
        "Every 3 months on the last day at 00:00 UTC, from 2026-11-29 00:00 UTC",
    ),
    (
        "0 6 * * SUN#2,SUN#4",
        ["12-13 06:00", "12-27 06:00", "01-10 06:00"],
        "At 06:00 on the second Sunday of the month and the fourth Sunday of the month (UTC)",
    ),
    (
        {"cron": "0 6 31 * *", "start": "2027-01-01"},
        ["01-31 06:00", "03-31 06:00", "05-31 06:00"],
        "At 06:00 on the 31st day of every month (UTC), from 2027-01-01 00:00 UTC",
    ),
]


@pytest.mark.parametrize(("value", "times", "text"), TIMES, ids=[str(case[0]) for case in TIMES])
def test_a_schedule_has_these_times_and_words(value: Any, times: list[str], text: str) -> None:
    assert shown(value) == times
    assert words(read(value)) == text


FAULTS: list[tuple[Any, list[tuple[str, str]]]] = [
    ("0 25 * * *", [("", "'25' is not valid as hour")]),
    (
        "61 * 32 * FOO",
        [
            ("", "'61' is not valid as minute"),
            ("", "'32' is not valid as day of month"),
            ("", "'FOO' is not valid as day of week"),
        ],
    ),
    ("0 6 30 2 *", [("", "no day matches day of month and month")]),
    ({"cron": "*/25 * * * *"}, [(".cron", "runs must be at least 15 minutes apart")]),
    (
        {"cron": "* * * *"},
        [(".cron", "a cron expression has 5 fields (minute, hour, day of month, month, day of week), not 4")],
    ),
    ({"every": "10 minutes"}, [(".every", "must be at least 15 minutes")]),
    (
        {"every": "fortnight"},
        [(".every", "'fortnight' is not an interval; write for example 30 minutes, 6 hours, day")],
    ),
    ({"every": "0 days"}, [(".every", "must be from 1 to 366 days")]),
    ({"every": "2 weekdays"}, [(".every", "write weekday")]),
    ({"every": "day", "at": "24:00"}, [(".at", "'24:00' is not a time of the day; write for example '06:30'")]),
    (
        {"every": "day", "at": ["06:00", "und", "9"]},
        [(".at", "'und', '9' are not times of the day; write for example '06:30'")],
    ),
    ({"every": "day", "at": []}, [(".at", "enter a time, such as 06:30")]),
    ({"every": "day", "at": ""}, [(".at", "enter a time, such as 06:30")]),
    (
        {"every": "3 days", "on": "monday"},
        [(".on", "'on' is not available with every 3 days; keys are at, every, start")],
    ),
    ("0 6 * * L5", [("", "'L5' is not valid as day of week; write the last Friday of the month as FRI#L")]),
    ({"every": "day", "at": ["06:00", "06:10"]}, [(".at", "times must be at least 15 minutes apart")]),
    (
        {"every": "day", "between": "8-20"},
        [(".between", "'between' is not available with every day; keys are at, every, start")],
    ),
    ({"every": "week", "on": "someday"}, [(".on", f"'someday' is not a day; choose from {', '.join(WEEKDAYS)}")]),
    ({"every": "month", "day": 32}, [(".day", "'32' is not a day of the month; use 1 to 31, or last")]),
    (
        {"every": "hour", "between": "8:30-20"},
        [(".between", "'8:30-20' is not a range of hours; write for example '08:00-20:00'")],
    ),
    (
        {"every": "day", "start": "tomorrow"},
        [(".start", "'tomorrow' is not a time; write for example 2026-12-01 08:30, in UTC")],
    ),
    ({"start": "2026-12-01"}, [("", "needs one of the keys every and cron")]),
    (7, [("", "must be manual, a cron expression, or have the keys every or cron")]),
]


def test_the_last_friday_of_the_month_is_written_in_several_ways() -> None:
    for text in ("5L", "FRIL", "FRI#L", "fri#L", "5#L"):
        assert read(f"0 6 * * {text}") == Cron("0 6 * * 5L")
    assert shown("0 6 * * MON#2,FRI#L")[:2] == shown("0 6 * * MON#2,5L")[:2]


@pytest.mark.parametrize(("value", "faults"), FAULTS, ids=[str(case[0]) for case in FAULTS])
def test_a_schedule_that_is_none_names_the_key_and_the_reason(value: Any, faults: list[tuple[str, str]]) -> None:
    assert faults_of(value) == [(f"schedule{key}", reason) for key, reason in faults]


def test_a_file_takes_times_of_twelve_hours_too() -> None:
    assert read({"every": "day", "at": ["5am", "6:30 p.m."]}) == read({"every": "day", "at": ["05:00", "18:30"]})


def test_a_dataset_without_a_schedule_is_run_by_hand() -> None:
    assert faults_of("manual") == []
    assert read_schedule("manual", lambda *_: None) is None
    assert written(None) == "manual"


def test_no_time_is_found_for_a_day_that_never_comes_again() -> None:
    assert next_time(Cron("0 6 29 2 *"), datetime(2097, 1, 1, tzinfo=UTC)) == datetime(2104, 2, 29, 6, tzinfo=UTC)


def test_times_are_those_of_utc_whatever_zone_the_clock_has() -> None:
    schedule = read({"every": "day", "at": "06:00"})
    kiritimati = SUNDAY.astimezone(ZoneInfo("Pacific/Kiritimati"))
    assert next_time(schedule, kiritimati) == next_time(schedule, SUNDAY)


MINUTES = st.integers(0, 24 * 60 - 1).map(lambda minutes: time(minutes // 60, minutes % 60))
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
STARTS = st.none() | st.integers(-30 * 1440, 50 * 1440).map(lambda minutes: NOVEMBER + timedelta(minutes=minutes))
HOURS = st.builds(ActiveHours, st.integers(0, 23), st.integers(0, 24)).filter(lambda hours: hours.minutes > 0)
RECURRENCES = st.one_of(
    st.builds(Recurrence, st.just(Unit.MINUTE), st.integers(15, 1440), active=st.none() | HOURS, start=STARTS),
    st.builds(Recurrence, st.just(Unit.HOUR), st.integers(1, 50), active=st.none() | HOURS, start=STARTS),
    st.builds(Recurrence, st.just(Unit.DAY), st.integers(1, 9), at=MINUTES.map(lambda at: (at,)), start=STARTS),
    st.builds(Recurrence, st.just(Unit.WEEKDAY), at=MINUTES.map(lambda at: (at,)), start=STARTS),
    st.builds(
        Recurrence,
        st.just(Unit.WEEK),
        st.integers(1, 3),
        at=MINUTES.map(lambda at: (at,)),
        weekdays=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
        start=STARTS,
    ),
    st.builds(
        Recurrence,
        st.just(Unit.MONTH),
        st.integers(1, 2),
        at=MINUTES.map(lambda at: (at,)),
        month_day=st.integers(1, LAST_DAY),
        start=STARTS,
    ),
)


def is_time(schedule: Recurrence, moment: datetime) -> bool:
    """Whether a schedule runs in a minute, judged by itself."""
    if schedule.start and moment < schedule.start:
        return False
    anchor = schedule.start or datetime(1970, 1, 5, tzinfo=UTC)
    if schedule.unit in (Unit.MINUTE, Unit.HOUR):
        step = schedule.every * (60 if schedule.unit is Unit.HOUR else 1)
        if schedule.active is None:
            return (moment - anchor) % timedelta(minutes=step) == timedelta(0)
        begin = moment.replace(hour=schedule.active.begin, minute=0)
        begin = begin if begin <= moment else begin - timedelta(days=1)
        shift = timedelta(minutes=schedule.start.minute if schedule.start else 0)
        inside = moment - begin < timedelta(hours=(schedule.active.end - schedule.active.begin) % 24)
        return inside and moment - begin >= shift and (moment - begin - shift) % timedelta(minutes=step) == timedelta(0)
    if moment.timetz().replace(tzinfo=None) not in schedule.at:
        return False
    days = (moment.date() - anchor.date()).days
    if schedule.unit is Unit.DAY:
        return days % schedule.every == 0
    if schedule.unit is Unit.WEEKDAY:
        return moment.isoweekday() <= 5
    if schedule.unit is Unit.WEEK:
        # Day 1 of all days was a Monday.
        weeks = (moment.toordinal() - 1) // 7 - (anchor.toordinal() - 1) // 7
        return moment.weekday() in schedule.weekdays and weeks % schedule.every == 0
    months = moment.year * 12 + moment.month - anchor.year * 12 - anchor.month
    last = monthrange(moment.year, moment.month)[1]
    return months % schedule.every == 0 and moment.day == min(schedule.month_day, last)


@given(RECURRENCES, st.floats(0, 30))
def test_the_next_time_is_the_first_minute_that_matches(schedule: Recurrence, days: float) -> None:
    after = NOVEMBER + timedelta(days=days)
    moment = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    expected = next_time(schedule, after)
    assert expected is not None
    assert is_time(schedule, expected)
    for minutes in range(4 * 24 * 60):
        minute = moment + timedelta(minutes=minutes)
        if minute >= expected:
            break
        assert not is_time(schedule, minute)


@given(RECURRENCES)
def test_a_schedule_that_is_written_is_read_as_the_same(schedule: Recurrence) -> None:
    assert read(written(schedule)) == schedule


@given(RECURRENCES)
def test_times_increase_and_are_a_quarter_of_an_hour_apart(schedule: Recurrence) -> None:
    times = first_times(schedule, SUNDAY, 100)
    assert all(later - earlier >= timedelta(minutes=15) for earlier, later in pairwise(times))


DURATIONS = {"1 minute": 1, "90 minutes": 90, "2 hours": 120, "1 day": 1440, "3 weeks": 3 * 7 * 1440}


@pytest.mark.parametrize("text", DURATIONS)
def test_a_length_of_time_is_read_and_written_alike(text: str) -> None:
    duration = read_duration(text)
    assert duration == timedelta(minutes=DURATIONS[text])
    assert written_duration(duration) == text


SETTINGS: list[tuple[Any, Any, list[tuple[str, str]]]] = [
    (None, Retry(3, timedelta(minutes=15)), []),
    (False, None, []),
    ({"times": 0}, None, []),
    ("0", None, []),
    (5, Retry(5), []),
    (True, Retry(), [("retry", "must be false, or have the keys times and wait")]),
    ({"times": 5, "wait": "1 hour"}, Retry(5, timedelta(hours=1)), []),
    ({"times": 11}, Retry(), [("retry.times", "must be from 0 to 10")]),
    ({"times": True}, Retry(), [("retry.times", "must be from 0 to 10")]),
    ({"wait": "2 days"}, Retry(), [("retry.wait", "must be from 1 minute to 1 day; write for example 15 minutes")]),
    ({"often": 3}, Retry(), [("retry.often", "'often' is not a key of retry; keys are times, wait")]),
    ("yes", Retry(), [("retry", "must be false, or have the keys times and wait")]),
]


@pytest.mark.parametrize(("value", "retry", "faults"), SETTINGS, ids=[str(case[0]) for case in SETTINGS])
def test_retries_are_read_with_their_faults(value: Any, retry: Retry | None, faults: list[tuple[str, str]]) -> None:
    reported: list[tuple[str, str]] = []
    assert read_retry(value, lambda key, reason: reported.append((key, reason))) == retry
    assert reported == faults
    assert faults or read_retry(written_retry(retry), lambda *_: None) == retry


@pytest.mark.parametrize("value", ["59 minutes", "93 days", "soon", 7])
def test_a_dataset_is_stale_after_an_hour_to_three_months(value: Any) -> None:
    faults: list[tuple[str, str]] = []
    assert read_stale_after("92 days", lambda *_: None) == timedelta(days=92)
    assert read_stale_after(value, lambda key, reason: faults.append((key, reason))) is None
    assert faults == [("stale_after", "must be from 1 hour to 92 days; write for example 2 days")]
