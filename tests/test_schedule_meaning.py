"""What a schedule means to a person."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adreel.language import PSEUDO, speaking
from adreel.scheduling import Meaning, meaning_of, read_schedule

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def meaning(value: Any, now: datetime = NOW, zone: str = "Europe/Berlin") -> Meaning:
    return meaning_of(read_schedule(value, lambda key, reason: pytest.fail(f"{key}: {reason}")), now, zone)


@pytest.mark.parametrize(
    ("value", "words", "notes", "runs"),
    [
        ("manual", "Manually", (), 0),
        ("0 6 31 * *", "At 06:00 on the 31st day of every month (UTC)", ("Months without day 31 are skipped.",), 1),
        ("0 6 29 2 *", "At 06:00 on February 29 (UTC)", ("Runs in leap years only.",), 1),
        (
            "0 6,18 13 * FRI",
            "At 06:00 and 18:00 on the 13th day of the month or on Friday (UTC)",
            ("Runs on each day that matches the day of month or the day of week.",),
            2,
        ),
        ("0 6 */2 * MON", "At 06:00 on every second day of the month if it's on Monday (UTC)", (), 1),
        ("*/15 * * * *", "Every 15th minute of every hour (UTC)", (), 96),
        ({"every": "7 hours"}, "Every 7 hours", (), 4),
        (
            {"every": "5 hours", "between": "8-20"},
            "Every 5 hours between 08:00 and 20:00 UTC",
            ("The interval is counted from 08:00 UTC on each day.",),
            3,
        ),
        ({"every": "hour", "between": "22-2"}, "Every hour between 22:00 and 02:00 UTC", (), 4),
    ],
)
def test_a_schedule_is_said_in_words_with_what_may_not_be_expected(
    value: Any, words: str, notes: tuple[str, ...], runs: int
) -> None:
    schedule_meaning = meaning(value, zone="UTC")
    assert (schedule_meaning.words, schedule_meaning.notes, schedule_meaning.runs_per_day) == (words, notes, runs)


@pytest.mark.parametrize(
    ("value", "began"),
    [
        ({"every": "2 weeks", "on": ["monday", "thursday"]}, "weeks began on Monday, 2026-11-23"),
        ({"every": "3 days"}, "days began on Saturday, 2026-11-28"),
        ({"every": "4 months"}, "months began on Tuesday, 2026-09-01"),
    ],
)
def test_a_schedule_without_a_start_says_from_when_it_counts(value: dict[str, Any], began: str) -> None:
    now = datetime(2026, 11, 29, 17, tzinfo=UTC)
    (note,) = meaning(value, now, "UTC").notes
    number = value["every"].split()[0]
    assert f"the current {number} {began}." in note
    # What it says is what the times do: the first one is of the next such period.
    unit = value["every"].split()[1]
    length = {"days": timedelta(3), "weeks": timedelta(14), "months": timedelta(122)}[unit]
    first = meaning(value, now, "UTC").times[0].utc
    assert first == datetime.fromisoformat(f"{began[-10:]}T00:00+00:00") + length
    assert meaning(value | {"start": "2026-12-01"}, now, "UTC").notes == ()
    assert meaning(value | {"every": unit.removesuffix("s")}, now, "UTC").notes == ()


def test_times_stand_beside_those_of_the_zone_and_a_change_of_its_clocks_is_said() -> None:
    schedule_meaning = meaning("0 6 * * *", datetime(2027, 3, 26, 12, tzinfo=UTC))
    assert [f"{time.utc:%d %H:%M} {time.local:%H:%M}" for time in schedule_meaning.times] == [
        "27 06:00 07:00",
        "28 06:00 08:00",
        "29 06:00 08:00",
        "30 06:00 08:00",
        "31 06:00 08:00",
    ]
    (note,) = schedule_meaning.notes
    assert note.startswith(
        "Clocks in Europe/Berlin change before 2027-03-28: from then on, local times are 1 hour later"
    )
    assert meaning("0 6 * * *").notes == ()


def test_a_start_in_the_future_is_the_first_time() -> None:
    schedule_meaning = meaning({"every": "6 hours", "start": "2026-12-24 09:00"})
    assert schedule_meaning.times[0].values() == {"utc": "2026-12-24T09:00:00Z", "local": "2026-12-24T10:00:00+01:00"}


def test_a_cron_expression_is_explained_in_english_only_and_a_recurrence_in_every_language() -> None:
    with speaking(PSEUDO):
        assert meaning("0 6 * * 1").words == "⟦Cron: 0 6 * * 1 (UTC)⟧"
        assert meaning({"every": "week", "on": ["friday"]}).words == "⟦⟦Every week⟧ on ⟦Friday⟧ at 00:00 UTC⟧"
