"""Settings: each is declared once, in `SETTINGS`; the environment, adreel.env, the command line and the docs read it.

A plain frozen record and not pydantic-settings: that import costs 0.3 s of processor time at every start.
"""

from __future__ import annotations

import os
import re
import stat
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from adreel.errors import InputError, StorageError, did_you_mean

FILE_NAME = "adreel.env"
PREFIX = "ADREEL_"
LEVELS = ("basic", "advanced", "premium", "ultimate")
"""API levels of a TikTok app (source: TikTok's page "Rate limits")."""

LAKE_SCHEMES = ("file", "s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl")
DATABASE_SCHEMES = ("postgresql+psycopg", "postgresql", "postgres")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
SHORTEST_METRICS_TOKEN = 20
_FERNET_KEY_BYTES = 32
LEAST_QUERY_MEMORY = 128 << 20
LONGEST_QUERY = 86_400
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine to itself: no other listens in, and no other answers."""
SIMULATOR_PORT = 8766
"""The port of `adreel simulate` unless another is given."""


class Secret:
    """A text that shows itself only to who asks by name; equal to another with the same text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; keep it out of logs and messages."""
        return self._text

    def __bool__(self) -> bool:
        """Whether there is any text."""
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(hidden)" if self._text else "Secret(empty)"

    __str__ = __repr__


class Size(int):
    """A number of bytes that shows itself in MB of 2**20 bytes, or whole GB."""

    def __str__(self) -> str:
        return f"{self >> 30} GB" if self and not self % (1 << 30) else f"{self / (1 << 20):.6g} MB"


def _home(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise ValueError(text)
    return path


def _lake_url(text: str) -> str:
    if "://" not in text:
        return str(Path(text).expanduser().absolute())
    parts = urlsplit(text)
    # `.port` raises ValueError for what is no port, such as a password that is cut at a slash.
    valid = parts.scheme in LAKE_SCHEMES and (parts.netloc or parts.path.strip("/")) and parts.port != 0
    if not valid or parts.password is not None or parts.query or parts.fragment:
        raise ValueError(text)
    return text.rstrip("/")


def _database_url(text: str) -> Secret:
    """A Postgres address as SQLAlchemy reads it, by whichever of its three usual schemes."""
    if not text:
        return Secret("")
    parts = urlsplit(text)
    # `.port` raises ValueError for what is no port, such as a password that is cut at a slash.
    valid = parts.scheme in DATABASE_SCHEMES and parts.path.strip("/") and "/" not in parts.path[1:] and parts.port != 0
    if not valid or parts.fragment or re.search(r"\s", text):
        raise ValueError("not a Postgres address")
    return Secret(f"{DATABASE_SCHEMES[0]}{text[len(parts.scheme) :]}")


def _web_url(text: str) -> str:
    parts = urlsplit(text)
    valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    if not valid or parts.username or parts.password or parts.query or parts.fragment or re.search(r"\s", text):
        raise ValueError(text)
    return text.rstrip("/")


def _on_or_off(text: str) -> str:
    if text not in ("on", "off"):
        raise ValueError(text)
    return text


def _redirect_url(text: str) -> str:
    """To the letter as it was given: TikTok compares it with the app's own."""
    _web_url(text)
    return text


def _level(text: str) -> str:
    word = text.lower()
    if word not in LEVELS:
        number = float(word)
        if not isfinite(number) or number * 60 < 1:
            raise ValueError(text)
    return word


def _one_word(text: str) -> str:
    if re.search(r"\s", text):
        raise ValueError(text)
    return text


def _proxies(text: str) -> str:
    """Addresses and networks, each as Python writes it."""
    # Imported only here: a run has no use for it.
    from ipaddress import ip_address, ip_network

    parts = [part.strip() for part in text.split(",") if part.strip()]
    return ",".join(str(ip_network(part) if "/" in part else ip_address(part)) for part in parts)


def _log_level(text: str) -> str:
    word = text.lower()
    if word not in LOG_LEVELS:
        raise ValueError(text)
    return word


def _log_format(text: str) -> str:
    word = text.lower()
    if word not in LOG_FORMATS:
        raise ValueError(text)
    return word


def _metrics_token(text: str) -> Secret:
    if text and (len(text) < SHORTEST_METRICS_TOKEN or not text.isascii()):
        raise ValueError("too short")
    return _secret_word(text)


def _hosts(text: str) -> str:
    """Names of hosts, addresses and networks in lower case, separated by commas."""
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    if not all(re.fullmatch(r"[a-z0-9.:_-]+(/\d{1,3})?", word) for word in words):
        raise ValueError(text)
    for word in words:
        if "/" in word:
            # Imported only here: a run has no use for it.
            from ipaddress import ip_network

            ip_network(word)
    return ",".join(words)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3_600:
        raise ValueError(text)
    return seconds


def _secret_word(text: str) -> Secret:
    return Secret(_one_word(text))


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(text)
    return text


def _size(text: str) -> Size:
    match = re.fullmatch(r"(\d{1,7})\s*(MB|GB)", text, re.IGNORECASE)
    if match is None:
        raise ValueError(text)
    size = int(match[1]) << (20 if match[2].upper() == "MB" else 30)
    if size < LEAST_QUERY_MEMORY:
        raise ValueError(text)
    return Size(size)


def _query_seconds(text: str) -> int:
    seconds = int(text)
    if not 1 <= seconds <= LONGEST_QUERY:
        raise ValueError(text)
    return seconds


def _secret_keys(text: str) -> Secret:
    keys = [key.strip() for key in text.split(",") if key.strip()]
    for key in keys:
        if len(_decoded(key)) != _FERNET_KEY_BYTES:
            raise ValueError("not a Fernet key")
    return Secret(",".join(keys))


def _decoded(key: str) -> bytes:
    try:
        return urlsafe_b64decode(key)
    except Base64Error:
        return b""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its field in `Settings`, its variable, its default as the docs show it, and what is allowed.

    `read` turns a text into the value and raises ValueError for one that is not `allowed`.
    """

    name: str
    variable: str
    default: str
    help: str
    allowed: str
    read: Callable[[str], object]
    secret: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "home",
        "ADREEL_HOME",
        "",
        "Folder of accounts, datasets, runs and keys; default: the user's data folder.",
        "a folder, or a path where one can be created",
        _home,
    ),
    Setting(
        "lake_url",
        "ADREEL_LAKE_URL",
        "<home>/lake",
        "Location of the tables: a folder or an object store, with the store's own variables for credentials.",
        f"a path, or an address without credentials that begins with one of {', '.join(LAKE_SCHEMES)}://",
        _lake_url,
    ),
    Setting(
        "database_url",
        "ADREEL_DATABASE_URL",
        "",
        "Postgres database of accounts, datasets, runs, locks and request budgets; default: files in the home.",
        "an address such as postgresql+psycopg://user:password@host:5432/database, with special characters of the "
        "password as %XX",
        _database_url,
        secret=True,
    ),
    Setting(
        "tiktok_url",
        "ADREEL_TIKTOK_URL",
        "https://business-api.tiktok.com/open_api/v1.3",
        "Base address of TikTok's API, up to and with the version.",
        "an http or https address",
        _web_url,
    ),
    Setting(
        "tiktok_auth_url",
        "ADREEL_TIKTOK_AUTH_URL",
        "https://business-api.tiktok.com/portal/auth",
        "TikTok's consent page.",
        "an http or https address",
        _web_url,
    ),
    Setting(
        "tiktok_app_id",
        "ADREEL_TIKTOK_APP_ID",
        "",
        "ID of your app in TikTok's developer portal.",
        "one word, as the portal shows it",
        _one_word,
    ),
    Setting(
        "tiktok_secret",
        "ADREEL_TIKTOK_SECRET",
        "",
        "Secret of your app.",
        "one word, as the portal shows it",
        _secret_word,
        secret=True,
    ),
    Setting(
        "tiktok_level",
        "ADREEL_TIKTOK_LEVEL",
        "basic",
        "API level of your app, which sets its request limits.",
        f"{', '.join(LEVELS)}, or a number of requests per second (at least one a minute: 0.017)",
        _level,
    ),
    Setting(
        "gmv_max_check",
        "ADREEL_GMV_MAX_CHECK",
        "on",
        "Whether runs of basic reports look once a day for cost of GMV Max campaigns that no dataset reads.",
        "on or off",
        _on_or_off,
    ),
    Setting(
        "tiktok_redirect_url",
        "ADREEL_TIKTOK_REDIRECT_URL",
        "http://localhost:8765/callback",
        "Redirect URL after consent; one of those registered with your app.",
        "an http or https address",
        _redirect_url,
    ),
    Setting(
        "web_url",
        "ADREEL_WEB_URL",
        "http://localhost:8765",
        "Public address of the Data Center, used for sign-in and consent.",
        "an http or https address",
        _web_url,
    ),
    Setting(
        "proxies",
        "ADREEL_PROXIES",
        "",
        "Proxies in front of the Data Center whose forwarded client addresses are trusted.",
        "IP addresses and networks, separated by commas, such as 127.0.0.1,10.0.0.0/8",
        _proxies,
    ),
    Setting(
        "notification_hosts",
        "ADREEL_NOTIFICATION_HOSTS",
        "",
        "Hosts in private networks to which notifications of datasets and people may be sent.",
        "host names, IP addresses and networks, separated by commas, such as mail.internal,10.0.0.0/8",
        _hosts,
    ),
    Setting(
        "request_seconds",
        "ADREEL_REQUEST_SECONDS",
        "30",
        "Seconds to wait for the head of a request, and then for its body.",
        "a number above 0, at most 3600",
        _seconds,
    ),
    Setting(
        "secret_key",
        "ADREEL_SECRET_KEY",
        "",
        "Fernet keys that encrypt tokens, newest first; default: secret.key, created on first use.",
        "Fernet keys (32 bytes in URL-safe base64), separated by commas",
        _secret_keys,
        secret=True,
    ),
    Setting(
        "user",
        "ADREEL_USER",
        "",
        "User that commands run as; default: the operator of this machine, with full access.",
        "the name of a user",
        _one_line,
    ),
    Setting(
        "query_memory",
        "ADREEL_QUERY_MEMORY",
        "512 MB",
        "Memory limit of one SQL query on the Query page or over the API; two run at a time.",
        "a size from 128 MB, such as 512 MB or 2 GB",
        _size,
    ),
    Setting(
        "query_seconds",
        "ADREEL_QUERY_SECONDS",
        "20",
        "Time limit of one query on the Query page or over the API, in seconds.",
        "whole seconds, 1 to 86400",
        _query_seconds,
    ),
    Setting(
        "cli_query_memory",
        "ADREEL_CLI_QUERY_MEMORY",
        "2 GB",
        "Memory limit of the command `adreel query`.",
        "a size from 128 MB, such as 512 MB or 2 GB",
        _size,
    ),
    Setting(
        "cli_query_seconds",
        "ADREEL_CLI_QUERY_SECONDS",
        "3600",
        "Time limit of the command `adreel query`, in seconds.",
        "whole seconds, 1 to 86400",
        _query_seconds,
    ),
    Setting(
        "log_level",
        "ADREEL_LOG_LEVEL",
        "info",
        "Least level of the lines that servers, workers and runs log on stderr; debug adds each request to the server.",
        f"one of {', '.join(LOG_LEVELS)}",
        _log_level,
    ),
    Setting(
        "log_format",
        "ADREEL_LOG_FORMAT",
        "text",
        "Format of these lines.",
        f"one of {', '.join(LOG_FORMATS)}",
        _log_format,
    ),
    Setting(
        "metrics_token",
        "ADREEL_METRICS_TOKEN",
        "",
        "Bearer token that reads /metrics, besides the API tokens of administrators.",
        f"one word of at least {SHORTEST_METRICS_TOKEN} ASCII characters",
        _metrics_token,
        secret=True,
    ),
)
"""Every setting, in the order in which the docs list them."""

_HOME = SETTINGS[0]
_BY_VARIABLE: Mapping[str, Setting] = MappingProxyType({setting.variable: setting for setting in SETTINGS})


class Shown(NamedTuple):
    """A setting as a person may see it: a secret's `text` only says whether it is set."""

    setting: Setting
    text: str
    source: str


class _Given(NamedTuple):
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of this process. `warnings` are sentences for people; `sources` says where each value is from."""

    home: Path
    lake_url: str
    database_url: Secret
    tiktok_url: str
    tiktok_auth_url: str
    tiktok_app_id: str
    tiktok_secret: Secret
    tiktok_level: str
    gmv_max_check: str
    tiktok_redirect_url: str
    web_url: str
    proxies: str
    notification_hosts: str
    request_seconds: float
    secret_key: Secret
    user: str
    query_memory: Size
    query_seconds: int
    cli_query_memory: Size
    cli_query_seconds: int
    log_level: str
    log_format: str
    metrics_token: Secret
    warnings: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """The settings of `environ`, then of `<home>/adreel.env`, then the defaults; an empty value counts as not set.

        Raises InputError for a wrong value and for an unknown line of the file; an unknown ADREEL_ variable of the
        environment is a warning, since it may be meant for another program.
        """
        from_environ = {name: _Given(text.strip(), "environment") for name, text in environ.items()}
        home = _home_folder(from_environ)
        file = home / FILE_NAME
        given = _file_values(file) | {name: value for name, value in from_environ.items() if value.text}
        others = (setting for setting in SETTINGS if setting is not _HOME)
        values: dict[str, Any] = {setting.name: _value(setting, given, home) for setting in others}
        sources = {s.name: given[s.variable].source if s.variable in given else "default" for s in SETTINGS}
        warnings = (*_unknown(environ), *_mode_warning(file), *_clear_text(values["tiktok_url"]))
        return cls(home=home, **values, warnings=warnings, sources=sources)

    def shown(self) -> tuple[Shown, ...]:
        """Every setting with its value and source, in the order of `SETTINGS`."""
        return tuple(
            Shown(setting, _text(getattr(self, setting.name)), self.sources.get(setting.name, "given"))
            for setting in SETTINGS
        )


def _text(value: object) -> str:
    if isinstance(value, Secret):
        return "(set)" if value else ""
    return str(value)


def _home_folder(environ: Mapping[str, _Given]) -> Path:
    if _HOME.variable in environ and environ[_HOME.variable].text:
        return Path(_read(_HOME, environ[_HOME.variable]))
    # Imported only here: 0.04 s that a process with ADREEL_HOME need not pay.
    from platformdirs import user_data_path

    try:
        return user_data_path("adreel", appauthor=False)
    except RuntimeError:
        # As in a container: no HOME, and no line for the user in /etc/passwd.
        raise InputError("This user has no home folder; set ADREEL_HOME to a folder for adreel's files.") from None


def _value(setting: Setting, given: Mapping[str, _Given], home: Path) -> object:
    text = given.get(setting.variable)
    return _read(setting, text) if text else setting.read(setting.default.replace("<home>", str(home)))


def _read(setting: Setting, given: _Given) -> Any:
    try:
        return setting.read(given.text)
    except (ValueError, RuntimeError):
        # Without the cause, which carries the text.
        shown = "a value (not shown)" if setting.secret else repr(_without_credentials(given.text))
        where = "" if given.source == "environment" else f" ({given.source})"
        raise InputError(f"{setting.variable}{where} is {shown}; allowed: {setting.allowed}.") from None


def _without_credentials(url: str) -> str:
    """`url` without what is before an @ or after a question mark."""
    return re.sub(r"\?.*", "?...", re.sub(r"//.*@", "//...@", url, flags=re.DOTALL), flags=re.DOTALL)


def _file_values(path: Path) -> dict[str, _Given]:
    """The values of an adreel.env, or none if there is no such file. Messages name lines, never their content."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8; write KEY=VALUE lines.") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    values: dict[str, _Given] = {}
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        for name, text in _assignment(line, where):
            if name in values:
                raise InputError(f"{where}: {name} is set twice; keep one.")
            values[name] = _Given(text, where)
    return {name: value for name, value in values.items() if value.text}


def _assignment(line: str, where: str) -> Iterator[tuple[str, str]]:
    """The name and text of a line; nothing for an empty line and a comment."""
    line = line.strip()
    if not line or line.startswith("#"):
        return
    name, sign, text = line.removeprefix("export ").partition("=")
    name, text = name.strip(), text.strip()
    if not sign or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise InputError(f"{where}: this is not KEY=VALUE; write for example ADREEL_TIKTOK_APP_ID=1234567890.")
    if name == "ADREEL_HOME":
        raise InputError(
            f"{where}: ADREEL_HOME cannot be set in this file, which it locates; set it in the environment."
        )
    if name not in _BY_VARIABLE:
        raise InputError(f"{where}: unknown setting {name}.{_hint(name)}")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    yield name, text


def _hint(name: str) -> str:
    near = get_close_matches(name.upper(), _BY_VARIABLE, n=1)
    return did_you_mean(near) if near else f" There are {', '.join(_BY_VARIABLE)}."


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in _BY_VARIABLE:
            yield f"the environment variable {name} is not an adreel setting and is ignored.{_hint(name)}"


def _mode_warning(file: Path) -> Iterator[str]:
    if os.name == "posix" and file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield f"{file} can be read by other users of this machine; it may hold secrets: chmod 600 {file}"


def _clear_text(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        yield f"ADREEL_TIKTOK_URL is {url}: tokens are sent to {parts.hostname} without encryption; use https."
