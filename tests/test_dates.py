from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.dates import (
    PERIODS,
    WEEKDAYS,
    Dates,
    Day,
    Span,
    fixed_offset,
    offset_name,
    read_day,
    span,
    span_fault,
    today_at,
)
from adreel.errors import InputError

TODAY = date(2026, 11, 22)  # a Sunday


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", TODAY),
        ("0", TODAY),
        ("yesterday", date(2026, 11, 21)),
        ("1", date(2026, 11, 21)),
        ("today-7", date(2026, 11, 15)),
        ("7", date(2026, 11, 15)),
        (" Today - 7 ", date(2026, 11, 15)),
        ("2026-01-31", date(2026, 1, 31)),
    ],
)
def test_a_day_is_read_as_the_spec_writes_it(text: str, day: date) -> None:
    assert read_day(text).on(TODAY) == day


@pytest.mark.parametrize("text", ["tomorrow", "today+1", "2026-02-30", "-1", "", "last week"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_day(text)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("today", "2026-11-22", "2026-11-22"),
        ("yesterday", "2026-11-21", "2026-11-21"),
        ("last_7_days", "2026-11-15", "2026-11-21"),
        ("last_90_days", "2026-08-24", "2026-11-21"),
        ("this_week", "2026-11-16", "2026-11-22"),
        ("last_week", "2026-11-09", "2026-11-15"),
        ("this_month", "2026-11-01", "2026-11-22"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("this_quarter", "2026-10-01", "2026-11-22"),
        ("last_quarter", "2026-07-01", "2026-09-30"),
        ("this_year", "2026-01-01", "2026-11-22"),
        ("last_year", "2025-01-01", "2025-12-31"),
    ],
)
def test_a_period_is_the_days_that_its_name_says(period: str, start: str, end: str) -> None:
    assert span(Dates(period=period), TODAY) == Span(date.fromisoformat(start), date.fromisoformat(end))


def test_a_week_starts_on_the_chosen_day() -> None:
    assert span(Dates(period="last_week", week_starts="sunday"), TODAY) == Span(date(2026, 11, 15), date(2026, 11, 21))
    assert span(Dates(period="this_week", week_starts="sunday"), TODAY) == Span(TODAY, TODAY)


def test_a_range_counts_both_its_ends() -> None:
    days = span(Dates(start=Day(back=10), end=Day(back=5)), TODAY)
    assert days == Span(date(2026, 11, 12), date(2026, 11, 17))
    assert days.days == 6


@given(st.sampled_from(PERIODS), st.dates(date(2017, 6, 1), date(2100, 1, 1)), st.sampled_from(WEEKDAYS))
def test_every_period_is_in_order_and_not_in_the_future(period: str, today: date, week_starts: str) -> None:
    assert span_fault(span(Dates(period=period, week_starts=week_starts), today), today) is None


@given(st.dates(date(2020, 1, 1), date(2026, 1, 1)), st.integers(1, 1200), st.integers(1, 400))
def test_pieces_hold_each_day_once_and_none_is_too_long(start: date, days: int, longest: int) -> None:
    all_days = Span(start, start + timedelta(days=days - 1))
    pieces = list(all_days.pieces(longest))
    covered = [piece.start + timedelta(days=n) for piece in pieces for n in range(piece.days)]
    assert covered == [start + timedelta(days=n) for n in range(days)]
    assert max(piece.days for piece in pieces) <= longest
    assert len(pieces) == -(-days // longest)


@pytest.mark.parametrize(
    ("timezone", "display", "hours"),
    [
        ("Etc/GMT+8", "America/Los_Angeles", -8),
        ("Etc/GMT-9", "Asia/Tokyo", 9),
        ("Etc/GMT-5:30", "", 5.5),
        ("UTC+5:30", "", 5.5),
        ("UTC-08:00", "", -8),
        ("UTC", "", 0),
        ("Europe/Moscow", "", 3),
        ("America/New_York", "", -5),
        ("Australia/Sydney", "", 10),
        ("", "Asia/Kolkata", 5.5),
    ],
)
def test_a_zone_is_a_fixed_offset_with_the_posix_sign_turned(timezone: str, display: str, hours: float) -> None:
    assert fixed_offset(timezone, display) == timedelta(hours=hours)


def test_a_zone_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="Mars/Olympus"):
        fixed_offset("Mars/Olympus")


def test_an_offset_is_named_with_its_plain_sign() -> None:
    assert offset_name(timedelta(hours=-8)) == "UTC-08:00"
    assert offset_name(timedelta(hours=-3, minutes=-30)) == "UTC-03:30"
    assert offset_name(timedelta(hours=5, minutes=30)) == "UTC+05:30"


def test_today_is_the_day_of_the_advertisers_own_zone() -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert today_at(late, timedelta(hours=9)) == date(2026, 11, 23)
    assert today_at(late, timedelta(hours=-8)) == TODAY


@pytest.mark.parametrize(
    ("start", "end", "kind", "limit"),
    [
        ("2026-11-20", "2026-11-19", "order", "after the end"),
        ("2026-11-20", "2026-11-23", "future", "2026-11-23"),
        ("2001-01-01", "2026-11-20", "past", "2016-09-01"),
    ],
)
def test_a_fault_of_a_range_names_the_limit(start: str, end: str, kind: str, limit: str) -> None:
    fault = span_fault(Span(date.fromisoformat(start), date.fromisoformat(end)), TODAY)
    assert fault is not None
    assert fault[0] == kind
    assert limit in fault[1]
