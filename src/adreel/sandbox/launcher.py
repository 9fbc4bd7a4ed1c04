"""The process from which children are forked: it has everything imported, holds no secret, and keeps the time.

Started by `adreel.sandbox.client` with one end of a socket. For each child it gets two sockets: the request and the
answer go over one, and the other says how the child ended. Whoever closes the latter gives the child up.

It ends, and its children with it, when the process that started it does.
"""

from __future__ import annotations

import adreel.own_process  # noqa: F401 # isort: skip - before Arrow is imported

import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from tempfile import mkdtemp
from time import monotonic

from adreel.sandbox import child
from adreel.sandbox.limits import own_group
from adreel.sandbox.request import ORDER

ENOUGH = 2
"""Children that import what this process could have: a command has one query, and nothing after it."""


@dataclass(eq=False, slots=True)
class _Job:
    """A child that lives: `status` is the socket on which its end is reported, `folder` its own."""

    pid: int
    status: socket.socket
    folder: str
    deadline: float
    late: bool = False

    def kill(self) -> None:
        # Not reaped yet, so the number is this child's still.
        os.kill(self.pid, signal.SIGKILL)


@dataclass(slots=True)
class _Launcher:
    """The loop over the socket of the orders, the children and their time."""

    orders: socket.socket
    jobs: list[_Job] = field(default_factory=list)
    imports: int = 0
    """Children so far that imported `COSTLY`."""

    def run(self) -> None:
        """Until the other end of `orders` is closed."""
        with _child_ends() as ended, selectors.DefaultSelector() as selector:
            selector.register(self.orders, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            try:
                while self._turn(selector, ended):
                    self._prepare()
            finally:
                for job in self.jobs:
                    job.kill()
                for job in list(self.jobs):
                    self._reap(selector, job, os.waitpid(job.pid, 0)[1])

    def _turn(self, selector: selectors.BaseSelector, ended: socket.socket) -> bool:
        waits = min((job.deadline for job in self.jobs if not job.late), default=None)
        for key, _ in selector.select(None if waits is None else max(0.0, waits - monotonic())):
            if key.fileobj is self.orders:
                if not self._begin(selector, ended):
                    return False
            elif key.fileobj is ended:
                ended.recv(4096)
            elif key.data in self.jobs and not _alive(key.data.status):
                selector.unregister(key.data.status)
                key.data.kill()
        for job in self.jobs:
            if not job.late and monotonic() >= job.deadline:
                job.late = True
                job.kill()
        for job in list(self.jobs):
            pid, status = os.waitpid(job.pid, os.WNOHANG)
            if pid:
                self._reap(selector, job, status)
        return True

    def _prepare(self) -> None:
        """Imports what children import again and again: 10 MB of this process, for a server whose people take files."""
        if self.imports >= ENOUGH and child.COSTLY not in sys.modules:
            import_module(child.COSTLY)
            gc.freeze()

    def _begin(self, selector: selectors.BaseSelector, ended: socket.socket) -> bool:
        order, numbers, _, _ = socket.recv_fds(self.orders, ORDER.size, 2)
        if not order:
            return False
        (seconds,) = ORDER.unpack(order)
        answer, status = (socket.socket(fileno=number) for number in numbers)
        parent = os.getpid()
        try:
            folder = mkdtemp(prefix="adreel-")
            pid = os.fork()
        except OSError as error:
            with answer, status:
                status.sendall(json.dumps({"fault": error.strerror or str(error)}).encode() + b"\n")
            return True
        if pid == 0:
            own_group(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in (self.orders, ended, *(job.status for job in self.jobs)):
                other.close()
            child.run(answer, status, folder)
        answer.close()
        job = _Job(pid, status, folder, monotonic() + seconds)
        self.jobs.append(job)
        selector.register(status, selectors.EVENT_READ, job)
        return True

    def _reap(self, selector: selectors.BaseSelector, job: _Job, status: int) -> None:
        self.jobs.remove(job)
        if job.status in selector.get_map():
            selector.unregister(job.status)
        code = os.waitstatus_to_exitcode(status)
        if code == child.IMPORTED:
            self.imports, code = self.imports + 1, 0
        end = {"exit": code, "late": job.late}
        try:
            job.status.sendall(json.dumps(end).encode() + b"\n")
        except OSError:
            # Nobody waits for it any more.
            pass
        finally:
            job.status.close()
            shutil.rmtree(job.folder, ignore_errors=True)


def _alive(status: socket.socket) -> bool:
    """Whether the one who asked still waits; nothing is ever sent from there."""
    try:
        return status.recv(1) != b""
    except OSError:
        return False


@contextmanager
def _child_ends() -> Iterator[socket.socket]:
    """A socket that can be read when a child has ended."""
    reading, writing = socket.socketpair()
    with reading, writing:
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        yield reading


def main() -> None:
    """The process's own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = socket.socket(fileno=int(sys.argv[1]))
    gc.freeze()
    _Launcher(orders).run()
    # Without the interpreter's own end, for which a command would wait.
    os._exit(0)


if __name__ == "__main__":
    main()
