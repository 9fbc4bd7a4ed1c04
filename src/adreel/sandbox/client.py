"""SQL of people in processes of their own, as the rest of adreel asks it."""

from __future__ import annotations

import json
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock
from time import monotonic
from typing import IO, Any, Self

from adreel.errors import CancelledError, InputError, RetryError, StopError, StorageError
from adreel.lake import Lake
from adreel.lake.sql_errors import QueryError, SqlPlace
from adreel.language import phrase
from adreel.sandbox.limits import QueryLimits
from adreel.sandbox.request import ORDER, QueryRequest
from adreel.stored_texts import translated

PIECE = 1 << 18
"""Bytes of an answer that are taken at a time."""

LOOK = 0.05
"""Seconds between two looks at whether anybody still waits for the answer."""

GRACE = 5.0
"""Seconds after its time within which the end of a child must be reported; later its launcher is out of order."""

IN_MEMORY = 1 << 20
"""Bytes of an answer kept in memory; the rest of a larger one is on disk."""

INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT")
"""Variables that a launcher is started with; no other is."""

SMALL = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OMP_NUM_THREADS": "1",
}
"""Variables by which libraries reserve little memory and begin no threads before the fork."""

_ERRORS = {"input": InputError, "storage": StorageError}


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """An answer in the form that was asked for: `file` is at its beginning and is the caller's to close.

    `rows` is None for a statement without an answer.
    """

    file: IO[bytes]
    rows: int | None


class Sandbox:
    """A launcher that is started when it is first needed, and the children that it makes. For several threads."""

    def __init__(self) -> None:
        """Starts nothing yet."""
        self._lock = Lock()
        self._launcher: _LauncherProcess | None = None

    def start(self) -> None:
        """Starts the launcher, which takes half a second, so that the first query need not wait for it."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """Ends the launcher and all queries; the next query starts another."""
        with self._lock:
            if self._launcher is not None:
                self._launcher.end()
            self._launcher = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: QueryRequest, *, given_up: Event | None = None, into: IO[bytes] | None = None) -> AnswerFile:
        """The answer, whole, in a file without a name, or written to `into`.

        Raises QueryError for SQL that DuckDB cannot do, InputError for SQL that is not taken and for limits that were
        met, StorageError, and CancelledError once `given_up` is set from another thread.
        """
        sink: IO[bytes] = into or tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the caller's to close
        try:
            with self._child(request) as child:
                rows = child.answered(sink, given_up)
            if into is None:
                sink.seek(0)
            return AnswerFile(sink, rows)
        except BaseException:
            if into is None:
                sink.close()
            raise

    def _child(self, request: QueryRequest) -> _Child:
        with self._lock:
            try:
                return _Child(self._running().fork(request.limits), request)
            except OSError:
                # It was ended from outside; another one is as good.
                if self._launcher is not None:
                    self._launcher.end()
                self._launcher = None
                return _Child(self._running().fork(request.limits), request)

    def _running(self) -> _LauncherProcess:
        if self._launcher is None:
            self._launcher = _LauncherProcess()
        return self._launcher


class _LauncherProcess:
    """The process of `adreel.sandbox.launcher`, which ends when this is gone, however that comes."""

    def __init__(self) -> None:
        own_end, child_end = socket.socketpair()
        with child_end:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours, a number
                [sys.executable, "-m", "adreel.sandbox.launcher", str(child_end.fileno())],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[child_end.fileno()],
                start_new_session=True,
            )
        self._orders = own_end
        self.end = weakref.finalize(self, _end, self._process, own_end)

    def fork(self, limits: QueryLimits) -> tuple[socket.socket, socket.socket]:
        """The sockets of a new child: its request and answer, and how it ended. OSError if the launcher is gone."""
        answer, childs_answer = socket.socketpair()
        status, childs_status = socket.socketpair()
        with childs_answer, childs_status:
            try:
                order = ORDER.pack(limits.seconds)
                socket.send_fds(self._orders, [order], [childs_answer.fileno(), childs_status.fileno()])
            except OSError:
                answer.close()
                status.close()
                raise
        return answer, status


def _environment() -> dict[str, str]:
    given = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return given | SMALL | {"TMPDIR": tempfile.gettempdir()}


def _end(process: subprocess.Popen[bytes], orders: socket.socket) -> None:
    orders.close()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Child:
    """One child at work; it is given up when this is closed."""

    def __init__(self, sockets: tuple[socket.socket, socket.socket], request: QueryRequest) -> None:
        self._answer, self._status = sockets
        self._limits = request.limits
        self._request = pickle.dumps(request)
        self._told = b""
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()
        self._status.close()

    def answered(self, sink: IO[bytes], given_up: Event | None) -> int | None:
        """Writes the answer to `sink`; its rows."""
        latest = monotonic() + self._limits.seconds + GRACE
        with selectors.DefaultSelector() as selector:
            self._answer.setblocking(False)
            selector.register(self._answer, selectors.EVENT_READ | selectors.EVENT_WRITE, self._answer)
            selector.register(self._status, selectors.EVENT_READ, self._status)
            while selector.get_map():
                for key, events in selector.select(LOOK):
                    if key.fileobj is self._status:
                        self._listen(selector)
                    else:
                        self._exchange(selector, events, sink)
                if given_up is not None and given_up.is_set():
                    raise CancelledError(phrase("The query was cancelled."))
                if monotonic() > latest:
                    raise InputError(self._limits.out_of_time)
        return self._rows()

    def _exchange(self, selector: selectors.BaseSelector, events: int, sink: IO[bytes]) -> None:
        """Sends the request on, and takes what came of the answer."""
        try:
            if events & selectors.EVENT_WRITE:
                self._request = self._request[self._answer.send(self._request[:PIECE]) :]
                if not self._request:
                    self._answer.shutdown(socket.SHUT_WR)
                    selector.modify(self._answer, selectors.EVENT_READ)
            piece = self._answer.recv(PIECE) if events & selectors.EVENT_READ else None
        except BlockingIOError:
            return
        except OSError:
            # The child ended before it took everything, which its status tells.
            piece = b""
        if piece == b"":
            selector.unregister(self._answer)
        elif piece:
            self._size += len(piece)
            if self._size > self._limits.output:
                raise InputError(self._limits.too_large)
            sink.write(piece)

    def _listen(self, selector: selectors.BaseSelector) -> None:
        piece = b""
        with suppress(OSError):
            piece = self._status.recv(PIECE)
        self._told += piece
        if not piece:
            selector.unregister(self._status)

    def _rows(self) -> int | None:
        lines = [json.loads(line) for line in self._told.splitlines()]
        end: Mapping[str, Any] = lines[-1] if lines else {"fault": "the process that starts queries ended"}
        if "fault" in end:
            raise RetryError(
                phrase("The query could not be started: %(reason)s. Try again in a minute.", reason=end["fault"])
            )
        if end.get("late"):
            raise InputError(self._limits.out_of_time)
        report = lines[0] if len(lines) > 1 else None
        if report is None:
            raise self._broken_off(end.get("exit"))
        if "rows" in report:
            rows: int | None = report["rows"]
            return rows
        # The child speaks English.
        if report["kind"] == "query":
            place = SqlPlace(*report["place"]) if report["place"] else None
            raise QueryError(translated(report["message"]), place, report["excerpt"])
        raise _ERRORS.get(report["kind"], StopError)(translated(report["message"]))

    def _broken_off(self, code: int | None) -> InputError:
        """The error for a child that ended without a word."""
        if code == -signal.SIGXCPU:
            return InputError(self._limits.out_of_time)
        if code in (-signal.SIGABRT, -signal.SIGKILL):
            # How libraries end a process that gets no more memory, and how the system does.
            return InputError(self._limits.out_of_memory)
        return InputError(
            phrase(
                "The query crashed its process (exit %(code)s): it is nested too deeply or hit a DuckDB bug. Rewrite "
                "it.",
                code=code,
            )
        )


def object_store_environment(lake: Lake, environ: Mapping[str, str]) -> dict[str, str]:
    """What a child must know to read the lake: nothing of a folder; of an object store all but adreel's own."""
    if lake.is_folder:
        return {}
    return {name: value for name, value in environ.items() if not name.startswith("ADREEL_")}
