"""Who hears of an incident, and when notices become a message: one, or a digest of many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from adreel.access import AccountRight, Actor, DatasetRight, Guard
from adreel.notify.observe import exceeds
from adreel.store import Account, SavedDataset, Store, User
from adreel.store.notifications import Address, Incident, IncidentKind, NewIncident, RecentMessages, Waiting

HOLD = timedelta(seconds=30)
"""How long a notice waits for others to go with it in one message."""

STORM = 3
QUIET = timedelta(minutes=5)
"""After so many incidents within this time, an address gets one message in this time, with all that came meanwhile."""

PATIENCE = timedelta(hours=1)
"""How long it waits to be told that incidents of a digest are over, so that all of them can be told at once."""


class Audience:
    """Who may hear of what, as access is now; for one look."""

    def __init__(self, store: Store) -> None:
        """Everything is read once."""
        self._store = store
        self._datasets = {saved.id: saved for saved in store.datasets.list()}
        self._accounts = {account.id: account for account in store.accounts.list()}
        self._users = {user.id: user for user in store.users.list()}
        self._guards: dict[int, Guard] = {}
        self._owners: Mapping[int, tuple[User, ...]] | None = None

    def dataset(self, dataset_id: int | None) -> SavedDataset | None:
        """The dataset of that id, if there is one."""
        return self._datasets.get(dataset_id) if dataset_id is not None else None

    def account(self, account_id: int | None) -> Account | None:
        """The account of that id, if there is one."""
        return self._accounts.get(account_id) if account_id is not None else None

    def hears(self, address: Address, incident: Incident) -> bool:
        """Whether the address is for incidents of this kind, and may hear of this one."""
        kinds = set(address.kinds)
        if IncidentKind.WARNINGS in kinds:
            # These are warnings of runs too.
            kinds.add(IncidentKind.GMV_MAX)
        if incident.kind not in kinds:
            return False
        if incident.kind is IncidentKind.RESTATED and not exceeds(_as_new(incident), address):
            return False
        if incident.dataset_id is not None:
            return self.hears_of_dataset(address, incident.dataset_id)
        return incident.account_id is None or self._hears_of_account(address, incident.account_id)

    def hears_of_dataset(self, address: Address, dataset_id: int) -> bool:
        """Whether the address may hear of the dataset of that id."""
        saved = self._datasets.get(dataset_id)
        if saved is None:
            return False
        if address.dataset_id is not None:
            return address.dataset_id == dataset_id and not self.is_paused(address)
        if address.user_id is None:
            return True
        return self._sees(address.user_id, saved) and (not address.owned_only or saved.owner_id == address.user_id)

    def is_paused(self, address: Address) -> bool:
        """Whether the address is a dataset's, and the user who added it is gone or may not see the dataset any more."""
        saved = self.dataset(address.dataset_id)
        if saved is None or not address.added_by_name:
            return False
        return address.added_by is None or not self._sees(address.added_by, saved)

    def _hears_of_account(self, address: Address, account_id: int) -> bool:
        account = self._accounts.get(account_id)
        if account is None:
            return False
        if address.dataset_id is not None:
            saved = self.dataset(address.dataset_id)
            return saved is not None and saved.account_id == account_id and not self.is_paused(address)
        if address.user_id is None:
            return True
        guard = self._guard(address.user_id)
        if guard is None or not guard.may(AccountRight.SEE, account):
            return False
        return not address.owned_only or self._owns(address.user_id, account)

    def _owns(self, user_id: int, account: Account) -> bool:
        """Whether the user owns the account or a dataset of it."""
        if self._owners is None:
            self._owners = self._store.shares.owners()
        owns_dataset = any(
            saved.owner_id == user_id and saved.account_id == account.id for saved in self._datasets.values()
        )
        return owns_dataset or user_id in {owner.id for owner in self._owners.get(account.id, ())}

    def _sees(self, user_id: int, saved: SavedDataset) -> bool:
        guard = self._guard(user_id)
        return guard is not None and guard.may(DatasetRight.SEE, saved)

    def _guard(self, user_id: int) -> Guard | None:
        """The rights of a user; None for one who is disabled or gone."""
        user = self._users.get(user_id)
        if user is None or user.disabled:
            return None
        return self._guards.setdefault(user_id, Guard(self._store, Actor(user)))


def _as_new(incident: Incident) -> NewIncident:
    return NewIncident(
        incident.kind, "", incident.opened_at, percent=incident.percent, values_restated=incident.values_restated
    )


def route(store: Store, audience: Audience, now: datetime) -> None:
    """Decides who hears of new incidents, and gives notice that others are over."""
    unrouted = store.incidents.unrouted(500)
    addresses = store.addresses.list() if unrouted else ()
    if unrouted:
        hearing = [
            (incident, [address.id for address in addresses if audience.hears(address, incident)])
            for incident in unrouted
        ]
        store.incidents.route(hearing, now)
    store.incidents.settle(now)


def group(store: Store, now: datetime) -> None:
    """Makes messages of the notices that have waited long enough."""
    waiting = store.deliveries.waiting_notices()
    if not waiting:
        return
    recent = store.deliveries.recent(now - QUIET)
    for address_id, notice_ids in due_messages(waiting, recent, now):
        store.deliveries.create(address_id, notice_ids, now)


def due_messages(
    waiting: Iterable[Waiting], recent: Mapping[tuple[int, bool], RecentMessages], now: datetime
) -> list[tuple[int, list[int]]]:
    """The messages to create now: the address, and the notices in each."""
    by_address: dict[tuple[int, bool], list[Waiting]] = defaultdict(list)
    for notice in waiting:
        by_address[notice.address_id, notice.over].append(notice)
    messages = []
    for (address_id, over), pending in by_address.items():
        lately = recent.get((address_id, over))
        if lately is not None and lately.incidents >= STORM and now < lately.last_at + QUIET:
            continue
        due = _over_and_due(pending, now) if over else pending
        if due and min(notice.created_at for notice in due) + HOLD <= now:
            messages.append((address_id, [notice.id for notice in due]))
    return messages


def _over_and_due(pending: Iterable[Waiting], now: datetime) -> list[Waiting]:
    """Of notices that something is over, those whose message said before that it is open, and that need not wait."""
    by_opening: dict[int, list[Waiting]] = defaultdict(list)
    for notice in pending:
        if notice.opening is not None:
            by_opening[notice.opening].append(notice)
    return [
        notice
        for notices in by_opening.values()
        if not notices[0].others_open or min(notice.created_at for notice in notices) + PATIENCE <= now
        for notice in notices
    ]
