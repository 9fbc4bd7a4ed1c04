"""One look at what happened, and one round of sending; both may be called by several processes at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from adreel.clock import wall_clock
from adreel.errors import AdreelError
from adreel.notify.messages import MessageWriter
from adreel.notify.observe import measure_one, observe
from adreel.notify.routing import Audience, group, route
from adreel.notify.sending import Outcome, Send, sender
from adreel.settings import Settings
from adreel.store import Store
from adreel.store.notifications import Claimed

AT_ONCE = 4
"""Messages of one round, each sent by a process of its own."""

BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
"""Waits between attempts; the last one again and again."""

GIVE_UP = timedelta(days=1)
"""A message that was not accepted for so long is given up."""


def tick(store: Store, settings: Settings, now: datetime) -> None:
    """Opens and closes incidents, decides who hears of them, and creates messages; sends nothing."""
    try:
        observe(store, now)
        audience = Audience(store)
        measure_one(store, settings, now, audience.hears_of_dataset)
        route(store, audience, now)
        group(store, now)
        store.incidents.prune(now)
    except IntegrityError:
        # Another worker was quicker with the same row; what it left over is done at the next look.
        return


def deliver(
    store: Store, settings: Settings, now: datetime, send: Send | None = None, *, wall: datetime | None = None
) -> int:
    """Sends messages that are due, and returns how many were accepted. A failure is noted, and raises nothing.

    A message is delivered at least once: twice if the process dies between the server's answer and noting it.
    `send` replaces the network, and `wall` the machine's own time.
    """
    claimed = store.deliveries.claim(now, AT_ONCE, wall=wall or wall_clock())
    if not claimed:
        return 0
    audience = Audience(store)
    writer = MessageWriter(settings, store.workspace.get(), audience, now)
    delivery = _Delivery(store, audience, writer, send or sender(settings), now)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="notifier") as pool:
        return sum(pool.map(delivery.send, claimed))


class _Delivery:
    """One round of sending."""

    def __init__(self, store: Store, audience: Audience, writer: MessageWriter, send: Send, now: datetime) -> None:
        self._store = store
        self._audience = audience
        self._writer = writer
        self._send = send
        self._now = now

    def send(self, claimed: Claimed) -> bool:
        """Sends one message, if anyone may still hear of it; whether it was accepted."""
        deliveries = self._store.deliveries
        try:
            address = self._store.addresses.get(claimed.address_id)
            over, incidents = deliveries.incidents(claimed)
            heard = [incident for incident in incidents if self._audience.hears(address, incident)]
            if not heard:
                deliveries.dropped(claimed, self._now)
                return False
            message = self._writer.message(heard, over=over)
            outcome = self._send(self._store.addresses.url(address), message, address.is_workspace)
        except (AdreelError, OSError, ValueError) as error:
            # The last two: no process could be started, or it answered nonsense.
            outcome = Outcome(False, str(error) if isinstance(error, AdreelError) else type(error).__name__)
        if outcome.accepted:
            deliveries.sent(claimed, self._now)
            return True
        wait = BACK_OFF[min(claimed.attempts, len(BACK_OFF)) - 1]
        again_at = self._now + wait if self._now - claimed.created_at < GIVE_UP else None
        deliveries.failed(claimed, outcome.reason, self._now, again_at)
        return False
