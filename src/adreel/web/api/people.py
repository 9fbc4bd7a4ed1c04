"""Who asks, users, API tokens and the workspace."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import Field, SecretStr

from adreel.access import RoleRight
from adreel.errors import InputError
from adreel.store import ApiToken, Role, User, Workspace
from adreel.store.tokens import LONGEST_DAYS
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Id, Paged, Paging, having, in_browser, located, part
from adreel.web.deps import Here, Visitor, Who
from adreel.web.sign_in import checked

router = api_router()


_RULES = "At least 10 characters; not a common password or the user name."


class UserAnswer(Answer):
    """A user."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["ada"])
    role: Role = Field(examples=[Role.EDITOR])
    disabled: bool = Field(examples=[False])
    created_at: datetime
    seen_at: datetime | None = Field(description="Last request by the user or their API tokens.")


class UserList(Paged[UserAnswer]):
    """Users."""


class WorkspaceAnswer(Answer):
    """What all users share."""

    name: str = Field(examples=["adreel"])
    zone: str = Field(description="The IANA time zone of the pages; the API returns UTC.", examples=["UTC"])


class Me(Answer):
    """The current user, their permissions and the workspace."""

    user: UserAnswer
    read_only: bool = Field(description="Whether the token is read-only.", examples=[False])
    may_edit: bool = Field(description="Whether the role is allowed to create and edit.", examples=[True])
    workspace: WorkspaceAnswer
    version: str = Field(description="Version of adreel.", examples=["0.1.0"])
    simulated: str | None = Field(
        description="A notice if figures come from a simulated TikTok; otherwise null.",
        examples=[None],
    )


class UserBody(Body):
    """A new user."""

    name: str = Field(max_length=200, examples=["grace"])
    password: SecretStr = Field(max_length=1_000, description=_RULES)
    role: Role = Field(Role.VIEWER, examples=[Role.VIEWER])


class UserChanges(Body):
    """Changes to a user; omitted keys stay."""

    role: Role | None = Field(None, examples=[Role.EDITOR])
    disabled: bool | None = Field(None, description="Whether sign-in is disabled.", examples=[False])


class PasswordBody(Body):
    """Another password."""

    password: SecretStr = Field(max_length=1_000, description=_RULES)


class OwnPasswordBody(Body):
    """Another password of one's own."""

    present: SecretStr = Field(max_length=1_000, description="The current password.")
    password: SecretStr = Field(max_length=1_000, description=_RULES)
    keep_tokens: bool = Field(False, description="Keep your API tokens; otherwise all are revoked, this request's too.")


class UserHeir(Body):
    """Who takes over."""

    heir: str = Field(
        "",
        pattern="^[0-9]{0,18}$",
        description="ID of the user who takes over accounts that have no other owner.",
    )


class TokenAnswer(Answer):
    """An API token. Its secret is shown once, on creation."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["dashboards"])
    read_only: bool = Field(examples=[True])
    created_at: datetime
    expires_at: datetime | None = Field(description="Null for a token that does not expire.")
    used_at: datetime | None = Field(description="Last use, to the minute.")


class TokenList(Paged[TokenAnswer]):
    """API tokens."""


class NewToken(TokenAnswer):
    """A new token."""

    secret: str = Field(description="The token to send. It cannot be shown again.")


class TokenBody(Body):
    """A new API token."""

    name: str = Field(max_length=200, examples=["dashboards"])
    read_only: bool = Field(True, examples=[True])
    days: int | None = Field(90, ge=1, le=LONGEST_DAYS, description="Days until it expires; null for never.")


class WorkspaceChanges(Body):
    """Changes to the workspace; omitted keys stay."""

    name: str | None = Field(None, max_length=200, examples=["Growth"])
    zone: str | None = Field(None, max_length=100, examples=["Europe/Berlin"])


class SettingAnswer(Answer):
    """A setting of the server."""

    variable: str = Field(examples=["ADREEL_TIKTOK_LEVEL"])
    value: str = Field(description="A secret shows only whether it is set.", examples=["basic"])
    source: str = Field(examples=["default"])
    help: str = Field(examples=["API level of that app, which sets how many requests it may send."])


class SettingList(Paged[SettingAnswer]):
    """Settings of the server."""


@router.get("/me", tags=["me"], summary="Get the current user", responses=failures())
def get_me(deps: Here, who: Who) -> Me:
    """The user of the token or session, and their permissions."""
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
def change_password(
    request: Request, deps: Here, who: Annotated[Visitor, having(RoleRight.CHANGE_SELF)], body: OwnPasswordBody
) -> None:
    """Changes your password and signs out other browsers."""
    checked(request, who.user.name, body.present.get_secret_value(), "The current password is wrong.")
    deps.store.users.set_password(
        who.user, body.password.get_secret_value(), keep_tokens=body.keep_tokens, besides=who.secret
    )


# -- tokens of one's own


@router.get("/tokens", tags=["me"], summary="List your API tokens", responses=failures())
def list_tokens(deps: Here, who: Who, query: Annotated[Paging, Query()]) -> TokenList:
    """Your API tokens, expired ones included, without secrets."""
    api_tokens = deps.store.tokens.list(who.user)
    items = [_token(api_token) for api_token in part(api_tokens, query)]
    return TokenList(items=items, total=len(api_tokens), limit=query.limit, offset=query.offset)


@router.post(
    "/tokens",
    tags=["me"],
    summary="Create an API token",
    status_code=201,
    responses=failures(403),
    response_model=NewToken,
)
def create_token(deps: Here, who: Annotated[Visitor, in_browser("create API tokens")], body: TokenBody) -> NewToken:
    """A token for a program that acts as you, or is read-only.

    Requires a browser session: a leaked token cannot create further tokens.
    """
    token, secret = deps.store.tokens.add(who.user, body.name, body.read_only, body.days)
    return NewToken(**dict(_token(token)), secret=secret)


@router.delete(
    "/tokens/{token}", tags=["me"], summary="Revoke an API token", status_code=204, responses=failures(403, 404)
)
def revoke_token(deps: Here, who: Annotated[Visitor, having(RoleRight.CHANGE_SELF)], token: Id) -> None:
    """Revokes one of your tokens immediately."""
    deps.store.tokens.revoke(who.user, int(token))


# -- users


@router.get("/users", tags=["users"], summary="List the users", responses=failures(403))
def list_users(
    deps: Here, _: Annotated[Visitor, having(RoleRight.VIEW_USERS)], query: Annotated[Paging, Query()]
) -> UserList:
    """All users by name. Administrators only."""
    users = deps.store.users.list()
    items = [_user(user) for user in part(users, query)]
    return UserList(items=items, total=len(users), limit=query.limit, offset=query.offset)


@router.post(
    "/users",
    tags=["users"],
    summary="Create a user",
    status_code=201,
    responses=located(201, "The user's address.") | failures(403, 409),
)
def create_user(
    deps: Here, _: Annotated[Visitor, having(RoleRight.CREATE_USERS)], body: UserBody, answer: Response
) -> UserAnswer:
    """A user who can sign in with the password. Administrators only."""
    user = deps.store.users.add(body.name, body.password.get_secret_value(), body.role)
    answer.headers["Location"] = f"/api/v1/users/{user.id}"
    return _user(user)


@router.get("/users/{user}", tags=["users"], summary="Get a user", responses=failures(403, 404))
def get_user(deps: Here, _: Annotated[Visitor, having(RoleRight.VIEW_USERS)], user: Id) -> UserAnswer:
    """One user. Administrators only."""
    return _user(deps.store.users.get(int(user)))


@router.patch("/users/{user}", tags=["users"], summary="Change a user", responses=failures(403, 404))
def change_user(
    deps: Here, _: Annotated[Visitor, having(RoleRight.CHANGE_USERS)], user: Id, body: UserChanges
) -> UserAnswer:
    """Changes the role, disables or enables. The last administrator cannot be changed. Administrators only."""
    users, stored = deps.store.users, deps.store.users.get(int(user))
    if body.role is not None and body.role is not stored.role:
        stored = users.set_role(stored, body.role)
    if body.disabled is not None and body.disabled is not stored.disabled:
        stored = users.disable(stored) if body.disabled else users.enable(stored)
    return _user(stored)


@router.put(
    "/users/{user}/password",
    tags=["users"],
    summary="Set a user's password",
    status_code=204,
    responses=failures(403, 404),
)
def set_password(
    deps: Here, who: Annotated[Visitor, having(RoleRight.CHANGE_USERS)], user: Id, body: PasswordBody
) -> None:
    """Sets a password and ends the user's sessions and API tokens. Administrators only.

    Your own password is changed at `/me/password`, with the current one.
    """
    stored = deps.store.users.get(int(user))
    if stored.id == who.user.id:
        raise InputError("Change your own password with PUT /me/password and the current password.")
    deps.store.users.set_password(stored, body.password.get_secret_value())


@router.delete("/users/{user}", tags=["users"], summary="Delete a user", status_code=204, responses=failures(403, 404))
def delete_user(
    deps: Here, who: Annotated[Visitor, having(RoleRight.DELETE_USERS)], user: Id, query: Annotated[UserHeir, Query()]
) -> None:
    """Deletes the user with sessions, tokens and shares; datasets stay. Administrators only."""
    users = deps.store.users
    stored = users.get(int(user))
    if stored.id == who.user.id:
        raise InputError("You cannot delete your own user. Ask another administrator.")
    users.delete(stored, heir=users.get(int(query.heir)) if query.heir else None)


# -- the workspace


@router.get("/workspace", tags=["workspace"], summary="Get the workspace", responses=failures())
def get_workspace(deps: Here, _: Who) -> WorkspaceAnswer:
    """The workspace's name and time zone."""
    return _workspace(deps.store.workspace.get())


@router.patch("/workspace", tags=["workspace"], summary="Change the workspace", responses=failures(403))
def change_workspace(
    deps: Here, _: Annotated[Visitor, having(RoleRight.CHANGE_WORKSPACE)], body: WorkspaceChanges
) -> WorkspaceAnswer:
    """Changes the name or time zone. Administrators only."""
    return _workspace(deps.store.workspace.set(name=body.name, zone=body.zone))


@router.get("/settings", tags=["workspace"], summary="List the server's settings", responses=failures(403))
def list_settings(
    deps: Here, _: Annotated[Visitor, having(RoleRight.VIEW_SETTINGS)], query: Annotated[Paging, Query()]
) -> SettingList:
    """All settings with value and source; secrets are hidden. Administrators only."""
    showns = deps.settings.shown()
    items = [
        SettingAnswer(variable=shown.setting.variable, value=shown.text, source=shown.source, help=shown.setting.help)
        for shown in part(showns, query)
    ]
    return SettingList(items=items, total=len(showns), limit=query.limit, offset=query.offset)


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


def _workspace(workspace: Workspace) -> WorkspaceAnswer:
    return WorkspaceAnswer(name=workspace.name, zone=workspace.zone)
