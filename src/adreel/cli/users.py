"""`adreel users`: list, add, role, password, disable, enable, delete."""

from __future__ import annotations

import sys

import typer

from adreel.cli import CommandContext
from adreel.cli.context import Opened, opened
from adreel.cli.output import choice_of, confirm, print_json, print_table, say
from adreel.errors import InputError
from adreel.store import Level, Role, User


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """Every user with their role, and whether they may sign in."""
    with opened(session) as have:
        have.guard.need_role(Role.ADMIN, reading=True)
        rows = [
            {
                "name": user.name,
                "role": user.role,
                "disabled": user.disabled,
                "created_at": user.created_at,
                "seen_at": user.seen_at,
            }
            for user in have.store.users.list()
        ]
        if as_json:
            print_json(rows)
        elif rows:
            print_table(
                ("name", "role", "disabled", "added (UTC)", "last seen (UTC)"), [tuple(row.values()) for row in rows]
            )
        else:
            say("There are no users yet. Add the first with: adreel users add NAME --role admin")


def add(session: CommandContext, name: str, role_name: str, *, password_stdin: bool) -> None:
    """A new user with a password that the person types or gives on stdin."""
    with opened(session) as have:
        have.guard.need_role(Role.ADMIN)
        role = choice_of(Role, role_name)
        user = have.store.users.add(name, _password(password_stdin), role)
        say(f"{user.name!r} can sign in now. {role.meaning}")


def set_role(session: CommandContext, name: str, role_name: str) -> None:
    """Another role."""
    with opened(session) as have:
        user = _other(have, name)
        changed = have.store.users.set_role(user, choice_of(Role, role_name))
        say(f"{user.name!r} is in the role {changed.role} now. {changed.role.meaning}")


def set_password(session: CommandContext, name: str, *, password_stdin: bool, keep_tokens: bool) -> None:
    """Another password for a user, or for oneself."""
    with opened(session) as have:
        user, me = have.store.users.get(name), have.guard.actor.user
        if me is None or user.id != me.id:
            have.guard.need_role(Role.ADMIN)
            if keep_tokens:
                raise InputError(
                    "--keep-tokens is for one's own password (ADREEL_USER); after another's their API tokens end."
                )
        browsers, tokens = have.store.users.set_password(user, _password(password_stdin), keep_tokens=keep_tokens)
        say(
            f"{user.name!r} has another password; {browsers} of their browsers have to sign in anew, and {tokens} of "
            "their API tokens ended."
        )


def disable(session: CommandContext, name: str) -> None:
    """Locks a user out."""
    with opened(session) as have:
        user = have.store.users.disable(_other(have, name))
        say(f"{user.name!r} is signed out and cannot sign in. Undo it with: adreel users enable {user.name!r}")


def enable(session: CommandContext, name: str) -> None:
    """Lets a user in again."""
    with opened(session) as have:
        user = have.store.users.enable(_other(have, name))
        say(f"{user.name!r} can sign in again.")


def delete(session: CommandContext, name: str, heir_name: str | None, *, yes: bool) -> None:
    """Says what becomes of what the user owns, asks, forgets."""
    with opened(session) as have:
        user = _other(have, name)
        heir = have.store.users.get(heir_name) if heir_name is not None else None
        confirm(f"Delete the user {user.name!r}?{_what_stays(have, user)}", yes=yes)
        have.store.users.delete(user, heir=heir)
        say(f"Deleted {user.name!r}.")


def _other(have: Opened, name: str) -> User:
    """The user that an administrator does something about."""
    have.guard.need_role(Role.ADMIN)
    return have.store.users.get(name)


def _what_stays(have: Opened, user: User) -> str:
    names = [saved.name for saved in have.store.datasets.list() if saved.owner_id == user.id]
    owned = [
        account.name for account in have.store.accounts.list() if have.store.shares.level(account, user) is Level.OWNER
    ]
    stays = f" These datasets stay, and have no owner then: {', '.join(names)}." if names else ""
    return stays + (f" They own {', '.join(owned)}." if owned else "")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise InputError("There was no password on stdin.")
        return password
    try:
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    except typer.Abort as error:
        if sys.stdin.isatty():
            raise
        raise InputError("Nobody can answer here; say --password-stdin and give the password on stdin.") from error
    return typed
