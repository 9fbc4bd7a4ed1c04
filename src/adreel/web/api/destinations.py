"""Destinations, and which version of a dataset each has."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field, SecretStr

from adreel.access import DatasetRight, RoleRight
from adreel.datasets.layouts import WarehouseLayout
from adreel.destinations import service
from adreel.destinations.kinds import LONGEST_ADDRESS, DestinationKind, read_address
from adreel.destinations.status import (
    PublicationState,
    destination_json,
    publishers,
    status_json,
    statuses_of,
    with_repairs,
)
from adreel.store import Destination, SavedDataset
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Id, Paged, Paging, Slug, part
from adreel.web.deps import Deps, Here, Visitor, Who

router = api_router("destinations")


class DestinationAnswer(Answer):
    """A database, folder or object store that datasets publish to. Its secrets are never returned."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["warehouse"])
    kind: DestinationKind = Field(examples=[DestinationKind.POSTGRES])
    address: str = Field(description="Without the password.", examples=["postgresql://adreel@db.example.com/warehouse"])
    schema_: str = Field(alias="schema", description="The schema of the tables.", examples=["tiktok"])
    layout: WarehouseLayout = Field(
        description="Which tables datasets fill: their own, or those of another connector.",
        examples=[WarehouseLayout.DATASETS],
    )
    datasets: list[str] = Field(description="Slugs of the datasets that publish there.", examples=[["spend"]])
    created_at: datetime


class DestinationList(Paged[DestinationAnswer]):
    """Destinations, by name."""


class DestinationBody(Body):
    """A new destination."""

    name: str = Field(max_length=100, examples=["warehouse"])
    address: SecretStr = Field(max_length=LONGEST_ADDRESS, examples=["duckdb:///srv/data/warehouse.duckdb"])
    schema_: str | None = Field(
        None, alias="schema", max_length=63, description="The schema of the tables; by default that of the layout."
    )
    layout: WarehouseLayout = Field(WarehouseLayout.DATASETS, description="Which tables datasets fill.")


class PublicationAnswer(Answer):
    """How a dataset stands at one of its destinations."""

    destination: str = Field(examples=["warehouse"])
    table: str = Field(description="Schema and table.", examples=["tiktok.spend"])
    history: bool = Field(description="Whether the history of the table is published beside it.", examples=[False])
    state: PublicationState = Field(examples=[PublicationState.PUBLISHED])
    version: int | None = Field(description="The version there; null if there is none yet.", examples=[3])
    newest_version: int | None = Field(description="The newest version of the dataset.", examples=[3])
    published_at: datetime | None
    mode: Literal["nothing", "changes", "full"] | None = Field(description="What was sent last.", examples=["changes"])
    rows: int | None = Field(description="Rows of the table there.", examples=[1_200])
    rows_written: int | None = Field(examples=[12])
    rows_removed: int | None = Field(examples=[0])
    seconds: float | None = Field(examples=[0.4])
    failure: str | None = Field(description="Why the latest try failed.", examples=[None])
    failing_since: datetime | None = Field(description="When the first try since the last success failed.")
    failed_at: datetime | None
    next_try_at: datetime | None
    repaired_at: datetime | None = Field(description="When a publish last mended or named what something else changed.")
    repair: str | None = Field(description="What something else had changed there.", examples=[None])


class PublishBody(Body):
    """What to publish."""

    destination: str = Field(max_length=100, description="The name of one of the dataset's destinations.")
    reload: bool = Field(False, description="Drop the table there and load it anew.")


@router.get("/destinations", summary="List destinations", responses=failures(403))
def list_destinations(deps: Here, who: Who, query: Annotated[Paging, Query()]) -> DestinationList:
    """The destinations; datasets that you may not see are left out."""
    who.guard.need_role(RoleRight.VIEW_DESTINATIONS)
    every = deps.store.destinations.list()
    items = [_answer(deps, who, destination) for destination in part(every, query)]
    return DestinationList(items=items, total=len(every), limit=query.limit, offset=query.offset)


@router.post("/destinations", summary="Add a destination", status_code=201, responses=failures(403, 409, 502, 503))
def add_destination(deps: Here, who: Who, body: DestinationBody) -> DestinationAnswer:
    """Saves the destination once adreel has written there. Administrators only."""
    who.guard.need_role(RoleRight.CHANGE_DESTINATIONS)
    address = read_address(body.address.get_secret_value())
    return _answer(deps, who, service.add(who.guard, body.name, address, body.schema_, body.layout))


@router.post(
    "/destinations/{destination}/test",
    summary="Test a destination",
    status_code=204,
    responses=failures(403, 404, 502, 503),
)
def test_destination(deps: Here, who: Who, destination: Id) -> None:
    """Makes a table there, reads it and takes it back; what failed there before is tried again."""
    who.guard.need_role(RoleRight.CHANGE_DESTINATIONS)
    service.test(who.guard, deps.store.destinations.get(int(destination)))


@router.delete(
    "/destinations/{destination}",
    summary="Delete a destination",
    status_code=204,
    responses=failures(403, 404),
)
def delete_destination(deps: Here, who: Who, destination: Id) -> None:
    """Forgets a destination that no dataset publishes to; its tables stay."""
    who.guard.need_role(RoleRight.CHANGE_DESTINATIONS)
    service.delete(who.guard, deps.store.destinations.get(int(destination)))


@router.get(
    "/datasets/{dataset}/destinations",
    summary="Show the destinations of a dataset",
    responses=failures(404),
)
def list_publications(deps: Here, who: Who, dataset: Slug) -> list[PublicationAnswer]:
    """Which version of the dataset each of its destinations has. Set them by `publish` of the dataset."""
    saved = who.guard.dataset(dataset)
    return _publications(deps, saved)


@router.post(
    "/datasets/{dataset}/publish",
    summary="Publish a dataset",
    status_code=202,
    responses=failures(403, 404),
)
def publish_dataset(deps: Here, who: Who, dataset: Slug, body: PublishBody) -> list[PublicationAnswer]:
    """Has a worker publish the newest version soon."""
    saved = who.guard.dataset(dataset, DatasetRight.RUN)
    service.ask(who.guard, saved, deps.store.destinations.get(body.destination), reload=body.reload)
    return _publications(deps, saved)


def _publications(deps: Deps, saved: SavedDataset) -> list[PublicationAnswer]:
    return [
        PublicationAnswer(**status_json(status))
        for _, status in with_repairs(deps.store, statuses_of(deps.store, (saved,)))
    ]


def _answer(deps: Deps, who: Visitor, destination: Destination) -> DestinationAnswer:
    datasets = [saved.slug for saved in publishers(deps.store, destination) if who.guard.may(DatasetRight.SEE, saved)]
    return DestinationAnswer(id=str(destination.id), datasets=datasets, **destination_json(destination))
