"""The process that sends one message: `python -m adreel.notify.child`, with the order as JSON on stdin.

A process of its own, so that apprise takes no memory of the worker, a server that never answers can be given up, and
every connection can be looked at: Python's audit events name the address that is connected to, also after a redirect
or a changed DNS entry. The answer is JSON on stdout: whether the message was accepted, and what apprise said.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from adreel.language import phrase

LONGEST_REASON = 500

DETAILS = ("Socket Exception", "SMTP", "Response Details", "Connection", "Exception")
"""How lines begin that say more than apprise's warnings."""


class _FailureLines(logging.Handler):
    """Keeps what apprise says of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a warning, and a line of details."""
        text = " ".join(record.getMessage().split())
        if text == "Response Details: b''":
            return
        if record.levelno >= logging.WARNING or text.startswith(DETAILS):
            self.lines.append(text)


class _ConnectionCheck:
    """Refuses connections to addresses in private networks, except for those that are allowed."""

    def __init__(self, allowed: list[str], *, private: bool) -> None:
        """`allowed` are host names, addresses and networks; `private` allows all but link-local addresses."""
        self._private = private
        self._networks = []
        self._names = set()
        for word in allowed:
            try:
                self._networks.append(ip_network(word))
            except ValueError:
                self._names.add(word)
        self.refused = ""

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python's audit hook."""
        if event == "socket.connect" and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
            self._check(str(arguments[1][0]))
        elif event == "socket.connect" or event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
            self.refused = phrase("a connection within the machine")
            raise PermissionError(self.refused)

    def _check(self, host: str) -> None:
        address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if not self._allows(address):
            self.refused = phrase("%(address)s is in a private network", address=address)
            raise PermissionError(self.refused)

    def _allows(self, address: IPv4Address | IPv6Address) -> bool:
        if any(address in network for network in self._networks):
            return True
        if self._names and address in _addresses(self._names):
            return True
        if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
            return False
        return address.is_global or self._private


def _addresses(names: set[str]) -> set[IPv4Address | IPv6Address]:
    """The addresses of these hosts, which are looked up only if one of them may be meant."""
    addresses: set[IPv4Address | IPv6Address] = set()
    for name in names:
        try:
            addresses |= {ip_address(str(entry[4][0]).partition("%")[0]) for entry in socket.getaddrinfo(name, None)}
        except OSError:
            continue
    return addresses


def send(order: dict[str, Any]) -> dict[str, Any]:
    """Sends one message; without a title, only checks the address."""
    # Imported here: it takes 0.3 s, in no other process.
    import apprise

    asset = apprise.AppriseAsset(
        app_id="adreel", app_desc="adreel", app_url="", image_url_mask="", image_url_logo="", image_path_mask=False
    )
    logger, lines = logging.getLogger("apprise"), _FailureLines()
    logger.handlers, logger.propagate = [lines], False
    logger.setLevel(logging.DEBUG)
    plugin: Any = apprise.Apprise.instantiate(order["url"], asset=asset, suppress_exceptions=True)
    if plugin is None:
        return {"accepted": False, "invalid": True, "reason": " ".join(lines.lines)[-LONGEST_REASON:]}
    if not order["title"]:
        return {"accepted": True, "reason": "", "url": plugin.url(privacy=False)}
    gate = _ConnectionCheck(order["allowed"], private=order["private"])
    sys.addaudithook(gate.hook)
    if type(plugin).__name__ == "NotifyEmail":
        plugin.notify_format = apprise.NotifyFormat.TEXT
    if len(order["body"]) > plugin.body_maxlen:
        plugin.overflow_mode = apprise.OverflowMode.SPLIT
    sender = apprise.Apprise(asset=asset)
    sender.add(plugin)
    lines.lines.clear()
    kind = apprise.NotifyType.SUCCESS if order["over"] else apprise.NotifyType.WARNING
    accepted = sender.notify(
        body=order["body"],
        title=order["title"],
        notify_type=kind,
        body_format=apprise.NotifyFormat.TEXT,
        attach=_attachments(order.get("attachments", ()), plugin.attachment_support),
    )
    reason = " ".join(dict.fromkeys(lines.lines))[:LONGEST_REASON]
    if gate.refused:
        reason = phrase("The connection was refused: %(reason)s.", reason=gate.refused)
    return {"accepted": bool(accepted), "refused": bool(gate.refused), "reason": reason}


def _attachments(paths: Sequence[str], supported: bool) -> Any:
    """The files as apprise has them; none for a service that takes no files."""
    from apprise import AppriseAttachment
    from apprise.attachment.file import AttachFile

    attached_file: Any = AttachFile
    if not paths or not supported:
        return None
    attachments = AppriseAttachment()
    for path in paths:
        attachments.add(attached_file(path))
    return attachments


def main() -> None:
    """Reads the order from stdin and writes the answer to stdout."""
    answer = send(json.load(sys.stdin))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
