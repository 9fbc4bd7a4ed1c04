"""How often the app may ask (TikTok's doc 1740029171730433)."""

from __future__ import annotations

from collections import deque

from adreel.simulator.api.errors import ApiError

_BLOCK = 300.0
_MINUTE = 60.0


class Throttle:
    """The limits of an app as sliding windows of a second and of a minute; 0 is no limit.

    A refused request does not count. Passing the limit per minute blocks the app for five minutes.
    """

    def __init__(self, per_second: int, per_minute: int) -> None:
        """Requests per second and per minute."""
        self.per_second, self.per_minute = per_second, per_minute
        self._taken: deque[float] = deque()
        self._blocked_until = float("-inf")
        self.refused = 0

    def set(self, per_second: int, per_minute: int) -> None:
        """Other limits from now on; what blocked the app does no longer."""
        self.per_second, self.per_minute = per_second, per_minute
        self._blocked_until = float("-inf")
        self._taken.clear()

    def take(self, now: float) -> None:
        """Counts a request at `now` (monotonic seconds); raises ApiError 40100 if it is one too many."""
        if now < self._blocked_until:
            self._refuse("The requests from this app are temporarily restricted. Please try again later.")
        while self._taken and now - self._taken[0] >= _MINUTE:
            self._taken.popleft()
        if self.per_minute and len(self._taken) >= self.per_minute:
            self._blocked_until = now + _BLOCK
            self._refuse("Requests made too frequently: the limit per minute is reached.")
        if self.per_second and len(self._taken) >= self.per_second and now - self._taken[-self.per_second] < 1.0:
            self._refuse("Requests made too frequently. Please retry later.")
        self._taken.append(now)

    def _refuse(self, message: str) -> None:
        self.refused += 1
        raise ApiError(40100, message)
