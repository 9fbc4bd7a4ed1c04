"""What a server and the processes of its runs write to their logs."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from adreel.store import FINISHED
from home import environment_of, make_home, served
from test_cli_serve import serving
from web_home import PASSWORD


def test_a_server_and_its_runs_log_json_to_one_stream(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", today=datetime.now(UTC).date(), advertisers=1, ads=2)
    home.now = datetime.now(UTC)
    home.add_account()
    home.good("datasets", "create", "-f", home.file())
    home.good("users", "add", "ada", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    with served(home.config) as url:
        more = {name: value for name, value in environment_of(home, url).items() if name.startswith("ADREEL_")}
        more |= {"ADREEL_LOG_FORMAT": "json", "ADREEL_LOG_LEVEL": "debug"}
        with serving(home.path, "serve", "--port", "0", "--no-browser", **more) as (process, address, before):
            with httpx2.Client(base_url=address, timeout=60, headers={"Sec-Fetch-Site": "same-origin"}) as client:
                client.post("/login?next=/secret-query", data={"name": "ada", "password": PASSWORD})
                queued = client.post("/api/v1/datasets/spend/runs", json={}).json()
                until = time.monotonic() + 60
                while client.get(f"/api/v1/runs/{queued['run_id']}").json()["state"] not in FINISHED:
                    assert time.monotonic() < until
                    time.sleep(0.1)
                (worker,) = client.get("/api/v1/status").json()["workers"]
            process.send_signal(2)
            _, stderr = process.communicate(timeout=30)
    lines = [json.loads(line) for line in "".join(before).splitlines()[-1:] + stderr.splitlines()]
    of_run = [line for line in lines if line.get("run_id") == queued["run_id"]]
    assert [line["message"] for line in of_run][:2] == ["Process of the run started", "Run started"]
    assert {line["worker"] for line in of_run} == {worker["id"]}
    assert of_run[-1]["message"] == "Run ended: Verified"
    assert of_run[-1]["rows"] > 0
    assert {line["dataset"] for line in of_run} == {"spend"}
    requests = [line for line in lines if line["message"] == "Request"]
    assert ("POST", "/login", 303) in {(line["method"], line["path"], line["status"]) for line in requests}
    assert lines[-1]["message"] == "The Data Center stopped. Runs in progress continue."
    for hidden in ("secret-query", PASSWORD, home.token, home.config.secret):
        assert hidden not in stderr
