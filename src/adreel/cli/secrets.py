"""`adreel secrets rotate`: tokens encrypted with the newest key."""

from __future__ import annotations

from adreel.access import RoleRight
from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.output import counted, say


def rotate(session: CommandContext, *, new_key: bool, drop_old: bool) -> None:
    """Encrypts every token and app secret with the first key.

    If the process is killed at any point, all of them can still be decrypted.
    """
    with open_home(session) as home, home.store.locks.secrets():
        home.guard.need_role(RoleRight.ROTATE_KEYS)
        if new_key:
            home.store.keys.add_first()
        count = home.store.accounts.rotate_tokens(drop_old=drop_old)
        keys = home.store.keys.count()
        say(f"Encrypted the tokens of {counted(count, 'account')} with the first key.")
        if keys > 1:
            if home.settings.secret_key:
                place, advice = "ADREEL_SECRET_KEY", "Remove the others from it, then restart every adreel process."
            else:
                place = str(home.settings.home / "secret.key")
                advice = "Remove the others: adreel secrets rotate --drop-old"
            say(f"{place} has {keys} keys; only the first is in use. {advice}")
        elif not drop_old and not new_key:
            say("There is only 1 key. Replace it: adreel secrets rotate --new-key")
