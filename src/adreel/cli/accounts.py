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
from adreel.access import VIEWERS, AccountRight
from adreel.cli import CommandContext
from adreel.cli.context import Opened, opened
from adreel.cli.output import choice_of, confirm, print_json, print_table, say
from adreel.connections import (
    ASSUMED,
    GIVEN,
    Access,
    ByHand,
    account_access,
    account_app,
    app_access,
    ask_advertisers,
    connected,
    need_app,
    owner_of,
    refresh,
)
from adreel.dates import fixed_offset, offset_name
from adreel.errors import AdvertiserError, ExistsError, InputError, ReconnectError
from adreel.store import Account, AccountAdvertiser, AdvertiserInfo, Level, Role, User
from adreel.store.names import clean_name
from adreel.tiktok.client import Client
from adreel.tiktok.oauth import Listener, consent_url, new_state, read_callback

_Answer = TypeVar("_Answer")

PATIENCE_SECONDS = 60
"""How long a person who sits before the terminal waits for TikTok."""

CONSENT_SECONDS = 600
"""How long the person has for TikTok's consent page; it sends an e-mail with a code in between."""


def connect(session: CommandContext, name: str, *, browser: bool, paste: bool) -> None:
    """Consent page, code, token, advertisers."""
    with opened(session) as have:
        have.guard.need_role(Role.ADMIN, Role.EDITOR)
        access = app_access(have.settings)
        need_app(have.settings, access)
        name = _free_name(have, name)
        _keep(have, name, _consented(have, access, browser=browser, paste=paste), None, ByHand())


def reconnect(session: CommandContext, name: str, *, browser: bool, paste: bool, token_stdin: bool) -> None:
    """A new token for an account that is there."""
    with opened(session) as have:
        account = have.guard.account(name, AccountRight.EDIT)
        if token_stdin:
            token = _read_token()
            access = _own_app(have, account)
        else:
            access = _own_app(have, account)
            need_app(have.settings, access)
            token = _consented(have, access, browser=browser, paste=paste)
        access = replace(access, token=token)
        known = have.store.accounts.advertisers(account)
        owner, found = _with_client(
            have, access, lambda client: _owner_and_advertisers(client, account.selection, known)
        )
        account = have.store.accounts.set_token(
            account, token, app_id=access.app_id, app_secret=access.secret, base_url=access.base_url, owner=owner
        )
        have.store.accounts.save_advertisers(account, found)
        _show_connected(have, account)


def _own_app(have: Opened, account: Account) -> Access:
    """The app that the settings name, else the one that the account was connected by."""
    mine = app_access(have.settings)
    if mine.app_id and mine.secret:
        address_set = have.settings.sources.get("tiktok_url", "default") != "default"
        return mine if address_set or not account.base_url else replace(mine, base_url=account.base_url)
    return account_app(have.settings, have.store, account)


def add(
    session: CommandContext,
    name: str,
    *,
    token_stdin: bool,
    advertisers: str | None,
    timezone: str | None,
    currency: str | None,
) -> None:
    """An account from a token on stdin; zone and currency are for where TikTok tells none."""
    by_hand = ByHand((timezone or "").strip(), (currency or "").strip().upper())
    if not token_stdin:
        raise InputError(
            "Say --token-stdin and give the access token on stdin, so that it stays out of the shell's history."
        )
    with opened(session) as have:
        have.guard.need_role(Role.ADMIN, Role.EDITOR)
        selection = None
        if advertisers is not None:
            selection = tuple(part.strip() for part in advertisers.split(",") if part.strip())
            if not selection or not all(part.isascii() and part.isdigit() for part in selection):
                raise InputError(f"--advertisers takes ids with commas between them, not {advertisers!r}.")
        else:
            need_app(have.settings, app_access(have.settings))
        name = _free_name(have, name)
        _keep(have, name, _read_token(), selection, by_hand)


def _free_name(have: Opened, name: str) -> str:
    """The name as it will be kept; InputError before TikTok is asked for anything if it cannot be had."""
    name = clean_name(name, "an account")
    known = next((account for account in have.store.accounts.list() if account.name == name), None)
    if known is not None:
        mine = have.guard.may(AccountRight.EDIT, known)
        instead = f"connect it anew with: adreel accounts reconnect {name!r}" if mine else "choose another name."
        raise ExistsError(f"There is an account {name!r} already; {instead}")
    return name


def _read_token() -> str:
    token = sys.stdin.readline().strip()
    if not token:
        raise InputError("There was no token on stdin.")
    return token


def _keep(have: Opened, name: str, token: str, selection: tuple[str, ...] | None, by_hand: ByHand) -> None:
    """Saves the account once TikTok has shown that the token, the app and the advertisers are good."""
    access = app_access(have.settings, token)
    owner, found = _with_client(have, access, lambda client: _owner_and_advertisers(client, selection, (), by_hand))
    if selection is not None and not any(advertiser.timezone or advertiser.currency for advertiser in found):
        raise AdvertiserError(
            f"TikTok gives this token no details of {', '.join(selection)}; look at the ids, and at who granted it."
        )
    account = have.store.accounts.add(
        name,
        token=token,
        app_id=access.app_id,
        app_secret=access.secret,
        base_url=access.base_url,
        owner=owner,
        selection=selection,
        user=have.guard.actor.user,
    )
    have.store.accounts.save_advertisers(account, found)
    _show_connected(have, account)
    told = [one.advertiser_id for one in found if one.timezone and not one.display_timezone.endswith((GIVEN, ASSUMED))]
    if told and by_hand != ByHand():
        say(f"note: TikTok tells zone and currency of {', '.join(told)}; its own are used and not those that you gave.")


async def _owner_and_advertisers(
    client: Client,
    selection: tuple[str, ...] | None,
    known: tuple[AccountAdvertiser, ...],
    by_hand: ByHand | None = None,
) -> tuple[str, tuple[AdvertiserInfo, ...]]:
    return await owner_of(client), await ask_advertisers(client, selection, known, by_hand)


def _with_client(have: Opened, access: Access, use: Callable[[Client], Awaitable[_Answer]]) -> _Answer:
    async def work() -> _Answer:
        deadline = time.monotonic() + PATIENCE_SECONDS
        transport = have.session.transport
        async with connected(have.settings, access, transport=transport, deadline=deadline, log=say) as client:
            return await use(client)

    return asyncio.run(work())


def _consented(have: Opened, access: Access, *, browser: bool, paste: bool) -> str:
    """The token that the person's consent gives."""
    state = new_state()
    # To the letter as the app has it in TikTok's portal, which takes localhost and 127.0.0.1 for two addresses.
    redirect = have.settings.tiktok_redirect_url
    page = consent_url(have.settings.tiktok_auth_url, access.app_id, state, redirect)

    async def ask() -> str:
        say("TikTok signs in whoever is logged in to it in that browser; log out there first to connect another user.")
        if paste:
            _open(page, browser)
            say("Allow the access there, then paste the address that TikTok led to:")
            return read_callback(sys.stdin.readline().strip(), state)
        async with Listener.at(redirect, state) as listener:
            _open(page, browser)
            return await listener.code(CONSENT_SECONDS)

    code = asyncio.run(ask())
    grant = _with_client(have, access, lambda client: client.exchange(code))
    return grant.access_token


def _open(address: str, browser: bool) -> None:
    say(f"Open this page in a browser and allow the access:\n{address}")
    if browser:
        webbrowser.open(address)


def _show_connected(have: Opened, account: Account) -> None:
    say(f"Connected {account.name!r}" + (f", granted by {account.owner}" if account.owner else "") + ".")
    found = have.store.accounts.advertisers(account)
    _print_advertisers(found)
    assumed = [
        advertiser.advertiser_id
        for advertiser in found
        if not advertiser.gone and advertiser.display_timezone.endswith(ASSUMED)
    ]
    if assumed:
        say(
            f"note: TikTok tells no zone and no currency of {', '.join(assumed)}, as its sandbox does not. Days are "
            "counted in UTC. To count in another zone, delete the account and add it with --timezone and --currency."
        )
    if all(one.gone for one in found):
        say(
            f"note: The consent covers no ad account, so {account.name!r} has nothing to read. Grant this TikTok user "
            "ad accounts in TikTok's Business Center, or connect the account again as a user who has some."
        )
    say(f"Next: write a dataset file with account: {account.name}, or try one from examples/, then: adreel run -f FILE")


def _refreshed(have: Opened, account: Account) -> tuple[AccountAdvertiser, ...]:
    access = account_access(have.settings, have.store, account)
    return _with_client(have, access, lambda client: refresh(client, have.store, account))


def _print_advertisers(found: tuple[AccountAdvertiser, ...]) -> None:
    rows = [
        (one.advertiser_id, one.name or None, one.currency or None, _zone(one), _status(one))
        for one in sorted(found, key=lambda advertiser: advertiser.gone)
    ]
    print_table(("advertiser", "name", "currency", "time zone", "status"), rows)
    closed = [one.advertiser_id for one in found if not (one.gone or _zone(one))]
    if closed:
        say(
            f"note: TikTok gives no details of {', '.join(closed)}. A run fails there unless the dataset says "
            "skip_failing_advertisers: true, or leaves them out of advertisers."
        )


def _status(advertiser: AccountAdvertiser) -> str | None:
    if advertiser.gone:
        return "not covered any more"
    return advertiser.status.removeprefix("STATUS_").replace("_", " ").lower() or (
        None if _zone(advertiser) else "no access"
    )


def _zone(advertiser: AccountAdvertiser) -> str | None:
    try:
        offset = fixed_offset(advertiser.timezone, advertiser.display_timezone)
    except InputError:
        return None
    return f"{offset_name(offset)} {advertiser.display_timezone}".strip()


def advertisers(session: CommandContext, name: str, *, as_json: bool) -> None:
    """The account's advertisers as TikTok says now."""
    with opened(session) as have:
        found = _refreshed(have, have.guard.account(name, AccountRight.USE))
        if as_json:
            keys = ("advertiser_id", "name", "currency", "timezone", "display_timezone", "status", "country", "gone")
            print_json([{key: getattr(advertiser, key) for key in keys} for advertiser in found])
        else:
            _print_advertisers(found)


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """Every account with its datasets and how its token is."""
    with opened(session) as have:
        rows = []
        for account in have.guard.accounts():
            saved = have.store.datasets.list(account)
            rows.append(
                {
                    "name": account.name,
                    "granted_by": account.owner,
                    "status": str(account.status),
                    "advertisers": sum(not advertiser.gone for advertiser in have.store.accounts.advertisers(account)),
                    "datasets": [dataset.slug for dataset in saved],
                    "updated_at": account.updated_at,
                }
            )
        if as_json:
            print_json(rows)
        elif rows:
            heads = ("name", "granted by", "status", "advertisers", "datasets", "updated (UTC)")
            print_table(heads, [tuple(row.values()) for row in rows])
        else:
            say("No account is connected yet. Connect one with: adreel accounts connect NAME (or try adreel demo)")


def rename(session: CommandContext, name: str, to: str) -> None:
    """Another name; datasets follow."""
    with opened(session) as have:
        account = have.store.accounts.rename(have.guard.account(name, AccountRight.EDIT), to)
        say(f"{name!r} is now called {account.name!r}; its datasets follow.")


def share(session: CommandContext, name: str, user_name: str | None, level: str | None, everyone: str | None) -> None:
    """Shares an account with one user, or with everyone."""
    with opened(session) as have:
        account = have.guard.account(name)
        if user_name is not None and level is not None and everyone is None:
            _share_with(have, account, have.store.users.get(user_name), choice_of(Level, level))
        elif everyone is not None and user_name is None:
            wanted = choice_of(Level, everyone)
            sharing.share_with_everyone(have.guard, account, wanted)
            say(f"Everyone has {account.name!r} at the level {wanted}. {wanted.meaning}")
        else:
            raise InputError("Say whom and how far, as in: adreel accounts share NAME USER read; or --everyone LEVEL.")


def _share_with(have: Opened, account: Account, user: User, level: Level) -> None:
    sharing.share(have.guard, account, user, level)
    say(f"{user.name!r} has {account.name!r} at the level {level}. {level.meaning}")
    if user.role is Role.VIEWER and level > VIEWERS:
        say(f"note: {user.name!r} is a viewer, and has no more of it than {VIEWERS} until their role changes.")


def shares(session: CommandContext, name: str, *, as_json: bool) -> None:
    """With whom an account is shared, and how far."""
    with opened(session) as have:
        account = have.guard.account(name)
        everyone, by_user = have.store.shares.everyone(account), have.store.shares.of(account)
        if as_json:
            users = [{"name": user.name, "role": user.role, "level": level} for user, level in by_user.items()]
            print_json({"everyone": everyone, "users": users})
            return
        rows = [(user.name, user.role, level, level.meaning) for user, level in by_user.items()]
        print_table(("user", "role", "level", "what that is"), [*rows, ("everyone", "", everyone, everyone.meaning)])
        if Level.OWNER not in by_user.values():
            say(f"No user owns {account.name!r}, so it is the administrators'.")


def delete(session: CommandContext, name: str, *, yes: bool, revoke: bool) -> None:
    """Names the datasets that will stop, asks, forgets."""
    with opened(session) as have:
        account = have.guard.account(name, AccountRight.DELETE)
        saved = [dataset.name for dataset in have.store.datasets.list(account)]
        stops = f" These datasets keep their data and stop updating: {', '.join(saved)}." if saved else ""
        confirm(f"Delete the account {account.name}?{stops}", yes=yes)
        if revoke:
            _revoke(have, account)
        have.store.accounts.delete(account)
        say(f"Deleted {account.name!r}.")


def _revoke(have: Opened, account: Account) -> None:
    try:
        access = account_access(have.settings, have.store, account)
        _with_client(have, access, lambda client: client.revoke())
        say("Its token is revoked at TikTok.")
    except ReconnectError as error:
        say(f"Its token was over already: {error}")
