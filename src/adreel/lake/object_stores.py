"""Object stores: from an address and the usual environment variables to pyarrow's file system and delta-rs's options.

Data files, run parts and notes go through pyarrow, the Delta log through delta-rs. Both find credentials themselves by
their own rules, so what they would read differently is read here once and given to both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pyarrow.fs as pa_fs

CONNECT_SECONDS = 5
REQUEST_SECONDS = 60
ATTEMPTS = 3
"""Tries of a request to an object store: an unreachable store is reported within seconds, not minutes."""

DELTA_RETRIES = 5
"""delta-rs waits less between tries than pyarrow: with five it, too, tries for some seconds."""

RETRY_SECONDS = 5
"""The same for Google's client, which counts time in place of tries."""

AZURE_SCHEMES = frozenset({"az", "azure", "abfs", "abfss", "adl"})
SCHEMES = frozenset({"s3", "s3a", "gs", *AZURE_SCHEMES})


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """An object store that holds a lake.

    `root` is the lake's place in the pyarrow file system that `open_files` returns, and `delta_options` lead delta-rs
    to the same store. `endpoint` is that of a store with the API of S3 that is not Amazon's own.
    """

    root: str
    open_files: Callable[[], Any]
    delta_options: Mapping[str, str]
    endpoint: str | None = None


def object_store(url: str, environ: Mapping[str, str]) -> ObjectStore:
    """The store of an address whose scheme is one of `SCHEMES`. Asks neither the store nor the network."""
    parts = urlsplit(url)
    if parts.scheme == "gs":
        return _google(parts, environ)
    return _azure(parts, environ) if parts.scheme in AZURE_SCHEMES else _s3(parts, environ)


def _given(environ: Mapping[str, str], *names: str) -> str | None:
    """The first of some environment variables that is set."""
    return next((environ[name] for name in names if environ.get(name)), None)


def _options(**more: str | None) -> dict[str, str]:
    """delta-rs's options; those of `more` without a value are left to its own rules."""
    patience = {
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "timeout": f"{REQUEST_SECONDS}s",
        "max_retries": str(DELTA_RETRIES),
        "retry_timeout": f"{REQUEST_SECONDS}s",
    }
    return patience | {name: value for name, value in more.items() if value is not None}


def _allow_http(endpoint: str | None) -> str | None:
    return "true" if endpoint is not None and urlsplit(endpoint).scheme == "http" else None


def _s3(parts: SplitResult, environ: Mapping[str, str]) -> ObjectStore:
    """S3 and stores that speak it; both clients look for keys, profiles and roles in the order of AWS's own tools."""
    endpoint = (_given(environ, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT") or "").rstrip("/") or None
    region = _given(environ, "AWS_REGION", "AWS_DEFAULT_REGION") or ("us-east-1" if endpoint else None)
    address = urlsplit(endpoint) if endpoint else None
    keys = [_given(environ, name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
    key_id, secret, token = keys if all(keys[:2]) else (None, None, None)

    def open_files() -> Any:
        return pa_fs.S3FileSystem(
            access_key=key_id,
            secret_key=secret,
            session_token=token,
            endpoint_override=address.netloc + address.path if address else None,
            scheme=address.scheme if address else "https",
            region=region,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
            retry_strategy=pa_fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            allow_delayed_open=True,
        )

    options = _options(
        aws_endpoint=endpoint,
        aws_allow_http=_allow_http(endpoint),
        aws_region=region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        # Whatever the environment has for other programs: two writers must never overwrite each other's version.
        aws_conditional_put="etag",
        aws_s3_allow_unsafe_rename="false",
        aws_s3_locking_provider="none",
    )
    return ObjectStore(parts.netloc + parts.path, open_files, options, endpoint)


def _google(parts: SplitResult, environ: Mapping[str, str]) -> ObjectStore:
    """Google Cloud Storage; both clients use GOOGLE_APPLICATION_CREDENTIALS, else the machine's service account.

    An emulator is named as Google's own libraries do, and takes requests without credentials.
    """
    emulator = (_given(environ, "STORAGE_EMULATOR_HOST") or "").rstrip("/") or None
    endpoint = emulator if emulator is None or "://" in emulator else f"http://{emulator}"
    address = urlsplit(endpoint) if endpoint else None

    def open_files() -> Any:
        limit = timedelta(seconds=RETRY_SECONDS)
        if address is None:
            return pa_fs.GcsFileSystem(retry_time_limit=limit)
        return pa_fs.GcsFileSystem(
            anonymous=True, scheme=address.scheme, endpoint_override=address.netloc, retry_time_limit=limit
        )

    no_key = {
        "gcs_base_url": endpoint,
        "disable_oauth": True,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
    }
    options = _options(
        google_service_account_key=json.dumps(no_key) if endpoint else None,
        allow_http=_allow_http(endpoint),
        google_application_credentials=_given(environ, "GOOGLE_APPLICATION_CREDENTIALS"),
    )
    return ObjectStore(parts.netloc + parts.path, open_files, options)


def _azure(parts: SplitResult, environ: Mapping[str, str]) -> ObjectStore:
    """Azure's file system: the account is in abfss://container@account.… or in the environment."""
    account = parts.netloc.partition("@")[2].partition(".")[0] or _given(environ, "AZURE_STORAGE_ACCOUNT_NAME") or ""
    endpoint = (_given(environ, "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT") or "").rstrip("/") or None
    credentials = {
        "account_key": _given(environ, "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"),
        "sas_token": _given(environ, "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"),
        "tenant_id": _given(environ, "AZURE_STORAGE_TENANT_ID", "AZURE_TENANT_ID"),
        "client_id": _given(environ, "AZURE_STORAGE_CLIENT_ID", "AZURE_CLIENT_ID"),
        "client_secret": _given(environ, "AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET"),
    }
    place = _azure_place(account, urlsplit(endpoint)) if endpoint else {}

    def open_files() -> Any:
        return pa_fs.AzureFileSystem(account, **place, **{name: value for name, value in credentials.items() if value})

    options = _options(
        azure_storage_account_name=account or None,
        azure_storage_account_key=credentials["account_key"],
        azure_storage_sas_key=credentials["sas_token"],
        azure_storage_tenant_id=credentials["tenant_id"],
        azure_storage_client_id=credentials["client_id"],
        azure_storage_client_secret=credentials["client_secret"],
        azure_endpoint=endpoint,
        allow_http=_allow_http(endpoint),
    )
    return ObjectStore(parts.netloc.partition("@")[0] + parts.path, open_files, options)


def _azure_place(account: str, address: SplitResult) -> dict[str, str]:
    """Pyarrow's words for an endpoint: a host that begins with the account's name, or an emulator's."""
    suffix = address.netloc.removeprefix(account)
    host = suffix if suffix.startswith(".") else address.netloc
    return {
        "blob_storage_authority": host,
        "blob_storage_scheme": address.scheme,
        "dfs_storage_authority": host.replace(".blob.", ".dfs."),
        "dfs_storage_scheme": address.scheme,
    }
