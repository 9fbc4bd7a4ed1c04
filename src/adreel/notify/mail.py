"""E-mail addresses as people fill them in, and the apprise URLs that they become."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from adreel.enumerations import TextEnum
from adreel.errors import FieldError
from adreel.language import Phrase, phrase

SCHEMES = ("mailto", "mailtos")

MOST_RECIPIENTS = 20

_MAIL_ADDRESS = re.compile(r"[^\s@,;:/?#&<>\"]+@[^\s@,;:/?#&<>\"]+\.[^\s@,;:/?#&<>\".]+")
_HOST = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}")


class Security(TextEnum):
    """How the connection to a mail server is encrypted: apprise's scheme and mode, and the usual port."""

    label: str
    scheme: str
    mode: str
    port: int

    STARTTLS = "starttls", "STARTTLS", "mailtos", "starttls", 587
    TLS = "tls", "TLS", "mailtos", "ssl", 465
    NONE = "none", Phrase("Not encrypted"), "mailto", "insecure", 25


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server as it is typed. `port` may be empty for the usual one, and `sender` if the user is an address."""

    host: str
    port: str = ""
    security: str = Security.STARTTLS
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""


def is_mail_address(text: str) -> bool:
    """Whether the text is one e-mail address, and no URL."""
    return _MAIL_ADDRESS.fullmatch(text.strip().removeprefix("mailto:")) is not None


def read_recipients(text: str) -> tuple[str, ...]:
    """E-mail addresses, separated by commas, semicolons or blanks. Raises FieldError."""
    recipients = tuple(dict.fromkeys(word for word in re.split(r"[\s,;]+", text) if word))
    if not recipients:
        raise FieldError("recipients", phrase("Recipients: enter an e-mail address, such as ada@example.org."))
    for recipient in recipients:
        if not is_mail_address(recipient):
            raise FieldError(
                "recipients",
                phrase(
                    "Recipients: %(recipient)s is not an e-mail address such as ada@example.org.",
                    recipient=repr(recipient[:60]),
                ),
            )
    if len(recipients) > MOST_RECIPIENTS:
        raise FieldError(
            "recipients", phrase("Recipients: enter at most %(recipients)s addresses.", recipients=MOST_RECIPIENTS)
        )
    return recipients


def mail_url(server: MailServer, recipients: tuple[str, ...]) -> str:
    """The apprise URL that sends to these recipients through the server. Raises FieldError."""
    host, typed_port = _host(server)
    security = Security(server.security) if server.security in set(Security) else Security.STARTTLS
    port = _port(typed_port) if typed_port else security.port
    user, password = server.user.strip(), server.password
    if password and not user:
        raise FieldError("user", phrase("User: enter the user of the mail server to whom the password belongs."))
    sender = _sender(server)
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else f"{quote(user, safe='')}@"
    options = {"smtp": host, "mode": security.mode, "from": sender, "to": ",".join(recipients)}
    return f"{security.scheme}://{login if user else ''}{host}:{port}?{urlencode(options)}"


def readdressed(url: str, recipients: tuple[str, ...]) -> str:
    """The apprise URL of the same mail server, user and sender to other recipients."""
    parts = urlsplit(url)
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name.lower() not in ("to", "cc", "bcc")
    ]
    query = urlencode([*kept, ("to", ",".join(recipients))])
    return urlunsplit((parts.scheme, parts.netloc, "", query, ""))


def _host(server: MailServer) -> tuple[str, str]:
    """The host and the port, which may be typed with the host."""
    host, _, port = server.host.strip().partition(":")
    if not _HOST.fullmatch(host):
        raise FieldError("host", phrase("Mail server: enter its name, such as smtp.example.org."))
    return host, server.port.strip() or port


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65_536:
        raise FieldError("port", phrase("Port: enter a number from 1 to 65535, or leave it empty for the usual one."))
    return int(text)


def _sender(server: MailServer) -> str:
    """The address of the sender: as typed, else the user if that is one."""
    sender = server.sender.strip() or server.user.strip()
    if not is_mail_address(sender):
        raise FieldError(
            "sender", phrase("Sender: enter the e-mail address that messages come from, such as adreel@example.org.")
        )
    return sender
