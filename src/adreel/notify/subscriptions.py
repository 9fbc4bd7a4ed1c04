"""Adds, changes, tests and removes addresses: the same for pages, API and command line, with the rights of each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adreel.access import DatasetRight, Guard, RoleRight
from adreel.errors import FieldError, ForbiddenError, InputError, NotFoundError
from adreel.language import in_english, phrase
from adreel.notify.mail import SCHEMES as MAIL_SCHEMES
from adreel.notify.mail import readdressed
from adreel.notify.messages import MessageWriter
from adreel.notify.routing import Audience
from adreel.notify.schemes import read_url, shown
from adreel.notify.sending import Outcome, Send, check_url, sender
from adreel.settings import Settings
from adreel.store import SavedDataset
from adreel.store.audit import AuditAction, Subject
from adreel.store.notifications import Address, AddressChanges, IncidentKind, NewAddress, Threshold

MOST = 20
"""Addresses of one person, one dataset, or the workspace."""


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """What is asked for: kinds by their names, none for all; a threshold such as `0.1%` or `100`."""

    url: str
    name: str = ""
    kinds: tuple[str, ...] = ()
    threshold: str = ""
    owned_only: bool = True


@dataclass(frozen=True, slots=True)
class SubscriptionChanges:
    """What is to change of an address, as in `NewSubscription`; what is None stays."""

    url: str | None = None
    name: str | None = None
    kinds: tuple[str, ...] | None = None
    threshold: str | None = None


def checked_url(text: str) -> str:
    """An address as it is saved. Nothing is sent. InputError, which never quotes it, if it is not allowed."""
    return check_url(read_url(text))


class Subscriptions:
    """The addresses that an actor may see and change.

    Those of the workspace are the administrators', those of a dataset of who may edit it, those of a person their own.
    """

    def __init__(self, settings: Settings, guard: Guard, now: datetime) -> None:
        """`now` is for the messages of tests."""
        self._settings = settings
        self._guard = guard
        self._store = guard.store
        self._now = now

    def of_workspace(self) -> tuple[Address, ...]:
        """The workspace's. Raises ForbiddenError unless an administrator asks."""
        self._guard.need_role(RoleRight.VIEW_SETTINGS)
        return tuple(address for address in self._store.addresses.list() if address.is_workspace)

    def of_dataset(self, saved: SavedDataset) -> tuple[Address, ...]:
        """Those of a dataset that the actor may see."""
        return tuple(address for address in self._store.addresses.list() if address.dataset_id == saved.id)

    def own(self) -> tuple[Address, ...]:
        """The actor's own; none of the operator's, who is no user."""
        user = self._guard.actor.user
        if user is None:
            return ()
        return tuple(address for address in self._store.addresses.list() if address.user_id == user.id)

    def all(self) -> tuple[Address, ...]:
        """All that the actor may change."""
        return tuple(address for address in self._store.addresses.list() if self._may_change(address))

    def add(
        self,
        wanted: NewSubscription,
        *,
        dataset: SavedDataset | None = None,
        personal: bool = False,
        is_checked: bool = False,
    ) -> Address:
        """Saves an address: of a dataset, of the actor, or of the workspace. InputError, ForbiddenError.

        `is_checked`: the URL is one of `checked_url`.
        """
        self.need_right(dataset, personal=personal)
        user = self._guard.actor.user
        owner = user if personal and dataset is None else None
        url, kinds, threshold = read_url(wanted.url), read_kinds(wanted.kinds), read_threshold(wanted.threshold)
        same = [
            address
            for address in self._store.addresses.list()
            if address.dataset_id == (dataset.id if dataset else None)
            and address.user_id == (owner.id if owner else None)
        ]
        if len(same) >= MOST:
            raise InputError(phrase("There are %(addresses)s addresses already. Remove one first.", addresses=MOST))
        url = url if is_checked else check_url(url)
        return self._store.addresses.add(
            NewAddress(
                name=wanted.name.strip() or shown(url).removesuffix("/****"),
                url=url,
                shown=shown(url),
                kinds=kinds,
                threshold=threshold,
                dataset=dataset,
                user=owner,
                added_by=user,
                owned_only=wanted.owned_only,
            )
        )

    def change(self, address_id: int, wanted: SubscriptionChanges, *, is_checked: bool = False) -> Address:
        """Changes an address that the actor may change; what is None stays. Errors as `add` and `get`."""
        address = self.get(address_id)
        url = None
        if wanted.url is not None:
            url = wanted.url if is_checked else checked_url(wanted.url)
        changes = AddressChanges(
            name=wanted.name,
            url=url,
            shown=shown(url) if url is not None else "",
            kinds=None if wanted.kinds is None else read_kinds(wanted.kinds),
            threshold=None if wanted.threshold is None else read_threshold(wanted.threshold),
        )
        if not changes.names:
            return address
        return self._store.addresses.change(address, changes, self._guard.actor.user)

    def need_right(self, dataset: SavedDataset | None, *, personal: bool) -> None:
        """Raises ForbiddenError unless the actor may add an address there; InputError if nobody is the actor."""
        if dataset is not None:
            self._guard.need(DatasetRight.EDIT, dataset)
        elif personal:
            self._guard.need_role(RoleRight.CHANGE_SELF)
            if self._guard.actor.user is None:
                raise InputError(phrase("The operator of this machine has no personal addresses. Set ADREEL_USER."))
        else:
            self._guard.need_role(RoleRight.CHANGE_WORKSPACE)

    def mail_servers(self) -> tuple[Address, ...]:
        """The e-mail addresses whose mail server the actor may use for other recipients.

        Those that they added themselves, and for administrators, those of the workspace.
        """
        user = self._guard.actor.user
        mine = [
            address for address in self.all() if address.is_workspace or user is None or address.added_by == user.id
        ]
        return tuple(address for address in mine if address.shown.partition("://")[0] in MAIL_SCHEMES)

    def same_server(self, address_id: int, recipients: tuple[str, ...]) -> str:
        """The URL of the mail server of one of these addresses for other recipients. Raises FieldError."""
        for address in self.mail_servers():
            if address.id == address_id:
                return readdressed(self._store.addresses.url(address), recipients)
        raise FieldError("server", phrase("Mail server: that address was removed. Enter a mail server."))

    def get(self, address_id: int) -> Address:
        """An address that the actor may change; NotFoundError for every other."""
        address = self._store.addresses.get(address_id)
        if not self._may_change(address):
            raise NotFoundError(phrase("Notification address %(address)s was not found.", address=address_id))
        if self._guard.actor.read_only:
            raise ForbiddenError(
                phrase("This API token is read-only. Create a token with full access in your profile.")
            )
        return address

    def remove(self, address_id: int) -> Address:
        """Removes an address, and its messages that wait."""
        address = self.get(address_id)
        self._store.addresses.remove(address)
        return address

    def test(self, address_id: int, send: Send | None = None) -> Outcome:
        """Sends a test message at once; what came back."""
        address = self.get(address_id)
        writer = MessageWriter(self._settings, self._store.workspace.get(), Audience(self._store), self._now)
        url = self._store.addresses.url(address)
        self._store.audit.add(AuditAction.ADDRESS_TEST, Subject.of(address), {"address": address.shown})
        # Messages are in English, as people of several languages read them.
        with in_english():
            message = writer.test(address.name)
        return (send or sender(self._settings))(url, message, address.is_workspace)

    def is_paused(self, address: Address) -> bool:
        """Whether the address of a dataset hears nothing, as who added it may not see the dataset any more."""
        return Audience(self._store).is_paused(address)

    def _may_change(self, address: Address) -> bool:
        user = self._guard.actor.user
        if address.dataset_id is not None:
            saved = self._store.datasets.get(address.dataset_id)
            return self._guard.may(DatasetRight.SEE, saved) and (
                self._guard.actor.read_only or self._guard.may(DatasetRight.EDIT, saved)
            )
        if address.user_id is not None:
            return user is None or user.id == address.user_id
        return self._guard.may_role(RoleRight.VIEW_SETTINGS)


def read_kinds(names: Iterable[str]) -> tuple[IncidentKind, ...]:
    """The kinds of these names; all without any. InputError for a name that is none."""
    given = list(names)
    unknown = [name for name in given if name not in set(IncidentKind)]
    if unknown:
        raise InputError(
            phrase(
                "%(kind)s is not a kind of notification. Use %(kinds)s.",
                kind=repr(unknown[0]),
                kinds=", ".join(IncidentKind),
            )
        )
    return tuple(kind for kind in IncidentKind if kind in given) or tuple(IncidentKind)


def read_threshold(text: str) -> Threshold:
    """A threshold such as `0.1%` of a sum, or `100` values; empty for the default. InputError for what is none."""
    if not text.strip():
        return Threshold()
    match = re.fullmatch(r"(\d{1,7}(?:\.\d{1,3})?)\s*(%?)", text.strip().replace(",", "."))
    if match is None or not float(match[1]) or ("." in match[1] and not match[2]):
        raise FieldError(
            "threshold",
            phrase(
                "The threshold %(threshold)s is not valid. Enter a percentage such as 0.1%%, or a number of values.",
                threshold=repr(text[:20]),
            ),
        )
    return Threshold(float(match[1])) if match[2] else Threshold(None, int(match[1]))


def written_threshold(threshold: Threshold) -> str:
    """The threshold as `read_threshold` takes it."""
    return f"{threshold.percent:g}%" if threshold.percent is not None else str(threshold.values)


def address_json(address: Address, *, dataset: str | None, user: str | None) -> dict[str, Any]:
    """An address for programs; the URL is masked. `dataset` is a slug, `user` a name."""
    return {
        "id": str(address.id),
        "scope": "dataset" if address.dataset_id else "user" if address.user_id else "workspace",
        "dataset": dataset,
        "user": user,
        "name": address.name,
        "address": address.shown,
        "kinds": [str(kind) for kind in address.kinds],
        "threshold": written_threshold(address.threshold),
        "owned_only": address.owned_only,
        "added_by": address.added_by_name or None,
        "created_at": address.created_at,
        "delivered_at": address.delivered_at,
        "failing_since": address.failing_since,
        "failure": address.failure or None,
    }
