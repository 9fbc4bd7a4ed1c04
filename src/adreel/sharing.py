"""Accounts shared with people: the right is checked through `adreel.access`, then the share is written."""

from __future__ import annotations

from adreel.access import Guard
from adreel.store import Account, Level, User


def share(guard: Guard, account: Account, user: User, level: Level) -> None:
    """Shares the account with a user so far, or no more with `Level.NONE`.

    ForbiddenError without the right to share, for a level above the actor's own, and for a user who has more than
    the actor; so only owners make and unmake owners. InputError as `Shares.set`.
    """
    guard.need_level(account, level, guard.store.shares.level(account, user))
    guard.store.shares.set(account, user, level)
    guard.forget_levels()


def share_with_everyone(guard: Guard, account: Account, level: Level) -> None:
    """Shares the account with every user so far; errors as `share`, InputError for `Level.OWNER`."""
    guard.need_level(account, level, guard.store.shares.everyone(account))
    guard.store.shares.set_everyone(account, level)
    guard.forget_levels()
