"""Sign-ins that failed, and how long the next one has to wait: guessing passwords is slow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select

from adreel.store.database import Database
from adreel.store.secrets import fingerprint
from adreel.store.tables import attempts
from adreel.store.users import name_key

WINDOW = timedelta(minutes=15)
"""Failures of so long count."""

FREE = 5
"""From so many failures on, the same name at the same address waits."""

PER_ADDRESS = 50
"""So many failures of one address, whatever the names, are let through in the window."""

PER_NAME = 20
"""From so many failures of one name at all addresses on, each address waits from its first failure on.

So many addresses that guess together are slowed, and the person, who types the right password, waits for nothing.
"""

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)
"""What the first failure too many costs; each further one costs twice as much, up to the longest."""


class Attempts:
    """The failed sign-ins of one home, for as long as they count."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def note(self, name: str, address: str) -> None:
        """Writes down a failure of this name (there may be no such user) at this IP address.

        Noted before the password is looked at, and cleared if it was right, it holds for guesses at the same time, too.
        """
        now, who, where = self._clock(), _who(name), _where(address)
        with self._database.write() as connection:
            connection.execute(delete(attempts).where(attempts.c.at <= now - WINDOW - LONGEST_WAIT))
            wait = int(_next_wait(connection, who, where, now).total_seconds())
            connection.execute(insert(attempts).values(name_hash=who, address=where, at=now, wait=wait))

    def allowed(self, name: str, address: str) -> float:
        """Seconds that this name at this address has to wait before it may try again; 0 if it may."""
        now, who, where = self._clock(), _who(name), _where(address)
        with self._database.read() as connection:
            ends = (_end_of_wait(connection, who, where), _below(connection, where, now))
        return max([0.0, *((end - now).total_seconds() for end in ends if end is not None)])

    def clear(self, name: str, address: str) -> None:
        """Forgets the failures of this name at this address: the person has signed in."""
        mine = (attempts.c.name_hash == _who(name)) & (attempts.c.address == _where(address))
        with self._database.write() as connection:
            connection.execute(delete(attempts).where(mine))


def _who(name: str) -> str:
    return fingerprint(name_key(name))


def _where(address: str) -> str:
    """The address whose failures are counted: all of an IPv6 /64, since one household has all of those."""
    # Imported only here: a run has no use for it.
    from ipaddress import IPv6Address, ip_address

    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)


def _pair(who: str, where: str) -> ColumnElement[bool]:
    return (attempts.c.name_hash == who) & (attempts.c.address == where)


def _next_wait(connection: Connection, who: str, where: str, now: datetime) -> timedelta:
    """What a failure now costs: nothing, the first wait, or twice the last one that is not long over."""
    last = connection.execute(_newest(who, where)).first()
    if last is not None and last.wait:
        before = timedelta(seconds=last.wait)
        if now < last.at + before + WINDOW:
            return min(2 * before, LONGEST_WAIT)
    of_name = _lately(connection, attempts.c.name_hash == who, now)
    free = FREE if of_name < PER_NAME else 1
    return FIRST_WAIT if _lately(connection, _pair(who, where), now) + 1 >= free else timedelta(0)


def _lately(connection: Connection, which: ColumnElement[bool], now: datetime) -> int:
    """How many failures are in the window."""
    counted = select(func.count()).where(which, attempts.c.at > now - WINDOW)
    return connection.execute(counted).scalar_one()


def _end_of_wait(connection: Connection, who: str, where: str) -> datetime | None:
    last = connection.execute(_newest(who, where)).first()
    if last is None:
        return None
    end: datetime = last.at + timedelta(seconds=last.wait)
    return end


def _newest(who: str, where: str) -> Select[Any]:
    ordered = (attempts.c.at.desc(), attempts.c.id.desc())
    return select(attempts.c.at, attempts.c.wait).where(_pair(who, where)).order_by(*ordered).limit(1)


def _below(connection: Connection, where: str, now: datetime) -> datetime | None:
    """When fewer failures of the address than it may have will be left in the window; None if that is so now."""
    statement = (
        select(attempts.c.at)
        .where(attempts.c.address == where, attempts.c.at > now - WINDOW)
        .order_by(attempts.c.at.desc(), attempts.c.id.desc())
        .offset(PER_ADDRESS - 1)
        .limit(1)
    )
    at = connection.execute(statement).scalar()
    return at + WINDOW if at is not None else None
