"""The kinds of destinations: how their addresses are written, and what has to be installed for them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from adreel.destinations.session import DestinationSession
from adreel.enumerations import TextEnum
from adreel.errors import InputError
from adreel.language import Phrase, phrase

LONGEST_ADDRESS = 10_000
"""Keys of service accounts are part of addresses."""


class DeliveryWay(Enum):
    """How rows get to a kind of destination."""

    SESSION = "rows, proof and mark in one transaction of ours"
    DLT = "by dlt's load jobs and merge statements"
    FILES = "as files in a folder or an object store"


class DestinationKind(TextEnum):
    """A kind of destination; `label` names it to a person, `example` is an address of it.

    `modules` have to be there, which the package's `extra` installs. `way` says how rows get there. `schema` is that of
    its tables where people cannot choose one.
    """

    label: str
    example: str
    way: DeliveryWay
    extra: str
    modules: tuple[str, ...]
    schema: str

    DUCKDB = "duckdb", Phrase("DuckDB file"), "duckdb:///srv/data/warehouse.duckdb", DeliveryWay.SESSION
    POSTGRES = (
        "postgres",
        "Postgres",
        "postgresql://adreel:PASSWORD@db.example.com:5432/warehouse?sslmode=require",
        DeliveryWay.SESSION,
        "postgres",
        ("adbc_driver_postgresql",),
    )
    BIGQUERY = (
        "bigquery",
        "BigQuery",
        "bigquery://my-project?location=EU&key=BASE64_OF_THE_KEY_FILE",
        DeliveryWay.DLT,
        "bigquery",
        ("dlt", "google.cloud.bigquery"),
    )
    SNOWFLAKE = (
        "snowflake",
        "Snowflake",
        "snowflake://adreel:PASSWORD@ACCOUNT/DATABASE?warehouse=LOADING&role=ADREEL",
        DeliveryWay.DLT,
        "snowflake",
        ("dlt", "snowflake.connector"),
    )
    REDSHIFT = (
        "redshift",
        "Redshift",
        "redshift://adreel:PASSWORD@cluster.example.com:5439/warehouse",
        DeliveryWay.DLT,
        "redshift",
        ("dlt", "psycopg2"),
    )
    DATABRICKS = (
        "databricks",
        "Databricks",
        "databricks://token:TOKEN@adb-1.azuredatabricks.net/CATALOG?http_path=/sql/1.0/warehouses/ID",
        DeliveryWay.DLT,
        "databricks",
        ("dlt", "databricks.sql"),
    )
    CLICKHOUSE = (
        "clickhouse",
        "ClickHouse",
        "clickhouse://adreel:PASSWORD@db.example.com:9440/warehouse?http_port=8443",
        DeliveryWay.DLT,
        "clickhouse",
        ("dlt", "clickhouse_driver", "clickhouse_connect"),
    )
    MSSQL = (
        "mssql",
        "SQL Server",
        "mssql://adreel:PASSWORD@db.example.com:1433/warehouse",
        DeliveryWay.DLT,
        "mssql",
        ("dlt", "pyodbc"),
    )
    SYNAPSE = (
        "synapse",
        "Azure Synapse",
        "synapse://adreel:PASSWORD@db.example.com:1433/warehouse",
        DeliveryWay.DLT,
        "synapse",
        ("dlt", "pyodbc"),
    )
    MOTHERDUCK = (
        "motherduck",
        "MotherDuck",
        "motherduck:///warehouse?token=TOKEN",
        DeliveryWay.DLT,
        "motherduck",
        ("dlt",),
    )
    SQLITE = (
        "sqlite",
        Phrase("SQLite file"),
        "sqlite:////srv/data/warehouse.db",
        DeliveryWay.DLT,
        "sqlalchemy",
        ("dlt",),
        "main",
    )
    MYSQL = (
        "mysql",
        "MySQL, MariaDB",
        "mysql://adreel:PASSWORD@db.example.com:3306/warehouse",
        DeliveryWay.DLT,
        "mysql",
        ("dlt", "pymysql"),
    )
    PARQUET = "parquet", Phrase("Parquet files"), "parquet+s3://ads/exports?region=eu-central-1", DeliveryWay.FILES
    DELTA = "delta", Phrase("Delta Lake tables"), "delta:///srv/data/tables", DeliveryWay.FILES
    ICEBERG = (
        "iceberg",
        Phrase("Iceberg tables"),
        "iceberg+s3://KEY:SECRET@ads/tables?region=eu-central-1",
        DeliveryWay.FILES,
        "iceberg",
        ("pyiceberg",),
    )

    def require(self) -> None:
        """Raises InputError, which says what to install, unless the modules of this kind are there."""
        if all(map(_is_installed, self.modules)):
            return
        words = Phrase("The driver for %(kind)s is not installed. Install it: %(command)s")
        raise InputError(phrase(words, kind=str(self.label), command=f"pip install 'adreel[{self.extra}]'"))


def _is_installed(module: str) -> bool:
    """Whether a module could be imported, without doing so; only the packages around it are."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


_SCHEMES = {str(kind): kind for kind in DestinationKind} | {
    "postgresql": DestinationKind.POSTGRES,
    "md": DestinationKind.MOTHERDUCK,
    "mariadb": DestinationKind.MYSQL,
}

STORES = frozenset({"s3", "gs", "az"})
"""What may follow the kind of files in an address, as in `delta+s3://`: object stores."""

_WITHOUT_HOST = frozenset({DestinationKind.DUCKDB, DestinationKind.SQLITE})
_WITHOUT_DATABASE = frozenset({DestinationKind.BIGQUERY})

SECRETS = frozenset({"key", "password", "sas", "token"})
"""What an address hides behind its question mark."""


@dataclass(frozen=True, slots=True)
class DestinationAddress:
    """An address with its secrets, and as it may be shown."""

    kind: DestinationKind
    full: str
    shown: str

    @property
    def has_password(self) -> bool:
        """Whether the address has a password."""
        return bool(secrets_of(self.full))


def secrets_of(address: str) -> tuple[str, ...]:
    """The passwords, tokens and keys in an address, as they are written there and as they are meant."""
    parts = urlsplit(address)
    given = [value for name, values in parse_qs(parts.query).items() if name in SECRETS for value in values]
    if parts.password:
        given.append(parts.password)
    return tuple(given)


def read_address(text: str) -> DestinationAddress:
    """An address that a person typed. InputError, which never repeats it, if it cannot be one."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        scheme, _, store = parts.scheme.lower().partition("+")
        kind = _SCHEMES.get(scheme)
        has_port = parts.port is not None
    except ValueError:
        raise _unreadable() from None
    if kind is None or len(text) > LONGEST_ADDRESS or (store and kind.way is not DeliveryWay.FILES):
        raise _unreadable()
    if kind.way is DeliveryWay.FILES:
        return _files(kind, store, parts)
    if kind in _WITHOUT_HOST:
        return _file(kind, parts)
    full = str(kind if kind is not DestinationKind.POSTGRES else "postgresql") + text[len(parts.scheme) :]
    if kind is DestinationKind.MOTHERDUCK:
        if parts.netloc or not parts.path.strip("/"):
            raise _like(kind)
        return DestinationAddress(kind, full, f"{kind}://{parts.path}")
    socket = parse_qs(parts.query).get("host", [""])[-1] if kind is DestinationKind.POSTGRES else ""
    if not (parts.hostname or socket.startswith("/")) or (kind not in _WITHOUT_DATABASE and not parts.path.strip("/")):
        raise InputError(
            phrase(
                "The address of a %(kind)s database has a host and a database, as in: %(example)s",
                kind=str(kind.label),
                example=kind.example,
            )
        )
    if "password" in parse_qs(parts.query):
        raise InputError(phrase("Put the password before the host, as in: %(example)s", example=kind.example))
    user = f"{parts.username}@" if parts.username else ""
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    port = f":{parts.port}" if has_port else ""
    at = "" if parts.hostname else f"?host={socket}"
    return DestinationAddress(kind, full, f"{full.partition(':')[0]}://{user}{host}{port}{parts.path}{at}")


def _file(kind: DestinationKind, parts: SplitResult) -> DestinationAddress:
    """A database in one file."""
    # SQLAlchemy writes four slashes where three would do.
    path = Path("/" + parts.path.lstrip("/"))
    if parts.netloc or not parts.path.startswith("/") or not path.name:
        raise InputError(
            phrase(
                "The address of a %(kind)s has its whole path, as in: %(example)s",
                kind=str(kind.label),
                example=kind.example,
            )
        )
    return DestinationAddress(kind, f"{kind}://{path}", f"{kind}://{path}")


def _files(kind: DestinationKind, store: str, parts: SplitResult) -> DestinationAddress:
    """A folder, or a place in an object store."""
    if store in ("", "file"):
        path = Path(parts.path)
        if parts.netloc or not path.is_absolute():
            raise _like(kind)
        return DestinationAddress(kind, f"{kind}://{path}", f"{kind}://{path}")
    if store not in STORES or not parts.hostname:
        raise _like(kind)
    shown = f"{kind}+{store}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    query = f"?{parts.query}" if parts.query else ""
    full = f"{kind}+{store}://{parts.netloc}{parts.path.rstrip('/')}{query}"
    return DestinationAddress(kind, full, shown)


def _like(kind: DestinationKind) -> InputError:
    return InputError(phrase("This is not an address of that kind. Example: %(example)s", example=kind.example))


def _unreadable() -> InputError:
    examples = " ".join(kind.example for kind in DestinationKind)
    return InputError(phrase("This is not the address of a destination. Examples: %(examples)s", examples=examples))


@contextmanager
def open_session(kind: str, address: str) -> Iterator[DestinationSession]:
    """The destination of way SESSION at an address, open while the block runs. Errors as `DestinationSession`."""
    if kind == DestinationKind.DUCKDB:
        from adreel.destinations.duckdb_file import open_duckdb

        with open_duckdb(Path(urlsplit(address).path)) as file:
            yield file
    else:
        from adreel.destinations.postgres import open_postgres

        with open_postgres(address) as database:
            yield database
