"""The files of tables, for a backup: which belong to a table up to a version, and their bytes as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from adreel.errors import InputError, RetryError
from adreel.lake.storage import CHECKED, PROBE, RUNS, Storage, checked
from adreel.lake.tables import LOG, find_table, log_versions, read_commits
from adreel.language import phrase


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file below the lake's root, and its bytes."""

    path: str
    size: int


def table_files(storage: Storage, slug: str, version: int | None) -> tuple[LakeFile, ...]:
    """The files of all versions up to this one, or of all, data first; none if there is no such table.

    Whoever reads them while others commit has a whole table: files of versions never change, and later ones are left
    out. Deletions are another matter (`read_file`).
    """
    numbers = [number for number in log_versions(storage, slug) if version is None or number <= version]
    if not numbers:
        return ()
    with storage.guard(phrase("the table %(table)s", table=slug)):
        earliest = find_table(storage, slug, numbers[0])
        assert earliest is not None, "a version that the log has can be opened"
        needed = {file.path: file.size for file in earliest.files}
        for actions in read_commits(storage, slug, tuple(numbers[1:])).values():
            needed |= {action["add"]["path"]: action["add"]["size"] for action in actions if "add" in action}
        data = [LakeFile(f"{slug}/{path}", size) for path, size in sorted(needed.items())]
        log = [
            LakeFile(f"{slug}/{LOG}/{info.base_name}", info.size)
            for info in storage.list_files(f"{slug}/{LOG}", recursive=False)
            if info.is_file and info.base_name[:20].isdigit() and int(info.base_name[:20]) <= numbers[-1]
        ]
    return (*data, *log)


@contextmanager
def read_file(storage: Storage, file: LakeFile) -> Iterator[Any]:
    """The file as a stream. Raises RetryError if it was deleted meanwhile."""
    try:
        with storage.guard(file.path), storage.files.open_input_stream(file.path) as stream:
            yield stream
    except BaseException:
        if not storage.exists(file.path):
            raise RetryError(
                phrase(
                    "%(path)s was deleted while it was read, by a vacuum or the deletion of a dataset. Try again.",
                    path=file.path,
                )
            ) from None
        raise


@contextmanager
def write_file(storage: Storage, path: str) -> Iterator[Any]:
    """A stream whose bytes are the file at the path, on the disk when the block ends. InputError for a bad path."""
    for name in path.split("/"):
        if name != LOG:
            checked(name)
    with storage.guard(path):
        if storage.folder is not None:
            storage.files.create_dir(path.rpartition("/")[0], recursive=True)
        with storage.files.open_output_stream(path) as stream:
            yield stream
        storage.flush(path)


def refuse_tables(storage: Storage) -> None:
    """Raises InputError if there is anything in the lake."""
    with storage.guard(phrase("the lake")):
        names = [info.base_name for info in storage.list_files("", recursive=False)]
    others = [name for name in names if name not in (RUNS, CHECKED) and not name.startswith(PROBE)]
    if others:
        shown = ", ".join(others[:3])
        raise InputError(
            phrase(
                "The lake %(url)s is not empty (%(shown)s). Restore into an empty one, or move it away.",
                url=storage.url,
                shown=shown,
            )
        )
