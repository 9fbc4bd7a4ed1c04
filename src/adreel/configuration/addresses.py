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

_ON_DISK = frozenset({"duckdb", "sqlite", "parquet", "delta", "iceberg"})
"""Schemes whose addresses are paths, without any secret."""


@dataclass(frozen=True, slots=True)
class AddressParts:
    """An address as a secret between two texts that files may show; `secret` is decoded, None for an address without.

    Addresses whose other parts may be secrets, too, are one secret. Two addresses are the same if their parts are.
    `is_public`: the two texts may be shown to people who did not write them.
    """

    before: str
    secret: str | None
    after: str
    is_public: bool

    def shown(self, otherwise: str) -> str:
        """The address for a plan; `otherwise` is what may be shown of one that is not public."""
        return self.before + (HIDDEN if self.secret is not None else "") + self.after if self.is_public else otherwise


def parts_of(url: str) -> AddressParts:
    """The parts of an address as the store keeps it."""
    scheme = url.partition("://")[0]
    if scheme in _ON_DISK and "?" not in url:
        return AddressParts(url, None, "", is_public=True)
    if scheme not in _PUBLIC_OPTIONS:
        return AddressParts("", url, "", is_public=False)
    # Who else may see that an address is there may not see the recipients of e-mails.
    is_public = scheme not in MAIL_SCHEMES
    split = urlsplit(url)
    options = {name for name, _ in parse_qsl(split.query, keep_blank_values=True)}
    if not options <= _PUBLIC_OPTIONS[scheme] or split.fragment:
        return AddressParts("", url, "", is_public=False)
    user, has_host, _ = split.netloc.rpartition("@")
    name, has_password, password = user.partition(":")
    if not has_host or not has_password:
        return AddressParts(url, None, "", is_public)
    before = f"{scheme}://{name}:"
    return AddressParts(before, unquote(password), url[len(before) + len(password) :], is_public)
