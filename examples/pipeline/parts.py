"""What the examples of this folder run on: a warehouse, a simulated TikTok, and adreel's command line."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adreel.simulator import WorldConfig, access_token

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Choices:
    """Where an example puts its files and tables."""

    folder: Path
    postgres: str | None
    is_duckdb: bool


def choices(description: str, folder: str) -> Choices:
    """What the command line says; the folder is empty of what an earlier run left."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo" / folder, help="where everything is kept")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--postgres", metavar="URL", help="an existing database, as in postgresql://user@host/database")
    target.add_argument("--duckdb", action="store_true", help="a DuckDB file in the folder")
    given = parser.parse_args()
    chosen = Choices(given.folder.resolve(), given.postgres, given.duckdb)
    for name in ("home", "project", "warehouse.duckdb"):
        shutil.rmtree(chosen.folder / name, ignore_errors=True)
        (chosen.folder / name).unlink(missing_ok=True)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    return chosen


@contextmanager
def warehouse(chosen: Choices) -> Iterator[str]:
    """The address of the destination."""
    if chosen.is_duckdb:
        yield f"duckdb://{chosen.folder / 'warehouse.duckdb'}"
    elif chosen.postgres:
        yield chosen.postgres
    else:
        # The server of adreel's own tests, from a wheel.
        from postgres import postgres_server

        with postgres_server() as server, server.database("template1") as address:
            yield address.replace("postgresql+psycopg", "postgresql")


@contextmanager
def simulator() -> Iterator[tuple[str, WorldConfig]]:
    """A simulated TikTok of yesterday."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    config = WorldConfig(yesterday, advertisers=3, ads=20)
    sizes = [
        f"--today={yesterday}",
        f"--advertisers={config.advertisers}",
        f"--ads={config.ads}",
        "--qps=0",
        "--port=0",
    ]
    command = [str(PROGRAMS / "adreel"), "simulate", *sizes]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), config
        finally:
            process.terminate()


@dataclass(frozen=True)
class Adreel:
    """The command line, with a home in the folder and the simulated TikTok."""

    environment: Mapping[str, str]

    def __call__(self, *words: str, stdin: str | None = None) -> None:
        run([str(PROGRAMS / "adreel"), *words], self.environment, stdin=stdin)

    def output(self, *words: str) -> str:
        """What a command prints."""
        command = [str(PROGRAMS / "adreel"), *words]
        return subprocess.run(
            command, env={**os.environ, **self.environment}, check=True, capture_output=True, text=True
        ).stdout


def connected(folder: Path, url: str, config: WorldConfig) -> Adreel:
    """adreel with the account `demo`."""
    adreel = Adreel(
        {
            "ADREEL_HOME": str(folder / "home"),
            "ADREEL_TIKTOK_URL": f"{url}/open_api/v1.3",
            "ADREEL_TIKTOK_APP_ID": config.app_id,
            "ADREEL_TIKTOK_SECRET": config.secret,
            "ADREEL_TIKTOK_LEVEL": "5000",
        }
    )
    adreel("accounts", "add", "demo", "--token-stdin", stdin=f"{access_token(config)}\n")
    return adreel


def rows(address: str, query: str) -> Sequence[tuple[Any, ...]]:
    if address.startswith("duckdb://"):
        import duckdb

        with duckdb.connect(urlsplit(address).path, read_only=True) as file:
            return file.execute(query).fetchall()
    import psycopg

    with psycopg.connect(address) as connection:
        return connection.execute(query.encode()).fetchall()


def run(command: Sequence[str], environment: Mapping[str, str], *, stdin: str | None = None) -> None:
    """Runs a program and shows what it prints; ends the pipeline if it fails."""
    print(f"$ {Path(command[0]).name} {' '.join(command[1:])}", flush=True)
    done = subprocess.run(command, env={**os.environ, **environment}, input=stdin, text=True)
    if done.returncode:
        sys.exit(f"The pipeline stopped: {Path(command[0]).name} ended with exit code {done.returncode}.")
