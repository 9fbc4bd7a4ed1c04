"""The status of datasets for people: one of account, last run and settings, and what to do next.

A list of many datasets costs a handful of queries and opens no table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import orjson

from adreel import catalog
from adreel.access import Guard
from adreel.datasets.verification import checked
from adreel.dates import read_day
from adreel.enumerations import TextEnum
from adreel.errors import NotFoundError
from adreel.language import Phrase, integer, phrase, phrases, shown_time
from adreel.store import Account, AccountStatus, Latest, Run, RunBrief, RunState, SavedDataset, Store, User
from adreel.store.locks import is_alive
from adreel.stored_texts import translated

STALE_AFTER = timedelta(days=7)
"""Age from which a table is stale, if a later run would read other days or rows."""

OVERDUE_AFTER = timedelta(minutes=10)
"""How long after its time a scheduled run that no worker put into the queue is overdue; workers look every second."""

NO_RUNS = Latest(None, None, None)
"""Of a dataset that has never run."""

RECENTLY = timedelta(days=1)
"""Age of the last run up to which the filter for recent runs keeps a dataset."""


def _named(state: RunState) -> tuple[str, str]:
    """Value and label of a status that is the state of the last run."""
    return state.value, state.label


class Status(TextEnum):
    """The status of a dataset: `label` and `meaning` are its texts, `tone` its color.

    `attention`: a person has to act. The most urgent status is first.
    """

    label: str
    tone: str
    attention: bool
    meaning: str

    DISCONNECTED = (
        "disconnected",
        Phrase("Disconnected"),
        "danger",
        True,
        Phrase("The account was deleted. The data is kept."),
    )
    RECONNECT = "reconnect", Phrase("Reconnect"), "danger", True, Phrase("TikTok refuses the account's access token.")
    FAILED = *_named(RunState.FAILED), "danger", True, Phrase("The last run failed. The table is unchanged.")
    CHECK_FAILED = *_named(RunState.CHECK_FAILED), "warning", True, Phrase("The rows differ from TikTok's own figures.")
    INTERRUPTED = *_named(RunState.INTERRUPTED), "warning", True, Phrase("The last run's process ended early.")
    OVERDUE = "overdue", Phrase("Overdue"), "warning", True, Phrase("A scheduled run has not started in time.")
    ADVERTISERS_SKIPPED = (
        *_named(RunState.ADVERTISERS_SKIPPED),
        "warning",
        True,
        Phrase("The last run skipped ad accounts."),
    )
    VERIFICATION_UNKNOWN = (
        *_named(RunState.VERIFICATION_UNKNOWN),
        "warning",
        True,
        Phrase("The restored rows have no checks."),
    )
    VERIFIED_WITH_WARNINGS = (
        *_named(RunState.VERIFIED_WITH_WARNINGS),
        "warning",
        True,
        Phrase("The last run has warnings to review."),
    )
    STALE = "stale", Phrase("Stale"), "warning", True, Phrase("The table is older than the dates of the dataset.")
    RUNNING = *_named(RunState.RUNNING), "info", False, Phrase("A run is in progress.")
    QUEUED = *_named(RunState.QUEUED), "info", False, Phrase("A run is queued.")
    NEVER = "never", Phrase("Never run"), "secondary", False, Phrase("The dataset has no table yet.")
    CANCELLED = *_named(RunState.CANCELLED), "secondary", False, Phrase("A user cancelled the last run.")
    VERIFIED = *_named(RunState.VERIFIED), "success", False, Phrase("The rows of the last run match TikTok.")

    @property
    def rank(self) -> int:
        """Its place in the order, from 0."""
        return _RANKS[self]


_RANKS: Mapping[Status, int] = MappingProxyType({status: place for place, status in enumerate(Status)})


@dataclass(frozen=True, slots=True)
class Standing:
    """A dataset with its status and runs, as lists and the top of its pages show it.

    `words` say what is wrong and what to do next; empty if all is well. `rows` and `columns` are the table's
    as the last run that made a version left it; None if there was none, or if it was an older adreel's.
    `read_at` is how old the rows are: when the latest run of the dataset's own dates began, as a backfill makes no
    other day newer; of a table that only runs for other days have written, when the latest of these began.
    """

    saved: SavedDataset
    report: str
    report_title: str
    latest: RunBrief | None
    good: RunBrief | None
    status: Status
    words: str
    read_at: datetime | None

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
        """The checks that verified the table; empty if it is not verified."""
        return checked(self.good.sums) if self.status is Status.VERIFIED and self.good else ""

    @property
    def meaning(self) -> str:
        """The status as a sentence; of a restore, with when its rows were read."""
        of_restore = self.latest is not None and self.latest.restores and self.status.value == self.latest.state.value
        return self.latest.meaning if self.latest is not None and of_restore else str(self.status.meaning)

    @property
    def ran_at(self) -> datetime | None:
        """When the latest run ended, or was created."""
        return (self.latest.finished_at or self.latest.created_at) if self.latest else None


def standings(store: Store, guard: Guard, now: datetime) -> tuple[Standing, ...]:
    """Every dataset that the actor may see, by name."""
    accounts = {account.id: account for account in guard.accounts()}
    datasets, briefs = guard.datasets(), store.runs.briefs()
    if any(_is_dead(store, saved, briefs) for saved in datasets):
        # A process ends its run before it is gone, so that the run may have ended since it was read.
        briefs = store.runs.briefs()
    return tuple(
        _standing(saved, accounts, briefs.get(saved.id, NO_RUNS), now, dead=_is_dead(store, saved, briefs))
        for saved in datasets
    )


def _is_dead(store: Store, saved: SavedDataset, briefs: Mapping[int, Latest]) -> bool:
    """Whether the dataset's latest run is said to be running, and its process is gone."""
    latest = briefs.get(saved.id, NO_RUNS).speaking
    return latest is not None and latest.state is RunState.RUNNING and not is_alive(store.locks, saved.slug, latest.id)


def newest_runs(store: Store, saved: SavedDataset) -> tuple[Run | None, Run | None, Run | None]:
    """The runs of `store.runs.newest`, the first in its actual state."""
    latest, good, updated = runs = store.runs.newest(saved)
    if latest is None:
        return runs
    actual = store.seen(latest)
    if actual.state in (latest.state, RunState.INTERRUPTED):
        return actual, good, updated
    # It has ended meanwhile, perhaps with a version.
    return store.runs.newest(saved)


def standing(
    store: Store,
    guard: Guard,
    saved: SavedDataset,
    now: datetime,
    runs: tuple[Run | None, Run | None, Run | None] | None = None,
) -> Standing:
    """One dataset, which the actor may see; `runs` are those of `newest_runs` if they were read before."""
    accounts = {}
    if saved.account_id is not None:
        with suppress(NotFoundError):
            accounts[saved.account_id] = guard.account(saved.account_id)
    latest = Latest(*(brief(run) if run is not None else None for run in runs or newest_runs(store, saved)))
    return _standing(saved, accounts, latest, now)


def brief(run: Run) -> RunBrief:
    """What a list shows of a run."""
    return RunBrief(
        run.id,
        run.state,
        run.created_at,
        run.started_at,
        run.finished_at,
        run.version,
        run.error,
        run.table_rows,
        run.table_columns,
        next(iter(run.warnings), ""),
        len(run.verification.get("totals", {})),
        len(run.skipped),
        run.rows_read_at,
        run.trigger,
        run.dates is None,
    )


def _standing(
    saved: SavedDataset,
    accounts: Mapping[int, Account],
    runs: Latest,
    now: datetime,
    *,
    dead: bool = False,
) -> Standing:
    latest, good, updated = runs
    values: dict[str, Any] = orjson.loads(saved.spec)
    report = str(values.get("report", ""))
    title = str(catalog.REPORTS[report].title) if report in catalog.REPORTS else report
    if latest and dead:
        latest = replace(latest, state=RunState.INTERRUPTED)
        latest = replace(latest, error=latest.meaning)
    account = accounts.get(saved.account_id) if saved.account_id is not None else None
    status, words = _status_of(saved, account, latest, updated, now)
    age = updated or good
    return Standing(saved, report, title, latest, good, status, words, age.read_at if age else None)


def _status_of(
    saved: SavedDataset,
    account: Account | None,
    latest: RunBrief | None,
    updated: RunBrief | None,
    now: datetime,
) -> tuple[Status, str]:
    if latest and latest.state in (RunState.QUEUED, RunState.RUNNING):
        return Status(latest.state.value), ""
    if not saved.connected:
        return Status.DISCONNECTED, (
            phrase(
                "Account %(account)s was deleted, so this dataset is no longer updated. Its data is "
                "kept. Select another account in its settings.",
                account=repr(saved.account_name),
            )
        )
    if account and account.status is not AccountStatus.VALID:
        return (
            Status.RECONNECT,
            phrase(
                "The access token of account %(account)s is expired. Reconnect the account, then run.",
                account=repr(account.name),
            )
            if account.status is AccountStatus.EXPIRED
            else phrase(
                "The access token of account %(account)s is revoked. Reconnect the account, then run.",
                account=repr(account.name),
            ),
        )
    status, words = _status_of_run(saved, latest, updated, now) if latest else (Status.NEVER, "")
    due_at = saved.next_run_at
    if due_at is not None and now - due_at > OVERDUE_AFTER and status.rank > Status.OVERDUE.rank:
        return (
            Status.OVERDUE,
            phrase(
                "The run of %(time)s UTC has not started. Make sure that a worker is running.",
                time=shown_time(due_at),
            ),
        )
    return status, words


def _status_of_run(
    saved: SavedDataset, latest: RunBrief, updated: RunBrief | None, now: datetime
) -> tuple[Status, str]:
    if latest.state is RunState.FAILED:
        return Status.FAILED, translated(latest.error)
    if latest.state is RunState.INTERRUPTED:
        return Status.INTERRUPTED, translated(latest.error) or latest.meaning
    if latest.state is RunState.CHECK_FAILED:
        return (
            Status.CHECK_FAILED,
            phrase("The last run's rows differ from TikTok's own figures. See its verification, then run again."),
        )
    if latest.state is RunState.VERIFICATION_UNKNOWN:
        return (
            Status.VERIFICATION_UNKNOWN,
            phrase("The restored rows are of a run that is not in the history. Run again to verify."),
        )
    if latest.state is RunState.ADVERTISERS_SKIPPED:
        skipped = phrases(
            "%(ad_accounts)s ad account was skipped.",
            "%(ad_accounts)s ad accounts were skipped.",
            latest.skipped,
            ad_accounts=integer(latest.skipped),
        )
        return Status.ADVERTISERS_SKIPPED, f"{skipped} {translated(latest.warning)}".strip()
    if latest.state is RunState.VERIFIED_WITH_WARNINGS:
        return Status.VERIFIED_WITH_WARNINGS, translated(latest.warning)
    since = stale_at(saved, updated)
    if since is not None and since < now:
        if updated is None:
            return Status.STALE, phrase("The dataset was never updated. Run the dataset to update it.")
        return Status.STALE, _age(now - updated.read_at)
    return (Status.CANCELLED if latest.state is RunState.CANCELLED else Status.VERIFIED), ""


def stale_at(saved: SavedDataset, updated: RunBrief | None) -> datetime | None:
    """The moment after which a dataset is stale unless it is updated; None if it never is.

    `updated` is its latest run that read its own dates and made a version.

    A dataset of fixed days reads the same again, so that it is stale only if somebody asked for that with a
    `stale_after`, which counts from its creation if it was never updated.
    """
    if saved.stale_after is not None:
        return (updated.read_at if updated else saved.created_at) + timedelta(seconds=saved.stale_after)
    return updated.read_at + STALE_AFTER if updated and _is_rolling(orjson.loads(saved.spec)) else None


def _age(age: timedelta) -> str:
    """How old the rows are: in hours, from two days on in days."""
    if age < timedelta(days=2):
        hours = age // timedelta(hours=1)
        return phrases(
            "The rows were read %(hours)s hour ago. Run the dataset to update them.",
            "The rows were read %(hours)s hours ago. Run the dataset to update them.",
            hours,
            hours=hours,
        )
    return phrases(
        "The rows were read %(days)s day ago. Run the dataset to update them.",
        "The rows were read %(days)s days ago. Run the dataset to update them.",
        age.days,
        days=integer(age.days),
    )


def _is_rolling(values: Mapping[str, Any]) -> bool:
    """Whether a later run would read other days or rows: relative dates, a lifetime, or a list without dates."""
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
    """The filters of the list; empty and False ones keep all. `sort` is a key of `SORTS`."""

    text: str = ""
    status: str = ""
    report: str = ""
    account: str = ""
    tag: str = ""
    mine: bool = False
    recent: bool = False
    attention: bool = False
    scheduled: bool = False
    paused: bool = False
    sort: str = "name"
    descending: bool = False

    @property
    def narrow(self) -> bool:
        """Whether any filter is set."""
        return self != Wanted(sort=self.sort, descending=self.descending)


_NEVER = datetime.min.replace(tzinfo=UTC)

SORTS: Mapping[str, Callable[[Standing], Any]] = MappingProxyType(
    {
        "name": lambda entry: entry.saved.name.casefold(),
        "report": lambda entry: entry.report_title.casefold(),
        "account": lambda entry: entry.saved.account_name.casefold(),
        "rows": lambda entry: -1 if entry.rows is None else entry.rows,
        "columns": lambda entry: -1 if entry.columns is None else entry.columns,
        "last_run": lambda entry: entry.ran_at or _NEVER,
        "status": lambda entry: entry.status.rank,
    }
)
"""What the list can be sorted by; equal ones are in order of name."""


def chosen(entries: Iterable[Standing], wanted: Wanted, user: User | None, now: datetime) -> list[Standing]:
    """The entries that match the filters, sorted; `user` is the one whose datasets `mine` keeps."""
    matching = [entry for entry in entries if _matches(entry, wanted, user, now)]
    matching.sort(key=SORTS["name"])
    matching.sort(key=SORTS.get(wanted.sort, SORTS["name"]), reverse=wanted.descending)
    return matching


def _matches(entry: Standing, wanted: Wanted, user: User | None, now: datetime) -> bool:
    saved = entry.saved
    return (
        (not wanted.text or _mentions(entry, wanted.text))
        and (not wanted.status or entry.status == wanted.status)
        and (not wanted.report or entry.report == wanted.report)
        and (not wanted.account or saved.account_name == wanted.account)
        and (not wanted.tag or wanted.tag in saved.tags)
        and (not wanted.mine or (user is not None and saved.owner_id == user.id))
        and (not wanted.recent or (entry.ran_at is not None and now - entry.ran_at <= RECENTLY))
        and (not wanted.attention or entry.status.attention)
        and (not wanted.scheduled or saved.next_run_at is not None)
        and (not wanted.paused or saved.paused_at is not None)
    )


def _mentions(entry: Standing, text: str) -> bool:
    """Whether the texts of the dataset have every word of `text`."""
    saved = entry.saved
    texts = (saved.name, saved.slug, saved.description, saved.account_name, entry.report_title, *saved.tags)
    searched = " ".join(texts).casefold()
    return all(word in searched for word in text.casefold().split())
