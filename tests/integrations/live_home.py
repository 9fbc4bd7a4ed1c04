"""A home whose simulated TikTok is served, so that other processes read it too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from home import Home, make_home, served


@dataclass
class LiveHome:
    """The home and the address of its TikTok; `folder` is all that another process has to know."""

    home: Home
    url: str

    @property
    def folder(self) -> str:
        """The folder, with the settings in its adreel.env."""
        return str(self.home.path)

    def door(self, order: str, body: Mapping[str, Any] | None = None) -> Any:
        """The side door of the simulator."""
        method, address = "GET" if body is None else "POST", f"{self.url}/_simulator/{order}"
        answer = httpx2.request(method, address, json=None if body is None else dict(body), timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def later(self, days: int) -> None:
        """Advances the time of the home and of TikTok by days."""
        self.door("now", {"days": days})

    def codes(self, path: str = "report/integrated") -> list[int]:
        """TikTok's answers to requests with `path` in their path."""
        return [request["code"] for request in self.door("requests")["requests"] if path in request["path"]]


@contextmanager
def live_home(path: Path, level: str = "5000", **world: Any) -> Iterator[LiveHome]:
    """A home with an account, which other processes open by its folder."""
    home = make_home(path, **world)
    with served(home.config) as url:
        own = {
            "ADREEL_TIKTOK_URL": f"{url}/open_api/v1.3",
            "ADREEL_TIKTOK_AUTH_URL": f"{url}/portal/auth",
            "ADREEL_TIKTOK_APP_ID": home.config.app_id,
            "ADREEL_TIKTOK_SECRET": home.config.secret,
            "ADREEL_TIKTOK_LEVEL": level,
            # The shops of the simulated world would make a warning of every run.
            "ADREEL_GMV_MAX_CHECK": "off",
        }
        settings = path / "adreel.env"
        settings.touch(0o600)
        settings.write_text("".join(f"{name}={value}\n" for name, value in own.items()), "utf-8")
        home.environ = own
        home.transport = httpx2.AsyncHTTPTransport()
        home.add_account()
        yield LiveHome(home, url)


def dataset_file(live: LiveHome, **keys: Any) -> str:
    """A dataset file with exactly these keys."""
    path = live.home.path / "dataset.json"
    path.write_text(json.dumps(keys), "utf-8")
    return str(path)
