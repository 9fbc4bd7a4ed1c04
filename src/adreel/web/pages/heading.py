"""The top of every page of a dataset: name, status, actions, tabs, and the run in progress."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from adreel.access import AccountRight, DatasetRight, RoleRight
from adreel.datasets.dataset import Dataset
from adreel.datasets.status import Standing, Status, newest_runs, standing
from adreel.datasets.stored import dataset_of
from adreel.errors import DatasetError, NotFoundError, Problem
from adreel.language import Phrase
from adreel.pipeline.progress import progress_words
from adreel.store import IN_PROGRESS, Account, Run, RunState, SavedDataset
from adreel.web.deps import Deps, Visitor
from adreel.web.downloads import FORMATS

TABS: tuple[tuple[str, str, str], ...] = (
    ("overview", Phrase("Overview"), ""),
    ("data", Phrase("Data"), "/data"),
    ("cards", Phrase("Charts"), "/cards"),
    ("history", Phrase("History"), "/history"),
    ("versions", Phrase("Versions"), "/versions"),
    ("restatements", Phrase("Restatements"), "/restatements"),
)
"""The tabs that every visitor sees: key, title, and how the address ends."""

SETTINGS_TAB = ("settings", Phrase("Settings"), "/settings")

NEWS = timedelta(minutes=1)
"""How long a run that succeeded is shown above the tabs."""


@dataclass(frozen=True, slots=True)
class Live:
    """The run in progress, or the last one if it needs attention or has just ended.

    `run` is the latest, and `good` the latest that made a version, as they were when `standing` was read. `alone`: it
    is not refreshed with the rest of the page.
    """

    standing: Standing
    run: Run | None
    good: Run | None
    may_run: bool
    may_edit: bool
    may_reconnect: bool
    now: datetime
    alone: bool = False

    @property
    def slug(self) -> str:
        """The dataset's."""
        return self.standing.saved.slug

    @property
    def working(self) -> bool:
        """Whether the run is queued or running."""
        return self.run is not None and self.run.state in IN_PROGRESS

    @property
    def trouble(self) -> bool:
        """Whether the dataset needs attention."""
        return self.standing.status.attention

    @property
    def is_news(self) -> bool:
        """Whether the run has just succeeded."""
        ended = self.run.finished_at if self.run else None
        return not self.trouble and ended is not None and self.now - ended < NEWS

    @property
    def share(self) -> float | None:
        """How much of the run is done, from 0 to 1; None if unknown."""
        return self.run.share if self.run is not None and self.run.state is not RunState.QUEUED else None

    @property
    def words(self) -> tuple[str, ...]:
        """What the run does, how far it is, and the remaining time."""
        run = self.run
        if run is None or run.started_at is None or run.state is RunState.QUEUED:
            return ()
        return progress_words(run, self.now - run.started_at)


@dataclass(frozen=True, slots=True)
class Heading:
    """The top of a dataset's page. `tab` is the key of the one that is shown, `address` the page with its query.

    `may_share`: the person may make CSV links.
    """

    live: Live
    tab: str
    address: str
    may_delete: bool
    may_share: bool = False

    @property
    def standing(self) -> Standing:
        """The dataset's status, table and latest runs."""
        return self.live.standing

    @property
    def saved(self) -> SavedDataset:
        """The dataset."""
        return self.standing.saved

    @property
    def may_run(self) -> bool:
        """Whether the person may run the dataset."""
        return self.live.may_run

    @property
    def may_edit(self) -> bool:
        """Whether the person may change the dataset."""
        return self.live.may_edit

    @property
    def tabs(self) -> tuple[tuple[str, str, str], ...]:
        """Key, title and address of each tab that the person may open."""
        base = f"/datasets/{self.saved.slug}"
        tabs = (*TABS, SETTINGS_TAB) if self.may_edit else TABS
        return tuple((key, title, base + ending) for key, title, ending in tabs)

    @property
    def exports(self) -> tuple[tuple[str, str], ...]:
        """The formats that the table can be exported in; none without a table."""
        return FORMATS if self.standing.good else ()


def heading(
    deps: Deps, who: Visitor, saved: SavedDataset, tab: str, address: str, current: Live | None = None
) -> Heading:
    """The top of the dataset's page, with the `current` run if that was read before."""
    current = current or live(deps, who, saved, alone=tab == "settings")
    may_delete, may_share = who.guard.may(DatasetRight.DELETE, saved), who.guard.may_role(RoleRight.SHARE_LINKS)
    return Heading(current, tab, address, may_delete, may_share)


def live(deps: Deps, who: Visitor, saved: SavedDataset, *, alone: bool = False) -> Live:
    """The dataset's latest run and status, of one moment."""
    now = deps.clock()
    latest, good, _ = runs = newest_runs(deps.store, saved)
    current = standing(deps.store, who.guard, saved, now, runs)
    may = {right: who.guard.may(right, saved) for right in (DatasetRight.RUN, DatasetRight.EDIT)}
    account = account_of(who, saved) if current.status is Status.RECONNECT else None
    return Live(
        standing=current,
        run=latest,
        good=good,
        may_run=may[DatasetRight.RUN] and saved.connected,
        may_edit=may[DatasetRight.EDIT],
        may_reconnect=account is not None and who.guard.may(AccountRight.EDIT, account),
        now=now,
        alone=alone,
    )


def over(answer: Response) -> Response:
    """The answer to a part of a page whose run has ended: the whole page is refreshed instead, with one state."""
    answer.headers["HX-Trigger"] = "run-over"
    answer.headers["HX-Reswap"] = "none"
    return answer


def parsed(deps: Deps, saved: SavedDataset) -> tuple[Dataset | None, tuple[Problem, ...]]:
    """The dataset of the saved settings, or the problems that these have by now."""
    try:
        return dataset_of(saved, deps.clock()), ()
    except DatasetError as error:
        return None, error.problems


def account_of(who: Visitor, saved: SavedDataset) -> Account | None:
    """The dataset's account, if there is one and the person may see it."""
    if saved.account_id is None:
        return None
    with suppress(NotFoundError):
        return who.guard.account(saved.account_id)
    return None
