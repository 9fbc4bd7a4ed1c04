"""A run's parts put together, proved as a whole, and committed as one version of the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from adreel.dataset import Method
from adreel.dates import today_at
from adreel.errors import AdvertiserError
from adreel.extract import Outcome, batch_columns
from adreel.lake import Lake, Window, Write
from adreel.lake import Method as LakeMethod
from adreel.plan import Chunk, Plan
from adreel.schema import arrow_schema, columns, day_column, key


@dataclass(frozen=True, slots=True)
class Committed:
    """What a run left: the version, its proof, and what a person should know."""

    version: int
    proof: Mapping[str, Any]
    warnings: tuple[str, ...]
    skipped: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the memory of a run's steps."""
        return asdict(self)


def commit_run(lake: Lake, slug: str, run_id: str, plan: Plan, now: datetime, outcome: Outcome) -> Committed:
    """Proves the run's rows and makes one version of them, all or nothing; done twice it happens once.

    Every row was counted and every key looked at when its request was read, and no two requests ask for the same rows.
    Raises AdvertiserError if no advertiser could be read, and what `Lake.commit` raises.
    """
    if outcome.failed and not _advertisers(plan, outcome.failed):
        reasons = "; ".join(f"{advertiser}: {reason}" for advertiser, reason in outcome.failed.items())
        raise AdvertiserError(f"No advertiser could be read, so the table stays as it was. {reasons}")
    rows = _Rows(lake, run_id, plan, outcome.failed)
    done = lake.commit(slug, rows.reader, _write(run_id, plan, now, outcome, rows.schema))
    warnings = (*plan.notes, *outcome.warnings)
    return Committed(done.version, proof_of(outcome, done.rows_in), warnings, outcome.failed)


def proof_of(outcome: Outcome, rows: int) -> dict[str, Any]:
    """TikTok's figures beside the table's; proved if all agree."""
    totals = {
        name: {"expected": _number(expected), "got": _number(got)} for name, (expected, got) in outcome.totals.items()
    }
    differing = sorted(outcome.differing())
    return {
        "proved": rows == outcome.rows_expected and not outcome.repeated and not differing,
        "rows_expected": outcome.rows_expected,
        "rows": rows,
        "duplicate_keys": outcome.repeated,
        "totals": totals,
        "differing": differing,
    }


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _advertisers(plan: Plan, failed: Iterable[str]) -> set[str]:
    return {one.id for read in plan.reads for one in read.advertisers} - set(failed)


def _write(run_id: str, plan: Plan, now: datetime, outcome: Outcome, schema: pa.Schema) -> Write:
    dataset = plan.dataset
    windows = [
        Window(frozenset({advertiser.id}), days.start, days.end)
        for advertiser, days in plan.days()
        if advertiser.id not in outcome.failed
    ]
    return Write(
        run_id=run_id,
        method=LakeMethod(dataset.update.method),
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
    days = [today_at(now, one.offset) for read in plan.reads for one in read.advertisers]
    return min(days) - timedelta(days=keep - 1) if days else None


class _Rows:
    """The run's rows as one stream: without advertisers that were left out, batches of metrics joined on the key."""

    def __init__(self, lake: Lake, run_id: str, plan: Plan, failed: Mapping[str, str]) -> None:
        self._lake = lake
        self._run_id = run_id
        self._plan = plan
        self._failed = pa.array(sorted(failed), pa.string())
        self.schema = arrow_schema(columns(plan.dataset))

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
            for digits in _id_groups(len(parts)):
                tables = [self._batch(chunk, parts, number, digits) for number in range(len(self._plan.batches))]
                whole = tables[0]
                for other in tables[1:]:
                    whole = whole.join(other, keys=names, join_type="full outer")
                yield from whole.select(self.schema.names).cast(self.schema).to_batches(max_chunksize=50_000)

    def _batch(self, chunk: Chunk, parts: Iterable[str], number: int, digits: str | None) -> pa.Table:
        """The rows of one batch of metrics in a chunk, of the ids that end in one of `digits` if those are given."""
        own = [f"{chunk.name}/{request.name}" for request in chunk.requests if request.batch == number]
        # A request that was split lies under its name and a mark.
        starts = tuple(name + end for name in own for end in "/-")
        schema = arrow_schema(batch_columns(self._plan, number))
        names = [name for name in parts if name.startswith(starts)]
        tables = []
        for name in names:
            table = self._lake.read_parts(self._run_id, name, schema=schema).read_all()
            if digits is not None:
                last = pc.utf8_slice_codeunits(table[self._plan.dataset.id_dimension or "advertiser_id"], -1)
                table = table.filter(pc.is_in(last, value_set=pa.array(list(digits))))
            tables.append(table)
        return pa.concat_tables([schema.empty_table(), *tables])


def _id_groups(parts: int) -> tuple[str | None, ...]:
    """What a join is cut into so that it stays in memory: nothing, or ids by their last digit."""
    return (None,) if parts <= 200 else tuple("0123456789")
