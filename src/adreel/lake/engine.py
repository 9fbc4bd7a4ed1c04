"""DuckDB within bounds: little memory, a folder of its own for what does not fit, no settings of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import duckdb

from adreel.errors import StorageError
from adreel.language import phrase

THREADS = 2
"""Each thread needs memory of its own."""


@contextmanager
def engine(memory: str, threads: int = THREADS) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty DuckDB while the block runs. Its faults of memory and disk become StorageError."""
    with TemporaryDirectory(prefix="adreel-") as folder:
        connection = start(folder, memory, threads)
        try:
            yield connection
        except duckdb.Error as error:
            raise fault(error) from error
        finally:
            connection.close()


def start(folder: str, memory: str, threads: int, disk: str | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB that spills to `folder`, at most `disk`, and takes an instant's day to be its day in UTC."""
    connection = duckdb.connect(
        config={
            "memory_limit": memory,
            "threads": str(max(1, min(threads, os.cpu_count() or 1))),
            "temp_directory": folder,
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            # The system keeps what was read of files; a second copy in memory saved no time where it was measured.
            "enable_external_file_cache": "false",
        }
    )
    if disk is not None:
        connection.execute(f"SET max_temp_directory_size = {literal(disk)}")
    connection.execute("SET parquet_metadata_cache = true")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def lock(connection: duckdb.DuckDBPyConnection, *, paths: Iterable[str] = (), folders: Iterable[str] = ()) -> None:
    """From here on files outside `paths` and `folders`, the network and the settings are out of reach."""
    for setting in (
        f"allowed_paths = [{', '.join(map(literal, paths))}]",
        f"allowed_directories = [{', '.join(map(literal, folders))}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def fault(error: duckdb.Error) -> StorageError:
    """The StorageError for what DuckDB could not do."""
    reason = str(error).splitlines()[0][:200]
    return StorageError(
        phrase(
            "The rows could not be processed (%(reason)s); free disk space and memory, then try again.", reason=reason
        )
    )


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def sql(*parts: str) -> str:
    """A statement from its parts, in which names went through `quoted` and texts through `literal`."""
    return " ".join(parts)


def literal(text: str) -> str:
    """A text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"
