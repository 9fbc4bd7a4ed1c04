"""What time it is in a home: the machine's own time, or that of the simulated TikTok that all its accounts read."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from adreel.settings import LOOPBACK

if TYPE_CHECKING:
    from adreel.store import Accounts

SIMULATED_APP_ID = "7000000000000000001"
"""The app of the simulator. No real account has it, so none is taken for a simulated one."""

ASK_AGAIN_SECONDS = 0.5
"""How long an answer of the simulator holds."""

PATIENCE_SECONDS = 2.0


def wall_clock() -> datetime:
    """The machine's own time."""
    return datetime.now(UTC)


class HomeClock:
    """A clock of aware times in UTC for all of a home: dates, runs, sessions.

    Without `follow` it is the machine's own. It is as far ahead as the simulator says if every account of the home
    reads one simulator on this machine with the simulator's own app. One account that is anything else makes it the
    machine's again: no run of a real account ever goes by another clock.
    """

    def __init__(self, wall: Callable[[], datetime] = wall_clock) -> None:
        """`wall` is the machine's time."""
        self._wall = wall
        self._accounts: Accounts | None = None
        self._ahead = timedelta()
        self._asked_at: float | None = None

    def __call__(self) -> datetime:
        """The present."""
        return self._wall() + self._offset()

    def follow(self, accounts: Accounts) -> None:
        """From here on the accounts of a home say whether its time is a simulator's."""
        self._accounts = accounts
        self.forget()

    def forget(self) -> None:
        """Asks the simulator anew at the next look, as after its time was changed."""
        self._asked_at = None

    def _offset(self) -> timedelta:
        if self._accounts is None:
            return timedelta()
        asked_at = self._asked_at
        if asked_at is None or time.monotonic() - asked_at >= ASK_AGAIN_SECONDS:
            simulator = simulator_of(self._accounts)
            self._ahead = _ahead_of(simulator, self._ahead) if simulator else timedelta()
            self._asked_at = time.monotonic()
        return self._ahead


def simulator_of(accounts: Accounts) -> str:
    """The address of the simulator that all accounts read; empty if there is none, or one account reads another."""
    addresses = set()
    for account in accounts.list():
        parts = urlsplit(account.base_url)
        if parts.hostname not in LOOPBACK or account.app_id != SIMULATED_APP_ID:
            return ""
        addresses.add(f"{parts.scheme}://{parts.netloc}")
    return addresses.pop() if len(addresses) == 1 else ""


def _ahead_of(simulator: str, before: timedelta) -> timedelta:
    """How far the simulator is ahead; as `before` while it does not answer, for then nothing can be read either."""
    # Imported here: no home with a real account needs it.
    import ssl

    import httpx2

    # The simulator has no certificate. To load those of the system would take 20 ms of each half second.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        answer = httpx2.get(f"{simulator}/_simulator/clock", timeout=PATIENCE_SECONDS, trust_env=False, verify=context)
        return timedelta(seconds=float(answer.raise_for_status().json()["ahead_seconds"]))
    except (httpx2.HTTPError, ValueError, KeyError, TypeError, OverflowError):
        return before
