"""The kinds of destinations: how their addresses are written, and how they are opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from adreel.destinations.session import DestinationSession
from adreel.enumerations import TextEnum
from adreel.errors import InputError
from adreel.language import Phrase, phrase

LONGEST_ADDRESS = 2_000


class DestinationKind(TextEnum):
    """A kind of database; `label` names it to a person, `example` is an address of it."""

    label: str
    example: str

    DUCKDB = "duckdb", Phrase("DuckDB file"), "duckdb:///srv/data/warehouse.duckdb"
    POSTGRES = "postgres", "Postgres", "postgresql://adreel:PASSWORD@db.example.com:5432/warehouse?sslmode=require"


_SCHEMES = {
    "duckdb": DestinationKind.DUCKDB,
    "postgresql": DestinationKind.POSTGRES,
    "postgres": DestinationKind.POSTGRES,
}


@dataclass(frozen=True, slots=True)
class DestinationAddress:
    """An address with its secrets, and as it may be shown."""

    kind: DestinationKind
    full: str
    shown: str

    @property
    def has_password(self) -> bool:
        """Whether the address has a password."""
        return urlsplit(self.full).password is not None


def read_address(text: str) -> DestinationAddress:
    """An address that a person typed. InputError, which never repeats it, if it cannot be one."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        kind = _SCHEMES.get(parts.scheme.lower())
        port = parts.port
    except ValueError:
        raise _unreadable() from None
    if kind is None or len(text) > LONGEST_ADDRESS:
        raise _unreadable()
    if kind is DestinationKind.DUCKDB:
        path = Path(parts.path)
        if parts.netloc or not path.is_absolute() or not path.name:
            raise InputError(
                phrase("The address of a DuckDB file has its whole path, as in: %(example)s", example=kind.example)
            )
        return DestinationAddress(kind, f"duckdb://{path}", f"duckdb://{path}")
    if not parts.hostname or not parts.path.strip("/"):
        raise InputError(
            phrase(
                "The address of a Postgres database has a host and a database, as in: %(example)s", example=kind.example
            )
        )
    if "password" in parse_qs(parts.query):
        raise InputError(phrase("Put the password before the host, as in: %(example)s", example=kind.example))
    user = f"{parts.username}@" if parts.username else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = f"postgresql://{user}{host}{f':{port}' if port else ''}{parts.path}"
    return DestinationAddress(kind, "postgresql" + text[len(parts.scheme) :], shown)


def _unreadable() -> InputError:
    examples = " ".join(kind.example for kind in DestinationKind)
    return InputError(phrase("This is not the address of a destination. Examples: %(examples)s", examples=examples))


@contextmanager
def open_session(kind: str, address: str) -> Iterator[DestinationSession]:
    """The destination at an address, open while the block runs. Errors as `DestinationSession`."""
    if kind == DestinationKind.DUCKDB:
        from adreel.destinations.duckdb_file import open_duckdb

        with open_duckdb(Path(urlsplit(address).path)) as file:
            yield file
    else:
        from adreel.destinations.postgres import open_postgres

        with open_postgres(address) as database:
            yield database
