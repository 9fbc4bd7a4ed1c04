"""An account's connection to TikTok: making it, a client that reads with it, and its advertisers kept up to date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2

from adreel.dates import fixed_offset
from adreel.errors import AdreelError, InputError, ReconnectError
from adreel.plan import Advertiser
from adreel.settings import Settings
from adreel.store import Account, AccountAdvertiser, AccountStatus, Store
from adreel.store import Advertiser as KnownAdvertiser
from adreel.tiktok.client import Client
from adreel.tiktok.pace import Pace, limits_for

FRESH = timedelta(minutes=5)
"""How long a list of advertisers counts as what TikTok would say: a plan and the run after it ask once."""

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
        found = await ask_advertisers(client, account.selection)
    except ReconnectError:
        store.accounts.set_status(account, AccountStatus.REVOKED)
        raise
    store.accounts.save_advertisers(account, found)
    return store.accounts.advertisers(account)


async def ask_advertisers(client: Client, selection: tuple[str, ...] | None) -> tuple[KnownAdvertiser, ...]:
    """The advertisers that the token covers, or those named, each with what TikTok tells of it; nothing is kept."""
    if selection is not None:
        names = dict.fromkeys(selection, "")
    else:
        names = {one.id: one.name for one in await client.advertisers()}
    rows = await client.advertiser_info(list(names), list(INFO_FIELDS)) if names else []
    info = {str(row.get("advertiser_id")): row for row in rows}
    return tuple(_known(one, name, info.get(one, {})) for one, name in names.items())


def _known(advertiser_id: str, name: str, info: dict[str, Any]) -> KnownAdvertiser:
    texts = {field: str(info.get(field) or "") for field in INFO_FIELDS[2:]}
    return KnownAdvertiser(advertiser_id=advertiser_id, name=str(info.get("name") or name), **texts)


def is_fresh(known: Iterable[AccountAdvertiser], now: datetime) -> bool:
    """Whether the advertisers were asked for so lately that asking again would tell nothing."""
    ages = [now - one.refreshed_at for one in known]
    return bool(ages) and max(ages) <= FRESH


def covered(known: Iterable[AccountAdvertiser], wanted: tuple[str, ...] | None) -> Covered:
    """The advertisers to read: those named, or all that the account has; what has no known zone cannot be read."""
    by_id = {one.advertiser_id: one for one in known if not one.gone}
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


async def owner_of(client: Client) -> str:
    """The display name of the TikTok user behind a token; empty where TikTok does not tell."""
    try:
        return (await client.user()).display_name
    except ReconnectError:
        raise
    except AdreelError:
        return ""
