"""An event loop whose clock jumps to the next thing that is due, so that five minutes take no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

NOON = 1_767_355_200.0
"""2026-01-02 12:00 UTC, when a virtual day starts."""


class VirtualTime:
    """`epoch` and `monotonic` read the virtual clock; `asyncio.sleep` in the loop waits by it."""

    def __init__(self, start: float = NOON) -> None:
        self.start = start
        self.passed = 0.0

    def epoch(self) -> float:
        return self.start + self.passed

    def monotonic(self) -> float:
        return self.passed

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        async def waited() -> T:
            return await main()

        coroutine: Coroutine[Any, Any, T] = waited()
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            return runner.run(coroutine)


class _Selector(selectors.DefaultSelector):
    def __init__(self, clock: VirtualTime) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if timeout is None and not events:
            raise RuntimeError("everything waits for ever")
        if not events:
            self._clock.passed += timeout or 0.0
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualTime) -> None:
        self._virtual = clock
        super().__init__(_Selector(clock))

    def time(self) -> float:
        return self._virtual.passed
