"""`adreel serve`: the Data Center and its worker."""

from __future__ import annotations

import ctypes
import gc
import signal
import socket
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pyarrow as pa
import uvicorn

from adreel.cli import CommandContext
from adreel.cli.context import open_store, settings_of
from adreel.cli.output import announce, say
from adreel.cli.request_timeout import timed_protocol
from adreel.errors import InputError
from adreel.logs import set_up_logs
from adreel.sandbox import Sandbox
from adreel.settings import LOOPBACK, Settings
from adreel.store import Store
from adreel.web.app import create_app
from adreel.web.request_log import RequestLog
from adreel.worker import RUNS_AT_ONCE, WorkerChild

PORT = 8765

GRACE_SECONDS = 10
"""How long requests in progress may take to end when the server stops."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Options of glibc's malloc (source: its manual, "Malloc Tunable Parameters", and malloc.h); others have no mallopt."""


def serve(session: CommandContext, host: str, port: int, *, browser: bool, runs_at_once: int) -> None:
    """Serves until interrupted. Raises InputError if the port is in use, or others could claim a home without users."""
    with listening(host, port) as listener:
        settings = reached(settings_of(session), listener)
        with open_store(session, settings) as store:
            _refuse_open_setup(store, host)
            serve_on(session, settings, store, listener, browser=browser, runs_at_once=runs_at_once)


def serve_on(
    session: CommandContext,
    settings: Settings,
    store: Store,
    listener: socket.socket,
    *,
    browser: bool,
    runs_at_once: int = RUNS_AT_ONCE,
) -> None:
    """Serves on a listening socket until interrupted, with a worker unless `runs_at_once` is 0."""
    # asyncio sets this only for sockets with a protocol; without it responses wait 40 ms for a delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound = str(listener.getsockname()[0])
    sandbox = Sandbox()
    sandbox.start()
    app = create_app(settings, store, clock=session.clock, hosts=(bound,), sandbox=sandbox)
    set_up_logs(settings, sys.stderr)
    config = uvicorn.Config(
        RequestLog(app),
        http=timed_protocol(settings.request_seconds),
        log_config=None,
        timeout_graceful_shutdown=GRACE_SECONDS,
        access_log=False,
        server_header=False,
        # ADREEL_PROXIES lists the trusted proxies; uvicorn would trust every one on this machine.
        proxy_headers=False,
        lifespan="on",
    )
    _warn_of_proxy(settings)
    announce(settings, f"Data Center: {settings.web_url} (stop it with Ctrl-C)")
    if not store.users.any():
        announce(settings, "Open it to create the administrator.")
    if browser and sys.stderr.isatty():
        webbrowser.open(settings.web_url)
    _limit_memory()
    worker = WorkerChild(settings, session.environ, runs_at_once) if runs_at_once else nullcontext()
    # uvicorn raises the signal that stopped it again after its shutdown; both then end the block below.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with worker, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listener])
    announce(settings, "The Data Center stopped. Runs in progress continue.")


def _warn_of_proxy(settings: Settings) -> None:
    """Warns of a proxy that ADREEL_PROXIES does not list."""
    if urlsplit(settings.web_url).scheme == "https" and not settings.proxies:
        announce(
            settings,
            "ADREEL_WEB_URL is https, but ADREEL_PROXIES lists no proxy. All users appear to have the same "
            "address, so wrong passwords of one user delay all others. Add the proxy's address to ADREEL_PROXIES.",
            warning=True,
        )


def _limit_memory() -> None:
    """Keeps the memory of a process small that runs for weeks."""
    gc.freeze()
    gc.set_threshold(2_000, 10, 10)
    # glibc keeps blocks as large as the largest freed one: 9 MB in each thread that checked a password.
    with suppress(AttributeError, OSError, TypeError):
        libc = ctypes.CDLL(None)
        change = libc.mallopt
        for option, value in ((M_MMAP_THRESHOLD, 1 << 20), (M_TRIM_THRESHOLD, 1 << 20), (M_ARENA_MAX, 2)):
            change(option, value)
        # What imports held for a while goes back to the system.
        libc.malloc_trim(0)
    # Arrow's own pool keeps freed memory, too.
    pa.set_memory_pool(pa.system_memory_pool())


@contextmanager
def listening(host: str, port: int, *, otherwise_free: bool = False) -> Iterator[socket.socket]:
    """A listening socket. Raises InputError if the port is in use, or takes a free one with `otherwise_free`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        if not otherwise_free:
            raise InputError(
                f"Port {port} of {host} is not available: {error.strerror}. Choose another with --port, or 0 for any "
                "free one."
            ) from error
        say(f"Port {port} is in use. The Data Center uses another port.")
        listener = socket.create_server((host, 0), family=family)
    with listener:
        yield listener


def reached(settings: Settings, listener: socket.socket) -> Settings:
    """The settings with the server's own address as `web_url`, unless it is set."""
    if settings.sources.get("web_url", "default") != "default":
        return settings
    host, port = listener.getsockname()[:2]
    name = "localhost" if host in LOOPBACK else host
    return replace(settings, web_url=f"http://{name}:{port}")


def _refuse_open_setup(store: Store, host: str) -> None:
    """Raises InputError if others on the network could create the administrator, which the first visitor does."""
    if host not in LOOPBACK and not store.users.any():
        raise InputError(
            f"Others can reach {host}, and the first visitor would become the administrator. Create the administrator "
            "first: adreel users add NAME --role admin"
        )
