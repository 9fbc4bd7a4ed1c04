"""The Scheduling pane as fields, without a browser."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.language import PSEUDO, speaking
from adreel.scheduling import first_times, read_schedule
from adreel.web.forms.fields import FormFields, fields_of
from adreel.web.forms.panes import Form, form_of, posted_values
from adreel.web.forms.scheduling import CRON_WEEKDAYS, MONTH_DAYS, NTHS, STEPS, Picks, picks_of
from test_forms import AROUND, DAILY


def shown(values: dict[str, Any], **changes: str | tuple[str, ...]) -> Form:
    fields = dict(fields_of(DAILY | values).values)
    fields |= {
        name.replace("__", "."): (given,) if isinstance(given, str) else given for name, given in changes.items()
    }
    return form_of(FormFields(fields), replace(AROUND, zone="Europe/Berlin"))


SCHEDULES: list[Any] = [
    None,
    "0 6 * * *",
    "0 6 * * SUN#2,SUN#4",
    "30 6 1,15,L * *",
    "0 */6 * 1,7 MON,FRI",
    "5 4 13 * FRI",
    "0 6 * * MON-FRI",
    "*/15 8-19 * * MON,TUE,WED,THU,FRI",
    "0 22-23/6,4-5/6 * * *",
    {"cron": "0 6 * * 0L", "start": "2026-12-24 09:00"},
    {"every": "30 minutes", "between": "08:00-20:00"},
    {"every": "6 hours", "start": "2026-12-24 09:00"},
    {"every": "3 days", "at": ["06:00", "18:00"]},
    {"every": "weekday", "at": "06:00"},
    {"every": "2 weeks", "on": ["monday", "thursday"], "at": "06:00"},
    {"every": "month", "day": "last", "at": "06:00"},
    {"every": "3 months", "day": 30, "at": "06:00"},
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=map(str, SCHEDULES))
def test_a_form_that_is_saved_as_it_was_opened_keeps_the_schedule(schedule: Any) -> None:
    given = {"schedule": schedule, "retry": {"times": 5, "wait": "1 hour"}}
    values = posted_values(fields_of(DAILY | given))
    faults: list[str] = []
    assert read_schedule(values.get("schedule"), lambda key, _: faults.append(key)) == read_schedule(
        schedule, lambda *_: None
    )
    assert (faults, values["retry"]) == ([], {"times": "5", "wait": "1 hour"})


def test_retries_that_are_off_and_a_stale_warning_are_kept() -> None:
    values = posted_values(fields_of(DAILY | {"retry": False, "stale_after": "7 days"}))
    assert (values["retry"], values["stale_after"], values.get("schedule")) == (False, "1 week", None)


@given(
    st.builds(
        Picks,
        how=st.sampled_from(["at", "step"]),
        at=st.times().map(lambda time: f"{time:%H:%M}"),
        step=st.sampled_from([value for value, _ in STEPS]),
        begin=st.sampled_from(["", *map(str, range(24))]),
        end=st.sampled_from(["", *map(str, range(25))]),
        days=st.sampled_from(["all", "week", "month", "nth"]),
        month_days=st.lists(st.sampled_from(MONTH_DAYS), min_size=1, unique=True).map(tuple),
        weekdays=st.lists(st.sampled_from([name for name, _ in CRON_WEEKDAYS]), min_size=1, unique=True).map(tuple),
        nths=st.lists(st.sampled_from([name for name, _ in NTHS]), min_size=1, unique=True).map(tuple),
        nth_day=st.sampled_from([name for name, _ in CRON_WEEKDAYS]),
    )
)
def test_whatever_can_be_picked_is_a_valid_expression_that_shows_the_same_picks(picks: Picks) -> None:
    faults: list[str] = []
    read_schedule(picks.expression, lambda key, reason: faults.append(f"{key} {reason}"))
    assert faults == []
    again = picks_of(picks.expression)
    assert again is not None
    assert again.expression == picks.expression


def test_a_wrong_field_of_an_expression_is_told_at_the_schedule_and_there_are_no_times() -> None:
    form = shown({}, schedule__tab="advanced", schedule__typed="yes", schedule__cron="0 25 * * *")
    assert [problem.words for problem in form.at("schedule")] == ["'25' is not valid as hour."]
    assert form.scheduling.meaning is None
    # What is wrong with the schedule does not take the columns and the key away.
    assert form.dataset is not None


def test_another_tab_replaces_the_schedule_and_an_expression_is_typed_on_from_what_was_picked() -> None:
    basic = {"schedule": {"every": "day", "at": "09:30"}}
    form = shown(basic, schedule__tab="advanced")
    assert form.scheduling.expression == "0 6 * * *"
    assert posted_values(form.fields)["schedule"] == "0 6 * * *"
    picked = shown({"schedule": "30 7 * * MON"}, schedule__typed="yes", schedule__shown="picked")
    assert (picked.scheduling.typed, picked.scheduling.expression) == (True, "30 7 * * MON")
    back = shown({}, schedule__tab="advanced", schedule__cron="0 6 * * SUN#2", schedule__shown="typed")
    assert (back.scheduling.picks.days, back.scheduling.picks.nths) == ("nth", ("2",))


def test_a_kind_of_days_begins_with_one_of_them_and_not_with_every_day() -> None:
    form = shown({"schedule": "0 6 * * *"}, cron__days="week")
    assert (form.scheduling.expression, form.scheduling.picks.weekdays) == ("0 6 * * MON", ("MON",))


def test_a_unit_that_is_chosen_begins_with_a_number_that_is_not_refused() -> None:
    form = shown(
        {"schedule": {"every": "2 days"}}, schedule__unit="minute", schedule__unit_before="day", schedule__every="2"
    )
    assert (form.scheduling.every, form.at("schedule")) == ("30", ())
    assert form.scheduling.meaning is not None
    assert form.scheduling.meaning.runs_per_day == 48


WRONG: list[dict[str, str | tuple[str, ...]]] = [
    {"schedule__at": "7:15h"},
    {"schedule__every": "-2"},
    {"schedule__start": "soon"},
    {"schedule__tab": "advanced", "schedule__typed": "yes", "schedule__cron": "0 25 * * *"},
    {"retry__times": "99"},
    {"retry__wait": "soon"},
    {"name": ""},
    {"description": "d" * 20_001},
    {"update__key": "stat_time_day"},
    {"update__key": "advertiser_id, ad_id, stat_time_day, nonsense"},
    {"update__lookback": "99"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=map(str, WRONG))
@pytest.mark.parametrize("method", ["upsert", "partition"])
def test_a_wrong_field_leaves_what_the_form_says_of_the_other_fields(
    method: str, wrong: dict[str, str | tuple[str, ...]]
) -> None:
    if "update__key" in wrong and method == "partition":
        return
    values = {
        "metrics": ["spend", "conversion"],
        "update": {"method": method},
        "schedule": {"every": "2 weeks", "on": ["monday"], "at": "06:00", "start": "2026-12-07"},
    }
    right, form = shown(values), shown(values, **wrong)
    assert form.problems or form.missing
    assert form.update == replace(
        right.update,
        lookback=str(wrong.get("update__lookback", "")),
        other_key=str(wrong.get("update__key", "")),
    )
    assert "7 days (the default)" in form.update.lookback_text
    assert form.columns == right.columns
    assert form.planned is not None
    assert right.planned is not None
    assert form.planned.estimate == right.planned.estimate
    if not any(name.startswith("schedule") for name in wrong):
        assert form.scheduling.meaning == right.scheduling.meaning


@pytest.mark.parametrize("wrong", [{"dates__kind": "date", "dates__date__how": "on"}, {"account": ""}])
def test_columns_and_look_back_are_described_while_the_dates_or_the_account_are_missing(wrong: dict[str, str]) -> None:
    values = {"update": {"method": "upsert"}}
    right, form = shown(values), shown(values, **wrong)
    assert (form.missing, form.planned) != ((), right.planned)
    assert (form.columns, form.update.key, form.update.default_lookback) == (
        right.columns, right.update.key, right.update.default_lookback,
    )  # fmt: skip
    assert form.update.lookback_text.startswith("Look-back: 2 days (the default).")


def test_a_refused_look_back_is_not_said_to_be_turned_off_by_0() -> None:
    for update in ({"method": "replace"}, {"method": "append"}, {"method": "upsert"}):
        text = shown({"time_dimension": None, "update": update}).update.lookback_text
        assert "not available with" in text
        assert "0 turns it off" not in text


def test_every_quarter_of_an_hour_on_weekdays_by_day_is_picked() -> None:
    form = shown(
        {"schedule": "*/15 * * * *"},
        cron__begin="8", cron__end="20", cron__days="week", cron__weekdays=("MON", "TUE", "WED", "THU", "FRI"),
    )  # fmt: skip
    assert form.scheduling.expression == "*/15 8-19 * * MON,TUE,WED,THU,FRI"
    assert form.scheduling.meaning is not None
    assert form.scheduling.meaning.runs_per_day == 48
    assert (form.scheduling.picks.begin, form.scheduling.picks.end) == ("8", "20")


@given(
    step=st.sampled_from([value for value, _ in STEPS]),
    begin=st.integers(0, 23),
    end=st.integers(0, 24),
)
def test_active_hours_of_an_interval_keep_the_runs_in_them(step: str, begin: int, end: int) -> None:
    schedule = read_schedule(
        Picks(how="step", step=step, begin=str(begin), end=str(end)).expression, lambda _, reason: pytest.fail(reason)
    )
    assert schedule is not None
    hours = {(begin + number) % 24 for number in range((end - begin) % 24 or 24)}
    just_before = AROUND.now - timedelta(seconds=1)
    times = [time for time in first_times(schedule, just_before, 100) if time < AROUND.now + timedelta(days=1)]
    assert times
    assert {time.hour for time in times} <= hours
    minutes, _, every = step.partition(" ")
    gap = int(every.removeprefix("*/")) * 60 if "/" in every else 60 if minutes == "0" else int(minutes[2:])
    # The first active hour has a run, and as many follow as fit, but for a whole day, which counts from midnight.
    if (end - begin) % 24:
        assert len(times) == -(-len(hours) * 60 // gap)
        assert begin in {time.hour for time in times}


@pytest.mark.parametrize(
    ("changes", "menu", "title", "words"),
    [
        ({"schedule__at": ""}, "schedule.at", "At (UTC)", "Enter a time, such as 06:30."),
        (
            {"schedule__at": "6 und 9"},
            "schedule.at",
            "At (UTC)",
            "'6', 'und', '9' are not times of the day; write for example '06:30'.",
        ),
        ({"schedule__every": "-2"}, "schedule.every", "Every", "Enter a whole number from 1 to 52."),
        ({"schedule__every": "60"}, "schedule.every", "Every", "Enter a whole number from 1 to 52."),
        ({"schedule__start": "soon"}, "schedule.start", "Start (UTC)", "'soon' is not a time;"),
        (
            {"schedule__tab": "advanced", "cron__how": "at", "cron__at": "7h"},
            "schedule.time",
            "Time (UTC)",
            "'7h' is not a time of the day; write for example 06:30.",
        ),
        (
            {"schedule__tab": "advanced", "cron__how": "at", "cron__at": ""},
            "schedule.time",
            "Time (UTC)",
            "Enter a time, such as 06:30.",
        ),
    ],
)
def test_a_wrong_schedule_is_told_at_its_field_in_the_words_of_the_field(
    changes: dict[str, str | tuple[str, ...]], menu: str, title: str, words: str
) -> None:
    form = shown({"schedule": {"every": "2 weeks", "on": ["monday"], "at": "06:00"}}, **changes)
    assert [(problem.menu, problem.title) for problem in form.problems] == [(menu, title)]
    assert form.problems[0].words.startswith(words)
    assert form.scheduling.at == changes.get("schedule__at", "06:00") or form.scheduling.tab == "advanced"
    with speaking(PSEUDO):
        elsewhere = shown({"schedule": {"every": "2 weeks", "on": ["monday"], "at": "06:00"}}, **changes)
    assert [problem.menu for problem in elsewhere.problems] == [menu]


@pytest.mark.parametrize(
    ("typed", "times"),
    [
        ("5am", ["05:00"]),
        ("5 p.m.", ["17:00"]),
        ("6:30", ["06:30"]),
        ("6:30 PM, 12am", ["00:00", "18:30"]),
        ("12 pm 9:05am", ["09:05", "12:00"]),
    ],
)
def test_times_of_twelve_hours_are_taken(typed: str, times: list[str]) -> None:
    form = shown({"schedule": {"every": "day", "at": "06:00"}}, schedule__at=typed)
    assert not form.problems
    assert form.scheduling.meaning is not None
    assert sorted({f"{time.utc:%H:%M}" for time in form.scheduling.meaning.times}) == times


@pytest.mark.parametrize("typed", ["13pm", "0am", "6:60 am", "am", "5 bm"])
def test_what_is_no_time_of_twelve_hours_is_refused(typed: str) -> None:
    form = shown({"schedule": {"every": "day", "at": "06:00"}}, schedule__at=typed)
    assert [problem.menu for problem in form.problems] == ["schedule.at"]


def test_the_time_in_the_zone_of_the_workspace_is_beside_the_field() -> None:
    values = {"schedule": {"every": "day", "at": ["06:00", "18:00"]}}
    assert shown(values).scheduling.clock == (
        "06:00, 18:00 UTC is 07:00, 19:00 in Europe/Berlin now, and moves by the hour that clocks there change."
    )
    tokyo = form_of(fields_of(DAILY | values), replace(AROUND, zone="Asia/Tokyo"))
    assert tokyo.scheduling.clock == "06:00, 18:00 UTC is 15:00, 03:00 in Asia/Tokyo."
    assert form_of(fields_of(DAILY | values), AROUND).scheduling.clock == ""


ONE: dict[str, Any] = {"advertisers": ["7000000000000000001"]}
"""The ad account in UTC-08:00, whose day ends at 08:00 UTC."""

BY_AGE: dict[str, Any] = {"report_type": "audience", "data_level": "adgroup", "audience_dimensions": ["age"]}
"""A report that TikTok completes 16 hours after the end of the day."""


@pytest.mark.parametrize(
    ("values", "late"),
    [
        (
            {"schedule": {"every": "day", "at": "05:00"}},
            (
                "At 05:00 UTC, yesterday is not over in UTC-08:00 (2 of 3 ad accounts). "
                "The earliest time with all figures is 10:00 UTC (11:00 in Europe/Berlin now)."
            ),
        ),
        (
            {"schedule": {"every": "day", "at": "05:00"}, "metrics": ["spend", "reach"]},
            (
                "At 05:00 UTC, yesterday is not over in UTC-08:00 (2 of 3 ad accounts). "
                "The earliest time with all figures is 10:00 UTC (11:00 in Europe/Berlin now). "
                "It comes before Reach, which TikTok completes later."
            ),
        ),
        (
            {"schedule": {"every": "day", "at": "09:00"}} | ONE,
            (
                "At 09:00 UTC, TikTok has not completed yesterday in UTC-08:00 (1 of 1 ad accounts). "
                "The earliest time with all figures is 10:00 UTC (11:00 in Europe/Berlin now)."
            ),
        ),
        (
            {
                "schedule": "0 9 * * *",
                "report_type": "audience",
                "data_level": "adgroup",
                "audience_dimensions": ["age"],
            }
            | ONE,
            (
                "At 09:00 UTC, TikTok has not completed yesterday in UTC-08:00 (1 of 1 ad accounts). "
                "TikTok completes it by 00:00 UTC of the next day."
            ),
        ),
        ({"schedule": {"every": "day", "at": "10:00"}}, ""),
        ({"schedule": {"every": "day", "at": ["05:00", "15:00"]}}, ""),
        ({"schedule": {"every": "hour"}}, ""),
        ({"schedule": "*/15 * * * *"}, ""),
        ({"schedule": None}, ""),
        ({"schedule": {"every": "day", "at": "05:00"}, "advertisers": ["7000000000000000003"]}, ""),
        ({"schedule": {"every": "day", "at": "05:00"}, "dates": {"start": "2026-11-01", "end": "2026-11-05"}}, ""),
    ],
)
def test_a_time_before_tiktok_has_yesterday_is_warned_of_with_the_earliest_good_one(
    values: dict[str, Any], late: str
) -> None:
    form = shown(values)
    assert not form.problems
    assert form.scheduling.late == late
