"""An account's connection to TikTok: making it, a client that reads with it, and its advertisers kept up to date."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2

from adreel.advertisers import GO_ON_WITHOUT, Advertiser
from adreel.dates import fixed_offset, offset_name
from adreel.errors import AbsentError, AdreelError, AdvertiserError, ExistsError, InputError, ReconnectError
from adreel.settings import Settings
from adreel.store import Account, AccountAdvertiser, AccountStatus, Store, User
from adreel.store import Advertiser as KnownAdvertiser
from adreel.store.names import clean_name
from adreel.tiktok.client import AdvertiserName, Client
from adreel.tiktok.rate_limit import Pace, limits_for

FRESH = timedelta(minutes=5)
"""How long a list of advertisers counts as what TikTok would say: a plan and the run after it ask once."""

PATIENCE_SECONDS = 60.0
"""How long a person who connects an account is kept waiting for TikTok."""

INFO_FIELDS = ("advertiser_id", "name", "currency", "timezone", "display_timezone", "status", "country")


@dataclass(frozen=True, slots=True)
class Covered:
    """The advertisers that a dataset reads, and why some cannot be read."""

    advertisers: tuple[Advertiser, ...]
    unreadable: dict[str, str]


@dataclass(frozen=True, slots=True)
class Access:
    """Where to ask, as which app, with which token."""

    base_url: str
    app_id: str
    secret: str = field(repr=False)
    token: str | None = field(repr=False)


def app_access(settings: Settings, token: str | None = None) -> Access:
    """The app of the settings, with a token if there is one already."""
    return Access(settings.tiktok_url, settings.tiktok_app_id, settings.tiktok_secret.reveal(), token)


def account_access(settings: Settings, store: Store, account: Account) -> Access:
    """What the account was connected with, and its token."""
    return replace(account_app(settings, store, account), token=store.accounts.token(account))


def account_app(settings: Settings, store: Store, account: Account) -> Access:
    """The app that the account was connected by, without a token.

    An address that is set wins over the account's own, and so does the secret of the same app. Another app does not:
    TikTok refuses a token that an app did not get itself.
    """
    same = account.app_id in ("", settings.tiktok_app_id)
    address_set = settings.sources.get("tiktok_url", "default") != "default"
    secret = settings.tiktok_secret.reveal() if same else ""
    return Access(
        settings.tiktok_url if address_set else account.base_url,
        account.app_id or settings.tiktok_app_id,
        secret or store.accounts.app_secret(account),
        None,
    )


def own_app(settings: Settings, store: Store, account: Account) -> Access:
    """The app by which the account is connected again: the one that the settings name, else the account's own."""
    mine = app_access(settings)
    if not (mine.app_id and mine.secret):
        return account_app(settings, store, account)
    address_set = settings.sources.get("tiktok_url", "default") != "default"
    return mine if address_set or not account.base_url else replace(mine, base_url=account.base_url)


@dataclass(frozen=True, slots=True)
class Waits:
    """How a client waits: its clocks in epoch and in monotonic seconds, its sleep, and the seconds of one try."""

    request_seconds: float = 60.0
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@asynccontextmanager
async def connected(
    settings: Settings,
    access: Access,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    deadline: float | None = None,
    log: Callable[[str], None] | None = None,
    waits: Waits | None = None,
) -> AsyncIterator[Client]:
    """A client at the pace of the app, which all processes of this home share; `deadline` is in monotonic seconds."""
    waits = waits or Waits()
    limits = limits_for(settings.tiktok_level)
    pace = Pace(settings.home / "pace.db", access.app_id or "app", limits, clock=waits.clock, sleep=waits.sleep)
    client = Client(
        base_url=access.base_url,
        pace=pace,
        token=access.token,
        app_id=access.app_id or None,
        secret=access.secret or None,
        transport=transport,
        request_seconds=waits.request_seconds,
        sleep=waits.sleep,
        monotonic=waits.monotonic,
        deadline=deadline,
        log=log,
    )
    try:
        async with client:
            yield client
    finally:
        pace.close()


async def refresh(client: Client, store: Store, account: Account) -> tuple[AccountAdvertiser, ...]:
    """Asks TikTok for the account's advertisers and their zones, and keeps the answer.

    Raises ReconnectError, after marking the account, if the token is dead.
    """
    try:
        advertisers = await ask_advertisers(client, account.selection, store.accounts.advertisers(account))
    except ReconnectError as error:
        store.accounts.set_status(account, AccountStatus.after(error))
        raise
    store.accounts.save_advertisers(account, advertisers)
    return store.accounts.advertisers(account)


@dataclass(frozen=True, slots=True)
class ByHand:
    """Zone and currency of advertisers as a person gives them, for where TikTok tells none: its sandbox."""

    timezone: str = ""
    currency: str = ""

    def __post_init__(self) -> None:
        """Raises InputError for what is no zone or no currency."""
        if self.timezone:
            fixed_offset(self.timezone)
        if self.currency and not re.fullmatch("[A-Z]{3}", self.currency):
            raise InputError(f"{self.currency!r} is no currency; it has three capital letters, as USD has.")

    def of(self, advertiser_id: str) -> KnownAdvertiser:
        """An advertiser with these; days are those of UTC if no zone is given."""
        return KnownAdvertiser(
            advertiser_id=advertiser_id,
            name="",
            currency=self.currency,
            timezone=self.timezone or "UTC",
            display_timezone=f"{self.timezone} {GIVEN}" if self.timezone else f"UTC {ASSUMED}",
            status="",
            country="",
        )


GIVEN, ASSUMED = "(given by hand)", "(assumed)"
"""End the zone's name where TikTok tells none."""


async def ask_advertisers(
    client: Client,
    selection: tuple[str, ...] | None,
    known: Iterable[KnownAdvertiser | AccountAdvertiser] = (),
    by_hand: ByHand | None = None,
) -> tuple[KnownAdvertiser, ...]:
    """The advertisers that the token covers, or those named, each with what TikTok tells of it; nothing is kept.

    TikTok's sandbox tells nothing of advertisers: there they are as they are `known`, else with zone and currency
    `by_hand`, once a list of theirs could be read.
    """
    if selection is not None:
        names = dict.fromkeys(selection, "")
    else:
        names = {advertiser_name.id: advertiser_name.name for advertiser_name in await _listed(client)}
    try:
        rows = await client.advertiser_info(list(names), list(INFO_FIELDS)) if names else []
    except AbsentError:
        there = {one.advertiser_id: _as_known(one) for one in known if one.timezone}
        return tuple([there.get(one) or await _by_hand(client, one, by_hand or ByHand()) for one in names])
    info = {str(row.get("advertiser_id")): row for row in rows}
    return tuple(_known(one, name, info.get(one, {})) for one, name in names.items())


async def _listed(client: Client) -> tuple[AdvertiserName, ...]:
    try:
        return await client.advertisers()
    except AbsentError as error:
        raise AbsentError(
            f"{error.message} If this is TikTok's sandbox, which does not list advertisers, name yours: "
            "adreel accounts add NAME --token-stdin --advertisers ID --timezone ZONE --currency CODE",
            code=error.code,
            request_id=error.request_id,
        ) from error


async def _by_hand(client: Client, advertiser_id: str, by_hand: ByHand) -> KnownAdvertiser:
    """An advertiser of which TikTok tells nothing, with a zone only if the token reads it."""
    try:
        await client.page("/campaign/get/", {"advertiser_id": advertiser_id}, 1, 1)
    except AdvertiserError:
        return _known(advertiser_id, "", {})
    return by_hand.of(advertiser_id)


def _as_known(one: KnownAdvertiser | AccountAdvertiser) -> KnownAdvertiser:
    return KnownAdvertiser(**{field.name: getattr(one, field.name) for field in fields(KnownAdvertiser)})


def _known(advertiser_id: str, name: str, info: dict[str, Any]) -> KnownAdvertiser:
    texts = {field: str(info.get(field) or "") for field in INFO_FIELDS[2:]}
    return KnownAdvertiser(advertiser_id=advertiser_id, name=str(info.get("name") or name), **texts)


def zone_words(one: KnownAdvertiser) -> str | None:
    """An advertiser's zone for a person, as in "UTC-08:00 America/Los_Angeles"; None if TikTok gives no details."""
    try:
        offset = fixed_offset(one.timezone, one.display_timezone)
    except InputError:
        return None
    return f"{offset_name(offset)} {one.display_timezone}".strip()


def status_words(advertiser: AccountAdvertiser) -> str | None:
    """How an advertiser stands, for a person; None if TikTok says nothing of it."""
    if advertiser.gone:
        return "not covered any more"
    return advertiser.status.removeprefix("STATUS_").replace("_", " ").lower() or (
        None if zone_words(advertiser) else "no access"
    )


def is_fresh(advertisers: Iterable[AccountAdvertiser], now: datetime) -> bool:
    """Whether the advertisers were asked for so lately that asking again would tell nothing."""
    ages = [now - advertiser.refreshed_at for advertiser in advertisers]
    return bool(ages) and max(ages) <= FRESH


def covered(advertisers: Iterable[AccountAdvertiser], wanted: tuple[str, ...] | None) -> Covered:
    """The advertisers to read: those named, or all that the account has; what has no known zone cannot be read."""
    by_id = {advertiser.advertiser_id: advertiser for advertiser in advertisers if not advertiser.gone}
    found: list[Advertiser] = []
    unreadable: dict[str, str] = {}
    for advertiser_id in wanted if wanted is not None else by_id:
        one = by_id.get(advertiser_id)
        if one is None:
            unreadable[advertiser_id] = "the account does not cover it"
            continue
        try:
            offset = fixed_offset(one.timezone, one.display_timezone)
        except InputError as error:
            unreadable[advertiser_id] = "TikTok gives no details of it" if not one.timezone else error.message
            continue
        found.append(Advertiser(one.advertiser_id, one.name or one.advertiser_id, one.currency, offset))
    return Covered(tuple(found), unreadable)


def refuse_unreadable(
    found: Covered, advertisers: Iterable[AccountAdvertiser], account: Account, *, skip_failing: bool
) -> None:
    """Raises AdvertiserError if a run over these advertisers would fail before it asks for a row.

    With `skip_failing` those that cannot be read are left out, unless there are no others.
    """
    if not found.advertisers and not found.unreadable:
        raise AdvertiserError(
            f"The account {account.name!r} covers no advertiser, so there is nothing to read and the table "
            "stays as it was. Grant it some in TikTok's Business Center, or connect it again."
        )
    if found.unreadable and not (skip_failing and found.advertisers):
        first, reason = next(iter(found.unreadable.items()))
        name = next(
            (
                f"{advertiser.name} ({first})"
                for advertiser in advertisers
                if advertiser.advertiser_id == first and advertiser.name
            ),
            first,
        )
        advice = "No other is left, so choose others." if skip_failing else GO_ON_WITHOUT
        raise AdvertiserError(f"Advertiser {name} cannot be read: {reason}. {advice}")


def need_app(settings: Settings, access: Access) -> None:
    """Raises InputError that says how to name the app, if it is not named."""
    named = {"ADREEL_TIKTOK_APP_ID": access.app_id, "ADREEL_TIKTOK_SECRET": access.secret}
    missing = [name for name, value in named.items() if not value]
    if missing:
        verb = "are" if len(missing) > 1 else "is"
        raise InputError(
            f"{' and '.join(missing)} {verb} not set. Both stand in TikTok's developer portal under My Apps; put them "
            f"into the environment or into {settings.home / 'adreel.env'}."
        )


def free_name(store: Store, name: str) -> str:
    """The name as a new account will have it; InputError, before TikTok is asked for anything, if it cannot be had."""
    name = clean_name(name, "an account")
    if any(account.name == name for account in store.accounts.list()):
        raise ExistsError(f"There is an account {name!r} already; choose another name, or connect that one again.")
    return name


@dataclass(frozen=True, slots=True)
class Granter:
    """The TikTok for Business user who granted a token; empty texts where TikTok does not tell."""

    name: str = ""
    id: str = ""


NOBODY = Granter()
"""Stands for a user of whom TikTok tells nothing."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A token that TikTok takes: where and as which app it was asked, who granted it, and what it covers."""

    access: Access
    granter: Granter
    advertisers: tuple[KnownAdvertiser, ...]


@dataclass(frozen=True, slots=True)
class Connecting:
    """Connects accounts of one home and lets go of them, while a person waits.

    `transport` replaces the network, `log` gets a line for each wait. Every question to TikTok ends after
    `PATIENCE_SECONDS`, with RetryError if there is no answer by then.
    """

    settings: Settings
    store: Store
    transport: httpx2.AsyncBaseTransport | None = None
    log: Callable[[str], None] | None = None

    async def exchanged(self, access: Access, code: str) -> Access:
        """The access with the token for a code of the consent page; ReconnectError if TikTok does not take the code."""
        async with self._client(access) as client:
            return replace(access, token=(await client.exchange(code)).access_token)

    async def granted(
        self,
        access: Access,
        selection: tuple[str, ...] | None = None,
        account: Account | None = None,
        by_hand: ByHand | None = None,
    ) -> Granted:
        """What TikTok shows of a token that is not kept yet, with `selection` in place of the advertisers it lists.

        The token is to be that of `account`, if it is not for a new one. `by_hand` is for where TikTok tells nothing.

        ReconnectError if it does not take the token or the app, AdvertiserError if the token reads none of `selection`.
        """
        async with self._client(access) as client:
            advertisers = self.store.accounts.advertisers(account) if account else ()
            granter, found = await granter_of(client), await ask_advertisers(client, selection, advertisers, by_hand)
        if selection is not None and not any(advertiser.timezone or advertiser.currency for advertiser in found):
            raise AdvertiserError(
                f"TikTok gives this token no details of {', '.join(selection)}; look at the ids, and at who granted it."
            )
        return Granted(access, granter, found)

    async def granter(self, account: Account) -> Granter:
        """Who granted the account's present token: TikTok's word, or what was kept if the token is dead."""
        try:
            async with self._client(account_access(self.settings, self.store, account)) as client:
                granter = await granter_of(client)
        except AdreelError:
            # Also for a token that no key decrypts: what follows replaces it.
            return Granter(account.owner)
        return granter if granter != NOBODY else Granter(account.owner)

    def keep(
        self, name: str, granted: Granted, *, selection: tuple[str, ...] | None = None, user: User | None = None
    ) -> Account:
        """A new account, which `user` owns. InputError if the name is taken."""
        access = granted.access
        account = self.store.accounts.add(
            name,
            token=_token_of(access),
            app_id=access.app_id,
            app_secret=access.secret,
            base_url=access.base_url,
            owner=granted.granter.name,
            selection=selection,
            user=user,
        )
        self.store.accounts.save_advertisers(account, granted.advertisers)
        return account

    def keep_again(self, account: Account, granted: Granted) -> Account:
        """The account with another token; its name, datasets and shares stay."""
        access = granted.access
        account = self.store.accounts.set_token(
            account,
            _token_of(access),
            app_id=access.app_id,
            app_secret=access.secret,
            base_url=access.base_url,
            owner=granted.granter.name or None,
        )
        self.store.accounts.save_advertisers(account, granted.advertisers)
        return account

    async def choose(self, account: Account, selection: tuple[str, ...] | None) -> Account:
        """The account with these advertisers named by hand, or with all that its grant covers; errors as `granted`.

        Kept once TikTok has shown that they can be read. A dead token is marked.
        """
        try:
            granted = await self.granted(account_access(self.settings, self.store, account), selection, account)
        except ReconnectError as error:
            self.store.accounts.set_status(account, AccountStatus.after(error))
            raise
        chosen = self.store.accounts.choose_advertisers(account, selection)
        self.store.accounts.save_advertisers(chosen, granted.advertisers)
        return chosen

    async def revoke(self, account: Account) -> str:
        """Ends the account's grant at TikTok; returns a sentence that says so, or that it was over already.

        Other errors of TikTok are raised: the grant then holds.
        """
        try:
            async with self._client(account_access(self.settings, self.store, account)) as client:
                await client.revoke()
        except ReconnectError as error:
            return f"Its token was over already: {error}"
        return "Its token is revoked at TikTok."

    @asynccontextmanager
    async def _client(self, access: Access) -> AsyncIterator[Client]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        async with connected(
            self.settings, access, transport=self.transport, deadline=deadline, log=self.log
        ) as client:
            yield client


def same_user(before: Granter, now: Granter) -> bool:
    """Whether two grants are of one TikTok user, by TikTok's number or else by name; True if too little is known."""
    if before.id and now.id:
        return before.id == now.id
    return not before.name or not now.name or before.name == now.name


async def granter_of(client: Client) -> Granter:
    """The TikTok user behind a token; ReconnectError if it is dead."""
    try:
        user = await client.user()
    except ReconnectError:
        raise
    except AdreelError:
        return NOBODY
    return Granter(user.display_name, user.core_user_id)


async def owner_of(client: Client) -> str:
    """The display name of the TikTok user behind a token; empty where TikTok does not tell."""
    return (await granter_of(client)).name


def _token_of(access: Access) -> str:
    assert access.token, "an access that was granted has its token"
    return access.token
