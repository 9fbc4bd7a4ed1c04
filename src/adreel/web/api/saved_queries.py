"""Saved queries, and the last ones that a user ran."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from adreel import saved_queries
from adreel.store import SavedQuery
from adreel.store.queries import LONGEST_SQL
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Id, Paged, Paging, located, part
from adreel.web.deps import Here, Visitor, Who

router = api_router("query")


class SavedQueryAnswer(Answer):
    """A query under a name."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["Spend by country"])
    sql: str = Field(examples=["select country_code, sum(spend) from spend group by all"])
    shared: bool = Field(description="Whether all users see it; the query runs with the rights of who runs it.")
    owner: str = Field(description="Empty if the owner was deleted.", examples=["ada"])
    may_change: bool = Field(examples=[True])
    created_at: datetime
    updated_at: datetime


class SavedQueryList(Paged[SavedQueryAnswer]):
    """Your saved queries and those that others share."""


class SavedQueryBody(Body):
    """A query to save."""

    name: str = Field(min_length=1, max_length=100, examples=["Spend by country"])
    sql: str = Field(min_length=1, max_length=LONGEST_SQL, examples=["select count(*) from spend"])
    shared: bool = Field(False, description="Show it to all users.")


class SavedQueryChanges(Body):
    """Changes to a saved query; omitted keys stay."""

    name: str | None = Field(None, min_length=1, max_length=100, examples=["Spend by country"])
    sql: str | None = Field(None, min_length=1, max_length=LONGEST_SQL, examples=["select count(*) from spend"])
    shared: bool | None = Field(None, examples=[True])


class PastQueryAnswer(Answer):
    """A query that you ran on the Query page."""

    id: str = Field(examples=["1"])
    sql: str = Field(examples=["select count(*) from spend"])
    ran_at: datetime
    seconds: float = Field(examples=[0.12])
    rows: int | None = Field(description="Rows shown; null if it failed.", examples=[1])
    more: bool = Field(description="Whether there were more rows than that.", examples=[False])


class PastQueryList(Paged[PastQueryAnswer]):
    """Your last queries, the newest first."""


@router.get("/saved-queries", summary="List saved queries", responses=failures())
def list_saved_queries(deps: Here, who: Who, query: Annotated[Paging, Query()]) -> SavedQueryList:
    """Your saved queries and those that others share, by name."""
    every = deps.store.saved_queries.list(who.user)
    items = [_answer(who, saved) for saved in part(every, query)]
    return SavedQueryList(items=items, total=len(every), limit=query.limit, offset=query.offset)


@router.post(
    "/saved-queries",
    summary="Save a query",
    status_code=201,
    responses=located(201, "The saved query's address.") | failures(403, 409),
)
def save_query(who: Who, body: SavedQueryBody, answer: Response) -> SavedQueryAnswer:
    """Saves a query under a name; it is not run. Viewers cannot share it."""
    saved = saved_queries.save(who.guard, body.name, body.sql, shared=body.shared)
    answer.headers["Location"] = f"/api/v1/saved-queries/{saved.id}"
    return _answer(who, saved)


@router.get("/saved-queries/{query}", summary="Get a saved query", responses=failures(404))
def get_saved_query(deps: Here, who: Who, query: Id) -> SavedQueryAnswer:
    """One saved query."""
    return _answer(who, deps.store.saved_queries.get(who.user, int(query)))


@router.patch("/saved-queries/{query}", summary="Change a saved query", responses=failures(403, 404, 409))
def change_saved_query(who: Who, query: Id, body: SavedQueryChanges) -> SavedQueryAnswer:
    """Renames it, replaces its SQL, or shares it. Only its owner, and administrators if it is shared."""
    changed = saved_queries.change(who.guard, int(query), name=body.name, sql=body.sql, shared=body.shared)
    return _answer(who, changed)


@router.delete("/saved-queries/{query}", summary="Delete a saved query", status_code=204, responses=failures(403, 404))
def delete_saved_query(who: Who, query: Id) -> None:
    """Deletes it for all users. Only its owner, and administrators if it is shared."""
    saved_queries.remove(who.guard, int(query))


@router.get("/query/history", summary="List your last queries", responses=failures())
def list_history(deps: Here, who: Who, query: Annotated[Paging, Query()]) -> PastQueryList:
    """The last 50 queries that you ran on the Query page, the newest first. Other users do not see them."""
    every = deps.store.query_history.list(who.user)
    items = [
        PastQueryAnswer(
            id=str(past.id), sql=past.sql, ran_at=past.ran_at, seconds=past.seconds, rows=past.rows, more=past.more
        )
        for past in part(every, query)
    ]
    return PastQueryList(items=items, total=len(every), limit=query.limit, offset=query.offset)


@router.delete("/query/history", summary="Clear your query history", status_code=204, responses=failures(403))
def clear_history(who: Who) -> None:
    """Forgets all of your last queries."""
    saved_queries.forget_history(who.guard)


def _answer(who: Visitor, saved: SavedQuery) -> SavedQueryAnswer:
    return SavedQueryAnswer(
        id=str(saved.id),
        name=saved.name,
        sql=saved.sql,
        shared=saved.shared,
        owner=saved.owner,
        may_change=saved_queries.may_change(who.guard, saved),
        created_at=saved.created_at,
        updated_at=saved.updated_at,
    )
