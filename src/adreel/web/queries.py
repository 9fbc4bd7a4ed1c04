"""SQL that people and programs ask over the web: what it may see, how long it may take, and how many at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, create_task_group, to_thread
from fastapi import Request

from adreel.errors import InputError
from adreel.web.center import Center, Visitor

if TYPE_CHECKING:
    from adreel.lake.query import Connection
    from adreel.store import SavedDataset

T = TypeVar("T")

SECONDS = 20.0
"""How long a query may take."""

AT_ONCE = 2
"""Queries that a server works on at a time: each may hold 256 MB and several threads; further ones wait."""

LONGEST_SQL = 50_000

MOST_OPENED = 50
"""Tables that are opened for a query that names none, so that it can ask which there are."""


@dataclass(frozen=True, slots=True)
class _Turns:
    """Whose turn it is: `AT_ONCE` of everybody's, and one of each user's, so that nobody takes all."""

    everybody: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(AT_ONCE))
    own: dict[int, CapacityLimiter] = field(default_factory=dict)


async def in_turn(request: Request, who: Visitor, work: Callable[[Event], T]) -> T:
    """The outcome of `work` in a thread of its own, when it is its turn.

    `work` gets an event that is set when the client has gone: then nobody waits for an answer. Called on the event
    loop only, where nobody comes in between.
    """
    turns: _Turns = getattr(request.app.state, "query_turns", None) or _Turns()
    request.app.state.query_turns = turns
    given_up, done = Event(), list[T]()
    failed: Exception | None = None
    async with turns.own.setdefault(who.user.id, CapacityLimiter(1)), create_task_group() as group:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            given_up.set()
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            done.append(await to_thread.run_sync(work, given_up, limiter=turns.everybody))
        except Exception as error:  # noqa: BLE001 - raised again, outside of the group, which would wrap it
            failed = error
        group.cancel_scope.cancel()
    if failed is not None:
        raise failed
    if not done:
        raise InputError("Nobody waited for the answer any more.")
    return done[0]


def _views(here: Center, datasets: Iterable[SavedDataset]) -> dict[str, str]:
    """The tables of these datasets that there are, by the names that queries know them by."""
    return {one.slug: one.table_slug for one in datasets if here.lake.exists(one.table_slug)}


@contextmanager
def connected(here: Center, who: Visitor, sql: str, given_up: Event) -> Iterator[Connection]:
    """A DuckDB with the tables of the datasets that the person may see, each under its slug; read only.

    InputError for a query that is empty or too long.
    """
    if not sql.strip():
        raise InputError("There is no query; write a SELECT over one of the tables.")
    if len(sql) > LONGEST_SQL:
        raise InputError(f"The query has {len(sql):,} characters; {LONGEST_SQL:,} at most are taken.")
    words = set(re.findall(r"\w+", sql.casefold()))
    seen = who.guard.datasets()
    named = [one for one in seen if one.slug in words]
    views = _views(here, named)
    if not named or len(views) < len(named):
        # One that is named has no table: what can be asked in its place is told with the error.
        views = _views(here, seen[:MOST_OPENED]) | views
    with here.lake.connect(views, seconds=SECONDS, read_only=True, given_up=given_up) as connection:
        yield connection
