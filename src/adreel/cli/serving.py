"""`adreel serve`: the Data Center, and the processes of the runs that are asked for there."""

from __future__ import annotations

import ctypes
import gc
import socket
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pyarrow as pa
import uvicorn

from adreel.cli import CommandContext
from adreel.cli.context import open_store, settings_of
from adreel.cli.output import say
from adreel.cli.patience import patient
from adreel.errors import InputError
from adreel.sandbox import Sandbox
from adreel.settings import LOOPBACK, Settings
from adreel.store import Store
from adreel.web.app import create_app
from adreel.worker import Starter

PORT = 8765

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Options of glibc's malloc (source: its manual, "Malloc Tunable Parameters", and malloc.h); others have no mallopt."""


def serve(session: CommandContext, host: str, port: int, *, browser: bool) -> None:
    """Serves until interrupted."""
    with listening(host, port) as listener:
        settings = reached(settings_of(session), listener)
        with open_store(session, settings) as store:
            _refuse_open_door(store, host)
            serve_on(session, settings, store, listener, browser=browser)


def serve_on(
    session: CommandContext,
    settings: Settings,
    store: Store,
    listener: socket.socket,
    *,
    browser: bool,
) -> None:
    """Serves on a socket that listens until interrupted."""
    # asyncio does this only for sockets that name their protocol; without it answers wait 40 ms for a late ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound = str(listener.getsockname()[0])
    sandbox = Sandbox()
    sandbox.start()
    app = create_app(settings, store, clock=session.clock, hosts=(bound,), sandbox=sandbox)
    config = uvicorn.Config(
        app,
        http=patient(settings.request_seconds),
        log_level="warning",
        access_log=False,
        server_header=False,
        # Which proxies are believed is a setting of ours; uvicorn would believe every one on this machine.
        proxy_headers=False,
        lifespan="on",
    )
    _warn_of_proxy(settings)
    say(f"The Data Center is at {settings.web_url} ; Ctrl-C ends it.")
    if not store.users.any():
        say("Nobody has been there yet: the first visit makes the administrator.")
    if browser and sys.stderr.isatty():
        webbrowser.open(settings.web_url)
    _stay_small()
    # uvicorn raises the interruption again when it has closed everything.
    with Starter(settings, store, session.environ), suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listener])
    say("The Data Center ended; runs under way go on by themselves.")


def _warn_of_proxy(settings: Settings) -> None:
    """Says what goes wrong if a proxy is in front that is not named."""
    if urlsplit(settings.web_url).scheme == "https" and not settings.proxies:
        say(
            "warning: ADREEL_WEB_URL is https, so a proxy is in front, and ADREEL_PROXIES does not name it: everybody "
            "seems to come from one address, and wrong passwords of one person make all others wait."
        )


def _stay_small() -> None:
    """What a server needs that goes on for weeks, and a command that ends soon does not."""
    gc.freeze()
    gc.set_threshold(2_000, 10, 10)
    # glibc keeps blocks as large as the largest that was ever freed: 9 MB in each thread that looked at a password.
    with suppress(AttributeError, OSError, TypeError):
        change = ctypes.CDLL(None).mallopt
        for option, value in ((M_MMAP_THRESHOLD, 1 << 20), (M_TRIM_THRESHOLD, 1 << 20), (M_ARENA_MAX, 2)):
            change(option, value)
    # Arrow's own pool keeps what was freed, too.
    pa.set_memory_pool(pa.system_memory_pool())


@contextmanager
def listening(host: str, port: int, *, otherwise_free: bool = False) -> Iterator[socket.socket]:
    """A socket that listens there, before anything else is begun.

    InputError if the port cannot be had; with `otherwise_free` another is taken instead.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        if not otherwise_free:
            raise InputError(
                f"Port {port} of {host} cannot be had: {error.strerror}. Give another with --port, or 0 for a free one."
            ) from error
        say(f"Port {port} is taken, so the Data Center has another.")
        listener = socket.create_server((host, 0), family=family)
    with listener:
        yield listener


def reached(settings: Settings, listener: socket.socket) -> Settings:
    """The settings with the address that people reach the server at, unless they name one."""
    if settings.sources.get("web_url", "default") != "default":
        return settings
    host, port = listener.getsockname()[:2]
    name = "localhost" if host in LOOPBACK else host
    return replace(settings, web_url=f"http://{name}:{port}")


def _refuse_open_door(store: Store, host: str) -> None:
    """The first visitor becomes administrator, which must not be left to whoever on the network is quickest."""
    if host not in LOOPBACK and not store.users.any():
        raise InputError(
            f"{host} can be reached by others, and whoever visits first would be the administrator. Make one first: "
            "adreel users add NAME --role admin"
        )
