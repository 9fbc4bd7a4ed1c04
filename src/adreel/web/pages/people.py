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

from adreel.errors import AdreelError, GuessingError, InputError, NotFoundError
from adreel.store import Account, ApiToken, Role, Session, User
from adreel.store.passwords import SHORTEST
from adreel.store.users import LONGEST_NAME, can_own
from adreel.web.deps import Center, Here, Visitor, Who
from adreel.web.pages.consent import leads_here, way_back
from adreel.web.pages.wording import device, sentence
from adreel.web.render import Page, go, respond
from adreel.web.sign_in import checked, need_browser, signed_in
from adreel.web.status import retry_after, status_of

router = APIRouter()

Text = Annotated[str, Form()]

DAYS: Mapping[str, str] = MappingProxyType(
    {"30": "30 days", "90": "90 days", "365": "A year", "": "Until it is revoked"}
)
"""How long an API token can be good for."""

PACKAGES = ("adreel", "duckdb", "deltalake", "pyarrow", "sqlalchemy", "fastapi", "starlette")

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Letters that are told apart on paper: without l, o, 0 and 1."""


@dataclass(frozen=True, slots=True)
class Made:
    """A password or token that was made just now, and is shown this once."""

    whose: str
    secret: str


# -- users


@dataclass(frozen=True, slots=True)
class Users(Page):
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
    made: Made | None


@dataclass(frozen=True, slots=True)
class OneUser(Page):
    """One user; `alone` are the accounts that nobody else owns, and `heirs` who could take them over."""

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
    made: Made | None


@router.get("/users")
def users(request: Request, deps: Here, who: Who) -> Response:
    """Everybody who can sign in."""
    who.guard.need_role(Role.ADMIN, reading=True)
    return respond(request, _users(deps), visitor=who)


def _users(deps: Center, *, name: str = "", role: str = "", error: str = "", made: Made | None = None) -> Users:
    owned: dict[int, int] = {}
    for owners in deps.store.shares.owners().values():
        for user in owners:
            owned[user.id] = owned.get(user.id, 0) + 1
    return Users(
        users=deps.store.users.list(),
        owned=owned,
        roles=tuple(Role),
        shortest=SHORTEST,
        longest_name=LONGEST_NAME,
        name=name,
        role=role or Role.EDITOR,
        error=error,
        made=made,
    )


@router.post("/users")
def add_user(request: Request, deps: Here, who: Who, name: Text = "", role: Text = "", password: Text = "") -> Response:
    """A new user; without a password one is made, and shown once."""
    who.guard.need_role(Role.ADMIN)
    given = password or new_password()
    try:
        user = deps.store.users.add(name, given, read_role(role))
    except InputError as error:
        return respond(request, _users(deps, name=name[:200], role=role, error=sentence(error)), 422, who)
    if password:
        return go(request, "/users", f"{user.name} can sign in now, as {user.role}.")
    return respond(request, _users(deps, made=Made(user.name, given)), visitor=who)


def new_password() -> str:
    """A password of 100 random bits that can be read aloud."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def read_role(text: str) -> Role:
    """A role as a form sends it."""
    if text not in set(Role):
        raise InputError("Choose a role.")
    return Role(text)


@router.get("/users/{user_id:int}")
def user(request: Request, deps: Here, who: Who, user_id: int) -> Response:
    """One user."""
    who.guard.need_role(Role.ADMIN, reading=True)
    return respond(request, _user(deps, who, deps.store.users.get(user_id)), visitor=who)


def _user(
    deps: Center, who: Visitor, found: User, *, place: str = "", problem: str = "", made: Made | None = None
) -> OneUser:
    owners = deps.store.shares.owners()
    ids = {key: [one.id for one in people] for key, people in owners.items()}
    owned = tuple(account for account in deps.store.accounts.list() if found.id in ids.get(account.id, ()))
    return OneUser(
        user=found,
        roles=tuple(Role),
        owned=owned,
        alone=tuple(one for one in owned if ids[one.id] == [found.id]),
        heirs=tuple(one for one in deps.store.users.list() if one.id != found.id and can_own(one)),
        datasets=sum(dataset.owner_id == found.id for dataset in deps.store.datasets.list()),
        tokens=len(deps.store.tokens.list(found)),
        myself=found.id == who.user.id,
        shortest=SHORTEST,
        place=place,
        problem=problem,
        made=made,
    )


def _bad(request: Request, deps: Center, who: Visitor, found: User, place: str, error: AdreelError) -> Response:
    """The user's page again, with what was wrong at its form."""
    return respond(request, _user(deps, who, found, place=place, problem=sentence(error)), status_of(error), who)


@router.post("/users/{user_id:int}/role")
def set_role(request: Request, deps: Here, who: Who, user_id: int, role: Text = "") -> Response:
    """Another role, from the user's next request on."""
    who.guard.need_role(Role.ADMIN)
    found = deps.store.users.get(user_id)
    try:
        changed = deps.store.users.set_role(found, read_role(role))
    except InputError as error:
        return _bad(request, deps, who, found, "role", error)
    # Who gave up their own role may not see this page any more.
    stays = changed.id != who.user.id or changed.role is Role.ADMIN
    return go(request, f"/users/{found.id}" if stays else "/", f"{changed.name} is {changed.role} now.")


@router.post("/users/{user_id:int}/password")
def set_password(request: Request, deps: Here, who: Who, user_id: int, password: Text = "") -> Response:
    """Another password, which ends the user's sessions and tokens; without one it is made, and shown once."""
    who.guard.need_role(Role.ADMIN)
    found = deps.store.users.get(user_id)
    given = password or new_password()
    try:
        if found.id == who.user.id:
            raise InputError("Your own password is changed on your profile, where the present one is asked for.")
        deps.store.users.set_password(found, given)
    except InputError as error:
        return _bad(request, deps, who, found, "password", error)
    if password:
        said = f"{found.name} has another password, was signed out everywhere, and has no API tokens any more."
        return go(request, f"/users/{found.id}", said)
    return respond(request, _user(deps, who, found, made=Made(found.name, given)), visitor=who)


@router.post("/users/{user_id:int}/disable")
def disable(request: Request, deps: Here, who: Who, user_id: int) -> Response:
    """Locks the user out, at once and everywhere."""
    who.guard.need_role(Role.ADMIN)
    found = deps.store.users.get(user_id)
    try:
        deps.store.users.disable(found)
    except InputError as error:
        return _bad(request, deps, who, found, "state", error)
    return go(request, f"/users/{found.id}", f"{found.name} cannot sign in any more, and what they own stays.")


@router.post("/users/{user_id:int}/enable")
def enable(request: Request, deps: Here, who: Who, user_id: int) -> Response:
    """Lets the user in again."""
    who.guard.need_role(Role.ADMIN)
    found = deps.store.users.enable(deps.store.users.get(user_id))
    return go(request, f"/users/{found.id}", f"{found.name} can sign in again.")


@router.post("/users/{user_id:int}/delete")
def delete(request: Request, deps: Here, who: Who, user_id: int, heir: Text = "") -> Response:
    """Forgets the user; `heir` takes over the accounts that nobody else owns."""
    who.guard.need_role(Role.ADMIN)
    found = deps.store.users.get(user_id)
    try:
        chosen = deps.store.users.get(int(heir)) if heir.isascii() and heir.isdecimal() else None
        deps.store.users.delete(found, heir=chosen)
    except InputError as error:
        return _bad(request, deps, who, found, "delete", error)
    return go(request, "/users", f"Deleted {found.name}.")


# -- one's own profile


@dataclass(frozen=True, slots=True)
class Device:
    """A session as its user sees it."""

    session: Session
    title: str
    this: bool


@dataclass(frozen=True, slots=True)
class TokenRow:
    """An API token as its user sees it."""

    token: ApiToken
    over: bool


@dataclass(frozen=True, slots=True)
class Profile(Page):
    """What is one's own: password, browsers that are signed in, API tokens.

    `newest` tells the form for a token from one that was sent already.
    """

    template: ClassVar[str] = "profile.html"
    devices: tuple[Device, ...]
    tokens: tuple[TokenRow, ...]
    days: Mapping[str, str]
    shortest: int
    role: Role
    place: str
    problem: str
    typed: str
    made: Made | None
    newest: str


@router.get("/profile")
def profile(request: Request, deps: Here, who: Who) -> Response:
    """One's own page."""
    need_browser(who)
    return respond(request, _profile(deps, who), visitor=who)


def _profile(
    deps: Center, who: Visitor, *, place: str = "", problem: str = "", typed: str = "", made: Made | None = None
) -> Profile:
    now = deps.clock()
    this = deps.store.sessions.find(who.secret)
    return Profile(
        devices=tuple(
            Device(session, device(session.agent), this is not None and session.id == this.id)
            for session in deps.store.sessions.list(who.user)
        ),
        tokens=tuple(TokenRow(api_token, _is_over(api_token, now)) for api_token in deps.store.tokens.list(who.user)),
        days=DAYS,
        shortest=SHORTEST,
        role=who.user.role,
        place=place,
        problem=problem,
        typed=typed,
        made=made,
        newest=_newest(deps, who),
    )


def _newest(deps: Center, who: Visitor) -> str:
    """The id of the user's token that was made last, or 0."""
    return str(max((api_token.id for api_token in deps.store.tokens.list(who.user)), default=0))


def _is_over(token: ApiToken, now: datetime) -> bool:
    return token.expires_at is not None and token.expires_at <= now


@router.post("/profile/password")
def change_password(
    request: Request, deps: Here, who: Who, present: Text = "", password: Text = "", again: Text = "", tokens: Text = ""
) -> Response:
    """One's own password; other browsers are signed out, and this one goes on with a new session.

    `tokens` says whether one's API tokens are to `stay` or to `end`; who has some has to choose.
    """
    need_browser(who)
    try:
        if password != again:
            raise InputError("The two new passwords differ.")
        if tokens not in ("stay", "end") and deps.store.tokens.list(who.user):
            raise InputError("Choose whether your API tokens stay or end.")
        checked(request, who.user.name, present, "The present password is wrong.")
        _, ended = deps.store.users.set_password(who.user, password, keep_tokens=tokens == "stay")
    except (InputError, GuessingError) as error:
        page = _profile(deps, who, place="password", problem=sentence(error))
        answer = respond(request, page, status_of(error), who)
        answer.headers.update(retry_after(error))
        return answer
    said = "Your password is changed, and other browsers are signed out."
    if ended:
        said = "Your password is changed; other browsers are signed out, and your API tokens have ended."
    return signed_in(request, who.user, "/profile", said)


@router.post("/profile/sessions/end")
def end_others(request: Request, deps: Here, who: Who) -> Response:
    """Signs out every browser but this one."""
    need_browser(who)
    ended = deps.store.sessions.end_all(who.user, besides=who.secret)
    said = "1 other browser was signed out." if ended == 1 else f"{ended} other browsers were signed out."
    return go(request, "/profile#browsers", said)


@router.post("/profile/tokens")
def add_token(
    request: Request, deps: Here, who: Who, name: Text = "", kind: Text = "read", days: Text = "90", newest: Text = ""
) -> Response:
    """A new API token, shown this once. `newest` is of the page with the form: one that is sent again makes nothing."""
    need_browser(who)
    try:
        if newest != _newest(deps, who):
            raise InputError(
                "Nothing was made now: since this form was opened a token was made or revoked, perhaps by the form "
                "itself, which was sent again. A token's secret is shown once; revoke one whose secret was not noted."
            )
        if days not in DAYS or kind not in ("read", "all"):
            raise InputError("Choose what the token may do, and how long it is good for.")
        token, secret = deps.store.tokens.add(who.user, name, kind == "read", int(days) if days else None)
    except InputError as error:
        page = _profile(deps, who, place="tokens", problem=sentence(error), typed=name[:200])
        return respond(request, page, 422, who)
    return respond(request, _profile(deps, who, place="tokens", made=Made(token.name, secret)), visitor=who)


@router.post("/profile/tokens/{token_id:int}/revoke")
def revoke_token(request: Request, deps: Here, who: Who, token_id: int) -> Response:
    """Ends one of one's own tokens."""
    need_browser(who)
    if token_id not in {api_token.id for api_token in deps.store.tokens.list(who.user)}:
        raise NotFoundError("You have no such API token; it may have been revoked already.")
    deps.store.tokens.revoke(who.user, token_id)
    return go(request, "/profile#tokens", "The API token is revoked; programs that use it are refused from now on.")


# -- the workspace


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about this home, and where it was set."""

    title: str
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class WorkspacePage(Page):
    """The workspace's name and zone, where things are, and what runs here."""

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
    """What all users share."""
    who.guard.need_role(Role.ADMIN, reading=True)
    found = deps.store.workspace.get()
    return respond(request, _workspace(deps, found.name, found.zone), visitor=who)


@router.post("/workspace")
def change_workspace(request: Request, deps: Here, who: Who, name: Text = "", zone: Text = "") -> Response:
    """Another name or zone."""
    who.guard.need_role(Role.ADMIN)
    try:
        deps.store.workspace.set(name=name, zone=zone)
    except InputError as error:
        return respond(request, _workspace(deps, name[:200], zone[:100], sentence(error)), 422, who)
    return go(request, "/workspace", "Saved.")


def _workspace(deps: Center, name: str, zone: str, error: str = "") -> WorkspacePage:
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
    """The zones that are offered; they are read from some hundred files."""
    return tuple(sorted(one for one in available_timezones() if "/" in one or one == "UTC"))


@cache
def _versions() -> tuple[Fact, ...]:
    return (
        *(Fact(name, version(name)) for name in PACKAGES),
        Fact("Python", platform.python_version()),
        Fact("SQLite", sqlite3.sqlite_version),
    )


def _facts(deps: Center) -> tuple[Fact, ...]:
    """Where things are. A secret's text never stands here: only whether it is set."""
    shown = {one.setting.name: one for one in deps.settings.shown()}
    titles = {
        "home": "Home folder",
        "lake_url": "Tables",
        "web_url": "Address of the Data Center",
        "tiktok_url": "TikTok's API",
        "tiktok_auth_url": "TikTok's consent page",
        "tiktok_app_id": "TikTok app",
        "tiktok_secret": "Secret of the app",
        "tiktok_level": "API level of the app",
        "secret_key": "Key that tokens are encrypted with",
    }
    facts = [
        Fact(title, shown[name].text or _unset(name), f"{shown[name].setting.variable}, {shown[name].source}")
        for name, title in titles.items()
    ]
    back = way_back(deps.settings)
    note = "" if leads_here(deps.settings) else " (does not lead here: the address is pasted by hand)"
    facts.insert(5, Fact("Way back from it", back + note, shown["tiktok_redirect_url"].setting.variable))
    return tuple(facts)


def _unset(name: str) -> str:
    return "secret.key in the home folder" if name == "secret_key" else "not set"
