"""The four panes of the form: which is open, which are done, and the line that stands for each when it is folded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adreel.catalog.records import Report
from adreel.errors import Problem
from adreel.language import Phrase, integer, phrase, phrases, shown_day
from adreel.store import AccountStatus
from adreel.update_methods import method_title
from adreel.web.forms.dates import PERIOD_WORDS, DatesPane, DayInput
from adreel.web.forms.fields import FormFields
from adreel.web.forms.scheduling import SchedulePane

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "credentials": Phrase("Credentials"),
        "details": Phrase("Details"),
        "scheduling": Phrase("Scheduling"),
        "name": Phrase("Name & describe"),
    }
)
"""The panes in their order."""

FIX = Phrase("Fix the settings")
"""What to do in a pane of which nothing is missing, and something is wrong."""

STATUS_WORDS: Mapping[AccountStatus, str] = MappingProxyType(
    {
        AccountStatus.VALID: "",
        AccountStatus.EXPIRED: Phrase("expired"),
        AccountStatus.REVOKED: Phrase("revoked"),
    }
)
"""What is said of an account beside its name."""

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
    def order(self) -> str:
        """What to fill in before it is done; empty if nothing is missing."""
        return "" if self.lacking == FIX else self.lacking

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
        return phrase("No account selected")
    status_words = phrase("not available") if status is None else STATUS_WORDS[status]
    return _line(account, status_words, _ad_accounts(advertisers) if advertisers else "")


def _line(*parts: str) -> str:
    """The parts that there are, in one line."""
    return BETWEEN.join(str(part) for part in parts if part)


def _ad_accounts(number: int) -> str:
    return phrases("%(ad_accounts)s ad account", "%(ad_accounts)s ad accounts", number, ad_accounts=integer(number))


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
        return phrase("No report selected")
    own = phrase("%(metrics)s calculated", metrics=integer(calculated)) if calculated else ""
    return _line(report.title, *titles, *_lists(report, chosen), own, _dates(dates))


def _lists(report: Report, chosen: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for menu in report.menus:
        picked = len(chosen.get(menu.name, ()))
        if menu.source == "metrics":
            yield (
                phrases("%(metrics)s metric", "%(metrics)s metrics", picked, metrics=integer(picked))
                if picked
                else phrase("no metrics yet")
            )
        elif menu.source == "fields":
            yield (
                phrases("%(fields)s field", "%(fields)s fields", picked, fields=integer(picked))
                if picked
                else phrase("all fields")
            )
        elif menu.source == "advertisers" and "all" not in chosen.get(menu.name, ("all",)):
            yield _ad_accounts(picked) if picked else ""


def _dates(dates: DatesPane | None) -> str:
    if dates is None:
        return ""
    if dates.unused:
        return phrase("lifetime")
    if dates.kind == "period":
        return PERIOD_WORDS.get(dates.period, "")
    keys = ("date",) if dates.kind == "date" else ("start", "end")
    days = [words for day in dates.days if day.key in keys and (words := _day(day))]
    return phrase("%(start)s to %(end)s", start=days[0], end=days[1]) if len(days) == 2 else "".join(days)


def _day(day: DayInput) -> str:
    """The day as it was chosen; what is counted back is typed in the words of dataset files."""
    if day.how != "on":
        return day.back
    try:
        return shown_day(day.on)
    except ValueError:
        return day.on


def scheduling_line(schedule: SchedulePane, method: str, lookback: str) -> str:
    """The schedule in words, and how a run changes the table."""
    words = schedule.meaning.words if schedule.meaning else phrase("No valid schedule")
    title = method_title(method) if method in ("replace", "append", "upsert", "partition") else method
    number = int(lookback) if lookback.isdecimal() else 0
    days = phrases("look-back %(days)s day", "look-back %(days)s days", number, days=lookback) if lookback else ""
    return _line(words, title, days)


def name_line(name: str, tags: Iterable[str]) -> str:
    """The name with the tags."""
    return BETWEEN.join((name or phrase("No name yet"), *tags))
