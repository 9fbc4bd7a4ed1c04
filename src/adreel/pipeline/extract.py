"""Runs a plan's chunks against TikTok and writes typed parts, each request proved before it counts.

A part is one page. Pages that are there already are not asked for again, so a chunk that was interrupted goes on
where it was. A report that changes while it is read is read anew: rows against `total_number`, no key twice, sums
against `total_metrics`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from adreel import catalog
from adreel.advertisers import GO_ON_WITHOUT
from adreel.datasets.schema import Column, arrow_schema, columns, key
from adreel.errors import (
    AdreelError,
    AdvertiserError,
    DamagedError,
    ProofError,
    RequestError,
    RetryError,
    SplitError,
    ThrottledError,
    lacks_scope,
)
from adreel.lake import Lake
from adreel.lake.columns import conform
from adreel.pipeline.normalize import (
    KEY_MARK,
    Fractions,
    as_records,
    key_texts,
    key_words,
    page_table,
    row_type,
    sums,
    widened,
)
from adreel.pipeline.plan import MOST_IDS, PAGE_SIZE, Chunk, Plan, Request, for_one, in_filter, narrowed
from adreel.tiktok.client import Client, together
from adreel.tiktok.response import Page, Reader, reader_of

ROUNDS = 4
"""How often a request whose report changes under it is read before the run says that it cannot be proved."""

PREVIEW_REQUESTS = 5

PARENTS = {
    "ad": (("campaign", "campaign_ids"), ("adgroup", "adgroup_ids"), ("ad", "ad_ids")),
    "adgroup": (("campaign", "campaign_ids"), ("adgroup", "adgroup_ids")),
    "campaign": (("campaign", "campaign_ids"),),
}
"""By level, what a report that TikTok cuts at 20,000 ids is split by, and the filter's name."""

MOST_DIGITS = 30
"""Digits of a total that is compared with the rows."""

MOST_FRACTIONS = 5
"""Values with a fraction that are shown for each column of counts."""

PAGES_AT_ONCE = 200
"""Pages of a request that are asked for before it is looked whether there are any: TikTok's count may be wrong."""

CAMPAIGNS_AT_ONCE = 30
"""Campaign ids that TikTok advises at most in one filter ("Run a synchronous report", filtering)."""

_Answer = TypeVar("_Answer")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request or several: rows by TikTok's count and as they came, keys seen twice, sums by both.

    `rows_of` counts the rows by advertiser. `failed` names advertisers that were left out and why, `faults` says in
    sentences what both sides do not agree on, `unread` by column how many values could not be read, and one of them,
    `fractions` by column of counts how many values have a fraction, and the first with their keys. Not `steady` if
    TikTok's count changed between pages. `repeated_key` is one of the keys that are there twice.
    """

    rows_expected: int = 0
    rows: int = 0
    repeated: int = 0
    pages: int = 0
    totals: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    rows_of: dict[str, int] = field(default_factory=dict)
    unread: dict[str, tuple[int, str]] = field(default_factory=dict)
    fractions: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    steady: bool = True
    repeated_key: str = ""

    def __add__(self, other: Outcome) -> Outcome:
        """Both together."""
        return Outcome(
            self.rows_expected + other.rows_expected,
            self.rows + other.rows,
            self.repeated + other.repeated,
            self.pages + other.pages,
            _added(self.totals, other.totals, lambda mine, yours: (mine[0] + yours[0], mine[1] + yours[1])),
            self.failed | other.failed,
            _added(self.rows_of, other.rows_of, lambda mine, yours: mine + yours),
            _added(self.unread, other.unread, lambda mine, yours: (mine[0] + yours[0], mine[1])),
            _added(self.fractions, other.fractions, _more_fractions),
            tuple(dict.fromkeys(self.faults + other.faults)),
            self.steady and other.steady,
            self.repeated_key or other.repeated_key,
        )

    def without(self, failed: Collection[str]) -> Outcome:
        """What is left when the rows of advertisers that failed elsewhere are left out here too."""
        gone = {one: rows for one, rows in self.rows_of.items() if one in failed}
        if not gone:
            return self
        # Totals are asked for one advertiser at a time, and an outcome with them is of that one.
        return replace(
            self,
            rows_expected=self.rows_expected - sum(gone.values()),
            rows=self.rows - sum(gone.values()),
            totals={} if len(gone) == len(self.rows_of) else self.totals,
            rows_of={one: rows for one, rows in self.rows_of.items() if one not in failed},
            faults=() if len(gone) == len(self.rows_of) else self.faults,
        )

    @property
    def complete(self) -> bool:
        """Whether TikTok's count of rows is what came, each once."""
        return self.steady and self.rows == self.rows_expected and not self.repeated

    def differing(self) -> dict[str, tuple[Decimal, Decimal]]:
        """The totals on which both sides differ by more than the rounding of single rows can explain."""
        # TikTok rounds each row to cents, so a sum may be off by half a cent a row; counts are exact.
        half_cents = Decimal("0.005") * self.rows
        return {
            name: (expected, got)
            for name, (expected, got) in self.totals.items()
            if abs(expected - got) > (0 if catalog.metrics()[name].type == "int" else half_cents)
        }


def _added(
    mine: dict[str, _Value], yours: dict[str, _Value], add: Callable[[_Value, _Value], _Value]
) -> dict[str, _Value]:
    """Both mappings together; what both have is added."""
    both = {name: add(mine[name], value) for name, value in yours.items() if name in mine}
    return mine | yours | both


def _more_fractions(mine: tuple[int, list[str]], yours: tuple[int, list[str]]) -> tuple[int, list[str]]:
    return mine[0] + yours[0], [*mine[1], *yours[1]][:MOST_FRACTIONS]


@dataclass(frozen=True, slots=True)
class Part:
    """One page as it was written: its rows in all and by advertiser, TikTok's count of rows and pages, sums of both."""

    number: int
    rows: int
    total_rows: int
    total_pages: int
    sums: dict[str, str]
    totals: dict[str, str]
    rows_of: dict[str, int]
    unread: dict[str, tuple[int, str]] = field(default_factory=dict)
    fractions: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    left_out: int = 0

    def facts(self) -> dict[str, Any]:
        """What is kept beside the rows; the values themselves, which `asdict` would copy one by one."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


class Parts:
    """Where a run's pages lie, under the lake's root so that another worker can go on."""

    def __init__(self, lake: Lake, run_id: str) -> None:
        """Opens nothing yet."""
        self._lake = lake
        self._run_id = run_id

    async def work(self, call: Callable[..., _Answer], *given: Any) -> _Answer:
        """Does what reads or writes parts without keeping the other requests waiting.

        On a disk that is at once: a page takes a few milliseconds, and threads would take the interpreter from each
        other. On an object store it is in a thread.
        """
        return call(*given) if self._lake.is_folder else await asyncio.to_thread(call, *given)

    def of(self, chunk: str, request: str) -> dict[int, Part]:
        """The pages of a request that are there, by number; one that a power cut left damaged is removed."""
        parts = []
        for name in self._lake.list_parts(self._run_id, f"{chunk}/{request}/"):
            try:
                parts.append(Part(**self._lake.part(self._run_id, name).facts))
            except DamagedError:
                self._lake.drop_parts(self._run_id, name)
        return {part.number: part for part in parts}

    def sizes(self, chunk: str) -> dict[str, int]:
        """The bytes of each part of a chunk that is there, by its name within the chunk; of all for an empty name."""
        return self._lake.part_sizes(self._run_id, f"{chunk}/" if chunk else "")

    def noted(self, name: str) -> tuple[str, ...]:
        """The chunks that have a note of that name."""
        notes = self._lake.list_notes(self._run_id)
        return tuple(note.removesuffix(f"/{name}") for note in notes if note.endswith(f"/{name}"))

    def write(self, chunk: str, request: str, part: Part, table: pa.Table) -> None:
        """Puts a page there; the same page again replaces it."""
        self._lake.write_part(self._run_id, f"{chunk}/{request}/{part.number:06}", table, part.facts())

    def keys(self, chunk: str, request: str, number: int, key: tuple[str, ...]) -> pa.Array:
        """The keys of a page that is there."""
        reader = self._lake.read_parts(self._run_id, f"{chunk}/{request}/{number:06}", columns=key)
        return key_texts(reader.read_all(), key)

    def drop(self, chunk: str, request: str) -> None:
        """Removes what there is of a request."""
        self._lake.drop_parts(self._run_id, f"{chunk}/{request}/")

    def forget(self, chunk: str, request: str) -> None:
        """Removes what there is of a request and of the requests that it was split into."""
        for end in "/-":
            self._lake.drop_parts(self._run_id, f"{chunk}/{request}{end}")

    def drop_all(self) -> None:
        """Removes all parts and notes of the run."""
        self._lake.drop_run(self._run_id)

    def note(self, chunk: str, name: str) -> Any:
        """What was noted under a name; None if there is nothing that can be read."""
        return self._lake.read_note(self._run_id, f"{chunk}/{name}" if chunk else name)

    def write_note(self, chunk: str, name: str, value: Any) -> None:
        """Notes a plain value."""
        self._lake.write_note(self._run_id, f"{chunk}/{name}" if chunk else name, value)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a page becomes: its columns, their schema, the type of its rows, and what reads these."""

    columns: tuple[Column, ...]
    schema: pa.Schema
    row: type[Any]
    reader: Reader

    @classmethod
    def of(cls, found: tuple[Column, ...]) -> _Shape:
        row = row_type(found)
        return cls(found, arrow_schema(found), row, reader_of(row))


@dataclass(frozen=True, slots=True)
class _Read:
    """A page that was just read, with its keys; `cut` if TikTok left out ids."""

    part: Part
    keys: pa.Array


class Extraction:
    """One run's reading: a plan, a client, and the place for its parts.

    `arrived` is called with the number of rows of each page as it comes. `failed` advertisers are not asked for: they
    were left out before the run was gone on with.
    """

    def __init__(
        self, plan: Plan, client: Client, parts: Parts, arrived: Callable[[int], None], failed: Mapping[str, str]
    ) -> None:
        self._plan = plan
        self._client = client
        self._parts = parts
        self._arrived = arrived
        self._columns = columns(plan.dataset)
        self._key = key(plan.dataset)
        batches = (batch_columns(plan, number) for number in range(len(plan.batches)))
        self._shapes = tuple(_Shape.of(own) for own in batches)
        self._failed = dict(failed)
        self._answered: set[str] = set()

    async def chunk(self, chunk: Chunk) -> Outcome:
        """Everything that the chunk asks for, in parts and proved.

        Raises what the client raises, and ProofError if a report did not hold still; with `skip_failing` an
        advertiser that cannot be read is named in the outcome instead.
        """
        if len(self._plan.batches) == 1:
            outcomes = await together(self._request(chunk.name, request) for request in chunk.requests)
            return sum(outcomes, Outcome())
        asked = defaultdict[Any, list[Request]](list)
        for request in chunk.requests:
            asked[request.buying, request.span].append(request)
        return sum(await together(self._batches(chunk.name, requests) for requests in asked.values()), Outcome())

    async def _batches(self, chunk: str, requests: Sequence[Request]) -> Outcome:
        """The batches of metrics of the same rows, which all must have as many; read anew while they do not."""
        for attempt in range(ROUNDS):
            if attempt:
                for request in requests:
                    self._parts.forget(chunk, request.name)
            outcomes = await together(self._request(chunk, request) for request in requests)
            counts = [outcome.rows for outcome in outcomes]
            if len(set(counts)) == 1 or any(one.failed for one in outcomes):
                break
        else:
            outcomes[0] = replace(outcomes[0], faults=(*outcomes[0].faults, self._uneven(requests[0], counts)))
        # The rows of the first batch of metrics count; the others are joined to them.
        joined = [replace(one, rows=0, rows_expected=0, rows_of=dict.fromkeys(one.rows_of, 0)) for one in outcomes[1:]]
        return sum(joined, outcomes[0])

    def _uneven(self, request: Request, counts: Sequence[int]) -> str:
        spread = ", ".join(str(count) for count in counts)
        return (
            f"TikTok gives different numbers of rows for the batches of metrics of {self._about(request)}: {spread}. "
            "Where a batch lacks a row its metrics are empty."
        )

    async def _request(self, chunk: str, request: Request) -> Outcome:
        known = {
            advertiser.id: self._failed[advertiser.id]
            for advertiser in request.advertisers
            if advertiser.id in self._failed
        }
        if known and len(request.advertisers) == 1:
            return Outcome(failed=known)
        try:
            return await self._read(chunk, request, 0)
        except (AdvertiserError, RequestError, RetryError, ProofError) as error:
            alone = len(request.advertisers) == 1 or isinstance(error, ThrottledError)
            if alone or (error.passes and not self._plan.dataset.skip_failing):
                return self._skipped(request, error)
            return await self._one_by_one(chunk, request)

    async def _one_by_one(self, chunk: str, request: Request) -> Outcome:
        """One advertiser of several spoils the request: each is asked for itself."""
        self._parts.drop(chunk, request.name)
        self._parts.write_note(chunk, request.name, {"one_by_one": True})
        singles = (for_one(request, advertiser) for advertiser in request.advertisers)
        return sum(await together(self._request(chunk, single) for single in singles), Outcome())

    def _skipped(self, request: Request, error: AdreelError) -> Outcome:
        """The advertiser is left out if the person wants that; else the error goes on, naming it."""
        # No answer of TikTok's at all is not the advertiser's fault: the network is away, for all of them.
        silent = error.passes and error.code is None
        if self._plan.dataset.skip_failing and not isinstance(error, ThrottledError) and not silent:
            failed = {advertiser.id: str(error) for advertiser in request.advertisers}
            self._failed |= failed
            return Outcome(failed=failed)
        if isinstance(error, AdvertiserError):
            name = ", ".join(f"{one.name} ({one.id})" for one in request.advertisers)
            without = f" {GO_ON_WITHOUT}" if self._others_are_read(request, error) else ""
            raise AdvertiserError(
                f"Advertiser {name} cannot be read: {error.message}{without}",
                code=error.code,
                request_id=error.request_id,
            ) from error
        raise error

    def _others_are_read(self, request: Request, error: AdvertiserError) -> bool:
        """Whether the run could go on with other advertisers: an app that lacks a permission lacks it for all."""
        own = {advertiser.id for advertiser in request.advertisers}
        if lacks_scope(error.code, error.message):
            return bool(self._answered - own)
        return any(one.id not in own for read in self._plan.reads for one in read.advertisers)

    async def _read(self, chunk: str, request: Request, depth: int) -> Outcome:
        """One request, split if TikTok cuts it, read anew while its report changes."""
        split = self._parts.note(chunk, request.name)
        if split is not None:
            return await self._split(chunk, request, depth, split)
        outcome = Outcome()
        for attempt in range(ROUNDS):
            if attempt:
                self._parts.drop(chunk, request.name)
            try:
                found = await self._pages(chunk, request)
            except SplitError:
                found = None
            if found is None:
                self._parts.drop(chunk, request.name)
                return await self._split(chunk, request, depth, None)
            outcome = found
            if outcome.complete and not outcome.differing():
                return outcome
        if outcome.complete:
            return self._differs(request, outcome)
        raise ProofError(self._incomplete(request, outcome))

    def _incomplete(self, request: Request, outcome: Outcome) -> str:
        """Why the rows of a request are not those that TikTok counts."""
        about, often = self._about(request), f"in each of {ROUNDS} attempts"
        if outcome.repeated and outcome.steady and outcome.rows == outcome.rows_expected:
            return (
                f"TikTok counts {outcome.rows} rows for {about} and gave {outcome.repeated} of them twice, {often}: "
                f"{outcome.repeated_key}, for one. The table stays as it was, since rows that are in twice would be "
                "summed twice. Run again in a few hours; if it stays so, tell TikTok's support the key."
            )
        return (
            f"TikTok counts {outcome.rows_expected} rows for {about} and gave {outcome.rows}, {outcome.repeated} of "
            f"them twice, {often}. The report changes while it is read; the table stays as it was. Run again in a few "
            "minutes."
        )

    def _differs(self, request: Request, outcome: Outcome) -> Outcome:
        """The outcome with a sentence for each total that TikTok's rows do not reach, however often they are read."""
        faults = tuple(
            f"{name} of {self._about(request)}: TikTok's own total is {expected}, its rows sum up to {got}."
            for name, (expected, got) in outcome.differing().items()
        )
        return replace(outcome, faults=(*outcome.faults, *faults))

    def _about(self, request: Request) -> str:
        who = ", ".join(f"advertiser {advertiser.name} ({advertiser.id})" for advertiser in request.advertisers)
        return f"{who}, {request.span.start} to {request.span.end}" if request.span else who

    async def _pages(self, chunk: str, request: Request) -> Outcome | None:
        """All pages of a request; None if TikTok cut it at 20,000 ids."""
        present = await self._parts.work(self._parts.of, chunk, request.name)
        fetched: list[_Read] = []
        if 1 not in present:
            read = await self._page(chunk, request, 1)
            if read is None:
                return None
            fetched.append(read)
        first = present.get(1) or fetched[0].part
        missing = (number for number in range(2, first.total_pages + 1) if number not in present)
        while numbers := list(islice(missing, PAGES_AT_ONCE)):
            later = await together(self._page(chunk, request, number) for number in numbers)
            if any(read is None for read in later):
                return None
            fetched += [read for read in later if read]
            if not (fetched[-1].part.rows or fetched[-1].part.left_out):
                # There is no more, whatever the count says; the proof compares both.
                break
        return await self._parts.work(self._proved, chunk, request, first, present, fetched)

    async def _page(self, chunk: str, request: Request, number: int) -> _Read | None:
        """One page asked for and written as a part; None if TikTok cut the report."""
        page = await self._ask(request, number)
        self._answered |= {advertiser.id for advertiser in request.advertisers}
        if page.cut:
            return None
        read = await self._parts.work(self._written, chunk, request, number, page)
        self._arrived(0 if request.batch else read.part.rows)
        return read

    def _written(self, chunk: str, request: Request, number: int, page: Page) -> _Read:
        shape = self._shapes[request.batch]
        typed = page_table(page.rows, shape.columns, shape.schema, request)
        table = typed.table
        part = Part(
            number=number,
            rows=table.num_rows,
            total_rows=page.total_number,
            total_pages=page.total_page,
            sums={name: str(value) for name, value in sums(table, shape.columns).items()},
            totals=_totals(page, shape.columns),
            rows_of=_counted(table["advertiser_id"], request),
            unread={unread.column: (unread.count, unread.example) for unread in typed.unread},
            fractions={
                fractions.column: (len(fractions.texts), self._fraction_rows(table, fractions))
                for fractions in typed.fractions
            },
            left_out=page.left_out,
        )
        keys = key_texts(table, self._key)
        if keys.null_count:
            raise ProofError(
                f"{keys.null_count} rows for {self._about(request)} lack one of {', '.join(self._key)}, so they cannot "
                "be told apart; the table stays as it was."
            )
        self._parts.write(chunk, request.name, part, table)
        return _Read(part, keys)

    def _fraction_rows(self, table: pa.Table, fractions: Fractions) -> list[str]:
        """The first values with a fraction, each with the key of its row."""
        first = list(fractions.texts)[:MOST_FRACTIONS]
        rows = table.select(self._key).take(first).to_pylist()
        return [f"{fractions.texts[row]} ({key_words(key)})" for row, key in zip(first, rows, strict=True)]

    async def _ask(self, request: Request, number: int) -> Page:
        shape = self._shapes[request.batch]
        if request.path == "/advertiser/info/":
            return await self._advertisers(request, shape)
        params = dict(request.params)
        if number > 1:
            # Totals come with page 1 and are the same on every page.
            params.pop("enable_total_metrics", None)
        if self._plan.dataset.report == "custom_audience_details":
            page = await self._client.page(request.path, params, number, request.page_size)
            found, left_out = await self._details(request, page.rows)
            return replace(page, rows=as_records(found, shape.row), left_out=left_out)
        return await self._client.page(request.path, params, number, request.page_size, shape.reader)

    async def _advertisers(self, request: Request, shape: _Shape) -> Page:
        """The advertisers of a request, of which the client leaves out those that may not be read."""
        ids = [advertiser.id for advertiser in request.advertisers]
        rows = await self._client.advertiser_info(ids, list(request.params["fields"]))
        missing = set(ids) - {str(row.get("advertiser_id")) for row in rows}
        if missing:
            raise AdvertiserError(f"TikTok gives no details of {', '.join(sorted(missing))}.")
        return Page(as_records(rows, shape.row), len(rows), 1, None, False, "")

    async def _details(self, request: Request, listed: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
        """The details of listed audiences, a hundred ids at a time; the list's own row for one without details.

        Also how many of those listed are not among the audiences that the dataset names.
        """
        wanted = set(self._plan.dataset.audiences)
        _ids_in(listed, "audience_id")
        ids = [str(row["audience_id"]) for row in listed]
        known = {one: row for one, row in zip(ids, listed, strict=True) if not wanted or one in wanted}
        left_out = sum(one not in known for one in ids)
        if not known:
            return [], left_out
        params = {"advertiser_id": request.advertisers[0].id, "custom_audience_ids": list(known)}
        for row in await self._client.listed("/dmp/custom_audience/get/", params):
            details = row.get("audience_details")
            whole = {**(details if isinstance(details, Mapping) else {}), **row}
            if str(whole.get("audience_id")) in known:
                known[str(whole["audience_id"])] = whole
        return list(known.values()), left_out

    def _proved(
        self, chunk: str, request: Request, first: Part, present: dict[int, Part], fetched: list[_Read]
    ) -> Outcome:
        """Counts of both sides, keys that repeat, sums of both sides."""
        keys = [read.keys for read in fetched]
        keys += [self._parts.keys(chunk, request.name, number, self._key) for number in present]
        parts = [*present.values(), *(read.part for read in fetched)]
        rows = sum(part.rows for part in parts)
        distinct = pc.count_distinct(pa.chunked_array(keys, pa.string()), mode="all").as_py()
        totals = {
            name: (Decimal(expected), sum((Decimal(part.sums[name]) for part in parts), Decimal(0)))
            for name, expected in first.totals.items()
        }
        # Pages that count differently are of different moments.
        steady = len({part.total_rows for part in parts}) == 1
        expected = first.total_rows - sum(part.left_out for part in parts)
        return Outcome(
            rows_expected=expected,
            rows=rows,
            repeated=rows - distinct,
            pages=len(parts),
            totals=totals,
            rows_of={
                advertiser.id: sum(part.rows_of[advertiser.id] for part in parts) for advertiser in request.advertisers
            },
            unread=_unread(parts),
            fractions=_fractions(parts),
            steady=steady,
            repeated_key=self._repeated(keys) if rows > distinct else "",
        )

    def _repeated(self, keys: Sequence[pa.Array]) -> str:
        """One of the keys that are there more than once, in words."""
        counts = pc.value_counts(pa.chunked_array(keys, pa.string()))
        text = next(one["values"] for one in counts.to_pylist() if one["counts"] > 1)
        return key_words(dict(zip(self._key, text.split(KEY_MARK), strict=False)))

    async def _split(self, chunk: str, request: Request, depth: int, known: dict[str, Any] | None) -> Outcome:
        """The request in parts that TikTok does not cut; what was found is noted, so that it is asked for once."""
        if len(request.advertisers) > 1:
            return await self._one_by_one(chunk, request)
        steps = PARENTS.get(self._plan.dataset.level or "", ())
        if self._plan.dataset.id_dimension == "ad_id_v2":
            # Ads of Upgraded Smart+ have no list of their own ids to go on with.
            steps = steps[:2]
        if depth >= len(steps):
            raise ProofError(
                f"TikTok gives only the newest 20,000 ids for {self._about(request)}, however little is asked for. "
                "The table stays as it was. Ask for a higher data level, or for fewer days."
            )
        level, filter_name = steps[depth]
        if known is None:
            known = await self._ids(request, level)
            self._parts.write_note(chunk, request.name, known)
        size = CAMPAIGNS_AT_ONCE if level == "campaign" else MOST_IDS
        outcome = await self._narrowed(chunk, request, depth, filter_name, known["ids"], size)
        higher = {
            name: (Decimal(value), outcome.totals[name][1])
            for name, value in known["totals"].items()
            if name in outcome.totals
        }
        return self._differs(request, replace(outcome, totals=outcome.totals | higher))

    async def _narrowed(
        self, chunk: str, request: Request, depth: int, filter_name: str, ids: list[str], size: int
    ) -> Outcome:
        """The request for groups of ids; a group that is still cut is halved, a single id goes one level down."""
        groups = [ids[first : first + size] for first in range(0, len(ids), size)]

        async def read(group: list[str]) -> Outcome:
            own = narrowed(request, f"{filter_name[:2]}{group[0]}x{len(group)}", filter_name, group)
            if len(group) == 1:
                return await self._read(chunk, own, depth + 1)
            noted = self._parts.note(chunk, own.name)
            if noted is None:
                try:
                    outcome = await self._pages(chunk, own)
                except SplitError:
                    outcome = None
                if outcome is not None:
                    good = outcome.complete and not outcome.differing()
                    return outcome if good else await self._read(chunk, own, depth + 1)
                self._parts.drop(chunk, own.name)
                self._parts.write_note(chunk, own.name, {"halved": True})
            return await self._narrowed(chunk, request, depth, filter_name, group, -(-len(group) // 2))

        return sum(await together(read(group) for group in groups), Outcome())

    async def _ids(self, request: Request, level: str) -> dict[str, Any]:
        """The ids of `level` that have rows in the request's days, and the totals that their parts must reach.

        Where TikTok would cut these ids too, they come from the list of all campaigns, ad groups or ads.
        """
        if level != self._plan.dataset.level:
            names = self._compared(level)
            params = self._of_level(request, level, names)
            first = await self._client.page(request.path, params, 1, PAGE_SIZE)
            if not first.cut:
                rows = await self._every(request.path, params, first, PAGE_SIZE)
                totals = {name: str(value) for name, value in _totals_of(first, names).items()}
                return {"ids": _ids_in([row.get("dimensions") for row in rows], f"{level}_id"), "totals": totals}
        return {"ids": await self._listed(request, level), "totals": {}}

    def _compared(self, level: str) -> list[str]:
        """The metrics whose totals at a higher level must be those of the rows below it.

        Without deleted ads they are not: a campaign's figures keep those of its deleted ads.
        """
        known = catalog.metrics()
        additive = {column.name for column in self._columns if column.additive and column.part == "metrics"}
        names = [name for name in self._plan.dataset.metrics if name in additive and level in known[name].levels]
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
            # Audience reports want an audience dimension; the ids are the same without.
            "report_type": "BASIC",
            "data_level": f"AUCTION_{level.upper()}",
            "dimensions": [f"{level}_id"],
            "metrics": list(metrics) or ["spend"],
        }
        return params | ({"filtering": filtering} if filtering else {})

    async def _listed(self, request: Request, level: str) -> list[str]:
        """The ids of the report's own level, which a report would cut, from the entities' own endpoint."""
        filtering: dict[str, Any] = {"primary_status": "STATUS_ALL"}
        for param in request.params.get("filtering", ()):
            if param["field_name"] in ("campaign_ids", "adgroup_ids"):
                filtering[param["field_name"]] = msgspec.json.decode(param["filter_value"])
        params = {"advertiser_id": request.advertisers[0].id, "fields": [f"{level}_id"], "filtering": filtering}
        topview = {**params, "filtering": {**filtering, "buying_types": ["RESERVATION_TOP_VIEW"]}}
        found: set[str] = set()
        for asked in (params, topview):
            rows = await self._rows(f"/{level}/get/", asked, 100 if level == "adgroup" else PAGE_SIZE)
            found |= set(_ids_in(rows, f"{level}_id"))
        return sorted(found)

    async def _rows(self, path: str, params: dict[str, Any], page_size: int) -> list[dict[str, Any]]:
        """Every row of a list, as many as TikTok counts."""
        return await self._every(path, params, await self._client.page(path, params, 1, page_size), page_size)

    async def _every(self, path: str, params: dict[str, Any], first: Page, page_size: int) -> list[dict[str, Any]]:
        """The rows of the first page and of all others; ProofError if they are not as many as TikTok counts."""
        rows: list[dict[str, Any]] = list(first.rows)
        numbers = iter(range(2, first.total_page + 1))
        while asked := list(islice(numbers, PAGES_AT_ONCE)):
            pages = await together(self._client.page(path, params, number, page_size) for number in asked)
            rows += [row for page in pages for row in page.rows]
            if not pages[-1].rows:
                break
        if len(rows) != first.total_number:
            raise ProofError(
                f"TikTok counts {first.total_number} rows of GET {path} for advertiser {params['advertiser_id']} and "
                f"gave {len(rows)}; the table stays as it was. Run again in a few minutes."
            )
        return rows


def _ids_in(rows: Iterable[Any], name: str) -> list[str]:
    """The ids of a list's rows; ProofError if a row has none, as what it stands for could not be asked for."""
    ids = {row.get(name) if isinstance(row, Mapping) else None for row in rows}
    if not all(isinstance(one, str | int) and one not in ("", "-") for one in ids):
        raise ProofError(f"TikTok gave rows without {name}; the table stays as it was. Run again in a few minutes.")
    return sorted(map(str, ids))


def _unread(parts: Iterable[Part]) -> dict[str, tuple[int, str]]:
    """By column, the values of all pages that could not be read, and one of them."""
    found: dict[str, tuple[int, str]] = {}
    for part in parts:
        for name, (count, example) in part.unread.items():
            known = found.get(name, (0, example))
            found[name] = known[0] + count, known[1]
    return found


def _fractions(parts: Iterable[Part]) -> dict[str, tuple[int, list[str]]]:
    """By column of counts, the values of all pages that have a fraction, and the first of them."""
    found: dict[str, tuple[int, list[str]]] = {}
    for part in parts:
        for name, (count, rows) in part.fractions.items():
            found[name] = _more_fractions(found.get(name, (0, [])), (count, rows))
    return found


def _counted(advertisers: pa.ChunkedArray, request: Request) -> dict[str, int]:
    """How many rows are of each advertiser of the request."""
    if len(request.advertisers) == 1:
        return {request.advertisers[0].id: len(advertisers)}
    found = {str(one["values"]): int(one["counts"]) for one in pc.value_counts(advertisers).to_pylist()}
    return {advertiser.id: found.get(advertiser.id, 0) for advertiser in request.advertisers}


def _totals_of(page: Page, names: Iterable[str]) -> dict[str, Decimal]:
    given = page.total_metrics or {}
    return {name: Decimal(str(given[name])) for name in names if _is_number(given.get(name))}


def _totals(page: Page, own: Iterable[Any]) -> dict[str, str]:
    """TikTok's own totals of the additive metrics, where it gives them."""
    names = [column.name for column in own if column.additive and column.part == "metrics"]
    return {name: str(value) for name, value in _totals_of(page, names).items()}


def _is_number(value: Any) -> bool:
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return False
    # Of more digits than any sum of rows that a table can hold, it is no number to reckon with.
    return value is not None and number.is_finite() and abs(number.adjusted()) < MOST_DIGITS


def batch_columns(plan: Plan, batch: int) -> tuple[Column, ...]:
    """The columns that a batch of metrics fills: the key and its own metrics, the first also all that is no metric."""
    found = columns(plan.dataset)
    if len(plan.batches) == 1:
        return found
    own, names = set(plan.batches[batch]), set(key(plan.dataset))
    return tuple(
        column
        for column in found
        if column.name in names or (column.name in own if column.part == "metrics" else batch == 0)
    )


async def preview_rows(plan: Plan, client: Client, wanted: int) -> pa.Table:
    """The first typed rows of the plan's first requests, with no more than five questions."""
    shape = _Shape.of(columns(plan.dataset))
    tables = [shape.schema.empty_table()]
    wide: set[str] = set()
    asked = 0
    for request in plan.requests():
        if asked == PREVIEW_REQUESTS or sum(table.num_rows for table in tables) >= wanted:
            break
        if request.batch or request.path == "/advertiser/info/":
            continue
        asked += 1
        page = await client.page(request.path, request.params, 1, wanted, shape.reader)
        typed = page_table(page.rows, shape.columns, shape.schema, request)
        wide |= {fractions.column for fractions in typed.fractions}
        tables.append(typed.table)
    schema = widened(shape.schema, wide)
    batches = [conform(batch, schema) for table in tables for batch in table.to_batches()]
    return pa.Table.from_batches(batches, schema).slice(0, wanted)
