"""A dashboard from the command line to a webhook."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import test_dashboard_delivery
from test_dashboard_delivery import Office

office = test_dashboard_delivery.office
ready = test_dashboard_delivery.ready


@pytest.fixture
def hook() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A webhook on this machine: its port, and what it received."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1], bodies
        server.shutdown()
        thread.join()


def test_the_command_line_sends_text_picture_and_pdf_to_a_webhook(
    office: Office, hook: tuple[int, list[dict[str, Any]]]
) -> None:
    port, bodies = hook
    home = office.site.home
    home.good("notifications", "add", "--name", "Hook", stdin=f"json://127.0.0.1:{port}/secret\n")
    address = str(office.store.addresses.list()[-1].id)
    # The address is the workspace's, which Ada may not use.
    assert "was not found" in home.bad("dashboards", "deliver", "Every morning", address)[1]
    home.good("dashboards", "create", "Ops: (all)")
    home.good("dashboards", "pin", "Ops: (all)", "spend", "spend", "--choices", "currency=EUR")
    home.good("dashboards", "deliver", "Ops: (all)", address, "--at", "07:30", "--on", "monday,friday")
    output = home.good("dashboards", "send", "Ops: (all)", address).stderr
    assert "Sent dashboard 'Ops: (all)'" in output
    (body,) = bodies
    assert "- 2026-11-21: " in body["message"]
    files = {file["filename"]: base64.b64decode(file["base64"]) for file in body["attachments"]}
    assert files["Ops___all_.png"].startswith(b"\x89PNG")
    pdf = files["Ops___all_.pdf"]
    assert pdf.startswith(b"%PDF")
    assert b"/Title (Ops: \\(all\\))" in pdf
    assert b"/FontFile2" in pdf, "texts are texts, and can be selected"
    (delivery,) = office.store.dashboard_deliveries.of(office.store.dashboards.of(None)[-1])
    assert (delivery.at, delivery.weekdays, delivery.failure) == ("07:30", (0, 4), "")
