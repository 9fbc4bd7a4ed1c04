"""`adreel app`: set, show, test, remove the TikTok app that connections use."""

from __future__ import annotations

import asyncio
import sys

from adreel import guide
from adreel.access import RoleRight
from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.output import confirm, print_json, print_table, say
from adreel.connections import STORED, app_in_use
from adreel.errors import InputError, ReconnectError


def set_app(session: CommandContext, app_id: str, *, secret_stdin: bool) -> None:
    """Stores the app's ID and the secret from stdin, encrypted."""
    if not secret_stdin:
        raise InputError(
            "The secret must come from stdin, so that it stays out of the shell history. Add --secret-stdin."
        )
    with open_home(session) as home:
        home.guard.need_role(RoleRight.CHANGE_WORKSPACE)
        secret = sys.stdin.readline().strip()
        if not secret:
            raise InputError("The secret on stdin is empty. Pass it on the first line.")
        app = home.store.app.set(app_id, secret)
        say(f"Saved TikTok app {app.app_id}. Its secret is stored encrypted. Test it: adreel app test")
        _say_unused(home)


def _say_unused(home: OpenHome) -> None:
    source = app_in_use(home.settings, home.store).source
    if source not in (STORED, ""):
        say(f"note: The app of the {source} takes precedence, so the stored one is not used.")


def show(session: CommandContext, *, as_json: bool) -> None:
    """Prints the app that new connections use, and where it is set; of the secret only whether there is one."""
    with open_home(session) as home:
        home.guard.need_role(RoleRight.VIEW_SETTINGS)
        app, stored = app_in_use(home.settings, home.store), home.store.app.get()
        if as_json:
            print_json(
                {
                    "app_id": app.app_id,
                    "secret_set": bool(app.secret),
                    "source": app.source,
                    "stored_app_id": stored.app_id if stored else None,
                    "changed_at": stored.changed_at if stored else None,
                    "changed_by": stored.changed_by if stored else None,
                }
            )
        elif app.source:
            by = f"{app.source} ({stored.changed_by})" if app.source == STORED and stored else app.source
            print_table(("app id", "secret", "source"), [(app.app_id or None, "set" if app.secret else None, by)])
            if stored:
                _say_unused(home)
        else:
            say("No TikTok app is set. Set it: adreel app set APP_ID --secret-stdin")


def test(session: CommandContext, *, as_json: bool) -> None:
    """Asks TikTok about the app. Raises ReconnectError if TikTok refuses it."""
    with open_home(session) as home:
        check = asyncio.run(guide.check_app(home.guard, home.settings, session.transport))
        if as_json:
            print_json({"good": check.good, "message": check.words, "step": check.step})
        elif check.good:
            say(check.words)
        if not check.good:
            raise ReconnectError(check.words)


def remove(session: CommandContext, *, yes: bool) -> None:
    """Forgets the stored app, after asking."""
    with open_home(session) as home:
        home.guard.need_role(RoleRight.CHANGE_WORKSPACE)
        app = home.store.app.get()
        if app is None:
            say("No TikTok app is stored.")
            return
        confirm(f"Remove TikTok app {app.app_id}? Connected accounts keep it; new ones cannot be connected.", yes=yes)
        home.store.app.remove()
        say(f"Removed TikTok app {app.app_id}.")
