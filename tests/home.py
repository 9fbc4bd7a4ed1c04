"""A home, a simulated world and the command line over them, for tests that go through the front door."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import typer.testing
from starlette.applications import Starlette
from typer.main import get_command
from typer.testing import CliRunner, Result

from adreel.cli import CommandContext, app
from adreel.simulator import WorldConfig, access_token, create_app
from adreel.simulator.server import serve_on
from shared import SANDBOX, begin_store, share_statements, share_templates, trust_the_machine

# Typer builds all commands for each call, which takes 35 ms, and the tests make thousands of calls.
typer.testing._get_command = functools.cache(get_command)  # type: ignore[attr-defined]
share_statements()
share_templates()
trust_the_machine()

TODAY = date(2026, 11, 22)
URL = "http://tiktok.test"

SPEND: dict[str, Any] = {
    "name": "Spend",
    "account": "demo",
    "report": "performance",
    "data_level": "ad",
    "time_dimension": "day",
    "metrics": ["spend", "impressions", "clicks", "conversion"],
    "dates": {"start": "today-3", "end": "yesterday"},
}
"""A small daily report, as the values of a dataset file."""


@dataclass
class Home:
    """Runs the command line in this process against a simulated world, with a clock that only tests advance."""

    path: Path
    config: WorldConfig
    world: Starlette
    environ: dict[str, str] = field(default_factory=dict)
    now: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)
    transport: httpx2.AsyncBaseTransport | None = None

    @property
    def token(self) -> str:
        return access_token(self.config)

    def adreel(self, *words: str, stdin: str | None = None) -> Result:
        environ = {
            "ADREEL_HOME": str(self.path),
            "ADREEL_TIKTOK_URL": f"{URL}/open_api/v1.3",
            "ADREEL_TIKTOK_AUTH_URL": f"{URL}/portal/auth",
            "ADREEL_TIKTOK_APP_ID": self.config.app_id,
            "ADREEL_TIKTOK_SECRET": self.config.secret,
            "ADREEL_TIKTOK_LEVEL": "5000",
            "ADREEL_GMV_MAX_CHECK": "off",
        } | self.environ
        session = CommandContext(environ, lambda: self.now, self.transport or httpx2.ASGITransport(self.world), SANDBOX)
        return CliRunner().invoke(app, list(words), obj=session, input=stdin)

    def good(self, *words: str, stdin: str | None = None) -> Result:
        result = self.adreel(*words, stdin=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result

    def bad(self, *words: str, stdin: str | None = None) -> tuple[int, str]:
        """The exit code and stderr of a command that has to fail with a clean exit."""
        result = self.adreel(*words, stdin=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code != 0, result.output
        return result.exit_code, result.stderr

    def json(self, *words: str, code: int = 0) -> Any:
        """The output of a command with --json; `code` is its exit code."""
        result = self.adreel(*words, "--json")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return list(json.loads(self.good("query", sql, "--format", "json").stdout))

    def add_account(self, name: str = "demo", advertisers: list[int] | None = None) -> None:
        if "ADREEL_DATABASE_URL" not in self.environ:
            begin_store(self.path)
        token = access_token(self.config, advertisers)
        self.good("accounts", "add", name, "--token-stdin", stdin=f"{token}\n")

    def file(self, name: str = "d.yaml", /, **keys: Any) -> str:
        """A dataset file with these keys over a small daily report."""
        values = SPEND | keys
        path = self.path / name
        path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
        return str(path)

    def kept(self, *besides: str) -> dict[str, Any]:
        """The content of the store and the lake, to compare with a later one; `besides` names tables to exclude."""
        tables = {"accounts", "account_advertisers", "datasets", "runs"} - set(besides)
        with closing(sqlite3.connect(self.path / "adreel.db")) as database:
            content: dict[str, Any] = {
                table: database.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in sorted(tables)
            }
        lake = self.path / "lake"
        content["lake"] = sorted(str(path) for path in lake.rglob("*") if path.is_file())
        return content

    def door(self, order: str, body: Mapping[str, Any] | None = None) -> Any:
        """The simulator's side door."""

        async def ask() -> Any:
            transport = httpx2.ASGITransport(self.world)
            async with httpx2.AsyncClient(transport=transport, base_url=URL) as client:
                if body is None:
                    answer = await client.get(f"/_simulator/{order}")
                else:
                    answer = await client.post(f"/_simulator/{order}", json=dict(body))
            assert answer.status_code == 200, answer.text
            return answer.json()

        return asyncio.run(ask())

    def requests(self, path: str = "report/integrated") -> list[dict[str, Any]]:
        """The requests that the simulator received, with `path` in their path."""
        return [request for request in self.door("requests")["requests"] if path in request["path"]]

    def later(self, days: int) -> None:
        """Advances the clocks of adreel and the simulator by days."""
        self.now += timedelta(days=days)
        self.door("now", {"today": self.now.date().isoformat(), "hour": 12})


def make_home(path: Path, **world: Any) -> Home:
    sizes: dict[str, Any] = {
        "today": TODAY,
        "advertisers": 3,
        "ads": 30,
        "qps": 0,
        "days": 120,
        "hostile_names": True,
    } | world
    config = WorldConfig(**sizes)
    path.mkdir(parents=True, exist_ok=True)
    return Home(path, config, create_app(config))


def copied(home: Home, path: Path) -> Home:
    """A home with the same content, over a world of its own, in which nobody has asked and no day has gone by."""
    shutil.copytree(home.path, path)
    return replace(home, path=path, world=create_app(home.config), environ=dict(home.environ))


@contextmanager
def served(config: WorldConfig) -> Iterator[str]:
    """The simulator on a free port of this machine while the block runs; gives its address."""
    loop = asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    serving = loop.create_task(serve_on(config, listener, lambda _: None))

    def work() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join()
        listener.close()


def environment_of(home: Home, url: str) -> dict[str, str]:
    """The environment of a separate process over the home, with a simulator at `url`."""
    return {
        **os.environ,
        "ADREEL_HOME": str(home.path),
        "ADREEL_TIKTOK_URL": f"{url}/open_api/v1.3",
        "ADREEL_TIKTOK_AUTH_URL": f"{url}/portal/auth",
        "ADREEL_TIKTOK_APP_ID": home.config.app_id,
        "ADREEL_TIKTOK_SECRET": home.config.secret,
        "ADREEL_TIKTOK_LEVEL": "5000",
        "ADREEL_GMV_MAX_CHECK": "off",
    }
