"""Connecting accounts: to TikTok's consent page and back, or with a token that somebody has already."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from adreel.access import AccountRight
from adreel.connections import Connecting, Granted, app_access, free_name, need_app, own_app, same_user
from adreel.errors import AdreelError, InputError
from adreel.settings import Settings
from adreel.store import Account, Role
from adreel.tiktok.oauth import consent_url, new_state, read_callback
from adreel.web.deps import Center, Here, Visitor, Who, known_visitor
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, respond
from adreel.web.sign_in import need_browser
from adreel.web.status import status_of

router = APIRouter()

Text = Annotated[str, Form()]

CALLBACK = "/callback"

HELD_FOR = timedelta(minutes=15)
"""How long a person has to say what becomes of a grant that cannot be kept as it was meant."""

MOST_HELD = 100


@dataclass(frozen=True, slots=True)
class Connect(Page):
    """Before a new account: its name, and what TikTok's page needs."""

    template: ClassVar[str] = "connect.html"
    name: str
    error: str
    lacking: str
    way_back: str
    first: bool


@dataclass(frozen=True, slots=True)
class Paste(Page):
    """For a way back from TikTok that does not lead here: the address is brought by hand."""

    template: ClassVar[str] = "connect_paste.html"
    consent: str
    way_back: str
    error: str


@dataclass(frozen=True, slots=True)
class WithToken(Page):
    """A new account from a token; what was typed there is never shown again."""

    template: ClassVar[str] = "connect_token.html"
    name: str
    advertisers: str
    error: str
    lacking: str


@dataclass(frozen=True, slots=True)
class NotConnected(Page):
    """A way back from TikTok that connected nothing: why, and where to begin anew."""

    template: ClassVar[str] = "not_connected.html"
    message: str
    onward: str
    title: str


@dataclass(frozen=True, slots=True)
class Decide(Page):
    """A good grant that cannot be kept as it was meant: of another TikTok user, or for a name taken meanwhile."""

    template: ClassVar[str] = "connect_decide.html"
    key: str
    account: Account | None
    granter: str
    before: str
    name: str
    error: str
    covered: int
    lost: tuple[str, ...]


# -- grants that wait for a decision


@dataclass(frozen=True, slots=True)
class Held:
    """A grant whose person is asked what becomes of it; `session` is the secret of their browser's session."""

    granted: Granted
    account_id: int | None
    selection: tuple[str, ...] | None
    session: str = field(repr=False)
    until: datetime


class HeldGrants:
    """Grants that wait for a decision, in memory alone: what nobody decides is forgotten.

    Used on the event loop only, so that it needs no lock.
    """

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def hold(self, held: Held, now: datetime) -> str:
        """Keeps the grant for a while; returns the key to it."""
        alive = [(key, one) for key, one in self._held.items() if one.until > now]
        self._held = dict(alive[1 - MOST_HELD :])
        key = secrets.token_urlsafe(16)
        self._held[key] = held
        return key

    def get(self, key: str, session: str, now: datetime) -> Held:
        """The grant, for the browser that it was held for. InputError if there is none of that key."""
        held = self._held.get(key)
        if held is None or held.until <= now or not secrets.compare_digest(held.session, session):
            raise InputError("This decision is over, or was begun in another browser; nothing was kept. Begin anew.")
        return held

    def drop(self, key: str) -> None:
        """Forgets the grant; there may be none."""
        self._held.pop(key, None)


def _held(request: Request) -> HeldGrants:
    """The app's grants that wait. Called on the event loop only, where nobody comes in between."""
    held_grants: HeldGrants | None = getattr(request.app.state, "held_grants", None)
    if held_grants is None:
        held_grants = request.app.state.held_grants = HeldGrants()
    return held_grants


# -- a new account


@router.get("/accounts/connect")
def connect(request: Request, deps: Here, who: Who, name: str = "") -> Response:
    """The page before TikTok's."""
    _need_connector(who)
    return respond(request, _connect(deps, who, name[:100]))


@router.post("/accounts/connect")
def begin_connecting(request: Request, deps: Here, who: Who, name: Text = "") -> Response:
    """On to TikTok's page, for a new account."""
    _need_connector(who)
    need_browser(who)
    try:
        need_app(deps.settings, app_access(deps.settings))
        name = free_name(deps.store, name)
    except InputError as error:
        return respond(request, _connect(deps, who, name[:100], sentence(error)), 422)
    return to_consent(request, deps, who, None, name)


def _connect(deps: Center, who: Visitor, name: str, error: str = "") -> Connect:
    return Connect(
        name=name,
        error=error,
        lacking=lacking_app(deps.settings),
        way_back=way_back(deps.settings),
        first=not who.guard.accounts(),
    )


def lacking_app(settings: Settings) -> str:
    """What is missing of the TikTok app, as a sentence; empty if nothing is."""
    try:
        need_app(settings, app_access(settings))
    except InputError as error:
        return f"{error.message} Then start the server again."
    return ""


def way_back(settings: Settings) -> str:
    """Where TikTok sends the browser: to this server, unless the person named another address."""
    given = settings.sources.get("tiktok_redirect_url", "default") != "default"
    return settings.tiktok_redirect_url if given else f"{settings.web_url}{CALLBACK}"


def leads_here(settings: Settings) -> bool:
    """Whether the way back ends at this server, to the letter."""
    return way_back(settings) == f"{settings.web_url}{CALLBACK}"


def to_consent(request: Request, deps: Center, who: Visitor, account: Account | None, name: str | None) -> Response:
    """The answer that leads to TikTok's page, for this browser's session alone."""
    access = app_access(deps.settings) if account is None else own_app(deps.settings, deps.store, account)
    need_app(deps.settings, access)
    state, back = new_state(), way_back(deps.settings)
    page = consent_url(deps.settings.tiktok_auth_url, access.app_id, state, back)
    deps.store.consents.begin(state, who.secret, who.user, account, name)
    if not leads_here(deps.settings):
        return respond(request, Paste(page, back, ""))
    return RedirectResponse(page, 303)


def _need_connector(who: Visitor) -> None:
    who.guard.need_role(Role.ADMIN, Role.EDITOR)


# -- the way back


@router.get(CALLBACK)
async def callback(
    request: Request, deps: Here, visitor: Annotated[Visitor | None, Depends(known_visitor)]
) -> Response:
    """Where TikTok sends the browser back to."""
    if visitor is None or not visitor.secret:
        # The code stays out of the sign-in page's address: it would not go with the new session anyway.
        message = "Nobody is signed in in this browser, so the consent cannot be used. Sign in, then connect again."
        return respond(request, NotConnected(message, "/login?next=/accounts", "Sign in"), 403)
    return await _arrived(request, deps, visitor, request.url.query)


@router.post("/accounts/connect/paste")
async def paste(request: Request, deps: Here, who: Who, address: Text = "", consent: Text = "") -> Response:
    """The way back, as an address that the person copied from the browser."""
    _need_connector(who)
    need_browser(who)
    query = address.strip()[:4000].partition("#")[0].partition("?")[2]
    if "state" not in parse_qs(query):
        words = "This address has no state; copy the whole address that the browser shows after TikTok's page."
        known = consent if _is_consent(deps.settings, consent) else deps.settings.tiktok_auth_url
        return respond(request, Paste(known, way_back(deps.settings), words), 422)
    return await _arrived(request, deps, who, query)


def _is_consent(settings: Settings, address: str) -> bool:
    """Whether the address is of TikTok's consent page, and no other's."""
    page = urlsplit(settings.tiktok_auth_url)._replace(query="")
    return address.partition("?")[0] == page.geturl()


async def _arrived(request: Request, deps: Center, who: Visitor, query: str) -> Response:
    """The end of a consent, good or bad."""
    onward, title = "/accounts/connect", "Connect again"
    try:
        states = parse_qs(query).get("state", [])
        if len(states) != 1:
            raise InputError("TikTok's way back came without the state that belongs to it; begin anew.")
        consent = deps.store.consents.take(states[0], who.secret)
        account = None
        if consent.account_id is not None:
            onward, title = "/accounts", "To the accounts"
            account = who.guard.account(consent.account_id, AccountRight.EDIT)
            onward, title = f"/accounts/{account.id}", "To the account"
        else:
            _need_connector(who)
            onward = f"/accounts/connect?name={quote(consent.name or '')}"
        code = read_callback(query, states[0])
        connecting = Connecting(deps.settings, deps.store, deps.transport)
        access = app_access(deps.settings) if account is None else own_app(deps.settings, deps.store, account)
        need_app(deps.settings, access)
        access = await connecting.exchanged(access, code)
        granted = await connecting.granted(access, account.selection if account else None)
    except AdreelError as error:
        return respond(request, NotConnected(sentence(error), onward, title), status_of(error))
    return await settle(request, deps, who, granted, account, consent.name or "")


async def settle(
    request: Request,
    deps: Center,
    who: Visitor,
    granted: Granted,
    account: Account | None,
    name: str,
    selection: tuple[str, ...] | None = None,
) -> Response:
    """Keeps a grant as it was meant, or asks what becomes of it."""
    connecting = Connecting(deps.settings, deps.store, deps.transport)
    if account is not None:
        before = await connecting.granter(account)
        if same_user(before, granted.granter):
            return _kept(request, deps, connecting.keep_again(account, granted), "Connected again")
        return _ask(request, deps, who, Meant(granted, account, account.name, account.selection))
    try:
        made = connecting.keep(name, granted, selection=selection, user=who.user)
    except InputError as error:
        return _ask(request, deps, who, Meant(granted, None, name, selection), sentence(error))
    return _kept(request, deps, made, "Connected")


def _kept(request: Request, deps: Center, account: Account, done: str) -> Response:
    found = sum(not advertiser.gone for advertiser in deps.store.accounts.advertisers(account))
    granted = f", granted by {account.owner}" if account.owner else ""
    listed = "1 advertiser" if found == 1 else f"{found:,} advertisers"
    return go(request, f"/accounts/{account.id}", f"{done} {account.name}{granted}: {listed}.")


# -- decisions


@dataclass(frozen=True, slots=True)
class Meant:
    """What a grant was meant for: an account that is there, or a new one of that name."""

    granted: Granted
    account: Account | None
    name: str
    selection: tuple[str, ...] | None


def _ask(request: Request, deps: Center, who: Visitor, meant: Meant, error: str = "") -> Response:
    now, account = deps.clock(), meant.account
    held = Held(meant.granted, account.id if account else None, meant.selection, who.secret, now + HELD_FOR)
    key = _held(request).hold(held, now)
    return respond(request, _decide(deps, key, held, account, meant.name, error), 409)


def _decide(deps: Center, key: str, held: Held, account: Account | None, name: str, error: str) -> Decide:
    covers = {advertiser.advertiser_id for advertiser in held.granted.advertisers}
    before = deps.store.accounts.advertisers(account) if account else ()
    lost = tuple(one.name or one.advertiser_id for one in before if not one.gone and one.advertiser_id not in covers)
    return Decide(
        key=key,
        account=account,
        granter=held.granted.granter.name or "another user",
        before=account.owner if account else "",
        name=name,
        error=error,
        covered=len(covers),
        lost=lost,
    )


@router.post("/accounts/connect/decide")
async def decide(
    request: Request, deps: Here, who: Who, key: Text = "", choice: Text = "", name: Text = ""
) -> Response:
    """What becomes of the grant: the account's own from now on, an account by itself, or nothing."""
    _need_connector(who)
    need_browser(who)
    held = _held(request).get(key, who.secret, deps.clock())
    account = who.guard.account(held.account_id, AccountRight.EDIT) if held.account_id is not None else None
    connecting = Connecting(deps.settings, deps.store, deps.transport)
    if choice == "again" and account is not None:
        _held(request).drop(key)
        return _kept(request, deps, connecting.keep_again(account, held.granted), "Connected again")
    if choice == "new":
        try:
            made = connecting.keep(free_name(deps.store, name), held.granted, selection=held.selection, user=who.user)
        except InputError as error:
            return respond(request, _decide(deps, key, held, account, name[:100], sentence(error)), 422)
        _held(request).drop(key)
        return _kept(request, deps, made, "Connected")
    _held(request).drop(key)
    onward = f"/accounts/{account.id}" if account else "/accounts"
    return go(request, onward, "Nothing was changed, and what TikTok granted was forgotten.")


# -- with a token


@router.get("/accounts/token")
def token_page(request: Request, deps: Here, who: Who) -> Response:
    """For who has a token already."""
    _need_connector(who)
    return respond(request, WithToken("", "", "", lacking_app(deps.settings)))


@router.post("/accounts/token")
async def add_by_token(
    request: Request, deps: Here, who: Who, name: Text = "", token: Text = "", advertisers: Text = ""
) -> Response:
    """A new account from a token, once TikTok has shown that it is good."""
    _need_connector(who)
    need_browser(who)
    try:
        selection = read_ids(advertisers)
        access = app_access(deps.settings, read_token(token))
        if selection is None:
            need_app(deps.settings, access)
        name = free_name(deps.store, name)
        granted = await Connecting(deps.settings, deps.store, deps.transport).granted(access, selection)
    except AdreelError as error:
        page = WithToken(name[:100], advertisers[:20_000], sentence(error), lacking_app(deps.settings))
        return respond(request, page, status_of(error))
    return await settle(request, deps, who, granted, None, name, selection)


def read_token(text: str) -> str:
    """A token as it was pasted. InputError for what can be none."""
    token = text.strip()
    if not token or len(token) > 1000 or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError("This is no access token: one word of letters and digits, as TikTok gave it.")
    return token


def read_ids(text: str) -> tuple[str, ...] | None:
    """Advertisers as they were typed or pasted, with anything between them; None if there is nothing."""
    words = [word for word in re.split(r"[\s,;|'\"\[\]()]+", text) if word]
    wrong = [word for word in words if not (word.isascii() and word.isdigit() and len(word) <= 30)]
    if wrong:
        raise InputError(f"{wrong[0][:60]!r} is no advertiser id, which has digits only.")
    return tuple(dict.fromkeys(words)) or None
