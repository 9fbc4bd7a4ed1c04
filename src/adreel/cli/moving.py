"""`adreel migrate-store`: the store in another database."""

from __future__ import annotations

import sys
from dataclasses import replace

from adreel.access import RoleRight
from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.output import say
from adreel.settings import Secret, Settings
from adreel.store import Store
from adreel.store.audit import WORKSPACE, AuditAction, Means, Origin, acting
from adreel.store.moving import move_store, words

FILES = "files"


def migrate_store(session: CommandContext, to: str) -> None:
    """Copies the store to the address `to`, or to the home's own files."""
    with open_home(session) as home:
        home.guard.need_role(RoleRight.CHANGE_WORKSPACE)
        source, user = home.settings, home.guard.actor.user
    if to == "-":
        to = sys.stdin.readline().strip()
    if to == FILES:
        target = replace(source, database_url=Secret(""))
    else:
        target = replace(
            source, database_url=Settings.load({**session.environ, "ADREEL_DATABASE_URL": to}).database_url
        )
    moved = move_store(source, target)
    with acting(Origin.of(user, Means.COMMAND)), Store.open(target, clock=session.clock) as store:
        store.audit.add(AuditAction.STORE_MOVE, WORKSPACE, {"source": moved.source, "target": moved.target})
    for sentence in words(moved, target):
        say(sentence)
