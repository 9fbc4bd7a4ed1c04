"""How often links are followed, and how many at a time: they work without signing in."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from threading import Lock

from adreel.errors import GuessingError
from adreel.language import phrase

WINDOW = timedelta(minutes=10)
MOST_OF_LINK = 60
"""Requests for one link in the window. Google Sheets asks each hour for every cell that has it."""

MOST_WRONG = 30
"""Requests of one address in the window for links that do not exist."""

MOST_KEYS = 10_000
"""Links and addresses that are remembered."""

AT_ONCE = 2
"""Tables that are sent by link at a time: sorting one takes memory of its own."""

BUSY_SECONDS = 30


@dataclass(slots=True)
class LinkTurns:
    """Counts in this process; safe to use from several threads."""

    _times: OrderedDict[str, deque[datetime]] = field(default_factory=OrderedDict)
    _at_work: int = 0
    _lock: Lock = field(default_factory=Lock)

    def follow(self, link_id: int, now: datetime) -> None:
        """Counts a request for a link. Raises GuessingError if there were too many."""
        self._count(f"link {link_id}", MOST_OF_LINK, now)

    def refuse_guesses(self, address: str, now: datetime) -> None:
        """Counts a request for a link that does not exist. Raises GuessingError if there were too many."""
        self._count(f"address {address}", MOST_WRONG, now)

    def sent(self, pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
        """The pieces of a table, while a turn is taken. Raises GuessingError if there is none."""
        with self._lock:
            if self._at_work >= AT_ONCE:
                raise GuessingError(
                    phrase("Other tables are being sent by link. Try again soon."), seconds=BUSY_SECONDS
                )
            self._at_work += 1
        try:
            yield from pieces
        finally:
            with self._lock:
                self._at_work -= 1

    def _count(self, key: str, most: int, now: datetime) -> None:
        with self._lock:
            times = self._times.setdefault(key, deque())
            self._times.move_to_end(key)
            while len(self._times) > MOST_KEYS:
                self._times.popitem(last=False)
            while times and times[0] <= now - WINDOW:
                times.popleft()
            if len(times) >= most:
                wait = times[0] + WINDOW - now
                raise GuessingError(
                    phrase("Too many requests for links. Try again later."), seconds=ceil(wait.total_seconds())
                )
            times.append(now)
