"""The REST API over a home and a simulated world, and programs that call it over HTTP in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from adreel.cli.operations_reference import api_description
from adreel.store import User
from home import SPEND
from web_home import ADDRESS, Site

API = "/api/v1"


def description() -> Mapping[str, Any]:
    """The API's description; only to read."""
    return api_description()


@dataclass
class Program:
    """A program with an API token, or with none."""

    client: Any
    token: str

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """The answer, of any status."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= more.pop("headers", {})
        answer: httpx2.Response = self.client.request(method, f"{API}{path}", headers=headers, **more)
        return answer

    def good(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        """The answer's JSON; None where it has no body."""
        answer = self.ask(method, path, **more)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text[:2000])
        return answer.json() if answer.content else None

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a successful GET request."""
        return self.good("GET", path, params=query)

    def bad(self, method: str, path: str, status: int, **more: Any) -> dict[str, Any]:
        """The error of an answer with that status, after a check of its shape."""
        answer = self.ask(method, path, **more)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text[:2000])
        return error_of(answer)


def error_of(answer: httpx2.Response) -> dict[str, Any]:
    """The error of an answer, after a check of its shape."""
    assert answer.headers["content-type"] == "application/json", answer.text
    body = answer.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"kind", "message", "problems", "tiktok_code", "request_id", "error_id"}
    assert error["kind"].endswith("Error")
    assert error["message"]
    for problem in error["problems"]:
        assert set(problem) == {"menu", "reason", "nearest"}
        assert problem["menu"]
        assert problem["reason"].endswith(".")
    return error


def program(site: Site, user: User | str = "admin", *, read_only: bool = False) -> Program:
    """A program with a token of that user."""
    owner = user if isinstance(user, User) else site.store.users.get(user)
    _, secret = site.store.tokens.add(owner, "a program", read_only, None)
    return Program(site.visit().client, secret)


def stranger(site: Site) -> Program:
    """A program without a token."""
    return Program(site.visit().client, "")


def table(site: Site, asking: Program, **keys: Any) -> str:
    """The slug of a new dataset that has run."""
    slug: str = asking.good("POST", "/datasets", 201, json=SPEND | keys)["slug"]
    asking.good("POST", f"/datasets/{slug}/runs", 202)
    (run,) = site.work()
    assert run.version is not None, run.error
    return slug


__all__ = ["ADDRESS", "API", "SPEND", "Program", "error_of", "program", "stranger", "table"]
