"""The parts of a run: pages of rows and notes, stored under the lake so that any process can resume the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from adreel.datasets.schema import Column, arrow_schema
from adreel.errors import DamagedError
from adreel.lake import Lake
from adreel.pipeline.normalize import key_texts, row_type
from adreel.pipeline.verify import Part
from adreel.tiktok.response import Reader, reader_of

_Answer = TypeVar("_Answer")


class Parts:
    """The pages and notes of a run, stored under the lake's root so that any process can resume the run."""

    def __init__(self, lake: Lake, run_id: str) -> None:
        self._lake = lake
        self._run_id = run_id

    async def work(self, call: Callable[..., _Answer], *arguments: Any) -> _Answer:
        """Calls a function that reads or writes parts, in a thread if the lake is an object store.

        On a disk a page takes a few milliseconds, and threads would only compete for the interpreter.
        """
        return call(*arguments) if self._lake.is_folder else await asyncio.to_thread(call, *arguments)

    def of(self, chunk: str, request: str) -> dict[int, Part]:
        """The stored pages of a request, by number; one that a power failure damaged is removed."""
        parts = []
        for name in self._lake.list_parts(self._run_id, f"{chunk}/{request}/"):
            try:
                parts.append(Part(**self._lake.part(self._run_id, name).facts))
            except DamagedError:
                self._lake.drop_parts(self._run_id, name)
        return {part.number: part for part in parts}

    def sizes(self, chunk: str) -> dict[str, int]:
        """The bytes of each stored part of a chunk, by its name in the chunk; of all chunks for an empty name."""
        return self._lake.part_sizes(self._run_id, f"{chunk}/" if chunk else "")

    def noted(self, name: str) -> tuple[str, ...]:
        """The chunks that have a note of that name."""
        notes = self._lake.list_notes(self._run_id)
        return tuple(note.removesuffix(f"/{name}") for note in notes if note.endswith(f"/{name}"))

    def notes_of(self, beginning: str) -> tuple[Any, ...]:
        """The values of the chunks' notes whose names begin so."""
        notes = (note.split("/", 1) for note in self._lake.list_notes(self._run_id) if "/" in note)
        return tuple(self.note(chunk, name) for chunk, name in notes if name.startswith(beginning))

    def write(self, chunk: str, request: str, part: Part, table: pa.Table) -> None:
        """Stores a page, replacing the same one."""
        self._lake.write_part(self._run_id, f"{chunk}/{request}/{part.number:06}", table, part.facts())

    def keys(self, chunk: str, request: str, number: int, key: tuple[str, ...]) -> pa.Array:
        """The primary keys of a stored page, as texts."""
        reader = self._lake.read_parts(self._run_id, f"{chunk}/{request}/{number:06}", columns=key)
        return key_texts(reader.read_all(), key)

    def table(self, chunk: str, request: str, number: int) -> pa.Table:
        """The rows of a stored page."""
        return self._lake.read_parts(self._run_id, f"{chunk}/{request}/{number:06}").read_all()

    def read(self, chunk: str, names: tuple[str, ...]) -> pa.Table:
        """Columns of all stored pages of a chunk."""
        return self._lake.read_parts(self._run_id, f"{chunk}/", columns=names).read_all()

    def drop(self, chunk: str, request: str) -> None:
        """Removes the stored pages of a request."""
        self._lake.drop_parts(self._run_id, f"{chunk}/{request}/")

    def forget(self, chunk: str, request: str) -> None:
        """Removes the stored pages of a request and of the requests that it was split into."""
        for end in "/-":
            self._lake.drop_parts(self._run_id, f"{chunk}/{request}{end}")

    def drop_all(self) -> None:
        """Removes all parts and notes of the run."""
        self._lake.drop_run(self._run_id)

    def note(self, chunk: str, name: str) -> Any:
        """The value of a note; None if there is no readable one."""
        return self._lake.read_note(self._run_id, f"{chunk}/{name}" if chunk else name)

    def write_note(self, chunk: str, name: str, value: Any) -> None:
        """Stores a note, which is a value of JSON."""
        self._lake.write_note(self._run_id, f"{chunk}/{name}" if chunk else name, value)


@dataclass(frozen=True, slots=True)
class PageType:
    """The columns of a page, their schema, the type of its rows, and the reader that decodes these."""

    columns: tuple[Column, ...]
    schema: pa.Schema
    row: type[Any]
    reader: Reader

    @classmethod
    def of(cls, page_columns: tuple[Column, ...]) -> PageType:
        """The type of pages with these columns."""
        row = row_type(page_columns)
        return cls(page_columns, arrow_schema(page_columns), row, reader_of(row))
