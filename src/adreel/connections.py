"""An account's connection to TikTok: creating it, a client that uses it, and its list of advertisers."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2

from adreel import catalog
from adreel.advertisers import SKIP_ADVICE, Advertiser
from adreel.dates import fixed_offset, offset_name
from adreel.enumerations import first_of
from adreel.errors import AbsentError, AdreelError, AdvertiserError, ExistsError, InputError, ReconnectError
from adreel.language import Phrase, listed, phrase, phrases
from adreel.logs import logger_of
from adreel.settings import Settings
from adreel.store import Account, AccountAdvertiser, AccountStatus, AdvertiserInfo, RequestCounts, Store, User
from adreel.store.database import slot_log
from adreel.store.names import clean_name
from adreel.tiktok.client import AdvertiserName, Client
from adreel.tiktok.rate_limit import Pace, limits_for, path_limits

logger = logger_of(__name__)

FRESH = timedelta(minutes=5)
"""How long a list of advertisers counts as current, so that a plan and the run after it request it once."""

COUNT_SECONDS = 5.0
"""How often a client's requests are added to those of its app; those since are lost if its process is killed."""

UNNAMED_APP = "app"
"""The app of an account that was added with a token alone."""

PATIENCE_SECONDS = 60.0
"""The longest wait for TikTok while a person connects an account."""

INFO_FIELDS = ("advertiser_id", "name", "currency", "timezone", "display_timezone", "status", "country")


@dataclass(frozen=True, slots=True)
class Covered:
    """The advertisers that a dataset reads, and the reasons why others cannot be read, by their ids."""

    advertisers: tuple[Advertiser, ...]
    unreadable: dict[str, str]


@dataclass(frozen=True, slots=True)
class Access:
    """The address of the API, the app and the token."""

    base_url: str
    app_id: str
    secret: str = field(repr=False)
    token: str | None = field(repr=False)
    scopes: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class AppInUse:
    """The TikTok app that new connections use; both words are empty if there is none.

    `source` is the environment or the line of adreel.env that sets it, `STORED`, or empty.
    """

    app_id: str
    secret: str = field(repr=False)
    source: str


STORED = "stored"
"""The source of an app that an administrator entered."""


def app_in_use(settings: Settings, store: Store) -> AppInUse:
    """The app of the settings if they have an ID or a secret, else the one that an administrator entered.

    The two are never mixed: an ID from one place and a secret from another are of no app. Raises InputError if no key
    fits the secret that was entered.
    """
    if settings.tiktok_app_id or settings.tiktok_secret:
        name = "tiktok_app_id" if settings.tiktok_app_id else "tiktok_secret"
        source = settings.sources.get(name, "environment")
        return AppInUse(settings.tiktok_app_id, settings.tiktok_secret.reveal(), source)
    app = store.app.get()
    return AppInUse(app.app_id, store.app.secret(), STORED) if app is not None else AppInUse("", "", "")


def app_id_in_use(settings: Settings, store: Store) -> str:
    """The ID of the app that new connections use, without a look at its secret; empty if there is none."""
    if settings.tiktok_app_id or settings.tiktok_secret:
        return settings.tiktok_app_id
    app = store.app.get()
    return app.app_id if app is not None else ""


def app_access(settings: Settings, store: Store, token: str | None = None) -> Access:
    """The address of the settings and the app in use, with the token. Errors as `app_in_use`."""
    app = app_in_use(settings, store)
    return Access(settings.tiktok_url, app.app_id, app.secret, token)


def account_access(settings: Settings, store: Store, account: Account) -> Access:
    """The address and app that the account was connected with, and its token."""
    return replace(account_app(settings, store, account), token=store.accounts.token(account))


def account_app(settings: Settings, store: Store, account: Account) -> Access:
    """The address and app that the account was connected with, without a token.

    The address of the settings takes precedence over the account's own, and so does the secret of the same app, but not
    another app: TikTok refuses a token that was issued to another app.
    """
    app_id = app_id_in_use(settings, store)
    same = account.app_id in ("", app_id)
    address_set = settings.sources.get("tiktok_url", "default") != "default"
    secret = app_in_use(settings, store).secret if same else ""
    return Access(
        settings.tiktok_url if address_set else account.base_url,
        account.app_id or app_id,
        secret or store.accounts.app_secret(account),
        None,
    )


def own_app(settings: Settings, store: Store, account: Account) -> Access:
    """The address and app to reconnect the account with: the app in use, else the account's own."""
    mine = app_access(settings, store)
    if not (mine.app_id and mine.secret):
        return account_app(settings, store, account)
    address_set = settings.sources.get("tiktok_url", "default") != "default"
    return mine if address_set or not account.base_url else replace(mine, base_url=account.base_url)


@dataclass(frozen=True, slots=True)
class Waits:
    """How a client waits: clocks in epoch and in monotonic seconds, the sleep, and the seconds of one attempt."""

    request_seconds: float = 60.0
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@asynccontextmanager
async def connected(
    settings: Settings,
    store: Store,
    access: Access,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    deadline: float | None = None,
    log: Callable[[str], None] | None = None,
    refused: Callable[[str], None] | None = None,
    waits: Waits | None = None,
    paths: Iterable[str] = (),
) -> AsyncIterator[Client]:
    """A client at the request rate of the app, which all processes of this store share; it counts the requests.

    `deadline` is in monotonic seconds, `log` and `refused` are as of `Client`. `paths` are those of its requests that
    may have limits of their own.
    """
    waits = waits or Waits()
    limits = limits_for(settings.tiktok_level)
    app_id = access.app_id or UNNAMED_APP
    pace = Pace(slot_log(settings), app_id, limits, clock=waits.clock, sleep=waits.sleep)
    path_paces = {
        path: Pace(slot_log(settings), f"{app_id}{path}", own, clock=waits.clock, sleep=waits.sleep)
        for path in paths
        if (own := path_limits(path, settings.tiktok_level)) is not None
    }
    client = Client(
        base_url=access.base_url,
        pace=pace,
        path_paces=path_paces,
        token=access.token,
        app_id=access.app_id or None,
        secret=access.secret or None,
        transport=transport,
        request_seconds=waits.request_seconds,
        sleep=waits.sleep,
        monotonic=waits.monotonic,
        deadline=deadline,
        log=log,
        refused=refused,
    )
    try:
        async with client, _counted(store, app_id, client):
            yield client
    finally:
        for opened in (pace, *path_paces.values()):
            opened.close()


@asynccontextmanager
async def _counted(store: Store, app_id: str, client: Client) -> AsyncIterator[None]:
    """Adds the client's requests to those of its app in the store: every few seconds, and at the end."""
    counted = RequestCounts(0, 0)

    def count() -> None:
        nonlocal counted
        now = RequestCounts(client.counts.requests, client.counts.refused)
        if now == counted:
            return
        try:
            store.app_requests.add(app_id, RequestCounts(now.sent - counted.sent, now.refused - counted.refused))
        except AdreelError as error:
            # What reads rows fails by itself if the store stays so; else the next time counts these, too.
            logger.warning("Requests could not be counted: %s", error)
        else:
            counted = now

    async def count_again() -> None:
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            count()

    counting = asyncio.create_task(count_again())
    try:
        yield
    finally:
        counting.cancel()
        count()
        await asyncio.gather(counting, return_exceptions=True)


async def refresh(client: Client, store: Store, account: Account) -> tuple[AccountAdvertiser, ...]:
    """Requests the account's advertisers and their zones from TikTok, and stores them.

    Raises ReconnectError, after it set the account's status, if the token is invalid.
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
    """Zone and currency of advertisers as entered by a person, for TikTok's sandbox, which gives none."""

    timezone: str = ""
    currency: str = ""

    def __post_init__(self) -> None:
        """Raises InputError for an invalid zone or currency."""
        if self.timezone:
            fixed_offset(self.timezone)
        if self.currency and not re.fullmatch("[A-Z]{3}", self.currency):
            raise InputError(
                phrase(
                    "%(currency)s is not a valid currency code. Use three capital letters, such as USD.",
                    currency=repr(self.currency),
                )
            )

    def of(self, advertiser_id: str) -> AdvertiserInfo:
        """The advertiser with this zone and currency; its days are those of UTC if no zone is entered."""
        return AdvertiserInfo(
            advertiser_id=advertiser_id,
            name="",
            currency=self.currency,
            timezone=self.timezone or "UTC",
            # Kept as it is in English.
            display_timezone=f"{self.timezone} " + GIVEN if self.timezone else "UTC " + ASSUMED,
            status="",
            country="",
        )


GIVEN, ASSUMED = Phrase("(given by hand)"), Phrase("(assumed)")
"""Suffixes of the name of a zone that TikTok did not give."""


async def ask_advertisers(
    client: Client,
    selection: tuple[str, ...] | None,
    stored: Iterable[AdvertiserInfo | AccountAdvertiser] = (),
    by_hand: ByHand | None = None,
) -> tuple[AdvertiserInfo, ...]:
    """The advertisers that the token covers, or those of `selection`, with their details; nothing is stored.

    TikTok's sandbox has no details of advertisers: there they are as they were `stored`, else with zone and currency
    `by_hand`, if the token can read them.
    """
    if selection is not None:
        names = dict.fromkeys(selection, "")
    else:
        names = {advertiser_name.id: advertiser_name.name for advertiser_name in await _listed(client)}
    try:
        rows = await client.advertiser_info(list(names), list(INFO_FIELDS)) if names else []
    except AbsentError:
        by_id = {advertiser.advertiser_id: _as_known(advertiser) for advertiser in stored if advertiser.timezone}
        return tuple(
            [
                by_id.get(advertiser_id) or await _by_hand(client, advertiser_id, by_hand or ByHand())
                for advertiser_id in names
            ]
        )
    info = {str(row.get("advertiser_id")): row for row in rows}
    return tuple(_known(advertiser_id, name, info.get(advertiser_id, {})) for advertiser_id, name in names.items())


async def _listed(client: Client) -> tuple[AdvertiserName, ...]:
    try:
        return await client.advertisers()
    except AbsentError as error:
        raise AbsentError(
            phrase(
                "%(message)s TikTok's sandbox does not list ad accounts, so name yours: adreel accounts "
                "add NAME --token-stdin --advertisers ID --timezone ZONE --currency CODE",
                message=error.message,
            ),
            code=error.code,
            request_id=error.request_id,
        ) from error


async def _by_hand(client: Client, advertiser_id: str, by_hand: ByHand) -> AdvertiserInfo:
    """An advertiser without details, with a zone only if the token can read it."""
    try:
        await client.page("/campaign/get/", {"advertiser_id": advertiser_id}, 1, 1)
    except AdvertiserError:
        return _known(advertiser_id, "", {})
    return by_hand.of(advertiser_id)


def _as_known(advertiser: AdvertiserInfo | AccountAdvertiser) -> AdvertiserInfo:
    return AdvertiserInfo(**{field.name: getattr(advertiser, field.name) for field in fields(AdvertiserInfo)})


def _known(advertiser_id: str, name: str, info: dict[str, Any]) -> AdvertiserInfo:
    texts = {field: str(info.get(field) or "") for field in INFO_FIELDS[2:]}
    return AdvertiserInfo(advertiser_id=advertiser_id, name=str(info.get("name") or name), **texts)


def zone_words(advertiser: AdvertiserInfo) -> str | None:
    """An advertiser's zone for a person, as in "UTC-08:00 America/Los_Angeles"; None if TikTok gives no details."""
    try:
        offset = fixed_offset(advertiser.timezone, advertiser.display_timezone)
    except InputError:
        return None
    zone = advertiser.display_timezone
    for suffix in (GIVEN, ASSUMED):
        if zone.endswith(suffix):
            zone = f"{zone.removesuffix(suffix)}{suffix}"
    return f"{offset_name(offset)} {zone}".strip()


def status_words(advertiser: AccountAdvertiser) -> str | None:
    """An advertiser's status for a person; None if TikTok gives none."""
    if advertiser.gone:
        return phrase("No longer covered")
    return catalog.label("status", advertiser.status) or (None if zone_words(advertiser) else phrase("No access"))


def is_fresh(advertisers: Iterable[AccountAdvertiser], now: datetime) -> bool:
    """Whether the advertisers were refreshed within `FRESH`."""
    ages = [now - advertiser.refreshed_at for advertiser in advertisers]
    return bool(ages) and max(ages) <= FRESH


def unreadable_notes(covering: Covered, *, skip_failing: bool) -> tuple[str, ...]:
    """A note for each advertiser that cannot be read, with the reason and what a run does then."""
    if skip_failing and covering.advertisers:
        then = phrase("A run skips it.")
    else:
        then = " ".join((phrase("A run will fail."), _advice(skip_failing=skip_failing)))
    notes = (
        phrase("Ad account %(ad_account)s cannot be read: %(reason)s.", ad_account=key, reason=reason.rstrip("."))
        for key, reason in covering.unreadable.items()
    )
    return tuple(f"{note} {then}" for note in notes)


def _advice(*, skip_failing: bool) -> str:
    return (
        phrase("Select other ad accounts, as none of the selected ones can be read.") if skip_failing else SKIP_ADVICE
    )


MOST_NAMED = 5
"""Ad accounts of an account that a message lists."""


def _not_covered(by_id: Mapping[str, AccountAdvertiser]) -> str:
    """That an account does not cover an ad account, and which it covers."""
    names = [f"{key} ({advertiser.name})" if advertiser.name else key for key, advertiser in by_id.items()]
    if not names:
        return phrase("the account does not cover it")
    return phrase("the account does not cover it; it covers %(ad_accounts)s", ad_accounts=first_of(names, MOST_NAMED))


def covered(
    advertisers: Iterable[AccountAdvertiser], selection: tuple[str, ...] | None, *, all_needed: bool = True
) -> Covered:
    """The advertisers to read: those of `selection`, or all of the account; without a zone they cannot be read.

    Those that cannot be read are not told of unless `all_needed`, or unless there is no other.
    """
    by_id = {advertiser.advertiser_id: advertiser for advertiser in advertisers if not advertiser.gone}
    readable: list[Advertiser] = []
    unreadable: dict[str, str] = {}
    for advertiser_id in selection if selection is not None else by_id:
        advertiser = by_id.get(advertiser_id)
        if advertiser is None:
            unreadable[advertiser_id] = _not_covered(by_id)
            continue
        try:
            offset = fixed_offset(advertiser.timezone, advertiser.display_timezone)
        except InputError as error:
            unreadable[advertiser_id] = (
                error.message if advertiser.timezone else phrase("TikTok gives no details of it")
            )
            continue
        name = advertiser.name or advertiser_id
        readable.append(Advertiser(advertiser_id, name, advertiser.currency, offset))
    return Covered(tuple(readable), unreadable if all_needed or not readable else {})


def refuse_unreadable(
    covering: Covered, advertisers: Iterable[AccountAdvertiser], account: Account, *, skip_failing: bool
) -> None:
    """Raises AdvertiserError if a run could not read the advertisers that it needs.

    With `skip_failing` it needs at least one, else all of them.
    """
    if not covering.advertisers and not covering.unreadable:
        raise AdvertiserError(
            phrase(
                "Account %(name)s covers no ad account. The table is unchanged. Grant access to ad "
                "accounts in TikTok's Business Center, or reconnect the account.",
                name=repr(account.name),
            )
        )
    if covering.unreadable and not (skip_failing and covering.advertisers):
        first, reason = next(iter(covering.unreadable.items()))
        name = next(
            (
                f"{advertiser.name} ({first})"
                for advertiser in advertisers
                if advertiser.advertiser_id == first and advertiser.name
            ),
            first,
        )
        advice = _advice(skip_failing=skip_failing)
        words = phrase("Ad account %(name)s could not be read: %(reason)s.", name=name, reason=reason.rstrip("."))
        raise AdvertiserError(f"{words} {advice}")


def need_app(settings: Settings, access: Access) -> None:
    """Raises InputError if the app's id or secret is not set."""
    named = {"ADREEL_TIKTOK_APP_ID": access.app_id, "ADREEL_TIKTOK_SECRET": access.secret}
    missing = [name for name, value in named.items() if not value]
    if len(missing) == 1 and (settings.tiktok_app_id or settings.tiktok_secret):
        other = next(name for name in named if name not in missing)
        raise InputError(
            phrase(
                "%(missing)s is not set, but %(other)s is. Copy the value from TikTok's developer portal "
                "(My Apps) to where %(other)s is set: the environment or %(file)s. Or remove %(other)s "
                "there, and the app is used that was entered in the Data Center or with adreel app set.",
                missing=missing[0],
                other=other,
                file=settings.home / "adreel.env",
            )
        )
    if missing:
        raise InputError(
            phrases(
                "%(missing)s is not set. Copy both values from TikTok's developer portal (My Apps): enter them in the "
                "Data Center (Accounts, Connect an account), run adreel app set, or write them to the environment or "
                "to %(file)s.",
                "%(missing)s are not set. Copy both values from TikTok's developer portal (My Apps): enter them in the "
                "Data Center (Accounts, Connect an account), run adreel app set, or write them to the environment or "
                "to %(file)s.",
                len(missing),
                missing=listed(missing),
                file=settings.home / "adreel.env",
            )
        )


def free_name(store: Store, name: str) -> str:
    """The name of a new account, cleaned; InputError if it is invalid, ExistsError if it is taken."""
    name = clean_name(name, phrase("an account"))
    if any(account.name == name for account in store.accounts.list()):
        raise ExistsError(
            phrase("Account %(name)s already exists. Choose another name, or reconnect that account.", name=repr(name))
        )
    return name


@dataclass(frozen=True, slots=True)
class Granter:
    """The TikTok for Business user who granted a token; texts are empty if TikTok does not give them."""

    name: str = ""
    id: str = ""


UNKNOWN_GRANTER = Granter()


@dataclass(frozen=True, slots=True)
class Granted:
    """A token that TikTok accepts, with its app, who granted it, and the advertisers that it covers."""

    access: Access
    granter: Granter
    advertisers: tuple[AdvertiserInfo, ...]


@dataclass(frozen=True, slots=True)
class Connecting:
    """Connects and disconnects accounts of one home, while a person waits.

    `transport` replaces the network, `log` gets a line for each wait. Every request to TikTok ends after
    `PATIENCE_SECONDS`, with RetryError if there is no answer by then.
    """

    settings: Settings
    store: Store
    transport: httpx2.AsyncBaseTransport | None = None
    log: Callable[[str], None] | None = None

    async def exchanged(self, access: Access, code: str) -> Access:
        """The access with the token for a code of the consent page; ReconnectError if TikTok refuses the code."""
        async with self._client(access) as client:
            grant = await client.exchange(code)
            return replace(access, token=grant.access_token, scopes=grant.scopes or None)

    async def granted(
        self,
        access: Access,
        selection: tuple[str, ...] | None = None,
        account: Account | None = None,
        by_hand: ByHand | None = None,
    ) -> Granted:
        """The details of a token that is not stored yet, with `selection` in place of the advertisers that it lists.

        The token is to become that of `account`, or of a new one. `by_hand` is for TikTok's sandbox. Raises
        ReconnectError if TikTok refuses the token or the app, AdvertiserError if it can read none of `selection`.
        """
        async with self._client(access) as client:
            stored = self.store.accounts.advertisers(account) if account else ()
            granter = await granter_of(client)
            advertisers = await ask_advertisers(client, selection, stored, by_hand)
        if selection is not None and not any(advertiser.timezone or advertiser.currency for advertiser in advertisers):
            raise AdvertiserError(
                phrase(
                    "TikTok gives this token no details of ad account %(selection)s. Check the IDs and who "
                    "granted the token.",
                    selection=", ".join(selection),
                )
            )
        return Granted(access, granter, advertisers)

    async def granter(self, account: Account) -> Granter:
        """Who granted the account's present token, by TikTok, or by the store if the token is invalid."""
        try:
            async with self._client(account_access(self.settings, self.store, account)) as client:
                granter = await granter_of(client)
        except AdreelError:
            # Includes a token that cannot be decrypted: reconnecting replaces it.
            return Granter(account.owner)
        return granter if granter != UNKNOWN_GRANTER else Granter(account.owner)

    def keep(
        self, name: str, granted: Granted, *, selection: tuple[str, ...] | None = None, user: User | None = None
    ) -> Account:
        """Stores a new account, which `user` owns. ExistsError if the name is taken."""
        access = granted.access
        account = self.store.accounts.add(
            name,
            token=_token_of(access),
            app_id=access.app_id,
            app_secret=access.secret,
            base_url=access.base_url,
            owner=granted.granter.name,
            selection=selection,
            scopes=access.scopes,
            user=user,
        )
        self.store.accounts.save_advertisers(account, granted.advertisers)
        return account

    def keep_again(self, account: Account, granted: Granted) -> Account:
        """Stores another token of the account; its name, datasets and shares stay."""
        access = granted.access
        account = self.store.accounts.set_token(
            account,
            _token_of(access),
            app_id=access.app_id,
            app_secret=access.secret,
            base_url=access.base_url,
            owner=granted.granter.name or None,
            scopes=access.scopes,
        )
        self.store.accounts.save_advertisers(account, granted.advertisers)
        return account

    async def choose(self, account: Account, selection: tuple[str, ...] | None) -> Account:
        """Selects advertisers of the account, or all that its grant covers; errors as `granted`.

        The selection is stored only if the token can read it. An invalid token sets the account's status.
        """
        granted = await self.granted_anew(account, selection)
        return self.keep_selection(account, selection, granted)

    async def granted_anew(self, account: Account, selection: tuple[str, ...] | None) -> Granted:
        """The details of the account's token for another selection. Errors as `choose`."""
        try:
            return await self.granted(account_access(self.settings, self.store, account), selection, account)
        except ReconnectError as error:
            self.store.accounts.set_status(account, AccountStatus.after(error))
            raise

    def keep_selection(self, account: Account, selection: tuple[str, ...] | None, granted: Granted) -> Account:
        """Stores a selection of advertisers that the account's token can read."""
        chosen = self.store.accounts.choose_advertisers(account, selection)
        self.store.accounts.save_advertisers(chosen, granted.advertisers)
        return chosen

    async def revoke(self, account: Account) -> str:
        """Revokes the account's token at TikTok; returns a sentence about it, also if the token was invalid already.

        Other errors of TikTok are raised: the token then stays valid.
        """
        try:
            async with self._client(account_access(self.settings, self.store, account)) as client:
                await client.revoke()
        except ReconnectError as error:
            return phrase("Its token was already invalid: %(error)s", error=error)
        return phrase("Its token was revoked at TikTok.")

    @asynccontextmanager
    async def _client(self, access: Access) -> AsyncIterator[Client]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        async with connected(
            self.settings, self.store, access, transport=self.transport, deadline=deadline, log=self.log
        ) as client:
            yield client


def same_user(before: Granter, now: Granter) -> bool:
    """Whether two grants are of one TikTok user, by their ids or else their names; True if both are unknown."""
    if before.id and now.id:
        return before.id == now.id
    return not before.name or not now.name or before.name == now.name


async def granter_of(client: Client) -> Granter:
    """The TikTok user who granted the client's token; ReconnectError if the token is invalid."""
    try:
        user = await client.user()
    except ReconnectError:
        raise
    except AdreelError:
        return UNKNOWN_GRANTER
    return Granter(user.display_name, user.core_user_id)


async def owner_of(client: Client) -> str:
    """The display name of the TikTok user who granted the client's token; empty if TikTok does not give it."""
    return (await granter_of(client)).name


def _token_of(access: Access) -> str:
    assert access.token, "a granted access has a token"
    return access.token
