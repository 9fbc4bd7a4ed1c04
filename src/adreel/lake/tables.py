"""Delta tables: opened, described, and committed to in one step."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from threading import Lock
from typing import Any, Generic, TypeVar

import pyarrow as pa
from cachetools import LRUCache
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from adreel.errors import InputError, NotFoundError
from adreel.lake.calculated import CalculatedColumn
from adreel.lake.files import DataFile, read_file
from adreel.lake.storage import Storage, checked
from adreel.lake.text_hours import seen_schema, stored_schema
from adreel.language import phrase

NOTE = "adreel"
"""The key under which a commit of the Delta log says which run made it, and how."""

LOG = "_delta_log"

READERS = 16
"""Files of the log that are fetched from an object store at a time."""

TABLES = 64
"""Versions of tables whose state is kept between calls."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class TableState:
    """A table as one version left it; `delta` is delta-rs's own handle.

    `schema` are the stored columns. `calculated` are computed from them when the table is read. `order` is that in
    which readers see stored columns; those that it does not name come behind these, as they are stored.
    """

    slug: str
    version: int
    schema: Any
    files: tuple[DataFile, ...]
    delta: Any
    calculated: tuple[CalculatedColumn, ...] = ()
    order: tuple[str, ...] = ()

    @property
    def readable(self) -> Any:
        """The schema that readers see: the stored columns in `order`, and behind them those that are calculated."""
        places = {name: place for place, name in enumerate(self.order)}
        stored = sorted(self.schema, key=lambda field: places.get(field.name, len(places)))
        return pa.schema([*stored, *(column.field for column in self.calculated)])

    def in_order(self, names: Iterable[str]) -> TableState:
        """The table whose readers see these columns first and in this order; the files stay as they are."""
        return replace(self, order=tuple(names))

    def with_calculated(self, columns: Iterable[CalculatedColumn]) -> TableState:
        """The table with those of these columns whose parts this version has, and whose names it does not store."""
        names = frozenset(self.schema.names)
        computable = (column for column in columns if names.issuperset(column.parts) and column.name not in names)
        return replace(self, calculated=tuple(computable))

    @property
    def rows(self) -> int:
        """Rows of the version."""
        return sum(file.rows for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of the version's files."""
        return sum(file.size for file in self.files)

    @property
    def content(self) -> tuple[str, ...]:
        """What tells the rows from those of any other version: files have names of their own and never change.

        Formulas can, and rows are ranked and counted by what they give.
        """
        formulas = (f"{column.name}: {column.sql}" for column in self.calculated)
        return (self.slug, *self.schema.names, *(file.path for file in self.files), *formulas)

    @property
    def shown(self) -> TableState:
        """The same without delta-rs's handle: enough to read it, and another process can be sent it."""
        return replace(self, delta=None)

    def day_ends(self, column: str | None) -> tuple[date, date] | None:
        """The first and last day of a column of days or hours, from what is known of the files; None if unknown."""
        ranges = [file.ranges.get(column) for file in self.files if file.rows] if column else []
        bounded = [ends for ends in ranges if ends is not None]
        if not bounded or len(bounded) < len(ranges):
            return None
        # A day, an hour, or either as a text.
        least, most = min(first for first, _ in bounded), max(last for _, last in bounded)
        return date.fromisoformat(str(least)[:10]), date.fromisoformat(str(most)[:10])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Some tables of the lake at `url` as they were, each under the name of a view. Can be sent to another process."""

    url: str
    views: Mapping[str, TableState]


class Recent(Generic[K, V]):
    """The values of the last few keys; may be used from several threads."""

    def __init__(self, size: int, weigh: Callable[[V], int] | None = None) -> None:
        """Keeps `size` values, or values that weigh so much together."""
        self._values: LRUCache[K, V] = LRUCache(size, weigh)
        self._lock = Lock()

    def find(self, key: K) -> V | None:
        """The value, if it is kept still."""
        with self._lock:
            return self._values.get(key)

    def keep(self, key: K, value: V) -> None:
        """Keeps a value, in place of the one that was used least recently."""
        with self._lock:
            self._values[key] = value

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value, made if it is not there. Two threads may make it at the same time."""
        value = self.find(key)
        if value is None:
            value = make()
            self.keep(key, value)
        return value

    def clear(self) -> None:
        """Forgets all values."""
        with self._lock:
            self._values.clear()


Answers = Recent[tuple[tuple[tuple[str, ...], ...], str], list[tuple[Any, ...]]]
"""Rows by the content of tables and the query."""

ANSWER_ROWS = 20_000
"""Rows of all answers that are kept."""


FileSums = Recent[tuple[str, str, str | None, tuple[str, ...], tuple[str, ...]], list[tuple[Any, ...]]]
"""Sums over files: by table, file, column of days, and the columns of groups and sums; a row for each group."""

KEPT_SUMS = 10_000
"""Rows of all sums of files that are kept."""


class TableCache:
    """Tables as their versions left them, each read from the log once.

    A version never changes, so a look at its own entry and whether there is a next one is enough: the whole log is
    read only for a version that was not seen yet. The entry's time and size tell a table from one of the same name
    that was removed.
    """

    def __init__(self, storage: Storage) -> None:
        """The cache of the lake at `storage`."""
        self.storage = storage
        self._newest: Recent[str, int] = Recent(TABLES)
        self._states: Recent[tuple[str, int], tuple[_Stamp, TableState]] = Recent(TABLES)

    def find(self, slug: str, version: int | None = None) -> TableState | None:
        """Like `find_table`, for a version whose entry the log still holds."""
        with self.storage.guard(phrase("the table %(table)s", table=slug)):
            number, stamp = self._look(slug, version)
        if stamp is None:
            return None
        cached = self._states.find((slug, number))
        if cached is not None and cached[0] == stamp:
            return cached[1]
        state = find_table(self.storage, slug, number)
        if state is not None:
            self._states.keep((slug, number), (stamp, state))
        return state

    def open(self, slug: str, version: int | None = None) -> TableState:
        """Like `open_table`."""
        return self.find(slug, version) or open_table(self.storage, slug, version)

    def clear(self) -> None:
        """Forgets all tables."""
        self._newest.clear()
        self._states.clear()

    def _look(self, slug: str, version: int | None) -> tuple[int, _Stamp | None]:
        """The version, or the newest, and the stamp of its entry; None if the log has none."""
        checked(slug)
        if version is not None:
            return version, self._stamps(slug, version)[0]
        newest = self._newest.find(slug)
        if newest is not None:
            stamp, later = self._stamps(slug, newest, newest + 1)
            if stamp is not None and later is None:
                return newest, stamp
        numbers = log_versions(self.storage, slug)
        if not numbers:
            return 0, None
        self._newest.keep(slug, numbers[-1])
        return numbers[-1], self._stamps(slug, numbers[-1])[0]

    def _stamps(self, slug: str, *versions: int) -> list[_Stamp | None]:
        infos = self.storage.files.get_file_info([_entry(slug, version) for version in versions])
        return [(info.mtime_ns, info.size) if info.is_file else None for info in infos]


_Stamp = tuple[int, int]
"""When an entry of the log was written, and its size."""


def find_table(storage: Storage, slug: str, version: int | None = None) -> TableState | None:
    """The table as `version` or the latest left it, or None if there is no table yet."""
    with storage.guard(phrase("the table %(table)s", table=slug)):
        if storage.folder is not None and not storage.list_files(f"{slug}/{LOG}", recursive=False):
            # Asked first, as delta-rs tells a folder without access from one that is not there by no error of its own.
            return None
        try:
            delta = DeltaTable(storage.table_url(slug), version=version, storage_options=storage.delta_options)
        except TableNotFoundError:
            return None
        return TableState(slug, delta.version(), seen_schema(pa.schema(delta.schema())), _files(delta), delta)


def open_table(storage: Storage, slug: str, version: int | None = None) -> TableState:
    """Like `find_table`. Raises NotFoundError if there is no table yet, or no such version any more."""
    latest = find_table(storage, slug)
    if latest is None:
        raise no_table(storage, slug)
    if version is None or version == latest.version:
        return latest
    numbers = log_versions(storage, slug)
    table_state = find_table(storage, slug, version) if version in numbers else None
    if table_state is None:
        if numbers and 0 <= version < numbers[0]:
            raise NotFoundError(
                phrase(
                    "Version %(version)s of the table %(table)s is no longer kept; available: %(versions)s.",
                    version=version,
                    table=slug,
                    versions=_spans(numbers),
                )
            )
        raise NotFoundError(
            phrase(
                "The table %(table)s has no version %(version)s; available: %(versions)s.",
                table=slug,
                version=version,
                versions=_spans(numbers),
            )
        )
    return table_state


def _entry(slug: str, version: int) -> str:
    return f"{slug}/{LOG}/{version:020}.json"


def no_table(storage: Storage, slug: str) -> NotFoundError:
    """The error for a table that is not there."""
    return NotFoundError(
        phrase("The table %(table)s does not exist in %(url)s yet; run its dataset first.", table=slug, url=storage.url)
    )


def log_versions(storage: Storage, slug: str) -> tuple[int, ...]:
    """The versions whose commits the log still holds, oldest first."""
    with storage.guard(phrase("the table %(table)s", table=slug)):
        names = [info.base_name for info in storage.list_files(f"{slug}/{LOG}", recursive=False)]
    return tuple(sorted(int(name[:20]) for name in names if name[20:] == ".json" and name[:20].isdigit()))


def read_commit(storage: Storage, slug: str, version: int) -> list[dict[str, Any]]:
    """The actions of a version's commit, as the Delta log holds them. Raises FileNotFoundError."""
    lines = storage.read(_entry(slug, version)).to_pybytes().splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def read_commits(storage: Storage, slug: str, versions: tuple[int, ...]) -> dict[int, list[dict[str, Any]]]:
    """The commits of several versions; those that went in the meantime are left out.

    Not delta-rs's history: it numbers commits by counting back, which is wrong once the log has a gap.
    """

    def read(version: int) -> list[dict[str, Any]] | None:
        try:
            return read_commit(storage, slug, version)
        except FileNotFoundError:
            return None

    if storage.folder is not None:
        commits = list(map(read, versions))
    else:
        with ThreadPoolExecutor(READERS) as pool:
            commits = list(pool.map(read, versions))
    return {version: actions for version, actions in zip(versions, commits, strict=True) if actions is not None}


def commit_info(actions: list[dict[str, Any]]) -> dict[str, Any]:
    """Who made a commit, when and how."""
    return next((action["commitInfo"] for action in actions if "commitInfo" in action), {})


def dataset_of(storage: Storage, table: TableState, files: tuple[DataFile, ...] | None = None) -> Any:
    """The version, or some of its files, as a pyarrow dataset whose files are skipped by their ranges.

    It has hours that are kept as text as the files do. Not delta-rs's own: its guarantees for files leave out that a
    column may hold nulls.
    """
    # Imported here: 25 MB that a plain run does not need.
    import pyarrow.dataset as pa_dataset

    parquet, schema = pa_dataset.ParquetFileFormat(), stored_schema(table.schema)
    fragments = [
        parquet.make_fragment(f"{table.slug}/{file.path}", storage.files, _guarantee(pa_dataset, file, schema))
        for file in (table.files if files is None else files)
    ]
    return pa_dataset.FileSystemDataset(fragments, schema, parquet, storage.files)


def read_table(storage: Storage, table: TableState, columns: tuple[str, ...] | None = None) -> Any:
    """The version's rows as a RecordBatchReader that holds one row group at a time. Raises InputError."""
    missing = [name for name in columns or () if name not in table.schema.names]
    if missing:
        raise InputError(
            phrase("The table %(table)s has no columns %(columns)s.", table=table.slug, columns=", ".join(missing))
        )
    schema = table.schema if columns is None else pa.schema([table.schema.field(name) for name in columns])

    def batches() -> Iterator[Any]:
        with storage.guard(phrase("the table %(table)s", table=table.slug)):
            for file in table.files:
                yield from read_file(storage, table.slug, file, schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _guarantee(pa_dataset: Any, file: DataFile, schema: Any) -> Any:
    guarantee = pa_dataset.scalar(True)
    for name, (least, most) in file.ranges.items():
        if file.nulls.get(name) == 0:
            kind = schema.field(name).type
            column = pa_dataset.field(name)
            guarantee = guarantee & (column >= pa.scalar(least, kind)) & (column <= pa.scalar(most, kind))
    return guarantee


def _spans(numbers: tuple[int, ...]) -> str:
    if not numbers:
        return phrase("none")
    if numbers == tuple(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 2:
        return phrase("%(first)s to %(last)s", first=numbers[0], last=numbers[-1])
    return ", ".join(map(str, numbers))


def _files(delta: Any) -> tuple[DataFile, ...]:
    table = pa.table(delta.get_add_actions(flatten=True))
    prefix = len("min.")
    ranged = [name[prefix:] for name in table.column_names if name.startswith("min.")]
    return tuple(
        DataFile(
            row["path"],
            row["num_records"],
            row["size_bytes"],
            {name: (row[f"min.{name}"], row[f"max.{name}"]) for name in ranged if row[f"min.{name}"] is not None},
            {name: row[f"null_count.{name}"] for name in ranged if row[f"null_count.{name}"] is not None},
        )
        for row in table.to_pylist()
    )
