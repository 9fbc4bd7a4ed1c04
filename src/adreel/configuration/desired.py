"""The documents of a folder with their secrets, before anything is compared with what is here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from adreel.configuration.documents import (
    AccountDocument,
    DashboardDocument,
    DatasetDocument,
    DestinationDocument,
    Document,
    DocumentKind,
    FolderReading,
    NotificationDocument,
    PresetDocument,
    RetentionDocument,
)
from adreel.configuration.references import Reference, ReferringText, secret
from adreel.destinations.kinds import DestinationAddress, read_address
from adreel.errors import AdreelError, InputError
from adreel.notify.subscriptions import checked_url
from adreel.store.users import name_key


@dataclass(frozen=True, slots=True)
class Desired:
    """What the files say, with secrets: do not print. Addresses are as the store would keep them.

    With `problems` there is nothing to apply, but what else is wrong can be looked for. `unread` are kind and name of
    the documents that they are about.
    """

    datasets: tuple[DatasetDocument, ...]
    accounts: tuple[AccountDocument, ...]
    destinations: tuple[tuple[DestinationDocument, DestinationAddress], ...]
    notifications: tuple[tuple[NotificationDocument, str], ...]
    dashboards: tuple[DashboardDocument, ...] = ()
    presets: tuple[PresetDocument, ...] = ()
    retention: RetentionDocument | None = None
    problems: tuple[str, ...] = ()
    unread: frozenset[tuple[DocumentKind, str]] = frozenset()


def resolve(
    reading: FolderReading,
    environ: Mapping[str, str],
    folder: Path,
    stored_urls: Callable[[], Collection[str]],
) -> Desired:
    """The documents of the files of a folder with the secrets that they name. Nothing is sent.

    `stored_urls` are the addresses of notifications that are here, which need no check. InputError with every problem
    of the files, if they do not say which documents these are about: others may refer to them.
    """
    every = reading.documents
    secrets = _Secrets(environ, folder)
    notifications = _of(every, NotificationDocument)
    # Only then, as reading them needs the encryption key.
    checked = frozenset(stored_urls()) if notifications else frozenset()

    @cache
    def url_of(text: str) -> str:
        return text if text in checked else checked_url(text)

    destinations = tuple(
        (document, address)
        for document in _of(every, DestinationDocument)
        if (address := secrets.read(document, document.address, read_address)) is not None
    )
    addresses = tuple(
        (document, url)
        for document in notifications
        if (url := secrets.read(document, document.address, url_of)) is not None
    )
    problems = (*reading.problems, *secrets.faults)
    if reading.unread is None:
        raise InputError("\n".join(problems))
    return Desired(
        _of(every, DatasetDocument),
        _of(every, AccountDocument),
        destinations,
        addresses,
        _of(every, DashboardDocument),
        _of(every, PresetDocument),
        next(iter(_of(every, RetentionDocument)), None),
        problems,
        reading.unread | secrets.unread,
    )


_D = TypeVar(
    "_D",
    DashboardDocument,
    DatasetDocument,
    AccountDocument,
    DestinationDocument,
    NotificationDocument,
    PresetDocument,
    RetentionDocument,
)
_T = TypeVar("_T")


def _of(documents: Iterable[Document], kind: type[_D]) -> tuple[_D, ...]:
    return tuple(sorted((item for item in documents if isinstance(item, kind)), key=lambda item: item.name))


class _Secrets:
    """Reads addresses of documents with their secrets; faults have file and line."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self._folder = folder
        self.faults: list[str] = []
        self.unread: set[tuple[DocumentKind, str]] = set()

    def read(
        self, document: DestinationDocument | NotificationDocument, text: ReferringText, read: Callable[[str], _T]
    ) -> _T | None:
        folder = (self._folder / document.place.file).parent

        def secret_of(reference: Reference) -> str:
            return secret(reference, self._environ, folder)

        try:
            return read(text.resolved(secret_of))
        except AdreelError as error:
            self.faults.append(document.place.fault("address", error.message))
            is_destination = isinstance(document, DestinationDocument)
            kind = DocumentKind.DESTINATION if is_destination else DocumentKind.NOTIFICATION
            self.unread.add((kind, name_key(document.name)))
            return None
