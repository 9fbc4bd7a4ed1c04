"""Notification addresses, and incidents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field, SecretStr

from adreel.errors import ForbiddenError, InputError
from adreel.notify.subscriptions import NewSubscription, Subscriptions, address_json
from adreel.store.notifications import Address, Incident, IncidentKind
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Id, Paged, Paging, part
from adreel.web.deps import Deps, Here, Visitor, Who

router = api_router()

MOST_INCIDENTS = 1_000
"""The latest incidents that the list has."""

_SCOPE = "Of the workspace, of a dataset, or your own."


class AddressAnswer(Answer):
    """An address that hears of incidents. Its secrets are never returned."""

    id: str = Field(examples=["1"])
    scope: Literal["workspace", "dataset", "user"] = Field(description=_SCOPE, examples=["workspace"])
    dataset: str | None = Field(description="Slug of the dataset.", examples=[None])
    user: str | None = Field(description="Name of the user.", examples=[None])
    name: str = Field(examples=["Ops"])
    address: str = Field(description="Scheme and host.", examples=["jsons://hooks.example.org/****"])
    kinds: list[IncidentKind] = Field(examples=[[IncidentKind.FAILED]])
    threshold: str = Field(description="Least restatement: a percentage of a sum, or a number of values.")
    owned_only: bool = Field(description="Of your own: only what you own.", examples=[True])
    added_by: str | None = Field(examples=["ada"])
    created_at: datetime
    delivered_at: datetime | None = Field(description="When a message was last accepted.")
    failing_since: datetime | None = Field(description="Null unless the last message failed.")
    failure: str | None = Field(description="Why the last message failed.")


class AddressList(Paged[AddressAnswer]):
    """Notification addresses."""


class AddressBody(Body):
    """A new notification address."""

    url: SecretStr = Field(
        max_length=2_000,
        description="An apprise URL, or the webhook URL of Slack, Discord, Google Chat or a Teams workflow.",
        examples=["jsons://hooks.example.org/t0ken"],
    )
    scope: Literal["workspace", "dataset", "user"] = Field("user", description=_SCOPE)
    dataset: str = Field("", max_length=100, description="Slug of the dataset, for the scope dataset.")
    name: str = Field("", max_length=100, description="Default: the masked address.", examples=["Ops"])
    kinds: list[IncidentKind] = Field(default_factory=list, max_length=20, description="Empty for all.")
    threshold: str = Field("0.1%", max_length=12, examples=["0.1%"])
    owned_only: bool = True


class TestAnswer(Answer):
    """What came back for a test message."""

    accepted: bool = Field(examples=[True])
    reason: str = Field(description="Why it was not accepted; otherwise empty.", examples=[""])


class IncidentAnswer(Answer):
    """An incident."""

    id: str = Field(examples=["1"])
    kind: IncidentKind = Field(examples=[IncidentKind.FAILED])
    dataset: str | None = Field(description="Slug of the dataset.", examples=["spend"])
    account: str | None = Field(description="Name of the account.", examples=[None])
    opened_at: datetime
    closed_at: datetime | None = Field(description="Null while it lasts.")
    first_run: str | None
    last_run: str | None
    text: str = Field(description="What happened.", examples=["TikTok did not answer."])


class IncidentList(Paged[IncidentAnswer]):
    """Incidents, latest first."""


@router.get("/notifications", tags=["notifications"], summary="List notification addresses", responses=failures())
def list_addresses(deps: Here, who: Who, query: Annotated[Paging, Query()]) -> AddressList:
    """The addresses that you may change."""
    addresses = _subscriptions(deps, who).all()
    items = [_address(deps, address) for address in part(addresses, query)]
    return AddressList(items=items, total=len(addresses), limit=query.limit, offset=query.offset)


@router.post(
    "/notifications",
    tags=["notifications"],
    summary="Add a notification address",
    status_code=201,
    responses=failures(403, 404),
)
def add_address(deps: Here, who: Who, body: AddressBody) -> AddressAnswer:
    """An address of the workspace (administrators), of a dataset (who may edit it), or your own."""
    if who.guard.actor.read_only:
        raise ForbiddenError("This API token is read-only. Create a token with full access in your profile.")
    if (body.scope == "dataset") != bool(body.dataset):
        raise InputError("Send dataset with the scope dataset, and only then.")
    saved = who.guard.dataset(body.dataset) if body.scope == "dataset" else None
    kinds = tuple(str(kind) for kind in body.kinds)
    wanted = NewSubscription(body.url.get_secret_value(), body.name, kinds, body.threshold, body.owned_only)
    return _address(deps, _subscriptions(deps, who).add(wanted, dataset=saved, personal=body.scope == "user"))


@router.delete(
    "/notifications/{address}",
    tags=["notifications"],
    summary="Remove a notification address",
    status_code=204,
    responses=failures(403, 404),
)
def remove_address(deps: Here, who: Who, address: Id) -> None:
    """Removes the address. Messages that wait for it are not sent."""
    _subscriptions(deps, who).remove(int(address))


@router.post(
    "/notifications/{address}/test",
    tags=["notifications"],
    summary="Send a test message",
    responses=failures(403, 404),
)
def test_address(deps: Here, who: Who, address: Id) -> TestAnswer:
    """Sends a test message at once, and returns what came back."""
    outcome = _subscriptions(deps, who).test(int(address))
    return TestAnswer(accepted=outcome.accepted, reason=outcome.reason)


@router.get("/incidents", tags=["notifications"], summary="List incidents", responses=failures())
def list_incidents(deps: Here, who: Who, query: Annotated[Paging, Query()]) -> IncidentList:
    """Incidents of the datasets and accounts that you may see, latest first."""
    datasets = {saved.id: saved.slug for saved in who.guard.datasets()}
    accounts = {account.id: account.name for account in who.guard.accounts()}
    visible = [
        incident
        for incident in deps.store.incidents.list(limit=MOST_INCIDENTS)
        if incident.dataset_id in datasets or incident.account_id in accounts
    ]
    items = [_incident(incident, datasets, accounts) for incident in part(visible, query)]
    return IncidentList(items=items, total=len(visible), limit=query.limit, offset=query.offset)


def _subscriptions(deps: Deps, who: Visitor) -> Subscriptions:
    return Subscriptions(deps.settings, who.guard, deps.clock())


def _address(deps: Deps, address: Address) -> AddressAnswer:
    dataset = deps.store.datasets.get(address.dataset_id).slug if address.dataset_id is not None else None
    user = deps.store.users.get(address.user_id).name if address.user_id is not None else None
    return AddressAnswer(**address_json(address, dataset=dataset, user=user))


def _incident(incident: Incident, datasets: dict[int, str], accounts: dict[int, str]) -> IncidentAnswer:
    return IncidentAnswer(
        id=str(incident.id),
        kind=incident.kind,
        dataset=datasets.get(incident.dataset_id or 0),
        account=accounts.get(incident.account_id or 0),
        opened_at=incident.opened_at,
        closed_at=incident.closed_at,
        first_run=incident.first_run or None,
        last_run=incident.last_run or None,
        text=incident.text,
    )
