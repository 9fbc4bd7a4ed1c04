"""Accounts: connected by token or consent, looked after, shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import Field, SecretStr

from adreel import sharing
from adreel.access import AccountRight, RoleRight
from adreel.connections import ByHand, Connecting, app_access, free_name, need_app, own_app, same_user
from adreel.errors import BusyError, InputError
from adreel.store import Account, AccountAdvertiser, AccountStatus, Level, User
from adreel.tiktok.oauth import consent_url, new_state
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Id, Paged, Paging, having, in_browser, located, part
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.pages.consent import read_token, redirect_url

router = api_router("accounts")

AdvertiserId = Annotated[str, Field(pattern="^[0-9]{1,30}$", examples=["7000000000000000000"])]


class UserName(Answer):
    """A user, by name."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["ada"])


class AccountRights(Answer):
    """Your permissions for an account."""

    use: bool = Field(description="Create datasets with it.", examples=[True])
    share: bool = Field(examples=[True])
    edit: bool = Field(examples=[True])
    delete: bool = Field(examples=[True])


class AccountAnswer(Answer):
    """One grant of a TikTok for Business user to one app. Its token is never shown."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["demo"])
    status: AccountStatus = Field(description="Whether TikTok accepts its token.", examples=[AccountStatus.VALID])
    granted_by: str = Field(description="TikTok user who granted access; empty if unknown.", examples=["Ada"])
    app_id: str = Field(examples=["7000000000000000000"])
    owners: list[UserName] = Field(description="Owners; without any, the administrators own it.")
    advertisers: list[str] | None = Field(
        description="Selected IDs; null for all that the grant covers.", examples=[None]
    )
    datasets: list[str] = Field(description="Slugs of its datasets that you can see.", examples=[["spend"]])
    level: Level = Field(description="Your access level.", examples=[Level.OWNER])
    may: AccountRights
    created_at: datetime
    updated_at: datetime
    last_checked_at: datetime | None = Field(description="Last sync with TikTok.")


class AccountList(Paged[AccountAnswer]):
    """Accounts."""


class AdvertiserAnswer(Answer):
    """An ad account that an account reads."""

    id: str = Field(validation_alias="advertiser_id", examples=["7000000000000000000"])
    name: str = Field(examples=["Shop"])
    currency: str = Field(examples=["EUR"])
    timezone: str = Field(description="Fixed offset of its days.", examples=["Etc/GMT-1"])
    display_timezone: str = Field(examples=["Europe/Berlin"])
    status: str = Field(examples=["STATUS_ENABLE"])
    country: str = Field(examples=["DE"])
    removed: bool = Field(
        validation_alias="gone", description="Whether the grant no longer covers it.", examples=[False]
    )
    refreshed_at: datetime


class AdvertiserList(Paged[AdvertiserAnswer]):
    """Advertisers of an account."""


class Share(Answer):
    """A user's access level."""

    user: UserName
    level: Level = Field(description="The user's role may limit it.", examples=[Level.READ])


class SharesAnswer(Answer):
    """Access to an account."""

    everyone: Level = Field(description="Minimum level of all users.", examples=[Level.NONE])
    users: list[Share]


class ConsentAnswer(Answer):
    """TikTok's consent page for one connection."""

    address: str = Field(description="Open it in the same browser within 15 minutes; it redirects to the Data Center.")


class AccountsQuery(Paging):
    """Which accounts, in which order."""

    q: str = Field("", max_length=200, description="Words that must all be in the account's or an owner's name.")
    status: AccountStatus | None = Field(None, description="Only with this status.")
    used: bool | None = Field(None, description="Only used ones (true), or only unused ones (false).")
    sort: str = Field(
        "name",
        pattern="^-?(name|status|datasets|created_at|updated_at)$",
        description="name, status, datasets, created_at or updated_at; `-` in front for descending.",
    )


class AccessTokenBody(Body):
    """A token of TikTok's API."""

    token: SecretStr = Field(max_length=2_000, description="The access token.")


class AccountBody(AccessTokenBody):
    """A new account."""

    name: str = Field(max_length=200, examples=["demo"])
    advertisers: list[AdvertiserId] | None = Field(
        None,
        min_length=1,
        max_length=10_000,
        description="Read only these, without app ID and secret. Null for all that the token covers.",
    )
    timezone: str = Field(
        "",
        max_length=64,
        examples=["UTC+08:00"],
        description="Their time zone if TikTok returns none (sandbox); default: UTC.",
    )
    currency: str = Field(
        "", max_length=3, examples=["USD"], description="Their currency if TikTok returns none (sandbox)."
    )


class AgainBody(AccessTokenBody):
    """Another token for an account."""

    another_user: bool = Field(
        False, description="Accept a token of another TikTok user, which may cover other advertisers."
    )


class AccountChanges(Body):
    """Changes to an account; omitted keys stay."""

    name: str | None = Field(None, max_length=200, examples=["Brand"])


class Selection(Body):
    """Which advertisers an account reads."""

    advertisers: list[AdvertiserId] | None = Field(
        min_length=1, max_length=10_000, description="Only these; null for all that the grant covers."
    )


class LevelBody(Body):
    """How far."""

    level: Level = Field(examples=[Level.READ])


class ConsentBody(Body):
    """A new account's name, or the ID of an account to reconnect."""

    name: str | None = Field(None, max_length=200, examples=["brand"])
    account: str | None = Field(None, pattern="^[0-9]{1,18}$", examples=[None])


class AdvertisersQuery(Paging):
    """Which advertisers."""

    q: str = Field("", max_length=200, description="Words that must all be in the name, ID or currency.")
    removed: bool | None = Field(None, description="Only removed ones (true), or only current ones (false).")


class DeleteAccountQuery(Body):
    """What becomes of the grant."""

    revoke: bool = Field(False, description="Also revoke access in TikTok.")


@router.get("/accounts", summary="List the accounts", responses=failures())
def list_accounts(deps: Here, who: Who, query: Annotated[AccountsQuery, Query()]) -> AccountList:
    """The accounts that you can see, by name by default."""
    every = _answers(deps, who, who.guard.accounts())
    accounts = [account for account in every if _is_wanted(account, query)]
    accounts.sort(key=lambda account: account.name.casefold())
    accounts.sort(key=_SORTS[query.sort.removeprefix("-")], reverse=query.sort.startswith("-"))
    return AccountList(items=list(part(accounts, query)), total=len(accounts), limit=query.limit, offset=query.offset)


@router.post(
    "/accounts",
    summary="Connect an account by token",
    status_code=201,
    responses=located(201, "The account's address.") | failures(403, 409, 429, 502),
)
async def create_account(
    deps: Here, who: Annotated[Visitor, having(RoleRight.CONNECT)], body: AccountBody, answer: Response
) -> AccountAnswer:
    """A new account from an access token, after TikTok has accepted it. You are its owner."""
    selection = tuple(dict.fromkeys(body.advertisers)) if body.advertisers else None
    access = app_access(deps.settings, deps.store, read_token(body.token.get_secret_value()))
    if selection is None:
        need_app(deps.settings, access)
    name = free_name(deps.store, body.name)
    connecting = Connecting(deps.settings, deps.store, deps.transport)
    granted = await connecting.granted(access, selection, by_hand=ByHand(body.timezone, body.currency))
    account = connecting.keep(name, granted, selection=selection, user=who.user)
    answer.headers["Location"] = f"/api/v1/accounts/{account.id}"
    return _answer(deps, who, account)


@router.post(
    "/accounts/consents",
    summary="Start a TikTok consent",
    status_code=201,
    responses=failures(403, 404, 409),
)
def begin_consent(
    deps: Here,
    _: Annotated[Visitor, having(RoleRight.CONNECT)],
    who: Annotated[Visitor, in_browser("start a TikTok consent")],
    body: ConsentBody,
) -> ConsentAnswer:
    """The address of TikTok's consent page, for a new account or to reconnect one.

    Requires a browser session: the redirect works in that browser only.
    """
    if (body.name is None) == (body.account is None):
        raise InputError("Send the name of a new account, or the ID of an account to reconnect.")
    account = who.guard.account(int(body.account), AccountRight.EDIT) if body.account is not None else None
    access = own_app(deps.settings, deps.store, account) if account else app_access(deps.settings, deps.store)
    need_app(deps.settings, access)
    name = free_name(deps.store, body.name) if body.name is not None else None
    state = new_state()
    deps.store.consents.begin(state, who.secret, who.user, account, name)
    return ConsentAnswer(
        address=consent_url(deps.settings.tiktok_auth_url, access.app_id, state, redirect_url(deps.settings))
    )


@router.get("/accounts/{account}", summary="Get an account", responses=failures(404))
def get_account(deps: Here, who: Who, account: Id) -> AccountAnswer:
    """One account."""
    return _answer(deps, who, who.guard.account(int(account)))


@router.patch("/accounts/{account}", summary="Rename an account", responses=failures(403, 404, 409))
def change_account(deps: Here, who: Who, account: Id, body: AccountChanges) -> AccountAnswer:
    """Renames the account, also in its datasets."""
    stored = who.guard.account(int(account), AccountRight.EDIT)
    if body.name is not None:
        stored = deps.store.accounts.rename(stored, body.name)
    return _answer(deps, who, stored)


@router.delete(
    "/accounts/{account}",
    summary="Delete an account",
    status_code=204,
    responses=failures(403, 404, 409, 429, 502),
)
async def delete_account(deps: Here, who: Who, account: Id, query: Annotated[DeleteAccountQuery, Query()]) -> None:
    """Deletes the account and its token. Its datasets keep their data and stop updating."""
    stored = who.guard.account(int(account), AccountRight.DELETE)
    if query.revoke:
        await Connecting(deps.settings, deps.store, deps.transport).revoke(stored)
    deps.store.accounts.delete(stored)


@router.put(
    "/accounts/{account}/token",
    summary="Replace an account's token",
    responses=failures(403, 404, 409, 429, 502),
)
async def replace_token(deps: Here, who: Who, account: Id, body: AgainBody) -> AccountAnswer:
    """Reconnects the account after TikTok has accepted the token; its datasets continue.

    409 if another TikTok user granted it and `another_user` is false.
    """
    account_before = who.guard.account(int(account), AccountRight.EDIT)
    connecting = Connecting(deps.settings, deps.store, deps.transport)
    access = replace(
        own_app(deps.settings, deps.store, account_before), token=read_token(body.token.get_secret_value())
    )
    granted = await connecting.granted(access, account_before.selection, account_before)
    if not body.another_user and not same_user(await connecting.granter(account_before), granted.granter):
        raise BusyError(
            f"Another TikTok user than that of {account_before.name!r} granted this token, so it may cover other "
            "advertisers. Send another_user to accept it, or connect it as a new account."
        )
    return _answer(deps, who, connecting.keep_again(account_before, granted))


@router.get("/accounts/{account}/advertisers", summary="List an account's advertisers", responses=failures(404))
def list_advertisers(deps: Here, who: Who, account: Id, query: Annotated[AdvertisersQuery, Query()]) -> AdvertiserList:
    """The advertisers at the last sync; refresh to update them."""
    stored = deps.store.accounts.advertisers(who.guard.account(int(account)))
    advertisers = [
        advertiser
        for advertiser in stored
        if query.removed in (None, advertiser.gone) and _mentions(advertiser, query.q)
    ]
    return _advertisers(advertisers, query)


@router.post(
    "/accounts/{account}/advertisers/refresh",
    summary="Refresh an account's advertisers",
    responses=failures(403, 404, 409, 429, 502),
)
async def refresh_advertisers(deps: Here, who: Who, account: Id) -> AdvertiserList:
    """Syncs the list with TikTok; former advertisers stay in it as removed."""
    advertisers = await deps.asking.refreshed(who.guard.account(int(account), AccountRight.USE))
    return AdvertiserList(
        items=[AdvertiserAnswer.model_validate(advertiser) for advertiser in advertisers],
        total=len(advertisers),
        limit=len(advertisers),
        offset=0,
    )


@router.put(
    "/accounts/{account}/advertisers",
    summary="Select an account's advertisers",
    responses=failures(403, 404, 409, 429, 502),
)
async def choose_advertisers(deps: Here, who: Who, account: Id, body: Selection) -> AccountAnswer:
    """The advertisers that the account reads: those selected, or all that the grant covers."""
    stored = who.guard.account(int(account), AccountRight.EDIT)
    selection = tuple(dict.fromkeys(body.advertisers)) if body.advertisers else None
    access = replace(own_app(deps.settings, deps.store, stored), token=deps.store.accounts.token(stored))
    granted = await Connecting(deps.settings, deps.store, deps.transport).granted(access, selection, stored)
    chosen = deps.store.accounts.choose_advertisers(stored, selection)
    deps.store.accounts.save_advertisers(chosen, granted.advertisers)
    return _answer(deps, who, chosen)


@router.get("/accounts/{account}/shares", summary="Get an account's shares", responses=failures(404))
def get_shares(deps: Here, who: Who, account: Id) -> SharesAnswer:
    """The level of all users, and of single users."""
    return _shares(deps, who.guard.account(int(account)))


@router.put(
    "/accounts/{account}/shares/everyone", summary="Share an account with everyone", responses=failures(403, 404)
)
def share_with_everyone(deps: Here, who: Who, account: Id, body: LevelBody) -> SharesAnswer:
    """Sets the minimum level of all users; `none` ends it."""
    stored = who.guard.account(int(account), AccountRight.SHARE)
    sharing.share_with_everyone(who.guard, stored, body.level)
    return _shares(deps, stored)


@router.put("/accounts/{account}/shares/{user}", summary="Share an account with a user", responses=failures(403, 404))
def share(deps: Here, who: Who, account: Id, user: Id, body: LevelBody) -> SharesAnswer:
    """Sets a user's level; `none` ends it. Only owners change owners, and one must remain."""
    stored = who.guard.account(int(account), AccountRight.SHARE)
    sharing.share(who.guard, stored, deps.store.users.get(int(user)), body.level)
    return _shares(deps, stored)


def _answers(deps: Deps, who: Visitor, accounts: tuple[Account, ...]) -> list[AccountAnswer]:
    owners = deps.store.shares.owners()
    datasets: dict[int | None, list[str]] = {}
    for saved in who.guard.datasets():
        datasets.setdefault(saved.account_id, []).append(saved.slug)
    return [_one(who, account, owners.get(account.id, ()), datasets.get(account.id, [])) for account in accounts]


def _answer(deps: Deps, who: Visitor, account: Account) -> AccountAnswer:
    return _answers(deps, who, (account,))[0]


def _one(who: Visitor, account: Account, owners: tuple[User, ...], datasets: list[str]) -> AccountAnswer:
    rights = (AccountRight.USE, AccountRight.SHARE, AccountRight.EDIT, AccountRight.DELETE)
    return AccountAnswer(
        id=str(account.id),
        name=account.name,
        status=account.status,
        granted_by=account.owner,
        app_id=account.app_id,
        owners=[_person(user) for user in owners],
        advertisers=list(account.selection) if account.selection is not None else None,
        datasets=datasets,
        level=who.guard.level(account),
        may=AccountRights(**{right.value: who.guard.may(right, account) for right in rights}),
        created_at=account.created_at,
        updated_at=account.updated_at,
        last_checked_at=account.last_checked_at,
    )


def _person(user: User) -> UserName:
    return UserName(id=str(user.id), name=user.name)


def _is_wanted(account: AccountAnswer, query: AccountsQuery) -> bool:
    words = " ".join((account.name, account.granted_by, *(owner.name for owner in account.owners))).casefold()
    return (
        query.status in (None, account.status)
        and query.used in (None, bool(account.datasets))
        and all(word in words for word in query.q.casefold().split())
    )


_SORTS: Mapping[str, Callable[[AccountAnswer], Any]] = MappingProxyType(
    {
        "name": lambda account: account.name.casefold(),
        "status": lambda account: account.status.value,
        "datasets": lambda account: len(account.datasets),
        "created_at": lambda account: account.created_at,
        "updated_at": lambda account: account.updated_at,
    }
)


def _mentions(advertiser: AccountAdvertiser, text: str) -> bool:
    text_of_row = f"{advertiser.advertiser_id} {advertiser.name} {advertiser.currency}".casefold()
    return all(word in text_of_row for word in text.casefold().split())


def _advertisers(advertisers: list[AccountAdvertiser], query: Paging) -> AdvertiserList:
    items = [AdvertiserAnswer.model_validate(advertiser) for advertiser in part(advertisers, query)]
    return AdvertiserList(items=items, total=len(advertisers), limit=query.limit, offset=query.offset)


def _shares(deps: Deps, account: Account) -> SharesAnswer:
    by_user = deps.store.shares.of(account)
    users = [Share(user=_person(user), level=level) for user, level in by_user.items()]
    return SharesAnswer(everyone=deps.store.shares.everyone(account), users=users)
