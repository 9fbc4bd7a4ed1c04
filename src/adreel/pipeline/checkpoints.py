"""What a run has finished, kept beside its parts so that the next process goes on where this one stopped.

One small record for the run as a whole and one for each finished chunk, written whole or not at all. A record that
cannot be read, or is of another plan than this adreel makes, counts as absent: what it spoke of is read anew.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import orjson

from adreel.advertisers import Advertiser
from adreel.datasets.schema import columns
from adreel.pipeline.extract import Outcome, Parts
from adreel.pipeline.plan import Plan
from adreel.tiktok.client import together

SHAPE = 2
"""The shape of records and parts; counted up when a run of an older adreel can no longer be gone on with."""

_BEGUN = "asked"
_FINISHED = "finished"

_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class Begun:
    """What a run is planned with: the time, the advertisers, and why some cannot be read. `plan` is its fingerprint."""

    plan: str
    now: datetime
    advertisers: tuple[Advertiser, ...]
    unreadable: dict[str, str]


@dataclass(frozen=True, slots=True)
class Finished:
    """A chunk that was read and proved: its parts with their sizes in bytes, and what became of its requests.

    `requests`, `refused` and `pages` are the run's counts at that moment, from its beginning.
    """

    plan: str
    chunk: str
    parts: dict[str, int]
    outcome: Outcome
    requests: int
    refused: int
    pages: int


class Checkpoints:
    """The records of one run. Raises StorageError where the lake cannot take or give one."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def begun(self) -> Begun | None:
        """What the run was begun with, if it was."""
        return _read(self._parts.note("", _BEGUN), Begun)

    def begin(self, begun: Begun) -> None:
        """Writes down what the run is begun with, and removes what an earlier try with another plan left."""
        self._parts.drop_all()
        self._parts.write_note("", _BEGUN, msgspec.to_builtins(begun))

    async def finished(self, plan: str) -> list[Finished]:
        """The records of the chunks of the plan whose parts are all there as they were written."""
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

    def finish(self, plan: str, chunk: str, outcome: Outcome, counts: tuple[int, int, int]) -> None:
        """Writes down that a chunk is finished; `counts` are requests, refused requests and pages of the run so far."""
        record = Finished(plan, chunk, self._parts.sizes(chunk), outcome, *counts)
        self._parts.write_note(chunk, _FINISHED, msgspec.to_builtins(record))


def fingerprint(plan: Plan) -> str:
    """Another text for every plan that asks or types anything else, as a newer adreel may for the same dataset."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((SHAPE, [(column.name, column.type) for column in columns(plan.dataset)])).encode())
    for request in plan.requests():
        digest.update(orjson.dumps((request.name, request.path, request.page_size, request.params)))
    return digest.hexdigest()


def _read(note: Any, kind: type[_Record]) -> _Record | None:
    try:
        return None if note is None else msgspec.convert(note, kind)
    except msgspec.ValidationError:
        return None
