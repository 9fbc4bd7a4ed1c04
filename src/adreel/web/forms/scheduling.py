"""The Scheduling pane: a schedule as the fields of a form and back, with what it means while a person types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from adreel.datasets.values import scalar, texts
from adreel.dates import WEEKDAYS
from adreel.errors import Problem
from adreel.language import MONTHS as MONTH_NAMES
from adreel.language import WEEKDAYS as WEEKDAY_NAMES
from adreel.language import Phrase, phrase, phrases
from adreel.pipeline.estimate import Estimate
from adreel.scheduling import Cron, Meaning, Schedule, Unit, meaning_of, next_time, read_schedule, written
from adreel.scheduling.durations import read_duration, read_retry, written_duration
from adreel.scheduling.meaning import RunTime
from adreel.scheduling.reading import MOST, of_24_hours
from adreel.scheduling.schedule import MOST_RETRIES, SHORTEST_MINUTES, Retry

if TYPE_CHECKING:
    from adreel.web.forms.fields import FormFields

Titled = tuple[tuple[str, str], ...]
"""Values with their titles."""

MANUAL = "manual"
_COUNTED = (Unit.DAY, Unit.WEEK, Unit.MONTH)
"""Units of which several are counted from the day of the start."""

UNITS: Titled = (
    (MANUAL, Phrase("Manually")),
    ("minute", Phrase("Minutes")),
    ("hour", Phrase("Hours")),
    ("day", Phrase("Days")),
    ("weekday", Phrase("Weekdays (Monday to Friday)")),
    ("week", Phrase("Weeks")),
    ("month", Phrase("Months")),
)

WEEKDAY_TITLES: Titled = tuple(zip(WEEKDAYS, WEEKDAY_NAMES, strict=True))

MINUTES = ("15", "20", "30", "45", "60", "90")
"""The steps of minutes that are offered; none is shorter than a schedule may be."""

FIRST_NUMBERS: Mapping[str, str] = MappingProxyType({"minute": "30", "hour": "6"})
"""The number of units that a unit begins with, if it is not 1."""

FIRST_TIME = "06:00"
FIRST_CRON = "0 6 * * *"

WAITS = ("1 minute", "5 minutes", "15 minutes", "30 minutes", "1 hour", "3 hours", "6 hours", "12 hours", "1 day")
STALE = ("1 hour", "6 hours", "12 hours", "1 day", "2 days", "3 days", "1 week", "2 weeks", "30 days", "92 days")

STEPS: Titled = (
    ("*/15 *", Phrase("Every 15 minutes")),
    ("*/20 *", Phrase("Every 20 minutes")),
    ("*/30 *", Phrase("Every 30 minutes")),
    ("0 *", Phrase("Every hour")),
    ("0 */2", Phrase("Every 2 hours")),
    ("0 */3", Phrase("Every 3 hours")),
    ("0 */4", Phrase("Every 4 hours")),
    ("0 */6", Phrase("Every 6 hours")),
    ("0 */8", Phrase("Every 8 hours")),
    ("0 */12", Phrase("Every 12 hours")),
)
"""Minute and hour of a cron expression that runs at an interval from midnight on."""

MONTHS: Titled = tuple((str(number), name) for number, name in enumerate(MONTH_NAMES, 1))
MONTH_DAYS = (*map(str, range(1, 32)), "L")
CRON_WEEKDAYS: Titled = tuple((name[:3].upper(), title) for name, title in WEEKDAY_TITLES)
NTHS: Titled = (
    ("1", Phrase("First")),
    ("2", Phrase("Second")),
    ("3", Phrase("Third")),
    ("4", Phrase("Fourth")),
    ("5", Phrase("Fifth")),
    ("L", Phrase("Last")),
)
DAYS: Titled = (
    ("all", Phrase("Every day")),
    ("week", Phrase("Days of the week")),
    ("month", Phrase("Days of the month")),
    ("nth", Phrase("Weekdays of the month, such as the second Sunday")),
)
_WEEKDAY_NUMBERS: Mapping[str, str] = MappingProxyType(
    {name: str((number + 1) % 7) for number, (name, _) in enumerate(CRON_WEEKDAYS)}
)


@dataclass(frozen=True, slots=True)
class SchedulePane:
    """The pane. `tab` is basic or advanced; the other fields are what stands in the fields of that tab.

    `start_filled` is the start that `with_start` filled in, `uncounted` the interval that was saved without a start.
    `expression` is the cron expression of the advanced tab, typed or made from what is picked. `meaning` is None while
    the schedule is not valid; `load` says what it asks of TikTok, empty if that is not known.
    """

    tab: str
    unit: str
    every: str
    at: str
    weekdays: tuple[str, ...]
    month_day: str
    begin: str
    end: str
    start: str
    start_filled: str
    uncounted: str
    typed: bool
    expression: str
    picks: Picks
    retries: bool
    retry_times: str
    retry_wait: str
    waits: tuple[str, ...]
    stale_after: str
    stale: tuple[str, ...]
    meaning: Meaning | None
    load: str
    late: str

    @property
    def clock(self) -> str:
        """What the chosen times are in the zone of the workspace now; empty without such times, and for UTC."""
        meaning = self.meaning
        if meaning is None or not meaning.times or meaning.zone == "UTC":
            return ""
        zone = ZoneInfo(meaning.zone)
        first, times = meaning.times[0].utc, _times_of_a_day(meaning)
        facts = {
            "utc": ", ".join(f"{time.utc:%H:%M}" for time in times),
            "local": ", ".join(f"{time.local:%H:%M}" for time in times),
            "zone": meaning.zone,
        }
        if len({first.replace(month=month, day=1).astimezone(zone).utcoffset() for month in (1, 7)}) > 1:
            return phrase(
                "%(utc)s UTC is %(local)s in %(zone)s now, and moves by the hour that clocks there change.", **facts
            )
        return phrase("%(utc)s UTC is %(local)s in %(zone)s.", **facts)

    @property
    def units(self) -> Titled:
        """The units of the basic tab."""
        return UNITS

    @property
    def minutes(self) -> Titled:
        """The steps of minutes, with one's own."""
        own = {self.every} if self.every.isdecimal() else set()
        return tuple((text, phrase("%(minutes)s minutes", minutes=text)) for text in sorted({*MINUTES, *own}, key=int))

    @property
    def weekday_names(self) -> Titled:
        """The days of a weekly schedule."""
        return WEEKDAY_TITLES

    @property
    def days_of_month(self) -> Titled:
        """The days of a monthly schedule."""
        return (*((str(day), str(day)) for day in range(1, 31)), ("last", phrase("Last day")))

    @property
    def begins(self) -> Titled:
        """The hours at which active hours begin."""
        return (
            ("", phrase("All day")),
            *((str(hour), phrase("From %(hour)s:00", hour=format(hour, "02"))) for hour in range(24)),
        )

    @property
    def ends(self) -> Titled:
        """The hours at which active hours end."""
        return (
            ("", phrase("All day")),
            *((str(hour), phrase("Until %(hour)s:00", hour=format(hour, "02"))) for hour in range(25)),
        )

    @property
    def start_hint(self) -> str:
        """What the start does to this schedule."""
        limit = phrase("No run starts before this time.")
        return " ".join((limit, self._counting or phrase("Leave empty for no limit.")))

    @property
    def _counting(self) -> str:
        """From when the schedule is counted; empty if that is not from the start."""
        if self.tab == "basic" and self.unit in (Unit.MINUTE, Unit.HOUR):
            if self.begin or self.end:
                return phrase("Each day, intervals are counted from its minute of the first active hour.")
            return phrase("Intervals are counted from it.")
        if self.tab != "basic" or not self.every.isdecimal() or int(self.every) <= 1:
            return ""
        match self.unit:
            case Unit.DAY:
                return phrase("The %(days)s days are counted from its day.", days=self.every)
            case Unit.WEEK:
                return phrase("The %(weeks)s weeks are counted from its week.", weeks=self.every)
            case Unit.MONTH:
                return phrase("The %(months)s months are counted from its month.", months=self.every)
        return ""

    @property
    def steps(self) -> Titled:
        """The intervals of the advanced tab."""
        return STEPS

    @property
    def day_kinds(self) -> Titled:
        """The ways of naming days in the advanced tab."""
        return DAYS

    @property
    def cron_weekdays(self) -> Titled:
        """The weekdays of the advanced tab."""
        return CRON_WEEKDAYS

    @property
    def cron_month_days(self) -> Titled:
        """The days of the month of the advanced tab."""
        return tuple((day, phrase("Last") if day == "L" else day) for day in MONTH_DAYS)

    @property
    def nths(self) -> Titled:
        """Which of a month's weekdays."""
        return NTHS

    @property
    def months(self) -> Titled:
        """The months."""
        return MONTHS

    @property
    def retry_counts(self) -> Titled:
        """How many retries there can be."""
        return tuple((str(times), str(times)) for times in range(1, MOST_RETRIES + 1))

    @property
    def wait_options(self) -> Titled:
        """The waits between retries."""
        return tuple((wait, _duration_title(wait)) for wait in self.waits)

    @property
    def stale_options(self) -> Titled:
        """The times after which a manual dataset is stale."""
        return (
            ("", phrase("No warning")),
            *((text, phrase("3 months") if text == "92 days" else _duration_title(text)) for text in self.stale),
        )

    @property
    def manual(self) -> bool:
        """Whether the dataset is updated manually."""
        return self.tab == "basic" and self.unit == MANUAL


@dataclass(frozen=True, slots=True)
class Picks:
    """What is picked for a cron expression: `how` is at (a time) or step (an interval), `days` a key of `DAYS`.

    `begin` and `end` are the active hours of an interval, empty for the whole day.
    """

    how: str = "at"
    at: str = FIRST_TIME
    step: str = "0 */6"
    begin: str = ""
    end: str = ""
    days: str = "all"
    month_days: tuple[str, ...] = ()
    weekdays: tuple[str, ...] = ()
    nths: tuple[str, ...] = ()
    nth_day: str = "SUN"
    months: tuple[str, ...] = ()

    @property
    def expression(self) -> str:
        """The cron expression."""
        hour, _, minute = self.at.strip().partition(":")
        # A time that is none is left in place, so that it is reported as a wrong field.
        step = _step_within(self.step, self.begin, self.end)
        time = step if self.how == "step" else f"{_number(minute)} {_number(hour)}"
        day = ",".join(self.month_days) if self.days == "month" and self.month_days else "*"
        week = "*"
        if self.days == "week" and self.weekdays:
            week = ",".join(self.weekdays)
        if self.days == "nth" and self.nths:
            week = ",".join(_nth(self.nth_day, nth) for nth in self.nths)
        return f"{time} {day} {','.join(self.months) or '*'} {week}"


def _step_within(step: str, begin: str, end: str) -> str:
    """Minute and hour of a step, in the active hours from `begin` to `end`, which is not included."""
    first, after = (int(text) if text in _HOURS else whole for text, whole in ((begin, 0), (end, 24)))
    if step not in dict(STEPS) or first % 24 == after % 24:
        return step
    minute, hour = step.split()
    every = int(hour.removeprefix("*/")) if "/" in hour else 1
    if first < after:
        return f"{minute} {_hours(first, after, every)}"
    # Over midnight: the hours of the next day go on with the same interval.
    rest = (first - 24) % every
    morning = f",{_hours(rest, after, every)}" if rest < after else ""
    return f"{minute} {_hours(first, 24, every)}{morning}"


def _hours(first: int, after: int, every: int) -> str:
    if after - first == 1:
        return str(first)
    return f"{first}-{after - 1}" + (f"/{every}" if every > 1 else "")


_HOURS = tuple(map(str, range(25)))


@cache
def _steps_within() -> Mapping[str, tuple[str, str, str]]:
    """By minute and hour of an expression: the step with its active hours."""
    steps: dict[str, tuple[str, str, str]] = {}
    for step, _ in STEPS:
        for begin in ("", *_HOURS[:24]):
            for end in ("", *_HOURS):
                steps.setdefault(_step_within(step, begin, end), (step, begin, end))
    return steps


def _number(text: str) -> str:
    word = "".join(text.split())
    return str(int(word)) if word.isascii() and word.isdigit() and len(word) < 3 else word or "?"


def _nth(day: str, nth: str) -> str:
    return f"{_WEEKDAY_NUMBERS.get(day, '0')}L" if nth == "L" else f"{day}#{nth}"


def picks_of(expression: str) -> Picks | None:
    """What to pick for the expression; None if the fields cannot say it."""
    fields = expression.upper().split()
    if len(fields) != 5:
        return None
    minute, hour, day, month, week = fields
    picks = Picks(months=tuple(month.split(",")) if month != "*" else ())
    if minute.isdigit() and hour.isdigit():
        picks = _with(picks, at=f"{int(hour):02}:{int(minute):02}")
    elif within := _steps_within().get(f"{minute} {hour}"):
        picks = _with(picks, how="step", step=within[0], begin=within[1], end=within[2])
    if day != "*":
        picks = _with(picks, days="month", month_days=tuple(day.split(",")))
    elif "#" in week or (week.endswith("L") and week != "L"):
        names = {number: name for name, number in _WEEKDAY_NUMBERS.items()}
        pairs = [
            (names.get(part[:-1], ""), "L") if part.endswith("L") else tuple(part.split("#", 1))
            for part in week.split(",")
        ]
        if len({pair[0] for pair in pairs}) == 1:
            picks = _with(picks, days="nth", nth_day=pairs[0][0], nths=tuple(pair[-1] for pair in pairs))
    elif week != "*":
        picks = _with(picks, days="week", weekdays=tuple(week.split(",")))
    return picks if picks.expression == " ".join(fields) and _are_offered(picks) else None


def _with(picks: Picks, **changes: Any) -> Picks:
    return Picks(**{name: changes.get(name, getattr(picks, name)) for name in Picks.__slots__})


def _are_offered(picks: Picks) -> bool:
    """Whether each value is one that the pane offers."""
    return (
        set(picks.months) <= set(dict(MONTHS))
        and set(picks.month_days) <= set(MONTH_DAYS)
        and set(picks.weekdays) <= set(dict(CRON_WEEKDAYS))
        and set(picks.nths) <= set(dict(NTHS))
        and picks.nth_day in dict(CRON_WEEKDAYS)
    )


# -- values to fields


def schedule_pairs(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields of the pane for the dataset file's values."""
    faults: list[str] = []
    given = values.get("schedule")
    schedule = read_schedule(given, lambda key, _: faults.append(key))
    if faults:
        raw = given.get("cron") if isinstance(given, Mapping) else given
        yield from (("schedule.tab", "advanced"), ("schedule.typed", "yes"))
        yield from (("schedule.shown", "typed"), ("schedule.cron", scalar(raw)))
    else:
        yield from _fields_of(schedule)
    retry = read_retry(values.get("retry"), lambda *_: None)
    yield "retry.on", "true" if retry else "false"
    yield "retry.times", str((retry or Retry()).times)
    yield "retry.wait", written_duration((retry or Retry()).wait)
    yield "stale_after", _duration_text(scalar(values.get("stale_after")))


def _fields_of(schedule: Schedule | None) -> Iterator[tuple[str, str]]:
    if schedule is not None and schedule.start is not None:
        yield "schedule.start", f"{schedule.start.astimezone(UTC):%Y-%m-%dT%H:%M}"
    if isinstance(schedule, Cron):
        yield "schedule.tab", "advanced"
        picks = picks_of(schedule.expression)
        yield "schedule.cron", schedule.expression
        yield "schedule.typed", "no" if picks else "yes"
        yield "schedule.shown", "picked" if picks else "typed"
        yield from _pick_pairs(picks or Picks())
        return
    yield "schedule.tab", "basic"
    yield "schedule.unit", str(schedule.unit) if schedule else MANUAL
    if schedule is None:
        return
    value = written(schedule)
    if schedule.start is None and schedule.every > 1:
        yield "schedule.uncounted", f"{schedule.every} {schedule.unit}"
    yield "schedule.every", str(schedule.every)
    yield "schedule.at", ", ".join(texts(value.get("at")))
    yield "schedule.day", scalar(value.get("day"))
    yield from (("schedule.on", name) for name in texts(value.get("on")))
    if schedule.active is not None:
        yield "schedule.begin", str(schedule.active.begin)
        yield "schedule.end", str(schedule.active.end)


def _pick_pairs(picks: Picks) -> Iterator[tuple[str, str]]:
    for name in ("how", "at", "step", "begin", "end", "days", "nth_day"):
        yield f"cron.{name}", str(getattr(picks, name))
    for name in ("month_days", "weekdays", "nths", "months"):
        yield from ((f"cron.{name}", value) for value in getattr(picks, name))


# -- fields to values


def schedule_values(fields: FormFields) -> dict[str, Any]:
    """The dataset file's keys of the pane; without those that are at their default."""
    if "schedule.tab" not in fields:
        return {}
    values: dict[str, Any] = {}
    schedule = _schedule_value(fields)
    if schedule is not None:
        faults: list[str] = []
        valid = read_schedule(schedule, lambda key, _: faults.append(key))
        values["schedule"] = schedule if faults else written(valid)
    if fields.last("retry.on", "true") != "true":
        values["retry"] = False
    else:
        times, wait = fields.text("retry.times", str(Retry().times)), fields.text("retry.wait", "15 minutes")
        if (times, read_duration(wait)) != (str(Retry().times), Retry().wait):
            values["retry"] = {"times": times, "wait": wait}
    if schedule is None and fields.text("stale_after"):
        values["stale_after"] = fields.text("stale_after")
    return values


def _tab(fields: FormFields) -> str:
    return "advanced" if fields.last("schedule.tab") == "advanced" else "basic"


def _expression(fields: FormFields) -> str:
    if fields.last("schedule.typed") == "yes":
        # Typed from what was picked, where it was not typed before.
        shown = fields.last("schedule.shown") == "typed" or "cron.how" not in fields
        return fields.text("schedule.cron", FIRST_CRON) if shown else _picks(fields).expression
    return _picks(fields).expression


def _picks(fields: FormFields) -> Picks:
    """What is picked; what an expression stands for that was typed until now."""
    if fields.last("schedule.shown") == "typed" or "cron.how" not in fields:
        return picks_of(fields.text("schedule.cron", FIRST_CRON)) or Picks()
    first = Picks()
    days = fields.last("cron.days", first.days)
    # A kind of days of which none is picked would mean every day.
    begin = {"month": ("1",), "week": ("MON",), "nth": ("1",)}
    none = {kind: begin[kind] if kind == days else () for kind in begin}
    return Picks(
        how=fields.last("cron.how", first.how),
        at=of_24_hours(fields.text("cron.at", first.at)),
        step=fields.last("cron.step", first.step),
        begin=fields.text("cron.begin"),
        end=fields.text("cron.end"),
        days=days,
        month_days=fields.all("cron.month_days") or none["month"],
        weekdays=fields.all("cron.weekdays") or none["week"],
        nths=fields.all("cron.nths") or none["nth"],
        nth_day=fields.last("cron.nth_day", first.nth_day),
        months=fields.all("cron.months"),
    )


def _schedule_value(fields: FormFields) -> Any:
    """The schedule as a dataset file has it; None for a manual dataset."""
    from_time = fields.text("schedule.start").replace("T", " ")
    start = {"start": from_time} if from_time else {}
    if _tab(fields) == "advanced":
        return {"cron": _expression(fields)} | start if start else _expression(fields)
    unit = fields.last("schedule.unit", MANUAL)
    if unit == MANUAL:
        return None
    value: dict[str, Any] = {"every": unit if unit == Unit.WEEKDAY else f"{_every(fields)} {unit}s"} | start
    if unit in (Unit.MINUTE, Unit.HOUR):
        begin, end = fields.text("schedule.begin"), fields.text("schedule.end")
        return value | ({"between": f"{begin or '0'}-{end or '24'}"} if begin or end else {})
    value["at"] = of_24_hours(fields.text("schedule.at", FIRST_TIME)).replace(",", " ").split() or [""]
    if unit == Unit.WEEK:
        value["on"] = list(fields.all("schedule.on")) or [WEEKDAYS[0]]
    if unit == Unit.MONTH:
        value["day"] = fields.text("schedule.day") or "1"
    return value


def _every(fields: FormFields) -> str:
    """The number of units; the first one of a unit that was just chosen."""
    unit = fields.last("schedule.unit")
    if fields.last("schedule.unit_before", unit) != unit or not fields.text("schedule.every"):
        return FIRST_NUMBERS.get(unit, "1")
    return fields.text("schedule.every")


def with_start(fields: FormFields, now: datetime) -> FormFields:
    """The fields with a start if several days, weeks or months are counted: the next time at which a run would be due.

    So the first run is the next one that a person expects, and not one counted from 1970-01-05. A start that was filled
    in follows the schedule until a person changes it. An interval that was saved without a start keeps none.
    """
    start, filled = fields.text("schedule.start"), fields.last("schedule.start_filled")
    if "schedule.tab" not in fields or (start and start != filled):
        return fields
    empty = _started(fields, "")
    unit, every = fields.last("schedule.unit"), _every(fields)
    is_counted = _tab(fields) == "basic" and unit in _COUNTED and every.isdecimal() and int(every) > 1
    if not is_counted or f"{every} {unit}" == fields.last("schedule.uncounted"):
        return empty
    faults: list[str] = []
    schedule = read_schedule(_schedule_value(empty) | {"every": unit}, lambda key, _: faults.append(key))
    due = next_time(schedule, now) if schedule and not faults else None
    return _started(fields, f"{due:%Y-%m-%dT%H:%M}") if due else fields


def _started(fields: FormFields, start: str) -> FormFields:
    return replace(fields, values={**fields.values, "schedule.start": (start,), "schedule.start_filled": (start,)})


def at_its_field(problem: Problem, fields: FormFields) -> Problem:
    """A problem with the schedule as the field says it at which it is; other problems as they are."""
    if problem.menu == "schedule.every":
        unit = Unit(fields.last("schedule.unit"))
        least = SHORTEST_MINUTES if unit is Unit.MINUTE else 1
        return replace(
            problem, reason=phrase("enter a whole number from %(least)s to %(most)s.", least=least, most=MOST[unit])
        )
    is_picked = _tab(fields) == "advanced" and fields.last("schedule.typed") != "yes"
    if problem.menu in ("schedule", "schedule.cron") and is_picked and not _is_timely(_picks(fields)):
        time = _picks(fields).at
        reason = (
            phrase("%(time)s is not a time of the day; write for example 06:30.", time=repr(time))
            if time
            else phrase("enter a time, such as 06:30.")
        )
        return replace(problem, menu="schedule.time", reason=reason)
    return problem


def _is_timely(picks: Picks) -> bool:
    """Whether what is picked says when: at an interval, or at a time of the day."""
    hour, _, minute = picks.at.strip().partition(":")
    numbers = (_number(hour), _number(minute))
    is_time = all(number.isdecimal() for number in numbers) and int(numbers[0]) < 24 and int(numbers[1]) < 60
    return picks.how == "step" or is_time


def _duration_title(text: str) -> str:
    """A length of time such as `15 minutes` in the language in force; a text that is none as it is."""
    number, _, unit = text.partition(" ")
    if not number.isdecimal():
        return text
    match unit.removesuffix("s"):
        case "minute":
            return phrases("%(minutes)s minute", "%(minutes)s minutes", int(number), minutes=number)
        case "hour":
            return phrases("%(hours)s hour", "%(hours)s hours", int(number), hours=number)
        case "day":
            return phrases("%(days)s day", "%(days)s days", int(number), days=number)
        case "week":
            return phrases("%(weeks)s week", "%(weeks)s weeks", int(number), weeks=number)
    return text


def _duration_text(text: str) -> str:
    duration = read_duration(text)
    return written_duration(duration) if duration else text


# -- the pane


def schedule_pane(
    fields: FormFields,
    now: datetime,
    zone: str,
    estimate: Estimate | None,
    late_at: Callable[[datetime], str] = lambda _: "",
) -> SchedulePane:
    """The pane; `zone` is the workspace's, and `estimate` that of a run, if it is known.

    `late_at` says what a run at a time would read too early, or nothing; it is asked for the last run of a day.
    """
    value = _schedule_value(fields)
    faults: list[str] = []
    schedule = read_schedule(value, lambda key, _: faults.append(key))
    meaning = None if faults else meaning_of(schedule, now, zone)
    wait = _duration_text(fields.text("retry.wait", "15 minutes"))
    stale = _duration_text(fields.text("stale_after"))
    has_times = meaning is not None and bool(meaning.times) and _at_a_time(fields)
    has_load = meaning is not None and meaning.runs_per_day and estimate is not None
    return SchedulePane(
        tab=_tab(fields),
        unit=fields.last("schedule.unit", MANUAL),
        every=_every(fields),
        at=fields.text("schedule.at", FIRST_TIME),
        weekdays=fields.all("schedule.on") or (WEEKDAYS[0],),
        month_day=fields.text("schedule.day") or "1",
        begin=fields.text("schedule.begin"),
        end=fields.text("schedule.end"),
        start=fields.text("schedule.start"),
        start_filled=fields.last("schedule.start_filled"),
        uncounted=fields.last("schedule.uncounted"),
        typed=fields.last("schedule.typed") == "yes",
        expression=_expression(fields),
        picks=_picks(fields),
        retries=fields.last("retry.on", "true") == "true",
        retry_times=fields.text("retry.times") or str(Retry().times),
        retry_wait=wait,
        waits=_offered(WAITS, wait),
        stale_after=stale,
        stale=_offered(STALE, stale),
        meaning=meaning,
        late=late_at(_times_of_a_day(meaning)[-1].utc) if has_times and meaning else "",
        load=estimate.daily_text(meaning.runs_per_day) if has_load and meaning and estimate else "",
    )


def _times_of_a_day(meaning: Meaning) -> list[RunTime]:
    """The next runs within a day, in the order of their UTC times."""
    end = meaning.times[0].utc + timedelta(days=1)
    return sorted((time for time in meaning.times if time.utc < end), key=lambda time: time.utc.time())


def _at_a_time(fields: FormFields) -> bool:
    """Whether runs are at times of the day, and not at an interval."""
    if _tab(fields) == "advanced":
        return _picks(fields).how == "at"
    return fields.last("schedule.unit") not in (Unit.MINUTE, Unit.HOUR)


def _offered(durations: tuple[str, ...], own: str) -> tuple[str, ...]:
    """The durations with one's own, in order of length."""
    offered = {*durations, *([own] if own else [])}
    return tuple(sorted(offered, key=lambda text: read_duration(text) or timedelta()))
