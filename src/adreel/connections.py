"""An account's connection to TikTok: making it, a client that reads with it, and its advertisers kept up to date."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
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
    """What the account was connected with; settings that are set win, such as another address or a new secret."""
    defaults = Settings.load({})
    return Access(
        settings.tiktok_url if settings.tiktok_url != defaults.tiktok_url else account.base_url,
        settings.tiktok_app_id or account.app_id,
        settings.tiktok_secret.reveal() or store.accounts.app_secret(account),
        store.accounts.token(account),
    )


@asynccontextmanager
async def connected(
    settings: Settings,
    access: Access,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    deadline: float | None = None,
    log: Callable[[str], None] | None = None,
) -> AsyncIterator[Client]:
    """A client at the pace of the app, which all processes of this home share; `deadline` is in monotonic seconds."""
    pace = Pace(settings.home / "pace.db", access.app_id or "app", limits_for(settings.tiktok_level))
    client = Client(
        base_url=access.base_url,
        pace=pace,
        token=access.token,
        app_id=access.app_id or None,
        secret=access.secret or None,
        transport=transport,
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
        if account.selection is not None:
            ids = list(account.selection)
            names: dict[str, str] = {}
        else:
            listed = await client.advertisers()
            ids = [one.id for one in listed]
            names = {one.id: one.name for one in listed}
        rows = await client.advertiser_info(ids, list(INFO_FIELDS)) if ids else []
    except ReconnectError:
        store.accounts.set_status(account, AccountStatus.REVOKED)
        raise
    info = {str(row.get("advertiser_id")): row for row in rows}
    store.accounts.save_advertisers(account, (_known(one, names.get(one, ""), info.get(one, {})) for one in ids))
    return store.accounts.advertisers(account)


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


def need_app(settings: Settings) -> None:
    """Raises InputError that says how to name the app, if it is not named."""
    missing = [
        name
        for name, value in (
            ("ADREEL_TIKTOK_APP_ID", settings.tiktok_app_id),
            ("ADREEL_TIKTOK_SECRET", settings.tiktok_secret),
        )
        if not value
    ]
    if missing:
        raise InputError(
            f"{' and '.join(missing)} not set. Both stand in TikTok's developer portal under My Apps; put them into "
            f"the environment or into {settings.home / 'adreel.env'}."
        )


async def owner_of(client: Client) -> str:
    """The display name of the TikTok user behind a token; empty where TikTok does not tell."""
    try:
        return (await client.user()).display_name
    except ReconnectError:
        raise
    except AdreelError:
        return ""
