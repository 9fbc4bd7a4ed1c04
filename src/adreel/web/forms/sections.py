"""The four panes of the form: which is open, which are done, and the line that stands for each when it is folded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adreel.catalog.records import Report
from adreel.dates import PERIODS
from adreel.errors import Problem
from adreel.store import AccountStatus
from adreel.update_methods import method_title
from adreel.web.forms.dates import DatesPane
from adreel.web.forms.fields import FormFields
from adreel.web.forms.scheduling import SchedulePane

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "credentials": "Credentials",
        "details": "Details",
        "scheduling": "Scheduling",
        "name": "Name & describe",
    }
)
"""The panes in their order."""

_OF_MENUS: Mapping[str, str] = MappingProxyType(
    {
        "account": "credentials",
        **dict.fromkeys(("update", "reset_schema", "schedule", "retry", "stale_after"), "scheduling"),
        **dict.fromkeys(("name", "description", "tags"), "name"),
    }
)
"""The pane of each menu that is not one of the details."""

BETWEEN = " \N{MIDDLE DOT} "
"""Between the parts of a folded line."""


@dataclass(frozen=True, slots=True)
class FormSection:
    """A pane. `line` says what is chosen in it, `lacking` what to do before it is done; `errors` are told in it.

    `following` is the name of the pane that Continue opens, empty for the last one.
    """

    name: str
    number: int
    line: str
    lacking: str
    errors: int
    is_open: bool
    following: str

    @property
    def title(self) -> str:
        """The title of the pane."""
        return TITLES[self.name]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do in it."""
        return not self.lacking


def section_of(menu: str) -> str:
    """The name of the pane that a problem's menu stands in."""
    return _OF_MENUS.get(menu.split(".")[0], "details")


def following(name: str) -> str:
    """The pane after this one; empty after the last."""
    names = list(TITLES)
    return names[names.index(name) + 1] if name != names[-1] else ""


def tried_sections(fields: FormFields, undone: Collection[str]) -> frozenset[str]:
    """The panes that a person wanted to leave before they were done."""
    left = {*fields.all("tried.section"), continued(fields)}
    return frozenset(name for name in left if name in TITLES and name in undone)


def continued(fields: FormFields) -> str:
    """The pane whose Continue was pressed; empty if none was."""
    verb, _, name = fields.last("do").partition(" ")
    return name if verb == "continue" and name in TITLES else ""


def opened_section(fields: FormFields, undone: Collection[str], refused: Iterable[Problem], *, is_saved: bool) -> str:
    """The name of the open pane; empty if all are folded.

    A refused form opens at its first problem, Continue leads on from a pane that is done, and otherwise it is the pane
    that was open. A new form begins with what is to be done first.
    """
    faulty = {section_of(problem.menu) for problem in refused}
    if faulty:
        return next(name for name in TITLES if name in faulty)
    left = continued(fields)
    if left:
        return left if left in undone else following(left)
    if "pane" in fields:
        name = fields.last("pane")
        return name if name in TITLES else ""
    if is_saved:
        return ""
    return next((name for name in TITLES if name in undone), "name")


# -- folded lines


def credentials_line(account: str, status: AccountStatus | None, advertisers: int) -> str:
    """The account with what is known of it."""
    if not account:
        return "No account selected"
    return BETWEEN.join(filter(None, (account, _status(status), _count(advertisers, "ad account"))))


def _status(status: AccountStatus | None) -> str:
    if status is None:
        return "not available"
    return "" if status is AccountStatus.VALID else str(status)


def details_line(
    report: Report | None,
    chosen: Mapping[str, tuple[str, ...]],
    titles: Iterable[str],
    dates: DatesPane | None,
    calculated: int = 0,
) -> str:
    """The report with what is chosen: `titles` of choices and dimensions, how many metrics or fields, and the dates.

    `calculated` is the number of calculated metrics.
    """
    if report is None:
        return "No report selected"
    own = f"{calculated:,} calculated" if calculated else ""
    parts = (report.title, *titles, *_lists(report, chosen), own, _dates(dates))
    return BETWEEN.join(part for part in parts if part)


def _lists(report: Report, chosen: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for menu in report.menus:
        picked = len(chosen.get(menu.name, ()))
        if menu.source == "metrics":
            yield _count(picked, "metric") or "no metrics yet"
        elif menu.source == "fields":
            yield _count(picked, "field") or "all fields"
        elif menu.source == "advertisers" and "all" not in chosen.get(menu.name, ("all",)):
            yield _count(picked, "ad account")


def _dates(dates: DatesPane | None) -> str:
    if dates is None:
        return ""
    if dates.unused:
        return "lifetime"
    if dates.kind == "period":
        return dates.period.replace("_", " ") if dates.period in PERIODS else ""
    keys = ("date",) if dates.kind == "date" else ("start", "end")
    days = [day.on if day.how == "on" else day.back for day in dates.days if day.key in keys]
    return " to ".join(day for day in days if day)


def scheduling_line(schedule: SchedulePane, method: str, lookback: str) -> str:
    """The schedule in words, and how a run changes the table."""
    words = schedule.meaning.words if schedule.meaning else "No valid schedule"
    title = method_title(method) if method in ("replace", "append", "upsert", "partition") else method
    days = f"look-back {lookback} {'day' if lookback == '1' else 'days'}" if lookback else ""
    return BETWEEN.join(filter(None, (words, title, days)))


def name_line(name: str, tags: Iterable[str]) -> str:
    """The name with the tags."""
    return BETWEEN.join((name or "No name yet", *tags))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}" if number else ""
