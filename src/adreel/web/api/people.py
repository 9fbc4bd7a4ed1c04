"""Who asks, users, API tokens and the workspace."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, SecretStr

from adreel.errors import InputError
from adreel.store import ApiToken, Role, User, Workspace
from adreel.store.tokens import LONGEST_DAYS
from adreel.web.api.failures import failures
from adreel.web.api.shapes import Admin, Answer, Body, Id, Member, Overseer, Paged, Paging, Person, located, part
from adreel.web.deps import Here, Who
from adreel.web.sign_in import checked

router = APIRouter()


_RULES = "10 characters at least; no common one, and not made of the name."


class UserAnswer(Answer):
    """A person who signs in."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["ada"])
    role: Role = Field(examples=[Role.EDITOR])
    disabled: bool = Field(examples=[False])
    created_at: datetime
    seen_at: datetime | None = Field(description="When they, or a program of theirs, last did something.")


class Users(Paged[UserAnswer]):
    """Users."""


class WorkspaceAnswer(Answer):
    """What all users share."""

    name: str = Field(examples=["adreel"])
    zone: str = Field(description="The IANA zone in which pages show times; the API gives UTC.", examples=["UTC"])


class Me(Answer):
    """Who asks, what they may do, and where they are."""

    user: UserAnswer
    read_only: bool = Field(description="Whether the token may only read.", examples=[False])
    may_edit: bool = Field(description="Whether the role lets them make and change things at all.", examples=[True])
    workspace: WorkspaceAnswer
    version: str = Field(description="Of adreel.", examples=["0.1.0"])
    simulated: str | None = Field(
        description="Says it while numbers are made up, as TikTok is simulated on this machine; else null.",
        examples=[None],
    )


class UserBody(Body):
    """A new user."""

    name: str = Field(max_length=200, examples=["grace"])
    password: SecretStr = Field(max_length=1_000, description=_RULES)
    role: Role = Field(Role.VIEWER, examples=[Role.VIEWER])


class UserChanges(Body):
    """What is to change of a user; what is left out stays."""

    role: Role | None = Field(None, examples=[Role.EDITOR])
    disabled: bool | None = Field(None, description="Locked out; what they own stays.", examples=[False])


class PasswordBody(Body):
    """Another password."""

    password: SecretStr = Field(max_length=1_000, description=_RULES)


class OwnPasswordBody(Body):
    """Another password of one's own."""

    present: SecretStr = Field(max_length=1_000, description="The password until now.")
    password: SecretStr = Field(max_length=1_000, description=_RULES)
    keep_tokens: bool = Field(
        False, description="Whether your API tokens stay; else all end, also one that this is asked with."
    )


class UserHeir(Body):
    """Who takes over."""

    heir: str = Field(
        "",
        pattern="^[0-9]{0,18}$",
        description="Id of the user who takes over the accounts that nobody else owns.",
    )


class TokenAnswer(Answer):
    """A key for a program. Its secret is shown once, when it is made."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["dashboards"])
    read_only: bool = Field(examples=[True])
    created_at: datetime
    expires_at: datetime | None = Field(description="Null for one that is good until it is revoked.")
    used_at: datetime | None = Field(description="To the minute.")


class Tokens(Paged[TokenAnswer]):
    """API tokens."""


class NewToken(TokenAnswer):
    """A token that was just made."""

    secret: str = Field(description="What the program sends; it cannot be looked up afterwards.")


class TokenBody(Body):
    """A new API token."""

    name: str = Field(max_length=200, examples=["dashboards"])
    read_only: bool = Field(True, examples=[True])
    days: int | None = Field(
        90, ge=1, le=LONGEST_DAYS, description="How long it is good for; null for until it is revoked."
    )


class WorkspaceChanges(Body):
    """What is to change of the workspace; what is left out stays."""

    name: str | None = Field(None, max_length=200, examples=["Growth"])
    zone: str | None = Field(None, max_length=100, examples=["Europe/Berlin"])


class Setting(Answer):
    """A setting of the server."""

    variable: str = Field(examples=["ADREEL_TIKTOK_LEVEL"])
    value: str = Field(description="A secret only says whether it is set.", examples=["basic"])
    source: str = Field(examples=["default"])
    help: str = Field(examples=["API level of that app, which sets how many requests it may send."])


class Settings(Paged[Setting]):
    """Settings of the server."""


@router.get("/me", tags=["me"], summary="See who you are here", responses=failures())
def get_me(deps: Here, who: Who) -> Me:
    """The user that the token or the session is of, and what they may do."""
    return Me(
        user=_user(who.user),
        read_only=who.guard.actor.read_only,
        may_edit=who.may_edit,
        workspace=_workspace(deps.store.workspace.get()),
        version=version("adreel"),
        simulated=deps.made_up.words if deps.made_up else None,
    )


@router.put(
    "/me/password",
    tags=["me"],
    summary="Change your password",
    status_code=204,
    responses=failures(403, 429),
)
def change_password(request: Request, deps: Here, who: Member, body: OwnPasswordBody) -> None:
    """Another password of your own; other browsers are signed out."""
    checked(request, who.user.name, body.present.get_secret_value(), "The present password is wrong.")
    deps.store.users.set_password(
        who.user, body.password.get_secret_value(), keep_tokens=body.keep_tokens, besides=who.secret
    )


# -- tokens of one's own


@router.get("/tokens", tags=["me"], summary="List your API tokens", responses=failures())
def list_tokens(deps: Here, who: Who, query: Annotated[Paging, Query()]) -> Tokens:
    """Your own tokens, also those that are over; never their secrets."""
    api_tokens = deps.store.tokens.list(who.user)
    items = [_token(api_token) for api_token in part(api_tokens, query)]
    return Tokens(items=items, total=len(api_tokens), limit=query.limit, offset=query.offset)


@router.post(
    "/tokens",
    tags=["me"],
    summary="Make an API token",
    status_code=201,
    responses=failures(403),
    response_model=NewToken,
)
def create_token(deps: Here, who: Person, body: TokenBody) -> NewToken:
    """A key for a program that acts as you, or only reads as you.

    Only for a person in a browser: a token that leaked cannot make others that outlive it.
    """
    token, secret = deps.store.tokens.add(who.user, body.name, body.read_only, body.days)
    return NewToken(**dict(_token(token)), secret=secret)


@router.delete(
    "/tokens/{token}", tags=["me"], summary="Revoke an API token", status_code=204, responses=failures(403, 404)
)
def revoke_token(deps: Here, who: Member, token: Id) -> None:
    """Ends one of your tokens, at once."""
    deps.store.tokens.revoke(who.user, int(token))


# -- users


@router.get("/users", tags=["users"], summary="List the users", responses=failures(403))
def list_users(deps: Here, _: Overseer, query: Annotated[Paging, Query()]) -> Users:
    """All users by name. For administrators."""
    users = deps.store.users.list()
    items = [_user(user) for user in part(users, query)]
    return Users(items=items, total=len(users), limit=query.limit, offset=query.offset)


@router.post(
    "/users",
    tags=["users"],
    summary="Add a user",
    status_code=201,
    responses=located(201, "The user's address.") | failures(403, 409),
)
def create_user(deps: Here, _: Admin, body: UserBody, answer: Response) -> UserAnswer:
    """A user who can sign in with the password at once. For administrators."""
    user = deps.store.users.add(body.name, body.password.get_secret_value(), body.role)
    answer.headers["Location"] = f"/api/v1/users/{user.id}"
    return _user(user)


@router.get("/users/{user}", tags=["users"], summary="Get a user", responses=failures(403, 404))
def get_user(deps: Here, _: Overseer, user: Id) -> UserAnswer:
    """One user. For administrators."""
    return _user(deps.store.users.get(int(user)))


@router.patch("/users/{user}", tags=["users"], summary="Change a user", responses=failures(403, 404))
def change_user(deps: Here, _: Admin, user: Id, body: UserChanges) -> UserAnswer:
    """Another role, locked out or let in again. The last administrator stays one. For administrators."""
    users, found = deps.store.users, deps.store.users.get(int(user))
    if body.role is not None and body.role is not found.role:
        found = users.set_role(found, body.role)
    if body.disabled is not None and body.disabled is not found.disabled:
        found = users.disable(found) if body.disabled else users.enable(found)
    return _user(found)


@router.put(
    "/users/{user}/password",
    tags=["users"],
    summary="Give a user another password",
    status_code=204,
    responses=failures(403, 404),
)
def set_password(deps: Here, who: Admin, user: Id, body: PasswordBody) -> None:
    """Another password, which ends the user's sessions and API tokens. For administrators.

    Your own is changed at `/me/password`, where the present one is asked for.
    """
    found = deps.store.users.get(int(user))
    if found.id == who.user.id:
        raise InputError("Your own password is changed with PUT /me/password, where the present one is asked for.")
    deps.store.users.set_password(found, body.password.get_secret_value())


@router.delete("/users/{user}", tags=["users"], summary="Delete a user", status_code=204, responses=failures(403, 404))
def delete_user(deps: Here, who: Admin, user: Id, query: Annotated[UserHeir, Query()]) -> None:
    """Forgets the user with their sessions, tokens and shares; their datasets stay. For administrators."""
    users = deps.store.users
    found = users.get(int(user))
    if found.id == who.user.id:
        raise InputError("You cannot delete yourself; another administrator can.")
    users.delete(found, heir=users.get(int(query.heir)) if query.heir else None)


# -- the workspace


@router.get("/workspace", tags=["workspace"], summary="Get the workspace", responses=failures())
def get_workspace(deps: Here, _: Who) -> WorkspaceAnswer:
    """The workspace's name and time zone."""
    return _workspace(deps.store.workspace.get())


@router.patch("/workspace", tags=["workspace"], summary="Change the workspace", responses=failures(403))
def change_workspace(deps: Here, _: Admin, body: WorkspaceChanges) -> WorkspaceAnswer:
    """Another name or time zone. For administrators."""
    return _workspace(deps.store.workspace.set(name=body.name, zone=body.zone))


@router.get("/settings", tags=["workspace"], summary="List the server's settings", responses=failures(403))
def list_settings(deps: Here, _: Overseer, query: Annotated[Paging, Query()]) -> Settings:
    """Every setting with its value and where that is from; secrets stay hidden. For administrators."""
    showns = deps.settings.shown()
    items = [
        Setting(variable=shown.setting.variable, value=shown.text, source=shown.source, help=shown.setting.help)
        for shown in part(showns, query)
    ]
    return Settings(items=items, total=len(showns), limit=query.limit, offset=query.offset)


def _user(user: User) -> UserAnswer:
    return UserAnswer(
        id=str(user.id),
        name=user.name,
        role=user.role,
        disabled=user.disabled,
        created_at=user.created_at,
        seen_at=user.seen_at,
    )


def _token(token: ApiToken) -> TokenAnswer:
    return TokenAnswer(
        id=str(token.id),
        name=token.name,
        read_only=token.read_only,
        created_at=token.created_at,
        expires_at=token.expires_at,
        used_at=token.used_at,
    )


def _workspace(found: Workspace) -> WorkspaceAnswer:
    return WorkspaceAnswer(name=found.name, zone=found.zone)
