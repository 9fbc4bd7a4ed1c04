"""Connecting accounts: through TikTok's consent page, or with an access token."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from adreel.access import AccountRight, RoleRight
from adreel.connections import Access, Connecting, Granted, app_access, free_name, need_app, own_app, same_user
from adreel.errors import AdreelError, InputError
from adreel.guide import Step, step_for
from adreel.language import integer, phrase, phrases
from adreel.settings import Settings
from adreel.store import Account, Store
from adreel.tiktok.oauth import consent_url, new_state, read_callback
from adreel.web.deps import Deps, Here, Visitor, Who, acting_visitor
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, respond
from adreel.web.sign_in import need_browser
from adreel.web.status import status_of

router = APIRouter()

Text = Annotated[str, Form()]

CALLBACK = "/callback"

DECISION_TIME = timedelta(minutes=15)
"""How long a grant that cannot be saved as requested waits for a decision."""

MOST_PENDING = 100
"""Grants in memory at a time; the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Connect(Page):
    """The form before TikTok's consent page; `lacking` says what of the app is not set."""

    template: ClassVar[str] = "connect.html"
    name: str
    error: str
    lacking: str
    redirect_url: str
    first: bool
    guided: bool = False


@dataclass(frozen=True, slots=True)
class Paste(Page):
    """The form for the address that TikTok redirected to, where that is not this server."""

    template: ClassVar[str] = "connect_paste.html"
    consent: str
    redirect_url: str
    error: str


@dataclass(frozen=True, slots=True)
class WithToken(Page):
    """The form for a new account from a token; the token is never shown again."""

    template: ClassVar[str] = "connect_token.html"
    name: str
    advertisers: str
    error: str
    lacking: str


@dataclass(frozen=True, slots=True)
class NotConnected(Page):
    """A consent that failed: why, a link to try again, and the step of the guide where to mend it."""

    template: ClassVar[str] = "not_connected.html"
    message: str
    onward: str
    title: str
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class Decide(Page):
    """A valid grant that needs a decision: of another TikTok user, or for a name that is taken by now."""

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
class PendingGrant:
    """A grant that waits for a decision; `session` is the secret of the browser's session."""

    granted: Granted
    account_id: int | None
    selection: tuple[str, ...] | None
    session: str = field(repr=False)
    until: datetime


class PendingGrants:
    """Grants that wait for a decision, in memory only, until their time is over.

    Used on the event loop only, so that it needs no lock.
    """

    def __init__(self) -> None:
        self._grants: dict[str, PendingGrant] = {}

    def add(self, grant: PendingGrant, now: datetime) -> str:
        """Keeps the grant for a while; returns the key to it."""
        alive = [(key, pending) for key, pending in self._grants.items() if pending.until > now]
        self._grants = dict(alive[1 - MOST_PENDING :])
        key = secrets.token_urlsafe(16)
        self._grants[key] = grant
        return key

    def get(self, key: str, session: str, now: datetime) -> PendingGrant:
        """The grant, for the browser that it was held for. InputError if there is none of that key."""
        grant = self._grants.get(key)
        if grant is None or grant.until <= now or not secrets.compare_digest(grant.session, session):
            raise InputError(
                phrase("This decision has expired, or belongs to another browser. Connect the account again.")
            )
        return grant

    def drop(self, key: str) -> None:
        """Forgets the grant; there may be none."""
        self._grants.pop(key, None)


def _pending(request: Request) -> PendingGrants:
    """The app's pending grants. Called on the event loop only."""
    grants: PendingGrants | None = getattr(request.app.state, "pending_grants", None)
    if grants is None:
        grants = request.app.state.pending_grants = PendingGrants()
    return grants


# -- a new account


@router.get("/accounts/connect")
def connect(request: Request, deps: Here, who: Who, name: str = "") -> Response:
    """The form before TikTok's consent page."""
    _need_connector(who)
    return respond(request, _connect(deps, who, name[:100]))


@router.post("/accounts/connect")
def begin_connecting(request: Request, deps: Here, who: Who, name: Text = "", guided: Text = "") -> Response:
    """Sends the browser to TikTok's consent page for a new account."""
    _need_connector(who)
    need_browser(who, phrase("API tokens cannot start a TikTok consent."))
    try:
        need_app(deps.settings, app_access(deps.settings, deps.store))
        name = free_name(deps.store, name)
    except InputError as error:
        return respond(request, _connect(deps, who, name[:100], sentence(error), guided=bool(guided)), 422)
    return to_consent(request, deps, who, None, name, guided=bool(guided))


def _connect(deps: Deps, who: Visitor, name: str, error: str = "", *, guided: bool = False) -> Connect:
    return Connect(
        name=name,
        error=error,
        lacking=lacking_app(deps.settings, deps.store),
        redirect_url=redirect_url(deps.settings),
        first=not who.guard.accounts(),
        guided=guided,
    )


def lacking_app(settings: Settings, store: Store) -> str:
    """What of the TikTok app is missing, in sentences; empty if it is set."""
    try:
        need_app(settings, app_access(settings, store))
    except InputError as error:
        return error.message
    return ""


def redirect_url(settings: Settings) -> str:
    """Where TikTok redirects the browser: to this server, unless the settings name another address."""
    is_set = settings.sources.get("tiktok_redirect_url", "default") != "default"
    return settings.tiktok_redirect_url if is_set else f"{settings.web_url}{CALLBACK}"


def redirects_here(settings: Settings) -> bool:
    """Whether TikTok redirects to this server."""
    return redirect_url(settings) == f"{settings.web_url}{CALLBACK}"


def to_consent(
    request: Request, deps: Deps, who: Visitor, account: Account | None, name: str | None, *, guided: bool = False
) -> Response:
    """The answer that leads to TikTok's consent page, for this browser's session only."""
    access = _access(deps, account)
    state, redirect = new_state(), redirect_url(deps.settings)
    page = consent_url(deps.settings.tiktok_auth_url, access.app_id, state, redirect)
    deps.store.consents.begin(state, who.secret, who.user, account, name, guided=guided)
    if not redirects_here(deps.settings):
        return respond(request, Paste(page, redirect, ""))
    return RedirectResponse(page, 303)


def _access(deps: Deps, account: Account | None) -> Access:
    """The app to connect a new account or an existing one with. InputError if it is not set."""
    access = app_access(deps.settings, deps.store) if account is None else own_app(deps.settings, deps.store, account)
    need_app(deps.settings, access)
    return access


def _need_connector(who: Visitor) -> None:
    who.guard.need_role(RoleRight.CONNECT)


# -- back from TikTok


@router.get(CALLBACK)
async def callback(
    request: Request, deps: Here, visitor: Annotated[Visitor | None, Depends(acting_visitor)]
) -> Response:
    """The address that TikTok redirects to."""
    if visitor is None or not visitor.secret:
        # The code stays out of the sign-in page's address: its state belongs to another session anyway.
        message = phrase(
            "You are signed out in this browser, so the consent cannot be used. Sign in, then connect again."
        )
        return respond(request, NotConnected(message, "/login?next=/accounts", phrase("Sign in")), 403)
    return await _finish(request, deps, visitor, request.url.query)


@router.post("/accounts/connect/paste")
async def paste(request: Request, deps: Here, who: Who, address: Text = "", consent: Text = "") -> Response:
    """Takes the address that TikTok redirected to, as copied from the browser."""
    _need_connector(who)
    need_browser(who, phrase("API tokens cannot complete a TikTok consent."))
    query = address.strip()[:4000].partition("#")[0].partition("?")[2]
    if "state" not in parse_qs(query):
        words = phrase("The address is incomplete: the state is missing. Copy the whole address from the TikTok tab.")
        page = consent if _is_consent(deps.settings, consent) else deps.settings.tiktok_auth_url
        return respond(request, Paste(page, redirect_url(deps.settings), words), 422)
    return await _finish(request, deps, who, query)


def _is_consent(settings: Settings, address: str) -> bool:
    """Whether the address is of TikTok's consent page, and no other's."""
    page = urlsplit(settings.tiktok_auth_url)._replace(query="")
    return address.partition("?")[0] == page.geturl()


async def _finish(request: Request, deps: Deps, who: Visitor, query: str) -> Response:
    """The end of a consent: an account, a question or a failure."""
    onward, title = "/accounts/connect", phrase("Try again")
    try:
        states = parse_qs(query).get("state", [])
        if len(states) != 1:
            raise InputError(phrase("The address has no state or several. Connect the account again."))
        consent = deps.store.consents.take(states[0], who.secret)
        account = None
        if consent.account_id is not None:
            onward, title = "/accounts", phrase("Go to accounts")
            account = who.guard.account(consent.account_id, AccountRight.EDIT)
            onward, title = f"/accounts/{account.id}", phrase("Go to account")
        else:
            _need_connector(who)
            page = "guide/consent" if consent.guided else "connect"
            onward = f"/accounts/{page}?name={quote(consent.name or '')}"
        code = read_callback(query, states[0])
        connecting = Connecting(deps.settings, deps.store, deps.transport)
        access = await connecting.exchanged(_access(deps, account), code)
        granted = await connecting.granted(access, account.selection if account else None)
    except AdreelError as error:
        return respond(request, NotConnected(sentence(error), onward, title, step_for(error)), status_of(error))
    return await settle(request, deps, who, granted, account, consent.name or "", guided=consent.guided)


async def settle(
    request: Request,
    deps: Deps,
    who: Visitor,
    granted: Granted,
    account: Account | None,
    name: str,
    selection: tuple[str, ...] | None = None,
    *,
    guided: bool = False,
) -> Response:
    """Saves a grant as requested, or asks for a decision; `guided` goes on with the guide."""
    connecting = Connecting(deps.settings, deps.store, deps.transport)
    if account is not None:
        before = await connecting.granter(account)
        if same_user(before, granted.granter):
            return _connected(request, deps, connecting.keep_again(account, granted), again=True)
        return _ask(request, deps, who, Target(granted, account, account.name, account.selection))
    try:
        account = connecting.keep(name, granted, selection=selection, user=who.user)
    except InputError as error:
        return _ask(request, deps, who, Target(granted, None, name, selection), sentence(error))
    return _connected(request, deps, account, guided=guided)


def _connected(
    request: Request, deps: Deps, account: Account, *, again: bool = False, guided: bool = False
) -> Response:
    count = sum(not advertiser.gone for advertiser in deps.store.accounts.advertisers(account))
    ad_accounts = phrases("%(number)s ad account", "%(number)s ad accounts", count, number=integer(count))
    name = (
        phrase("%(account)s as TikTok user %(owner)s", account=account.name, owner=account.owner)
        if account.owner
        else account.name
    )
    notice = (
        phrase("Reconnected %(account)s: %(ad_accounts)s.", account=name, ad_accounts=ad_accounts)
        if again
        else phrase("Connected %(account)s: %(ad_accounts)s.", account=name, ad_accounts=ad_accounts)
    )
    return go(
        request, f"/accounts/guide/ad-accounts?account={account.id}" if guided else f"/accounts/{account.id}", notice
    )


# -- decisions


@dataclass(frozen=True, slots=True)
class Target:
    """What a grant is for: an account that exists, or a new one of that name."""

    granted: Granted
    account: Account | None
    name: str
    selection: tuple[str, ...] | None


def _ask(request: Request, deps: Deps, who: Visitor, target: Target, error: str = "") -> Response:
    now, account = deps.clock(), target.account
    account_id = account.id if account else None
    grant = PendingGrant(target.granted, account_id, target.selection, who.secret, now + DECISION_TIME)
    key = _pending(request).add(grant, now)
    return respond(request, _decide(deps, key, grant, account, target.name, error), 409)


def _decide(deps: Deps, key: str, grant: PendingGrant, account: Account | None, name: str, error: str) -> Decide:
    covers = {advertiser.advertiser_id for advertiser in grant.granted.advertisers}
    before = deps.store.accounts.advertisers(account) if account else ()
    lost = tuple(
        advertiser.name or advertiser.advertiser_id
        for advertiser in before
        if not advertiser.gone and advertiser.advertiser_id not in covers
    )
    return Decide(
        key=key,
        account=account,
        granter=grant.granted.granter.name or phrase("another user"),
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
    """Takes the decision: reconnect the account with the grant, create a new account, or discard the grant."""
    _need_connector(who)
    need_browser(who, phrase("API tokens cannot complete a TikTok consent."))
    grant = _pending(request).get(key, who.secret, deps.clock())
    account = who.guard.account(grant.account_id, AccountRight.EDIT) if grant.account_id is not None else None
    connecting = Connecting(deps.settings, deps.store, deps.transport)
    if choice == "again" and account is not None:
        _pending(request).drop(key)
        return _connected(request, deps, connecting.keep_again(account, grant.granted), again=True)
    if choice == "new":
        try:
            free = free_name(deps.store, name)
            created = connecting.keep(free, grant.granted, selection=grant.selection, user=who.user)
        except InputError as error:
            return respond(request, _decide(deps, key, grant, account, name[:100], sentence(error)), 422)
        _pending(request).drop(key)
        return _connected(request, deps, created)
    _pending(request).drop(key)
    onward = f"/accounts/{account.id}" if account else "/accounts"
    return go(request, onward, phrase("Cancelled. Your accounts are unchanged."))


# -- with a token


@router.get("/accounts/token")
def token_page(request: Request, deps: Here, who: Who) -> Response:
    """The form for a new account from a token."""
    _need_connector(who)
    return respond(request, WithToken("", "", "", lacking_app(deps.settings, deps.store)))


@router.post("/accounts/token")
async def add_by_token(
    request: Request, deps: Here, who: Who, name: Text = "", token: Text = "", advertisers: Text = ""
) -> Response:
    """Creates an account from a token, after TikTok has accepted it."""
    _need_connector(who)
    need_browser(who, phrase("API tokens cannot connect accounts on this page."))
    try:
        selection = read_ids(advertisers)
        access = app_access(deps.settings, deps.store, read_token(token))
        if selection is None:
            need_app(deps.settings, access)
        name = free_name(deps.store, name)
        granted = await Connecting(deps.settings, deps.store, deps.transport).granted(access, selection)
    except AdreelError as error:
        page = WithToken(name[:100], advertisers[:20_000], sentence(error), lacking_app(deps.settings, deps.store))
        return respond(request, page, status_of(error))
    return await settle(request, deps, who, granted, None, name, selection)


def read_token(text: str) -> str:
    """The token that was pasted, trimmed. InputError if it cannot be one."""
    token = text.strip()
    if not token or len(token) > 1000 or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(phrase("The access token is not valid. Paste it as TikTok issued it, without spaces."))
    return token


def read_ids(text: str) -> tuple[str, ...] | None:
    """Advertiser ids that were typed or pasted, with any separators; None if there are none."""
    words = [word for word in re.split(r"[\s,;|'\"\[\]()]+", text) if word]
    wrong = [word for word in words if not (word.isascii() and word.isdigit() and len(word) <= 30)]
    if wrong:
        raise InputError(
            phrase("%(wrong)s is not a valid ad account ID. IDs have digits only.", wrong=repr(wrong[0][:60]))
        )
    return tuple(dict.fromkeys(words)) or None
