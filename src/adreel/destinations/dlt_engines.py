"""From the address of a destination to dlt's own destination, and how the SQL of each database words things."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from adreel.destinations.figures import SqlWords
from adreel.destinations.kinds import DestinationKind
from adreel.errors import InputError
from adreel.language import phrase

CHARACTERS = "char_length({})"
BIT = "{} = 1"


@dataclass(frozen=True, slots=True)
class Engine:
    """A database as dlt knows it.

    `build` gives dlt's destination for an address and further options. `workers` load jobs run at a time. Where it
    `has_clock_times`, hours of ad accounts have no zone; elsewhere they show the same clock in UTC.
    """

    build: Callable[[Any, SplitResult, Mapping[str, Any]], Any]
    words: SqlWords
    workers: int = 4
    has_clock_times: bool = True


def destination_of(engine: Engine, address: str, options: Mapping[str, Any]) -> Any:
    """The destination as dlt has it. InputError for an address that lacks something. dlt has to be set up before."""
    import dlt

    return engine.build(dlt.destinations, urlsplit(address), options)


def _query(parts: SplitResult) -> dict[str, str]:
    return dict(parse_qsl(parts.query))


def _url(parts: SplitResult, scheme: str, **defaults: str) -> str:
    """The address with another scheme, and with options that it does not name itself."""
    return parts._replace(scheme=scheme, query=urlencode(defaults | _query(parts))).geturl()


def _bigquery(destinations: Any, parts: SplitResult, options: Mapping[str, Any]) -> Any:
    query = _query(parts)
    key = query.get("key")
    credentials: Any = {"project_id": parts.hostname}
    if key is not None:
        try:
            credentials = json.loads(base64.b64decode(key.replace(" ", "+"), validate=True)) | credentials
        except (binascii.Error, ValueError):
            raise InputError(
                phrase(
                    "The key in the address is not that of a Google service account. Encode its file: %(command)s",
                    command="base64 -w0 key.json",
                )
            ) from None
    return destinations.bigquery(credentials=credentials, location=query.get("location", "US"), **options)


def _databricks(destinations: Any, parts: SplitResult, options: Mapping[str, Any]) -> Any:
    credentials = {
        "catalog": parts.path.strip("/"),
        "server_hostname": parts.hostname,
        "http_path": _query(parts).get("http_path"),
        "access_token": unquote(parts.password or ""),
        "session_timezone": "UTC",
    }
    return destinations.databricks(credentials=credentials, **options)


def _clickhouse(destinations: Any, parts: SplitResult, options: Mapping[str, Any]) -> Any:
    query = _query(parts)
    secure = query.get("secure", "1")
    credentials = {
        "host": parts.hostname,
        "port": parts.port or (9440 if secure == "1" else 9000),
        "http_port": int(query.get("http_port", 8443 if secure == "1" else 8123)),
        "username": unquote(parts.username or "default"),
        "password": unquote(parts.password or ""),
        "database": parts.path.strip("/"),
        "secure": int(secure),
    }
    return destinations.clickhouse(credentials=credentials, **options)


def _motherduck(destinations: Any, parts: SplitResult, options: Mapping[str, Any]) -> Any:
    query = _query(parts)
    token = query.get("token") or query.get("motherduck_token")
    if not token:
        raise InputError(phrase("The address of MotherDuck needs a token, as in: %(example)s", example="?token=TOKEN"))
    credentials = {"database": parts.path.strip("/"), "password": token}
    return destinations.motherduck(credentials=credentials, **options)


def _sqlite(destinations: Any, parts: SplitResult, options: Mapping[str, Any]) -> Any:
    path = Path(parts.path)
    if not path.parent.is_dir():
        raise InputError(
            phrase("The folder %(folder)s does not exist; create it, or use another one.", folder=path.parent)
        )
    return destinations.sqlalchemy(credentials=f"sqlite:///{path}", **options)


def _mysql(destinations: Any, parts: SplitResult, options: Mapping[str, Any]) -> Any:
    # Databases that are made have all characters, and tell "a" from "A", whatever the server does otherwise.
    order = "SET SESSION collation_server = utf8mb4_bin"
    url = _url(parts, "mysql+pymysql", charset="utf8mb4", init_command=order)
    return destinations.sqlalchemy(credentials=url, **options)


def _by_url(name: str) -> Callable[[Any, SplitResult, Mapping[str, Any]], Any]:
    """An engine of dlt's that reads addresses as we do."""

    def build(destinations: Any, parts: SplitResult, options: Mapping[str, Any]) -> Any:
        return getattr(destinations, name)(credentials=_url(parts, name), **options)

    return build


_SERVER = SqlWords(CHARACTERS, utc="{}")
_MICROSOFT = SqlWords(None, BIT, "{}")
"""LEN counts neither blanks at the end nor characters beyond 16 bits as others do."""

ENGINES: Mapping[DestinationKind, Engine] = {
    DestinationKind.BIGQUERY: Engine(_bigquery, _SERVER, has_clock_times=False),
    DestinationKind.SNOWFLAKE: Engine(_by_url("snowflake"), SqlWords("length({})", utc="{}")),
    DestinationKind.REDSHIFT: Engine(_by_url("redshift"), _SERVER),
    DestinationKind.DATABRICKS: Engine(_databricks, _SERVER),
    DestinationKind.CLICKHOUSE: Engine(_clickhouse, SqlWords(CHARACTERS, utc="{}", day="toDate({})")),
    DestinationKind.MSSQL: Engine(_by_url("mssql"), _MICROSOFT),
    DestinationKind.SYNAPSE: Engine(_by_url("synapse"), _MICROSOFT),
    DestinationKind.MOTHERDUCK: Engine(_motherduck, SqlWords(CHARACTERS)),
    DestinationKind.SQLITE: Engine(_sqlite, SqlWords("length({})", BIT, "{}", "date({})"), workers=1),
    DestinationKind.MYSQL: Engine(_mysql, SqlWords(CHARACTERS, BIT, "{}")),
}
