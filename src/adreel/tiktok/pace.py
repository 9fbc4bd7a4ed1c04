"""One request budget per TikTok app, shared by every process that uses it.

TikTok counts requests per developer app, over all advertisers and tokens together (page "Rate limits",
doc 1740029171730433): by the second, by the minute and by the UTC day. Whoever passes the minute's limit is
shut out for five minutes. So each request first takes a slot from a log that all processes of this machine share.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite, nan
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from adreel.errors import InputError, StorageError, ThrottledError


@dataclass(frozen=True, slots=True)
class Limits:
    """How many requests of one app TikTok takes in any second, in any minute, and from 00:00 to 24:00 UTC."""

    per_second: int
    per_minute: int
    per_day: int


LEVELS: Mapping[str, Limits] = MappingProxyType(
    {
        "basic": Limits(10, 600, 864_000),
        "advanced": Limits(20, 1_200, 1_728_000),
        "premium": Limits(30, 1_800, 2_592_000),
        "ultimate": Limits(50, 3_000, 4_320_000),
    }
)
"""What TikTok grants an app, by its level (page "Rate limits"); a new app is basic."""

_DAY = 86_400


def limits_for(level: str) -> Limits:
    """The limits of a level, or of a number of requests a second (for an app that others use as well).

    A number below 1 is kept by the minute: 0.5 is 30 requests a minute. Raises InputError for anything else.
    """
    name = level.strip().lower()
    if name in LEVELS:
        return LEVELS[name]
    try:
        rate = float(name)
    except ValueError:
        rate = nan
    if not (isfinite(rate) and rate * 60 >= 1):
        raise InputError(
            f"The rate limit {level!r} is not known: choose {', '.join(LEVELS)}, "
            "or a number of requests a second (at least one a minute: 0.017)."
        )
    return Limits(max(1, int(rate)), int(rate * 60), int(rate * _DAY))


class Slot(NamedTuple):
    """One request's place in the app's log: its number, and its time in epoch seconds."""

    number: int
    at: float


# A little more than TikTok's second and minute, because a request arrives somewhat later than it is sent.
_SECOND = 1.02
_MINUTE = 60.5
# A request that goes later than this after its turn has its time written down; less is within the margin above.
_LATE = 0.01
# A clock that is further behind than this was set back.
_SET_BACK = 1.0
# A day's budget that is used up is waited for if it is renewed within this, else refused.
_WORTH_WAITING = 300.0
# A process stopped in the middle of a transaction (some 50 microseconds) blocks the others no longer than this.
_BUSY_SECONDS = 5.0
_PRUNED_EVERY = 64

_TABLES = """
CREATE TABLE app (
  app_id TEXT PRIMARY KEY, taken INTEGER NOT NULL DEFAULT 0, blocked_until REAL NOT NULL DEFAULT 0,
  seen REAL NOT NULL DEFAULT 0, day INTEGER NOT NULL DEFAULT 0, used INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE slot (
  app_id TEXT, number INTEGER, at REAL NOT NULL, PRIMARY KEY (app_id, number)
) WITHOUT ROWID;
"""

# The state of one app, with the times of the slots that bind the next: the last, the second's and the minute's.
_STATE = """
SELECT taken, blocked_until, seen, day, used,
  (SELECT at FROM slot WHERE slot.app_id = app.app_id AND number = taken - 1),
  (SELECT at FROM slot WHERE slot.app_id = app.app_id AND number = taken - ?),
  (SELECT at FROM slot WHERE slot.app_id = app.app_id AND number = taken - ?)
FROM app WHERE app_id = ?
"""


class Pace:
    """Slots in time for the requests of one app, in a small SQLite file that all processes of this machine share.

    For one event loop and one thread; other threads and processes open their own on the same file. `clock` gives
    epoch seconds and must be the same for all of them; `sleep` waits for a number of seconds.
    """

    def __init__(
        self,
        path: Path,
        app_id: str,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Opens or makes the file (mode 0600, on a local disk); raises StorageError if it cannot."""
        self.limits = limits
        self.app_id = app_id
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._queue = asyncio.Lock()
        self._connection = _open(path, app_id)

    async def turn(self) -> Slot:
        """Returns when the next request may be sent, which must then be at once.

        Turns of one Pace come in the order in which they were asked for. Raises ThrottledError if the day's budget
        is used up, and StorageError if the file cannot be read or written.
        """
        # One slot at a time is reserved ahead: others who share the file get theirs fairly, and a run that is
        # cancelled leaves one slot unused, not all of its waiters'.
        async with self._queue:
            while True:
                now, slot = self._reserve()
                if slot.at <= now:
                    return slot
                await self._sleep(slot.at - now)
                if not self._held(slot):
                    return self.went(slot)

    def went(self, slot: Slot) -> Slot:
        """Notes that the request of a slot goes out now, if that is later than its turn; gives the slot as it is then.

        A new connection takes three journeys before the request goes, one in use takes none: without this note the
        first requests of a run would arrive together with those of the next second. Raises StorageError as `turn`.
        """
        now = self._clock()
        if now <= slot.at + _LATE:
            return slot
        with self._errors_named():
            self._connection.execute(
                "UPDATE slot SET at = ? WHERE app_id = ? AND number = ?", (now, self.app_id, slot.number)
            )
        return Slot(slot.number, now)

    def hold(self, seconds: float) -> None:
        """Gives no slot to any process for so long; a longer hold that is under way stays.

        Raises StorageError if the file cannot be written.
        """
        with self._transaction() as sql:
            until = self._clock() + seconds
            sql.execute("UPDATE app SET blocked_until = max(blocked_until, ?) WHERE app_id = ?", (until, self.app_id))

    def close(self) -> None:
        """Closes the file; slots that were taken stay taken."""
        self._connection.close()

    def _reserve(self) -> tuple[float, Slot]:
        """Takes the earliest slot that the limits allow; the time now, and the slot."""
        app, limits = self.app_id, self.limits
        with self._transaction() as sql:
            # Read under the lock, so that no process sees an earlier time than the one before it.
            now = self._clock()
            number, blocked_until, seen, day, used, *taken = sql.execute(
                _STATE, (limits.per_second, limits.per_minute, app)
            ).fetchone()
            back = seen - now if seen > now + _SET_BACK else 0.0
            if back:
                self._set_back(sql, back)
            # A quarter of the mean distance after the one before, so that a burst does not come all at once.
            gaps = (0.25 / limits.per_second, _SECOND, _MINUTE)
            after = (then - back + gap for then, gap in zip(taken, gaps, strict=True) if then is not None)
            at, day, used = self._within_day(now, max(now, blocked_until - back, *after), day, used)
            sql.execute("INSERT INTO slot VALUES (?, ?, ?)", (app, number, at))
            sql.execute(
                "UPDATE app SET taken = ?, seen = ?, day = ?, used = ? WHERE app_id = ?",
                (number + 1, now, day, used + 1, app),
            )
            if number % _PRUNED_EVERY == 0:
                sql.execute(
                    "DELETE FROM slot WHERE app_id = ? AND number < ? AND at < ?",
                    (app, number - limits.per_minute, at - _MINUTE),
                )
        return now, Slot(number, at)

    def _within_day(self, now: float, at: float, day: int, used: int) -> tuple[float, int, int]:
        """The time of a slot, its UTC day (counted from 1970), and how many slots of that day are taken."""
        today = int(at // _DAY)
        if today > day:
            return at, today, 0
        if used < self.limits.per_day:
            return at, today, used
        midnight = float((today + 1) * _DAY)
        if midnight - now > _WORTH_WAITING:
            raise ThrottledError(
                f"The day's budget of {self.limits.per_day:,} requests of app {self.app_id} is used up. "
                f"TikTok renews it at {datetime.fromtimestamp(midnight, UTC):%Y-%m-%d %H:%M} UTC; run again then."
            )
        return midnight, today + 1, 0

    def _set_back(self, sql: sqlite3.Connection, seconds: float) -> None:
        """Moves the log with a clock that was set back; else nobody would get a slot for so long."""
        sql.execute("UPDATE slot SET at = at - ? WHERE app_id = ?", (seconds, self.app_id))
        sql.execute("UPDATE app SET blocked_until = blocked_until - ? WHERE app_id = ?", (seconds, self.app_id))

    def _held(self, slot: Slot) -> bool:
        """Whether a hold came while the owner of the slot slept."""
        with self._errors_named():
            (blocked_until,) = self._connection.execute(
                "SELECT blocked_until FROM app WHERE app_id = ?", (self.app_id,)
            ).fetchone()
        return bool(blocked_until > slot.at)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors_named():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(_unusable(self._path, error)) from error


def _open(path: Path, app_id: str) -> sqlite3.Connection:
    try:
        if not path.exists():
            _make(path)
        path.chmod(0o600)
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            # What a power cut can lose here is worth less than the disk's time on every request.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("INSERT OR IGNORE INTO app (app_id) VALUES (?)", (app_id,))
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StorageError(_unusable(path, error)) from error
    return connection


def _make(path: Path) -> None:
    """Makes the file elsewhere and puts it in place whole.

    Two processes that change a new file's journal mode at the same time would be refused by SQLite at once, whatever
    the busy time-out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_TABLES)
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _unusable(path: Path, error: Exception) -> str:
    return (
        f"The file {path}, which keeps TikTok's rate limits, cannot be used: {error}. "
        "It has to be writable and on a local disk; if it is damaged, stop adreel and delete it."
    )
