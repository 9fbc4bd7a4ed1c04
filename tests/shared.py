"""What a program makes once and the tests would make thousands of times, shared by all that a process of them opens.

Each command opens a store, and each site an app. Statements and templates that each of them compiles anew, the process
that each starts for SQL, and the tables of new databases were a fifth of the time of the tests.
"""

from __future__ import annotations

import functools
import os
import sqlite3
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from weakref import WeakKeyDictionary

import jinja2
from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache

from adreel.new_files import placed_once
from adreel.sandbox import Sandbox
from adreel.settings import Settings
from adreel.store import Store

STATEMENTS = 2_000


class SharedSandbox(Sandbox):
    """One launcher for all; it ends with the process. Each query still has a child of its own."""

    def close(self) -> None:
        """Leaves it to the others."""


SANDBOX = SharedSandbox()


def share_statements() -> None:
    """From here on engines of one kind of database use each other's statements; adreel makes all of them alike."""
    statements: LRUCache[Any, Any] = LRUCache(STATEMENTS)
    types: defaultdict[type, WeakKeyDictionary[Any, Any]] = defaultdict(WeakKeyDictionary)
    Engine._compiled_cache = property(lambda _: statements, lambda _, __: None)  # type: ignore[assignment]
    DefaultDialect._type_memos = property(lambda self: types[type(self)])  # type: ignore[assignment]
    # A dialect is a part of the key of a statement.
    DefaultDialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
    DefaultDialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]


def share_templates() -> None:
    """From here on a file with templates is compiled once; adreel makes all environments of pages alike."""
    compile_template = jinja2.Environment.compile
    codes: dict[tuple[str, str | None], Any] = {}

    def compiled(
        self: jinja2.Environment, source: str, name: str | None = None, filename: str | None = None, **more: Any
    ) -> Any:
        key = source, filename
        if filename is None:
            return compile_template(self, source, name, filename, **more)
        if key not in codes:
            codes[key] = compile_template(self, source, name, filename, **more)
        return codes[key]

    jinja2.Environment.compile = compiled  # type: ignore[assignment]


def trust_the_machine() -> None:
    """From here on SQLite and lakes of this process do not wait for the disk: no test outlives the machine's power.

    What a process that is killed has written is there all the same. The processes that tests start do wait.
    """

    @event.listens_for(Engine, "connect")
    def connected(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    def fsync(fd: Any) -> None:
        """Nothing: the system has what was written."""

    os.fsync = fsync


@functools.cache
def _new_database() -> bytes:
    with TemporaryDirectory() as folder:
        settings = Settings.load({"ADREEL_HOME": folder})
        Store.open(settings, clock=lambda: datetime.now(UTC)).close()
        return (Path(folder) / "adreel.db").read_bytes()


def begin_store(folder: Path) -> None:
    """Puts a new database into a home that has none and is to have it there; opening it would make the same."""
    file = folder / "adreel.db"
    if not file.exists() and not (folder / "adreel.env").exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        # Whole at once, for threads that open one home together.
        with placed_once(file) as draft:
            draft.write_bytes(_new_database())
