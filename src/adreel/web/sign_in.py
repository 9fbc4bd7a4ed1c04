"""Signing in and out: sessions in cookies, and the page after signing in."""

from __future__ import annotations

from math import ceil
from urllib.parse import quote, urlsplit

from fastapi import Request
from starlette.responses import Response

from adreel.errors import ForbiddenError, GuessingError, InputError, NotFoundError
from adreel.language import Phrase, phrase
from adreel.store import User
from adreel.store.audit import STRANGER, AuditAction, Means, Origin, Subject
from adreel.web.deps import COOKIE, Deps, Visitor, deps_of
from adreel.web.render import go, is_fragment, own_path

WRONG = Phrase("The name or the password is wrong.")

UNKNOWN_USER = Phrase("unknown user")


def sign_in_path(request: Request) -> str:
    """The page for a visitor who is not signed in: the set-up while there is no user, else the sign-in page."""
    if not deps_of(request).store.users.any():
        return "/setup"
    # After signing in the page is opened again, not the fragment that it asked for.
    page = request.headers.get("hx-current-url", "") if is_fragment(request) else str(request.url)
    if request.method != "GET" and not is_fragment(request):
        return "/login"
    onward = own_path(_path(page), "")
    return f"/login?next={quote(onward)}" if onward not in ("", "/") else "/login"


def _path(address: str) -> str:
    """The path and query of an address; empty for text that is no address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def signed_in(request: Request, user: User, onward: str, notice: str = "") -> Response:
    """The answer that begins a session and shows `notice`; an earlier session of the browser ends."""
    deps = deps_of(request)
    end_session(deps, request)
    secret = deps.store.sessions.begin(user, request.headers.get("user-agent", "")[:200])
    answer = go(request, own_path(onward), notice)
    answer.set_cookie(COOKIE, secret, path="/", httponly=True, samesite="lax", secure=deps.secure, max_age=30 * 86_400)
    return answer


def end_session(deps: Deps, request: Request) -> None:
    """Ends the browser's session, if it has one."""
    secret = request.cookies.get(COOKIE)
    if secret:
        deps.store.sessions.end(secret)


def need_browser(visitor: Visitor, refusal: str) -> None:
    """Raises ForbiddenError for an API token where a signed-in browser is required; `refusal` says what it cannot."""
    if not visitor.secret:
        raise ForbiddenError(" ".join((refusal, phrase("Sign in to the Data Center in a browser."))))


def _record_failure(deps: Deps, name: str) -> None:
    """The user's name if there is such a user, as people type passwords where names belong; no address (see docs)."""
    try:
        subject = Subject.of(deps.store.users.get(name))
    except NotFoundError:
        subject = Subject("", UNKNOWN_USER)
    deps.store.audit.add(AuditAction.SIGN_IN_FAILED, subject, origin=Origin(None, STRANGER, Means.PAGE))


def checked(request: Request, name: str, password: str, wrong: str = WRONG) -> User:
    """The user of that name and password. InputError for a wrong one, GuessingError after too many wrong ones."""
    attempts, users = deps_of(request).store.attempts, deps_of(request).store.users
    address = request.client.host if request.client else ""
    wait = attempts.allowed(name, address)
    if wait > 0:
        message = phrase("Too many wrong passwords. Wait %(minutes)s min, then try again.", minutes=ceil(wait / 60))
        raise GuessingError(message, seconds=ceil(wait))
    # Before the password is looked at, so that guesses at the same time count each other.
    attempts.note(name, address)
    user = users.check(name, password)
    if user is None:
        _record_failure(deps_of(request), name)
        raise InputError(str(wrong))
    attempts.clear(name, address)
    return user
