"""The Data Center and a simulated TikTok on ports of this machine, and people who visit them with Chromium."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, WebError, expect, sync_playwright
from starlette.types import ASGIApp

from adreel.access import Actor, Guard
from adreel.connections import app_access, connected, refresh
from adreel.datasets import service
from adreel.datasets.dataset import Source
from adreel.datasets.validation import parse
from adreel.errors import AdreelError
from adreel.pipeline.orders import Orders
from adreel.pipeline.process import work
from adreel.settings import Settings
from adreel.store import FINISHED, Account, Cost, Role, Run, RunState, SavedDataset, Store, User
from adreel.web.app import create_app
from adreel.web.deps import COOKIE
from home import Home, environment_of, served

PASSWORD = "correct horse battery"
WIDE = (1280, 800)
PHONE = (390, 844)

PATIENCE_MS = 30_000
"""How long anything may take that a page is to show; nothing is as slow but a machine with much else to do."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name leads anywhere but to this machine, whoever asks for it: a page, or Chromium itself.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)

HERE = frozenset({"localhost", "127.0.0.1"})

expect.set_options(timeout=PATIENCE_MS)


# -- Chromium


@contextmanager
def started() -> Iterator[Browser]:
    """Chromium without a window. While it runs, this thread has an event loop and can have no other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def chromium_path() -> str | None:
    """Chromium's path, as CHROMIUM names it or the machine has it; None if there is none."""
    named = os.environ.get("CHROMIUM") or shutil.which("chromium") or "none"
    return None if named == "none" else named


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """One browser for the tests of a module; each visit has a context of its own."""
    if chromium_path() is None:
        # The one reason for which a test may be left out: a machine on which Chromium can neither be found nor
        # installed. `make browser` says what to do.
        words = f"NOT TESTED IN A BROWSER: {request.node.nodeid}. There is no Chromium here; see make browser."
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            sys.stderr.write(f"\n!!! {words}\n")
        pytest.skip(words)
    with started() as browser:
        yield browser


# -- the Data Center


class Gate(httpx2.AsyncBaseTransport):
    """The network between a run and TikTok; while it is closed, reports wait."""

    def __init__(self, opened: threading.Event) -> None:
        self._opened = opened
        self._network = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if "/report/" in request.url.path:
            await asyncio.to_thread(self._opened.wait)
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()


@dataclass
class Town:
    """The Data Center at `url` over a home, and TikTok at `tiktok`; runs are worked on as they are asked for."""

    home: Home
    tiktok: str
    url: str
    settings: Settings
    store: Store
    app: ASGIApp
    reports: threading.Event = field(default_factory=threading.Event)
    """Set while TikTok may be asked for reports; a run waits for it."""

    def __post_init__(self) -> None:
        self.reports.set()

    def door(self, order: str, **body: Any) -> Any:
        """The simulator's side door."""
        with httpx2.Client(trust_env=False, timeout=60) as client:
            answer = client.post(f"{self.tiktok}/_simulator/{order}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def later(self, days: int) -> None:
        """Lets days go by for both sides."""
        self.home.now += timedelta(days=days)
        self.door("now", today=self.home.now.date().isoformat(), hour=12)

    def user(self, name: str, role: Role = Role.EDITOR) -> User:
        """A new user, whose password is `PASSWORD`."""
        return self.store.users.add(name, PASSWORD, role)

    def connect(self, name: str = "Shop", owner: User | None = None, advertisers: int | None = None) -> Account:
        """An account made without the consent page; it reads every advertiser that can be read, or the first few."""
        with httpx2.Client(trust_env=False, timeout=60) as client:
            listed = client.get(f"{self.tiktok}/_simulator/state").json()["advertisers"]
        ids = [advertiser["advertiser_id"] for advertiser in listed if advertiser["kind"] != "no_permission"]
        token = self.door("token", advertiser_ids=ids[:advertisers])["access_token"]
        settings = self.settings
        account = self.store.accounts.add(
            name,
            token=token,
            app_id=settings.tiktok_app_id,
            app_secret=settings.tiktok_secret.reveal(),
            base_url=settings.tiktok_url,
            owner="Media Team 1",
            user=owner,
        )

        async def ask() -> None:
            async with connected(settings, self.store, app_access(settings, self.store, token)) as client:
                await refresh(client, self.store, account)

        aside(lambda: asyncio.run(ask()))
        return account

    def save(self, values: Mapping[str, Any], owner: User | None = None) -> SavedDataset:
        """A dataset as a file has it."""
        return service.save(
            Guard(self.store, Actor(owner)), parse(Source(dict(values), {}), self.home.now), self.home.now
        )

    def dataset(self, account: Account, owner: User | None = None, **keys: Any) -> SavedDataset:
        """A small daily report of that account, with other keys than usual if they are given."""
        values = {
            "name": "Spend by ad",
            "account": account.name,
            "report": "performance",
            "advertisers": "all",
            "data_level": "ad",
            "time_dimension": "day",
            "metrics": ["spend", "impressions", "clicks", "ctr", "conversion"],
            "dates": {"start": "today-7", "end": "yesterday"},
            "update": {"method": "upsert"},
        }
        return self.save(values | keys, owner)

    def ask_for_run(self, saved: SavedDataset) -> Run:
        """A run that is begun as soon as no other is at work."""
        operator = Guard(self.store, Actor(None))
        return Orders(self.settings, self.store, clock=lambda: self.home.now).enqueue(operator, saved)

    def run(self, saved: SavedDataset) -> Run:
        """Runs the dataset to its end."""
        asked = self.ask_for_run(saved)
        for _ in range(PATIENCE_MS // 50):
            run = self.store.runs.get(asked.id)
            if run.state in FINISHED:
                # Its state is written before its lock is given back.
                with self.store.locks.dataset(saved.slug, wait=PATIENCE_MS / 1000):
                    return run
            time.sleep(0.05)
        raise AssertionError(f"The run is {run.state} still.")


@contextmanager
def opened(home: Home, environ: Mapping[str, str] | None = None) -> Iterator[Town]:
    """The Data Center and a simulated TikTok over the home, while the block runs."""
    with served(home.config) as tiktok, socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
        given = environment_of(home, tiktok) | {"ADREEL_WEB_URL": url} | dict(environ or {})
        settings = Settings.load({name: value for name, value in given.items() if name.startswith("ADREEL_")})
        with Store.open(settings, clock=lambda: home.now, cost=Cost(8, 1, 1)) as store:
            app = create_app(settings, store, clock=lambda: home.now)
            town = Town(home, tiktok, url, settings, store, app)
            with _listening(app, listener), _working(town):
                yield town


@contextmanager
def _listening(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1))
    with _thread(lambda: server.run([listener])):
        try:
            yield
        finally:
            server.should_exit = True


@contextmanager
def _working(town: Town) -> Iterator[None]:
    """Works on what waits, one run after the other, at the time that the home has."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.15):
            for run in town.store.runs.list(states={RunState.QUEUED})[::-1]:
                # A run that fails has that written down, and the page is to tell of it.
                with suppress(AdreelError):
                    work(town.settings, town.store, run.id, clock=lambda: town.home.now, transport=Gate(town.reports))

    with _thread(look):
        try:
            yield
        finally:
            town.reports.set()
            over.set()


@contextmanager
def _thread(target: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def aside(function: Callable[[], Any]) -> Any:
    """What the function gives, called in a thread of its own: Playwright's has an event loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


# -- people


@dataclass
class Person:
    """Somebody at a browser, and what went wrong there that a page has not been asked to do."""

    page: Page
    faults: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect_refusal(self, status: int) -> None:
        """Chromium itself says of an answer like that in its console that the resource failed."""
        self.expected.append(f"the server responded with a status of {status} ")

    def take_faults(self) -> list[str]:
        """What went wrong since the last look, but for what was expected."""
        wrong = [fault for fault in self.faults if not any(words in fault for words in self.expected)]
        self.faults.clear()
        return wrong

    def goto(self, path: str) -> None:
        """Opens a page by its address, and waits until its scripts have run."""
        self.page.goto(path, wait_until="load")


def unfold(page: Page, title: str) -> Locator:
    """Opens a pane of the form, as a click on its line does, unless it is open."""
    heading = page.get_by_role("heading", name=title, exact=True)
    pane = page.locator("details.pane", has=heading)
    if pane.get_attribute("open") is None:
        heading.click()
    expect(pane).to_have_attribute("open", "")
    return pane


@contextmanager
def visiting(browser: Browser, town: Town, user: User | str | None = None, **options: Any) -> Iterator[Person]:
    """Somebody who visits the Data Center, signed in if a user is named; nothing may go wrong that was not expected.

    What may not: errors in the console (whatever the content security policy stops is one), errors of scripts,
    requests that fail, and requests that would leave this machine.
    """
    given: dict[str, Any] = {"viewport": {"width": WIDE[0], "height": WIDE[1]}, "color_scheme": "light"}
    context = browser.new_context(base_url=town.url, **(given | options))
    context.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []

    def console(message: ConsoleMessage) -> None:
        address = message.location.get("url", "")
        # What stands in the console on TikTok's page is not ours.
        if message.type in ("error", "warning") and not address.startswith(town.tiktok):
            faults.append(f"console: {message.text} ({address})")

    def broke(error: WebError) -> None:
        faults.append(f"script: {error.error}")

    def asked(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname not in HERE:
            faults.append(f"left this machine: {request.url}")

    def failed(request: Request) -> None:
        # A page that is left, a download, and a question whose successor is on its way are aborted on purpose.
        if request.failure != "net::ERR_ABORTED":
            faults.append(f"request: {request.url}: {request.failure}")

    context.on("console", console)
    context.on("weberror", broke)
    context.on("request", asked)
    context.on("requestfailed", failed)
    if user is not None:
        visitor = town.store.users.get(user) if isinstance(user, str) else user
        secret = town.store.sessions.begin(visitor, "Chromium")
        context.add_cookies([{"name": COOKIE, "value": secret, "url": town.url, "httpOnly": True, "sameSite": "Lax"}])
    person = Person(context.new_page(), faults)
    try:
        yield person
    finally:
        context.close()
    wrong = person.take_faults()
    assert not wrong, "\n".join(wrong)
