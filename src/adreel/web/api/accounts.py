"""Accounts: connected by token or consent, looked after, shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field, SecretStr

from adreel import sharing
from adreel.access import AccountRight
from adreel.connections import ByHand, Connecting, app_access, free_name, need_app, own_app, same_user
from adreel.errors import BusyError, InputError
from adreel.store import Account, AccountAdvertiser, AccountStatus, Level, User
from adreel.tiktok.oauth import consent_url, new_state
from adreel.web.api.failures import failures
from adreel.web.api.shapes import Answer, Body, Editor, Id, Paged, Paging, Person, located, part
from adreel.web.deps import Center, Here, Visitor, Who
from adreel.web.pages.consent import read_token, way_back

router = APIRouter(tags=["accounts"])

AdvertiserId = Annotated[str, Field(pattern="^[0-9]{1,30}$", examples=["7000000000000000000"])]


class UserName(Answer):
    """A user, by name."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["ada"])


class AccountRights(Answer):
    """What you may do with an account."""

    use: bool = Field(description="Make datasets with it.", examples=[True])
    share: bool = Field(examples=[True])
    edit: bool = Field(examples=[True])
    delete: bool = Field(examples=[True])


class AccountAnswer(Answer):
    """One grant of a TikTok for Business user to one app. Its token is never shown."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["demo"])
    status: AccountStatus = Field(description="Whether TikTok honours its token.", examples=[AccountStatus.VALID])
    granted_by: str = Field(description="Who granted it at TikTok; empty if TikTok does not say.", examples=["Ada"])
    app_id: str = Field(examples=["7000000000000000000"])
    owners: list[UserName] = Field(description="Users who own it here; of none, the administrators do.")
    advertisers: list[str] | None = Field(
        description="Ids that were chosen by hand; null for all that the grant covers.", examples=[None]
    )
    datasets: list[str] = Field(description="Slugs of those of its datasets that you may see.", examples=[["spend"]])
    level: Level = Field(description="How far it is open to you.", examples=[Level.OWNER])
    may: AccountRights
    created_at: datetime
    updated_at: datetime
    last_checked_at: datetime | None = Field(description="When TikTok last said something about it.")


class Accounts(Paged[AccountAnswer]):
    """Accounts."""


class Advertiser(Answer):
    """An ad account that an account reads."""

    id: str = Field(examples=["7000000000000000000"])
    name: str = Field(examples=["Shop"])
    currency: str = Field(examples=["EUR"])
    timezone: str = Field(description="The fixed offset in which its days are counted.", examples=["Etc/GMT-1"])
    display_timezone: str = Field(examples=["Europe/Berlin"])
    status: str = Field(examples=["STATUS_ENABLE"])
    country: str = Field(examples=["DE"])
    gone: bool = Field(description="It was covered once, and is no more.", examples=[False])
    refreshed_at: datetime


class Advertisers(Paged[Advertiser]):
    """Advertisers of an account."""


class Share(Answer):
    """How far an account is shared with a user."""

    user: UserName
    level: Level = Field(description="The user's role may allow less.", examples=[Level.READ])


class Shares(Answer):
    """With whom an account is shared."""

    everyone: Level = Field(description="What every user has at least.", examples=[Level.NONE])
    users: list[Share]


class Consent(Answer):
    """TikTok's consent page for one connection."""

    address: str = Field(
        description="Open it in the browser that asked; it leads back to the Data Center, within 15 minutes."
    )


class AccountsQuery(Paging):
    """Which accounts, in which order."""

    q: str = Field("", max_length=200, description="Words; each must be in the account's or an owner's name.")
    status: AccountStatus | None = Field(None, description="Only with this status.")
    used: bool | None = Field(None, description="Only those that datasets use, or only those that none uses.")
    sort: str = Field(
        "name",
        pattern="^-?(name|status|datasets|created_at|updated_at)$",
        description="name, status, datasets, created_at or updated_at; with `-` in front for descending.",
    )


class TokenBody(Body):
    """A token of TikTok's API."""

    token: SecretStr = Field(max_length=2_000, description="The access token.")


class AccountBody(TokenBody):
    """A new account."""

    name: str = Field(max_length=200, examples=["demo"])
    advertisers: list[AdvertiserId] | None = Field(
        None,
        min_length=1,
        max_length=10_000,
        description="Read only these; needs no app id and secret. Null for all that the token covers.",
    )
    timezone: str = Field(
        "",
        max_length=64,
        examples=["UTC+08:00"],
        description="Their time zone, where TikTok tells none (its sandbox); UTC if it is empty.",
    )
    currency: str = Field(
        "", max_length=3, examples=["USD"], description="Their currency, where TikTok tells none (its sandbox)."
    )


class AgainBody(TokenBody):
    """Another token for an account."""

    another_user: bool = Field(
        False, description="Take it although another TikTok user granted it; other advertisers may then be covered."
    )


class AccountChanges(Body):
    """What is to change of an account; what is left out stays."""

    name: str | None = Field(None, max_length=200, examples=["Brand"])


class Selection(Body):
    """Which advertisers an account reads."""

    advertisers: list[AdvertiserId] | None = Field(
        min_length=1, max_length=10_000, description="These alone; null for all that the grant covers."
    )


class LevelBody(Body):
    """How far."""

    level: Level = Field(examples=[Level.READ])


class ConsentBody(Body):
    """What a consent is for: a new account of that name, or one that is there."""

    name: str | None = Field(None, max_length=200, examples=["brand"])
    account: str | None = Field(None, pattern="^[0-9]{1,18}$", examples=[None])


class AdvertisersQuery(Paging):
    """Which advertisers."""

    q: str = Field("", max_length=200, description="Words; each must be in the name, id or currency.")
    gone: bool | None = Field(None, description="Only those that are gone, or only those that are not.")


class DeleteQuery(Body):
    """What becomes of the grant."""

    revoke: bool = Field(False, description="Also end the grant at TikTok.")


@router.get("/accounts", summary="List the accounts", responses=failures())
def list_accounts(deps: Here, who: Who, query: Annotated[AccountsQuery, Query()]) -> Accounts:
    """The accounts that you may see, by name unless another order is asked for."""
    every = _answers(deps, who, who.guard.accounts())
    accounts = [account for account in every if _is_wanted(account, query)]
    accounts.sort(key=lambda one: one.name.casefold())
    accounts.sort(key=_SORTS[query.sort.removeprefix("-")], reverse=query.sort.startswith("-"))
    return Accounts(items=list(part(accounts, query)), total=len(accounts), limit=query.limit, offset=query.offset)


@router.post(
    "/accounts",
    summary="Add an account by a token",
    status_code=201,
    responses=located(201, "The account's address.") | failures(403, 409, 429, 502),
)
async def create_account(deps: Here, who: Editor, body: AccountBody, answer: Response) -> AccountAnswer:
    """A new account from an access token that you have, once TikTok has shown that it is good. You will own it."""
    selection = tuple(dict.fromkeys(body.advertisers)) if body.advertisers else None
    access = app_access(deps.settings, read_token(body.token.get_secret_value()))
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
    summary="Begin a consent at TikTok",
    status_code=201,
    responses=failures(403, 404, 409),
)
def begin_consent(deps: Here, _: Editor, who: Person, body: ConsentBody) -> Consent:
    """The address of TikTok's consent page, for a new account or one that is to be connected again.

    Only for a person in a browser, with the session's cookie: the way back holds for that browser alone.
    """
    if (body.name is None) == (body.account is None):
        raise InputError("Give the name of a new account, or the id of one that is to be connected again.")
    account = who.guard.account(int(body.account), AccountRight.EDIT) if body.account is not None else None
    access = own_app(deps.settings, deps.store, account) if account else app_access(deps.settings)
    need_app(deps.settings, access)
    name = free_name(deps.store, body.name) if body.name is not None else None
    state = new_state()
    deps.store.consents.begin(state, who.secret, who.user, account, name)
    return Consent(address=consent_url(deps.settings.tiktok_auth_url, access.app_id, state, way_back(deps.settings)))


@router.get("/accounts/{account}", summary="Get an account", responses=failures(404))
def get_account(deps: Here, who: Who, account: Id) -> AccountAnswer:
    """One account."""
    return _answer(deps, who, who.guard.account(int(account)))


@router.patch("/accounts/{account}", summary="Rename an account", responses=failures(403, 404, 409))
def change_account(deps: Here, who: Who, account: Id, body: AccountChanges) -> AccountAnswer:
    """Another name, which its datasets take over."""
    found = who.guard.account(int(account), AccountRight.EDIT)
    if body.name is not None:
        found = deps.store.accounts.rename(found, body.name)
    return _answer(deps, who, found)


@router.delete(
    "/accounts/{account}",
    summary="Delete an account",
    status_code=204,
    responses=failures(403, 404, 409, 429, 502),
)
async def delete_account(deps: Here, who: Who, account: Id, query: Annotated[DeleteQuery, Query()]) -> None:
    """Forgets the account and its token. Its datasets keep their data and stop updating."""
    found = who.guard.account(int(account), AccountRight.DELETE)
    if query.revoke:
        await Connecting(deps.settings, deps.store, deps.transport).revoke(found)
    deps.store.accounts.delete(found)


@router.put(
    "/accounts/{account}/token",
    summary="Give an account another token",
    responses=failures(403, 404, 409, 429, 502),
)
async def replace_token(deps: Here, who: Who, account: Id, body: AgainBody) -> AccountAnswer:
    """Connects the account again, once TikTok has shown that the token is good; its datasets go on.

    409 if another TikTok user granted it, unless `another_user` says that this is meant.
    """
    found = who.guard.account(int(account), AccountRight.EDIT)
    connecting = Connecting(deps.settings, deps.store, deps.transport)
    access = replace(own_app(deps.settings, deps.store, found), token=read_token(body.token.get_secret_value()))
    granted = await connecting.granted(access, found.selection, found)
    if not body.another_user and not same_user(await connecting.granter(found), granted.granter):
        raise BusyError(
            f"This token was granted by another TikTok user than the one of {found.name!r}, so it may cover other "
            "advertisers. Say another_user if that is meant, or add it as an account of its own."
        )
    return _answer(deps, who, connecting.keep_again(found, granted))


@router.get("/accounts/{account}/advertisers", summary="List an account's advertisers", responses=failures(404))
def list_advertisers(deps: Here, who: Who, account: Id, query: Annotated[AdvertisersQuery, Query()]) -> Advertisers:
    """The advertisers as they are known here; ask TikTok anew with a refresh."""
    known = deps.store.accounts.advertisers(who.guard.account(int(account)))
    advertisers = [
        advertiser for advertiser in known if query.gone in (None, advertiser.gone) and _mentions(advertiser, query.q)
    ]
    return _advertisers(advertisers, query)


@router.post(
    "/accounts/{account}/advertisers/refresh",
    summary="Ask TikTok for an account's advertisers",
    responses=failures(403, 404, 409, 429, 502),
)
async def refresh_advertisers(deps: Here, who: Who, account: Id) -> Advertisers:
    """Every advertiser that the account covers now, and those that it covered once."""
    advertisers = await deps.asking.refreshed(who.guard.account(int(account), AccountRight.USE))
    return Advertisers(
        items=[_advertiser(advertiser) for advertiser in advertisers],
        total=len(advertisers),
        limit=len(advertisers),
        offset=0,
    )


@router.put(
    "/accounts/{account}/advertisers",
    summary="Choose an account's advertisers",
    responses=failures(403, 404, 409, 429, 502),
)
async def choose_advertisers(deps: Here, who: Who, account: Id, body: Selection) -> AccountAnswer:
    """Which advertisers the account reads: those named, or all that the grant covers."""
    found = who.guard.account(int(account), AccountRight.EDIT)
    selection = tuple(dict.fromkeys(body.advertisers)) if body.advertisers else None
    access = replace(own_app(deps.settings, deps.store, found), token=deps.store.accounts.token(found))
    granted = await Connecting(deps.settings, deps.store, deps.transport).granted(access, selection, found)
    chosen = deps.store.accounts.choose_advertisers(found, selection)
    deps.store.accounts.save_advertisers(chosen, granted.advertisers)
    return _answer(deps, who, chosen)


@router.get("/accounts/{account}/shares", summary="See with whom an account is shared", responses=failures(404))
def get_shares(deps: Here, who: Who, account: Id) -> Shares:
    """How far every user has the account, and who has it further by name."""
    return _shares(deps, who.guard.account(int(account)))


@router.put(
    "/accounts/{account}/shares/everyone", summary="Share an account with everyone", responses=failures(403, 404)
)
def share_with_everyone(deps: Here, who: Who, account: Id, body: LevelBody) -> Shares:
    """How far every user has the account at least; `none` ends it."""
    found = who.guard.account(int(account), AccountRight.SHARE)
    sharing.share_with_everyone(who.guard, found, body.level)
    return _shares(deps, found)


@router.put("/accounts/{account}/shares/{user}", summary="Share an account with a user", responses=failures(403, 404))
def share(deps: Here, who: Who, account: Id, user: Id, body: LevelBody) -> Shares:
    """How far a user has the account; `none` ends it. Only owners make and unmake owners, and one always stays."""
    found = who.guard.account(int(account), AccountRight.SHARE)
    sharing.share(who.guard, found, deps.store.users.get(int(user)), body.level)
    return _shares(deps, found)


def _answers(deps: Center, who: Visitor, found: tuple[Account, ...]) -> list[AccountAnswer]:
    owners = deps.store.shares.owners()
    datasets: dict[int | None, list[str]] = {}
    for saved in who.guard.datasets():
        datasets.setdefault(saved.account_id, []).append(saved.slug)
    return [_one(who, account, owners.get(account.id, ()), datasets.get(account.id, [])) for account in found]


def _answer(deps: Center, who: Visitor, account: Account) -> AccountAnswer:
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
    said = f"{advertiser.advertiser_id} {advertiser.name} {advertiser.currency}".casefold()
    return all(word in said for word in text.casefold().split())


def _advertisers(found: list[AccountAdvertiser], query: Paging) -> Advertisers:
    items = [_advertiser(advertiser) for advertiser in part(found, query)]
    return Advertisers(items=items, total=len(found), limit=query.limit, offset=query.offset)


def _advertiser(advertiser: AccountAdvertiser) -> Advertiser:
    facts = {name: getattr(advertiser, name) for name in Advertiser.model_fields if name != "id"}
    return Advertiser(id=advertiser.advertiser_id, **facts)


def _shares(deps: Center, account: Account) -> Shares:
    by_user = deps.store.shares.of(account)
    users = [Share(user=_person(user), level=level) for user, level in by_user.items()]
    return Shares(everyone=deps.store.shares.everyone(account), users=users)
