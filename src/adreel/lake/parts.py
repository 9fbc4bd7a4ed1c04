"""Run parts: what a run has read so far, as Arrow files that survive a crash, and small notes beside them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from adreel.errors import DamagedError, NotFoundError
from adreel.lake.columns import conform
from adreel.lake.storage import RUNS, Storage, checked
from adreel.language import phrase

_PART = ".arrow"
_NOTE = ".json"
_ROWS = b"adreel.rows"
_FACTS = b"adreel.facts"
_PLAIN = pa.ipc.IpcReadOptions(use_threads=False)
_AHEAD = 4
"""So many parts are read while the one before is used: in an object store each takes a journey."""
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


@dataclass(frozen=True, slots=True)
class PartInfo:
    """What is known of a part without reading its rows."""

    name: str
    rows: int
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def write_part(storage: Storage, run_id: str, name: str, rows: Any, facts: Mapping[str, Any]) -> PartInfo:
    """Puts a pyarrow Table or RecordBatch there whole or not at all; a part of that name is replaced."""
    noted = {_ROWS: str(rows.num_rows).encode(), _FACTS: json.dumps(dict(facts)).encode()}
    table = rows.replace_schema_metadata(noted)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=_LZ4) as writer:
        writer.write(table)
    with storage.guard(phrase("the parts of run %(run_id)s", run_id=run_id)):
        storage.write(_path(run_id, name) + _PART, sink.getvalue())
    return PartInfo(name, rows.num_rows, facts)


def list_parts(storage: Storage, run_id: str, prefix: str) -> tuple[str, ...]:
    """The names of the run's parts that begin with `prefix`, in order."""
    root = f"{RUNS}/{checked(run_id)}"
    with storage.guard(phrase("the parts of run %(run_id)s", run_id=run_id)):
        infos = storage.list_files(f"{root}/{prefix.rpartition('/')[0]}".rstrip("/"))
    names = (info.path.removeprefix(f"{root}/") for info in infos if info.is_file and info.path.endswith(_PART))
    return tuple(sorted(name.removesuffix(_PART) for name in names if name.startswith(prefix)))


def part_sizes(storage: Storage, run_id: str, folder: str) -> dict[str, int]:
    """The bytes of each part in a folder of the run's, by its name from there on."""
    root = f"{RUNS}/{checked(run_id)}/{folder}"
    with storage.guard(phrase("the parts of run %(run_id)s", run_id=run_id)):
        infos = storage.list_files(root.rstrip("/"))
    return {info.path.removeprefix(root): info.size for info in infos if info.is_file and info.path.endswith(_PART)}


def has_part(storage: Storage, run_id: str, name: str) -> bool:
    """Whether the run has such a part."""
    with storage.guard(phrase("the parts of run %(run_id)s", run_id=run_id)):
        return storage.exists(_path(run_id, name) + _PART)


def read_part_info(storage: Storage, run_id: str, name: str) -> PartInfo:
    """What is known of a part, from the end of its file. Raises NotFoundError, DamagedError."""
    with storage.guard(phrase("part %(name)s of run %(run_id)s", name=name, run_id=run_id)):
        try:
            with storage.files.open_input_file(_path(run_id, name) + _PART) as file:
                noted = pa.ipc.open_file(file, options=_PLAIN).schema.metadata
            return PartInfo(name, int(noted[_ROWS]), json.loads(noted[_FACTS]))
        except FileNotFoundError:
            raise NotFoundError(
                phrase("Run %(run_id)s has no part %(name)s in %(url)s.", run_id=run_id, name=name, url=storage.url)
            ) from None
        except (ValueError, KeyError, TypeError, OSError) as error:
            # Of an error with a number, and of a store that cannot be reached, nobody knows what the file is.
            if isinstance(error, OSError) and (error.errno is not None or storage.folder is None):
                raise
            raise DamagedError(
                phrase(
                    "Part %(name)s of run %(run_id)s at %(url)s is damaged; run again.",
                    name=name,
                    run_id=run_id,
                    url=storage.url,
                )
            ) from None


def read_parts(storage: Storage, run_id: str, prefix: str, schema: Any | None, columns: tuple[str, ...] | None) -> Any:
    """The rows of the parts as a RecordBatchReader that holds one part at a time, in the order of the names.

    Every batch has `schema`: columns that a part lacks are null. Without one the first part's schema is taken. With
    `columns` only these are unpacked.
    """
    names = list_parts(storage, run_id, prefix)
    if schema is None:
        schema = _first_schema(storage, run_id, names)
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    return pa.RecordBatchReader.from_batches(schema, _batches(storage, run_id, names, schema, columns))


def parts_dataset(storage: Storage, run_id: str, prefix: str, schema: Any | None) -> Any:
    """The parts as one pyarrow dataset."""
    # Imported here: 25 MB that a plain run does not need.
    import pyarrow.dataset as pa_dataset

    names = list_parts(storage, run_id, prefix)
    if schema is None:
        schema = _first_schema(storage, run_id, names)
    with storage.guard(phrase("the parts of run %(run_id)s", run_id=run_id)):
        paths = [_path(run_id, name) + _PART for name in names]
        plain = schema.remove_metadata()
        return pa_dataset.dataset(paths, schema=plain, format="ipc", filesystem=storage.files)


def drop_parts(storage: Storage, run_id: str, prefix: str) -> None:
    """Removes the parts whose names begin with `prefix`."""
    names = list_parts(storage, run_id, prefix)
    with storage.guard(phrase("the parts of run %(run_id)s", run_id=run_id)):
        storage.delete([_path(run_id, name) + _PART for name in names])


def write_note(storage: Storage, run_id: str, name: str, value: Any) -> None:
    """Puts a JSON value beside the parts, for good; a note of that name is replaced."""
    with storage.guard(phrase("the notes of run %(run_id)s", run_id=run_id)):
        storage.write(_path(run_id, name) + _NOTE, json.dumps(value).encode(), durable=True)


def read_note(storage: Storage, run_id: str, name: str) -> Any | None:
    """The JSON value of that name; None if there is none, or what is there is no JSON."""
    with storage.guard(phrase("the notes of run %(run_id)s", run_id=run_id)):
        try:
            return json.loads(storage.read(_path(run_id, name) + _NOTE).to_pybytes())
        except (FileNotFoundError, ValueError):
            return None


def list_notes(storage: Storage, run_id: str) -> tuple[str, ...]:
    """The names of the run's notes, in order."""
    root = f"{RUNS}/{checked(run_id)}"
    with storage.guard(phrase("the notes of run %(run_id)s", run_id=run_id)):
        paths = [info.path for info in storage.list_files(root) if info.is_file and info.path.endswith(_NOTE)]
    return tuple(path.removeprefix(f"{root}/").removesuffix(_NOTE) for path in paths)


def list_runs(storage: Storage) -> tuple[str, ...]:
    """The runs that have parts or notes, in order."""
    with storage.guard(phrase("the parts of runs")):
        if storage.folder is not None:
            infos = storage.list_files(RUNS, recursive=False)
            return tuple(info.base_name for info in infos if not info.is_file)
        # By their files: object stores have no folders, and pyarrow does not list those of Google Cloud Storage.
        paths = [info.path for info in storage.list_files(RUNS) if info.is_file]
    return tuple(dict.fromkeys(path.removeprefix(f"{RUNS}/").partition("/")[0] for path in paths))


def drop_run(storage: Storage, run_id: str) -> None:
    """Removes all parts and notes of a run; there may be none."""
    with storage.guard(phrase("the parts of run %(run_id)s", run_id=run_id)):
        storage.delete_folder(f"{RUNS}/{checked(run_id)}")


def _path(run_id: str, name: str) -> str:
    return "/".join((RUNS, checked(run_id), *(checked(step) for step in name.split("/"))))


def _first_schema(storage: Storage, run_id: str, names: tuple[str, ...]) -> Any:
    if not names:
        raise NotFoundError(
            phrase("Run %(run_id)s has no parts in %(url)s; run the dataset again.", run_id=run_id, url=storage.url)
        )
    return _part_batches(storage, run_id, names[0], None)[0].schema.remove_metadata()


def _batches(
    storage: Storage, run_id: str, names: tuple[str, ...], schema: Any, columns: tuple[str, ...] | None
) -> Iterator[Any]:
    coming: deque[Future[list[Any]]] = deque()
    with ThreadPoolExecutor(_AHEAD) as readers:
        for name in names:
            coming.append(readers.submit(_part_batches, storage, run_id, name, columns))
            if len(coming) > _AHEAD:
                yield from (conform(batch, schema) for batch in coming.popleft().result())
        while coming:
            yield from (conform(batch, schema) for batch in coming.popleft().result())


def _part_batches(storage: Storage, run_id: str, name: str, columns: tuple[str, ...] | None) -> list[Any]:
    """A part's batches, one at least; the file is read whole, which for pages is quicker than to map it."""
    with storage.guard(phrase("part %(name)s of run %(run_id)s", name=name, run_id=run_id)):
        data = storage.read(_path(run_id, name) + _PART)
        reader = pa.ipc.open_file(data, options=_PLAIN)
        if columns is not None:
            fields = [number for number, field in enumerate(reader.schema) if field.name in columns]
            chosen = pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)
            reader = pa.ipc.open_file(data, options=chosen)
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    return batches or [pa.RecordBatch.from_pylist([], reader.schema)]
