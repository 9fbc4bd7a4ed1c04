"""Files of datasets are read one at a time, in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request

T = TypeVar("T")


async def one_at_a_time(request: Request, work: Callable[[], T]) -> T:
    """The outcome of `work`, which reads a file, in a thread: reading holds the processor, so others wait their turn.

    Called on the event loop only.
    """
    turn: CapacityLimiter | None = getattr(request.app.state, "import_turn", None)
    if turn is None:
        turn = request.app.state.import_turn = CapacityLimiter(1)
    return await to_thread.run_sync(work, limiter=turn)
