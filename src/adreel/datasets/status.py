"""How datasets stand, for people: one status out of account, last run and settings, and what to do about it.

A list of many datasets costs a handful of queries and opens no table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from adreel import catalog
from adreel.access import Guard
from adreel.datasets.verification import checked
from adreel.dates import read_day
from adreel.errors import NotFoundError
from adreel.store import Account, AccountStatus, Run, RunBrief, RunState, SavedDataset, Store, User
from adreel.store.locks import is_alive

STALE_AFTER = timedelta(days=7)
"""A table whose dataset reads other days each day, or what is there now, is old news after that."""

RECENTLY = timedelta(days=1)
"""What the filter for datasets that ran recently means."""


class Status(StrEnum):
    """What a person sees of a dataset first. `label` names it, `meaning` says it, `tone` is how good it is.

    `attention`: somebody has to do something. In the order in which they matter.
    """

    label: str
    tone: str
    attention: bool
    meaning: str

    DISCONNECTED = "disconnected", "Disconnected", "danger", True, "Its account was deleted; the data stay."
    RECONNECT = "reconnect", "Reconnect", "danger", True, "TikTok no longer honours its account's token."
    FAILED = "failed", "Failed", "danger", True, "The last run met an error; the table stayed as it was."
    UNPROVED = "unproved", "Not proved", "warning", True, "What came differs from TikTok's own figures."
    INTERRUPTED = "interrupted", "Interrupted", "warning", True, "The last run's process died."
    WARNED = "warned", "Warnings", "warning", True, "The last run left something that deserves a look."
    STALE = "stale", "Stale", "warning", True, "The table is older than what the dataset asks for."
    RUNNING = "running", "Running", "info", False, "Reads from TikTok now."
    QUEUED = "queued", "Waiting", "info", False, "A run waits for its turn."
    NEVER = "never", "Never run", "secondary", False, "There is no table yet."
    CANCELLED = "cancelled", "Cancelled", "secondary", False, "The last run was stopped by a person."
    PROVED = "proved", "Proved", "success", False, "The table has what TikTok has."

    def __new__(cls, value: str, label: str = "", tone: str = "", attention: bool = False, meaning: str = "") -> Status:
        """The status's text is its value."""
        status = str.__new__(cls, value)
        status._value_ = value
        status.label = label
        status.tone = tone
        status.attention = attention
        status.meaning = meaning
        return status

    @property
    def rank(self) -> int:
        """Its place in the order, from 0."""
        return _RANKS[self]


_RANKS: Mapping[Status, int] = MappingProxyType({status: place for place, status in enumerate(Status)})


@dataclass(frozen=True, slots=True)
class Standing:
    """A dataset as lists and pages show it first.

    `words` say what is wrong and what to do next, and are empty where nothing is. `rows` and `columns` are the table's
    as the last run that made a version left it; None if there was none, or if it was an older adreel's.
    """

    saved: SavedDataset
    report: str
    report_title: str
    latest: RunBrief | None
    good: RunBrief | None
    status: Status
    words: str

    @property
    def rows(self) -> int | None:
        """Rows of the table."""
        return self.good.table_rows if self.good else None

    @property
    def columns(self) -> int | None:
        """Columns of the table."""
        return self.good.table_columns if self.good else None

    @property
    def checked(self) -> str:
        """By which checks the table is proved; empty where it is not."""
        return checked(self.good.sums) if self.status is Status.PROVED and self.good else ""

    @property
    def ran_at(self) -> datetime | None:
        """When the latest run ended, or was asked for."""
        return (self.latest.finished_at or self.latest.created_at) if self.latest else None

    @property
    def read_at(self) -> datetime | None:
        """When the run began whose rows the table holds."""
        return self.good.read_at if self.good else None


def standings(store: Store, guard: Guard, home: Path, now: datetime) -> tuple[Standing, ...]:
    """Every dataset that the actor may see, by name."""
    accounts = {account.id: account for account in guard.accounts()}
    briefs = store.runs.briefs()
    return tuple(
        _standing(saved, accounts, briefs.get(saved.id, (None, None)), home, now) for saved in guard.datasets()
    )


def standing(store: Store, guard: Guard, home: Path, saved: SavedDataset, now: datetime) -> Standing:
    """One dataset, which the actor may see."""
    accounts = {}
    if saved.account_id is not None:
        with suppress(NotFoundError):
            accounts[saved.account_id] = guard.account(saved.account_id)
    latest, good = (next(map(brief, runs), None) for runs in (store.runs.list(saved, limit=1), store.runs.good(saved)))
    return _standing(saved, accounts, (latest, good), home, now)


def brief(run: Run) -> RunBrief:
    """What a list shows of a run."""
    proved = run.proof.get("proved") if run.version is not None else None
    return RunBrief(
        run.id,
        run.state,
        run.created_at,
        run.started_at,
        run.finished_at,
        run.version,
        proved,
        run.error,
        run.table_rows,
        run.table_columns,
        next(iter(run.warnings), ""),
        len(run.proof.get("totals", {})),
    )


def _standing(
    saved: SavedDataset,
    accounts: Mapping[int, Account],
    runs: tuple[RunBrief | None, RunBrief | None],
    home: Path,
    now: datetime,
) -> Standing:
    latest, good = runs
    values: dict[str, Any] = orjson.loads(saved.spec)
    report = str(values.get("report", ""))
    title = catalog.REPORTS[report].title if report in catalog.REPORTS else report
    if latest and latest.state is RunState.RUNNING and not is_alive(home, saved.slug, latest.id):
        latest = replace(latest, state=RunState.INTERRUPTED, error="")
    account = accounts.get(saved.account_id) if saved.account_id is not None else None
    status, words = _judged(saved, account, latest, good, values, now)
    return Standing(saved, report, title, latest, good, status, words)


def _judged(
    saved: SavedDataset,
    account: Account | None,
    latest: RunBrief | None,
    good: RunBrief | None,
    values: Mapping[str, Any],
    now: datetime,
) -> tuple[Status, str]:
    if latest and latest.state in (RunState.QUEUED, RunState.RUNNING):
        return Status(latest.state.value), ""
    if not saved.connected:
        return Status.DISCONNECTED, (
            f"The account {saved.account_name!r} was deleted, so this dataset is not updated any more. Its data stay. "
            "Choose another account in its settings to go on."
        )
    if account and account.status is not AccountStatus.VALID:
        return Status.RECONNECT, f"The account {account.name!r} is {account.status}. Connect it again, then run."
    if latest is None:
        return Status.NEVER, ""
    return _judged_by_run(latest, good, values, now)


def _judged_by_run(
    latest: RunBrief, good: RunBrief | None, values: Mapping[str, Any], now: datetime
) -> tuple[Status, str]:
    if latest.state is RunState.FAILED:
        return Status.FAILED, latest.error
    if latest.state is RunState.INTERRUPTED:
        return Status.INTERRUPTED, latest.error or RunState.INTERRUPTED.sentence
    if latest.proved is False:
        return (
            Status.UNPROVED,
            "The last run's rows differ from TikTok's own figures. See its proof, then run again.",
        )
    if latest.state is RunState.WARNED:
        return Status.WARNED, latest.warning or "The last run has warnings. Look at what they say."
    if good and _moves(values) and now - good.read_at > STALE_AFTER:
        days = (now - good.read_at).days
        return Status.STALE, f"The table was read {days} days ago. Run it for what happened since."
    return (Status.CANCELLED if latest.state is RunState.CANCELLED else Status.PROVED), ""


def _moves(values: Mapping[str, Any]) -> bool:
    """Whether a later run would read something else: other days, or what is there then."""
    dates = values.get("dates")
    if values.get("lifetime") is True or not isinstance(dates, Mapping) or dates.get("period"):
        return True
    last = dates.get("end") or dates.get("date") or dates.get("start")
    try:
        return read_day(str(last)).fixed is None
    except ValueError:
        return True


# -- a list narrowed down


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person looks for in the list; what is empty or False does not narrow it. `sort` is a key of `SORTS`."""

    text: str = ""
    status: str = ""
    report: str = ""
    account: str = ""
    tag: str = ""
    mine: bool = False
    recent: bool = False
    attention: bool = False
    sort: str = "name"
    descending: bool = False

    @property
    def narrow(self) -> bool:
        """Whether anything but the order is asked for."""
        return self != Wanted(sort=self.sort, descending=self.descending)


_NEVER = datetime.min.replace(tzinfo=UTC)

SORTS: Mapping[str, Callable[[Standing], Any]] = MappingProxyType(
    {
        "name": lambda one: one.saved.name.casefold(),
        "report": lambda one: one.report_title.casefold(),
        "account": lambda one: one.saved.account_name.casefold(),
        "rows": lambda one: -1 if one.rows is None else one.rows,
        "columns": lambda one: -1 if one.columns is None else one.columns,
        "last_run": lambda one: one.ran_at or _NEVER,
        "status": lambda one: one.status.rank,
    }
)
"""What the list can be sorted by; equals stand by name."""


def chosen(found: Iterable[Standing], wanted: Wanted, user: User | None, now: datetime) -> list[Standing]:
    """Those that are wanted, in the order that is wanted; `user` is who asks."""
    kept = [one for one in found if _is_wanted(one, wanted, user, now)]
    kept.sort(key=SORTS["name"])
    kept.sort(key=SORTS.get(wanted.sort, SORTS["name"]), reverse=wanted.descending)
    return kept


def _is_wanted(one: Standing, wanted: Wanted, user: User | None, now: datetime) -> bool:
    saved = one.saved
    return (
        (not wanted.text or _mentions(one, wanted.text))
        and (not wanted.status or one.status == wanted.status)
        and (not wanted.report or one.report == wanted.report)
        and (not wanted.account or saved.account_name == wanted.account)
        and (not wanted.tag or wanted.tag in saved.tags)
        and (not wanted.mine or (user is not None and saved.owner_id == user.id))
        and (not wanted.recent or (one.ran_at is not None and now - one.ran_at <= RECENTLY))
        and (not wanted.attention or one.status.attention)
    )


def _mentions(one: Standing, text: str) -> bool:
    """Whether every word stands in what the list knows of the dataset."""
    saved = one.saved
    said = " ".join((saved.name, saved.slug, saved.description, saved.account_name, one.report_title, *saved.tags))
    said = said.casefold()
    return all(word in said for word in text.casefold().split())
