"""The Data Center over a home and a simulated world, and people who visit it, through HTTP in this process."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
from starlette.testclient import TestClient

from adreel.pipeline.process import work
from adreel.settings import Settings
from adreel.store import Cost, Role, Run, RunState, Store, User
from adreel.web.app import create_app
from home import URL, Home
from shared import SANDBOX

PASSWORD = "correct horse battery"
ADDRESS = "http://localhost:8765"


@dataclass
class Visit:
    """One browser: its cookies, and requests as pages of our own send them."""

    client: TestClient

    def get(self, path: str, **query: Any) -> httpx2.Response:
        return self.client.get(path, params=query or None)

    def post(self, path: str, data: Mapping[str, Any] | None = None, **more: Any) -> httpx2.Response:
        """A form sent; the answer before any redirect is followed."""
        headers = {"Sec-Fetch-Site": "same-origin", **more.pop("headers", {})}
        return self.client.post(path, data=dict(data or {}), headers=headers, follow_redirects=False, **more)

    def fragment(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> httpx2.Response:
        """What htmx asks for."""
        headers = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
        if method == "GET":
            return self.client.get(path, params=dict(data or {}), headers=headers)
        return self.client.request(method, path, data=dict(data or {}), headers=headers, follow_redirects=False)

    def good(self, path: str, **query: Any) -> str:
        """A page's text, with status 200."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, (answer.status_code, words_of(answer.text)[:2000])
        return answer.text

    def words(self, path: str, **query: Any) -> str:
        """What a person reads on a page."""
        return words_of(self.good(path, **query))

    def part(self, path: str, **query: Any) -> httpx2.Response:
        """The answer to a request of htmx for a part of the page."""
        headers = {"HX-Request": "true", "HX-Request-Type": "partial"}
        return self.client.get(path, params=query or None, headers=headers)

    def sent(self, path: str, data: Mapping[str, Any] | None = None) -> str:
        """The address that an accepted form redirects to."""
        answer = self.post(path, data)
        assert answer.status_code == 303, (answer.status_code, words_of(answer.text)[:2000])
        return str(answer.headers["location"])


@dataclass
class Site:
    """The app over a home, with people of every role; passwords are `PASSWORD`."""

    home: Home
    settings: Settings
    store: Store
    app: Any
    clients: list[TestClient] = field(default_factory=list)

    def visit(self, user: User | str | None = None) -> Visit:
        """A new browser, signed in as a user if one is named."""
        client = TestClient(self.app, base_url=ADDRESS, raise_server_exceptions=True)
        client.__enter__()
        self.clients.append(client)
        visit = Visit(client)
        if user is not None:
            name = user if isinstance(user, str) else user.name
            answer = visit.post("/login", {"name": name, "password": PASSWORD})
            assert answer.status_code == 303, words_of(answer.text)
        return visit

    def user(self, name: str, role: Role = Role.EDITOR) -> User:
        """A new user."""
        return self.store.users.add(name, PASSWORD, role)

    def work(self) -> tuple[Run, ...]:
        """Works on all queued runs in this process; returns them as they ended."""
        done = []
        for run in self.store.runs.list(states={RunState.QUEUED})[::-1]:
            done.append(work(self.settings, self.store, run.id, clock=lambda: self.home.now, transport=self.transport))
        return tuple(done)

    @property
    def transport(self) -> httpx2.AsyncBaseTransport:
        return self.home.transport or httpx2.ASGITransport(self.home.world)

    def close(self) -> None:
        for client in self.clients:
            client.__exit__(None, None, None)
        self.store.close()


@contextmanager
def open_site(home: Home) -> Iterator[Site]:
    """The Data Center over the home, with an administrator called admin."""
    environ = {
        "ADREEL_HOME": str(home.path),
        "ADREEL_TIKTOK_URL": f"{URL}/open_api/v1.3",
        "ADREEL_TIKTOK_AUTH_URL": f"{URL}/portal/auth",
        "ADREEL_TIKTOK_APP_ID": home.config.app_id,
        "ADREEL_TIKTOK_SECRET": home.config.secret,
        "ADREEL_TIKTOK_LEVEL": "5000",
        "ADREEL_GMV_MAX_CHECK": "off",
    } | home.environ
    settings = Settings.load(environ)
    store = Store.open(settings, clock=lambda: home.now, cost=Cost(8, 1, 1))
    if not store.users.any():
        store.users.add_first("admin", PASSWORD)
    transport = home.transport or httpx2.ASGITransport(home.world)
    app = create_app(settings, store, clock=lambda: home.now, transport=transport, sandbox=SANDBOX)
    site = Site(home, settings, store, app)
    try:
        yield site
    finally:
        site.close()


def words_of(page: str) -> str:
    """The visible text of a page, without tags, in one line."""
    body = re.sub(r"(?s)<(script|style|head)\b.*?</\1>|<p [^>]*\bhidden>.*?</p>", " ", page)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def path_of(location: str) -> str:
    """The path of a redirect, without its query."""
    return urlsplit(location).path
