"""Users, one's own profile and API tokens, and the workspace."""

from __future__ import annotations

import platform
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Annotated, ClassVar
from zoneinfo import available_timezones

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel.access import RoleRight
from adreel.errors import AdreelError, GuessingError, InputError, NotFoundError
from adreel.language import Phrase, integer, phrase, phrases
from adreel.store import Account, ApiToken, Role, Session, User
from adreel.store.names import is_id
from adreel.store.passwords import SHORTEST
from adreel.store.users import LONGEST_NAME, can_own
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.pages.consent import redirect_url, redirects_here
from adreel.web.pages.wording import device, sentence
from adreel.web.render import Page, go, respond
from adreel.web.sign_in import checked, need_browser, signed_in
from adreel.web.status import retry_after, status_of
from adreel.web.wording import ROLE_NAMES

router = APIRouter()

Text = Annotated[str, Form()]

DAYS: Mapping[str, str] = MappingProxyType(
    {"30": Phrase("30 days"), "90": Phrase("90 days"), "365": Phrase("1 year"), "": Phrase("Never")}
)
"""Days until an API token expires, each with its label; empty for one that never does."""

PACKAGES = ("adreel", "duckdb", "deltalake", "pyarrow", "sqlalchemy", "fastapi", "starlette")

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Letters that look different on paper: without l, o, 0 and 1."""


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A password or token that was just created, and is shown only once."""

    whose: str
    secret: str


# -- users


@dataclass(frozen=True, slots=True)
class UsersPage(Page):
    """The users, and the form for a new one."""

    template: ClassVar[str] = "users.html"
    users: tuple[User, ...]
    owned: Mapping[int, int]
    roles: tuple[Role, ...]
    shortest: int
    longest_name: int
    name: str
    role: str
    error: str
    new_secret: NewSecret | None


@dataclass(frozen=True, slots=True)
class UserPage(Page):
    """One user; `alone` are the accounts that no one else owns, `heirs` the users who could take them over."""

    template: ClassVar[str] = "user.html"
    user: User
    roles: tuple[Role, ...]
    owned: tuple[Account, ...]
    alone: tuple[Account, ...]
    heirs: tuple[User, ...]
    datasets: int
    tokens: int
    myself: bool
    shortest: int
    place: str
    problem: str
    new_secret: NewSecret | None


@router.get("/users")
def users(request: Request, deps: Here, who: Who) -> Response:
    """All users."""
    who.guard.need_role(RoleRight.VIEW_USERS)
    return respond(request, _users(deps), visitor=who)


def _users(
    deps: Deps, *, name: str = "", role: str = "", error: str = "", new_secret: NewSecret | None = None
) -> UsersPage:
    owned: dict[int, int] = {}
    for owners in deps.store.shares.owners().values():
        for user in owners:
            owned[user.id] = owned.get(user.id, 0) + 1
    return UsersPage(
        users=deps.store.users.list(),
        owned=owned,
        roles=tuple(Role),
        shortest=SHORTEST,
        longest_name=LONGEST_NAME,
        name=name,
        role=role or Role.EDITOR,
        error=error,
        new_secret=new_secret,
    )


@router.post("/users")
def add_user(request: Request, deps: Here, who: Who, name: Text = "", role: Text = "", password: Text = "") -> Response:
    """Creates a user; without a password one is generated, and shown once."""
    who.guard.need_role(RoleRight.CREATE_USERS)
    secret = password or new_password()
    try:
        user = deps.store.users.add(name, secret, read_role(role))
    except InputError as error:
        return respond(request, _users(deps, name=name[:200], role=role, error=sentence(error)), 422, who)
    if password:
        return go(
            request,
            "/users",
            phrase("Created user %(name)s with role %(role)s.", name=user.name, role=ROLE_NAMES[user.role]),
        )
    return respond(request, _users(deps, new_secret=NewSecret(user.name, secret)), visitor=who)


def new_password() -> str:
    """A password of 100 random bits that can be read aloud."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def read_role(text: str) -> Role:
    """A role as a form sends it."""
    if text not in set(Role):
        raise InputError(phrase("Select a role."))
    return Role(text)


@router.get("/users/{user_id:int}")
def user(request: Request, deps: Here, who: Who, user_id: int) -> Response:
    """One user, with what they own."""
    who.guard.need_role(RoleRight.VIEW_USERS)
    return respond(request, _user(deps, who, deps.store.users.get(user_id)), visitor=who)


def _user(
    deps: Deps, who: Visitor, user: User, *, place: str = "", problem: str = "", new_secret: NewSecret | None = None
) -> UserPage:
    owners = deps.store.shares.owners()
    owner_ids = {account_id: [owner.id for owner in people] for account_id, people in owners.items()}
    owned = tuple(account for account in deps.store.accounts.list() if user.id in owner_ids.get(account.id, ()))
    return UserPage(
        user=user,
        roles=tuple(Role),
        owned=owned,
        alone=tuple(account for account in owned if owner_ids[account.id] == [user.id]),
        heirs=tuple(other for other in deps.store.users.list() if other.id != user.id and can_own(other)),
        datasets=sum(dataset.owner_id == user.id for dataset in deps.store.datasets.list()),
        tokens=len(deps.store.tokens.list(user)),
        myself=user.id == who.user.id,
        shortest=SHORTEST,
        place=place,
        problem=problem,
        new_secret=new_secret,
    )


def _with_problem(request: Request, deps: Deps, who: Visitor, user: User, place: str, error: AdreelError) -> Response:
    """The user's page with the error at its form."""
    return respond(request, _user(deps, who, user, place=place, problem=sentence(error)), status_of(error), who)


@router.post("/users/{user_id:int}/role")
def set_role(request: Request, deps: Here, who: Who, user_id: int, role: Text = "") -> Response:
    """Changes the role, from the user's next request on."""
    who.guard.need_role(RoleRight.CHANGE_USERS)
    user = deps.store.users.get(user_id)
    try:
        changed = deps.store.users.set_role(user, read_role(role))
    except InputError as error:
        return _with_problem(request, deps, who, user, "role", error)
    # An administrator who changed their own role cannot see this page any more.
    stays = changed.id != who.user.id or changed.role is Role.ADMIN
    return go(
        request,
        f"/users/{user.id}" if stays else "/",
        phrase("Changed role of %(name)s to %(role)s.", name=changed.name, role=ROLE_NAMES[changed.role]),
    )


@router.post("/users/{user_id:int}/password")
def set_password(request: Request, deps: Here, who: Who, user_id: int, password: Text = "") -> Response:
    """Sets a new password, which ends the user's sessions and tokens; without one it is generated, and shown once."""
    who.guard.need_role(RoleRight.CHANGE_USERS)
    user = deps.store.users.get(user_id)
    secret = password or new_password()
    try:
        if user.id == who.user.id:
            raise InputError(phrase("Change your own password on your profile, which asks for the current one."))
        deps.store.users.set_password(user, secret)
    except InputError as error:
        return _with_problem(request, deps, who, user, "password", error)
    if password:
        notice = phrase("Set a new password for %(name)s. Their sessions and API tokens have ended.", name=user.name)
        return go(request, f"/users/{user.id}", notice)
    return respond(request, _user(deps, who, user, new_secret=NewSecret(user.name, secret)), visitor=who)


@router.post("/users/{user_id:int}/disable")
def disable(request: Request, deps: Here, who: Who, user_id: int) -> Response:
    """Disables the user: ends their sessions and blocks their tokens at once."""
    who.guard.need_role(RoleRight.CHANGE_USERS)
    user = deps.store.users.get(user_id)
    try:
        deps.store.users.disable(user)
    except InputError as error:
        return _with_problem(request, deps, who, user, "state", error)
    return go(
        request, f"/users/{user.id}", phrase("Disabled %(name)s. Their accounts and datasets are kept.", name=user.name)
    )


@router.post("/users/{user_id:int}/enable")
def enable(request: Request, deps: Here, who: Who, user_id: int) -> Response:
    """Enables a disabled user."""
    who.guard.need_role(RoleRight.CHANGE_USERS)
    user = deps.store.users.enable(deps.store.users.get(user_id))
    return go(request, f"/users/{user.id}", phrase("Enabled %(name)s.", name=user.name))


@router.post("/users/{user_id:int}/delete")
def delete(request: Request, deps: Here, who: Who, user_id: int, heir: Text = "") -> Response:
    """Deletes the user; `heir` becomes owner of the accounts that no one else owns."""
    who.guard.need_role(RoleRight.DELETE_USERS)
    user = deps.store.users.get(user_id)
    try:
        new_owner = deps.store.users.get(int(heir)) if is_id(heir) else None
        deps.store.users.delete(user, heir=new_owner)
    except InputError as error:
        return _with_problem(request, deps, who, user, "delete", error)
    return go(request, "/users", phrase("Deleted user %(name)s.", name=user.name))


# -- one's own profile


@dataclass(frozen=True, slots=True)
class Device:
    """A session as its user sees it; `this` for the browser that asks."""

    session: Session
    title: str
    this: bool


@dataclass(frozen=True, slots=True)
class TokenRow:
    """An API token as its user sees it."""

    token: ApiToken
    expired: bool


@dataclass(frozen=True, slots=True)
class Profile(Page):
    """The user's own password, signed-in browsers and API tokens.

    `newest` tells a new form for a token from one that was sent already.
    """

    template: ClassVar[str] = "profile.html"
    devices: tuple[Device, ...]
    tokens: tuple[TokenRow, ...]
    days: Mapping[str, str]
    shortest: int
    role: Role
    role_name: str
    place: str
    problem: str
    typed: str
    new_secret: NewSecret | None
    newest: str


@router.get("/profile")
def profile(request: Request, deps: Here, who: Who) -> Response:
    """The user's own page."""
    need_browser(who, phrase("API tokens cannot view the profile."))
    return respond(request, _profile(deps, who), visitor=who)


def _profile(
    deps: Deps,
    who: Visitor,
    *,
    place: str = "",
    problem: str = "",
    typed: str = "",
    new_secret: NewSecret | None = None,
) -> Profile:
    now = deps.clock()
    this = deps.store.sessions.find(who.secret)
    return Profile(
        devices=tuple(
            Device(session, device(session.agent), this is not None and session.id == this.id)
            for session in deps.store.sessions.list(who.user)
        ),
        tokens=tuple(
            TokenRow(api_token, _is_expired(api_token, now)) for api_token in deps.store.tokens.list(who.user)
        ),
        days=DAYS,
        shortest=SHORTEST,
        role=who.user.role,
        role_name=ROLE_NAMES[who.user.role],
        place=place,
        problem=problem,
        typed=typed,
        new_secret=new_secret,
        newest=_newest(deps, who),
    )


def _newest(deps: Deps, who: Visitor) -> str:
    """The id of the user's newest token, or 0."""
    return str(max((api_token.id for api_token in deps.store.tokens.list(who.user)), default=0))


def _is_expired(token: ApiToken, now: datetime) -> bool:
    return token.expires_at is not None and token.expires_at <= now


@router.post("/profile/password")
def change_password(
    request: Request, deps: Here, who: Who, present: Text = "", password: Text = "", again: Text = "", tokens: Text = ""
) -> Response:
    """Changes the user's own password; ends other browsers' sessions and gives this one a new session.

    `tokens` says whether the API tokens `stay` or `end`; required where there are any.
    """
    need_browser(who, phrase("API tokens cannot change the password on this page."))
    try:
        if password != again:
            raise InputError(phrase("The new passwords do not match."))
        if tokens not in ("stay", "end") and deps.store.tokens.list(who.user):
            raise InputError(phrase("Select whether to keep or revoke your API tokens."))
        checked(request, who.user.name, present, phrase("The current password is wrong."))
        _, ended = deps.store.users.set_password(who.user, password, keep_tokens=tokens == "stay")
    except (InputError, GuessingError) as error:
        page = _profile(deps, who, place="password", problem=sentence(error))
        answer = respond(request, page, status_of(error), who)
        answer.headers.update(retry_after(error))
        return answer
    notice = phrase("Changed your password and signed out your other browsers.")
    if ended:
        notice = phrase("Changed your password, signed out your other browsers and revoked your API tokens.")
    return signed_in(request, who.user, "/profile", notice)


@router.post("/profile/sessions/end")
def end_others(request: Request, deps: Here, who: Who) -> Response:
    """Signs out every browser but this one."""
    need_browser(who, phrase("API tokens cannot end browser sessions."))
    ended = deps.store.sessions.end_all(who.user, besides=who.secret)
    notice = phrases(
        "Signed out %(browsers)s other browser.",
        "Signed out %(browsers)s other browsers.",
        ended,
        browsers=integer(ended),
    )
    return go(request, "/profile#browsers", notice)


@router.post("/profile/tokens")
def add_token(
    request: Request, deps: Here, who: Who, name: Text = "", kind: Text = "read", days: Text = "90", newest: Text = ""
) -> Response:
    """Creates an API token, shown only once. `newest` is of the form, so that a form sent again creates nothing."""
    need_browser(who, phrase("API tokens cannot create API tokens."))
    try:
        if newest != _newest(deps, who):
            raise InputError(
                phrase(
                    "This form was sent already, or your API tokens changed since you opened it. See the list: "
                    "revoke a token whose secret you did not copy, then create a new one."
                )
            )
        if days not in DAYS or kind not in ("read", "all"):
            raise InputError(phrase("Select the access and expiry of the API token."))
        token, secret = deps.store.tokens.add(who.user, name, kind == "read", int(days) if days else None)
    except InputError as error:
        page = _profile(deps, who, place="tokens", problem=sentence(error), typed=name[:200])
        return respond(request, page, 422, who)
    return respond(request, _profile(deps, who, place="tokens", new_secret=NewSecret(token.name, secret)), visitor=who)


@router.post("/profile/tokens/{token_id:int}/revoke")
def revoke_token(request: Request, deps: Here, who: Who, token_id: int) -> Response:
    """Revokes one of the user's own tokens."""
    need_browser(who, phrase("API tokens cannot revoke API tokens on this page."))
    if token_id not in {api_token.id for api_token in deps.store.tokens.list(who.user)}:
        raise NotFoundError(phrase("The API token was not found. It may have been revoked already."))
    deps.store.tokens.revoke(who.user, token_id)
    return go(request, "/profile#tokens", phrase("Revoked the API token. Programs that use it are refused."))


# -- the workspace


@dataclass(frozen=True, slots=True)
class Fact:
    """A setting or version with its value; `source` says where it was set."""

    title: str
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class WorkspacePage(Page):
    """The workspace's name and zone, the server's settings, and versions of packages."""

    template: ClassVar[str] = "workspace.html"
    name: str
    zone: str
    error: str
    zones: tuple[str, ...]
    facts: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    warnings: tuple[str, ...]


@router.get("/workspace")
def workspace(request: Request, deps: Here, who: Who) -> Response:
    """The workspace and the server's settings."""
    who.guard.need_role(RoleRight.VIEW_SETTINGS)
    stored = deps.store.workspace.get()
    return respond(request, _workspace(deps, stored.name, stored.zone), visitor=who)


@router.post("/workspace")
def change_workspace(request: Request, deps: Here, who: Who, name: Text = "", zone: Text = "") -> Response:
    """Changes the name and zone."""
    who.guard.need_role(RoleRight.CHANGE_WORKSPACE)
    try:
        deps.store.workspace.set(name=name, zone=zone)
    except InputError as error:
        return respond(request, _workspace(deps, name[:200], zone[:100], sentence(error)), 422, who)
    return go(request, "/workspace", phrase("Saved the workspace."))


def _workspace(deps: Deps, name: str, zone: str, error: str = "") -> WorkspacePage:
    return WorkspacePage(
        name=name,
        zone=zone,
        error=error,
        zones=_zones(),
        facts=_facts(deps),
        versions=_versions(),
        warnings=deps.settings.warnings,
    )


@cache
def _zones() -> tuple[str, ...]:
    """The zones to choose from, cached: they are read from some hundred files."""
    return tuple(sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC"))


@cache
def _versions() -> tuple[Fact, ...]:
    return (
        *(Fact(name, version(name)) for name in PACKAGES),
        Fact("Python", platform.python_version()),
        Fact("SQLite", sqlite3.sqlite_version),
    )


def _facts(deps: Deps) -> tuple[Fact, ...]:
    """The server's settings; of a secret only whether it is set."""
    settings = {value.setting.name: value for value in deps.settings.shown()}
    titles = {
        "home": phrase("Home folder"),
        "lake_url": phrase("Tables"),
        "web_url": phrase("Data Center address"),
        "tiktok_url": phrase("TikTok API"),
        "tiktok_auth_url": phrase("TikTok consent page"),
        "tiktok_app_id": phrase("TikTok app ID"),
        "tiktok_secret": phrase("TikTok app secret"),
        "tiktok_level": phrase("TikTok app API level"),
        "secret_key": phrase("Encryption key"),
    }
    facts = [
        Fact(
            title,
            _SET if settings[name].text == str.__str__(_SET) else settings[name].text or _unset(name),
            f"{settings[name].setting.variable}, {_SOURCES.get(settings[name].source, settings[name].source)}",
        )
        for name, title in titles.items()
    ]
    stored = deps.store.app.get()
    if stored is not None and not (deps.settings.tiktok_app_id or deps.settings.tiktok_secret):
        entered = phrase("Entered by %(user)s", user=stored.changed_by)
        place = list(titles).index("tiktok_app_id")
        facts[place : place + 2] = [
            Fact(titles["tiktok_app_id"], stored.app_id, entered),
            Fact(titles["tiktok_secret"], _SET, entered),
        ]
    redirect = redirect_url(deps.settings)
    if not redirects_here(deps.settings):
        redirect = phrase("%(address)s (another server: users copy the address back)", address=redirect)
    facts.insert(5, Fact(phrase("Redirect URL"), redirect, settings["tiktok_redirect_url"].setting.variable))
    return tuple(facts)


_SET = Phrase("(set)")
"""Shown for a secret that is set."""

_SOURCES = {"default": Phrase("default"), "environment": Phrase("environment"), "given": Phrase("given")}
"""Where the value of a setting is from, if that is no file."""


def _unset(name: str) -> str:
    return phrase("secret.key in the home folder") if name == "secret_key" else phrase("Not set")
