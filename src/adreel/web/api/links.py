"""CSV links of a table: list, create, revoke."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field

from adreel.datasets import csv_links
from adreel.datasets.looks import TableLook
from adreel.store import ExportLink
from adreel.store.export_links import LONGEST_DAYS
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Id, Paged, Paging, Slug, part
from adreel.web.api.tables import LookAnswer, LookBody, look_values
from adreel.web.deps import Here, Who

router = api_router("links")


class LinkAnswer(LookAnswer):
    """A link that gives rows as CSV without signing in. Its secret is shown once, on creation."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["Weekly sheet"])
    created_by: str = Field(description="Whose rights it has.", examples=["admin"])
    created_at: datetime
    expires_at: datetime | None = Field(description="Null for a link that does not expire.")
    used_at: datetime | None = Field(description="Last use, to the minute.")


class LinkList(Paged[LinkAnswer]):
    """Links that were not revoked."""


class NewLink(LinkAnswer):
    """A new link."""

    address: str = Field(description="The address. It cannot be shown again.")
    formula: str = Field(description="What to put in a cell of Google Sheets.")
    size: str = Field(description="How much it gives today, beside the limit of Google Sheets.")


class LinkBody(LookBody):
    """A new link."""

    name: str = Field(max_length=200, examples=["Weekly sheet"])
    days: int | None = Field(365, ge=1, le=LONGEST_DAYS, description="Days until it expires; null for never.")


@router.get("/datasets/{dataset}/links", summary="List the CSV links of a table", responses=failures(404))
def list_links(deps: Here, who: Who, dataset: Slug, query: Annotated[Paging, Query()]) -> LinkList:
    """The links of the dataset's table, expired ones included, without secrets."""
    export_links = deps.store.export_links.list(who.guard.dataset(dataset))
    items = [_answer(link) for link in part(export_links, query)]
    return LinkList(items=items, total=len(export_links), limit=query.limit, offset=query.offset)


@router.post(
    "/datasets/{dataset}/links", summary="Create a CSV link", status_code=201, responses=failures(403, 404, 422)
)
def create_link(deps: Here, who: Who, dataset: Slug, body: LinkBody) -> NewLink:
    """A link that gives the newest rows of a look to each program that has it, with your rights to this dataset."""
    saved = who.guard.dataset(dataset)
    look = body.look
    link, secret = csv_links.create_link(who.guard, deps.lake, saved, body.name, look, body.days, deps.clock())
    web_url = deps.settings.web_url.rstrip("/")
    return NewLink(
        **dict(_answer(link)),
        address=f"{web_url}{csv_links.path_of(secret)}",
        formula=csv_links.formula(web_url, secret),
        size=csv_links.size_of(deps.lake, saved, look, deps.clock()),
    )


@router.delete(
    "/datasets/{dataset}/links/{link}", summary="Revoke a CSV link", status_code=204, responses=failures(403, 404)
)
def revoke_link(who: Who, dataset: Slug, link: Id) -> None:
    """Revokes a link immediately. For its maker, and for users who can edit the dataset."""
    csv_links.revoke_link(who.guard, who.guard.dataset(dataset), int(link))


def _answer(link: ExportLink) -> LinkAnswer:
    return LinkAnswer(
        id=str(link.id),
        name=link.name,
        created_by=link.user_name,
        created_at=link.created_at,
        expires_at=link.expires_at,
        used_at=link.used_at,
        **look_values(TableLook.of_json(link.look)),
    )
