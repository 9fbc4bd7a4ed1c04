"""A run's parts put together, proved as a whole, and committed as one version of the table."""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from adreel import catalog
from adreel.datasets.replacement import merges_by_day
from adreel.datasets.schema import arrow_schema, columns, day_column, key
from adreel.dates import today_at
from adreel.errors import AdvertiserError
from adreel.lake import Commit, Lake, Window, Write
from adreel.pipeline.extract import Outcome, batch_columns
from adreel.pipeline.normalize import key_texts, widened
from adreel.pipeline.plan import Chunk, Plan
from adreel.update_methods import Method

MOST_REASONS = 10
"""Sentences of one kind that a run shows; what is more is counted."""

MANY_ROWS = 10
"""A table of fewer rows may lose most of them without being remarkable."""

JOINED_CELLS = 4_000_000
"""Cells that are joined in memory at a time: some 100 MB with the copy that a join makes."""

_MERGED = (
    "Only the days of this run were replaced. The update method is replace, so the next run of the dataset's own dates "
    "replaces the whole table. To keep other days, change the update method to partition."
)

_KINDS = {"int": "whole numbers", "money": "money", "rate": "rates", "ratio": "ratios", "float": "numbers"}
_KINDS |= {"day": "days", "hour": "hours", "time": "times", "bool": "yes or no"}


@dataclass(frozen=True, slots=True)
class Committed:
    """What a run left: the version, its proof, what a person should know, and the size of the whole table."""

    version: int
    proof: Mapping[str, Any]
    warnings: tuple[str, ...]
    skipped: Mapping[str, str]
    table_rows: int
    table_columns: int


def commit_run(
    lake: Lake,
    slug: str,
    run_id: str,
    plan: Plan,
    now: datetime,
    outcomes: Iterable[Outcome],
    *,
    other_days: bool = False,
) -> Committed:
    """Proves the run's rows and makes one version of them, all or nothing; done twice it happens once.

    With `other_days`, days in place of the dataset's own, a replacement replaces only these where it can.

    Every row was counted and every key looked at when its request was read, and no two requests ask for the same rows.
    Raises AdvertiserError if no advertiser could be read, and what `Lake.commit` raises.
    """
    outcome = whole(outcomes)
    if outcome.failed and not {advertiser.id for read in plan.reads for advertiser in read.advertisers} - set(
        outcome.failed
    ):
        raise AdvertiserError(f"No advertiser could be read, so the table stays as it was. {_reasons(outcome.failed)}")
    rows = _Rows(lake, run_id, plan, outcome.failed, outcome.fractions)
    write = _write(run_id, plan, now, outcome, rows.schema)
    warnings: tuple[str, ...] = ()
    merges = other_days and write.method is Method.REPLACE and lake.exists(slug)
    if merges and merges_by_day(lake, slug, plan.dataset):
        write = replace(write, method=Method.PARTITION, reset_schema=False)
        warnings = (_MERGED,)
    if outcome.failed and write.method is Method.REPLACE and not write.reset_schema and lake.exists(slug):
        write = _sparing(write, lake, slug, plan, outcome.failed)
    done = lake.commit(slug, rows.reader, write)
    proof = proof_of(outcome, done.rows_in, _currencies(plan, outcome.failed))
    told = (*_shrunk(done, write), *warnings_of(plan, outcome), *_fractions(outcome, done, write))
    warnings = (*told, *column_warnings(done), *warnings)
    return Committed(done.version, proof, warnings, outcome.failed, done.rows_after, done.columns)


def _fractions(outcome: Outcome, done: Commit, write: Write) -> Iterator[str]:
    """Columns of counts that had to become decimals; told once, as later fractions change nothing."""
    fresh = done.rows_before is None or write.reset_schema
    for name, (count, rows) in outcome.fractions.items():
        if fresh or name in done.widened:
            more = f"; and {count - len(rows):,} more" if count > len(rows) else ""
            yield (
                f"{count:,} values of {name}, a count, came with fractions: {'; '.join(rows)}{more}. The column holds "
                "decimals from this version on, so that nothing is lost."
            )


def _shrunk(done: Commit, write: Write) -> Iterator[str]:
    """Says so if the table lost all or most of its rows, though TikTok counted what came."""
    before, after = done.rows_before or 0, done.rows_after
    if before and (not after or (before >= MANY_ROWS and 2 * after < before)):
        yield (
            f"The table went from {before:,} rows to {after:,}. TikTok counted {done.rows_in:,} rows, and the update "
            f"method is {write.method}. If that is not what you expect, compare the versions before you use the "
            "figures; earlier versions can still be read."
        )


def _currencies(plan: Plan, failed: Mapping[str, str]) -> list[str]:
    """The currencies that sums of money go over."""
    read = (advertiser for read in plan.reads for advertiser in read.advertisers if advertiser.id not in failed)
    return sorted({one.currency for one in read if one.currency})


def _sparing(write: Write, lake: Lake, slug: str, plan: Plan, failed: Mapping[str, str]) -> Write:
    """A replacement that leaves the rows of advertisers that failed as they were: they are not known to be gone."""
    known = {advertiser.id for read in plan.reads for advertiser in read.advertisers}
    for batch in lake.read(slug, columns=("advertiser_id",)):
        known |= set(batch.column("advertiser_id").unique().to_pylist())
    everything = Window(frozenset(known - set(failed) - {None}), date.min, date.max)
    return replace(write, method=Method.PARTITION, whole_advertisers=True, windows=(everything,))


def whole(outcomes: Iterable[Outcome]) -> Outcome:
    """All outcomes together, without the rows of advertisers of which one was left out."""
    found = tuple(outcomes)
    failed = {advertiser: reason for outcome in found for advertiser, reason in outcome.failed.items()}
    return sum((one.without(failed) for one in found), Outcome())


def _reasons(failed: Mapping[str, str]) -> str:
    """Why advertisers failed: the first few, and how many more there are."""
    shown = "; ".join(f"{advertiser}: {reason}" for advertiser, reason in list(failed.items())[:MOST_REASONS])
    more = len(failed) - MOST_REASONS
    return f"{shown}; and {more} more." if more > 0 else shown


def warnings_of(plan: Plan, outcome: Outcome) -> tuple[str, ...]:
    """What a person should look at, in sentences."""
    known = {column.name: column for column in columns(plan.dataset)}
    unread = [
        f"{count:,} values of {name} could not be read as {_KINDS.get(known[name].type, 'text')} and are empty in the "
        f"table, such as {example!r}."
        for name, (count, example) in outcome.unread.items()
    ]
    faults = list(outcome.faults[:MOST_REASONS])
    if len(outcome.faults) > MOST_REASONS:
        faults.append(f"And {len(outcome.faults) - MOST_REASONS:,} more differences of this kind.")
    return (*unread, *faults)


def column_warnings(done: Commit) -> Iterator[str]:
    """What a run that did not ask for all columns of its table did to them."""
    if done.kept:
        values = sum(done.kept.values())
        yield (
            f"No longer selected: {_names(done.kept)}. Rows that were read again keep {values:,} earlier "
            "values, and new rows are empty. Add them to the dataset to refresh them, or set reset_schema: true to "
            "remove them."
        )
    if done.emptied:
        yield (
            f"Values of {_names(done.emptied)} were removed, as they are no longer selected or their type changed. "
            f"Version {done.version - 1} still has them and can be restored."
        )


def _names(names: Iterable[str]) -> str:
    """Names of columns: the first few, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - MOST_REASONS} more" if len(every) > MOST_REASONS else ""
    return ("column " if len(every) == 1 else "columns ") + ", ".join(every[:MOST_REASONS]) + more


def proof_of(outcome: Outcome, rows: int, currencies: list[str]) -> dict[str, Any]:
    """TikTok's figures beside the table's; proved if all agree.

    `checksums` are the totals that go over money of several currencies: they show that all was read, and are no amount.
    """
    known = catalog.metrics()
    totals = {
        name: {"expected": _number(expected), "got": _number(got)} for name, (expected, got) in outcome.totals.items()
    }
    differing = sorted(outcome.differing())
    return {
        "proved": rows == outcome.rows_expected and not (outcome.repeated or differing or outcome.faults),
        "rows_expected": outcome.rows_expected,
        "rows": rows,
        "duplicate_keys": outcome.repeated,
        "totals": totals,
        "differing": differing,
        "currencies": currencies,
        "checksums": sorted(name for name in totals if len(currencies) > 1 and known[name].type == "money"),
    }


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _write(run_id: str, plan: Plan, now: datetime, outcome: Outcome, schema: pa.Schema) -> Write:
    dataset = plan.dataset
    windows = [
        Window(frozenset({advertiser.id}), days.start, days.end)
        for advertiser, days in plan.days()
        if advertiser.id not in outcome.failed
    ]
    return Write(
        run_id=run_id,
        method=dataset.update.method,
        schema=schema,
        key=key(dataset),
        day_column=day_column(dataset),
        windows=tuple(windows),
        keep_from=_keep_from(plan, now),
        reset_schema=dataset.reset_schema,
    )


def _keep_from(plan: Plan, now: datetime) -> date | None:
    """The first day of a rolling window, seen from where it is yesterday longest: no advertiser loses a day early."""
    keep = plan.dataset.update.keep_days
    if keep is None or plan.dataset.update.method is not Method.PARTITION:
        return None
    days = [today_at(now, advertiser.offset) for read in plan.reads for advertiser in read.advertisers]
    return min(days) - timedelta(days=keep - 1) if days else None


class _Rows:
    """The run's rows as one stream: without advertisers that were left out, batches of metrics joined on the key."""

    def __init__(self, lake: Lake, run_id: str, plan: Plan, failed: Mapping[str, str], decimals: Iterable[str]) -> None:
        """`decimals` are columns of counts that came with fractions."""
        self._lake = lake
        self._run_id = run_id
        self._plan = plan
        self._failed = pa.array(sorted(failed), pa.string())
        self._decimals = tuple(decimals)
        self.schema = widened(arrow_schema(columns(plan.dataset)), self._decimals)

    def reader(self) -> pa.RecordBatchReader:
        """All rows from the start; bounded in memory, however many there are."""
        batches = self._parts() if len(self._plan.batches) == 1 else self._joined()
        return pa.RecordBatchReader.from_batches(self.schema, (self._read(batch) for batch in batches))

    def _parts(self) -> Iterator[pa.RecordBatch]:
        yield from self._lake.read_parts(self._run_id, "", schema=self.schema)

    def _read(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Without the advertisers that were left out."""
        if not len(self._failed):
            return batch
        return batch.filter(pc.invert(pc.is_in(batch["advertiser_id"], value_set=self._failed)))

    def _joined(self) -> Iterator[pa.RecordBatch]:
        """Chunk by chunk: the batches of metrics of the same advertisers and days lie in the same chunk."""
        names = list(key(self._plan.dataset))
        for chunk in self._plan.chunks():
            parts = self._lake.list_parts(self._run_id, f"{chunk.name}/")
            groups = self._groups(len(parts))
            for group in range(groups):
                tables = [self._batch(chunk, parts, number, group, groups) for number in range(len(self._plan.batches))]
                yield from joined(tables, names, self.schema).to_batches(max_chunksize=50_000)

    def _groups(self, parts: int) -> int:
        """Into how many groups of ids a join is cut so that it stays in memory, if every part is full."""
        cells = parts / len(self._plan.batches) * self._plan.page_size * len(self.schema)
        return max(1, math.ceil(cells / JOINED_CELLS))

    def _batch(self, chunk: Chunk, parts: Iterable[str], number: int, group: int, groups: int) -> pa.Table:
        """The rows of one batch of metrics in a chunk, of one group of ids."""
        own = [f"{chunk.name}/{request.name}" for request in chunk.requests if request.batch == number]
        # A request that was split lies under its name and a mark.
        starts = tuple(name + end for name in own for end in "/-")
        schema = widened(arrow_schema(batch_columns(self._plan, number)), self._decimals)
        names = [name for name in parts if name.startswith(starts)]
        tables = (self._lake.read_parts(self._run_id, name, schema=schema).read_all() for name in names)
        kept = (self._of_group(table, group, groups) if groups > 1 else table for table in tables)
        return pa.concat_tables([schema.empty_table(), *kept]).combine_chunks()

    def _of_group(self, table: pa.Table, group: int, groups: int) -> pa.Table:
        ids = table[self._plan.dataset.id_dimension or "advertiser_id"].combine_chunks().dictionary_encode()
        numbers = [zlib.crc32(text.encode()) % groups for text in ids.dictionary.to_pylist()]
        return table.filter(pc.equal(pc.take(pa.array(numbers, pa.int32()), ids.indices), group))


def joined(tables: Sequence[pa.Table], names: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Tables that share the key columns `names`, joined on them; what a table lacks is null.

    Pyarrow's own join has no place for lists.
    """
    keys = [key_texts(table, names) for table in tables]
    every = pc.unique(pa.chunked_array(keys, pa.string()))
    places = [pc.index_in(every, value_set=texts) for texts in keys]
    taken: dict[str, list[pa.ChunkedArray]] = defaultdict(list)
    for table, place in zip(tables, places, strict=True):
        for name in table.column_names:
            taken[name].append(table[name].take(place))
    return pa.Table.from_arrays(
        [pc.coalesce(*taken[name]) if len(taken[name]) > 1 else taken[name][0] for name in schema.names], schema=schema
    )
