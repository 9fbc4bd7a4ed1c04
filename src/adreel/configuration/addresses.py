"""Addresses of destinations and notifications, taken apart into what files may show and the secret."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from adreel.notify.mail import SCHEMES as MAIL_SCHEMES

HIDDEN = "****"

_PUBLIC_OPTIONS = {
    "postgresql": frozenset(
        {
            *("sslmode", "sslrootcert", "connect_timeout", "application_name", "target_session_attrs"),
            *("channel_binding", "gssencmode"),
        }
    ),
    **dict.fromkeys(MAIL_SCHEMES, frozenset({"to", "from", "name", "smtp", "mode", "cc", "bcc", "reply"})),
}
"""Options without secrets, of the schemes whose addresses are shown but for the password."""


@dataclass(frozen=True, slots=True)
class AddressParts:
    """An address as a secret between two texts that files may show; `secret` is decoded, None for an address without.

    Addresses whose other parts may be secrets, too, are one secret. Two addresses are the same if their parts are.
    """

    before: str
    secret: str | None
    after: str

    @property
    def is_whole(self) -> bool:
        """Whether all of it is secret."""
        return self.secret is not None and not self.before and not self.after

    def shown(self, otherwise: str) -> str:
        """The address for a plan; `otherwise` is what may be shown of one that is secret as a whole."""
        return otherwise if self.is_whole else self.before + (HIDDEN if self.secret is not None else "") + self.after


def parts_of(url: str) -> AddressParts:
    """The parts of an address as the store keeps it."""
    scheme = url.partition("://")[0]
    if scheme == "duckdb":
        return AddressParts(url, None, "")
    if scheme not in _PUBLIC_OPTIONS:
        return AddressParts("", url, "")
    split = urlsplit(url)
    options = {name for name, _ in parse_qsl(split.query, keep_blank_values=True)}
    if not options <= _PUBLIC_OPTIONS[scheme] or split.fragment:
        return AddressParts("", url, "")
    user, has_host, _ = split.netloc.rpartition("@")
    name, has_password, password = user.partition(":")
    if not has_host or not has_password:
        return AddressParts(url, None, "")
    before = f"{scheme}://{name}:"
    return AddressParts(before, unquote(password), url[len(before) + len(password) :])
