"""How much of a run is done, and what it does now: one reading for the command line, the pages and the API."""

from __future__ import annotations

from datetime import timedelta

from adreel.language import integer, phrase, phrases
from adreel.pipeline.plan import Chunk, Plan, Request
from adreel.store import Progress, Run

READING = 0.97
VERIFIED = 0.98
WRITTEN = 0.99
"""The share of a run when its rows are read, when it writes, and the most before it succeeded."""

SOON = 5.0
"""Seconds of a run before its remaining time is estimated."""


class PageProgress:
    """The pages of a run's plan: those that were read of those that are expected.

    The pages of a request are known once its first one is read; until then it is expected to have as many as the
    estimate says, or as those that were read.
    """

    def __init__(self, plan: Plan, expected: int | None) -> None:
        """`expected` is the estimated number of requests; None if it is not known."""
        self._unread = plan.row_requests
        self._per_page = plan.requests_per_page
        self._per_request: float | None = None
        if expected is not None and plan.row_requests:
            self._per_request = expected / self._per_page / plan.row_requests
        self._open: set[str] = set()
        self._begun = 0
        self._known = 0
        self._done = 0

    def start(self, chunk: Chunk) -> None:
        """The chunk is read from now on."""
        self._open |= {request.name for request in chunk.requests}

    def page(self, request: Request, number: int, total_pages: int) -> None:
        """A page of a request was read."""
        self._done += 1
        if number != 1:
            return
        self._known += max(1, total_pages)
        if request.name in self._open:
            self._open.remove(request.name)
            self._unread -= 1
            self._begun += 1

    def spare(self, pages: int) -> None:
        """So many pages of a request that was begun need not be read: a report task has their rows."""
        self._known -= pages

    def finish(self, chunk: Chunk) -> None:
        """The chunk is complete; its requests that were split or skipped have no pages of their own."""
        names = {request.name for request in chunk.requests}
        self._unread -= len(self._open & names)
        self._open -= names

    def skip(self, chunk: Chunk, pages: int) -> None:
        """An earlier process has read the chunk, with so many pages."""
        self._unread -= len(chunk.requests)
        self._begun += len(chunk.requests)
        self._known += pages
        self._done += pages

    @property
    def pages(self) -> float | None:
        """The pages that are expected in all; None if nothing is known."""
        if self._per_request is None and not self._begun:
            return None if self._unread else float(self._known)
        mean = self._per_request or self._known / self._begun
        return self._known + self._unread * max(1.0, mean)

    @property
    def requests(self) -> int:
        """The requests that are expected in all, without repeated ones; 0 if nothing is known."""
        return round((self.pages or 0) * self._per_page)

    @property
    def share(self) -> float:
        """The part of the pages that is read, from 0 to 1."""
        return min(1.0, self._done / self.pages) if self.pages else 0.0


def time_left(share: float, took: timedelta) -> timedelta | None:
    """The remaining time of a run at its pace so far; None in its first seconds and while nothing is done."""
    if not 0 < share < 1 or took.total_seconds() < SOON:
        return None
    return took * ((1 - share) / share)


def progress_words(progress: Progress | Run, took: timedelta) -> tuple[str, ...]:
    """What a run does and how far it is, for a person: its phase, requests, rows and remaining time."""
    words = [str(progress.phase.label)] if progress.phase and progress.share < 1 else []
    sent, planned = progress.requests, progress.requests_planned
    words.append(
        phrase("%(sent)s of about %(planned)s requests", sent=integer(sent), planned=integer(planned))
        if planned > sent
        else phrases("%(requests)s request", "%(requests)s requests", sent, requests=integer(sent))
    )
    words.append(phrases("%(rows)s row", "%(rows)s rows", progress.rows, rows=integer(progress.rows)))
    if progress.refused:
        words.append(phrase("%(requests)s rate-limited and retried", requests=integer(progress.refused)))
    left = time_left(progress.share, took)
    if left is not None:
        words.append(phrase("about %(duration)s left", duration=duration_text(left.total_seconds())))
    return tuple(words)


def duration_text(seconds: float) -> str:
    """4 s, 3 min 20 s, 2 h 5 min; at least a second."""
    rounded = max(1, round(seconds))
    if rounded < 60:
        return phrase("%(seconds)s s", seconds=rounded)
    minutes, rest = divmod(rounded, 60)
    hours, minutes = divmod(minutes, 60)
    return (
        phrase("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes)
        if hours
        else phrase("%(minutes)s min %(seconds)s s", minutes=minutes, seconds=rest)
    )
