"""DuckDB within bounds: little memory, a folder of its own for what does not fit, no settings of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import duckdb

from adreel.errors import StorageError

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


def start(folder: str, memory: str, threads: int) -> duckdb.DuckDBPyConnection:
    """A DuckDB that spills to `folder` and takes an instant's day to be its day in UTC."""
    connection = duckdb.connect(
        config={
            "memory_limit": memory,
            "threads": str(max(1, min(threads, os.cpu_count() or 1))),
            "temp_directory": folder,
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def fault(error: duckdb.Error) -> StorageError:
    """The StorageError for what DuckDB could not do."""
    reason = str(error).splitlines()[0][:200]
    return StorageError(f"The rows could not be worked through ({reason}); free disk space and memory, then try again.")


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def sql(*parts: str) -> str:
    """A statement from its parts, in which names went through `quoted` and texts through `literal`."""
    return " ".join(parts)


def literal(text: str) -> str:
    """A text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"
