"""Which day of an ad account TikTok has completed at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from adreel.datasets.freshness import SLOWEST_DELAY, complete_at, last_complete_day

WEST, EAST = timedelta(hours=-8), timedelta(hours=9)


def test_a_day_is_the_last_complete_one_from_the_delay_after_its_end_in_the_zone_on() -> None:
    day, delay = date(2026, 11, 28), timedelta(hours=2)
    assert complete_at(day, WEST, delay) == datetime(2026, 11, 29, 10, tzinfo=UTC)
    for offset, hour in (
        (WEST, datetime(2026, 11, 29, 10, tzinfo=UTC)),
        (EAST, datetime(2026, 11, 28, 17, tzinfo=UTC)),
    ):
        assert last_complete_day(offset, delay, hour) == day
        assert last_complete_day(offset, delay, hour - timedelta(seconds=1)) == day - timedelta(days=1)


@given(
    st.integers(0, 10 * 365 * 24 * 60).map(
        lambda minutes: datetime(2020, 1, 2, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.integers(-12 * 4, 14 * 4),
    st.timedeltas(timedelta(), SLOWEST_DELAY),
)
def test_the_last_complete_day_is_complete_and_the_next_one_is_not(
    now: datetime, quarters: int, delay: timedelta
) -> None:
    offset = timedelta(minutes=15 * quarters)
    day = last_complete_day(offset, delay, now)
    assert complete_at(day, offset, delay) <= now < complete_at(day + timedelta(days=1), offset, delay)
