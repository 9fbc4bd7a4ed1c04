"""The workspace: what all users of a home share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from difflib import get_close_matches
from zoneinfo import available_timezones

from sqlalchemy import Connection, delete, insert, select

from adreel.errors import InputError, did_you_mean
from adreel.language import phrase
from adreel.store.audit import WORKSPACE, AuditAction, record
from adreel.store.database import Database
from adreel.store.names import LONGEST_NAME, clean_name
from adreel.store.records import Workspace
from adreel.store.tables import workspace

DEFAULT = Workspace("adreel", "UTC")


class Workspaces:
    """The workspace of one home."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def get(self) -> Workspace:
        """The workspace as it is."""
        with self._database.read() as connection:
            return _workspace(connection)

    def set(self, *, name: str | None = None, zone: str | None = None) -> Workspace:
        """The workspace with changes; what is None stays. InputError if the name or the zone is none."""
        if name is not None:
            name = clean_name(name, phrase("a workspace"), LONGEST_NAME)
        if zone is not None:
            zone = _zone(zone)
        with self._database.write() as connection:
            now = _workspace(connection)
            values = {"id": 1, "name": name or now.name, "zone": zone or now.zone}
            connection.execute(delete(workspace))
            connection.execute(insert(workspace).values(values))
            details = {"name": values["name"], "zone": values["zone"]}
            record(connection, self._clock(), AuditAction.WORKSPACE_CHANGE, WORKSPACE, details)
            return _workspace(connection)


def _workspace(connection: Connection) -> Workspace:
    row = connection.execute(select(workspace.c.name, workspace.c.zone)).first()
    return Workspace(row.name, row.zone) if row is not None else DEFAULT


def _zone(text: str) -> str:
    """The IANA name of a zone, in the case that it is written in."""
    zones = {name.casefold(): name for name in available_timezones()}
    word = text.strip().replace(" ", "_").casefold()
    if word not in zones:
        near = get_close_matches(word, zones, n=1, cutoff=0.5)
        unknown = phrase("The time zone %(zone)s is unknown.", zone=repr(text))
        hint = " " + phrase("Use a name such as Europe/Berlin or UTC.")
        raise InputError(f"{unknown}{did_you_mean([zones[near[0]]]) if near else hint}")
    return zones[word]
