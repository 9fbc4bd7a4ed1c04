"""Sends dashboards that are due: the figures with the rights of the owner, as text, picture and PDF.

Each time is sent at least once: twice if the process dies between the server's answer and noting it. Times that were
missed, as no worker was running, are caught up by one message.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from adreel.access import Actor, Guard
from adreel.dashboards.boards import owner_guard, share_path
from adreel.dashboards.cards import PinnedCard, pinned_cards
from adreel.dashboards.document import document_of, summary
from adreel.dashboards.rendering import render
from adreel.dashboards.times import next_time
from adreel.errors import AdreelError, NotFoundError
from adreel.lake import Lake
from adreel.language import phrase
from adreel.logs import logger_of
from adreel.notify.sending import Message, Outcome, Send, sender
from adreel.notify.subscriptions import Subscriptions
from adreel.settings import LOOPBACK, Settings
from adreel.store import IN_PROGRESS, ClaimedDelivery, Dashboard, DashboardDelivery, Store
from adreel.store.notifications import Address

BACK_OFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
"""Waits between attempts to send one time; after the last one it is given up."""

MOST_WAITING = timedelta(hours=1)
"""How long a dashboard waits for runs of its datasets that are queued or in progress at its time."""

LOOK_AGAIN = timedelta(minutes=1)

Render = Callable[..., str]

log = logger_of(__name__)


def deliver(
    store: Store,
    settings: Settings,
    lake: Lake,
    now: datetime,
    send: Send | None = None,
    *,
    wall: datetime,
    draw: Render = render,
    only: DashboardDelivery | None = None,
) -> bool:
    """Sends one dashboard that is due, or `only` this one; whether there was one that no other process sends.

    A failure is noted, and raises nothing. `send` replaces the network and `draw` the drawing; `wall` is the machine's
    own time.
    """
    _retime(store, now)
    claimed = store.dashboard_deliveries.claim(now, wall=wall, only=only)
    if claimed is None:
        return False
    sending = _Sending(store, settings, lake, now, send or sender(settings), draw)
    sending.send(claimed)
    return True


def _retime(store: Store, now: datetime) -> None:
    """Counts times in the zone of the workspace, if that was changed."""
    zone = store.workspace.get().zone
    for delivery in store.dashboard_deliveries.of_other_zones(zone):
        due = next_time(delivery.at, delivery.weekdays, zone, now)
        store.dashboard_deliveries.retime(delivery, zone, due)


class NotSentError(Exception):
    """A dashboard may not be sent any more, for a reason that a person has to remove."""


class _Sending:
    """One delivery at a time."""

    def __init__(self, store: Store, settings: Settings, lake: Lake, now: datetime, send: Send, draw: Render) -> None:
        self._store = store
        self._settings = settings
        self._lake = lake
        self._now = now
        self._send = send
        self._draw = draw

    def send(self, claimed: ClaimedDelivery) -> None:
        """Sends it, or notes why not."""
        delivery, deliveries = claimed.delivery, self._store.dashboard_deliveries
        zone = self._store.workspace.get().zone
        following = next_time(delivery.at, delivery.weekdays, zone, self._now)
        try:
            board = self._store.dashboards.get(delivery.dashboard_id)
            guard = self._guard(board)
            address = self._address(guard, delivery.address_id)
            running = self._running(guard, board)
            if running and self._now < delivery.due_at + MOST_WAITING:
                deliveries.retry(claimed, self._now + LOOK_AGAIN, counts=False)
                return
            note = f"Not updated yet: {', '.join(running)}." if running else ""
            outcome = self._sent(guard, board, address, note)
        except NotSentError as error:
            deliveries.finish(claimed, following, failure=str(error))
            return
        except (AdreelError, OSError, ValueError) as error:
            # The last two: no process could be started, or it answered nonsense.
            outcome = Outcome(False, str(error) if isinstance(error, AdreelError) else type(error).__name__)
        if outcome.accepted:
            deliveries.finish(claimed, following, sent_at=self._now)
        elif delivery.attempts > len(BACK_OFF):
            log.warning("A dashboard was not sent: %s", outcome.reason, extra={"dashboard": delivery.dashboard_id})
            deliveries.finish(claimed, following, failure=outcome.reason)
        else:
            deliveries.retry(claimed, self._now + BACK_OFF[delivery.attempts - 1], outcome.reason)

    def _guard(self, board: Dashboard) -> Guard:
        """The rights of the owner, as they are now."""
        guard = owner_guard(Guard(self._store, Actor(None)), board)
        user = guard.actor.user
        if user is not None and user.disabled:
            raise NotSentError(phrase("%(user)s, whose dashboard it is, is disabled.", user=user.name))
        return guard

    def _address(self, guard: Guard, address_id: int) -> Address:
        try:
            return Subscriptions(self._settings, guard, self._now).get(address_id)
        except NotFoundError:
            owner = guard.actor.user
            raise NotSentError(
                phrase("%(user)s may not use this notification address any more.", user=owner.name)
                if owner
                else phrase("The operator may not use this notification address any more.")
            ) from None

    def _running(self, guard: Guard, board: Dashboard) -> list[str]:
        """The datasets of the dashboard whose run is due, queued or in progress."""
        names = {}
        for pin in self._store.dashboards.pins(board):
            if pin.dataset_id is None or pin.dataset_id in names:
                continue
            try:
                saved = guard.dataset(pin.dataset_id)
            except AdreelError:
                continue
            latest, _, _ = self._store.runs.newest(saved)
            actual = self._store.seen(latest) if latest else None
            is_due = saved.next_run_at is not None and saved.next_run_at <= self._now
            if is_due or (actual is not None and actual.state in IN_PROGRESS):
                names[pin.dataset_id] = saved.name
        return list(names.values())

    def _sent(self, guard: Guard, board: Dashboard, address: Address, note: str) -> Outcome:
        cards = pinned_cards(guard, self._lake, board, self._now)
        if cards and all(card.saved is None for card in cards):
            raise NotSentError(phrase("None of its datasets exists any more, or its owner may not see them any more."))
        with tempfile.TemporaryDirectory(prefix="adreel-dashboard-") as folder:
            files = self._files(Path(folder), board, cards, note)
            return self._send(self._store.addresses.url(address), files, address.is_workspace)

    def _files(self, folder: Path, board: Dashboard, cards: Sequence[PinnedCard], note: str) -> Message:
        """The message, with its files in the folder; without them if they cannot be drawn."""
        workspace = self._store.workspace.get()
        document = document_of(board, cards, workspace, self._now, note)
        stem = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in board.name)[:60]
        png, pdf = folder / f"{stem or 'dashboard'}.png", folder / f"{stem or 'dashboard'}.pdf"
        body, paths = summary(document), [png, pdf]
        try:
            self._draw(self._settings.home, document, png=png, pdf=pdf)
        except AdreelError as error:
            # The figures are more than their picture.
            log.warning("A dashboard could not be drawn: %s", error)
            body, paths = f"{body}\n\nWithout picture and PDF: {error}", []
        link = self._link(board)
        title = " ".join(f"[{workspace.name}] {board.name}".split())[:200]
        return Message(title, f"{body}\n\n{link}" if link else body, over=True, attachments=tuple(paths))

    def _link(self, board: Dashboard) -> str:
        """The address of the dashboard; none if only this machine reaches it."""
        base = self._settings.web_url.rstrip("/")
        if urlsplit(base).hostname in LOOPBACK:
            return ""
        return f"{base}{share_path(board) or f'/dashboards/{board.id}'}"
