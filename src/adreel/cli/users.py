"""`adreel users`: list, add, role, password, disable, enable, delete."""

from __future__ import annotations

import sys

import typer

from adreel.access import RoleRight
from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.output import choice_of, confirm, counted, print_json, print_table, say
from adreel.errors import InputError
from adreel.store import Level, Role, User


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """Prints every user with role and sign-in state. Raises ForbiddenError unless an administrator asks."""
    with open_home(session) as home:
        home.guard.need_role(RoleRight.VIEW_USERS)
        rows = [
            {
                "id": str(user.id),
                "name": user.name,
                "role": user.role,
                "disabled": user.disabled,
                "created_at": user.created_at,
                "seen_at": user.seen_at,
            }
            for user in home.store.users.list()
        ]
        if as_json:
            print_json(rows)
        elif rows:
            print_table(
                ("name", "role", "disabled", "created (UTC)", "last seen (UTC)"),
                [tuple(row.values())[1:] for row in rows],
            )
        else:
            say("0 users. Create the administrator: adreel users add NAME --role admin")


def add(session: CommandContext, name: str, role_name: str, *, password_stdin: bool) -> None:
    """Creates a user with a password from a prompt or stdin."""
    with open_home(session) as home:
        home.guard.need_role(RoleRight.CREATE_USERS)
        role = choice_of(Role, role_name)
        user = home.store.users.add(name, _password(password_stdin), role)
        say(f"Created user {user.name!r}. {role.meaning}")


def set_role(session: CommandContext, name: str, role_name: str) -> None:
    """Changes the role of a user."""
    with open_home(session) as home:
        user = _other(home, name)
        changed = home.store.users.set_role(user, choice_of(Role, role_name))
        say(f"{user.name!r} now has the role {changed.role}. {changed.role.meaning}")


def set_password(session: CommandContext, name: str, *, password_stdin: bool, keep_tokens: bool) -> None:
    """Changes the password of a user, or of the acting user."""
    with open_home(session) as home:
        user, me = home.store.users.get(name), home.guard.actor.user
        if me is None or user.id != me.id:
            home.guard.need_role(RoleRight.CHANGE_USERS)
            if keep_tokens:
                raise InputError(
                    "--keep-tokens requires your own password (ADREEL_USER). For other users, API tokens are revoked."
                )
        browsers, tokens = home.store.users.set_password(user, _password(password_stdin), keep_tokens=keep_tokens)
        say(
            f"Changed the password of {user.name!r}: {counted(browsers, 'browser')} signed out, "
            f"{counted(tokens, 'API token')} revoked."
        )


def disable(session: CommandContext, name: str) -> None:
    """Disables the sign-in of a user and signs them out."""
    with open_home(session) as home:
        user = home.store.users.disable(_other(home, name))
        say(f"Disabled and signed out {user.name!r}. To undo: adreel users enable {user.name!r}")


def enable(session: CommandContext, name: str) -> None:
    """Enables the sign-in of a user."""
    with open_home(session) as home:
        user = home.store.users.enable(_other(home, name))
        say(f"Enabled {user.name!r}. They can sign in again.")


def delete(session: CommandContext, name: str, heir_name: str | None, *, yes: bool) -> None:
    """Deletes a user after a confirmation that lists what they own."""
    with open_home(session) as home:
        user = _other(home, name, RoleRight.DELETE_USERS)
        heir = home.store.users.get(heir_name) if heir_name is not None else None
        confirm(f"Delete user {user.name!r}?{_owned(home, user)}", yes=yes)
        home.store.users.delete(user, heir=heir)
        say(f"Deleted user {user.name!r}.")


def _other(home: OpenHome, name: str, right: RoleRight = RoleRight.CHANGE_USERS) -> User:
    """The user of that name. Raises ForbiddenError unless an administrator asks."""
    home.guard.need_role(right)
    return home.store.users.get(name)


def _owned(home: OpenHome, user: User) -> str:
    datasets = [saved.name for saved in home.store.datasets.list() if saved.owner_id == user.id]
    accounts = [
        account.name for account in home.store.accounts.list() if home.store.shares.level(account, user) is Level.OWNER
    ]
    without_owner = f" These datasets are kept without an owner: {', '.join(datasets)}." if datasets else ""
    return without_owner + (f" They own {', '.join(accounts)}." if accounts else "")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise InputError("The password on stdin is empty. Pass it on the first line.")
        return password
    try:
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    except typer.Abort as error:
        if sys.stdin.isatty():
            raise
        raise InputError(
            "A password is required, and this is not a terminal. Add --password-stdin and pass it on stdin."
        ) from error
    return typed
