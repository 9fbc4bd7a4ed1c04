"""The simulator as a process of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from adreel.simulator.app import create_app
from adreel.simulator.world.config import WorldConfig


def serve(
    config: WorldConfig,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serves until interrupted; `ready` gets the address (with the port that was free, for port 0).

    Raises OSError if the port cannot be had.
    """
    with socket.create_server((host, port)) as listener:
        asyncio.run(serve_on(config, listener, ready or (lambda _: None)))


async def serve_on(config: WorldConfig, listener: socket.socket, ready: Callable[[str], None]) -> None:
    """Serves on a socket that listens already, until interrupted or cancelled; then closes what is open."""
    settings = uvicorn.Config(
        create_app(config), log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    # asyncio does this only for sockets that name their protocol; without it answers wait 40 ms for a late ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host, port = listener.getsockname()[:2]
    ready(f"http://{host}:{port}")
    server = uvicorn.Server(settings)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
