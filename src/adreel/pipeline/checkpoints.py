"""Records of what a run has finished, stored beside its parts so that another process can resume it.

There is one small record for the run and one for each finished chunk, each written atomically. A record that cannot be
read, or belongs to another plan than this adreel makes, counts as absent, and its chunk is read again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import orjson

from adreel.advertisers import Advertiser, Shop
from adreel.datasets.lookback import FirstDays
from adreel.datasets.schema import columns
from adreel.pipeline.parts import Parts
from adreel.pipeline.plan import Plan
from adreel.pipeline.verify import ReadOutcome
from adreel.tiktok.client import together

SHAPE = 2
"""The shape of records and parts; increased when runs of an older adreel can no longer be resumed."""

_START = "asked"
_FINISHED = "finished"

_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class RunStart:
    """What the plan of a run is made from: the time, the advertisers, and why others cannot be read.

    `plan` is the fingerprint of the plan, `first_days` those of the table for the look-back window. `shops`
    are those of a report with GMV Max by advertiser, with what is said of those that are left out; `unread_shops` are
    those of the table that cannot be read. `tasks` says whether the run may use report tasks. `without_gmv_max` are
    advertisers of a report of all spend that lacks GMV Max cost of them.
    """

    plan: str
    now: datetime
    advertisers: tuple[Advertiser, ...]
    unreadable: dict[str, str]
    first_days: FirstDays | None = None
    shops: dict[str, tuple[Shop, ...]] | None = None
    shop_notes: tuple[str, ...] = ()
    shop_warnings: tuple[str, ...] = ()
    unread_shops: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tasks: bool = False
    without_gmv_max: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """A chunk that was read and verified: the outcome of its requests, and its parts with their sizes in bytes.

    `requests`, `refused` and `pages` are the counts of the whole run up to that moment.
    """

    plan: str
    chunk: str
    parts: dict[str, int]
    outcome: ReadOutcome
    requests: int
    refused: int
    pages: int


class Checkpoints:
    """The records of one run. Raises StorageError if the lake cannot be read or written."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def read_start(self) -> RunStart | None:
        """The record of the run's start; None if it has not started."""
        return _read(self._parts.note("", _START), RunStart)

    def write_start(self, start: RunStart) -> None:
        """Stores the record of the run's start, and removes all parts, which belong to another plan."""
        self._parts.drop_all()
        self._parts.write_note("", _START, msgspec.to_builtins(start))

    async def finished(self, plan: str) -> list[Finished]:
        """The records of the plan's chunks whose parts are all present with the sizes that were written."""
        chunks = await self._parts.work(self._parts.noted, _FINISHED)
        sizes = defaultdict[str, dict[str, int]](dict)
        for name, size in (await self._parts.work(self._parts.sizes, "")).items():
            chunk, _, part = name.partition("/")
            sizes[chunk][part] = size
        notes = await together(self._parts.work(self._parts.note, chunk, _FINISHED) for chunk in chunks)
        records = ((chunk, _read(note, Finished)) for chunk, note in zip(chunks, notes, strict=True))
        return [
            record
            for chunk, record in records
            if record and (record.plan, record.chunk, record.parts) == (plan, chunk, sizes[chunk])
        ]

    def finish(self, plan: str, chunk: str, outcome: ReadOutcome, counts: tuple[int, int, int]) -> None:
        """Stores that a chunk is finished; `counts` are requests, refused requests and pages of the run so far."""
        record = Finished(plan, chunk, self._parts.sizes(chunk), outcome, *counts)
        self._parts.write_note(chunk, _FINISHED, msgspec.to_builtins(record))


def fingerprint(plan: Plan) -> str:
    """A hash of the plan's requests and column types, which differ between versions of adreel for the same dataset.

    Parts are read by the names of their columns, so that the order of these is not in it.
    """
    digest = hashlib.blake2b(digest_size=16)
    types = sorted((column.name, column.type) for column in columns(plan.dataset))
    digest.update(repr((SHAPE, types)).encode())
    for request in plan.requests():
        digest.update(orjson.dumps((request.name, request.path, request.page_size, request.params)))
    return digest.hexdigest()


def _read(note: Any, kind: type[_Record]) -> _Record | None:
    try:
        return None if note is None else msgspec.convert(note, kind)
    except msgspec.ValidationError:
        return None
