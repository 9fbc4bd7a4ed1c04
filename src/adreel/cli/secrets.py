"""`adreel secrets rotate`: everything encrypted anew."""

from __future__ import annotations

from adreel.cli import CommandContext
from adreel.cli.context import opened
from adreel.cli.output import say
from adreel.store import Role
from adreel.store.locks import secrets_lock


def rotate(session: CommandContext, *, new_key: bool, drop_old: bool) -> None:
    """Every token and app secret under the first key; killed at any point, all can still be read."""
    with opened(session) as have, secrets_lock(have.settings.home):
        have.guard.need_role(Role.ADMIN)
        if new_key:
            have.store.keys.add_first()
        count = have.store.accounts.rotate_tokens(drop_old=drop_old)
        keys = have.store.keys.count()
        say(f"The tokens of {count} {'account' if count == 1 else 'accounts'} are encrypted with the first key.")
        if keys > 1:
            where = "ADREEL_SECRET_KEY" if have.settings.secret_key else str(have.settings.home / "secret.key")
            say(f"{where} has {keys} keys; nothing needs any but the first. {_way(file=not have.settings.secret_key)}")
        elif not drop_old and not new_key:
            say("There is one key only. To replace it, see adreel secrets rotate --help.")


def _way(*, file: bool) -> str:
    if file:
        return "Drop the others with: adreel secrets rotate --drop-old"
    return "Take the others away where it is set, and start every process of adreel anew."
