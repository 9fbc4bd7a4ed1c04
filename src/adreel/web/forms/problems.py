"""What is wrong with a form's values, in words at the menu at fault."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from adreel import catalog
from adreel.catalog.records import Report
from adreel.catalog.report_types import FURTHER
from adreel.datasets import menus
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.schema import columns
from adreel.datasets.validation import Checked, check
from adreel.datasets.values import FIRST_DATES, scalar
from adreel.dates import Dates
from adreel.errors import DatasetError, Problem
from adreel.language import Phrase, listed, phrase
from adreel.web.forms.sections import section_of
from adreel.web.wording import on_page

HARMLESS = frozenset({"name", "description", "tags", "update", "reset_schema", "schedule", "retry", "stale_after"})
"""Menus whose problems do not prevent a preview."""

_OF_RUNS = frozenset({"account", "advertisers", "dates"})
"""Menus that say what a run reads, and not which columns the table has."""

NAMELESS = "Preview"
"""The name of a dataset without one, for its preview."""

_GENERAL = ("name", "description", "tags", "account")
_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "name": Phrase("Name"),
        "account": Phrase("Account"),
        "report": Phrase("Report"),
        "description": Phrase("Description"),
        "tags": Phrase("Tags"),
        "calculated_metrics": Phrase("Calculated metrics"),
        "dates.start": Phrase("Start date"),
        "dates.end": Phrase("End date"),
        "dates.date": Phrase("Day"),
        "update.method": Phrase("Update method"),
        "update.key": Phrase("Primary key"),
        "update.keep_days": Phrase("Days to keep"),
        "update.lookback": Phrase("Look-back"),
        "schedule": Phrase("Schedule"),
        "schedule.every": Phrase("Every"),
        "schedule.at": Phrase("At (UTC)"),
        "schedule.cron": Phrase("Cron expression"),
        "schedule.time": Phrase("Time (UTC)"),
        "schedule.start": Phrase("Start (UTC)"),
        "schedule.between": Phrase("Active hours (UTC)"),
        "retry.times": Phrase("Retries"),
        "retry.wait": Phrase("Wait between retries"),
        "stale_after": Phrase("Stale warning"),
    }
)

OBJECTS: Mapping[str, str] = MappingProxyType(
    {
        "name": Phrase("a name"),
        "account": Phrase("an account"),
        "report": Phrase("a report"),
        "description": Phrase("a description"),
        "tags": Phrase("tags"),
        "calculated_metrics": Phrase("a calculated metric"),
        "advertisers": Phrase("at least one ad account"),
        "service_type": Phrase("an ad service type"),
        "report_type": Phrase("a report type"),
        "dsa_type": Phrase("a DSA type"),
        "data_level": Phrase("a data level"),
        "gmv_max_level": Phrase("a level"),
        "shops": Phrase("at least one shop"),
        "business_centers": Phrase("at least one Business Center"),
        "transaction_level": Phrase("a transaction level"),
        "asset_type": Phrase("an asset type"),
        **{further.menu: Phrase("what each row is of") for further in FURTHER.values()},
        "promotion_type": Phrase("a campaign type"),
        "id_dimension": Phrase("an ID dimension"),
        "time_dimension": Phrase("a time dimension"),
        "audience_dimensions": Phrase("at least one audience dimension"),
        "targeting_dimension": Phrase("at least one targeting dimension"),
        "dsa_dimension": Phrase("at least one DSA dimension"),
        "asset_dimensions": Phrase("at least one asset dimension"),
        "metrics": Phrase("at least one metric"),
        "material_type": Phrase("a material type"),
        "info_fields": Phrase("at least one info field"),
        "fields": Phrase("at least one field"),
        "audiences": Phrase("at least one audience"),
        "report_level": Phrase("a report level"),
        "time_granularity": Phrase("a time granularity"),
        "dimensions": Phrase("at least one dimension"),
        "dates": Phrase("dates"),
        "dates.start": Phrase("a start date"),
        "dates.end": Phrase("an end date"),
        "dates.date": Phrase("a day"),
        "update.method": Phrase("an update method"),
        "update.key": Phrase("a primary key"),
        "schedule": Phrase("a schedule"),
        "schedule.cron": Phrase("a cron expression"),
        "retry.times": Phrase("the number of retries"),
        "retry.wait": Phrase("a wait between retries"),
    }
)
"""What is missing in an empty menu, as the object of Choose or Enter."""


@dataclass(frozen=True, slots=True)
class Said:
    """A problem as it is told at its menu, and in the summary by the menu's title."""

    menu: str
    title: str
    words: str


@dataclass(frozen=True, slots=True)
class Found:
    """Every problem of a form's values, and what can be read in spite of the harmless ones; None if nothing can.

    `described` has the columns, primary key and look-back that the form describes. It is there also while dates,
    account or ad accounts are wrong, and so for no run.
    """

    problems: tuple[Problem, ...]
    dataset: Dataset | None
    described: Dataset | None


def found_in(values: Mapping[str, Any], now: datetime) -> Found:
    """What is wrong with the values, and what can be read."""
    general = tuple(_general_problems(values))
    checked = _check(values, now)
    in_file = (_of_form(problem, values) for problem in checked.problems)
    every = tuple(dict.fromkeys((*general, *in_file, *_own_problems(values, checked.dataset))))
    problems = tuple(_at_their_roots(every, values))
    roots = {_root(problem) for problem in problems}
    described = _described(checked.draft, problems) if checked.draft and roots <= HARMLESS | _OF_RUNS else None
    return Found(problems, described if roots <= HARMLESS else None, described)


def _described(draft: Dataset, problems: tuple[Problem, ...]) -> Dataset:
    """The draft without what is wrong with it, so that the rest is described as if it were right."""
    menus_at_fault = {problem.menu for problem in problems}
    if "update.key" in menus_at_fault:
        draft = replace(draft, update=replace(draft.update, key=None))
    if draft.dates is None and any(menu.split(".")[0] == "dates" for menu in menus_at_fault):
        draft = replace(draft, dates=Dates(period=FIRST_DATES["period"]))
    return draft


def _at_their_roots(problems: tuple[Problem, ...], values: Mapping[str, Any]) -> Iterator[Problem]:
    """The problems without those of empty menus that another one decides about: the ID follows from the level."""
    report = catalog.REPORTS.get(scalar(values.get("report")))
    at_fault = {problem.menu for problem in problems}
    following = {
        menu.name
        for menu in (report.menus if report else ())
        if menu.choices and all(any(when.menu in at_fault for when in choice.when) for choice in menu.choices)
    }
    return (problem for problem in problems if problem.menu not in following or not _is_missing(problem, values))


def preventing_preview(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems that prevent a preview and an estimate."""
    return tuple(problem for problem in problems if _root(problem) not in HARMLESS)


def readable(values: Mapping[str, Any], now: datetime) -> Dataset:
    """The dataset that a look needs: without name, description, and how its table is kept. Raises DatasetError."""
    outcome = found_in(values, now)
    if outcome.dataset is None:
        raise DatasetError(preventing_preview(outcome.problems))
    return outcome.dataset


def _check(values: Mapping[str, Any], now: datetime) -> Checked:
    return check(Source({**values, "name": scalar(values.get("name")) or NAMELESS}, {}), now)


def _general_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong beside the report's menus."""
    general = {name: values[name] for name in _GENERAL if name in values}
    return (problem for problem in check(Source(general, {})).problems if problem.menu != "report")


def _of_form(problem: Problem, values: Mapping[str, Any]) -> Problem:
    """The problem as a form says it: a day that is missing is a field that is empty, and no word that is no day."""
    empty_day = problem.menu.startswith("dates.") and _given(problem.menu, values) == ""
    return replace(problem, reason="required") if empty_day else problem


def _own_problems(values: Mapping[str, Any], dataset: Dataset | None) -> Iterator[Problem]:
    """What a form can say that means something else in a file, or nothing."""
    if values.get("advertisers") == []:
        yield Problem("advertisers", phrase("none selected. Select at least one, or all ad accounts."))
    if dataset is not None and dataset.update.key:
        names = [column.name for column in columns(dataset)]
        unknown = [name for name in dataset.update.key if name not in names]
        if unknown:
            near = menus.nearest(unknown[0], names)
            yield Problem(
                "update.key", phrase("the table has no column %(columns)s.", columns=", ".join(unknown)), near
            )


def _root(problem: Problem) -> str:
    return problem.menu.split(".")[0]


def _given(menu: str, values: Mapping[str, Any]) -> Any:
    """What stands in a menu, or in a part of it, which has a name after a dot."""
    root, _, part = menu.partition(".")
    value = values.get(root)
    return value[part] if isinstance(value, dict) and part in value else value


def shown_at_menus(
    problems: Iterable[Problem],
    report: Report | None,
    values: Mapping[str, Any],
    *,
    tried_in: Collection[str] = (),
    at_saving: Collection[Problem] = (),
) -> tuple[tuple[Said, ...], tuple[str, ...]]:
    """What to say at the menus, and the titles of what is only missing.

    Nobody is told of an empty field before they tried to save, or to leave one of the panes `tried_in`.
    What only saving found, `at_saving`, has a reason of its own even where the form has emptied the menu.
    """
    titles = {**{menu.name: menu.title for menu in (report.menus if report else ())}, **_TITLES}
    shown: dict[Said, None] = {}
    missing: dict[str, None] = {}
    for problem in problems:
        root = _root(problem)
        title = titles.get(problem.menu) or titles.get(root, root)
        is_missing = _is_missing(problem, values)
        if not is_missing or section_of(problem.menu) in tried_in:
            is_to_fill = is_missing and problem not in at_saving and _is_required(problem, report, values)
            words = f"{to_fill([problem], report, values)}." if is_to_fill else sentence(problem)
            shown[Said(problem.menu, title, words)] = None
        else:
            missing[title] = None
    return tuple(shown), tuple(missing)


def _is_missing(problem: Problem, values: Mapping[str, Any]) -> bool:
    """Whether the menu at fault is empty."""
    return _given(problem.menu, values) in (None, "", [], {})


def _is_required(problem: Problem, report: Report | None, values: Mapping[str, Any]) -> bool:
    """Whether all that is wrong with an empty menu is that it is empty."""
    if problem.menu == "dates":
        return values.get("dates") is None
    required = {menu.name for menu in (report.menus if report else ()) if menu.required}
    return problem.menu in required | {"name", "account", "report"} or problem.menu.startswith("dates.")


def to_fill(problems: Iterable[Problem], report: Report | None, values: Mapping[str, Any]) -> str:
    """What to do about the menus that are empty, as "Choose a data level and at least one metric"; empty if none is."""
    chosen: dict[str, None] = {}
    entered: dict[str, None] = {}
    menus_of = {menu.name: menu for menu in (report.menus if report else ())}
    for problem in problems:
        if not _is_missing(problem, values):
            continue
        menu = menus_of.get(problem.menu)
        title = menu.title if menu else _TITLES.get(problem.menu, problem.menu)
        is_typed = menu is None and problem.menu not in ("account", "report")
        (entered if is_typed else chosen)[OBJECTS.get(problem.menu, title)] = None
    if chosen and entered:
        return phrase("Choose %(choices)s, and enter %(entries)s", choices=listed(chosen), entries=listed(entered))
    if chosen:
        return phrase("Choose %(choices)s", choices=listed(chosen))
    return phrase("Enter %(entries)s", entries=listed(entered)) if entered else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def sentence(problem: Problem) -> str:
    """The reason as a sentence of its own, with the nearest choice."""
    reason = on_page(problem.reason)
    words = reason if reason.endswith((".", "?")) else f"{reason}."
    first = words.split(" ")[0].rstrip(".:")
    # A metric's or dimension's name stays as TikTok spells it.
    if first.isalpha() and first not in catalog.metrics() and first not in catalog.dimensions():
        words = _capital(words)
    return f"{words}{problem.question}"
