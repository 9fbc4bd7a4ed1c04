"""A process that serves pages has no API in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PAGES = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from adreel.settings import Settings
from adreel.store import Store
from adreel.web.app import create_app
from starlette.testclient import TestClient

settings = Settings.load({"ADREEL_HOME": sys.argv[1]})
with Store.open(settings, clock=lambda: datetime(2026, 11, 28, tzinfo=UTC)) as store:
    app = create_app(settings, store, clock=lambda: datetime(2026, 11, 28, tzinfo=UTC))
    with TestClient(app, base_url="http://localhost:8765") as client:
        for path in ("/setup", "/ready", "/nowhere", "/logout", "/static/adreel.css"):
            print(path, client.get(path, follow_redirects=False).status_code, "adreel.web.api.app" in sys.modules)
        answer = client.get("/api/v1/me")
        print("/api/v1/me", answer.status_code, "adreel.web.api.app" in sys.modules)
"""


def test_pages_do_not_import_the_api_and_its_first_request_does(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PAGES, str(tmp_path / "home")], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [
        "/setup 200 False",
        "/ready 200 False",
        "/nowhere 404 False",
        "/logout 303 False",
        "/static/adreel.css 200 False",
        "/api/v1/me 401 True",
    ], done.stderr
