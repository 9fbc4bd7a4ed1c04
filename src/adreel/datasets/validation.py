"""Dataset files checked against the catalogue, into a `Dataset`.

`check` lists every problem at once, each with the menu at fault, the reason and the nearest valid choice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

from adreel import catalog
from adreel.catalog import all_spend, business_centers, gmv_max, smart_plus
from adreel.catalog.records import Menu, Report
from adreel.catalog.report_types import FURTHER
from adreel.catalog_file import FILE_NAME as ADDITIONS_FILE
from adreel.datasets import calculated, lookback, menus
from adreel.datasets.dataset import Dataset, Source, Update, key_columns
from adreel.datasets.files import MOST_PROBLEMS
from adreel.datasets.metric_search import search_metrics
from adreel.datasets.publish_targets import read_publish
from adreel.datasets.schema import columns
from adreel.dates import FIRST_DAY, PERIODS, WEEKDAYS, Dates, Day, read_day, span, span_fault, today_at
from adreel.errors import DatasetError, Problem
from adreel.language import integer, phrase, shown_day, within_sentence
from adreel.scheduling import read_schedule
from adreel.scheduling.durations import read_retry, read_stale_after
from adreel.update_methods import Method

LATEST_ZONE = timezone(timedelta(hours=14))
"""Where today comes first: a day that is in the future even there is in the future for every advertiser."""
LONGEST_DESCRIPTION = 10_000
MOST_NEAREST = 20
"""Problems of a dataset that are listed, and those that come with the nearest choices; looking for them takes time."""
LONGEST_REASON = 500
"""Characters of a problem, which may quote what stands in the file."""
TIMING_KEYS = ("schedule", "retry", "stale_after")
"""Keys that say when a dataset updates, and not what is asked of TikTok."""
ENDING_KEYS = ("update", *TIMING_KEYS, "publish")
GENERAL_KEYS = ("name", "description", "tags", "account", "report", *ENDING_KEYS)
"""Keys of every report; in a file, its menus come before the last ones, `ENDING_KEYS`."""
_DATE_KEYS = ("start", "end", "date", "period", "week_starts")
_UPDATE_KEYS = ("method", "key", "keep_days", "lookback")
_NESTED_KEYS: Mapping[str, str] = MappingProxyType(
    {
        **{key: f"dates.{key}" for key in _DATE_KEYS},
        **{f"{key}_date": f"dates.{key}" for key in ("start", "end")},
        **{key: f"update.{key}" for key in _UPDATE_KEYS},
        "update_method": "update.method",
        "primary_key": "update.key",
        **{key: f"schedule.{key}" for key in ("cron", "every", "at", "on", "between")},
        **dict.fromkeys(("retries", "times"), "retry.times"),
        "wait": "retry.wait",
        **dict.fromkeys(("look_back", "lookback_days", "lookback_window"), "update.lookback"),
    }
)
"""Keys that belong inside another, as people write them at the top of a file."""

_METHOD_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "merge": "upsert",
        "update": "upsert",
        "insert": "append",
        "add": "append",
        "incremental": "append",
        "overwrite": "replace",
        "full": "replace",
        "full refresh": "replace",
        "truncate": "replace",
        "partitions": "partition",
        "replace partitions": "partition",
        "insert overwrite": "partition",
    }
)
"""What other programs call the update methods."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of a check: the dataset if there are no problems, and notes on what its runs do.

    `draft` is what was read of the file whatever its problems are, with defaults in place of what is wrong; None if its
    report is unknown.
    """

    dataset: Dataset | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    draft: Dataset | None = None


def parse(source: Source, now: datetime | None = None) -> Dataset:
    """The dataset; DatasetError with every problem if there are any. `now` is aware; it bounds the dates."""
    checked = check(source, now)
    if checked.dataset is None:
        raise DatasetError(checked.problems)
    return checked.dataset


def check(source: Source, now: datetime | None = None) -> Checked:
    """Everything that is wrong with the file, and the dataset if nothing is."""
    problems = _Problems(source)
    values = source.values
    name = str(values.get("report") or "")
    report = catalog.REPORTS.get(name)
    if report is None:
        reports = tuple(catalog.REPORTS)
        problems.add(
            "report",
            phrase("%(report)s is not a report", report=repr(name))
            if name
            else phrase("required; choose from %(reports)s", reports=", ".join(reports)),
            menus.nearest(name, reports),
        )
    _check_general(values, problems)
    publish = read_publish(values.get("publish"), problems.add)
    general = _general(values, _read_update(values.get("update"), problems), _read_timing(values, problems))
    general["publish"] = publish
    if report is None:
        _check_without_report(values, problems, now)
        return Checked(None, problems.found())
    _check_keys(report, values, problems)
    chosen = _read_menus(report, values, problems)
    dates = _read_dates(report, values, chosen, problems, now)
    if report.deprecated:
        dataset = _legacy_dataset(report, chosen, dates, general, problems)
    else:
        dataset = _dataset(report, values, chosen, dates, general, problems)
        if _has_figures(report):
            dataset = _with_calculated(dataset, report, values.get(calculated.KEY), chosen, problems)
    _check_update(dataset, problems)
    listed = problems.found()
    return Checked(None if listed else replace(dataset, source=source), listed, draft=dataset)


class _Problems:
    """Collects problems with the line of the key that each is about."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._found: list[Problem] = list(source.problems[:MOST_PROBLEMS])
        self._more = len(source.problems) - len(self._found)

    def add(self, menu: str, reason: str, nearest: str | None = None, advice: str = "", at: str = "") -> None:
        """One more problem, unless the same was said of the same menu; it has the line of `at`, if that is given."""
        if len(self._found) >= MOST_PROBLEMS:
            self._more += 1
            return
        lines, place = self._source.lines, at or menu
        line = lines.get(place) or lines.get(place.split(".")[0])
        reason = _cut(reason)
        problem = Problem(_cut(menu), reason if reason.endswith(".") else f"{reason}.", nearest, line, _cut(advice))
        if problem not in self._found:
            self._found.append(problem)

    @property
    def is_saved(self) -> bool:
        """Whether the values are of the store or of a form; those of files have lines."""
        return not self._source.lines

    @property
    def may_search(self) -> bool:
        """Whether so few words are wrong that something like each is looked for, at some milliseconds a word."""
        return len(self._found) < MOST_NEAREST

    def nearest(self, word: str, choices: Iterable[str]) -> str | None:
        """The choices like `word`; None where too many words are wrong to look for those of each."""
        return menus.nearest(word, choices) if self.may_search else None

    def found(self) -> tuple[Problem, ...]:
        listed = sorted(self._found, key=lambda problem: problem.line or 0)
        more = (
            [Problem("file", phrase("and %(problems)s more problems.", problems=integer(self._more)))]
            if self._more
            else []
        )
        return (*listed, *more)


def _cut(text: str) -> str:
    """A text without its middle if it is long: what stands at fault begins it, and why ends it."""
    half = LONGEST_REASON // 2
    return text if len(text) <= LONGEST_REASON else f"{text[:half]}…{text[-half:]}"


def _check_general(values: Mapping[str, Any], problems: _Problems) -> None:
    for key in ("name", "account"):
        if not str(values.get(key) or "").strip():
            problems.add(key, phrase("required"))
    for key in ("name", "account", "description"):
        if isinstance(values.get(key), (list, dict)):
            problems.add(key, phrase("must be text"))
    if len(str(values.get("description") or "")) > LONGEST_DESCRIPTION:
        problems.add(
            "description", phrase("longer than %(characters)s characters", characters=integer(LONGEST_DESCRIPTION))
        )
    tags = values.get("tags")
    if tags is not None and not isinstance(tags, (list, str)):
        problems.add("tags", phrase("must be a list of words"))


def _check_keys(report: Report, values: Mapping[str, Any], problems: _Problems) -> None:
    keys = [*GENERAL_KEYS, *(menu.name for menu in report.menus), *((calculated.KEY,) * _has_figures(report))]
    every = {calculated.KEY, *(menu.name for other in catalog.REPORTS.values() for menu in other.menus)}
    for key in values:
        if key in every and key not in keys:
            problems.add(
                str(key),
                phrase("not available in report %(report)s", report=report.name),
                problems.nearest(str(key), keys),
            )
        elif key not in keys:
            _add_unknown_key(str(key), values, keys, problems)


def _has_figures(report: Report) -> bool:
    """Whether datasets of the report can have calculated metrics."""
    if report.deprecated or report.name == all_spend.REPORT:
        return False
    return any(menu.source == "metrics" for menu in report.menus)


def _add_unknown_key(key: str, values: Mapping[str, Any], keys: Iterable[str], problems: _Problems) -> None:
    """A key that no report has: one that belongs inside another key, or else the nearest."""
    path = _NESTED_KEYS.get(key.lower())
    if path is None:
        problems.add(key, phrase("%(key)s is not a key", key=repr(key)), problems.nearest(key, keys))
        return
    outer, _, inner = path.partition(".")
    if path == "update.method":
        method = _read_method(values[key], problems, at=key) or Method.UPSERT
        problems.add(
            key,
            phrase("%(key)s is not a key; write %(entry)s", key=repr(key), entry=f"{outer}: {{{inner}: {method}}}"),
        )
    else:
        problems.add(
            key,
            phrase(
                "%(key)s is not a key; write it inside %(outer_key)s, as %(inner_key)s",
                key=repr(key),
                outer_key=outer,
                inner_key=inner,
            ),
        )


def _check_without_report(values: Mapping[str, Any], problems: _Problems, now: datetime | None) -> None:
    """What is wrong whatever the report is: keys, choices and names that no report has, and the dates."""
    every: dict[str, list[tuple[Report, Menu]]] = {}
    for report in catalog.REPORTS.values():
        for menu in report.menus:
            every.setdefault(menu.name, []).append((report, menu))
    for key in values:
        if key not in every and key not in (*GENERAL_KEYS, calculated.KEY):
            _add_unknown_key(str(key), values, [*GENERAL_KEYS, *every, calculated.KEY], problems)
    for name, pairs in every.items():
        if name != "dates" and values.get(name) not in (None, [], ""):
            _check_values_of_any(pairs, values[name], problems)
    if values.get("dates") is not None:
        _read_given_dates(values["dates"], problems, now)


def _check_values_of_any(pairs: list[tuple[Report, Menu]], given: Any, problems: _Problems) -> None:
    """The values of a key that several reports have: at least one of them has to offer each."""
    first, menu = pairs[0]
    texts = _read_menu(menu, given, problems)
    if menu.source in ("switch", "advertisers", "ids"):
        _check_choice(first, menu, {menu.name: texts}, problems)
        return
    offered = {offer.value: offer for report, other in pairs for offer in menus.offers(report, other, {})}
    for value in texts:
        current = catalog.legacy.column_name(value) if menu.source in ("metrics", "dimensions") else value
        if value != "none" and value not in offered and current not in offered:
            _add_unknown_value(menu, value, [offered[name] for name in sorted(offered)], problems)


def _texts(value: Any) -> tuple[str, ...] | None:
    """One or more values as texts; None if they are no scalars."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, (dict, list)) or item is None for item in items):
        return None
    return tuple(str(item).lower() if isinstance(item, bool) else str(item).strip() for item in items)


def _read_menus(report: Report, values: Mapping[str, Any], problems: _Problems) -> dict[str, tuple[str, ...]]:
    """What is chosen in each menu from the top down, defaults filled in."""
    chosen: dict[str, tuple[str, ...]] = {}
    for menu in report.menus:
        if menu.source == "dates":
            continue
        given = values.get(menu.name)
        refusal = menus.unmet(menu.when, chosen)
        if refusal is not None:
            _read_hidden(menu, given, refusal, chosen, problems)
        elif given is None or given == []:
            chosen[menu.name] = menus.defaults(menu, chosen)
            if menu.required and not chosen[menu.name]:
                # "ID column" keeps its capitals.
                meaning = within_sentence(menu.meaning)
                problems.add(menu.name, phrase("required: %(meaning)s", meaning=meaning))
        else:
            chosen[menu.name] = _read_menu(menu, given, problems)
            if menu.source == "choices":
                _check_offered(report, menu, chosen[menu.name], chosen, problems)
                values_of_menu = {choice.value for choice in menu.choices}
                chosen[menu.name] = tuple(
                    value if value in values_of_menu else menus.UNKNOWN for value in chosen[menu.name]
                )
    # Dimensions and metrics look at menus below them too (lifetime), so they come when all is read.
    for menu in report.menus:
        if menu.name in chosen and menu.source != "choices":
            _check_choice(report, menu, chosen, problems)
    return chosen


def _read_hidden(menu: Menu, given: Any, refusal: str, chosen: dict[str, tuple[str, ...]], problems: _Problems) -> None:
    """A menu that is not there now: nothing may be chosen in it, and a switch stands at its default."""
    # A switch that is off and a list that is empty say what is so anyway.
    if given is not None and given not in (False, [], "none"):
        problems.add(menu.name, refusal)
    if menu.source == "switch":
        chosen[menu.name] = menus.defaults(menu, chosen)


def _read_menu(menu: Menu, given: Any, problems: _Problems) -> tuple[str, ...]:
    texts = _texts(given)
    if texts is None:
        problems.add(menu.name, phrase("must be a list of values") if menu.many else phrase("must be one value"))
        return ()
    if len(texts) > 1 and not menu.many:
        problems.add(menu.name, phrase("must be one value, not %(values)s", values=len(texts)))
        return texts[:1]
    twice = sorted(text for text, times in Counter(texts).items() if times > 1)
    if twice:
        problems.add(menu.name, phrase("%(name)s is listed more than once", name=", ".join(twice)))
    return tuple(dict.fromkeys(texts))


def _check_choice(report: Report, menu: Menu, chosen: menus.Chosen, problems: _Problems) -> None:
    given = chosen[menu.name]
    if menu.source == "switch":
        for value in given:
            if value not in ("true", "false"):
                problems.add(menu.name, phrase("%(value)s is not true or false", value=repr(value)))
    elif menu.source in ("advertisers", "ids"):
        for value in given:
            if not (value.isascii() and value.isdigit()) and not (menu.source == "advertisers" and given == ("all",)):
                problems.add(
                    menu.name,
                    phrase("%(value)s is not a valid ID; use digits, or all", value=repr(value))
                    if menu.name == "advertisers"
                    else phrase("%(value)s is not a valid ID; use digits", value=repr(value)),
                )
    elif not (report.deprecated and menu.source in ("metrics", "dimensions")):
        _check_offered(report, menu, given, chosen, problems)


def _check_offered(
    report: Report, menu: Menu, given: tuple[str, ...], chosen: menus.Chosen, problems: _Problems
) -> None:
    free = menus.offers(report, menu, {**chosen, menu.name: ()})
    existing_values = {offer.value for offer in free}
    existing = tuple(value for value in given if value in existing_values)
    offered = {offer.value: offer for offer in menus.offers(report, menu, {**chosen, menu.name: existing})}
    for value in given:
        if value == "none" and not menu.required and menu.source == "dimensions":
            continue
        offer = offered.get(value)
        if offer is None:
            _add_unknown_value(menu, value, [offer for offer in free if offer.refusal is None], problems)
        elif offer.refusal is not None:
            others = [offer for offer in free if offer.refusal is None and offer.value != value]
            reason = offer.refusal if menu.source == "choices" else f"{value}: {offer.refusal}"
            synonym = menus.synonym(value, others) if problems.may_search else None
            nearest = synonym or problems.nearest(value, [offer.value for offer in others])
            if synonym:
                reason = phrase(
                    "%(reason)s; %(value)s is called %(name)s here",
                    reason=reason,
                    value=repr(value),
                    name=repr(synonym),
                )
            problems.add(menu.name, reason, nearest, _search(menu, value) if problems.may_search else "")


def _add_unknown_value(menu: Menu, value: str, offers: Sequence[menus.Offer], problems: _Problems) -> None:
    """A value that the menu does not have, with what it is called there, or else the nearest."""
    available = [offer.value for offer in offers]
    synonym = menus.synonym(value, offers) if problems.may_search else None
    if synonym:
        reason = phrase("%(value)s is called %(name)s", value=repr(value), name=repr(synonym))
    elif len(available) <= 12:
        reason = phrase(
            "%(value)s is not available; choose from %(values)s", value=repr(value), values=", ".join(available)
        )
    else:
        reason = phrase("%(value)s is not available", value=repr(value))
    nearest = synonym or problems.nearest(value, available)
    search = _search(menu, value, lists=not nearest) if problems.may_search else ""
    if menu.source in ("metrics", "dimensions") and problems.is_saved and not synonym:
        hint = phrase("If %(file)s of the home added it, put its entry back, or remove it here.", file=ADDITIONS_FILE)
        search = f"{search} {hint}".strip()
    problems.add(menu.name, reason, nearest, search)


def _search(menu: Menu, value: str, *, lists: bool = True) -> str:
    """The command that finds metrics or dimensions like the value, or else `lists` all; empty where none is."""
    if menu.source not in ("metrics", "dimensions") or not re.fullmatch(r"[\w ]{1,50}", value):
        return ""
    words = value.replace("_", " ").lower()
    matching = search_metrics(words) if menu.source == "metrics" else menus.matching_dimensions(words.split())
    if matching:
        return phrase("Search: %(command)s", command=f"adreel {menu.source} {words}")
    return phrase("List them: %(command)s", command=f"adreel {menu.source}") if lists else ""


def _read_dates(
    report: Report, values: Mapping[str, Any], chosen: menus.Chosen, problems: _Problems, now: datetime | None
) -> Dates | None:
    if not any(menu.name == "dates" for menu in report.menus):
        return None
    if chosen.get("lifetime") == ("true",):
        return None
    given = values.get("dates")
    if given is None:
        problems.add("dates", phrase("required: start and end, date, or period"))
        return None
    return _read_given_dates(given, problems, now)


def _read_given_dates(given: Any, problems: _Problems, now: datetime | None) -> Dates | None:
    if not isinstance(given, dict):
        problems.add("dates", phrase("must have keys: start and end, date, or period"))
        return None
    for key in given:
        if key not in _DATE_KEYS:
            problems.add(
                f"dates.{key}",
                phrase("%(key)s is not a key of dates", key=repr(key)),
                problems.nearest(str(key), _DATE_KEYS),
            )
    dates = _dates_of(given, problems)
    if dates is not None:
        today = today_at(now or datetime.now(UTC), LATEST_ZONE.utcoffset(None))
        try:
            fault = _fault_of(dates, today)
        except OverflowError:
            problems.add("dates", phrase("too many days back; the first day is %(day)s", day=shown_day(FIRST_DAY)))
            return None
        if fault:
            problems.add("dates", fault)
    return dates


def _fault_of(dates: Dates, today: date) -> str:
    """What is wrong with the days, empty if nothing is; as they were written, as `today` is that of no ad account."""
    fault = span_fault(span(dates, today), today)
    if fault is not None and fault[0] == "order":
        return phrase("the start %(start)s is after the end %(end)s.", start=dates.start, end=dates.end)
    return fault[1] if fault is not None else ""


def _dates_of(given: Mapping[str, Any], problems: _Problems) -> Dates | None:
    """The dates; None after every part that is wrong was added to the problems."""
    kinds = [key for key in ("period", "date", "start") if given.get(key) is not None]
    week = str(given.get("week_starts") or "monday").lower()
    period = str(given["period"]).lower().replace(" ", "_") if "period" in kinds else None
    days = {
        key: _read_day(key, given[key], problems)
        for key in ("date", "start", "end")
        if given.get(key) is not None and not (key == "end" and kinds == ["date"])
    }
    wrong = None in days.values()
    if week not in WEEKDAYS:
        wrong = True
        problems.add(
            "dates.week_starts", phrase("%(text)s is not a weekday", text=repr(week)), menus.nearest(week, WEEKDAYS)
        )
    if period is not None and period not in PERIODS:
        wrong = True
        problems.add(
            "dates.period", phrase("%(text)s is not a period", text=repr(period)), menus.nearest(period, PERIODS)
        )
    if len(kinds) != 1:
        problems.add("dates", phrase("use one of: period, date, or start with end"))
        return None
    if kinds == ["start"] and given.get("end") is None:
        problems.add("dates.end", phrase("required with start; for one day use date"))
        return None
    if wrong:
        return None
    if period is not None:
        return Dates(period=period, week_starts=week)
    first, *others = days.values()
    return Dates(start=first, end=others[-1] if others else first)


def _read_day(key: str, word: Any, problems: _Problems) -> Day | None:
    try:
        return read_day(str(word))
    except (ValueError, OverflowError):
        problems.add(
            f"dates.{key}",
            phrase("%(text)s is not a day; use 2026-01-31, today, yesterday, today-7 or 7", text=repr(word)),
        )
        return None


def _read_update(given: Any, problems: _Problems) -> Update:
    if given is None:
        return Update()
    if not isinstance(given, dict):
        problems.add(
            "update", phrase("write it as method: upsert, with key and keep_days if needed, not as a single word")
        )
        return Update()
    for key in given:
        if key not in _UPDATE_KEYS:
            problems.add(
                f"update.{key}",
                phrase("%(key)s is not a key of update", key=repr(key)),
                problems.nearest(str(key), _UPDATE_KEYS),
            )
    method = _read_method(given.get("method") or Method.REPLACE, problems)
    key = _texts(given["key"]) if given.get("key") is not None else None
    if key is not None and method not in (None, Method.UPSERT):
        problems.add("update.key", phrase("requires method: upsert; it is %(method)s", method=method))
    keep = given.get("keep_days")
    if keep is not None and method not in (None, Method.PARTITION):
        problems.add("update.keep_days", phrase("requires method: partition; it is %(method)s", method=method))
    elif keep is not None and not re.fullmatch("[1-9][0-9]{0,4}", str(keep)):
        problems.add("update.keep_days", phrase("%(text)s is not a number of days", text=repr(keep)))
        keep = None
    back = given.get("lookback")
    if back is not None and not (re.fullmatch("[0-9]{1,2}", str(back)) and int(back) <= lookback.LONGEST):
        problems.add(
            "update.lookback",
            phrase("%(text)s is not a number of days from 0 to %(longest)s", text=repr(back), longest=lookback.LONGEST),
        )
        back = None
    if method is None:
        return Update()
    keeps = int(keep) if keep is not None and method is Method.PARTITION else None
    return Update(method, key, keeps, None if back is None else int(back))


def _read_method(given: Any, problems: _Problems, at: str = "") -> Method | None:
    """The update method; None after the word was added to the problems, with the line of the key `at`."""
    word = str(given).lower()
    if word in list(Method):
        return Method(word)
    near = _METHOD_SYNONYMS.get(word.replace("_", " ").replace("-", " ")) or menus.nearest(word, list(Method))
    reason = phrase(
        "%(text)s is not an update method; choose from %(methods)s", text=repr(word), methods=", ".join(Method)
    )
    problems.add("update.method", reason, near, at=at)
    return None


def _check_update(dataset: Dataset, problems: _Problems) -> None:
    update = dataset.update
    if update.lookback and (refusal := lookback.refusal(dataset)):
        problems.add("update.lookback", refusal)
    if dataset.reset_schema and update.method is Method.APPEND:
        problems.add("reset_schema", phrase("not available with append, which keeps existing rows and columns"))
    by_key = update.method in (Method.UPSERT, Method.PARTITION)
    if by_key and (reason := lookback.period_refusal(dataset)):
        problems.add(
            "update.method", phrase("%(method)s is %(reason)s; use replace", method=update.method, reason=reason)
        )
    elif update.method is Method.PARTITION and not dataset.needs_advertisers:
        problems.add("update.method", phrase("partition is not available for Business Centers; use replace or upsert"))
    elif update.method is Method.PARTITION and dataset.time == "none":
        problems.add("update.method", phrase("partition requires a time dimension; without one use replace or upsert"))
    if update.key is not None:
        own = key_columns(dataset)
        missing = [name for name in own if name not in update.key]
        if missing:
            reason = phrase(
                "missing %(columns)s; without it keys repeat. Use %(key)s",
                columns=", ".join(missing),
                key=", ".join(own),
            )
            problems.add("update.key", reason)


def _read_timing(values: Mapping[str, Any], problems: _Problems) -> dict[str, Any]:
    timing = {
        "schedule": read_schedule(values.get("schedule"), problems.add),
        "retry": read_retry(values.get("retry"), problems.add),
        "stale_after": read_stale_after(values.get("stale_after"), problems.add),
    }
    if timing["schedule"] is not None and values.get("stale_after") is not None:
        problems.add("stale_after", phrase("requires schedule: manual; remove it, or remove the schedule"))
    return timing


def _general(values: Mapping[str, Any], update: Update, timing: Mapping[str, Any]) -> dict[str, Any]:
    tags = _texts(values.get("tags") or []) or ()
    return {
        "name": str(values.get("name") or ""),
        "account": str(values.get("account") or ""),
        "description": str(values.get("description") or ""),
        "tags": tags,
        "update": update,
        **timing,
    }


def _one(chosen: menus.Chosen, menu: str) -> str | None:
    return next((value for value in chosen.get(menu, ()) if value != "none"), None)


def _shared(chosen: menus.Chosen) -> dict[str, Any]:
    """The menus that all reports spell alike."""
    advertisers = chosen.get("advertisers", ("all",))
    return {
        "advertisers": None if advertisers == ("all",) else advertisers,
        "skip_failing": _one(chosen, "skip_failing_advertisers") == "true",
        "include_deleted": _one(chosen, "include_deleted") != "false",
        "excludes_gmv_max": _one(chosen, "excludes_gmv_max") == "true",
        "reset_schema": _one(chosen, "reset_schema") == "true",
        "lifetime": _one(chosen, "lifetime") == "true",
        "other_fields": _one(chosen, "other_fields") == "true",
    }


def _dataset(
    report: Report,
    values: Mapping[str, Any],
    chosen: menus.Chosen,
    dates: Dates | None,
    general: Mapping[str, Any],
    problems: _Problems,
) -> Dataset:
    breakdowns = tuple(
        value
        for menu in ("audience_dimensions", "targeting_dimension", "dsa_dimension", "asset_dimensions")
        for value in chosen.get(menu, ())
        if value != "none"
    )
    dataset = Dataset(
        **general,
        **_shared(chosen),
        report=report.name,
        service_type=_one(chosen, "service_type") or "auction",
        report_type=_one(chosen, "report_type") or "basic",
        level=_one(chosen, "data_level") or _one(chosen, "gmv_max_level"),
        id_dimension=_one(chosen, "id_dimension"),
        shops=chosen.get("shops", ()),
        business_centers=chosen.get("business_centers", ()),
        transaction_level=_one(chosen, "transaction_level") or business_centers.TRANSACTION_LEVELS[0],
        asset_type=_one(chosen, "asset_type") or business_centers.ALL_ASSETS,
        promotion=_one(chosen, "promotion_type") or "all",
        reading=_one(chosen, "reading") or "automatic",
        hour_type=_one(chosen, "hour_type") or "timestamp",
        time=_one(chosen, "time_dimension") or "none",
        breakdowns=breakdowns,
        metrics=chosen.get("metrics", ()),
        fields=_kept_fields(report, chosen),
        material_type=_one(chosen, "material_type") or "video",
        audiences=chosen.get("audiences", ()),
        dates=dates,
        notes=_lifetime_note(values, chosen),
    )
    if dataset.report == gmv_max.REPORT:
        return _gmv_max_dataset(dataset)
    if dataset.report == all_spend.REPORT:
        return _all_spend_dataset(dataset)
    if dataset.report == smart_plus.MATERIALS:
        return _materials_dataset(dataset)
    if dataset.report in FURTHER:
        return _further_dataset(dataset, chosen)
    if (
        dataset.report == "performance"
        and dataset.level
        and len(key_columns(dataset)) == 1
        and not dataset.id_dimension
    ):
        problems.add("id_dimension", phrase("without an ID dimension, a time dimension or breakdown is required"))
    return dataset


def _all_spend_dataset(dataset: Dataset) -> Dataset:
    """The dataset with its level and time, which are fixed, and with the cost, by which shops are verified."""
    dataset = replace(dataset, report_type=all_spend.REPORT, level="campaign", id_dimension="campaign_id", time="day")
    return _with_metric(dataset, "spend")


def _gmv_max_dataset(dataset: Dataset) -> Dataset:
    """The dataset with its own type of campaigns, and with the cost, by which levels are compared with each other."""
    level = gmv_max.LEVELS.get(dataset.level or "")
    promotion = level.promotion.lower() if level and level.promotion else dataset.promotion
    dataset = replace(dataset, report_type="gmv_max", promotion=promotion)
    return _with_metric(dataset, "cost")


def _with_metric(dataset: Dataset, metric: str) -> Dataset:
    """The dataset with the metric, which verifies it; without any metric it is refused."""
    if not dataset.metrics or metric in dataset.metrics:
        return dataset
    note = phrase(
        "The metric %(metric)s was added: it is compared with TikTok's totals to verify the report.", metric=metric
    )
    return replace(dataset, metrics=(*dataset.metrics, metric), notes=(*dataset.notes, note))


def _materials_dataset(dataset: Dataset) -> Dataset:
    """The dataset with the id of its level, and with the spend, which is compared with that of the Smart+ campaigns."""
    dataset = replace(dataset, report_type="smart_plus", id_dimension=smart_plus.IDS.get(dataset.level or ""))
    if not dataset.metrics or "spend" in dataset.metrics:
        return dataset
    note = phrase("The metric spend was added: it is compared with what Smart+ campaigns cost.")
    return replace(dataset, metrics=(*dataset.metrics, "spend"), notes=(*dataset.notes, note))


def _further_dataset(dataset: Dataset, chosen: menus.Chosen) -> Dataset:
    """The dataset with what its rows are of."""
    further = FURTHER[dataset.report]
    rows = further.grouping(_one(chosen, further.menu) or "")
    return replace(
        dataset,
        report_type=further.kind,
        level=rows.level,
        id_dimension=rows.id,
        breakdowns=rows.breakdowns,
        time=rows.time or dataset.time,
    )


def _with_calculated(
    dataset: Dataset, report: Report, given: Any, chosen: menus.Chosen, problems: _Problems
) -> Dataset:
    """The dataset with its calculated metrics, and with the metrics that they need."""
    if given in (None, []):
        return dataset
    menu = next(menu for menu in report.menus if menu.source == "metrics")
    offers = menus.offers(report, menu, {**chosen, menu.name: ()})
    names = [column.name for column in columns(replace(dataset, metrics=()))]
    calculations = calculated.read_calculated(given, dataset.metrics, offers, names, problems)
    return replace(
        dataset,
        metrics=(*dataset.metrics, *calculations.added),
        calculated=calculations.metrics,
        notes=(*dataset.notes, *calculations.notes),
    )


def _lifetime_note(values: Mapping[str, Any], chosen: menus.Chosen) -> tuple[str, ...]:
    if _one(chosen, "lifetime") == "true" and values.get("dates") is not None:
        return (phrase("Lifetime data is on, so dates are ignored."),)
    return ()


def _kept_fields(report: Report, chosen: menus.Chosen) -> tuple[str, ...]:
    """The columns of an entity report: what was chosen with the key in front, or all."""
    if report.name not in catalog.fields():
        return ()
    names = tuple(field.name for field in catalog.fields()[report.name])
    picked = chosen.get("info_fields" if report.name == "creatives" else "fields", ())
    return tuple(name for name in names if name in picked) if picked else names


def _legacy_dataset(
    report: Report,
    chosen: menus.Chosen,
    dates: Dates | None,
    general: Mapping[str, Any],
    problems: _Problems,
) -> Dataset:
    """The performance dataset that serves a deprecated report, with its old column names (rules A, B, C)."""
    level = _one(chosen, "report_level") or "ad"
    audience = report.name == "ad_audience"
    names = legacy_columns(chosen.get("metrics", ()))
    ids = {"advertiser_id", "campaign_id", "adgroup_id", "ad_id", "stat_time_day", "stat_time_hour", "stat_datetime"}
    breakdowns = tuple(
        catalog.legacy.current_name(name) or name for name in chosen.get("dimensions", ()) if name not in ids
    )
    dataset = Dataset(
        **general,
        **_shared(chosen),
        report="performance",
        made_as=report.name,
        service_type=_one(chosen, "service_type") or "auction",
        report_type="audience" if audience else "basic",
        level=level,
        id_dimension=f"{level}_id",
        time={"daily": "day", "hourly": "hour"}.get(_one(chosen, "time_granularity") or "none", "none"),
        breakdowns=breakdowns,
        metrics=names.asked,
        null_columns=names.null,
        titles=names.titles,
        dates=dates,
        notes=names.notes,
    )
    _check_legacy(dataset, audience, problems)
    return dataset


def _check_legacy(dataset: Dataset, audience: bool, problems: _Problems) -> None:
    """The converted dataset must be one that TikTok accepts; problems are told of the old menus."""
    report = catalog.REPORTS["performance"]
    extra = "audience_dimensions" if audience else "targeting_dimension"
    chosen = {
        "service_type": (dataset.service_type,),
        "report_type": (dataset.report_type,),
        "data_level": (dataset.level or "ad",),
        "id_dimension": (dataset.id_dimension or "ad_id",),
        "time_dimension": (dataset.time,),
        extra: dataset.breakdowns,
    }
    by_name = {menu.name: menu for menu in report.menus}
    old_names = {extra: "dimensions", "metrics": "metrics"}
    for name, given in ((extra, dataset.breakdowns), ("metrics", dataset.metrics)):
        offered = {offer.value: offer.refusal for offer in menus.offers(report, by_name[name], chosen)}
        for value in given:
            refusal = offered.get(value, phrase("not a dimension of the current API"))
            if refusal is not None:
                problems.add(
                    old_names[name],
                    f"{value}: {refusal}",
                    menus.nearest(value, (v for v, r in offered.items() if r is None)),
                )


@dataclass(frozen=True, slots=True)
class LegacyColumns:
    """Old metric names sorted out: what is asked now, what stays null, titles that differ, and notes for the log."""

    asked: tuple[str, ...]
    null: tuple[str, ...]
    titles: Mapping[str, str]
    notes: tuple[str, ...]


def legacy_columns(names: Iterable[str]) -> LegacyColumns:
    """The columns of an old dataset by rules A, B and C of the migration from API v1.1 and v1.2."""
    given = tuple(names)
    asked: dict[str, str] = {}
    null: dict[str, str] = {}
    notes: list[str] = []
    for name in given:
        column = catalog.legacy.column_name(name)
        if column in asked or column in null:
            notes.append(
                phrase(
                    "%(name)s is ignored: its column %(column)s is also that of %(other_name)s.",
                    name=name,
                    column=column,
                    other_name=asked.get(column) or null[column],
                )
            )
        elif column in catalog.metrics():
            asked[column] = name
        else:
            null[column] = name
            notes.append(
                phrase(
                    "TikTok no longer offers %(name)s; its column %(column)s stays and is always null.",
                    name=name,
                    column=column,
                )
            )
    titles = {pair.first: pair.name for pair in catalog.legacy.RULE_B if pair.first in asked}
    titles |= {pair.second: pair.second for pair in catalog.legacy.RULE_B if {pair.first, pair.second} <= set(asked)}
    return LegacyColumns(tuple(asked), tuple(null), titles, tuple(notes))
