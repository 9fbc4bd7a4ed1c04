"""Set-up, signing in and out, health checks, and the theme of the browser."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from adreel.errors import FieldError, GuessingError, InputError, RetryError, StorageError
from adreel.language import ENGLISH, LANGUAGES, phrase
from adreel.web.deps import COOKIE, Here, known_visitor
from adreel.web.languages import COOKIE as LANGUAGE
from adreel.web.render import THEME, THEMES, Page, go, own_path, respond
from adreel.web.sign_in import checked, end_session, signed_in
from adreel.web.status import retry_after, status_of

router = APIRouter()

Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class Setup(Page):
    """The page of the first visit, where the administrator is created."""

    template: ClassVar[str] = "setup.html"
    name: str
    error: str
    field: str = "name"


@dataclass(frozen=True, slots=True)
class SignIn(Page):
    """The sign-in page; `onward` is where the person wanted to go."""

    template: ClassVar[str] = "sign_in.html"
    name: str
    onward: str
    error: str


@router.get("/")
def home() -> Response:
    """The first page has an address of its own."""
    return RedirectResponse("/home", 303)


@router.api_route("/health", methods=["GET", "HEAD"])
def health() -> Response:
    """For monitors, by any host name: the server answers."""
    return PlainTextResponse("ok\n")


@router.api_route("/ready", methods=["GET", "HEAD"])
def ready(deps: Here) -> Response:
    """For load balancers, by any host name: the home can be read and written. 503 if it cannot."""
    try:
        deps.store.users.any()
    except (StorageError, RetryError):
        return PlainTextResponse("The database cannot be read.\n", 503)
    if not os.access(deps.settings.home, os.W_OK):
        return PlainTextResponse("The home folder cannot be written to.\n", 503)
    return PlainTextResponse("ready\n")


@router.get("/setup")
def setup(request: Request, deps: Here) -> Response:
    """The set-up page, while there is no user."""
    return go(request, "/login") if deps.store.users.any() else respond(request, Setup("", ""))


@router.post("/setup")
def create_administrator(
    request: Request, deps: Here, name: Text = "", password: Text = "", again: Text = ""
) -> Response:
    """Creates the administrator and signs in; refused once there is a user."""
    if deps.store.users.any():
        # Before any password is hashed, which takes more work than strangers should get for nothing.
        return go(
            request,
            "/login",
            phrase("The administrator exists already. Sign in, or ask them to create a user for you."),
        )
    try:
        if password != again:
            raise FieldError("again", phrase("The passwords do not match."))
        user = deps.store.users.add_first(name, password)
    except InputError as error:
        field = error.field if isinstance(error, FieldError) else "name"
        return respond(request, Setup(name, error.message, field), 422)
    return signed_in(request, user, "/home")


@router.get("/login")
def login(request: Request, deps: Here, next: str = "") -> Response:  # noqa: A002 - the word in the address
    """The sign-in page; a visitor who is signed in is redirected."""
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
    """Sets the theme: light, dark, or the system's."""
    answer = go(request, own_path(onward))
    name = theme if theme in THEMES else "auto"
    answer.set_cookie(THEME, name, path="/", max_age=365 * 86_400, samesite="lax", httponly=True, secure=deps.secure)
    return answer


@router.post("/language")
def choose_language(request: Request, deps: Here, language: Text = "", onward: Text = "/") -> Response:
    """Sets the language of the pages in this browser."""
    answer = go(request, own_path(onward))
    code = language if language in LANGUAGES else ENGLISH
    answer.set_cookie(LANGUAGE, code, path="/", max_age=365 * 86_400, samesite="lax", httponly=True, secure=deps.secure)
    return answer
