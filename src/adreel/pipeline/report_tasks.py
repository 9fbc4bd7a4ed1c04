"""Report tasks: a second way to read the pages of many settled days of a report.

A task reads as many days and rows as there are, where pages take a request for a thousand rows ("Create an
asynchronous report task", doc 1740302766489602). It gives no count and no totals, its figures are some hours old, and
neither the form of its file nor its filters are documented well. So a task never replaces the first page of a request,
which has TikTok's count and totals: it replaces the pages after it, and only if count, totals and every row of the
first page are those of the file. Everything else is read in pages, as without tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from adreel import catalog
from adreel.advertisers import Advertiser
from adreel.arrow import pc
from adreel.datasets.dataset import Dataset
from adreel.datasets.lookback import is_attributed
from adreel.datasets.schema import dimensions_asked, key
from adreel.dates import Span, today_at
from adreel.errors import (
    AdreelError,
    AdvertiserError,
    ProofError,
    RequestError,
    RetryError,
    SplitError,
    StopError,
    ThrottledError,
)
from adreel.language import integer, phrase
from adreel.pipeline.normalize import Typed, as_records, key_texts, page_table, sums
from adreel.pipeline.parts import PageType, Parts
from adreel.pipeline.plan import REPORT_PATH, Plan, Request, has_totals
from adreel.pipeline.task_file import TaskFile, read_file
from adreel.pipeline.verify import (
    Part,
    refuse_invalid_ids,
    refuse_null_keys,
    request_words,
    row_counts,
    verified,
)
from adreel.tiktok.client import Client, together
from adreel.tiktok.rate_limit import TASK_PATH

UNSETTLED_DAYS = 7
"""Days before today that tasks do not read: TikTok corrects them, and a task has them some hours late."""

UNSETTLED_ATTRIBUTED_DAYS = 33
"""The same with metrics that TikTok books on the day of the click, up to 32 days later (attribution windows)."""

TASK_REQUESTS = 5
"""Requests that a task takes: creation, about three questions whether it is ready, and the file."""

MOST_CELLS = 2_500_000
"""Values of a file, which is in memory as a whole."""

CREATIONS = 2
"""How often a task is created that fails or is gone, before its days are read in pages."""

PATIENCE = 1_800.0
"""Seconds that a run waits for a task, before its days are read in pages."""

_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 120.0
_ROWS_AT_ONCE = 10_000
_MOST_UNUSED = 0.5

_SYNCHRONOUS = frozenset({"billed_cost", "minis_name", "optimization_event"})
_SYNCHRONOUS_GROUPS = frozenset({"native_growth"})

_PREFIX = "task-"
_WORKING = ("QUEUING", "PROCESSING")


def refusal(dataset: Dataset, batches: int) -> str:
    """Why report tasks cannot read the dataset in so many batches of metrics; empty if they can."""
    metrics = catalog.metrics()
    if dataset.report != "performance" or dataset.report_type != "basic" or dataset.service_type != "auction":
        return phrase("report tasks are used for basic reports of auctions only")
    if dataset.time != "day" or dataset.breakdowns or dataset.lifetime:
        return phrase("report tasks are used for daily reports without breakdowns only")
    if batches > 1:
        return phrase("the dataset has more metrics than a request may have")
    names = [
        name
        for name in dataset.metrics
        if name in _SYNCHRONOUS or metrics[name].group in _SYNCHRONOUS_GROUPS or metrics[name].type == "list"
    ]
    if names:
        return phrase("report tasks do not have %(metrics)s", metrics=", ".join(names))
    if not any(metrics[name].additive for name in dataset.metrics):
        return phrase("no metric has totals, which verify the rows of report tasks")
    return ""


def documented(dataset: Dataset) -> bool:
    """Whether TikTok documents that tasks have all rows: without a filter of statuses, they leave out deleted ads."""
    return not dataset.include_deleted or dataset.level == "advertiser"


def unsettled_days(dataset: Dataset) -> int:
    """The days before today that tasks do not read, as TikTok still changes the dataset's metrics for them."""
    return UNSETTLED_ATTRIBUTED_DAYS if any(map(is_attributed, dataset.metrics)) else UNSETTLED_DAYS


def by_task(plan: Plan, advertisers: Sequence[Advertiser], span: Span | None, now: datetime) -> bool:
    """Whether a task may read days of these advertisers: settled ones, of a request with totals of its own."""
    if span is None or not has_totals(plan.dataset, tuple(advertisers)):
        return False
    return span.end < today_at(now, advertisers[0].offset) - timedelta(days=unsettled_days(plan.dataset))


def groups(sizes: Sequence[tuple[int, int] | None], columns: int) -> Iterator[list[int]]:
    """The places of consecutive requests that one task reads, of those that save requests by it.

    `sizes` has the rows and the pages of each request in the order of their days, None for one that no task may read.
    """
    group: list[int] = []
    cells = 0
    for place, size in enumerate([*sizes, None]):
        more = 0 if size is None else size[0] * columns
        if size is None or cells + more > MOST_CELLS:
            yield from _worthwhile(group, sizes)
            group, cells = [], 0
        if size is not None and more <= MOST_CELLS:
            group.append(place)
            cells += more


def _worthwhile(group: list[int], sizes: Sequence[tuple[int, int] | None]) -> Iterator[list[int]]:
    pages = {place: size[1] for place in group if (size := sizes[place]) is not None}
    several = [place for place in group if pages[place] > 1]
    if sum(pages[place] - 1 for place in several) > TASK_REQUESTS:
        yield several


def file_columns(dataset: Dataset, metrics: Sequence[str]) -> tuple[str, ...]:
    """The columns that a task is asked for."""
    return tuple(dict.fromkeys((*dimensions_asked(dataset), *metrics)))


def task_body(requests: Sequence[Request]) -> dict[str, Any]:
    """The body that creates the task for requests that differ in their days."""
    params = {name: value for name, value in requests[0].params.items() if name != "enable_total_metrics"}
    return {
        **params,
        "start_date": requests[0].params["start_date"],
        "end_date": requests[-1].params["end_date"],
        "output_format": "CSV_STRING",
        "enable_report_title_translation": False,
    }


@dataclass(slots=True)
class ReportTask:
    """A task as the run's notes keep it: its id, empty if there is none now, and how often one was created."""

    advertiser: str
    task_id: str = ""
    creations: int = 0


@dataclass(slots=True)
class TaskReads:
    """The reads of a run by tasks. `arrived` is as that of the extraction, `log` takes sentences for the run's log.

    Tasks that are not worth it or not to be trusted leave no parts, and their requests are read in pages.
    """

    plan: Plan
    client: Client
    parts: Parts
    page_type: PageType
    arrived: Callable[[Request, Part], None]
    log: Callable[[str], None]
    _off: bool = False
    _one_file: asyncio.Lock = field(default_factory=asyncio.Lock)

    def may_read(self, request: Request) -> bool:
        """Whether a task may have the pages of the request after its first."""
        if self._off or request.path != REPORT_PATH or request.batch:
            return False
        return by_task(self.plan, request.advertisers, request.span, self.plan.now)

    async def read(self, chunk: str, requests: Sequence[Request], firsts: Mapping[str, Part]) -> None:
        """Stores the rows of tasks after the first pages of requests; `firsts` are these pages, by name of the request.

        Raises ReconnectError if TikTok refuses the token.
        """
        columns = len(file_columns(self.plan.dataset, self.plan.batches[0]))
        sizes = [
            (first.total_rows, first.total_pages) if first is not None and first.totals else None
            for first in (firsts.get(request.name) for request in requests)
        ]
        selected = [[requests[place] for place in group] for group in groups(sizes, columns)]
        await together(self._group(chunk, group, firsts) for group in selected)

    async def _group(self, chunk: str, group: Sequence[Request], firsts: Mapping[str, Part]) -> None:
        name = f"{_PREFIX}{group[0].name}"
        content = None if self._off else await self._content(chunk, name, group)
        if content is None:
            return
        async with self._one_file:
            await self.parts.work(self._take, chunk, group, firsts, content)

    # --- the task at TikTok ---------------------------------------------------------------------------------

    async def _content(self, chunk: str, name: str, group: Sequence[Request]) -> bytes | None:
        """The file of the task, which is created unless there is one already; None if there is none to be had."""
        order = _order(self.parts.note(chunk, name)) or ReportTask(group[0].advertisers[0].id)
        while True:
            if not order.task_id and not await self._create(chunk, name, group, order):
                return None
            try:
                reason = await self._until_ready(order)
                if not reason:
                    where = {"advertiser_id": order.advertiser, "task_id": order.task_id}
                    return await self.client.file("/report/task/download/", where)
            except (RequestError, AdvertiserError, StopError, SplitError, RetryError) as error:
                reason = error.message
                if isinstance(error, RetryError) and error.code is None:
                    # If the network is down, pages fail too, and the resumed run asks for the same task.
                    self._lost(order, group, reason)
                    return None
            self._lost(order, group, reason)
            order.task_id = ""
            self._note(chunk, name, order)

    def _lost(self, order: ReportTask, group: Sequence[Request], reason: str) -> None:
        self.log(
            phrase(
                "Report task %(task)s for %(requests)s is not used: %(reason)s",
                task=order.task_id,
                requests=_words(group),
                reason=reason,
            )
        )

    async def _create(self, chunk: str, name: str, group: Sequence[Request], order: ReportTask) -> bool:
        """Creates the task and notes its id; whether there is one then."""
        if self._off or order.creations >= CREATIONS:
            return False
        try:
            answer = await self.client.call("POST", TASK_PATH, body=task_body(group))
        except (RequestError, AdvertiserError, StopError, SplitError, ThrottledError) as error:
            self._stop(phrase("TikTok creates no report task: %(reason)s", reason=error.message))
            return False
        task_id = answer.data.get("task_id")
        order.creations += 1
        if not isinstance(task_id, str) or not task_id:
            self._stop(phrase("TikTok created a report task without an ID."))
            return False
        order.task_id = task_id
        self._note(chunk, name, order)
        return True

    async def _until_ready(self, order: ReportTask) -> str:
        """Waits for the task; why there is no file of it, or nothing if there is one."""
        where = {"advertiser_id": order.advertiser, "task_id": order.task_id}
        waited, pause = 0.0, _FIRST_PAUSE
        while waited < PATIENCE:
            await self.client.pause(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_PAUSE)
            data = (await self.client.call("GET", "/report/task/check/", params=where)).data
            status = data.get("status")
            if status == "SUCCESS":
                return ""
            if status not in _WORKING:
                return phrase("TikTok's status is %(status)s. %(message)s", status=status, message=data.get("message"))
        await cancel_task(self.client, order.advertiser, order.task_id)
        order.creations = CREATIONS
        reason = phrase("it was not ready after %(minutes)s minutes.", minutes=round(waited / 60))
        self._stop(phrase("TikTok takes long for report tasks: %(reason)s", reason=reason))
        return reason

    def _note(self, chunk: str, name: str, order: ReportTask) -> None:
        note = {"advertiser": order.advertiser, "task_id": order.task_id, "creations": order.creations}
        self.parts.write_note(chunk, name, note)

    def _stop(self, reason: str) -> None:
        """No task is created any more: the others would end in the same way."""
        if not self._off:
            self._off = True
            self.log(phrase("%(reason)s This run continues in pages.", reason=reason))

    # --- the rows of its file -------------------------------------------------------------------------------

    def _take(self, chunk: str, group: Sequence[Request], firsts: Mapping[str, Part], content: bytes) -> None:
        """Stores the rows of the file that agree with the first pages and with TikTok's counts and totals."""
        names = file_columns(self.plan.dataset, self.plan.batches[0])
        first, last = group[0].span, group[-1].span
        assert first is not None
        assert last is not None
        try:
            file = read_file(content, names, Span(first.start, last.end))
        except ProofError as error:
            self._stop(
                phrase(
                    "The file of the report task for %(requests)s is not used: %(reason)s",
                    requests=_words(group),
                    reason=error.message,
                )
            )
            return
        unused = []
        for request in group:
            fault = self._take_request(chunk, request, firsts[request.name], file)
            if fault:
                unused.append(fault)
                self.log(f"{request_words(request)}: {fault}")
        if len(unused) > _MOST_UNUSED * len(group):
            self._stop(phrase("Most days of a report task do not have TikTok's rows."))

    def _take_request(self, chunk: str, request: Request, first: Part, file: TaskFile) -> str:
        """Stores the rows of a request after its first page; why not, or nothing if they are stored."""
        assert request.span is not None
        rows = file.of(request.span)
        if rows.num_rows != first.total_rows:
            return phrase(
                "the report task has %(rows)s rows, and TikTok counts %(expected)s. Read in pages.",
                rows=integer(rows.num_rows),
                expected=integer(first.total_rows),
            )
        try:
            typed = list(self._typed(rows, request))
        except ProofError:
            return phrase("the report task has rows without a valid primary key. Read in pages.")
        odd = {column for page in typed for column in _odd_columns(page)}
        if odd:
            return phrase(
                "the report task has unknown values of %(columns)s. Read in pages.", columns=", ".join(sorted(odd))
            )
        return self._store(chunk, request, first, [page.table for page in typed])

    def _typed(self, rows: pa.Table, request: Request) -> Iterator[Typed]:
        """The rows as those of pages. Raises ProofError for a row that no page may have."""
        kind, names = self.page_type, key(self.plan.dataset)
        dimensions, metrics = dimensions_asked(self.plan.dataset), self.plan.batches[0]
        for start in range(0, rows.num_rows, _ROWS_AT_ONCE):
            records = [
                {
                    "dimensions": {name: row[name] for name in dimensions},
                    "metrics": {name: row[name] for name in metrics},
                }
                for row in rows.slice(start, _ROWS_AT_ONCE).to_pylist()
            ]
            typed = page_table(as_records(records, kind.row), kind.columns, kind.schema, request)
            refuse_null_keys(request, names, key_texts(typed.table, names))
            refuse_invalid_ids(request, kind.columns, names, typed.table)
            yield typed

    def _store(self, chunk: str, request: Request, first: Part, tables: Sequence[pa.Table]) -> str:
        """Stores the rows that are not on the first page, if all agree with TikTok's; else why they do not."""
        names, page = key(self.plan.dataset), self.parts.table(chunk, request.name, 1)
        page_keys = key_texts(page, names)
        are_first = [pc.is_in(key_texts(table, names), value_set=page_keys) for table in tables]
        same = pa.concat_tables(table.filter(mask) for table, mask in zip(tables, are_first, strict=True))
        if not _equal(same, page, names):
            return phrase("the report task has other rows than TikTok's first page. Read in pages.")
        rest = [table.filter(pc.invert(mask)) for table, mask in zip(tables, are_first, strict=True)]
        parts = [self._part(number, table, request, first) for number, table in enumerate(rest, 2)]
        keys = [page_keys, *(key_texts(table, names) for table in rest)]
        outcome = verified(request, names, [first, *parts], keys)
        if not outcome.complete or outcome.differing():
            return phrase("the report task does not have TikTok's totals. Read in pages.")
        for part, table in zip(parts, rest, strict=True):
            self.parts.write(chunk, request.name, part, table)
            self.arrived(request, part)
        return ""

    def _part(self, number: int, table: pa.Table, request: Request, first: Part) -> Part:
        return Part(
            number=number,
            rows=table.num_rows,
            total_rows=first.total_rows,
            total_pages=first.total_pages,
            sums={name: str(value) for name, value in sums(table, self.page_type.columns).items()},
            totals={},
            rows_of=row_counts(table, request),
            of_task=True,
        )


def _odd_columns(page: Typed) -> list[str]:
    """The columns with values that do not match their types, which a page would report."""
    return [*(unread.column for unread in page.unread), *(fractions.column for fractions in page.fractions)]


def _equal(table: pa.Table, page: pa.Table, names: Sequence[str]) -> bool:
    """Whether two tables have the same rows, in whatever order."""
    if table.schema != page.schema or table.num_rows != page.num_rows:
        return False
    order = [(name, "ascending") for name in names]
    return bool(table.sort_by(order).equals(page.sort_by(order)))


def _order(note: Any) -> ReportTask | None:
    """A task from the run's notes; None if there is none that can be read."""
    if not isinstance(note, dict) or set(note) != {"advertiser", "task_id", "creations"}:
        return None
    advertiser, task_id, creations = note["advertiser"], note["task_id"], note["creations"]
    if not isinstance(advertiser, str) or not isinstance(task_id, str) or not isinstance(creations, int):
        return None
    return ReportTask(advertiser, task_id, creations)


def _words(group: Sequence[Request]) -> str:
    first, last = group[0], group[-1]
    assert first.span is not None
    assert last.span is not None
    advertiser = first.advertisers[0]
    return phrase(
        "ad account %(name)s (%(id)s), %(start)s to %(end)s",
        name=advertiser.name,
        id=advertiser.id,
        start=first.span.start,
        end=last.span.end,
    )


async def cancel_task(client: Client, advertiser: str, task_id: str) -> None:
    """Cancels a task at TikTok, where it would end by itself: whatever TikTok answers, nothing depends on it."""
    try:
        await client.call("POST", "/report/task/cancel/", body={"advertiser_id": advertiser, "task_id": task_id})
    except AdreelError:
        return


async def cancel_tasks(client: Client, parts: Parts) -> None:
    """Cancels the tasks of a run that a person has cancelled."""
    orders = [_order(note) for note in parts.notes_of(_PREFIX)]
    await together(cancel_task(client, order.advertiser, order.task_id) for order in orders if order and order.task_id)
