"""What every request works with, and who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

import httpx2
from fastapi import Depends, Request

from adreel.access import Actor, Guard
from adreel.catalog_file import follow
from adreel.lake import Lake
from adreel.language import phrase
from adreel.pipeline.backfill_orders import BackfillOrders
from adreel.pipeline.orders import Orders
from adreel.pipeline.preview import Asking
from adreel.sandbox import Sandbox
from adreel.settings import LOOPBACK, Settings
from adreel.store import Role, Store, User
from adreel.store.audit import Means, Origin, act_as
from adreel.web.link_turns import LinkTurns

COOKIE = "adreel_session"

API = "/api/v1"
"""Where the API is below the pages."""


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A simulated TikTok: its own page, and whether every account reads it."""

    address: str
    everything: bool

    @property
    def words(self) -> str:
        """Which numbers are made up."""
        if self.everything:
            return phrase("Simulated TikTok: all figures are invented.")
        return phrase("Some accounts read a simulated TikTok: their figures are invented.")


@dataclass(frozen=True, slots=True)
class Deps:
    """One home as the pages see it; `transport` replaces the network towards TikTok."""

    settings: Settings
    store: Store
    lake: Lake
    clock: Callable[[], datetime]
    sandbox: Sandbox
    transport: httpx2.AsyncBaseTransport | None = None
    link_turns: LinkTurns = field(default_factory=LinkTurns)

    @property
    def asking(self) -> Asking:
        """For questions to TikTok while a person waits."""
        return Asking(self.settings, self.store, self.clock, self.transport)

    @property
    def orders(self) -> Orders:
        """For runs that are asked for or cancelled, and datasets that are deleted."""
        return Orders(self.settings, self.store, clock=self.clock)

    @property
    def backfills(self) -> BackfillOrders:
        """For backfills that are started, paused, resumed or cancelled."""
        return BackfillOrders(self.orders)

    @property
    def made_up(self) -> MadeUp | None:
        """What every page says while numbers are of a simulated TikTok, which is one on this machine."""
        asked = [account.base_url for account in self.store.accounts.list()] or [self.settings.tiktok_url]
        simulated = [base for base in asked if urlsplit(base).hostname in LOOPBACK]
        if not simulated:
            return None
        parts = urlsplit(simulated[0])
        return MadeUp(f"{parts.scheme}://{parts.netloc}/", len(simulated) == len(asked))

    @property
    def secure(self) -> bool:
        """Whether people come by https."""
        return urlsplit(self.settings.web_url).scheme == "https"


class SignInNeededError(Exception):
    """Nobody is signed in, and the page is for somebody; the app answers with the sign-in page, the API with 401."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: a user of a browser session, or of an API token; `secret` is the session's, empty for a token.

    `token` is the token's name, empty for a session.
    """

    user: User
    guard: Guard
    secret: str
    token: str = ""

    @property
    def may_edit(self) -> bool:
        """Whether the role lets this person make and change things at all."""
        return self.user.role is not Role.VIEWER


def deps_of(request: Request) -> Deps:
    """The app's."""
    deps: Deps = request.app.state.deps
    return deps


def known_visitor(request: Request) -> Visitor | None:
    """Who is signed in, if anybody is."""
    store = deps_of(request).store
    bearer = bearer_of(request.headers.get("authorization"))
    if bearer is not None:
        token = store.tokens.find(bearer)
        if token is None:
            return None
        user = store.users.get(token.user_id)
        return Visitor(user, Guard(store, Actor(user, read_only=token.read_only)), "", token.name)
    secret = request.cookies.get(COOKIE, "")
    session = store.sessions.find(secret) if secret else None
    if session is None:
        return None
    user = store.users.get(session.user_id)
    return Visitor(user, Guard(store, Actor(user)), secret)


def bearer_of(header: str | None) -> str | None:
    """The token of an Authorization header; None without one, or for one of another kind, as a proxy's (Basic)."""
    kind, _, token = (header or "").strip().partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


async def acting_visitor(request: Request, who: Annotated[Visitor | None, Depends(known_visitor)]) -> Visitor | None:
    """Who is signed in, if anybody is, from now on the one who acts.

    Said in the request's own task, from which the threads of its pages have it.
    """
    if who is not None:
        is_api = bool(who.token) or request.url.path.startswith(f"{API}/")
        act_as(Origin.of(who.user, Means.API if is_api else Means.PAGE, who.token))
    return who


async def visitor(request: Request, who: Annotated[Visitor | None, Depends(acting_visitor)]) -> Visitor:
    """Who is signed in. Raises SignInNeededError. A request with a bearer token is judged by that alone.

    The home's additions to the catalogue are in force from then on; raises InputError if they cannot be used.
    """
    if who is None:
        raise SignInNeededError
    follow(deps_of(request).settings.home)
    return who


Here = Annotated[Deps, Depends(deps_of)]
"""A page's parameter: what it works with."""

Who = Annotated[Visitor, Depends(visitor)]
"""A page's parameter: who asks."""
