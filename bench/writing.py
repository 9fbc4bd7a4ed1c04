"""Writing a table and merging 30 days into it: by adreel, and by delta-rs alone, from the same rows.

Each is a process of its own, which reads its rows from an Arrow file as a stream and counts itself: seconds of
processor and wall without imports, the most resident memory with them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.work import ROOT

SIZES = (180_000, 1_800_000)
MERGED_DAYS = 30
SLUG = "ad_daily"
KEY = ("ad_id", "stat_time_day")
DAY = "stat_time_day"
SPILL = 200 << 20
"""Bytes after which delta-rs may be asked to put what it merges on disk; about what adreel takes in all."""

Rows = Callable[[], Any]


@dataclass(frozen=True)
class Cost:
    """What one of them took; `size` is the bytes of the files that the new version reads."""

    wall: float
    cpu: float
    peak: float
    size: int
    rows: int


def adreel_write(folder: str, rows: Rows) -> None:
    _commit(folder, rows, "write", "replace")


def adreel_merge(folder: str, rows: Rows) -> None:
    _commit(folder, rows, "merge", "upsert")


def _commit(folder: str, rows: Rows, run: str, method: str) -> None:
    from adreel.lake import Lake, Method, Write

    Lake(folder).commit(SLUG, rows, Write(run, Method(method), rows().schema, KEY, DAY))


def deltars_write(folder: str, rows: Rows) -> None:
    from deltalake import write_deltalake

    write_deltalake(Path(folder) / SLUG, rows(), mode="overwrite", writer_properties=_properties())


def deltars_merge(folder: str, rows: Rows, *, days: bool = False, spill: int | None = None) -> None:
    """With `days` the condition names the first day, so that files of older days are left out."""
    from deltalake import DeltaTable

    condition = " AND ".join(f"new.{name} = old.{name}" for name in KEY)
    if days:
        condition += f" AND old.{DAY} >= '{rows().read_next_batch()[DAY][0].as_py()}'"
    merger = DeltaTable(Path(folder) / SLUG).merge(
        rows(), condition, "new", "old", writer_properties=_properties(), max_spill_size=spill
    )
    merger.when_matched_update_all().when_not_matched_insert_all().execute()


def _properties() -> Any:
    """The compression of adreel's own files."""
    from deltalake import WriterProperties

    return WriterProperties(compression="ZSTD", compression_level=1)


WORKS: dict[str, Callable[[str, Rows], None]] = {
    "adreel write": adreel_write,
    "delta-rs write": deltars_write,
    "adreel merge": adreel_merge,
    "delta-rs merge": deltars_merge,
    "delta-rs merge, spilling": partial(deltars_merge, spill=SPILL),
    "delta-rs merge, first day named": partial(deltars_merge, days=True),
}
"""What is measured. A merge goes into a copy of what its own writer wrote."""


def lines() -> Iterator[str]:
    """The rows of a table, for each size."""
    yield "| rows | | wall s | CPU s | peak MB | MB of files |"
    yield "| --: | --- | --: | --: | --: | --: |"
    for count in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "bench.writing", "make", folder, str(count)], check=True, cwd=ROOT)
            sums: dict[str, set[str]] = {}
            for work in WORKS:
                cost = _measured(folder, work)
                sums.setdefault("merge" if "merge" in work else "write", set()).add(_content(folder, work))
                yield (
                    f"| {cost.rows:,} | {work} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.peak:.0f} | "
                    f"{cost.size / 1e6:.1f} |"
                )
            assert all(len(contents) == 1 for contents in sums.values()), sums


def _measured(folder: str, work: str) -> Cost:
    words = [sys.executable, "-m", "bench.writing", work, folder]
    process = subprocess.run(words, check=True, stdout=subprocess.PIPE, cwd=ROOT)
    return Cost(**json.loads(process.stdout))


def _content(folder: str, work: str) -> str:
    """Rows and sums of a table, which have to be the same whoever wrote it."""
    import duckdb
    from deltalake import DeltaTable

    files = DeltaTable(place(folder, work) / SLUG).file_uris()
    query = "SELECT count(*), sum(spend), sum(impressions), count(DISTINCT (ad_id, stat_time_day)) FROM read_parquet(?)"
    return str(duckdb.execute(query, [files]).fetchone())


def place(folder: str, work: str) -> Path:
    """The lake that one of `WORKS` writes."""
    return Path(folder) / "".join(letter if letter.isalpha() else "-" for letter in work)


def make(folder: str, count: int) -> None:
    """Puts the rows of a first version, and those that are merged, there as Arrow files."""
    from bench import tables

    days = count // (tables.ADVERTISERS * tables.ADS)
    for name, seed, span in (("write", 0, range(days)), ("merge", 1, range(days - MERGED_DAYS, days))):
        with pa.OSFile(f"{folder}/{name}.arrow", "wb") as sink, pa.ipc.new_stream(sink, tables.SCHEMA) as writer:
            for batch in tables.rows(span, seed):
                writer.write_batch(batch)


def work_alone(folder: str, work: str) -> Cost:
    """Does one of `WORKS` in this process."""
    who, step = work.split()[0], "merge" if "merge" in work else "write"
    # Who is measured has its libraries before, and not those of the other.
    import_module("adreel.lake.commit" if who == "adreel" else "deltalake")
    own = place(folder, work)
    if step == "merge":
        shutil.copytree(place(folder, f"{who} write"), own)
    else:
        own.mkdir()

    def rows() -> Any:
        return pa.ipc.open_stream(pa.OSFile(f"{folder}/{step}.arrow"))

    began, used = time.perf_counter(), time.process_time()
    WORKS[work](str(own), rows)
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024
    deltalake = import_module("deltalake")
    actions = pa.table(deltalake.DeltaTable(own / SLUG).get_add_actions())
    size, count = (sum(actions[name].to_pylist()) for name in ("size_bytes", "num_records"))
    return Cost(wall, cpu, peak, size, count)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]))
    else:
        sys.stdout.write(json.dumps(asdict(work_alone(sys.argv[2], sys.argv[1]))))
