"""A dataset's runs with their checks and logs, its versions, and the changes between two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from adreel import catalog
from adreel.access import DatasetRight
from adreel.datasets.advertisers import advertiser_names
from adreel.datasets.runs import origin, rows_of, runs_by_version, title, took
from adreel.datasets.verification import Check, checked_in, checks_of
from adreel.errors import BusyError, InputError, NotFoundError
from adreel.lake import Version
from adreel.language import decimal, integer, phrase
from adreel.store import IN_PROGRESS, LogLine, Run, RunState, SavedDataset
from adreel.web.changes import Changes, changes
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import attachment
from adreel.web.pages.heading import Heading, heading, live, over
from adreel.web.pages.paging import page_count
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, is_opened, respond

router = APIRouter()

PAGE = 50
"""Runs of a page, and versions."""

MOST_LINES = 500
"""Lines of a log that its page shows at first; all of them are a download away."""

TONES: Mapping[RunState, str] = {
    RunState.QUEUED: "info",
    RunState.RUNNING: "info",
    RunState.VERIFIED: "success",
    RunState.VERIFIED_WITH_WARNINGS: "warning",
    RunState.ADVERTISERS_SKIPPED: "warning",
    RunState.CHECK_FAILED: "warning",
    RunState.VERIFICATION_UNKNOWN: "warning",
    RunState.FAILED: "danger",
    RunState.CANCELLED: "secondary",
    RunState.INTERRUPTED: "warning",
}


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list. `before` is the version that the one before it made, to compare with."""

    run: Run
    took: timedelta | None
    before: int | None

    @property
    def tone(self) -> str:
        """The color of its state."""
        return TONES[self.run.state]

    @property
    def title(self) -> str:
        """What it restored, or its days if it is a backfill; empty for a run of the dataset's own dates."""
        return title(self.run)

    @property
    def rows(self) -> int:
        """The rows that it read, or restored."""
        return rows_of(self.run)

    @property
    def checked(self) -> str:
        """By which checks; empty if it made no version."""
        return checked_in(self.run.verification)


@dataclass(frozen=True, slots=True)
class History(Page):
    """The runs of a dataset, latest first."""

    template: ClassVar[str] = "history.html"
    head: Heading
    runs: tuple[RunRow, ...]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return page_count(self.total, PAGE)


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One line of a verification: what TikTok says, what was read."""

    name: str
    expected: str
    actual: str
    good: bool


@dataclass(frozen=True, slots=True)
class RunView:
    """One run with all that is known of it; `skipped` has the advertisers' names where they are known."""

    row: RunRow
    checks: tuple[CheckRow, ...]
    skipped: tuple[tuple[str, str, str], ...]
    may_cancel: bool
    slug: str

    @property
    def run(self) -> Run:
        """The run."""
        return self.row.run

    @property
    def working(self) -> bool:
        """Whether it is queued or running."""
        return self.run.state in IN_PROGRESS


@dataclass(frozen=True, slots=True)
class RunPage(Page):
    """One run's page. `left_out` are the log's first lines that are not shown."""

    template: ClassVar[str] = "run.html"
    head: Heading
    view: RunView
    lines: tuple[LogLine, ...]
    left_out: int
    last: int


@dataclass(frozen=True, slots=True)
class RunPart(Page):
    """The run, refreshed while it is in progress."""

    template: ClassVar[str] = "_run.html"
    view: RunView


@dataclass(frozen=True, slots=True)
class LogPart(Page):
    """The log's lines since the last look."""

    template: ClassVar[str] = "_log.html"
    slug: str
    run_id: str
    lines: tuple[LogLine, ...]
    last: int
    working: bool


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version in the list, with the run that made it if the store knows it.

    `origin` says how it came about.
    """

    version: Version
    run: Run | None
    origin: str

    @property
    def tone(self) -> str:
        """The color of its run's state; empty without a run."""
        return TONES[self.run.state] if self.run else ""


@dataclass(frozen=True, slots=True)
class Versions(Page):
    """The versions that can be read, and the two that are compared; these are None if there are not two."""

    template: ClassVar[str] = "versions.html"
    head: Heading
    rows: tuple[VersionRow, ...]
    total: int
    page: int
    before: int | None
    after: int | None
    fault: str

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return page_count(self.total, PAGE)


@dataclass(frozen=True, slots=True)
class Restoration(Page):
    """The question whether to restore a version; `effect` says what the table will have."""

    template: ClassVar[str] = "restore.html"
    head: Heading
    version: int
    effect: str


@dataclass(frozen=True, slots=True)
class DifferencePart(Page):
    """What changed between two versions."""

    template: ClassVar[str] = "_difference.html"
    slug: str
    changes: Changes


# -- runs


@router.get("/datasets/{slug}/history")
def history(request: Request, deps: Here, who: Who, slug: str, page: int = 1) -> Response:
    """The runs, a page at a time."""
    saved = who.guard.dataset(slug)
    total = deps.store.runs.count(saved)
    page = min(max(1, page), page_count(total, PAGE))
    # One more than is shown, for what the last one is compared with.
    runs = deps.store.runs.list(saved, limit=PAGE + 1, offset=(page - 1) * PAGE)
    address = f"/datasets/{saved.slug}/history" + (f"?page={page}" if page > 1 else "")
    runs_page = History(heading(deps, who, saved, "history", address), _rows(deps, runs)[:PAGE], total, page)
    return respond(request, runs_page, visitor=who)


def _rows(deps: Deps, runs: Sequence[Run]) -> tuple[RunRow, ...]:
    rows = []
    for number, run in enumerate(runs):
        generator = (earlier.version for earlier in runs[number + 1 :] if earlier.version is not None)
        before = next(generator, None) if run.version is not None else None
        current = deps.store.seen(run)
        rows.append(RunRow(current, took(current, deps.clock()), before))
    return tuple(rows)


@router.get("/datasets/{slug}/history/{run_id}")
def one_run(request: Request, deps: Here, who: Who, slug: str, run_id: str) -> Response:
    """One run, or the part of its page that changes while it works."""
    saved = who.guard.dataset(slug)
    run = _run(who, saved, run_id)
    if request.headers.get("hx-request-type") == "partial":
        view = _view(deps, who, saved, run)
        answer = respond(request, RunPart(view), visitor=who)
        return answer if view.working else over(answer)
    head = heading(deps, who, saved, "history", f"/datasets/{saved.slug}/history/{run.id}")
    latest = head.live.run
    view = _view(deps, who, saved, latest if latest is not None and latest.id == run.id else run)
    lines = deps.store.runs.log_lines(run.id)
    shown = lines[-MOST_LINES:]
    last = lines[-1].number if lines else 0
    return respond(request, RunPage(head, view, shown, len(lines) - len(shown), last), visitor=who)


def _run(who: Visitor, saved: SavedDataset, run_id: str) -> Run:
    run = who.guard.run(run_id)
    if run.dataset_id != saved.id:
        raise NotFoundError(
            phrase("Run %(run)s does not belong to dataset %(dataset)s.", run=run.id, dataset=repr(saved.name))
        )
    return run


def _view(deps: Deps, who: Visitor, saved: SavedDataset, run: Run) -> RunView:
    (row,) = _rows(deps, [run])
    return RunView(
        row=row,
        checks=tuple(map(_check_row, checks_of(run.verification))),
        skipped=_skipped(who, saved, run),
        may_cancel=row.run.state in IN_PROGRESS
        and not row.run.cancel_requested
        and who.guard.may(DatasetRight.RUN, saved),
        slug=saved.slug,
    )


def _check_row(check: Check) -> CheckRow:
    """A check as it is shown: a sum by its metric's title; one over several currencies is named a checksum."""
    name = {"rows": phrase("Rows"), "keys": phrase("Duplicate keys")}.get(check.kind)
    if name is None:
        metric = catalog.metrics().get(check.name)
        name = f"{metric.title} ({check.name})" if metric else check.name
    if check.is_checksum:
        name = phrase("%(metric)s (checksum of mixed currencies)", metric=name)
    return CheckRow(name, _number(check.expected), _number(check.actual), check.agrees)


def _number(value: float) -> str:
    return integer(value) if isinstance(value, int) else decimal(value, 2)


def _skipped(who: Visitor, saved: SavedDataset, run: Run) -> tuple[tuple[str, str, str], ...]:
    names = advertiser_names(who.guard, saved) if run.skipped else {}
    return tuple((advertiser, names.get(advertiser, ""), reason) for advertiser, reason in run.skipped.items())


@router.get("/datasets/{slug}/history/{run_id}/log")
def log(request: Request, deps: Here, who: Who, slug: str, run_id: str, after: int | None = None) -> Response:
    """The log's lines behind number `after`, or the whole log as a file."""
    saved = who.guard.dataset(slug)
    run = _run(who, saved, run_id)
    lines = deps.store.runs.log_lines(run.id, after=after or 0)
    if after is None:
        text = "".join(f"{line.at:%Y-%m-%dT%H:%M:%SZ}  {line.text}\n" for line in lines)
        name = f"{saved.slug}.{run.id}.log"
        return PlainTextResponse(text, headers=attachment(name, name))
    working = deps.store.seen(run).state in IN_PROGRESS
    last = lines[-1].number if lines else after
    return respond(request, LogPart(saved.slug, run.id, lines, last, working), visitor=who)


# -- versions


@router.get("/datasets/{slug}/versions")
def versions(
    request: Request,
    deps: Here,
    who: Who,
    slug: str,
    before: int | None = None,
    after: int | None = None,
    page: int = 1,
) -> Response:
    """The versions that can be read, and what changed between two of them: the last two, if none are named."""
    saved = who.guard.dataset(slug)
    # Before the table: a run that has ended has its version.
    current = live(deps, who, saved)
    available = deps.lake.versions(saved.table_slug) if deps.lake.exists(saved.table_slug) else ()
    pair, fault = _pair([version.number for version in available], before, after)
    page = min(max(1, page), page_count(len(available), PAGE))
    shown = available[(page - 1) * PAGE : page * PAGE]
    runs = runs_by_version(shown, deps.store.runs.good(saved, page * PAGE + PAGE)) if shown else {}
    rows = tuple(
        VersionRow(version, runs.get(version.number), origin(version, runs.get(version.number))) for version in shown
    )
    address = f"/datasets/{saved.slug}/versions{_query(pair, page)}"
    found_page = Versions(
        heading(deps, who, saved, "versions", address, current), rows, len(available), page, pair[0], pair[1], fault
    )
    return respond(request, found_page, visitor=who)


def _query(pair: tuple[int | None, int | None], page: int) -> str:
    chosen = [] if None in pair else [f"before={pair[0]}", f"after={pair[1]}"]
    words = "&".join([*chosen, *([f"page={page}"] if page > 1 else [])])
    return f"?{words}" if words else ""


def _pair(available: Sequence[int], before: int | None, after: int | None) -> tuple[tuple[int | None, int | None], str]:
    """The two versions to compare, the earlier first, and what is wrong with what was asked for or was put right."""
    missing = [number for number in (before, after) if number is not None and number not in available]
    if missing:
        if available and 0 <= missing[0] < min(available):
            return (None, None), phrase(
                "Version %(version)s is no longer kept. The oldest is version %(oldest)s.",
                version=missing[0],
                oldest=min(available),
            )
        return (None, None), phrase(
            "Version %(version)s is not available: it was removed or never existed.", version=missing[0]
        )
    if before is not None and after is not None and before == after:
        return (None, None), phrase("Select two different versions.")
    if after is None:
        after = available[0] if available else None
        if before is not None and before == after:
            after = None
    if before is None and after is not None:
        before = next((number for number in available if number < after), None)
    if before is None or after is None:
        return (None, None), ""
    turned = phrase(
        "Version %(before)s is later than version %(after)s, so changes are shown from %(after)s to %(before)s.",
        before=before,
        after=after,
    )
    return (min(before, after), max(before, after)), turned if before > after else ""


@router.get("/datasets/{slug}/versions/{version}/restore")
def ask_restore(request: Request, deps: Here, who: Who, slug: str, version: int) -> Response:
    """Asks for confirmation of a restore, with what the table will have."""
    saved = who.guard.dataset(slug, DatasetRight.RESTORE)
    home = f"/datasets/{saved.slug}/versions"
    try:
        effect = deps.orders.restore_effect(who.guard, saved, version)
    except (InputError, NotFoundError) as error:
        return go(request, home, sentence(error))
    page = Restoration(heading(deps, who, saved, "versions", f"{home}/{version}/restore"), version, effect)
    return respond(request, page, visitor=who)


@router.post("/datasets/{slug}/versions/{version}/restore")
def restore(request: Request, deps: Here, who: Who, slug: str, version: int) -> Response:
    """Brings back the rows of an earlier version as a new one."""
    saved = who.guard.dataset(slug, DatasetRight.RESTORE)
    home = f"/datasets/{saved.slug}/versions"
    try:
        run = deps.orders.restore(who.guard, saved, version)
    except (BusyError, NotFoundError) as error:
        return go(request, home, sentence(error))
    return go(
        request,
        home,
        phrase("Restored version %(version)s as version %(new_version)s.", version=version, new_version=run.version),
    )


@router.get("/datasets/{slug}/difference")
def difference(request: Request, deps: Here, who: Who, slug: str, before: int, after: int) -> Response:
    """What changed between two versions; this may take seconds, so pages ask for it by itself."""
    saved = who.guard.dataset(slug)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}/versions?before={before}&after={after}")
    if before == after:
        raise InputError(phrase("Select two different versions."))
    difference = changes(deps, who.guard, saved, min(before, after), max(before, after))
    return respond(request, DifferencePart(saved.slug, difference), visitor=who)
