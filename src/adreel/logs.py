"""The log of a process: Python's logging on one stream, as lines of text or JSON, and without secrets.

`set_up_logs` is called once by processes that run for long: the server, the worker, and the process of a run. Other
code only logs by `logger_of(__name__)`, with values in `extra` or in a `log_fields` block around it.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TextIO
from urllib.parse import quote, quote_plus, unquote, urlsplit

from adreel.settings import SETTINGS, Secret, Settings

FIELDS = (
    "run_id",
    "dataset",
    "worker",
    "request_id",
    "method",
    "path",
    "status",
    "state",
    "rows",
    "requests",
    "error_id",
    "duration_seconds",
)
"""What a line may have besides time, level, logger and message, in this order."""

MASK = "***"
"""Stands where a secret was."""

_SHORTEST_SECRET = 4

_ours = logging.getLogger("adreel")
_fields: ContextVar[Mapping[str, object]] = ContextVar("adreel_log_fields", default=MappingProxyType({}))


def logger_of(module: str) -> logging.Logger:
    """The logger of a module, which is silent in a process without a set-up: a command says itself what it says."""
    if not _ours.handlers:
        _ours.addHandler(logging.NullHandler())
    return logging.getLogger(module)


@contextmanager
def log_fields(**fields: object) -> Iterator[None]:
    """Adds fields to every line that this thread or task logs meanwhile; names are of `FIELDS`."""
    assert fields.keys() <= set(FIELDS), "a field that the log has"
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def set_up_logs(settings: Settings, stream: TextIO) -> None:
    """From now on this process logs to the stream: adreel from the level of the settings, libraries from warnings.

    Errors of threads go there too. A stream that cannot be written, such as a closed terminal, is no error.
    """
    root = logging.getLogger()
    root.handlers[:] = [log_handler(settings, stream)]
    root.setLevel(logging.WARNING)
    _ours.setLevel(settings.log_level.upper())
    logging.raiseExceptions = False
    threading.excepthook = _log_of_thread


def log_handler(settings: Settings, stream: TextIO) -> logging.Handler:
    """A handler that writes lines in the format of the settings."""
    handler = logging.StreamHandler(stream)
    redaction = Redaction.of(settings)
    handler.setFormatter(_JsonLines(redaction) if settings.log_format == "json" else _TextLines(redaction))
    return handler


def _log_of_thread(fault: threading.ExceptHookArgs) -> None:
    if fault.exc_value is not None:
        name = fault.thread.name if fault.thread else "unknown"
        _ours.error("Unexpected error in thread %s", name, exc_info=fault.exc_value)


class Redaction:
    """Takes secrets out of texts: those that this process was given, and everything that has the shape of one.

    Shapes: names such as `access_token` with a value; bearer and basic authorization, and cookies; user and password
    of an address, its query (where signed addresses have their signature), and all of an address of a notification;
    tokens of TikTok, adreel and AWS; Fernet keys and what they encrypt; private keys. Rather too much than too little.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets` are hidden whatever their shape, also where an address quotes them."""
        texts = {text for secret in secrets if len(secret) >= _SHORTEST_SECRET for text in _spellings(secret)}
        self._texts = sorted(texts, key=len, reverse=True)

    @classmethod
    def of(cls, settings: Settings) -> Redaction:
        """For the secrets of these settings."""
        values = (getattr(settings, setting.name) for setting in SETTINGS if setting.secret)
        return cls(part for value in values if isinstance(value, Secret) for part in _parts(value.reveal()))

    def __call__(self, text: str) -> str:
        """`text` with a mask in place of each secret."""
        for secret in self._texts:
            text = text.replace(secret, MASK)
        text = _ADDRESS.sub(_address, text)
        for shape, replacement in _SHAPES:
            text = shape.sub(replacement, text)
        return text


def _parts(secret: str) -> Iterator[str]:
    """The secret, each of several keys, and the password of an address."""
    yield secret
    yield from (part.strip() for part in secret.split(","))
    if "://" in secret:
        password = urlsplit(secret).password
        if password:
            yield password


def _spellings(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), quote_plus(secret), unquote(secret)}


_NAME = (
    r"(?:access|refresh|auth|api|session|security|sas|id)[-_]?token|auth[-_]?code|credentials?|passw(?:or)?d|pwd"
    r"|secret[-_]?(?:access[-_]?)?key|(?:api|account|private|encryption|access)[-_]?key(?:[-_]?id)?|signature|secret|token"
    r"|adreel_session"
)
# Between a name and its value: `=` or `:`, or a comma between two quoted texts, as in a list of headers.
_SIGN = r"""(?:["']?\s*(?:=>|[:=])\s*b?|["']\s*,\s*b?(?=["']))"""
_VALUE = r"""(?:"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|[^\s"'&,;)}\]]+)"""
_PLAIN_SCHEMES = re.compile(r"https?|file|s3a?|gs|az|azure|abfss?|adl|postgres(?:ql)?(?:\+\w+)?|sqlite", re.IGNORECASE)
# Services whose addresses are secrets themselves.
_NOTIFIED = re.compile(r"\b(?:slack|discord|discordapp|office|telegram|logic\.azure)\.", re.IGNORECASE)

_ADDRESS = re.compile(r"(?<![\w+.-])([A-Za-z][\w+.-]*)://([^\s\"'<>]*)")

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
    (re.compile(rf"((?:proxy-)?authorization|(?:set-)?cookie)({_SIGN})[^\r\n]*", re.IGNORECASE), rf"\1\2{MASK}"),
    (re.compile(r"(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    # The query of a path.
    (re.compile(r"(?<![^\s\"'])(/[^\s?\"']*)\?[^\s\"']+"), rf"\1?{MASK}"),
    (re.compile(rf"({_NAME})({_SIGN}){_VALUE}", re.IGNORECASE), rf"\1\2{MASK}"),
    (re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}"), MASK),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{40,}"), MASK),
    # Random texts in URL-safe base64: API tokens, sessions, Fernet keys, and what these encrypt.
    (re.compile(r"(?<![\w-])(?=[\w-]*?[a-z])(?=[\w-]*?[A-Z])[\w-]{40,}={0,2}"), MASK),
)


def _address(match: re.Match[str]) -> str:
    """An address without user and password, and without its query, or only its beginning if it is of a notification."""
    scheme, rest = match.groups()
    if not _PLAIN_SCHEMES.fullmatch(scheme):
        return f"{scheme}://{MASK}"
    # A password may have any character.
    _, at, rest = rest.rpartition("@")
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    if _NOTIFIED.search(host):
        path = MASK
    query = f"?{MASK}" if re.search(r"[?#]", rest) else ""
    return f"{scheme}://{MASK if at else ''}{at}{host}{slash}{path}{query}"


class _Lines(logging.Formatter):
    """What both formats have in common; the time is UTC."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def _time(self, record: logging.LogRecord) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _message(self, record: logging.LogRecord) -> str:
        return self._redaction(record.getMessage())

    def _values(self, record: logging.LogRecord) -> dict[str, str | int | float]:
        context = _fields.get()
        values = {name: getattr(record, name, context.get(name)) for name in FIELDS}
        return {
            name: value if isinstance(value, int | float) else self._redaction(str(value))
            for name, value in values.items()
            if value is not None and value != ""
        }

    def _trace(self, record: logging.LogRecord) -> str:
        if not record.exc_info or record.exc_info[0] is None:
            return ""
        return self._redaction(self.formatException(record.exc_info))


class _TextLines(_Lines):
    """A line of text for each record, and the lines of a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text. Control characters are escaped, so that no message can look like another line."""
        words = [self._time(record), record.levelname, record.name, _visible(self._message(record))]
        words += [f"{name}={_word(str(value))}" for name, value in self._values(record).items()]
        trace = self._trace(record)
        return " ".join(words) + "".join(f"\n  {_visible(line)}" for line in trace.splitlines())


class _JsonLines(_Lines):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, object] = {
            "time": self._time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
            **self._values(record),
        }
        trace = self._trace(record)
        return json.dumps(line | {"exception": trace} if trace else line)


def _visible(text: str) -> str:
    """`text` with control characters, line ends and what cannot be encoded as escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _word(text: str) -> str:
    """`text` without control characters, in quotes if it is not one word."""
    shown = _visible(text)
    return f'"{shown}"' if " " in shown else shown
