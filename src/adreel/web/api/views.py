"""Saved views of a table."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field

from adreel.datasets import views
from adreel.datasets.looks import TableLook
from adreel.store import SavedView
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Body, Id, Paged, Paging, Slug, part
from adreel.web.api.tables import LookAnswer, LookBody, look_values
from adreel.web.deps import Here, Visitor, Who

router = api_router("views")


class ViewAnswer(LookAnswer):
    """Columns, filters and order of a table under a name."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["Losing ads"])
    shared: bool = Field(description="Whether everyone who sees the dataset sees it.", examples=[False])
    own: bool = Field(description="Whether it is yours, so that you can change it.", examples=[True])
    created_by: str = Field(examples=["admin"])
    created_at: datetime


class ViewList(Paged[ViewAnswer]):
    """Your saved views, and shared ones."""


class ViewBody(LookBody):
    """A new saved view."""

    name: str = Field(max_length=200, examples=["Losing ads"])
    shared: bool = Field(False, description="Share it with everyone who sees the dataset.", examples=[False])


class ViewChanges(Body):
    """Changes to a saved view; omitted keys stay."""

    name: str | None = Field(None, max_length=200, examples=["Losing ads"])
    shared: bool | None = Field(None, examples=[True])
    look: LookBody | None = None


@router.get("/datasets/{dataset}/views", summary="List the saved views of a table", responses=failures(404))
def list_views(deps: Here, who: Who, dataset: Slug, query: Annotated[Paging, Query()]) -> ViewList:
    """Your saved views of the dataset's table and those that others share, by name."""
    saved_views = deps.store.saved_views.list(who.guard.dataset(dataset), who.user)
    items = [_answer(who, view) for view in part(saved_views, query)]
    return ViewList(items=items, total=len(saved_views), limit=query.limit, offset=query.offset)


@router.post(
    "/datasets/{dataset}/views", summary="Save a view", status_code=201, responses=failures(403, 404, 409, 422)
)
def save_view(deps: Here, who: Who, dataset: Slug, body: ViewBody) -> ViewAnswer:
    """Saves columns, filters and order under a name."""
    saved = who.guard.dataset(dataset)
    view = views.save_view(who.guard, deps.lake, saved, body.name, body.look, deps.clock(), shared=body.shared)
    return _answer(who, view)


@router.patch("/datasets/{dataset}/views/{view}", summary="Change a saved view", responses=failures(403, 404, 409, 422))
def change_view(deps: Here, who: Who, dataset: Slug, view: Id, body: ViewChanges) -> ViewAnswer:
    """Renames, shares or replaces one of your saved views."""
    saved, look = who.guard.dataset(dataset), body.look.look if body.look is not None else None
    changed = views.change_view(
        who.guard, deps.lake, saved, int(view), deps.clock(), name=body.name, shared=body.shared, look=look
    )
    return _answer(who, changed)


@router.delete(
    "/datasets/{dataset}/views/{view}", summary="Delete a saved view", status_code=204, responses=failures(403, 404)
)
def delete_view(who: Who, dataset: Slug, view: Id) -> None:
    """Deletes one of your saved views."""
    views.delete_view(who.guard, who.guard.dataset(dataset), int(view))


def _answer(who: Visitor, view: SavedView) -> ViewAnswer:
    return ViewAnswer(
        id=str(view.id),
        name=view.name,
        shared=view.shared,
        own=view.user_id == who.user.id,
        created_by=view.user_name,
        created_at=view.created_at,
        **look_values(TableLook.of_json(view.look)),
    )
