"""Reads a plan's chunks from TikTok and writes typed parts; each request is verified (`verify.py`).

A part is one page. Pages that are stored already are not requested again, so an interrupted chunk resumes where it
stopped. A request that fails its verification, as a report may change while it is read, is read again from page 1.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec
import pyarrow as pa

from adreel import catalog
from adreel.advertisers import SKIP_ADVICE
from adreel.arrow import pc
from adreel.catalog import ad_account_assets, business_centers, smart_plus
from adreel.datasets.freshness import last_complete_day, report_delay
from adreel.datasets.schema import Column, columns, key
from adreel.dates import Span
from adreel.errors import (
    AdreelError,
    AdvertiserError,
    ProofError,
    RequestError,
    RetryError,
    SplitError,
    ThrottledError,
    lacks_scope,
)
from adreel.lake.columns import conform
from adreel.language import phrase
from adreel.pipeline.ad_account_assets import READERS as ASSET_READERS
from adreel.pipeline.ad_account_assets import asset_rows
from adreel.pipeline.business_centers import (
    COST_COLUMNS,
    READERS,
    BusinessCenter,
    center_error,
    center_requests,
    center_rows,
    cost_fault,
    costs_of,
    day_before,
    read_business_centers,
    span_costs,
)
from adreel.pipeline.gmv_max import ShopLinks, ShopSteps, shop_error, shop_page
from adreel.pipeline.normalize import Row, as_records, key_texts, page_table, sums, widened, with_other_fields
from adreel.pipeline.overlaps import OVERLAP_COLUMNS, overlap_of
from adreel.pipeline.parts import PageType, Parts
from adreel.pipeline.plan import MOST_IDS, PAGE_SIZE, Chunk, Plan, Request, for_one, in_filter, narrowed
from adreel.pipeline.report_tasks import TaskReads
from adreel.pipeline.smart_plus import compared
from adreel.pipeline.verify import (
    ROUNDS,
    Part,
    ReadOutcome,
    additive_metrics,
    fraction_words,
    ids_in,
    incomplete,
    refuse_invalid_ids,
    refuse_missing_rows,
    refuse_null_keys,
    refuse_other_days,
    request_words,
    row_counts,
    totals_of,
    uneven,
    verified,
)
from adreel.tiktok.client import Client, together
from adreel.tiktok.response import ListPage

PREVIEW_REQUESTS = 5

PARENTS = {
    "ad": (("campaign", "campaign_ids"), ("adgroup", "adgroup_ids"), ("ad", "ad_ids")),
    "adgroup": (("campaign", "campaign_ids"), ("adgroup", "adgroup_ids")),
    "campaign": (("campaign", "campaign_ids"),),
}
"""By data level, the levels whose ids split a report that TikTok cuts at 20,000 ids, each with its filter."""

PAGES_AT_ONCE = 200
"""Pages of a request that are read at a time; an empty last one ends the request, as TikTok's count may be wrong."""

PAGES_HELD = 1_200
"""Pages after the first of all requests under way, whose primary keys are in memory until their request is verified.

Twice what a request can have: 20,000 ids on 30 days. With one such request at a time, TikTok would wait at its end.
"""

CAMPAIGNS_AT_ONCE = 30
"""Most campaign ids that TikTok advises in one filter ("Run a synchronous report", filtering)."""


@dataclass(frozen=True, slots=True)
class _PageRead:
    """A page that was just read and stored, with the primary keys of its rows as texts."""

    part: Part
    keys: pa.Array


class PageBudget:
    """Keeps the pages that several requests hold at a time within a number; whoever asks first comes first."""

    def __init__(self, pages: int) -> None:
        self._pages = self._free = pages
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def hold(self, pages: int) -> AsyncIterator[None]:
        """Waits until so many pages fit in; more than there are count as all of them. None have no need to wait."""
        share = max(0, min(pages, self._pages))
        if share:
            async with self._turn:
                while self._free < share:
                    self._freed.clear()
                    await self._freed.wait()
                self._free -= share
        try:
            yield
        finally:
            self._free += share
            self._freed.set()


class Extraction:
    """Reads the requests of one run's plan.

    `arrived` is called with each page that is read, and its request. `failed` has the advertisers that were skipped
    before the run was resumed, with the reasons; they are not read. `pages_held` bounds the memory: see `PAGES_HELD`.
    `log` takes sentences for the log of the run.
    """

    def __init__(
        self,
        plan: Plan,
        client: Client,
        parts: Parts,
        arrived: Callable[[Request, Part], None],
        failed: Mapping[str, str],
        pages_held: int = PAGES_HELD,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._plan = plan
        self._client = client
        self._parts = parts
        self._arrived = arrived
        self._columns = columns(plan.dataset)
        self._key = key(plan.dataset)
        batches = (batch_columns(plan, number) for number in range(len(plan.batches)))
        self._page_types = tuple(PageType.of(page_columns) for page_columns in batches)
        self._failed = dict(failed)
        self._readable: set[str] = set()
        self._budget = PageBudget(pages_held)
        self._centers: tuple[BusinessCenter, ...] | None = None
        self._listing = asyncio.Lock()
        self._tasks = TaskReads(plan, client, parts, self._page_types[0], arrived, log) if plan.tasks else None

    async def chunk(self, chunk: Chunk) -> ReadOutcome:
        """Reads all requests of the chunk, stores their pages and verifies them.

        Raises the errors of the client, and ProofError for a request that fails its verification; with `skip_failing`
        the outcome names the advertiser as failed instead.
        """
        if self._plan.dataset.report == business_centers.COSTS:
            return await self._costs(chunk)
        if len(self._plan.batches) == 1:
            if self._tasks is not None:
                await self._read_by_tasks(chunk, self._tasks)
            outcomes = await together(self._request(chunk.name, request) for request in chunk.requests)
            outcome = sum(outcomes, ReadOutcome())
            return await self._parts.work(self._once, chunk, outcome) if outcome.campaigns else outcome
        same_rows = defaultdict[Any, list[Request]](list)
        for request in chunk.requests:
            same_rows[request.buying, request.span].append(request)
        return sum(
            await together(self._batches(chunk.name, requests) for requests in same_rows.values()), ReadOutcome()
        )

    def _once(self, chunk: Chunk, outcome: ReadOutcome) -> ReadOutcome:
        """The outcome without the basic rows of campaigns that GMV Max reports have on the same days."""
        if not self._plan.has_basic_rows:
            return outcome
        overlap = overlap_of(self._parts.read(chunk.name, OVERLAP_COLUMNS), outcome.campaigns)
        advertiser, delay = chunk.requests[0].advertisers[0], report_delay(self._plan.dataset)
        complete = last_complete_day(advertiser.offset, delay, self._plan.now)
        faults = tuple(overlap.faults(complete))
        return replace(
            outcome,
            rows=outcome.rows - overlap.rows,
            rows_expected=outcome.rows_expected - overlap.rows,
            rows_of=outcome.rows_of | {advertiser.id: outcome.rows_of.get(advertiser.id, 0) - overlap.rows},
            overlaps=overlap.costs,
            faults=(*outcome.faults, *faults),
        )

    async def _read_by_tasks(self, chunk: Chunk, tasks: TaskReads) -> None:
        """Stores what report tasks have of the chunk, after the first pages; what they lack is read in pages."""
        requests = [
            request
            for request in chunk.requests
            if tasks.may_read(request) and self._parts.note(chunk.name, request.name) is None
        ]
        try:
            firsts = await together(self._first_page(chunk.name, request) for request in requests)
        except (AdvertiserError, RequestError, RetryError, ProofError, SplitError):
            # The request is read again as without tasks, where the error is dealt with.
            return
        pages = {request.name: part for request, part in zip(requests, firsts, strict=True) if part is not None}
        await tasks.read(chunk.name, requests, pages)

    async def _first_page(self, chunk: str, request: Request) -> Part | None:
        """The first page of a request; None if TikTok cut the report, or others are stored already."""
        if request.advertisers[0].id in self._failed:
            return None
        stored = await self._parts.work(self._parts.of, chunk, request.name)
        if stored:
            return stored.get(1) if len(stored) == 1 else None
        read = await self._page(chunk, request, 1)
        return None if read is None else read.part

    async def _batches(self, chunk: str, requests: Sequence[Request]) -> ReadOutcome:
        """Reads the batches of metrics of the same rows, again while their numbers of rows differ."""
        for attempt in range(ROUNDS):
            if attempt:
                for request in requests:
                    self._parts.forget(chunk, request.name)
            outcomes = await together(self._request(chunk, request) for request in requests)
            counts = [outcome.rows for outcome in outcomes]
            if len(set(counts)) == 1 or any(outcome.failed for outcome in outcomes):
                break
        else:
            outcomes[0] = replace(outcomes[0], faults=(*outcomes[0].faults, uneven(requests[0], counts)))
        # Only the rows of the first batch are counted, as those of the others are joined to them.
        joined = [
            replace(outcome, rows=0, rows_expected=0, rows_of=dict.fromkeys(outcome.rows_of, 0))
            for outcome in outcomes[1:]
        ]
        return sum(joined, outcomes[0])

    async def _request(self, chunk: str, request: Request) -> ReadOutcome:
        first = request.advertisers[0].id
        if len(request.advertisers) == 1 and first in self._failed:
            return ReadOutcome(failed={first: self._failed[first]})
        try:
            if self._plan.dataset.is_of_centers:
                return await self._center_lists(chunk, request)
            if request.shop is not None:
                return await self._shop(chunk, request)
            outcome = await self._read(chunk, request, 0)
            if self._plan.dataset.report != smart_plus.MATERIALS:
                return outcome
            return await compared(self._plan, self._client, request, outcome)
        except (AdvertiserError, RequestError, RetryError, ProofError) as error:
            if self._plan.dataset.is_of_centers:
                raise
            alone = len(request.advertisers) == 1 or isinstance(error, ThrottledError)
            if alone or (error.passes and not self._plan.dataset.skip_failing):
                return self._skipped(request, error)
            return await self._one_by_one(chunk, request)

    async def _center_lists(self, chunk: str, request: Request) -> ReadOutcome:
        """Reads the list of each Business Center. Raises AdvertiserError if TikTok refuses that of one."""
        dataset = self._plan.dataset
        if dataset.report == business_centers.CENTERS:
            return await self._read(chunk, request, 0)
        outcomes: list[ReadOutcome] = []
        for center in await self._business_centers():
            try:
                for of_center in center_requests(request, center, dataset):
                    outcomes.append(await self._read(chunk, of_center, 0))
            except AdvertiserError as error:
                raise center_error(center, error, dataset.report) from error
        return sum(outcomes, ReadOutcome())

    async def _business_centers(self) -> tuple[BusinessCenter, ...]:
        """The Business Centers to read, which are the same for all days of the run."""
        async with self._listing:
            if self._centers is None:
                self._centers = await read_business_centers(self._client, self._plan.dataset.business_centers)
        return self._centers

    async def _costs(self, chunk: Chunk) -> ReadOutcome:
        """Reads the costs of a chunk's days, and again while they do not sum up to those of all its days.

        A day alone would be compared with the same request, so the day before is added on both sides.
        """
        spans = [request.span for request in chunk.requests if request.span is not None]
        before = day_before(spans[0]) if len(spans) == 1 else None
        days = Span((before or spans[0]).start, spans[-1].end)
        fault = ""
        for attempt in range(ROUNDS):
            if attempt:
                for request in chunk.requests:
                    self._parts.forget(chunk.name, request.name)
            outcome = sum(
                await together(self._request(chunk.name, request) for request in chunk.requests), ReadOutcome()
            )
            table = await self._parts.work(self._parts.read, chunk.name, COST_COLUMNS)
            by_day, of_span = [costs_of(table.to_pylist())], []
            for center in await self._business_centers():
                of_span.append(await span_costs(self._client, center, days))
                if before is not None:
                    by_day.append(await span_costs(self._client, center, before))
            fault = cost_fault(by_day, of_span, days)
            if not fault:
                return outcome
        return replace(outcome, faults=(*outcome.faults, fault))

    async def _shop(self, chunk: str, request: Request) -> ReadOutcome:
        """Reads the rows of a shop after the steps that they need, and all again while their costs do not agree."""
        steps = ShopSteps(self._plan, self._client, lambda part: self._read(chunk, part, 0))
        for attempt in range(ROUNDS):
            last = attempt == ROUNDS - 1
            try:
                note = None if attempt else self._parts.note(chunk, f"{request.name}-steps")
                links = await steps.links(request) if note is None else ShopLinks.of_note(note)
                if note is None:
                    self._parts.forget(chunk, request.name)
                    self._parts.write_note(chunk, f"{request.name}-steps", links.as_note())
                outcome = await steps.rows(request, links)
            except AdvertiserError as error:
                raise shop_error(request, error) from error
            except ProofError:
                if last:
                    raise
                continue
            fault = steps.differing(request, links, outcome)
            if not fault:
                return replace(
                    outcome,
                    unassigned=steps.unassigned(request, links, outcome),
                    unsettled=steps.unsettled(request, links, outcome),
                    unassigned_periods=steps.unassigned_periods(request, links, outcome),
                )
        return replace(outcome, faults=(*outcome.faults, fault))

    async def _one_by_one(self, chunk: str, request: Request) -> ReadOutcome:
        """Reads each advertiser of the request by itself, as one of them makes the whole request fail."""
        self._parts.drop(chunk, request.name)
        self._parts.write_note(chunk, request.name, {"one_by_one": True})
        singles = (for_one(request, advertiser) for advertiser in request.advertisers)
        return sum(await together(self._request(chunk, single) for single in singles), ReadOutcome())

    def _skipped(self, request: Request, error: AdreelError) -> ReadOutcome:
        """The outcome that skips the request's advertisers, if the dataset allows that; else raises the error."""
        # Without an answer of TikTok the network is down, which concerns all advertisers.
        unanswered = error.passes and error.code is None
        if self._plan.dataset.skip_failing and not isinstance(error, ThrottledError) and not unanswered:
            failed = {advertiser.id: str(error) for advertiser in request.advertisers}
            self._failed |= failed
            return ReadOutcome(failed=failed)
        if isinstance(error, AdvertiserError):
            name = ", ".join(f"{advertiser.name} ({advertiser.id})" for advertiser in request.advertisers)
            failure = phrase("Ad account %(name)s could not be read: %(reason)s", name=name, reason=error.message)
            raise AdvertiserError(
                f"{failure} {SKIP_ADVICE}" if self._others_are_readable(request, error) else failure,
                code=error.code,
                request_id=error.request_id,
            ) from error
        raise error

    def _others_are_readable(self, request: Request, error: AdvertiserError) -> bool:
        """Whether the run could read other advertisers: a permission that the app lacks is missing for all."""
        own = {advertiser.id for advertiser in request.advertisers}
        if lacks_scope(error.code, error.message):
            return bool(self._readable - own)
        return any(advertiser.id not in own for read in self._plan.reads for advertiser in read.advertisers)

    async def _read(self, chunk: str, request: Request, depth: int) -> ReadOutcome:
        """Reads one request, split if TikTok cuts it, and again while its verification fails."""
        split = self._parts.note(chunk, request.name)
        if split is not None:
            return await self._split(chunk, request, depth, split)
        outcome = ReadOutcome()
        for attempt in range(ROUNDS):
            if attempt:
                self._parts.drop(chunk, request.name)
            try:
                pages = await self._pages(chunk, request)
            except SplitError:
                pages = None
            except ProofError:
                # A page with rows that are not of the request, or without an id.
                if attempt == ROUNDS - 1:
                    raise
                continue
            if pages is None:
                self._parts.drop(chunk, request.name)
                return await self._split(chunk, request, depth, None)
            outcome = pages
            if outcome.complete and not outcome.differing():
                return outcome
        if outcome.complete:
            return outcome.with_faults(request)
        raise incomplete(request, outcome)

    async def _pages(self, chunk: str, request: Request) -> ReadOutcome | None:
        """The verified outcome of all pages of a request; None if TikTok cut it at 20,000 ids."""
        stored = await self._parts.work(self._parts.of, chunk, request.name)
        read_now: list[_PageRead] = []
        if 1 not in stored:
            read = await self._page(chunk, request, 1)
            if read is None:
                return None
            read_now.append(read)
        first = stored.get(1) or read_now[0].part
        if any(part.of_task for part in stored.values()):
            return await self._parts.work(self._verified, chunk, request, stored, read_now)
        async with self._budget.hold(first.total_pages - 1):
            missing = (number for number in range(2, first.total_pages + 1) if number not in stored)
            while numbers := list(islice(missing, PAGES_AT_ONCE)):
                later = await together(self._page(chunk, request, number) for number in numbers)
                if any(read is None for read in later):
                    return None
                read_now += [read for read in later if read]
                if not (read_now[-1].part.rows or read_now[-1].part.left_out):
                    # There are no more pages, even if TikTok counts more rows; the verification compares both.
                    break
            return await self._parts.work(self._verified, chunk, request, stored, read_now)

    def _verified(
        self, chunk: str, request: Request, stored: Mapping[int, Part], read_now: Sequence[_PageRead]
    ) -> ReadOutcome:
        keys = [read.keys for read in read_now]
        keys += [self._parts.keys(chunk, request.name, number, self._key) for number in stored]
        return verified(request, self._key, [*stored.values(), *(read.part for read in read_now)], keys)

    async def _page(self, chunk: str, request: Request, number: int) -> _PageRead | None:
        """Reads one page and stores it as a part; None if TikTok cut the report."""
        page = await self._requested(request, number)
        self._readable |= {advertiser.id for advertiser in request.advertisers}
        if page.cut:
            return None
        read = await self._parts.work(self._stored, chunk, request, number, page)
        self._arrived(request, read.part)
        return read

    def _stored(self, chunk: str, request: Request, number: int, page: ListPage) -> _PageRead:
        page_type = self._page_types[request.batch]
        typed = page_table(page.rows, page_type.columns, page_type.schema, request)
        table = typed.table
        part = Part(
            number=number,
            rows=table.num_rows,
            total_rows=page.total_number,
            total_pages=page.total_page,
            sums={name: str(value) for name, value in sums(table, page_type.columns).items()},
            totals=totals_of(page, additive_metrics(page_type.columns)),
            rows_of=row_counts(table, request),
            unread={unread.column: (unread.count, unread.example) for unread in typed.unread},
            fractions={
                fractions.column: (len(fractions.texts), fraction_words(table, self._key, fractions))
                for fractions in typed.fractions
            },
            left_out=page.left_out,
            without_details=page.without_details,
            campaigns=_campaigns(table) if request.shop is not None else [],
        )
        keys = key_texts(table, self._key)
        refuse_null_keys(request, self._key, keys)
        refuse_invalid_ids(request, page_type.columns, self._key, table)
        refuse_other_days(request, table)
        self._parts.write(chunk, request.name, part, table)
        return _PageRead(part, keys)

    async def _requested(self, request: Request, number: int) -> ListPage:
        page_type = self._page_types[request.batch]
        if request.path == "/advertiser/info/":
            return await self._advertisers(request, page_type)
        params = dict(request.params)
        if number > 1:
            # The totals of page 1 are those of every page.
            params.pop("enable_total_metrics", None)
        if self._plan.dataset.report == "custom_audience_details":
            page = await self._client.page(request.path, params, number, request.page_size)
            details, left_out, missing = await self._details(request, page.rows)
            rows = self._entity_records(details, page_type)
            return replace(page, rows=rows, left_out=left_out, without_details=missing)
        if self._plan.dataset.is_of_centers:
            reader = READERS[self._plan.dataset.report]
            page = await self._client.page(request.path, params, number, request.page_size, reader)
            return _of_centers(page, request, self._plan, page_type)
        if self._plan.dataset.report in ad_account_assets.LISTS:
            report = self._plan.dataset.report
            page = await self._client.page(request.path, params, number, request.page_size, ASSET_READERS[report])
            return replace(page, rows=self._entity_records(asset_rows(page.rows, report), page_type))
        if self._plan.dataset.other_fields:
            page = await self._client.page(request.path, params, number, request.page_size)
            return replace(page, rows=self._entity_records(page.rows, page_type))
        if request.shop is not None:
            page = shop_page(
                await self._client.page(request.path, params, number, request.page_size), request, self._plan
            )
            return replace(page, rows=as_records(page.rows, page_type.row))
        return await self._client.page(request.path, params, number, request.page_size, page_type.reader)

    def _entity_records(self, rows: Iterable[Mapping[str, Any]], page_type: PageType) -> list[Row]:
        """Rows of a list as records, with the fields that the catalogue lacks if the dataset keeps them."""
        dataset = self._plan.dataset
        return as_records(with_other_fields(rows, dataset.report) if dataset.other_fields else rows, page_type.row)

    async def _advertisers(self, request: Request, page_type: PageType) -> ListPage:
        """The details of the request's advertisers; AdvertiserError for those that the token may not read."""
        ids = [advertiser.id for advertiser in request.advertisers]
        rows = await self._client.advertiser_info(ids, list(request.params["fields"]))
        missing = set(ids) - {str(row.get("advertiser_id")) for row in rows}
        if missing:
            raise AdvertiserError(
                phrase("TikTok sent no details of ad account %(ad_account)s.", ad_account=", ".join(sorted(missing)))
            )
        return ListPage(as_records(rows, page_type.row), len(rows), 1, None, False, "")

    async def _details(
        self, request: Request, listed: Sequence[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], int, int]:
        """The details of the listed audiences that the dataset selects, the number of the others, and of the missing.

        An audience without details has its row of the list.
        """
        selected = set(self._plan.dataset.audiences)
        ids_in(listed, "audience_id")
        ids = [str(row["audience_id"]) for row in listed]
        by_id = {
            audience_id: row
            for audience_id, row in zip(ids, listed, strict=True)
            if not selected or audience_id in selected
        }
        left_out = sum(audience_id not in by_id for audience_id in ids)
        if not by_id:
            return [], left_out, 0
        missing = set(by_id)
        params = {"advertiser_id": request.advertisers[0].id, "custom_audience_ids": list(by_id)}
        for row in await self._client.listed("/dmp/custom_audience/get/", params):
            details = row.get("audience_details")
            if isinstance(details, Mapping):
                row = {**details, **{name: value for name, value in row.items() if name != "audience_details"}}
            audience = dict(row)
            if str(audience.get("audience_id")) in by_id:
                by_id[str(audience["audience_id"])] = audience
                missing.discard(str(audience["audience_id"]))
        return list(by_id.values()), left_out, len(missing)

    async def _split(self, chunk: str, request: Request, depth: int, split: dict[str, Any] | None) -> ReadOutcome:
        """Reads the request in parts that TikTok does not cut; `split` is the stored note with their ids, if any."""
        if len(request.advertisers) > 1:
            return await self._one_by_one(chunk, request)
        is_report = self._plan.dataset.report == "performance"
        steps = PARENTS.get(self._plan.dataset.level or "", ()) if is_report else ()
        if self._plan.dataset.id_dimension == "ad_id_v2":
            # There is no list of the ids of Upgraded Smart+ ads.
            steps = steps[:2]
        if depth >= len(steps):
            raise ProofError(
                phrase(
                    "TikTok limits %(request)s to its newest 20,000 ids, even in the smallest request. The "
                    "table is unchanged. Choose a higher data level or fewer days.",
                    request=request_words(request),
                )
            )
        level, filter_name = steps[depth]
        if split is None:
            split = await self._ids(request, level)
            self._parts.write_note(chunk, request.name, split)
        size = CAMPAIGNS_AT_ONCE if level == "campaign" else MOST_IDS
        outcome = await self._narrowed(chunk, request, depth, filter_name, split["ids"], size)
        higher = {
            name: (Decimal(value), outcome.totals[name][1])
            for name, value in split["totals"].items()
            if name in outcome.totals
        }
        return replace(outcome, totals=outcome.totals | higher).with_faults(request)

    async def _narrowed(
        self, chunk: str, request: Request, depth: int, filter_name: str, ids: list[str], size: int
    ) -> ReadOutcome:
        """Reads the request for groups of ids; a group that is cut is halved, a single id is split one level down."""
        groups = [ids[first : first + size] for first in range(0, len(ids), size)]

        async def read(group: list[str]) -> ReadOutcome:
            own = narrowed(request, f"{filter_name[:2]}{group[0]}x{len(group)}", filter_name, group)
            if len(group) == 1:
                return await self._read(chunk, own, depth + 1)
            if self._parts.note(chunk, own.name) is None:
                try:
                    outcome = await self._pages(chunk, own)
                except SplitError:
                    outcome = None
                if outcome is not None:
                    agrees = outcome.complete and not outcome.differing()
                    return outcome if agrees else await self._read(chunk, own, depth + 1)
                self._parts.drop(chunk, own.name)
                self._parts.write_note(chunk, own.name, {"halved": True})
            return await self._narrowed(chunk, request, depth, filter_name, group, -(-len(group) // 2))

        return sum(await together(read(group) for group in groups), ReadOutcome())

    async def _ids(self, request: Request, level: str) -> dict[str, Any]:
        """The `ids` of `level` that have rows in the request's days, and the `totals` that their parts must sum up to.

        If TikTok would cut these ids too, they are those of all campaigns, ad groups or ads, without totals.
        """
        if level != self._plan.dataset.level:
            names = self._compared_metrics(level)
            params = self._of_level(request, level, names)
            first = await self._client.page(request.path, params, 1, PAGE_SIZE)
            if not first.cut:
                rows = await self._all_rows(request.path, params, first, PAGE_SIZE)
                ids = ids_in([row.get("dimensions") for row in rows], f"{level}_id")
                return {"ids": ids, "totals": totals_of(first, names)}
        return {"ids": await self._listed(request, level), "totals": {}}

    def _compared_metrics(self, level: str) -> list[str]:
        """The metrics whose totals at a higher level must be the sums of the rows below it.

        There are none without deleted ads, which the totals of a campaign still include.
        """
        metrics = catalog.metrics()
        additive = set(additive_metrics(self._columns))
        names = [name for name in self._plan.dataset.metrics if name in additive and level in metrics[name].levels]
        return names[:MOST_IDS] if self._plan.dataset.include_deleted else []

    def _of_level(self, request: Request, level: str, metrics: Sequence[str]) -> dict[str, Any]:
        """The request's parameters for the ids of another level alone, without breakdowns."""
        params = {name: value for name, value in request.params.items() if name not in ("filtering", "dimensions")}
        filtering = [
            param for param in request.params.get("filtering", ()) if not param["field_name"].endswith("_status")
        ]
        if self._plan.dataset.include_deleted:
            filtering.append(in_filter(f"{level}_status", ("STATUS_ALL",)))
        params |= {
            # Audience reports require an audience dimension; a basic report has the same ids without it.
            "report_type": "BASIC",
            "data_level": f"AUCTION_{level.upper()}",
            "dimensions": [f"{level}_id"],
            "metrics": list(metrics) or ["spend"],
        }
        return params | ({"filtering": filtering} if filtering else {})

    async def _listed(self, request: Request, level: str) -> list[str]:
        """The ids of the report's own level, which a report would cut, from the endpoint that lists them."""
        filtering: dict[str, Any] = {"primary_status": "STATUS_ALL"}
        for param in request.params.get("filtering", ()):
            if param["field_name"] in ("campaign_ids", "adgroup_ids"):
                filtering[param["field_name"]] = msgspec.json.decode(param["filter_value"])
        params: dict[str, Any] = {
            "advertiser_id": request.advertisers[0].id,
            "fields": [f"{level}_id"],
            "filtering": filtering,
        }
        topview: dict[str, Any] = {**params, "filtering": {**filtering, "buying_types": ["RESERVATION_TOP_VIEW"]}}
        path, page_size = f"/{level}/get/", 100 if level == "adgroup" else PAGE_SIZE
        ids: set[str] = set()
        for list_params in (params, topview):
            first = await self._client.page(path, list_params, 1, page_size)
            ids |= set(ids_in(await self._all_rows(path, list_params, first, page_size), f"{level}_id"))
        return sorted(ids)

    async def _all_rows(
        self, path: str, params: dict[str, Any], first: ListPage, page_size: int
    ) -> list[dict[str, Any]]:
        """The rows of all pages, of which `first` is page 1; ProofError if they are not as many as TikTok counts."""
        rows: list[dict[str, Any]] = list(first.rows)
        numbers = iter(range(2, first.total_page + 1))
        while batch := list(islice(numbers, PAGES_AT_ONCE)):
            pages = await together(self._client.page(path, params, number, page_size) for number in batch)
            rows += [row for page in pages for row in page.rows]
            if not pages[-1].rows:
                break
        refuse_missing_rows(path, params, first.total_number, len(rows))
        return rows


def _campaigns(table: pa.Table) -> list[str]:
    """The campaigns of a page that has them."""
    return pc.unique(table["campaign_id"]).to_pylist() if "campaign_id" in table.column_names else []


def batch_columns(plan: Plan, batch: int) -> tuple[Column, ...]:
    """The columns of a batch of metrics: the primary key and its metrics; of the first also all that are no metrics."""
    all_columns = columns(plan.dataset)
    if len(plan.batches) == 1:
        return all_columns
    own, names = set(plan.batches[batch]), set(key(plan.dataset))
    return tuple(
        column
        for column in all_columns
        if column.name in names or (column.name in own if column.part == "metrics" else batch == 0)
    )


async def preview_rows(plan: Plan, client: Client, most_rows: int) -> pa.Table:
    """The first typed rows of the plan, at most `most_rows`, from at most `PREVIEW_REQUESTS` requests."""
    page_type = PageType.of(columns(plan.dataset))
    tables = [page_type.schema.empty_table()]
    wide: set[str] = set()
    request_count = 0
    for request in plan.requests():
        if request_count == PREVIEW_REQUESTS or sum(table.num_rows for table in tables) >= most_rows:
            break
        if request.batch or request.path == "/advertiser/info/":
            continue
        request_count += 1
        # Of a report of two kinds of rows, the first request has one of them.
        rows_each = -(-most_rows // 2) if plan.has_basic_rows else most_rows
        for rows in await _preview_pages(plan, client, request, rows_each, page_type):
            typed = page_table(rows, page_type.columns, page_type.schema, request)
            wide |= {fractions.column for fractions in typed.fractions}
            tables.append(typed.table)
    schema = widened(page_type.schema, wide)
    batches = [conform(batch, schema) for table in tables for batch in table.to_batches()]
    return pa.Table.from_batches(batches, schema).slice(0, most_rows)


async def _preview_pages(
    plan: Plan, client: Client, request: Request, most_rows: int, page_type: PageType
) -> list[Sequence[Any]]:
    """The first rows of a request; of a shop those of its first parts, after the steps that they need."""
    if plan.dataset.is_of_centers:
        return await _preview_centers(plan, client, request, page_type)
    if plan.dataset.report in ad_account_assets.LISTS:
        report, size = plan.dataset.report, min(most_rows, request.page_size)
        page = await client.page(request.path, request.params, 1, size, ASSET_READERS[report])
        rows = asset_rows(page.rows, report)
        return [as_records(with_other_fields(rows, report) if plan.dataset.other_fields else rows, page_type.row)]
    if plan.dataset.other_fields:
        page = await client.page(request.path, request.params, 1, most_rows)
        return [as_records(with_other_fields(page.rows, plan.dataset.report), page_type.row)]
    if request.shop is None:
        page = await client.page(request.path, request.params, 1, min(most_rows, request.page_size), page_type.reader)
        return [page.rows]
    steps = ShopSteps(plan, client, _unread)
    parts = steps.parts(request, await steps.links(request))
    pages = [
        shop_page(await client.page(part.path, part.params, 1, most_rows), part, plan)
        for part in islice(parts, PREVIEW_REQUESTS)
    ]
    return [as_records(page.rows, page_type.row) for page in pages]


async def _preview_centers(plan: Plan, client: Client, request: Request, page_type: PageType) -> list[Sequence[Any]]:
    """The first page of the first Business Centers."""
    dataset = plan.dataset
    reader = READERS[dataset.report]
    if dataset.report == business_centers.CENTERS:
        page = await client.page(request.path, request.params, 1, request.page_size, reader)
        return [_of_centers(page, request, plan, page_type).rows]
    previewed: list[Sequence[Any]] = []
    for center in (await read_business_centers(client, dataset.business_centers))[:PREVIEW_REQUESTS]:
        try:
            for of_center in center_requests(request, center, dataset):
                page = await client.page(of_center.path, of_center.params, 1, of_center.page_size, reader)
                previewed.append(_of_centers(page, of_center, plan, page_type).rows)
        except AdvertiserError as error:
            raise center_error(center, error, dataset.report) from error
    return previewed


def _of_centers(page: ListPage, request: Request, plan: Plan, page_type: PageType) -> ListPage:
    """A page of a list of Business Centers as records."""
    rows = center_rows(page.rows, request, plan.dataset, plan.now)
    return replace(page, rows=as_records(rows, page_type.row))


async def _unread(_request: Request) -> ReadOutcome:
    """A preview reads first pages only, which are not verified."""
    return ReadOutcome()
