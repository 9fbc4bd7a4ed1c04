"""SQL that people and programs ask over the web: what it may see, how long it may take, and how many at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anyio import CapacityLimiter
from fastapi import Request

from adreel.errors import InputError
from adreel.web.center import Center, Visitor

if TYPE_CHECKING:
    from adreel.lake.query import Connection

SECONDS = 20.0
"""How long a query may take."""

AT_ONCE = 2
"""Queries that a server works on at a time: each may hold 256 MB and several threads; further ones wait."""

LONGEST_SQL = 50_000

MOST_OPENED = 50
"""Tables that are opened for a query that names none, so that it can ask which there are."""


def turns(request: Request) -> CapacityLimiter:
    """The app's turns for queries. Called on the event loop only, where nobody comes in between."""
    found: CapacityLimiter | None = getattr(request.app.state, "query_turns", None)
    if found is None:
        found = request.app.state.query_turns = CapacityLimiter(AT_ONCE)
    return found


@contextmanager
def connected(here: Center, who: Visitor, sql: str) -> Iterator[Connection]:
    """A DuckDB with the tables of the datasets that the person may see, each under its slug; read only.

    InputError for a query that is empty or too long.
    """
    if not sql.strip():
        raise InputError("There is no query; write a SELECT over one of the tables.")
    if len(sql) > LONGEST_SQL:
        raise InputError(f"The query has {len(sql):,} characters; {LONGEST_SQL:,} at most are taken.")
    words = set(re.findall(r"\w+", sql.casefold()))
    seen = who.guard.datasets()
    wanted = [one for one in seen if one.slug in words] or seen[:MOST_OPENED]
    views = {one.slug: one.table_slug for one in wanted if here.lake.exists(one.table_slug)}
    with here.lake.connect(views, seconds=SECONDS, read_only=True) as connection:
        yield connection
