"""Whether an object store keeps the condition of a write that there must be no such object yet.

Two processes that commit at the same time depend on it. Some stores with the API of S3 answer such a write as any
other, so that the second version silently takes the place of the first. delta-rs looks for the version before it
writes, so that such a write cannot be sent by itself: several commits of the same version race, and in a store that
keeps the condition only one of them succeeds.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import create_table_with_add_actions

from adreel.errors import InputError
from adreel.lake.storage import CHECKED, PROBE, Storage
from adreel.language import phrase

WRITERS = 4
ROUNDS = 3
"""Commits that race, and how often: of a store that ignores the condition, one round finds most."""

_SCHEMA = pa.schema([("probe", pa.string())])


def refuse_unconditional(storage: Storage) -> None:
    """Raises InputError for a store that overwrites objects in spite of the condition.

    Each lake is checked once, which takes some dozens of small requests; the lake has a note of it afterwards.
    """
    endpoint = storage.store.endpoint if storage.store else None
    if endpoint is None or storage.is_checked:
        return
    with storage.guard(phrase("the lake")):
        if not _is_noted(storage, endpoint):
            folder = f"{PROBE}{secrets.token_hex(8)}"
            try:
                keeps = all(_one_of_several(storage, folder) for _ in range(ROUNDS))
            finally:
                storage.delete_folder(folder)
            if not keeps:
                raise InputError(
                    phrase(
                        "The object store of %(url)s (%(endpoint)s) ignores If-None-Match: it replaced an object "
                        "that was to be written only if there was none, so that a version of a table could be lost "
                        "without notice. The table is unchanged. Use a version of the store with conditional "
                        "writes, or set ADREEL_LAKE_URL to another store or a folder.",
                        url=storage.url,
                        endpoint=endpoint,
                    )
                )
            storage.write(CHECKED, orjson.dumps({"endpoint": endpoint}))
    storage.is_checked = True


def _is_noted(storage: Storage, endpoint: str) -> bool:
    """Whether this lake was found to be good at this endpoint."""
    if not storage.exists(CHECKED):
        return False
    try:
        note = orjson.loads(storage.read(CHECKED).to_pybytes())
    except orjson.JSONDecodeError:
        return False
    return isinstance(note, dict) and note.get("endpoint") == endpoint


def _one_of_several(storage: Storage, folder: str) -> bool:
    """Whether at most one of several commits of the same version succeeds."""
    address, options = f"{storage.url}/{folder}/{secrets.token_hex(4)}", storage.delta_options
    schema = Schema.from_arrow(_SCHEMA)
    create_table_with_add_actions(address, schema, [], storage_options=options)
    tables = [DeltaTable(address, storage_options=options) for _ in range(WRITERS)]
    start = threading.Barrier(WRITERS)
    with ThreadPoolExecutor(WRITERS) as pool:
        return sum(pool.map(lambda table: _commits(table, schema, start.wait), tables)) < 2


def _commits(table: DeltaTable, schema: Schema, wait: Callable[[], Any]) -> bool:
    wait()
    try:
        table.create_write_transaction([], "append", schema, commit_properties=CommitProperties(max_commit_retries=0))
    except CommitFailedError:
        return False
    return True
