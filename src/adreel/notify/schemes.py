"""Which addresses are allowed, what may be shown of them, and which parts of them are secret; without apprise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from adreel.errors import FieldError
from adreel.language import integer, phrase
from adreel.notify.mail import is_mail_address

SERVERS = (
    "mailto", "mailtos", "json", "jsons", "form", "forms", "xml", "xmls", "gotify", "gotifys", "matrix", "matrixs",
    "mmost", "mmosts", "rocket", "rockets", "workflow", "workflows",
)  # fmt: skip
"""Schemes whose host is a server, which may be shown."""

SERVICES = (
    "slack", "discord", "tgram", "gchat", "ntfy", "ntfys", "webex", "wxteams", "zulip", "twist", "flock", "pagerduty",
    "opsgenie", "pover", "splunk", "signl4", "squadcast", "feishu", "lark", "dingtalk", "wecombot", "line", "zoom",
)  # fmt: skip
"""Schemes of services whose first part is a token or a channel, which is not shown."""

SCHEMES = (*SERVERS, *SERVICES)
"""The allowed schemes of apprise. Not among them: files, desktop, system log, local devices and commands."""

OPTIONS = frozenset(
    {
        *("to", "from", "name", "user", "pass", "smtp", "mode", "cc", "bcc", "reply"),
        *("format", "overflow", "image", "footer", "verify", "method", "priority", "tags", "topic", "thread"),
        *("silent", "preview", "id", "token", "region", "cto", "rto", "timestamp", "channel", "avatar", "blocks"),
        *("bot", "key", "workspace", "sig", "sp", "sv", "api-version", "ver"),
    }
)
"""Options of an address. Others could make the server read a file (`template`, `pgppub`), or are not needed."""

WEBHOOK_HOSTS = re.compile(
    r"hooks\.slack(-gov)?\.com|discord(app)?\.com|chat\.googleapis\.com"
    r"|.+\.logic\.azure\.[a-z]{2,12}|.+\.(power|apps)platform(\.[a-z0-9-]{2,24}){1,3}",
    re.IGNORECASE,
)
"""Hosts whose https addresses apprise knows as those of services: Slack, Discord, Google Chat, and Teams workflows."""

LONGEST = 2_000

_HIDDEN = "****"
_SHORTEST_SECRET = 3


def read_url(text: str) -> str:
    """An address as a person gives it, checked. InputError, which never quotes it, if it is not allowed.

    An https address that a service gives for its webhooks stays as it is: apprise turns it into one of its own.
    """
    url = text.strip()
    if not url:
        raise FieldError(
            "url",
            phrase("The address is empty. Enter one such as mailto://user:password@example.org?to=ops@example.org"),
        )
    if is_mail_address(url):
        raise FieldError(
            "recipients",
            phrase(
                "An e-mail address needs its mail server, too: "
                "mailtos://user:password@mail.example.org?to=ops@example.org"
            ),
        )
    if len(url) > LONGEST or not url.isprintable() or re.search(r"\s", url):
        raise FieldError(
            "url",
            phrase(
                "The address must be one line without spaces, of at most %(characters)s characters.",
                characters=integer(LONGEST),
            ),
        )
    scheme = _scheme(url)
    if is_service_webhook(url):
        _check_options(url)
        return url
    if scheme in ("http", "https"):
        raise FieldError(
            "url",
            phrase(
                "Addresses do not begin with %(scheme)s://. For a webhook that receives JSON, enter "
                "%(json_scheme)s://host/path. For other services see docs/notifications.md.",
                scheme=scheme,
                json_scheme="jsons" if scheme == "https" else "json",
            ),
        )
    if scheme not in SCHEMES:
        raise FieldError(
            "url",
            phrase("The address must begin with one of %(schemes)s, followed by ://.", schemes=", ".join(SCHEMES)),
        )
    _check_options(url)
    return url


def is_service_webhook(url: str) -> bool:
    """Whether it is an https address of a service that apprise knows."""
    try:
        parts = urlsplit(url.strip())
        return parts.scheme == "https" and WEBHOOK_HOSTS.fullmatch(parts.hostname or "") is not None
    except ValueError:
        return False


def webhook_url(text: str) -> str:
    """The address of a webhook, such as https://hooks.example.org/path, as apprise's for JSON. FieldError."""
    url = text.strip()
    scheme = _scheme(url)
    if is_service_webhook(url) or scheme in ("json", "jsons"):
        return url
    if scheme not in ("http", "https") or not _parts(url).hostname or " " in url:
        raise FieldError("webhook", phrase("Webhook: enter an address such as https://hooks.example.org/path."))
    parts = _parts(url)
    # apprise sends on only those parameters that begin with a minus.
    query = "&".join(f"-{parameter}" for parameter in parts.query.split("&") if parameter)
    return urlunsplit((scheme.replace("http", "json"), parts.netloc, parts.path, query, ""))


def _check_options(url: str) -> None:
    for name, _ in parse_qsl(_parts(url).query, keep_blank_values=True):
        # Headers, form fields and parameters of a webhook begin with a sign; a plus is read as a space.
        if name.lower() not in OPTIONS and not name.startswith((" ", "+", "-", ":")):
            raise FieldError(
                "url",
                phrase(
                    "The option %(option)s of the address is not allowed. See docs/notifications.md.",
                    option=repr(name[:30]),
                ),
            )


def shown(url: str) -> str:
    """What may be shown of an address: the scheme, and the host where that is a server."""
    scheme = _scheme(url)
    host = _parts(url).hostname if scheme in SERVERS else None
    return f"{scheme}://{host or _HIDDEN}" + (f"/{_HIDDEN}" if host else "")


def as_webhook(address: str) -> str:
    """An address as it is shown, a webhook for JSON by the address that its server has and people enter."""
    scheme, mark, rest = address.partition("://")
    return {"json": "http", "jsons": "https"}.get(scheme, scheme) + mark + rest


def redacted(text: str, url: str) -> str:
    """A text, such as an error of a server, without the parts of the address."""
    for secret in sorted(set(_secrets(url)), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def _secrets(url: str) -> Iterator[str]:
    """All that is in an address but its scheme and, where it is shown, its host."""
    parts = _parts(url)
    yield url
    host = parts.hostname or ""
    words = [parts.username, parts.password, parts.fragment, parts.path, parts.query, *parts.path.split("/")]
    words += [value for _, value in parse_qsl(parts.query)]
    if parts.scheme.lower() not in SERVERS:
        words += [host, parts.netloc, parts.netloc.rpartition("@")[2], *re.split("[:@]", parts.netloc)]
    is_shown = parts.scheme.lower() in SERVERS
    for word in filter(None, words):
        for form in (word, unquote(word)):
            is_host = form.lower() == host.lower()
            if (is_host and not is_shown) or (not is_host and len(form) >= _SHORTEST_SECRET):
                yield form


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        # Raises ValueError for what is no port; a service has a token in its place.
        _ = parts.port if parts.scheme.lower() in SERVERS else None
    except ValueError:
        raise FieldError(
            "url",
            phrase(
                "The address cannot be read. Encode special characters of user names and passwords, such as %%40 for @."
            ),
        ) from None
    return parts
