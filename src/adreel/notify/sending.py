"""Sends one message in a process of its own (see `child.py`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adreel.errors import FieldError
from adreel.language import phrase
from adreel.notify.schemes import redacted
from adreel.settings import Settings
from adreel.stored_texts import translated

SECONDS = 60.0
"""How long one message may take; apprise itself gives up a connection after 4 to 15 seconds."""

_PASSED = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
           "http_proxy", "https_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "SYSTEMROOT")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """A message as plain text; `over` says that it brings good news.

    `attachments` are files that go along where the service takes any.
    """

    title: str
    body: str
    over: bool = False
    attachments: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether the server accepted a message; if not, what came back, without secrets."""

    accepted: bool
    reason: str = ""


Send = Callable[[str, Message, bool], Outcome]
"""Sends a message to a URL. The last argument: the address is the workspace's, and may be in a private network."""


def sender(settings: Settings) -> Send:
    """Sends for real."""
    allowed = [word for word in settings.notification_hosts.split(",") if word]

    def send(url: str, message: Message, private: bool) -> Outcome:
        order = {"url": url, "title": message.title, "body": message.body, "over": message.over}
        order["attachments"] = [str(path) for path in message.attachments]
        answer = _asked({**order, "allowed": allowed, "private": private})
        if answer is None:
            return Outcome(
                False, phrase("The server did not answer within %(seconds)s seconds.", seconds=format(SECONDS, ".0f"))
            )
        if answer.get("accepted"):
            return Outcome(True)
        reason = translated(redacted(str(answer.get("reason", "")), url).strip())
        reason = reason or phrase("The server did not accept the message.")
        if answer.get("refused"):
            reason = " ".join(
                (reason, phrase("To allow it, an administrator adds the host to ADREEL_NOTIFICATION_HOSTS."))
            )
        return Outcome(False, reason)

    return send


def check_url(url: str) -> str:
    """The address in apprise's own form, if it is a service's https address; else as it is. Nothing is sent.

    Raises InputError, without the address, if apprise cannot read it.
    """
    answer = _asked({"url": url, "title": "", "body": "", "over": False, "allowed": [], "private": False})
    if answer is None or not answer.get("accepted"):
        reason = translated(redacted(str((answer or {}).get("reason", "")), url))
        message = phrase(
            "The address is incomplete or not valid for %(scheme)s://. Copy it again from the service; "
            "docs/notifications.md has examples.",
            scheme=url.partition("://")[0],
        )
        raise FieldError("url", f"{message} ({reason})" if reason else message)
    return str(answer["url"]) if url.startswith("https://") else url


def _asked(order: dict[str, object]) -> dict[str, object] | None:
    """The answer of the process; None if it took too long. Secrets pass through its stdin only."""
    environ = {name: os.environ[name] for name in _PASSED if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "adreel.notify.child"],
            input=json.dumps(order).encode(),
            env=environ,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        # Not its error output, which may quote the address.
        return {
            "accepted": False,
            "reason": phrase("The sending process ended with exit code %(exit_code)s.", exit_code=done.returncode),
        }
    # Plugins may print; the answer is the last line.
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer
