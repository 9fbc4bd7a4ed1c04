"""First visit, signing in and out, and the look that the browser keeps."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from adreel.errors import GuessingError, InputError, RetryError, StorageError
from adreel.web.deps import COOKIE, Here, known_visitor
from adreel.web.render import THEME, THEMES, Page, go, own_path, respond
from adreel.web.sign_in import checked, end_session, signed_in
from adreel.web.status import retry_after, status_of

router = APIRouter()

Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class Setup(Page):
    """The page of the first visit, where the administrator is made."""

    template: ClassVar[str] = "setup.html"
    name: str
    error: str


@dataclass(frozen=True, slots=True)
class SignIn(Page):
    """The sign-in page; `onward` is where the person wanted to go."""

    template: ClassVar[str] = "sign_in.html"
    name: str
    onward: str
    error: str


@router.get("/")
def home() -> Response:
    """The list of datasets is the home page."""
    return RedirectResponse("/datasets", 303)


@router.get("/health")
def health() -> Response:
    """For whoever watches the server, by any host name: it answers."""
    return PlainTextResponse("ok\n")


@router.get("/ready")
def ready(deps: Here) -> Response:
    """For whoever sends people here, by any host name: the home can be read and written. 503 if it cannot."""
    try:
        deps.store.users.any()
    except (StorageError, RetryError):
        return PlainTextResponse("The database cannot be read.\n", 503)
    if not os.access(deps.settings.home, os.W_OK):
        return PlainTextResponse("The home folder cannot be written to.\n", 503)
    return PlainTextResponse("ready\n")


@router.get("/setup")
def setup(request: Request, deps: Here) -> Response:
    """The first visit."""
    return go(request, "/login") if deps.store.users.any() else respond(request, Setup("", ""))


@router.post("/setup")
def make_administrator(
    request: Request, deps: Here, name: Text = "", password: Text = "", again: Text = ""
) -> Response:
    """Makes the administrator and signs in; refused once there is a user."""
    if deps.store.users.any():
        # Before any password is hashed, which takes more work than strangers should get for nothing.
        return go(request, "/login", "There is an administrator already; sign in, or ask for a user of your own.")
    try:
        if password != again:
            raise InputError("The two passwords differ.")
        user = deps.store.users.add_first(name, password)
    except InputError as error:
        return respond(request, Setup(name, error.message), 422)
    return signed_in(request, user, "/datasets")


@router.get("/login")
def login(request: Request, deps: Here, next: str = "") -> Response:  # noqa: A002 - the word in the address
    """The sign-in page, or onward for who is signed in."""
    if not deps.store.users.any():
        return go(request, "/setup")
    if known_visitor(request):
        return go(request, own_path(next))
    return respond(request, SignIn("", own_path(next), ""))


@router.post("/login")
def sign_in(request: Request, name: Text = "", password: Text = "", onward: Text = "/") -> Response:
    """Begins a session."""
    try:
        user = checked(request, name, password)
    except (InputError, GuessingError) as error:
        answer = respond(request, SignIn(name[:200], own_path(onward), error.message), status_of(error))
        answer.headers.update(retry_after(error))
        return answer
    return signed_in(request, user, onward)


@router.post("/logout")
def sign_out(request: Request, deps: Here) -> Response:
    """Ends the session."""
    end_session(deps, request)
    answer = go(request, "/login")
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.post("/theme")
def choose_theme(request: Request, deps: Here, theme: Text = "auto", onward: Text = "/") -> Response:
    """Light, dark, or as the system has it."""
    answer = go(request, own_path(onward))
    chosen = theme if theme in THEMES else "auto"
    answer.set_cookie(THEME, chosen, path="/", max_age=365 * 86_400, samesite="lax", httponly=True, secure=deps.secure)
    return answer
