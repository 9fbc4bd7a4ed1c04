"""One query in a process of its own, from the request to the last byte of the answer."""

from __future__ import annotations

import errno
import json
import os
import pickle
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NoReturn

import pyarrow as pa

from adreel.errors import AdreelError, InputError, StorageError
from adreel.export.files import stream
from adreel.lake.query import Bounds, Connection
from adreel.lake.sql_check import NESTED
from adreel.lake.sql_errors import QueryError
from adreel.lake.storage import Storage
from adreel.sandbox import answers
from adreel.sandbox.limits import THREADS, QueryLimits, end_processes, limit, loosen
from adreel.sandbox.request import QueryRequest

COSTLY = "pyarrow.compute"
"""What files are written with, and pages and programs do without: importing it is half of what a short query takes."""

IMPORTED = 3
"""The exit code of a child that was done and imported it."""

LONGEST_MESSAGE = 2_000
"""Characters of what is told of a failure: DuckDB repeats in it the value, of any size, that it failed at."""


def run(answer: socket.socket, status: socket.socket, folder: str) -> NoReturn:
    """Reads the request from `answer` and writes the answer there; then a line of JSON to `status`, and ends.

    The line has `rows`, null for a statement without an answer; or `kind` and `message` of what went wrong. The
    process that started this one sees to the time. The exit code is `IMPORTED` after an import of `COSTLY`.
    """
    had = COSTLY in sys.modules
    _leave_behind(folder)
    with answer.makefile("rb") as source:
        # From the process that this one works for; nothing of a person's is unpacked here.
        request: QueryRequest = pickle.load(source)  # noqa: S301
    limit(request.limits)
    try:
        with _limits_named(request.limits), answer.makefile("wb") as sink:
            end: dict[str, Any] = {"rows": _answered(request, folder, sink)}
    except QueryError as error:
        place = [error.place.line, error.place.column] if error.place else None
        end = {"kind": "query", "message": _cut(error.reason), "place": place, "excerpt": error.excerpt}
    except AdreelError as error:
        end = {"kind": _kind(error), "message": _cut(error.message)}
    except BaseException as error:  # noqa: BLE001 - told to the process that waits, which raises it
        loosen()
        end = {"kind": "bug", "message": _cut(f"{type(error).__name__}: {error}")}
    status.sendall(json.dumps(end).encode() + b"\n")
    os._exit(0 if had or COSTLY not in sys.modules else IMPORTED)


def _leave_behind(folder: str) -> None:
    """Nothing of the process that this one was forked from: no folder, no terminal."""
    os.chdir(folder)
    tempfile.tempdir = folder
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    sys.setrecursionlimit(1_000)


def _answered(request: QueryRequest, folder: str, sink: IO[bytes]) -> int | None:
    """Writes the answer; its rows, or None if the query has none."""
    os.environ.update(request.environ)
    storage = Storage(request.snapshot.url)
    # The other half is for what DuckDB does not count, and for the form of the answer.
    bounds = Bounds(f"{request.limits.memory // 2}B", f"{request.limits.disk}B", THREADS, folder)
    with Connection(storage, request.snapshot.views, bounds, read_only=request.read_only) as connection:
        if storage.folder is not None:
            # Object stores are read by threads that begin when they are needed.
            end_processes()
        if request.form in answers.FIRST_ROWS:
            table = connection.rows(request.sql, request.most_rows + 1)
            return None if table is None else answers.FIRST_ROWS[request.form](table, request, sink)
        reader = connection.reader(request.sql)
        return None if reader is None else _file(reader, request, sink)


def _file(reader: Any, request: QueryRequest, sink: IO[bytes]) -> int:
    rows = 0

    def counted() -> Iterator[Any]:
        nonlocal rows
        for batch in reader:
            rows += batch.num_rows
            yield batch

    counting = pa.RecordBatchReader.from_batches(reader.schema, counted())
    for piece in stream(counting, request.form, for_spreadsheet=request.for_spreadsheet):
        sink.write(piece)
    return rows


@contextmanager
def _limits_named(limits: QueryLimits) -> Iterator[None]:
    """Says in words which limit was met."""
    try:
        yield
    except (MemoryError, pa.ArrowMemoryError):
        loosen()
        raise InputError(limits.out_of_memory) from None
    except StorageError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno == errno.EFBIG:
            raise InputError(limits.too_large) from None
        raise
    except OSError as error:
        if error.errno == errno.ENOMEM:
            loosen()
            raise InputError(limits.out_of_memory) from None
        if error.errno in (errno.ENOSPC, errno.EFBIG):
            raise InputError(limits.out_of_disk) from None
        raise
    except RecursionError:
        raise InputError(NESTED) from None


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"


def _kind(error: AdreelError) -> str:
    for kind, name in ((InputError, "input"), (StorageError, "storage")):
        if isinstance(error, kind):
            return name
    return "bug"
