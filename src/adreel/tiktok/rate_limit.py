"""One request budget per TikTok app, shared by every process that uses it.

TikTok counts requests per developer app, over all advertisers and tokens together (page "Rate limits",
doc 1740029171730433): by the second, by the minute and by the UTC day. Whoever passes the minute's limit is
shut out for five minutes. So each request first takes a slot from a log that all processes of the app share: a file of
this machine, or a database (`adreel.store.pace`). How much more than a second the slots keep apart is learned, see
`adreel.tiktok.margin`, and shared as well.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from math import isfinite, nan
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from adreel.errors import InputError, StorageError, ThrottledError
from adreel.language import integer, phrase, shown_time
from adreel.new_files import placed_once
from adreel.tiktok.margin import Margin


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How many requests of one app TikTok takes in any second, in any minute, and from 00:00 to 24:00 UTC."""

    per_second: int
    per_minute: int
    per_day: int


LEVELS: Mapping[str, RateLimits] = MappingProxyType(
    {
        "basic": RateLimits(10, 600, 864_000),
        "advanced": RateLimits(20, 1_200, 1_728_000),
        "premium": RateLimits(30, 1_800, 2_592_000),
        "ultimate": RateLimits(50, 3_000, 4_320_000),
    }
)
"""What TikTok grants an app, by its level (page "Rate limits"); a new app is basic."""

TASK_PATH = "/report/task/create/"

PATHS: Mapping[str, Mapping[str, RateLimits]] = MappingProxyType(
    {
        "/gmv_max/report/get/": MappingProxyType(
            {
                "basic": RateLimits(8, 240, 20_000),
                "advanced": RateLimits(12, 360, 30_000),
                "premium": RateLimits(20, 600, 50_000),
                "ultimate": RateLimits(20, 600, 50_000),
            }
        ),
        TASK_PATH: MappingProxyType(dict.fromkeys(LEVELS, RateLimits(1, 60, 4_500))),
    }
)
"""The limits that a path has beside those of the app, by the app's level (page "Rate limits").

Tasks may be created at two a second by that page, and at one by "Create an asynchronous report task".
"""

_DAY = 86_400


def path_limits(path: str, level: str) -> RateLimits | None:
    """The limits of a path at a level of `limits_for`; None if it has none of its own.

    With a number of requests a second, as for an app that others use as well, the path has the same part of the limits
    of a basic app. A number above those of all levels is none of TikTok's, and has no limits by path.
    """
    by_level = PATHS.get(path)
    if by_level is None:
        return None
    name = level.strip().lower()
    if name in LEVELS:
        return by_level[name]
    rate, basic, own = limits_for(level), LEVELS["basic"], by_level["basic"]
    if rate.per_second > LEVELS["ultimate"].per_second:
        return None
    part = rate.per_day / basic.per_day
    return RateLimits(
        max(1, int(own.per_second * part)), max(1, int(own.per_minute * part)), max(1, int(own.per_day * part))
    )


def narrower(limits: RateLimits, other: RateLimits | None) -> RateLimits:
    """The limits of requests that both apply to."""
    if other is None:
        return limits
    return RateLimits(
        min(limits.per_second, other.per_second),
        min(limits.per_minute, other.per_minute),
        min(limits.per_day, other.per_day),
    )


def limits_for(level: str) -> RateLimits:
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
            phrase(
                "The rate limit %(level)s is unknown: choose %(value)s, or a number of requests a second "
                "(at least one a minute: 0.017).",
                level=repr(level),
                value=", ".join(LEVELS),
            )
        )
    return RateLimits(max(1, int(rate)), int(rate * 60), int(rate * _DAY))


class Slot(NamedTuple):
    """One request's place in the app's log: its number, its time in epoch seconds, and the margin of that moment.

    It is `tight` if the margin decided on its time, or nearly.
    """

    number: int
    at: float
    margin: float
    tight: bool


_SECOND = 1.0
_MINUTE = 60.0
# Passing a minute's limit costs five minutes, so its margin is never a narrow one.
_LEAST_OF_MINUTE = 0.5
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

# Apart from the others, for files that were made before there was anything to learn.
_MARGIN_TABLE = """
CREATE TABLE IF NOT EXISTS margin (
  app_id TEXT PRIMARY KEY, caution REAL NOT NULL, proof REAL NOT NULL, scatter REAL NOT NULL, since INTEGER NOT NULL
) WITHOUT ROWID
"""

# What follows is SQL of every log.
_NEW_APP = "INSERT INTO app (app_id) VALUES (?) ON CONFLICT DO NOTHING"
_NEW_MARGIN = "INSERT INTO margin VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_READ_MARGIN = "SELECT caution, proof, scatter, since FROM margin WHERE app_id = ?"
_WRITE_MARGIN = "UPDATE margin SET caution = ?, proof = ?, scatter = ?, since = ? WHERE app_id = ?"

# The state of one app, with the times of the slots that bind the next: the last, the second's and the minute's.
_STATE = """
SELECT taken, blocked_until, seen, day, used,
  (SELECT at FROM slot WHERE slot.app_id = app.app_id AND number = taken - 1),
  (SELECT at FROM slot WHERE slot.app_id = app.app_id AND number = taken - ?),
  (SELECT at FROM slot WHERE slot.app_id = app.app_id AND number = taken - ?)
FROM app WHERE app_id = ?
"""


class StatementAnswer(Protocol):
    """The answer to a statement."""

    def fetchone(self) -> Any:
        """The next row."""
        ...


class Sql(Protocol):
    """A database that takes the statements of this module; a question mark stands for each parameter."""

    def execute(self, statement: str, parameters: Sequence[str | float], /) -> StatementAnswer:
        """Raises what `SlotLog.statement` says."""
        ...


class SlotLog(Protocol):
    """Where the slots of apps are kept: tables app, slot and margin."""

    @property
    def ahead(self) -> float:
        """By how many seconds the log's clock was ahead of this process's when the last transaction began."""
        ...

    def transaction(self, app_id: str) -> AbstractContextManager[Sql]:
        """What it does to an app is kept as a whole or not at all, and no other transaction on the app is under way.

        Raises StorageError or RetryError if the log cannot be used.
        """
        ...

    def statement(self) -> AbstractContextManager[Sql]:
        """For statements that need no other. Raises as `transaction`."""
        ...

    def close(self) -> None:
        """Slots that were taken stay taken."""
        ...


class Pace:
    """Slots in time for the requests of one app, in a log that all processes share.

    For one event loop and one thread; other threads and processes open their own on the same log. `clock` gives
    epoch seconds and must be the same for all processes of a machine; `sleep` waits for a number of seconds.
    """

    def __init__(
        self,
        log: SlotLog,
        app_id: str,
        limits: RateLimits,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Closes the log when it is closed itself. Raises as `SlotLog.transaction`, as do all methods."""
        self.limits = limits
        self.app_id = app_id
        self._log = log
        self._local_clock = clock
        self._sleep = sleep
        self._queue = asyncio.Lock()
        self._margin = Margin()
        self._scatter = 0.0
        with log.statement() as sql:
            sql.execute(_NEW_APP, (app_id,))
            sql.execute(_NEW_MARGIN, (app_id, *astuple(Margin())))

    def _clock(self) -> float:
        """The time by the clock of the log, which all machines share."""
        return self._local_clock() + self._log.ahead

    async def turn(self) -> Slot:
        """Returns when the next request may be sent, which must then be at once.

        Turns of one Pace come in the order in which they were asked for. Raises ThrottledError if the day's budget
        is used up.
        """
        # One slot at a time is reserved ahead: others who share the file get theirs fairly, and a run that is
        # cancelled leaves one slot unused, not all of its waiters'.
        async with self._queue:
            while True:
                now, slot = self._reserve()
                if slot.at <= now:
                    return slot
                await self._sleep(slot.at - now)
                slot = await self._wait_for_margin(slot)
                if not self._is_on_hold(slot):
                    return self.went(slot)

    def went(self, slot: Slot) -> Slot:
        """Notes that the request of a slot goes out now, if that is later than its turn; gives the slot as it is then.

        A new connection takes three journeys before the request goes, one in use takes none: without this note the
        first requests of a run would arrive together with those of the next second.
        """
        now = self._clock()
        return slot if now <= slot.at + _LATE else self._moved(slot, now)

    def hold(self, seconds: float) -> None:
        """Gives no slot to any process for so long; a longer hold that is under way stays."""
        with self._log.transaction(self.app_id) as sql:
            until = self._clock() + seconds
            sql.execute(
                "UPDATE app SET blocked_until = ? WHERE app_id = ? AND blocked_until < ?", (until, self.app_id, until)
            )

    def refused(self, slot: Slot) -> float:
        """Learns that TikTok refused the request of a slot for coming too soon; gives the margin from now on."""
        with self._log.transaction(self.app_id) as sql:
            (taken,) = sql.execute("SELECT taken FROM app WHERE app_id = ?", (self.app_id,)).fetchone()
            self._write_margin(sql, self._read_margin(sql).refused(slot.number, slot.margin, taken))
        return self._margin.seconds

    def scattered(self, seconds: float) -> None:
        """Learns by how much the last answers differed in the time that they took."""
        self._scatter = seconds
        # Asked after each answer, and news only now and then: what the last slot was given with is near enough.
        if self._margin.scattered(seconds) is not self._margin:
            with self._log.transaction(self.app_id) as sql:
                self._write_margin(sql, self._read_margin(sql).scattered(seconds))

    def close(self) -> None:
        """Closes the log; slots that were taken stay taken."""
        self._log.close()

    def _reserve(self) -> tuple[float, Slot]:
        """Takes the earliest slot that the limits allow; the time now, and the slot."""
        app, limits = self.app_id, self.limits
        with self._log.transaction(self.app_id) as sql:
            # Read under the lock, so that no process sees an earlier time than the one before it.
            now = self._clock()
            number, blocked_until, seen, day, used, *taken = sql.execute(
                _STATE, (limits.per_second, limits.per_minute, app)
            ).fetchone()
            back = seen - now if seen > now + _SET_BACK else 0.0
            if back:
                self._set_back(sql, back)
            margin = self._read_margin(sql)
            second, minute = _SECOND + margin.seconds, _MINUTE + max(_LEAST_OF_MINUTE, margin.seconds)
            gaps = (margin.between(limits.per_second), second, minute)
            after = (then - back + gap for then, gap in zip(taken, gaps, strict=True) if then is not None)
            at, day, used = self._within_day(now, max(now, blocked_until - back, *after), day, used)
            # What comes much later than the margin asks for tells nothing about it.
            tight = taken[1] is not None and at - (taken[1] - back) < second + margin.seconds
            if tight:
                self._write_margin(sql, margin.tried(limits.per_second, self._scatter))
            sql.execute("INSERT INTO slot VALUES (?, ?, ?)", (app, number, at))
            sql.execute(
                "UPDATE app SET taken = ?, seen = ?, day = ?, used = ? WHERE app_id = ?",
                (number + 1, now, day, used + 1, app),
            )
            if number % _PRUNED_EVERY == 0:
                sql.execute(
                    "DELETE FROM slot WHERE app_id = ? AND number < ? AND at < ?",
                    (app, number - limits.per_minute, at - minute),
                )
        return now, Slot(number, at, margin.seconds, tight)

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
                phrase(
                    "The day's budget of %(per_day)s requests of app %(app_id)s is used up. TikTok renews it "
                    "at %(datetime)s UTC; run again then.",
                    per_day=integer(self.limits.per_day),
                    app_id=self.app_id,
                    datetime=shown_time(datetime.fromtimestamp(midnight, UTC)),
                )
            )
        return midnight, today + 1, 0

    def _set_back(self, sql: Sql, seconds: float) -> None:
        """Moves the log with a clock that was set back; else nobody would get a slot for so long."""
        sql.execute("UPDATE slot SET at = at - ? WHERE app_id = ?", (seconds, self.app_id))
        sql.execute("UPDATE app SET blocked_until = blocked_until - ? WHERE app_id = ?", (seconds, self.app_id))

    def _read_margin(self, sql: Sql) -> Margin:
        self._margin = Margin(*sql.execute(_READ_MARGIN, (self.app_id,)).fetchone())
        return self._margin

    def _write_margin(self, sql: Sql, margin: Margin) -> None:
        sql.execute(_WRITE_MARGIN, (*astuple(margin), self.app_id))
        self._margin = margin

    async def _wait_for_margin(self, slot: Slot) -> Slot:
        """Waits on, with the slot moved, if the margin was widened while the owner of the slot slept.

        Else it would go ahead of the burst that it belongs to, in each second from then on, and be refused the easier.
        """
        with self._log.statement() as sql:
            wider = self._read_margin(sql).seconds - slot.margin
        if wider <= 0 or not slot.tight:
            return slot
        moved = self._moved(slot, slot.at + wider)
        await self._sleep(wider)
        return moved._replace(margin=slot.margin + wider)

    def _moved(self, slot: Slot, at: float) -> Slot:
        with self._log.statement() as sql:
            sql.execute("UPDATE slot SET at = ? WHERE app_id = ? AND number = ?", (at, self.app_id, slot.number))
        return slot._replace(at=at)

    def _is_on_hold(self, slot: Slot) -> bool:
        """Whether a hold came while the owner of the slot slept."""
        with self._log.statement() as sql:
            (blocked_until,) = sql.execute("SELECT blocked_until FROM app WHERE app_id = ?", (self.app_id,)).fetchone()
        return bool(blocked_until > slot.at)


class FileLog:
    """A log in a small SQLite file that all processes of this machine share."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file (mode 0600, on a local disk); raises StorageError if it cannot."""
        self.ahead = 0.0
        self._path = path
        self._connection = _open(path)

    def close(self) -> None:
        """As `SlotLog.close`."""
        self._connection.close()

    @contextmanager
    def transaction(self, _app_id: str) -> Iterator[sqlite3.Connection]:
        """As `SlotLog.transaction`."""
        with self._errors_named():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def statement(self) -> Iterator[sqlite3.Connection]:
        """As `SlotLog.statement`."""
        with self._errors_named():
            yield self._connection

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(_unusable(self._path, error)) from error


def _open(path: Path) -> sqlite3.Connection:
    try:
        if not path.exists():
            _make(path)
        path.chmod(0o600)
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            # What a power cut can lose here is worth less than the disk's time on every request.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_MARGIN_TABLE)
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
    with placed_once(path) as draft, closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_TABLES)


def _unusable(path: Path, error: Exception) -> str:
    return phrase(
        "The file %(path)s, which keeps TikTok's rate limits, cannot be used: %(error)s. It must "
        "be writable and on a local disk; if it is damaged, stop adreel and delete it.",
        path=path,
        error=error,
    )
