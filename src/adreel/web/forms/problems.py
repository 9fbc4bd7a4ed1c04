"""What is wrong with a form's values, in words at the menu at fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from adreel import catalog
from adreel.catalog.records import Report
from adreel.datasets import menus
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.schema import columns
from adreel.datasets.validation import Checked, check
from adreel.datasets.values import scalar
from adreel.errors import DatasetError, Problem
from adreel.web.wording import on_page

HARMLESS = frozenset({"name", "description", "tags", "update", "reset_schema"})
"""Menus whose problems do not prevent a preview."""

NAMELESS = "Preview"
"""The name of a dataset without one, for its preview."""

_GENERAL = ("name", "description", "tags", "account")
_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "name": "Name",
        "account": "Account",
        "report": "Report",
        "description": "Description",
        "tags": "Tags",
        "dates.start": "Start date",
        "dates.end": "End date",
        "dates.date": "Day",
        "update.method": "Update method",
        "update.key": "Primary key",
        "update.keep_days": "Days to keep",
    }
)


@dataclass(frozen=True, slots=True)
class Said:
    """A problem as it is told at its menu, and in the summary by the menu's title."""

    menu: str
    title: str
    words: str


@dataclass(frozen=True, slots=True)
class Found:
    """Every problem of a form's values, and what can be read in spite of the harmless ones; None if nothing can."""

    problems: tuple[Problem, ...]
    dataset: Dataset | None


def found_in(values: Mapping[str, Any], now: datetime) -> Found:
    """What is wrong with the values, and what can be read."""
    general = tuple(_general_problems(values))
    checked = _check(values, now)
    in_file = (_of_form(problem, values) for problem in checked.problems)
    problems = tuple(dict.fromkeys((*general, *in_file, *_own_problems(values, checked.dataset))))
    if checked.dataset is not None or not all(_root(problem) in HARMLESS for problem in problems):
        return Found(problems, checked.dataset if all(_root(problem) in HARMLESS for problem in problems) else None)
    return Found(
        problems, _check({name: problem for name, problem in values.items() if name not in HARMLESS}, now).dataset
    )


def readable(values: Mapping[str, Any], now: datetime) -> Dataset:
    """The dataset that a look needs: without name, description, and how its table is kept. Raises DatasetError."""
    outcome = found_in(values, now)
    if outcome.dataset is None:
        raise DatasetError(tuple(problem for problem in outcome.problems if _root(problem) not in HARMLESS))
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
        yield Problem("advertisers", "none selected. Select at least one, or all ad accounts.")
    if dataset is not None and dataset.update.key:
        names = [column.name for column in columns(dataset)]
        unknown = [name for name in dataset.update.key if name not in names]
        if unknown:
            near = menus.nearest(unknown[0], names)
            yield Problem("update.key", f"the table has no column {', '.join(unknown)}.", near)


def _root(problem: Problem) -> str:
    return problem.menu.split(".")[0]


def _given(menu: str, values: Mapping[str, Any]) -> Any:
    """What stands in a menu, or in a part of it, which has a name after a dot."""
    root, _, part = menu.partition(".")
    value = values.get(root)
    return value[part] if isinstance(value, dict) and part in value else value


def shown_at_menus(
    problems: Iterable[Problem], report: Report | None, values: Mapping[str, Any], *, tried: bool
) -> tuple[tuple[Said, ...], tuple[str, ...]]:
    """What to say at the menus, and the titles of what is only missing.

    Nobody is told of an empty field before they `tried` to save.
    """
    titles = {**{menu.name: menu.title for menu in (report.menus if report else ())}, **_TITLES}
    shown: dict[Said, None] = {}
    missing: dict[str, None] = {}
    for problem in problems:
        root = _root(problem)
        title = titles.get(problem.menu) or titles.get(root, root)
        if tried or _given(problem.menu, values) not in (None, "", [], {}):
            shown[Said(problem.menu, title, sentence(problem))] = None
        else:
            missing[title] = None
    return tuple(shown), tuple(missing)


def sentence(problem: Problem) -> str:
    """The reason as a sentence of its own, with the nearest choice."""
    reason = on_page(problem.reason)
    words = reason if reason.endswith((".", "?")) else f"{reason}."
    first = words.split(" ")[0].rstrip(".:")
    # A metric's or dimension's name stays as TikTok spells it.
    if first.isalpha() and first not in catalog.metrics() and first not in catalog.dimensions():
        words = words[0].upper() + words[1:]
    return f"{words}{problem.question}"
