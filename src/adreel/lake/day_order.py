"""Rows of many days brought into the order of days, on disk, so that few files have rows of each day.

TikTok gives a report ad account by ad account, so that each file would have rows of all days, and who reads one day
would read them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from adreel.lake.columns import day_of

if TYPE_CHECKING:
    import numpy as np
else:
    from adreel.arrow import np

HELD_ROWS = 131_072
"""Rows that are in memory at a time. Fewer are left in the order in which they came: they are one file in any order."""

HELD_BYTES = 64 << 20
"""Bytes that are in memory at a time, for tables with many columns."""

MOST_OPEN = 256
"""Days whose files are open at a time; many systems allow a process 1,024 files."""

_NO_DAY = -(2**31)


class DayOrder:
    """Takes batches of one schema, and gives them back day by day; to be used in a `with` block.

    Without a day column the batches are given back at once. Raises OSError if the disk is full.
    """

    def __init__(self, day_column: str | None) -> None:
        self._day_column = day_column
        self._held: list[Any] = []
        self._held_rows = self._held_bytes = 0
        self._folder: TemporaryDirectory[str] | None = None
        self._files: dict[int, list[Path]] = {}
        self._open: dict[int, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_files()
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, batch: Any) -> tuple[Any, ...]:
        """Takes a batch; what can be written at once is given back."""
        if self._day_column is None:
            return (batch,)
        self._held.append(batch)
        self._held_rows += batch.num_rows
        self._held_bytes += batch.nbytes
        if self._held_rows >= HELD_ROWS or self._held_bytes >= HELD_BYTES:
            self._spill()
        return ()

    def batches(self) -> Iterator[Any]:
        """All batches that were not given back yet, the oldest day first; of a day in the order in which they came."""
        if self._folder is None:
            yield from self._held
            return
        self._spill()
        self._close_files()
        for day in sorted(self._files):
            for path in self._files.pop(day):
                with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
                    yield from reader
                path.unlink()

    def _spill(self) -> None:
        """Moves the rows in memory to the files of their days."""
        if not self._held:
            return
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="adreel-days-")
        table = pa.Table.from_batches(self._held)
        self._held, self._held_rows, self._held_bytes = [], 0, 0
        days = day_of(table[self._day_column]).cast(pa.int32()).fill_null(_NO_DAY).to_numpy()
        table = table.take(pa.array(np.argsort(days, kind="stable")))
        numbers, counts = np.unique(days, return_counts=True)
        first = 0
        for day, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            self._writer(day, table.schema).write_table(table.slice(first, count))
            first += count

    def _writer(self, day: int, schema: Any) -> Any:
        """The writer of a day, which is the last to be closed now."""
        writer = self._open.pop(day, None)
        if writer is None:
            if len(self._open) >= MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
            assert self._folder is not None, "made before"
            paths = self._files.setdefault(day, [])
            paths.append(Path(self._folder.name, f"{day}-{len(paths)}"))
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            writer = pa.ipc.new_stream(str(paths[-1]), schema, options=options)
        self._open[day] = writer
        return writer

    def _close_files(self) -> None:
        for writer in self._open.values():
            writer.close()
        self._open = {}
