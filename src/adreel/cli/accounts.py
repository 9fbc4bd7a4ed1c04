"""`adreel accounts`: connect, add, list, rename, reconnect, delete, advertisers."""

from __future__ import annotations

import asyncio
import sys
import webbrowser
from collections.abc import Awaitable, Callable
from typing import TypeVar

from adreel.cli import Session
from adreel.cli.opened import Opened, opened
from adreel.cli.output import confirm, print_json, print_table, say
from adreel.connections import Access, account_access, app_access, connected, need_app, owner_of, refresh
from adreel.dates import fixed_offset, offset_name
from adreel.errors import InputError
from adreel.store import Account, AccountAdvertiser
from adreel.tiktok.client import Client
from adreel.tiktok.oauth import Listener, consent_url, new_state, read_callback

_Answer = TypeVar("_Answer")

CONSENT_SECONDS = 600
"""How long the person has for TikTok's consent page; it sends an e-mail with a code in between."""


def connect(session: Session, name: str, *, browser: bool, paste: bool) -> None:
    """Consent page, code, token, advertisers."""
    with opened(session) as have:
        need_app(have.settings)
        if any(account.name == name for account in have.store.accounts.list()):
            raise InputError(
                f"There is an account {name!r} already; connect it anew with: adreel accounts reconnect {name}"
            )
        token = _consented(have, browser=browser, paste=paste)
        account = _keep(have, name, token, selection=None)
        _show_connected(have, account)


def reconnect(session: Session, name: str, *, browser: bool, paste: bool, token_stdin: bool) -> None:
    """A new token for an account that is there."""
    with opened(session) as have:
        account = have.store.accounts.get(name)
        if token_stdin:
            token = _read_token()
        else:
            need_app(have.settings)
            token = _consented(have, browser=browser, paste=paste)
        access = app_access(have.settings, token)
        account = have.store.accounts.set_token(
            account,
            token,
            app_id=access.app_id or None,
            app_secret=access.secret or None,
            base_url=access.base_url,
            owner=_with_client(have, access, owner_of),
        )
        _show_connected(have, account)


def add(session: Session, name: str, *, token_stdin: bool, advertisers: str | None) -> None:
    """An account from a token on stdin."""
    if not token_stdin:
        raise InputError(
            "Say --token-stdin and give the access token on stdin, so that it stays out of the shell's history."
        )
    with opened(session) as have:
        selection = None
        if advertisers is not None:
            selection = tuple(part.strip() for part in advertisers.split(",") if part.strip())
            wrong = [part for part in selection if not part.isdigit()]
            if wrong or not selection:
                raise InputError(f"--advertisers takes ids with commas between them, not {advertisers!r}.")
        else:
            need_app(have.settings)
        account = _keep(have, name, _read_token(), selection)
        _show_connected(have, account)


def _read_token() -> str:
    token = sys.stdin.readline().strip()
    if not token:
        raise InputError("There was no token on stdin.")
    return token


def _keep(have: Opened, name: str, token: str, selection: tuple[str, ...] | None) -> Account:
    """Saves the account once TikTok has shown that the token is good."""
    access = app_access(have.settings, token)
    return have.store.accounts.add(
        name,
        token=token,
        app_id=access.app_id,
        app_secret=access.secret,
        base_url=access.base_url,
        owner=_with_client(have, access, owner_of),
        selection=selection,
    )


def _with_client(have: Opened, access: Access, use: Callable[[Client], Awaitable[_Answer]]) -> _Answer:
    async def work() -> _Answer:
        async with connected(have.settings, access, transport=have.session.transport) as client:
            return await use(client)

    return asyncio.run(work())


def _consented(have: Opened, *, browser: bool, paste: bool) -> str:
    """The token that the person's consent gives."""
    state = new_state()
    redirect = have.settings.tiktok_redirect_url

    async def ask() -> str:
        say("TikTok signs in whoever is logged in to it in that browser; log out there first to connect another user.")
        if paste:
            _open(consent_url(have.settings.tiktok_auth_url, have.settings.tiktok_app_id, state, redirect), browser)
            say("Allow the access there, then paste the address that TikTok led to:")
            return read_callback(sys.stdin.readline().strip(), state)
        async with Listener.at(redirect, state) as listener:
            address = consent_url(
                have.settings.tiktok_auth_url, have.settings.tiktok_app_id, state, listener.redirect_uri
            )
            _open(address, browser)
            return await listener.code(CONSENT_SECONDS)

    code = asyncio.run(ask())
    grant = _with_client(have, app_access(have.settings), lambda client: client.exchange(code))
    return grant.access_token


def _open(address: str, browser: bool) -> None:
    say(f"Open this page in a browser and allow the access:\n{address}")
    if browser:
        webbrowser.open(address)


def _show_connected(have: Opened, account: Account) -> None:
    found = _refreshed(have, account)
    say(f"Connected {account.name}" + (f", granted by {account.owner}" if account.owner else "") + ".")
    _print_advertisers(found)
    say(f"Next: write a dataset file with account: {account.name}, or try one from examples/, then: adreel run -f FILE")


def _refreshed(have: Opened, account: Account) -> tuple[AccountAdvertiser, ...]:
    access = account_access(have.settings, have.store, account)
    return _with_client(have, access, lambda client: refresh(client, have.store, account))


def _print_advertisers(found: tuple[AccountAdvertiser, ...]) -> None:
    rows = [
        (one.advertiser_id, one.name, one.currency or None, _zone(one), one.status or None, "gone" if one.gone else "")
        for one in found
    ]
    print_table(("advertiser", "name", "currency", "time zone", "status", ""), rows)


def _zone(one: AccountAdvertiser) -> str | None:
    try:
        offset = fixed_offset(one.timezone, one.display_timezone)
    except InputError:
        return None
    return f"{offset_name(offset)} {one.display_timezone}".strip()


def advertisers(session: Session, name: str, *, as_json: bool) -> None:
    """The account's advertisers as TikTok says now."""
    with opened(session) as have:
        found = _refreshed(have, have.store.accounts.get(name))
        if as_json:
            keys = ("advertiser_id", "name", "currency", "timezone", "display_timezone", "status", "country", "gone")
            print_json([{key: getattr(one, key) for key in keys} for one in found])
        else:
            _print_advertisers(found)


def show_all(session: Session, *, as_json: bool) -> None:
    """Every account with its datasets and how its token is."""
    with opened(session) as have:
        rows = []
        for account in have.store.accounts.list():
            saved = have.store.datasets.list(account)
            rows.append(
                {
                    "name": account.name,
                    "owner": account.owner,
                    "status": str(account.status),
                    "advertisers": sum(not one.gone for one in have.store.accounts.advertisers(account)),
                    "datasets": [dataset.slug for dataset in saved],
                    "updated_at": account.updated_at,
                }
            )
        if as_json:
            print_json(rows)
        elif rows:
            print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
        else:
            say("No account is connected yet. Connect one with: adreel accounts connect NAME (or try adreel demo)")


def rename(session: Session, name: str, to: str) -> None:
    """Another name; datasets follow."""
    with opened(session) as have:
        account = have.store.accounts.rename(have.store.accounts.get(name), to)
        say(f"{name} is now called {account.name}.")


def delete(session: Session, name: str, *, yes: bool, revoke: bool) -> None:
    """Names the datasets that will stop, asks, forgets."""
    with opened(session) as have:
        account = have.store.accounts.get(name)
        saved = [dataset.name for dataset in have.store.datasets.list(account)]
        stops = f" These datasets keep their data and stop updating: {', '.join(saved)}." if saved else ""
        confirm(f"Delete the account {account.name}?{stops}", yes=yes)
        if revoke:
            access = account_access(have.settings, have.store, account)
            _with_client(have, access, lambda client: client.revoke())
        have.store.accounts.delete(account)
        say(f"Deleted {account.name}." + (" Its token is revoked at TikTok." if revoke else ""))
