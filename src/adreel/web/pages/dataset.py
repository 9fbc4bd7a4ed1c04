"""One dataset: its overview, what the next run would read, and what is done to it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel.access import DatasetRight
from adreel.connections import covered
from adreel.datasets import schedules
from adreel.datasets.about import about
from adreel.datasets.calculated_columns import readable_table
from adreel.datasets.dataset import Dataset, day_column
from adreel.datasets.looks import TableLook
from adreel.datasets.replacement import Effect
from adreel.datasets.schema import key
from adreel.datasets.stored import dataset_of, publish_targets_of, schedule_of, timing_of
from adreel.datasets.verification import Check, checks_of, incomplete_in
from adreel.dates import Span, offset_name, read_day
from adreel.destinations.status import PublicationStatus, statuses
from adreel.errors import AdreelError, BusyError, ConfirmError, DatasetError, InputError, NotFoundError, Problem
from adreel.export.files import WRITERS, stream
from adreel.language import phrase, phrases
from adreel.pipeline.orders import cancel_words
from adreel.pipeline.preview import Planned
from adreel.scheduling import Meaning, meaning_of
from adreel.store import AccountAdvertiser, Run, SavedDataset
from adreel.store.audit import AuditAction, Subject
from adreel.web.changes import Since, since
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import file_answer
from adreel.web.forms.problems import sentence as problem_sentence
from adreel.web.pages.backfills import BackfillCard, backfill_card
from adreel.web.pages.data import asked_exactly, shown_columns
from adreel.web.pages.datasets import deletion, deletion_notice
from adreel.web.pages.heading import Heading, Live, account_of, heading, live, over, parsed
from adreel.web.pages.wording import refusal, sentence
from adreel.web.render import Page, go, is_opened, own_path, respond
from adreel.web.status import status_of
from adreel.web.wording import weekday_and_time

router = APIRouter()

MOST_ADVERTISERS = 100
"""Advertisers that the overview lists."""

CHEAP_ROWS = 500_000
"""Rows of a table whose last change the overview works out without being asked to."""

Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class Table:
    """The dataset's table as it is now. `first` and `last` are its days, where it has days."""

    version: int
    rows: int
    columns: int
    size: int
    address: str
    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class RowSource:
    """Where the rows come from: the advertisers that a run reads, and why others cannot be read."""

    advertisers: tuple[AccountAdvertiser, ...]
    count: int
    unreadable: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OtherDays:
    """The days that a run was asked for, as they were typed, and why there can be none for them.

    `asks`: there can be one, if the person agrees to what the reasons say.
    """

    start: str
    end: str
    reasons: tuple[str, ...]
    asks: bool = False


@dataclass(frozen=True, slots=True)
class EffectPart(Page):
    """What a run for other days does to the table, or why there can be none."""

    template: ClassVar[str] = "_effect.html"
    effect: Effect
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overview(Page):
    """The dataset's first page. `dataset` is None if its settings do not hold any more, for the `problems`.

    `verified_run` is the run that made the table what it is. `card` is its backfill, `other_days`
    are days that were refused. `scheduled`: it has a schedule, and `next_run` is its next time in UTC.
    `destinations` are those that it publishes to.
    """

    template: ClassVar[str] = "overview.html"
    head: Heading
    dataset: Dataset | None
    problems: tuple[Problem, ...]
    table: Table | None
    table_fault: str
    verified_run: Run | None
    checks: tuple[Check, ...]
    incomplete: str
    source: RowSource | None
    owner: str
    key: tuple[str, ...]
    cheap: bool
    schedule: Meaning
    scheduled: bool
    next_run: str
    stale_after: str
    card: BackfillCard | None
    destinations: tuple[PublicationStatus, ...]
    other_days: OtherDays | None = None
    most_advertisers: int = MOST_ADVERTISERS


@dataclass(frozen=True, slots=True)
class Zone:
    """Advertisers that count their days alike, and the days that a run asks of them."""

    name: str
    count: int
    days: Span


@dataclass(frozen=True, slots=True)
class NextRun(Page):
    """What the next run reads: the scheduled one `at` that time, else one that begins now.

    `error` is why that cannot be said.
    """

    template: ClassVar[str] = "_next_run.html"
    planned: Planned | None
    zones: tuple[Zone, ...]
    error: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SincePart(Page):
    """What the last run changed, in a sentence; None if nothing can be compared."""

    template: ClassVar[str] = "_since.html"
    slug: str
    change: Since | None


@dataclass(frozen=True, slots=True)
class LivePart(Page):
    """The current run, refreshed."""

    template: ClassVar[str] = "_live.html"
    live: Live


@router.get("/datasets/{slug}")
def overview(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """The dataset's overview."""
    return respond(request, _overview(deps, who, who.guard.dataset(slug)), visitor=who)


def _overview(deps: Deps, who: Visitor, saved: SavedDataset, other_days: OtherDays | None = None) -> Overview:
    dataset, problems = parsed(deps, saved)
    # Before the table: a run that has ended has its version, and one that works has none yet.
    head = heading(deps, who, saved, "overview", f"/datasets/{saved.slug}")
    table, fault = _table(deps, saved, dataset, head.live)
    verified_run = head.live.good
    return Overview(
        head=head,
        dataset=dataset,
        problems=problems,
        table=table,
        table_fault=fault,
        verified_run=verified_run,
        checks=checks_of(verified_run.verification) if verified_run else (),
        incomplete=incomplete_in(verified_run.verification) if verified_run else "",
        source=_source(deps, who, saved, dataset),
        owner=_owner(deps, saved),
        key=key(dataset) if dataset else (),
        cheap=table is not None and table.rows <= CHEAP_ROWS,
        schedule=meaning_of(schedule_of(saved), deps.clock(), deps.store.workspace.get().zone),
        scheduled=schedule_of(saved) is not None,
        next_run=weekday_and_time(saved.next_run_at) if saved.next_run_at else "",
        stale_after=_duration(stale_after) if (stale_after := timing_of(saved).stale_after) else "",
        card=backfill_card(deps.store, who, saved, deps.clock()),
        destinations=statuses(deps.store, saved) if publish_targets_of(saved) else (),
        other_days=other_days,
    )


def _duration(duration: timedelta) -> str:
    """The length of time in the largest unit that it is a multiple of."""
    minutes = duration // timedelta(minutes=1)
    if minutes % 60:
        return phrases("%(number)s minute", "%(number)s minutes", minutes, number=minutes)
    if (hours := minutes // 60) % 24:
        return phrases("%(number)s hour", "%(number)s hours", hours, number=hours)
    if (days := hours // 24) % 7:
        return phrases("%(number)s day", "%(number)s days", days, number=days)
    return phrases("%(number)s week", "%(number)s weeks", days // 7, number=days // 7)


def _table(deps: Deps, saved: SavedDataset, dataset: Dataset | None, live: Live) -> tuple[Table | None, str]:
    """The table as the runs of `live` left it, or what is wrong with it; neither if there is none yet."""
    try:
        table_state = deps.lake.table(saved.table_slug)
        if live.working and _is_version_of(deps, saved, live.run):
            # The run has written its version and is about to end.
            if live.good is None:
                return None, ""
            table_state = deps.lake.table(saved.table_slug, live.good.version)
    except NotFoundError:
        return None, ""
    except AdreelError as error:
        return None, sentence(error)
    first, last = table_state.day_ends(day_column(dataset) if dataset else None) or (None, None)
    address = deps.lake.table_url(saved.table_slug)
    # With calculated columns, as Data and files have them.
    columns = len(readable_table(deps.lake, saved, deps.clock(), table_state.version).readable.names)
    return Table(table_state.version, table_state.rows, columns, table_state.size, address, first, last), ""


def _is_version_of(deps: Deps, saved: SavedDataset, run: Run | None) -> bool:
    """Whether the run made the newest version of the table."""
    newest = next(iter(deps.lake.versions(saved.table_slug)), None)
    return run is not None and newest is not None and newest.run_id == run.id


def _source(deps: Deps, who: Visitor, saved: SavedDataset, dataset: Dataset | None) -> RowSource | None:
    """The advertisers that a run would read now; None if that is not known, or not the person's to know."""
    account = account_of(who, saved)
    if account is None or dataset is None:
        return None
    advertisers = deps.store.accounts.advertisers(account)
    reach = covered(advertisers, dataset.advertisers or account.selection)
    read = {advertiser.id for advertiser in reach.advertisers}
    listed = tuple(advertiser for advertiser in advertisers if advertiser.advertiser_id in read)[:MOST_ADVERTISERS]
    return RowSource(listed, len(read), tuple(reach.unreadable.items())[:MOST_ADVERTISERS])


def _owner(deps: Deps, saved: SavedDataset) -> str:
    if saved.owner_id is None:
        return ""
    try:
        return deps.store.users.get(saved.owner_id).name
    except NotFoundError:
        return ""


@router.get("/datasets/{slug}/live")
def look_again(request: Request, deps: Here, who: Who, slug: str, *, alone: bool = False) -> Response:
    """The current run. Once it has ended, the whole page is refreshed, or with `alone` this part of it."""
    saved = who.guard.dataset(slug)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}")
    current = live(deps, who, saved, alone=alone)
    answer = respond(request, LivePart(current), visitor=who)
    return answer if current.working or alone else over(answer)


@router.get("/datasets/{slug}/next")
def next_run(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """What the next run of the schedule reads, else what one that began now would. Nothing is asked of TikTok."""
    saved = who.guard.dataset(slug)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}")
    try:
        if saved.account_id is None:
            raise InputError(phrase("The account was deleted. Select another account in Settings."))
        account = who.guard.account(saved.account_id)
        dataset = dataset_of(saved, deps.clock())
        at = saved.next_run_at
        planned = deps.asking.planned(dataset, account, deps.store.accounts.advertisers(account), saved, at=at)
    except AdreelError as error:
        return respond(request, NextRun(None, (), sentence(error)), visitor=who)
    return respond(request, NextRun(planned, _zones(planned), "", at), visitor=who)


def _zones(planned: Planned) -> tuple[Zone, ...]:
    groups: dict[tuple[timedelta, Span], int] = defaultdict(int)
    for advertiser, days in planned.plan.days():
        groups[advertiser.offset, days] += 1
    return tuple(Zone(offset_name(offset), count, days) for (offset, days), count in sorted(groups.items()))


@router.get("/datasets/{slug}/since")
def last_change(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """What the last run changed, in a sentence."""
    saved = who.guard.dataset(slug)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}")
    return respond(request, SincePart(saved.slug, since(deps, saved)), visitor=who)


# -- what is done to it


@router.get("/datasets/{slug}/backfill")
def backfill(request: Request, deps: Here, who: Who, slug: str, start: str = "", end: str = "") -> Response:
    """What a run for other days does to the table, while these are typed."""
    saved = who.guard.dataset(slug, DatasetRight.RUN)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}")
    try:
        dates = _dates(start.strip(), end.strip())
        effect = deps.orders.effect(saved, dates) if dates else Effect("")
    except InputError as error:
        return respond(request, EffectPart(Effect(""), _reasons(error)), visitor=who)
    return respond(request, EffectPart(effect, ()), visitor=who)


@router.post("/datasets/{slug}/run")
def run(
    request: Request,
    deps: Here,
    who: Who,
    slug: str,
    start: Text = "",
    end: Text = "",
    onward: Text = "",
    agreed: Text = "",
) -> Response:
    """Queues a run, for other days if they are given. Refused days are shown with the reason beside the fields."""
    saved = who.guard.dataset(slug, DatasetRight.RUN)
    home = own_path(onward, f"/datasets/{saved.slug}")
    try:
        dates = _dates(start.strip(), end.strip())
        # The confirmation holds only for the days that the question named.
        deps.orders.enqueue(who.guard, saved, dates, replace_rows=agreed == f"{start} {end}")
    except BusyError as error:
        return go(request, home, refusal(error))
    except InputError as error:
        if not (start or end) or not saved.connected:
            raise
        refused = OtherDays(start, end, _reasons(error), asks=isinstance(error, ConfirmError))
        return respond(request, _overview(deps, who, saved, refused), status_of(error), who)
    return go(request, home)


@router.post("/datasets/{slug}/backfills")
def start_backfill(request: Request, deps: Here, who: Who, slug: str, start: Text = "", end: Text = "") -> Response:
    """Starts a backfill in slices. Refused days are shown with the reason beside the fields."""
    saved = who.guard.dataset(slug, DatasetRight.RUN)
    try:
        deps.backfills.start(who.guard, saved, (start.strip(), end.strip()))
    except BusyError as error:
        return go(request, f"/datasets/{saved.slug}", sentence(error))
    except InputError as error:
        if not saved.connected:
            raise
        refused = OtherDays(start, end, _reasons(error))
        return respond(request, _overview(deps, who, saved, refused), status_of(error), who)
    return go(request, f"/datasets/{saved.slug}")


def _reasons(error: InputError) -> tuple[str, ...]:
    problems = error.problems if isinstance(error, DatasetError) else ()
    return tuple(map(problem_sentence, problems)) or (sentence(error),)


def _dates(start: str, end: str) -> tuple[str, str] | None:
    if not start and not end:
        return None
    for word in (start, end):
        try:
            read_day(word)
        except ValueError:
            raise InputError(
                phrase("%(word)s is not a valid date. Use a date such as 2026-01-31 or today-28.", word=repr(word))
            ) from None
    return start, end


@router.post("/datasets/{slug}/pause")
def pause(request: Request, who: Who, slug: str) -> Response:
    """Pauses the dataset's schedule."""
    saved = schedules.pause(who.guard, who.guard.dataset(slug, DatasetRight.EDIT))
    return go(
        request, f"/datasets/{saved.slug}", phrase("Schedule paused. Scheduled runs start again when you resume it.")
    )


@router.post("/datasets/{slug}/resume")
def resume(request: Request, who: Who, slug: str) -> Response:
    """Resumes the dataset's schedule."""
    saved = schedules.resume(who.guard, who.guard.dataset(slug, DatasetRight.EDIT))
    return go(
        request, f"/datasets/{saved.slug}", phrase("Schedule resumed. Runs missed during the pause are not repeated.")
    )


@router.post("/runs/{run_id}/cancel")
def cancel(request: Request, deps: Here, who: Who, run_id: str, onward: Text = "") -> Response:
    """Asks a run to stop."""
    run = who.guard.run(run_id, DatasetRight.RUN)
    cancelled = deps.orders.cancel(who.guard, run)
    home = f"/datasets/{run.dataset_slug}" if run.dataset_id is not None else "/datasets"
    return go(request, own_path(onward, home), cancel_words(cancelled))


@router.get("/datasets/{slug}/delete")
def ask_before_deletion(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """The question before the dataset is deleted."""
    saved = who.guard.dataset(slug, DatasetRight.DELETE)
    base = f"/datasets/{saved.slug}"
    standing = heading(deps, who, saved, "overview", base).standing
    return respond(request, deletion(deps, (standing,), f"{base}/delete", base), visitor=who)


@router.post("/datasets/{slug}/delete")
def delete(request: Request, deps: Here, who: Who, slug: str, tables: Text = "keep") -> Response:
    """Deletes the dataset, and its table unless that is to stay."""
    saved = who.guard.dataset(slug, DatasetRight.DELETE)
    stays = deps.orders.delete(who.guard, saved, keep_table=tables == "keep")
    kept = [saved.table_slug] if stays else []
    deleted = (
        phrase("Deleted %(dataset)s.", dataset=saved.name)
        if tables == "keep"
        else phrase("Deleted %(dataset)s with all tables and versions.", dataset=saved.name)
    )
    return go(request, "/datasets", deletion_notice(deps, deleted, kept))


@router.get("/datasets/{slug}/export")
def export(
    request: Request,
    deps: Here,
    who: Who,
    slug: str,
    format: str = "csv",  # noqa: A002 - the word in the address
) -> Response:
    """The table as a file. The query is that of a Data page, and the file has what its pages show, in that order."""
    saved = who.guard.dataset(slug)
    if format not in WRITERS:
        raise InputError(
            phrase(
                "%(format)s is not an export format. Use one of: %(formats)s.",
                format=repr(format),
                formats=", ".join(WRITERS),
            )
        )
    look = asked_exactly(saved.slug, request.query_params)
    table = readable_table(deps.lake, saved, deps.clock(), look.version)
    shown = shown_columns(deps, who, saved, look, table.readable.names)
    reader = deps.lake.read(
        table.slug, look.version, shown, where=look.where, order=look.order, calculated=table.calculated
    )
    ending = format if look.version is None else f"v{look.version}.{format}"
    sheet = (
        about(deps.store, deps.lake, saved, look.version, TableLook(shown, look.where, look.order), deps.clock())
        if format == "xlsx"
        else None
    )
    chunks = stream(reader, format, for_spreadsheet=True, about=sheet)
    deps.store.audit.add(AuditAction.EXPORT, Subject.of(saved), {"format": format, "version": look.version})
    return file_answer(chunks, format, f"{saved.slug}.{ending}", f"{saved.name}.{ending}")
