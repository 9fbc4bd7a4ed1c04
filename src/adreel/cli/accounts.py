"""`adreel accounts`: connect, add, list, rename, reconnect, share, shares, delete, advertisers."""

from __future__ import annotations

import asyncio
import sys
import time
import webbrowser
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from adreel import sharing
from adreel.access import VIEWERS, AccountRight, RoleRight
from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.output import choice_of, confirm, print_json, print_table, say
from adreel.connections import (
    ASSUMED,
    GIVEN,
    Access,
    ByHand,
    account_access,
    app_access,
    ask_advertisers,
    connected,
    need_app,
    own_app,
    owner_of,
    refresh,
    status_words,
    zone_words,
)
from adreel.errors import AdvertiserError, ExistsError, InputError, ReconnectError
from adreel.store import Account, AccountAdvertiser, AdvertiserInfo, Level, Role, User
from adreel.store.names import clean_name
from adreel.tiktok.client import Client
from adreel.tiktok.oauth import Listener, consent_url, new_state, read_callback

_Answer = TypeVar("_Answer")

DEADLINE_SECONDS = 60
"""Seconds that a command in the foreground waits for TikTok."""

CONSENT_SECONDS = 600
"""Seconds for the consent page, during which TikTok may e-mail a sign-in code."""


def connect(session: CommandContext, name: str, *, browser: bool, paste: bool) -> None:
    """Connects an account by the consent page. Raises ForbiddenError for viewers, ExistsError for a name in use."""
    with open_home(session) as home:
        home.guard.need_role(RoleRight.CONNECT)
        access = app_access(home.settings, home.store)
        need_app(home.settings, access)
        name = _free_name(home, name)
        _save(home, name, _consented(home, access, browser=browser, paste=paste), None, ByHand())


def reconnect(session: CommandContext, name: str, *, browser: bool, paste: bool, token_stdin: bool) -> None:
    """Replaces the token of an existing account, by the consent page or from stdin."""
    with open_home(session) as home:
        account = home.guard.account(name, AccountRight.EDIT)
        if token_stdin:
            access = replace(own_app(home.settings, home.store, account), token=_read_token())
        else:
            access = own_app(home.settings, home.store, account)
            need_app(home.settings, access)
            access = _consented(home, access, browser=browser, paste=paste)
        before = home.store.accounts.advertisers(account)
        owner, advertisers = _with_client(
            home, access, lambda client: _owner_and_advertisers(client, account.selection, before)
        )
        account = home.store.accounts.set_token(
            account,
            access.token or "",
            app_id=access.app_id,
            app_secret=access.secret,
            base_url=access.base_url,
            owner=owner,
            scopes=access.scopes,
        )
        home.store.accounts.save_advertisers(account, advertisers)
        _show_connected(home, account)


def add(
    session: CommandContext,
    name: str,
    *,
    token_stdin: bool,
    advertisers: str | None,
    timezone: str | None,
    currency: str | None,
) -> None:
    """Adds an account with a token from stdin. `timezone` and `currency` apply where TikTok returns none."""
    by_hand = ByHand((timezone or "").strip(), (currency or "").strip().upper())
    if not token_stdin:
        raise InputError(
            "The access token must come from stdin, so that it stays out of the shell history. Add --token-stdin."
        )
    with open_home(session) as home:
        home.guard.need_role(RoleRight.CONNECT)
        selection = None
        if advertisers is not None:
            selection = tuple(part.strip() for part in advertisers.split(",") if part.strip())
            if not selection or not all(part.isascii() and part.isdigit() for part in selection):
                raise InputError(f"--advertisers: {advertisers!r} is not a list of IDs. Separate the IDs with commas.")
        else:
            need_app(home.settings, app_access(home.settings, home.store))
        name = _free_name(home, name)
        _save(home, name, app_access(home.settings, home.store, _read_token()), selection, by_hand)


def _free_name(home: OpenHome, name: str) -> str:
    """The cleaned name. Raises InputError or ExistsError before any request to TikTok."""
    name = clean_name(name, "an account")
    existing = next((account for account in home.store.accounts.list() if account.name == name), None)
    if existing is not None:
        may_edit = home.guard.may(AccountRight.EDIT, existing)
        advice = f"Reconnect it: adreel accounts reconnect {name!r}" if may_edit else "Choose another name."
        raise ExistsError(f"Account {name!r} already exists. {advice}")
    return name


def _read_token() -> str:
    token = sys.stdin.readline().strip()
    if not token:
        raise InputError("The access token on stdin is empty. Pass it on the first line.")
    return token


def _save(home: OpenHome, name: str, access: Access, selection: tuple[str, ...] | None, by_hand: ByHand) -> None:
    """Saves the account after TikTok accepted the token, the app and the advertisers."""
    owner, advertisers = _with_client(
        home, access, lambda client: _owner_and_advertisers(client, selection, (), by_hand)
    )
    if selection is not None and not any(advertiser.timezone or advertiser.currency for advertiser in advertisers):
        raise AdvertiserError(
            f"TikTok returned no details of ad accounts {', '.join(selection)} for this token. Check the IDs and the "
            "TikTok user who granted the token."
        )
    account = home.store.accounts.add(
        name,
        token=access.token or "",
        app_id=access.app_id,
        app_secret=access.secret,
        base_url=access.base_url,
        owner=owner,
        selection=selection,
        scopes=access.scopes,
        user=home.guard.actor.user,
    )
    home.store.accounts.save_advertisers(account, advertisers)
    _show_connected(home, account)
    with_zone = [
        advertiser.advertiser_id
        for advertiser in advertisers
        if advertiser.timezone and not advertiser.display_timezone.endswith((GIVEN, ASSUMED))
    ]
    if with_zone and by_hand != ByHand():
        say(
            f"note: TikTok returns time zone and currency of {', '.join(with_zone)}. --timezone and --currency are "
            "ignored for them."
        )


async def _owner_and_advertisers(
    client: Client,
    selection: tuple[str, ...] | None,
    before: tuple[AccountAdvertiser, ...],
    by_hand: ByHand | None = None,
) -> tuple[str, tuple[AdvertiserInfo, ...]]:
    return await owner_of(client), await ask_advertisers(client, selection, before, by_hand)


def _with_client(home: OpenHome, access: Access, use: Callable[[Client], Awaitable[_Answer]]) -> _Answer:
    async def work() -> _Answer:
        deadline = time.monotonic() + DEADLINE_SECONDS
        transport = home.session.transport
        async with connected(
            home.settings, home.store, access, transport=transport, deadline=deadline, log=say
        ) as client:
            return await use(client)

    return asyncio.run(work())


def _consented(home: OpenHome, access: Access, *, browser: bool, paste: bool) -> Access:
    """The access with the token that the consent page grants."""
    state = new_state()
    # Exactly as in TikTok's portal, where localhost and 127.0.0.1 are two addresses.
    redirect = home.settings.tiktok_redirect_url
    page = consent_url(home.settings.tiktok_auth_url, access.app_id, state, redirect)

    async def consent_code() -> str:
        say("TikTok uses the login of that browser. To connect another TikTok user, log out of TikTok there first.")
        if paste:
            _open(page, browser)
            say("Allow access there, then paste the URL that TikTok redirected to:")
            return read_callback(sys.stdin.readline().strip(), state)
        async with Listener.at(redirect, state) as listener:
            _open(page, browser)
            return await listener.code(CONSENT_SECONDS)

    code = asyncio.run(consent_code())
    grant = _with_client(home, access, lambda client: client.exchange(code))
    return replace(access, token=grant.access_token, scopes=grant.scopes or None)


def _open(address: str, browser: bool) -> None:
    say(f"Open this page in a browser and allow access:\n{address}")
    if browser:
        webbrowser.open(address)


def _show_connected(home: OpenHome, account: Account) -> None:
    say(f"Connected account {account.name!r}" + (f", granted by {account.owner}" if account.owner else "") + ".")
    advertisers = home.store.accounts.advertisers(account)
    _print_advertisers(advertisers)
    assumed = [
        advertiser.advertiser_id
        for advertiser in advertisers
        if not advertiser.gone and advertiser.display_timezone.endswith(ASSUMED)
    ]
    if assumed:
        say(
            f"note: TikTok returned no time zone or currency for {', '.join(assumed)} (usual in its sandbox). "
            "Days are in UTC. To change that, delete the account and add it with --timezone and --currency."
        )
    if all(advertiser.gone for advertiser in advertisers):
        say(
            f"note: Account {account.name!r} covers 0 ad accounts. Assign ad accounts to this TikTok user in TikTok's "
            "Business Center, or reconnect as another TikTok user."
        )
    say(
        f"Next: create a dataset file with account: {account.name}, or use one from examples/. Then: adreel run -f FILE"
    )


def _refreshed(home: OpenHome, account: Account) -> tuple[AccountAdvertiser, ...]:
    access = account_access(home.settings, home.store, account)
    return _with_client(home, access, lambda client: refresh(client, home.store, account))


def _print_advertisers(advertisers: tuple[AccountAdvertiser, ...]) -> None:
    rows = [
        (
            advertiser.advertiser_id,
            advertiser.name or None,
            advertiser.currency or None,
            zone_words(advertiser),
            status_words(advertiser),
        )
        for advertiser in sorted(advertisers, key=lambda advertiser: advertiser.gone)
    ]
    print_table(("ad account", "name", "currency", "time zone", "status"), rows, hidden_first=("time zone",))
    no_access = [
        advertiser.advertiser_id for advertiser in advertisers if not (advertiser.gone or zone_words(advertiser))
    ]
    if no_access:
        say(
            f"note: TikTok returned no details of {', '.join(no_access)}. Runs fail unless the dataset skips them "
            "(skip_failing_advertisers: true) or leaves them out of advertisers."
        )


def advertisers(session: CommandContext, name: str, *, as_json: bool) -> None:
    """Refreshes the account's advertisers from TikTok and prints them."""
    with open_home(session) as home:
        refreshed = _refreshed(home, home.guard.account(name, AccountRight.USE))
        if as_json:
            keys = ("name", "currency", "timezone", "display_timezone", "status", "country", "refreshed_at")
            print_json(
                [
                    {
                        "id": advertiser.advertiser_id,
                        "removed": advertiser.gone,
                        **{key: getattr(advertiser, key) for key in keys},
                    }
                    for advertiser in refreshed
                ]
            )
        else:
            _print_advertisers(refreshed)


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """Prints every account with its datasets and the status of its token."""
    with open_home(session) as home:
        visible = home.guard.datasets()
        rows = [
            {
                "id": str(account.id),
                "name": account.name,
                "status": str(account.status),
                "granted_by": account.owner,
                "app_id": account.app_id,
                "advertisers": account.selection,
                "advertiser_count": sum(not advertiser.gone for advertiser in home.store.accounts.advertisers(account)),
                "datasets": [dataset.slug for dataset in visible if dataset.account_id == account.id],
                "created_at": account.created_at,
                "updated_at": account.updated_at,
                "last_checked_at": account.last_checked_at,
            }
            for account in home.guard.accounts()
        ]
        if as_json:
            print_json(rows)
        elif rows:
            keys = ("name", "status", "advertiser_count", "datasets", "granted_by", "updated_at")
            heads = ("name", "status", "ad accounts", "datasets", "granted by", "updated (UTC)")
            print_table(heads, [tuple(row[key] or None for key in keys) for row in rows])
        else:
            say("0 accounts connected. Connect one: adreel accounts connect NAME. Or try: adreel demo")


def rename(session: CommandContext, name: str, to: str) -> None:
    """Renames an account, also in its datasets."""
    with open_home(session) as home:
        account = home.store.accounts.rename(home.guard.account(name, AccountRight.EDIT), to)
        say(f"Renamed account {name!r} to {account.name!r}, also in its datasets.")


def share(session: CommandContext, name: str, user_name: str | None, level: str | None, everyone: str | None) -> None:
    """Shares an account with one user, or with everyone."""
    with open_home(session) as home:
        account = home.guard.account(name)
        if user_name is not None and level is not None and everyone is None:
            _share_with(home, account, home.store.users.get(user_name), choice_of(Level, level))
        elif everyone is not None and user_name is None:
            default = choice_of(Level, everyone)
            sharing.share_with_everyone(home.guard, account, default)
            say(f"Everyone now has access level {default} for account {account.name!r}. {default.meaning}")
        else:
            raise InputError(
                "Specify USER and LEVEL, or --everyone LEVEL. Example: adreel accounts share NAME USER read"
            )


def _share_with(home: OpenHome, account: Account, user: User, level: Level) -> None:
    sharing.share(home.guard, account, user, level)
    say(f"{user.name!r} now has access level {level} for account {account.name!r}. {level.meaning}")
    if user.role is Role.VIEWER and level > VIEWERS:
        say(f"note: {user.name!r} is a viewer, which limits the access level to {VIEWERS}.")


def shares(session: CommandContext, name: str, *, as_json: bool) -> None:
    """Prints the users that an account is shared with, and their access levels."""
    with open_home(session) as home:
        account = home.guard.account(name)
        everyone, by_user = home.store.shares.everyone(account), home.store.shares.of(account)
        if as_json:
            users = [
                {"user": {"id": str(user.id), "name": user.name}, "role": user.role, "level": level}
                for user, level in by_user.items()
            ]
            print_json({"everyone": everyone, "users": users})
            return
        rows = [(user.name, user.role, level, level.meaning) for user, level in by_user.items()]
        print_table(("user", "role", "level", "meaning"), [*rows, ("everyone", "", everyone, everyone.meaning)])
        if Level.OWNER not in by_user.values():
            say(f"Account {account.name!r} has no owner, so administrators manage it.")


def delete(session: CommandContext, name: str, *, yes: bool, revoke: bool) -> None:
    """Deletes an account after a confirmation that lists its datasets."""
    with open_home(session) as home:
        account = home.guard.account(name, AccountRight.DELETE)
        saved = [dataset.name for dataset in home.store.datasets.list(account)]
        consequence = f" These datasets keep their data and are no longer updated: {', '.join(saved)}." if saved else ""
        confirm(f"Delete account {account.name!r}?{consequence}", yes=yes)
        if revoke:
            _revoke(home, account)
        home.store.accounts.delete(account)
        say(f"Deleted account {account.name!r}.")


def _revoke(home: OpenHome, account: Account) -> None:
    try:
        access = account_access(home.settings, home.store, account)
        _with_client(home, access, lambda client: client.revoke())
        say("Revoked access in TikTok.")
    except ReconnectError as error:
        say(f"The access token was already invalid: {error}")
